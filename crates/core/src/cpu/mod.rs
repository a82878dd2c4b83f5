//! The CPU: the backend that advances replicas, and its force kernels.

pub mod backend;
mod lanes;
pub mod mixed;
mod pair_force;
pub mod reference;
mod screening;
pub mod simd;
