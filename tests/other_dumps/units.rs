//! Lengths and times in any unit.

use vitrion_analysis::results::Results;

use crate::support::{Place, Style, analyze_file, assert_displacements, done, expected, refused, walk};

/// Name, angstrom, ps, LAMMPS' default step (ps): its manual, commands `units` and `timestep`.
const UNITS: [(&str, f64, f64, f64); 7] = [
    ("real", 1.0, 1e-3, 1e-3),
    ("metal", 1.0, 1.0, 1e-3),
    ("si", 1e10, 1e12, 1e4),
    ("cgs", 1e8, 1e12, 1e4),
    ("electron", 0.529_177_210_903, 1e-3, 1e-6),
    ("micro", 1e4, 1e6, 2e6),
    ("nano", 10.0, 1e3, 0.45),
];

/// <https://github.com/lammps/lammps/issues/1671>, <https://github.com/lammps/lammps/issues/1698>
#[test]
fn lengths_and_times_of_all_unit_styles_are_those_that_are_meant() {
    let place = Place::new();
    let frames = walk(12);
    let expected = expected(&frames);
    for (units, length, time, default) in UNITS {
        // Of a file that says all.
        let whole = Style { units: Some(units), length, time, step: Some(0.002), ..Style::default() };
        let (words, found) = place.analyze(&format!("{units}-time"), whole.write(&frames), &[]);
        assert!(!words.contains("note:"), "{words}");
        assert_displacements(&found, 0.002, &expected);
        // In every frame, as other programs write it.
        let named = format!("ITEM: UNITS\n{units}\nITEM: TIME");
        let (_, found) = place.analyze(
            &format!("{units}-all"),
            whole.write(&frames).replace("ITEM: TIME\n", &format!("{named}\n")),
            &[],
        );
        assert_displacements(&found, 0.002, &expected);
        // Without times: the default of LAMMPS, aloud.
        let timeless = Style { units: Some(units), length, time, ..Style::default() };
        let (words, found) = place.analyze(&format!("{units}-step"), timeless.write(&frames), &[]);
        assert!(
            words.contains("is assumed, the default of LAMMPS in units") && words.contains(units),
            "{words}"
        );
        assert_displacements(&found, default, &expected);
        // Of a file that says nothing.
        let silent = Style { length, time, step: Some(0.002), ..Style::default() };
        let (words, found) =
            place.analyze(&format!("{units}-said"), silent.write(&frames), &["--units", units]);
        assert!(!words.contains("note:"), "{words}");
        assert_displacements(&found, 0.002, &expected);
        // Also converted.
        let converted = place.path(&format!("{units}.h5"));
        done(&["convert", &place.path(&format!("{units}-said")), &converted, "--units", units]);
        let (_, found) = analyze_file(&converted, &[]);
        assert_displacements(&found, 0.002, &expected);
    }
}

#[test]
fn units_without_a_length_unknown_ones_and_contradictions_are_refused() {
    let place = Place::new();
    let frames = walk(6);
    let named = |units| Style { units: Some(units), ..Style::default() }.write(&frames);
    let words = place.refused("lj", named("lj"), &["--timestep", "2 fs"]);
    assert!(words.contains("units are lj") && words.contains("multiply"), "{words}");
    let words = place.refused("said", Style::default().write(&frames), &["--units", "lj"]);
    assert!(words.contains("units are lj"), "{words}");
    let words = place.refused("unknown", named("parsec"), &[]);
    assert!(words.contains("`parsec`") && words.contains("line 2") && words.contains("metal, si"), "{words}");
    let words = place.refused("two", named("metal"), &["--units", "real"]);
    assert!(words.contains("metal, --units says real"), "{words}");
    let text = named("metal") + &Style { units: Some("real"), ..Style::default() }.write(&walk(9)[6..]);
    let words = place.refused("change", text, &[]);
    assert!(
        words.contains("frame 6") && words.contains("units real, where those before were metal"),
        "{words}"
    );
    let text = Style::default().write(&frames)
        + &Style { units: Some("real"), ..Style::default() }.write(&walk(9)[6..]);
    let words = place.refused("late", text, &[]);
    assert!(words.contains("frame 6") && words.contains("do not name"), "{words}");
    let path = place.write("x", named("metal"));
    let output = crate::support::vitrion(&["analyze", &path, "--units", "parsec"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_assumed_of_units_is_said() {
    let place = Place::new();
    let frames = walk(6);
    let (words, found) = place.analyze("silent", Style::default().write(&frames), &[]);
    for part in ["`real` are assumed, lengths in angstrom", "1 fs is assumed", "--units", "--timestep"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_displacements(&found, 0.001, &expected(&frames));
    // Times in fs.
    let timed = Style { time: 1e-3, step: Some(0.002), ..Style::default() };
    let (words, found) = place.analyze("timed", timed.write(&frames), &[]);
    assert!(words.contains("taken for fs") && !words.contains("1 fs is assumed"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames));
    assert!(!words.contains("more than any solid"), "{words}");
    // In nanometres: 24 atoms in what would be one cubic angstrom.
    let (words, _) = place.analyze("nm", Style { length: 10.0, ..Style::default() }.write(&frames), &[]);
    assert!(words.contains("24.00 atoms in a cubic angstrom, more than any solid has"), "{words}");
    let results = Results::read(&place.at("nm.out")).unwrap().unwrap();
    assert!(results.notes.iter().any(|note| note.contains("more than any solid")), "{:?}", results.notes);
}

/// <https://github.com/deepmodeling/dpdata/issues/616>
#[test]
fn times_are_kept_when_the_last_frame_is_cut() {
    let place = Place::new();
    let frames = walk(12);
    let text =
        Style { units: Some("real"), time: 1e-3, step: Some(0.002), ..Style::default() }.write(&frames);
    let expected = expected(&frames[..11]);
    // Within its atoms, and within its header behind the time.
    for (name, cut) in [("atoms", text.len() - 30), ("header", text.rfind("ITEM: BOX").unwrap())] {
        let (words, found) = place.analyze(name, &text[..cut], &[]);
        assert!(words.contains("ends within a frame") && !words.contains("is assumed"), "{words}");
        assert_displacements(&found, 0.002, &expected);
    }
}

#[test]
fn times_of_some_frames_only_are_refused_and_a_time_step_helps() {
    let place = Place::new();
    let frames = walk(8);
    let timed = Style { units: Some("metal"), step: Some(0.002), ..Style::default() };
    let text = timed.write(&frames[..5]) + &Style::default().write(&frames[5..]);
    let words = place.refused("some", &text, &[]);
    assert!(words.contains("5 of its 8 frames have a time") && words.contains("frame 5 has none"), "{words}");
    let (_, found) = place.analyze("helped", &text, &["--timestep", "2 fs"]);
    assert_displacements(&found, 0.002, &expected(&frames));
}

#[test]
fn a_time_step_that_contradicts_the_file_is_refused_or_the_contradiction_said() {
    let place = Place::new();
    let frames = walk(8);
    let expected = expected(&frames);
    let known = Style { units: Some("metal"), step: Some(0.002), ..Style::default() }.write(&frames);
    let (words, found) = place.analyze("same", &known, &["--timestep", "2 fs"]);
    assert!(!words.contains("note:"), "{words}");
    assert_displacements(&found, 0.002, &expected);
    let words = place.refused("other", &known, &["--timestep", "1 fs"]);
    assert!(words.contains("a step of 2 fs in units metal, --timestep says 1 fs"), "{words}");
    // A unit that is not named may be any.
    let unknown = Style { step: Some(0.002), ..Style::default() }.write(&frames);
    let (words, found) = place.analyze("unknown", &unknown, &["--timestep", "2 fs"]);
    assert!(
        words.contains("advance by 0.002 a step, in a unit that it does not name: --timestep is taken, 2 fs"),
        "{words}"
    );
    assert_displacements(&found, 0.002, &expected);
    let h5 = place.path("same.h5");
    done(&["convert", &place.path("same"), &h5]);
    let words = refused(&["analyze", &h5, "--units", "real", "--out", &place.path("h5.out")]);
    assert!(words.contains("--units is for LAMMPS dumps"), "{words}");
}

#[test]
fn results_in_other_units_are_other_results() {
    let place = Place::new();
    let frames = walk(8);
    let path = place.write("x", Style::default().write(&frames));
    let arguments = ["--timestep", "2 fs", "--units"];
    let (_, angstrom) = analyze_file(&path, &[&arguments[..], &["real"]].concat());
    let (words, nanometres) = analyze_file(&path, &[&arguments[..], &["nano"]].concat());
    assert!(words.contains("measured"), "{words}");
    let hundredfold: Vec<f64> = angstrom.iter().map(|[_, msd]| 100.0 * msd).collect();
    assert_displacements(&nanometres, 0.002, &hundredfold);
}
