//! Vectors of particles in an order that fills vector registers and caches.
//!
//! [`crate::pair_average`] sums over sixteen groups of particles, dealt out evenly within each species. Here the particles of a
//! species lie in rows of one of each group: a row is added to sixteen sums at once, and what a sum becomes depends on nothing
//! but the order of the rows. A few rows, a part, lie side by side for all frames: where correlations go through many pairs of
//! frames with one part after the other, the part stays in the processor's second cache.

use std::ops::Range;
use std::sync::Arc;

use glam::DVec3;
use rayon::prelude::*;

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

/// Rows of many frames, each in a numbered slot; zero in gaps.
pub struct RowsOfFrames {
    parts: Vec<Part>,
    /// Slots, and the vectors that are still to be arranged there.
    new: Vec<(usize, Arc<[DVec3]>)>,
}

/// Some rows of one species.
struct Part {
    species: usize,
    rows: Range<usize>,
    /// Per slot that was ever used: the rows.
    vectors: Vec<Row>,
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

    /// Room for the rows of so many frames.
    pub fn slots(&self, slots: usize) -> RowsOfFrames {
        let rows = (PART / (slots * size_of::<Row>()).max(1)).max(1);
        let part = |species: usize, start: usize, end: usize| {
            let rows = start..(start + rows).min(end);
            let vectors = Vec::with_capacity(slots * rows.len());
            Part { species, rows, vectors }
        };
        let parts = self.starts.windows(2).enumerate().flat_map(|(species, bounds)| {
            let end = bounds[1];
            (bounds[0]..end).step_by(rows).map(move |start| part(species, start, end))
        });
        RowsOfFrames { parts: parts.collect(), new: Vec::new() }
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

    /// Arranges the vectors that were put into slots.
    pub fn arrange(&self, frames: &mut RowsOfFrames) {
        let RowsOfFrames { parts, new } = frames;
        let each = parts.len().div_ceil(rayon::current_num_threads()).max(1);
        parts.par_chunks_mut(each).for_each(|parts| {
            // Frame after frame: so memory is read as it lies.
            for (slot, vectors) in &*new {
                for part in &mut *parts {
                    let (places, first) = (&self.rows[part.rows.clone()], slot * part.rows.len());
                    dispatch(Gather { places, vectors, rows: &mut part.vectors, first });
                }
            }
        });
        new.clear();
    }
}

impl RowsOfFrames {
    /// Puts the vectors of particles into a slot; they are seen there after [`Layout::arrange`].
    pub fn put(&mut self, slot: usize, vectors: &Arc<[DVec3]>) {
        self.new.push((slot, Arc::clone(vectors)));
    }

    /// Number of parts.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Species of a part.
    pub fn species(&self, part: usize) -> usize {
        self.parts[part].species
    }

    /// Rows of one part: of the origins of pairs, and of the frames that they are compared with.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    pub fn pairs(&self, part: usize, run: &Run) -> impl Iterator<Item = (&Row, &Row)> {
        let Part { rows, vectors, .. } = &self.parts[part];
        let rows = |first: u32| &vectors[first as usize * rows.len()..][..run.pairs as usize * rows.len()];
        rows(run.origin).iter().zip(rows(run.now))
    }
}

/// Per group, the numbers that were summed in lanes.
pub fn by_group(sums: &[Lanes]) -> Vec<f64> {
    (0..GROUPS).flat_map(|group| sums.iter().map(move |lanes| lanes[group])).collect()
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

/// Writes the rows of some places, the first one there, or behind the last one: slots are first used in order.
struct Gather<'a> {
    places: &'a [[usize; GROUPS]],
    vectors: &'a [DVec3],
    rows: &'a mut Vec<Row>,
    first: usize,
}

impl Kernel for Gather<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn run(self) {
        for (number, places) in (self.first..).zip(self.places) {
            let row = gather(places, self.vectors);
            match self.rows.get_mut(number) {
                Some(place) => *place = row,
                None => self.rows.push(row),
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
        for slots in [10_000, 2] {
            let mut frames = layout.slots(slots);
            for slot in [0, 1] {
                let vector = |i: i32| DVec3::new(f64::from(i), 1.0, slot as f64);
                frames.put(slot, &(0..100).map(vector).collect());
            }
            layout.arrange(&mut frames);
            assert_eq!(frames.parts(), if slots == 2 { 2 } else { 5 + 3 });
            let mut seen = [false; 100];
            let mut counts = [[0.0; GROUPS]; 3];
            for part in 0..frames.parts() {
                let kind = frames.species(part);
                for (Row(before), Row(row)) in frames.pairs(part, &Run { origin: 0, now: 1, pairs: 1 }) {
                    assert_eq!((before[0], before[2]), (row[0], [0.0; GROUPS]));
                    for group in (0..GROUPS).filter(|&g| row[1][g] == 1.0) {
                        let particle = row[0][group] as usize;
                        assert_eq!((species[particle], expected[particle]), (kind, group));
                        assert_eq!(row[2][group], 1.0);
                        assert!(!std::mem::replace(&mut seen[particle], true));
                        counts[kind][group] += 1.0;
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
