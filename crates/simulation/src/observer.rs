//! How a run tells its user what it is doing: the program implements this with a progress bar or plain lines.

use vitrion_core::backend::Thermo;

/// Facts known when the run begins or resumes.
#[derive(Clone, Debug)]
pub struct RunStart {
    /// Title of the configuration.
    pub title: String,
    /// Run directory.
    pub directory: std::path::PathBuf,
    /// Backend and precision, e.g. `cpu/mixed`.
    pub backend: String,
    /// Number of replicas.
    pub replicas: usize,
    /// Atoms in one replica.
    pub atoms: usize,
    /// Steps of all stages.
    pub total_steps: u64,
    /// Step at which this invocation starts: above zero when it resumes.
    pub first_step: u64,
    /// RMS force error over RMS force, measured against exact Ewald at the start, with the value asked for.
    pub measured_force_error: Option<(f64, f64)>,
    /// Lattice-sum parameters in words.
    pub electrostatics: String,
    /// On which device, and why; `None` on the processor where that was not in question.
    pub on: Option<String>,
    /// Threads that the configuration asks for.
    pub threads: Option<usize>,
}

/// Where the run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Index of the stage from 0.
    pub stage: usize,
    /// Number of stages.
    pub stages: usize,
    /// Its name.
    pub stage_name: String,
    /// Step of the whole run.
    pub step: u64,
    /// Steps of all stages.
    pub total_steps: u64,
    /// Simulated time (ps).
    pub time: f64,
    /// Time step of this stage (ps); zero for a minimisation.
    pub timestep: f64,
    /// Steps a second over the last few seconds, for one replica (all replicas advance together).
    pub steps_per_second: f64,
    /// Per replica.
    pub thermo: Vec<Thermo>,
    /// Per replica: change of the conserved quantity since the stage began, in kT per degree of freedom and ns.
    pub conserved_drift: Vec<f64>,
    /// Per replica (g/cm^3).
    pub density: Vec<f64>,
}

/// Summary of one finished stage.
#[derive(Clone, Debug)]
pub struct StageSummary {
    /// Its name.
    pub name: String,
    /// Steps done.
    pub steps: u64,
    /// Wall seconds in this invocation.
    pub wall_seconds: f64,
    /// Mean over the stage's thermo samples and replicas: temperature (K).
    pub mean_temperature: f64,
    /// Mean pressure (atm).
    pub mean_pressure: f64,
    /// Mean density (g/cm^3).
    pub mean_density: f64,
    /// Largest drift over replicas, kT per degree of freedom and ns; none for a minimisation.
    pub drift: Option<f64>,
}

/// Receives what happens in a run.
pub trait Observer {
    /// The run begins or resumes.
    fn started(&mut self, start: &RunStart);
    /// A few times a second.
    fn progress(&mut self, progress: &Progress);
    /// A stage ended.
    fn stage_finished(&mut self, summary: &StageSummary);
    /// A line that the user should read.
    fn message(&mut self, text: &str);
}
