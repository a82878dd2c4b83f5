//! Files that announce more than they can hold.
//!
//! The shape of a dataset is a few bytes, whatever it says. What is read at once (a row of a `value` with rows, the whole of anything else)
//! must be accounted for by bytes in the file that holds it, before memory for it is asked for: a row by those of the file, as rows may be
//! announced and not written yet, the others by those of the dataset. Virtual datasets and external storage have their bytes in other files.

use hdf5::dataset::Layout;
use hdf5::{Dataset, File, Group};

/// Deflate takes 1032 bytes for one at most (Deutsch, RFC 1951: 258 bytes in two bits); shuffling adds nothing.
const COMPRESSION: u64 = 1040;
/// What was never written takes no space, and small things do no harm (bytes).
const HARMLESS: u64 = 1 << 24;
/// Nothing that is read at once is as large as this (bytes), wherever its bytes are.
const ELSEWHERE: u64 = 1 << 36;
/// Groups within groups, and members of a group, that are looked at.
const DEPTH: usize = 6;
const MEMBERS: usize = 1000;

/// Elements of a dataset, rows that are not written yet included: products of dimensions must fit 64 bits, also in bytes.
const MOST_ELEMENTS: f64 = 1e18;

/// What is read of a dataset at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// One row of what H5MD calls `value`: trajectories, whose later frames need not be written yet. All of any other.
    Row,
    /// All of it: tables.
    All,
}

/// The first dataset below these groups that announces more than its file can hold: its name, and why.
pub fn announces_too_much(file: &File, groups: &[&str], at_once: AtOnce) -> Option<(String, String)> {
    groups.iter().find_map(|name| in_group(&file.group(name).ok()?, at_once, DEPTH))
}

/// The same of a trajectory, below one group.
pub(super) fn too_much_in(group: &Group) -> Option<(String, String)> {
    in_group(group, AtOnce::Row, DEPTH)
}

/// The same of all of a trajectory.
pub(super) fn too_much(file: &File) -> Option<(String, String)> {
    announces_too_much(file, &["particles", "vitrion"], AtOnce::Row)
}

fn in_group(group: &Group, at_once: AtOnce, depth: usize) -> Option<(String, String)> {
    let names = group.member_names().ok()?;
    names.iter().take(MEMBERS).find_map(|name| match group.dataset(name) {
        Ok(dataset) => {
            let by_row = at_once == AtOnce::Row && name == "value";
            Some((dataset.name(), check(&dataset, by_row)?))
        }
        Err(_) if depth > 0 => in_group(&group.group(name).ok()?, at_once, depth - 1),
        Err(_) => None,
    })
}

/// What is wrong with the shape of a dataset, which has rows or is read as a whole.
fn check(dataset: &Dataset, by_row: bool) -> Option<String> {
    let shape = dataset.shape();
    let by_row = by_row && shape.len() > 1;
    // Numbers are converted to eight bytes each; as a real number, which does not overflow.
    let element = dataset.dtype().map_or(8, |kind| kind.size()).max(8);
    let read = shape.iter().skip(usize::from(by_row));
    let announced = read.map(|n| *n as f64).product::<f64>() * element as f64;
    let elements = shape.iter().map(|n| *n as f64).product::<f64>();
    if announced <= HARMLESS as f64 && elements <= MOST_ELEMENTS {
        return None;
    }
    let elsewhere = is_elsewhere(dataset);
    let file = dataset.file().map_or(0, |file| file.size());
    let held = if by_row { file } else { dataset.storage_size() };
    let limit = if elsewhere { ELSEWHERE } else { HARMLESS.saturating_add(COMPRESSION.saturating_mul(held)) };
    let holder = if elsewhere {
        "no other file".to_string()
    } else if by_row {
        format!("a file of {file} bytes")
    } else {
        format!("the {held} bytes of it in the file")
    };
    (announced > limit as f64 || elements > MOST_ELEMENTS).then(|| {
        format!("it announces {shape:?} numbers, {announced:.1e} bytes to be read at once, which {holder} cannot hold")
    })
}

/// What is wrong with so many rows that have a moment: each of them is counted, and no file has rows of less than a byte.
pub(super) fn too_many(dataset: &Dataset, rows: usize) -> Option<String> {
    let limit = if is_elsewhere(dataset) { ELSEWHERE } else { dataset.file().map_or(0, |file| file.size()) };
    (rows as u64 > HARMLESS.saturating_add(limit))
        .then(|| format!("it announces {rows} rows, which a file of {limit} bytes cannot hold"))
}

fn is_elsewhere(dataset: &Dataset) -> bool {
    dataset.dcpl().is_ok_and(|layout| layout.layout() == Layout::Virtual || !layout.external().is_empty())
}

#[cfg(test)]
mod tests {
    use hdf5::{Extent, Extents, SimpleExtents};

    use super::*;

    fn found(shape: &[usize]) -> Option<(String, String)> {
        named("value", shape)
    }

    fn named(name: &str, shape: &[usize]) -> Option<(String, String)> {
        of_dataset(name, shape, AtOnce::Row)
    }

    fn of_dataset(name: &str, shape: &[usize], at_once: AtOnce) -> Option<(String, String)> {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("x.h5")).unwrap();
        let group = file.create_group("particles/all/position").unwrap();
        let extents = Extents::Simple(SimpleExtents::new(shape.iter().map(|n| Extent::resizable(*n))));
        let chunk: Vec<usize> = shape.iter().map(|n| (*n).min(4)).collect();
        group.new_dataset_builder().chunk(chunk).empty::<f32>().shape(extents).create(name).unwrap();
        announces_too_much(&file, &["particles", "vitrion"], at_once)
    }

    #[test]
    fn more_than_a_file_can_hold_is_found_before_memory_is_asked_for() {
        let (name, reason) = found(&[2, 1 << 40, 3]).unwrap();
        assert!(
            name == "/particles/all/position/value" && reason.contains("1099511627776"),
            "{name} {reason}"
        );
        assert!(found(&[1 << 50]).is_some());
        // The number of its bytes does not fit 64 bits, though one row is small.
        assert!(found(&[1 << 59, 3]).is_some());
        // What is no `value` is read as a whole.
        let (_, reason) = named("position", &[1 << 40, 3]).unwrap();
        assert!(reason.contains("the 0 bytes of it in the file"), "{reason}");
    }

    #[test]
    fn bytes_are_looked_for_in_the_file_that_holds_them() {
        let directory = tempfile::tempdir().unwrap();
        let large = File::create(directory.path().join("large.h5")).unwrap();
        let group = large.create_group("position").unwrap();
        // 24 MB a row, of which nothing but a megabyte of other things tells.
        let builder = group.new_dataset_builder().chunk((1, 1000, 3));
        builder.empty::<f64>().shape((2, 1_000_000, 3)).create("value").unwrap();
        large.new_dataset_builder().with_data(&vec![0_u8; 1 << 20]).create("filling").unwrap();
        large.flush().unwrap();
        let small = File::create(directory.path().join("small.h5")).unwrap();
        let all = small.create_group("particles/all").unwrap();
        all.link_external("large.h5", "/position", "position").unwrap();
        assert_eq!(too_much(&small), None);
        // A virtual dataset is made of others.
        all.unlink("position").unwrap();
        let position = all.create_group("position").unwrap();
        let part = small.new_dataset::<f64>().shape((2, 10, 3)).create("part").unwrap();
        drop(part);
        let virtual_of = |rows: usize| {
            let all = hdf5::Hyperslab::from((.., .., ..));
            position
                .new_dataset_builder()
                .virtual_map(
                    "small.h5",
                    "part",
                    (2, 10, 3),
                    all,
                    (2, rows, 3),
                    hdf5::Hyperslab::from((.., ..10, ..)),
                )
                .empty::<f64>()
                .shape((2, rows, 3))
                .create("value")
                .unwrap();
        };
        virtual_of(2_000_000);
        assert_eq!(too_much(&small), None);
        position.unlink("value").unwrap();
        virtual_of(1 << 40);
        assert!(too_much(&small).is_some());
    }

    #[test]
    fn rows_that_are_not_written_yet_are_no_flood() {
        assert_eq!(found(&[1 << 40, 1000, 3]), None);
        assert_eq!(found(&[100_000]), None);
        // But a table is read as a whole.
        assert!(of_dataset("value", &[1 << 40, 1000, 3], AtOnce::All).is_some());
        assert_eq!(of_dataset("value", &[100_000], AtOnce::All), None);
    }
}
