//! Fig. 4a: partial pair distributions, one small chart a pair, so that no curve hides another.

use super::{highest, with_band};
use crate::chart::{Anchor, Axis, Chart, Dash, Picture};
use crate::panel::{Content, Panel, Shape};
use crate::quantity::significant;
use crate::source::{Point, Source};
use crate::style::Ink;

const TITLE: &str = "Partial pair distributions *g*_{ab}(*r*)";
const COLUMNS: usize = 2;
const CELL: (f64, f64) = (176.0, 122.0);
const LEFT: f64 = 20.0;
/// Distances below are within one nitrate (N-O 1.26, O-O 2.18 angstrom).
const BONDS: f64 = 2.3;

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "4a",
        TITLE,
        "*g*_{ab}(*r*) = pairs of species a and b at distance *r* over those of an ideal gas of the same density; atoms of one nitrate included.",
        "Number: where the highest peak beyond the bonds of a nitrate is; bonds reach above the frame. The dashed line is the ideal gas.",
        content(source),
    )
    .shaped(Shape::Tall)
}

fn content(source: &Source) -> Result<Content, String> {
    let all = source.table("rdf")?;
    let species = |pair: &str| pair.split('-').all(|name| !matches!(name, "all" | "J" | "NJ"));
    let pairs: Vec<&str> = all.words("pair").into_iter().filter(|pair| species(pair)).collect();
    if pairs.is_empty() {
        return Err("The results have no pair distributions of species.".to_string());
    }
    let curves = pairs.iter().map(|pair| ((*pair).to_string(), all.with("pair", pair).curve("r_angstrom")));
    let (picture, peaks) = grid("fig-4a", TITLE, COLUMNS, curves.collect());
    let content = Content::new(picture).with_data(&all);
    Ok(peaks.into_iter().fold(content, |content, (name, peak)| {
        let value = format!("{} at {} Å", significant(peak.y, 3), significant(peak.x, 3));
        content.with_number(&format!("highest peak of {name}"), value, None)
    }))
}

/// A chart for each pair ("K-O") of curves, in so many columns; and the highest peaks of those that have one, with the names of the pairs.
pub fn grid(
    id: &str,
    title: &str,
    columns: usize,
    mut curves: Vec<(String, Vec<Point>)>,
) -> (Picture, Vec<(String, Point)>) {
    curves.sort_by_key(|(pair, _)| rank(pair));
    let height = CELL.1 * curves.len().div_ceil(columns) as f64 + 26.0;
    let width = LEFT + CELL.0 * columns as f64;
    let mut picture = Picture::new(id, title, width, height);
    let mut peaks = Vec::new();
    for (index, (pair, points)) in curves.iter().enumerate() {
        let (column, row) = ((index % columns) as f64, (index / columns) as f64);
        let peak = peak(points, pair);
        picture = picture
            .with(&cell(points, &named(pair), peak), [LEFT + CELL.0 * column, CELL.1 * row, CELL.0, CELL.1]);
        peaks.extend(peak.map(|peak| (named(pair), peak)));
    }
    let picture = picture
        .with_text("distance *r* (Å)", (0.5 * (LEFT + width), height - 8.0), Anchor::Middle)
        .with_upright_text("*g*(*r*)", (14.0, 0.5 * height));
    (picture, peaks)
}

/// The highest peak that is not a bond of the nitrate.
fn peak(points: &[Point], pair: &str) -> Option<Point> {
    let nitrate = matches!(pair, "N-O" | "O-N" | "O-O");
    let beyond: Vec<Point> = points.iter().copied().filter(|p| !nitrate || p.x > BONDS).collect();
    highest(&beyond).filter(|p| p.y > 0.0)
}

fn cell(points: &[Point], name: &str, peak: Option<Point>) -> Chart {
    let end = points.last().map_or(1.0, |p| p.x);
    let top = peak.map_or(1.5, |p| 1.35 * p.y).max(1.8);
    let axes = Chart::new(Axis::linear("", 0.0, end), Axis::linear("", 0.0, top));
    let chart = with_band(axes.horizontal(1.0, Ink::Faint, Dash::Dashed), points, Ink::Blue, Dash::Solid)
        .note(name, (0.97, 0.88), Ink::Plain, Anchor::End);
    match peak {
        Some(peak) => {
            chart.note(&format!("{} Å", significant(peak.x, 3)), (0.97, 0.70), Ink::Blue, Anchor::End)
        }
        None => chart,
    }
}

/// Cations with the atoms of the anion first, then like with like: neighbours by what they say.
fn rank(pair: &str) -> usize {
    let (a, b) = pair.split_once('-').unwrap_or((pair, ""));
    match (a == "O" || b == "O", a == b) {
        (true, false) => 0,
        (false, false) => 1,
        (_, true) => 2,
    }
}

/// The cation first, as in Ca–O.
fn named(pair: &str) -> String {
    let anionic = |name: &str| ["N", "O"].iter().position(|a| *a == name).map_or(0, |i| i + 1);
    let (a, b) = pair.split_once('-').unwrap_or((pair, ""));
    if anionic(a) > anionic(b) { format!("{b}–{a}") } else { format!("{a}–{b}") }
}
