//! Fits of measured curves, with errors that mean what they say.
//!
//! A fit gives numbers with errors ([`Estimate`]), or [`Undetermined`] and why: data that do not determine a parameter never
//! give one. Errors of curves whose points are correlated (all time correlation functions) come from refitting replicas or
//! blocks ([`refit`]), never from the scatter of the points around the fit.

pub mod arrhenius;
pub mod broken_line;
pub mod diffusion;
pub mod kww;
pub mod kww_table;
pub mod least_squares;
pub mod line;
pub mod parameters;
pub mod power_law;
pub mod refit;
pub mod temperatures;
pub mod trimmed_mean;
pub mod vogel_fulcher_tammann;

/// A number and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error; NaN where nothing tells it (a single replica, points without errors).
    pub error: f64,
}

/// The data do not determine a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not determined: {why}")]
pub struct Undetermined {
    /// What is missing, and what would help.
    pub why: String,
}

impl Undetermined {
    /// With a reason.
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

/// Points of a curve; all slices have the same length.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    /// Where.
    pub x: &'a [f64],
    /// What.
    pub y: &'a [f64],
    /// Standard errors of `y`: weights are their inverse squares. None: all points count alike, and the scatter around the
    /// fit gives the errors.
    pub errors: Option<&'a [f64]>,
}

impl Points<'_> {
    /// Refuses slices of different lengths, numbers that are not finite and errors that are not positive.
    pub(crate) fn check(&self) -> Result<(), Undetermined> {
        let n = self.x.len();
        if self.y.len() != n || self.errors.is_some_and(|e| e.len() != n) {
            return Err(Undetermined::because("x, y and errors differ in length"));
        }
        if self.x.iter().chain(self.y).any(|v| !v.is_finite()) {
            return Err(Undetermined::because("a point is not a finite number"));
        }
        if self.errors.is_some_and(|e| e.iter().any(|e| !(*e > 0.0 && e.is_finite()))) {
            return Err(Undetermined::because("a point has no positive standard error"));
        }
        Ok(())
    }

    /// Standard error of point i, or 1.
    pub(crate) fn error(&self, i: usize) -> f64 {
        self.errors.map_or(1.0, |e| e[i])
    }
}
