//! Figs 4d and 4e: stretching exponents against the wave number, relaxation times against the temperature.

use super::scattering::fits;
use crate::chart::{Axis, Bar, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::paper::{self, Quantity};
use crate::quantity::{significant, with_error};
use crate::source::Source;
use crate::style::Ink;

/// Fig. 4d.
pub fn stretching(source: &Source) -> Panel {
    let title = "Stretching exponent *β* against *q*";
    Panel::new(
        "4d",
        title,
        "*β* of the fits *f* exp(−(*t*/*τ*)^{β}) to the X-ray weighted scattering function.",
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
        "*τ* of the fits *f* exp(−(*t*/*τ*)^{β}), at the temperature of the run; several runs make a curve.",
        "Bars are one standard error.",
        times_content(source, title),
    )
}

const NO_FITS: &str = "The results have no fit of a relaxation that their data determine.";

fn stretching_content(source: &Source, title: &str) -> Result<Content, String> {
    let rows =
        fits(source).ok_or_else(|| source.table("kww").err().unwrap_or_else(|| NO_FITS.to_string()))?;
    let points: Vec<(f64, f64, f64)> = parameters(
        &rows.numbers("q_per_angstrom"),
        &rows.numbers("beta"),
        &rows.numbers("beta_standard_error"),
    );
    if points.is_empty() {
        return Err(NO_FITS.to_string());
    }
    let x = Axis::linear_over("*q* (Å^{−1})", points.iter().map(|p| p.0)).down_to(0.0);
    let mut chart = Chart::new(x, Axis::linear("*β*", 0.0, 1.0));
    let paper = paper::value(Quantity::Stretching, source.facts);
    if paper.is_some() {
        chart = chart.horizontal(0.43, Ink::Faint, Dash::Dashed);
    }
    let chart = chart
        .error_bars(points.iter().map(|p| Bar { x: p.0, low: p.1 - p.2, high: p.1 + p.2 }), Ink::Blue)
        .markers(points.iter().map(|p| (p.0, p.1)), Ink::Blue, Marker::Square);
    let content = Content::new(Picture::of("fig-4d", title, &chart)).with_data(&rows);
    Ok(points.iter().fold(content, |content, &(q, beta, error)| {
        let name = format!("*β* at {} Å^{{−1}}", significant(q, 2));
        content.with_number(&name, with_error(beta, Some(error), ""), paper)
    }))
}

fn times_content(source: &Source, title: &str) -> Result<Content, String> {
    let rows =
        fits(source).ok_or_else(|| source.table("kww").err().unwrap_or_else(|| NO_FITS.to_string()))?;
    let temperature = source.facts.temperature.ok_or("The temperature of the run is not known.")?;
    let points = parameters(
        &rows.numbers("q_per_angstrom"),
        &rows.numbers("tau_ps"),
        &rows.numbers("tau_ps_standard_error"),
    );
    if points.is_empty() {
        return Err(NO_FITS.to_string());
    }
    let inverse = 1000.0 / temperature;
    let x = Axis::linear("1000/*T* (K^{−1})", inverse - 0.25, inverse + 0.25);
    let mut chart =
        Chart::new(x, Axis::log_over("*τ* (ps)", points.iter().flat_map(|p| [p.1 / 2.0, 2.0 * p.1])));
    let mut content_numbers = Vec::new();
    for (index, &(q, tau, error)) in points.iter().enumerate() {
        let ink = Ink::nth(index);
        let label = format!("{} Å^{{−1}}", significant(q, 2));
        chart = chart
            .error_bars([Bar { x: inverse, low: tau - error, high: tau + error }], ink)
            .markers([(inverse, tau)], ink, Marker::Square)
            .end_label(&label, tau, ink);
        let same = (q - 6.3).abs() < 0.05;
        let paper = same.then(|| paper::value(Quantity::RelaxationTime, source.facts)).flatten();
        content_numbers.push((
            format!("*τ* at {label}, {temperature:.0} K"),
            with_error(tau, Some(error), "ps"),
            paper,
        ));
    }
    let content = Content::new(Picture::of("fig-4e", title, &chart))
        .with_remark(&format!(
            "This run has one temperature, {temperature:.0} K, and therefore no activation energy."
        ))
        .with_data(&rows);
    Ok(content_numbers
        .into_iter()
        .fold(content, |content, (name, value, paper)| content.with_number(&name, value, paper)))
}

/// Rows with a value: wave number, value, standard error (0 where unknown).
fn parameters(q: &[f64], values: &[f64], errors: &[f64]) -> Vec<(f64, f64, f64)> {
    let rows = q.iter().zip(values).zip(errors).filter(|((_, v), _)| v.is_finite());
    rows.map(|((&q, &v), &e)| (q, v, if e.is_finite() { e } else { 0.0 })).collect()
}
