//! Overlap function and dynamic susceptibility: how much of the structure is where it was, and how unevenly that is lost.
//!
//! Q(t) = (1/N) sum over the centres i of w(|r_i(t0 + t) - r_i(t0)|), w(d) = 1 for d < a, else 0, a = 1 angstrom: the share of
//! centres that stayed. chi_4(t) = N [<Q^2> - <Q>^2] over time origins and replicas: the size of regions that relax together, in
//! particles. In an ensemble of fixed N, temperature and density it lacks the fluctuations of those (Berthier et al., Science
//! 310, 1797 (2005), doi:10.1126/science.1120714). Lacevic, Starr, Schroder, Glotzer, J. Chem. Phys. 119, 7372 (2003),
//! doi:10.1063/1.1605094. Independent centres have chi_4 = <Q>(1 - <Q>).
//!
//! Cost: a distance a centre, lag and frame.

use std::sync::Arc;

use glam::DVec3;

use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::lags::Lags;
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::{Correlation, Lag, PairAverage};
use crate::particles::{Particles, count};
use crate::table::Table;

/// How far a centre may go and still be where it was (angstrom).
const RADIUS: f64 = 1.0;
/// Sums: how often, Q, Q^2.
const MOMENTS: usize = 3;

/// Accumulates overlaps of the centres.
pub struct Overlap {
    average: PairAverage<Stayed>,
    names: Vec<String>,
    counts: Vec<usize>,
    lags: Arc<Lags>,
}

struct Stayed {
    species: Vec<usize>,
    counts: Vec<usize>,
}

impl Correlation for Stayed {
    type Sample = Arc<[DVec3]>;

    /// For each species, then all.
    fn width(&self) -> usize {
        MOMENTS * (self.counts.len() + 1)
    }

    fn sample(&self, frame: &Frame) -> Arc<[DVec3]> {
        Arc::clone(&frame.centres)
    }

    /// Into the first group only: the fluctuation of a whole system has no groups of particles.
    fn add(&self, origin: &Arc<[DVec3]>, now: &Arc<[DVec3]>, sums: &mut [f64]) {
        let mut stayed = vec![0.0; self.counts.len()];
        for ((a, b), &species) in origin.iter().zip(now.iter()).zip(&self.species) {
            stayed[species] += f64::from(u8::from((*b - *a).length_squared() < RADIUS * RADIUS));
        }
        let all = (stayed.iter().sum::<f64>(), self.species.len());
        let each = stayed.iter().copied().zip(self.counts.iter().copied());
        for (moments, (stayed, n)) in sums.chunks_mut(MOMENTS).zip(each.chain([all])) {
            let q = stayed / n.max(1) as f64;
            moments[0] += 1.0;
            moments[1] += q;
            moments[2] += q * q;
        }
    }
}

impl Overlap {
    /// Of the centres of `particles`.
    pub fn new(particles: &Particles, lags: &Arc<Lags>) -> Self {
        let species = particles.centre_species();
        let counts = count(&species, particles.names.len());
        let stayed = Stayed { species, counts: counts.clone() };
        Self {
            average: PairAverage::new(stayed, lags),
            names: particles.names.clone(),
            counts,
            lags: Arc::clone(lags),
        }
    }

    /// Q and chi_4 of each species and of all.
    fn functions(&self, sums: &[f64]) -> Vec<f64> {
        let numbers = self.counts.iter().copied().chain([self.counts.iter().sum()]);
        let both = |(m, n): (&[f64], usize)| {
            let (first, second) = (m[1] / m[0], m[2] / m[0]);
            [first, n as f64 * (second - first * first)]
        };
        sums.chunks(MOMENTS).zip(numbers).flat_map(both).collect()
    }
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    if context.lags.is_empty() {
        return Err(Missing::because("displacements need at least two frames of one trajectory"));
    }
    Ok(Box::new(Overlap::new(context.inputs.particles(), &context.lags)))
}

impl Observable for Overlap {
    fn key(&self) -> String {
        format!("radius {RADIUS} {}", self.lags.describe())
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::CENTRES
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.average.accumulate(frame);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let lags: Vec<Lag> = self.average.finish(|sums| self.functions(sums));
        let names = self.names.iter().cloned().chain(["all".to_string()]);
        let present = self.counts.iter().map(|n| *n > 0).chain([true]);
        let curves: Vec<(usize, String)> =
            names.zip(present).enumerate().filter(|(_, (_, p))| *p).map(|(i, (name, _))| (i, name)).collect();
        let table = |name: &str, definition: &str, quantity: usize| {
            let column = |f: &dyn Fn(&Lag, usize) -> f64| -> Vec<f64> {
                curves
                    .iter()
                    .flat_map(|(i, _)| lags.iter().map(move |lag| f(lag, 2 * i + quantity)))
                    .collect()
            };
            Table::new(name, definition)
                .text("species", curves.iter().flat_map(|(_, name)| vec![name.clone(); lags.len()]).collect())
                .real("t_ps", "ps", column(&|lag, _| lag.time))
                .real("value", "", column(&|lag, i| lag.values[i]))
                .real("standard_error", "", column(&|lag, i| lag.errors[i]))
                .note(format!("a = {RADIUS} angstrom"))
        };
        Ok(vec![
            table("overlap", "Q(t): share of centres less than a from where they were", 0),
            table("chi_4", "dynamic susceptibility N [<Q^2> - <Q>^2] over time origins and replicas", 1),
        ])
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::cell::Cell;

    use super::*;
    use crate::analysis::stream;
    use crate::test_support::{Synthetic, random_walk};

    #[test]
    fn independent_walkers_have_the_susceptibility_of_a_coin() {
        let ticks: Vec<i64> = (0..1500).collect();
        let frames = random_walk(100, &ticks, 6);
        let cell = Cell::cubic(10.0).unwrap();
        // Steps of variance 0.1.
        let at = move |f: usize| frames[f].iter().map(|r| *r * 0.1f64.sqrt()).collect();
        let inputs = Synthetic::new(&[0; 100], ticks, 1.0, cell, at).inputs();
        let lags = Arc::new(Lags::new(inputs.clocks(), 2000));
        let mut overlap = Overlap::new(inputs.particles(), &lags);
        stream(&inputs, &mut [&mut overlap], &mut |_| ()).unwrap();
        let tables = Box::new(overlap).finish().unwrap();
        for (i, t) in tables[0].reals("t_ps").unwrap().iter().enumerate().filter(|(_, t)| **t <= 10.0) {
            let x = (1.0 / (0.2 * t)).sqrt();
            // Share of a Gaussian of variance 0.1 t in each direction within 1.
            let q = libm::erf(x) - 2.0 * x / std::f64::consts::PI.sqrt() * (-x * x).exp();
            let (value, error) =
                (tables[0].reals("value").unwrap()[i], tables[0].reals("standard_error").unwrap()[i]);
            assert!((value - q).abs() < 5.0 * error + 1e-4, "{t}: {value} {q} {error}");
            let chi = tables[1].reals("value").unwrap()[i];
            let exact = q * (1.0 - q);
            // 1500/t independent origins give a variance to sqrt(2t/1500): 12 % at t = 10; four of them.
            assert!(
                (chi - exact).abs() < 4.0 * (2.0 * t / 1500.0).sqrt() * exact + 1e-3,
                "{t}: {chi} {exact}"
            );
        }
    }
}
