//! Averages over pairs of frames: what all time correlations share.
//!
//! Frames wait until there are many: then all pairs that end at one of them are added, the lags side by side, or shares of the
//! particles ([`crate::lane_correlation`]). So the order of summation does not depend on the number of threads, and
//! threads have enough to do.
//!
//! Memory: one sample of every origin of the trajectory that is being read ([`crate::lags`]) and of the frames that wait, and for
//! each lag the sums of at most 16 blocks a trajectory and 16 groups.

use std::sync::Arc;

use rayon::prelude::*;

use crate::frame::Frame;
use crate::jackknife;
use crate::lags::Lags;

/// Groups of particles or wave vectors.
pub const GROUPS: usize = 16;

/// Frames that wait: half as many as there are origins, but so many at least, since a few frames do not occupy all threads...
const FEWEST_WAITING: usize = 32;
/// ... and at most so many.
const MOST_WAITING: usize = 512;

/// What is correlated, of one pair of moments after the other.
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

/// Pairs of frames: first two slots, then the slot after each, and so on.
#[derive(Clone, Copy)]
pub struct Run {
    /// Slot of the first origin.
    pub origin: u32,
    /// Slot of the frame that it is compared with.
    pub now: u32,
    /// Number of pairs.
    pub pairs: u32,
}

/// What is correlated, of many pairs of moments at a time. Every [`Correlation`] is one.
pub trait BatchCorrelation: Send + Sync {
    /// As [`Correlation::Sample`].
    type Sample: Send + Sync;
    /// As [`Correlation::width`].
    fn width(&self) -> usize;
    /// As [`Correlation::sample`].
    fn sample(&self, frame: &Frame) -> Self::Sample;
    /// Adds all pairs of each lag and block, with samples in numbered slots; what comes out must not depend on the number of threads.
    fn add(&self, samples: &[Option<Self::Sample>], lags: &mut [LagPairs]);
}

impl<C: Correlation> BatchCorrelation for C {
    type Sample = C::Sample;

    fn width(&self) -> usize {
        Correlation::width(self)
    }

    fn sample(&self, frame: &Frame) -> C::Sample {
        Correlation::sample(self, frame)
    }

    fn add(&self, samples: &[Option<C::Sample>], lags: &mut [LagPairs]) {
        lags.par_iter_mut().for_each(|lag| {
            let mut sums = vec![0.0; GROUPS * Correlation::width(self)];
            for block in 0..lag.blocks().len() {
                sums.fill(0.0);
                for Run { origin, now, pairs } in &lag.blocks()[block].runs {
                    let slots = |first: &u32| *first as usize..(*first + *pairs) as usize;
                    for pair in samples[slots(origin)].iter().zip(&samples[slots(now)]) {
                        if let (Some(origin), Some(now)) = pair {
                            Correlation::add(self, origin, now, &mut sums);
                        }
                    }
                }
                lag.add(block, &sums);
            }
        });
    }
}

/// A frame that was kept.
#[derive(Clone, Copy)]
struct Kept {
    tick: i64,
    slot: u32,
    is_origin: bool,
}

/// Accumulates a correlation over all pairs of [`Lags`].
pub struct PairAverage<C: BatchCorrelation> {
    /// What is correlated.
    pub correlation: C,
    lags: Arc<Lags>,
    trajectory: usize,
    samples: Vec<Option<C::Sample>>,
    free: Vec<u32>,
    /// Origins, then frames whose pairs have not been added yet; in order of time.
    kept: Vec<Kept>,
    /// How many of them wait, and how many may.
    waiting: usize,
    most_waiting: usize,
    sums: Vec<SumsOfLag>,
}

/// What the pairs of one lag have added up to.
#[derive(Clone)]
struct SumsOfLag {
    /// Per trajectory: blocks of `width` sums.
    blocks: Vec<Vec<Vec<f64>>>,
    /// Groups of `width` sums, over all trajectories.
    groups: Vec<Vec<f64>>,
    pairs: u64,
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

/// The pairs of one lag that end at the frames that wait.
pub struct LagPairs<'a> {
    blocks: Vec<BlockPairs>,
    trajectory: usize,
    sums: &'a mut SumsOfLag,
}

/// Those of one block of time.
pub struct BlockPairs {
    /// Number of the block.
    block: usize,
    /// The pairs.
    pub runs: Vec<Run>,
}

impl BlockPairs {
    /// Number of pairs.
    pub fn pairs(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.pairs)).sum()
    }
}

impl LagPairs<'_> {
    /// Blocks with pairs.
    pub fn blocks(&self) -> &[BlockPairs] {
        &self.blocks
    }

    /// Adds what the pairs at this place of [`LagPairs::blocks`] have added up to, in the order of [`Correlation::add`].
    pub fn add(&mut self, place: usize, found: &[f64]) {
        let block = &self.blocks[place];
        self.sums.pairs += block.pairs();
        self.sums.add(self.trajectory, block.block, found);
    }
}

impl SumsOfLag {
    /// Adds `found`, of every group, to one block.
    fn add(&mut self, trajectory: usize, block: usize, found: &[f64]) {
        let block = &mut self.blocks[trajectory][block];
        for (group, found) in self.groups.iter_mut().zip(found.chunks_exact(block.len())) {
            group.iter_mut().zip(found).for_each(|(s, x)| *s += x);
            block.iter_mut().zip(found).for_each(|(s, x)| *s += x);
        }
    }
}

impl<C: BatchCorrelation> PairAverage<C> {
    /// Nothing yet.
    pub fn new(correlation: C, lags: &Arc<Lags>) -> Self {
        let width = correlation.width();
        let blocks =
            |lag| (0..lags.trajectories()).map(|t| vec![vec![0.0; width]; lags.blocks(t, lag)]).collect();
        let groups = vec![vec![0.0; width]; GROUPS];
        let sums = (0..lags.len())
            .map(|lag| SumsOfLag { blocks: blocks(lag), groups: groups.clone(), pairs: 0 })
            .collect();
        let most_waiting = lags.most_origins().div_ceil(2).clamp(FEWEST_WAITING, MOST_WAITING);
        let slots = lags.most_origins() + most_waiting;
        Self {
            samples: (0..slots).map(|_| None).collect(),
            correlation,
            lags: Arc::clone(lags),
            trajectory: 0,
            free: (0..slots as u32).rev().collect(),
            kept: Vec::new(),
            waiting: 0,
            most_waiting,
            sums,
        }
    }

    /// Adds all pairs that end at this frame. After the last one of all, if that is not the last of its trajectory, call
    /// [`PairAverage::complete`].
    pub fn accumulate(&mut self, frame: &Frame) {
        if frame.trajectory != self.trajectory {
            self.complete();
            // No pair leads from one trajectory to another.
            self.trajectory = frame.trajectory;
            self.free.extend(self.kept.drain(..).rev().map(|kept| kept.slot));
            self.samples.iter_mut().for_each(|sample| *sample = None);
        }
        let Some(slot) = self.free.pop() else {
            unreachable!("a slot for every origin and every frame that waits")
        };
        self.samples[slot as usize] = Some(self.correlation.sample(frame));
        let is_origin = self.lags.is_origin(frame.trajectory, frame.tick);
        self.kept.push(Kept { tick: frame.tick, slot, is_origin });
        self.waiting += 1;
        if self.waiting == self.most_waiting || frame.tick == self.lags.last_tick(frame.trajectory) {
            self.complete();
        }
    }

    /// Adds the pairs of the frames that wait.
    pub fn complete(&mut self) {
        if self.waiting > 0 {
            self.add_waiting();
        }
    }

    fn add_waiting(&mut self) {
        let Self { correlation, lags, trajectory, samples, free, kept, waiting, sums, .. } = self;
        let ends = &kept[kept.len() - *waiting..];
        let pairs = |(lag, sums)| {
            let blocks = blocks_of_pairs(lags, *trajectory, lag, kept, ends);
            LagPairs { blocks, trajectory: *trajectory, sums }
        };
        let mut pairs: Vec<LagPairs> = sums.par_iter_mut().enumerate().map(pairs).collect();
        correlation.add(samples, &mut pairs);
        kept.retain(|kept| {
            if !kept.is_origin {
                samples[kept.slot as usize] = None;
                free.push(kept.slot);
            }
            kept.is_origin
        });
        *waiting = 0;
    }

    /// Frames that still wait would be lost without a word.
    fn check_complete(&self) {
        assert!(self.waiting == 0, "`complete` was not called after a part of a trajectory");
    }

    /// Lags that have pairs.
    fn found(&self) -> impl Iterator<Item = (f64, &SumsOfLag)> {
        self.check_complete();
        let found = self.sums.iter().enumerate().filter(|(_, sums)| sums.pairs > 0);
        found.map(|(lag, sums)| (self.lags.time(lag), sums))
    }

    /// Sums at each lag that has pairs, in units that are nearly independent: for quantities that need several lags.
    pub fn sums(&self) -> Vec<LagSums> {
        self.found()
            .map(|(time, sums)| LagSums {
                time,
                groups: sums.groups.clone(),
                trajectories: sums.blocks.iter().map(|blocks| jackknife::total(blocks)).collect(),
            })
            .collect()
    }

    /// `function` of the sums, at each lag that has pairs.
    pub fn finish(&self, function: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Lag> {
        self.found()
            .map(|(time, sums)| {
                let blocks = used(sums.blocks.iter().flatten());
                let groups = used(&sums.groups);
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
                Lag { time, pairs: sums.pairs, values, errors }
            })
            .collect()
    }
}

/// Pairs of one lag that end at one of `ends`, by the block of their origins.
fn blocks_of_pairs(
    lags: &Lags,
    trajectory: usize,
    lag: usize,
    kept: &[Kept],
    ends: &[Kept],
) -> Vec<BlockPairs> {
    let then = |now: &Kept| now.tick - lags.ticks(lag);
    let earlier = ends.first().map_or(0, |first| kept.partition_point(|kept| kept.tick < then(first)));
    let mut origins = kept[earlier..].iter().filter(|kept| kept.is_origin).peekable();
    let mut pairs = Vec::new();
    for now in ends {
        let then = then(now);
        while origins.next_if(|origin| origin.tick < then).is_some() {}
        pairs.extend(origins.peek().filter(|origin| origin.tick == then).map(|origin| (*origin, now)));
    }
    let mut rest = &pairs[..];
    let mut blocks = Vec::new();
    while let Some((first, _)) = rest.first() {
        let block = lags.block(trajectory, lag, first.tick);
        let in_block = rest.partition_point(|(origin, _)| lags.block(trajectory, lag, origin.tick) == block);
        let runs = rest[..in_block].chunk_by(|a, b| (a.0.slot + 1, a.1.slot + 1) == (b.0.slot, b.1.slot));
        let run = |pairs: &[(&Kept, &Kept)]| Run {
            origin: pairs[0].0.slot,
            now: pairs[0].1.slot,
            pairs: pairs.len() as u32,
        };
        blocks.push(BlockPairs { block, runs: runs.map(run).collect() });
        rest = &rest[in_block..];
    }
    blocks
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// Products of the ticks of both frames.
    struct Products;

    impl Correlation for Products {
        type Sample = i64;

        fn width(&self) -> usize {
            1
        }

        fn sample(&self, frame: &Frame) -> i64 {
            frame.tick
        }

        fn add(&self, origin: &i64, now: &i64, sums: &mut [f64]) {
            sums[now.unsigned_abs() as usize % GROUPS] += (origin * now) as f64;
        }
    }

    fn frame(trajectory: usize, index: usize, tick: i64) -> Frame {
        let none = || [].into();
        let (atoms, unwrapped, centres) = (none(), none(), none());
        Frame { trajectory, index, tick, time: tick as f64, cell: None, atoms, unwrapped, centres }
    }

    #[test]
    fn every_pair_is_added_once_whatever_the_schedule_and_the_origins() {
        let even: Vec<i64> = (1..2000).collect();
        let blocks: Vec<i64> =
            (0..150).flat_map(|b| [0, 1, 2, 4, 8, 16, 32].map(|o| 1 + 64 * b + o)).collect();
        for (ticks, origins) in [(&even, 5000), (&even, 300), (&blocks, 5000), (&blocks, 100)] {
            let clocks = [0, 1].map(|_| Clock { ticks: ticks.clone(), tick: 1.0 });
            let lags = Arc::new(Lags::new(&clocks, origins).with_zero());
            let mut average = PairAverage::new(Products, &lags);
            for trajectory in [0, 1] {
                let frames = ticks.iter().enumerate();
                frames.for_each(|(index, tick)| average.accumulate(&frame(trajectory, index, *tick)));
            }
            let mut found = average.sums().into_iter().peekable();
            for lag in 0..lags.len() {
                let mut expected = vec![vec![0.0]; GROUPS];
                let mut pairs = 0;
                for now in ticks {
                    let origin = now - lags.ticks(lag);
                    if ticks.binary_search(&origin).is_ok() && lags.is_origin(0, origin) {
                        expected[now.unsigned_abs() as usize % GROUPS][0] += (2 * origin * now) as f64;
                        pairs += 2;
                    }
                }
                assert_eq!(average.sums[lag].pairs, pairs);
                // Sums of integers are exact.
                if let Some(found) = found.next_if(|found| found.time == lags.time(lag)) {
                    let all = found.trajectories[0][0] + found.trajectories[1][0];
                    assert_eq!(all, expected.iter().map(|group| group[0]).sum::<f64>());
                    assert_eq!(found.groups, expected);
                } else {
                    assert_eq!(pairs, 0, "lag {lag}");
                }
            }
            assert!(found.next().is_none());
        }
    }
}
