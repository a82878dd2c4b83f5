//! A table of KWW fits of correlation functions, one row a function; and of those of each trajectory by itself.
//!
//! Replicas of a glass differ from one another: their own relaxation times are what a trimmed mean is taken of
//! ([`super::trimmed_mean`]). The fit of one trajectory has no error.

use super::kww::{self, Kww, KwwSettings};
use super::{Estimate, Undetermined};
use crate::pair_average::{LagSums, unit_curves};
use crate::table::Table;

/// Wave number of a function (1/angstrom).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaveNumber {
    /// What the user asked for: by this the functions of different cells belong together.
    pub asked: f64,
    /// Mean length of the wave vectors that the cell has near it.
    pub used: f64,
}

impl From<f64> for WaveNumber {
    /// Exactly what was asked for, as averages over all directions have it.
    fn from(q: f64) -> Self {
        Self { asked: q, used: q }
    }
}

/// Rows of fits.
#[derive(Clone, Debug, Default)]
pub struct KwwTable {
    function: Vec<String>,
    species: Vec<String>,
    q: Vec<WaveNumber>,
    from: Vec<f64>,
    numbers: [Vec<f64>; 8],
    verdict: Vec<String>,
    replicas: ReplicaRows,
}

/// Fits of single trajectories.
#[derive(Clone, Debug, Default)]
struct ReplicaRows {
    function: Vec<String>,
    species: Vec<String>,
    q: Vec<WaveNumber>,
    trajectory: Vec<i64>,
    numbers: [Vec<f64>; 4],
    verdict: Vec<String>,
}

impl KwwTable {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fits `value` of the sums and adds a row. Units of the errors: trajectories if there are four, else the groups.
    pub fn add(
        &mut self,
        [function, species]: [&str; 2],
        q: impl Into<WaveNumber>,
        sums: &[LagSums],
        value: impl Fn(&[f64]) -> f64,
        settings: &KwwSettings,
    ) {
        let q = q.into();
        let found = fit(sums, &value, settings);
        self.function.push(function.to_string());
        self.species.push(species.to_string());
        self.q.push(q);
        self.from.push(settings.start);
        let (estimates, verdict) = estimates(found);
        self.verdict.push(verdict);
        let numbers = estimates.into_iter().flat_map(|e| [e.value, e.error]);
        self.numbers.iter_mut().zip(numbers).for_each(|(column, v)| column.push(v));
        let trajectories = sums.first().map_or(0, |lag| lag.trajectories.len());
        for trajectory in 0..trajectories {
            let found = fit_trajectory(sums, trajectory, &value, settings);
            self.replicas.add([function, species], q, trajectory, found);
        }
    }

    /// The fits of each trajectory by itself.
    pub fn replicas(&self, name: &str) -> Table {
        let rows = self.replicas.clone();
        let definition = "fits of f exp(-(t/tau)^beta) to each trajectory by itself, numbered from 0 in the order of the inputs; beta may exceed 1 by the noise of one trajectory, and is refused above 2 only, so that a mean over trajectories is not biased";
        let table = Table::new(name, definition)
            .text("function", rows.function)
            .text("species_or_weighting", rows.species);
        let mut table = with_wave_numbers(table, &rows.q).integer("trajectory", rows.trajectory);
        let columns = [("f", ""), ("tau_ps", "ps"), ("beta", ""), ("mean_tau_ps", "ps")];
        for ((name, unit), values) in columns.into_iter().zip(rows.numbers) {
            table = table.real(name, unit, values);
        }
        table.text("verdict", rows.verdict)
    }

    /// The table.
    pub fn table(self, name: &str) -> Table {
        let definition = "fits of f exp(-(t/tau)^beta) from a start on; mean tau = tau Gamma(1/beta)/beta; errors by refitting";
        let columns = [
            ("f", ""),
            ("f_standard_error", ""),
            ("tau_ps", "ps"),
            ("tau_ps_standard_error", "ps"),
            ("beta", ""),
            ("beta_standard_error", ""),
            ("mean_tau_ps", "ps"),
            ("mean_tau_ps_standard_error", "ps"),
        ];
        let table = Table::new(name, definition)
            .text("function", self.function)
            .text("species_or_weighting", self.species);
        let mut table = with_wave_numbers(table, &self.q);
        for ((name, unit), values) in columns.into_iter().zip(self.numbers) {
            table = table.real(name, unit, values);
        }
        table.real("fit_from_ps", "ps", self.from).text("verdict", self.verdict)
    }
}

impl ReplicaRows {
    fn add(
        &mut self,
        [function, species]: [&str; 2],
        q: WaveNumber,
        trajectory: usize,
        found: Result<Kww, Undetermined>,
    ) {
        self.function.push(function.to_string());
        self.species.push(species.to_string());
        self.q.push(q);
        self.trajectory.push(i64::try_from(trajectory).unwrap_or(i64::MAX));
        let (estimates, verdict) = estimates(found);
        self.verdict.push(verdict);
        self.numbers.iter_mut().zip(estimates).for_each(|(column, e)| column.push(e.value));
    }
}

/// With the wave numbers that were used, and those that were asked for.
fn with_wave_numbers(table: Table, q: &[WaveNumber]) -> Table {
    table.real("q_per_angstrom", "1/angstrom", q.iter().map(|q| q.used).collect()).real(
        "q_asked_per_angstrom",
        "1/angstrom",
        q.iter().map(|q| q.asked).collect(),
    )
}

/// f, tau, beta, <tau>, and the verdict; commas of a reason, which would separate columns, become semicolons.
fn estimates(found: Result<Kww, Undetermined>) -> ([Estimate; 4], String) {
    let unknown = Estimate { value: f64::NAN, error: f64::NAN };
    match found {
        Ok(k) => ([k.amplitude, k.tau, k.beta, k.mean_tau], "determined".to_string()),
        Err(undetermined) => ([unknown; 4], undetermined.to_string().replace(',', ";")),
    }
}

/// The fit of one trajectory, over the lags that it has.
fn fit_trajectory(
    sums: &[LagSums],
    trajectory: usize,
    value: impl Fn(&[f64]) -> f64,
    settings: &KwwSettings,
) -> Result<Kww, Undetermined> {
    let at = |lag: &LagSums| (lag.time, value(&lag.trajectories[trajectory]));
    let (t, curve): (Vec<f64>, Vec<f64>) = sums.iter().map(at).filter(|(_, v)| v.is_finite()).unzip();
    kww::fit(&t, &[curve], settings)
}

fn fit(sums: &[LagSums], value: impl Fn(&[f64]) -> f64, settings: &KwwSettings) -> Result<Kww, Undetermined> {
    let (t, curves) = unit_curves(sums, value);
    kww::fit(&t, &curves, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trajectory_has_a_fit_of_its_own() {
        let tau = [20.0, 40.0, f64::INFINITY];
        let lag = |k: i32| {
            let t = 1.3f64.powi(k);
            // The second trajectory is shorter than the others; the third does not relax.
            let of = |(i, tau): (usize, f64)| match (i, k) {
                (1, 25..) => vec![0.0, 0.0],
                _ => vec![2.0, 1.8 * (-(t / tau).sqrt()).exp()],
            };
            let trajectories = tau.into_iter().enumerate().map(of).collect();
            LagSums { time: t, groups: vec![vec![1.0, 0.9 * (-(t / 30.0).sqrt()).exp()]; 4], trajectories }
        };
        let sums: Vec<LagSums> = (0..30).map(lag).collect();
        let mut rows = KwwTable::new();
        let settings = KwwSettings { start: 1.0, beta: None };
        rows.add(["isf_self", "all"], 3.7, &sums, |s| s[1] / s[0], &settings);
        let replicas = rows.replicas("kww_replicas");
        let found = replicas.reals("tau_ps").unwrap();
        // Exact data: convergence.
        assert!((found[0] - 20.0).abs() < 1e-4 && (found[1] - 40.0).abs() < 1e-4 && found[2].is_nan());
        let verdicts = replicas.texts("verdict").unwrap();
        assert!(verdicts[1] == "determined" && verdicts[2].starts_with("not determined"));
        assert!((rows.table("kww").reals("tau_ps").unwrap()[0] - 30.0).abs() < 1e-4);
    }

    #[test]
    fn units_of_all_lags_are_fitted() {
        let phi = |t: f64| 0.9 * (-(t / 20.0f64).sqrt()).exp();
        let lag = |k: i32| {
            let t = 1.3f64.powi(k);
            // Number and sum: groups of different sizes with the same mean; the longest lag misses one group.
            let group = |g: usize| {
                let n = if g == 2 && k == 29 { 0.0 } else { 10.0 + g as f64 };
                vec![n, n * phi(t) * (1.0 + 0.01 * (g as f64 - 1.5))]
            };
            LagSums { time: t, groups: (0..4).map(group).collect(), trajectories: vec![vec![1.0, phi(t)]] }
        };
        let sums: Vec<LagSums> = (0..30).map(lag).collect();
        let mut rows = KwwTable::new();
        let settings = KwwSettings { start: 1.0, beta: None };
        rows.add(["isf_self", "all"], 3.7, &sums, |s| s[1] / s[0], &settings);
        rows.add(["isf_self", "flat"], 3.7, &sums, |_| 0.5, &settings);
        let table = rows.table("kww");
        let number = |name: &str| table.reals(name).unwrap()[0];
        // Groups scale the curve by 1 +- 0.015 and do nothing else: exact tau and beta.
        assert!((number("f") - 0.9).abs() < 1e-6 && (number("tau_ps") - 20.0).abs() < 1e-4);
        assert!((number("beta") - 0.5).abs() < 1e-6 && (number("mean_tau_ps") - 40.0).abs() < 1e-3);
        assert!(number("f_standard_error") > 0.003 && number("tau_ps_standard_error") < 1e-3);
        assert!(table.texts("verdict").unwrap()[1].starts_with("not determined"));
        assert!(table.reals("tau_ps").unwrap()[1].is_nan());
    }
}
