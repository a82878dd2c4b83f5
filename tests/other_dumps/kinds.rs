//! Files that are something else: every command names them alike.

use crate::support::{Place, Style, done, refused, vitrion, walk};

/// <https://github.com/lammps/lammps/issues/4528>, <https://github.com/mphowardlab/lammpsio/issues/45>
#[test]
fn what_is_not_read_is_named_by_every_command() {
    let place = Place::new();
    let gz = place.write("t t.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    let yaml = place.write("t.yaml", "---\ncreator: LAMMPS\ntimestep: 0\n");
    let cases: [(&str, &str, String); 2] =
        [(&gz, "gzip", format!("gunzip -k '{gz}'")), (&yaml, "YAML", "dump custom".to_string())];
    for (path, what, remedy) in cases {
        for arguments in [
            vec!["analyze", path],
            vec!["convert", path, &place.path("x.h5")],
            vec!["convert", path, &place.path("x.xyz")],
            vec!["info", path],
            vec!["plot", path],
            vec!["forces", path, "--force-field", "ckn-rigid"],
        ] {
            let words = refused(&arguments);
            assert!(words.contains(what) && words.contains(&remedy), "{arguments:?}: {words}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_said_not_to_be_there() {
    let place = Place::new();
    let nowhere = place.path("nowhere");
    for arguments in [
        vec!["analyze", &nowhere],
        vec!["convert", &nowhere, &place.path("x.xyz")],
        vec!["convert", "-", &place.path("x.xyz")],
        vec!["info", &nowhere],
        vec!["plot", &nowhere],
        vec!["forces", &nowhere, "--force-field", "ckn-rigid"],
    ] {
        let words = refused(&arguments);
        assert!(words.contains("there is no such file"), "{arguments:?}: {words}");
    }
    let words = refused(&["convert", "/dev/null", &place.path("x.h5")]);
    assert!(words.contains("no regular file"), "{words}");
    let text = place.write("notes.txt", "hello\n");
    let words = refused(&["analyze", &text]);
    assert!(words.contains("text of no kind") && words.contains("LAMMPS dump"), "{words}");
}

#[test]
fn info_says_what_dumps_and_data_files_hold() {
    let place = Place::new();
    let style = Style { units: Some("metal"), boundary: " pp pp fs", step: Some(0.002), ..Style::default() };
    let text = style.write(&walk(6));
    let path = place.write("t", &text[..text.len() - 100]);
    let words = done(&["info", &path]);
    for part in [
        "LAMMPS dump",
        "within a frame",
        "24: 16 of type 1, 8 of type 2",
        "5, steps 0 to 400, 0.000 to 0.800 ps",
        "metal",
        "10.0000 x 10.0000 x 10.0000 angstrom",
        "pp pp fs",
        "id type x y z ix iy iz",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/ckn66.data");
    let words = done(&["info", data]);
    for part in ["LAMMPS data file", "66: ", "molecules     24", "by mass: N, O, K, Ca"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let words = refused(&["plot", &path]);
    assert!(words.contains("vitrion analyze") && words.contains("vitrion convert"), "{words}");
}

#[test]
fn dumps_of_something_else_than_atoms_are_named() {
    let place = Place::new();
    let local = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ENTRIES\n1\nITEM: BOX BOUNDS pp pp pp\n0 1\n0 1\n0 1\nITEM: ENTRIES index\n1\n";
    let words = place.refused("local", local, &[]);
    assert!(words.contains("local or grid quantities") && words.contains("dump custom"), "{words}");
    let grid = "ITEM: TIMESTEP\n0\nITEM: BOX BOUNDS pp pp pp\n0 1\n0 1\n0 1\nITEM: DIMENSION\n3\nITEM: GRID SIZE nx ny nz\n1 1 1\nITEM: GRID CELLS f\n1\n";
    let words = place.refused("grid", grid, &[]);
    assert!(words.contains("local or grid quantities"), "{words}");
    // A gigabyte without a line break is not held in memory to find that out.
    let binary = format!("ITEM: TIMESTEP\n{}", "a".repeat(3 << 20));
    let words = place.refused("binary", binary, &[]);
    assert!(words.contains("more than a million bytes"), "{words}");
    assert_eq!(vitrion(&["analyze", &place.path("binary")]).status.code(), Some(1));
}
