//! Vectors of particles in an order that fills vector registers and caches.
//!
//! [`crate::pair_average`] sums over sixteen groups of particles, dealt out evenly within each species. Here the particles of a
//! species lie in rows of one of each group: a row is added to sixteen sums at once, and what a sum becomes depends on nothing
//! but the order of the rows. A few rows, a part, lie side by side for all frames: where correlations go through many pairs of
//! frames with one part after the other, the part stays in the processor's second cache.

use std::ops::Range;
use std::sync::Arc;

use glam::DVec3;

use vitrion_core::cpu::simd::{Kernel, dispatch};

use crate::pair_average::{GROUPS, Run};

/// One number of each group.
pub type Lanes = [f64; GROUPS];

/// x, y and z of one vector of each group. Registers are filled twice as fast from whole cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Row(pub [Lanes; 3]);

/// Bytes of a part of all frames, where a single row a part is not more already: half of a common second cache.
const PART: usize = 1 << 20;

/// Stands in the gaps of the last row of a species.
const GAP: usize = usize::MAX;

/// Which particle stands where.
pub struct Layout {
    /// Per row and group: a particle, or [`GAP`].
    rows: Vec<[usize; GROUPS]>,
    /// Per species: rows before its first one; one more at the end.
    starts: Vec<usize>,
}

/// Some rows of one species.
#[derive(Clone)]
pub struct Part(Range<usize>);

/// One part of many frames, each in a numbered slot; zero in gaps.
#[derive(Default)]
pub struct RowsOfFrames {
    /// Rows of a frame.
    each: usize,
    rows: Vec<Row>,
}

impl Layout {
    /// Of particles of these species, each below `kinds`.
    pub fn new(species: &[usize], kinds: usize) -> Self {
        let (mut rows, mut starts) = (Vec::new(), vec![0]);
        for kind in 0..kinds {
            let members: Vec<usize> = (0..species.len()).filter(|&i| species[i] == kind).collect();
            for part in members.chunks(GROUPS) {
                let mut row = [GAP; GROUPS];
                row[..part.len()].copy_from_slice(part);
                rows.push(row);
            }
            starts.push(rows.len());
        }
        Self { rows, starts }
    }

    /// The rows of a species in parts, small enough for a cache with so many frames.
    pub fn parts(&self, species: usize, frames: usize) -> Vec<Part> {
        let rows = (PART / (frames * size_of::<Row>()).max(1)).max(1);
        let (first, end) = (self.starts[species], self.starts[species + 1]);
        (first..end).step_by(rows).map(|start| Part(start..(start + rows).min(end))).collect()
    }

    /// Particles of a species, by group.
    pub fn particles(&self, species: usize) -> Lanes {
        self.count(species, |place| place != GAP)
    }

    /// Gaps of a species, by group.
    pub fn gaps(&self, species: usize) -> Lanes {
        self.count(species, |place| place == GAP)
    }

    fn count(&self, species: usize, counted: impl Fn(usize) -> bool) -> Lanes {
        let mut count = [0.0; GROUPS];
        for row in &self.rows[self.starts[species]..self.starts[species + 1]] {
            count
                .iter_mut()
                .zip(row)
                .filter(|(_, place)| counted(**place))
                .for_each(|(count, _)| *count += 1.0);
        }
        count
    }
}

impl RowsOfFrames {
    /// Arranges a part of these frames, each with its slot, in place of what was there.
    pub fn arrange(&mut self, layout: &Layout, part: &Part, frames: &[(usize, &Arc<[DVec3]>)]) {
        let places = &layout.rows[part.0.clone()];
        self.each = places.len();
        let slots = frames.iter().map(|(slot, _)| slot + 1).max().unwrap_or(0);
        if self.rows.len() < slots * self.each {
            self.rows.resize(slots * self.each, Row([[0.0; GROUPS]; 3]));
        }
        dispatch(Gather { places, frames, rows: &mut self.rows });
    }

    /// Rows of the origins of pairs, and of the frames that they are compared with.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    pub fn pairs(&self, run: &Run) -> [&[Row]; 2] {
        [run.origin, run.now]
            .map(|first| &self.rows[first as usize * self.each..][..run.pairs as usize * self.each])
    }
}

/// One row; zero in gaps.
#[inline(always)]
#[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
fn gather(places: &[usize; GROUPS], vectors: &[DVec3]) -> Row {
    let [mut x, mut y, mut z] = [[0.0; GROUPS]; 3];
    // Neighbours, as species mostly stand together: vector instructions.
    let together = vectors.get(places[0]..).and_then(|v| v.first_chunk::<GROUPS>());
    if let (Some(vectors), true) = (together, places[GROUPS - 1] == places[0] + GROUPS - 1) {
        for (lane, vector) in vectors.iter().enumerate() {
            (x[lane], y[lane], z[lane]) = (vector.x, vector.y, vector.z);
        }
    } else {
        for (lane, place) in places.iter().enumerate() {
            if let Some(vector) = vectors.get(*place) {
                (x[lane], y[lane], z[lane]) = (vector.x, vector.y, vector.z);
            }
        }
    }
    Row([x, y, z])
}

/// Writes the rows of some places, of each frame into its slot.
struct Gather<'a> {
    places: &'a [[usize; GROUPS]],
    frames: &'a [(usize, &'a Arc<[DVec3]>)],
    rows: &'a mut [Row],
}

impl Kernel for Gather<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn run(self) {
        for (slot, vectors) in self.frames {
            let rows = &mut self.rows[slot * self.places.len()..];
            for (row, places) in rows.iter_mut().zip(self.places) {
                *row = gather(places, vectors);
            }
        }
    }
}

/// |b - a|^2; zero in gaps.
#[inline(always)]
#[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
pub fn squared_distances(Row([ax, ay, az]): &Row, Row([bx, by, bz]): &Row) -> Lanes {
    let mut squares = [0.0; GROUPS];
    for (lane, square) in squares.iter_mut().enumerate() {
        let (x, y, z) = (bx[lane] - ax[lane], by[lane] - ay[lane], bz[lane] - az[lane]);
        *square = x * x + y * y + z * z;
    }
    squares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair_average::groups;

    #[test]
    fn every_particle_stands_once_in_its_group_and_species() {
        let species: Vec<usize> = (0..100).map(|i| usize::from(i % 3 == 0)).collect();
        let layout = Layout::new(&species, 3);
        let expected = groups(&species, 3);
        // One row a part, and all rows of a species.
        for frames in [10_000, 2] {
            let vectors: Vec<Arc<[DVec3]>> = [0.0, 1.0]
                .map(|slot| (0..100).map(|i| DVec3::new(f64::from(i), 1.0, slot)).collect())
                .to_vec();
            let vectors: Vec<_> = vectors.iter().enumerate().collect();
            let mut rows = RowsOfFrames::default();
            let mut seen = [false; 100];
            let mut counts = [[0.0; GROUPS]; 3];
            for (kind, counts) in counts.iter_mut().enumerate() {
                let parts = layout.parts(kind, frames);
                assert_eq!(parts.len(), if frames == 2 { [1, 1, 0] } else { [5, 3, 0] }[kind]);
                for part in &parts {
                    rows.arrange(&layout, part, &vectors);
                    let [origins, now] = rows.pairs(&Run { origin: 0, now: 1, pairs: 1 });
                    for (Row(before), Row(row)) in origins.iter().zip(now) {
                        assert_eq!((before[0], before[2]), (row[0], [0.0; GROUPS]));
                        for group in (0..GROUPS).filter(|&g| row[1][g] == 1.0) {
                            let particle = row[0][group] as usize;
                            assert_eq!((species[particle], expected[particle]), (kind, group));
                            assert_eq!(row[2][group], 1.0);
                            assert!(!std::mem::replace(&mut seen[particle], true));
                            counts[group] += 1.0;
                        }
                    }
                }
            }
            for (kind, (counts, rows)) in counts.iter().zip([5.0, 3.0, 0.0]).enumerate() {
                assert_eq!(*counts, layout.particles(kind));
                assert!(layout.gaps(kind).iter().zip(counts).all(|(gaps, n)| gaps + n == rows));
            }
            assert!(seen.iter().all(|seen| *seen));
        }
    }
}
