//! Fig. 1a: the X-ray structure factor S(q).

use super::{highest, ordinates, with_band};
use crate::chart::{Axis, Chart, Dash, Picture};
use crate::panel::{Content, Panel};
use crate::paper::{self, Quantity};
use crate::quantity::significant;
use crate::source::Source;
use crate::style::Ink;

const TITLE: &str = "X-ray structure factor *S*(*q*)";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "1a",
        TITLE,
        "*S*(*q*) of all atoms, weighted with X-ray form factors *f*(*q*) (Faber-Ziman), on the wave vectors of the periodic cell.",
        "The band is one standard error. The dashed line is 1, where atoms are not correlated.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let rows = source.table("structure_factor")?.with("pair_or_weighting", "xray");
    let points = rows.curve("q_per_angstrom");
    let peak = highest(&points).ok_or("The results have no X-ray structure factor.")?;
    let last = points.iter().map(|p| p.x).fold(0.0, f64::max);
    let x = Axis::linear("*q* (Å^{−1})", 0.0, last);
    let y = Axis::linear_over("*S*(*q*)", ordinates([&points])).down_to(0.0);
    let chart = Chart::new(x, y).horizontal(1.0, Ink::Faint, Dash::Dashed);
    let chart = with_band(chart, &points, Ink::Blue, Dash::Solid);
    let place = format!("{} Å^{{−1}}", significant(peak.x, 3));
    Ok(Content::new(Picture::of("fig-1a", TITLE, &chart))
        .with_number("highest peak of *S*(*q*)", significant(peak.y, 3), None)
        .with_number("its wave number", place, paper::value(Quantity::MainPeak, source.facts))
        .with_data(&rows))
}
