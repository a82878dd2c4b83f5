//! What a run keeps to go on bit for bit.

use serde::{Deserialize, Serialize};
use vitrion_core::backend::{BackendCheckpoint, Thermo};
use vitrion_core::observe::ion_stress::IonStressMeans;
use vitrion_core::observe::multi_tau::StressCorrelator;
use vitrion_core::units::{ATMOSPHERE, GRAM_PER_CUBIC_CENTIMETRE};
use vitrion_trajectory::h5md::Counts;

use super::engine::thermo_interval;
use crate::config::Config;

/// Payload of a checkpoint file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunCheckpoint {
    /// Step at which the run began.
    pub first_step: u64,
    /// Stage in progress, or to begin.
    pub stage: usize,
    /// Whether it has begun.
    pub begun: bool,
    /// The backend.
    pub backend: BackendCheckpoint,
    /// Rows of each trajectory.
    pub counts: Vec<Counts>,
    /// What the stage has accumulated.
    pub records: Records,
    /// Force error measured at the start of the run.
    pub measured_force_error: Option<f64>,
    /// Lattice-sum parameters in words.
    pub electrostatics: String,
}

impl RunCheckpoint {
    /// What the run would have kept here if it had been begun as long as `config` says; `before` is the configuration that it was
    /// written with, whose last stage is shorter.
    ///
    /// The end of the last stage becomes a moment within it: everything that it accumulates is still there, and the stress correlation
    /// that it wrote belongs to its new end.
    pub fn extend(&mut self, config: &Config, before: &Config) {
        let (Some(stage), Some(shorter)) = (config.stages.last(), before.stages.last()) else { return };
        let last = config.stages.len() - 1;
        if self.stage > last {
            self.stage = last;
            self.begun = true;
            for counts in &mut self.counts {
                counts.stress_correlations.remove(&stage.name);
            }
        }
        if self.stage == last && self.begun {
            self.records.means.rescale(thermo_interval(shorter), thermo_interval(stage));
        }
    }
}

/// What a stage accumulates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Records {
    /// One a replica, if the stage correlates its stress.
    pub correlators: Vec<StressCorrelator>,
    /// The window in progress, if the stage takes the stress of ions.
    pub ion_stress: Option<IonStressMeans>,
    /// Step of the last frame of the run.
    pub last_frame: Option<u64>,
    /// Step of the last row of thermo of the run.
    pub last_thermo: Option<u64>,
    /// Conserved quantity at the start of the stage, one a replica.
    pub conserved_start: Vec<f64>,
    /// Sums over thermo samples.
    pub means: Means,
}

/// Running means over samples and replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Means {
    samples: u64,
    temperature: f64,
    pressure: f64,
    density: f64,
}

impl Means {
    /// Adds a sample of one replica of so much mass (u).
    pub fn add(&mut self, thermo: &Thermo, mass: f64) {
        self.samples += 1;
        self.temperature += thermo.temperature;
        self.pressure += thermo.pressure / ATMOSPHERE;
        self.density += density(thermo, mass);
    }

    /// From samples every `from` steps to as many as every `to` steps would have been, so that later ones weigh as much; for thermo
    /// that is not written, whose interval follows from the length of the stage.
    fn rescale(&mut self, from: u64, to: u64) {
        if from == to || self.samples == 0 {
            return;
        }
        let samples = (self.samples as f64 * from as f64 / to as f64).round().max(1.0);
        let scale = samples / self.samples as f64;
        self.samples = samples as u64;
        self.temperature *= scale;
        self.pressure *= scale;
        self.density *= scale;
    }

    /// Mean temperature (K), pressure (atm) and density (g/cm^3).
    pub fn values(&self) -> [f64; 3] {
        [self.temperature, self.pressure, self.density].map(|sum| sum / self.samples.max(1) as f64)
    }
}

/// Density (g/cm^3) of so much mass (u).
pub(super) fn density(thermo: &Thermo, mass: f64) -> f64 {
    mass / thermo.volume / GRAM_PER_CUBIC_CENTIMETRE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_that_go_on_at_a_longer_interval_weigh_all_of_the_stage_alike() {
        let sample = |temperature| Thermo { temperature, volume: 1000.0, ..Thermo::default() };
        let mut means = Means::default();
        // 100 steps at 300 K, a sample each; then 100 steps at 400 K, one every ten.
        (0..100).for_each(|_| means.add(&sample(300.0), 1.0));
        means.rescale(1, 10);
        (0..10).for_each(|_| means.add(&sample(400.0), 1.0));
        // Round-off.
        assert!((means.values()[0] - 350.0).abs() < 1e-9, "{}", means.values()[0]);
    }
}
