//! Makes H5MD files with the traits of other programs, and runs the program on them.

use std::path::PathBuf;
use std::process::{Command, Output};

use hdf5::types::VarLenUnicode;
use hdf5::{File, Group, H5Type, Location};
use tempfile::TempDir;

pub const FRAMES: usize = 20;
pub const N: usize = 60;
/// Edge of the cell (angstrom).
pub const L: f64 = 10.0;

/// What two ways of adding up the same numbers leave of 1.
pub const ROUND_OFF: f64 = 1e-9;

pub fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Walkers in pairs of opposite steps, so that their centre of mass stays: per frame and particle, unwrapped.
pub fn walk(largest: f64) -> Vec<Vec<[f64; 3]>> {
    let mut state = 12_345_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut now: Vec<[f64; 3]> = (0..N).map(|_| [0; 3].map(|_| L * random())).collect();
    let mut frames = vec![now.clone()];
    for _ in 1..FRAMES {
        for pair in now.chunks_exact_mut(2) {
            let step = [0; 3].map(|_| largest * (2.0 * random() - 1.0));
            for axis in 0..3 {
                pair[0][axis] += step[axis];
                pair[1][axis] -= step[axis];
            }
        }
        frames.push(now.clone());
    }
    frames
}

/// Mean squared displacement from frame to frame of the particles that `which` chooses.
pub fn moved(frames: &[Vec<[f64; 3]>], which: impl Fn(usize) -> bool) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for pair in frames.windows(2) {
        for i in (0..N).filter(|i| which(*i)) {
            sum += (0..3).map(|k| (pair[1][i][k] - pair[0][i][k]).powi(2)).sum::<f64>();
            n += 1.0;
        }
    }
    sum / n
}

pub fn wrapped(frames: &[Vec<[f64; 3]>]) -> Vec<Vec<[f64; 3]>> {
    map(frames, |x| x.rem_euclid(L))
}

pub fn images(frames: &[Vec<[f64; 3]>]) -> Vec<Vec<[f64; 3]>> {
    map(frames, |x| (x / L).floor())
}

pub fn map(frames: &[Vec<[f64; 3]>], f: impl Fn(f64) -> f64) -> Vec<Vec<[f64; 3]>> {
    frames.iter().map(|frame| frame.iter().map(|r| r.map(&f)).collect()).collect()
}

pub fn flat(frames: &[Vec<[f64; 3]>]) -> Vec<f64> {
    frames.iter().flatten().flatten().copied().collect()
}

/// A file with one group of particles.
pub struct Made {
    pub directory: TempDir,
    pub file: File,
}

/// Steps and times of an element: explicit steps of which each is 0.002 ps.
pub fn every(interval: i64, rows: usize) -> Vec<i64> {
    (0..).take(rows).map(|k| k * interval).collect()
}

pub fn word(location: &Location, name: &str, value: &str) {
    let text: VarLenUnicode = value.parse().unwrap();
    location.new_attr::<VarLenUnicode>().create(name).unwrap().write_scalar(&text).unwrap();
}

pub fn dataset<T: H5Type>(group: &Group, name: &str, shape: &[usize], values: &[T]) -> hdf5::Dataset {
    let dataset = group.new_dataset::<T>().shape(shape).create(name).unwrap();
    if !values.is_empty() {
        dataset.write_raw(values).unwrap();
    }
    dataset
}

pub fn scalar<T: H5Type>(group: &Group, name: &str, value: &T) -> hdf5::Dataset {
    let dataset = group.new_dataset::<T>().create(name).unwrap();
    dataset.write_scalar(value).unwrap();
    dataset
}

/// An element with explicit steps and, if there is a unit, times.
pub fn series<T: H5Type>(group: &Group, name: &str, row: &[usize], values: &[T], steps: &[i64]) -> Group {
    let element = group.create_group(name).unwrap();
    dataset(&element, "value", &[&[steps.len()], row].concat(), values);
    dataset(&element, "step", &[steps.len()], steps);
    element
}

pub fn times(element: &Group, steps: &[i64], of_a_step: f64, unit: Option<&str>) {
    let values: Vec<f64> = steps.iter().map(|s| *s as f64 * of_a_step).collect();
    let time = dataset(element, "time", &[values.len()], &values);
    if let Some(unit) = unit {
        word(&time, "unit", unit);
    }
}

impl Made {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("t.h5")).unwrap();
        let creator = file.create_group("h5md/creator").unwrap();
        word(&creator, "name", "test");
        file.create_group("particles").unwrap();
        Self { directory, file }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("t.h5")
    }

    pub fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// A group with positions (angstrom, every 100 steps of 2 fs) in a cubic box.
    pub fn group(&self, name: &str, positions: &[Vec<[f64; 3]>]) -> Group {
        let group = self.bare(name, positions);
        Made::boxed(&group, &["periodic"; 3], L);
        let position = group.group("position").unwrap();
        times(&position, &every(100, positions.len()), 0.002, Some("ps"));
        word(&position.dataset("value").unwrap(), "unit", "Angstrom");
        group
    }

    /// A group with positions and steps, and nothing else.
    pub fn bare(&self, name: &str, positions: &[Vec<[f64; 3]>]) -> Group {
        let group = self.file.create_group(&format!("particles/{name}")).unwrap();
        let n = positions.first().map_or(0, Vec::len);
        series(&group, "position", &[n, 3], &flat(positions), &every(100, positions.len()));
        group
    }

    pub fn boxed(group: &Group, boundary: &[&str; 3], edge: f64) {
        let cell = group.create_group("box").unwrap();
        let words: Vec<VarLenUnicode> = boundary.iter().map(|w| w.parse().unwrap()).collect();
        cell.new_attr_builder().with_data(&words[..]).create("boundary").unwrap();
        cell.new_attr::<i32>().create("dimension").unwrap().write_scalar(&3).unwrap();
        let edges = dataset(&cell, "edges", &[3], &[edge; 3]);
        word(&edges, "unit", "Angstrom");
    }

    pub fn run(&self, options: &[&str]) -> Output {
        self.file.flush().unwrap();
        let (path, out) = (self.path(), self.out());
        let fixed = ["analyze", path.to_str().unwrap(), "--only", "msd", "--out", out.to_str().unwrap()];
        vitrion(&[&fixed[..], options].concat())
    }

    /// First lag (ps) and mean squared displacement of a species at it, and what was said.
    pub fn msd(&self, species: &str, options: &[&str]) -> (f64, f64, String) {
        let _ = std::fs::remove_dir_all(self.out());
        let output = self.run(options);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = std::fs::read_to_string(self.out().join("msd.csv")).unwrap();
        let line = text.lines().find(|line| line.split(',').next() == Some(species));
        let line = line.unwrap_or_else(|| panic!("no {species} in {text}"));
        let number = |column| line.split(',').nth(column).unwrap().parse::<f64>().unwrap();
        (number(1), number(2), stderr(&output))
    }

    /// The message of a refusal.
    pub fn refused(&self, options: &[&str]) -> String {
        let output = self.run(options);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stderr(&output)
    }

    pub fn convert(&self, options: &[&str]) -> (String, String) {
        self.file.flush().unwrap();
        let (path, out) = (self.path(), self.directory.path().join("o.xyz"));
        let _ = std::fs::remove_file(&out);
        let fixed = ["convert", path.to_str().unwrap(), out.to_str().unwrap()];
        let output = vitrion(&[&fixed[..], options].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        (std::fs::read_to_string(out).unwrap(), stderr(&output))
    }

    pub fn info(&self, options: &[&str]) -> String {
        self.file.flush().unwrap();
        let path = self.path();
        let output = vitrion(&[&["info", path.to_str().unwrap()][..], options].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The id of a particle, from 0.
pub fn id_of(particle: usize) -> i64 {
    i64::try_from(particle).unwrap()
}

/// 1, 2, 1, 2 ...
pub fn two_species() -> Vec<i32> {
    (0..).take(N).map(|i| 1 + i % 2).collect()
}

pub fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= ROUND_OFF * expected.abs().max(1.0), "{found} is not {expected}");
}
