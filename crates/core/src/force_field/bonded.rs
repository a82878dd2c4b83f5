//! Bonded terms of flexible molecules: the sum over bonds, angles and impropers, each potential in its own file.

use glam::{DMat3, DVec3};

use crate::topology::{MoleculeModel, Topology};

/// Energy and forces of one bonded term on its N atoms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BondedTerm<const N: usize> {
    /// Energy (u A^2/ps^2).
    pub energy: f64,
    /// Force on each atom (u A/ps^2); they add up to zero.
    pub forces: [DVec3; N],
}

impl<const N: usize> BondedTerm<N> {
    /// sum of r_a f_b over the atoms at `positions`, taken from the first atom (the forces add up to zero, so that the
    /// origin does not matter).
    pub fn virial(&self, positions: &[DVec3; N]) -> DMat3 {
        let arms = positions.iter().map(|&r| r - positions[0]);
        arms.zip(&self.forces).map(|(arm, &f)| outer(arm, f)).fold(DMat3::ZERO, |sum, w| sum + w)
    }
}

/// Energies and virial of all bonded terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BondedSum {
    /// Harmonic bonds (u A^2/ps^2).
    pub bond: f64,
    /// Harmonic angles (u A^2/ps^2).
    pub angle: f64,
    /// Harmonic impropers (u A^2/ps^2).
    pub improper: f64,
    /// Atomic virial of all three (u A^2/ps^2), symmetric.
    pub virial: DMat3,
}

/// The matrix with elements a_i b_j.
pub fn outer(a: DVec3, b: DVec3) -> DMat3 {
    DMat3::from_cols(a * b.x, a * b.y, a * b.z)
}

/// Which potential a bonded term belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BondedKind {
    /// Harmonic bond.
    Bond,
    /// Harmonic angle.
    Angle,
    /// Harmonic improper.
    Improper,
}

/// Adds the bonded forces (u A/ps^2) to `forces` for Cartesian `positions` (angstrom; molecules whole) and returns
/// energies and virial. Molecules are visited in order.
pub fn add_bonded_forces(topology: &Topology, positions: &[DVec3], forces: &mut [DVec3]) -> BondedSum {
    let mut sum = BondedSum { bond: 0.0, angle: 0.0, improper: 0.0, virial: DMat3::ZERO };
    add_bonded_terms(topology, positions, forces, |_, kind, energy, virial| {
        match kind {
            BondedKind::Bond => sum.bond += energy,
            BondedKind::Angle => sum.angle += energy,
            BondedKind::Improper => sum.improper += energy,
        }
        sum.virial += virial;
    });
    // Symmetric because no term exerts a torque; this removes what rounding leaves.
    sum.virial = (sum.virial + sum.virial.transpose()) * 0.5;
    sum
}

/// As [`add_bonded_forces`], and tells `each` of every term: its molecule, kind, energy and virial.
pub fn add_bonded_terms(
    topology: &Topology,
    positions: &[DVec3],
    forces: &mut [DVec3],
    mut each: impl FnMut(usize, BondedKind, f64, DMat3),
) {
    for (index, molecule) in topology.molecules.iter().enumerate() {
        let MoleculeModel::Flexible { bonds, angles, impropers, .. } = &topology.kinds[molecule.kind].model
        else {
            continue;
        };
        let mut add = |kind: BondedKind, energy: f64, virial: DMat3, at: &[usize], f: &[DVec3]| {
            each(index, kind, energy, virial);
            for (&atom, &force) in at.iter().zip(f) {
                forces[molecule.first_atom + atom] += force;
            }
        };
        for bond in bonds {
            let r = bond.atoms.map(|a| positions[molecule.first_atom + a]);
            let term = bond.evaluate(&r);
            add(BondedKind::Bond, term.energy, term.virial(&r), &bond.atoms, &term.forces);
        }
        for angle in angles {
            let r = angle.atoms.map(|a| positions[molecule.first_atom + a]);
            let term = angle.evaluate(&r);
            add(BondedKind::Angle, term.energy, term.virial(&r), &angle.atoms, &term.forces);
        }
        for improper in impropers {
            let r = improper.atoms.map(|a| positions[molecule.first_atom + a]);
            let term = improper.evaluate(&r);
            add(BondedKind::Improper, term.energy, term.virial(&r), &improper.atoms, &term.forces);
        }
    }
}

/// Checks for the tests of the potentials: forces against central differences of the energy, and no net force or torque.
#[cfg(test)]
pub(crate) fn check_forces<const N: usize>(
    positions: [DVec3; N],
    evaluate: impl Fn(&[DVec3; N]) -> BondedTerm<N>,
) {
    let term = evaluate(&positions);
    let scale = term.forces.iter().map(|f| f.length()).fold(0.0, f64::max);
    let step = 1e-5;
    for atom in 0..N {
        for axis in 0..3 {
            let energy = |h: f64| {
                let mut moved = positions;
                moved[atom][axis] += h;
                evaluate(&moved).energy
            };
            let numerical = -(energy(step) - energy(-step)) / (2.0 * step);
            // Truncation h^2 f'' ~ 1e-10 and rounding eps U/h ~ 1e-11, both times a few.
            let error = (numerical - term.forces[atom][axis]).abs();
            assert!(error < 1e-8 * scale, "atom {atom} axis {axis}: {error:e} of {scale}");
        }
    }
    let force = term.forces.iter().sum::<DVec3>().length();
    let torque = positions.iter().zip(&term.forces).map(|(r, &f)| r.cross(f)).sum::<DVec3>().length();
    // Rounding of a few additions.
    assert!(force < 1e-13 * scale && torque < 1e-12 * scale, "net force {force:e}, torque {torque:e}");
}
