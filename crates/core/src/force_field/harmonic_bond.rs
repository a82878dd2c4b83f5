//! Harmonic bond: E = k (r - r0)^2.

use glam::DVec3;

use super::bonded::BondedTerm;
use crate::topology::Bond;

impl Bond {
    /// Energy and forces for the two atoms at `r` (angstrom). Atoms at the same place get no force, since the bond then
    /// has no direction.
    pub fn evaluate(&self, r: &[DVec3; 2]) -> BondedTerm<2> {
        let d = r[0] - r[1];
        let distance = d.length();
        let stretch = distance - self.length;
        let force = -2.0 * self.constant * stretch * d.normalize_or_zero();
        BondedTerm { energy: self.constant * stretch * stretch, forces: [force, -force] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::force_field::bonded::check_forces;

    #[test]
    fn force_is_minus_the_gradient_and_pulls_a_stretched_bond_together() {
        let bond = Bond { atoms: [0, 1], length: 1.2676, constant: 219_660.0 };
        let r = [DVec3::new(0.3, -0.2, 1.0), DVec3::new(1.1, 0.7, 0.2)];
        check_forces(r, |r| bond.evaluate(r));
        assert!(bond.evaluate(&r).forces[0].dot(r[1] - r[0]) > 0.0);
    }
}
