//! LAMMPS data with a force field: no text makes it panic; what is accepted makes a state or is said to be no rigid body.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vitrion_core::force_field::ForceField;
use vitrion_trajectory::lammps_data;

static FORCE_FIELDS: LazyLock<[ForceField; 2]> = LazyLock::new(|| {
    ["ckn-rigid", "ckn-flexible"]
        .map(|name| ForceField::load(Path::new(name)).expect("a built-in force field"))
});

fuzz_target!(|text: &str| {
    for force_field in &*FORCE_FIELDS {
        if let Ok(system) = lammps_data::from_text(text, Path::new("fuzz.data"), force_field) {
            let _ = system.to_state(1);
        }
    }
});
