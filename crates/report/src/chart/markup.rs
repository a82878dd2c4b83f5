//! Labels with symbols: `*x*` is italic, `_{..}` a subscript, `^{..}` a superscript.
//!
//! The same text becomes SVG (`tspan` elements: text stays text) or HTML.

/// A piece of a label in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    italic: bool,
    /// -1 below the line, +1 above it.
    level: i8,
}

/// Shift of a subscript or superscript, in heights of the text.
const SHIFT: f64 = 0.32;
/// Size of a subscript or superscript beside the text.
const SMALL: f64 = 0.75;
/// Mean advance of a character in heights of the text: DejaVu Sans, which is wide; browsers' own fonts are narrower.
const ADVANCE: f64 = 0.6;

fn pieces(source: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut current = Piece { text: String::new(), italic: false, level: 0 };
    let mut flush = |current: &mut Piece| {
        if !current.text.is_empty() {
            out.push(current.clone());
            current.text.clear();
        }
    };
    let mut characters = source.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '*' => {
                flush(&mut current);
                current.italic = !current.italic;
            }
            '_' | '^' if characters.peek() == Some(&'{') => {
                characters.next();
                flush(&mut current);
                current.level = if c == '_' { -1 } else { 1 };
            }
            '}' if current.level != 0 => {
                flush(&mut current);
                current.level = 0;
            }
            _ => current.text.push(c),
        }
    }
    flush(&mut current);
    out
}

/// Text safe inside elements and quoted attributes of SVG and HTML.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

/// As `tspan` elements for a text of this height (SVG units).
pub fn to_svg(source: &str, size: f64) -> String {
    let mut out = String::new();
    let mut level = 0i8;
    for piece in pieces(source) {
        let mut attributes = String::new();
        let rise = f64::from(piece.level - level) * SHIFT * size;
        if rise != 0.0 {
            attributes += &format!(" dy=\"{:.1}\"", -rise);
        }
        if piece.level != 0 {
            attributes += &format!(" font-size=\"{:.1}\"", SMALL * size);
        }
        if piece.italic {
            attributes += " font-style=\"italic\"";
        }
        level = piece.level;
        out += &if attributes.is_empty() {
            escape(&piece.text)
        } else {
            format!("<tspan{attributes}>{}</tspan>", escape(&piece.text))
        };
    }
    out
}

/// As HTML elements.
pub fn to_html(source: &str) -> String {
    let mut out = String::new();
    for piece in pieces(source) {
        let mut text = escape(&piece.text);
        if piece.italic {
            text = format!("<i>{text}</i>");
        }
        out += &match piece.level {
            -1 => format!("<sub>{text}</sub>"),
            1 => format!("<sup>{text}</sup>"),
            _ => text,
        };
    }
    out
}

/// Without markup, for titles that programs read aloud.
pub fn to_plain(source: &str) -> String {
    pieces(source).into_iter().map(|piece| piece.text).collect()
}

/// Width to reserve for a text of this height (SVG units).
pub fn width(source: &str, size: f64) -> f64 {
    let scale = |piece: &Piece| if piece.level == 0 { 1.0 } else { SMALL };
    pieces(source).iter().map(|p| p.text.chars().count() as f64 * ADVANCE * size * scale(p)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_become_elements_and_the_rest_is_escaped() {
        assert_eq!(to_html("*q* < 6 Å^{-1}"), "<i>q</i> &lt; 6 Å<sup>-1</sup>");
        let svg = to_svg("*g*_{ab}(*r*)", 10.0);
        assert_eq!(
            svg,
            "<tspan font-style=\"italic\">g</tspan><tspan dy=\"3.2\" font-size=\"7.5\">ab</tspan>\
             <tspan dy=\"-3.2\">(</tspan><tspan font-style=\"italic\">r</tspan>)"
        );
        assert_eq!(to_plain("*α*_{2}"), "α2");
    }

    #[test]
    fn small_text_is_narrower() {
        assert!(width("^{12}", 10.0) < width("12", 10.0));
    }
}
