//! Arrhenius law: tau(T) = tau_0 exp(E / (R T)).
//!
//! A straight line ln tau against 1/T. The fragility of such a liquid at T_g is m = d log10 tau / d(T_g/T) = E / (R T_g ln 10)
//! (Böhmer, Ngai, Angell and Plazek, J. Chem. Phys. 99, 4201 (1993), doi:10.1063/1.466117).

use std::f64::consts::LN_10;

use vitrion_core::units::BOLTZMANN;

use super::{Estimate, Points, Undetermined, line};

/// The gas constant (kJ/mol/K): 1 kJ/mol is 100 u A^2/ps^2.
pub const GAS_CONSTANT: f64 = BOLTZMANN / 100.0;

/// The best Arrhenius law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrhenius {
    /// Activation energy E (kJ/mol).
    pub activation_energy: Estimate,
    /// ln of tau_0, in the unit in which the times were given.
    pub ln_tau_0: Estimate,
    /// Covariance of E and ln tau_0 (kJ/mol).
    pub covariance: f64,
    /// Sum of squared weighted residuals of ln tau.
    pub chi_squared: f64,
    /// Points minus two.
    pub degrees_of_freedom: usize,
}

impl Arrhenius {
    /// tau(T), in the unit in which the times were given.
    pub fn tau(&self, temperature: f64) -> f64 {
        (self.ln_tau_0.value + self.activation_energy.value / (GAS_CONSTANT * temperature)).exp()
    }

    /// Fragility m at the glass transition temperature (K).
    pub fn fragility(&self, glass_transition: f64) -> Estimate {
        let scale = 1.0 / (GAS_CONSTANT * glass_transition * LN_10);
        let e = self.activation_energy;
        Estimate { value: e.value * scale, error: e.error * scale }
    }
}

/// Fits relaxation times y at temperatures x (K).
pub fn fit(times: Points) -> Result<Arrhenius, Undetermined> {
    times.check()?;
    if times.x.iter().chain(times.y).any(|v| *v <= 0.0) {
        return Err(Undetermined::because("an Arrhenius law needs positive temperatures and times"));
    }
    let inverse: Vec<f64> = times.x.iter().map(|t| 1.0 / (GAS_CONSTANT * t)).collect();
    let ln: Vec<f64> = times.y.iter().map(|tau| tau.ln()).collect();
    let errors: Option<Vec<f64>> = times.errors.map(|e| e.iter().zip(times.y).map(|(e, y)| e / y).collect());
    let found = line::fit(Points { x: &inverse, y: &ln, errors: errors.as_deref() })?;
    Ok(Arrhenius {
        activation_energy: found.slope,
        ln_tau_0: found.at(0.0),
        // ln tau_0 = height - slope x centre, and height and slope are independent.
        covariance: -found.centre * found.slope.error.powi(2),
        chi_squared: found.chi_squared,
        degrees_of_freedom: found.degrees_of_freedom,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activation_energy_is_recovered() {
        let temperatures = [320.0, 330.0, 340.0, 350.0];
        let times: Vec<f64> =
            temperatures.iter().map(|t| 1e-2 * (98.5f64 / (8.314462618e-3 * t)).exp()).collect();
        let found = fit(Points { x: &temperatures, y: &times, errors: None }).unwrap();
        // Exact data; k_B of the units has nine digits.
        assert!((found.activation_energy.value - 98.5).abs() < 1e-6);
        assert!((found.ln_tau_0.value - 1e-2f64.ln()).abs() < 1e-6);
        assert!((found.tau(325.0) / (1e-2 * (98.5f64 / (8.314462618e-3 * 325.0)).exp()) - 1.0).abs() < 1e-6);
        let slope = 98.5 / (8.314462618e-3 * 333.0 * LN_10);
        assert!((found.fragility(333.0).value - slope).abs() < 1e-6);
        assert!(fit(Points { x: &temperatures[..2], y: &times[..2], errors: None }).is_err());
        assert!(fit(Points { x: &temperatures, y: &[1.0, 2.0, -1.0, 3.0], errors: None }).is_err());
    }
}
