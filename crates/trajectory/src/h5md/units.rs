//! Units as H5MD files name them.
//!
//! The grammar is that of the H5MD module `units` (https://nongnu.org/h5md/modules/units.html): factors separated by spaces, each a
//! number or a symbol with an SI prefix and a signed integer power (`nm ps-1`). Beside its symbols, the names that programs
//! write are known: `Angstrom`, `A`, `bohr`, `u`, `amu`, `g mol-1`; and `/`, `*` and `^` between them.

/// Powers of length, time and mass.
pub(super) type Dimension = [i32; 3];

pub(super) const LENGTH: Dimension = [1, 0, 0];
pub(super) const TIME: Dimension = [0, 1, 0];
pub(super) const VELOCITY: Dimension = [1, -1, 0];
pub(super) const MASS: Dimension = [0, 0, 1];
pub(super) const NUMBER: Dimension = [0, 0, 0];

/// What is measured in a dimension, for messages.
pub(super) fn name(dimension: Dimension) -> &'static str {
    match dimension {
        LENGTH => "length",
        TIME => "time",
        VELOCITY => "velocity",
        MASS => "mass",
        _ => "what is here",
    }
}

/// Whether a unit says that there is none.
pub(super) fn is_number(unit: &str) -> bool {
    let word = unit.trim().to_ascii_lowercase();
    ["dimensionless", "none", "reduced", "lj"].contains(&word.as_str()) || scale(unit, NUMBER).is_some()
}

/// Bohr radius (angstrom), CODATA 2018.
const BOHR: f64 = 0.529_177_210_903;
/// The time unit of CHARMM (ps), sqrt(u A^2 mol / kcal) as its source has it.
const AKMA: f64 = 4.888_821e-2;
/// Avogadro's number: exact.
const AVOGADRO: f64 = 6.022_140_76e23;

const PREFIXES: [(&str, i32); 15] = [
    ("da", 1),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
];

/// A factor: its value is `number` times ten to the power of `exponent`, in angstrom, ps and u.
struct Factor {
    number: f64,
    exponent: i32,
    dimension: Dimension,
}

/// What a number in `unit` is multiplied by to be in angstrom, ps and u; none where the unit is not known or is one of something
/// else.
pub(super) fn scale(unit: &str, dimension: Dimension) -> Option<f64> {
    let (mut number, mut exponent, mut found) = (1.0, 0, [0; 3]);
    let spaced = unit.replace('*', " ").replace('/', " /");
    let mut words = spaced.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        let inverse = word.starts_with('/');
        let word = match word.trim_start_matches('/') {
            "" => words.next()?,
            word => word,
        };
        let (symbol, power) = split_power(word)?;
        let power = if inverse { -power } else { power };
        let factor = factor_of(symbol)?;
        number *= factor.number.powi(power);
        exponent += factor.exponent * power;
        for (sum, own) in found.iter_mut().zip(factor.dimension) {
            *sum += own * power;
        }
    }
    // Ten to a negative power is no number of f64, its inverse is: 1 / 1000 is the f64 nearest to 0.001.
    let value = if exponent < 0 { number / 10f64.powi(-exponent) } else { number * 10f64.powi(exponent) };
    (found == dimension && value.is_finite() && value > 0.0).then_some(value)
}

/// `ps-1` is ps to the power of -1.
fn split_power(word: &str) -> Option<(&str, i32)> {
    match word.rfind(['+', '-']) {
        Some(at) if at > 0 => Some((word[..at].trim_end_matches('^'), word[at..].parse().ok()?)),
        _ => match word.split_once('^') {
            Some((symbol, power)) => Some((symbol, power.parse().ok()?)),
            None => Some((word, 1)),
        },
    }
}

fn factor_of(symbol: &str) -> Option<Factor> {
    let of = |number: f64, exponent: i32, dimension: Dimension| Some(Factor { number, exponent, dimension });
    if let Ok(number) = symbol.parse::<f64>() {
        return of(number, 0, NUMBER);
    }
    match symbol {
        "A" | "Ang" | "ang" | "ANGSTROM" | "\u{c5}" | "A\u{30a}" | "\u{212b}" => of(1.0, 0, LENGTH),
        "AKMA" => of(AKMA, 0, TIME),
        "bohr" | "Bohr" | "a0" | "a_0" => of(BOHR, 0, LENGTH),
        "u" | "amu" | "Da" | "dalton" => of(1.0, 0, MASS),
        "mol" => of(AVOGADRO, 0, NUMBER),
        _ if is_angstrom(symbol) => of(1.0, 0, LENGTH),
        _ => {
            let (symbol, prefix) = base(&symbol.replace(['\u{b5}', '\u{3bc}'], "u"))?;
            match symbol {
                'm' => of(1.0, 10 + prefix, LENGTH),
                's' => of(1.0, 12 + prefix, TIME),
                _ => of(AVOGADRO, prefix, MASS),
            }
        }
    }
}

/// The word, with or without its rings and dots, and with either way to write them.
fn is_angstrom(symbol: &str) -> bool {
    let plain: String = symbol
        .chars()
        .filter(|c| !['\u{30a}', '\u{308}'].contains(c))
        .map(|c| match c {
            '\u{c5}' | '\u{e5}' | '\u{212b}' | 'A' => 'a',
            '\u{f6}' => 'o',
            other => other,
        })
        .collect();
    ["angstrom", "angstroms", "angstroem"].contains(&plain.as_str())
}

/// Metre, second or gram, and the power of ten of its prefix.
fn base(symbol: &str) -> Option<(char, i32)> {
    let symbol = match symbol {
        "meter" | "metre" => "m",
        "second" | "seconds" | "sec" => "s",
        "picosecond" | "picoseconds" => "ps",
        "femtosecond" | "femtoseconds" => "fs",
        "nanosecond" | "nanoseconds" => "ns",
        "nanometer" | "nanometre" | "nanometers" => "nm",
        "picometer" | "picometre" => "pm",
        other => other,
    };
    let unit = symbol.chars().last().filter(|c| matches!(c, 'm' | 's' | 'g'))?;
    let prefix = &symbol[..symbol.len() - 1];
    if prefix.is_empty() {
        return Some((unit, 0));
    }
    PREFIXES.iter().find(|(name, _)| *name == prefix).map(|(_, power)| (unit, *power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_programs_write_are_known_to_the_last_bit() {
        for (unit, value) in [
            ("nm", 10.0),
            ("pm", 0.01),
            ("m", 1e10),
            ("A", 1.0),
            ("\u{c5}", 1.0),
            ("A\u{30a}", 1.0),
            ("\u{e5}ngstr\u{f6}m", 1.0),
            ("A\u{30a}ngstro\u{308}m", 1.0),
            ("Angstroem", 1.0),
            ("angstroms", 1.0),
            ("um", 1e4),
            ("0.1 nm", 1.0),
        ] {
            assert_eq!(scale(unit, LENGTH), Some(value), "{unit}");
        }
        for (unit, value) in [
            ("ps", 1.0),
            ("fs", 1e-3),
            ("ns", 1e3),
            ("us", 1e6),
            ("s", 1e12),
            ("sec", 1e12),
            ("AKMA", AKMA),
            ("60 s", 6e13),
        ] {
            assert_eq!(scale(unit, TIME), Some(value), "{unit}");
        }
        for (unit, value) in [
            ("nm ps-1", 10.0),
            ("Angstrom ps-1", 1.0),
            ("Angstrom/fs", 1e3),
            ("m s-1", 1e-2),
            ("m/s", 1e-2),
            ("nm*ps^-1", 10.0),
        ] {
            assert_eq!(scale(unit, VELOCITY), Some(value), "{unit}");
        }
        for unit in ["u", "g mol-1", "g/mol"] {
            // A product and a quotient of the same number.
            assert!((scale(unit, MASS).unwrap() - 1.0).abs() < 1e-15, "{unit}");
        }
    }

    #[test]
    fn units_of_something_else_are_none() {
        for unit in ["", "ps", "sigma", "furlong", "nm+2", "nm ps-1", "nm-", "-1 nm", "0 nm", "/"] {
            assert_eq!(scale(unit, LENGTH), None, "{unit}");
        }
        assert!(["1", "dimensionless", "none"].iter().all(|unit| is_number(unit)));
        assert!(!["nm", "sigma", ""].iter().any(|unit| is_number(unit)));
        assert_eq!(scale("nm", TIME), None);
        assert_eq!(scale("nm ps", VELOCITY), None);
    }
}
