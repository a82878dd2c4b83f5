//! `vitrion analyze`: observables of trajectories, into one results file and tables.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Parser};
use vitrion_analysis::analysis;
use vitrion_analysis::heterogeneity::jumps::JumpRule;
use vitrion_analysis::inputs::Inputs;
use vitrion_analysis::observable::{OBSERVABLES, select};
use vitrion_analysis::results::{self, Outcome as Found, Results};
use vitrion_analysis::settings::Settings;
use vitrion_core::units::{Dimension, parse_quantity};
use vitrion_trajectory::h5md::TrajectoryReader;
use vitrion_trajectory::lammps_dump::Units;

use super::forces::length;
use crate::progress::FrameBar;
use crate::{Outcome, console, trajectories};

/// Measure structure and dynamics from trajectories, with errors, into results.h5 and CSV tables
///
/// Several files, and the replicas of a run, are independent trajectories of one system. Frames are streamed: memory does not
/// grow with the length of a trajectory. What was measured before with the same settings from the same data is not measured
/// again. What an observable lacks is a line in the results.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion analyze ckn-run                                   everything, into ckn-run/analysis
  vitrion analyze ckn-run --only msd,rdf --r-max \"10 angstrom\"
  vitrion analyze a.h5 b.h5 --out ab                        two replicas, any H5MD with species
  vitrion analyze melt.lammpstrj --topology melt.data --timestep \"2 fs\"")]
pub struct Analyze {
    /// Run directories, H5MD files, or LAMMPS dumps
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,

    /// Where to write [default: `analysis` in the run directory, or beside the first file]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Only these observables, separated by commas
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,

    /// Stage of a run [default: the last one with frames]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,

    /// LAMMPS data file that names the species and molecules of a dump, or of an H5MD file of another program
    #[arg(long, value_name = "SYSTEM.data")]
    topology: Option<PathBuf>,

    /// Length of a step of a LAMMPS dump or of an H5MD file of another program [default: that of the file, or LAMMPS' default in its units, 1 fs in real and metal]
    #[arg(long, value_name = "TIME", value_parser = time)]
    timestep: Option<f64>,

    /// Keep the drift of the centre of mass in the positions [default: it is removed, where there is one]
    #[arg(long)]
    keep_drift: bool,

    /// Group of particles of an H5MD file that has several
    #[arg(long, value_name = "NAME")]
    group: Option<String>,

    /// Units of a LAMMPS dump that does not name them: real, metal, si, cgs, electron, micro, nano [default: real]
    #[arg(long, value_name = "NAME", value_parser = lammps_units)]
    units: Option<Units>,

    /// Wave numbers of scattering functions, separated by commas [default: 3.7 and 6.3 1/angstrom]
    #[arg(long, value_name = "WAVE NUMBER,...", value_delimiter = ',', value_parser = wave_number)]
    q: Vec<f64>,

    /// Largest wave number of static structure factors [default: 15 1/angstrom]
    #[arg(long, value_name = "WAVE NUMBER", value_parser = wave_number)]
    q_max: Option<f64>,

    /// Largest distance of pair distributions [default: 12 angstrom, or half the cell]
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    r_max: Option<f64>,

    /// Bins of pair distributions [default: of 0.05 angstrom]
    #[arg(long, value_name = "N")]
    r_bins: Option<std::num::NonZeroUsize>,

    /// Most time origins a trajectory
    #[arg(long, value_name = "N", default_value = "1000")]
    origins: std::num::NonZeroUsize,

    /// Most frames a trajectory for static structure, spread evenly
    #[arg(long, value_name = "N", default_value = "1000")]
    structure_frames: std::num::NonZeroUsize,

    /// Length of the windows on whose means jumps are found [default: those of the run, else 4 ns]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    jump_window: Option<f64>,

    /// Displacement of window means that is a jump [default: 2.5 angstrom]
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    jump_threshold: Option<f64>,

    /// Window means that are compared: successive ones (paper), or those before and after a window (complete)
    #[arg(long, value_name = "RULE", default_value = "paper", value_parser = jump_rule)]
    jump_rule: JumpRule,

    /// Span within which J ions jump [default: 12 us, or the length of the trajectory]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    jump_span: Option<f64>,

    /// Earliest time that takes part in KWW fits [default: 2 ps; for window means their window]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    fit_start: Option<f64>,

    /// Fix beta of KWW fits [default: free]
    #[arg(long, value_name = "BETA", value_parser = exponent)]
    fit_beta: Option<f64>,

    /// Memory to work in, e.g. 512MB; fewer time origins are held where it does not suffice
    #[arg(long, value_name = "SIZE", default_value = "4GB", value_parser = bytes)]
    memory: u64,
}

pub(super) fn wave_number(text: &str) -> Result<f64, String> {
    let q = parse_quantity(text.trim(), Dimension::WaveNumber).map_err(|e| e.to_string())?;
    if q > 0.0 && q.is_finite() { Ok(q) } else { Err("a wave number is above zero".to_string()) }
}

fn duration(text: &str) -> Result<f64, String> {
    let t = parse_quantity(text.trim(), Dimension::Time).map_err(|e| e.to_string())?;
    if t > 0.0 && t.is_finite() { Ok(t) } else { Err("a time is above zero".to_string()) }
}

fn exponent(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(beta) if beta > 0.0 && beta <= 2.0 => Ok(beta),
        _ => Err("beta lies between 0 and 2".to_string()),
    }
}

fn jump_rule(text: &str) -> Result<JumpRule, String> {
    JumpRule::named(text).ok_or_else(|| "choose `paper` or `complete`".to_string())
}

pub(super) fn time(text: &str) -> Result<f64, String> {
    let time = parse_quantity(text, Dimension::Time).map_err(|e| e.to_string())?;
    if time > 0.0 && time.is_finite() { Ok(time) } else { Err("a time step is above zero".to_string()) }
}

pub(super) fn lammps_units(text: &str) -> Result<Units, String> {
    Units::named(text).ok_or_else(|| format!("LAMMPS has the units {}", Units::names().join(", ")))
}

/// In their order.
fn each_once(numbers: &[f64]) -> Vec<f64> {
    let mut once: Vec<f64> = Vec::new();
    for number in numbers {
        if !once.contains(number) {
            once.push(*number);
        }
    }
    once
}

/// 512MB, 4 GB, 1.5GiB.
fn bytes(text: &str) -> Result<u64, String> {
    let help = || format!("\"{text}\" is no size; write e.g. 512MB or 4GB");
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(help)?;
    let number: f64 = text[..end].parse().map_err(|_| help())?;
    let unit = match text[end..].trim() {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024f64.powi(2),
        "GiB" => 1024f64.powi(3),
        _ => return Err(help()),
    };
    let size = number * unit;
    if size >= 1e6 { Ok(size as u64) } else { Err("at least 1MB is needed".to_string()) }
}

impl Analyze {
    /// Everything of a run, with the defaults of the command line.
    pub fn all_of(run: &Path) -> Result<Self> {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            analyze: Analyze,
        }
        Ok(Line::try_parse_from([Path::new("analyze"), run])?.analyze)
    }

    /// Measures, writes, and prints a table.
    pub fn execute(&self) -> Result<Outcome> {
        let entries = select(&self.only)?;
        let reading = trajectories::Reading {
            stage: self.stage.as_deref(),
            topology: self.topology.as_deref(),
            timestep: self.timestep,
            keep_drift: self.keep_drift,
            group: self.group.as_deref(),
            units: self.units,
        };
        let inputs = trajectories::inputs(&self.inputs, reading)?;
        let settings = self.settings();
        settings.check()?;
        let directory = self.directory();
        let earlier = trajectories::results(&directory)?;
        inputs.check_distinct()?;
        let data = inputs.identity()?;
        check_same_inputs(earlier.as_ref(), &inputs, &data, &directory)?;
        Results::check_place(&directory, &entries, earlier.as_ref())?;
        // Before the work, which may take hours.
        let mut notes = inputs.notes();
        notes.extend(analysis::memory_note(&inputs, &settings));
        if entries.iter().any(|entry| entry.name == analysis::COHERENT) {
            notes.extend(analysis::wave_number_notes(&inputs, &settings));
        }
        for note in &notes {
            console::say(&format!("note: {note}"));
        }
        let mut bar = FrameBar::new();
        let outcomes = analysis::run(&inputs, &settings, &entries, earlier.as_ref(), &mut |p| {
            bar.update(p.frames, p.of);
        });
        bar.clear();
        let (stage, temperatures) = trajectories::conditions_of(&inputs);
        let outcomes = outcomes?;
        // What stays, and what is replaced.
        let (kept, replaced) = match earlier.as_ref() {
            Some(earlier) if earlier.data != data => {
                (None, (!set_aside(earlier, &outcomes, &directory)?).then_some(earlier))
            }
            earlier => (earlier, earlier),
        };
        let contents = inputs.contents()?;
        let results = Results { stage, temperatures, data, contents, ..assemble(&inputs, outcomes, kept) };
        results.write(&directory, replaced)?;
        console::print(&summary(&results))?;
        console::print(&format!("\nresults: {}", directory.join(results::FILE).display()))?;
        Ok(Outcome::Done)
    }

    fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            wave_numbers: if self.q.is_empty() { defaults.wave_numbers } else { each_once(&self.q) },
            q_max: self.q_max.unwrap_or(defaults.q_max),
            r_max: self.r_max,
            r_bins: self.r_bins.map(Into::into),
            origins: self.origins.into(),
            structure_frames: self.structure_frames.into(),
            jump_window: self.jump_window,
            jump_threshold: self.jump_threshold,
            jump_rule: self.jump_rule,
            jump_span: self.jump_span,
            fit_start: self.fit_start,
            fit_beta: self.fit_beta,
            memory: self.memory,
        }
    }

    fn directory(&self) -> PathBuf {
        match (&self.out, &self.inputs[0]) {
            (Some(directory), _) => directory.clone(),
            (None, run) if run.is_dir() => run.join("analysis"),
            (None, file) => file.parent().unwrap_or(Path::new("")).join("analysis"),
        }
    }
}

/// Results of other files are not replaced; those of files that only have another place now are theirs.
fn check_same_inputs(earlier: Option<&Results>, inputs: &Inputs, data: &str, directory: &Path) -> Result<()> {
    match earlier {
        Some(earlier) if earlier.inputs != absolute(inputs) && earlier.data != data => {
            let names: Vec<String> = earlier.inputs.iter().map(|p| p.display().to_string()).collect();
            bail!(
                "{}: holds results of other inputs ({}); choose another place with --out, or move it away",
                directory.join(results::FILE).display(),
                names.join(", ")
            )
        }
        _ => Ok(()),
    }
}

/// Results of an earlier state of the files, where not all of them are measured again, are kept, but not among the new ones. Whether there
/// were such.
fn set_aside(earlier: &Results, measured: &[Found], directory: &Path) -> Result<bool> {
    let again = |name: &str| measured.iter().any(|outcome| outcome.name == name);
    let left: Vec<&str> =
        earlier.outcomes.iter().map(|o| o.name.as_str()).filter(|name| !again(name)).collect();
    if !left.is_empty() {
        let older = earlier.set_aside(directory)?;
        console::say(&format!(
            "note: the data have changed since {} were measured; the earlier results are now in {}",
            left.join(", "),
            older.display()
        ));
    }
    Ok(!left.is_empty())
}

fn absolute(inputs: &Inputs) -> Vec<PathBuf> {
    let resolve = |path: PathBuf| path.canonicalize().unwrap_or(path);
    inputs.paths().into_iter().map(resolve).collect()
}

/// What was found now, and what earlier analyses found of the other observables.
fn assemble(inputs: &Inputs, outcomes: Vec<Found>, earlier: Option<&Results>) -> Results {
    let mut all: Vec<Found> = earlier.map_or_else(Vec::new, |e| e.outcomes.clone());
    for outcome in outcomes {
        match all.iter_mut().find(|o| o.name == outcome.name) {
            Some(place) => *place = outcome,
            None => all.push(outcome),
        }
    }
    let first = &inputs.trajectories[0];
    let clock = first.clock();
    let ticks = clock.ticks.first().zip(clock.ticks.last());
    let group = first.h5md().filter(|reader| reader.groups().len() > 1).map(TrajectoryReader::group);
    all.sort_by_key(|o| OBSERVABLES.iter().position(|e| e.name == o.name));
    // Those of outcomes that stay as well.
    let mut notes = inputs.notes();
    for note in all.iter().flat_map(|outcome| &outcome.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    Results {
        inputs: absolute(inputs),
        notes,
        version: env!("CARGO_PKG_VERSION").to_string(),
        command: console::command_line(),
        atoms: Some(first.particles().species.len()),
        duration: ticks.map(|(begin, end)| (end - begin) as f64 * clock.tick),
        group,
        outcomes: all,
        ..Results::default()
    }
}

/// A line a table, then a line for everything that is missing.
fn summary(results: &Results) -> String {
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for outcome in &results.outcomes {
        match &outcome.result {
            Ok(tables) => {
                for table in tables {
                    let state = if outcome.reused { "kept" } else { "measured" };
                    let file = format!("{}.csv", table.name);
                    rows.push(vec![outcome.name.clone(), state.to_string(), file, table.rows().to_string()]);
                }
            }
            Err(reason) => {
                missing.push(format!("missing: {}: {reason}", outcome.name));
            }
        }
    }
    let table = console::table(&["observable", "state", "table", "rows"], &rows);
    [vec![table], missing].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_are_read() {
        assert_eq!(bytes("512MB"), Ok(512_000_000));
        assert_eq!(bytes(" 1.5 GiB"), Ok(1_610_612_736));
        for wrong in ["4", "GB", "4 apples", "-1GB", "1kB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wave_number_that_is_given_twice_is_measured_once() {
        assert_eq!(each_once(&[6.3, 3.7, 6.3, 3.7, 1.0]), [6.3, 3.7, 1.0]);
    }

    #[test]
    fn wave_numbers_need_units() {
        assert_eq!(wave_number("3.7 1/angstrom"), Ok(3.7));
        assert!(wave_number("3.7").is_err() && wave_number("0 1/angstrom").is_err());
    }
}
