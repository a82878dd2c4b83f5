//! Wave vectors of a periodic cell: k = 2 pi h^-T n with whole numbers n.
//!
//! Opposite vectors say the same about real densities, so only one of k and -k is taken. Where there are more vectors than are
//! needed, the choice does not depend on the direction. In a changing cell, n stays and k changes with the cell.

use std::f64::consts::TAU;

use glam::{DVec3, IVec3};
use vitrion_core::cell::Cell;

/// Wave vectors of nearly one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Shell {
    /// Whole numbers of the vectors.
    pub vectors: Vec<IVec3>,
    /// Mean length (1/angstrom).
    pub mean: f64,
    /// Shortest and longest (1/angstrom).
    pub range: (f64, f64),
}

/// Half width of a shell (1/angstrom).
const HALF_WIDTH: f64 = 0.05;
/// Lengths of a shell beyond that half width, which differ by less from the nearest (1/angstrom): of a cell whose edges are nearly alike.
const ALIKE: f64 = 0.01;
/// Lattice vectors that are looked at one by one; beyond, random directions are tried.
const MOST_ENUMERATED: f64 = 200_000.0;

/// Length of the wave vector with numbers `n` (1/angstrom).
pub fn length(cell: &Cell, n: IVec3) -> f64 {
    (cell.inverse().transpose() * n.as_dvec3()).length() * TAU
}

/// At most `most` wave vectors within 0.05/angstrom of `q`, those closest to it, however few they are; where there are none, those of the
/// nearest length. None where the cell has no wave vector from a half to one and a half of `q`.
pub fn shell(cell: &Cell, q: f64, most: usize) -> Option<Shell> {
    let mut half_width = HALF_WIDTH.min(0.5 * q);
    let mut found = between(cell, q - half_width, q + half_width, 4 * most);
    while found.is_empty() && half_width < 0.5 * q {
        half_width = (2.0 * half_width).min(0.5 * q);
        found = between(cell, q - half_width, q + half_width, 4 * most);
    }
    // Equally close ones, to 1e-9, in an order that has nothing to do with their direction.
    found.sort_by_key(|n| (((length(cell, *n) - q).abs() * 1e9).round() as u64, shuffled(*n)));
    if half_width > HALF_WIDTH {
        let nearest = length(cell, *found.first()?);
        found.retain(|n| (length(cell, *n) - nearest).abs() <= ALIKE);
    }
    found.truncate(most);
    describe(cell, found)
}

fn describe(cell: &Cell, vectors: Vec<IVec3>) -> Option<Shell> {
    let lengths: Vec<f64> = vectors.iter().map(|n| length(cell, *n)).collect();
    let shortest = lengths.iter().copied().reduce(f64::min)?;
    let longest = lengths.iter().copied().reduce(f64::max)?;
    Some(Shell {
        mean: lengths.iter().sum::<f64>() / lengths.len() as f64,
        range: (shortest, longest),
        vectors,
    })
}

/// Shells of lengths from i `width` to (i + 1) `width` up to `longest`, each with at most `most` vectors; empty ones are left out.
pub fn shells(cell: &Cell, longest: f64, width: f64, most: usize) -> Vec<Shell> {
    let bins = (longest / width - 1e-9).ceil() as usize;
    (0..bins)
        .filter_map(|bin| {
            let mut found = between(cell, bin as f64 * width, (bin + 1) as f64 * width, 2 * most);
            found.sort_by_key(|n| shuffled(*n));
            found.truncate(most);
            describe(cell, found)
        })
        .collect()
}

/// One of each two opposite vectors with a length from `low` to below `high`: all of them, or where there are very many, at least
/// `enough` in random directions.
fn between(cell: &Cell, low: f64, high: f64, enough: usize) -> Vec<IVec3> {
    let density = cell.volume() / TAU.powi(3);
    let within = density * 4.0 / 3.0 * std::f64::consts::PI * high.powi(3);
    // Of a cell with sharp angles, far more are looked at than are within.
    let looked_at = numbers(cell, high).iter().map(|n| 2.0 * n + 1.0).product::<f64>() / 2.0;
    if within < MOST_ENUMERATED && looked_at < 100.0 * MOST_ENUMERATED {
        enumerated(cell, low, high)
    } else {
        tried(cell, low, high, enough)
    }
}

/// Largest whole numbers of the wave vectors up to a length: |n_x| = |k . a| / 2 pi is at most |k| |a| / 2 pi.
fn numbers(cell: &Cell, high: f64) -> [f64; 3] {
    let h = cell.matrix();
    [h.x_axis, h.y_axis, h.z_axis].map(|edge| (high * edge.length() / TAU).floor())
}

fn enumerated(cell: &Cell, low: f64, high: f64) -> Vec<IVec3> {
    let [x, y, z] = numbers(cell, high).map(|n| n as i32);
    let mut found = Vec::new();
    for nz in 0..=z {
        for ny in if nz == 0 { 0 } else { -y }..=y {
            for nx in if nz == 0 && ny == 0 { 1 } else { -x }..=x {
                let n = IVec3::new(nx, ny, nz);
                if (low..high).contains(&length(cell, n)) {
                    found.push(n);
                }
            }
        }
    }
    found
}

fn tried(cell: &Cell, low: f64, high: f64, enough: usize) -> Vec<IVec3> {
    let mut found: Vec<IVec3> = Vec::new();
    for attempt in 0..100 * enough as u64 {
        let [a, b, c] = [0, 1, 2].map(|i| mixed(3 * attempt + i) as f64 / u64::MAX as f64);
        let (height, angle) = (2.0 * a - 1.0, TAU * b);
        let radius = (1.0 - height * height).sqrt();
        let direction = DVec3::new(radius * angle.cos(), radius * angle.sin(), height);
        let k = direction * (low + c * (high - low));
        let n = (cell.matrix().transpose() * k / TAU).round().as_ivec3();
        let n = if (n.z, n.y, n.x) < (0, 0, 0) { -n } else { n };
        if (low..high).contains(&length(cell, n)) {
            found.push(n);
            if found.len() >= 2 * enough {
                break;
            }
        }
    }
    found.sort_by_key(IVec3::to_array);
    found.dedup();
    found
}

/// A number that looks random: the finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195).
fn mixed(x: u64) -> u64 {
    let mut z = x.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn shuffled(n: IVec3) -> u64 {
    n.to_array().iter().fold(0, |hash, c| mixed(hash ^ u64::from(c.cast_unsigned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::triclinic;

    #[test]
    fn shells_of_a_cube_hold_half_of_its_vectors() {
        let cell = Cell::cubic(TAU).unwrap();
        // |n|^2 = 1, 2, 3: 6, 12, 8 vectors.
        let shells = shells(&cell, 1.8, 0.1, 100);
        let counts: Vec<(usize, f64)> = shells.iter().map(|s| (s.vectors.len(), s.mean)).collect();
        assert_eq!(counts.iter().map(|c| c.0).collect::<Vec<_>>(), [3, 6, 4]);
        for ((_, mean), exact) in counts.iter().zip([1.0, 2f64.sqrt(), 3f64.sqrt()]) {
            assert!((mean - exact).abs() < 1e-12);
        }
    }

    #[test]
    fn lengths_are_those_of_the_reciprocal_lattice() {
        let cell = triclinic();
        for n in [IVec3::X, IVec3::Y, IVec3::new(2, -3, 5)] {
            // exp(i k r) is the same at r and r + any edge: k . edge / 2 pi is n.
            let k = TAU * (cell.inverse().transpose() * n.as_dvec3());
            let whole = cell.matrix().transpose() * k / TAU;
            assert!((whole - n.as_dvec3()).length() < 1e-12 && (k.length() - length(&cell, n)).abs() < 1e-12);
        }
    }

    #[test]
    fn shell_is_close_to_what_was_asked_in_small_and_large_cells() {
        for edge in [10.0, 33.8, 400.0] {
            let cell = Cell::cubic(edge).unwrap();
            for q in [1.0, 3.7, 6.3] {
                let shell = shell(&cell, q, 150).unwrap();
                assert!(shell.vectors.len() >= 4 && shell.vectors.len() <= 150);
                assert!((shell.mean / q - 1.0).abs() < 0.1, "{edge} {q}: {}", shell.mean);
                let mut both: Vec<[i32; 3]> =
                    shell.vectors.iter().flat_map(|n| [n.to_array(), (-*n).to_array()]).collect();
                both.sort_unstable();
                both.dedup();
                assert_eq!(both.len(), 2 * shell.vectors.len(), "a vector twice");
                // Isotropic: the mean of k k^T is q^2/3, to the error of so few directions.
                let square = shell.vectors.iter().map(|n| (TAU * f64::from(n.x) / edge).powi(2)).sum::<f64>();
                let share = square / shell.vectors.iter().map(|n| length(&cell, *n).powi(2)).sum::<f64>();
                assert!((share - 1.0 / 3.0).abs() < 0.15, "{edge} {q}: {share}");
            }
        }
    }

    #[test]
    fn shells_of_enormous_and_of_very_skew_cells_are_drawn_not_enumerated() {
        let skew =
            Cell::new(glam::DMat3::from_cols(DVec3::X * 30.0, DVec3::new(3e5, 30.0, 0.0), DVec3::Z * 30.0));
        for cell in [Cell::cubic(2e4).unwrap(), Cell::cubic(9e7).unwrap(), skew.unwrap()] {
            for q in [1.0, 3.7, 100.0] {
                let shell = shell(&cell, q, 150).unwrap();
                assert!(shell.vectors.len() >= 10 && (shell.mean / q - 1.0).abs() < 0.06, "{q}: {shell:?}");
            }
            assert!(shells(&cell, 6.0, 0.05, 32).iter().all(|s| s.vectors.len() <= 32));
        }
    }

    #[test]
    fn few_vectors_of_the_right_length_are_not_mixed_with_others() {
        let unit = TAU / 15.0;
        let cell = Cell::cubic(15.0).unwrap();
        // Of |n|^2 = 1, 2, 3, 4, 5: 3, 6, 4, 3 and 12 vectors without their opposites.
        for (q, vectors, square) in
            [(0.42, 3, 1.0f64), (0.35, 3, 1.0), (0.5, 3, 1.0), (0.52, 6, 2.0), (0.7, 4, 3.0)]
        {
            let shell = shell(&cell, q, 150).unwrap();
            assert_eq!(shell.vectors.len(), vectors, "{q}");
            assert!((shell.mean / (square.sqrt() * unit) - 1.0).abs() < 1e-12, "{q}: {shell:?}");
            assert!(shell.range.1 - shell.range.0 < 1e-12);
        }
        // Edges that are nearly alike have nearly one length.
        let nearly = Cell::orthorhombic(DVec3::new(15.0, 15.02, 14.98)).unwrap();
        assert_eq!(shell(&nearly, 0.35, 150).unwrap().vectors.len(), 3);
    }

    #[test]
    fn a_wave_longer_than_the_cell_has_no_shell() {
        assert!(shell(&Cell::cubic(10.0).unwrap(), 0.2, 150).is_none());
    }
}
