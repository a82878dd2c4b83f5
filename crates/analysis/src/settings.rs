//! What a user chooses.

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

impl Settings {
    /// How relaxations of functions of all atoms are fitted.
    pub fn relaxation_fit(&self) -> KwwSettings {
        KwwSettings { start: self.fit_start.unwrap_or(FIT_START), beta: self.fit_beta }
    }
}
