//! The program with its own HDF5 (`--features static-hdf5`), which is copied to machines without Rust: it needs the C library and
//! nothing else, and simulates, analyses and reports where nothing else is. `make test-static` builds and runs this.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const VITRION: &str = env!("CARGO_BIN_EXE_vitrion");
/// Of the C library, whose older versions have more files, and of the compiler.
const ALLOWED: [&str; 8] =
    ["libc.so", "libm.so", "libgcc_s.so", "ld-linux", "linux-vdso", "libpthread.so", "libdl.so", "librt.so"];

/// Names and paths of the libraries that the program needs.
fn libraries() -> Vec<(String, Option<PathBuf>)> {
    let output = Command::new("ldd").arg(VITRION).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)`, `/lib64/ld-linux-x86-64.so.2 (0x...)`, `linux-vdso.so.1 (0x...)`.
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = words[0].rsplit('/').next().unwrap().to_owned();
            (name, words.into_iter().find(|word| word.starts_with('/')).map(PathBuf::from))
        })
        .collect()
}

#[test]
fn it_needs_the_c_library_and_nothing_else() {
    let libraries = libraries();
    assert!(libraries.len() > 2, "{libraries:?}");
    for (name, _) in libraries {
        assert!(ALLOWED.iter().any(|allowed| name.starts_with(allowed)), "{name}");
    }
}

/// A directory that is the whole world of the program.
struct BareRoot {
    root: tempfile::TempDir,
    /// How a program is started in it.
    enter: Vec<String>,
}

impl BareRoot {
    /// None where this machine lets no user change the root.
    fn new() -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        for (_, path) in libraries() {
            let Some(path) = path else { continue };
            let copy = root.path().join(path.strip_prefix("/").unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(&path, copy).unwrap();
        }
        fs::copy(VITRION, root.path().join("vitrion")).unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = root.path().to_str().unwrap();
        let ways = [
            vec![
                "unshare".to_owned(),
                "--user".to_owned(),
                "--map-root-user".to_owned(),
                format!("--root={path}"),
            ],
            vec!["chroot".to_owned(), path.to_owned()],
        ];
        let works = |way: &[String]| {
            let output = Command::new(&way[0]).args(&way[1..]).args(["/vitrion", "--version"]).output();
            output.is_ok_and(|output| output.status.success())
        };
        let enter = ways.into_iter().find(|way| works(way))?;
        Some(Self { root, enter })
    }

    fn vitrion(&self, arguments: &[&str]) -> Output {
        Command::new(&self.enter[0])
            .args(&self.enter[1..])
            .arg("/vitrion")
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .output()
            .unwrap()
    }
}

/// The demo of the README, shorter.
fn configuration() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/quickstart.toml");
    let mut text = fs::read_to_string(path).unwrap();
    for (long, short) in [("16 ps", "0.2 ps"), ("32 ps", "0.2 ps"), ("48 ps", "1 ps")] {
        let shorter = text.replace(&format!("duration = \"{long}\""), &format!("duration = \"{short}\""));
        assert_ne!(shorter, text, "{long}");
        text = shorter;
    }
    text
}

#[test]
fn it_simulates_analyses_and_reports_in_a_bare_root() {
    let Some(bare) = BareRoot::new() else {
        eprintln!("skipped: this machine lets no user change the root");
        return;
    };
    fs::write(bare.root.path().join("demo.toml"), configuration()).unwrap();
    for arguments in [
        &["run", "/demo.toml", "--dir", "/demo"][..],
        // A finished run: its trajectory is read.
        &["run", "/demo.toml", "--dir", "/demo"],
        &["info", "/demo"],
        &["analyze", "/demo"],
        &["report", "/demo"],
        &["convert", "/demo/replica-000.h5", "/last.data", "--frame", "last"],
        &["verify"],
    ] {
        let output = bare.vitrion(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for file in ["demo/replica-000.h5", "demo/analysis/results.h5", "demo/analysis/msd.csv", "last.data"] {
        assert!(bare.root.path().join(file).metadata().unwrap().len() > 1000, "{file}");
    }
    let pages = |directory: &str| {
        let entries = fs::read_dir(bare.root.path().join(directory)).unwrap();
        entries.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == "html")).count()
    };
    assert!(pages("demo") + pages("demo/analysis") > 0, "no page");
}
