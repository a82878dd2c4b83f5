//! [`CpuBackend`]: replicas advanced side by side with rayon, each with a force kernel of its own.
//!
//! A replica's trajectory depends on nothing but its own state, kernel and set points: not on the other replicas, the
//! number of threads, how [`Backend::advance`] is cut into calls, nor when observables are asked for.

use std::sync::Arc;

use glam::{DVec3, DVec4};
use rayon::prelude::*;

use crate::backend::{
    Backend, BackendCheckpoint, BackendError, Dynamics, ElectrostaticsParameters, Sampling, Sink, Thermo,
    check_state,
};
use crate::force_field::Truncation;
use crate::forces::{ForceKernel, ListOrigin};
use crate::integrators::StepError;
use crate::integrators::body_forces::BodyForces;
use crate::integrators::thermodynamics::remove_centre_of_mass_velocity;
use crate::minimize::minimize;
use crate::observe::streams::{Stream, centre_bodies, deliver};
use crate::pressure::pressure_tensor;
use crate::stage::Stage;
use crate::state::{ExtendedVariables, ReplicaMut, State};
use crate::topology::Topology;

/// Steps between deliveries to the sink; also how far a failed chunk is repeated.
const CHUNK: u64 = 256;

/// Executes dynamics on the CPU in f64, with any force kernel.
///
/// Work is done in chunks of at most 256 steps. When a step fails in one replica, all replicas go back to the start of the
/// chunk and are advanced again, the same bits, to the last step that all of them can do; the streams up to there are
/// delivered and the error names the replica and the step that failed.
pub struct CpuBackend {
    topology: Arc<Topology>,
    kernels: Vec<Box<dyn ForceKernel>>,
    forces: Vec<BodyForces>,
    streams: Vec<Stream>,
    electrostatics: ElectrostaticsParameters,
    name: String,
    state: State,
    centre_bodies: Vec<usize>,
    stage: Option<Stage>,
}

/// One replica with all that its step needs.
struct Task<'a> {
    replica: ReplicaMut<'a>,
    kernel: &'a mut Box<dyn ForceKernel>,
    forces: &'a mut BodyForces,
    stream: &'a mut Stream,
}

/// The state and the neighbour lists at the start of a chunk.
struct Backup {
    state: State,
    list_origins: Vec<Option<ListOrigin>>,
}

impl CpuBackend {
    /// A backend for `state`, with one kernel a replica. The centre of mass of each replica is brought to rest.
    pub fn new(
        topology: Arc<Topology>,
        kernels: Vec<Box<dyn ForceKernel>>,
        electrostatics: ElectrostaticsParameters,
        name: String,
        state: State,
    ) -> Result<Self, BackendError> {
        if kernels.len() != state.n_replicas {
            return Err(BackendError::mismatch(
                format!("{} replicas", state.n_replicas),
                format!("{} force kernels", kernels.len()),
            ));
        }
        let mut backend = Self {
            forces: kernels.iter().map(|_| BodyForces::new(&topology)).collect(),
            streams: kernels.iter().map(|_| Stream::default()).collect(),
            centre_bodies: centre_bodies(&topology),
            topology,
            kernels,
            electrostatics,
            name,
            state: state.clone(),
            stage: None,
        };
        backend.set_state(state)?;
        Ok(backend)
    }

    /// The system.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Centres of all replicas.
    fn n_centres(&self) -> usize {
        self.centre_bodies.len() * self.kernels.len()
    }

    fn invalidate_forces(&mut self) {
        self.forces.iter_mut().for_each(BodyForces::invalidate);
    }

    /// Runs `work` on every replica in parallel and returns what it gives, in the order of the replicas; of several failures
    /// the earliest step, then the first replica, is reported.
    fn for_each_replica<T: Send>(
        &mut self,
        work: impl Fn(&mut Task) -> Result<T, (u64, StepError)> + Sync,
    ) -> Result<Vec<T>, BackendError> {
        let mut tasks: Vec<Task> = self
            .state
            .replicas_mut()
            .into_iter()
            .zip(&mut self.kernels)
            .zip(&mut self.forces)
            .zip(&mut self.streams)
            .map(|(((replica, kernel), forces), stream)| Task { replica, kernel, forces, stream })
            .collect();
        let results: Vec<_> = tasks.par_iter_mut().map(&work).collect();
        let mut values = Vec::with_capacity(results.len());
        let mut failure: Option<(u64, usize, StepError)> = None;
        for (replica, result) in results.into_iter().enumerate() {
            match result {
                Ok(value) => values.push(value),
                Err((step, _)) if failure.as_ref().is_some_and(|first| first.0 <= step) => {}
                Err((step, error)) => failure = Some((step, replica, error)),
            }
        }
        match failure {
            None => Ok(values),
            Some((step, replica, error)) => Err(named(replica, step, error)),
        }
    }

    /// Makes the forces at the present positions current; with energies and virial if asked for.
    fn ensure_forces(&mut self, energy_and_virial: bool) -> Result<(), BackendError> {
        let (topology, step) = (Arc::clone(&self.topology), self.state.step);
        self.for_each_replica(|task| {
            task.forces
                .ensure(&topology, &task.replica, task.kernel.as_mut(), energy_and_virial)
                .map_err(|error| (step, error.into()))
        })?;
        Ok(())
    }

    /// Advances by `steps` steps and delivers what was sampled.
    fn advance_chunk(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError> {
        self.ensure_forces(false)?;
        let backup = Backup {
            state: self.state.clone(),
            list_origins: self.kernels.iter().map(|k| k.list_origin()).collect(),
        };
        let failure = self.run_chunk(steps).err();
        if let Some(error) = &failure {
            let possible = failed_step(error).saturating_sub(backup.state.step + 1);
            self.roll_back(&backup)?;
            if let Err(unexpected) = self.run_chunk(possible) {
                self.roll_back(&backup)?;
                return Err(unexpected);
            }
        }
        let window_means = self.stage.as_mut().and_then(|stage| stage.window_means.as_mut());
        deliver(&mut self.streams, window_means, sink);
        failure.map_or(Ok(()), Err)
    }

    fn roll_back(&mut self, backup: &Backup) -> Result<(), BackendError> {
        self.state.clone_from(&backup.state);
        self.restore_lists(&backup.list_origins)?;
        self.invalidate_forces();
        self.streams.iter_mut().for_each(Stream::clear);
        Ok(())
    }

    fn restore_lists(&mut self, origins: &[Option<ListOrigin>]) -> Result<(), BackendError> {
        let step = self.state.step;
        for (replica, (kernel, origin)) in self.kernels.iter_mut().zip(origins).enumerate() {
            if let Some(origin) = origin {
                kernel.restore_list(origin).map_err(|source| BackendError::Forces {
                    replica,
                    step,
                    source,
                })?;
            }
        }
        Ok(())
    }

    fn run_chunk(&mut self, steps: u64) -> Result<(), BackendError> {
        let stage = self.stage.take().ok_or(BackendError::NoStage)?;
        let topology = Arc::clone(&self.topology);
        let centre_bodies = std::mem::take(&mut self.centre_bodies);
        let first = self.state.step;
        let result = self.for_each_replica(|task| {
            for step in first..first + steps {
                task.step(&topology, &stage, step, &centre_bodies).map_err(|error| (step + 1, error))?;
            }
            Ok(())
        });
        self.centre_bodies = centre_bodies;
        self.stage = Some(stage);
        result?;
        self.state.step += steps;
        Ok(())
    }
}

impl Task<'_> {
    /// Does step `step` + 1 and samples the streams that are due after it.
    fn step(
        &mut self,
        topology: &Topology,
        stage: &Stage,
        step: u64,
        centre_bodies: &[usize],
    ) -> Result<(), StepError> {
        let stress_due = stage.is_due(stage.sampling.stress_every, step + 1);
        let replica = &mut self.replica;
        stage.motion[replica.index].step(
            topology,
            step,
            replica,
            self.kernel.as_mut(),
            self.forces,
            stress_due,
        )?;
        if let (true, Some(configuration)) = (stress_due, self.forces.configuration()) {
            let tensor = pressure_tensor(topology, replica, configuration.molecular_virial);
            self.stream.stress.push((step + 1, tensor));
        }
        if stage.is_due(stage.sampling.window.map(|w| w.sample_every), step + 1) {
            let centres = centre_bodies.iter().map(|&body| replica.unwrapped[body]);
            self.stream.add_centres(step + 1, centres);
        }
        Ok(())
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn electrostatics(&self) -> ElectrostaticsParameters {
        self.electrostatics
    }

    fn begin_stage(&mut self, dynamics: &Dynamics, sampling: &Sampling) -> Result<(), BackendError> {
        let plain = self.kernels.iter().any(|kernel| kernel.truncation() == Truncation::Plain);
        let truncation = if plain { Truncation::Plain } else { Truncation::Consistent };
        let n_centres = self.n_centres();
        let stage = Stage::begin(&self.topology, &self.state, dynamics, sampling, n_centres, truncation)?;
        let continues = self.stage.as_ref().is_some_and(|s| s.dynamics.ensemble == dynamics.ensemble);
        if !continues {
            self.state.extended.fill(ExtendedVariables::default());
        }
        self.stage = Some(stage);
        Ok(())
    }

    fn advance(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError> {
        if self.stage.is_none() {
            return Err(BackendError::NoStage);
        }
        let mut left = steps;
        while left > 0 {
            let chunk = left.min(CHUNK);
            self.advance_chunk(chunk, sink)?;
            left -= chunk;
        }
        Ok(())
    }

    /// The chains, the barostat and the set-point work start from zero afterwards. After an error the state is the one
    /// before the minimisation.
    fn minimize(&mut self, max_steps: u64, force_tolerance: f64) -> Result<Vec<f64>, BackendError> {
        let backup = self.state.clone();
        let (topology, step) = (Arc::clone(&self.topology), self.state.step);
        let result = self.for_each_replica(|task| {
            let kernel = task.kernel.as_mut();
            minimize(&mut task.replica, &topology, kernel, max_steps, force_tolerance)
                .map(|minimized| minimized.largest_force)
                .map_err(|error| (step, error.into()))
        });
        self.invalidate_forces();
        match &result {
            Ok(_) => {
                self.state.velocity.fill(DVec3::ZERO);
                self.state.quaternion_momentum.fill(DVec4::ZERO);
                self.state.extended.fill(ExtendedVariables::default());
            }
            Err(_) => self.state = backup,
        }
        result
    }

    fn thermo(&mut self) -> Result<Vec<Thermo>, BackendError> {
        self.ensure_forces(true)?;
        let step = self.state.step;
        let motion = self.stage.as_ref().map(|stage| stage.motion.as_slice());
        let replicas = self.state.replicas_mut();
        let present = replicas.iter().zip(&self.forces).filter_map(|(r, f)| Some((r, f.configuration()?)));
        Ok(present
            .map(|(replica, configuration)| match motion {
                Some(motion) => motion[replica.index].thermo(&self.topology, step, replica, configuration),
                None => {
                    crate::integrators::thermodynamics::instantaneous(&self.topology, replica, configuration)
                }
            })
            .collect())
    }

    fn state(&self) -> &State {
        &self.state
    }

    /// Also brings the centre of mass of each replica to rest and starts the window means afresh.
    fn set_state(&mut self, state: State) -> Result<(), BackendError> {
        check_state(&state, &self.topology, self.kernels.len())?;
        self.state = state;
        remove_centre_of_mass_velocity(&self.topology, &mut self.state);
        self.invalidate_forces();
        if let Some(stage) = &mut self.stage {
            stage.restart_windows();
        }
        Ok(())
    }

    fn checkpoint(&self) -> BackendCheckpoint {
        BackendCheckpoint {
            state: self.state.clone(),
            list_origins: self.kernels.iter().map(|k| k.list_origin()).collect(),
            window_means: self.stage.as_ref().and_then(|stage| stage.window_means.clone()),
            electrostatics: self.electrostatics,
            backend: self.name.clone(),
            hardware: None,
            device: None,
        }
    }

    fn restore(&mut self, checkpoint: &BackendCheckpoint) -> Result<(), BackendError> {
        check_state(&checkpoint.state, &self.topology, self.kernels.len())?;
        if checkpoint.list_origins.len() != self.kernels.len() {
            let found = format!("neighbour lists of {} replicas", checkpoint.list_origins.len());
            return Err(BackendError::mismatch(found, format!("{} replicas", self.kernels.len())));
        }
        let same_backend = checkpoint.backend == self.name;
        if same_backend && checkpoint.electrostatics != self.electrostatics {
            return Err(BackendError::mismatch(
                format!("a run with {:?}", checkpoint.electrostatics),
                format!("{:?}", self.electrostatics),
            ));
        }
        if let Some(stage) = &mut self.stage {
            stage.restore_windows(checkpoint.window_means.as_ref())?;
        }
        self.state.clone_from(&checkpoint.state);
        self.invalidate_forces();
        if same_backend { self.restore_lists(&checkpoint.list_origins) } else { Ok(()) }
    }
}

fn named(replica: usize, step: u64, error: StepError) -> BackendError {
    match error {
        StepError::Forces(source) => BackendError::Forces { replica, step, source },
        StepError::NotFinite { body } => BackendError::NotFinite { replica, step, body },
    }
}

/// The step that could not be done.
fn failed_step(error: &BackendError) -> u64 {
    match error {
        BackendError::Forces { step, .. }
        | BackendError::NotFinite { step, .. }
        | BackendError::ExtendedVariables { step, .. } => *step,
        BackendError::NoStage
        | BackendError::Mismatch { .. }
        | BackendError::Truncation(_)
        | BackendError::Device { .. } => 0,
    }
}
