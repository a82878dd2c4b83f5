//! Fig. 4b: density against temperature, and the glass transition where it breaks.

use super::{abscissae, bars, ordinates};
use crate::chart::{Anchor, Axis, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::paper;
use crate::quantity::{significant, with_error};
use crate::source::Source;
use crate::style::Ink;

const TITLE: &str = "Density against temperature";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "4b",
        TITLE,
        "Mean density of the stages at constant pressure, in intervals of temperature. *T*_{g}: where the glass line and the liquid line cross.",
        "Bars are one standard error.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let rows = source.table("density")?;
    let points = rows.curve("temperature_K");
    if points.is_empty() {
        return Err("The results have no density at any temperature.".to_string());
    }
    let x = Axis::linear_over("temperature *T* (K)", abscissae([&points]));
    let y = Axis::linear_over("density *ρ* (g/cm^{3})", ordinates([&points]));
    let mut chart = Chart::new(x, y).error_bars(bars(&points), Ink::Blue).markers(
        points.iter().map(|p| (p.x, p.y)),
        Ink::Blue,
        Marker::Circle,
    );
    let transitions = source.table("glass_transition").ok();
    let value = transitions.and_then(|rows| {
        let name = rows.words("quantity").into_iter().find(|name| name.starts_with("T_g"))?;
        rows.with("quantity", name).number("value")
    });
    if let Some(value) = value {
        chart = chart.vertical(value, Ink::Vermillion, Dash::Dashed).note_at(
            &format!("*T*_{{g}} {value:.0} K"),
            (value, points.iter().map(|p| p.y).fold(f64::NEG_INFINITY, f64::max)),
            Ink::Vermillion,
            Anchor::Start,
        );
    }
    let rates: Vec<f64> = rows.levels("rate_K_per_ns").into_iter().filter(|rate| *rate != 0.0).collect();
    let mut content = Content::new(Picture::of("fig-4b", TITLE, &chart)).with_data(&rows);
    for rate in &rates {
        content = content.with_remark(&format!("The temperature changed at {} K/ns.", significant(*rate, 2)));
    }
    let Ok(all) = source.table("glass_transition") else { return Ok(content) };
    for name in all.words("quantity").into_iter().filter(|name| name.starts_with("T_g")) {
        let row = all.with("quantity", name);
        let text = row.number("value").map_or_else(
            || row.texts("verdict").first().map_or(String::new(), |verdict| (*verdict).to_string()),
            |value| with_error(value, row.number("standard_error"), "K"),
        );
        let stage = name.trim_start_matches("T_g");
        let rate = all.with("quantity", &format!("rate{stage}")).number("value");
        let label = format!("*T*_{{g}}{stage}");
        content = content.with_number(&label, text, rate.and_then(paper::glass_transition));
    }
    Ok(content)
}
