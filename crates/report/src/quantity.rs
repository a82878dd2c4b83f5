//! Numbers as people write them: as many digits as their error allows.

/// "0.430 ± 0.080", "(6.1 ± 0.4)·10^{3}"; without an error three significant digits. With the markup of `chart::markup`.
pub fn with_error(value: f64, error: Option<f64>, unit: &str) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    if !value.is_finite() {
        return "not determined".to_string();
    }
    let Some(error) = error.filter(|e| e.is_finite() && *e > 0.0) else {
        return format!("{}{unit}", significant(value, 3));
    };
    let magnitude = value.abs().max(error);
    let exponent = magnitude.log10().floor() as i32;
    if (-3..5).contains(&exponent) {
        // The error keeps two digits, of large ones too: 39500 ± 3900.
        // 0.998 is 1.0 then.
        let last = (1.005 * error).log10().floor() as i32 - 1;
        let rounded = |x: f64| if last > 0 { (x / 10f64.powi(last)).round() * 10f64.powi(last) } else { x };
        let (value, error) = (rounded(value), rounded(error));
        let decimals = (-last).max(0) as usize;
        return format!("{} ± {error:.decimals$}{unit}", sign(&format!("{value:.decimals$}")));
    }
    let scale = 10f64.powi(exponent);
    let decimals = (1 - (error / scale).log10().floor() as i32).clamp(0, 6) as usize;
    format!(
        "({} ± {:.decimals$})·10^{{{}}}{unit}",
        sign(&format!("{:.decimals$}", value / scale)),
        error / scale,
        sign(&exponent.to_string())
    )
}

/// A time of so many picoseconds with its error, in the unit that fits it.
pub fn time_with_error(ps: f64, error: Option<f64>) -> String {
    let (scale, unit) = time_unit(ps);
    with_error(scale * ps, error.map(|e| scale * e), unit)
}

/// With so many significant digits, in powers of ten where that is shorter.
pub fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() {
        return "–".to_string();
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-4..6).contains(&exponent) {
        let decimals = (digits - 1 - exponent).max(0) as usize;
        return sign(&format!("{value:.decimals$}"));
    }
    let decimals = (digits - 1).max(0) as usize;
    format!(
        "{}·10^{{{}}}",
        sign(&format!("{:.decimals$}", value / 10f64.powi(exponent))),
        sign(&exponent.to_string())
    )
}

/// A unit of the results with the markup of `chart::markup`: `GPa^2` with a raised 2.
pub fn unit(unit: &str) -> String {
    let mut out = String::new();
    let mut raised = false;
    for c in unit.chars() {
        let belongs = c.is_ascii_digit() || c == '-';
        if raised && !belongs {
            out.push('}');
            raised = false;
        }
        if c == '^' {
            out.push_str("^{");
            raised = true;
        } else {
            out.push(c);
        }
    }
    if raised {
        out.push('}');
    }
    out
}

/// A time of so many picoseconds in the unit that fits it.
pub fn time(ps: f64) -> String {
    let (scale, unit) = time_unit(ps);
    let number = significant(ps * scale, 3);
    // 240, 1.5, not 1.50.
    let short =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    format!("{short} {unit}")
}

/// What picoseconds are multiplied with, and the unit that they are in then.
fn time_unit(ps: f64) -> (f64, &'static str) {
    match ps.abs() {
        t if t < 1.0 => (1e3, "fs"),
        t if t < 1e3 => (1.0, "ps"),
        t if t < 1e6 => (1e-3, "ns"),
        _ => (1e-6, "µs"),
    }
}

fn sign(number: &str) -> String {
    number.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_of_units_are_raised() {
        assert_eq!(unit("kJ^2/mol^2"), "kJ^{2}/mol^{2}");
        assert_eq!(unit("u angstrom^-1 ps^-2"), "u angstrom^{-1} ps^{-2}");
        assert_eq!(unit("ps"), "ps");
    }

    #[test]
    fn digits_follow_the_error() {
        assert_eq!(with_error(0.43, Some(0.08), ""), "0.430 ± 0.080");
        assert_eq!(with_error(333.2, Some(4.0), "K"), "333.2 ± 4.0 K");
        assert_eq!(with_error(6.13e6, Some(0.42e6), "ps"), "(6.13 ± 0.42)·10^{6} ps");
        assert_eq!(with_error(39492.0, Some(3949.0), "K"), "39500 ± 3900 K");
        assert_eq!(with_error(3.124, Some(0.998), "ps"), "3.1 ± 1.0 ps");
        assert_eq!(with_error(1044.2, Some(85.2), "K"), "1044 ± 85 K");
        assert_eq!(with_error(-0.0123, None, ""), "−0.0123");
        assert_eq!(with_error(f64::NAN, Some(1.0), "K"), "not determined");
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(time(240.0), "240 ps");
        assert_eq!(time(0.004), "4 fs");
        assert_eq!(time(4000.0), "4 ns");
        assert_eq!(time(1.5e6), "1.5 µs");
        assert_eq!(time_with_error(1.611e6, Some(1.6e5)), "1.61 ± 0.16 µs");
        assert_eq!(time_with_error(41.23, None), "41.2 ps");
        assert_eq!(time_with_error(f64::NAN, None), "not determined");
    }
}
