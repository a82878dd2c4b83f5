//! Configuration: no text makes it panic, or makes the plan of what it accepts panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vitrion_simulation::config::Config;

fuzz_target!(|text: &str| {
    if let Ok(config) = Config::parse(Path::new("fuzz.toml"), text.to_owned()) {
        // What is accepted has a number of steps, and correlators that fit into memory.
        let _ = config.total_steps();
        for stage in &config.stages {
            if let Some(stress) = &stage.outputs.stress {
                drop(stress.build());
            }
        }
    }
});
