//! Files that announce more than they can hold.
//!
//! The shape of a dataset is a few bytes, whatever it says. What is read at once (a row of a dataset with rows, the whole of a list) must
//! be accounted for by the bytes of the file, before memory for it is asked for.

use hdf5::{Dataset, File, Group};

/// Deflate takes 1032 bytes for one at most (Deutsch, RFC 1951: 258 bytes in two bits); shuffling adds nothing.
const COMPRESSION: u64 = 1040;
/// Rows that were never written take no space, and small ones do no harm (bytes).
const HARMLESS: u64 = 1 << 20;
/// Groups within groups, and members of a group, that are looked at.
const DEPTH: usize = 6;
const MEMBERS: usize = 1000;

/// The first dataset below `particles` or `vitrion` that announces too much: its name, and why.
pub(super) fn too_much(file: &File) -> Option<(String, String)> {
    let limit = HARMLESS + COMPRESSION * file.size();
    ["particles", "vitrion"].iter().find_map(|name| in_group(&file.group(name).ok()?, limit, DEPTH))
}

fn in_group(group: &Group, limit: u64, depth: usize) -> Option<(String, String)> {
    let names = group.member_names().ok()?;
    names.iter().take(MEMBERS).find_map(|name| match group.dataset(name) {
        Ok(dataset) => {
            let announced = at_once(&dataset);
            let reason = || {
                format!(
                    "it announces {:?} numbers, {announced:.1e} bytes to be read at once, which a file of {} bytes cannot hold",
                    dataset.shape(),
                    group.file().map_or(0, |file| file.size())
                )
            };
            (announced > limit as f64).then(|| (dataset.name(), reason()))
        }
        Err(_) if depth > 0 => in_group(&group.group(name).ok()?, limit, depth - 1),
        Err(_) => None,
    })
}

/// Bytes of a row, of a list as a whole; as a real number, which does not overflow.
fn at_once(dataset: &Dataset) -> f64 {
    let shape = dataset.shape();
    let rows = if shape.len() > 1 { &shape[1..] } else { &shape[..] };
    // Numbers are converted to eight bytes each.
    let element = dataset.dtype().map_or(8, |kind| kind.size()).max(8);
    rows.iter().map(|n| *n as f64).product::<f64>() * element as f64
}

#[cfg(test)]
mod tests {
    use hdf5::{Extent, Extents, SimpleExtents};

    use super::*;

    fn found(shape: &[usize]) -> Option<(String, String)> {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("x.h5")).unwrap();
        let group = file.create_group("particles/all/position").unwrap();
        let extents = Extents::Simple(SimpleExtents::new(shape.iter().map(|n| Extent::resizable(*n))));
        let chunk: Vec<usize> = shape.iter().map(|n| (*n).min(4)).collect();
        group.new_dataset_builder().chunk(chunk).empty::<f32>().shape(extents).create("value").unwrap();
        too_much(&file)
    }

    #[test]
    fn more_than_a_file_can_hold_is_found_before_memory_is_asked_for() {
        let (name, reason) = found(&[2, 1 << 40, 3]).unwrap();
        assert!(
            name == "/particles/all/position/value" && reason.contains("1099511627776"),
            "{name} {reason}"
        );
        assert!(found(&[1 << 50]).is_some());
    }

    #[test]
    fn rows_that_are_not_written_yet_are_no_flood() {
        assert_eq!(found(&[1 << 40, 1000, 3]), None);
        assert_eq!(found(&[100_000]), None);
    }
}
