//! Block averages of a stream: means and their statistical errors in constant memory.
//!
//! Samples that follow one another are correlated; blocks much longer than the correlation time are not, so the scatter of
//! block means gives the error of the mean. Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989), doi:10.1063/1.457480.

/// Running block sums of `width` quantities sampled together.
///
/// At most 16 blocks are kept; when all are full, neighbours are merged and blocks become twice as long.
#[derive(Clone, Debug)]
pub struct BlockAverage {
    width: usize,
    /// Samples in a full block.
    length: u64,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    samples: u64,
    sums: Vec<f64>,
}

const MOST_BLOCKS: usize = 16;
/// Fewer blocks tell nothing about their scatter.
const FEWEST_BLOCKS: usize = 4;

impl BlockAverage {
    /// No samples yet, of `width` quantities.
    pub fn new(width: usize) -> Self {
        Self { width, length: 1, blocks: Vec::new() }
    }

    /// Adds one sample of all quantities.
    ///
    /// # Panics
    /// If `values` has another length than `width`.
    pub fn add(&mut self, values: &[f64]) {
        assert_eq!(values.len(), self.width, "one value a quantity");
        if self.blocks.last().is_none_or(|block| block.samples == self.length) {
            if self.blocks.len() == MOST_BLOCKS {
                self.merge_neighbours();
            }
            self.blocks.push(Block { samples: 0, sums: vec![0.0; self.width] });
        }
        if let Some(block) = self.blocks.last_mut() {
            block.samples += 1;
            block.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }

    fn merge_neighbours(&mut self) {
        self.length *= 2;
        let mut merged: Vec<Block> = Vec::with_capacity(MOST_BLOCKS);
        for (index, block) in self.blocks.drain(..).enumerate() {
            match merged.last_mut() {
                Some(last) if index % 2 == 1 => {
                    last.samples += block.samples;
                    last.sums.iter_mut().zip(&block.sums).for_each(|(sum, value)| *sum += value);
                }
                _ => merged.push(block),
            }
        }
        self.blocks = merged;
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.blocks.iter().map(|block| block.samples).sum()
    }

    /// Mean of each quantity; NaN without samples.
    pub fn means(&self) -> Vec<f64> {
        self.means_without(None)
    }

    fn means_without(&self, left_out: Option<usize>) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        let mut samples = 0;
        for (index, block) in self.blocks.iter().enumerate() {
            if Some(index) != left_out {
                samples += block.samples;
                sums.iter_mut().zip(&block.sums).for_each(|(sum, value)| *sum += value);
            }
        }
        sums.iter().map(|sum| sum / samples as f64).collect()
    }

    /// Values and standard errors of quantities that are functions of the means, by the jackknife over blocks; no errors
    /// from fewer than 4 blocks. For the means themselves this is the usual standard error.
    pub fn jackknife(&self, function: impl Fn(&[f64]) -> Vec<f64>) -> (Vec<f64>, Option<Vec<f64>>) {
        let values = function(&self.means());
        let n = self.blocks.len();
        if n < FEWEST_BLOCKS {
            return (values, None);
        }
        let partial: Vec<Vec<f64>> = (0..n).map(|k| function(&self.means_without(Some(k)))).collect();
        let error = |quantity: usize| {
            let mean = partial.iter().map(|p| p[quantity]).sum::<f64>() / n as f64;
            let squares: f64 = partial.iter().map(|p| (p[quantity] - mean).powi(2)).sum();
            (squares * (n - 1) as f64 / n as f64).sqrt()
        };
        let errors = (0..values.len()).map(error).collect();
        (values, Some(errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::random::{Counter, Stream};

    fn normal(index: u64) -> f64 {
        Counter { seed: 3, stream: Stream::Velocity, replica: 0, step: index, particle: 0 }.normal()[0]
    }

    #[test]
    fn mean_and_error_of_independent_samples() {
        let n = 4096;
        let mut average = BlockAverage::new(2);
        for i in 0..n {
            average.add(&[5.0 + normal(i), 1.0]);
        }
        assert_eq!(average.samples(), n);
        let (means, errors) = average.jackknife(<[f64]>::to_vec);
        let errors = errors.unwrap();
        let exact = 1.0 / (n as f64).sqrt();
        assert!((means[0] - 5.0).abs() < 4.0 * exact);
        // 16 blocks give the error to 1/sqrt(30) = 18 %; three times that.
        assert!((errors[0] / exact - 1.0).abs() < 0.55, "{} {exact}", errors[0]);
        assert!(means[1] == 1.0 && errors[1] < 1e-15);
    }

    #[test]
    fn correlated_samples_have_a_larger_error() {
        let mut average = BlockAverage::new(1);
        for i in 0..4096 {
            // Each number 16 times: an error 4 times that of independent samples.
            average.add(&[normal(i / 16)]);
        }
        let (_, errors) = average.jackknife(<[f64]>::to_vec);
        let ratio = errors.unwrap()[0] * 64.0;
        assert!((2.0..6.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn too_few_samples_have_no_error() {
        let mut average = BlockAverage::new(1);
        assert!(average.means()[0].is_nan());
        for _ in 0..3 {
            average.add(&[1.0]);
        }
        assert!(average.jackknife(<[f64]>::to_vec).1.is_none());
    }
}
