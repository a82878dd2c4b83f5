//! Fig. 5c: how far one ion that jumps and one that does not are from where they began.

use crate::chart::{Anchor, Axis, Chart, Dash, Picture};
use crate::panel::{Content, Panel};
use crate::source::{Rows, Source};
use crate::style::Ink;

const TITLE: &str = "Displacement of a J ion and an NJ ion";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "5c",
        TITLE,
        "|*m*(*t*) − *m*(0)|, *m* the mean position of an ion's centre over a window.",
        "Of each class, the ion whose final displacement is the median of its class.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let all = source.table("trajectory_map")?;
    let chosen: Vec<_> = ["J", "NJ"]
        .into_iter()
        .filter_map(|class| typical(&all.with("class", class)).map(|(ion, points)| (class, ion, points)))
        .collect();
    if chosen.is_empty() {
        return Err("The results have no paths of J or NJ ions.".to_string());
    }
    let points = || chosen.iter().flat_map(|(_, _, points)| points.iter());
    let x = Axis::linear_over("time *t* (ps)", points().map(|p| p.0)).down_to(0.0);
    let y = Axis::linear_over("displacement (Å)", points().map(|p| p.1)).down_to(0.0);
    let mut chart = Chart::new(x, y);
    let mut content_data = Vec::new();
    for (index, (class, ion, points)) in chosen.iter().enumerate() {
        let (ink, dash) =
            if *class == "J" { (Ink::JUMPING, Dash::Solid) } else { (Ink::NONJUMPING, Dash::Solid) };
        let label = format!("{class} (ion {ion:.0})");
        chart = chart.thin_line(points.clone(), ink, dash).note(
            &label,
            (0.03, 0.95 - 0.08 * index as f64),
            ink,
            Anchor::Start,
        );
        content_data.push(all.at("ion", *ion));
    }
    let content = Content::new(Picture::of("fig-5c", TITLE, &chart));
    Ok(content_data.iter().fold(content, Content::with_data))
}

/// The ion with the median of the final displacements, and its displacement against time.
fn typical(rows: &Rows) -> Option<(f64, Vec<(f64, f64)>)> {
    let mut paths: Vec<(f64, Vec<(f64, f64)>)> =
        rows.levels("ion").into_iter().map(|ion| (ion, displacements(&rows.at("ion", ion)))).collect();
    paths.retain(|(_, path)| path.len() > 1);
    let last = |path: &[(f64, f64)]| path.last().map_or(0.0, |p| p.1);
    paths.sort_by(|a, b| last(&a.1).total_cmp(&last(&b.1)));
    let middle = paths.len() / 2;
    (!paths.is_empty()).then(|| paths.swap_remove(middle))
}

fn displacements(rows: &Rows) -> Vec<(f64, f64)> {
    let [t, x, y, z] = ["t_ps", "x_angstrom", "y_angstrom", "z_angstrom"].map(|column| rows.numbers(column));
    (0..t.len())
        .map(|i| {
            (t[i] - t[0], ((x[i] - x[0]).powi(2) + (y[i] - y[0]).powi(2) + (z[i] - z[0]).powi(2)).sqrt())
        })
        .filter(|p| p.0.is_finite() && p.1.is_finite())
        .collect()
}
