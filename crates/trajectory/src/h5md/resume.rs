//! Goes on with a trajectory from the counts of a checkpoint.

use std::path::{Path, PathBuf};

use hdf5::File;

use super::elements::{Elements, read_table};
use super::provenance::{Provenance, read_stages};
use super::reader::open_file;
use super::writer::{Counts, Header, TrajectoryWriter};
use super::{H5mdError, options, reason, system_error, write_error};

impl TrajectoryWriter {
    /// Opens a trajectory to go on after the rows of `counts`; what was written after the checkpoint is dropped.
    ///
    /// A file that was closed in order and ends at the counts is opened in place. After a kill, the library's record of the
    /// space in the file may be behind what was written, so the rows of the checkpoint are copied to a new file, which then
    /// takes the old one's name; until that moment the old one is untouched. `header` must describe the same run: same
    /// configuration, replica and stages; the provenance of the beginning stays.
    pub fn reopen(path: &Path, header: &Header, counts: &Counts) -> Result<Self, H5mdError> {
        let (old, mut header) = check(path, header)?;
        let mut found = rows(&old);
        check_counts(path, &found, counts)?;
        let file = open_file(path)?;
        let closed = file
            .group("vitrion")
            .and_then(|g| g.attr("closed"))
            .and_then(|a| a.read_scalar::<i32>())
            .map_err(read_error(path, "vitrion"))?;
        let tables = file
            .group("vitrion/stress_correlation")
            .and_then(|g| g.member_names())
            .map_err(read_error(path, "vitrion/stress_correlation"))?;
        found.stress_correlations = tables.into_iter().collect();
        if closed == 1 && found == *counts {
            drop((old, file));
            return in_place(path, &header, counts);
        }
        header.expected_rows = header.expected_rows.max(counts.frames as u64);
        rebuild(path, &header, counts, &old, &file)
    }

    /// The rows that a trajectory holds, if those of a checkpoint are among them, else [`H5mdError::Mismatch`]. Writes nothing.
    pub fn holds(path: &Path, counts: &Counts) -> Result<Counts, H5mdError> {
        let file = open_file(path)?;
        let stages = file
            .group("vitrion/stages")
            .and_then(|group| read_stages(&group))
            .map_err(read_error(path, "vitrion/stages"))?;
        let found = rows(&Elements::open(&file, &stages).map_err(read_error(path, "particles"))?);
        check_counts(path, &found, counts)?;
        Ok(found)
    }
}

fn read_error<'a>(path: &'a Path, what: &'a str) -> impl FnOnce(hdf5::Error) -> H5mdError + 'a {
    move |error| H5mdError::Read { path: path.to_path_buf(), what: what.to_string(), reason: reason(&error) }
}

/// That the file belongs to the run. Returns its series and the header with the file's own provenance.
fn check(path: &Path, header: &Header) -> Result<(Elements, Header), H5mdError> {
    let file = open_file(path)?;
    let mismatch = |found: String, expected: String| H5mdError::Mismatch {
        path: path.to_path_buf(),
        found: format!("the file belongs to {found}"),
        expected: format!("this run has {expected}"),
        remedy: "resume with the configuration that wrote it, or start afresh in another directory",
    };
    let provenance = file
        .group("vitrion/provenance")
        .and_then(|group| Provenance::read(&group))
        .map_err(read_error(path, "vitrion/provenance"))?;
    let (theirs, ours) = (provenance.config_sha256(), header.provenance.config_sha256());
    if theirs != ours {
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
    let stages = file
        .group("vitrion/stages")
        .and_then(|group| read_stages(&group))
        .map_err(read_error(path, "vitrion/stages"))?;
    if stages != header.stages {
        return Err(mismatch("other stages".to_string(), format!("{} of its own", header.stages.len())));
    }
    let elements = Elements::open(&file, &stages).map_err(read_error(path, "particles"))?;
    let atoms = elements.frames.position.row_elements() / 3;
    if atoms != header.topology.n_atoms() {
        return Err(mismatch(format!("{atoms} atoms"), format!("{}", header.topology.n_atoms())));
    }
    if elements.frames.velocity.is_some() != header.velocities {
        return Err(mismatch(
            "a run that keeps velocities differently".to_string(),
            format!("velocities = {}", header.velocities),
        ));
    }
    Ok((elements, Header { provenance, ..header.clone() }))
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
            remedy: "the file was damaged or replaced: restore it, or start afresh in another directory",
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

fn in_place(path: &Path, header: &Header, counts: &Counts) -> Result<TrajectoryWriter, H5mdError> {
    let file: File = options().open_rw(path).map_err(write_error(path, "to the existing file"))?;
    let elements = Elements::open(&file, &header.stages).map_err(read_error(path, "particles"))?;
    let mut writer = TrajectoryWriter::from_parts(path, file, elements, header);
    go_on(&mut writer, counts)?;
    writer.mark_closed(false)?;
    Ok(writer)
}

fn rebuild(
    path: &Path,
    header: &Header,
    counts: &Counts,
    old: &Elements,
    file: &File,
) -> Result<TrajectoryWriter, H5mdError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".rebuilt");
    let temporary = PathBuf::from(name);
    if temporary.exists() {
        // Left by a resume that was killed; the original is still in place.
        std::fs::remove_file(&temporary).map_err(system_error(&temporary, "over an unfinished copy"))?;
    }
    let mut writer = TrajectoryWriter::create(&temporary, header)?;
    let result = fill(&mut writer, counts, old, file).and_then(|()| {
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::rename(&temporary, path)
            .and_then(|()| std::fs::File::open(directory)?.sync_all())
            .map_err(system_error(path, "the rows of the checkpoint"))
    });
    if let Err(error) = result {
        drop(writer);
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    writer.path = path.to_path_buf();
    Ok(writer)
}

fn fill(
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
    go_on(writer, counts)?;
    writer.sync().map(|_| ())
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
