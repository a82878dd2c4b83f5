//! The trajectories of a run, and what was found of them.

use std::path::{Path, PathBuf};

use crate::probe;
use anyhow::{Context, Result, bail};
use vitrion_analysis::inputs::{DumpTrajectory, H5mdTrajectory, Inputs, Said, Trajectory, examined};
use vitrion_analysis::results::{self, Results};
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};
use vitrion_trajectory::lammps_data;
use vitrion_trajectory::lammps_dump::{LammpsDump, Units};

use crate::file_kind::{self, FileKind, is_hdf5};

/// What is no trajectory is refused with this.
const READS: &str = "give a run directory, an H5MD trajectory (*.h5) or a LAMMPS dump";

/// The H5MD files of a run directory, in the order of their names, or the one file that is named.
pub fn find(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.exists() {
        bail!("{}: there is no such file or directory; {READS}", path.display());
    }
    if !path.is_dir() {
        let file = vec![path.to_path_buf()];
        if is_hdf5(path) {
            probe::check(&file)?;
        }
        return Ok(file);
    }
    let mut files = Vec::new();
    let entries = std::fs::read_dir(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    for entry in entries {
        let file = entry?.path();
        // Results may lie beside the trajectories that they were measured from.
        let is_results = file.file_name().is_some_and(|name| name == results::FILE);
        if file.extension().is_some_and(|e| e == "h5") && !is_results && is_hdf5(&file) {
            files.push(file);
        }
    }
    files.sort();
    probe::check(&files)?;
    if files.is_empty() {
        bail!(
            "{}: holds no trajectory (*.h5); give the directory of a run, or name the files",
            path.display()
        );
    }
    Ok(files)
}

/// The stage with this name, or the last one that has frames of its own.
pub fn stage(reader: &TrajectoryReader, name: Option<&str>) -> Result<Option<Stage>> {
    let stages = reader.stages()?;
    let Some(name) = name else {
        return Ok(stages.into_iter().rev().find(|stage| frames_of(reader, Some(stage)).len() >= 2));
    };
    if let Some(stage) = stages.iter().find(|stage| stage.name == name) {
        return Ok(Some(stage.clone()));
    }
    let names: Vec<&str> = stages.iter().map(|s| s.name.as_str()).collect();
    bail!(
        "{}: there is no stage \"{name}\"; its stages are {}",
        reader.path().display(),
        if names.is_empty() { "not recorded".to_string() } else { names.join(", ") }
    )
}

/// Frames that belong to a stage (from its first step to its last, both included), or all.
pub fn frames_of(reader: &TrajectoryReader, stage: Option<&Stage>) -> Vec<usize> {
    let inside = |step: i64| {
        stage.is_none_or(|stage| {
            let first = stage.first_step.cast_signed();
            (first..=first + stage.steps.cast_signed()).contains(&step)
        })
    };
    (0..reader.frames()).filter(|&frame| inside(reader.step(frame))).collect()
}

/// Mean of the thermo samples of a stage (K).
pub fn mean_temperature(reader: &TrajectoryReader, stage: &Stage) -> Option<f64> {
    let steps = reader.thermo("step").ok()?;
    let temperatures = reader.thermo("temperature").ok()?;
    let (first, last) = (stage.first_step as f64, (stage.first_step + stage.steps) as f64);
    let inside: Vec<f64> =
        steps.iter().zip(temperatures).filter(|(s, _)| **s > first && **s <= last).map(|(_, t)| t).collect();
    (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
}

/// Name of the stage that is read from these files, and the mean temperature of each file in it; NaN where it is not known.
pub fn conditions(paths: &[PathBuf], reading: Reading) -> Result<(String, Vec<f64>)> {
    let (mut name, mut temperatures) = (String::new(), Vec::new());
    for path in paths {
        for file in find(path)? {
            if file_kind::of(&file)? == FileKind::Dump {
                temperatures.push(f64::NAN);
                continue;
            }
            let reader = TrajectoryReader::open_group(&file, reading.group)?;
            let stage = stage(&reader, reading.stage)?;
            temperatures.push(stage.as_ref().and_then(|s| mean_temperature(&reader, s)).unwrap_or(f64::NAN));
            name = stage.map_or(name, |s| s.name);
        }
    }
    Ok((name, temperatures))
}

/// The same of trajectories that are open.
pub fn conditions_of(inputs: &Inputs) -> (String, Vec<f64>) {
    let each = inputs.trajectories.iter().map(|trajectory| {
        let stage = trajectory.h5md().zip(trajectory.stage());
        stage.and_then(|(reader, stage)| mean_temperature(reader, stage)).unwrap_or(f64::NAN)
    });
    let name = inputs.trajectories.iter().rev().find_map(|t| t.stage()).map(|stage| stage.name.clone());
    (name.unwrap_or_default(), each.collect())
}

/// Results of a directory; none where there are none. Whether a file without a checksum is sound a process of its own finds out first.
pub fn results(directory: &Path) -> Result<Option<Results>> {
    let file = directory.join(results::FILE);
    if results::is_unsealed(&file) {
        probe::check(&[file])?;
    }
    Ok(Results::read(directory)?)
}

/// What helps to read trajectories.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    /// Stage of Vitrion's own files.
    pub stage: Option<&'a str>,
    /// LAMMPS data file that says what the particles are.
    pub topology: Option<&'a Path>,
    /// Length of a step (ps), where the file does not say, or says wrongly.
    pub timestep: Option<f64>,
    /// Whether a drift of the centre of mass stays part of what is measured.
    pub keep_drift: bool,
    /// Group of particles of an H5MD file.
    pub group: Option<&'a str>,
    /// Units of a dump.
    pub units: Option<Units>,
}

/// A dump has no groups to choose from.
pub fn no_group(path: &Path, group: Option<&str>) -> Result<()> {
    if let Some(group) = group {
        bail!(
            "{}: --group {group} chooses particles of an H5MD file; this is a dump, leave it out",
            path.display()
        );
    }
    Ok(())
}

/// Everything that run directories and files hold: each file one trajectory, with the frames of one stage.
pub fn inputs(paths: &[PathBuf], reading: Reading) -> Result<Inputs> {
    let topology = reading.topology.map(lammps_data::describe).transpose()?;
    let said = Said { topology: topology.as_ref(), timestep: reading.timestep, units: reading.units };
    let mut trajectories: Vec<Box<dyn Trajectory>> = Vec::new();
    for path in paths {
        for file in find(path)? {
            match file_kind::of(&file)? {
                FileKind::Hdf5 => {}
                FileKind::Dump => {
                    no_group(&file, reading.group)?;
                    let dump = DumpTrajectory::new(LammpsDump::open(&file)?, said)?;
                    trajectories.push(examined(Box::new(dump), reading.keep_drift)?);
                    continue;
                }
                other => return Err(other.refused(&file, READS)),
            }
            if said.units.is_some() {
                bail!("{}: --units is for LAMMPS dumps, H5MD names its units; leave it out", file.display());
            }
            let reader = TrajectoryReader::open_group(&file, reading.group)?;
            let stage = stage(&reader, reading.stage)?;
            let frames = frames_of(&reader, stage.as_ref());
            let trajectory = H5mdTrajectory::new(reader, stage, frames, said)?;
            trajectories.push(examined(Box::new(trajectory), reading.keep_drift)?);
        }
    }
    Ok(Inputs::new(trajectories)?)
}
