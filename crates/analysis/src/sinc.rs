//! sin x and sin x / x of many numbers at once.
//!
//! x - k pi, with k the integer nearest to x/pi, is formed with pi in three parts whose leading ones have few enough bits for exact
//! products (Cody and Waite, Software Manual for the Elementary Functions (1980)); sin of the remainder, at most pi/2, is
//! its Taylor series up to x^21, whose next term is below 2e-18. For |x| < 1e6 the error of sin x is below
//! 5e-16. Plain products and sums: the compiler vectorises them.

use std::f64::consts::FRAC_1_PI;

use crate::lanes::Lanes;
use crate::pair_average::GROUPS;

/// pi = PI_HIGH + PI_MIDDLE + PI_LOW; the first two have 33 significant bits, so that products with k below 2^20 are exact.
const PI_HIGH: f64 = f64::from_bits(0x4009_21FB_5440_0000);
const PI_MIDDLE: f64 = f64::from_bits(0x3DE0_B461_1A60_0000);
const PI_LOW: f64 = f64::from_bits(0x3BB3_198A_2E03_7073);
/// Added to a number below 2^51, this leaves its nearest integer in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// 1/3!, 1/5! ... 1/21! with their signs, the last one first.
const SERIES: [f64; 10] = [
    1.0 / 51_090_942_171_709_440_000.0,
    -1.0 / 121_645_100_408_832_000.0,
    1.0 / 355_687_428_096_000.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 39_916_800.0,
    1.0 / 362_880.0,
    -1.0 / 5_040.0,
    1.0 / 120.0,
    -1.0 / 6.0,
];

/// sin x for |x| < 1e6. In a loop over [`Lanes`] the compiler vectorises it.
#[inline(always)]
#[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
pub fn sine(x: f64) -> f64 {
    let rounded = x * FRAC_1_PI + ROUNDER;
    let k = rounded - ROUNDER;
    let r = ((x - k * PI_HIGH) - k * PI_MIDDLE) - k * PI_LOW;
    let square = r * r;
    let mut series = SERIES[0];
    for coefficient in &SERIES[1..] {
        series = series * square + coefficient;
    }
    let sine = r + r * square * series;
    // sin(r + k pi) = (-1)^k sin r: the lowest bit of k goes to the sign.
    f64::from_bits(sine.to_bits() ^ (rounded.to_bits() << 63))
}

/// sin x / x of each x; 1 at 0.
#[inline(always)]
#[allow(clippy::inline_always)]
pub fn sinc(x: &Lanes) -> Lanes {
    let mut result = [0.0; GROUPS];
    for (result, &x) in result.iter_mut().zip(x) {
        *result = if x == 0.0 { 1.0 } else { sine(x) / x };
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_library_up_to_a_million() {
        let mut largest = 0.0f64;
        for i in 0..200_000 {
            // Even in the logarithm from 1e-8 to 1e6, and multiples of pi/2, where the nearest integer changes.
            let x = 10f64.powf(-8.0 + 14.0 * f64::from(i) / 2e5);
            let turn = f64::from(i) * std::f64::consts::FRAC_PI_2;
            let xs: Lanes = std::array::from_fn(|lane| if lane % 2 == 0 { x } else { turn });
            let found = sinc(&xs);
            assert_eq!(xs.map(|x| sine(-x)), xs.map(|x| -sine(x)));
            for (x, found) in xs.iter().zip(found) {
                let exact = if *x == 0.0 { 1.0 } else { x.sin() / x };
                // Of sin x / x itself near zero, of sin x elsewhere.
                largest = largest.max((found - exact).abs() * x.max(1.0));
            }
        }
        println!("largest error: {largest:.1e}");
        assert!(largest < 5e-16, "{largest:e}");
    }
}
