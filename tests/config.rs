//! Every file of `tests/config/bad` is refused with the message that its first line announces, and nothing is written.
//! Every file of `configs` is accepted.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use vitrion_core::topology::Topology;
use vitrion_simulation::config::Config;
use vitrion_simulation::observer::{Observer, Progress, RunStart, StageSummary};
use vitrion_simulation::plan::Plan;
use vitrion_simulation::run::{RunOptions, run};
use vitrion_simulation::system;

struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: &RunStart) {}
    fn progress(&mut self, _: &Progress) {}
    fn stage_finished(&mut self, _: &StageSummary) {}
    fn message(&mut self, _: &str) {}
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn toml_files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn bad_configurations_are_refused_with_their_message_before_anything_is_written() {
    let files = toml_files(&root().join("tests/config/bad"));
    assert!(files.len() >= 40, "{} cases", files.len());
    let mut failures = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let expected = text.lines().next().and_then(|l| l.strip_prefix("# error: ")).expect("a first line");
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("run");
        let options = RunOptions { directory: Some(directory), ..RunOptions::default() };
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        match run(&file, &options, &mut Silent, &AtomicBool::new(false)) {
            Ok(_) => failures.push(format!("{name}: accepted")),
            Err(error) if !error.to_string().contains(expected) => {
                failures.push(format!("{name}: wanted `{expected}`\n    found `{error}`"));
            }
            Err(_) => {}
        }
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "{name} wrote something");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn errors_name_file_line_and_key() {
    let file = root().join("tests/config/bad/ramp-below-zero.toml");
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.contains("ramp-below-zero.toml, line 21, `stage.temperature_rate`: "), "{error}");
    let file = root().join("tests/config/bad/unknown-key.toml");
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.contains("unknown-key.toml, line 8, `sede`: "), "{error}");
}

#[test]
fn plain_truncation_is_refused_at_constant_pressure_with_stage_file_and_key_and_allowed_at_constant_volume() {
    let file = root().join("tests/config/bad/npt-plain-truncation.toml");
    let error = system::prepare(&Config::load(&file).unwrap()).err().unwrap().to_string();
    for part in [
        "npt-plain-truncation.toml, line 17, `stage.kind`: stage `first` holds the pressure constant",
        "force_fields/plain-truncation.toml` has `short_range.shift = \"none\"`",
        "write `shift = \"potential\"` or `tail_correction = true`",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let constant_volume = text.replace("\"npt\"", "\"nvt\"").replace("pressure = \"1 atm\"\n", "");
    system::prepare(&Config::parse(&file, constant_volume).unwrap()).unwrap();
}

fn example(name: &str) -> (Config, std::sync::Arc<Topology>) {
    let config = Config::load(&root().join("configs").join(name)).unwrap();
    let topology = system::prepare(&config).unwrap().topology;
    (config, topology)
}

#[test]
fn examples_are_accepted_and_simulate_the_composition_of_the_paper() {
    for file in toml_files(&root().join("configs")) {
        let (_, topology) = example(&file.file_name().unwrap().to_string_lossy());
        assert_eq!(topology.n_atoms(), 2376, "{}", file.display());
    }
}

/// The first state of a small system.
fn first_state(composition: &str) -> (Topology, vitrion_core::state::State) {
    let text = std::fs::read_to_string(root().join("tests/config/bad/no-density.toml")).unwrap();
    let changed = text.replace("molecules = { nitrate = 14, K = 6, Ca = 4 }", composition);
    assert_ne!(changed, text);
    let config = Config::parse(Path::new("test.toml"), changed).unwrap();
    let prepared = system::prepare(&config).unwrap();
    let state = system::first_state(&config, &prepared).unwrap();
    ((*prepared.topology).clone(), state)
}

#[test]
fn formula_units_give_the_numbers_of_molecules_and_a_cell_is_taken_as_it_is() {
    let formula = "molecules = { nitrate = 1.4, K = 0.6, Ca = 0.4 }\nformula_units = 10";
    let numbers = "molecules = { nitrate = 14, K = 6, Ca = 4 }";
    let density = "density = \"1.95 g/cm^3\"";
    let by_formula = first_state(&format!("{formula}\n{density}"));
    assert_eq!(by_formula, first_state(&format!("{numbers}\n{density}")));
    let cell = "cell = [\"10 angstrom\", \"11 angstrom\", \"12 angstrom\"]\ncell_angles = [\"90 deg\", \"90 deg\", \"60 deg\"]";
    let (_, state) = first_state(&format!("{numbers}\n{cell}"));
    let edges = state.cells[0].matrix();
    let lengths = [edges.x_axis.length(), edges.y_axis.length(), edges.z_axis.length()];
    // Roundings of sine and cosine.
    assert!(lengths.iter().zip([10.0, 11.0, 12.0]).all(|(a, b)| (a - b).abs() < 1e-13), "{lengths:?}");
    assert!((edges.x_axis.angle_between(edges.y_axis).to_degrees() - 60.0).abs() < 1e-12);
}

#[test]
fn the_plan_of_the_paper_has_its_steps_frames_and_windows() {
    let (config, topology) = example("ckn-saito-2024.toml");
    let plan = Plan::new(&config, &topology);
    // (100 + 370 + 1000 + 1000 + 16000) ns in steps of 4 fs.
    assert_eq!(plan.total_steps(), 4_617_500_000);
    let production = plan.stages.last().unwrap();
    // 160 blocks of 25,000,000 steps: offset 0 and 2^0 ... 2^24.
    assert_eq!(production.frames, 160 * 26);
    assert_eq!((production.windows, production.ion_stress_windows), (4000, 4000));
    assert_eq!(production.thermo_rows, 400_001);
    // 12 bytes an atom, 24 a centre.
    let windows = production.windows + production.ion_stress_windows;
    assert!(production.bytes > production.frames * (12 * 2376 + 24 * 864) + windows * 24 * 864);
    assert!((plan.total_time() - 18.47e6).abs() < 1e-3);
    let cooling = config.stages[2].motion().unwrap();
    let end = cooling.temperature[0] + cooling.temperature_rate * 370e3;
    assert!((end - 330.0).abs() < 1e-9, "{end}");
}

#[test]
fn the_quick_start_is_a_demo() {
    let (config, topology) = example("quickstart.toml");
    let plan = Plan::new(&config, &topology);
    assert_eq!((plan.total_steps(), plan.replicas), (24_000, 1));
    assert_eq!(plan.stages[3].frames, 481);
}
