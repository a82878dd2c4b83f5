//! Constant energy, time reversal, and the quantities that the integrators are built on.

use glam::{DMat3, DVec3};
use vitrion_core::backend::{Backend, Discard, Dynamics, Ensemble};
use vitrion_core::cell::Cell;
use vitrion_core::integrators::thermodynamics::species_temperatures;
use vitrion_core::state::{ExtendedVariables, State};

use crate::support::*;

/// Root-mean-square deviation of the conserved quantity from its start over `time` ps; a drift counts as well.
pub fn conserved_fluctuation(
    state: &State,
    dynamics: &Dynamics,
    time: f64,
    n_nitrates: usize,
    n_ions: usize,
) -> f64 {
    let topology = topology(n_nitrates, n_ions);
    let mut backend = soft_backend(&topology, state.clone());
    begin(&mut backend, dynamics);
    let start = backend.thermo().unwrap()[0].conserved;
    let steps = (time / dynamics.timestep).round() as u64;
    let mut sum = 0.0;
    for _ in 0..steps {
        backend.advance(1, &mut Discard).unwrap();
        sum += (backend.thermo().unwrap()[0].conserved - start).powi(2);
    }
    (sum / steps as f64).sqrt()
}

/// A fluid that has forgotten its random start.
pub fn relaxed(n_nitrates: usize, n_ions: usize) -> State {
    let topology = topology(n_nitrates, n_ions);
    let mut backend = soft_backend(&topology, thermal_state(&topology, 1, cell(11.0), 300.0, 5));
    begin(&mut backend, &dynamics(Ensemble::Nvt, 0.002, 300.0, 0.0));
    backend.advance(3000, &mut Discard).unwrap();
    let mut state = backend.state().clone();
    state.step = 0;
    state.extended = vec![ExtendedVariables::default()];
    state
}

#[test]
fn energy_fluctuates_with_the_square_of_the_step() {
    let state = relaxed(8, 6);
    let fluctuation = |dt| conserved_fluctuation(&state, &dynamics(Ensemble::Nve, dt, 300.0, 0.0), 1.0, 8, 6);
    let (coarse, fine) = (fluctuation(0.004), fluctuation(0.002));
    println!("NVE fluctuation {coarse:.3e} {fine:.3e}");
    // A factor 4; the next order is smaller by (omega dt)^2 < 0.02.
    assert!((coarse / fine - 4.0).abs() < 0.2, "{coarse} {fine}");
}

/// Reverses all momenta, those of chains and barostat too.
fn reversed(mut state: State) -> State {
    state.velocity.iter_mut().for_each(|v| *v = -*v);
    state.quaternion_momentum.iter_mut().for_each(|p| *p = -*p);
    for e in &mut state.extended {
        e.strain_rate = -e.strain_rate;
        for chain in [&mut e.translation, &mut e.rotation, &mut e.barostat] {
            chain.eta_velocity = chain.eta_velocity.map(|v| -v);
        }
    }
    state
}

#[test]
fn reversed_momenta_retrace_the_path() {
    let topology = topology(8, 6);
    for ensemble in [Ensemble::Nve, Ensemble::Nvt, Ensemble::Npt] {
        let mut backend = soft_backend(&topology, relaxed(8, 6));
        begin(&mut backend, &dynamics(ensemble, 0.004, 350.0, 6.0));
        let start = backend.state().clone();
        backend.advance(100, &mut Discard).unwrap();
        backend.set_state(reversed(backend.state().clone())).unwrap();
        backend.advance(100, &mut Discard).unwrap();
        let end = reversed(backend.state().clone());
        let cell = start.cells[0];
        for b in 0..topology.n_bodies() {
            let d = cell.wrapped_difference(cell.cartesian(end.centre[b] - start.centre[b])).length();
            // Round-off of 200 steps, amplified by the chaos of 0.8 ps.
            assert!(d < 1e-11, "{ensemble:?}: body {b} missed its start by {d} angstrom");
            assert!((end.unwrapped[b] - start.unwrapped[b]).length() < 1e-11);
            assert!((end.velocity[b] - start.velocity[b]).length() < 1e-10);
            assert!((end.orientation[b] - start.orientation[b]).length() < 1e-11);
        }
        assert!((end.cells[0].volume() / cell.volume() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn unwrapped_centres_differ_from_wrapped_ones_by_whole_edges() {
    let topology = topology(8, 6);
    let mut backend = soft_backend(&topology, relaxed(8, 6));
    begin(&mut backend, &dynamics(Ensemble::Nve, 0.004, 300.0, 0.0));
    let before = backend.state().clone();
    backend.advance(2000, &mut Discard).unwrap();
    let state = backend.state();
    let cell = state.cells[0];
    let mut crossed = 0.0;
    for b in 0..topology.n_bodies() {
        let moved = cell.fractional(state.unwrapped[b] - before.unwrapped[b]);
        let edges = moved - (state.centre[b] - before.centre[b]);
        // Sums of 2000 increments.
        assert!((edges - edges.round()).length() < 1e-11, "{edges}");
        assert!(state.centre[b].min_element() >= 0.0 && state.centre[b].max_element() < 1.0);
        crossed += edges.round().abs().element_sum();
    }
    assert!(crossed > 0.0, "no body has crossed a face: the test shows nothing");
}

#[test]
fn pressure_tensor_is_the_strain_derivative_of_the_energy() {
    let topology = topology(8, 6);
    let state = relaxed(8, 6);
    let energy = |strain: DMat3| {
        let mut strained = state.clone();
        strained.cells[0] = Cell::new((DMat3::IDENTITY + strain) * state.cells[0].matrix()).unwrap();
        strained.velocity.fill(DVec3::ZERO);
        soft_backend(&topology, strained).thermo().unwrap()[0]
    };
    let here = energy(DMat3::ZERO);
    let step = 1e-5;
    for a in 0..3 {
        for b in a..3 {
            let mut strain = DMat3::ZERO;
            strain.col_mut(b)[a] += 0.5 * step;
            strain.col_mut(a)[b] += 0.5 * step;
            let difference = energy(strain).energies.total() - energy(-strain).energies.total();
            // Centres scale and orientations stay: the molecular pressure, P_ab V = -dU/d(strain_ab).
            let numerical = -difference / (2.0 * step) / here.volume;
            let found = here.pressure_tensor.col(b)[a];
            // Truncation of order step^2 and round-off 1e-16 U/step.
            assert!((numerical - found).abs() < 1e-6 * here.pressure.abs(), "{a}{b}: {numerical} {found}");
        }
    }
}

#[test]
fn centre_of_mass_is_at_rest_and_kinds_have_their_share_of_freedom() {
    let topology = topology(300, 200);
    let state = thermal_state(&topology, 2, cell(40.0), 400.0, 9);
    let backend = soft_backend(&topology, state);
    for replica in 0..2 {
        let range = backend.state().bodies_of(replica);
        let velocities = &backend.state().velocity[range];
        let momentum: DVec3 = topology.bodies.iter().zip(velocities).map(|(b, v)| b.mass * *v).sum();
        assert!(momentum.length() < 1e-10);
        let temperatures = species_temperatures(&topology, backend.state(), replica);
        for t in &temperatures {
            // Five standard errors, sqrt(2/(3 n)) with n >= 200.
            assert!((t / 400.0 - 1.0).abs() < 5.0 * (2.0f64 / 600.0).sqrt(), "{temperatures:?}");
        }
    }
    let masses = [62.004, 39.0983];
    let total = 300.0 * masses[0] + 200.0 * masses[1];
    let freedoms = [300.0, 200.0].iter().zip(masses).map(|(n, m)| 3.0 * n * (1.0 - m / total));
    let sum: f64 =
        freedoms.zip(species_temperatures(&topology, backend.state(), 0)).map(|(g, t)| g * t).sum();
    let mut backend = backend;
    let all = backend.thermo().unwrap()[0].translational_temperature;
    assert!((sum / topology.translational_degrees_of_freedom() - all).abs() < 1e-9);
}
