//! A backend on its own threads.

use glam::{DMat3, DVec3};
use rayon::ThreadPool;
use vitrion_core::backend::{
    Backend, BackendCheckpoint, BackendError, Dynamics, ElectrostaticsParameters, Hardware, Sampling, Sink,
    Thermo,
};
use vitrion_core::state::State;

/// Runs another backend's work in a thread pool of a chosen size. What it streams is delivered to the sink on the calling
/// thread when the steps are done.
pub struct Pooled {
    pool: ThreadPool,
    inner: Box<dyn Backend>,
}

/// Streams in the order in which they came.
#[derive(Default)]
struct Held {
    calls: Vec<Call>,
}

enum Call {
    Stress(usize, u64, DMat3),
    WindowMean(usize, u64, Vec<DVec3>),
}

impl Sink for Held {
    fn stress(&mut self, replica: usize, step: u64, pressure_tensor: DMat3) {
        self.calls.push(Call::Stress(replica, step, pressure_tensor));
    }

    fn window_mean(&mut self, replica: usize, step: u64, means: &[DVec3]) {
        self.calls.push(Call::WindowMean(replica, step, means.to_vec()));
    }
}

impl Pooled {
    /// `inner` in `pool`.
    pub fn new(pool: ThreadPool, inner: Box<dyn Backend>) -> Self {
        Self { pool, inner }
    }
}

impl Backend for Pooled {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn electrostatics(&self) -> ElectrostaticsParameters {
        self.inner.electrostatics()
    }

    fn hardware(&self) -> Option<Hardware> {
        self.inner.hardware()
    }

    fn begin_stage(&mut self, dynamics: &Dynamics, sampling: &Sampling) -> Result<(), BackendError> {
        let inner = &mut self.inner;
        self.pool.install(|| inner.begin_stage(dynamics, sampling))
    }

    fn advance(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError> {
        let mut held = Held::default();
        let (inner, buffer) = (&mut self.inner, &mut held);
        let result = self.pool.install(|| inner.advance(steps, buffer));
        for call in &held.calls {
            match call {
                Call::Stress(replica, step, tensor) => sink.stress(*replica, *step, *tensor),
                Call::WindowMean(replica, step, means) => sink.window_mean(*replica, *step, means),
            }
        }
        result
    }

    fn minimize(&mut self, max_steps: u64, force_tolerance: f64) -> Result<Vec<f64>, BackendError> {
        let inner = &mut self.inner;
        self.pool.install(|| inner.minimize(max_steps, force_tolerance))
    }

    fn thermo(&mut self) -> Result<Vec<Thermo>, BackendError> {
        let inner = &mut self.inner;
        self.pool.install(|| inner.thermo())
    }

    fn state(&self) -> &State {
        self.inner.state()
    }

    fn set_state(&mut self, state: State) -> Result<(), BackendError> {
        let inner = &mut self.inner;
        self.pool.install(|| inner.set_state(state))
    }

    fn checkpoint(&self) -> BackendCheckpoint {
        self.inner.checkpoint()
    }

    fn restore(&mut self, checkpoint: &BackendCheckpoint) -> Result<(), BackendError> {
        let inner = &mut self.inner;
        self.pool.install(|| inner.restore(checkpoint))
    }
}
