//! Steps and times of frames: as the file has them, as the user says, or as is assumed and noted.

use std::path::Path;

use super::H5mdError;
use super::moments::Clock;
use super::source::{Element, Source};
use super::units;

/// What is assumed of a step where nobody says (ps): 1 fs, as for dumps.
const FEMTOSECOND: f64 = 1e-3;
/// A step longer than this (ps) is none of molecular dynamics: the times are rather in fs.
const LONGEST_STEP: f64 = 0.1;
/// Times of the file and of the user agree up to this share: f32, and time steps that are rounded.
const SAME: f64 = 1e-3;

/// When frames were taken.
pub(super) struct Timing {
    steps: Option<Clock>,
    /// As the file has them (ps).
    own: Option<Clock>,
    /// ps; none where they follow from the steps.
    times: Option<Clock>,
    timestep: f64,
    /// From the file's unit of time to ps.
    pub scale: f64,
    /// The file's unit of time.
    pub unit: Option<String>,
    /// Path of the positions' times within the file.
    place: String,
    pub notes: Vec<String>,
}

impl Timing {
    /// From the moments of the positions.
    pub fn new(source: &Source, position: &Element) -> Result<Self, H5mdError> {
        let place = source.name("position/time");
        let unit = position.time_unit.clone();
        let scale = source.scale(&place, unit.clone(), units::TIME)?.unwrap_or(1.0);
        let (steps, own) = (position.moments.steps.clone(), position.moments.times.clone());
        Ok(Self { steps, times: None, own, timestep: FEMTOSECOND, scale, unit, place, notes: Vec::new() })
    }

    /// Chooses the times of `frames` frames, and says what is assumed. `timestep` (ps) is what the user says.
    pub fn settle(&mut self, path: &Path, frames: usize, timestep: Option<f64>) {
        self.notes.clear();
        let several = frames > 1;
        if several && self.steps.is_none() && (self.own.is_none() || timestep.is_some()) {
            self.notes.push("the file has no steps: its frames are counted as steps".to_string());
        }
        match (timestep, &self.own) {
            (Some(timestep), own) => {
                self.timestep = timestep;
                self.times = None;
                if let (true, Some(own), Some(_)) = (several, own, &self.unit) {
                    let said = own.at(frames - 1) - own.at(0);
                    let asked = (self.step(frames - 1) - self.step(0)) as f64 * timestep;
                    if (said - asked).abs() > SAME * said.abs() {
                        self.notes.push(format!(
                            "{}: --timestep makes it {} ps from the first frame to the last, the file says {} ps; the time \
                             step is taken",
                            path.display(),
                            plain(asked),
                            plain(said)
                        ));
                    }
                }
            }
            (None, Some(own)) => {
                self.times = Some(own.clone());
                if several && self.unit.is_none() {
                    self.notes.push(self.without_unit(own, frames));
                }
            }
            (None, None) => {
                self.times = None;
                if several {
                    self.notes.push(
                        "the file does not say how long a step is: 1 fs is assumed; give it with --timestep"
                            .to_string(),
                    );
                }
            }
        }
    }

    /// The unit of time (ps) of velocities that name none: that of the file's times; where these have none either, what the user's time step
    /// makes of it, as far as the first and the last of `frames` frames tell, else 1.
    pub fn unit_of_velocities(&self, frames: usize) -> f64 {
        let (None, None, Some(own), Some(last)) = (&self.unit, &self.times, &self.own, frames.checked_sub(1))
        else {
            return self.scale;
        };
        let from_first = (self.step(last) - self.step(0), own.at(last) - own.at(0));
        // One frame: since the beginning of the run.
        let (steps, times) = if last > 0 { from_first } else { (self.step(0), own.at(0)) };
        let unit = steps as f64 * self.timestep / times;
        if unit.is_finite() && unit > 0.0 { unit } else { self.scale }
    }

    fn without_unit(&self, times: &Clock, frames: usize) -> String {
        let steps = (self.step(frames - 1) - self.step(0)) as f64;
        let step = plain((times.at(frames - 1) - times.at(0)) / steps);
        let place = &self.place;
        if self.steps.is_some() && step > LONGEST_STEP {
            return format!(
                "{place} has no unit: ps is assumed, which makes a step {step} ps long; if it is fs, as LAMMPS writes in \
                 `units real`, give --timestep \"{step} fs\""
            );
        }
        format!(
            "{place} has no unit: ps is assumed; if that is not so, give the length of a step with --timestep"
        )
    }

    /// Step of a frame; its number where there are no steps.
    pub fn step(&self, frame: usize) -> i64 {
        self.steps.as_ref().map_or(frame as u64 as f64, |steps| steps.at(frame)).round() as i64
    }

    /// Time of a frame (ps).
    pub fn time(&self, frame: usize) -> f64 {
        self.times.as_ref().map_or_else(|| self.step(frame) as f64 * self.timestep, |times| times.at(frame))
    }
}

/// Without the digits that arithmetic leaves.
pub(super) fn plain(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}
