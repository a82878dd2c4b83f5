//! Words of a data file as numbers.

use glam::DVec3;

use super::Problem;
use crate::echo::echo;

/// Beyond this (angstrom, and A/ps) doubles lie farther apart than 1e-7: differences of positions lose their digits.
const LARGEST: f64 = 1e9;

pub(super) fn real(line: usize, what: &str, text: &str) -> Result<f64, Problem> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Problem::at(
            line,
            format!("the {what} `{}` is no finite number", echo(text)),
            "give a decimal number",
        )),
    }
}

/// Three numbers that arithmetic with positions can take.
pub(super) fn vector(line: usize, what: &str, words: &[&str]) -> Result<DVec3, Problem> {
    let v = DVec3::new(real(line, what, words[0])?, real(line, what, words[1])?, real(line, what, words[2])?);
    check_size(line, what, v)?;
    Ok(v)
}

pub(super) fn check_size(line: usize, what: &str, v: DVec3) -> Result<(), Problem> {
    match v.to_array().into_iter().find(|c| c.abs() > LARGEST) {
        None => Ok(()),
        Some(component) => Err(Problem::at(
            line,
            format!("the {what} {component:e} is beyond {LARGEST:e}, where doubles are coarser than 1e-7"),
            "is it a number of something else, or in another unit? Lengths are in angstrom, times in fs",
        )),
    }
}

pub(super) fn integer(line: usize, what: &str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::at(
            line,
            format!("`{}` for {what} is no whole number from 0 on", echo(text)),
            "give a whole number",
        )
    })
}

pub(super) fn flag(line: usize, text: &str) -> Result<f64, Problem> {
    text.parse::<i32>().map(f64::from).map_err(|_| {
        Problem::at(
            line,
            format!("the image flag `{}` is no whole number", echo(text)),
            "give whole numbers, or none at all",
        )
    })
}

/// The decimal number `text` times 10^shift, as text.
pub(super) fn shift_exponent(text: &str, shift: i32) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) => format!("{mantissa}e{}", exponent.saturating_add(shift)),
        Err(_) => text.to_string(),
    }
}
