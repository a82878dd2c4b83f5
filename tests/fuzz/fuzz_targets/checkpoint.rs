//! Checkpoints: no bytes make the reader panic or take memory that the file does not account for. Nearly all mutants fail the checksum, so
//! that the payload's decoder also gets them as they are.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vitrion_core::backend::BackendCheckpoint;
use vitrion_core::observe::multi_tau::StressCorrelator;
use vitrion_trajectory::checkpoint;

fuzz_target!(|bytes: &[u8]| {
    let _ = checkpoint::from_bytes::<BackendCheckpoint>(Path::new("fuzz.checkpoint"), bytes);
    let _ = postcard::take_from_bytes::<BackendCheckpoint>(bytes);
    let _ = postcard::take_from_bytes::<Vec<StressCorrelator>>(bytes);
});
