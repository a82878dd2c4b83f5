//! LAMMPS dumps as trajectories.
//!
//! Species and molecules come from a LAMMPS data file of the same system; without one, from the columns `element` or `type`, and
//! `mol` (see `atoms`). Times: `ITEM: TIME`, else steps times the time step that the user gives, else times the default of LAMMPS;
//! and a note says so (see `times`). Positions are unwrapped (`xu`), or followed by `ix iy iz`, or by the shortest
//! displacement between frames (see `follower`); `x` with or without images may be unwrapped too (see `unwrapping`).
//!
//! LAMMPS moves the corner of a cell whose size it changes: so that its centre stays. Positions of later frames are moved back with
//! it: where an atom is, is counted from the corner, along edges that are periodic.

mod atoms;
mod times;

use std::path::Path;
use std::sync::Arc;

use glam::{BVec3, DVec3};
use vitrion_core::cell::Cell;
use vitrion_trajectory::lammps_dump::{DumpFrame, End, Labels, LammpsDump};

use super::follower::{Crossings, Follower, Moment, check_finite};
use super::unwrapping::{self, Look, Unwrapping};
use super::{FrameStream, Said, Trajectory};
use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::particles::Particles;

/// More atoms in a cubic angstrom than any solid or liquid has under ordinary pressures (diamond: 0.18).
const CROWDED: f64 = 0.5;

/// All frames of a dump.
pub struct DumpTrajectory {
    dump: LammpsDump,
    particles: Particles,
    /// The first frame, without its positions: what all others must agree with.
    first: DumpFrame,
    /// Whether it has images, which are taken out of it.
    counted: bool,
    /// How positions become unwrapped.
    unwrapping: Unwrapping,
    /// Whether molecules are those of the dump.
    own_molecules: bool,
    periodic: BVec3,
    whole: bool,
    clock: Clock,
    notes: Vec<String>,
}

impl DumpTrajectory {
    /// Reads the first frame, and says what the atoms are and when the frames were taken.
    pub fn new(dump: LammpsDump, said: Said) -> Result<Self, AnalysisError> {
        let dump = dump.in_units(said.units)?;
        let label = dump.path().display().to_string();
        check_numbers(&dump, &label)?;
        let periodic = boundary(&dump, &label)?;
        check_counts(&dump, &label)?;
        let mut first = dump.frame(0)?;
        let mut notes = Vec::new();
        let particles = atoms::particles(&label, &first, said.topology, &mut notes)?;
        ending(&dump, &label, &mut notes);
        if dump.boundary(0).is_none() {
            notes.push("the dump names no boundaries: periodic along all edges is assumed".to_string());
        }
        units(&dump, &first, &mut notes);
        let clock = times::clock(&dump, said.timestep, &label, &mut notes)?;
        let n = first.ids.len();
        let whole = first.ids.last().is_none_or(|last| *last <= n as u64)
            && said.topology.is_none_or(|topology| topology.ids.len() <= n);
        let counted = first.images.take().is_some();
        first.positions = Vec::new();
        let own_molecules = said.topology.is_none_or(|topology| topology.molecules.is_none());
        let unwrapping = Unwrapping::AsIs;
        let mut trajectory = Self {
            dump,
            particles,
            first,
            counted,
            unwrapping,
            own_molecules,
            periodic,
            whole,
            clock,
            notes,
        };
        if !trajectory.first.unwrapped {
            trajectory.settle_unwrapping(&label)?;
        }
        Ok(trajectory)
    }

    /// Finds out how positions become unwrapped.
    fn settle_unwrapping(&mut self, label: &str) -> Result<(), AnalysisError> {
        let look = |index: usize| -> Result<Option<Look>, AnalysisError> {
            let frame = self.checked(index)?;
            let corner = self.corner(&frame);
            let positions = frame.positions.iter().map(|r| *r - corner).collect();
            // Along edges that nothing repeats itself along, counts are placeholders.
            let along = |n: DVec3| DVec3::select(self.periodic, n, DVec3::ZERO);
            let images = frame.images.map(|images| images.into_iter().map(along).collect());
            Ok(Some((frame.cell, positions, images)))
        };
        let (way, notes) =
            unwrapping::of_dump(&look, self.dump.frames(), self.periodic.into(), self.counted, label)?;
        self.unwrapping = way;
        self.notes.extend(notes);
        Ok(())
    }

    /// Whether its frames say which cells atoms have crossed, by images or unwrapped positions.
    pub fn knows_crossings(&self) -> bool {
        self.unwrapping != Unwrapping::ShortestDisplacement
    }

    /// Ids of the atoms, increasing; none where the file has none.
    pub fn ids(&self) -> Option<&[u64]> {
        self.first.has_ids.then_some(&self.first.ids)
    }

    /// A frame that holds the same atoms as the first. Its positions are unwrapped as they are, or have images, or neither, whatever
    /// the columns are called.
    pub fn read(&self, index: usize) -> Result<DumpFrame, AnalysisError> {
        let frame = self.checked(index)?;
        Ok(match self.unwrapping {
            Unwrapping::AsIs => DumpFrame { unwrapped: true, images: None, ..frame },
            Unwrapping::ShortestDisplacement => DumpFrame { images: None, ..frame },
            Unwrapping::Images | Unwrapping::Centres => frame,
        })
    }

    /// A frame as the dump has it, which holds the same atoms as the first.
    fn checked(&self, index: usize) -> Result<DumpFrame, AnalysisError> {
        let frame = self.dump.frame(index)?;
        let problem = |found: String, remedy: &str| {
            Err(AnalysisError::input(&self.label(), format!("frame {index} {found}"), remedy))
        };
        if frame.ids != self.first.ids {
            let strange = frame.ids.iter().find(|id| self.first.ids.binary_search(id).is_err());
            let which = strange.map_or(String::new(), |id| format!(" (atom {id})"));
            return problem(
                format!("has other atoms than the first frame{which}"),
                "dump the same atoms in every frame (a group that does not change)",
            );
        }
        let form = |frame: &DumpFrame, counted: bool| (frame.has_ids, frame.unwrapped, counted);
        if form(&frame, frame.images.is_some()) != form(&self.first, self.counted) {
            return problem(
                "has other columns for ids, positions or images than the first frame".to_string(),
                "split the file there, and analyse the parts one by one",
            );
        }
        let kinds =
            [(&frame.types, &self.first.types, "type"), (&frame.elements, &self.first.elements, "element")];
        for (now, first, what) in kinds {
            if let Some((atom, words)) = changed(now.as_ref(), first.as_ref(), what) {
                if frame.has_ids {
                    return problem(
                        format!("has atom {} as {words}", frame.ids[atom]),
                        "species that change are not understood: dump ids that keep their types (no swaps of types, no new numbers), or split the file there",
                    );
                }
                return problem(
                    format!("has in its line {} of atoms {words}", atom + 1),
                    "without ids the order of the lines must stay: dump with `id` (or dump_modify sort id)",
                );
            }
        }
        if self.own_molecules && self.particles.molecules.is_some() && frame.molecules != self.first.molecules
        {
            return problem(
                "has other molecules (`mol`) than the first frame".to_string(),
                "give the molecules that are meant with --topology SYSTEM.data, or leave the column out",
            );
        }
        Ok(frame)
    }

    /// The corner (angstrom) that positions of a frame are to be counted from: along periodic edges that of its cell; along
    /// others, where the box follows the atoms, that of the first frame.
    pub fn corner(&self, frame: &DumpFrame) -> DVec3 {
        let moved = frame.origin - self.first.origin;
        if self.periodic.all() || moved == DVec3::ZERO {
            return frame.origin;
        }
        let along = DVec3::select(self.periodic, frame.cell.fractional(moved), DVec3::ZERO);
        self.first.origin + frame.cell.cartesian(along)
    }

    /// Positions counted from the corner, which is where it was in the first frame: as they are, as long as it stays.
    fn with_corner_at_rest(&self, frame: &DumpFrame) -> Vec<DVec3> {
        let moved = self.corner(frame) - self.first.origin;
        if moved == DVec3::ZERO {
            return frame.positions.clone();
        }
        frame.positions.iter().map(|r| *r - moved).collect()
    }
}

/// The first atom that is called otherwise than in the first frame, and how.
fn changed(now: Option<&Labels>, first: Option<&Labels>, what: &str) -> Option<(usize, String)> {
    if now == first {
        return None;
    }
    let (Some(now), Some(first)) = (now, first) else {
        return Some((0, format!("with a {what} in one frame and without in the other")));
    };
    let atom = (0..now.of.len()).find(|&atom| now.name(atom) != first.name(atom))?;
    Some((atom, format!("{what} {}, where the first frame has {what} {}", now.name(atom), first.name(atom))))
}

fn check_numbers(dump: &LammpsDump, label: &str) -> Result<(), AnalysisError> {
    let mut numbers = dump.atoms().enumerate();
    let first = numbers.next().map_or(0, |(_, n)| n);
    if first == 0 {
        return Err(AnalysisError::input(
            label,
            "frame 0 holds no atoms",
            "was the group that was dumped empty? Dump the atoms that are to be analysed",
        ));
    }
    match numbers.find(|(_, n)| *n != first) {
        None => Ok(()),
        Some((frame, n)) => Err(AnalysisError::input(
            label,
            format!("frame {frame} holds {n} atoms, frame 0 {first}"),
            "dump the same atoms in every frame (a group that does not change; were atoms lost?)",
        )),
    }
}

/// No frame counts cells otherwise than the one before, which it repeats.
fn check_counts(dump: &LammpsDump, label: &str) -> Result<(), AnalysisError> {
    let Some(frame) = dump.recounted() else { return Ok(()) };
    let step = dump.steps()[frame];
    Err(AnalysisError::input(
        label,
        format!(
            "frame {frame} repeats the frame before (step {step}), but has atoms whole cells away: the run that begins there counts \
             the cells that are crossed (`ix iy iz`, `xu yu zu`) anew"
        ),
        "split the file there, and analyse the parts one by one; or dump wrapped positions without images (`x y z`), by which atoms are followed from frame to frame",
    ))
}

/// Along which edges the system repeats itself: the same in all frames that say so.
fn boundary(dump: &LammpsDump, label: &str) -> Result<BVec3, AnalysisError> {
    let mut known = (0..dump.frames()).filter(|frame| dump.boundary(*frame).is_some());
    let Some(first) = known.next() else { return Ok(BVec3::TRUE) };
    let periodic = dump.periodic(first);
    match known.find(|frame| dump.periodic(*frame) != periodic) {
        None => Ok(periodic),
        Some(frame) => Err(AnalysisError::input(
            label,
            format!("frame {frame} is periodic along other edges than frame {first}"),
            "split the file there, and analyse the parts one by one",
        )),
    }
}

/// Says what is left out.
fn ending(dump: &LammpsDump, label: &str, notes: &mut Vec<String>) {
    match dump.end() {
        End::Whole => {}
        End::WithinFrame => notes.push(format!("{label} ends within a frame, which is left out")),
        End::WithinLastLine => notes.push(format!(
            "{label} ends within a frame, which is left out: its last line has no line break, so that its last number may be cut; add one if it is not"
        )),
    }
    match dump.repeated() {
        [] => {}
        [step] => notes.push(format!(
            "{label}: the frame of step {step} stands there twice, as where one run ends and the next begins: it is taken once"
        )),
        [first, .., last] => notes.push(format!(
            "{label}: {} frames (steps {first} to {last}) repeat the frame before, as where one run ends and the next begins: they are taken once",
            dump.repeated().len()
        )),
    }
}

/// Says what is assumed of the units of lengths.
fn units(dump: &LammpsDump, first: &DumpFrame, notes: &mut Vec<String>) {
    if dump.units().is_some() {
        return;
    }
    let density = first.ids.len() as f64 / first.cell.volume();
    let crowded = if density > CROWDED {
        format!(". That makes {density:.2} atoms in a cubic angstrom, more than any solid has: is it right?")
    } else {
        String::new()
    };
    notes.push(format!(
        "the dump does not name its units: those of `real` are assumed, lengths in angstrom; --units NAME says otherwise{crowded}"
    ));
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

    fn periodic(&self) -> BVec3 {
        self.periodic
    }

    fn is_whole(&self) -> bool {
        self.whole
    }

    fn stream(&self) -> Box<dyn FrameStream + '_> {
        Box::new(Stream { trajectory: self, next: 0, follower: Follower::along(self.periodic) })
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
        let frame = trajectory.read(index)?;
        let crossings = match &frame.images {
            _ if frame.unwrapped => Crossings::Unwrapped,
            Some(images) => Crossings::Counted(images),
            None => Crossings::Unknown,
        };
        let moment =
            Moment { cell: &frame.cell, origin: frame.origin, positions: &frame.positions, crossings };
        let places = self.follower.next(&moment).map_err(|turned| turned.at(&trajectory.label(), index))?;
        check_finite(&trajectory.label(), index, places.iter())?;
        let centres: Vec<DVec3> = trajectory.particles.centres.iter().map(|&a| places[a]).collect();
        self.next += 1;
        Ok(Frame {
            trajectory: 0,
            index,
            tick: trajectory.clock.ticks[index],
            time: trajectory.clock.ticks[index] as f64 * trajectory.clock.tick,
            cell: Some(frame.cell),
            atoms: if needs.atoms { trajectory.with_corner_at_rest(&frame).into() } else { Arc::new([]) },
            unwrapped: if needs.unwrapped { places.into() } else { Arc::new([]) },
            centres: if needs.centres { centres.into() } else { Arc::new([]) },
        })
    }

    fn pass(&mut self, frames: usize) -> Result<(), AnalysisError> {
        // Where an atom is depends on no frame before then.
        if self.trajectory.knows_crossings() && self.trajectory.dump.has_constant_cell() {
            self.next += frames;
            return Ok(());
        }
        (0..frames).try_for_each(|_| self.next(Needs::NOTHING).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use vitrion_trajectory::lammps_data::Description;

    use super::*;

    /// A dump of one frame with these ids.
    fn dump(ids: &[u64], topology: Option<&Description>) -> DumpTrajectory {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let rows: Vec<String> = ids.iter().map(|id| format!("{id} 1 1 1 1\n")).collect();
        let text = format!(
            "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\nITEM: ATOMS id type x y z\n{rows}",
            ids.len(),
            rows = rows.concat()
        );
        std::fs::write(&path, text).unwrap();
        let said = Said { topology, ..Said::default() };
        DumpTrajectory::new(LammpsDump::open(&path).unwrap(), said).unwrap()
    }

    #[test]
    fn a_dump_with_gaps_in_its_ids_or_fewer_atoms_than_the_topology_is_not_whole() {
        assert!(dump(&[3, 1, 2], None).is_whole());
        assert!(!dump(&[1, 2, 4], None).is_whole());
        let topology = Description {
            ids: vec![1, 2, 3],
            names: vec!["1".into()],
            species: vec![0; 3],
            given: vec![false],
            types: vec!["1".into(); 3],
            masses: None,
            molecules: None,
            notes: Vec::new(),
        };
        assert!(dump(&[1, 2, 3], Some(&topology)).is_whole());
        assert!(!dump(&[1, 2], Some(&topology)).is_whole());
    }

    #[test]
    fn frames_are_passed_without_being_read_where_atoms_are_known_without_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let write = |edges: [f64; 4]| {
            let frame = |(step, (edge, word)): (usize, (f64, &str))| {
                format!(
                    "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 {edge}\n0 9\n0 9\nITEM: ATOMS id type xu yu zu\n1 1 {word} 1 1\n"
                )
            };
            let words = ["8", "9.5", "broken", "12"];
            let text: String = edges.into_iter().zip(words).enumerate().map(frame).collect();
            std::fs::write(&path, text).unwrap();
            DumpTrajectory::new(LammpsDump::open(&path).unwrap(), Said::default()).unwrap()
        };
        let constant = write([9.0; 4]);
        let mut stream = constant.stream();
        assert_eq!(stream.next(Needs::UNWRAPPED).unwrap().unwrapped[0].x, 8.0);
        stream.pass(2).unwrap();
        let frame = stream.next(Needs::UNWRAPPED).unwrap();
        assert_eq!((frame.unwrapped[0].x, frame.tick), (12.0, 3));
        // Displacements are summed up where the cell changes.
        let changing = write([9.0, 9.1, 9.2, 9.3]);
        let mut stream = changing.stream();
        stream.next(Needs::UNWRAPPED).unwrap();
        assert!(stream.pass(2).err().unwrap().to_string().contains("`broken` is no number"));
    }
}
