//! What a run will do and write, before it begins.

use std::time::{Duration, Instant};

use vitrion_core::backend::{Backend, BackendError, Discard, Dynamics, Ensemble, Sampling, SetPoint, Window};
use vitrion_core::topology::Topology;

use crate::config::{Config, Motion, Stage};
use crate::run::{self, RunError};
use crate::schedule::Schedule;
use crate::system::{self, Prepared};

/// Columns of thermo, with step and time, in bytes a row.
const THERMO_ROW: u64 = 8 * (vitrion_trajectory::h5md::QUANTITIES.len() as u64 + 2);
/// Iterations before the speed is measured.
const RELAXATION: u64 = 60;

/// The plan of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Title of the configuration.
    pub title: String,
    /// Atoms in one replica.
    pub atoms: usize,
    /// Replicas.
    pub replicas: usize,
    /// Stages in their order.
    pub stages: Vec<StagePlan>,
}

/// One stage of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct StagePlan {
    /// Name.
    pub name: String,
    /// `minimize`, `NPT`, `NVT` or `NVE`.
    pub kind: String,
    /// Steps of dynamics; for a minimisation, zero.
    pub steps: u64,
    /// Simulated time (ps).
    pub time: f64,
    /// Time step (ps).
    pub timestep: f64,
    /// Frames in the file of one replica.
    pub frames: u64,
    /// Rows of thermo.
    pub thermo_rows: u64,
    /// Window means.
    pub windows: u64,
    /// Windows of the stress of ions.
    pub ion_stress_windows: u64,
    /// Bytes in the file of one replica, before compression.
    pub bytes: u64,
}

impl Plan {
    /// The plan of a configuration.
    pub fn new(config: &Config, topology: &Topology) -> Self {
        let stages =
            config.stages.iter().map(|s| StagePlan::new(s, topology, config.run.velocities)).collect();
        Self {
            title: config.title.clone(),
            atoms: topology.n_atoms(),
            replicas: config.system.replicas,
            stages,
        }
    }

    /// Steps of all stages.
    pub fn total_steps(&self) -> u64 {
        self.stages.iter().map(|s| s.steps).sum()
    }

    /// Simulated time of all stages (ps).
    pub fn total_time(&self) -> f64 {
        self.stages.iter().map(|s| s.time).sum()
    }

    /// Bytes of one replica's file.
    pub fn bytes_per_replica(&self) -> u64 {
        self.stages.iter().map(|s| s.bytes).sum()
    }

    /// Bytes of all files.
    pub fn total_bytes(&self) -> u64 {
        self.bytes_per_replica().saturating_mul(self.replicas as u64)
    }

    /// Wall time of all steps at so many steps a second (all replicas together); `None` beyond what a duration holds.
    pub fn wall_time(&self, steps_per_second: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(self.total_steps() as f64 / steps_per_second).ok()
    }
}

impl StagePlan {
    fn new(stage: &Stage, topology: &Topology, velocities: bool) -> Self {
        let steps = stage.steps();
        let outputs = &stage.outputs;
        let frames = outputs.frames.map_or(0, |f| f.count(steps));
        let thermo_rows = outputs.thermo.map_or(0, |every| Schedule::Linear { every }.count(steps));
        let count = |w: Window| steps / (w.sample_every * w.samples);
        let windows = outputs.window.map_or(0, count);
        let ion_stress_windows = outputs.ion_stress.map_or(0, count);
        let (atoms, molecules) = (topology.n_atoms() as u64, topology.molecules.len() as u64);
        // Positions and velocities in f32, unwrapped centres in f64, edges, step and time.
        let frame = 12 * atoms * (1 + u64::from(velocities)) + 24 * molecules + 88;
        // Three f64 an ion, or six f32, with step and time.
        let window = 24 * molecules + 16;
        let bytes =
            [(frames, frame), (thermo_rows, THERMO_ROW), (windows, window), (ion_stress_windows, window)]
                .iter()
                .fold(0u64, |sum, (rows, size)| sum.saturating_add(rows.saturating_mul(*size)));
        let kind = match stage.motion().map(|m| m.ensemble) {
            None => "minimize",
            Some(Ensemble::Nve) => "NVE",
            Some(Ensemble::Nvt) => "NVT",
            Some(Ensemble::Npt) => "NPT",
        };
        Self {
            name: stage.name.clone(),
            kind: kind.to_owned(),
            steps,
            time: steps as f64 * stage.timestep(),
            timestep: stage.timestep(),
            frames,
            thermo_rows,
            windows,
            ion_stress_windows,
            bytes,
        }
    }
}

/// Steps a second that this machine makes of a configuration: its first state, roughly relaxed, is advanced for a moment
/// with the time step of its longest stage. `None` where nothing moves.
pub fn estimate_speed(config: &Config, prepared: &Prepared) -> Result<Option<f64>, RunError> {
    let Some(motion) = config.stages.iter().filter_map(Stage::motion).max_by_key(|m| m.steps) else {
        return Ok(None);
    };
    let state = system::first_state(config, prepared)?;
    let mut built = run::build(config, prepared, state, None)?;
    let failed = |source| RunError::Speed { source: Box::new(source) };
    let backend = built.backend.as_mut();
    // Enough for overlaps to disappear; the speed does not depend on the rest.
    backend.minimize(RELAXATION, 0.0).map_err(failed)?;
    let mut state = backend.state().clone();
    let temperatures = vec![motion.temperature.first().copied().unwrap_or(300.0); config.system.replicas];
    system::draw_velocities(&mut state, &prepared.topology, &temperatures, config.system.seed, 0);
    backend.set_state(state).map_err(failed)?;
    measure_steps_per_second(backend, motion, Duration::from_millis(500)).map(Some).map_err(failed)
}

/// Steps a second of all replicas together, timed on a few dozen steps of `motion` from the backend's present state, which
/// must be relaxed. The state is changed.
pub fn measure_steps_per_second(
    backend: &mut dyn Backend,
    motion: &Motion,
    at_least: Duration,
) -> Result<f64, BackendError> {
    let replicas = backend.state().n_replicas;
    let start_step = backend.state().step;
    let point = |start: f64| vec![SetPoint { start, rate: 0.0, start_step }; replicas];
    let dynamics = Dynamics {
        timestep: motion.timestep,
        ensemble: Ensemble::Nvt,
        temperature: point(motion.temperature.first().copied().unwrap_or(300.0)),
        pressure: point(0.0),
        thermostat_period: motion.thermostat_period,
        barostat_period: motion.barostat_period,
    };
    backend.begin_stage(&dynamics, &Sampling::default())?;
    // The first steps build lists and fill caches.
    backend.advance(5, &mut Discard)?;
    let begin = Instant::now();
    let mut steps = 0u64;
    while steps < 24 || (begin.elapsed() < at_least && steps < 1_000_000) {
        backend.advance(12, &mut Discard)?;
        steps += 12;
    }
    Ok(steps as f64 / begin.elapsed().as_secs_f64().max(1e-9))
}
