//! LAMMPS data as the topology of a dump: no bytes make it panic, and its arrays have one entry an atom.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vitrion_fuzz::with_file;
use vitrion_trajectory::lammps_data;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = with_file("fuzz.data", bytes, lammps_data::describe) {
        let n = found.ids.len();
        assert_eq!(found.species.len(), n);
        assert!(found.species.iter().all(|s| *s < found.names.len()));
        assert!(found.molecules.is_none_or(|molecules| molecules.len() == n));
    }
});
