//! What a user chooses.

use crate::error::AnalysisError;
use crate::fits::kww::KwwSettings;
use crate::heterogeneity::jumps::JumpRule;

/// KWW fits of functions of all atoms begin after the decay into the cage (ps): at 700 K the MSD of CKN is flattest at 1.5 ps.
pub const FIT_START: f64 = 2.0;

/// Settings of all observables. An observable's results are measured again when a setting that it uses changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Wave numbers of scattering functions (1/angstrom).
    pub wave_numbers: Vec<f64>,
    /// Largest wave number of static structure factors (1/angstrom).
    pub q_max: f64,
    /// Range of pair distributions (angstrom); half the smallest height of the cell, at most 12, if none.
    pub r_max: Option<f64>,
    /// Bins of pair distributions; of about 0.05 angstrom each, if none.
    pub r_bins: Option<usize>,
    /// Most time origins a trajectory.
    pub origins: usize,
    /// Most frames a trajectory for static structure, spread evenly.
    pub structure_frames: usize,
    /// Length of the windows on whose means jumps are found (ps); those of the file, else 4 ns, if none.
    pub jump_window: Option<f64>,
    /// Displacement of a jump (angstrom); 2.5 if none.
    pub jump_threshold: Option<f64>,
    /// Which window means are compared.
    pub jump_rule: JumpRule,
    /// Span within which J ions jump (ps); 12 us, or the length of the trajectory, if none.
    pub jump_span: Option<f64>,
    /// Earliest time that takes part in KWW fits (ps): after the decay into the cage; each function's own choice if none.
    pub fit_start: Option<f64>,
    /// A fixed beta of KWW fits; free if none.
    pub fit_beta: Option<f64>,
    /// Memory for everything that is held (bytes).
    pub memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wave_numbers: vec![3.7, 6.3],
            q_max: 15.0,
            r_max: None,
            r_bins: None,
            origins: 1000,
            structure_frames: 1000,
            jump_window: None,
            jump_threshold: None,
            jump_rule: JumpRule::default(),
            jump_span: None,
            fit_start: None,
            fit_beta: None,
            memory: 4_000_000_000,
        }
    }
}

/// Shortest range of pair distributions (angstrom): no two atoms are closer.
const SHORTEST_RANGE: f64 = 0.1;
/// Most bins of pair distributions: of 0.001 angstrom in the usual range.
const MOST_BINS: usize = 10_000;
/// Largest wave number (1/angstrom), ten times that of diffractometers.
const LARGEST_WAVE_NUMBER: f64 = 100.0;
/// Most wave numbers of scattering functions.
const MOST_WAVE_NUMBERS: usize = 100;

impl Settings {
    /// Refuses what makes no sense, or would take any memory and time.
    pub fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |setting: &str, found: String, remedy: String| {
            Err(AnalysisError::Setting { setting: setting.to_string(), found, remedy })
        };
        if let Some(range) = self.r_max.filter(|r| !(*r >= SHORTEST_RANGE && r.is_finite())) {
            return refuse(
                "--r-max",
                format!("no two atoms are closer than {range} angstrom"),
                format!("give {SHORTEST_RANGE} angstrom or more"),
            );
        }
        if let Some(bins) = self.r_bins.filter(|bins| *bins > MOST_BINS) {
            return refuse("--r-bins", format!("{bins} bins"), format!("give at most {MOST_BINS}"));
        }
        for (setting, wave_numbers) in [("--q", &self.wave_numbers[..]), ("--q-max", &[self.q_max])] {
            if let Some(q) = wave_numbers.iter().find(|q| !(**q > 0.0 && **q <= LARGEST_WAVE_NUMBER)) {
                return refuse(
                    setting,
                    format!("a wave number of {q} 1/angstrom"),
                    format!("give one above zero and of at most {LARGEST_WAVE_NUMBER} 1/angstrom"),
                );
            }
        }
        if self.wave_numbers.len() > MOST_WAVE_NUMBERS {
            return refuse(
                "--q",
                format!("{} wave numbers", self.wave_numbers.len()),
                format!("give at most {MOST_WAVE_NUMBERS} at a time"),
            );
        }
        Ok(())
    }

    /// How relaxations of functions of all atoms are fitted.
    pub fn relaxation_fit(&self) -> KwwSettings {
        KwwSettings { start: self.fit_start.unwrap_or(FIT_START), beta: self.fit_beta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_any_memory_or_means_nothing_is_refused_by_its_name() {
        let defaults = Settings::default;
        assert!(defaults().check().is_ok());
        assert!(Settings { r_max: Some(0.1), r_bins: Some(10_000), ..defaults() }.check().is_ok());
        let refused = [
            ("--r-max", Settings { r_max: Some(0.01), ..defaults() }),
            ("--r-max", Settings { r_max: Some(f64::INFINITY), ..defaults() }),
            ("--r-bins", Settings { r_bins: Some(1_000_000_000), ..defaults() }),
            ("--q-max", Settings { q_max: 1e6, ..defaults() }),
            ("--q", Settings { wave_numbers: vec![3.7, 1e300], ..defaults() }),
            ("--q", Settings { wave_numbers: vec![1.0; 101], ..defaults() }),
        ];
        for (name, settings) in refused {
            let words = settings.check().unwrap_err().to_string();
            assert!(words.starts_with(&format!("{name}: ")) && words.contains("give"), "{words}");
        }
    }
}
