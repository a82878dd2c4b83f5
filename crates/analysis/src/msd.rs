//! Mean squared displacement and non-Gaussian parameter, per species.
//!
//! MSD(t) = <|r_i(t0 + t) - r_i(t0)|^2> over the centres i of a species and time origins t0, from unwrapped positions
//! (angstrom^2). alpha_2(t) = 3 <dr^4> / (5 <dr^2>^2) - 1 (dimensionless): zero for Gaussian displacements in three
//! dimensions, and where nothing moved. Species `all`: every centre counts alike. Rahman, Phys. Rev. 136, A405 (1964),
//! doi:10.1103/PhysRev.136.A405.
//!
//! Diffusion coefficients D of the lags over which the MSD grows as t: [`crate::fits::diffusion`].
//!
//! Cost: one difference of positions a centre, lag and frame.

use std::sync::Arc;

use glam::DVec3;

use crate::error::AnalysisError;
use crate::fits::diffusion;
use crate::frame::{Frame, Needs};
use crate::lags::Lags;
use crate::lane_correlation::{LaneCorrelation, LaneSums};
use crate::lanes::{Lanes, Row, squared_distances};
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::PairAverage;
use crate::particles::{Particles, count};
use crate::table::Table;

/// Sums a species: how many displacements, their squares, their fourth powers.
const MOMENTS: usize = 3;

/// Accumulates displacements of the centres.
pub struct MeanSquaredDisplacement {
    average: PairAverage<LaneCorrelation<Moments>>,
    names: Vec<String>,
    counts: Vec<usize>,
    lags: Arc<Lags>,
}

/// Displacements of one species.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeciesDisplacement {
    /// Name of the species, or `all`.
    pub species: String,
    /// In the order of the lags.
    pub points: Vec<DisplacementPoint>,
}

/// Displacements after one lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DisplacementPoint {
    /// Lag t (ps).
    pub lag: f64,
    /// MSD (angstrom^2).
    pub msd: f64,
    /// Its standard error; NaN where unknown.
    pub msd_error: f64,
    /// alpha_2.
    pub alpha_2: f64,
    /// Its standard error, likewise.
    pub alpha_2_error: f64,
    /// Number of pairs of frames.
    pub pairs: u64,
}

/// Adds squares and fourth powers of displacements.
struct Moments;

impl LaneSums for Moments {
    const AT_REST: f64 = 0.0;

    fn number(&self) -> usize {
        MOMENTS - 1
    }

    fn positions<'a>(&self, frame: &'a Frame) -> &'a Arc<[DVec3]> {
        &frame.centres
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    fn add(&self, origins: &[Row], now: &[Row], sums: &mut [Lanes]) {
        let [mut squares, mut fourths] = [sums[0], sums[1]];
        for (a, b) in origins.iter().zip(now) {
            for (lane, square) in squared_distances(a, b).into_iter().enumerate() {
                squares[lane] += square;
                fourths[lane] += square * square;
            }
        }
        sums.copy_from_slice(&[squares, fourths]);
    }
}

impl MeanSquaredDisplacement {
    /// Of the centres of `particles`.
    pub fn new(particles: &Particles, lags: &Arc<Lags>) -> Self {
        let species = particles.centre_species();
        let kinds = particles.names.len();
        Self {
            average: PairAverage::new(LaneCorrelation::new(Moments, &species, kinds), lags),
            names: particles.names.clone(),
            counts: count(&species, kinds),
            lags: Arc::clone(lags),
        }
    }

    /// One curve for each species that has centres, then `all`.
    pub fn curves(&self) -> Vec<SpeciesDisplacement> {
        let lags = self.average.finish(msd_and_alpha_2);
        let names = self.names.iter().map(String::as_str).chain(["all"]);
        let present = self.counts.iter().map(|n| *n > 0).chain([true]);
        names
            .zip(present)
            .enumerate()
            .filter(|(_, (_, present))| *present)
            .map(|(species, (name, _))| SpeciesDisplacement {
                species: name.to_string(),
                points: lags
                    .iter()
                    .map(|lag| DisplacementPoint {
                        lag: lag.time,
                        msd: lag.values[2 * species],
                        msd_error: lag.errors[2 * species],
                        alpha_2: lag.values[2 * species + 1],
                        alpha_2_error: lag.errors[2 * species + 1],
                        pairs: lag.pairs,
                    })
                    .collect(),
            })
            .collect()
    }
}

impl MeanSquaredDisplacement {
    /// D of each species that has centres, and of all.
    fn diffusion(&self) -> Table {
        let present = self.counts.iter().map(|n| *n > 0).chain([true]);
        let names = self.names.iter().map(String::as_str).chain(["all"]);
        let msd = |species: usize| move |sums: &[f64]| msd_and_alpha_2(sums)[2 * species];
        let species: Vec<_> = names
            .zip(present)
            .enumerate()
            .filter(|(_, (_, present))| *present)
            .map(|(species, (name, _))| (name.to_string(), msd(species)))
            .collect();
        diffusion::table(&self.average.sums(), &species)
    }
}

/// MSD and alpha_2 of each species and of all, from sums.
fn msd_and_alpha_2(sums: &[f64]) -> Vec<f64> {
    let mut all = [0.0; MOMENTS];
    for species in sums.chunks(MOMENTS) {
        all.iter_mut().zip(species).for_each(|(a, x)| *a += x);
    }
    let curve = |m: &[f64]| {
        let (second, fourth) = (m[1] / m[0], m[2] / m[0]);
        [second, if second == 0.0 { 0.0 } else { 0.6 * fourth / (second * second) - 1.0 }]
    };
    sums.chunks(MOMENTS).chain([&all[..]]).flat_map(curve).collect()
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    if context.lags.is_empty() {
        return Err(Missing::because("displacements need at least two frames of one trajectory"));
    }
    Ok(Box::new(MeanSquaredDisplacement::new(context.inputs.particles(), &context.lags)))
}

impl Observable for MeanSquaredDisplacement {
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
        let curves = self.curves();
        let points: Vec<(&str, &DisplacementPoint)> =
            curves.iter().flat_map(|c| c.points.iter().map(|p| (c.species.as_str(), p))).collect();
        let column = |f: fn(&DisplacementPoint) -> f64| points.iter().map(|(_, p)| f(p)).collect::<Vec<_>>();
        let table = |name: &str, definition: &str, unit: &str, value: Vec<f64>, error: Vec<f64>| {
            Table::new(name, definition)
                .text("species", points.iter().map(|(s, _)| (*s).to_string()).collect())
                .real("t_ps", "ps", column(|p| p.lag))
                .real("value", unit, value)
                .real("standard_error", unit, error)
        };
        Ok(vec![
            table(
                "msd",
                "mean squared displacement <|r(t0 + t) - r(t0)|^2> over centres and time origins, unwrapped",
                "angstrom^2",
                column(|p| p.msd),
                column(|p| p.msd_error),
            ),
            table(
                "alpha_2",
                "non-Gaussian parameter 3 <dr^4> / (5 <dr^2>^2) - 1 over centres and time origins",
                "",
                column(|p| p.alpha_2),
                column(|p| p.alpha_2_error),
            ),
            self.diffusion(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::cell::Cell;

    use super::*;
    use crate::analysis::stream;
    use crate::inputs::{Inputs, Trajectory};
    use crate::test_support::{Synthetic, logarithmic_blocks, random_walk};

    fn measure(inputs: &Inputs, origins: usize) -> Vec<SpeciesDisplacement> {
        let lags = Arc::new(Lags::new(inputs.clocks(), origins));
        let mut msd = MeanSquaredDisplacement::new(inputs.particles(), &lags);
        stream(inputs, &mut [&mut msd], &mut |_| ()).unwrap();
        msd.curves()
    }

    fn cell() -> Cell {
        Cell::cubic(10.0).unwrap()
    }

    #[test]
    fn free_flight_is_quadratic_on_an_uneven_schedule() {
        let ticks: Vec<i64> = logarithmic_blocks(20, 16).iter().map(|t| t + 4_000_000_000).collect();
        let times = ticks.clone();
        let at = move |frame: usize| {
            let time = 0.004 * times[frame] as f64;
            [1.0, 3.0, 3.0].map(|v| DVec3::new(0.0, v * time, 0.0)).to_vec()
        };
        let curves = measure(&Synthetic::new(&[0, 1, 1], ticks, 0.004, cell(), at).inputs(), 1000);
        let names: Vec<&str> = curves.iter().map(|c| c.species.as_str()).collect();
        assert_eq!(names, ["A", "B", "all"]);
        // alpha_2 of equal speeds: <r^4> = <r^2>^2. Of speeds 1, 3, 3: <r^2> = 19/3, <r^4> = 163/3.
        for (curve, (square, alpha_2)) in
            curves.iter().zip([(1.0, -0.4), (9.0, -0.4), (19.0 / 3.0, 0.6 * 163.0 * 3.0 / 361.0 - 1.0)])
        {
            assert!(curve.points.len() > 30, "{}", curve.points.len());
            for point in &curve.points {
                // Round-off of positions near 5e7 (7e-9) against displacements of 4e-3.
                assert!((point.msd / (square * point.lag * point.lag) - 1.0).abs() < 1e-5, "{point:?}");
                assert!((point.alpha_2 - alpha_2).abs() < 1e-5);
            }
        }
        // The shortest lag occurs in every block twice (0 to 1, 1 to 2), and nowhere else.
        assert_eq!((curves[0].points[0].lag, curves[0].points[0].pairs), (0.004, 40));
    }

    #[test]
    fn random_walk_is_linear_and_gaussian_within_its_errors() {
        let ticks: Vec<i64> = (0..300).collect();
        let frames = random_walk(400, &ticks, 7);
        let inputs = Synthetic::new(&[0; 400], ticks, 1.0, cell(), move |f| frames[f].clone()).inputs();
        let curve = &measure(&inputs, 1000)[0];
        for point in &curve.points {
            // <dr^2> = 3 t, variance of dr^2 6 t^2. Independent samples: particles times 300/t stretches of time.
            let samples = 400.0 * (300.0 / point.lag);
            let relative = (2.0 / 3.0 / samples).sqrt();
            assert!((point.msd / (3.0 * point.lag) - 1.0).abs() < 5.0 * relative, "{point:?}");
            assert!(point.alpha_2.abs() < 8.0 / samples.sqrt(), "{point:?}");
            // Groups give the error to 18 %, few blocks to 40 %, of which the larger is taken.
            let ratio = point.msd_error / (relative * point.msd);
            assert!((0.4..2.2).contains(&ratio), "error {ratio} times the exact one: {point:?}");
        }
        let beyond = curve.points.iter().filter(|p| (p.msd - 3.0 * p.lag).abs() > 2.0 * p.msd_error).count();
        assert!(beyond * 5 < curve.points.len(), "{beyond} of {}", curve.points.len());
    }

    #[test]
    fn trajectories_do_not_mix() {
        let one = |k: usize| -> Box<dyn Trajectory> {
            let far = DVec3::splat(1000.0 * k as f64);
            Box::new(Synthetic::new(&[0], vec![0, 10], 0.1, cell(), move |f| vec![far + f as f64 * DVec3::X]))
        };
        let curves = measure(&Inputs::new((0..3).map(one).collect()).unwrap(), 1000);
        assert_eq!(curves[0].points.len(), 1);
        let point = curves[0].points[0];
        assert_eq!((point.lag, point.msd, point.pairs), (1.0, 1.0, 3));
    }

    #[test]
    fn fewer_origins_give_the_same_mean_with_a_larger_error() {
        let ticks: Vec<i64> = (0..400).collect();
        let frames = random_walk(50, &ticks, 9);
        let inputs = Synthetic::new(&[0; 50], ticks, 1.0, cell(), move |f| frames[f].clone()).inputs();
        let (all, few) = (&measure(&inputs, 1000)[0], &measure(&inputs, 40)[0]);
        let (all, few) = (all.points[0], few.points[0]);
        assert_eq!((all.pairs, few.pairs), (399, 40));
        assert!((all.msd - few.msd).abs() < 4.0 * few.msd_error);
    }

    #[test]
    fn few_origins_are_paired_with_their_own_frames() {
        let ticks: Vec<i64> = (0..2000).collect();
        let at = |frame: usize| (0..40).map(|i| DVec3::X * f64::from(i) * frame as f64).collect();
        let inputs = Synthetic::new(&[0; 40], ticks, 1.0, cell(), at).inputs();
        // <v^2> of 0, 1 ... 39, whatever the pairs; sums of integers are exact.
        let square = f64::from((0..40).map(|v| v * v).sum::<i32>()) / 40.0;
        for origins in [3, 40, 700] {
            for point in &measure(&inputs, origins)[0].points {
                assert!((point.msd - square * point.lag * point.lag).abs() < 1e-12 * point.msd, "{point:?}");
                assert!(point.pairs <= origins as u64, "{point:?}");
            }
        }
    }

    #[test]
    fn sums_are_the_same_for_any_number_of_threads() {
        let ticks: Vec<i64> = (0..400).collect();
        // More shares than threads, and gaps.
        let species: Vec<usize> = (0..555).map(|i| usize::from(i % 3 == 0)).collect();
        let frames = random_walk(555, &ticks, 3);
        let inputs = Synthetic::new(&species, ticks, 1.0, cell(), move |f| frames[f].clone()).inputs();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| measure(&inputs, 1000))
        };
        let one = with(1);
        assert!([2, 3, 32].into_iter().all(|threads| with(threads) == one));
        // Three dimensions of unit variance: gaps and counts are right.
        assert!((one[2].points[0].msd - 3.0).abs() < 0.05, "{}", one[2].points[0].msd);
    }

    #[test]
    fn trajectories_that_end_early_keep_their_last_frames_and_do_not_mix() {
        let cell = Cell::cubic(10.0).unwrap();
        // 35 frames: some wait when they end.
        let inputs = |frames: i64| {
            let walk = |seed| {
                let walk = random_walk(20, &(0..40).collect::<Vec<_>>(), seed);
                let at = move |f: usize| walk[f].clone();
                Box::new(Synthetic::new(&[0; 20], (0..frames).collect(), 1.0, cell, at))
                    as Box<dyn Trajectory>
            };
            Inputs::new(vec![walk(1), walk(2)]).unwrap()
        };
        let (whole, early) = (inputs(40), inputs(35));
        let measure = |clocks: &Inputs| {
            let lags = Arc::new(Lags::new(clocks.clocks(), 1000));
            let mut msd = MeanSquaredDisplacement::new(early.particles(), &lags);
            stream(&early, &mut [&mut msd], &mut |_| ()).unwrap();
            msd.average.complete();
            msd.curves()[0].points.clone()
        };
        let (expected, found) = (measure(&early), measure(&whole));
        assert_eq!(found[0].pairs, 2 * 34);
        for (a, b) in expected.iter().zip(&found) {
            assert_eq!((a.lag, a.pairs), (b.lag, b.pairs));
            // Other blocks, another order of summation.
            assert!((a.msd / b.msd - 1.0).abs() < 1e-13, "{} {} {}", a.lag, a.msd, b.msd);
        }
    }
}
