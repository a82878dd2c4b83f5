//! A run that is made longer than it was begun.
//!
//! `config.toml` of the run directory says how long the run is, and replacing it, by a rename, is the whole act. Before that,
//! `extensions.json` gets a record with the old text. Checkpoints and trajectories name the configuration that they were written with;
//! one that is, by the records, an earlier one of this run is accepted for what it is: the beginning of the longer run. So nothing
//! else has to change at the same moment, and a kill leaves the shorter run or the longer one.

use std::path::Path;

use vitrion_trajectory::checkpoint::sha256;
use vitrion_trajectory::h5md::Extension;

use super::RunError;
use super::directory::Directory;
use crate::config::{Config, ConfigError};

/// Records of extensions, in a run directory.
pub(super) const FILE: &str = "extensions.json";

/// How the run in `directory` came to its configuration `text`: the extensions, the first one first. A record whose configuration never
/// came into place, since its process was killed, is left out.
pub(super) fn history(directory: &Path, text: &str) -> Result<Vec<Extension>, RunError> {
    let path = directory.join(FILE);
    let records = match std::fs::read_to_string(&path) {
        Ok(records) => records,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunError::system(&path, "read this file")(error)),
    };
    let records: Vec<Extension> = serde_json::from_str(&records)
        .map_err(|error| RunError::Extensions { path, reason: error.to_string() })?;
    let mut hash = sha256(text);
    let mut history = Vec::new();
    for record in records.into_iter().rev() {
        if record.config_sha256 == hash {
            hash = record.sha256_before();
            history.push(record);
        }
    }
    history.reverse();
    Ok(history)
}

/// The record of the extension of `before` to `after`.
pub(super) fn record(
    before: &Config,
    after: &Config,
    by: &str,
    (time, host, command): (String, String, &str),
) -> Extension {
    Extension {
        stage: after.stages.last().map(|stage| stage.name.clone()).unwrap_or_default(),
        by: by.trim().to_owned(),
        time,
        command: command.to_owned(),
        host,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_sha256: sha256(&after.text),
        config_before: before.text.clone(),
    }
}

/// Makes the run in `directory` that of the configuration `text`, to which `history` leads.
pub(super) fn commit(directory: &Directory, history: &[Extension], text: &str) -> Result<(), RunError> {
    let path = directory.path.join(FILE);
    let records = serde_json::to_string_pretty(history)
        .map_err(|error| RunError::system(&path, "write this file")(error.into()))?;
    directory.write(FILE, &records)?;
    directory.write("config.toml", text)
}

/// What is said when the last of these extensions is made.
pub(super) fn announcement(config: &Config, history: &[Extension], directory: &Path) -> String {
    let (stage, by) = history.last().map_or(("", ""), |last| (last.stage.as_str(), last.by.as_str()));
    format!(
        "stage `{stage}` is extended by {by} and now lasts {}; should this be interrupted, go on with `vitrion run {}` (--extend would add as \
         much again)",
        config.last_duration_text().unwrap_or_default(),
        directory.display()
    )
}

/// The configuration that a checkpoint or a user's file was of, as it was before an extension.
pub(super) fn config_before(config: &Config, extension: &Extension) -> Result<Config, ConfigError> {
    Config::parse(&config.path, extension.config_before.clone())
}
