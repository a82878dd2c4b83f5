//! The trajectories of a run.

use std::path::{Path, PathBuf};

use crate::probe;
use anyhow::{Context, Result, bail};
use vitrion_analysis::inputs::{DumpTrajectory, H5mdTrajectory, Inputs, Said, Trajectory};
use vitrion_analysis::results;
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};
use vitrion_trajectory::lammps_data;
use vitrion_trajectory::lammps_dump::LammpsDump;

/// First bytes of every HDF5 file.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Whether a file is HDF5, by its first bytes.
pub fn is_hdf5(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 8];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == HDF5
}

/// The H5MD files of a run directory, in the order of their names, or the one file that is named.
pub fn find(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.exists() {
        bail!("{}: there is no such file or directory; give a run directory or an H5MD file", path.display());
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
        bail!("{}: holds no trajectory (*.h5); give the directory of a run", path.display());
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
            if is_dump(&file) {
                temperatures.push(f64::NAN);
                continue;
            }
            let reader = TrajectoryReader::open(&file)?;
            let stage = stage(&reader, reading.stage)?;
            temperatures.push(stage.as_ref().and_then(|s| mean_temperature(&reader, s)).unwrap_or(f64::NAN));
            name = stage.map_or(name, |s| s.name);
        }
    }
    Ok((name, temperatures))
}

/// What helps to read trajectories.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    /// Stage of Vitrion's own files.
    pub stage: Option<&'a str>,
    /// LAMMPS data file that says what the atoms of a dump are.
    pub topology: Option<&'a Path>,
    /// Length of a step of a dump (ps).
    pub timestep: Option<f64>,
}

/// Everything that run directories and files hold: each file one trajectory, with the frames of one stage.
pub fn inputs(paths: &[PathBuf], reading: Reading) -> Result<Inputs> {
    let topology = reading.topology.map(lammps_data::describe).transpose()?;
    let said = Said { topology: topology.as_ref(), timestep: reading.timestep };
    let mut trajectories: Vec<Box<dyn Trajectory>> = Vec::new();
    for path in paths {
        for file in find(path)? {
            if is_dump(&file) {
                let dump = LammpsDump::open(&file)?;
                trajectories.push(Box::new(DumpTrajectory::new(dump, said)?));
                continue;
            }
            let reader = TrajectoryReader::open(&file)?;
            let stage = stage(&reader, reading.stage)?;
            let frames = frames_of(&reader, stage.as_ref());
            trajectories.push(Box::new(H5mdTrajectory::new(reader, stage, frames, said)?));
        }
    }
    Ok(Inputs::new(trajectories)?)
}

/// Whether a file begins as a LAMMPS dump does.
pub fn is_dump(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 5];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"ITEM:"
}
