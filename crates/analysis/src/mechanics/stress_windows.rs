//! Window means of the stress of ions, as runs write them (`ion_stress` of a stage).
//!
//! Memory: one window.

use glam::DVec3;
use vitrion_trajectory::h5md::TrajectoryReader;

use crate::heterogeneity::spans::Spans;
use crate::heterogeneity::windows::{Stored, whole_ratio};
use crate::inputs::{Inputs, Trajectory};
use crate::observable::Missing;

/// Windows of all trajectories.
pub struct StressWindows {
    /// Length of a window as the files hold it (ps).
    pub window: f64,
    trajectories: Vec<TrajectoryStress>,
    /// Windows of the files in one of the analysis.
    merged: usize,
}

struct TrajectoryStress {
    reader: TrajectoryReader,
    stage: String,
    label: String,
    count: usize,
    /// Time at which the first one begins (ps).
    start: f64,
    /// The file's windows before the first one of the analysis.
    offset: usize,
}

fn unreadable(error: impl std::fmt::Display) -> Missing {
    Missing::because(format!("the stress of ions cannot be read: {error}"))
}

impl StressWindows {
    /// Those of all trajectories, or why there are none.
    pub fn new(inputs: &Inputs) -> Result<Self, Missing> {
        let mut window: Option<f64> = None;
        let mut trajectories = Vec::new();
        for trajectory in &inputs.trajectories {
            let (found, own) = open(&**trajectory)?;
            let common = *window.get_or_insert(own);
            if whole_ratio(own, common) != Some(1) {
                return Err(Missing::because(format!(
                    "{}: its windows of stress are {own} ps long, others {common} ps: analyse them one by one",
                    found.label
                )));
            }
            trajectories.push(found);
        }
        let window = window.ok_or_else(|| Missing::because("there is no trajectory"))?;
        Ok(Self { window, trajectories, merged: 1 })
    }

    /// Joins windows to those in which jumps were found, which must begin with them.
    pub fn fit_to(&mut self, spans: &Spans) -> Result<(), Missing> {
        let wanted = spans.windows.window;
        self.merged = whole_ratio(wanted, self.window).ok_or_else(|| {
            Missing::because(format!(
                "jumps were found on windows of {wanted} ps, and the stress of ions was averaged over {} ps: choose a multiple of that \
                 with --jump-window",
                self.window
            ))
        })?;
        for (stress, windows) in self.trajectories.iter_mut().zip(&spans.windows.trajectories) {
            // The nearest: windows that are made from frames lie half the interval of the frames beside those of the run.
            let whole = ((windows.start - stress.start) / self.window).round();
            if whole < 0.0 {
                return Err(Missing::because(format!(
                    "{}: the windows of its stress begin at {} ps, later than those of its jumps at {} ps",
                    stress.label, stress.start, windows.start
                )));
            }
            stress.offset = whole as usize;
        }
        Ok(())
    }

    /// How many windows of the analysis a trajectory has.
    pub fn count(&self, trajectory: usize) -> usize {
        let stress = &self.trajectories[trajectory];
        stress.count.saturating_sub(stress.offset) / self.merged
    }

    /// Shear stress of each ion in window k of the analysis: xy, xz, yz (u A^2/ps^2).
    pub fn shear(&self, trajectory: usize, k: usize) -> Result<Vec<DVec3>, Missing> {
        let stress = &self.trajectories[trajectory];
        let mut sum: Vec<DVec3> = Vec::new();
        for window in 0..self.merged {
            let index = stress.offset + k * self.merged + window;
            let part = stress.reader.ion_stress(&stress.stage, index).map_err(unreadable)?;
            sum.resize(part.len(), DVec3::ZERO);
            for (sum, [_, _, _, xy, xz, yz]) in sum.iter_mut().zip(part) {
                *sum += DVec3::new(xy, xz, yz) / self.merged as f64;
            }
        }
        if sum.iter().any(|s| !s.is_finite()) {
            return Err(Missing::because(format!(
                "{}: window {k} of the stress of ions holds numbers that are not finite",
                stress.label
            )));
        }
        Ok(sum)
    }
}

fn open(trajectory: &dyn Trajectory) -> Result<(TrajectoryStress, f64), Missing> {
    let label = trajectory.label();
    let (Some(frames), Some(stage)) = (trajectory.h5md(), trajectory.stage()) else {
        return Err(Missing::because(format!(
            "{label} holds no stress of single ions: only runs of vitrion with `ion_stress` do"
        )));
    };
    if !stage.ion_stress {
        return Err(Missing::because(format!(
            "{label}: stage {} holds no stress of single ions; give it `ion_stress = {{ window = ..., sample_every = ... }}`",
            stage.name
        )));
    }
    let steps = frames.ion_stress_steps(&stage.name).map_err(unreadable)?;
    let Some(Stored { window, start, count }) = Stored::new(&steps, frames, stage, &label)? else {
        return Err(Missing::because(format!(
            "{label}: stage {} is not long enough for a window of stress",
            stage.name
        )));
    };
    let stress = TrajectoryStress {
        reader: TrajectoryReader::open(trajectory.path()).map_err(unreadable)?,
        stage: stage.name.clone(),
        count,
        start,
        offset: 0,
        label,
    };
    Ok((stress, window))
}
