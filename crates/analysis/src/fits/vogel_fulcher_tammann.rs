//! Vogel-Fulcher-Tammann law: tau(T) = tau_0 exp(D T_0 / (T - T_0)).
//!
//! Fragility at T_g: m = d log10 tau / d(T_g/T) = D T_0 T_g / ((T_g - T_0)^2 ln 10) (Böhmer, Ngai, Angell and Plazek,
//! J. Chem. Phys. 99, 4201 (1993), doi:10.1063/1.466117). Vogel, Phys. Z. 22, 645 (1921).

use std::f64::consts::LN_10;

use super::least_squares::{self, Curve, Solution};
use super::{Estimate, Points, Undetermined, line};

/// Without a curvature of so many standard errors the data are as well an Arrhenius law, and T_0 is anything.
const SIGNIFICANT: f64 = 2.0;
/// Places between zero and the lowest temperature from which the fit starts.
const STARTS: usize = 9;

/// ln tau = a + b/(T - c).
struct LogTime;

impl Curve for LogTime {
    fn value(&self, p: &[f64], x: f64) -> f64 {
        p[0] + p[1] / (x - p[2])
    }

    fn gradient(&self, p: &[f64], x: f64) -> Vec<f64> {
        let inverse = 1.0 / (x - p[2]);
        vec![1.0, inverse, p[1] * inverse * inverse]
    }
}

/// The best law.
#[derive(Clone, Debug, PartialEq)]
pub struct VogelFulcherTammann {
    /// T_0 (K).
    pub t_0: Estimate,
    /// D T_0 (K).
    pub strength_temperature: Estimate,
    /// ln of tau_0, in the unit in which the times were given.
    pub ln_tau_0: Estimate,
    solution: Solution,
}

impl VogelFulcherTammann {
    /// tau(T) above T_0, in the unit in which the times were given.
    pub fn tau(&self, temperature: f64) -> f64 {
        LogTime.value(&self.solution.parameters, temperature).exp()
    }

    /// The fit itself; its parameters: ln tau_0, D T_0 (K), T_0 (K).
    pub fn solution(&self) -> &Solution {
        &self.solution
    }

    /// D = (D T_0)/T_0, large for a strong liquid.
    pub fn strength(&self) -> Estimate {
        let (b, c) = (self.solution.parameters[1], self.solution.parameters[2]);
        let error = self.solution.propagated_error(&[0.0, 1.0 / c, -b / (c * c)]);
        Estimate { value: b / c, error }
    }

    /// Fragility m at the glass transition temperature (K), which must lie above T_0.
    pub fn fragility(&self, glass_transition: f64) -> Result<Estimate, Undetermined> {
        let (b, c) = (self.solution.parameters[1], self.solution.parameters[2]);
        let d = glass_transition - c;
        if d <= 0.0 {
            return Err(Undetermined::because(format!(
                "T_g = {glass_transition} K lies below T_0 = {c:.1} K of the fit"
            )));
        }
        let scale = glass_transition / LN_10;
        let gradient = [0.0, scale / (d * d), 2.0 * scale * b / (d * d * d)];
        Ok(Estimate { value: scale * b / (d * d), error: self.solution.propagated_error(&gradient) })
    }
}

/// Fits relaxation times y at temperatures x (K); four temperatures at least, three if the times have errors.
pub fn fit(times: Points) -> Result<VogelFulcherTammann, Undetermined> {
    times.check()?;
    if times.x.iter().chain(times.y).any(|v| *v <= 0.0) {
        return Err(Undetermined::because("a VFT law needs positive temperatures and times"));
    }
    let ln: Vec<f64> = times.y.iter().map(|tau| tau.ln()).collect();
    let errors: Option<Vec<f64>> = times.errors.map(|e| e.iter().zip(times.y).map(|(e, y)| e / y).collect());
    let points = Points { x: times.x, y: &ln, errors: errors.as_deref() };
    let solution = best(points)?;
    let t_0 = solution.estimate(2);
    let lowest = times.x.iter().fold(f64::INFINITY, |low, t| low.min(*t));
    if !(t_0.value > SIGNIFICANT * t_0.error && t_0.value < lowest && solution.parameters[1] > 0.0) {
        return Err(Undetermined::because(format!(
            "T_0 = {:.0} +- {:.0} K: these times are as well an Arrhenius law",
            t_0.value, t_0.error
        )));
    }
    Ok(VogelFulcherTammann {
        t_0,
        strength_temperature: solution.estimate(1),
        ln_tau_0: solution.estimate(0),
        solution,
    })
}

/// At fixed T_0 the law is a line: the best of several T_0 starts the fit.
fn best(points: Points) -> Result<Solution, Undetermined> {
    let lowest = points.x.iter().fold(f64::INFINITY, |low, t| low.min(*t));
    let mut start: Option<(f64, [f64; 3])> = None;
    for k in 0..STARTS {
        let c = lowest * k as f64 / STARTS as f64;
        let inverse: Vec<f64> = points.x.iter().map(|t| 1.0 / (t - c)).collect();
        let found = line::fit(Points { x: &inverse, ..points })?;
        if start.is_none_or(|(chi, _)| found.chi_squared < chi) {
            start = Some((found.chi_squared, [found.at(0.0).value, found.slope.value, c]));
        }
    }
    let (_, start) = start.ok_or_else(|| Undetermined::because("no start"))?;
    least_squares::fit(&LogTime, points, &start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law(t: f64) -> f64 {
        0.05 * (1200.0 / (t - 250.0)).exp()
    }

    #[test]
    fn parameters_and_fragility_are_recovered() {
        let temperatures = [340.0, 360.0, 380.0, 420.0, 500.0, 700.0];
        let times: Vec<f64> = temperatures.iter().map(|t| law(*t)).collect();
        let found = fit(Points { x: &temperatures, y: &times, errors: None }).unwrap();
        // Exact data: convergence.
        assert!((found.t_0.value - 250.0).abs() < 1e-5, "{found:?}");
        assert!((found.strength_temperature.value - 1200.0).abs() < 1e-3);
        assert!((found.tau(333.0) / law(333.0) - 1.0).abs() < 1e-6);
        let step = 1e-4;
        let slope = (law(333.0 - step) / law(333.0 + step)).log10() / (2.0 * step) * 333.0;
        assert!((found.fragility(333.0).unwrap().value / slope - 1.0).abs() < 1e-5);
        assert!(found.fragility(200.0).is_err());
    }

    #[test]
    fn errors_cover_the_truth() {
        use vitrion_core::random::{Counter, Stream};
        let temperatures = [340.0, 360.0, 380.0, 420.0, 500.0, 700.0];
        let covered = (0..2000)
            .filter(|draw| {
                let noise = |i: u32| {
                    let stream = Stream::Velocity;
                    Counter { seed: 9, stream, replica: 0, step: *draw, particle: i }.normal()[0]
                };
                let times: Vec<f64> =
                    (0u32..).zip(temperatures).map(|(i, t)| law(t) * (0.05 * noise(i)).exp()).collect();
                let errors: Vec<f64> = times.iter().map(|t| 0.05 * t).collect();
                let found = fit(Points { x: &temperatures, y: &times, errors: Some(&errors) }).unwrap();
                (found.t_0.value - 250.0).abs() < found.t_0.error
            })
            .count();
        // 68.3 % of 2,000 independent draws, +- 2 standard deviations of 21.
        assert!((1324..=1408).contains(&covered), "{covered}");
    }

    #[test]
    fn arrhenius_data_have_no_t_0() {
        let temperatures = [320.0, 330.0, 340.0, 350.0, 360.0];
        // A scatter of 5 %, as relaxation times have.
        let noise = [1.05, 0.96, 1.0, 1.04, 0.95];
        let times: Vec<f64> =
            temperatures.iter().zip(noise).map(|(t, n)| n * 1e-10 * (11000.0f64 / t).exp()).collect();
        assert!(fit(Points { x: &temperatures, y: &times, errors: None }).is_err());
    }
}
