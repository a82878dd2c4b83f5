//! The CPU: the backend that advances replicas, and its force kernels.

pub mod backend;
pub mod reference;
pub mod simd;
