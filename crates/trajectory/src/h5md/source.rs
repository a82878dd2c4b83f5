//! The elements of one group of particles, whoever wrote it: datasets, units, clocks.

use std::path::Path;

use glam::{DMat3, DVec3};
use hdf5::{Dataset, Group, LinkType, Location};

use super::elements::texts_of;
use super::moments::{Clock, Moments, Rows};
use super::series::read_rows;
use super::units::{self, Dimension};
use super::{H5mdError, plausible, reason};

/// One element: a dataset (fixed), or a group with `value` (a row a moment).
pub(super) struct Element {
    /// Path of the dataset within the file.
    pub name: String,
    pub value: Dataset,
    /// As the file names it; none where it has none.
    pub unit: Option<String>,
    /// From the file's unit to angstrom, ps and u.
    pub scale: f64,
    /// Whether the first dimension counts rows.
    pub series: bool,
    /// Rows with moments; 1 where it is fixed.
    pub rows: usize,
    /// When they were written.
    pub moments: Moments,
    /// Unit of their times.
    pub time_unit: Option<String>,
}

impl Element {
    /// Shape of one row.
    pub fn row_shape(&self) -> Vec<usize> {
        let shape = self.value.shape();
        if self.series { shape[1..].to_vec() } else { shape }
    }

    /// The numbers of a row, times the factor of the unit.
    pub fn numbers(&self, row: usize) -> hdf5::Result<Vec<f64>> {
        let mut numbers = self.raw::<f64>(row)?;
        if self.scale != 1.0 {
            for x in &mut numbers {
                *x *= self.scale;
            }
        }
        Ok(numbers)
    }

    /// A row as the file has it.
    pub fn raw<T: hdf5::H5Type>(&self, row: usize) -> hdf5::Result<Vec<T>> {
        if self.series { read_rows(&self.value, row..row + 1) } else { self.value.read_raw() }
    }

    /// Which row belongs to which frame of the positions.
    pub fn rows_of(&self, position: &Moments, frames: usize) -> Result<Rows, String> {
        if self.series { Rows::new(&self.moments, self.rows, position, frames) } else { Ok(Rows::Constant) }
    }
}

/// Edge vectors as columns, from the rows of a 3 x 3 matrix or from three edge lengths.
pub(super) fn matrix_of(numbers: &[f64]) -> Result<DMat3, String> {
    match numbers.len() {
        3 => Ok(DMat3::from_diagonal(DVec3::from_slice(numbers))),
        9 => Ok(DMat3::from_cols_slice(numbers)),
        n => Err(format!("{n} numbers, where 3 edges or 3 x 3 components are expected")),
    }
}

/// Why a link leads nowhere; none where it leads somewhere, or where there is no link.
pub(super) fn broken_link(group: &Group, name: &str) -> Option<String> {
    let mut kind = None;
    group
        .iter_visit_default(|link, info| {
            if link == name {
                kind = Some(info.link_type);
            }
            Ok(())
        })
        .ok()?;
    let kind = kind.filter(|kind| *kind != LinkType::Hard)?;
    let error = group.group(name).err()?;
    group.dataset(name).err()?;
    let frames = error.stack().map(|stack| stack.iter().map(|f| f.desc().to_string()).collect::<Vec<_>>());
    let detail = |word: &str| frames.iter().flatten().find(|text| text.contains(word)).cloned();
    Some(match kind {
        LinkType::External => format!(
            "it is a link to another file, which cannot be opened ({})",
            detail("external").unwrap_or_else(|| reason(&error))
        ),
        _ => "it is a link within the file to something that is not there".to_string(),
    })
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

    pub fn name(&self, tail: &str) -> String {
        format!("{}/{tail}", self.group.name().trim_start_matches('/'))
    }

    /// An element with its moments; `time_scale` is for times without unit. The unit of its value is left to the caller.
    pub fn element(&self, name: &str, time_scale: f64) -> Result<Option<Element>, H5mdError> {
        let parent = match name.rsplit_once('/') {
            Some((parent, _)) if !self.group.link_exists(parent) => return Ok(None),
            Some((parent, _)) => self.group.group(parent).map_err(|e| {
                let broken = broken_link(self.group, parent);
                self.error(&self.name(parent), broken.unwrap_or_else(|| reason(&e)))
            })?,
            None => self.group.clone(),
        };
        let leaf = name.rsplit('/').next().unwrap_or(name);
        if !parent.link_exists(leaf) {
            return Ok(None);
        }
        if let Some(broken) = broken_link(&parent, leaf) {
            return Err(self.error(&self.name(name), broken));
        }
        if let Ok(value) = parent.dataset(leaf) {
            let (name, moments) = (self.name(name), Moments::default());
            let unit = self.unit_of(&name, &[&value])?;
            let (scale, series, rows, time_unit) = (1.0, false, 1, None);
            return Ok(Some(Element { name, value, unit, scale, series, rows, moments, time_unit }));
        }
        let what = self.name(&format!("{name}/value"));
        let group = parent.group(leaf).map_err(|e| self.error(&self.name(name), reason(&e)))?;
        if let Some(broken) = broken_link(&group, "value") {
            return Err(self.error(&what, broken));
        }
        let value = group.dataset("value").map_err(|e| self.error(&what, reason(&e)))?;
        let Some(&rows) = value.shape().first() else {
            return Err(self.error(&what, "it is a single number, where rows are expected".to_string()));
        };
        let steps = self.clock(&group, name, "step", rows)?;
        let times = self.clock(&group, name, "time", rows)?;
        let (times, time_unit) = match times {
            None => (None, None),
            Some((clock, unit)) => {
                let scale = self.scale(&self.name(&format!("{name}/time")), unit.clone(), units::TIME)?;
                (Some(clock.scaled(scale.unwrap_or(time_scale))), unit)
            }
        };
        let unit = self.unit_of(&what, &[&value, &group])?;
        let moments = Moments { steps: steps.map(|(clock, _)| clock), times };
        let rows = rows.min(moments.len());
        if let Some(reason) = plausible::too_many(&value, rows) {
            return Err(self.error(&what, reason));
        }
        let (name, scale, series) = (what, 1.0, true);
        Ok(Some(Element { name, value, unit, scale, series, rows, moments, time_unit }))
    }

    /// The unit of a dataset: its attribute `unit`; some programs write `units`, or one beside the group.
    pub fn unit_of(&self, what: &str, places: &[&Location]) -> Result<Option<String>, H5mdError> {
        for (place, name) in places.iter().flat_map(|place| [(place, "unit"), (place, "units")]) {
            let Ok(attribute) = place.attr(name) else { continue };
            match texts_of(&attribute).as_deref() {
                Some([unit]) if unit.trim().is_empty() => {}
                Some([unit]) => return Ok(Some(unit.trim().to_string())),
                _ => return Err(self.error(what, format!("its attribute `{name}` is not one word"))),
            }
        }
        Ok(None)
    }

    /// The factor of a unit, if there is a unit.
    pub fn scale(&self, what: &str, unit: Option<String>, of: Dimension) -> Result<Option<f64>, H5mdError> {
        let Some(unit) = unit else { return Ok(None) };
        match units::scale(&unit, of) {
            Some(scale) => Ok(Some(scale)),
            None => Err(H5mdError::Unit {
                path: self.path.to_path_buf(),
                what: what.to_string(),
                found: if units::is_number(&unit) {
                    format!("its unit `{unit}` says that it has none, as in reduced units")
                } else {
                    format!("its unit `{unit}` is not known here as one of {}", units::name(of))
                },
            }),
        }
    }

    /// The factor of the unit of an element's value, if it has one.
    pub fn unit_scale(&self, element: &Element, of: Dimension) -> Result<Option<f64>, H5mdError> {
        self.scale(&element.name, element.unit.clone(), of)
    }

    /// `step` or `time` of an element: one number a row, or an increment with an `offset`; and its unit.
    fn clock(
        &self,
        group: &Group,
        element: &str,
        name: &str,
        rows: usize,
    ) -> Result<Option<(Clock, Option<String>)>, H5mdError> {
        if !group.link_exists(name) {
            return Ok(None);
        }
        let what = self.name(&format!("{element}/{name}"));
        if let Some(broken) = broken_link(group, name) {
            return Err(self.error(&what, broken));
        }
        let dataset = group.dataset(name).map_err(|e| self.error(&what, reason(&e)))?;
        let values = dataset.read_raw::<f64>().map_err(|e| self.error(&what, reason(&e)))?;
        let unit = self.unit_of(&what, &[&dataset])?;
        // A scalar is an increment; so is a single number for many rows, as some libraries write scalars.
        let single = dataset.is_scalar() || (values.len() == 1 && rows > 1 && values[0] > 0.0);
        if single && let [increment] = values[..] {
            let offset = number_attribute(&dataset, "offset").map_err(|e| self.error(&what, e))?;
            return Ok(Some((Clock::Fixed { offset: offset.unwrap_or(0.0), increment }, unit)));
        }
        if dataset.ndim() != 1 {
            return Err(
                self.error(&what, format!("its shape is {:?}, not one number a row", dataset.shape()))
            );
        }
        Ok(Some((Clock::Explicit(values), unit)))
    }
}

/// An attribute that is one number, alone or as an array of one; none where there is no such attribute.
pub(super) fn number_attribute(location: &Location, name: &str) -> Result<Option<f64>, String> {
    let Ok(attribute) = location.attr(name) else { return Ok(None) };
    match attribute.read_raw::<f64>() {
        Ok(values) if values.len() == 1 => Ok(Some(values[0])),
        Ok(values) => Err(format!("its attribute `{name}` is {} numbers, not one", values.len())),
        Err(error) => Err(format!("its attribute `{name}`: {}", reason(&error))),
    }
}
