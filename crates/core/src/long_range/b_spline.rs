//! Cardinal B-splines M_p: weights on the mesh, their slopes, and the moduli of the Euler exponential splines.
//!
//! Essmann et al., J. Chem. Phys. 103, 8577 (1995), doi:10.1063/1.470117, equations 4.1 to 4.8.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use crate::cpu::simd::EightLanes;

/// Lowest order for smooth particle-mesh Ewald here.
pub const MIN_ORDER: usize = 4;
/// Highest order: the eight weights of an atom along an axis fill one vector of f32.
pub const MAX_ORDER: usize = 8;
/// Weights are stored in rows of this length; those beyond the order are zero.
pub const LANES: usize = crate::cpu::simd::EIGHT;

/// Weights along one axis, one polynomial a mesh point.
///
/// An atom at mesh coordinate u = k + w (k integer, 0 <= w < 1) has the weight W_j(w) = M_p(w + p - 1 - j) on point
/// k + j, j = 0 .. p-1. That is Essmann's assignment moved by p - 1 points, a shift of the mesh's origin that cancels
/// between spreading and gathering. Coefficients are in powers of w - 1/2, where Horner's rule loses no digits.
#[derive(Clone, Debug)]
pub struct SplineWeights {
    /// `coefficients[n][j]` multiplies (w - 1/2)^n in W_j.
    coefficients: [[f32; LANES]; MAX_ORDER],
}

impl SplineWeights {
    /// The weights of order `order` (`MIN_ORDER ..= MAX_ORDER`).
    pub fn new(order: usize) -> Self {
        let exact = polynomials(order);
        let mut coefficients = [[0.0; LANES]; MAX_ORDER];
        for (n, row) in coefficients.iter_mut().enumerate() {
            for (j, c) in row.iter_mut().enumerate() {
                *c = exact[j][n] as f32;
            }
        }
        Self { coefficients }
    }

    /// All W_j(w) and dW_j/dw at `t` = w - 1/2.
    #[inline(always)]
    pub(crate) fn evaluate<const P: usize, S: EightLanes>(&self, lanes: S, t: f32) -> (S::Vector, S::Vector) {
        let t = lanes.splat(t);
        let mut value = lanes.load(&self.coefficients[P - 1]);
        let mut slope = lanes.splat(0.0);
        for n in (0..P - 1).rev() {
            slope = lanes.add(lanes.mul(slope, t), value);
            value = lanes.add(lanes.mul(value, t), lanes.load(&self.coefficients[n]));
        }
        (value, slope)
    }
}

/// The weights as polynomials, `[j][n]`: coefficient of (w - 1/2)^n in W_j (see [`SplineWeights`]); those of the first `order`
/// rows and columns are filled.
pub fn weight_polynomials(order: usize) -> [[f64; MAX_ORDER]; MAX_ORDER] {
    polynomials(order)
}

/// `[j][n]`: coefficient of (w - 1/2)^n in W_j, by M_n(u) = (u M_{n-1}(u) + (n - u) M_{n-1}(u - 1)) / (n - 1).
fn polynomials(order: usize) -> [[f64; MAX_ORDER]; MAX_ORDER] {
    let mut w = [[0.0; MAX_ORDER]; MAX_ORDER];
    w[0][0] = 1.0;
    for n in 2..=order {
        let lower = w;
        let divisor = (n - 1) as f64;
        for j in 0..n {
            let mut next = [0.0; MAX_ORDER];
            // Both factors are linear in t = w - 1/2: u = t + 1/2 + n - 1 - j, and n - u = 1/2 + j - t.
            if j > 0 {
                add_product(&mut next, &lower[j - 1], (n - 1 - j) as f64 + 0.5, 1.0);
            }
            add_product(&mut next, &lower[j], j as f64 + 0.5, -1.0);
            w[j] = next.map(|c| c / divisor);
        }
    }
    w
}

/// max M_p(u): the weight of a mesh point on which an atom of even order sits, or half-way between two for odd orders.
pub fn largest_weight(order: usize) -> f64 {
    let t = if order.is_multiple_of(2) { -0.5 } else { 0.0 };
    polynomials(order).iter().map(|w| w.iter().rev().fold(0.0, |sum, c| sum * t + c)).fold(0.0, f64::max)
}

/// `sum += p(t) (constant + linear t)`.
fn add_product(sum: &mut [f64; MAX_ORDER], p: &[f64; MAX_ORDER], constant: f64, linear: f64) {
    for n in 0..MAX_ORDER {
        sum[n] += constant * p[n];
        if n > 0 {
            sum[n] += linear * p[n - 1];
        }
    }
}

/// |b(m)|^2 = |sum over k of M_p(k + 1) exp(2 pi i m k / K)|^-2 for m = 0 .. K-1 (Essmann, equation 4.4).
///
/// For odd p and even K the sum vanishes at m = K/2, where the spline cannot represent the wave: the value there is the mean
/// of its neighbours, so that it stays harmless.
pub fn inverse_moduli(order: usize, points: usize) -> Vec<f64> {
    let weights = polynomials(order);
    let node = |k: usize| {
        // M_p(k + 1) is W_j at w = 0 with p - 1 - j = k + 1.
        weights[order - 2 - k].iter().rev().fold(0.0, |sum, c| sum * -0.5 + c)
    };
    let mut moduli: Vec<f64> = (0..points)
        .map(|m| {
            let (mut re, mut im) = (0.0, 0.0);
            for k in 0..order - 1 {
                // The angle is reduced in integers: large m k would lose digits.
                let angle = std::f64::consts::TAU * ((m * k) % points) as f64 / points as f64;
                re += node(k) * angle.cos();
                im += node(k) * angle.sin();
            }
            1.0 / (re * re + im * im)
        })
        .collect();
    if order % 2 == 1 && points.is_multiple_of(2) {
        let nyquist = points / 2;
        moduli[nyquist] = 0.5 * (moduli[nyquist - 1] + moduli[(nyquist + 1) % points]);
    }
    moduli
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::PortableLanes;

    /// M_p(u) by its recursion (Essmann, equation 4.1).
    fn spline(p: usize, u: f64) -> f64 {
        if p == 2 {
            return (1.0 - (u - 1.0).abs()).max(0.0);
        }
        let d = (p - 1) as f64;
        (u * spline(p - 1, u) + (p as f64 - u) * spline(p - 1, u - 1.0)) / d
    }

    fn weights(order: usize, t: f32) -> ([f32; LANES], [f32; LANES]) {
        let table = SplineWeights::new(order);
        match order {
            4 => table.evaluate::<4, _>(PortableLanes, t),
            5 => table.evaluate::<5, _>(PortableLanes, t),
            6 => table.evaluate::<6, _>(PortableLanes, t),
            7 => table.evaluate::<7, _>(PortableLanes, t),
            _ => table.evaluate::<8, _>(PortableLanes, t),
        }
    }

    #[test]
    fn weights_and_slopes_are_those_of_the_recursion() {
        for order in MIN_ORDER..=MAX_ORDER {
            for step in 0..16 {
                let w = f64::from(step) / 16.0;
                let (value, slope) = weights(order, (w - 0.5) as f32);
                for j in 0..LANES {
                    let u = w + order as f64 - 1.0 - j as f64;
                    let (exact, derivative) = if j < order {
                        (spline(order, u), spline(order - 1, u) - spline(order - 1, u - 1.0))
                    } else {
                        (0.0, 0.0)
                    };
                    // Eight rounded f32 operations on numbers below 1.
                    assert!((f64::from(value[j]) - exact).abs() < 3e-7, "order {order}, w {w}, j {j}");
                    assert!((f64::from(slope[j]) - derivative).abs() < 6e-7, "order {order}, w {w}, j {j}");
                }
            }
        }
    }

    #[test]
    fn moduli_are_finite_and_one_at_the_origin() {
        for order in MIN_ORDER..=MAX_ORDER {
            for points in [24, 30, 36, 45] {
                let moduli = inverse_moduli(order, points);
                // The weights sum to one; f64 sums of eight terms.
                assert!((moduli[0] - 1.0).abs() < 1e-13);
                // The largest is (pi/2)^(2p) at the Nyquist point, or the mean of its neighbours for odd orders, which is
                // larger by the vanishing of the sum there: (K/2)^2 at most.
                assert!(moduli.iter().all(|&b| (0.999..1e7).contains(&b)), "{order} {points}");
            }
        }
    }
}
