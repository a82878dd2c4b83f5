//! Spans of time with their J and NJ ions: what the observables of heterogeneity share.

use std::sync::Arc;

use glam::{BVec3, DVec3};
use vitrion_core::cell::Cell;

use super::jumps::{JumpFinder, JumpRule, Jumps};
use super::windows::{WindowCollector, WindowMeans};
use crate::clock::Clock;
use crate::error::AnalysisError;
use crate::fits::{Points, line};
use crate::frame::{Frame, Needs};
use crate::inputs::open_edges;
use crate::lags::Lags;
use crate::msd::MeanSquaredDisplacement;
use crate::observable::{Context, Missing, Observable as _};
use crate::settings::Settings;
use crate::table::whole;

/// Threshold of Saito et al. (2024) (angstrom).
pub const DEFAULT_THRESHOLD: f64 = 2.5;
/// Span of Saito et al. (2024): 12 us (ps).
pub const DEFAULT_SPAN: f64 = 12e6;
/// In a cage the MSD grows by less than a factor of two in the decade of time around a window: log-slope below log10 2.
/// CKN at 700 K never gets there: its smallest slope is 0.41, at 1.5 ps (tests/reference/lammps-700K.json).
pub const LARGEST_CAGE_SLOPE: f64 = 0.301;
/// Names of the classes.
pub const CLASSES: [&str; 2] = ["J", "NJ"];

/// How jumps are found, from the settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JumpSettings {
    /// |difference of window means| of a jump (angstrom).
    pub threshold: f64,
    /// Which means are compared.
    pub rule: JumpRule,
    /// Span in which J ions jump (ps).
    pub span: f64,
    /// The user chose both window and threshold: results that need a cage are given without one.
    pub explicit: bool,
}

impl JumpSettings {
    /// From the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            threshold: settings.jump_threshold.unwrap_or(DEFAULT_THRESHOLD),
            rule: settings.jump_rule,
            span: settings.jump_span.unwrap_or(DEFAULT_SPAN),
            explicit: settings.jump_window.is_some() && settings.jump_threshold.is_some(),
        }
    }
}

/// Gathers windows and looks whether there is a cage, while frames stream by.
pub struct SpanCollector {
    collector: WindowCollector,
    settings: JumpSettings,
    cage: Option<MeanSquaredDisplacement>,
    lags: Arc<Lags>,
    species: Vec<usize>,
    names: Vec<String>,
    periodic: BVec3,
    origins: usize,
}

/// A span of one trajectory.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Which trajectory.
    pub trajectory: usize,
    /// Its first window.
    pub first: usize,
    /// Per ion: whether it jumps within the span.
    pub jumps: Arc<[bool]>,
}

/// Windows, jumps and classes.
pub struct Spans {
    /// The windows.
    pub windows: WindowMeans,
    /// Per trajectory.
    pub jumps: Vec<Jumps>,
    /// Per trajectory, by the rule that was not chosen.
    pub jumps_by_other_rule: Vec<Jumps>,
    /// Spans that follow one another, of all trajectories.
    pub list: Vec<Span>,
    /// Windows in a span.
    pub length: usize,
    /// How jumps were found.
    pub settings: JumpSettings,
    /// Per ion: index into `names`.
    pub species: Vec<usize>,
    /// Names of the species.
    pub names: Vec<String>,
    /// Why there is no cage; none where there is one, or where the user chose window and threshold.
    pub no_cage: Option<String>,
    /// For readers of the results.
    pub notes: Vec<String>,
    /// Along which edges of the cell the system repeats itself.
    pub periodic: BVec3,
    origins: usize,
}

impl SpanCollector {
    /// From what the user chose.
    pub fn new(context: &Context) -> Result<Self, Missing> {
        let settings = JumpSettings::new(context.settings);
        let collector = WindowCollector::new(context.inputs, context.settings.jump_window)?;
        let root = 10f64.sqrt();
        let lags = context.lags.within(collector.window / root, collector.window * root);
        let lags = Arc::new(lags);
        let particles = context.inputs.particles();
        // Two lags make a slope without an error.
        let cage = (lags.len() >= 2).then(|| MeanSquaredDisplacement::new(particles, &lags));
        Ok(Self {
            collector,
            settings,
            cage,
            lags,
            species: particles.centre_species(),
            names: particles.names.clone(),
            periodic: context.inputs.periodic(),
            origins: context.origins,
        })
    }

    /// What the results depend on.
    pub fn key(&self) -> String {
        format!(
            "window {} {:?} origins {} {}",
            self.collector.window,
            self.settings,
            self.origins,
            self.lags.describe()
        )
    }

    /// What is needed of the frames of a trajectory.
    pub fn needs(&self, trajectory: usize) -> Needs {
        if self.cage.is_some() { Needs::CENTRES } else { self.collector.needs(trajectory) }
    }

    /// Adds a frame.
    pub fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.collector.accumulate(frame);
        match &mut self.cage {
            Some(msd) => msd.accumulate(frame),
            None => Ok(()),
        }
    }

    /// Finds jumps, and classes within spans.
    pub fn finish(self) -> Result<Spans, Missing> {
        let slope = self.cage.as_ref().and_then(log_slope);
        let no_cage = if self.settings.explicit { None } else { no_cage(slope, self.collector.window) };
        let mut windows = self.collector.finish()?;
        let (jumps, jumps_by_other_rule) = find_jumps(&mut windows, &self.settings)?;
        let shortest = jumps.iter().map(|j| j.windows).min().unwrap_or(0);
        let length =
            ((self.settings.span / windows.window * (1.0 + 1e-9)) as usize).clamp(1, shortest.max(1));
        if length < 2 {
            return Err(Missing::because(format!(
                "jumps need two windows of {} ps within a span; the trajectories hold {shortest} windows",
                windows.window
            )));
        }
        let list = spans(&jumps, length);
        let mut notes = windows.notes.clone();
        notes.push(describe(&windows, &self.settings, length, &list));
        match (slope, self.settings.explicit) {
            (Some(slope), _) => notes.push(format!(
                "log-slope of the MSD around the window: {slope:.2} (a cage has less than {LARGEST_CAGE_SLOPE})"
            )),
            (None, true) => notes.push("window and threshold were chosen by the user".to_string()),
            (None, false) => {}
        }
        notes.extend(no_cage.clone());
        Ok(Spans {
            windows,
            jumps,
            jumps_by_other_rule,
            list,
            length,
            settings: self.settings,
            species: self.species,
            names: self.names,
            no_cage,
            notes,
            periodic: self.periodic,
            origins: self.origins,
        })
    }
}

/// By the chosen rule, and by the other one.
fn find_jumps(
    windows: &mut WindowMeans,
    settings: &JumpSettings,
) -> Result<(Vec<Jumps>, Vec<Jumps>), Missing> {
    let mut found = (Vec::new(), Vec::new());
    for trajectory in &mut windows.trajectories {
        let finder = |rule| JumpFinder::new(windows.ions, rule, settings.threshold);
        let (mut chosen, mut other) = (finder(settings.rule), finder(settings.rule.other()));
        for k in 0..trajectory.count {
            let means = trajectory.mean(k)?;
            chosen.accumulate(&means);
            other.accumulate(&means);
        }
        found.0.push(chosen.finish());
        found.1.push(other.finish());
    }
    Ok(found)
}

fn spans(jumps: &[Jumps], length: usize) -> Vec<Span> {
    let of = |(trajectory, found): (usize, &Jumps)| {
        (0..found.windows / length)
            .map(|k| Span { trajectory, first: k * length, jumps: found.classes(k * length, length).into() })
            .collect::<Vec<_>>()
    };
    jumps.iter().enumerate().flat_map(of).collect()
}

fn describe(windows: &WindowMeans, settings: &JumpSettings, length: usize, list: &[Span]) -> String {
    let span = length as f64 * windows.window;
    let shorter = if span < settings.span * (1.0 - 1e-6) {
        format!(" (the trajectories are shorter than {} ps)", settings.span)
    } else {
        String::new()
    };
    format!(
        "jumps by rule {} on windows of {} ps: more than {} angstrom; J and NJ within spans of {span} ps{shorter}: {} in all",
        settings.rule.name(),
        windows.window,
        settings.threshold,
        list.len()
    )
}

/// d ln MSD / d ln t of all ions over the lags that were followed.
fn log_slope(msd: &MeanSquaredDisplacement) -> Option<f64> {
    let curves = msd.curves();
    let all = curves.iter().find(|c| c.species == "all")?;
    let points = all.points.iter().filter(|p| p.msd > 0.0);
    let (x, y): (Vec<f64>, Vec<f64>) = points.map(|p| (p.lag.ln(), p.msd.ln())).unzip();
    // Equal errors of 1: only the slope is wanted, also of two points.
    let ones = vec![1.0; x.len()];
    line::fit(Points { x: &x, y: &y, errors: Some(&ones) }).ok().map(|found| found.slope.value)
}

fn no_cage(slope: Option<f64>, window: f64) -> Option<String> {
    match slope {
        Some(slope) if slope < LARGEST_CAGE_SLOPE => None,
        Some(slope) => Some(format!(
            "no cage of {window} ps: the MSD grows as t^{slope:.2} there and has no plateau; x and V_c and tau_cage are not \
             determined (choose window and threshold from a plateau with --jump-window and --jump-threshold)"
        )),
        None => Some(format!(
            "no frames that show the MSD around {window} ps: whether ions are caged that long is unknown; x and V_c and \
             tau_cage are not determined (choose window and threshold with --jump-window and --jump-threshold)"
        )),
    }
}

impl Spans {
    /// Lags within a span, in whole windows; every span counts as a trajectory.
    pub fn lags(&self) -> Lags {
        self.lags_with_origins(self.origins)
    }

    /// The same with at most `origins` origins a span.
    pub fn lags_with_origins(&self, origins: usize) -> Lags {
        let clock = Clock { ticks: (0..whole(self.length)).collect(), tick: self.windows.window };
        Lags::new(&vec![clock; self.list.len()], origins)
    }

    /// Reads all windows of all spans, in order.
    pub fn stream(&mut self, mut each: impl FnMut(&Frame)) -> Result<(), Missing> {
        for number in 0..self.list.len() {
            let (trajectory, first) = (self.list[number].trajectory, self.list[number].first);
            for index in 0..self.length {
                let means = self.windows.trajectories[trajectory].mean(first + index)?;
                each(&self.frame(number, index, means));
            }
        }
        Ok(())
    }

    /// What stands for the ions in a window of a span, as a frame: its trajectory is the number of the span, its tick that of the
    /// window within the span.
    pub fn frame(&self, number: usize, index: usize, of_ions: Vec<DVec3>) -> Frame {
        let span = &self.list[number];
        let trajectory = &self.windows.trajectories[span.trajectory];
        Frame {
            trajectory: number,
            index,
            tick: whole(index),
            time: trajectory.start + (span.first + index) as f64 * self.windows.window,
            cell: trajectory.cell,
            atoms: Arc::new([]),
            unwrapped: Arc::new([]),
            centres: of_ions.into(),
        }
    }

    /// The cells of all trajectories, for what only a system has that repeats itself along all edges: nearest images, densities; or, in words,
    /// why there are none.
    pub fn lattices(&self) -> Result<Vec<Cell>, String> {
        if let Some(edges) = open_edges(self.periodic) {
            return Err(format!("{edges} not periodic"));
        }
        let cells: Option<Vec<Cell>> = self.windows.trajectories.iter().map(|t| t.cell).collect();
        cells.ok_or_else(|| "a trajectory has no periodic cell".to_string())
    }

    /// Per span: class of each ion, 0 for J and 1 for NJ.
    pub fn classes(&self) -> Vec<Vec<usize>> {
        self.list.iter().map(|span| span.jumps.iter().map(|j| usize::from(!j)).collect()).collect()
    }

    /// Time of a jump's moment (ps).
    pub fn time(&self, trajectory: usize, moment: f64) -> f64 {
        self.windows.trajectories[trajectory].start + moment * self.windows.window
    }
}
