//! Sizes and parameters of a system that are written into the shaders as constants.

use crate::fourier::{LARGEST_MESH, mesh_size};

/// Threads of one molecule's pair forces.
pub(crate) const TEAM: usize = 32;
/// Molecules whose pair forces one workgroup computes.
pub const TEAMS: usize = 8;
/// Columns of the mesh that one workgroup convolves.
pub const COLUMNS: usize = 16;
/// Distance in workgroup memory between two components of a sum over 256 threads: odd, so that they lie in different banks.
pub(crate) const STRIDE: usize = 257;
/// Energies and virials of one molecule: short range, Coulomb, excluded, bond, angle, improper; three virials.
pub const MOLECULE_PARTIALS: usize = 24;
/// Energy and virial of one workgroup's columns.
pub const COLUMN_PARTIALS: usize = 8;
/// Set points, and samples of the stress, in a ring of steps: a power of two.
pub const SLOTS: usize = 1024;
/// Fixed-point units of reciprocal forces per u A/ps^2. One of them is 6e-7 of the RMS force of a melt. The share of one plane of
/// the mesh is far larger than the sum over planes (3.6e5 u A/ps^2 at alpha = 1.16/A, in a box of 66 atoms), and must be below 2^31
/// over the order of the splines.
pub const FORCE_UNITS: f64 = 256.0;
/// Fixed-point units of mesh charges per e.
pub(crate) const CHARGE_UNITS: f64 = 16_777_216.0;

/// Sizes and parameters that are written into the shaders as constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimensions {
    /// Replicas on the device.
    pub replicas: usize,
    /// Atoms in one replica.
    pub atoms: usize,
    /// Molecules in one replica.
    pub molecules: usize,
    /// Bodies in one replica.
    pub bodies: usize,
    /// Species.
    pub species: usize,
    /// Atoms of the largest molecule.
    pub largest_molecule: usize,
    /// Some molecules are flexible.
    pub flexible: bool,
    /// Mesh points along a, b, c.
    pub grid: [usize; 3],
    /// Spline order.
    pub order: usize,
    /// Ewald splitting parameter (1/angstrom).
    pub alpha: f64,
    /// Cutoff of the short-range potential (angstrom).
    pub short_range_cutoff: f64,
    /// Real-space Coulomb cutoff (angstrom).
    pub coulomb_cutoff: f64,
    /// Pairs within this distance are listed (angstrom): the larger cutoff plus the skin.
    pub reach: f64,
    /// An upper bound of the distance of an atom from the first atom of its molecule (angstrom).
    pub largest_arm: f64,
    /// e^2/(4 pi eps0) (u A^3/ps^2 per e^2).
    pub coulomb: f64,
    /// Polynomials of the spline weights: number n of row j multiplies (w - 1/2)^n in W_j; `order` rows of `order`.
    pub spline_weights: Vec<Vec<f64>>,
    /// Samples of the centres that fit into one chunk of steps.
    pub window_slots: usize,
}

impl Dimensions {
    /// Points of the half spectrum along c.
    pub fn half_z(&self) -> usize {
        self.grid[2] / 2 + 1
    }

    /// Workgroups that convolve the mesh of one replica.
    pub fn column_groups(&self) -> usize {
        (self.grid[1] * self.half_z()).div_ceil(COLUMNS)
    }

    /// Workgroups of pair forces of one replica.
    pub fn pair_groups(&self) -> usize {
        self.molecules.div_ceil(TEAMS)
    }

    /// Complex numbers in the mesh of one replica.
    pub fn mesh_points(&self) -> usize {
        self.grid[0] * self.grid[1] * self.half_z()
    }

    /// Words of energies and virials of one replica.
    pub fn partial_words(&self) -> usize {
        self.molecules * MOLECULE_PARTIALS + self.column_groups() * COLUMN_PARTIALS
    }

    /// First vec4 of the stress samples in the stream.
    pub fn stress_section(&self) -> usize {
        2 * self.replicas * SLOTS
    }

    /// First vec4 of the samples of the centres.
    pub fn window_section(&self) -> usize {
        self.stress_section() + 2 * self.replicas * SLOTS
    }

    /// Length of the stream in vec4.
    pub fn stream_length(&self) -> usize {
        self.window_section() + 2 * self.replicas * self.window_slots * self.molecules
    }

    /// Words of one plane of the mesh in workgroup memory.
    pub(crate) fn plane_words(&self) -> usize {
        plane_words(self.grid)
    }

    /// Words of workgroup memory that `near` and `far` share out.
    pub(crate) fn words(&self) -> usize {
        shared_words(self.grid, self.largest_molecule)
    }

    /// Bytes of workgroup memory that the hungriest kernel needs.
    pub fn workgroup_bytes(&self) -> usize {
        workgroup_bytes(self.grid, self.largest_molecule)
    }
}

fn plane_words(grid: [usize; 3]) -> usize {
    grid[1] * (grid[2] + 2)
}

fn shared_words(grid: [usize; 3], largest_molecule: usize) -> usize {
    plane_words(grid).max(STRIDE * (3 * largest_molecule).max(12))
}

/// Bytes of workgroup memory that the hungriest kernel needs for a mesh of `grid` points and molecules of at most so many atoms.
pub fn workgroup_bytes(grid: [usize; 3], largest_molecule: usize) -> usize {
    let near = 4 * shared_words(grid, largest_molecule) + 4 * 256 + 16;
    let kspace = 8 * grid[0] * 17 + 4 * 7 * STRIDE + 16;
    let advance = 4 * (8 + 3) * STRIDE + 256;
    near.max(kspace).max(advance)
}

/// Bytes of workgroup memory without which no system can be run: those of single atoms on the smallest mesh.
pub fn least_workgroup_bytes() -> usize {
    mesh_size(1).map_or(0, |points| workgroup_bytes([points; 3], 1))
}

/// Points along each axis of the largest cubic mesh for which so many bytes of workgroup memory are enough; `None` if they are for none.
pub fn largest_mesh(bytes: usize) -> Option<usize> {
    (1..=LARGEST_MESH)
        .rev()
        .filter_map(|n| mesh_size(n).filter(|&size| size == n))
        .find(|&n| workgroup_bytes([n; 3], 1) <= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_mesh_fits_and_the_next_one_does_not() {
        // The memory of Metal, DX12 and lavapipe, of NVIDIA, of AMD.
        for (kibibytes, expected) in [(32, 80), (48, LARGEST_MESH), (64, LARGEST_MESH)] {
            assert_eq!(largest_mesh(kibibytes * 1024), Some(expected), "{kibibytes} KiB");
        }
        assert_eq!(largest_mesh(least_workgroup_bytes() - 1), None);
        let mut sizes: Vec<usize> = (0..).map_while(mesh_size).collect();
        sizes.dedup();
        for pair in sizes.windows(2) {
            let enough = workgroup_bytes([pair[1]; 3], 1);
            assert_eq!(
                largest_mesh(enough),
                sizes.iter().rev().copied().find(|&n| workgroup_bytes([n; 3], 1) <= enough)
            );
            let smaller = largest_mesh(enough - 1);
            assert!(smaller.is_none_or(|n| n < pair[1]), "{pair:?}: {smaller:?}");
        }
    }

    #[test]
    fn no_system_needs_less_than_the_least() {
        for system in crate::representative::systems() {
            assert!(system.workgroup_bytes() >= least_workgroup_bytes(), "{:?}", system.grid);
        }
    }
}
