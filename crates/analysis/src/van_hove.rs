//! Van Hove functions: where a particle is after a time, and where the others are.
//!
//! Self: G_s(r, t) = <delta(r - |r_i(t0 + t) - r_i(t0)|)> over the centres i of a species, given as the probability density
//! 4 pi r^2 G_s(r, t) of displacements (1/angstrom): its integral is 1 (the last bin's edge cuts the tail, which a note
//! states); a second peak at the distance of neighbours shows jumps.
//! Distinct: G_d(r, t)/rho_b = V n_ab(r, t)/(N_a (N_b - delta_ab) V_shell(r)) with n_ab(r, t) the number of pairs of an a at t0 and
//! another b at t0 + t, nearest image of the positions at both times: g_ab(r) at t = 0, 1 when all is forgotten.
//! At seven lags, spread over the logarithm of time. Van Hove, Phys. Rev. 95, 249 (1954), doi:10.1103/PhysRev.95.249.
//!
//! Cost: self, a distance a centre; distinct, N^2 distances a pair of frames, so of at most 100 origins a trajectory.

use std::f64::consts::PI;
use std::sync::Arc;

use glam::DVec3;
use vitrion_core::cell::Cell;

use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::lags::Lags;
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::{Correlation, GROUPS, Lag, PairAverage, groups};
use crate::particles::{Particles, count};
use crate::table::{Table, decimal};

/// Lags that are followed.
const LAGS: usize = 7;
/// Width of the bins of displacements (angstrom), and their range.
const SELF_WIDTH: f64 = 0.05;
const SELF_RANGE: f64 = 10.0;
/// Width of the bins of distances (angstrom).
const DISTINCT_WIDTH: f64 = 0.1;
/// Most origins a trajectory of the distinct part.
const DISTINCT_ORIGINS: usize = 100;

/// Accumulates displacements of the centres.
pub struct SelfVanHove {
    average: PairAverage<Displacements>,
    names: Vec<String>,
    counts: Vec<usize>,
    lags: Arc<Lags>,
}

struct Displacements {
    /// Per centre: where its sums begin, by group and species.
    slots: Vec<usize>,
    kinds: usize,
    bins: usize,
}

impl Correlation for Displacements {
    type Sample = Arc<[DVec3]>;

    /// For each species: how many, then a histogram.
    fn width(&self) -> usize {
        self.kinds * (1 + self.bins)
    }

    fn sample(&self, frame: &Frame) -> Arc<[DVec3]> {
        Arc::clone(&frame.centres)
    }

    fn add(&self, origin: &Arc<[DVec3]>, now: &Arc<[DVec3]>, sums: &mut [f64]) {
        for ((a, b), &slot) in origin.iter().zip(now.iter()).zip(&self.slots) {
            sums[slot] += 1.0;
            let bin = ((*b - *a).length() / SELF_WIDTH) as usize;
            if bin < self.bins {
                sums[slot + 1 + bin] += 1.0;
            }
        }
    }
}

impl SelfVanHove {
    /// Of the centres of `particles`.
    pub fn new(particles: &Particles, lags: &Arc<Lags>) -> Self {
        let species = particles.centre_species();
        let kinds = particles.names.len();
        let bins = (SELF_RANGE / SELF_WIDTH).round() as usize;
        let slots = groups(&species, kinds)
            .iter()
            .zip(&species)
            .map(|(group, s)| (group * kinds + s) * (1 + bins))
            .collect();
        Self {
            average: PairAverage::new(Displacements { slots, kinds, bins }, lags),
            names: particles.names.clone(),
            counts: count(&species, kinds),
            lags: Arc::clone(lags),
        }
    }

    /// Densities of each species that has centres, then of all.
    fn densities(&self, sums: &[f64]) -> Vec<f64> {
        let width = 1 + self.average.correlation.bins;
        let mut all = vec![0.0; width];
        for species in sums.chunks(width) {
            all.iter_mut().zip(species).for_each(|(a, x)| *a += x);
        }
        let present = sums.chunks(width).zip(&self.counts).filter(|(_, n)| **n > 0).map(|(s, _)| s);
        present
            .chain([&all[..]])
            .flat_map(|s| s[1..].iter().map(|n| n / (s[0] * SELF_WIDTH)).collect::<Vec<_>>())
            .collect()
    }
}

/// For the list of observables.
pub fn prepare_self(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    let lags = lags(context)?;
    Ok(Box::new(SelfVanHove::new(context.inputs.particles(), &lags)))
}

fn lags(context: &Context) -> Result<Arc<Lags>, Missing> {
    if context.lags.is_empty() {
        return Err(Missing::because("a correlation in time needs at least two frames of one trajectory"));
    }
    Ok(Arc::new(context.lags.thinned(LAGS)))
}

impl Observable for SelfVanHove {
    fn key(&self) -> String {
        self.lags.describe()
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::CENTRES
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.average.accumulate(frame);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let lags = self.average.finish(|sums| self.densities(sums));
        let present =
            self.names.iter().zip(&self.counts).filter(|(_, n)| **n > 0).map(|(name, _)| name.clone());
        let names: Vec<String> = present.chain(["all".to_string()]).collect();
        let table = long_form(
            Table::new(
                "van_hove_self",
                "probability density 4 pi r^2 G_s(r, t) of displacements; r is the middle of a bin",
            ),
            "species",
            &names,
            &lags,
            SELF_WIDTH,
            "1/angstrom",
        );
        Ok(vec![
            table.note(format!("displacements beyond {SELF_RANGE} angstrom are counted, but have no bin")),
        ])
    }
}

/// One row a name, lag and bin.
fn long_form(table: Table, first: &str, names: &[String], lags: &[Lag], width: f64, unit: &str) -> Table {
    let bins = lags.first().map_or(0, |lag| lag.values.len() / names.len());
    let mut rows: [Vec<f64>; 4] = Default::default();
    let mut words = Vec::new();
    for (curve, name) in names.iter().enumerate() {
        for lag in lags {
            for bin in 0..bins {
                words.push(name.clone());
                rows[0].push(lag.time);
                rows[1].push(decimal((bin as f64 + 0.5) * width));
                rows[2].push(lag.values[curve * bins + bin]);
                rows[3].push(lag.errors[curve * bins + bin]);
            }
        }
    }
    let [t, r, value, error] = rows;
    table
        .text(first, words)
        .real("t_ps", "ps", t)
        .real("r_angstrom", "angstrom", r)
        .real("value", unit, value)
        .real("standard_error", unit, error)
}

/// Accumulates distances between centres at two times.
pub struct DistinctVanHove {
    average: PairAverage<Distances>,
    names: Vec<String>,
    lags: Arc<Lags>,
}

struct Distances {
    species: Vec<usize>,
    counts: Vec<usize>,
    bins: usize,
}

impl Distances {
    fn pair(&self, a: usize, b: usize) -> usize {
        let (a, b) = (a.min(b), a.max(b));
        a * self.counts.len() - a * (a + 1) / 2 + b
    }

    fn pairs(&self) -> usize {
        self.counts.len() * (self.counts.len() + 1) / 2
    }
}

impl Correlation for Distances {
    type Sample = (Option<Cell>, Arc<[DVec3]>);

    /// For each pair of species a histogram of ordered pairs times the volume; then how often was added.
    fn width(&self) -> usize {
        self.pairs() * self.bins + 1
    }

    fn sample(&self, frame: &Frame) -> Self::Sample {
        (frame.cell, Arc::clone(&frame.centres))
    }

    fn add(&self, origin: &Self::Sample, now: &Self::Sample, sums: &mut [f64]) {
        let (Some(cell), then, now) = (now.0, &origin.1, &now.1) else { return };
        let volume = cell.volume();
        let width = self.width();
        for (i, a) in then.iter().enumerate() {
            let group = &mut sums[i % GROUPS * width..(i % GROUPS + 1) * width];
            for (j, b) in now.iter().enumerate() {
                let bin = (cell.wrapped_difference(*b - *a).length() / DISTINCT_WIDTH) as usize;
                if i != j && bin < self.bins {
                    group[self.pair(self.species[i], self.species[j]) * self.bins + bin] += volume;
                }
            }
        }
        // Each group holds its share of one pair of frames.
        sums.chunks_mut(width).for_each(|group| group[width - 1] += 1.0 / GROUPS as f64);
    }
}

impl DistinctVanHove {
    /// Of the centres of `particles`, up to `range` (angstrom), at most half the smallest height of the cell.
    pub fn new(particles: &Particles, range: f64, lags: &Arc<Lags>) -> Self {
        let species = particles.centre_species();
        let counts = count(&species, particles.names.len());
        let distances =
            Distances { species, counts, bins: (range / DISTINCT_WIDTH + 1e-9).floor().max(1.0) as usize };
        Self {
            average: PairAverage::new(distances, lags),
            names: particles.names.clone(),
            lags: Arc::clone(lags),
        }
    }

    /// Of which there are pairs.
    fn present(&self) -> Vec<(usize, usize)> {
        let counts = &self.average.correlation.counts;
        let n = counts.len();
        let all = (0..n).flat_map(|a| (a..n).map(move |b| (a, b)));
        all.filter(|(a, b)| counts[*a] > 0 && counts[*b] > usize::from(a == b)).collect()
    }

    fn functions(&self, sums: &[f64]) -> Vec<f64> {
        let distances = &self.average.correlation;
        let (bins, counts) = (distances.bins, &distances.counts);
        let times = sums[sums.len() - 1];
        let shell = |bin: usize| {
            let (inner, outer) = (bin as f64 * DISTINCT_WIDTH, (bin + 1) as f64 * DISTINCT_WIDTH);
            4.0 / 3.0 * PI * (outer.powi(3) - inner.powi(3))
        };
        let mut values = Vec::new();
        for (a, b) in self.present() {
            // Unlike pairs are met as a then b and as b then a.
            let partners =
                if a == b { counts[a] * (counts[a] - 1) } else { 2 * counts[a] * counts[b] } as f64;
            let first = distances.pair(a, b) * bins;
            values.extend((0..bins).map(|bin| sums[first + bin] / (times * partners * shell(bin))));
        }
        values
    }
}

/// For the list of observables.
pub fn prepare_distinct(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    lags(context)?;
    let origins = context.lags.most_origins().min(DISTINCT_ORIGINS);
    let lags = Arc::new(Lags::new(context.inputs.clocks(), origins).thinned(LAGS));
    let cell =
        context.lattice("the distinct part counts nearest images over the density of the whole cell")?;
    let limit = 0.5 * cell.perpendicular_heights().min_element();
    Ok(Box::new(DistinctVanHove::new(context.inputs.particles(), limit.min(SELF_RANGE), &lags)))
}

impl Observable for DistinctVanHove {
    fn key(&self) -> String {
        format!("bins {} {}", self.average.correlation.bins, self.lags.describe())
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::CENTRES
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.average.accumulate(frame);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let lags = self.average.finish(|sums| self.functions(sums));
        let names: Vec<String> =
            self.present().iter().map(|(a, b)| format!("{}-{}", self.names[*a], self.names[*b])).collect();
        if names.is_empty() {
            return Err(Missing::because("there is no pair of centres"));
        }
        let table = Table::new(
            "van_hove_distinct",
            "G_d(r, t)/rho: pairs of a centre at t0 and another at t0 + t over those of an ideal gas; r is the middle of a bin",
        );
        Ok(vec![long_form(table, "pair", &names, &lags, DISTINCT_WIDTH, "")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stream;
    use crate::test_support::{Synthetic, random_positions, random_walk};

    #[test]
    fn displacements_of_a_random_walk_are_maxwellian() {
        let ticks: Vec<i64> = (0..40).collect();
        let frames = random_walk(2000, &ticks, 3);
        let cell = Cell::cubic(10.0).unwrap();
        let inputs = Synthetic::new(&[0; 2000], ticks, 1.0, cell, move |f| frames[f].clone()).inputs();
        let lags = Arc::new(Lags::new(inputs.clocks(), 1000).thinned(LAGS));
        let mut hove = SelfVanHove::new(inputs.particles(), &lags);
        stream(&inputs, &mut [&mut hove], &mut |_| ()).unwrap();
        let table = Box::new(hove).finish().unwrap().remove(0);
        let column = |name| table.reals(name).unwrap();
        let (mut beyond, mut rows) = (0, 0);
        for i in (0..table.rows()).filter(|i| column("t_ps")[*i] <= 4.0) {
            let (t, r) = (column("t_ps")[i], column("r_angstrom")[i]);
            let exact = 4.0 * PI * r * r * (2.0 * PI * t).powf(-1.5) * (-r * r / (2.0 * t)).exp();
            if exact > 0.01 {
                rows += 1;
                // Besides errors, the curvature within a bin: at most 0.05^2/24 of 1/r^2 or 1/t.
                let allowed = 3.0 * column("standard_error")[i] + 3e-4 * exact / (r * r).min(t);
                beyond += usize::from((column("value")[i] - exact).abs() > allowed);
            }
        }
        assert!(rows > 100 && beyond * 30 < rows, "{beyond} of {rows}");
    }

    #[test]
    fn unrelated_frames_have_no_distinct_structure() {
        let cell = Cell::cubic(12.0).unwrap();
        let species: Vec<usize> = (0..60).map(|i| i % 2).collect();
        let at = |f: usize| random_positions(&Cell::cubic(12.0).unwrap(), 60, f as u64);
        let inputs = Synthetic::new(&species, (0..40).collect(), 1.0, cell, at).inputs();
        let lags = Arc::new(Lags::new(inputs.clocks(), 100).thinned(LAGS));
        let mut hove = DistinctVanHove::new(inputs.particles(), 6.0, &lags);
        stream(&inputs, &mut [&mut hove], &mut |_| ()).unwrap();
        let table = Box::new(hove).finish().unwrap().remove(0);
        let (r, value) = (table.reals("r_angstrom").unwrap(), table.reals("value").unwrap());
        let first = table.reals("t_ps").unwrap()[0];
        let mut deviations = Vec::new();
        for i in (0..table.rows()).filter(|i| table.reals("t_ps").unwrap()[*i] == first && r[*i] > 1.0) {
            // Counts are Poisson: 39 pairs of frames, 870 or 1800 pairs of particles.
            let partners = if table.texts("pair").unwrap()[i] == "A-B" { 1800.0 } else { 870.0 };
            let expected = 39.0 * partners * 4.0 * PI * r[i] * r[i] * DISTINCT_WIDTH / cell.volume();
            deviations.push((value[i] - 1.0) * expected.sqrt());
        }
        let square = deviations.iter().map(|d| d * d).sum::<f64>() / deviations.len() as f64;
        // 150 squares of unit variance: sqrt(2/150) = 0.12; four of them.
        assert!(deviations.len() == 150 && (square - 1.0).abs() < 0.5, "{square} {}", deviations.len());
    }
}
