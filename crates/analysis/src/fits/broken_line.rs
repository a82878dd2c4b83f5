//! Two straight lines that meet: y = y_b + s_1 (x - b) below the break b, y_b + s_2 (x - b) above it.
//!
//! At a given break this is linear; the break with the least squares is found by a scan over the data and a golden-section search.
//! The break is significant if it describes the points better than a parabola, which has one parameter less and bends without
//! a break: F-test at the 1 % level (critical value 7 to 9 from 10 points on).

use nalgebra::{DMatrix, DVector};

use super::{Points, Undetermined};

/// F(1, n) at 1 % is 10.0 for n = 10, 7.6 for 30, 6.6 for many: the largest of these.
const CRITICAL_F: f64 = 10.0;
/// Points on either side of a break.
const FEWEST_A_SIDE: usize = 3;
/// Places that are tried.
const SCAN: usize = 200;
/// Steps of the golden-section search: 0.618^40 = 4e-9 of a scan interval.
const GOLDEN_STEPS: usize = 40;

/// The best broken line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrokenLine {
    /// Where the lines meet.
    pub at: f64,
    /// y there.
    pub height: f64,
    /// Slope below.
    pub slope_below: f64,
    /// Slope above.
    pub slope_above: f64,
    /// Standard error of `at` from the scatter of the points, as if they were independent.
    pub at_error: f64,
}

/// Fits a broken line; undetermined without a significant break inside the data.
pub fn fit(points: Points) -> Result<BrokenLine, Undetermined> {
    points.check()?;
    let n = points.x.len();
    let mut sorted = points.x.to_vec();
    sorted.sort_by(f64::total_cmp);
    if n < 2 * FEWEST_A_SIDE + 2 {
        return Err(Undetermined::because(format!(
            "{n} points for two lines; give at least {}",
            2 * FEWEST_A_SIDE + 2
        )));
    }
    let (low, high) = (sorted[FEWEST_A_SIDE - 1], sorted[n - FEWEST_A_SIDE]);
    if low >= high {
        return Err(Undetermined::because("the points do not spread over x"));
    }
    let chi = |b: f64| at_break(points, b).map_or(f64::INFINITY, |(_, chi)| chi);
    let place = |k: usize| low + (high - low) * k as f64 / SCAN as f64;
    let best = (0..=SCAN).min_by(|a, b| chi(place(*a)).total_cmp(&chi(place(*b)))).unwrap_or(0);
    if best == 0 || best == SCAN {
        return Err(Undetermined::because("the break lies at the end of the data: there is one line only"));
    }
    let at = golden(place(best - 1), place(best + 1), chi);
    let (p, chi_squared) = at_break(points, at).ok_or_else(|| Undetermined::because("no two lines"))?;
    let degrees = (n - 4) as f64;
    let scatter = chi_squared / degrees;
    let (_, parabola) = polynomial(points).ok_or_else(|| Undetermined::because("no parabola"))?;
    let f = (parabola - chi_squared) / scatter;
    // Exact data have no scatter: what a parabola leaves is then a break.
    if f.is_nan() || f < CRITICAL_F {
        return Err(Undetermined::because(format!(
            "no significant break: a smooth curve describes the points as well (F = {f:.1} below {CRITICAL_F})"
        )));
    }
    let [height, below, above] = p;
    Ok(BrokenLine {
        at,
        height,
        slope_below: below,
        slope_above: above,
        at_error: scatter.sqrt() * curvature_error(points, at, above - below),
    })
}

/// Standard error of the break for a unit scatter: the last element of (J^T W J)^-1 with dy/db = -s_1 below and -s_2 above.
fn curvature_error(points: Points, at: f64, bend: f64) -> f64 {
    let n = points.x.len();
    let jacobian = DMatrix::from_fn(n, 4, |i, j| {
        let d = points.x[i] - at;
        // Moving the break at fixed lines shifts the upper line by -bend (and the height, which is free).
        let value = match j {
            0 => 1.0,
            1 => d.min(0.0),
            2 => d.max(0.0),
            _ => {
                if d > 0.0 {
                    -bend
                } else {
                    0.0
                }
            }
        };
        value / points.error(i)
    });
    (jacobian.transpose() * jacobian).try_inverse().map_or(f64::NAN, |c| c[(3, 3)].max(0.0).sqrt())
}

/// Height and slopes at a given break, with the sum of squares.
fn at_break(points: Points, b: f64) -> Option<([f64; 3], f64)> {
    let columns = |x: f64| [1.0, (x - b).min(0.0), (x - b).max(0.0)];
    linear(points, columns)
}

fn polynomial(points: Points) -> Option<([f64; 3], f64)> {
    let n = points.x.len() as f64;
    let centre = points.x.iter().sum::<f64>() / n;
    let width = points.x.iter().fold(0.0, |w: f64, x| w.max((x - centre).abs()));
    linear(points, |x| {
        let u = (x - centre) / width;
        [1.0, u, u * u]
    })
}

fn linear(points: Points, columns: impl Fn(f64) -> [f64; 3]) -> Option<([f64; 3], f64)> {
    let n = points.x.len();
    let rows: Vec<[f64; 3]> = points.x.iter().map(|x| columns(*x)).collect();
    let matrix = DMatrix::from_fn(n, 3, |i, j| rows[i][j] / points.error(i));
    let right = DVector::from_fn(n, |i, _| points.y[i] / points.error(i));
    let solution = matrix.clone().svd(true, true).solve(&right, 1e-12).ok()?;
    let chi_squared = (matrix * &solution - right).norm_squared();
    Some(([solution[0], solution[1], solution[2]], chi_squared))
}

fn golden(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let ratio = 0.5 * (5f64.sqrt() - 1.0);
    for _ in 0..GOLDEN_STEPS {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if f(a) < f(b) {
            high = b;
        } else {
            low = a;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use vitrion_core::random::{Counter, Stream};

    use super::*;

    fn law(t: f64) -> f64 {
        2.2 - if t < 333.0 { 2e-4 } else { 7e-4 } * (t - 333.0)
    }

    fn noise(draw: u64, i: u32) -> f64 {
        Counter { seed: 3, stream: Stream::Velocity, replica: 0, step: draw, particle: i }.normal()[0]
    }

    fn draw(draw: u64, curve: impl Fn(f64) -> f64, noise_width: f64) -> (Vec<f64>, Vec<f64>) {
        (0..40u32)
            .map(|i| {
                let t = 255.0 + 5.0 * f64::from(i);
                (t, curve(t) + noise_width * noise(draw, i))
            })
            .unzip()
    }

    #[test]
    fn exact_lines_meet_where_they_meet() {
        let (x, y) = draw(0, law, 0.0);
        let found = fit(Points { x: &x, y: &y, errors: None }).unwrap();
        // The search ends within 4e-9 of a kelvin or so; sums of squares are flat to the square root of round-off.
        assert!((found.at - 333.0).abs() < 1e-3, "{found:?}");
        assert!((found.slope_below + 2e-4).abs() < 1e-8 && (found.slope_above + 7e-4).abs() < 1e-8);
        assert!((found.height - 2.2).abs() < 1e-6);
    }

    #[test]
    fn errors_of_the_break_cover_the_truth() {
        let covered = (0..200)
            .filter(|k| {
                let (x, y) = draw(*k, law, 2e-3);
                let found = fit(Points { x: &x, y: &y, errors: None }).unwrap();
                (found.at - 333.0).abs() < found.at_error
            })
            .count();
        // 68.3 % of 200, +- 2 standard deviations of 6.6.
        assert!((123..=150).contains(&covered), "{covered}");
    }

    #[test]
    fn lines_and_smooth_bends_have_no_break() {
        let mut refused = 0;
        for k in 0..50 {
            let (x, line) = draw(k, |t| 2.2 - 5e-4 * (t - 333.0), 2e-3);
            let (_, bend) = draw(k, |t| 2.2 - 5e-4 * (t - 333.0) - 1.5e-6 * (t - 333.0).powi(2), 2e-3);
            refused += u32::from(fit(Points { x: &x, y: &line, errors: None }).is_err());
            refused += u32::from(fit(Points { x: &x, y: &bend, errors: None }).is_err());
        }
        // The level is 1 % for a fixed break; a searched one has some more chances.
        assert!(refused >= 93, "{refused} of 100");
        assert!(fit(Points { x: &[1.0, 2.0, 3.0], y: &[1.0; 3], errors: None }).is_err());
    }
}
