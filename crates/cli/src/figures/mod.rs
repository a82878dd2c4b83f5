//! Figures as SVG: one file a figure, and here what they share.
//!
//! White background, axes with units, curves labelled where they end, colours that a colour-blind reader can tell apart.

pub mod displacement;
pub mod pair_distributions;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Palette of Okabe and Ito (2008), without its yellow, which is faint on white: told apart with any colour vision.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(40, 40, 40),
];
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(150, 150, 150);
const FONT: &str = "Helvetica, Arial, sans-serif";

/// The same colour for the same species in every figure.
fn species_colour(name: &str, index: usize) -> RGBColor {
    match name {
        "N" => PALETTE[0],
        "O" => PALETTE[1],
        "Ca" => PALETTE[2],
        "K" => PALETTE[4],
        _ => PALETTE[index % PALETTE.len()],
    }
}

/// Text of a size and colour, anchored at its left, middle or right and centred in height.
fn text(size: u32, colour: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour).pos(Pos::new(horizontal, VPos::Center))
}

/// What went wrong while drawing, in words: the backend's error borrows the picture.
fn drawing<E: std::fmt::Display>(error: E) -> anyhow::Error {
    anyhow::anyhow!("cannot draw the figure: {error}")
}

/// A step of 1, 2 or 5 times a power of ten that divides `range` into at most `most` parts.
fn round_step(range: f64, most: usize) -> f64 {
    let rough = range / most.max(1) as f64;
    let decade = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * decade)
        .find(|s| *s >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade)
}

/// A number on a logarithmic axis: 0.01, 1, 500, then 10⁴.
fn log_label(value: f64) -> String {
    let exponent = value.log10().round() as i32;
    if (1e-3..=2e3).contains(&value) {
        // Rounded to what 1, 2 and 5 times a power of ten need.
        return format!("{}", (value * 1e4).round() / 1e4);
    }
    let digits: String = exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32('⁰' as u32 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
        })
        .collect();
    format!("10{digits}")
}

/// Labelled values of a logarithmic axis: powers of ten, or 1, 2 and 5 times them where there are fewer than two.
fn log_ticks(range: &std::ops::Range<f64>) -> Vec<f64> {
    let first = range.start.log10().floor() as i32;
    let last = range.end.log10().ceil() as i32;
    let within = |multiples: &[f64]| -> Vec<f64> {
        let all = (first..=last).flat_map(|n| multiples.iter().map(move |m| m * 10f64.powi(n)));
        all.filter(|value| (range.start * 0.999..=range.end * 1.001).contains(value)).collect()
    };
    let decades = within(&[1.0]);
    if decades.len() >= 2 { decades } else { within(&[1.0, 2.0, 5.0]) }
}

/// Moves heights (pixels, sorted upwards or not) apart until they differ by `gap`, as little as needed from the top.
fn spread_labels(heights: &mut [i32], gap: i32) {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by_key(|&i| heights[i]);
    for _ in 0..50 {
        for pair in order.windows(2) {
            let overlap = gap - (heights[pair[1]] - heights[pair[0]]);
            if overlap > 0 {
                heights[pair[0]] -= overlap / 2;
                heights[pair[1]] += overlap - overlap / 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        assert!((round_step(12.0, 4) - 5.0).abs() < 1e-12);
        assert!((round_step(12.0, 6) - 2.0).abs() < 1e-12);
        assert!((round_step(0.35, 4) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn decades_are_labelled_as_people_write_them() {
        assert_eq!(log_label(0.01), "0.01");
        assert_eq!(log_label(1000.0), "1000");
        assert_eq!(log_label(1e4), "10⁴");
        assert_eq!(log_label(1e-12), "10⁻¹²");
    }

    #[test]
    fn short_logarithmic_axes_have_labels_too() {
        assert_eq!(log_ticks(&(0.05..200.0)).len(), 4);
        assert_eq!(log_ticks(&(1.5..6.0)).len(), 2);
    }

    #[test]
    fn labels_are_moved_apart() {
        let mut heights = [100, 102, 200];
        spread_labels(&mut heights, 16);
        assert!(heights[1] - heights[0] >= 16 && heights[2] == 200);
    }
}
