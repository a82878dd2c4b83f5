//! Fig. 5d: pair distributions among ions that jump and among ions that do not.

use super::{abscissae, ordinates, with_band};
use crate::chart::{Anchor, Axis, Chart, Dash, Picture};
use crate::panel::{Content, Panel};
use crate::source::Source;
use crate::style::Ink;

const TITLE: &str = "*g*(*r*) of J–J and NJ–NJ pairs";
/// Tables of the results that may hold these pairs.
const TABLES: [&str; 2] = ["rdf_classes", "rdf"];

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "5d",
        TITLE,
        "*g*(*r*) of the centres N, K, Ca among those that jumped within the span (J) and among those that did not (NJ).",
        "Lower peaks of J mean fewer neighbours of their own kind. The band is one standard error.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let mut missing = String::new();
    for name in TABLES {
        let all = match source.table(name) {
            Ok(all) => all,
            Err(reason) => {
                missing = reason;
                continue;
            }
        };
        let [jumping, resting] = ["J-J", "NJ-NJ"].map(|pair| all.with("pair", pair).curve("r_angstrom"));
        if jumping.is_empty() && resting.is_empty() {
            continue;
        }
        let curves = [&jumping, &resting];
        let x = Axis::linear_over("distance *r* (Å)", abscissae(curves));
        let y = Axis::linear_over("*g*(*r*)", ordinates(curves)).down_to(0.0);
        let mut chart = Chart::new(x, y).horizontal(1.0, Ink::Faint, Dash::Dotted);
        let kinds = [("J–J", &jumping, Ink::JUMPING, 0.9), ("NJ–NJ", &resting, Ink::NONJUMPING, 0.8)];
        for (label, points, ink, height) in kinds.into_iter().filter(|(_, points, _, _)| !points.is_empty()) {
            let dash = if ink == Ink::JUMPING { Dash::Solid } else { Dash::Dashed };
            chart = with_band(chart, points, ink, dash).note(label, (0.97, height), ink, Anchor::End);
        }
        return Ok(Content::new(Picture::of("fig-5d", TITLE, &chart)).with_data(&all));
    }
    Err(if missing.is_empty() { "The results have no J–J and NJ–NJ pairs.".to_string() } else { missing })
}
