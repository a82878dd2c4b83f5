//! Goes on with a trajectory from the counts of a checkpoint.
//!
//! A file that was closed in order and ends at the counts is opened in place: everything that the mark of an orderly end stands
//! for was on the disk before the mark. After any other end the directory of the HDF5 file is not believed: the rows up to the
//! seal of the checkpoint are taken from the journal ([`super::journal`]) and from the places in the old file that it names,
//! each checked, into a new file with a new journal. These take the names of the old ones, the trajectory first; until then the
//! old ones are untouched, and in between the new journal is found beside the trajectory that it belongs to.
//!
//! A trajectory without a journal (of an earlier version, or alone in a backup) is copied row by row through HDF5, and a row that
//! was never written is an error.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use hdf5::File;

use super::elements::{Elements, read_table};
use super::journal::{self, Begin, Found, Journal, Record};
use super::opening::open_file;
use super::provenance::{Provenance, read_stages};
use super::series::Rows;
use super::writer::{Counts, Header, Table, TrajectoryWriter};
use super::{H5mdError, options, reason, system_error, write_error};

impl TrajectoryWriter {
    /// Opens a trajectory to go on after the rows of `counts`; what was written after the checkpoint is dropped. `header` must
    /// describe the same run: same configuration, replica and stages; the provenance of the beginning stays.
    ///
    /// A file from before the run was extended ([`Provenance::extensions`] of the header) is made anew too: with the new configuration and
    /// the new length of the last stage.
    pub fn reopen(path: &Path, header: &Header, counts: &Counts) -> Result<Self, H5mdError> {
        end_renaming(path, counts)?;
        let journal = journal::path_of(path);
        if !journal.exists() {
            return without_journal(path, header, counts);
        }
        let found = sealed(path, &journal, counts)?;
        let (header, extended) = check(path, &found.begin, header)?;
        check_foreign(path, &header)?;
        if found.last && !extended && is_closed_at(path, &header, counts) {
            return in_place(path, &header, counts, Journal::reopen(&journal, &found, counts));
        }
        rebuild(path, &header, counts, &|writer| fill(writer, path, &journal, &found, counts))
    }

    /// Whether [`Self::reopen`] would find the rows of `counts` in a file of this run; changes nothing.
    pub fn check(path: &Path, header: &Header, counts: &Counts) -> Result<(), H5mdError> {
        check(path, &beginning(path, counts)?, header)?;
        check_foreign(path, header)
    }

    /// The rows that a trajectory holds, if those of a checkpoint are among them, else [`H5mdError::Mismatch`]. Writes nothing.
    pub fn holds(path: &Path, counts: &Counts) -> Result<Counts, H5mdError> {
        beginning(path, counts)?;
        // After a power cut HDF5 may not know; the rows of the checkpoint are there, whatever it says.
        let found = open_file(path).and_then(|file| begin_of(path, &file));
        Ok(found.map_or_else(|_| counts.clone(), |(_, elements)| rows(&elements)))
    }
}

/// What a trajectory with the rows of a checkpoint says of itself.
fn beginning(path: &Path, counts: &Counts) -> Result<Begin, H5mdError> {
    let journal = journal::path_of(path);
    // After a resume that was cut off between its renames, the new journal is the one.
    for journal in [&journal, &journal::path_of(&rebuilt(path))] {
        if journal.exists()
            && let Ok(found) = sealed(path, journal, counts)
        {
            return Ok(found.begin);
        }
    }
    if journal.exists() {
        return sealed(path, &journal, counts).map(|found| found.begin);
    }
    let (begin, elements) = begin_of(path, &open_file(path)?)?;
    check_counts(path, &rows(&elements), counts)?;
    Ok(begin)
}

/// The seal of a checkpoint in a journal.
fn sealed(path: &Path, journal: &Path, counts: &Counts) -> Result<Found, H5mdError> {
    let mismatch = |found: String| H5mdError::Mismatch {
        path: path.to_path_buf(),
        found,
        expected: format!("the checkpoint was written after {}", counts.frames),
        remedy: BEHIND,
    };
    let found = journal::find(journal, counts)?.map_err(mismatch)?;
    // A copy that was made of a running run, file by file, may have an older trajectory beside a newer journal.
    match fs::metadata(path) {
        Ok(file) if file.len() < found.reach => Err(mismatch(format!(
            "the file has {} of {} bytes that its journal names",
            file.len(),
            found.reach
        ))),
        _ => Ok(found),
    }
}

/// What to do where a trajectory has less than its checkpoint.
const BEHIND: &str = "the file was damaged or replaced: restore it, or start afresh in another directory";

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

fn sync_directory(path: &Path) -> Result<(), H5mdError> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory).and_then(|d| d.sync_all()).map_err(system_error(path, "its name to the disk"))
}

/// Where an earlier resume ended between its two renames, the second one is done; what it left otherwise is removed.
fn end_renaming(path: &Path, counts: &Counts) -> Result<(), H5mdError> {
    let (trajectory, journal) = (rebuilt(path), journal::path_of(&rebuilt(path)));
    if !trajectory.exists() && journal.exists() && belongs(&journal, path, counts) {
        fs::rename(&journal, journal::path_of(path)).map_err(system_error(&journal, "its name"))?;
        return sync_directory(path);
    }
    for unfinished in [trajectory, journal] {
        if unfinished.exists() {
            fs::remove_file(&unfinished).map_err(system_error(&unfinished, "over an unfinished copy"))?;
        }
    }
    Ok(())
}

/// Whether a journal seals these counts and every row that it names is in the trajectory.
fn belongs(journal: &Path, trajectory: &Path, counts: &Counts) -> bool {
    let Ok(Ok(found)) = journal::find(journal, counts) else { return false };
    let Ok(data) = fs::File::open(trajectory) else { return false };
    let verified = journal::replay(journal, &found, &mut |record| {
        let Record::Chunks { series, first, chunks } = record else { return Ok(()) };
        (first..)
            .zip(chunks)
            .try_for_each(|(row, chunk)| bytes(trajectory, &data, &series, row, &chunk).map(|_| ()))
    });
    verified.is_ok()
}

/// The bytes of a row, if they are those that were sealed.
fn bytes(
    path: &Path,
    data: &fs::File,
    series: &str,
    row: u64,
    chunk: &journal::Chunk,
) -> Result<Vec<u8>, H5mdError> {
    let lost = |reason: String| H5mdError::Read {
        path: path.to_path_buf(),
        what: format!("row {row} of {series}"),
        reason: format!("{reason}; this row, which was on the disk when the checkpoint was written, is lost"),
    };
    let bytes = journal::read(data, &chunk.place).map_err(|e| lost(e.to_string()))?;
    if crc32fast::hash(&bytes) == chunk.checksum {
        Ok(bytes)
    } else {
        Err(lost("its bytes are not those that were written".to_string()))
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

/// That a trajectory is no other's beside this journal; after a power cut it may not say whose it is.
fn check_foreign(path: &Path, header: &Header) -> Result<(), H5mdError> {
    match open_file(path).and_then(|file| begin_of(path, &file)) {
        Ok((begin, _)) => check(path, &begin, header).map(|_| ()),
        Err(_) => Ok(()),
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
    journal: Journal,
) -> Result<TrajectoryWriter, H5mdError> {
    let file: File = options().open_rw(path).map_err(write_error(path, "to the existing file"))?;
    let elements = Elements::open(&file, &header.stages).map_err(read_error(path, "particles"))?;
    let mut writer = TrajectoryWriter::from_parts(path, file, elements, header, journal);
    go_on(&mut writer, counts)?;
    // On the disk before anything else changes: a file that is being written never looks closed.
    writer.mark_closed(false)?;
    writer.force()?;
    Ok(writer)
}

/// Fills a new file and gives it and its journal the names of the old ones.
fn rebuild(
    path: &Path,
    header: &Header,
    counts: &Counts,
    fill: &dyn Fn(&mut TrajectoryWriter) -> Result<(), H5mdError>,
) -> Result<TrajectoryWriter, H5mdError> {
    let temporary = rebuilt(path);
    let header = Header { expected_rows: header.expected_rows.max(counts.frames as u64), ..header.clone() };
    let mut writer = TrajectoryWriter::create(&temporary, &header)?;
    let result = fill(&mut writer)
        .and_then(|()| go_on(&mut writer, counts))
        .and_then(|()| writer.sync().map(|_| ()))
        .and_then(|()| fs::rename(&temporary, path).map_err(system_error(path, "the rows of the checkpoint")))
        .and_then(|()| sync_directory(path));
    if let Err(error) = result {
        let journal = writer.journal.path.clone();
        drop(writer);
        let _ = fs::remove_file(&temporary);
        let _ = fs::remove_file(&journal);
        return Err(error);
    }
    // Should this fail, the next resume does it.
    fs::rename(&writer.journal.path, journal::path_of(path)).map_err(system_error(path, "its journal"))?;
    sync_directory(path)?;
    writer.path = path.to_path_buf();
    writer.journal.path = journal::path_of(path);
    Ok(writer)
}

/// Fills a new file from a journal and the places in the old file that it names.
fn fill(
    writer: &mut TrajectoryWriter,
    old: &Path,
    journal: &Path,
    found: &Found,
    counts: &Counts,
) -> Result<(), H5mdError> {
    let data = fs::File::open(old).map_err(|e| H5mdError::Open {
        path: old.to_path_buf(),
        reason: e.to_string(),
        remedy: "check the path and its permissions",
    })?;
    let path = writer.path.clone();
    let mut tables: Vec<(String, Table)> = Vec::new();
    let series: HashMap<String, &dyn Rows> =
        writer.elements.series().into_iter().map(|(name, _, rows)| (name, rows)).collect();
    journal::replay(journal, found, &mut |record| {
        let of = |name: &str| {
            let rows = series.get(name).copied();
            rows.ok_or_else(|| {
                journal::damaged(journal, &format!("it has rows of `{name}`, which is no series here"))
            })
        };
        match record {
            Record::Begin(_) | Record::Seal(_) => Ok(()),
            Record::Table { stage, table } => {
                tables.push((stage, table));
                Ok(())
            }
            Record::Rows { series, first, bytes } => {
                of(&series)?.write_bytes(first as usize, &bytes).map_err(write_error(&path, &series))
            }
            Record::Chunks { series, first, chunks } => {
                let rows = of(&series)?;
                (first..).zip(&chunks).try_for_each(|(row, chunk)| {
                    let bytes = bytes(old, &data, &series, row, chunk)?;
                    rows.put_chunk(row as usize, chunk.place.filters, &bytes)
                        .map_err(write_error(&path, &series))
                })
            }
        }
    })?;
    drop(series);
    // Not that of a stage whose end has moved.
    let mut wanted = tables.iter().filter(|(stage, _)| counts.stress_correlations.contains(stage));
    wanted.try_for_each(|(stage, table)| writer.write_stress_correlation(stage, table))
}

/// Copies what HDF5 finds.
fn without_journal(path: &Path, header: &Header, counts: &Counts) -> Result<TrajectoryWriter, H5mdError> {
    let file = open_file(path)?;
    let (begin, old) = begin_of(path, &file)?;
    let (header, _) = check(path, &begin, header)?;
    check_counts(path, &rows(&old), counts)?;
    rebuild(path, &header, counts, &|writer| {
        copy(writer, counts, &old, &file)?;
        check_written(path, &writer.elements, counts)
    })
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

/// That no row of the checkpoint is one that was never written: HDF5 fills those with -1 and NaN, without a word.
fn check_written(path: &Path, elements: &Elements, counts: &Counts) -> Result<(), H5mdError> {
    let lost = |what: &str, row: usize| H5mdError::Read {
        path: path.to_path_buf(),
        what: format!("row {row} of {what}"),
        reason: "it was never written, though the checkpoint counts it; this row is lost".to_string(),
    };
    let frames = &elements.frames;
    for row in 0..counts.frames {
        let steps = frames.clock.step.read(row..row + 1).map_err(read_error(path, "step"))?;
        let positions = frames.position.read(row..row + 1).map_err(read_error(path, "position"))?;
        let centres = frames.centres.read(row..row + 1).map_err(read_error(path, "centres"))?;
        let filled = positions.iter().any(|x| x.is_nan()) || centres.iter().any(|x| x.is_nan());
        if filled || steps.iter().any(|step| *step < 0) {
            return Err(lost("frames", row));
        }
    }
    let thermo = elements.thermo.clock.step.read(0..counts.thermo).map_err(read_error(path, "thermo"))?;
    match thermo.iter().position(|step| *step < 0) {
        Some(row) => Err(lost("thermo", row)),
        None => Ok(()),
    }
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
