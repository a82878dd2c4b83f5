//! Which checkpoint a run goes on from: the newest that is intact, belongs to the run, and whose rows are in the trajectories, byte for byte
//! where they have to be taken from there.

use std::path::Path;

use vitrion_trajectory::checkpoint::{self, Header, sha256};
use vitrion_trajectory::h5md::{Counts, Extension, H5mdError, Standing, Watch};

use super::checkpoint::RunCheckpoint;
use super::directory::Directory;
use super::onlooker::Onlooker;
use super::{RunError, extension, start_sha256};
use crate::config::Config;
use crate::observer::Observer;
use crate::system::Prepared;

/// Reads the checkpoint of a run. If it is damaged, or newer than the trajectories (a copy that was made of a running run, file by file,
/// may be), the next best one takes its place, and the user is told.
pub(super) fn read(
    directory: &Directory,
    config: &Config,
    prepared: &Prepared,
    history: &[Extension],
    onlooker: &mut Onlooker,
) -> Result<(RunCheckpoint, Vec<Standing>), RunError> {
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
        let extension =
            match belongs(&candidate, &header, [config.text.as_str(), &start_sha256(prepared)], history) {
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
        let standing = match standing(
            directory,
            &checkpoint.counts,
            &mut onlooker.watch("looking for the rows of the checkpoint"),
        ) {
            Ok(standing) => standing,
            Err(error @ H5mdError::Mismatch { .. }) => {
                too_late = header.step;
                findings.push(error.into());
                continue;
            }
            // Not the checkpoint's fault.
            Err(error) => return Err(error.into()),
        };
        let step = header.step - checkpoint.first_step;
        if !is_first {
            for finding in &findings {
                onlooker.observer.message(&finding.to_string());
            }
            let kept = checkpoint::promote(&path, &candidate)?;
            let kept =
                kept.map_or(String::new(), |kept| format!("; the newer one is kept as `{}`", kept.display()));
            onlooker.observer.message(&format!(
                "going on from another checkpoint, `{}`, at step {step}{kept}",
                candidate.display()
            ));
        }
        say(&standing, step, onlooker.observer);
        return Ok((checkpoint, standing));
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

/// That a checkpoint is one of the run with this configuration, which began from what has this hash. Returns the extension of the run
/// before which it was written, if it was.
fn belongs<'a>(
    path: &Path,
    found: &Header,
    [config, start]: [&str; 2],
    history: &'a [Extension],
) -> Result<Option<&'a Extension>, RunError> {
    let short = |hash: &str| hash.chars().take(12).collect();
    let other = |what, found: &str, expected: &str| RunError::OtherCheckpoint {
        path: path.to_path_buf(),
        what,
        found: short(found),
        expected: short(expected),
    };
    // Those of earlier versions do not say.
    if let Some(theirs) = found.start_sha256.as_ref().filter(|theirs| *theirs != start) {
        return Err(other("force field or first state", theirs, start));
    }
    let (theirs, expected) = (&found.config_sha256, sha256(config));
    if *theirs == expected {
        return Ok(None);
    }
    let extension = history.iter().find(|extension| extension.sha256_before() == *theirs);
    extension.map(Some).ok_or_else(|| other("configuration", theirs, &expected))
}

/// The trajectories of all replicas, with the rows of a checkpoint.
fn standing(directory: &Directory, counts: &[Counts], watch: &mut Watch) -> Result<Vec<Standing>, H5mdError> {
    let replicas = counts.iter().enumerate();
    replicas.map(|(replica, counts)| Standing::find(&directory.trajectory(replica), counts, watch)).collect()
}

/// Tells the user what is not as a run leaves it that was stopped in order.
fn say(standing: &[Standing], step: u64, observer: &mut dyn Observer) {
    standing.iter().filter_map(Standing::note).for_each(|note| observer.message(&note));
    let most = |index: usize| standing.iter().map(|s| s.rows_after()[index]).max().unwrap_or(0);
    let (frames, thermo) = (most(0), most(1));
    let bytes: u64 = standing.iter().map(Standing::bytes_after).sum();
    let what = match (frames + thermo, bytes) {
        (0, 0) => return,
        // After a kill nobody has counted them.
        (0, bytes) => format!("what {bytes} bytes hold after it is computed again"),
        _ => format!("{frames} frames and {thermo} rows of thermo after it are computed again"),
    };
    observer.message(&format!(
        "the trajectories go further than the checkpoint at step {step}: {what}, to the same bits"
    ));
}

/// Whether a directory has a checkpoint of some kind: one that is only intact without its name counts, too.
pub(super) fn any(directory_checkpoint: &Path) -> bool {
    let [newest, unnamed, previous] = checkpoint::candidates(directory_checkpoint);
    let intact = |path: &Path| checkpoint::read_header(path).is_ok();
    newest.exists() || previous.exists() || unnamed.exists() && intact(&unnamed)
}
