//! The smooth part of the screened Coulomb interaction as polynomials in r^2.
//!
//! erfc(a r)/r = 1/r - e(r^2) with e(r^2) = erf(a r)/r, and the force over r of a unit charge pair is 1/r^3 - f(r^2) with
//! f = (erf(a r)/r - 2a/sqrt(pi) exp(-a^2 r^2))/r^2 = -2 de/d(r^2). Both are entire functions of r^2, so that one
//! Chebyshev fit each replaces a division and an exponential.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use super::lanes::Lanes;

/// e(r^2), exact: series for small arguments, erf elsewhere.
pub fn energy(alpha: f64, r2: f64) -> f64 {
    alpha * boys(0, alpha * alpha * r2)
}

/// f(r^2) = -2 de/d(r^2), exact.
pub fn force(alpha: f64, r2: f64) -> f64 {
    2.0 * alpha.powi(3) * boys(1, alpha * alpha * r2)
}

/// 2/sqrt(pi) times the Boys function F_n(x) = int_0^1 t^2n exp(-x t^2) dt, by the series
/// exp(-x) sum_k (2x)^k / ((2n+1)(2n+3)...(2n+2k+1)), whose terms are all positive.
fn boys(n: u32, x: f64) -> f64 {
    let mut term = 1.0 / f64::from(2 * n + 1);
    let mut sum = term;
    let mut denominator = f64::from(2 * n + 1);
    while term > 1e-17 * sum {
        denominator += 2.0;
        term *= 2.0 * x / denominator;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x).exp() * sum
}

/// A polynomial in r^2 on [0, r_max^2], in f32.
#[derive(Clone, Debug)]
pub struct Polynomial {
    scale: f32,
    /// Highest power first.
    coefficients: Vec<f32>,
}

impl Polynomial {
    /// Chebyshev interpolation of `function` on [0, `r2_max`], of the lowest degree whose last coefficients are below
    /// 2e-8 of its largest value (a third of an ulp in f32).
    pub fn fit(function: impl Fn(f64) -> f64, r2_max: f64) -> Self {
        const NODES: usize = 48;
        let node = |k: usize| (std::f64::consts::PI * (k as f64 + 0.5) / NODES as f64).cos();
        let values: Vec<f64> = (0..NODES).map(|k| function(0.5 * r2_max * (node(k) + 1.0))).collect();
        let chebyshev: Vec<f64> = (0..NODES)
            .map(|j| {
                let sum: f64 = (0..NODES)
                    .map(|k| {
                        values[k] * (std::f64::consts::PI * j as f64 * (k as f64 + 0.5) / NODES as f64).cos()
                    })
                    .sum();
                sum * if j == 0 { 1.0 } else { 2.0 } / NODES as f64
            })
            .collect();
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let degree = (0..NODES).rev().find(|&j| chebyshev[j].abs() > 2e-8 * largest).unwrap_or(0);
        Self {
            scale: (2.0 / r2_max) as f32,
            coefficients: monomials(&chebyshev[..=degree]).into_iter().rev().map(|c| c as f32).collect(),
        }
    }

    /// Its value for r^2 in the fitted range; outside it is meaningless but finite for moderate arguments.
    #[inline(always)]
    pub fn evaluate<L: Lanes>(&self, r2: L) -> L {
        let z = r2.mul_add(L::splat(self.scale), L::splat(-1.0));
        let mut p = L::splat(self.coefficients[0]);
        for &c in &self.coefficients[1..] {
            p = p.mul_add(z, L::splat(c));
        }
        p
    }
}

/// Chebyshev series to powers of z, lowest first.
fn monomials(chebyshev: &[f64]) -> Vec<f64> {
    let n = chebyshev.len();
    let mut previous = vec![0.0; n];
    let mut current = vec![0.0; n];
    let mut result = vec![0.0; n];
    previous[0] = 1.0;
    result[0] += chebyshev[0];
    if n > 1 {
        current[1] = 1.0;
        result[1] += chebyshev[1];
    }
    for &c in chebyshev.iter().skip(2) {
        let mut next = vec![0.0; n];
        for k in 0..n {
            next[k] = -previous[k] + if k > 0 { 2.0 * current[k - 1] } else { 0.0 };
        }
        for (r, t) in result.iter_mut().zip(&next) {
            *r += c * t;
        }
        previous = std::mem::replace(&mut current, next);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::lanes::{LANES, Portable};
    use super::*;

    /// erf from a table (Abramowitz and Stegun, table 7.1): erf(1) = 0.8427007929, erf(2) = 0.9953222650.
    #[test]
    fn smooth_part_is_erf_over_r() {
        assert!((energy(1.0, 1.0) - 0.842_700_792_9).abs() < 1e-10);
        assert!((energy(0.5, 16.0) - 0.995_322_265_0 / 4.0).abs() < 1e-10);
        // f = -2 de/d(r^2) by central difference, error (1e-4)^2.
        let h = 1e-4;
        let slope = (energy(0.3, 9.0 + h) - energy(0.3, 9.0 - h)) / (2.0 * h);
        assert!((force(0.3, 9.0) + 2.0 * slope).abs() < 1e-9);
    }

    #[test]
    fn polynomials_are_as_good_as_single_precision() {
        for alpha in [0.25, 0.325, 0.45] {
            let r2_max = 110.0;
            for function in [energy as fn(f64, f64) -> f64, force] {
                let polynomial = Polynomial::fit(|r2| function(alpha, r2), r2_max);
                let largest = function(alpha, 0.0);
                for k in 0..2000 {
                    let r2 = r2_max * f64::from(k) / 2000.0;
                    let mut lanes = [0.0; LANES];
                    polynomial.evaluate(Portable::splat(r2 as f32)).store(&mut lanes);
                    let error = (f64::from(lanes[0]) - function(alpha, r2)).abs() / largest;
                    // A few roundings of 6e-8 in Horner's rule with coefficients of order one.
                    assert!(error < 6e-7, "alpha {alpha}, r2 {r2}: {error:e}");
                }
            }
        }
    }
}
