//! Small valid files of every kind, and the calls that read them.

use std::path::{Path, PathBuf};

use crate::mutate::Draw;

/// Puts bytes into a directory, for one of the calls of a kind.
pub type Call = fn(usize, &[u8], &Seeds, &Path) -> (PathBuf, Vec<String>);

/// A kind of file.
pub struct Kind {
    /// Also the first word of its regressions.
    pub name: &'static str,
    /// Whether only bytes are changed, not lines and numbers.
    pub binary: bool,
    /// Whether a checksum refuses every mutant.
    pub sealed: bool,
    /// Calls of the program that read it.
    pub variants: usize,
    /// A valid file; one of several.
    pub seed: fn(&Seeds, &mut Draw) -> Vec<u8>,
    /// Puts the bytes into a directory; the place of the file, and the arguments of a call.
    pub call: Call,
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "config",
        binary: false,
        sealed: false,
        variants: 1,
        seed: |s, _| s.config.clone(),
        call: config,
    },
    Kind {
        name: "force_field",
        binary: false,
        sealed: false,
        variants: 2,
        seed: |s, _| s.force_field.clone(),
        call: force_field,
    },
    Kind { name: "data", binary: false, sealed: false, variants: 3, seed: |s, _| s.data.clone(), call: data },
    Kind {
        name: "dump",
        binary: false,
        sealed: false,
        variants: 2,
        seed: |s, draw| s.dumps[draw.below(s.dumps.len())].clone(),
        call: dump,
    },
    Kind {
        name: "h5md",
        binary: true,
        sealed: false,
        variants: 3,
        seed: |s, draw| s.trajectories[draw.below(s.trajectories.len())].clone(),
        call: h5md,
    },
    Kind {
        name: "checkpoint",
        binary: true,
        sealed: true,
        variants: 1,
        seed: |s, _| s.checkpoint.clone(),
        call: checkpoint,
    },
    Kind {
        name: "results",
        binary: true,
        sealed: true,
        variants: 2,
        seed: |s, _| s.results.clone(),
        call: results,
    },
    // As of an earlier version: without the checksum behind its end.
    Kind {
        name: "unsealed",
        binary: true,
        sealed: false,
        variants: 2,
        seed: |s, _| s.results[..s.results.len() - SEAL].to_vec(),
        call: results,
    },
];

/// Bytes of the checksum of results: a mark, 64 digits and a line feed.
const SEAL: usize = b"\nvitrion-sha256 ".len() + 64 + 1;

/// Valid files.
pub struct Seeds {
    config: Vec<u8>,
    force_field: Vec<u8>,
    data: Vec<u8>,
    dumps: Vec<Vec<u8>>,
    trajectories: Vec<Vec<u8>>,
    checkpoint: Vec<u8>,
    results: Vec<u8>,
    /// The run that checkpoint and results are of.
    run: PathBuf,
    /// The valid data file.
    system: PathBuf,
}

/// 14 atoms; what takes the most time is the start of the program.
const CONFIG: &str = r#"
title = "a small melt"
[system]
force_field = "short.toml"
molecules = { nitrate = 4, K = 2, Ca = 1 }
density = "0.9 g/cm^3"
seed = 3
replicas = 1
[run]
backend = "cpu"
precision = "reference"
force_accuracy = 1e-3
checkpoint_every = "10 s"
[[stage]]
name = "relax"
kind = "minimize"
max_steps = 40
force_tolerance = "20 kcal/mol/angstrom"
[[stage]]
name = "melt"
kind = "npt"
duration = "8 fs"
timestep = "1 fs"
temperature = "900 K"
temperature_rate = "-1 K/ps"
pressure = "1 atm"
thermostat_period = "400 fs"
barostat_period = "4 ps"
thermo = { every = "2 fs" }
[[stage]]
name = "produce"
kind = "nvt"
duration = "40 fs"
timestep = "1 fs"
temperature = "850 K"
thermostat_period = "400 fs"
frames = { every = "4 fs" }
thermo = { every = "4 fs" }
window_means = { window = "8 fs", sample_every = "2 fs" }
stress_correlator = { sample_every = "2 fs", points = 8, averaging = 2, levels = 4 }
"#;

impl Seeds {
    /// Makes them below a directory; `vitrion` calls the program, which must succeed.
    pub fn new(directory: &Path, vitrion: impl Fn(&[String])) -> Self {
        let force_field = include_str!("../../configs/force_fields/ckn-rigid.toml");
        let short = force_field.replace("cutoff = \"10 angstrom\"", "cutoff = \"4 angstrom\"");
        let at = |name: &str| directory.join(name);
        std::fs::write(at("short.toml"), &short).expect("a file");
        std::fs::write(at("small.toml"), CONFIG).expect("a file");
        let run = at("run");
        vitrion(&words(&[&"run", &at("small.toml"), &"--plain", &"--dir", &run]));
        let system = at("small.data");
        let trajectory = run.join("replica-000.h5");
        let last = words(&[
            &"convert",
            &trajectory,
            &system,
            &"--force-field",
            &at("short.toml"),
            &"--frame",
            &"last",
        ]);
        vitrion(&last);
        vitrion(&words(&[&"analyze", &run, &"--only", &"msd,rdf"]));
        std::fs::write(at("plain.lammpstrj"), dump_text(false)).expect("a file");
        vitrion(&words(&[&"convert", &at("plain.lammpstrj"), &at("plain.h5")]));
        let read = |path: PathBuf| std::fs::read(path).expect("a file that was written");
        Self {
            config: CONFIG.as_bytes().to_vec(),
            force_field: short.into_bytes(),
            data: read(system.clone()),
            dumps: vec![dump_text(false).into_bytes(), dump_text(true).into_bytes()],
            trajectories: vec![read(trajectory), read(at("plain.h5"))],
            checkpoint: read(run.join("checkpoint")),
            results: read(run.join("analysis/results.h5")),
            run,
            system,
        }
    }
}

/// Five frames of eight atoms: orthogonal with images, or triclinic and scaled.
fn dump_text(triclinic: bool) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for frame in 0..5 {
        let _ = writeln!(text, "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n8", 100 * frame);
        text += if triclinic {
            "ITEM: BOX BOUNDS xy xz yz pp pp pp\n-1 13 2\n0 11 -1\n0 9 0.5\nITEM: ATOMS id type xs ys zs\n"
        } else {
            "ITEM: BOX BOUNDS pp pp pp\n0 12\n0 11\n-1 10\nITEM: ATOMS id type x y z ix iy iz\n"
        };
        for atom in 0..8 {
            let [x, y, z] = [1, 2, 4]
                .map(|bit| f64::from(atom & bit) / f64::from(2 * bit) + 0.01 * f64::from(frame * (atom % 3)));
            let kind = 1 + atom % 2;
            let _ = if triclinic {
                writeln!(text, "{} {kind} {x} {y} {z}", atom + 1)
            } else {
                writeln!(
                    text,
                    "{} {kind} {} {} {} 0 {} 0",
                    atom + 1,
                    12.0 * x,
                    11.0 * y,
                    11.0 * z - 1.0,
                    atom % 2
                )
            };
        }
    }
    text
}

/// Arguments of the program, from texts and paths.
fn words(parts: &[&dyn AsRef<Path>]) -> Vec<String> {
    parts.iter().map(|part| part.as_ref().to_str().expect("a path in UTF-8").to_string()).collect()
}

fn put(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

fn config(_: usize, bytes: &[u8], seeds: &Seeds, directory: &Path) -> (PathBuf, Vec<String>) {
    put(directory, "short.toml", &seeds.force_field);
    let input = put(directory, "mutant.toml", bytes);
    let arguments = words(&[&"info", &input]);
    (input, arguments)
}

fn force_field(variant: usize, bytes: &[u8], seeds: &Seeds, directory: &Path) -> (PathBuf, Vec<String>) {
    let input = put(directory, "mutant.toml", bytes);
    let arguments = match variant {
        0 => words(&[&"forces", &seeds.system, &"--force-field", &input]),
        _ => words(&[&"info", &input]),
    };
    (input, arguments)
}

fn data(variant: usize, bytes: &[u8], seeds: &Seeds, directory: &Path) -> (PathBuf, Vec<String>) {
    let input = put(directory, "mutant.data", bytes);
    let force_field = put(directory, "short.toml", &seeds.force_field);
    let out = directory.join("out.xyz");
    let arguments = match variant {
        0 => words(&[&"forces", &input, &"--force-field", &force_field]),
        1 => words(&[&"convert", &input, &out, &"--force-field", &force_field]),
        _ => {
            let dump = put(directory, "sound.lammpstrj", &seeds.dumps[0]);
            words(&[
                &"analyze",
                &dump,
                &"--topology",
                &input,
                &"--only",
                &"msd,rdf",
                &"--out",
                &directory.join("out"),
            ])
        }
    };
    (input, arguments)
}

fn dump(variant: usize, bytes: &[u8], _: &Seeds, directory: &Path) -> (PathBuf, Vec<String>) {
    let input = put(directory, "mutant.lammpstrj", bytes);
    let arguments = match variant {
        0 => words(&[&"analyze", &input, &"--only", &"msd,rdf", &"--out", &directory.join("out")]),
        _ => words(&[&"convert", &input, &directory.join("out.xyz")]),
    };
    (input, arguments)
}

fn h5md(variant: usize, bytes: &[u8], _: &Seeds, directory: &Path) -> (PathBuf, Vec<String>) {
    let input = put(directory, "mutant.h5", bytes);
    let arguments = match variant {
        0 => words(&[&"analyze", &input, &"--only", &"msd,rdf", &"--out", &directory.join("out")]),
        1 => words(&[&"convert", &input, &directory.join("out.xyz")]),
        _ => words(&[&"info", &input]),
    };
    (input, arguments)
}

fn checkpoint(_: usize, bytes: &[u8], _: &Seeds, directory: &Path) -> (PathBuf, Vec<String>) {
    let input = put(directory, "checkpoint", bytes);
    let arguments = words(&[&"info", &input]);
    (input, arguments)
}

fn results(variant: usize, bytes: &[u8], seeds: &Seeds, directory: &Path) -> (PathBuf, Vec<String>) {
    let copy = directory.join("run");
    std::fs::create_dir_all(copy.join("analysis")).expect("a directory");
    for name in ["config.toml", "force_field.toml", "replica-000.h5"] {
        std::fs::copy(seeds.run.join(name), copy.join(name)).expect("a file of the run");
    }
    let input = put(&copy.join("analysis"), "results.h5", bytes);
    let arguments = match variant {
        0 => words(&[&"report", &copy]),
        _ => words(&[
            &"fit",
            &copy,
            &"--quantity",
            &"D",
            &"--temperatures",
            &"700 K",
            &"--out",
            &directory.join("fit"),
        ]),
    };
    (input, arguments)
}
