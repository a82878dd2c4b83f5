//! A quantity of several analysed runs against their temperatures, and the laws that it follows: [`crate::fits::temperatures`].
//!
//! Quantities: tau and <tau> of KWW fits, the viscosity, diffusion coefficients. Without trimming, every run is a point with the error
//! that its analysis gave. With trimming, the replicas of all runs of one temperature become one point: the mean without so many of the
//! largest and of the smallest values, as Saito et al., Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536, take it.

use crate::fits::kww_table::WaveNumber;
use crate::fits::temperatures::{Fitted, Law, Point, Sense, fit};
use crate::fits::trimmed_mean::trimmed_mean_without;
use crate::fits::{Estimate, Undetermined};
use crate::results::Results;
use crate::table::{Table, decimal};

/// Runs whose temperatures differ by no more have one temperature (K).
pub const SAME_TEMPERATURE: f64 = 2.0;

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// tau of f exp(-(t/tau)^beta) (ps).
    RelaxationTime,
    /// <tau> = tau Gamma(1/beta)/beta (ps).
    MeanRelaxationTime,
    /// Shear viscosity (Pa s).
    Viscosity,
    /// Diffusion coefficient (m^2/s).
    Diffusion,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::RelaxationTime, Self::MeanRelaxationTime, Self::Viscosity, Self::Diffusion];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RelaxationTime => "tau",
            Self::MeanRelaxationTime => "mean-tau",
            Self::Viscosity => "viscosity",
            Self::Diffusion => "D",
        }
    }

    /// Its unit.
    pub fn unit(self) -> &'static str {
        match self {
            Self::RelaxationTime | Self::MeanRelaxationTime => "ps",
            Self::Viscosity => "Pa s",
            Self::Diffusion => "m^2/s",
        }
    }

    /// The observable that measures it.
    pub fn observable(self, choice: &Choice) -> &str {
        match self {
            Self::RelaxationTime | Self::MeanRelaxationTime => &choice.function,
            Self::Viscosity => "viscosity",
            Self::Diffusion => "msd",
        }
    }

    fn sense(self) -> Sense {
        if self == Self::Diffusion { Sense::Falls } else { Sense::Grows }
    }

    fn column(self) -> &'static str {
        match self {
            Self::RelaxationTime => "tau_ps",
            Self::MeanRelaxationTime => "mean_tau_ps",
            Self::Viscosity | Self::Diffusion => "value",
        }
    }
}

/// What is chosen of the results.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What is followed.
    pub quantity: Quantity,
    /// Function of relaxation times: `isf_coherent` or `isf_self`.
    pub function: String,
    /// Species or weighting.
    pub species: String,
    /// Only these wave numbers (1/angstrom); all if there are none.
    pub wave_numbers: Vec<f64>,
    /// Largest and smallest values of replicas that are left out; none: no mean over replicas is taken.
    pub trim: Option<usize>,
}

/// Results of a run at its temperature.
pub struct Run<'a> {
    /// What to call it.
    pub name: String,
    /// Temperature (K).
    pub temperature: f64,
    /// What was measured.
    pub results: &'a Results,
}

/// A quantity over the temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Wave number (1/angstrom), of relaxation times: mean of those that the runs' cells have near the one that was asked for.
    pub wave_number: Option<f64>,
    /// From the lowest temperature up, each with the number of trajectories that it is from.
    pub points: Vec<(Point, usize)>,
}

/// One number of one run: its own, from so many trajectories, and those of its replicas.
struct Found {
    wave_number: Option<WaveNumber>,
    value: Result<Estimate, Undetermined>,
    trajectories: usize,
    replicas: Vec<Result<f64, Undetermined>>,
}

/// Wave numbers of one series differ by less than this part from their mean: cells of different sizes have different ones.
pub(crate) const SAME_WAVE_NUMBER: f64 = 0.05;

/// The series of the quantity, one for each wave number that any run was asked for. Runs without a table of it say which and why.
pub fn series(runs: &[Run], choice: &Choice) -> Result<Vec<Series>, Undetermined> {
    let mut found = Vec::new();
    for run in runs {
        let of_run = find(run.results, choice).map_err(|reason| {
            let observable = choice.quantity.observable(choice);
            Undetermined::because(format!("{}: {reason}; `vitrion analyze --only {observable}`", run.name))
        })?;
        found.push(of_run);
    }
    let asked = |f: &Found| f.wave_number.map(|q| q.asked);
    let mut wave_numbers: Vec<Option<f64>> = found.iter().flatten().map(asked).collect();
    wave_numbers.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    wave_numbers.dedup();
    let mut all = Vec::new();
    for wave_number in wave_numbers {
        let mut values: Vec<(f64, &Found)> = Vec::new();
        for (run, found) in runs.iter().zip(&found) {
            let here = found.iter().filter(|f| asked(f) == wave_number);
            values.extend(here.map(|f| (run.temperature, f)));
        }
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let used: Vec<f64> = values.iter().filter_map(|(_, f)| f.wave_number).map(|q| q.used).collect();
        let wave_number = common(&used, wave_number)?;
        all.push(Series { wave_number, points: points(&values, choice.trim) });
    }
    Ok(all)
}

/// The mean of the wave numbers of one series, if they are nearly alike.
fn common(used: &[f64], asked: Option<f64>) -> Result<Option<f64>, Undetermined> {
    let Some(asked) = asked else { return Ok(None) };
    let mean = decimal(used.iter().sum::<f64>() / used.len() as f64);
    match used.iter().find(|q| (**q - mean).abs() > SAME_WAVE_NUMBER * mean) {
        None => Ok(Some(mean)),
        Some(far) => Err(Undetermined::because(format!(
            "q = {asked} 1/angstrom is {far:.4} 1/angstrom in the cell of one run, {mean:.4} in the mean: their wave vectors differ; choose a wave \
             number that all cells have with `vitrion analyze --q` and --q"
        ))),
    }
}

fn points(values: &[(f64, &Found)], trim: Option<usize>) -> Vec<(Point, usize)> {
    let Some(cut) = trim else {
        let point = |(temperature, found): &(f64, &Found)| {
            let value = found.value.clone();
            (Point { temperature: *temperature, value }, found.trajectories)
        };
        return values.iter().map(point).collect();
    };
    let mean = |same: &[(f64, &Found)]| {
        let temperature = same.iter().map(|(t, _)| t).sum::<f64>() / same.len() as f64;
        let replicas = same.iter().flat_map(|(_, found)| found.replicas.clone()).collect();
        let trajectories = same.iter().map(|(_, found)| found.trajectories).sum();
        (Point { temperature, value: trimmed(replicas, cut) }, trajectories)
    };
    let (mut points, mut rest) = (Vec::new(), values);
    // Counted from the lowest of them: steps of 2 K from run to run do not add up to one temperature.
    while let Some((lowest, _)) = rest.first() {
        let (same, others) = rest.split_at(rest.partition_point(|(t, _)| t - lowest <= SAME_TEMPERATURE));
        points.push(mean(same));
        rest = others;
    }
    points
}

/// A replica without a value may belong to either end: then the mean is not known.
fn trimmed(replicas: Vec<Result<f64, Undetermined>>, cut: usize) -> Result<Estimate, Undetermined> {
    let of = replicas.len();
    let without = replicas.iter().filter(|r| r.is_err()).count();
    let values: Result<Vec<f64>, Undetermined> = replicas.into_iter().collect();
    let values = values
        .map_err(|u| Undetermined::because(format!("{without} of {of} replicas have no value: {}", u.why)))?;
    trimmed_mean_without(&values, cut)
}

/// Rows of a run's tables.
fn find(results: &Results, choice: &Choice) -> Result<Vec<Found>, String> {
    match choice.quantity {
        Quantity::RelaxationTime | Quantity::MeanRelaxationTime => relaxations(results, choice),
        Quantity::Viscosity => of_one_row(results, "viscosity", "quantity", "viscosity"),
        Quantity::Diffusion => of_one_row(results, "diffusion", "species", &choice.species),
    }
}

/// A number of all trajectories of a run, which counts as one replica: it has no table of its replicas.
fn of_one_row(results: &Results, table: &str, column: &str, word: &str) -> Result<Vec<Found>, String> {
    let rows = results.table(table).ok_or_else(|| missing(results, table))?;
    let words = rows.texts(column).unwrap_or_default();
    let row = words.iter().position(|w| w == word).ok_or_else(|| {
        let mut known = words.to_vec();
        known.dedup();
        format!("its table {table} has no {column} {word}, but {}", known.join(", "))
    })?;
    let value = estimate(rows, row, "value", "standard_error");
    let replica = value.clone().map(|e| e.value);
    let trajectories = results.temperatures.len().max(1);
    Ok(vec![Found { wave_number: None, value, trajectories, replicas: vec![replica] }])
}

fn relaxations(results: &Results, choice: &Choice) -> Result<Vec<Found>, String> {
    let of_function = |name: &str| {
        results
            .tables(name)
            .find(|t| t.texts("function").is_some_and(|words| words.contains(&choice.function)))
            .ok_or_else(|| missing(results, &choice.function))
    };
    let (fits, replicas) = (of_function("kww")?, of_function("kww_replicas")?);
    let column = choice.quantity.column();
    let chosen = |table: &Table, row: usize| {
        let word = |column, word: &str| table.texts(column).is_some_and(|words| words[row] == word);
        word("function", &choice.function) && word("species_or_weighting", &choice.species)
    };
    let number = |table: &Table, name: &str, row: usize| table.reals(name).map(|column| column[row]);
    let used = |table: &Table, row: usize| number(table, "q_per_angstrom", row).unwrap_or(f64::NAN);
    // Results of earlier versions hold one of the two.
    let q = |table: &Table, row: usize| {
        number(table, "q_asked_per_angstrom", row).unwrap_or_else(|| used(table, row))
    };
    let wanted = |q: f64| choice.wave_numbers.is_empty() || choice.wave_numbers.iter().any(|w| same(*w, q));
    let mut found = Vec::new();
    for row in (0..fits.rows()).filter(|&row| chosen(fits, row) && wanted(q(fits, row))) {
        let of_replica = |&other: &usize| chosen(replicas, other) && same(q(replicas, other), q(fits, row));
        let own = (0..replicas.rows()).filter(of_replica);
        let own: Vec<_> = own.map(|other| estimate(replicas, other, column, "").map(|e| e.value)).collect();
        let value = estimate(fits, row, column, &format!("{column}_standard_error"));
        let trajectories = own.len().max(1);
        let wave_number = Some(WaveNumber { asked: q(fits, row), used: used(fits, row) });
        found.push(Found { wave_number, value, trajectories, replicas: own });
    }
    if found.is_empty() {
        return Err(format!(
            "it has no fit of {} for {} at these wave numbers",
            choice.function, choice.species
        ));
    }
    Ok(found)
}

/// Wave numbers to the eighth digit.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-8 * b.abs()
}

fn missing(results: &Results, name: &str) -> String {
    match results.outcomes.iter().find(|o| o.name == name).map(|o| &o.result) {
        Some(Err(missing)) => format!("{name} was not measured: {missing}"),
        _ => format!("its results have no {name}"),
    }
}

/// A number with its error (NaN without that column), or the verdict of its row.
fn estimate(table: &Table, row: usize, value: &str, error: &str) -> Result<Estimate, Undetermined> {
    let number = |name: &str| table.reals(name).map_or(f64::NAN, |column| column[row]);
    if number(value).is_finite() {
        return Ok(Estimate { value: number(value), error: number(error) });
    }
    let verdict = table.texts("verdict").map_or("no number", |words| &words[row]);
    Err(Undetermined::because(verdict.trim_start_matches("not determined: ")))
}

/// A law of each series, or why it has none.
pub struct SeriesLaws {
    /// The points.
    pub series: Series,
    /// In the order in which they were asked for.
    pub laws: Vec<(Law, Result<Fitted, Undetermined>)>,
}

/// Fits laws to all series.
pub fn fit_laws(
    series: Vec<Series>,
    quantity: Quantity,
    laws: &[Law],
    glass_transition: Option<f64>,
) -> Vec<SeriesLaws> {
    let of = |series: Series| {
        let points: Vec<Point> = series.points.iter().map(|(point, _)| point.clone()).collect();
        let fitted = |law: &Law| (*law, fit(&points, *law, quantity.sense(), glass_transition));
        SeriesLaws { laws: laws.iter().map(fitted).collect(), series }
    };
    series.into_iter().map(of).collect()
}

/// Columns that say which series a row is of.
#[derive(Default)]
struct Which {
    quantity: Vec<String>,
    function: Vec<String>,
    species: Vec<String>,
    wave_number: Vec<f64>,
}

impl Which {
    fn add(&mut self, choice: &Choice, series: &Series) {
        let of_function = series.wave_number.is_some();
        let of_species = of_function || choice.quantity == Quantity::Diffusion;
        self.quantity.push(choice.quantity.name().to_string());
        self.function.push(if of_function { choice.function.clone() } else { String::new() });
        self.species.push(if of_species { choice.species.clone() } else { String::new() });
        self.wave_number.push(series.wave_number.unwrap_or(f64::NAN));
    }

    fn table(self, name: &str, definition: &str) -> Table {
        Table::new(name, definition)
            .text("quantity", self.quantity)
            .text("function", self.function)
            .text("species_or_weighting", self.species)
            .real("q_per_angstrom", "1/angstrom", self.wave_number)
    }
}

/// `fit_points`: what was fitted, and the laws at the same temperatures.
pub fn points_table(all: &[SeriesLaws], choice: &Choice) -> Table {
    let mut which = Which::default();
    let mut numbers: [Vec<f64>; 3] = Default::default();
    let (mut counts, mut verdicts) = (Vec::new(), Vec::new());
    let mut laws: Vec<(String, Vec<f64>)> = Vec::new();
    for SeriesLaws { series, laws: fitted } in all {
        for (point, count) in &series.points {
            which.add(choice, series);
            let (estimate, verdict) = number(&point.value);
            let row = [point.temperature, estimate.value, estimate.error];
            numbers.iter_mut().zip(row).for_each(|(column, v)| column.push(v));
            counts.push(i64::try_from(*count).unwrap_or(i64::MAX));
            verdicts.push(verdict);
            for (place, (law, fitted)) in fitted.iter().enumerate() {
                if laws.len() <= place {
                    laws.push((law.name().to_string(), Vec::new()));
                }
                laws[place].1.push(fitted.as_ref().map_or(f64::NAN, |f| f.at(point.temperature)));
            }
        }
    }
    let unit = choice.quantity.unit();
    let [temperature, value, error] = numbers;
    let table = which
        .table("fit_points", "values that laws were fitted to, and the laws there")
        .real("temperature_K", "K", temperature)
        .real("value", unit, value)
        .real("standard_error", unit, error)
        .text("unit", vec![unit.to_string(); verdicts.len()])
        .integer("trajectories", counts);
    let table = laws.into_iter().fold(table, |table, (name, values)| table.real(&name, unit, values));
    table.text("verdict", verdicts)
}

/// `fit_laws`: parameters of the laws.
pub fn laws_table(all: &[SeriesLaws], choice: &Choice) -> Table {
    let mut which = Which::default();
    let mut words: [Vec<String>; 4] = Default::default();
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    let mut add = |series: &Series, law: Law, name: &str, unit: &str, e: Estimate, verdict: String| {
        which.add(choice, series);
        let row = [law.name().to_string(), name.to_string(), unit.to_string(), verdict];
        words.iter_mut().zip(row).for_each(|(column, word)| column.push(word));
        values.push(e.value);
        errors.push(e.error);
    };
    for SeriesLaws { series, laws } in all {
        for (law, fitted) in laws {
            match fitted {
                Err(undetermined) => {
                    let (estimate, verdict) = number(&Err(undetermined.clone()));
                    add(series, *law, "law", "", estimate, verdict);
                }
                Ok(fitted) => {
                    for parameter in &fitted.parameters {
                        let (estimate, verdict) = number(&parameter.value);
                        let doubt = fitted.doubt().filter(|_| parameter.value.is_ok());
                        add(series, *law, parameter.name, parameter.unit, estimate, doubt.unwrap_or(verdict));
                    }
                    let exact = |value| Estimate { value, error: 0.0 };
                    let determined = || "determined".to_string();
                    if let Some(chi_squared) = fitted.chi_squared {
                        add(series, *law, "chi_squared", "", exact(chi_squared), determined());
                    }
                    let degrees = exact(fitted.degrees_of_freedom as f64);
                    add(series, *law, "degrees_of_freedom", "", degrees, determined());
                }
            }
        }
    }
    let [law, parameter, unit, verdict] = words;
    which
        .table(
            "fit_laws",
            "parameters of laws over the temperature, weighted with the standard errors of the points",
        )
        .text("law", law)
        .text("parameter", parameter)
        .real("value", "", values)
        .real("standard_error", "", errors)
        .text("unit", unit)
        .text("verdict", verdict)
}

/// `fit_covariance`: covariance of pairs of parameters.
pub fn covariance_table(all: &[SeriesLaws], choice: &Choice) -> Table {
    let mut which = Which::default();
    let mut words: [Vec<String>; 3] = Default::default();
    let mut values = Vec::new();
    for SeriesLaws { series, laws } in all {
        for (law, fitted) in laws.iter().filter_map(|(law, fitted)| Some((law, fitted.as_ref().ok()?))) {
            for (one, other, covariance) in &fitted.covariance {
                which.add(choice, series);
                let row = [law.name(), one, other];
                words.iter_mut().zip(row).for_each(|(column, word)| column.push(word.to_string()));
                values.push(*covariance);
            }
        }
    }
    let [law, one, other] = words;
    which
        .table("fit_covariance", "covariance of parameters, in the product of their units")
        .text("law", law)
        .text("parameter", one)
        .text("other_parameter", other)
        .real("covariance", "", values)
}

/// Commas of a reason, which would separate columns, become semicolons.
fn number(value: &Result<Estimate, Undetermined>) -> (Estimate, String) {
    match value {
        Ok(estimate) => (*estimate, "determined".to_string()),
        Err(undetermined) => {
            let verdict = undetermined.to_string().replace(',', ";");
            (Estimate { value: f64::NAN, error: f64::NAN }, verdict)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Outcome;

    /// D of a run of four trajectories.
    fn results(d: f64) -> Results {
        let table = Table::new("diffusion", "")
            .text("species", vec!["all".into()])
            .real("value", "m^2/s", vec![d])
            .real("standard_error", "m^2/s", vec![0.1 * d])
            .text("verdict", vec!["determined".into()]);
        let outcome = Outcome {
            name: "msd".into(),
            key: String::new(),
            notes: Vec::new(),
            reused: false,
            result: Ok(vec![table]),
        };
        Results { outcomes: vec![outcome], temperatures: vec![400.0; 4], ..Results::default() }
    }

    fn of_temperatures(temperatures: &[f64], trim: Option<usize>) -> Vec<(Point, usize)> {
        let results = results(2e-10);
        let run = |t: &f64| Run { name: String::new(), temperature: *t, results: &results };
        let choice = Choice {
            quantity: Quantity::Diffusion,
            function: String::new(),
            species: "all".into(),
            wave_numbers: Vec::new(),
            trim,
        };
        series(&temperatures.iter().map(run).collect::<Vec<_>>(), &choice).unwrap().remove(0).points
    }

    #[test]
    fn a_point_says_from_how_many_trajectories_it_is() {
        let points = of_temperatures(&[400.0, 450.0], None);
        assert_eq!(points.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [4, 4]);
    }

    /// tau of a run whose cell has this wave number near 0.35 1/angstrom.
    fn relaxations_at(used: f64) -> Results {
        let table = |name: &str| {
            Table::new(name, "")
                .text("function", vec!["isf_coherent".into()])
                .text("species_or_weighting", vec!["xray".into()])
                .real("q_per_angstrom", "1/angstrom", vec![used])
                .real("q_asked_per_angstrom", "1/angstrom", vec![0.35])
                .real("tau_ps", "ps", vec![10.0])
                .text("verdict", vec!["determined".into()])
        };
        let result = Ok(vec![table("kww"), table("kww_replicas")]);
        let outcome = Outcome {
            name: "isf_coherent".into(),
            key: String::new(),
            notes: Vec::new(),
            reused: false,
            result,
        };
        Results { outcomes: vec![outcome], ..Results::default() }
    }

    #[test]
    fn cells_of_different_sizes_make_one_series_only_if_they_have_the_same_wave_number() {
        let of = |used: [f64; 2], wave_numbers: Vec<f64>| {
            let results = used.map(relaxations_at);
            let run = |results| Run { name: "run".into(), temperature: 400.0, results };
            let choice = Choice {
                quantity: Quantity::RelaxationTime,
                function: "isf_coherent".into(),
                species: "xray".into(),
                wave_numbers,
                trim: None,
            };
            series(&results.iter().map(run).collect::<Vec<_>>(), &choice)
        };
        for chosen in [vec![], vec![0.35]] {
            let all = of([0.350, 0.352], chosen).unwrap();
            assert_eq!((all.len(), all[0].wave_number, all[0].points.len()), (1, Some(0.351), 2));
        }
        assert!(of([0.35, 0.35], vec![0.351]).unwrap_err().why.contains("no fit"));
        let why = of([0.35, 0.4189], vec![]).unwrap_err().why;
        assert!(why.contains("0.35 1/angstrom is") && why.contains("differ"), "{why}");
    }

    #[test]
    fn small_steps_of_temperature_do_not_add_up_to_one_temperature() {
        let points = of_temperatures(&[340.0, 341.5, 343.0, 344.5, 380.0, 380.4], Some(0));
        let found: Vec<(f64, usize)> = points.iter().map(|(p, n)| (p.temperature, *n)).collect();
        assert_eq!(found, [(340.75, 8), (343.75, 8), (380.2, 8)]);
    }
}
