//! The stress of each ion, and its means over windows.
//!
//! ```text
//! s_i = sym[ sum_b m_b V_b V_b + sum_a (w_a - d_a F_a) ]
//! ```
//!
//! over the bodies b and atoms a of ion i: w_a is half the virial of each pair of atom a with other ions (and its share of the
//! tail: the same half of the pairs beyond the cutoff, in the mean), d_a the arm of the
//! atom from the centre of mass of its body, F_a the force on it. Of a rigid ion, one body, this leaves the motion of its centre
//! and the forces on it, without what holds it together: the molecular stress. The atoms of a flexible ion are bodies
//! each, without arms, and w_a has the bonded terms as well: the atomic stress.
//!
//! Neither divided by a volume (an ion has none of its own) nor with a mean subtracted: the sum over ions is V times the pressure
//! tensor ([`crate::pressure::pressure_tensor`]), positive under compression. Half a pair to each end is
//! the usual choice (Egami, Maeda and Vitek, Philos. Mag. A 41, 883 (1980), doi:10.1080/01418618008243894), and the one for which
//! the reciprocal part of the Coulomb sum can be shared out in closed form (Heyes, Phys. Rev. B 49, 755 (1994),
//! doi:10.1103/PhysRevB.49.755).
//!
//! A function of the state alone, computed on the host when a sample is due: every backend gives the same output through it. One
//! evaluation on the mesh costs about four evaluations of the forces (2,376 atoms, one core): its list is built afresh, and each
//! element of the virial takes a transform of the mesh. Exact sums cost as much as the forces of the reference kernel.

use std::sync::Arc;

use glam::{DMat3, DVec3};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::backend::{BackendError, ElectrostaticsParameters, Window};
use crate::cpu::{BuildError, molecule_virials};
use crate::force_field::ForceField;
use crate::forces::{ForceError, MoleculeVirials};
use crate::pressure::{arm_virial, motion, symmetrised};
use crate::state::{State, place_atoms};
use crate::topology::Topology;

/// Elements xx, yy, zz, xy, xz, yz of a symmetric tensor.
pub type SymmetricTensor = [f64; 6];

/// Computes the stress of the ions of all replicas.
pub struct IonStress {
    topology: Arc<Topology>,
    replicas: Vec<ReplicaStress>,
}

/// The kernel and the arrays of one replica.
struct ReplicaStress {
    kernel: Box<dyn MoleculeVirials>,
    positions: Vec<DVec3>,
    forces: Vec<DVec3>,
    virials: Vec<DMat3>,
}

impl IonStress {
    /// With the lattice-sum parameters of the run: exact sums for those of a direct Ewald sum, else the mesh.
    pub fn new(
        force_field: &Arc<ForceField>,
        topology: &Arc<Topology>,
        state: &State,
        electrostatics: ElectrostaticsParameters,
    ) -> Result<Self, BuildError> {
        let replica = |cell| {
            Ok(ReplicaStress {
                kernel: molecule_virials(force_field, topology, cell, electrostatics)?,
                positions: vec![DVec3::ZERO; topology.n_atoms()],
                forces: vec![DVec3::ZERO; topology.n_atoms()],
                virials: vec![DMat3::ZERO; topology.molecules.len()],
            })
        };
        let replicas = state.cells.iter().map(replica).collect::<Result<_, BuildError>>()?;
        Ok(Self { topology: Arc::clone(topology), replicas })
    }

    /// The stress of every ion (u A^2/ps^2), ion after ion, replica after replica.
    pub fn evaluate(&mut self, state: &State) -> Result<Vec<SymmetricTensor>, BackendError> {
        let topology = self.topology.as_ref();
        let results: Vec<Result<Vec<SymmetricTensor>, ForceError>> = self
            .replicas
            .par_iter_mut()
            .enumerate()
            .map(|(index, replica)| replica.evaluate(topology, state, index))
            .collect();
        let mut stresses = Vec::with_capacity(self.replicas.len() * topology.molecules.len());
        for (replica, result) in results.into_iter().enumerate() {
            let of_replica =
                result.map_err(|source| BackendError::Forces { replica, step: state.step, source })?;
            stresses.extend(of_replica);
        }
        Ok(stresses)
    }
}

impl ReplicaStress {
    fn evaluate(
        &mut self,
        topology: &Topology,
        state: &State,
        replica: usize,
    ) -> Result<Vec<SymmetricTensor>, ForceError> {
        let Self { kernel, positions, forces, virials } = self;
        let (cell, bodies) = (&state.cells[replica], state.bodies_of(replica));
        let (velocity, orientation) = (&state.velocity[bodies.clone()], &state.orientation[bodies.clone()]);
        place_atoms(topology, cell, &state.centre[bodies], orientation, positions);
        kernel.evaluate_molecules(cell, positions, forces, virials)?;
        for ((body, v), q) in topology.bodies.iter().zip(velocity).zip(orientation) {
            let ion = &mut virials[topology.atom_molecule[body.first_atom]];
            *ion += motion(body, *v) - arm_virial(topology, body, *q, forces);
        }
        Ok(virials.iter().map(elements).collect())
    }
}

/// The elements of the symmetric part.
fn elements(m: &DMat3) -> SymmetricTensor {
    let s = symmetrised(m);
    [s.x_axis.x, s.y_axis.y, s.z_axis.z, s.y_axis.x, s.z_axis.x, s.z_axis.y]
}

/// Running means of the ions' stress over consecutive windows, all replicas together. Sums run in the order of the samples,
/// which a checkpoint keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IonStressMeans {
    window: Window,
    samples: u64,
    sums: Vec<SymmetricTensor>,
}

impl IonStressMeans {
    /// An empty window for `n` ions (all replicas together).
    pub fn new(window: Window, n: usize) -> Self {
        Self { window, samples: 0, sums: vec![[0.0; 6]; n] }
    }

    /// The window specification.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Adds a sample, one tensor an ion. Returns the means when it completes a window.
    pub fn add(&mut self, stresses: &[SymmetricTensor]) -> Option<Vec<SymmetricTensor>> {
        for (sum, stress) in self.sums.iter_mut().zip(stresses) {
            for (total, component) in sum.iter_mut().zip(stress) {
                *total += component;
            }
        }
        self.samples += 1;
        if self.samples < self.window.samples {
            return None;
        }
        let scale = 1.0 / self.samples as f64;
        let means = self.sums.iter().map(|sum| sum.map(|total| total * scale)).collect();
        self.samples = 0;
        self.sums.fill([0.0; 6]);
        Some(means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_the_samples_and_windows_start_afresh() {
        let mut means = IonStressMeans::new(Window { sample_every: 25, samples: 4 }, 2);
        let sample = |k: f64| [[k, 2.0, 0.0, -k, 1.0, 0.5 * k], [1.0, k, k, 3.0, -2.0, 0.0]];
        for window in 0..2 {
            let first = 4.0 * f64::from(window);
            for k in 0..3 {
                assert_eq!(means.add(&sample(first + f64::from(k))), None);
            }
            // Multiples of 1/8: exact in f64.
            assert_eq!(means.add(&sample(first + 3.0)), Some(sample(first + 1.5).to_vec()));
        }
    }

    #[test]
    fn off_diagonal_elements_are_symmetrised() {
        let m =
            DMat3::from_cols(DVec3::new(1.0, 2.0, 3.0), DVec3::new(4.0, 5.0, 6.0), DVec3::new(7.0, 8.0, 9.0));
        assert_eq!(elements(&m), [1.0, 5.0, 9.0, 3.0, 5.0, 7.0]);
    }
}
