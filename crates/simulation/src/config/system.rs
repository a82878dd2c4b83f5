//! The tables `[system]` and `[run]`.

use std::path::{Path, PathBuf};

use toml::Spanned;
use vitrion_core::cell::Cell;
use vitrion_core::cpu::Precision;
use vitrion_core::units::Dimension;

use super::error::{Problem, closest};
use super::{BackendChoice, Room, Run, Start, System, file, integer, positive};
use crate::run::is_run;
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
    if let Some(path) = named_or_copy(directory, name, "force_field.toml") {
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
    let makes = [
        system.molecules.as_ref().map(Spanned::span),
        system.formula_units.as_ref().map(Spanned::span),
        system.density.as_ref().map(Spanned::span),
        system.cell.as_ref().map(Spanned::span),
        system.cell_angles.as_ref().map(Spanned::span),
    ];
    match (&system.initial, &system.molecules) {
        (None, Some(molecules)) => Ok(Start::Melt {
            molecules: composition(molecules, system.formula_units.as_ref())?,
            room: room(system, molecules)?,
        }),
        (Some(initial), None) if makes.iter().all(Option::is_none) => initial_file(directory, initial),
        (Some(initial), _) => Err(Problem::new(
            &initial.span(),
            "system.initial",
            "a start from a file fixes molecules, density and cell",
            "remove `molecules`, `formula_units`, `density`, `cell` and `cell_angles`, or `initial`",
        )),
        (None, None) => match makes.into_iter().flatten().next() {
            Some(span) => Err(Problem::new(
                &span,
                "system.molecules",
                "there are no molecules",
                "add `molecules`, for example { nitrate = 504, K = 216, Ca = 144 }",
            )),
            None => Err(Problem::new(
                &table.span(),
                "system",
                "nothing says what to simulate",
                "give `molecules` with `density` or `cell`, or `initial`",
            )),
        },
    }
}

/// The file of the first state.
fn initial_file(directory: &Path, initial: &Spanned<String>) -> Result<Start, Problem> {
    named_or_copy(directory, initial.get_ref(), "initial.data").map(Start::File).ok_or_else(|| {
        let finding = format!("there is no file `{}`", directory.join(initial.get_ref()).display());
        let remedy = "give the path of a LAMMPS data file relative to this configuration";
        Problem::new(&initial.span(), "system.initial", finding, remedy)
    })
}

/// The file that a configuration in `directory` names or, if that is not there but `directory` is that of a run, the run's
/// copy: so a run directory can be moved and gone on with.
fn named_or_copy(directory: &Path, name: &str, copy: &str) -> Option<PathBuf> {
    let copy = directory.join(copy);
    let named = Some(directory.join(name)).filter(|path| path.is_file());
    named.or_else(|| Some(copy).filter(|copy| is_run(directory) && copy.is_file()))
}

fn room(system: &file::System, molecules: &Spanned<Composition>) -> Result<Room, Problem> {
    match (&system.density, &system.cell, &system.cell_angles) {
        (Some(density), None, None) => {
            Ok(Room::Density(positive(density, "system.density", Dimension::Density)?))
        }
        (None, Some(edges), angles) => cell(edges, angles.as_ref()),
        (Some(density), Some(_), _) => Err(Problem::new(
            &density.span(),
            "system.density",
            "the cell fixes the density",
            "remove `density` or `cell`",
        )),
        (_, None, Some(angles)) => Err(Problem::new(
            &angles.span(),
            "system.cell_angles",
            "there are no edges that the angles are between",
            "add `cell`, for example [\"34 angstrom\", \"34 angstrom\", \"40 angstrom\"]",
        )),
        (None, None, None) => Err(Problem::new(
            &molecules.span(),
            "system.molecules",
            "there is no density",
            "add `density`, for example \"1.95 g/cm^3\", or `cell`",
        )),
    }
}

/// The cell of three edge lengths a, b, c and the angles between b and c, c and a, a and b.
fn cell(edges: &Spanned<file::Texts>, angles: Option<&Spanned<file::Texts>>) -> Result<Room, Problem> {
    let edge_lengths = three(
        edges,
        "system.cell",
        Dimension::Length,
        "[\"34 angstrom\", \"34 angstrom\", \"40 angstrom\"]",
    )?;
    let right = [std::f64::consts::FRAC_PI_2; 3];
    let between = angles.map_or(Ok(right), |angles| {
        three(angles, "system.cell_angles", Dimension::Angle, "[\"90 deg\", \"90 deg\", \"60 deg\"]")
    })?;
    Cell::from_lengths_and_angles(edge_lengths, between).map(Room::Cell).map_err(|_| {
        let (span, key) = match angles {
            Some(angles) => (angles.span(), "system.cell_angles"),
            None => (edges.span(), "system.cell"),
        };
        Problem::new(
            &span,
            key,
            "these edges span no volume",
            "give finite edges, and angles of which each is less than the sum of the other two, all together below 360 deg",
        )
    })
}

/// Three quantities above zero.
fn three(
    value: &Spanned<file::Texts>,
    key: &str,
    dimension: Dimension,
    example: &str,
) -> Result<[f64; 3], Problem> {
    let texts = &value.get_ref().0;
    let numbers = texts
        .iter()
        .map(|text| positive(&Spanned::new(value.span(), file::Text(text.clone())), key, dimension))
        .collect::<Result<Vec<_>, _>>()?;
    <[f64; 3]>::try_from(numbers).map_err(|numbers| {
        let finding = format!("there are {} values where three are needed", numbers.len());
        Problem::new(&value.span(), key, finding, format!("give for example {example}"))
    })
}

/// Kinds of molecules, and how many of each.
type Composition = toml::map::Map<String, toml::Value>;

/// Numbers of molecules: as given, or those of a formula times the number of its units.
fn composition(
    molecules: &Spanned<Composition>,
    formula_units: Option<&Spanned<i64>>,
) -> Result<Vec<(String, usize)>, Problem> {
    let units = formula_units.map(|value| integer(value, "system.formula_units", 1)).transpose()?;
    let mut counts = Vec::new();
    let mut total = 0usize;
    for (kind, value) in molecules.get_ref() {
        let number = match units {
            None => number_of_molecules(value),
            Some(units) => number_in_formula_units(value, units),
        }
        .map_err(|(finding, remedy)| {
            Problem::new(&molecules.span(), "system.molecules", format!("{kind} = {value} {finding}"), remedy)
        })?;
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

fn number_of_molecules(value: &toml::Value) -> Result<usize, (String, String)> {
    let number = value.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    number.ok_or_else(|| {
        let remedy =
            "give an integer above zero, or `formula_units` with the numbers of a formula such as 1.4";
        ("is not a number of molecules".to_owned(), remedy.to_owned())
    })
}

/// The formula's number times `units`, which must be whole: 0.6 x 360 is, in decimals, though not in binary.
fn number_in_formula_units(value: &toml::Value, units: u64) -> Result<usize, (String, String)> {
    let number = value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
    let Some(number) = number.filter(|n| *n > 0.0 && n.is_finite()) else {
        return Err((
            "is not a number of a formula".to_owned(),
            "give a number above zero, such as 1.4".to_owned(),
        ));
    };
    let molecules = number * units as f64;
    // A decimal number has an error of 2^-53 of itself, and so has the product.
    if molecules >= 1.0 && (molecules - molecules.round()).abs() <= 4.0 * f64::EPSILON * molecules {
        return Ok(molecules.round() as usize);
    }
    Err((
        format!(
            "in {units} formula units is {} molecules, not a whole number",
            (molecules * 1e6).round() / 1e6
        ),
        "change `formula_units` so that all are whole".to_owned(),
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
