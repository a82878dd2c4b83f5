//! The program as a user meets it: help, exit codes, the stable output of `forces`, and what bad input gets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

fn reference(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name);
    path.to_str().expect("a path in UTF-8").to_string()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("one JSON object, alone")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

/// Runs `forces` on a reference configuration and returns its JSON and the path of the CSV.
fn forces(case: &str, force_field: &str, directory: &Path) -> (Value, PathBuf) {
    let out = directory.join("forces.csv");
    let system = reference(&format!("{case}.data"));
    let output = vitrion(&[
        "forces",
        &system,
        "--force-field",
        force_field,
        "--short-range-cutoff",
        "12 angstrom",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    (json(&output.stdout), out)
}

fn read_forces(path: &Path) -> HashMap<u64, [f64; 3]> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,fx,fy,fz"));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let force = [1, 2, 3].map(|i| fields[i].parse().unwrap());
            (fields[0].parse().unwrap(), force)
        })
        .collect()
}

fn compare_with_reference(case: &str, force_field: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (found, csv) = forces(case, force_field, directory.path());
    let expected = json(&std::fs::read(reference(&format!("{case}.json"))).unwrap());
    for (term, value) in expected["energy"].as_object().unwrap() {
        let relative = number(&found["energy"][term]) / number(value) - 1.0;
        // The digits that the reference outputs share between programs.
        assert!(relative.abs() < 1e-7, "{case}, {term}: {relative:e}");
    }
    let pressure = expected["virial_pressure_atm"].as_object().unwrap();
    let norm: f64 = pressure.values().map(|p| number(p).powi(2)).sum::<f64>().sqrt();
    for (element, value) in pressure {
        let error = (number(&found["virial_pressure_atm"][element]) - number(value)).abs();
        // The virial's terms cancel to a few percent of their size.
        assert!(error < 1e-6 * norm, "{case}, {element}: {error:e} of {norm}");
    }
    let (found, expected) =
        (read_forces(&csv), read_forces(Path::new(&reference(&format!("{case}.forces.csv")))));
    assert_eq!(found.len(), expected.len());
    let (mut error, mut size) = (0.0, 0.0);
    for (id, force) in &expected {
        for (f, e) in found[id].iter().zip(force) {
            error += (f - e).powi(2);
            size += e * e;
        }
    }
    let relative = (error / size).sqrt();
    assert!(relative < 1e-7, "{case}: forces differ by {relative:e} of their size");
}

#[test]
fn forces_of_the_rigid_model_agree_with_the_reference_outputs() {
    compare_with_reference("ckn66", "ckn-rigid");
}

#[test]
fn forces_of_the_flexible_model_agree_with_the_reference_outputs() {
    compare_with_reference("flex66", "ckn-flexible");
}

#[test]
fn forces_prints_the_stable_keys() {
    let directory = tempfile::tempdir().unwrap();
    let (found, _) = forces("ckn66", "ckn-rigid", directory.path());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    assert_eq!(
        sorted(keys(&found["energy"])),
        ["angle", "bond", "coulomb", "improper", "short_range", "total"]
    );
    assert_eq!(sorted(keys(&found["virial_pressure_atm"])), ["xx", "xy", "xz", "yy", "yz", "zz"]);
    assert_eq!(found["units"]["energy"], "kcal/mol");
}

#[test]
fn units_scale_energies_and_forces_but_not_the_pressure_in_atm() {
    let system = reference("ckn66.data");
    let run = |units: &str| {
        let output = vitrion(&["forces", &system, "--force-field", "ckn-rigid", "--units", units]);
        assert!(output.status.success(), "{}", stderr(&output));
        json(&output.stdout)
    };
    let (real, kilojoule) = (run("real"), run("kilojoule"));
    let ratio = number(&kilojoule["energy"]["total"]) / number(&real["energy"]["total"]);
    assert!((ratio - 4.184).abs() < 1e-12, "{ratio}");
    assert_eq!(real["virial_pressure_atm"], kilojoule["virial_pressure_atm"]);
}

#[test]
fn forces_keeps_an_existing_file_unless_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("forces.csv");
    std::fs::write(&out, "precious").unwrap();
    let system = reference("ckn66.data");
    let arguments = ["forces", &system, "--force-field", "ckn-rigid", "--out", out.to_str().unwrap()];
    let output = vitrion(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("exists already"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "precious");
    let output = vitrion(&[&arguments[..], &["--overwrite"]].concat());
    assert!(output.status.success());
    assert_eq!(read_forces(&out).len(), 66);
}

#[test]
fn verify_passes_on_this_machine() {
    let output = vitrion(&["verify"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", stderr(&output));
    assert!(text.contains("cpu/mixed") && !text.contains("FAIL"));
}

#[test]
fn verify_has_an_exit_code_of_its_own() {
    let output = vitrion(&["verify", "--scale-tolerances", "1e-9"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("FAIL"));
}

#[test]
fn every_subcommand_has_help_and_the_exit_codes_are_documented() {
    let output = vitrion(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("Exit codes:"));
    let commands: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for expected in
        ["new", "run", "bench", "forces", "verify", "info", "convert", "analyze", "plot", "completions"]
    {
        assert!(commands.contains(&expected), "{expected} in {commands:?}");
    }
    for command in commands {
        if command != "help" {
            let output = vitrion(&[command, "--help"]);
            assert!(output.status.success() && output.stdout.len() > 200, "{command}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2_and_bad_input_with_1() {
    let system = reference("ckn66.data");
    let usage: &[&[&str]] = &[
        &["no-such-command"],
        &["forces"],
        &["forces", &system],
        &["forces", &system, "--force-field", "ckn-rigid", "--short-range-cutoff", "12"],
        &["forces", &system, "--force-field", "ckn-rigid", "--short-range-cutoff", "-3 angstrom"],
        &["forces", &system, "--force-field", "ckn-rigid", "--short-range-cutoff", "3 ps"],
        &["forces", &system, "--force-field", "ckn-rigid", "--accuracy", "2"],
        &["forces", &system, "--force-field", "ckn-rigid", "--shift", "linear"],
        &["convert", "a.h5", "b.xyz", "--frame", "first"],
        &["--threads", "0", "verify"],
    ];
    for arguments in usage {
        let output = vitrion(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn bad_input_exits_with_1_and_says_what_to_do() {
    let system = reference("ckn66.data");
    let flexible = reference("flex66.data");
    let csv = reference("ckn66.forces.csv");
    let plain = reference("../config/bad/npt-plain-truncation.toml");
    let directory = tempfile::tempdir().unwrap();
    let inside = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    std::fs::write(inside("noise.h5"), "this is no HDF5").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["forces", "missing.data", "--force-field", "ckn-rigid"], "check the path"),
        (&["forces", &system, "--force-field", "missing.toml"], "ckn-rigid, ckn-flexible"),
        (&["forces", &csv, "--force-field", "ckn-rigid"], "forces.csv"),
        // 12 angstrom and skin in a box of 10.4.
        (&["forces", &system, "--force-field", "ckn-rigid", "--precision", "mixed"], "reference"),
        (&["forces", &system, "--force-field", "ckn-rigid", "--out", "no/such/dir/f.csv"], "create it first"),
        (&["convert", &system, &inside("a.xyz")], "--force-field"),
        (&["convert", &system, &inside("a.pdb"), "--force-field", "ckn-rigid"], "extended XYZ"),
        (&["convert", &flexible, &flexible, "--force-field", "ckn-rigid"], "exists already"),
        (&["info", "missing"], "no such file"),
        (&["info", &csv], "`info` reads H5MD, LAMMPS dumps and data"),
        (&["info", &plain], "`short_range.tail_correction`"),
        (&["run", &plain, "--dry-run"], "`short_range.tail_correction`"),
        (&["plot", "missing"], "no such file"),
        (&["plot", directory.path().to_str().unwrap()], "no trajectory"),
        (&["plot", &inside("noise.h5")], "noise.h5"),
    ];
    for (arguments, message) in cases {
        let output = vitrion(arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.starts_with("error: ") && text.contains(message), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn lammps_data_becomes_extended_xyz_and_lammps_data_again() {
    let directory = tempfile::tempdir().unwrap();
    let inside = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let system = reference("ckn66.data");
    for (input, output) in
        [(&system, inside("a.xyz")), (&system, inside("b.data")), (&inside("b.data"), inside("c.data"))]
    {
        let result = vitrion(&["convert", input, &output, "--force-field", "ckn-rigid"]);
        assert!(result.status.success(), "{}", stderr(&result));
    }
    let xyz = std::fs::read_to_string(inside("a.xyz")).unwrap();
    assert_eq!(xyz.lines().next(), Some("66"));
    assert_eq!(xyz.lines().count(), 68);
    assert_eq!(std::fs::read(inside("b.data")).unwrap(), std::fs::read(inside("c.data")).unwrap());
}

/// A small system in reference precision, which needs no large cell. `duration` of the only stage that moves.
fn small_configuration(directory: &Path, duration: &str) -> String {
    let path = directory.join("small.toml");
    let text = format!(
        r#"title = "small"
[system]
force_field = "ckn-rigid"
molecules = {{ nitrate = 14, K = 6, Ca = 4 }}
density = "1.9 g/cm^3"
seed = 3
[run]
precision = "reference"
force_accuracy = 1e-4
[[stage]]
name = "relax"
kind = "minimize"
max_steps = 200
force_tolerance = "100 kcal/mol/angstrom"
[[stage]]
name = "produce"
kind = "nvt"
duration = "{duration}"
timestep = "2 fs"
temperature = "700 K"
thermostat_period = "400 fs"
frames = {{ every = "10 fs" }}
thermo = {{ every = "10 fs" }}
"#
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let config = small_configuration(directory.path(), "0.2 ps");
    let run = directory.path().join("run");
    let output = vitrion(&["run", &config, "--dir", run.to_str().unwrap(), "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", stderr(&output));
    for expected in ["produce", "100", "ns/day", "66 atoms"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_run_ends_with_figures_and_is_not_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let config = small_configuration(directory.path(), "0.2 ps");
    let run = directory.path().join("run");
    let run = run.to_str().unwrap();
    let output = vitrion(&["run", &config, "--dir", run]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("produce") && text.contains("replica-000.h5"), "{text}");
    assert!(!stderr(&output).contains('\u{1b}'), "no terminal codes in a log");

    let plot = vitrion(&["plot", run]);
    assert!(plot.status.success(), "{}", stderr(&plot));
    for figure in ["rdf.svg", "msd.svg"] {
        let svg = std::fs::read_to_string(Path::new(run).join("figures").join(figure)).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.len() > 2000,
            "{figure}"
        );
    }
    let msd = std::fs::read_to_string(Path::new(run).join("figures/msd.csv")).unwrap();
    assert!(msd.lines().filter(|line| line.starts_with("Ca,")).count() > 5, "{msd}");

    let info = vitrion(&["info", run]);
    let text = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.status.success() && text.contains("intact") && text.contains("complete"), "{text}");

    let trajectory = format!("{run}/replica-000.h5");
    let before = std::fs::read(&trajectory).unwrap();
    for (name, arguments) in [("all.xyz", &[][..]), ("last.data", &["--frame", "last"])] {
        let out = directory.path().join(name);
        let output = vitrion(&[&["convert", &trajectory, out.to_str().unwrap()], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let again = vitrion(&["run", &config, "--dir", run]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(std::fs::read(&trajectory).unwrap(), before, "a finished run is left as it is");
    let fresh = vitrion(&["run", &config, "--dir", run, "--fresh"]);
    assert_eq!(fresh.status.code(), Some(1), "{}", stderr(&fresh));
}

#[test]
fn last_frame_as_lammps_data_has_the_energy_that_the_run_logged() {
    let directory = tempfile::tempdir().unwrap();
    let config = small_configuration(directory.path(), "20 fs");
    let run = directory.path().join("run");
    assert!(vitrion(&["run", &config, "--dir", run.to_str().unwrap()]).status.success());
    let data = directory.path().join("last.data");
    let trajectory = run.join("replica-000.h5");
    let output =
        vitrion(&["convert", trajectory.to_str().unwrap(), data.to_str().unwrap(), "--frame", "last"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let reader = vitrion_trajectory::h5md::TrajectoryReader::open(&trajectory).unwrap();
    let logged = *reader.thermo("potential_energy").unwrap().last().unwrap();
    let output = vitrion(&[
        "forces",
        data.to_str().unwrap(),
        "--force-field",
        "ckn-rigid",
        "--shift",
        "potential",
        "--units",
        "internal",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let found = &json(&output.stdout)["energy"];
    // Positions in the file are f32: 1e-6 angstrom times forces of 7,000 over 66 atoms with random signs, against 1e6. The real-space
    // Coulomb shift depends on the Ewald splitting, which `forces` chooses for a higher accuracy.
    let relative = number(&found["total"]) / logged - 1.0;
    assert!(relative.abs() < 1e-4, "{relative:e}");
}

#[cfg(unix)]
#[test]
fn a_signal_stops_with_3_and_the_same_command_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let config = small_configuration(directory.path(), "100 ps");
    let run = directory.path().join("run");
    let child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["run", &config, "--dir", run.to_str().unwrap()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Until it moves: a first frame beyond the header.
    let checkpoint = run.join("checkpoint");
    for _ in 0..600 {
        if checkpoint.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(checkpoint.exists(), "the run has begun within a minute");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("go on with: vitrion run"), "{text}");
    let info = vitrion(&["info", checkpoint.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&info.stdout).contains("intact"), "{}", stderr(&info));
}

#[test]
fn new_writes_a_configuration_that_plans() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("melt");
    let output = vitrion(&["new", "ckn", inside.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let info = vitrion(&["info", inside.join("ckn.toml").to_str().unwrap()]);
    let text = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.status.success() && text.contains("700 to 500 K"), "{text}");
    let again = vitrion(&["new", "ckn", inside.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists already"));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let command =
        format!("{} completions bash | head -1; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_vitrion"));
    let output = Command::new("bash").args(["-c", &command]).output().unwrap();
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).trim_end().ends_with('0'));
}

/// Runs with variables that hide all drivers of GPUs from the Vulkan loader, or say which may be taken.
#[cfg(target_os = "linux")]
fn vitrion_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrion"));
    command.args(arguments).env_remove("CUDA_VISIBLE_DEVICES").env_remove("SLURM_LOCALID");
    command.envs(variables.iter().copied()).output().expect("the program starts")
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_devices_and_errors_say_what_is_missing_and_what_to_do() {
    let hidden = [("VK_DRIVER_FILES", "/nowhere/icd.json"), ("VK_ICD_FILENAMES", "/nowhere/icd.json")];
    let output = vitrion_with(&["devices"], &hidden);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", stderr(&output));
    for part in [
        "no GPU was found",
        "VK_DRIVER_FILES names /nowhere/icd.json, which is not there",
        "correct or unset VK_DRIVER_FILES",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let system = reference("ckn66.data");
    let output =
        vitrion_with(&["forces", &system, "--force-field", "ckn-rigid", "--backend", "gpu"], &hidden);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in ["VK_DRIVER_FILES names /nowhere/icd.json", "`backend = \"cpu\"` needs none"] {
        assert!(message.contains(part), "no `{part}` in {message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nonsense_about_devices_in_the_environment_is_an_error_and_shown() {
    for (variable, value) in [("CUDA_VISIBLE_DEVICES", "first"), ("SLURM_LOCALID", "first")] {
        let output = vitrion_with(&["devices"], &[(variable, value)]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("takes nothing") && text.contains(&format!("{variable}=`{value}`")), "{text}");
        let system = reference("ckn66.data");
        let arguments = ["forces", &system, "--force-field", "ckn-rigid", "--backend", "gpu"];
        let output = vitrion_with(&arguments, &[(variable, value)]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("{variable}=`{value}`")), "{}", stderr(&output));
    }
}
