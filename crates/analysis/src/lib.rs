//! Observables, measured from trajectories frame by frame.
//!
//! Every observable is one file with one type of the same shape: `new(...)`, `accumulate(frame)` as often as there are
//! frames, `finish()`. Errors are those of block averages over time ([`blocks`]).

pub mod blocks;
pub mod fits;
pub mod msd;
pub mod rdf;
