//! The reciprocal part of the Coulomb energy.

pub mod b_spline;
pub mod ewald;
mod influence;
mod mesh;
mod planes;
pub mod pme;
