//! The elements of one group of particles, whoever wrote it: datasets, units, clocks, boxes.

use std::path::Path;

use glam::{DMat3, DVec3};
use hdf5::{Dataset, Group};
use vitrion_core::cell::Cell;

use super::elements::unit_of;
use super::{H5mdError, reason};

/// A time-dependent element: value, and the factor to Vitrion's unit.
pub(super) struct Element {
    pub name: String,
    pub value: Dataset,
    pub scale: f64,
}

/// Where steps and times come from.
pub(super) enum Clock {
    /// One number a frame.
    Explicit(Vec<f64>),
    /// offset + index * increment.
    Fixed { offset: f64, increment: f64 },
}

impl Clock {
    pub fn at(&self, index: usize) -> f64 {
        match self {
            Self::Explicit(values) => values[index],
            Self::Fixed { offset, increment } => offset + index as f64 * increment,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Explicit(values) => values.len(),
            Self::Fixed { .. } => usize::MAX,
        }
    }
}

pub(super) enum Edges {
    None,
    Fixed(Cell),
    /// With the steps at which the box was written, if not those of the positions.
    Series(Element, Option<Vec<f64>>),
}

pub(super) fn length_scale(unit: &str) -> Option<f64> {
    match unit {
        "" | "Angstrom" | "angstrom" | "A" | "\u{c5}" => Some(1.0),
        "nm" => Some(10.0),
        "pm" => Some(0.01),
        "m" => Some(1e10),
        _ => None,
    }
}

pub(super) fn time_scale(unit: &str) -> Option<f64> {
    match unit {
        "" | "ps" => Some(1.0),
        "fs" => Some(1e-3),
        "ns" => Some(1e3),
        "s" => Some(1e12),
        _ => None,
    }
}

pub(super) fn velocity_scale(unit: &str) -> Option<f64> {
    let Some((length, time)) = unit.split_once(' ') else { return unit.is_empty().then_some(1.0) };
    Some(length_scale(length)? / time_scale(time.strip_suffix("-1")?)?)
}

/// The cell whose edge vectors are the rows of a 3 x 3 matrix, or with three edge lengths.
pub(super) fn cell_of(numbers: &[f64], scale: f64) -> Result<Cell, String> {
    let h = match numbers.len() {
        3 => DMat3::from_diagonal(DVec3::from_slice(numbers)),
        9 => DMat3::from_cols_slice(numbers),
        n => return Err(format!("{n} numbers, where 3 edges or 3 x 3 components are expected")),
    };
    Cell::new(scale * h).map_err(|e| e.to_string())
}

/// One group of particles while it is opened.
pub(super) struct Source<'a> {
    pub path: &'a Path,
    pub group: &'a Group,
}

impl Source<'_> {
    pub fn error(&self, what: &str, reason: String) -> H5mdError {
        H5mdError::Read { path: self.path.to_path_buf(), what: what.to_string(), reason }
    }

    fn name(&self, tail: &str) -> String {
        format!("{}/{tail}", self.group.name())
    }

    pub fn element(&self, name: &str, scale: fn(&str) -> Option<f64>) -> Result<Option<Element>, H5mdError> {
        if !self.group.link_exists(name) {
            return Ok(None);
        }
        let what = self.name(&format!("{name}/value"));
        let value =
            self.group.dataset(&format!("{name}/value")).map_err(|e| self.error(&what, reason(&e)))?;
        let scale = self.scale(&what, unit_of(&value), scale)?;
        Ok(Some(Element { name: what, value, scale }))
    }

    fn scale(
        &self,
        what: &str,
        unit: Option<String>,
        scale: fn(&str) -> Option<f64>,
    ) -> Result<f64, H5mdError> {
        let unit = unit.unwrap_or_default();
        scale(&unit).ok_or_else(|| self.error(what, format!("its unit `{unit}` is not known here")))
    }

    /// `step` or `time` of an element: one number a frame, or an increment with an `offset`.
    pub fn clock(
        &self,
        element: &str,
        name: &str,
        scale: fn(&str) -> Option<f64>,
    ) -> Result<Option<Clock>, H5mdError> {
        let tail = format!("{element}/{name}");
        let what = self.name(&tail);
        let Ok(dataset) = self.group.dataset(&tail) else { return Ok(None) };
        let scale = self.scale(&what, unit_of(&dataset), scale)?;
        let values = dataset.read_raw::<f64>().map_err(|e| self.error(&what, reason(&e)))?;
        if dataset.is_scalar() {
            let offset = dataset.attr("offset").and_then(|a| a.read_scalar::<f64>()).unwrap_or(0.0);
            return Ok(Some(Clock::Fixed { offset: offset * scale, increment: values[0] * scale }));
        }
        Ok(Some(Clock::Explicit(values.into_iter().map(|v| v * scale).collect())))
    }

    pub fn edges(&self, steps: &Clock) -> Result<Edges, H5mdError> {
        let what = self.name("box/edges");
        if !self.group.link_exists("box") || !self.group.link_exists("box/edges") {
            return Ok(Edges::None);
        }
        if let Ok(fixed) = self.group.dataset("box/edges") {
            let scale = self.scale(&what, unit_of(&fixed), length_scale)?;
            let numbers = fixed.read_raw::<f64>().map_err(|e| self.error(&what, reason(&e)))?;
            return cell_of(&numbers, scale).map(Edges::Fixed).map_err(|e| self.error(&what, e));
        }
        let Some(element) = self.element("box/edges", length_scale)? else { return Ok(Edges::None) };
        let own = match (self.clock("box/edges", "step", |_| Some(1.0))?, steps) {
            (Some(Clock::Explicit(own)), Clock::Explicit(steps)) if own.len() != steps.len() => Some(own),
            _ => None,
        };
        Ok(Edges::Series(element, own))
    }
}
