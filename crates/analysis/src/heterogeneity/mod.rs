//! Dynamic heterogeneity: which ions jump, which do not, and how both move.
//!
//! All of it works on window means of the ions' centres (the mean of each ion's unwrapped position over consecutive windows). J
//! ions jumped within a span of time, NJ ions did not; the classes hold for that span only. Saito et al., Acta Mater. (2024),
//! doi:10.1016/j.actamat.2024.120536.

pub mod class_dynamics;
pub mod collectivity;
pub mod density_field;
pub mod jump_statistics;
pub mod jumps;
pub mod spans;
pub mod strings;
pub mod windows;
