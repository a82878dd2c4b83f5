//! Velocity Verlet for bodies in a cell of constant shape: half kick, drift, half kick.
//!
//! Swope, Andersen, Berens and Wilson, J. Chem. Phys. 76, 637 (1982), doi:10.1063/1.442716. Centres move in fractional
//! coordinates, s += h^-1 v dt; rigid bodies turn as [`super::rigid_body`] says.

use glam::DVec3;

use super::rigid_body;
use crate::cell::Cell;
use crate::state::ReplicaMut;
use crate::topology::Topology;

/// v += F dt/(2 m) (with `duration` = dt/2, ps).
pub fn kick_centres(topology: &Topology, replica: &mut ReplicaMut, forces: &[DVec3], duration: f64) {
    for ((body, velocity), force) in topology.bodies.iter().zip(replica.velocity.iter_mut()).zip(forces) {
        *velocity += *force * (duration / body.mass);
    }
}

/// Adds the impulse of the body-frame `torques` (u A^2/ps^2) to the rotational momenta.
pub fn kick_rotations(topology: &Topology, replica: &mut ReplicaMut, torques: &[DVec3], duration: f64) {
    for (index, body) in topology.bodies.iter().enumerate() {
        if body.rigid_kind.is_some() {
            let momentum = &mut replica.quaternion_momentum[index];
            rigid_body::kick(replica.orientation[index], momentum, torques[index], duration);
        }
    }
}

/// Moves the centres in a constant cell for `duration` (ps).
pub fn drift_centres(replica: &mut ReplicaMut, duration: f64) {
    let to_fractional = replica.cell.inverse() * duration;
    for ((s, unwrapped), v) in
        replica.centre.iter_mut().zip(replica.unwrapped.iter_mut()).zip(replica.velocity.iter())
    {
        *s = Cell::wrap_fractional(*s + to_fractional * *v);
        *unwrapped += *v * duration;
    }
}

/// Turns the rigid bodies freely for `duration` (ps).
pub fn drift_rotations(topology: &Topology, replica: &mut ReplicaMut, duration: f64) {
    for (index, body) in topology.bodies.iter().enumerate() {
        if let Some((_, moments)) = topology.rigid_shape(body) {
            let (q, p) = (&mut replica.orientation[index], &mut replica.quaternion_momentum[index]);
            rigid_body::rotate_freely(q, p, moments, duration);
        }
    }
}
