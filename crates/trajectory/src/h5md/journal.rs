//! The journal of a trajectory: what a power cut cannot take away.
//!
//! HDF5 rewrites its directory of the file in place. After a power cut any part of what was written since the last forced
//! write may be on the disk, in any order: the directory may lead to nowhere for rows that were on the disk long before, and some
//! versions of HDF5 crash or hang on such a file. Beside `NAME.h5` lies `NAME.journal`, which only grows. Before every checkpoint it
//! gets the new rows: small ones themselves, large ones (frames) as the place of their bytes in the trajectory, where
//! HDF5 never moves or rewrites them, and a checksum; then the length of the trajectory and a seal with the number of rows, and all is
//! forced to the disk. From a seal and the bytes of the old file the trajectory is made anew ([`super::resume`]), every row checked.
//!
//! **The rule.** Rows of a checkpoint are judged in this order:
//!
//! 1. *The journal is the judge of rows.* The first of its seals that has at least the rows of the checkpoint says what they are; rows and
//!    tables behind those of the checkpoint are passed over. It is the journal of a trajectory if every large row that it names up to there
//!    is in that file, byte for byte. What is whole in it is believed; what comes behind the first damage does not exist.
//! 2. *HDF5 is asked only about a file that was closed in order*: the last record of the journal says so, or a mark behind the end of the
//!    file ([`super::closing`]), whether the journal is good or not. Both are taken away, and that is on the disk, before the file is written
//!    again. If the journal and the file agree, it is gone on with in place; if the journal is damaged, older, or of other bytes, HDF5
//!    reads the rows. About a file without a journal nobody else can be asked.
//! 3. *All that is needed is verified, of all replicas, before the first write* (`Standing`, `Resume`).
//! 4. *Nothing that may be the only good one is removed.* A new trajectory takes the name of the old one when it and its journal
//!    are on the disk; from that rename on its journal is kept, whatever fails. Which of two journals belongs to the trajectory, the bytes
//!    of its rows tell. An error of the system is an error, and never an answer.
//!
//! Format: the line `vitrion-journal 1`, then records: length of the contents (u32), checksum (u32), contents (postcard of
//! [`Record`]). Numbers are little-endian; rows of numbers have the byte order of the machine. The checksum is CRC-32 over the checksum of the
//! record before and the contents, so that records lost, exchanged or torn are found. Journals of earlier versions have neither `Length` nor
//! `Closed`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::elements::Elements;
use super::raw_chunks::{self, Place};
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
    /// Bytes of the trajectory at the next seal.
    Length(u64),
    /// The trajectory, of so many bytes, was closed in order. Nothing of ours was written to it since, or this would be gone.
    Closed(u64),
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

    /// Goes on behind a seal; what is after it goes, and is gone from the disk when this returns.
    pub fn reopen(path: &Path, found: &Found) -> Result<Self, H5mdError> {
        let failed = || system_error(path, "its journal");
        let file = OpenOptions::new().write(true).open(path).map_err(failed())?;
        file.set_len(found.end).and_then(|()| file.sync_all()).map_err(failed())?;
        let (length, chain, sealed) = (found.end, found.chain, found.seal.clone());
        Ok(Self { path: path.to_path_buf(), length, chain, seal: Some(sealed.clone()), sealed })
    }

    /// Writes the rows since the last seal and a seal; [`Self::force`] puts them on the disk. `elements` are flushed, `tables` are the
    /// stress correlations since the last seal.
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
        let bytes = data.metadata().map_err(system_error(trajectory, "its journal"))?.len();
        // What an interrupted seal left.
        file.set_len(self.length).map_err(failed())?;
        for (series, group, rows) in elements.series() {
            let (first, end) = (self.sealed.rows(&group), counts.rows(&group));
            self.append_rows(&file, &data, &series, rows, first, end)?;
        }
        for (stage, table) in tables {
            self.append(&file, &Record::Table { stage: stage.clone(), table: table.clone() })?;
        }
        self.append(&file, &Record::Length(bytes))?;
        self.append(&file, &Record::Seal(counts.clone()))?;
        self.sealed = counts.clone();
        self.seal = Some(counts.clone());
        elements.series().iter().for_each(|(_, _, rows)| rows.note_written());
        Ok(())
    }

    /// Says that the trajectory is closed and on the disk, and has so many bytes without the mark behind its end.
    pub fn close(&mut self, bytes: u64) -> Result<(), H5mdError> {
        let path = self.path.clone();
        let failed = || system_error(&path, "its journal");
        let file = OpenOptions::new().write(true).open(&path).map_err(failed())?;
        self.append(&file, &Record::Closed(bytes))?;
        file.sync_all().map_err(failed())
    }

    /// Checksum of the last record.
    pub fn chain(&self) -> u32 {
        self.chain
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
    let dataset = rows.dataset();
    // Not one that was written and is gone again.
    if let Some(written) = rows.written(row)
        && raw_chunks::size(dataset, row)? > 0
        && let Some(chunk) = written.find(data)
    {
        return Ok(chunk);
    }
    let place = raw_chunks::place(dataset, row)?;
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

/// A seal that has the rows of a checkpoint.
pub(super) struct Found {
    pub begin: Begin,
    /// Its rows.
    pub seal: Counts,
    /// First byte behind it.
    end: u64,
    /// Its checksum.
    pub chain: u32,
    /// The rows of the last seal.
    pub last: Counts,
    /// Bytes of the trajectory when it was closed in order, if that is the last that the journal says.
    pub closed: Option<u64>,
    /// Checksum of the last record.
    pub last_chain: u32,
    /// Whether nothing but an orderly end is behind the seal.
    pub at_end: bool,
    /// Bytes that the trajectory has at least, for the rows of the checkpoint.
    pub reach: u64,
    /// Bytes of the rows of the checkpoint in the trajectory, large ones as they lie there.
    pub bytes: u64,
    /// Bytes that the trajectory had, if the seal says so.
    pub length: Option<u64>,
}

/// Looks for the first seal that has these rows and stress correlations. None where the journal, as far as it is whole, has none; the text
/// says what it has instead.
pub(super) fn find(path: &Path, counts: &Counts) -> Result<Result<Found, String>, H5mdError> {
    let mut records = match Records::open(path)? {
        Ok(records) => records,
        Err(text) => return Ok(Err(text)),
    };
    let Some(Record::Begin(begin)) = records.next()? else {
        return Ok(Err("its journal has no beginning".to_string()));
    };
    if begin.layout != LAYOUT {
        return Ok(Err(format!("its journal is of files with other filters ({})", begin.layout)));
    }
    let mut begin = Some(*begin);
    let (mut found, mut last) = (None::<Found>, Counts::default());
    let (mut reach, mut bytes, mut length, mut closed) = (0, 0, None, None);
    while let Some(record) = records.next()? {
        closed = None;
        match record {
            Record::Chunks { series, first, chunks } if found.is_none() => {
                for chunk in chunks.iter().take(within(counts, &series, first, chunks.len())) {
                    reach = reach.max(chunk.place.offset.saturating_add(chunk.place.size));
                    bytes += chunk.place.size;
                }
            }
            Record::Rows { bytes: rows, .. } if found.is_none() => bytes += rows.len() as u64,
            Record::Length(bytes) => length = Some(bytes),
            Record::Closed(bytes) => closed = Some(bytes),
            Record::Seal(seal) => {
                if let Some(begin) = begin.take_if(|_| seal.has_rows_of(counts)) {
                    let (end, chain) = (records.at, records.chain);
                    let (last, last_chain, closed) = (Counts::default(), 0, None);
                    let seal = seal.clone();
                    found = Some(Found {
                        begin,
                        seal,
                        end,
                        chain,
                        last,
                        closed,
                        last_chain,
                        at_end: false,
                        reach,
                        bytes,
                        length,
                    });
                }
                last = seal;
            }
            _ => {}
        }
    }
    Ok(match found {
        Some(found) => {
            let at_end = records.at == records.length
                && (records.at == found.end || closed.is_some() && found.seal == last);
            Ok(Found { last, closed, last_chain: records.chain, at_end, ..found })
        }
        None => Err(format!("its journal is whole up to {} frames", last.frames)),
    })
}

/// How many of so many rows of a series, from `first` on, are among those of a checkpoint.
fn within(counts: &Counts, series: &str, first: u64, rows: usize) -> usize {
    let wanted = counts.rows_of(series).unwrap_or(usize::MAX);
    wanted.saturating_sub(usize::try_from(first).unwrap_or(usize::MAX)).min(rows)
}

/// What a journal says of a run without a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeforeCheckpoint {
    /// Nothing but the header was ever written.
    Nothing,
    /// There are rows, or there may be.
    Rows,
    /// There is no journal.
    NoJournal,
}

/// Whether a trajectory may hold rows, says its journal. The first checkpoint comes after the first seal and before the first row, and the
/// seal says how long the trajectory was. Anything that is not as a run leaves it that was cut off before that may be the rest of rows.
pub fn before_checkpoint(trajectory: &Path) -> BeforeCheckpoint {
    let path = path_of(trajectory);
    if path.symlink_metadata().is_err() {
        return BeforeCheckpoint::NoJournal;
    }
    // A trajectory gets its name when its journal, with its first record, is on the disk.
    let begun = trajectory.symlink_metadata().is_ok();
    let look = || -> Option<bool> {
        let Ok(mut records) = Records::open(&path).ok()? else {
            return Some(begun || !is_torn(&path, 0));
        };
        let (mut first, mut sealed, mut length) = (true, false, None);
        while let Some(record) = records.next().ok()? {
            first = false;
            match record {
                Record::Begin(_) => {}
                Record::Seal(counts) if counts.rows_in_all() == 0 => sealed = true,
                Record::Length(bytes) => length = Some(bytes),
                _ => return Some(true),
            }
        }
        if first && begun || !is_torn(&path, records.at) {
            return Some(true);
        }
        // Of earlier versions: nobody knows.
        let grown = || Some(std::fs::metadata(trajectory).ok()?.len() != length?);
        if sealed { grown() } else { Some(false) }
    };
    match look() {
        Some(false) => BeforeCheckpoint::Nothing,
        _ => BeforeCheckpoint::Rows,
    }
}

/// Whether the end of a journal, from this byte on, is what a kill or a power cut leaves of something that was being written: nothing, zeros in
/// its place, or a part of it. A record that is whole, but not what was written, is damaged, not torn.
fn is_torn(path: &Path, at: u64) -> bool {
    /// Neither a first record nor a seal without rows is longer.
    const MOST: u64 = 1 << 26;
    let read = || -> io::Result<Option<Vec<u8>>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len().saturating_sub(at);
        if length > MOST {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, at)?;
        Ok(Some(bytes))
    };
    let Ok(Some(bytes)) = read() else { return false };
    if bytes.iter().all(|byte| *byte == 0) {
        return true;
    }
    if at == 0 {
        return MAGIC.starts_with(&bytes);
    }
    let length = bytes.first_chunk().map(|length| u32::from_le_bytes(*length));
    length.is_none_or(|length| length <= LONGEST && bytes.len() < 8 + length as usize)
}

/// Reads the records up to the seal that was found, those of rows cut where the rows of the checkpoint end, and only the stress
/// correlations that it has.
pub(super) fn replay(
    path: &Path,
    found: &Found,
    counts: &Counts,
    take: &mut dyn FnMut(Record) -> Result<(), H5mdError>,
) -> Result<(), H5mdError> {
    let mut records = Records::open(path)?.map_err(|text| damaged(path, &text))?;
    while records.at < found.end {
        // It was whole a moment ago.
        let record = records.next()?.ok_or_else(|| damaged(path, "it changes while it is read"))?;
        match record {
            Record::Chunks { series, first, mut chunks } => {
                chunks.truncate(within(counts, &series, first, chunks.len()));
                take(Record::Chunks { series, first, chunks })?;
            }
            Record::Rows { series, first, bytes } => take(Record::Rows { series, first, bytes })?,
            // That of a stage whose end has moved is not wanted.
            Record::Table { stage, table } if counts.stress_correlations.contains(&stage) => {
                take(Record::Table { stage, table })?;
            }
            _ => {}
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
    /// The text says why a file is no journal; errors are those of the system.
    fn open(path: &Path) -> Result<Result<Self, String>, H5mdError> {
        let failed = |e: io::Error| damaged(path, &e.to_string());
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        let length = file.get_ref().metadata().map_err(failed)?.len();
        let mut magic = [0; MAGIC.len()];
        match file.read_exact(&mut magic) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(failed(error)),
            Ok(()) if magic == MAGIC => {}
            _ => return Ok(Err("its journal does not begin as one".to_string())),
        }
        Ok(Ok(Self { path: path.to_path_buf(), file, length, at: MAGIC.len() as u64, chain: 0 }))
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
