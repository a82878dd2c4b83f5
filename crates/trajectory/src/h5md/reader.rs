//! Reads trajectories: Vitrion's own, and H5MD files of other programs.
//!
//! Frames are the rows of `/particles/G/position`. Of every other element the row is taken that was written at the frame's step
//! ([`super::moments`]): of the box the last one at or before it. Everything may be missing or fixed but the positions.
//! Particles come in the order of their `id`, if there is one. What a file does not say is assumed and noted
//! ([`TrajectoryReader::notes`]). Nothing but the frame asked for is held in memory.

use std::path::{Path, PathBuf};

use glam::{BVec3, DVec3};
use hdf5::{File, Group};
use vitrion_core::cell::Cell;

use super::boxes::{Boundary, Edges};
use super::groups::GroupSummary;
use super::identity::Identity;
use super::moments::Rows;
use super::source::{Element, Source};
use super::species::{self, FixedOrder, Labels};
use super::timing::{self, Timing};
use super::{H5mdError, missing, reason, units};

/// Trailing frames that may be incomplete after a kill.
pub(super) const LARGEST_TAIL: usize = 4;

/// One frame, in angstrom and ps.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadFrame {
    /// Step; the number of the frame where the file has no steps.
    pub step: i64,
    /// Time (ps).
    pub time: f64,
    /// Periodic cell; none where the file has no box.
    pub cell: Option<Cell>,
    /// Per particle (angstrom).
    pub positions: Vec<DVec3>,
    /// Per particle (A/ps), if the file has velocities of this frame.
    pub velocities: Option<Vec<DVec3>>,
    /// Per molecule (angstrom): unwrapped centres, if the file has `/particles/centres`.
    pub unwrapped_centres: Option<Vec<DVec3>>,
}

/// Species of particles: only those that occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeciesTable {
    /// Per particle: index into `names`.
    pub indices: Vec<usize>,
    /// Names; the number itself where the file has no names.
    pub names: Vec<String>,
}

/// An element and the rows of it that belong to frames.
pub(super) type Timed = (Element, Rows);

/// An open trajectory.
pub struct TrajectoryReader {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) particles: Group,
    pub(super) groups: Vec<GroupSummary>,
    pub(super) position: Element,
    pub(super) velocity: Option<Timed>,
    /// Why velocities cannot be read.
    pub(super) velocity_unit: Option<H5mdError>,
    /// Whether they are in the units of length and time of the positions.
    pub(super) velocity_without_unit: bool,
    pub(super) images: Option<Timed>,
    pub(super) centres: Option<Element>,
    pub(super) identity: Option<Identity>,
    pub(super) fixed_order: FixedOrder,
    pub(super) boundary: Boundary,
    pub(super) edges: Edges,
    pub(super) timing: Timing,
    pub(super) units: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) frames: usize,
    pub(super) incomplete: usize,
}

impl TrajectoryReader {
    /// A killed writer may have left its last frame without data. In a file that was closed in order, and in those of other
    /// programs, a frame of NaN is no accident of writing, and stays.
    pub(super) fn drop_incomplete_tail(&mut self) {
        if self.closed() != Some(false) {
            return;
        }
        for _ in 0..LARGEST_TAIL {
            let complete = self.frames == 0
                || self.frame(self.frames - 1).is_ok_and(|frame| {
                    let vectors = frame.positions.iter().chain(frame.unwrapped_centres.iter().flatten());
                    vectors.chain(frame.velocities.iter().flatten()).all(|v| !v.is_nan())
                });
            if complete {
                return;
            }
            self.frames -= 1;
            self.incomplete += 1;
        }
    }

    /// Takes times from the steps, each of `timestep` ps, whatever the file says of times.
    ///
    /// # Errors
    /// Vitrion's own files, whose time steps change from stage to stage.
    pub fn set_timestep(&mut self, timestep: f64) -> Result<(), H5mdError> {
        if self.is_own() {
            return Err(H5mdError::Mismatch {
                path: self.path.clone(),
                found: "--timestep is given".to_string(),
                expected: "the file of a run of Vitrion says itself when its frames were taken".to_string(),
                remedy: "leave --timestep out",
            });
        }
        self.timing.settle(&self.path, self.frames, Some(timestep));
        if self.velocity_without_unit
            && let Some((element, _)) = &mut self.velocity
        {
            element.scale = self.position.scale / self.timing.unit_of_velocities(self.frames);
        }
        Ok(())
    }

    /// What is assumed of velocities; none where the file says it, or has none.
    pub fn velocity_note(&self) -> Option<String> {
        let (element, _) = self.velocity.as_ref().filter(|_| self.velocity_without_unit)?;
        Some(format!(
            "{} has no unit: that of the positions per {} ps is taken",
            element.name,
            timing::plain(self.timing.unit_of_velocities(self.frames))
        ))
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source { path: &self.path, group: &self.particles }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file does not say and is assumed, and what is left out.
    pub fn notes(&self) -> Vec<String> {
        self.notes.iter().chain(&self.timing.notes).cloned().collect()
    }

    /// Groups of particles with positions.
    pub fn groups(&self) -> &[GroupSummary] {
        &self.groups
    }

    /// Name of the group that is read.
    pub fn group(&self) -> String {
        self.particles.name().rsplit('/').next().unwrap_or_default().to_string()
    }

    /// Units of positions, times and box as the file names them.
    pub(super) fn units(&self) -> &[String] {
        &self.units
    }

    /// Whether a run of Vitrion wrote the file.
    pub fn is_own(&self) -> bool {
        is_own(&self.file)
    }

    /// Whether these are all particles, as far as the file says: there is no other group, or this one is called `all`; and its ids
    /// have no gaps.
    pub fn is_whole(&self) -> bool {
        let gaps = self.ids().is_some_and(|ids| {
            ids.last().is_some_and(|last| usize::try_from(*last).is_ok_and(|last| last > ids.len()))
        });
        self.is_own() || (!gaps && (self.groups.len() == 1 || self.group() == "all"))
    }

    /// Along which edges of the box the system repeats itself; along none where there is no box.
    pub fn periodic(&self) -> [bool; 3] {
        if matches!(self.edges, Edges::None) { [false; 3] } else { self.boundary.periodic }
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Frames at the end that a killed writer left incomplete.
    pub fn incomplete_frames(&self) -> usize {
        self.incomplete
    }

    /// Whether the writer closed the file in order; none for other programs' files.
    pub(super) fn closed(&self) -> Option<bool> {
        let mark = self.file.group("vitrion").and_then(|g| g.attr("closed")?.read_scalar::<i32>());
        mark.ok().map(|c| c == 1)
    }

    /// Number of particles.
    pub fn particles(&self) -> usize {
        self.identity.as_ref().map_or(self.position.row_shape()[0], |identity| identity.ids.len())
    }

    /// Ids of the particles, increasing, in the order of which everything is given; none where the file has none.
    pub fn ids(&self) -> Option<&[i64]> {
        self.identity.as_ref().map(|identity| identity.ids.as_slice())
    }

    /// Number of molecules, where the file has centres.
    pub fn centres(&self) -> Option<usize> {
        self.centres.as_ref().map(|e| e.value.shape().get(1).copied().unwrap_or(0))
    }

    /// Step of a frame; its number where the file has no steps.
    pub fn step(&self, frame: usize) -> i64 {
        self.timing.step(frame)
    }

    /// Time of a frame (ps).
    pub fn time(&self, frame: usize) -> f64 {
        self.timing.time(frame)
    }

    /// Reads a frame.
    pub fn frame(&self, index: usize) -> Result<ReadFrame, H5mdError> {
        self.check(index)?;
        let velocities = match (&self.velocity, &self.velocity_unit) {
            (Some((element, rows)), None) => {
                rows.exact(index).map(|row| self.vectors(element, row, index)).transpose()?
            }
            (Some(_), Some(error)) => return Err(error.clone()),
            (None, _) => None,
        };
        Ok(ReadFrame {
            step: self.step(index),
            time: self.time(index),
            cell: self.cell(index)?,
            positions: self.positions(index)?,
            velocities,
            unwrapped_centres: self.centres.as_ref().map(|_| self.unwrapped_centres(index)).transpose()?,
        })
    }

    /// All frames, one at a time.
    pub fn iter(&self) -> impl Iterator<Item = Result<ReadFrame, H5mdError>> + '_ {
        (0..self.frames).map(|index| self.frame(index))
    }

    /// Only the positions of a frame (angstrom).
    pub fn positions(&self, index: usize) -> Result<Vec<DVec3>, H5mdError> {
        self.check(index)?;
        self.vectors(&self.position, index, index)
    }

    /// How many cells along each edge a frame's particles have crossed; none where the file does not count them.
    pub fn images(&self, index: usize) -> Result<Option<Vec<DVec3>>, H5mdError> {
        self.check(index)?;
        let Some((element, rows)) = &self.images else { return Ok(None) };
        let Some(row) = rows.exact(index) else { return Ok(None) };
        let mut counts = self.vectors(element, row, index)?;
        let [x, y, z] = self.boundary.periodic;
        if !(x && y && z) {
            // Along edges that nothing repeats itself along, counts are placeholders.
            for n in &mut counts {
                *n = DVec3::select(BVec3::new(x, y, z), *n, DVec3::ZERO);
            }
        }
        Ok(Some(counts))
    }

    /// Whether the file counts the cells that particles have crossed (`image`).
    pub fn has_images(&self) -> bool {
        self.images.is_some()
    }

    /// Per centre: its atom's index among the particles; none where the file has no centres or does not say.
    pub fn centre_atoms(&self) -> Result<Option<Vec<usize>>, H5mdError> {
        if self.centres.is_none() {
            return Ok(None);
        }
        let Ok(dataset) = self.file.dataset("particles/centres/atom") else { return Ok(None) };
        let numbers =
            dataset.read_raw::<u64>().map_err(|e| self.error("particles/centres/atom", reason(&e)))?;
        Ok(Some(numbers.into_iter().map(|atom| atom as usize).collect()))
    }

    /// Only the unwrapped centres of a frame (angstrom).
    pub fn unwrapped_centres(&self, index: usize) -> Result<Vec<DVec3>, H5mdError> {
        self.check(index)?;
        let centres = self.centres.as_ref().ok_or_else(|| {
            missing(&self.path, "/particles/centres/position", "only files of vitrion have unwrapped centres")
        })?;
        self.rows_of_vectors(centres, index, index)
    }

    /// Cell of a frame.
    pub fn cell(&self, index: usize) -> Result<Option<Cell>, H5mdError> {
        let (element, rows) = match &self.edges {
            Edges::None => return Ok(None),
            Edges::Fixed(cell) => return Ok(Some(*cell)),
            Edges::Series(element, rows) => (element, rows),
        };
        let at = |reason: String| self.error(&format!("{}, frame {index}", element.name), reason);
        let numbers = element.numbers(rows.latest(index)).map_err(|e| at(reason(&e)))?;
        self.boundary.cell(&numbers).map_err(at)
    }

    fn check(&self, frame: usize) -> Result<(), H5mdError> {
        if frame < self.frames {
            return Ok(());
        }
        Err(H5mdError::NoSuchFrame { path: self.path.clone(), frame, frames: self.frames })
    }

    /// A row of vectors in the order of the particles of a frame.
    fn vectors(&self, element: &Element, row: usize, frame: usize) -> Result<Vec<DVec3>, H5mdError> {
        let vectors = self.rows_of_vectors(element, row, frame)?;
        let Some(identity) = &self.identity else { return Ok(vectors) };
        let at = |reason: String| self.error(&format!("{}, frame {frame}", self.source().name("id")), reason);
        let order = identity.order(frame).map_err(at)?;
        if vectors.len() != identity.places {
            return Err(self.error(
                &element.name,
                format!("it has {} particles, `id` has {}", vectors.len(), identity.places),
            ));
        }
        Ok(order.iter().map(|i| vectors[*i]).collect())
    }

    fn rows_of_vectors(&self, element: &Element, row: usize, frame: usize) -> Result<Vec<DVec3>, H5mdError> {
        let numbers = element
            .numbers(row)
            .map_err(|e| self.error(&format!("{}, frame {frame}", element.name), reason(&e)))?;
        Ok(numbers.chunks_exact(3).map(DVec3::from_slice).collect())
    }

    pub(super) fn error(&self, what: &str, reason: String) -> H5mdError {
        self.source().error(what, reason)
    }

    /// Species of the particles: numbers, words or an enumerated type, fixed or the same at all moments; none where the file has
    /// none.
    pub fn species(&self) -> Result<Option<SpeciesTable>, H5mdError> {
        let Some((labels, element)) = self.said_of_particles("species")? else { return Ok(None) };
        let table = species::table_of(labels, &element.value);
        table.map(Some).map_err(|e| self.error(&element.name, e))
    }

    /// Species of the centres.
    pub fn centre_species(&self) -> Result<Option<SpeciesTable>, H5mdError> {
        let Ok(group) = self.file.group("particles/centres") else { return Ok(None) };
        let Some(element) = (Source { path: &self.path, group: &group }).element("species", 1.0)? else {
            return Ok(None);
        };
        let table = species::labels(&element, 0).and_then(|labels| species::table_of(labels, &element.value));
        table.map(Some).map_err(|e| self.error(&element.name, e))
    }

    fn said_of_particles(&self, name: &str) -> Result<Option<(Labels, Element)>, H5mdError> {
        let Some(element) = self.source().element(name, self.timing.scale)? else { return Ok(None) };
        let said = species::of_particles(&element, self.identity.as_ref(), self.fixed_order);
        said.map(|labels| Some((labels, element))).map_err(|e| self.error(&self.source().name(name), e))
    }

    /// A number a particle, e.g. `mass` or `charge`, the same at all moments; none where the file has none.
    pub fn particle_property(&self, name: &str) -> Result<Option<Vec<f64>>, H5mdError> {
        Ok(self.numbers_of_particles(name)?.map(|(_, numbers)| numbers))
    }

    fn numbers_of_particles(&self, name: &str) -> Result<Option<(Element, Vec<f64>)>, H5mdError> {
        match self.said_of_particles(name)? {
            None => Ok(None),
            Some((Labels::Numbers(numbers), element)) => Ok(Some((element, numbers))),
            Some((Labels::Words(_), element)) => {
                Err(self.error(&element.name, "it is text, where numbers are expected".to_string()))
            }
        }
    }

    /// Masses of the particles (u); none where the file has none. Without a unit they are taken for u.
    pub fn masses(&self) -> Result<Option<Vec<f64>>, H5mdError> {
        let Some((element, masses)) = self.numbers_of_particles("mass")? else { return Ok(None) };
        let scale = self.source().unit_scale(&element, units::MASS)?.unwrap_or(1.0);
        Ok(Some(masses.into_iter().map(|m| m * scale).collect()))
    }

    /// Molecule of each particle, numbered from 0 in the order of their numbers in the file; none where the file has none.
    pub fn molecules(&self) -> Result<Option<Vec<usize>>, H5mdError> {
        let numbers = self.particle_property("molecule")?;
        Ok(numbers.map(|numbers| {
            let mut kinds = numbers.clone();
            kinds.sort_unstable_by(f64::total_cmp);
            kinds.dedup();
            numbers.iter().map(|n| kinds.partition_point(|k| k < n)).collect()
        }))
    }
}

/// Whether a run of Vitrion wrote a file.
pub(super) fn is_own(file: &File) -> bool {
    file.group("vitrion").and_then(|g| g.attr("closed")).is_ok()
}
