//! When the frames of a dump were taken.

use std::cmp::Ordering;

use vitrion_trajectory::lammps_dump::{LammpsDump, Units};

use crate::clock::Clock;
use crate::error::AnalysisError;

/// LAMMPS writes times with 16 digits; other programs with six.
const TOLERANCE: f64 = 1e-5;

/// Times: `ITEM: TIME`; where the file has none, steps times `timestep` (ps), which the user gives, or else times the default of
/// LAMMPS. A time step that contradicts `ITEM: TIME` is refused where the unit of that is known, else it is taken.
pub(super) fn clock(
    dump: &LammpsDump,
    timestep: Option<f64>,
    label: &str,
    notes: &mut Vec<String>,
) -> Result<Clock, AnalysisError> {
    let steps = dump.steps();
    let own: Vec<(usize, f64)> =
        dump.times().into_iter().enumerate().filter_map(|(frame, time)| Some((frame, time?))).collect();
    let times: Vec<f64> = match timestep {
        Some(timestep) => {
            check(dump, timestep, &steps, &own, label, notes)?;
            steps.iter().map(|step| *step as f64 * timestep).collect()
        }
        None if own.len() == steps.len() => {
            if dump.units().is_none() {
                notes.push("times (`ITEM: TIME`) are taken for fs, as in units `real`".to_string());
            }
            own.iter().map(|(_, time)| *time).collect()
        }
        None if own.is_empty() => {
            let units = dump.units().unwrap_or(Units::Real);
            let timestep = units.default_timestep();
            notes.push(format!(
                "the dump does not say how long a step is: {} is assumed, the default of LAMMPS in units {}; give it with --timestep",
                femtoseconds(timestep),
                units.name()
            ));
            steps.iter().map(|step| *step as f64 * timestep).collect()
        }
        None => {
            let without = (0..steps.len()).find(|&frame| own.get(frame).is_none_or(|(at, _)| *at != frame));
            return Err(AnalysisError::input(
                label,
                format!(
                    "{} of its {} frames have a time (`ITEM: TIME`), frame {} has none",
                    own.len(),
                    steps.len(),
                    without.unwrap_or_default()
                ),
                "say how long a step is with --timestep",
            ));
        }
    };
    Clock::new(&steps, &times).map_err(|frame| {
        let now = steps[frame];
        // The first one cannot be earlier than another.
        let before = frame.checked_sub(1).map_or(i64::MIN, |frame| steps[frame]);
        let found = match now.cmp(&before) {
            Ordering::Equal if frame > 0 => {
                format!("frame {frame} is of step {now} like the frame before, but its atoms are elsewhere")
            }
            Ordering::Less => {
                format!("frame {frame} is of step {now}, the frame before of the later step {before}")
            }
            Ordering::Equal | Ordering::Greater => {
                format!(
                    "frame {frame} (step {now}) is not later than the one before, by `ITEM: TIME`, or too far from zero to be counted (2.3 s where times are not proportional to steps)"
                )
            }
        };
        AnalysisError::input(
            label,
            found,
            "give the frames of one run in the order of time: cut the file there, and remove what was computed twice; give --timestep if only the times are wrong",
        )
    })
}

/// Whether the times of the file are steps times `timestep`.
fn check(
    dump: &LammpsDump,
    timestep: f64,
    steps: &[i64],
    own: &[(usize, f64)],
    label: &str,
    notes: &mut Vec<String>,
) -> Result<(), AnalysisError> {
    let Some((&(first, start), rest)) = own.split_first() else { return Ok(()) };
    let contradiction = rest.iter().find(|(frame, time)| {
        let expected = (steps[*frame] - steps[first]) as f64 * timestep;
        (time - start - expected).abs() > TOLERANCE * expected.abs().max(timestep)
    });
    let Some(&(frame, time)) = contradiction else { return Ok(()) };
    let own = (time - start) / (steps[frame] - steps[first]) as f64;
    if let Some(units) = dump.units() {
        return Err(AnalysisError::input(
            label,
            format!(
                "its times (`ITEM: TIME`, frame {frame}) make a step of {} in units {}, --timestep says {}",
                femtoseconds(own),
                units.name(),
                femtoseconds(timestep)
            ),
            "leave --timestep out, or remove `ITEM: TIME` from the file if that is wrong",
        ));
    }
    notes.push(format!(
        "the dump's times (`ITEM: TIME`) advance by {} a step, in a unit that it does not name: --timestep is taken, {}",
        digits(own / Units::Real.time()),
        femtoseconds(timestep)
    ));
    Ok(())
}

fn femtoseconds(time: f64) -> String {
    format!("{} fs", digits(time * 1e3))
}

/// Nine digits behind the point, without the round-off behind them.
fn digits(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}
