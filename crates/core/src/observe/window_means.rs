//! Means of each ion's unwrapped position over consecutive windows.
//!
//! Within a window the displacements from the window's first sample are summed as integers of 2^-24 angstrom, so that the
//! sum has the same bits in any order and on any backend.

use glam::DVec3;
use serde::{Deserialize, Serialize};

use crate::backend::Window;

/// Running window means of all replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowMeans {
    window: Window,
    samples: u64,
    first: Vec<DVec3>,
    sums: Vec<[i64; 3]>,
}

/// Integer units per angstrom: 2^24, so that 2^39 A samples fit an i64 with 6e-8 A resolution.
const UNITS_PER_ANGSTROM: f64 = 16_777_216.0;

impl WindowMeans {
    /// Empty windows for `n` ions (all replicas together).
    pub fn new(window: Window, n: usize) -> Self {
        Self { window, samples: 0, first: vec![DVec3::ZERO; n], sums: vec![[0; 3]; n] }
    }

    /// The window specification.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Adds a sample of unwrapped positions (angstrom, one an ion). Returns the means when it completes a window.
    pub fn add(&mut self, positions: &[DVec3]) -> Option<Vec<DVec3>> {
        if self.samples == 0 {
            self.first.copy_from_slice(positions);
            self.sums.fill([0; 3]);
        }
        for ((sum, first), position) in self.sums.iter_mut().zip(&self.first).zip(positions) {
            let d = (*position - *first) * UNITS_PER_ANGSTROM;
            for (total, component) in sum.iter_mut().zip(d.to_array()) {
                *total += component.round() as i64;
            }
        }
        self.samples += 1;
        if self.samples < self.window.samples {
            return None;
        }
        let scale = 1.0 / (UNITS_PER_ANGSTROM * self.samples as f64);
        self.samples = 0;
        Some(
            self.first
                .iter()
                .zip(&self.sums)
                .map(|(first, sum)| *first + DVec3::from(sum.map(|s| s as f64)) * scale)
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_of_uniform_motion_is_the_middle_of_the_window() {
        let mut means = WindowMeans::new(Window { sample_every: 10, samples: 5 }, 1);
        let at = |k: u64| DVec3::new(100.0 + 0.25 * k as f64, -3.0, 0.5 * k as f64);
        for k in 0..4 {
            assert!(means.add(&[at(k)]).is_none());
        }
        let mean = means.add(&[at(4)]).expect("five samples complete the window")[0];
        // Half a unit of the integer grid.
        assert!((mean - at(2)).length() < 1e-7);
        assert!(means.add(&[at(5)]).is_none(), "the next window starts afresh");
    }
}
