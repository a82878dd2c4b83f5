//! Principal moments and axes of an inertia tensor, by Jacobi rotations
//! (Golub and Van Loan, Matrix Computations (2013), section 8.5).

use glam::{DMat3, DVec3};

/// Eigenvalues of a symmetric matrix, and its eigenvectors as the columns of a rotation.
pub fn principal_axes(matrix: DMat3) -> (DVec3, DMat3) {
    let mut a = matrix.to_cols_array_2d();
    let mut v = DMat3::IDENTITY.to_cols_array_2d();
    // Convergence is quadratic: a handful of sweeps reaches round-off; the bound only ends a NaN.
    for _ in 0..50 {
        let off = a[0][1].abs() + a[0][2].abs() + a[1][2].abs();
        if off <= 1e-15 * (a[0][0].abs() + a[1][1].abs() + a[2][2].abs()) {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q] == 0.0 {
                continue;
            }
            let theta = 0.5 * (a[q][q] - a[p][p]) / a[p][q];
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let c = 1.0 / t.hypot(1.0);
            let s = t * c;
            for k in 0..3 {
                (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]);
            }
            for k in 0..3 {
                (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
            }
            for k in 0..3 {
                (v[p][k], v[q][k]) = (c * v[p][k] - s * v[q][k], s * v[p][k] + c * v[q][k]);
            }
        }
    }
    let axes = DMat3::from_cols_array_2d(&v);
    let axes = if axes.determinant() < 0.0 {
        DMat3::from_cols(-axes.x_axis, axes.y_axis, axes.z_axis)
    } else {
        axes
    };
    (DVec3::new(a[0][0], a[1][1], a[2][2]), axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_diagonalise_the_matrix() {
        let m = DMat3::from_cols(
            DVec3::new(4.0, 1.0, -2.0),
            DVec3::new(1.0, 3.0, 0.5),
            DVec3::new(-2.0, 0.5, 5.0),
        );
        let (values, axes) = principal_axes(m);
        // Round-off of a few f64 products.
        for (axis, value) in [axes.x_axis, axes.y_axis, axes.z_axis].into_iter().zip(values.to_array()) {
            assert!((m * axis - value * axis).length() < 1e-13);
        }
        assert!((axes.determinant() - 1.0).abs() < 1e-13);
    }
}
