//! Protocols: configuration (TOML) -> stages -> backend -> writers; resume and signals.

pub mod config;
pub mod observer;
pub mod plan;
pub mod pooled;
pub mod run;
pub mod schedule;
pub mod system;
