//! Kill -9 at random moments: every trajectory opens, and the finished run equals the run that was never killed, dataset
//! for dataset and bit for bit.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// 500 atoms and more would do; this is the smallest melt that the mixed path takes with a cutoff of 6.5 angstrom.
const CONFIG: &str = r#"
title = "a melt to be killed"
[system]
force_field = "short.toml"
molecules = { nitrate = 112, K = 48, Ca = 32 }
density = "1.95 g/cm^3"
seed = 3
replicas = 2
[run]
backend = "cpu"
precision = "mixed"
force_accuracy = 1e-3
checkpoint_every = "0.2 s"
[[stage]]
name = "relax"
kind = "minimize"
max_steps = 600
force_tolerance = "20 kcal/mol/angstrom"
[[stage]]
name = "melt"
kind = "npt"
duration = "DURATION"
timestep = "4 fs"
temperature = "900 K"
temperature_rate = "-1 K/ps"
pressure = "1 atm"
thermostat_period = "400 fs"
barostat_period = "4 ps"
frames = { every = "0.1 ps" }
thermo = { every = "0.04 ps" }
[[stage]]
name = "produce"
kind = "nvt"
duration = "DURATION"
timestep = "4 fs"
temperature = "850 K"
thermostat_period = "400 fs"
frames = { log_block = "0.4 ps" }
thermo = { every = "0.04 ps" }
window_means = { window = "0.4 ps", sample_every = "8 fs" }
stress_correlator = { sample_every = "8 fs" }
"#;

fn write_config(folder: &Path, duration: &str) {
    let force_field = include_str!("../configs/force_fields/ckn-rigid.toml")
        .replace("cutoff = \"10 angstrom\"", "cutoff = \"6.5 angstrom\"");
    std::fs::write(folder.join("short.toml"), force_field).expect("a writable folder");
    std::fs::write(folder.join("melt.toml"), CONFIG.replace("DURATION", duration))
        .expect("a writable folder");
}

fn run(folder: &Path, directory: &str, threads: &str) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["--threads", threads, "run", "melt.toml", "--plain", "--dir", directory])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn finish(child: std::process::Child) {
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every number of every dataset, exact as f64, by the path of the dataset.
fn contents(path: &Path) -> Vec<(String, Vec<u64>)> {
    fn walk(group: &hdf5::Group, found: &mut Vec<(String, Vec<u64>)>) {
        for dataset in group.datasets().expect("a readable group") {
            if let Ok(values) = dataset.read_raw::<f64>() {
                found.push((dataset.name(), values.into_iter().map(f64::to_bits).collect()));
            }
        }
        for inner in group.groups().expect("a readable group") {
            walk(&inner, found);
        }
    }
    let file = hdf5::File::open(path).expect("the trajectory opens");
    let mut found = Vec::new();
    walk(&file, &mut found);
    found
}

fn kill_and_compare(kills: u32, duration: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_config(folder.path(), duration);
    finish(run(folder.path(), "whole", "2"));
    let mut done = 0;
    for kill in 0..kills {
        let mut child = run(folder.path(), "killed", if kill % 2 == 0 { "1" } else { "2" });
        // Pseudo-random moments from 0.15 to 0.85 s: within the start, between and inside checkpoints.
        std::thread::sleep(Duration::from_millis(150 + u64::from(kill * 7919 % 701)));
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("a child");
        done += 1;
        for replica in ["replica-000.h5", "replica-001.h5"] {
            let path = folder.path().join("killed").join(replica);
            if path.exists() {
                contents(&path);
            }
        }
    }
    finish(run(folder.path(), "killed", "2"));
    for replica in ["replica-000.h5", "replica-001.h5"] {
        let whole = contents(&folder.path().join("whole").join(replica));
        let killed = contents(&folder.path().join("killed").join(replica));
        assert!(whole.len() > 20, "the comparison sees the whole file");
        assert_eq!(whole.len(), killed.len());
        for (a, b) in whole.iter().zip(&killed) {
            assert_eq!(a.0, b.0);
            assert!(a.1 == b.1, "{replica}: {} differs after {done} kills", a.0);
        }
    }
    println!("{done} kills, both replicas equal the run that was never killed");
    assert!(2 * done >= kills, "the run ended after {done} kills: lengthen it");
}

#[test]
fn a_run_killed_a_few_times_equals_the_run_that_was_not() {
    kill_and_compare(4, "8 ps");
}

#[test]
#[ignore = "minutes: part of `make validate`"]
fn a_run_killed_fifty_times_equals_the_run_that_was_not() {
    kill_and_compare(50, "60 ps");
}
