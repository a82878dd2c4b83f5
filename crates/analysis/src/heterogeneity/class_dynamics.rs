//! How J and NJ ions move: MSD, alpha_2, g(r), the ISF if only J ions moved, tau_cage and the exponent x.
//!
//! All from window means within spans of time: lags and time origins stay inside the span that defines the classes.
//!
//! - MSD and alpha_2: as [`crate::msd`], per class.
//! - "J only moves": F(q, t) = (sum_J <sin(q d)/(q d)> + N_NJ) / N with d the displacement: the self intermediate scattering
//!   function with NJ ions held fixed (Fig. 3b of Saito et al., Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536), averaged over all
//!   directions of q; every ion counts alike. Vibrations are averaged away, so that it is 1 at t = 0 without a fast decay.
//! - tau_cage: where alpha_2 of J has its peak (Weeks and Weitz, Phys. Rev. Lett. 89, 095704 (2002),
//!   doi:10.1103/PhysRevLett.89.095704); a parabola through the three highest points in ln t.
//! - x of MSD_NJ ~ MSD_J^x: slope of ln MSD_NJ against ln MSD_J over the lags within a factor of 10 of tau_cage.
//!
//! Errors of tau_cage and x: refits without one group of ions after the other, and from four spans on without one span after the
//! other; the larger counts.

use std::sync::Arc;

use glam::{BVec3, DVec3};

use super::spans::{CLASSES, SpanCollector, Spans};
use crate::error::AnalysisError;
use crate::fits::kww::KwwSettings;
use crate::fits::kww_table::KwwTable;
use crate::fits::parameters::Parameters;
use crate::fits::{Estimate, Points, Undetermined, power_law, refit};
use crate::frame::{Frame, Needs};
use crate::jackknife;
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::groups;
use crate::pair_average::{Correlation, Lag, LagSums, PairAverage};
use crate::pair_distances::PairDistances;
use crate::table::{Table, decimal};

/// Sums of displacements: how many, squares, fourth powers.
const MOMENTS: usize = 3;
/// Lags within this factor of tau_cage determine x.
const AROUND: f64 = 10.0;
/// Fewest lags for x, at least one of them on either side of tau_cage.
const FEWEST_LAGS: usize = 4;
/// All ions as they move, only J ions moving, and J and NJ ions alone.
const MODES: [&str; 4] = ["all", "J only moves", "J", "NJ"];
/// A peak must exceed both ends of the curve by so many standard errors.
const SIGNIFICANT: f64 = 2.0;
/// Moments a span at which g(r) is counted, at most; its bins and largest range (angstrom).
const PAIR_MOMENTS: usize = 50;
const PAIR_WIDTH: f64 = 0.1;
const PAIR_RANGE: f64 = 12.0;
/// Most bins of a range that is longer than usual.
const PAIR_BINS: f64 = 4000.0;

/// Measures the dynamics of classes.
pub struct ClassDynamics {
    collector: SpanCollector,
    wave_numbers: Vec<f64>,
    r_max: Option<f64>,
    r_bins: Option<usize>,
    fit_start: Option<f64>,
    fit_beta: Option<f64>,
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    Ok(Box::new(ClassDynamics {
        collector: SpanCollector::new(context)?,
        wave_numbers: context.settings.wave_numbers.clone(),
        r_max: context.settings.r_max,
        r_bins: context.settings.r_bins,
        fit_start: context.settings.fit_start,
        fit_beta: context.settings.fit_beta,
    }))
}

impl Observable for ClassDynamics {
    fn key(&self) -> String {
        format!(
            "{} q {:?} r {:?} {:?} fit {:?} {:?}",
            self.collector.key(),
            self.wave_numbers,
            self.r_max,
            self.r_bins,
            self.fit_start,
            self.fit_beta
        )
    }

    fn needs(&self, trajectory: usize, _: usize) -> Needs {
        self.collector.needs(trajectory)
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.collector.accumulate(frame)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let mut spans = self.collector.finish()?;
        if spans.length < 3 {
            return Err(Missing::because("classes move between windows: a span needs three at least"));
        }
        let lags = Arc::new(spans.lags());
        let mut displacements = PairAverage::new(Displacements::new(&spans), &lags);
        let mut scattering = PairAverage::new(Scattering::new(&spans, &self.wave_numbers), &lags);
        let mut pairs = ClassPairs::new(&spans, self.r_max, self.r_bins);
        spans.stream(|frame| {
            displacements.accumulate(frame);
            scattering.accumulate(frame);
            if let Ok(pairs) = &mut pairs {
                pairs.accumulate(frame);
            }
        })?;
        let mut tables = displacement_tables(&spans, &displacements);
        tables.push(scattering_table(&self.wave_numbers, &scattering));
        let start = self.fit_start.unwrap_or(spans.windows.window);
        let fit = KwwSettings { start, beta: self.fit_beta };
        tables.push(fits_table(&self.wave_numbers, &scattering, &fit));
        match pairs {
            Ok(pairs) => tables.push(pairs.finish()),
            Err(why) => spans.notes.push(format!("no rdf_classes: {why}")),
        }
        tables.push(parameters(&spans, &displacements));
        for table in &mut tables {
            table.notes.extend(spans.notes.iter().cloned());
        }
        Ok(tables)
    }
}

/// Squares and fourth powers of displacements by class and species.
struct Displacements {
    /// Per span and ion: where its sums begin.
    slots: Vec<Vec<usize>>,
    kinds: usize,
}

/// Window means and the span that they belong to.
struct Sample {
    centres: Arc<[DVec3]>,
    span: usize,
}

impl Displacements {
    fn new(spans: &Spans) -> Self {
        let species = spans.names.len();
        let kinds = CLASSES.len() * species;
        let group = groups(&spans.species, species);
        let slot =
            |ion: usize, class: usize| MOMENTS * (group[ion] * kinds + class * species + spans.species[ion]);
        let slots = spans
            .classes()
            .iter()
            .map(|classes| classes.iter().enumerate().map(|(ion, &c)| slot(ion, c)).collect())
            .collect();
        Self { slots, kinds }
    }
}

impl Correlation for Displacements {
    type Sample = Sample;

    fn width(&self) -> usize {
        MOMENTS * self.kinds
    }

    fn sample(&self, frame: &Frame) -> Sample {
        Sample { centres: Arc::clone(&frame.centres), span: frame.trajectory }
    }

    fn add(&self, origin: &Sample, now: &Sample, sums: &mut [f64]) {
        let slots = &self.slots[now.span];
        for ((a, b), &slot) in origin.centres.iter().zip(now.centres.iter()).zip(slots) {
            let square = b.distance_squared(*a);
            let moments = &mut sums[slot..slot + MOMENTS];
            moments[0] += 1.0;
            moments[1] += square;
            moments[2] += square * square;
        }
    }
}

/// sin(q d)/(q d) by class.
struct Scattering {
    wave_numbers: Vec<f64>,
    classes: Vec<Vec<usize>>,
    groups: Vec<usize>,
}

impl Scattering {
    fn new(spans: &Spans, wave_numbers: &[f64]) -> Self {
        Self {
            wave_numbers: wave_numbers.to_vec(),
            classes: spans.classes(),
            groups: groups(&spans.species, spans.names.len()),
        }
    }

    /// Sums a class: how many, and one a wave number.
    fn per_class(&self) -> usize {
        1 + self.wave_numbers.len()
    }
}

impl Correlation for Scattering {
    type Sample = Sample;

    fn width(&self) -> usize {
        CLASSES.len() * self.per_class()
    }

    fn sample(&self, frame: &Frame) -> Sample {
        Sample { centres: Arc::clone(&frame.centres), span: frame.trajectory }
    }

    fn add(&self, origin: &Sample, now: &Sample, sums: &mut [f64]) {
        let classes = &self.classes[now.span];
        for (ion, (a, b)) in origin.centres.iter().zip(now.centres.iter()).enumerate() {
            let first = self.groups[ion] * self.width() + classes[ion] * self.per_class();
            let d = b.distance(*a);
            sums[first] += 1.0;
            for (sum, q) in sums[first + 1..].iter_mut().zip(&self.wave_numbers) {
                *sum += sinc(q * d);
            }
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-4 { 1.0 - x * x / 6.0 } else { x.sin() / x }
}

/// Moments of one class over all species, of all ions, and of each kind.
fn moments_of(sums: &[f64], chosen: impl Fn(usize) -> bool) -> [f64; MOMENTS] {
    let mut total = [0.0; MOMENTS];
    for (kind, moments) in sums.chunks(MOMENTS).enumerate() {
        if chosen(kind) {
            total.iter_mut().zip(moments).for_each(|(t, m)| *t += m);
        }
    }
    total
}

fn msd_and_alpha_2(m: [f64; MOMENTS]) -> [f64; 2] {
    let (second, fourth) = (m[1] / m[0], m[2] / m[0]);
    [second, if second == 0.0 { 0.0 } else { 0.6 * fourth / (second * second) - 1.0 }]
}

fn displacement_tables(spans: &Spans, average: &PairAverage<Displacements>) -> Vec<Table> {
    let species = spans.names.len();
    // Classes J, NJ and all; species one by one and all.
    let rows: Vec<(usize, usize)> =
        (0..=CLASSES.len()).flat_map(|c| (0..=species).map(move |s| (c, s))).collect();
    let in_row = |(class, s): (usize, usize), kind: usize| {
        (class == CLASSES.len() || kind / species == class) && (s == species || kind % species == s)
    };
    let lags = average.finish(|sums| {
        rows.iter().flat_map(|row| msd_and_alpha_2(moments_of(sums, |kind| in_row(*row, kind)))).collect()
    });
    let table = |name: &str, definition: &str, unit: &str, quantity: usize| {
        let (mut class, mut label) = (Vec::new(), Vec::new());
        let (mut t, mut value, mut error) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (c, s)) in rows.iter().enumerate() {
            let column = 2 * row + quantity;
            for lag in lags.iter().filter(|lag| !lag.values[column].is_nan()) {
                class.push((*CLASSES.get(*c).unwrap_or(&"all")).to_string());
                label.push(spans.names.get(*s).cloned().unwrap_or_else(|| "all".to_string()));
                t.push(lag.time);
                value.push(lag.values[column]);
                error.push(lag.errors[column]);
            }
        }
        Table::new(name, definition)
            .text("class", class)
            .text("species", label)
            .real("t_ps", "ps", t)
            .real("value", unit, value)
            .real("standard_error", unit, error)
    };
    vec![
        table("msd_classes", "mean squared displacement of window means of J and NJ ions", "angstrom^2", 0),
        table(
            "alpha_2_classes",
            "non-Gaussian parameter of displacements of window means of J and NJ ions",
            "",
            1,
        ),
    ]
}

fn scattering_table(wave_numbers: &[f64], average: &PairAverage<Scattering>) -> Table {
    let per_class = 1 + wave_numbers.len();
    let lags: Vec<Lag> = average.finish(|sums| {
        let (j, nj) = sums.split_at(per_class);
        (1..per_class)
            .flat_map(|q| {
                let n = j[0] + nj[0];
                [(j[q] + nj[q]) / n, (j[q] + nj[0]) / n, j[q] / j[0], nj[q] / nj[0]]
            })
            .collect()
    });
    let (mut mode, mut q, mut t) = (Vec::new(), Vec::new(), Vec::new());
    let (mut value, mut error) = (Vec::new(), Vec::new());
    for (number, wave_number) in wave_numbers.iter().enumerate() {
        for (m, name) in MODES.iter().enumerate() {
            let column = number * MODES.len() + m;
            for lag in lags.iter().filter(|lag| !lag.values[column].is_nan()) {
                mode.push((*name).to_string());
                q.push(*wave_number);
                t.push(lag.time);
                value.push(lag.values[column]);
                error.push(lag.errors[column]);
            }
        }
    }
    Table::new(
        "isf_jumping_only",
        "self intermediate scattering function of window means, every ion alike: as all ions move, and with NJ ions held fixed",
    )
    .text("species_or_weighting", mode)
    .real("q_per_angstrom", "1/angstrom", q)
    .real("t_ps", "ps", t)
    .real("value", "", value)
    .real("standard_error", "", error)
}

/// KWW fits of the scattering functions of all ions and of J ions.
fn fits_table(wave_numbers: &[f64], average: &PairAverage<Scattering>, settings: &KwwSettings) -> Table {
    let per_class = 1 + wave_numbers.len();
    let sums = average.sums();
    let mut rows = KwwTable::new();
    for (number, q) in wave_numbers.iter().enumerate() {
        let column = 1 + number;
        let all = |s: &[f64]| (s[column] + s[per_class + column]) / (s[0] + s[per_class]);
        rows.add(["isf_jumping_only", "all"], *q, &sums, all, settings);
        let jumping = |s: &[f64]| (s[column] + s[per_class]) / (s[0] + s[per_class]);
        rows.add(["isf_jumping_only", "J only moves"], *q, &sums, jumping, settings);
    }
    rows.table("kww_jumping_only")
}

/// Pairs of J and NJ ions by distance.
struct ClassPairs {
    classes: Vec<Vec<usize>>,
    range: f64,
    bins: usize,
    length: usize,
    /// Per block of time: per pair of classes, counts times volume over the number of pairs; and how many moments had pairs.
    blocks: Vec<Vec<f64>>,
    blocks_a_span: usize,
}

impl ClassPairs {
    /// In words, why there are none, where the system does not repeat itself.
    fn new(spans: &Spans, r_max: Option<f64>, r_bins: Option<usize>) -> Result<Self, String> {
        let heights = spans.lattices()?.into_iter().map(|c| 0.5 * c.perpendicular_heights().min_element());
        let limit = heights.fold(f64::INFINITY, f64::min);
        let range = r_max.unwrap_or(PAIR_RANGE).min(limit);
        let bins = r_bins.unwrap_or((range / PAIR_WIDTH).ceil().min(PAIR_BINS) as usize).max(1);
        let blocks_a_span = jackknife::blocks_per_trajectory(spans.list.len());
        let blocks = vec![vec![0.0; 3 * (bins + 1)]; blocks_a_span * spans.list.len()];
        Ok(Self { classes: spans.classes(), range, bins, length: spans.length, blocks, blocks_a_span })
    }

    fn accumulate(&mut self, frame: &Frame) {
        let every = self.length.div_ceil(PAIR_MOMENTS);
        let (Some(cell), true) = (frame.cell, frame.index.is_multiple_of(every)) else { return };
        let classes = &self.classes[frame.trajectory];
        let distances = PairDistances::new(classes, 2, self.range, self.bins);
        let counts = distances.count(Some(&cell), BVec3::TRUE, &frame.centres);
        let n = |class| classes.iter().filter(|c| **c == class).count() as f64;
        let (j, nj) = (n(0), n(1));
        let pairs = [j * (j - 1.0) / 2.0, j * nj, nj * (nj - 1.0) / 2.0];
        let block = frame.trajectory * self.blocks_a_span + frame.index * self.blocks_a_span / self.length;
        let sums = self.blocks[block].chunks_exact_mut(self.bins + 1);
        for ((sums, counts), pairs) in sums.zip(counts.chunks_exact(self.bins)).zip(pairs) {
            if pairs > 0.0 {
                let scale = cell.volume() / pairs;
                sums.iter_mut().zip(counts).for_each(|(s, n)| *s += scale * *n as f64);
                sums[self.bins] += 1.0;
            }
        }
    }

    fn finish(&self) -> Table {
        let width = self.range / self.bins as f64;
        let shell = |bin: usize| {
            let (inner, outer) = (bin as f64 * width, (bin + 1) as f64 * width);
            4.0 / 3.0 * std::f64::consts::PI * (outer.powi(3) - inner.powi(3))
        };
        let g = |sums: &[f64]| -> Vec<f64> {
            let of_pair =
                |s: &[f64]| (0..self.bins).map(|b| s[b] / (s[self.bins] * shell(b))).collect::<Vec<_>>();
            sums.chunks_exact(self.bins + 1).flat_map(of_pair).collect()
        };
        let used: Vec<Vec<f64>> =
            self.blocks.iter().filter(|b| b.iter().any(|x| *x > 0.0)).cloned().collect();
        let values = g(&jackknife::total(&used));
        let errors = jackknife::standard_errors(&used, g).unwrap_or_else(|| vec![f64::NAN; values.len()]);
        let (mut pair, mut r, mut value, mut error) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (i, (v, e)) in values.iter().zip(errors).enumerate().filter(|(_, (v, _))| !v.is_nan()) {
            pair.push(["J-J", "J-NJ", "NJ-NJ"][i / self.bins].to_string());
            r.push(decimal(((i % self.bins) as f64 + 0.5) * width));
            value.push(*v);
            error.push(e);
        }
        Table::new("rdf_classes", "g(r) between J and NJ ions, of window means; like pairs over N(N - 1)")
            .text("pair", pair)
            .real("r_angstrom", "angstrom", r)
            .real("value", "", value)
            .real("standard_error", "", error)
    }
}

/// MSD and alpha_2 of J, and MSD of NJ, at each lag.
struct ClassCurves {
    t: Vec<f64>,
    msd_j: Vec<f64>,
    alpha_2_j: Vec<f64>,
    msd_nj: Vec<f64>,
}

/// Which units are left out.
#[derive(Clone, Copy)]
enum Units {
    Groups,
    Spans,
}

fn curves(sums: &[LagSums], species: usize, units: Units, left_out: Option<usize>) -> ClassCurves {
    let mut curves = ClassCurves { t: vec![], msd_j: vec![], alpha_2_j: vec![], msd_nj: vec![] };
    for lag in sums {
        let parts = match units {
            Units::Groups => &lag.groups,
            Units::Spans => &lag.trajectories,
        };
        let kept: Vec<Vec<f64>> = parts
            .iter()
            .enumerate()
            .filter(|(k, p)| Some(*k) != left_out && !p.is_empty())
            .map(|(_, p)| p.clone())
            .collect();
        let total = jackknife::total(&kept);
        let [msd_j, alpha_2_j] = msd_and_alpha_2(moments_of(&total, |kind| kind / species == 0));
        let [msd_nj, _] = msd_and_alpha_2(moments_of(&total, |kind| kind / species == 1));
        curves.t.push(lag.time);
        curves.msd_j.push(msd_j);
        curves.alpha_2_j.push(alpha_2_j);
        curves.msd_nj.push(msd_nj);
    }
    curves
}

/// Place of the peak of a curve: a parabola through its highest point and the neighbours, in ln t.
fn peak(t: &[f64], y: &[f64]) -> Result<f64, Undetermined> {
    let highest = (0..y.len()).filter(|i| y[*i].is_finite()).max_by(|a, b| y[*a].total_cmp(&y[*b]));
    let Some(i) = highest.filter(|i| *i > 0 && i + 1 < y.len()) else {
        return Err(Undetermined::because("alpha_2 of J has no peak within the span"));
    };
    let x = [t[i - 1].ln(), t[i].ln(), t[i + 1].ln()];
    let (left, right) = (x[1] - x[0], x[2] - x[1]);
    let (fall, rise) = (y[i] - y[i - 1], y[i] - y[i + 1]);
    // Vertex of the parabola through three points.
    let denominator = 2.0 * (left * rise + right * fall);
    let shift =
        if denominator == 0.0 { 0.0 } else { (right * right * fall - left * left * rise) / denominator };
    Ok((x[1] + shift).exp())
}

/// x of MSD_NJ ~ MSD_J^x around a time.
fn exponent(curves: &ClassCurves, tau: f64) -> Result<f64, Undetermined> {
    let near = |i: &usize| (tau / AROUND..=tau * AROUND).contains(&curves.t[*i]);
    let usable = |i: &usize| curves.msd_j[*i] > 0.0 && curves.msd_nj[*i] > 0.0;
    let chosen: Vec<usize> = (0..curves.t.len()).filter(near).filter(usable).collect();
    let sides = chosen.iter().any(|i| curves.t[*i] < tau) && chosen.iter().any(|i| curves.t[*i] > tau);
    if chosen.len() < FEWEST_LAGS || !sides {
        return Err(Undetermined::because("too few lags on both sides of tau_cage"));
    }
    let pick = |values: &[f64]| chosen.iter().map(|i| values[*i]).collect::<Vec<f64>>();
    let (x, y) = (pick(&curves.msd_j), pick(&curves.msd_nj));
    Ok(power_law::fit(Points { x: &x, y: &y, errors: None })?.exponent.value)
}

/// tau_cage, then x, then both MSDs at tau_cage.
fn cage(curves: &ClassCurves) -> Result<Vec<f64>, Undetermined> {
    let tau = peak(&curves.t, &curves.alpha_2_j)?;
    let at = |values: &[f64]| interpolated(&curves.t, values, tau);
    Ok(vec![tau.ln(), exponent(curves, tau)?, at(&curves.msd_j), at(&curves.msd_nj)])
}

/// Linear in the logarithms.
fn interpolated(t: &[f64], y: &[f64], at: f64) -> f64 {
    let after = t.partition_point(|x| *x < at).clamp(1, t.len() - 1);
    let part = (at / t[after - 1]).ln() / (t[after] / t[after - 1]).ln();
    (y[after - 1].ln() + part * (y[after] / y[after - 1]).ln()).exp()
}

fn measured(sums: &[LagSums], species: usize, spans: usize) -> Result<Vec<Estimate>, Undetermined> {
    let from =
        |units, count| refit::jackknife(count, |left_out| cage(&curves(sums, species, units, left_out)));
    let mut found = from(Units::Groups, crate::pair_average::GROUPS)?;
    if spans >= jackknife::FEWEST_UNITS {
        for (estimate, other) in found.iter_mut().zip(from(Units::Spans, spans)?) {
            estimate.error = estimate.error.max(other.error);
        }
    }
    // The logarithm's error is the relative error.
    let tau = found[0].value.exp();
    found[0] = Estimate { value: tau, error: tau * found[0].error };
    Ok(found)
}

/// The peak of alpha_2 must stand out from both ends.
fn significant_peak(average: &PairAverage<Displacements>, species: usize) -> Result<(), Undetermined> {
    let lags = average
        .finish(|sums| vec![msd_and_alpha_2(moments_of(sums, |kind| kind / species == 0))[1]])
        .into_iter()
        .filter(|lag| lag.values[0].is_finite())
        .collect::<Vec<_>>();
    let highest = lags.iter().max_by(|a, b| a.values[0].total_cmp(&b.values[0]));
    let (Some(peak), Some(first), Some(last)) = (highest, lags.first(), lags.last()) else {
        return Err(Undetermined::because("there are no J ions"));
    };
    for end in [first, last] {
        let error = peak.errors[0].hypot(end.errors[0]);
        let above = peak.values[0] - end.values[0];
        if above.is_nan() || error.is_nan() || above <= SIGNIFICANT * error {
            return Err(Undetermined::because(format!(
                "alpha_2 of J has no peak: {:.3} at {} ps against {:.3} +- {error:.3} at {} ps",
                peak.values[0], peak.time, end.values[0], end.time
            )));
        }
    }
    Ok(())
}

fn parameters(spans: &Spans, average: &PairAverage<Displacements>) -> Table {
    let species = spans.names.len();
    let found = match &spans.no_cage {
        Some(reason) => Err(Undetermined::because(reason.clone())),
        None => significant_peak(average, species)
            .and_then(|()| measured(&average.sums(), species, spans.list.len())),
    };
    let mut rows = Parameters::new();
    let quantities = [
        ("tau_cage_J_ps", "ps"),
        ("exponent_x", ""),
        ("msd_J_at_tau_cage", "angstrom^2"),
        ("msd_NJ_at_tau_cage", "angstrom^2"),
    ];
    for (i, (quantity, unit)) in quantities.into_iter().enumerate() {
        rows.add(quantity, unit, found.clone().map(|f| f[i]));
    }
    let exact = |value| Ok(Estimate { value, error: 0.0 });
    rows.add("window_ps", "ps", exact(spans.windows.window));
    rows.add("threshold_angstrom", "angstrom", exact(spans.settings.threshold));
    rows.add("span_ps", "ps", exact(spans.length as f64 * spans.windows.window));
    rows.table(
        "heterogeneity",
        "time at which cages rearrange and how NJ ions follow J ions: MSD_NJ ~ MSD_J^x",
    )
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;
    use vitrion_core::cell::Cell;
    use vitrion_core::random::{Counter, Stream};

    use super::*;
    use crate::settings::Settings;
    use crate::test_support::{Synthetic, measure};

    fn normal(seed: u64, step: u64, particle: u32) -> DVec3 {
        let [x, y, z, _] = Counter { seed, stream: Stream::Velocity, replica: 0, step, particle }.normal();
        DVec3::new(x, y, z)
    }

    /// Paths whose MSD is 3 a t^p: fractional Brownian motion from the Cholesky factor of its covariance
    /// (Mandelbrot and Van Ness 1968).
    fn fractional_paths(n: usize, times: usize, a: f64, p: f64, seed: u64) -> Vec<Vec<DVec3>> {
        let t = |i: usize| (i + 1) as f64;
        let covariance = DMatrix::from_fn(times, times, |i, j| {
            0.5 * a * (t(i).powf(p) + t(j).powf(p) - (t(i) - t(j)).abs().powf(p))
        });
        let factor = covariance.cholesky().unwrap().l();
        (0..n as u32)
            .map(|ion| {
                let noise: Vec<DVec3> = (0..times as u64).map(|k| normal(seed, k, ion)).collect();
                (0..times).map(|i| (0..=i).map(|k| noise[k] * factor[(i, k)]).sum()).collect()
            })
            .collect()
    }

    /// 80 NJ ions with MSD ~ t^p, and 80 J ions that rattle in cages and jump by 3.5 at random with a rate of 1/120 a frame, and once for sure.
    fn planted(p: f64) -> Synthetic {
        const FRAMES: usize = 240;
        let slow = fractional_paths(80, FRAMES, 2e-3, p, 77);
        let mut paths = slow;
        for ion in 0..80u32 {
            let mut place = DVec3::ZERO;
            let path = (0..FRAMES as u64).map(|k| {
                let u = Counter { seed: 5, stream: Stream::Velocity, replica: 1, step: k, particle: ion };
                if u.uniform()[0] < 1.0 / 120.0 || k == 20 + u64::from(ion) {
                    place += 3.5 * normal(6, k, ion).normalize();
                }
                place + 0.4 * normal(7, k, ion)
            });
            paths.push(path.collect());
        }
        let at = move |frame: usize| {
            let site = |i: usize| 5.0 * DVec3::new((i % 6) as f64, (i / 6 % 6) as f64, (i / 36) as f64);
            paths.iter().enumerate().map(|(i, path)| site(i) + path[frame]).collect()
        };
        let species: Vec<usize> = (0..160).map(|i| i % 2).collect();
        Synthetic::new(
            &species,
            (0..FRAMES).map(crate::table::whole).collect(),
            4000.0,
            Cell::cubic(30.0).unwrap(),
            at,
        )
    }

    fn chosen() -> Settings {
        Settings { jump_window: Some(4000.0), jump_threshold: Some(2.5), ..Settings::default() }
    }

    fn row(tables: &[Table], quantity: &str) -> (f64, f64, String) {
        let table = tables.iter().find(|t| t.name == "heterogeneity").unwrap();
        let row = table.texts("quantity").unwrap().iter().position(|q| q == quantity).unwrap();
        let real = |name| table.reals(name).unwrap()[row];
        (real("value"), real("standard_error"), table.texts("verdict").unwrap()[row].clone())
    }

    #[test]
    fn exponent_and_cage_time_of_planted_motion_are_recovered() {
        let tables = measure(&planted(0.4).inputs(), &chosen(), prepare);
        let (tau, tau_error, verdict) = row(&tables, "tau_cage_J_ps");
        assert_eq!(verdict, "determined");
        // MSD of J: 6 s^2 + d^2 k t, <r^4> = 60 s^4 + 20 s^2 d^2 k t + d^4 (k t + 5/3 (k t)^2): alpha_2 of such steps peaks where the
        // jumps' part of the MSD is about that of the cage.
        let (s2, d2, k) = (0.16, 12.25, 1.0 / 120.0 + 1.0 / 240.0);
        let alpha_2 = |t: f64| {
            let n = k * t;
            let msd = 6.0 * s2 + d2 * n;
            0.6 * (60.0 * s2 * s2 + 20.0 * s2 * d2 * n + d2 * d2 * (n + 5.0 / 3.0 * n * n)) / (msd * msd)
                - 1.0
        };
        let lag = (1..200).max_by(|a, b| alpha_2(f64::from(*a)).total_cmp(&alpha_2(f64::from(*b)))).unwrap();
        let exact = 4000.0 * f64::from(lag);
        assert!((tau - exact).abs() < 3.0 * tau_error.max(0.2 * exact), "{tau} +- {tau_error}, {exact}");
        // x across tau_cage: the slope of ln MSD_NJ (p ln t) against ln MSD_J over the same lags, exactly.
        let range = (1..240).map(|l| 4000.0 * f64::from(l)).filter(|t| *t >= tau / 10.0 && *t <= tau * 10.0);
        let msd = tables.iter().find(|t| t.name == "msd_classes").unwrap();
        let lags: Vec<f64> = range.filter(|t| msd.reals("t_ps").unwrap().contains(t)).collect();
        let j: Vec<f64> = lags.iter().map(|t| 6.0 * s2 + d2 * k * t / 4000.0).collect();
        let nj: Vec<f64> = lags.iter().map(|t| (t / 4000.0).powf(0.4)).collect();
        let x = power_law::fit(Points { x: &j, y: &nj, errors: None }).unwrap().exponent.value;
        let (value, error, _) = row(&tables, "exponent_x");
        assert!((value - x).abs() < 3.0 * error && error < 0.1, "{value} +- {error}, {x}");
        eprintln!("tau {tau} +- {tau_error} (exact {exact}); x {value} +- {error} (exact {x})");
    }

    #[test]
    fn nonjumping_ions_held_fixed_leave_their_part_of_the_isf() {
        let tables = measure(&planted(0.4).inputs(), &chosen(), prepare);
        let isf = tables.iter().find(|t| t.name == "isf_jumping_only").unwrap();
        let (modes, t) = (isf.texts("species_or_weighting").unwrap(), isf.reals("t_ps").unwrap());
        let (q, value) = (isf.reals("q_per_angstrom").unwrap(), isf.reals("value").unwrap());
        let at = |mode: &str, time: f64| {
            let row = (0..t.len()).find(|&i| modes[i] == mode && t[i] == time && q[i] == 6.3).unwrap();
            value[row]
        };
        let late = t.iter().fold(0.0, |m: f64, t| m.max(*t));
        for time in [4000.0, late] {
            let (j, nj) = (at("J", time), at("NJ", time));
            // Half of the ions are J.
            assert!((at("all", time) - 0.5 * (j + nj)).abs() < 1e-12);
            assert!((at("J only moves", time) - 0.5 * (j + 1.0)).abs() < 1e-12);
        }
        // MSD 3 a t^p: exp(-q^2 a t^p / 2) for Gaussian displacements; 80 ions, 239 origins, four errors of 1 % each.
        assert!((at("NJ", 4000.0) - (-0.5f64 * 6.3 * 6.3 * 2e-3).exp()).abs() < 0.01);
    }

    #[test]
    fn without_a_plateau_there_are_curves_but_no_numbers() {
        // A random walk: 2 angstrom a frame of 4 ns; window and threshold are the defaults.
        let walk = crate::test_support::random_walk(100, &(0..60).collect::<Vec<_>>(), 3);
        let cell = Cell::cubic(30.0).unwrap();
        let walk = Synthetic::new(&[0; 100], (0..60).collect(), 4000.0, cell, move |f| {
            walk[f].iter().map(|r| 2.0 * *r).collect()
        });
        let tables = measure(&walk.inputs(), &Settings::default(), prepare);
        for quantity in ["tau_cage_J_ps", "exponent_x"] {
            let (value, _, verdict) = row(&tables, quantity);
            assert!(value.is_nan() && verdict.contains("no cage of 4000 ps"), "{verdict}");
        }
        assert!(tables[0].rows() > 20 && tables[0].notes.iter().any(|n| n.contains("no cage")));
        let g = tables.iter().find(|t| t.name == "rdf_classes").unwrap();
        assert!(g.texts("pair").unwrap().iter().all(|p| p == "J-J"), "all ions jump");
    }

    #[test]
    fn class_pairs_of_an_ideal_gas_have_g_of_one() {
        let at = |frame: usize| {
            (0..400u32)
                .map(|i| {
                    // Every other ion jumps by 5 at frame 30; places are random in the cell.
                    let u = Counter { seed: 12, stream: Stream::Velocity, replica: 0, step: 0, particle: i };
                    let [x, y, z, _] = u.uniform();
                    let jump = if i % 2 == 0 && frame >= 30 { 5.0 } else { 0.0 };
                    20.0 * DVec3::new(x, y, z) + DVec3::X * jump
                })
                .collect()
        };
        let gas = Synthetic::new(&[0; 400], (0..60).collect(), 4000.0, Cell::cubic(20.0).unwrap(), at);
        let settings = Settings { r_bins: Some(4), ..chosen() };
        let tables = measure(&gas.inputs(), &settings, prepare);
        let g = tables.iter().find(|t| t.name == "rdf_classes").unwrap();
        assert_eq!(g.rows(), 12);
        for (i, value) in g.reals("value").unwrap().iter().enumerate() {
            // Counting: 200 ions a class, shells of 65, 458, 1243 and 2421 of 8000 cubic angstrom; four errors of 1/sqrt(pairs).
            let shell = [65.4, 458.1, 1243.5, 2421.5][i % 4];
            let pairs = if i / 4 == 1 { 40_000.0 } else { 19_900.0 } * shell / 8000.0;
            assert!((value - 1.0).abs() < 4.0 / f64::sqrt(pairs), "{i}: {value}");
        }
    }

    #[test]
    fn peak_lies_between_the_points() {
        let t = [1.0, 2.0, 4.0, 8.0, 16.0];
        // A parabola in ln t with its vertex at ln 5.
        let y: Vec<f64> = t.iter().map(|t: &f64| 1.0 - (t / 5.0).ln().powi(2)).collect();
        assert!((peak(&t, &y).unwrap() - 5.0).abs() < 1e-9);
        assert!(peak(&t, &[5.0, 4.0, 3.0, 2.0, 1.0]).is_err());
        assert!(peak(&t, &[1.0, 2.0, 3.0, 4.0, 5.0]).is_err());
    }
}
