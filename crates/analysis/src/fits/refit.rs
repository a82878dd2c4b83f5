//! Errors of fits by refitting: the jackknife over units that are independent of one another (replicas, or blocks of time
//! longer than the correlation time).
//!
//! Points of one correlation function are correlated, so that the scatter around a fit says nothing about the error of its
//! parameters. Leaving out one unit after the other and fitting again does: s^2 = (n - 1)/n sum_k (p_k - <p>)^2; Efron and Stein,
//! Ann. Stat. 9, 586 (1981), doi:10.1214/aos/1176345462.
//!
//! Few units give that error with a scatter of its own. The error reported here is the half width of the 68.3 % confidence
//! interval, s times Student's factor (1.20 for 4 units, 1.06 for 10), so that value +- error covers the truth in 68 of 100
//! cases whatever the number of units.

use super::{Estimate, Undetermined};

/// Fewer units tell nothing about their scatter.
pub const FEWEST_UNITS: usize = 3;

/// Half width of the 68.3 % confidence interval in standard errors that have `degrees` degrees of freedom: quantile 0.8413 of
/// Student's distribution. Expansion in 1/degrees (Abramowitz and Stegun 26.7.5), good to 0.1 % from 2 degrees.
pub fn student_factor(degrees: usize) -> f64 {
    let n = degrees as f64;
    1.0 + 0.5 / n + 0.25 / n.powi(2) + 0.0625 / n.powi(3)
}

/// Estimates of parameters from all units, with jackknife errors. `fit(Some(k))` fits all units but k, `fit(None)` all of them.
/// From fewer than three units the errors are NaN. If one of the fits is undetermined, so is the result.
pub fn jackknife(
    units: usize,
    fit: impl Fn(Option<usize>) -> Result<Vec<f64>, Undetermined>,
) -> Result<Vec<Estimate>, Undetermined> {
    let values = fit(None)?;
    if units < FEWEST_UNITS {
        return Ok(values.into_iter().map(|value| Estimate { value, error: f64::NAN }).collect());
    }
    let partial = (0..units).map(|k| fit(Some(k))).collect::<Result<Vec<_>, _>>().map_err(|u| {
        Undetermined::because(format!("without one of {units} replicas or blocks the fit fails: {}", u.why))
    })?;
    let n = units as f64;
    let error = |parameter: usize| {
        let mean = partial.iter().map(|p| p[parameter]).sum::<f64>() / n;
        let squares: f64 = partial.iter().map(|p| (p[parameter] - mean).powi(2)).sum();
        student_factor(units - 1) * (squares * (n - 1.0) / n).sqrt()
    };
    Ok(values.iter().enumerate().map(|(k, &value)| Estimate { value, error: error(k) }).collect())
}

/// Mean of curves of equal length, without one of them if `left_out` says so.
pub fn mean_curve(curves: &[Vec<f64>], left_out: Option<usize>) -> Vec<f64> {
    let mut sum = vec![0.0; curves.first().map_or(0, Vec::len)];
    let mut count = 0;
    for (k, curve) in curves.iter().enumerate() {
        if Some(k) != left_out {
            count += 1;
            sum.iter_mut().zip(curve).for_each(|(s, y)| *s += y);
        }
    }
    sum.iter().map(|s| s / f64::from(count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_a_mean_is_the_usual_one_times_students_factor() {
        let values = [3.0, 5.0, 4.0, 8.0];
        let curves: Vec<Vec<f64>> = values.iter().map(|v| vec![*v]).collect();
        let found = jackknife(4, |left_out| Ok(mean_curve(&curves, left_out))).unwrap()[0];
        // Mean 5, sum of squares 4 + 0 + 1 + 9 = 14.
        let exact = (14.0f64 / (3.0 * 4.0)).sqrt() * 1.197;
        assert_eq!(found.value, 5.0);
        // Student's factor for 3 degrees of freedom is 1.1969; the expansion is good to 0.1 %.
        assert!((found.error / exact - 1.0).abs() < 1e-3, "{found:?} {exact}");
    }

    #[test]
    fn student_factors_are_those_of_the_tables() {
        // scipy.stats.t.ppf(0.841344746, n)
        for (n, exact) in [(2, 1.3213), (3, 1.1969), (5, 1.1105), (9, 1.0587), (30, 1.0170)] {
            assert!((student_factor(n) - exact).abs() < 2e-3, "{n}");
        }
    }

    #[test]
    fn one_undetermined_part_makes_all_undetermined() {
        let fit = |k| if k == Some(2) { Err(Undetermined::because("flat")) } else { Ok(vec![1.0]) };
        assert!(jackknife(4, fit).unwrap_err().why.ends_with("flat"));
        assert!(jackknife(2, fit).unwrap()[0].error.is_nan());
    }
}
