//! Motion: integrators and the CPU backend, with force kernels simple enough to be exact.

mod backend;
mod ckn;
mod ensembles;
mod failures;
mod nve;
#[path = "../../../../tests/recorder.rs"]
mod recorder;
mod support;
mod truncation;
