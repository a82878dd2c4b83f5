//! Self intermediate scattering function.
//!
//! F_s(q, t) = sum_j w_j^2 <sin(q d_j)/(q d_j)> / sum_j w_j^2 over all atoms j (O included) and time origins, with
//! d_j = |r_j(t0 + t) - r_j(t0)|, unwrapped: exp(i q . d) averaged over all directions of q, so q is exactly what was asked.
//! It is 1 at t = 0. Dimensionless. w_j: 1 for the atoms of one species or for all, or what X-rays (form factor at q) or
//! neutrons (scattering length) see: the self part of what they measure together. exp(-q^2 D t) for a random walk.
//! Hansen and McDonald, Theory of Simple Liquids (2013), section 7.4, doi:10.1016/C2010-0-66723-X.
//!
//! KWW fits f exp(-(t/tau)^beta) of every function ([`crate::fits::kww`]): errors from refitting without one trajectory after the
//! other, or, of fewer than four, without one group of atoms after the other.
//!
//! Cost: one sine an atom, wave number, lag and frame.

use std::sync::Arc;

use glam::DVec3;

use crate::error::AnalysisError;
use crate::fits::kww::KwwSettings;
use crate::fits::kww_table::KwwTable;
use crate::frame::{Frame, Needs};
use crate::lags::Lags;
use crate::lane_correlation::{LaneCorrelation, LaneSums};
use crate::lanes::{Lanes, Row, squared_distances};
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::PairAverage;
use crate::particles::Particles;
use crate::sinc::sinc;
use crate::table::Table;
use crate::weighting::{self, Weighting, weightings};

/// Accumulates F_s of all atoms.
pub struct SelfScattering {
    average: PairAverage<LaneCorrelation<Phases>>,
    particles: Particles,
    lags: Arc<Lags>,
    fit: KwwSettings,
}

/// Adds sin(qd)/(qd), one sum a wave number.
struct Phases {
    wave_numbers: Vec<f64>,
}

impl LaneSums for Phases {
    const AT_REST: f64 = 1.0;

    fn number(&self) -> usize {
        self.wave_numbers.len()
    }

    fn positions<'a>(&self, frame: &'a Frame) -> &'a Arc<[DVec3]> {
        &frame.unwrapped
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    fn add(&self, origins: &[Row], now: &[Row], sums: &mut [Lanes]) {
        for (a, b) in origins.iter().zip(now) {
            let distances = squared_distances(a, b).map(f64::sqrt);
            for (q, sum) in self.wave_numbers.iter().zip(&mut *sums) {
                let phases = distances.map(|d| q * d);
                sum.iter_mut().zip(sinc(&phases)).for_each(|(sum, value)| *sum += value);
            }
        }
    }
}

impl SelfScattering {
    /// At these wave numbers (1/angstrom).
    pub fn new(particles: &Particles, wave_numbers: &[f64], lags: &Arc<Lags>, fit: KwwSettings) -> Self {
        let kinds = particles.names.len();
        let phases = Phases { wave_numbers: wave_numbers.to_vec() };
        Self {
            average: PairAverage::new(LaneCorrelation::new(phases, &particles.species, kinds), lags),
            particles: particles.clone(),
            lags: Arc::clone(lags),
            fit,
        }
    }

    /// What the rows of the results are: the number of the wave number, the wave number, and a weighting.
    fn functions(&self) -> Vec<(usize, f64, Weighting)> {
        let numbered = self.average.correlation.added.wave_numbers.iter().copied().enumerate();
        numbered
            .flat_map(|(place, q)| weightings(&self.particles, q).into_iter().map(move |w| (place, q, w)))
            .collect()
    }

    /// F_s at the wave number with this place, of the sums of one lag.
    fn value(&self, sums: &[f64], place: usize, weighting: &Weighting) -> f64 {
        let per_species = 1 + self.average.correlation.added.wave_numbers.len();
        let (mut scattered, mut norm) = (0.0, 0.0);
        for (w, species) in weighting.weights.iter().zip(sums.chunks(per_species)) {
            scattered += w * w * species[1 + place];
            norm += w * w * species[0];
        }
        scattered / norm
    }

    /// KWW fits of all functions, from all trajectories and from each.
    fn fits(&self, functions: &[(usize, f64, Weighting)]) -> [Table; 2] {
        let sums = self.average.sums();
        let mut fits = KwwTable::new();
        for (place, q, weighting) in functions {
            let value = |s: &[f64]| self.value(s, *place, weighting);
            fits.add(["isf_self", &weighting.name], *q, &sums, value, &self.fit);
        }
        let replicas = fits.replicas("kww_replicas");
        [fits.table("kww"), replicas]
    }
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    if context.lags.is_empty() {
        return Err(Missing::because("a correlation in time needs at least two frames of one trajectory"));
    }
    let (particles, settings) = (context.inputs.particles(), context.settings);
    let fit = settings.relaxation_fit();
    Ok(Box::new(SelfScattering::new(particles, &settings.wave_numbers, &context.lags, fit)))
}

impl Observable for SelfScattering {
    fn key(&self) -> String {
        let q = &self.average.correlation.added.wave_numbers;
        format!("{q:?} fit {:?} {}", self.fit, self.lags.describe())
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::UNWRAPPED
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.average.accumulate(frame);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let functions = self.functions();
        let lags = self.average.finish(|sums| {
            functions.iter().map(|(place, _, weighting)| self.value(sums, *place, weighting)).collect()
        });
        let rows: Vec<(String, f64)> = functions.iter().map(|(_, q, w)| (w.name.clone(), *q)).collect();
        let table = crate::isf_coherent::table(
            "isf_self",
            "self intermediate scattering function, sum w^2 <sin(qd)/(qd)> / sum w^2 over all atoms, 1 at t = 0",
            &rows,
            &lags,
        );
        let [fits, replicas] = self.fits(&functions);
        Ok(vec![weighting::note(&self.particles).into_iter().fold(table, Table::note), fits, replicas])
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::cell::Cell;

    use super::*;
    use crate::analysis::stream;
    use crate::inputs::Inputs;
    use crate::test_support::{Synthetic, logarithmic_blocks, random_walk};

    /// F_s, its fits and those of each trajectory, which begin at the first lag.
    fn measure_and_fit(inputs: &Inputs, q: &[f64]) -> [Table; 3] {
        let lags = Arc::new(Lags::new(inputs.clocks(), 1000));
        let mut isf = SelfScattering::new(inputs.particles(), q, &lags, KwwSettings::default());
        stream(inputs, &mut [&mut isf], &mut |_| ()).unwrap();
        Box::new(isf).finish().unwrap().try_into().unwrap()
    }

    fn measure(inputs: &Inputs, q: &[f64]) -> Table {
        measure_and_fit(inputs, q)[0].clone()
    }

    #[test]
    fn random_walk_decays_exponentially_on_a_logarithmic_schedule() {
        let ticks = logarithmic_blocks(30, 32);
        let frames = random_walk(300, &ticks, 4);
        let cell = Cell::cubic(8.0).unwrap();
        let inputs = Synthetic::new(&[0; 300], ticks, 1.0, cell, move |f| frames[f].clone()).inputs();
        let table = measure(&inputs, &[0.3, 0.7]);
        let of_a = |i: &usize| table.texts("species_or_weighting").unwrap()[*i] == "A";
        let column = |name| table.reals(name).unwrap();
        let (mut within, mut rows) = (0, 0);
        for i in (0..table.rows()).filter(of_a) {
            let (q, t) = (column("q_per_angstrom")[i], column("t_ps")[i]);
            // D = 1/2 in each direction.
            let exact = (-q * q * t / 2.0).exp();
            let deviation = (column("value")[i] - exact).abs() / column("standard_error")[i];
            // Errors have few units at long lags, where five of them are exceeded now and then.
            assert!(deviation < 7.0, "q = {q}, t = {t}: {deviation} errors");
            rows += 1;
            within += usize::from(deviation < 2.0);
        }
        assert!(rows > 60 && within * 100 > rows * 80, "{within} of {rows} within two errors");
    }

    #[test]
    fn fits_of_a_random_walk_find_its_relaxation_time_for_each_species_and_wave_number() {
        let frames = random_walk(300, &(0..400).collect::<Vec<_>>(), 5);
        let cell = Cell::cubic(8.0).unwrap();
        let species: Vec<usize> = (0..300).map(|i| usize::from(i >= 100)).collect();
        let at = move |f: usize| frames[f].clone();
        let fits = &measure_and_fit(
            &Synthetic::new(&species, (0..400).collect(), 1.0, cell, at).inputs(),
            &[0.3, 0.6],
        )[1];
        let column = |name: &str| fits.reals(name).unwrap();
        let names: Vec<&str> =
            fits.texts("species_or_weighting").unwrap().iter().map(String::as_str).collect();
        assert_eq!(names, ["A", "B", "all", "A", "B", "all"]);
        assert!(fits.texts("function").unwrap().iter().all(|f| f == "isf_self"));
        for i in 0..fits.rows() {
            // D = 1/2 in each direction: exp(-t/tau) with 1/tau = q^2/2.
            let tau = 2.0 / column("q_per_angstrom")[i].powi(2);
            for (name, exact) in [("tau_ps", tau), ("mean_tau_ps", tau), ("beta", 1.0), ("f", 1.0)] {
                let (value, error) = (column(name)[i], column(&format!("{name}_standard_error"))[i]);
                // Errors from 16 groups: 4 of them are exceeded once in a thousand numbers; here are 24.
                assert!(
                    (value - exact).abs() < 4.0 * error && error < 0.3 * exact,
                    "{name} of {i}: {value} +- {error}, {}",
                    fits.texts("verdict").unwrap()[i]
                );
            }
        }
    }

    #[test]
    fn free_flight_is_the_directional_average_of_its_phase() {
        let at = |f: usize| vec![DVec3::new(0.3, -0.4, 0.0) * f as f64, DVec3::ZERO];
        let cell = Cell::cubic(10.0).unwrap();
        let table = measure(&Synthetic::new(&[0, 1], (0..10).collect(), 1.0, cell, at).inputs(), &[3.7]);
        for i in 0..table.rows() {
            let x = 3.7 * 0.5 * table.reals("t_ps").unwrap()[i];
            let exact = match table.texts("species_or_weighting").unwrap()[i].as_str() {
                "A" => x.sin() / x,
                "B" => 1.0,
                _ => 0.5 * (x.sin() / x + 1.0),
            };
            assert!((table.reals("value").unwrap()[i] - exact).abs() < 1e-14);
        }
        assert!(table.notes.iter().any(|n| n.contains("not tabulated")));
    }
}
