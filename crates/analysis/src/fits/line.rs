//! Straight lines y = a + b x by weighted least squares, solved directly.
//!
//! Bevington and Robinson, Data Reduction and Error Analysis for the Physical Sciences (2003), chapter 6.

use super::{Estimate, Points, Undetermined};

/// The best line. Written around the weighted mean of x, where height and slope are independent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Weighted mean of x.
    pub centre: f64,
    /// y at `centre`.
    pub height: Estimate,
    /// dy/dx.
    pub slope: Estimate,
    /// Sum of squared weighted residuals.
    pub chi_squared: f64,
    /// Points minus two.
    pub degrees_of_freedom: usize,
}

impl Line {
    /// y at x.
    pub fn at(&self, x: f64) -> Estimate {
        let d = x - self.centre;
        Estimate {
            value: self.height.value + self.slope.value * d,
            error: self.height.error.hypot(self.slope.error * d),
        }
    }
}

/// Fits a line. Without errors of the points, their scatter around the line gives those of the parameters (three points at
/// least).
pub fn fit(points: Points) -> Result<Line, Undetermined> {
    points.check()?;
    let n = points.x.len();
    let fewest = 2 + usize::from(points.errors.is_none());
    if n < fewest {
        return Err(Undetermined::because(format!("{n} points for a line; give at least {fewest}")));
    }
    let weight = |i: usize| points.error(i).powi(-2);
    let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(|i| weight(i) * f(i)).sum::<f64>();
    let total = sum(&|_| 1.0);
    let centre = sum(&|i| points.x[i]) / total;
    let height = sum(&|i| points.y[i]) / total;
    let spread = sum(&|i| (points.x[i] - centre).powi(2));
    let width = points.x.iter().fold(0.0, |w: f64, x| w.max((x - centre).abs()));
    // Differences of equal numbers leave round-off.
    if width <= 1e-12 * centre.abs() || spread == 0.0 {
        return Err(Undetermined::because("all points of a line have the same x"));
    }
    let slope = sum(&|i| (points.x[i] - centre) * (points.y[i] - height)) / spread;
    let chi_squared = sum(&|i| (points.y[i] - height - slope * (points.x[i] - centre)).powi(2));
    let degrees_of_freedom = n - 2;
    let scale = match points.errors {
        Some(_) => 1.0,
        None => chi_squared / degrees_of_freedom as f64,
    };
    Ok(Line {
        centre,
        height: Estimate { value: height, error: (scale / total).sqrt() },
        slope: Estimate { value: slope, error: (scale / spread).sqrt() },
        chi_squared,
        degrees_of_freedom,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_line_is_found_wherever_it_is() {
        let x: Vec<f64> = (0..5).map(|i| 1e6 + f64::from(i)).collect();
        let y: Vec<f64> = x.iter().map(|x| 3.0 - 0.25 * (x - 1e6)).collect();
        let line = fit(Points { x: &x, y: &y, errors: None }).unwrap();
        // Round-off at x of 1e6.
        assert!((line.slope.value + 0.25).abs() < 1e-9 && (line.at(1e6).value - 3.0).abs() < 1e-9);
        assert!(line.slope.error < 1e-9);
    }

    #[test]
    fn errors_are_those_of_the_formula() {
        // Four points at x = -1, -1, 1, 1 with errors of 2: height 2/sqrt(4), slope 2/sqrt(4).
        let line =
            fit(Points { x: &[-1.0, -1.0, 1.0, 1.0], y: &[0.0, 2.0, 4.0, 6.0], errors: Some(&[2.0; 4]) })
                .unwrap();
        assert_eq!((line.height.value, line.slope.value, line.centre), (3.0, 2.0, 0.0));
        assert_eq!((line.height.error, line.slope.error), (1.0, 1.0));
        assert_eq!(line.chi_squared, 1.0);
        assert_eq!(line.at(2.0), Estimate { value: 7.0, error: 5f64.sqrt() });
    }

    #[test]
    fn points_above_each_other_make_no_line() {
        let points = Points { x: &[330.1; 4], y: &[1.0, 2.0, 3.0, 4.0], errors: None };
        assert!(fit(points).is_err());
        assert!(fit(Points { x: &[1.0, 2.0], y: &[1.0, 2.0], errors: None }).is_err());
    }
}
