//! What composition and cell alone decide: the self energy of the charges and the tail. Kernels leave it to the host.

use glam::DMat3;

use crate::force_field::ForceField;
use crate::force_field::tail_correction::{AtomTail, TailCorrection, atom_tails};
use crate::forces::Evaluation;
use crate::long_range::exclusions::self_energy;
use crate::topology::Topology;

/// The terms that are the same for every configuration of a system in a cell of one volume.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantTerms {
    self_energy: f64,
    tail: TailCorrection,
    /// One a species.
    atom_tails: Vec<AtomTail>,
}

impl ConstantTerms {
    /// For the composition of `topology`, a short-range `cutoff` (angstrom) and the Ewald splitting parameter `alpha`
    /// (1/angstrom).
    pub fn new(force_field: &ForceField, topology: &Topology, cutoff: f64, alpha: f64) -> Self {
        Self {
            self_energy: self_energy(&topology.charges(), alpha),
            tail: TailCorrection::new(force_field, topology, cutoff),
            atom_tails: atom_tails(force_field, topology, cutoff),
        }
    }

    /// Adds them to what a kernel has summed over pairs, in a cell of `volume` (A^3): the self energy, which has no virial (a
    /// charge and its own Gaussian exert no force on each other), and energy and virial of the tail.
    pub fn add(&self, volume: f64, evaluation: &mut Evaluation) {
        evaluation.energies.coulomb_self += self.self_energy;
        evaluation.energies.short_range += self.tail.energy(volume);
        evaluation.virials.short_range += DMat3::IDENTITY * self.tail.virial(volume);
    }

    /// The share of one atom of `species` in the virial that [`ConstantTerms::add`] adds (u A^2/ps^2): half of each of its pairs
    /// beyond the cutoff. Shares of all atoms add up to the whole.
    pub fn atom_virial(&self, species: usize, volume: f64) -> DMat3 {
        DMat3::IDENTITY * (self.atom_tails[species].virial / volume)
    }

    /// The tail.
    pub fn tail(&self) -> &TailCorrection {
        &self.tail
    }
}
