//! Chooses lattice-sum parameters for the device, and measures the force error that they really have.

use std::sync::Arc;

use vitrion_core::backend::{Backend, ElectrostaticsParameters};
use vitrion_core::cpu::{self, BuildError, BuiltBackend, MEASURED_ATOMS};
use vitrion_core::force_field::ForceField;
use vitrion_core::state::State;
use vitrion_core::topology::Topology;

use crate::backend::{GpuBackend, Options};
use crate::device::Device;
use crate::dimensions::device_mesh;
use crate::error::GpuError;
use crate::force_kernel::GpuForceKernel;

/// Why a GPU backend cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum GpuBuildError {
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// Parameters or state.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The state.
    #[error(transparent)]
    Backend(#[from] vitrion_core::backend::BackendError),
}

/// A GPU backend for `state`. With `chosen` (from a checkpoint) the parameters are taken as they are, on a mesh that the device can
/// transform.
pub fn build_backend(
    device: Arc<Device>,
    force_field: &Arc<ForceField>,
    topology: &Arc<Topology>,
    state: State,
    accuracy: f64,
    chosen: Option<ElectrostaticsParameters>,
) -> Result<BuiltBackend, GpuBuildError> {
    let largest =
        state.cells.iter().max_by(|a, b| a.volume().total_cmp(&b.volume())).unwrap_or(&state.cells[0]);
    let parameters = match chosen {
        Some(parameters) => parameters,
        None => cpu::choose_mesh(force_field, topology, largest, accuracy).map_err(BuildError::from)?,
    };
    let parameters = device_mesh(&parameters, device.adapter.workgroup_memory())?;
    let measured_force_error = if chosen.is_none() && topology.n_atoms() <= MEASURED_ATOMS {
        Some(measure_force_error(Arc::clone(&device), force_field, topology, &state, parameters)?)
    } else {
        None
    };
    let (description, on) = (cpu::describe(&parameters), Some(device.description()));
    let backend = GpuBackend::new(device, force_field, topology, parameters, state, Options::default())?;
    Ok(BuiltBackend { backend: Box::new(backend) as Box<dyn Backend>, measured_force_error, description, on })
}

/// RMS difference between the forces of the device and the reference forces of replica 0, relative as in
/// [`cpu::measure_force_error`].
pub fn measure_force_error(
    device: Arc<Device>,
    force_field: &Arc<ForceField>,
    topology: &Arc<Topology>,
    state: &State,
    parameters: ElectrostaticsParameters,
) -> Result<f64, GpuBuildError> {
    let mut kernel = GpuForceKernel::new(device, force_field, topology, &state.cells[0], parameters, None)?;
    Ok(cpu::measure_kernel_error(force_field, topology, state, &mut kernel)?)
}
