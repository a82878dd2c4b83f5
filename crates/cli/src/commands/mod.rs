//! Subcommands, one a file: arguments, help, and the few lines that call the libraries.

pub mod analyze;
pub mod bench;
pub mod completions;
pub mod convert;
pub mod devices;
pub mod fit;
pub mod forces;
pub mod info;
mod info_lammps;
pub mod new;
pub mod plot;
pub mod report;
pub mod run;
pub mod verify;
