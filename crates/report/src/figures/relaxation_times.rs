//! Figs 4d and 4e: stretching exponents against the wave number, relaxation times against the temperature.

use crate::chart::{Anchor, Axis, Bar, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::paper::{self, Quantity};
use crate::quantity::{significant, time_with_error, with_error};
use crate::source::{Rows, Source};
use crate::style::Ink;

/// Fig. 4d.
pub fn stretching(source: &Source) -> Panel {
    let title = "Stretching exponent *β* against *q*";
    Panel::new(
        "4d",
        title,
        "*β* of the fits *f* exp(−(*t*/*τ*)^{β}) to the X-ray weighted scattering functions: the coherent one (squares) and its self part (triangles).",
        "Bars are one standard error.",
        stretching_content(source, title),
    )
}

/// Fig. 4e.
pub fn times(source: &Source) -> Panel {
    let title = "Relaxation times against 1000/*T*";
    Panel::new(
        "4e",
        title,
        "*τ* of the fits *f* exp(−(*t*/*τ*)^{β}) to the X-ray weighted scattering functions, the coherent one (squares) and its self part (triangles), at the temperature of the run; several runs make a curve.",
        "Bars are one standard error.",
        times_content(source, title),
    )
}

const NO_FITS: &str = "The results have no fit of a relaxation that their data determine.";

/// What was fitted; the paper has the coherent function only.
struct Fitted<'a> {
    rows: Rows<'a>,
    marker: Marker,
    /// Added to the names of its numbers.
    word: &'static str,
    in_paper: bool,
}

/// Fits of the X-ray weighted functions.
fn fitted<'a>(source: &Source<'a>) -> Result<Vec<Fitted<'a>>, String> {
    let kinds = [("isf_coherent", Marker::Square, "", true), ("isf_self", Marker::Triangle, ", self", false)];
    let found: Vec<_> = kinds
        .into_iter()
        .filter_map(|(function, marker, word, in_paper)| {
            let rows = source.fits(function).ok()?.with("species_or_weighting", "xray");
            Some(Fitted { rows, marker, word, in_paper })
        })
        .collect();
    if found.is_empty() { source.fits("isf_coherent").map(|_| found) } else { Ok(found) }
}

/// One determined number of a fit.
struct Number {
    q: f64,
    /// What was asked for: the same for the coherent function and its self part.
    asked: f64,
    value: f64,
    /// 0 where unknown.
    error: f64,
}

impl Fitted<'_> {
    fn values(&self, parameter: &str) -> Vec<Number> {
        let q = self.rows.numbers("q_per_angstrom").into_iter().zip(self.rows.asked_wave_numbers());
        let values = q.zip(self.rows.numbers(parameter));
        values
            .zip(self.rows.numbers(&format!("{parameter}_standard_error")))
            .filter(|((_, value), _)| value.is_finite())
            .map(|(((q, asked), value), e)| Number {
                q,
                asked,
                value,
                error: if e.is_finite() { e } else { 0.0 },
            })
            .collect()
    }
}

fn label(q: f64) -> String {
    format!("{} Å^{{−1}}", significant(q, 2))
}

fn stretching_content(source: &Source, title: &str) -> Result<Content, String> {
    let fitted = fitted(source)?;
    let values: Vec<Vec<Number>> = fitted.iter().map(|f| f.values("beta")).collect();
    if values.iter().all(Vec::is_empty) {
        return Err(NO_FITS.to_string());
    }
    let x = Axis::linear_over("*q* (Å^{−1})", values.iter().flatten().map(|v| v.q)).down_to(0.0);
    let mut chart = Chart::new(x, Axis::linear("*β*", 0.0, 1.0));
    let paper = paper::value(Quantity::Stretching, source.facts);
    if paper.is_some() {
        chart = chart.horizontal(0.43, Ink::Faint, Dash::Dashed);
    }
    let mut numbers = Vec::new();
    for (index, (fitted, values)) in fitted.iter().zip(&values).enumerate() {
        let ink = Ink::nth(index);
        chart = chart
            .error_bars(
                values.iter().map(|v| Bar { x: v.q, low: v.value - v.error, high: v.value + v.error }),
                ink,
            )
            .markers(values.iter().map(|v| (v.q, v.value)), ink, fitted.marker);
        if !values.is_empty() {
            let word = if fitted.in_paper { "coherent" } else { "self" };
            chart = chart.note(word, (0.04, 0.14 - 0.08 * index as f64), ink, Anchor::Start);
        }
        for v in values {
            let name = format!("*β* at {}{}", label(v.q), fitted.word);
            numbers.push((name, with_error(v.value, Some(v.error), ""), paper.filter(|_| fitted.in_paper)));
        }
    }
    Ok(with_rows_and_numbers(Content::new(Picture::of("fig-4d", title, &chart)), &fitted, numbers))
}

fn times_content(source: &Source, title: &str) -> Result<Content, String> {
    let fitted = fitted(source)?;
    let temperature = source.facts.temperature.ok_or("The temperature of the run is not known.")?;
    let values: Vec<Vec<Number>> = fitted.iter().map(|f| f.values("tau_ps")).collect();
    if values.iter().all(Vec::is_empty) {
        return Err(NO_FITS.to_string());
    }
    let inverse = 1000.0 / temperature;
    let x = Axis::linear("1000/*T* (K^{−1})", inverse - 0.25, inverse + 0.25);
    let range = values.iter().flatten().flat_map(|v| [v.value / 2.0, 2.0 * v.value]);
    let mut chart = Chart::new(x, Axis::log_over("*τ* (ps)", range));
    let mut wave_numbers: Vec<f64> = values.iter().flatten().map(|v| v.asked).collect();
    wave_numbers.sort_by(f64::total_cmp);
    wave_numbers.dedup();
    let mut numbers = Vec::new();
    for (fitted, values) in fitted.iter().zip(&values) {
        for v in values {
            let ink = Ink::nth(wave_numbers.iter().position(|q| *q == v.asked).unwrap_or(0));
            let name = format!("{}{}", label(v.q), fitted.word);
            chart = chart
                .error_bars([Bar { x: inverse, low: v.value - v.error, high: v.value + v.error }], ink)
                .markers([(inverse, v.value)], ink, fitted.marker)
                .end_label(&name, v.value, ink);
            let same = fitted.in_paper && (v.q - 6.3).abs() < 0.05;
            let paper = same.then(|| paper::value(Quantity::RelaxationTime, source.facts)).flatten();
            let name = format!("*τ* at {name}, {temperature:.0} K");
            numbers.push((name, time_with_error(v.value, Some(v.error)), paper));
        }
    }
    let content = Content::new(Picture::of("fig-4e", title, &chart)).with_remark(&format!(
        "This run has one temperature, {temperature:.0} K, and therefore no activation energy; vitrion fit takes it from several runs."
    ));
    Ok(with_rows_and_numbers(content, &fitted, numbers))
}

fn with_rows_and_numbers(
    content: Content,
    fitted: &[Fitted],
    numbers: Vec<(String, String, Option<paper::Value>)>,
) -> Content {
    let content = fitted.iter().fold(content, |content, f| content.with_data(&f.rows));
    numbers
        .into_iter()
        .fold(content, |content, (name, value, paper)| content.with_number(&name, value, paper))
}
