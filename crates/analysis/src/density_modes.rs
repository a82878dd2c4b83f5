//! Fourier components of the density of each species: rho_a(k) = sum over the atoms j of a of exp(-i k . r_j).
//!
//! With fractional coordinates s, k . r = 2 pi n . s. exp(-2 pi i n s) is a product of powers along the three edges, which
//! are tabulated for a few atoms at a time. Cost: two complex products an atom and wave vector, in f64. In a cell so long that there would be
//! far more powers than wave vectors, the phase of each atom and wave vector is computed instead.

use std::f64::consts::{FRAC_PI_2, TAU};

use glam::{DVec3, IVec3};
use rayon::prelude::*;
use vitrion_core::cell::Cell;
use vitrion_core::cpu::simd::{Kernel, dispatch};

use crate::lanes::Lanes;
use crate::pair_average::GROUPS;
use crate::sinc::sine;

/// Atoms whose powers are tabulated together: tables stay in the cache.
const ATOMS: usize = GROUPS;
/// Powers along an edge that are tabulated at most: 4 MB.
const MOST_POWERS: i32 = 16_384;
/// Wave vectors that a thread takes at a time: so few at least that the powers, which each thread tabulates, do not count, ...
const FEWEST_VECTORS: usize = 48;
/// ... and at most so many.
const MOST_VECTORS: usize = 256;

/// Wave vectors and the species that are summed.
pub struct DensityModes {
    vectors: Vec<IVec3>,
    most: IVec3,
    /// For each species its atoms, at most [`ATOMS`] at a time.
    rows: Vec<Vec<Vec<usize>>>,
}

impl DensityModes {
    /// `species[j]` is atom j's species, below `kinds`.
    pub fn new(vectors: Vec<IVec3>, species: &[usize], kinds: usize) -> Self {
        let rows = |kind| {
            let atoms: Vec<usize> = (0..species.len()).filter(|&j| species[j] == kind).collect();
            atoms.chunks(ATOMS).map(<[usize]>::to_vec).collect()
        };
        let most = vectors.iter().fold(IVec3::ZERO, |most, n| most.max(n.abs()));
        Self { vectors, most, rows: (0..kinds).map(rows).collect() }
    }

    /// The wave vectors.
    pub fn vectors(&self) -> &[IVec3] {
        &self.vectors
    }

    /// rho_a(k) as [real, imaginary], for each wave vector all species one after the other. The same numbers whatever the
    /// number of threads.
    pub fn evaluate(&self, cell: &Cell, positions: &[DVec3]) -> Vec<[f64; 2]> {
        let fractional: Vec<DVec3> = positions.iter().map(|r| cell.fractional(*r)).collect();
        let mut sums = vec![[0.0; 2]; self.vectors.len() * self.rows.len()];
        let each = self.vectors.len().div_ceil(rayon::current_num_threads());
        let each = each.clamp(FEWEST_VECTORS, MOST_VECTORS);
        sums.par_chunks_mut(each * self.rows.len()).zip(self.vectors.par_chunks(each)).for_each(
            |(sums, vectors)| {
                if self.most.max_element() > MOST_POWERS {
                    return self.add_phases(vectors, &fractional, sums);
                }
                dispatch(Evaluation { modes: self, vectors, fractional: &fractional, sums });
            },
        );
        sums
    }

    /// Adds rho of some wave vectors, phase by phase.
    fn add_phases(&self, vectors: &[IVec3], fractional: &[DVec3], sums: &mut [[f64; 2]]) {
        let kinds = self.rows.len();
        for (n, sums) in vectors.iter().zip(sums.chunks_exact_mut(kinds)) {
            for (atoms, sum) in self.rows.iter().zip(sums) {
                for &atom in atoms.iter().flatten() {
                    // Whole turns go one edge after the other: what is left of each keeps its digits.
                    let turns = n.as_dvec3() * (fractional[atom] - fractional[atom].floor());
                    let (sin, cos) = (-TAU * (turns - turns.round()).element_sum()).sin_cos();
                    sum[0] += cos;
                    sum[1] += sin;
                }
            }
        }
    }
}

/// Adds rho of some wave vectors.
struct Evaluation<'a> {
    modes: &'a DensityModes,
    vectors: &'a [IVec3],
    fractional: &'a [DVec3],
    sums: &'a mut [[f64; 2]],
}

impl Kernel for Evaluation<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.
    fn run(self) {
        let Self { modes: DensityModes { most, rows, .. }, vectors, fractional, sums } = self;
        let kinds = rows.len();
        let mut powers = most.to_array().map(|most| Powers::new(most.unsigned_abs() as usize));
        for (kind, rows) in rows.iter().enumerate() {
            let mut lanes = vec![ZERO; vectors.len()];
            for atoms in rows {
                for (axis, powers) in powers.iter_mut().enumerate() {
                    powers.tabulate(atoms.iter().map(|&j| fractional[j][axis]));
                }
                for (n, lanes) in vectors.iter().zip(&mut lanes) {
                    add_product(&powers, *n, lanes);
                }
            }
            for (sums, lanes) in sums.chunks_exact_mut(kinds).zip(&lanes) {
                sums[kind] = lanes.map(|part| part.iter().sum());
            }
        }
    }
}

/// A complex number of each of a few atoms: real and imaginary parts.
type Complex = [Lanes; 2];
const ZERO: Complex = [[0.0; ATOMS]; 2];

/// exp(-2 pi i n s) of a few atoms, for n = 0 to most.
struct Powers(Vec<Complex>);

impl Powers {
    fn new(most: usize) -> Self {
        Self(vec![ZERO; most + 1])
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn tabulate(&mut self, s: impl Iterator<Item = f64>) {
        // Places without an atom are zero.
        let (mut angles, mut power) = ([0.0; ATOMS], ZERO);
        for (atom, s) in s.enumerate() {
            angles[atom] = -TAU * (s - s.floor());
            power[0][atom] = 1.0;
        }
        let (mut sin, mut cos) = ([0.0; ATOMS], [0.0; ATOMS]);
        for atom in 0..ATOMS {
            (sin[atom], cos[atom]) = (sine(angles[atom]), sine(angles[atom] + FRAC_PI_2));
        }
        for place in &mut self.0 {
            *place = power;
            let [x, y] = *place;
            for atom in 0..ATOMS {
                power[0][atom] = x[atom] * cos[atom] - y[atom] * sin[atom];
                power[1][atom] = x[atom] * sin[atom] + y[atom] * cos[atom];
            }
        }
    }

    /// The power |n|, and the sign of its imaginary part in the power n.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn of(&self, n: i32) -> (&Complex, f64) {
        (&self.0[n.unsigned_abs() as usize], if n < 0 { -1.0 } else { 1.0 })
    }
}

/// Adds the product of three powers, for each atom.
#[inline(always)]
#[allow(clippy::inline_always)]
fn add_product([x, y, z]: &[Powers; 3], n: IVec3, sums: &mut Complex) {
    let (([xr, xi], x_sign), ([yr, yi], y_sign), ([zr, zi], z_sign)) = (x.of(n.x), y.of(n.y), z.of(n.z));
    let [mut re, mut im] = *sums;
    for j in 0..ATOMS {
        let (xi, yi, zi) = (x_sign * xi[j], y_sign * yi[j], z_sign * zi[j]);
        let (pr, pi) = (xr[j] * yr[j] - xi * yi, xr[j] * yi + xi * yr[j]);
        re[j] += pr * zr[j] - pi * zi;
        im[j] += pr * zi + pi * zr[j];
    }
    *sums = [re, im];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{random_positions, triclinic};

    #[test]
    fn agrees_with_the_direct_sum_in_a_triclinic_cell() {
        let cell = triclinic();
        let positions = random_positions(&cell, 100, 3);
        let species: Vec<usize> = (0..100).map(|i| i % 3).collect();
        let few =
            vec![IVec3::new(1, 0, 0), IVec3::new(-7, 3, 2), IVec3::new(0, -20, 11), IVec3::new(5, 5, 40)];
        // So many powers are not tabulated.
        let many = [few.clone(), vec![IVec3::new(0, -20_000, 3)]].concat();
        for vectors in [few, many] {
            let modes = DensityModes::new(vectors.clone(), &species, 3);
            let sums = modes.evaluate(&cell, &positions);
            for (i, n) in vectors.iter().enumerate() {
                let k = TAU * (cell.inverse().transpose() * n.as_dvec3());
                for kind in 0..3 {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (r, _) in positions.iter().zip(&species).filter(|(_, s)| **s == kind) {
                        re += k.dot(*r).cos();
                        im -= k.dot(*r).sin();
                    }
                    let [x, y] = sums[i * 3 + kind];
                    // Recurrences of up to 40 products, of 34 atoms; phases of a few hundred radians in the direct sum.
                    // Of the largest vector, phases of 1e5 radians: 1e-11 each.
                    let allowed = if n.y < -100 { 1e-8 } else { 1e-11 };
                    assert!(
                        (x - re).abs() < allowed && (y - im).abs() < allowed,
                        "{n} {kind}: {x} {re} {y} {im}"
                    );
                }
            }
        }
    }
}
