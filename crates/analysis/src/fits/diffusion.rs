//! Diffusion coefficients: MSD(t) = a + 6 D t (Einstein, Ann. Phys. 322, 549 (1905), doi:10.1002/andp.19053220806).
//!
//! A straight line over the lags from 0.1 to 0.5 of the longest: shorter ones are not diffusive yet, longer ones have few time
//! origins. The exponent x of MSD ~ t^x over the same lags tells whether they are diffusive: D is determined where x is 1 to
//! within 0.1. Errors by refitting ([`super::refit`]).

use super::{Estimate, Points, Undetermined, line, refit};
use crate::pair_average::{LagSums, unit_curves};
use crate::table::Table;

/// Lags that take part, in parts of the longest.
const RANGE: (f64, f64) = (0.1, 0.5);
/// A line through fewer lags is chance.
const FEWEST: usize = 4;
/// How far from 1 the exponent, and how large its error, may be.
const DIFFUSIVE: f64 = 0.1;
/// 1 angstrom^2/ps in m^2/s.
const SQUARE_METRES_A_SECOND: f64 = 1e-8;

/// A diffusion coefficient and what tells whether it is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diffusion {
    /// D (angstrom^2/ps).
    pub coefficient: Estimate,
    /// x of MSD ~ t^x.
    pub exponent: Estimate,
    /// First and last lag (ps).
    pub range: [f64; 2],
}

/// Fits curves of the MSD (angstrom^2) of independent units at the times `t` (ps, increasing).
pub fn fit(t: &[f64], units: &[Vec<f64>]) -> Result<Diffusion, Undetermined> {
    let longest = t.last().copied().unwrap_or(0.0);
    let inside = |t: f64| t >= RANGE.0 * longest && t <= RANGE.1 * longest;
    let chosen: Vec<usize> = (0..t.len()).filter(|&i| inside(t[i])).collect();
    if chosen.len() < FEWEST || units.is_empty() {
        return Err(Undetermined::because(format!(
            "{} lags from 0.1 to 0.5 of the longest; at least {FEWEST} are needed",
            chosen.len()
        )));
    }
    let times: Vec<f64> = chosen.iter().map(|&i| t[i]).collect();
    let found = refit::jackknife(units.len(), |left_out| {
        let mean = refit::mean_curve(units, left_out);
        let msd: Vec<f64> = chosen.iter().map(|&i| mean[i]).collect();
        if msd.iter().any(|m| *m <= 0.0) {
            return Err(Undetermined::because("nothing moves"));
        }
        let logs = |values: &[f64]| values.iter().map(|v| v.ln()).collect::<Vec<_>>();
        let power = line::fit(Points { x: &logs(&times), y: &logs(&msd), errors: None })?;
        let straight = line::fit(Points { x: &times, y: &msd, errors: None })?;
        Ok(vec![straight.slope.value / 6.0, power.slope.value])
    })?;
    let [coefficient, exponent] = [found[0], found[1]];
    // Errors are NaN from fewer than three units.
    if (exponent.value - 1.0).abs() > DIFFUSIVE || exponent.error > DIFFUSIVE {
        return Err(Undetermined::because(format!(
            "the MSD grows as t^x with x = {:.2} +- {:.2} from {} to {} ps and not as t; longer runs are needed",
            exponent.value,
            exponent.error,
            times[0],
            times[times.len() - 1]
        )));
    }
    Ok(Diffusion { coefficient, exponent, range: [times[0], times[times.len() - 1]] })
}

/// One row a species: `value` of the sums of a lag is its MSD.
pub fn table(sums: &[LagSums], species: &[(String, impl Fn(&[f64]) -> f64)]) -> Table {
    let nan = f64::NAN;
    let (mut names, mut verdicts) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<f64>; 6] = Default::default();
    for (name, value) in species {
        let (t, curves) = unit_curves(sums, value);
        let (row, verdict) = match fit(&t, &curves) {
            Ok(Diffusion { coefficient: d, exponent: x, range: [from, to] }) => {
                let [value, error] = [d.value, d.error].map(|v| v * SQUARE_METRES_A_SECOND);
                ([value, error, x.value, x.error, from, to], "determined".to_string())
            }
            Err(undetermined) => ([nan; 6], undetermined.to_string().replace(',', ";")),
        };
        names.push(name.clone());
        numbers.iter_mut().zip(row).for_each(|(column, v)| column.push(v));
        verdicts.push(verdict);
    }
    let [value, error, exponent, exponent_error, from, to] = numbers;
    Table::new("diffusion", "diffusion coefficients of the centres: MSD = a + 6 D t; errors by refitting")
        .text("species", names)
        .real("value", "m^2/s", value)
        .real("standard_error", "m^2/s", error)
        .real("exponent", "", exponent)
        .real("exponent_standard_error", "", exponent_error)
        .real("fit_from_ps", "ps", from)
        .real("fit_to_ps", "ps", to)
        .text("verdict", verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(msd: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let t: Vec<f64> = (1..=40).map(|i| 5.0 * f64::from(i)).collect();
        let unit = |k: usize| t.iter().map(|t| msd(*t) * (1.0 + 0.02 * (k as f64 - 1.5))).collect();
        (t.clone(), (0..4).map(unit).collect())
    }

    #[test]
    fn a_line_beyond_the_cage_is_found_with_the_scatter_of_the_units() {
        let (t, curves) = units(|t| 0.3 + 6.0 * 0.02 * t);
        let found = fit(&t, &curves).unwrap();
        // Exact but for round-off: units differ by a factor with mean 1.
        assert!((found.coefficient.value / 0.02 - 1.0).abs() < 1e-12 && found.range == [20.0, 100.0]);
        // Factors 0.97, 0.99, 1.01, 1.03: standard error of the mean 0.02 sqrt(5/12), times Student's factor for 3 degrees.
        let exact = 0.02 * 0.02 * (5.0f64 / 12.0).sqrt() * refit::student_factor(3);
        assert!((found.coefficient.error / exact - 1.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_cage_has_no_diffusion() {
        for exponent in [0.0, 0.5, 2.0] {
            let (t, curves) = units(|t| 0.2 * t.powf(exponent));
            assert!(fit(&t, &curves).unwrap_err().why.contains("grows as t^x"), "{exponent}");
        }
        let (t, curves) = units(|_| 0.0);
        assert!(fit(&t, &curves).is_err() && fit(&t[..5], &curves).is_err());
    }
}
