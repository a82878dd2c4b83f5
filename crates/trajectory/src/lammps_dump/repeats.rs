//! Frames that a dump holds twice, because one run ended and the next began with them.

use super::{DumpFrame, LammpsDump};

/// Positions of the same moment, in units of the cell's edges: dumps have six digits, and restart files may round.
const SAME_PLACE: f64 = 1e-4;

impl LammpsDump {
    /// Leaves out frames of the same step and atoms, at the same places, as the frame before. Those of the same step that
    /// differ stay, and are found not to be later than the one before.
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
            if !repeats(&before, &now) {
                return;
            }
            self.index.entries.remove(frame);
            self.repeated.push(now.step);
        }
    }
}

/// Whether two frames show the same moment. Atoms may have been wrapped between them.
fn repeats(before: &DumpFrame, now: &DumpFrame) -> bool {
    let cells = [before.cell, now.cell].map(|cell| cell.matrix().to_cols_array());
    let scale = cells[0].iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let same_cell = cells[0].iter().zip(&cells[1]).all(|(a, b)| (a - b).abs() < SAME_PLACE * scale);
    same_cell
        && before.ids == now.ids
        && before.types == now.types
        && before.elements == now.elements
        && before.positions.iter().zip(&now.positions).all(|(a, b)| {
            let moved = now.cell.fractional((*b - now.origin) - (*a - before.origin));
            (moved - moved.round()).abs().max_element() < SAME_PLACE
        })
}
