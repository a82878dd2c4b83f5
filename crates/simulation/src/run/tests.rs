//! Kills, stops, resumes and refusals, on the 66 atoms of the reference configuration.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use vitrion_core::backend::{BackendCheckpoint, BackendError, Dynamics, Hardware, Sampling, Sink, Thermo};
use vitrion_trajectory::checkpoint::read_header;
use vitrion_trajectory::h5md::{QUANTITIES, TrajectoryReader};

mod candidates;
mod directories;

use super::*;
use crate::observer::{Progress, StageSummary};

#[derive(Default)]
struct Recorder {
    starts: Vec<RunStart>,
    progress: Vec<Progress>,
    summaries: Vec<StageSummary>,
    messages: Vec<String>,
}

impl Observer for Recorder {
    fn started(&mut self, start: &RunStart) {
        self.starts.push(start.clone());
    }
    fn progress(&mut self, progress: &Progress) {
        self.progress.push(progress.clone());
    }
    fn stage_finished(&mut self, summary: &StageSummary) {
        self.summaries.push(summary.clone());
    }
    fn message(&mut self, text: &str) {
        self.messages.push(text.to_owned());
    }
}

/// Meets its end before a step.
struct Mortal<'a> {
    inner: Box<dyn Backend>,
    last: u64,
    end: End<'a>,
    /// The device on which it says that it runs.
    hardware: Option<Hardware>,
}

/// How.
#[derive(Clone, Copy)]
enum End<'a> {
    /// Dies; before step 0, at the first checkpoint.
    Killed,
    /// Raises the stop flag.
    Stopped(&'a AtomicBool),
    /// Says that a number is not finite.
    Fails,
}

impl Backend for Mortal<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn electrostatics(&self) -> ElectrostaticsParameters {
        self.inner.electrostatics()
    }
    fn hardware(&self) -> Option<Hardware> {
        self.hardware.clone()
    }
    fn begin_stage(&mut self, dynamics: &Dynamics, sampling: &Sampling) -> Result<(), BackendError> {
        self.inner.begin_stage(dynamics, sampling)
    }
    fn advance(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError> {
        if self.state().step + steps >= self.last {
            match self.end {
                End::Killed => panic!("killed"),
                End::Stopped(stop) => stop.store(true, Ordering::Relaxed),
                End::Fails => {
                    return Err(BackendError::NotFinite { replica: 1, step: self.last, body: 7 });
                }
            }
        }
        self.inner.advance(steps, sink)
    }
    fn minimize(&mut self, max_steps: u64, force_tolerance: f64) -> Result<Vec<f64>, BackendError> {
        self.inner.minimize(max_steps, force_tolerance)
    }
    fn thermo(&mut self) -> Result<Vec<Thermo>, BackendError> {
        self.inner.thermo()
    }
    fn state(&self) -> &State {
        self.inner.state()
    }
    fn set_state(&mut self, state: State) -> Result<(), BackendError> {
        self.inner.set_state(state)
    }
    fn checkpoint(&self) -> BackendCheckpoint {
        assert!(self.last > 0, "killed");
        BackendCheckpoint { hardware: self.hardware.clone(), ..self.inner.checkpoint() }
    }
    fn restore(&mut self, checkpoint: &BackendCheckpoint) -> Result<(), BackendError> {
        self.inner.restore(checkpoint)
    }
}

/// Three stages whose boundaries continue and change the ensemble, with every kind of output. The reference configuration
/// is small for its 10 angstrom cutoff, which the reference kernel's images allow.
const STAGES: &str = r#"
[[stage]]
name = "hot"
kind = "nvt"
duration = "24 fs"
timestep = "2 fs"
temperature = "700 K"
thermo = { every = "4 fs" }
frames = { log_block = "12 fs" }
window_means = { window = "8 fs", sample_every = "4 fs" }
ion_stress = { window = "12 fs", sample_every = "4 fs" }

[[stage]]
name = "cooling"
kind = "nvt"
duration = "12 fs"
timestep = "2 fs"
temperature = ["700 K", "650 K"]
temperature_rate = "-1 K/fs"
frames = { every = "6 fs" }

[[stage]]
name = "free volume"
kind = "npt"
duration = "16 fs"
timestep = "2 fs"
temperature = "650 K"
pressure = "1 atm"
thermo = { every = "2 fs" }
stress_correlator = { sample_every = "4 fs", points = 4, averaging = 2, levels = 3 }
"#;

struct Case {
    home: tempfile::TempDir,
    config: PathBuf,
}

impl Case {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/ckn66.data");
        std::fs::copy(data, home.path().join("start.data")).unwrap();
        let case = Self { config: home.path().join("case.toml"), home };
        case.write(STAGES, "[system]\nseed = 5\nreplicas = 2");
        case
    }

    fn write(&self, stages: &str, system: &str) {
        let text = format!(
            "title = \"test\"\n{system}\nforce_field = \"ckn-rigid\"\ninitial = \"start.data\"\n\
             [run]\nprecision = \"reference\"\ncheckpoint_every = \"1 us\"\n{stages}"
        );
        std::fs::write(&self.config, text).unwrap();
    }

    fn options(&self, directory: &str) -> RunOptions {
        let directory = Some(self.home.path().join(directory));
        RunOptions { directory, command_line: "test".to_owned(), ..RunOptions::default() }
    }

    fn run(&self, directory: &str) -> (Result<Outcome, RunError>, Recorder) {
        let mut recorder = Recorder::default();
        let stop = AtomicBool::new(false);
        let result = run(&self.config, &self.options(directory), &mut recorder, &stop);
        (result, recorder)
    }
}

impl Case {
    /// A run that ends before step `last`.
    fn end_before(&self, directory: &str, last: u64, end: End<'static>) -> Result<Outcome, RunError> {
        let wrap = |inner: Box<dyn Backend>| -> Box<dyn Backend> {
            Box::new(Mortal { inner, last, end, hardware: None })
        };
        let stop = AtomicBool::new(false);
        run_with(&self.config, &self.options(directory), &mut Recorder::default(), &stop, &wrap)
    }

    fn kill_before(&self, directory: &str, last: u64) {
        let killed =
            catch_unwind(AssertUnwindSafe(|| self.end_before(directory, last, End::Killed).map(|_| ())));
        assert!(killed.is_err(), "it is not killed");
    }
}

/// Everything in a trajectory, as bits.
fn contents(path: &Path) -> Vec<(String, Vec<u64>)> {
    let reader = TrajectoryReader::open(path).unwrap();
    let mut all = Vec::new();
    for frame in reader.iter() {
        all.push(("frame".to_owned(), format!("{:?}", frame.unwrap()).bytes().map(u64::from).collect()));
    }
    let mut bits = |name: &str, values: Vec<f64>| {
        all.push((name.to_owned(), values.into_iter().map(f64::to_bits).collect()));
    };
    bits("step", reader.thermo("step").unwrap());
    for quantity in QUANTITIES {
        bits(quantity.name, reader.thermo(quantity.name).unwrap());
    }
    for window in 0..reader.window_steps("hot").unwrap().len() {
        let means = reader.window_mean("hot", window).unwrap();
        bits("window mean", means.iter().flat_map(glam::DVec3::to_array).collect());
    }
    assert_eq!(reader.ion_stress_steps("hot").unwrap(), [6, 12]);
    for window in 0..2 {
        bits("ion stress", reader.ion_stress("hot", window).unwrap().concat());
    }
    for column in reader.stress_correlation("free volume").unwrap().columns {
        bits(&column.name, column.values);
    }
    all
}

fn same(a: &Outcome, b: &Outcome, what: &str) {
    assert_eq!(a.trajectories.len(), 2);
    for (a, b) in a.trajectories.iter().zip(&b.trajectories) {
        let (a, b) = (contents(a), contents(b));
        assert_eq!(a.len(), b.len(), "{what}");
        for ((name, a), (_, b)) in a.iter().zip(&b) {
            assert!(a == b, "{what}: {name} differs");
        }
    }
}

/// V times the pressure tensor at the samples of a window is the sum of its ions' stress.
#[test]
fn stresses_of_ions_are_means_over_their_windows() {
    let case = Case::new();
    for path in case.run("whole").0.unwrap().trajectories {
        let reader = TrajectoryReader::open(&path).unwrap();
        let volume = reader.thermo("volume").unwrap();
        for (window, rows) in [(0, 1..4), (1, 4..7)] {
            let stresses = reader.ion_stress("hot", window).unwrap();
            assert_eq!(stresses.len(), 24);
            let names =
                ["pressure_xx", "pressure_yy", "pressure_zz", "pressure_xy", "pressure_xz", "pressure_yz"];
            for (component, name) in names.into_iter().enumerate() {
                let pressure = reader.thermo(name).unwrap();
                let expected = rows.clone().map(|row| pressure[row] * volume[row]).sum::<f64>() / 3.0;
                let sum: f64 = stresses.iter().map(|s| s[component]).sum();
                let gross: f64 = stresses.iter().map(|s| s[component].abs()).sum();
                // The file keeps f32.
                assert!((sum - expected).abs() < 1e-7 * gross, "window {window}, {name}: {sum} {expected}");
            }
        }
    }
}

#[test]
fn killed_and_stopped_runs_go_on_with_the_same_bits() {
    let case = Case::new();
    let (whole, recorder) = case.run("whole");
    let whole = whole.unwrap();
    assert_eq!((whole.ending, whole.step, whole.total_steps), (Ending::Finished, 26, 26));
    assert_eq!(recorder.summaries.len(), 3);
    assert_eq!(recorder.starts[0].first_step, 0);
    // Ends of stages are points, and so are moments within windows, correlations and ramps.
    for last in [1, 5, 7, 12, 13, 16, 18, 19, 22, 26] {
        for stops in [false, true] {
            let what = format!("{} at {last}", if stops { "stopped" } else { "killed" });
            let stop = AtomicBool::new(false);
            let stop_at: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
            let wrap = |inner: Box<dyn Backend>| -> Box<dyn Backend> {
                let end = if stops { End::Stopped(stop_at) } else { End::Killed };
                Box::new(Mortal { inner, last, end, hardware: None })
            };
            let options = case.options(&what);
            let result = catch_unwind(AssertUnwindSafe(|| {
                let flag = if stops { stop_at } else { &stop };
                run_with(&case.config, &options, &mut Recorder::default(), flag, &wrap)
            }));
            assert_eq!(result.is_ok(), stops, "{what}");
            if let Ok(outcome) = result {
                let ending = outcome.unwrap().ending;
                assert_eq!(ending, if last < 26 { Ending::Stopped } else { Ending::Finished }, "{what}");
            }
            let (resumed, _) = case.run(&what);
            let resumed = resumed.unwrap();
            assert_eq!(resumed.ending, Ending::Finished);
            same(&whole, &resumed, &what);
        }
    }
    let (again, _) = case.run("whole");
    same(&again.unwrap(), &whole, "a finished run is left as it is");
}

/// Kills before the first new step, and later, in the barostat, the thermostats and the correlator of a stage that goes on where it had
/// ended; of a run that had ended, and of one that had been killed itself. The checkpoint that they go on from is of the shorter
/// run where the kill comes before the first new one.
#[test]
fn extended_runs_that_are_killed_go_on_with_the_same_bits() {
    let case = Case::new();
    let system = "[system]\nseed = 5\nreplicas = 2";
    case.write(&STAGES.replace("duration = \"16 fs\"", "duration = \"26 fs\""), system);
    let whole = case.run("whole").0.unwrap();
    case.write(STAGES, system);
    for before in [26, 21, 5] {
        for last in [1, 22, 27, 28, 31] {
            if last <= before && before < 26 {
                continue;
            }
            let what = format!("{before} steps, extended and killed before step {last}");
            if before < 26 {
                case.kill_before(&what, before);
            } else {
                case.run(&what).0.unwrap();
            }
            let options = RunOptions { extend: Some("10 fs".to_owned()), ..case.options(&what) };
            let killed = catch_unwind(AssertUnwindSafe(|| {
                let wrap = |inner: Box<dyn Backend>| -> Box<dyn Backend> {
                    Box::new(Mortal { inner, last, end: End::Killed, hardware: None })
                };
                let stop = AtomicBool::new(false);
                run_with(&case.config, &options, &mut Recorder::default(), &stop, &wrap).map(|_| ())
            }));
            assert!(killed.is_err(), "{what}: it is not killed");
            // The old configuration finds the longer run.
            let (resumed, recorder) = case.run(&what);
            let resumed = resumed.unwrap();
            assert_eq!((resumed.ending, resumed.step), (Ending::Finished, 31), "{what}");
            assert!(recorder.messages[0].contains("to 26 fs of that stage"), "{:?}", recorder.messages);
            same(&whole, &resumed, &what);
        }
    }
}

/// A random melt, in the arithmetic that users take: its neighbour lists, mesh and minimisation resume too.
#[test]
fn a_melt_in_mixed_precision_resumes_with_the_same_bits_on_any_number_of_threads() {
    let case = Case::new();
    let write = |threads: usize| {
        // The smallest round system whose cell, 26 angstrom, holds twice the cutoff of 10 angstrom and a skin.
        let text = format!(
            "title = \"melt\"\n[system]\nforce_field = \"ckn-rigid\"\nseed = 3\ndensity = \"1.9 g/cm^3\"\n\
             molecules = {{ nitrate = 280, K = 120, Ca = 80 }}\n[run]\nthreads = {threads}\ncheckpoint_every = \"1 us\"\n\
             velocities = true\n[[stage]]\nname = \"relax\"\nkind = \"minimize\"\nmax_steps = 250\n\
             force_tolerance = \"20 kcal/mol/angstrom\"\n[[stage]]\nname = \"hot\"\nkind = \"nvt\"\nduration = \"120 fs\"\n\
             timestep = \"4 fs\"\ntemperature = \"1000 K\"\nthermo = {{ every = \"4 fs\" }}\nframes = {{ every = \"40 fs\" }}\n"
        );
        std::fs::write(&case.config, text).unwrap();
    };
    write(2);
    let (two, recorder) = case.run("two");
    let two = two.unwrap();
    assert_eq!(recorder.starts[0].measured_force_error, None, "not in a random start");
    assert!(recorder.messages[0].starts_with("force error in the relaxed"), "{:?}", recorder.messages);
    let (_, again) = case.run("two");
    let (error, asked) = again.starts[0].measured_force_error.expect("it is in the checkpoint");
    // Far less would mean that forces larger than those of a melt were the scale.
    assert!(error < asked && error > 0.01 * asked, "{error} {asked}");
    let bits = |outcome: &Outcome| {
        let reader = TrajectoryReader::open(&outcome.trajectories[0]).unwrap();
        let frames: Vec<String> = reader.iter().map(|f| format!("{:?}", f.unwrap())).collect();
        (frames, reader.thermo("conserved").unwrap(), reader.thermo("temperature").unwrap())
    };
    let expected = bits(&two);
    // The velocities are drawn at 1000 K: 1,917 degrees of freedom make 3 % of it one standard deviation.
    assert!((expected.2[0] - 1000.0).abs() < 150.0, "{}", expected.2[0]);
    assert_eq!((expected.0.len(), expected.1.len()), (4, 31));
    case.kill_before("killed", 17);
    assert!(bits(&case.run("killed").0.unwrap()) == expected, "after a kill");
    write(1);
    assert!(bits(&case.run("one").0.unwrap()) == expected, "on one thread");
}

#[test]
fn replicas_of_a_file_with_velocities_move_apart_and_the_first_one_as_it_would_alone() {
    let case = Case::new();
    let stages = STAGES.replace("[\"700 K\", \"650 K\"]", "\"700 K\"");
    case.write(&stages, "[system]\nseed = 5\nreplicas = 2");
    let two = case.run("two").0.unwrap();
    assert!(contents(&two.trajectories[0]) != contents(&two.trajectories[1]));
    case.write(&stages, "[system]\nseed = 5\nreplicas = 1");
    assert!(contents(&two.trajectories[0]) == contents(&case.run("one").0.unwrap().trajectories[0]));
}

#[test]
fn a_run_crosses_two_to_the_32_steps() {
    let case = Case::new();
    let first_step = (1 << 32) - 10;
    let options = RunOptions { first_step, ..case.options("far") };
    let outcome = run(&case.config, &options, &mut Recorder::default(), &AtomicBool::new(false)).unwrap();
    let far = TrajectoryReader::open(&outcome.trajectories[0]).unwrap();
    let (near, _) = case.run("near");
    let near = TrajectoryReader::open(&near.unwrap().trajectories[0]).unwrap();
    let (a, b) = (far.thermo("step").unwrap(), near.thermo("step").unwrap());
    assert!(a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a - b == first_step as f64), "{a:?} {b:?}");
    assert_eq!(far.thermo("time").unwrap(), near.thermo("time").unwrap());
    assert!(far.thermo("temperature").unwrap().iter().all(|t| t.is_finite() && *t > 0.0));
}

#[test]
fn a_run_of_another_configuration_is_refused_and_its_keys_are_named() {
    let case = Case::new();
    let (first, _) = case.run("run");
    let before = contents(&first.unwrap().trajectories[0]);
    case.write(
        &STAGES.replace("duration = \"16 fs\"", "duration = \"18 fs\""),
        "[system]\nseed = 6\nreplicas = 2",
    );
    let (refused, _) = case.run("run");
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("system.seed, stage[free volume].duration"), "{message}");
    assert_eq!(contents(&case.home.path().join("run/replica-000.h5")), before);
    case.write(STAGES, "# a comment is no difference\n[system]\nseed = 5\nreplicas = 2");
    assert!(case.run("run").0.is_ok());
}

#[test]
fn a_run_goes_on_from_its_own_copies_and_not_from_another_start() {
    let case = Case::new();
    case.kill_before("a", 12);
    let start = case.home.path().join("start.data");
    let text = std::fs::read_to_string(&start).unwrap();
    std::fs::write(&start, format!("Retouched {text}")).unwrap();
    let error = case.run("a").0.unwrap_err();
    assert!(matches!(error, RunError::OtherInitial { .. }), "{error}");
    // Moved, and nothing but the directory is left.
    let moved = case.home.path().join("moved");
    std::fs::rename(case.home.path().join("a"), &moved).unwrap();
    std::fs::remove_file(&start).unwrap();
    let options = RunOptions { command_line: "test".to_owned(), ..RunOptions::default() };
    let stop = AtomicBool::new(false);
    let outcome = run(&moved.join("config.toml"), &options, &mut Recorder::default(), &stop).unwrap();
    assert_eq!(outcome.directory, moved);
    let whole = Case::new();
    same(&whole.run("b").0.unwrap(), &outcome, "moved");
}

#[test]
fn a_fresh_run_overwrites_nothing() {
    let case = Case::new();
    let options = RunOptions { fresh: true, ..case.options("run") };
    let go = || run(&case.config, &options, &mut Recorder::default(), &AtomicBool::new(false));
    go().unwrap();
    let before = contents(&case.home.path().join("run/replica-000.h5"));
    assert!(matches!(go(), Err(RunError::NotFresh { .. })));
    assert_eq!(contents(&case.home.path().join("run/replica-000.h5")), before);
}

#[test]
fn directories_with_other_files_or_another_process_are_refused() {
    let case = Case::new();
    let other = case.home.path().join("photos");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("cat.jpg"), "miaow").unwrap();
    assert!(matches!(case.run("photos").0, Err(RunError::Occupied { found, .. }) if found == "cat.jpg"));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);

    let busy = case.home.path().join("busy");
    std::fs::create_dir(&busy).unwrap();
    let lock = std::fs::File::create(busy.join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(case.run("busy").0, Err(RunError::Locked { .. })));
    drop(lock);
    assert!(case.run("busy").0.is_ok(), "the lock is free when its process ends");
}

/// A driver may compile kernels to other roundings, so bits are promised only on the same one.
#[test]
fn a_run_that_goes_on_with_another_driver_or_device_says_so() {
    let case = Case::new();
    let on = |adapter: &str, driver: &str| {
        Some(Hardware { adapter: adapter.to_owned(), driver: driver.to_owned(), api: "vulkan".to_owned() })
    };
    let old = on("NVIDIA H100", "NVIDIA 550.54.15");
    for (now, expected) in [
        (old.clone(), None),
        (on("NVIDIA H100", "NVIDIA 560.35.03"), Some("NVIDIA H100, driver NVIDIA 560.35.03, through vulkan")),
        (on("NVIDIA H200", "NVIDIA 550.54.15"), Some("NVIDIA H200, driver NVIDIA 550.54.15, through vulkan")),
    ] {
        let directory = format!("{now:?}");
        let run = |hardware: &Option<Hardware>, last: u64, stop: &'static AtomicBool| {
            let mut recorder = Recorder::default();
            let wrap = |inner: Box<dyn Backend>| -> Box<dyn Backend> {
                Box::new(Mortal { inner, last, end: End::Stopped(stop), hardware: hardware.clone() })
            };
            let options = case.options(&directory);
            let outcome = run_with(&case.config, &options, &mut recorder, stop, &wrap).unwrap();
            (outcome, recorder.messages)
        };
        let (outcome, messages) = run(&old, 7, Box::leak(Box::new(AtomicBool::new(false))));
        assert_eq!((outcome.ending, messages), (Ending::Stopped, Vec::new()));
        let kept = old.as_ref().map(ToString::to_string);
        assert_eq!(read_header(&outcome.checkpoint).unwrap().hardware, kept);
        for path in &outcome.trajectories {
            let provenance = TrajectoryReader::open(path).unwrap().provenance().unwrap();
            assert_eq!(provenance.hardware, kept, "{}", path.display());
        }
        let (outcome, messages) = run(&now, u64::MAX, Box::leak(Box::new(AtomicBool::new(false))));
        assert_eq!(outcome.ending, Ending::Finished);
        match expected {
            None => assert_eq!(messages, Vec::<String>::new()),
            Some(now) => {
                let [message] = messages.as_slice() else { panic!("{messages:?}") };
                let before = "written on NVIDIA H100, driver NVIDIA 550.54.15, through vulkan";
                assert!(
                    message.contains(before) && message.contains(&format!("goes on with {now}")),
                    "{message}"
                );
                assert!(message.contains("not bit for bit"), "{message}");
            }
        }
        assert_eq!(read_header(&outcome.checkpoint).unwrap().hardware, now.map(|now| now.to_string()));
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_with_its_path() {
    let case = Case::new();
    // Below a file, where not even root can make one.
    let (refused, _) = case.run("case.toml/run");
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("case.toml/run: cannot") && message.contains("check the path"), "{message}");
}

#[test]
fn a_kill_before_the_first_checkpoint_starts_over() {
    let case = Case::new();
    let (whole, _) = case.run("whole");
    case.kill_before("run", 0);
    let trajectory = case.home.path().join("run/replica-000.h5");
    assert!(trajectory.exists() && !case.home.path().join("run/checkpoint").exists());
    let (again, _) = case.run("run");
    same(&again.unwrap(), &whole.unwrap(), "from the beginning");
}

#[test]
fn data_whose_checkpoint_is_lost_are_not_overwritten() {
    let case = Case::new();
    let (first, _) = case.run("run");
    let first = first.unwrap();
    let before: Vec<_> = first.trajectories.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for name in ["checkpoint", "checkpoint.previous"] {
        std::fs::remove_file(first.directory.join(name)).unwrap();
    }
    let message = case.run("run").0.unwrap_err().to_string();
    assert!(message.contains("replica-000.h5") && message.contains("restore the checkpoint"), "{message}");
    let after: Vec<_> = first.trajectories.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let case = Case::new();
    let (ours, _) = case.run("ours");
    let ours = ours.unwrap();
    case.write(STAGES, "[system]\nseed = 6\nreplicas = 2");
    let (theirs, _) = case.run("theirs");
    std::fs::copy(theirs.unwrap().checkpoint, &ours.checkpoint).unwrap();
    case.write(STAGES, "[system]\nseed = 5\nreplicas = 2");
    let before = std::fs::read(&ours.trajectories[0]).unwrap();
    let message = case.run("ours").0.unwrap_err().to_string();
    assert!(message.contains("belongs to another configuration"), "{message}");
    assert!(before == std::fs::read(&ours.trajectories[0]).unwrap());
}

#[test]
fn a_step_that_fails_leaves_the_last_checkpoint_good() {
    let case = Case::new();
    let (whole, _) = case.run("whole");
    let whole = whole.unwrap();
    for last in [1, 7, 20] {
        let directory = format!("failed at {last}");
        let message = case.end_before(&directory, last, End::Fails).unwrap_err().to_string();
        assert!(message.contains(&format!("replica 1, step {last}: body 7")), "{message}");
        assert!(message.contains("change the configuration and begin a new run"), "{message}");
        // What made it fail is gone.
        same(&whole, &case.run(&directory).0.unwrap(), &directory);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_last_checkpoint_good() {
    let case = Case::new();
    let (whole, _) = case.run("whole");
    case.kill_before("run", 7);
    // Writing to this device fails as it does on a full disk.
    let temporary = case.home.path().join("run/checkpoint.tmp");
    std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
    let message = case.run("run").0.unwrap_err().to_string();
    assert!(message.contains("No space left") && message.contains("is intact"), "{message}");
    let _ = std::fs::remove_file(&temporary);
    same(&whole.unwrap(), &case.run("run").0.unwrap(), "when there is space again");
}

#[test]
fn timestamps_count_leap_years() {
    // From `date -u -d @SECONDS`.
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_769_860_800, "2026-01-31T12:00:00Z"),
    ] {
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    }
}
