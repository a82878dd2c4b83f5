//! The configuration of a run: read from TOML and validated as a whole before anything is written.
//!
//! Every quantity is a text with its unit. The commented files in `configs/` are the manual of the format.

mod error;
mod extension;
mod file;
mod stages;
mod system;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Spanned;
use vitrion_core::backend::{Dynamics, Ensemble, Sampling, SetPoint, Window};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::Precision;
use vitrion_core::force_field::ForceField;
use vitrion_core::force_field::truncation::WITHOUT_WORK;
use vitrion_core::units::{Dimension, parse_quantity};

use crate::schedule::Schedule;
pub use error::ConfigError;
use error::Problem;

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Title.
    pub title: String,
    /// What is simulated.
    pub system: System,
    /// How.
    pub run: Run,
    /// Stages in their order.
    pub stages: Vec<Stage>,
}

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// A built-in name or the path of a file.
    pub force_field: String,
    /// Where molecules come from.
    pub start: Start,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Replicas that advance together.
    pub replicas: usize,
}

/// Where molecules come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// A random melt.
    Melt {
        /// Kind and number of molecules.
        molecules: Vec<(String, usize)>,
        /// What they are put into.
        room: Room,
    },
    /// A LAMMPS data file.
    File(PathBuf),
}

/// What a melt is put into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Room {
    /// A cube of this density (u/A^3).
    Density(f64),
    /// This cell.
    Cell(Cell),
}

/// How the run is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Where steps are done.
    pub backend: BackendChoice,
    /// Number, PCI address or (part of the) name of the GPU; `None` for the best one.
    pub device: Option<String>,
    /// Arithmetic of the forces.
    pub precision: Precision,
    /// RMS force error over RMS force.
    pub force_accuracy: f64,
    /// Threads; `None` for one a core.
    pub threads: Option<usize>,
    /// Wall time between checkpoints (s).
    pub checkpoint_every: f64,
    /// Frames carry velocities.
    pub velocities: bool,
}

/// Where steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// On a GPU where there is one that is likely to be faster, else on the CPU. Likely faster are discrete and virtual GPUs that suffice,
    /// and integrated ones on Metal; another integrated one, or software, is taken only where `device` names it.
    Auto,
    /// On the CPU.
    Cpu,
    /// On a GPU.
    Gpu,
}

/// One stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Unique name.
    pub name: String,
    /// What is done.
    pub kind: StageKind,
    /// What is written.
    pub outputs: Outputs,
}

/// What a stage does.
#[derive(Clone, Debug, PartialEq)]
pub enum StageKind {
    /// Minimises the potential energy.
    Minimize {
        /// Largest number of iterations.
        max_steps: u64,
        /// Largest force left (u A/ps^2).
        force_tolerance: f64,
    },
    /// Moves.
    Dynamics(Motion),
}

/// Dynamics of a stage, before its first step is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Motion {
    /// What is held constant.
    pub ensemble: Ensemble,
    /// Steps.
    pub steps: u64,
    /// Time step (ps).
    pub timestep: f64,
    /// Temperature at the start, one a replica (K); empty in NVE without one.
    pub temperature: Vec<f64>,
    /// Its rate (K/ps).
    pub temperature_rate: f64,
    /// Pressure at the start, one a replica (u/(A ps^2)); empty unless NPT.
    pub pressure: Vec<f64>,
    /// Its rate (u/(A ps^3)).
    pub pressure_rate: f64,
    /// tau of the thermostats (ps).
    pub thermostat_period: f64,
    /// tau_p of the barostat (ps).
    pub barostat_period: f64,
}

/// What a stage writes; intervals in steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Frames.
    pub frames: Option<Schedule>,
    /// Rows of thermo.
    pub thermo: Option<u64>,
    /// Window means.
    pub window: Option<Window>,
    /// Window means of the stress of each ion.
    pub ion_stress: Option<Window>,
    /// Stress correlator.
    pub stress: Option<StressCorrelator>,
}

/// A multi-tau correlator of the pressure tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StressCorrelator {
    /// Steps between samples.
    pub every: u64,
    /// Points a level.
    pub points: usize,
    /// Samples averaged from level to level.
    pub averaging: usize,
    /// Levels.
    pub levels: usize,
}

impl Config {
    /// Reads and validates a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        Self::parse(path, text)
    }

    /// Validates the text of the file at `path`.
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let file: file::File =
            toml::from_str(&text).map_err(|error| error::of_syntax(path, &text, &error))?;
        let (title, system, run, stages) =
            validate(path, &file).map_err(|problem| problem.place(path, &text))?;
        Ok(Self { path: path.to_path_buf(), text, title, system, run, stages })
    }

    /// Steps of all stages.
    pub fn total_steps(&self) -> u64 {
        self.stages.iter().map(Stage::steps).sum()
    }

    /// Refuses what the force field has no Hamiltonian for: dynamics at constant pressure with plainly truncated energies.
    pub fn check_force_field(&self, force_field: &ForceField) -> Result<(), ConfigError> {
        let refused = |stage: &Stage| {
            stage.motion().is_some_and(|motion| force_field.truncation().check(motion.ensemble).is_err())
        };
        let Some(index) = self.stages.iter().position(refused) else { return Ok(()) };
        // The text was read before, so it can be read again.
        let file: Option<file::File> = toml::from_str(&self.text).ok();
        let kind = file.as_ref().and_then(|f| f.stage.get(index)).map(|stage| stage.get_ref().kind.span());
        let finding = format!(
            "stage `{}` holds the pressure constant, but the force field `{}` has `short_range.shift = \"none\"` and no \
             `short_range.tail_correction`: {WITHOUT_WORK}",
            self.stages[index].name, self.system.force_field
        );
        let remedy = "write `shift = \"potential\"` or `tail_correction = true` in [short_range] of a copy of that file and name the copy \
                      in `system.force_field`, or use kind = \"nvt\" or \"nve\"";
        Err(Problem::new(&kind.unwrap_or(0..0), "stage.kind", finding, remedy).place(&self.path, &self.text))
    }

    /// The error that `finding` about `key` of `[system]` makes, at the line of that key.
    pub(crate) fn system_error(&self, key: &str, finding: String, remedy: &str) -> ConfigError {
        let at = self
            .text
            .lines()
            .scan(0, |at, line| {
                let start = *at;
                *at += line.len() + 1;
                Some((start, line))
            })
            .find(|(_, line)| line.trim_start().starts_with(key))
            .map_or(0, |(start, _)| start);
        Problem { at, key: format!("system.{key}"), finding, remedy: remedy.to_owned() }
            .place(&self.path, &self.text)
    }
}

impl Stage {
    /// Steps of dynamics; a minimisation has none.
    pub fn steps(&self) -> u64 {
        self.motion().map_or(0, |m| m.steps)
    }

    /// Time step (ps); zero for a minimisation.
    pub fn timestep(&self) -> f64 {
        self.motion().map_or(0.0, |m| m.timestep)
    }

    /// The dynamics, unless it is a minimisation.
    pub fn motion(&self) -> Option<&Motion> {
        match &self.kind {
            StageKind::Minimize { .. } => None,
            StageKind::Dynamics(motion) => Some(motion),
        }
    }

    /// What the backend streams.
    pub fn sampling(&self) -> Sampling {
        Sampling { stress_every: self.outputs.stress.map(|s| s.every), window: self.outputs.window }
    }
}

impl Motion {
    /// The dynamics of a stage that begins at `start_step`.
    pub fn dynamics(&self, start_step: u64, replicas: usize) -> Dynamics {
        let points = |values: &[f64], rate: f64| {
            (0..replicas)
                .map(|r| SetPoint { start: values.get(r).copied().unwrap_or(0.0), rate, start_step })
                .collect()
        };
        Dynamics {
            timestep: self.timestep,
            ensemble: self.ensemble,
            temperature: points(&self.temperature, self.temperature_rate),
            pressure: points(&self.pressure, self.pressure_rate),
            thermostat_period: self.thermostat_period,
            barostat_period: self.barostat_period,
        }
    }
}

type Validated = (String, System, Run, Vec<Stage>);

fn validate(path: &Path, file: &file::File) -> Result<Validated, Problem> {
    if file.title.get_ref().trim().is_empty() {
        let span = file.title.span();
        return Err(Problem::new(
            &span,
            "title",
            "the title is empty",
            "say in a few words what this run is",
        ));
    }
    let system = system::system(path, &file.system)?;
    let run = system::run(&file.run)?;
    let stages = stages::stages(&file.stage, system.replicas, matches!(system.start, Start::File(_)))?;
    Ok((file.title.get_ref().clone(), system, run, stages))
}

/// The quantity of a key, in internal units.
fn quantity(value: &Spanned<file::Text>, key: &str, dimension: Dimension) -> Result<f64, Problem> {
    parse_quantity(&value.get_ref().0, dimension).map_err(|error| {
        let text = error.to_string();
        let (finding, remedy) = text.rsplit_once("; ").unwrap_or((&text, "correct the unit"));
        Problem::new(&value.span(), key, finding, remedy)
    })
}

/// A quantity above zero.
fn positive(value: &Spanned<file::Text>, key: &str, dimension: Dimension) -> Result<f64, Problem> {
    let number = quantity(value, key, dimension)?;
    if number > 0.0 {
        return Ok(number);
    }
    let finding = format!("\"{}\" is not above zero", value.get_ref().0);
    let remedy = format!("give {dimension} above zero, for example \"{}\"", dimension.example());
    Err(Problem::new(&value.span(), key, finding, remedy))
}

/// An integer from `least`.
fn integer(value: &Spanned<i64>, key: &str, least: i64) -> Result<u64, Problem> {
    let number = *value.get_ref();
    if number >= least {
        return Ok(number.unsigned_abs());
    }
    Err(Problem::new(
        &value.span(),
        key,
        format!("{number} is too small"),
        format!("give an integer of at least {least}"),
    ))
}

impl StressCorrelator {
    /// The correlator, empty.
    pub fn build(
        &self,
    ) -> Result<
        vitrion_core::observe::multi_tau::StressCorrelator,
        vitrion_core::observe::multi_tau::CorrelatorError,
    > {
        vitrion_core::observe::multi_tau::StressCorrelator::new(self.points, self.averaging, self.levels)
    }
}
