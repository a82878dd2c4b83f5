//! Harmonic improper: E = k (chi - chi0)^2, chi in [0, pi] the angle between the planes of atoms (0, 1, 2) and (1, 2, 3).

use glam::DVec3;

use super::bonded::BondedTerm;
use crate::topology::Improper;

impl Improper {
    /// Energy and forces for the four atoms at `r` (angstrom).
    ///
    /// chi is the magnitude of the torsion angle about the line 1-2, whose gradient is written without 1/sin(chi), after
    /// Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996),
    /// doi:10.1002/(SICI)1096-987X(19960715)17:9<1132::AID-JCC5>3.0.CO;2-T. With three atoms on a line a plane is
    /// undefined and the forces are set to zero. For chi0 other than 0 the energy has a kink at chi = 0.
    pub fn evaluate(&self, r: &[DVec3; 4]) -> BondedTerm<4> {
        let (f, g, h) = (r[0] - r[1], r[1] - r[2], r[3] - r[2]);
        let (a, b) = (f.cross(g), h.cross(g));
        let (a2, b2, g1) = (a.length_squared(), b.length_squared(), g.length());
        let torsion = (b.cross(a).dot(g) / g1).atan2(a.dot(b));
        let bend = torsion.abs() - self.angle;
        let energy = self.constant * bend * bend;
        if !(a2 > 0.0 && b2 > 0.0) {
            return BondedTerm { energy, forces: [DVec3::ZERO; 4] };
        }
        let torque = -2.0 * self.constant * bend * torsion.signum();
        let first = -torque * g1 / a2 * a;
        let last = torque * g1 / b2 * b;
        let shared = torque * (f.dot(g) / (a2 * g1) * a - h.dot(g) / (b2 * g1) * b);
        BondedTerm { energy, forces: [first, shared - first, -shared - last, last] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::force_field::bonded::check_forces;

    /// N, O1, O2, O3 of a nitrate with O3 lifted out of the plane by `lift`.
    fn nitrate(lift: f64) -> [DVec3; 4] {
        let half = 3f64.sqrt() / 2.0;
        [
            DVec3::new(0.02, 0.0, 0.01),
            DVec3::new(1.26, 0.0, 0.0),
            DVec3::new(-0.63, 1.26 * half, 0.0),
            DVec3::new(-0.63, -1.26 * half, lift),
        ]
    }

    #[test]
    fn force_is_minus_the_gradient_on_both_sides_of_the_plane() {
        let improper = Improper { atoms: [0, 1, 2, 3], angle: 0.0, constant: 25_104.0 };
        check_forces(nitrate(0.3), |r| improper.evaluate(r));
        check_forces(nitrate(-0.3), |r| improper.evaluate(r));
        let bent = Improper { angle: 0.4, ..improper };
        check_forces(nitrate(0.3), |r| bent.evaluate(r));
    }

    #[test]
    fn planar_nitrate_is_the_minimum() {
        let improper = Improper { atoms: [0, 1, 2, 3], angle: 0.0, constant: 25_104.0 };
        let mut flat = nitrate(0.0);
        flat[0].z = 0.0;
        let term = improper.evaluate(&flat);
        assert_eq!(term.energy, 0.0);
        assert!(term.forces.iter().all(|f| f.length() == 0.0));
    }

    #[test]
    fn angle_between_perpendicular_planes_is_a_right_angle() {
        let improper = Improper { atoms: [0, 1, 2, 3], angle: 0.0, constant: 1.0 };
        let r = [DVec3::X, DVec3::ZERO, DVec3::Z, DVec3::new(0.0, 2.0, 1.0)];
        let right = std::f64::consts::FRAC_PI_2;
        assert!((improper.evaluate(&r).energy - right * right).abs() < 1e-14);
    }
}
