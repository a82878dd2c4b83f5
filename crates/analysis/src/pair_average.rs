//! Averages over pairs of frames: what all time correlations share.
//!
//! Frames wait until there are a few: then every lag goes through all pairs that end at one of them, the lags side by side. So
//! the sums of a lag are added in the order of the frames whatever the number of threads, and threads have enough to do.
//!
//! Memory: one sample of every origin of the trajectory that is being read ([`crate::lags`]) and of the frames that wait, and for
//! each lag the sums of at most 16 blocks a trajectory and 16 groups.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::frame::Frame;
use crate::jackknife;
use crate::lags::Lags;

/// Groups of particles or wave vectors.
pub const GROUPS: usize = 16;

/// Frames that wait.
const WAITING: usize = 32;

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
    /// Frames whose pairs have not been added yet: ticks and samples, in order.
    waiting: Vec<(i64, C::Sample)>,
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
            waiting: Vec::new(),
            blocks,
            groups: vec![vec![vec![0.0; width]; GROUPS]; lags.len()],
            pairs: vec![0; lags.len()],
        }
    }

    /// Adds all pairs that end at this frame. After the last one of all, if that is not the last of its trajectory, call
    /// [`PairAverage::complete`].
    pub fn accumulate(&mut self, frame: &Frame) {
        if frame.trajectory != self.trajectory {
            self.complete();
            // No pair leads from one trajectory to another.
            self.trajectory = frame.trajectory;
            self.origins.clear();
        }
        self.waiting.push((frame.tick, self.correlation.sample(frame)));
        if self.waiting.len() == WAITING || frame.tick == self.lags.last_tick(frame.trajectory) {
            self.complete();
        }
    }

    /// Adds the pairs of the frames that wait.
    pub fn complete(&mut self) {
        if !self.waiting.is_empty() {
            self.add_waiting();
        }
    }

    fn add_waiting(&mut self) {
        let Self { correlation, lags, trajectory, origins, waiting, .. } = self;
        // Per lag: origins, and the waiting frames that they are compared with.
        let mut pairs = vec![Vec::new(); lags.len()];
        for (now, (tick, _)) in waiting.iter().enumerate() {
            lags.ending_at(*trajectory, *tick).for_each(|(lag, origin)| pairs[lag].push((origin, now)));
        }
        let sample = |tick: &i64| {
            let place = waiting.binary_search_by_key(tick, |(tick, _)| *tick);
            place.map_or_else(|_| origins.get(tick), |place| Some(&waiting[place].1))
        };
        let (width, blocks) = (correlation.width(), &mut self.blocks[*trajectory]);
        let sums = blocks.par_iter_mut().zip(&mut self.groups).zip(&mut self.pairs);
        sums.zip(pairs).enumerate().for_each(|(lag, (((blocks, groups), number), pairs))| {
            let mut sums = vec![0.0; GROUPS * width];
            let block_of = |pair: &(i64, usize)| lags.block(*trajectory, lag, pair.0);
            for pairs in pairs.chunk_by(|a, b| block_of(a) == block_of(b)) {
                for (origin, now) in pairs {
                    if let Some(then) = sample(origin) {
                        correlation.add(then, &waiting[*now].1, &mut sums);
                        *number += 1;
                    }
                }
                let block = &mut blocks[block_of(&pairs[0])];
                for (group, part) in groups.iter_mut().zip(sums.chunks_exact_mut(width)) {
                    group.iter_mut().zip(&*part).for_each(|(s, x)| *s += x);
                    block.iter_mut().zip(&*part).for_each(|(s, x)| *s += x);
                    part.fill(0.0);
                }
            }
        });
        for (tick, sample) in self.waiting.drain(..) {
            if self.lags.is_origin(self.trajectory, tick) {
                self.origins.insert(tick, sample);
            }
        }
    }

    /// Frames that still wait would be lost without a word.
    fn check_complete(&self) {
        assert!(self.waiting.is_empty(), "`complete` was not called after a part of a trajectory");
    }

    /// Sums at each lag that has pairs, in units that are nearly independent: for quantities that need several lags.
    pub fn sums(&self) -> Vec<LagSums> {
        self.check_complete();
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
        self.check_complete();
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
