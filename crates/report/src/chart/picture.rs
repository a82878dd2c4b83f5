//! One or more charts on a sheet: what becomes an SVG element, an SVG file or a PNG file.

use std::fmt::Write as _;

use super::{AXIS_TEXT, Anchor, Chart, TEXT, markup, n, text};
use crate::style::{self, Ink, Theme};

/// Width of a picture that holds one chart (SVG units).
pub const WIDTH: f64 = 372.0;
/// Its height.
pub const HEIGHT: f64 = 270.0;
/// Room for the title of a file of its own.
const TITLE: f64 = 30.0;

/// A sheet with charts.
pub struct Picture {
    id: String,
    title: String,
    width: f64,
    height: f64,
    body: String,
    charts: usize,
}

impl Picture {
    /// An empty sheet; `id` is unique on a page, `title` says what is to be seen.
    pub fn new(id: &str, title: &str, width: f64, height: f64) -> Self {
        Self { id: id.to_string(), title: title.to_string(), width, height, body: String::new(), charts: 0 }
    }

    /// One chart of the usual size.
    pub fn of(id: &str, title: &str, chart: &Chart) -> Self {
        Self::new(id, title, WIDTH, HEIGHT).with(chart, [0.0, 0.0, WIDTH, HEIGHT])
    }

    /// Adds a chart in a rectangle (left, top, width, height).
    pub fn with(mut self, chart: &Chart, rectangle: [f64; 4]) -> Self {
        self.charts += 1;
        chart.draw(&mut self.body, rectangle, &format!("{}-clip-{}", self.id, self.charts));
        self
    }

    /// Adds a text.
    pub fn with_text(mut self, words: &str, at: (f64, f64), anchor: Anchor) -> Self {
        text(&mut self.body, words, at, TEXT, Ink::Plain, anchor);
        self
    }

    /// Adds a text that reads upwards, as the label of a vertical axis does.
    pub fn with_upright_text(mut self, words: &str, (x, y): (f64, f64)) -> Self {
        let _ = write!(
            self.body,
            "<text class=\"t-plain\" font-size=\"{AXIS_TEXT}\" text-anchor=\"middle\" transform=\"translate({} {}) rotate(-90)\">{}</text>",
            n(x),
            n(y),
            markup::to_svg(words, AXIS_TEXT)
        );
        self
    }

    /// Its name among figures.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Width over height.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// As an element of a page that has the style sheet.
    pub fn inline(&self) -> String {
        format!(
            "<svg class=\"chart\" fill=\"none\" id=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            self.id,
            n(self.width),
            n(self.height),
            markup::escape(&markup::to_plain(&self.title)),
            self.body
        )
    }

    /// As a file of its own: with its title, and dark for readers who ask for it.
    pub fn file(&self) -> String {
        self.standing_alone(&style::sheet(), "Helvetica, Arial, 'DejaVu Sans', sans-serif")
    }

    /// What becomes a PNG file: light, in the font that comes with the program.
    pub(crate) fn to_rasterise(&self) -> String {
        self.standing_alone(&style::rules(Theme::Light), crate::raster::FONT)
    }

    fn standing_alone(&self, sheet: &str, font: &str) -> String {
        let height = self.height + TITLE;
        let mut title = String::new();
        text(&mut title, &self.title, (10.0, 19.0), AXIS_TEXT, Ink::Plain, Anchor::Start);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" fill=\"none\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
             font-family=\"{font}\">{mark}<style>{sheet}</style><title>{2}</title>\
             <rect class=\"paper\" width=\"100%\" height=\"100%\"/>{title}<g transform=\"translate(0 {TITLE})\">{3}</g></svg>\n",
            n(self.width),
            n(height),
            markup::escape(&markup::to_plain(&self.title)),
            self.body,
            mark = crate::own::FIGURE_MARK
        )
    }
}
