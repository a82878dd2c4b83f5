//! The boundary between the description of a run and the device that executes it.

use glam::{DMat3, DVec3};
use serde::{Deserialize, Serialize};

use crate::force_field::PlainTruncation;
use crate::forces::{Energies, ForceError, ListOrigin};
use crate::observe::window_means::WindowMeans;
use crate::state::State;
use crate::topology::Topology;

/// A set point that moves linearly in time, computed from the integer step in f64 so that no error accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetPoint {
    /// Value at `start_step` (K or u/(A ps^2)).
    pub start: f64,
    /// Rate (value per ps); zero for a constant.
    pub rate: f64,
    /// Step at which the stage begins.
    pub start_step: u64,
}

impl SetPoint {
    /// Value at `step` of the run with steps of `timestep` ps; `start` before the stage.
    pub fn at(&self, step: u64, timestep: f64) -> f64 {
        self.start + self.rate * (step.saturating_sub(self.start_step) as f64 * timestep)
    }
}

/// What is held constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ensemble {
    /// Constant volume and energy.
    Nve,
    /// Constant volume and temperature: Nosé-Hoover chains.
    Nvt,
    /// Constant pressure and temperature: Martyna-Tobias-Klein, isotropic.
    Npt,
}

/// How a stage moves its replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dynamics {
    /// Time step (ps).
    pub timestep: f64,
    /// What is held constant.
    pub ensemble: Ensemble,
    /// Temperature set point of each replica (K); used in NVT and NPT.
    pub temperature: Vec<SetPoint>,
    /// Pressure set point of each replica (u/(A ps^2)); used in NPT.
    pub pressure: Vec<SetPoint>,
    /// tau of the thermostats (ps).
    pub thermostat_period: f64,
    /// tau_p of the barostat (ps).
    pub barostat_period: f64,
}

/// What is streamed during a stage. Intervals in steps, counted from the stage's first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// Pressure tensor every so many steps (for the stress correlator).
    pub stress_every: Option<u64>,
    /// Window means of the centres.
    pub window: Option<Window>,
}

/// Windows of consecutive samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Steps between samples.
    pub sample_every: u64,
    /// Samples in a window.
    pub samples: u64,
}

/// Instantaneous observables of one replica at the end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thermo {
    /// Kinetic temperature of all degrees of freedom (K).
    pub temperature: f64,
    /// Translational temperature of the bodies (K).
    pub translational_temperature: f64,
    /// Rotational temperature (K); zero without rigid bodies.
    pub rotational_temperature: f64,
    /// Kinetic energy, translation and rotation (u A^2/ps^2).
    pub kinetic_energy: f64,
    /// Potential energy by term (u A^2/ps^2).
    pub energies: Energies,
    /// Volume (A^3).
    pub volume: f64,
    /// Molecular pressure (u/(A ps^2)), a third of the trace of `pressure_tensor`.
    pub pressure: f64,
    /// Molecular pressure tensor (sum over bodies of m v v + r F)/V (u/(A ps^2)), symmetrised.
    pub pressure_tensor: DMat3,
    /// Conserved quantity of the ensemble, with the work of moving set points taken off (u A^2/ps^2).
    pub conserved: f64,
    /// Set point of the temperature now (K); zero in NVE.
    pub target_temperature: f64,
    /// Set point of the pressure now (u/(A ps^2)); zero unless NPT.
    pub target_pressure: f64,
}

impl Default for Thermo {
    /// All zero. (Deriving it would give an identity matrix, glam's default.)
    fn default() -> Self {
        Self {
            temperature: 0.0,
            translational_temperature: 0.0,
            rotational_temperature: 0.0,
            kinetic_energy: 0.0,
            energies: Energies::default(),
            volume: 0.0,
            pressure: 0.0,
            pressure_tensor: DMat3::ZERO,
            conserved: 0.0,
            target_temperature: 0.0,
            target_pressure: 0.0,
        }
    }
}

/// Receives the streams of [`Backend::advance`]. Calls for one replica come in the order of the steps.
pub trait Sink {
    /// The pressure tensor (u/(A ps^2), symmetric) of a replica at a step.
    fn stress(&mut self, replica: usize, step: u64, pressure_tensor: DMat3);
    /// Means of the unwrapped centres (angstrom, one a molecule) over a window that ended at `step`.
    fn window_mean(&mut self, replica: usize, step: u64, means: &[DVec3]);
}

/// A sink that keeps nothing.
pub struct Discard;

impl Sink for Discard {
    fn stress(&mut self, _: usize, _: u64, _: DMat3) {}
    fn window_mean(&mut self, _: usize, _: u64, _: &[DVec3]) {}
}

/// Parameters of the lattice sums, chosen once at the start of a run and kept in its checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElectrostaticsParameters {
    /// Real-space cutoff (angstrom).
    pub cutoff: f64,
    /// Ewald splitting parameter (1/angstrom).
    pub alpha: f64,
    /// Reciprocal method.
    pub reciprocal: Reciprocal,
}

/// How the reciprocal sum is done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reciprocal {
    /// Exact sum over wave vectors with |k| <= k_max (1/angstrom, with 2 pi).
    Ewald {
        /// Largest wave number.
        k_max: f64,
    },
    /// Smooth particle-mesh Ewald.
    Pme {
        /// B-spline order, 4 to 8.
        order: usize,
        /// Mesh points along a, b, c.
        grid: [usize; 3],
    },
}

/// Everything a backend needs to go on bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendCheckpoint {
    /// Positions, momenta, extended variables.
    pub state: State,
    /// Per replica: build positions of its neighbour list.
    pub list_origins: Vec<Option<ListOrigin>>,
    /// Running window means, if the stage takes them.
    pub window_means: Option<WindowMeans>,
    /// Lattice-sum parameters.
    pub electrostatics: ElectrostaticsParameters,
    /// Name of the backend and precision that wrote it, e.g. `cpu/mixed`.
    pub backend: String,
    /// Device and driver on which it ran; `None` on the processor.
    pub hardware: Option<Hardware>,
    /// What a device holds beyond `state`, in its own words, so that it goes on with the same bits.
    pub device: Option<Vec<u8>>,
}

/// A device and its driver: another one may round differently, so bits are promised only on the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// Name of the adapter.
    pub adapter: String,
    /// Name and version of its driver.
    pub driver: String,
    /// Interface through which it is driven, e.g. `vulkan`.
    pub api: String,
}

impl std::fmt::Display for Hardware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, driver {}, through {}", self.adapter, self.driver, self.api)
    }
}

/// Why a step could not be done. The state is the one before the failed step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BackendError {
    /// The forces of a replica failed.
    #[error("replica {replica}, step {step}: {source}")]
    Forces {
        /// Replica.
        replica: usize,
        /// Step that failed.
        step: u64,
        /// What failed.
        source: ForceError,
    },
    /// Positions or velocities have become infinite or NaN.
    #[error(
        "replica {replica}, step {step}: body {body} has a position or velocity that is not finite; use a shorter time step or a relaxed start"
    )]
    NotFinite {
        /// Replica.
        replica: usize,
        /// Step.
        step: u64,
        /// Body (from 0).
        body: usize,
    },
    /// Something that belongs to no body is out of range.
    #[error(
        "replica {replica}, step {step}: a thermostat, the barostat or the work of the set points has left its range; use a shorter time step, \
         longer periods, or a relaxed start"
    )]
    ExtendedVariables {
        /// Replica.
        replica: usize,
        /// Step.
        step: u64,
    },
    /// The device that executes the dynamics has failed.
    #[error("{message}")]
    Device {
        /// What it says.
        message: String,
    },
    /// Dynamics were asked for before a stage.
    #[error("no stage has begun, so there are no dynamics to advance; call `begin_stage` first")]
    NoStage,
    /// Energy and virial are not one Hamiltonian at the constant pressure that was asked for.
    #[error(transparent)]
    Truncation(#[from] PlainTruncation),
    /// The checkpoint does not fit this system.
    #[error("the checkpoint holds {found} but this system has {expected}")]
    Mismatch {
        /// What the checkpoint holds.
        found: String,
        /// What the system needs.
        expected: String,
    },
}

impl BackendError {
    /// A checkpoint, or what it comes with, that does not fit.
    pub fn mismatch(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Mismatch { found: found.into(), expected: expected.into() }
    }
}

/// Refuses a state that has not the shape of `n_replicas` replicas of the system, or is not finite.
pub fn check_state(state: &State, topology: &Topology, n_replicas: usize) -> Result<(), BackendError> {
    let n = n_replicas * topology.n_bodies();
    let lengths = [
        state.centre.len(),
        state.unwrapped.len(),
        state.velocity.len(),
        state.orientation.len(),
        state.quaternion_momentum.len(),
    ];
    let counts = [state.n_replicas, state.cells.len(), state.extended.len()];
    if lengths != [n; 5] || counts != [n_replicas; 3] || state.n_bodies != topology.n_bodies() {
        return Err(BackendError::mismatch(
            format!("{} replicas of {} bodies (arrays of {lengths:?})", state.n_replicas, state.n_bodies),
            format!("{n_replicas} replicas of {} bodies", topology.n_bodies()),
        ));
    }
    let finite = |index: usize| {
        state.centre[index].is_finite()
            && state.unwrapped[index].is_finite()
            && state.velocity[index].is_finite()
            && state.orientation[index].is_finite()
            && state.quaternion_momentum[index].is_finite()
    };
    match (0..n).find(|index| !finite(*index)) {
        None => Ok(()),
        Some(index) => Err(BackendError::NotFinite {
            replica: index / state.n_bodies,
            step: state.step,
            body: index % state.n_bodies,
        }),
    }
}

/// Executes dynamics for all replicas at once.
pub trait Backend: Send {
    /// Name with precision, e.g. `cpu/mixed`.
    fn name(&self) -> String;

    /// Parameters of the lattice sums in force.
    fn electrostatics(&self) -> ElectrostaticsParameters;

    /// The device on which it runs; `None` on the processor.
    fn hardware(&self) -> Option<Hardware> {
        None
    }

    /// Starts a stage: sets dynamics and streams; thermostat and barostat velocities, and the set-point work, are kept
    /// when the ensemble continues and zeroed when it changes. Streams count from the `start_step` of the first replica's
    /// temperature set point, so give set points in NVE too if the stage may be resumed. Refuses constant pressure with a
    /// force field that has no Hamiltonian there ([`crate::force_field::Truncation`]).
    fn begin_stage(&mut self, dynamics: &Dynamics, sampling: &Sampling) -> Result<(), BackendError>;

    /// Advances all replicas by `steps` steps.
    fn advance(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError>;

    /// Minimises the potential energy of all replicas (FIRE), at most `max_steps` iterations, until the largest force is
    /// below `force_tolerance` (u A/ps^2). Velocities are zero afterwards. Returns the largest force left, one a replica.
    fn minimize(&mut self, max_steps: u64, force_tolerance: f64) -> Result<Vec<f64>, BackendError>;

    /// Observables now, one a replica.
    fn thermo(&mut self) -> Result<Vec<Thermo>, BackendError>;

    /// Positions, momenta, extended variables now.
    fn state(&self) -> &State;

    /// Replaces positions and momenta (velocity assignment, loading).
    fn set_state(&mut self, state: State) -> Result<(), BackendError>;

    /// Everything needed to go on bit for bit.
    fn checkpoint(&self) -> BackendCheckpoint;

    /// Goes on from a checkpoint: bit for bit if a backend of the same name wrote it, else from its state.
    /// [`Backend::begin_stage`] of the interrupted stage must have been called before, with its original set points.
    fn restore(&mut self, checkpoint: &BackendCheckpoint) -> Result<(), BackendError>;
}
