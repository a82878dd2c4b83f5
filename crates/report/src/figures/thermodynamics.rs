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
    // Every ramp that determines one: the others have none.
    let determined = transitions.iter().flat_map(|rows| {
        let names = rows.words("quantity").into_iter().filter(|name| name.starts_with("T_g"));
        names.filter_map(|name| rows.with("quantity", name).number("value")).collect::<Vec<_>>()
    });
    for value in determined {
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

#[cfg(test)]
mod tests {
    use vitrion_analysis::results::{Outcome, Results};
    use vitrion_analysis::table::Table;

    use super::*;
    use crate::source::Facts;

    #[test]
    fn the_transition_of_the_second_ramp_is_drawn_where_the_first_has_none() {
        let density = Table::new("density", "")
            .real("temperature_K", "K", vec![300.0, 400.0])
            .real("rate_K_per_ns", "K/ns", vec![-1.0, -1000.0])
            .real("value", "g/cm^3", vec![2.2, 2.1])
            .real("standard_error", "g/cm^3", vec![0.01, 0.01]);
        let transition = Table::new("glass_transition", "")
            .text("quantity", vec!["T_g (quench)".into(), "T_g (cool)".into()])
            .real("value", "", vec![f64::NAN, 341.0])
            .real("standard_error", "", vec![f64::NAN, 4.0])
            .text("verdict", vec!["not determined: no break".into(), "determined".into()]);
        let result = Ok(vec![density, transition]);
        let outcome = Outcome {
            name: "thermodynamics".into(),
            key: String::new(),
            notes: Vec::new(),
            reused: false,
            result,
        };
        let results = Results { outcomes: vec![outcome], ..Results::default() };
        let panel = panel(&Source { results: &results, facts: &Facts::default() });
        assert!(panel.drawing.unwrap().inline().contains("341 K"));
        assert!(panel.numbers[0].value.contains("no break") && panel.numbers[1].value == "341.0 ± 4.0 K");
    }
}
