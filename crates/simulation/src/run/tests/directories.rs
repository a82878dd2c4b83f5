//! What a run takes for its own in a directory, and what it leaves alone.

use super::*;

/// Names and bytes of all files but those of the lock, which a refused run may make.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "lock")
        .collect();
    all.sort();
    all
}

fn occupied_by(case: &Case, directory: &str, name: &str) {
    let path = case.home.path().join(directory);
    let before = files(&path);
    match case.run(directory).0 {
        Err(RunError::Occupied { found, .. }) => assert_eq!(found, name),
        other => panic!("{name}: {other:?}"),
    }
    assert!(files(&path) == before, "{name}");
}

#[test]
fn files_of_a_user_with_names_of_ours_are_neither_removed_nor_replaced() {
    let case = Case::new();
    let initial = std::fs::read_to_string(case.home.path().join("start.data")).unwrap();
    for (number, (name, text)) in [
        ("initial.data", "x"),
        ("force_field.toml", "y"),
        ("extensions.json", "[]"),
        ("initial.data.new", "x"),
        ("config.toml.new", "title = \"another\""),
        ("replica-000.h5", "z"),
        ("replica-000.journal", "z"),
        ("checkpoint.tmp", "z"),
        // The very text, but no run was ever here.
        ("initial.data", initial.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let directory = format!("theirs {number}");
        let path = case.home.path().join(&directory);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(name), text).unwrap();
        occupied_by(&case, &directory, name);
        if text != initial {
            // Nor where a run was begun before.
            std::fs::write(path.join("lock"), "").unwrap();
            occupied_by(&case, &directory, name);
        }
    }
}

#[test]
fn a_run_that_was_killed_while_it_wrote_its_texts_begins_again() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    let text = |name: &str| std::fs::read_to_string(whole.directory.join(name)).unwrap();
    let (force_field, initial, config) =
        (text("force_field.toml"), text("initial.data"), text("config.toml"));
    let half = |text: &str| text[..text.len() / 2].to_owned();
    for (number, left) in [
        vec![("force_field.toml.new", half(&force_field))],
        vec![("force_field.toml", force_field.clone()), ("initial.data.new", half(&initial))],
        vec![("force_field.toml", force_field), ("initial.data", initial), ("config.toml.new", config)],
    ]
    .into_iter()
    .enumerate()
    {
        let directory = format!("run {number}");
        let path = case.home.path().join(&directory);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("lock"), "").unwrap();
        for (name, text) in left {
            std::fs::write(path.join(name), text).unwrap();
        }
        same(&case.run(&directory).0.unwrap(), &whole, &directory);
        assert!(!files(&path).iter().any(|(name, _)| name.contains(".new")));
    }
}

/// A batch system writes its log into the directory.
#[test]
fn a_run_killed_before_its_first_checkpoint_begins_again_beside_files_of_others() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    case.kill_before("run", 0);
    let log = case.home.path().join("run/slurm-1.out");
    std::fs::write(&log, "node17").unwrap();
    same(&case.run("run").0.unwrap(), &whole, "beside a log");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "node17");
}

#[test]
fn frames_after_a_first_checkpoint_that_is_lost_are_not_removed() {
    let case = Case::new();
    // Only the first checkpoint, before the first row.
    let text = std::fs::read_to_string(&case.config).unwrap();
    std::fs::write(
        &case.config,
        text.replace("checkpoint_every = \"1 us\"", "checkpoint_every = \"1000 s\""),
    )
    .unwrap();
    case.kill_before("run", 10);
    let path = case.home.path().join("run");
    assert_eq!(read_header(&path.join("checkpoint")).unwrap().step, 0);
    std::fs::remove_file(path.join("checkpoint")).unwrap();
    let before = files(&path);
    let message = case.run("run").0.unwrap_err().to_string();
    assert!(message.contains("restore the checkpoint"), "{message}");
    assert!(files(&path) == before);
    // The journal alone may hold what is not anywhere else.
    std::fs::remove_file(path.join("replica-000.h5")).unwrap();
    std::fs::remove_file(path.join("replica-001.h5")).unwrap();
    let before = files(&path);
    assert!(matches!(case.run("run").0, Err(RunError::NoCheckpoint { .. })));
    assert!(files(&path) == before);
}

/// The journal is made first, and its trajectory has no name until it is on the disk.
#[test]
fn a_run_that_was_cut_off_while_it_began_a_journal_begins_again_and_a_damaged_journal_is_kept() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    case.kill_before("run", 0);
    let path = case.home.path().join("run");
    let journal = path.join("replica-001.journal");
    let bytes = std::fs::read(&journal).unwrap();
    let first = 18 + 8 + u32::from_le_bytes(bytes[18..22].try_into().unwrap()) as usize;
    let begun = files(&path);
    for length in [0, 5, 18, 20, 26, 100, first - 1, first] {
        for zeros in [false, true] {
            for (name, bytes) in &begun {
                std::fs::write(path.join(name), bytes).unwrap();
            }
            std::fs::remove_file(path.join("replica-001.h5")).unwrap();
            let mut torn = bytes[..length].to_vec();
            if zeros && [0, 18].contains(&length) {
                torn.resize(4096, 0);
            }
            std::fs::write(&journal, torn).unwrap();
            case.kill_before("run", 0);
        }
    }
    same(&case.run("run").0.unwrap(), &whole, "from the beginning");
    // With rows behind it the first record is damaged, not torn, whether its trajectory is there or not.
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    for names in [
        &["checkpoint", "checkpoint.previous", "replica-000.h5", "replica-000.journal"][..],
        &["replica-001.h5"][..],
    ] {
        for name in names {
            std::fs::remove_file(path.join(name)).unwrap();
        }
        let before = files(&path);
        assert!(matches!(case.run("run").0, Err(RunError::NoCheckpoint { .. })), "{names:?}");
        assert!(files(&path) == before);
    }
}

#[test]
fn a_checkpoint_of_a_run_that_began_from_something_else_is_refused() {
    let case = Case::new();
    let ours = case.run("ours").0.unwrap();
    let start = case.home.path().join("start.data");
    let text = std::fs::read_to_string(&start).unwrap();
    std::fs::write(&start, format!("Retouched {text}")).unwrap();
    let theirs = case.run("another start").0.unwrap();
    std::fs::write(&start, text).unwrap();
    let refused = |case: &Case| {
        let before = files(&ours.directory);
        let message = case.run("ours").0.unwrap_err().to_string();
        assert!(message.contains("belongs to another force field or first state"), "{message}");
        assert!(files(&ours.directory) == before);
    };
    std::fs::copy(&theirs.checkpoint, &ours.checkpoint).unwrap();
    refused(&case);
    // Nor are its trajectories those of this run.
    let ours = case.run("fresh").0.unwrap();
    for name in ["replica-000.h5", "replica-000.journal"] {
        std::fs::copy(theirs.directory.join(name), ours.directory.join(name)).unwrap();
    }
    let message = case.run("fresh").0.unwrap_err().to_string();
    assert!(message.contains("a run with another first state"), "{message}");
}

#[test]
fn a_checkpoint_of_a_version_that_did_not_say_how_it_began_is_accepted() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    case.kill_before("run", 16);
    let path = case.home.path().join("run/checkpoint");
    let (header, payload) = vitrion_trajectory::checkpoint::read::<RunCheckpoint>(&path).unwrap();
    let header = vitrion_trajectory::checkpoint::Header { start_sha256: None, ..header };
    vitrion_trajectory::checkpoint::write_atomically(&path, &payload, &header).unwrap();
    assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("start_sha256"));
    same(&case.run("run").0.unwrap(), &whole, "from a checkpoint of an earlier version");
}

/// Removes a file before a step.
struct Removes {
    inner: Box<dyn Backend>,
    file: PathBuf,
    before: u64,
}

impl Backend for Removes {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn electrostatics(&self) -> ElectrostaticsParameters {
        self.inner.electrostatics()
    }
    fn begin_stage(&mut self, dynamics: &Dynamics, sampling: &Sampling) -> Result<(), BackendError> {
        self.inner.begin_stage(dynamics, sampling)
    }
    fn advance(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError> {
        if self.state().step + steps >= self.before {
            let _ = std::fs::remove_file(&self.file);
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
        self.inner.checkpoint()
    }
    fn restore(&mut self, checkpoint: &BackendCheckpoint) -> Result<(), BackendError> {
        self.inner.restore(checkpoint)
    }
}

#[test]
fn a_run_whose_lock_was_removed_ends_at_its_next_checkpoint() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    let file = case.home.path().join("run/lock");
    let wrap = |inner: Box<dyn Backend>| -> Box<dyn Backend> {
        Box::new(Removes { inner, file: file.clone(), before: 10 })
    };
    let stop = AtomicBool::new(false);
    let ended = run_with(&case.config, &case.options("run"), &mut Recorder::default(), &stop, &wrap);
    let error = ended.unwrap_err();
    assert!(matches!(&error, RunError::LockLost { file } if file.ends_with("run/lock")), "{error}");
    assert!(read_header(&case.home.path().join("run/checkpoint")).unwrap().step < 10);
    same(&case.run("run").0.unwrap(), &whole, "afterwards");
}

/// 188 atoms, whose frames are large enough for chunks of their own.
const MELT: &str = "title = \"melt\"\n[system]\nforce_field = \"ckn-rigid\"\nseed = 3\nreplicas = 2\ndensity = \"1.9 g/cm^3\"\n\
    molecules = { nitrate = 40, K = 16, Ca = 12 }\n[run]\nprecision = \"reference\"\ncheckpoint_every = \"1 us\"\n\
    [[stage]]\nname = \"relax\"\nkind = \"minimize\"\nmax_steps = 60\nforce_tolerance = \"200 kcal/mol/angstrom\"\n\
    [[stage]]\nname = \"hot\"\nkind = \"nvt\"\nduration = \"2 fs\"\ntimestep = \"0.2 fs\"\ntemperature = \"300 K\"\n\
    thermo = { every = \"0.2 fs\" }\nframes = { every = \"0.2 fs\" }\n";

#[test]
fn a_lost_frame_of_one_replica_sends_all_back_to_the_checkpoint_before_and_nothing_is_written_until_that_is_known()
 {
    let case = Case::new();
    std::fs::write(&case.config, MELT).unwrap();
    let frames = |outcome: &Outcome| -> Vec<String> {
        let readers = outcome.trajectories.iter().map(|path| TrajectoryReader::open(path).unwrap());
        readers.flat_map(|r| r.iter().map(|f| format!("{:?}", f.unwrap())).collect::<Vec<_>>()).collect()
    };
    let whole = frames(&case.run("whole").0.unwrap());
    assert_eq!(whole.len(), 22);
    for directory in ["run", "alone"] {
        case.kill_before(directory, 8);
        let path = case.home.path().join(directory).join("replica-001.h5");
        // The positions of the last frame come last; it is one of the checkpoint's, and not of the one before.
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 200;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let path = case.home.path().join("alone");
    std::fs::remove_file(path.join("checkpoint.previous")).unwrap();
    let before = files(&path);
    let message = case.run("alone").0.unwrap_err().to_string();
    assert!(message.contains("replica-001.h5: row") && message.contains("is lost"), "{message}");
    assert!(files(&path) == before, "replica 0 is as it was");
    let (resumed, recorder) = case.run("run");
    let said = recorder.messages.join("\n");
    assert!(said.contains("is lost") && said.contains("going on from another checkpoint"), "{said}");
    assert!(frames(&resumed.unwrap()) == whole);
}

#[test]
fn a_run_that_is_stopped_before_it_goes_on_is_as_it_was() {
    let case = Case::new();
    std::fs::write(&case.config, MELT).unwrap();
    case.kill_before("run", 8);
    let path = case.home.path().join("run");
    let before = files(&path);
    let stop = AtomicBool::new(true);
    let outcome = run(&case.config, &case.options("run"), &mut Recorder::default(), &stop).unwrap();
    assert_eq!((outcome.ending, outcome.step, outcome.trajectories.len()), (Ending::Stopped, 7, 2));
    assert!(files(&path) == before);
}
