//! Generates WGSL for short Fourier transforms, and says which mesh sizes can be made of two of them.
//!
//! A transform of n = A B points is done in place in two passes (Cooley and Tukey 1965, doi:10.1090/S0025-5718-1965-0178586-1):
//! B transforms of length A over points at distance B, a multiplication by twiddle factors, A transforms of length B over
//! neighbours. Wave k then lies at place B (k mod A) + k/A; the inverse runs the passes backwards, so nothing is reordered.

use std::f64::consts::TAU;
use std::fmt::Write;

/// Longest transform that one thread does in its registers.
const LONGEST: usize = 10;
/// Points along an axis of the largest mesh: two passes of the longest transform.
pub const LARGEST_MESH: usize = LONGEST * LONGEST;

/// (A, B) with A B = `n` and both at most 10, as equal as possible; `None` if there are none.
pub fn passes(n: usize) -> Option<(usize, usize)> {
    let fits = |&a: &usize| {
        n.is_multiple_of(a) && n / a <= LONGEST && has_small_factors(a) && has_small_factors(n / a)
    };
    let a = (2..=LONGEST).filter(fits).min_by_key(|&a| (a.abs_diff(n / a), usize::MAX - a))?;
    Some((a, n / a))
}

fn has_small_factors(mut n: usize) -> bool {
    for prime in [2, 3, 5] {
        while n.is_multiple_of(prime) {
            n /= prime;
        }
    }
    n == 1
}

/// The smallest mesh size for this device that is at least `points`: even, so that rows share complex lines in pairs.
pub fn mesh_size(points: usize) -> Option<usize> {
    (points.max(8)..=LARGEST_MESH).find(|&n| n.is_multiple_of(2) && passes(n).is_some())
}

/// WGSL of a function `name` that transforms an array of `n` complex numbers in place, with exp(-2 pi i jk/n), or its
/// conjugate if `inverse` (not normalised).
pub fn transform(name: &str, n: usize, inverse: bool) -> String {
    let mut code = Code { text: String::new(), values: 0, sign: if inverse { 1.0 } else { -1.0 } };
    let inputs = (0..n).map(|j| code.value(&format!("(*x)[{j}]"))).collect();
    let outputs = code.transform(inputs);
    let mut text = format!("fn {name}(x: ptr<function, array<vec2<f32>, {n}>>) {{\n{}", code.text);
    for (k, output) in outputs.iter().enumerate() {
        let _ = writeln!(text, "    (*x)[{k}] = {output};");
    }
    text + "}\n"
}

/// Straight-line code: every value gets a name.
struct Code {
    text: String,
    values: usize,
    sign: f64,
}

impl Code {
    fn value(&mut self, expression: &str) -> String {
        let name = format!("t{}", self.values);
        self.values += 1;
        let _ = writeln!(self.text, "    let {name} = {expression};");
        name
    }

    /// Transform of the named values, in the order of the waves.
    fn transform(&mut self, x: Vec<String>) -> Vec<String> {
        let n = x.len();
        let radix = if n.is_multiple_of(4) && n > 4 {
            4
        } else {
            [2, 3, 5].into_iter().find(|p| n.is_multiple_of(*p)).unwrap_or(n)
        };
        match n {
            1 => x,
            4 => self.four(&x),
            _ if radix == n => self.prime(&x),
            _ => self.composite(&x, radix),
        }
    }

    /// The twiddle factor exp(sign 2 pi i k/n) times a value.
    fn turned(&mut self, x: &str, k: usize, n: usize) -> String {
        if k == 0 {
            return x.to_owned();
        }
        let angle = self.sign * TAU * k as f64 / n as f64;
        let (c, s) = (angle.cos(), angle.sin());
        self.value(&format!("fma(vec2({c:.9}), {x}, vec2({:.9}, {s:.9}) * {x}.yx)", -s))
    }

    fn composite(&mut self, x: &[String], p: usize) -> Vec<String> {
        let n = x.len();
        let q = n / p;
        let mut rows = vec![Vec::with_capacity(q); p];
        for b in 0..q {
            let column = self.transform((0..p).map(|a| x[q * a + b].clone()).collect());
            for (k, value) in column.iter().enumerate() {
                let value = self.turned(value, b * k, n);
                rows[k].push(value);
            }
        }
        let mut waves = vec![String::new(); n];
        for (k, row) in rows.into_iter().enumerate() {
            for (l, value) in self.transform(row).into_iter().enumerate() {
                waves[k + p * l] = value;
            }
        }
        waves
    }

    fn four(&mut self, x: &[String]) -> Vec<String> {
        let sum_02 = self.value(&format!("{} + {}", x[0], x[2]));
        let difference_02 = self.value(&format!("{} - {}", x[0], x[2]));
        let sum_13 = self.value(&format!("{} + {}", x[1], x[3]));
        let difference_13 = self.value(&format!("{} - {}", x[1], x[3]));
        let turned = if self.sign > 0.0 {
            self.value(&format!("vec2(-{difference_13}.y, {difference_13}.x)"))
        } else {
            self.value(&format!("vec2({difference_13}.y, -{difference_13}.x)"))
        };
        vec![
            self.value(&format!("{sum_02} + {sum_13}")),
            self.value(&format!("{difference_02} + {turned}")),
            self.value(&format!("{sum_02} - {sum_13}")),
            self.value(&format!("{difference_02} - {turned}")),
        ]
    }

    /// X_k = x_0 + sum_j cos(2 pi jk/n) (x_j + x_(n-j)) +- i sum_j sin(2 pi jk/n) (x_j - x_(n-j)), j up to (n-1)/2; every
    /// product is added by fma.
    fn prime(&mut self, x: &[String]) -> Vec<String> {
        let n = x.len();
        if n == 2 {
            return vec![
                self.value(&format!("{} + {}", x[0], x[1])),
                self.value(&format!("{} - {}", x[0], x[1])),
            ];
        }
        let half = n / 2;
        let sums: Vec<_> = (1..=half).map(|j| self.value(&format!("{} + {}", x[j], x[n - j]))).collect();
        let differences: Vec<_> =
            (1..=half).map(|j| self.value(&format!("{} - {}", x[j], x[n - j]))).collect();
        let mut waves = vec![String::new(); n];
        waves[0] = self.value(&format!("{} + {}", x[0], sums.join(" + ")));
        for k in 1..=half {
            let angle = |j: usize| TAU * ((j * k) % n) as f64 / n as f64;
            let mut even = x[0].clone();
            for (j, sum) in (1..).zip(&sums) {
                even = format!("fma(vec2({:.9}), {sum}, {even})", angle(j).cos());
            }
            let even = self.value(&even);
            let (mut plus, mut minus) = (even.clone(), even);
            for (j, difference) in (1..).zip(&differences) {
                let sine = self.sign * angle(j).sin();
                plus = format!("fma(vec2({:.9}, {sine:.9}), {difference}.yx, {plus})", -sine);
                minus = format!("fma(vec2({sine:.9}, {:.9}), {difference}.yx, {minus})", -sine);
            }
            waves[k] = self.value(&plus);
            waves[n - k] = self.value(&minus);
        }
        waves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesh_sizes_have_two_short_passes() {
        assert_eq!(passes(36), Some((6, 6)));
        assert_eq!(passes(7), None);
        assert_eq!(mesh_size(33), Some(36));
        assert_eq!(mesh_size(47), Some(48));
        assert_eq!(mesh_size(101), None);
        for n in (8..=100).filter_map(mesh_size) {
            let (a, b) = passes(n).unwrap();
            assert!(a * b == n && a <= LONGEST && b <= LONGEST);
        }
    }
}
