//! The reciprocal part of the Coulomb energy.

pub mod b_spline;
pub mod ewald;
pub mod exclusions;
mod influence;
mod mesh;
pub mod parameters;
mod planes;
pub mod pme;
