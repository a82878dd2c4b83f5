//! Rotation of rigid bodies by the symplectic quaternion splitting NO_SQUISH.
//!
//! Miller, Eleftheriou, Pattnaik, Ndirango, Newns and Martyna, J. Chem. Phys. 116, 8649 (2002), doi:10.1063/1.1473654.
//!
//! A unit quaternion q turns the body frame into the laboratory; its conjugate momentum is p = 2 sum_k L_k P_k q, where L is
//! the angular momentum in the body frame and P_k q = q e_k the quaternion product with the k-th unit vector. Then
//! H = sum_k (p . P_k q)^2 / (8 I_k), and each term alone is solved exactly by a rotation in the plane of q and P_k q.
//! Quaternions are (w, x, y, z) in the slots x, y, z, w of [`DVec4`].

use glam::{DMat3, DVec3, DVec4};

/// P_k q: the quaternion product of q with the unit vector along body axis `k` (0, 1, 2).
fn permuted(k: usize, q: DVec4) -> DVec4 {
    match k {
        0 => DVec4::new(-q.y, q.x, q.w, -q.z),
        1 => DVec4::new(-q.z, -q.w, q.x, q.y),
        _ => DVec4::new(-q.w, q.z, -q.y, q.x),
    }
}

/// Angular momentum in the body frame (u A^2/ps): L_k = p . P_k q / 2.
pub fn angular_momentum(orientation: DVec4, momentum: DVec4) -> DVec3 {
    let component = |k| 0.5 * momentum.dot(permuted(k, orientation));
    DVec3::new(component(0), component(1), component(2))
}

/// Quaternion momentum (u A^2/ps) of a body-frame angular momentum: p = 2 sum_k L_k P_k q.
pub fn quaternion_momentum(orientation: DVec4, angular_momentum: DVec3) -> DVec4 {
    let [x, y, z] = angular_momentum.to_array();
    2.0 * (x * permuted(0, orientation) + y * permuted(1, orientation) + z * permuted(2, orientation))
}

/// Rotational kinetic energy sum_k L_k^2/(2 I_k) (u A^2/ps^2).
pub fn kinetic_energy(orientation: DVec4, momentum: DVec4, moments: DVec3) -> f64 {
    let l = angular_momentum(orientation, momentum);
    0.5 * (l * l / moments).element_sum()
}

/// The matrix of the rotation from the body frame to the laboratory.
pub fn rotation_matrix(q: DVec4) -> DMat3 {
    let (w, x, y, z) = (q.x, q.y, q.z, q.w);
    DMat3::from_cols(
        DVec3::new(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        DVec3::new(2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        DVec3::new(2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )
}

/// Adds the impulse of a body-frame torque (u A^2/ps^2) over `duration` (ps): dp/dt = 2 sum_k torque_k P_k q.
pub fn kick(orientation: DVec4, momentum: &mut DVec4, torque: DVec3, duration: f64) {
    *momentum += quaternion_momentum(orientation, torque * duration);
}

/// Rotates freely for `duration` (ps): half steps about axes 3 and 2, a full step about axis 1, and back.
///
/// The two invariants |q| = 1 and p . q = 0 hold in exact arithmetic; one Newton step and one projection keep round-off from
/// adding up over 10^9 steps.
pub fn rotate_freely(orientation: &mut DVec4, momentum: &mut DVec4, moments: DVec3, duration: f64) {
    let (mut q, mut p) = (*orientation, *momentum);
    let half = 0.5 * duration;
    for (k, time) in [(2, half), (1, half), (0, duration), (1, half), (2, half)] {
        let (turned_q, turned_p) = (permuted(k, q), permuted(k, p));
        let (sin, cos) = (p.dot(turned_q) / (4.0 * moments[k]) * time).sin_cos();
        q = cos * q + sin * turned_q;
        p = cos * p + sin * turned_p;
    }
    q *= 1.5 - 0.5 * q.length_squared();
    *orientation = q;
    *momentum = p - p.dot(q) * q;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::rotate;

    const ASYMMETRIC: DVec3 = DVec3::new(31.0, 47.0, 60.0);
    /// A planar nitrate: I_z = I_x + I_y.
    const PLANAR: DVec3 = DVec3::new(38.1, 38.1, 76.2);

    fn start() -> (DVec4, DVec4) {
        let q = DVec4::new(0.3, -0.5, 0.7, 0.2).normalize();
        (q, quaternion_momentum(q, DVec3::new(150.0, -210.0, 90.0)))
    }

    fn advanced(moments: DVec3, time: f64, steps: u32) -> (DVec4, DVec4) {
        let (mut q, mut p) = start();
        for _ in 0..steps {
            rotate_freely(&mut q, &mut p, moments, time / f64::from(steps));
        }
        (q, p)
    }

    fn laboratory_momentum(q: DVec4, p: DVec4) -> DVec3 {
        rotate(q, angular_momentum(q, p))
    }

    #[test]
    fn momentum_maps_there_and_back_and_the_matrix_is_the_rotation() {
        let (q, p) = start();
        // Round-off of a few products.
        assert!((quaternion_momentum(q, angular_momentum(q, p)) - p).length() < 1e-12);
        let d = DVec3::new(1.0, -2.0, 0.5);
        assert!((rotation_matrix(q) * d - rotate(q, d)).length() < 1e-14);
    }

    #[test]
    fn free_top_keeps_its_laboratory_angular_momentum_exactly() {
        for moments in [ASYMMETRIC, PLANAR] {
            let (q0, p0) = start();
            let (q, p) = advanced(moments, 10.0, 2500);
            let l = laboratory_momentum(q0, p0);
            // Each sub-rotation conserves the laboratory vector exactly; round-off of 1e4 rotations remains.
            assert!((laboratory_momentum(q, p) - l).length() < 1e-12 * l.length());
        }
    }

    #[test]
    fn free_top_energy_error_is_bounded_and_second_order() {
        let largest = |moments: DVec3, dt: f64| {
            let (mut q, mut p) = start();
            let e0 = kinetic_energy(q, p, moments);
            (0..(20.0 / dt) as u32)
                .map(|_| {
                    rotate_freely(&mut q, &mut p, moments, dt);
                    (kinetic_energy(q, p, moments) / e0 - 1.0).abs()
                })
                .fold(0.0, f64::max)
        };
        let (coarse, fine) = (largest(ASYMMETRIC, 0.008), largest(ASYMMETRIC, 0.004));
        assert!(coarse < 1e-3);
        // Second order: a factor 4, to leading order in dt.
        assert!((coarse / fine - 4.0).abs() < 0.2, "{coarse} {fine}");
        assert!((largest(PLANAR, 0.008) / largest(PLANAR, 0.004) - 4.0).abs() < 0.2);
    }

    #[test]
    fn asymmetric_top_converges_with_the_square_of_the_step() {
        let exact = advanced(ASYMMETRIC, 2.0, 200_000).0;
        let error = |steps| (advanced(ASYMMETRIC, 2.0, steps).0 - exact).length();
        let (coarse, fine) = (error(500), error(1000));
        assert!((coarse / fine - 4.0).abs() < 0.1, "{coarse} {fine}");
    }

    #[test]
    fn symmetric_planar_top_precesses_as_euler_says() {
        // L_z is constant and L_x + i L_y turns at the rate (1/I_x - 1/I_z) L_z: Landau and Lifshitz, Mechanics, section 36.
        let time = 1.0;
        let error = |steps| {
            let (q, p) = advanced(PLANAR, time, steps);
            let (q0, p0) = start();
            let l0 = angular_momentum(q0, p0);
            let (sin, cos) = ((1.0 / PLANAR.x - 1.0 / PLANAR.z) * l0.z * time).sin_cos();
            let exact = DVec3::new(cos * l0.x - sin * l0.y, cos * l0.y + sin * l0.x, l0.z);
            (angular_momentum(q, p) - exact).length() / l0.length()
        };
        let (coarse, fine) = (error(250), error(500));
        assert!(fine < 1e-4, "{fine}");
        assert!((coarse / fine - 4.0).abs() < 0.1, "{coarse} {fine}");
    }

    #[test]
    fn free_rotation_reverses_to_round_off() {
        let (q0, p0) = start();
        let (mut q, mut p) = advanced(ASYMMETRIC, 4.0, 1000);
        p = -p;
        for _ in 0..1000 {
            rotate_freely(&mut q, &mut p, ASYMMETRIC, 0.004);
        }
        // 1e4 rotations of relative error 1e-16, amplified linearly in time.
        assert!((q - q0).length() < 1e-11 && (p + p0).length() < 1e-11 * p0.length());
    }

    #[test]
    fn torque_changes_the_angular_momentum_by_its_impulse() {
        let (q, mut p) = start();
        let before = angular_momentum(q, p);
        let torque = DVec3::new(3.0, 1.0, -2.0);
        kick(q, &mut p, torque, 0.25);
        assert!((angular_momentum(q, p) - before - 0.25 * torque).length() < 1e-12);
    }
}
