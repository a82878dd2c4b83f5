//! A quantity over 1000/T with the laws that it follows, as Fig. 4e of Saito et al. has it: what `vitrion fit` draws.

use vitrion_analysis::fits::temperatures::Law;
use vitrion_analysis::temperature_series::{Choice, Quantity, SeriesLaws};

use crate::chart::{Axis, Bar, Chart, Dash, Marker, Picture};
use crate::quantity::significant;
use crate::style::Ink;

/// Points of a drawn law.
const FINE: usize = 100;

/// 1000/T, value, standard error.
type Place = (f64, f64, f64);

/// The figure; none where no series has a point.
pub fn picture(all: &[SeriesLaws], choice: &Choice) -> Option<Picture> {
    let points = |series: &SeriesLaws| -> Vec<Place> {
        let known = series.series.points.iter().filter_map(|(p, _)| Some((p, p.value.as_ref().ok()?)));
        known.map(|(p, v)| (1000.0 / p.temperature, v.value, v.error)).collect()
    };
    let drawn: Vec<(&SeriesLaws, Vec<Place>)> =
        all.iter().map(|s| (s, points(s))).filter(|(_, points)| !points.is_empty()).collect();
    if drawn.is_empty() {
        return None;
    }
    let places = || drawn.iter().flat_map(|(_, points)| points.iter());
    let x = Axis::linear_over("1000/*T* (K^{−1})", places().map(|p| p.0));
    let heights = places().flat_map(|p| [p.1, p.1 - p.2, p.1 + p.2]);
    let mut chart = Chart::new(x, Axis::log_over(&label(choice.quantity), heights));
    for (index, (series, points)) in drawn.iter().enumerate() {
        let ink = Ink::nth(index);
        let first = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
        let last = points.iter().map(|p| p.0).fold(0.0, f64::max);
        for (law, fitted) in series.laws.iter().filter_map(|(law, f)| Some((law, f.as_ref().ok()?))) {
            let at = |i: usize| first + (last - first) * i as f64 / FINE as f64;
            let curve = (0..=FINE).map(at).map(|x| (x, fitted.at(1000.0 / x)));
            chart = chart.line(curve, ink, if *law == Law::Arrhenius { Dash::Dashed } else { Dash::Solid });
        }
        let bars = points.iter().filter(|p| p.2.is_finite());
        chart = chart.error_bars(bars.map(|p| Bar { x: p.0, low: p.1 - p.2, high: p.1 + p.2 }), ink).markers(
            points.iter().map(|p| (p.0, p.1)),
            ink,
            Marker::Square,
        );
        if let (Some(q), Some(end)) = (series.series.wave_number, points.first()) {
            // Points come from the lowest temperature up: the first is farthest to the right.
            chart = chart.end_label(&format!("{} Å^{{−1}}", significant(q, 2)), end.1, ink);
        }
    }
    let title = format!("{} against 1000/*T* (dashed: Arrhenius, solid: VFT)", name(choice.quantity));
    Some(Picture::of("fit", &title, &chart))
}

pub(crate) fn name(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::RelaxationTime => "*τ*",
        Quantity::MeanRelaxationTime => "⟨*τ*⟩",
        Quantity::Viscosity => "*η*",
        Quantity::Diffusion => "*D*",
    }
}

fn label(quantity: Quantity) -> String {
    format!("{} ({})", name(quantity), quantity.unit().replace("^2", "^{2}"))
}
