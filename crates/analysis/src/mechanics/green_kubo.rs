//! Relaxation modulus G(t), viscosity and dynamic moduli from the stress correlation that a run accumulates.
//!
//! G(t) = V/(5kT) sum <s_ab(0) s_ab(t)> + V/(30kT) sum <N_ab(0) N_ab(t)>, N_ab = s_aa - s_bb, three pairs each: the mean over the five
//! independent elements of the traceless stress of an isotropic liquid (Daivis and Evans, J. Chem. Phys. 100, 541 (1994),
//! doi:10.1063/1.466970). V and T are means over the thermo of the stage.
//!
//! Viscosity: eta(t) = int_0^t G, by trapezoids over the lags, taken at the first lag where G is no longer above its standard
//! error. Where that never happens (a glass keeps its stress), or the integral still grows there by 20 % in a doubling of time,
//! there is no plateau and no viscosity. The error includes what an exponential would still add.
//!
//! Moduli: G*(w) = G'(w) + i G''(w) = i w int_0^inf G exp(-i w t) dt, exactly for straight lines between the lags, G = 0 beyond the
//! lag of the viscosity, or constant beyond the longest lag where there is none (Evans et al., Phys. Rev. E 80, 012501 (2009),
//! doi:10.1103/PhysRevE.80.012501).
//!
//! Errors: jackknife over replicas, three at least. Of fewer, those of a Gaussian process of five independent elements over the
//! time T that was correlated (Zwanzig and Ailawadi, Phys. Rev. 182, 280 (1969), doi:10.1103/PhysRev.182.280): var G <= 4/(5T) int G^2,
//! var eta(t) = 4 t/(5T) eta^2; the moduli then have none.

use vitrion_core::observe::multi_tau::StressCorrelation;

use crate::error::AnalysisError;
use crate::fits::parameters::Parameters;
use crate::fits::{Estimate, Undetermined, refit};
use crate::frame::{Frame, Needs};
use crate::inputs::Trajectory;
use crate::observable::{Context, Missing, Observable};
use crate::table::Table;

/// u/(A ps^2) in Pa.
const PASCALS: f64 = 1.660_539_066_60e7;
/// u/(A ps) in Pa s.
const PASCAL_SECONDS: f64 = PASCALS * 1e-12;
/// Part of itself by which the integral may grow over the last doubling of time: an exponential then lacks 7 % at most.
const LARGEST_GROWTH: f64 = 0.2;
/// Frequencies in a decade.
const PER_DECADE: f64 = 10.0;
/// Independent elements of a traceless symmetric tensor.
const ELEMENTS: f64 = 5.0;

/// G(t) of several replicas at the same lags.
#[derive(Clone, Debug, PartialEq)]
pub struct Relaxation {
    /// Lags (ps), increasing from zero.
    pub t: Vec<f64>,
    /// Per replica: G (u/(A ps^2)).
    pub replicas: Vec<Vec<f64>>,
    /// Time that was correlated, of all replicas together (ps).
    pub duration: f64,
}

/// Viscosity, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Viscosity {
    /// eta (u/(A ps)).
    pub eta: Estimate,
    /// Time up to which G was integrated (ps).
    pub cutoff: f64,
}

impl Relaxation {
    /// Mean over replicas, without one of them if so.
    fn mean(&self, left_out: Option<usize>) -> Vec<f64> {
        refit::mean_curve(&self.replicas, left_out)
    }

    /// G(t) with standard errors.
    pub fn modulus(&self) -> Vec<Estimate> {
        let by_replica = refit::jackknife(self.replicas.len(), |left_out| Ok(self.mean(left_out)));
        let estimates = by_replica.unwrap_or_default();
        if self.replicas.len() >= refit::FEWEST_UNITS {
            return estimates;
        }
        let squares: Vec<f64> = self.mean(None).iter().map(|g| g * g).collect();
        // Beyond its decay the square of G is noise, which the longest lags would multiply by their length.
        let below = squares.iter().position(|s| *s < 1e-4 * squares[0]).unwrap_or(squares.len() - 1);
        let integral = *integral(&self.t[..=below], &squares[..=below]).last().unwrap_or(&0.0);
        let error = (4.0 * integral / (ELEMENTS * self.duration)).sqrt();
        estimates.into_iter().map(|e| Estimate { error, ..e }).collect()
    }

    /// The lag at which G is first not above its standard error.
    fn decayed(&self) -> Result<usize, Undetermined> {
        let modulus = self.modulus();
        modulus.iter().position(|g| g.value <= g.error).ok_or_else(|| {
            let (last, t) = (modulus[modulus.len() - 1], self.t[self.t.len() - 1]);
            Undetermined::because(format!(
                "no plateau of the integral: G is still {:.3e} +- {:.1e} Pa after {t} ps",
                last.value * PASCALS,
                last.error * PASCALS
            ))
        })
    }

    /// The viscosity.
    pub fn viscosity(&self) -> Result<Viscosity, Undetermined> {
        let cut = self.decayed()?;
        let cutoff = self.t[cut];
        let half = self.t.partition_point(|t| *t <= 0.5 * cutoff).saturating_sub(1);
        let at_cut = |left_out| integral(&self.t, &self.mean(left_out))[cut];
        let value = at_cut(None);
        let error = if self.replicas.len() >= refit::FEWEST_UNITS {
            refit::jackknife(self.replicas.len(), |left_out| Ok(vec![at_cut(left_out)]))?[0].error
        } else {
            value.abs() * (4.0 * cutoff / (ELEMENTS * self.duration)).sqrt()
        };
        let growth = value - integral(&self.t, &self.mean(None))[half];
        if growth.abs() > LARGEST_GROWTH * value {
            return Err(Undetermined::because(format!(
                "no plateau of the integral: from {} to {cutoff} ps it grows by {:.0} %; longer or more runs are needed",
                self.t[half],
                100.0 * growth / value
            )));
        }
        if value <= error {
            return Err(Undetermined::because("the integral of G does not differ from zero by its error"));
        }
        // An exponential that grows by the part g = z/(1 + z) over the last doubling lacks z^2/(1 - z^2).
        let g = (growth / value).abs();
        let z = g / (1.0 - g);
        let lacking = value * z * z / (1.0 - z * z);
        Ok(Viscosity { eta: Estimate { value, error: error.hypot(lacking) }, cutoff })
    }

    /// G'(w) and G''(w) (u/(A ps^2)) at angular frequencies (1/ps), with errors from replicas.
    pub fn moduli(&self, frequencies: &[f64]) -> Vec<[Estimate; 2]> {
        let cut = self.decayed().ok();
        let of = |left_out: Option<usize>| {
            let g = self.mean(left_out);
            frequencies.iter().flat_map(|w| complex_modulus(&self.t, &g, cut, *w)).collect::<Vec<f64>>()
        };
        let found = refit::jackknife(self.replicas.len(), |left_out| Ok(of(left_out))).unwrap_or_default();
        found.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
    }

    /// From one over the time that is integrated to one over the shortest lag (1/ps).
    pub fn frequencies(&self) -> Vec<f64> {
        let last = self.decayed().unwrap_or(self.t.len() - 1).max(1);
        let (low, high) = (1.0 / self.t[last], 1.0 / self.t[1]);
        let n = ((high / low).log10() * PER_DECADE).floor() as usize;
        (0..=n).map(|k| low * 10f64.powf(k as f64 / PER_DECADE)).collect()
    }
}

/// Running integral by trapezoids.
fn integral(t: &[f64], y: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut running = vec![0.0];
    for (t, y) in t.windows(2).zip(y.windows(2)) {
        sum += 0.5 * (t[1] - t[0]) * (y[0] + y[1]);
        running.push(sum);
    }
    running
}

/// G* = G(0) + sum_k s_k (e^(-i w a_k) - e^(-i w b_k)) / (i w) with s_k the slope between the lags a_k and b_k.
fn complex_modulus(t: &[f64], g: &[f64], cut: Option<usize>, w: f64) -> [f64; 2] {
    let last = cut.unwrap_or(t.len() - 1);
    let (mut storage, mut loss) = (g[0], 0.0);
    for k in 0..last {
        let end = if Some(k + 1) == cut { 0.0 } else { g[k + 1] };
        let slope = (end - g[k]) / (t[k + 1] - t[k]);
        storage += slope * ((w * t[k + 1]).sin() - (w * t[k]).sin()) / w;
        loss += slope * ((w * t[k + 1]).cos() - (w * t[k]).cos()) / w;
    }
    [storage, loss]
}

/// Reads the correlations of all trajectories.
pub struct GreenKubo {
    relaxation: Relaxation,
    notes: Vec<String>,
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    let mut t: Vec<f64> = Vec::new();
    let mut replicas = Vec::new();
    let (mut duration, mut notes) = (0.0, Vec::new());
    for trajectory in &context.inputs.trajectories {
        let read = read(&**trajectory)?;
        duration += read.duration;
        notes.push(read.note);
        // Replicas of different lengths share their first lags.
        let same = t.iter().zip(&read.t).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs());
        if !same {
            return Err(Missing::because(
                "replicas correlate their stress at different lags: analyse them one by one",
            ));
        }
        if t.is_empty() || read.t.len() < t.len() {
            t = read.t;
        }
        replicas.push(read.g);
    }
    for g in &mut replicas {
        g.truncate(t.len());
    }
    Ok(Box::new(GreenKubo { relaxation: Relaxation { t, replicas, duration }, notes }))
}

struct OneReplica {
    t: Vec<f64>,
    g: Vec<f64>,
    duration: f64,
    note: String,
}

fn read(trajectory: &dyn Trajectory) -> Result<OneReplica, Missing> {
    let label = trajectory.label();
    let (Some(reader), Some(stage)) = (trajectory.h5md(), trajectory.stage()) else {
        return Err(Missing::because(format!(
            "{label} holds no stress correlation: only runs of vitrion with `stress_correlator` do"
        )));
    };
    let unreadable = |e: vitrion_trajectory::h5md::H5mdError| Missing::because(e.to_string());
    let table = reader.stress_correlation(&stage.name).map_err(|_| {
        Missing::because(format!(
            "{label}: stage {} holds no stress correlation; give it a `stress_correlator`, which is written when the stage ends",
            stage.name
        ))
    })?;
    let column = |name: &str| {
        table
            .column(name)
            .ok_or_else(|| Missing::because(format!("{label}: the stress correlation lacks `{name}`")))
    };
    let (lag, shear) = (column("lag")?, column("shear")?);
    let (normal, samples) = (column("normal_difference")?, column("samples")?);
    if lag.len() < 4 || lag[0] != 0.0 {
        return Err(Missing::because(format!("{label}: the stress correlation has {} lags only", lag.len())));
    }
    let steps = reader.thermo("step").map_err(unreadable)?;
    let first = stage.first_step as f64;
    let inside: Vec<usize> =
        (0..steps.len()).filter(|&i| steps[i] >= first && steps[i] <= first + stage.steps as f64).collect();
    if inside.is_empty() {
        return Err(Missing::because(format!(
            "{label}: stage {} has no thermo, from which volume and temperature are taken",
            stage.name
        )));
    }
    let mean = |name: &str| -> Result<f64, Missing> {
        let values = reader.thermo(name).map_err(unreadable)?;
        Ok(inside.iter().map(|&i| values[i]).sum::<f64>() / inside.len() as f64)
    };
    let (volume, temperature) = (mean("volume")?, mean("temperature")?);
    let modulus = |i: usize| {
        let c = StressCorrelation {
            lag: i as u64,
            shear: shear[i],
            normal_difference: normal[i],
            samples: samples[i] as u64,
        };
        c.relaxation_modulus(volume, temperature)
    };
    Ok(OneReplica {
        t: lag.to_vec(),
        g: (0..lag.len()).map(modulus).collect(),
        duration: samples[0] * lag[1],
        note: format!(
            "{label}: {:.0} stresses every {} ps; V = {volume:.2} angstrom^3 and T = {temperature:.2} K",
            samples[0], lag[1]
        ),
    })
}

impl Observable for GreenKubo {
    fn key(&self) -> String {
        self.notes.join("\n")
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::NOTHING
    }

    fn accumulate(&mut self, _: &Frame) -> Result<(), AnalysisError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let relaxation = &self.relaxation;
        let mut tables =
            vec![relaxation_table(relaxation), viscosity_table(relaxation), moduli_table(relaxation)];
        for table in &mut tables {
            table.notes.extend(self.notes.iter().cloned());
        }
        Ok(tables)
    }
}

fn relaxation_table(relaxation: &Relaxation) -> Table {
    let g = relaxation.modulus();
    Table::new("stress_relaxation", "relaxation modulus G(t) = V/(5kT) sum <s s> + V/(30kT) sum <N N>")
        .real("t_ps", "ps", relaxation.t.clone())
        .real("value", "Pa", g.iter().map(|g| PASCALS * g.value).collect())
        .real("standard_error", "Pa", g.iter().map(|g| PASCALS * g.error).collect())
}

fn viscosity_table(relaxation: &Relaxation) -> Table {
    let scaled = |e: Estimate, scale: f64| Estimate { value: scale * e.value, error: scale * e.error };
    let found = relaxation.viscosity();
    let mut rows = Parameters::new();
    rows.add("viscosity", "Pa s", found.clone().map(|v| scaled(v.eta, PASCAL_SECONDS)));
    rows.add("integrated_up_to", "ps", found.map(|v| Estimate { value: v.cutoff, error: 0.0 }));
    rows.add("G_0", "Pa", Ok(scaled(relaxation.modulus()[0], PASCALS)));
    rows.table("viscosity", "viscosity: integral of G(t) up to where G is lost in its error")
}

fn moduli_table(relaxation: &Relaxation) -> Table {
    let frequencies = relaxation.frequencies();
    let moduli = relaxation.moduli(&frequencies);
    let column = |f: fn(&[Estimate; 2]) -> f64| moduli.iter().map(|m| PASCALS * f(m)).collect::<Vec<_>>();
    Table::new("dynamic_moduli", "storage modulus G'(w) and loss modulus G''(w) against angular frequency")
        .real("omega_per_ps", "1/ps", frequencies)
        .real("storage", "Pa", column(|m| m[0].value))
        .real("storage_standard_error", "Pa", column(|m| m[0].error))
        .real("loss", "Pa", column(|m| m[1].value))
        .real("loss_standard_error", "Pa", column(|m| m[1].error))
}

#[cfg(test)]
mod tests {
    use glam::{DMat3, DVec3};
    use vitrion_core::observe::multi_tau::StressCorrelator;
    use vitrion_core::random::{Counter, Stream};
    use vitrion_core::units::BOLTZMANN;

    use super::*;

    const VOLUME: f64 = 3.9e4;
    const TEMPERATURE: f64 = 700.0;
    const INTERVAL: f64 = 0.008;

    /// Isotropic stress whose elements are Ornstein-Uhlenbeck processes: off-diagonal variance `s2`, so that G = V s2/(kT)
    /// exp(-t/tau); the diagonal is a traceless tensor with the same statistics.
    fn ornstein_uhlenbeck(
        replica: u32,
        samples: u64,
        tau: f64,
        s2: f64,
        frozen: f64,
    ) -> Vec<StressCorrelation> {
        let decay = (-INTERVAL / tau).exp();
        let kick = (1.0 - decay * decay).sqrt();
        let mut correlator = StressCorrelator::default();
        let mut x = [0.0; 5];
        for step in 0..samples {
            let draw = |particle| {
                let stream = Stream::Velocity;
                Counter { seed: 41, stream, replica, step, particle }.normal()
            };
            let noise = [draw(0), draw(1)].concat();
            for (value, random) in x.iter_mut().zip(noise) {
                *value = if step == 0 { random } else { decay * *value + kick * random };
            }
            let [xy, xz, yz, a, b] = x.map(|v| v * s2.sqrt());
            // Two orthonormal directions of traceless diagonal tensors: <N N> = 4 <s s>.
            let (a, b) = (a * std::f64::consts::SQRT_2, b * std::f64::consts::SQRT_2);
            let (u, v) = (a / 2f64.sqrt(), b / 6f64.sqrt());
            let diagonal = DVec3::new(u + v, -u + v, -2.0 * v);
            correlator.add(&DMat3::from_cols(
                DVec3::new(diagonal.x, xy + frozen, xz),
                DVec3::new(xy + frozen, diagonal.y, yz),
                DVec3::new(xz, yz, diagonal.z),
            ));
        }
        correlator.result()
    }

    fn relaxation(replicas: u32, samples: u64, tau: f64, s2: f64, frozen: f64) -> Relaxation {
        let all: Vec<Vec<StressCorrelation>> =
            (0..replicas).map(|r| ornstein_uhlenbeck(r, samples, tau, s2, frozen)).collect();
        let g = |c: &Vec<StressCorrelation>| {
            c.iter().map(|c| c.relaxation_modulus(VOLUME, TEMPERATURE)).collect()
        };
        Relaxation {
            t: all[0].iter().map(|c| c.lag as f64 * INTERVAL).collect(),
            replicas: all.iter().map(g).collect(),
            duration: f64::from(replicas) * samples as f64 * INTERVAL,
        }
    }

    #[test]
    fn modulus_and_viscosity_of_an_ornstein_uhlenbeck_stress_are_recovered() {
        let (tau, s2) = (0.4, 0.01);
        let g_0 = VOLUME * s2 / (BOLTZMANN * TEMPERATURE);
        for replicas in [1, 6] {
            let relaxation = relaxation(replicas, 60_000, tau, s2, 0.0);
            let g = relaxation.modulus();
            for (t, g) in relaxation.t.iter().zip(&g).filter(|(t, _)| **t < 3.0 * tau) {
                let exact = g_0 * (-t / tau).exp();
                // Four errors, and what averaging over up to (16/50)^2/12 of a decay time adds.
                assert!((g.value - exact).abs() < 4.0 * g.error + 0.013 * exact, "{t} {g:?} {exact}");
            }
            let found = relaxation.viscosity().unwrap();
            let exact = g_0 * tau;
            assert!(
                (found.eta.value - exact).abs() < 3.0 * found.eta.error + 0.01 * exact,
                "{found:?} {exact}"
            );
            assert!(found.eta.error < 0.1 * exact, "{found:?} {exact}");
            eprintln!("{replicas} replicas: eta {:?} exact {exact} up to {}", found.eta, found.cutoff);
        }
    }

    #[test]
    fn errors_of_one_replica_are_the_scatter_of_replicas() {
        let many = relaxation(12, 20_000, 0.4, 0.01, 0.0);
        let scatter = many.viscosity().unwrap();
        let claimed: Vec<f64> = many
            .replicas
            .iter()
            .filter_map(|g| {
                let one = Relaxation {
                    t: many.t.clone(),
                    replicas: vec![g.clone()],
                    duration: many.duration / 12.0,
                };
                one.viscosity().ok().map(|v| v.eta.error)
            })
            .collect();
        let mean = claimed.iter().sum::<f64>() / claimed.len() as f64 / 12f64.sqrt();
        // Twelve replicas give the scatter to 20 %; the formula is that of long integrals.
        let ratio = mean / scatter.eta.error;
        assert!((0.5..2.0).contains(&ratio) && claimed.len() > 8, "{ratio} from {}", claimed.len());
    }

    #[test]
    fn a_frozen_stress_has_a_plateau_of_g_and_no_viscosity() {
        let relaxation = relaxation(4, 20_000, 0.4, 0.01, 0.3);
        let refused = relaxation.viscosity().unwrap_err();
        assert!(refused.why.contains("G is still"), "{refused}");
        let plateau = VOLUME / (BOLTZMANN * TEMPERATURE) * 0.09 / 5.0;
        let low = relaxation.moduli(&[1e-3 / relaxation.t.last().unwrap()])[0];
        // At low frequency the solid is elastic. The noise of G at the longest lags is that of few samples.
        let last = relaxation.modulus().last().unwrap().value;
        assert!((low[0].value / last - 1.0).abs() < 0.01 && low[1].value.abs() < 0.01 * plateau);
        let middle = relaxation.t.iter().position(|t| *t > 4.0).unwrap();
        assert!((relaxation.replicas[0][middle] / plateau - 1.0).abs() < 0.2);
    }

    #[test]
    fn moduli_of_an_exponential_are_those_of_maxwell() {
        let t: Vec<f64> = (0..4000).map(|k| 0.01 * f64::from(k)).collect();
        let g: Vec<f64> = t.iter().map(|t| 3.0 * (-t / 2.0f64).exp()).collect();
        for w in [0.05, 0.5, 3.0] {
            let [storage, loss] = complex_modulus(&t, &g, None, w);
            let x = 2.0 * w;
            // Straight lines over 0.005 decay times: (0.005)^2/12.
            assert!((storage - 3.0 * x * x / (1.0 + x * x)).abs() < 1e-5 * 3.0);
            assert!((loss - 3.0 * x / (1.0 + x * x)).abs() < 1e-5 * 3.0);
        }
    }

    #[test]
    fn units_of_viscosity_are_pascal_seconds() {
        // 1 u/(A ps) = 1.66053906660e-27 kg / (1e-10 m 1e-12 s).
        assert!((PASCAL_SECONDS - 1.66053906660e-27 / 1e-22).abs() < 1e-20);
        assert!((PASCALS * 6.02214076e-8 - 1.0).abs() < 1e-9);
    }
}
