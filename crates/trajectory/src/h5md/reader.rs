//! Reads trajectories: Vitrion's own, and H5MD files of other programs.
//!
//! Frames are the rows of `/particles/G/position`. Of every other element the row is taken that was written at the frame's step
//! ([`super::moments`]): of the box the last one at or before it. Everything may be missing or fixed but the positions.
//! Particles come in the order of their `id`, if there is one. What a file does not say is assumed and noted
//! ([`TrajectoryReader::notes`]). Nothing but the frame asked for is held in memory.

use std::path::{Path, PathBuf};

use glam::DVec3;
use hdf5::{File, Group};
use vitrion_core::cell::Cell;

use super::boxes::{Boundary, Edges};
use super::elements::text_attribute;
use super::groups::{self, GroupSummary};
use super::identity::Identity;
use super::moments::{Moments, Rows};
use super::plausible;
use super::source::{Element, Source, check_size};
use super::species::{self, FixedOrder, Labels};
use super::timing::Timing;
use super::{H5mdError, missing, options, reason, units};

/// Trailing frames that may be incomplete after a kill.
const LARGEST_TAIL: usize = 4;

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
type Timed = (Element, Rows);

/// An open trajectory.
pub struct TrajectoryReader {
    pub(super) path: PathBuf,
    pub(super) file: File,
    particles: Group,
    groups: Vec<GroupSummary>,
    position: Element,
    velocity: Option<Timed>,
    /// Why velocities cannot be read.
    velocity_unit: Option<H5mdError>,
    images: Option<Timed>,
    centres: Option<Element>,
    identity: Option<Identity>,
    fixed_order: FixedOrder,
    boundary: Boundary,
    edges: Edges,
    timing: Timing,
    units: Vec<String>,
    notes: Vec<String>,
    pub(super) frames: usize,
    pub(super) incomplete: usize,
}

/// Opens a file for reading, with an error that tells what is wrong with it.
pub(super) fn open_file(path: &Path) -> Result<File, H5mdError> {
    use std::io::Read as _;
    let open = |reason: String, remedy| H5mdError::Open { path: path.to_path_buf(), reason, remedy };
    let mut signature = [0; 8];
    let found = std::fs::File::open(path)
        .and_then(|mut file| file.read(&mut signature))
        .map_err(|e| open(e.to_string(), "check the path and its permissions"))?;
    options().open(path).map_err(|error| {
        let reason = reason(&error);
        if reason.contains("truncated") {
            open(
                "the file is shorter than when it was written (truncated)".to_string(),
                "copy it again from where it was complete",
            )
        } else if found < 8 || signature != *b"\x89HDF\r\n\x1a\n" {
            open("this is not an HDF5 file".to_string(), "give an H5MD trajectory (.h5)")
        } else {
            open(reason, "the file is damaged: restore it from a copy")
        }
    })
}

impl TrajectoryReader {
    /// Opens a file; it may still be written by another process.
    pub fn open(path: &Path) -> Result<Self, H5mdError> {
        Self::open_group(path, None)
    }

    /// Opens one group of particles of a file: needed where it has several.
    pub fn open_group(path: &Path, group: Option<&str>) -> Result<Self, H5mdError> {
        let file = open_file(path)?;
        if let Some((what, reason)) = plausible::too_much(&file) {
            return Err(H5mdError::Read { path: path.to_path_buf(), what, reason });
        }
        let own = is_own(&file);
        let found = groups::all(path, &file, group)?;
        let particles = groups::choose(path, &found, group)?.clone();
        let groups: Vec<GroupSummary> = found.into_iter().map(|(_, summary)| summary).collect();
        let source = Source { path, group: &particles };
        let mut notes = Vec::new();
        let mut position = source.element("position", 1.0)?.ok_or_else(|| {
            missing(path, &format!("{}/position", particles.name()), "this file holds no positions")
        })?;
        let shape = position.value.shape();
        if position.row_shape().len() != 2 || position.row_shape()[1] != 3 {
            let wanted = if position.series { "frames x particles x 3" } else { "particles x 3" };
            return Err(source.error(&position.name, format!("its shape is {shape:?}, not {wanted}")));
        }
        check_size(&position.value).map_err(|e| source.error(&position.name, e))?;
        let rows = if position.series { shape[0] } else { 1 };
        let mut boundary = source.boundary()?;
        let timing = Timing::new(&source, &position)?;
        let mut edges = source.element("box/edges", timing.scale)?;
        let unit = |e: &Element| e.unit.clone();
        let mut units = vec![unit(&position), timing.unit.clone(), edges.as_ref().and_then(unit)];
        units.dedup();
        scale_lengths(&source, &mut position, edges.as_mut(), &mut notes)?;
        check_unit_system(path, &file, &units)?;
        let mut frames = rows.min(position.moments.len());
        let mut velocity = source.element("velocity", timing.scale)?;
        let mut velocity_unit = None;
        if let Some(element) = &mut velocity {
            match source.unit_scale(element, units::VELOCITY) {
                Ok(scale) => element.scale = scale.unwrap_or(position.scale / timing.scale),
                Err(error) => velocity_unit = Some(error),
            }
        }
        let images = source.element("image", timing.scale)?;
        let mut centres = None;
        if own
            && let Ok(group) = file.group("particles/centres")
            && group.name() != particles.name()
        {
            let source = Source { path, group: &group };
            centres = source.element("position", 1.0)?;
            if let Some(element) = &mut centres {
                element.scale = source.unit_scale(element, units::LENGTH)?.unwrap_or(1.0);
            }
        }
        if own {
            let length = |e: &Option<Element>| e.as_ref().map_or(usize::MAX, |e| e.value.shape()[0]);
            frames =
                [length(&velocity), length(&images), length(&centres)].into_iter().fold(frames, usize::min);
        }
        let identity = source.element("id", timing.scale)?;
        let identity = identity.map(|element| {
            let name = element.name.clone();
            Identity::new(element, &position.moments, frames).map_err(|e| source.error(&name, e))
        });
        let identity = identity.transpose()?;
        let velocity = timed(velocity, &position.moments, frames, &mut notes);
        let images = usable_images(images, &position, &mut frames, &mut notes);
        if let Some(identity) = &identity {
            let covered = identity.covered(frames);
            if covered + LARGEST_TAIL < frames || covered == 0 && frames > 0 {
                let reason =
                    format!("there are no ids at the step of frame {covered}, and their order changes");
                return Err(source.error(&source.name("id"), reason));
            }
            frames = covered;
        }
        if boundary.periodic != [true; 3] && frames > 0 {
            boundary.extent = extent(&position).map_err(|e| source.error(&position.name, reason(&e)))?;
        }
        let edges = source.edges(edges, &boundary, &position.moments, frames, &mut notes)?;
        if !own && !boundary.said && !matches!(edges, Edges::None) {
            notes.push(format!(
                "{} does not say along which edges the system repeats itself (`boundary`): along all is assumed",
                source.name("box")
            ));
        }
        if groups.len() > 1 && group.is_none() && !own {
            let others: Vec<&str> = groups.iter().map(|g| g.name.as_str()).filter(|n| *n != "all").collect();
            notes.push(format!("the group `all` is read; --group reads another ({})", others.join(", ")));
        }
        let mut reader = Self {
            path: path.to_path_buf(),
            incomplete: rows - frames,
            file,
            particles,
            groups,
            position,
            velocity,
            velocity_unit,
            images,
            centres,
            identity,
            fixed_order: FixedOrder::Rows,
            boundary,
            edges,
            timing,
            units: units.into_iter().flatten().collect(),
            notes,
            frames,
        };
        reader.drop_incomplete_tail();
        reader.choose_fixed_order()?;
        reader.timing.settle(&reader.path, reader.frames, None);
        Ok(reader)
    }

    /// A killed writer may have left its last frame without data. In a file that was closed in order, and in those of other
    /// programs, a frame of NaN is no accident of writing, and stays.
    fn drop_incomplete_tail(&mut self) {
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

    /// Fixed elements beside ids whose order changes: by row, if what they say of a row then stays with the particle; else the
    /// k-th row is the particle with the k-th smallest id.
    fn choose_fixed_order(&mut self) -> Result<(), H5mdError> {
        let Some(identity) = &self.identity else { return Ok(()) };
        if identity.places > identity.ids.len() {
            self.notes.push(format!(
                "{} of {} rows of a frame hold no particle, as their id says, and are left out",
                identity.places - identity.ids.len(),
                identity.places
            ));
        }
        if identity.is_constant() {
            return Ok(());
        }
        let mut fixed = Vec::new();
        for name in ["species", "mass", "charge", "molecule"] {
            if let Some(element) = self.source().element(name, 1.0)?.filter(|e| !e.series) {
                let said = species::labels(&element, 0).map_err(|e| self.error(&element.name, e))?;
                if said.len() == identity.places {
                    fixed.push((name, said));
                } else {
                    self.fixed_order = FixedOrder::Rank;
                }
            }
        }
        let error = |reason| self.error(&self.source().name("id"), reason);
        let same = |a: usize, b: usize| fixed.iter().all(|(_, said)| said.same(a, b));
        if self.fixed_order == FixedOrder::Rows && !identity.rows_keep(same).map_err(error)? {
            self.fixed_order = FixedOrder::Rank;
        }
        if self.fixed_order == FixedOrder::Rank {
            let names: Vec<&str> = fixed.iter().map(|(name, _)| *name).collect();
            self.notes.push(format!(
                "particles change their rows, but {} is written once: its rows are taken for the particles in the order of their ids",
                if names.is_empty() { "what they are".to_string() } else { names.join(", ") }
            ));
        }
        Ok(())
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
        Ok(())
    }

    fn source(&self) -> Source<'_> {
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

    /// Whether these are all particles, as far as the file says: there is no other group, or this one is called `all`.
    pub fn is_whole(&self) -> bool {
        self.is_own() || self.groups.len() == 1 || self.group() == "all"
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
        self.centres.as_ref().map(|e| e.value.shape()[1])
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
            (Some(_), Some(error)) => {
                return Err(self.error(&self.source().name("velocity"), error.to_string()));
            }
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
            counts.iter_mut().for_each(|n| *n = DVec3::select(glam::BVec3::new(x, y, z), *n, DVec3::ZERO));
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
        H5mdError::Read { path: self.path.clone(), what: what.to_string(), reason }
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
        match self.said_of_particles(name)? {
            None => Ok(None),
            Some((Labels::Numbers(numbers), _)) => Ok(Some(numbers)),
            Some((Labels::Words(_), element)) => {
                Err(self.error(&element.name, "it is text, where numbers are expected".to_string()))
            }
        }
    }

    /// Masses of the particles (u); none where the file has none. Without a unit they are taken for u.
    pub fn masses(&self) -> Result<Option<Vec<f64>>, H5mdError> {
        let Some(element) = self.source().element("mass", self.timing.scale)? else { return Ok(None) };
        let scale = self.source().unit_scale(&element, units::MASS)?.unwrap_or(1.0);
        let masses = self.particle_property("mass")?;
        Ok(masses.map(|masses| masses.into_iter().map(|m| m * scale).collect()))
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
fn is_own(file: &File) -> bool {
    file.group("vitrion").and_then(|g| g.attr("closed")).is_ok()
}

/// Factors of positions and edges to angstrom. Where one of them has no unit it takes that of the other.
fn scale_lengths(
    source: &Source,
    position: &mut Element,
    edges: Option<&mut Element>,
    notes: &mut Vec<String>,
) -> Result<(), H5mdError> {
    let own = source.unit_scale(position, units::LENGTH)?;
    let Some(edges) = edges else {
        if own.is_none() {
            notes.push(format!("{} has no unit: angstrom is assumed", position.name));
        }
        position.scale = own.unwrap_or(1.0);
        return Ok(());
    };
    let theirs = source.unit_scale(edges, units::LENGTH)?;
    match (own, theirs) {
        (Some(_), Some(_)) => {}
        (Some(_), None) => notes.push(format!("{} has no unit: that of the positions is taken", edges.name)),
        (None, Some(_)) => notes.push(format!("{} has no unit: that of the box is taken", position.name)),
        (None, None) => {
            notes.push(format!("{} and the box have no unit: angstrom is assumed", position.name));
        }
    }
    position.scale = own.or(theirs).unwrap_or(1.0);
    edges.scale = theirs.or(own).unwrap_or(1.0);
    Ok(())
}

/// Numbers without unit in a file of reduced units are no angstrom.
fn check_unit_system(path: &Path, file: &File, units: &[Option<String>]) -> Result<(), H5mdError> {
    let Ok(module) = file.group("h5md/modules/units") else { return Ok(()) };
    let Some(system) = text_attribute(&module, "system") else { return Ok(()) };
    if system.trim().eq_ignore_ascii_case("si") || units.iter().all(Option::is_some) {
        return Ok(());
    }
    Err(H5mdError::Read {
        path: path.to_path_buf(),
        what: "h5md/modules/units".to_string(),
        reason: format!(
            "its unit system is `{system}`, and not everything has a unit of its own; give each element a `unit`"
        ),
    })
}

/// An element that may be there for some frames only; where nobody can tell for which, it is left out.
fn timed(
    element: Option<Element>,
    position: &Moments,
    frames: usize,
    notes: &mut Vec<String>,
) -> Option<Timed> {
    let element = element?;
    match element.rows_of(position, frames) {
        Ok(rows) => Some((element, rows)),
        Err(reason) => {
            notes.push(format!("{} is left out: {reason}", element.name));
            None
        }
    }
}

/// Images must be there for every frame, but for the last ones, which a killed writer may have left without.
fn usable_images(
    images: Option<Element>,
    position: &Element,
    frames: &mut usize,
    notes: &mut Vec<String>,
) -> Option<Timed> {
    let element = images?;
    if element.row_shape() != position.row_shape() {
        notes.push(format!(
            "{} is left out: its shape is {:?}, that of the positions is {:?}",
            element.name,
            element.value.shape(),
            position.value.shape()
        ));
        return None;
    }
    let (element, rows) = timed(Some(element), &position.moments, *frames, notes)?;
    let covered = rows.covered(*frames);
    if covered == *frames {
        return Some((element, rows));
    }
    if covered + LARGEST_TAIL >= *frames && 2 * covered > *frames {
        *frames = covered;
        return Some((element, rows));
    }
    notes.push(format!(
        "{} is left out: it was written at other steps than the positions, not at that of frame {covered}",
        element.name
    ));
    None
}

/// How far apart the particles of the first frame are along each direction (angstrom), at least 1.
fn extent(position: &Element) -> hdf5::Result<DVec3> {
    let numbers = position.numbers(0)?;
    let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for r in numbers.chunks_exact(3).map(DVec3::from_slice).filter(|r| r.is_finite()) {
        (low, high) = (low.min(r), high.max(r));
    }
    let extent = (high - low).max(DVec3::ONE);
    Ok(if extent.is_finite() { extent } else { DVec3::ONE })
}
