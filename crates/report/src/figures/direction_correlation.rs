//! Fig. 7b: how far ions move in the same direction, H(r, t).

use super::{abscissae, bars, ordinates};
use crate::chart::{Anchor, Axis, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::paper::{self, Quantity};
use crate::quantity::{time, with_error};
use crate::source::Source;
use crate::style::Ink;

const TITLE: &str = "Correlation of directions *H*(*r*, *t*)";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "7b",
        TITLE,
        "*H*(*r*, *t*) = ⟨û_{i}(*t*)·û_{j}(*t*)⟩ over pairs at distance *r*, û the unit vector of an ion's displacement; \
         1 for ions that move together, 0 for independent ones (−1/*N* from the conserved momentum). \
         ⟨*V*_{c}⟩ = ∫4π*r*^{2}*H* d*r* up to the first zero of *H*.",
        "Bars are one standard error.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let all = source.table("h")?;
    let times = all.levels("t_ps");
    // As in the paper: the displacements over the longest time that is there.
    let longest = *times.last().ok_or("The results have no H(r, t).")?;
    let rows = all.at("t_ps", longest);
    let curves: Vec<_> = ["J", "NJ", "all"]
        .iter()
        .map(|class| (*class, rows.with("class", class).curve("r_angstrom")))
        .collect();
    let curves: Vec<_> =
        curves.into_iter().filter(|(class, points)| *class != "all" && !points.is_empty()).collect();
    if curves.is_empty() {
        return Err("The results have no H(r, t) of J or NJ ions.".to_string());
    }
    let points = || curves.iter().map(|(_, points)| points);
    let x = Axis::linear_over("distance *r* (Å)", abscissae(points())).down_to(0.0);
    let y = Axis::linear_over(&format!("*H*(*r*, {})", time(longest)), ordinates(points())).down_to(0.0);
    let mut chart = Chart::new(x, y).horizontal(0.0, Ink::Faint, Dash::Dotted);
    for (index, (class, points)) in curves.iter().enumerate() {
        let (ink, marker) =
            if *class == "J" { (Ink::JUMPING, Marker::Ring) } else { (Ink::NONJUMPING, Marker::Circle) };
        chart = chart
            .line(points.iter().map(|p| (p.x, p.y)), ink, Dash::Solid)
            .error_bars(bars(points), ink)
            .markers(points.iter().map(|p| (p.x, p.y)), ink, marker)
            .note(class, (0.95, 0.9 - 0.08 * index as f64), ink, Anchor::End);
    }
    let mut content = Content::new(Picture::of("fig-7b", TITLE, &chart)).with_data(&rows);
    let Ok(volumes) = source.table("collectivity") else { return Ok(content) };
    for class in ["J", "NJ"] {
        let row = volumes.with("quantity", &format!("V_c_{class}_at_{longest}_ps"));
        let name = format!("⟨*V*_{{c}}⟩ of {class}, to the first zero of *H*");
        let paper = (class == "NJ").then(|| paper::value(Quantity::CollectiveVolume, source.facts)).flatten();
        if let Some(value) = row.number("value") {
            content =
                content.with_number(&name, with_error(value, row.number("standard_error"), "Å^{3}"), paper);
        } else if let Some(verdict) = row.texts("verdict").first() {
            content = content.with_number(&name, (*verdict).to_string(), None);
        }
    }
    Ok(content)
}
