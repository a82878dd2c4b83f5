//! H5MD files of other programs through the program: understood, or refused with the place and the remedy; what is assumed is said.
//!
//! Each file is made here, with a trait of a public report: MDAnalysis #4561, #4598, #4722, #4320 (elements with intervals of their own,
//! no units, no species), ESPResSo #985 and #4480 (ids in any order), pyiron_atomistics #446 (species written again and again), votca/csg
//! #535 (nm and angstrom), matterviz #383 (boundary), the source of LAMMPS' `dump h5md` (`unwrap yes` beside `image`), and the H5MD
//! specification (doi:10.1016/j.cpc.2014.01.018).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hdf5::types::VarLenUnicode;
use hdf5::{File, Group, H5Type, Location};
use tempfile::TempDir;

const FRAMES: usize = 20;
const N: usize = 60;
/// Edge of the cell (angstrom).
const L: f64 = 10.0;

/// What two ways of adding up the same numbers leave of 1.
const ROUND_OFF: f64 = 1e-9;

fn vitrion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion")).args(arguments).output().expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Walkers in pairs of opposite steps, so that their centre of mass stays: per frame and particle, unwrapped.
fn walk(largest: f64) -> Vec<Vec<[f64; 3]>> {
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
fn moved(frames: &[Vec<[f64; 3]>], which: impl Fn(usize) -> bool) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for pair in frames.windows(2) {
        for i in (0..N).filter(|i| which(*i)) {
            sum += (0..3).map(|k| (pair[1][i][k] - pair[0][i][k]).powi(2)).sum::<f64>();
            n += 1.0;
        }
    }
    sum / n
}

fn wrapped(frames: &[Vec<[f64; 3]>]) -> Vec<Vec<[f64; 3]>> {
    map(frames, |x| x.rem_euclid(L))
}

fn images(frames: &[Vec<[f64; 3]>]) -> Vec<Vec<[f64; 3]>> {
    map(frames, |x| (x / L).floor())
}

fn map(frames: &[Vec<[f64; 3]>], f: impl Fn(f64) -> f64) -> Vec<Vec<[f64; 3]>> {
    frames.iter().map(|frame| frame.iter().map(|r| r.map(&f)).collect()).collect()
}

fn flat(frames: &[Vec<[f64; 3]>]) -> Vec<f64> {
    frames.iter().flatten().flatten().copied().collect()
}

/// A file with one group of particles.
struct Made {
    directory: TempDir,
    file: File,
}

/// Steps and times of an element: explicit steps of which each is 0.002 ps.
fn every(interval: i64, rows: usize) -> Vec<i64> {
    (0..rows as i64).map(|k| k * interval).collect()
}

fn word(location: &Location, name: &str, value: &str) {
    let text: VarLenUnicode = value.parse().unwrap();
    location.new_attr::<VarLenUnicode>().create(name).unwrap().write_scalar(&text).unwrap();
}

fn dataset<T: H5Type>(group: &Group, name: &str, shape: &[usize], values: &[T]) -> hdf5::Dataset {
    let dataset = group.new_dataset::<T>().shape(shape).create(name).unwrap();
    if !values.is_empty() {
        dataset.write_raw(values).unwrap();
    }
    dataset
}

fn scalar<T: H5Type>(group: &Group, name: &str, value: &T) -> hdf5::Dataset {
    let dataset = group.new_dataset::<T>().create(name).unwrap();
    dataset.write_scalar(value).unwrap();
    dataset
}

/// An element with explicit steps and, if there is a unit, times.
fn series<T: H5Type>(group: &Group, name: &str, row: &[usize], values: &[T], steps: &[i64]) -> Group {
    let element = group.create_group(name).unwrap();
    dataset(&element, "value", &[&[steps.len()], row].concat(), values);
    dataset(&element, "step", &[steps.len()], steps);
    element
}

fn times(element: &Group, steps: &[i64], of_a_step: f64, unit: Option<&str>) {
    let values: Vec<f64> = steps.iter().map(|s| *s as f64 * of_a_step).collect();
    let time = dataset(element, "time", &[values.len()], &values);
    if let Some(unit) = unit {
        word(&time, "unit", unit);
    }
}

impl Made {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("t.h5")).unwrap();
        let creator = file.create_group("h5md/creator").unwrap();
        word(&creator, "name", "test");
        file.create_group("particles").unwrap();
        Self { directory, file }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("t.h5")
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// A group with positions (angstrom, every 100 steps of 2 fs) in a cubic box.
    fn group(&self, name: &str, positions: &[Vec<[f64; 3]>]) -> Group {
        let group = self.bare(name, positions);
        self.boxed(&group, &["periodic"; 3], L);
        let position = group.group("position").unwrap();
        times(&position, &every(100, positions.len()), 0.002, Some("ps"));
        word(&position.dataset("value").unwrap(), "unit", "Angstrom");
        group
    }

    /// A group with positions and steps, and nothing else.
    fn bare(&self, name: &str, positions: &[Vec<[f64; 3]>]) -> Group {
        let group = self.file.create_group(&format!("particles/{name}")).unwrap();
        let n = positions.first().map_or(0, Vec::len);
        series(&group, "position", &[n, 3], &flat(positions), &every(100, positions.len()));
        group
    }

    fn boxed(&self, group: &Group, boundary: &[&str; 3], edge: f64) {
        let cell = group.create_group("box").unwrap();
        let words: Vec<VarLenUnicode> = boundary.iter().map(|w| w.parse().unwrap()).collect();
        cell.new_attr_builder().with_data(&words[..]).create("boundary").unwrap();
        cell.new_attr::<i32>().create("dimension").unwrap().write_scalar(&3).unwrap();
        let edges = dataset(&cell, "edges", &[3], &[edge; 3]);
        word(&edges, "unit", "Angstrom");
    }

    fn run(&self, options: &[&str]) -> Output {
        self.file.flush().unwrap();
        let (path, out) = (self.path(), self.out());
        let fixed = ["analyze", path.to_str().unwrap(), "--only", "msd", "--out", out.to_str().unwrap()];
        vitrion(&[&fixed[..], options].concat())
    }

    /// First lag (ps) and mean squared displacement of a species at it, and what was said.
    fn msd(&self, species: &str, options: &[&str]) -> (f64, f64, String) {
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
    fn refused(&self, options: &[&str]) -> String {
        let output = self.run(options);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stderr(&output)
    }

    fn convert(&self, options: &[&str]) -> (String, String) {
        self.file.flush().unwrap();
        let (path, out) = (self.path(), self.directory.path().join("o.xyz"));
        let _ = std::fs::remove_file(&out);
        let fixed = ["convert", path.to_str().unwrap(), out.to_str().unwrap()];
        let output = vitrion(&[&fixed[..], options].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        (std::fs::read_to_string(out).unwrap(), stderr(&output))
    }

    fn info(&self, options: &[&str]) -> String {
        self.file.flush().unwrap();
        let path = self.path();
        let output = vitrion(&[&["info", path.to_str().unwrap()][..], options].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// 1, 2, 1, 2 ...
fn two_species() -> Vec<i32> {
    (0..N as i32).map(|i| 1 + i % 2).collect()
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= ROUND_OFF * expected.abs().max(1.0), "{found} is not {expected}");
}

/// Rows in another order in every frame: per frame, the particle in each row.
fn shuffled() -> Vec<Vec<usize>> {
    (0..FRAMES).map(|frame| (0..N).map(|row| (row * 7 + frame * 13) % N).collect()).collect()
}

fn in_rows<T: Clone>(order: &[usize], of_particles: &[T]) -> Vec<T> {
    order.iter().map(|particle| of_particles[*particle].clone()).collect()
}

#[test]
fn particles_are_followed_by_their_ids_whatever_their_rows() {
    let frames = walk(0.8);
    let order = shuffled();
    let rows = |frames: &[Vec<[f64; 3]>]| -> Vec<Vec<[f64; 3]>> {
        frames.iter().zip(&order).map(|(frame, order)| in_rows(order, frame)).collect()
    };
    let steps = every(100, FRAMES);
    let ids: Vec<i64> = order.iter().flatten().map(|p| *p as i64 + 5).collect();
    // Everything written again and again, as ESPResSo does.
    let made = Made::new();
    let group = made.group("atoms", &rows(&wrapped(&frames)));
    series(&group, "image", &[N, 3], &flat(&rows(&images(&frames))), &steps);
    series(&group, "id", &[N], &ids, &steps);
    let of_particle = two_species();
    let species: Vec<i32> = order.iter().flat_map(|order| in_rows(order, &of_particle)).collect();
    series(&group, "species", &[N], &species, &steps);
    let masses: Vec<f64> = species.iter().map(|s| f64::from(*s)).collect();
    series(&group, "mass", &[N], &masses, &steps);
    for (name, species) in [("1", 0), ("2", 1)] {
        let (lag, msd, _) = made.msd(name, &[]);
        assert_close(lag, 0.2);
        assert_close(msd, moved(&frames, |i| i % 2 == species));
    }
    // A species that is written once cannot be one of rows, which change their particles: it is one of ids, and that is said.
    group.unlink("species").unwrap();
    dataset(&group, "species", &[N], &of_particle);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(said.contains("species is written once") && said.contains("in the order of their ids"), "{said}");
    // Where rows change their particles only within a species, the species is one of rows.
    let blocks: Vec<usize> = (0..N).map(|i| (i % 2) * 30 + i / 2).collect();
    let made = Made::new();
    let order: Vec<Vec<usize>> =
        (0..FRAMES).map(|f| (0..N).map(|row| 2 * ((row + f) % 30) + row / 30).collect()).collect();
    let positions: Vec<_> = frames.iter().zip(&order).map(|(frame, order)| in_rows(order, frame)).collect();
    let group = made.group("atoms", &wrapped(&positions));
    series(&group, "id", &[N], &order.iter().flatten().map(|p| *p as i64).collect::<Vec<_>>(), &steps);
    dataset(&group, "species", &[N], &(0..N).map(|row| 1 + (row / 30) as i32).collect::<Vec<_>>());
    assert_eq!(blocks[1], 30);
    let (_, msd, _) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
}

#[test]
fn rows_without_a_particle_are_left_out_and_other_particles_refused() {
    let frames = walk(0.8);
    let steps = every(100, FRAMES);
    // Two more rows a frame, at the end or in the middle, with positions that are no numbers.
    let with_places = |frame: usize| if frame % 2 == 0 { N } else { 10 };
    let build = |change: &dyn Fn(&mut Vec<i64>)| {
        let made = Made::new();
        let (mut positions, mut ids) = (Vec::new(), Vec::new());
        for (index, frame) in wrapped(&frames).iter().enumerate() {
            let (mut r, mut id) = (frame.clone(), (0..N as i64).collect::<Vec<_>>());
            for _ in 0..2 {
                r.insert(with_places(index), [f64::NAN; 3]);
                id.insert(with_places(index), if index % 2 == 0 { -1 } else { 777 });
            }
            positions.push(r);
            ids.extend(id);
        }
        change(&mut ids);
        let group = made.group("atoms", &positions);
        let element = group.create_group("id").unwrap();
        let builder = element.new_dataset_builder().chunk((1, N + 2)).fill_value(777_i64);
        let value = builder.empty::<i64>().shape((FRAMES, N + 2)).create("value").unwrap();
        value.write_raw(&ids).unwrap();
        dataset(&element, "step", &[FRAMES], &steps);
        dataset(&group, "species", &[N], &two_species());
        made
    };
    let (_, msd, said) = build(&|_| {}).msd("2", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 1));
    assert!(said.contains("2 of 62 rows of a frame hold no particle"), "{said}");
    let twice = build(&|ids| ids[5 * (N + 2) + 1] = 0).refused(&[]);
    assert!(twice.contains("row 5: two particles have the id 0"), "{twice}");
    let gone = build(&|ids| ids[4 * (N + 2) + 1] = -1).refused(&[]);
    assert!(gone.contains("row 4: particle 1 of the first row is not there"), "{gone}");
    let new = build(&|ids| ids[4 * (N + 2) + 1] = 400).refused(&[]);
    assert!(new.contains("row 4: particle 400 is there, but not in the first row"), "{new}");
}

/// A scalar clock: an increment and, if it is not zero, an offset.
fn incremented(element: &Group, increment: i64, offset: Option<&[i64]>) {
    let step = scalar(element, "step", &increment);
    if let Some(offset) = offset {
        let attribute = step.new_attr::<i64>().shape(offset.len()).create("offset").unwrap();
        attribute.write_raw(offset).unwrap();
    }
    let time = scalar(element, "time", &(increment as f64 * 0.002));
    word(&time, "unit", "ps");
    if let Some(offset) = offset {
        let values: Vec<f64> = offset.iter().map(|o| *o as f64 * 0.002).collect();
        let attribute = time.new_attr::<f64>().shape(offset.len()).create("offset").unwrap();
        attribute.write_raw(&values).unwrap();
    }
}

/// Positions at rest, every 100 steps by an increment, and a box of `edges` with a clock of its own.
fn with_box(edges: &[f64], clock: impl Fn(&Group)) -> Made {
    let made = Made::new();
    let group = made.file.create_group("particles/all").unwrap();
    let position = group.create_group("position").unwrap();
    dataset(&position, "value", &[FRAMES, 2, 3], &[1.0; FRAMES * 6]);
    incremented(&position, 100, None);
    let element = group.create_group("box/edges").unwrap();
    let rows: Vec<f64> = edges.iter().flat_map(|edge| [*edge; 3]).collect();
    dataset(&element, "value", &[edges.len(), 3], &rows);
    clock(&element);
    dataset(&group, "species", &[2], &[1, 2]);
    made
}

/// Edges of the box in the frames of an extended XYZ file.
fn edges(text: &str) -> Vec<f64> {
    let blocks = text.lines().filter_map(|line| line.strip_prefix("Lattice=\""));
    blocks.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_box_of_a_frame_is_the_last_one_written_before_it() {
    let growing = |n: usize, by: f64| (0..n).map(|k| 10.0 + by * k as f64).collect::<Vec<f64>>();
    // Every 400 steps, and every 50.
    let (text, _) = with_box(&growing(5, 2.0), |e| incremented(e, 400, None)).convert(&[]);
    assert_eq!(edges(&text), (0..FRAMES).map(|f| 10.0 + 2.0 * (f / 4) as f64).collect::<Vec<_>>());
    let (text, _) = with_box(&growing(40, 0.2), |e| incremented(e, 50, None)).convert(&[]);
    assert_eq!(edges(&text).last(), Some(&(10.0 + 0.2 * 38.0)));
    // Once is for ever; explicit steps; later than the first frames; not until the last ones.
    let (text, said) = with_box(&[10.0], |_| ()).convert(&[]);
    assert_eq!(edges(&text), [10.0; FRAMES]);
    assert!(said.contains("written once"), "{said}");
    let at = |steps: &'static [i64]| move |e: &Group| drop(dataset(e, "step", &[steps.len()], steps));
    let (text, said) = with_box(&[10.0, 11.0], at(&[250, 300])).convert(&[]);
    assert_eq!(edges(&text)[..5], [10.0, 10.0, 10.0, 11.0, 11.0]);
    assert!(said.contains("its first box is that of 3 frames before, its last one of 16 after"), "{said}");
    // Steps that go back say nothing, nor do rows without any.
    let path = with_box(&[10.0, 11.0, 12.0], at(&[0, 300, 200]));
    let error = path.refused(&[]);
    assert!(error.contains("box/edges/value") && error.contains("do not increase"), "{error}");
    let error = with_box(&[10.0, 11.0, 12.0], |_| ()).refused(&[]);
    assert!(error.contains("3 rows for 20 frames"), "{error}");
}

#[test]
fn an_offset_may_be_an_array_of_one_number() {
    for offset in [&[5000_i64][..], &[-300]] {
        let made = Made::new();
        let group = made.file.create_group("particles/all").unwrap();
        let position = group.create_group("position").unwrap();
        dataset(&position, "value", &[3, 1, 3], &[1.0; 9]);
        incremented(&position, 100, Some(offset));
        let (first, last) = (offset[0], offset[0] + 200);
        let text = made.info(&[]);
        let number = |n: i64| if n > 999 { format!("{},{:03}", n / 1000, n % 1000) } else { n.to_string() };
        let plain = text.replace(['\u{2009}', '\u{202f}', '_', ' '], "");
        let wanted = format!("steps{}to{}", number(first), number(last)).replace(' ', "");
        assert!(plain.replace(',', "").contains(&wanted.replace(',', "")), "{text}");
    }
}

#[test]
fn velocities_at_other_steps_cost_no_frames() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    series(&group, "velocity", &[N, 3], &vec![0.5; 2 * N * 3], &[0, 1000]);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(!said.contains("left out"), "{said}");
    let (text, _) = made.convert(&[]);
    let with: Vec<bool> =
        text.lines().filter(|l| l.starts_with("Lattice")).map(|l| l.contains(":vel:R:3")).collect();
    assert_eq!(with, (0..FRAMES).map(|f| f == 0 || f == 10).collect::<Vec<_>>());
}

#[test]
fn images_that_were_written_now_and_then_are_left_out() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    series(&group, "image", &[N, 3], &vec![0; 4 * N * 3], &every(500, 4));
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(said.contains("image/value is left out"), "{said}");
    // A fixed image says nothing of walls that are crossed later.
    group.unlink("image").unwrap();
    dataset(&group, "image", &[N, 3], &vec![0; N * 3]);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(said.contains("`image` never changes while particles cross the walls"), "{said}");
}

#[test]
fn fixed_positions_are_one_frame() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.file.create_group("particles/atoms").unwrap();
    let position = dataset(&group, "position", &[N, 3], &flat(&wrapped(&frames)[..1]));
    word(&position, "unit", "Angstrom");
    made.boxed(&group, &["periodic"; 3], L);
    dataset(&group, "species", &[N], &two_species());
    let text = made.info(&[]);
    assert!(text.contains("frames        1, steps 0 to 0"), "{text}");
    let path = made.path();
    let out = made.out();
    let output =
        vitrion(&["analyze", path.to_str().unwrap(), "--only", "rdf", "--out", out.to_str().unwrap()]);
    assert!(output.status.success() && out.join("rdf.csv").exists(), "{}", stderr(&output));
}

#[test]
fn positions_that_are_unwrapped_beside_images_are_told_from_wrapped_ones() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let steps = every(100, FRAMES);
    let made = |positions: &[Vec<[f64; 3]>], counts: &[Vec<[f64; 3]>]| {
        let made = Made::new();
        let group = made.group("all", positions);
        dataset(&group, "species", &[N], &two_species());
        series(&group, "image", &[N, 3], &flat(counts), &steps);
        made
    };
    let (_, msd, said) = made(&wrapped(&frames), &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    assert!(!said.contains("unwrapped"), "{said}");
    let (_, msd, said) = made(&frames, &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    assert!(said.contains("unwrapped already"), "{said}");
    // In a cell whose corner is elsewhere, which H5MD does not say.
    let shifted = |frames: &[Vec<[f64; 3]>]| map(frames, |x| x - 3.7 * L);
    let (_, msd, _) = made(&shifted(&wrapped(&frames)), &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    let (_, msd, _) = made(&shifted(&frames), &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    // What moves without jumps is unwrapped, whatever is counted.
    let mut other = images(&frames);
    other.iter_mut().for_each(|frame| frame.rotate_left(17));
    let (_, msd, _) = made(&frames, &other).msd("1", &[]);
    assert_close(msd, expected);
    // The other way round, and counts of another system.
    let error = made(&wrapped(&frames), &map(&images(&frames), |n| -n)).refused(&[]);
    assert!(error.contains("the other way round"), "{error}");
    let error = made(&wrapped(&frames), &other).refused(&[]);
    assert!(error.contains("contradict each other"), "{error}");
}

#[test]
fn positions_far_outside_of_the_cell_are_unwrapped() {
    // Back and forth by 0.6 L along x, between 12 and 22.
    let frames: Vec<Vec<[f64; 3]>> = (0..FRAMES)
        .map(|f| {
            (0..N)
                .map(|i| {
                    let forth = (f + i) % 2 == 0;
                    [if forth { 12.0 } else { 18.0 } + 0.06 * i as f64, 13.0 + 0.1 * i as f64, 15.0]
                })
                .collect()
        })
        .collect();
    let made = Made::new();
    let group = made.group("all", &frames);
    dataset(&group, "species", &[N], &[1; N]);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, 36.0);
    assert!(said.contains("outside of the cell") && said.contains("taken for unwrapped"), "{said}");
    // Wrapped ones in a cell that begins elsewhere are told by their small moves.
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &map(&wrapped(&frames), |x| x + 2.3 * L));
    dataset(&group, "species", &[N], &[1; N]);
    let (_, msd, _) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |_| true));
}

#[test]
fn unwrapped_positions_in_a_changing_cell_do_not_move_with_it() {
    // At rest in fractional coordinates, up to three cells away, in a cell that shrinks.
    let made = Made::new();
    let lengths: Vec<f64> = (0..FRAMES).map(|f| L * (1.0 - 0.003 * f as f64)).collect();
    let frames: Vec<Vec<[f64; 3]>> = lengths
        .iter()
        .map(|length| {
            (0..N).map(|i| [3.0 * length * i as f64 / N as f64, 0.2 * length, 0.4 * length]).collect()
        })
        .collect();
    let group = made.bare("all", &frames);
    times(&group.group("position").unwrap(), &every(100, FRAMES), 0.002, Some("ps"));
    let edges: Vec<f64> = lengths.iter().flat_map(|l| [*l; 3]).collect();
    let cell = group.create_group("box").unwrap();
    series(&cell, "edges", &[3], &edges, &every(100, FRAMES));
    dataset(&group, "species", &[N], &[1; N]);
    let (_, msd, said) = made.msd("1", &[]);
    // Of positions of 30 angstrom.
    assert!(msd < 1e-20, "{msd}");
    assert!(said.contains("the cell changes"), "{said}");
}

#[test]
fn times_and_units_that_are_missing_are_said() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let steps = every(100, FRAMES);
    // As LAMMPS writes in `units real`: fs, and no unit anywhere.
    let made = Made::new();
    let group = made.bare("all", &wrapped(&frames));
    times(&group.group("position").unwrap(), &steps, 2.0, None);
    let cell = group.create_group("box").unwrap();
    series(&cell, "edges", &[3], &[L; 3 * FRAMES], &steps);
    dataset(&group, "species", &[N], &two_species());
    let (lag, msd, said) = made.msd("1", &[]);
    assert_close(lag, 200.0);
    assert_close(msd, expected);
    for word in [
        "position/time has no unit: ps is assumed",
        "--timestep \"2 fs\"",
        "angstrom is assumed",
        "`boundary`",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (lag, _, said) = made.msd("1", &["--timestep", "2 fs"]);
    assert_close(lag, 0.2);
    assert!(!said.contains("ps is assumed"), "{said}");
    // No times at all: as for dumps.
    group.unlink("position/time").unwrap();
    let (lag, _, said) = made.msd("1", &[]);
    assert_close(lag, 0.1);
    assert!(
        said.contains("does not say how long a step is: 1 fs is assumed; give it with --timestep"),
        "{said}"
    );
    // No steps either.
    group.unlink("position/step").unwrap();
    let (lag, _, said) = made.msd("1", &[]);
    assert_close(lag, 0.001);
    assert!(said.contains("its frames are counted as steps") && said.contains("1 fs is assumed"), "{said}");
    // Times with a unit against the user.
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let (lag, _, said) = made.msd("1", &["--timestep", "4 fs"]);
    assert_close(lag, 0.4);
    assert!(said.contains("the file says 3.8 ps"), "{said}");
    let (_, _, said) = made.msd("1", &["--timestep", "2 fs"]);
    assert!(!said.contains("the file says"), "{said}");
}

#[test]
fn a_length_without_unit_is_in_the_unit_of_the_others() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let build = |scale: f64, position: Option<&str>, edges: Option<&str>| {
        let made = Made::new();
        let group = made.bare("all", &map(&wrapped(&frames), |x| x * scale));
        dataset(&group, "species", &[N], &two_species());
        let element = group.group("position").unwrap();
        times(&element, &every(100, FRAMES), 0.002, Some("ps"));
        let value = dataset(&group.create_group("box").unwrap(), "edges", &[3], &[L * scale; 3]);
        position.iter().for_each(|unit| word(&element.dataset("value").unwrap(), "unit", unit));
        edges.iter().for_each(|unit| word(&value, "unit", unit));
        made
    };
    for (position, edges, note) in [
        (Some("nm"), None, "box/edges has no unit: that of the positions"),
        (None, Some("nm"), "position/value has no unit: that of the box"),
    ] {
        let (_, msd, said) = build(0.1, position, edges).msd("1", &[]);
        assert_close(msd, expected);
        assert!(said.contains(note), "{said}");
    }
    let (_, msd, _) = build(1e-4, Some("um"), Some("um")).msd("1", &[]);
    assert_close(msd, expected);
    // As an array of one word, and beside the group, as some libraries write it.
    let made = build(0.1, None, Some("nm"));
    let words: [VarLenUnicode; 1] = ["nm".parse().unwrap()];
    let value = made.file.dataset("particles/all/position/value").unwrap();
    value.new_attr_builder().with_data(&words[..]).create("unit").unwrap();
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, expected);
    assert!(!said.contains("no unit"), "{said}");
    value.delete_attr("unit").unwrap();
    word(&made.file.group("particles/all/position").unwrap(), "units", "nm");
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, expected);
    assert!(!said.contains("no unit"), "{said}");
    let error = build(1.0, Some("sigma"), None).refused(&[]);
    assert!(error.contains("position/value") && error.contains("`sigma` is not known"), "{error}");
    let made = build(1.0, None, None);
    let module = made.file.create_group("h5md/modules/units").unwrap();
    word(&module, "system", "LJ");
    let error = made.refused(&[]);
    assert!(error.contains("unit system is `LJ`"), "{error}");
}

#[test]
fn one_of_several_groups_is_asked_for() {
    let frames = walk(0.8);
    let few: Vec<Vec<[f64; 3]>> = wrapped(&frames).iter().map(|f| f[..6].to_vec()).collect();
    let made = Made::new();
    let group = made.group("solvent", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let group = made.group("ions", &few);
    dataset(&group, "species", &[6], &[7; 6]);
    for error in [made.refused(&[]), made.refused(&["--group", "salt"])] {
        assert!(
            error.contains("ions (6 particles), solvent (60 particles)") && error.contains("--group NAME"),
            "{error}"
        );
    }
    assert_close(made.msd("1", &["--group", "solvent"]).1, moved(&frames, |i| i % 2 == 0));
    assert_close(made.msd("7", &["--group", "ions"]).1, moved(&frames, |i| i < 6));
    let text = made.info(&["--group", "ions"]);
    assert!(text.contains("ions (6), solvent (60); this is ions"), "{text}");
    // Results of one group are not kept for another.
    let output = made.run(&["--group", "solvent"]);
    assert!(!output.status.success() || !String::from_utf8_lossy(&output.stdout).contains("kept"));
    // `all` is the whole system, and that it was taken is said.
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let (_, _, said) = made.msd("1", &[]);
    assert!(said.contains("the group `all` is read; --group reads another (ions, solvent)"), "{said}");
}

#[test]
fn species_of_any_type_are_read_and_changing_ones_refused() {
    #[derive(Clone, Copy, H5Type)]
    #[repr(i16)]
    #[allow(dead_code)]
    enum Ion {
        K = 1,
        Ca = 2,
        Hole = -1,
    }
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let steps = every(100, FRAMES);
    let build = |species: &dyn Fn(&Group)| {
        let made = Made::new();
        let group = made.group("all", &wrapped(&frames));
        species(&group);
        made
    };
    let kinds: Vec<Ion> = (0..N).map(|i| if i % 2 == 0 { Ion::K } else { Ion::Hole }).collect();
    let made = build(&|group| drop(dataset(group, "species", &[N], &kinds)));
    assert_close(made.msd("K", &[]).1, expected);
    assert_close(made.msd("Hole", &[]).1, moved(&frames, |i| i % 2 == 1));
    let floats: Vec<f32> = two_species().iter().map(|s| *s as f32).collect();
    assert_close(build(&|group| drop(dataset(group, "species", &[N], &floats))).msd("1", &[]).1, expected);
    let words: Vec<VarLenUnicode> = (0..N).map(|i| ["K", "Ca"][i % 2].parse().unwrap()).collect();
    assert_close(build(&|group| drop(dataset(group, "species", &[N], &words))).msd("K", &[]).1, expected);
    let halves = vec![1.5; N];
    let error = build(&|group| drop(dataset(group, "species", &[N], &halves))).refused(&[]);
    assert!(error.contains("1.5 is no species"), "{error}");
    // Written again and again, the same or not; also at other steps than the positions.
    let again = two_species().repeat(FRAMES);
    let made = build(&|group| drop(series(group, "species", &[N], &again, &steps)));
    assert_close(made.msd("1", &[]).1, expected);
    let made = build(&|group| drop(series(group, "species", &[N], &again[..2 * N], &[0, 1000])));
    assert_close(made.msd("1", &[]).1, expected);
    let mut changed = again;
    changed[7 * N + 3] = 9;
    let error = build(&|group| drop(series(group, "species", &[N], &changed, &steps))).refused(&[]);
    assert!(error.contains("particle 3 is 2 at first and 9 in row 7 (step 700)"), "{error}");
    let error = build(&|_| ()).refused(&[]);
    assert!(error.contains("no species") && error.contains("--topology SYSTEM.data"), "{error}");
}

/// A LAMMPS data file of K and Cl in turns.
fn topology(directory: &Path, ids: std::ops::RangeInclusive<usize>) -> String {
    let n = ids.clone().count();
    let atoms: String =
        ids.map(|id| format!("{id} {0} {1} 0.0 1.0 1.0 1.0\n", id, 1 + (id + 1) % 2)).collect();
    let text = format!(
        "title\n\n{n} atoms\n2 atom types\n0 10 xlo xhi\n0 10 ylo yhi\n0 10 zlo zhi\n\nMasses\n\n1 39.1 # K\n2 35.5 # Cl\n\n\
         Atoms # full\n\n{atoms}"
    );
    let path = directory.join("s.data");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn a_topology_says_what_particles_are() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    let data = topology(made.directory.path(), 1..=N);
    assert_close(made.msd("K", &["--topology", &data]).1, expected);
    let (text, _) = made.convert(&["--topology", &data]);
    assert!(
        text.lines().nth(2).unwrap().starts_with("K ") && text.lines().nth(3).unwrap().starts_with("Cl ")
    );
    // By ids: here the other way round, and from 0.
    let ids: Vec<i64> = (0..N as i64).rev().collect();
    dataset(&group, "id", &[N], &ids);
    let (_, msd, said) = made.msd("K", &["--topology", &data]);
    assert_close(msd, moved(&frames, |i| i % 2 == 1));
    assert!(said.contains("ids count from 0"), "{said}");
    group.unlink("id").unwrap();
    let data = topology(made.directory.path(), 1..=N - 2);
    let error = made.refused(&["--topology", &data]);
    assert!(error.contains("60 particles without ids, the topology 58"), "{error}");
}

#[test]
fn nothing_is_wrapped_along_an_edge_that_is_not_periodic() {
    // Along z they move by 0.7 L a frame, through where a wall would be; a placeholder that changes means nothing.
    let flat_walk = walk(0.8);
    let frames: Vec<Vec<[f64; 3]>> = flat_walk
        .iter()
        .enumerate()
        .map(|(f, frame)| {
            let z = |i: usize| 1.0 + 7.0 * ((f + i) % 2) as f64;
            frame.iter().enumerate().map(|(i, r)| [r[0], r[1], z(i)]).collect()
        })
        .collect();
    let in_plane: Vec<Vec<[f64; 3]>> = frames
        .iter()
        .map(|f| f.iter().map(|r| [r[0].rem_euclid(L), r[1].rem_euclid(L), r[2]]).collect())
        .collect();
    for placeholder in [L, 0.0] {
        let made = Made::new();
        let group = made.bare("all", &in_plane);
        times(&group.group("position").unwrap(), &every(100, FRAMES), 0.002, Some("ps"));
        let cell = group.create_group("box").unwrap();
        let words: Vec<VarLenUnicode> = ["periodic", "periodic", "none"].map(|w| w.parse().unwrap()).to_vec();
        cell.new_attr_builder().with_data(&words[..]).create("boundary").unwrap();
        let edges: Vec<f64> =
            (0..FRAMES).flat_map(|f| [L, L, placeholder * (1.0 + 0.1 * f as f64)]).collect();
        series(&cell, "edges", &[3], &edges, &every(100, FRAMES));
        dataset(&group, "species", &[N], &[1; N]);
        let (_, msd, _) = made.msd("1", &[]);
        assert_close(msd, moved(&frames, |_| true));
        assert!(made.convert(&[]).0.contains("pbc=\"T T F\""));
    }
    // No box: nothing is.
    let made = Made::new();
    let group = made.bare("all", &frames);
    dataset(&group, "species", &[N], &[1; N]);
    assert_close(made.msd("1", &[]).1, moved(&frames, |_| true));
    assert!(made.convert(&[]).0.contains("pbc=\"F F F\""));
}

#[test]
fn what_is_broken_empty_or_flat_is_refused_by_name() {
    let made = Made::new();
    made.file.unlink("particles").unwrap();
    made.file.link_external("elsewhere.h5", "/particles", "particles").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("elsewhere.h5"), "{error}");
    made.file.unlink("particles").unwrap();
    made.file.create_group("particles/all").unwrap().link_soft("/gone", "position").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("particles/all/position") && error.contains("not there"), "{error}");
    let made = Made::new();
    let group = made.group("all", &vec![Vec::new(); 3]);
    dataset::<i32>(&group, "species", &[0], &[]);
    let error = made.refused(&[]);
    assert!(error.contains("no particles"), "{error}");
    assert!(made.info(&[]).contains("particles     0"));
    let made = Made::new();
    let group = made.group("all", &walk(0.8));
    dataset(&group, "species", &[N], &two_species());
    let cell = group.group("box").unwrap();
    cell.attr("dimension").unwrap().write_scalar(&2).unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("2 dimensions"), "{error}");
}

#[test]
fn a_shape_that_no_file_can_hold_takes_no_memory() {
    let made = Made::new();
    let group = made.file.create_group("particles/all").unwrap();
    let element = group.create_group("position").unwrap();
    let builder = element.new_dataset_builder().chunk((1, 1000, 3));
    builder.empty::<f64>().shape((2, 1_000_000_000_000, 3)).create("value").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("1000000000000") && error.contains("holds only 0 bytes"), "{error}");
    let made = Made::new();
    let group = made.group("all", &walk(0.8));
    dataset(&group, "species", &[N], &two_species());
    group.unlink("position/step").unwrap();
    let element = group.group("position").unwrap();
    element.new_dataset_builder().chunk(1000).empty::<i64>().shape(1_000_000_000_000).create("step").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("position/step") && error.contains("holds only 0 bytes"), "{error}");
}
