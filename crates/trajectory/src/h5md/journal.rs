//! The journal of a trajectory: what a power cut cannot take away.
//!
//! HDF5 rewrites its directory of the file in place. After a power cut any part of what was written since the last forced
//! write may be on the disk, in any order: the directory may lead to nowhere for rows that were on the disk long before. So it
//! is never asked after an interruption. Beside `NAME.h5` lies `NAME.journal`, which only grows. Before every checkpoint it gets
//! the new rows: small ones themselves, large ones (frames) as the place of their bytes in the trajectory, where
//! HDF5 never moves or rewrites them, and a checksum; then a seal with the number of rows, and both files are forced to the
//! disk. From a seal and the bytes of the old file the trajectory is made anew ([`super::resume`]), every row checked.
//!
//! Format: the line `vitrion-journal 1`, then records: length of the contents (u32), checksum (u32), contents (postcard of
//! [`Record`]). Numbers are little-endian; rows of numbers have the byte order of the machine. The checksum is CRC-32 over the checksum of the
//! record before and the contents, so that records lost, exchanged or torn are found.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::elements::Elements;
use super::raw_chunks::{Place, place};
use super::series::Rows;
use super::writer::{Counts, Header, Table};
use super::{H5mdError, Provenance, Stage, system_error, write_error};

const MAGIC: &[u8] = b"vitrion-journal 1\n";
/// Bytes of rows that go into one record.
const BLOCK: usize = 1 << 22;
/// No record is longer: a length beyond this is damage.
const LONGEST: u32 = 1 << 30;
/// How datasets are filtered: rows may only be put into files that have the same.
const LAYOUT: &str = "shuffle, deflate 1, fletcher32";

/// What the trajectory is, as in its header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub layout: String,
    pub provenance: Provenance,
    pub stages: Vec<Stage>,
    pub atoms: usize,
    pub velocities: bool,
}

impl Begin {
    pub fn new(header: &Header) -> Self {
        Self {
            layout: LAYOUT.to_string(),
            provenance: header.provenance.clone(),
            stages: header.stages.clone(),
            atoms: header.topology.n_atoms(),
            velocities: header.velocities,
        }
    }
}

/// The chunk of a row, and the CRC-32 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub place: Place,
    pub checksum: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Record {
    /// The first one.
    Begin(Box<Begin>),
    /// Rows of a series from `first` on.
    Rows { series: String, first: u64, bytes: Vec<u8> },
    /// Where rows of a series lie from `first` on.
    Chunks { series: String, first: u64, chunks: Vec<Chunk> },
    /// The stress correlation of a stage, in the place of an earlier one.
    Table { stage: String, table: Table },
    /// All rows up to these numbers are above.
    Seal(Counts),
}

/// Path of the journal of a trajectory.
pub(super) fn path_of(trajectory: &Path) -> PathBuf {
    trajectory.with_extension("journal")
}

/// A journal that is being written. It is open only while it grows: runs of many replicas have files enough.
pub(super) struct Journal {
    pub path: PathBuf,
    length: u64,
    chain: u32,
    /// The last seal; none before the first.
    seal: Option<Counts>,
    sealed: Counts,
}

impl Journal {
    /// Begins one, over one that is there. A failure leaves nothing behind.
    pub fn create(path: &Path, begin: &Begin) -> Result<Self, H5mdError> {
        Self::begin(path, begin).inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })
    }

    fn begin(path: &Path, begin: &Begin) -> Result<Self, H5mdError> {
        let failed = || system_error(path, "a new journal");
        let file = File::create(path).map_err(failed())?;
        file.write_all_at(MAGIC, 0).map_err(failed())?;
        let length = MAGIC.len() as u64;
        let sealed = Counts::default();
        let mut journal = Self { path: path.to_path_buf(), length, chain: 0, seal: None, sealed };
        journal.append(&file, &Record::Begin(Box::new(begin.clone())))?;
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        file.sync_all().and_then(|()| File::open(directory)?.sync_all()).map_err(failed())?;
        Ok(journal)
    }

    /// Goes on behind a seal; what is after it goes.
    pub fn reopen(path: &Path, found: &Found, sealed: &Counts) -> Self {
        let seal = Some(sealed.clone());
        let (length, chain) = (found.end, found.chain);
        Self { path: path.to_path_buf(), length, chain, seal, sealed: sealed.clone() }
    }

    /// Writes the rows since the last seal and a seal, and waits for the disk. `elements` are flushed, `tables` are the stress
    /// correlations since the last seal.
    pub fn seal<'a>(
        &mut self,
        trajectory: &Path,
        elements: &Elements,
        tables: impl Iterator<Item = (&'a String, &'a Table)>,
        counts: &Counts,
    ) -> Result<(), H5mdError> {
        let mut tables = tables.peekable();
        if self.seal.as_ref() == Some(counts) && tables.peek().is_none() {
            return Ok(());
        }
        let path = self.path.clone();
        let failed = || system_error(&path, "its journal");
        let file = OpenOptions::new().write(true).open(&path).map_err(failed())?;
        let data = File::open(trajectory).map_err(system_error(trajectory, "its journal"))?;
        // What an interrupted seal left.
        file.set_len(self.length).map_err(failed())?;
        for (series, group, rows) in elements.series() {
            let (first, end) = (self.sealed.rows(&group), counts.rows(&group));
            self.append_rows(&file, &data, &series, rows, first, end)?;
        }
        for (stage, table) in tables {
            self.append(&file, &Record::Table { stage: stage.clone(), table: table.clone() })?;
        }
        self.append(&file, &Record::Seal(counts.clone()))?;
        file.sync_all().map_err(failed())?;
        self.sealed = counts.clone();
        self.seal = Some(counts.clone());
        Ok(())
    }

    fn append_rows(
        &mut self,
        file: &File,
        data: &File,
        series: &str,
        rows: &dyn Rows,
        first: usize,
        end: usize,
    ) -> Result<(), H5mdError> {
        let path = self.path.clone();
        let block =
            if rows.is_large() { BLOCK / size_of::<Chunk>() } else { BLOCK / rows.row_bytes().max(1) };
        let mut at = first;
        while at < end {
            let next = end.min(at + block.max(1));
            let record = if rows.is_large() {
                let chunks = (at..next).map(|row| chunk(rows, data, row));
                let chunks = chunks.collect::<hdf5::Result<_>>().map_err(write_error(&path, series))?;
                Record::Chunks { series: series.to_string(), first: at as u64, chunks }
            } else {
                let bytes = rows.read_bytes(at..next).map_err(write_error(&path, series))?;
                Record::Rows { series: series.to_string(), first: at as u64, bytes }
            };
            self.append(file, &record)?;
            at = next;
        }
        Ok(())
    }

    fn append(&mut self, file: &File, record: &Record) -> Result<(), H5mdError> {
        let failed = |e: io::Error| system_error(&self.path, "its journal")(e);
        let contents = postcard::to_stdvec(record).map_err(|e| failed(io::Error::other(e)))?;
        let length = u32::try_from(contents.len()).map_err(|e| failed(io::Error::other(e)))?;
        let checksum = chained(self.chain, &contents);
        let mut bytes = Vec::with_capacity(contents.len() + 8);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&contents);
        file.write_all_at(&bytes, self.length).map_err(failed)?;
        self.length += bytes.len() as u64;
        self.chain = checksum;
        Ok(())
    }
}

/// The place of a row's bytes, and their checksum as they lie in the file.
fn chunk(rows: &dyn Rows, data: &File, row: usize) -> hdf5::Result<Chunk> {
    let place = place(rows.dataset(), row)?
        .ok_or_else(|| format!("row {row} of {} was never written", rows.dataset().name()))?;
    let bytes = read(data, &place).map_err(|e| e.to_string())?;
    Ok(Chunk { place, checksum: crc32fast::hash(&bytes) })
}

/// The bytes of a chunk.
pub(super) fn read(data: &File, place: &Place) -> io::Result<Vec<u8>> {
    let size = usize::try_from(place.size).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    data.read_exact_at(&mut bytes, place.offset)?;
    Ok(bytes)
}

fn chained(before: u32, contents: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&before.to_le_bytes());
    hasher.update(contents);
    hasher.finalize()
}

/// Where a seal is.
pub(super) struct Found {
    pub begin: Begin,
    /// First byte behind it.
    end: u64,
    /// Its checksum.
    chain: u32,
    /// Whether nothing is behind it.
    pub last: bool,
    /// Bytes that the trajectory has at least.
    pub reach: u64,
}

/// Looks for the first seal of these rows, with the stress correlations of `counts` at least. None where the journal, as far as it is whole, has none; the text says what it has instead.
pub(super) fn find(path: &Path, counts: &Counts) -> Result<Result<Found, String>, H5mdError> {
    let mut records = Records::open(path)?;
    let Some(Record::Begin(begin)) = records.next()? else {
        return Ok(Err("its journal has no beginning".to_string()));
    };
    if begin.layout != LAYOUT {
        return Ok(Err(format!("its journal is of files with other filters ({})", begin.layout)));
    }
    let (mut last, mut reach) = (None, 0);
    while let Some(record) = records.next()? {
        if let Record::Chunks { chunks, .. } = &record {
            let ends = chunks.iter().map(|chunk| chunk.place.offset.saturating_add(chunk.place.size));
            reach = ends.fold(reach, u64::max);
        }
        let Record::Seal(sealed) = record else { continue };
        if sealed.has_rows_of(counts) {
            let (end, chain) = (records.at, records.chain);
            let last = end == records.length;
            return Ok(Ok(Found { begin: *begin, end, chain, last, reach }));
        }
        last = Some(sealed);
    }
    let has = last.map_or(0, |sealed| sealed.frames);
    Ok(Err(format!("its journal is whole up to {has} frames")))
}

/// Whether the journal of a trajectory has ever sealed a row: whether there was a checkpoint after the beginning of the run. None
/// without a journal that can be read.
pub fn holds_sealed_rows(trajectory: &Path) -> Option<bool> {
    let mut records = Records::open(&path_of(trajectory)).ok()?;
    while let Some(record) = records.next().ok()? {
        if matches!(record, Record::Seal(counts) if counts.rows_in_all() > 0) {
            return Some(true);
        }
    }
    Some(false)
}

/// Reads the records up to the seal that was found.
pub(super) fn replay(
    path: &Path,
    found: &Found,
    take: &mut dyn FnMut(Record) -> Result<(), H5mdError>,
) -> Result<(), H5mdError> {
    let mut records = Records::open(path)?;
    while records.at < found.end {
        match records.next()? {
            Some(record) => take(record)?,
            // It was whole a moment ago.
            None => return Err(damaged(path, "it changes while it is read")),
        }
    }
    Ok(())
}

pub(super) fn damaged(path: &Path, found: &str) -> H5mdError {
    H5mdError::Journal { path: path.to_path_buf(), found: found.to_string() }
}

/// Records as long as they are whole.
struct Records {
    path: PathBuf,
    file: BufReader<File>,
    length: u64,
    at: u64,
    chain: u32,
}

impl Records {
    fn open(path: &Path) -> Result<Self, H5mdError> {
        let failed = |e: io::Error| damaged(path, &e.to_string());
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        let length = file.get_ref().metadata().map_err(failed)?.len();
        let mut magic = [0; MAGIC.len()];
        if file.read_exact(&mut magic).is_err() || magic != MAGIC {
            return Err(damaged(path, "it does not begin as a journal"));
        }
        Ok(Self { path: path.to_path_buf(), file, length, at: MAGIC.len() as u64, chain: 0 })
    }

    /// The next record; none at the end of what is whole.
    fn next(&mut self) -> Result<Option<Record>, H5mdError> {
        let left = self.length.saturating_sub(self.at);
        let mut head = [0; 8];
        if left < 8 {
            return Ok(None);
        }
        let failed = |e: io::Error| damaged(&self.path, &e.to_string());
        self.file.read_exact(&mut head).map_err(failed)?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (length, checksum) = (number(0), number(4));
        if length > LONGEST || u64::from(length) > left - 8 {
            return Ok(None);
        }
        let mut contents = vec![0; length as usize];
        self.file.read_exact(&mut contents).map_err(failed)?;
        if chained(self.chain, &contents) != checksum {
            return Ok(None);
        }
        let record = postcard::from_bytes(&contents).map_err(|e| damaged(&self.path, &e.to_string()))?;
        self.at += 8 + u64::from(length);
        self.chain = checksum;
        Ok(Some(record))
    }
}
