//! Datasets that grow along their first dimension, and small helpers for attributes.

use std::cell::RefCell;
use std::ops::Range;

use hdf5::types::VarLenUnicode;
use hdf5::{
    Container, Dataset, Extent, Extents, Group, H5Type, Hyperslab, Location, Selection, SimpleExtents,
    SliceOrIndex,
};
use ndarray::{ArrayViewD, IxDyn};

use super::raw_chunks::{self, Written};

/// Rows of a small dataset that share a chunk: 8 KiB of f64.
const SMALL_CHUNK: usize = 1024;
/// Bytes of a chunk of small rows, at most.
pub(super) const SMALL_CHUNK_BYTES: usize = 16384;
/// Rows of this many bytes or more are compressed, each in a chunk of its own.
const LARGE_ROW: usize = 2048;

/// A dataset of shape rows x `row`, written row by row.
pub(super) struct Series<T> {
    dataset: Dataset,
    row: Vec<usize>,
    /// Large rows that were written since the last seal, in their order, where that is noted.
    written: RefCell<Option<Vec<Written>>>,
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
    /// Writes the first rows of what [`Self::read_bytes`] gave, up to row `end`.
    fn write_bytes(&self, at: usize, bytes: &[u8], end: usize) -> hdf5::Result<()>;
    /// Puts a chunk that lay in another file, with the same filters, in the place of a row: the next one.
    fn put_chunk(&self, row: usize, filters: u32, bytes: &[u8]) -> hdf5::Result<()>;
    /// The first row that was never written, though it is among the first `rows`: HDF5 fills those, without a word. A row that cannot be
    /// read is an error.
    fn first_unwritten(&self, rows: usize) -> hdf5::Result<Option<usize>>;
    /// Where a large row that was written since the last seal can be found.
    fn written(&self, row: usize) -> Option<Written>;
    /// Begins to note where rows are written, or, after a seal, begins anew.
    fn note_written(&self);
}

/// Numbers of which one is never written, but stands for what was not.
pub(super) trait Number: H5Type + bytemuck::Pod {
    /// Whether this is the one.
    fn is_missing(self) -> bool;
}

impl Number for i64 {
    fn is_missing(self) -> bool {
        self < 0
    }
}

impl Number for f32 {
    fn is_missing(self) -> bool {
        self.is_nan()
    }
}

impl Number for f64 {
    fn is_missing(self) -> bool {
        self.is_nan()
    }
}

impl<T: Number> Rows for Series<T> {
    fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    fn row_bytes(&self) -> usize {
        self.row_elements() * size_of::<T>()
    }

    fn read_bytes(&self, rows: Range<usize>) -> hdf5::Result<Vec<u8>> {
        Ok(bytemuck::cast_slice(&self.read(rows)?).to_vec())
    }

    fn write_bytes(&self, at: usize, bytes: &[u8], end: usize) -> hdf5::Result<()> {
        if !bytes.len().is_multiple_of(self.row_bytes().max(1)) {
            return Err(format!("{} bytes are no rows of {}", bytes.len(), self.dataset.name()).into());
        }
        let wanted = end.saturating_sub(at) * self.row_bytes();
        if wanted == 0 {
            return Ok(());
        }
        self.write(at, &bytemuck::pod_collect_to_vec::<u8, T>(&bytes[..wanted.min(bytes.len())]))
    }

    fn put_chunk(&self, row: usize, filters: u32, bytes: &[u8]) -> hdf5::Result<()> {
        let begin = self.dataset.file()?.size();
        let mut shape = self.dataset.shape();
        if let Some(rows) = shape.first_mut() {
            *rows = row + 1;
        }
        self.dataset.resize(shape)?;
        raw_chunks::put(&self.dataset, row, filters, bytes)?;
        let end = self.dataset.file()?.size();
        self.note(Written::new(row, begin..end, filters, bytes));
        Ok(())
    }

    fn first_unwritten(&self, rows: usize) -> hdf5::Result<Option<usize>> {
        // In files of earlier versions, too, every chunk of a large row is one row.
        let chunk = self.dataset.chunk().and_then(|c| c.first().copied()).unwrap_or(1).max(1);
        for first in (0..rows).step_by(chunk) {
            if raw_chunks::size(&self.dataset, first)? == 0 {
                return Ok(Some(first));
            }
            let values = self.read(first..rows.min(first + chunk))?;
            if let Some(at) = values.iter().position(|value| value.is_missing()) {
                return Ok(Some(first + at / self.row_elements().max(1)));
            }
        }
        Ok(None)
    }

    fn written(&self, row: usize) -> Option<Written> {
        let written = self.written.borrow();
        let rows = written.as_ref()?;
        rows.binary_search_by_key(&row, |written| written.row).ok().map(|index| rows[index])
    }

    fn note_written(&self) {
        *self.written.borrow_mut() = Some(Vec::new());
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
        let rows = if large { 1 } else { SMALL_CHUNK.min(SMALL_CHUNK_BYTES / bytes.max(1)).max(1) };
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
        Ok(Self {
            dataset,
            row: row.to_vec(),
            written: RefCell::default(),
            element: std::marker::PhantomData,
        })
    }

    /// Opens an existing series.
    pub fn open(group: &Group, name: &str) -> hdf5::Result<Self> {
        let dataset = group.dataset(name)?;
        let row = dataset.shape().get(1..).unwrap_or_default().to_vec();
        Ok(Self { dataset, row, written: RefCell::default(), element: std::marker::PhantomData })
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
        let begin = self.dataset.file()?.size();
        self.dataset.write_slice(view, rows_of(&self.dataset, at..at + rows))?;
        if self.row_elements() * size_of::<T>() >= LARGE_ROW && self.written.borrow().is_some() {
            for row in at..at + rows {
                let (filters, bytes) = raw_chunks::bytes(&self.dataset, row)?;
                let end = self.dataset.file()?.size();
                self.note(Written::new(row, begin..end, filters, &bytes));
            }
        }
        Ok(())
    }

    fn note(&self, row: Written) {
        if let Some(written) = self.written.borrow_mut().as_mut() {
            written.truncate(written.partition_point(|earlier| earlier.row < row.row));
            written.push(row);
        }
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
