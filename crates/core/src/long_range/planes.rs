//! Fourier transforms of the mesh: planes of constant x along c and b, then columns along a.
//!
//! Two real rows make one complex line, so a real plane costs half the transforms of a complex one. Only m_3 >= 0 is kept:
//! the *half spectrum* of a plane is `[m_3][m_2]`, and of the mesh `[m_3][m_2][m_1]`.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use super::b_spline::LANES;
use super::mesh::Shape;
use crate::cpu::simd::{Kernel, dispatch};

/// Transforms of one grid.
#[derive(Clone)]
pub(super) struct Transforms {
    /// Per axis.
    pub forward: [Arc<dyn Fft<f32>>; 3],
    /// Per axis, not normalised.
    pub inverse: [Arc<dyn Fft<f32>>; 3],
    /// Complex numbers of scratch that any of them needs.
    pub scratch: usize,
}

impl Transforms {
    pub fn new(grid: [usize; 3]) -> Self {
        let mut planner = FftPlanner::new();
        let forward = grid.map(|n| planner.plan_fft_forward(n));
        let inverse = grid.map(|n| planner.plan_fft_inverse(n));
        let scratch =
            forward.iter().chain(&inverse).map(|fft| fft.get_inplace_scratch_len()).max().unwrap_or(0);
        Self { forward, inverse, scratch }
    }
}

/// Rows of a plane's half spectrum.
pub(super) fn half_rows(grid: [usize; 3]) -> usize {
    (grid[2] / 2 + 1) * grid[1]
}

/// Complex numbers in the lines of one plane.
pub(super) fn line_space(grid: [usize; 3]) -> usize {
    grid[1].div_ceil(2) * grid[2]
}

/// One plane of integer charges to its half spectrum `[m_3][m_2]`. `scale` turns the integers into charges. Returns the
/// largest |integer| found.
pub(super) fn forward(
    shape: &Shape,
    transforms: &Transforms,
    scale: f32,
    charges: &mut [i32],
    lines: &mut [Complex32],
    spectrum: &mut [Complex32],
    scratch: &mut [Complex32],
) -> u32 {
    let peak = dispatch(PackCharges { shape, scale: 0.5 * scale, charges, lines });
    transforms.forward[2].process_with_scratch(lines, scratch);
    dispatch(SeparateRows { shape, lines, spectrum });
    transforms.forward[1].process_with_scratch(spectrum, scratch);
    peak
}

/// The half spectrum of one plane (destroyed) to the potential on its points, padding included.
pub(super) fn inverse(
    shape: &Shape,
    transforms: &Transforms,
    spectrum: &mut [Complex32],
    lines: &mut [Complex32],
    potential: &mut [f32],
    scratch: &mut [Complex32],
) {
    transforms.inverse[1].process_with_scratch(spectrum, scratch);
    dispatch(JoinRows { shape, spectrum, lines });
    transforms.inverse[2].process_with_scratch(lines, scratch);
    dispatch(UnpackPotential { shape, lines, potential });
}

/// Adds each row's padding to its beginning and packs rows 2j and 2j + 1 into line j.
struct PackCharges<'a> {
    shape: &'a Shape,
    scale: f32,
    charges: &'a mut [i32],
    lines: &'a mut [Complex32],
}

impl Kernel for PackCharges<'_> {
    type Output = u32;
    #[inline(always)]
    fn run(self) -> u32 {
        let (row, points) = (self.shape.row, self.shape.grid[2]);
        let mut peak = 0;
        for charges in self.charges.chunks_exact_mut(row) {
            let (body, padding) = charges.split_at_mut(points);
            for (b, p) in body.iter_mut().zip(padding.iter()) {
                *b = b.wrapping_add(*p);
            }
            for b in body {
                peak = peak.max(b.unsigned_abs());
            }
        }
        for (line, rows) in self.lines.chunks_exact_mut(points).zip(self.charges.chunks(2 * row)) {
            let even = &rows[..points];
            if rows.len() == 2 * row {
                let odd = &rows[row..row + points];
                for z in 0..points {
                    line[z] = Complex32::new(even[z] as f32 * self.scale, odd[z] as f32 * self.scale);
                }
            } else {
                for z in 0..points {
                    line[z] = Complex32::new(even[z] as f32 * self.scale, 0.0);
                }
            }
        }
        peak
    }
}

/// Z_j = X_2j + i X_2j+1 gives X_2j = (Z(m) + Z*(-m))/2 and X_2j+1 = (Z(m) - Z*(-m))/2i; the 1/2 is in the packing.
struct SeparateRows<'a> {
    shape: &'a Shape,
    lines: &'a [Complex32],
    spectrum: &'a mut [Complex32],
}

impl Kernel for SeparateRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [_, rows, points] = self.shape.grid;
        for (m, target) in self.spectrum.chunks_exact_mut(rows).enumerate() {
            let opposite = if m == 0 { 0 } else { points - m };
            for (line, pair) in self.lines.chunks_exact(points).zip(target.chunks_mut(2)) {
                let (a, b) = (line[m], line[opposite]);
                pair[0] = Complex32::new(a.re + b.re, a.im - b.im);
                if let Some(odd) = pair.get_mut(1) {
                    *odd = Complex32::new(a.im + b.im, b.re - a.re);
                }
            }
        }
    }
}

/// The inverse of [`SeparateRows`]: lines of both signs of m_3 from the half spectrum of two real rows.
struct JoinRows<'a> {
    shape: &'a Shape,
    spectrum: &'a [Complex32],
    lines: &'a mut [Complex32],
}

impl Kernel for JoinRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [_, rows, points] = self.shape.grid;
        for (m, source) in self.spectrum.chunks_exact(rows).enumerate() {
            for (line, pair) in self.lines.chunks_exact_mut(points).zip(source.chunks(2)) {
                let even = pair[0];
                let odd = if pair.len() == 2 { pair[1] } else { Complex32::new(0.0, 0.0) };
                if m == 0 || 2 * m == points {
                    // Transforms of real rows are real here; rounding must not leak into the partner row.
                    line[m] = Complex32::new(even.re, odd.re);
                } else {
                    line[m] = Complex32::new(even.re - odd.im, even.im + odd.re);
                    line[points - m] = Complex32::new(even.re + odd.im, odd.re - even.im);
                }
            }
        }
    }
}

/// Splits the lines into rows and copies each row's beginning to its padding.
struct UnpackPotential<'a> {
    shape: &'a Shape,
    lines: &'a [Complex32],
    potential: &'a mut [f32],
}

impl Kernel for UnpackPotential<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let (row, points) = (self.shape.row, self.shape.grid[2]);
        for (line, rows) in self.lines.chunks_exact(points).zip(self.potential.chunks_mut(2 * row)) {
            let (even, odd) = rows.split_at_mut(row);
            if odd.is_empty() {
                for z in 0..points {
                    even[z] = line[z].re;
                }
            } else {
                for z in 0..points {
                    even[z] = line[z].re;
                    odd[z] = line[z].im;
                }
            }
        }
        for values in self.potential.chunks_exact_mut(row) {
            let (body, padding) = values.split_at_mut(points);
            padding.copy_from_slice(&body[..LANES]);
        }
    }
}
