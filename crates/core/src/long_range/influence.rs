//! The influence function of smooth particle-mesh Ewald, and energy and virial in reciprocal space.
//!
//! With F(m) the transform of the mesh charges, E = 1/2 sum_m G(m) |F(m)|^2 and
//! G(m) = e^2/(4 pi eps0) / (pi V) exp(-pi^2 k^2/alpha^2)/k^2 |b_1 b_2 b_3|^2, where k = m_1 a* + m_2 b* + m_3 c*
//! (Essmann et al. 1995, doi:10.1063/1.470117, equation 4.7). On an even grid m = K/2 stands for K/2 and -K/2 alike; in a
//! triclinic cell the two have different k^2, the spline represents neither, and exp() is far below any useful accuracy
//! there, so G is zero: the mesh potential stays real and odd orders stay finite.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use glam::{DMat3, DVec3};
use rustfft::num_complex::Complex32;

use super::b_spline::{LANES, inverse_moduli};
use crate::cell::Cell;
use crate::cpu::simd::{EightLanes, Kernel, LaneKernel};
use crate::units::COULOMB;

/// Tables that depend on the grid and the order only.
#[derive(Clone, Debug)]
pub(super) struct Waves {
    alpha: f64,
    /// Per axis and mesh index: m, negative in the upper half.
    numbers: [Vec<f64>; 3],
    /// Per axis and mesh index: |b(m)|^2, zero at the Nyquist point of an even grid.
    moduli: [Vec<f64>; 3],
    /// m along a, for the sums.
    numbers_a: Vec<f32>,
    moduli_a: Vec<f32>,
}

/// Row sums of one (m_2, m_3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// Energy (u A^2/ps^2).
    pub energy: f64,
    /// Virial (u A^2/ps^2).
    pub virial: DMat3,
}

impl Sums {
    /// Nothing summed yet. (The default matrix is the identity.)
    pub const ZERO: Self = Self { energy: 0.0, virial: DMat3::ZERO };
}

/// k = m_1 a + rest for one row of constant (m_2, m_3).
struct RowVectors {
    a: DVec3,
    rest: DVec3,
}

impl RowVectors {
    /// k^2 = c[0] + c[1] m_1 + c[2] m_1^2.
    fn square(&self) -> [f64; 3] {
        [self.rest.length_squared(), 2.0 * self.a.dot(self.rest), self.a.length_squared()]
    }
}

impl Waves {
    pub fn new(alpha: f64, order: usize, grid: [usize; 3]) -> Self {
        let numbers = grid.map(|points| {
            (0..points).map(|m| if 2 * m > points { m as f64 - points as f64 } else { m as f64 }).collect()
        });
        let moduli = grid.map(|points| {
            let mut b = inverse_moduli(order, points);
            if points.is_multiple_of(2) {
                b[points / 2] = 0.0;
            }
            b
        });
        let [numbers, moduli]: [[Vec<f64>; 3]; 2] = [numbers, moduli];
        let single = |v: &[f64]| v.iter().map(|&x| x as f32).collect();
        Self { alpha, numbers_a: single(&numbers[0]), moduli_a: single(&moduli[0]), numbers, moduli }
    }

    fn row(&self, cell: &Cell, row: usize) -> (RowVectors, f64) {
        let points_b = self.numbers[1].len();
        let (z, y) = (row / points_b, row % points_b);
        let reciprocal = cell.inverse().transpose();
        let rest = reciprocal.y_axis * self.numbers[1][y] + reciprocal.z_axis * self.numbers[2][z];
        (RowVectors { a: reciprocal.x_axis, rest }, self.moduli[1][y] * self.moduli[2][z])
    }

    /// How often row `row` of the half spectrum (m_3 >= 0) occurs in the whole.
    fn multiplicity(&self, row: usize) -> f64 {
        let (points_b, points_c) = (self.numbers[1].len(), self.numbers[2].len());
        let z = row / points_b;
        if z == 0 || 2 * z == points_c { 1.0 } else { 2.0 }
    }
}

/// Fills rows `first_row ..` of the influence function, each over m_1.
pub(super) struct FillInfluence<'a> {
    pub waves: &'a Waves,
    pub cell: &'a Cell,
    pub first_row: usize,
    pub rows: &'a mut [f32],
}

impl Kernel for FillInfluence<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let points_a = self.waves.numbers_a.len();
        let decay = -(std::f64::consts::PI / self.waves.alpha).powi(2);
        let prefactor = COULOMB / (std::f64::consts::PI * self.cell.volume());
        for (index, row) in self.rows.chunks_exact_mut(points_a).enumerate() {
            let (vectors, moduli) = self.waves.row(self.cell, self.first_row + index);
            let c = vectors.square();
            let scale = (prefactor * moduli) as f32;
            let numbers = &self.waves.numbers[0][..points_a];
            let moduli_a = &self.waves.moduli_a[..points_a];
            for x in 0..points_a {
                let k2 = c[0] + numbers[x] * (c[1] + numbers[x] * c[2]);
                row[x] = scale * moduli_a[x] * exponential((decay * k2) as f32) / k2 as f32;
            }
            if self.first_row + index == 0 {
                row[0] = 0.0;
            }
        }
    }
}

/// exp(x) for x <= 0 to 2e-7 relative; zero below -87. Vectorises, unlike the library's.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    const ROUNDER: f32 = 12_582_912.0;
    // ln 2 in two parts, so that n ln 2 loses no digits.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x < -87.0 { -87.0 } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let series = 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = series * r + 1.0;
    let series = series * r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127) << 23;
    let value = series * f32::from_bits(exponent);
    if x < -87.0 { 0.0 } else { value }
}

/// Multiplies rows of the spectrum by the influence function.
pub(super) struct ApplyInfluence<'a> {
    pub influence: &'a [f32],
    pub spectrum: &'a mut [Complex32],
}

impl Kernel for ApplyInfluence<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (f, &g) in self.spectrum.iter_mut().zip(self.influence) {
            f.re *= g;
            f.im *= g;
        }
    }
}

/// Writes rows of the spectrum times the influence function times an element of 1 - 2 (1/k^2 + pi^2/alpha^2) k k^T: the
/// transform of the potential whose value at a charge is that element of the virial of its pairs.
pub(super) struct ApplyTensor<'a> {
    pub waves: &'a Waves,
    pub cell: &'a Cell,
    pub first_row: usize,
    pub influence: &'a [f32],
    pub spectrum: &'a [Complex32],
    /// Row and column of the element.
    pub element: (usize, usize),
    pub product: &'a mut [Complex32],
}

impl Kernel for ApplyTensor<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let points_a = self.waves.numbers_a.len();
        let (i, j) = self.element;
        let diagonal = if i == j { 1.0 } else { 0.0 };
        let constant = (std::f64::consts::PI / self.waves.alpha).powi(2);
        let rows = self.spectrum.chunks_exact(points_a).zip(self.influence.chunks_exact(points_a));
        for (index, ((spectrum, influence), product)) in
            rows.zip(self.product.chunks_exact_mut(points_a)).enumerate()
        {
            let (vectors, _) = self.waves.row(self.cell, self.first_row + index);
            let c = vectors.square();
            // The wave k = 0 has no influence; it only must not divide by zero.
            let c0 = c[0].max(f64::from(f32::MIN_POSITIVE) * 4.0);
            let (a, rest) = (vectors.a, vectors.rest);
            let numbers = &self.waves.numbers[0][..points_a];
            for x in 0..points_a {
                let m = numbers[x];
                let k2 = c0 + m * (c[1] + m * c[2]);
                let k_k = (rest[i] + m * a[i]) * (rest[j] + m * a[j]);
                let weight = influence[x] * (diagonal - 2.0 * (1.0 / k2 + constant) * k_k) as f32;
                product[x] = Complex32::new(spectrum[x].re * weight, spectrum[x].im * weight);
            }
        }
    }
}

/// Energy and virial of rows `first_row ..` before the influence function is applied:
/// W = sum_m E_m (1 - 2 (1/k^2 + pi^2/alpha^2) k k^T).
pub(super) struct SumRows<'a> {
    pub waves: &'a Waves,
    pub cell: &'a Cell,
    pub first_row: usize,
    pub influence: &'a [f32],
    pub spectrum: &'a [Complex32],
}

impl LaneKernel for SumRows<'_> {
    type Output = Sums;
    #[inline(always)]
    fn run<S: EightLanes>(self, lanes: S) -> Sums {
        let points_a = self.waves.numbers_a.len();
        let mut total = Sums::ZERO;
        let rows = self.spectrum.chunks_exact(points_a).zip(self.influence.chunks_exact(points_a));
        for (index, (spectrum, influence)) in rows.enumerate() {
            let (vectors, _) = self.waves.row(self.cell, self.first_row + index);
            let coefficients = vectors.square();
            let [energy, t0, t1, t2] = RowSums::new(lanes, coefficients, self.waves.alpha).of_row(
                spectrum,
                influence,
                &self.waves.numbers_a,
            );
            let half = 0.5 * self.waves.multiplicity(self.first_row + index);
            let outer = |u: DVec3, v: DVec3| DMat3::from_cols(u * v.x, u * v.y, u * v.z);
            let (a, rest) = (vectors.a, vectors.rest);
            let tensor = outer(a, a) * t2 + (outer(a, rest) + outer(rest, a)) * t1 + outer(rest, rest) * t0;
            total.energy += half * energy;
            total.virial += (DMat3::from_diagonal(DVec3::splat(energy)) - tensor) * half;
        }
        total
    }
}

/// Sums over m of e, e g, e g m, e g m^2 with e = G |F|^2 and g = 2 (1/k^2 + pi^2/alpha^2). Eight interleaved f32 partial
/// sums a row (at most a few dozen terms each), joined in f64: the order never changes.
struct RowSums<S: EightLanes> {
    lanes: S,
    /// k^2 = c[0] + m (c[1] + m c[2]).
    square: [S::Vector; 3],
    /// 2 pi^2/alpha^2.
    constant: S::Vector,
    sums: [S::Vector; 4],
}

impl<S: EightLanes> RowSums<S> {
    #[inline(always)]
    fn new(lanes: S, square: [f64; 3], alpha: f64) -> Self {
        // The wave k = 0 has e = 0; it only must not divide by zero.
        let constant_term = square[0].max(f64::from(f32::MIN_POSITIVE) * 4.0);
        Self {
            lanes,
            square: [constant_term, square[1], square[2]].map(|c| lanes.splat(c as f32)),
            constant: lanes.splat((2.0 * (std::f64::consts::PI / alpha).powi(2)) as f32),
            sums: [lanes.splat(0.0); 4],
        }
    }

    #[inline(always)]
    fn of_row(mut self, spectrum: &[Complex32], influence: &[f32], numbers: &[f32]) -> [f64; 4] {
        let whole = spectrum.len() / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            let range = start..start + LANES;
            self.add(
                spectrum[range.clone()].try_into().expect("LANES waves"),
                influence[range.clone()].try_into().expect("LANES waves"),
                numbers[range].try_into().expect("LANES waves"),
            );
        }
        if whole < spectrum.len() {
            // Filled up with waves of zero charge.
            let rest = spectrum.len() - whole;
            let (mut f, mut g, mut m) = ([Complex32::ZERO; LANES], [0.0; LANES], [1.0; LANES]);
            f[..rest].copy_from_slice(&spectrum[whole..]);
            g[..rest].copy_from_slice(&influence[whole..]);
            m[..rest].copy_from_slice(&numbers[whole..]);
            self.add(&f, &g, &m);
        }
        self.sums.map(|sum| {
            let mut s = [0.0; LANES];
            self.lanes.store(sum, &mut s);
            s.iter().map(|&x| f64::from(x)).sum()
        })
    }

    #[inline(always)]
    fn add(&mut self, f: &[Complex32; LANES], g: &[f32; LANES], m: &[f32; LANES]) {
        let lanes = self.lanes;
        let (g, m) = (lanes.load(g), lanes.load(m));
        let e = lanes.mul(g, lanes.squared_norms(f));
        let [c0, c1, c2] = self.square;
        let k2 = lanes.add(c0, lanes.mul(m, lanes.add(c1, lanes.mul(m, c2))));
        let t = lanes.mul(e, lanes.add(lanes.div(lanes.splat(2.0), k2), self.constant));
        let tm = lanes.mul(t, m);
        for (sum, term) in self.sums.iter_mut().zip([e, t, tm, lanes.mul(tm, m)]) {
            *sum = lanes.add(*sum, term);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_agrees_with_the_library() {
        for step in 0..8700 {
            let x = -0.01 * step as f32;
            let exact = f64::from(x).exp();
            // Rounding of x log2(e) is compensated; what remains is the series' last terms and a few roundings.
            assert!((f64::from(exponential(x)) / exact - 1.0).abs() < 4e-7, "{x}");
        }
        assert_eq!(exponential(-1e9), 0.0);
    }
}
