//! Samples the stress of ions from the state of any backend.

use rayon::ThreadPool;
use vitrion_core::backend::{Backend, BackendError};
use vitrion_core::observe::ion_stress::{IonStress, SymmetricTensor};
use vitrion_core::state::State;

use super::{RunError, thread_pool};
use crate::config::Config;
use crate::system::Prepared;

/// What computes the stress of ions, if a stage of the run asks for it.
pub(super) struct IonStressSampler {
    stress: Option<IonStress>,
    /// As many threads as the backend has.
    pool: Option<ThreadPool>,
}

impl IonStressSampler {
    /// With the lattice-sum parameters of the backend.
    pub fn new(config: &Config, prepared: &Prepared, backend: &dyn Backend) -> Result<Self, RunError> {
        if config.stages.iter().all(|stage| stage.outputs.ion_stress.is_none()) {
            return Ok(Self { stress: None, pool: None });
        }
        let (force_field, topology) = (&prepared.force_field, &prepared.topology);
        let stress = IonStress::new(force_field, topology, backend.state(), backend.electrostatics())?;
        Ok(Self { stress: Some(stress), pool: config.run.threads.map(thread_pool).transpose()? })
    }

    /// The stress of every ion, replica after replica.
    pub fn evaluate(&mut self, state: &State) -> Result<Vec<SymmetricTensor>, BackendError> {
        match (&mut self.stress, &self.pool) {
            (None, _) => Ok(Vec::new()),
            (Some(stress), None) => stress.evaluate(state),
            (Some(stress), Some(pool)) => pool.install(|| stress.evaluate(state)),
        }
    }
}
