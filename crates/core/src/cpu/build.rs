//! Chooses kernels and lattice-sum parameters for a system, and measures the force error that they really have.

use std::sync::Arc;

use glam::DVec3;
use serde::{Deserialize, Serialize};

use super::backend::CpuBackend;
use super::mixed::{DEFAULT_SKIN, MixedError, MixedKernel};
use super::reference::{ReferenceKernel, ReferenceOptions};
use crate::backend::{Backend, BackendError, ElectrostaticsParameters, Reciprocal};
use crate::cell::Cell;
use crate::force_field::ForceField;
use crate::forces::{ForceError, ForceKernel, MoleculeVirials, Request};
use crate::long_range::ewald::EwaldParameters;
use crate::long_range::parameters::{ParameterError, choose, force_difference};
use crate::state::State;
use crate::topology::Topology;
use crate::units::COULOMB;

/// How forces are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f64 everywhere, exact Ewald, all images: the judge.
    Reference,
    /// f32 forces and particle-mesh Ewald, f64 state.
    Mixed,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reference => "reference",
            Self::Mixed => "mixed",
        })
    }
}

/// A backend, with what was chosen for it.
pub struct BuiltBackend {
    /// The backend, ready for its first stage.
    pub backend: Box<dyn Backend>,
    /// RMS force error over the RMS force, measured against exact Ewald; `None` where that would take too long
    /// (more than [`MEASURED_ATOMS`] atoms), for reference precision, or when resuming.
    pub measured_force_error: Option<f64>,
    /// The lattice-sum parameters in words.
    pub description: String,
    /// In words, on which device it runs and why, or why it does not run on one; `None` where that was not in question.
    pub on: Option<String>,
}

/// Up to this many atoms the error is measured; an exact sum over more takes minutes.
pub const MEASURED_ATOMS: usize = 30_000;

/// Why a backend cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No parameters reach the accuracy.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The mesh cannot be set up.
    #[error(transparent)]
    Mixed(#[from] MixedError),
    /// The forces of the start configuration failed.
    #[error(transparent)]
    Forces(#[from] ForceError),
    /// The state does not fit.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// A CPU backend for `state`. With `chosen` (from a checkpoint) the parameters are taken as they are.
pub fn build_backend(
    force_field: &Arc<ForceField>,
    topology: &Arc<Topology>,
    state: State,
    precision: Precision,
    accuracy: f64,
    chosen: Option<ElectrostaticsParameters>,
) -> Result<BuiltBackend, BuildError> {
    let parameters = match (chosen, precision) {
        (Some(parameters), _) => parameters,
        (None, Precision::Reference) => {
            EwaldParameters::balanced(reference_tolerance(accuracy), &state.cells[0], topology.n_atoms())
                .into()
        }
        (None, Precision::Mixed) => choose_mesh(force_field, topology, largest(&state.cells), accuracy)?,
    };
    let measured_force_error =
        if chosen.is_none() && precision == Precision::Mixed && topology.n_atoms() <= MEASURED_ATOMS {
            Some(measure_force_error(force_field, topology, &state, parameters)?)
        } else {
            None
        };
    let kernels = (0..state.n_replicas)
        .map(|replica| kernel(force_field, topology, &state.cells[replica], precision, parameters))
        .collect::<Result<Vec<_>, _>>()?;
    let name = format!("cpu/{precision}");
    let backend = CpuBackend::new(Arc::clone(topology), kernels, parameters, name, state)?;
    let description = describe(&parameters);
    Ok(BuiltBackend { backend: Box::new(backend), measured_force_error, description, on: None })
}

/// The force kernel of one replica.
pub fn kernel(
    force_field: &Arc<ForceField>,
    topology: &Arc<Topology>,
    cell: &Cell,
    precision: Precision,
    parameters: ElectrostaticsParameters,
) -> Result<Box<dyn ForceKernel>, BuildError> {
    Ok(match (precision, parameters.reciprocal) {
        (Precision::Mixed, _) => Box::new(MixedKernel::new(force_field, topology, parameters, DEFAULT_SKIN)?),
        (Precision::Reference, Reciprocal::Ewald { k_max }) => {
            let ewald = EwaldParameters { alpha: parameters.alpha, cutoff: parameters.cutoff, k_max };
            let options = ReferenceOptions::default();
            Box::new(ReferenceKernel::checked(force_field, topology, cell, options, Some(ewald))?)
        }
        (Precision::Reference, Reciprocal::Pme { .. }) => {
            return Err(BackendError::Mismatch {
                found: "particle-mesh parameters of mixed precision".to_owned(),
                expected: "direct Ewald parameters for reference precision".to_owned(),
            }
            .into());
        }
    })
}

/// What computes the virials of the molecules of one replica with lattice-sum parameters chosen before, on the host: by exact sums
/// for a direct Ewald sum, else in mixed precision over lists that are built for every configuration (no skin), so that the
/// result depends on nothing else.
pub fn molecule_virials(
    force_field: &Arc<ForceField>,
    topology: &Arc<Topology>,
    cell: &Cell,
    parameters: ElectrostaticsParameters,
) -> Result<Box<dyn MoleculeVirials>, BuildError> {
    Ok(match parameters.reciprocal {
        Reciprocal::Pme { .. } => Box::new(MixedKernel::new(force_field, topology, parameters, 0.0)?),
        Reciprocal::Ewald { k_max } => {
            let ewald = EwaldParameters { alpha: parameters.alpha, cutoff: parameters.cutoff, k_max };
            let options = ReferenceOptions::default();
            Box::new(ReferenceKernel::checked(force_field, topology, cell, options, Some(ewald))?)
        }
    })
}

/// Mesh parameters for a relative force accuracy at the thermal force scale of the system.
pub fn choose_mesh(
    force_field: &ForceField,
    topology: &Topology,
    cell: &Cell,
    accuracy: f64,
) -> Result<ElectrostaticsParameters, ParameterError> {
    let charges = topology.charges();
    choose(accuracy, force_field.cutoff, cell, &charges, force_scale(&charges, cell.volume()))
}

/// The RMS force that accuracies refer to (u A/ps^2): 0.148 e^2/(4 pi eps0) <q^2>/a^2 with a the radius of the sphere of one
/// atom's volume. The factor is the RMS force of the CKN melt at 700 K (6,594 u A/ps^2 in the reference configuration)
/// over that expression. Unlike a measured RMS force it does not vanish in a minimised start nor explode in a random one.
pub fn force_scale(charges: &[f64], volume: f64) -> f64 {
    let n = charges.len() as f64;
    let mean_square = charges.iter().map(|q| q * q).sum::<f64>() / n;
    let a = (3.0 * volume / (4.0 * std::f64::consts::PI * n)).cbrt();
    0.148 * COULOMB * mean_square / (a * a)
}

/// Terms of the exact sum are dropped well below the accuracy asked for.
fn reference_tolerance(accuracy: f64) -> f64 {
    (0.01 * accuracy).clamp(1e-14, 1e-6)
}

fn largest(cells: &[Cell]) -> &Cell {
    cells.iter().max_by(|a, b| a.volume().total_cmp(&b.volume())).unwrap_or(&cells[0])
}

/// RMS difference between the mixed and the reference forces of replica 0, over the RMS force, or over the thermal
/// force scale where the configuration is not a thermal one. Overlapping starts are compared with the continued potential,
/// whose huge forces count as scale there: measure again when the configuration is relaxed.
pub fn measure_force_error(
    force_field: &Arc<ForceField>,
    topology: &Arc<Topology>,
    state: &State,
    parameters: ElectrostaticsParameters,
) -> Result<f64, BuildError> {
    let mut mixed = MixedKernel::new(force_field, topology, parameters, DEFAULT_SKIN)?;
    measure_kernel_error(force_field, topology, state, &mut mixed)
}

/// As [`measure_force_error`], for any kernel.
pub fn measure_kernel_error(
    force_field: &Arc<ForceField>,
    topology: &Arc<Topology>,
    state: &State,
    mixed: &mut dyn ForceKernel,
) -> Result<f64, BuildError> {
    let cell = state.cells[0];
    let positions = state.atom_positions(topology, 0);
    let options = ReferenceOptions { coulomb_tolerance: 1e-10, ..ReferenceOptions::default() };
    let mut reference = ReferenceKernel::checked(force_field, topology, &cell, options, None)?;
    let n = topology.n_atoms();
    let (mut fast, mut exact) = (vec![DVec3::ZERO; n], vec![DVec3::ZERO; n]);
    let request = Request::default();
    if let Err(error) = reference.evaluate(&cell, &positions, request, &mut exact) {
        if !matches!(error, ForceError::CloseApproach { .. }) {
            return Err(error.into());
        }
        reference.set_soft_core(true);
        mixed.set_soft_core(true);
        reference.evaluate(&cell, &positions, request, &mut exact)?;
    }
    mixed.evaluate(&cell, &positions, request, &mut fast)?;
    let difference = force_difference(&fast, &exact);
    let scale = difference.reference_rms.max(force_scale(&topology.charges(), cell.volume()));
    Ok(difference.relative_rms * difference.reference_rms / scale)
}

/// Lattice-sum parameters in words.
pub fn describe(parameters: &ElectrostaticsParameters) -> String {
    let ElectrostaticsParameters { cutoff, alpha, reciprocal } = parameters;
    match reciprocal {
        Reciprocal::Ewald { k_max } => {
            format!(
                "Ewald, alpha {alpha:.4} 1/angstrom, real space to {cutoff:.2} angstrom, wave vectors to {k_max:.2} 1/angstrom"
            )
        }
        Reciprocal::Pme { order, grid: [a, b, c] } => {
            format!(
                "PME of order {order} on {a} x {b} x {c}, alpha {alpha:.4} 1/angstrom, real space to {cutoff:.2} angstrom"
            )
        }
    }
}
