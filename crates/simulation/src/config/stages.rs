//! The tables `[[stage]]`.

use toml::Spanned;
use vitrion_core::backend::{Ensemble, Window};
use vitrion_core::units::{Dimension, format_quantity, parse_quantity};

use super::error::Problem;
use super::system::one_of;
use super::{Motion, Outputs, Stage, StageKind, StressCorrelator, file, integer, positive, quantity};
use crate::schedule::Schedule;

/// Steps of a stage are bounded so that sums over stages fit 63 bits.
const MOST_STEPS: f64 = 1e15;

pub(super) fn stages(
    tables: &[Spanned<file::Stage>],
    replicas: usize,
    from_file: bool,
) -> Result<Vec<Stage>, Problem> {
    if tables.is_empty() {
        return Err(Problem::new(
            &(0..0),
            "stage",
            "there is no stage",
            "add a table [[stage]] with `name`, `kind` and `duration`",
        ));
    }
    let mut stages: Vec<Stage> = Vec::new();
    for table in tables {
        let name = &table.get_ref().name;
        check_name(name, &stages)?;
        // Velocities are drawn before a stage that follows none, or a minimisation.
        let starts = match stages.last() {
            None => !from_file,
            Some(previous) => previous.motion().is_none(),
        };
        stages.push(stage(table, replicas, starts)?);
    }
    Ok(stages)
}

fn check_name(name: &Spanned<String>, earlier: &[Stage]) -> Result<(), Problem> {
    let text = name.get_ref();
    let valid = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_+. ".contains(c));
    let problem = |finding: String, remedy: &str| Problem::new(&name.span(), "stage.name", finding, remedy);
    if !valid || text == "." || text == ".." {
        let finding = format!("`{text}` cannot name a stage");
        return Err(problem(finding, "use letters, digits, spaces and -_+."));
    }
    if earlier.iter().any(|s| s.name == *text) {
        return Err(problem(format!("two stages are called `{text}`"), "give each stage a name of its own"));
    }
    Ok(())
}

fn stage(table: &Spanned<file::Stage>, replicas: usize, starts: bool) -> Result<Stage, Problem> {
    let raw = table.get_ref();
    let kind = one_of(&raw.kind, "stage.kind", &["minimize", "npt", "nvt", "nve"])?;
    let name = raw.name.get_ref().clone();
    check_keys(raw, kind)?;
    if kind == 0 {
        let max_steps = raw.max_steps.as_ref().map_or(Ok(5000), |v| integer(v, "stage.max_steps", 1))?;
        let force_tolerance = match &raw.force_tolerance {
            Some(value) => positive(value, "stage.force_tolerance", Dimension::Force)?,
            // 10 kcal/mol/angstrom, below the RMS force of the melt: enough for dynamics to begin.
            None => 4184.0,
        };
        let kind = StageKind::Minimize { max_steps, force_tolerance };
        return Ok(Stage { name, kind, outputs: Outputs::default() });
    }
    let ensemble = [Ensemble::Npt, Ensemble::Nvt, Ensemble::Nve][kind - 1];
    let motion = motion(table, ensemble, replicas, starts)?;
    let outputs = outputs(raw, &motion)?;
    Ok(Stage { name, kind: StageKind::Dynamics(motion), outputs })
}

/// Keys that have no meaning in a kind of stage.
fn check_keys(raw: &file::Stage, kind: usize) -> Result<(), Problem> {
    let span = |s: Option<std::ops::Range<usize>>, key: &'static str| s.map(|s| (s, key));
    let dynamics = [
        span(raw.duration.as_ref().map(Spanned::span), "duration"),
        span(raw.timestep.as_ref().map(Spanned::span), "timestep"),
        span(raw.temperature.as_ref().map(Spanned::span), "temperature"),
        span(raw.frames.as_ref().map(Spanned::span), "frames"),
        span(raw.thermo.as_ref().map(Spanned::span), "thermo"),
        span(raw.window_means.as_ref().map(Spanned::span), "window_means"),
        span(raw.ion_stress.as_ref().map(Spanned::span), "ion_stress"),
        span(raw.stress_correlator.as_ref().map(Spanned::span), "stress_correlator"),
    ];
    let thermostat = [
        span(raw.temperature_rate.as_ref().map(Spanned::span), "temperature_rate"),
        span(raw.thermostat_period.as_ref().map(Spanned::span), "thermostat_period"),
    ];
    let barostat = [
        span(raw.pressure.as_ref().map(Spanned::span), "pressure"),
        span(raw.pressure_rate.as_ref().map(Spanned::span), "pressure_rate"),
        span(raw.barostat_period.as_ref().map(Spanned::span), "barostat_period"),
    ];
    let minimize = [
        span(raw.max_steps.as_ref().map(Spanned::span), "max_steps"),
        span(raw.force_tolerance.as_ref().map(Spanned::span), "force_tolerance"),
    ];
    let misplaced = dynamics
        .into_iter()
        .filter(|_| kind == 0)
        .chain(thermostat.into_iter().filter(|_| kind == 0 || kind == 3))
        .chain(barostat.into_iter().filter(|_| kind != 1))
        .chain(minimize.into_iter().filter(|_| kind != 0))
        .flatten()
        .next();
    let Some((at, key)) = misplaced else { return Ok(()) };
    let found = raw.kind.get_ref();
    Err(Problem::new(
        &at,
        format!("stage.{key}"),
        format!("a stage of kind `{found}` has no `{key}`"),
        "remove it, or change `kind`",
    ))
}

fn motion(
    table: &Spanned<file::Stage>,
    ensemble: Ensemble,
    replicas: usize,
    starts: bool,
) -> Result<Motion, Problem> {
    let raw = table.get_ref();
    let missing = |key: &str, example: &str| {
        let finding = format!("stage `{}` has no `{key}`", raw.name.get_ref());
        Problem::new(
            &raw.name.span(),
            format!("stage.{key}"),
            finding,
            format!("add it, for example {example}"),
        )
    };
    let time_step = raw.timestep.as_ref().ok_or_else(|| missing("timestep", "timestep = \"4 fs\""))?;
    let timestep = positive(time_step, "stage.timestep", Dimension::Time)?;
    let duration = raw.duration.as_ref().ok_or_else(|| missing("duration", "duration = \"1 ns\""))?;
    let steps = whole_steps(duration, "stage.duration", timestep)?;
    let thermostatted = ensemble != Ensemble::Nve;
    let temperature = match &raw.temperature {
        Some(values) => per_replica(values, "stage.temperature", Dimension::Temperature, replicas)?,
        None if thermostatted || starts => return Err(missing("temperature", "temperature = \"700 K\"")),
        None => Vec::new(),
    };
    if let (Some(low), Some(values)) = (temperature.iter().copied().find(|t| *t <= 0.0), &raw.temperature) {
        let finding = format!("{low} K is not above zero");
        return Err(Problem::new(
            &values.span(),
            "stage.temperature",
            finding,
            "give a temperature above 0 K",
        ));
    }
    let rate = |value: &Option<Spanned<file::Text>>, key: &str, dimension: Dimension| {
        value.as_ref().map_or(Ok(0.0), |v| quantity(v, key, dimension))
    };
    let temperature_rate = rate(&raw.temperature_rate, "stage.temperature_rate", Dimension::TemperatureRate)?;
    let end = temperature_rate * steps as f64 * timestep;
    if let (Some(value), Some(low)) =
        (&raw.temperature_rate, temperature.iter().copied().find(|t| t + end <= 0.0))
    {
        let finding = format!("the ramp ends at {:.6} K", low + end);
        let remedy = "the temperature must stay above 0 K: shorten `duration` or use a smaller rate";
        return Err(Problem::new(&value.span(), "stage.temperature_rate", finding, remedy));
    }
    let pressure = match (&raw.pressure, ensemble) {
        (Some(values), _) => per_replica(values, "stage.pressure", Dimension::Pressure, replicas)?,
        (None, Ensemble::Npt) => return Err(missing("pressure", "pressure = \"1 atm\"")),
        (None, _) => Vec::new(),
    };
    let period = |value: &Option<Spanned<file::Text>>, key: &str, default: f64| {
        let Some(value) = value else { return Ok(default) };
        let period = positive(value, key, Dimension::Time)?;
        if period >= 10.0 * timestep {
            return Ok(period);
        }
        let finding = format!("\"{}\" is less than ten time steps", value.get_ref().0);
        Err(Problem::new(&value.span(), key, finding, "give at least ten time steps, better a hundred"))
    };
    Ok(Motion {
        ensemble,
        steps,
        timestep,
        temperature,
        temperature_rate,
        pressure,
        pressure_rate: rate(&raw.pressure_rate, "stage.pressure_rate", Dimension::PressureRate)?,
        thermostat_period: period(&raw.thermostat_period, "stage.thermostat_period", 0.4)?,
        barostat_period: period(&raw.barostat_period, "stage.barostat_period", 4.0)?,
    })
}

/// One value for all replicas, or one a replica.
fn per_replica(
    values: &Spanned<file::Texts>,
    key: &str,
    dimension: Dimension,
    replicas: usize,
) -> Result<Vec<f64>, Problem> {
    let texts = &values.get_ref().0;
    let numbers = texts
        .iter()
        .map(|text| {
            parse_quantity(text, dimension).map_err(|error| {
                let text = error.to_string();
                let (finding, remedy) = text.rsplit_once("; ").unwrap_or((&text, "correct the unit"));
                Problem::new(&values.span(), key, finding, remedy)
            })
        })
        .collect::<Result<Vec<f64>, Problem>>()?;
    match numbers.len() {
        1 => Ok(vec![numbers[0]; replicas]),
        n if n == replicas => Ok(numbers),
        n => Err(Problem::new(
            &values.span(),
            key,
            format!("there are {n} values for {replicas} replicas"),
            "give one value for all replicas, or one a replica",
        )),
    }
}

/// A time as a number of steps, at least one.
fn whole_steps(value: &Spanned<file::Text>, key: &str, timestep: f64) -> Result<u64, Problem> {
    let time = positive(value, key, Dimension::Time)?;
    steps_of(&value.get_ref().0, time, timestep)
        .map_err(|(finding, remedy)| Problem::new(&value.span(), key, finding, remedy))
}

/// The number of steps in a time (ps) that `text` says; else what was found, and what to do.
pub(super) fn steps_of(text: &str, time: f64, timestep: f64) -> Result<u64, (String, String)> {
    let quotient = time / timestep;
    if quotient > MOST_STEPS {
        let finding = format!("\"{text}\" is {quotient:.3e} steps");
        return Err((finding, "give at most 1e15 steps".to_owned()));
    }
    let steps = quotient.round();
    // Decimal texts such as "0.1 ps" and "4 fs" have no exact binary form: a few units of round-off in the quotient.
    if steps >= 1.0 && (quotient - steps).abs() <= 1e-9 + 1e-14 * quotient {
        return Ok(steps as u64);
    }
    let near = format_quantity(steps.max(1.0) * timestep, Dimension::Time);
    let step = format_quantity(timestep, Dimension::Time);
    Err((
        format!("\"{text}\" is not a multiple of the time step, {step}"),
        format!("the nearest multiple is \"{near}\""),
    ))
}

fn outputs(raw: &file::Stage, motion: &Motion) -> Result<Outputs, Problem> {
    let steps = |value: &Spanned<file::Text>, key: &str| {
        let n = whole_steps(value, key, motion.timestep)?;
        if n <= motion.steps {
            return Ok(n);
        }
        let finding = format!("\"{}\" is longer than the stage", value.get_ref().0);
        Err(Problem::new(&value.span(), key, finding, "give at most its `duration`"))
    };
    let frames = match raw.frames.as_ref().map(|f| (f, &f.get_ref().every, &f.get_ref().log_block)) {
        None => None,
        Some((_, Some(every), None)) => Some(Schedule::Linear { every: steps(every, "stage.frames.every")? }),
        Some((_, None, Some(block))) => {
            Some(Schedule::LogBlock { block: steps(block, "stage.frames.log_block")? })
        }
        Some((table, ..)) => {
            let remedy = "give one of `every` and `log_block`, for example { every = \"1 ps\" }";
            let finding = "exactly one schedule is needed";
            return Err(Problem::new(&table.span(), "stage.frames", finding, remedy));
        }
    };
    let thermo = raw.thermo.as_ref().map(|t| steps(&t.get_ref().every, "stage.thermo.every")).transpose()?;
    let windows = |raw: &Option<Spanned<file::WindowMeans>>, key: &str| {
        raw.as_ref().map(|w| window(w.get_ref(), key, &steps)).transpose()
    };
    let window = windows(&raw.window_means, "stage.window_means")?;
    let ion_stress = windows(&raw.ion_stress, "stage.ion_stress")?;
    let stress = raw.stress_correlator.as_ref().map(|s| stress(s, &steps)).transpose()?;
    Ok(Outputs { frames, thermo, window, ion_stress, stress })
}

type Steps<'a> = &'a dyn Fn(&Spanned<file::Text>, &str) -> Result<u64, Problem>;

fn window(raw: &file::WindowMeans, key: &str, steps: Steps) -> Result<Window, Problem> {
    let length = steps(&raw.window, &format!("{key}.window"))?;
    let sample_every = steps(&raw.sample_every, &format!("{key}.sample_every"))?;
    if length.is_multiple_of(sample_every) {
        return Ok(Window { sample_every, samples: length / sample_every });
    }
    Err(Problem::new(
        &raw.window.span(),
        format!("{key}.window"),
        format!("{length} steps are not a multiple of the {sample_every} steps between samples"),
        "make `window` a multiple of `sample_every`",
    ))
}

fn stress(table: &Spanned<file::StressCorrelator>, steps: Steps) -> Result<StressCorrelator, Problem> {
    let raw = table.get_ref();
    let number = |value: &Option<Spanned<i64>>, key: &str, default: u64| {
        value.as_ref().map_or(Ok(default), |v| integer(v, key, 1)).map(|n| n as usize)
    };
    let correlator = StressCorrelator {
        every: steps(&raw.sample_every, "stage.stress_correlator.sample_every")?,
        points: number(&raw.points, "stage.stress_correlator.points", 16)?,
        averaging: number(&raw.averaging, "stage.stress_correlator.averaging", 2)?,
        levels: number(&raw.levels, "stage.stress_correlator.levels", 32)?,
    };
    if let Err(error) = correlator.build() {
        let text = error.to_string();
        let (finding, remedy) = text.split_once(": ").unwrap_or((&text, "change it"));
        return Err(Problem::new(&table.span(), "stage.stress_correlator", finding, remedy));
    }
    Ok(correlator)
}
