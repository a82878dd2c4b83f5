//! `vitrion analyze --memory`: a trajectory far larger than the memory that it may take.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_core::random::{Counter, Stream};
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter};

/// A trajectory, and the memory that its analysis may take.
struct Case {
    atoms: u32,
    frames: u64,
    memory: &'static str,
    bound: u64,
    /// Enough for everything.
    ample: &'static str,
    /// Measured together.
    observables: &'static [&'static str],
}

/// Time correlations of frames; of window means, which are read again from a file.
const CORRELATIONS: [&str; 2] = ["msd,isf_self,van_hove_self,overlap", "heterogeneity"];
/// 2,000 atoms x 3 coordinates x 8 bytes = 48 kB a frame: 60 MB.
const SMALL: Case = Case {
    atoms: 2000,
    frames: 1250,
    memory: "8MB",
    bound: 8_000_000,
    ample: "1GB",
    // Also what is kept of each ion.
    observables: &[CORRELATIONS[0], CORRELATIONS[1], "jumps"],
};
/// 576 kB a frame: 6 GB.
const LARGE: Case = Case {
    atoms: 24_000,
    frames: 10_500,
    memory: "512MB",
    bound: 512_000_000,
    ample: "16GB",
    observables: &CORRELATIONS,
};

/// Beside what is bounded: frames that are read ahead, caches of HDF5 (1 MiB a dataset) and pages that the allocator keeps.
const CONSTANT: u64 = 8_000_000;

/// Vibrating ions on a grid.
fn write(path: &Path, atoms: u32, frames: u64) {
    let side = (1..=atoms).find(|side| side * side * side >= atoms).unwrap();
    let header = PlainHeader {
        names: vec!["K".into()],
        species: vec![0; atoms as usize],
        molecules: None,
        masses: None,
        charges: None,
        images: false,
    };
    let mut writer = PlainWriter::create(path, &header).unwrap();
    let cell = Cell::cubic(3.0 * f64::from(side)).unwrap();
    for frame in 0..frames {
        let at = |particle: u32| {
            let counter = Counter { seed: 8, stream: Stream::Velocity, replica: 0, step: frame, particle };
            let [x, y, z, _] = counter.uniform();
            let site = [particle % side, particle / side % side, particle / side / side].map(f64::from);
            3.0 * DVec3::from_array(site) + DVec3::new(x, y, z)
        };
        let positions: Vec<DVec3> = (0..atoms).map(at).collect();
        writer.append(frame.cast_signed(), frame as f64, &cell, &positions, None).unwrap();
    }
    writer.finish().unwrap();
}

/// Largest resident memory of the process (bytes), and what it said.
fn peak(arguments: &[&str]) -> (u64, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let high_water = || -> Option<u64> {
        let text = std::fs::read_to_string(&status).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(1024 * line.trim().trim_end_matches(" kB").parse::<u64>().ok()?)
    };
    let mut highest = 0;
    // The mark never falls: what is read last is the peak, but for the last moments of the process.
    while child.try_wait().unwrap().is_none() {
        highest = highest.max(high_water().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    (highest, words)
}

#[test]
fn a_trajectory_larger_than_the_memory_stays_within_it() {
    analyze_within(&SMALL);
}

#[test]
#[ignore = "writes 6 GB and takes ten minutes in a release build: `make validate`"]
fn six_gigabytes_stay_within_512_megabytes() {
    analyze_within(&LARGE);
}

fn analyze_within(case: &Case) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (long, short) = (at("long.h5"), at("short.h5"));
    write(&long, case.atoms, case.frames);
    eprintln!(
        "{} frames of {} atoms: {} bytes",
        case.frames,
        case.atoms,
        std::fs::metadata(&long).unwrap().len()
    );
    write(&short, case.atoms, 3);
    let analyze = |input: &Path, observables: &str, memory: &str, out: &str| {
        let out = at(out);
        let [input, out] = [input, &out].map(|path| path.to_str().unwrap());
        // One thread: each has buffers of its own.
        let arguments = ["--threads", "1", "analyze", input, "--only", observables, "--memory", memory];
        // Windows as short as they can be: as many as there are frames.
        let windows = ["--jump-window", "1 ps", "--jump-threshold", "2.5 angstrom"];
        peak(&[&arguments[..], &windows[..], &["--out", out]].concat())
    };
    let (mut words, mut silent) = (String::new(), String::new());
    for (number, observables) in case.observables.iter().enumerate() {
        let out = |kind: &str| format!("{kind}-{number}");
        // The program itself, with the same atoms and hardly a trajectory.
        let (program, _) = analyze(&short, observables, case.memory, &out("program"));
        let (bounded, said) = analyze(&long, observables, case.memory, &out("bounded"));
        let (free, nothing) = analyze(&long, observables, case.ample, &out("free"));
        eprintln!("peak memory of {observables}: program {program}, bounded {bounded}, free {free} bytes");
        assert!(bounded < program + case.bound + CONSTANT, "{bounded} bytes, {program} of them the program");
        // This can fail: all time origins take far more.
        assert!(
            free > program + case.bound * 3 / 2 + CONSTANT,
            "{free} bytes, {program} of them the program"
        );
        words += &said;
        silent += &nothing;
    }
    assert!(
        words.contains("time origins of a trajectory instead of 1000")
            && words.contains(&format!("{} MB", case.bound / 1_000_000)),
        "{words}"
    );
    assert!(!silent.contains("time origins"), "{silent}");
    let results = vitrion_analysis::results::Results::read(&at("bounded-0")).unwrap().unwrap();
    assert!(results.notes.iter().any(|note| note.contains("instead of 1000")), "{:?}", results.notes);
}
