//! All periodic images of all atoms within a cutoff, for any cell and any cutoff (also one larger than the cell).

use glam::{DVec3, IVec3};

use crate::cell::Cell;

/// An atom's image near another atom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Image {
    /// Index of the atom whose image it is.
    pub atom: usize,
    /// Vector from the image to the central atom (angstrom).
    pub difference: DVec3,
    /// True for the copy of `atom` that lies where the given positions put it relative to the central atom. Of the
    /// images of a bonded partner, this is the bonded one.
    pub as_given: bool,
}

/// Atoms sorted into bins, and the offsets between bins that a cutoff can reach.
///
/// A bin is a parallelepiped with the shape of the cell. An offset may lead out of the cell and more than once around
/// it; each time around is another image.
pub struct AllImages {
    cell: Cell,
    cutoff: f64,
    bins: IVec3,
    /// Bin offsets that can hold an atom within the cutoff of one in the central bin.
    offsets: Vec<IVec3>,
    /// Per bin: first index into `order`; one more at the end.
    starts: Vec<usize>,
    /// Atom indices, bin by bin, ascending within each.
    order: Vec<usize>,
    /// Positions inside the cell (angstrom), in the order of the atoms.
    wrapped: Vec<DVec3>,
    /// Per atom: how many cells its given position lies away from the wrapped one.
    cells_away: Vec<IVec3>,
    /// Per atom: its bin.
    bin_of: Vec<IVec3>,
}

impl AllImages {
    /// Sorts `positions` (Cartesian, angstrom, finite) for searches up to `cutoff` (angstrom).
    pub fn new(cell: &Cell, positions: &[DVec3], cutoff: f64) -> Self {
        let bins = bins(cell, positions.len(), cutoff).as_ivec3();
        let mut images = Self {
            cell: *cell,
            cutoff,
            bins,
            offsets: reachable_offsets(cell, bins, cutoff),
            starts: vec![0; (bins.x * bins.y * bins.z) as usize + 1],
            order: vec![0; positions.len()],
            wrapped: Vec::with_capacity(positions.len()),
            cells_away: Vec::with_capacity(positions.len()),
            bin_of: Vec::with_capacity(positions.len()),
        };
        for &position in positions {
            let s = cell.fractional(position);
            let inside = Cell::wrap_fractional(s);
            images.wrapped.push(cell.cartesian(inside));
            images.cells_away.push((s - inside).round().as_ivec3());
            images.bin_of.push((inside * bins.as_dvec3()).as_ivec3().min(bins - 1));
        }
        images.sort();
        images
    }

    /// Offsets between bins that are looked at for every atom, at most; also where they would not fit into memory.
    pub fn places(cell: &Cell, n_atoms: usize, cutoff: f64) -> f64 {
        let reach = (cutoff * bins(cell, n_atoms, cutoff) / cell.perpendicular_heights()).ceil();
        (2.0 * reach + 1.0).element_product()
    }

    /// Counting sort of the atoms into their bins.
    fn sort(&mut self) {
        for bin in &self.bin_of {
            let index = self.index(*bin);
            self.starts[index + 1] += 1;
        }
        for bin in 1..self.starts.len() {
            self.starts[bin] += self.starts[bin - 1];
        }
        let mut next = self.starts.clone();
        for (atom, bin) in self.bin_of.iter().enumerate() {
            let slot = &mut next[self.index(*bin)];
            self.order[*slot] = atom;
            *slot += 1;
        }
    }

    fn index(&self, bin: IVec3) -> usize {
        ((bin.z * self.bins.y + bin.y) * self.bins.x + bin.x) as usize
    }

    /// Calls `visit` for every image (also of `atom` itself, but for its own place) closer than the cutoff, in an order
    /// that depends on the positions alone.
    pub fn visit(&self, atom: usize, mut visit: impl FnMut(Image)) {
        let here = self.wrapped[atom];
        let cutoff_squared = self.cutoff * self.cutoff;
        for &offset in &self.offsets {
            let target = self.bin_of[atom] + offset;
            let around = IVec3::new(
                target.x.div_euclid(self.bins.x),
                target.y.div_euclid(self.bins.y),
                target.z.div_euclid(self.bins.z),
            );
            let bin = self.index(target - around * self.bins);
            let centre = here - self.cell.matrix() * around.as_dvec3();
            for &other in &self.order[self.starts[bin]..self.starts[bin + 1]] {
                let difference = centre - self.wrapped[other];
                if difference.length_squared() < cutoff_squared {
                    let as_given = around == self.cells_away[other] - self.cells_away[atom];
                    if !(as_given && other == atom) {
                        visit(Image { atom: other, difference, as_given });
                    }
                }
            }
        }
    }
}

/// Bins along each edge: thin ones waste few distance checks, but no thinner than the atoms are dense.
fn bins(cell: &Cell, n_atoms: usize, cutoff: f64) -> DVec3 {
    let spacing = (cell.volume() / n_atoms.max(1) as f64).cbrt();
    (cell.perpendicular_heights() / spacing.max(cutoff / 4.0)).floor().max(DVec3::ONE)
}

/// Offsets between bins whose nearest points may be closer than the cutoff.
fn reachable_offsets(cell: &Cell, bins: IVec3, cutoff: f64) -> Vec<IVec3> {
    let edges = cell.matrix() * glam::DMat3::from_diagonal(1.0 / bins.as_dvec3());
    // Points u, v of two bins differ by edges (offset + u - v), with each component of u - v in (-1, 1).
    let spread = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)]
        .map(|(y, z)| (edges * DVec3::new(1.0, y, z)).length())
        .into_iter()
        .fold(0.0, f64::max);
    let reach = (cutoff * bins.as_dvec3() / cell.perpendicular_heights()).ceil().as_ivec3();
    let mut offsets = Vec::new();
    for z in -reach.z..=reach.z {
        for y in -reach.y..=reach.y {
            for x in -reach.x..=reach.x {
                let offset = IVec3::new(x, y, z);
                if (edges * offset.as_dvec3()).length() < cutoff + spread {
                    offsets.push(offset);
                }
            }
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use glam::DMat3;

    use super::*;
    use crate::random::{Counter, Stream};

    /// Every image within the cutoff, found by looping over far more cells than needed.
    fn brute_force(cell: &Cell, positions: &[DVec3], atom: usize, cutoff: f64) -> Vec<(usize, DVec3)> {
        let mut found = Vec::new();
        for (other, &position) in positions.iter().enumerate() {
            for code in 0..11 * 11 * 11 {
                let m = IVec3::new(code % 11 - 5, code / 11 % 11 - 5, code / 121 - 5);
                let d = cell.wrapped_difference(positions[atom] - position) - cell.matrix() * m.as_dvec3();
                if d.length() < cutoff && !(other == atom && m == IVec3::ZERO) {
                    found.push((other, d));
                }
            }
        }
        found
    }

    #[test]
    fn finds_exactly_the_images_of_a_brute_force_search_in_a_triclinic_cell() {
        let h = DMat3::from_cols(
            DVec3::new(10.0, 0.0, 0.0),
            DVec3::new(4.0, 9.0, 0.0),
            DVec3::new(-3.0, 3.5, 8.0),
        );
        let cell = Cell::new(h).unwrap();
        let positions: Vec<DVec3> = (0..40)
            .map(|particle| {
                let counter =
                    Counter { seed: 1, stream: Stream::BuilderPosition, replica: 0, step: 0, particle };
                let [x, y, z, _] = counter.uniform();
                cell.cartesian(DVec3::new(3.0 * x - 1.0, 3.0 * y - 1.0, 3.0 * z - 1.0))
            })
            .collect();
        for cutoff in [2.5, 7.0, 15.0] {
            let images = AllImages::new(&cell, &positions, cutoff);
            for atom in 0..positions.len() {
                let key = |(other, d): &(usize, DVec3)| (*other, (d.length() * 1e8) as i64);
                let mut found = Vec::new();
                images.visit(atom, |image| {
                    let given = positions[atom] - positions[image.atom];
                    assert_eq!(image.as_given, (image.difference - given).length() < 1e-9);
                    found.push((image.atom, image.difference));
                });
                let mut expected = brute_force(&cell, &positions, atom, cutoff);
                found.sort_by_key(key);
                expected.sort_by_key(key);
                assert_eq!(found.len(), expected.len(), "atom {atom}, cutoff {cutoff}");
                for (a, b) in found.iter().zip(&expected) {
                    // Equal lengths of different images sort arbitrarily, so compare lengths. Rounding of h s.
                    assert!(a.0 == b.0 && (a.1.length() - b.1.length()).abs() < 1e-7);
                }
            }
        }
    }
}
