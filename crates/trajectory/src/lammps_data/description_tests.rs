use super::description::{Description, from_text};

/// A file of these sections; atoms are counted.
fn file(masses: &str, style: &str, atoms: &str, bonds: &str) -> String {
    let count = |text: &str| text.lines().count();
    let counts = format!("title\n\n{} atoms\n{} atom types\n", count(atoms), count(masses));
    let masses = if masses.is_empty() { String::new() } else { format!("\nMasses\n\n{masses}") };
    let (number, bonds) = match count(bonds) {
        0 => (String::new(), String::new()),
        n => (format!("{n} bonds\n"), format!("\nBonds\n\n{bonds}")),
    };
    format!("{counts}{number}{masses}\nAtoms{style}\n\n{atoms}{bonds}")
}

fn described(text: &str) -> Description {
    from_text(text).unwrap_or_else(|p| panic!("line {}: {}; {}", p.line, p.found, p.remedy))
}

/// Names of types with these lines of `Masses`, one atom each, and the notes.
fn named(masses: &str) -> (Vec<String>, Vec<usize>, String) {
    let atoms: Vec<String> = (1..=masses.lines().count()).map(|i| format!("{i} {i} 0 {i}.5 0 0\n")).collect();
    let found = described(&file(masses, " # charge", &atoms.concat(), ""));
    (found.names, found.species, found.notes.join("\n"))
}

#[test]
fn atoms_are_named_and_grouped_in_the_order_of_their_ids() {
    let masses = "1 15.999\n2 14.007 # N\n3 77.0\n";
    let atoms = "4 0 3 1.0 1 1 1\n2 7 1 -0.5 2 1 1\n1 7 2 0.5 3 1 1\n3 7 1 -0.5 4 1 1\n5 0 3 1.0 5 1 1\n";
    let found = described(&file(masses, " # full", atoms, ""));
    assert_eq!(found.ids, [1, 2, 3, 4, 5]);
    assert_eq!(found.names, ["O", "N", "3"]);
    assert_eq!(found.given, [false, true, false]);
    assert_eq!(found.types, ["2", "1", "1", "3", "3"]);
    assert_eq!(found.species, [1, 0, 0, 2, 2]);
    assert_eq!(found.molecules, Some(vec![0, 0, 0, 1, 2]));
    assert_eq!(found.masses.unwrap()[3], 77.0);
}

/// After MDANSE #1065 and GEMDAT #353: `1 39.1 # type 1 (K)`.
#[test]
fn names_come_from_the_word_of_a_comment_that_fits_the_mass() {
    for (masses, names) in [
        ("1 39.1 # type 1 (K)\n2 35.5 # type 2 (Cl)\n", ["K", "Cl"]),
        ("1 39.0983 # potassium, K+\n2 40.078 # atom type \"Ca2+\"\n", ["K", "Ca"]),
        ("1 39.0983 # type 1\n2 35.45 # type 2\n", ["K", "Cl"]),
        ("1 39.0983\n2 40.08\n", ["K", "Ca"]),
        ("1 15.035 # methyl C of the chain\n2 77 # type 2\n", ["1", "2"]),
        ("1 40 # ion 1\n2 40 # the Ca ion\n", ["1", "Ca"]),
        ("1 39.0983 # (K)\n2 15.999 # Ow\n", ["K", "Ow"]),
        ("1 39.0983 # K,potassium\n2 15.999 # water;O\n", ["K", "O"]),
        // The symbol must fit: `in` and `As` are no indium and arsenic here.
        ("1 22.99 # NA in salt\n2 18.998 # As anion: F-\n", ["Na", "F"]),
    ] {
        assert_eq!(named(masses).0, names, "{masses}");
    }
}

#[test]
fn names_that_the_file_does_not_give_are_said() {
    let (names, _, notes) = named("1 39.0983 # type 1\n2 77.0\n3 35.45 # Cl\n");
    assert_eq!(names, ["K", "2", "Cl"]);
    assert!(notes.contains("type 1 by mass: K") && notes.contains("type 2 are called by number"), "{notes}");
    assert!(!notes.contains("Cl"), "{notes}");
}

/// After MDAnalysis #3394.
#[test]
fn types_of_one_name_are_one_species_only_where_their_masses_agree() {
    let (names, species, notes) = named("1 14.007 # N\n2 15.999 # O\n3 15.9994 # O\n");
    assert_eq!((names.join(" "), species), ("N O".to_string(), vec![0, 1, 1]));
    assert!(notes.contains("types 2, 3 are called O and are one species"), "{notes}");
    let (names, species, notes) = named("1 39.1 # ion\n2 35.45 # ion\n3 39.1 # ion\n");
    assert_eq!((names.join(" "), species), ("ion_1 ion_2".to_string(), vec![0, 1, 0]));
    assert!(notes.contains("different masses: taken as ion_1, ion_2"), "{notes}");
    let (names, ..) = named("1 16.0 # O\n2 18.0 # O\n3 9.0 # O_2\n");
    assert_eq!(names, ["O_1", "O_2_", "O_2"], "numbered names are those of nobody else");
}

/// After molstar PR #1894: `1 12.011 # Ca`.
#[test]
fn a_mass_that_is_not_that_of_the_named_element_is_said() {
    for (line, said) in [
        ("1 12.011 # Ca\n", true),
        ("1 2.014 # H\n", true),
        ("1 14.027 # C\n", true),
        ("1 2.014 # D\n", false),
        ("1 40.08 # Ca\n", false),
        ("1 35.5 # Cl\n", false),
        // The alpha carbon.
        ("1 12.011 # CA\n", false),
    ] {
        let (.., notes) = named(line);
        assert_eq!(notes.contains("an isotope, a united atom"), said, "{line}: {notes}");
    }
}

/// Two nitrates and two K.
const MASSES: &str = "1 14.007 # N\n2 15.999 # O\n3 39.0983 # K\n";
const TYPES: [usize; 10] = [1, 2, 2, 2, 1, 2, 2, 2, 3, 3];
const BONDS: &str = "1 1 1 2\n2 1 1 3\n3 1 1 4\n4 1 5 6\n5 1 5 7\n6 1 5 8\n";

fn grouped(ids: [u64; 10], bonds: &str) -> (Option<Vec<usize>>, String) {
    let atoms: Vec<String> =
        (0..10).map(|i| format!("{} {} {} 0.5 {i}.5 0 0\n", i + 1, ids[i], TYPES[i])).collect();
    let found = described(&file(MASSES, " # full", &atoms.concat(), bonds));
    (found.molecules, found.notes.join("\n"))
}

#[test]
fn molecules_are_those_of_the_ids_with_bonds_or_without() {
    let expected = Some(vec![0, 0, 0, 0, 1, 1, 1, 1, 2, 3]);
    for bonds in ["", BONDS] {
        for ids in [[1, 1, 1, 1, 2, 2, 2, 2, 3, 4], [9, 9, 9, 9, 7, 7, 7, 7, 0, 0]] {
            assert_eq!(grouped(ids, bonds), (expected.clone(), String::new()));
        }
    }
    // A site without bonds beside bonded ones stays, and that is said.
    let (molecules, notes) = grouped([1, 1, 1, 1, 2, 2, 2, 2, 3, 4], &BONDS.replace("6 1 5 8\n", ""));
    assert_eq!(molecules, expected);
    assert!(
        notes.contains("molecule 2 (4 atoms) is 2 parts that no bond connects: taken as one molecule"),
        "{notes}"
    );
}

/// After mbuild #1072, "all molecule IDs are 1".
#[test]
fn one_molecule_id_for_everything_says_nothing_of_molecules() {
    let (molecules, notes) = grouped([1; 10], "");
    assert_eq!(molecules, None);
    assert!(notes.contains("all atoms have the molecule id 1 and there are no bonds"), "{notes}");
    let (molecules, notes) = grouped([1; 10], BONDS);
    assert_eq!(molecules, Some(vec![0, 0, 0, 0, 1, 1, 1, 1, 2, 3]));
    assert!(notes.contains("molecules are what bonds connect"), "{notes}");
    // Ids of species.
    let (molecules, notes) = grouped(TYPES.map(|t| t as u64), "");
    assert_eq!(molecules, None);
    assert!(notes.contains("each species has one molecule id"), "{notes}");
}

#[test]
fn molecules_without_ids_are_what_bonds_connect() {
    let (molecules, notes) = grouped([0; 10], BONDS);
    assert_eq!(molecules, Some(vec![0, 0, 0, 0, 1, 1, 1, 1, 2, 3]));
    assert!(notes.contains("no atom has a molecule id"), "{notes}");
    assert_eq!(grouped([0; 10], ""), (None, String::new()));
    // Some have ids.
    let (molecules, _) = grouped([5, 5, 5, 5, 0, 0, 0, 0, 0, 0], BONDS);
    assert_eq!(molecules, Some(vec![0, 0, 0, 0, 1, 1, 1, 1, 2, 3]));
}

#[test]
fn molecules_that_contradict_bonds_or_could_be_several_are_said() {
    // Both nitrates have the id 1.
    let (molecules, notes) = grouped([1, 1, 1, 1, 1, 1, 1, 1, 2, 3], BONDS);
    assert_eq!(molecules, Some(vec![0, 0, 0, 0, 1, 1, 1, 1, 2, 3]));
    assert!(
        notes.contains("molecule 1 (8 atoms) is 2 parts that no bond connects: taken as so many molecules"),
        "{notes}"
    );
    let (molecules, notes) = grouped([1, 1, 1, 1, 1, 1, 1, 1, 2, 3], "");
    assert_eq!(molecules, Some(vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 2]));
    assert!(notes.contains("molecule 1 is 2 N, 6 O, with no bonds: taken as one molecule"), "{notes}");
    // A bond between molecules.
    let (molecules, notes) = grouped([1, 1, 1, 1, 2, 2, 2, 2, 3, 4], &format!("{BONDS}7 1 4 9\n"));
    assert_eq!(molecules, Some(vec![0, 0, 0, 0, 1, 1, 1, 1, 2, 3]));
    assert!(
        notes.contains("1 bonds join different molecules, the first one atom 4 of molecule 1 and atom 9"),
        "{notes}"
    );
}

const IONS: &str = "1 39.0983 # K\n2 35.45 # Cl\n";

/// K, Cl, Cl in columns as `format` gives them for id, type and charge.
fn ions(style: &str, masses: &str, format: fn(usize, usize, f64) -> String) -> Result<Description, String> {
    let atoms: String =
        [(1, 1, 2.0), (2, 2, -1.0), (3, 2, -1.0)].map(|(i, t, q)| format(i, t, q) + "\n").concat();
    from_text(&file(masses, style, &atoms, "")).map_err(|p| format!("{}; {}", p.found, p.remedy))
}

/// Column orders of LAMMPS' documentation of `read_data`.
#[test]
fn a_topology_needs_no_charges() {
    type Row = (&'static str, fn(usize, usize, f64) -> String);
    let rows: [Row; 13] = [
        (" # Full", |i, t, q| format!("{i} {i} {t} {q} 1 2 3")),
        (" # atomic", |i, t, _| format!("{i} {t} 1 2 3")),
        (" # atomic", |i, t, _| format!("{i} {t} 1 2 3 0 -1 0")),
        (" # charge", |i, t, q| format!("{i} {t} {q} 1 2 3")),
        (" # molecular", |i, t, _| format!("{i} {i} {t} 1 2 3")),
        (" # bond", |i, t, _| format!("{i} 0 {t} 1 2 3")),
        (" # full/kk", |i, t, q| format!("{i} {i} {t} {q} 1 2 3")),
        (" # dipole", |i, t, q| format!("{i} {t} {q} 1 2 3 0 0 1")),
        (" # spin", |i, t, _| format!("{i} {t} 1 2 3 0 0 1 2.2")),
        (" # tdpd", |i, t, _| format!("{i} {t} 1 2 3 0.1 0.2")),
        (" # hybrid charge molecular", |i, t, q| format!("{i} {t} 1 2 3 {q} {i}")),
        (" # hybrid full sphere", |i, t, q| format!("{i} {t} 1 2 3 {i} {q} 1.0 1.0")),
        (" # hybrid", |i, t, q| format!("{i} {t} 1 2 3 {q} {i}")),
    ];
    for (style, format) in rows {
        let found = ions(style, IONS, format).unwrap_or_else(|e| panic!("{style}: {e}"));
        assert_eq!((found.names.join(" "), &found.species[..]), ("K Cl".into(), &[0, 1, 1][..]), "{style}");
    }
    let sphere = ions(" # sphere", "", |i, t, _| format!("{i} {t} 1.0 2.5 1 2 3")).unwrap();
    assert_eq!((sphere.names.join(" "), sphere.masses), ("1 2".into(), None));
    assert!(sphere.notes[0].contains("no `Masses`"), "{:?}", sphere.notes);
    let refused = ions(" # template", IONS, |i, t, _| format!("{i} 1 1 1 {t} 1 2 3")).unwrap_err();
    assert!(refused.contains("atom_style template") && refused.contains("hybrid"), "{refused}");
    let refused = ions(" # charge", IONS, |i, t, _| format!("{i} {t} 1 2 3")).unwrap_err();
    assert!(refused.contains("5 columns") && refused.contains("id type q x y z"), "{refused}");
}

/// A comment of a user is no style, but the columns tell which it is.
#[test]
fn a_comment_that_is_no_style_is_passed_over() {
    let found = ions(" # my ions", IONS, |i, t, q| format!("{i} {t} {q} 1 2 3")).unwrap();
    let note = "`Atoms # my ions` names no atom style; read as charge";
    assert!(found.notes.iter().any(|n| n.contains(note)), "{:?}", found.notes);
    let refused = ions(" # my ions", IONS, |i, t, _| format!("{i} {t} 1 2")).unwrap_err();
    assert!(refused.contains("atom_style my are not known"), "{refused}");
}

/// After moltemplate #64 and MDAnalysis #1791.
#[test]
fn columns_without_a_style_are_taken_where_only_one_can_be_meant() {
    type Row = (&'static str, fn(usize, usize, f64) -> String);
    let rows: [Row; 7] = [
        ("atomic", |i, t, _| format!("{i} {t} 1.5 2 3")),
        ("atomic", |i, t, _| format!("{i} {t} 1.5 2 3 0 0 0")),
        ("charge", |i, t, q| format!("{i} {t} {q} 1.5 2 3")),
        ("molecular", |i, t, _| format!("{i} 1 {t} 1.5 2 3")),
        ("molecular", |i, t, _| format!("{i} {i} {t} 1.5 2 3 0 0 0")),
        ("full", |i, t, q| format!("{i} {i} {t} {q} 1.5 2 3")),
        ("full", |i, t, q| format!("{i} {i} {t} {q} 1.5 2 3 0 0 0")),
    ];
    for (style, format) in rows {
        let found = ions("", IONS, format).unwrap_or_else(|e| panic!("{style}: {e}"));
        assert_eq!(&found.species[..], [0, 1, 1], "{style}");
        let said = format!("names no atom style; read as {style} (");
        assert!(found.notes[0].contains(&said), "{:?}", found.notes);
    }
    let refused = ions("", "", |i, t, _| format!("{i} {t} 1 1 1.5 2 3")).unwrap_err();
    assert!(refused.contains("full or sphere") && refused.contains("`Atoms # full`"), "{refused}");
    let refused = ions("", IONS, |i, _, _| format!("{i} 1.0 7.5 2 3")).unwrap_err();
    assert!(refused.contains("names no atom style") && refused.contains("`Atoms # full`"), "{refused}");
}

#[test]
fn what_a_topology_does_not_need_is_not_asked_for() {
    let atoms = "1 1 0 1 2 3\n2 2 0 1 2 3\n";
    let text = file(IONS, " # charge", atoms, "").replace("2 atoms\n", "2 atoms\n2 ellipsoids\n5 0 0 avec\n");
    let text = text + "\nEllipsoids\n\n1 1 1 1 1 0 0 0\n\nVelocities\n\n1 0 0 0 1 1 1\n2 0 0 0 1 1 1\n";
    let found = described(&text);
    assert_eq!(found.species, [0, 1]);
    assert!(found.notes[0].contains("section `Ellipsoids`"), "{:?}", found.notes);
    let cut = file(IONS, " # charge", atoms, "").replace("2 atoms\n", "2 atoms\n1 bonds\n");
    assert!(from_text(&cut).unwrap_err().found.contains("no section `Bonds`"));
}
