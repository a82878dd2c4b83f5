//! Static structure factors S(q), partial and as X-rays and neutrons see them, and the reduced pair distribution G(r).
//!
//! Over all atoms, O included, with lattice vectors k of the cell, averaged over shells of q. With concentrations c_a = N_a/N:
//!
//! - partial, Faber and Ziman: S_ab(q) = 1 + [<rho_a(k) rho_b*(k)>/N - c_a delta_ab]/(c_a c_b): 1 for an ideal gas and at large q;
//! - weighted: S(q) = 1 + [<|sum_a f_a rho_a(k)|^2>/N - <f^2>]/<f>^2, <f> = sum c_a f_a, <f^2> = sum c_a f_a^2, with the form
//!   factors f_a(q) of X-rays or scattering lengths of neutrons; `all`: every f_a = 1.
//! - G(r) = (2/pi) int q [S(q) - 1] sin(qr) M(q) dq (1/angstrom^2) from the smallest to the largest q, with Lorch's window
//!   M(q) = sin(pi q/q_max)/(pi q/q_max) against the ripples of the cut.
//!
//! Faber and Ziman, Phil. Mag. 11, 153 (1965), doi:10.1080/14786436508211931; Lorch, J. Phys. C 2, 229 (1969),
//! doi:10.1088/0022-3719/2/2/305; Keen, J. Appl. Cryst. 34, 172 (2001), doi:10.1107/S0021889800019993.
//!
//! Cost: [`crate::density_modes`] of at most 32 vectors a shell, some 10,000 in all, a frame; so at most 50 frames a trajectory.

use std::f64::consts::PI;

use glam::IVec3;
use vitrion_core::cell::Cell;

use crate::density_modes::DensityModes;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::frame_average::FrameAverage;
use crate::inputs::Inputs;
use crate::observable::{Context, Missing, Observable};
use crate::particles::Particles;
use crate::settings::Settings;
use crate::table::{Table, decimal};
use crate::wave_vectors::{Shell, shells};
use crate::weighting::{self, weightings};

/// Width of a shell (1/angstrom).
const WIDTH: f64 = 0.05;
/// Most wave vectors of a shell: one of each two opposite ones.
const MOST_VECTORS: usize = 32;
/// Most frames a trajectory.
const MOST_FRAMES: usize = 50;
/// G(r) up to this distance (angstrom), in steps of [`STEP`].
const RANGE: f64 = 20.0;
const STEP: f64 = 0.02;

/// Accumulates S(q) of all pairs of species.
pub struct StructureFactor {
    particles: Particles,
    shells: Vec<Shell>,
    modes: DensityModes,
    longest: f64,
    /// Per frame: for each shell, rho_a rho_b* of a <= b, averaged over its vectors, over N.
    average: FrameAverage,
}

impl StructureFactor {
    /// With wave vectors of `cell` up to the largest wave number of the settings.
    pub fn new(inputs: &Inputs, settings: &Settings, cell: &Cell) -> Self {
        let particles = inputs.particles().clone();
        let shells = shells(cell, settings.q_max, WIDTH, MOST_VECTORS);
        let vectors: Vec<IVec3> = shells.iter().flat_map(|s| s.vectors.iter().copied()).collect();
        let kinds = particles.names.len();
        let modes = DensityModes::new(vectors, &particles.species, kinds);
        let width = shells.len() * kinds * (kinds + 1) / 2;
        let average = FrameAverage::new(inputs, settings.structure_frames.min(MOST_FRAMES), width);
        Self { particles, shells, modes, longest: settings.q_max, average }
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let n = self.particles.names.len();
        (0..n).flat_map(|a| (a..n).map(move |b| (a, b))).collect()
    }

    /// a <= b of which there are atoms.
    fn present(&self) -> Vec<(usize, usize)> {
        let counts = self.particles.counts();
        self.pairs().into_iter().filter(|(a, b)| counts[*a] > 0 && counts[*b] > 0).collect()
    }

    /// What a frame adds.
    fn products(&self, frame: &Frame, cell: &Cell) -> Vec<f64> {
        let n = self.particles.species.len() as f64;
        let densities = self.modes.evaluate(cell, &frame.atoms);
        let mut densities = densities.chunks(self.particles.names.len());
        let pairs = self.pairs();
        let mut products = Vec::with_capacity(self.shells.len() * pairs.len());
        for shell in &self.shells {
            let mut sums = vec![0.0; pairs.len()];
            for rho in densities.by_ref().take(shell.vectors.len()) {
                for (sum, (a, b)) in sums.iter_mut().zip(&pairs) {
                    *sum += rho[*a][0] * rho[*b][0] + rho[*a][1] * rho[*b][1];
                }
            }
            products.extend(sums.iter().map(|s| s / (n * shell.vectors.len() as f64)));
        }
        products
    }

    fn concentrations(&self) -> Vec<f64> {
        let n = self.particles.species.len() as f64;
        self.particles.counts().iter().map(|count| *count as f64 / n).collect()
    }

    /// S_ab of present pairs, then the weighted S, of one shell.
    fn of_shell(&self, q: f64, products: &[f64]) -> Vec<f64> {
        let c = self.concentrations();
        let pairs = self.pairs();
        let product = |a: usize, b: usize| {
            let wanted = (a.min(b), a.max(b));
            pairs.iter().position(|pair| *pair == wanted).map_or(0.0, |i| products[i])
        };
        let partial = |(a, b): (usize, usize)| {
            let own = if a == b { c[a] } else { 0.0 };
            1.0 + (product(a, b) - own) / (c[a] * c[b])
        };
        let weighted = |f: &[f64]| {
            let mean: f64 = c.iter().zip(f).map(|(c, f)| c * f).sum();
            let square: f64 = c.iter().zip(f).map(|(c, f)| c * f * f).sum();
            let all = (0..f.len()).flat_map(|a| (0..f.len()).map(move |b| (a, b)));
            let scattered: f64 = all.map(|(a, b)| f[a] * f[b] * product(a, b)).sum();
            1.0 + (scattered - square) / (mean * mean)
        };
        let mut values: Vec<f64> = self.present().into_iter().map(partial).collect();
        values.extend(self.weighted_names(q).iter().map(|(_, f)| weighted(f)));
        values
    }

    /// `all`, and X-rays and neutrons where they are known.
    fn weighted_names(&self, q: f64) -> Vec<(String, Vec<f64>)> {
        weightings(&self.particles, q)
            .into_iter()
            .skip_while(|w| w.name != "all")
            .map(|w| (w.name, w.weights))
            .collect()
    }

    fn row_names(&self) -> Vec<String> {
        let name =
            |(a, b): (usize, usize)| format!("{}-{}", self.particles.names[a], self.particles.names[b]);
        let pairs = self.present().into_iter().map(name);
        pairs.chain(self.weighted_names(0.0).into_iter().map(|(name, _)| name)).collect()
    }

    /// For each curve its values over the shells.
    fn curves(&self, means: &[f64]) -> Vec<f64> {
        let pairs = self.pairs().len();
        let shells: Vec<Vec<f64>> = self
            .shells
            .iter()
            .zip(means.chunks(pairs))
            .map(|(shell, products)| self.of_shell(shell.mean, products))
            .collect();
        (0..self.row_names().len()).flat_map(|curve| shells.iter().map(move |s| s[curve])).collect()
    }

    /// G(r) of the weighted S.
    fn reduced(&self, means: &[f64]) -> Vec<f64> {
        let q: Vec<f64> = self.shells.iter().map(|s| s.mean).collect();
        let curves = self.curves(means);
        let weighted = self.weighted_names(0.0).len();
        let first = self.row_names().len() - weighted;
        curves
            .chunks(q.len())
            .skip(first)
            .flat_map(|s| reduced_pair_distribution(&q, s, self.longest))
            .collect()
    }
}

/// G(r) at [`distances`], by the trapezoidal rule over the q at which S is known.
fn reduced_pair_distribution(q: &[f64], s: &[f64], longest: f64) -> Vec<f64> {
    let window = |q: f64| {
        let x = PI * q / longest;
        if x < 1e-9 { 1.0 } else { x.sin() / x }
    };
    let integrand = |r: f64| move |(q, s): (&f64, &f64)| q * (s - 1.0) * (q * r).sin() * window(*q);
    distances()
        .into_iter()
        .map(|r| {
            let values: Vec<f64> = q.iter().zip(s).map(integrand(r)).collect();
            let steps = q.windows(2).zip(values.windows(2));
            2.0 / PI * steps.map(|(q, f)| 0.5 * (q[1] - q[0]) * (f[0] + f[1])).sum::<f64>()
        })
        .collect()
}

fn distances() -> Vec<f64> {
    (1..=(RANGE / STEP).round() as u32).map(|i| decimal(f64::from(i) * STEP)).collect()
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    let cell = context.lattice("S(q) needs wave vectors of a lattice")?;
    let factor = StructureFactor::new(context.inputs, context.settings, &cell);
    if factor.shells.is_empty() {
        return Err(Missing::because(format!(
            "the cell has no wave vector up to {} 1/angstrom; ask for more with --q-max",
            factor.longest
        )));
    }
    Ok(Box::new(factor))
}

impl Observable for StructureFactor {
    fn key(&self) -> String {
        let frames: Vec<usize> =
            (0..self.average.trajectories()).map(|t| self.average.chosen(t).len()).collect();
        format!("q up to {} by {WIDTH}, {MOST_VECTORS} vectors, frames {frames:?}", self.longest)
    }

    fn needs(&self, trajectory: usize, index: usize) -> Needs {
        if self.average.wants(trajectory, index) { Needs::ATOMS } else { Needs::NOTHING }
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        if let Some(cell) = &frame.cell {
            let products = self.products(frame, cell);
            self.average.add(frame.trajectory, frame.index, &products);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let frames = format!("{} frames", self.average.frames());
        let (names, n) = (self.row_names(), self.shells.len());
        let (value, error) = self.average.finish(|means| self.curves(means));
        let repeat =
            |names: &[String], n: usize| names.iter().flat_map(|name| vec![name.clone(); n]).collect();
        let factor = Table::new(
            "structure_factor",
            "S(q): Faber-Ziman partials a-b; all, xray, neutron: 1 + [<|sum f rho|^2>/N - <f^2>]/<f>^2; q is the mean of a shell",
        )
        .text("pair_or_weighting", repeat(&names, n))
        .real("q_per_angstrom", "1/angstrom", names.iter().flat_map(|_| self.shells.iter().map(|s| s.mean)).collect())
        .real("value", "", value)
        .real("standard_error", "", error)
        .note(&frames);
        let (value, error) = self.average.finish(|means| self.reduced(means));
        let weighted: Vec<String> = self.weighted_names(0.0).into_iter().map(|(name, _)| name).collect();
        let r = distances();
        let reduced = Table::new(
            "reduced_pdf",
            "G(r) = (2/pi) int q [S(q) - 1] sin(qr) M(q) dq with Lorch's window M, from the smallest q of the cell",
        )
        .text("weighting", repeat(&weighted, r.len()))
        .real("r_angstrom", "angstrom", weighted.iter().flat_map(|_| r.iter().copied()).collect())
        .real("value", "1/angstrom^2", value)
        .real("standard_error", "1/angstrom^2", error)
        .note(format!("q up to {} 1/angstrom", self.longest));
        Ok(vec![weighting::note(&self.particles).into_iter().fold(factor, Table::note), reduced])
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use glam::DVec3;

    use super::*;
    use crate::analysis::stream;
    use crate::test_support::{Synthetic, random_positions, triclinic};

    fn measure(inputs: &Inputs, cell: &Cell, q_max: f64) -> StructureFactor {
        let settings = Settings { q_max, ..Settings::default() };
        let mut factor = StructureFactor::new(inputs, &settings, cell);
        stream(inputs, &mut [&mut factor], &mut |_| ()).unwrap();
        factor
    }

    #[test]
    fn ideal_gas_is_one_for_partials_and_weighted() {
        let cell = triclinic();
        let species: Vec<usize> = (0..60).map(|i| usize::from(i % 3 == 0)).collect();
        let mut trajectory = Synthetic::new(&species, (0..100).collect(), 1.0, cell, |f| {
            random_positions(&triclinic(), 60, f as u64)
        });
        trajectory.particles.names = vec!["O".into(), "Ca".into()];
        let table = Box::new(measure(&trajectory.inputs(), &cell, 6.0)).finish().unwrap().remove(0);
        let (value, error) = (table.reals("value").unwrap(), table.reals("standard_error").unwrap());
        let names: std::collections::BTreeSet<&String> =
            table.texts("pair_or_weighting").unwrap().iter().collect();
        assert_eq!(names.len(), 6, "{names:?}");
        let beyond = value.iter().zip(error).filter(|(s, e)| (*s - 1.0).abs() > 3.0 * **e).count();
        // Of 700 numbers with errors from 16 blocks (Student's t, 15 degrees of freedom: 0.9 %), and their means.
        assert!(value.len() > 500 && beyond * 40 < value.len(), "{beyond} of {}", value.len());
        let mean = value.iter().sum::<f64>() / value.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }

    #[test]
    fn simple_cubic_crystal_has_bragg_peaks_only() {
        let edge = 5;
        let positions: Vec<DVec3> = (0..edge * edge * edge)
            .map(|i| DVec3::new(f64::from(i % edge), f64::from(i / edge % edge), f64::from(i / edge / edge)))
            .collect();
        let cell = Cell::cubic(f64::from(edge)).unwrap();
        let species = vec![0; positions.len()];
        let inputs = Synthetic::new(&species, vec![0], 1.0, cell, move |_| positions.clone()).inputs();
        let factor = measure(&inputs, &cell, 7.0);
        for shell in &factor.shells {
            for n in &shell.vectors {
                let products = DensityModes::new(vec![*n], &species, 1);
                let frame: Vec<DVec3> = (0..125)
                    .map(|i| DVec3::new(f64::from(i % 5), f64::from(i / 5 % 5), f64::from(i / 25)))
                    .collect();
                let [re, im] = products.evaluate(&cell, &frame)[0];
                // Waves of the lattice (all numbers multiples of 5) add up, others cancel.
                let bragg = (*n % 5) == IVec3::ZERO;
                let exact = if bragg { 125.0 * 125.0 } else { 0.0 };
                assert!((re * re + im * im - exact).abs() < 1e-8, "{n}");
            }
        }
        let table = Box::new(factor).finish().unwrap().remove(0);
        let (q, s) = (table.reals("q_per_angstrom").unwrap(), table.reals("value").unwrap());
        // The first peak, at 2 pi: its shell also holds vectors that are no lattice waves.
        let peak = (0..q.len()).max_by(|a, b| s[*a].total_cmp(&s[*b])).unwrap();
        assert!((q[peak] - TAU).abs() < WIDTH && s[peak] > 1.0);
    }

    #[test]
    fn reduced_pair_distribution_of_a_pair_has_its_distance() {
        // S - 1 = sin(q d)/(q d) of isolated pairs at distance d: G peaks at d.
        let q: Vec<f64> = (1..=1500).map(|i| 0.01 * f64::from(i)).collect();
        let s: Vec<f64> = q.iter().map(|q| 1.0 + (q * 2.5).sin() / (q * 2.5)).collect();
        let g = reduced_pair_distribution(&q, &s, 15.0);
        let peak = (0..g.len()).max_by(|a, b| g[*a].total_cmp(&g[*b])).unwrap();
        assert!((distances()[peak] - 2.5).abs() < 0.03);
        // int G(r) dr over the peak is that of a delta function, 1/d, less what Lorch's window spreads beyond.
        let area: f64 = g[75..175].iter().sum::<f64>() * STEP;
        assert!((area * 2.5 - 1.0).abs() < 0.05, "{area}");
    }
}
