//! What the reciprocal sum holds too much of: each charge with itself, and the pairs within a molecule.

use glam::{DMat3, DVec3};

use crate::cpu::screening;
use crate::force_field::bonded::outer;
use crate::topology::{Molecule, Topology};
use crate::units::COULOMB;

/// -alpha/sqrt(pi) sum q^2 e^2/(4 pi eps0) (u A^2/ps^2) for charges in e.
pub fn self_energy(charges: &[f64], alpha: f64) -> f64 {
    let squares: f64 = charges.iter().map(|q| q * q).sum();
    -COULOMB * alpha * 0.5 * std::f64::consts::FRAC_2_SQRT_PI * squares
}

/// Takes the pairs within the molecules that `which` picks off the reciprocal sum: -q_i q_j erf(alpha r)/r, whose force over r is
/// -q_i q_j f(r^2) of [`screening`]. Adds to `forces` (u A/ps^2) and returns energy and virial (u A^2/ps^2).
pub fn subtract_excluded(
    topology: &Topology,
    alpha: f64,
    positions: &[DVec3],
    forces: &mut [DVec3],
    which: impl Fn(&Molecule) -> bool,
) -> (f64, DMat3) {
    let (mut energy, mut virial) = (0.0, DMat3::ZERO);
    subtract_excluded_pairs(topology, alpha, positions, forces, which, |_, pair_energy, pair_virial| {
        energy += pair_energy;
        virial += pair_virial;
    });
    (energy, virial)
}

/// As [`subtract_excluded`], and tells `each` of every pair: its molecule, energy and virial.
pub fn subtract_excluded_pairs(
    topology: &Topology,
    alpha: f64,
    positions: &[DVec3],
    forces: &mut [DVec3],
    which: impl Fn(&Molecule) -> bool,
    mut each: impl FnMut(usize, f64, DMat3),
) {
    let chosen = topology.molecules.iter().enumerate().filter(|(_, molecule)| which(molecule));
    for (index, molecule) in chosen {
        let species = &topology.kinds[molecule.kind].species;
        for i in 0..species.len() {
            for j in i + 1..species.len() {
                let (first, second) = (molecule.first_atom + i, molecule.first_atom + j);
                let d = positions[first] - positions[second];
                let charge =
                    COULOMB * topology.species[species[i]].charge * topology.species[species[j]].charge;
                let force = -charge * screening::force(alpha, d.length_squared()) * d;
                forces[first] += force;
                forces[second] -= force;
                each(index, -charge * screening::energy(alpha, d.length_squared()), outer(d, force));
            }
        }
    }
}
