//! Fig. 4c: X-ray weighted intermediate scattering functions and their fits.

use super::{abscissae, bars};
use crate::chart::{Axis, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::quantity::{significant, time, time_with_error, with_error};
use crate::source::{Point, Rows, Source};
use crate::style::Ink;

const TITLE: &str = "Intermediate scattering function, X-ray weighted";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "4c",
        TITLE,
        "*F*(*q*, *t*) = Σ_{jk} *f*_{j}*f*_{k} ⟨exp(i*q*·(*r*_{j}(*t*) − *r*_{k}(0)))⟩ over all atoms, X-ray form factors, averaged over a shell of wave vectors, 1 at *t* = 0.",
        "Points: simulation, with bars of one standard error. Lines: fits *f* exp(−(*t*/*τ*)^{β}), where the data determine them.",
        content(source),
    )
}

/// A function of each wave number (1/angstrom).
type Curves = Vec<(f64, Vec<Point>)>;

/// X-ray weighted coherent functions of each wave number.
pub(super) fn curves<'a>(source: &Source<'a>) -> Result<(Rows<'a>, Curves), String> {
    let rows = source.table("isf_coherent")?.with("species_or_weighting", "xray");
    let curves: Vec<_> = rows
        .levels("q_per_angstrom")
        .into_iter()
        .map(|q| (q, rows.at("q_per_angstrom", q).curve("t_ps")))
        .collect();
    if curves.is_empty() {
        return Err("The results have no X-ray weighted intermediate scattering function.".to_string());
    }
    Ok((rows, curves))
}

/// Parameters of a fit: f, tau (ps), beta, and the first time that was fitted (ps).
#[derive(Clone, Copy)]
pub(super) struct Fit {
    pub amplitude: f64,
    pub tau: f64,
    pub beta: f64,
    pub from: f64,
}

impl Fit {
    /// The fit at a wave number among these rows of a table of fits, where the data determine one.
    pub fn at(fits: &Rows, q: f64) -> Option<Self> {
        let row = fits.at("q_per_angstrom", q);
        Some(Self {
            amplitude: row.number("f")?,
            tau: row.number("tau_ps")?,
            beta: row.number("beta")?,
            from: row.number("fit_from_ps").unwrap_or(0.0),
        })
    }
}

/// All fits of the X-ray weighted coherent function.
pub(super) fn fits<'a>(source: &Source<'a>) -> Option<Rows<'a>> {
    Some(source.fits("isf_coherent").ok()?.with("species_or_weighting", "xray"))
}

fn content(source: &Source) -> Result<Content, String> {
    let (rows, curves) = curves(source)?;
    let later: Vec<Vec<Point>> =
        curves.iter().map(|(_, points)| points.iter().copied().filter(|p| p.x > 0.0).collect()).collect();
    let x = Axis::log_over("time *t* (ps)", abscissae(&later));
    let mut chart =
        Chart::new(x, Axis::linear("*F*(*q*, *t*)", -0.05, 1.05)).horizontal(0.0, Ink::Faint, Dash::Dotted);
    let mut numbers = Vec::new();
    let fits = fits(source);
    for (index, ((q, _), points)) in curves.iter().zip(&later).enumerate() {
        let ink = Ink::nth(index);
        let places = points.iter().map(|p| (p.x, p.y));
        let Some(fit) = fits.as_ref().and_then(|fits| Fit::at(fits, *q)) else {
            chart = chart.line(places.clone(), ink, Dash::Dotted).error_bars(bars(points), ink).markers(
                places,
                ink,
                Marker::Ring,
            );
            chart = named(chart, *q, points, ink);
            continue;
        };
        chart = chart.error_bars(bars(points), ink).markers(places, ink, Marker::Ring);
        let fitted = points.iter().filter(|p| p.x >= fit.from);
        let law = fitted.map(|p| (p.x, fit.amplitude * (-(p.x / fit.tau).powf(fit.beta)).exp()));
        chart = named(chart.line(law, ink, Dash::Solid), *q, points, ink);
    }
    if let Some(fits) = &fits {
        for &q in &fits.levels("q_per_angstrom") {
            let row = fits.at("q_per_angstrom", q);
            let at = format!("at {} Å^{{−1}}", significant(q, 2));
            if let (Some(tau), Some(f)) = (row.number("tau_ps"), row.number("f")) {
                numbers
                    .push((format!("*τ* {at}"), time_with_error(tau, row.number("tau_ps_standard_error"))));
                numbers.push((format!("*f* {at}"), with_error(f, row.number("f_standard_error"), "")));
            } else {
                let verdict = row.texts("verdict").first().map_or(String::new(), |v| (*v).to_string());
                numbers.push((format!("fit {at}"), verdict.clone()));
            }
        }
    }
    let mut content = Content::new(Picture::of("fig-4c", TITLE, &chart)).with_data(&rows);
    for (name, value) in numbers {
        content = content.with_number(&name, value, None);
    }
    if let Some(last) = later.iter().flatten().map(|p| p.x).reduce(f64::max) {
        content = content.with_remark(&format!("The longest time is {}.", time(last)));
    }
    Ok(content)
}

/// Names a curve by its wave number, where it ends.
fn named(chart: Chart, q: f64, points: &[Point], ink: Ink) -> Chart {
    match points.last() {
        Some(last) => chart.end_label(&format!("{} Å^{{−1}}", significant(q, 2)), last.y, ink),
        None => chart,
    }
}
