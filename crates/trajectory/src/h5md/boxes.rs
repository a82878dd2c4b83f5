//! The simulation box of a group of particles.

use glam::DVec3;
use hdf5::Group;
use hdf5::types::TypeDescriptor;
use vitrion_core::cell::Cell;

use super::elements::texts_of;
use super::moments::{Moments, Rows};
use super::source::{Element, Source, matrix_of, number_attribute};
use super::{H5mdError, reason};

/// The box, and how its rows belong to frames.
pub(super) enum Edges {
    None,
    Fixed(Cell),
    Series(Element, Rows),
}

/// Along which edges the system repeats itself.
pub(super) struct Boundary {
    pub periodic: [bool; 3],
    /// Whether the file says so.
    pub said: bool,
    /// Lengths (angstrom) that stand in for edges along which nothing repeats itself and that have none: their numbers mean
    /// nothing.
    pub extent: DVec3,
}

impl Boundary {
    /// The cell with these edges; none where nothing repeats itself and the edges are no cell.
    pub fn cell(&self, numbers: &[f64]) -> Result<Option<Cell>, String> {
        let mut h = matrix_of(numbers)?;
        for axis in 0..3 {
            let length = h.col(axis).length();
            let usable = length.is_finite() && length > 0.0;
            if !self.periodic[axis] && !usable {
                *h.col_mut(axis) = self.extent[axis] * DVec3::AXES[axis];
            }
        }
        match Cell::new(h) {
            Ok(cell) => Ok(Some(cell)),
            Err(_) if self.periodic == [false; 3] => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What is assumed where a file does not say.
fn unsaid() -> Boundary {
    Boundary { periodic: [true; 3], said: false, extent: DVec3::ONE }
}

impl Source<'_> {
    /// `box/boundary`; without one, all edges are taken for periodic. A box that is not of three dimensions is refused.
    pub fn boundary(&self) -> Result<Boundary, H5mdError> {
        let Ok(group) = self.group.group("box") else { return Ok(unsaid()) };
        let what = self.name("box");
        if let Some(dimension) = number_attribute(&group, "dimension").map_err(|e| self.error(&what, e))?
            && dimension != 3.0
        {
            return Err(self.error(&what, format!("it is of {dimension} dimensions; 3 can be analysed")));
        }
        let Some(words) = boundary_words(&group) else {
            return Ok(unsaid());
        };
        let each = words.iter().map(|word| match word.trim().to_ascii_lowercase().as_str() {
            "periodic" | "p" | "1" | "true" => Ok(true),
            "none" | "nonperiodic" | "n" | "0" | "false" => Ok(false),
            word => Err(format!("its attribute `boundary` is `{word}`, not `periodic` or `none`")),
        });
        let each = each.collect::<Result<Vec<bool>, String>>().map_err(|e| self.error(&what, e))?;
        match each[..] {
            [all] => Ok(Boundary { periodic: [all; 3], said: true, extent: DVec3::ONE }),
            [x, y, z] => Ok(Boundary { periodic: [x, y, z], said: true, extent: DVec3::ONE }),
            _ => Err(self.error(&what, format!("its attribute `boundary` has {} values, not 3", each.len()))),
        }
    }

    /// Lees-Edwards boundaries, whose images are shifted along the shear: ESPResSo writes `lees_edwards/offset`, which is zero without shear.
    ///
    /// # Errors
    /// An offset that is not zero: neither the box nor `image` says where images then are.
    pub fn check_shear(&self, frames: usize) -> Result<(), H5mdError> {
        let Some(offset) = self.element("lees_edwards/offset", 1.0)? else { return Ok(()) };
        for row in 0..if offset.series { offset.rows.min(frames) } else { 1 } {
            let numbers = offset.numbers(row).map_err(|e| self.error(&offset.name, reason(&e)))?;
            if let Some(shift) = numbers.iter().find(|x| **x != 0.0) {
                return Err(self.error(
                    &offset.name,
                    format!("it is {shift} in row {row}: systems under shear (Lees-Edwards boundaries) cannot be analysed"),
                ));
            }
        }
        Ok(())
    }

    /// The box of the frames.
    pub fn edges(
        &self,
        element: Option<Element>,
        boundary: &Boundary,
        position: &Moments,
        frames: usize,
        notes: &mut Vec<String>,
    ) -> Result<Edges, H5mdError> {
        let Some(element) = element else { return Ok(Edges::None) };
        let fixed = |element: &Element| {
            let numbers = element.numbers(0).map_err(|e| self.error(&element.name, reason(&e)))?;
            let cell = boundary.cell(&numbers).map_err(|e| self.error(&element.name, e))?;
            Ok(cell.map_or(Edges::None, Edges::Fixed))
        };
        if !element.series {
            return fixed(&element);
        }
        if element.rows == 0 && frames > 0 {
            return Err(self.error(&element.name, "it holds no row".to_string()));
        }
        if element.rows == 1 && frames > 1 {
            notes.push(format!("{} was written once: the box is taken for constant", element.name));
            return fixed(&element);
        }
        let rows = element.rows_of(position, frames).map_err(|e| self.error(&element.name, e))?;
        match rows.outside(frames) {
            (0, 0) => {}
            (early, 0) => notes
                .push(format!("{} begins later than positions do: its first box is that of {early} frames before", element.name)),
            (0, late) => notes
                .push(format!("{} ends before positions do: its last box is that of {late} frames after", element.name)),
            (early, late) => notes.push(format!(
                "{} does not cover all frames: its first box is that of {early} frames before, its last one of {late} after",
                element.name
            )),
        }
        Ok(Edges::Series(element, rows))
    }
}

/// The values of `boundary` as words, whatever type they have.
fn boundary_words(group: &Group) -> Option<Vec<String>> {
    let attribute = group.attr("boundary").ok()?;
    if let Some(words) = texts_of(&attribute) {
        return Some(words);
    }
    if let Ok(TypeDescriptor::Boolean) = attribute.dtype().and_then(|t| t.to_descriptor()) {
        let values = attribute.read_raw::<bool>().ok()?;
        return Some(values.iter().map(ToString::to_string).collect());
    }
    let numbers = attribute.read_raw::<i64>().ok()?;
    Some(numbers.iter().map(ToString::to_string).collect())
}
