//! Physics of Vitrion: what a system is, where it is, and how it moves.
//!
//! No files and no GPU handles here. Internal units are angstrom, picosecond, unified atomic mass unit and
//! elementary charge, so energies are in u A^2/ps^2 ([`units`]). Every array of [`state::State`] runs over
//! *replicas x particles*.

pub mod backend;
pub mod builder;
pub mod cell;
pub mod constant_terms;
pub mod cpu;
pub mod force_field;
pub mod forces;
pub mod integrators;
pub mod long_range;
pub mod minimize;
pub mod neighbors;
pub mod observe;
pub mod pressure;
pub mod random;
pub mod stage;
pub mod state;
pub mod topology;
pub mod units;
