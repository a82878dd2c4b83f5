//! Runs of the real program that are stopped by signals and denied space: every file stays readable, and the same command goes
//! on to the run that was never disturbed, dataset for dataset, bit for bit. `kills.rs` does the same with SIGKILL.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use vitrion_trajectory::checkpoint;
use vitrion_trajectory::h5md::TrajectoryReader;

const VITRION: &str = env!("CARGO_BIN_EXE_vitrion");

/// A configuration with every kind of output and changes of ensemble, and the directories of its runs.
struct Case {
    home: tempfile::TempDir,
    config: PathBuf,
}

impl Case {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::with(home, "ckn-rigid", "precision = \"reference\"")
    }

    /// On the GPU, with a cutoff and a skin that fit into the box.
    fn on_gpu() -> Self {
        let home = tempfile::tempdir().unwrap();
        let force_field =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/force_fields/ckn-rigid.toml");
        let text = std::fs::read_to_string(force_field).unwrap();
        let short = text.replace("cutoff = \"10 angstrom\"", "cutoff = \"2.9 angstrom\"");
        assert_ne!(short, text);
        let path = home.path().join("short.toml");
        std::fs::write(&path, short).unwrap();
        Self::with(home, path.to_str().unwrap(), "backend = \"gpu\"")
    }

    fn with(home: tempfile::TempDir, force_field: &str, run: &str) -> Self {
        let config = home.path().join("case.toml");
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/ckn66.data");
        let text = format!(
            r#"
title = "66 atoms"
[system]
force_field = "{force_field}"
initial = "{}"
replicas = 2
[run]
{run}
force_accuracy = 1e-3
checkpoint_every = "1 us"
velocities = true
[[stage]]
name = "hot"
kind = "nvt"
duration = "200 fs"
timestep = "2 fs"
temperature = "700 K"
thermo = {{ every = "4 fs" }}
frames = {{ log_block = "50 fs" }}
window_means = {{ window = "40 fs", sample_every = "4 fs" }}
ion_stress = {{ window = "48 fs", sample_every = "16 fs" }}
[[stage]]
name = "cooling"
kind = "npt"
duration = "200 fs"
timestep = "2 fs"
temperature = "700 K"
temperature_rate = "-1 K/fs"
pressure = "1 atm"
thermo = {{ every = "2 fs" }}
frames = {{ every = "20 fs" }}
stress_correlator = {{ sample_every = "4 fs" }}
[[stage]]
name = "free"
kind = "nve"
duration = "100 fs"
timestep = "2 fs"
frames = {{ every = "10 fs" }}
"#,
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        Self { home, config }
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn arguments(&self, name: &str) -> Vec<String> {
        ["run", self.config.to_str().unwrap(), "--dir", self.directory(name).to_str().unwrap()]
            .map(str::to_owned)
            .to_vec()
    }

    /// To the end, in so many threads; returns the wall time.
    fn finish(&self, name: &str, threads: usize) -> Duration {
        let begin = Instant::now();
        let threads = threads.to_string();
        let output =
            Command::new(VITRION).args(self.arguments(name)).args(["--threads", &threads]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        begin.elapsed()
    }

    /// Starts the run and sends it SIGTERM after `delay`. Whether the signal found it running.
    fn interrupt(&self, name: &str, delay: Duration) -> bool {
        let child = Command::new(VITRION)
            .args(self.arguments(name))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(delay);
        // A process that has ended keeps its number until it is waited for.
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        // Before its handler is in place, SIGTERM kills.
        let interrupted = output.status.code() == Some(3) || output.status.signal().is_some();
        assert!(interrupted || output.status.success(), "{}", stderr(&output));
        interrupted
    }

    /// Every file that is there can be read.
    fn check_files(&self, name: &str) {
        let directory = self.directory(name);
        for replica in ["replica-000.h5", "replica-001.h5"] {
            let path = directory.join(replica);
            if path.exists() {
                let frames = TrajectoryReader::open(&path).unwrap();
                for frame in frames.iter() {
                    assert!(frame.unwrap().positions.iter().all(|r| r.is_finite()), "{}", path.display());
                }
            }
        }
        let path = directory.join("checkpoint");
        if path.exists() {
            checkpoint::read_header(&path).unwrap();
        }
    }

    fn compare(&self, a: &str, b: &str) {
        for replica in ["replica-000.h5", "replica-001.h5"] {
            let a = datasets(&self.directory(a).join(replica));
            let b = datasets(&self.directory(b).join(replica));
            assert!(a.len() > 30, "{} datasets", a.len());
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
            for (name, values) in &a {
                assert!(*values == b[name], "{name} differs in {replica}");
            }
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Shape and contents of every dataset, numbers as bits.
fn datasets(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<String>)> {
    let file = hdf5::File::with_options().with_fapl(|p| p.file_locking(false)).open(path).unwrap();
    let mut found = BTreeMap::new();
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
                TypeDescriptor::Boolean => {
                    dataset.read_raw::<bool>().unwrap().iter().map(ToString::to_string).collect()
                }
                _ => dataset.read_raw::<VarLenUnicode>().unwrap().iter().map(ToString::to_string).collect(),
            };
            found.insert(dataset.name(), (dataset.shape(), values));
        }
    }
    found
}

#[test]
fn a_run_goes_on_from_inside_its_directory() {
    let case = Case::new();
    case.finish("whole", 1);
    case.interrupt("stopped", Duration::from_millis(300));
    let output = Command::new(VITRION)
        .args(["run", "config.toml"])
        .current_dir(case.directory("stopped"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    case.compare("whole", "stopped");
}

/// Numbers in [0, 1) that are the same in every run of the test: xorshift64*, Vigna, doi:10.1145/2845077.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn run_on_the_gpu_that_was_stopped_is_the_run_that_was_not() {
    let case = Case::on_gpu();
    let time = case.finish("whole", 2);
    let mut stops = 0;
    for part in 1..4 {
        stops += u32::from(case.interrupt("stopped", time.mul_f64(0.25 * f64::from(part))));
        case.check_files("stopped");
    }
    assert!(stops > 0, "no signal came in time");
    case.finish("stopped", 1);
    case.compare("whole", "stopped");
}

#[test]
fn neither_sigterm_nor_the_number_of_threads_changes_a_run() {
    let case = Case::new();
    let whole = case.finish("two threads", 2);
    case.finish("one thread", 1);
    case.compare("two threads", "one thread");
    let mut random = Uniform(0xda94_2042_e4dd_58b5);
    for _ in 0..5 {
        if !case.interrupt("stopped", whole.mul_f64(0.2 * random.next())) {
            break;
        }
        case.check_files("stopped");
    }
    case.finish("stopped", 1);
    case.compare("two threads", "stopped");
}

/// A run that no test waits for: its last stage lasts for days.
#[cfg(target_os = "linux")]
struct Endless {
    case: Case,
    child: std::process::Child,
}

#[cfg(target_os = "linux")]
impl Endless {
    /// Starts it as the shell does after `trap`, and waits for its first checkpoint.
    fn start(trap: &str, environment: &[(&str, &str)]) -> Self {
        let case = Case::new();
        let text = std::fs::read_to_string(&case.config).unwrap();
        let endless = text.replace("duration = \"100 fs\"", "duration = \"100 ns\"");
        assert_ne!(text, endless);
        std::fs::write(&case.config, endless.replace("frames = { every = \"10 fs\" }", "")).unwrap();
        let child = Command::new("sh")
            .args(["-c", &format!("{trap}\nexec \"$0\" \"$@\""), VITRION])
            .args(case.arguments("run"))
            .env_remove("RAYON_NUM_THREADS")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while !case.directory("run").join("checkpoint").exists() {
            assert!(begin.elapsed() < Duration::from_secs(300), "it does not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { case, child }
    }

    fn send(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "{signal}");
    }

    /// Its exit code and what it said.
    fn end(self) -> (Case, std::process::ExitStatus, String) {
        let output = self.child.wait_with_output().unwrap();
        (self.case, output.status, stderr(&output))
    }
}

/// Signals that this process ignores, and so its children: bit 0 is signal 1.
#[cfg(target_os = "linux")]
fn ignored_here() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

/// Batch systems warn with USR1 or USR2, `ulimit -t` with XCPU, timers with ALRM; none may cost what was computed.
#[cfg(target_os = "linux")]
#[test]
fn every_signal_that_asks_a_run_to_stop_leaves_a_checkpoint_and_exit_code_3() {
    for (signal, number) in
        [("INT", 2), ("TERM", 15), ("HUP", 1), ("USR1", 10), ("USR2", 12), ("XCPU", 24), ("ALRM", 14)]
    {
        if ignored_here() >> (number - 1) & 1 == 1 {
            eprintln!("skipped: SIG{signal} is ignored by whoever started this test");
            continue;
        }
        let run = Endless::start("", &[]);
        run.send(signal);
        let (case, status, message) = run.end();
        assert_eq!(status.code(), Some(3), "{signal}: {status}: {message}");
        assert!(message.contains(&format!("SIG{signal}: stopping")), "{message}");
        assert!(message.contains("go on with: vitrion run"), "{message}");
        case.check_files("run");
    }
}

/// `nohup` and a shell's `&` ignore signals for their children, who must not listen to them again.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    let run = Endless::start("trap '' HUP INT USR1", &[]);
    for signal in ["HUP", "INT", "USR1", "TERM"] {
        run.send(signal);
    }
    let (_, status, message) = run.end();
    assert_eq!(status.code(), Some(3), "{message}");
    assert!(message.contains("SIGTERM: stopping"), "{message}");
    for signal in ["SIGHUP", "SIGINT", "SIGUSR1"] {
        assert!(!message.contains(signal), "{message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_takes_the_processors_that_slurm_grants_and_says_so() {
    let run = Endless::start("", &[("SLURM_CPUS_PER_TASK", "1")]);
    let threads = std::fs::read_dir(format!("/proc/{}/task", run.child.id())).unwrap().count();
    run.send("TERM");
    let (_, status, message) = run.end();
    assert_eq!(status.code(), Some(3), "{message}");
    let granted = std::thread::available_parallelism().unwrap().get();
    assert_eq!(message.contains("1 thread, as SLURM_CPUS_PER_TASK says"), granted > 1, "{message}");
    // The main thread, the one for signals, and one that computes.
    assert!(threads <= 3, "{threads} threads");
}

#[cfg(target_os = "linux")]
#[test]
fn more_replicas_than_files_that_may_be_open_are_refused_before_anything_is_written() {
    let case = Case::new();
    let text = std::fs::read_to_string(&case.config).unwrap();
    std::fs::write(&case.config, text.replace("replicas = 2", "replicas = 100")).unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 150 && exec \"$0\" \"$@\"", VITRION])
        .args(case.arguments("run"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("`ulimit -n 164`"), "{}", stderr(&output));
    assert!(!case.directory("run").exists());
}

/// In a file system of its own, which vanishes with the process.
#[cfg(target_os = "linux")]
const IN_A_SMALL_FILE_SYSTEM: &str = r#"
mount -t tmpfs -o size="$1" tmpfs "$2" || exit
out="$3"; small="$2"; shift 3
"$@"
code=$?
cp -r "$small/run" "$out"
exit $code
"#;

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_meets_a_full_disk_keeps_what_it_has_and_goes_on_when_there_is_space() {
    let case = Case::new();
    case.finish("whole", 2);
    let length = |name: &str| std::fs::metadata(case.directory("whole").join(name)).unwrap().len();
    let all = 2 * (length("replica-000.h5") + length("checkpoint"));
    let small = case.directory("small");
    std::fs::create_dir(&small).unwrap();
    let in_a_file_system_of = |bytes: u64, out: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", IN_A_SMALL_FILE_SYSTEM, "sh"]);
        command.args([&bytes.to_string(), small.to_str().unwrap(), case.directory(out).to_str().unwrap()]);
        command
    };
    let probe = in_a_file_system_of(4096, "probe")
        .args(["mkdir", "small/run"])
        .current_dir(case.home.path())
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("VITRION_TEST_MOUNTS").is_none(), "no user may mount a file system here");
        eprintln!("skipped: this machine lets no user mount a file system of a limited size");
        return;
    }
    for (name, bytes) in [("never begun", 4096), ("beginning", all / 2), ("middle", all * 3 / 4)] {
        let output =
            in_a_file_system_of(bytes, name).arg(VITRION).args(case.arguments("small/run")).output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {message}");
        assert!(message.contains("No space left"), "{name}: {message}");
        case.check_files(name);
        case.finish(name, 2);
        case.compare("whole", name);
    }
}
