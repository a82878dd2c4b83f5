//! Smooth particle-mesh Ewald: the reciprocal part of the Coulomb energy in N log N operations.
//!
//! Essmann, Perera, Berkowitz, Darden, Lee and Pedersen, J. Chem. Phys. 103, 8577 (1995), doi:10.1063/1.470117, for a
//! general cell, with B-splines of order 4 to 8 and forces by analytic differentiation. Mesh and transforms are in f32;
//! charges reach the mesh as integers, and every other sum has a fixed order, so the bits depend neither on the number of
//! threads nor, on the mesh, on the order of the atoms.

mod atom_virials;

use glam::{DMat3, DVec3};
use rayon::prelude::*;
use rustfft::num_complex::Complex32;

use super::b_spline::{MAX_ORDER, MIN_ORDER, SplineWeights, largest_weight};
use super::influence::{ApplyInfluence, FillInfluence, SumRows, Sums, Waves};
use super::mesh::{Anchor, ComputeStencils, Gather, LARGEST_INTEGER, Shape, Spread, Stencil, first_plane};
use super::planes::{self, Transforms, half_rows, line_space};
use crate::cell::Cell;
use crate::cpu::simd::{dispatch, dispatch_lanes};

/// Columns along a that are transformed together: two cache lines of neighbouring columns are read at a time.
const COLUMNS: usize = 16;
/// Atoms in one task of the loops over atoms.
const ATOMS: usize = 256;

/// Why a mesh cannot be set up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PmeError {
    /// The spline order is out of range.
    #[error("PME order {found} is not available; use an order from {MIN_ORDER} to {MAX_ORDER}")]
    Order {
        /// Order asked for.
        found: usize,
    },
    /// An axis of the grid is too short, too long or has a prime factor above 5.
    #[error(
        "PME grid of {found} points along axis {axis} is not available; use a product of powers of 2, 3 and 5 between 8 and 1024, such as {nearest}"
    )]
    Grid {
        /// Points asked for.
        found: usize,
        /// Axis, `a`, `b` or `c`.
        axis: char,
        /// A size that is available.
        nearest: usize,
    },
    /// The splitting parameter is not a positive number.
    #[error("the Ewald splitting parameter alpha = {found} 1/angstrom must be positive and finite")]
    Alpha {
        /// Value given (1/angstrom).
        found: f64,
    },
    /// A charge is not a number or exceeds what the mesh can hold.
    #[error("the charge of atom {} is {found} e; PME takes finite charges below 1000 e", atom + 1)]
    Charge {
        /// Index of the atom (printed from 1).
        atom: usize,
        /// Its charge (e).
        found: f64,
    },
}

/// Whether `n` is a mesh size: between 8 and 1024, with prime factors 2, 3 and 5 only.
pub fn is_grid_size(n: usize) -> bool {
    let mut rest = n;
    for prime in [2, 3, 5] {
        while rest > 0 && rest.is_multiple_of(prime) {
            rest /= prime;
        }
    }
    rest == 1 && (8..=1024).contains(&n)
}

/// Buffers of one task on planes of constant x.
#[derive(Clone, Default)]
struct PlaneScratch {
    charges: Vec<i32>,
    lines: Vec<Complex32>,
    fft: Vec<Complex32>,
}

/// Smooth particle-mesh Ewald of one replica. All buffers are allocated once.
#[derive(Clone)]
pub struct Pme {
    order: usize,
    shape: Shape,
    weights: SplineWeights,
    waves: Waves,
    transforms: Transforms,
    charges: Vec<f32>,
    /// q^2 / sum of q^2.
    share: Vec<f64>,
    /// Mesh integers per e.
    charge_scale: f32,
    /// Cell of `influence`.
    cell: Option<Cell>,
    influence: Vec<f32>,
    // Atoms sorted by plane.
    bins: Vec<u32>,
    sorted: Vec<u32>,
    rank: Vec<u32>,
    anchors: Vec<Anchor>,
    stencils: Vec<Stencil>,
    gathered: Vec<[f32; 3]>,
    // Meshes.
    by_plane: Vec<Complex32>,
    by_column: Vec<Complex32>,
    potential: Vec<f32>,
    scratch: Vec<PlaneScratch>,
    column_scratch: Vec<Complex32>,
    sums: Vec<Sums>,
}

impl std::fmt::Debug for Pme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pme")
            .field("order", &self.order)
            .field("grid", &self.shape.grid)
            .field("atoms", &self.charges.len())
            .finish_non_exhaustive()
    }
}

impl Pme {
    /// A mesh of `grid` points along a, b, c (see [`is_grid_size`]) and splines of order `order` (4 to 8) for atoms with
    /// `charges` (e) and the splitting parameter `alpha` (1/angstrom).
    pub fn new(charges: &[f64], alpha: f64, order: usize, grid: [usize; 3]) -> Result<Self, PmeError> {
        if !(MIN_ORDER..=MAX_ORDER).contains(&order) {
            return Err(PmeError::Order { found: order });
        }
        if let Some(axis) = (0..3).find(|&axis| !is_grid_size(grid[axis])) {
            let above = (grid[axis]..=1024).find(|&n| is_grid_size(n)).unwrap_or(1024);
            return Err(PmeError::Grid { found: grid[axis], axis: ['a', 'b', 'c'][axis], nearest: above });
        }
        if !(alpha.is_finite() && alpha > 0.0) {
            return Err(PmeError::Alpha { found: alpha });
        }
        if let Some(atom) = charges.iter().position(|q| !(0.0..1000.0).contains(&q.abs())) {
            return Err(PmeError::Charge { atom, found: charges[atom] });
        }
        let shape = Shape::new(grid);
        let transforms = Transforms::new(grid);
        let rows = half_rows(grid);
        let square_sum: f64 = charges.iter().map(|q| q * q).sum();
        let n = charges.len();
        Ok(Self {
            order,
            weights: SplineWeights::new(order),
            waves: Waves::new(alpha, order, grid),
            charges: charges.iter().map(|&q| q as f32).collect(),
            share: charges.iter().map(|q| q * q / square_sum.max(f64::MIN_POSITIVE)).collect(),
            charge_scale: charge_scale(charges, order, grid),
            cell: None,
            influence: vec![0.0; rows * grid[0]],
            bins: vec![0; grid[0] + 1],
            sorted: vec![0; n],
            rank: vec![0; n],
            anchors: vec![Anchor::default(); n],
            stencils: vec![Stencil::default(); n],
            gathered: vec![[0.0; 3]; n],
            by_plane: vec![Complex32::default(); rows * grid[0]],
            by_column: vec![Complex32::default(); rows * grid[0]],
            potential: vec![0.0; shape.plane * grid[0]],
            scratch: Vec::new(),
            column_scratch: vec![Complex32::default(); rows.div_ceil(COLUMNS) * transforms.scratch],
            sums: vec![Sums::ZERO; rows.div_ceil(COLUMNS)],
            shape,
            transforms,
        })
    }

    /// Adds the reciprocal forces (u A/ps^2) to `forces`; returns the reciprocal energy and virial (u A^2/ps^2), zero
    /// unless `energy_and_virial`. The forces have the same bits either way.
    ///
    /// `fractional` are fixed-point fractional coordinates, s = i 2^-32 modulo 1, one an atom. Excluded pairs and the self
    /// energy are not corrected here. The mesh forces have a small sum; it is taken off in proportion to q^2, since the
    /// variance of an atom's mesh error is (that is the most likely correction, and an uncharged atom stays without force).
    ///
    /// # Panics
    /// If `fractional` or `forces` do not have one entry an atom.
    pub fn evaluate(
        &mut self,
        cell: &Cell,
        fractional: &[[i32; 3]],
        energy_and_virial: bool,
        forces: &mut [DVec3],
    ) -> (f64, DMat3) {
        assert_eq!(fractional.len(), self.charges.len(), "one position an atom");
        assert_eq!(forces.len(), self.charges.len(), "one force an atom");
        match self.order {
            4 => self.evaluate_order::<4>(cell, fractional, energy_and_virial, forces),
            5 => self.evaluate_order::<5>(cell, fractional, energy_and_virial, forces),
            6 => self.evaluate_order::<6>(cell, fractional, energy_and_virial, forces),
            7 => self.evaluate_order::<7>(cell, fractional, energy_and_virial, forces),
            _ => self.evaluate_order::<8>(cell, fractional, energy_and_virial, forces),
        }
    }

    fn evaluate_order<const P: usize>(
        &mut self,
        cell: &Cell,
        fractional: &[[i32; 3]],
        energy_and_virial: bool,
        forces: &mut [DVec3],
    ) -> (f64, DMat3) {
        let planes = self.spread_charges::<P>(cell, fractional);
        self.convolve_columns(cell, energy_and_virial);
        self.planes_to_potential(planes);
        self.gather::<P>(cell);
        self.add_forces(forces);
        if !energy_and_virial {
            return (0.0, DMat3::ZERO);
        }
        self.sums.iter().fold((0.0, DMat3::ZERO), |(e, w), s| (e + s.energy, w + s.virial))
    }

    /// Charges onto the mesh, transformed along c and b; returns the planes a task has.
    fn spread_charges<const P: usize>(&mut self, cell: &Cell, fractional: &[[i32; 3]]) -> usize {
        self.set_cell(cell);
        self.sort_atoms(fractional);
        self.compute_stencils::<P>(fractional);
        let planes = self.divide_planes();
        // Far denser charge than the mesh was made for is spread again in coarser steps: a function of the positions alone.
        let mut scale = self.charge_scale;
        while self.charges_to_planes::<P>(planes, scale) >= LARGEST_PEAK {
            scale /= 64.0;
        }
        planes
    }

    fn set_cell(&mut self, cell: &Cell) {
        if self.cell.as_ref() == Some(cell) {
            return;
        }
        let (waves, points_a) = (&self.waves, self.shape.grid[0]);
        self.influence.par_chunks_mut(COLUMNS * points_a).enumerate().for_each(|(chunk, rows)| {
            dispatch(FillInfluence { waves, cell, first_row: chunk * COLUMNS, rows });
        });
        self.cell = Some(*cell);
    }

    /// Counting sort by plane of constant x; equal planes keep the order of the atoms.
    fn sort_atoms(&mut self, fractional: &[[i32; 3]]) {
        let grid = self.shape.grid;
        self.bins.fill(0);
        for position in fractional {
            self.bins[first_plane(position, grid) + 1] += 1;
        }
        for x in 0..grid[0] {
            self.bins[x + 1] += self.bins[x];
        }
        // bins[x] serves as the cursor of plane x and ends as the start of plane x + 1.
        for (atom, position) in fractional.iter().enumerate() {
            let cursor = &mut self.bins[first_plane(position, grid)];
            self.sorted[*cursor as usize] = atom as u32;
            self.rank[atom] = *cursor;
            *cursor += 1;
        }
        self.bins.copy_within(0..grid[0], 1);
        self.bins[0] = 0;
    }

    fn compute_stencils<const P: usize>(&mut self, fractional: &[[i32; 3]]) {
        let (weights, grid, charges) = (&self.weights, self.shape.grid, &self.charges[..]);
        self.sorted
            .par_chunks(ATOMS)
            .zip(self.anchors.par_chunks_mut(ATOMS))
            .zip(self.stencils.par_chunks_mut(ATOMS))
            .for_each(|((order, anchors), stencils)| {
                dispatch_lanes(ComputeStencils::<P> {
                    weights,
                    grid,
                    order,
                    fractional,
                    charges,
                    anchors,
                    stencils,
                });
            });
    }

    /// Planes a task: at most eight, and as many tasks for every thread. Integer charges make the bits independent of it.
    fn divide_planes(&mut self) -> usize {
        let threads = rayon::current_num_threads();
        let points_a = self.shape.grid[0];
        let tasks = threads * points_a.div_ceil(8 * threads);
        let planes = points_a.div_ceil(tasks);
        let tasks = points_a.div_ceil(planes);
        if self.scratch.len() != tasks {
            let buffers = PlaneScratch {
                charges: vec![0; planes * self.shape.plane],
                lines: vec![Complex32::default(); line_space(self.shape.grid)],
                fft: vec![Complex32::default(); self.transforms.scratch],
            };
            self.scratch = vec![buffers; tasks];
        }
        planes
    }

    /// Spreads and transforms along c and b; returns the largest |charge| on a point in units of 1/scale.
    fn charges_to_planes<const P: usize>(&mut self, planes: usize, scale: f32) -> u32 {
        let (shape, transforms) = (&self.shape, &self.transforms);
        let (bins, anchors, stencils) = (&self.bins[..], &self.anchors[..], &self.stencils[..]);
        let rows = half_rows(self.shape.grid);
        let spectra = self.by_plane.par_chunks_mut(planes * rows).zip(&mut self.scratch).enumerate();
        let peaks = spectra.map(|(task, (spectra, scratch))| {
            let PlaneScratch { charges, lines, fft } = scratch;
            let charges = &mut charges[..spectra.len() / rows * shape.plane];
            let first_plane = task * planes;
            dispatch_lanes(Spread::<P> {
                shape,
                bins,
                anchors,
                stencils,
                scale,
                first_plane,
                planes: charges,
            });
            let planes = charges.chunks_exact_mut(shape.plane).zip(spectra.chunks_exact_mut(rows));
            planes.fold(0, |peak: u32, (charges, spectrum)| {
                peak.max(planes::forward(shape, transforms, 1.0 / scale, charges, lines, spectrum, fft))
            })
        });
        peaks.max().unwrap_or(0)
    }

    fn convolve_columns(&mut self, cell: &Cell, energy_and_virial: bool) {
        let (points_a, rows) = (self.shape.grid[0], half_rows(self.shape.grid));
        let (by_plane, waves, transforms) = (&self.by_plane, &self.waves, &self.transforms);
        let scratch_length = transforms.scratch.max(1);
        self.column_scratch.resize(rows.div_ceil(COLUMNS) * scratch_length, Complex32::default());
        self.by_column
            .par_chunks_mut(COLUMNS * points_a)
            .zip(self.influence.par_chunks(COLUMNS * points_a))
            .zip(self.column_scratch.par_chunks_mut(scratch_length))
            .zip(&mut self.sums)
            .enumerate()
            .for_each(|(chunk, (((spectrum, influence), scratch), sums))| {
                let first_row = chunk * COLUMNS;
                let width = spectrum.len() / points_a;
                for x in 0..points_a {
                    let source = &by_plane[x * rows + first_row..][..width];
                    for (column, &f) in source.iter().enumerate() {
                        spectrum[column * points_a + x] = f;
                    }
                }
                transforms.forward[0].process_with_scratch(spectrum, scratch);
                if energy_and_virial {
                    *sums = dispatch_lanes(SumRows { waves, cell, first_row, influence, spectrum });
                }
                dispatch(ApplyInfluence { influence, spectrum });
                transforms.inverse[0].process_with_scratch(spectrum, scratch);
            });
    }

    fn planes_to_potential(&mut self, planes: usize) {
        let (shape, transforms, by_column) = (&self.shape, &self.transforms, &self.by_column);
        let (points_a, rows) = (shape.grid[0], half_rows(shape.grid));
        self.by_plane
            .par_chunks_mut(planes * rows)
            .zip(self.potential.par_chunks_mut(planes * shape.plane))
            .zip(&mut self.scratch)
            .enumerate()
            .for_each(|(task, ((spectra, potential), scratch))| {
                let width = spectra.len() / rows;
                for row in 0..rows {
                    let source = &by_column[row * points_a + task * planes..][..width];
                    for (x, &f) in source.iter().enumerate() {
                        spectra[x * rows + row] = f;
                    }
                }
                for (spectrum, values) in
                    spectra.chunks_exact_mut(rows).zip(potential.chunks_exact_mut(shape.plane))
                {
                    planes::inverse(
                        shape,
                        transforms,
                        spectrum,
                        &mut scratch.lines,
                        values,
                        &mut scratch.fft,
                    );
                }
            });
    }

    fn gather<const P: usize>(&mut self, cell: &Cell) {
        let (shape, potential) = (&self.shape, &self.potential[..]);
        let reciprocal = cell.inverse().transpose();
        let to_force = [0, 1, 2].map(|axis| {
            let column = reciprocal.col(axis) * -(shape.grid[axis] as f64);
            [column.x as f32, column.y as f32, column.z as f32]
        });
        self.anchors
            .par_chunks(ATOMS)
            .zip(self.stencils.par_chunks(ATOMS))
            .zip(self.gathered.par_chunks_mut(ATOMS))
            .for_each(|((anchors, stencils), forces)| {
                dispatch_lanes(Gather::<P> { shape, anchors, stencils, potential, to_force, forces });
            });
    }

    fn add_forces(&mut self, forces: &mut [DVec3]) {
        let gathered = &self.gathered;
        let of_atom = |atom: usize| {
            let [x, y, z] = gathered[self.rank[atom] as usize];
            DVec3::new(f64::from(x), f64::from(y), f64::from(z))
        };
        let net = (0..self.charges.len()).fold(DVec3::ZERO, |sum, atom| sum + of_atom(atom));
        forces.par_iter_mut().enumerate().with_min_len(4096).for_each(|(atom, force)| {
            *force += of_atom(atom) - net * self.share[atom];
        });
    }
}

/// A point of the mesh that holds more is taken for the sign of an overflow: splines are so smooth that no integer can pass
/// 2^31 without a neighbour above this.
const LARGEST_PEAK: u32 = 1 << 29;

/// Mesh integers per e, a power of two. One atom's largest contribution must stay below [`LARGEST_INTEGER`] and the charge on
/// a point below [`LARGEST_PEAK`]: eight atoms of the largest charge on one point, or the mean over 64 mesh cells, whichever
/// adds more, leave the room that condensed matter needs.
fn charge_scale(charges: &[f64], order: usize, grid: [usize; 3]) -> f32 {
    let largest = charges.iter().fold(0.0f64, |m, q| m.max(q.abs())) * largest_weight(order).powi(3);
    let mean = charges.iter().map(|q| q.abs()).sum::<f64>() / grid.iter().product::<usize>() as f64;
    let bits = |room: f64, need: f64| (room / need.max(f64::MIN_POSITIVE)).log2();
    let rounding = bits(LARGEST_INTEGER, largest);
    let capacity = bits(f64::from(LARGEST_PEAK), (8.0 * largest).max(64.0 * mean));
    (rounding.min(capacity).min(28.0).floor() as f32).exp2()
}
