//! Coherent intermediate scattering function.
//!
//! F(q, t) / F(q, 0) with F(q, t) = <sum_k A(k, t0 + t) A*(k, t0)>, A(k) = sum_j w_j exp(-i k . r_j) over all atoms j (O
//! included): the sum over all pairs of atoms by way of the density modes. k: lattice vectors of the cell in a shell around q
//! ([`crate::wave_vectors`]); F(q, 0) is taken over the same vectors and time origins, so a frozen system has 1 exactly. The q of the
//! results is the mean length of these vectors, not what was asked for; a note has both, and the widths of the shells.
//! Dimensionless. w_j: 1 for the atoms of one species or for all, or what X-rays (form factor at q) or neutrons (scattering
//! length) see. Hansen and McDonald, Theory of Simple Liquids (2013), section 7.4, doi:10.1016/C2010-0-66723-X.
//!
//! Cost: [`crate::density_modes`] a frame; a complex product a wave vector, weighting, lag and frame.

use std::sync::Arc;

use vitrion_core::cell::Cell;

use crate::density_modes::DensityModes;
use crate::error::AnalysisError;
use crate::fits::kww::KwwSettings;
use crate::fits::kww_table::{KwwTable, WaveNumber};
use crate::frame::{Frame, Needs};
use crate::lags::Lags;
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::{Correlation, GROUPS, Lag, PairAverage};
use crate::particles::Particles;
use crate::settings::Settings;
use crate::table::{Table, decimal};
use crate::wave_vectors::{Shell, shell};
use crate::weighting::{self, Weighting, weightings};

/// Most wave vectors of a shell.
const MOST_VECTORS: usize = 150;
/// Form factors are those at the wave number that was asked for, unless the shell is farther from it than this (1/angstrom).
const CLOSE: f64 = 0.05;

/// Accumulates F of all atoms.
pub struct CoherentScattering {
    average: PairAverage<Amplitudes>,
    particles: Particles,
    lags: Arc<Lags>,
    shells: Vec<(f64, Shell)>,
    /// Wave numbers that no wave vector of the cell comes close to.
    without: Vec<f64>,
    fit: KwwSettings,
}

struct Amplitudes {
    modes: DensityModes,
    kinds: usize,
    /// Per wave vector: its shell, its group, and its shell's weightings.
    shell_of: Vec<usize>,
    weightings: Vec<Vec<Weighting>>,
    /// Per shell: where its sums begin.
    starts: Vec<usize>,
    width: usize,
}

impl Correlation for Amplitudes {
    /// For each wave vector, A of all weightings.
    type Sample = Vec<[f64; 2]>;

    /// For each shell and weighting: the correlation, and that at t = 0.
    fn width(&self) -> usize {
        self.width
    }

    fn sample(&self, frame: &Frame) -> Vec<[f64; 2]> {
        let Some(cell) = &frame.cell else { return Vec::new() };
        let modes = self.modes.evaluate(cell, &frame.atoms);
        let mut amplitudes = Vec::new();
        for (densities, shell) in modes.chunks(self.kinds).zip(&self.shell_of) {
            for weighting in &self.weightings[*shell] {
                let mut a = [0.0; 2];
                for (w, density) in weighting.weights.iter().zip(densities) {
                    a[0] += w * density[0];
                    a[1] += w * density[1];
                }
                amplitudes.push(a);
            }
        }
        amplitudes
    }

    fn add(&self, origin: &Vec<[f64; 2]>, now: &Vec<[f64; 2]>, sums: &mut [f64]) {
        let mut pairs = origin.iter().zip(now);
        for (vector, &shell) in self.shell_of.iter().enumerate() {
            let first = vector % GROUPS * self.width + self.starts[shell];
            let place = &mut sums[first..first + 2 * self.weightings[shell].len()];
            for (sum, (then, now)) in place.chunks_exact_mut(2).zip(&mut pairs) {
                sum[0] += now[0] * then[0] + now[1] * then[1];
                sum[1] += then[0] * then[0] + then[1] * then[1];
            }
        }
    }
}

impl CoherentScattering {
    /// Near these wave numbers (1/angstrom), with wave vectors of `cell`.
    pub fn new(particles: &Particles, wave_numbers: &[f64], cell: &Cell, lags: &Arc<Lags>) -> Self {
        let mut shells: Vec<(f64, Shell)> = Vec::new();
        let mut without = Vec::new();
        for &q in wave_numbers {
            match wave_vectors(cell, q) {
                Some(shell) => shells.push((q, shell)),
                None => without.push(q),
            }
        }
        let vectors = shells.iter().flat_map(|(_, s)| s.vectors.iter().copied()).collect();
        let shell_of = shells.iter().enumerate().flat_map(|(i, (_, s))| vec![i; s.vectors.len()]).collect();
        let of_shell = |(q, shell): &(f64, Shell)| {
            weightings(particles, if (shell.mean - q).abs() > CLOSE { shell.mean } else { *q })
        };
        let weightings: Vec<Vec<Weighting>> = shells.iter().map(of_shell).collect();
        let mut starts = Vec::new();
        let mut width = 0;
        for weightings in &weightings {
            starts.push(width);
            width += 2 * weightings.len();
        }
        let kinds = particles.names.len();
        let modes = DensityModes::new(vectors, &particles.species, kinds);
        let amplitudes = Amplitudes { modes, kinds, shell_of, weightings, starts, width };
        Self {
            average: PairAverage::new(amplitudes, lags),
            particles: particles.clone(),
            lags: Arc::clone(lags),
            shells,
            without,
            fit: Settings::default().relaxation_fit(),
        }
    }

    /// KWW fits of all functions, from all trajectories and from each.
    fn fits(&self, rows: &[(String, WaveNumber)]) -> [Table; 2] {
        let sums = self.average.sums();
        let mut fits = KwwTable::new();
        for (row, (name, q)) in rows.iter().enumerate() {
            let value = |s: &[f64]| s[2 * row] / s[2 * row + 1];
            fits.add(["isf_coherent", name], *q, &sums, value, &self.fit);
        }
        let replicas = fits.replicas("kww_replicas");
        [fits.table("kww"), replicas]
    }
}

/// Those that the function at a wave number (1/angstrom) is averaged over, if any comes close.
pub fn wave_vectors(cell: &Cell, q: f64) -> Option<Shell> {
    shell(cell, q, MOST_VECTORS)
}

/// Long form of a scattering function: `rows` name the values of each lag.
pub(crate) fn table(name: &str, definition: &str, rows: &[(String, f64)], lags: &[Lag]) -> Table {
    let each = |f: &dyn Fn(usize, &Lag) -> f64| -> Vec<f64> {
        (0..rows.len()).flat_map(|row| lags.iter().map(move |lag| f(row, lag))).collect()
    };
    Table::new(name, definition)
        .text(
            "species_or_weighting",
            rows.iter().flat_map(|(name, _)| vec![name.clone(); lags.len()]).collect(),
        )
        .real("q_per_angstrom", "1/angstrom", each(&|row, _| rows[row].1))
        .real("t_ps", "ps", each(&|_, lag| lag.time))
        .real("value", "", each(&|row, lag| lag.values[row]))
        .real("standard_error", "", each(&|row, lag| lag.errors[row]))
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    if context.lags.is_empty() {
        return Err(Missing::because("a correlation in time needs at least two frames of one trajectory"));
    }
    let cell = context.lattice("the coherent function needs wave vectors of a lattice")?;
    let wave_numbers = &context.settings.wave_numbers;
    let mut isf = CoherentScattering::new(context.inputs.particles(), wave_numbers, &cell, &context.lags);
    if isf.shells.is_empty() {
        return Err(Missing::because(format!(
            "no wave vector of the cell comes close to {wave_numbers:?} 1/angstrom; ask for others with --q"
        )));
    }
    isf.fit = context.settings.relaxation_fit();
    Ok(Box::new(isf))
}

impl Observable for CoherentScattering {
    fn key(&self) -> String {
        let q: Vec<f64> = self.shells.iter().map(|(q, _)| *q).chain(self.without.iter().copied()).collect();
        format!("{q:?} most {MOST_VECTORS} fit {:?} {}", self.fit, self.lags.describe())
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::ATOMS
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.average.accumulate(frame);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let lags = self.average.finish(|sums| sums.chunks(2).map(|s| s[0] / s[1]).collect());
        let weightings = &self.average.correlation.weightings;
        let rows: Vec<(String, WaveNumber)> = self
            .shells
            .iter()
            .zip(weightings)
            .flat_map(|((asked, shell), weightings)| {
                let q = WaveNumber { asked: *asked, used: decimal(shell.mean) };
                weightings.iter().map(move |w| (w.name.clone(), q))
            })
            .collect();
        let used: Vec<(String, f64)> = rows.iter().map(|(name, q)| (name.clone(), q.used)).collect();
        let mut table = table(
            "isf_coherent",
            "coherent intermediate scattering function F(q, t)/F(q, 0) over all pairs of atoms; q is the mean length of the wave vectors of the cell near what was asked for",
            &used,
            &lags,
        );
        for (q, shell) in &self.shells {
            let (shortest, longest) = shell.range;
            table = table.note(format!(
                "asked for q = {q} 1/angstrom: {} wave vectors (and their opposites) from {shortest:.4} to {longest:.4}, mean {:.4} 1/angstrom",
                shell.vectors.len(),
                shell.mean
            ));
        }
        for q in &self.without {
            table = table.note(format!(
                "asked for q = {q} 1/angstrom: missing, no wave vector of the cell comes close"
            ));
        }
        let [fits, replicas] = self.fits(&rows);
        Ok(vec![weighting::note(&self.particles).into_iter().fold(table, Table::note), fits, replicas])
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use glam::DVec3;

    use super::*;
    use crate::analysis::stream;
    use crate::inputs::Inputs;
    use crate::test_support::{Synthetic, random_positions, random_walk, triclinic};

    fn measure(inputs: &Inputs, q: &[f64], cell: &Cell) -> (Table, Vec<(f64, Shell)>) {
        let lags = Arc::new(Lags::new(inputs.clocks(), 1000));
        let mut isf = CoherentScattering::new(inputs.particles(), q, cell, &lags);
        stream(inputs, &mut [&mut isf], &mut |_| ()).unwrap();
        let shells = isf.shells.clone();
        (Box::new(isf).finish().unwrap().remove(0), shells)
    }

    #[test]
    fn agrees_with_the_sum_over_all_pairs_of_atoms() {
        // Positions of unrelated frames; form factors of N and O.
        let cell = triclinic();
        let n = 40;
        let species: Vec<usize> = (0..n).map(|i| usize::from(i % 4 > 0)).collect();
        let mut trajectory = Synthetic::new(&species, (0..5).collect(), 0.5, cell, move |f| {
            random_positions(&triclinic(), n, f as u64)
        });
        trajectory.particles.names = vec!["N".into(), "O".into()];
        let (table, shells) = measure(&trajectory.inputs(), &[3.7], &cell);
        let f = crate::scattering::Radiation::XRay.weights(&["N".into(), "O".into()], 3.7).unwrap();
        for lag in 1..5 {
            let (mut correlation, mut norm) = (0.0, 0.0);
            for origin in 0..5 - lag {
                let (then, now) =
                    (random_positions(&cell, n, origin), random_positions(&cell, n, origin + lag));
                for wave in &shells[0].1.vectors {
                    let k: DVec3 = TAU * (cell.inverse().transpose() * wave.as_dvec3());
                    for i in 0..n {
                        for j in 0..n {
                            let weight = f[species[i]] * f[species[j]];
                            correlation += weight * k.dot(now[i] - then[j]).cos();
                            norm += weight * k.dot(then[i] - then[j]).cos();
                        }
                    }
                }
            }
            let found = (0..table.rows())
                .find(|&i| {
                    table.texts("species_or_weighting").unwrap()[i] == "xray"
                        && (table.reals("t_ps").unwrap()[i] - 0.5 * lag as f64).abs() < 1e-9
                })
                .unwrap();
            let value = table.reals("value").unwrap()[found];
            // Round-off of 40 x 40 x 100 terms with phases of some hundred radians.
            assert!((value - correlation / norm).abs() < 1e-10, "{lag}: {value} {}", correlation / norm);
        }
    }

    #[test]
    fn independent_walkers_decay_as_their_self_part() {
        let ticks: Vec<i64> = (0..120).collect();
        let frames = random_walk(200, &ticks, 8);
        let cell = Cell::cubic(20.0).unwrap();
        // Spread over the cell, so that density modes have their random size.
        let starts = random_positions(&cell, 200, 77);
        let at = move |f: usize| frames[f].iter().zip(&starts).map(|(r, s)| *r * 0.4 + *s).collect();
        let inputs = Synthetic::new(&[0; 200], ticks, 1.0, cell, at).inputs();
        let (table, _) = measure(&inputs, &[1.0], &cell);
        let mut beyond = 0;
        let rows: Vec<usize> =
            (0..table.rows()).filter(|&i| table.texts("species_or_weighting").unwrap()[i] == "all").collect();
        for &i in &rows {
            let exact = (-0.5 * 0.16 * table.reals("t_ps").unwrap()[i]).exp();
            let deviation =
                (table.reals("value").unwrap()[i] - exact).abs() / table.reals("standard_error").unwrap()[i];
            assert!(deviation < 7.0, "{deviation}");
            beyond += usize::from(deviation > 2.5);
        }
        assert!(beyond * 5 < rows.len(), "{beyond} of {}", rows.len());
    }

    #[test]
    fn q_is_that_of_the_wave_vectors_and_a_note_says_what_was_asked_for() {
        // The longest wave of the cell has 2 pi / 15.
        let cell = Cell::cubic(15.0).unwrap();
        let at = |f| random_positions(&Cell::cubic(15.0).unwrap(), 40, f as u64);
        let inputs = Synthetic::new(&[0; 40], (0..12).collect(), 1.0, cell, at).inputs();
        let settings =
            Settings { wave_numbers: vec![0.35, 3.7, 0.15], fit_start: Some(1.0), ..Settings::default() };
        let tables = crate::test_support::measure(&inputs, &settings, prepare);
        let q = tables[0].reals("q_per_angstrom").unwrap();
        let exact = TAU / 15.0;
        let near = |q: f64| (q / exact - 1.0).abs() < 1e-10 || (q - 3.7).abs() < 0.05;
        assert!(q.iter().all(|q| near(*q)) && !q.contains(&3.7), "{q:?}");
        for table in &tables[1..] {
            let used = table.reals("q_per_angstrom").unwrap();
            let asked = table.reals("q_asked_per_angstrom").unwrap();
            assert!(
                used.iter().zip(asked).all(|(u, a)| near(*u) && (*a == if *u < 1.0 { 0.35 } else { 3.7 }))
            );
        }
        let notes = tables[0].notes.join("\n");
        assert!(notes.contains("asked for q = 0.35 1/angstrom: 3 wave vectors"), "{notes}");
        assert!(notes.contains("from 0.4189 to 0.4189, mean 0.4189"), "{notes}");
        assert!(notes.contains("asked for q = 0.15 1/angstrom: missing"), "{notes}");
    }

    #[test]
    fn a_frozen_system_does_not_decay() {
        let cell = triclinic();
        let at = |_| random_positions(&triclinic(), 30, 1);
        let (table, _) =
            measure(&Synthetic::new(&[0; 30], (0..6).collect(), 1.0, cell, at).inputs(), &[2.0, 5.0], &cell);
        assert!(table.rows() > 0 && table.reals("value").unwrap().iter().all(|f| (f - 1.0).abs() < 1e-14));
    }
}
