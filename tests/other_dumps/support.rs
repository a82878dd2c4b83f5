//! Dumps made up of a walk in a cell that may change, written in any of the ways that LAMMPS can write it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use glam::DVec3;
use vitrion_core::random::{Counter, Stream};

pub const ATOMS: usize = 24;

/// One frame: fractional coordinates, unwrapped, in an orthogonal cell.
#[derive(Clone)]
pub struct Snapshot {
    pub step: i64,
    pub edges: DVec3,
    pub origin: DVec3,
    pub s: Vec<DVec3>,
}

impl Snapshot {
    fn place(&self, s: DVec3) -> DVec3 {
        self.origin + self.edges * s
    }
}

/// A walk of `frames` frames, 100 steps apart, in a cell of 10 angstrom from 0; steps of variance 0.02 angstrom^2 a direction.
pub fn walk(frames: i64) -> Vec<Snapshot> {
    let counter = |stream, step, particle| Counter { seed: 4, stream, replica: 0, step, particle };
    let start = |particle| {
        let [x, y, z, _] = counter(Stream::BuilderPosition, 0, particle).uniform();
        DVec3::new(x, y, z)
    };
    let mut s: Vec<DVec3> = (0..ATOMS as u32).map(start).collect();
    (0..frames)
        .map(|frame| {
            if frame > 0 {
                for (particle, s) in (0..).zip(&mut s) {
                    let [x, y, z, _] = counter(Stream::Velocity, frame.cast_unsigned(), particle).normal();
                    *s += DVec3::new(x, y, z) * 0.02f64.sqrt() / 10.0;
                }
            }
            Snapshot { step: 100 * frame, edges: DVec3::splat(10.0), origin: DVec3::ZERO, s: s.clone() }
        })
        .collect()
}

/// The same in a cell that breathes by 4 % about its fixed centre, as LAMMPS' barostat does it.
pub fn breathing(frames: i64) -> Vec<Snapshot> {
    let mut walk = walk(frames);
    for (i, frame) in (0..).zip(&mut walk) {
        frame.edges = DVec3::splat(10.0 * (1.0 + 0.04 * f64::from(i).sin()));
        frame.origin = 0.5 * (DVec3::splat(10.0) - frame.edges);
    }
    walk
}

/// Mean squared displacement over all atoms and times, for each lag from 1: displacements are increments of fractional
/// coordinates, each with the cell of its frame.
pub fn expected(frames: &[Snapshot]) -> Vec<f64> {
    let mut places = vec![frames[0].s.iter().map(|s| frames[0].place(*s)).collect::<Vec<_>>()];
    for pair in frames.windows(2) {
        let last = &places[places.len() - 1];
        let next = (0..last.len()).map(|i| last[i] + pair[1].edges * (pair[1].s[i] - pair[0].s[i]));
        places.push(next.collect());
    }
    (1..frames.len())
        .map(|lag| {
            let squares = places[lag..]
                .iter()
                .zip(&places)
                .flat_map(|(now, then)| now.iter().zip(then).map(|(a, b)| a.distance_squared(*b)));
            squares.sum::<f64>() / ((frames.len() - lag) * frames[0].s.len()) as f64
        })
        .collect()
}

/// How a dump is written.
pub struct Style {
    pub columns: &'static str,
    /// Behind `ITEM: BOX BOUNDS`.
    pub boundary: &'static str,
    /// At the head of the file.
    pub units: Option<&'static str>,
    /// Units of length and time, in angstrom and ps.
    pub length: f64,
    pub time: f64,
    /// `ITEM: TIME`, for a step of this length (ps).
    pub step: Option<f64>,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            columns: "id type x y z ix iy iz",
            boundary: " pp pp pp",
            units: None,
            length: 1.0,
            time: 1.0,
            step: None,
        }
    }
}

impl Style {
    pub fn columns(columns: &'static str) -> Self {
        Self { columns, ..Self::default() }
    }

    /// A dump of these frames.
    pub fn write(&self, frames: &[Snapshot]) -> String {
        let head = self.units.map_or(String::new(), |units| format!("ITEM: UNITS\n{units}\n"));
        head + &frames.iter().map(|frame| self.frame(frame)).collect::<String>()
    }

    /// One frame.
    pub fn frame(&self, frame: &Snapshot) -> String {
        let mut text = String::new();
        if let Some(step) = self.step {
            let _ = write!(text, "ITEM: TIME\n{}\n", frame.step as f64 * step / self.time);
        }
        let n = frame.s.len();
        let _ = write!(text, "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{n}\n", frame.step);
        let _ = writeln!(text, "ITEM: BOX BOUNDS{}", self.boundary);
        let (low, high) = (frame.origin / self.length, (frame.origin + frame.edges) / self.length);
        for k in 0..3 {
            let _ = writeln!(text, "{} {}", low[k], high[k]);
        }
        let _ = writeln!(text, "ITEM: ATOMS {}", self.columns);
        for atom in 0..n {
            let words: Vec<String> =
                self.columns.split(' ').map(|column| self.word(column, frame, atom)).collect();
            let _ = writeln!(text, "{}", words.join(" "));
        }
        text
    }

    fn word(&self, column: &str, frame: &Snapshot, atom: usize) -> String {
        let s = frame.s[atom];
        let wrapped = s - s.floor();
        let axis = |name: &str| "xyz".find(&name[..1]).unwrap_or(0);
        match column {
            "id" => (atom + 1).to_string(),
            "type" => kind(atom).to_string(),
            "element" => ["K", "Ca"][kind(atom) - 1].to_string(),
            "mass" => [39.0983, 40.078][kind(atom) - 1].to_string(),
            "mol" => (atom / 2 + 1).to_string(),
            "x" | "y" | "z" => (frame.place(wrapped) / self.length)[axis(column)].to_string(),
            "xu" | "yu" | "zu" => (frame.place(s) / self.length)[axis(column)].to_string(),
            "xs" | "ys" | "zs" => wrapped[axis(column)].to_string(),
            "xsu" | "ysu" | "zsu" => s[axis(column)].to_string(),
            "ix" | "iy" | "iz" => s.floor()[axis(&column[1..])].to_string(),
            _ => panic!("no column {column}"),
        }
    }
}

/// Type of an atom: 1 or 2.
pub fn kind(atom: usize) -> usize {
    1 + usize::from(atom % 3 == 2)
}

/// A directory and the program.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_string()
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        std::fs::write(self.at(name), contents).unwrap();
        self.path(name)
    }

    /// Runs `analyze --only msd,rdf` on a file with these contents, into a directory of its own: what it says, and (t, MSD) of all.
    pub fn analyze(&self, name: &str, contents: impl AsRef<[u8]>, more: &[&str]) -> (String, Vec<[f64; 2]>) {
        let input = self.write(name, contents);
        analyze_file(&input, more)
    }

    /// What `analyze` says when it refuses these contents.
    pub fn refused(&self, name: &str, contents: impl AsRef<[u8]>, more: &[&str]) -> String {
        let input = self.write(name, contents);
        let out = self.path(&format!("{name}.out"));
        let words = refused(&[&["analyze", &input, "--only", "msd,rdf", "--out", &out], more].concat());
        assert!(!self.at(&format!("{name}.out")).join("msd.csv").exists(), "{name}: nothing is measured");
        words
    }
}

/// Runs `analyze --only msd,rdf` on a file: what it says, and (t, MSD) of all.
pub fn analyze_file(input: &str, more: &[&str]) -> (String, Vec<[f64; 2]>) {
    let out = format!("{input}.out");
    let words = done(&[&["analyze", input, "--only", "msd,rdf", "--out", &out], more].concat());
    (words, displacements(Path::new(&out), "all"))
}

/// (t, MSD) of a species.
pub fn displacements(out: &Path, species: &str) -> Vec<[f64; 2]> {
    let text = std::fs::read_to_string(out.join("msd.csv")).unwrap();
    let row = |line: &str| {
        let words: Vec<&str> = line.split(',').collect();
        (words[0] == species).then(|| [words[1].parse().unwrap(), words[2].parse().unwrap()])
    };
    text.lines().skip(1).filter_map(row).collect()
}

pub fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

/// Everything that it says.
pub fn done(arguments: &[&str]) -> String {
    let output = vitrion(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The error.
pub fn refused(arguments: &[&str]) -> String {
    let output = vitrion(arguments);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {words}");
    assert!(words.starts_with("error: ") || words.contains("\nerror: "), "{words}");
    words
}

/// All the same but for relative round-off: numbers of 16 digits through sums of some hundred.
pub fn assert_displacements(found: &[[f64; 2]], step: f64, expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (lag, ([t, msd], expected)) in (1..).zip(found.iter().zip(expected)) {
        let time = 100.0 * step * f64::from(lag);
        assert!((t / time - 1.0).abs() < 1e-9, "lag {lag}: {t} ps, not {time}");
        assert!((msd / expected - 1.0).abs() < 1e-9, "lag {lag}: {msd}, not {expected}");
    }
}
