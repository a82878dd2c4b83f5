//! `vitrion fit`: Arrhenius and VFT laws over runs at several temperatures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use vitrion_analysis::fits::temperatures::Law;
use vitrion_analysis::results::{self, Results};
use vitrion_analysis::table::{Table, Values};
use vitrion_analysis::temperature_series::{
    self as series, Choice, Quantity, Run, SAME_TEMPERATURE, SeriesLaws,
};
use vitrion_core::units::{Dimension, parse_quantity};
use vitrion_report::temperature_page::{self, TemperatureFits};
use vitrion_report::{files, own, temperature_figure};

use crate::{Outcome, console, trajectories};

/// The page, in the directory of the tables.
pub const PAGE: &str = "fit.html";
/// What is written beside it.
const TABLES: [&str; 3] = ["fit_points.csv", "fit_laws.csv", "fit_covariance.csv"];
const PICTURES: [&str; 2] = ["fit.svg", "fit.png"];

/// Fit Arrhenius and VFT laws to what was measured of runs at several temperatures
///
/// Each RUN is a run directory that `vitrion analyze` has measured, or the directory of its results. The temperature of a run is that
/// of its thermostat log in the stage that was analysed. Points are weighted with their standard errors; if one of them has none,
/// all count alike. What the data do not determine gets no number but a reason. Writes one self-contained HTML page, tables and the
/// figure, over those of an earlier fit in the same directory, but not over other files.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion fit run-340K run-360K run-400K run-450K             tau of the X-ray weighted coherent function, both laws
  vitrion fit run-* --trim 2 --t-g \"333 K\"                    means of six middle replicas of ten; fragility m
  vitrion fit run-* --function isf_self --species K --law arrhenius
  vitrion fit run-* --quantity D --species all --out diffusion
  vitrion fit a b c --temperatures \"400 K,450 K,500 K\"         results of files without a thermostat log")]
pub struct Fit {
    /// Run directories, or directories of results
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// What to follow: tau, mean-tau, viscosity or D
    #[arg(long, value_name = "NAME", default_value = "tau", value_parser = quantity)]
    quantity: Quantity,

    /// Laws, separated by commas: arrhenius, vft
    #[arg(long, value_name = "LAW,...", default_value = "arrhenius,vft", value_delimiter = ',', value_parser = law)]
    law: Vec<Law>,

    /// Function whose relaxation time is followed [default: isf_coherent]
    #[arg(long, value_name = "NAME", value_parser = ["isf_coherent", "isf_self"])]
    function: Option<String>,

    /// Species or weighting [default: xray for relaxation times, all for D]
    #[arg(long, value_name = "NAME")]
    species: Option<String>,

    /// Only relaxation times at these wave numbers, separated by commas [default: all that were measured]
    #[arg(long, value_name = "WAVE NUMBER,...", value_delimiter = ',', value_parser = super::analyze::wave_number)]
    q: Vec<f64>,

    /// Take the mean over the replicas of a temperature without the N largest and the N smallest values
    #[arg(long, value_name = "N")]
    trim: Option<usize>,

    /// Temperature at which the fragility m is taken, e.g. "333 K"
    #[arg(long, value_name = "TEMPERATURE", value_parser = temperature)]
    t_g: Option<f64>,

    /// Temperatures of the runs, in their order, separated by commas [default: from their thermostat logs]
    #[arg(long, value_name = "TEMPERATURE,...", value_delimiter = ',', value_parser = temperature)]
    temperatures: Vec<f64>,

    /// Where to write the page, the tables and the figure
    #[arg(long, value_name = "DIR", default_value = "fit")]
    out: PathBuf,
}

fn quantity(text: &str) -> Result<Quantity, String> {
    Quantity::ALL
        .into_iter()
        .find(|q| q.name() == text)
        .ok_or_else(|| "choose tau, mean-tau, viscosity or D".to_string())
}

fn law(text: &str) -> Result<Law, String> {
    Law::named(text.trim()).ok_or_else(|| "choose arrhenius or vft".to_string())
}

fn temperature(text: &str) -> Result<f64, String> {
    let t = parse_quantity(text.trim(), Dimension::Temperature).map_err(|e| e.to_string())?;
    if t > 0.0 && t.is_finite() { Ok(t) } else { Err("a temperature is above zero".to_string()) }
}

impl Fit {
    /// Reads, fits, writes, and prints tables.
    pub fn execute(&self) -> Result<Outcome> {
        if !self.temperatures.is_empty() && self.temperatures.len() != self.runs.len() {
            bail!(
                "--temperatures: {} temperatures for {} runs; give one for each, in their order",
                self.temperatures.len(),
                self.runs.len()
            );
        }
        self.check_options()?;
        let read = self.runs.iter().map(|run| read(run)).collect::<Result<Vec<_>>>()?;
        let mut runs = Vec::new();
        for (number, (path, results)) in self.runs.iter().zip(&read).enumerate() {
            let temperature = match self.temperatures.get(number) {
                Some(temperature) => *temperature,
                None => temperature_of(path, results)?,
            };
            runs.push(Run { name: path.display().to_string(), temperature, results });
        }
        let mut names = vec![PAGE];
        names.extend(TABLES);
        names.extend(PICTURES);
        own::check(&names.iter().map(|name| self.out.join(name)).collect::<Vec<_>>())?;
        let choice = self.choice();
        let series = series::series(&runs, &choice).map_err(|u| anyhow::anyhow!(u.why))?;
        let all = series::fit_laws(series, self.quantity, &self.law, self.t_g);
        self.write(&all, &choice, &runs)?;
        Ok(Outcome::Done)
    }

    /// No option is ignored, and no run counts twice.
    fn check_options(&self) -> Result<()> {
        let relaxation = matches!(self.quantity, Quantity::RelaxationTime | Quantity::MeanRelaxationTime);
        let unused = [
            ("--function", self.function.is_some() && !relaxation),
            ("--q", !self.q.is_empty() && !relaxation),
            ("--species", self.species.is_some() && self.quantity == Quantity::Viscosity),
        ];
        if let Some((option, _)) = unused.into_iter().find(|(_, given)| *given) {
            bail!("{option}: says nothing about {}; leave it out", self.quantity.name());
        }
        let place = |run: &PathBuf| directory(run).canonicalize().unwrap_or_else(|_| run.clone());
        let places: Vec<PathBuf> = self.runs.iter().map(place).collect();
        for (number, run) in self.runs.iter().enumerate() {
            if places[..number].contains(&places[number]) {
                bail!("{}: its results are given twice; give each run once", run.display());
            }
        }
        Ok(())
    }

    fn choice(&self) -> Choice {
        let usual = if self.quantity == Quantity::Diffusion { "all" } else { "xray" };
        Choice {
            quantity: self.quantity,
            function: self.function.clone().unwrap_or_else(|| "isf_coherent".to_string()),
            species: self.species.clone().unwrap_or_else(|| usual.to_string()),
            wave_numbers: self.q.clone(),
            trim: self.trim,
        }
    }

    fn write(&self, all: &[SeriesLaws], choice: &Choice, runs: &[Run]) -> Result<()> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("{}: cannot be made; choose another with --out", self.out.display()))?;
        let points = series::points_table(all, choice);
        let laws = series::laws_table(all, choice);
        for table in [&points, &laws, &series::covariance_table(all, choice)] {
            let path = self.out.join(format!("{}.csv", table.name));
            files::write(&path, table.to_csv().as_bytes())?;
        }
        let mut written = vec![PAGE];
        written.extend(TABLES);
        if let Some(picture) = temperature_figure::picture(all, choice) {
            files::write_picture(&self.out, &picture)?;
            written.extend(PICTURES);
        } else {
            // The figure of an earlier fit is none of this one.
            for path in PICTURES.map(|name| self.out.join(name)).iter().filter(|path| path.exists()) {
                std::fs::remove_file(path)
                    .with_context(|| format!("{}: cannot be removed", path.display()))?;
            }
        }
        let page = temperature_page::html(&TemperatureFits {
            series: all,
            choice,
            runs,
            command: console::command_line(),
            version: env!("CARGO_PKG_VERSION").to_string(),
        });
        files::write(&self.out.join(PAGE), page.as_bytes())?;
        console::print(&rows(
            &points,
            &[
                "q_per_angstrom",
                "temperature_K",
                "value",
                "standard_error",
                "unit",
                "trajectories",
                "verdict",
            ],
        ))?;
        console::print("")?;
        console::print(&rows(
            &laws,
            &["q_per_angstrom", "law", "parameter", "value", "standard_error", "unit", "verdict"],
        ))?;
        console::print(&format!("\nwritten to {}: {}", self.out.display(), written.join(", ")))
    }
}

/// Where the results of a run directory are, or the directory that they are in.
fn directory(run: &Path) -> PathBuf {
    let inside = run.join("analysis");
    if inside.join(results::FILE).exists() { inside } else { run.to_path_buf() }
}

fn read(run: &Path) -> Result<Results> {
    match trajectories::results(&directory(run))? {
        Some(results) => Ok(results),
        None => bail!(
            "{}: holds no results; measure first with `vitrion analyze {}`",
            run.display(),
            console::path_word(run)
        ),
    }
}

fn temperature_of(run: &Path, results: &Results) -> Result<f64> {
    results.temperature(SAME_TEMPERATURE).with_context(|| {
        let known = results.temperatures.iter().any(|t| t.is_finite());
        if known {
            format!(
                "{}: its replicas have different temperatures or some have none; analyse those of one temperature together",
                run.display()
            )
        } else {
            format!("{}: its results have no temperature; analyse again, or give --temperatures", run.display())
        }
    })
}

/// Some columns for the terminal, numbers to five digits; columns without any content are left out.
fn rows(table: &Table, columns: &[&str]) -> String {
    let cell = |values: &Values, row: usize| match values {
        Values::Text(v) => v[row].clone(),
        Values::Integer(v) => v[row].to_string(),
        Values::Real(v) if v[row].is_nan() => String::new(),
        Values::Real(v) => shortened(v[row]),
    };
    let chosen: Vec<_> = columns
        .iter()
        .filter_map(|name| table.columns.iter().find(|c| c.name == *name))
        .filter(|column| (0..table.rows()).any(|row| !cell(&column.values, row).is_empty()))
        .collect();
    let header: Vec<&str> = chosen.iter().map(|c| c.name.as_str()).collect();
    let lines: Vec<Vec<String>> =
        (0..table.rows()).map(|row| chosen.iter().map(|c| cell(&c.values, row)).collect()).collect();
    console::table(&header, &lines)
}

fn shortened(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e6).contains(&size) {
        let decimals = if value == 0.0 { 0 } else { (4.0 - size.log10().floor()).clamp(0.0, 7.0) as usize };
        format!("{value:.decimals$}")
    } else {
        format!("{value:.4e}")
    }
}
