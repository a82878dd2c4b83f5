//! Why an analysis cannot be done.

use std::path::PathBuf;

use vitrion_trajectory::h5md::H5mdError;
use vitrion_trajectory::lammps_dump::LammpsDumpError;

/// Ends the whole analysis. What only one observable lacks is [`crate::observable::Missing`] instead.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// A trajectory cannot be read.
    #[error(transparent)]
    H5md(#[from] H5mdError),
    /// A dump cannot be read.
    #[error(transparent)]
    Dump(#[from] LammpsDumpError),
    /// What is in a trajectory does not allow an analysis.
    #[error("{input}: {found}; {remedy}")]
    Input {
        /// The file.
        input: String,
        /// What was found there.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// Results cannot be written, or those that are there cannot be read.
    #[error("{}: {found}; {remedy}", path.display())]
    Results {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// A setting makes no sense.
    #[error("{setting}: {found}; {remedy}")]
    Setting {
        /// Name of the setting, as the program calls it.
        setting: String,
        /// What was given.
        found: String,
        /// What to do.
        remedy: String,
    },
}

impl AnalysisError {
    pub(crate) fn input(input: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Input { input: input.to_string(), found: found.into(), remedy: remedy.into() }
    }
}
