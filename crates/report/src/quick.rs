//! What `vitrion plot` draws: g(r) and the mean squared displacement of a run that may still be going on.

use vitrion_analysis::msd::SpeciesDisplacement;
use vitrion_analysis::rdf::PairDistribution;

use crate::chart::{Anchor, Axis, Bar, Chart, Dash, Marker, Picture};
use crate::figures::pair_distributions;
use crate::source::Point;
use crate::style::Ink;

/// Columns of small charts.
const COLUMNS: usize = 5;
/// Size of the chart of displacements.
const SIZE: (f64, f64) = (620.0, 440.0);

/// g(r) of every pair of species.
pub fn pair_distributions(pairs: &[PairDistribution], title: &str) -> Picture {
    let curve = |pair: &PairDistribution| {
        let points = pair.r.iter().zip(&pair.g).map(|(&x, &y)| Point { x, y, error: None });
        (pair.species.join("-"), points.collect())
    };
    let columns = pairs.len().clamp(1, COLUMNS);
    pair_distributions::grid("rdf", title, columns, pairs.iter().map(curve).collect()).0
}

/// The mean squared displacement of every species, double logarithmic, with a guide of slope 1; none where nothing moves or there is
/// a single lag.
pub fn displacements(curves: &[SpeciesDisplacement], title: &str) -> Option<Picture> {
    let moved = || curves.iter().flat_map(|c| &c.points).filter(|p| p.msd > 0.0);
    let first = moved().map(|p| p.lag).fold(f64::INFINITY, f64::min);
    let last = moved().map(|p| p.lag).fold(0.0, f64::max);
    if first >= last {
        return None;
    }
    let lowest = moved().map(|p| p.msd).fold(f64::INFINITY, f64::min);
    let x = Axis::log_over("time *t* (ps)", [first, last]);
    let y = Axis::log_over("mean squared displacement (Å^{2})", moved().map(|p| p.msd).chain([lowest / 1.5]));
    // Over the longest decade, below the curves: where they run parallel, ions diffuse.
    let from = (last / 10.0).max(first);
    let mut chart = Chart::new(x, y)
        .line([(from, lowest), (last, lowest * last / from)], Ink::Faint, Dash::Dashed)
        .note_at("slope 1: diffusion", (last, 1.1 * lowest), Ink::Faint, Anchor::End);
    for (index, curve) in curves.iter().enumerate() {
        let ink = match Ink::species(&curve.species) {
            Ink::Plain => Ink::nth(index),
            ink => ink,
        };
        let points = || curve.points.iter().filter(|p| p.msd > 0.0);
        // An error as large as the value has no lower end on a logarithmic axis.
        let bars = points().filter(|p| p.msd_error.is_finite()).map(|p| Bar {
            x: p.lag,
            low: (p.msd - p.msd_error).max(0.5 * p.msd),
            high: p.msd + p.msd_error,
        });
        chart = chart.band(bars, ink).line(points().map(|p| (p.lag, p.msd)), ink, Dash::Solid).markers(
            points().map(|p| (p.lag, p.msd)),
            ink,
            Marker::Circle,
        );
        if let Some(end) = points().next_back() {
            chart = chart.end_label(&curve.species, end.msd, ink);
        }
    }
    Some(Picture::new("msd", title, SIZE.0, SIZE.1).with(&chart, [0.0, 0.0, SIZE.0, SIZE.1]))
}

#[cfg(test)]
mod tests {
    use vitrion_analysis::msd::DisplacementPoint;

    use super::*;

    fn curve(species: &str, msd: impl Fn(f64) -> f64) -> SpeciesDisplacement {
        let point = |lag: f64| DisplacementPoint {
            lag,
            msd: msd(lag),
            msd_error: if lag > 5.0 { f64::NAN } else { 2.0 * msd(lag) },
            alpha_2: 0.0,
            alpha_2_error: f64::NAN,
            pairs: 1,
        };
        SpeciesDisplacement {
            species: species.to_string(),
            points: [0.5, 1.0, 2.0, 8.0, 40.0].map(point).to_vec(),
        }
    }

    #[test]
    fn every_species_has_a_curve_and_its_name() {
        let picture = displacements(&[curve("K", |t| t), curve("Ca", |t| 0.2 * t)], "Melt").unwrap();
        let svg = picture.file();
        assert!(svg.contains(">K<") && svg.contains(">Ca<") && svg.contains("slope 1"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn what_does_not_move_is_not_drawn() {
        assert!(displacements(&[curve("K", |_| 0.0)], "").is_none());
        assert!(displacements(&[], "").is_none());
    }

    #[test]
    fn pairs_have_a_small_chart_each_with_the_cation_first() {
        let pair = |a: &str, b: &str| PairDistribution {
            species: [a.to_string(), b.to_string()],
            r: vec![0.5, 1.5, 2.5, 3.5],
            g: vec![0.0, 0.1, 3.0, 1.0],
            error: vec![f64::NAN; 4],
        };
        let svg = pair_distributions(&[pair("N", "N"), pair("O", "Ca")], "Melt").file();
        assert!(svg.contains(">Ca–O<") && svg.contains(">N–N<") && svg.contains("2.50 Å"), "{svg}");
        assert!(svg.find("Ca–O") < svg.find("N–N"));
    }
}
