//! Weighted nonlinear least squares with the covariance of its parameters.
//!
//! Minimises chi^2 = sum_i ((f(x_i; p) - y_i) / s_i)^2 with the Levenberg-Marquardt algorithm of MINPACK (Moré, in Lecture
//! Notes in Mathematics 630 (1978), doi:10.1007/BFb0067700). Covariance: (J^T J)^-1 with J the Jacobian of the weighted
//! residuals; without given errors it is scaled by chi^2 per degree of freedom.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, Owned};

use super::{Estimate, Points, Undetermined};

/// Ratio of the smallest to the largest singular value of the Jacobian (columns of unit length) below which two parameters
/// are indistinguishable: derivatives are exact, so that this is far above round-off and far below any useful fit.
const SMALLEST_RATIO: f64 = 1e-7;

/// A curve f(x; p) with its derivatives.
pub trait Curve {
    /// f(x; p).
    fn value(&self, parameters: &[f64], x: f64) -> f64;
    /// The derivatives of f(x; p) by each parameter.
    fn gradient(&self, parameters: &[f64], x: f64) -> Vec<f64>;
}

/// The best parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// In the order of the curve.
    pub parameters: Vec<f64>,
    /// Covariance of the parameters, from the errors of the points as if those were independent.
    pub covariance: DMatrix<f64>,
    /// Sum of squared weighted residuals.
    pub chi_squared: f64,
    /// Points minus parameters.
    pub degrees_of_freedom: usize,
}

impl Solution {
    /// A parameter with its standard error.
    pub fn estimate(&self, parameter: usize) -> Estimate {
        let value = self.parameters[parameter];
        Estimate { value, error: self.covariance[(parameter, parameter)].max(0.0).sqrt() }
    }

    /// Standard error of a function of the parameters with the given derivatives by them.
    pub fn propagated_error(&self, gradient: &[f64]) -> f64 {
        let g = DVector::from_column_slice(gradient);
        (g.transpose() * &self.covariance * &g)[(0, 0)].max(0.0).sqrt()
    }
}

struct Problem<'a, C> {
    curve: &'a C,
    points: Points<'a>,
    parameters: DVector<f64>,
}

impl<C: Curve> LeastSquaresProblem<f64, Dyn, Dyn> for Problem<'_, C> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, parameters: &DVector<f64>) {
        self.parameters.copy_from(parameters);
    }

    fn params(&self) -> DVector<f64> {
        self.parameters.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        let p = self.parameters.as_slice();
        let residual =
            |i: usize| (self.curve.value(p, self.points.x[i]) - self.points.y[i]) / self.points.error(i);
        let residuals = DVector::from_fn(self.points.x.len(), |i, _| residual(i));
        residuals.iter().all(|r| r.is_finite()).then_some(residuals)
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        let p = self.parameters.as_slice();
        let rows: Vec<Vec<f64>> = self.points.x.iter().map(|&x| self.curve.gradient(p, x)).collect();
        let jacobian =
            DMatrix::from_fn(rows.len(), p.len(), |i, parameter| rows[i][parameter] / self.points.error(i));
        jacobian.iter().all(|d| d.is_finite()).then_some(jacobian)
    }
}

/// Fits a curve from `start`.
pub fn fit(curve: &impl Curve, points: Points, start: &[f64]) -> Result<Solution, Undetermined> {
    points.check()?;
    let (n, m) = (points.x.len(), start.len());
    // Without given errors one more point is needed, to see how far points lie from the curve.
    let fewest = m + usize::from(points.errors.is_none());
    if n < fewest {
        return Err(Undetermined::because(format!("{n} points for {m} parameters; give at least {fewest}")));
    }
    let problem = Problem { curve, points, parameters: DVector::from_column_slice(start) };
    let (problem, report) = LevenbergMarquardt::new().with_patience(400).minimize(problem);
    let not_found = || Undetermined::because("the fit does not converge: the data do not follow this curve");
    if !report.termination.was_successful() {
        return Err(not_found());
    }
    let jacobian = problem.jacobian().ok_or_else(not_found)?;
    let chi_squared = problem.residuals().ok_or_else(not_found)?.norm_squared();
    let degrees_of_freedom = n - m;
    let mut covariance = covariance(&jacobian)?;
    if points.errors.is_none() {
        covariance *= chi_squared / degrees_of_freedom as f64;
    }
    let parameters = problem.parameters.as_slice().to_vec();
    Ok(Solution { parameters, covariance, chi_squared, degrees_of_freedom })
}

/// (J^T J)^-1 from the singular values of J with columns of unit length.
fn covariance(jacobian: &DMatrix<f64>) -> Result<DMatrix<f64>, Undetermined> {
    let lengths: Vec<f64> = jacobian.column_iter().map(|c| c.norm()).collect();
    let flat = || Undetermined::because("a parameter does not change the curve over these data");
    if lengths.contains(&0.0) {
        return Err(flat());
    }
    let scaled = DMatrix::from_fn(jacobian.nrows(), jacobian.ncols(), |i, j| jacobian[(i, j)] / lengths[j]);
    let svd = scaled.svd(false, true);
    let v_transposed = svd.v_t.ok_or_else(flat)?;
    if svd.singular_values.min() < SMALLEST_RATIO * svd.singular_values.max() {
        return Err(Undetermined::because("two parameters have the same effect over these data"));
    }
    let m = jacobian.ncols();
    Ok(DMatrix::from_fn(m, m, |a, b| {
        let term = |k: usize| v_transposed[(k, a)] * v_transposed[(k, b)] / svd.singular_values[k].powi(2);
        (0..m).map(term).sum::<f64>() / (lengths[a] * lengths[b])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a + b x.
    struct Line;
    impl Curve for Line {
        fn value(&self, p: &[f64], x: f64) -> f64 {
            p[0] + p[1] * x
        }
        fn gradient(&self, _: &[f64], x: f64) -> Vec<f64> {
            vec![1.0, x]
        }
    }

    /// a exp(-x/b) + c.
    struct Decay;
    impl Curve for Decay {
        fn value(&self, p: &[f64], x: f64) -> f64 {
            p[0] * (-x / p[1]).exp() + p[2]
        }
        fn gradient(&self, p: &[f64], x: f64) -> Vec<f64> {
            let e = (-x / p[1]).exp();
            vec![e, p[0] * e * x / (p[1] * p[1]), 1.0]
        }
    }

    #[test]
    fn line_has_the_textbook_covariance() {
        let x = [0.0, 1.0, 2.0, 3.0, 5.0];
        let y = [1.1, 2.9, 5.2, 6.8, 11.1];
        let errors = [0.1, 0.2, 0.1, 0.3, 0.2];
        let found = fit(&Line, Points { x: &x, y: &y, errors: Some(&errors) }, &[0.0, 1.0]).unwrap();
        // Bevington and Robinson: sums of weights.
        let w: Vec<f64> = errors.iter().map(|e: &f64| 1.0 / (e * e)).collect();
        let sum = |f: &dyn Fn(usize) -> f64| (0..5).map(|i| w[i] * f(i)).sum::<f64>();
        let (s, sx, sxx) = (sum(&|_| 1.0), sum(&|i| x[i]), sum(&|i| x[i] * x[i]));
        let (sy, sxy) = (sum(&|i| y[i]), sum(&|i| x[i] * y[i]));
        let delta = s * sxx - sx * sx;
        let exact = [(sxx * sy - sx * sxy) / delta, (s * sxy - sx * sy) / delta];
        let error = [(sxx / delta).sqrt(), (s / delta).sqrt()];
        for k in 0..2 {
            // Convergence of the minimiser to its tolerance of 30 round-offs.
            assert!((found.parameters[k] - exact[k]).abs() < 1e-10);
            assert!((found.estimate(k).error - error[k]).abs() < 1e-12);
        }
        assert!((found.covariance[(0, 1)] + sx / delta).abs() < 1e-12);
        let at_4 = found.propagated_error(&[1.0, 4.0]);
        let direct = ((sxx - 8.0 * sx + 16.0 * s) / delta).sqrt();
        assert!((at_4 - direct).abs() < 1e-12);
    }

    #[test]
    fn nonlinear_curve_is_recovered() {
        let x: Vec<f64> = (0..30).map(|i| f64::from(i) * 0.3).collect();
        let y: Vec<f64> = x.iter().map(|x| 3.0 * (-x / 1.7).exp() + 0.4).collect();
        let found = fit(&Decay, Points { x: &x, y: &y, errors: None }, &[1.0, 1.0, 0.0]).unwrap();
        for (p, exact) in found.parameters.iter().zip([3.0, 1.7, 0.4]) {
            // Exact data: convergence.
            assert!((p - exact).abs() < 1e-8);
        }
    }

    #[test]
    fn undetermined_fits_say_so() {
        let x = [0.0, 1.0, 2.0, 3.0];
        let y = [1.0; 4];
        // Too few points; the same x for all; a point that is no number; an error of zero.
        assert!(fit(&Line, Points { x: &x[..2], y: &y[..2], errors: None }, &[0.0, 0.0]).is_err());
        assert!(fit(&Line, Points { x: &[2.0; 4], y: &y, errors: None }, &[0.0, 0.0]).is_err());
        assert!(
            fit(&Line, Points { x: &x, y: &[1.0, f64::NAN, 1.0, 1.0], errors: None }, &[0.0; 2]).is_err()
        );
        let errors = [1.0, 1.0, 0.0, 1.0];
        assert!(fit(&Line, Points { x: &x, y: &y, errors: Some(&errors) }, &[0.0; 2]).is_err());
        // A constant has no decay time.
        assert!(fit(&Decay, Points { x: &x, y: &y, errors: None }, &[0.0, 1.0, 1.0]).is_err());
    }
}
