//! Streams trajectories through observables.

use std::sync::{Arc, mpsc};

use rayon::prelude::*;
use vitrion_trajectory::checkpoint::sha256;

use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::inputs::Inputs;
use crate::isf_coherent;
use crate::observable::{Context, Entry, Missing, Observable, lattice};
use crate::results::{Outcome, Results};
use crate::settings::Settings;

/// Part of a new definition of a result: results of earlier versions are measured again.
const GENERATION: u32 = 6;

/// How far an analysis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Frames done.
    pub frames: u64,
    /// Of so many.
    pub of: u64,
}

/// An observable under way.
struct Running {
    entry: Entry,
    key: String,
    observable: Box<dyn Observable>,
}

/// Measures `entries`; what `earlier` has of them with the same settings and the same data is taken from there. Outcomes
/// come in the order of the entries.
pub fn run(
    inputs: &Inputs,
    settings: &Settings,
    entries: &[Entry],
    earlier: Option<&Results>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Outcome>, AnalysisError> {
    settings.check()?;
    let identity = inputs.identity()?;
    let context = Context::new(inputs, settings);
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    let mut running: Vec<Running> = Vec::new();
    for entry in entries {
        let outcome = match (entry.prepare)(&context) {
            Err(missing) => Some(failed(*entry, &identity, missing)),
            Ok(observable) => {
                let key = key(entry, &*observable, &identity);
                let known = earlier.and_then(|results| results.with_key(entry.name, &key));
                if known.is_none() {
                    running.push(Running { entry: *entry, key, observable });
                }
                known.map(|outcome| Outcome { reused: true, ..outcome.clone() })
            }
        };
        outcomes.push(outcome);
    }
    if !running.is_empty() {
        let mut observables: Vec<&mut dyn Observable> = Vec::new();
        for r in &mut running {
            observables.push(&mut *r.observable);
        }
        stream(inputs, &mut observables, progress)?;
    }
    let mut measured = running.into_iter().map(|Running { entry, key, observable }| Outcome {
        name: entry.name.to_string(),
        key,
        reused: false,
        result: observable.finish(),
    });
    Ok(outcomes.into_iter().filter_map(|known| known.or_else(|| measured.next())).collect())
}

fn failed(entry: Entry, identity: &str, missing: Missing) -> Outcome {
    let key = digest(&[entry.name, identity, &missing.reason]);
    Outcome { name: entry.name.to_string(), key, reused: false, result: Err(missing) }
}

fn key(entry: &Entry, observable: &dyn Observable, identity: &str) -> String {
    digest(&[entry.name, &GENERATION.to_string(), env!("CARGO_PKG_VERSION"), identity, &observable.key()])
}

fn digest(parts: &[&str]) -> String {
    sha256(&parts.join("\n"))
}

/// Frames that are read ahead while the last one is measured.
const READ_AHEAD: usize = 2;

/// Streams all frames through observables; `progress` hears of every frame.
pub fn stream(
    inputs: &Inputs,
    observables: &mut [&mut dyn Observable],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), AnalysisError> {
    let of: u64 = inputs.trajectories.iter().map(|t| t.frames() as u64).sum();
    let mut frames = 0;
    for (number, trajectory) in inputs.trajectories.iter().enumerate() {
        let wanted: Vec<Vec<Needs>> = (0..trajectory.frames())
            .map(|index| observables.iter().map(|o| o.needs(number, index)).collect())
            .collect();
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel(READ_AHEAD);
            let wanted = &wanted;
            scope.spawn(move || {
                let mut stream = trajectory.stream();
                for needs in wanted {
                    let needs = needs.iter().fold(Needs::NOTHING, |all, n| all.or(*n));
                    let frame = stream.next(needs);
                    let failed = frame.is_err();
                    // Nobody listens any more after a failure.
                    if sender.send(frame).is_err() || failed {
                        return;
                    }
                }
            });
            let ticks = &inputs.clocks()[number].ticks;
            for ((frame, needs), &tick) in receiver.iter().zip(wanted).zip(ticks) {
                let frame = Frame { trajectory: number, tick, ..frame? };
                check_size(&trajectory.label(), &frame)?;
                observables
                    .par_iter_mut()
                    .zip(needs)
                    .filter(|(_, needs)| **needs != Needs::NOTHING)
                    .try_for_each(|(observable, _)| observable.accumulate(&frame))?;
                frames += 1;
                progress(Progress { frames, of });
            }
            Ok::<(), AnalysisError>(())
        })?;
    }
    Ok(())
}

/// Largest coordinate and edge (angstrom), a centimetre: f64 has 1e-8 angstrom there, fourth powers of displacements and the whole numbers
/// of wave vectors are far from overflowing.
const LARGEST: f64 = 1e8;

/// Refuses numbers so large that arithmetic with them would say nothing.
fn check_size(label: &str, frame: &Frame) -> Result<(), AnalysisError> {
    let of_frame = |what: String| {
        AnalysisError::input(
            label,
            format!("frame {}: {what} beyond {LARGEST:e} angstrom", frame.index),
            "the file is damaged, or its unit of length is not the one that it states: leave this frame out or write the file again",
        )
    };
    let edges = frame.cell.map_or([glam::DVec3::ZERO; 3], |cell| {
        let h = cell.matrix();
        [h.x_axis, h.y_axis, h.z_axis]
    });
    if edges.iter().any(|edge| edge.abs().max_element() > LARGEST) {
        return Err(of_frame("an edge of the cell is".to_string()));
    }
    for (kind, positions) in
        [("particle", &frame.atoms), ("particle", &frame.unwrapped), ("centre", &frame.centres)]
    {
        // Comparisons with NaN are false, so that it is found too.
        let within = |r: &glam::DVec3| r.abs().cmple(glam::DVec3::splat(LARGEST)).all();
        if let Some(place) = positions.iter().position(|r| !within(r)) {
            let r = positions[place];
            return Err(of_frame(format!("{kind} {place} is at {:e} {:e} {:e},", r.x, r.y, r.z)));
        }
    }
    Ok(())
}

/// Time origins of a trajectory that the memory of the settings holds, one at least.
fn affordable_origins(inputs: &Inputs, settings: &Settings) -> usize {
    let particles = inputs.particles();
    // What time correlations keep of an origin: at most the positions of atoms and centres, as much again of derived
    // vectors, and amplitudes. Half of the memory is left to sums and to what is being read.
    let vectors = 2 * (particles.species.len() + particles.centres.len());
    let amplitudes = 150 * 16 * (particles.names.len() + 3) * settings.wave_numbers.len();
    let bytes = (vectors * size_of::<glam::DVec3>() + amplitudes) as u64;
    usize::try_from(settings.memory / 2 / bytes.max(1)).unwrap_or(usize::MAX).max(1)
}

/// In words, where the memory holds fewer time origins than were asked for.
pub fn memory_note(inputs: &Inputs, settings: &Settings) -> Option<String> {
    let frames = inputs.clocks().iter().map(|clock| clock.ticks.len()).max().unwrap_or(0);
    let (wanted, affordable) = (settings.origins.min(frames), affordable_origins(inputs, settings));
    (affordable < wanted).then(|| {
        format!(
            "time correlations take {affordable} time origins of a trajectory instead of {wanted}: more do not fit into the {} MB of --memory",
            settings.memory / 1_000_000
        )
    })
}

/// Wave numbers that no wave vector of the cell comes close to: what the coherent function has there instead of what was asked for.
pub fn wave_number_notes(inputs: &Inputs, settings: &Settings) -> Vec<String> {
    let Ok(cell) = lattice(inputs, "") else { return Vec::new() };
    let far = |q: &f64| {
        let found = isf_coherent::wave_vectors(&cell, *q);
        match found.map(|shell| shell.mean) {
            None => Some(format!(
                "no wave vector of the cell comes close to q = {q} 1/angstrom: isf_coherent has nothing there; isf_self, averaged over all \
                 directions, has"
            )),
            Some(mean) if (mean / q - 1.0).abs() > FAR => Some(format!(
                "the cell has no wave vectors of q = {q} 1/angstrom: isf_coherent has those of {mean:.4} instead, and says so in its column"
            )),
            Some(_) => None,
        }
    };
    settings.wave_numbers.iter().filter_map(far).collect()
}

/// Part by which the wave numbers of a cell may differ from what was asked for without a word.
const FAR: f64 = 0.02;

impl<'a> Context<'a> {
    /// For these inputs.
    pub fn new(inputs: &'a Inputs, settings: &'a Settings) -> Self {
        let origins = settings.origins.min(affordable_origins(inputs, settings)).max(1);
        let lags = Arc::new(crate::lags::Lags::new(inputs.clocks(), origins));
        Self { inputs, settings, origins, lags }
    }
}
