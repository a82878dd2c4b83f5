//! Lets the HDF5 library read what every command begins with, and no more: a process of its own does that first.
//!
//! All objects below `h5md`, `particles`, `vitrion` and, in results, `observables` are opened, with their attributes; of a dataset with rows
//! the first one and the last ones are read, of a short list everything. What is read is bounded, whatever the size of the file.

use std::path::Path;

use hdf5::{Container, Dataset, Group, Location};

use super::elements::texts_in;
use super::opening::open_file;
use super::plausible;
use super::reader::LARGEST_TAIL;
use super::series::read_rows;

/// Bytes, decompressed, that are read of a file.
const BYTES: usize = 1 << 27;
/// A list is read as a whole up to this size (bytes), an attribute up to the other one.
const LIST: usize = 1 << 24;
const ATTRIBUTE: usize = 1 << 20;
/// Objects and attributes of a file that are opened, and groups within groups.
const OBJECTS: usize = 20_000;
const DEPTH: usize = 6;

/// Reads the beginning and the end of an HDF5 file; errors are no matter.
pub fn touch(path: &Path) {
    let Ok(file) = open_file(path) else { return };
    if plausible::too_much(&file).is_some() {
        return;
    }
    let mut left = Left { bytes: BYTES, objects: OBJECTS };
    left.attributes(&file);
    let results = file.attr("format").is_ok();
    for name in ["h5md", "particles", "vitrion", "observables"] {
        if (results || name != "observables")
            && let Ok(group) = file.group(name)
        {
            left.group(&group, DEPTH);
        }
    }
}

/// What may still be read.
struct Left {
    bytes: usize,
    objects: usize,
}

impl Left {
    fn group(&mut self, group: &Group, depth: usize) {
        self.attributes(group);
        for name in group.member_names().unwrap_or_default() {
            if !self.one_more() {
                return;
            }
            if let Ok(dataset) = group.dataset(&name) {
                self.attributes(&dataset);
                self.dataset(&dataset);
            } else if let (1.., Ok(group)) = (depth, group.group(&name)) {
                self.group(&group, depth - 1);
            }
        }
    }

    fn attributes(&mut self, location: &Location) {
        for name in location.attr_names().unwrap_or_default() {
            if !self.one_more() {
                return;
            }
            if let Ok(attribute) = location.attr(&name)
                && bytes_of(&attribute, attribute.size()) <= ATTRIBUTE
            {
                read(&attribute, None);
            }
        }
    }

    fn dataset(&mut self, dataset: &Dataset) {
        let shape = dataset.shape();
        let rows = shape.first().copied().unwrap_or(0);
        let whole = bytes_of(dataset, dataset.size());
        // At least a chunk is decompressed.
        let chunk = dataset.chunk().map_or(0, |chunk| bytes_of(dataset, chunk.iter().product()));
        if shape.len() < 2 && whole <= LIST {
            if self.spend(whole.max(chunk)) {
                read(dataset, None);
            }
            return;
        }
        let row = bytes_of(dataset, shape.iter().skip(1).fold(1, |n, m| n.saturating_mul(*m)));
        let last = rows.saturating_sub(LARGEST_TAIL + 1);
        for rows in [0..rows.min(1), last..rows] {
            if !rows.is_empty() && self.spend(row.saturating_mul(rows.len()).max(chunk)) {
                read(dataset, Some(rows));
            }
        }
    }

    fn one_more(&mut self) -> bool {
        self.objects = self.objects.saturating_sub(1);
        self.objects > 0
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let enough = bytes <= self.bytes;
        if enough {
            self.bytes -= bytes;
        }
        enough
    }
}

/// Of so many elements, each of which is converted to eight bytes or more.
fn bytes_of(container: &Container, elements: usize) -> usize {
    elements.saturating_mul(container.dtype().map_or(8, |kind| kind.size()).max(8))
}

fn read(container: &Container, rows: Option<std::ops::Range<usize>>) {
    let numbers = match rows.clone() {
        Some(rows) => read_rows::<f64>(container, rows),
        None => container.read_raw::<f64>(),
    };
    if numbers.is_err() {
        let _ = texts_in(container, rows);
    }
}

#[cfg(test)]
mod tests {
    use hdf5::File;

    use super::*;

    /// Bytes that are read of a file with so many rows of 300 ids, of which each is a chunk.
    fn spent(rows: usize) -> usize {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("x.h5")).unwrap();
        let id = file.create_group("particles/atoms/id").unwrap();
        let value =
            id.new_dataset_builder().chunk((1, 300)).empty::<i64>().shape((rows, 300)).create("value");
        value.unwrap().write_raw(&vec![1_i64; rows * 300]).unwrap();
        let mut left = Left { bytes: BYTES, objects: OBJECTS };
        left.group(&file.group("particles").unwrap(), DEPTH);
        assert!(left.objects < OBJECTS);
        BYTES - left.bytes
    }

    #[test]
    fn what_is_read_does_not_grow_with_the_file() {
        assert_eq!([spent(100), spent(3000)], [8 * 300 * (2 + LARGEST_TAIL); 2]);
    }
}
