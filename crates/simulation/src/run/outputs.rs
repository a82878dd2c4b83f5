//! The trajectories of a run, one a replica, and what the backend streams into them.

use std::path::Path;
use std::sync::Arc;

use glam::{DMat3, DVec3};
use vitrion_core::backend::{Sink, Thermo};
use vitrion_core::observe::ion_stress::SymmetricTensor;
use vitrion_core::observe::multi_tau::StressCorrelator;
use vitrion_core::state::State;
use vitrion_core::topology::Topology;
use vitrion_trajectory::h5md::{
    Counts, Frame, H5mdError, Header, Provenance, Resume, Stage, Standing, Table, TrajectoryWriter, Watch,
};
use vitrion_trajectory::rigid_fit;

use super::clock::Clock;
use super::directory::Directory;
use crate::config::Config;
use crate::plan::Plan;

/// Open trajectories.
pub(super) struct Outputs {
    writers: Vec<TrajectoryWriter>,
    topology: Arc<Topology>,
    velocities: bool,
    /// The body that holds each molecule's centre atom.
    centre_bodies: Vec<usize>,
}

impl Outputs {
    /// New files, or those of a checkpoint.
    pub fn open(
        directory: &Directory,
        config: &Config,
        topology: &Arc<Topology>,
        clock: &Clock,
        provenance: &Provenance,
        resumed: Option<Vec<Resume>>,
        watch: &mut Watch,
    ) -> Result<Self, H5mdError> {
        let writers = match resumed {
            Some(resumed) => {
                resumed.into_iter().map(|resume| resume.open(watch)).collect::<Result<_, _>>()?
            }
            None => headers(config, topology, clock, provenance)
                .map(|header| {
                    TrajectoryWriter::create(&directory.trajectory(header.provenance.replica), &header)
                })
                .collect::<Result<_, _>>()?,
        };
        let mut body_of_atom = Vec::with_capacity(topology.n_atoms());
        for (index, body) in topology.bodies.iter().enumerate() {
            body_of_atom.extend(std::iter::repeat_n(index, body.n_atoms));
        }
        Ok(Self {
            writers,
            topology: Arc::clone(topology),
            velocities: config.run.velocities,
            centre_bodies: topology.centre_atoms().into_iter().map(|atom| body_of_atom[atom]).collect(),
        })
    }

    /// Whether the files of a checkpoint, one a replica, can be gone on with; changes nothing.
    pub fn check(
        standing: Vec<Standing>,
        config: &Config,
        topology: &Topology,
        clock: &Clock,
        provenance: &Provenance,
        watch: &mut Watch,
    ) -> Result<Vec<Resume>, H5mdError> {
        headers(config, topology, clock, provenance)
            .zip(standing)
            .map(|(header, standing)| standing.check(&header, watch))
            .collect()
    }

    /// Appends a frame to each file.
    pub fn frame(&mut self, state: &State, time: f64) -> Result<(), H5mdError> {
        for (replica, writer) in self.writers.iter_mut().enumerate() {
            let positions = whole_molecules(&self.topology, state, replica);
            let velocities = self.velocities.then(|| atom_velocities(&self.topology, state, replica));
            let first = state.bodies_of(replica).start;
            let centres: Vec<DVec3> =
                self.centre_bodies.iter().map(|body| state.unwrapped[first + body]).collect();
            writer.append_frame(&Frame {
                step: state.step,
                time,
                cell: &state.cells[replica],
                positions: &positions,
                velocities: velocities.as_deref(),
                unwrapped_centres: &centres,
            })?;
        }
        Ok(())
    }

    /// Appends a row of thermo to each file.
    pub fn thermo(&mut self, step: u64, time: f64, thermo: &[Thermo]) -> Result<(), H5mdError> {
        self.writers
            .iter_mut()
            .zip(thermo)
            .try_for_each(|(writer, thermo)| writer.append_thermo(step, time, thermo))
    }

    /// Appends the means of the stress of ions over a window of a stage to each file; `means` replica after replica.
    pub fn ion_stress(
        &mut self,
        stage: &str,
        step: u64,
        time: f64,
        means: &[SymmetricTensor],
    ) -> Result<(), H5mdError> {
        let ions = self.topology.molecules.len();
        self.writers
            .iter_mut()
            .zip(means.chunks_exact(ions))
            .try_for_each(|(writer, means)| writer.append_ion_stress(stage, step, time, means))
    }

    /// Writes the stress correlation of a stage whose samples are `interval` ps apart.
    pub fn stress_correlation(
        &mut self,
        stage: &str,
        correlators: &[StressCorrelator],
        interval: f64,
    ) -> Result<(), H5mdError> {
        self.writers.iter_mut().zip(correlators).try_for_each(|(writer, correlator)| {
            writer.write_stress_correlation(stage, &Table::of_stress(&correlator.result(), interval))
        })
    }

    /// Puts everything on the disk.
    pub fn sync(&mut self) -> Result<Vec<Counts>, H5mdError> {
        TrajectoryWriter::sync_all(&mut self.writers)?;
        Ok(self.writers.iter().map(TrajectoryWriter::counts).collect())
    }

    /// Closes the files in order; returns their paths.
    pub fn finish(self) -> Result<Vec<std::path::PathBuf>, H5mdError> {
        self.writers
            .into_iter()
            .map(|writer| {
                let path = Path::to_path_buf(writer.path());
                writer.finish().map(|_| path)
            })
            .collect()
    }
}

/// What the file of each replica says before its first frame.
fn headers(
    config: &Config,
    topology: &Topology,
    clock: &Clock,
    provenance: &Provenance,
) -> impl Iterator<Item = Header> {
    let header = header(config, topology, clock, provenance);
    (0..config.system.replicas).map(move |replica| {
        let mut header = header.clone();
        header.provenance.replica = replica;
        header
    })
}

fn header(config: &Config, topology: &Topology, clock: &Clock, provenance: &Provenance) -> Header {
    let plan = Plan::new(config, topology);
    let frames: u64 = plan.stages.iter().map(|s| s.frames).sum();
    let windows = plan.stages.iter().map(|s| s.windows.max(s.ion_stress_windows)).max().unwrap_or(0);
    let stages = config
        .stages
        .iter()
        .enumerate()
        .map(|(index, stage)| Stage {
            name: stage.name.clone(),
            first_step: clock.first_step(index),
            steps: stage.steps(),
            timestep: stage.timestep(),
            window_means: stage.outputs.window.is_some(),
            ion_stress: stage.outputs.ion_stress.is_some(),
        })
        .collect();
    Header {
        author: std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        topology: topology.clone(),
        provenance: provenance.clone(),
        stages,
        velocities: config.run.velocities,
        expected_rows: frames.max(windows),
    }
}

/// Positions with every molecule whole around its wrapped centre.
fn whole_molecules(topology: &Topology, state: &State, replica: usize) -> Vec<DVec3> {
    let cell = &state.cells[replica];
    let mut positions = state.atom_positions(topology, replica);
    for molecule in &topology.molecules {
        let kind = &topology.kinds[molecule.kind];
        let centre = positions[molecule.first_atom + kind.centre];
        for position in &mut positions[molecule.first_atom..][..kind.species.len()] {
            *position = centre + cell.wrapped_difference(*position - centre);
        }
    }
    positions
}

fn atom_velocities(topology: &Topology, state: &State, replica: usize) -> Vec<DVec3> {
    let mut velocities = Vec::with_capacity(topology.n_atoms());
    for (body, index) in topology.bodies.iter().zip(state.bodies_of(replica)) {
        let velocity = state.velocity[index];
        match topology.rigid_shape(body) {
            Some((shape, moments)) => velocities.extend(rigid_fit::atom_velocities(
                shape,
                moments,
                state.orientation[index],
                state.quaternion_momentum[index],
                velocity,
            )),
            None => velocities.push(velocity),
        }
    }
    velocities
}

/// Takes the streams of one call of `advance`.
pub(super) struct Streams<'a> {
    pub outputs: &'a mut Outputs,
    pub correlators: &'a mut [StressCorrelator],
    pub stage: &'a str,
    pub clock: &'a Clock,
    pub stage_index: usize,
    /// The first failure; a sink cannot return it.
    pub failure: Option<H5mdError>,
}

impl Sink for Streams<'_> {
    fn stress(&mut self, replica: usize, _step: u64, pressure_tensor: DMat3) {
        if let Some(correlator) = self.correlators.get_mut(replica) {
            correlator.add(&pressure_tensor);
        }
    }

    fn window_mean(&mut self, replica: usize, step: u64, means: &[DVec3]) {
        if self.failure.is_some() {
            return;
        }
        let time = self.clock.time(self.stage_index, step);
        if let Some(writer) = self.outputs.writers.get_mut(replica) {
            self.failure = writer.append_window_mean(self.stage, step, time, means).err();
        }
    }
}
