//! `vitrion plot`: g(r) and the mean squared displacement of a run, as SVG and CSV.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use vitrion_analysis::msd::{MeanSquaredDisplacement, SpeciesDisplacement};
use vitrion_analysis::rdf::{PairDistribution, RadialDistribution};
use vitrion_trajectory::h5md::{SpeciesTable, Stage, TrajectoryReader};

use super::forces::{length, write_file};
use crate::figures::{displacement, pair_distributions};
use crate::{Outcome, console, trajectories};

/// Draw g(r) of all pairs and the mean squared displacement of each species
///
/// Reads the trajectories of a run, all replicas together, and writes rdf.svg, msd.svg and the numbers behind them (rdf.csv,
/// msd.csv). g(r) leaves out pairs within a molecule. Works on runs that are still going on. Its own earlier figures are
/// replaced.
#[derive(Args)]
pub struct Plot {
    /// Run directory, or one H5MD file
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Stage to draw [default: the last one with frames]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,

    /// Largest distance of g(r) [default: 12 angstrom, or half the cell]
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    range: Option<f64>,

    /// Frames a replica that g(r) is averaged over, spread over the stage
    #[arg(long, value_name = "N", default_value_t = 100)]
    rdf_frames: usize,

    /// Where to write [default: RUN/figures, or beside the file]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Width of the bins of g(r) (angstrom).
const BIN_WIDTH: f64 = 0.05;
/// Points of the displacement in each decade of time.
const POINTS_PER_DECADE: u32 = 10;
/// Range of g(r) where the cell is large (angstrom).
const DEFAULT_RANGE: f64 = 12.0;

impl Plot {
    /// Measures, draws, and says where.
    pub fn execute(&self) -> Result<Outcome> {
        let files = trajectories::find(&self.run)?;
        let readers = files.iter().map(|file| TrajectoryReader::open(file)).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = readers.first() else { bail!("{}: no trajectory", self.run.display()) };
        let stage = trajectories::stage(first, self.stage.as_deref())?;
        let title = title(first, stage.as_ref(), readers.len())?;
        let directory = self.directory();

        let rdf = self.pair_distributions(&readers, stage.as_ref())?;
        let svg = pair_distributions::draw(&rdf, &format!("Pair distribution functions, {title}"))?;
        write_pair(&directory, "rdf", &svg, &rdf_csv(&rdf))?;
        console::print(&format!("{}\n\n{}", peaks(&rdf), whereabouts("g(r)", &directory, "rdf")))?;

        // A trajectory too short for displacements still has a structure.
        let drawn = displacements(&readers, stage.as_ref()).and_then(|msd| {
            let svg = displacement::draw(&msd, &format!("Mean squared displacement, {title}"))?;
            Ok((svg, msd_csv(&msd)))
        });
        match drawn {
            Ok((svg, csv)) => {
                write_pair(&directory, "msd", &svg, &csv)?;
                console::print(&whereabouts("mean squared displacement", &directory, "msd"))?;
            }
            Err(error) => console::say(&format!("no mean squared displacement: {}", console::chain(&error))),
        }
        console::print(&how_to_go_on(&self.run))?;
        Ok(Outcome::Done)
    }

    fn directory(&self) -> PathBuf {
        match (&self.out, self.run.is_dir()) {
            (Some(directory), _) => directory.clone(),
            (None, true) => self.run.join("figures"),
            (None, false) => self.run.parent().unwrap_or(Path::new(".")).join("figures"),
        }
    }

    fn pair_distributions(
        &self,
        readers: &[TrajectoryReader],
        stage: Option<&Stage>,
    ) -> Result<Vec<PairDistribution>> {
        let SpeciesTable { indices, names } = species(readers[0].species()?, &readers[0])?;
        let chosen: Vec<Vec<usize>> = readers
            .iter()
            .map(|reader| thin(&trajectories::frames_of(reader, stage), self.rdf_frames))
            .collect();
        let range = match self.range {
            Some(range) => range,
            None => largest_range(readers, &chosen)?.min(DEFAULT_RANGE),
        };
        let mut rdf = RadialDistribution::new(&indices, &names, range, BIN_WIDTH)?;
        if let Some(molecules) = readers[0].molecules()? {
            rdf = rdf.between_molecules(&molecules);
        }
        for (reader, frames) in readers.iter().zip(chosen) {
            for frame in frames {
                let frame = reader.frame(frame)?;
                let cell = frame.cell.with_context(|| no_cell(reader))?;
                rdf.accumulate(&cell, &frame.positions)?;
            }
        }
        Ok(rdf.finish())
    }
}

/// A figure and its numbers.
fn write_pair(directory: &Path, stem: &str, svg: &str, csv: &str) -> Result<()> {
    std::fs::create_dir_all(directory).with_context(|| {
        format!("{}: cannot be created; choose another place with --out", directory.display())
    })?;
    write_file(&directory.join(format!("{stem}.svg")), svg, true)?;
    write_file(&directory.join(format!("{stem}.csv")), csv, true)
}

fn whereabouts(what: &str, directory: &Path, stem: &str) -> String {
    format!("{what}: {0}/{stem}.svg, its numbers in {0}/{stem}.csv", directory.display())
}

/// The largest range that every frame allows.
fn largest_range(readers: &[TrajectoryReader], frames: &[Vec<usize>]) -> Result<f64> {
    let mut range = f64::INFINITY;
    for (reader, frames) in readers.iter().zip(frames) {
        for &frame in frames {
            let cell = reader.cell(frame)?.with_context(|| no_cell(reader))?;
            range = range.min(RadialDistribution::largest_range(&cell));
        }
    }
    Ok(range)
}

fn no_cell(reader: &TrajectoryReader) -> String {
    format!("{}: has no periodic cell, which g(r) needs", reader.path().display())
}

fn displacements(readers: &[TrajectoryReader], stage: Option<&Stage>) -> Result<Vec<SpeciesDisplacement>> {
    let SpeciesTable { indices, names } = species(readers[0].centre_species()?, &readers[0])?;
    let mut msd = MeanSquaredDisplacement::new(&indices, &names, POINTS_PER_DECADE);
    for reader in readers {
        msd.next_trajectory();
        for frame in trajectories::frames_of(reader, stage) {
            msd.accumulate(reader.time(frame), &reader.unwrapped_centres(frame)?)?;
        }
    }
    Ok(msd.finish())
}

fn species(table: Option<SpeciesTable>, reader: &TrajectoryReader) -> Result<SpeciesTable> {
    table.with_context(|| {
        format!("{}: does not say which particle is of which species", reader.path().display())
    })
}

/// At most `most` of the frames, evenly spread.
fn thin(frames: &[usize], most: usize) -> Vec<usize> {
    let n = frames.len().min(most.max(1));
    (0..n).map(|i| frames[i * frames.len() / n]).collect()
}

/// What is drawn: stage, temperature, ions, replicas.
fn title(reader: &TrajectoryReader, stage: Option<&Stage>, replicas: usize) -> Result<String> {
    let mut parts = Vec::new();
    if let Some(stage) = stage {
        parts.push(format!("stage “{}”", stage.name));
        if let Some(temperature) = mean_temperature(reader, stage) {
            parts.push(format!("{temperature:.0} K"));
        }
    }
    let frames = trajectories::frames_of(reader, stage);
    if let (Some(&first), Some(&last)) = (frames.first(), frames.last()) {
        parts.push(console::simulated(reader.time(last) - reader.time(first)));
    }
    parts.push(format!("{} atoms", console::grouped(reader.particles() as u64)));
    if replicas > 1 {
        parts.push(format!("{replicas} replicas"));
    }
    if parts.is_empty() {
        bail!("{}: holds nothing to draw", reader.path().display());
    }
    Ok(parts.join(", "))
}

/// Mean of the thermo samples of a stage (K).
fn mean_temperature(reader: &TrajectoryReader, stage: &Stage) -> Option<f64> {
    let steps = reader.thermo("step").ok()?;
    let temperatures = reader.thermo("temperature").ok()?;
    let (first, last) = (stage.first_step as f64, (stage.first_step + stage.steps) as f64);
    let inside: Vec<f64> =
        steps.iter().zip(temperatures).filter(|(s, _)| **s > first && **s <= last).map(|(_, t)| t).collect();
    (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
}

fn peaks(pairs: &[PairDistribution]) -> String {
    let rows: Vec<Vec<String>> = pairs
        .iter()
        .map(|pair| {
            let highest = (0..pair.g.len()).max_by(|&a, &b| pair.g[a].total_cmp(&pair.g[b])).unwrap_or(0);
            vec![
                format!("{}-{}", pair.species[0], pair.species[1]),
                format!("{:.2}", pair.r[highest]),
                format!("{:.2}", pair.g[highest]),
            ]
        })
        .collect();
    console::table(&["pair", "highest peak (angstrom)", "g"], &rows)
}

/// r and, for each pair, g and its standard error (empty where unknown).
fn rdf_csv(pairs: &[PairDistribution]) -> String {
    let mut text = String::from("r_angstrom");
    for pair in pairs {
        let name = pair.species.join("-");
        let _ = write!(text, ",g_{name},error_{name}");
    }
    text.push('\n');
    for bin in 0..pairs.first().map_or(0, |pair| pair.r.len()) {
        let _ = write!(text, "{:.4}", pairs[0].r[bin]);
        for pair in pairs {
            let error = pair.error.as_ref().map_or(String::new(), |e| format!("{:.6}", e[bin]));
            let _ = write!(text, ",{:.6},{error}", pair.g[bin]);
        }
        text.push('\n');
    }
    text
}

/// One line a species and lag.
fn msd_csv(curves: &[SpeciesDisplacement]) -> String {
    let mut text = String::from("species,t_ps,msd_angstrom2,msd_error,alpha_2,alpha_2_error,origins\n");
    let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.6e}"));
    for curve in curves {
        for p in &curve.points {
            let _ = writeln!(
                text,
                "{},{},{:.6e},{},{:.6e},{},{}",
                curve.species,
                p.lag,
                p.msd,
                number(p.msd_error),
                p.alpha_2,
                number(p.alpha_2_error),
                p.origins
            );
        }
    }
    text
}

fn how_to_go_on(run: &Path) -> String {
    format!(
        "next: `vitrion info {}` says what the run holds; `vitrion new ckn` writes a configuration of your own to run",
        run.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_frames_spread_over_the_stage() {
        let frames: Vec<usize> = (10..110).collect();
        assert_eq!(thin(&frames, 4), [10, 35, 60, 85]);
        assert_eq!(thin(&frames[..2], 4), [10, 11]);
        assert!(thin(&[], 4).is_empty());
    }
}
