//! `vitrion analyze` and `convert` on files of other programs: what they find, what they keep, and what bad files get.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use glam::DVec3;
use vitrion_analysis::results::Results;
use vitrion_core::cell::Cell;
use vitrion_core::random::{Counter, Stream};
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter};

const EDGE: f64 = 12.0;

fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

fn done(arguments: &[&str]) -> String {
    let output = vitrion(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn refused(arguments: &[&str]) -> String {
    let output = vitrion(arguments);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {words}");
    words
}

/// Unwrapped walkers: `frames` x `n`, steps of variance 0.02 in each direction.
fn walk(n: usize, frames: usize, seed: u64) -> Vec<Vec<DVec3>> {
    let counter = |stream, step, particle| Counter { seed, stream, replica: 0, step, particle };
    let start = |particle| {
        let [x, y, z, _] = counter(Stream::BuilderPosition, 0, particle).uniform();
        DVec3::new(x, y, z) * EDGE
    };
    let mut positions: Vec<DVec3> = (0..n as u32).map(start).collect();
    (0..frames as u64)
        .map(|frame| {
            for (particle, position) in (0..).zip(&mut positions) {
                let [x, y, z, _] = counter(Stream::Velocity, frame, particle).normal();
                *position += DVec3::new(x, y, z) * 0.02f64.sqrt();
            }
            positions.clone()
        })
        .collect()
}

fn wrap(r: DVec3) -> (DVec3, DVec3) {
    let images = (r / EDGE).floor();
    (r - images * EDGE, images)
}

fn header(n: usize, images: bool) -> PlainHeader {
    PlainHeader {
        names: vec!["K".into(), "Ca".into()],
        species: (0..n).map(|i| usize::from(i % 3 == 2)).collect(),
        molecules: None,
        masses: None,
        charges: None,
        images,
    }
}

/// Steps of 10 from 1,000 on, 0.5 ps apart, wrapped.
fn write_h5md(path: &Path, frames: &[Vec<DVec3>], images: bool) {
    let n = frames[0].len();
    let mut writer = PlainWriter::create(path, &header(n, images)).unwrap();
    let cell = Cell::cubic(EDGE).unwrap();
    for (i, positions) in (0..).zip(frames) {
        let (inside, crossed): (Vec<DVec3>, Vec<DVec3>) = positions.iter().map(|r| wrap(*r)).unzip();
        let time = 50.0 + 0.5 * i as f64;
        writer.append(1000 + 10 * i, time, &cell, &inside, images.then_some(&crossed)).unwrap();
    }
    writer.finish().unwrap();
}

struct Row {
    name: String,
    numbers: Vec<f64>,
}

fn csv(path: &Path, header: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(text.lines().next(), Some(header));
    let row = |line: &str| {
        let mut cells = line.split(',');
        let name = cells.next().unwrap().to_string();
        Row { name, numbers: cells.map(|c| c.parse().unwrap()).collect() }
    };
    text.lines().skip(1).map(row).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn walkers_in_any_h5md_have_their_diffusion_and_decay() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let frames = walk(120, 80, 1);
    for (name, images) in [("counted.h5", true), ("shortest.h5", false)] {
        write_h5md(&at(name), &frames, images);
        let out = at(&format!("{name}.out"));
        let words = done(&[
            "analyze",
            text(&at(name)),
            "--out",
            text(&out),
            "--only",
            "msd,isf,rdf",
            "--q",
            "1.0 1/angstrom, 2 1/angstrom",
        ]);
        assert_eq!(words.contains("shortest displacement"), !images, "{words}");
        for row in
            csv(&out.join("msd.csv"), "species,t_ps,value,standard_error").iter().filter(|r| r.name == "all")
        {
            let [t, value, error] = row.numbers[..] else { panic!("three numbers") };
            // 0.06 angstrom^2 a frame of 0.5 ps. Few units give an error that is exceeded fivefold now and then.
            assert!((value - 0.12 * t).abs() < 6.0 * error, "{t}: {value} +- {error}");
        }
        let isf =
            csv(&out.join("isf_self.csv"), "species_or_weighting,q_per_angstrom,t_ps,value,standard_error");
        let names: std::collections::BTreeSet<&str> = isf.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["Ca", "K", "all", "neutron", "xray"]);
        for row in isf.iter().filter(|r| r.name == "xray") {
            let [q, t, value, error] = row.numbers[..] else { panic!("four numbers") };
            assert!((value - (-q * q * 0.02 * t).exp()).abs() < 6.0 * error, "{q} {t}: {value} +- {error}");
        }
        csv(&out.join("isf_coherent.csv"), "species_or_weighting,q_per_angstrom,t_ps,value,standard_error");
        assert!(
            csv(&out.join("rdf.csv"), "pair,r_angstrom,value,standard_error")
                .iter()
                .any(|r| r.name == "K-Ca")
        );
        assert!(!out.join("van_hove_self.csv").exists());
    }
    // Followed by counts or by the shortest displacement: the same numbers, but for round-off.
    let read = |name: &str| csv(&at(name).join("msd.csv"), "species,t_ps,value,standard_error");
    for (a, b) in read("counted.h5.out").iter().zip(read("shortest.h5.out")) {
        assert!((a.numbers[1] / b.numbers[1] - 1.0).abs() < 1e-9);
    }
}

#[test]
fn a_dump_and_what_it_is_converted_to_give_the_same_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let frames = walk(30, 25, 2);
    let mut data = String::from(
        "walkers\n\n30 atoms\n2 atom types\n0 12 xlo xhi\n0 12 ylo yhi\n0 12 zlo zhi\n\nMasses\n\n1 39.0983\n2 40.078 # Ca\n\nAtoms # charge\n\n",
    );
    for i in 0..30 {
        let _ = writeln!(
            data,
            "{} {} {} 1 1 1",
            i + 1,
            1 + usize::from(i % 3 == 2),
            if i % 3 == 2 { 2 } else { 1 }
        );
    }
    std::fs::write(at("x.data"), data).unwrap();
    let mut dump = String::new();
    for (f, positions) in frames.iter().enumerate() {
        let _ = write!(
            dump,
            "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n30\nITEM: BOX BOUNDS pp pp pp\n0 12\n0 12\n0 12\nITEM: ATOMS id type x y z ix iy iz\n",
            1000 + 10 * f
        );
        // Atoms in another order in every frame.
        for k in 0..30 {
            let i = (7 * k + f) % 30;
            let (r, n) = wrap(positions[i]);
            let _ = writeln!(
                dump,
                "{} {} {} {} {} {} {} {}",
                i + 1,
                1 + usize::from(i % 3 == 2),
                r.x,
                r.y,
                r.z,
                n.x,
                n.y,
                n.z
            );
        }
    }
    // The end of the file is cut off, within the last frame.
    dump.truncate(dump.len() - 100);
    std::fs::write(at("x.lammpstrj"), dump).unwrap();
    let words = done(&[
        "analyze",
        text(&at("x.lammpstrj")),
        "--topology",
        text(&at("x.data")),
        "--timestep",
        "50 fs",
        "--out",
        text(&at("of-dump")),
    ]);
    assert!(words.contains("ends within a frame"), "{words}");
    done(&[
        "convert",
        text(&at("x.lammpstrj")),
        text(&at("x.h5")),
        "--topology",
        text(&at("x.data")),
        "--timestep",
        "50 fs",
    ]);
    write_h5md(&at("direct.h5"), &frames[..24], true);
    let summary = done(&["analyze", text(&at("x.h5")), "--out", text(&at("of-h5md"))]);
    // Neither has molecules: a line for what that rules out.
    assert!(summary.contains("reorientation") && summary.contains("no molecule"), "{summary}");
    done(&["analyze", text(&at("direct.h5")), "--out", text(&at("of-direct"))]);
    for table in
        ["msd.csv", "isf_self.csv", "rdf.csv", "structure_factor.csv", "van_hove_self.csv", "chi_4.csv"]
    {
        let read = |out: &str| std::fs::read_to_string(at(out).join(table)).unwrap();
        assert_eq!(read("of-dump"), read("of-h5md"), "{table}");
        assert_eq!(read("of-dump"), read("of-direct"), "{table}");
    }
    let words = refused(&[
        "analyze",
        text(&at("x.lammpstrj")),
        "--topology",
        text(&at("x.h5")),
        "--out",
        text(&at("no")),
    ]);
    assert!(words.contains("x.h5"), "{words}");
}

#[test]
fn what_did_not_change_is_not_measured_again() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (a, b, out) = (at("a.h5"), at("b.h5"), at("out"));
    write_h5md(&a, &walk(30, 12, 3), true);
    write_h5md(&b, &walk(30, 12, 4), true);
    let run = |more: &[&str]| done(&[&["analyze", text(&a), "--out", text(&out)], more].concat());
    let state = |words: &str, table: &str| {
        let line = words.lines().find(|l| l.contains(table)).unwrap_or_else(|| panic!("{table} in {words}"));
        line.split_whitespace().nth(1).unwrap().to_string()
    };
    assert_eq!(state(&run(&[]), "msd.csv"), "measured");
    let first = std::fs::read_to_string(out.join("rdf.csv")).unwrap();
    let again = run(&["--r-bins", "17"]);
    assert_eq!((state(&again, "msd.csv"), state(&again, "rdf.csv")), ("kept".into(), "measured".into()));
    assert_ne!(std::fs::read_to_string(out.join("rdf.csv")).unwrap(), first);
    // Another q leaves the rest, and those tables that are not asked for.
    let again = run(&["--only", "isf_self", "--q", "2 1/angstrom"]);
    assert_eq!((state(&again, "isf_self.csv"), state(&again, "rdf.csv")), ("measured".into(), "kept".into()));
    // Other inputs do not replace them.
    let words = refused(&["analyze", text(&b), "--out", text(&out)]);
    assert!(words.contains("other inputs") && words.contains("--out"), "{words}");
}

#[test]
fn results_of_an_earlier_state_of_the_data_do_not_stand_beside_new_ones() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (input, out) = (at("run.h5"), at("out"));
    let write = |frames: usize| {
        let _ = std::fs::remove_file(&input);
        write_h5md(&input, &walk(30, frames, 6), true);
    };
    let run = |only: &str| done(&["analyze", text(&input), "--out", text(&out), "--only", only]);
    let lengths = |path: &Path| csv(path, "species,t_ps,value,standard_error").len();
    write(12);
    run("msd,rdf");
    let first = std::fs::read_to_string(out.join("rdf.csv")).unwrap();
    assert_eq!(lengths(&out.join("msd.csv")), 3 * 11);
    // The same data: nothing to set aside.
    assert!(!run("msd").contains("have changed") && !out.join("older").exists());
    write(20);
    let words = run("msd");
    assert!(words.contains("have changed since rdf were measured") && !words.contains("rdf.csv"), "{words}");
    assert_eq!(lengths(&out.join("msd.csv")), 3 * 19);
    assert!(!out.join("rdf.csv").exists());
    // Nothing is lost.
    assert_eq!(std::fs::read_to_string(out.join("older/rdf.csv")).unwrap(), first);
    assert_eq!(lengths(&out.join("older/msd.csv")), 3 * 11);
    assert!(out.join("older/results.h5").exists());
    // A directory that has moved holds the same data.
    let moved = directory.path().join("moved");
    std::fs::create_dir(&moved).unwrap();
    std::fs::rename(&input, moved.join("run.h5")).unwrap();
    let words = done(&["analyze", text(&moved.join("run.h5")), "--out", text(&out), "--only", "msd"]);
    assert!(words.contains("kept"), "{words}");
    std::fs::rename(moved.join("run.h5"), &input).unwrap();
    run("msd");
    // What is measured again as a whole replaces the older.
    write(24);
    assert!(!run("msd").contains("have changed") && !out.join("older-2").exists());
    run("rdf");
    write(26);
    assert!(run("rdf").contains("have changed since msd were measured"));
    assert_eq!(lengths(&out.join("older-2/msd.csv")), 3 * 23);
}

#[test]
fn tables_of_an_observable_that_is_now_missing_do_not_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("run.h5"), directory.path().join("out"));
    write_h5md(&input, &walk(30, 12, 6), true);
    let run = |window: &str| {
        done(&["analyze", text(&input), "--out", text(&out), "--only", "jumps", "--jump-window", window])
    };
    run("1 ps");
    assert!(out.join("jumps.csv").exists() && out.join("displacement_map.csv").exists());
    assert!(run("100 ps").contains("missing: jumps"));
    assert!(!out.join("jumps.csv").exists() && !out.join("displacement_map.csv").exists());
}

#[test]
fn a_report_of_a_run_that_has_moved_and_of_replicas_of_two_temperatures() {
    let directory = tempfile::tempdir().unwrap();
    let (run, moved) = (directory.path().join("run"), directory.path().join("moved"));
    std::fs::create_dir(&run).unwrap();
    write_h5md(&run.join("replica-000.h5"), &walk(30, 12, 6), true);
    done(&["analyze", text(&run), "--only", "rdf"]);
    let page = |run: &Path| std::fs::read_to_string(run.join("report.html")).unwrap();
    let with_temperatures = |run: &Path, temperatures: Vec<f64>| {
        let analysis = run.join("analysis");
        let results = Results::read(&analysis).unwrap().unwrap();
        Results { temperatures, ..results.clone() }.write(&analysis, Some(&results)).unwrap();
        done(&["report", text(run)]);
        page(run)
    };
    assert!(with_temperatures(&run, vec![330.4, 329.8]).contains("330.1 K"));
    // Numbers of the glass at 330 K do not stand beside the mean of a glass and a melt.
    let words = with_temperatures(&run, vec![330.0, 500.0]);
    assert!(words.contains("not the same in all replicas") && words.contains("330.0, 500.0"), "{words}");
    std::fs::rename(&run, &moved).unwrap();
    done(&["report", text(&moved)]);
    std::fs::remove_file(moved.join("replica-000.h5")).unwrap();
    let words = refused(&["report", text(&moved)]);
    assert!(words.contains("replica-000.h5: was analysed, but is no longer there"), "{words}");
}

#[test]
fn damaged_and_unfit_files_are_refused_with_place_and_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let out = at("out");
    let frames = walk(30, 12, 5);
    let good = at("good.h5");
    write_h5md(&good, &frames, true);
    let analyze = |path: &PathBuf| vitrion(&["analyze", text(path), "--out", text(&out)]);

    let mut broken = frames.clone();
    broken[4][7].y = f64::NAN;
    write_h5md(&at("nan.h5"), &broken, true);
    let words = refused(&["analyze", text(&at("nan.h5")), "--out", text(&out)]);
    assert!(
        words.contains("nan.h5: frame 4, particle 7") && words.contains("leave this frame out"),
        "{words}"
    );

    // Cut anywhere: an error that names the file, or what is left of it.
    let bytes = std::fs::read(&good).unwrap();
    for part in [0, 1, 7, 20, 50, 80, 99] {
        let path = at("cut.h5");
        std::fs::write(&path, &bytes[..bytes.len() * part / 100]).unwrap();
        let output = analyze(&path);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && words.contains("cut.h5"), "{part} %: {words}");
    }

    for (group, word) in [
        ("particles/all/position", "position"),
        ("particles/all/species", "species"),
        ("particles", "particles"),
    ] {
        let path = at("less.h5");
        std::fs::copy(&good, &path).unwrap();
        hdf5::File::open_rw(&path).unwrap().unlink(group).unwrap();
        let output = analyze(&path);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && words.contains("less.h5") && words.contains(word),
            "{words}"
        );
    }

    // Without a cell, displacements are still there; what needs the cell is a line.
    let path = at("open.h5");
    std::fs::copy(&good, &path).unwrap();
    hdf5::File::open_rw(&path).unwrap().unlink("particles/all/box/edges").unwrap();
    hdf5::File::open_rw(&path).unwrap().unlink("particles/all/image").unwrap();
    let words = done(&["analyze", text(&path), "--out", text(&at("out-open"))]);
    assert!(words.contains("no periodic cell") && at("out-open").join("msd.csv").exists(), "{words}");

    write_h5md(&at("other.h5"), &walk(31, 12, 6), true);
    let words = refused(&["analyze", text(&good), text(&at("other.h5")), "--out", text(&out)]);
    assert!(
        words.contains("other.h5") && words.contains("21 K, 10 Ca") && words.contains("one by one"),
        "{words}"
    );

    let words = refused(&["analyze", text(&good), "--only", "msd,magic"]);
    assert!(words.contains("magic") && words.contains("rdf"), "{words}");
    let words =
        done(&["analyze", text(&good), "--only", "rdf", "--r-max", "7 angstrom", "--out", text(&at("far"))]);
    assert!(words.contains("half the smallest height"), "{words}");
}
