mod crashes;
mod power_cuts;
mod resumes;

use std::path::{Path, PathBuf};
use std::process::Command;

use glam::{DMat3, DVec3};
use hdf5::types::TypeDescriptor;
use vitrion_core::backend::Thermo;
use vitrion_core::cell::Cell;
use vitrion_core::observe::multi_tau::StressCorrelation;
use vitrion_core::topology::Topology;

use super::*;
use crate::test_support::rigid;

const STAGE: &str = "production, 330 K";

/// Enough nitrates for compressed rows, some ions.
fn topology() -> Topology {
    let force_field = rigid();
    let kinds: Vec<usize> = (0..100).map(|i| [0, 0, 0, 1, 2][i % 5]).collect();
    Topology::new(force_field.species, force_field.kinds, &kinds)
}

fn header() -> Header {
    let stage = |name: &str, first_step, window_means| Stage {
        name: name.to_string(),
        first_step,
        steps: 1 << 33,
        timestep: 0.004,
        window_means,
        ion_stress: window_means,
    };
    Header {
        author: "A. Tester".to_string(),
        topology: topology(),
        provenance: Provenance {
            config: "title = \"test\"\n".to_string(),
            force_field: "name = \"ckn\"\n".to_string(),
            initial_sha256: Some("5f".repeat(32)),
            version: "0.1.0".to_string(),
            command: "vitrion run ckn.toml".to_string(),
            host: "a machine".to_string(),
            started: "2026-01-31T12:00:00Z".to_string(),
            hardware: Some("llvmpipe, driver llvmpipe Mesa 22.3.6, through vulkan".to_string()),
            backend: "cpu/mixed".to_string(),
            replica: 3,
            extensions: Vec::new(),
        },
        stages: vec![stage("melt", 0, false), stage(STAGE, 1 << 33, true)],
        velocities: true,
        expected_rows: 100,
    }
}

fn cell(index: u64) -> Cell {
    let grow = 1.0 + 1e-3 * index as f64;
    Cell::new(
        DMat3::from_cols(DVec3::new(30.0, 0.0, 0.0), DVec3::new(3.0, 28.0, 0.0), DVec3::new(-2.0, 1.0, 29.0))
            * grow,
    )
    .unwrap()
}

/// Reproducible numbers without a pattern that compression could use.
fn vectors(n: usize, index: u64, stream: u64) -> Vec<DVec3> {
    let mut state =
        index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03) ^ 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 * 30.0
    };
    (0..n).map(|_| DVec3::new(next(), next(), next())).collect()
}

/// Tensors that f32 holds.
fn tensors(n: usize, index: u64) -> Vec<[f64; 6]> {
    let halves = vectors(n, index, 8).into_iter().zip(vectors(n, index, 9));
    halves
        .map(|(a, b)| [a.x, a.y, a.z, -b.x, -b.y, -b.z].map(|component| f64::from((1e3 * component) as f32)))
        .collect()
}

fn step(index: u64) -> u64 {
    (1 << 33) + 1000 * index
}

fn append(writer: &mut TrajectoryWriter, index: u64) -> Result<(), H5mdError> {
    let topology = topology();
    let (step, time) = (step(index), 0.004 * step(index) as f64);
    let thermo = Thermo {
        temperature: 300.0 + index as f64,
        volume: cell(index).volume(),
        pressure_tensor: DMat3::from_cols_array(&std::array::from_fn(|i| (i as f64 + 1.0) * index as f64)),
        ..Thermo::default()
    };
    writer.append_thermo(step, time, &thermo)?;
    if index % 4 == 3 {
        writer.append_window_mean(STAGE, step, time, &vectors(topology.molecules.len(), index, 7))?;
        writer.append_ion_stress(STAGE, step, time, &tensors(topology.molecules.len(), index))?;
    }
    writer.append_frame(&Frame {
        step,
        time,
        cell: &cell(index),
        positions: &vectors(topology.n_atoms(), index, 1),
        velocities: Some(&vectors(topology.n_atoms(), index, 2)),
        unwrapped_centres: &vectors(topology.molecules.len(), index, 3),
    })
}

fn correlation() -> Table {
    let at = |lag: u32| StressCorrelation {
        lag: u64::from(lag),
        shear: (-f64::from(lag) / 300.0).exp(),
        normal_difference: 4.0 * (-f64::from(lag) / 300.0).exp(),
        samples: 2000 - u64::from(lag),
    };
    Table::of_stress(&(0..1500).map(at).collect::<Vec<_>>(), 0.008)
}

/// Writes frames from the writer's count up to `end`, and what comes at the end of a run.
fn run(mut writer: TrajectoryWriter, end: u64) -> Counts {
    for index in writer.counts().frames as u64..end {
        append(&mut writer, index).unwrap();
    }
    writer.write_stress_correlation(STAGE, &correlation()).unwrap();
    writer.finish().unwrap()
}

fn assert_frame(frame: &ReadFrame, index: u64) {
    let topology = topology();
    let single = |v: DVec3| DVec3::from(v.to_array().map(|c| f64::from(c as f32)));
    let rounded = |v: Vec<DVec3>| v.into_iter().map(single).collect::<Vec<_>>();
    assert_eq!(frame.step, step(index).cast_signed());
    assert_eq!(frame.time, 0.004 * step(index) as f64);
    assert_eq!(frame.cell.unwrap().matrix(), cell(index).matrix());
    assert_eq!(frame.positions, rounded(vectors(topology.n_atoms(), index, 1)), "frame {index}");
    assert_eq!(frame.velocities, Some(rounded(vectors(topology.n_atoms(), index, 2))));
    assert_eq!(frame.unwrapped_centres, Some(vectors(topology.molecules.len(), index, 3)));
}

/// Every dataset and attribute under a group, as text.
fn contents(group: &hdf5::Group, into: &mut Vec<(String, String)>) {
    let attributes = |location: &hdf5::Location, into: &mut Vec<(String, String)>| {
        for name in location.attr_names().unwrap() {
            let attribute = location.attr(&name).unwrap();
            let value = match attribute.dtype().unwrap().to_descriptor().unwrap() {
                TypeDescriptor::VarLenUnicode => {
                    format!("{:?}", attribute.read_raw::<hdf5::types::VarLenUnicode>().unwrap())
                }
                _ => format!("{:?}", attribute.read_raw::<i64>().unwrap()),
            };
            into.push((format!("{}@{name}", location.name()), value));
        }
    };
    attributes(group, into);
    for dataset in group.datasets().unwrap() {
        attributes(&dataset, into);
        let value = match dataset.dtype().unwrap().to_descriptor().unwrap() {
            TypeDescriptor::VarLenUnicode => {
                format!("{:?}", dataset.read_raw::<hdf5::types::VarLenUnicode>().unwrap())
            }
            TypeDescriptor::Float(_) => {
                let bits = |x: &f64| x.to_bits();
                format!("{:?}", dataset.read_raw::<f64>().unwrap().iter().map(bits).collect::<Vec<_>>())
            }
            _ => format!("{:?}", dataset.read_raw::<i64>().unwrap()),
        };
        into.push((dataset.name(), format!("{:?} {:?} {value}", dataset.shape(), dataset.chunk())));
    }
    for child in group.groups().unwrap() {
        contents(&child, into);
    }
}

fn all_contents(path: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    contents(&opening::open_file(path).unwrap(), &mut found);
    found.sort();
    found
}

fn assert_same_contents(a: &Path, b: &Path) {
    let (a, b) = (all_contents(a), all_contents(b));
    assert!(a.len() > 50, "the comparison sees the whole file");
    for (x, y) in a.iter().zip(&b) {
        assert_eq!(x.0, y.0);
        assert!(x.1 == y.1, "{} differs", x.0);
    }
    assert_eq!(a.len(), b.len());
}

fn in_directory(name: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    (directory, path)
}

#[test]
fn frames_come_back_while_the_file_is_written_and_after() {
    let (_directory, path) = in_directory("run.h5");
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    for index in 0..3 {
        append(&mut writer, index).unwrap();
        let reader = TrajectoryReader::open(&path).unwrap();
        assert_eq!(reader.frames(), index as usize + 1);
        assert_frame(&reader.frame(index as usize).unwrap(), index);
        assert_eq!(reader.summary().unwrap().closed, Some(false));
    }
    let counts = run(writer, 10);
    assert_eq!((counts.frames, counts.thermo, counts.window_means[STAGE]), (10, 10, 2));
    let reader = TrajectoryReader::open(&path).unwrap();
    for (index, frame) in reader.iter().enumerate() {
        assert_frame(&frame.unwrap(), index as u64);
    }
    // Random access, backwards.
    assert_frame(&reader.frame(9).unwrap(), 9);
    assert_frame(&reader.frame(2).unwrap(), 2);
    let message = reader.frame(10).unwrap_err().to_string();
    assert!(message.contains("no frame 10") && message.contains("there are 10"), "{message}");
    assert_eq!(reader.unwrapped_centres(4).unwrap(), vectors(100, 4, 3));
    assert_eq!(reader.thermo("temperature").unwrap(), (300..310).map(f64::from).collect::<Vec<_>>());
    assert_eq!(
        reader.thermo("pressure_xz").unwrap()[2],
        14.0,
        "row 0, column 2 of a column-major count from 1"
    );
    assert_eq!(reader.thermo("step").unwrap()[9], step(9) as f64);
    assert_eq!(reader.window_steps(STAGE).unwrap(), [step(3).cast_signed(), step(7).cast_signed()]);
    assert_eq!(reader.window_mean(STAGE, 1).unwrap(), vectors(100, 7, 7));
    assert_eq!(reader.ion_stress_steps(STAGE).unwrap(), reader.window_steps(STAGE).unwrap());
    assert_eq!(reader.ion_stress(STAGE, 1).unwrap(), tensors(100, 7));
    assert!(reader.ion_stress(STAGE, 2).unwrap_err().to_string().contains("there are 2"));
    assert!(reader.ion_stress("melt", 0).unwrap_err().to_string().contains("takes the stress of ions"));
    let table = reader.stress_correlation(STAGE).unwrap();
    for column in &correlation().columns {
        assert_eq!(table.columns.iter().find(|c| c.name == column.name), Some(column));
    }
    assert_eq!(table.column("lag").unwrap()[1000], 8.0);
}

#[test]
fn a_frame_without_its_box_or_its_velocities_was_never_completed() {
    let (_directory, path) = in_directory("run.h5");
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    (0..4).for_each(|index| append(&mut writer, index).unwrap());
    drop(writer);
    assert_eq!(TrajectoryReader::open(&path).unwrap().frames(), 4);
    let altered = |name: &str, alter: &dyn Fn(&hdf5::Group)| {
        let copy = path.with_file_name(name);
        std::fs::copy(&path, &copy).unwrap();
        let file = hdf5::File::open_rw(&copy).unwrap();
        alter(&file.group("particles/all").unwrap());
        drop(file);
        let reader = TrajectoryReader::open(&copy).unwrap();
        assert_eq!((reader.frames(), reader.incomplete_frames()), (3, 1), "{name}");
        assert_frame(&reader.frame(2).unwrap(), 2);
    };
    altered("box.h5", &|all| all.dataset("box/edges/value").unwrap().resize((3, 3, 3)).unwrap());
    altered("velocity.h5", &|all| {
        let velocity = all.group("velocity").unwrap();
        let steps = velocity.dataset("step").unwrap().read_raw::<i64>().unwrap();
        velocity.unlink("step").unwrap();
        velocity.new_dataset_builder().with_data(&steps[..3]).create("step").unwrap();
    });
}

/// Needs a Python with MDAnalysis and h5py, named by `VITRION_PYTHON`; without it nothing is tested.
#[test]
fn standard_tools_open_the_file_while_it_is_written_and_after() {
    let Some(python) = std::env::var_os("VITRION_PYTHON") else {
        println!("skipped: VITRION_PYTHON is not set");
        return;
    };
    let (_directory, path) = in_directory("run.h5");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/check_h5md.py");
    let check = |frames: u64| {
        let output = Command::new(&python).arg(&script).arg(&path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(&format!("{frames} frames, 280 atoms, 3.43597e+07 to")), "{text}");
    };
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    for index in 0..12 {
        append(&mut writer, index).unwrap();
    }
    check(12);
    run(writer, 15);
    check(15);
}

#[test]
fn summary_and_particle_properties_tell_what_the_file_holds() {
    let (_directory, path) = in_directory("run.h5");
    let counts = run(TrajectoryWriter::create(&path, &header()).unwrap(), 5);
    let reader = TrajectoryReader::open(&path).unwrap();
    let summary = reader.summary().unwrap();
    let count = |name: &str, n| (name.to_string(), n);
    assert_eq!(summary.species, [count("N", 60), count("O", 180), count("K", 20), count("Ca", 20)]);
    assert_eq!((summary.frames, summary.incomplete_frames, summary.particles), (5, 0, 280));
    assert_eq!(summary.creator.as_deref(), Some("vitrion 0.1.0"));
    assert_eq!(summary.closed, Some(true));
    assert_eq!(summary.steps, Some((1 << 33, (1 << 33) + 4000)));
    assert_eq!(summary.stages, header().stages);
    assert_eq!(summary.thermo_rows, counts.thermo);
    assert_eq!(summary.window_means, [(STAGE.to_string(), 1)]);
    assert_eq!(summary.ion_stress, [(STAGE.to_string(), 1)]);
    assert_eq!(summary.provenance, Some(header().provenance));
    let topology = topology();
    assert_eq!(reader.particle_property("mass").unwrap().unwrap(), topology.masses());
    assert_eq!(reader.particle_property("charge").unwrap().unwrap(), topology.charges());
    assert_eq!(reader.molecules().unwrap().unwrap(), topology.atom_molecule);
    let centres = reader.centre_species().unwrap().unwrap();
    assert_eq!(centres.names, ["N", "K", "Ca"]);
    assert_eq!(centres.indices[..5], [0, 0, 0, 1, 2]);
}

#[test]
fn existing_files_and_impossible_places_are_refused() {
    let (directory, path) = in_directory("run.h5");
    std::fs::write(&path, "precious").unwrap();
    let message = |path: &Path, header: &Header| {
        TrajectoryWriter::create(path, header).err().unwrap_or_else(|| panic!("accepted")).to_string()
    };
    assert!(message(&path, &header()).contains("exists already"));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let absent = message(&directory.path().join("no/such/run.h5"), &header());
    assert!(
        absent.contains("No such file or directory") && absent.contains("check the directory"),
        "{absent}"
    );
    let mut bad = header();
    bad.stages[0].name = "a/b".to_string();
    let new = directory.path().join("new.h5");
    assert!(message(&new, &bad).contains("without `/`"));
    bad.stages[0].name = STAGE.to_string();
    assert!(message(&new, &bad).contains("must be unique"));
    assert!(!new.exists());
}

#[test]
fn frames_of_another_system_or_from_the_past_are_refused() {
    let (_directory, path) = in_directory("run.h5");
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    append(&mut writer, 5).unwrap();
    let past = append(&mut writer, 5).unwrap_err().to_string();
    assert!(past.contains("not beyond the last"), "{past}");
    let positions = vectors(280, 1, 1);
    let centres = vectors(100, 1, 1);
    let frame = Frame {
        step: step(9),
        time: 1.0,
        cell: &cell(0),
        positions: &positions[1..],
        velocities: None,
        unwrapped_centres: &centres,
    };
    let short = writer.append_frame(&frame).unwrap_err().to_string();
    assert!(short.contains("279 positions") && short.contains("holds 280"), "{short}");
    let still = writer.append_frame(&Frame { positions: &positions, ..frame }).unwrap_err().to_string();
    assert!(still.contains("0 velocities") && still.contains("holds 280"), "{still}");
    assert!(writer.append_window_mean("melt", 1, 1.0, &centres).is_err());
    assert!(writer.append_ion_stress("melt", 1, 1.0, &tensors(100, 1)).is_err());
    assert!(writer.append_ion_stress(STAGE, 1, 1.0, &tensors(99, 1)).is_err());
    assert_eq!(writer.finish().unwrap().frames, 1, "a refused frame leaves nothing");
}

#[test]
fn a_resumed_file_equals_the_never_interrupted_one() {
    let (directory, whole) = in_directory("whole.h5");
    run(TrajectoryWriter::create(&whole, &header()).unwrap(), 23);
    for (kept, written, orderly) in
        [(11, 11, true), (11, 15, true), (11, 14, false), (0, 3, false), (11, 23, true)]
    {
        let path = directory.path().join(format!("{kept}-{written}-{orderly}.h5"));
        let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
        let mut counts = writer.sync().unwrap();
        for index in 0..written {
            append(&mut writer, index).unwrap();
            if index + 1 == kept {
                counts = writer.sync().unwrap();
            }
        }
        if written == 23 {
            writer.write_stress_correlation(STAGE, &correlation()).unwrap();
        }
        if orderly {
            writer.finish().unwrap();
        } else {
            drop(writer);
        }
        // The command that resumes is another; the file keeps the first.
        let mut header = header();
        header.provenance.command = "vitrion run --resume".to_string();
        let resumed = TrajectoryWriter::reopen(&path, &header, &counts).unwrap();
        assert_eq!(resumed.counts(), counts);
        assert_eq!(TrajectoryReader::open(&path).unwrap().frames(), counts.frames);
        run(resumed, 23);
        assert_same_contents(&path, &whole);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 12, "six files and their journals");
}

#[test]
fn files_of_another_run_are_not_resumed() {
    let (_directory, path) = in_directory("run.h5");
    let counts = run(TrajectoryWriter::create(&path, &header()).unwrap(), 4);
    let before = std::fs::read(&path).unwrap();
    let message = |header: &Header, counts: &Counts| {
        TrajectoryWriter::reopen(&path, header, counts)
            .err()
            .unwrap_or_else(|| panic!("accepted"))
            .to_string()
    };
    let mut other = header();
    other.provenance.config.push('#');
    assert!(message(&other, &counts).contains("configuration with SHA-256"), "{}", message(&other, &counts));
    let mut other = header();
    other.provenance.replica = 4;
    assert!(message(&other, &counts).contains("replica 3"));
    let mut other = header();
    other.stages[0].steps = 7;
    assert!(message(&other, &counts).contains("other stages"));
    let mut other = header();
    other.velocities = false;
    assert!(message(&other, &counts).contains("velocities = false"));
    let more = Counts { frames: 5, ..counts.clone() };
    assert!(message(&header(), &more).contains("4 frames, but the checkpoint was written after 5"));
    let missing = TrajectoryWriter::reopen(Path::new("no/such.h5"), &header(), &counts).err().unwrap();
    assert!(missing.to_string().contains("no/such.h5: cannot be opened"), "{missing}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was touched");
}

#[test]
fn damaged_and_foreign_files_have_their_own_messages() {
    let (directory, path) = in_directory("run.h5");
    run(TrajectoryWriter::create(&path, &header()).unwrap(), 4);
    let bytes = std::fs::read(&path).unwrap();
    let message = |bytes: &[u8]| {
        let path = directory.path().join("x.h5");
        std::fs::write(&path, bytes).unwrap();
        TrajectoryReader::open(&path).err().unwrap_or_else(|| panic!("accepted")).to_string()
    };
    assert!(message(b"").contains("not an HDF5 file"));
    assert!(message(b"LAMMPS data file\n").contains("not an HDF5 file"));
    for length in (600..bytes.len() - 1).step_by(bytes.len() / 40) {
        assert!(message(&bytes[..length]).contains("truncated"), "{length} bytes");
    }
    let other = directory.path().join("other.h5");
    hdf5::File::create(&other).unwrap().create_group("data").unwrap();
    let error = TrajectoryReader::open(&other).err().unwrap().to_string();
    assert!(error.contains("no `/particles`") && error.contains("no H5MD trajectory"), "{error}");
    let error = TrajectoryReader::open(&directory.path().join("absent.h5")).err().unwrap().to_string();
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn other_programs_files_are_read_in_their_units() {
    let (_directory, path) = in_directory("other.h5");
    {
        let file = hdf5::File::create(&path).unwrap();
        let group = file.create_group("particles/atoms").unwrap();
        let position = group.create_group("position").unwrap();
        let values = ndarray::Array3::from_shape_fn((3, 2, 3), |(t, i, k)| (t * 6 + i * 3 + k) as f32);
        let value = position.new_dataset_builder().with_data(&values).create("value").unwrap();
        let unit: hdf5::types::FixedAscii<2> = hdf5::types::FixedAscii::from_ascii(b"nm").unwrap();
        value.new_attr::<hdf5::types::FixedAscii<2>>().create("unit").unwrap().write_scalar(&unit).unwrap();
        position.new_dataset::<i32>().create("step").unwrap().write_scalar(&10).unwrap();
        let time = position.new_dataset::<f32>().create("time").unwrap();
        time.write_scalar(&500.0_f32).unwrap();
        series::attribute(&time, "unit", "fs").unwrap();
        time.new_attr::<f32>().create("offset").unwrap().write_scalar(&1000.0_f32).unwrap();
        let cell = group.create_group("box").unwrap();
        let edges = ndarray::arr1(&[1.0_f32, 2.0, 3.0]);
        let edges = cell.new_dataset_builder().with_data(&edges).create("edges").unwrap();
        series::attribute(&edges, "unit", "nm").unwrap();
    }
    let reader = TrajectoryReader::open(&path).unwrap();
    assert_eq!((reader.frames(), reader.particles(), reader.centres()), (3, 2, None));
    let frame = reader.frame(2).unwrap();
    assert_eq!((frame.step, frame.time), (20, 2.0));
    assert_eq!(frame.positions[1], DVec3::new(150.0, 160.0, 170.0));
    assert_eq!(frame.cell, Some(Cell::orthorhombic(DVec3::new(10.0, 20.0, 30.0)).unwrap()));
    assert_eq!((frame.velocities, frame.unwrapped_centres), (None, None));
    assert_eq!(reader.species().unwrap(), None);
    let summary = reader.summary().unwrap();
    assert_eq!((summary.closed, summary.provenance, summary.creator), (None, None, None));
    drop(reader);
    // Species as words of fixed length, as h5py writes them from an array of bytes.
    let words = ["K", "Ca"].map(|w| hdf5::types::FixedAscii::<2>::from_ascii(w.as_bytes()).unwrap());
    let file = hdf5::File::open_rw(&path).unwrap();
    let group = file.group("particles/atoms").unwrap();
    group.new_dataset_builder().with_data(&words).create("species").unwrap();
    drop((group, file));
    let table = TrajectoryReader::open(&path).unwrap().species().unwrap().unwrap();
    assert_eq!((table.indices, table.names), (vec![1, 0], vec!["Ca".to_string(), "K".to_string()]));
}

#[test]
fn writers_and_readers_may_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<TrajectoryWriter>();
    assert_send::<TrajectoryReader>();
}
