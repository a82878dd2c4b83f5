//! Chunks of datasets as they lie in the file, past the filters: where one is, and one put there as it was.
//!
//! The safe interface of the library knows neither in time that does not grow with the number of chunks.

use hdf5::Dataset;
use hdf5_sys::h5::{haddr_t, hsize_t};
use hdf5_sys::h5d::{H5Dget_chunk_info_by_coord, H5Dwrite_chunk};
use hdf5_sys::h5p::H5P_DEFAULT;
use serde::{Deserialize, Serialize};

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

/// The first coordinates of the chunk of a row, of a dataset whose chunks are single rows.
fn corner(dataset: &Dataset, row: usize) -> Vec<hsize_t> {
    let mut corner = vec![0; dataset.ndim()];
    if let Some(first) = corner.first_mut() {
        *first = row as hsize_t;
    }
    corner
}

/// Where the chunk of `row` lies; none if nothing was ever written there. What the library holds back reaches the file first.
#[allow(unsafe_code)] // A function of the C library.
pub(super) fn place(dataset: &Dataset, row: usize) -> hdf5::Result<Option<Place>> {
    let corner = corner(dataset, row);
    let (mut filters, mut address, mut size): (u32, haddr_t, hsize_t) = (0, haddr_t::MAX, 0);
    let status = hdf5::sync::sync(|| {
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
    });
    if status < 0 {
        return Err(format!("the place of row {row} of {} is not known", dataset.name()).into());
    }
    Ok((address != haddr_t::MAX && size > 0).then_some(Place { offset: address, size, filters }))
}

/// Makes `bytes`, as they lay in another file with the same filters, the chunk of `row`, which must be within the dataset.
#[allow(unsafe_code)] // A function of the C library.
pub(super) fn put(dataset: &Dataset, row: usize, filters: u32, bytes: &[u8]) -> hdf5::Result<()> {
    let corner = corner(dataset, row);
    let status = hdf5::sync::sync(|| {
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
    });
    if status < 0 {
        return Err(format!("row {row} of {} cannot be written", dataset.name()).into());
    }
    Ok(())
}
