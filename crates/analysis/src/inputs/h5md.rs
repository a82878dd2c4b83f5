//! H5MD files as trajectories: Vitrion's own and those of other programs.
//!
//! Where unwrapped positions come from, in this order:
//! 1. `/particles/centres/position`: unwrapped centres, kept by Vitrion; atoms follow their centre.
//! 2. `image`: cells that particles have crossed. In a changing cell their displacements are summed up from frame to frame,
//!    each with the cell of its frame.
//! 3. Positions that spread over more than one and a half cells are taken for unwrapped as they are.
//! 4. Else a particle is followed by the shortest displacement from frame to frame: right as long as nothing moves half a
//!    cell between two frames.

use std::path::Path;
use std::sync::Arc;

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};

use super::{FrameStream, Trajectory};
use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::particles::Particles;

/// Extent of wrapped positions in units of the cell's edges: 1, and what molecules that are kept whole add to it.
const WRAPPED_EXTENT: f64 = 1.5;

/// Frames of one H5MD file.
pub struct H5mdTrajectory {
    reader: TrajectoryReader,
    stage: Option<Stage>,
    /// Analysed frames, as the file numbers them.
    frames: Vec<usize>,
    particles: Particles,
    clock: Clock,
    unwrapping: Unwrapping,
}

/// How positions become unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unwrapping {
    Centres,
    Images,
    AsIs,
    ShortestDisplacement,
}

impl H5mdTrajectory {
    /// Takes the given frames of a file, which belong to `stage` if it has stages.
    pub fn new(
        reader: TrajectoryReader,
        stage: Option<Stage>,
        frames: Vec<usize>,
    ) -> Result<Self, AnalysisError> {
        let label = reader.path().display().to_string();
        let particles = particles_of(&reader, &label)?;
        let steps: Vec<i64> = frames.iter().map(|&f| reader.step(f)).collect();
        let times: Vec<f64> = frames.iter().map(|&f| reader.time(f)).collect();
        let clock = Clock::new(&steps, &times).map_err(|frame| {
            AnalysisError::input(
                &label,
                format!("frame {} at {} ps is not later than the one before", frames[frame], times[frame]),
                "give a file whose steps or times increase from frame to frame",
            )
        })?;
        let unwrapping = choose_unwrapping(&reader, &frames)?;
        Ok(Self { reader, stage, frames, particles, clock, unwrapping })
    }
}

impl Trajectory for H5mdTrajectory {
    fn label(&self) -> String {
        self.reader.path().display().to_string()
    }

    fn path(&self) -> &Path {
        self.reader.path()
    }

    fn particles(&self) -> &Particles {
        &self.particles
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn cell(&self, frame: usize) -> Result<Option<Cell>, AnalysisError> {
        Ok(self.reader.cell(self.frames[frame])?)
    }

    fn stream(&self) -> Box<dyn FrameStream + '_> {
        Box::new(Stream { trajectory: self, next: 0, followed: None })
    }

    fn h5md(&self) -> Option<&TrajectoryReader> {
        Some(&self.reader)
    }

    fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    fn notes(&self) -> Vec<String> {
        match self.unwrapping {
            Unwrapping::Centres | Unwrapping::Images => Vec::new(),
            Unwrapping::AsIs => {
                vec!["positions spread over more than one and a half cells: taken for unwrapped".to_string()]
            }
            Unwrapping::ShortestDisplacement => vec![
                "positions carry no image counts: particles are followed by the shortest displacement between frames, \
                 which is right as long as nothing moves half a cell between two frames"
                    .to_string(),
            ],
        }
    }
}

fn particles_of(reader: &TrajectoryReader, label: &str) -> Result<Particles, AnalysisError> {
    let table = reader.species()?.ok_or_else(|| {
        AnalysisError::input(
            label,
            "its particles have no species",
            "add the integer dataset `species` beside `position`",
        )
    })?;
    if table.indices.len() != reader.particles() {
        return Err(AnalysisError::input(
            label,
            format!(
                "`species` names {} particles, `position` holds {}",
                table.indices.len(),
                reader.particles()
            ),
            "make the two agree",
        ));
    }
    let mut particles = Particles::new(table.names, table.indices, reader.molecules()?);
    if let (Some(n), Some(atoms)) = (reader.centres(), reader.centre_atoms()?) {
        if atoms.len() != n || atoms.iter().any(|a| *a >= particles.species.len()) {
            return Err(AnalysisError::input(
                label,
                "`particles/centres/atom` does not fit its positions",
                "the file is damaged: restore it from a copy",
            ));
        }
        particles.centres = atoms;
    }
    Ok(particles)
}

fn choose_unwrapping(reader: &TrajectoryReader, frames: &[usize]) -> Result<Unwrapping, AnalysisError> {
    if reader.centres().is_some() && reader.centre_atoms()?.is_some() {
        return Ok(Unwrapping::Centres);
    }
    if reader.has_images() {
        return Ok(Unwrapping::Images);
    }
    let Some(&last) = frames.last() else { return Ok(Unwrapping::AsIs) };
    let Some(cell) = reader.cell(last)? else { return Ok(Unwrapping::AsIs) };
    let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for position in reader.positions(last)? {
        let s = cell.fractional(position);
        (low, high) = (low.min(s), high.max(s));
    }
    let spread = (high - low).max_element() > WRAPPED_EXTENT;
    Ok(if spread { Unwrapping::AsIs } else { Unwrapping::ShortestDisplacement })
}

struct Stream<'a> {
    trajectory: &'a H5mdTrajectory,
    next: usize,
    /// Fractional positions (wrapped or with their images) of the last frame, and where their particles are by now.
    followed: Option<(Vec<DVec3>, Vec<DVec3>)>,
}

impl FrameStream for Stream<'_> {
    fn next(&mut self, needs: Needs) -> Result<Frame, AnalysisError> {
        let trajectory = self.trajectory;
        let reader = &trajectory.reader;
        let index = trajectory.frames[self.next];
        let cell = reader.cell(index)?;
        let (atoms, centres) = if trajectory.unwrapping == Unwrapping::Centres {
            self.around_centres(index, needs)?
        } else {
            let atoms = self.unwrapped(index, cell.as_ref())?;
            let centres = trajectory.particles.centres.iter().map(|&a| atoms[a]).collect();
            (atoms, centres)
        };
        self.check_finite(index, atoms.iter().chain(&centres))?;
        let frame = Frame {
            trajectory: 0,
            index: self.next,
            tick: trajectory.clock.ticks[self.next],
            time: reader.time(index),
            cell,
            atoms: if needs.atoms { atoms.into() } else { Arc::new([]) },
            centres: if needs.centres { centres.into() } else { Arc::new([]) },
        };
        self.next += 1;
        Ok(frame)
    }
}

impl Stream<'_> {
    fn around_centres(&self, index: usize, needs: Needs) -> Result<(Vec<DVec3>, Vec<DVec3>), AnalysisError> {
        let reader = &self.trajectory.reader;
        let particles = &self.trajectory.particles;
        let read_centres = needs.centres || needs.atoms;
        let centres = if read_centres { reader.unwrapped_centres(index)? } else { Vec::new() };
        let mut atoms = if needs.atoms { reader.positions(index)? } else { Vec::new() };
        if let Some(molecules) = particles.molecules.as_ref().filter(|_| needs.atoms) {
            let shifts: Vec<DVec3> =
                centres.iter().zip(&particles.centres).map(|(r, &atom)| *r - atoms[atom]).collect();
            for (atom, &molecule) in atoms.iter_mut().zip(molecules) {
                *atom += shifts[molecule];
            }
        }
        Ok((atoms, centres))
    }

    fn unwrapped(&mut self, index: usize, cell: Option<&Cell>) -> Result<Vec<DVec3>, AnalysisError> {
        let reader = &self.trajectory.reader;
        let positions = reader.positions(index)?;
        let Some(cell) = cell.filter(|_| self.trajectory.unwrapping != Unwrapping::AsIs) else {
            return Ok(positions);
        };
        let images = reader.images(index)?;
        if let Some(images) = images.as_ref().filter(|_| reader.has_fixed_cell()) {
            return Ok(positions.iter().zip(images).map(|(r, n)| *r + cell.matrix() * *n).collect());
        }
        let fractional: Vec<DVec3> = match &images {
            Some(images) => positions.iter().zip(images).map(|(r, n)| cell.fractional(*r) + *n).collect(),
            None => positions.iter().map(|r| cell.fractional(*r)).collect(),
        };
        let unwrapped: Vec<DVec3> = match &self.followed {
            None => fractional.iter().map(|s| cell.cartesian(*s)).collect(),
            Some((before, places)) => fractional
                .iter()
                .zip(before)
                .zip(places)
                .map(|((now, before), place)| {
                    let moved = *now - *before;
                    let moved = if images.is_some() { moved } else { moved - moved.round() };
                    *place + cell.cartesian(moved)
                })
                .collect(),
        };
        self.followed = Some((fractional, unwrapped.clone()));
        Ok(unwrapped)
    }

    fn check_finite<'a>(
        &self,
        index: usize,
        mut positions: impl Iterator<Item = &'a DVec3>,
    ) -> Result<(), AnalysisError> {
        match positions.position(|r| !r.is_finite()) {
            None => Ok(()),
            Some(particle) => Err(AnalysisError::input(
                &self.trajectory.label(),
                format!("frame {index}, particle {particle}: the position is not a number"),
                "the file is damaged, or its writer was stopped: leave this frame out or write the file again",
            )),
        }
    }
}
