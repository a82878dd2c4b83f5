//! H5MD 1.1 trajectories: one HDF5 file a replica. de Buyl, Colberg, Höfling, Comput. Phys. Commun. 185, 1546 (2014),
//! doi:10.1016/j.cpc.2014.01.018.
//!
//! ```text
//! /h5md                      version, author, creator
//! /particles/all             every atom: position (f32, molecules whole around their wrapped centres), velocity (f32, if
//!                            asked for), box (edges: rows are the edge vectors), species, mass, charge, molecule
//! /particles/centres         one particle a molecule (N, K, Ca): position (f64, unwrapped), the same box, species ...
//! /vitrion                   closed: 1 after an orderly end, 0 while the file is written and after a kill
//! /vitrion/provenance        attributes: configuration, its SHA-256, force field, version, command, host, start,
//!                            backend, device and driver (`hardware`, if the backend has one), and how it was made longer
//!                            (`extensions`, JSON, if it was)
//! /vitrion/stages            name, first_step, steps, timestep
//! /vitrion/thermo            step, time and one growing dataset a quantity
//! /vitrion/window_means/S    step, time, value: means of the centres over the windows of stage S
//! /vitrion/ion_stress/S      step, time, value (f32, windows x molecules x 6, `components` xx yy zz xy xz yz): means of the stress of
//!                            each ion over the windows of stage S, not divided by a volume; only where a stage takes it
//! /vitrion/stress_correlation/S   the columns of the correlator of stage S
//! ```
//!
//! Every number has a `unit` attribute. Time-dependent elements share one `step` and one `time` by hard links. The group that
//! comes first in the alphabet is `all`, the only one that some readers look at.
//!
//! **Kills.** Frames are flushed one by one in the default (oldest) file format. A chunk of a compressed dataset is one frame, so it is
//! written once and never moved; chunks of small datasets are uncompressed and rewritten in place. The chunk index is sized for the
//! number of frames to come, so that its nodes do not split. A process that dies between two flushes leaves a file that opens with all of its
//! frames. One that dies within a flush may leave a directory that is ahead of its file: of the frame that was being written readers may see a
//! row of NaN, and [`reader::TrajectoryReader`] leaves it out; or HDF5 refuses the last rows, or all of the file, until the run goes
//! on. That does not ask HDF5: what a checkpoint counts is found by the journal ([`journal`]), after a kill and after a power cut.

mod boxes;
mod closing;
mod elements;
mod groups;
mod identity;
mod journal;
mod moments;
mod opening;
mod own;
mod plain;
mod plausible;
mod provenance;
mod raw_chunks;
pub mod reader;
mod resume;
mod series;
mod source;
mod species;
mod summary;
mod thermo;
mod timing;
mod touch;
mod units;
pub mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use groups::{GroupSummary, groups_in};
pub use journal::{BeforeCheckpoint, before_checkpoint};
pub use plain::{PlainHeader, PlainWriter};
pub use plausible::{AtOnce, announces_too_much};
pub use provenance::{Extension, Provenance, Stage};
pub use reader::{ReadFrame, SpeciesTable, TrajectoryReader};
pub use resume::{Resume, Standing, Watch};
pub use summary::Summary;
pub use thermo::{QUANTITIES, Quantity};
pub use touch::touch;
pub use writer::{Column, Counts, Frame, Header, Table, TrajectoryWriter};

/// Why a trajectory cannot be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum H5mdError {
    /// The file to be created is there.
    #[error("{}: exists already, and is not overwritten; resume the run that wrote it, or give another directory", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system or the HDF5 library refuses to write.
    #[error("{}: cannot write {what}: {reason}; {remedy}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was being written.
        what: String,
        /// What the library or the system says.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// What is to be written does not fit the file.
    #[error("{}: {found}, but {expected}; {remedy}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What was given.
        found: String,
        /// What the file needs.
        expected: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The journal of a trajectory cannot be used.
    #[error("{}: the journal of a trajectory cannot be used: {found}; restore it from a copy together with its trajectory, or move it away: \
             then the trajectory alone is gone on with, if HDF5 can read it", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// It was asked to stop while a trajectory was verified or made anew.
    #[error("{}: stopped before the run went on; nothing that was there is changed", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened.
    #[error("{}: cannot be opened: {reason}; {remedy}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the library or the system says.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Something is not in the file.
    #[error("{}: there is no `{what}`; {remedy}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Path of the object within the file.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Something in the file cannot be read or understood.
    #[error("{}: cannot read `{what}`: {reason}; the file may be damaged or not follow H5MD", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Path of the object within the file.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The unit of something is none that it can be read in.
    #[error("{}: cannot read `{what}`: {found}; write it in units that have a size, such as nm, ps, u, or products of them (`nm ps-1`)", path.display())]
    Unit {
        /// The file.
        path: PathBuf,
        /// Path of the object within the file.
        what: String,
        /// What its unit is.
        found: String,
    },
    /// A frame that does not exist was asked for.
    #[error("{}: there is no frame {frame}; frames are numbered from 0 and there are {frames}", path.display())]
    NoSuchFrame {
        /// The file.
        path: PathBuf,
        /// Asked for.
        frame: usize,
        /// Number of frames.
        frames: usize,
    },
}

fn missing(path: &Path, what: &str, remedy: &'static str) -> H5mdError {
    H5mdError::Missing { path: path.to_path_buf(), what: what.to_string(), remedy }
}

/// What went wrong, in the words of the system where it was the system.
fn reason(error: &hdf5::Error) -> String {
    let text = error.to_string();
    match text.split_once("error message = '").and_then(|(_, rest)| rest.split_once('\'')) {
        Some((message, _)) => message.to_string(),
        None => text,
    }
}

fn write_error<'a>(path: &'a Path, what: &'a str) -> impl FnOnce(hdf5::Error) -> H5mdError + 'a {
    move |error| {
        let reason = reason(&error);
        let remedy =
            if reason.contains("space left") || reason.contains("too large") || reason.contains("quota") {
                "free some space and resume: what was flushed before is intact"
            } else {
                "check the directory, its permissions and the disk, then resume"
            };
        H5mdError::Write { path: path.to_path_buf(), what: what.to_string(), reason, remedy }
    }
}

/// A name that nothing has: this one, or with the first free number.
pub(crate) fn free_name(path: &Path) -> PathBuf {
    let numbered = (2..).map(|number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    });
    let mut names = std::iter::once(path.to_path_buf()).chain(numbered);
    names.find(|name| name.symlink_metadata().is_err()).unwrap_or_else(|| path.to_path_buf())
}

fn system_error<'a>(path: &'a Path, what: &'a str) -> impl FnOnce(std::io::Error) -> H5mdError + 'a {
    move |error| write_error(path, what)(hdf5::Error::Internal(error.to_string()))
}

/// Without file locks: others may read while this process writes.
fn options() -> hdf5::FileBuilder {
    hdf5::silence_errors(true);
    let mut options = hdf5::File::with_options();
    options.fapl().libver_earliest().file_locking(false);
    options
}
