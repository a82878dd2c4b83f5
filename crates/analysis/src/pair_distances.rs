//! Histograms of the distances between all pairs of particles in a periodic cell.
//!
//! Particles are sorted into boxes of about half the range; boxes of a row along the first edge lie one after the other, so that
//! the particles near another one form a few long runs. Every pair is visited once. Cost: particles x neighbours within the
//! range x about 2.

use glam::{DVec3, IVec3};
use rayon::prelude::*;
use vitrion_core::cell::Cell;

/// Particles that a thread takes at a time.
const CHUNK: usize = 128;
/// Boxes a range is long.
const BOXES_A_RANGE: f64 = 2.0;

/// Counts pairs by species and distance, for a fixed set of particles.
pub struct PairDistances {
    species: Vec<usize>,
    kinds: usize,
    /// Per particle: its molecule, if pairs within molecules are left out.
    molecules: Option<Vec<usize>>,
    range: f64,
    bins: usize,
}

impl PairDistances {
    /// Distances below `range` (angstrom) go to `bins` bins.
    pub fn new(species: &[usize], kinds: usize, range: f64, bins: usize) -> Self {
        Self { species: species.to_vec(), kinds, molecules: None, range, bins }
    }

    /// Leaves out pairs within a molecule.
    #[must_use]
    pub fn between_molecules(mut self, molecules: &[usize]) -> Self {
        self.molecules = Some(molecules.to_vec());
        self
    }

    /// Histograms of a <= b, row by row (`pair_index`), one after the other. A pair counts once. `range` must not exceed half
    /// the smallest perpendicular height of the cell.
    pub fn count(&self, cell: &Cell, positions: &[DVec3]) -> Vec<u64> {
        let sorted = Sorted::new(self, cell, positions);
        let zero = || vec![0u64; self.pairs() * self.bins];
        let add = |mut x: Vec<u64>, y: Vec<u64>| {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            x
        };
        (0..positions.len())
            .into_par_iter()
            .with_min_len(CHUNK)
            .fold(zero, |mut histogram, place| {
                sorted.visit(self, place, &mut histogram);
                histogram
            })
            .reduce(zero, add)
    }

    /// Number of pairs of species a <= b.
    pub fn pairs(&self) -> usize {
        self.kinds * (self.kinds + 1) / 2
    }

    /// Number of the pair of species a and b.
    pub fn pair_index(&self, a: usize, b: usize) -> usize {
        let (a, b) = (a.min(b), a.max(b));
        a * self.kinds - a * (a + 1) / 2 + b
    }
}

/// Particles in the order of their boxes.
struct Sorted {
    cell: Cell,
    boxes: IVec3,
    reach: IVec3,
    /// Per box: first place; one more at the end.
    starts: Vec<usize>,
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    box_of: Vec<IVec3>,
    species: Vec<usize>,
    molecules: Vec<usize>,
}

impl Sorted {
    fn new(distances: &PairDistances, cell: &Cell, positions: &[DVec3]) -> Self {
        let heights = cell.perpendicular_heights();
        let boxes = (heights * BOXES_A_RANGE / distances.range).floor().max(DVec3::ONE).as_ivec3();
        let inside: Vec<DVec3> =
            positions.iter().map(|r| Cell::wrap_fractional(cell.fractional(*r))).collect();
        let box_of = |s: &DVec3| (*s * boxes.as_dvec3()).as_ivec3().min(boxes - 1);
        let index = |b: IVec3| ((b.z * boxes.y + b.y) * boxes.x + b.x) as usize;
        let mut starts = vec![0; (boxes.x * boxes.y * boxes.z) as usize + 1];
        for s in &inside {
            starts[index(box_of(s)) + 1] += 1;
        }
        for b in 1..starts.len() {
            starts[b] += starts[b - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0; positions.len()];
        for (particle, s) in inside.iter().enumerate() {
            let slot = &mut next[index(box_of(s))];
            order[*slot] = particle;
            *slot += 1;
        }
        let wrapped: Vec<DVec3> = order.iter().map(|&p| cell.cartesian(inside[p])).collect();
        Self {
            cell: *cell,
            boxes,
            reach: (distances.range * boxes.as_dvec3() / heights).ceil().as_ivec3(),
            starts,
            x: wrapped.iter().map(|r| r.x).collect(),
            y: wrapped.iter().map(|r| r.y).collect(),
            z: wrapped.iter().map(|r| r.z).collect(),
            box_of: order.iter().map(|&p| box_of(&inside[p])).collect(),
            species: order.iter().map(|&p| distances.species[p]).collect(),
            molecules: match &distances.molecules {
                Some(molecules) => order.iter().map(|&p| molecules[p]).collect(),
                // Every particle its own.
                None => order,
            },
        }
    }

    /// Pairs of the particle at `place` with those behind it: later in its own box, and in one of each two opposite boxes.
    fn visit(&self, distances: &PairDistances, place: usize, histogram: &mut [u64]) {
        let rows: Vec<usize> = (0..distances.kinds)
            .map(|kind| distances.pair_index(self.species[place], kind) * distances.bins)
            .collect();
        let here = self.box_of[place];
        for dz in 0..=self.reach.z {
            let first_y = if dz == 0 { 0 } else { -self.reach.y };
            for dy in first_y..=self.reach.y {
                let own_row = dz == 0 && dy == 0;
                let mut x = if own_row { here.x } else { here.x - self.reach.x };
                let last = here.x + self.reach.x;
                // Boxes x to `last` of this row, in runs that do not leave the cell.
                while x <= last {
                    let around = IVec3::new(
                        x.div_euclid(self.boxes.x),
                        (here.y + dy).div_euclid(self.boxes.y),
                        (here.z + dz).div_euclid(self.boxes.z),
                    );
                    let end = last.min((around.x + 1) * self.boxes.x - 1);
                    let row = IVec3::new(0, here.y + dy, here.z + dz)
                        - IVec3::new(0, around.y, around.z) * self.boxes;
                    let base = (row.z * self.boxes.y + row.y) * self.boxes.x - around.x * self.boxes.x;
                    let mut from = self.starts[(base + x) as usize];
                    let to = self.starts[(base + end) as usize + 1];
                    if own_row && x == here.x {
                        from = place + 1;
                    }
                    let shift = self.cell.matrix() * around.as_dvec3();
                    let centre = DVec3::new(self.x[place], self.y[place], self.z[place]) - shift;
                    self.count_run(distances, place, centre, from..to, &rows, histogram);
                    x = end + 1;
                }
            }
        }
    }

    fn count_run(
        &self,
        distances: &PairDistances,
        place: usize,
        centre: DVec3,
        run: std::ops::Range<usize>,
        rows: &[usize],
        histogram: &mut [u64],
    ) {
        let (limit, scale) = (distances.range * distances.range, distances.bins as f64 / distances.range);
        let molecule = self.molecules[place];
        let (x, y, z) = (&self.x[run.clone()], &self.y[run.clone()], &self.z[run.clone()]);
        let (species, molecules) = (&self.species[run.clone()], &self.molecules[run]);
        for (i, ((x, y), z)) in x.iter().zip(y).zip(z).enumerate() {
            let (dx, dy, dz) = (centre.x - x, centre.y - y, centre.z - z);
            let square = dx * dx + dy * dy + dz * dz;
            if square < limit && molecules[i] != molecule {
                let bin = (square.sqrt() * scale) as usize;
                // The last bin's upper edge rounds to one bin more.
                histogram[rows[species[i]] + bin.min(distances.bins - 1)] += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::neighbors::all_images::AllImages;

    use super::*;
    use crate::test_support::{random_positions, triclinic};

    #[test]
    fn agrees_with_all_images_in_triclinic_and_long_cells() {
        let long = Cell::orthorhombic(DVec3::new(40.0, 9.0, 11.0)).unwrap();
        for (cell, n) in [(triclinic(), 150), (long, 400), (Cell::cubic(30.0).unwrap(), 300)] {
            let positions = random_positions(&cell, n, 5);
            let species: Vec<usize> = (0..n).map(|i| i * i % 3).collect();
            for range in [0.5, 0.2, 0.07].map(|part| part * cell.perpendicular_heights().min_element()) {
                let distances = PairDistances::new(&species, 3, range, 7);
                let mut expected = vec![0u64; distances.pairs() * 7];
                let images = AllImages::new(&cell, &positions, range);
                for i in 0..n {
                    images.visit(i, |image| {
                        let bin = (image.difference.length() * 7.0 / range) as usize;
                        if image.atom > i {
                            expected
                                [distances.pair_index(species[i], species[image.atom]) * 7 + bin.min(6)] += 1;
                        }
                    });
                }
                assert_eq!(distances.count(&cell, &positions), expected, "{n} {range}");
            }
        }
    }
}
