//! What a stage samples on the way, kept per replica until the sink takes it in the order of the steps.

use glam::{DMat3, DVec3};

use crate::backend::Sink;
use crate::observe::window_means::WindowMeans;
use crate::topology::Topology;

/// What one replica has sampled since the last delivery.
#[derive(Default)]
pub struct Stream {
    /// Pressure tensors and their steps.
    pub stress: Vec<(u64, DMat3)>,
    window_steps: Vec<u64>,
    centres: Vec<DVec3>,
}

impl Stream {
    /// Adds a window sample: the unwrapped positions of the molecules' centres after `step`.
    pub fn add_centres(&mut self, step: u64, centres: impl Iterator<Item = DVec3>) {
        self.window_steps.push(step);
        self.centres.extend(centres);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.stress.clear();
        self.window_steps.clear();
        self.centres.clear();
    }

    /// The centres of a window sample.
    fn sample(&self, index: usize) -> &[DVec3] {
        let n = self.centres.len() / self.window_steps.len();
        &self.centres[index * n..(index + 1) * n]
    }
}

/// Hands the streams of all replicas to the sink and empties them: the stress replica by replica, then the windows that
/// are complete.
pub fn deliver(streams: &mut [Stream], window_means: Option<&mut WindowMeans>, sink: &mut dyn Sink) {
    for (replica, stream) in streams.iter().enumerate() {
        for &(step, tensor) in &stream.stress {
            sink.stress(replica, step, tensor);
        }
    }
    if let (Some(window_means), Some(first)) = (window_means, streams.first()) {
        let mut all = Vec::new();
        for (index, &step) in first.window_steps.iter().enumerate() {
            all.clear();
            for stream in streams.iter() {
                all.extend_from_slice(stream.sample(index));
            }
            if let Some(means) = window_means.add(&all) {
                let n = means.len() / streams.len();
                for (replica, means) in means.chunks_exact(n).enumerate() {
                    sink.window_mean(replica, step, means);
                }
            }
        }
    }
    for stream in streams {
        stream.clear();
    }
}

/// The body of each molecule's centre atom.
pub fn centre_bodies(topology: &Topology) -> Vec<usize> {
    let mut body_of_atom = Vec::with_capacity(topology.n_atoms());
    for (index, body) in topology.bodies.iter().enumerate() {
        body_of_atom.extend(std::iter::repeat_n(index, body.n_atoms));
    }
    topology.centre_atoms().into_iter().map(|atom| body_of_atom[atom]).collect()
}
