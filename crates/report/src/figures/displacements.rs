//! Figs 5e, 6b, 6c, 6d: mean squared displacements and non-Gaussian parameter of J and NJ ions.
//!
//! Where the results hold no classes, 5e, 6b and 6c show the same quantities of all ions, and say so.

use super::{abscissae, ordinates, with_band};
use crate::chart::{Axis, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::paper::{self, Quantity};
use crate::quantity::{time, time_with_error, with_error};
use crate::source::{Point, Rows, Source};
use crate::style::Ink;

const MSD: &str = "MSD(*t*) = ⟨|*r*_{i}(*t*_{0} + *t*) − *r*_{i}(*t*_{0})|^{2}⟩ over centres and time origins, from unwrapped positions.";
const UNCLASSED: &str = "The results have no J and NJ classes: all ions are shown.";

/// Fig. 5e.
pub fn by_species(source: &Source) -> Panel {
    let title = "Mean squared displacement by species";
    let content = classes(source, "msd_classes", "msd").and_then(|(rows, classed)| {
        let mut curves = Vec::new();
        for species in ["N", "K", "Ca"] {
            let of = rows.with("species", species);
            if classed {
                curves.push(curve(
                    &of.with("class", "J"),
                    &format!("{species}, J"),
                    Ink::species(species),
                    Dash::Solid,
                ));
                curves.push(curve(
                    &of.with("class", "NJ"),
                    &format!("{species}, NJ"),
                    Ink::species(species),
                    Dash::Dashed,
                ));
            } else {
                curves.push(curve(&of, species, Ink::species(species), Dash::Solid));
            }
        }
        drawn("fig-5e", title, "MSD (Å^{2})", true, curves, &rows, classed)
    });
    Panel::new("5e", title, MSD, "Solid: J, dashed: NJ. Bands are one standard error.", content)
}

/// Fig. 6b.
pub fn by_class(source: &Source) -> Panel {
    let title = "Mean squared displacement of J and NJ";
    let content = classes(source, "msd_classes", "msd").and_then(|(rows, classed)| {
        drawn("fig-6b", title, "MSD (Å^{2})", true, of_classes(&rows, classed), &rows, classed)
    });
    Panel::new("6b", title, MSD, "Bands are one standard error.", content)
}

/// Fig. 6c.
pub fn non_gaussian(source: &Source) -> Panel {
    let title = "Non-Gaussian parameter *α*_{2}(*t*)";
    let content = classes(source, "alpha_2_classes", "alpha_2").and_then(|(rows, classed)| {
        let content = drawn("fig-6c", title, "*α*_{2}", false, of_classes(&rows, classed), &rows, classed)?;
        Ok(with_quantity(content, source, "tau_cage_J_ps", "*τ*_{cage} of J", time_with_error, None))
    });
    Panel::new(
        "6c",
        title,
        "*α*_{2}(*t*) = 3⟨Δ*r*^{4}⟩ / (5⟨Δ*r*^{2}⟩^{2}) − 1: zero for Gaussian displacements. Its peak for J ions is the time of cage rearrangement.",
        "Bands are one standard error.",
        content,
    )
}

/// Fig. 6d.
pub fn against_each_other(source: &Source) -> Panel {
    let title = "MSD of NJ against MSD of J";
    Panel::new(
        "6d",
        title,
        "At each time the MSD of NJ ions against that of J ions; a power law MSD_{NJ} ∝ MSD_{J}^{x} is a straight line.",
        "Each point is one time; the cross, where it is, marks *τ*_{cage}.",
        exponent(source, title),
    )
}

/// The table of classes, or else that of all ions; and which it is.
fn classes<'a>(source: &Source<'a>, classed: &str, plain: &str) -> Result<(Rows<'a>, bool), String> {
    match source.table(classed) {
        Ok(rows) => Ok((rows, true)),
        Err(_) => source.table(plain).map(|rows| (rows, false)),
    }
}

struct Curve {
    points: Vec<Point>,
    label: String,
    ink: Ink,
    dash: Dash,
}

fn curve(rows: &Rows, label: &str, ink: Ink, dash: Dash) -> Curve {
    let points = rows.curve("t_ps").into_iter().filter(|p| p.x > 0.0).collect();
    Curve { points, label: label.to_string(), ink, dash }
}

fn of_classes(rows: &Rows, classed: bool) -> Vec<Curve> {
    let all = rows.with("species", "all");
    if classed {
        let class = |name: &str, ink, dash| curve(&all.with("class", name), name, ink, dash);
        vec![class("J", Ink::JUMPING, Dash::Solid), class("NJ", Ink::NONJUMPING, Dash::Dashed)]
    } else {
        vec![curve(&all, "all", Ink::Plain, Dash::Solid)]
    }
}

fn drawn(
    id: &str,
    title: &str,
    label: &str,
    logarithmic: bool,
    mut curves: Vec<Curve>,
    rows: &Rows,
    classed: bool,
) -> Result<Content, String> {
    curves.retain(|c| c.points.iter().any(|p| p.y > 0.0));
    if curves.is_empty() {
        return Err("The results have no displacements to draw.".to_string());
    }
    let all = || curves.iter().map(|c| &c.points);
    let x = Axis::log_over("time *t* (ps)", abscissae(all()));
    let y = if logarithmic {
        Axis::log_over(label, ordinates(all()))
    } else {
        Axis::linear_over(label, ordinates(all())).down_to(0.0)
    };
    let mut chart = Chart::new(x, y);
    for c in &curves {
        chart = with_band(chart, &c.points, c.ink, c.dash);
        if let Some(last) = c.points.last() {
            chart = chart.end_label(&c.label, last.y, c.ink);
        }
    }
    let content = Content::new(Picture::of(id, title, &chart)).with_data(rows);
    Ok(if classed { content } else { content.with_remark(UNCLASSED) })
}

/// A line of the table `heterogeneity`, or its verdict.
fn with_quantity(
    content: Content,
    source: &Source,
    quantity: &str,
    name: &str,
    format: impl Fn(f64, Option<f64>) -> String,
    paper: Option<paper::Value>,
) -> Content {
    let Ok(all) = source.table("heterogeneity") else { return content };
    let row = all.with("quantity", quantity);
    let verdict = row.texts("verdict").first().map_or(String::new(), |v| (*v).to_string());
    match row.number("value") {
        Some(value) => content.with_number(name, format(value, row.number("standard_error")), paper),
        None if !row.is_empty() => content.with_number(name, verdict, None),
        None => content,
    }
}

fn exponent(source: &Source, title: &str) -> Result<Content, String> {
    let rows = source.table("msd_classes")?.with("species", "all");
    let [jumping, resting] = ["J", "NJ"].map(|class| rows.with("class", class).curve("t_ps"));
    let pairs: Vec<(f64, f64, f64)> = jumping
        .iter()
        .filter_map(|j| resting.iter().find(|n| n.x == j.x).map(|n| (j.x, j.y, n.y)))
        .filter(|(t, j, n)| *t > 0.0 && *j > 0.0 && *n > 0.0)
        .collect();
    if pairs.len() < 2 {
        return Err("There are fewer than two times at which both J and NJ ions have an MSD.".to_string());
    }
    let x = Axis::log_over("MSD of J (Å^{2})", pairs.iter().map(|p| p.1));
    let y = Axis::log_over("MSD of NJ (Å^{2})", pairs.iter().map(|p| p.2));
    let mut chart = Chart::new(x, y).markers(pairs.iter().map(|p| (p.1, p.2)), Ink::Blue, Marker::Circle);
    let quantity = |name: &str| {
        source.table("heterogeneity").ok().and_then(|t| t.with("quantity", name).number("value"))
    };
    if let (Some(exponent), Some(tau)) = (quantity("exponent_x"), quantity("tau_cage_J_ps"))
        && let Some(&(_, j, n)) =
            pairs.iter().min_by(|a, b| (a.0 / tau).ln().abs().total_cmp(&(b.0 / tau).ln().abs()))
    {
        let law = [0.1, 10.0].map(|factor: f64| (j * factor, n * factor.powf(exponent)));
        chart = chart
            .line(law, Ink::Vermillion, Dash::Dashed)
            .markers([(j, n)], Ink::Purple, Marker::Cross)
            .note_at(
                &format!("*τ*_{{cage}} = {}", time(tau)),
                (j * 1.15, n * 0.8),
                Ink::Purple,
                crate::chart::Anchor::Start,
            );
    }
    let content = Content::new(Picture::of("fig-6d", title, &chart)).with_data(&rows);
    let paper = paper::value(Quantity::Exponent, source.facts);
    Ok(with_quantity(content, source, "exponent_x", "exponent *x*", |v, e| with_error(v, e, ""), paper))
}
