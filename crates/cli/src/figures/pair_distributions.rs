//! g(r) of every pair of species, one small panel each, so that no curve hides another.

use anyhow::Result;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use vitrion_analysis::rdf::PairDistribution;

use super::{FAINT, INK, PALETTE, drawing, round_step, text};

const PANEL: (u32, u32) = (240, 200);
const COLUMNS: usize = 5;
const TITLE_HEIGHT: u32 = 44;
const FOOT_HEIGHT: u32 = 34;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The figure as SVG text.
pub fn draw(pairs: &[PairDistribution], title: &str) -> Result<String> {
    let pairs = ordered(pairs);
    let columns = pairs.len().clamp(1, COLUMNS);
    let rows = pairs.len().div_ceil(columns).max(1);
    let size = (PANEL.0 * columns as u32 + 40, PANEL.1 * rows as u32 + TITLE_HEIGHT + FOOT_HEIGHT);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).map_err(drawing)?;
        root.draw_text(title, &text(18, INK, HPos::Left), (20, 22)).map_err(drawing)?;
        let (_, body) = root.split_vertically(TITLE_HEIGHT);
        let (body, foot) = body.split_vertically(PANEL.1 * rows as u32);
        foot.draw_text("distance r (Å)", &text(16, INK, HPos::Center), (size.0.cast_signed() / 2, 14))
            .map_err(drawing)?;
        let (margin, body) = body.split_horizontally(40);
        let upright = text(16, INK, HPos::Center).transform(FontTransform::Rotate270);
        margin
            .draw_text(
                "g(r)",
                &upright.pos(Pos::new(HPos::Center, VPos::Center)),
                (18, (PANEL.1 * rows as u32 / 2).cast_signed()),
            )
            .map_err(drawing)?;
        for (pair, area) in pairs.iter().zip(body.split_evenly((rows, columns))) {
            panel(&area, pair)?;
        }
        root.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// Cations with the atoms of the anion first, then like with like: neighbours by what they say.
fn ordered(pairs: &[PairDistribution]) -> Vec<PairDistribution> {
    let rank = |pair: &PairDistribution| {
        let [a, b] = &pair.species;
        let has = |name: &str| a == name || b == name;
        match (has("O"), a == b) {
            (true, false) => 0,
            (false, false) => 1,
            (_, true) => 2,
        }
    };
    let mut pairs = pairs.to_vec();
    pairs.sort_by_key(rank);
    pairs
}

/// The cation first, as in Ca–O.
fn named(pair: &PairDistribution) -> [&str; 2] {
    let anionic = |name: &str| ["N", "O"].iter().position(|a| *a == name).map_or(0, |i| i + 1);
    let [a, b] = [pair.species[0].as_str(), pair.species[1].as_str()];
    if anionic(a) > anionic(b) { [b, a] } else { [a, b] }
}

fn panel(area: &Area, pair: &PairDistribution) -> Result<()> {
    let range = pair.r.last().copied().unwrap_or(1.0) + 0.5 * pair.r.first().copied().unwrap_or(0.0);
    let (peak_r, peak) =
        pair.r.iter().zip(&pair.g).fold((0.0, 0.0), |best, (&r, &g)| if g > best.1 { (r, g) } else { best });
    let top = (1.25 * peak).max(1.5);
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(22)
        .y_label_area_size(30)
        .build_cartesian_2d(0.0..range, 0.0..top)
        .map_err(drawing)?;
    axes(&mut chart, top)?;
    // Ideal gas.
    chart
        .draw_series(DashedLineSeries::new([(0.0, 1.0), (range, 1.0)], 3, 3, FAINT.stroke_width(1)))
        .map_err(drawing)?;
    let colour = PALETTE[0];
    let curve = pair.r.iter().copied().zip(pair.g.iter().copied());
    chart.draw_series(LineSeries::new(curve, colour.stroke_width(2))).map_err(drawing)?;
    let corner = (0.97 * range, 0.92 * top);
    let [a, b] = named(pair);
    let name = format!("{a}–{b}");
    let label = |size, colour| text(size, colour, HPos::Right);
    chart.draw_series([Text::new(name, corner, label(18, INK))]).map_err(drawing)?;
    if peak > 0.0 {
        let place = (0.97 * range, 0.78 * top);
        let words = format!("peak {peak_r:.2} Å");
        chart.draw_series([Text::new(words, place, label(13, colour))]).map_err(drawing)?;
    }
    Ok(())
}

fn axes(chart: &mut Chart, top: f64) -> Result<()> {
    let digits = usize::from(round_step(top, 4) < 1.0);
    let style = text(13, INK, HPos::Center);
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(INK)
        .label_style(style)
        .x_labels(5)
        .y_labels(4)
        .x_label_formatter(&|r| format!("{r:.0}"))
        .y_label_formatter(&|g| format!("{g:.digits$}"))
        .draw()
        .map_err(drawing)
}
