//! `vitrion fit`: laws over the temperature from trajectories and results with a planted one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use glam::DVec3;
use vitrion_analysis::results::{Outcome, Results};
use vitrion_analysis::table::Table;
use vitrion_core::cell::Cell;
use vitrion_core::random::{Counter, Stream};
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter};

const EDGE: f64 = 12.0;
/// kJ/mol/K.
const R: f64 = 8.314462618e-3;

fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

fn done(arguments: &[&str]) -> String {
    let output = vitrion(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(arguments: &[&str]) -> String {
    let output = vitrion(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// 80 ions, 120 frames, 0.5 ps apart: random walkers with this D (angstrom^2/ps).
fn write_walkers(path: &Path, d: f64, seed: u64) {
    let n = 80u32;
    let header = PlainHeader {
        names: vec!["K".into()],
        species: vec![0; n as usize],
        molecules: None,
        masses: None,
        charges: None,
        images: true,
    };
    let mut writer = PlainWriter::create(path, &header).unwrap();
    let cell = Cell::cubic(EDGE).unwrap();
    let counter = |stream, step, particle| Counter { seed, stream, replica: 0, step, particle };
    let start = |i| {
        let [x, y, z, _] = counter(Stream::BuilderPosition, 0, i).uniform();
        DVec3::new(x, y, z) * EDGE
    };
    let mut positions: Vec<DVec3> = (0..n).map(start).collect();
    for frame in 0..120u64 {
        let images: Vec<DVec3> = positions.iter().map(|r| (r / EDGE).floor()).collect();
        let inside: Vec<DVec3> = positions.iter().zip(&images).map(|(r, i)| *r - *i * EDGE).collect();
        writer.append(frame.cast_signed(), 0.5 * frame as f64, &cell, &inside, Some(&images)).unwrap();
        for (i, r) in (0..).zip(&mut positions) {
            let [x, y, z, _] = counter(Stream::Velocity, frame, i).normal();
            *r += DVec3::new(x, y, z) * (2.0 * d * 0.5).sqrt();
        }
    }
    writer.finish().unwrap();
}

/// Value, standard error and verdict of a parameter.
fn parameter(directory: &Path, law: &str, name: &str) -> (f64, f64, String) {
    let path = directory.join("fit_laws.csv");
    let csv = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let header = "quantity,function,species_or_weighting,q_per_angstrom,law,parameter,value,standard_error,unit,verdict";
    assert_eq!(csv.lines().next(), Some(header));
    let rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[4] == law && row[5] == name);
    let row = row.unwrap_or_else(|| panic!("no {law} {name} in\n{csv}"));
    (row[6].parse().unwrap(), row[7].parse().unwrap(), row[9].to_string())
}

#[test]
fn walkers_at_five_temperatures_give_the_activation_energy_that_they_have() {
    let directory = tempfile::tempdir().unwrap();
    let (energy, ln_d_0) = (20.0, 2.0f64);
    let temperatures = [420.0, 460.0, 500.0, 550.0, 600.0];
    let mut runs: Vec<PathBuf> = Vec::new();
    for (number, t) in temperatures.into_iter().enumerate() {
        let run = directory.path().join(format!("{t}K"));
        std::fs::create_dir(&run).unwrap();
        for replica in 0..5u64 {
            let d = (ln_d_0 - energy / (R * t)).exp();
            write_walkers(&run.join(format!("replica-{replica}.h5")), d, 100 * number as u64 + replica);
        }
        done(&[
            "analyze",
            text(&run),
            "--only",
            "isf_self,msd",
            "--q",
            "1.2 1/angstrom",
            "--fit-start",
            "0.5 ps",
        ]);
        runs.push(run);
    }
    let out = directory.path().join("fit");
    let fit = |options: &[&str]| {
        let mut arguments = vec!["fit"];
        arguments.extend(runs.iter().map(|run| text(run)));
        arguments.extend(["--out", text(&out), "--temperatures", "420 K,460 K,500 K,550 K,600 K"]);
        arguments.extend(options);
        done(&arguments)
    };
    // tau = 1/(q^2 D): the prefactor of tau is 1/(q^2 D_0). D in m^2/s is 1e-8 times that in angstrom^2/ps.
    let ln_tau_0 = -(1.44f64.ln()) - ln_d_0;
    let ln_d_0_si = ln_d_0 + 1e-8f64.ln();
    let of_tau = ["--function", "isf_self", "--species", "all"];
    for (options, prefactor) in [
        (of_tau.to_vec(), ln_tau_0),
        ([&of_tau[..], &["--trim", "1"]].concat(), ln_tau_0),
        ([&of_tau[..], &["--quantity", "mean-tau"]].concat(), ln_tau_0),
        (vec!["--quantity", "D"], ln_d_0_si),
    ] {
        let words = fit(&options);
        let (e, e_error, verdict) = parameter(&out, "arrhenius", "E");
        let (ln, ln_error, _) = parameter(&out, "arrhenius", "ln prefactor");
        // 25 trajectories of known seeds: errors of E are below 1 kJ/mol; four of them are exceeded once in 15,000 times.
        assert!(
            (e - energy).abs() < 4.0 * e_error && e_error < 2.0,
            "{options:?}: {e} +- {e_error} {verdict}\n{words}"
        );
        assert!(
            (ln - prefactor).abs() < 4.0 * ln_error,
            "{options:?}: {ln} +- {ln_error}, planted {prefactor}"
        );
        // An Arrhenius law has no T_0. Exponential relaxation is fitted as such: beta is fixed.
        assert!(parameter(&out, "vft", "law").2.starts_with("not determined"), "{words}");
        assert!(
            out.join("fit_points.csv").exists()
                && out.join("fit.svg").exists()
                && out.join("fit.png").exists()
        );
    }
    let words = refused(&["fit", text(&runs[0]), "--out", text(&out)]);
    assert!(
        words.contains("420K: its results have no temperature") && words.contains("--temperatures"),
        "{words}"
    );
    let words = refused(&["fit", text(&runs[0]), "--temperatures", "420 K,460 K"]);
    assert!(words.contains("2 temperatures for 1 runs"), "{words}");
    let words = refused(&["fit", text(&runs[0]), "--temperatures", "420 K", "--quantity", "viscosity"]);
    for option in [["--function", "isf_self"], ["--species", "K"], ["--q", "1.2 1/angstrom"]] {
        let run = ["fit", text(&runs[0]), "--temperatures", "420 K", "--quantity", "viscosity"];
        let said = refused(&[&run[..], &option[..]].concat());
        assert!(said.contains(&format!("{}: says nothing about viscosity", option[0])), "{said}");
    }
    let twice = [text(&runs[0]), &format!("{}/analysis", text(&runs[0]))].map(ToString::to_string);
    let said = refused(&["fit", &twice[0], &twice[1], "--temperatures", "420 K,420 K"]);
    assert!(said.contains("given twice"), "{said}");
    assert!(words.contains("no viscosity") && words.contains("vitrion analyze --only viscosity"), "{words}");
}

/// Results of a run of ten replicas: fits of each and of all, or, without a time, fits that are not determined.
fn write_fits(run: &Path, temperature: f64, tau: Option<f64>) {
    // Without the two largest and the two smallest their mean is 1.
    const FACTORS: [f64; 10] = [1.1, 0.01, 0.9, 100.0, 0.95, 3.0, 1.0, 0.5, 1.0, 1.05];
    let verdict = |n: usize| {
        vec![if tau.is_some() { "determined" } else { "not determined: it does not decay" }.to_string(); n]
    };
    let tau = tau.unwrap_or(f64::NAN);
    let words = |word: &str, n: usize| vec![word.to_string(); n];
    let fits = Table::new("kww", "")
        .text("function", words("isf_coherent", 1))
        .text("species_or_weighting", words("xray", 1))
        .real("q_per_angstrom", "1/angstrom", vec![3.7])
        // What all replicas together give is not what is asked for with --trim.
        .real("tau_ps", "ps", vec![7.0 * tau])
        .real("tau_ps_standard_error", "ps", vec![0.7 * tau])
        .text("verdict", verdict(1));
    let replicas = Table::new("kww_replicas", "")
        .text("function", words("isf_coherent", 10))
        .text("species_or_weighting", words("xray", 10))
        .real("q_per_angstrom", "1/angstrom", vec![3.7; 10])
        .integer("trajectory", (0..10).collect())
        .real("tau_ps", "ps", FACTORS.iter().map(|f| f * tau).collect())
        .text("verdict", verdict(10));
    let result = Ok(vec![fits, replicas]);
    let outcome = Outcome {
        name: "isf_coherent".into(),
        key: "planted".into(),
        notes: Vec::new(),
        reused: false,
        result,
    };
    Results { outcomes: vec![outcome], temperatures: vec![temperature; 10], ..Results::default() }
        .write(&run.join("analysis"), None)
        .unwrap();
}

#[test]
fn six_middle_replicas_of_ten_follow_the_vogel_law_and_a_run_that_does_not_relax_takes_no_part() {
    let directory = tempfile::tempdir().unwrap();
    let law = |t: f64| 0.05 * (1200.0 / (t - 250.0)).exp();
    let mut runs: Vec<PathBuf> = Vec::new();
    for t in [320.0, 350.0, 370.0, 400.0, 450.0, 550.0] {
        let run = directory.path().join(format!("{t}K"));
        write_fits(&run, t, (t > 330.0).then(|| law(t)));
        runs.push(run);
    }
    let out = directory.path().join("out");
    let fit = |trim: bool| {
        let mut arguments = vec!["fit", "--out", text(&out), "--t-g", "333 K"];
        arguments.extend(runs.iter().map(|run| text(run)));
        arguments.extend(if trim { &["--trim", "2"][..] } else { &[] });
        done(&arguments)
    };
    let words = fit(true);
    let (t_0, error, _) = parameter(&out, "vft", "T_0");
    // Exact data: convergence. The scatter of the replicas leaves errors.
    assert!((t_0 - 250.0).abs() < 1e-3 && error > 0.1, "{words}");
    assert!((parameter(&out, "vft", "D T_0").0 - 1200.0).abs() < 0.1);
    assert!((parameter(&out, "vft", "ln prefactor").0 - 0.05f64.ln()).abs() < 1e-4);
    let m = 1200.0 * 333.0 / (83.0f64.powi(2) * std::f64::consts::LN_10);
    assert!((parameter(&out, "vft", "m").0 / m - 1.0).abs() < 1e-4);
    let points = std::fs::read_to_string(out.join("fit_points.csv")).unwrap();
    assert!(
        points.lines().nth(1).unwrap().contains("10 of 10 replicas have no value: it does not decay"),
        "{points}"
    );
    assert_eq!(points.lines().count(), 7);
    let page = std::fs::read_to_string(out.join("fit.html")).unwrap();
    for expected in [
        "VFT, 3.7",
        "<i>T</i><sub>0</sub>",
        "10 of 10 replicas have no value",
        "without the 2 largest",
        "--t-g",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    let said = refused(&["report", text(&out)]);
    assert!(said.contains("holds laws over several runs") && said.contains("fit.html"), "{said}");
    let covariance = std::fs::read_to_string(out.join("fit_covariance.csv")).unwrap();
    assert!(covariance.contains("vft,T_0,D T_0,"), "{covariance}");
    // Fits of all replicas together are seven times as large: the same T_0, another prefactor.
    fit(false);
    assert!((parameter(&out, "vft", "ln prefactor").0 - 0.35f64.ln()).abs() < 1e-4);
    // A straight line through a curved law is no good description of errors of 10 %.
    assert!(parameter(&out, "arrhenius", "E").2.starts_with("doubtful"));
}
