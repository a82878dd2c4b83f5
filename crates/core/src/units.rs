//! Internal units (angstrom, ps, u, e), the physical constants in them, and the text of quantities.
//!
//! Users write every quantity as a number and a unit: "4 fs", "-1 K/ns", "3.7 1/angstrom",
//! "259.1 kcal/mol*angstrom^6". The unit is an expression of the symbols in [`SYMBOLS`] with `*`, `/`, `^` and
//! parentheses, evaluated from left to right; its dimension is checked. An angle counts as a dimension of its own, so
//! that "rad" cannot be forgotten.
//!
//! Molar quantities follow the convention 1 u = 1 g/mol exactly (CODATA 2018 differs by 3.5e-10).

use serde::{Deserialize, Serialize};

/// k_B (u A^2/ps^2/K), CODATA 2018.
pub const BOLTZMANN: f64 = 0.831446261815324;
/// e^2/(4 pi eps0) (u A^3/ps^2 per e^2), CODATA 2018.
pub const COULOMB: f64 = 138935.4576;
/// 1 kcal/mol (u A^2/ps^2); 1 kcal = 4184 J.
pub const KILOCALORIE_PER_MOLE: f64 = 418.4;
/// 1 kJ/mol (u A^2/ps^2).
pub const KILOJOULE_PER_MOLE: f64 = 100.0;
/// 1 atm (u/(A ps^2)); 1 atm = 101325 Pa.
pub const ATMOSPHERE: f64 = 101325.0 * PASCAL;
/// 1 g/cm^3 (u/A^3).
pub const GRAM_PER_CUBIC_CENTIMETRE: f64 = 0.602214076;

/// Avogadro's number (1/mol), exact in the SI.
const AVOGADRO: f64 = 6.02214076e23;
/// 1 J (u A^2/ps^2).
const JOULE: f64 = 0.1 * AVOGADRO;
/// 1 Pa (u/(A ps^2)).
const PASCAL: f64 = 6.02214076e-8;
/// 1 eV (u A^2/ps^2); e = 1.602176634e-19 C, exact in the SI.
const ELECTRONVOLT: f64 = 1.602176634 * 6.02214076e3;

/// Exponents of length, mass, time, temperature, charge and angle.
type Exponents = [i8; 6];

const NUMBER: Exponents = [0; 6];
const LENGTH: Exponents = [1, 0, 0, 0, 0, 0];
const MASS: Exponents = [0, 1, 0, 0, 0, 0];
const TIME: Exponents = [0, 0, 1, 0, 0, 0];
const TEMPERATURE: Exponents = [0, 0, 0, 1, 0, 0];
const CHARGE: Exponents = [0, 0, 0, 0, 1, 0];
const ANGLE: Exponents = [0, 0, 0, 0, 0, 1];
const ENERGY: Exponents = [2, 1, -2, 0, 0, 0];
const PRESSURE: Exponents = [-1, 1, -2, 0, 0, 0];
const FORCE: Exponents = [1, 1, -2, 0, 0, 0];
const FREQUENCY: Exponents = [0, 0, -1, 0, 0, 0];

/// Every unit symbol: its size in internal units and its dimension.
#[rustfmt::skip]
const SYMBOLS: &[(&str, f64, Exponents)] = &[
    ("fs", 1e-3, TIME), ("ps", 1.0, TIME), ("ns", 1e3, TIME), ("us", 1e6, TIME), ("\u{b5}s", 1e6, TIME),
    ("\u{3bc}s", 1e6, TIME), ("ms", 1e9, TIME), ("s", 1e12, TIME),
    ("A", 1.0, LENGTH), ("angstrom", 1.0, LENGTH), ("Angstrom", 1.0, LENGTH), ("\u{c5}", 1.0, LENGTH),
    ("\u{212b}", 1.0, LENGTH), ("pm", 1e-2, LENGTH), ("nm", 10.0, LENGTH), ("um", 1e4, LENGTH), ("mm", 1e7, LENGTH),
    ("cm", 1e8, LENGTH), ("m", 1e10, LENGTH), ("bohr", 0.529177210903, LENGTH),
    ("K", 1.0, TEMPERATURE), ("mK", 1e-3, TEMPERATURE),
    ("u", 1.0, MASS), ("Da", 1.0, MASS), ("g", AVOGADRO, MASS), ("kg", 1e3 * AVOGADRO, MASS),
    ("e", 1.0, CHARGE), ("rad", 1.0, ANGLE), ("deg", std::f64::consts::PI / 180.0, ANGLE),
    ("J", JOULE, ENERGY), ("kJ", 1e3 * JOULE, ENERGY), ("cal", 4.184 * JOULE, ENERGY), ("kcal", 4184.0 * JOULE, ENERGY),
    ("eV", ELECTRONVOLT, ENERGY), ("meV", 1e-3 * ELECTRONVOLT, ENERGY),
    ("hartree", 27.211386245988 * ELECTRONVOLT, ENERGY), ("kB", BOLTZMANN, [2, 1, -2, -1, 0, 0]),
    ("N", 1e10 * JOULE * 1e-20, FORCE), ("nN", JOULE * 1e-19, FORCE), ("pN", JOULE * 1e-22, FORCE),
    ("Pa", PASCAL, PRESSURE), ("mPa", 1e-3 * PASCAL, PRESSURE), ("hPa", 1e2 * PASCAL, PRESSURE),
    ("kPa", 1e3 * PASCAL, PRESSURE), ("MPa", 1e6 * PASCAL, PRESSURE), ("GPa", 1e9 * PASCAL, PRESSURE),
    ("bar", 1e5 * PASCAL, PRESSURE), ("mbar", 1e2 * PASCAL, PRESSURE), ("kbar", 1e8 * PASCAL, PRESSURE),
    ("Mbar", 1e11 * PASCAL, PRESSURE), ("atm", ATMOSPHERE, PRESSURE),
    ("Hz", 1e-12, FREQUENCY), ("GHz", 1e-3, FREQUENCY), ("THz", 1.0, FREQUENCY),
    ("mol", AVOGADRO, NUMBER),
];

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dimension {
    /// ps.
    Time,
    /// angstrom.
    Length,
    /// K.
    Temperature,
    /// u/(A ps^2).
    Pressure,
    /// u/A^3.
    Density,
    /// u A^2/ps^2.
    Energy,
    /// u.
    Mass,
    /// e.
    Charge,
    /// K/ps.
    TemperatureRate,
    /// u/(A ps^3).
    PressureRate,
    /// 1/angstrom.
    WaveNumber,
    /// rad.
    Angle,
    /// A/ps.
    Velocity,
    /// u A/ps^2.
    Force,
    /// A^3.
    Volume,
    /// 1/ps.
    Frequency,
    /// A^2/ps.
    Diffusivity,
    /// u/(A ps).
    Viscosity,
    /// u A^8/ps^2: the C of -C/r^6.
    EnergyLength6,
    /// u A^10/ps^2: the D of -D/r^8.
    EnergyLength8,
    /// u/ps^2: a bond's force constant.
    EnergyPerLength2,
    /// u A^2/ps^2/rad^2: an angle's force constant.
    EnergyPerAngle2,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 22] = [
        Self::Time,
        Self::Length,
        Self::Temperature,
        Self::Pressure,
        Self::Density,
        Self::Energy,
        Self::Mass,
        Self::Charge,
        Self::TemperatureRate,
        Self::PressureRate,
        Self::WaveNumber,
        Self::Angle,
        Self::Velocity,
        Self::Force,
        Self::Volume,
        Self::Frequency,
        Self::Diffusivity,
        Self::Viscosity,
        Self::EnergyLength6,
        Self::EnergyLength8,
        Self::EnergyPerLength2,
        Self::EnergyPerAngle2,
    ];

    /// Name in words, exponents, example, and the units in which values are printed, smallest first.
    #[rustfmt::skip]
    fn facts(self) -> (&'static str, Exponents, &'static str, &'static [&'static str]) {
        match self {
            Self::Time => ("a time", TIME, "4 fs", &["fs", "ps", "ns", "us"]),
            Self::Length => ("a length", LENGTH, "10 angstrom", &["angstrom"]),
            Self::Temperature => ("a temperature", TEMPERATURE, "700 K", &["K"]),
            Self::Pressure => ("a pressure", PRESSURE, "1 atm", &["atm"]),
            Self::Density => ("a density", [-3, 1, 0, 0, 0, 0], "2.1 g/cm^3", &["g/cm^3"]),
            Self::Energy => ("an energy", ENERGY, "1 kcal/mol", &["kcal/mol"]),
            Self::Mass => ("a mass", MASS, "14.007 u", &["u"]),
            Self::Charge => ("a charge", CHARGE, "-0.65 e", &["e"]),
            Self::TemperatureRate => ("a temperature rate", [0, 0, -1, 1, 0, 0], "-1 K/ns", &["K/ns"]),
            Self::PressureRate => ("a pressure rate", [-1, 1, -3, 0, 0, 0], "1 atm/ns", &["atm/ns"]),
            Self::WaveNumber => ("a wave number", [-1, 0, 0, 0, 0, 0], "3.7 1/angstrom", &["1/angstrom"]),
            Self::Angle => ("an angle", ANGLE, "120 deg", &["deg"]),
            Self::Velocity => ("a velocity", [1, 0, -1, 0, 0, 0], "5 angstrom/ps", &["angstrom/ps"]),
            Self::Force => ("a force", FORCE, "0.01 kcal/mol/angstrom", &["kcal/mol/angstrom"]),
            Self::Volume => ("a volume", [3, 0, 0, 0, 0, 0], "500 angstrom^3", &["angstrom^3"]),
            Self::Frequency => ("a frequency", FREQUENCY, "5 1/ps", &["1/ps"]),
            Self::Diffusivity => ("a diffusivity", [2, 0, -1, 0, 0, 0], "0.1 angstrom^2/ps", &["angstrom^2/ps"]),
            Self::Viscosity => ("a viscosity", [-1, 1, -1, 0, 0, 0], "5 mPa*s", &["mPa*s"]),
            Self::EnergyLength6 => {
                ("an energy times length^6", [8, 1, -2, 0, 0, 0], "259.1 kcal/mol*angstrom^6", &["kcal/mol*angstrom^6"])
            }
            Self::EnergyLength8 => {
                ("an energy times length^8", [10, 1, -2, 0, 0, 0], "300 kcal/mol*angstrom^8", &["kcal/mol*angstrom^8"])
            }
            Self::EnergyPerLength2 => {
                ("an energy per length^2", [0, 1, -2, 0, 0, 0], "525 kcal/mol/angstrom^2", &["kcal/mol/angstrom^2"])
            }
            Self::EnergyPerAngle2 => {
                ("an energy per angle^2", [2, 1, -2, 0, 0, -2], "105 kcal/mol/rad^2", &["kcal/mol/rad^2"])
            }
        }
    }

    /// A quantity of this dimension as a user would write it.
    pub fn example(self) -> &'static str {
        self.facts().2
    }
}

impl std::fmt::Display for Dimension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.facts().0)
    }
}

/// Why a text is no quantity of the dimension asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UnitError {
    /// The text does not begin with a number.
    #[error("\"{text}\" does not begin with a number; write {expected}, for example \"{}\"", expected.example())]
    NoNumber {
        /// What was found.
        text: String,
        /// What is expected.
        expected: Dimension,
    },
    /// The number is not finite.
    #[error("\"{text}\" is not a finite number; write {expected}, for example \"{}\"", expected.example())]
    NotFinite {
        /// What was found.
        text: String,
        /// What is expected.
        expected: Dimension,
    },
    /// A number without a unit.
    #[error("\"{text}\" has no unit; write {expected} with its unit, for example \"{}\"", expected.example())]
    NoUnit {
        /// What was found.
        text: String,
        /// What is expected.
        expected: Dimension,
    },
    /// A symbol that is no unit.
    #[error("\"{symbol}\" in \"{text}\" is not a known unit{hint}; write {expected}, for example \"{}\"", expected.example())]
    UnknownUnit {
        /// What was found.
        text: String,
        /// The symbol that is not known.
        symbol: String,
        /// A suggestion, or nothing.
        hint: String,
        /// What is expected.
        expected: Dimension,
    },
    /// The unit expression cannot be read.
    #[error("the unit in \"{text}\" cannot be read: {reason}; write {expected}, for example \"{}\"", expected.example())]
    Syntax {
        /// What was found.
        text: String,
        /// Where it fails.
        reason: String,
        /// What is expected.
        expected: Dimension,
    },
    /// The unit measures something else.
    #[error("\"{text}\" is {found}, but {expected} is expected here, for example \"{}\"", expected.example())]
    WrongDimension {
        /// What was found.
        text: String,
        /// What it measures.
        found: String,
        /// What is expected.
        expected: Dimension,
    },
}

/// The value of `text` in internal units.
pub fn parse_quantity(text: &str, dimension: Dimension) -> Result<f64, UnitError> {
    let trimmed = text.trim();
    let (number, unit) = trimmed.split_at(number_length(trimmed));
    let Ok(number) = number.parse::<f64>() else {
        let word = trimmed.trim_start_matches(['+', '-']).to_ascii_lowercase();
        return Err(if word.starts_with("nan") || word.starts_with("inf") {
            UnitError::NotFinite { text: text.to_owned(), expected: dimension }
        } else {
            UnitError::NoNumber { text: text.to_owned(), expected: dimension }
        });
    };
    if unit.trim().is_empty() {
        return Err(UnitError::NoUnit { text: text.to_owned(), expected: dimension });
    }
    let value = number * unit_factor(text, unit, dimension)?;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(UnitError::NotFinite { text: text.to_owned(), expected: dimension })
    }
}

/// The unit of a quantity: "ps" in "1e3 ps".
pub fn unit_of(text: &str) -> &str {
    let trimmed = text.trim();
    trimmed[number_length(trimmed)..].trim()
}

/// The size of a unit expression such as "kcal/mol/angstrom" in internal units.
pub fn parse_unit(text: &str, dimension: Dimension) -> Result<f64, UnitError> {
    unit_factor(text, text, dimension)
}

/// Text of `value` (internal units) that [`parse_quantity`] reads back to 12 significant digits.
pub fn format_quantity(value: f64, dimension: Dimension) -> String {
    let units = dimension.facts().3;
    let factor = |unit: &str| parse_unit(unit, dimension).unwrap_or(f64::NAN);
    // The largest unit of which the value has at least one; zero and tiny values take the smallest.
    let unit =
        units.iter().rev().find(|unit| value.abs() >= factor(unit) * (1.0 - 1e-12)).unwrap_or(&units[0]);
    let number = value / factor(unit);
    let rounded = format!("{number:.11e}").parse().unwrap_or(number);
    if rounded != 0.0 && !(1e-4..1e15).contains(&f64::abs(rounded)) {
        format!("{rounded:e} {unit}")
    } else {
        format!("{rounded} {unit}")
    }
}

/// Length of the number at the start of `text`; "1eV" is the number 1.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut i: usize| {
        while bytes.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        i
    };
    let sign = |i: usize| i + usize::from(bytes.get(i).is_some_and(|b| matches!(b, b'+' | b'-')));
    let mut end = digits(sign(0));
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if bytes.get(end).is_some_and(|b| matches!(b, b'e' | b'E')) {
        let start = sign(end + 1);
        let exponent = digits(start);
        if exponent > start {
            end = exponent;
        }
    }
    end
}

fn unit_factor(text: &str, unit: &str, expected: Dimension) -> Result<f64, UnitError> {
    let mut parser = UnitParser { text, rest: unit.trim(), expected };
    let (factor, exponents) = parser.expression(0)?;
    if !parser.rest.is_empty() {
        return Err(parser.syntax(format!("\"{}\" is left over", parser.rest)));
    }
    if exponents != expected.facts().1 {
        return Err(UnitError::WrongDimension {
            text: text.to_owned(),
            found: describe(exponents),
            expected,
        });
    }
    if factor.is_finite() && factor > 0.0 {
        Ok(factor)
    } else {
        Err(UnitError::NotFinite { text: text.to_owned(), expected })
    }
}

/// Recursive descent over `factor {(* | / | space) factor}`, left to right.
struct UnitParser<'a> {
    text: &'a str,
    rest: &'a str,
    expected: Dimension,
}

impl<'a> UnitParser<'a> {
    /// Parentheses nest at most this deep: a bound on the recursion.
    const DEPTH: usize = 8;

    fn syntax(&self, reason: String) -> UnitError {
        UnitError::Syntax { text: self.text.to_owned(), reason, expected: self.expected }
    }

    fn expression(&mut self, depth: usize) -> Result<(f64, Exponents), UnitError> {
        if depth > Self::DEPTH {
            return Err(self.syntax("too many parentheses".to_owned()));
        }
        let (mut value, mut exponents) = self.factor(depth)?;
        let mut divided = false;
        loop {
            self.rest = self.rest.trim_start();
            let divide = match self.rest.chars().next() {
                None | Some(')') => return Ok((value, exponents)),
                Some('/') => true,
                Some('*') => false,
                Some(_) if divided => {
                    return Err(self.syntax(format!(
                        "write \"*\" or \"/\" before \"{}\": a space after a \"/\" is ambiguous",
                        self.rest
                    )));
                }
                Some(_) => {
                    let (factor, more) = self.factor(depth)?;
                    value *= factor;
                    exponents = self.combine(exponents, more, 1)?;
                    continue;
                }
            };
            divided |= divide;
            self.rest = &self.rest[1..];
            let (factor, more) = self.factor(depth)?;
            value = if divide { value / factor } else { value * factor };
            exponents = self.combine(exponents, more, if divide { -1 } else { 1 })?;
        }
    }

    fn factor(&mut self, depth: usize) -> Result<(f64, Exponents), UnitError> {
        self.rest = self.rest.trim_start();
        let (value, exponents) = if let Some(inside) = self.rest.strip_prefix('(') {
            self.rest = inside;
            let result = self.expression(depth + 1)?;
            self.rest = self
                .rest
                .strip_prefix(')')
                .ok_or_else(|| self.syntax("a parenthesis is not closed".to_owned()))?;
            result
        } else if let Some(after) = self.rest.strip_prefix('1') {
            self.rest = after;
            (1.0, NUMBER)
        } else {
            let symbol = self.take(char::is_alphabetic);
            if symbol.is_empty() {
                let found = if self.rest.is_empty() { "the end" } else { self.rest };
                return Err(self.syntax(format!("a unit is expected where \"{found}\" stands")));
            }
            match SYMBOLS.iter().find(|(name, ..)| *name == symbol) {
                Some(&(_, value, exponents)) => (value, exponents),
                None => return Err(self.unknown(symbol)),
            }
        };
        let Some(after) = self.rest.strip_prefix('^') else { return Ok((value, exponents)) };
        self.rest = after;
        let digits = self.take(|c| c.is_ascii_digit() || c == '-');
        let power = digits
            .parse::<i8>()
            .ok()
            .filter(|p| p.abs() <= 12)
            .ok_or_else(|| self.syntax("an integer power from -12 to 12 must follow \"^\"".to_owned()))?;
        Ok((value.powi(i32::from(power)), self.combine(NUMBER, exponents, power)?))
    }

    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// a + power b.
    fn combine(&self, a: Exponents, b: Exponents, power: i8) -> Result<Exponents, UnitError> {
        let mut sum = a;
        for (x, y) in sum.iter_mut().zip(b) {
            *x = y
                .checked_mul(power)
                .and_then(|p| x.checked_add(p))
                .ok_or_else(|| self.syntax("its powers are too large".to_owned()))?;
        }
        Ok(sum)
    }

    fn unknown(&self, symbol: &str) -> UnitError {
        let hint = match symbol {
            "C" | "degC" | "F" | "celsius" | "Celsius" => ": temperatures are in K".to_owned(),
            _ => SYMBOLS
                .iter()
                .find(|(name, ..)| name.eq_ignore_ascii_case(symbol))
                .map_or_else(String::new, |(name, ..)| format!(" (did you mean \"{name}\"?)")),
        };
        UnitError::UnknownUnit {
            text: self.text.to_owned(),
            symbol: symbol.to_owned(),
            hint,
            expected: self.expected,
        }
    }
}

/// A dimension in words: by its name if it has one.
fn describe(exponents: Exponents) -> String {
    if exponents == NUMBER {
        return "a pure number".to_owned();
    }
    if let Some(known) = Dimension::ALL.into_iter().find(|d| d.facts().1 == exponents) {
        return known.to_string();
    }
    let names = ["length", "mass", "time", "temperature", "charge", "angle"];
    let powers: Vec<String> = names
        .iter()
        .zip(exponents)
        .filter(|&(_, power)| power != 0)
        .map(|(name, power)| if power == 1 { (*name).to_owned() } else { format!("{name}^{power}") })
        .collect();
    format!("of dimension {}", powers.join(" "))
}

#[cfg(test)]
mod tests;
