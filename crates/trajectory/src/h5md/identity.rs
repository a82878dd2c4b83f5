//! Which particle a row of an element is: the element `id`.
//!
//! Particles are put in the order of their ids in every frame. A row whose id is the fill value that the file defines for `id`,
//! negative, or the largest number of its type is a placeholder and holds no particle (specification 1.1, "id").

use std::sync::{Arc, Mutex, PoisonError};

use hdf5::types::{IntSize, TypeDescriptor};

use super::moments::{Moments, Rows};
use super::reason;
use super::source::Element;

/// The ids of a group.
pub(super) struct Identity {
    element: Element,
    rows: Rows,
    absent: Vec<i64>,
    /// Of the particles, increasing.
    pub ids: Vec<i64>,
    /// Rows that a frame has, with those that hold no particle.
    pub places: usize,
    /// Per particle: its row, if it is the same in all frames.
    constant: Option<Order>,
    /// The last row that was sorted: positions, images and velocities of a frame ask for the same one.
    last: Mutex<Option<(usize, Order)>>,
}

/// Per particle: its row.
pub(super) type Order = Arc<[usize]>;

impl Identity {
    /// Reads all ids once: the same particles must be there at every moment.
    pub fn new(element: Element, position: &Moments, frames: usize) -> Result<Self, String> {
        let rows = element.rows_of(position, frames)?;
        let absent = absent_ids(&element);
        let (constant, last) = (Some(Order::from([])), Mutex::new(None));
        let mut identity = Self { element, rows, absent, ids: Vec::new(), places: 0, constant, last };
        for row in 0..if identity.element.series { identity.element.rows } else { 1 } {
            let order = identity.check(row).map_err(|e| format!("row {row}: {e}"))?;
            if row == 0 {
                identity.constant = Some(order);
            } else if identity.constant.as_ref().is_some_and(|first| *first != order) {
                identity.constant = None;
            }
        }
        Ok(identity)
    }

    /// Per particle: its row in row `row` of `id`; the ids; rows that it has.
    fn read(&self, row: usize) -> Result<(Order, Vec<i64>, usize), String> {
        let ids: Vec<i64> = self.element.raw(row).map_err(|e| reason(&e))?;
        let (order, sorted) = sorted(&ids, &self.absent)?;
        Ok((order.into(), sorted, ids.len()))
    }

    /// The same, if its particles are those of the first row, from which they are taken.
    fn check(&mut self, row: usize) -> Result<Order, String> {
        let (order, sorted, places) = self.read(row)?;
        if row == 0 {
            (self.ids, self.places) = (sorted, places);
            return Ok(order);
        }
        if sorted == self.ids {
            return Ok(order);
        }
        let other = sorted.iter().find(|id| self.ids.binary_search(id).is_err());
        let gone = self.ids.iter().find(|id| sorted.binary_search(id).is_err());
        Err(match (other, gone) {
            (Some(id), _) => format!("particle {id} is there, but not in the first row"),
            (None, Some(id)) => format!("particle {id} of the first row is not there"),
            (None, None) => "its particles are not those of the first row".to_string(),
        })
    }

    /// Whether every particle keeps its row.
    pub fn is_constant(&self) -> bool {
        self.constant.is_some()
    }

    /// Frames, from the first one on, whose ids are known.
    pub fn covered(&self, frames: usize) -> usize {
        if self.constant.is_some() { frames } else { self.rows.covered(frames) }
    }

    /// Per particle: its row in a frame.
    pub fn order(&self, frame: usize) -> Result<Order, String> {
        if let Some(order) = &self.constant {
            return Ok(order.clone());
        }
        let row = self.rows.exact(frame).ok_or("there are no ids at its step")?;
        self.order_of_row(row)
    }

    fn order_of_row(&self, row: usize) -> Result<Order, String> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = last().as_ref().filter(|(of, _)| *of == row) {
            return Ok(order.clone());
        }
        let (order, ..) = self.read(row)?;
        *last() = Some((row, order.clone()));
        Ok(order)
    }

    /// How rows of another element belong to rows of `id`.
    pub fn rows_for(&self, other: &Element) -> Result<Rows, String> {
        if self.constant.is_some() {
            return Ok(Rows::Constant);
        }
        self.element.rows_of(&other.moments, other.rows)
    }

    /// Per particle: its row in row `row` of another element, whose rows belong to those of `id` by `rows`.
    pub fn order_in(&self, rows: &Rows, row: usize) -> Result<Order, String> {
        if let Some(order) = &self.constant {
            return Ok(order.clone());
        }
        let at = rows.exact(row).ok_or("there are no ids at its step, so that nobody knows whose it is")?;
        self.order_of_row(at)
    }

    /// Whether what `same` compares, two rows of fixed elements, agrees for every particle at all moments.
    pub fn rows_keep(&self, same: impl Fn(usize, usize) -> bool) -> Result<bool, String> {
        if self.constant.is_some() {
            return Ok(true);
        }
        let first = self.order_of_row(0)?;
        for row in 1..self.element.rows {
            if !self.order_of_row(row)?.iter().zip(first.iter()).all(|(now, before)| same(*now, *before)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The rows of the particles in the order of their ids, and the ids.
fn sorted(ids: &[i64], absent: &[i64]) -> Result<(Vec<usize>, Vec<i64>), String> {
    let mut order: Vec<usize> =
        (0..ids.len()).filter(|i| ids[*i] >= 0 && !absent.contains(&ids[*i])).collect();
    order.sort_by_key(|i| ids[*i]);
    let sorted: Vec<i64> = order.iter().map(|i| ids[*i]).collect();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two particles have the id {}", pair[0])),
        None => Ok((order, sorted)),
    }
}

/// Ids of rows that hold no particle, beside negative ones.
fn absent_ids(element: &Element) -> Vec<i64> {
    let mut absent = Vec::new();
    let list = &element.value;
    if let Ok(creation) = list.dcpl()
        && creation.fill_value_defined() == hdf5::dataset::FillValue::UserDefined
        && let Some(fill) = creation.fill_value_as::<i64>()
    {
        absent.push(fill);
    }
    absent.push(match list.dtype().and_then(|t| t.to_descriptor()) {
        Ok(TypeDescriptor::Integer(IntSize::U4)) => i64::from(i32::MAX),
        Ok(TypeDescriptor::Unsigned(IntSize::U4)) => i64::from(u32::MAX),
        // An unsigned number of 64 bits is cut to this.
        _ => i64::MAX,
    });
    absent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_id_without_placeholders() {
        assert_eq!(sorted(&[7, -1, 3, 99, 5], &[99]), Ok((vec![2, 4, 0], vec![3, 5, 7])));
        assert!(sorted(&[1, 2, 1], &[]).unwrap_err().contains("two particles have the id 1"));
    }
}
