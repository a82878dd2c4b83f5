//! What `analyze --topology` and `forces` make of LAMMPS data files, through the program: right numbers, what is assumed said,
//! contradictions refused.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Displacement (angstrom) of an ion between frames, to either side in turn: the centre of mass rests.
fn step(id: usize) -> f64 {
    0.01 * id.div_ceil(2) as f64 * if id.is_multiple_of(2) { -1.0 } else { 1.0 }
}

/// K: 1 to 8; Cl: 9 to 24.
const IONS: usize = 24;
const K: usize = 8;

/// Mean square displacement in one frame of these ions.
fn expected(ids: std::ops::RangeInclusive<usize>) -> f64 {
    let n = ids.clone().count() as f64;
    ids.map(|id| step(id).powi(2)).sum::<f64>() / n
}

/// Columns of a dump for an ion, after its id.
type Words = fn(usize) -> String;

struct Case {
    directory: tempfile::TempDir,
}

/// What the program found.
struct Found {
    code: Option<i32>,
    stderr: String,
    /// Species and mean square displacement in one frame.
    msd: Vec<(String, f64)>,
}

impl Found {
    fn msd(&self, species: &str) -> f64 {
        let row = self.msd.iter().find(|(name, _)| name == species);
        row.unwrap_or_else(|| panic!("{species} in {:?}: {}", self.msd, self.stderr)).1
    }

    /// That the ions are what they are.
    fn check(&self, k: &str, cl: &str) {
        // 8 digits of the dump over displacements of 0.01: 1e-6; the last digit of a sum.
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-5;
        assert!(close(self.msd(k), expected(1..=K)), "{k}: {:?} {}", self.msd, self.stderr);
        assert!(close(self.msd(cl), expected(K + 1..=IONS)), "{cl}: {:?} {}", self.msd, self.stderr);
        assert_eq!(self.msd.len(), 3, "{:?}", self.msd);
    }
}

impl Case {
    /// A dump of `ids` in which they move by their steps, with the columns `names`.
    fn new(ids: std::ops::RangeInclusive<usize>, names: &str, words: Words) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut dump = String::new();
        for frame in 0..5usize {
            let n = ids.clone().count();
            write!(dump, "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{n}\n", 100 * frame).unwrap();
            dump += "ITEM: BOX BOUNDS pp pp pp\n0 20\n0 20\n0 20\n";
            writeln!(dump, "ITEM: ATOMS id {names} xu yu zu").unwrap();
            for id in ids.clone() {
                let x = 10.0 + step(id) * frame as f64;
                writeln!(dump, "{id} {} {x:.8} {} {}", words(id), id as f64 * 0.8, id as f64 * 0.5).unwrap();
            }
        }
        std::fs::write(directory.path().join("t.lammpstrj"), dump).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn analyze(&self, data: &str) -> Found {
        let (topology, out) = (self.path("a.data"), self.path("out"));
        std::fs::write(&topology, data).unwrap();
        let dump = self.path("t.lammpstrj");
        let line = [
            "analyze",
            text(&dump),
            "--topology",
            text(&topology),
            "--timestep",
            "2 fs",
            "--only",
            "msd",
            "--out",
        ];
        let output = vitrion(&[&line[..], &[text(&out)]].concat());
        let table = std::fs::read_to_string(out.join("msd.csv")).unwrap_or_default();
        let rows = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let msd = rows
            .filter(|row| row[1] == "0.2")
            .map(|row| (row[0].to_string(), row[2].parse().unwrap()))
            .collect();
        Found { code: output.status.code(), stderr: stderr(&output), msd }
    }

    fn refused(&self, data: &str, expected: &[&str]) {
        let found = self.analyze(data);
        assert_eq!(found.code, Some(1), "{}", found.stderr);
        for part in expected {
            assert!(found.stderr.contains(part), "`{}` lacks `{part}`", found.stderr);
        }
    }
}

/// Type of an ion, as all files but those that contradict it have it.
fn kind(id: usize) -> usize {
    if id <= K { 1 } else { 2 }
}

const MASSES: &str = "1 39.0983 # K\n2 35.45 # Cl\n";

/// A data file with these lines of `Masses` and `Atoms`.
fn data(masses: &str, style: &str, atom: impl Fn(usize) -> String) -> String {
    let mut file =
        format!("ions\n\n{IONS} atoms\n2 atom types\n\n0 20 xlo xhi\n0 20 ylo yhi\n0 20 zlo zhi\n");
    write!(file, "\nMasses\n\n{masses}\nAtoms # {style}\n\n").unwrap();
    for id in 1..=IONS {
        writeln!(file, "{}", atom(id)).unwrap();
    }
    file
}

fn charged(masses: &str, kind: fn(usize) -> usize) -> String {
    data(masses, "charge", |id| format!("{id} {} 0 1 2 3", kind(id)))
}

/// After mbuild #1072, "all molecule IDs are 1": the displacement of everything was that of atom 1.
#[test]
fn every_ion_is_followed_where_all_have_one_molecule_id() {
    let case = Case::new(1..=IONS, "type", |id| kind(id).to_string());
    let found = case.analyze(&data(MASSES, "full", |id| format!("{id} 1 {} 0 1 2 3", kind(id))));
    found.check("K", "Cl");
    assert!(found.stderr.contains("note: topology: all atoms have the molecule id 1"), "{}", found.stderr);
    // What is assumed is in the results.
    let results = vitrion_analysis::results::Results::read(&case.path("out")).unwrap().unwrap();
    assert!(results.notes.iter().any(|n| n.contains("molecule id 1")), "{:?}", results.notes);
}

/// After MDANSE #1065 and GEMDAT #353: both species were called `type` and were one.
#[test]
fn species_are_told_apart_where_their_comments_begin_alike() {
    let case = Case::new(1..=IONS, "type", |id| kind(id).to_string());
    let found = case.analyze(&charged("1 39.1 # type 1 (K)\n2 35.5 # type 2 (Cl)\n", kind));
    found.check("K", "Cl");
    assert!(!found.stderr.contains("topology"), "nothing is assumed: {}", found.stderr);
}

#[test]
fn names_that_types_of_different_masses_share_are_numbered() {
    let case = Case::new(1..=IONS, "type", |id| kind(id).to_string());
    let found = case.analyze(&charged("1 39.1 # ion\n2 35.5 # ion\n", kind));
    found.check("ion_1", "ion_2");
    assert!(found.stderr.contains("taken as ion_1, ion_2"), "{}", found.stderr);
}

#[test]
fn a_topology_without_charges_is_read() {
    let case = Case::new(1..=IONS, "type", |id| kind(id).to_string());
    case.analyze(&data(MASSES, "atomic", |id| format!("{id} {} 1 2 3", kind(id)))).check("K", "Cl");
}

/// After votca/csg #524: the topology won without a word.
#[test]
fn elements_that_contradict_the_topology_are_refused() {
    let swapped: fn(usize) -> usize = |id| 3 - kind(id);
    let element: Words = |id| if id <= K { "K" } else { "Cl" }.to_string();
    let case = Case::new(1..=IONS, "element", element);
    case.refused(
        &charged(MASSES, swapped),
        &["atom 1 is `K` there, but Cl (type 2) in the topology", "--topology"],
    );
    case.analyze(&charged(MASSES, kind)).check("K", "Cl");
    let capitals = Case::new(1..=IONS, "element", |id| if id <= K { "K" } else { "CL" }.to_string());
    capitals.analyze(&charged(MASSES, kind)).check("K", "Cl");
    capitals.refused(&charged(MASSES, swapped), &["atom 1 is `K` there"]);
}

#[test]
fn types_that_contradict_the_topology_are_refused() {
    let case = Case::new(1..=IONS, "type", |id| kind(id).to_string());
    case.refused(
        &charged(MASSES, |id| if id == 5 { 2 } else { kind(id) }),
        &["atom 5 is `1` there, but Cl (type 2)", "where atom 1, also `1`, is K"],
    );
    // Another numbering, from 0, is no contradiction, but said.
    let shifted = Case::new(1..=IONS, "type", |id| (kind(id) - 1).to_string());
    let found = shifted.analyze(&charged(MASSES, kind));
    found.check("K", "Cl");
    assert!(found.stderr.contains("0 is 1 (K), 1 is 2 (Cl)"), "{}", found.stderr);
    // Nor are numbers that are exchanged: a number is no name. But they are suspicious.
    let found = case.analyze(&charged(MASSES, |id| 3 - kind(id)));
    found.check("Cl", "K");
    assert!(found.stderr.contains("1 is 2 (Cl), 2 is 1 (K); the topology is believed"), "{}", found.stderr);
    assert!(found.stderr.contains("the same numbers are exchanged"), "{}", found.stderr);
    // More types in the trajectory than in the topology.
    let finer = Case::new(1..=IONS, "type", |id| if id == IONS { 3 } else { kind(id) }.to_string());
    finer.analyze(&charged(MASSES, kind)).check("K", "Cl");
}

#[test]
fn words_that_are_no_elements_contradict_nothing_while_they_are_consistent() {
    let foo = "1 39.0983 # foo\n2 35.45 # bar\n";
    for words in [
        (|id| if id <= K { "X" } else { "Y" }.to_string()) as Words,
        |_| "X".to_string(),
        |id| if id <= K { "X".to_string() } else { format!("Y{}", id % 2) },
    ] {
        Case::new(1..=IONS, "element", words).analyze(&charged(foo, kind)).check("foo", "bar");
    }
    let torn = Case::new(1..=IONS, "element", |id| if id <= K + 2 { "X" } else { "Y" }.to_string());
    torn.refused(&charged(foo, kind), &["atom 9 is `X` there, but bar", "where atom 11, also bar, is `Y`"]);
    let exchanged = Case::new(1..=IONS, "element", |id| if id <= K { "bar" } else { "foo" }.to_string());
    exchanged.refused(&charged(foo, kind), &["atom 1 is `bar` there, but foo"]);
}

/// LAMMPS calls every atom C where no elements are named (dump_modify element).
#[test]
fn the_element_that_lammps_writes_by_default_contradicts_nothing() {
    let case = Case::new(1..=IONS, "element", |_| "C".to_string());
    let found = case.analyze(&charged(MASSES, kind));
    found.check("K", "Cl");
    assert!(found.stderr.contains("as LAMMPS does without `dump_modify element`"), "{}", found.stderr);
}

#[test]
fn species_without_a_name_are_called_as_in_the_trajectory() {
    let case = Case::new(1..=IONS, "element", |id| if id <= K { "Ca" } else { "Cl" }.to_string());
    // 40: calcium or argon; 77: nothing.
    let found = case.analyze(&charged("1 40\n2 77\n", kind));
    found.check("Ca", "Cl");
    assert!(found.stderr.contains("1 is called Ca, as in"), "{}", found.stderr);
}

#[test]
fn a_part_of_the_atoms_is_analysed_and_said() {
    let case = Case::new(1..=K, "type", |id| kind(id).to_string());
    let found = case.analyze(&charged(MASSES, kind));
    // As in `Found::check`.
    assert!((found.msd("K") / expected(1..=K) - 1.0).abs() < 1e-5);
    assert!(found.stderr.contains("8 of the 24 atoms of the topology are in"), "{}", found.stderr);
    let more = Case::new(1..=IONS + 1, "type", |id| kind(id).to_string());
    more.refused(&charged(MASSES, kind), &["atom 25 is not in the topology"]);
}

/// The reference configuration of 66 atoms with something changed, and what `forces` says of it.
fn forces(change: impl Fn(&str) -> Vec<u8>) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/ckn66.data");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.data");
    std::fs::write(&file, change(&std::fs::read_to_string(path).unwrap())).unwrap();
    vitrion(&["forces", text(&file), "--force-field", "ckn-rigid"])
}

fn total(output: &Output) -> f64 {
    assert!(output.status.success(), "{}", stderr(output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    json["energy"]["total"].as_f64().unwrap()
}

/// After votca/csg #370 and LAMMPS PR #4254.
#[test]
fn titles_in_latin_1_labels_and_counts_of_nothing_change_no_energy() {
    let plain = forces(|t| t.into());
    assert!(plain.stderr.is_empty(), "{}", stderr(&plain));
    let energy = total(&plain);
    let latin: fn(&str) -> Vec<u8> = |t| [b"10.4 \xc5 ", t.as_bytes(), b"\n# \xe9\n"].concat();
    let empty: fn(&str) -> Vec<u8> =
        |t| t.replace("66 atoms\n", "66 atoms\n0 ellipsoids\n0 crossterms\n").into();
    for change in [latin, empty] {
        assert!(total(&forces(change)) == energy);
    }
    let refused = forces(|t| t.replace("66 atoms\n", "66 atoms\n3 bodies\n").into());
    assert!(stderr(&refused).contains("`3 bodies`: particles with a shape"), "{}", stderr(&refused));
}

/// Oxygen upon nitrogen in a rigid nitrate had an energy of -2776.16 without a word.
#[test]
fn the_shape_of_rigid_molecules_is_said_and_atoms_at_one_place_are_refused() {
    const OXYGEN: &str = "2 1 2 -0.65 3.094396941992 3.925048714567 8.842473340221";
    let bent = forces(|t| {
        assert!(t.contains(OXYGEN));
        t.replace(OXYGEN, "2 1 2 -0.65 3.394396941992 3.925048714567 8.842473340221").into()
    });
    assert!(total(&bent).is_finite());
    let said = stderr(&bent);
    assert!(
        said.contains("note: ") && said.contains("molecule 1 (atom 1) differs from the rigid nitrate"),
        "{said}"
    );
    let upon =
        forces(|t| t.replace(OXYGEN, "2 1 2 -0.65 3.765736540816 3.151318509783 9.576031332323").into());
    assert_eq!(upon.status.code(), Some(1));
    assert!(stderr(&upon).contains("line 22: atom 2 lies upon atom 1 of its molecule"), "{}", stderr(&upon));
    let far = forces(|t| t.replace(OXYGEN, "2 1 2 -0.65 1e308 3.925048714567 8.842473340221").into());
    assert_eq!(far.status.code(), Some(1));
    assert!(stderr(&far).contains("line 22: the coordinate 1e308 is beyond"), "{}", stderr(&far));
}
