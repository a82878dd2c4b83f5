//! What atoms are: ids, types, elements, molecules, masses.

use hdf5::types::VarLenUnicode;

use crate::support::{
    ATOMS, Place, Style, analyze_file, assert_displacements, displacements, done, expected, kind, refused,
    walk,
};

const TIMESTEP: [&str; 2] = ["--timestep", "2 fs"];

/// Names of the species of a converted dump, and its file.
fn converted(place: &Place, name: &str) -> (Vec<String>, hdf5::File) {
    let h5 = place.path(&format!("{name}.h5"));
    done(&[&["convert", &place.path(name), &h5], &TIMESTEP[..]].concat());
    let file = hdf5::File::open(&h5).unwrap();
    let species = file.dataset("particles/all/species").unwrap();
    let names = species.attr("names").unwrap().read_raw::<VarLenUnicode>().unwrap();
    (names.iter().map(ToString::to_string).collect(), file)
}

/// <https://github.com/dssimmons-codes/AMDAT/issues/36>, <https://github.com/molstar/molstar/pull/1873>
#[test]
fn without_ids_the_order_of_lines_is_assumed_aloud_and_refused_where_it_is_wrong() {
    let place = Place::new();
    let frames = walk(8);
    let text = Style::columns("type x y z ix iy iz").write(&frames);
    let (words, found) = place.analyze("kept", &text, &TIMESTEP);
    assert!(words.contains("has no ids: the order of its lines is assumed"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames));
    // Lines 2 and 3 of the atoms of frame 4, of types 1 and 2, change places.
    let mut lines: Vec<&str> = text.lines().collect();
    let first = 4 * (9 + ATOMS) + 9;
    lines.swap(first + 1, first + 2);
    let words = place.refused("swapped", lines.join("\n") + "\n", &TIMESTEP);
    assert!(
        words.contains("frame 4 has in its line 2 of atoms type 2, where the first frame has type 1"),
        "{words}"
    );
    assert!(words.contains("dump_modify sort id"), "{words}");
    // With ids, any order.
    let text = Style::default().write(&frames);
    let mut lines: Vec<&str> = text.lines().collect();
    lines[first..first + ATOMS].reverse();
    let (words, found) = place.analyze("ids", lines.join("\n") + "\n", &TIMESTEP);
    assert!(!words.contains("no ids"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames));
}

/// <https://github.com/deepmodeling/dpdata/issues/375>
#[test]
fn atoms_that_change_their_type_or_element_are_refused() {
    let place = Place::new();
    let frames = walk(8);
    let text = Style::columns("id type element x y z").write(&frames);
    let at = text.match_indices("\n5 1 K ").nth(6).unwrap().0;
    for (name, row, words) in [
        ("type", "\n5 2 K ", "frame 6 has atom 5 as type 2, where the first frame has type 1"),
        ("element", "\n5 1 Rb ", "frame 6 has atom 5 as element Rb, where the first frame has element K"),
    ] {
        let changed = format!("{}{row}{}", &text[..at], &text[at + 7..]);
        let found = place.refused(name, changed, &TIMESTEP);
        assert!(found.contains(words) && found.contains("split the file"), "{found}");
    }
    // A column that some frames lack.
    let text =
        Style::default().write(&frames[..4]) + &Style::columns("id x y z ix iy iz").write(&frames[4..]);
    let found = place.refused("column", text, &TIMESTEP);
    assert!(found.contains("frame 4 has"), "{found}");
    for (name, columns) in [("images", "id type x y z"), ("unwrapped", "id type xu yu zu")] {
        let text = Style::default().write(&frames[..4]) + &Style::columns(columns).write(&frames[4..]);
        let found = place.refused(name, text, &TIMESTEP);
        assert!(found.contains("frame 4 has other columns for ids, positions or images"), "{found}");
    }
}

#[test]
fn elements_name_the_species_unless_nobody_named_them() {
    let place = Place::new();
    let frames = walk(6);
    let text = Style::columns("id type element xu yu zu").write(&frames);
    let (_, _) = place.analyze("named", &text, &TIMESTEP);
    assert_eq!(converted(&place, "named").0, ["Ca", "K"]);
    assert_eq!(displacements(&place.at("named.out"), "Ca").len(), 5);
    // What LAMMPS writes without `dump_modify element`.
    let unnamed = text.replace(" K ", " C ").replace(" Ca ", " C ");
    let (words, _) = place.analyze("unnamed", unnamed, &TIMESTEP);
    assert!(words.contains("calls all elements C"), "{words}");
    assert_eq!(converted(&place, "unnamed").0, ["1", "2"]);
    // Numbers in their order.
    let twelve = Style::columns("id type xu yu zu").write(&frames).replace(" 2 ", " 12 ");
    place.write("twelve", twelve);
    assert_eq!(converted(&place, "twelve").0, ["1", "12"]);
    let nothing = place.refused("nothing", Style::columns("id x y z").write(&frames), &TIMESTEP);
    assert!(
        nothing.contains("does not say what its atoms are") && nothing.contains("--topology"),
        "{nothing}"
    );
}

/// <https://github.com/mosdef-hub/mbuild/issues/1072>: one molecule number for all says nothing.
#[test]
fn molecules_and_masses_of_the_dump_are_used() {
    let place = Place::new();
    let frames = walk(6);
    let text = Style::columns("id mol type mass xu yu zu").write(&frames);
    let (_, found) = place.analyze("pairs", &text, &TIMESTEP);
    // A molecule moves as its first atom of a species that it has once, or as its first: atoms 0, 2, 4 ...
    let mut centres = frames.clone();
    for frame in &mut centres {
        frame.s = frame.s.iter().step_by(2).copied().collect();
    }
    assert_displacements(&found, 0.002, &expected(&centres));
    let file = converted(&place, "pairs").1;
    let molecules: Vec<u64> = file.dataset("particles/all/molecule").unwrap().read_raw().unwrap();
    assert_eq!(molecules, (0..ATOMS).map(|i| i as u64 / 2 + 1).collect::<Vec<_>>());
    let masses: Vec<f64> = file.dataset("particles/all/mass").unwrap().read_raw().unwrap();
    let expected_masses: Vec<f64> = (0..ATOMS).map(|i| [39.0983, 40.078][kind(i) - 1]).collect();
    // The file may keep them in f32.
    assert!(masses.iter().zip(&expected_masses).all(|(a, b)| (a - b).abs() < 1e-5), "{masses:?}");
    // All of one molecule, and all of none.
    for (name, number, note) in [("one", "3", true), ("none", "0", false)] {
        let rows = (1..=ATOMS).fold(text.clone(), |text, id| {
            text.replace(&format!("\n{id} {} ", (id - 1) / 2 + 1), &format!("\n{id} {number} "))
        });
        let (words, found) = place.analyze(name, rows, &TIMESTEP);
        assert_eq!(words.contains("the dump: all atoms have the molecule id 3"), note, "{words}");
        assert_displacements(&found, 0.002, &expected(&frames));
    }
    let at = text.match_indices("\n5 3 ").nth(4).unwrap().0;
    let changed = format!("{}\n5 9 {}", &text[..at], &text[at + 5..]);
    let found = place.refused("changed", changed, &TIMESTEP);
    assert!(found.contains("frame 4 has other molecules"), "{found}");
}

/// `mol` that numbers the species is no molecule of all K, which would be measured as one atom.
#[test]
fn molecule_ids_that_number_the_species_are_not_taken() {
    let place = Place::new();
    let frames = walk(6);
    let text = Style::columns("id type type xu yu zu").write(&frames).replace("type type", "mol type");
    let (words, found) = place.analyze("species", text, &TIMESTEP);
    assert!(words.contains("each species has one molecule id"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames));
}

#[test]
fn labels_of_types_name_the_species() {
    let place = Place::new();
    let frames = walk(6);
    let text = Style::columns("id type element xu yu zu").write(&frames).replace("element", "typelabel");
    place.write("labels", &text);
    assert_eq!(converted(&place, "labels").0, ["Ca", "K"]);
    let alone = Style::columns("id element xu yu zu").write(&frames).replace("element", "typelabel");
    place.write("alone", &alone);
    assert_eq!(converted(&place, "alone").0, ["Ca", "K"]);
    // Elements come first.
    let both = text.replace("id type typelabel", "id typelabel element");
    place.write("both", both);
    assert_eq!(converted(&place, "both").0, ["Ca", "K"]);
}

#[test]
fn molecules_of_the_dump_are_taken_where_the_topology_has_none() {
    let place = Place::new();
    let frames = walk(6);
    let rows: Vec<String> = (0..ATOMS).map(|i| format!("{} {} 0 1 2 3\n", i + 1, kind(i))).collect();
    let rows = rows.concat();
    let data = place.write(
        "x.data",
        format!(
            "x\n\n{ATOMS} atoms\n2 atom types\n\n0 10 xlo xhi\n0 10 ylo yhi\n0 10 zlo zhi\n\nMasses\n\n1 39.0983 # K\n2 40.078 # Ca\n\nAtoms # charge\n\n{rows}"
        ),
    );
    let more = [&TIMESTEP[..], &["--topology", &data]].concat();
    let mut centres = frames.clone();
    for frame in &mut centres {
        frame.s = frame.s.iter().step_by(2).copied().collect();
    }
    let text = Style::columns("id mol type xu yu zu").write(&frames);
    let (words, found) = place.analyze("pairs", &text, &more);
    assert!(words.contains("molecules are those of the dump (`mol`): the topology has none"), "{words}");
    assert_displacements(&found, 0.002, &expected(&centres));
    // Where LAMMPS calls all elements C, types are those of the topology, and nothing else is said of them.
    let unnamed = Style::columns("id type element xu yu zu")
        .write(&frames)
        .replace(" K ", " C ")
        .replace(" Ca ", " C ");
    let (words, found) = place.analyze("unnamed", unnamed, &more);
    assert!(!words.contains("types are taken for species"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames));
    assert!(
        place.at("unnamed.out").join("msd.csv").exists()
            && !displacements(&place.at("unnamed.out"), "K").is_empty()
    );
}

/// Of a part, nobody knows where the centre of mass of all is; what is converted is a part still.
#[test]
fn what_is_converted_from_a_part_of_a_system_keeps_its_drift_as_the_dump_does() {
    let place = Place::new();
    let mut frames = walk(8);
    for (i, frame) in (0..).zip(&mut frames) {
        for s in &mut frame.s {
            s.x += 0.2 * f64::from(i);
        }
    }
    let text = Style::columns("id type xu yu zu").write(&frames);
    // Atom 24 is atom 77 of the system.
    let part = text.replace("\n24 ", "\n77 ");
    let (words, found) = place.analyze("part", &part, &TIMESTEP);
    assert!(words.contains("these are not all particles"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames));
    let file = converted(&place, "part").1;
    let ids: Vec<u64> = file.dataset("particles/all/id").unwrap().read_raw().unwrap();
    assert_eq!((ids.len(), ids[22], ids[23]), (ATOMS, 23, 77));
    drop(file);
    let (words, found) = analyze_file(&place.path("part.h5"), &[]);
    assert!(words.contains("these are not all particles"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames));
    // Of all atoms, the drift is removed from both.
    let (_, still) = place.analyze("all", &text, &TIMESTEP);
    converted(&place, "all");
    let (words, found) = analyze_file(&place.path("all.h5"), &[]);
    assert!(words.contains("drift is removed") && words.contains("no molecules are known"), "{words}");
    let still: Vec<f64> = still.iter().map(|[_, msd]| *msd).collect();
    assert_displacements(&found, 0.002, &still);
}

#[test]
fn a_trajectory_and_its_copy_are_no_two_replicas() {
    let place = Place::new();
    let text = Style::default().write(&walk(6));
    let (a, b) = (place.write("a", &text), place.write("b", &text));
    for (second, words) in [(&a, "given twice"), (&b, "has the same contents as")] {
        let found = refused(&["analyze", &a, second, "--only", "msd", "--timestep", "2 fs"]);
        assert!(found.contains(words) && found.contains("errors too small"), "{found}");
    }
    // Parts of one run.
    let c = place.write("c", Style::default().write(&walk(12)[6..]));
    let out = place.path("parts.out");
    let words = done(&["analyze", &a, &c, "--only", "msd", "--timestep", "2 fs", "--out", &out]);
    assert!(words.contains("c begins where") && words.contains("cat PART1 PART2"), "{words}");
}
