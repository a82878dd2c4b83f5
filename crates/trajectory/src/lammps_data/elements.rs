//! The chemical elements and their masses.

/// Symbols and standard atomic weights (u), in the order of the atomic numbers: abridged to five digits, single values for
/// intervals; T. Prohaska et al., Pure Appl. Chem. 94, 573 (2022), doi:10.1515/pac-2019-0603. Whole numbers are mass numbers
/// of the isotopes that live longest, where the table has no weight.
#[rustfmt::skip]
const ELEMENTS: [(&str, f64); 118] = [
    ("H", 1.008), ("He", 4.0026), ("Li", 6.94), ("Be", 9.0122), ("B", 10.81), ("C", 12.011), ("N", 14.007),
    ("O", 15.999), ("F", 18.998), ("Ne", 20.180), ("Na", 22.990), ("Mg", 24.305), ("Al", 26.982), ("Si", 28.085),
    ("P", 30.974), ("S", 32.06), ("Cl", 35.45), ("Ar", 39.95), ("K", 39.098), ("Ca", 40.078), ("Sc", 44.956),
    ("Ti", 47.867), ("V", 50.942), ("Cr", 51.996), ("Mn", 54.938), ("Fe", 55.845), ("Co", 58.933), ("Ni", 58.693),
    ("Cu", 63.546), ("Zn", 65.38), ("Ga", 69.723), ("Ge", 72.630), ("As", 74.922), ("Se", 78.971), ("Br", 79.904),
    ("Kr", 83.798), ("Rb", 85.468), ("Sr", 87.62), ("Y", 88.906), ("Zr", 91.224), ("Nb", 92.906), ("Mo", 95.95),
    ("Tc", 97.0), ("Ru", 101.07), ("Rh", 102.91), ("Pd", 106.42), ("Ag", 107.87), ("Cd", 112.41), ("In", 114.82),
    ("Sn", 118.71), ("Sb", 121.76), ("Te", 127.60), ("I", 126.90), ("Xe", 131.29), ("Cs", 132.91), ("Ba", 137.33),
    ("La", 138.91), ("Ce", 140.12), ("Pr", 140.91), ("Nd", 144.24), ("Pm", 145.0), ("Sm", 150.36), ("Eu", 151.96),
    ("Gd", 157.25), ("Tb", 158.93), ("Dy", 162.50), ("Ho", 164.93), ("Er", 167.26), ("Tm", 168.93), ("Yb", 173.05),
    ("Lu", 174.97), ("Hf", 178.49), ("Ta", 180.95), ("W", 183.84), ("Re", 186.21), ("Os", 190.23), ("Ir", 192.22),
    ("Pt", 195.08), ("Au", 196.97), ("Hg", 200.59), ("Tl", 204.38), ("Pb", 207.2), ("Bi", 208.98), ("Po", 209.0),
    ("At", 210.0), ("Rn", 222.0), ("Fr", 223.0), ("Ra", 226.0), ("Ac", 227.0), ("Th", 232.04), ("Pa", 231.04),
    ("U", 238.03), ("Np", 237.0), ("Pu", 244.0), ("Am", 243.0), ("Cm", 247.0), ("Bk", 247.0), ("Cf", 251.0),
    ("Es", 252.0), ("Fm", 257.0), ("Md", 258.0), ("No", 259.0), ("Lr", 262.0), ("Rf", 267.0), ("Db", 268.0),
    ("Sg", 269.0), ("Bh", 270.0), ("Hs", 269.0), ("Mt", 277.0), ("Ds", 281.0), ("Rg", 282.0), ("Cn", 285.0),
    ("Nh", 286.0), ("Fl", 290.0), ("Mc", 290.0), ("Lv", 293.0), ("Ts", 294.0), ("Og", 294.0),
];

/// How far (u) a mass without a name may be from an element's weight, beside its rounding: weights in older tables.
const UNNAMED: f64 = 0.015;
/// How far (u) a mass may be from the weight of an element that is named beside it.
const NAMED: f64 = 0.1;

/// A mass and how exactly its text gives it.
#[derive(Clone, Copy)]
pub(super) struct Mass {
    pub value: f64,
    /// Half a unit of its last digit.
    rounding: f64,
}

impl Mass {
    /// From its text.
    pub fn new(value: f64, text: &str) -> Self {
        let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
        let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let places = i32::try_from(decimals.min(15)).unwrap_or(15);
        Self { value, rounding: 0.5 * 10f64.powi(-places) }
    }

    /// Whether an element of this weight may be meant, where it is named.
    pub fn fits(self, weight: f64) -> bool {
        (self.value - weight).abs() <= NAMED.max(self.rounding) + 1e-9
    }

    /// The one element that this is the mass of; none where another is nearly as close. Elements without a weight, of which no
    /// material is made, are left out.
    pub fn element(self) -> Option<&'static str> {
        let tolerance = UNNAMED + self.rounding;
        let near = |within: f64| {
            ELEMENTS.iter().filter(move |(_, weight)| {
                weight.fract() != 0.0 && (self.value - weight).abs() <= within + 1e-9
            })
        };
        let mut around = near(2.0 * tolerance);
        match (around.next(), around.next()) {
            (Some((symbol, weight)), None) if (self.value - weight).abs() <= tolerance.min(NAMED) => {
                Some(symbol)
            }
            _ => None,
        }
    }
}

/// Whether a word is the symbol of an element, or D or T; `CA` and `ca` are not.
pub fn is_element(word: &str) -> bool {
    atomic_weight(word).is_some()
}

/// Standard atomic weight (u) of an element by its symbol, of D and T their masses; none of other words.
pub fn atomic_weight(word: &str) -> Option<f64> {
    element(word).filter(|(symbol, _)| *symbol == word).map(|(_, weight)| weight)
}

/// The element with this symbol in any case, and its weight (u); D and T are isotopes of H with masses of their own.
pub(super) fn element(symbol: &str) -> Option<(&'static str, f64)> {
    let hydrogen = [("D", 2.0141), ("T", 3.0160)];
    let mut all = ELEMENTS.into_iter().chain(hydrogen);
    all.find(|(known, _)| known.eq_ignore_ascii_case(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<&'static str> {
        Mass::new(text.parse().unwrap(), text).element()
    }

    #[test]
    fn masses_name_an_element_only_where_no_other_is_near() {
        for (text, symbol) in [
            ("39.0983", "K"),
            ("39.1", "K"),
            ("35.453", "Cl"),
            ("35.5", "Cl"),
            ("40.08", "Ca"),
            ("40.1", "Ca"),
            ("16", "O"),
            ("15.9994", "O"),
            ("14.0067", "N"),
            ("1.00794", "H"),
            ("58.9332", "Co"),
            ("126.9", "I"),
            ("6.941", "Li"),
        ] {
            assert_eq!(named(text).unwrap_or(""), symbol, "{text}");
        }
        // Argon or calcium; cobalt or nickel; CH, CH2, CH3 and CH4 as united atoms; water; a nitrate.
        for text in
            ["40", "40.0", "59", "13.019", "14.027", "15.035", "16.043", "18.015", "62.005", "77.0", "3"]
        {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn symbols_are_known_in_any_case_each_once() {
        for (index, (symbol, weight)) in ELEMENTS.iter().enumerate() {
            assert_eq!(element(&symbol.to_lowercase()), Some((*symbol, *weight)), "{symbol}");
            // Weights rise with few and small exceptions, such as Ar-K and Te-I.
            assert!(index == 0 || *weight > ELEMENTS[index - 1].1 - 2.5, "{symbol}");
        }
        assert_eq!(element("foo"), None);
    }
}
