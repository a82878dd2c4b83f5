//! Why a run ends with an error.

use std::path::{Path, PathBuf};

use vitrion_core::backend::BackendError;
use vitrion_core::builder::BuilderError;
use vitrion_core::cpu::BuildError;
use vitrion_core::force_field::file::ForceFieldError;
use vitrion_gpu::build::GpuBuildError;
use vitrion_trajectory::checkpoint::CheckpointError;
use vitrion_trajectory::h5md::H5mdError;
use vitrion_trajectory::lammps_data::{LammpsDataError, NotRigid};

use super::open_files;
use crate::config::ConfigError;

/// Why a run ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is not accepted.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The force field is not accepted.
    #[error(transparent)]
    ForceField(#[from] ForceFieldError),
    /// The first state cannot be built.
    #[error(transparent)]
    Builder(#[from] BuilderError),
    /// The first state cannot be read.
    #[error(transparent)]
    LammpsData(#[from] LammpsDataError),
    /// The first state has another molecule.
    #[error(transparent)]
    NotRigid(#[from] NotRigid),
    /// The backend cannot be set up.
    #[error("{0}")]
    Build(#[source] Box<BuildError>),
    /// The GPU backend cannot be set up.
    #[error("{0}")]
    Gpu(#[source] Box<GpuBuildError>),
    /// The threads cannot be started.
    #[error("{threads} threads cannot be started: {reason}; give fewer in `run.threads`")]
    Threads {
        /// Number asked for.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// A step failed. What was written up to the last checkpoint is intact.
    #[error(
        "stage `{stage}`: {source}; all up to the last checkpoint in {} is intact, but going on from there would lead to the same \
         step with the same bits: change the configuration and begin a new run",
        directory.display()
    )]
    Step {
        /// Stage.
        stage: String,
        /// Run directory.
        directory: PathBuf,
        /// What failed.
        source: Box<BackendError>,
    },
    /// Dynamics cannot begin from the first state.
    #[error("dynamics cannot begin from the first state: {source}")]
    Start {
        /// What failed.
        source: Box<BackendError>,
    },
    /// The steps that measure the speed failed.
    #[error("the speed cannot be measured: {source}")]
    Speed {
        /// What failed.
        source: Box<BackendError>,
    },
    /// A trajectory cannot be written or read.
    #[error(transparent)]
    Trajectory(#[from] H5mdError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The system refuses something else.
    #[error("{}: cannot {action}: {source}; {remedy}", path.display())]
    System {
        /// File or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// Another process runs there.
    #[error(
        "{}: another vitrion process is running in this directory; wait for it, stop it, or give another directory",
        directory.display()
    )]
    Locked {
        /// Run directory.
        directory: PathBuf,
    },
    /// The lock is no longer that of this process, so another one may run there.
    #[error(
        "{}: this file was removed or replaced while the run held it, so another process may be writing to the same directory; the run ends here \
         with its last checkpoint: leave the files of the lock alone, and start it again when no other is running there",
        file.display()
    )]
    LockLost {
        /// The file.
        file: PathBuf,
    },
    /// Another process says that it runs there, where the file system has no locks.
    #[error(
        "{}: {owner} works in this directory, says `{}`; wait for it, stop it, or give another directory; {remedy}",
        directory.display(), file.display()
    )]
    Owned {
        /// Run directory.
        directory: PathBuf,
        /// The file that says so.
        file: PathBuf,
        /// The process.
        owner: String,
        /// What to do if it is not true.
        remedy: &'static str,
    },
    /// The system lets the process open too few files.
    #[error(
        "{replicas} replicas need {needed} open files at once (one trajectory each, and some), but the system allows this process {limit}; \
         raise the limit with `ulimit -n {needed}` before the run{}, or run fewer replicas",
        if needed > hard { format!(" (up to {hard}; only an administrator can allow more)") } else { String::new() }
    )]
    OpenFiles {
        /// Replicas of the run.
        replicas: usize,
        /// Files to be open at once.
        needed: u64,
        /// Those allowed.
        limit: u64,
        /// To which the user may raise that.
        hard: u64,
    },
    /// The directory is no run and not empty.
    #[error("{}: this directory holds other files ({found}); give a new directory", directory.display())]
    Occupied {
        /// Directory.
        directory: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// Data without the checkpoint that belongs to it.
    #[error(
        "{}: there is a trajectory with data ({trajectory}) but no checkpoint, so the run cannot go on, and nothing is overwritten; \
         restore the checkpoint, or give a new directory",
        directory.display()
    )]
    NoCheckpoint {
        /// Directory.
        directory: PathBuf,
        /// The trajectory.
        trajectory: String,
    },
    /// There are checkpoints, but none to go on from.
    #[error(
        "{}: there is no checkpoint from which this run can go on, and nothing is changed:\n  {findings}\nrestore one of them, or trajectories that \
         are as long as it says (in a copy of a run that is going on, copy `checkpoint` before the trajectories), or begin a new run from the \
         last frame (`vitrion convert TRAJECTORY start.data --frame last`, and `initial = \"start.data\"`)",
        directory.display()
    )]
    NoGoodCheckpoint {
        /// Run directory.
        directory: PathBuf,
        /// What is wrong with each, a line each.
        findings: String,
    },
    /// The checkpoint was put there from elsewhere.
    #[error(
        "{}: this checkpoint belongs to another {what} (SHA-256 {found}...) than this run (SHA-256 {expected}...); restore the \
         one of this run, or give a new directory",
        path.display()
    )]
    OtherCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is another.
        what: &'static str,
        /// Beginning of the hash in it.
        found: String,
        /// Beginning of the hash of the run's.
        expected: String,
    },
    /// A fresh run was asked for where files are.
    #[error(
        "{}: this directory is not empty, and a fresh run overwrites nothing; give a new directory, or resume without --fresh",
        directory.display()
    )]
    NotFresh {
        /// Directory.
        directory: PathBuf,
    },
    /// The directory holds the run of another configuration.
    #[error(
        "{}: this run was made with another configuration; these keys differ: {keys}; {remedy}, or give a new directory",
        directory.display()
    )]
    OtherConfig {
        /// Run directory.
        directory: PathBuf,
        /// Keys that differ.
        keys: String,
        /// What to do.
        remedy: String,
    },
    /// There is no run to make longer.
    #[error(
        "{}: there is no run here that could be extended; begin it without --extend, with the whole `duration` in the configuration",
        directory.display()
    )]
    NothingToExtend {
        /// Run directory.
        directory: PathBuf,
    },
    /// The records of extensions are damaged.
    #[error(
        "{}: the record of how this run was extended cannot be read ({reason}); restore it from a copy, or put it away: without it the run goes \
         on if its checkpoint and trajectories are newer than the last extension",
        path.display()
    )]
    Extensions {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The force field has changed since the run began.
    #[error(
        "{}: the force field `{name}` is not the one that this run began with ({}); restore it, or give a new directory",
        directory.display(), directory.join("force_field.toml").display()
    )]
    OtherForceField {
        /// Run directory.
        directory: PathBuf,
        /// Name in the configuration.
        name: String,
    },
    /// The run began from another state.
    #[error(
        "{}: `system.initial` of this run was another file: `{}` differs from the copy `{}`; put the old file back, or choose another \
         directory with --dir to begin a new run",
        directory.display(), initial.display(), directory.join("initial.data").display()
    )]
    OtherInitial {
        /// Run directory.
        directory: PathBuf,
        /// File that the configuration names.
        initial: PathBuf,
    },
}

impl From<GpuBuildError> for RunError {
    fn from(error: GpuBuildError) -> Self {
        Self::Gpu(Box::new(error))
    }
}

impl From<BuildError> for RunError {
    fn from(error: BuildError) -> Self {
        Self::Build(Box::new(error))
    }
}

impl RunError {
    /// Whether nothing went wrong, but somebody asked to stop.
    pub(super) fn is_stop(&self) -> bool {
        matches!(self, Self::Trajectory(H5mdError::Stopped { .. }))
    }

    /// For `map_err` on calls to the system.
    pub(super) fn system<'a>(
        path: &'a Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| {
            let remedy = if open_files::are_too_many(&source) {
                "raise the limit with `ulimit -n`, or run fewer replicas"
            } else {
                "check the path, its permissions and the space on the disk"
            };
            Self::System { path: path.to_path_buf(), action, source, remedy }
        }
    }
}
