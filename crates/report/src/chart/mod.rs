//! Charts as SVG: axes, layers of data, labels beside what they name.
//!
//! A chart writes class names for its colours ([`crate::style`]) and real text, so that one drawing serves the page, light and
//! dark, print and a file of its own. Nothing that is not a finite number reaches a path.

pub mod markup;
mod picture;
mod scale;

use std::fmt::Write as _;

pub use picture::Picture;
pub use scale::{Axis, Kind, Tick};

use crate::style::Ink;

/// Height of text at ticks and in labels (SVG units; a page shows about one pixel a unit).
pub const TEXT: f64 = 12.0;
/// Height of axis labels.
const AXIS_TEXT: f64 = 13.0;

/// A mark at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Filled circle.
    Circle,
    /// Open circle.
    Ring,
    /// Filled square.
    Square,
    /// Filled triangle.
    Triangle,
    /// Diagonal cross.
    Cross,
}

/// Dashes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    /// None.
    Solid,
    /// Long.
    Dashed,
    /// Short.
    Dotted,
}

/// A point with the ends of its error bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Abscissa.
    pub x: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Which way text runs from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The point is at its start.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

enum Layer {
    Line { points: Vec<(f64, f64)>, ink: Ink, dash: Dash, width: f64 },
    Band { bars: Vec<Bar>, ink: Ink },
    ErrorBars { bars: Vec<Bar>, ink: Ink },
    Markers { points: Vec<(f64, f64)>, ink: Ink, marker: Marker },
    Field { cells: Vec<Cell>, ink: Ink },
    Arrows { arrows: Vec<Arrow>, ink: Ink, filled: bool },
    Vertical { x: f64, ink: Ink, dash: Dash },
    Horizontal { y: f64, ink: Ink, dash: Dash },
    Note { text: String, x: f64, y: f64, ink: Ink, anchor: Anchor },
}

/// A rectangle of a field, and how strongly it is coloured, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Left and lower corner.
    pub from: (f64, f64),
    /// Right and upper corner.
    pub to: (f64, f64),
    /// Opacity.
    pub strength: f64,
}

/// From a point to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrow {
    /// Its tail.
    pub from: (f64, f64),
    /// Its head.
    pub to: (f64, f64),
}

/// One pair of axes and what is drawn in it.
pub struct Chart {
    x: Axis,
    y: Axis,
    layers: Vec<Layer>,
    ends: Vec<(f64, String, Ink)>,
    equal_scales: bool,
    label_room: f64,
}

impl Chart {
    /// Empty axes.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, layers: Vec::new(), ends: Vec::new(), equal_scales: false, label_room: 0.0 }
    }

    /// A unit is as long upwards as to the right: maps.
    pub fn with_equal_scales(mut self) -> Self {
        self.equal_scales = true;
        self
    }

    /// A line through the points; interrupted where a point has no place on the axes.
    pub fn line(mut self, points: impl IntoIterator<Item = (f64, f64)>, ink: Ink, dash: Dash) -> Self {
        self.layers.push(Layer::Line { points: points.into_iter().collect(), ink, dash, width: 1.8 });
        self
    }

    /// Likewise, half as wide: where there are many.
    pub fn thin_line(mut self, points: impl IntoIterator<Item = (f64, f64)>, ink: Ink, dash: Dash) -> Self {
        self.layers.push(Layer::Line { points: points.into_iter().collect(), ink, dash, width: 0.9 });
        self
    }

    /// A light area between the ends of bars.
    pub fn band(mut self, bars: impl IntoIterator<Item = Bar>, ink: Ink) -> Self {
        self.layers.push(Layer::Band { bars: bars.into_iter().collect(), ink });
        self
    }

    /// A bar through each point.
    pub fn error_bars(mut self, bars: impl IntoIterator<Item = Bar>, ink: Ink) -> Self {
        self.layers.push(Layer::ErrorBars { bars: bars.into_iter().collect(), ink });
        self
    }

    /// Marks at points.
    pub fn markers(mut self, points: impl IntoIterator<Item = (f64, f64)>, ink: Ink, marker: Marker) -> Self {
        self.layers.push(Layer::Markers { points: points.into_iter().collect(), ink, marker });
        self
    }

    /// Coloured rectangles.
    pub fn field(mut self, cells: impl IntoIterator<Item = Cell>, ink: Ink) -> Self {
        self.layers.push(Layer::Field { cells: cells.into_iter().collect(), ink });
        self
    }

    /// Arrows, filled or as outlines.
    pub fn arrows(mut self, arrows: impl IntoIterator<Item = Arrow>, ink: Ink, filled: bool) -> Self {
        self.layers.push(Layer::Arrows { arrows: arrows.into_iter().collect(), ink, filled });
        self
    }

    /// An upright line over the whole height.
    pub fn vertical(mut self, x: f64, ink: Ink, dash: Dash) -> Self {
        self.layers.push(Layer::Vertical { x, ink, dash });
        self
    }

    /// A level line over the whole width.
    pub fn horizontal(mut self, y: f64, ink: Ink, dash: Dash) -> Self {
        self.layers.push(Layer::Horizontal { y, ink, dash });
        self
    }

    /// Text at a place of the axes: (0, 0) is lower left, (1, 1) upper right.
    pub fn note(mut self, text: &str, place: (f64, f64), ink: Ink, anchor: Anchor) -> Self {
        self.layers.push(Layer::Note { text: text.to_string(), x: place.0, y: place.1, ink, anchor });
        self
    }

    /// Text at a point of the data.
    pub fn note_at(self, text: &str, point: (f64, f64), ink: Ink, anchor: Anchor) -> Self {
        match (self.x.place(point.0), self.y.place(point.1)) {
            (Some(x), Some(y)) => self.note(text, (x, y), ink, anchor),
            _ => self,
        }
    }

    /// Names a curve in the margin, at the height where it ends.
    pub fn end_label(mut self, text: &str, height: f64, ink: Ink) -> Self {
        self.label_room = self.label_room.max(markup::width(text, TEXT) + 10.0);
        self.ends.push((height, text.to_string(), ink));
        self
    }

    /// Draws the chart into a rectangle (left, top, width, height) of a picture; `id` names its clip path.
    fn draw(&self, svg: &mut String, [left, top, width, height]: [f64; 4], id: &str) {
        let ticks_x = self.x.ticks(((width / 62.0) as usize).max(3));
        let ticks_y = self.y.ticks(((height / 42.0) as usize).max(3));
        let numbers = ticks_y
            .iter()
            .filter_map(|tick| tick.label.as_ref())
            .map(|label| markup::width(label, TEXT))
            .fold(0.0, f64::max);
        let label = |text: &str| if text.is_empty() { 0.0 } else { AXIS_TEXT + 8.0 };
        let margin_left = numbers + 10.0 + label(&self.y.label);
        let margin_bottom = 22.0 + label(&self.x.label);
        // The last number of the axis may stand half outside the frame.
        let last = ticks_x.iter().rev().find_map(|tick| tick.label.as_ref());
        let margin_right =
            self.label_room.max(10.0).max(last.map_or(0.0, |l| 0.5 * markup::width(l, TEXT) + 4.0));
        let mut frame = Frame {
            left: left + margin_left,
            top: top + 8.0,
            width: (width - margin_left - margin_right).max(10.0),
            height: (height - 8.0 - margin_bottom).max(10.0),
        };
        if self.equal_scales {
            frame = frame.with_ratio((self.x.high - self.x.low) / (self.y.high - self.y.low));
        }
        self.draw_axes(svg, &frame, &ticks_x, &ticks_y, numbers);
        let _ = write!(
            svg,
            "<clipPath id=\"{id}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\
             <g clip-path=\"url(#{id})\">",
            n(frame.left),
            n(frame.top),
            n(frame.width),
            n(frame.height)
        );
        for layer in &self.layers {
            self.draw_layer(svg, &frame, layer);
        }
        svg.push_str("</g>");
        for layer in &self.layers {
            Self::draw_note(svg, &frame, layer);
        }
        self.draw_ends(svg, &frame);
    }

    fn draw_axes(&self, svg: &mut String, frame: &Frame, xs: &[Tick], ys: &[Tick], numbers: f64) {
        let (bottom, right) = (frame.top + frame.height, frame.left + frame.width);
        for tick in xs {
            let Some(x) = self.x.place(tick.value).map(|p| frame.left + p * frame.width) else { continue };
            let length = if tick.label.is_some() { 5.0 } else { 3.0 };
            let _ = write!(svg, "<path class=\"s-plain\" d=\"M{0} {1}v{length}\"/>", n(x), n(bottom));
            if let Some(label) = &tick.label {
                let _ =
                    write!(svg, "<path class=\"grid\" d=\"M{0} {1}V{2}\"/>", n(x), n(frame.top), n(bottom));
                text(svg, label, (x, bottom + 17.0), TEXT, Ink::Plain, Anchor::Middle);
            }
        }
        for tick in ys {
            let Some(y) = self.y.place(tick.value).map(|p| bottom - p * frame.height) else { continue };
            let length = if tick.label.is_some() { 5.0 } else { 3.0 };
            let _ = write!(svg, "<path class=\"s-plain\" d=\"M{0} {1}h-{length}\"/>", n(frame.left), n(y));
            if let Some(label) = &tick.label {
                let _ =
                    write!(svg, "<path class=\"grid\" d=\"M{0} {1}H{2}\"/>", n(frame.left), n(y), n(right));
                text(svg, label, (frame.left - 8.0, y + 0.35 * TEXT), TEXT, Ink::Plain, Anchor::End);
            }
        }
        let _ = write!(
            svg,
            "<path class=\"s-plain\" d=\"M{} {}V{}H{}\"/>",
            n(frame.left),
            n(frame.top),
            n(bottom),
            n(right)
        );
        if !self.x.label.is_empty() {
            let at = (frame.left + 0.5 * frame.width, bottom + 22.0 + AXIS_TEXT);
            text(svg, &self.x.label, at, AXIS_TEXT, Ink::Plain, Anchor::Middle);
        }
        if !self.y.label.is_empty() {
            let (x, y) = (frame.left - numbers - 16.0, frame.top + 0.5 * frame.height);
            let _ = write!(
                svg,
                "<text class=\"t-plain\" font-size=\"{AXIS_TEXT}\" text-anchor=\"middle\" transform=\"translate({} {}) rotate(-90)\">{}</text>",
                n(x),
                n(y),
                markup::to_svg(&self.y.label, AXIS_TEXT)
            );
        }
    }

    /// The point in the picture, where it has one near the frame.
    fn point(&self, frame: &Frame, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        // Far outside, coordinates would only be clipped: keep them short.
        let clamp = |place: f64| place.clamp(-20.0, 20.0);
        Some((frame.left + clamp(x) * frame.width, frame.top + (1.0 - clamp(y)) * frame.height))
    }

    /// On a logarithmic axis a bar that reaches zero or below ends at the axis.
    fn bar(&self, frame: &Frame, bar: &Bar) -> Option<(f64, f64, f64)> {
        let floor = |value: f64| {
            if self.y.kind == Kind::Log && value <= 0.0 { self.y.low * 1e-3 } else { value }
        };
        let (x, low) = self.point(frame, (bar.x, floor(bar.low)))?;
        let (_, high) = self.point(frame, (bar.x, bar.high))?;
        Some((x, low, high))
    }

    fn draw_layer(&self, svg: &mut String, frame: &Frame, layer: &Layer) {
        match layer {
            Layer::Line { points, ink, dash, width } => {
                let path = self.path(frame, points);
                if !path.is_empty() {
                    let (class, dash) = (ink.class(), dashes(*dash));
                    let _ = write!(
                        svg,
                        "<path class=\"s-{class}\" fill=\"none\" stroke-width=\"{width}\"{dash} d=\"{path}\"/>"
                    );
                }
            }
            Layer::Band { bars, ink } => {
                let bars: Vec<_> = bars.iter().filter_map(|bar| self.bar(frame, bar)).collect();
                if bars.len() >= 2 {
                    let upper = bars.iter().map(|&(x, _, high)| (x, high));
                    let lower = bars.iter().rev().map(|&(x, low, _)| (x, low));
                    let outline: Vec<String> =
                        upper.chain(lower).map(|(x, y)| format!("{} {}", n(x), n(y))).collect();
                    let _ = write!(
                        svg,
                        "<path class=\"f-{}\" fill-opacity=\"0.2\" stroke=\"none\" d=\"M{}Z\"/>",
                        ink.class(),
                        outline.join("L")
                    );
                }
            }
            Layer::ErrorBars { bars, ink } => {
                let mut path = String::new();
                for (x, low, high) in bars.iter().filter_map(|bar| self.bar(frame, bar)) {
                    let _ =
                        write!(path, "M{0} {1}V{2}M{3} {1}h4M{3} {2}h4", n(x), n(low), n(high), n(x - 2.0));
                }
                if !path.is_empty() {
                    let class = ink.class();
                    let _ = write!(
                        svg,
                        "<path class=\"s-{class}\" fill=\"none\" stroke-width=\"1.1\" d=\"{path}\"/>"
                    );
                }
            }
            Layer::Markers { points, ink, marker } => {
                let places = points.iter().filter_map(|&point| self.point(frame, point));
                let path: String = places.map(|(x, y)| mark(*marker, x, y)).collect();
                if !path.is_empty() {
                    let class = ink.class();
                    let style = match marker {
                        Marker::Ring => format!("class=\"s-{class} paper\" stroke-width=\"1.3\""),
                        Marker::Cross => format!("class=\"s-{class}\" fill=\"none\" stroke-width=\"2\""),
                        _ => format!("class=\"f-{class}\" stroke=\"none\""),
                    };
                    let _ = write!(svg, "<path {style} d=\"{path}\"/>");
                }
            }
            Layer::Field { cells, ink } => self.draw_field(svg, frame, cells, *ink),
            Layer::Arrows { arrows, ink, filled } => {
                let path: String = arrows
                    .iter()
                    .filter_map(|arrow| {
                        Some(arrow_path(self.point(frame, arrow.from)?, self.point(frame, arrow.to)?))
                    })
                    .collect();
                if !path.is_empty() {
                    let class = ink.class();
                    let style = if *filled {
                        format!("class=\"f-{class}\" stroke=\"none\"")
                    } else {
                        format!("class=\"s-{class} paper\" stroke-width=\"0.9\"")
                    };
                    let _ = write!(svg, "<path {style} d=\"{path}\"/>");
                }
            }
            Layer::Vertical { x, ink, dash } => {
                if let Some(x) = self.x.place(*x).map(|p| frame.left + p * frame.width) {
                    let (class, dash) = (ink.class(), dashes(*dash));
                    let (top, height) = (n(frame.top), n(frame.height));
                    let _ = write!(
                        svg,
                        "<path class=\"s-{class}\" stroke-width=\"1.3\"{dash} d=\"M{} {top}v{height}\"/>",
                        n(x)
                    );
                }
            }
            Layer::Horizontal { y, ink, dash } => {
                if let Some(y) = self.y.place(*y).map(|p| frame.top + (1.0 - p) * frame.height) {
                    let (class, dash) = (ink.class(), dashes(*dash));
                    let (left, width) = (n(frame.left), n(frame.width));
                    let _ = write!(
                        svg,
                        "<path class=\"s-{class}\" stroke-width=\"1.3\"{dash} d=\"M{left} {}h{width}\"/>",
                        n(y)
                    );
                }
            }
            Layer::Note { .. } => {}
        }
    }

    fn draw_field(&self, svg: &mut String, frame: &Frame, cells: &[Cell], ink: Ink) {
        let _ = write!(svg, "<g class=\"f-{}\" stroke=\"none\" shape-rendering=\"crispEdges\">", ink.class());
        for cell in cells {
            let (Some((left, bottom)), Some((right, top))) =
                (self.point(frame, cell.from), self.point(frame, cell.to))
            else {
                continue;
            };
            if cell.strength.is_finite() && cell.strength > 0.02 {
                let _ = write!(
                    svg,
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"{:.2}\"/>",
                    n(left),
                    n(top),
                    n(right - left),
                    n(bottom - top),
                    cell.strength.min(1.0)
                );
            }
        }
        svg.push_str("</g>");
    }

    fn draw_note(svg: &mut String, frame: &Frame, layer: &Layer) {
        let Layer::Note { text: words, x, y, ink, anchor } = layer else { return };
        let at = (frame.left + x * frame.width, frame.top + (1.0 - y) * frame.height + 0.35 * TEXT);
        halo(svg, words, at, *anchor);
        text(svg, words, at, TEXT, *ink, *anchor);
    }

    /// Names in the margin, moved apart where curves end close to each other.
    fn draw_ends(&self, svg: &mut String, frame: &Frame) {
        let mut heights: Vec<f64> = self
            .ends
            .iter()
            .map(|(y, _, _)| {
                frame.top + (1.0 - self.y.place(*y).unwrap_or(0.0).clamp(0.0, 1.0)) * frame.height
            })
            .collect();
        spread(&mut heights, TEXT + 2.0, frame.top + 4.0, frame.top + frame.height - 4.0);
        for ((_, words, ink), height) in self.ends.iter().zip(heights) {
            let at = (frame.left + frame.width + 6.0, height + 0.35 * TEXT);
            text(svg, words, at, TEXT, *ink, Anchor::Start);
        }
    }

    fn path(&self, frame: &Frame, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        let mut pen_down = false;
        for &point in points {
            if let Some((x, y)) = self.point(frame, point) {
                let _ = write!(path, "{}{} {}", if pen_down { "L" } else { "M" }, n(x), n(y));
                pen_down = true;
            } else {
                pen_down = false;
            }
        }
        path
    }
}

/// The rectangle between the axes.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    /// The largest such frame of a ratio of width to height, at the same left and in the middle of the height.
    fn with_ratio(self, ratio: f64) -> Self {
        let width = self.width.min(self.height * ratio);
        let height = width / ratio;
        let left = self.left + 0.5 * (self.width - width);
        Self { left, top: self.top + 0.5 * (self.height - height), width, height }
    }
}

/// A coordinate: a tenth of a unit suffices.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

fn dashes(dash: Dash) -> &'static str {
    match dash {
        Dash::Solid => "",
        Dash::Dashed => " stroke-dasharray=\"6 4\"",
        Dash::Dotted => " stroke-dasharray=\"1.5 3.5\"",
    }
}

fn anchored(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    }
}

fn text(svg: &mut String, words: &str, (x, y): (f64, f64), size: f64, ink: Ink, anchor: Anchor) {
    let _ = write!(
        svg,
        "<text class=\"t-{}\" x=\"{}\" y=\"{}\" font-size=\"{size}\" text-anchor=\"{}\">{}</text>",
        ink.class(),
        n(x),
        n(y),
        anchored(anchor),
        markup::to_svg(words, size)
    );
}

/// The rim of the background around text that may lie on lines.
fn halo(svg: &mut String, words: &str, (x, y): (f64, f64), anchor: Anchor) {
    let _ = write!(
        svg,
        "<text class=\"paper halo\" x=\"{}\" y=\"{}\" font-size=\"{TEXT}\" text-anchor=\"{}\" aria-hidden=\"true\">{}</text>",
        n(x),
        n(y),
        anchored(anchor),
        markup::to_svg(words, TEXT)
    );
}

fn mark(marker: Marker, x: f64, y: f64) -> String {
    match marker {
        Marker::Circle => format!("M{} {}a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0Z", n(x - 2.6), n(y)),
        Marker::Ring => format!("M{} {}a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0 -4.8 0Z", n(x - 2.4), n(y)),
        Marker::Square => format!("M{} {}h4.8v4.8h-4.8Z", n(x - 2.4), n(y - 2.4)),
        Marker::Triangle => format!("M{} {}l3.2 5.6h-6.4Z", n(x), n(y - 3.6)),
        Marker::Cross => format!("M{0} {1}l10 10M{0} {2}l10 -10", n(x - 5.0), n(y - 5.0), n(y + 5.0)),
    }
}

/// Shaft and head as one outline; short arrows are all head.
fn arrow_path((x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> String {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let length = dx.hypot(dy);
    if length < 0.5 {
        return String::new();
    }
    let head = (0.45 * length).min(6.0);
    let (ux, uy) = (dx / length, dy / length);
    let at = |along: f64, across: f64| {
        format!("{} {}", n(x0 + along * ux - across * uy), n(y0 + along * uy + across * ux))
    };
    let (shaft, wing, neck) = (0.12 * head, 0.45 * head, length - head);
    let corners = [
        at(0.0, shaft),
        at(neck, shaft),
        at(neck, wing),
        at(length, 0.0),
        at(neck, -wing),
        at(neck, -shaft),
        at(0.0, -shaft),
    ];
    format!("M{}Z", corners.join("L"))
}

/// Moves heights apart until they differ by `gap`, as little as needed, inside [top, bottom] as far as they fit.
fn spread(heights: &mut [f64], gap: f64, top: f64, bottom: f64) {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]));
    for _ in 0..60 {
        for pair in order.windows(2) {
            let overlap = gap - (heights[pair[1]] - heights[pair[0]]);
            if overlap > 0.0 {
                heights[pair[0]] -= 0.5 * overlap;
                heights[pair[1]] += 0.5 * overlap;
            }
        }
        if let (Some(&first), Some(&last)) = (order.first(), order.last()) {
            heights[first] = heights[first].max(top);
            heights[last] = heights[last].min(bottom);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_that_is_no_number_reaches_a_path() {
        let axis = Axis::log_over("x", [0.1, 10.0]);
        let points = [(1.0, 1.0), (2.0, f64::NAN), (3.0, 0.0), (4.0, 2.0), (f64::INFINITY, 3.0)];
        let bars = points.map(|(x, y)| Bar { x, low: y - 2.0, high: y + 0.1 });
        let chart = Chart::new(axis.clone(), axis)
            .line(points, Ink::Blue, Dash::Solid)
            .band(bars, Ink::Blue)
            .error_bars(bars, Ink::Blue)
            .markers(points, Ink::Blue, Marker::Circle);
        let mut svg = String::new();
        chart.draw(&mut svg, [0.0, 0.0, 360.0, 270.0], "clip");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        // The line is interrupted: two strokes begin.
        let line = svg.split("stroke-width=\"1.8\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.matches('M').count(), 2, "{line}");
    }

    #[test]
    fn labels_are_moved_apart_and_stay_inside() {
        let mut heights = [100.0, 102.0, 200.0];
        spread(&mut heights, 16.0, 0.0, 200.0);
        assert!(heights[1] - heights[0] >= 15.99 && (heights[2] - 200.0).abs() < 1e-9);
        let mut low = [199.0, 200.0];
        spread(&mut low, 16.0, 0.0, 200.0);
        assert!(low[1] <= 200.0 && low[1] - low[0] > 15.9, "{low:?}");
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(n(3.0), "3");
        assert_eq!(n(-0.01), "0");
        assert_eq!(n(12.345), "12.3");
    }
}
