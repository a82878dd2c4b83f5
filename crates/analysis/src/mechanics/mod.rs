//! Mechanics: how stress relaxes.

pub mod green_kubo;
pub mod ion_stress;
pub mod stress_windows;
