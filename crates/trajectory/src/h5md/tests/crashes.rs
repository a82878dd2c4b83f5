//! What a full disk and a kill leave behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::checkpoint;

#[test]
fn a_full_disk_becomes_an_error_and_what_was_flushed_stays() {
    // A file system of 900 kB in a name space of its own, where the system lets users have one.
    let directory = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=900k none \"$1\" && ";
    let try_mount = format!("{mount} true");
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script]).arg(std::env::current_exe().unwrap()).arg(directory.path());
        command.env(CHILD, directory.path().join("run.h5")).output()
    };
    if !shell(&try_mount).is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os(NEEDED).is_none(), "no private mounts here");
        println!("skipped: no private mounts here");
        return;
    }
    let test = "--exact h5md::tests::crashes::child_fills_the_disk --ignored --nocapture";
    let output = shell(&format!("{mount} exec \"$0\" {test}")).unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let line = text.lines().find(|l| l.contains("refused:")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("No space left on device") && line.contains("free some space"), "{line}");
    assert!(!text.contains("HDF5-DIAG"), "the library prints nothing: {text}");
}

#[test]
#[ignore = "the child process of another test"]
fn child_fills_the_disk() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let ballast = path.with_file_name("ballast");
    std::fs::write(&ballast, vec![1; 200_000]).unwrap();
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    let mut counts = writer.sync().unwrap();
    let mut append = |index| {
        append(&mut writer, index)?;
        if index % 5 == 4 {
            counts = writer.sync()?;
        }
        Ok::<(), H5mdError>(())
    };
    let error = (0..1000).find_map(|index| append(index).err()).unwrap();
    println!("refused: {error}");
    assert!(counts.frames > 10);
    drop(writer);
    let reader = TrajectoryReader::open(&path).unwrap();
    assert!(reader.frames() >= counts.frames);
    for index in 0..counts.frames {
        assert_frame(&reader.frame(index).unwrap(), index as u64);
    }
    drop(reader);
    // The copy that a resume makes does not fit either; that changes nothing.
    let before = std::fs::read(&path).unwrap();
    let error = TrajectoryWriter::reopen(&path, &header(), &counts).err().unwrap().to_string();
    assert!(error.contains("No space left"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 3, "no temporary files are left");
}

/// Where this is set, a test that needs a file system of its own fails where it gets none.
const NEEDED: &str = "VITRION_TEST_MOUNTS";
/// Tells a child process of a test which file to write.
const CHILD: &str = "VITRION_TEST_CHILD";
/// Frames of a whole run in the test of kills.
const KILLED_FRAMES: u64 = 400;

/// Kills of the test below; `VITRION_TEST_KILLS` asks for more.
fn kills() -> u64 {
    std::env::var("VITRION_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

#[test]
fn killed_at_any_moment_the_run_goes_on_to_the_same_end_and_the_file_opens_but_for_a_kill_within_a_write() {
    let (directory, whole) = in_directory("whole.h5");
    run(TrajectoryWriter::create(&whole, &header()).unwrap(), KILLED_FRAMES);
    let path = directory.path().join("killed.h5");
    let acknowledged = directory.path().join("acknowledged");
    let mut killed = 0;
    let (mut between, mut refused) = (0, 0);
    while killed < kills() {
        let mut child = spawn_child(&path);
        // 5 to 120 ms: from the first frames to a good part of the run.
        let nanoseconds = 5_000_000 + (killed * 7_368_787 + 1_234_567) % 115_000_000;
        std::thread::sleep(Duration::from_nanos(nanoseconds));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            // It had finished: the next one begins again.
            assert_same_contents(&path, &whole);
            for name in ["killed.h5", "killed.checkpoint", "killed.checkpoint.previous", "acknowledged"] {
                let _ = std::fs::remove_file(directory.path().join(name));
            }
            continue;
        }
        killed += 1;
        // A kill between the creation of this file and its first number leaves it empty.
        let Some(bytes) = std::fs::read(&acknowledged).ok().filter(|bytes| bytes.len() == 9) else {
            continue;
        };
        let sure = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        let within_a_write = bytes[8] == 1;
        if sure == 0 && !path.exists() {
            continue;
        }
        between += u64::from(!within_a_write);
        // A kill within a write may leave HDF5's index ahead of its file: then it refuses the last chunks until the run goes on, which does
        // not ask it. Between two writes there is no excuse.
        match TrajectoryReader::open(&path) {
            Ok(reader) if reader.frames() as u64 >= sure => {
                for index in 0..reader.frames() {
                    assert_frame(&reader.frame(index).unwrap(), index as u64);
                }
            }
            found => {
                let found = found.map(|reader| reader.frames());
                assert!(within_a_write, "killed between two writes, after {sure} frames: {found:?}");
                refused += 1;
            }
        }
    }
    println!(
        "{killed} kills, {between} of them between two writes, {refused} files refused until the run goes on"
    );
    // The child rests three times as long as it writes; the rest of the time it starts.
    assert!(20 * between >= killed, "{between} of {killed}");
    assert!(spawn_child(&path).wait().unwrap().success());
    assert_same_contents(&path, &whole);
}

fn spawn_child(path: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "h5md::tests::crashes::child_writes_until_killed", "--ignored"])
        .env(CHILD, path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the child process of another test"]
fn child_writes_until_killed() {
    use std::os::unix::fs::FileExt as _;
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let checkpoint_path = path.with_extension("checkpoint");
    let note = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_file_name("acknowledged"))
        .unwrap();
    let mut writer = if checkpoint_path.exists() {
        let (_, counts) = checkpoint::read::<Counts>(&checkpoint_path).unwrap();
        // From here on only the rows of the checkpoint are sure.
        note.write_all_at(&[1], 8).unwrap();
        note.write_all_at(&(counts.frames as u64).to_le_bytes(), 0).unwrap();
        TrajectoryWriter::reopen(&path, &header(), &counts).unwrap()
    } else {
        let _ = std::fs::remove_file(&path);
        note.write_all_at(&[0, 0, 0, 0, 0, 0, 0, 0, 1], 0).unwrap();
        TrajectoryWriter::create(&path, &header()).unwrap()
    };
    let checkpoint_header = checkpoint::Header {
        version: "0.1.0".to_string(),
        config_sha256: header().provenance.config_sha256(),
        step: 0,
        time: 0.0,
        backend: "none".to_string(),
        hardware: None,
        start_sha256: None,
    };
    for index in writer.counts().frames as u64..KILLED_FRAMES {
        let begin = std::time::Instant::now();
        note.write_all_at(&[1], 8).unwrap();
        append(&mut writer, index).unwrap();
        if index % 10 == 9 {
            let counts = writer.sync().unwrap();
            checkpoint::write_atomically(&checkpoint_path, &counts, &checkpoint_header).unwrap();
        }
        // At once, so that no kill comes between the two.
        let mut acknowledged = (index + 1).to_le_bytes().to_vec();
        acknowledged.push(0);
        note.write_all_at(&acknowledged, 0).unwrap();
        std::thread::sleep(3 * begin.elapsed());
    }
    note.write_all_at(&[1], 8).unwrap();
    writer.write_stress_correlation(STAGE, &correlation()).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_last_frame_without_data_is_left_out_and_counted() {
    let (_directory, path) = in_directory("run.h5");
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    append(&mut writer, 0).unwrap();
    append(&mut writer, 1).unwrap();
    // What a kill between the length of a dataset and its data leaves: rows of the fill value.
    writer.elements.frames.position.grow(3).unwrap();
    writer.elements.frames.clock.write(2, &[step(2).cast_signed()], &[1.0]).unwrap();
    writer.elements.frames.edges.write(2, &cell(2).matrix().to_cols_array()).unwrap();
    writer.elements.frames.centres.grow(3).unwrap();
    writer.elements.frames.velocity.as_ref().unwrap().grow(3).unwrap();
    writer.flush().unwrap();
    drop(writer);
    let reader = TrajectoryReader::open(&path).unwrap();
    assert_eq!((reader.frames(), reader.summary().unwrap().incomplete_frames), (2, 1));
    assert_frame(&reader.frame(1).unwrap(), 1);
}
