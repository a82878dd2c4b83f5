//! Power laws y = a x^p: straight lines in the logarithms.

use super::{Estimate, Points, Undetermined, line};

/// The best power law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// p.
    pub exponent: Estimate,
    /// ln a at x = 1.
    pub ln_prefactor: Estimate,
}

/// Fits ln y = ln a + p ln x; x and y must be positive. Errors of y become e/y.
pub fn fit(points: Points) -> Result<PowerLaw, Undetermined> {
    points.check()?;
    if points.x.iter().chain(points.y).any(|v| *v <= 0.0) {
        return Err(Undetermined::because("a power law needs positive numbers"));
    }
    let ln = |values: &[f64]| values.iter().map(|v| v.ln()).collect::<Vec<f64>>();
    let errors: Option<Vec<f64>> =
        points.errors.map(|e| e.iter().zip(points.y).map(|(e, y)| e / y).collect());
    let found = line::fit(Points { x: &ln(points.x), y: &ln(points.y), errors: errors.as_deref() })?;
    Ok(PowerLaw { exponent: found.slope, ln_prefactor: found.at(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponent_is_recovered() {
        let x = [0.3, 1.0, 4.0, 9.0, 30.0];
        let y: Vec<f64> = x.iter().map(|x: &f64| 2.5 * x.powf(0.26)).collect();
        let found = fit(Points { x: &x, y: &y, errors: None }).unwrap();
        // Exact data: round-off.
        assert!((found.exponent.value - 0.26).abs() < 1e-12);
        assert!((found.ln_prefactor.value - 2.5f64.ln()).abs() < 1e-12);
        assert!(fit(Points { x: &[0.0, 1.0, 2.0], y: &[1.0; 3], errors: None }).is_err());
    }
}
