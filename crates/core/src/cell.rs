//! The periodic cell: a general (triclinic) parallelepiped.

use glam::{BVec3, DMat3, DVec3};
use serde::{Deserialize, Serialize};

/// A periodic cell with edge vectors a, b, c as the columns of the matrix h (angstrom).
///
/// Cartesian position r = h s, fractional coordinate s = h^-1 r.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    h: DMat3,
    inverse: DMat3,
}

/// Why a matrix is no cell.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CellError {
    /// The edge vectors are not finite, or span no right-handed volume.
    #[error(
        "the cell's edge vectors {0:?} span no positive volume; give finite, right-handed, linearly independent edges"
    )]
    Degenerate([DVec3; 3]),
}

impl Cell {
    /// The cell whose edge vectors are the columns of `h` (angstrom).
    pub fn new(h: DMat3) -> Result<Self, CellError> {
        let volume = h.determinant();
        if !(volume.is_finite() && volume > 0.0) {
            return Err(CellError::Degenerate([h.x_axis, h.y_axis, h.z_axis]));
        }
        Ok(Self { h, inverse: h.inverse() })
    }

    /// A rectangular cell with edge lengths `edges` (angstrom).
    pub fn orthorhombic(edges: DVec3) -> Result<Self, CellError> {
        Self::new(DMat3::from_diagonal(edges))
    }

    /// The cell with edges of these lengths (angstrom) and the angles (rad) between b and c, c and a, a and b; a lies along x, b
    /// in the plane of x and y.
    pub fn from_lengths_and_angles(lengths: [f64; 3], angles: [f64; 3]) -> Result<Self, CellError> {
        let [a, b, c] = lengths;
        // The cosine of the double that is nearest to a right angle is not zero.
        let cosine = |angle: f64| if angle == std::f64::consts::FRAC_PI_2 { 0.0 } else { angle.cos() };
        let [alpha, beta, gamma] = angles.map(cosine);
        let sine = (1.0 - gamma * gamma).sqrt();
        let y = (alpha - beta * gamma) / sine;
        let z_squared = 1.0 - beta * beta - y * y;
        // Three vectors in a plane, but for rounding.
        let z = if z_squared > 1e-10 { z_squared.sqrt() } else { 0.0 };
        Self::new(DMat3::from_cols(
            a * DVec3::X,
            b * DVec3::new(gamma, sine, 0.0),
            c * DVec3::new(beta, y, z),
        ))
    }

    /// A cube with edge `length` (angstrom).
    pub fn cubic(length: f64) -> Result<Self, CellError> {
        Self::orthorhombic(DVec3::splat(length))
    }

    /// The matrix whose columns are the edge vectors (angstrom).
    pub fn matrix(&self) -> DMat3 {
        self.h
    }

    /// h^-1, whose rows are the reciprocal vectors without 2 pi (1/angstrom).
    pub fn inverse(&self) -> DMat3 {
        self.inverse
    }

    /// det h (angstrom^3).
    pub fn volume(&self) -> f64 {
        self.h.determinant()
    }

    /// Distances between opposite faces along a, b, c (angstrom).
    pub fn perpendicular_heights(&self) -> DVec3 {
        let t = self.inverse.transpose();
        DVec3::new(1.0 / t.x_axis.length(), 1.0 / t.y_axis.length(), 1.0 / t.z_axis.length())
    }

    /// h s.
    pub fn cartesian(&self, fractional: DVec3) -> DVec3 {
        self.h * fractional
    }

    /// h^-1 r, not wrapped.
    pub fn fractional(&self, cartesian: DVec3) -> DVec3 {
        self.inverse * cartesian
    }

    /// The fractional coordinate moved into [0, 1).
    pub fn wrap_fractional(s: DVec3) -> DVec3 {
        let w = s - s.floor();
        // s = -1e-17 gives w = 1 exactly.
        DVec3::new(
            if w.x >= 1.0 { 0.0 } else { w.x },
            if w.y >= 1.0 { 0.0 } else { w.y },
            if w.z >= 1.0 { 0.0 } else { w.z },
        )
    }

    /// The difference with each fractional component reduced to [-1/2, 1/2], as a Cartesian vector. This is the
    /// shortest image only for separations below half the smallest perpendicular height.
    pub fn wrapped_difference(&self, d: DVec3) -> DVec3 {
        let s = self.inverse * d;
        self.h * (s - s.round())
    }

    /// As [`Self::wrapped_difference`], along the periodic edges only.
    pub fn difference_along(&self, periodic: BVec3, d: DVec3) -> DVec3 {
        let s = self.inverse * d;
        self.h * (s - DVec3::select(periodic, s.round(), DVec3::ZERO))
    }

    /// The position moved into the cell along its periodic edges.
    pub fn wrapped_along(&self, periodic: BVec3, r: DVec3) -> DVec3 {
        let s = self.fractional(r);
        self.cartesian(DVec3::select(periodic, Self::wrap_fractional(s), s))
    }

    /// The same cell with every edge multiplied by `factor`.
    pub fn scaled(&self, factor: f64) -> Self {
        Self { h: self.h * factor, inverse: self.inverse * (1.0 / factor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_and_angles_are_those_asked_for() {
        let (lengths, degrees) = ([11.0, 12.0, 13.0], [70.0_f64, 80.0, 95.0]);
        let angles = degrees.map(f64::to_radians);
        let h = Cell::from_lengths_and_angles(lengths, angles).unwrap().matrix();
        let edges = [h.x_axis, h.y_axis, h.z_axis];
        for k in 0..3 {
            let (u, v) = (edges[(k + 1) % 3], edges[(k + 2) % 3]);
            // A few roundings of numbers near 1.
            assert!((edges[k].length() / lengths[k] - 1.0).abs() < 1e-14);
            assert!((u.angle_between(v) - angles[k]).abs() < 1e-13);
        }
        let right = [std::f64::consts::FRAC_PI_2; 3];
        let rectangular = Cell::from_lengths_and_angles(lengths, right).unwrap();
        assert_eq!(rectangular, Cell::orthorhombic(DVec3::from_array(lengths)).unwrap());
        // Three angles of 120 degrees lie in a plane; 130 are impossible.
        for degrees in [120.0_f64, 130.0] {
            assert!(Cell::from_lengths_and_angles(lengths, [degrees.to_radians(); 3]).is_err());
        }
    }

    #[test]
    fn triclinic_cell_maps_there_and_back() {
        let h = DMat3::from_cols(
            DVec3::new(10.0, 0.0, 0.0),
            DVec3::new(2.0, 9.0, 0.0),
            DVec3::new(-1.0, 1.5, 8.0),
        );
        let cell = Cell::new(h).unwrap();
        let r = DVec3::new(3.0, -20.0, 40.0);
        // Two f64 matrix products of condition number below 10.
        assert!((cell.cartesian(cell.fractional(r)) - r).length() < 1e-13);
        assert!((cell.volume() - 720.0).abs() < 1e-10);
        assert!((cell.perpendicular_heights().z - 8.0).abs() < 1e-12);
    }

    #[test]
    fn left_handed_and_flat_cells_are_refused() {
        assert!(Cell::cubic(0.0).is_err());
        assert!(Cell::cubic(f64::NAN).is_err());
        assert!(Cell::orthorhombic(DVec3::new(1.0, 1.0, -1.0)).is_err());
    }

    #[test]
    fn only_periodic_edges_have_images() {
        let h = DMat3::from_cols(
            DVec3::new(12.0, 0.0, 0.0),
            DVec3::new(3.0, 11.0, 0.0),
            DVec3::new(-2.0, 4.0, 10.0),
        );
        let cell = Cell::new(h).unwrap();
        let d = cell.cartesian(DVec3::new(1.2, -0.7, 2.4));
        assert_eq!(cell.difference_along(BVec3::TRUE, d), cell.wrapped_difference(d));
        for (periodic, nearest, inside) in [
            (BVec3::TRUE, DVec3::new(0.2, 0.3, 0.4), DVec3::new(0.2, 0.3, 0.4)),
            (BVec3::new(true, false, false), DVec3::new(0.2, -0.7, 2.4), DVec3::new(0.2, -0.7, 2.4)),
            (BVec3::new(false, true, true), DVec3::new(1.2, 0.3, 0.4), DVec3::new(1.2, 0.3, 0.4)),
            (BVec3::FALSE, DVec3::new(1.2, -0.7, 2.4), DVec3::new(1.2, -0.7, 2.4)),
        ] {
            // Round-off.
            assert!((cell.difference_along(periodic, d) - cell.cartesian(nearest)).length() < 1e-13);
            assert!((cell.wrapped_along(periodic, d) - cell.cartesian(inside)).length() < 1e-13);
        }
    }

    #[test]
    fn wrapping_never_returns_one() {
        let w = Cell::wrap_fractional(DVec3::new(-1e-17, 1.0, -0.25));
        assert_eq!(w, DVec3::new(0.0, 0.0, 0.75));
    }
}
