//! Alters HDF5 files through the library, as the bytes of a fuzzer say: what comes out is sound HDF5 with unexpected contents. Bytes that are
//! changed behind the library's back would test the library, which does crash (README.md).

use std::path::Path;

use hdf5::types::VarLenUnicode;
use hdf5::{Extent, Extents, Group, H5Type, Location, SimpleExtents};

/// A stream of small numbers, zeros behind its end.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() % from.len()]
    }
}

const TEXTS: [&str; 12] = [
    "",
    "angstrom",
    "nm",
    "fs",
    "ps",
    "m",
    "none",
    "periodic",
    "K",
    "3",
    "\u{fffd}\u{b5}",
    "frames of a name that is long",
];
const DIMENSIONS: [usize; 12] = [0, 1, 2, 3, 3, 3, 4, 6, 9, 1000, 1 << 31, 1 << 44];
const NUMBERS: [f64; 14] =
    [0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 10.0, 100.0, 1e6, 1e300, -1e300, f64::NAN, f64::INFINITY, 9.3e18];
/// More alterations of one file are no more surprising.
const MOST: usize = 12;

/// Alters the file at `path`: objects of `objects` vanish, or become datasets, groups or texts of other kinds and shapes; attributes of
/// `attributes` change.
pub fn alter(path: &Path, bytes: &mut Bytes, objects: &[&str], attributes: &[&str]) {
    let Ok(file) = hdf5::File::open_rw(path) else { return };
    for _ in 0..MOST {
        if bytes.0.is_empty() {
            break;
        }
        // What the library refuses is not done.
        let _ = one(&file, bytes, objects, attributes);
    }
    let _ = file.close();
}

fn one(file: &Group, bytes: &mut Bytes, objects: &[&str], attributes: &[&str]) -> hdf5::Result<()> {
    let name = bytes.choose(objects);
    let kind = bytes.next() % 8;
    if kind == 0 {
        return attribute(file, name, bytes, attributes);
    }
    let _ = file.unlink(name);
    match kind {
        1 => Ok(()),
        2 => file.create_group(name).map(|_| ()),
        3 => {
            let texts: Vec<VarLenUnicode> =
                (0..bytes.next() % 5).map(|_| text(bytes.choose(&TEXTS))).collect();
            file.new_dataset_builder().with_data(&texts).create(name).map(|_| ())
        }
        4 => numbers::<f64>(file, name, bytes, |x| x),
        5 => numbers::<f32>(file, name, bytes, |x| x as f32),
        6 => numbers::<i32>(file, name, bytes, |x| x as i32),
        _ => numbers::<u64>(file, name, bytes, |x| x as u64),
    }
}

fn text(value: &str) -> VarLenUnicode {
    value.parse().unwrap_or_default()
}

fn numbers<T: H5Type>(
    file: &Group,
    name: &str,
    bytes: &mut Bytes,
    of: impl Fn(f64) -> T,
) -> hdf5::Result<()> {
    let rank = bytes.next() % 5;
    let shape: Vec<usize> = (0..rank).map(|_| bytes.choose(&DIMENSIONS)).collect();
    // The HDF5 crate cannot make more elements than 64 bits count.
    let Some(elements) = shape.iter().try_fold(8usize, |n, d| n.checked_mul(*d)).map(|bytes| bytes / 8)
    else {
        return Ok(());
    };
    let builder = file.new_dataset_builder();
    if elements <= 10_000 && rank > 0 {
        let seeds: Vec<f64> = (0..8).map(|_| bytes.choose(&NUMBERS)).collect();
        let values: Vec<T> = (0..elements).map(|i| of(seeds[i % 8])).collect();
        let array = ndarray::ArrayViewD::from_shape(ndarray::IxDyn(&shape), &values[..])?;
        return builder.with_data(array).create(name).map(|_| ());
    }
    if rank == 0 {
        let number = of(bytes.choose(&NUMBERS));
        return file.new_dataset::<T>().create(name)?.write_scalar(&number);
    }
    // Never written: a file may announce more than anybody has memory for.
    let chunk: Vec<usize> = shape.iter().map(|n| (*n).clamp(1, 8)).collect();
    let extents = Extents::Simple(SimpleExtents::new(shape.iter().map(|n| Extent::resizable(*n))));
    builder.chunk(chunk).empty::<T>().shape(extents).create(name).map(|_| ())
}

fn attribute(file: &Group, name: &str, bytes: &mut Bytes, attributes: &[&str]) -> hdf5::Result<()> {
    let attribute = bytes.choose(attributes);
    let change = |location: &Location, bytes: &mut Bytes| -> hdf5::Result<()> {
        let _ = location.delete_attr(attribute);
        match bytes.next() % 5 {
            0 => Ok(()),
            1 => location
                .new_attr::<VarLenUnicode>()
                .create(attribute)?
                .write_scalar(&text(bytes.choose(&TEXTS))),
            2 => {
                let texts: Vec<VarLenUnicode> =
                    (0..bytes.next() % 5).map(|_| text(bytes.choose(&TEXTS))).collect();
                location.new_attr_builder().with_data(&texts).create(attribute).map(|_| ())
            }
            3 => location.new_attr::<f64>().create(attribute)?.write_scalar(&bytes.choose(&NUMBERS)),
            _ => {
                let values: Vec<i64> = (0..bytes.next() % 5).map(|_| bytes.choose(&NUMBERS) as i64).collect();
                location.new_attr_builder().with_data(&values).create(attribute).map(|_| ())
            }
        }
    };
    match file.dataset(name) {
        Ok(dataset) => change(&dataset, bytes),
        Err(_) => change(&*file.group(name)?, bytes),
    }
}
