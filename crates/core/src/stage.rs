//! The stage in progress, as every backend keeps it.

use crate::backend::{BackendError, Dynamics, Sampling};
use crate::force_field::Truncation;
use crate::integrators::Motion;
use crate::observe::window_means::WindowMeans;
use crate::state::State;
use crate::topology::Topology;

/// How replicas move now, what is sampled, and what has been gathered.
pub struct Stage {
    /// How the replicas move.
    pub dynamics: Dynamics,
    /// What is streamed.
    pub sampling: Sampling,
    /// The stage's first step: streams count from here.
    pub start_step: u64,
    /// One a replica.
    pub motion: Vec<Motion>,
    /// Running window means, if the stage takes them.
    pub window_means: Option<WindowMeans>,
    /// Centres of all replicas.
    n_centres: usize,
}

impl Stage {
    /// Streams count from the `start_step` of the first replica's temperature set point; without any from the present step.
    /// Refuses constant pressure where `truncation` is that of no Hamiltonian there: every backend asks its kernels or its force
    /// field.
    pub fn begin(
        topology: &Topology,
        state: &State,
        dynamics: &Dynamics,
        sampling: &Sampling,
        n_centres: usize,
        truncation: Truncation,
    ) -> Result<Self, BackendError> {
        truncation.check(dynamics.ensemble)?;
        let motion = (0..state.n_replicas)
            .map(|replica| Motion::new(topology, dynamics, replica))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|missing| BackendError::mismatch(missing.to_string(), "one for each replica"))?;
        let mut stage = Self {
            dynamics: dynamics.clone(),
            sampling: *sampling,
            start_step: dynamics.temperature.first().map_or(state.step, |t| t.start_step),
            motion,
            window_means: None,
            n_centres,
        };
        stage.restart_windows();
        Ok(stage)
    }

    /// Whether something that is done every so many steps is due after step `step`.
    pub fn is_due(&self, every: Option<u64>, step: u64) -> bool {
        let since_start = step.saturating_sub(self.start_step);
        every.is_some_and(|every| since_start > 0 && since_start.is_multiple_of(every.max(1)))
    }

    /// Starts the window means afresh.
    pub fn restart_windows(&mut self) {
        self.window_means = self.sampling.window.map(|window| WindowMeans::new(window, self.n_centres));
    }

    /// Goes on with the window means of a checkpoint, which must be those of this stage.
    pub fn restore_windows(&mut self, stored: Option<&WindowMeans>) -> Result<(), BackendError> {
        let window = stored.map(WindowMeans::window);
        if window != self.sampling.window {
            let expected = format!("{:?}", self.sampling.window);
            return Err(BackendError::mismatch(format!("window means {window:?}"), expected));
        }
        self.window_means = stored.cloned();
        Ok(())
    }
}
