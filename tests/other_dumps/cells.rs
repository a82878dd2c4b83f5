//! Cells that change, that do not begin at 0, that are not periodic, or that lie askew.

use std::fmt::Write as _;

use glam::{DMat3, DQuat, DVec3};

use crate::support::{
    Place, Snapshot, Style, analyze_file, assert_displacements, breathing, done, expected, walk,
};

const STEP: f64 = 0.01;
const TIMESTEP: [&str; 2] = ["--timestep", "10 fs"];

/// <https://github.com/chemfiles/cfiles/issues/43>, <https://github.com/brucefan1983/GPUMD/issues/1470>
#[test]
fn in_a_changing_cell_every_way_to_write_positions_gives_the_same_displacements() {
    let place = Place::new();
    for (cell, frames) in [("breathing", breathing(20)), ("constant", walk(20))] {
        let expected = expected(&frames);
        for (number, columns) in [
            "id type x y z ix iy iz",
            "id type xs ys zs ix iy iz",
            "id type xu yu zu",
            "id type xsu ysu zsu",
            "id type x y z xu yu zu ix iy iz",
            "id type x y z",
            "type xu yu zu",
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("{cell}-{number}");
            let (_, found) = place.analyze(&name, Style::columns(columns).write(&frames), &TIMESTEP);
            assert_displacements(&found, STEP, &expected);
            let converted = place.path(&format!("{name}.h5"));
            done(&[&["convert", &place.path(&name), &converted], &TIMESTEP[..]].concat());
            let (_, found) = analyze_file(&converted, &[]);
            assert_displacements(&found, STEP, &expected);
        }
    }
}

/// Some scripts unwrap `x y z` and leave `ix iy iz` beside them, or leave out what they are.
#[test]
fn unwrapped_positions_that_are_called_x_are_taken_as_they_are() {
    let place = Place::new();
    for (cell, mut frames) in [("breathing", breathing(20)), ("constant", walk(20))] {
        // All walk on through the walls.
        for (i, frame) in (0..).zip(&mut frames) {
            for (atom, s) in frame.s.iter_mut().enumerate() {
                s.x += f64::from(i) * if atom % 2 == 0 { 0.08 } else { -0.08 };
            }
        }
        let expected = expected(&frames);
        for (name, columns, note) in [
            ("images", "id type xu yu zu ix iy iz", "although the file has `ix iy iz`"),
            ("alone", "id type xu yu zu", "taken for unwrapped"),
        ] {
            let text = Style::columns(columns).write(&frames).replace("xu yu zu", "x y z");
            let name = format!("{cell}-{name}");
            let (words, found) = place.analyze(&name, text, &TIMESTEP);
            assert!(words.contains(note), "{name}: {words}");
            assert_displacements(&found, STEP, &expected);
            let converted = place.path(&format!("{name}.h5"));
            done(&[&["convert", &place.path(&name), &converted], &TIMESTEP[..]].concat());
            assert_displacements(&analyze_file(&converted, &[]).1, STEP, &expected);
        }
        // Wrapped ones are followed by their images.
        let text = Style::columns("id type x y z ix iy iz").write(&frames);
        let (_, found) = place.analyze(&format!("{cell}-wrapped"), text, &TIMESTEP);
        assert_displacements(&found, STEP, &expected);
    }
}

/// <https://github.com/MDAnalysis/mdanalysis/issues/3741>
#[test]
fn a_cell_that_shrinks_about_its_centre_moves_no_atom_at_rest() {
    let place = Place::new();
    let mut frames = breathing(20);
    let s = frames[0].s.clone();
    for frame in &mut frames {
        frame.s.clone_from(&s);
    }
    for (name, columns) in
        [("x", "id type x y z"), ("images", "id type x y z ix iy iz"), ("xu", "id type xu yu zu")]
    {
        let (_, found) = place.analyze(name, Style::columns(columns).write(&frames), &TIMESTEP);
        // Round-off of positions of 10 angstrom, squared.
        assert!(found.iter().all(|[_, msd]| *msd < 1e-27), "{name}: {found:?}");
    }
}

/// The same atoms, further from 0 than the cell is large: nothing depends on where the corner is.
#[test]
fn where_the_corner_of_the_cell_is_changes_nothing() {
    let place = Place::new();
    let mut frames = walk(15);
    let columns = "id type x y z";
    let (_, at_0) = place.analyze("at-0", Style::columns(columns).write(&frames), &TIMESTEP);
    for frame in &mut frames {
        frame.origin = DVec3::new(-35.0, 4.0, 112.5);
    }
    let (_, found) = place.analyze("elsewhere", Style::columns(columns).write(&frames), &TIMESTEP);
    let expected: Vec<f64> = at_0.iter().map(|[_, msd]| *msd).collect();
    assert_displacements(&found, STEP, &expected);
}

/// A slab that walks through walls along x and y, and up along z, where its box follows it (boundary s) or stays (f).
#[test]
fn nothing_is_wrapped_along_an_edge_that_is_not_periodic() {
    let place = Place::new();
    let mut frames = walk(20);
    for (i, frame) in (0..).zip(&mut frames) {
        let up = 9.0 * f64::from(i);
        for s in &mut frame.s {
            s.z = s.z * 0.5 + 0.1 * up;
        }
    }
    let expected = expected(&frames);
    let write = |columns: &'static str, boundary: &'static str, frames: &[Snapshot]| {
        // Positions along z as they are: no file wraps them.
        let text = Style { boundary, ..Style::columns(columns) }.write(frames);
        let zu = Style { boundary, ..Style::columns("zu") }.write(frames);
        let mut header = true;
        let rows: Vec<String> = text
            .lines()
            .zip(zu.lines())
            .map(|(line, z)| {
                let row = !header && !line.starts_with("ITEM");
                header = if line.starts_with("ITEM") { !line.starts_with("ITEM: ATOMS") } else { header };
                let mut words: Vec<&str> = line.split(' ').collect();
                if row {
                    words[4] = z;
                    if words.len() > 5 {
                        words[7] = "0";
                    }
                }
                words.join(" ")
            })
            .collect();
        rows.join("\n") + "\n"
    };
    // Shrink-wrapped: the box follows.
    let mut shrunk = frames.clone();
    for frame in &mut shrunk {
        let heights = frame.s.iter().map(|s| 10.0 * s.z);
        let low = heights.clone().fold(f64::INFINITY, f64::min);
        let high = heights.fold(f64::NEG_INFINITY, f64::max);
        (frame.origin.z, frame.edges.z) = (low, high - low);
        for s in &mut frame.s {
            s.z = (10.0 * s.z - low) / (high - low);
        }
    }
    for (name, columns, boundary, frames) in [
        ("ff", "id type x y z", " pp pp ff", &frames),
        ("ff-images", "id type x y z ix iy iz", " pp pp ff", &frames),
        ("fm", "id type x y z ix iy iz", " pp pp fm", &frames),
        ("ss", "id type x y z", " pp pp ss", &shrunk),
    ] {
        // All fly upwards together: no drift of a centre of mass is meant.
        let more = [&TIMESTEP[..], &["--keep-drift"]].concat();
        let (words, found) = place.analyze(name, write(columns, boundary, frames), &more);
        assert!(!words.contains("names no boundaries"), "{words}");
        assert_displacements(&found, STEP, &expected);
        // What is converted says which edges these are.
        let converted = place.path(&format!("{name}.h5"));
        done(&[&["convert", &place.path(name), &converted], &TIMESTEP[..]].concat());
        let boundary: Vec<hdf5::types::VarLenUnicode> = hdf5::File::open(&converted)
            .and_then(|file| file.group("particles/all/box")?.attr("boundary")?.read_raw())
            .unwrap();
        assert_eq!(
            boundary.iter().map(hdf5::types::VarLenUnicode::as_str).collect::<Vec<_>>(),
            ["periodic", "periodic", "none"]
        );
    }
}

#[test]
fn boundaries_are_assumed_aloud_and_contradictions_refused() {
    let place = Place::new();
    let frames = walk(6);
    let style = |boundary| Style { boundary, ..Style::default() };
    let (words, _) = place.analyze("none", style("").write(&frames), &TIMESTEP);
    assert!(words.contains("names no boundaries: periodic along all edges is assumed"), "{words}");
    let words = place.refused("half", style(" pp pf pp").write(&frames), &TIMESTEP);
    assert!(
        words.contains("frame 0, line 5") && words.contains("one side") && words.contains("correct it there"),
        "{words}"
    );
    let text = style(" pp pp pp").write(&frames[..4]) + &style(" pp pp ff").write(&frames[4..]);
    let words = place.refused("changed", text, &TIMESTEP);
    assert!(words.contains("frame 4 is periodic along other edges than frame 0"), "{words}");
    // Which of the letters f, s, m it is may change.
    let text = style(" pp pp ff").write(&frames[..4]) + &style(" pp pp sm").write(&frames[4..]);
    place.analyze("letters", text, &TIMESTEP);
}

/// <https://github.com/lammps/lammps/issues/4803>: `dump_modify triclinic/general yes` writes the cell as it lies.
#[test]
fn a_general_triclinic_cell_gives_the_numbers_of_the_same_cell_turned() {
    let place = Place::new();
    let frames = walk(15);
    let restricted =
        DMat3::from_cols(DVec3::new(11.0, 0.0, 0.0), DVec3::new(2.0, 10.0, 0.0), DVec3::new(-1.5, 3.0, 9.0));
    let turn = DMat3::from_quat(DQuat::from_axis_angle(DVec3::new(1.0, 2.0, -0.5).normalize(), 0.7));
    let origin = DVec3::new(1.0, -2.0, 3.0);
    let write = |h: DMat3, header: &str, columns: &str| {
        let mut text = String::new();
        for frame in &frames {
            let _ = write!(
                text,
                "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\n{header}",
                frame.step,
                frame.s.len()
            );
            let _ = writeln!(text, "ITEM: ATOMS id type {columns}");
            for (i, s) in frame.s.iter().enumerate() {
                let s = *s - s.floor();
                let r = if columns == "xs ys zs" { s } else { origin + h * s };
                let _ = writeln!(text, "{} {} {} {} {}", i + 1, 1 + i % 2, r.x, r.y, r.z);
            }
        }
        text
    };
    // Bounds of the enclosing box: xy = 2, xz = -1.5, yz = 3.
    let bounds = "ITEM: BOX BOUNDS xy xz yz pp pp pp\n-0.5 14 2\n-2 11 -1.5\n3 12 3\n";
    let turned = turn * restricted;
    let row = |v: DVec3, o: f64| format!("{} {} {} {o}\n", v.x, v.y, v.z);
    let general = format!(
        "ITEM: BOX BOUNDS abc origin pp pp pp\n{}{}{}",
        row(turned.x_axis, origin.x),
        row(turned.y_axis, origin.y),
        row(turned.z_axis, origin.z)
    );
    let (_, expected) = place.analyze("restricted", write(restricted, bounds, "x y z"), &TIMESTEP);
    let expected: Vec<f64> = expected.iter().map(|[_, msd]| *msd).collect();
    let rdf = |name: &str| std::fs::read_to_string(place.at(&format!("{name}.out")).join("rdf.csv")).unwrap();
    for (name, columns) in [("general", "x y z"), ("general-scaled", "xs ys zs")] {
        let (_, found) = place.analyze(name, write(turned, &general, columns), &TIMESTEP);
        assert_displacements(&found, STEP, &expected);
        for (a, b) in rdf("restricted").lines().zip(rdf(name).lines()).skip(1) {
            let value = |line: &str| line.split(',').nth(2).unwrap().parse::<f64>().unwrap();
            // The volume comes from other products.
            assert!((value(a) - value(b)).abs() <= 1e-9 * value(a).abs(), "{a} {b}");
        }
    }
}
