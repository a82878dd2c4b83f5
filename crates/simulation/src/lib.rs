//! Protocols: configuration (TOML) -> stages -> backend -> writers; resume and signals.

pub mod observer;
