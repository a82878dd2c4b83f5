//! The force field: a validated description (this module and `file`) and its potentials, one a file.

pub mod bonded;
pub mod born_mayer_huggins;
pub mod close_approach;
pub mod file;
pub mod harmonic_angle;
pub mod harmonic_bond;
pub mod harmonic_improper;
mod principal_axes;
pub mod tail_correction;
pub mod truncation;

pub use file::{CKN_FLEXIBLE, CKN_RIGID, ForceFieldError};
pub use truncation::{PlainTruncation, Truncation};

use crate::topology::{MoleculeKind, Species};
use born_mayer_huggins::BornMayerHuggins;
use serde::{Deserialize, Serialize};

/// What happens to the energy at the cutoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shift {
    /// Plain truncation. Without `tail_correction` not at constant pressure ([`Truncation`]).
    None,
    /// Short-range and real-space Coulomb energies are shifted to zero at the cutoff; forces are unchanged.
    Potential,
}

/// A complete force field in internal units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForceField {
    /// Name, e.g. `ckn-rigid`.
    pub name: String,
    /// What it is and where it comes from.
    pub description: String,
    /// Kinds of atoms.
    pub species: Vec<Species>,
    /// Kinds of molecules.
    pub kinds: Vec<MoleculeKind>,
    /// Symmetric table `pairs[i * n_species + j]`; `None` is Coulomb only, as the file says explicitly.
    pub pairs: Vec<Option<BornMayerHuggins>>,
    /// Short-range cutoff (angstrom): part of the model.
    pub cutoff: f64,
    /// Energy shift at the cutoff.
    pub shift: Shift,
    /// Add the isotropic tail of the short-range potential beyond the cutoff to energy and pressure ([`tail_correction`]).
    pub tail_correction: bool,
}

impl ForceField {
    /// The short-range potential of a pair of species.
    pub fn pair(&self, i: usize, j: usize) -> Option<&BornMayerHuggins> {
        self.pairs[i * self.species.len() + j].as_ref()
    }

    /// Whether energy and virial are one Hamiltonian at any volume.
    pub fn truncation(&self) -> Truncation {
        match (self.shift, self.tail_correction) {
            (Shift::None, false) if self.pairs.iter().any(Option::is_some) => Truncation::Plain,
            _ => Truncation::Consistent,
        }
    }
}
