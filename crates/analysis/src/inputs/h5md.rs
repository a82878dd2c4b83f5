//! H5MD files as trajectories: Vitrion's own and those of other programs. How positions become unwrapped:
//! [`super::unwrapping`].

use std::path::Path;
use std::sync::Arc;

use glam::{BVec3, DVec3};
use vitrion_core::cell::Cell;
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};
use vitrion_trajectory::lammps_data::Description;

use super::follower::{Crossings, Follower, Moment, check_finite};
use super::unwrapping::{self, Unwrapping};
use super::{FrameStream, Said, Trajectory, topology};
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
    /// Whether a topology has no more particles than these.
    whole: bool,
    notes: Vec<String>,
}

impl H5mdTrajectory {
    /// Takes the given frames of a file, which belong to `stage` if it has stages.
    ///
    /// # Errors
    /// Particles without species and without a topology, no particles, times that do not increase, positions and images that
    /// contradict each other.
    pub fn new(
        mut reader: TrajectoryReader,
        stage: Option<Stage>,
        frames: Vec<usize>,
        said: Said,
    ) -> Result<Self, AnalysisError> {
        let label = reader.path().display().to_string();
        if let Some(timestep) = said.timestep {
            reader.set_timestep(timestep)?;
        }
        let mut notes = reader.notes();
        let particles = particles_of(&reader, said.topology, &mut notes)?;
        let whole = said.topology.is_none_or(|topology| topology.ids.len() <= particles.species.len());
        let steps: Vec<i64> = frames.iter().map(|&f| reader.step(f)).collect();
        let times: Vec<f64> = frames.iter().map(|&f| reader.time(f)).collect();
        let clock = Clock::new(&steps, &times).map_err(|frame| {
            AnalysisError::input(
                &label,
                format!(
                    "frame {} at {} ps is not later than the one before, or too far from zero to be counted (2.3 s where times are not proportional to steps)",
                    frames[frame], times[frame]
                ),
                "give a file whose steps or times increase from frame to frame",
            )
        })?;
        let (unwrapping, said) = unwrapping::choose(&reader, &frames)?;
        let incomplete = reader.incomplete_frames();
        if reader.is_own() && incomplete > 0 {
            notes.push(format!(
                "{label}: the last frames ({incomplete}) were never completed, and are left out"
            ));
        }
        notes.extend(said);
        Ok(Self { reader, stage, frames, particles, clock, unwrapping, whole, notes })
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
        Box::new(Stream {
            trajectory: self,
            next: 0,
            follower: Follower::along(self.periodic()),
            offsets: None,
        })
    }

    fn h5md(&self) -> Option<&TrajectoryReader> {
        Some(&self.reader)
    }

    fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    fn periodic(&self) -> BVec3 {
        BVec3::from_array(self.reader.periodic())
    }

    fn is_whole(&self) -> bool {
        self.whole && self.reader.is_whole()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// What the particles of a file are, in the order in which the reader gives them: as the topology says, else as the file does. What
/// is assumed is added to `notes`.
///
/// # Errors
/// No particles, no species and no topology, or a topology of another system.
pub fn particles_of(
    reader: &TrajectoryReader,
    topology: Option<&Description>,
    notes: &mut Vec<String>,
) -> Result<Particles, AnalysisError> {
    let label = reader.path().display().to_string();
    let n = reader.particles();
    if n == 0 {
        return Err(AnalysisError::input(
            &label,
            "it holds no particles",
            "give a file with particles, or another group with --group",
        ));
    }
    let table = reader.species()?;
    if let Some(table) = table.as_ref().filter(|table| table.indices.len() != n) {
        return Err(AnalysisError::input(
            &label,
            format!("`species` names {} particles, `position` holds {n}", table.indices.len()),
            "make the two agree",
        ));
    }
    if let Some(topology) = topology {
        let ids = ids_in(reader, topology, &label, notes)?;
        let own =
            table.map(|table| table.indices.iter().map(|i| table.names[*i].clone()).collect::<Vec<String>>());
        return topology::particles(&label, &ids, own.as_deref(), topology, notes);
    }
    let table = table.ok_or_else(|| {
        AnalysisError::input(
            &label,
            "its particles have no species",
            "say what they are with --topology SYSTEM.data, or add the dataset `species` beside `position`",
        )
    })?;
    let molecules = reader.molecules()?;
    if let Some(molecules) = molecules.as_ref().filter(|m| m.len() != n) {
        return Err(AnalysisError::input(
            &label,
            format!("`molecule` is of {} particles, `position` holds {n}", molecules.len()),
            "make the two agree",
        ));
    }
    let mut particles = Particles::new(table.names, table.indices, molecules);
    if let (Some(n), Some(atoms)) = (reader.centres(), reader.centre_atoms()?) {
        if atoms.len() != n || atoms.iter().any(|a| *a >= particles.species.len()) {
            return Err(AnalysisError::input(
                &label,
                "`particles/centres/atom` does not fit its positions",
                "the file is damaged: restore it from a copy",
            ));
        }
        particles.centres = atoms;
    }
    if reader.is_own() {
        return Ok(particles);
    }
    match reader.masses() {
        Ok(Some(masses)) if masses.iter().any(|m| !m.is_finite()) => {
            notes.push(format!("{label}: `mass` holds what is no number: masses are left out"));
            Ok(particles)
        }
        Ok(Some(masses)) if masses.len() == n => Ok(particles.with_masses(masses)),
        Ok(Some(masses)) => {
            notes.push(format!(
                "{label}: `mass` is of {} particles, not of {n}: it is left out",
                masses.len()
            ));
            Ok(particles)
        }
        Ok(None) => Ok(particles),
        // Nothing but the centre of mass depends on them.
        Err(error) => {
            notes.push(format!("masses are left out: {error}"));
            Ok(particles)
        }
    }
}

/// The ids of the particles in a topology: those of the file; without any, they come in the order of the topology's.
fn ids_in(
    reader: &TrajectoryReader,
    topology: &Description,
    label: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<u64>, AnalysisError> {
    let mut known = topology.ids.clone();
    known.sort_unstable();
    let Some(ids) = reader.ids() else {
        if known.len() == reader.particles() {
            return Ok(known);
        }
        return Err(AnalysisError::input(
            label,
            format!("it holds {} particles without ids, the topology {}", reader.particles(), known.len()),
            "give the data file of the same particles with --topology, or write their ids",
        ));
    };
    let ids: Vec<u64> = ids.iter().map(|id| id.cast_unsigned()).collect();
    let counts_from = |ids: &[u64], first: u64| ids.iter().copied().eq(first..first + ids.len() as u64);
    if counts_from(&ids, 0) && counts_from(&known, 1) && ids.len() == known.len() {
        notes.push(
            "ids count from 0 in the file and from 1 in the topology: they are taken in order".to_string(),
        );
        return Ok(known);
    }
    Ok(ids)
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

    fn pass(&mut self, frames: usize) -> Result<(), AnalysisError> {
        let H5mdTrajectory { reader, frames: all, unwrapping, .. } = self.trajectory;
        let end = (self.next + frames + 1).min(all.len());
        let cells = all[self.next.saturating_sub(1)..end].iter().map(|&frame| reader.cell(frame));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        // Where an atom is depends on no frame before then.
        let known = matches!(unwrapping, Unwrapping::Images | Unwrapping::AsIs);
        if known && cells.windows(2).all(|pair| pair[0] == pair[1]) {
            self.next += frames;
            return Ok(());
        }
        (0..frames).try_for_each(|_| self.next(Needs::NOTHING).map(|_| ()))
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
        let trajectory = self.trajectory;
        let positions = trajectory.reader.positions(index)?;
        let periodic = trajectory.periodic();
        let Some(cell) = cell.filter(|_| periodic.any()) else {
            return Ok((positions.clone(), positions));
        };
        let images = match trajectory.unwrapping {
            Unwrapping::Images => trajectory.reader.images(index)?,
            _ => None,
        };
        let crossings = match (&images, trajectory.unwrapping) {
            (Some(images), _) => Crossings::Counted(images),
            (None, Unwrapping::AsIs) => Crossings::Unwrapped,
            (None, _) => Crossings::Unknown,
        };
        let moment = Moment { cell, origin: DVec3::ZERO, positions: &positions, crossings };
        let places = self.follower.next(&moment).map_err(|turned| turned.at(&trajectory.label(), index))?;
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
