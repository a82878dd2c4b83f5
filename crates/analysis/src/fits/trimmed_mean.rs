//! Trimmed mean: what runs have in common without the farthest of them.
//!
//! Saito et al., Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536, average the six middle relaxation times of ten runs. For n
//! values this leaves out floor(n/5) at either end, unless a number is given. Standard error from the Winsorised variance s_w^2 (values beyond the cut are
//! replaced by the nearest that is kept): s_w / ((1 - 2 g/n) sqrt(n)); Tukey and McLaughlin, Sankhya A 25, 331 (1963).

use super::{Estimate, Undetermined};

/// The paper leaves out two at either end of ten.
const LEFT_OUT: usize = 5;

/// The mean of all but the floor(n/5) largest and smallest values; at least five values.
pub fn trimmed_mean(values: &[f64]) -> Result<Estimate, Undetermined> {
    let n = values.len();
    if n < LEFT_OUT {
        return Err(Undetermined::because(format!("a trimmed mean of {n} runs; it needs {LEFT_OUT}")));
    }
    trimmed_mean_without(values, n / LEFT_OUT)
}

/// The mean of all but the `cut` largest and the `cut` smallest values, of which at least two are left.
pub fn trimmed_mean_without(values: &[f64], cut: usize) -> Result<Estimate, Undetermined> {
    let n = values.len();
    if n < 2 * cut + 2 {
        return Err(Undetermined::because(format!(
            "{n} values without the {cut} largest and the {cut} smallest; at least {} are needed",
            2 * cut + 2
        )));
    }
    if values.iter().any(|v| !v.is_finite()) {
        return Err(Undetermined::because("a run has no finite value"));
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let kept = &sorted[cut..n - cut];
    let value = kept.iter().sum::<f64>() / kept.len() as f64;
    let winsorised: Vec<f64> = sorted.iter().map(|v| v.clamp(kept[0], kept[kept.len() - 1])).collect();
    let mean = winsorised.iter().sum::<f64>() / n as f64;
    let variance = winsorised.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    Ok(Estimate { value, error: variance.sqrt() / (kept.len() as f64 / n as f64 * (n as f64).sqrt()) })
}

#[cfg(test)]
mod tests {
    use vitrion_core::random::{Counter, Stream};

    use super::*;

    #[test]
    fn six_middle_ones_of_ten() {
        let runs = [9.0, 1.0, 4.0, -50.0, 5.0, 6.0, 1e6, 3.0, 8.0, 7.0];
        let found = trimmed_mean(&runs).unwrap();
        // Without -50, 1 and 9, 1e6.
        assert_eq!(found.value, (3.0 + 4.0 + 5.0 + 6.0 + 7.0 + 8.0) / 6.0);
        // 3, 3, 3, 4, 5, 6, 7, 8, 8, 8 have mean 5.5 and variance 42.5/9.
        let exact = (42.5f64 / 9.0).sqrt() / (0.6 * 10f64.sqrt());
        assert!((found.error - exact).abs() < 1e-12);
        assert_eq!(trimmed_mean_without(&runs, 2).unwrap(), found);
        // None left out: the usual mean and its standard error, of 1, 2, 3, 4: 2.5 +- sqrt(5/3)/2.
        let plain = trimmed_mean_without(&[1.0, 4.0, 2.0, 3.0], 0).unwrap();
        assert!(plain.value == 2.5 && (plain.error - (5.0f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
        assert!(trimmed_mean_without(&runs[..5], 2).is_err());
        assert!(trimmed_mean(&runs[..4]).is_err());
        assert!(trimmed_mean(&[1.0, 2.0, 3.0, f64::NAN, 4.0]).is_err());
    }

    #[test]
    fn error_is_the_scatter_of_trimmed_means() {
        let draws: Vec<Estimate> = (0..2000)
            .map(|draw| {
                let normal = |particle| {
                    let stream = Stream::Velocity;
                    Counter { seed: 5, stream, replica: 0, step: draw, particle }.normal()
                };
                let values: Vec<f64> = (0..5).flat_map(|p| normal(p)[..2].to_vec()).collect();
                trimmed_mean(&values).unwrap()
            })
            .collect();
        let variance = draws.iter().map(|d| d.value.powi(2)).sum::<f64>() / draws.len() as f64;
        let claimed = draws.iter().map(|d| d.error.powi(2)).sum::<f64>() / draws.len() as f64;
        // The formula is asymptotic; for ten normal values it is known to be good to some 10 % of the variance, and 2,000
        // draws show the variance to 3 %.
        assert!((claimed / variance - 1.0).abs() < 0.2, "{claimed} {variance}");
    }
}
