//! Collectivity: do ions at a distance r move in the same direction?
//!
//! H(r, t) = V/(4 pi r^2 N^2 g(r)) sum_(i != j) <u_i(t) . u_j(t) delta(r - |r_i(0) - r_j(0)|)>, u the unit vector along the displacement
//! of an ion's window mean over t, r nearest image at the origin; Saito et al., Acta Mater. (2024),
//! doi:10.1016/j.actamat.2024.120536, eq. for Fig. 7b. Of a class (J, NJ, all) with its own N and g, this is the mean of u_i . u_j over the
//! class's pairs at distance r. Ions that did not move at all have no direction and are left out.
//!
//! V_c(R, t) = int_0^R 4 pi r^2 H dr, as a curve up to half the smallest height of the cell (200 angstrom at most unless the user asks for more); its headline is the value at the first zero
//! of H. Self-offset: pairs exclude i = j. Over all pairs H has the mean (|sum u|^2/N - 1)/(N - 1): -1/N for directions that add
//! up to nothing, as momentum conservation wants. This pulls V_c(R) down by (4 pi R^3/3)/N, at most V/N; the column `self_offset`
//! states it, nothing is corrected for it.
//!
//! Cost: pairs within the range, an origin and lag; at most 64 origins a span and 8 lags.

use std::f64::consts::PI;
use std::sync::Arc;

use glam::DVec3;
use vitrion_core::cell::Cell;

use super::spans::{SpanCollector, Spans};
use crate::error::AnalysisError;
use crate::fits::parameters::Parameters;
use crate::fits::{Estimate, Undetermined};
use crate::frame::{Frame, Needs};
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::{Correlation, GROUPS, Lag, PairAverage};
use crate::table::{Table, decimal};

/// Classes of pairs: both J, both NJ, any.
const PAIRS: [&str; 3] = ["J", "NJ", "all"];
/// Most origins a span, and most lags.
const ORIGINS: usize = 64;
const LAGS: usize = 8;
/// Width of the bins (angstrom).
const WIDTH: f64 = 0.25;
/// Largest range unless the user asks for more (angstrom), and most bins: cells may be nearly empty.
const RANGE: f64 = 200.0;
const MOST_BINS: usize = 4000;

/// Measures H and V_c.
pub struct Collectivity {
    collector: SpanCollector,
    r_max: Option<f64>,
    r_bins: Option<usize>,
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    context.lattice("distances between ions are those of nearest images")?;
    Ok(Box::new(Collectivity {
        collector: SpanCollector::new(context)?,
        r_max: context.settings.r_max,
        r_bins: context.settings.r_bins,
    }))
}

impl Observable for Collectivity {
    fn key(&self) -> String {
        format!("{} r {:?} {:?}", self.collector.key(), self.r_max, self.r_bins)
    }

    fn needs(&self, trajectory: usize, _: usize) -> Needs {
        self.collector.needs(trajectory)
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.collector.accumulate(frame)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let mut spans = self.collector.finish()?;
        let range = range(&spans, self.r_max)?;
        let bins = self.r_bins.unwrap_or(((range / WIDTH).ceil() as usize).min(MOST_BINS)).max(1);
        let lags = Arc::new(spans.lags_with_origins(ORIGINS).thinned(LAGS));
        let directions = Directions { classes: spans.classes(), range, bins };
        let mut average = PairAverage::new(directions, &lags);
        spans.stream(|frame| average.accumulate(frame))?;
        let volume = spans.windows.trajectories[0].cell.map_or(f64::NAN, |c| c.volume());
        let width = range / bins as f64;
        let mut lags = average.finish(|sums| h_and_volume(sums, bins, width));
        // Without a pair of ions that move there are no sums, and no values.
        lags.retain(|lag| !lag.values.is_empty());
        if lags.is_empty() {
            return Err(Missing::because(format!(
                "no two ions that move are closer than {range:.1} angstrom"
            )));
        }
        let mut tables = tables(&spans, &lags, width, bins, volume);
        for table in &mut tables {
            table.notes.extend(spans.notes.iter().cloned());
        }
        Ok(tables)
    }
}

/// Half the smallest height of all cells, at most 200 angstrom, or what the user wants if that is less than half the height.
fn range(spans: &Spans, r_max: Option<f64>) -> Result<f64, Missing> {
    let cells = spans
        .lattices()
        .map_err(|why| Missing::because(format!("distances between ions need a periodic cell: {why}")))?;
    let heights = cells.iter().map(|cell| 0.5 * cell.perpendicular_heights().min_element());
    let limit = heights.fold(f64::INFINITY, f64::min);
    Ok(r_max.unwrap_or(RANGE).min(limit))
}

/// Products of directions by distance and class.
struct Directions {
    /// Per span and ion: 0 for J, 1 for NJ.
    classes: Vec<Vec<usize>>,
    range: f64,
    bins: usize,
}

struct Sample {
    centres: Arc<[DVec3]>,
    cell: Option<Cell>,
    span: usize,
}

impl Correlation for Directions {
    type Sample = Sample;

    /// A class and bin: number of pairs, sum of products.
    fn width(&self) -> usize {
        2 * PAIRS.len() * self.bins
    }

    fn sample(&self, frame: &Frame) -> Sample {
        Sample { centres: Arc::clone(&frame.centres), cell: frame.cell, span: frame.trajectory }
    }

    fn add(&self, origin: &Sample, now: &Sample, sums: &mut [f64]) {
        let Some(cell) = origin.cell else { return };
        let classes = &self.classes[now.span];
        let moving: Vec<(DVec3, DVec3, usize)> = origin
            .centres
            .iter()
            .zip(now.centres.iter())
            .zip(classes)
            .filter_map(|((a, b), class)| (*b - *a).try_normalize().map(|u| (*a, u, *class)))
            .collect();
        let scale = self.bins as f64 / self.range;
        for (i, (place, direction, class)) in moving.iter().enumerate() {
            let first = (i % GROUPS) * self.width();
            for (other_place, other_direction, other_class) in &moving[..i] {
                let bin = (cell.wrapped_difference(*place - *other_place).length() * scale) as usize;
                if bin >= self.bins {
                    continue;
                }
                let product = direction.dot(*other_direction);
                let mut add = |pairs: usize| {
                    let slot = first + 2 * (pairs * self.bins + bin);
                    sums[slot] += 1.0;
                    sums[slot + 1] += product;
                };
                add(2);
                if class == other_class {
                    add(*class);
                }
            }
        }
    }
}

/// H of every class and bin, then V_c at the outer edge of every bin; NaN where no pair is.
fn h_and_volume(sums: &[f64], bins: usize, width: f64) -> Vec<f64> {
    let h: Vec<f64> = sums.chunks_exact(2).map(|s| s[1] / s[0]).collect();
    let mut volumes = Vec::with_capacity(h.len());
    for class in h.chunks_exact(bins) {
        let mut volume = 0.0;
        for (bin, h) in class.iter().enumerate() {
            let (inner, outer) = (bin as f64 * width, (bin + 1) as f64 * width);
            let shell = 4.0 / 3.0 * PI * (outer.powi(3) - inner.powi(3));
            // Closer than ions come, there are no pairs: nothing is added.
            volume += if h.is_nan() { 0.0 } else { h * shell };
            volumes.push(volume);
        }
    }
    h.into_iter().chain(volumes).collect()
}

/// Mean number of ions of each class of pairs.
fn sizes(spans: &Spans) -> [f64; 3] {
    let spans_and_ions = (spans.list.len() * spans.species.len()) as f64;
    let j = spans.list.iter().flat_map(|s| s.jumps.iter()).filter(|j| **j).count() as f64;
    let ions = spans.species.len() as f64;
    let j = j / spans_and_ions * ions;
    [j, ions - j, ions]
}

fn tables(spans: &Spans, lags: &[Lag], width: f64, bins: usize, volume: f64) -> Vec<Table> {
    let sizes = sizes(spans);
    let mut h = Rows::default();
    let mut v = Rows::default();
    let mut offset = Vec::new();
    let mut headline = Parameters::new();
    for (class, name) in PAIRS.iter().enumerate() {
        for lag in lags {
            let column = |bin: usize| class * bins + bin;
            if (0..bins).all(|bin| lag.values[column(bin)].is_nan()) {
                continue;
            }
            for bin in 0..bins {
                let edge = (bin + 1) as f64 * width;
                if !lag.values[column(bin)].is_nan() {
                    h.push(name, lag, decimal((bin as f64 + 0.5) * width), column(bin));
                }
                v.push(name, lag, decimal(edge), PAIRS.len() * bins + column(bin));
                offset.push(-4.0 / 3.0 * PI * edge.powi(3) / sizes[class]);
            }
            let found = match &spans.no_cage {
                Some(reason) => Err(Undetermined::because(reason.clone())),
                None => at_first_zero(lag, class, bins, width),
            };
            let found_zero = found.clone().map(|(zero, _)| Estimate { value: zero, error: width });
            headline.add(&format!("first_zero_of_H_{name}_at_{}_ps", lag.time), "angstrom", found_zero);
            headline.add(
                &format!("V_c_{name}_at_{}_ps", lag.time),
                "angstrom^3",
                found.map(|(_, volume)| volume),
            );
        }
    }
    let stated = format!(
        "pairs exclude i = j: mean -1/N for directions that add up to nothing; N = {:.1} J and {:.1} NJ of {} ions in {volume:.1} angstrom^3",
        sizes[0], sizes[1], sizes[2]
    );
    let definition = "mean product of the directions in which ions at distance r move during t";
    vec![
        h.table("h", definition, "", None).note(stated.clone()),
        v.table(
            "collective_volume",
            "V_c(R) = int_0^R 4 pi r^2 H dr; self_offset is what directions that add up to nothing contribute",
            "angstrom^3",
            Some(offset),
        )
        .note(stated),
        headline.table("collectivity", "V_c at the first zero of H"),
    ]
}

/// Where H first falls to zero beyond the closest pairs, and V_c there.
fn at_first_zero(lag: &Lag, class: usize, bins: usize, width: f64) -> Result<(f64, Estimate), Undetermined> {
    let h = &lag.values[class * bins..(class + 1) * bins];
    let zero = (0..bins).find(|&bin| h[bin] <= 0.0).ok_or_else(|| {
        Undetermined::because(
            "H has no zero within half the cell: the region that moves together is larger than that",
        )
    })?;
    let closest = h.iter().position(|h| !h.is_nan());
    if closest == Some(zero) {
        return Err(Undetermined::because("the closest ions do not move together: H is not positive there"));
    }
    // The shells before the one where H is no longer positive.
    let column = (PAIRS.len() + class) * bins + zero - 1;
    let edge = zero as f64 * width;
    Ok((edge, Estimate { value: lag.values[column], error: lag.errors[column] }))
}

#[derive(Default)]
struct Rows {
    class: Vec<String>,
    t: Vec<f64>,
    r: Vec<f64>,
    value: Vec<f64>,
    error: Vec<f64>,
}

impl Rows {
    fn push(&mut self, class: &str, lag: &Lag, r: f64, column: usize) {
        self.class.push(class.to_string());
        self.t.push(lag.time);
        self.r.push(r);
        self.value.push(lag.values[column]);
        self.error.push(lag.errors[column]);
    }

    fn table(self, name: &str, definition: &str, unit: &str, offset: Option<Vec<f64>>) -> Table {
        let table = Table::new(name, definition)
            .text("class", self.class)
            .real("t_ps", "ps", self.t)
            .real("r_angstrom", "angstrom", self.r)
            .real("value", unit, self.value)
            .real("standard_error", unit, self.error);
        match offset {
            Some(offset) => table.real("self_offset", unit, offset),
            None => table,
        }
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::random::{Counter, Stream};

    use super::*;
    use crate::settings::Settings;
    use crate::table::whole;
    use crate::test_support::{Synthetic, measure};

    fn uniform(step: u64, particle: u32) -> DVec3 {
        let [x, y, z, _] =
            Counter { seed: 19, stream: Stream::Velocity, replica: 0, step, particle }.uniform();
        DVec3::new(x, y, z)
    }

    fn direction(step: u64, particle: u32) -> DVec3 {
        let [x, y, z, _] =
            Counter { seed: 20, stream: Stream::Velocity, replica: 0, step, particle }.normal();
        DVec3::new(x, y, z).normalize()
    }

    const BOX: f64 = 24.0;

    /// `ions` ions anywhere in a cell of 24 angstrom, which are elsewhere in every other window; from there each moves by
    /// 1 angstrom into its direction.
    fn planted(
        ions: u32,
        windows: usize,
        direction: impl Fn(u64, u32, DVec3) -> DVec3 + Send + Sync + 'static,
    ) -> Vec<Table> {
        let at = move |frame: usize| {
            let moment = frame as u64 / 2;
            (0..ions)
                .map(|i| {
                    let place = BOX * uniform(moment, i);
                    let moved = if frame % 2 == 1 { direction(moment, i, place) } else { DVec3::ZERO };
                    place + moved
                })
                .collect()
        };
        let ticks = (0..windows).map(whole).collect();
        let cell = Cell::cubic(BOX).unwrap();
        let inputs = Synthetic::new(&vec![0; ions as usize], ticks, 4000.0, cell, at).inputs();
        // No displacement is a jump of 1 km: all are NJ.
        let settings = Settings {
            jump_window: Some(4000.0),
            jump_threshold: Some(1e13),
            jump_span: Some(8000.0),
            ..Settings::default()
        };
        measure(&inputs, &settings, prepare)
    }

    fn column(table: &Table, class: &str, name: &str) -> Vec<f64> {
        let classes = table.texts("class").unwrap();
        let values = table.reals(name).unwrap();
        (0..values.len()).filter(|&i| classes[i] == class).map(|i| values[i]).collect()
    }

    #[test]
    fn blocks_that_move_as_one_have_their_volume() {
        // 64 blocks of 6 angstrom, each with a direction of its own at each moment.
        let block = |place: DVec3| {
            let b = (place / 6.0).as_uvec3().min(glam::UVec3::splat(3));
            b.x + 4 * b.y + 16 * b.z
        };
        let tables = planted(600, 120, move |moment, _, place| direction(moment, 1000 + block(place)));
        let (r, h) = (column(&tables[0], "NJ", "r_angstrom"), column(&tables[0], "NJ", "value"));
        let error = column(&tables[0], "NJ", "standard_error");
        for i in (0..r.len()).step_by(4).filter(|&i| (1.0..6.0).contains(&r[i])) {
            // Part of the pairs at r within one block: mean over directions of (1 - x/6)(1 - y/6)(1 - z/6), from a sum.
            let n = 2000;
            let exact = (0..n)
                .map(|k| {
                    let d = r[i] * direction(1 << 30, k);
                    (1.0 - d.x.abs() / 6.0).max(0.0)
                        * (1.0 - d.y.abs() / 6.0).max(0.0)
                        * (1.0 - d.z.abs() / 6.0).max(0.0)
                })
                .sum::<f64>()
                / f64::from(n);
            // The width of a bin bends H by less than 0.01; the sum over 2,000 directions is good to 0.005.
            assert!(
                (h[i] - exact).abs() < 4.0 * error[i] + 0.015,
                "{}: {} +- {} {exact}",
                r[i],
                h[i],
                error[i]
            );
        }
        assert!(h[0] > 0.9, "inside, ions move as one: {}", h[0]);
        let (edge, v) = (column(&tables[1], "NJ", "r_angstrom"), column(&tables[1], "NJ", "value"));
        let v_error = column(&tables[1], "NJ", "standard_error");
        let i = edge.iter().position(|r| *r >= 6.0 * 3f64.sqrt()).unwrap();
        // Beyond the diagonal of a block nothing is added: its volume.
        assert!((v[i] - 216.0).abs() < 3.0 * v_error[i] && v_error[i] < 60.0, "{} +- {}", v[i], v_error[i]);
        eprintln!("V_c {} +- {} (216)", v[i], v_error[i]);
        // J has no ions, so no rows; all is NJ.
        assert!(column(&tables[0], "J", "value").is_empty());
        assert_eq!(column(&tables[0], "all", "value"), h);
    }

    #[test]
    fn ions_at_rest_and_a_single_ion_have_no_directions() {
        for (ions, step) in [(20, 0.0), (1, 1.0)] {
            let at = move |frame: usize| {
                (0..ions).map(|i| BOX * uniform(0, i) + DVec3::X * step * frame as f64).collect()
            };
            let species = vec![0; ions as usize];
            let cell = Cell::cubic(BOX).unwrap();
            let inputs = Synthetic::new(&species, (0..8).collect(), 1.0, cell, at).inputs();
            let settings =
                Settings { jump_window: Some(1.0), jump_threshold: Some(0.5), ..Settings::default() };
            let context = Context::new(&inputs, &settings);
            let mut observable = prepare(&context).unwrap();
            crate::analysis::stream(&inputs, &mut [&mut *observable], &mut |_| ()).unwrap();
            let reason = observable.finish().err().unwrap().reason;
            assert!(reason.contains("no two ions that move"), "{reason}");
        }
    }

    #[test]
    fn one_body_has_h_of_exactly_one() {
        let tables = planted(100, 8, |moment, _, _| direction(moment, 0));
        let h = column(&tables[0], "NJ", "value");
        // Positions up to 24 angstrom lose 1e-15 of a displacement of 1.
        assert!(h.iter().all(|h| (h - 1.0).abs() < 1e-12));
        let (r, v) = (column(&tables[1], "NJ", "r_angstrom"), column(&tables[1], "NJ", "value"));
        let sphere = 4.0 / 3.0 * PI * r.last().unwrap().powi(3);
        // Close shells without a pair of 100 ions are missing: below 1.5 angstrom.
        assert!((v.last().unwrap() / sphere - 1.0).abs() < 0.01);
        let verdict = &tables[2].texts("verdict").unwrap()[1];
        assert!(verdict.contains("no zero within half the cell"), "{verdict}");
    }

    #[test]
    fn directions_that_add_up_to_nothing_have_the_self_offset() {
        // Ions 2k and 2k + 1 move in opposite directions, wherever they are: H is -1/(N - 1) at any distance.
        let n = 200;
        let tables = planted(n, 160, |moment, i, _| {
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            sign * direction(moment, i / 2)
        });
        let (v, error) = (column(&tables[1], "NJ", "value"), column(&tables[1], "NJ", "standard_error"));
        let offset = column(&tables[1], "NJ", "self_offset");
        let last = v.len() - 1;
        let exact = -4.0 / 3.0 * PI * 12f64.powi(3) / f64::from(n - 1);
        assert!((v[last] - exact).abs() < 3.5 * error[last], "{} +- {} {exact}", v[last], error[last]);
        // Noise below the offset itself, so that the sign is seen; -1/N against -1/(N - 1): 0.5 %.
        assert!(error[last] < 0.5 * exact.abs(), "{} {exact}", error[last]);
        assert!((offset[last] / exact - 1.0).abs() < 0.006);
    }
}
