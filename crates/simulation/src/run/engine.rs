//! The loop over stages and events, for any backend.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vitrion_core::backend::{Backend, BackendError, Thermo};
use vitrion_core::observe::ion_stress::IonStressMeans;
use vitrion_core::topology::Topology;
use vitrion_core::units::BOLTZMANN;
use vitrion_trajectory::checkpoint::{self, Header};

use super::RunError;
use super::checkpoint::{Means, Records, RunCheckpoint, density};
use super::clock::{Clock, Meter};
use super::ion_stress::IonStressSampler;
use super::lock::Lock;
use super::outputs::{Outputs, Streams};
use crate::config::{Config, Motion, Stage, StageKind};
use crate::observer::{Observer, Progress, StageSummary};
use crate::schedule::Schedule;
use crate::system::{Prepared, draw_velocities, force_error};

/// Iterations of a minimisation between two looks at the stop flag. Fixed, since it is part of the result: a minimisation
/// goes on afresh from where the one before ended.
const MINIMIZE_CHUNK: u64 = 200;
/// Thermo samples for the means of a stage that writes none.
const UNWRITTEN_SAMPLES: u64 = 100;

/// Whether a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All stages are done.
    Finished,
    /// The stop flag was raised; a checkpoint is on the disk.
    Stopped,
}

/// Steps between samples of thermo, written or not.
pub(super) fn thermo_interval(stage: &Stage) -> u64 {
    stage.outputs.thermo.unwrap_or_else(|| (stage.steps() / UNWRITTEN_SAMPLES).max(1))
}

/// When thermo is sampled, written or not.
fn thermo_schedule(stage: &Stage) -> Schedule {
    Schedule::Linear { every: thermo_interval(stage) }
}

/// Whether something is due at this offset of a stage.
fn is_due(schedule: Schedule, offset: u64, stage: &Stage) -> bool {
    schedule.next_at_or_after(offset, stage.steps()) == Some(offset)
}

/// A run in progress.
pub(super) struct Engine<'a> {
    pub config: &'a Config,
    pub prepared: &'a Prepared,
    pub topology: Arc<Topology>,
    pub directory: PathBuf,
    pub checkpoint_path: PathBuf,
    pub config_sha256: String,
    pub start_sha256: String,
    pub lock: &'a Lock,
    pub clock: Clock,
    pub backend: &'a mut dyn Backend,
    pub outputs: Outputs,
    pub records: Records,
    pub ion_stress: IonStressSampler,
    pub measured_force_error: Option<f64>,
    pub electrostatics: String,
    pub observer: &'a mut dyn Observer,
    pub stop: &'a AtomicBool,
    pub last_checkpoint: Instant,
    pub meter: Meter,
}

impl Engine<'_> {
    /// Runs from stage `first`, in the middle of it if it has `begun`, to the end.
    pub fn run(&mut self, first: usize, begun: bool) -> Result<Ending, RunError> {
        for index in first..self.config.stages.len() {
            let begin = Instant::now();
            let stage = &self.config.stages[index];
            let ending = match &stage.kind {
                StageKind::Minimize { max_steps, force_tolerance } => {
                    self.minimize(index, *max_steps, *force_tolerance)?
                }
                StageKind::Dynamics(motion) => self.dynamics(index, motion, begun && index == first)?,
            };
            if ending == Ending::Stopped {
                return Ok(ending);
            }
            if stage.motion().is_none() && self.measured_force_error.is_none() {
                self.measure_force_error()?;
            }
            self.checkpoint(index + 1, false)?;
            self.summarize(index, begin)?;
        }
        Ok(Ending::Finished)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Minimises. When it is stopped, the checkpoint at its beginning stays the last one.
    fn minimize(&mut self, index: usize, max_steps: u64, tolerance: f64) -> Result<Ending, RunError> {
        let mut left = max_steps;
        loop {
            if self.stopped() {
                return Ok(Ending::Stopped);
            }
            let steps = left.min(MINIMIZE_CHUNK);
            let result = self.backend.minimize(steps, tolerance);
            let forces = result.map_err(self.at(index))?;
            left -= steps;
            let largest = forces.iter().copied().fold(0.0, f64::max);
            if largest <= tolerance {
                return Ok(Ending::Finished);
            }
            if left == 0 {
                self.observer.message(&format!(
                    "stage `{}`: stopped after {max_steps} iterations with a largest force of {largest:.4} u A/ps^2 ({tolerance:.4} was asked for)",
                    self.config.stages[index].name
                ));
                return Ok(Ending::Finished);
            }
            if self.meter.due() {
                let thermo = self.thermo(index)?;
                self.report(index, &thermo);
            }
        }
    }

    /// Measures the force error of a relaxed configuration.
    fn measure_force_error(&mut self) -> Result<(), RunError> {
        let parameters = self.backend.electrostatics();
        self.measured_force_error =
            force_error(self.config, self.prepared, self.backend.state(), parameters, &self.backend.name())?;
        if let Some(error) = self.measured_force_error {
            let asked = self.config.run.force_accuracy;
            let verdict =
                if error <= asked { "" } else { ": ask for a smaller `run.force_accuracy` in a new run" };
            self.observer.message(&format!(
                "force error in the relaxed configuration: {error:.1e} of the RMS force ({asked:.1e} was asked for){verdict}"
            ));
        }
        Ok(())
    }

    fn dynamics(&mut self, index: usize, motion: &Motion, begun: bool) -> Result<Ending, RunError> {
        let first = self.clock.first_step(index);
        if begun {
            // Due where a stage ended before it was extended.
            self.write_frame(index)?;
        } else {
            self.begin(index, motion)?;
        }
        self.meter = Meter::new(self.backend.state().step);
        loop {
            let offset = self.backend.state().step - first;
            if offset >= motion.steps {
                break;
            }
            if self.stopped() {
                self.checkpoint(index, true)?;
                return Ok(Ending::Stopped);
            }
            if self.last_checkpoint.elapsed() >= Duration::from_secs_f64(self.config.run.checkpoint_every) {
                self.checkpoint(index, true)?;
            }
            self.advance(index, self.next_event(index, offset, motion.steps) - offset)?;
            self.write_events(index)?;
            if self.meter.due() {
                let thermo = self.thermo(index)?;
                self.report(index, &thermo);
            }
        }
        if let Some(stress) = self.config.stages[index].outputs.stress {
            let interval = stress.every as f64 * motion.timestep;
            let name = &self.config.stages[index].name;
            self.outputs.stress_correlation(name, &self.records.correlators, interval)?;
        }
        Ok(Ending::Finished)
    }

    /// The first moment of a stage.
    fn begin(&mut self, index: usize, motion: &Motion) -> Result<(), RunError> {
        let stage = &self.config.stages[index];
        let replicas = self.config.system.replicas;
        let kept = self.replicas_with_velocities(index);
        // The first stage does so even if nothing is drawn: setting a state removes the motion of the centre of mass, and the first
        // replica must have the same bits whether others come with it or not.
        if kept < replicas || index == 0 {
            let mut state = self.backend.state().clone();
            draw_velocities(&mut state, &self.topology, &motion.temperature, self.config.system.seed, kept);
            let result = self.backend.set_state(state);
            result.map_err(self.at(index))?;
        }
        let dynamics = motion.dynamics(self.clock.first_step(index), replicas);
        let result = self.backend.begin_stage(&dynamics, &stage.sampling());
        result.map_err(self.at(index))?;
        let thermo = self.thermo(index)?;
        self.records.conserved_start = thermo.iter().map(|t| t.conserved).collect();
        self.records.means = Means::default();
        self.records.correlators = match stage.outputs.stress {
            // Validated with the configuration.
            Some(stress) => (0..replicas).filter_map(|_| stress.build().ok()).collect(),
            None => Vec::new(),
        };
        let ions = replicas * self.topology.molecules.len();
        self.records.ion_stress = stage.outputs.ion_stress.map(|window| IonStressMeans::new(window, ions));
        self.write_events(index)
    }

    /// How many replicas, counted from the first, begin a stage in motion. The velocities of a file are for the first only:
    /// its copies would move exactly as it does.
    fn replicas_with_velocities(&self, index: usize) -> usize {
        let moving = match index.checked_sub(1) {
            None => return usize::from(self.prepared.has_velocities),
            Some(previous) => self.config.stages[previous].motion().is_some(),
        };
        if moving { self.config.system.replicas } else { 0 }
    }

    /// The next offset, after `offset`, at which something happens or the stop flag is looked at.
    fn next_event(&self, index: usize, offset: u64, steps: u64) -> u64 {
        let stage = &self.config.stages[index];
        let frame = stage.outputs.frames.and_then(|s| s.next_at_or_after(offset + 1, steps));
        let thermo = thermo_schedule(stage).next_at_or_after(offset + 1, steps);
        let stress = stage.outputs.ion_stress.map(|w| (offset / w.sample_every + 1) * w.sample_every);
        let look = offset.saturating_add(self.meter.chunk());
        frame.into_iter().chain(thermo).chain(stress).fold(steps.min(look), u64::min)
    }

    fn advance(&mut self, index: usize, steps: u64) -> Result<(), RunError> {
        let begin = Instant::now();
        let mut streams = Streams {
            outputs: &mut self.outputs,
            correlators: &mut self.records.correlators,
            stage: &self.config.stages[index].name,
            clock: &self.clock,
            stage_index: index,
            failure: None,
        };
        let result = self.backend.advance(steps, &mut streams);
        if let Some(error) = streams.failure {
            return Err(error.into());
        }
        if let Err(source) = result {
            // What was sampled before the failure helps to understand it.
            self.outputs.sync()?;
            return Err(self.at(index)(source));
        }
        self.meter.record(begin, steps, self.backend.state().step);
        Ok(())
    }

    /// Writes what is due at the present step. A step that ends one stage and begins the next is written once.
    fn write_events(&mut self, index: usize) -> Result<(), RunError> {
        let stage = &self.config.stages[index];
        let step = self.backend.state().step;
        let offset = step - self.clock.first_step(index);
        let time = self.clock.time(index, step);
        self.write_frame(index)?;
        if stage.outputs.ion_stress.is_some_and(|w| offset > 0 && offset.is_multiple_of(w.sample_every)) {
            self.sample_ion_stress(index, step, time)?;
        }
        if !is_due(thermo_schedule(stage), offset, stage) {
            return Ok(());
        }
        let thermo = self.thermo(index)?;
        let mass = self.topology.total_mass();
        for t in &thermo {
            self.records.means.add(t, mass);
        }
        if stage.outputs.thermo.is_some() && self.records.last_thermo != Some(step) {
            self.outputs.thermo(step, time, &thermo)?;
            self.records.last_thermo = Some(step);
        }
        Ok(())
    }

    /// Writes the frame that is due at the present step, once.
    fn write_frame(&mut self, index: usize) -> Result<(), RunError> {
        let stage = &self.config.stages[index];
        let step = self.backend.state().step;
        let offset = step - self.clock.first_step(index);
        let due = stage.outputs.frames.is_some_and(|frames| is_due(frames, offset, stage));
        if due && self.records.last_frame != Some(step) {
            self.outputs.frame(self.backend.state(), self.clock.time(index, step))?;
            self.records.last_frame = Some(step);
        }
        Ok(())
    }

    /// Adds the stress of the ions at this step to the window in progress; writes a window that this completes.
    fn sample_ion_stress(&mut self, index: usize, step: u64, time: f64) -> Result<(), RunError> {
        let result = self.ion_stress.evaluate(self.backend.state());
        let stresses = result.map_err(self.at(index))?;
        let means = self.records.ion_stress.as_mut().and_then(|means| means.add(&stresses));
        if let Some(means) = means {
            self.outputs.ion_stress(&self.config.stages[index].name, step, time, &means)?;
        }
        Ok(())
    }

    fn thermo(&mut self, index: usize) -> Result<Vec<Thermo>, RunError> {
        let result = self.backend.thermo();
        result.map_err(self.at(index))
    }

    /// For `map_err` on what the backend says.
    fn at(&self, index: usize) -> impl FnOnce(BackendError) -> RunError + use<> {
        let (stage, directory) = (self.config.stages[index].name.clone(), self.directory.clone());
        move |source| RunError::Step { stage, directory, source: Box::new(source) }
    }

    /// Puts the trajectories, then the checkpoint, on the disk.
    pub fn checkpoint(&mut self, stage: usize, begun: bool) -> Result<(), RunError> {
        self.lock.check()?;
        let counts = self.outputs.sync()?;
        let backend = self.backend.checkpoint();
        let step = backend.state.step;
        let header = Header {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_sha256: self.config_sha256.clone(),
            step,
            time: self.clock.time(stage, step),
            backend: backend.backend.clone(),
            hardware: backend.hardware.as_ref().map(ToString::to_string),
            start_sha256: Some(self.start_sha256.clone()),
        };
        let payload = RunCheckpoint {
            first_step: self.clock.first_step(0),
            stage,
            begun,
            backend,
            counts,
            records: self.records.clone(),
            measured_force_error: self.measured_force_error,
            electrostatics: self.electrostatics.clone(),
        };
        checkpoint::write_atomically(&self.checkpoint_path, &payload, &header)?;
        self.last_checkpoint = Instant::now();
        Ok(())
    }

    /// Change of the conserved quantity since the stage began, kT per degree of freedom and ns.
    fn drift(&self, index: usize, thermo: &[Thermo]) -> Vec<f64> {
        let elapsed = self.clock.time(index, self.backend.state().step)
            - self.clock.time(index, self.clock.first_step(index));
        let topology = &self.topology;
        let freedoms = topology.translational_degrees_of_freedom() + topology.rotational_degrees_of_freedom();
        let starts = self.records.conserved_start.iter();
        thermo
            .iter()
            .zip(starts)
            .map(|(t, start)| {
                let temperature =
                    if t.target_temperature > 0.0 { t.target_temperature } else { t.temperature };
                let scale = freedoms * BOLTZMANN * temperature * elapsed * 1e-3;
                if scale > 0.0 { (t.conserved - start) / scale } else { 0.0 }
            })
            .collect()
    }

    fn report(&mut self, index: usize, thermo: &[Thermo]) {
        let stage = &self.config.stages[index];
        let step = self.backend.state().step;
        let mass = self.topology.total_mass();
        let moving = stage.motion().is_some();
        let progress = Progress {
            stage: index,
            stages: self.config.stages.len(),
            stage_name: stage.name.clone(),
            step: step - self.clock.first_step(0),
            total_steps: self.config.total_steps(),
            time: self.clock.time(index, step),
            timestep: stage.timestep(),
            steps_per_second: if moving { self.meter.speed() } else { 0.0 },
            thermo: thermo.to_vec(),
            conserved_drift: if moving { self.drift(index, thermo) } else { vec![0.0; thermo.len()] },
            density: thermo.iter().map(|t| density(t, mass)).collect(),
        };
        self.observer.progress(&progress);
    }

    fn summarize(&mut self, index: usize, begin: Instant) -> Result<(), RunError> {
        let thermo = self.thermo(index)?;
        self.report(index, &thermo);
        let stage = &self.config.stages[index];
        let mut means = self.records.means;
        if stage.motion().is_none() {
            means = Means::default();
            for t in &thermo {
                means.add(t, self.topology.total_mass());
            }
        }
        let [mean_temperature, mean_pressure, mean_density] = means.values();
        let drift = stage.motion().map(|_| {
            self.drift(index, &thermo)
                .into_iter()
                .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a })
        });
        self.observer.stage_finished(&StageSummary {
            name: stage.name.clone(),
            steps: stage.steps(),
            wall_seconds: begin.elapsed().as_secs_f64(),
            mean_temperature,
            mean_pressure,
            mean_density,
            drift,
        });
        Ok(())
    }
}
