//! Drift of the centre of mass, and trajectories without it.
//!
//! R(t) = sum_i m_i (r_i(t) - r_i(0)) / M over all particles. Forces between them leave it at rest; a program that does not
//! (rounding, a thermostat that acts on every velocity alike, a start whose momenta do not add up to zero) adds R^2(t) to
//! every squared displacement, and a phase to every intermediate scattering function.
//!
//! R is no drift where the particles move independently of each other, as walkers in a bath do: then
//! <R^2> = sum_i m_i^2 <u_i^2> / (M^2 (1 - w)) with the displacements u_i relative to the centre of mass and w = sum_i m_i^2 / M^2, a
//! share w = 1/N of what is measured. (Molecules move as one.) So R is taken for a drift where its mean square over the trajectory
//! is more than [`SIGNIFICANT`] times that, and is then taken from all positions of a frame, every frame relative to the
//! first. Smaller motion stays, and with it the laboratory's frame of reference: to take it away would change the squared displacement of
//! independent walkers by the same share that it may be wrong by.

use std::path::Path;
use std::sync::Arc;

use glam::{BVec3, DVec3};
use vitrion_core::cell::Cell;
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};
use vitrion_trajectory::lammps_data::atomic_weight;

use super::{FrameStream, Trajectory};
use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::particles::Particles;

/// Of independent walkers, the mean square of the centre of mass over many frames exceeds this many times its expectation in three
/// trajectories of a thousand; over two frames in seven.
const SIGNIFICANT: f64 = 4.0;
/// Nor is it one that is no more than what round-off and the digits of a file do to it (angstrom): squared, it is nothing beside a displacement.
const LEAST: f64 = 1e-4;
/// Frames that are looked at; those between them are passed over where a frame can be read without those before it.
const LOOKED_AT: usize = 64;

/// What is done about the centre of mass of a trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CentreOfMass {
    /// Its drift is removed.
    Fixed,
    /// It moves as the file has it.
    Free,
}

/// Looks at the motion of the centre of mass, and takes a drift away unless the user wants to keep it.
///
/// Trajectories of Vitrion's own runs are left as they are: its integrators keep the total momentum at zero.
pub fn examined(trajectory: Box<dyn Trajectory>, keep: bool) -> Result<Box<dyn Trajectory>, AnalysisError> {
    if trajectory.h5md().is_some_and(TrajectoryReader::is_own) || trajectory.frames() < 2 {
        return Ok(trajectory);
    }
    let bodies = Bodies::of(trajectory.particles());
    let Some(motion) = Motion::of(&*trajectory, &bodies)? else { return Ok(trajectory) };
    if motion.ratio < SIGNIFICANT || motion.size < LEAST {
        return Ok(trajectory);
    }
    let fixed = trajectory.is_whole() && !keep;
    let note = motion.note(&*trajectory, keep, &bodies);
    let centre = if fixed { CentreOfMass::Fixed } else { CentreOfMass::Free };
    Ok(Box::new(Examined { trajectory, centre, bodies, first: motion.first, note }))
}

/// Weights of the particles, and which of them move together.
struct Bodies {
    /// Per atom: its share of the total mass.
    shares: Vec<f64>,
    /// Per atom: its molecule; every atom its own where none are known.
    molecules: Vec<usize>,
    /// Number of molecules.
    number: usize,
    /// Where the masses come from, if not from the file: words for the user.
    masses: &'static str,
    /// Whether molecules are known.
    known: bool,
}

impl Bodies {
    fn of(particles: &Particles) -> Self {
        let n = particles.species.len();
        let own = particles.masses.clone().filter(|m| m.iter().all(|m| m.is_finite() && *m > 0.0));
        let weights = || particles.names.iter().map(|name| atomic_weight(name)).collect::<Option<Vec<f64>>>();
        let (masses, words) = match (own, weights()) {
            (Some(masses), _) => (masses, ""),
            (None, Some(weights)) => {
                (particles.species.iter().map(|&s| weights[s]).collect(), " (masses of the elements)")
            }
            (None, None) => (vec![1.0; n], " (equal masses: the file has none)"),
        };
        let total: f64 = masses.iter().sum();
        let known = particles.molecules.is_some();
        let molecules = particles.molecules.clone().unwrap_or_else(|| (0..n).collect());
        let number = molecules.iter().max().map_or(0, |last| last + 1);
        Self { shares: masses.iter().map(|m| m / total).collect(), molecules, number, masses: words, known }
    }

    fn centre(&self, positions: &[DVec3]) -> DVec3 {
        positions.iter().zip(&self.shares).map(|(r, share)| *r * *share).sum()
    }

    /// Mean square displacement of the centre of mass if the molecules moved independently; none for a single molecule.
    fn expected(&self, displacements: impl Iterator<Item = DVec3>) -> Option<f64> {
        let mut sums = vec![(0.0, DVec3::ZERO); self.number];
        for ((u, share), &molecule) in displacements.zip(&self.shares).zip(&self.molecules) {
            sums[molecule].0 += share;
            sums[molecule].1 += u * *share;
        }
        let common: f64 = sums.iter().map(|(share, _)| share * share).sum();
        let squares: f64 = sums.iter().map(|(_, u)| u.length_squared()).sum();
        (common < 1.0 - 1e-9).then(|| squares / (1.0 - common))
    }
}

/// How the centre of mass of a trajectory moves.
struct Motion {
    /// Where it is in the first frame (angstrom).
    first: DVec3,
    /// From the first frame to the last (angstrom).
    last: DVec3,
    /// Root mean square over the frames that were looked at (angstrom).
    size: f64,
    /// Its square in units of what independent motion would give.
    ratio: f64,
}

impl Motion {
    /// None for a single molecule, and where nothing moves at all.
    fn of(trajectory: &dyn Trajectory, bodies: &Bodies) -> Result<Option<Self>, AnalysisError> {
        let needs = Needs { atoms: false, unwrapped: true, centres: false };
        let mut stream = trajectory.stream();
        let begin = stream.next(needs)?.unwrapped;
        let first = bodies.centre(&begin);
        let (mut last, mut found, mut expected) = (DVec3::ZERO, 0.0, 0.0);
        let frames = trajectory.frames();
        let looks = LOOKED_AT.min(frames - 1);
        let mut at = 0;
        for look in 1..=looks {
            // Evenly spread, the last frame among them.
            let next = look * (frames - 1) / looks;
            stream.pass(next - at - 1)?;
            at = next;
            let now = stream.next(needs)?.unwrapped;
            last = bodies.centre(&now) - first;
            let displacements = now.iter().zip(&*begin).map(|(r, start)| *r - *start - last);
            let Some(independent) = bodies.expected(displacements) else { return Ok(None) };
            found += last.length_squared();
            expected += independent;
        }
        let size = (found / looks as f64).sqrt();
        Ok((found > 0.0).then(|| Self { first, last, size, ratio: found / expected }))
    }

    fn note(&self, trajectory: &dyn Trajectory, keep: bool, bodies: &Bodies) -> String {
        let [x, y, z] = self.last.to_array();
        let masses = bodies.masses;
        let alone = if bodies.known { "" } else { " (every atom by itself: no molecules are known)" };
        let much = format!(
            "{}: the centre of mass{masses}{alone} moves by {:.4} angstrom ({x:.4}, {y:.4}, {z:.4}) from the first frame to the last",
            trajectory.label(),
            self.last.length()
        );
        match (trajectory.is_whole(), keep) {
            (_, true) => format!("{much}: this drift is kept, as asked, and is part of all displacements"),
            (true, false) => format!(
                "{much}: this drift is removed, positions are relative to the centre of mass; --keep-drift keeps it"
            ),
            (false, false) => format!(
                "{much}: it is kept, for these are not all particles of the system, whose centre of mass is not known"
            ),
        }
    }
}

/// A trajectory whose centre of mass has been looked at.
struct Examined {
    trajectory: Box<dyn Trajectory>,
    centre: CentreOfMass,
    bodies: Bodies,
    /// Centre of mass in the first frame (angstrom).
    first: DVec3,
    note: String,
}

impl Trajectory for Examined {
    fn label(&self) -> String {
        self.trajectory.label()
    }

    fn path(&self) -> &Path {
        self.trajectory.path()
    }

    fn particles(&self) -> &Particles {
        self.trajectory.particles()
    }

    fn clock(&self) -> &Clock {
        self.trajectory.clock()
    }

    fn cell(&self, frame: usize) -> Result<Option<Cell>, AnalysisError> {
        self.trajectory.cell(frame)
    }

    fn periodic(&self) -> BVec3 {
        self.trajectory.periodic()
    }

    fn is_whole(&self) -> bool {
        self.trajectory.is_whole()
    }

    fn centre_of_mass(&self) -> CentreOfMass {
        self.centre
    }

    fn stream(&self) -> Box<dyn FrameStream + '_> {
        let stream = self.trajectory.stream();
        match self.centre {
            CentreOfMass::Free => stream,
            CentreOfMass::Fixed => Box::new(Fixed { stream, bodies: &self.bodies, first: self.first }),
        }
    }

    fn h5md(&self) -> Option<&TrajectoryReader> {
        self.trajectory.h5md()
    }

    fn stage(&self) -> Option<&Stage> {
        self.trajectory.stage()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.trajectory.notes();
        notes.push(self.note.clone());
        notes
    }
}

/// Frames relative to the centre of mass.
struct Fixed<'a> {
    stream: Box<dyn FrameStream + 'a>,
    bodies: &'a Bodies,
    first: DVec3,
}

impl FrameStream for Fixed<'_> {
    fn next(&mut self, needs: Needs) -> Result<Frame, AnalysisError> {
        if needs == Needs::NOTHING {
            return self.stream.next(needs);
        }
        let mut frame = self.stream.next(needs.or(Needs::UNWRAPPED))?;
        let drift = self.bodies.centre(&frame.unwrapped) - self.first;
        let moved = |positions: &[DVec3]| positions.iter().map(|r| *r - drift).collect::<Arc<[DVec3]>>();
        frame.atoms = moved(&frame.atoms);
        frame.centres = moved(&frame.centres);
        frame.unwrapped = if needs.unwrapped { moved(&frame.unwrapped) } else { Arc::new([]) };
        Ok(frame)
    }

    fn pass(&mut self, frames: usize) -> Result<(), AnalysisError> {
        self.stream.pass(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Inputs;
    use crate::msd;
    use crate::settings::Settings;
    use crate::test_support::{Synthetic, measure, random_walk};

    /// Walkers of three masses whose centre of mass stays where it is, moved by `velocity` a frame.
    fn walkers(velocity: DVec3, whole: bool) -> Synthetic {
        let n = 60;
        let ticks: Vec<i64> = (0..40).collect();
        let masses: Vec<f64> = (0..n).map(|i| [14.0, 39.1, 40.1][i % 3]).collect();
        let total: f64 = masses.iter().sum();
        let frames: Vec<Vec<DVec3>> = random_walk(n, &ticks, 7)
            .into_iter()
            .map(|positions| {
                let centre: DVec3 =
                    positions.iter().zip(&masses).map(|(r, m)| *r * *m).sum::<DVec3>() / total;
                positions.into_iter().map(|r| r - centre).collect()
            })
            .collect();
        let species: Vec<usize> = (0..n).map(|i| i % 3).collect();
        let at = move |frame: usize| frames[frame].iter().map(|r| *r + velocity * frame as f64).collect();
        let mut trajectory = Synthetic::new(&species, ticks, 1.0, Cell::cubic(50.0).unwrap(), at);
        trajectory.particles = trajectory.particles.with_masses(masses);
        trajectory.whole = whole;
        trajectory
    }

    fn displacements(trajectory: Box<dyn Trajectory>) -> Vec<f64> {
        let inputs = Inputs::new(vec![trajectory]).unwrap();
        measure(&inputs, &Settings::default(), msd::prepare)[0].reals("value").unwrap().to_vec()
    }

    #[test]
    fn a_drift_is_removed_and_named_and_kept_where_it_is_wanted() {
        let velocity = DVec3::new(0.3, -0.2, 0.1);
        let still = displacements(Box::new(walkers(DVec3::ZERO, true)));
        let trajectory = examined(Box::new(walkers(velocity, true)), false).unwrap();
        assert_eq!(trajectory.centre_of_mass(), CentreOfMass::Fixed);
        let notes = trajectory.notes().join("\n");
        // 39 frames of 0.3741657 angstrom.
        assert!(notes.contains("14.5925 angstrom (11.7000, -7.8000, 3.9000)"), "{notes}");
        assert!(notes.contains("--keep-drift"), "{notes}");
        let found = displacements(trajectory);
        // Round-off of sums of 60 positions of some ten angstrom.
        assert!(found.iter().zip(&still).all(|(x, y)| (x - y).abs() < 1e-10), "{found:?} {still:?}");
        let kept = examined(Box::new(walkers(velocity, true)), true).unwrap();
        assert!(kept.centre_of_mass() == CentreOfMass::Free && kept.notes()[0].contains("as asked"));
        assert_eq!(displacements(kept), displacements(Box::new(walkers(velocity, true))));
    }

    #[test]
    fn independent_walkers_are_left_as_they_are() {
        // Their centre of mass walks too, by 1/60 of what they do.
        for seed in 0..20 {
            let ticks: Vec<i64> = (0..40).collect();
            let frames = random_walk(60, &ticks, seed);
            let at = move |frame: usize| frames[frame].clone();
            let walk = Synthetic::new(&[0; 60], ticks, 1.0, Cell::cubic(50.0).unwrap(), at);
            let trajectory = examined(Box::new(walk), false).unwrap();
            assert_eq!(trajectory.centre_of_mass(), CentreOfMass::Free, "{seed}: {:?}", trajectory.notes());
            assert!(trajectory.notes().is_empty(), "nothing is assumed, nothing said");
        }
    }

    #[test]
    fn where_nothing_drifts_nothing_is_said_or_touched() {
        let trajectory = examined(Box::new(walkers(DVec3::ZERO, true)), false).unwrap();
        assert!(trajectory.notes().is_empty() && trajectory.centre_of_mass() == CentreOfMass::Free);
        // At rest but for round-off, which is all the motion that there is.
        let at = |frame: usize| vec![DVec3::X * (1.0 + 1e-9 * frame as f64), DVec3::ZERO];
        let still = Synthetic::new(&[0, 1], (0..9).collect(), 1.0, Cell::cubic(50.0).unwrap(), at);
        let trajectory = examined(Box::new(still), false).unwrap();
        assert!(trajectory.notes().is_empty() && trajectory.centre_of_mass() == CentreOfMass::Free);
        // A drift of a ten thousandth of what the particles move.
        let trajectory = examined(Box::new(walkers(DVec3::splat(1e-3), true)), false).unwrap();
        assert!(trajectory.notes().is_empty());
    }

    #[test]
    fn the_centre_of_a_part_of_a_system_may_move() {
        let trajectory = examined(Box::new(walkers(DVec3::X, false)), false).unwrap();
        assert_eq!(trajectory.centre_of_mass(), CentreOfMass::Free);
        assert!(trajectory.notes()[0].contains("not all particles"));
    }

    #[test]
    fn elements_weigh_what_they_weigh_where_the_file_has_no_masses() {
        // A heavy and a light walker change places with their common centre at rest, which equal masses would see drift.
        let [heavy, light] = [58.693, 1.008];
        let at = move |frame: usize| {
            let s = 0.5 * frame as f64;
            vec![DVec3::X * (s * light / heavy), -DVec3::X * s]
        };
        let mut pair = Synthetic::new(&[0, 1], (0..9).collect(), 1.0, Cell::cubic(50.0).unwrap(), at);
        pair.particles.names = vec!["Ni".into(), "H".into()];
        let drift = |pair: &Synthetic| {
            let bodies = Bodies::of(&pair.particles);
            (bodies.masses, bodies.centre(&(pair.positions)(8)).length())
        };
        let (words, found) = drift(&pair);
        // Round-off.
        assert!(words.contains("of the elements") && found < 1e-12, "{words} {found}");
        pair.particles.names = vec!["1".into(), "2".into()];
        let (words, found) = drift(&pair);
        assert!(words.contains("equal masses") && found > 1.0, "{words} {found}");
    }

    /// `n` walkers and a common drift, so that the square of the centre of mass is `ratio` times what is independent motion's.
    fn drifting(ratio: f64) -> Box<dyn Trajectory> {
        let made = walkers(DVec3::ZERO, true);
        let bodies = Bodies::of(&made.particles);
        let frames: Vec<Vec<DVec3>> = (0..40).map(|frame| (made.positions)(frame)).collect();
        let moves = |frame: usize| frames[frame].iter().zip(&frames[0]).map(|(r, start)| *r - *start);
        let expected: f64 = (1..40).map(|frame| bodies.expected(moves(frame)).unwrap()).sum();
        let steps: f64 = (1..40).map(|frame| f64::from(frame * frame)).sum();
        Box::new(walkers(DVec3::X * (ratio * expected / steps).sqrt(), true))
    }

    #[test]
    fn a_drift_is_one_from_four_times_what_independent_motion_makes_on() {
        for (ratio, centre) in [(3.99, CentreOfMass::Free), (4.01, CentreOfMass::Fixed)] {
            let trajectory = examined(drifting(ratio), false).unwrap();
            assert_eq!(trajectory.centre_of_mass(), centre, "{ratio}");
        }
    }

    #[test]
    fn three_walks_of_a_thousand_are_taken_for_a_drift() {
        let found = (0..500)
            .filter(|&seed| {
                let ticks: Vec<i64> = (0..65).collect();
                let frames = random_walk(12, &ticks, seed);
                let at = move |frame: usize| frames[frame].clone();
                let walk = Synthetic::new(&[0; 12], ticks, 1.0, Cell::cubic(50.0).unwrap(), at);
                Motion::of(&walk, &Bodies::of(&walk.particles)).unwrap().unwrap().ratio > SIGNIFICANT
            })
            .count();
        // 0.0028 of 500 is 1.4; that of 12 walkers is known by their own motion, so that it varies a little more.
        assert!(found <= 6, "{found} of 500");
    }

    #[test]
    fn atoms_that_are_taken_for_bodies_are_named_where_molecules_are_not_known() {
        let note = |molecules: Option<Vec<usize>>| {
            let mut made = walkers(DVec3::X, true);
            made.particles.molecules = molecules;
            examined(Box::new(made), false).unwrap().notes().join("\n")
        };
        assert!(note(None).contains("every atom by itself: no molecules are known"));
        let note = note(Some((0..60).map(|atom| atom / 3).collect()));
        assert!(note.contains("drift is removed") && !note.contains("every atom by itself"), "{note}");
    }

    #[test]
    fn a_molecule_is_one_body() {
        // Dimers that walk as one: their centre of mass walks by twice as much as that of as many free atoms.
        let ticks: Vec<i64> = (0..40).collect();
        let frames = random_walk(30, &ticks, 3);
        let at = move |frame: usize| frames[frame].iter().flat_map(|r| [*r, *r + DVec3::X]).collect();
        let mut dimers = Synthetic::new(&[0; 60], ticks, 1.0, Cell::cubic(50.0).unwrap(), at);
        let bare = Motion::of(&dimers, &Bodies::of(&dimers.particles)).unwrap().unwrap().ratio;
        dimers.particles.molecules = Some((0..60).map(|atom| atom / 2).collect());
        let whole = Motion::of(&dimers, &Bodies::of(&dimers.particles)).unwrap().unwrap().ratio;
        // Twice the mean square, of which the centre of mass of 60 bodies takes a sixtieth, that of 30 a thirtieth. Round-off.
        assert!((bare / whole - 2.0 * (59.0 / 60.0) * (30.0 / 29.0)).abs() < 1e-9, "{bare} {whole}");
    }
}
