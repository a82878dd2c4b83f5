//! Writes a trajectory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use glam::DVec3;
use hdf5::File;
use serde::{Deserialize, Serialize};
use vitrion_core::backend::Thermo;
use vitrion_core::cell::Cell;
use vitrion_core::observe::multi_tau::StressCorrelation;
use vitrion_core::topology::Topology;

use super::closing::Closing;
use super::elements::{Elements, Windows, write_table};
use super::journal::{self, Begin, Journal};
use super::series::SMALL_CHUNK_BYTES;
use super::thermo::QUANTITIES;
use super::{H5mdError, Provenance, Stage, options, system_error, write_error};

/// What a file says before its first frame.
#[derive(Clone, Debug)]
pub struct Header {
    /// Who ran it.
    pub author: String,
    /// Composition.
    pub topology: Topology,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Stages of the run.
    pub stages: Vec<Stage>,
    /// Whether frames carry velocities.
    pub velocities: bool,
    /// Frames to come, or window means of one stage if those are more: sizes the index of the file. More may be written.
    pub expected_rows: u64,
}

/// One moment.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Steps done; must increase from frame to frame.
    pub step: u64,
    /// Time (ps).
    pub time: f64,
    /// Cell.
    pub cell: &'a Cell,
    /// Per atom (angstrom): molecules whole around their wrapped centres. Kept as f32.
    pub positions: &'a [DVec3],
    /// Per atom (A/ps), if the header announces velocities. Kept as f32.
    pub velocities: Option<&'a [DVec3]>,
    /// Per molecule (angstrom): unwrapped position of its centre. Kept as f64.
    pub unwrapped_centres: &'a [DVec3],
}

/// Columns of equal length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
}

impl Table {
    /// The columns `lag` (ps), `shear` and `normal_difference` (the square of a pressure) and `samples`, of stresses that were
    /// sampled every `interval` ps.
    pub fn of_stress(correlation: &[StressCorrelation], interval: f64) -> Self {
        let column = |name: &str, unit: &str, value: &dyn Fn(&StressCorrelation) -> f64| Column {
            name: name.to_string(),
            unit: unit.to_string(),
            values: correlation.iter().map(value).collect(),
        };
        let columns = vec![
            column("lag", "ps", &|c| c.lag as f64 * interval),
            column("shear", SQUARE, &|c| c.shear),
            column("normal_difference", SQUARE, &|c| c.normal_difference),
            column("samples", "", &|c| c.samples as f64),
        ];
        Self { columns }
    }

    /// The numbers of a column.
    pub fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|c| c.name == name).map(|c| &c.values[..])
    }
}

/// One column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Name, a name of a dataset in the file.
    pub name: String,
    /// Unit as H5MD writes it; empty for none.
    pub unit: String,
    /// The numbers.
    pub values: Vec<f64>,
}

/// How much of a file belongs to a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Frames.
    pub frames: usize,
    /// Rows of thermo.
    pub thermo: usize,
    /// Window means, by stage.
    pub window_means: BTreeMap<String, usize>,
    /// Window means of the stress of ions, by stage.
    pub ion_stress: BTreeMap<String, usize>,
    /// Stages whose stress correlation is written.
    pub stress_correlations: BTreeSet<String>,
}

/// Unit of a product of two pressures.
const SQUARE: &str = "u+2 Angstrom-2 ps-4";
/// Files that are forced to the disk at the same time.
const AT_ONCE: usize = 16;
/// Rows of thermo that wait in memory until the next flush.
const THERMO_BUFFER: usize = 256;

/// An open trajectory.
pub struct TrajectoryWriter {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) elements: Elements,
    pub(super) counts: Counts,
    pub(super) last_step: Option<u64>,
    pub(super) atoms: usize,
    pub(super) molecules: usize,
    pub(super) journal: Journal,
    /// Stress correlations since the last seal of the journal.
    pub(super) unsealed: BTreeMap<String, Table>,
    thermo_buffer: Vec<(i64, f64, Thermo)>,
}

impl TrajectoryWriter {
    /// Creates the file; one that exists is not overwritten, and a failure leaves nothing behind. It has its name only when
    /// its header is written, so a kill leaves it absent or readable.
    pub fn create(path: &Path, header: &Header) -> Result<Self, H5mdError> {
        if path.symlink_metadata().is_ok() {
            return Err(H5mdError::Exists { path: path.to_path_buf() });
        }
        check_stages(path, &header.stages)?;
        let mut options = writing();
        // A node of a chunk index has twice this many entries; one that never fills never splits (see the module's text).
        // 2048 entries take 98 KiB a dataset, so longer trajectories accept the splits.
        options
            .fcpl()
            .istore_k(u32::try_from(header.expected_rows / 2 + 1).unwrap_or(u32::MAX).clamp(32, 1024));
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let unnamed = PathBuf::from(name);
        // On the disk before the trajectory has its name: no trajectory is ever without its journal.
        let journal = Journal::create(&journal::path_of(path), &Begin::new(header))?;
        let (file, elements) = options
            .create(&unnamed)
            .and_then(|file| {
                let elements = Elements::create(&file, header)?;
                file.flush()?;
                Ok((file, elements))
            })
            .map_err(write_error(path, "a new trajectory"))
            .and_then(|created| give_name(&unnamed, path).map(|()| created))
            .inspect_err(|_| {
                // Created a moment ago by this process; without its header or its name it is of no use.
                let _ = std::fs::remove_file(&unnamed);
                let _ = std::fs::remove_file(&journal.path);
            })?;
        let mut writer = Self::from_parts(path, file, elements, header, journal);
        writer.counts.window_means =
            header.stages.iter().filter(|s| s.window_means).map(|s| (s.name.clone(), 0)).collect();
        writer.counts.ion_stress =
            header.stages.iter().filter(|s| s.ion_stress).map(|s| (s.name.clone(), 0)).collect();
        Ok(writer)
    }

    pub(super) fn from_parts(
        path: &Path,
        file: File,
        elements: Elements,
        header: &Header,
        journal: Journal,
    ) -> Self {
        elements.series().iter().for_each(|(_, _, rows)| rows.note_written());
        Self {
            path: path.to_path_buf(),
            file,
            elements,
            counts: Counts::default(),
            last_step: None,
            atoms: header.topology.n_atoms(),
            molecules: header.topology.molecules.len(),
            journal,
            unsealed: BTreeMap::new(),
            thermo_buffer: Vec::new(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What has been appended so far, flushed or not.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Appends a frame and flushes: after this call the frame survives the death of the process.
    pub fn append_frame(&mut self, frame: &Frame) -> Result<(), H5mdError> {
        self.check_frame(frame)?;
        self.write_frame(frame)
            .map_err(write_error(&self.path, &format!("the frame of step {}", frame.step)))?;
        self.flush()?;
        self.counts.frames += 1;
        self.last_step = Some(frame.step);
        Ok(())
    }

    fn write_frame(&self, frame: &Frame) -> hdf5::Result<()> {
        let frames = &self.elements.frames;
        let at = self.counts.frames;
        frames.clock.write(at, &[frame.step.cast_signed()], &[frame.time])?;
        // Columns of h are the edge vectors, so its column-major numbers are the rows that H5MD wants.
        frames.edges.write(at, &frame.cell.matrix().to_cols_array())?;
        if let (Some(series), Some(velocities)) = (&frames.velocity, frame.velocities) {
            series.write(at, &single(velocities))?;
        }
        frames.centres.write(at, &double(frame.unwrapped_centres))?;
        frames.position.write(at, &single(frame.positions))
    }

    fn check_frame(&self, frame: &Frame) -> Result<(), H5mdError> {
        let mismatch = |found: String, expected: String| H5mdError::Mismatch {
            path: self.path.clone(),
            found: format!("the frame of step {} has {found}", frame.step),
            expected,
            remedy: "write each system to a file of its own",
        };
        let count = |what: &str, found: usize, expected: usize| {
            if found == expected {
                Ok(())
            } else {
                Err(mismatch(format!("{found} {what}"), format!("the file holds {expected}")))
            }
        };
        count("positions", frame.positions.len(), self.atoms)?;
        count("centres", frame.unwrapped_centres.len(), self.molecules)?;
        let velocities = if self.elements.frames.velocity.is_some() { self.atoms } else { 0 };
        count("velocities", frame.velocities.map_or(0, <[DVec3]>::len), velocities)?;
        match self.last_step {
            Some(last) if frame.step <= last => Err(mismatch(
                "a step that is not beyond the last".to_string(),
                format!("the file's last frame is of step {last}"),
            )),
            _ => Ok(()),
        }
    }

    /// Appends a row of thermo; it reaches the file with the next flush.
    pub fn append_thermo(&mut self, step: u64, time: f64, thermo: &Thermo) -> Result<(), H5mdError> {
        self.thermo_buffer.push((step.cast_signed(), time, *thermo));
        self.counts.thermo += 1;
        if self.thermo_buffer.len() >= THERMO_BUFFER { self.write_thermo() } else { Ok(()) }
    }

    fn write_thermo(&mut self) -> Result<(), H5mdError> {
        let at = self.counts.thermo - self.thermo_buffer.len();
        let columns = &self.elements.thermo;
        let steps: Vec<i64> = self.thermo_buffer.iter().map(|row| row.0).collect();
        let times: Vec<f64> = self.thermo_buffer.iter().map(|row| row.1).collect();
        columns
            .clock
            .write(at, &steps, &times)
            .and_then(|()| {
                columns.columns.iter().zip(QUANTITIES).try_for_each(|(series, quantity)| {
                    let values: Vec<f64> =
                        self.thermo_buffer.iter().map(|row| (quantity.value)(&row.2)).collect();
                    series.write(at, &values)
                })
            })
            .map_err(write_error(&self.path, "thermo"))?;
        self.thermo_buffer.clear();
        Ok(())
    }

    /// Appends the means of the unwrapped centres (angstrom, one a molecule) over a window of `stage` that ended at `step`.
    pub fn append_window_mean(
        &mut self,
        stage: &str,
        step: u64,
        time: f64,
        means: &[DVec3],
    ) -> Result<(), H5mdError> {
        self.check_window("a window mean", stage, means.len(), &self.elements.windows)?;
        let row = self.counts.window_means.entry(stage.to_string()).or_default();
        append_window(&self.elements.windows, stage, *row, (step, time), &double(means))
            .map_err(write_error(&self.path, &format!("a window mean of stage `{stage}`")))?;
        *row += 1;
        Ok(())
    }

    /// Appends the means of the stress of ions (u A^2/ps^2; xx, yy, zz, xy, xz, yz; one a molecule) over a window of `stage` that
    /// ended at `step`. Kept as f32.
    pub fn append_ion_stress(
        &mut self,
        stage: &str,
        step: u64,
        time: f64,
        means: &[[f64; 6]],
    ) -> Result<(), H5mdError> {
        self.check_window("a stress of ions", stage, means.len(), &self.elements.ion_stress)?;
        let row = self.counts.ion_stress.entry(stage.to_string()).or_default();
        let values: Vec<f32> = means.iter().flatten().map(|&component| component as f32).collect();
        append_window(&self.elements.ion_stress, stage, *row, (step, time), &values)
            .map_err(write_error(&self.path, &format!("a stress of ions in stage `{stage}`")))?;
        *row += 1;
        Ok(())
    }

    /// That the header announces such windows of a stage, of so many ions.
    fn check_window<T>(
        &self,
        what: &str,
        stage: &str,
        ions: usize,
        windows: &[Windows<T>],
    ) -> Result<(), H5mdError> {
        let mismatch = |found: String, expected: String| H5mdError::Mismatch {
            path: self.path.clone(),
            found,
            expected,
            remedy: "this is a defect of the program, please report it",
        };
        if !windows.iter().any(|w| w.stage == stage) {
            let expected = "the header announces none there".to_string();
            return Err(mismatch(format!("{what} of stage `{stage}`"), expected));
        }
        if ions != self.molecules {
            let found = format!("{what} of {ions} centres");
            return Err(mismatch(found, format!("the file holds {}", self.molecules)));
        }
        Ok(())
    }

    /// Writes the stress correlation of a stage, over an earlier one of the same stage.
    pub fn write_stress_correlation(&mut self, stage: &str, table: &Table) -> Result<(), H5mdError> {
        self.file
            .group("vitrion/stress_correlation")
            .and_then(|group| write_table(&group, stage, table))
            .map_err(write_error(&self.path, &format!("the stress correlation of stage `{stage}`")))?;
        self.unsealed.insert(stage.to_string(), table.clone());
        self.counts.stress_correlations.insert(stage.to_string());
        Ok(())
    }

    /// Hands everything to the operating system: it survives the death of the process.
    pub fn flush(&mut self) -> Result<(), H5mdError> {
        if !self.thermo_buffer.is_empty() {
            self.write_thermo()?;
        }
        self.file.flush().map_err(write_error(&self.path, "what is buffered"))
    }

    /// [`Self::flush`], seals the journal, and waits for the disk: it survives a power failure. Returns what a checkpoint keeps.
    pub fn sync(&mut self) -> Result<Counts, H5mdError> {
        Self::sync_all(std::slice::from_mut(self))?;
        Ok(self.counts())
    }

    /// [`Self::sync`] of many files, which wait for the disk together.
    pub fn sync_all(writers: &mut [Self]) -> Result<(), H5mdError> {
        writers.iter_mut().try_for_each(Self::flush)?;
        // Rows before the journals that name them.
        together(writers.iter().map(|writer| writer.path.as_path()))?;
        for writer in &mut *writers {
            writer.journal.seal(&writer.path, &writer.elements, writer.unsealed.iter(), &writer.counts)?;
        }
        together(writers.iter().map(|writer| writer.journal.path.as_path()))?;
        for writer in writers {
            writer.unsealed.clear();
        }
        Ok(())
    }

    /// Marks the file as complete and closes it.
    pub fn finish(mut self) -> Result<Counts, H5mdError> {
        self.sync()?;
        self.mark_closed(true)?;
        let Self { path, file, elements, counts, mut journal, .. } = self;
        drop(elements);
        file.close().map_err(write_error(&path, "its end"))?;
        force(&path)?;
        // The marks of an orderly end reach the disk after everything that they are marks of.
        let failed = || system_error(&path, "the mark of an orderly end");
        let length = std::fs::metadata(&path).map_err(failed())?.len();
        journal.close(length)?;
        Closing::write(&path, journal.chain()).map_err(failed())?;
        Ok(counts)
    }

    pub(super) fn mark_closed(&self, closed: bool) -> Result<(), H5mdError> {
        self.file
            .group("vitrion")
            .and_then(|group| group.attr("closed"))
            .and_then(|attribute| attribute.write_scalar(&i32::from(closed)))
            .and_then(|()| self.file.flush())
            .map_err(write_error(&self.path, "the mark of an orderly end"))
    }
}

/// How files are opened for writing: with room for one chunk of small rows a dataset. Large rows are written through.
pub(super) fn writing() -> hdf5::FileBuilder {
    let mut options = options();
    // The number of slots and the weight are those of the library.
    options.fapl().chunk_cache(521, 2 * SMALL_CHUNK_BYTES, 0.75);
    options
}

/// Waits for the disk.
pub(super) fn force(path: &Path) -> Result<(), H5mdError> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(system_error(path, "to the disk"))
}

/// Waits for the disk with several files at a time: a disk that is far away answers them together.
fn together<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<(), H5mdError> {
    let paths: Vec<&Path> = paths.collect();
    let Some(share) = std::num::NonZero::new(paths.len().div_ceil(AT_ONCE)) else { return Ok(()) };
    if paths.len() == 1 {
        return force(paths[0]);
    }
    std::thread::scope(|scope| {
        let force_all = |paths: &[&Path]| paths.iter().try_for_each(|path| force(path));
        let threads: Vec<_> =
            paths.chunks(share.get()).map(|paths| scope.spawn(move || force_all(paths))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

/// Renames, without replacing a file that has appeared meanwhile.
fn give_name(unnamed: &Path, path: &Path) -> Result<(), H5mdError> {
    match std::fs::hard_link(unnamed, path) {
        Ok(()) => std::fs::remove_file(unnamed).map_err(system_error(path, "a new trajectory")),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(H5mdError::Exists { path: path.to_path_buf() })
        }
        // A file system without hard links.
        Err(_) => std::fs::rename(unnamed, path).map_err(system_error(path, "a new trajectory")),
    }
}

/// Names of stages become names of groups.
fn check_stages(path: &Path, stages: &[Stage]) -> Result<(), H5mdError> {
    let mut names = BTreeSet::new();
    for Stage { name, .. } in stages {
        let valid = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        if !valid || !names.insert(name) {
            return Err(H5mdError::Mismatch {
                path: path.to_path_buf(),
                found: format!("there is a stage `{name}`"),
                expected: "names of stages must be unique, not empty, and without `/`".to_string(),
                remedy: "rename it",
            });
        }
    }
    Ok(())
}

/// Writes row `row` of the windows of a stage.
fn append_window<T: hdf5::H5Type>(
    windows: &[Windows<T>],
    stage: &str,
    row: usize,
    (step, time): (u64, f64),
    values: &[T],
) -> hdf5::Result<()> {
    windows.iter().filter(|w| w.stage == stage).try_for_each(|windows| {
        windows.clock.write(row, &[step.cast_signed()], &[time])?;
        windows.value.write(row, values)
    })
}

fn single(vectors: &[DVec3]) -> Vec<f32> {
    vectors.iter().flat_map(DVec3::to_array).map(|c| c as f32).collect()
}

fn double(vectors: &[DVec3]) -> Vec<f64> {
    vectors.iter().flat_map(DVec3::to_array).collect()
}
