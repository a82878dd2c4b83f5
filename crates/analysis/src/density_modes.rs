//! Fourier components of the density of each species: rho_a(k) = sum over the atoms j of a of exp(-i k . r_j).
//!
//! With fractional coordinates s, k . r = 2 pi n . s. exp(-2 pi i n s) is a product of powers along the three edges, which
//! are tabulated for a few atoms at a time. Cost: two complex products an atom and wave vector, in f64.

use std::f64::consts::TAU;

use glam::{DVec3, IVec3};
use rayon::prelude::*;
use vitrion_core::cell::Cell;

/// Atoms whose powers are tabulated together: tables stay in the cache.
const ATOMS: usize = 32;
/// Partial sums: independent, so that the compiler can use vector registers.
const LANES: usize = 4;
/// Wave vectors that a thread takes at a time.
const VECTORS: usize = 256;

/// Wave vectors and the species that are summed.
pub struct DensityModes {
    vectors: Vec<IVec3>,
    most: IVec3,
    /// Atoms of one species, at most [`ATOMS`] in each; with the species.
    chunks: Vec<(usize, Vec<usize>)>,
    kinds: usize,
}

impl DensityModes {
    /// `species[j]` is atom j's species, below `kinds`.
    pub fn new(vectors: Vec<IVec3>, species: &[usize], kinds: usize) -> Self {
        let mut chunks = Vec::new();
        for kind in 0..kinds {
            let atoms: Vec<usize> = (0..species.len()).filter(|&j| species[j] == kind).collect();
            chunks.extend(atoms.chunks(ATOMS).map(|chunk| (kind, chunk.to_vec())));
        }
        let most = vectors.iter().fold(IVec3::ZERO, |most, n| most.max(n.abs()));
        Self { vectors, most, chunks, kinds }
    }

    /// The wave vectors.
    pub fn vectors(&self) -> &[IVec3] {
        &self.vectors
    }

    /// rho_a(k) as [real, imaginary], for each wave vector all species one after the other. The same numbers whatever the
    /// number of threads.
    pub fn evaluate(&self, cell: &Cell, positions: &[DVec3]) -> Vec<[f64; 2]> {
        let fractional: Vec<DVec3> = positions.iter().map(|r| cell.fractional(*r)).collect();
        self.vectors.par_chunks(VECTORS).flat_map_iter(|vectors| self.sums(vectors, &fractional)).collect()
    }

    fn sums(&self, vectors: &[IVec3], fractional: &[DVec3]) -> Vec<[f64; 2]> {
        let mut sums = vec![[0.0; 2]; vectors.len() * self.kinds];
        for (kind, atoms) in &self.chunks {
            let powers = [0, 1, 2].map(|axis| {
                let most = self.most[axis].unsigned_abs() as usize;
                Powers::new(most, atoms.iter().map(|&j| fractional[j][axis]))
            });
            for (vector, n) in vectors.iter().enumerate() {
                let [re, im] = product(&powers, *n);
                let sum = &mut sums[vector * self.kinds + kind];
                sum[0] += re;
                sum[1] += im;
            }
        }
        sums
    }
}

/// exp(-2 pi i n s) of a few atoms, for n = -most to most.
struct Powers {
    most: usize,
    re: Vec<[f64; ATOMS]>,
    im: Vec<[f64; ATOMS]>,
}

impl Powers {
    fn new(most: usize, s: impl Iterator<Item = f64>) -> Self {
        let mut re = vec![[0.0; ATOMS]; 2 * most + 1];
        let mut im = vec![[0.0; ATOMS]; 2 * most + 1];
        // Places without an atom stay zero.
        for (atom, s) in s.enumerate() {
            let (sin, cos) = (-TAU * (s - s.floor())).sin_cos();
            let (mut x, mut y) = (1.0, 0.0);
            for n in 0..=most {
                (re[most + n][atom], im[most + n][atom]) = (x, y);
                (re[most - n][atom], im[most - n][atom]) = (x, -y);
                (x, y) = (x * cos - y * sin, x * sin + y * cos);
            }
        }
        Self { most, re, im }
    }

    fn of(&self, n: i32) -> (&[f64; ATOMS], &[f64; ATOMS]) {
        let place =
            if n < 0 { self.most - n.unsigned_abs() as usize } else { self.most + n.unsigned_abs() as usize };
        (&self.re[place], &self.im[place])
    }
}

fn product([x, y, z]: &[Powers; 3], n: IVec3) -> [f64; 2] {
    let ((xr, xi), (yr, yi), (zr, zi)) = (x.of(n.x), y.of(n.y), z.of(n.z));
    let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
    for first in (0..ATOMS).step_by(LANES) {
        for lane in 0..LANES {
            let j = first + lane;
            let (pr, pi) = (xr[j] * yr[j] - xi[j] * yi[j], xr[j] * yi[j] + xi[j] * yr[j]);
            re[lane] += pr * zr[j] - pi * zi[j];
            im[lane] += pr * zi[j] + pi * zr[j];
        }
    }
    [re.iter().sum(), im.iter().sum()]
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
        let vectors =
            vec![IVec3::new(1, 0, 0), IVec3::new(-7, 3, 2), IVec3::new(0, -20, 11), IVec3::new(5, 5, 40)];
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
                assert!((x - re).abs() < 1e-11 && (y - im).abs() < 1e-11, "{n} {kind}: {x} {re} {y} {im}");
            }
        }
    }
}
