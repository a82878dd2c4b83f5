//! The page of `vitrion fit`: a quantity of several runs over the temperature, as Fig. 4e of Saito et al. has it, with its laws.

use vitrion_analysis::fits::temperatures::{Fitted, Law, Parameter};
use vitrion_analysis::fits::{Estimate, Undetermined};
use vitrion_analysis::table::Table;
use vitrion_analysis::temperature_series::{
    Choice, Quantity, Run, SAME_TEMPERATURE, SeriesLaws, covariance_table, laws_table, points_table,
};

use crate::chart::markup::{escape, to_html};
use crate::page::{data, document, numbers, panel, provenance_table};
use crate::panel::{Content, Number, Panel, Shown};
use crate::paper;
use crate::quantity::{significant, time_with_error, unit, with_error};
use crate::source::Facts;
use crate::temperature_figure::{name, picture};

/// What the page is about.
pub struct TemperatureFits<'a> {
    /// Points and laws.
    pub series: &'a [SeriesLaws],
    /// What was chosen of the results.
    pub choice: &'a Choice,
    /// Where it comes from.
    pub runs: &'a [Run<'a>],
    /// The command line.
    pub command: String,
    /// Version of the program.
    pub version: String,
}

/// The page.
pub fn html(fits: &TemperatureFits) -> String {
    let sections = [figure(fits), provenance(fits)].concat();
    document(&title(fits.choice), &header(fits), &sections)
}

fn title(choice: &Choice) -> String {
    format!("{} against temperature", words(choice.quantity))
}

fn words(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::RelaxationTime => "Relaxation time",
        Quantity::MeanRelaxationTime => "Mean relaxation time",
        Quantity::Viscosity => "Viscosity",
        Quantity::Diffusion => "Diffusion coefficient",
    }
}

fn is_relaxation(quantity: Quantity) -> bool {
    matches!(quantity, Quantity::RelaxationTime | Quantity::MeanRelaxationTime)
}

/// Which function or species, in words.
fn subject(choice: &Choice) -> Option<String> {
    match choice.quantity {
        Quantity::Viscosity => None,
        Quantity::Diffusion => Some(choice.species.clone()),
        _ => Some(format!("{}, {}", choice.function, choice.species)),
    }
}

fn header(fits: &TemperatureFits) -> String {
    let temperatures = || fits.runs.iter().map(|run| run.temperature);
    let (low, high) =
        (temperatures().fold(f64::INFINITY, f64::min), temperatures().fold(f64::NEG_INFINITY, f64::max));
    let mut items: Vec<String> = subject(fits.choice).iter().map(|words| escape(words)).collect();
    items.push(if fits.runs.len() == 1 {
        "one run".to_string()
    } else {
        format!("{} runs", fits.runs.len())
    });
    items.push(if high > low { format!("{low:.0} to {high:.0} K") } else { format!("{low:.0} K") });
    let paper = "M. Saito <i>et al.</i>, Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536";
    let about = if is_relaxation(fits.choice.quantity) {
        format!(
            "As Fig. 4e of {paper}. It compares its times with Arrhenius lines of the activation energy of the JG process and gives no \
             number for that, so none stands beside these; its relaxation time at 330 K does where wave number, temperature and length of \
             the run match."
        )
    } else {
        format!("Axes as in Fig. 4e of {paper}, which has no values of this quantity.")
    };
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"facts\">{}</p>\n<p>{about}</p>\n</header>\n",
        escape(&title(fits.choice)),
        items.join(" · ")
    )
}

fn figure(fits: &TemperatureFits) -> String {
    let heading = format!("{} against 1000/*T*", name(fits.choice.quantity));
    let content = picture(fits.series, fits.choice).map(Content::new).ok_or_else(|| {
        let points = fits.series.iter().flat_map(|s| &s.series.points);
        let reasons: Vec<&str> =
            points.filter_map(|(p, _)| Some(p.value.as_ref().err()?.why.as_str())).collect();
        format!("No run has a value. The first: {}.", reasons.first().unwrap_or(&"there is none"))
    });
    let caption = "Dashed: Arrhenius laws; solid: VFT laws. Bars are one standard error.";
    let drawn = Panel::new("fit", &heading, &definition(fits.choice), caption, content);
    format!(
        "<section id=\"values\">\n<h2>Values and laws</h2>\n<div class=\"panels n2\">\n<div>{}{}</div>{}</div>\n</section>\n",
        panel(&drawn, &to_html(&heading), ""),
        card("Values", &numbers(&points(fits), "these runs"), vec![points_table(fits.series, fits.choice)]),
        laws(fits)
    )
}

/// Numbers beside the figure, and the tables that they are of.
fn card(heading: &str, numbers: &str, tables: Vec<Table>) -> String {
    let tables: String = tables.into_iter().map(|table| data(&Shown::from(table))).collect();
    format!("<div class=\"card\"><h3>{heading}</h3>{numbers}{tables}</div>\n")
}

fn definition(choice: &Choice) -> String {
    let what = match choice.quantity {
        Quantity::RelaxationTime => {
            format!("*τ* of fits *f* exp(−(*t*/*τ*)^{{β}}) to {} ({})", choice.function, choice.species)
        }
        Quantity::MeanRelaxationTime => format!(
            "⟨*τ*⟩ = *τ* Γ(1/*β*)/*β* of fits *f* exp(−(*t*/*τ*)^{{β}}) to {} ({})",
            choice.function, choice.species
        ),
        Quantity::Viscosity => "*η* from the integral of the stress correlation (Green and Kubo)".to_string(),
        Quantity::Diffusion => format!("*D* of MSD = *a* + 6*Dt* ({})", choice.species),
    };
    let points = match choice.trim {
        None => "each run is a point".to_string(),
        Some(cut) => format!(
            "points are means over the replicas of a temperature without the {cut} largest and the {cut} smallest"
        ),
    };
    format!(
        "{what}; {points}. Arrhenius: ln *τ* = ln *τ*_{{0}} + *E*/*RT*; Vogel, Fulcher and Tammann (VFT): ln *τ* = ln *τ*_{{0}} + *D T*_{{0}}/(*T* − *T*_{{0}}); a \
         diffusion coefficient follows them as its inverse does. Weighted least squares of the logarithm; errors are enlarged where the points scatter \
         by more than theirs."
    )
}

/// Every point with its error, beside the paper's where conditions match.
fn points(fits: &TemperatureFits) -> Vec<Number> {
    let choice = fits.choice;
    let mut rows = Vec::new();
    for series in fits.series {
        for (point, _) in &series.series.points {
            let q = series.series.wave_number;
            rows.push(Number {
                name: format!("{:.1} K{}", point.temperature, at(q)),
                value: said(&point.value, choice.quantity.unit()),
                paper: beside(fits, q, point.temperature),
            });
        }
    }
    rows
}

fn at(wave_number: Option<f64>) -> String {
    wave_number.map_or(String::new(), |q| format!(", {} Å^{{−1}}", significant(q, 2)))
}

fn said(value: &Result<Estimate, Undetermined>, of: &str) -> String {
    match value {
        Ok(e) if of == "ps" => time_with_error(e.value, Some(e.error)),
        Ok(e) => with_error(e.value, Some(e.error), &unit(of)),
        Err(undetermined) => undetermined.to_string(),
    }
}

/// The paper's relaxation time is that of the X-ray weighted coherent function at 6.3 1/angstrom.
fn beside(fits: &TemperatureFits, q: Option<f64>, temperature: f64) -> Option<paper::Value> {
    let choice = fits.choice;
    let same = choice.quantity == Quantity::RelaxationTime
        && (choice.function.as_str(), choice.species.as_str()) == ("isf_coherent", "xray")
        && q.is_some_and(|q| (q - 6.3).abs() < 0.05);
    let runs = fits.runs.iter().filter(|run| (run.temperature - temperature).abs() <= SAME_TEMPERATURE);
    // The shortest of the runs that the point is from: its longest lag.
    let duration = runs.map(|run| longest_lag(run, &choice.function)).fold(f64::INFINITY, f64::min);
    let duration = (duration > 0.0 && duration.is_finite()).then_some(duration);
    let facts = Facts { temperature: Some(temperature), duration, ..Facts::default() };
    same.then(|| paper::value(paper::Quantity::RelaxationTime, &facts)).flatten()
}

fn longest_lag(run: &Run, function: &str) -> f64 {
    let times = run.results.table(function).and_then(|table| table.reals("t_ps"));
    times.map_or(0.0, |times| times.iter().copied().fold(0.0, f64::max))
}

/// A table for each law of each wave number, in a card beside the figure.
fn laws(fits: &TemperatureFits) -> String {
    let mut tables = String::new();
    for series in fits.series {
        for (law, fitted) in &series.laws {
            let heading = format!("{}{}", law_in_words(*law), at(series.series.wave_number));
            tables += &numbers(&law_rows(fitted), &heading);
        }
    }
    let all = vec![laws_table(fits.series, fits.choice), covariance_table(fits.series, fits.choice)];
    card("Parameters of the laws", &tables, all)
}

fn law_rows(fitted: &Result<Fitted, Undetermined>) -> Vec<Number> {
    let row = |name: &str, value: String| Number { name: name.to_string(), value, paper: None };
    let fitted = match fitted {
        Err(undetermined) => return vec![row("", undetermined.to_string())],
        Ok(fitted) => fitted,
    };
    let of = |p: &Parameter| row(symbol(p.name), said(&p.value, p.unit));
    let mut rows: Vec<Number> = fitted.parameters.iter().map(of).collect();
    if let Some(chi_squared) = fitted.chi_squared {
        let degrees = fitted.degrees_of_freedom;
        rows.push(row("*χ*^{2}", format!("{chi_squared:.1} with {degrees} degrees of freedom")));
    }
    rows.extend(fitted.doubt().map(|doubt| row("verdict", doubt)));
    rows
}

fn law_in_words(law: Law) -> &'static str {
    match law {
        Law::Arrhenius => "Arrhenius",
        Law::VogelFulcherTammann => "VFT",
    }
}

/// A parameter of the tables with the markup of `chart::markup`.
fn symbol(parameter: &str) -> &str {
    match parameter {
        "E" => "*E*",
        "T_0" => "*T*_{0}",
        "D T_0" => "*D T*_{0}",
        "D" => "strength *D*",
        "m" => "fragility *m*",
        other => other,
    }
}

fn provenance(fits: &TemperatureFits) -> String {
    let mut rows = vec![
        ("version".to_string(), format!("Vitrion {}", fits.version)),
        ("fitted by".to_string(), fits.command.clone()),
    ];
    let observable = fits.choice.quantity.observable(fits.choice);
    for run in fits.runs {
        let results = run.results;
        let key = results.outcomes.iter().find(|o| o.name == observable).map_or("", |o| o.key.as_str());
        let files: Vec<String> = results.inputs.iter().map(|path| path.display().to_string()).collect();
        rows.push((
            format!("{:.1} K", run.temperature),
            format!(
                "{}: {}; analysed with Vitrion {} by `{}`; {observable} with the key {key}",
                run.name,
                files.join(", "),
                results.version,
                results.command
            ),
        ));
        rows.extend(results.notes.iter().map(|note| ("note".to_string(), format!("{}: {note}", run.name))));
    }
    format!("<section id=\"provenance\"><h2>Provenance</h2>{}</section>\n", provenance_table(&rows))
}

#[cfg(test)]
mod tests {
    use vitrion_analysis::results::{Outcome, Results};
    use vitrion_analysis::temperature_series::{fit_laws, series};

    use super::*;

    /// Results with relaxation times (ps) at two wave numbers and lags up to `longest` (ps).
    fn results(tau: f64, longest: f64) -> Results {
        let word = |word: &str| vec![word.to_string(); 2];
        let fits = |name: &str| {
            Table::new(name, "")
                .text("function", word("isf_coherent"))
                .text("species_or_weighting", word("xray"))
                .real("q_per_angstrom", "1/angstrom", vec![3.7, 6.3])
                .real("tau_ps", "ps", vec![3.0 * tau, tau])
                .real("tau_ps_standard_error", "ps", vec![0.3 * tau, 0.1 * tau])
                .text("verdict", word("determined"))
        };
        let function = Table::new("isf_coherent", "").real("t_ps", "ps", vec![1.0, longest]);
        let result = Ok(vec![function, fits("kww"), fits("kww_replicas")]);
        let outcome = Outcome {
            name: "isf_coherent".into(),
            key: "q 6.3".into(),
            notes: Vec::new(),
            reused: false,
            result,
        };
        Results { outcomes: vec![outcome], version: "0.0".into(), ..Results::default() }
    }

    fn page(runs: &[(f64, f64, f64)]) -> String {
        let results: Vec<Results> = runs.iter().map(|(_, tau, longest)| results(*tau, *longest)).collect();
        let temperatures = runs.iter().map(|(temperature, ..)| *temperature);
        let run = |(i, (temperature, results))| Run { name: format!("run<{i}>"), temperature, results };
        let runs: Vec<Run> = temperatures.zip(&results).enumerate().map(run).collect();
        let choice = Choice {
            quantity: Quantity::RelaxationTime,
            function: "isf_coherent".into(),
            species: "xray".into(),
            wave_numbers: Vec::new(),
            trim: None,
        };
        let laws = [Law::Arrhenius, Law::VogelFulcherTammann];
        let series = fit_laws(series(&runs, &choice).unwrap(), choice.quantity, &laws, None);
        html(&TemperatureFits {
            series: &series,
            choice: &choice,
            runs: &runs,
            command: "vitrion fit".into(),
            version: "0.0".into(),
        })
    }

    #[test]
    fn the_papers_time_stands_only_beside_a_run_at_its_wave_number_temperature_and_length() {
        let melt = [(400.0, 50.0, 1000.0), (450.0, 9.0, 1000.0), (500.0, 2.0, 1000.0)];
        let glass = |temperature: f64, longest: f64| [&melt[..], &[(temperature, 3e6, longest)]].concat();
        let matching = page(&glass(330.5, 12e6));
        // Once: at 6.3 and not at 3.7.
        assert_eq!(matching.matches("2.7 µs").count(), 1);
        assert!(matching.contains("simulation, 330 K"));
        for other in [page(&melt), page(&glass(340.0, 12e6)), page(&glass(330.5, 1e6))] {
            assert!(!other.contains("2.7 µs"));
        }
    }

    #[test]
    fn values_laws_and_where_they_come_from_are_there_and_nothing_is_asked_for() {
        let words = page(&[(400.0, 50.0, 1000.0), (450.0, 9.0, 1000.0), (500.0, 2.0, 1000.0)]);
        for expected in [
            "<svg",
            "kJ/mol",
            "Arrhenius, 6.3",
            "no T_g is given",
            "run&lt;0&gt;",
            "fit_points.csv",
            "fit_laws",
        ] {
            assert!(words.contains(expected), "{expected}");
        }
        for forbidden in ["http://", "https://", "<script", "NaN", "src="] {
            assert!(!words.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn runs_without_a_value_give_the_reason_instead_of_a_figure() {
        let words = page(&[(400.0, f64::NAN, 1000.0)]);
        assert!(words.contains("No run has a value") && !words.contains("<svg"), "{words}");
    }
}
