//! What is printed or written is read again.

use std::path::Path;

use glam::{DMat3, DVec3};
use proptest::collection::vec;
use proptest::prelude::*;
use vitrion_analysis::clock::Clock;
use vitrion_core::cell::Cell;
use vitrion_core::force_field::ForceField;
use vitrion_core::units::{Dimension, format_quantity, parse_quantity};
use vitrion_trajectory::checkpoint::{self, Header};
use vitrion_trajectory::extended_xyz::{ExtendedXyzWriter, Frame};
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter, TrajectoryReader};
use vitrion_trajectory::lammps_data::{self, LammpsSystem, ListCounts};

use crate::cases;

fn bits(vectors: &[DVec3]) -> Vec<[u64; 3]> {
    vectors.iter().map(|v| v.to_array().map(f64::to_bits)).collect()
}

fn vector(range: std::ops::Range<f64>) -> impl Strategy<Value = DVec3> {
    [range.clone(), range.clone(), range].prop_map(DVec3::from_array)
}

/// Cells as LAMMPS orients them.
fn cell() -> impl Strategy<Value = Cell> {
    (vector(8.0..40.0), vector(-4.0..4.0)).prop_map(|(edges, tilt)| {
        let h = DMat3::from_cols(
            DVec3::new(edges.x, 0.0, 0.0),
            DVec3::new(tilt.x, edges.y, 0.0),
            DVec3::new(tilt.y, tilt.z, edges.z),
        );
        Cell::new(h).expect("positive edges")
    })
}

/// Two nitrates and two potassium ions anywhere, also outside the cell, with velocities.
fn system() -> impl Strategy<Value = LammpsSystem> {
    let velocities = vec(vector(-50.0..50.0), 10);
    let atoms = vec(vector(-1.3..1.3), 10);
    let centres = vec(vector(-1.5..2.5), 4);
    // Atoms of a molecule that nearly coincide are refused: those of the two nitrates are 0.5 angstrom or more apart.
    let atoms = atoms.prop_filter("atoms that coincide", |atoms| {
        let apart = |molecule: &[DVec3]| {
            let pairs = (0..molecule.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            pairs.into_iter().all(|(i, j)| molecule[i].distance(molecule[j]) > 0.5)
        };
        apart(&atoms[..4]) && apart(&atoms[4..8])
    });
    (cell(), vector(-20.0..20.0), centres, atoms, velocities).prop_map(
        |(cell, origin, centres, atoms, velocities)| {
            let force_field = ForceField::load(Path::new("ckn-flexible")).expect("a built-in force field");
            let topology = force_field.topology(&[("nitrate", 2), ("K", 2)]).expect("a neutral system");
            let place = |(atom, offset): (usize, &DVec3)| {
                let centre = origin + cell.cartesian(centres[topology.atom_molecule[atom]]);
                centre + *offset
            };
            LammpsSystem {
                title: "a title".into(),
                cell,
                origin,
                ids: (1..=10).collect(),
                molecule_ids: (1..=4).collect(),
                positions: atoms.iter().enumerate().map(place).collect(),
                velocities: Some(velocities),
                lists: ListCounts { bonds: 6, angles: 6, dihedrals: 0, impropers: 2 },
                topology,
            }
        },
    )
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn quantities_are_read_as_they_are_printed(
        index in 0..Dimension::ALL.len(), mantissa in -9.99..9.99, exponent in -12..12,
    ) {
        let dimension = Dimension::ALL[index];
        let unit = parse_quantity(dimension.example(), dimension).expect("an example").abs();
        let value = mantissa * 10f64.powi(exponent) * unit;
        let text = format_quantity(value, dimension);
        let read = parse_quantity(&text, dimension).expect("a quantity");
        // Printed with 12 significant digits: half a unit in the last one.
        prop_assert!((read - value).abs() <= 5.1e-12 * value.abs(), "{} is read as {}", text, read);
        // A text that was read and printed stays.
        prop_assert_eq!(format_quantity(read, dimension), text);
    }

    #[test]
    fn times_of_frames_come_back_from_ticks(
        first in 0..1_000_000_000_i64, strides in vec(1..10_000_i64, 1..40), femtoseconds in 1..100_u32,
    ) {
        let mut steps = vec![first];
        for stride in strides {
            steps.push(steps[steps.len() - 1] + stride);
        }
        // A quotient of small integers is the f64 nearest to the decimal number, a product with 1e-3 is not.
        let tick = f64::from(femtoseconds) / 1e3;
        let times: Vec<f64> = steps.iter().map(|s| *s as f64 * tick).collect();
        let clock = Clock::new(&steps, &times).expect("increasing times");
        // Ticks are steps; their length is a decimal number of few digits, which is found exactly.
        prop_assert_eq!((&clock.ticks, clock.tick), (&steps, tick));
        let fine = clock.in_attoseconds().expect("times below 2.3 s");
        // Femtoseconds are whole attoseconds: lags are exact.
        let lags = |clock: &Clock| clock.ticks.windows(2).map(|t| t[1] - t[0]).collect::<Vec<_>>();
        let scaled: Vec<i64> = lags(&clock).iter().map(|lag| lag * i64::from(femtoseconds) * 1000).collect();
        // Times above 2^53 attoseconds (9 ms) would be rounded; these end at 0.14 ms.
        prop_assert_eq!(lags(&fine), scaled);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn lammps_data_is_read_to_the_last_bit(system in system()) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.data");
        lammps_data::write(&path, &system).expect("a new file");
        let force_field = ForceField::load(Path::new("ckn-flexible")).expect("a built-in force field");
        let read = lammps_data::read(&path, &force_field).expect("what was written");
        prop_assert_eq!(bits(&read.positions), bits(&system.positions));
        prop_assert_eq!(bits(&read.velocities.unwrap_or_default()), bits(system.velocities.as_deref().unwrap_or_default()));
        prop_assert_eq!(bits(&[read.origin]), bits(&[system.origin]));
        prop_assert_eq!((&read.ids, &read.molecule_ids, &read.topology), (&system.ids, &system.molecule_ids, &system.topology));
        // The format has bounds, not lengths: a length comes back where a bound exists whose difference rounds to it, else within
        // half a unit in the last place of the bounds, which are below 64.
        let (a, b) = (read.cell.matrix().to_cols_array(), system.cell.matrix().to_cols_array());
        prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 64.0 * f64::EPSILON / 2.0));
    }

    #[test]
    fn extended_xyz_has_every_bit(
        cell in cell(), positions in vec(vector(-1e3..1e3), 3), velocities in vec(vector(-1e3..1e3), 3), time in -1e9..1e9,
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.xyz");
        let mut writer = ExtendedXyzWriter::with_species(&path, vec!["K".into(); 3]).expect("a new file");
        let origin = positions[0];
        let frame = Frame { step: 7, time, cell: Some(&cell), periodic: [true; 3], origin, positions: &positions, velocities: Some(&velocities) };
        writer.write(&frame).expect("a frame");
        writer.finish().expect("a file");
        let text = std::fs::read_to_string(&path).expect("the file");
        let lines: Vec<&str> = text.lines().collect();
        let numbers = |words: &str| words.split_whitespace().map(|w| w.parse::<f64>().expect("a number").to_bits()).collect::<Vec<_>>();
        let quoted = |key: &str| {
            let (_, rest) = lines[1].split_once(&format!("{key}=\"")).expect("the key");
            numbers(rest.split('"').next().unwrap_or_default())
        };
        prop_assert_eq!(quoted("Lattice"), cell.matrix().to_cols_array().map(f64::to_bits));
        prop_assert_eq!(quoted("Origin"), origin.to_array().map(f64::to_bits));
        let (_, found) = lines[1].rsplit_once("Time=").expect("a time");
        prop_assert_eq!(numbers(found), [time.to_bits()]);
        for (line, (r, v)) in lines[2..].iter().zip(positions.iter().zip(&velocities)) {
            let expected = [r.to_array(), v.to_array()].concat().into_iter().map(f64::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(numbers(line.trim_start_matches("K ")), expected);
        }
    }

    #[test]
    fn a_plain_trajectory_is_read_to_the_last_bit(
        cells in vec(cell(), 3), frames in vec(vec(vector(-100.0..100.0), 5), 3),
        images in vec(vec([-9..9_i32, -9..9, -9..9], 5), 3), species in vec(0..2_usize, 5),
        molecules in vec(0..3_usize, 5), masses in vec(0.5..200.0, 5),
        first in 0..(1_i64 << 40), strides in [1..1000_i64, 1..1000], tick in 1e-4..10.0,
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.h5");
        let header = PlainHeader {
            names: vec!["N".into(), "O".into()],
            species: species.clone(),
            molecules: Some(molecules.clone()),
            masses: Some(masses.clone()),
            charges: None,
            images: true,
        };
        let images: Vec<Vec<DVec3>> =
            images.iter().map(|frame| frame.iter().map(|n| DVec3::from_array(n.map(f64::from))).collect()).collect();
        let steps: [i64; 3] = [first, first + strides[0], first + strides[0] + strides[1]];
        let mut writer = PlainWriter::create(&path, &header).expect("a new file");
        for (i, &step) in steps.iter().enumerate() {
            writer.append(step, step as f64 * tick, &cells[i], &frames[i], Some(&images[i])).expect("a frame");
        }
        writer.finish().expect("a file");
        let reader = TrajectoryReader::open(&path).expect("what was written");
        prop_assert_eq!(reader.frames(), 3);
        for (i, &step) in steps.iter().enumerate() {
            let read = reader.frame(i).expect("a frame");
            let time: f64 = step as f64 * tick;
            prop_assert_eq!((read.step, read.time.to_bits()), (step, time.to_bits()));
            prop_assert_eq!(bits(&read.positions), bits(&frames[i]));
            prop_assert_eq!(read.cell, Some(cells[i]));
            prop_assert_eq!(&reader.images(i).expect("images"), &Some(images[i].clone()));
        }
        // Only species that occur have names.
        let table = reader.species().expect("species").expect("species");
        let names: Vec<&str> = table.indices.iter().map(|s| table.names[*s].as_str()).collect();
        prop_assert_eq!(names, species.iter().map(|s| ["N", "O"][*s]).collect::<Vec<_>>());
        // Molecules are numbered anew, in their order.
        let read = reader.molecules().expect("molecules").expect("molecules");
        for i in 0..5 {
            for j in 0..5 {
                prop_assert_eq!(read[i].cmp(&read[j]), molecules[i].cmp(&molecules[j]));
            }
        }
        prop_assert_eq!(reader.particle_property("mass").expect("masses"), Some(masses));
    }

    #[test]
    fn checkpoints_keep_every_bit(
        numbers in vec(any::<u64>(), 0..200), step in any::<u64>(), time in any::<f64>().prop_filter("JSON has no others", |t| t.is_finite()),
        words in ".{0,40}", hardware in proptest::option::of(".{0,20}"),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("checkpoint");
        let header = Header {
            version: words.clone(), config_sha256: checkpoint::sha256(&words), step, time, backend: words.clone(), hardware,
            start_sha256: words.is_empty().then_some(words),
        };
        let payload: (Vec<f64>, Option<u64>) = (numbers.iter().map(|n| f64::from_bits(*n)).collect(), numbers.first().copied());
        checkpoint::write_atomically(&path, &payload, &header).expect("a checkpoint");
        let (read, found) = checkpoint::read::<(Vec<f64>, Option<u64>)>(&path).expect("what was written");
        // The header is JSON for people, whose reader may miss the last bit of a time, and more of subnormal ones; the payload has all.
        prop_assert!((read.time - header.time).abs() <= f64::EPSILON * header.time.abs() + f64::MIN_POSITIVE);
        prop_assert_eq!(Header { time: header.time, ..read }, header);
        prop_assert_eq!(found.0.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), numbers);
        prop_assert_eq!(found.1, payload.1);
    }
}
