//! Files that announce more than they can hold.
//!
//! The shape of a dataset is a few bytes, whatever it says. What is read at once must be accounted for by the bytes of the file, before memory
//! for it is asked for.

use hdf5::{Dataset, File, Group};

/// Deflate takes 1032 bytes for one at most (Deutsch, RFC 1951: 258 bytes in two bits); shuffling adds nothing.
const COMPRESSION: u64 = 1040;
/// Rows that were never written take no space, and small ones do no harm (bytes).
const HARMLESS: u64 = 1 << 20;
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
    let limit = HARMLESS + COMPRESSION * file.size();
    groups.iter().find_map(|name| in_group(&file.group(name).ok()?, at_once, limit, DEPTH))
}

fn in_group(group: &Group, at_once: AtOnce, limit: u64, depth: usize) -> Option<(String, String)> {
    let names = group.member_names().ok()?;
    names.iter().take(MEMBERS).find_map(|name| match group.dataset(name) {
        Ok(dataset) => {
            let rows = at_once == AtOnce::Row && name == "value";
            let announced = bytes(&dataset, rows);
            let elements = dataset.shape().iter().map(|n| *n as f64).product::<f64>();
            let reason = || {
                format!(
                    "it announces {:?} numbers, {announced:.1e} bytes to be read at once, which a file of {} bytes cannot hold",
                    dataset.shape(),
                    group.file().map_or(0, |file| file.size())
                )
            };
            (announced > limit as f64 || elements > MOST_ELEMENTS).then(|| (dataset.name(), reason()))
        }
        Err(_) if depth > 0 => in_group(&group.group(name).ok()?, at_once, limit, depth - 1),
        Err(_) => None,
    })
}

/// Bytes that are read at once, of a row or of all, as a real number, which does not overflow. A list is read as a whole.
fn bytes(dataset: &Dataset, has_rows: bool) -> f64 {
    let shape = dataset.shape();
    let rows = if shape.len() > 1 && has_rows { &shape[1..] } else { &shape[..] };
    // Numbers are converted to eight bytes each.
    let element = dataset.dtype().map_or(8, |kind| kind.size()).max(8);
    rows.iter().map(|n| *n as f64).product::<f64>() * element as f64
}

#[cfg(test)]
mod tests {
    use hdf5::{Extent, Extents, SimpleExtents};

    use super::*;

    fn found(shape: &[usize], at_once: AtOnce) -> Option<(String, String)> {
        of_dataset("value", shape, at_once)
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
        let (name, reason) = found(&[2, 1 << 40, 3], AtOnce::Row).unwrap();
        assert!(
            name == "/particles/all/position/value" && reason.contains("1099511627776"),
            "{name} {reason}"
        );
        assert!(found(&[1 << 50], AtOnce::Row).is_some());
        // The number of its bytes does not fit 64 bits, though one row is small.
        assert!(found(&[1 << 59, 3], AtOnce::Row).is_some());
    }

    #[test]
    fn rows_that_are_not_written_yet_are_no_flood() {
        assert_eq!(found(&[1 << 40, 1000, 3], AtOnce::Row), None);
        assert_eq!(found(&[100_000], AtOnce::Row), None);
        // But what has no rows is read as a whole, and so is a table.
        assert!(of_dataset("position", &[1 << 40, 3], AtOnce::Row).is_some());
        assert!(found(&[1 << 40, 1000, 3], AtOnce::All).is_some());
        assert_eq!(found(&[100_000], AtOnce::All), None);
    }
}
