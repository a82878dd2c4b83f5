//! Force field: no text makes it panic; what is accepted makes a topology.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vitrion_core::force_field::ForceField;

fuzz_target!(|text: &str| {
    if let Ok(force_field) = ForceField::parse(text, "fuzz.toml") {
        let counts: Vec<(&str, usize)> = force_field.kinds.iter().map(|k| (k.name.as_str(), 2)).collect();
        let _ = force_field.topology(&counts);
    }
});
