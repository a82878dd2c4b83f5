//! Which configuration runs in which directory: that of the user, or that of the run that is there, made longer or not.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use vitrion_trajectory::h5md::Extension;

use super::directory::Found;
use super::{RunError, RunOptions, default_directory, directory, extension, host, timestamp};
use crate::config::Config;
use crate::system::{self, Prepared};

/// What is to be run, and where.
pub(super) struct Resolved {
    /// The configuration of the run.
    pub config: Config,
    /// The same before it is extended.
    pub current: Config,
    pub prepared: Prepared,
    /// Run directory.
    pub path: PathBuf,
    pub found: Found,
    /// The extensions that led to `config`.
    pub history: Vec<Extension>,
    /// Something that the user should know.
    pub note: Option<String>,
}

/// Looks at the configuration and the directory.
pub(super) fn resolve(config_path: &Path, options: &RunOptions) -> Result<Resolved, RunError> {
    let mut current = Config::load(config_path)?;
    options.choose_backend(&mut current);
    let prepared = system::prepare(&current)?;
    let path = options.directory.clone().unwrap_or_else(|| default_directory(config_path));
    let found = directory::inspect(&path, &current, &prepared, options.fresh)?;
    let (mut history, mut note) = (Vec::new(), None);
    if let Some(text) = found.config() {
        history = extension::history(&path, text)?;
        if directory::differing_keys(text, &current.text).is_empty() {
            // The same but for comments; its hash is that of the files.
            text.clone_into(&mut current.text);
        } else {
            current = Config::parse(&current.path, text.to_owned())?;
            options.choose_backend(&mut current);
            note = Some(note_on_extension(config_path, &path, &current, &history));
        }
    }
    let Some(by) = &options.extend else {
        return Ok(Resolved { config: current.clone(), current, prepared, path, found, history, note });
    };
    if found.config().is_none() {
        return Err(RunError::NothingToExtend { directory: path });
    }
    let config = current.extended(by)?;
    let circumstances = (timestamp(SystemTime::now()), host(), options.command_line.as_str());
    history.push(extension::record(&current, &config, by, circumstances));
    Ok(Resolved { config, current, prepared, path, found, history, note })
}

/// The user gives a configuration from before the run was extended.
fn note_on_extension(asked: &Path, path: &Path, config: &Config, history: &[Extension]) -> String {
    let last = history.last().cloned().unwrap_or_default();
    format!(
        "{}: the run in {} was extended since (stage `{}` by {}, {}) to {} of that stage: it goes on as its own `config.toml` says",
        asked.display(),
        path.display(),
        last.stage,
        last.by,
        last.time,
        config.last_duration_text().unwrap_or_default()
    )
}
