//! Time correlations of displacements, sixteen particles at a time.
//!
//! A thread takes a few parts of the particles ([`crate::lanes`]), arranges one of them for all frames in memory of its own and goes
//! through all lags with it while it is in a cache. What a frame leaves behind is a share of its positions, not a copy.
//!
//! Memory, besides the shared positions: a part of all frames and the sums of 16 and a few shares of the particles, one for each lag,
//! block of time and group.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use glam::DVec3;
use rayon::prelude::*;

use vitrion_core::cpu::simd::{Kernel, dispatch};

use crate::frame::Frame;
use crate::lanes::{Lanes, Layout, Part, Row, RowsOfFrames};
use crate::pair_average::{BatchCorrelation, GROUPS, LagPairs, Run};

/// Shares of the particles, of which each has sums of its own: as many threads find work. Their number must not depend on that of
/// the threads, or sums would.
const SHARES: usize = 16;
/// Frames whose pairs are added at a time: their rows and those of the origins of short lags stay in the first cache.
const AT_A_TIME: u32 = 24;

/// What displacements add.
pub trait LaneSums: Send + Sync {
    /// What a particle that has not moved adds to each sum.
    const AT_REST: f64;
    /// Number of sums of a species.
    fn number(&self) -> usize;
    /// Positions of the particles.
    fn positions<'a>(&self, frame: &'a Frame) -> &'a Arc<[DVec3]>;
    /// Adds the displacements from each row of `origins` to that of `now`. To be inlined always, with all that it calls.
    fn add(&self, origins: &[Row], now: &[Row], sums: &mut [Lanes]);
}

/// The correlation that adds `S`.
pub struct LaneCorrelation<S> {
    /// What is added.
    pub added: S,
    layout: Layout,
    kinds: usize,
}

/// Pairs of one lag and block that follow each other.
struct Piece {
    /// Number of the lag and block.
    set: usize,
    run: Run,
}

/// One share of the particles, of one species.
struct Share {
    species: usize,
    parts: Vec<Part>,
}

/// What the sets of pairs add up to for one share: for each set, its sums.
struct Found {
    share: usize,
    sums: Vec<Lanes>,
}

impl<S: LaneSums> LaneCorrelation<S> {
    /// Of particles of these species, each below `kinds`.
    pub fn new(added: S, species: &[usize], kinds: usize) -> Self {
        Self { added, layout: Layout::new(species, kinds), kinds }
    }

    /// The same for any number of threads.
    fn shares(&self, slots: usize) -> Vec<Share> {
        let parts: Vec<Vec<Part>> =
            (0..self.kinds).map(|species| self.layout.parts(species, slots)).collect();
        let each = parts.iter().map(Vec::len).sum::<usize>().div_ceil(SHARES).max(1);
        let share = |species, parts: &[Part]| Share { species, parts: parts.to_vec() };
        let of_species = |(species, parts): (usize, &Vec<Part>)| -> Vec<Share> {
            parts.chunks(each).map(|parts| share(species, parts)).collect()
        };
        parts.iter().enumerate().flat_map(of_species).collect()
    }

    /// Adds all pairs, share by share.
    fn add_shares(
        &self,
        shares: &[Share],
        samples: &[Option<Arc<[DVec3]>>],
        sets: usize,
        pieces: &[Piece],
    ) -> Vec<Found> {
        let used = used(samples.len(), pieces);
        let frames: Vec<(usize, &Arc<[DVec3]>)> =
            used.into_iter().filter_map(|slot| Some((slot, samples[slot].as_ref()?))).collect();
        let next = AtomicUsize::new(0);
        // Each hand has memory for a part, and takes shares as long as there are some.
        let hand = |_| {
            let (mut rows, mut found) = (RowsOfFrames::default(), Vec::new());
            loop {
                let share = next.fetch_add(1, Ordering::Relaxed);
                let Some(Share { parts, .. }) = shares.get(share) else {
                    break found;
                };
                let mut sums = vec![[0.0; GROUPS]; sets * self.added.number()];
                for part in parts {
                    rows.arrange(&self.layout, part, &frames);
                    dispatch(Pass { added: &self.added, rows: &rows, pieces, sums: &mut sums });
                }
                found.push(Found { share, sums });
            }
        };
        let hands = rayon::current_num_threads().min(shares.len());
        let mut found: Vec<Found> = (0..hands).into_par_iter().with_max_len(1).flat_map_iter(hand).collect();
        found.sort_unstable_by_key(|found| found.share);
        found
    }

    /// The sums of one set over all shares, in the order that [`BatchCorrelation`] wants.
    fn total(&self, shares: &[Share], found: &[Found], set: usize, pairs: f64) -> Vec<f64> {
        let number = self.added.number();
        let mut total = vec![0.0; GROUPS * self.width()];
        for species in 0..self.kinds {
            let column = species * (1 + number);
            let [particles, gaps] = [self.layout.particles(species), self.layout.gaps(species)];
            for (group, total) in total.chunks_exact_mut(self.width()).enumerate() {
                total[column] = particles[group] * pairs;
                for found in found.iter().filter(|found| shares[found.share].species == species) {
                    let sums = &found.sums[set * number..][..number];
                    total[column + 1..]
                        .iter_mut()
                        .zip(sums)
                        .for_each(|(total, lanes)| *total += lanes[group]);
                }
                // Gaps have been added like particles at rest.
                total[column + 1..][..number]
                    .iter_mut()
                    .for_each(|sum| *sum -= gaps[group] * pairs * S::AT_REST);
            }
        }
        total
    }
}

impl<S: LaneSums> BatchCorrelation for LaneCorrelation<S> {
    type Sample = Arc<[DVec3]>;

    /// For each species: how many particles, then its sums.
    fn width(&self) -> usize {
        self.kinds * (1 + self.added.number())
    }

    fn sample(&self, frame: &Frame) -> Arc<[DVec3]> {
        Arc::clone(self.added.positions(frame))
    }

    fn add(&self, samples: &[Option<Arc<[DVec3]>>], lags: &mut [LagPairs]) {
        let shares = self.shares(samples.len());
        let first_sets: Vec<usize> = lags
            .iter()
            .scan(0, |sets, lag| {
                let first = *sets;
                *sets += lag.blocks().len();
                Some(first)
            })
            .collect();
        let sets = lags.iter().map(|lag| lag.blocks().len()).sum();
        let found = self.add_shares(&shares, samples, sets, &pieces(lags));
        lags.par_iter_mut().zip(first_sets).for_each(|(lag, first)| {
            for block in 0..lag.blocks().len() {
                let pairs = lag.blocks()[block].pairs();
                lag.add(block, &self.total(&shares, &found, first + block, pairs as f64));
            }
        });
    }
}

/// All pairs of all lags, in an order in which frames are met again soon: those with neighbouring slots together.
fn pieces(lags: &[LagPairs]) -> Vec<Piece> {
    let runs = lags.iter().flat_map(LagPairs::blocks).enumerate();
    let mut pieces: Vec<Piece> = runs
        .flat_map(|(set, block)| block.runs.iter().flat_map(cut).map(move |run| Piece { set, run }))
        .collect();
    pieces.sort_by_key(|piece| piece.run.now / AT_A_TIME);
    pieces
}

/// A run, cut where its second frame reaches a multiple of [`AT_A_TIME`].
fn cut(run: &Run) -> impl Iterator<Item = Run> + use<> {
    let mut rest = *run;
    std::iter::from_fn(move || {
        let pairs = rest.pairs.min(AT_A_TIME - rest.now % AT_A_TIME);
        let piece = Run { pairs, ..rest };
        rest = Run { origin: rest.origin + pairs, now: rest.now + pairs, pairs: rest.pairs - pairs };
        (pairs > 0).then_some(piece)
    })
}

/// Slots that occur in pairs.
fn used(slots: usize, pieces: &[Piece]) -> Vec<usize> {
    let mut used = vec![false; slots];
    for Run { origin, now, pairs } in pieces.iter().map(|piece| piece.run) {
        for first in [origin, now] {
            used[first as usize..][..pairs as usize].fill(true);
        }
    }
    (0..slots).filter(|&slot| used[slot]).collect()
}

/// Adds all pieces, of one part.
struct Pass<'a, S> {
    added: &'a S,
    rows: &'a RowsOfFrames,
    pieces: &'a [Piece],
    sums: &'a mut [Lanes],
}

impl<S: LaneSums> Kernel for Pass<'_, S> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    fn run(self) {
        let number = self.added.number();
        for Piece { set, run } in self.pieces {
            let [origins, now] = self.rows.pairs(run);
            self.added.add(origins, now, &mut self.sums[set * number..][..number]);
        }
    }
}
