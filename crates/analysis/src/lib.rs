//! Observables, measured from trajectories frame by frame.
//!
//! Every observable is one file with one type of the same shape: `new(...)`, `accumulate(frame)` as often as there are
//! frames, `finish()`; [`observable`] lists them. [`analysis`] streams trajectories through them, [`results`] keeps what they
//! find. Errors: [`jackknife`].

pub mod analysis;
pub mod clock;
pub mod density_modes;
pub mod error;
pub mod fits;
pub mod frame;
pub mod frame_average;
pub mod heterogeneity;
pub mod inputs;
pub mod isf_coherent;
pub mod isf_self;
pub mod jackknife;
pub mod lags;
mod lane_correlation;
mod lanes;
pub mod mechanics;
pub mod msd;
pub mod observable;
pub mod overlap;
pub mod pair_average;
pub mod pair_distances;
pub mod particles;
pub mod rdf;
pub mod reorientation;
pub mod results;
pub mod scattering;
mod seal;
pub mod settings;
mod sinc;
pub mod structure_factor;
pub mod table;
pub mod temperature_series;
pub mod thermodynamics;
pub mod van_hove;
pub mod wave_vectors;
pub mod weighting;

#[cfg(test)]
mod test_support;
