//! What a force kernel is asked for and what it answers.

use glam::{DMat3, DVec3};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::force_field::Truncation;

/// Potential energy by term (u A^2/ps^2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Energies {
    /// Born-Mayer-Huggins between atoms of different molecules (with the tail, when that option is on).
    pub short_range: f64,
    /// Real-space part of the Ewald sum.
    pub coulomb_real: f64,
    /// Reciprocal part.
    pub coulomb_reciprocal: f64,
    /// Self energy, -alpha/sqrt(pi) sum q^2 (times e^2/4 pi eps0).
    pub coulomb_self: f64,
    /// Correction that removes the pairs within a molecule from the reciprocal sum (-q_i q_j erf(alpha r)/r).
    pub coulomb_excluded: f64,
    /// Harmonic bonds.
    pub bond: f64,
    /// Harmonic angles.
    pub angle: f64,
    /// Harmonic impropers.
    pub improper: f64,
}

impl Energies {
    /// All Coulomb terms.
    pub fn coulomb(&self) -> f64 {
        self.coulomb_real + self.coulomb_reciprocal + self.coulomb_self + self.coulomb_excluded
    }

    /// All terms.
    pub fn total(&self) -> f64 {
        self.short_range + self.coulomb() + self.bond + self.angle + self.improper
    }
}

/// Atomic virial by term, W_ab = sum of r_a f_b over atoms (pairs: minimum-image vectors), in u A^2/ps^2. The
/// configurational pressure is W/V.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Virials {
    /// Born-Mayer-Huggins (with the tail, when that option is on).
    pub short_range: DMat3,
    /// All Coulomb terms.
    pub coulomb: DMat3,
    /// Bonds, angles and impropers.
    pub bonded: DMat3,
}

impl Default for Virials {
    /// All zero. (Deriving it would give identity matrices, glam's default.)
    fn default() -> Self {
        Self { short_range: DMat3::ZERO, coulomb: DMat3::ZERO, bonded: DMat3::ZERO }
    }
}

impl Virials {
    /// All terms.
    pub fn total(&self) -> DMat3 {
        self.short_range + self.coulomb + self.bonded
    }
}

/// What to compute beside the forces. The forces have the same bits whatever is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Fill [`Evaluation::energies`] and [`Evaluation::virials`].
    pub energy_and_virial: bool,
}

/// Answer of a force kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Energies, when asked for; zero otherwise.
    pub energies: Energies,
    /// Virials, when asked for; zero otherwise.
    pub virials: Virials,
}

/// Why forces cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ForceError {
    /// Two atoms have passed the inner maximum of their potential, where the dispersion term wins over the wall.
    #[error(
        "atoms {} and {} ({species_i}-{species_j}) are {distance:.4} angstrom apart, inside the inner maximum of their potential at {limit:.4} angstrom; \
         the forces there are meaningless. Start from a relaxed configuration (a `minimize` stage) or use a shorter time step",
        atom_i + 1, atom_j + 1
    )]
    CloseApproach {
        /// Index of the first atom (printed from 1).
        atom_i: usize,
        /// Index of the second atom.
        atom_j: usize,
        /// Species of the first.
        species_i: String,
        /// Species of the second.
        species_j: String,
        /// Their distance (angstrom).
        distance: f64,
        /// Where the potential has its inner maximum (angstrom).
        limit: f64,
    },
    /// A position or force is not a finite number.
    #[error("atom {}: its position or force is not a finite number", atom + 1)]
    NotFinite {
        /// Index of the atom (printed from 1).
        atom: usize,
    },
    /// The device that computes forces has failed, or cannot compute these.
    #[error("{message}")]
    Device {
        /// What it says.
        message: String,
    },
    /// Sums that would not end within reason.
    #[error("{finding}; {remedy}")]
    TooMuch {
        /// What would be summed.
        finding: String,
        /// What to do.
        remedy: String,
    },
    /// The cell is too small for the cutoff.
    #[error(
        "cutoff {cutoff:.3} + skin {skin:.3} angstrom exceed half the smallest perpendicular height of the cell ({half_height:.3} angstrom); \
         use a larger system, a shorter cutoff, or `precision = \"reference\"`, which sums over all images"
    )]
    CellTooSmall {
        /// Cutoff (angstrom).
        cutoff: f64,
        /// Skin (angstrom).
        skin: f64,
        /// Half the smallest perpendicular height (angstrom).
        half_height: f64,
    },
}

/// Positions from which a neighbour list was built (angstrom, Cartesian, one an atom) and the cell at that time. A
/// checkpoint keeps them, so that a resumed run has the same lists, hence the same order of sums, hence the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListOrigin {
    /// Cell at the build.
    pub cell: Cell,
    /// Atom positions at the build, exactly as they were given to [`ForceKernel::evaluate`].
    pub positions: Vec<DVec3>,
}

/// Computes the forces on the atoms of one replica. One kernel object serves one replica, since it may keep lists.
pub trait ForceKernel: Send {
    /// Overwrites `forces` (u A/ps^2, one an atom) for Cartesian `positions` (angstrom; molecules may cross the faces of
    /// the cell or lie outside, but each must be whole).
    fn evaluate(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        request: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError>;

    /// Whether energy and virial are one Hamiltonian at any volume; backends refuse constant pressure otherwise. (A kernel whose
    /// potentials end smoothly says [`Truncation::Consistent`].)
    fn truncation(&self) -> Truncation;

    /// The build positions of the current neighbour list, if the kernel keeps one.
    fn list_origin(&self) -> Option<ListOrigin> {
        None
    }

    /// Rebuilds the neighbour list from stored build positions.
    fn restore_list(&mut self, _origin: &ListOrigin) -> Result<(), ForceError> {
        Ok(())
    }

    /// Inside the inner maximum continue the short-range potential linearly instead of failing: for overlap removal.
    fn set_soft_core(&mut self, on: bool);
}

/// Computes the virial of each molecule of one replica, for the per-ion stress ([`crate::observe::ion_stress`]).
pub trait MoleculeVirials: Send {
    /// Overwrites `forces` (u A/ps^2, one an atom) and `virials` (u A^2/ps^2, one a molecule, not symmetrised) for Cartesian
    /// `positions` as in [`ForceKernel::evaluate`].
    ///
    /// The virial of a molecule is half of that of each pair of its atoms with atoms of other molecules and with images, and the
    /// whole of what acts within it (bonded terms; the pairs that the molecule excludes have none). Virials of all molecules add up to
    /// [`Virials::total`].
    fn evaluate_molecules(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        forces: &mut [DVec3],
        virials: &mut [DMat3],
    ) -> Result<(), ForceError>;
}
