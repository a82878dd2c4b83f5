//! Charges onto the mesh and potential back to the atoms: the kernels whose cost grows with the number of atoms.
//!
//! Mesh rows run along c and carry [`LANES`] further points, copies of the row's beginning, so that an atom's weights along
//! c are always one contiguous vector. Charges add up as integers, so that neither the order of the atoms nor the division
//! of the work changes a bit.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use super::b_spline::{LANES, SplineWeights};
use crate::cpu::simd::{EightLanes, LaneKernel};

/// Shape of the mesh in memory: `[x][y][z]`, rows padded by [`LANES`].
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Points along a, b, c.
    pub grid: [usize; 3],
    /// Length of a row along c with its padding.
    pub row: usize,
    /// Length of one plane of constant x.
    pub plane: usize,
    /// Start of row y in a plane, for y = 0 .. K_b + LANES - 1, wrapped.
    row_starts: Vec<u32>,
    /// Plane x, for x = 0 .. K_a + LANES - 1, wrapped.
    planes: Vec<u32>,
}

impl Shape {
    pub fn new(grid: [usize; 3]) -> Self {
        let row = grid[2] + LANES;
        Self {
            grid,
            row,
            plane: row * grid[1],
            row_starts: (0..grid[1] + LANES).map(|y| ((y % grid[1]) * row) as u32).collect(),
            planes: (0..grid[0] + LANES).map(|x| (x % grid[0]) as u32).collect(),
        }
    }
}

/// Where an atom sits on the mesh.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Anchor {
    /// Lowest mesh point of its weights along a, b, c.
    pub point: [u32; 3],
    /// Charge (e).
    pub charge: f32,
}

/// An atom's weights and their slopes along a, b, c.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Stencil {
    weight: [[f32; LANES]; 3],
    slope: [[f32; LANES]; 3],
}

/// Splits a fixed-point coordinate (2^-32 of the edge, any sign) into mesh point and fraction, exactly.
#[inline(always)]
fn mesh_coordinate(fixed: i32, points: usize) -> (u32, f32) {
    let product = u64::from(fixed.cast_unsigned()) * points as u64;
    // 24 bits are what an f32 below one can hold; the conversion is exact.
    let fraction = (product as u32 >> 8).cast_signed() as f32 * (1.0 / 16_777_216.0);
    ((product >> 32) as u32, fraction)
}

/// The plane on which an atom's weights begin.
#[inline]
pub(super) fn first_plane(fractional: &[i32; 3], grid: [usize; 3]) -> usize {
    mesh_coordinate(fractional[0], grid[0]).0 as usize
}

/// Computes anchors and stencils of the atoms listed in `order`.
pub(super) struct ComputeStencils<'a, const P: usize> {
    pub weights: &'a SplineWeights,
    pub grid: [usize; 3],
    pub order: &'a [u32],
    pub fractional: &'a [[i32; 3]],
    pub charges: &'a [f32],
    pub anchors: &'a mut [Anchor],
    pub stencils: &'a mut [Stencil],
}

impl<const P: usize> LaneKernel for ComputeStencils<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: EightLanes>(self, lanes: S) {
        let table = self.weights;
        for ((&atom, anchor), stencil) in self.order.iter().zip(self.anchors).zip(self.stencils) {
            let position = self.fractional[atom as usize];
            anchor.charge = self.charges[atom as usize];
            for axis in 0..3 {
                let (point, fraction) = mesh_coordinate(position[axis], self.grid[axis]);
                anchor.point[axis] = point;
                let (weight, slope) = table.evaluate::<P, S>(lanes, fraction - 0.5);
                lanes.store(weight, &mut stencil.weight[axis]);
                lanes.store(slope, &mut stencil.slope[axis]);
            }
        }
    }
}

/// Largest contribution of one atom to one point that [`EightLanes::add_rounded`] takes.
pub(super) const LARGEST_INTEGER: f64 = 268_435_456.0;

/// Spreads charges onto the planes `first_plane ..`, as many as `planes` holds, in units of 1/scale e.
pub(super) struct Spread<'a, const P: usize> {
    pub shape: &'a Shape,
    /// Atoms sorted by [`first_plane`]: those of plane x are `bins[x] .. bins[x + 1]`.
    pub bins: &'a [u32],
    pub anchors: &'a [Anchor],
    pub stencils: &'a [Stencil],
    pub scale: f32,
    pub first_plane: usize,
    pub planes: &'a mut [i32],
}

impl<const P: usize> LaneKernel for Spread<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: EightLanes>(self, lanes: S) {
        let plane = self.shape.plane;
        let n_planes = self.planes.len() / plane;
        let n_bins = self.shape.grid[0];
        self.planes.fill(0);
        // Bin number `step` begins P - 1 - step planes before our first one.
        for step in 0..n_planes + P - 1 {
            let bin = (self.first_plane + n_bins + step - (P - 1)) % n_bins;
            let lowest = (P - 1).saturating_sub(step);
            let beyond = P.min(n_planes + P - 1 - step);
            let atoms = self.bins[bin] as usize..self.bins[bin + 1] as usize;
            for (anchor, stencil) in self.anchors[atoms.clone()].iter().zip(&self.stencils[atoms]) {
                let z = anchor.point[2] as usize;
                let y = anchor.point[1] as usize;
                let starts: &[u32; P] = self.shape.row_starts[y..y + P].try_into().expect("P starts");
                let along_z = lanes.load(&stencil.weight[2]);
                let charge = anchor.charge * self.scale;
                for j in lowest..beyond {
                    let q_x = charge * stencil.weight[0][j];
                    let target = &mut self.planes[(step + j - (P - 1)) * plane..][..plane];
                    for i in 0..P {
                        let q_xy = q_x * stencil.weight[1][i];
                        let at = starts[i] as usize + z;
                        let row: &mut [i32; LANES] =
                            (&mut target[at..at + LANES]).try_into().expect("LANES points");
                        lanes.add_rounded(lanes.mul(lanes.splat(q_xy), along_z), row);
                    }
                }
            }
        }
    }
}

/// Gradient of the potential at each atom, times -charge, rotated to Cartesian axes.
pub(super) struct Gather<'a, const P: usize> {
    pub shape: &'a Shape,
    pub anchors: &'a [Anchor],
    pub stencils: &'a [Stencil],
    pub potential: &'a [f32],
    /// Columns are the reciprocal vectors (without 2 pi) times the mesh points along their axis, negated (1/angstrom).
    pub to_force: [[f32; 3]; 3],
    pub forces: &'a mut [[f32; 3]],
}

impl<const P: usize> LaneKernel for Gather<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: EightLanes>(self, lanes: S) {
        for ((anchor, stencil), force) in self.anchors.iter().zip(self.stencils).zip(self.forces) {
            let gradient = gradient::<P, S>(lanes, self.shape, anchor, stencil, self.potential);
            for axis in 0..3 {
                force[axis] = anchor.charge
                    * (self.to_force[0][axis] * gradient[0]
                        + self.to_force[1][axis] * gradient[1]
                        + self.to_force[2][axis] * gradient[2]);
            }
        }
    }
}

/// A mesh function at each atom, times half its charge.
pub(super) struct GatherValues<'a, const P: usize> {
    pub shape: &'a Shape,
    pub anchors: &'a [Anchor],
    pub stencils: &'a [Stencil],
    pub function: &'a [f32],
    /// Element of `values` to write.
    pub element: usize,
    pub values: &'a mut [[f32; 6]],
}

impl<const P: usize> LaneKernel for GatherValues<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: EightLanes>(self, lanes: S) {
        for ((anchor, stencil), values) in self.anchors.iter().zip(self.stencils).zip(self.values) {
            let value = value::<P, S>(lanes, self.shape, anchor, stencil, self.function);
            values[self.element] = 0.5 * anchor.charge * value;
        }
    }
}

/// A mesh function at an atom.
#[inline(always)]
fn value<const P: usize, S: EightLanes>(
    lanes: S,
    shape: &Shape,
    anchor: &Anchor,
    stencil: &Stencil,
    function: &[f32],
) -> f32 {
    let [x, y, z] = anchor.point.map(|p| p as usize);
    let starts: &[u32; P] = shape.row_starts[y..y + P].try_into().expect("P starts");
    let planes: &[u32; P] = shape.planes[x..x + P].try_into().expect("P planes");
    let mut sum = lanes.splat(0.0);
    for j in 0..P {
        let source = &function[planes[j] as usize * shape.plane..][..shape.plane];
        let mut along_y = lanes.splat(0.0);
        for i in 0..P {
            let at = starts[i] as usize + z;
            let row = lanes.load(source[at..at + LANES].try_into().expect("LANES points"));
            along_y = lanes.add(along_y, lanes.mul(lanes.splat(stencil.weight[1][i]), row));
        }
        sum = lanes.add(sum, lanes.mul(lanes.splat(stencil.weight[0][j]), along_y));
    }
    let mut p = [0.0; LANES];
    lanes.store(lanes.mul(sum, lanes.load(&stencil.weight[2])), &mut p);
    ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]))
}

/// d(potential)/du along the three mesh axes.
#[inline(always)]
fn gradient<const P: usize, S: EightLanes>(
    lanes: S,
    shape: &Shape,
    anchor: &Anchor,
    stencil: &Stencil,
    potential: &[f32],
) -> [f32; 3] {
    let [x, y, z] = anchor.point.map(|p| p as usize);
    let starts: &[u32; P] = shape.row_starts[y..y + P].try_into().expect("P starts");
    let planes: &[u32; P] = shape.planes[x..x + P].try_into().expect("P planes");
    let scaled = |factor: f32, v| lanes.mul(lanes.splat(factor), v);
    let mut sums = [lanes.splat(0.0); 3];
    for j in 0..P {
        let source = &potential[planes[j] as usize * shape.plane..][..shape.plane];
        let (mut value, mut slope_y) = (lanes.splat(0.0), lanes.splat(0.0));
        for i in 0..P {
            let at = starts[i] as usize + z;
            let row = lanes.load(source[at..at + LANES].try_into().expect("LANES points"));
            value = lanes.add(value, scaled(stencil.weight[1][i], row));
            slope_y = lanes.add(slope_y, scaled(stencil.slope[1][i], row));
        }
        sums[0] = lanes.add(sums[0], scaled(stencil.slope[0][j], value));
        sums[1] = lanes.add(sums[1], scaled(stencil.weight[0][j], slope_y));
        sums[2] = lanes.add(sums[2], scaled(stencil.weight[0][j], value));
    }
    let (weight, slope) = (lanes.load(&stencil.weight[2]), lanes.load(&stencil.slope[2]));
    [lanes.mul(sums[0], weight), lanes.mul(sums[1], weight), lanes.mul(sums[2], slope)].map(|product| {
        let mut p = [0.0; LANES];
        lanes.store(product, &mut p);
        ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesh_coordinates_are_exact_and_wrap() {
        assert_eq!(mesh_coordinate(0, 36), (0, 0.0));
        assert_eq!(mesh_coordinate(i32::MIN, 36), (18, 0.0));
        let (point, fraction) = mesh_coordinate(-1, 36);
        // -2^-32 of 36 points: 36 2^-32 below the next point, cut to 24 bits.
        assert_eq!(point, 35);
        assert!(fraction < 1.0 && fraction > 0.999_999_8);
        assert_eq!(mesh_coordinate(1 << 30, 30), (7, 0.5));
    }
}
