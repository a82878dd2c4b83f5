//! Density, enthalpy, T_g, expansion and heat capacity from the thermo of constant-pressure stages.
//!
//! rho = M/V; H = E_kin + E_pot + P_target V. Rows of a cooling or heating ramp are averaged in bins of its temperature, those of a
//! stage at constant temperature together (rate 0; all of its rows, also while it still relaxes).
//!
//! T_g: where the lines of the glass and the liquid meet in rho(T) of a ramp ([`crate::fits::broken_line`]), Fig. 4b of Saito et al.,
//! Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536. Expansion coefficient -1/rho drho/dT and heat capacity dH/dT at constant pressure,
//! from the slopes on either side (enthalpy: lines through the bins below and above T_g). Errors: refits without one replica
//! after the other (three at least), else the scatter of the bins around the lines, as if bins were independent.
//!
//! Units: g/cm^3, J/g. Memory: the thermo of one replica.

use vitrion_trajectory::h5md::{H5mdError, TrajectoryReader};

use crate::error::AnalysisError;
use crate::fits::parameters::Parameters;
use crate::fits::{Estimate, Points, Undetermined, broken_line, line, refit};
use crate::frame::{Frame, Needs};
use crate::inputs::Trajectory;
use crate::observable::{Context, Missing, Observable};
use crate::table::Table;

/// u/A^3 in g/cm^3.
const GRAMS: f64 = 1.660_539_066_60;
/// u A^2/ps^2 per u in J/g.
const JOULES: f64 = 10.0;
/// Bins of a ramp, at most, and the narrowest (K).
const MOST_BINS: f64 = 80.0;
const NARROWEST: f64 = 2.0;
/// A ramp changes the target by more than this (K), and the volume of a stage at constant pressure changes.
const SMALLEST_RAMP: f64 = 1.0;
/// Rows in a bin, fewest.
const FEWEST_ROWS: usize = 4;

/// Means over a bin of temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    temperature: f64,
    density: f64,
    enthalpy: f64,
}

/// One ramp or constant stage, of all replicas.
#[derive(Clone, Debug, PartialEq)]
struct Series {
    stage: String,
    /// K/ns; 0 at constant temperature.
    rate: f64,
    /// Per replica: the same bins.
    replicas: Vec<Vec<Bin>>,
}

/// Measures thermodynamics.
pub struct Thermodynamics {
    series: Vec<Series>,
    notes: Vec<String>,
}

/// For the list of observables: reads the thermo.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    let mut series: Vec<Series> = Vec::new();
    for trajectory in &context.inputs.trajectories {
        for found in read(&**trajectory)? {
            let same = |s: &&mut Series| {
                s.stage == found.stage
                    && (s.rate - found.rate).abs() < 1e-6 * s.rate.abs().max(1e-3)
                    && s.replicas[0].len() == found.replicas[0].len()
            };
            match series.iter_mut().find(same) {
                Some(series) => series.replicas.extend(found.replicas),
                None => series.push(found),
            }
        }
    }
    if series.is_empty() {
        return Err(Missing::because(
            "density against temperature needs thermo of stages at constant pressure, and there are none",
        ));
    }
    Ok(Box::new(Thermodynamics { series, notes: Vec::new() }))
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn unreadable(error: H5mdError) -> Missing {
    Missing::because(error.to_string())
}

fn read(trajectory: &dyn Trajectory) -> Result<Vec<Series>, Missing> {
    let none =
        || Missing::because(format!("{} holds no thermo: only runs of vitrion do", trajectory.label()));
    let reader = trajectory.h5md().ok_or_else(none)?;
    let steps = reader.thermo("step").map_err(|_| none())?;
    let masses = reader.particle_property("mass").map_err(unreadable)?;
    let mass: f64 = masses
        .ok_or_else(|| Missing::because(format!("{} holds no masses", trajectory.label())))?
        .iter()
        .sum();
    let columns = Columns::read(reader)?;
    let mut series = Vec::new();
    for stage in reader.stages().map_err(unreadable)? {
        let (first, last) = (stage.first_step as f64, (stage.first_step + stage.steps) as f64);
        let rows: Vec<usize> = (0..steps.len()).filter(|&i| steps[i] > first && steps[i] <= last).collect();
        let duration = stage.steps as f64 * stage.timestep;
        series.extend(columns.series(&stage.name, &rows, mass, duration));
    }
    Ok(series)
}

/// Thermo, row by row.
struct Columns {
    temperature: Vec<f64>,
    target: Vec<f64>,
    target_pressure: Vec<f64>,
    volume: Vec<f64>,
    energy: Vec<f64>,
}

impl Columns {
    fn read(reader: &TrajectoryReader) -> Result<Self, Missing> {
        let column = |name: &str| reader.thermo(name).map_err(unreadable);
        let kinetic = column("kinetic_energy")?;
        let energy = kinetic.iter().zip(column("potential_energy")?).map(|(k, p)| k + p).collect();
        Ok(Self {
            temperature: column("temperature")?,
            target: column("target_temperature")?,
            target_pressure: column("target_pressure")?,
            volume: column("volume")?,
            energy,
        })
    }

    /// Bins of one stage; none where the volume is fixed or rows are too few.
    fn series(&self, stage: &str, rows: &[usize], mass: f64, duration: f64) -> Option<Series> {
        let (&first, &last) = (rows.first()?, rows.last()?);
        let changes = rows.iter().any(|&i| self.volume[i] != self.volume[first]);
        let complete =
            rows.iter().all(|&i| self.target[i].is_finite() && self.target_pressure[i].is_finite());
        if !changes || !complete || rows.len() < FEWEST_ROWS {
            return None;
        }
        let (from, to) = (self.target[first], self.target[last]);
        let span = (to - from).abs();
        if span < SMALLEST_RAMP {
            let bin = self.mean(rows, mass);
            return Some(Series { stage: stage.to_string(), rate: 0.0, replicas: vec![vec![bin]] });
        }
        let affordable = (rows.len() / FEWEST_ROWS) as f64;
        let bins = (span / NARROWEST).min(MOST_BINS).min(affordable).floor().max(1.0);
        let mut binned = vec![Vec::new(); bins as usize];
        for &i in rows {
            let place = ((self.target[i] - from) / (to - from) * bins).clamp(0.0, bins - 1.0);
            binned[place as usize].push(i);
        }
        let means = binned.iter().filter(|b| !b.is_empty()).map(|b| self.mean(b, mass)).collect();
        // The first row lies an interval after the beginning of the ramp.
        let interval = duration / rows.len() as f64;
        let rate = 1000.0 * (to - from) / (interval * (rows.len() - 1) as f64);
        Some(Series { stage: stage.to_string(), rate, replicas: vec![means] })
    }

    fn mean(&self, rows: &[usize], mass: f64) -> Bin {
        let mean = |f: &dyn Fn(usize) -> f64| rows.iter().map(|&i| f(i)).sum::<f64>() / rows.len() as f64;
        Bin {
            temperature: mean(&|i| self.temperature[i]),
            density: GRAMS * mass / mean(&|i| self.volume[i]),
            enthalpy: JOULES / mass * mean(&|i| self.energy[i] + self.target_pressure[i] * self.volume[i]),
        }
    }
}

impl Series {
    /// Mean over replicas of each bin, without one of them if so.
    fn mean(&self, left_out: Option<usize>) -> Vec<Bin> {
        let curve = |f: fn(&Bin) -> f64| {
            let replicas: Vec<Vec<f64>> = self.replicas.iter().map(|r| r.iter().map(f).collect()).collect();
            refit::mean_curve(&replicas, left_out)
        };
        let (t, density, enthalpy) = (curve(|b| b.temperature), curve(|b| b.density), curve(|b| b.enthalpy));
        t.iter()
            .zip(density.iter().zip(&enthalpy))
            .map(|(t, (d, h))| Bin { temperature: *t, density: *d, enthalpy: *h })
            .collect()
    }

    /// Standard error of each bin's mean from the scatter of replicas; NaN from fewer than three.
    fn errors(&self, f: fn(&Bin) -> f64) -> Vec<f64> {
        let of = |left_out| Ok(self.mean(left_out).iter().map(f).collect());
        refit::jackknife(self.replicas.len(), of)
            .map_or_else(|_| Vec::new(), |e| e.iter().map(|e| e.error).collect())
    }
}

/// T_g, then glass and liquid: expansion coefficients and heat capacities.
type Transition = [Estimate; 5];

fn transition(series: &Series) -> Result<Transition, Undetermined> {
    let of = |left_out| one_transition(&series.mean(left_out));
    if series.replicas.len() >= refit::FEWEST_UNITS {
        let found = refit::jackknife(series.replicas.len(), |k| of(k).map(|e| e.map(|e| e.value).to_vec()))?;
        return Ok([found[0], found[1], found[2], found[3], found[4]]);
    }
    of(None)
}

fn one_transition(bins: &[Bin]) -> Result<Transition, Undetermined> {
    let pick = |f: fn(&Bin) -> f64| bins.iter().map(f).collect::<Vec<f64>>();
    let (t, density) = (pick(|b| b.temperature), pick(|b| b.density));
    let found = broken_line::fit(Points { x: &t, y: &density, errors: None })?;
    let side = |below: bool, f: fn(&Bin) -> f64| {
        let chosen: Vec<&Bin> = bins.iter().filter(|b| (b.temperature < found.at) == below).collect();
        let x: Vec<f64> = chosen.iter().map(|b| b.temperature).collect();
        let y: Vec<f64> = chosen.iter().map(|b| f(b)).collect();
        line::fit(Points { x: &x, y: &y, errors: None }).map(|l| l.slope)
    };
    let expansion = |below: bool| {
        side(below, |b| b.density).map(|slope| {
            let own = if below { found.slope_below } else { found.slope_above };
            Estimate { value: -own / found.height, error: slope.error / found.height }
        })
    };
    Ok([
        Estimate { value: found.at, error: found.at_error },
        expansion(true)?,
        expansion(false)?,
        side(true, |b| b.enthalpy)?,
        side(false, |b| b.enthalpy)?,
    ])
}

impl Observable for Thermodynamics {
    fn key(&self) -> String {
        let parts: Vec<String> =
            self.series.iter().map(|s| format!("{} {} x{}", s.stage, s.rate, s.replicas.len())).collect();
        parts.join("\n")
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::NOTHING
    }

    fn accumulate(&mut self, _: &Frame) -> Result<(), AnalysisError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let (mut stage, mut rate, mut t) = (Vec::new(), Vec::new(), Vec::new());
        let mut values: [Vec<f64>; 4] = Default::default();
        for series in &self.series {
            let errors = [series.errors(|b| b.density), series.errors(|b| b.enthalpy)];
            for (i, bin) in series.mean(None).iter().enumerate() {
                stage.push(series.stage.clone());
                rate.push(series.rate);
                t.push(bin.temperature);
                let row = [bin.density, errors[0][i], bin.enthalpy, errors[1][i]];
                values.iter_mut().zip(row).for_each(|(column, v)| column.push(v));
            }
        }
        let [density, density_error, enthalpy, enthalpy_error] = values;
        let table = |name: &str, definition: &str, unit: &str, value: Vec<f64>, error: Vec<f64>| {
            Table::new(name, definition)
                .text("stage", stage.clone())
                .real("temperature_K", "K", t.clone())
                .real("value", unit, value)
                .real("standard_error", unit, error)
                .real("rate_K_per_ns", "K/ns", rate.clone())
        };
        let mut tables = vec![
            table(
                "density",
                "density at constant pressure, mean over bins of temperature",
                "g/cm^3",
                density,
                density_error,
            ),
            table(
                "enthalpy",
                "E_kin + E_pot + P V, mean over bins of temperature",
                "J/g",
                enthalpy,
                enthalpy_error,
            ),
            self.transitions(),
        ];
        for table in &mut tables {
            table.notes.extend(self.notes.iter().cloned());
        }
        Ok(tables)
    }
}

impl Thermodynamics {
    fn transitions(&self) -> Table {
        let mut rows = Parameters::new();
        let ramps: Vec<&Series> = self.series.iter().filter(|s| s.rate != 0.0).collect();
        if ramps.is_empty() {
            let why = "no ramp of temperature at constant pressure";
            rows.add("T_g", "K", Err(Undetermined::because(why)));
        }
        for series in &ramps {
            let found = transition(series);
            let suffix = if ramps.len() > 1 { format!(" ({})", series.stage) } else { String::new() };
            let quantities = [
                ("T_g", "K"),
                ("expansion_glass", "1/K"),
                ("expansion_liquid", "1/K"),
                ("heat_capacity_glass", "J/g/K"),
                ("heat_capacity_liquid", "J/g/K"),
            ];
            for (i, (quantity, unit)) in quantities.into_iter().enumerate() {
                rows.add(&format!("{quantity}{suffix}"), unit, found.clone().map(|f| f[i]));
            }
            let rate = Estimate { value: series.rate, error: 0.0 };
            rows.add(&format!("rate{suffix}"), "K/ns", Ok(rate));
        }
        rows.table("glass_transition", "T_g from the break of rho(T), and the slopes on either side")
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::random::{Counter, Stream};

    use super::*;

    const MASS: f64 = 5e4;

    fn noise(replica: u32, i: u32, which: usize) -> f64 {
        Counter { seed: 13, stream: Stream::Velocity, replica, step: 0, particle: i }.normal()[which]
    }

    fn density(t: f64) -> f64 {
        2.15 - if t < 340.0 { 3e-4 } else { 8e-4 } * (t - 340.0)
    }

    /// J/g.
    fn enthalpy(t: f64) -> f64 {
        -8000.0 + if t < 340.0 { 0.9 } else { 1.5 } * (t - 340.0)
    }

    /// 700 to 250 K at 1 K/ns, thermo every 10 ps would be 45,000 rows; here 9,000.
    fn ramp(replica: u32, density: fn(f64) -> f64) -> Series {
        const ROWS: u32 = 9000;
        let pressure = 6.101934e-3;
        let target: Vec<f64> = (1..=ROWS).map(|i| 700.0 - 450.0 * f64::from(i) / f64::from(ROWS)).collect();
        let volume: Vec<f64> = (0..ROWS)
            .zip(&target)
            .map(|(i, t)| 1.66053906660 * MASS / (density(*t) + 0.01 * noise(replica, i, 0)))
            .collect();
        let columns = Columns {
            temperature: (0..ROWS).zip(&target).map(|(i, t)| t + 9.0 * noise(replica, i, 1)).collect(),
            target_pressure: vec![pressure; ROWS as usize],
            // 1 u A^2/ps^2 is 1.66053906660e-23 J, 1 u is 1.66053906660e-24 g.
            energy: (0..ROWS as usize)
                .map(|i| {
                    let scatter = 3.0 * noise(replica, i as u32, 2);
                    (enthalpy(target[i]) + scatter) * MASS / 10.0 - pressure * volume[i]
                })
                .collect(),
            target,
            volume,
        };
        let rows: Vec<usize> = (0..ROWS as usize).collect();
        columns.series("cool", &rows, MASS, 450_000.0).unwrap()
    }

    fn together(replicas: u32, density: fn(f64) -> f64) -> Series {
        let all: Vec<Series> = (0..replicas).map(|r| ramp(r, density)).collect();
        Series { replicas: all.iter().map(|s| s.replicas[0].clone()).collect(), ..all[0].clone() }
    }

    #[test]
    fn planted_transition_is_recovered_within_its_errors() {
        for replicas in [1, 5] {
            let series = together(replicas, density);
            assert!((series.rate + 1.0).abs() < 1e-3, "{}", series.rate);
            let found = transition(&series).unwrap();
            let exact = [340.0, 3e-4 / 2.15, 8e-4 / 2.15, 0.9, 1.5];
            for (estimate, exact) in found.iter().zip(exact) {
                // Four errors; the error of one replica is that of independent bins, to 10 %.
                assert!((estimate.value - exact).abs() < 4.0 * estimate.error, "{estimate:?} {exact}");
                assert!(estimate.error < 0.05 * exact, "{estimate:?} {exact}");
            }
            eprintln!("{replicas}: T_g {:?}", found[0]);
        }
    }

    #[test]
    fn a_liquid_has_no_transition() {
        let straight = together(1, |t| 2.15 - 6e-4 * (t - 340.0));
        assert!(transition(&straight).unwrap_err().why.contains("break"));
        let observable = Box::new(Thermodynamics { series: vec![straight], notes: Vec::new() });
        let tables = observable.finish().unwrap();
        assert_eq!(tables[0].rows(), 80);
        let verdicts = tables[2].texts("verdict").unwrap();
        assert!(verdicts[0].starts_with("not determined"), "{verdicts:?}");
    }

    #[test]
    fn stages_at_constant_volume_give_no_density() {
        let columns = Columns {
            temperature: vec![300.0; 10],
            target: vec![300.0; 10],
            target_pressure: vec![0.0; 10],
            volume: vec![1e4; 10],
            energy: vec![0.0; 10],
        };
        let rows: Vec<usize> = (0..10).collect();
        assert!(columns.series("nvt", &rows, MASS, 10.0).is_none());
        let mut breathing = columns;
        breathing.volume[3] = 1.2e4;
        let series = breathing.series("npt", &rows, MASS, 10.0).unwrap();
        // Mean volume 10,200.
        assert!((series.replicas[0][0].density - 1.66053906660 * MASS / 10_200.0).abs() < 1e-9);
        assert_eq!(series.rate, 0.0);
    }
}
