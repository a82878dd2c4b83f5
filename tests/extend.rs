//! Runs of the real program that are made longer with `--extend`, after their end, after an interruption, or while something goes wrong:
//! the result is the run that was asked for at once, dataset for dataset, bit for bit.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use serde_json::Value;
use vitrion_trajectory::h5md::TrajectoryReader;

/// Every kind of output in the last stage, whose first one hands it a stage in motion. 66 atoms, exact sums.
const REFERENCE: &str = r#"
title = "66 atoms"
[system]
force_field = "ckn-rigid"
initial = "start.data"
replicas = 2
[run]
precision = "reference"
force_accuracy = 1e-3
checkpoint_every = "1 us"
velocities = true
[[stage]]
name = "hot"
kind = "npt"
duration = "40 fs"
timestep = "2 fs"
temperature = "700 K"
pressure = "1 atm"
frames = { every = "20 fs" }
stress_correlator = { sample_every = "4 fs" }

# What is measured.
[[stage]]
name = "last"
kind = "KIND"
duration = "DURATION"   # to be decided
timestep = "2 fs"
temperature = "700 K"
OUTPUTS
"#;

const EVERYTHING: &str = r#"thermo = { every = "4 fs" }
frames = { log_block = "50 fs" }
window_means = { window = "40 fs", sample_every = "4 fs" }
ion_stress = { window = "24 fs", sample_every = "12 fs" }
stress_correlator = { sample_every = "4 fs" }"#;

/// The mixed path: the smallest melt that it takes with a cutoff of 6.5 angstrom.
const MIXED: &str = r#"
title = "a melt"
[system]
force_field = "cut.toml"
molecules = { nitrate = 112, K = 48, Ca = 32 }
density = "1.95 g/cm^3"
seed = 3
[run]
backend = "cpu"
precision = "mixed"
force_accuracy = 1e-3
checkpoint_every = "50 ms"
[[stage]]
name = "relax"
kind = "minimize"
max_steps = 400
force_tolerance = "20 kcal/mol/angstrom"
[[stage]]
name = "cool"
kind = "npt"
duration = "DURATION"
timestep = "4 fs"
temperature = "900 K"
temperature_rate = "-40 K/ps"
pressure = "1 atm"
frames = { log_block = "0.4 ps" }
thermo = { every = "0.04 ps" }
window_means = { window = "0.4 ps", sample_every = "8 fs" }
stress_correlator = { sample_every = "8 fs" }
"#;

struct Case {
    home: tempfile::TempDir,
    text: String,
}

impl Case {
    fn new(text: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::fs::copy(root.join("tests/reference/ckn66.data"), home.path().join("start.data")).unwrap();
        let force_field = std::fs::read_to_string(root.join("configs/force_fields/ckn-rigid.toml")).unwrap();
        let short = force_field.replace("cutoff = \"10 angstrom\"", "cutoff = \"6.5 angstrom\"");
        std::fs::write(home.path().join("cut.toml"), short).unwrap();
        Self { home, text: text.to_owned() }
    }

    fn reference(kind: &str, outputs: &str) -> Self {
        Self::new(&REFERENCE.replace("KIND", kind).replace("OUTPUTS", outputs))
    }

    /// On the GPU, with a cutoff and a skin that fit into the box.
    fn on_gpu() -> Self {
        let text = REFERENCE.replace("KIND", "nvt").replace("OUTPUTS", EVERYTHING);
        let text = text.replace("precision = \"reference\"", "backend = \"gpu\"");
        let case = Self::new(&text.replace("\"ckn-rigid\"", "\"cut.toml\""));
        let cut = std::fs::read_to_string(case.path("cut.toml")).unwrap();
        let shorter = cut.replace("cutoff = \"6.5 angstrom\"", "cutoff = \"2.9 angstrom\"");
        assert_ne!(cut, shorter);
        std::fs::write(case.path("cut.toml"), shorter).unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the configuration `NAME.toml`, whose last stage lasts so long.
    fn write(&self, name: &str, duration: &str) {
        std::fs::write(self.path(&format!("{name}.toml")), self.text.replace("DURATION", duration)).unwrap();
    }

    fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_vitrion"))
            .arg("run")
            .args(arguments)
            .current_dir(self.home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().unwrap()
    }

    /// What a run says that must succeed.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        said
    }

    /// What a run says that must fail.
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        said
    }

    /// Starts a run in `directory` and stops it after its checkpoint has passed `step`.
    fn interrupt_after(&self, arguments: &[&str], directory: &str, step: u64) {
        let mut child = self.start(arguments);
        let checkpoint = self.path(directory).join("checkpoint");
        loop {
            let header = vitrion_trajectory::checkpoint::read_header(&checkpoint);
            if header.is_ok_and(|header| header.step >= step) || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The run of `NAME.toml` from beginning to end with a last stage of this duration.
    fn at_once(&self, duration: &str) -> BTreeMap<String, Contents> {
        self.write("whole", duration);
        self.succeed(&["whole.toml"]);
        self.contents("whole-run")
    }

    /// All datasets of all trajectories, with the configuration and the mark of an orderly end.
    fn contents(&self, directory: &str) -> BTreeMap<String, Contents> {
        let mut found = BTreeMap::new();
        for (name, path) in files(&self.path(directory))
            .into_iter()
            .filter(|(_, path)| path.extension().is_some_and(|e| e == "h5"))
        {
            let file = hdf5::File::with_options().with_fapl(|p| p.file_locking(false)).open(&path).unwrap();
            let closed: i32 = file.group("vitrion").unwrap().attr("closed").unwrap().read_scalar().unwrap();
            let provenance = TrajectoryReader::open(&path).unwrap().provenance().unwrap();
            let words = vec![provenance.config.clone(), provenance.config_sha256(), closed.to_string()];
            found.insert(format!("{name}: words"), (Vec::new(), words));
            datasets(&file, &name, &mut found);
        }
        found
    }
}

/// Shape and values.
type Contents = (Vec<usize>, Vec<String>);

/// Shape and contents of every dataset, numbers as bits.
fn datasets(file: &hdf5::File, name: &str, found: &mut BTreeMap<String, Contents>) {
    let mut groups = vec![file.as_group().unwrap()];
    while let Some(group) = groups.pop() {
        groups.extend(group.groups().unwrap());
        for dataset in group.datasets().unwrap() {
            let values = match dataset.dtype().unwrap().to_descriptor().unwrap() {
                // f32 widens exactly.
                TypeDescriptor::Float(_) => {
                    let values = dataset.read_raw::<f64>().unwrap();
                    values.iter().map(|x| format!("{:016x}", x.to_bits())).collect()
                }
                TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) => {
                    dataset.read_raw::<i64>().unwrap().iter().map(ToString::to_string).collect()
                }
                _ => dataset.read_raw::<VarLenUnicode>().unwrap().iter().map(ToString::to_string).collect(),
            };
            found.insert(format!("{name}: {}", dataset.name()), (dataset.shape(), values));
        }
    }
}

fn same(expected: &BTreeMap<String, Contents>, found: &BTreeMap<String, Contents>, what: &str) {
    assert!(expected.len() > 30, "{} datasets", expected.len());
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{what}");
    for (name, values) in expected {
        assert!(*values == found[name], "{what}: {name} differs");
    }
}

/// Names and paths of the files in a directory.
fn files(directory: &Path) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).collect()
}

fn bytes(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    files(directory).into_iter().map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for (name, path) in files(from) {
        std::fs::copy(path, to.join(name)).unwrap();
    }
}

/// The records of extensions in a run directory.
fn records(directory: &Path) -> Vec<Value> {
    std::fs::read(directory.join("extensions.json"))
        .map_or_else(|_| Vec::new(), |text| serde_json::from_slice(&text).unwrap())
}

#[test]
fn a_finished_run_that_is_extended_is_the_run_asked_for_at_once() {
    for (kind, set_points) in [("nvt", ""), ("npt", "temperature_rate = \"-1 K/fs\"\npressure = \"1 atm\"\n")]
    {
        let case = Case::reference(kind, &format!("{set_points}{EVERYTHING}"));
        let whole = case.at_once("200 fs");
        // Ends at which a block of frames would begin (25 steps), at which one of its frames is due (2 blocks and 16 steps), and between
        // frames; all of them within a window or a mean.
        for (duration, more) in [("100 fs", "100 fs"), ("132 fs", "68 fs"), ("138 fs", "0.062 ps")] {
            let what = format!("{kind}, {duration} and {more}");
            case.write("short", duration);
            case.succeed(&["short.toml"]);
            let said = case.succeed(&["short-run", "--extend", more]);
            assert!(said.contains("now lasts 200 fs") && said.contains("`vitrion run short-run`"), "{said}");
            same(&whole, &case.contents("short-run"), &what);
            std::fs::remove_dir_all(case.path("short-run")).unwrap();
        }
    }
}

#[test]
fn a_run_on_the_gpu_that_is_extended_is_the_run_asked_for_at_once() {
    let case = Case::on_gpu();
    let whole = case.at_once("200 fs");
    case.write("short", "132 fs");
    case.succeed(&["short.toml"]);
    case.succeed(&["short-run", "--extend", "68 fs"]);
    same(&whole, &case.contents("short-run"), "on the GPU");
}

#[test]
fn extensions_add_up_and_are_recorded_with_the_configuration_of_the_beginning() {
    let case = Case::reference("nvt", EVERYTHING);
    let whole = case.at_once("200 fs");
    case.write("short", "66 fs");
    case.succeed(&["short.toml"]);
    let directory = case.path("short-run");
    let beginning = std::fs::read_to_string(directory.join("config.toml")).unwrap();
    case.succeed(&["short-run", "--extend", "50 fs"]);
    // The configuration of the beginning finds it, too.
    case.succeed(&["short.toml", "--extend", "84 fs"]);
    same(&whole, &case.contents("short-run"), "66 fs, 50 fs and 84 fs");
    let config = std::fs::read_to_string(directory.join("config.toml")).unwrap();
    assert_eq!(config, beginning.replace("66 fs", "200 fs"), "comments and layout stay");
    let kept = records(&directory);
    let of = |key: &str| kept.iter().map(|record| record[key].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("by"), ["50 fs", "84 fs"]);
    assert_eq!(of("stage"), ["last", "last"]);
    assert_eq!(of("config_before"), [beginning.clone(), beginning.replace("66 fs", "116 fs")]);
    assert!(of("command")[1].ends_with("run short.toml --extend '84 fs'"), "{:?}", of("command"));
    let provenance = TrajectoryReader::open(&directory.join("replica-001.h5")).unwrap().provenance().unwrap();
    assert_eq!(serde_json::to_value(&provenance.extensions).unwrap(), Value::Array(kept.clone()));
    assert!(provenance.command.ends_with("run short.toml"), "that of the beginning: {}", provenance.command);
}

#[test]
fn an_interrupted_run_that_is_extended_is_the_run_asked_for_at_once() {
    let case = Case::reference("nvt", EVERYTHING);
    let whole = case.at_once("300 fs");
    // In the stage before the last one, and in the last one.
    for (step, name) in [(3, "first"), (40, "last")] {
        case.write(name, "250 fs");
        let directory = format!("{name}-run");
        case.interrupt_after(&[&format!("{name}.toml")], &directory, step);
        case.succeed(&[&directory, "--extend", "50 fs"]);
        same(&whole, &case.contents(&directory), name);
    }
    // After the extension. What the shorter run had correlated until its end is not that of the longer one.
    case.write("short", "100 fs");
    case.succeed(&["short.toml"]);
    let correlation = |directory: &str| {
        TrajectoryReader::open(&case.path(directory).join("replica-000.h5"))
            .unwrap()
            .stress_correlation("last")
    };
    assert!(correlation("short-run").is_ok());
    case.interrupt_after(&["short-run", "--extend", "200 fs"], "short-run", 80);
    assert!(correlation("short-run").is_err());
    case.succeed(&["short-run"]);
    same(&whole, &case.contents("short-run"), "extended and interrupted");
}

#[test]
fn a_run_that_is_extended_in_mixed_precision_and_killed_goes_on_as_the_shorter_or_the_longer_one() {
    let case = Case::new(MIXED);
    let whole = case.at_once("1.2 ps");
    case.write("short", "0.4 ps");
    case.succeed(&["short.toml"]);
    let (mut shorter, mut longer) = (0, 0);
    for kill in 0..8_u64 {
        let name = format!("killed {kill}");
        copy(&case.path("short-run"), &case.path(&name));
        let mut child = case.start(&[&name, "--extend", "0.8 ps"]);
        let is_longer = || {
            let config = std::fs::read_to_string(case.path(&name).join("config.toml")).unwrap();
            !config.contains("duration = \"0.4 ps\"")
        };
        if kill < 4 {
            // From the start of the program on: the act itself comes after about 50 ms.
            std::thread::sleep(Duration::from_millis(10 + 20 * kill));
        } else {
            // From the act on: copies of the trajectories, first steps, first checkpoints.
            while !is_longer() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(15 * (kill - 4)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let act = is_longer();
        case.succeed(&[&name]);
        if act {
            longer += 1;
        } else {
            shorter += 1;
            same(&case.contents("short-run"), &case.contents(&name), &name);
            case.succeed(&[&name, "--extend", "0.8 ps"]);
        }
        same(&whole, &case.contents(&name), &name);
    }
    println!("{shorter} kills before the act, {longer} after it");
    assert!(longer >= 4, "{longer} kills came after the act");
}

/// Each moment between two changes on the disk, by something in the way of the next one.
#[test]
fn an_extension_that_fails_half_way_leaves_the_shorter_run_or_the_longer_one() {
    let case = Case::reference("nvt", EVERYTHING);
    let whole = case.at_once("150 fs");
    case.write("short", "100 fs");
    case.succeed(&["short.toml"]);
    let short = case.contents("short-run");
    for (obstacle, extended) in [
        ("extensions.json.new", false),
        ("config.toml.new", false),
        ("replica-000.h5.rebuilt", true),
        ("replica-001.h5.rebuilt", true),
        ("checkpoint.tmp", true),
    ] {
        let name = format!("with {obstacle}");
        let directory = case.path(&name);
        copy(&case.path("short-run"), &directory);
        std::fs::create_dir(directory.join(obstacle)).unwrap();
        let said = case.fail(&[&name, "--extend", "50 fs"]);
        assert_eq!(said.contains("is extended by 50 fs"), extended, "{obstacle}: {said}");
        std::fs::remove_dir(directory.join(obstacle)).unwrap();
        // The configuration of the beginning and the directory find the same run.
        if extended {
            let said = case.succeed(&["short.toml", "--dir", &name]);
            assert!(said.contains("was extended since (stage `last` by 50 fs, 20"), "{obstacle}: {said}");
        } else {
            case.succeed(&[&name]);
            same(&short, &case.contents(&name), &name);
            case.succeed(&[&name, "--extend", "50 fs"]);
        }
        same(&whole, &case.contents(&name), &name);
        assert_eq!(records(&directory).len(), 1, "{obstacle}");
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_is_extended_as_well() {
    let case = Case::reference("nvt", EVERYTHING);
    let whole = case.at_once("150 fs");
    case.write("short", "100 fs");
    std::fs::create_dir(case.path("short-run")).unwrap();
    // What a kill between the first files and the first checkpoint leaves.
    for name in ["force_field.toml", "initial.data", "lock"] {
        std::fs::copy(case.path("whole-run").join(name), case.path("short-run").join(name)).unwrap();
    }
    std::fs::copy(case.path("short.toml"), case.path("short-run/config.toml")).unwrap();
    case.succeed(&["short-run", "--extend", "50 fs"]);
    same(&whole, &case.contents("short-run"), "a beginning");
    case.succeed(&["short.toml"]);
}

#[test]
fn whoever_goes_on_with_the_old_configuration_is_told_of_the_extension() {
    let case = Case::reference("nvt", EVERYTHING);
    case.write("case", "100 fs");
    case.succeed(&["case.toml"]);
    case.succeed(&["case-run", "--extend", "50 fs"]);
    let extended = case.contents("case-run");
    let said = case.succeed(&["case.toml"]);
    assert!(
        said.contains("case.toml: the run in case-run was extended since (stage `last` by 50 fs, 20")
            && said.contains("to 150 fs of that stage")
            && said.contains("as its own `config.toml` says"),
        "{said}"
    );
    // The user brings the file up to date.
    case.write("case", "150 fs");
    let said = case.succeed(&["case.toml"]);
    assert!(!said.contains("extended"), "{said}");
    // Another duration is another run, and the message says how this one becomes longer.
    case.write("case", "200 fs");
    let said = case.fail(&["case.toml"]);
    assert!(said.contains("these keys differ: stage[last].duration") && said.contains("--extend"), "{said}");
    same(&extended, &case.contents("case-run"), "nothing has changed");
}

#[test]
fn what_cannot_be_extended_is_refused_and_stays_as_it_is() {
    let case = Case::reference("nvt", EVERYTHING);
    case.write("case", "100 fs");
    let said = case.fail(&["case.toml", "--extend", "50 fs"]);
    assert!(said.contains("case-run: there is no run here that could be extended"), "{said}");
    assert!(!case.path("case-run").exists());
    let said = case.fail(&["."]);
    assert!(said.contains("this directory holds no run"), "{said}");
    case.succeed(&["case.toml"]);
    let before = bytes(&case.path("case-run"));
    for (by, expected) in [
        ("3 fs", "is not a multiple of the time step, 2 fs; the nearest multiple is \"4 fs\""),
        ("-2 fs", "a run can only become longer"),
        ("10", "--extend \"10\": "),
        ("ten ns", "--extend \"ten ns\": "),
        ("1e6 s", "at most 1e15 steps"),
    ] {
        let said = case.fail(&["case-run", "--extend", by]);
        assert!(said.contains(expected), "{by}: {said}");
    }
    let output = case.run(&["case-run", "--extend", "50 fs", "--fresh"]);
    assert_eq!(output.status.code(), Some(2));
    // A plan writes nothing.
    let output = case.run(&["case-run", "--extend", "50 fs", "--dry-run"]);
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && plan.contains("in all 95 steps"), "{plan}");
    // A format of another time.
    let checkpoint = case.path("case-run/checkpoint");
    let text = std::fs::read(&checkpoint).unwrap();
    let end = text.iter().position(|byte| *byte == b'\n').unwrap();
    std::fs::write(&checkpoint, [b"vitrion-checkpoint 1", &text[end..]].concat()).unwrap();
    let said = case.fail(&["case-run", "--extend", "50 fs"]);
    assert!(said.contains("format version 1"), "{said}");
    std::fs::write(&checkpoint, text).unwrap();
    // A trajectory of another run.
    let trajectory = case.path("case-run/replica-001.h5");
    let text = std::fs::read(&trajectory).unwrap();
    std::fs::copy(case.path("case-run/replica-000.h5"), &trajectory).unwrap();
    let said = case.fail(&["case-run", "--extend", "50 fs"]);
    assert!(said.contains("belongs to replica 0"), "{said}");
    std::fs::write(&trajectory, text).unwrap();
    assert!(bytes(&case.path("case-run")) == before, "something was written");
}

#[test]
fn a_ramp_that_would_end_below_zero_and_a_minimisation_are_not_extended() {
    let case = Case::reference("nvt", "temperature_rate = \"-5 K/fs\"\n");
    case.write("ramp", "100 fs");
    case.succeed(&["ramp.toml"]);
    let said = case.fail(&["ramp-run", "--extend", "40 fs"]);
    assert!(said.contains("--extend \"40 fs\"") && said.contains("the ramp ends at 0"), "{said}");
    case.succeed(&["ramp-run", "--extend", "38 fs"]);

    let relax = MIXED.split("[[stage]]\nname = \"cool\"").next().unwrap();
    std::fs::write(case.path("relax.toml"), relax).unwrap();
    case.succeed(&["relax.toml"]);
    let said = case.fail(&["relax-run", "--extend", "40 fs"]);
    assert!(said.contains("the last stage, `relax`, is a minimisation, which has no duration"), "{said}");
}
