//! Averages over pairs of frames: what all time correlations share.
//!
//! Memory: one sample of every origin of the trajectory that is being read ([`crate::lags`]), and for each lag the sums of at
//! most 16 blocks a trajectory and 16 groups.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::frame::Frame;
use crate::jackknife;
use crate::lags::Lags;

/// Groups of particles or wave vectors.
pub const GROUPS: usize = 16;

/// What is correlated.
pub trait Correlation: Send + Sync {
    /// What is kept of a frame.
    type Sample: Send + Sync;
    /// Numbers that a pair adds to, for each group. They hold everything that the result needs, also how often was added.
    fn width(&self) -> usize;
    /// Takes what is needed of a frame.
    fn sample(&self, frame: &Frame) -> Self::Sample;
    /// Adds a pair of moments to `sums`: `width` numbers of the first group, of the second, and so on up to [`GROUPS`].
    fn add(&self, origin: &Self::Sample, now: &Self::Sample, sums: &mut [f64]);
}

/// Accumulates a correlation over all pairs of [`Lags`].
pub struct PairAverage<C: Correlation> {
    /// What is correlated.
    pub correlation: C,
    lags: Arc<Lags>,
    trajectory: usize,
    origins: HashMap<i64, C::Sample>,
    /// Per trajectory and lag: blocks of `width` sums.
    blocks: Vec<Vec<Vec<Vec<f64>>>>,
    /// Per lag: groups of `width` sums, over all trajectories.
    groups: Vec<Vec<Vec<f64>>>,
    pairs: Vec<u64>,
}

/// One lag of a correlation.
pub struct Lag {
    /// Length (ps).
    pub time: f64,
    /// Pairs of frames.
    pub pairs: u64,
    /// The values.
    pub values: Vec<f64>,
    /// Their standard errors: the larger of that from blocks of time, where the lag leaves four, and that from groups of particles
    /// or wave vectors; NaN where neither is known.
    pub errors: Vec<f64>,
}

/// Sums at one lag.
pub struct LagSums {
    /// Length (ps).
    pub time: f64,
    /// Of each group of particles or wave vectors, over all trajectories.
    pub groups: Vec<Vec<f64>>,
    /// Of each trajectory.
    pub trajectories: Vec<Vec<f64>>,
}

impl<C: Correlation> PairAverage<C> {
    /// Nothing yet.
    pub fn new(correlation: C, lags: &Arc<Lags>) -> Self {
        let width = correlation.width();
        let blocks = (0..lags.trajectories())
            .map(|t| (0..lags.len()).map(|lag| vec![vec![0.0; width]; lags.blocks(t, lag)]).collect())
            .collect();
        Self {
            correlation,
            lags: Arc::clone(lags),
            trajectory: 0,
            origins: HashMap::new(),
            blocks,
            groups: vec![vec![vec![0.0; width]; GROUPS]; lags.len()],
            pairs: vec![0; lags.len()],
        }
    }

    /// Adds all pairs that end at this frame.
    pub fn accumulate(&mut self, frame: &Frame) {
        if frame.trajectory != self.trajectory {
            // No pair leads from one trajectory to another.
            self.trajectory = frame.trajectory;
            self.origins.clear();
        }
        let now = self.correlation.sample(frame);
        let width = self.correlation.width();
        let ending: Vec<(usize, i64)> = self.lags.ending_at(frame.trajectory, frame.tick).collect();
        let sums: Vec<Vec<f64>> = ending
            .par_iter()
            .map(|(_, origin)| {
                let mut sums = vec![0.0; GROUPS * width];
                // A lag of zero ends where it begins.
                let then = if *origin == frame.tick { Some(&now) } else { self.origins.get(origin) };
                if let Some(then) = then {
                    self.correlation.add(then, &now, &mut sums);
                }
                sums
            })
            .collect();
        // One after the other: the same sums whatever the number of threads.
        for ((lag, origin), sums) in ending.into_iter().zip(sums) {
            let block = self.lags.block(frame.trajectory, lag, origin);
            let block = &mut self.blocks[frame.trajectory][lag][block];
            for (group, part) in self.groups[lag].iter_mut().zip(sums.chunks_exact(width)) {
                group.iter_mut().zip(part).for_each(|(s, x)| *s += x);
                block.iter_mut().zip(part).for_each(|(s, x)| *s += x);
            }
            self.pairs[lag] += 1;
        }
        if self.lags.is_origin(frame.trajectory, frame.tick) {
            self.origins.insert(frame.tick, now);
        }
    }

    /// Sums at each lag that has pairs, in units that are nearly independent: for quantities that need several lags.
    pub fn sums(&self) -> Vec<LagSums> {
        (0..self.lags.len())
            .filter(|&lag| self.pairs[lag] > 0)
            .map(|lag| LagSums {
                time: self.lags.time(lag),
                groups: self.groups[lag].clone(),
                trajectories: self.blocks.iter().map(|t| jackknife::total(&t[lag])).collect(),
            })
            .collect()
    }

    /// `function` of the sums, at each lag that has pairs.
    pub fn finish(&self, function: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Lag> {
        (0..self.lags.len())
            .filter(|&lag| self.pairs[lag] > 0)
            .map(|lag| {
                let blocks = used(self.blocks.iter().flat_map(|t| &t[lag]));
                let groups = used(&self.groups[lag]);
                let values = function(&jackknife::total(&blocks));
                let by_time = jackknife::standard_errors(&blocks, &function);
                let by_group = jackknife::standard_errors(&groups, &function);
                let errors = (0..values.len())
                    .map(|i| {
                        // `max` of a number and NaN is the number.
                        [&by_time, &by_group]
                            .into_iter()
                            .flatten()
                            .map(|errors| errors[i])
                            .fold(f64::NAN, f64::max)
                    })
                    .collect();
                Lag { time: self.lags.time(lag), pairs: self.pairs[lag], values, errors }
            })
            .collect()
    }
}

/// Times, and a curve of `value` for each independent unit: trajectories if there are four, else groups of particles or wave
/// vectors. Lags that not every unit reaches are left out: they would change the set of units along the curve.
pub fn unit_curves(sums: &[LagSums], value: impl Fn(&[f64]) -> f64) -> (Vec<f64>, Vec<Vec<f64>>) {
    let trajectories = sums.first().map_or(0, |lag| lag.trajectories.len());
    let units = |lag: &LagSums| -> Vec<f64> {
        let parts = if trajectories >= jackknife::FEWEST_UNITS { &lag.trajectories } else { &lag.groups };
        // A unit without data has no value: 0/0.
        parts.iter().map(|p| value(p)).filter(|v| v.is_finite()).collect()
    };
    let rows: Vec<(f64, Vec<f64>)> = sums.iter().map(|lag| (lag.time, units(lag))).collect();
    let most = rows.iter().map(|(_, r)| r.len()).max().unwrap_or(0);
    let complete: Vec<&(f64, Vec<f64>)> = rows.iter().filter(|(_, r)| r.len() == most).collect();
    let curve = |unit: usize| complete.iter().map(|(_, r)| r[unit]).collect();
    (complete.iter().map(|(t, _)| *t).collect(), (0..most).map(curve).collect())
}

/// Units that something was added to.
fn used<'a>(units: impl IntoIterator<Item = &'a Vec<f64>>) -> Vec<Vec<f64>> {
    units.into_iter().filter(|sums| sums.iter().any(|x| *x != 0.0)).cloned().collect()
}

/// Each particle's group: those of one species are dealt out evenly.
pub fn groups(species: &[usize], kinds: usize) -> Vec<usize> {
    let mut dealt = vec![0; kinds];
    species
        .iter()
        .map(|&s| {
            dealt[s] += 1;
            (dealt[s] - 1) % GROUPS
        })
        .collect()
}
