//! Histograms of the distances between all pairs of particles in a periodic cell.
//!
//! Particles are sorted into boxes of about half the range. For each box, the particles of half of the boxes around it are laid side by side,
//! where they are seen from there; every particle of the box is compared with them, so that every pair is visited once. First the
//! squares of the distances, then which of them are within the range, then their bins: no branch depends on a distance, and
//! vector registers do the arithmetic. Cost: particles x neighbours within the range x about 5.

use std::ops::Range;

use glam::{DVec3, IVec3, UVec3};
use rayon::prelude::*;
use vitrion_core::cell::Cell;
use vitrion_core::cpu::simd::{Kernel, dispatch};

/// Particles that a thread takes at a time, at least.
const CHUNK: usize = 128;
/// Pairs whose distances are held at a time.
const PART: usize = 256;
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
    /// Per ordered pair of species: where its histogram begins.
    rows: Vec<usize>,
}

impl PairDistances {
    /// Distances below `range` (angstrom) go to `bins` bins.
    pub fn new(species: &[usize], kinds: usize, range: f64, bins: usize) -> Self {
        let distances =
            Self { species: species.to_vec(), kinds, molecules: None, range, bins, rows: Vec::new() };
        let row = |pair| distances.pair_index(pair / kinds, pair % kinds) * bins;
        Self { rows: (0..kinds * kinds).map(row).collect(), ..distances }
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
        let boxes = sorted.starts.len() - 1;
        let zero = || vec![0u64; self.pairs() * self.bins];
        let add = |mut x: Vec<u64>, y: Vec<u64>| {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            x
        };
        (0..boxes)
            .into_par_iter()
            .with_min_len((boxes * CHUNK).div_ceil(positions.len().max(1)))
            .fold(
                || (zero(), Scratch::default()),
                |(mut histogram, mut scratch), number| {
                    if sorted.starts[number] == sorted.starts[number + 1] {
                        return (histogram, scratch);
                    }
                    let (sorted, distances) = (&sorted, self);
                    sorted.gather(number, &mut scratch.around);
                    let (held, counts) = (&mut scratch, &mut histogram[..]);
                    dispatch(Count { sorted, distances, number, scratch: held, histogram: counts });
                    (histogram, scratch)
                },
            )
            .map(|(histogram, _)| histogram)
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
    particles: Particles,
}

/// Where particles are and what they are.
#[derive(Default)]
struct Particles {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    species: Vec<usize>,
    molecules: Vec<usize>,
}

impl Sorted {
    fn new(distances: &PairDistances, cell: &Cell, positions: &[DVec3]) -> Self {
        let heights = cell.perpendicular_heights();
        let boxes = (heights * BOXES_A_RANGE / distances.range).floor().max(DVec3::ONE).as_ivec3();
        let inside: Vec<DVec3> =
            positions.iter().map(|r| Cell::wrap_fractional(cell.fractional(*r))).collect();
        let index = |s: &DVec3| {
            let b = (*s * boxes.as_dvec3()).as_ivec3().min(boxes - 1);
            ((b.z * boxes.y + b.y) * boxes.x + b.x) as usize
        };
        let mut starts = vec![0; (boxes.x * boxes.y * boxes.z) as usize + 1];
        for s in &inside {
            starts[index(s) + 1] += 1;
        }
        for b in 1..starts.len() {
            starts[b] += starts[b - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0; positions.len()];
        for (particle, s) in inside.iter().enumerate() {
            let slot = &mut next[index(s)];
            order[*slot] = particle;
            *slot += 1;
        }
        let wrapped: Vec<DVec3> = order.iter().map(|&p| cell.cartesian(inside[p])).collect();
        let particles = Particles {
            x: wrapped.iter().map(|r| r.x).collect(),
            y: wrapped.iter().map(|r| r.y).collect(),
            z: wrapped.iter().map(|r| r.z).collect(),
            species: order.iter().map(|&p| distances.species[p]).collect(),
            molecules: match &distances.molecules {
                Some(molecules) => order.iter().map(|&p| molecules[p]).collect(),
                // Every particle its own.
                None => order,
            },
        };
        let reach = (distances.range * boxes.as_dvec3() / heights).ceil().as_ivec3();
        Self { cell: *cell, boxes, reach, starts, particles }
    }

    /// The particles of a box, then those behind it: of the later boxes of its row, and of one of each two opposite rows.
    fn gather(&self, number: usize, around: &mut Particles) {
        around.clear();
        let (nx, ny) = (self.boxes.x as usize, self.boxes.y as usize);
        let here = UVec3::new((number % nx) as u32, (number / nx % ny) as u32, (number / (nx * ny)) as u32);
        let here = here.as_ivec3();
        for dz in 0..=self.reach.z {
            let first_y = if dz == 0 { 0 } else { -self.reach.y };
            for dy in first_y..=self.reach.y {
                let own_row = dz == 0 && dy == 0;
                let mut x = if own_row { here.x } else { here.x - self.reach.x };
                let last = here.x + self.reach.x;
                // Boxes x to `last` of this row, in runs that do not leave the cell.
                while x <= last {
                    let image = IVec3::new(
                        x.div_euclid(self.boxes.x),
                        (here.y + dy).div_euclid(self.boxes.y),
                        (here.z + dz).div_euclid(self.boxes.z),
                    );
                    let end = last.min((image.x + 1) * self.boxes.x - 1);
                    let row = IVec3::new(0, here.y + dy, here.z + dz)
                        - IVec3::new(0, image.y, image.z) * self.boxes;
                    let base = (row.z * self.boxes.y + row.y) * self.boxes.x - image.x * self.boxes.x;
                    let run = self.starts[(base + x) as usize]..self.starts[(base + end) as usize + 1];
                    around.append(&self.particles, run, self.cell.matrix() * image.as_dvec3());
                    x = end + 1;
                }
            }
        }
    }
}

impl Particles {
    fn clear(&mut self) {
        self.x.clear();
        self.y.clear();
        self.z.clear();
        self.species.clear();
        self.molecules.clear();
    }

    fn append(&mut self, from: &Self, run: Range<usize>, shift: DVec3) {
        self.x.extend(from.x[run.clone()].iter().map(|x| x + shift.x));
        self.y.extend(from.y[run.clone()].iter().map(|y| y + shift.y));
        self.z.extend(from.z[run.clone()].iter().map(|z| z + shift.z));
        self.species.extend_from_slice(&from.species[run.clone()]);
        self.molecules.extend_from_slice(&from.molecules[run]);
    }
}

/// What counting needs beside its input.
struct Scratch {
    around: Particles,
    squares: [f64; PART],
    /// Which particles around are within the range, their squares again, and their bins.
    near: [u32; PART],
    near_squares: [f64; PART],
    bins: [u32; PART],
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            around: Particles::default(),
            squares: [0.0; PART],
            near: [0; PART],
            near_squares: [0.0; PART],
            bins: [0; PART],
        }
    }
}

/// Counts the pairs of the particles of a box with those gathered around it, of which they are the first.
struct Count<'a> {
    sorted: &'a Sorted,
    distances: &'a PairDistances,
    number: usize,
    scratch: &'a mut Scratch,
    histogram: &'a mut [u64],
}

impl Kernel for Count<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    fn run(self) {
        let Self { sorted, distances, number, scratch, histogram } = self;
        let Scratch { around, squares, near, near_squares, bins } = scratch;
        let (limit, scale) = (distances.range * distances.range, distances.bins as f64 / distances.range);
        let last_bin = distances.bins as u32 - 1;
        for own in 0..sorted.starts[number + 1] - sorted.starts[number] {
            let molecule = around.molecules[own];
            let rows = &distances.rows[around.species[own] * distances.kinds..];
            let (cx, cy, cz) = (around.x[own], around.y[own], around.z[own]);
            for first in (own + 1..around.x.len()).step_by(PART) {
                let part = first..around.x.len().min(first + PART);
                let (x, y, z) = (&around.x[part.clone()], &around.y[part.clone()], &around.z[part.clone()]);
                for (square, ((x, y), z)) in squares.iter_mut().zip(x.iter().zip(y).zip(z)) {
                    let (dx, dy, dz) = (cx - x, cy - y, cz - z);
                    *square = dx * dx + dy * dy + dz * dz;
                }
                let mut found = 0;
                for (other, square) in part.zip(&*squares) {
                    // `found` is below PART: from the remainder the compiler knows it.
                    near[found % PART] = other as u32;
                    near_squares[found % PART] = *square;
                    found += usize::from(*square < limit);
                }
                for (bin, square) in bins.iter_mut().zip(&near_squares[..found]) {
                    *bin = floor(square.sqrt() * scale);
                }
                for (&other, &bin) in near[..found].iter().zip(&*bins) {
                    // The last bin's upper edge rounds to one bin more.
                    let slot = rows[around.species[other as usize]] + bin.min(last_bin) as usize;
                    histogram[slot] += u64::from(around.molecules[other as usize] != molecule);
                }
            }
        }
    }
}

/// Largest integer not above x, for 0 <= x < 2^32. (Conversions by `as` saturate, which vector registers do not do.)
#[inline(always)]
#[allow(clippy::inline_always)] // As above.
fn floor(x: f64) -> u32 {
    /// Added to a number below 2^51, this leaves its nearest integer in the low bits.
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    let nearest = (x + ROUNDER) - ROUNDER;
    let floor = if nearest > x { nearest - 1.0 } else { nearest };
    (floor + ROUNDER).to_bits() as u32
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
