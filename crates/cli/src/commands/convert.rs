//! `vitrion convert`: between LAMMPS data, H5MD and extended XYZ.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use glam::DVec3;
use vitrion_core::force_field::ForceField;
use vitrion_core::topology::Topology;
use vitrion_trajectory::extended_xyz::{ExtendedXyzWriter, Frame};
use vitrion_trajectory::h5md::TrajectoryReader;
use vitrion_trajectory::lammps_data::{self, LammpsSystem, ListCounts};

use crate::{Outcome, console, trajectories};

/// Convert between LAMMPS data, H5MD trajectories and extended XYZ
///
/// From LAMMPS data (*.data, *.lmp) to LAMMPS data or extended XYZ; from H5MD (*.h5) to extended XYZ (all frames, or one with
/// --frame) or, one frame, to LAMMPS data. Existing files are never overwritten.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion convert ckn-run/replica-000.h5 melt.xyz                 all frames, for OVITO or ASE
  vitrion convert ckn-run/replica-000.h5 melt.data --frame last   the last frame, for LAMMPS
  vitrion convert melt.data melt.xyz --force-field ckn-rigid")]
pub struct Convert {
    /// What to read
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// What to write: *.xyz, *.extxyz, *.data or *.lmp
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// Force-field file or built-in name: needed for LAMMPS data; for H5MD that of the file is the default
    #[arg(long, value_name = "FF.toml")]
    force_field: Option<PathBuf>,

    /// One frame: its number from 0, or "last"
    #[arg(long, value_name = "N", value_parser = frame_choice)]
    frame: Option<FrameChoice>,

    /// Only every N-th frame
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "frame")]
    every: std::num::NonZeroUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameChoice {
    Number(usize),
    Last,
}

fn frame_choice(text: &str) -> Result<FrameChoice, String> {
    if text == "last" {
        return Ok(FrameChoice::Last);
    }
    text.parse().map(FrameChoice::Number).map_err(|_| "give a number from 0, or \"last\"".to_string())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    LammpsData,
    ExtendedXyz,
}

fn output_format(path: &Path) -> Result<Format> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("data" | "lmp") => Ok(Format::LammpsData),
        Some("xyz" | "extxyz") => Ok(Format::ExtendedXyz),
        _ => bail!(
            "{}: the ending of the name says the format: .data or .lmp for LAMMPS data, .xyz or .extxyz for extended XYZ",
            path.display()
        ),
    }
}

impl Convert {
    /// Reads and writes.
    pub fn execute(&self) -> Result<Outcome> {
        let format = output_format(&self.output)?;
        if self.output.exists() {
            bail!("{}: exists already; remove it first or choose another name", self.output.display());
        }
        let frames = if trajectories::is_hdf5(&self.input) {
            self.convert_h5md(format)?
        } else {
            self.convert_lammps_data(format)?
        };
        let noun = if frames == 1 { "frame" } else { "frames" };
        console::say(&format!("{}: {} {noun}", self.output.display(), console::grouped(frames as u64)));
        Ok(Outcome::Done)
    }

    fn convert_lammps_data(&self, format: Format) -> Result<usize> {
        let Some(path) = &self.force_field else {
            bail!(
                "{}: LAMMPS data needs a force field, which says what its atoms are; give --force-field ckn-rigid, ckn-flexible or a file",
                self.input.display()
            );
        };
        let system = lammps_data::read(&self.input, &ForceField::load(path)?)?;
        write_system(&self.output, format, &system)?;
        Ok(1)
    }

    fn convert_h5md(&self, format: Format) -> Result<usize> {
        let reader = TrajectoryReader::open(&self.input)?;
        let chosen = self.chosen_frames(&reader)?;
        match format {
            Format::LammpsData => {
                let [frame] = chosen[..] else {
                    bail!(
                        "{}: LAMMPS data holds one frame of the {}; choose it with --frame N or --frame last",
                        self.output.display(),
                        reader.frames()
                    );
                };
                let system = self.system_at(&reader, frame)?;
                lammps_data::write(&self.output, &system)?;
            }
            Format::ExtendedXyz => write_frames(&self.output, &reader, &chosen)?,
        }
        Ok(chosen.len())
    }

    fn chosen_frames(&self, reader: &TrajectoryReader) -> Result<Vec<usize>> {
        let n = reader.frames();
        if n == 0 {
            bail!("{}: holds no frame yet", reader.path().display());
        }
        Ok(match self.frame {
            Some(FrameChoice::Last) => vec![n - 1],
            Some(FrameChoice::Number(frame)) => {
                // The reader's error says how many there are.
                reader.frame(frame)?;
                vec![frame]
            }
            None => (0..n).step_by(self.every.get()).collect(),
        })
    }

    fn system_at(&self, reader: &TrajectoryReader, frame: usize) -> Result<LammpsSystem> {
        let force_field = match (&self.force_field, reader.provenance()) {
            (Some(path), _) => ForceField::load(path)?,
            (None, Some(provenance)) => {
                let name = format!("{} (force field of the run)", reader.path().display());
                ForceField::parse(&provenance.force_field, &name)?
            }
            (None, None) => {
                bail!("{}: does not hold its force field; give --force-field", reader.path().display())
            }
        };
        let topology = topology_of(reader, &force_field)?;
        let frame = reader.frame(frame)?;
        let cell =
            frame.cell.with_context(|| format!("{}: has no periodic cell", reader.path().display()))?;
        Ok(LammpsSystem {
            title: format!("Vitrion: {}, step {}", reader.path().display(), frame.step),
            cell,
            origin: DVec3::ZERO,
            ids: (1..=topology.n_atoms() as u64).collect(),
            molecule_ids: (1..=topology.molecules.len() as u64).collect(),
            positions: frame.positions,
            velocities: frame.velocities,
            lists: ListCounts::default(),
            topology,
        })
    }
}

/// The topology that a trajectory's species and molecules describe.
fn topology_of(reader: &TrajectoryReader, force_field: &ForceField) -> Result<Topology> {
    let place = reader.path().display();
    let table = reader.species()?.with_context(|| format!("{place}: does not name its species"))?;
    let molecules =
        reader.molecules()?.with_context(|| format!("{place}: does not say which atoms form molecules"))?;
    let names: Vec<&str> = table.indices.iter().map(|&s| table.names[s].as_str()).collect();
    let mut kinds = Vec::new();
    let mut first = 0;
    while first < names.len() {
        let n = molecules[first..].iter().take_while(|m| **m == molecules[first]).count();
        let atoms = &names[first..first + n];
        let kind = force_field.kinds.iter().position(|kind| {
            kind.species.iter().map(|&s| force_field.species[s].name.as_str()).eq(atoms.iter().copied())
        });
        kinds.push(kind.with_context(|| {
            format!(
                "{place}: molecule {} ({}) is none of the force field {}; give the one of the run",
                molecules[first] + 1,
                atoms.join(" "),
                force_field.name
            )
        })?);
        first += n;
    }
    Ok(Topology::new(force_field.species.clone(), force_field.kinds.clone(), &kinds))
}

fn write_system(path: &Path, format: Format, system: &LammpsSystem) -> Result<()> {
    match format {
        Format::LammpsData => lammps_data::write(path, system)?,
        Format::ExtendedXyz => {
            let mut writer = ExtendedXyzWriter::create(path, &system.topology)?;
            writer.write(&Frame {
                step: 0,
                time: 0.0,
                cell: &system.cell,
                origin: system.origin,
                positions: &system.positions,
                velocities: system.velocities.as_deref(),
            })?;
            writer.finish()?;
        }
    }
    Ok(())
}

fn write_frames(path: &Path, reader: &TrajectoryReader, frames: &[usize]) -> Result<()> {
    let place = reader.path().display();
    let table = reader.species()?.with_context(|| format!("{place}: does not name its species"))?;
    let species = table.indices.iter().map(|&s| table.names[s].clone()).collect();
    let mut writer = ExtendedXyzWriter::with_species(path, species)?;
    for &index in frames {
        let frame = reader.frame(index)?;
        let cell = frame.cell.with_context(|| format!("{place}: has no periodic cell"))?;
        writer.write(&Frame {
            step: u64::try_from(frame.step).unwrap_or(0),
            time: frame.time,
            cell: &cell,
            origin: DVec3::ZERO,
            positions: &frame.positions,
            velocities: frame.velocities.as_deref(),
        })?;
    }
    writer.finish()?;
    Ok(())
}
