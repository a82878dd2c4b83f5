//! Harmonic angle: E = k (theta - theta0)^2, theta the angle at the middle atom.

use glam::DVec3;

use super::bonded::BondedTerm;
use crate::topology::Angle;

impl Angle {
    /// Energy and forces for the three atoms at `r` (angstrom), the vertex in the middle.
    ///
    /// With a = r_0 - r_1 and b = r_2 - r_1, the gradient of theta with respect to r_0 lies in the plane of the angle,
    /// normal to a, with length 1/|a|: a x (a x b) / (|a|^2 |a x b|). In a straight angle the plane is undefined and the
    /// force is set to zero.
    pub fn evaluate(&self, r: &[DVec3; 3]) -> BondedTerm<3> {
        let (a, b) = (r[0] - r[1], r[2] - r[1]);
        let normal = a.cross(b);
        let theta = normal.length().atan2(a.dot(b));
        let bend = theta - self.angle;
        let axis = normal.normalize_or_zero();
        let torque = -2.0 * self.constant * bend;
        let first = torque * a.cross(axis) / a.length_squared();
        let last = torque * axis.cross(b) / b.length_squared();
        BondedTerm { energy: self.constant * bend * bend, forces: [first, -first - last, last] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::force_field::bonded::check_forces;

    #[test]
    fn force_is_minus_the_gradient() {
        let angle = Angle { atoms: [1, 0, 2], angle: 2.094, constant: 43_932.0 };
        let open = [DVec3::new(1.2, 0.1, 0.0), DVec3::new(0.1, 0.0, -0.1), DVec3::new(-0.9, 0.8, 0.2)];
        let acute = [DVec3::new(1.2, 0.1, 0.0), DVec3::new(0.1, 0.0, -0.1), DVec3::new(0.9, 0.8, 0.2)];
        check_forces(open, |r| angle.evaluate(r));
        check_forces(acute, |r| angle.evaluate(r));
    }

    #[test]
    fn right_angle_has_the_energy_of_its_bend() {
        let angle = Angle { atoms: [0, 1, 2], angle: 1.0, constant: 2.0 };
        let bend = std::f64::consts::FRAC_PI_2 - 1.0;
        let energy = angle.evaluate(&[DVec3::X, DVec3::ZERO, 3.0 * DVec3::Y]).energy;
        assert!((energy - 2.0 * bend * bend).abs() < 1e-15);
    }
}
