//! Which checkpoint a run goes on from: the newest that is intact, belongs to the run, and whose rows are in the trajectories.

use std::path::Path;

use vitrion_trajectory::checkpoint::{self, sha256};
use vitrion_trajectory::h5md::{Counts, Extension, H5mdError, TrajectoryWriter};

use super::checkpoint::RunCheckpoint;
use super::directory::Directory;
use super::{RunError, extension};
use crate::config::Config;
use crate::observer::Observer;

/// Reads the checkpoint of a run. If it is damaged, or newer than the trajectories (a copy that was made of a running run, file by file,
/// may be), the next best one takes its place, and the user is told.
pub(super) fn read(
    directory: &Directory,
    config: &Config,
    history: &[Extension],
    observer: &mut dyn Observer,
) -> Result<RunCheckpoint, RunError> {
    let path = directory.checkpoint();
    let mut findings: Vec<RunError> = Vec::new();
    // A checkpoint of this step, or a later one, needs more rows than there are.
    let mut too_late = u64::MAX;
    for candidate in checkpoint::candidates(&path) {
        let is_first = candidate == path;
        if !is_first && candidate.symlink_metadata().is_err() {
            continue;
        }
        let (header, mut checkpoint) = match checkpoint::read::<RunCheckpoint>(&candidate) {
            Ok(found) => found,
            Err(error) if error.is_damage() || !is_first => {
                findings.push(error.into());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let extension = match belongs(&candidate, &header.config_sha256, config, history) {
            Ok(extension) => extension,
            Err(error) if is_first => return Err(error),
            Err(error) => {
                findings.push(error);
                continue;
            }
        };
        if header.step >= too_late {
            continue;
        }
        if let Some(extension) = extension {
            checkpoint.extend(config, &extension::config_before(config, extension)?);
        }
        let [frames, thermo] = match rows_after(directory, &checkpoint.counts) {
            Ok(rows) => rows,
            Err(error @ H5mdError::Mismatch { .. }) => {
                too_late = header.step;
                findings.push(error.into());
                continue;
            }
            // Not the checkpoint's fault: said, with its remedy, where the trajectory is opened.
            Err(_) => [0, 0],
        };
        let step = header.step - checkpoint.first_step;
        if !is_first {
            for finding in &findings {
                observer.message(&finding.to_string());
            }
            checkpoint::promote(&path, &candidate)?;
            let kept = checkpoint::rejected(&path);
            let kept = if kept.exists() {
                format!("; the newer one is kept as `{}`", kept.display())
            } else {
                String::new()
            };
            observer.message(&format!(
                "going on from another checkpoint, `{}`, at step {step}{kept}",
                candidate.display()
            ));
        }
        if frames + thermo > 0 {
            observer.message(&format!(
                "the trajectories go further than the checkpoint at step {step}: {frames} frames and {thermo} rows of thermo after it \
                 are computed again, to the same bits"
            ));
        }
        return Ok(checkpoint);
    }
    if findings.len() == 1
        && let Some(only) = findings.pop()
    {
        return Err(only);
    }
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let findings = findings.join("\n  ");
    Err(RunError::NoGoodCheckpoint { directory: directory.path.clone(), findings })
}

/// That a checkpoint is one of this run. Returns the extension of the run before which it was written, if it was.
fn belongs<'a>(
    path: &Path,
    found: &str,
    config: &Config,
    history: &'a [Extension],
) -> Result<Option<&'a Extension>, RunError> {
    let expected = sha256(&config.text);
    if found == expected {
        return Ok(None);
    }
    if let Some(extension) = history.iter().find(|extension| extension.sha256_before() == found) {
        return Ok(Some(extension));
    }
    let short = |hash: &str| hash.chars().take(12).collect();
    Err(RunError::OtherCheckpoint {
        path: path.to_path_buf(),
        found: short(found),
        expected: short(&expected),
    })
}

/// The most frames and rows of thermo that a trajectory has after those of the checkpoint.
fn rows_after(directory: &Directory, counts: &[Counts]) -> Result<[usize; 2], H5mdError> {
    counts.iter().enumerate().try_fold([0, 0], |most, (replica, wanted)| {
        let found = TrajectoryWriter::holds(&directory.trajectory(replica), wanted)?;
        Ok([
            most[0].max(found.frames.saturating_sub(wanted.frames)),
            most[1].max(found.thermo.saturating_sub(wanted.thermo)),
        ])
    })
}

/// Whether a directory has a checkpoint of some kind: one that is only intact without its name counts, too.
pub(super) fn any(directory_checkpoint: &Path) -> bool {
    let [newest, unnamed, previous] = checkpoint::candidates(directory_checkpoint);
    let intact = |path: &Path| checkpoint::read_header(path).is_ok();
    newest.exists() || previous.exists() || unnamed.exists() && intact(&unnamed)
}
