//! Drift of the centre of mass through the program: taken away and named in files of programs that let it drift, and nothing
//! touched in runs of our own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use vitrion_analysis::results::Results;

fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

/// What it says on stderr.
fn done(arguments: &[&str]) -> String {
    let output = vitrion(arguments);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {words}");
    words
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// MSD of all particles after 1 ps (angstrom^2).
fn after_a_picosecond(directory: &Path) -> f64 {
    let results = Results::read(directory).unwrap().unwrap();
    let table = results.table("msd").unwrap();
    let (names, times) = (table.texts("species").unwrap(), table.reals("t_ps").unwrap());
    let row = (0..table.rows()).find(|&i| names[i] == "all" && times[i] == 1.0).unwrap();
    table.reals("value").unwrap()[row]
}

/// A walk of 60 atoms whose centre of mass drifts by 0.3 angstrom a frame in each direction: kinisi, issue 57
/// (<https://github.com/kinisi-dev/kinisi/issues/57>) has the trait. Expected: sums over the 15 origins by another program.
#[test]
fn a_drift_of_the_centre_of_mass_is_no_diffusion() {
    let directory = tempfile::tempdir().unwrap();
    let dump = project().join("tests/cases/A06-drift/t.lammpstrj");
    let out = directory.path().join("out");
    let arguments = ["analyze", text(&dump), "--timestep", "2 fs", "--only", "msd", "--out", text(&out)];
    let words = done(&arguments);
    let note = "moves by 9.9186 angstrom (5.7378, 5.7275, 5.7141) from the first frame to the last: this drift is removed";
    assert!(words.contains(note) && words.contains("equal masses"), "{words}");
    // Positions have ten digits; the sums differ by round-off.
    assert!((after_a_picosecond(&out) - 2.556_744_885_872_66).abs() < 1e-8, "{}", after_a_picosecond(&out));
    let notes = Results::read(&out).unwrap().unwrap().notes.join("\n");
    assert!(notes.contains(note), "{notes}");

    // The same directory: what was measured without the drift is not taken for what was measured with it.
    let kept = directory.path().join("kept");
    let words = done(&[&arguments[..7], &[text(&kept), "--keep-drift"]].concat());
    assert!(words.contains("this drift is kept, as asked"), "{words}");
    assert!((after_a_picosecond(&kept) - 9.131_884_412_978_5).abs() < 1e-8, "{}", after_a_picosecond(&kept));
    done(&[&arguments[..], &["--keep-drift"]].concat());
    assert_eq!(after_a_picosecond(&out), after_a_picosecond(&kept));
}

#[test]
fn runs_of_our_own_are_measured_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("short.toml");
    let data = project().join("tests/reference/ckn66.data");
    let words = format!(
        r#"
title = "66 atoms"
[system]
force_field = "ckn-rigid"
initial = "{}"
replicas = 1
[run]
precision = "reference"
force_accuracy = 1e-3
[[stage]]
name = "hot"
kind = "nvt"
duration = "200 fs"
timestep = "2 fs"
temperature = "700 K"
frames = {{ every = "4 fs" }}
"#,
        text(&data)
    );
    std::fs::write(&config, words).unwrap();
    let run = directory.path().join("run");
    done(&["run", text(&config), "--dir", text(&run)]);
    let [plain, kept] = ["plain", "kept"].map(|name| directory.path().join(name));
    let said = done(&["analyze", text(&run), "--only", "msd,isf", "--out", text(&plain)]);
    assert!(!said.contains("centre of mass"), "{said}");
    done(&["analyze", text(&run), "--only", "msd,isf", "--keep-drift", "--out", text(&kept)]);
    for file in ["msd.csv", "alpha_2.csv", "isf_self.csv", "isf_coherent.csv"] {
        let read = |out: &Path| std::fs::read_to_string(out.join(file)).unwrap();
        assert_eq!(read(&plain), read(&kept), "{file}");
    }
}
