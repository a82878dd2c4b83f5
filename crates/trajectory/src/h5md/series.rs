//! Datasets that grow along their first dimension, and small helpers for attributes.

use std::ops::Range;

use hdf5::types::VarLenUnicode;
use hdf5::{
    Container, Dataset, Extent, Extents, Group, H5Type, Hyperslab, Location, Selection, SimpleExtents,
    SliceOrIndex,
};
use ndarray::{ArrayViewD, IxDyn};

use super::raw_chunks;

/// Rows of a small dataset that share a chunk: 8 KiB of f64.
const SMALL_CHUNK: usize = 1024;
/// Rows of this many bytes or more are compressed, each in a chunk of its own.
const LARGE_ROW: usize = 2048;

/// A dataset of shape rows x `row`, written row by row.
pub(super) struct Series<T> {
    dataset: Dataset,
    row: Vec<usize>,
    element: std::marker::PhantomData<T>,
}

/// A series whatever its numbers are: its rows as bytes.
pub(super) trait Rows {
    /// The dataset.
    fn dataset(&self) -> &Dataset;
    /// Bytes of a row.
    fn row_bytes(&self) -> usize;
    /// Whether every row has a chunk of its own, which is written once.
    fn is_large(&self) -> bool {
        self.row_bytes() >= LARGE_ROW
    }
    /// Rows, in the byte order of this machine.
    fn read_bytes(&self, rows: Range<usize>) -> hdf5::Result<Vec<u8>>;
    /// Writes what [`Self::read_bytes`] gave.
    fn write_bytes(&self, at: usize, bytes: &[u8]) -> hdf5::Result<()>;
    /// Puts a chunk that lay in another file, with the same filters, in the place of a row: the next one.
    fn put_chunk(&self, row: usize, filters: u32, bytes: &[u8]) -> hdf5::Result<()> {
        let mut shape = self.dataset().shape();
        if let Some(rows) = shape.first_mut() {
            *rows = row + 1;
        }
        self.dataset().resize(shape)?;
        raw_chunks::put(self.dataset(), row, filters, bytes)
    }
}

impl<T: H5Type + bytemuck::Pod> Rows for Series<T> {
    fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    fn row_bytes(&self) -> usize {
        self.row_elements() * size_of::<T>()
    }

    fn read_bytes(&self, rows: Range<usize>) -> hdf5::Result<Vec<u8>> {
        Ok(bytemuck::cast_slice(&self.read(rows)?).to_vec())
    }

    fn write_bytes(&self, at: usize, bytes: &[u8]) -> hdf5::Result<()> {
        if !bytes.len().is_multiple_of(self.row_bytes().max(1)) {
            return Err(format!("{} bytes are no rows of {}", bytes.len(), self.dataset.name()).into());
        }
        self.write(at, &bytemuck::pod_collect_to_vec::<u8, T>(bytes))
    }
}

impl<T: H5Type> Series<T> {
    /// An empty series. `missing` is what a row holds whose data did not reach the disk.
    pub fn create(group: &Group, name: &str, row: &[usize], unit: &str, missing: T) -> hdf5::Result<Self>
    where
        T: Into<hdf5::types::OwnedDynValue>,
    {
        let mut extents = vec![Extent::resizable(0)];
        extents.extend(row.iter().map(|n| Extent::fixed(*n)));
        let bytes = row.iter().product::<usize>() * std::mem::size_of::<T>();
        let large = bytes >= LARGE_ROW;
        // Small rows: in place, uncompressed, up to 16 KiB a chunk. Large rows: one chunk each, written once.
        let rows = if large { 1 } else { SMALL_CHUNK.min(16384 / bytes.max(1)).max(1) };
        let mut chunk = vec![rows];
        chunk.extend_from_slice(row);
        let mut builder = group.new_dataset_builder().chunk(chunk).fill_value(missing);
        if large {
            // The mantissas are noise, which no effort compresses; level 1 takes what shuffle has laid bare.
            builder = builder.shuffle().deflate(1);
        }
        // A changed bit is an error of the reader, not another number.
        let builder = builder.fletcher32();
        let extents = Extents::Simple(SimpleExtents::new(extents));
        let dataset = builder.empty::<T>().shape(extents).create(name)?;
        if !unit.is_empty() {
            attribute(&dataset, "unit", unit)?;
        }
        Ok(Self { dataset, row: row.to_vec(), element: std::marker::PhantomData })
    }

    /// Opens an existing series.
    pub fn open(group: &Group, name: &str) -> hdf5::Result<Self> {
        let dataset = group.dataset(name)?;
        let row = dataset.shape().get(1..).unwrap_or_default().to_vec();
        Ok(Self { dataset, row, element: std::marker::PhantomData })
    }

    /// Rows in the file.
    pub fn rows(&self) -> usize {
        self.dataset.shape().first().copied().unwrap_or(0)
    }

    /// Elements in a row.
    pub fn row_elements(&self) -> usize {
        self.row.iter().product()
    }

    /// Writes whole rows from row `at` on; the dataset ends behind them.
    pub fn write(&self, at: usize, data: &[T]) -> hdf5::Result<()> {
        let rows = data.len() / self.row_elements().max(1);
        let shape = |first: usize| {
            let mut shape = vec![first];
            shape.extend_from_slice(&self.row);
            shape
        };
        self.dataset.resize(shape(at + rows))?;
        if rows == 0 {
            return Ok(());
        }
        let view = ArrayViewD::from_shape(IxDyn(&shape(rows)), data)?;
        self.dataset.write_slice(view, rows_of(&self.dataset, at..at + rows))
    }

    /// Makes room for `rows` rows without writing them.
    #[cfg(test)]
    pub fn grow(&self, rows: usize) -> hdf5::Result<()> {
        let mut shape = vec![rows];
        shape.extend_from_slice(&self.row);
        self.dataset.resize(shape)
    }

    /// Reads rows, one after the other.
    pub fn read(&self, rows: Range<usize>) -> hdf5::Result<Vec<T>> {
        read_rows(&self.dataset, rows)
    }

    /// Copies the first `rows` rows of `source` here, a bounded number of bytes at a time.
    pub fn copy_from(&self, source: &Self, rows: usize) -> hdf5::Result<()> {
        let bytes = self.row_elements().max(1) * std::mem::size_of::<T>();
        let block = (4_000_000 / bytes).max(1);
        let mut at = 0;
        while at < rows {
            let end = (at + block).min(rows);
            let data = source.read(at..end)?;
            if bytes >= LARGE_ROW {
                for (index, row) in data.chunks(self.row_elements()).enumerate() {
                    self.write(at + index, row)?;
                }
            } else {
                self.write(at, &data)?;
            }
            at = end;
        }
        Ok(())
    }
}

/// Reads rows of a dataset of any rank.
pub(super) fn read_rows<T: H5Type>(dataset: &Container, rows: Range<usize>) -> hdf5::Result<Vec<T>> {
    let array = dataset.read_slice::<T, _, IxDyn>(rows_of(dataset, rows))?;
    // Just read, so that its elements lie in order from the first one on.
    Ok(array.into_raw_vec_and_offset().0)
}

fn rows_of(dataset: &Container, rows: Range<usize>) -> Selection {
    let mut slabs = vec![SliceOrIndex::from(rows)];
    slabs.extend((1..dataset.ndim()).map(|_| SliceOrIndex::from(..)));
    Selection::from(Hyperslab::from(slabs))
}

/// HDF5 text; a NUL, which HDF5 cannot hold, becomes U+FFFD.
pub(super) fn text(value: &str) -> VarLenUnicode {
    let clean = value.replace('\0', "\u{fffd}");
    clean.parse().unwrap_or_default()
}

pub(super) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> Vec<VarLenUnicode> {
    values.map(text).collect()
}

pub(super) fn attribute(location: &Location, name: &str, value: &str) -> hdf5::Result<()> {
    location.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value))
}
