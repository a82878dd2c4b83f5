//! Frames that a dump holds twice, because one run ended and the next began with them.

use glam::{BVec3, DVec3};

use super::{DumpFrame, LammpsDump};

/// Positions of the same moment, in units of the cell's edges: dumps have six digits, and restart files may round.
const SAME_PLACE: f64 = 1e-4;

impl LammpsDump {
    /// Leaves out frames of the same step and atoms, at the same places, as the frame before. Those of the same step that
    /// differ stay, and are found not to be later than the one before; if atoms are whole cells away, this is remembered.
    pub(super) fn leave_out_repeats(&mut self) {
        let mut frame = 1;
        while frame < self.index.entries.len() {
            let (before, now) = (&self.index.entries[frame - 1], &self.index.entries[frame]);
            if before.step != now.step || before.atoms != now.atoms {
                frame += 1;
                continue;
            }
            // What cannot be read is named when it is wanted.
            let (Ok(before), Ok(now)) = (self.frame(frame - 1), self.frame(frame)) else { return };
            match repetition(&before, &now, self.periodic(frame)) {
                Repetition::Same => {}
                Repetition::Recounted => {
                    self.recounted = Some(frame);
                    return;
                }
                Repetition::None => return,
            }
            self.index.entries.remove(frame);
            self.repeated.push(now.step);
        }
    }
}

/// What one frame is of another.
enum Repetition {
    /// The same moment.
    Same,
    /// The same moment, with atoms whole cells away, though both say where these are.
    Recounted,
    None,
}

/// Whether two frames show the same moment. Where neither says which cells atoms have crossed, they may have been wrapped between
/// them, along edges that are periodic.
fn repetition(before: &DumpFrame, now: &DumpFrame, periodic: BVec3) -> Repetition {
    let cells = [before.cell, now.cell].map(|cell| cell.matrix().to_cols_array());
    let scale = cells[0].iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let same_cell = cells[0].iter().zip(&cells[1]).all(|(a, b)| (a - b).abs() < SAME_PLACE * scale);
    let same_atoms = before.ids == now.ids && before.types == now.types && before.elements == now.elements;
    if !same_cell || !same_atoms {
        return Repetition::None;
    }
    let along = |counts: DVec3| DVec3::select(periodic, counts, DVec3::ZERO);
    let mut recounted = false;
    for (atom, (a, b)) in before.positions.iter().zip(&now.positions).enumerate() {
        let moved = now.cell.fractional((*b - now.origin) - (*a - before.origin));
        let images = match (&before.images, &now.images) {
            (Some(before), Some(now)) => along(now[atom] - before[atom]),
            _ => DVec3::ZERO,
        };
        let cells = along((moved + images).round());
        if (moved + images - cells).abs().max_element() >= SAME_PLACE {
            return Repetition::None;
        }
        recounted |= cells != DVec3::ZERO;
    }
    let known = |frame: &DumpFrame| frame.unwrapped || frame.images.is_some();
    if recounted && known(before) && known(now) { Repetition::Recounted } else { Repetition::Same }
}
