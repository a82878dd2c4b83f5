//! Histograms of the distances between all pairs of particles, with images along the edges of the cell that are periodic.
//!
//! Along other edges particles may be anywhere: such an edge is lengthened until no image comes within the range.
//!
//! Particles are sorted into boxes of about half the range; of a cell that is nearly empty only those boxes are known that hold a particle, so
//! that memory and time follow from the number of particles. For each box, the particles of half of the boxes around it are laid side by side,
//! where they are seen from there; every particle of the box is compared with them, so that every pair is visited once. First the
//! squares of the distances, then which of them are within the range, then their bins: no branch depends on a distance, and
//! vector registers do the arithmetic. Cost: particles x neighbours within the range x about 5.

use std::ops::Range;

use glam::{BVec3, DMat3, DVec3, I64Vec3};
use rayon::prelude::*;
use vitrion_core::cell::Cell;
use vitrion_core::cpu::simd::{Kernel, dispatch};

/// Particles that a thread takes at a time, at least.
const CHUNK: usize = 128;
/// Pairs whose distances are held at a time.
const PART: usize = 256;
/// Boxes a range is long.
const BOXES_A_RANGE: f64 = 2.0;
/// Most boxes along an edge: their number fits into 63 bits.
const MOST_BOXES: f64 = 1_048_576.0;
/// Up to so many boxes a particle, and so many more, all boxes have an entry in a list.
const LISTED_A_PARTICLE: u64 = 32;
const LISTED: u64 = 4096;

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
    /// the smallest perpendicular height of the cell along the edges that are periodic.
    /// Without a cell there is no image.
    pub fn count(&self, cell: Option<&Cell>, periodic: BVec3, positions: &[DVec3]) -> Vec<u64> {
        let zero = || vec![0u64; self.pairs() * self.bins];
        let Some(cell) = apart(cell, periodic, positions, self.range) else { return zero() };
        let sorted = Sorted::new(self, &cell, positions);
        let occupied = sorted.occupied.len();
        let add = |mut x: Vec<u64>, y: Vec<u64>| {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            x
        };
        (0..occupied)
            .into_par_iter()
            .with_min_len((occupied * CHUNK).div_ceil(positions.len().max(1)))
            .fold(
                || (zero(), Scratch::default()),
                |(mut histogram, mut scratch), place| {
                    let (sorted, distances) = (&sorted, self);
                    sorted.gather(sorted.occupied[place], &mut scratch.around);
                    let own = sorted.starts[place + 1] - sorted.starts[place];
                    let (held, counts) = (&mut scratch, &mut histogram[..]);
                    dispatch(Count { own, distances, scratch: held, histogram: counts });
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

/// The cell with each edge that is not periodic as long as the particles reach along it and `range` beyond: then no image along it is
/// within the range of anything. Without a cell, a cube of such edges. None without a particle.
fn apart(cell: Option<&Cell>, periodic: BVec3, positions: &[DVec3], range: f64) -> Option<Cell> {
    let (h, inverse, heights) = match cell {
        Some(cell) if periodic.all() => return Some(*cell),
        Some(cell) => (cell.matrix(), cell.inverse(), cell.perpendicular_heights()),
        None => (DMat3::IDENTITY, DMat3::IDENTITY, DVec3::ONE),
    };
    let periodic = if cell.is_some() { periodic } else { BVec3::FALSE };
    let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for position in positions {
        let s = inverse * *position;
        (low, high) = (low.min(s), high.max(s));
    }
    // A millionth more than it must be: round-off.
    let long = (high - low + range / heights) * (1.0 + 1e-6);
    let factors = DVec3::select(periodic, DVec3::ONE, long);
    Cell::new(DMat3::from_cols(h.x_axis * factors.x, h.y_axis * factors.y, h.z_axis * factors.z)).ok()
}

/// Particles in the order of their boxes.
struct Sorted {
    cell: Cell,
    boxes: I64Vec3,
    reach: I64Vec3,
    /// Numbers of the boxes with particles, increasing; for each its first place, and one more at the end.
    occupied: Vec<i64>,
    starts: Vec<usize>,
    /// Per box, if there are not too many: its first place, whether or not it is occupied; one more at the end.
    listed: Option<Vec<usize>>,
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
        let boxes = (heights * BOXES_A_RANGE / distances.range).floor();
        let boxes = boxes.clamp(DVec3::ONE, DVec3::splat(MOST_BOXES)).as_i64vec3();
        let inside: Vec<DVec3> =
            positions.iter().map(|r| Cell::wrap_fractional(cell.fractional(*r))).collect();
        let index = |s: &DVec3| {
            let b = (*s * boxes.as_dvec3()).as_i64vec3().min(boxes - 1);
            (b.z * boxes.y + b.y) * boxes.x + b.x
        };
        let numbers: Vec<i64> = inside.iter().map(index).collect();
        let mut order: Vec<usize> = (0..positions.len()).collect();
        // Particles of one box stay in their order.
        order.sort_by_key(|&particle| numbers[particle]);
        let (mut occupied, mut starts) = (Vec::new(), Vec::new());
        for (place, &particle) in order.iter().enumerate() {
            if occupied.last() != Some(&numbers[particle]) {
                occupied.push(numbers[particle]);
                starts.push(place);
            }
        }
        starts.push(order.len());
        let all = boxes.x * boxes.y * boxes.z;
        let most = LISTED_A_PARTICLE * positions.len() as u64 + LISTED;
        let listed = (all.unsigned_abs() <= most).then(|| {
            let mut first = vec![0; all as usize + 1];
            for number in &numbers {
                first[*number as usize + 1] += 1;
            }
            for b in 1..first.len() {
                first[b] += first[b - 1];
            }
            first
        });
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
        let reach = (distances.range * boxes.as_dvec3() / heights).ceil().as_i64vec3();
        Self { cell: *cell, boxes, reach, occupied, starts, listed, particles }
    }

    /// The particles of the boxes from `first` to `last`.
    fn run(&self, first: i64, last: i64) -> Range<usize> {
        if let Some(listed) = &self.listed {
            return listed[first as usize]..listed[last as usize + 1];
        }
        let before = |end: i64| self.starts[self.occupied.partition_point(|number| *number < end)];
        before(first)..before(last + 1)
    }

    /// The particles of a box, then those behind it: of the later boxes of its row, and of one of each two opposite rows.
    fn gather(&self, number: i64, around: &mut Particles) {
        around.clear();
        let boxes = self.boxes;
        let here = I64Vec3::new(number % boxes.x, number / boxes.x % boxes.y, number / (boxes.x * boxes.y));
        for dz in 0..=self.reach.z {
            let first_y = if dz == 0 { 0 } else { -self.reach.y };
            for dy in first_y..=self.reach.y {
                let own_row = dz == 0 && dy == 0;
                let mut x = if own_row { here.x } else { here.x - self.reach.x };
                let last = here.x + self.reach.x;
                // Boxes x to `last` of this row, in runs that do not leave the cell.
                while x <= last {
                    let image = I64Vec3::new(
                        x.div_euclid(boxes.x),
                        (here.y + dy).div_euclid(boxes.y),
                        (here.z + dz).div_euclid(boxes.z),
                    );
                    let end = last.min((image.x + 1) * boxes.x - 1);
                    let row =
                        I64Vec3::new(0, here.y + dy, here.z + dz) - I64Vec3::new(0, image.y, image.z) * boxes;
                    let base = (row.z * boxes.y + row.y) * boxes.x - image.x * boxes.x;
                    let run = self.run(base + x, base + end);
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
    /// How many particles of the box there are.
    own: usize,
    distances: &'a PairDistances,
    scratch: &'a mut Scratch,
    histogram: &'a mut [u64],
}

impl Kernel for Count<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    fn run(self) {
        let Self { own, distances, scratch, histogram } = self;
        let Scratch { around, squares, near, near_squares, bins } = scratch;
        let (limit, scale) = (distances.range * distances.range, distances.bins as f64 / distances.range);
        let last_bin = distances.bins as u32 - 1;
        for own in 0..own {
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
                assert_eq!(distances.count(Some(&cell), BVec3::TRUE, &positions), expected, "{n} {range}");
            }
        }
    }

    /// Counts of all pairs by definition: all images along periodic edges, within three cells.
    fn by_definition(cell: &Cell, periodic: BVec3, positions: &[DVec3], range: f64, bins: usize) -> Vec<u64> {
        let mut counts = vec![0; bins];
        let images = |edge: usize| if periodic.test(edge) { -3..=3 } else { 0..=0 };
        for (i, a) in positions.iter().enumerate() {
            for b in &positions[i + 1..] {
                for x in images(0) {
                    for y in images(1) {
                        for z in images(2) {
                            let shift = cell.cartesian(glam::IVec3::new(x, y, z).as_dvec3());
                            let distance = a.distance(*b + shift);
                            if distance < range {
                                counts[((distance * bins as f64 / range) as usize).min(bins - 1)] += 1;
                            }
                        }
                    }
                }
            }
        }
        counts
    }

    #[test]
    fn edges_that_are_not_periodic_have_no_images_wherever_particles_are() {
        let cell = triclinic();
        // Fractional coordinates from -3 to 4; wrapped along the periodic edges, so that three cells hold all near images.
        for mask in 0..8 {
            let periodic = BVec3::new(mask & 1 > 0, mask & 2 > 0, mask & 4 > 0);
            let wrapped = |r: DVec3| {
                let s = cell.fractional(r);
                cell.cartesian(DVec3::select(periodic, Cell::wrap_fractional(s), s))
            };
            let dense = random_positions(&cell, 90, 8).into_iter().map(|r| wrapped(0.3 * r)).collect();
            let mut far: Vec<DVec3> = random_positions(&cell, 90, 9).into_iter().map(wrapped).collect();
            // One that has flown away.
            far[17] += if periodic.z { DVec3::ZERO } else { cell.matrix().z_axis * 1e5 };
            let positions: [Vec<DVec3>; 2] = [dense, far];
            for positions in &positions {
                for range in [1.0, 4.5] {
                    let expected = by_definition(&cell, periodic, positions, range, 9);
                    let counted =
                        PairDistances::new(&[0; 90], 1, range, 9).count(Some(&cell), periodic, positions);
                    assert_eq!(counted, expected, "{periodic} {range}");
                }
            }
        }
    }

    #[test]
    fn without_a_cell_all_pairs_count_once() {
        let positions = random_positions(&triclinic(), 60, 10);
        let expected = by_definition(&triclinic(), BVec3::FALSE, &positions, 8.0, 5);
        let distances = PairDistances::new(&[0; 60], 1, 8.0, 5);
        assert_eq!(distances.count(None, BVec3::TRUE, &positions), expected);
        assert!(expected.iter().sum::<u64>() > 0);
        assert_eq!(PairDistances::new(&[], 1, 8.0, 5).count(None, BVec3::TRUE, &[]), [0; 5]);
    }

    #[test]
    fn a_cell_that_is_nearly_empty_costs_what_its_particles_cost() {
        // Pairs and a triplet, across the walls too, in cells of which a list of boxes would take up to 1e20 bytes.
        for edge in [3e3, 2e4, 1e8] {
            let cell = Cell::cubic(edge).unwrap();
            let mut positions = Vec::new();
            for (i, r) in random_positions(&Cell::cubic(1.0).unwrap(), 40, 11).iter().enumerate() {
                // A power of two that the largest edge can hold beside its size: distances are exact to 1e-7.
                let wall = if i % 4 == 0 { DVec3::new(0.0, r.y, r.z) } else { *r };
                let place = wall * edge / 8.0;
                positions.extend([place, place + DVec3::new(-2.5, 0.0, 1.0)]);
            }
            positions.push(positions[0] + DVec3::new(0.0, 3.0, 0.0));
            let species = vec![0; positions.len()];
            for range in [0.01, 5.0, 12.0] {
                let bins = 3;
                let counted =
                    PairDistances::new(&species, 1, range, bins).count(Some(&cell), BVec3::TRUE, &positions);
                let wrapped: Vec<DVec3> = positions
                    .iter()
                    .map(|r| cell.cartesian(Cell::wrap_fractional(cell.fractional(*r))))
                    .collect();
                assert_eq!(
                    counted,
                    by_definition(&cell, BVec3::TRUE, &wrapped, range, bins),
                    "{edge} {range}"
                );
            }
        }
    }
}
