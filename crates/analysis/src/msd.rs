//! Mean squared displacement and non-Gaussian parameter, per species.
//!
//! MSD(t) = <|r_i(t0 + t) - r_i(t0)|^2> over the particles i of a species and time origins t0, from unwrapped positions
//! (angstrom^2). alpha_2(t) = 3 <dr^4> / (5 <dr^2>^2) - 1 (dimensionless): zero for Gaussian displacements in three
//! dimensions. Rahman, Phys. Rev. 136, A405 (1964), doi:10.1103/PhysRev.136.A405.

use std::collections::BTreeMap;

use glam::DVec3;
use rayon::prelude::*;

use crate::blocks::BlockAverage;

/// Differences of times are compared in attoseconds, as integers: exact for any schedule.
const ATTOSECONDS_PER_PICOSECOND: f64 = 1e6;
/// Different lags that are tried in each interval of lags; the one with most origins is reported.
const CANDIDATES: usize = 8;
/// Powers of the displacement that are averaged: second and fourth.
const MOMENTS: usize = 2;

/// Why displacements cannot be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MsdError {
    /// Another number of particles than announced.
    #[error("a frame has {found} particles where {expected} were announced; use frames of one system")]
    ParticleCount {
        /// In the frame.
        found: usize,
        /// In `new`.
        expected: usize,
    },
    /// Times must increase within one trajectory.
    #[error(
        "a frame at {time} ps follows one at {previous} ps; give the frames in the order of time, and call `next_trajectory` between trajectories"
    )]
    TimeOrder {
        /// Time of the frame (ps).
        time: f64,
        /// Time of the frame before (ps).
        previous: f64,
    },
}

/// Accumulates displacements over all pairs of frames with (nearly) logarithmically spaced lags.
///
/// Frames may come at any times: only pairs of frames with exactly the same time difference are averaged together. The lag
/// axis is divided into intervals of equal ratio; in each, the first eight different lags that occur are followed, and
/// [`Self::finish`] reports the one with most time origins. Every frame is a time origin and is kept: 24 bytes a particle and
/// frame.
pub struct MeanSquaredDisplacement {
    species: Vec<usize>,
    names: Vec<String>,
    counts: Vec<usize>,
    intervals_per_decade: f64,
    origins: Vec<(i64, Vec<DVec3>)>,
    /// Interval of lags -> lag (as) -> moments of each species.
    lags: BTreeMap<i64, BTreeMap<i64, BlockAverage>>,
}

/// Displacements of one species.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeciesDisplacement {
    /// Name of the species.
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
    /// Standard error of `msd` from blocks of time origins; none from fewer than 4 origins. Lags longer than a block
    /// (a sixteenth of the trajectory) make blocks overlap, and the error too small.
    pub msd_error: Option<f64>,
    /// alpha_2; zero where nothing moved.
    pub alpha_2: f64,
    /// Standard error of `alpha_2`, likewise.
    pub alpha_2_error: Option<f64>,
    /// Number of time origins.
    pub origins: u64,
}

impl MeanSquaredDisplacement {
    /// `species[i]` is particle i's index into `names`; about `points_per_decade` lags in each decade of time are reported.
    pub fn new(species: &[usize], names: &[String], points_per_decade: u32) -> Self {
        let mut counts = vec![0; names.len()];
        for &s in species {
            counts[s] += 1;
        }
        Self {
            species: species.to_vec(),
            names: names.to_vec(),
            counts,
            intervals_per_decade: f64::from(points_per_decade.max(1)),
            origins: Vec::new(),
            lags: BTreeMap::new(),
        }
    }

    /// The next frame belongs to another trajectory (another replica): no displacement leads to it from earlier frames.
    pub fn next_trajectory(&mut self) {
        self.origins.clear();
    }

    /// Adds a frame: unwrapped `positions` (angstrom) at `time` (ps).
    pub fn accumulate(&mut self, time: f64, positions: &[DVec3]) -> Result<(), MsdError> {
        if positions.len() != self.species.len() {
            return Err(MsdError::ParticleCount { found: positions.len(), expected: self.species.len() });
        }
        let now = (time * ATTOSECONDS_PER_PICOSECOND).round() as i64;
        if let Some((last, _)) = self.origins.last()
            && *last >= now
        {
            return Err(MsdError::TimeOrder { time, previous: *last as f64 / ATTOSECONDS_PER_PICOSECOND });
        }
        let chosen: Vec<(i64, i64, &Vec<DVec3>)> = Self::choose(
            &mut self.lags,
            self.intervals_per_decade,
            MOMENTS * self.names.len(),
            now,
            &self.origins,
        );
        let moments: Vec<(i64, i64, Vec<f64>)> = chosen
            .into_par_iter()
            .map(|(interval, lag, origin)| (interval, lag, self.moments(origin, positions)))
            .collect();
        for (interval, lag, values) in moments {
            if let Some(average) = self.lags.get_mut(&interval).and_then(|lags| lags.get_mut(&lag)) {
                average.add(&values);
            }
        }
        self.origins.push((now, positions.to_vec()));
        Ok(())
    }

    /// The origins whose lag is followed, with it; lags that are new to an interval with room are added.
    fn choose<'a>(
        lags: &mut BTreeMap<i64, BTreeMap<i64, BlockAverage>>,
        intervals_per_decade: f64,
        width: usize,
        now: i64,
        origins: &'a [(i64, Vec<DVec3>)],
    ) -> Vec<(i64, i64, &'a Vec<DVec3>)> {
        let mut chosen = Vec::new();
        for (then, positions) in origins.iter().rev() {
            let lag = now - then;
            let interval = ((lag as f64).log10() * intervals_per_decade).floor() as i64;
            let candidates = lags.entry(interval).or_default();
            if candidates.len() < CANDIDATES {
                candidates.entry(lag).or_insert_with(|| BlockAverage::new(width));
            }
            if candidates.contains_key(&lag) {
                chosen.push((interval, lag, positions));
            }
        }
        chosen
    }

    /// Means of dr^2 and dr^4 of each species, one after the other.
    fn moments(&self, from: &[DVec3], to: &[DVec3]) -> Vec<f64> {
        let mut sums = vec![0.0; MOMENTS * self.names.len()];
        for ((a, b), &species) in from.iter().zip(to).zip(&self.species) {
            let square = (*b - *a).length_squared();
            sums[MOMENTS * species] += square;
            sums[MOMENTS * species + 1] += square * square;
        }
        for (species, &count) in self.counts.iter().enumerate() {
            for sum in &mut sums[MOMENTS * species..MOMENTS * (species + 1)] {
                *sum /= count.max(1) as f64;
            }
        }
        sums
    }

    /// One curve for each species of which there are particles.
    pub fn finish(&self) -> Vec<SpeciesDisplacement> {
        let mut result: Vec<SpeciesDisplacement> = self
            .names
            .iter()
            .map(|name| SpeciesDisplacement { species: name.clone(), points: Vec::new() })
            .collect();
        for candidates in self.lags.values() {
            // Of equally frequent lags, the shortest.
            let best = candidates.iter().max_by_key(|(lag, average)| (average.samples(), -**lag));
            let Some((&lag, average)) = best else { continue };
            let (values, errors) = average.jackknife(msd_and_alpha_2);
            for (species, curve) in result.iter_mut().enumerate() {
                let error = |quantity| errors.as_ref().map(|e| e[MOMENTS * species + quantity]);
                curve.points.push(DisplacementPoint {
                    lag: lag as f64 / ATTOSECONDS_PER_PICOSECOND,
                    msd: values[MOMENTS * species],
                    msd_error: error(0),
                    alpha_2: values[MOMENTS * species + 1],
                    alpha_2_error: error(1),
                    origins: average.samples(),
                });
            }
        }
        result
            .into_iter()
            .zip(&self.counts)
            .filter(|(_, count)| **count > 0)
            .map(|(curve, _)| curve)
            .collect()
    }
}

/// From the means of dr^2 and dr^4 of each species.
fn msd_and_alpha_2(moments: &[f64]) -> Vec<f64> {
    let alpha_2 = |m2: f64, m4: f64| if m2 > 0.0 { 0.6 * m4 / (m2 * m2) - 1.0 } else { 0.0 };
    moments.chunks(MOMENTS).flat_map(|m| [m[0], alpha_2(m[0], m[1])]).collect()
}

#[cfg(test)]
mod tests {
    use vitrion_core::random::{Counter, Stream};

    use super::*;

    fn names() -> Vec<String> {
        vec!["slow".into(), "fast".into()]
    }

    #[test]
    fn free_flight_is_quadratic_on_an_uneven_schedule() {
        let mut msd = MeanSquaredDisplacement::new(&[0, 1, 1], &names(), 10);
        // Logarithmic in blocks of 16: offsets 0, 1, 2, 4, 8; steps of 0.004 ps from a large time.
        let mut frames = 0;
        for block in 0..20 {
            for offset in [0, 1, 2, 4, 8] {
                let time = 16_000.0 + 0.004 * f64::from(block * 16 + offset);
                let speeds = [1.0, 3.0, 3.0];
                let positions: Vec<DVec3> = speeds.iter().map(|v| DVec3::new(0.0, v * time, 0.0)).collect();
                msd.accumulate(time, &positions).unwrap();
                frames += 1;
            }
        }
        assert_eq!(frames, 100);
        let result = msd.finish();
        assert_eq!(result[1].species, "fast");
        for (curve, speed) in result.iter().zip([1.0, 3.0]) {
            assert!(curve.points.len() > 15, "{}", curve.points.len());
            for point in &curve.points {
                let exact = (speed * point.lag).powi(2);
                // Round-off of positions near 5e4 (7e-12) against displacements of 4e-3.
                assert!((point.msd / exact - 1.0).abs() < 1e-7, "{point:?}");
                // All particles of a species have the same speed: <r^4> = <r^2>^2.
                assert!((point.alpha_2 + 0.4).abs() < 1e-7);
            }
        }
        // The shortest lag occurs in every block (0 to 1, 1 to 2): twice in each of 20.
        let first = result[0].points[0];
        assert!((first.lag - 0.004).abs() < 1e-9);
        assert_eq!(first.origins, 40);
    }

    #[test]
    fn random_walk_is_linear_and_gaussian() {
        let n = 400u32;
        let mut positions = vec![DVec3::ZERO; n as usize];
        let species = vec![0; n as usize];
        let mut msd = MeanSquaredDisplacement::new(&species, &names()[..1], 5);
        for step in 0..300u64 {
            msd.accumulate(step as f64, &positions).unwrap();
            for (particle, position) in (0..n).zip(&mut positions) {
                let counter = Counter { seed: 7, stream: Stream::Velocity, replica: 0, step, particle };
                let [x, y, z, _] = counter.normal();
                *position += DVec3::new(x, y, z);
            }
        }
        for point in &msd.finish()[0].points {
            // <dr^2> = 3 t, variance of dr^2 6 t^2. Independent samples: n particles times 300/t stretches of time.
            let samples = f64::from(n) * (300.0 / point.lag);
            let relative = (2.0 / 3.0 / samples).sqrt();
            assert!((point.msd / (3.0 * point.lag) - 1.0).abs() < 5.0 * relative, "{point:?}");
            // alpha_2 of n Gaussian samples scatters by sqrt(8/(3n))... bounded by 4/sqrt(samples).
            assert!(point.alpha_2.abs() < 8.0 / samples.sqrt(), "{point:?}");
            if let Some(error) = point.msd_error.filter(|_| point.lag < 4.0) {
                let ratio = error / (relative * point.msd);
                // Nine blocks give the error to 25 %; windows that overlap make it 0.8 times this estimate. Two errors.
                assert!((0.4..1.5).contains(&ratio), "block error {ratio} times the exact one");
            }
        }
    }

    #[test]
    fn trajectories_do_not_mix() {
        let mut msd = MeanSquaredDisplacement::new(&[0], &names()[..1], 5);
        for trajectory in 0..3 {
            msd.next_trajectory();
            let at = DVec3::splat(1000.0 * f64::from(trajectory));
            msd.accumulate(0.0, &[at]).unwrap();
            msd.accumulate(1.0, &[at + DVec3::X]).unwrap();
        }
        let points = &msd.finish()[0].points;
        assert_eq!(points.len(), 1);
        assert_eq!((points[0].msd, points[0].origins), (1.0, 3));
    }

    #[test]
    fn disorder_is_refused() {
        let mut msd = MeanSquaredDisplacement::new(&[0], &names()[..1], 5);
        msd.accumulate(1.0, &[DVec3::ZERO]).unwrap();
        assert!(matches!(msd.accumulate(1.0, &[DVec3::ZERO]), Err(MsdError::TimeOrder { .. })));
        assert!(matches!(msd.accumulate(2.0, &[]), Err(MsdError::ParticleCount { .. })));
    }
}
