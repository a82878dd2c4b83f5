//! LAMMPS dumps: no bytes make it panic, and every frame has one position an id.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vitrion_analysis::inputs::{DumpTrajectory, Inputs, Said};
use vitrion_fuzz::with_file;
use vitrion_trajectory::lammps_dump::LammpsDump;

fuzz_target!(|bytes: &[u8]| {
    with_file("fuzz.lammpstrj", bytes, |path| {
        let Ok(dump) = LammpsDump::open(path) else { return };
        for number in 0..dump.frames().min(8) {
            if let Ok(frame) = dump.frame(number) {
                let n = frame.ids.len();
                assert!(frame.positions.len() == n && frame.images.is_none_or(|images| images.len() == n));
            }
        }
        if let Ok(trajectory) = DumpTrajectory::new(dump, Said::default()) {
            let _ = Inputs::new(vec![Box::new(trajectory)]);
        }
    });
});
