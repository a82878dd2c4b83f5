//! Goes on with a trajectory from the counts of a checkpoint, by the rule of [`super::journal`].
//!
//! [`Standing::find`] decides what the rows of the checkpoint are read from, and verifies them: nothing is written.
//! [`Standing::check`] sees whether they are of this run, and whether there is room. [`Resume::open`] writes. A run of many replicas does
//! each for all of them before the next.
//!
//! A file that was closed in order, and whose journal ends at the rows of the checkpoint, is opened in place, if the last of its large rows
//! lie where the journal says. Otherwise a new file and a new journal are filled from the journal and the places in the
//! old file that it names, every row checked when it is verified and again when it is taken; or, where HDF5 may be asked, from what
//! HDF5 reads, and a row that was never written is an error. New trajectory and journal are on the disk before the trajectory gets its
//! name; then the journal gets its own. Between these renames, and if anything fails there, the new journal stays beside the trajectory
//! that it belongs to, and the next resume finds it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use hdf5::File;

use super::closing::Closing;
use super::elements::{Elements, read_table};
use super::journal::{self, Begin, Found, Journal, Record};
use super::opening::open_file;
use super::provenance::{Provenance, read_stages};
use super::series::Rows;
use super::writer::{Counts, Header, Table, TrajectoryWriter, force, writing};
use super::{H5mdError, free_name, reason, system_error, write_error};

/// Looks on while a trajectory is verified or made anew: its path, bytes done, and of how many. Says whether to stop.
pub type Watch<'a> = dyn FnMut(&Path, u64, u64) -> bool + 'a;

impl TrajectoryWriter {
    /// Opens a trajectory to go on after the rows of `counts`; what was written after the checkpoint is dropped. `header` must
    /// describe the same run: same configuration, replica and stages; the provenance of the beginning stays.
    ///
    /// A file from before the run was extended ([`Provenance::extensions`] of the header) is made anew too: with the new configuration and
    /// the new length of the last stage.
    pub fn reopen(path: &Path, header: &Header, counts: &Counts) -> Result<Self, H5mdError> {
        let watch: &mut Watch = &mut |_, _, _| false;
        Standing::find(path, counts, watch)?.check(header, watch)?.open(watch)
    }
}

/// A trajectory in which the rows of a checkpoint were found and verified.
pub struct Standing {
    path: PathBuf,
    counts: Counts,
    source: Source,
    /// Rows that are there, as far as anybody has counted them.
    rows: Counts,
    /// Bytes that were written after the checkpoint, where that is known.
    bytes_after: u64,
}

/// What the rows are read from.
enum Source {
    /// The file itself, which is gone on with in place.
    InPlace { journal: PathBuf, found: Found },
    /// A journal, and the places that it names.
    Journal { journal: PathBuf, found: Found },
    /// The file, through HDF5; and why, where there is a journal.
    Hdf5 { begin: Begin, why: Option<String> },
}

/// Why a journal does not serve.
struct Refusal {
    error: H5mdError,
    /// Whether the last that it says is that the trajectory, with the rows of the checkpoint, was closed in order.
    closed: bool,
}

/// A [`Standing`] that belongs to a run: all that could be refused has been.
pub struct Resume {
    path: PathBuf,
    counts: Counts,
    header: Header,
    source: Source,
}

impl Standing {
    /// Finds and verifies the rows of a checkpoint; [`H5mdError::Mismatch`] if they are not all there. Writes nothing.
    pub fn find(path: &Path, counts: &Counts, watch: &mut Watch) -> Result<Self, H5mdError> {
        let closing = Closing::read(path).map_err(|e| unopened(path, &e))?;
        let journals = journals(path);
        let mut refusals: Vec<Refusal> = Vec::new();
        for journal in &journals {
            match judged(path, journal, counts, closing, watch)? {
                Ok(standing) => return Ok(standing),
                Err(refusal) => refusals.push(refusal),
            }
        }
        let closed = closing.is_some() || refusals.iter().any(|refusal| refusal.closed);
        let why = refusals.into_iter().next().map(|refusal| refusal.error);
        let said = why.as_ref().map(ToString::to_string);
        let mut through_hdf5 = || -> Result<Self, H5mdError> {
            let file = open_file(path)?;
            let (begin, elements) = begin_of(path, &file)?;
            let rows = rows(&elements);
            check_counts(path, &rows, counts)?;
            check_written(path, &elements, counts, watch)?;
            let source = Source::Hdf5 { begin, why: said.clone() };
            Ok(Self { path: path.to_path_buf(), counts: counts.clone(), source, rows, bytes_after: 0 })
        };
        match why {
            None => through_hdf5(),
            Some(_) if closed => through_hdf5().map_err(|error| match (error, why) {
                (stopped @ H5mdError::Stopped { .. }, _) => stopped,
                (error, why) => why.unwrap_or(error),
            }),
            Some(why) => Err(why),
        }
    }

    /// Rows that the trajectory has beyond those of the checkpoint: frames and thermo, as far as they were counted.
    pub fn rows_after(&self) -> [usize; 2] {
        [
            self.rows.frames.saturating_sub(self.counts.frames),
            self.rows.thermo.saturating_sub(self.counts.thermo),
        ]
    }

    /// Bytes that were written after the checkpoint, where nobody has counted the rows.
    pub fn bytes_after(&self) -> u64 {
        self.bytes_after
    }

    /// Words for the user, where something is not as it should be.
    pub fn note(&self) -> Option<String> {
        let Source::Hdf5 { why: Some(why), .. } = &self.source else { return None };
        Some(format!(
            "{why}. But the trajectory was closed in order: it is gone on with as HDF5 reads it, and its journal is kept as `{}`",
            rejected(&self.path).display()
        ))
    }

    /// Sees whether the file is of the run of `header` and whether there is room for what is to be written. Writes nothing.
    pub fn check(self, header: &Header, watch: &mut Watch) -> Result<Resume, H5mdError> {
        let Self { path, counts, source, .. } = self;
        let (Source::InPlace { found: Found { begin, .. }, .. }
        | Source::Journal { found: Found { begin, .. }, .. }
        | Source::Hdf5 { begin, .. }) = &source;
        let (header, extended) = check(&path, begin, header)?;
        let source = match source {
            Source::InPlace { journal, found } if extended || !is_closed_at(&path, &header, &counts) => {
                if let Some(lost) = verify(&path, &journal, &found, &counts, watch)? {
                    return Err(lost);
                }
                Source::Journal { journal, found }
            }
            source => source,
        };
        if let Source::Journal { found, .. } = &source
            && found.reach == 0
        {
            check_foreign(&path, found, &header)?;
        }
        let needed = match &source {
            Source::InPlace { .. } => 0,
            Source::Journal { found, .. } => found.bytes,
            Source::Hdf5 { .. } => fs::metadata(&path).map_or(0, |file| file.len()),
        };
        check_space(&path, needed)?;
        Ok(Resume { path, counts, header, source })
    }
}

impl Resume {
    /// Opens the trajectory for writing behind the rows of the checkpoint.
    pub fn open(self, watch: &mut Watch) -> Result<TrajectoryWriter, H5mdError> {
        let Self { path, counts, header, source } = self;
        match source {
            Source::InPlace { journal, found } => {
                end_renaming(&path, Some(&journal))?;
                in_place(&path, &header, &counts, &found)
            }
            Source::Journal { journal, found } => {
                end_renaming(&path, Some(&journal))?;
                let journal = journal::path_of(&path);
                rebuild(&path, &header, &counts, false, &mut |writer| {
                    fill(writer, &path, &journal, &found, &counts, watch)
                })
            }
            Source::Hdf5 { why, .. } => {
                end_renaming(&path, None)?;
                let file = open_file(&path)?;
                let (_, old) = begin_of(&path, &file)?;
                rebuild(&path, &header, &counts, why.is_some(), &mut |writer| {
                    copy(writer, &counts, &old, &file)?;
                    check_written(&path, &writer.elements, &counts, watch)
                })
            }
        }
    }
}

fn unopened(path: &Path, error: &std::io::Error) -> H5mdError {
    H5mdError::Open {
        path: path.to_path_buf(),
        reason: error.to_string(),
        remedy: "check the path and its permissions",
    }
}

/// The journals beside a trajectory that may be its own, the likeliest first. A new trajectory gets its name before its
/// journal does: as long as it has not, only the old journal may be.
fn journals(path: &Path) -> Vec<PathBuf> {
    let [new, old] = [journal::path_of(&rebuilt(path)), journal::path_of(path)];
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    let renamed = !is_there(&rebuilt(path));
    [new].into_iter().filter(|_| renamed).chain([old]).filter(is_there).collect()
}

/// What a journal says of the rows of a checkpoint, all of them verified.
fn judged(
    path: &Path,
    journal: &Path,
    counts: &Counts,
    closing: Option<Closing>,
    watch: &mut Watch,
) -> Result<Result<Standing, Refusal>, H5mdError> {
    let name = journal.file_name().unwrap_or_default().to_string_lossy();
    let mismatch = |found: &str| H5mdError::Mismatch {
        path: path.to_path_buf(),
        found: found.to_string(),
        expected: format!("the checkpoint was written after {} (the journal is `{name}`)", counts.frames),
        remedy: BEHIND,
    };
    let found = match journal::find(journal, counts)? {
        Ok(found) => found,
        Err(text) => return Ok(Err(Refusal { error: mismatch(&text), closed: false })),
    };
    let length = fs::metadata(path).map_err(|e| unopened(path, &e))?.len();
    let closed = found.closed.is_some() && found.at_end;
    // A copy that was made of a running run, file by file, may have an older trajectory beside a newer journal.
    if length < found.reach {
        let text = format!("the file has {length} of {} bytes that its journal names", found.reach);
        return Ok(Err(Refusal { error: mismatch(&text), closed }));
    }
    let ended_here = closed
        && found.seal == *counts
        && found.closed == Some(closing.map_or(length, |closing| closing.length))
        && closing.is_none_or(|closing| closing.chain == found.last_chain);
    let rows = found.last.clone();
    let bytes_after = if closed { 0 } else { found.length.map_or(0, |then| length.saturating_sub(then)) };
    let standing =
        |source| Standing { path: path.to_path_buf(), counts: counts.clone(), source, rows, bytes_after };
    let journal = journal.to_path_buf();
    if ended_here && has_last_rows(path, &journal, &found, counts)? {
        return Ok(Ok(standing(Source::InPlace { journal, found })));
    }
    Ok(match verify(path, &journal, &found, counts, watch)? {
        None => Ok(standing(Source::Journal { journal, found })),
        Some(error) => Err(Refusal { error, closed }),
    })
}

/// Reads every large row that a journal names up to the rows of a checkpoint. Returns what is lost, if something is.
fn verify(
    path: &Path,
    journal: &Path,
    found: &Found,
    counts: &Counts,
    watch: &mut Watch,
) -> Result<Option<H5mdError>, H5mdError> {
    let data = fs::File::open(path).map_err(|e| unopened(path, &e))?;
    let mut done = 0;
    let mut lost = None;
    journal::replay(journal, found, counts, &mut |record| {
        let Record::Chunks { series, first, chunks } = record else { return Ok(()) };
        for (row, chunk) in (first..).zip(chunks) {
            if lost.is_some() {
                break;
            }
            lost = bytes(path, &data, &series, row, &chunk)?.err();
            done += chunk.place.size;
            go_on_or_stop(path, watch, done, found.bytes)?;
        }
        Ok(())
    })?;
    Ok(lost)
}

/// Whether the last large row of each series lies where the journal says: a file that another program has written anew has others there.
fn has_last_rows(path: &Path, journal: &Path, found: &Found, counts: &Counts) -> Result<bool, H5mdError> {
    let data = fs::File::open(path).map_err(|e| unopened(path, &e))?;
    let mut last: HashMap<String, (u64, journal::Chunk)> = HashMap::new();
    journal::replay(journal, found, counts, &mut |record| {
        if let Record::Chunks { series, first, chunks } = record
            && let Some(chunk) = chunks.last()
        {
            last.insert(series, (first + chunks.len() as u64 - 1, *chunk));
        }
        Ok(())
    })?;
    for (series, (row, chunk)) in &last {
        if bytes(path, &data, series, *row, chunk)?.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn go_on_or_stop(path: &Path, watch: &mut Watch, done: u64, of: u64) -> Result<(), H5mdError> {
    if watch(path, done, of) { Err(H5mdError::Stopped { path: path.to_path_buf() }) } else { Ok(()) }
}

/// That there is room for a new file beside the old one. Systems that do not say are not asked.
fn check_space(path: &Path, needed: u64) -> Result<(), H5mdError> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(system) = rustix::fs::statvfs(directory) else { return Ok(()) };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let reason = format!(
        "No space left for the copy that this needs: {} MB of {} MB; the run did not end in order, and the old file stays until the new \
         one is complete",
        megabytes(free),
        megabytes(needed)
    );
    let error = std::io::Error::new(std::io::ErrorKind::StorageFull, reason);
    Err(system_error(path, "the rows of the checkpoint")(error))
}

/// What to do where a trajectory has less than its checkpoint.
const BEHIND: &str = "the file was damaged or replaced: restore it, or start afresh in another directory";

/// What to do where a row is not what its journal says.
const LOST: &str = "restore the file; if another program has written it anew, and it is whole, move its journal away: then HDF5 reads it";

fn read_error<'a>(path: &'a Path, what: &'a str) -> impl FnOnce(hdf5::Error) -> H5mdError + 'a {
    move |error| H5mdError::Read { path: path.to_path_buf(), what: what.to_string(), reason: reason(&error) }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A new trajectory under construction.
fn rebuilt(path: &Path) -> PathBuf {
    beside(path, ".rebuilt")
}

/// Where a journal is kept that did not serve.
fn rejected(path: &Path) -> PathBuf {
    beside(&journal::path_of(path), ".rejected")
}

fn sync_directory(path: &Path) -> Result<(), H5mdError> {
    #[cfg(test)]
    if FAILS.with(|fails| fails.replace(false)) {
        let error = std::io::Error::from_raw_os_error(5);
        return Err(system_error(path, "its name to the disk")(error));
    }
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory).and_then(|d| d.sync_all()).map_err(system_error(path, "its name to the disk"))
}

#[cfg(test)]
thread_local! {
    /// Whether the next directory that this thread forces to the disk is refused.
    pub(super) static FAILS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Gives the journal that was verified its name, if an earlier resume was cut off between its two renames, and removes what
/// else it left.
fn end_renaming(path: &Path, journal: Option<&Path>) -> Result<(), H5mdError> {
    let (temporary, name) = (rebuilt(path), journal::path_of(path));
    if let Some(journal) = journal
        && *journal != name
    {
        fs::rename(journal, &name).map_err(system_error(journal, "its name"))?;
        sync_directory(path)?;
    }
    for unfinished in [beside(&temporary, ".new"), journal::path_of(&temporary), temporary] {
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(system_error(&unfinished, "over an unfinished copy")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The bytes of a row, or what is lost if they are not those that were sealed.
fn bytes(
    path: &Path,
    data: &fs::File,
    series: &str,
    row: u64,
    chunk: &journal::Chunk,
) -> Result<Result<Vec<u8>, H5mdError>, H5mdError> {
    let what = format!("row {row} of {series}");
    let lost = || H5mdError::Mismatch {
        path: path.to_path_buf(),
        found: format!("{what}, which was on the disk when the checkpoint was written, is lost"),
        expected: "the journal knows other bytes in its place".to_string(),
        remedy: LOST,
    };
    match journal::read(data, &chunk.place) {
        Ok(bytes) if crc32fast::hash(&bytes) == chunk.checksum => Ok(Ok(bytes)),
        Ok(_) => Ok(Err(lost())),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Err(lost())),
        // Perhaps it can be read later.
        Err(error) => Err(H5mdError::Read { path: path.to_path_buf(), what, reason: error.to_string() }),
    }
}

/// That the file belongs to the run. Returns the header with the file's own provenance, and whether the file is from before the run was
/// extended.
fn check(path: &Path, begin: &Begin, header: &Header) -> Result<(Header, bool), H5mdError> {
    let mismatch = |found: String, expected: String| H5mdError::Mismatch {
        path: path.to_path_buf(),
        found: format!("the file belongs to {found}"),
        expected: format!("this run has {expected}"),
        remedy: "resume with the configuration that wrote it, or start afresh in another directory",
    };
    let provenance = &begin.provenance;
    let parts = [
        ("force field", provenance.force_field == header.provenance.force_field),
        ("first state", provenance.initial_sha256 == header.provenance.initial_sha256),
    ];
    if let Some((part, _)) = parts.into_iter().find(|(_, same)| !same) {
        return Err(mismatch(format!("a run with another {part}"), format!("a {part} of its own")));
    }
    let (theirs, ours) = (provenance.config_sha256(), header.provenance.config_sha256());
    let extended = theirs != ours && header.provenance.was(&theirs);
    if theirs != ours && !extended {
        return Err(mismatch(
            format!("a configuration with SHA-256 {}...", &theirs[..12]),
            format!("{}...", &ours[..12]),
        ));
    }
    if provenance.replica != header.provenance.replica {
        return Err(mismatch(
            format!("replica {}", provenance.replica),
            format!("replica {} here", header.provenance.replica),
        ));
    }
    let mut expected = header.stages.clone();
    if let (true, Some(ours), Some(theirs)) = (extended, expected.last_mut(), begin.stages.last()) {
        ours.steps = theirs.steps;
    }
    if begin.stages != expected {
        return Err(mismatch("other stages".to_string(), format!("{} of its own", header.stages.len())));
    }
    if begin.atoms != header.topology.n_atoms() {
        return Err(mismatch(format!("{} atoms", begin.atoms), format!("{}", header.topology.n_atoms())));
    }
    if begin.velocities != header.velocities {
        return Err(mismatch(
            "a run that keeps velocities differently".to_string(),
            format!("velocities = {}", header.velocities),
        ));
    }
    let mut provenance = provenance.clone();
    if extended {
        provenance.config.clone_from(&header.provenance.config);
        provenance.extensions.clone_from(&header.provenance.extensions);
    }
    Ok((Header { provenance, ..header.clone() }, extended))
}

/// That a trajectory is no other's beside a journal that names no row in it. One that was not closed in order is not opened: the hash of
/// its configuration, which was on the disk before the first checkpoint, is looked for in its bytes.
fn check_foreign(path: &Path, found: &Found, header: &Header) -> Result<(), H5mdError> {
    let closed = found.closed.is_some() && found.at_end;
    if closed || Closing::read(path).map_err(|e| unopened(path, &e))?.is_some() {
        return match open_file(path).and_then(|file| begin_of(path, &file)) {
            Ok((begin, _)) => check(path, &begin, header).map(|_| ()),
            Err(_) => Ok(()),
        };
    }
    let hash = found.begin.provenance.config_sha256();
    if contains(path, hash.as_bytes()).map_err(|e| unopened(path, &e))? {
        return Ok(());
    }
    Err(H5mdError::Mismatch {
        path: path.to_path_buf(),
        found: "the file belongs to another run than its journal".to_string(),
        expected: format!("this run has a configuration with SHA-256 {}...", &hash[..12]),
        remedy: BEHIND,
    })
}

/// Whether these bytes are in a file.
fn contains(path: &Path, wanted: &[u8]) -> std::io::Result<bool> {
    use std::io::Read as _;
    let mut file = fs::File::open(path)?;
    let mut window = Vec::new();
    loop {
        let kept = window.len().saturating_sub(wanted.len());
        window.drain(..kept);
        if file.by_ref().take(1 << 20).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if window.windows(wanted.len()).any(|bytes| bytes == wanted) {
            return Ok(true);
        }
    }
}

/// What a trajectory says of itself, and its series.
fn begin_of(path: &Path, file: &File) -> Result<(Begin, Elements), H5mdError> {
    let provenance = file
        .group("vitrion/provenance")
        .and_then(|group| Provenance::read(&group))
        .map_err(read_error(path, "vitrion/provenance"))?;
    let stages = file
        .group("vitrion/stages")
        .and_then(|group| read_stages(&group))
        .map_err(read_error(path, "vitrion/stages"))?;
    let elements = Elements::open(file, &stages).map_err(read_error(path, "particles"))?;
    let atoms = elements.frames.position.row_elements() / 3;
    let velocities = elements.frames.velocity.is_some();
    Ok((Begin { layout: String::new(), provenance, stages, atoms, velocities }, elements))
}

/// Whether the file was closed in order, and has as many rows as the checkpoint.
fn is_closed_at(path: &Path, header: &Header, counts: &Counts) -> bool {
    let look = || -> Result<bool, H5mdError> {
        let file = open_file(path)?;
        let (begin, elements) = begin_of(path, &file)?;
        check(path, &begin, header)?;
        let closed = file.group("vitrion").and_then(|g| g.attr("closed")?.read_scalar::<i32>());
        let tables = file.group("vitrion/stress_correlation").and_then(|g| g.member_names());
        let mut found = rows(&elements);
        found.stress_correlations = tables.unwrap_or_default().into_iter().collect();
        Ok(matches!(closed, Ok(1)) && found == *counts)
    };
    // What cannot be read is made anew.
    look().unwrap_or(false)
}

/// Rows in the file.
fn rows(elements: &Elements) -> Counts {
    Counts {
        frames: elements.frames.rows(),
        thermo: elements.thermo.rows(),
        window_means: elements.windows.iter().map(|w| (w.stage.clone(), w.rows())).collect(),
        ion_stress: elements.ion_stress.iter().map(|w| (w.stage.clone(), w.rows())).collect(),
        ..Counts::default()
    }
}

fn check_counts(path: &Path, found: &Counts, wanted: &Counts) -> Result<(), H5mdError> {
    let short = |what: String, found: usize, wanted: usize| {
        if found >= wanted {
            return Ok(());
        }
        Err(H5mdError::Mismatch {
            path: path.to_path_buf(),
            found: format!("the file has {found} {what}"),
            expected: format!("the checkpoint was written after {wanted}"),
            remedy: BEHIND,
        })
    };
    short("frames".to_string(), found.frames, wanted.frames)?;
    short("rows of thermo".to_string(), found.thermo, wanted.thermo)?;
    wanted.window_means.iter().try_for_each(|(stage, rows)| {
        let there = found.window_means.get(stage).copied().unwrap_or(0);
        short(format!("window means of stage `{stage}`"), there, *rows)
    })?;
    wanted.ion_stress.iter().try_for_each(|(stage, rows)| {
        let there = found.ion_stress.get(stage).copied().unwrap_or(0);
        short(format!("windows of ion stress of stage `{stage}`"), there, *rows)
    })
}

fn in_place(
    path: &Path,
    header: &Header,
    counts: &Counts,
    found: &Found,
) -> Result<TrajectoryWriter, H5mdError> {
    // On the disk before anything else changes: a file that is being written never looks closed.
    let journal = Journal::reopen(&journal::path_of(path), found)?;
    if let Some(closing) = Closing::read(path).map_err(|e| unopened(path, &e))? {
        closing.remove(path).map_err(system_error(path, "over the mark of an orderly end"))?;
    }
    let file: File = writing().open_rw(path).map_err(write_error(path, "to the existing file"))?;
    let elements = Elements::open(&file, &header.stages).map_err(read_error(path, "particles"))?;
    let mut writer = TrajectoryWriter::from_parts(path, file, elements, header, journal);
    go_on(&mut writer, counts)?;
    writer.mark_closed(false)?;
    force(path)?;
    Ok(writer)
}

/// Fills a new file and gives it and its journal the names of the old ones; the old journal is kept where it did not serve.
fn rebuild(
    path: &Path,
    header: &Header,
    counts: &Counts,
    keep_journal: bool,
    fill: &mut dyn FnMut(&mut TrajectoryWriter) -> Result<(), H5mdError>,
) -> Result<TrajectoryWriter, H5mdError> {
    let temporary = rebuilt(path);
    let header = Header { expected_rows: header.expected_rows.max(counts.frames as u64), ..header.clone() };
    let mut writer = TrajectoryWriter::create(&temporary, &header)?;
    let result = fill(&mut writer)
        .and_then(|()| go_on(&mut writer, counts))
        .and_then(|()| writer.sync().map(|_| ()))
        .and_then(|()| {
            fs::rename(&temporary, path).map_err(system_error(path, "the rows of the checkpoint"))
        });
    if let Err(error) = result {
        let journal = writer.journal.path.clone();
        drop(writer);
        let _ = fs::remove_file(&temporary);
        let _ = fs::remove_file(&journal);
        return Err(error);
    }
    // From here on the new journal is the only good one. Should one of these fail, the next resume does it.
    sync_directory(path)?;
    let name = journal::path_of(path);
    if keep_journal && name.symlink_metadata().is_ok() {
        fs::rename(&name, free_name(&rejected(path))).map_err(system_error(&name, "under another name"))?;
    }
    fs::rename(&writer.journal.path, &name).map_err(system_error(path, "its journal"))?;
    sync_directory(path)?;
    writer.path = path.to_path_buf();
    writer.journal.path = name;
    Ok(writer)
}

/// Fills a new file from a journal and the places in the old file that it names.
fn fill(
    writer: &mut TrajectoryWriter,
    old: &Path,
    journal: &Path,
    found: &Found,
    counts: &Counts,
    watch: &mut Watch,
) -> Result<(), H5mdError> {
    let data = fs::File::open(old).map_err(|e| unopened(old, &e))?;
    let path = writer.path.clone();
    let mut tables: Vec<(String, Table)> = Vec::new();
    let mut done = 0;
    let series: HashMap<String, (usize, &dyn Rows)> = writer
        .elements
        .series()
        .into_iter()
        .map(|(name, counted, rows)| (name, (counts.rows(&counted), rows)))
        .collect();
    journal::replay(journal, found, counts, &mut |record| {
        let of = |name: &str| {
            let rows = series.get(name).copied();
            rows.ok_or_else(|| {
                journal::damaged(journal, &format!("it has rows of `{name}`, which is no series here"))
            })
        };
        match record {
            Record::Table { stage, table } => tables.push((stage, table)),
            Record::Rows { series, first, bytes } => {
                let (end, rows) = of(&series)?;
                rows.write_bytes(first as usize, &bytes, end).map_err(write_error(&path, &series))?;
                done += bytes.len() as u64;
                go_on_or_stop(old, watch, done, found.bytes)?;
            }
            Record::Chunks { series, first, chunks } => {
                let (_, rows) = of(&series)?;
                for (row, chunk) in (first..).zip(&chunks) {
                    let bytes = bytes(old, &data, &series, row, chunk)??;
                    rows.put_chunk(row as usize, chunk.place.filters, &bytes)
                        .map_err(write_error(&path, &series))?;
                    done += chunk.place.size;
                    go_on_or_stop(old, watch, done, found.bytes)?;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    drop(series);
    tables.iter().try_for_each(|(stage, table)| writer.write_stress_correlation(stage, table))
}

/// Copies the rows of the checkpoint from a file that HDF5 can read.
fn copy(
    writer: &mut TrajectoryWriter,
    counts: &Counts,
    old: &Elements,
    file: &File,
) -> Result<(), H5mdError> {
    let path = writer.path.clone();
    let windows: Vec<usize> =
        old.windows.iter().map(|w| counts.window_means.get(&w.stage).copied().unwrap_or(0)).collect();
    let stresses: Vec<usize> =
        old.ion_stress.iter().map(|w| counts.ion_stress.get(&w.stage).copied().unwrap_or(0)).collect();
    writer
        .elements
        .copy_from(old, counts.frames, counts.thermo, &windows, &stresses)
        .map_err(write_error(&path, "the rows of the checkpoint"))?;
    for stage in &counts.stress_correlations {
        let table = file
            .group(&format!("vitrion/stress_correlation/{stage}"))
            .and_then(|group| read_table(&group))
            .map_err(read_error(&path, "vitrion/stress_correlation"))?;
        writer.write_stress_correlation(stage, &table)?;
    }
    Ok(())
}

/// That no row of the checkpoint, of whatever series, is one that was never written.
fn check_written(
    path: &Path,
    elements: &Elements,
    counts: &Counts,
    watch: &mut Watch,
) -> Result<(), H5mdError> {
    let series = elements.series();
    let all = series.len() as u64;
    for (index, (name, counted, rows)) in series.into_iter().enumerate() {
        go_on_or_stop(path, watch, index as u64, all)?;
        let unwritten = rows.first_unwritten(counts.rows(&counted)).map_err(read_error(path, &name))?;
        if let Some(row) = unwritten {
            return Err(H5mdError::Read {
                path: path.to_path_buf(),
                what: format!("row {row} of {name}"),
                reason: "it was never written, though the checkpoint counts it; this row is lost".to_string(),
            });
        }
    }
    Ok(())
}

/// Sets the writer behind the rows of the checkpoint.
fn go_on(writer: &mut TrajectoryWriter, counts: &Counts) -> Result<(), H5mdError> {
    writer.last_step = match counts.frames {
        0 => None,
        n => {
            let step = writer.elements.frames.clock.step.read(n - 1..n);
            step.map_err(read_error(&writer.path, "step"))?.first().map(|s| *s as u64)
        }
    };
    writer.counts = counts.clone();
    for windows in &writer.elements.windows {
        writer.counts.window_means.entry(windows.stage.clone()).or_default();
    }
    for windows in &writer.elements.ion_stress {
        writer.counts.ion_stress.entry(windows.stage.clone()).or_default();
    }
    Ok(())
}
