//! What is analysed: trajectories of one system, each independent of the others (replicas).

mod dump;
mod follower;
mod h5md;
mod topology;

use std::path::{Path, PathBuf};

use glam::BVec3;
use sha2::{Digest, Sha256};
use vitrion_core::cell::Cell;
use vitrion_trajectory::checkpoint::sha256;
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};
use vitrion_trajectory::lammps_data::Description;
use vitrion_trajectory::lammps_dump::Units;

pub use dump::DumpTrajectory;
pub use h5md::H5mdTrajectory;

use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::particles::Particles;

/// What a user says of a file that it does not say itself, or says wrongly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'a> {
    /// What the atoms are.
    pub topology: Option<&'a Description>,
    /// Length of a step (ps).
    pub timestep: Option<f64>,
    /// Units of a dump.
    pub units: Option<Units>,
}

/// One trajectory, whatever its file format. Frames are streamed in order: nothing is held but the last one.
pub trait Trajectory: Send + Sync {
    /// How errors and tables call it.
    fn label(&self) -> String;
    /// The file.
    fn path(&self) -> &Path;
    /// What moves in it.
    fn particles(&self) -> &Particles;
    /// Times of its frames.
    fn clock(&self) -> &Clock;
    /// Cell of a frame; none where there is none.
    fn cell(&self, frame: usize) -> Result<Option<Cell>, AnalysisError>;
    /// Along which edges of the cell the system repeats itself.
    fn periodic(&self) -> BVec3 {
        BVec3::TRUE
    }
    /// Whether these are all particles of the system that was simulated, as far as the file says.
    fn is_whole(&self) -> bool {
        true
    }
    /// Reads it from the beginning.
    fn stream(&self) -> Box<dyn FrameStream + '_>;
    /// The H5MD file, for what is in it beside frames: window means, stress correlation, thermo.
    fn h5md(&self) -> Option<&TrajectoryReader> {
        None
    }
    /// The stage whose frames these are, in Vitrion's own files.
    fn stage(&self) -> Option<&Stage> {
        None
    }
    /// What a user should know about how it is read.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Number of frames.
    fn frames(&self) -> usize {
        self.clock().ticks.len()
    }
}

/// Frames of one trajectory, in order.
pub trait FrameStream: Send {
    /// The next frame with what is needed of it. `trajectory` and `tick` are filled in by the caller.
    fn next(&mut self, needs: Needs) -> Result<Frame, AnalysisError>;
}

/// Everything that is analysed together.
pub struct Inputs {
    /// At least one.
    pub trajectories: Vec<Box<dyn Trajectory>>,
    /// Times of each, all with the same tick.
    clocks: Vec<Clock>,
}

impl Inputs {
    /// Takes trajectories of one system.
    pub fn new(trajectories: Vec<Box<dyn Trajectory>>) -> Result<Self, AnalysisError> {
        let Some(first) = trajectories.first() else {
            return Err(AnalysisError::input("no input", "there is no trajectory", "name at least one file"));
        };
        for other in &trajectories {
            if other.particles() != first.particles() {
                return Err(AnalysisError::input(
                    &other.label(),
                    format!(
                        "it holds {}, but {} holds {}, or the same in another order",
                        other.particles().describe(),
                        first.label(),
                        first.particles().describe()
                    ),
                    "analyse different systems one by one",
                ));
            }
            if other.frames() == 0 {
                return Err(AnalysisError::input(
                    &other.label(),
                    "it holds no frame to analyse",
                    "give a trajectory with frames, or choose another stage",
                ));
            }
        }
        let clocks: Vec<Clock> = trajectories.iter().map(|t| t.clock().clone()).collect();
        let same = clocks.iter().all(|c| c.tick == clocks[0].tick);
        let clocks = if same { clocks } else { clocks.iter().map(Clock::in_attoseconds).collect() };
        Ok(Self { trajectories, clocks })
    }

    /// What moves: the same in all of them.
    pub fn particles(&self) -> &Particles {
        self.trajectories[0].particles()
    }

    /// Times of the frames of each trajectory.
    pub fn clocks(&self) -> &[Clock] {
        &self.clocks
    }

    /// Notes of all trajectories, each once.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        for note in self.trajectories.iter().flat_map(|t| t.notes()) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        notes
    }

    /// Changes whenever the data do: length, time of change, first and last bytes of every file, and which frames are taken.
    pub fn identity(&self) -> Result<String, AnalysisError> {
        let mut hash = Sha256::new();
        for trajectory in &self.trajectories {
            hash_file(&mut hash, trajectory.path()).map_err(|e| {
                AnalysisError::input(&trajectory.label(), e.to_string(), "check the file and its permissions")
            })?;
            // A topology that the user names is no part of the file.
            hash.update(format!("{:?} {:?}", trajectory.particles(), trajectory.periodic()));
            let clock = trajectory.clock();
            hash.update(format!("{:?} {:?}", clock.tick, clock.ticks.len()));
            hash.update(format!("{:?} {:?}", clock.ticks.first(), clock.ticks.last()));
            // Units that a user names change lengths.
            hash.update(format!("{:?}", trajectory.cell(0)?));
        }
        Ok(sha256(&format!("{:?}", hash.finalize())))
    }

    /// The files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.trajectories.iter().map(|t| t.path().to_path_buf()).collect()
    }
}

/// Bytes at each end of a file that identify it.
const ENDS: u64 = 1 << 16;

fn hash_file(hash: &mut Sha256, path: &Path) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    hash.update(metadata.len().to_le_bytes());
    if let Ok(age) = metadata.modified()?.duration_since(std::time::UNIX_EPOCH) {
        hash.update(age.as_nanos().to_le_bytes());
    }
    for start in [0, metadata.len().saturating_sub(ENDS)] {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.by_ref().take(ENDS).read_to_end(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(())
}
