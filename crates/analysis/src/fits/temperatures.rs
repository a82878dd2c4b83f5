//! How a quantity follows the temperature: Arrhenius and VFT laws over several runs, with the fragility m.
//!
//! Each point is a run at its temperature, or the trimmed mean over the replicas of that temperature. Where all points have
//! standard errors, their inverse squares are the weights; else all points count alike, and their scatter around the law gives the
//! errors. Where points with errors lie farther from the law than these say (chi^2 above its degrees of freedom), the errors of the
//! parameters are enlarged by sqrt(chi^2/degrees of freedom), the scale factor of the Particle Data Group (Phys. Rev. D 110, 030001
//! (2024), section 5.2, doi:10.1103/PhysRevD.110.030001): errors from a few replicas are themselves uncertain. The laws are those of a relaxation time ([`super::arrhenius`], [`super::vogel_fulcher_tammann`]); a diffusion
//! coefficient follows them as its inverse does.

use super::arrhenius::{self, Arrhenius};
use super::vogel_fulcher_tammann::{self as vft, VogelFulcherTammann};
use super::{Estimate, Points, Undetermined};

/// A parameter that does not differ from zero by so many standard errors is not determined.
const SIGNIFICANT: f64 = 2.0;
/// chi^2 may exceed its mean, the degrees of freedom, by so many of its standard deviations sqrt(2 x degrees of freedom).
const FARTHEST: f64 = 3.0;

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// tau = tau_0 exp(E/(R T)).
    Arrhenius,
    /// tau = tau_0 exp(D T_0/(T - T_0)).
    VogelFulcherTammann,
}

impl Law {
    /// The law that is called so.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "arrhenius" => Some(Self::Arrhenius),
            "vft" => Some(Self::VogelFulcherTammann),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arrhenius => "arrhenius",
            Self::VogelFulcherTammann => "vft",
        }
    }
}

/// Whether a quantity grows or falls as the liquid slows down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// As a relaxation time or a viscosity.
    Grows,
    /// As a diffusion coefficient: its inverse follows the law.
    Falls,
}

/// A quantity at a temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Temperature (K).
    pub temperature: f64,
    /// Its value and standard error (NaN where unknown), or why there is none.
    pub value: Result<Estimate, Undetermined>,
}

/// A parameter of a law.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Value and standard error, or why there is none.
    pub value: Result<Estimate, Undetermined>,
}

/// A law over the temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Which.
    pub law: Law,
    /// Its parameters, then what follows from them.
    pub parameters: Vec<Parameter>,
    /// Covariance of pairs of parameters.
    pub covariance: Vec<(&'static str, &'static str, f64)>,
    /// Sum of squared weighted residuals of the logarithm; none where the points have no errors.
    pub chi_squared: Option<f64>,
    /// Points minus parameters.
    pub degrees_of_freedom: usize,
    sense: Sense,
    curve: Curve,
}

#[derive(Clone, Debug, PartialEq)]
enum Curve {
    Arrhenius(Arrhenius),
    VogelFulcherTammann(VogelFulcherTammann),
}

impl Fitted {
    /// The quantity at a temperature (K), above T_0 of a VFT law.
    pub fn at(&self, temperature: f64) -> f64 {
        let tau = match &self.curve {
            Curve::Arrhenius(law) => law.tau(temperature),
            Curve::VogelFulcherTammann(law) => law.tau(temperature),
        };
        match self.sense {
            Sense::Grows => tau,
            Sense::Falls => 1.0 / tau,
        }
    }

    /// In words, where points lie farther from the law than their errors allow.
    pub fn doubt(&self) -> Option<String> {
        let chi_squared = self.chi_squared?;
        let n = self.degrees_of_freedom as f64;
        (n > 0.0 && chi_squared > n + FARTHEST * (2.0 * n).sqrt()).then(|| {
            format!(
                "doubtful: chi^2 = {chi_squared:.1} with {n} degrees of freedom: the points do not follow this law or their errors are too small"
            )
        })
    }
}

/// Fits a law to those of the points that are determined; `glass_transition` (K) is where the fragility is taken.
pub fn fit(
    points: &[Point],
    law: Law,
    sense: Sense,
    glass_transition: Option<f64>,
) -> Result<Fitted, Undetermined> {
    let mut known: Vec<(f64, Estimate)> =
        points.iter().filter_map(|p| p.value.as_ref().ok().map(|v| (p.temperature, *v))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    if known.len() < 2 {
        return Err(Undetermined::because(format!(
            "{} of {} points have a value",
            known.len(),
            points.len()
        )));
    }
    if known.iter().any(|(t, v)| *t <= 0.0 || v.value <= 0.0) {
        return Err(Undetermined::because("temperatures and values must be above zero"));
    }
    if sense == Sense::Falls {
        for (_, v) in &mut known {
            *v = Estimate { value: 1.0 / v.value, error: v.error / (v.value * v.value) };
        }
    }
    let weighted = known.iter().all(|(_, v)| v.error > 0.0 && v.error.is_finite());
    let x: Vec<f64> = known.iter().map(|(t, _)| *t).collect();
    let y: Vec<f64> = known.iter().map(|(_, v)| v.value).collect();
    let errors: Vec<f64> = known.iter().map(|(_, v)| v.error).collect();
    let times = Points { x: &x, y: &y, errors: weighted.then_some(&errors[..]) };
    let chi_squared = |chi_squared| weighted.then_some(chi_squared);
    let enlarged = |chi_squared: f64, degrees_of_freedom: usize| {
        if weighted && degrees_of_freedom > 0 {
            (chi_squared / degrees_of_freedom as f64).sqrt().max(1.0)
        } else {
            1.0
        }
    };
    match law {
        Law::Arrhenius => {
            let found = arrhenius::fit(times)?;
            let scale = enlarged(found.chi_squared, found.degrees_of_freedom);
            let energy = scaled(found.activation_energy, scale);
            if energy.value <= SIGNIFICANT * energy.error {
                return Err(Undetermined::because(format!(
                    "E = {:.1} +- {:.1} kJ/mol does not differ from zero",
                    energy.value, energy.error
                )));
            }
            let m = fragility(glass_transition, |t| Ok(scaled(found.fragility(t), scale)));
            let parameters = vec![
                Parameter { name: "E", unit: "kJ/mol", value: Ok(energy) },
                prefactor(scaled(found.ln_tau_0, scale), sense),
                Parameter { name: "m", unit: "", value: m },
            ];
            let covariance = vec![("E", PREFACTOR, sense.of_prefactor() * scale * scale * found.covariance)];
            let degrees_of_freedom = found.degrees_of_freedom;
            let chi_squared = chi_squared(found.chi_squared);
            let curve = Curve::Arrhenius(found);
            Ok(Fitted { law, parameters, covariance, chi_squared, degrees_of_freedom, sense, curve })
        }
        Law::VogelFulcherTammann => {
            let found = vft::fit(times)?;
            let solution = found.solution();
            let scale = enlarged(solution.chi_squared, solution.degrees_of_freedom);
            let t_0 = scaled(found.t_0, scale);
            if t_0.value <= SIGNIFICANT * t_0.error {
                return Err(Undetermined::because(format!(
                    "T_0 = {:.0} +- {:.0} K: these values are as well an Arrhenius law",
                    t_0.value, t_0.error
                )));
            }
            let m = fragility(glass_transition, |t| found.fragility(t).map(|m| scaled(m, scale)));
            let parameters = vec![
                Parameter { name: "T_0", unit: "K", value: Ok(t_0) },
                Parameter { name: "D T_0", unit: "K", value: Ok(scaled(found.strength_temperature, scale)) },
                prefactor(scaled(found.ln_tau_0, scale), sense),
                Parameter { name: "D", unit: "", value: Ok(scaled(found.strength(), scale)) },
                Parameter { name: "m", unit: "", value: m },
            ];
            let of = |a: usize, b: usize| scale * scale * solution.covariance[(a, b)];
            let covariance = vec![
                ("T_0", "D T_0", of(1, 2)),
                ("T_0", PREFACTOR, sense.of_prefactor() * of(0, 2)),
                ("D T_0", PREFACTOR, sense.of_prefactor() * of(0, 1)),
            ];
            let degrees_of_freedom = solution.degrees_of_freedom;
            let chi_squared = chi_squared(solution.chi_squared);
            let curve = Curve::VogelFulcherTammann(found);
            Ok(Fitted { law, parameters, covariance, chi_squared, degrees_of_freedom, sense, curve })
        }
    }
}

fn scaled(estimate: Estimate, factor: f64) -> Estimate {
    Estimate { value: estimate.value, error: factor * estimate.error }
}

/// Name of the logarithm of the quantity at infinite temperature, in its unit.
const PREFACTOR: &str = "ln prefactor";

impl Sense {
    /// The prefactor of 1/tau is 1/tau_0.
    fn of_prefactor(self) -> f64 {
        match self {
            Self::Grows => 1.0,
            Self::Falls => -1.0,
        }
    }
}

fn prefactor(ln_tau_0: Estimate, sense: Sense) -> Parameter {
    let value = Estimate { value: sense.of_prefactor() * ln_tau_0.value, error: ln_tau_0.error };
    Parameter { name: PREFACTOR, unit: "", value: Ok(value) }
}

fn fragility(
    glass_transition: Option<f64>,
    at: impl Fn(f64) -> Result<Estimate, Undetermined>,
) -> Result<Estimate, Undetermined> {
    glass_transition.map_or_else(|| Err(Undetermined::because("no T_g is given; see --t-g")), at)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_10;

    use super::*;

    const R: f64 = 8.314462618e-3;

    fn arrhenius(t: f64) -> f64 {
        1e-3 * (60.0 / (R * t)).exp()
    }

    fn vogel(t: f64) -> f64 {
        0.05 * (1200.0 / (t - 250.0)).exp()
    }

    fn points(temperatures: &[f64], law: fn(f64) -> f64, relative_error: f64) -> Vec<Point> {
        let value = |t: &f64| Estimate { value: law(*t), error: relative_error * law(*t) };
        temperatures.iter().map(|t| Point { temperature: *t, value: Ok(value(t)) }).collect()
    }

    fn number(fitted: &Fitted, name: &str) -> Estimate {
        fitted.parameters.iter().find(|p| p.name == name).unwrap().value.clone().unwrap()
    }

    #[test]
    fn diffusion_has_the_activation_energy_of_its_inverse_and_its_own_prefactor() {
        let temperatures = [400.0, 440.0, 500.0];
        let times = points(&temperatures, arrhenius, 0.1);
        let rates = points(&temperatures, |t| 1.0 / arrhenius(t), 0.1);
        let slow = fit(&times, Law::Arrhenius, Sense::Grows, Some(333.0)).unwrap();
        let fast = fit(&rates, Law::Arrhenius, Sense::Falls, None).unwrap();
        // Exact data: round-off, and nine digits of k_B.
        assert!((number(&slow, "E").value - 60.0).abs() < 1e-6);
        assert!((number(&fast, "E").value - 60.0).abs() < 1e-6);
        assert!((number(&fast, PREFACTOR).value - 1e3f64.ln()).abs() < 1e-6);
        assert!((number(&slow, "m").value - 60.0 / (R * 333.0 * LN_10)).abs() < 1e-6);
        assert!((fast.at(460.0) * arrhenius(460.0) - 1.0).abs() < 1e-9 && slow.chi_squared.unwrap() < 1e-12);
        // The line through them: cov(E, ln tau_0) = -<x> var(E), the same for the inverse with the other sign.
        let mean = temperatures.iter().map(|t| 1.0 / (R * t)).sum::<f64>() / 3.0;
        let exact = -mean * number(&slow, "E").error.powi(2);
        assert!((slow.covariance[0].2 / exact - 1.0).abs() < 1e-6);
        assert!((fast.covariance[0].2 / exact + 1.0).abs() < 1e-6);
    }

    #[test]
    fn points_without_value_take_no_part_and_points_without_error_make_all_count_alike() {
        let mut all = points(&[340.0, 360.0, 380.0, 420.0, 500.0, 700.0], vogel, 0.05);
        all.push(Point { temperature: 330.0, value: Err(Undetermined::because("no decay")) });
        let found = fit(&all, Law::VogelFulcherTammann, Sense::Grows, Some(333.0)).unwrap();
        // Exact data: convergence.
        assert!((number(&found, "T_0").value - 250.0).abs() < 1e-4 && found.degrees_of_freedom == 3);
        assert!((number(&found, "D").value - 1200.0 / 250.0).abs() < 1e-4);
        let m = 1200.0 * 333.0 / (83.0f64.powi(2) * LN_10);
        assert!((number(&found, "m").value / m - 1.0).abs() < 1e-5);
        assert!(number(&found, "T_0").error > 0.5, "errors of 5 % leave T_0 uncertain");
        all[2].value = Ok(Estimate { value: vogel(380.0), error: f64::NAN });
        let alike = fit(&all, Law::VogelFulcherTammann, Sense::Grows, None).unwrap();
        assert!(alike.chi_squared.is_none() && number(&alike, "T_0").error < 1e-3);
        assert!(alike.parameters.iter().find(|p| p.name == "m").unwrap().value.is_err());
    }

    #[test]
    fn what_the_data_do_not_determine_gets_no_number() {
        let law = |points: &[Point], law| fit(points, law, Sense::Grows, None);
        let two = points(&[400.0, 500.0], vogel, 0.05);
        assert!(law(&two, Law::VogelFulcherTammann).is_err());
        assert!(law(&two[..1], Law::Arrhenius).is_err());
        // A time that does not depend on the temperature; Arrhenius times have no T_0.
        let flat = points(&[400.0, 450.0, 500.0], |_| 3.0, 0.1);
        assert!(law(&flat, Law::Arrhenius).unwrap_err().why.contains("does not differ from zero"));
        let straight = points(&[400.0, 420.0, 440.0, 460.0, 500.0], arrhenius, 0.1);
        assert!(law(&straight, Law::VogelFulcherTammann).is_err());
    }

    #[test]
    fn errors_that_are_too_small_are_enlarged_to_the_scatter_of_the_points() {
        let mut points = points(&[400.0, 420.0, 440.0, 460.0, 500.0], arrhenius, 0.02);
        for (point, noise) in points.iter_mut().zip([1.1, 0.92, 1.05, 0.9, 1.04]) {
            let value = noise * arrhenius(point.temperature);
            point.value = Ok(Estimate { value, error: 0.02 * value });
        }
        let with_errors = fit(&points, Law::Arrhenius, Sense::Grows, None).unwrap();
        for point in &mut points {
            let value = point.value.as_ref().unwrap().value;
            point.value = Ok(Estimate { value, error: f64::NAN });
        }
        let by_scatter = fit(&points, Law::Arrhenius, Sense::Grows, None).unwrap();
        let [a, b] = [&with_errors, &by_scatter].map(|f| number(f, "E"));
        // Equal relative errors are equal weights: the same line, and round-off.
        assert!(
            (a.value / b.value - 1.0).abs() < 1e-9 && (a.error / b.error - 1.0).abs() < 1e-9,
            "{a:?} {b:?}"
        );
        assert!((with_errors.covariance[0].2 / by_scatter.covariance[0].2 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_curved_law_taken_for_a_straight_one_is_doubted() {
        let curved = points(&[340.0, 360.0, 380.0, 420.0, 500.0, 700.0], vogel, 0.05);
        let straight = points(&[340.0, 360.0, 380.0, 420.0, 500.0, 700.0], arrhenius, 0.05);
        let fitted = |points: &[Point]| fit(points, Law::Arrhenius, Sense::Grows, None).unwrap();
        assert!(fitted(&curved).doubt().is_some() && fitted(&straight).doubt().is_none());
    }
}
