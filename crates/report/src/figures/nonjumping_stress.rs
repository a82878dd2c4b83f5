//! Fig. 6a: histogram of the stress correlation of single NJ ions.

use crate::chart::{Axis, Chart, Dash, Picture};
use crate::panel::{Content, Panel};
use crate::quantity::{time, unit, with_error};
use crate::source::Source;
use crate::style::Ink;

const TITLE: &str = "Stress correlation of single NJ ions";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "6a",
        TITLE,
        "*G*_{NJ}(*t*) = products of window means of an ion's shear stress a time *t* apart, over xy, xz, yz and time origins; *t* = 0 is \
         the same window. The stress of an ion is not divided by a volume, and no mean is subtracted.",
        "Fraction of the NJ ions in each interval: at once, after one window, and where the mean of *G*_{NJ} is 1/e of that.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let rows = source.table("ion_stress_histogram")?;
    let column = rows
        .table()
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.unit.as_str()))
        .find(|(name, _)| name.starts_with("g_"))
        .ok_or("The histogram has no column g_... with the centres of its intervals.")?;
    let curves: Vec<_> = rows
        .levels("t_ps")
        .into_iter()
        .map(|t| (t, rows.at("t_ps", t).curve(column.0)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    if curves.is_empty() {
        return Err("The histogram of single-ion stresses has no intervals.".to_string());
    }
    let all: Vec<_> = curves.iter().flat_map(|(_, points)| points.clone()).collect();
    let x = Axis::linear_over(&format!("*G*_{{NJ}}(*t*) ({})", unit(column.1)), all.iter().map(|p| p.x));
    let y = Axis::linear_over("fraction of NJ ions", all.iter().map(|p| p.y)).down_to(0.0);
    let mut chart = Chart::new(x, y);
    for (index, (t, points)) in curves.iter().enumerate() {
        let ink = Ink::nth(index);
        let half = 0.5 * (points[1].x - points[0].x);
        // Steps: every interval is level, and beyond them there is nothing.
        let steps = points.iter().flat_map(|p| [(p.x - half, p.y), (p.x + half, p.y)]);
        let (first, last) = (points[0].x - half, points[points.len() - 1].x + half);
        let steps = std::iter::once((first, 0.0)).chain(steps).chain([(last, 0.0)]);
        let height = 0.92 - 0.08 * index as f64;
        let label = if *t == 0.0 { "*t* = 0".to_string() } else { format!("*t* = {}", time(*t)) };
        chart =
            chart.line(steps, ink, Dash::Solid).note(&label, (0.97, height), ink, crate::chart::Anchor::End);
    }
    let mut content = Content::new(Picture::of("fig-6a", TITLE, &chart)).with_data(&rows);
    if let Ok(means) = source.table("ion_stress") {
        let means = means.with("class", "NJ").with("species", "all");
        for (t, _) in &curves {
            let mean = means.at("t_ps", *t);
            if let Some(g) = mean.number("value") {
                let value = with_error(g, mean.number("standard_error"), &unit(column.1));
                let name = if *t == 0.0 { "0".to_string() } else { time(*t) };
                content = content.with_number(&format!("mean of *G*_{{NJ}}({name})"), value, None);
            }
        }
        content = content.with_data(&means);
    }
    Ok(content)
}
