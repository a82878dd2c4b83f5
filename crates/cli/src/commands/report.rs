//! `vitrion report`: one HTML page of a run's figures, and the figures as files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use vitrion_analysis::inputs::content_hash;
use vitrion_analysis::results::{self, Results};
use vitrion_analysis::temperature_series::SAME_TEMPERATURE;
use vitrion_report::source::{Facts, Source};
use vitrion_report::{files, own};
use vitrion_trajectory::checkpoint::sha256;
use vitrion_trajectory::h5md::TrajectoryReader;

use super::analyze::Analyze;
use super::fit;
use crate::{Outcome, console, probe, trajectories};

/// Draw what was measured of a run: one self-contained HTML page, and every figure as SVG and PNG
///
/// Measures first, as `vitrion analyze` does with its defaults, if the run has no results yet. The page needs no network and no
/// other file. Figures that the run cannot give say why.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion report ckn-run                      into ckn-run/report.html and ckn-run/figures/
  vitrion report ckn-run --out ckn.html       into ckn.html and ckn-figures/
  vitrion analyze ckn-run --q \"1 1/angstrom\" && vitrion report ckn-run")]
pub struct Report {
    /// Run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// The page [default: `report.html` in the run directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Report {
    /// Measures if needed, draws, writes.
    pub fn execute(&self) -> Result<Outcome> {
        if !self.run.is_dir() {
            bail!("{}: is no run directory; give the directory that `vitrion run` wrote", self.run.display());
        }
        let fitted = self.run.join(fit::PAGE);
        if fitted.exists() && trajectories::find(&self.run).is_err() {
            bail!(
                "{}: holds laws over several runs, whose page is there already: {}; give the directory of a run",
                self.run.display(),
                fitted.display()
            );
        }
        let (page, pictures) = self.places();
        own::check(std::slice::from_ref(&page))?;
        let directory = self.run.join("analysis");
        if !directory.join(results::FILE).exists() {
            Analyze::all_of(&self.run)?.execute()?;
        }
        let Some(results) = trajectories::results(&directory)? else {
            bail!("{}: no results were written; run `vitrion analyze` first", directory.display());
        };
        let files = files_of(&self.run, &results)?;
        check_up_to_date(&directory.join(results::FILE), &results, &files)?;
        let facts = facts(&self.run, &results, &files)?;
        let source = Source { results: &results, facts: &facts };
        let figures = vitrion_report::figures::all(&source);
        own::check(&files::figure_paths(&pictures, &figures))?;
        let count = files::write_figures(&pictures, &figures)?;
        files::write(&page, vitrion_report::page::html(&source, &figures).as_bytes())?;
        let panels: usize = figures.iter().map(|figure| figure.panels.len()).sum();
        console::print(&format!(
            "\nreport: {}, with {count} of {panels} figures; the others say what they lack\nfigures: {}/*.svg and *.png",
            page.display(),
            pictures.display()
        ))?;
        Ok(Outcome::Done)
    }

    /// Of the page, and of the figures.
    fn places(&self) -> (PathBuf, PathBuf) {
        match &self.out {
            None => (self.run.join("report.html"), self.run.join("figures")),
            Some(page) => {
                let stem = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                (page.clone(), page.with_file_name(format!("{stem}-figures")))
            }
        }
    }
}

/// The trajectories that were analysed; of a run directory that has moved since then, those of the same names in it.
fn files_of(run: &Path, results: &Results) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in &results.inputs {
        let moved = input.file_name().map(|name| run.join(name)).filter(|path| path.exists());
        match moved {
            _ if input.exists() => files.push(input.clone()),
            Some(moved) => files.push(moved),
            None => bail!(
                "{}: was analysed, but is no longer there nor in {}; bring it back, or analyse the run again",
                input.display(),
                run.display()
            ),
        }
    }
    if files.is_empty() { trajectories::find(run) } else { Ok(files) }
}

/// A run that went on since it was analysed is analysed again by the user, who knows with which settings. A copy of the run may have any
/// times of change, but the same contents.
fn check_up_to_date(path: &Path, results: &Results, files: &[PathBuf]) -> Result<()> {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified());
    let measured = changed(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let later = |input: &&PathBuf| changed(input).is_ok_and(|time| time > measured);
    if let Some(input) = files.iter().find(later) {
        let contents = content_hash(files).with_context(|| format!("{}: cannot be read", input.display()))?;
        if results.contents != contents {
            bail!(
                "{}: has changed since it was analysed; analyse again with `{}`",
                input.display(),
                results.command
            );
        }
    }
    Ok(())
}

/// What the results do not say: from the trajectories and the configuration.
fn facts(run: &Path, results: &Results, files: &[PathBuf]) -> Result<Facts> {
    let first = files.first().context("the results name no trajectory; analyse the run again")?;
    let (stage, atoms, duration) = match results.atoms {
        Some(atoms) => (results.stage.clone(), atoms, results.duration),
        None => from_the_file(first, results)?,
    };
    let configuration = run.join("config.toml");
    let text = std::fs::read_to_string(&configuration).unwrap_or_default();
    let mut provenance = vec![("run".to_string(), run.display().to_string())];
    let names: Vec<String> =
        files.iter().filter_map(|f| f.file_name()).map(|f| f.to_string_lossy().into_owned()).collect();
    provenance.push(("trajectories".to_string(), names.join(", ")));
    for name in ["config.toml", "force_field.toml"] {
        if let Ok(text) = std::fs::read_to_string(run.join(name)) {
            provenance.push((name.to_string(), format!("SHA-256 {}", sha256(&text))));
        }
    }
    let temperature = temperature(results, files)?;
    if temperature.is_none() && results.temperatures.iter().any(|t| t.is_finite()) {
        let each: Vec<String> = results.temperatures.iter().map(|t| format!("{t:.1}")).collect();
        provenance.push(("temperatures (K)".to_string(), each.join(", ")));
    }
    Ok(Facts {
        title: title(&text).unwrap_or_else(|| run.display().to_string()),
        stage,
        temperature,
        duration,
        atoms,
        replicas: files.len(),
        provenance,
    })
}

/// Stage, atoms and duration (ps), which results of earlier versions do not say: of a run of Vitrion, which has no groups to choose from
/// and no other time step.
fn from_the_file(path: &Path, results: &Results) -> Result<(String, usize, Option<f64>)> {
    probe::check(&[path.to_path_buf()])?;
    let reader = TrajectoryReader::open(path).with_context(|| {
        format!("the results are of an earlier version; analyse again with `{}`", results.command)
    })?;
    let stage = trajectories::stage(&reader, (!results.stage.is_empty()).then_some(&results.stage[..]))?;
    let frames = trajectories::frames_of(&reader, stage.as_ref());
    let ends = frames.first().zip(frames.last()).filter(|_| reader.is_own());
    let duration = ends.map(|(first, last)| reader.time(*last) - reader.time(*first));
    Ok((stage.map_or(String::new(), |s| s.name), reader.particles(), duration))
}

/// The mean temperature (K) of all replicas in the stage, where they have the same.
fn temperature(results: &Results, files: &[PathBuf]) -> Result<Option<f64>> {
    let stage = (!results.stage.is_empty()).then_some(&results.stage[..]);
    let reading = trajectories::Reading { stage, ..Default::default() };
    // Results of earlier versions do not say.
    let temperatures = match &results.temperatures[..] {
        [] => trajectories::conditions(files, reading)?.1,
        known => known.to_vec(),
    };
    Ok(Results { temperatures, ..Results::default() }.temperature(SAME_TEMPERATURE))
}

/// The title of a configuration.
fn title(configuration: &str) -> Option<String> {
    let table: toml::Table = configuration.parse().ok()?;
    Some(table.get("title")?.as_str()?.to_string())
}
