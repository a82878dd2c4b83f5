//! The tables `[system]` and `[run]`.

use std::path::Path;

use toml::Spanned;
use vitrion_core::cpu::Precision;
use vitrion_core::units::Dimension;

use super::error::{Problem, closest};
use super::{BackendChoice, Run, Start, System, file, integer, positive};
use crate::system::BUILT_IN_FORCE_FIELDS;

/// Replicas and molecules are bounded so that a slip of the finger does not exhaust the memory.
const MOST_REPLICAS: u64 = 65_536;
const MOST_MOLECULES: usize = 100_000_000;
/// A year (s) between checkpoints is a slip too.
const LONGEST_INTERVAL: f64 = 3.156e7;

pub(super) fn system(path: &Path, table: &Spanned<file::System>) -> Result<System, Problem> {
    let system = table.get_ref();
    let directory = path.parent().unwrap_or(Path::new(""));
    let replicas = system.replicas.as_ref().map_or(Ok(1), |v| integer(v, "system.replicas", 1))?;
    if let (true, Some(value)) = (replicas > MOST_REPLICAS, &system.replicas) {
        return Err(Problem::new(
            &value.span(),
            "system.replicas",
            format!("{replicas} replicas are too many"),
            format!("give at most {MOST_REPLICAS}"),
        ));
    }
    Ok(System {
        force_field: force_field(directory, &system.force_field)?,
        start: start(directory, table)?,
        seed: system.seed.as_ref().map_or(Ok(1), |v| integer(v, "system.seed", 0))?,
        replicas: replicas as usize,
    })
}

fn force_field(directory: &Path, value: &Spanned<String>) -> Result<String, Problem> {
    let name = value.get_ref().as_str();
    let built_in = BUILT_IN_FORCE_FIELDS;
    if built_in.contains(&name) {
        return Ok(name.to_owned());
    }
    let path = directory.join(name);
    if path.is_file() {
        return Ok(path.display().to_string());
    }
    let suggestion = closest(name, built_in).map_or(String::new(), |c| format!("did you mean `{c}`? "));
    Err(Problem::new(
        &value.span(),
        "system.force_field",
        format!("`{name}` is neither a built-in force field nor a file"),
        format!(
            "{suggestion}give {}, or the path of a file relative to this configuration",
            built_in.join(" or ")
        ),
    ))
}

fn start(directory: &Path, table: &Spanned<file::System>) -> Result<Start, Problem> {
    let system = table.get_ref();
    match (&system.molecules, &system.density, &system.initial) {
        (Some(molecules), Some(density), None) => Ok(Start::Melt {
            molecules: composition(molecules)?,
            density: positive(density, "system.density", Dimension::Density)?,
        }),
        (None, None, Some(initial)) => {
            let path = directory.join(initial.get_ref());
            if path.is_file() {
                return Ok(Start::File(path));
            }
            let finding = format!("there is no file `{}`", path.display());
            let remedy = "give the path of a LAMMPS data file relative to this configuration";
            Err(Problem::new(&initial.span(), "system.initial", finding, remedy))
        }
        (Some(molecules), None, None) => Err(Problem::new(
            &molecules.span(),
            "system.molecules",
            "there is no density",
            "add `density`, for example \"1.95 g/cm^3\"",
        )),
        (None, Some(density), None) => Err(Problem::new(
            &density.span(),
            "system.density",
            "there are no molecules",
            "add `molecules`, for example { nitrate = 504, K = 216, Ca = 144 }",
        )),
        (_, _, Some(initial)) => Err(Problem::new(
            &initial.span(),
            "system.initial",
            "a start from a file fixes molecules and density",
            "remove `molecules` and `density`, or `initial`",
        )),
        (None, None, None) => Err(Problem::new(
            &table.span(),
            "system",
            "nothing says what to simulate",
            "give `molecules` with `density`, or `initial`",
        )),
    }
}

fn composition(
    molecules: &Spanned<toml::map::Map<String, toml::Value>>,
) -> Result<Vec<(String, usize)>, Problem> {
    let mut counts = Vec::new();
    let mut total = 0usize;
    for (kind, value) in molecules.get_ref() {
        let number = value.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let Some(number) = number else {
            return Err(Problem::new(
                &molecules.span(),
                "system.molecules",
                format!("{kind} = {value} is not a number of molecules"),
                "give an integer above zero",
            ));
        };
        total = total.saturating_add(number);
        counts.push((kind.clone(), number));
    }
    if (1..=MOST_MOLECULES).contains(&total) {
        return Ok(counts);
    }
    Err(Problem::new(
        &molecules.span(),
        "system.molecules",
        format!("there are {total} molecules"),
        format!("give from 1 to {MOST_MOLECULES}"),
    ))
}

pub(super) fn run(table: &file::Run) -> Result<Run, Problem> {
    let choices = [BackendChoice::Auto, BackendChoice::Cpu, BackendChoice::Gpu];
    let backend = match &table.backend {
        Some(value) => choices[one_of(value, "run.backend", &["auto", "cpu", "gpu"])?],
        None => BackendChoice::Auto,
    };
    let precision = match &table.precision {
        Some(value) if one_of(value, "run.precision", &["mixed", "reference"])? == 1 => Precision::Reference,
        _ => Precision::Mixed,
    };
    if let (BackendChoice::Gpu, Precision::Reference, Some(value)) = (backend, precision, &table.precision) {
        return Err(Problem::new(
            &value.span(),
            "run.precision",
            "`reference` needs f64, which the GPU backend does without".to_owned(),
            "give `backend = \"cpu\"`, or `precision = \"mixed\"`",
        ));
    }
    if let (BackendChoice::Cpu, Some(device)) = (backend, &table.device) {
        return Err(Problem::new(
            &device.span(),
            "run.device",
            format!("`{}` is a GPU, but the backend is `cpu`", device.get_ref()),
            "give `backend = \"gpu\"`, or no device",
        ));
    }
    let force_accuracy = match &table.force_accuracy {
        None => 1e-4,
        Some(value) if (1e-12..=0.01).contains(value.get_ref()) => *value.get_ref(),
        Some(value) => {
            return Err(Problem::new(
                &value.span(),
                "run.force_accuracy",
                format!("{} is out of range", value.get_ref()),
                "give a relative force error from 1e-12 to 0.01, for example 1e-4",
            ));
        }
    };
    let threads = table.threads.as_ref().map(|v| integer(v, "run.threads", 1)).transpose()?;
    let minutes = |text: &str| text.strip_suffix("min").map(|n| format!("{n}s")).zip(Some(60.0));
    let checkpoint_every = match &table.checkpoint_every {
        None => 600.0,
        Some(value) => {
            // The minute is a unit of wall time only: physics has no use for it, and "min" could be a slip there.
            let (text, factor) =
                minutes(&value.get_ref().0).unwrap_or_else(|| (value.get_ref().0.clone(), 1.0));
            let span = value.span();
            let picoseconds = vitrion_core::units::parse_quantity(&text, Dimension::Time).ok();
            let seconds = picoseconds.map(|ps| ps * 1e-12 * factor);
            seconds.filter(|s| *s > 0.0 && *s < LONGEST_INTERVAL).ok_or_else(|| {
                Problem::new(
                    &span,
                    "run.checkpoint_every",
                    format!("\"{}\" is not a wall time above zero and below a year", value.get_ref().0),
                    "give for example \"10 min\" or \"30 s\"",
                )
            })?
        }
    };
    Ok(Run {
        backend,
        device: table.device.as_ref().map(|device| device.get_ref().clone()),
        precision,
        force_accuracy,
        threads: threads.map(|n| n as usize),
        checkpoint_every,
        velocities: table.velocities.unwrap_or(false),
    })
}

/// Index of the value among the allowed ones.
pub(super) fn one_of(value: &Spanned<String>, key: &str, allowed: &[&str]) -> Result<usize, Problem> {
    let found = value.get_ref().as_str();
    allowed.iter().position(|a| *a == found).ok_or_else(|| {
        let suggestion = closest(found, allowed).map_or(String::new(), |c| format!("did you mean `{c}`? "));
        let remedy = format!("{suggestion}allowed are {}", allowed.join(", "));
        Problem::new(&value.span(), key, format!("`{found}` is not known"), remedy)
    })
}
