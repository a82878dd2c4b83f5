//! The pressure, defined once.
//!
//! ```text
//! P = sym[ sum_b m_b v_b v_b + W_mol ] / V,     W_mol = W - sum_a d_a F_a
//! ```
//!
//! over the bodies b (rigid molecules, ions, the atoms of flexible molecules) and the atoms a of rigid bodies. W is the sum of
//! all atomic virials ([`crate::forces::Virials`]): pairs, reciprocal sum, excluded pairs, bonded terms and tail. d_a is the arm
//! of atom a from the centre of mass of its body, F_a the whole force on it. What is left is the virial of the forces between
//! the centres: -dE/d(strain) when centres move with the cell and rigid bodies stay as they are (Allen and Tildesley, Computer
//! Simulation of Liquids (2017), section 2.7, doi:10.1093/oso/9780198803195.001.0001).
//!
//! Central forces between atoms of one rigid body give sum r_ab F_ab to both W and the arms. They may be left out of both.

use glam::{DMat3, DVec3, DVec4};

use crate::force_field::bonded::outer;
use crate::forces::Evaluation;
use crate::integrators::rigid_body::rotation_matrix;
use crate::state::ReplicaMut;
use crate::topology::{Body, Topology};

/// m v v of one body (u A^2/ps^2).
pub fn motion(body: &Body, velocity: DVec3) -> DMat3 {
    outer(body.mass * velocity, velocity)
}

/// sum_a d_a F_a of one body, in the laboratory frame (u A^2/ps^2); zero for a point. `atom_forces` (u A/ps^2) are those on all
/// atoms of the replica.
pub fn arm_virial(topology: &Topology, body: &Body, orientation: DVec4, atom_forces: &[DVec3]) -> DMat3 {
    let mut total = DMat3::ZERO;
    if let Some((shape, _)) = topology.rigid_shape(body) {
        let rotation = rotation_matrix(orientation);
        for (d, f) in shape.iter().zip(&atom_forces[body.first_atom..]) {
            total += outer(rotation * *d, *f);
        }
    }
    total
}

/// W_mol of one replica (u A^2/ps^2): all virials of `evaluation` less the arms of rigid bodies. `orientations` are one a body,
/// `atom_forces` (u A/ps^2) one an atom.
pub fn molecular_virial(
    topology: &Topology,
    orientations: &[DVec4],
    atom_forces: &[DVec3],
    evaluation: &Evaluation,
) -> DMat3 {
    let mut arms = DMat3::ZERO;
    for (body, &orientation) in topology.bodies.iter().zip(orientations) {
        arms += arm_virial(topology, body, orientation, atom_forces);
    }
    evaluation.virials.total() - arms
}

/// The pressure tensor of one replica (u/(A ps^2)), symmetric.
pub fn pressure_tensor(topology: &Topology, replica: &ReplicaMut, molecular_virial: DMat3) -> DMat3 {
    let mut sum = molecular_virial;
    for (body, &v) in topology.bodies.iter().zip(replica.velocity.iter()) {
        sum += motion(body, v);
    }
    symmetrised(&sum) * (1.0 / replica.cell.volume())
}

/// (M + M^T)/2.
pub fn symmetrised(m: &DMat3) -> DMat3 {
    (*m + m.transpose()) * 0.5
}
