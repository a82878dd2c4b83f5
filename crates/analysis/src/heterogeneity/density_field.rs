//! Number density of a class of ions as a smooth field on a grid.
//!
//! rho(x) = sum_i (2 pi s^2)^(-3/2) exp(-|x - r_i|^2 / (2 s^2)), nearest images, in ions/angstrom^3; its integral over the cell is the
//! number of ions. The paper's Figs 5a and 7a shade the density field of J ions; it does not give s, here 2 angstrom.
//!
//! Cost: one Gaussian an ion and grid point.

use std::f64::consts::TAU;

use glam::{DVec3, UVec3};
use rayon::prelude::*;
use vitrion_core::cell::Cell;

/// Width s of the Gaussian (angstrom).
pub const WIDTH: f64 = 2.0;
/// Grid spacing that is aimed at (angstrom), and fewest and most points along an edge.
const SPACING: f64 = 1.5;
const FEWEST: f64 = 8.0;
const MOST: f64 = 64.0;

/// A field on a grid, x fastest.
pub struct DensityField {
    /// Points along each edge.
    pub points: UVec3,
    cell: Cell,
    sums: Vec<f64>,
    moments: u64,
}

impl DensityField {
    /// Zero so far.
    pub fn new(cell: &Cell) -> Self {
        let edges = cell.matrix();
        let lengths = DVec3::new(edges.x_axis.length(), edges.y_axis.length(), edges.z_axis.length());
        let points = (lengths / SPACING).ceil().clamp(DVec3::splat(FEWEST), DVec3::splat(MOST)).as_uvec3();
        let n = (points.x * points.y * points.z) as usize;
        Self { points, cell: *cell, sums: vec![0.0; n], moments: 0 }
    }

    /// Adds ions at one moment.
    pub fn accumulate(&mut self, positions: &[DVec3]) {
        let norm = (TAU * WIDTH * WIDTH).powf(-1.5);
        let (cell, points) = (self.cell, self.points);
        self.sums.par_iter_mut().enumerate().for_each(|(index, sum)| {
            let x = cell.cartesian(fractional(index, points));
            let gaussian = |r: &DVec3| {
                let square = cell.wrapped_difference(x - *r).length_squared();
                (-square / (2.0 * WIDTH * WIDTH)).exp()
            };
            *sum += norm * positions.iter().map(gaussian).sum::<f64>();
        });
        self.moments += 1;
    }

    /// Grid points (angstrom) and the mean density at them (1/angstrom^3).
    pub fn finish(&self) -> Vec<(DVec3, f64)> {
        let scale = 1.0 / self.moments.max(1) as f64;
        let point = |index| self.cell.cartesian(fractional(index, self.points));
        self.sums.iter().enumerate().map(|(index, sum)| (point(index), sum * scale)).collect()
    }
}

fn fractional(index: usize, points: UVec3) -> DVec3 {
    let (nx, ny) = (points.x as usize, points.y as usize);
    let at = DVec3::new((index % nx) as f64, (index / nx % ny) as f64, (index / (nx * ny)) as f64);
    at / points.as_dvec3()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_integrates_to_the_number_of_ions() {
        let cell = Cell::cubic(24.0).unwrap();
        let mut field = DensityField::new(&cell);
        // Two moments with 3 and 1 ions, unwrapped or not.
        field.accumulate(&[DVec3::ZERO, DVec3::new(30.0, -5.0, 11.0), DVec3::splat(12.3)]);
        field.accumulate(&[DVec3::splat(7.0)]);
        let values = field.finish();
        let volume = 24f64.powi(3) / values.len() as f64;
        let total: f64 = values.iter().map(|(_, v)| v * volume).sum();
        // A Gaussian of 2 angstrom on a grid of 1.5 integrates to 1e-7; beyond half the cell (6 widths) 1e-8 are lost.
        assert!((total - 2.0).abs() < 1e-5, "{total}");
        let (_, peak) = values.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert!(*peak <= 0.5 * (TAU * 4.0).powf(-1.5) * 1.001);
    }
}
