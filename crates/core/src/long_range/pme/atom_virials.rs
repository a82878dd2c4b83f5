//! The virial of the reciprocal sum, shared out among the atoms.
//!
//! The energy is 1/2 sum_a q_a phi(r_a) with phi the potential that the mesh interpolates; likewise the virial is
//! 1/2 sum_a q_a Phi(r_a) with a potential for each element of the tensor,
//!
//! ```text
//! Phi_ij = inverse transform of G(m) F(m) [delta_ij - 2 (1/k^2 + pi^2/alpha^2) k_i k_j]
//! ```
//!
//! and 1/2 q_a Phi(r_a) is half the virial of each pair of atom a. Interpolation is the transpose of spreading, so the shares
//! add up to the virial of [`Pme::evaluate`] to rounding. G, F, k, alpha as in Essmann et al., J. Chem. Phys. 103, 8577 (1995),
//! doi:10.1063/1.470117, equations 4.7 and 2.7; sharing by tensor potentials as per-atom pressures of particle-mesh codes do:
//! Sirk, Moore and Brown, J. Chem. Phys. 138, 064505 (2013), doi:10.1063/1.4789961.
//!
//! Six inverse transforms more than for forces: about four times their cost.

use glam::{DMat3, DVec3};
use rayon::prelude::*;
use rustfft::num_complex::Complex32;

use super::{ATOMS, COLUMNS, Pme};
use crate::cell::Cell;
use crate::cpu::simd::{dispatch, dispatch_lanes};
use crate::long_range::influence::{ApplyInfluence, ApplyTensor};
use crate::long_range::mesh::GatherValues;
use crate::long_range::planes::half_rows;

/// Rows and columns of the six elements xx, yy, zz, xy, xz, yz.
const ELEMENTS: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];

impl Pme {
    /// Adds the reciprocal forces, the same bits as those of [`Pme::evaluate`], to `forces` (u A/ps^2), and writes each atom's share of
    /// the reciprocal virial into `virials` (u A^2/ps^2, symmetric).
    ///
    /// # Panics
    /// If `fractional`, `forces` or `virials` do not have one entry an atom.
    pub fn evaluate_atom_virials(
        &mut self,
        cell: &Cell,
        fractional: &[[i32; 3]],
        forces: &mut [DVec3],
        virials: &mut [DMat3],
    ) {
        let n = self.charges.len();
        assert_eq!([fractional.len(), forces.len(), virials.len()], [n; 3], "one entry an atom");
        match self.order {
            4 => self.atom_virials_of_order::<4>(cell, fractional, forces, virials),
            5 => self.atom_virials_of_order::<5>(cell, fractional, forces, virials),
            6 => self.atom_virials_of_order::<6>(cell, fractional, forces, virials),
            7 => self.atom_virials_of_order::<7>(cell, fractional, forces, virials),
            _ => self.atom_virials_of_order::<8>(cell, fractional, forces, virials),
        }
    }

    fn atom_virials_of_order<const P: usize>(
        &mut self,
        cell: &Cell,
        fractional: &[[i32; 3]],
        forces: &mut [DVec3],
        virials: &mut [DMat3],
    ) {
        let planes = self.spread_charges::<P>(cell, fractional);
        let spectrum = self.spectrum();
        self.inverse_columns(cell, &spectrum, None);
        self.planes_to_potential(planes);
        self.gather::<P>(cell);
        self.add_forces(forces);
        let mut values = vec![[0.0; 6]; self.charges.len()];
        for (index, element) in ELEMENTS.into_iter().enumerate() {
            self.inverse_columns(cell, &spectrum, Some(element));
            self.planes_to_potential(planes);
            self.gather_values::<P>(index, &mut values);
        }
        for (virial, &rank) in virials.iter_mut().zip(&self.rank) {
            let [xx, yy, zz, xy, xz, yz] = values[rank as usize].map(f64::from);
            *virial =
                DMat3::from_cols(DVec3::new(xx, xy, xz), DVec3::new(xy, yy, yz), DVec3::new(xz, yz, zz));
        }
    }

    /// The transform of the mesh charges, `[m_3][m_2][m_1]`: the last axis of what the planes hold.
    fn spectrum(&mut self) -> Vec<Complex32> {
        let (points_a, rows) = (self.shape.grid[0], half_rows(self.shape.grid));
        let (by_plane, transforms) = (&self.by_plane, &self.transforms);
        let mut spectrum = vec![Complex32::default(); rows * points_a];
        spectrum.par_chunks_mut(COLUMNS * points_a).enumerate().for_each(|(chunk, columns)| {
            for (column, values) in columns.chunks_exact_mut(points_a).enumerate() {
                for (x, value) in values.iter_mut().enumerate() {
                    *value = by_plane[x * rows + chunk * COLUMNS + column];
                }
            }
            let mut scratch = vec![Complex32::default(); transforms.scratch];
            transforms.forward[0].process_with_scratch(columns, &mut scratch);
        });
        spectrum
    }

    /// Spectrum times influence function, and times an element of the tensor if one is given, transformed back along a.
    fn inverse_columns(&mut self, cell: &Cell, spectrum: &[Complex32], element: Option<(usize, usize)>) {
        let points_a = self.shape.grid[0];
        let (waves, transforms) = (&self.waves, &self.transforms);
        let chunk_length = COLUMNS * points_a;
        self.by_column
            .par_chunks_mut(chunk_length)
            .zip(self.influence.par_chunks(chunk_length))
            .zip(spectrum.par_chunks(chunk_length))
            .enumerate()
            .for_each(|(chunk, ((product, influence), spectrum))| {
                let first_row = chunk * COLUMNS;
                if let Some(element) = element {
                    dispatch(ApplyTensor { waves, cell, first_row, influence, spectrum, element, product });
                } else {
                    product.copy_from_slice(spectrum);
                    dispatch(ApplyInfluence { influence, spectrum: product });
                }
                let mut scratch = vec![Complex32::default(); transforms.scratch];
                transforms.inverse[0].process_with_scratch(product, &mut scratch);
            });
    }

    fn gather_values<const P: usize>(&self, element: usize, values: &mut [[f32; 6]]) {
        let (shape, function) = (&self.shape, &self.potential[..]);
        self.anchors
            .par_chunks(ATOMS)
            .zip(self.stencils.par_chunks(ATOMS))
            .zip(values.par_chunks_mut(ATOMS))
            .for_each(|((anchors, stencils), values)| {
                dispatch_lanes(GatherValues::<P> { shape, anchors, stencils, function, element, values });
            });
    }
}
