//! Orientation and momenta of a rigid body from the positions and velocities of its atoms.
//!
//! The rotation is the best fit in the least-squares sense, each atom weighted by its mass: the eigenvector of the largest
//! eigenvalue of a symmetric 4 x 4 matrix. Horn, J. Opt. Soc. Am. A 4, 629 (1987), doi:10.1364/JOSAA.4.000629.

use glam::{DVec3, DVec4};
use vitrion_core::integrators::rigid_body::{angular_momentum, quaternion_momentum};
use vitrion_core::state::rotate;

/// How a rigid shape lies in space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Centre of mass (angstrom).
    pub centre: DVec3,
    /// Unit quaternion (w, x, y, z), body frame to laboratory.
    pub orientation: DVec4,
    /// Mass-weighted root-mean-square distance of the atoms from the placed shape (angstrom).
    pub deviation: f64,
}

/// Places `shape` (body frame, angstrom, centre of mass at the origin) on `positions` (angstrom).
pub fn place(shape: &[DVec3], masses: &[f64], positions: &[DVec3]) -> Placement {
    let total: f64 = masses.iter().sum();
    let centre = weighted_sum(masses, positions) / total;
    // M = sum m d r^T; s[a][b] is the sum of m d_a r_b.
    let mut s = [[0.0; 3]; 3];
    for ((d, r), m) in shape.iter().zip(positions).zip(masses) {
        let arm = (*r - centre).to_array();
        for (row, d) in s.iter_mut().zip(d.to_array()) {
            for (entry, r) in row.iter_mut().zip(arm) {
                *entry += m * d * r;
            }
        }
    }
    let n = [
        [s[0][0] + s[1][1] + s[2][2], s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]],
        [s[1][2] - s[2][1], s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]],
        [s[2][0] - s[0][2], s[0][1] + s[1][0], s[1][1] - s[0][0] - s[2][2], s[1][2] + s[2][1]],
        [s[0][1] - s[1][0], s[2][0] + s[0][2], s[1][2] + s[2][1], s[2][2] - s[0][0] - s[1][1]],
    ];
    let orientation = largest_eigenvector(n);
    let squares: f64 = shape
        .iter()
        .zip(positions)
        .zip(masses)
        .map(|((d, r), m)| m * (centre + rotate(orientation, *d)).distance_squared(*r))
        .sum();
    Placement { centre, orientation, deviation: (squares / total).sqrt() }
}

/// Velocity of the centre of mass (A/ps) and the quaternion momentum p = 2 q (0, L) (u A^2/ps), conjugate to the
/// orientation q, of a body whose atoms move with `velocities` (A/ps). L is the angular momentum about the centre in the
/// body frame (u A^2/ps), with the atoms where the rigid shape has them: what velocities hold of a deformation is dropped.
pub fn momenta(shape: &[DVec3], masses: &[f64], orientation: DVec4, velocities: &[DVec3]) -> (DVec3, DVec4) {
    let velocity = weighted_sum(masses, velocities) / masses.iter().sum::<f64>();
    let inverse = conjugate(orientation);
    let body_frame: DVec3 = shape
        .iter()
        .zip(velocities)
        .zip(masses)
        .map(|((d, v), m)| *m * d.cross(rotate(inverse, *v - velocity)))
        .sum();
    (velocity, quaternion_momentum(orientation, body_frame))
}

/// Velocities (A/ps) of the atoms of a rigid body: V + omega x d, with omega from the quaternion momentum, the inverse of
/// [`momenta`].
pub fn atom_velocities(
    shape: &[DVec3],
    moments: DVec3,
    orientation: DVec4,
    momentum: DVec4,
    velocity: DVec3,
) -> Vec<DVec3> {
    let omega = angular_momentum(orientation, momentum) / moments;
    shape.iter().map(|d| velocity + rotate(orientation, omega.cross(*d))).collect()
}

fn weighted_sum(weights: &[f64], vectors: &[DVec3]) -> DVec3 {
    weights.iter().zip(vectors).map(|(w, v)| *w * *v).sum()
}

fn conjugate(q: DVec4) -> DVec4 {
    DVec4::new(q.x, -q.y, -q.z, -q.w)
}

/// Unit eigenvector of the largest eigenvalue of a symmetric matrix, by cyclic Jacobi rotations; its largest component is
/// positive, so that the sign is fixed.
fn largest_eigenvector(mut a: [[f64; 4]; 4]) -> DVec4 {
    let mut vectors = [[0.0; 4]; 4];
    for (i, row) in vectors.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    // Jacobi converges quadratically: a 4 x 4 matrix needs fewer than 10 sweeps to underflow.
    for _sweep in 0..50 {
        let off: f64 = (0..4).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j].abs()).sum();
        if off == 0.0 {
            break;
        }
        for p in 0..3 {
            for q in p + 1..4 {
                jacobi_rotation(&mut a, &mut vectors, p, q);
            }
        }
    }
    let largest = (0..4).fold(0, |best, i| if a[i][i] > a[best][best] { i } else { best });
    let vector = DVec4::from_array(std::array::from_fn(|i| vectors[i][largest])).normalize();
    let dominant = vector.to_array().into_iter().fold(0.0, |m: f64, c| if c.abs() > m.abs() { c } else { m });
    if dominant < 0.0 { -vector } else { vector }
}

/// Zeroes a[p][q] by a rotation in the plane (p, q), accumulated in `vectors`.
fn jacobi_rotation(a: &mut [[f64; 4]; 4], vectors: &mut [[f64; 4]; 4], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..4 {
        let (kp, kq) = (a[k][p], a[k][q]);
        a[k][p] = c * kp - s * kq;
        a[k][q] = s * kp + c * kq;
    }
    for k in 0..4 {
        let (pk, qk) = (a[p][k], a[q][k]);
        a[p][k] = c * pk - s * qk;
        a[q][k] = s * pk + c * qk;
    }
    a[p][q] = 0.0;
    a[q][p] = 0.0;
    for row in vectors {
        let (vp, vq) = (row[p], row[q]);
        row[p] = c * vp - s * vq;
        row[q] = s * vp + c * vq;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nitrate() -> (Vec<DVec3>, Vec<f64>, DVec3) {
        let h = 3f64.sqrt() / 2.0;
        let shape = [DVec3::ZERO, DVec3::X, DVec3::new(-0.5, h, 0.0), DVec3::new(-0.5, -h, 0.0)]
            .map(|d| 1.26 * d)
            .to_vec();
        let perpendicular = 3.0 * 15.999 * 1.26 * 1.26;
        let moments = DVec3::new(perpendicular / 2.0, perpendicular / 2.0, perpendicular);
        (shape, vec![14.007, 15.999, 15.999, 15.999], moments)
    }

    fn orientations() -> impl Iterator<Item = DVec4> {
        [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.3, -0.7, 0.2, 0.9]]
            .into_iter()
            .chain((0..20).map(|i| std::array::from_fn(|k| (1.0 + 4.0 * f64::from(i) + k as f64).sin())))
            .map(|q| DVec4::from_array(q).normalize())
    }

    #[test]
    fn fit_recovers_rotation_of_a_planar_body() {
        let (shape, masses, _) = nitrate();
        let centre = DVec3::new(31.0, -2.0, 7.0);
        for q in orientations() {
            let positions: Vec<_> = shape.iter().map(|d| centre + rotate(q, *d)).collect();
            let placement = place(&shape, &masses, &positions);
            // Rounding of positions of order 30 angstrom: 30 x 2^-53, a few times.
            assert!(placement.deviation < 2e-14, "deviation {}", placement.deviation);
            assert!((placement.centre - centre).length() < 2e-14);
            assert!(placement.orientation.dot(q).abs() > 1.0 - 1e-14);
        }
    }

    #[test]
    fn fit_reports_how_far_the_molecule_is_from_its_shape() {
        let (shape, masses, _) = nitrate();
        // All N-O bonds 0.1 angstrom too long, so the oxygens, 77.4 % of the mass, are 0.1 angstrom off.
        let positions: Vec<_> = shape.iter().map(|d| *d * (1.36 / 1.26)).collect();
        let placement = place(&shape, &masses, &positions);
        let expected = 0.1 * (3.0 * 15.999 / (3.0 * 15.999 + 14.007f64)).sqrt();
        assert!((placement.deviation - expected).abs() < 1e-14);
    }

    #[test]
    fn momenta_and_atom_velocities_are_inverse() {
        let (shape, masses, moments) = nitrate();
        for (q, w) in orientations().zip(orientations()) {
            let omega = DVec3::new(w.x, w.y, w.z) * 10.0;
            let velocity = DVec3::new(3.0, -1.0, 0.5);
            let velocities: Vec<_> = shape.iter().map(|d| velocity + omega.cross(rotate(q, *d))).collect();
            let (v, p) = momenta(&shape, &masses, q, &velocities);
            assert!((v - velocity).length() < 1e-14);
            // p is orthogonal to q: no spurious component along the constraint |q| = 1. L is of order 1e3.
            assert!(p.dot(q).abs() < 1e-11);
            for (found, expected) in atom_velocities(&shape, moments, q, p, v).iter().zip(&velocities) {
                assert!((*found - *expected).length() < 1e-13);
            }
        }
    }
}
