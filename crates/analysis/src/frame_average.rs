//! Averages over single frames: what all static structure shares.

use crate::inputs::Inputs;
use crate::jackknife;

/// At most so many frames of each trajectory, spread evenly, in blocks of time for errors.
pub struct FrameAverage {
    /// Per trajectory: the chosen frames, increasing.
    chosen: Vec<Vec<usize>>,
    /// Per trajectory: blocks of sums.
    blocks: Vec<Vec<Vec<f64>>>,
    width: usize,
    frames: u64,
}

impl FrameAverage {
    /// Of `width` numbers, over at most `most` frames of each trajectory.
    pub fn new(inputs: &Inputs, most: usize, width: usize) -> Self {
        let lengths: Vec<usize> = inputs.trajectories.iter().map(|t| t.frames()).collect();
        let blocks = jackknife::blocks_per_trajectory(lengths.len());
        let chosen: Vec<Vec<usize>> = lengths.iter().map(|&frames| evenly_spread(frames, most)).collect();
        // One more number: how many frames.
        let blocks = chosen.iter().map(|c| vec![vec![0.0; width + 1]; blocks.min(c.len())]).collect();
        Self { chosen, blocks, width, frames: 0 }
    }

    /// Whether a frame is one of the chosen.
    pub fn wants(&self, trajectory: usize, index: usize) -> bool {
        self.chosen[trajectory].binary_search(&index).is_ok()
    }

    /// Chosen frames of a trajectory.
    pub fn chosen(&self, trajectory: usize) -> &[usize] {
        &self.chosen[trajectory]
    }

    /// Number of trajectories.
    pub fn trajectories(&self) -> usize {
        self.chosen.len()
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Adds the numbers of a chosen frame; of another one, nothing.
    pub fn add(&mut self, trajectory: usize, index: usize, values: &[f64]) {
        let chosen = &self.chosen[trajectory];
        let Ok(place) = chosen.binary_search(&index) else { return };
        let blocks = &mut self.blocks[trajectory];
        let block = place * blocks.len() / chosen.len();
        let sums = &mut blocks[block];
        sums.iter_mut().zip(values).for_each(|(s, x)| *s += x);
        sums[self.width] += 1.0;
        self.frames += 1;
    }

    /// `function` of the means over frames, and its standard errors from blocks: NaN from fewer than four.
    pub fn finish(&self, function: impl Fn(&[f64]) -> Vec<f64>) -> (Vec<f64>, Vec<f64>) {
        let of_sums = |sums: &[f64]| {
            let means: Vec<f64> = sums[..self.width].iter().map(|s| s / sums[self.width]).collect();
            function(&means)
        };
        let blocks: Vec<Vec<f64>> =
            self.blocks.iter().flatten().filter(|b| b[self.width] > 0.0).cloned().collect();
        if blocks.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let values = of_sums(&jackknife::total(&blocks));
        let errors = jackknife::standard_errors(&blocks, of_sums);
        let unknown = vec![f64::NAN; values.len()];
        (values, errors.unwrap_or(unknown))
    }
}

/// `most` of the numbers below `n`, or all.
fn evenly_spread(n: usize, most: usize) -> Vec<usize> {
    let m = n.min(most.max(1));
    (0..m).map(|i| i * n / m).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_frames_spread_over_the_trajectory() {
        assert_eq!(evenly_spread(100, 4), [0, 25, 50, 75]);
        assert_eq!(evenly_spread(3, 10), [0, 1, 2]);
        assert!(evenly_spread(0, 3).is_empty());
    }
}
