//! What is measured while the run goes on, because its trajectory would be too large.

pub mod ion_stress;
pub mod multi_tau;
pub mod streams;
pub mod window_means;
