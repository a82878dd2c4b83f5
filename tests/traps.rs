//! Traps of analyses, each of a kind that public reports tell of: cells that are nearly empty, settings that mean nothing, fits of noise, copies
//! and changes of files, files of the user where results would go, full disks, arguments that are no text. (Examples: SPHinXsys pull request
//! 395, mantid issue 25589, pylj issue 111, gmxapi issue 131.)

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use glam::DVec3;
use vitrion_analysis::results::Results;
use vitrion_analysis::table::Table;
use vitrion_core::cell::Cell;
use vitrion_core::random::{Counter, Stream};
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter};

fn vitrion<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

/// A call with limits of processor time (s), on one thread, and of address space (KiB): both do not depend on what else the machine does.
fn limited(seconds: u32, memory: u64, arguments: &[&str]) -> Output {
    let limits = format!("ulimit -t {seconds}; ulimit -v {memory}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &limits, env!("CARGO_BIN_EXE_vitrion")])
        .args(arguments)
        .output()
        .expect("a shell")
}

fn done<S: AsRef<OsStr> + std::fmt::Debug>(arguments: &[S]) -> String {
    let output = vitrion(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn refused<S: AsRef<OsStr> + std::fmt::Debug>(arguments: &[S], code: i32) -> String {
    let output = vitrion(arguments);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
    words
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn uniform(seed: u64, step: u64, particle: u32) -> DVec3 {
    let [x, y, z, _] =
        Counter { seed, stream: Stream::BuilderPosition, replica: 0, step, particle }.uniform();
    DVec3::new(x, y, z)
}

fn normal(seed: u64, step: u64, particle: u32) -> DVec3 {
    let [x, y, z, _] = Counter { seed, stream: Stream::Velocity, replica: 0, step, particle }.normal();
    DVec3::new(x, y, z)
}

/// `frames` x `n` unwrapped walkers in a cube, with steps of `width` in each direction.
fn walk(n: u32, frames: u64, edge: f64, width: f64) -> Vec<Vec<DVec3>> {
    let mut positions: Vec<DVec3> = (0..n).map(|i| edge * uniform(1, 0, i)).collect();
    let next = |frame| {
        (0..).zip(&mut positions).for_each(|(i, r)| *r += width * normal(2, frame, i));
        positions.clone()
    };
    (0..frames).map(next).collect()
}

/// A dump of units real with images, steps of 100 from `first` on.
fn dump(frames: &[Vec<DVec3>], edge: f64, first: i64) -> String {
    let mut text = String::new();
    for (step, positions) in (first..).step_by(100).zip(frames) {
        let _ = write!(
            text,
            "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS pp pp pp\n0 {edge}\n0 {edge}\n0 {edge}\n\
             ITEM: ATOMS id element x y z ix iy iz\n",
            positions.len()
        );
        for (i, r) in positions.iter().enumerate() {
            let n = (*r / edge).floor();
            let r = *r - n * edge;
            let element = if i % 2 == 0 { "K" } else { "Cl" };
            let _ = writeln!(text, "{} {element} {} {} {} {} {} {}", i + 1, r.x, r.y, r.z, n.x, n.y, n.z);
        }
    }
    text
}

/// A dump of positions as they are, in a cube of 12 angstrom.
fn unwrapped(frames: &[Vec<DVec3>]) -> String {
    let mut text = String::new();
    for (step, positions) in (0..).step_by(100).zip(frames) {
        let _ = write!(
            text,
            "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS pp pp pp\n0 12\n0 12\n0 12\nITEM: ATOMS id type xu yu zu\n",
            positions.len()
        );
        for (i, r) in positions.iter().enumerate() {
            let _ = writeln!(text, "{} 1 {:e} {:e} {:e}", i + 1, r.x, r.y, r.z);
        }
    }
    text
}

/// A trajectory of another program, 0.1 ps a frame, with steps from `first` on.
fn write_h5md(path: &Path, frames: &[Vec<DVec3>], edge: f64, first: i64) {
    let header = PlainHeader {
        names: vec!["K".into(), "Cl".into()],
        species: (0..frames[0].len()).map(|i| i % 2).collect(),
        molecules: None,
        masses: None,
        charges: None,
        images: true,
    };
    let mut writer = PlainWriter::create(path, &header).unwrap();
    let cell = Cell::cubic(edge).unwrap();
    for (step, positions) in (first..).zip(frames) {
        let images: Vec<DVec3> = positions.iter().map(|r| (*r / edge).floor()).collect();
        let inside: Vec<DVec3> = positions.iter().zip(&images).map(|(r, n)| *r - *n * edge).collect();
        writer.append(step, 0.1 * step as f64, &cell, &inside, Some(&images)).unwrap();
    }
    writer.finish().unwrap();
}

fn table(directory: &Path, name: &str) -> Table {
    Results::read(directory).unwrap().unwrap().table(name).unwrap().clone()
}

#[test]
fn few_atoms_in_an_enormous_cell_take_seconds_and_their_pairs_are_right() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for edge in [3e3, 2e4] {
        // 60 pairs of 2.5 angstrom, anywhere, some across the walls.
        let pair = |i: u32| {
            let r = if i.is_multiple_of(5) {
                edge * uniform(3, 0, i) * DVec3::new(0.0, 1.0, 1.0)
            } else {
                edge * uniform(3, 0, i)
            };
            [r + DVec3::X * 0.2, r - DVec3::X * 2.3]
        };
        let positions: Vec<DVec3> = (0..60).flat_map(pair).collect();
        let frames: Vec<Vec<DVec3>> = (0..6)
            .map(|f| positions.iter().map(|r| *r + DVec3::Y * (0.1 * f64::from(f))).collect())
            .collect();
        let input = at(&format!("{edge}.lammpstrj"));
        fs::write(&input, dump(&frames, edge, 0)).unwrap();
        let out = at(&format!("{edge}.out"));
        let more = ["--timestep", "1 fs", "--memory", "1GB"];
        // All observables, in an optimised build on any machine: a second. The list of boxes alone would have taken minutes and 8 GB.
        let call = [&["--threads", "1", "analyze", text(&input), "--out", text(&out)], &more[..]].concat();
        let output = limited(60, 4 << 20, &call);
        assert!(output.status.success(), "{edge}: {}", String::from_utf8_lossy(&output.stderr));
        let found = table(&out, "coordination");
        let (r, n) = (found.reals("r_angstrom").unwrap(), found.reals("value").unwrap());
        let pairs = found.texts("pair").unwrap();
        let row = (0..r.len()).find(|&i| pairs[i] == "K-Cl" && r[i] > 2.6).unwrap();
        // Everybody's partner and, in 3,000 angstrom, nobody else: 60 in 60.
        assert_eq!(n[row], 1.0, "{edge}");
        let figures = at(&format!("{edge}.figures"));
        let h5 = at(&format!("{edge}.h5"));
        write_h5md(&h5, &frames, edge, 0);
        done(&["plot", text(&h5), "--out", text(&figures)]);
    }
}

#[test]
fn settings_that_mean_nothing_or_cost_everything_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("x.h5"), directory.path().join("out"));
    write_h5md(&input, &walk(20, 12, 12.0, 0.1), 12.0, 0);
    let analyze = |more: &[&str]| -> Vec<String> {
        let all = [&["analyze", text(&input), "--out", text(&out)], more].concat();
        all.into_iter().map(str::to_string).collect()
    };
    for (option, value) in [
        ("--r-max", "0.01 angstrom"),
        ("--r-max", "1e-300 angstrom"),
        ("--r-bins", "100000000000"),
        ("--q", "1e9 1/angstrom"),
        ("--q-max", "1e6 1/angstrom"),
    ] {
        let words = refused(&analyze(&[option, value]), 1);
        assert!(words.contains(&format!("{option}: ")) && words.contains("give"), "{words}");
        assert!(!out.exists(), "refused before anything is written");
    }
    // Others only look extreme. Each is measured anew, in a place of its own.
    let bits = |place: &str, more: &[&str]| {
        let out = directory.path().join(place);
        let words =
            done(&[&["analyze", text(&input), "--only", "msd,rdf,isf", "--out", text(&out)], more].concat());
        assert!(words.contains("measured") && !words.contains("kept"), "{words}");
        ["msd.csv", "rdf.csv", "isf_self.csv", "isf_coherent.csv"]
            .map(|name| fs::read_to_string(out.join(name)).unwrap())
    };
    let usual = bits("usual", &[]);
    let huge = "18446744073709551615";
    assert_eq!(bits("huge", &["--origins", huge, "--structure-frames", huge]), usual);
    assert_eq!(bits("memory", &["--memory", "1000000000000000000000000000000TB"]), usual);
    let words = done(&analyze(&["--only", "isf", "--q", "1e-9 1/angstrom"]));
    assert!(words.contains("comes close to q = 0.000000001 "), "{words}");
}

#[test]
fn a_hundred_thousand_threads_are_refused_at_once() {
    for number in ["100000", "1025", "0", "many"] {
        // Nothing is started: stacks of a hundred thousand threads would take 200 GB of address space.
        let output = limited(5, 4 << 20, &["--threads", number, "info", "nothing"]);
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(words.contains("from 1 to 1024"), "{words}");
    }
    assert!(refused(&["--threads", "3", "info", "nothing"], 1).contains("no such file"));
}

#[test]
fn no_atoms_and_coordinates_beyond_all_measure_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("none.lammpstrj"), dump(&[vec![], vec![]], 10.0, 0)).unwrap();
    let words = refused(&["analyze", text(&at("none.lammpstrj")), "--out", text(&at("out"))], 1);
    assert!(words.contains("none.lammpstrj") && words.contains("no atoms"), "{words}");
    let words = refused(&["convert", text(&at("none.lammpstrj")), text(&at("none.h5"))], 1);
    assert!(words.contains("no atoms") && !at("none.h5").exists(), "{words}");

    for place in [1e308, -1e150, 2e8] {
        let mut frames = walk(20, 6, 12.0, 0.1);
        frames[3][7].y = place;
        let input = at("far.lammpstrj");
        fs::write(&input, unwrapped(&frames)).unwrap();
        for only in ["msd", "rdf", "isf"] {
            let output = vitrion(&["analyze", text(&input), "--only", only, "--out", text(&at("out"))]);
            let words = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{place} {only}: {words}");
            assert!(words.contains("far.lammpstrj") && words.contains("frame 3"), "{place} {only}: {words}");
        }
    }
}

#[test]
fn a_function_that_has_decayed_before_its_fit_determines_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    // exp(-q^2 D t) with D of 2 angstrom^2/ps: over before 2 ps, at which fits begin; 4 ps in all, few atoms.
    let mut files = Vec::new();
    for replica in 0..2 {
        let mut frames = walk(66, 41 * (1 + replica), 15.0, 0.63);
        let own = frames.split_off(41 * usize::try_from(replica).unwrap());
        let path = at(&format!("{replica}.h5"));
        write_h5md(&path, &own, 15.0, 0);
        files.push(path);
    }
    let analyze = |out: &str, more: &[&str]| {
        let inputs = [text(&files[0]), text(&files[1])];
        let out = at(out);
        done(&[&["analyze"], &inputs[..], &["--only", "isf", "--out", text(&out)], more].concat());
        let results = Results::read(&out).unwrap().unwrap();
        let of = |name: &str| results.tables(name).cloned().collect::<Vec<_>>();
        (of("kww"), of("kww_replicas"))
    };
    let (fits, replicas) = analyze("late", &[]);
    for table in fits.iter().chain(&replicas) {
        let (verdict, beta) = (table.texts("verdict").unwrap(), table.reals("beta").unwrap());
        for (verdict, beta) in verdict.iter().zip(beta) {
            assert!(
                verdict.starts_with("not determined") && beta.is_nan(),
                "{}: {verdict} {beta}",
                table.name
            );
        }
    }
    // From the beginning on, the self function is an exponential, and its fit what it was.
    let (fits, replicas) = analyze("early", &["--fit-start", "0.1 ps", "--q", "1 1/angstrom"]);
    for table in [&fits[0], &replicas[0]] {
        assert!(table.texts("function").unwrap().iter().all(|f| f == "isf_self"));
        let rows = table.texts("species_or_weighting").unwrap();
        for (i, _) in rows.iter().enumerate().filter(|(_, species)| *species == "all") {
            // D = 0.63^2/0.2 = 1.98: tau = 0.504 ps. 66 atoms for 4 ps, 8 tau: some 500 independent decays, 10 % at the very most.
            let (beta, tau) = (table.reals("beta").unwrap()[i], table.reals("tau_ps").unwrap()[i]);
            assert!((beta - 1.0).abs() < 0.15 && (tau / 0.504 - 1.0).abs() < 0.15, "{beta} {tau}");
        }
    }
}

#[test]
fn tables_hold_the_wave_number_that_was_used_and_what_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("x.h5"), directory.path().join("out"));
    write_h5md(&input, &walk(40, 30, 15.0, 0.2), 15.0, 0);
    let base = ["analyze", text(&input), "--only", "isf", "--fit-start", "0.1 ps", "--out", text(&out)];
    let words = done(&[&base[..], &["--q", "0.35 1/angstrom, 0.15 1/angstrom, 3.7 1/angstrom"]].concat());
    // 2 pi / 15.
    assert!(
        words.contains("note: the cell has no wave vectors of q = 0.35") && words.contains("0.4189"),
        "{words}"
    );
    assert!(words.contains("comes close to q = 0.15"), "{words}");
    let coherent = table(&out, "isf_coherent");
    let longest_wave = std::f64::consts::TAU / 15.0;
    for q in coherent.reals("q_per_angstrom").unwrap() {
        // Eleven digits are kept; shells are 0.05 wide on either side.
        assert!((q / longest_wave - 1.0).abs() < 1e-10 || (q - 3.7).abs() < 0.05, "{q}");
    }
    assert!(coherent.notes.iter().any(|n| n.contains("asked for q = 0.35") && n.contains("3 wave vectors")));
    // Averaged over all directions, the self function has any wave number.
    let own = table(&out, "isf_self");
    assert!([0.35, 0.15, 3.7].iter().all(|q| own.reals("q_per_angstrom").unwrap().contains(q)));
    let fits = Results::read(&out).unwrap().unwrap();
    for name in ["kww", "kww_replicas"] {
        for table in fits.tables(name) {
            let asked = table.reals("q_asked_per_angstrom").unwrap();
            assert!(asked.iter().all(|q| [0.35, 0.15, 3.7].contains(q)), "{asked:?}");
        }
    }
}

/// Copies a directory as `cp -r` does: with new times of change, here in an order of its own.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|e| e.unwrap()).collect();
    // Results first, so that trajectories are younger than they.
    entries.sort_by_key(|e| !e.path().is_dir());
    for entry in entries {
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
            std::thread::sleep(std::time::Duration::from_millis(20));
        } else {
            fs::write(&place, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn results_survive_a_copy_and_not_a_change_that_times_and_lengths_do_not_show() {
    let directory = tempfile::tempdir().unwrap();
    let (run, copied) = (directory.path().join("run"), directory.path().join("copy"));
    fs::create_dir(&run).unwrap();
    write_h5md(&run.join("replica-000.h5"), &walk(20, 30, 12.0, 0.1), 12.0, 0);
    assert!(done(&["analyze", text(&run), "--only", "msd,rdf"]).contains("measured"));
    copy(&run, &copied);
    done(&["report", text(&copied)]);
    let words = done(&["analyze", text(&copied), "--only", "msd,rdf"]);
    assert!(words.contains("kept") && !words.contains("measured"), "{words}");

    let (input, out) = (directory.path().join("x.lammpstrj"), directory.path().join("out"));
    let whole = dump(&walk(300, 40, 12.0, 0.1), 12.0, 0);
    fs::write(&input, &whole).unwrap();
    let analyze = || done(&["analyze", text(&input), "--only", "msd", "--out", text(&out)]);
    assert!(analyze().contains("measured") && analyze().contains("kept"));
    let before = table(&out, "msd");
    // One digit in the middle, then the time of change as it was.
    let time = fs::metadata(&input).unwrap().modified().unwrap();
    let mut bytes = whole.into_bytes();
    let middle = bytes.len() / 2;
    let digit = (middle..bytes.len() - 1).find(|&i| bytes[i] == b'.').unwrap() + 1;
    bytes[digit] = if bytes[digit] == b'5' { b'6' } else { b'5' };
    fs::write(&input, &bytes).unwrap();
    fs::File::options().write(true).open(&input).unwrap().set_modified(time).unwrap();
    let words = analyze();
    assert!(words.contains("measured") && !words.contains("kept"), "{words}");
    assert_ne!(table(&out, "msd"), before);
}

#[test]
fn files_of_the_user_are_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    fs::create_dir(&run).unwrap();
    write_h5md(&run.join("replica-000.h5"), &walk(20, 12, 12.0, 0.1), 12.0, 0);
    let own = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine\n").unwrap();
    };
    let is_mine = |path: &Path| fs::read_to_string(path).unwrap() == "mine\n";

    let analysis = run.join("analysis");
    let analyze = ["analyze", text(&run), "--only", "msd"];
    own(&analysis.join("msd.csv"));
    own(&analysis.join("rdf.csv"));
    own(&analysis.join("alpha_2.csv"));
    let words = refused(&analyze, 1);
    assert!(words.contains("msd.csv, alpha_2.csv") && words.contains("--out"), "{words}");
    assert!(is_mine(&analysis.join("msd.csv")) && !analysis.join("results.h5").exists());
    for name in ["msd.csv", "alpha_2.csv"] {
        fs::remove_file(analysis.join(name)).unwrap();
    }
    // What this analysis does not write stays, also in the next one, which knows its own.
    done(&analyze);
    assert!(is_mine(&analysis.join("rdf.csv")));
    let words = refused(&["analyze", text(&run), "--only", "msd,rdf"], 1);
    assert!(words.contains("rdf.csv") && !words.contains("msd.csv"), "{words}");
    fs::remove_file(analysis.join("rdf.csv")).unwrap();
    done(&["analyze", text(&run), "--only", "msd,rdf"]);

    own(&run.join("report.html"));
    let words = refused(&["report", text(&run)], 1);
    assert!(words.contains("report.html: not written by this program") && words.contains("--out"), "{words}");
    assert!(is_mine(&run.join("report.html")));
    fs::remove_file(run.join("report.html")).unwrap();
    own(&run.join("figures/rdf.svg"));
    let words = refused(&["plot", text(&run)], 1);
    assert!(words.contains("rdf.svg: not written") && is_mine(&run.join("figures/rdf.svg")), "{words}");
    fs::remove_file(run.join("figures/rdf.svg")).unwrap();
    // Their own they replace.
    for _ in 0..2 {
        done(&["report", text(&run)]);
        done(&["plot", text(&run)]);
    }
    let fit = directory.path().join("fit");
    own(&fit.join("fit.png"));
    let words =
        refused(&["fit", text(&run), "--quantity", "D", "--temperatures", "400 K", "--out", text(&fit)], 1);
    assert!(words.contains("fit.png: not written") && is_mine(&fit.join("fit.png")), "{words}");
}

#[test]
fn tables_of_an_analysis_whose_results_were_moved_away_are_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    fs::create_dir(&run).unwrap();
    write_h5md(&run.join("replica-000.h5"), &walk(40, 12, 12.0, 0.1), 12.0, 0);
    done(&["analyze", text(&run)]);
    let analysis = run.join("analysis");
    let tables = || {
        let names = fs::read_dir(&analysis).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|e| e == "csv")).collect::<Vec<_>>()
    };
    let before = tables();
    assert!(before.len() > 8);
    // What a damaged results.h5 asks for.
    fs::write(analysis.join("results.h5"), "damaged").unwrap();
    assert!(refused(&["analyze", text(&run)], 1).contains("move it away and analyse again"));
    fs::remove_file(analysis.join("results.h5")).unwrap();
    done(&["analyze", text(&run)]);
    assert_eq!(tables().len(), before.len());
}

#[test]
fn notes_of_what_stays_stay_and_those_of_what_is_measured_again_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("x.h5"), directory.path().join("out"));
    write_h5md(&input, &walk(20, 12, 15.0, 0.1), 15.0, 0);
    let analyze = |more: &[&str]| {
        done(&[&["analyze", text(&input), "--out", text(&out), "--only"], more].concat());
        Results::read(&out).unwrap().unwrap().notes.join("\n")
    };
    let far = "q = 0.35";
    assert!(analyze(&["isf", "--q", "0.35 1/angstrom"]).contains(far));
    assert!(analyze(&["msd"]).contains(far));
    assert!(!analyze(&["isf", "--q", "3.7 1/angstrom, 3.7 1/angstrom"]).contains(far));
    // Given twice, measured once.
    let q = table(&out, "isf_coherent").reals("q_per_angstrom").unwrap().to_vec();
    let t = table(&out, "isf_coherent").reals("t_ps").unwrap().to_vec();
    let words = table(&out, "isf_coherent").texts("species_or_weighting").unwrap().to_vec();
    let rows = (0..q.len()).filter(|&i| words[i] == words[0] && t[i] == t[0]).count();
    assert_eq!(rows, 1);
}

#[test]
fn a_full_disk_leaves_no_torn_file_and_the_next_try_works() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let frames = walk(200, 40, 12.0, 0.1);
    write_h5md(&at("x.h5"), &frames, 12.0, 0);
    fs::write(at("x.lammpstrj"), dump(&frames, 12.0, 0)).unwrap();
    for (input, output) in [("x.h5", "out.xyz"), ("x.lammpstrj", "out.h5")] {
        let before = fs::read_dir(directory.path()).unwrap().count();
        // No file can grow beyond 32 KiB; the signal of that is ignored, so that writing fails as on a full disk.
        let limited = format!(
            "trap '' XFSZ; ulimit -f 64; exec '{}' convert '{}' '{}'",
            env!("CARGO_BIN_EXE_vitrion"),
            text(&at(input)),
            text(&at(output))
        );
        let failed = Command::new("sh").args(["-c", &limited]).output().unwrap();
        let words = String::from_utf8_lossy(&failed.stderr);
        assert_eq!(failed.status.code(), Some(1), "{words}");
        assert!(words.contains("cannot be written") || words.contains("cannot write"), "{words}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), before, "nothing is left: {words}");
        done(&["convert", text(&at(input)), text(&at(output))]);
        assert!(refused(&["convert", text(&at(input)), text(&at(output))], 1).contains("exists already"));
    }
    // Tables and results as well.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' analyze '{}' --only msd,rdf --out '{}'",
        env!("CARGO_BIN_EXE_vitrion"),
        text(&at("x.h5")),
        text(&at("analysis"))
    );
    let failed = Command::new("sh").args(["-c", &limited]).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", String::from_utf8_lossy(&failed.stderr));
    let left: Vec<_> = fs::read_dir(at("analysis")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".new")), "{left:?}");
    done(&["analyze", text(&at("x.h5")), "--only", "msd,rdf", "--out", text(&at("analysis"))]);
}

#[test]
fn steps_below_zero_are_said_and_written_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let frames = walk(20, 5, 12.0, 0.1);
    write_h5md(&at("x.h5"), &frames, 12.0, -3);
    let words = done(&["info", text(&at("x.h5"))]);
    assert!(words.contains("steps -3 to 1"), "{words}");
    done(&["convert", text(&at("x.h5")), text(&at("x.xyz"))]);
    let xyz = fs::read_to_string(at("x.xyz")).unwrap();
    for step in -3..=1 {
        assert!(xyz.contains(&format!(" Step={step} ")), "{step}");
    }
    done(&["analyze", text(&at("x.h5")), "--only", "msd", "--out", text(&at("out"))]);
    // 0.1 ps a step.
    assert_eq!(table(&at("out"), "msd").reals("t_ps").unwrap()[..4], [0.1, 0.2, 0.3, 0.4]);
}

#[test]
fn paths_with_spaces_and_arguments_that_are_no_text_are_taken_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("mo ved");
    fs::create_dir(&run).unwrap();
    write_h5md(&run.join("replica-000.h5"), &walk(20, 12, 12.0, 0.1), 12.0, 0);
    let words = done(&["plot", text(&run)]);
    assert!(words.contains(&format!("vitrion info '{}'", run.display())), "{words}");
    done(&["analyze", text(&run), "--only", "msd"]);
    // The command of the results can be given to a shell again.
    let command = Results::read(&run.join("analysis")).unwrap().unwrap().command;
    assert!(command.contains(&format!("analyze '{}' --only msd", run.display())), "{command}");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let name = OsStr::from_bytes(b"bad\xff");
        let place = directory.path().join(name);
        let (out, input) = (place.as_os_str(), run.as_os_str());
        for arguments in [
            vec![OsStr::new("run"), out],
            vec![OsStr::new("info"), out],
            vec![OsStr::new("analyze"), out],
            vec![
                OsStr::new("analyze"),
                input,
                OsStr::new("--only"),
                OsStr::new("msd"),
                OsStr::new("--out"),
                out,
            ],
            vec![OsStr::new("fit"), input, OsStr::new("--out"), out],
            vec![OsStr::new("plot"), out],
            vec![name],
            vec![OsStr::new("--threads"), name],
        ] {
            let output = vitrion(&arguments);
            // A panic is 101.
            assert!([0, 1, 2].contains(&output.status.code().unwrap()), "{arguments:?}: {output:?}");
        }
    }
}

#[test]
fn results_say_what_they_are_and_their_notes_stand_in_the_report() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    fs::create_dir(&run).unwrap();
    write_h5md(&run.join("replica-000.h5"), &walk(20, 12, 15.0, 0.1), 15.0, 0);
    done(&["analyze", text(&run), "--only", "msd,isf,reorientation", "--q", "0.35 1/angstrom"]);
    let words = done(&["info", text(&run.join("analysis/results.h5"))]);
    for part in [
        "results of an analysis",
        "replica-000.h5",
        "msd (",
        "missing       reorientation: ",
        "note",
        "q = 0.35",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    done(&["report", text(&run)]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("<th>note</th>") && page.contains("the cell has no wave vectors of q = 0.35"));
}

#[test]
fn what_is_echoed_of_a_file_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.data");
    fs::write(&path, format!("title\n\n{} atoms\n", "7x".repeat(200_000))).unwrap();
    let words = refused(&["convert", text(&path), "out.xyz", "--force-field", "ckn-rigid"], 1);
    assert!(words.len() < 2000 && words.contains("x.data"), "{} bytes", words.len());
}
