//! What a run keeps to go on bit for bit.

use serde::{Deserialize, Serialize};
use vitrion_core::backend::{BackendCheckpoint, Thermo};
use vitrion_core::observe::ion_stress::IonStressMeans;
use vitrion_core::observe::multi_tau::StressCorrelator;
use vitrion_core::units::{ATMOSPHERE, GRAM_PER_CUBIC_CENTIMETRE};
use vitrion_trajectory::h5md::Counts;

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

    /// Mean temperature (K), pressure (atm) and density (g/cm^3).
    pub fn values(&self) -> [f64; 3] {
        [self.temperature, self.pressure, self.density].map(|sum| sum / self.samples.max(1) as f64)
    }
}

/// Density (g/cm^3) of so much mass (u).
pub(super) fn density(thermo: &Thermo, mass: f64) -> f64 {
    mass / thermo.volume / GRAM_PER_CUBIC_CENTIMETRE
}
