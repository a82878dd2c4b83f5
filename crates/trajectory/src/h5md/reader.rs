//! Reads trajectories: Vitrion's own, and H5MD files of other programs.
//!
//! Of other programs' files this needs `/particles/G/position` (any group G; `all` is preferred, else the first in the
//! alphabet with positions); step, time, box and species may be missing or fixed. Lengths in nm or pm and times in fs or ns
//! are converted. Nothing but the frame asked for is held in memory.

use std::path::{Path, PathBuf};

use glam::DVec3;
use hdf5::types::TypeDescriptor;
use hdf5::{File, Group};
use vitrion_core::cell::Cell;

use super::elements::{read_table, text_attribute, texts_of};
use super::plausible;
use super::provenance::read_stages;
use super::series::read_rows;
use super::source::{Clock, Edges, Element, Source, cell_of, length_scale, time_scale, velocity_scale};
use super::writer::Table;
use super::{H5mdError, Provenance, Stage, options, reason};

/// Trailing frames that may be incomplete after a kill.
const LARGEST_TAIL: usize = 4;

/// One frame, in angstrom and ps.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadFrame {
    /// Step.
    pub step: i64,
    /// Time (ps); the step where the file has no times.
    pub time: f64,
    /// Periodic cell; none where the file has no box.
    pub cell: Option<Cell>,
    /// Per particle (angstrom).
    pub positions: Vec<DVec3>,
    /// Per particle (A/ps), if the file has velocities.
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

/// What a file holds, in a few numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Program that wrote it, with version, as far as the file says.
    pub creator: Option<String>,
    /// Frames that can be read.
    pub frames: usize,
    /// Frames at the end that a killed writer left incomplete.
    pub incomplete_frames: usize,
    /// Particles.
    pub particles: usize,
    /// Names of species and how many particles have them.
    pub species: Vec<(String, usize)>,
    /// First and last step.
    pub steps: Option<(i64, i64)>,
    /// First and last time (ps).
    pub times: Option<(f64, f64)>,
    /// Cell of the last frame.
    pub last_cell: Option<Cell>,
    /// Whether the writer closed the file in order; none for other programs' files.
    pub closed: Option<bool>,
    /// Stages, in Vitrion's own files.
    pub stages: Vec<Stage>,
    /// Rows of thermo.
    pub thermo_rows: usize,
    /// Window means by stage.
    pub window_means: Vec<(String, usize)>,
    /// Windows of the stress of ions by stage.
    pub ion_stress: Vec<(String, usize)>,
    /// Provenance, in Vitrion's own files.
    pub provenance: Option<Provenance>,
    /// Length of the file (bytes).
    pub bytes: u64,
}

/// An open trajectory.
pub struct TrajectoryReader {
    path: PathBuf,
    file: File,
    particles: Group,
    position: Element,
    velocity: Option<Element>,
    images: Option<Element>,
    centres: Option<Element>,
    edges: Edges,
    steps: Clock,
    times: Clock,
    frames: usize,
    incomplete: usize,
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
        let file = open_file(path)?;
        if let Some((what, reason)) =
            plausible::announces_too_much(&file, &["particles", "vitrion"], plausible::AtOnce::Row)
        {
            return Err(H5mdError::Read { path: path.to_path_buf(), what, reason });
        }
        let particles = particle_group(path, &file)?;
        let source = Source { path, group: &particles };
        let position = source.element("position", length_scale)?.ok_or_else(|| {
            missing(path, &format!("{}/position", particles.name()), "this file holds no positions")
        })?;
        let shape = position.value.shape();
        if shape.len() != 3 || shape[2] != 3 {
            return Err(
                source.error(&position.name, format!("its shape is {shape:?}, not frames x particles x 3"))
            );
        }
        let steps = source.clock("position", "step", |_| Some(1.0))?;
        let times = source.clock("position", "time", time_scale)?;
        let steps = steps.unwrap_or(Clock::Fixed { offset: 0.0, increment: 1.0 });
        let times = times.unwrap_or(Clock::Fixed { offset: 0.0, increment: 1.0 });
        let velocity = source.element("velocity", velocity_scale)?;
        let images = source.element("image", |_| Some(1.0))?;
        let edges = source.edges(&steps)?;
        let centres = match file.group("particles/centres") {
            Ok(group) if group.name() != particles.name() => {
                Source { path, group: &group }.element("position", length_scale)?
            }
            _ => None,
        };
        let length = |element: &Option<Element>| {
            element.as_ref().map_or(usize::MAX, |e| e.value.shape().first().copied().unwrap_or(0))
        };
        let frames = [steps.len(), times.len(), length(&velocity), length(&images), length(&centres)]
            .into_iter()
            .fold(shape[0], usize::min);
        let mut reader = Self {
            path: path.to_path_buf(),
            file,
            particles,
            position,
            velocity,
            images,
            centres,
            edges,
            steps,
            times,
            frames,
            incomplete: shape[0] - frames,
        };
        reader.drop_incomplete_tail();
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

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
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
    fn closed(&self) -> Option<bool> {
        let mark = self.file.group("vitrion").and_then(|g| g.attr("closed")?.read_scalar::<i32>());
        mark.ok().map(|c| c == 1)
    }

    /// Number of particles.
    pub fn particles(&self) -> usize {
        self.position.value.shape()[1]
    }

    /// Number of molecules, where the file has centres.
    pub fn centres(&self) -> Option<usize> {
        self.centres.as_ref().map(|e| e.value.shape().get(1).copied().unwrap_or(0))
    }

    /// Step of a frame.
    pub fn step(&self, frame: usize) -> i64 {
        self.steps.at(frame) as i64
    }

    /// Time of a frame (ps).
    pub fn time(&self, frame: usize) -> f64 {
        self.times.at(frame)
    }

    /// Reads a frame.
    pub fn frame(&self, index: usize) -> Result<ReadFrame, H5mdError> {
        self.check(index)?;
        let read = |element: &Option<Element>| element.as_ref().map(|e| self.vectors(e, index)).transpose();
        Ok(ReadFrame {
            step: self.step(index),
            time: self.time(index),
            cell: self.cell(index)?,
            positions: self.vectors(&self.position, index)?,
            velocities: read(&self.velocity)?,
            unwrapped_centres: read(&self.centres)?,
        })
    }

    /// All frames, one at a time.
    pub fn iter(&self) -> impl Iterator<Item = Result<ReadFrame, H5mdError>> + '_ {
        (0..self.frames).map(|index| self.frame(index))
    }

    /// Only the positions of a frame (angstrom).
    pub fn positions(&self, index: usize) -> Result<Vec<DVec3>, H5mdError> {
        self.check(index)?;
        self.vectors(&self.position, index)
    }

    /// How many cells along each edge a frame's particles have crossed; none where the file does not count them.
    pub fn images(&self, index: usize) -> Result<Option<Vec<DVec3>>, H5mdError> {
        self.check(index)?;
        self.images.as_ref().map(|element| self.vectors(element, index)).transpose()
    }

    /// Whether the file counts the cells that particles have crossed (`image`).
    pub fn has_images(&self) -> bool {
        self.images.is_some()
    }

    /// Per centre: its atom's index among the particles; none where the file has no centres or does not say.
    pub fn centre_atoms(&self) -> Result<Option<Vec<usize>>, H5mdError> {
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
        self.vectors(centres, index)
    }

    /// Cell of a frame.
    pub fn cell(&self, index: usize) -> Result<Option<Cell>, H5mdError> {
        let (element, steps) = match &self.edges {
            Edges::None => return Ok(None),
            Edges::Fixed(cell) => return Ok(Some(*cell)),
            Edges::Series(element, steps) => (element, steps),
        };
        let row = match steps {
            None => index,
            // The last box that was written at or before this frame.
            Some(steps) => steps.partition_point(|s| *s <= self.steps.at(index)).saturating_sub(1),
        };
        let numbers = read_rows::<f64>(&element.value, row..row + 1)
            .map_err(|e| self.error(&element.name, reason(&e)))?;
        cell_of(&numbers, element.scale).map(Some).map_err(|e| self.error(&element.name, e))
    }

    fn check(&self, frame: usize) -> Result<(), H5mdError> {
        if frame < self.frames {
            return Ok(());
        }
        Err(H5mdError::NoSuchFrame { path: self.path.clone(), frame, frames: self.frames })
    }

    fn vectors(&self, element: &Element, index: usize) -> Result<Vec<DVec3>, H5mdError> {
        let numbers = read_rows::<f64>(&element.value, index..index + 1)
            .map_err(|e| self.error(&format!("{}, frame {index}", element.name), reason(&e)))?;
        Ok(numbers.chunks_exact(3).map(|c| element.scale * DVec3::from_slice(c)).collect())
    }

    fn error(&self, what: &str, reason: String) -> H5mdError {
        H5mdError::Read { path: self.path.clone(), what: what.to_string(), reason }
    }

    /// Species of the particles, as numbers or as words; none where the file has none, or as an enumerated type, which the HDF5 library converts to
    /// no number.
    pub fn species(&self) -> Result<Option<SpeciesTable>, H5mdError> {
        self.species_of(&self.particles)
    }

    /// Species of the centres.
    pub fn centre_species(&self) -> Result<Option<SpeciesTable>, H5mdError> {
        match self.file.group("particles/centres") {
            Ok(group) => self.species_of(&group),
            Err(_) => Ok(None),
        }
    }

    fn species_of(&self, group: &Group) -> Result<Option<SpeciesTable>, H5mdError> {
        let Ok(dataset) = group.dataset("species") else { return Ok(None) };
        let kind = dataset.dtype().and_then(|d| d.to_descriptor());
        if let Some(words) = texts_of(&dataset) {
            let mut names = words.clone();
            names.sort();
            names.dedup();
            let indices = words.iter().map(|w| names.partition_point(|n| n < w)).collect();
            return Ok(Some(SpeciesTable { indices, names }));
        }
        if !matches!(kind, Ok(TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_))) {
            return Ok(None);
        }
        let numbers = dataset.read_raw::<i64>().map_err(|e| self.error("species", reason(&e)))?;
        let mut kinds = numbers.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let names = dataset.attr("names").ok().and_then(|a| texts_of(&a)).unwrap_or_default();
        let name = |k: &i64| {
            let named = usize::try_from(*k).ok().and_then(|k| names.get(k));
            named.map_or(k.to_string(), ToString::to_string)
        };
        Ok(Some(SpeciesTable {
            indices: numbers.iter().map(|n| kinds.partition_point(|k| k < n)).collect(),
            names: kinds.iter().map(name).collect(),
        }))
    }

    /// A fixed number a particle, e.g. `mass` or `charge`; none where the file has none.
    pub fn particle_property(&self, name: &str) -> Result<Option<Vec<f64>>, H5mdError> {
        if !self.particles.link_exists(name) {
            return Ok(None);
        }
        let dataset = self.particles.dataset(name);
        dataset.and_then(|d| d.read_raw::<f64>()).map(Some).map_err(|e| self.error(name, reason(&e)))
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

    /// Stages of the run; empty for other programs' files.
    pub fn stages(&self) -> Result<Vec<Stage>, H5mdError> {
        match self.file.group("vitrion/stages") {
            Ok(group) => read_stages(&group).map_err(|e| self.error("vitrion/stages", reason(&e))),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Provenance; none for other programs' files.
    pub fn provenance(&self) -> Option<Provenance> {
        self.file.group("vitrion/provenance").and_then(|group| Provenance::read(&group)).ok()
    }

    /// A column of thermo, e.g. `step`, `time` (ps) or a name of [`super::QUANTITIES`], in internal units.
    pub fn thermo(&self, column: &str) -> Result<Vec<f64>, H5mdError> {
        let what = format!("vitrion/thermo/{column}");
        let dataset = self.file.dataset(&what).map_err(|_| {
            missing(
                &self.path,
                &what,
                "columns have the names of `QUANTITIES`, and only files of vitrion have them",
            )
        })?;
        dataset.read_raw::<f64>().map_err(|e| self.error(&what, reason(&e)))
    }

    /// Steps at which the windows of a stage ended.
    pub fn window_steps(&self, stage: &str) -> Result<Vec<i64>, H5mdError> {
        let (group, what) = self.window_group(stage)?;
        let dataset = group.dataset("step");
        dataset.and_then(|d| d.read_raw::<i64>()).map_err(|e| self.error(&what, reason(&e)))
    }

    /// Means of the unwrapped centres (angstrom) over one window of a stage.
    pub fn window_mean(&self, stage: &str, window: usize) -> Result<Vec<DVec3>, H5mdError> {
        let (group, what) = self.window_group(stage)?;
        let value = group.dataset("value").map_err(|e| self.error(&what, reason(&e)))?;
        let frames = value.shape().first().copied().unwrap_or(0);
        if window >= frames {
            return Err(H5mdError::NoSuchFrame { path: self.path.clone(), frame: window, frames });
        }
        self.vectors(&Element { name: what, value, scale: 1.0 }, window)
    }

    fn window_group(&self, stage: &str) -> Result<(Group, String), H5mdError> {
        let what = format!("vitrion/window_means/{stage}");
        match self.file.group(&what) {
            Ok(group) => Ok((group, what)),
            Err(_) => Err(missing(&self.path, &what, "give a stage that takes window means")),
        }
    }

    /// Steps at which the windows of the stress of ions of a stage ended.
    pub fn ion_stress_steps(&self, stage: &str) -> Result<Vec<i64>, H5mdError> {
        let (group, what) = self.ion_stress_group(stage)?;
        let dataset = group.dataset("step");
        dataset.and_then(|d| d.read_raw::<i64>()).map_err(|e| self.error(&what, reason(&e)))
    }

    /// Stress of the ions (u A^2/ps^2; xx, yy, zz, xy, xz, yz) in the order of the centres, a mean over one window of a stage.
    pub fn ion_stress(&self, stage: &str, window: usize) -> Result<Vec<[f64; 6]>, H5mdError> {
        let (group, what) = self.ion_stress_group(stage)?;
        let value = group.dataset("value").map_err(|e| self.error(&what, reason(&e)))?;
        let shape = value.shape();
        if shape.len() != 3 || shape[2] != 6 {
            return Err(self.error(&what, format!("its shape is {shape:?}, not windows x ions x 6")));
        }
        if window >= shape[0] {
            let (path, frames) = (self.path.clone(), shape[0]);
            return Err(H5mdError::NoSuchFrame { path, frame: window, frames });
        }
        let numbers =
            read_rows::<f64>(&value, window..window + 1).map_err(|e| self.error(&what, reason(&e)))?;
        Ok(numbers.as_chunks::<6>().0.to_vec())
    }

    fn ion_stress_group(&self, stage: &str) -> Result<(Group, String), H5mdError> {
        let what = format!("vitrion/ion_stress/{stage}");
        match self.file.group(&what) {
            Ok(group) => Ok((group, what)),
            Err(_) => Err(missing(&self.path, &what, "give a stage that takes the stress of ions")),
        }
    }

    /// The stress correlation of a stage.
    pub fn stress_correlation(&self, stage: &str) -> Result<Table, H5mdError> {
        let what = format!("vitrion/stress_correlation/{stage}");
        let group = self.file.group(&what).map_err(|_| {
            missing(&self.path, &what, "give a stage that correlates the stress and has ended")
        })?;
        read_table(&group).map_err(|e| self.error(&what, reason(&e)))
    }

    /// The file in a few numbers.
    pub fn summary(&self) -> Result<Summary, H5mdError> {
        let last = self.frames.checked_sub(1);
        let species = self.species()?.map_or_else(Vec::new, |table| {
            let count = |index| table.indices.iter().filter(|i| **i == index).count();
            table.names.iter().enumerate().map(|(i, name)| (name.clone(), count(i))).collect()
        });
        let stages = self.stages()?;
        let windows = stages.iter().filter(|s| s.window_means);
        let stresses = stages.iter().filter(|s| s.ion_stress);
        Ok(Summary {
            creator: self.creator(),
            frames: self.frames,
            incomplete_frames: self.incomplete,
            particles: self.particles(),
            species,
            steps: last.map(|l| (self.step(0), self.step(l))),
            times: last.map(|l| (self.time(0), self.time(l))),
            last_cell: last.map(|l| self.cell(l)).transpose()?.flatten(),
            closed: self.closed(),
            thermo_rows: self.file.dataset("vitrion/thermo/step").map_or(0, |d| d.size()),
            window_means: windows
                .map(|s| Ok((s.name.clone(), self.window_steps(&s.name)?.len())))
                .collect::<Result<_, H5mdError>>()?,
            ion_stress: stresses
                .map(|s| Ok((s.name.clone(), self.ion_stress_steps(&s.name)?.len())))
                .collect::<Result<_, H5mdError>>()?,
            stages,
            provenance: self.provenance(),
            bytes: std::fs::metadata(&self.path).map_or(0, |m| m.len()),
        })
    }

    fn creator(&self) -> Option<String> {
        let group = self.file.group("h5md/creator").ok()?;
        let name = text_attribute(&group, "name")?;
        Some(match text_attribute(&group, "version") {
            Some(version) => format!("{name} {version}"),
            None => name,
        })
    }
}

fn missing(path: &Path, what: &str, remedy: &'static str) -> H5mdError {
    H5mdError::Missing { path: path.to_path_buf(), what: what.to_string(), remedy }
}

/// `all`, or the first group with positions.
fn particle_group(path: &Path, file: &File) -> Result<Group, H5mdError> {
    let none = || missing(path, "/particles", "this is an HDF5 file, but no H5MD trajectory");
    let particles = file.group("particles").map_err(|_| none())?;
    let mut names = particles.member_names().map_err(|_| none())?;
    names.sort_by_key(|name| (name != "all", name.clone()));
    names
        .iter()
        .filter_map(|name| particles.group(name).ok())
        .find(|group| group.link_exists("position"))
        .ok_or_else(|| missing(path, "/particles/*/position", "this file holds no positions"))
}
