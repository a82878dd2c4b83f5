//! Statistical errors: the jackknife over units that are nearly independent.
//!
//! A unit holds sums over a part of the data: a block of time of one replica, or a group of particles or of wave vectors. The
//! quantity is any function of the sums over all units; leaving out one unit after the other shows how much it scatters.
//! Efron and Stein, Ann. Stat. 9, 586 (1981), doi:10.1214/aos/1176345462; blocks of a correlated series: Flyvbjerg and
//! Petersen, J. Chem. Phys. 91, 461 (1989), doi:10.1063/1.457480.

/// Fewer units tell nothing about their scatter.
pub const FEWEST_UNITS: usize = 4;

/// Sum of all units, number by number; empty without units.
pub fn total(units: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; units.first().map_or(0, Vec::len)];
    for unit in units {
        sum.iter_mut().zip(unit).for_each(|(s, x)| *s += x);
    }
    sum
}

/// Standard errors of `function` of the total, from units that all count alike; none from fewer than four. For means of
/// equally long units this is the usual standard error.
pub fn standard_errors(units: &[Vec<f64>], function: impl Fn(&[f64]) -> Vec<f64>) -> Option<Vec<f64>> {
    let n = units.len();
    if n < FEWEST_UNITS {
        return None;
    }
    let total = total(units);
    let without = |unit: &Vec<f64>| {
        let rest: Vec<f64> = total.iter().zip(unit).map(|(t, x)| t - x).collect();
        function(&rest)
    };
    let partial: Vec<Vec<f64>> = units.iter().map(without).collect();
    let error = |quantity: usize| {
        let mean = partial.iter().map(|p| p[quantity]).sum::<f64>() / n as f64;
        let squares: f64 = partial.iter().map(|p| (p[quantity] - mean).powi(2)).sum();
        (squares * (n - 1) as f64 / n as f64).sqrt()
    };
    Some((0..partial[0].len()).map(error).collect())
}

/// Blocks of time a trajectory: sixteen units and more in all.
pub fn blocks_per_trajectory(trajectories: usize) -> usize {
    const UNITS: usize = 16;
    UNITS.div_ceil(trajectories.max(1))
}

#[cfg(test)]
mod tests {
    use vitrion_core::random::{Counter, Stream};

    use super::*;

    fn normal(index: u64) -> f64 {
        Counter { seed: 3, stream: Stream::Velocity, replica: 0, step: index, particle: 0 }.normal()[0]
    }

    #[test]
    fn error_of_a_mean_is_the_usual_one() {
        // 16 units of 256 independent numbers: sums of the number and of 1.
        let units: Vec<Vec<f64>> =
            (0..16).map(|u| vec![(0..256).map(|i| 5.0 + normal(u * 256 + i)).sum(), 256.0]).collect();
        let mean = |s: &[f64]| vec![s[0] / s[1]];
        let exact = 1.0 / 4096f64.sqrt();
        assert!((mean(&total(&units))[0] - 5.0).abs() < 4.0 * exact);
        let error = standard_errors(&units, mean).unwrap()[0];
        // 16 units give the error to 1/sqrt(30) = 18 %; three times that.
        assert!((error / exact - 1.0).abs() < 0.55, "{error} {exact}");
        let means: Vec<f64> = units.iter().map(|u| u[0] / u[1]).collect();
        let grand = means.iter().sum::<f64>() / 16.0;
        let usual = (means.iter().map(|m| (m - grand).powi(2)).sum::<f64>() / (16.0 * 15.0)).sqrt();
        // The same number by another way: round-off.
        assert!((error / usual - 1.0).abs() < 1e-9);
    }

    #[test]
    fn three_units_give_no_error() {
        assert!(standard_errors(&vec![vec![1.0]; 3], <[f64]>::to_vec).is_none());
        assert_eq!(standard_errors(&vec![vec![1.0]; 4], <[f64]>::to_vec), Some(vec![0.0]));
    }
}
