//! Fig. 3b: scattering functions scaled with their relaxation time and amplitude.

use super::scattering::{curves, fit};
use crate::chart::{Anchor, Axis, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::quantity::significant;
use crate::source::Source;
use crate::style::Ink;

const TITLE: &str = "Scattering function over amplitude and relaxation time";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "3b",
        TITLE,
        "*F*(*q*, *t*)/*f* against *t*/*τ*, *f* and *τ* from fits *f* exp(−(*t*/*τ*)^{β}). “J only”: the same with ions that did not jump held where they were.",
        "Functions of one shape fall on one curve, whatever their times.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let (rows, curves) = curves(source)?;
    let fitted: Vec<_> =
        curves.iter().filter_map(|(q, points)| Some((*q, points, fit(source, *q)?))).collect();
    if fitted.is_empty() {
        return Err("No relaxation time is known that the functions could be scaled with: the results have no fit that their data determine.".to_string());
    }
    let scaled = |points: &[crate::source::Point], tau: f64, f: f64| -> Vec<(f64, f64)> {
        points.iter().filter(|p| p.x > 0.0).map(|p| (p.x / tau, p.y / f)).collect()
    };
    let all: Vec<(f64, f64)> =
        fitted.iter().flat_map(|(_, points, fit)| scaled(points, fit.tau, fit.amplitude)).collect();
    let top = all.iter().map(|p| p.1).fold(1.0, f64::max);
    let x = Axis::log_over("*t*/*τ*", all.iter().map(|p| p.0));
    let mut chart = Chart::new(x, Axis::linear_over("*F*(*q*, *t*)/*f*", [0.0, top])).horizontal(
        0.0,
        Ink::Faint,
        Dash::Dotted,
    );
    for (index, (q, points, fit)) in fitted.iter().enumerate() {
        let ink = Ink::nth(index);
        let height = 0.92 - 0.08 * index as f64;
        let places = scaled(points, fit.tau, fit.amplitude);
        let law =
            places.iter().filter(|p| p.0 * fit.tau >= fit.from).map(|p| (p.0, (-p.0.powf(fit.beta)).exp()));
        chart = chart
            .line(law, ink, Dash::Dotted)
            .markers(places, ink, if index == 0 { Marker::Square } else { Marker::Triangle })
            .note(&format!("{} Å^{{−1}}", significant(*q, 2)), (0.97, height), ink, Anchor::End);
        if let Ok(only) = source.table("isf_jumping_only") {
            let of_q = only.at("q_per_angstrom", *q);
            let words = of_q.words("species_or_weighting");
            let points =
                of_q.with("species_or_weighting", words.first().copied().unwrap_or("xray")).curve("t_ps");
            if !points.is_empty() {
                chart = chart.line(scaled(&points, fit.tau, fit.amplitude), ink, Dash::Dashed);
            }
        }
    }
    if source.table("isf_jumping_only").is_ok() {
        chart = chart.note("dashed: J only", (0.03, 0.08), Ink::Faint, Anchor::Start);
    }
    Ok(Content::new(Picture::of("fig-3b", TITLE, &chart)).with_data(&rows))
}
