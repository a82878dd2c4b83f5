//! Between the atoms of a data file and the bodies of a [`State`].

use glam::{DVec3, DVec4};
use vitrion_core::cell::Cell;
use vitrion_core::integrators::thermodynamics::remove_centre_of_mass_velocity;
use vitrion_core::state::State;
use vitrion_core::topology::{Body, Topology};

use super::{LammpsSystem, ListCounts};
use crate::rigid_fit;

/// Largest root-mean-square distance of a rigid molecule's atoms from the force field's shape (angstrom).
pub const LARGEST_DEVIATION: f64 = 0.05;

/// A molecule that the force field calls rigid has another shape.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "molecule {molecule} (atom {atom}) differs from the rigid {kind} of the force field by {deviation:.3} angstrom (root mean square; \
     {LARGEST_DEVIATION} is allowed); use the flexible force field, or a file made with this rigid shape"
)]
pub struct NotRigid {
    /// Number of the molecule, from 1.
    pub molecule: usize,
    /// File id of its first atom.
    pub atom: u64,
    /// Name of its kind.
    pub kind: String,
    /// Mass-weighted root-mean-square deviation from the rigid shape (angstrom).
    pub deviation: f64,
}

impl LammpsSystem {
    /// `n_replicas` equal replicas of this configuration.
    ///
    /// Rigid molecules are placed by best fit ([`rigid_fit`]), their velocities projected onto rigid motion; the velocity of
    /// the centre of mass of the system is removed. Without velocities everything is at rest. Positions count from the
    /// corner of the cell.
    pub fn to_state(&self, n_replicas: usize) -> Result<State, NotRigid> {
        let topology = &self.topology;
        let mut state = State::new(topology, n_replicas, self.cell);
        let masses = topology.masses();
        let still = vec![DVec3::ZERO; topology.n_atoms()];
        let velocities = self.velocities.as_ref().unwrap_or(&still);
        for (index, body) in topology.bodies.iter().enumerate() {
            let atoms = body.first_atom..body.first_atom + body.n_atoms;
            let (positions, velocities) = (&self.positions[atoms.clone()], &velocities[atoms.clone()]);
            let (centre, orientation, velocity, momentum) = match topology.rigid_shape(body) {
                Some((shape, _)) => {
                    let placement = rigid_fit::place(shape, &masses[atoms.clone()], positions);
                    if placement.deviation.is_nan() || placement.deviation > LARGEST_DEVIATION {
                        return Err(self.not_rigid(body, placement.deviation));
                    }
                    let q = placement.orientation;
                    let (v, p) = rigid_fit::momenta(shape, &masses[atoms], q, velocities);
                    (placement.centre, q, v, p)
                }
                None => (positions[0], DVec4::X, velocities[0], DVec4::ZERO),
            };
            state.centre[index] = Cell::wrap_fractional(self.cell.fractional(centre - self.origin));
            state.unwrapped[index] = self.cell.cartesian(state.centre[index]);
            state.orientation[index] = orientation;
            state.velocity[index] = velocity;
            state.quaternion_momentum[index] = momentum;
        }
        copy_first_replica(&mut state);
        remove_centre_of_mass_velocity(topology, &mut state);
        Ok(state)
    }

    /// The rigid molecule that differs most from the force field's shape, if one differs by more than [`LARGEST_DEVIATION`].
    pub fn least_rigid(&self) -> Option<NotRigid> {
        let topology = &self.topology;
        let masses = topology.masses();
        let deviations = topology.bodies.iter().filter_map(|body| {
            let atoms = body.first_atom..body.first_atom + body.n_atoms;
            let (shape, _) = topology.rigid_shape(body)?;
            let deviation = rigid_fit::place(shape, &masses[atoms.clone()], &self.positions[atoms]).deviation;
            (deviation.is_nan() || deviation > LARGEST_DEVIATION).then_some((body, deviation))
        });
        deviations.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(body, deviation)| self.not_rigid(body, deviation))
    }

    fn not_rigid(&self, body: &Body, deviation: f64) -> NotRigid {
        let molecule = self.topology.atom_molecule[body.first_atom];
        let kind = self.topology.kinds[self.topology.molecules[molecule].kind].name.clone();
        NotRigid { molecule: molecule + 1, atom: self.ids[body.first_atom], kind, deviation }
    }

    /// One replica of a state, atoms numbered from 1 in the internal order, molecules whole around their wrapped centres.
    pub fn from_state(topology: &Topology, state: &State, replica: usize, title: &str) -> Self {
        let range = state.bodies_of(replica);
        let mut velocities = vec![DVec3::ZERO; topology.n_atoms()];
        for (body, index) in topology.bodies.iter().zip(range) {
            let velocity = state.velocity[index];
            let atoms = &mut velocities[body.first_atom..][..body.n_atoms];
            match topology.rigid_shape(body) {
                Some((shape, moments)) => atoms.copy_from_slice(&rigid_fit::atom_velocities(
                    shape,
                    moments,
                    state.orientation[index],
                    state.quaternion_momentum[index],
                    velocity,
                )),
                None => atoms.fill(velocity),
            }
        }
        Self {
            title: title.to_string(),
            topology: topology.clone(),
            cell: state.cells[replica],
            origin: DVec3::ZERO,
            ids: (1..=topology.n_atoms() as u64).collect(),
            molecule_ids: (1..=topology.molecules.len() as u64).collect(),
            positions: state.atom_positions(topology, replica),
            velocities: Some(velocities),
            lists: ListCounts::default(),
        }
    }
}

fn copy_first_replica(state: &mut State) {
    let n = state.n_bodies;
    for replica in 1..state.n_replicas {
        state.centre.copy_within(..n, replica * n);
        state.unwrapped.copy_within(..n, replica * n);
        state.velocity.copy_within(..n, replica * n);
        state.orientation.copy_within(..n, replica * n);
        state.quaternion_momentum.copy_within(..n, replica * n);
    }
}
