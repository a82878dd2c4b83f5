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

use glam::{BVec3, DVec3};
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

/// Cells whose edges differ by more than this share may not be meant to be of one system.
const OTHER_CELL: f64 = 0.01;

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
            if let Some((found, remedy)) = difference(other.particles(), first.particles(), &first.label()) {
                return Err(AnalysisError::input(&other.label(), found, remedy));
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
        notes.extend(self.other_cell());
        notes.extend(self.continuation());
        if let Some(edges) = open_edges(self.periodic()) {
            notes.push(format!(
                "{edges} not periodic: distances have no images there, and the volume of the box includes vacuum, so that g(r) does not go to 1; \
                 what needs a system that repeats itself (wave vectors of the cell, densities) is not measured"
            ));
        }
        notes
    }

    /// Says that first frames have cells of different size.
    fn other_cell(&self) -> Option<String> {
        let edges = |trajectory: &dyn Trajectory| {
            let h = trajectory.cell(0).ok()??.matrix();
            Some([h.x_axis, h.y_axis, h.z_axis].map(DVec3::length))
        };
        let first = edges(&*self.trajectories[0])?;
        self.trajectories.iter().skip(1).find_map(|other| {
            let other_edges = edges(&**other)?;
            let differ = first.iter().zip(&other_edges).any(|(a, b)| (a - b).abs() > OTHER_CELL * a);
            let words = |[a, b, c]: [f64; 3]| format!("{a:.4} x {b:.4} x {c:.4} angstrom");
            differ.then(|| {
                format!(
                    "the cell of {} is {}, that of {} {}: averages are over both; is it the same system at the same density?",
                    self.trajectories[0].label(),
                    words(first),
                    other.label(),
                    words(other_edges)
                )
            })
        })
    }

    /// Says that a file seems to be the continuation of another.
    fn continuation(&self) -> Option<String> {
        let n = self.clocks.len();
        let mut pairs = (0..n).flat_map(|a| (0..n).filter(move |b| *b != a).map(move |b| (a, b)));
        let (a, b) = pairs.find(|&(a, b)| goes_on(&self.clocks[a].ticks, &self.clocks[b].ticks))?;
        Some(format!(
            "{} begins where {} ends: several files are taken for replicas, each independent of the others; if they are parts of one \
             trajectory, put them into one file (dumps: `cat PART1 PART2 > WHOLE`) and analyse that",
            self.trajectories[b].label(),
            self.trajectories[a].label()
        ))
    }

    /// Refuses two files with the same contents: they are no replicas, and would make errors too small.
    pub fn check_distinct(&self) -> Result<(), AnalysisError> {
        let hashes = self.hashes()?;
        for (b, hash) in hashes.iter().enumerate() {
            if let Some(a) = hashes[..b].iter().position(|before| before == hash) {
                let [a, b] = [a, b].map(|i| self.trajectories[i].label());
                let found = if a == b {
                    "it is given twice".to_string()
                } else {
                    format!("it has the same contents as {a}")
                };
                return Err(AnalysisError::input(
                    &b,
                    found,
                    "give each trajectory once: several are taken for replicas, independent of each other, and a copy would make the errors too small",
                ));
            }
        }
        Ok(())
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

/// Why particles are not those of the first trajectory, and what to do.
fn difference(other: &Particles, first: &Particles, label: &str) -> Option<(String, &'static str)> {
    let kinds = |particles: &Particles| (particles.names.clone(), particles.species.clone());
    let say = "say with --topology SYSTEM.data what the atoms of all of them are, or analyse different systems one by one";
    if other == first {
        None
    } else if kinds(other) != kinds(first) {
        let found = format!(
            "it holds {}, but {label} holds {}, or the same in another order",
            other.describe(),
            first.describe()
        );
        Some((found, "analyse different systems one by one"))
    } else if other.masses != first.masses {
        Some((
            format!("the masses of its atoms are not those of {label}, or only one of the two has any"),
            say,
        ))
    } else {
        let words = |particles: &Particles| match &particles.molecules {
            None => "no molecules".to_string(),
            Some(of) => format!("{} molecules", of.iter().max().map_or(0, |last| last + 1)),
        };
        let [own, others] = [other, first].map(words);
        Some((format!("it has {own}, {label} {others}, or others, of the same atoms"), say))
    }
}

/// Whether the frames of `second` seem to follow those of `first` in one run: they begin at its last one or one interval later.
fn goes_on(first: &[i64], second: &[i64]) -> bool {
    let (Some(end), Some(begin)) = (first.last(), second.first()) else { return false };
    if first.len() == 1 && second.len() == 1 {
        return begin > end;
    }
    let interval = |ticks: &[i64], at: usize| ticks.get(at..at + 2).map_or(0, |pair| pair[1] - pair[0]);
    let most = interval(first, first.len().saturating_sub(2)).max(interval(second, 0));
    (0..=most).contains(&(begin - end))
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

    fn of_clocks(clocks: &[&[i64]], edge: impl Fn(usize) -> f64) -> Inputs {
        let trajectory = |(i, ticks): (usize, &&[i64])| {
            let cell = Cell::cubic(edge(i)).unwrap();
            let at = |_| vec![DVec3::ZERO];
            Box::new(Synthetic::new(&[0], ticks.to_vec(), 1.0, cell, at)) as Box<dyn Trajectory>
        };
        Inputs::new(clocks.iter().enumerate().map(trajectory).collect()).unwrap()
    }

    #[test]
    fn parts_of_one_trajectory_are_said_to_be_taken_for_replicas() {
        let parts: [&[&[i64]]; 5] = [
            &[&[0, 100, 200], &[200, 300, 400]],
            &[&[300, 400], &[0, 100, 200]],
            &[&[0, 100, 200], &[300]],
            &[&[0], &[100], &[200]],
            &[&[0, 100], &[0, 100], &[200, 300]],
        ];
        for clocks in parts {
            let notes = of_clocks(clocks, |_| 10.0).notes();
            assert!(notes.len() == 1 && notes[0].contains("begins where"), "{clocks:?}: {notes:?}");
        }
        let replicas: [&[&[i64]]; 4] =
            [&[&[0, 100], &[0, 100]], &[&[0], &[0]], &[&[0, 100], &[300, 400]], &[&[0, 100], &[50, 150]]];
        for clocks in replicas {
            assert!(of_clocks(clocks, |_| 10.0).notes().is_empty(), "{clocks:?}");
        }
    }

    #[test]
    fn cells_that_differ_by_more_than_a_percent_are_named() {
        let notes = |edge: f64| of_clocks(&[&[0, 1], &[0, 1]], |i| if i == 0 { 10.0 } else { edge }).notes();
        assert!(notes(10.09).is_empty());
        let said = notes(10.2);
        assert!(said[0].contains("10.0000 x 10.0000 x 10.0000") && said[0].contains("10.2000"), "{said:?}");
    }

    #[test]
    fn the_same_contents_twice_are_refused() {
        assert!(of_clocks(&[&[0, 1]], |_| 10.0).check_distinct().is_ok());
        // Both of the one file that is always there.
        let words = of_clocks(&[&[0, 1], &[0, 1]], |_| 10.0).check_distinct().unwrap_err().to_string();
        assert!(words.contains("given twice") && words.contains("errors too small"), "{words}");
    }

    #[test]
    fn which_property_of_the_particles_differs_is_said() {
        let first = Particles::new(vec!["K".into()], vec![0; 4], None);
        let molecules = Particles::new(vec!["K".into()], vec![0; 4], Some(vec![0, 0, 1, 1]));
        let words = |other: &Particles| {
            let (found, remedy) = difference(other, &first, "a").unwrap();
            format!("{found}; {remedy}")
        };
        assert!(difference(&first, &first, "a").is_none());
        let said = words(&molecules);
        assert!(said.contains("2 molecules, a no molecules") && said.contains("--topology"), "{said}");
        let said = words(&first.clone().with_masses(vec![39.1; 4]));
        assert!(said.contains("masses") && said.contains("--topology"), "{said}");
        let said = words(&Particles::new(vec!["Ca".into()], vec![0; 4], None));
        assert!(said.contains("4 Ca, but a holds 4 K"), "{said}");
    }
}
