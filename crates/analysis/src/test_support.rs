//! Trajectories and positions made up for tests.

use std::path::Path;

use glam::{BVec3, DMat3, DVec3};
use vitrion_core::cell::Cell;
use vitrion_core::random::{Counter, Stream};

use crate::analysis::stream;
use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::inputs::{FrameStream, Inputs, Trajectory};
use crate::observable::{Context, Prepare};
use crate::particles::Particles;
use crate::settings::Settings;
use crate::table::Table;

/// A cell without a right angle.
pub fn triclinic() -> Cell {
    let columns = [DVec3::new(12.0, 0.0, 0.0), DVec3::new(3.0, 11.0, 0.0), DVec3::new(-2.0, 4.0, 10.0)];
    Cell::new(DMat3::from_cols(columns[0], columns[1], columns[2])).unwrap()
}

/// The tables of one observable.
pub fn measure(inputs: &Inputs, settings: &Settings, prepare: Prepare) -> Vec<Table> {
    let mut observable = prepare(&Context::new(inputs, settings)).unwrap();
    stream(inputs, &mut [&mut *observable], &mut |_| ()).unwrap();
    let tables = observable.finish().unwrap();
    // By their first lines they are known as our own.
    assert!(tables.iter().all(|table| crate::results::is_own_header(&table.to_csv())));
    tables
}

/// Anywhere, also outside the cell.
pub fn random_positions(cell: &Cell, n: usize, step: u64) -> Vec<DVec3> {
    (0..n as u32)
        .map(|particle| {
            let stream = Stream::BuilderPosition;
            let [x, y, z, _] = Counter { seed: 1, stream, replica: 0, step, particle }.uniform();
            cell.cartesian(DVec3::new(x, y, z) * 7.0 - 3.0)
        })
        .collect()
}

/// A trajectory that is made as it is read.
pub struct Synthetic {
    pub particles: Particles,
    pub clock: Clock,
    pub cell: Box<dyn Fn(usize) -> Cell + Send + Sync>,
    /// Whether frames show it.
    pub has_cell: bool,
    pub periodic: BVec3,
    /// Unwrapped positions of all atoms in a frame.
    pub positions: Box<dyn Fn(usize) -> Vec<DVec3> + Send + Sync>,
    /// Whether these are all particles.
    pub whole: bool,
}

impl Synthetic {
    /// Particles of species A, B, ... by their numbers, at these steps of `tick` ps.
    pub fn new(
        species: &[usize],
        ticks: Vec<i64>,
        tick: f64,
        cell: Cell,
        positions: impl Fn(usize) -> Vec<DVec3> + Send + Sync + 'static,
    ) -> Self {
        let kinds = species.iter().max().map_or(0, |s| s + 1);
        let names = ["A", "B", "C"][..kinds].iter().map(ToString::to_string).collect();
        Self {
            particles: Particles::new(names, species.to_vec(), None),
            clock: Clock { ticks, tick },
            cell: Box::new(move |_| cell),
            has_cell: true,
            periodic: BVec3::TRUE,
            positions: Box::new(positions),
            whole: true,
        }
    }

    /// Alone.
    pub fn inputs(self) -> Inputs {
        Inputs::new(vec![Box::new(self)]).unwrap()
    }
}

impl Trajectory for Synthetic {
    fn label(&self) -> String {
        "synthetic".to_string()
    }

    fn path(&self) -> &Path {
        // A file that is always there.
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
    }

    fn particles(&self) -> &Particles {
        &self.particles
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn cell(&self, frame: usize) -> Result<Option<Cell>, AnalysisError> {
        Ok(self.has_cell.then(|| (self.cell)(frame)))
    }

    fn periodic(&self) -> BVec3 {
        self.periodic
    }

    fn is_whole(&self) -> bool {
        self.whole
    }

    fn stream(&self) -> Box<dyn FrameStream + '_> {
        Box::new(SyntheticStream { trajectory: self, next: 0 })
    }
}

struct SyntheticStream<'a> {
    trajectory: &'a Synthetic,
    next: usize,
}

impl FrameStream for SyntheticStream<'_> {
    fn next(&mut self, _: Needs) -> Result<Frame, AnalysisError> {
        let Synthetic { particles, clock, cell, has_cell, positions, .. } = self.trajectory;
        let index = self.next;
        self.next += 1;
        let atoms = positions(index);
        Ok(Frame {
            trajectory: 0,
            index,
            tick: clock.ticks[index],
            time: clock.ticks[index] as f64 * clock.tick,
            cell: has_cell.then(|| cell(index)),
            centres: particles.centres.iter().map(|&a| atoms[a]).collect(),
            unwrapped: atoms.clone().into(),
            atoms: atoms.into(),
        })
    }
}

/// Steps of `blocks` blocks of `length`, logarithmic within each: offsets 0, 1, 2, 4, ...
pub fn logarithmic_blocks(blocks: i64, length: i64) -> Vec<i64> {
    let offsets = |b| {
        std::iter::once(0)
            .chain((0..62).map(|k| 1 << k).take_while(move |o| *o < length))
            .map(move |o| b * length + o)
    };
    (0..blocks).flat_map(offsets).collect()
}

/// Positions of `n` independent walkers, each step normal with variance 1 in each direction, at the given steps.
pub fn random_walk(n: usize, ticks: &[i64], seed: u64) -> Vec<Vec<DVec3>> {
    let mut positions = vec![DVec3::ZERO; n];
    let mut frames = vec![positions.clone()];
    for pair in ticks.windows(2) {
        let width = ((pair[1] - pair[0]) as f64).sqrt();
        for (particle, position) in (0..).zip(&mut positions) {
            let step = pair[1].cast_unsigned();
            let counter = Counter { seed, stream: Stream::Velocity, replica: 0, step, particle };
            let [x, y, z, _] = counter.normal();
            *position += width * DVec3::new(x, y, z);
        }
        frames.push(positions.clone());
    }
    frames
}
