//! Steps and times of the stages, and how fast they pass.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::Config;

/// First steps and start times of the stages.
pub(super) struct Clock {
    /// First step, start time (ps) and time step (ps) of each stage, and of the end.
    stages: Vec<(u64, f64, f64)>,
}

impl Clock {
    pub fn new(config: &Config, first_step: u64) -> Self {
        let (mut step, mut time) = (first_step, 0.0);
        let mut stages = Vec::with_capacity(config.stages.len() + 1);
        for stage in &config.stages {
            stages.push((step, time, stage.timestep()));
            step += stage.steps();
            time += stage.steps() as f64 * stage.timestep();
        }
        stages.push((step, time, 0.0));
        Self { stages }
    }

    /// Step at which a stage begins; the end of the run for the number of stages.
    pub fn first_step(&self, stage: usize) -> u64 {
        self.stages[stage].0
    }

    /// Time (ps) of a step within a stage: from the integer step, so that no error accumulates.
    pub fn time(&self, stage: usize, step: u64) -> f64 {
        let (first, start, timestep) = self.stages[stage];
        start + (step - first) as f64 * timestep
    }
}

/// Speed over the last few seconds, and how many steps are worth doing in one go.
pub(super) struct Meter {
    marks: VecDeque<(Instant, u64)>,
    reported: Instant,
    chunk: u64,
}

/// The stop flag is looked at, and progress reported, about so often.
const CHUNK_SECONDS: f64 = 0.2;
const MEMORY: Duration = Duration::from_secs(5);

impl Meter {
    pub fn new(step: u64) -> Self {
        let now = Instant::now();
        Self { marks: VecDeque::from([(now, step)]), reported: now, chunk: 1 }
    }

    /// Steps to do before the next look at the stop flag.
    pub fn chunk(&self) -> u64 {
        self.chunk
    }

    /// `steps` were done since `begin`, and `step` is reached.
    pub fn record(&mut self, begin: Instant, steps: u64, step: u64) {
        let now = Instant::now();
        let per_step = (now - begin).as_secs_f64() / steps.max(1) as f64;
        // Doubling at most: a first measurement may be far off.
        self.chunk = ((CHUNK_SECONDS / per_step.max(1e-9)) as u64).clamp(1, (2 * self.chunk).min(100_000));
        self.marks.push_back((now, step));
        while self.marks.len() > 2 && now - self.marks[0].0 > MEMORY {
            self.marks.pop_front();
        }
    }

    /// Steps a second.
    pub fn speed(&self) -> f64 {
        match (self.marks.front(), self.marks.back()) {
            (Some((begin, first)), Some((end, last))) if end > begin => {
                last.saturating_sub(*first) as f64 / (*end - *begin).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// Whether it is time for a report; true about four times a second.
    pub fn due(&mut self) -> bool {
        let due = self.reported.elapsed() >= Duration::from_millis(250);
        if due {
            self.reported = Instant::now();
        }
        due
    }
}
