//! From a configuration to the system, its first state, and a backend.

use std::path::Path;
use std::sync::Arc;

use vitrion_core::backend::ElectrostaticsParameters;
use vitrion_core::builder;
use vitrion_core::cpu::{self, BuiltBackend, Precision};
use vitrion_core::force_field::ForceField;
use vitrion_core::force_field::file::{ForceFieldError, check_neutral};
use vitrion_core::state::State;
use vitrion_core::topology::Topology;
use vitrion_gpu as gpu;
use vitrion_gpu::build::GpuBuildError;
use vitrion_gpu::device::{AdapterSummary, Device};
use vitrion_gpu::diagnosis::Diagnosis;
use vitrion_gpu::error::GpuError;
use vitrion_gpu::selection::NOTHING_FASTER;
use vitrion_trajectory::lammps_data::{self, LammpsSystem};

use crate::config::{BackendChoice, Config, Room, Start};
use crate::run::RunError;

/// Names that [`ForceField::load`] knows without a file.
pub const BUILT_IN_FORCE_FIELDS: &[&str] = &["ckn-rigid", "ckn-flexible"];

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Force field.
    pub force_field: Arc<ForceField>,
    /// Text of its file.
    pub force_field_text: String,
    /// Text of the file of the first state, if there is one.
    pub initial_text: Option<String>,
    /// Composition.
    pub topology: Arc<Topology>,
    /// The first state comes with velocities, which are those of the first replica.
    pub has_velocities: bool,
    file: Option<LammpsSystem>,
}

/// Reads the force field and, if there is one, the file of the first state, and checks that the system is neutral and
/// that the force field has a Hamiltonian for every stage.
pub fn prepare(config: &Config) -> Result<Prepared, RunError> {
    let system = &config.system;
    let force_field_text = ForceField::text(Path::new(&system.force_field))?;
    let force_field = ForceField::parse(&force_field_text, &system.force_field)?;
    config.check_force_field(&force_field)?;
    let (topology, file, initial_text) = match &system.start {
        Start::Melt { molecules, .. } => {
            let counts: Vec<(&str, usize)> = molecules.iter().map(|(k, n)| (k.as_str(), *n)).collect();
            (force_field.topology(&counts).map_err(|e| of_composition(config, e))?, None, None)
        }
        Start::File(path) => {
            let text = lammps_data::text(path)?;
            let file = lammps_data::from_text(&text, path, &force_field)?;
            check_neutral(&file.topology, &path.display().to_string())?;
            (file.topology.clone(), Some(file), Some(text))
        }
    };
    let has_velocities = file.as_ref().is_some_and(|f| f.velocities.is_some());
    let first = config.stages.first().and_then(|s| s.motion());
    // The velocities of a file are those of the first replica: with the same ones, all would move alike.
    let drawn = !has_velocities || system.replicas > 1;
    if drawn && first.is_some_and(|motion| motion.temperature.is_empty()) {
        let finding = if has_velocities {
            "the file has velocities for one replica, and the first stage no temperature for the others"
        } else {
            "the first stage has no temperature, and the file no velocities"
        }
        .to_owned();
        return Err(config.system_error("initial", finding, "add `temperature` to the stage").into());
    }
    Ok(Prepared {
        force_field: Arc::new(force_field),
        force_field_text,
        initial_text,
        topology: Arc::new(topology),
        has_velocities,
        file,
    })
}

/// The first state of a run, at step 0.
pub fn first_state(config: &Config, prepared: &Prepared) -> Result<State, RunError> {
    let system = &config.system;
    match (&system.start, &prepared.file) {
        (Start::Melt { room, .. }, _) => {
            let cell = match room {
                Room::Density(density) => builder::cubic_cell_for_density(&prepared.topology, *density)?,
                Room::Cell(cell) => *cell,
            };
            Ok(builder::build(&prepared.topology, cell, system.replicas, system.seed)?)
        }
        (Start::File(_), Some(file)) => Ok(file.to_state(system.replicas)?),
        (Start::File(path), None) => {
            Ok(lammps_data::read(path, &prepared.force_field)?.to_state(system.replicas)?)
        }
    }
}

/// Errors about the composition belong to a line of the configuration.
fn of_composition(config: &Config, error: ForceFieldError) -> RunError {
    match error {
        ForceFieldError::Charged { .. } | ForceFieldError::UnknownMolecule { .. } => {
            let remedy = "change the numbers or the names of the molecules";
            config.system_error("molecules", error.to_string(), remedy).into()
        }
        other => other.into(),
    }
}

/// A backend for the first state, or for a checkpoint's state with the parameters it was run with.
pub fn build_backend(
    config: &Config,
    prepared: &Prepared,
    state: State,
    chosen: Option<ElectrostaticsParameters>,
) -> Result<BuiltBackend, RunError> {
    match config.run.backend {
        BackendChoice::Cpu => on_cpu(config, prepared, state, chosen),
        BackendChoice::Gpu => {
            let device = open_device(config).map_err(GpuBuildError::from)?;
            on_gpu(config, prepared, device, state, chosen)
        }
        BackendChoice::Auto if config.run.precision == Precision::Reference => {
            on_cpu(config, prepared, state, chosen)
        }
        BackendChoice::Auto if config.run.device.is_some() => {
            let device = open_device(config).map_err(GpuBuildError::from)?;
            on_gpu(config, prepared, device, state, chosen)
        }
        BackendChoice::Auto => {
            // Nothing but a device that is likely to be faster.
            let built = match Device::open_faster() {
                Ok(None) => {
                    let mut built = on_cpu(config, prepared, state, chosen)?;
                    built.on = Some(why_no_gpu());
                    return Ok(built);
                }
                // What the user says about devices is not to be passed over.
                Err(error @ GpuError::Environment { .. }) => return Err(GpuBuildError::from(error).into()),
                Ok(Some(device)) => on_gpu(config, prepared, device, state.clone(), chosen),
                Err(error) => Err(GpuBuildError::from(error).into()),
            };
            match built {
                Err(RunError::Gpu(error)) => {
                    let mut built = on_cpu(config, prepared, state, chosen)?;
                    built.on = Some(format!("the CPU, since the GPU cannot do it: {error}"));
                    Ok(built)
                }
                result => result,
            }
        }
    }
}

/// Why `backend = "auto"` means the CPU; where there is a card that no driver shows, what is to be done about it.
fn why_no_gpu() -> String {
    let found = Diagnosis::of_this_machine();
    if found.has_card && gpu::device::adapters().iter().all(AdapterSummary::is_software) {
        return format!("{NOTHING_FASTER}. {}", found.advice());
    }
    NOTHING_FASTER.to_owned()
}

/// The device that a configuration means.
fn open_device(config: &Config) -> Result<Device, GpuError> {
    let wanted = config.run.device.as_deref();
    if config.run.precision == Precision::Reference {
        return Err(GpuError::Reference);
    }
    match (config.run.backend, wanted) {
        (BackendChoice::Auto, None) => match Device::open_faster()? {
            Some(device) => Ok(device),
            None => Device::open(None),
        },
        _ => Device::open(wanted),
    }
}

fn on_cpu(
    config: &Config,
    prepared: &Prepared,
    state: State,
    chosen: Option<ElectrostaticsParameters>,
) -> Result<BuiltBackend, RunError> {
    Ok(cpu::build_backend(
        &prepared.force_field,
        &prepared.topology,
        state,
        config.run.precision,
        config.run.force_accuracy,
        chosen,
    )?)
}

fn on_gpu(
    config: &Config,
    prepared: &Prepared,
    device: Device,
    state: State,
    chosen: Option<ElectrostaticsParameters>,
) -> Result<BuiltBackend, RunError> {
    Ok(gpu::build::build_backend(
        Arc::new(device),
        &prepared.force_field,
        &prepared.topology,
        state,
        config.run.force_accuracy,
        chosen,
    )?)
}

/// The force error of a configuration, where it is worth knowing: in mixed precision, and not of so many atoms that the exact
/// sum takes minutes.
pub(crate) fn force_error(
    config: &Config,
    prepared: &Prepared,
    state: &State,
    parameters: ElectrostaticsParameters,
    backend: &str,
) -> Result<Option<f64>, RunError> {
    let atoms = prepared.topology.n_atoms();
    if config.run.precision == Precision::Reference || atoms > cpu::MEASURED_ATOMS {
        return Ok(None);
    }
    if backend == gpu::backend::NAME {
        let device = open_device(config).map_err(GpuBuildError::from)?;
        let (force_field, topology) = (&prepared.force_field, &prepared.topology);
        let error =
            gpu::build::measure_force_error(Arc::new(device), force_field, topology, state, parameters)?;
        return Ok(Some(error));
    }
    Ok(Some(cpu::measure_force_error(&prepared.force_field, &prepared.topology, state, parameters)?))
}

/// Draws velocities for a stage that begins without them, one temperature a replica (K); the first `kept` replicas have theirs.
pub(crate) fn draw_velocities(
    state: &mut State,
    topology: &Topology,
    temperatures: &[f64],
    seed: u64,
    kept: usize,
) {
    let bodies = kept * state.n_bodies;
    let velocity = state.velocity[..bodies].to_vec();
    let quaternion_momentum = state.quaternion_momentum[..bodies].to_vec();
    builder::assign_velocities(state, topology, temperatures, seed);
    state.velocity[..bodies].copy_from_slice(&velocity);
    state.quaternion_momentum[..bodies].copy_from_slice(&quaternion_momentum);
}
