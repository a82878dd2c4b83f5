//! From the forces on atoms to the forces and torques on the bodies that move.

use glam::{DMat3, DVec3};

use super::rigid_body::rotation_matrix;
use crate::forces::{Energies, ForceError, ForceKernel, Request};
use crate::pressure::molecular_virial;
use crate::state::{ReplicaMut, place_atoms};
use crate::topology::Topology;

/// Energies and molecular virial of one configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Configuration {
    /// Potential energy by term (u A^2/ps^2).
    pub energies: Energies,
    /// Molecular virial ([`crate::pressure`]) (u A^2/ps^2).
    pub molecular_virial: DMat3,
}

/// Forces on the bodies of one replica at its present positions, with the arrays needed to compute them.
pub struct BodyForces {
    positions: Vec<DVec3>,
    atom_forces: Vec<DVec3>,
    force: Vec<DVec3>,
    torque: Vec<DVec3>,
    current: bool,
    configuration: Option<Configuration>,
}

impl BodyForces {
    /// Nothing computed yet.
    pub fn new(topology: &Topology) -> Self {
        Self {
            positions: vec![DVec3::ZERO; topology.n_atoms()],
            atom_forces: vec![DVec3::ZERO; topology.n_atoms()],
            force: vec![DVec3::ZERO; topology.n_bodies()],
            torque: vec![DVec3::ZERO; topology.n_bodies()],
            current: false,
            configuration: None,
        }
    }

    /// Force on each body (u A/ps^2).
    pub fn forces(&self) -> &[DVec3] {
        &self.force
    }

    /// Torque on each rigid body in its own frame (u A^2/ps^2); zero for points.
    pub fn torques(&self) -> &[DVec3] {
        &self.torque
    }

    /// Energies and virial of the present positions, if they have been asked for.
    pub fn configuration(&self) -> Option<&Configuration> {
        self.configuration.as_ref()
    }

    /// Says that the positions have changed.
    pub fn invalidate(&mut self) {
        self.current = false;
        self.configuration = None;
    }

    /// Computes what is missing: forces, and energies and virial when `energy_and_virial` is set. Forces that are there
    /// already are left as they are, so that asking for energies never changes a trajectory.
    pub fn ensure(
        &mut self,
        topology: &Topology,
        replica: &ReplicaMut,
        kernel: &mut dyn ForceKernel,
        energy_and_virial: bool,
    ) -> Result<(), ForceError> {
        if self.current && (self.configuration.is_some() || !energy_and_virial) {
            return Ok(());
        }
        place_atoms(topology, replica.cell, replica.centre, replica.orientation, &mut self.positions);
        let request = Request { energy_and_virial };
        let evaluation = kernel.evaluate(replica.cell, &self.positions, request, &mut self.atom_forces)?;
        if !self.current {
            self.sum_over_bodies(topology, replica);
            self.current = true;
        }
        if energy_and_virial {
            self.configuration = Some(Configuration {
                energies: evaluation.energies,
                molecular_virial: molecular_virial(
                    topology,
                    replica.orientation,
                    &self.atom_forces,
                    &evaluation,
                ),
            });
        }
        Ok(())
    }

    /// F = sum_a F_a; torque in the body frame = sum_a d_a x (R^T F_a).
    fn sum_over_bodies(&mut self, topology: &Topology, replica: &ReplicaMut) {
        for (index, body) in topology.bodies.iter().enumerate() {
            let atom_forces = &self.atom_forces[body.first_atom..][..body.n_atoms];
            self.force[index] = atom_forces.iter().sum();
            if let Some((shape, _)) = topology.rigid_shape(body) {
                let to_body = rotation_matrix(replica.orientation[index]).transpose();
                self.torque[index] = shape.iter().zip(atom_forces).map(|(d, f)| d.cross(to_body * *f)).sum();
            }
        }
    }
}
