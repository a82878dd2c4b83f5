//! The figures of M. Saito et al. (2024), one file a figure, and here what they share.

mod direction_correlation;
mod displacement_map;
mod displacements;
mod ion_displacement;
mod jumping_pairs;
mod nonjumping_stress;
pub mod pair_distributions;
mod relaxation_times;
mod scattering;
mod scattering_normalised;
mod structure_factor;
mod thermodynamics;

use crate::chart::{Bar, Chart, Dash};
use crate::panel::Panel;
use crate::source::{Point, Source};
use crate::style::Ink;

/// A figure: panels that belong together.
pub struct Figure {
    /// Its number in the paper.
    pub number: u32,
    /// What it is about.
    pub title: &'static str,
    /// Its panels.
    pub panels: Vec<Panel>,
}

/// All figures, in the order of the paper.
pub fn all(source: &Source) -> Vec<Figure> {
    vec![
        Figure { number: 1, title: "Structure factor", panels: vec![structure_factor::panel(source)] },
        Figure {
            number: 3,
            title: "Shape of the relaxation",
            panels: vec![scattering_normalised::panel(source)],
        },
        Figure {
            number: 4,
            title: "Structure, density and relaxation",
            panels: vec![
                pair_distributions::panel(source),
                thermodynamics::panel(source),
                scattering::panel(source),
                relaxation_times::stretching(source),
                relaxation_times::times(source),
            ],
        },
        Figure {
            number: 5,
            title: "Ions that jump and ions that do not",
            panels: vec![
                displacement_map::trajectories(source),
                displacement_map::detail(source),
                ion_displacement::panel(source),
                jumping_pairs::panel(source),
                displacements::by_species(source),
            ],
        },
        Figure {
            number: 6,
            title: "What nonjumping ions contribute",
            panels: vec![
                nonjumping_stress::panel(source),
                displacements::by_class(source),
                displacements::non_gaussian(source),
                displacements::against_each_other(source),
            ],
        },
        Figure {
            number: 7,
            title: "Collective motion",
            panels: vec![displacement_map::arrows(source), direction_correlation::panel(source)],
        },
    ]
}

/// A curve with a band of one standard error.
fn with_band(chart: Chart, points: &[Point], ink: Ink, dash: Dash) -> Chart {
    chart.band(bars(points), ink).line(points.iter().map(|p| (p.x, p.y)), ink, dash)
}

/// One standard error to both sides, where there is one.
fn bars(points: &[Point]) -> Vec<Bar> {
    let bar = |p: &Point| p.error.map(|e| Bar { x: p.x, low: p.y - e, high: p.y + e });
    points.iter().filter_map(bar).collect()
}

/// Abscissae of all curves.
fn abscissae<'a>(curves: impl IntoIterator<Item = &'a Vec<Point>>) -> Vec<f64> {
    curves.into_iter().flatten().map(|p| p.x).collect()
}

/// Values of all curves.
fn ordinates<'a>(curves: impl IntoIterator<Item = &'a Vec<Point>>) -> Vec<f64> {
    curves.into_iter().flatten().map(|p| p.y).collect()
}

/// The highest point.
fn highest(points: &[Point]) -> Option<Point> {
    points.iter().copied().max_by(|a, b| a.y.total_cmp(&b.y))
}
