//! The directory of a run: who may use it, and what is there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use vitrion_trajectory::h5md::{BeforeCheckpoint, TrajectoryReader, before_checkpoint};

use super::lock::{self, Lock};
use super::{RunError, candidates, extension};
use crate::config::{Config, Start};
use crate::system::Prepared;

/// A run directory that this process holds.
pub(super) struct Directory {
    pub path: PathBuf,
    /// Something about the lock that the user should know.
    pub note: Option<String>,
    pub lock: Lock,
}

/// What was found.
pub(super) enum Found {
    /// Nothing: a new run.
    Nothing,
    /// The beginning of a run that was killed before its first checkpoint.
    Beginning {
        /// Text of its `config.toml`, if that was written.
        config: Option<String>,
    },
    /// A run with a checkpoint.
    Run {
        /// Text of its `config.toml`.
        config: String,
    },
}

impl Found {
    /// Text of the run's `config.toml`.
    pub fn config(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Beginning { config } => config.as_deref(),
            Self::Run { config } => Some(config),
        }
    }
}

/// Files that a run makes before its first checkpoint, beside its trajectories.
const OWN: [&str; 8] = [
    "config.toml",
    "config.toml.new",
    "force_field.toml",
    "force_field.toml.new",
    "initial.data",
    "initial.data.new",
    extension::FILE,
    "extensions.json.new",
];
/// Those of them that are complete, and say what the run is, where there is a `config.toml`.
const TEXTS: [&str; 4] = ["config.toml", "force_field.toml", "initial.data", extension::FILE];

/// Whether a run of this configuration, killed before it had its `config.toml`, leaves a file of this name with these contents: as a
/// whole, or, under another name, as far as it came. Any other file is the user's.
fn is_leftover(file: &Path, name: &str, config: &Config, prepared: &Prepared) -> bool {
    let (name, is_whole) = name.strip_suffix(".new").map_or((name, true), |name| (name, false));
    let text = match name {
        "force_field.toml" => Some(prepared.force_field_text.as_str()),
        "initial.data" => prepared.initial_text.as_deref(),
        "config.toml" if !is_whole => Some(config.text.as_str()),
        _ => None,
    };
    let is_file = file.symlink_metadata().is_ok_and(|found| found.is_file());
    let (Some(text), true, Ok(found)) = (text, is_file, fs::read(file)) else { return false };
    if is_whole { found == text.as_bytes() } else { text.as_bytes().starts_with(&found) }
}

impl Directory {
    /// Looks at `path` without writing, then takes it.
    pub fn take(
        path: &Path,
        config: &Config,
        prepared: &Prepared,
        fresh: bool,
    ) -> Result<(Self, Found), RunError> {
        inspect(path, config, prepared, fresh)?;
        make(path).map_err(RunError::system(path, "create this directory"))?;
        let (lock, note) = lock::take(path, &File::try_lock)?;
        let directory = Self { path: path.to_path_buf(), note, lock };
        // Again, now that nobody else can change it.
        let found = inspect(path, config, prepared, fresh)?;
        if !matches!(found, Found::Run { .. }) {
            directory.clear(found.config().is_some())?;
            directory.write("force_field.toml", &prepared.force_field_text)?;
            if let Some(text) = &prepared.initial_text {
                directory.write("initial.data", text)?;
            }
            // The last file: a directory with this one belongs to this configuration.
            directory.write("config.toml", &config.text)?;
        }
        Ok((directory, found))
    }

    /// Path of the checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        checkpoint(&self.path)
    }

    /// Path of a replica's trajectory.
    pub fn trajectory(&self, replica: usize) -> PathBuf {
        self.path.join(format!("replica-{replica:03}.h5"))
    }

    /// Removes what a run leaves that was killed before its first checkpoint: files of its own that [`inspect`] has looked at. Its texts
    /// stay where they are those of this run.
    fn clear(&self, keep_texts: bool) -> Result<(), RunError> {
        for name in names(&self.path)? {
            let kept = lock::is_of_lock(&name) || keep_texts && TEXTS.contains(&name.as_str());
            if !kept && is_own(&name) {
                let file = self.path.join(&name);
                fs::remove_file(&file).map_err(RunError::system(&file, "remove this unfinished file"))?;
            }
        }
        Ok(())
    }

    /// Writes a file as a whole: when this returns it is on the disk, under its name.
    pub fn write(&self, name: &str, text: &str) -> Result<(), RunError> {
        let (file, unnamed) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let written = fs::write(&unnamed, text)
            .and_then(|()| File::open(&unnamed)?.sync_all())
            .and_then(|()| fs::rename(&unnamed, &file))
            .and_then(|()| {
                File::open(if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path })
            })
            .and_then(|directory| directory.sync_all());
        written.map_err(RunError::system(&file, "write this file"))
    }
}

/// Makes a directory and those above it that are not there; when this returns, their names are on the disk.
fn make(path: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(|parent| {
        File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?.sync_all()
    })
}

/// Whether `directory` is one of a run; a copy of it may lack the lock file.
pub fn is_run(directory: &Path) -> bool {
    let has = |name: &str| directory.join(name).is_file();
    has("config.toml") && [lock::FILE, "checkpoint", "checkpoint.previous"].into_iter().any(has)
}

fn checkpoint(directory: &Path) -> PathBuf {
    directory.join("checkpoint")
}

/// Names of the entries, sorted; none where there is no directory.
fn names(directory: &Path) -> Result<Vec<String>, RunError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(RunError::system(directory, "read this directory"))?,
    };
    let mut names = entries
        .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(RunError::system(directory, "read this directory"))?;
    names.sort();
    Ok(names)
}

/// Whether a run makes a file of this name before its first checkpoint.
fn is_own(name: &str) -> bool {
    let stem = [".h5", ".h5.new", ".journal"].iter().find_map(|ending| name.strip_suffix(ending));
    OWN.contains(&name) || lock::is_of_lock(name) || name == "checkpoint.tmp" || stem.is_some_and(is_replica)
}

/// `replica-000`.
fn is_replica(stem: &str) -> bool {
    stem.strip_prefix("replica-").is_some_and(|n| n.len() >= 3 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether this is a trajectory or its journal.
fn is_of_trajectory(name: &str) -> bool {
    [".h5", ".journal"].iter().any(|ending| name.strip_suffix(ending).is_some_and(is_replica))
}

/// What is in a directory; writes nothing.
pub(super) fn inspect(
    path: &Path,
    config: &Config,
    prepared: &Prepared,
    fresh: bool,
) -> Result<Found, RunError> {
    let names = names(path)?;
    let directory = || path.to_path_buf();
    let (of_lock, files): (Vec<&String>, Vec<&String>) = names.iter().partition(|n| lock::is_of_lock(n));
    if files.is_empty() {
        return Ok(Found::Nothing);
    }
    if fresh {
        return Err(RunError::NotFresh { directory: directory() });
    }
    let copy = path.join("config.toml");
    let has = |name: &str| names.iter().any(|n| n == name);
    if !has("config.toml") {
        // A kill while the first files were written leaves only these, and, written before them, a lock.
        let foreign = |n: &str| of_lock.is_empty() || !is_leftover(&path.join(n), n, config, prepared);
        return match files.into_iter().find(|name| foreign(name)) {
            Some(name) => Err(RunError::Occupied { directory: directory(), found: name.clone() }),
            None => Ok(Found::Beginning { config: None }),
        };
    }
    let text = fs::read_to_string(&copy).map_err(RunError::system(&copy, "read this file"))?;
    check_config(path, &text, config)?;
    let copy = path.join("force_field.toml");
    let theirs = fs::read_to_string(&copy).map_err(RunError::system(&copy, "read this file"))?;
    if theirs != prepared.force_field_text {
        let name = config.system.force_field.clone();
        return Err(RunError::OtherForceField { directory: directory(), name });
    }
    let copy = path.join("initial.data");
    if let (true, Some(text), Start::File(initial)) =
        (copy.exists(), &prepared.initial_text, &config.system.start)
    {
        let theirs = fs::read_to_string(&copy).map_err(RunError::system(&copy, "read this file"))?;
        if theirs != *text {
            return Err(RunError::OtherInitial { directory: directory(), initial: initial.clone() });
        }
    }
    if candidates::any(&checkpoint(path)) {
        return Ok(Found::Run { config: text });
    }
    // Other files are in nobody's way: they are left alone.
    match names
        .iter()
        .find(|name| is_of_trajectory(name) && may_hold_data(&path.join(name).with_extension("h5")))
    {
        Some(name) => Err(RunError::NoCheckpoint { directory: directory(), trajectory: name.clone() }),
        None => Ok(Found::Beginning { config: Some(text) }),
    }
}

/// That `config` is, but for comments, the configuration `text` of the run in `directory`, or was before the run was extended.
fn check_config(directory: &Path, text: &str, config: &Config) -> Result<(), RunError> {
    let keys = differing_keys(text, &config.text);
    if text == config.text || keys.is_empty() {
        return Ok(());
    }
    let earlier = extension::history(directory, text)?;
    if earlier.iter().any(|extension| differing_keys(&extension.config_before, &config.text).is_empty()) {
        return Ok(());
    }
    let last = config.stages.last().map(|stage| format!("stage[{}].duration", stage.name));
    let mut remedy = format!("resume it with `vitrion run {}`", directory.display());
    if matches!(keys.as_slice(), [key] if Some(key) == last.as_ref()) {
        remedy += ", make it longer with `--extend \"10 ns\"` beside that";
    }
    Err(RunError::OtherConfig { directory: directory.to_path_buf(), keys: keys.join(", "), remedy })
}

/// Whether a trajectory has more than its header, or may have. The first checkpoint comes before the first row, so a
/// run that was killed before it leaves none; one whose checkpoint was lost later must not be taken for such a beginning.
fn may_hold_data(trajectory: &Path) -> bool {
    match before_checkpoint(trajectory) {
        BeforeCheckpoint::Nothing => return false,
        BeforeCheckpoint::Rows => return true,
        // Of an earlier version, or not ours.
        BeforeCheckpoint::NoJournal => {}
    }
    TrajectoryReader::open(trajectory).and_then(|reader| reader.summary()).map_or(true, |summary| {
        summary.frames + summary.incomplete_frames + summary.thermo_rows > 0
            || summary.window_means.iter().chain(&summary.ion_stress).any(|(_, rows)| *rows > 0)
    })
}

/// Keys whose values differ between two configurations; comments and layout do not count.
pub(super) fn differing_keys(a: &str, b: &str) -> Vec<String> {
    let parse = |text: &str| text.parse::<toml::Table>().map(toml::Value::Table).ok();
    let mut keys = Vec::new();
    compare("", parse(a).as_ref(), parse(b).as_ref(), &mut keys);
    keys
}

fn compare(key: &str, a: Option<&toml::Value>, b: Option<&toml::Value>, keys: &mut Vec<String>) {
    use toml::Value::{Array, Table};
    let child = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match (a, b) {
        (Some(Table(x)), Some(Table(y))) => {
            for name in x.keys().chain(y.keys().filter(|k| !x.contains_key(*k))) {
                compare(&child(name), x.get(name), y.get(name), keys);
            }
        }
        (Some(Array(x)), Some(Array(y))) if x.iter().chain(y).any(toml::Value::is_table) => {
            for index in 0..x.len().max(y.len()) {
                let (p, q) = (x.get(index), y.get(index));
                let name = p.or(q).and_then(|v| v.get("name")).and_then(toml::Value::as_str);
                let place = name.map_or_else(|| (index + 1).to_string(), str::to_owned);
                compare(&format!("{key}[{place}]"), p, q, keys);
            }
        }
        _ if a != b => keys.push(if key.is_empty() { "(the whole file)".to_owned() } else { key.to_owned() }),
        _ => {}
    }
}
