//! LAMMPS dumps as trajectories.
//!
//! Species and molecules come from a LAMMPS data file of the same system; without one, from the columns `element` or `type`.
//! Times: `ITEM: TIME` (fs), else steps times the time step that the user gives, else times 1 fs, the default of LAMMPS'
//! `units real`; and a note says so. Positions are unwrapped (`xu`), or followed by `ix iy iz`, or by the shortest
//! displacement between frames.

use std::path::Path;
use std::sync::Arc;

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_trajectory::lammps_dump::{DumpFrame, LammpsDump};

use super::follower::{Follower, SHORTEST_DISPLACEMENT, check_finite};
use super::{FrameStream, Said, Trajectory, topology};
use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::particles::Particles;

/// fs to ps.
const FEMTOSECOND: f64 = 1e-3;

/// All frames of a dump.
pub struct DumpTrajectory {
    dump: LammpsDump,
    particles: Particles,
    /// Atoms of every frame.
    ids: Vec<u64>,
    clock: Clock,
    notes: Vec<String>,
}

impl DumpTrajectory {
    /// Reads the first frame, and says what the atoms are and when the frames were taken.
    pub fn new(dump: LammpsDump, said: Said) -> Result<Self, AnalysisError> {
        let Said { topology, timestep } = said;
        let label = dump.path().display().to_string();
        let first = dump.frame(0)?;
        let mut notes = Vec::new();
        let particles = match topology {
            Some(topology) => {
                topology::particles(&label, &first.ids, first.types.as_deref(), topology, &mut notes)?
            }
            None => particles_by_type(&label, &first)?,
        };
        if dump.is_cut() {
            notes.push(format!("{label} ends within a frame, which is left out"));
        }
        if !first.unwrapped && first.images.is_none() {
            notes.push(SHORTEST_DISPLACEMENT.to_string());
        }
        let steps = dump.steps();
        let times: Vec<f64> = match (timestep, dump.times()) {
            (None, Some(times)) => times.iter().map(|t| t * FEMTOSECOND).collect(),
            (timestep, _) => {
                if timestep.is_none() {
                    notes.push(
                        "the dump does not say how long a step is: 1 fs is assumed; give it with --timestep"
                            .to_string(),
                    );
                }
                let timestep = timestep.unwrap_or(FEMTOSECOND);
                steps.iter().map(|step| *step as f64 * timestep).collect()
            }
        };
        let clock = Clock::new(&steps, &times).map_err(|frame| {
            AnalysisError::input(
                &label,
                format!("frame {frame} (step {}) is not later than the one before", steps[frame]),
                "give the frames of one run in the order of time",
            )
        })?;
        Ok(Self { ids: first.ids, dump, particles, clock, notes })
    }

    /// A frame as the dump has it.
    pub fn read(&self, index: usize) -> Result<DumpFrame, AnalysisError> {
        let frame = self.dump.frame(index)?;
        if frame.ids == self.ids {
            return Ok(frame);
        }
        Err(AnalysisError::input(
            &self.label(),
            format!("frame {index} has other atoms than the first frame"),
            "dump the same atoms in every frame",
        ))
    }
}

fn particles_by_type(label: &str, frame: &DumpFrame) -> Result<Particles, AnalysisError> {
    let Some(types) = &frame.types else {
        return Err(AnalysisError::input(
            label,
            "it does not say what its atoms are",
            "give the data file of the system with --topology SYSTEM.data",
        ));
    };
    let mut names = types.clone();
    names.sort();
    names.dedup();
    let species = types.iter().map(|t| names.partition_point(|n| n < t)).collect();
    Ok(Particles::new(names, species, None))
}

impl Trajectory for DumpTrajectory {
    fn label(&self) -> String {
        self.dump.path().display().to_string()
    }

    fn path(&self) -> &Path {
        self.dump.path()
    }

    fn particles(&self) -> &Particles {
        &self.particles
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn cell(&self, frame: usize) -> Result<Option<Cell>, AnalysisError> {
        Ok(self.dump.cell(frame))
    }

    fn stream(&self) -> Box<dyn FrameStream + '_> {
        Box::new(Stream { trajectory: self, next: 0, follower: Follower::default() })
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

struct Stream<'a> {
    trajectory: &'a DumpTrajectory,
    next: usize,
    follower: Follower,
}

impl FrameStream for Stream<'_> {
    fn next(&mut self, needs: Needs) -> Result<Frame, AnalysisError> {
        let trajectory = self.trajectory;
        let index = self.next;
        let DumpFrame { cell, positions, images, unwrapped, .. } = trajectory.read(index)?;
        let places = if unwrapped {
            positions.clone()
        } else {
            self.follower.follow(&cell, &positions, images.as_deref())
        };
        check_finite(&trajectory.label(), index, places.iter())?;
        let centres: Vec<DVec3> = trajectory.particles.centres.iter().map(|&a| places[a]).collect();
        self.next += 1;
        Ok(Frame {
            trajectory: 0,
            index,
            tick: trajectory.clock.ticks[index],
            time: trajectory.clock.ticks[index] as f64 * trajectory.clock.tick,
            cell: Some(cell),
            atoms: if needs.atoms { positions.into() } else { Arc::new([]) },
            unwrapped: if needs.unwrapped { places.into() } else { Arc::new([]) },
            centres: if needs.centres { centres.into() } else { Arc::new([]) },
        })
    }
}
