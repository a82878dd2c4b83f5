//! Validates the shaders: a wrong one fails the build, not a run.

use std::process::ExitCode;

use vitrion_shaders::validate::validate_all;

fn main() -> ExitCode {
    // The shaders are compiled into `vitrion-shaders`: when one changes, this is built and run again.
    println!("cargo::rerun-if-changed=build.rs");
    match validate_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
