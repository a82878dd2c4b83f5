//! Colours, the same for the same thing in every figure, in a light and a dark version.
//!
//! The palette is that of Okabe and Ito (2008, <https://jfly.uni-koeln.de/color/>): told apart with any colour vision.
//! Figures carry class names only; the colours come from the style sheet written here, so that a page follows the reader's
//! light or dark setting and a print is always light.

use std::fmt::Write as _;

/// What something is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ink {
    /// Axes, text, and what has no colour of its own.
    Plain,
    /// Guides and what stands back.
    Faint,
    /// Blue of the palette.
    Blue,
    /// Vermillion.
    Vermillion,
    /// Bluish green.
    Green,
    /// Orange.
    Orange,
    /// Reddish purple.
    Purple,
    /// Sky blue.
    Sky,
}

/// Colours of an ink: lines and areas, then text, which needs more contrast.
struct Colours {
    class: &'static str,
    light: [&'static str; 2],
    dark: [&'static str; 2],
}

impl Ink {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::Faint,
        Self::Blue,
        Self::Vermillion,
        Self::Green,
        Self::Orange,
        Self::Purple,
        Self::Sky,
    ];

    fn colours(self) -> Colours {
        let (class, light, dark) = match self {
            Self::Plain => ("plain", ["#24292f", "#24292f"], ["#e3e7eb", "#e3e7eb"]),
            Self::Faint => ("faint", ["#8c939b", "#5f6770"], ["#757d86", "#a3abb4"]),
            Self::Blue => ("blue", ["#0072b2", "#00639b"], ["#4ea9e2", "#6cbcf0"]),
            Self::Vermillion => ("vermillion", ["#d55e00", "#b34f00"], ["#f07f2c", "#ff9a52"]),
            Self::Green => ("green", ["#009e73", "#00795a"], ["#1fc79a", "#3dd9ad"]),
            Self::Orange => ("orange", ["#e69f00", "#8a6000"], ["#f0b73c", "#f5c863"]),
            Self::Purple => ("purple", ["#cc79a7", "#a03f76"], ["#e092bd", "#eaaccd"]),
            Self::Sky => ("sky", ["#56b4e9", "#17719f"], ["#8fd0f5", "#a9dbf8"]),
        };
        Colours { class, light, dark }
    }

    /// Name of its classes: `s-NAME` strokes, `f-NAME` fills, `t-NAME` fills text.
    pub fn class(self) -> &'static str {
        self.colours().class
    }

    /// The ink of an atom species, or of `all` centres.
    pub fn species(name: &str) -> Self {
        match name {
            "N" => Self::Blue,
            "O" => Self::Vermillion,
            "Ca" => Self::Green,
            "K" => Self::Orange,
            "J" => Self::JUMPING,
            _ => Self::Plain,
        }
    }

    /// The n-th of things without an ink of their own.
    pub fn nth(index: usize) -> Self {
        [Self::Blue, Self::Vermillion, Self::Green, Self::Purple, Self::Orange, Self::Sky][index % 6]
    }

    /// Ions that jumped; those that did not are plain, as in the paper.
    pub const JUMPING: Self = Self::Vermillion;
    /// Ions that did not jump.
    pub const NONJUMPING: Self = Self::Plain;
}

/// A setting of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light; prints too.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    fn background(self) -> &'static str {
        match self {
            Self::Light => "#ffffff",
            Self::Dark => "#14181d",
        }
    }

    fn grid(self) -> &'static str {
        match self {
            Self::Light => "#e6e9ec",
            Self::Dark => "#2a3037",
        }
    }
}

/// Rules for every class of a figure.
pub fn rules(theme: Theme) -> String {
    let mut css = String::new();
    for ink in Ink::ALL {
        let colours = ink.colours();
        let [line, text] = if theme == Theme::Light { colours.light } else { colours.dark };
        let class = colours.class;
        let _ =
            writeln!(css, ".s-{class}{{stroke:{line}}}.f-{class}{{fill:{line}}}.t-{class}{{fill:{text}}}");
    }
    let _ = writeln!(css, ".grid{{stroke:{}}}.paper{{fill:{}}}", theme.grid(), theme.background());
    // Letters on lines stay readable on a thin rim of the background.
    let _ = writeln!(css, ".halo{{stroke:{};stroke-width:3;stroke-linejoin:round}}", theme.background());
    css
}

/// The style sheet of a figure that stands alone: light, and dark where the reader asks for it on a screen.
pub fn sheet() -> String {
    format!(
        "{}@media screen and (prefers-color-scheme: dark){{\n{}}}\n",
        rules(Theme::Light),
        rules(Theme::Dark)
    )
}
