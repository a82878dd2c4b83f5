//! Runs a configuration: begins, resumes, or refuses.

mod candidates;
mod checkpoint;
mod clock;
mod directory;
mod engine;
mod error;
mod extension;
mod ion_stress;
mod lock;
mod onlooker;
mod open_files;
mod outputs;
mod resolve;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use vitrion_core::backend::{Backend, ElectrostaticsParameters};
use vitrion_core::cpu::BuiltBackend;
use vitrion_core::state::State;
use vitrion_core::topology::Topology;
use vitrion_trajectory::checkpoint::{read_header, sha256};
use vitrion_trajectory::h5md::{Extension, H5mdError, Provenance, Standing};

use crate::config::{BackendChoice, Config, Start};
use crate::observer::{Observer, RunStart};
use crate::pooled::Pooled;
use crate::system::{self, Prepared};
use checkpoint::{Records, RunCheckpoint};
use clock::{Clock, Meter};
pub use directory::is_run;
use directory::{Directory, Found};
pub use engine::Ending;
use engine::Engine;
pub use error::RunError;
use ion_stress::IonStressSampler;
use onlooker::Onlooker;
use outputs::Outputs;
use resolve::{Resolved, resolve};

/// How a run is started.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Run directory; by default [`default_directory`].
    pub directory: Option<PathBuf>,
    /// Refuse to resume: the directory must not exist, or be empty.
    pub fresh: bool,
    /// Make the last stage of the run that is there longer by this time, e.g. `10 ns`.
    pub extend: Option<String>,
    /// Command line, kept as provenance.
    pub command_line: String,
    /// Step number at which the run begins; for tests of large step numbers.
    pub first_step: u64,
    /// Backend to use whatever the configuration says.
    pub backend: Option<BackendChoice>,
    /// GPU to use whatever the configuration says.
    pub device: Option<String>,
}

impl RunOptions {
    /// Puts the backend and the device of the command line in the place of the configuration's.
    pub fn choose_backend(&self, config: &mut Config) {
        if let Some(backend) = self.backend {
            config.run.backend = backend;
        }
        if self.device.is_some() {
            config.run.device.clone_from(&self.device);
        }
    }
}

/// How a run ended, and where its files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it came to its end.
    pub ending: Ending,
    /// Run directory.
    pub directory: PathBuf,
    /// Trajectories, one a replica.
    pub trajectories: Vec<PathBuf>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// Steps done.
    pub step: u64,
    /// Steps of all stages.
    pub total_steps: u64,
}

/// The directory that a run of this configuration uses by default: `<stem>-run` in the working directory; for the copy of
/// the configuration in a run directory, that one.
pub fn default_directory(config_path: &Path) -> PathBuf {
    if let (Some(parent), Some("config.toml")) =
        (config_path.parent(), config_path.file_name().and_then(|name| name.to_str()))
        && is_run(parent)
    {
        // Joined with a name, the empty path is the working directory; alone it is nothing, and would look like an empty one.
        return if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_path_buf() };
    }
    let stem = config_path.file_stem().map_or_else(|| "vitrion".into(), |s| s.to_string_lossy());
    PathBuf::from(format!("{stem}-run"))
}

/// The configuration that a run with these options has: that of the file, or of the run that is there; longer, if it is to be extended.
/// Writes nothing.
pub fn configuration(config_path: &Path, options: &RunOptions) -> Result<Config, RunError> {
    resolve(config_path, options).map(|resolved| resolved.config)
}

/// Runs a configuration to its end, or until `stop` is raised.
///
/// A directory that holds a run of the same configuration is resumed from its last checkpoint; the result has the same bits
/// as if it had never been interrupted. With `extend`, its last stage becomes longer first, and the result has the bits of a run that was
/// as long from the beginning. Nothing is written before configuration, force field, first state and directory
/// have been accepted.
pub fn run(
    config_path: &Path,
    options: &RunOptions,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Outcome, RunError> {
    run_with(config_path, options, observer, stop, &|backend| backend)
}

/// [`run`] with something around the backend, for tests.
fn run_with(
    config_path: &Path,
    options: &RunOptions,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
    wrap: &dyn Fn(Box<dyn Backend>) -> Box<dyn Backend>,
) -> Result<Outcome, RunError> {
    let Resolved { config, current, prepared, path, found, history, note } = resolve(config_path, options)?;
    open_files::check(config.system.replicas)?;
    let (built, directory, resumed) = if matches!(found, Found::Run { .. }) {
        let (directory, now) = Directory::take(&path, &current, &prepared, options.fresh)?;
        if now.config() != found.config() {
            // Extended by another process since we looked.
            return Err(RunError::Locked { directory: path });
        }
        let mut onlooker = Onlooker::new(observer, stop);
        let found = candidates::read(&directory, &config, &prepared, &history, &mut onlooker);
        let (checkpoint, standing) = match found {
            Err(error) if error.is_stop() => return Ok(stopped(&config, &directory)),
            found => found?,
        };
        let state = checkpoint.backend.state.clone();
        let chosen = Some(checkpoint.backend.electrostatics);
        (build(&config, &prepared, state, chosen)?, directory, Some((checkpoint, standing)))
    } else {
        let mut state = system::first_state(&config, &prepared)?;
        state.step = options.first_step;
        let mut built = build(&config, &prepared, state, None)?;
        if config.stages.first().is_some_and(|stage| stage.motion().is_some()) {
            // Atoms on top of each other are found here, before anything is written.
            built.backend.thermo().map_err(|source| RunError::Start { source: Box::new(source) })?;
        }
        let (directory, now) = Directory::take(&path, &current, &prepared, options.fresh)?;
        if matches!(now, Found::Run { .. }) || now.config() != found.config() {
            // Begun, and ended, or extended, by another process since we looked.
            return Err(RunError::Locked { directory: path });
        }
        (built, directory, None)
    };
    let BuiltBackend { backend, measured_force_error, description, on } = built;
    // In a random start the forces are huge, and so is the scale of their errors: measured again when it is relaxed.
    let random = matches!(config.system.start, Start::Melt { .. });
    let relaxes = random && config.stages.first().is_some_and(|stage| stage.motion().is_none());
    let measured_force_error = measured_force_error.filter(|_| !relaxes);
    let description = Description {
        measured_force_error: resumed.as_ref().map_or(measured_force_error, |(c, _)| c.measured_force_error),
        electrostatics: resumed.as_ref().map_or(description, |(c, _)| c.electrostatics.clone()),
        on,
    };
    if let Some(note) = note {
        observer.message(&note);
    }
    let extends = options.extend.is_some();
    let run =
        Begun { config: &config, prepared: &prepared, directory, description, options, history, extends };
    run.execute(wrap(backend).as_mut(), resumed, observer, stop)
}

struct Description {
    measured_force_error: Option<f64>,
    electrostatics: String,
    on: Option<String>,
}

/// A run whose directory is taken.
struct Begun<'a> {
    config: &'a Config,
    prepared: &'a Prepared,
    directory: Directory,
    description: Description,
    options: &'a RunOptions,
    /// The extensions that led to the configuration.
    history: Vec<Extension>,
    /// Whether the last one is still to be made.
    extends: bool,
}

impl Begun<'_> {
    fn execute(
        self,
        backend: &mut dyn Backend,
        resumed: Option<(RunCheckpoint, Vec<Standing>)>,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Outcome, RunError> {
        let Self { config, prepared, directory, description, options, history, extends } = self;
        if let Some(note) = &directory.note {
            observer.message(note);
        }
        let (resumed, standing) = resumed.unzip();
        let first_step = resumed.as_ref().map_or(options.first_step, |c| c.first_step);
        let clock = Clock::new(config, first_step);
        let (stage, begun) = resumed.as_ref().map_or((0, false), |c| (c.stage, c.begun));
        if let Some(checkpoint) = &resumed {
            restore(config, &clock, backend, checkpoint, &directory.path)?;
            let (before, now) = (&checkpoint.backend.backend, backend.name());
            if *before != now {
                observer.message(&format!(
                    "the run began on `{before}` and now runs on `{now}`: the same physics, but not bit for bit what `{before}` would have given"
                ));
            } else if let (Some(before), Some(now)) = (&checkpoint.backend.hardware, backend.hardware())
                && *before != now
            {
                observer.message(&format!(
                    "the checkpoint was written on {before}, and the run now goes on with {now}: from the same state, but not bit for bit as it \
                     would have there"
                ));
            }
        }
        let provenance = provenance(config, prepared, backend, &options.command_line, history);
        let topology = &prepared.topology;
        let ion_stress = IonStressSampler::new(config, prepared, backend)?;
        // Of all replicas, before anything is written.
        let checked = standing
            .map(|standing| {
                let mut onlooker = Onlooker::new(observer, stop);
                let mut watch = onlooker.watch("verifying the rows of the checkpoint");
                Outputs::check(standing, config, topology, &clock, &provenance, &mut watch)
            })
            .transpose();
        let checked = match checked {
            Err(H5mdError::Stopped { .. }) => return Ok(stopped(config, &directory)),
            checked => checked?,
        };
        if extends {
            // As late as possible: whatever could have been refused has been, and left the shorter run as it is.
            extension::commit(&directory, &provenance.extensions, &config.text)?;
            observer.message(&extension::announcement(config, &provenance.extensions, &directory.path));
        }
        let opened = {
            let mut onlooker = Onlooker::new(observer, stop);
            let mut watch = onlooker.watch("making the trajectory anew, since the run did not end in order");
            Outputs::open(&directory, config, topology, &clock, &provenance, checked, &mut watch)
        };
        let outputs = match opened {
            Err(H5mdError::Stopped { .. }) => return Ok(stopped(config, &directory)),
            opened => opened?,
        };
        observer.started(&start(config, topology, &directory, backend, &description, first_step));
        let step = backend.state().step;
        let is_new = resumed.is_none();
        let mut engine = Engine {
            config,
            prepared,
            topology: Arc::clone(topology),
            directory: directory.path.clone(),
            checkpoint_path: directory.checkpoint(),
            config_sha256: sha256(&config.text),
            start_sha256: start_sha256(prepared),
            lock: &directory.lock,
            clock,
            backend,
            outputs,
            records: resumed.map_or_else(Records::default, |c| c.records),
            ion_stress,
            measured_force_error: description.measured_force_error,
            electrostatics: description.electrostatics,
            observer,
            stop,
            last_checkpoint: Instant::now(),
            meter: Meter::new(step),
        };
        if is_new {
            engine.checkpoint(0, false)?;
        }
        let ending = engine.run(stage, begun)?;
        let step = engine.backend.state().step - first_step;
        let trajectories = engine.outputs.finish()?;
        Ok(Outcome {
            ending,
            trajectories,
            checkpoint: directory.checkpoint(),
            directory: directory.path,
            step,
            total_steps: config.total_steps(),
        })
    }
}

/// How a run ends that was stopped before it went on: everything is where it was.
fn stopped(config: &Config, directory: &Directory) -> Outcome {
    let checkpoint = directory.checkpoint();
    Outcome {
        ending: Ending::Stopped,
        trajectories: (0..config.system.replicas).map(|replica| directory.trajectory(replica)).collect(),
        directory: directory.path.clone(),
        // As far as a glance shows.
        step: read_header(&checkpoint).map_or(0, |header| header.step),
        total_steps: config.total_steps(),
        checkpoint,
    }
}

/// Hash of what a run begins from beside its configuration: the texts of the force field and of the first state.
fn start_sha256(prepared: &Prepared) -> String {
    let initial = prepared.initial_text.as_deref().map(sha256).unwrap_or_default();
    sha256(&format!("{} {initial}", sha256(&prepared.force_field_text)))
}

/// Brings the backend to the checkpoint: through the last stage that moved, since the next one may continue its ensemble.
fn restore(
    config: &Config,
    clock: &Clock,
    backend: &mut dyn Backend,
    checkpoint: &RunCheckpoint,
    directory: &Path,
) -> Result<(), RunError> {
    let until = checkpoint.stage + usize::from(checkpoint.begun);
    let mut moved = config.stages.iter().enumerate().take(until).rev();
    let mut name = "restore".to_owned();
    let mut result = Ok(());
    if let Some((index, stage, motion)) =
        moved.find_map(|(index, stage)| Some((index, stage, stage.motion()?)))
    {
        name.clone_from(&stage.name);
        let dynamics = motion.dynamics(clock.first_step(index), config.system.replicas);
        result = backend.begin_stage(&dynamics, &stage.sampling());
    }
    result.and_then(|()| backend.restore(&checkpoint.backend)).map_err(|source| RunError::Step {
        stage: name,
        directory: directory.to_path_buf(),
        source: Box::new(source),
    })
}

/// The backend, on threads of its own if their number was asked for.
pub(crate) fn build(
    config: &Config,
    prepared: &Prepared,
    state: State,
    chosen: Option<ElectrostaticsParameters>,
) -> Result<BuiltBackend, RunError> {
    let Some(threads) = config.run.threads else {
        return system::build_backend(config, prepared, state, chosen);
    };
    let pool = thread_pool(threads)?;
    let mut built = pool.install(|| system::build_backend(config, prepared, state, chosen))?;
    built.backend = Box::new(Pooled::new(pool, built.backend));
    Ok(built)
}

fn thread_pool(threads: usize) -> Result<rayon::ThreadPool, RunError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| RunError::Threads { threads, reason: error.to_string() })
}

fn start(
    config: &Config,
    topology: &Topology,
    directory: &Directory,
    backend: &dyn Backend,
    description: &Description,
    first_step: u64,
) -> RunStart {
    RunStart {
        title: config.title.clone(),
        directory: directory.path.clone(),
        backend: backend.name(),
        replicas: config.system.replicas,
        atoms: topology.n_atoms(),
        total_steps: config.total_steps(),
        first_step: backend.state().step.saturating_sub(first_step),
        measured_force_error: description.measured_force_error.map(|e| (e, config.run.force_accuracy)),
        electrostatics: description.electrostatics.clone(),
        on: description.on.clone(),
        threads: config.run.threads,
    }
}

/// Name of the machine.
fn host() -> String {
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "unknown".to_owned());
    host.trim().to_owned()
}

fn provenance(
    config: &Config,
    prepared: &Prepared,
    backend: &dyn Backend,
    command_line: &str,
    extensions: Vec<Extension>,
) -> Provenance {
    Provenance {
        config: config.text.clone(),
        force_field: prepared.force_field_text.clone(),
        initial_sha256: prepared.initial_text.as_deref().map(sha256),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command_line.to_owned(),
        host: host(),
        started: timestamp(SystemTime::now()),
        backend: backend.name(),
        hardware: backend.hardware().map(|hardware| hardware.to_string()),
        replica: 0,
        extensions,
    }
}

/// A time as `2026-01-31T12:00:00Z`.
fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{:02}Z", month + 1, days + 1, second % 60)
}

#[cfg(test)]
mod tests;
