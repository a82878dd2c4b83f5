//! Damaged checkpoints, and directories whose files are of different moments.

use super::*;

const NEWEST: &str = "checkpoint";
const UNNAMED: &str = "checkpoint.tmp";
const PREVIOUS: &str = "checkpoint.previous";
const REJECTED: &str = "checkpoint.rejected";
const TRAJECTORIES: [&str; 2] = ["replica-000.h5", "replica-001.h5"];
/// And their journals.
const JOURNALS: [&str; 2] = ["replica-000.journal", "replica-001.journal"];

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn step(path: &Path) -> u64 {
    read_header(path).unwrap().step
}

fn said(recorder: &Recorder, words: &str) -> bool {
    recorder.messages.iter().any(|m| m.contains(words))
}

impl Case {
    fn file(&self, directory: &str, name: &str) -> PathBuf {
        self.home.path().join(directory).join(name)
    }

    /// A file of one run directory takes the place of one in another.
    fn put(&self, from: (&str, &str), to: (&str, &str)) {
        std::fs::copy(self.file(from.0, from.1), self.file(to.0, to.1)).unwrap();
    }
}

#[test]
fn a_damaged_checkpoint_is_replaced_by_the_one_before() {
    let case = Case::new();
    let (whole, _) = case.run("whole");
    let (damaged, _) = case.run("damaged");
    cut(&damaged.unwrap().checkpoint);
    let (resumed, recorder) = case.run("damaged");
    assert!(said(&recorder, "truncated") && said(&recorder, PREVIOUS), "{:?}", recorder.messages);
    same(&resumed.unwrap(), &whole.unwrap(), "from the checkpoint before");
}

#[test]
fn a_damaged_checkpoint_never_takes_the_place_of_the_good_one_before() {
    let case = Case::new();
    let (whole, _) = case.run("whole");
    case.kill_before("run", 16);
    let good = step(&case.file("run", PREVIOUS));
    cut(&case.file("run", NEWEST));
    // Killed again and again before it has written another: at its first checkpoint, and in its first steps.
    for last in [0, 1] {
        case.kill_before("run", last);
        assert_eq!(step(&case.file("run", NEWEST)), good);
        assert_eq!(step(&case.file("run", PREVIOUS)), good);
    }
    assert!(read_header(&case.file("run", REJECTED)).is_err(), "the damaged one is kept");
    same(&case.run("run").0.unwrap(), &whole.unwrap(), "after all that");
}

#[test]
fn an_intact_checkpoint_without_its_name_serves_where_the_others_are_damaged() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    case.kill_before("run", 16);
    let good = step(&case.file("run", NEWEST));
    std::fs::rename(case.file("run", NEWEST), case.file("run", UNNAMED)).unwrap();
    cut(&case.file("run", PREVIOUS));
    case.kill_before("run", 0);
    assert_eq!(step(&case.file("run", NEWEST)), good, "it has a name before anything else is written");
    same(&case.run("run").0.unwrap(), &whole, "from the one without a name");
    // The only one of three.
    case.kill_before("alone", 16);
    std::fs::rename(case.file("alone", NEWEST), case.file("alone", UNNAMED)).unwrap();
    std::fs::remove_file(case.file("alone", PREVIOUS)).unwrap();
    same(&case.run("alone").0.unwrap(), &whole, "from the only one");
}

#[test]
fn a_run_whose_checkpoints_are_all_damaged_is_refused_and_stays_as_it_is() {
    let case = Case::new();
    let (run, _) = case.run("run");
    let run = run.unwrap();
    for name in [NEWEST, UNNAMED, PREVIOUS] {
        std::fs::write(run.directory.join(name), "vitrion-checkpoint 2\n{").unwrap();
    }
    let contents = || {
        let mut names: Vec<_> = run.directory.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        names.into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = contents();
    let (refused, _) = case.run("run");
    let message = refused.unwrap_err().to_string();
    // Each is named, and none is recommended.
    for name in ["run/checkpoint: truncated", "checkpoint.tmp: truncated", "checkpoint.previous: truncated"] {
        assert!(message.contains(name), "{message}");
    }
    assert!(message.contains("no checkpoint from which this run can go on"), "{message}");
    assert!(before == contents());
}

/// A copy of a running run, file by file: its files are of different moments.
#[test]
fn trajectories_that_were_copied_before_the_checkpoint_go_on_from_the_checkpoint_before() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    case.kill_before("early", 7);
    case.kill_before("late", 16);
    for name in TRAJECTORIES.into_iter().chain(JOURNALS) {
        case.put(("early", name), ("late", name));
    }
    case.put(("early", NEWEST), ("late", PREVIOUS));
    let (early, late) = (step(&case.file("early", NEWEST)), step(&case.file("late", NEWEST)));
    let (resumed, recorder) = case.run("late");
    assert!(said(&recorder, "but the checkpoint was written after"), "{:?}", recorder.messages);
    assert!(said(&recorder, &format!("at step {early}")), "{:?}", recorder.messages);
    assert_eq!(step(&case.file("late", REJECTED)), late, "the newer one is kept");
    same(&resumed.unwrap(), &whole, "from the checkpoint before");
}

#[test]
fn checkpoints_that_are_all_newer_than_the_trajectories_are_refused_with_what_to_do() {
    let case = Case::new();
    case.kill_before("early", 7);
    case.kill_before("late", 16);
    // One file is enough.
    case.put(("early", TRAJECTORIES[1]), ("late", TRAJECTORIES[1]));
    case.put(("early", JOURNALS[1]), ("late", JOURNALS[1]));
    let before = std::fs::read(case.file("late", TRAJECTORIES[0])).unwrap();
    let message = case.run("late").0.unwrap_err().to_string();
    assert!(message.contains("replica-001.h5: its journal is whole up to"), "{message}");
    assert!(message.contains("copy `checkpoint` before the trajectories"), "{message}");
    assert!(before == std::fs::read(case.file("late", TRAJECTORIES[0])).unwrap());
    assert!(!case.file("late", REJECTED).exists());
}

#[test]
fn rows_after_the_checkpoint_are_mentioned_and_computed_again() {
    let case = Case::new();
    let whole = case.run("whole").0.unwrap();
    case.kill_before("early", 7);
    case.kill_before("late", 16);
    case.put(("early", NEWEST), ("late", NEWEST));
    let (resumed, recorder) = case.run("late");
    assert!(said(&recorder, "are computed again"), "{:?}", recorder.messages);
    same(&resumed.unwrap(), &whole, "from an older checkpoint");
    let (_, again) = case.run("late");
    assert!(!said(&again, "computed again"), "{:?}", again.messages);
}
