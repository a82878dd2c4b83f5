//! Energy minimisation that needs no luck: overlaps are removed by FIRE with capped steps on a
//! continued potential, then FIRE goes on with the true one.
//!
//! FIRE: Bitzek, Koskinen, Gähler, Moseler, Gumbsch, Phys. Rev. Lett. 97, 170201 (2006),
//! doi:10.1103/PhysRevLett.97.170201. Bodies translate and rotate; rotations count as lengths on an arm of [`ARM`].

use glam::{DVec3, DVec4};

use crate::cell::Cell;
use crate::forces::{ForceError, ForceKernel};
use crate::integrators::body_forces::BodyForces;
use crate::state::ReplicaMut;
use crate::topology::Topology;

/// Length that turns a rotation into a displacement (angstrom): the N-O distance.
const ARM: f64 = 1.26;
/// Largest displacement of a body in one step (angstrom).
const CAP: f64 = 0.1;
/// Overlap removal ends when no body feels more than this (u A/ps^2): ten times the thermal RMS force of the melt.
const MODERATE_FORCE: f64 = 6.5e4;
/// Mass of every body in FIRE (u), and its time steps (ps).
const MASS: f64 = 40.0;
const FIRST_STEP: f64 = 1e-3;
/// Below 2/omega = 12 fs of the stiffest mode, N against O in a flexible nitrate (omega^2 = 5 k/MASS), by a factor above 2.
const LARGEST_STEP: f64 = 5e-3;

/// What a minimisation reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimized {
    /// Force evaluations.
    pub steps: u64,
    /// Largest force on a body, torques over [`ARM`] included (u A/ps^2).
    pub largest_force: f64,
    /// Potential energy (u A^2/ps^2).
    pub energy: f64,
}

/// Minimises the potential energy of one replica in at most `max_steps` force evaluations, until no body feels more than
/// `force_tolerance` (u A/ps^2). Velocities are zero afterwards.
pub fn minimize(
    replica: &mut ReplicaMut,
    topology: &Topology,
    kernel: &mut dyn ForceKernel,
    max_steps: u64,
    force_tolerance: f64,
) -> Result<Minimized, ForceError> {
    replica.velocity.fill(DVec3::ZERO);
    replica.quaternion_momentum.fill(DVec4::ZERO);
    let mut descent = Descent {
        forces: BodyForces::new(topology),
        topology,
        kernel,
        steps: 0,
        max_steps,
        largest_force: f64::INFINITY,
    };
    let result = descent.run(replica, force_tolerance);
    descent.kernel.set_soft_core(false);
    result
}

struct Descent<'a> {
    forces: BodyForces,
    topology: &'a Topology,
    kernel: &'a mut dyn ForceKernel,
    steps: u64,
    max_steps: u64,
    /// Forces above this are clipped (u A/ps^2).
    largest_force: f64,
}

impl Descent<'_> {
    fn run(&mut self, replica: &mut ReplicaMut, tolerance: f64) -> Result<Minimized, ForceError> {
        loop {
            self.remove_overlaps(replica)?;
            match self.fire(replica, tolerance) {
                // A step of FIRE ran two atoms into each other: back to the continued potential.
                Err(ForceError::CloseApproach { .. }) if self.steps < self.max_steps => {}
                result => return result,
            }
        }
    }

    /// Energy and largest force at the present positions.
    fn evaluate(&mut self, replica: &ReplicaMut) -> Result<(f64, f64), ForceError> {
        self.steps += 1;
        self.forces.invalidate();
        self.forces.ensure(self.topology, replica, self.kernel, true)?;
        let energy = self.forces.configuration().map_or(f64::NAN, |c| c.energies.total());
        let pairs = self.forces.forces().iter().zip(self.forces.torques());
        let largest = pairs.map(|(f, t)| f.length().max(t.length() / ARM)).fold(0.0, f64::max);
        Ok((energy, largest))
    }

    /// Forces and torques over the arm, one pair a body, clipped while overlaps are removed: one bad contact must neither
    /// hold up the rest nor tear a flexible molecule apart.
    fn directions(&self) -> impl Iterator<Item = (DVec3, DVec3)> + '_ {
        let clip = |f: DVec3| f.clamp_length_max(self.largest_force);
        self.forces.forces().iter().zip(self.forces.torques()).map(move |(f, t)| (clip(*f), clip(*t / ARM)))
    }

    /// FIRE on the continued potential until the true one accepts the positions and no force is large.
    fn remove_overlaps(&mut self, replica: &mut ReplicaMut) -> Result<(), ForceError> {
        self.kernel.set_soft_core(true);
        self.largest_force = MODERATE_FORCE;
        loop {
            let reached = self.fire(replica, MODERATE_FORCE)?;
            if self.steps >= self.max_steps || self.is_free_of_overlaps(replica)? {
                break;
            }
            // Two atoms sit inside their wall: go on until they have slid past each other.
            self.fire(replica, 0.5 * reached.largest_force)?;
        }
        self.kernel.set_soft_core(false);
        self.largest_force = f64::INFINITY;
        Ok(())
    }

    /// Whether the true potential accepts these positions.
    fn is_free_of_overlaps(&mut self, replica: &ReplicaMut) -> Result<bool, ForceError> {
        self.kernel.set_soft_core(false);
        let free = match self.evaluate(replica) {
            Ok(_) => true,
            Err(ForceError::CloseApproach { .. }) => false,
            Err(other) => return Err(other),
        };
        self.kernel.set_soft_core(true);
        self.evaluate(replica)?;
        Ok(free)
    }

    fn fire(&mut self, replica: &mut ReplicaMut, tolerance: f64) -> Result<Minimized, ForceError> {
        let mut velocity = vec![(DVec3::ZERO, DVec3::ZERO); self.topology.n_bodies()];
        let (mut dt, mut mixing, mut downhill) = (FIRST_STEP, 0.1, 0u32);
        let (mut energy, mut largest) = self.evaluate(replica)?;
        while self.steps < self.max_steps && largest > tolerance {
            let (mut power, mut v2, mut f2) = (0.0, 0.0, 0.0);
            for ((f, t), (v, w)) in self.directions().zip(&velocity) {
                power += f.dot(*v) + t.dot(*w);
                v2 += v.length_squared() + w.length_squared();
                f2 += f.length_squared() + t.length_squared();
            }
            if power > 0.0 {
                let along = mixing * (v2 / f2).sqrt();
                for ((f, t), (v, w)) in self.directions().zip(&mut velocity) {
                    *v = (1.0 - mixing) * *v + along * f;
                    *w = (1.0 - mixing) * *w + along * t;
                }
                downhill += 1;
                if downhill > 5 {
                    dt = (1.1 * dt).min(LARGEST_STEP);
                    mixing *= 0.99;
                }
            } else {
                velocity.fill((DVec3::ZERO, DVec3::ZERO));
                (dt, mixing, downhill) = (0.5 * dt, 0.1, 0);
            }
            for ((f, t), (v, w)) in self.directions().zip(&mut velocity) {
                *v += f * (dt / MASS);
                *w += t * (dt / MASS);
            }
            let fastest = velocity.iter().map(|(v, w)| v.length().max(w.length())).fold(0.0, f64::max);
            let scale = dt * (CAP / (dt * fastest).max(CAP));
            let moves: Vec<(DVec3, DVec3)> = velocity.iter().map(|(v, w)| (*v * scale, *w * scale)).collect();
            displace(replica, &moves);
            (energy, largest) = self.evaluate(replica)?;
        }
        Ok(Minimized { steps: self.steps, largest_force: largest, energy })
    }
}

/// Moves centres by Cartesian vectors (angstrom) and turns bodies by body-frame rotation vectors times [`ARM`].
fn displace(replica: &mut ReplicaMut, moves: &[(DVec3, DVec3)]) {
    let cell = *replica.cell;
    for (b, (d, turn)) in moves.iter().enumerate() {
        replica.unwrapped[b] += *d;
        replica.centre[b] = Cell::wrap_fractional(replica.centre[b] + cell.fractional(*d));
        let rotation = *turn / ARM;
        let angle = rotation.length();
        if angle > 0.0 {
            let axis = rotation / angle * (0.5 * angle).sin();
            let (q, r) = (replica.orientation[b], DVec4::new((0.5 * angle).cos(), axis.x, axis.y, axis.z));
            replica.orientation[b] = product(q, r).normalize();
        }
    }
}

/// Quaternion product of (w, x, y, z) vectors.
fn product(a: DVec4, b: DVec4) -> DVec4 {
    let (u, v) = (DVec3::new(a.y, a.z, a.w), DVec3::new(b.y, b.z, b.w));
    let vector = a.x * v + b.x * u + u.cross(v);
    DVec4::new(a.x * b.x - u.dot(v), vector.x, vector.y, vector.z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::build;
    use crate::cpu::reference::{ReferenceKernel, ReferenceOptions};
    use crate::force_field::{CKN_FLEXIBLE, CKN_RIGID, ForceField};

    #[test]
    fn random_melts_of_any_seed_come_to_rest() {
        for (text, seeds) in [(CKN_RIGID, 0..8), (CKN_FLEXIBLE, 0..2)] {
            let force_field = ForceField::parse(text, "ckn").unwrap();
            let topology = force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).unwrap();
            let cell = Cell::cubic(10.6).unwrap();
            // The lattice sums need no more accuracy than the minimiser.
            let options = ReferenceOptions { coulomb_tolerance: 1e-6, ..ReferenceOptions::default() };
            for seed in seeds {
                let mut state = build(&topology, cell, 1, seed).unwrap();
                let mut kernel = ReferenceKernel::new(&force_field, &topology, &cell, options);
                let replica = &mut state.replicas_mut()[0];
                let result = minimize(replica, &topology, &mut kernel, 600, 650.0).unwrap();
                // A tenth of the thermal force of the melt; a bound configuration is below -30 kcal/mol an atom.
                assert!(result.largest_force < MODERATE_FORCE, "seed {seed}: {result:?}");
                assert!(result.energy / 418.4 / 66.0 < -30.0, "seed {seed}: {result:?}");
                assert!(replica.orientation.iter().all(|q| (q.length() - 1.0).abs() < 1e-12));
            }
        }
    }
}
