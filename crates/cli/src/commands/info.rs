//! `vitrion info`: what a file or a run directory holds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use vitrion_analysis::results::Results;
use vitrion_core::cell::Cell;
use vitrion_core::force_field::ForceField;
use vitrion_simulation::config::{Config, Motion};
use vitrion_trajectory::checkpoint;
use vitrion_trajectory::h5md::{Summary, TrajectoryReader, groups_in};

use super::info_lammps;
use crate::file_kind::{self, FileKind};
use crate::{Outcome, console, probe};

/// Say what a file holds: trajectory, LAMMPS dump or data, checkpoint, configuration, force field, results of an analysis, or a whole run directory
///
/// The kind of file is found from its contents. Files of runs that are still going on can be read.
#[derive(Args)]
pub struct Info {
    /// The file or directory
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Group of particles of an H5MD file that has several
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl Info {
    /// Prints it.
    pub fn execute(&self) -> Result<Outcome> {
        console::print(&describe(&self.path, self.group.as_deref())?)?;
        Ok(Outcome::Done)
    }
}

fn describe(path: &Path, group: Option<&str>) -> Result<String> {
    if path.is_dir() {
        return directory(path);
    }
    let kind = file_kind::of(path)?;
    if let (Some(group), true) = (group, kind != FileKind::Hdf5) {
        bail!(
            "{}: --group {group} chooses particles of an H5MD file, and this is none; leave it out",
            path.display()
        );
    }
    match kind {
        FileKind::Hdf5 => {
            probe::check(&[path.to_path_buf()])?;
            match Results::of_file(path)? {
                Some(results) => Ok(results_in_words(path, &results)),
                None => trajectory(path, group),
            }
        }
        FileKind::Dump => info_lammps::dump(path),
        FileKind::LammpsData => info_lammps::data(path),
        FileKind::Checkpoint => checkpoint_header(path),
        FileKind::Toml => toml(path),
        FileKind::Foreign(..) | FileKind::Text | FileKind::Binary => Err(kind.refused(
            path,
            "`info` reads H5MD, LAMMPS dumps and data, checkpoints, TOML, and run directories",
        )),
    }
}

/// Everything in a run directory that `info` knows.
fn directory(path: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| format!("{}: cannot be read", path.display()))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.is_file() && p.extension().is_none_or(|e| e != "previous" && e != "new"))
        .collect();
    files.sort();
    let mut parts = Vec::new();
    for file in files {
        if matches!(file_kind::of(&file), Ok(FileKind::Hdf5 | FileKind::Checkpoint | FileKind::Toml)) {
            // One damaged file must not hide the others. A configuration that names its force field by a relative path
            // cannot be read from here; the trajectories say what its stages are.
            let of_run = file.file_name().is_some_and(|name| name == "config.toml");
            match describe(&file, None) {
                Ok(text) => parts.push(text),
                Err(_) if of_run => parts.push(format!("{}: configuration of this run", file.display())),
                Err(error) => parts.push(console::chain(&error)),
            }
        }
    }
    if parts.is_empty() {
        bail!("{}: holds no trajectory, checkpoint or configuration", path.display());
    }
    Ok(parts.join("\n\n"))
}

/// What an analysis measured, and what it lacks.
fn results_in_words(path: &Path, results: &Results) -> String {
    let mut lines = vec![format!("{}: results of an analysis", path.display())];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<14}{value}"));
    add("written by", format!("vitrion {}", results.version));
    add("command", results.command.clone());
    results.inputs.iter().for_each(|input| add("input", input.display().to_string()));
    if !results.stage.is_empty() {
        add("stage", results.stage.clone());
    }
    let known = results.temperatures.iter().filter(|t| t.is_finite());
    let temperatures: Vec<String> = known.map(|t| format!("{t:.1} K")).collect();
    if !temperatures.is_empty() {
        add("temperatures", temperatures.join(", "));
    }
    for outcome in &results.outcomes {
        match &outcome.result {
            Ok(tables) => {
                let tables: Vec<String> =
                    tables.iter().map(|t| format!("{} ({} rows)", t.name, t.rows())).collect();
                add("measured", format!("{}: {}", outcome.name, tables.join(", ")));
            }
            Err(missing) => add("missing", format!("{}: {missing}", outcome.name)),
        }
    }
    results.notes.iter().for_each(|note| add("note", note.clone()));
    lines.join("\n")
}

fn trajectory(path: &Path, group: Option<&str>) -> Result<String> {
    let groups = groups_in(path)?;
    if group.is_none() && groups.len() > 1 && groups.iter().all(|g| g.name != "all") {
        let each = groups.iter().map(|g| trajectory(path, Some(&g.name)));
        return Ok(each.collect::<Result<Vec<_>>>()?.join("\n\n"));
    }
    let summary = TrajectoryReader::open_group(path, group)?.summary()?;
    let mut lines = vec![format!("{}: H5MD trajectory, {}", path.display(), console::bytes(summary.bytes))];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<14}{value}"));
    if let Some(creator) = &summary.creator {
        add("written by", creator.clone());
    }
    add("state", state(&summary));
    if summary.closed.is_none() {
        let groups: Vec<String> = summary
            .groups
            .iter()
            .map(|g| format!("{} ({})", g.name, console::grouped(g.particles as u64)))
            .collect();
        let which = if groups.len() > 1 {
            format!("{}; this is {}", groups.join(", "), summary.group)
        } else {
            groups.join("")
        };
        add("groups", which);
        add("units", if summary.units.is_empty() { "none".to_string() } else { summary.units.join(", ") });
    }
    add("particles", particles(&summary));
    add("frames", frames(&summary));
    if let Some(cell) = &summary.last_cell {
        add("cell", format!("{} (last frame)", cell_in_words(cell)));
    }
    for stage in &summary.stages {
        if stage.timestep == 0.0 {
            add("stage", format!("{}: minimisation", stage.name));
            continue;
        }
        let duration = console::simulated(stage.steps as f64 * stage.timestep);
        add(
            "stage",
            format!(
                "{}: {} steps of {} fs, {duration}",
                stage.name,
                console::grouped(stage.steps),
                stage.timestep * 1e3
            ),
        );
    }
    if summary.closed.is_some() {
        add("thermo", format!("{} rows", console::grouped(summary.thermo_rows as u64)));
    }
    for note in &summary.notes {
        add("note", note.clone());
    }
    for (stage, windows) in &summary.window_means {
        add("window means", format!("{windows} in {stage}"));
    }
    for (stage, windows) in &summary.ion_stress {
        add("ion stress", format!("{windows} windows in {stage}"));
    }
    if let Some(p) = &summary.provenance {
        add("backend", format!("{}, replica {}", p.backend, p.replica));
        if let Some(hardware) = &p.hardware {
            add("device", hardware.clone());
        }
        add("started", format!("{} on {}", p.started, p.host));
        add("command", p.command.clone());
        for e in &p.extensions {
            add("extended", format!("stage {} by {}, {} on {}", e.stage, e.by, e.time, e.host));
        }
        add("configuration", format!("sha256 {}", p.config_sha256()));
    }
    Ok(lines.join("\n"))
}

fn state(summary: &Summary) -> String {
    match summary.closed {
        Some(true) => "complete".to_string(),
        Some(false) if summary.incomplete_frames > 0 => {
            format!(
                "being written, or its run was killed ({} last frames unusable)",
                summary.incomplete_frames
            )
        }
        Some(false) => "being written, or its run was interrupted".to_string(),
        None => "of another program".to_string(),
    }
}

fn particles(summary: &Summary) -> String {
    let species: Vec<String> =
        summary.species.iter().map(|(name, n)| format!("{} {name}", console::grouped(*n as u64))).collect();
    let total = console::grouped(summary.particles as u64);
    if species.is_empty() { total } else { format!("{total}: {}", species.join(", ")) }
}

fn frames(summary: &Summary) -> String {
    let n = console::grouped(summary.frames as u64);
    match (summary.steps, summary.times) {
        (Some((first, last)), Some((start, end))) => {
            let [first, last] = [first, last].map(console::grouped_signed);
            format!("{n}, steps {first} to {last}, {start:.3} to {end:.3} ps")
        }
        _ => n,
    }
}

pub(super) fn cell_in_words(cell: &Cell) -> String {
    let h = cell.matrix();
    let edges = [h.x_axis, h.y_axis, h.z_axis];
    let [a, b, c] = edges.map(|e| format!("{:.4}", e.length()));
    let angle = |i: usize, j: usize| edges[i].angle_between(edges[j]).to_degrees();
    let angles = [angle(1, 2), angle(0, 2), angle(0, 1)];
    let right = angles.iter().all(|x| (x - 90.0).abs() < 1e-6);
    let shape = if right {
        String::new()
    } else {
        format!(", angles {:.2}, {:.2}, {:.2} degrees", angles[0], angles[1], angles[2])
    };
    format!("{a} x {b} x {c} angstrom{shape}, {:.1} angstrom^3", cell.volume())
}

fn checkpoint_header(path: &Path) -> Result<String> {
    let header = checkpoint::read_header(path)?;
    let mut lines = vec![
        format!("{}: checkpoint, intact", path.display()),
        format!("  step          {}", console::grouped(header.step)),
        format!("  time          {}", console::simulated(header.time)),
        format!("  backend       {}", header.backend),
    ];
    if let Some(hardware) = &header.hardware {
        lines.push(format!("  device        {hardware}"));
    }
    lines.push(format!("  written by    vitrion {}", header.version));
    lines.push(format!("  configuration sha256 {}", header.config_sha256));
    Ok(lines.join("\n"))
}

/// A configuration has stages; anything else is taken for a force field.
fn toml(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: cannot be read; check its permissions", path.display()))?;
    if text.lines().any(|line| line.trim_start().starts_with("[[stage]]")) {
        let config = Config::parse(path, text)?;
        config.check_force_field(&ForceField::load(Path::new(&config.system.force_field))?)?;
        return Ok(configuration_in_words(&config));
    }
    Ok(force_field_in_words(path, &ForceField::load(path)?))
}

fn configuration_in_words(config: &Config) -> String {
    let run = &config.run;
    let mut lines = vec![
        format!("{}: configuration, {}", config.path.display(), config.title),
        format!("  force field   {}", config.system.force_field),
        format!("  replicas      {}", config.system.replicas),
        format!("  backend       {}, relative force accuracy {:.0e}", run.precision, run.force_accuracy),
        format!("  steps         {}", console::grouped(config.total_steps())),
    ];
    for stage in &config.stages {
        let time = stage.steps() as f64 * stage.timestep();
        let what = match stage.motion() {
            None => "minimisation".to_string(),
            Some(motion) => {
                let ensemble = format!("{:?}", motion.ensemble).to_uppercase();
                format!("{ensemble}, {}{}", console::simulated(time), temperatures(motion, time))
            }
        };
        lines.push(format!("  stage         {}: {what}", stage.name));
    }
    lines.join("\n")
}

/// From where to where the set point moves.
fn temperatures(motion: &Motion, time: f64) -> String {
    let Some(&start) = motion.temperature.first() else { return String::new() };
    if motion.temperature_rate == 0.0 {
        format!(", {start} K")
    } else {
        format!(", {start} to {} K", start + motion.temperature_rate * time)
    }
}

fn force_field_in_words(path: &Path, force_field: &ForceField) -> String {
    let mut lines = vec![
        format!("{}: force field {}", path.display(), force_field.name),
        format!("  {}", force_field.description),
        format!("  cutoff        {} angstrom", force_field.cutoff),
    ];
    for s in &force_field.species {
        lines.push(format!("  species       {} {} u, charge {:+} e", s.name, s.mass, s.charge));
    }
    for kind in &force_field.kinds {
        let atoms: Vec<&str> = kind.species.iter().map(|&s| force_field.species[s].name.as_str()).collect();
        lines.push(format!("  molecule      {}: {}", kind.name, atoms.join(" ")));
    }
    lines.join("\n")
}
