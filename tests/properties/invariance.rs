//! What an analysis finds does not depend on where the origin lies, on how positions are wrapped, on the order of rows, on which vectors
//! span the lattice, or on the format of the file.
//!
//! Coordinates, edges and translations are multiples of 2^-6 angstrom, and edges are powers of two, so that wrapping, fractions and
//! differences are exact in f64: what is told differently is the same to the bit before it is measured, and no distance changes its bin.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use glam::{DMat3, DVec3};
use proptest::collection::vec;
use proptest::prelude::*;
use vitrion_analysis::analysis;
use vitrion_analysis::inputs::{DumpTrajectory, H5mdTrajectory, Inputs, Said, Trajectory};
use vitrion_analysis::observable::select;
use vitrion_analysis::settings::Settings;
use vitrion_analysis::table::{Table, Values};
use vitrion_core::cell::Cell;
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter, TrajectoryReader};
use vitrion_trajectory::lammps_dump::LammpsDump;

use crate::cases;

const ATOMS: usize = 9;
const FRAMES: usize = 6;
/// Sums of a few hundred terms of order one in another order: their rounding, and a margin of ten.
const ROUNDING: f64 = 1e-12;

/// Unwrapped positions of all frames in a cell.
#[derive(Clone, Debug)]
struct Walk {
    edges: DVec3,
    frames: Vec<Vec<DVec3>>,
}

fn sixty_fourths(range: std::ops::Range<i32>) -> impl Strategy<Value = DVec3> {
    [range.clone(), range.clone(), range].prop_map(|n| DVec3::from_array(n.map(f64::from)) / 64.0)
}

/// Atoms that start anywhere in the cell and move by less than 2 angstrom a frame.
fn walk() -> impl Strategy<Value = Walk> {
    let starts = vec(sixty_fourths(0..16 * 64), ATOMS);
    let moves = vec(vec(sixty_fourths(-127..128), ATOMS), FRAMES - 1);
    let edges = prop_oneof![Just(16.0), Just(32.0)].prop_map(|z| DVec3::new(16.0, 16.0, z));
    (edges, starts, moves).prop_map(|(edges, starts, moves)| {
        let mut frames = vec![starts];
        for step in moves {
            let last = &frames[frames.len() - 1];
            frames.push(last.iter().zip(step).map(|(r, d)| *r + d).collect());
        }
        Walk { edges, frames }
    })
}

/// How positions are told.
#[derive(Clone, Copy, Debug)]
enum Columns {
    /// `xu yu zu`.
    Unwrapped,
    /// `x y z ix iy iz`.
    Images,
    /// `x y z`, wrapped: followed by the shortest displacement, which is right below half an edge.
    Wrapped,
    /// `xs ys zs ix iy iz`.
    ScaledImages,
}

/// One atom's row: its number, and the words behind id and type.
type Row = (usize, String);

fn rows(cell: &Cell, corner: DVec3, positions: &[DVec3], columns: Columns) -> Vec<Row> {
    let words = |r: &DVec3| {
        let s = cell.fractional(*r - corner);
        let (n, inside) = (s.floor(), s - s.floor());
        let wrapped = corner + cell.cartesian(inside);
        match columns {
            Columns::Unwrapped => format!("{} {} {}", r.x, r.y, r.z),
            Columns::Images => format!("{} {} {} {} {} {}", wrapped.x, wrapped.y, wrapped.z, n.x, n.y, n.z),
            Columns::Wrapped => format!("{} {} {}", wrapped.x, wrapped.y, wrapped.z),
            Columns::ScaledImages => {
                format!("{} {} {} {} {} {}", inside.x, inside.y, inside.z, n.x, n.y, n.z)
            }
        }
    };
    positions.iter().map(words).enumerate().collect()
}

/// A dump of frames `first..` of a walk; `order` is the order of rows in each frame, `tilt` the xy of the cell.
fn dump(walk: &Walk, first: usize, corner: DVec3, columns: Columns, tilt: f64, order: &[usize]) -> String {
    let Walk { edges, frames } = walk;
    let h = DMat3::from_cols(DVec3::X * edges.x, DVec3::new(tilt, edges.y, 0.0), DVec3::Z * edges.z);
    let cell = Cell::new(h).expect("a cell");
    let names = match columns {
        Columns::Unwrapped => "xu yu zu",
        Columns::Images => "x y z ix iy iz",
        Columns::Wrapped => "x y z",
        Columns::ScaledImages => "xs ys zs ix iy iz",
    };
    let mut text = String::new();
    for (frame, positions) in (first..).zip(frames) {
        let _ = writeln!(text, "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{ATOMS}", 100 * frame);
        let end = corner + *edges;
        let _ = if tilt == 0.0 {
            writeln!(
                text,
                "ITEM: BOX BOUNDS pp pp pp\n{} {}\n{} {}\n{} {}",
                corner.x, end.x, corner.y, end.y, corner.z, end.z
            )
        } else {
            // Bounds of the box around the tilted cell.
            let (low, high) = (corner.x + tilt.min(0.0), end.x + tilt.max(0.0));
            writeln!(
                text,
                "ITEM: BOX BOUNDS xy xz yz pp pp pp\n{low} {high} {tilt}\n{} {} 0\n{} {} 0",
                corner.y, end.y, corner.z, end.z
            )
        };
        let _ = writeln!(text, "ITEM: ATOMS id type {names}");
        let rows = rows(&cell, corner, positions, columns);
        // Another order in every frame.
        for k in 0..ATOMS {
            let (atom, words) = &rows[order[(k + frame) % ATOMS]];
            let _ = writeln!(text, "{} {} {words}", atom + 1, 1 + atom % 2);
        }
    }
    text
}

fn as_told(walk: &Walk, columns: Columns) -> String {
    let order: Vec<usize> = (0..ATOMS).collect();
    dump(walk, 0, DVec3::ZERO, columns, 0.0, &order)
}

fn of_dump(path: &Path) -> Box<dyn Trajectory> {
    let said = Said { timestep: Some(1e-3), ..Said::default() };
    Box::new(DumpTrajectory::new(LammpsDump::open(path).expect("a dump"), said).expect("a trajectory"))
}

/// All tables of MSD, alpha_2, g(r) and self ISF of one or several dumps, which are replicas of each other.
fn measured(dumps: &[String]) -> Vec<Table> {
    let directory = tempfile::tempdir().expect("a directory");
    let paths: Vec<PathBuf> =
        (0..dumps.len()).map(|n| directory.path().join(format!("{n}.lammpstrj"))).collect();
    for (path, text) in paths.iter().zip(dumps) {
        std::fs::write(path, text).expect("a file");
    }
    tables(paths.iter().map(|path| of_dump(path)).collect())
}

fn tables(trajectories: Vec<Box<dyn Trajectory>>) -> Vec<Table> {
    let inputs = Inputs::new(trajectories).expect("inputs");
    // Within half the smallest height of all cells that are used here, 16/sqrt(2)/2.
    let settings =
        Settings { r_max: Some(5.5), r_bins: Some(44), wave_numbers: vec![0.5, 3.7], ..Settings::default() };
    let words = ["rdf", "msd", "isf_self"].map(String::from);
    let entries = select(&words).expect("observables");
    let outcomes = analysis::run(&inputs, &settings, &entries, None, &mut |_| {}).expect("an analysis");
    outcomes.into_iter().flat_map(|outcome| outcome.result.expect("results")).collect()
}

/// Whether all columns have the same contents, reals within `tolerance` of one or of their size.
fn agree(a: &[Table], b: &[Table], tolerance: f64) -> Result<(), String> {
    if a.len() != b.len() {
        return Err(format!("{} tables and {}", a.len(), b.len()));
    }
    for (a, b) in a.iter().zip(b) {
        let names = |table: &Table| {
            let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
            (table.name.clone(), columns)
        };
        if names(a) != names(b) {
            return Err(format!("{:?} and {:?}", names(a), names(b)));
        }
        for (x, y) in a.columns.iter().zip(&b.columns) {
            let place = format!("{}, {}", a.name, x.name);
            match (&x.values, &y.values) {
                (Values::Real(u), Values::Real(v)) => {
                    let differs = |(u, v): (&f64, &f64)| {
                        let close =
                            (u - v).abs() <= tolerance * (1.0 + u.abs()) || (u.is_nan() && v.is_nan());
                        !close
                    };
                    if u.len() != v.len() {
                        return Err(format!("{place}: {} rows and {}", u.len(), v.len()));
                    }
                    if let Some(row) = u.iter().zip(v).position(differs) {
                        return Err(format!("{place}, row {row}: {} and {}", u[row], v[row]));
                    }
                }
                (u, v) if u != v => return Err(format!("{place}: {u:?} and {v:?}")),
                _ => {}
            }
        }
    }
    Ok(())
}

fn check(a: &[Table], b: &[Table], tolerance: f64) -> Result<(), TestCaseError> {
    // This can fail: a table without rows would agree with anything.
    let numbers = a.iter().filter(|t| ["msd", "rdf", "isf_self"].contains(&t.name.as_str())).map(Table::rows);
    prop_assert!(numbers.clone().count() == 3 && numbers.min() > Some(4));
    agree(a, b, tolerance).map_err(TestCaseError::fail)
}

fn shuffled() -> impl Strategy<Value = Vec<usize>> {
    Just((0..ATOMS).collect::<Vec<usize>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn a_translation_of_all_positions_changes_nothing(walk in walk(), by in sixty_fourths(-2000..2000)) {
        let moved = Walk {
            frames: walk.frames.iter().map(|frame| frame.iter().map(|r| *r + by).collect()).collect(),
            ..walk.clone()
        };
        for columns in [Columns::Unwrapped, Columns::Images, Columns::Wrapped] {
            let [a, b] = [&walk, &moved].map(|walk| measured(&[as_told(walk, columns)]));
            check(&a, &b, ROUNDING)?;
        }
    }

    #[test]
    fn the_corner_of_the_cell_changes_nothing(walk in walk(), corner in sixty_fourths(-2000..2000)) {
        let order: Vec<usize> = (0..ATOMS).collect();
        for columns in [Columns::Images, Columns::ScaledImages, Columns::Wrapped] {
            let a = measured(&[as_told(&walk, columns)]);
            let b = measured(&[dump(&walk, 0, corner, columns, 0.0, &order)]);
            check(&a, &b, ROUNDING)?;
        }
    }

    #[test]
    fn wrapped_positions_with_images_are_the_unwrapped_ones(walk in walk()) {
        let a = measured(&[as_told(&walk, Columns::Unwrapped)]);
        for columns in [Columns::Images, Columns::ScaledImages, Columns::Wrapped] {
            check(&a, &measured(&[as_told(&walk, columns)]), ROUNDING)?;
        }
    }

    #[test]
    fn the_order_of_rows_with_ids_changes_nothing(walk in walk(), order in shuffled()) {
        for columns in [Columns::Unwrapped, Columns::Images] {
            let a = measured(&[as_told(&walk, columns)]);
            let b = measured(&[dump(&walk, 0, DVec3::ZERO, columns, 0.0, &order)]);
            // Sorted by id before anything is summed: the same bits.
            check(&a, &b, 0.0)?;
        }
    }

    #[test]
    fn another_basis_of_the_same_lattice_changes_nothing(walk in walk(), plus in prop::bool::ANY) {
        let order: Vec<usize> = (0..ATOMS).collect();
        // a, b + a, c or a, b - a, c.
        let tilt = if plus { walk.edges.x } else { -walk.edges.x };
        for columns in [Columns::Unwrapped, Columns::Images, Columns::ScaledImages, Columns::Wrapped] {
            let a = measured(&[as_told(&walk, columns)]);
            let b = measured(&[dump(&walk, 0, DVec3::ZERO, columns, tilt, &order)]);
            check(&a, &b, ROUNDING)?;
        }
    }

    #[test]
    fn h5md_and_a_dump_of_the_same_trajectory_agree(walk in walk()) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.h5");
        let header = PlainHeader {
            names: vec!["1".into(), "2".into()],
            species: (0..ATOMS).map(|atom| atom % 2).collect(),
            molecules: None,
            masses: None,
            charges: None,
            images: true,
        };
        let cell = Cell::orthorhombic(walk.edges).expect("a cell");
        let mut writer = PlainWriter::create(&path, &header).expect("a new file");
        for (step, frame) in (0..).step_by(100).zip(&walk.frames) {
            let images: Vec<DVec3> = frame.iter().map(|r| cell.fractional(*r).floor()).collect();
            let wrapped: Vec<DVec3> = frame.iter().zip(&images).map(|(r, n)| *r - cell.cartesian(*n)).collect();
            writer.append(step, step as f64 * 1e-3, &cell, &wrapped, Some(&images)).expect("a frame");
        }
        writer.finish().expect("a file");
        let reader = TrajectoryReader::open(&path).expect("a trajectory");
        let frames = (0..reader.frames()).collect();
        let trajectory = H5mdTrajectory::new(reader, None, frames, Said::default()).expect("a trajectory");
        check(&measured(&[as_told(&walk, Columns::Images)]), &tables(vec![Box::new(trajectory)]), ROUNDING)?;
    }

    /// Two files are two replicas: pairs of frames across them are not known, so that time correlations have other statistics. What is a
    /// mean over single frames is the same.
    #[test]
    fn two_halves_have_the_same_pair_distribution_as_the_whole(walk in walk()) {
        let order: Vec<usize> = (0..ATOMS).collect();
        let half = |frames: &[Vec<DVec3>], first| {
            let walk = Walk { frames: frames.to_vec(), ..walk.clone() };
            dump(&walk, first, DVec3::ZERO, Columns::Images, 0.0, &order)
        };
        let (first, second) = walk.frames.split_at(FRAMES / 2);
        let means = |tables: Vec<Table>| -> Vec<Table> {
            let tables = tables.into_iter().filter(|t| ["rdf", "coordination"].contains(&t.name.as_str()));
            tables
                .map(|mut table| {
                    // Errors come from blocks, and a replica is one.
                    table.columns.retain(|column| column.name != "standard_error");
                    table
                })
                .collect()
        };
        let whole = means(measured(&[as_told(&walk, Columns::Images)]));
        let halves = means(measured(&[half(first, 0), half(second, FRAMES / 2)]));
        prop_assert!(whole.len() == 2);
        agree(&whole, &halves, ROUNDING).map_err(TestCaseError::fail)?;
    }
}
