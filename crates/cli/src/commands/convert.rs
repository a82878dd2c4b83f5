//! `vitrion convert`: between LAMMPS data, H5MD and extended XYZ.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use glam::DVec3;
use vitrion_analysis::inputs::{DumpTrajectory, Said, Trajectory as _, particles_of};
use vitrion_analysis::particles::Particles;
use vitrion_core::force_field::ForceField;
use vitrion_core::topology::Topology;
use vitrion_trajectory::extended_xyz::{ExtendedXyzWriter, Frame};
use vitrion_trajectory::h5md::{PlainHeader, PlainWriter, TrajectoryReader};
use vitrion_trajectory::lammps_data::{self, LammpsSystem, ListCounts};
use vitrion_trajectory::lammps_dump::{DumpFrame, LammpsDump, Units};
use vitrion_trajectory::new_file::NewFile;

use crate::file_kind::{self, FileKind};
use crate::{Outcome, console, probe, trajectories};

/// Convert between LAMMPS data, H5MD trajectories and extended XYZ
///
/// From LAMMPS data (*.data, *.lmp) to LAMMPS data or extended XYZ; from H5MD (*.h5) to extended XYZ (all frames, or one with
/// --frame) or, one frame, to LAMMPS data; from a LAMMPS dump to H5MD. Existing files are never overwritten.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion convert ckn-run/replica-000.h5 melt.xyz                 all frames, for OVITO or ASE
  vitrion convert ckn-run/replica-000.h5 melt.data --frame last   the last frame, for LAMMPS
  vitrion convert melt.data melt.xyz --force-field ckn-rigid
  vitrion convert melt.lammpstrj melt.h5 --topology melt.data --timestep \"2 fs\"")]
pub struct Convert {
    /// What to read
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// What to write: *.xyz, *.extxyz, *.data, *.lmp or *.h5
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// Force-field file or built-in name: needed for LAMMPS data; for H5MD that of the file is the default
    #[arg(long, value_name = "FF.toml")]
    force_field: Option<PathBuf>,

    /// LAMMPS data file that names the species and molecules of a dump, or of an H5MD file of another program
    #[arg(long, value_name = "SYSTEM.data")]
    topology: Option<PathBuf>,

    /// Length of a step of a dump or of an H5MD file of another program [default: that of the file, or LAMMPS' default in its units, 1 fs in real and metal]
    #[arg(long, value_name = "TIME", value_parser = super::analyze::time)]
    timestep: Option<f64>,

    /// Group of particles of an H5MD file that has several
    #[arg(long, value_name = "NAME")]
    group: Option<String>,

    /// Units of a dump that does not name them: real, metal, si, cgs, electron, micro, nano [default: real]
    #[arg(long, value_name = "NAME", value_parser = super::analyze::lammps_units)]
    units: Option<Units>,

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
    H5md,
}

fn output_format(path: &Path) -> Result<Format> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("data" | "lmp") => Ok(Format::LammpsData),
        Some("xyz" | "extxyz") => Ok(Format::ExtendedXyz),
        Some("h5" | "h5md") => Ok(Format::H5md),
        _ => bail!(
            "{}: the ending of the name says the format: .data or .lmp for LAMMPS data, .xyz or .extxyz for extended XYZ, .h5 for H5MD",
            path.display()
        ),
    }
}

impl Convert {
    /// Reads and writes.
    pub fn execute(&self) -> Result<Outcome> {
        let kind = file_kind::of(&self.input)?;
        let format = output_format(&self.output)?;
        if self.output.exists() {
            bail!("{}: exists already; remove it first or choose another name", self.output.display());
        }
        let frames = match kind {
            FileKind::Dump => self.convert_dump(format)?,
            FileKind::Foreign(..) | FileKind::Checkpoint | FileKind::Toml | FileKind::Binary => {
                return Err(
                    kind.refused(&self.input, "give LAMMPS data, a LAMMPS dump or an H5MD trajectory")
                );
            }
            _ if format == Format::H5md => bail!(
                "{}: H5MD is written from LAMMPS dumps only, which begin with `ITEM:`; convert this file to another format",
                self.input.display()
            ),
            FileKind::Hdf5 => self.convert_h5md(format)?,
            FileKind::LammpsData | FileKind::Text => self.convert_lammps_data(format)?,
        };
        let noun = if frames == 1 { "frame" } else { "frames" };
        console::say(&format!("{}: {} {noun}", self.output.display(), console::grouped(frames as u64)));
        Ok(Outcome::Done)
    }

    fn convert_dump(&self, format: Format) -> Result<usize> {
        if format != Format::H5md {
            bail!("{}: a LAMMPS dump is converted to H5MD (*.h5)", self.output.display());
        }
        trajectories::no_group(&self.input, self.group.as_deref())?;
        let dump = LammpsDump::open(&self.input)?;
        let topology = self.topology.as_deref().map(lammps_data::describe).transpose()?;
        let chosen = self.chosen_of(dump.frames(), &self.input)?;
        let said = Said { topology: topology.as_ref(), timestep: self.timestep, units: self.units };
        let dump = DumpTrajectory::new(dump, said)?;
        for note in dump.notes() {
            console::say(&format!("note: {note}"));
        }
        let failed = || format!("{}: cannot be written", self.output.display());
        let file = NewFile::at(&self.output).with_context(failed)?;
        write_dump(file.beside(), &dump, &chosen)?;
        file.settle().with_context(failed)?;
        Ok(chosen.len())
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
        probe::check(std::slice::from_ref(&self.input))?;
        let mut reader = TrajectoryReader::open_group(&self.input, self.group.as_deref())?;
        if reader.particles() == 0 {
            bail!("{}: it holds no atoms", self.input.display());
        }
        if let Some(timestep) = self.timestep {
            reader.set_timestep(timestep)?;
        }
        let topology = self.topology.as_deref().map(lammps_data::describe).transpose()?;
        let mut notes = reader.notes();
        notes.extend(reader.velocity_note());
        let particles = particles_of(&reader, topology.as_ref(), &mut notes)?;
        for note in notes {
            console::say(&format!("note: {note}"));
        }
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
                let system = self.system_at(&reader, &particles, frame)?;
                lammps_data::write(&self.output, &system)?;
            }
            Format::ExtendedXyz | Format::H5md => write_frames(&self.output, &reader, &particles, &chosen)?,
        }
        Ok(chosen.len())
    }

    fn chosen_frames(&self, reader: &TrajectoryReader) -> Result<Vec<usize>> {
        self.chosen_of(reader.frames(), reader.path())
    }

    fn chosen_of(&self, n: usize, path: &Path) -> Result<Vec<usize>> {
        if n == 0 {
            bail!("{}: holds no frame yet", path.display());
        }
        match self.frame {
            Some(FrameChoice::Last) => Ok(vec![n - 1]),
            Some(FrameChoice::Number(frame)) if frame < n => Ok(vec![frame]),
            Some(FrameChoice::Number(frame)) => bail!(
                "{}: there is no frame {frame}; frames are numbered from 0 and there are {n}",
                path.display()
            ),
            None => Ok((0..n).step_by(self.every.get()).collect()),
        }
    }

    fn system_at(
        &self,
        reader: &TrajectoryReader,
        particles: &Particles,
        frame: usize,
    ) -> Result<LammpsSystem> {
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
        let topology = topology_of(reader, particles, &force_field)?;
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

/// Positions and images as they are understood, counted from the corner of the cell; unwrapped positions as wrapped ones with images, so that no reader has to guess.
fn write_dump(path: &Path, dump: &DumpTrajectory, chosen: &[usize]) -> Result<()> {
    let particles = dump.particles();
    let header = PlainHeader {
        names: particles.names.clone(),
        species: particles.species.clone(),
        molecules: particles.molecules.clone(),
        masses: particles.masses.clone(),
        charges: None,
        images: dump.knows_crossings(),
    };
    let periodic = dump.periodic();
    let mut writer = PlainWriter::create(path, &header)?.with_boundary(periodic)?;
    if let Some(ids) = dump.ids() {
        writer = writer.with_ids(ids)?;
    }
    for &index in chosen {
        let frame = dump.read(index)?;
        let corner = dump.corner(&frame);
        let DumpFrame { step, cell, mut positions, mut images, unwrapped, .. } = frame;
        for position in &mut positions {
            *position -= corner;
        }
        if unwrapped {
            let crossed: Vec<DVec3> = positions
                .iter()
                .map(|r| DVec3::select(periodic, cell.fractional(*r).floor(), DVec3::ZERO))
                .collect();
            positions.iter_mut().zip(&crossed).for_each(|(r, n)| *r -= cell.cartesian(*n));
            images = Some(crossed);
        }
        let time = dump.clock().ticks[index] as f64 * dump.clock().tick;
        writer.append(step, time, &cell, &positions, images.as_deref())?;
    }
    writer.finish()?;
    Ok(())
}

/// The topology that a trajectory's species and molecules describe.
fn topology_of(
    reader: &TrajectoryReader,
    particles: &Particles,
    force_field: &ForceField,
) -> Result<Topology> {
    let place = reader.path().display();
    let molecules = particles
        .molecules
        .as_ref()
        .with_context(|| format!("{place}: does not say which atoms form molecules"))?;
    let names: Vec<&str> = particles.species.iter().map(|&s| particles.names[s].as_str()).collect();
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
        Format::ExtendedXyz | Format::H5md => {
            let mut writer = ExtendedXyzWriter::create(path, &system.topology)?;
            writer.write(&Frame {
                step: 0,
                time: 0.0,
                cell: Some(&system.cell),
                periodic: [true; 3],
                origin: system.origin,
                positions: &system.positions,
                velocities: system.velocities.as_deref(),
            })?;
            writer.finish()?;
        }
    }
    Ok(())
}

fn write_frames(
    path: &Path,
    reader: &TrajectoryReader,
    particles: &Particles,
    frames: &[usize],
) -> Result<()> {
    let species = particles.species.iter().map(|&s| particles.names[s].clone()).collect();
    let mut writer = ExtendedXyzWriter::with_species(path, species)?;
    for &index in frames {
        let frame = reader.frame(index)?;
        writer.write(&Frame {
            step: frame.step,
            time: frame.time,
            cell: frame.cell.as_ref(),
            periodic: reader.periodic(),
            origin: DVec3::ZERO,
            positions: &frame.positions,
            velocities: frame.velocities.as_deref(),
        })?;
    }
    writer.finish()?;
    Ok(())
}
