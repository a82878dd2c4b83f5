//! The GPU backend: WGSL compute kernels on wgpu that advance all replicas of an ensemble in the same dispatches.
//!
//! A step is four dispatches, each of which needs what the one before has written: [`near`](../../../shaders/near.wgsl) spreads charges and computes
//! pair forces, `kspace` convolves the mesh, `far` gathers reciprocal forces, `advance` moves the bodies. State stays on the
//! device between samples. No f64 is needed there: positions are 32-bit fractions of the cell, orientations 30-bit
//! fractions, velocities, angular momenta and extended variables 64-bit integers of two words, mesh charges and reciprocal
//! forces integers. Every sum has a fixed order or is one of integers, so a replica has the same bits alone, in a batch, and
//! after a restart on the same device.

pub mod backend;
pub mod build;
mod convert;
pub mod device;
pub mod diagnosis;
pub mod dimensions;
pub mod error;
pub mod force_kernel;
pub mod layout;
mod pipelines;
pub mod read_back;
pub mod selection;
pub mod self_test;
pub mod system;
mod tables;
pub mod work;
