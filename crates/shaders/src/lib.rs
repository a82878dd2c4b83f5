//! The WGSL kernels of the GPU backend: put together from numbers, and validated.
//!
//! A kernel's text depends on the system: constants, Fourier transforms and splines are written for it, and followed by the
//! files in `shaders/`. Nothing here knows physics or a device, so that the build script of `vitrion-gpu` can compose and
//! [validate](validate::validate_all) every kernel before the crate itself is compiled: a wrong shader fails the build.

#![forbid(unsafe_code)]

mod contraction;
pub mod dimensions;
pub mod fourier;
pub mod kernel;
pub mod protocol;
pub mod representative;
mod shared_vectors;
pub mod source;
pub mod table;
pub mod validate;
