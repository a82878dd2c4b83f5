use std::path::{Path, PathBuf};

use glam::{DMat3, DVec3};
use vitrion_core::cell::Cell;

use super::*;
use crate::test_support::{flexible, rigid};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
}

/// One nitrate split across the x boundary, one K, one Ca; ids shuffled; nitrate's atoms not in the order of the kind.
const SMALL: &str = "\
a small system

6 atoms
3 bonds
4 atom types
1 bond types

-1.0 11.0 xlo xhi
0.0 10.0 ylo yhi
0.0 9.0 zlo zhi

Masses

1 40.078
2 15.999 # O
3 14.01
4 39.1

Atoms # full

10 7 2 -0.65 -0.3 5.0 4.0
4 0 1 2.0 3.0 3.0 3.0 0 1 -1
12 7 3 0.95 10.44 5.0 4.0 0 0 0
7 9 4 1.0 6.0 6.0 6.0
13 7 2 -0.65 9.81 6.0911920087683927 4.0
11 7 2 -0.65 9.81 3.9088079912316073 4.0

Velocities

4 0.001 -2e-3 3.0E-04
7 0 0 0
10 0.1 0.2 0.3
11 0.1 0.2 0.3
12 0.1 0.2 0.3
13 0.1 0.2 0.3

Bonds

1 1 12 10
2 1 12 11
3 1 12 13
";

fn small() -> LammpsSystem {
    read_text(SMALL, &rigid()).unwrap_or_else(|p| panic!("line {}: {}", p.line, p.found))
}

#[test]
fn atoms_are_ordered_by_molecule_and_kind_and_molecules_made_whole() {
    let system = small();
    assert_eq!(system.ids, [4, 7, 12, 10, 11, 13]);
    assert_eq!(system.molecule_ids, [0, 9, 7]);
    let names: Vec<_> =
        system.topology.atom_species.iter().map(|&s| &system.topology.species[s].name[..]).collect();
    assert_eq!(names, ["Ca", "K", "N", "O", "O", "O"]);
    // Image flags 0 1 -1 of the calcium.
    assert_eq!(system.positions[0], DVec3::new(3.0, 13.0, -6.0));
    // Oxygen 10 sits beyond the boundary from its nitrogen at 10.44: 12 angstrom are added.
    assert!((system.positions[3] - DVec3::new(11.7, 5.0, 4.0)).length() < 1e-14);
    assert_eq!(system.positions[2], DVec3::new(10.44, 5.0, 4.0), "the others keep their bits");
    assert_eq!(system.velocities.as_ref().unwrap()[0], DVec3::new(1.0, -2.0, 0.3));
    assert_eq!(system.origin, DVec3::new(-1.0, 0.0, 0.0));
    assert_eq!(system.cell, Cell::orthorhombic(DVec3::new(12.0, 10.0, 9.0)).unwrap());
    assert_eq!(system.lists.bonds, 3);
}

#[test]
fn atoms_without_molecule_id_are_grouped_by_bonds() {
    let text = SMALL.replace(" 7 2 -0.65", " 0 2 -0.65").replace(" 7 3 0.95", " 0 3 0.95");
    let system = read_text(&text, &rigid()).unwrap();
    assert_eq!(system.ids, small().ids);
    assert_eq!(system.molecule_ids, [0, 9, 0]);
}

#[test]
fn reference_files_keep_their_order_and_convert_to_states() {
    for (name, force_field, atoms, molecules) in [
        ("ckn66.data", rigid(), 66, 24),
        ("ckn2376-700K.data", rigid(), 2376, 864),
        ("flex66.data", flexible(), 66, 24),
    ] {
        let system = read(&reference(name), &force_field).unwrap();
        assert_eq!(system.ids, (1..=atoms).collect::<Vec<u64>>());
        assert_eq!(system.topology.molecules.len(), molecules);
        let state = system.to_state(2).unwrap();
        let topology = &system.topology;
        for replica in 0..2 {
            for (found, expected) in state.atom_positions(topology, replica).iter().zip(&system.positions) {
                // The files' N-O distances are off 1.26 angstrom by up to 5.5e-5, the O-O distances by 9.4e-5.
                let difference = system.cell.wrapped_difference(*found - *expected);
                assert!(difference.length() < 1e-4, "{name}: {difference}");
            }
        }
        let masses = topology.masses();
        let back = LammpsSystem::from_state(topology, &state, 1, "back");
        let momentum: DVec3 =
            masses.iter().zip(back.velocities.as_ref().unwrap()).map(|(m, v)| *m * *v).sum();
        // 2376 terms of order 300 u A/ps, rounded.
        assert!(momentum.length() < 1e-8, "the drift is removed: {momentum}");
        if let Some(velocities) = &system.velocities {
            let total: DVec3 = masses.iter().zip(velocities).map(|(m, v)| *m * *v).sum();
            let drift = total / topology.total_mass();
            for (found, expected) in back.velocities.as_ref().unwrap().iter().zip(velocities) {
                // Rotation of up to 30 rad/ps times the deviation of the shape above.
                assert!((*found + drift - *expected).length() < 3e-3, "{name}: {found} {expected}");
            }
        }
    }
}

#[test]
fn writing_and_reading_gives_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    let mut triclinic = small();
    triclinic.cell = Cell::new(DMat3::from_cols(
        DVec3::new(12.1, 0.0, 0.0),
        DVec3::new(2.0 / 3.0, 10.7, 0.0),
        DVec3::new(-1.0 / 7.0, 0.1, 9.3),
    ))
    .unwrap();
    triclinic.origin = DVec3::new(-1.1, 1.0 / 3.0, 1e-3);
    for (index, r) in triclinic.positions.iter_mut().enumerate() {
        *r += DVec3::splat(1.0 / (3.0 + index as f64));
    }
    for v in triclinic.velocities.as_mut().unwrap() {
        *v *= std::f64::consts::PI;
    }
    triclinic.lists = ListCounts { bonds: 3, ..ListCounts::default() };
    let full = read(&reference("ckn66.data"), &rigid()).unwrap();
    let flex = read(&reference("flex66.data"), &flexible()).unwrap();
    for (name, system, force_field) in
        [("triclinic", triclinic, rigid()), ("full", full, rigid()), ("flexible", flex, flexible())]
    {
        let path = directory.path().join(name);
        write(&path, &system).unwrap();
        assert_eq!(read(&path, &force_field).unwrap(), system, "{name}");
        let again = write(&path, &system).unwrap_err().to_string();
        assert!(again.contains("remove it first"), "{again}");
    }
}

#[test]
fn cell_in_an_orientation_that_lammps_cannot_hold_is_refused() {
    let mut system = small();
    let edges = [DVec3::new(1.0, 9.0, 0.0), DVec3::new(-9.0, 1.0, 0.0), DVec3::new(0.0, 0.0, 9.0)];
    system.cell = Cell::new(DMat3::from_cols(edges[0], edges[1], edges[2])).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.data");
    let message = write(&path, &system).unwrap_err().to_string();
    assert!(message.contains("first edge lies along x"), "{message}");
    assert!(!path.exists(), "nothing is left behind");
}

#[test]
fn a_distorted_molecule_is_not_taken_for_rigid() {
    let text = SMALL.replace("9.81 6.0911920087683927 4.0", "9.81 6.3 4.0");
    let error = read_text(&text, &rigid()).unwrap().to_state(1).unwrap_err();
    assert_eq!((error.molecule, error.atom), (3, 12));
    assert!(error.to_string().contains("differs from the rigid nitrate"), "{error}");
}

/// What is done to the good file, and what the message must contain.
type BrokenFile = (fn(&str) -> String, &'static [&'static str]);

const BROKEN: &[BrokenFile] = &[
    (|_| String::new(), &["x.data: ", "`... xlo xhi`", "add the bounds"]),
    (|_| "PK\u{3}\u{4}\nbinary stuff\n".into(), &["line 2", "no header line", "is this a LAMMPS data file?"]),
    (|t| t.replace("6 atoms", "7 atoms"), &["`Atoms` has 6 lines", "says 7 atoms", "truncated"]),
    (|t| t.replace("6 atoms", "six atoms"), &["line 3", "`six` for atoms", "give a whole number"]),
    (|t| t.replace("6 atoms\n", ""), &["has no line `6 atoms`", "add it"]),
    (|t| t.replace("4 atom types", "3 atom types"), &["`Masses` has 4 lines", "says 3 atom types"]),
    (|t| t.replace("0.0 10.0 ylo yhi\n", ""), &["no line `... ylo yhi`"]),
    (|t| t.replace("0.0 10.0 ylo", "10.0 0.0 ylo"), &["upper bound 0 is not above", "lo first"]),
    (|t| t.replace("0.0 10.0 ylo", "0.0 nan ylo"), &["upper bound `nan` is no finite number"]),
    (|t| t.replace("0.0 9.0 zlo zhi", "0 0 9 cvec"), &["general triclinic", "xy xz yz"]),
    (|t| t.replace("# full", "# molecular"), &["atom_style molecular, which has no charges", "only `full`"]),
    (|t| t.replace("# full", "# charge"), &["7 columns", "id type q x y z"]),
    (|t| t.replace("Masses", "Weights"), &["`Weights` is no header line"]),
    (|t| t.replace("Bonds\n\n", "Ellipsoids\n\n"), &["`Ellipsoids` is no section", "sections that are read"]),
    (|t| t.split("Bonds").next().unwrap_or_default().into(), &["no section `Bonds`", "3 lines"]),
    (|t| t.split("Atoms #").next().unwrap_or_default().into(), &["no section `Atoms`", "truncated"]),
    (
        |t| t.split("11 7 2").next().unwrap_or_default().into(),
        &["`Atoms` has 5 lines, but the header says 6 atoms"],
    ),
    (|t| t.replace("4 39.1\n", "4 -39.1\n"), &["mass -39.1 is not positive"]),
    (|t| t.replace("4 39.1\n", "1 39.1\n"), &["second mass for type 1"]),
    (|t| t.replace("4 39.1\n", "4 39.5\n"), &["type 4 (mass 39.5 u) is no species", "K (39.0983 u)"]),
    (|t| t.replace("15.999 # O", "15.999 # Ca"), &["named Ca but has mass 15.999", "40.078"]),
    (
        |t| t.replace("7 9 4 1.0", "7 9 5 1.0"),
        &["line 24", "atom 7 has type 5, which has no mass", "1, 2, 3, 4"],
    ),
    (|t| t.replace("7 9 4 1.0", "7 9 4 1.00001"), &["line 24", "atom 7 (K) has charge 1.00001 e", "has 1 e"]),
    (|t| t.replace("7 9 4 1.0", "12 9 4 1.0"), &["atom id 12 a second time"]),
    (|t| t.replace("7 9 4 1.0", "0 9 4 1.0"), &["atom id 0", "positive id"]),
    (|t| t.replace("7 9 4 1.0", "-7 9 4 1.0"), &["`-7` for atom id"]),
    (|t| t.replace("7 9 4 1.0", "7 7 4 1.0"), &["molecule 7 (5 atoms: K O O N O)", "nitrate (N O O O)"]),
    (
        |t| {
            t.replace("10 7 2 -0.65", "10 8 2 -0.65")
                .replace("3 bonds", "0 bonds")
                .split("Bonds")
                .next()
                .unwrap_or_default()
                .into()
        },
        &["molecule 8 (1 atoms: O)", "is no kind of molecule"],
    ),
    (|t| t.replace("6.0 6.0 6.0", "6.0 inf 6.0"), &["coordinate `inf` is no finite number"]),
    (|t| t.replace("6.0 6.0 6.0", "6.0 6.0 6.0 1 0"), &["9 columns", "[ix iy iz]"]),
    (|t| t.replace("3.0 3.0 3.0 0 1 -1", "3.0 3.0 3.0 0 0.5 -1"), &["image flag `0.5`"]),
    (|t| t.replace("\n7 0 0 0\n", "\n"), &["`Velocities` has 5 lines"]),
    (|t| t.replace("\n7 0 0 0\n", "\n8 0 0 0\n"), &["velocity for atom 8, which does not exist"]),
    (|t| t.replace("\n7 0 0 0\n", "\n4 0 0 0\n"), &["second velocity for atom 4"]),
    (|t| t.replace("\n7 0 0 0\n", "\n7 0 0 1e400\n"), &["velocity `1e403` is no finite number"]),
    (|t| t.replace("3 1 12 13", "3 1 12 99"), &["bond with atom 99, which does not exist"]),
    (|t| t.replace("3 1 12 13", "3 1 12 7"), &["joins atom 12 of molecule 7 and atom 7 of molecule 9"]),
    (|t| format!("{t}\nMasses\n\n1 1\n"), &["second section `Masses`", "merge"]),
    (
        |t| t.replace("6 atoms\n", "6 atoms\n2 ellipsoids\n"),
        &["line 4", "`2 ellipsoids`: particles with a shape"],
    ),
    (|t| t.replace("6 atoms\n", "6 atoms\n5 pitorsions\n"), &["`5 pitorsions`", "set the count to 0"]),
    (|t| t.replace("6.0 6.0 6.0", "6.0 1e308 6.0"), &["line 24", "coordinate 1e308 is beyond 1e9"]),
    (|t| t.replace("3.0 3.0 3.0 0 1 -1", "3.0 3.0 3.0 0 2000000000 0"), &["line 22", "is beyond 1e9"]),
    (|t| t.replace("0.0 9.0 zlo", "0.0 1e300 zlo"), &["line 10", "bound 1e300 is beyond"]),
    (
        |t| t.replace("13 7 2 -0.65 9.81 6.0911920087683927", "13 7 2 -0.65 10.45 5.0"),
        &["atom 13 lies upon atom 12"],
    ),
];

#[test]
fn broken_files_get_messages_that_say_place_finding_and_remedy() {
    for (number, (break_file, expected)) in BROKEN.iter().enumerate() {
        let text = break_file(SMALL);
        assert_ne!(text, SMALL, "case {number} changes nothing");
        let problem = read_text(&text, &rigid()).err().unwrap_or_else(|| panic!("case {number} is accepted"));
        let message = problem.place(Path::new("x.data")).to_string();
        for part in *expected {
            assert!(message.contains(part), "case {number}: `{message}` lacks `{part}`");
        }
    }
}

/// `write_data ... types labels` of LAMMPS writes labels in every section.
#[test]
fn labels_may_stand_for_numbers_in_every_section() {
    let labels = "\
Atom Type Labels

1 Ca
2 O
3 N
4 K

Bond Type Labels

1 N-O

Dihedral Type Labels

1 x

Improper Type Labels

1 y

Pair Coeffs # zero

Ca 1.0 2.0
O zero

Masses

Ca 40.078
O 15.999
N 14.01
K 39.1
";
    let (start, rest) = SMALL.split_once("Masses").unwrap();
    let (_, rest) = rest.split_once("4 39.1\n").unwrap();
    let mut text = format!("{start}{labels}{rest}").replace(" 1 12 1", " N-O 12 1");
    for (number, label) in [("7 2", "7 O"), ("7 3", "7 N"), ("9 4", "9 K")] {
        text = text.replace(&format!(" {number} "), &format!(" {label} "));
    }
    text = text.replace("\n4 0 1 ", "\n4 0 Ca ");
    assert_eq!(
        read_text(&text, &rigid()).unwrap_or_else(|p| panic!("line {}: {}", p.line, p.found)),
        small()
    );
}

#[test]
fn counts_of_nothing_are_passed_over() {
    let header = "6 atoms\n0 ellipsoids\n0 lines\n0 triangles\n0 bodies\n0 crossterms\n0 pi torsions\n";
    assert_eq!(read_text(&SMALL.replace("6 atoms\n", header), &rigid()).unwrap(), small());
}

#[test]
fn titles_and_comments_may_be_latin_1() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latin1.data");
    let mut bytes = b"0.33 \xc5\xb2\xff".to_vec();
    bytes.extend_from_slice(SMALL.trim_start_matches("a small system").as_bytes());
    let text = [&bytes[..], b"# \xe9t\xe9\n"].concat();
    std::fs::write(&path, text).unwrap();
    let system = read(&path, &rigid()).unwrap();
    assert_eq!(system.title, "0.33 \u{c5}\u{b2}\u{ff}");
    assert_eq!(LammpsSystem { title: "a small system".into(), ..system }, small());
}

#[test]
fn messages_repeat_little_of_a_file() {
    let long = format!("{}\u{1b}[31m", "9".repeat(400));
    for text in [
        SMALL.replace("6 atoms", &format!("{long} atoms")),
        SMALL.replace("3 bonds", &format!("{long} bunds x1")),
        SMALL.replace("6.0 6.0 6.0", &format!("6.0 {long} 6.0")),
        SMALL.replace("6.0 6.0 6.0", &format!("6.0 6.0 6.0 {long}")),
        SMALL.replace("7 9 4 1.0", &format!("7 9 {long} 1.0")),
    ] {
        let problem = read_text(&text, &rigid()).unwrap_err();
        assert!(problem.found.len() < 200 && !problem.found.contains('\u{1b}'), "{}", problem.found);
    }
}

#[test]
fn the_molecule_that_is_farthest_from_its_rigid_shape_is_named() {
    assert_eq!(small().least_rigid(), None);
    let text = SMALL.replace("9.81 6.0911920087683927 4.0", "9.81 6.3 4.0");
    let found = read_text(&text, &rigid()).unwrap().least_rigid().unwrap();
    assert_eq!((found.molecule, found.atom, found.kind.as_str()), (3, 12, "nitrate"));
    assert!(found.deviation > LARGEST_DEVIATION);
}

#[test]
fn unreadable_files_are_named() {
    let message = read(Path::new("no/such.data"), &rigid()).unwrap_err().to_string();
    assert!(message.starts_with("no/such.data: cannot be read"), "{message}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("binary");
    std::fs::write(&path, [0x89, b'H', b'D', b'F', 0xff, 0xfe]).unwrap();
    let message = read(&path, &rigid()).unwrap_err().to_string();
    assert!(message.contains("not a text file"), "{message}");
    for (bytes, expected) in [
        (&b"\x1f\x8b\x08\0"[..], "gunzip"),
        (b"\xff\xfet\0", "UTF-16"),
        (b"title\n\n\0\x01", "not a text file"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let message = read(&path, &rigid()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
