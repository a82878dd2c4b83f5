//! Kill -9 and power cuts at random moments: after either the finished run equals the run that
//! was never interrupted, dataset for dataset and bit for bit.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// 500 atoms and more would do; this is the smallest melt that the mixed path takes with a cutoff of 6.5 angstrom.
const CONFIG: &str = r#"
title = "a melt to be killed"
[system]
force_field = "short.toml"
molecules = { nitrate = 112, K = 48, Ca = 32 }
density = "1.95 g/cm^3"
seed = 3
replicas = 2
[run]
backend = "cpu"
precision = "mixed"
force_accuracy = 1e-3
checkpoint_every = "0.2 s"
[[stage]]
name = "relax"
kind = "minimize"
max_steps = 600
force_tolerance = "20 kcal/mol/angstrom"
[[stage]]
name = "melt"
kind = "npt"
duration = "DURATION"
timestep = "4 fs"
temperature = "900 K"
temperature_rate = "-1 K/ps"
pressure = "1 atm"
thermostat_period = "400 fs"
barostat_period = "4 ps"
frames = { every = "0.1 ps" }
thermo = { every = "0.04 ps" }
[[stage]]
name = "produce"
kind = "nvt"
duration = "DURATION"
timestep = "4 fs"
temperature = "850 K"
thermostat_period = "400 fs"
frames = { log_block = "0.4 ps" }
thermo = { every = "0.04 ps" }
window_means = { window = "0.4 ps", sample_every = "8 fs" }
stress_correlator = { sample_every = "8 fs" }
"#;

fn write_config(folder: &Path, duration: &str) {
    let force_field = include_str!("../configs/force_fields/ckn-rigid.toml")
        .replace("cutoff = \"10 angstrom\"", "cutoff = \"6.5 angstrom\"");
    std::fs::write(folder.join("short.toml"), force_field).expect("a writable folder");
    std::fs::write(folder.join("melt.toml"), CONFIG.replace("DURATION", duration))
        .expect("a writable folder");
}

fn run(folder: &Path, directory: &str, threads: &str) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["--threads", threads, "run", "melt.toml", "--plain", "--dir", directory])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn finish(child: std::process::Child) {
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every dataset and attribute, numbers as bits, by its path.
fn contents(path: &Path) -> Vec<(String, String)> {
    fn values(container: &hdf5::Container) -> String {
        use hdf5::types::{TypeDescriptor, VarLenUnicode};
        let shape = container.shape();
        let values = match container.dtype().and_then(|t| t.to_descriptor()).expect("a known type") {
            // f32 widens exactly.
            TypeDescriptor::Float(_) => {
                let numbers = container.read_raw::<f64>().expect("numbers");
                format!("{:?}", numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>())
            }
            TypeDescriptor::Integer(_) => format!("{:?}", container.read_raw::<i64>().expect("integers")),
            TypeDescriptor::Unsigned(_) => format!("{:?}", container.read_raw::<u64>().expect("integers")),
            _ => format!("{:?}", container.read_raw::<VarLenUnicode>().expect("texts")),
        };
        format!("{shape:?} {values}")
    }
    fn attributes(location: &hdf5::Location, found: &mut Vec<(String, String)>) {
        for name in location.attr_names().expect("readable attributes") {
            let attribute = location.attr(&name).expect("a readable attribute");
            // When a run began and on which command differs from run to run.
            if !["started", "command"].contains(&name.as_str()) {
                found.push((format!("{}@{name}", location.name()), values(&attribute)));
            }
        }
    }
    fn walk(group: &hdf5::Group, found: &mut Vec<(String, String)>) {
        attributes(group, found);
        for dataset in group.datasets().expect("a readable group") {
            attributes(&dataset, found);
            found.push((dataset.name(), values(&dataset)));
        }
        for inner in group.groups().expect("a readable group") {
            walk(&inner, found);
        }
    }
    let file = hdf5::File::open(path).expect("the trajectory opens");
    let mut found = Vec::new();
    walk(&file, &mut found);
    found
}

fn compare(folder: &Path, [whole, other]: [&str; 2]) {
    for replica in ["replica-000.h5", "replica-001.h5"] {
        let [whole, other] = [whole, other].map(|run| contents(&folder.join(run).join(replica)));
        assert!(whole.len() > 80, "the comparison sees the whole file: {}", whole.len());
        let texts =
            ["/vitrion/provenance@config", "/vitrion/stages/name", "/particles/all/position/value@unit"];
        for text in texts {
            assert!(whole.iter().any(|(name, _)| name == text), "{text}");
        }
        assert_eq!(whole.len(), other.len());
        for (a, b) in whole.iter().zip(&other) {
            assert_eq!(a.0, b.0);
            assert!(a.1 == b.1, "{replica}: {} differs", a.0);
        }
    }
}

fn kill_and_compare(kills: u32, duration: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_config(folder.path(), duration);
    finish(run(folder.path(), "whole", "2"));
    let (mut done, mut refused) = (0, 0);
    for kill in 0..kills {
        let mut child = run(folder.path(), "killed", if kill % 2 == 0 { "1" } else { "2" });
        // Pseudo-random moments from 0.15 to 0.85 s: within the start, between and inside checkpoints.
        std::thread::sleep(Duration::from_millis(150 + u64::from(kill * 7919 % 701)));
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("a child");
        done += 1;
        for replica in ["replica-000.h5", "replica-001.h5"] {
            let path = folder.path().join("killed").join(replica);
            // A kill within a flush may leave a file that HDF5 refuses until the run goes on.
            refused += u32::from(path.exists() && hdf5::File::open(&path).is_err());
        }
    }
    finish(run(folder.path(), "killed", "2"));
    compare(folder.path(), ["whole", "killed"]);
    println!(
        "{done} kills, {refused} files refused until the run went on, both replicas equal the run that was never killed"
    );
    // Between flushes none is (`crashes.rs` of the trajectory crate knows which kill was within one); flushes take a small part of the time.
    assert!(8 * refused <= 2 * done, "{refused} of {} files", 2 * done);
    assert!(2 * done >= kills, "the run ended after {done} kills: lengthen it");
}

/// A file system of its own, in a file, that can be cut off.
struct Disk {
    image: std::path::PathBuf,
    place: std::path::PathBuf,
}

impl Disk {
    /// None where the system does not let us (no root, no loop devices).
    fn new(folder: &Path) -> Option<Self> {
        let disk = Self { image: folder.join("disk.img"), place: folder.join("disk") };
        std::fs::create_dir(&disk.place).ok()?;
        let made = Command::new("sh")
            .args(["-c", "truncate -s 256M \"$0\" && mkfs.ext4 -q -F \"$0\""])
            .arg(&disk.image)
            .output();
        (made.is_ok_and(|output| output.status.success()) && disk.mount()).then_some(disk)
    }

    fn mount(&self) -> bool {
        let done = Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.place).output();
        done.is_ok_and(|output| output.status.success())
    }

    /// As if the power went: what was not forced to the disk, its own journal included, is lost (`EXT4_IOC_SHUTDOWN` without a flush).
    fn cut(&self) {
        let program = "import fcntl, os, struct, sys; \
                       fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        let done = Command::new("python3").args(["-c", program]).arg(&self.place).output().expect("python3");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn remount(&self) {
        let left = Command::new("umount").arg(&self.place).output().expect("umount");
        assert!(left.status.success(), "{}", String::from_utf8_lossy(&left.stderr));
        assert!(self.mount(), "the file system comes back");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.place).output();
    }
}

/// Forced shutdowns of a real ext4 at random moments. `None` where the system does not let us.
fn cut_and_compare(cuts: u32, duration: &str) -> Option<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = Disk::new(folder.path())?;
    write_config(folder.path(), duration);
    write_config(&disk.place, duration);
    // Written by us, not by the program: it is there before the first cut.
    assert!(Command::new("sync").status().is_ok_and(|status| status.success()));
    finish(run(folder.path(), "whole", "2"));
    let (mut done, mut unreadable) = (0, 0);
    for cut in 0..cuts {
        let mut child = run(&disk.place, "cut", if cut % 2 == 0 { "1" } else { "2" });
        std::thread::sleep(Duration::from_millis(400 + u64::from(cut * 7919 % 1201)));
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        disk.cut();
        child.kill().expect("SIGKILL");
        child.wait().expect("a child");
        disk.remount();
        done += 1;
        for replica in ["replica-000.h5", "replica-001.h5"] {
            unreadable += u32::from(hdf5::File::open(disk.place.join("cut").join(replica)).is_err());
        }
    }
    finish(run(&disk.place, "cut", "2"));
    let copied = Command::new("cp").arg("-r").arg(disk.place.join("cut")).arg(folder.path()).output();
    assert!(copied.is_ok_and(|output| output.status.success()), "copied");
    compare(folder.path(), ["whole", "cut"]);
    println!(
        "{done} power cuts, after which HDF5 could not open {unreadable} of {} files: both replicas equal the quiet run",
        2 * done
    );
    assert!(2 * done >= cuts, "the run ended after {done} cuts: lengthen it");
    Some(())
}

#[test]
fn a_run_killed_a_few_times_equals_the_run_that_was_not() {
    kill_and_compare(4, "8 ps");
}

#[test]
fn a_run_cut_off_with_its_disk_a_few_times_equals_the_run_that_was_not() {
    if cut_and_compare(3, "8 ps").is_none() {
        assert!(std::env::var_os("VITRION_TEST_MOUNTS").is_none(), "no file system of our own here");
        println!("skipped: no file system of our own here");
    }
}

#[test]
#[ignore = "minutes: part of `make torture`"]
fn a_run_killed_fifty_times_equals_the_run_that_was_not() {
    kill_and_compare(50, "60 ps");
}

#[test]
#[ignore = "minutes: part of `make torture`"]
fn a_run_cut_off_with_its_disk_fifty_times_equals_the_run_that_was_not() {
    cut_and_compare(50, "60 ps").expect("root, and loop devices");
}
