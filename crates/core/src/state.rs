//! Where the system is now: every array runs over *replicas x bodies*.

use glam::{DVec3, DVec4};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::topology::Topology;

/// One Nosé-Hoover chain of length 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Thermostat positions eta_k (dimensionless).
    pub eta: [f64; 3],
    /// Thermostat velocities d eta_k/dt (1/ps).
    pub eta_velocity: [f64; 3],
}

/// Extended variables of one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExtendedVariables {
    /// Chain of all centres' translations.
    pub translation: Chain,
    /// Chain of all rotations.
    pub rotation: Chain,
    /// Chain of the barostat.
    pub barostat: Chain,
    /// Barostat velocity d(ln L)/dt (1/ps).
    pub strain_rate: f64,
    /// Work done on the conserved quantity by moving set points since the stage began (u A^2/ps^2).
    pub set_point_work: f64,
}

/// State of all replicas. Array index: `replica * n_bodies + body`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Number of replicas.
    pub n_replicas: usize,
    /// Bodies in one replica.
    pub n_bodies: usize,
    /// Steps done since the run began, all stages together; the same for all replicas.
    pub step: u64,
    /// Per replica.
    pub cells: Vec<Cell>,
    /// Fractional coordinate of each body's centre of mass, in [0, 1).
    pub centre: Vec<DVec3>,
    /// Unwrapped Cartesian position of each centre of mass (angstrom): the wrapped one at the start of the run plus the
    /// sum of h times each fractional increment.
    pub unwrapped: Vec<DVec3>,
    /// Centre-of-mass velocity of each body (A/ps).
    pub velocity: Vec<DVec3>,
    /// Orientation quaternion (w, x, y, z as DVec4's x, y, z, w slots in that order), body frame to laboratory; (1, 0, 0, 0) for points.
    pub orientation: Vec<DVec4>,
    /// Quaternion momentum conjugate to `orientation` (u A^2/ps), same component order; zero for points.
    pub quaternion_momentum: Vec<DVec4>,
    /// Per replica.
    pub extended: Vec<ExtendedVariables>,
}

/// One replica's part of a [`State`], for the integrators.
pub struct ReplicaMut<'a> {
    /// Index of the replica.
    pub index: usize,
    /// Its cell.
    pub cell: &'a mut Cell,
    /// See [`State::centre`].
    pub centre: &'a mut [DVec3],
    /// See [`State::unwrapped`].
    pub unwrapped: &'a mut [DVec3],
    /// See [`State::velocity`].
    pub velocity: &'a mut [DVec3],
    /// See [`State::orientation`].
    pub orientation: &'a mut [DVec4],
    /// See [`State::quaternion_momentum`].
    pub quaternion_momentum: &'a mut [DVec4],
    /// See [`State::extended`].
    pub extended: &'a mut ExtendedVariables,
}

impl State {
    /// `n_replicas` replicas at rest with all centres at the origin of `cell`; the builder or a loader fills them.
    pub fn new(topology: &Topology, n_replicas: usize, cell: Cell) -> Self {
        let n_bodies = topology.n_bodies();
        let n = n_replicas * n_bodies;
        Self {
            n_replicas,
            n_bodies,
            step: 0,
            cells: vec![cell; n_replicas],
            centre: vec![DVec3::ZERO; n],
            unwrapped: vec![DVec3::ZERO; n],
            velocity: vec![DVec3::ZERO; n],
            orientation: vec![DVec4::X; n],
            quaternion_momentum: vec![DVec4::ZERO; n],
            extended: vec![ExtendedVariables::default(); n_replicas],
        }
    }

    /// Index range of a replica's bodies in the arrays.
    pub fn bodies_of(&self, replica: usize) -> std::ops::Range<usize> {
        replica * self.n_bodies..(replica + 1) * self.n_bodies
    }

    /// Disjoint mutable views, one a replica.
    pub fn replicas_mut(&mut self) -> Vec<ReplicaMut<'_>> {
        let n = self.n_bodies.max(1);
        let mut arrays = self
            .centre
            .chunks_mut(n)
            .zip(self.unwrapped.chunks_mut(n))
            .zip(self.velocity.chunks_mut(n))
            .zip(self.orientation.chunks_mut(n))
            .zip(self.quaternion_momentum.chunks_mut(n));
        self.cells
            .iter_mut()
            .zip(self.extended.iter_mut())
            .enumerate()
            .filter_map(|(index, (cell, extended))| {
                let ((((centre, unwrapped), velocity), orientation), quaternion_momentum) = arrays.next()?;
                Some(ReplicaMut {
                    index,
                    cell,
                    centre,
                    unwrapped,
                    velocity,
                    orientation,
                    quaternion_momentum,
                    extended,
                })
            })
            .collect()
    }

    /// Cartesian positions of a replica's atoms (angstrom), molecules whole around their wrapped centres.
    pub fn atom_positions(&self, topology: &Topology, replica: usize) -> Vec<DVec3> {
        let mut positions = vec![DVec3::ZERO; topology.n_atoms()];
        let range = self.bodies_of(replica);
        place_atoms(
            topology,
            &self.cells[replica],
            &self.centre[range.clone()],
            &self.orientation[range],
            &mut positions,
        );
        positions
    }
}

/// Rotates a body-frame vector into the laboratory by a unit quaternion (w, x, y, z).
pub fn rotate(q: DVec4, v: DVec3) -> DVec3 {
    let (w, u) = (q.x, DVec3::new(q.y, q.z, q.w));
    let t = 2.0 * u.cross(v);
    v + w * t + u.cross(t)
}

/// Writes the Cartesian position of every atom: r_a = h s + R(q) d_a.
///
/// The atoms of a flexible molecule wrap one by one, so each is written as the image nearest to the molecule's first atom.
/// That makes molecules whole that reach less than half the smallest perpendicular height of the cell from that atom.
pub fn place_atoms(
    topology: &Topology,
    cell: &Cell,
    centre: &[DVec3],
    orientation: &[DVec4],
    positions: &mut [DVec3],
) {
    for (body, (&s, &q)) in topology.bodies.iter().zip(centre.iter().zip(orientation)) {
        let r = cell.cartesian(s);
        if let Some((shape, _)) = topology.rigid_shape(body) {
            for (position, &d) in positions[body.first_atom..][..body.n_atoms].iter_mut().zip(shape) {
                *position = r + rotate(q, d);
            }
            continue;
        }
        let anchor = topology.molecules[topology.atom_molecule[body.first_atom]].first_atom;
        positions[body.first_atom] = if anchor == body.first_atom {
            r
        } else {
            positions[anchor] + cell.wrapped_difference(r - positions[anchor])
        };
    }
}
