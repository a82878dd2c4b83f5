//! Chunks of datasets as they lie in the file, past the filters: the bytes of one, where one is, and one put there as it was.
//!
//! The safe interface of the library knows none of these. [`bytes`] and [`put`] look into the index of the chunks, in a time that
//! grows with its depth. [`place`] does not: the library goes through all chunks of the dataset, and a row of a long
//! trajectory takes milliseconds. So a place is noted when a row is written ([`Written`]): the bytes are then somewhere
//! between the ends of the file before and after. [`place`] is asked where they are not found there.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use hdf5::Dataset;
use hdf5_sys::h5::{haddr_t, herr_t, hsize_t};
use hdf5_sys::h5d::{H5Dget_chunk_info_by_coord, H5Dread_chunk1, H5Dwrite_chunk};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;
use serde::{Deserialize, Serialize};

use super::journal::Chunk;

#[allow(unsafe_code)] // A function of the C library that its bindings lack.
unsafe extern "C" {
    fn H5Dget_chunk_storage_size(dataset: hid_t, corner: *const hsize_t, bytes: *mut hsize_t) -> herr_t;
}

/// The library takes small chunks out of a block that may begin before the end of the file: at most this much (`H5Pset_small_data_block_size`
/// is 2 KiB).
const BLOCK: u64 = 4096;

/// Where the chunk of a row lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// Filters that were left out for it, as bits.
    pub filters: u32,
}

/// A row that was written to a chunk of its own: what is needed to find its bytes in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub row: usize,
    /// The ends of the file before and after it was written.
    ends: [u64; 2],
    size: u64,
    filters: u32,
    checksum: u32,
    /// Its first bytes, at most.
    head: [u8; 16],
}

impl Written {
    pub fn new(row: usize, ends: Range<u64>, filters: u32, bytes: &[u8]) -> Self {
        let mut head = [0; 16];
        head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let (size, checksum) = (bytes.len() as u64, crc32fast::hash(bytes));
        Self { row, ends: [ends.start, ends.end], size, filters, checksum, head }
    }

    /// Where it is in the file, if its bytes are where they should be.
    pub fn find(&self, data: &File) -> Option<Chunk> {
        let first = self.ends[0].saturating_sub(BLOCK);
        let mut bytes = vec![0; usize::try_from(self.ends[1].checked_sub(first)?).ok()?];
        data.read_exact_at(&mut bytes, first).ok()?;
        let size = usize::try_from(self.size).ok()?;
        // Most often it is the last that was written, or the first.
        let likely = [bytes.len().checked_sub(size), Some((self.ends[0] - first) as usize)];
        let all = 0..(bytes.len() + 1).saturating_sub(size);
        let at = likely.into_iter().flatten().chain(all).find(|&at| {
            let chunk = at.checked_add(size).and_then(|end| bytes.get(at..end));
            chunk.is_some_and(|c| {
                c.iter().zip(&self.head).all(|(a, b)| a == b) && crc32fast::hash(c) == self.checksum
            })
        })?;
        let place = Place { offset: first + at as u64, size: self.size, filters: self.filters };
        Some(Chunk { place, checksum: self.checksum })
    }
}

/// The first coordinates of the chunk of a row, of a dataset whose chunks are single rows.
fn corner(dataset: &Dataset, row: usize) -> Vec<hsize_t> {
    let mut corner = vec![0; dataset.ndim()];
    if let Some(first) = corner.first_mut() {
        *first = row as hsize_t;
    }
    corner
}

/// Calls a function of the library. The text is what was wanted, for errors that the library does not explain.
fn call(what: &str, function: impl FnOnce() -> herr_t) -> hdf5::Result<()> {
    hdf5::sync::sync(|| match function() {
        ..0 => Err(hdf5::Error::query().unwrap_or_else(|_| what.into())),
        _ => Ok(()),
    })
}

/// Bytes of the chunk that begins with `row`; 0 if nothing was ever written there.
pub(super) fn size(dataset: &Dataset, row: usize) -> hdf5::Result<u64> {
    // Some versions of the library take a chunk that is not there for an error.
    stored(dataset, row).or_else(|_| Ok(look_up(dataset, row)?.map_or(0, |place| place.size)))
}

/// Bytes of the chunk that begins with `row`, which is there; it reaches the file first.
#[allow(unsafe_code)] // A function of the C library.
fn stored(dataset: &Dataset, row: usize) -> hdf5::Result<u64> {
    let corner = corner(dataset, row);
    let mut size: hsize_t = 0;
    call("the size of a row", || {
        // SAFETY: the identifier is that of an open dataset, `corner` has as many numbers as it has dimensions, and `size` lives
        // and is of the type that the function writes.
        unsafe { H5Dget_chunk_storage_size(dataset.id(), corner.as_ptr(), &raw mut size) }
    })?;
    Ok(size)
}

/// The chunk of `row` as it lies in the file, with the filters that were left out for it. What the library holds back of it reaches the file
/// first.
#[allow(unsafe_code)] // A function of the C library.
pub(super) fn bytes(dataset: &Dataset, row: usize) -> hdf5::Result<(u32, Vec<u8>)> {
    let corner = corner(dataset, row);
    let size = stored(dataset, row)?;
    if size == 0 {
        return Err(never_written(dataset, row));
    }
    let mut bytes = vec![0_u8; size as usize];
    let mut filters = 0_u32;
    call("the bytes of a row", || {
        // SAFETY: the identifier is that of an open dataset, `corner` has as many numbers as it has dimensions, `bytes` is as long
        // as the library said a moment ago, with nothing written since, and `filters` lives and is of the type that the function writes.
        unsafe {
            H5Dread_chunk1(
                dataset.id(),
                H5P_DEFAULT,
                corner.as_ptr(),
                &raw mut filters,
                bytes.as_mut_ptr().cast(),
            )
        }
    })?;
    Ok((filters, bytes))
}

fn never_written(dataset: &Dataset, row: usize) -> hdf5::Error {
    format!("row {row} of {} was never written", dataset.name()).into()
}

/// Where the chunk of `row` lies, in a time that grows with the number of chunks. What the library holds back reaches the file first.
pub(super) fn place(dataset: &Dataset, row: usize) -> hdf5::Result<Place> {
    look_up(dataset, row)?.ok_or_else(|| never_written(dataset, row))
}

#[allow(unsafe_code)] // A function of the C library.
fn look_up(dataset: &Dataset, row: usize) -> hdf5::Result<Option<Place>> {
    #[cfg(test)]
    SLOW.with(|slow| slow.set(slow.get() + 1));
    let corner = corner(dataset, row);
    let (mut filters, mut address, mut size): (u32, haddr_t, hsize_t) = (0, haddr_t::MAX, 0);
    call("the place of a row", || {
        // SAFETY: the identifier is that of an open dataset, `corner` has as many numbers as it has dimensions, and the other
        // pointers are those of living variables of the types that the function writes.
        unsafe {
            H5Dget_chunk_info_by_coord(
                dataset.id(),
                corner.as_ptr(),
                &raw mut filters,
                &raw mut address,
                &raw mut size,
            )
        }
    })?;
    Ok((address != haddr_t::MAX && size > 0).then_some(Place { offset: address, size, filters }))
}

#[cfg(test)]
thread_local! {
    /// How often this thread has had all chunks of a dataset gone through.
    pub(super) static SLOW: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Makes `bytes`, as they lay in another file with the same filters, the chunk of `row`, which must be within the dataset.
#[allow(unsafe_code)] // A function of the C library.
pub(super) fn put(dataset: &Dataset, row: usize, filters: u32, bytes: &[u8]) -> hdf5::Result<()> {
    let corner = corner(dataset, row);
    call("to write a row", || {
        // SAFETY: the identifier is that of an open dataset, `corner` has as many numbers as it has dimensions, and `bytes` is
        // as long as it says; the function only reads both.
        unsafe {
            H5Dwrite_chunk(
                dataset.id(),
                H5P_DEFAULT,
                filters,
                corner.as_ptr(),
                bytes.len(),
                bytes.as_ptr().cast(),
            )
        }
    })
}
