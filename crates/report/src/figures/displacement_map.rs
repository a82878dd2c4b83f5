//! Figs 5a, 5b and 7a: paths and displacements of ions in a slab, over the density of J ions.

use std::collections::BTreeMap;

use crate::chart::{Arrow, Axis, Cell, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::source::{Rows, Source};
use crate::style::Ink;

/// Displacements of NJ ions are drawn longer by this, as in the paper.
const NONJUMPING_SCALE: f64 = 5.0;
const MAP: (f64, f64) = (372.0, 390.0);
/// Ions that begin within this slab (angstrom from the lower face of the cell) are drawn: more would hide one another.
const SLAB: f64 = 10.0;
const DENSITY: &str = "The shade is the density of J ions, smoothed; the stronger, the more.";

/// Fig. 5a.
pub fn trajectories(source: &Source) -> Panel {
    let title = "Paths of the ions";
    let content = source.table("trajectory_map").and_then(|rows| paths(source, &rows, "fig-5a", title, None));
    Panel::new(
        "5a",
        title,
        "Mean positions of the centres over successive windows, joined by lines; projected along z; ions that begin in a slab of 10 Å.",
        DENSITY,
        content,
    )
}

/// Fig. 5b.
pub fn detail(source: &Source) -> Panel {
    let title = "A part of the map";
    let content = source.table("trajectory_map").and_then(|rows| {
        let place = busiest(&rows).ok_or("No ion has a path.")?;
        paths(source, &rows, "fig-5b", title, Some(place))
    });
    Panel::new(
        "5b",
        title,
        "As Fig. 5a, around the ion that moved farthest.",
        "Rings: where ions begin.",
        content,
    )
}

/// Fig. 7a.
pub fn arrows(source: &Source) -> Panel {
    let title = "Displacements of the ions";
    let caption = "Open: J ions. Filled: NJ ions, drawn five times as long as they are. The shade is the density of J ions.";
    Panel::new(
        "7a",
        title,
        "Displacement of each centre between the first and the last window of the span, from where it began; projected along z; ions that begin in a slab of 10 Å.",
        caption,
        arrows_content(source, title),
    )
}

fn arrows_content(source: &Source, title: &str) -> Result<Content, String> {
    let rows = source.table("displacement_map")?;
    let (x, y) = axes(&rows, "x_angstrom", "y_angstrom");
    let mut chart = with_density(Chart::new(x, y).with_equal_scales(), source);
    for species in ["N", "K", "Ca"] {
        for (class, scale) in [("J", 1.0), ("NJ", NONJUMPING_SCALE)] {
            let of = rows.with("species", species).with("class", class);
            let [x, y, dx, dy] =
                ["x_angstrom", "y_angstrom", "dx_angstrom", "dy_angstrom"].map(|c| of.numbers(c));
            let z = of.numbers("z_angstrom");
            let arrows = (0..x.len())
                .filter(|&i| in_slab(z[i]))
                .map(|i| Arrow { from: (x[i], y[i]), to: (x[i] + scale * dx[i], y[i] + scale * dy[i]) });
            chart = chart.arrows(arrows, ink(species), class == "NJ");
        }
    }
    Ok(Content::new(map("fig-7a", title, &chart)).with_data(&rows).with_remark(NAMES))
}

const NAMES: &str = "N in the colour of the text, K orange, Ca green.";

/// N is plain as in the paper: two of three centres, they would drown the others.
fn ink(species: &str) -> Ink {
    if species == "N" { Ink::Plain } else { Ink::species(species) }
}

fn map(id: &str, title: &str, chart: &Chart) -> Picture {
    Picture::new(id, title, MAP.0, MAP.1).with(chart, [0.0, 0.0, MAP.0, MAP.1])
}

fn axes(rows: &Rows, x: &str, y: &str) -> (Axis, Axis) {
    let range = |column: &str| {
        let values = rows.numbers(column).into_iter().filter(|v| v.is_finite());
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let axis = |label: &str, (low, high): (f64, f64)| Axis::linear(label, low - 1.0, high + 1.0);
    (axis("*x* (Å)", range(x)), axis("*y* (Å)", range(y)))
}

fn with_density(chart: Chart, source: &Source) -> Chart {
    let Ok(rows) = source.table("j_density") else { return chart };
    let (xs, ys) = (rows.levels("x_angstrom"), rows.levels("y_angstrom"));
    if xs.len() < 2 || ys.len() < 2 {
        return chart;
    }
    let (half_x, half_y) = (0.5 * (xs[1] - xs[0]), 0.5 * (ys[1] - ys[0]));
    let means = slab_means(&rows);
    let highest = means.iter().map(|m| m.2).fold(0.0, f64::max);
    let cells = means.into_iter().map(|(x, y, mean)| Cell {
        from: (x - half_x, y - half_y),
        to: (x + half_x, y + half_y),
        strength: 0.6 * mean / highest,
    });
    chart.field(cells, Ink::Sky)
}

/// Whether a height is in the slab.
fn in_slab(z: f64) -> bool {
    (0.0..SLAB).contains(&z)
}

/// Mean of a field over the heights of the slab, at each (x, y).
fn slab_means(rows: &Rows) -> Vec<(f64, f64, f64)> {
    let [x, y, z, value] = ["x_angstrom", "y_angstrom", "z_angstrom", "value"].map(|c| rows.numbers(c));
    let mut sums: BTreeMap<(u64, u64), (f64, f64, f64, u32)> = BTreeMap::new();
    for i in (0..x.len()).filter(|&i| in_slab(z[i]) && value[i].is_finite()) {
        let sum = sums.entry((x[i].to_bits(), y[i].to_bits())).or_insert((x[i], y[i], 0.0, 0));
        sum.2 += value[i];
        sum.3 += 1;
    }
    sums.into_values().map(|(x, y, sum, count)| (x, y, sum / f64::from(count))).collect()
}

/// Paths in the whole map, or within some angstrom of a place.
fn paths(
    source: &Source,
    rows: &Rows,
    id: &str,
    title: &str,
    around: Option<(f64, f64)>,
) -> Result<Content, String> {
    const HALF: f64 = 6.0;
    let (x, y) = match around {
        None => axes(rows, "x_angstrom", "y_angstrom"),
        Some((x, y)) => {
            (Axis::linear("*x* (Å)", x - HALF, x + HALF), Axis::linear("*y* (Å)", y - HALF, y + HALF))
        }
    };
    let mut chart = with_density(Chart::new(x, y).with_equal_scales(), source);
    let mut starts = Vec::new();
    for ion in rows.levels("ion") {
        let path = rows.at("ion", ion);
        if !path.number("z_angstrom").is_some_and(in_slab) {
            continue;
        }
        let ink = ink(path.words("species").first().copied().unwrap_or(""));
        let points: Vec<(f64, f64)> =
            path.numbers("x_angstrom").into_iter().zip(path.numbers("y_angstrom")).collect();
        starts.extend(points.first().map(|p| (*p, ink)));
        chart = chart.thin_line(points, ink, Dash::Solid);
    }
    if starts.is_empty() {
        return Err("No ion has a path.".to_string());
    }
    if around.is_some() {
        for ink in [Ink::Plain, Ink::Orange, Ink::Green] {
            chart =
                chart.markers(starts.iter().filter(|(_, i)| *i == ink).map(|(p, _)| *p), ink, Marker::Ring);
        }
    }
    let content = Content::new(map(id, title, &chart)).with_remark(NAMES);
    Ok(if around.is_none() { content.with_data(rows) } else { content })
}

/// The middle of the path of the ion that went farthest.
fn busiest(rows: &Rows) -> Option<(f64, f64)> {
    let ions = rows.levels("ion").into_iter().map(|ion| rows.at("ion", ion));
    let paths = ions.filter(|path| path.number("z_angstrom").is_some_and(in_slab)).map(|path| {
        let (x, y) = (path.numbers("x_angstrom"), path.numbers("y_angstrom"));
        let (first, last) = ((x[0], y[0]), (x[x.len() - 1], y[y.len() - 1]));
        ((first.0 - last.0).hypot(first.1 - last.1), (0.5 * (first.0 + last.0), 0.5 * (first.1 + last.1)))
    });
    paths.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, middle)| middle)
}
