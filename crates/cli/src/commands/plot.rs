//! `vitrion plot`: g(r) and the mean squared displacement of a run, as SVG and CSV.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use vitrion_analysis::analysis::stream;
use vitrion_analysis::inputs::Inputs;
use vitrion_analysis::msd::{MeanSquaredDisplacement, SpeciesDisplacement};
use vitrion_analysis::observable::Context as Analysis;
use vitrion_analysis::rdf::{PairDistribution, RadialDistribution};
use vitrion_analysis::settings::Settings;
use vitrion_report::{own, quick};
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};

use super::forces::{length, write_file};
use crate::file_kind::{self, FileKind};
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

    /// Group of particles of an H5MD file that has several
    #[arg(long, value_name = "NAME")]
    group: Option<String>,

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

impl Plot {
    /// Measures, draws, and says where.
    pub fn execute(&self) -> Result<Outcome> {
        let files = trajectories::find(&self.run)?;
        for file in &files {
            let kind = file_kind::of(file)?;
            if kind != FileKind::Hdf5 {
                return Err(kind.refused(
                    file,
                    "`plot` draws runs and H5MD files: `vitrion analyze` measures dumps, `vitrion convert` turns them into H5MD",
                ));
            }
        }
        let group = self.group.as_deref();
        let open = |file: &PathBuf| TrajectoryReader::open_group(file, group);
        let readers = files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = readers.first() else { bail!("{}: no trajectory", self.run.display()) };
        let stage = trajectories::stage(first, self.stage.as_deref())?;
        let title = title(first, stage.as_ref(), readers.len())?;
        let directory = self.directory();
        let names = ["rdf.svg", "rdf.csv", "msd.svg", "msd.csv"];
        own::check(&names.map(|name| directory.join(name)))?;

        let reading = trajectories::Reading { stage: self.stage.as_deref(), group, ..Default::default() };
        let inputs = trajectories::inputs(std::slice::from_ref(&self.run), reading)?;
        for note in inputs.notes() {
            console::say(&format!("note: {note}"));
        }
        let rdf = self.pair_distributions(&inputs)?;
        let picture = quick::pair_distributions(&rdf, &format!("Pair distribution functions, {title}"));
        write_pair(&directory, "rdf", &picture.file(), &rdf_csv(&rdf))?;
        console::print(&format!("{}\n\n{}", peaks(&rdf), whereabouts("g(r)", &directory, "rdf")))?;

        // A trajectory too short for displacements still has a structure.
        let drawn = displacements(&inputs).and_then(|msd| {
            let picture = quick::displacements(&msd, &format!("Mean squared displacement, {title}"));
            let picture = picture.context(
                "there are none to draw: the trajectory needs at least three frames of moving ions",
            )?;
            Ok((picture.file(), msd_csv(&msd)))
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

    fn pair_distributions(&self, inputs: &Inputs) -> Result<Vec<PairDistribution>> {
        let settings =
            Settings { r_max: self.range, structure_frames: self.rdf_frames, ..Settings::default() };
        settings.check()?;
        let mut rdf = RadialDistribution::new(inputs, &settings)?.between_molecules(inputs.particles());
        if !rdf.has_volume() {
            bail!("{}: has no cell, and without a volume there is no g(r)", self.run.display());
        }
        stream(inputs, &mut [&mut rdf], &mut |_| ())?;
        let mut pairs = rdf.distributions();
        pairs.retain(|pair| pair.species != ["all", "all"]);
        Ok(pairs)
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

fn displacements(inputs: &Inputs) -> Result<Vec<SpeciesDisplacement>> {
    let settings = Settings::default();
    let context = Analysis::new(inputs, &settings);
    let mut msd = MeanSquaredDisplacement::new(inputs.particles(), &context.lags);
    stream(inputs, &mut [&mut msd], &mut |_| ())?;
    let mut curves = msd.curves();
    curves.retain(|curve| curve.species != "all");
    Ok(curves)
}

/// What is drawn: stage, temperature, ions, replicas.
fn title(reader: &TrajectoryReader, stage: Option<&Stage>, replicas: usize) -> Result<String> {
    let mut parts = Vec::new();
    if let Some(stage) = stage {
        parts.push(format!("stage “{}”", stage.name));
        if let Some(temperature) = trajectories::mean_temperature(reader, stage) {
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
            let error =
                if pair.error[bin].is_nan() { String::new() } else { format!("{:.6}", pair.error[bin]) };
            let _ = write!(text, ",{:.6},{error}", pair.g[bin]);
        }
        text.push('\n');
    }
    text
}

/// One line a species and lag.
fn msd_csv(curves: &[SpeciesDisplacement]) -> String {
    let mut text = String::from("species,t_ps,msd_angstrom2,msd_error,alpha_2,alpha_2_error,origins\n");
    let number = |x: f64| if x.is_nan() { String::new() } else { format!("{x:.6e}") };
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
                p.pairs
            );
        }
    }
    text
}

fn how_to_go_on(run: &Path) -> String {
    format!(
        "next: `vitrion info {}` says what the run holds; `vitrion new ckn` writes a configuration of your own to run",
        console::path_word(run)
    )
}
