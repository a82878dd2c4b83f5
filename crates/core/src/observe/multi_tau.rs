//! Multi-tau autocorrelation of the stress tensor, on the fly, with memory that grows as the logarithm of the longest lag.
//!
//! Ramírez, Sukumaran, Vorselaars and Likhtman, J. Chem. Phys. 133, 154103 (2010), doi:10.1063/1.3491098. Level l correlates
//! averages of m^l consecutive samples over lags j m^l; level 0 takes j = 0 .. p - 1, the others j = p/m .. p - 1.
//!
//! No mean is subtracted: the off-diagonal elements and the normal differences of an isotropic liquid have mean zero by
//! symmetry, and in a glass the plateau that a frozen stress leaves is part of the answer.

use glam::DMat3;
use serde::{Deserialize, Serialize};

use crate::units::BOLTZMANN;

/// xy, xz, yz, xx - yy, yy - zz, zz - xx.
type Channels = [f64; 6];

/// Correlator of a symmetric tensor sampled at equal intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StressCorrelator {
    points: usize,
    averaging: usize,
    samples: u64,
    levels: Vec<Level>,
}

/// The last samples of one level and its sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Level {
    /// Ring buffer; the newest sample lies at `newest`.
    recent: Vec<Channels>,
    newest: usize,
    filled: usize,
    /// Sum towards the next sample of the level above.
    pending: Channels,
    n_pending: usize,
    /// Per lag: sums of s(0) s(t) over xy, xz, yz and over the three normal differences.
    sums: Vec<[f64; 2]>,
    counts: Vec<u64>,
}

/// Correlation at one lag.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StressCorrelation {
    /// Lag in samples.
    pub lag: u64,
    /// <s_ab(0) s_ab(t)>, mean over xy, xz, yz.
    pub shear: f64,
    /// <N_ab(0) N_ab(t)> with N_ab = s_aa - s_bb, mean over the three pairs.
    pub normal_difference: f64,
    /// Number of products of each element.
    pub samples: u64,
}

impl StressCorrelation {
    /// Relaxation modulus at this lag (unit of the stress) for volume V (A^3) and temperature T (K):
    /// G = V/(5kT) sum <s_ab s_ab> + V/(30kT) sum <N_ab N_ab>, each sum over three elements.
    pub fn relaxation_modulus(&self, volume: f64, temperature: f64) -> f64 {
        let scale = volume / (BOLTZMANN * temperature);
        3.0 * scale * (self.shear / 5.0 + self.normal_difference / 30.0)
    }
}

/// Points of all levels: 72 bytes each, 75 MB a replica. Longer lags take levels, not points.
const MOST_POINTS: usize = 1 << 20;

/// Parameters that make no correlator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a multi-tau correlator with {points} points a level, averaging {averaging}, {levels} levels: points must be a \
     multiple of averaging, averaging at least 2, levels between 1 and 40, points times levels at most {MOST_POINTS}; 16, 2 and 24 \
     suit most runs"
)]
pub struct CorrelatorError {
    /// Points a level, p.
    pub points: usize,
    /// Samples averaged from level to level, m.
    pub averaging: usize,
    /// Number of levels.
    pub levels: usize,
}

impl StressCorrelator {
    /// `points` p lags a level, averages of `averaging` m samples from level to level: the longest lag is
    /// (p - 1) m^(levels - 1) samples. p = 16, m = 2 keeps the averaging error of a smooth decay near 1 %.
    pub fn new(points: usize, averaging: usize, levels: usize) -> Result<Self, CorrelatorError> {
        let divides = averaging >= 2 && points >= averaging && points.is_multiple_of(averaging);
        let reach = averaging.checked_pow(levels as u32).and_then(|r| r.checked_mul(points));
        let fits = points.checked_mul(levels).is_some_and(|n| n <= MOST_POINTS);
        if !divides || !(1..=40).contains(&levels) || reach.is_none() || !fits {
            return Err(CorrelatorError { points, averaging, levels });
        }
        Ok(Self { points, averaging, samples: 0, levels: vec![Level::new(points); levels] })
    }

    /// Number of samples added.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Adds the next sample.
    pub fn add(&mut self, pressure_tensor: &DMat3) {
        let (x, y, z) = (pressure_tensor.x_axis, pressure_tensor.y_axis, pressure_tensor.z_axis);
        let mut sample =
            [0.5 * (y.x + x.y), 0.5 * (z.x + x.z), 0.5 * (z.y + y.z), x.x - y.y, y.y - z.z, z.z - x.x];
        self.samples += 1;
        for (index, level) in self.levels.iter_mut().enumerate() {
            let first_lag = if index == 0 { 0 } else { self.points / self.averaging };
            level.correlate(sample, first_lag);
            match level.average(sample, self.averaging) {
                Some(mean) => sample = mean,
                None => break,
            }
        }
    }

    /// Correlations in the order of their lags; lags without a product are left out.
    pub fn result(&self) -> Vec<StressCorrelation> {
        let mut result = Vec::new();
        let mut spacing = 1u64;
        for level in &self.levels {
            for (j, (sum, &count)) in level.sums.iter().zip(&level.counts).enumerate() {
                if count > 0 {
                    let scale = 1.0 / (3.0 * count as f64);
                    result.push(StressCorrelation {
                        lag: j as u64 * spacing,
                        shear: sum[0] * scale,
                        normal_difference: sum[1] * scale,
                        samples: count,
                    });
                }
            }
            spacing = spacing.saturating_mul(self.averaging as u64);
        }
        result
    }
}

impl Default for StressCorrelator {
    /// 16 points, averaging 2, 32 levels: lags up to 3e10 samples.
    fn default() -> Self {
        Self { points: 16, averaging: 2, samples: 0, levels: vec![Level::new(16); 32] }
    }
}

impl Level {
    fn new(points: usize) -> Self {
        Self {
            recent: vec![[0.0; 6]; points],
            newest: points - 1,
            filled: 0,
            pending: [0.0; 6],
            n_pending: 0,
            sums: vec![[0.0; 2]; points],
            counts: vec![0; points],
        }
    }

    /// Stores the sample and adds its products with those before it.
    fn correlate(&mut self, sample: Channels, first_lag: usize) {
        let points = self.recent.len();
        self.newest = (self.newest + 1) % points;
        self.recent[self.newest] = sample;
        self.filled = (self.filled + 1).min(points);
        for lag in first_lag..self.filled {
            let earlier = &self.recent[(self.newest + points - lag) % points];
            let product = |range: std::ops::Range<usize>| range.map(|c| sample[c] * earlier[c]).sum::<f64>();
            self.sums[lag][0] += product(0..3);
            self.sums[lag][1] += product(3..6);
            self.counts[lag] += 1;
        }
    }

    /// Adds to the running average; returns it when `averaging` samples are together.
    fn average(&mut self, sample: Channels, averaging: usize) -> Option<Channels> {
        for (total, component) in self.pending.iter_mut().zip(sample) {
            *total += component;
        }
        self.n_pending += 1;
        if self.n_pending < averaging {
            return None;
        }
        self.n_pending = 0;
        let sum = std::mem::replace(&mut self.pending, [0.0; 6]);
        Some(sum.map(|s| s / averaging as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Counter, Stream};
    use glam::DVec3;

    /// A symmetric tensor whose six independent channels are Ornstein-Uhlenbeck processes of unit variance (the diagonal
    /// elements are independent, so that normal differences have variance 2).
    fn ornstein_uhlenbeck(n: u64, decay: f64) -> Vec<DMat3> {
        let kick = (1.0 - decay * decay).sqrt();
        let mut x = [0.0; 6];
        let draw = |step, particle| {
            let counter = Counter { seed: 11, stream: Stream::Velocity, replica: 0, step, particle };
            counter.normal()
        };
        (0..n)
            .map(|step| {
                let noise = [draw(step, 0), draw(step, 1)].concat();
                for (value, random) in x.iter_mut().zip(noise) {
                    *value = if step == 0 { random } else { decay * *value + kick * random };
                }
                let [a, b, c, d, e, f] = x;
                DMat3::from_cols(DVec3::new(d, a, b), DVec3::new(a, e, c), DVec3::new(b, c, f))
            })
            .collect()
    }

    fn correlated(
        samples: &[DMat3],
        points: usize,
        averaging: usize,
        levels: usize,
    ) -> Vec<StressCorrelation> {
        let mut correlator = StressCorrelator::new(points, averaging, levels).unwrap();
        for s in samples {
            correlator.add(s);
        }
        correlator.result()
    }

    #[test]
    fn first_level_is_the_direct_correlation() {
        let samples = ornstein_uhlenbeck(200, 0.9);
        let result = correlated(&samples, 16, 2, 1);
        assert_eq!(result.len(), 16);
        for r in result {
            let lag = r.lag as usize;
            let n = samples.len() - lag;
            let direct = |f: &dyn Fn(&DMat3) -> f64| {
                (0..n).map(|i| f(&samples[i]) * f(&samples[i + lag])).sum::<f64>() / n as f64
            };
            let shear = (direct(&|s| s.y_axis.x) + direct(&|s| s.z_axis.x) + direct(&|s| s.z_axis.y)) / 3.0;
            let normal = (direct(&|s| s.x_axis.x - s.y_axis.y)
                + direct(&|s| s.y_axis.y - s.z_axis.z)
                + direct(&|s| s.z_axis.z - s.x_axis.x))
                / 3.0;
            assert_eq!(r.samples, n as u64);
            // Round-off of 200 terms of order one.
            assert!((r.shear - shear).abs() < 1e-13 && (r.normal_difference - normal).abs() < 1e-13);
        }
    }

    #[test]
    fn higher_levels_correlate_the_block_averages() {
        let samples = ornstein_uhlenbeck(240, 0.9);
        let blocks: Vec<DMat3> =
            samples.chunks(9).filter(|c| c.len() == 9).map(|c| c.iter().sum::<DMat3>() / 9.0).collect();
        let direct = correlated(&blocks, 6, 3, 1);
        let multi = correlated(&samples, 6, 3, 3);
        for d in direct.iter().filter(|d| d.lag >= 2) {
            let m = multi.iter().find(|m| m.lag == 9 * d.lag).expect("level 2 has this lag");
            assert_eq!(m.samples, d.samples);
            assert!((m.shear - d.shear).abs() < 1e-13);
        }
        assert!(multi.windows(2).all(|w| w[0].lag < w[1].lag), "lags increase");
    }

    #[test]
    fn ornstein_uhlenbeck_process_decays_exponentially() {
        let (n, time) = (200_000u64, 40.0f64);
        let samples = ornstein_uhlenbeck(n, (-1.0 / time).exp());
        for r in correlated(&samples, 16, 2, 6).iter().filter(|r| (r.lag as f64) < 3.0 * time) {
            let exact = (-(r.lag as f64) / time).exp();
            // Statistical: three channels of n/(2 tau) independent samples, standard error below sqrt(2 * 2 tau/(3 n)) =
            // 0.017 of the variance; averaging over m^l <= 16 samples adds (16/40)^2/12 = 1.3 % of the value. Four errors.
            assert!((r.shear - exact).abs() < 0.07 + 0.013 * exact, "{r:?} {exact}");
            assert!(
                (r.normal_difference - 2.0 * exact).abs() < 2.0 * (0.07 + 0.013 * exact),
                "{r:?} {exact}"
            );
        }
    }

    #[test]
    fn isotropic_stress_gives_the_same_modulus_from_shear_and_normal_differences() {
        // <N N> = 4 <s s> in an isotropic liquid; then G = V <s s>/(kT).
        let r = StressCorrelation { lag: 0, shear: 2.0, normal_difference: 8.0, samples: 1 };
        let expected = 1000.0 * 2.0 / (BOLTZMANN * 300.0);
        assert!((r.relaxation_modulus(1000.0, 300.0) - expected).abs() < 1e-12 * expected);
    }

    #[test]
    fn stored_correlator_goes_on_with_the_same_bits() {
        let samples = ornstein_uhlenbeck(500, 0.95);
        let mut whole = StressCorrelator::new(8, 2, 5).unwrap();
        for s in &samples {
            whole.add(s);
        }
        let mut first = StressCorrelator::new(8, 2, 5).unwrap();
        for s in &samples[..137] {
            first.add(s);
        }
        let bytes = postcard::to_stdvec(&first).unwrap();
        let mut second: StressCorrelator = postcard::from_bytes(&bytes).unwrap();
        for s in &samples[137..] {
            second.add(s);
        }
        assert_eq!(second, whole);
    }

    #[test]
    fn impossible_parameters_are_refused() {
        for (p, m, levels) in
            [(16, 3, 4), (16, 1, 4), (0, 2, 4), (16, 2, 0), (16, 2, 41), (100_000_000, 2, 1)]
        {
            assert!(StressCorrelator::new(p, m, levels).is_err());
        }
        assert_eq!(StressCorrelator::default(), StressCorrelator::new(16, 2, 32).unwrap());
    }
}
