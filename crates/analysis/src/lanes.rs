//! Vectors of particles in an order that fills vector registers.
//!
//! [`crate::pair_average`] sums over sixteen groups of particles, dealt out evenly within each species. Here the particles of a
//! species lie in rows of one of each group: a row is added to sixteen sums at once, and what a sum becomes depends on nothing
//! but the order of the rows.

use glam::DVec3;

use crate::pair_average::GROUPS;

/// One number of each group.
pub type Lanes = [f64; GROUPS];

/// Which particle stands where.
pub struct Layout {
    /// Per row and group: a particle; the last row of a species may have gaps.
    rows: Vec<[Option<usize>; GROUPS]>,
    /// Per species: rows before its first one; one more at the end.
    starts: Vec<usize>,
    /// Per species: particles of each group.
    counts: Vec<Lanes>,
}

/// Vectors in the order of a [`Layout`], zero in its gaps: per row x, y and z.
pub struct Rows(Vec<[Lanes; 3]>);

impl Layout {
    /// Of particles of these species, each below `kinds`.
    pub fn new(species: &[usize], kinds: usize) -> Self {
        let (mut rows, mut starts, mut counts) = (Vec::new(), vec![0], Vec::new());
        for kind in 0..kinds {
            let members: Vec<usize> = (0..species.len()).filter(|&i| species[i] == kind).collect();
            let mut count = [0.0; GROUPS];
            for part in members.chunks(GROUPS) {
                let mut row = [None; GROUPS];
                for ((place, number), particle) in row.iter_mut().zip(&mut count).zip(part) {
                    *place = Some(*particle);
                    *number += 1.0;
                }
                rows.push(row);
            }
            starts.push(rows.len());
            counts.push(count);
        }
        Self { rows, starts, counts }
    }

    /// Puts the vectors of particles into this order.
    pub fn gather(&self, vectors: &[DVec3]) -> Rows {
        let row = |places: &[Option<usize>; GROUPS]| {
            let mut row = [[0.0; GROUPS]; 3];
            for (lane, vector) in places
                .iter()
                .enumerate()
                .filter_map(|(lane, place)| place.map(|particle| (lane, vectors[particle])))
            {
                for (component, value) in row.iter_mut().zip(vector.to_array()) {
                    component[lane] = value;
                }
            }
            row
        };
        Rows(self.rows.iter().map(row).collect())
    }

    /// Rows of a species.
    pub fn rows(&self, species: usize) -> std::ops::Range<usize> {
        self.starts[species]..self.starts[species + 1]
    }

    /// Particles of a species, by group.
    pub fn counts(&self, species: usize) -> &Lanes {
        &self.counts[species]
    }

    /// Gaps of a species, by group.
    pub fn gaps(&self, species: usize) -> Lanes {
        let rows = self.rows(species).len() as f64;
        self.counts[species].map(|n| rows - n)
    }
}

impl Rows {
    /// |b - a|^2 in one row; zero in gaps.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    pub fn squared_distances(a: &Self, b: &Self, row: usize) -> Lanes {
        let ([ax, ay, az], [bx, by, bz]) = (&a.0[row], &b.0[row]);
        let mut squares = [0.0; GROUPS];
        for (lane, square) in squares.iter_mut().enumerate() {
            let (x, y, z) = (bx[lane] - ax[lane], by[lane] - ay[lane], bz[lane] - az[lane]);
            *square = x * x + y * y + z * z;
        }
        squares
    }
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
        let vectors: Vec<DVec3> = (0..100).map(|i| DVec3::new(f64::from(i), 1.0, 2.0)).collect();
        let rows = layout.gather(&vectors);
        let mut seen = [false; 100];
        for kind in 0..3 {
            let mut counts = [0.0; GROUPS];
            for row in layout.rows(kind) {
                for group in (0..GROUPS).filter(|&g| rows.0[row][1][g] == 1.0) {
                    let particle = rows.0[row][0][group] as usize;
                    assert_eq!((species[particle], expected[particle]), (kind, group));
                    assert_eq!(rows.0[row][2][group], 2.0);
                    assert!(!std::mem::replace(&mut seen[particle], true));
                    counts[group] += 1.0;
                }
            }
            assert_eq!(&counts, layout.counts(kind));
            let all = layout.rows(kind).len() as f64;
            assert!(layout.gaps(kind).iter().zip(&counts).all(|(gaps, n)| gaps + n == all));
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
