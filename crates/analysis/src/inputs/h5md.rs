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

use super::follower::{Follower, SHORTEST_DISPLACEMENT, check_finite, spreads};
use super::{FrameStream, Said, Trajectory};
use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::particles::Particles;

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
        said: Said,
    ) -> Result<Self, AnalysisError> {
        let _ = said;
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
        Box::new(Stream { trajectory: self, next: 0, follower: Follower::default(), offsets: None })
    }

    fn h5md(&self) -> Option<&TrajectoryReader> {
        Some(&self.reader)
    }

    fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.reader.incomplete_frames() {
            0 => {}
            n => notes.push(format!(
                "{}: the last frames ({n}) were never completed, and are left out",
                self.label()
            )),
        }
        match self.unwrapping {
            Unwrapping::Centres | Unwrapping::Images => {}
            Unwrapping::AsIs => notes.push(
                "positions spread over more than one and a half cells: taken for unwrapped".to_string(),
            ),
            Unwrapping::ShortestDisplacement => notes.push(SHORTEST_DISPLACEMENT.to_string()),
        }
        notes
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
    let (n, molecules) = (reader.particles(), reader.molecules()?);
    if let Some(molecules) = molecules.as_ref().filter(|m| m.len() != n) {
        return Err(AnalysisError::input(
            label,
            format!("`molecule` is of {} particles, `position` holds {n}", molecules.len()),
            "make the two agree",
        ));
    }
    let mut particles = Particles::new(table.names, table.indices, molecules);
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
    let spread = spreads(&cell, &reader.positions(last)?);
    Ok(if spread { Unwrapping::AsIs } else { Unwrapping::ShortestDisplacement })
}

struct Stream<'a> {
    trajectory: &'a H5mdTrajectory,
    next: usize,
    follower: Follower,
    /// Per centre: from its unwrapped position to its atom, in the first frame.
    offsets: Option<Vec<DVec3>>,
}

impl FrameStream for Stream<'_> {
    fn next(&mut self, needs: Needs) -> Result<Frame, AnalysisError> {
        let trajectory = self.trajectory;
        let reader = &trajectory.reader;
        let index = trajectory.frames[self.next];
        let cell = reader.cell(index)?;
        let (atoms, unwrapped, centres) = if trajectory.unwrapping == Unwrapping::Centres {
            let [atoms, unwrapped, centres] = self.around_centres(index, needs)?;
            (atoms, unwrapped, centres)
        } else {
            let (positions, places) = self.followed(index, cell.as_ref())?;
            let centres = trajectory.particles.centres.iter().map(|&a| places[a]).collect();
            (positions, places, centres)
        };
        check_finite(&trajectory.label(), index, atoms.iter().chain(&unwrapped).chain(&centres))?;
        let frame = Frame {
            trajectory: 0,
            index: self.next,
            tick: trajectory.clock.ticks[self.next],
            time: reader.time(index),
            cell,
            atoms: if needs.atoms { atoms.into() } else { Arc::new([]) },
            unwrapped: if needs.unwrapped { unwrapped.into() } else { Arc::new([]) },
            centres: if needs.centres { centres.into() } else { Arc::new([]) },
        };
        self.next += 1;
        Ok(frame)
    }
}

impl Stream<'_> {
    /// Atoms as they are, unwrapped atoms, centres.
    fn around_centres(&mut self, index: usize, needs: Needs) -> Result<[Vec<DVec3>; 3], AnalysisError> {
        let reader = &self.trajectory.reader;
        let particles = &self.trajectory.particles;
        let moving = needs.centres || needs.unwrapped;
        let first = moving && self.offsets.is_none();
        let atoms =
            if needs.atoms || needs.unwrapped || first { reader.positions(index)? } else { Vec::new() };
        let mut centres = if moving { reader.unwrapped_centres(index)? } else { Vec::new() };
        if first {
            // Unwrapped centres that crossed walls while the cell still changed are no images of their atoms any more.
            // Displacements count from the first frame, so there they may begin at the atom itself.
            let offsets = centres.iter().zip(&particles.centres).map(|(r, &atom)| atoms[atom] - *r);
            self.offsets = Some(offsets.collect());
        }
        if let Some(offsets) = &self.offsets {
            centres.iter_mut().zip(offsets).for_each(|(r, offset)| *r += *offset);
        }
        let mut unwrapped = if needs.unwrapped { atoms.clone() } else { Vec::new() };
        if let Some(molecules) = particles.molecules.as_ref().filter(|_| needs.unwrapped) {
            let shifts: Vec<DVec3> =
                centres.iter().zip(&particles.centres).map(|(r, &atom)| *r - atoms[atom]).collect();
            for (atom, &molecule) in unwrapped.iter_mut().zip(molecules) {
                *atom += shifts[molecule];
            }
        }
        Ok([atoms, unwrapped, centres])
    }

    /// Positions as they are, and followed through the walls.
    fn followed(
        &mut self,
        index: usize,
        cell: Option<&Cell>,
    ) -> Result<(Vec<DVec3>, Vec<DVec3>), AnalysisError> {
        let reader = &self.trajectory.reader;
        let positions = reader.positions(index)?;
        let Some(cell) = cell.filter(|_| self.trajectory.unwrapping != Unwrapping::AsIs) else {
            return Ok((positions.clone(), positions));
        };
        let images = reader.images(index)?;
        let places = self.follower.follow(cell, &positions, images.as_deref());
        Ok((positions, places))
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::cell::Cell;
    use vitrion_trajectory::h5md::{PlainHeader, PlainWriter};

    use super::*;

    #[test]
    fn atoms_stay_where_they_are_while_what_they_moved_is_summed_up() {
        // Half a cell and more to the right, through the wall, in a cell that swells in the first step.
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.h5");
        let header = PlainHeader {
            names: vec!["K".into()],
            species: vec![0],
            molecules: None,
            masses: None,
            charges: None,
            images: false,
        };
        let mut writer = PlainWriter::create(&path, &header).unwrap();
        for (step, edge, x) in [(0, 10.0, 9.0), (1, 20.0, 2.0), (2, 20.0, 9.0)] {
            let at = DVec3::new(x, 1.0, 1.0);
            writer.append(step, step as f64, &Cell::cubic(edge).unwrap(), &[at], None).unwrap();
        }
        writer.finish().unwrap();
        let trajectory =
            H5mdTrajectory::new(TrajectoryReader::open(&path).unwrap(), None, vec![0, 1, 2], Said::default())
                .unwrap();
        let mut stream = trajectory.stream();
        let needs = Needs { atoms: true, unwrapped: true, centres: true };
        let frames: Vec<Frame> = (0..3).map(|_| stream.next(needs).unwrap()).collect();
        let atoms: Vec<f64> = frames.iter().map(|f| f.atoms[0].x).collect();
        let unwrapped: Vec<f64> = frames.iter().map(|f| f.unwrapped[0].x).collect();
        assert_eq!(atoms, [9.0, 2.0, 9.0]);
        // From 0.9 to 0.1 of the cell: +0.2 of 20; then 7.
        assert!(unwrapped.iter().zip([9.0, 13.0, 20.0]).all(|(x, y)| (x - y).abs() < 1e-12), "{unwrapped:?}");
        assert_eq!(frames[2].centres, frames[2].unwrapped);
    }
}
