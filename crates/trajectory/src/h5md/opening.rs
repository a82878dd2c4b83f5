//! Opens a trajectory: which group, which elements, which of their rows and in which units, and what is assumed.

use std::path::Path;

use glam::DVec3;
use hdf5::File;

use super::boxes::Edges;
use super::elements::text_attribute;
use super::groups::{self, GroupSummary};
use super::identity::Identity;
use super::moments::Moments;
use super::plausible;
use super::reader::{LARGEST_TAIL, Timed, TrajectoryReader, is_own};
use super::source::{Element, Source};
use super::species::{self, FixedOrder};
use super::timing::Timing;
use super::{H5mdError, missing, options, reason, units};

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
        // It may be one of more groups than are looked at without being asked.
        if let Some((what, reason)) = plausible::too_much_in(&particles) {
            return Err(H5mdError::Read { path: path.to_path_buf(), what, reason });
        }
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
        let rows = if position.series { shape[0] } else { 1 };
        let mut boundary = source.boundary()?;
        let timing = Timing::new(&source, &position)?;
        let mut edges = source.element("box/edges", timing.scale)?;
        // Of what there is: an element that is missing lacks no unit.
        let mut units = vec![position.unit.clone()];
        units.extend(position.moments.times.is_some().then(|| timing.unit.clone()));
        units.extend(edges.as_ref().map(|edges| edges.unit.clone()));
        units.dedup();
        scale_lengths(&source, &mut position, edges.as_mut(), &mut notes)?;
        check_unit_system(path, &file, &units)?;
        let mut frames = rows.min(position.moments.len());
        let mut velocity = source.element("velocity", timing.scale)?;
        let (mut velocity_unit, mut without_unit) = (None, false);
        if let Some(element) = &mut velocity {
            match source.unit_scale(element, units::VELOCITY) {
                Ok(scale) => {
                    without_unit = scale.is_none();
                    element.scale = scale.unwrap_or(position.scale / timing.scale);
                }
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
            // Rows that are complete, with their step and time; a scalar in the place of a series has none.
            let rows = |e: &Element| if e.series { e.rows } else { 0 };
            let length = |e: &Option<Element>| e.as_ref().map_or(usize::MAX, rows);
            let each = [length(&velocity), length(&images), length(&centres), length(&edges)];
            frames = each.into_iter().fold(frames, usize::min);
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
        source.check_shear(frames)?;
        let edges = source.edges(edges, &boundary, &position.moments, frames, &mut notes)?;
        if !own && frames < rows {
            let n = rows - frames;
            notes.push(format!(
                "the last frames ({n}) lack a step, a time, an image or ids, and are left out"
            ));
        }
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
            velocity_without_unit: without_unit && velocity.is_some(),
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
