//! Mean squared displacement of every species, double logarithmic, with a guide of slope 1.

use std::ops::Range;

use anyhow::{Result, ensure};
use plotters::coord::combinators::{LogCoord, WithKeyPoints};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use vitrion_analysis::msd::{DisplacementPoint, SpeciesDisplacement};

use super::{FAINT, INK, drawing, log_label, log_ticks, species_colour, spread_labels, text};

const SIZE: (u32, u32) = (720, 520);

type Axis = WithKeyPoints<LogCoord<f64>>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// The figure as SVG text.
pub fn draw(curves: &[SpeciesDisplacement], title: &str) -> Result<String> {
    let (times, squares) = ranges(curves);
    ensure!(
        times.start < times.end,
        "no displacements to draw: the trajectory needs at least three frames of moving ions"
    );
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(drawing)?;
        root.draw_text(title, &text(18, INK, HPos::Left), (20, 22)).map_err(drawing)?;
        let (_, body) = root.split_vertically(44);
        let (body, side) = body.split_horizontally(SIZE.0.cast_signed() - 60);
        let mut chart = ChartBuilder::on(&body)
            .margin_right(4)
            .margin_bottom(8)
            .margin_left(8)
            .margin_top(4)
            .x_label_area_size(50)
            .y_label_area_size(66)
            .build_cartesian_2d(
                times.clone().log_scale().with_key_points(log_ticks(&times)),
                squares.clone().log_scale().with_key_points(log_ticks(&squares)),
            )
            .map_err(drawing)?;
        axes(&mut chart)?;
        guide(&mut chart, &times, &squares)?;
        for (index, curve) in curves.iter().enumerate() {
            draw_curve(&mut chart, curve, species_colour(&curve.species, index))?;
        }
        // Labels where the curves end, in the margin.
        let ends: Vec<f64> =
            curves.iter().filter_map(|c| c.points.last()).map(|p| p.msd.max(squares.start)).collect();
        let mut heights: Vec<i32> =
            ends.iter().map(|&msd| chart.backend_coord(&(times.end, msd)).1 - 44).collect();
        spread_labels(&mut heights, 20);
        for ((index, curve), height) in curves.iter().enumerate().zip(heights) {
            let style = text(18, species_colour(&curve.species, index), HPos::Left);
            side.draw_text(&curve.species, &style, (6, height)).map_err(drawing)?;
        }
        root.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// Ranges of the axes that hold all positive points.
fn ranges(curves: &[SpeciesDisplacement]) -> (Range<f64>, Range<f64>) {
    let mut times = f64::INFINITY..0.0f64;
    let mut squares = f64::INFINITY..0.0f64;
    for point in curves.iter().flat_map(|c| &c.points).filter(|p| p.msd > 0.0) {
        times = times.start.min(point.lag)..times.end.max(point.lag);
        squares = squares.start.min(point.msd)..squares.end.max(point.msd);
    }
    (times.start / 1.3..times.end * 1.05, squares.start / 1.6..squares.end * 1.6)
}

fn axes(chart: &mut Chart) -> Result<()> {
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(230, 230, 230))
        .axis_style(INK)
        .label_style(text(15, INK, HPos::Center))
        .axis_desc_style(text(17, INK, HPos::Center))
        .x_desc("time t (ps)")
        .y_desc("mean squared displacement (Å²)")
        .x_label_formatter(&|t| log_label(*t))
        .y_label_formatter(&|m| log_label(*m))
        .draw()
        .map_err(drawing)
}

/// A dashed line of slope 1 over the longest decade, below the curves: where it runs parallel, ions diffuse.
fn guide(chart: &mut Chart, times: &Range<f64>, squares: &Range<f64>) -> Result<()> {
    let last = times.end / 1.5;
    let first = (last / 10.0).max(times.start);
    let height = squares.start * 1.6;
    let line = [(first, height), (last, (height * last / first).min(squares.end))];
    chart.draw_series(DashedLineSeries::new(line, 6, 4, FAINT.stroke_width(2))).map_err(drawing)?;
    let style = text(15, FAINT, HPos::Left).pos(Pos::new(HPos::Left, VPos::Top));
    let middle = (first * (last / first).powf(0.55), height * (last / first).powf(0.42));
    chart.draw_series([Text::new("slope 1: diffusion", middle, style)]).map_err(drawing)?;
    Ok(())
}

/// The curve with a band of one standard error, where there is one.
fn draw_curve(chart: &mut Chart, curve: &SpeciesDisplacement, colour: RGBColor) -> Result<()> {
    let points: Vec<_> = curve.points.iter().filter(|p| p.msd > 0.0).collect();
    let edge = |sign: f64| {
        let error = |p: &DisplacementPoint| if p.msd_error.is_nan() { 0.0 } else { p.msd_error };
        points.iter().map(move |p| (p.lag, (p.msd + sign * error(p)).max(0.5 * p.msd)))
    };
    let band: Vec<(f64, f64)> = edge(1.0).chain(edge(-1.0).rev()).collect();
    chart.draw_series([Polygon::new(band, colour.mix(0.2))]).map_err(drawing)?;
    chart
        .draw_series(LineSeries::new(points.iter().map(|p| (p.lag, p.msd)), colour.stroke_width(2)))
        .map_err(drawing)?;
    chart
        .draw_series(points.iter().map(|p| Circle::new((p.lag, p.msd), 3, colour.filled())))
        .map_err(drawing)?;
    Ok(())
}
