//! The CPU: the backend that advances replicas, and its force kernels.

pub mod backend;
pub mod lanes;
pub mod mixed;
pub mod pair_force;
pub mod reference;
pub mod screening;
pub mod simd;
