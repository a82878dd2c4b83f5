//! Verlet lists of the atoms near each molecule (Verlet 1967, doi:10.1103/PhysRev.159.98), built over a cell grid.
//!
//! A molecule's list holds every atom of other molecules that lies within cutoff + skin of any of its atoms, once a pair:
//! molecule i owns the pair (i, j) when (i < j) differs from (i + j odd), which halves the work evenly. Within a list the
//! atoms are grouped by species, so that a whole group shares the parameters of its pair potential. Positions are 32-bit
//! fixed-point fractions of the cell: differences are exact and wrap by themselves.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use glam::{DMat3, DVec3};
use rayon::prelude::*;

use crate::cell::Cell;
use crate::cpu::lanes::{LANES, LaneKernel, Lanes, dispatch};
use crate::topology::Topology;

/// Fixed-point fractional coordinates of an atom: s = i 2^-32 modulo 1.
pub type Fraction = [i32; 3];

/// Fixed-point fractional coordinates of a Cartesian position (angstrom).
pub fn fraction(cell: &Cell, position: DVec3) -> Fraction {
    let s = cell.fractional(position);
    (s - s.round()).to_array().map(|x| (x * 4_294_967_296.0).round() as i64 as i32)
}

/// The cell matrix in f32, times 2^-32: maps a fixed-point difference to a Cartesian vector.
pub fn fraction_matrix(cell: &Cell) -> [[f32; 3]; 3] {
    let h = cell.matrix() * 2f64.powi(-32);
    [h.x_axis, h.y_axis, h.z_axis].map(|column| column.to_array().map(|x| x as f32))
}

/// Atoms grouped by species relative to a reference point, padded to whole vectors with atoms far outside any cutoff.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    u: [Vec<i32>; 3],
    /// Cartesian coordinates relative to the reference atom (angstrom).
    pub r: [Vec<f32>; 3],
}

/// Coordinate of padding (angstrom): outside every cutoff, with a square that f32 holds.
const FAR: f32 = 1e6;

impl Gathered {
    /// Number of places, padding included.
    pub fn places(&self) -> usize {
        self.r[0].len()
    }

    /// Makes room for `n` atoms in up to `groups` groups.
    fn reserve(&mut self, n: usize) {
        for axis in 0..3 {
            self.u[axis].clear();
            self.u[axis].resize(n, 0);
            self.r[axis].clear();
            self.r[axis].resize(n, 0.0);
        }
    }

    /// Gathers `groups` of atoms, wrapped to the images nearest to `reference`. Each group begins at a multiple of
    /// [`LANES`].
    #[inline(always)]
    pub fn fill<'a, L: Lanes>(
        &mut self,
        groups: impl Iterator<Item = &'a [u32]> + Clone,
        fractions: &[Fraction],
        reference: Fraction,
        h: &[[f32; 3]; 3],
    ) {
        self.reserve(groups.clone().map(|g| g.len().next_multiple_of(LANES)).sum());
        let mut start = 0;
        for group in groups.clone() {
            let [ux, uy, uz] = &mut self.u;
            let places = ux[start..].iter_mut().zip(&mut uy[start..]).zip(&mut uz[start..]);
            for (((x, y), z), &atom) in places.zip(group) {
                let u = fractions[atom as usize];
                *x = u[0].wrapping_sub(reference[0]);
                *y = u[1].wrapping_sub(reference[1]);
                *z = u[2].wrapping_sub(reference[2]);
            }
            start += group.len().next_multiple_of(LANES);
        }
        for k in (0..self.places()).step_by(LANES) {
            // No closures here: the compiler does not give them the caller's vector instructions.
            let x = L::from_i32(&self.u[0][k..]);
            let y = L::from_i32(&self.u[1][k..]);
            let z = L::from_i32(&self.u[2][k..]);
            for axis in 0..3 {
                let component = z.mul_add(
                    L::splat(h[2][axis]),
                    y.mul_add(L::splat(h[1][axis]), x.mul(L::splat(h[0][axis]))),
                );
                component.store(&mut self.r[axis][k..]);
            }
        }
        let mut start = 0;
        for group in groups {
            let end = start + group.len().next_multiple_of(LANES);
            self.r[0][start + group.len()..end].fill(FAR);
            start = end;
        }
    }
}

/// Lists of a run of consecutive molecules.
#[derive(Clone, Debug, Default)]
pub struct ListChunk {
    /// First molecule.
    pub first: usize,
    atoms: Vec<u32>,
    /// End of each (molecule, species) group in `atoms`, preceded by 0.
    ends: Vec<u32>,
}

impl ListChunk {
    /// Number of molecules.
    pub fn n_molecules(&self, n_species: usize) -> usize {
        (self.ends.len() - 1) / n_species
    }

    /// The atoms near molecule `first + index`, one group a species.
    #[inline(always)]
    pub fn groups(&self, index: usize, n_species: usize) -> impl Iterator<Item = &[u32]> + Clone {
        let ends = &self.ends[index * n_species..=(index + 1) * n_species];
        ends.windows(2).map(|w| &self.atoms[w[0] as usize..w[1] as usize])
    }
}

/// Molecules in one chunk: small enough to balance threads, large enough to amortise a task.
const CHUNK: usize = 16;

/// The neighbour lists of one replica.
#[derive(Clone, Debug, Default)]
pub struct MoleculeList {
    /// Lists, by chunks of molecules.
    pub chunks: Vec<ListChunk>,
    built_from: Vec<Fraction>,
    built_in: Option<Cell>,
    reach: f64,
}

impl MoleculeList {
    /// Whether the list still holds every pair within `cutoff`: an exact criterion, also when the cell has deformed. A
    /// pair that was beyond reach = cutoff + skin when the list was built is now at least
    /// sigma reach - (d_1 + d_2) apart, with d_1, d_2 the two largest displacements relative to the cell and sigma the
    /// smallest stretch of the cell since, bounded by 1 - |h' h^-1 - 1| (Frobenius norm).
    pub fn is_valid(&self, cell: &Cell, fractions: &[Fraction], cutoff: f64) -> bool {
        let Some(old) = self.built_in else { return false };
        let strain = cell.matrix() * old.inverse() - DMat3::IDENTITY;
        let norm2: f64 = strain.to_cols_array().iter().map(|x| x * x).sum();
        let h = fraction_matrix(cell);
        let (mut first, mut second) = (0.0f32, 0.0f32);
        for (now, then) in fractions.iter().zip(&self.built_from) {
            let d: [f32; 3] = std::array::from_fn(|k| now[k].wrapping_sub(then[k]) as f32);
            let mut square = 0.0;
            for axis in 0..3 {
                let x = d[0] * h[0][axis] + d[1] * h[1][axis] + d[2] * h[2][axis];
                square += x * x;
            }
            if square > first {
                second = first;
                first = square;
            } else if square > second {
                second = square;
            }
        }
        let moved = f64::from(first).sqrt() + f64::from(second).sqrt();
        // 1e-4 angstrom covers the rounding of the f32 sums and of the list's own distances.
        (1.0 - norm2.sqrt()) * self.reach - moved > cutoff + 1e-4
    }

    /// Builds the lists with all pairs within `reach` (angstrom). `arm` is the largest distance of an atom from the
    /// first atom of its molecule; reach + arm must not exceed half the smallest perpendicular height of the cell.
    pub fn build(&mut self, topology: &Topology, cell: &Cell, fractions: &[Fraction], reach: f64, arm: f64) {
        self.built_from = fractions.to_vec();
        self.built_in = Some(*cell);
        self.reach = reach;
        let grid = MoleculeGrid::new(topology, cell, fractions, reach + 2.0 * arm);
        let h = fraction_matrix(cell);
        let n = topology.molecules.len();
        self.chunks.resize_with(n.div_ceil(CHUNK), ListChunk::default);
        self.chunks.par_iter_mut().enumerate().for_each(|(index, chunk)| {
            chunk.first = index * CHUNK;
            let last = (chunk.first + CHUNK).min(n);
            dispatch(BuildChunk {
                chunk,
                last,
                topology,
                grid: &grid,
                fractions,
                h: &h,
                reach2: (reach * reach) as f32,
            });
        });
    }

    /// The largest distance at which pairs are listed (angstrom).
    pub fn reach(&self) -> f64 {
        self.reach
    }
}

/// Number of atoms of a molecule.
pub fn molecule_size(topology: &Topology, molecule: usize) -> usize {
    topology.kinds[topology.molecules[molecule].kind].species.len()
}

struct BuildChunk<'a> {
    chunk: &'a mut ListChunk,
    last: usize,
    topology: &'a Topology,
    grid: &'a MoleculeGrid,
    fractions: &'a [Fraction],
    h: &'a [[f32; 3]; 3],
    reach2: f32,
}

impl LaneKernel for BuildChunk<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut candidates: Vec<Vec<u32>> = vec![Vec::new(); self.topology.species.len()];
        let mut gathered = Gathered::default();
        let mut arms: Vec<[f32; 3]> = Vec::new();
        self.chunk.atoms.clear();
        self.chunk.ends.clear();
        self.chunk.ends.push(0);
        for molecule in self.chunk.first..self.last {
            self.grid.candidates(self.topology, molecule, &mut candidates);
            let first = self.topology.molecules[molecule].first_atom;
            let own = first..first + molecule_size(self.topology, molecule);
            let reference = self.fractions[first];
            arms.clear();
            arms.extend(own.map(|a| relative(self.fractions[a], reference, self.h)));
            gathered.fill::<L>(candidates.iter().map(Vec::as_slice), self.fractions, reference, self.h);
            let mut start = 0;
            for group in &candidates {
                for k in (0..group.len()).step_by(LANES) {
                    let x = L::load(&gathered.r[0][start + k..]);
                    let y = L::load(&gathered.r[1][start + k..]);
                    let z = L::load(&gathered.r[2][start + k..]);
                    let mut closest = L::splat(f32::INFINITY);
                    for arm in &arms {
                        let (dx, dy, dz) =
                            (x.sub(L::splat(arm[0])), y.sub(L::splat(arm[1])), z.sub(L::splat(arm[2])));
                        closest = closest.min(dz.mul_add(dz, dy.mul_add(dy, dx.mul(dx))));
                    }
                    let mut near = L::bits(closest.less(L::splat(self.reach2)));
                    while near != 0 {
                        let lane = near.trailing_zeros() as usize;
                        self.chunk.atoms.push(group[k + lane]);
                        near &= near - 1;
                    }
                }
                self.chunk.ends.push(self.chunk.atoms.len() as u32);
                start += group.len().next_multiple_of(LANES);
            }
        }
    }
}

/// Cartesian vector from `reference` to the nearest image of `u` (angstrom).
#[inline(always)]
pub fn relative(u: Fraction, reference: Fraction, h: &[[f32; 3]; 3]) -> [f32; 3] {
    let d: [f32; 3] = std::array::from_fn(|k| u[k].wrapping_sub(reference[k]) as f32);
    // The operations of `Gathered::fill`, so that both give the same bits.
    std::array::from_fn(|axis| d[2].mul_add(h[2][axis], d[1].mul_add(h[1][axis], d[0] * h[0][axis])))
}

/// Molecules binned by their first atoms.
struct MoleculeGrid {
    n: [usize; 3],
    bin_of: Vec<[u32; 3]>,
    starts: Vec<u32>,
    members: Vec<u32>,
    /// Bins to look at on either side, along each axis.
    span: [usize; 3],
}

impl MoleculeGrid {
    /// Bins of half the range, so that the neighbourhood follows the sphere more closely than with whole ones.
    fn new(topology: &Topology, cell: &Cell, fractions: &[Fraction], range: f64) -> Self {
        let heights = cell.perpendicular_heights().to_array();
        let n = heights.map(|height| ((2.0 * height / range).floor() as usize).clamp(1, 256));
        let span = std::array::from_fn(|k| (range * n[k] as f64 / heights[k]).ceil() as usize);
        let bin_of: Vec<[u32; 3]> = topology
            .molecules
            .iter()
            .map(|m| {
                let u = fractions[m.first_atom];
                std::array::from_fn(|k| ((u64::from(u[k] as u32) * n[k] as u64) >> 32) as u32)
            })
            .collect();
        let index = |b: &[u32; 3]| (b[0] as usize * n[1] + b[1] as usize) * n[2] + b[2] as usize;
        let mut starts = vec![0u32; n.iter().product::<usize>() + 1];
        for b in &bin_of {
            starts[index(b) + 1] += 1;
        }
        for k in 1..starts.len() {
            starts[k] += starts[k - 1];
        }
        let mut next = starts.clone();
        let mut members = vec![0; bin_of.len()];
        for (molecule, b) in bin_of.iter().enumerate() {
            let place = &mut next[index(b)];
            members[*place as usize] = molecule as u32;
            *place += 1;
        }
        Self { n, bin_of, starts, members, span }
    }

    /// Atoms of the molecules in reach whose pairs with `molecule` it owns, grouped by species.
    fn candidates(&self, topology: &Topology, molecule: usize, groups: &mut [Vec<u32>]) {
        for group in groups.iter_mut() {
            group.clear();
        }
        let around = |k: usize| {
            let (n, span, bin) = (self.n[k], self.span[k], self.bin_of[molecule][k] as usize);
            let all = 2 * span + 1 >= n;
            let count = if all { n } else { 2 * span + 1 };
            let first = if all { 0 } else { bin + n - span };
            (0..count).map(move |c| (first + c) % n)
        };
        for a in around(0) {
            for b in around(1) {
                for c in around(2) {
                    let bin = (a * self.n[1] + b) * self.n[2] + c;
                    let range = self.starts[bin] as usize..self.starts[bin + 1] as usize;
                    for &other in &self.members[range] {
                        let other = other as usize;
                        if other == molecule || (molecule < other) == ((molecule + other) % 2 == 1) {
                            continue;
                        }
                        let m = topology.molecules[other];
                        for (k, &species) in topology.kinds[m.kind].species.iter().enumerate() {
                            groups[species].push((m.first_atom + k) as u32);
                        }
                    }
                }
            }
        }
    }
}
