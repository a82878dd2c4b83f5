//! H5MD: a sound HDF5 file whose elements are missing, of other kinds, shapes, units and sizes never makes the reader panic, and never
//! makes it take memory that the file does not account for.
#![no_main]

use std::sync::LazyLock;

use glam::DVec3;
use libfuzzer_sys::fuzz_target;
use vitrion_analysis::inputs::{H5mdTrajectory, Inputs, Said};
use vitrion_core::cell::Cell;
use vitrion_fuzz::alterations::{Bytes, alter};
use vitrion_fuzz::{directory, with_file};
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter, TrajectoryReader};

const OBJECTS: &[&str] = &[
    "particles/all/position/value",
    "particles/all/position/step",
    "particles/all/position/time",
    "particles/all/position",
    "particles/all/box/edges/value",
    "particles/all/box/edges/step",
    "particles/all/box/edges/time",
    "particles/all/box/edges",
    "particles/all/box",
    "particles/all/image/value",
    "particles/all/image",
    "particles/all/image/step",
    "particles/all/velocity/value",
    "particles/all/velocity/step",
    "particles/all/velocity",
    "particles/all/species",
    "particles/all/species/value",
    "particles/all/id",
    "particles/all/id/value",
    "particles/all/mass",
    "particles/all/charge",
    "particles/all/molecule",
    "particles/other/position/value",
    "particles/centres/position/value",
    "particles/centres/position/step",
    "particles/centres/atom",
    "particles/centres/species",
    "vitrion/stages/name",
    "vitrion/stages/first_step",
    "vitrion/stages/steps",
    "vitrion/stages/timestep",
    "vitrion/thermo/step",
    "vitrion",
    "h5md/creator",
];
const ATTRIBUTES: &[&str] =
    &["unit", "names", "boundary", "dimension", "offset", "closed", "version", "name"];

/// Two frames of three atoms.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    hdf5::silence_errors(true);
    let path = directory().join("sound.h5");
    let header = PlainHeader {
        names: vec!["N".into(), "O".into()],
        species: vec![0, 1, 1],
        molecules: Some(vec![0, 0, 1]),
        masses: Some(vec![14.0, 16.0, 16.0]),
        charges: Some(vec![1.0, -0.5, -0.5]),
        images: true,
    };
    let mut writer = PlainWriter::create(&path, &header).expect("a new file");
    let cell = Cell::cubic(10.0).expect("a cell");
    let positions = [0.1, 2.5, 9.9].map(DVec3::splat);
    for step in [5, 7] {
        writer.append(step, step as f64 * 0.5, &cell, &positions, Some(&[DVec3::ZERO; 3])).expect("a frame");
    }
    writer.finish().expect("a file");
    let bytes = std::fs::read(&path).expect("the file");
    std::fs::remove_file(path).expect("the file");
    bytes
});

fuzz_target!(|bytes: &[u8]| {
    with_file("fuzz.h5", &SOUND, |path| {
        alter(path, &mut Bytes(bytes), OBJECTS, ATTRIBUTES);
        let Ok(reader) = TrajectoryReader::open(path) else { return };
        let _ = reader.summary();
        for index in 0..reader.frames().min(3) {
            let _ = (reader.frame(index), reader.images(index));
        }
        // All that `analyze` asks before it begins; a file may announce more frames than anybody has memory to list.
        if reader.frames() < 100_000 {
            let frames = (0..reader.frames()).collect();
            if let Ok(trajectory) = H5mdTrajectory::new(reader, None, frames, Said::default()) {
                let _ = Inputs::new(vec![Box::new(trajectory)]);
            }
        }
    });
});
