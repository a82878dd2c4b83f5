//! What is analysed: trajectories of one system, each independent of the others (replicas).

mod contents;
mod drift;
mod dump;
mod follower;
mod h5md;
mod topology;
mod unwrapping;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use glam::BVec3;
use rayon::prelude::*;
use vitrion_core::cell::Cell;
use vitrion_trajectory::checkpoint::sha256;
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};
use vitrion_trajectory::lammps_data::Description;
use vitrion_trajectory::lammps_dump::Units;

pub use contents::content_hash;
pub use drift::{CentreOfMass, examined};
pub use dump::DumpTrajectory;
pub use h5md::{H5mdTrajectory, particles_of};

use contents::hash_of_file;

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
    /// Whether positions are relative to the centre of mass.
    fn centre_of_mass(&self) -> CentreOfMass {
        CentreOfMass::Free
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
    /// Goes past frames: without reading them, where the next one needs none of them.
    fn pass(&mut self, frames: usize) -> Result<(), AnalysisError> {
        (0..frames).try_for_each(|_| self.next(Needs::NOTHING).map(|_| ()))
    }
}

/// Everything that is analysed together.
pub struct Inputs {
    /// At least one.
    pub trajectories: Vec<Box<dyn Trajectory>>,
    /// Times of each, all with the same tick.
    clocks: Vec<Clock>,
    /// Of the contents of the files, once they were wanted.
    hashes: OnceLock<Vec<String>>,
}

impl Inputs {
    /// Takes trajectories of one system.
    pub fn new(trajectories: Vec<Box<dyn Trajectory>>) -> Result<Self, AnalysisError> {
        let Some(first) = trajectories.first() else {
            return Err(AnalysisError::input("no input", "there is no trajectory", "name at least one file"));
        };
        if first.particles().species.is_empty() {
            return Err(AnalysisError::input(
                &first.label(),
                "it holds no atoms",
                "give a trajectory with atoms: the group that was written may be empty",
            ));
        }
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
            if other.periodic() != first.periodic() {
                return Err(AnalysisError::input(
                    &other.label(),
                    format!(
                        "{}, in {} {}",
                        boundary(other.periodic()),
                        first.label(),
                        boundary(first.periodic())
                    ),
                    "analyse systems with different boundaries one by one",
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
        let clocks = if same { clocks } else { in_attoseconds(&trajectories)? };
        Ok(Self { trajectories, clocks, hashes: OnceLock::new() })
    }

    /// What moves: the same in all of them.
    pub fn particles(&self) -> &Particles {
        self.trajectories[0].particles()
    }

    /// Along which edges of the cell the system repeats itself: the same in all of them.
    pub fn periodic(&self) -> BVec3 {
        self.trajectories[0].periodic()
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
        if let Some(edges) = open_edges(self.periodic()) {
            notes.push(format!(
                "{edges} not periodic: distances have no images there, and the volume of the box includes vacuum, so that g(r) does not go to 1; \
                 what needs a system that repeats itself (wave vectors of the cell, densities) is not measured"
            ));
        }
        notes
    }

    /// Changes whenever the data do: contents of every file ([`content_hash`]), and which frames are taken. Neither names nor times
    /// of change count, so that a copy of a directory has the results of the original.
    pub fn identity(&self) -> Result<String, AnalysisError> {
        let mut parts: Vec<String> = Vec::new();
        for (trajectory, contents) in self.trajectories.iter().zip(self.hashes()?) {
            parts.push(contents.clone());
            // What a user says of a file is no part of it.
            let (particles, periodic) = (trajectory.particles(), trajectory.periodic());
            parts.push(format!("{particles:?} {periodic:?} {:?}", trajectory.centre_of_mass()));
            if let Some(reader) =
                trajectory.h5md().filter(|reader| !reader.is_own() && reader.groups().len() > 1)
            {
                parts.push(reader.group());
            }
            let clock = trajectory.clock();
            parts.push(format!("{:?} {:?}", clock.tick, clock.ticks.len()));
            parts.push(format!("{:?} {:?}", clock.ticks.first(), clock.ticks.last()));
            // Units that a user names change lengths.
            parts.push(format!("{:?}", trajectory.cell(0)?));
        }
        Ok(sha256(&parts.join("\n")))
    }

    /// Identity of the files by their contents alone, as [`content_hash`] has it.
    pub fn contents(&self) -> Result<String, AnalysisError> {
        Ok(sha256(&self.hashes()?.join("\n")))
    }

    /// Of each file; computed once, so that one analysis has one state of files that grow.
    fn hashes(&self) -> Result<&[String], AnalysisError> {
        if let Some(hashes) = self.hashes.get() {
            return Ok(hashes);
        }
        let hashes = self.trajectories.par_iter().map(|trajectory| {
            hash_of_file(trajectory.path()).map_err(|e| {
                AnalysisError::input(&trajectory.label(), e.to_string(), "check the file and its permissions")
            })
        });
        let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        Ok(self.hashes.get_or_init(|| hashes))
    }

    /// The files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.trajectories.iter().map(|t| t.path().to_path_buf()).collect()
    }
}

/// Times of trajectories whose steps have different lengths, in one unit.
fn in_attoseconds(trajectories: &[Box<dyn Trajectory>]) -> Result<Vec<Clock>, AnalysisError> {
    let of = |trajectory: &dyn Trajectory| {
        let clock = trajectory.clock();
        clock.in_attoseconds().map_err(|frame| {
            let time = clock.ticks[frame] as f64 * clock.tick;
            AnalysisError::input(
                &trajectory.label(),
                format!(
                    "frame {frame} is at {time:e} ps, and steps of the trajectories have different lengths: times are then counted in \
                     attoseconds, up to 2.3 s"
                ),
                "analyse it alone, or with those whose steps have the same length; are its times in the unit that it states?",
            )
        })
    };
    trajectories.iter().map(|trajectory| of(&**trajectory)).collect()
}

/// In words, which edges are not periodic, with the verb; none where all are.
pub fn open_edges(periodic: BVec3) -> Option<String> {
    let open: Vec<&str> =
        ["a", "b", "c"].into_iter().enumerate().filter(|(i, _)| !periodic.test(*i)).map(|(_, e)| e).collect();
    match open[..] {
        [] => None,
        [edge] => Some(format!("edge {edge} is")),
        [first, second] => Some(format!("edges {first} and {second} are")),
        _ => Some("edges a, b and c are".to_string()),
    }
}

fn boundary(periodic: BVec3) -> String {
    open_edges(periodic).map_or("all edges are periodic".to_string(), |edges| format!("{edges} not periodic"))
}

#[cfg(test)]
mod tests {
    use vitrion_core::cell::Cell;

    use super::*;
    use crate::test_support::Synthetic;

    fn inputs(periodic: &[BVec3], species: &[usize]) -> Result<Inputs, AnalysisError> {
        let trajectory = |periodic: &BVec3| {
            let at = vec![glam::DVec3::ZERO; species.len()];
            let cell = Cell::cubic(10.0).unwrap();
            let made = Synthetic::new(species, vec![0], 1.0, cell, move |_| at.clone());
            Box::new(Synthetic { periodic: *periodic, ..made }) as Box<dyn Trajectory>
        };
        Inputs::new(periodic.iter().map(trajectory).collect())
    }

    #[test]
    fn times_of_different_steps_that_attoseconds_cannot_count_are_refused() {
        let inputs = |ticks: [f64; 2]| {
            let of = |tick: f64| {
                let cell = Cell::cubic(10.0).unwrap();
                let at = |_| vec![glam::DVec3::ZERO];
                Box::new(Synthetic::new(&[0], (0..4).collect(), tick, cell, at)) as Box<dyn Trajectory>
            };
            Inputs::new(ticks.map(of).into_iter().collect())
        };
        // 1 s and 2 s a step; 1 s alone is no trouble, nor are 1 fs and 0.1 s.
        let words = inputs([1e12, 2e12]).err().unwrap().to_string();
        assert!(words.contains("frame 3 is at 3e12 ps") && words.contains("2.3 s"), "{words}");
        assert_eq!(inputs([1e12, 1e12]).unwrap().clocks()[1].ticks, [0, 1, 2, 3]);
        assert_eq!(inputs([1e-3, 1e11]).unwrap().clocks()[1].ticks[2], 200_000_000_000_000_000);
    }

    #[test]
    fn no_atoms_and_different_boundaries_are_refused() {
        let words = |found: Result<Inputs, AnalysisError>| found.err().unwrap().to_string();
        assert!(words(inputs(&[BVec3::TRUE], &[])).contains("no atoms"));
        let slab = BVec3::new(true, true, false);
        let different = words(inputs(&[BVec3::TRUE, slab], &[0]));
        assert!(
            different.contains("edge c is not periodic") && different.contains("all edges"),
            "{different}"
        );
        let alike = inputs(&[slab, slab], &[0]).unwrap();
        assert!(alike.notes().iter().any(|n| n.starts_with("edge c is not periodic")));
        assert!(inputs(&[BVec3::TRUE], &[0]).unwrap().notes().is_empty());
    }
}
