//! Radial distribution functions g_ab(r).
//!
//! g_ab(r) = V n_ab(r) / (N_a (N_b - delta_ab) V_shell(r)), with n_ab(r) the number of ordered pairs (one of species a, another
//! of species b) whose distance lies in the shell from r - w/2 to r + w/2. A like pair has N(N - 1) partners, so that an ideal
//! gas of any size has g = 1. The volume is that of the frame. Dimensionless.
//!
//! Allen and Tildesley, Computer Simulation of Liquids (2017), section 2.6, doi:10.1093/oso/9780198803195.001.0001.

use std::f64::consts::PI;

use glam::DVec3;
use rayon::prelude::*;
use vitrion_core::cell::Cell;
use vitrion_core::neighbors::all_images::AllImages;

use crate::blocks::BlockAverage;

/// Why no g(r) can be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RdfError {
    /// Range or bin width.
    #[error(
        "g(r) up to {r_max} angstrom in bins of {bin_width}: give a positive range and a bin width below it"
    )]
    Range {
        /// Largest distance (angstrom).
        r_max: f64,
        /// Bin width (angstrom).
        bin_width: f64,
    },
    /// Beyond half the smallest height of the cell, part of a shell is missing or counted twice.
    #[error(
        "g(r) up to {r_max:.3} angstrom needs a cell whose smallest height is twice that, but half of it is {half_height:.3}; \
         ask for a smaller range"
    )]
    CellTooSmall {
        /// Largest distance (angstrom).
        r_max: f64,
        /// Half the smallest perpendicular height of a frame's cell (angstrom).
        half_height: f64,
    },
    /// Another number of particles than announced.
    #[error("a frame has {found} particles where {expected} were announced; use frames of one system")]
    ParticleCount {
        /// In the frame.
        found: usize,
        /// In `new`.
        expected: usize,
    },
}

/// Accumulates g_ab(r) of all pairs of species over frames; the cell may have any shape and change from frame to frame.
pub struct RadialDistribution {
    species: Vec<usize>,
    names: Vec<String>,
    counts: Vec<usize>,
    r_max: f64,
    bins: usize,
    /// Per particle: its molecule, if pairs within molecules are left out.
    molecules: Option<Vec<usize>>,
    /// Per frame: g of every pair of species with a <= b, one histogram after the other.
    average: BlockAverage,
}

/// g_ab(r) of one pair of species.
#[derive(Clone, Debug, PartialEq)]
pub struct PairDistribution {
    /// Names of the species, in the order in which they were announced.
    pub species: [String; 2],
    /// Middle of each bin (angstrom).
    pub r: Vec<f64>,
    /// g_ab in each bin.
    pub g: Vec<f64>,
    /// Standard error of `g` from blocks of frames; none from fewer than 4 frames.
    pub error: Option<Vec<f64>>,
}

impl RadialDistribution {
    /// `species[i]` is particle i's index into `names`. Distances up to `r_max` (angstrom) go to bins of about `bin_width`, made
    /// a little narrower so that they fill the range.
    pub fn new(species: &[usize], names: &[String], r_max: f64, bin_width: f64) -> Result<Self, RdfError> {
        if !(r_max > 0.0 && r_max.is_finite() && bin_width > 0.0 && bin_width < r_max) {
            return Err(RdfError::Range { r_max, bin_width });
        }
        // 16.9/0.05 is 338.00000000000006.
        let bins = (r_max / bin_width - 1e-9).ceil() as usize;
        let mut counts = vec![0; names.len()];
        for &s in species {
            counts[s] += 1;
        }
        let average = BlockAverage::new(names.len() * (names.len() + 1) / 2 * bins);
        Ok(Self {
            species: species.to_vec(),
            names: names.to_vec(),
            counts,
            r_max,
            bins,
            molecules: None,
            average,
        })
    }

    /// Leaves out pairs within a molecule, whose sharp peaks say nothing about the liquid: `molecules[i]` is the molecule of
    /// particle i. The norm stays that of all pairs, so that g goes to 1 - (n - 1)/N_b for a molecule with n atoms of b.
    ///
    /// # Panics
    /// If `molecules` has another length than `species` in [`Self::new`].
    #[must_use]
    pub fn between_molecules(mut self, molecules: &[usize]) -> Self {
        assert_eq!(molecules.len(), self.species.len(), "one molecule a particle");
        self.molecules = Some(molecules.to_vec());
        self
    }

    /// Largest r_max for a cell (angstrom): half its smallest perpendicular height.
    pub fn largest_range(cell: &Cell) -> f64 {
        0.5 * cell.perpendicular_heights().min_element()
    }

    /// Adds a frame: Cartesian `positions` (angstrom), wrapped or not.
    pub fn accumulate(&mut self, cell: &Cell, positions: &[DVec3]) -> Result<(), RdfError> {
        if positions.len() != self.species.len() {
            return Err(RdfError::ParticleCount { found: positions.len(), expected: self.species.len() });
        }
        let half_height = Self::largest_range(cell);
        if self.r_max > half_height * (1.0 + 1e-12) {
            return Err(RdfError::CellTooSmall { r_max: self.r_max, half_height });
        }
        let histogram = self.count_pairs(cell, positions);
        self.average.add(&self.normalise(&histogram, cell.volume()));
        Ok(())
    }

    /// Ordered pairs a <= b by distance.
    fn count_pairs(&self, cell: &Cell, positions: &[DVec3]) -> Vec<u64> {
        let images = AllImages::new(cell, positions, self.r_max);
        let scale = self.bins as f64 / self.r_max;
        let zero = || vec![0u64; self.n_pairs() * self.bins];
        let count = |mut histogram: Vec<u64>, i: usize| {
            images.visit(i, |image| {
                let (a, b) = (self.species[i], self.species[image.atom]);
                let bin = (image.difference.length() * scale) as usize;
                let left_out = self.molecules.as_ref().is_some_and(|m| m[i] == m[image.atom]);
                if a <= b && bin < self.bins && !left_out {
                    histogram[self.pair_index(a, b) * self.bins + bin] += 1;
                }
            });
            histogram
        };
        let add = |mut x: Vec<u64>, y: Vec<u64>| {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            x
        };
        (0..positions.len()).into_par_iter().fold(zero, count).reduce(zero, add)
    }

    fn normalise(&self, histogram: &[u64], volume: f64) -> Vec<f64> {
        let width = self.r_max / self.bins as f64;
        let mut g = Vec::with_capacity(histogram.len());
        for (a, b) in self.pairs() {
            let partners = self.counts[b].saturating_sub(usize::from(a == b));
            let pairs = (self.counts[a] * partners) as f64;
            let first = self.pair_index(a, b) * self.bins;
            g.extend(histogram[first..first + self.bins].iter().enumerate().map(|(bin, &count)| {
                let (inner, outer) = (bin as f64 * width, (bin + 1) as f64 * width);
                let shell = 4.0 / 3.0 * PI * (outer.powi(3) - inner.powi(3));
                if pairs > 0.0 { count as f64 * volume / (pairs * shell) } else { 0.0 }
            }));
        }
        g
    }

    fn n_pairs(&self) -> usize {
        self.names.len() * (self.names.len() + 1) / 2
    }

    /// a <= b, row by row.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let n = self.names.len();
        (0..n).flat_map(move |a| (a..n).map(move |b| (a, b)))
    }

    fn pair_index(&self, a: usize, b: usize) -> usize {
        a * self.names.len() - a * (a + 1) / 2 + b
    }

    /// Number of frames so far.
    pub fn frames(&self) -> u64 {
        self.average.samples()
    }

    /// Mean over frames, for every pair of species of which there are particles; empty without a frame.
    pub fn finish(&self) -> Vec<PairDistribution> {
        if self.frames() == 0 {
            return Vec::new();
        }
        let (g, errors) = self.average.jackknife(<[f64]>::to_vec);
        let width = self.r_max / self.bins as f64;
        let r: Vec<f64> = (0..self.bins).map(|bin| (bin as f64 + 0.5) * width).collect();
        self.pairs()
            .filter(|&(a, b)| self.counts[a] > 0 && self.counts[b] > usize::from(a == b))
            .map(|(a, b)| {
                let range = self.pair_index(a, b) * self.bins..(self.pair_index(a, b) + 1) * self.bins;
                PairDistribution {
                    species: [self.names[a].clone(), self.names[b].clone()],
                    r: r.clone(),
                    g: g[range.clone()].to_vec(),
                    error: errors.as_ref().map(|e| e[range].to_vec()),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use glam::DMat3;
    use vitrion_core::random::{Counter, Stream};

    use super::*;

    fn names(n: usize) -> Vec<String> {
        ["A", "B", "C"][..n].iter().map(ToString::to_string).collect()
    }

    fn triclinic() -> Cell {
        let columns = [DVec3::new(12.0, 0.0, 0.0), DVec3::new(3.0, 11.0, 0.0), DVec3::new(-2.0, 4.0, 10.0)];
        Cell::new(DMat3::from_cols(columns[0], columns[1], columns[2])).unwrap()
    }

    #[test]
    fn ideal_gas_is_one_for_like_and_unlike_pairs_of_few_particles() {
        // 3 A and 5 B: with N^2 in place of N(N - 1) the like pairs would be 0.67 and 0.8.
        let species = [0, 0, 0, 1, 1, 1, 1, 1];
        let cell = triclinic();
        let r_max = RadialDistribution::largest_range(&cell);
        let mut rdf = RadialDistribution::new(&species, &names(2), r_max, 1.0).unwrap();
        for frame in 0..20_000 {
            let positions: Vec<DVec3> = (0..8)
                .map(|particle| {
                    let stream = Stream::BuilderPosition;
                    let [x, y, z, _] =
                        Counter { seed: 1, stream, replica: 0, step: frame, particle }.uniform();
                    // Not wrapped: the minimum image must not need it.
                    cell.cartesian(DVec3::new(x, y, z) * 7.0 - 3.0)
                })
                .collect();
            rdf.accumulate(&cell, &positions).unwrap();
        }
        let result = rdf.finish();
        assert_eq!(result.len(), 3);
        for pair in result {
            // The outer shells hold 3 of 8 pairs' chances: pairs * V_shell/V * frames counts, at least 3 * 0.02 * 2e4.
            let (n_a, n_b) = match (pair.species[0].as_str(), pair.species[1].as_str()) {
                ("A", "A") => (3.0, 1.0),
                ("B", "B") => (5.0, 2.0),
                _ => (3.0, 5.0),
            };
            for (r, g) in pair.r.iter().zip(&pair.g).skip(1) {
                let width = pair.r[1] - pair.r[0];
                let expected = n_a * n_b * 4.0 * PI * r * r * width / cell.volume() * 20_000.0;
                assert!((g - 1.0).abs() < 5.0 / expected.sqrt(), "{:?} r = {r}: {g}", pair.species);
            }
        }
    }

    #[test]
    fn simple_cubic_crystal_has_its_shells() {
        let edge = 6;
        let positions: Vec<DVec3> = (0..edge * edge * edge)
            .map(|i| DVec3::new(f64::from(i % edge), f64::from(i / edge % edge), f64::from(i / edge / edge)))
            .collect();
        let cell = Cell::cubic(f64::from(edge)).unwrap();
        let species = vec![0; positions.len()];
        let mut rdf = RadialDistribution::new(&species, &names(1), 2.9, 0.1).unwrap();
        rdf.accumulate(&cell, &positions).unwrap();
        let pair = &rdf.finish()[0];
        let n = positions.len() as f64;
        for (distance, neighbours) in
            [(1.0f64, 6.0), (2f64.sqrt(), 12.0), (3f64.sqrt(), 8.0), (2.0, 6.0), (5f64.sqrt(), 24.0)]
        {
            // A shell may lie on the border of two bins.
            let found: f64 = pair
                .r
                .iter()
                .zip(&pair.g)
                .filter(|(r, _)| (*r - distance).abs() < 0.11)
                .map(|(r, g)| {
                    let shell = 4.0 / 3.0 * PI * ((r + 0.05).powi(3) - (r - 0.05).powi(3));
                    g * shell * (n - 1.0) / cell.volume()
                })
                .sum();
            // Round-off of the shell volumes.
            assert!((found - neighbours).abs() < 1e-9, "{distance}: {found}");
        }
        // 1, sqrt 2, sqrt 3, 2, sqrt 5, sqrt 6 and sqrt 8.
        assert_eq!(pair.g.iter().filter(|&&g| g > 0.0).count(), 7);
    }

    #[test]
    fn each_frame_has_its_own_cell() {
        // The same fractional coordinates in a cell twice as large: g(r) -> g(r/2).
        let positions = [DVec3::new(1.0, 1.0, 1.0), DVec3::new(2.57, 1.0, 1.0)];
        let cell = Cell::cubic(10.0).unwrap();
        let species = [0, 1];
        let mut rdf = RadialDistribution::new(&species, &names(2), 4.0, 0.1).unwrap();
        rdf.accumulate(&cell, &positions).unwrap();
        rdf.accumulate(&cell.scaled(2.0), &positions.map(|r| r * 2.0)).unwrap();
        let pairs = rdf.finish();
        assert_eq!(pairs.len(), 1, "a single particle has no like pair");
        let at = |r: f64| pairs[0].g[(r / 0.1) as usize];
        let expected = |r: f64, volume: f64| {
            let inner = (r / 0.1).floor() * 0.1;
            0.5 * volume / (4.0 / 3.0 * PI * ((inner + 0.1).powi(3) - inner.powi(3)))
        };
        assert!((at(1.57) / expected(1.57, 1000.0) - 1.0).abs() < 1e-9);
        assert!((at(2.0 * 1.57) / expected(2.0 * 1.57, 8000.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn pairs_within_a_molecule_can_be_left_out() {
        let positions = [DVec3::ZERO, DVec3::X, DVec3::new(0.0, 2.55, 0.0)];
        let cell = Cell::cubic(10.0).unwrap();
        let rdf = RadialDistribution::new(&[0; 3], &names(1), 4.0, 0.1).unwrap();
        let mut rdf = rdf.between_molecules(&[0, 0, 1]);
        rdf.accumulate(&cell, &positions).unwrap();
        let pair = &rdf.finish()[0];
        assert_eq!(pair.g[10], 0.0, "the bond");
        assert!(pair.g[25] > 0.0 && pair.g[27] > 0.0, "both neighbours in the other molecule");
    }

    #[test]
    fn range_beyond_half_the_smallest_height_is_refused() {
        let cell = triclinic();
        let limit = RadialDistribution::largest_range(&cell);
        let mut rdf = RadialDistribution::new(&[0, 0], &names(1), limit + 0.01, 0.1).unwrap();
        let error = rdf.accumulate(&cell, &[DVec3::ZERO, DVec3::ONE]).unwrap_err();
        assert!(matches!(error, RdfError::CellTooSmall { .. }));
        assert!(RadialDistribution::new(&[0], &names(1), 1.0, 2.0).is_err());
        assert!(RadialDistribution::new(&[0], &names(1), f64::NAN, 0.1).is_err());
    }
}
