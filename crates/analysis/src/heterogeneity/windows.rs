//! Window means of the ions' centres: those of the file, or made from its frames.
//!
//! Vitrion writes means over all samples of a window. Where a file has none, or of windows that do not divide the one that
//! is asked for, they are made from frames: of all frames the largest evenly spaced set from the first one on (of a schedule
//! that is logarithmic in blocks: the first frame of each block, and the one in its middle if there is one), averaged over those within a window; a note says over how many.
//!
//! Memory: one window. Means that are made from frames wait in a temporary file.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_trajectory::h5md::{Stage, TrajectoryReader};

use crate::clock::Clock;
use crate::frame::{Frame, Needs};
use crate::inputs::{Inputs, Trajectory};
use crate::observable::Missing;

/// Length of a window where neither the user nor the file says one: that of Saito et al. (2024).
pub const DEFAULT_WINDOW: f64 = 4000.0;
/// Two lengths of time are equal to the rounding of f32 times.
const TOLERANCE: f64 = 1e-6;

/// Window means of all trajectories.
pub struct WindowMeans {
    /// Length of a window (ps).
    pub window: f64,
    /// Number of ions.
    pub ions: usize,
    /// Per trajectory.
    pub trajectories: Vec<TrajectoryWindows>,
    /// Where they come from.
    pub notes: Vec<String>,
}

/// Window means of one trajectory, read one by one.
pub struct TrajectoryWindows {
    /// Number of windows.
    pub count: usize,
    /// Time at which the first one begins (ps).
    pub start: f64,
    /// Cell of the first frame.
    pub cell: Option<Cell>,
    source: Source,
}

enum Source {
    /// Of a file: means over `merged` of its windows.
    Written { reader: Box<TrajectoryReader>, stage: String, merged: usize },
    /// Made from frames: 3 f64 an ion and window.
    Made { file: File, ions: usize },
}

impl TrajectoryWindows {
    /// Mean position of each ion in window k (angstrom).
    pub fn mean(&mut self, k: usize) -> Result<Vec<DVec3>, Missing> {
        let means = match &mut self.source {
            Source::Written { reader, stage, merged } => {
                let mut sum: Vec<DVec3> = Vec::new();
                for window in k * *merged..(k + 1) * *merged {
                    let part = reader.window_mean(stage, window).map_err(unreadable)?;
                    if sum.is_empty() {
                        sum = part;
                    } else {
                        sum.iter_mut().zip(part).for_each(|(s, m)| *s += m);
                    }
                }
                let n = *merged as f64;
                sum.iter().map(|s| *s / n).collect()
            }
            Source::Made { file, ions } => read(file, *ions, k).map_err(unreadable)?,
        };
        if means.iter().any(|m: &DVec3| !m.is_finite()) {
            return Err(Missing::because(format!("window mean {k} holds numbers that are not finite")));
        }
        Ok(means)
    }
}

fn unreadable(error: impl std::fmt::Display) -> Missing {
    Missing::because(format!("window means cannot be read: {error}"))
}

fn read(file: &mut File, ions: usize, k: usize) -> std::io::Result<Vec<DVec3>> {
    let mut bytes = vec![0; ions * size_of::<DVec3>()];
    file.seek(SeekFrom::Start((k * bytes.len()) as u64))?;
    file.read_exact(&mut bytes)?;
    let number = |b: &[u8]| b.try_into().map_or(f64::NAN, f64::from_le_bytes);
    let numbers: Vec<f64> = bytes.chunks_exact(size_of::<f64>()).map(number).collect();
    Ok(numbers.chunks_exact(3).map(DVec3::from_slice).collect())
}

fn append(file: &mut File, means: &[DVec3]) -> std::io::Result<()> {
    let bytes: Vec<u8> = means.iter().flat_map(DVec3::to_array).flat_map(f64::to_le_bytes).collect();
    file.seek(SeekFrom::End(0))?;
    file.write_all(&bytes)
}

/// Gathers window means while frames stream by.
pub struct WindowCollector {
    /// Length of a window (ps).
    pub window: f64,
    ions: usize,
    plans: Vec<Plan>,
    notes: Vec<String>,
    failure: Option<Missing>,
}

/// How the windows of one trajectory come about.
struct Plan {
    start: f64,
    cell: Option<Cell>,
    source: PlannedSource,
}

enum PlannedSource {
    Written { path: PathBuf, stage: String, merged: usize, count: usize },
    Made { first: i64, spacing: i64, frames: usize, sum: Vec<DVec3>, added: usize, count: usize, file: File },
}

impl WindowCollector {
    /// Plans windows of `window` ps; none: those of the files, else of 4 ns.
    pub fn new(inputs: &Inputs, window: Option<f64>) -> Result<Self, Missing> {
        let ions = inputs.particles().centres.len();
        if let Some((window, plans, notes)) = written(inputs, window)? {
            return Ok(Self { window, ions, plans, notes, failure: None });
        }
        let window = window.unwrap_or(DEFAULT_WINDOW);
        let mut plans = Vec::new();
        let mut notes = Vec::new();
        for (trajectory, clock) in inputs.trajectories.iter().zip(inputs.clocks()) {
            let (plan, note) = made(&**trajectory, clock, window)?;
            plans.push(plan);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Ok(Self { window, ions, plans, notes, failure: None })
    }

    /// Whether a frame with this tick is averaged.
    fn takes(&self, trajectory: usize, tick: i64) -> bool {
        match &self.plans[trajectory].source {
            PlannedSource::Written { .. } => false,
            PlannedSource::Made { first, spacing, .. } => (tick - first) % spacing == 0,
        }
    }

    /// What is needed of the frames of a trajectory.
    pub fn needs(&self, trajectory: usize) -> Needs {
        match self.plans[trajectory].source {
            PlannedSource::Written { .. } => Needs::NOTHING,
            PlannedSource::Made { .. } => Needs::CENTRES,
        }
    }

    /// Adds a frame to its window.
    pub fn accumulate(&mut self, frame: &Frame) {
        if !self.takes(frame.trajectory, frame.tick) {
            return;
        }
        let source = &mut self.plans[frame.trajectory].source;
        let PlannedSource::Made { frames, sum, added, count, file, .. } = source else { return };
        if *added == 0 {
            sum.clear();
            sum.extend_from_slice(&frame.centres);
        } else {
            sum.iter_mut().zip(frame.centres.iter()).for_each(|(s, r)| *s += *r);
        }
        *added += 1;
        if *added < *frames {
            return;
        }
        let n = *frames as f64;
        for s in sum.iter_mut() {
            *s /= n;
        }
        *added = 0;
        *count += 1;
        if let Err(error) = append(file, sum) {
            self.failure = Some(Missing::because(format!("window means cannot be kept on disk: {error}")));
        }
    }

    /// All windows that are complete.
    pub fn finish(self) -> Result<WindowMeans, Missing> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let (window, ions) = (self.window, self.ions);
        let open = |plan: Plan| {
            let (source, count) = match plan.source {
                PlannedSource::Written { path, stage, merged, count } => {
                    let reader = Box::new(TrajectoryReader::open(&path).map_err(unreadable)?);
                    (Source::Written { reader, stage, merged }, count)
                }
                PlannedSource::Made { file, count, .. } => (Source::Made { file, ions }, count),
            };
            Ok(TrajectoryWindows { count, start: plan.start, cell: plan.cell, source })
        };
        let trajectories = self.plans.into_iter().map(open).collect::<Result<Vec<_>, Missing>>()?;
        Ok(WindowMeans { window, ions, trajectories, notes: self.notes })
    }
}

/// Plans for the windows that the files hold, where all trajectories hold some that fit.
#[allow(clippy::type_complexity)]
fn written(inputs: &Inputs, window: Option<f64>) -> Result<Option<(f64, Vec<Plan>, Vec<String>)>, Missing> {
    let mut plans = Vec::new();
    let mut common: Option<f64> = None;
    for trajectory in &inputs.trajectories {
        let (Some(reader), Some(stage)) = (trajectory.h5md(), trajectory.stage()) else { return Ok(None) };
        if !stage.window_means {
            return Ok(None);
        }
        let steps = reader.window_steps(&stage.name).map_err(unreadable)?;
        let Some(Stored { window: own, start, count }) =
            Stored::new(&steps, reader, stage, &trajectory.label())?
        else {
            return Ok(None);
        };
        let wanted = window.or(common).unwrap_or(own);
        let Some(merged) = whole_ratio(wanted, own) else { return Ok(None) };
        common = Some(wanted);
        plans.push(Plan {
            start,
            cell: cell_of(&**trajectory)?,
            source: PlannedSource::Written {
                path: trajectory.path().to_path_buf(),
                stage: stage.name.clone(),
                merged,
                count: count / merged,
            },
        });
    }
    let note = "window means as the run wrote them".to_string();
    Ok(common.map(|window| (window, plans, vec![note])))
}

/// Windows of one stage as a file holds them.
pub struct Stored {
    /// Length of a window (ps).
    pub window: f64,
    /// Time at which the first one begins (ps).
    pub start: f64,
    /// How many there are.
    pub count: usize,
}

impl Stored {
    /// From the steps at which the windows end; none if there are none.
    pub fn new(
        steps: &[i64],
        frames: &TrajectoryReader,
        stage: &Stage,
        label: &str,
    ) -> Result<Option<Self>, Missing> {
        let Some(&first) = steps.first() else { return Ok(None) };
        let length = steps.get(1).map_or(first - stage.first_step.cast_signed(), |second| second - first);
        if length <= 0 || steps.windows(2).any(|pair| pair[1] - pair[0] != length) {
            return Err(Missing::because(format!(
                "{label}: the windows of stage {} do not follow one another",
                stage.name
            )));
        }
        // Its time from a frame of the same stage: the steps of an earlier one may have another length.
        let of_stage = |frame: &usize| frames.step(*frame) >= stage.first_step.cast_signed();
        let frame = (0..frames.frames()).find(of_stage).unwrap_or(0);
        let steps_since_frame = (first - length) - frames.step(frame);
        Ok(Some(Self {
            window: length as f64 * stage.timestep,
            start: frames.time(frame) + steps_since_frame as f64 * stage.timestep,
            count: steps.len(),
        }))
    }
}

/// A plan for windows made from frames, and a note that says how.
fn made(trajectory: &dyn Trajectory, clock: &Clock, window: f64) -> Result<(Plan, String), Missing> {
    let spacing = even_spacing(&clock.ticks)
        .ok_or_else(|| Missing::because("window means need at least two frames, or those of the run"))?;
    let interval = spacing as f64 * clock.tick;
    let frames = whole_ratio(window, interval).ok_or_else(|| {
        Missing::because(format!(
            "windows of {window} ps cannot be made from frames every {interval} ps, and the files hold no windows that divide \
             them; choose a multiple of that with --jump-window"
        ))
    })?;
    let first = clock.ticks[0];
    let available = (clock.span() / spacing) as usize + 1;
    if available / frames < 2 {
        return Err(Missing::because(format!(
            "the trajectory of {} ps is shorter than two windows of {window} ps; choose shorter ones with --jump-window",
            clock.span() as f64 * clock.tick
        )));
    }
    let unavailable =
        |error: std::io::Error| Missing::because(format!("no temporary file for window means: {error}"));
    let file = tempfile::tempfile().map_err(unavailable)?;
    let start = first as f64 * clock.tick + time_of_tick_zero(trajectory, clock);
    let note = if frames == 1 {
        format!("windows are single frames, every {interval} ps: vibrations are not averaged away")
    } else {
        format!("window means made from {frames} frames each, every {interval} ps")
    };
    let source = PlannedSource::Made { first, spacing, frames, sum: Vec::new(), added: 0, count: 0, file };
    // Samples lie at the beginnings of equal parts of the window: its mean belongs to half a part earlier than its middle.
    let plan = Plan { start: start - 0.5 * interval, cell: cell_of(trajectory)?, source };
    Ok((plan, note))
}

/// Ticks may be steps that were counted before the clock of the file began, or after.
fn time_of_tick_zero(trajectory: &dyn Trajectory, clock: &Clock) -> f64 {
    let first = clock.ticks[0] as f64 * clock.tick;
    trajectory.stream().next(Needs::NOTHING).map_or(0.0, |frame| frame.time - first)
}

fn cell_of(trajectory: &dyn Trajectory) -> Result<Option<Cell>, Missing> {
    trajectory.cell(0).map_err(unreadable)
}

/// a/b, if that is a whole number of at least 1.
pub fn whole_ratio(a: f64, b: f64) -> Option<usize> {
    let ratio = (a / b).round();
    (ratio >= 1.0 && (ratio * b - a).abs() <= TOLERANCE * a).then_some(ratio as usize)
}

/// The smallest spacing s so that first, first + s, first + 2 s, ... are all there up to the end.
fn even_spacing(ticks: &[i64]) -> Option<i64> {
    let (first, last) = (*ticks.first()?, *ticks.last()?);
    let complete = |s: i64| {
        let n = (last - first) / s;
        (1..=n).all(|k| ticks.binary_search(&(first + k * s)).is_ok())
    };
    ticks[1..].iter().map(|t| t - first).find(|s| complete(*s))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vitrion_core::force_field::ForceField;
    use vitrion_trajectory::h5md::{Frame as Moment, Header, Provenance, TrajectoryWriter};

    use super::*;
    use crate::analysis::stream;
    use crate::error::AnalysisError;
    use crate::observable::Observable;
    use crate::table::Table;
    use crate::test_support::{Synthetic, logarithmic_blocks};

    impl Observable for WindowCollector {
        fn key(&self) -> String {
            String::new()
        }
        fn needs(&self, trajectory: usize, _: usize) -> Needs {
            self.needs(trajectory)
        }
        fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
            self.accumulate(frame);
            Ok(())
        }
        fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
            Ok(Vec::new())
        }
    }

    fn collect(ticks: Vec<i64>, window: f64) -> Result<WindowMeans, Missing> {
        let at: Vec<f64> = ticks.iter().map(|t| 0.5 * *t as f64).collect();
        let cell = Cell::cubic(10.0).unwrap();
        let inputs = Synthetic::new(&[0, 1], ticks, 0.5, cell, move |f| {
            vec![DVec3::new(at[f], 0.0, 1.0), DVec3::new(0.0, 2.0 * at[f], -1.0)]
        })
        .inputs();
        let mut collector = WindowCollector::new(&inputs, Some(window))?;
        stream(&inputs, &mut [&mut collector], &mut |_| ()).unwrap();
        collector.finish()
    }

    #[test]
    fn even_frames_are_averaged_window_by_window() {
        // Frames every 1 ps from 5 ps on, windows of 4 ps: 11 frames make 2 windows.
        let mut means = collect((5..16).map(|k| 2 * k).collect(), 4.0).unwrap();
        let windows = &mut means.trajectories[0];
        assert_eq!((windows.count, windows.start), (2, 4.5));
        assert_eq!(windows.mean(1).unwrap(), [DVec3::new(10.5, 0.0, 1.0), DVec3::new(0.0, 21.0, -1.0)]);
        assert_eq!(windows.mean(0).unwrap()[0].x, 6.5);
    }

    #[test]
    fn logarithmic_blocks_give_their_evenly_spaced_frames() {
        let mut means = collect(logarithmic_blocks(6, 16), 16.0).unwrap();
        // Blocks of 8 ps have frames at their beginning and middle: every 4 ps.
        let windows = &mut means.trajectories[0];
        assert_eq!(windows.count, 3);
        assert_eq!(windows.mean(2).unwrap()[0].x, 38.0);
        assert!(means.notes[0].contains("4 frames"));
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let missing = |ticks: Vec<i64>, window| collect(ticks, window).err().unwrap().reason;
        assert!(missing((0..20).collect(), 0.7).contains("--jump-window"));
        assert!(missing((0..20).collect(), 8.0).contains("shorter than two windows"));
        assert!(collect(vec![0], 1.0).is_err());
    }

    #[test]
    fn windows_begin_with_their_stage_whatever_the_steps_of_the_one_before() {
        let force_field = ForceField::load(Path::new("ckn-rigid")).unwrap();
        let topology = force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).unwrap();
        let stage = |name: &str, first_step, timestep| Stage {
            name: name.into(),
            first_step,
            steps: 100,
            timestep,
            window_means: true,
            ion_stress: false,
        };
        let stages = vec![stage("melt", 0, 0.002), stage("glass", 100, 0.004)];
        let header = Header {
            author: String::new(),
            topology: topology.clone(),
            provenance: Provenance::default(),
            stages: stages.clone(),
            velocities: false,
            expected_rows: 4,
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("replica-000.h5");
        let mut writer = TrajectoryWriter::create(&path, &header).unwrap();
        // The first frame of the glass comes a window late.
        for (step, time) in [(0, 0.0), (50, 0.1), (125, 0.3), (150, 0.4)] {
            let frame = Moment {
                step,
                time,
                cell: &Cell::cubic(20.0).unwrap(),
                positions: &vec![DVec3::ZERO; topology.n_atoms()],
                velocities: None,
                unwrapped_centres: &vec![DVec3::ZERO; topology.molecules.len()],
            };
            writer.append_frame(&frame).unwrap();
        }
        writer.finish().unwrap();
        let reader = TrajectoryReader::open(&path).unwrap();
        let start = |steps: [i64; 2], stage: &Stage| {
            Stored::new(&steps, &reader, stage, "file").unwrap().unwrap().start
        };
        // 100 steps of 2 fs before it; round-off.
        assert!((start([125, 150], &stages[1]) - 0.2).abs() < 1e-12);
        assert!(start([25, 50], &stages[0]).abs() < 1e-12);
    }

    #[test]
    fn spacing_is_the_smallest_that_has_no_gap() {
        assert_eq!(even_spacing(&[3, 6, 9, 12]), Some(3));
        assert_eq!(even_spacing(&logarithmic_blocks(4, 8)), Some(4));
        assert_eq!(even_spacing(&logarithmic_blocks(4, 25)), Some(25));
        assert_eq!(even_spacing(&[0, 1, 5]), Some(5));
        assert_eq!(even_spacing(&[7]), None);
    }
}
