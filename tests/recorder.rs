//! What a backend sends and holds, replica by replica: for the tests of backends, of this folder and of the core.

use glam::{DMat3, DVec3};
use vitrion_core::backend::Sink;
use vitrion_core::state::State;

/// Keeps everything it receives.
#[derive(Debug, Default, PartialEq)]
pub struct Recorder {
    pub stress: Vec<(usize, u64, DMat3)>,
    pub windows: Vec<(usize, u64, Vec<DVec3>)>,
}

impl Sink for Recorder {
    fn stress(&mut self, replica: usize, step: u64, pressure_tensor: DMat3) {
        self.stress.push((replica, step, pressure_tensor));
    }

    fn window_mean(&mut self, replica: usize, step: u64, means: &[DVec3]) {
        self.windows.push((replica, step, means.to_vec()));
    }
}

impl Recorder {
    /// What one replica has sent, as replica 0.
    pub fn of(&self, replica: usize) -> Self {
        let stress = self.stress.iter().filter(|s| s.0 == replica).map(|&(_, n, p)| (0, n, p)).collect();
        let windows =
            self.windows.iter().filter(|w| w.0 == replica).map(|(_, n, m)| (0, *n, m.clone())).collect();
        Self { stress, windows }
    }
}

/// The state of one replica alone.
pub fn replica_of(state: &State, replica: usize) -> State {
    let range = state.bodies_of(replica);
    State {
        n_replicas: 1,
        n_bodies: state.n_bodies,
        step: state.step,
        cells: vec![state.cells[replica]],
        centre: state.centre[range.clone()].to_vec(),
        unwrapped: state.unwrapped[range.clone()].to_vec(),
        velocity: state.velocity[range.clone()].to_vec(),
        orientation: state.orientation[range.clone()].to_vec(),
        quaternion_momentum: state.quaternion_momentum[range].to_vec(),
        extended: vec![state.extended[replica]],
    }
}
