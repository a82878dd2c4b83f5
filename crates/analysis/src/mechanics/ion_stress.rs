//! How the shear stress of single ions relaxes: G(t) of J and NJ ions.
//!
//! ```text
//! G_i(t) = 1/3 sum_(ab = xy, xz, yz) < s_i,ab(t0) s_i,ab(t0 + t) >
//! ```
//!
//! s_i is an ion's stress averaged over a window ([`vitrion_core::observe::ion_stress`]), not divided by a volume and with no mean
//! subtracted; t is a whole number of windows, t = 0 the same window. G of a class is the mean of G_i over its ions; J and NJ
//! ions are those of a span of time, and t0 and t0 + t lie inside it. The histogram is that of G_i(t) over the NJ ions of all
//! spans, at t = 0, one window and where the mean over NJ ions has fallen to 1/e of its value after one window. Saito et al.,
//! Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536, Fig. 6a.
//!
//! Window means of few samples keep a part of the vibrations' stress: 1/n of its variance for n independent samples, at t = 0
//! only. The instantaneous stress is another quantity, which vibrations dominate.
//!
//! Cost: one product an ion, origin and lag. Memory: one window an origin, and a number an ion and span.

use std::f64::consts::E;
use std::sync::Arc;

use glam::DVec3;
use vitrion_core::units::KILOJOULE_PER_MOLE;

use super::stress_windows::StressWindows;
use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::heterogeneity::spans::{CLASSES, SpanCollector, Spans};
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::{Correlation, Lag, PairAverage, groups};
use crate::table::Table;

/// Unit of G.
const UNIT: &str = "kJ^2/mol^2";
/// One u^2 A^4/ps^4 in it.
const SCALE: f64 = 1.0 / (KILOJOULE_PER_MOLE * KILOJOULE_PER_MOLE);
/// Fewest intervals of the histogram, and most.
const INTERVALS: (usize, usize) = (10, 40);
/// The index of NJ in `CLASSES`.
const NJ: usize = 1;

/// Measures G(t) of single ions.
pub struct IonStress {
    stress: StressWindows,
    collector: SpanCollector,
    origins: usize,
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    Ok(Box::new(IonStress {
        stress: StressWindows::new(context.inputs)?,
        collector: SpanCollector::new(context)?,
        origins: context.settings.origins,
    }))
}

impl Observable for IonStress {
    fn key(&self) -> String {
        format!("{} stress windows {} origins {}", self.collector.key(), self.stress.window, self.origins)
    }

    fn needs(&self, trajectory: usize, _: usize) -> Needs {
        self.collector.needs(trajectory)
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.collector.accumulate(frame)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let spans = self.collector.finish()?;
        let mut stress = self.stress;
        stress.fit_to(&spans)?;
        let lags = Arc::new(spans.lags().with_zero());
        let mut average = PairAverage::new(Products::new(&spans), &lags);
        stream(&spans, &stress, |frame| average.accumulate(frame))?;
        // The stress may end before the span.
        average.complete();
        let curves = Curves::new(&spans, &average);
        let mut tables = vec![curves.table(), histogram(&spans, &stress, &curves, self.origins)?];
        for table in &mut tables {
            table.notes.push(format!("stress averaged over windows of {} ps", spans.windows.window));
            table.notes.extend(spans.notes.iter().cloned());
        }
        Ok(tables)
    }
}

/// Reads the windows of all spans, in order. The shear stress of the ions (xy, xz, yz) stands in the place of their centres.
fn stream(spans: &Spans, stress: &StressWindows, mut each: impl FnMut(&Frame)) -> Result<(), Missing> {
    for (number, span) in spans.list.iter().enumerate() {
        for index in 0..length(spans, stress, number) {
            let shear = stress.shear(span.trajectory, span.first + index)?;
            each(&spans.frame(number, index, shear));
        }
    }
    Ok(())
}

/// Windows of stress in a span: a run that was killed may lack the last one.
fn length(spans: &Spans, stress: &StressWindows, number: usize) -> usize {
    let span = &spans.list[number];
    stress.count(span.trajectory).saturating_sub(span.first).min(spans.length)
}

/// Products of the stress of ions, by class and species: how many, and their sum.
struct Products {
    /// Per span and ion: where its sums begin.
    slots: Vec<Vec<usize>>,
    kinds: usize,
}

struct Sample {
    shear: Arc<[DVec3]>,
    span: usize,
}

impl Products {
    fn new(spans: &Spans) -> Self {
        let species = spans.names.len();
        let kinds = CLASSES.len() * species;
        let group = groups(&spans.species, species);
        let slot = |ion: usize, class: usize| 2 * (group[ion] * kinds + class * species + spans.species[ion]);
        let of_span = |classes: &Vec<usize>| classes.iter().enumerate().map(|(i, &c)| slot(i, c)).collect();
        Self { slots: spans.classes().iter().map(of_span).collect(), kinds }
    }
}

impl Correlation for Products {
    type Sample = Sample;

    fn width(&self) -> usize {
        2 * self.kinds
    }

    fn sample(&self, frame: &Frame) -> Sample {
        Sample { shear: Arc::clone(&frame.centres), span: frame.trajectory }
    }

    fn add(&self, origin: &Sample, now: &Sample, sums: &mut [f64]) {
        for ((a, b), &slot) in origin.shear.iter().zip(now.shear.iter()).zip(&self.slots[now.span]) {
            sums[slot] += 1.0;
            sums[slot + 1] += SCALE * a.dot(*b) / 3.0;
        }
    }
}

/// G(t) of every class and species.
struct Curves {
    /// Class and species of each value; one beyond the last means all.
    rows: Vec<(usize, usize)>,
    names: Vec<String>,
    lags: Vec<Lag>,
}

impl Curves {
    fn new(spans: &Spans, average: &PairAverage<Products>) -> Self {
        let species = spans.names.len();
        let rows: Vec<(usize, usize)> =
            (0..=CLASSES.len()).flat_map(|c| (0..=species).map(move |s| (c, s))).collect();
        let lags = average.finish(|sums| rows.iter().map(|row| mean(sums, species, *row)).collect());
        Self { rows, names: spans.names.clone(), lags }
    }

    fn table(&self) -> Table {
        let (mut class, mut label) = (Vec::new(), Vec::new());
        let (mut t, mut value, mut error) = (Vec::new(), Vec::new(), Vec::new());
        for (column, (c, s)) in self.rows.iter().enumerate() {
            for lag in self.lags.iter().filter(|lag| !lag.values[column].is_nan()) {
                class.push((*CLASSES.get(*c).unwrap_or(&"all")).to_string());
                label.push(self.names.get(*s).cloned().unwrap_or_else(|| "all".to_string()));
                t.push(lag.time);
                value.push(lag.values[column]);
                error.push(lag.errors[column]);
            }
        }
        Table::new(
            "ion_stress",
            "G(t): products of window means of an ion's shear stress a time t apart, mean over xy, xz, yz and ions; t = 0 is the same \
             window; not divided by a volume, no mean subtracted",
        )
        .text("class", class)
        .text("species", label)
        .real("t_ps", "ps", t)
        .real("value", UNIT, value)
        .real("standard_error", UNIT, error)
    }

    /// G of all NJ ions: time, in windows and in ps, and value.
    fn of_nj(&self, window: f64) -> Vec<(usize, f64, f64)> {
        let column = self.rows.iter().position(|row| *row == (NJ, self.names.len())).unwrap_or(0);
        let point = |lag: &Lag| ((lag.time / window).round() as usize, lag.time, lag.values[column]);
        self.lags.iter().map(point).filter(|(_, _, g)| g.is_finite()).collect()
    }
}

/// Mean of the products of a class and species; NaN without any.
fn mean(sums: &[f64], species: usize, (class, s): (usize, usize)) -> f64 {
    let (mut n, mut sum) = (0.0, 0.0);
    for (kind, part) in sums.chunks_exact(2).enumerate() {
        if (class == CLASSES.len() || kind / species == class) && (s == species || kind % species == s) {
            n += part[0];
            sum += part[1];
        }
    }
    sum / n
}

/// Lags of the histogram in windows, with their times, and what is to be said about the last one.
fn chosen_lags(curves: &Curves, window: f64) -> (Vec<(usize, f64)>, String) {
    let points = curves.of_nj(window);
    let mut chosen: Vec<(usize, f64)> =
        points.iter().filter(|(lag, ..)| *lag <= 1).map(|(lag, t, _)| (*lag, *t)).collect();
    let Some((_, _, first)) = points.iter().find(|(lag, ..)| *lag == 1) else {
        return (chosen, "no pair of windows lies within a span".to_string());
    };
    let Some((lag, t, _)) = points.iter().find(|(lag, _, g)| *lag > 1 && *g <= first / E) else {
        let note =
            "G_NJ does not fall to 1/e of its value after one window within a span: no histogram there";
        return (chosen, note.to_string());
    };
    chosen.push((*lag, *t));
    (chosen, format!("at {t} ps G_NJ is 1/e of its value after one window"))
}

/// G_i at a lag of each NJ ion of each span, over at most `origins` origins a span.
fn of_ions(spans: &Spans, stress: &StressWindows, lag: usize, origins: usize) -> Result<Vec<f64>, Missing> {
    let mut values = Vec::new();
    for (number, span) in spans.list.iter().enumerate() {
        let available = length(spans, stress, number).saturating_sub(lag);
        let n = available.min(origins.max(1));
        let mut sums = vec![0.0; span.jumps.len()];
        for origin in (0..n).map(|k| span.first + k * available / n) {
            let then = stress.shear(span.trajectory, origin)?;
            let now = if lag == 0 { then.clone() } else { stress.shear(span.trajectory, origin + lag)? };
            for ((sum, a), b) in sums.iter_mut().zip(&then).zip(&now) {
                *sum += SCALE * a.dot(*b) / 3.0;
            }
        }
        if n > 0 {
            let of_nj = sums.iter().zip(span.jumps.iter()).filter(|(_, jumps)| !**jumps);
            values.extend(of_nj.map(|(sum, _)| sum / n as f64));
        }
    }
    Ok(values)
}

fn histogram(
    spans: &Spans,
    stress: &StressWindows,
    curves: &Curves,
    origins: usize,
) -> Result<Table, Missing> {
    let (lags, verdict) = chosen_lags(curves, spans.windows.window);
    let mut samples = Vec::new();
    for (lag, t) in lags {
        samples.push((t, of_ions(spans, stress, lag, origins)?));
    }
    let all = || samples.iter().flat_map(|(_, values)| values.iter().copied());
    let (low, high) = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    let ions = samples.first().map_or(0, |(_, values)| values.len());
    // Twice the rule of Rice, 2 n^(1/3), since the intervals cover histograms of different widths.
    let wanted = (4.0 * (ions as f64).cbrt()) as usize;
    // All intervals are equally wide, and zero is a boundary: a tiny width for stresses that are all zero.
    let width = ((high - low) / wanted.clamp(INTERVALS.0, INTERVALS.1) as f64).max(f64::MIN_POSITIVE);
    let first = (low / width).floor() as i64;
    let intervals = ((high / width).floor() as i64 - first) as usize + 1;
    let (mut time, mut centre, mut value, mut error) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (t, values) in &samples {
        let mut counts = vec![0.0; intervals];
        for g in values {
            counts[((g / width).floor() as i64 - first) as usize] += 1.0;
        }
        let n = values.len() as f64;
        for (interval, count) in counts.into_iter().enumerate().filter(|_| n > 0.0) {
            time.push(*t);
            centre.push((first as f64 + interval as f64 + 0.5) * width);
            value.push(count / n);
            // Binomial.
            error.push((count / n * (1.0 - count / n) / n).sqrt());
        }
    }
    Ok(Table::new("ion_stress_histogram", "fraction of the NJ ions by their own G(t), over all spans")
        .real("t_ps", "ps", time)
        .real("g_kJ2_per_mol2", UNIT, centre)
        .real("value", "", value)
        .real("standard_error", "", error)
        .note(format!("{ions} NJ ions and spans"))
        .note(verdict))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vitrion_core::cell::Cell;
    use vitrion_core::force_field::ForceField;
    use vitrion_core::observe::ion_stress::SymmetricTensor;
    use vitrion_core::random::{Counter, Stream};
    use vitrion_trajectory::h5md::{
        Frame as Moment, Header, Provenance, Stage, TrajectoryReader, TrajectoryWriter,
    };

    use super::*;
    use crate::inputs::{H5mdTrajectory, Inputs, Said};
    use crate::settings::Settings;
    use crate::test_support::{Synthetic, measure};

    /// Length of a window in the files (ps).
    const WINDOW: f64 = 4.0;
    /// 14 nitrates, 6 K, 4 Ca, eight times.
    const IONS: usize = 192;

    /// A run whose ions have a planted stress; every other ion jumps by 3 angstrom in the middle.
    fn planted(
        windows: usize,
        ion_stress: bool,
        stress: impl Fn(usize, usize) -> SymmetricTensor,
    ) -> (tempfile::TempDir, Inputs) {
        let force_field = ForceField::load(Path::new("ckn-rigid")).unwrap();
        let topology = force_field.topology(&[("nitrate", 112), ("K", 48), ("Ca", 32)]).unwrap();
        assert_eq!(topology.molecules.len(), IONS);
        let stage = Stage {
            name: "glass".to_owned(),
            first_step: 0,
            steps: 1000 * windows as u64,
            timestep: WINDOW / 1000.0,
            window_means: true,
            ion_stress,
        };
        let header = Header {
            author: String::new(),
            topology: topology.clone(),
            provenance: Provenance::default(),
            stages: vec![stage.clone()],
            velocities: false,
            expected_rows: windows as u64,
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("replica-000.h5");
        let mut writer = TrajectoryWriter::create(&path, &header).unwrap();
        let cell = Cell::cubic(30.0).unwrap();
        let centres = |window: usize| -> Vec<DVec3> {
            let jump = if 2 * window >= windows { 3.0 } else { 0.0 };
            (0..IONS).map(|ion| DVec3::new(ion as f64, if ion % 2 == 0 { jump } else { 0.0 }, 0.0)).collect()
        };
        for window in 0..=windows {
            let (step, time) = (1000 * window as u64, WINDOW * window as f64);
            if window > 0 {
                writer.append_window_mean("glass", step, time, &centres(window - 1)).unwrap();
                if ion_stress {
                    let stresses: Vec<SymmetricTensor> =
                        (0..IONS).map(|ion| stress(ion, window - 1)).collect();
                    writer.append_ion_stress("glass", step, time, &stresses).unwrap();
                }
            }
            let frame = Moment {
                step,
                time,
                cell: &cell,
                positions: &vec![DVec3::ZERO; topology.n_atoms()],
                velocities: None,
                unwrapped_centres: &centres(window),
            };
            writer.append_frame(&frame).unwrap();
        }
        writer.finish().unwrap();
        let reader = TrajectoryReader::open(&path).unwrap();
        let frames = (0..=windows).collect();
        let trajectory = H5mdTrajectory::new(reader, Some(stage), frames, Said::default()).unwrap();
        (directory, Inputs::new(vec![Box::new(trajectory)]).unwrap())
    }

    fn settings(window: f64) -> Settings {
        Settings { jump_window: Some(window), jump_threshold: Some(2.5), ..Settings::default() }
    }

    /// G, its error and its time for a class and species.
    fn curve(tables: &[Table], class: &str, species: &str) -> Vec<(f64, f64, f64)> {
        let table = tables.iter().find(|t| t.name == "ion_stress").unwrap();
        let [classes, names] = ["class", "species"].map(|c| table.texts(c).unwrap());
        let [t, value, error] = ["t_ps", "value", "standard_error"].map(|c| table.reals(c).unwrap());
        (0..table.rows())
            .filter(|&row| classes[row] == class && names[row] == species)
            .map(|row| (t[row], value[row], error[row]))
            .collect()
    }

    fn single_histogram(tables: &[Table], time: f64) -> (Vec<f64>, Vec<f64>) {
        let table = tables.iter().find(|t| t.name == "ion_stress_histogram").unwrap();
        let [t, g, value] = ["t_ps", "g_kJ2_per_mol2", "value"].map(|c| table.reals(c).unwrap());
        (0..table.rows()).filter(|&row| t[row] == time).map(|row| (g[row], value[row])).unzip()
    }

    /// 1 kJ/mol is 100 u A^2/ps^2.
    fn shear(xy: f64, xz: f64, yz: f64) -> SymmetricTensor {
        // The diagonal must not count.
        [7e5, -3e5, 1e5, 100.0 * xy, 100.0 * xz, 100.0 * yz]
    }

    #[test]
    fn a_constant_stress_has_its_square_at_all_times() {
        let (_directory, inputs) =
            planted(
                24,
                true,
                |ion, _| if ion % 2 == 0 { shear(6.0, 0.0, 0.0) } else { shear(1.0, 2.0, 2.0) },
            );
        let tables = measure(&inputs, &settings(WINDOW), prepare);
        for (class, exact) in [("J", 12.0), ("NJ", 3.0), ("all", 7.5)] {
            for species in ["N", "K", "Ca", "all"] {
                let g = curve(&tables, class, species);
                let times: Vec<f64> = g.iter().map(|(t, ..)| *t).collect();
                assert_eq!(times, (0..24).map(|k| WINDOW * f64::from(k)).collect::<Vec<_>>());
                // Integers: rounding of the mean only.
                assert!(g.iter().all(|(_, g, _)| (g - exact).abs() < 1e-12), "{class} {species}: {g:?}");
            }
        }
        for t in [0.0, WINDOW] {
            let (g, fraction) = single_histogram(&tables, t);
            let full: Vec<f64> =
                g.iter().zip(&fraction).filter(|(_, f)| **f > 0.0).map(|(g, _)| *g).collect();
            // All in one interval; that of 96 ions is 3/18 wide, and has the value at an end, to rounding.
            assert!(full.len() == 1 && (full[0] - 3.0).abs() <= 0.5001 * 3.0 / 18.0, "{full:?}");
            assert!((fraction.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let notes = &tables[1].notes;
        assert!(notes.iter().any(|n| n.contains("does not fall to 1/e")), "{notes:?}");
    }

    #[test]
    fn windows_are_joined_to_those_of_the_jumps() {
        // Opposite in the two halves of a window of jumps: only the constant part is left.
        let (_directory, inputs) =
            planted(24, true, |_, window| shear(2.0, if window % 2 == 0 { 9.0 } else { -9.0 }, 0.0));
        let tables = measure(&inputs, &settings(2.0 * WINDOW), prepare);
        let g = curve(&tables, "NJ", "all");
        assert_eq!(g.len(), 12);
        assert!(g.iter().all(|(_, g, _)| (g - 4.0 / 3.0).abs() < 1e-12), "{g:?}");
        // The file's windows are not parts of these.
        let mut observable = prepare(&Context::new(&inputs, &settings(1.5 * WINDOW)));
        let reason = match &mut observable {
            Err(missing) => missing.reason.clone(),
            Ok(_) => panic!("accepted"),
        };
        assert!(reason.contains("--jump-window"), "{reason}");
    }

    #[test]
    fn correlation_of_an_ornstein_uhlenbeck_stress_is_recovered() {
        let (windows, time, sigma): (usize, f64, f64) = (400, 5.0, 30.0);
        let decay = (-1.0 / time).exp();
        let kick = (1.0 - decay * decay).sqrt();
        let mut paths: Vec<Vec<DVec3>> = vec![Vec::new(); windows];
        let mut now = vec![DVec3::ZERO; IONS];
        for (step, path) in (0..).zip(&mut paths) {
            for (ion, s) in (0..).zip(&mut now) {
                let counter = Counter { seed: 3, stream: Stream::Velocity, replica: 0, step, particle: ion };
                let [x, y, z, _] = counter.normal();
                let random = sigma * DVec3::new(x, y, z);
                *s = if step == 0 { random } else { decay * *s + kick * random };
            }
            path.clone_from(&now);
        }
        let (_directory, inputs) =
            planted(windows, true, |ion, w| shear(paths[w][ion].x, paths[w][ion].y, paths[w][ion].z));
        let tables = measure(&inputs, &settings(WINDOW), prepare);
        let (variance, mut misses) = (sigma * sigma, 0);
        for (t, g, error) in curve(&tables, "NJ", "all").into_iter().filter(|(t, ..)| *t < 12.0 * WINDOW) {
            let exact = variance * (-t / WINDOW / time).exp();
            // Variance of <s s>: 2 sigma^4 tau (1 + ...) over 3 components x 96 ions x 400 windows.
            assert!(error > 0.0 && error < 0.03 * variance, "{t}: {error}");
            assert!((g - exact).abs() < 4.0 * error, "{t} ps: {g} +- {error}, exactly {exact}");
            misses += usize::from((g - exact).abs() > 2.0 * error);
        }
        // Neighbouring lags err alike: more than half beyond two errors would be wrong errors.
        assert!(misses <= 6, "{misses}");
        // 1/e of the value after one window: at six windows. The estimate of one NJ ion is its own variance.
        let (g, fraction) = single_histogram(&tables, 0.0);
        let mean: f64 = g.iter().zip(&fraction).map(|(g, f)| g * f).sum();
        let of_curve = curve(&tables, "NJ", "all")[0].1;
        // Intervals of an eighteenth of the range, within which ions are spread.
        assert!((mean / of_curve - 1.0).abs() < 0.03, "{mean} {of_curve}");
        let notes = tables[1].notes.join("\n");
        let later: Vec<f64> = (5..8).map(|k| WINDOW * f64::from(k)).collect();
        assert!(later.iter().any(|t| !single_histogram(&tables, *t).0.is_empty()), "{notes}");
        assert!(notes.contains("is 1/e of its value after one window"), "{notes}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let (_directory, inputs) = planted(6, false, |_, _| [0.0; 6]);
        let reason = |inputs: &Inputs| {
            prepare(&Context::new(inputs, &settings(WINDOW))).err().map(|missing| missing.reason).unwrap()
        };
        let without = reason(&inputs);
        assert!(
            without.contains("stage glass holds no stress of single ions; give it `ion_stress"),
            "{without}"
        );
        let foreign = Synthetic::new(&[0; 4], (0..9).collect(), WINDOW, Cell::cubic(9.0).unwrap(), |_| {
            vec![DVec3::ZERO; 4]
        });
        assert!(reason(&foreign.inputs()).contains("only runs of vitrion with `ion_stress` do"));
    }
}
