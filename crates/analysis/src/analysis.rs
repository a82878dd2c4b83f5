//! Streams trajectories through observables.

use std::sync::{Arc, mpsc};

use rayon::prelude::*;
use vitrion_trajectory::checkpoint::sha256;

use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::inputs::Inputs;
use crate::isf_coherent;
use crate::observable::{Context, Entry, Missing, Observable, lattice};
use crate::results::{Outcome, Results, is_own_header};
use crate::settings::Settings;
use crate::temperature_series::SAME_WAVE_NUMBER;
use crate::wave_vectors::{Shell, length};

/// Part of a new definition of a result: results of earlier versions are measured again.
const GENERATION: u32 = 7;

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
    notes: Vec<String>,
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
                let notes = notes_of(entry, &*observable, &context);
                if known.is_none() {
                    running.push(Running { entry: *entry, key, notes: notes.clone(), observable });
                }
                known.map(|outcome| Outcome { reused: true, notes, ..outcome.clone() })
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
    let mut measured = running.into_iter().map(|Running { entry, key, notes, observable }| Outcome {
        name: entry.name.to_string(),
        key,
        notes,
        reused: false,
        result: observable.finish(),
    });
    let outcomes: Vec<Outcome> =
        outcomes.into_iter().filter_map(|known| known.or_else(|| measured.next())).collect();
    let mut tables = outcomes.iter().filter_map(|outcome| outcome.result.as_ref().ok()).flatten();
    debug_assert!(
        tables.all(|table| is_own_header(&table.to_csv())),
        "a header that `results` does not know"
    );
    Ok(outcomes)
}

fn failed(entry: Entry, identity: &str, missing: Missing) -> Outcome {
    let key = digest(&[entry.name, identity, &missing.reason]);
    Outcome { name: entry.name.to_string(), key, notes: Vec::new(), reused: false, result: Err(missing) }
}

/// What a user should know about one observable.
fn notes_of(entry: &Entry, observable: &dyn Observable, context: &Context) -> Vec<String> {
    // Time correlations of frames, all of which have these lags in their keys.
    let correlates = observable.key().contains(&context.lags.describe());
    let mut notes = Vec::new();
    notes.extend(memory_note(context.inputs, context.settings).filter(|_| correlates));
    if entry.name == COHERENT {
        notes.extend(wave_number_notes(context.inputs, context.settings));
    }
    notes
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
            format!(
                "frame {}: {what} beyond {LARGEST:e} angstrom, a centimetre, the most that is analysed",
                frame.index
            ),
            "if that is not what was simulated, the file is damaged or its unit of length another: leave this frame out or write it again",
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

/// Name of the coherent function in the list.
pub const COHERENT: &str = "isf_coherent";

/// What the coherent function has instead of what was asked for: where no wave vector of the cell comes close, where two wave numbers have
/// the same ones, and where the wave vectors have other lengths in other cells.
pub fn wave_number_notes(inputs: &Inputs, settings: &Settings) -> Vec<String> {
    let Ok(cell) = lattice(inputs, "") else { return Vec::new() };
    let mut notes = Vec::new();
    let mut shells: Vec<(f64, Shell)> = Vec::new();
    for &q in &settings.wave_numbers {
        let Some(shell) = isf_coherent::wave_vectors(&cell, q) else {
            notes.push(format!(
                "no wave vector of the cell comes close to q = {q} 1/angstrom: isf_coherent has nothing there; isf_self, averaged over all \
                 directions, has"
            ));
            continue;
        };
        let (mean, (shortest, longest)) = (shell.mean, shell.range);
        if (mean / q - 1.0).abs() > FAR {
            notes.push(format!(
                "the cell has no wave vectors of q = {q} 1/angstrom: isf_coherent has those of {mean:.4} instead (from {shortest:.4} to \
                 {longest:.4}), and says so in its column"
            ));
        }
        if let Some((other, _)) = shells.iter().find(|(_, other)| other.vectors == shell.vectors) {
            notes.push(format!(
                "q = {other} and q = {q} 1/angstrom have the same wave vectors of the cell, of {mean:.4} 1/angstrom: isf_coherent has them twice"
            ));
        }
        notes.extend(in_other_cells(inputs, q, &shell));
        shells.push((q, shell));
    }
    notes
}

/// In words, where wave vectors keep their whole numbers in cells in which they have clearly other lengths.
fn in_other_cells(inputs: &Inputs, q: f64, shell: &Shell) -> Option<String> {
    let ends = inputs.trajectories.iter().flat_map(|t| [0, t.frames() - 1].map(|frame| (t, frame)));
    let lengths = ends.filter_map(|(trajectory, frame)| {
        let cell = trajectory.cell(frame).ok()??;
        let sum: f64 = shell.vectors.iter().map(|n| length(&cell, *n)).sum();
        Some((sum / shell.vectors.len() as f64, trajectory, frame))
    });
    let off = |mean: f64| (mean / shell.mean - 1.0).abs();
    let (mean, trajectory, frame) = lengths.max_by(|a, b| off(a.0).total_cmp(&off(b.0)))?;
    (off(mean) > SAME_WAVE_NUMBER).then(|| {
        format!(
            "the wave vectors of isf_coherent at q = {q} 1/angstrom, of {:.4} 1/angstrom in the first frame, have {mean:.4} in frame {frame} of \
             {}: its q is that of the first cell; analyse cells of different sizes one by one",
            shell.mean,
            trajectory.label()
        )
    })
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

#[cfg(test)]
mod tests {
    use vitrion_core::cell::Cell;

    use super::*;
    use crate::inputs::Trajectory;
    use crate::test_support::{Synthetic, random_positions};

    /// Trajectories of four frames, whose cubes have these edges in their first and later frames.
    fn of_edges(edges: &[[f64; 2]]) -> Inputs {
        let one = |[first, later]: &[f64; 2]| {
            let cubes = [first, later].map(|edge| Cell::cubic(*edge).unwrap());
            let at = move |f: usize| random_positions(&cubes[f.min(1)], 20, f as u64);
            let made = Synthetic::new(&[0; 20], (0..4).collect(), 1.0, cubes[0], at);
            let cell = Box::new(move |f: usize| cubes[f.min(1)]);
            Box::new(Synthetic { cell, ..made }) as Box<dyn Trajectory>
        };
        Inputs::new(edges.iter().map(one).collect()).unwrap()
    }

    fn notes(edges: &[[f64; 2]], q: &[f64]) -> Vec<String> {
        let settings = Settings { wave_numbers: q.to_vec(), ..Settings::default() };
        wave_number_notes(&of_edges(edges), &settings)
    }

    #[test]
    fn wave_vectors_that_have_other_lengths_in_other_cells_are_said() {
        let others = [
            // Another cell, and one that grows by 10 % in its edge.
            (vec![[15.0; 2], [18.0; 2]], "0.3491 in frame 3"),
            (vec![[15.0, 16.5]], "0.3808 in frame 3"),
        ];
        for (edges, words) in others {
            let found = notes(&edges, &[0.4189]);
            assert!(
                found.len() == 1 && found[0].contains("of 0.4189") && found[0].contains(words),
                "{found:?}"
            );
        }
        assert!(notes(&[[15.0, 15.1], [15.2; 2]], &[0.4189, 3.7]).is_empty());
    }

    #[test]
    fn wave_numbers_that_a_cell_has_need_no_word_and_others_say_what_it_has_instead() {
        assert!(notes(&[[15.0; 2]], &[0.42]).is_empty());
        let found = notes(&[[15.0; 2]], &[0.418, 0.419, 0.35]);
        assert!(found[0].contains("q = 0.418 and q = 0.419") && found[0].contains("the same"), "{found:?}");
        assert!(found[1].contains("q = 0.35") && found[1].contains("from 0.4189 to 0.4189"), "{found:?}");
    }

    #[test]
    fn notes_are_those_of_the_observable() {
        let settings = Settings { wave_numbers: vec![0.35], memory: 1_000, ..Settings::default() };
        let entries = crate::observable::select(&["rdf", "msd", "isf_coherent"].map(String::from)).unwrap();
        let outcomes = run(&of_edges(&[[15.0; 2]]), &settings, &entries, None, &mut |_| ()).unwrap();
        let of = |name: &str| outcomes.iter().find(|o| o.name == name).unwrap().notes.join("\n");
        assert_eq!(of("rdf"), "");
        assert!(of("msd").contains("time origins") && !of("msd").contains("q = 0.35"));
        assert!(of("isf_coherent").contains("time origins") && of("isf_coherent").contains("q = 0.35"));
    }
}
