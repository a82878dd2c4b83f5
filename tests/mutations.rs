//! Damaged and odd inputs through the program: no panic, no hang, bounded memory, documented exit codes, and the input stays as it was.
//!
//! Every kind of file starts from a small valid one. Mutations are drawn from the number of the case, so that a case that failed is
//! found again by its number; files of a run also hold the time of its start, so that a mutant that failed is kept. `regressions_stay_mended` replays what was found before, from `tests/fuzz/regressions`.
#![cfg(unix)]

#[path = "mutations/mutate.rs"]
mod mutate;
#[path = "mutations/seeds.rs"]
mod seeds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mutate::Draw;
use seeds::{KINDS, Kind, Seeds};

/// Of address space (KiB), set by the shell.
const MEMORY: u64 = 4 << 20;
/// Of processor time, on one thread, set by the shell: it does not depend on what else the machine does.
const CPU_SECONDS: u32 = 10;
/// `timeout` of coreutils ends what waits without computing. Far more than the machine's other work can take.
const WALL_SECONDS: u32 = 300;

/// What a call of the program came to.
struct Ran {
    code: Option<i32>,
    said: String,
}

fn vitrion(arguments: &[String]) -> Ran {
    let limits = format!(
        "ulimit -v {MEMORY}; ulimit -t {CPU_SECONDS}; exec timeout -s KILL {WALL_SECONDS} \"$0\" \"$@\""
    );
    let output = Command::new("sh")
        .args(["-c", &limits, env!("CARGO_BIN_EXE_vitrion"), "--threads", "1"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A core file a crash is more than anybody looks at.
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("a shell");
    Ran { code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// What is wrong with how the program took a file, if anything.
fn complaint(ran: &Ran) -> Option<String> {
    let last: String = ran.said.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
    if ran.said.contains("panicked") {
        return Some(format!("panic: {last}"));
    }
    match ran.code {
        Some(0..=4) => None,
        // `timeout` reports the signal that ended its child by 128 and the signal's number.
        code => Some(format!("ended with {code:?}: {last}")),
    }
}

/// Calls the program as `kind` has it on a file with these bytes, in a directory of its own below `work`.
fn try_file(
    kind: &Kind,
    variant: usize,
    bytes: &[u8],
    seeds: &Seeds,
    work: &Path,
) -> Result<Option<i32>, String> {
    let directory = tempfile::tempdir_in(work).expect("a directory");
    let (input, arguments) = (kind.call)(variant, bytes, seeds, directory.path());
    let ran = vitrion(&arguments);
    let after = std::fs::read(&input).ok();
    let found = complaint(&ran)
        .or_else(|| (after.as_deref() != Some(bytes)).then(|| "the input file was changed".to_string()));
    match found {
        None => Ok(ran.code),
        Some(found) => Err(format!("{}: {found}", arguments.join(" "))),
    }
}

/// Tries `cases` mutants, all kinds in turn, and reports what failed.
fn mutants(cases: usize) {
    let work = tempfile::tempdir().expect("a directory");
    let seeds = Seeds::new(work.path(), |arguments| {
        let ran = vitrion(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.said);
    });
    let next = AtomicUsize::new(0);
    let counts: Mutex<BTreeMap<(&str, Option<i32>), usize>> = Mutex::default();
    let failures: Mutex<Vec<String>> = Mutex::default();
    let worker = || {
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases {
                return;
            }
            let kind = &KINDS[case % KINDS.len()];
            let mut draw = Draw::new(case as u64);
            let bytes = mutate::mutant((kind.seed)(&seeds, &mut draw), kind.binary, &mut draw);
            let variant = draw.below(kind.variants);
            match try_file(kind, variant, &bytes, &seeds, work.path()) {
                Ok(code) => *counts.lock().unwrap().entry((kind.name, code)).or_default() += 1,
                Err(found) => {
                    let kept = keep(kind, case, &bytes);
                    failures.lock().unwrap().push(format!(
                        "case {case}, {} ({}): {found}",
                        kind.name,
                        kept.display()
                    ));
                }
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    for ((kind, code), count) in &*counts.lock().unwrap() {
        println!("{kind}: {count} with exit code {}", code.map_or("none".to_string(), |c| c.to_string()));
    }
    let failures = failures.into_inner().unwrap();
    println!("{cases} mutants, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // This can fail: mutants that are all refused at the first byte, or all accepted, would test nothing.
    let counts = counts.into_inner().unwrap();
    for kind in KINDS {
        let of = |code| counts.get(&(kind.name, Some(code))).copied().unwrap_or(0);
        assert!(of(1) > 0, "no mutant of {} was refused", kind.name);
        assert!(kind.sealed || of(0) > 0, "no mutant of {} was accepted", kind.name);
    }
}

/// The mutant in a place that outlives the test, to look at and to keep in `tests/fuzz/regressions`.
fn keep(kind: &Kind, case: usize, bytes: &[u8]) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    std::fs::create_dir_all(&directory).expect("a directory");
    let path = directory.join(format!("{}-{case}", kind.name));
    std::fs::write(&path, bytes).expect("a file");
    path
}

#[test]
fn a_few_hundred_damaged_inputs_end_in_documented_exit_codes() {
    mutants(300);
}

#[test]
#[ignore = "minutes: part of `make validate`"]
fn ten_thousand_damaged_inputs_end_in_documented_exit_codes() {
    let cases = std::env::var("VITRION_MUTANTS").ok().and_then(|n| n.parse().ok());
    mutants(cases.unwrap_or(10_000));
}

#[test]
fn regressions_stay_mended() {
    let work = tempfile::tempdir().expect("a directory");
    let seeds = Seeds::new(work.path(), |arguments| {
        let ran = vitrion(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.said);
    });
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/regressions");
    let mut tried = 0;
    for entry in std::fs::read_dir(&directory).expect("the regressions") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // KIND-what-it-is.suffix
        let Some(kind) = KINDS.iter().find(|kind| name.starts_with(&format!("{}-", kind.name))) else {
            assert_eq!(name, "README.md", "a regression is called KIND-WHAT; see README.md");
            continue;
        };
        let bytes = std::fs::read(&path).expect("a readable file");
        for variant in 0..kind.variants {
            if let Err(found) = try_file(kind, variant, &bytes, &seeds, work.path()) {
                panic!("{name}: {found}");
            }
            tried += 1;
        }
    }
    assert!(tried > 0);
}
