//! Kinetic energies, temperatures, and the centre of mass. The pressure is defined in [`crate::pressure`].

use glam::{DMat3, DVec3};

use super::body_forces::Configuration;
use super::rigid_body;
use crate::backend::Thermo;
use crate::pressure::pressure_tensor;
use crate::state::{ReplicaMut, State};
use crate::topology::Topology;
use crate::units::BOLTZMANN;

/// Twice the translational kinetic energy: sum m v^2 over bodies (u A^2/ps^2).
pub fn twice_translational(topology: &Topology, replica: &ReplicaMut) -> f64 {
    topology.bodies.iter().zip(replica.velocity.iter()).map(|(b, v)| b.mass * v.length_squared()).sum()
}

/// Twice the rotational kinetic energy (u A^2/ps^2).
pub fn twice_rotational(topology: &Topology, replica: &ReplicaMut) -> f64 {
    let energy = |(index, body)| {
        let (_, moments) = topology.rigid_shape(body)?;
        let (q, p) = (replica.orientation[index], replica.quaternion_momentum[index]);
        Some(rigid_body::kinetic_energy(q, p, moments))
    };
    2.0 * topology.bodies.iter().enumerate().filter_map(energy).sum::<f64>()
}

/// 2K/(g k_B) (K); zero without degrees of freedom.
pub fn temperature(twice_kinetic: f64, degrees_of_freedom: f64) -> f64 {
    if degrees_of_freedom > 0.0 { twice_kinetic / (degrees_of_freedom * BOLTZMANN) } else { 0.0 }
}

/// Everything in [`Thermo`] that does not depend on the ensemble; `conserved` is kinetic plus potential energy, the set
/// points are zero.
pub fn instantaneous(topology: &Topology, replica: &ReplicaMut, configuration: &Configuration) -> Thermo {
    let translational = twice_translational(topology, replica);
    let rotational = twice_rotational(topology, replica);
    let (g_t, g_r) = (topology.translational_degrees_of_freedom(), topology.rotational_degrees_of_freedom());
    let tensor = pressure_tensor(topology, replica, configuration.molecular_virial);
    let kinetic_energy = 0.5 * (translational + rotational);
    Thermo {
        temperature: temperature(translational + rotational, g_t + g_r),
        translational_temperature: temperature(translational, g_t),
        rotational_temperature: temperature(rotational, g_r),
        kinetic_energy,
        energies: configuration.energies,
        volume: replica.cell.volume(),
        pressure: trace(&tensor) / 3.0,
        pressure_tensor: tensor,
        conserved: kinetic_energy + configuration.energies.total(),
        target_temperature: 0.0,
        target_pressure: 0.0,
    }
}

/// Sum of the diagonal.
pub fn trace(m: &DMat3) -> f64 {
    m.x_axis.x + m.y_axis.y + m.z_axis.z
}

/// Translational temperature (K) of the bodies of each molecule kind in one replica.
///
/// With the total momentum at zero, n bodies of kind a with total mass M_a carry 3 (n - M_a/M) degrees of freedom, so that
/// each kind has the same expected temperature and the degrees of freedom add up to 3N - 3. A kind without bodies gives zero.
pub fn species_temperatures(topology: &Topology, state: &State, replica: usize) -> Vec<f64> {
    let mut twice_kinetic = vec![0.0; topology.kinds.len()];
    let mut degrees_of_freedom = vec![0.0; topology.kinds.len()];
    let total_mass = topology.total_mass();
    for (body, v) in topology.bodies.iter().zip(&state.velocity[state.bodies_of(replica)]) {
        let kind = topology.molecules[topology.atom_molecule[body.first_atom]].kind;
        twice_kinetic[kind] += body.mass * v.length_squared();
        degrees_of_freedom[kind] += 3.0 * (1.0 - body.mass / total_mass);
    }
    twice_kinetic.into_iter().zip(degrees_of_freedom).map(|(k, g)| temperature(k, g)).collect()
}

/// Subtracts the velocity of the centre of mass of each replica.
pub fn remove_centre_of_mass_velocity(topology: &Topology, state: &mut State) {
    for replica in state.replicas_mut() {
        let momentum: DVec3 =
            topology.bodies.iter().zip(replica.velocity.iter()).map(|(b, v)| b.mass * *v).sum();
        let velocity = momentum / topology.total_mass();
        for v in replica.velocity.iter_mut() {
            *v -= velocity;
        }
    }
}
