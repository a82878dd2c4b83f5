//! The CPU: the backend that advances replicas, and its force kernels.

pub mod backend;
mod build;
pub mod lanes;
pub mod mixed;
pub mod pair_force;
pub mod reference;
mod reference_limits;
pub mod screening;
pub mod simd;

pub use build::{
    BuildError, BuiltBackend, MEASURED_ATOMS, Precision, build_backend, choose_mesh, describe, force_scale,
    kernel, measure_force_error, measure_kernel_error, molecule_virials,
};
