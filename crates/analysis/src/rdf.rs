//! Radial distribution functions g_ab(r) and running coordination numbers.
//!
//! g_ab(r) = V n_ab(r) / (N_a (N_b - delta_ab) V_shell(r)), with n_ab(r) the number of ordered pairs (one of species a, another
//! of species b) whose distance lies in the shell from r - w/2 to r + w/2, nearest image. A like pair has N(N - 1) partners, so
//! that an ideal gas of any size has g = 1. The volume is that of the frame. Pairs within molecules count, unless they are
//! left out explicitly. `all-all`: every atom counts alike. Dimensionless.
//!
//! Running coordination number n_ab(r): mean number of b closer than r to an a, the sum of the histogram.
//!
//! Images are taken along the edges of the cell that are periodic, and only the heights of those limit the range. The volume of a slab or
//! a cluster is that of its box, vacuum included, which a note says; coordination numbers need no volume, and are all that there is
//! without a cell.
//!
//! Cost: [`crate::pair_distances`], a frame. Allen and Tildesley, Computer Simulation of Liquids (2017), section 2.6,
//! doi:10.1093/oso/9780198803195.001.0001.

use std::f64::consts::PI;

use glam::{BVec3, DVec3};

use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::frame_average::FrameAverage;
use crate::inputs::{Inputs, open_edges};
use crate::observable::{Context, Missing, Observable};
use crate::pair_distances::PairDistances;
use crate::particles::Particles;
use crate::settings::Settings;
use crate::table::{Table, decimal};

/// Range where the cell is large (angstrom).
const DEFAULT_RANGE: f64 = 12.0;
/// Width of the bins (angstrom).
const DEFAULT_WIDTH: f64 = 0.05;
/// Most bins of a range that is longer than usual.
const MOST_DEFAULT_BINS: f64 = 4000.0;
/// Memory that a row of a table takes while it is written (bytes), with its words and its text.
const ROW: u64 = 350;

/// Accumulates g_ab(r) of all pairs of species over frames; the cell may have any shape and change from frame to frame.
pub struct RadialDistribution {
    names: Vec<String>,
    counts: Vec<usize>,
    range: f64,
    bins: usize,
    periodic: BVec3,
    /// Whether frames have a cell: without one there is no volume.
    has_cell: bool,
    distances: PairDistances,
    /// Per frame: the histograms of all pairs times the volume, then the histograms.
    average: FrameAverage,
}

/// g_ab(r) of one pair of species.
#[derive(Clone, Debug, PartialEq)]
pub struct PairDistribution {
    /// Names of the species, in the order in which the trajectory has them.
    pub species: [String; 2],
    /// Middle of each bin (angstrom).
    pub r: Vec<f64>,
    /// g_ab in each bin.
    pub g: Vec<f64>,
    /// Standard error of `g` from blocks of frames; NaN from fewer than 4.
    pub error: Vec<f64>,
}

/// Species a and b as their numbers, none for all atoms; a row of results.
type Pair = [Option<usize>; 2];

impl RadialDistribution {
    /// Of all atoms. The range is that of the settings, else the largest that the cell allows, at most 12 angstrom.
    pub fn new(inputs: &Inputs, settings: &Settings) -> Result<Self, Missing> {
        let particles = inputs.particles();
        let kinds = particles.names.len();
        let periodic = inputs.periodic();
        let limit = smallest_half_height(inputs, settings)?;
        let range = settings.r_max.unwrap_or(limit.unwrap_or(f64::INFINITY).min(DEFAULT_RANGE));
        if let Some(limit) = limit.filter(|limit| range > limit * (1.0 + 1e-12)) {
            return Err(Missing::because(format!(
                "a range of {range} angstrom is beyond half the smallest height of the cell, {limit:.4} angstrom, where shells are incomplete; ask for less with --r-max"
            )));
        }
        // 16.9/0.05 is 338.00000000000006.
        let usual = (range / DEFAULT_WIDTH - 1e-9).ceil().min(MOST_DEFAULT_BINS) as usize;
        let bins = settings.r_bins.unwrap_or(usual).max(1);
        let distances = PairDistances::new(&particles.species, kinds, range, bins);
        let rows = 3 * distances.pairs() as u64 * bins as u64;
        if rows * ROW > settings.memory {
            return Err(Missing::because(format!(
                "tables of {bins} bins for {} pairs of species do not fit into the {} MB of --memory; ask for fewer bins with --r-bins",
                distances.pairs(),
                settings.memory / 1_000_000
            )));
        }
        let average = FrameAverage::new(inputs, settings.structure_frames, 2 * distances.pairs() * bins);
        Ok(Self {
            names: particles.names.clone(),
            counts: particles.counts(),
            range,
            bins,
            periodic,
            has_cell: limit.is_some(),
            distances,
            average,
        })
    }

    /// Whether there is a volume, without which there is no g(r) (its values are NaN) but coordination numbers only.
    pub fn has_volume(&self) -> bool {
        self.has_cell
    }

    /// Leaves out pairs within a molecule, whose sharp peaks say nothing about the liquid. The norm stays that of all pairs, so
    /// that g goes to 1 - (n - 1)/N_b for a molecule with n atoms of b. Nothing changes without molecules.
    #[must_use]
    pub fn between_molecules(mut self, particles: &Particles) -> Self {
        if let Some(molecules) = &particles.molecules {
            self.distances = self.distances.between_molecules(molecules);
        }
        self
    }

    fn add(&mut self, frame: &Frame) {
        let counts = self.distances.count(frame.cell.as_ref(), self.periodic, &frame.atoms);
        let volume = frame.cell.map_or(f64::NAN, |cell| cell.volume());
        let values: Vec<f64> =
            counts.iter().map(|n| *n as f64 * volume).chain(counts.iter().map(|n| *n as f64)).collect();
        self.average.add(frame.trajectory, frame.index, &values);
    }

    fn width(&self) -> f64 {
        self.range / self.bins as f64
    }

    /// Histogram of ordered pairs at the beginning of `sums`.
    fn ordered(&self, pair: Pair, sums: &[f64]) -> Vec<f64> {
        let mut ordered = vec![0.0; self.bins];
        for a in 0..self.names.len() {
            for b in 0..self.names.len() {
                if pair[0].is_none_or(|p| p == a) && pair[1].is_none_or(|p| p == b) {
                    // A like pair is two ordered pairs.
                    let factor = if a == b { 2.0 } else { 1.0 };
                    let first = self.distances.pair_index(a, b) * self.bins;
                    ordered.iter_mut().zip(&sums[first..]).for_each(|(s, n)| *s += factor * n);
                }
            }
        }
        ordered
    }

    fn number(&self, species: Option<usize>) -> usize {
        species.map_or(self.counts.iter().sum(), |s| self.counts[s])
    }

    /// a <= b of which there are pairs, then all atoms.
    fn pairs(&self) -> Vec<Pair> {
        let n = self.names.len();
        let unlike = (0..n).flat_map(|a| (a..n).map(move |b| [Some(a), Some(b)]));
        unlike.chain([[None, None]]).filter(|pair| self.partners(*pair) > 0.0).collect()
    }

    /// N_a (N_b - delta_ab).
    fn partners(&self, [a, b]: Pair) -> f64 {
        (self.number(a) * self.number(b).saturating_sub(usize::from(a == b))) as f64
    }

    fn name(&self, species: Option<usize>) -> String {
        species.map_or("all".to_string(), |s| self.names[s].clone())
    }

    /// g of all pairs one after the other, from means over frames.
    fn g(&self, means: &[f64]) -> Vec<f64> {
        let width = self.width();
        let shell = |bin: usize| {
            let (inner, outer) = (bin as f64 * width, (bin + 1) as f64 * width);
            4.0 / 3.0 * PI * (outer.powi(3) - inner.powi(3))
        };
        let shells: Vec<f64> = (0..self.bins).map(shell).collect();
        let of_pair = |pair: Pair| {
            let partners = self.partners(pair);
            let counts = self.ordered(pair, means);
            counts.into_iter().zip(&shells).map(move |(n, shell)| n / (partners * shell)).collect::<Vec<_>>()
        };
        self.pairs().into_iter().flat_map(of_pair).collect()
    }

    /// n_ab at the outer edge of each bin, of both a-b and b-a.
    fn coordination(&self, means: &[f64]) -> Vec<f64> {
        let histograms = &means[self.distances.pairs() * self.bins..];
        let running = |pair: Pair| {
            let number = self.number(pair[0]) as f64;
            self.ordered(pair, histograms)
                .into_iter()
                .scan(0.0, move |sum, n| {
                    *sum += n / number;
                    Some(*sum)
                })
                .collect::<Vec<_>>()
        };
        self.ordered_pairs().into_iter().flat_map(running).collect()
    }

    fn ordered_pairs(&self) -> Vec<Pair> {
        let both = |[a, b]: Pair| if a == b { vec![[a, b]] } else { vec![[a, b], [b, a]] };
        self.pairs().into_iter().flat_map(both).collect()
    }

    /// Mean over frames, for every pair of species of which there are pairs, then for all atoms; empty without a frame.
    pub fn distributions(&self) -> Vec<PairDistribution> {
        let (g, errors) = self.average.finish(|means| self.g(means));
        let width = self.width();
        let r: Vec<f64> = (0..self.bins).map(|bin| (bin as f64 + 0.5) * width).collect();
        self.pairs()
            .into_iter()
            .zip(g.chunks(self.bins).zip(errors.chunks(self.bins)))
            .map(|([a, b], (g, error))| PairDistribution {
                species: [self.name(a), self.name(b)],
                r: r.clone(),
                g: g.to_vec(),
                error: error.to_vec(),
            })
            .collect()
    }

    fn rows(&self, pairs: &[Pair]) -> Vec<String> {
        let name = |[a, b]: &Pair| format!("{}-{}", self.name(*a), self.name(*b));
        pairs.iter().flat_map(|pair| std::iter::repeat_n(name(pair), self.bins)).collect()
    }
}

/// Half the smallest perpendicular height along a periodic edge of the cell in all frames that are used (angstrom), infinite without
/// such an edge; none where no frame has a cell.
fn smallest_half_height(inputs: &Inputs, settings: &Settings) -> Result<Option<f64>, Missing> {
    let frames = FrameAverage::new(inputs, settings.structure_frames, 0);
    let periodic = inputs.periodic();
    let (mut smallest, mut without) = (None, None);
    for (index, trajectory) in inputs.trajectories.iter().enumerate() {
        for &frame in frames.chosen(index) {
            let cell = trajectory.cell(frame).map_err(|e| Missing::because(e.to_string()))?;
            let Some(cell) = cell else {
                without = without.or_else(|| Some(trajectory.label()));
                continue;
            };
            let heights = DVec3::select(periodic, cell.perpendicular_heights(), DVec3::INFINITY);
            smallest = Some(smallest.unwrap_or(f64::INFINITY).min(0.5 * heights.min_element()));
        }
    }
    match (smallest, without) {
        (Some(_), Some(label)) => Err(Missing::because(format!("a frame of {label} has no cell"))),
        (smallest, _) => Ok(smallest),
    }
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    Ok(Box::new(RadialDistribution::new(context.inputs, context.settings)?))
}

impl Observable for RadialDistribution {
    fn key(&self) -> String {
        let chosen: Vec<usize> =
            (0..self.average.trajectories()).map(|t| self.average.chosen(t).len()).collect();
        format!("range {} bins {} frames {chosen:?}", self.range, self.bins)
    }

    fn needs(&self, trajectory: usize, index: usize) -> Needs {
        if self.average.wants(trajectory, index) { Needs::ATOMS } else { Needs::NOTHING }
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.add(frame);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let width = self.width();
        let frames = format!("{} frames", self.average.frames());
        let axis = |pairs: &[Pair], at: f64| -> Vec<f64> {
            pairs.iter().flat_map(|_| (0..self.bins).map(|bin| decimal((bin as f64 + at) * width))).collect()
        };
        let table =
            |name: &str, definition: &str, pairs: &[Pair], at: f64, (value, error): (Vec<f64>, Vec<f64>)| {
                Table::new(name, definition)
                    .text("pair", self.rows(pairs))
                    .real("r_angstrom", "angstrom", axis(pairs, at))
                    .real("value", "", value)
                    .real("standard_error", "", error)
                    .note(&frames)
            };
        let coordination = table(
            "coordination",
            "mean number of b closer than r to an a, pair a-b; r is the upper edge of a bin",
            &self.ordered_pairs(),
            1.0,
            self.average.finish(|means| self.coordination(means)),
        );
        if !self.has_cell {
            return Ok(vec![coordination.note("there is no cell: without a volume there is no g(r)")]);
        }
        let mut g = table(
            "rdf",
            "g_ab(r) = V n_ab(r) / (N_a (N_b - delta_ab) V_shell), nearest image; r is the middle of a bin",
            &self.pairs(),
            0.5,
            self.average.finish(|means| self.g(means)),
        );
        if let Some(edges) = open_edges(self.periodic) {
            g = g.note(format!(
                "{edges} not periodic: V is the volume of the box, vacuum included, so that g does not go to 1; coordination numbers are right"
            ));
        }
        Ok(vec![g, coordination])
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::cell::Cell;

    use super::*;
    use crate::analysis::stream;
    use crate::test_support::{Synthetic, random_positions, triclinic};

    fn measure(inputs: &Inputs, r_max: Option<f64>, bins: usize) -> RadialDistribution {
        let settings =
            Settings { r_max, r_bins: Some(bins), structure_frames: 100_000, ..Settings::default() };
        let mut rdf = RadialDistribution::new(inputs, &settings).unwrap();
        stream(inputs, &mut [&mut rdf], &mut |_| ()).unwrap();
        rdf
    }

    #[test]
    fn ideal_gas_is_one_for_like_and_unlike_pairs_of_few_particles() {
        // 3 A and 5 B: with N^2 in place of N(N - 1) the like pairs would be 0.67 and 0.8.
        let species = [0, 0, 0, 1, 1, 1, 1, 1];
        let cell = triclinic();
        let frames = 20_000;
        let at = move |frame: usize| random_positions(&triclinic(), 8, frame as u64);
        let inputs = Synthetic::new(&species, (0..frames).collect(), 1.0, cell, at).inputs();
        let result = measure(&inputs, None, 4).distributions();
        let pairs: Vec<String> = result.iter().map(|p| p.species.join("-")).collect();
        assert_eq!(pairs, ["A-A", "A-B", "B-B", "all-all"]);
        for (pair, partners) in result.iter().zip([3.0, 15.0, 10.0, 28.0]) {
            for (r, (g, error)) in pair.r.iter().zip(pair.g.iter().zip(&pair.error)) {
                let width = pair.r[1] - pair.r[0];
                // Counts are Poisson: their number gives the error.
                let expected = partners * 4.0 * PI * r * r * width / cell.volume() * frames as f64;
                assert!((g - 1.0).abs() < 5.0 / expected.sqrt(), "{:?} r = {r}: {g}", pair.species);
                // 16 blocks give it to 18 %.
                assert!((error * expected.sqrt() - 1.0).abs() < 0.6, "{error} {expected}");
            }
        }
    }

    #[test]
    fn simple_cubic_crystal_has_its_shells_and_coordination_numbers() {
        let edge = 6;
        let positions: Vec<DVec3> = (0..edge * edge * edge)
            .map(|i| DVec3::new(f64::from(i % edge), f64::from(i / edge % edge), f64::from(i / edge / edge)))
            .collect();
        let cell = Cell::cubic(f64::from(edge)).unwrap();
        let species = vec![0; positions.len()];
        let inputs = Synthetic::new(&species, vec![0], 1.0, cell, move |_| positions.clone()).inputs();
        let rdf = measure(&inputs, Some(2.95), 59);
        let pair = &rdf.distributions()[0];
        assert!(pair.error.iter().all(|e| e.is_nan()), "one frame has no error");
        // Bins of 0.05 that the shells at 1, sqrt 2, sqrt 3, 2, sqrt 5, sqrt 6, sqrt 8 fall into, and nothing else.
        assert_eq!(pair.g.iter().filter(|&&g| g > 0.0).count(), 7);
        let tables = Box::new(rdf).finish().unwrap();
        let (r, n) = (tables[1].reals("r_angstrom").unwrap(), tables[1].reals("value").unwrap());
        for (distance, neighbours) in
            [(0.9, 0.0), (1.1, 6.0), (1.5, 18.0), (1.8, 26.0), (2.1, 32.0), (2.3, 56.0)]
        {
            let bin = r.iter().position(|r| *r > distance).unwrap();
            // 216 equal numbers divided by 216.
            assert!((n[bin] - neighbours).abs() < 1e-12, "{distance}: {}", n[bin]);
        }
    }

    #[test]
    fn each_frame_has_its_own_cell() {
        // The same fractional coordinates in a cell twice as large: g(r) -> g(r/2).
        let at = |f: usize| [1.0, 2.57].map(|x| DVec3::new(x, 1.0, 1.0) * (1.0 + f as f64)).to_vec();
        let mut trajectory = Synthetic::new(&[0, 1], vec![0, 1], 1.0, triclinic(), at);
        trajectory.cell = Box::new(|f| Cell::cubic(10.0 * (1.0 + f as f64)).unwrap());
        let pairs = measure(&trajectory.inputs(), Some(4.0), 40).distributions();
        assert_eq!(pairs.len(), 2, "a single particle has no like pair");
        let at = |r: f64| pairs[0].g[(r / 0.1) as usize];
        let expected = |r: f64, volume: f64| {
            let inner = (r / 0.1).floor() * 0.1;
            0.5 * volume / (4.0 / 3.0 * PI * ((inner + 0.1).powi(3) - inner.powi(3)))
        };
        // Round-off.
        assert!((at(1.57) / expected(1.57, 1000.0) - 1.0).abs() < 1e-9);
        assert!((at(2.0 * 1.57) / expected(2.0 * 1.57, 8000.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn pairs_within_a_molecule_can_be_left_out() {
        let at = |_| vec![DVec3::ZERO, DVec3::X, DVec3::new(0.0, 2.55, 0.0)];
        let mut trajectory = Synthetic::new(&[0; 3], vec![0], 1.0, Cell::cubic(10.0).unwrap(), at);
        trajectory.particles.molecules = Some(vec![0, 0, 1]);
        let inputs = trajectory.inputs();
        let settings = Settings { r_max: Some(4.0), r_bins: Some(40), ..Settings::default() };
        let mut rdf =
            RadialDistribution::new(&inputs, &settings).unwrap().between_molecules(inputs.particles());
        stream(&inputs, &mut [&mut rdf], &mut |_| ()).unwrap();
        let pair = &rdf.distributions()[0];
        assert_eq!(pair.g[10], 0.0, "the bond");
        assert!(pair.g[25] > 0.0 && pair.g[27] > 0.0, "both neighbours in the other molecule");
    }

    /// Rows of one pair of a table.
    fn rows(tables: &[Table], name: &str, pair: &str) -> Vec<(f64, f64)> {
        let table = tables.iter().find(|t| t.name == name).unwrap();
        let pairs = table.texts("pair").unwrap();
        let columns = table.reals("r_angstrom").unwrap().iter().zip(table.reals("value").unwrap());
        columns.zip(pairs).filter(|(_, p)| *p == pair).map(|((r, v), _)| (*r, *v)).collect()
    }

    #[test]
    fn a_slab_has_no_neighbours_across_its_vacuum_and_a_cluster_none_across_walls() {
        // Two layers of a square lattice, at both ends of the third edge; 0.5 of vacuum and no image there.
        let layer = |z: f64| (0..36).map(move |i| DVec3::new(f64::from(i % 6), f64::from(i / 6), z));
        let positions: Vec<DVec3> = layer(0.25).chain(layer(5.75)).collect();
        let cell = Cell::cubic(6.0).unwrap();
        for (periodic, neighbours) in [
            // 4 in the layer; across the vacuum 1 at 0.5 and 4 at 1.118.
            (BVec3::TRUE, 9.0),
            (BVec3::new(true, true, false), 4.0),
            // 24 at the sides of a layer: 2 x (4 x 2 + 16 x 3 + 16 x 4) = 240 of 72 in all.
            (BVec3::FALSE, 240.0 / 72.0),
        ] {
            let at = positions.clone();
            let mut trajectory = Synthetic::new(&[0; 72], vec![0], 1.0, cell, move |_| at.clone());
            trajectory.periodic = periodic;
            let tables = Box::new(measure(&trajectory.inputs(), Some(2.0), 10)).finish().unwrap();
            let found = rows(&tables, "coordination", "A-A").into_iter().find(|(r, _)| *r > 1.1).unwrap().1;
            // 72 whole numbers divided by 72.
            assert!((found - neighbours).abs() < 1e-12, "{periodic}: {found}");
            let note = tables[0].notes.iter().find(|n| n.contains("vacuum"));
            assert_eq!(note.is_some(), !periodic.all(), "{note:?}");
        }
    }

    #[test]
    fn only_periodic_edges_limit_the_range() {
        let mut trajectory = Synthetic::new(
            &[0; 2],
            vec![0],
            1.0,
            Cell::orthorhombic(DVec3::new(30.0, 30.0, 2.0)).unwrap(),
            |_| vec![DVec3::ZERO, DVec3::new(0.0, 3.0, -5.0)],
        );
        trajectory.periodic = BVec3::new(true, true, false);
        let tables = Box::new(measure(&trajectory.inputs(), Some(14.0), 14)).finish().unwrap();
        // sqrt 34 = 5.83: the other one, outside of the box along c, once.
        let found = rows(&tables, "coordination", "A-A");
        assert_eq!(found.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [vec![0.0; 5], vec![1.0; 9]].concat());
    }

    #[test]
    fn without_a_cell_there_are_coordination_numbers_and_no_distribution() {
        let mut trajectory = Synthetic::new(&[0; 3], vec![0], 1.0, Cell::cubic(1.0).unwrap(), |_| {
            vec![DVec3::ZERO, DVec3::X * 1.5, DVec3::X * 40.0]
        });
        trajectory.has_cell = false;
        let tables = Box::new(measure(&trajectory.inputs(), None, 12)).finish().unwrap();
        assert_eq!(tables.len(), 1);
        // Default range of 12: the pair at 1.5 is two neighbours of three atoms.
        assert_eq!(rows(&tables, "coordination", "A-A")[11], (12.0, 2.0 / 3.0));
        assert!(tables[0].notes.iter().any(|n| n.contains("no cell")));
    }

    #[test]
    fn range_beyond_half_the_smallest_height_is_refused() {
        let inputs = Synthetic::new(&[0], vec![0], 1.0, triclinic(), |_| vec![DVec3::ZERO]).inputs();
        let limit = 0.5 * triclinic().perpendicular_heights().min_element();
        let refused =
            |r_max| RadialDistribution::new(&inputs, &Settings { r_max, ..Settings::default() }).err();
        assert!(refused(Some(limit + 0.01)).unwrap().reason.contains("beyond half"));
        assert!(refused(Some(limit)).is_none() && refused(None).is_none());
    }
}
