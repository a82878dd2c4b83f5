//! Conserved quantities, also while set points move, and the distributions that the ensembles must sample.

use vitrion_core::backend::{Backend, Discard, Dynamics, Ensemble, SetPoint};
use vitrion_core::units::BOLTZMANN;

use crate::nve::{conserved_fluctuation, relaxed};
use crate::support::*;

/// The fluctuation of the conserved quantity must fall by 4 when the step is halved.
fn assert_second_order(what: &str, make: impl Fn(f64) -> Dynamics) {
    let state = relaxed(8, 6);
    let fluctuation = |dt| conserved_fluctuation(&state, &make(dt), 2.0, 8, 6);
    let (coarse, fine) = (fluctuation(0.002), fluctuation(0.001));
    println!("{what}: {coarse:.3e} {fine:.3e}");
    // Next order and the growth of the difference between the two trajectories over 2 ps.
    assert!((3.6..4.4).contains(&(coarse / fine)), "{what}: {coarse} {fine}");
}

fn ramp(start: f64, rate: f64) -> Vec<SetPoint> {
    vec![SetPoint { start, rate, start_step: 0 }]
}

#[test]
fn nvt_conserved_quantity_is_second_order() {
    assert_second_order("NVT", |dt| dynamics(Ensemble::Nvt, dt, 300.0, 0.0));
}

#[test]
fn npt_conserved_quantity_is_second_order() {
    assert_second_order("NPT", |dt| dynamics(Ensemble::Npt, dt, 300.0, 4.0));
}

#[test]
fn nvt_conserved_quantity_survives_a_temperature_ramp() {
    assert_second_order("NVT ramp", |dt| Dynamics {
        temperature: ramp(300.0, -60.0),
        ..dynamics(Ensemble::Nvt, dt, 300.0, 0.0)
    });
}

#[test]
fn npt_conserved_quantity_survives_ramps_of_temperature_and_pressure() {
    assert_second_order("NPT temperature ramp", |dt| Dynamics {
        temperature: ramp(300.0, -60.0),
        ..dynamics(Ensemble::Npt, dt, 300.0, 4.0)
    });
    assert_second_order("NPT pressure ramp", |dt| Dynamics {
        pressure: ramp(4.0, 2.0),
        ..dynamics(Ensemble::Npt, dt, 300.0, 4.0)
    });
}

#[test]
fn set_point_work_is_what_the_ramp_makes_necessary() {
    let topology = topology(8, 6);
    let mut backend = soft_backend(&topology, relaxed(8, 6));
    let ramped = Dynamics { temperature: ramp(300.0, -60.0), ..dynamics(Ensemble::Nvt, 0.002, 300.0, 0.0) };
    begin(&mut backend, &ramped);
    backend.advance(1000, &mut Discard).unwrap();
    let thermo = backend.thermo().unwrap()[0];
    assert!((thermo.target_temperature - 180.0).abs() < 1e-9);
    // Without the work the quantity would be off by far more than its fluctuation of some 0.1.
    assert!(backend.state().extended[0].set_point_work.abs() > 100.0);
}

#[test]
fn chains_sample_the_canonical_kinetic_energy() {
    let topology = topology(8, 6);
    let mut backend = soft_backend(&topology, relaxed(8, 6));
    begin(&mut backend, &dynamics(Ensemble::Nvt, 0.004, 300.0, 0.0));
    let kt = 300.0 * BOLTZMANN;
    let freedoms = [topology.translational_degrees_of_freedom(), topology.rotational_degrees_of_freedom()];
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..12_000 {
        backend.advance(10, &mut Discard).unwrap();
        let thermo = backend.thermo().unwrap()[0];
        let temperatures = [thermo.translational_temperature, thermo.rotational_temperature];
        for ((sample, t), g) in samples.iter_mut().zip(temperatures).zip(freedoms) {
            sample.push(0.5 * g * BOLTZMANN * t / kt);
        }
    }
    for ((sample, g), name) in samples.iter().zip(freedoms).zip(["translation", "rotation"]) {
        assert_mean(&format!("{name}: <K>/kT"), sample, 0.5 * g, 0.005);
        let squares: Vec<f64> = sample.iter().map(|k| (k - 0.5 * g).powi(2)).collect();
        // K is gamma distributed with shape g/2: variance g/2.
        assert_mean(&format!("{name}: Var K/(kT)^2"), &squares, 0.5 * g, 0.06);
    }
}

#[test]
fn barostat_samples_the_ideal_gas_volume() {
    let n = 10;
    let topology = topology(0, n);
    let (temperature, pressure) = (300.0, 1.0);
    let kt = BOLTZMANN * temperature;
    let expected = n as f64 * kt / pressure;
    let state = thermal_state(&topology, 1, cell(expected.cbrt()), temperature, 3);
    let mut backend = backend_with(&topology, state, |_| FractionalWaves);
    begin(&mut backend, &dynamics(Ensemble::Npt, 0.01, temperature, pressure));
    let mut volumes = Vec::new();
    for step in 0..20_000 {
        backend.advance(10, &mut Discard).unwrap();
        if step >= 200 {
            volumes.push(backend.thermo().unwrap()[0].volume / expected);
        }
    }
    // P(V) ~ V^(N-1) exp(-PV/kT): <V> = N kT/P and Var V = N (kT/P)^2.
    assert_mean("<V> P/(N kT)", &volumes, 1.0, 0.02);
    let squares: Vec<f64> = volumes.iter().map(|v| (v - 1.0).powi(2)).collect();
    assert_mean("Var V (P/(N kT))^2", &squares, 1.0 / n as f64, 0.1);
}

#[test]
fn barostat_keeps_the_kinetic_temperature_and_the_mean_pressure() {
    let topology = topology(8, 6);
    let mut backend = soft_backend(&topology, relaxed(8, 6));
    let pressure = 4.0;
    begin(&mut backend, &dynamics(Ensemble::Npt, 0.004, 300.0, pressure));
    let (mut translational, mut rotational, mut work) = (Vec::new(), Vec::new(), Vec::new());
    for sample in 0..8_000 {
        backend.advance(10, &mut Discard).unwrap();
        let thermo = backend.thermo().unwrap()[0];
        if sample >= 500 {
            translational.push(thermo.translational_temperature);
            rotational.push(thermo.rotational_temperature);
            work.push((thermo.pressure - pressure) * thermo.volume);
        }
    }
    assert_mean("NPT translational temperature", &translational, 300.0, 0.01);
    assert_mean("NPT rotational temperature", &rotational, 300.0, 0.01);
    // From the mean force on the strain: <(P_int - P) V> = -kT.
    let (mean, error) = mean_with_error(&work);
    let kt = 300.0 * BOLTZMANN;
    println!("<(P - P0) V>/kT = {} +- {}", mean / kt, error / kt);
    assert!(error < 0.3 * kt && (mean + kt).abs() < 5.0 * error, "{} +- {}", mean / kt, error / kt);
}
