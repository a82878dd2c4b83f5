//! The CPU backend: the same bits however it is driven.

use std::sync::Arc;

use glam::DVec3;
use vitrion_core::backend::{
    Backend, BackendCheckpoint, Discard, Dynamics, Ensemble, Sampling, SetPoint, Window,
};
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::state::{ExtendedVariables, State};
use vitrion_core::topology::Topology;

use crate::recorder::{Recorder, replica_of};
use crate::support::*;

const REPLICAS: usize = 3;

fn system() -> (Arc<Topology>, State) {
    let topology = topology(6, 4);
    let state = thermal_state(&topology, REPLICAS, cell(10.5), 300.0, 21);
    (topology, state)
}

/// Each replica has its own ramps.
fn ramped(ensemble: Ensemble, start_step: u64) -> Dynamics {
    let points = |start: f64, rate: f64| {
        (0..REPLICAS)
            .map(|r| SetPoint { start: start * (1.0 + 0.1 * r as f64), rate: rate * r as f64, start_step })
            .collect()
    };
    Dynamics {
        temperature: points(300.0, -10.0),
        pressure: points(4.0, 0.5),
        ..dynamics(ensemble, 0.004, 300.0, 4.0)
    }
}

fn streams() -> Sampling {
    Sampling { stress_every: Some(3), window: Some(Window { sample_every: 7, samples: 5 }) }
}

fn started(ensemble: Ensemble) -> CpuBackend {
    let (topology, state) = system();
    let mut backend = soft_backend(&topology, state);
    backend.begin_stage(&ramped(ensemble, 0), &streams()).unwrap();
    backend
}

#[test]
fn cutting_advance_into_pieces_changes_no_bit() {
    for ensemble in [Ensemble::Nve, Ensemble::Nvt, Ensemble::Npt] {
        let (mut whole, mut parts) = (started(ensemble), started(ensemble));
        let (mut all, mut pieces) = (Recorder::default(), Recorder::default());
        whole.advance(300, &mut all).unwrap();
        for steps in [1, 9, 20, 0, 70, 200] {
            parts.advance(steps, &mut pieces).unwrap();
            parts.thermo().unwrap();
        }
        assert_eq!(whole.state(), parts.state(), "{ensemble:?}");
        for replica in 0..REPLICAS {
            assert_eq!(all.of(replica), pieces.of(replica), "{ensemble:?}");
        }
        assert_eq!(all.of(0).stress.len(), 100);
        assert_eq!(all.of(0).windows.len(), 300 / 35);
    }
}

#[test]
fn restored_checkpoint_goes_on_with_the_same_bits() {
    for ensemble in [Ensemble::Nve, Ensemble::Nvt, Ensemble::Npt] {
        let mut original = started(ensemble);
        original.advance(123, &mut Discard).unwrap();
        let bytes = postcard::to_stdvec(&original.checkpoint()).unwrap();
        let mut expected = Recorder::default();
        original.advance(150, &mut expected).unwrap();

        let checkpoint: BackendCheckpoint = postcard::from_bytes(&bytes).unwrap();
        let mut resumed = started(ensemble);
        resumed.restore(&checkpoint).unwrap();
        let mut found = Recorder::default();
        resumed.advance(150, &mut found).unwrap();
        assert_eq!(original.state(), resumed.state(), "{ensemble:?}");
        assert_eq!(expected, found, "{ensemble:?}");
        assert_eq!(original.thermo().unwrap(), resumed.thermo().unwrap());
    }
}

#[test]
fn replica_in_a_batch_has_the_bits_of_the_replica_alone() {
    let (topology, state) = system();
    for ensemble in [Ensemble::Nvt, Ensemble::Npt] {
        let mut batch = started(ensemble);
        let mut all = Recorder::default();
        batch.advance(200, &mut all).unwrap();
        for replica in 0..REPLICAS {
            let mut single = soft_backend(&topology, replica_of(&state, replica));
            let shared = ramped(ensemble, 0);
            let alone = Dynamics {
                temperature: vec![shared.temperature[replica]],
                pressure: vec![shared.pressure[replica]],
                ..shared
            };
            single.begin_stage(&alone, &streams()).unwrap();
            let mut one = Recorder::default();
            single.advance(200, &mut one).unwrap();
            assert_eq!(&replica_of(batch.state(), replica), single.state(), "{ensemble:?}, {replica}");
            assert_eq!(all.of(replica), one);
        }
    }
}

#[test]
fn number_of_threads_changes_no_bit() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut backend = started(Ensemble::Npt);
            let mut recorder = Recorder::default();
            backend.advance(200, &mut recorder).unwrap();
            (backend.state().clone(), recorder)
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn step_counter_crosses_two_to_the_32_unharmed() {
    let (topology, state) = system();
    let run = |first: u64| {
        let mut backend = soft_backend(&topology, State { step: first, ..state.clone() });
        backend.begin_stage(&ramped(Ensemble::Npt, first), &streams()).unwrap();
        let mut recorder = Recorder::default();
        backend.advance(70, &mut recorder).unwrap();
        (backend, recorder)
    };
    let first = (1u64 << 32) - 10;
    let ((mut late, late_streams), (mut early, early_streams)) = (run(first), run(0));
    assert_eq!(late.state().step, first + 70);
    assert_eq!(State { step: 70, ..late.state().clone() }, *early.state());
    assert_eq!(late.thermo().unwrap(), early.thermo().unwrap());
    let shifted: Vec<_> = early_streams.stress.iter().map(|&(r, step, p)| (r, step + first, p)).collect();
    assert_eq!(late_streams.stress, shifted);
    assert_eq!(late_streams.windows.len(), 2 * REPLICAS);
    assert!(late_streams.windows.iter().all(|w| (w.1 - first).is_multiple_of(35)));
}

#[test]
fn stream_holds_the_pressure_of_its_step_and_the_mean_of_its_window() {
    let (topology, state) = system();
    let mut stepped = soft_backend(&topology, state.clone());
    stepped.begin_stage(&ramped(Ensemble::Nvt, 0), &Sampling::default()).unwrap();
    let mut streamed = started(Ensemble::Nvt);
    let mut recorder = Recorder::default();
    streamed.advance(35, &mut recorder).unwrap();
    let n = topology.n_bodies();
    let mut sums = vec![DVec3::ZERO; n];
    for step in 1..=35u64 {
        stepped.advance(1, &mut Discard).unwrap();
        if step % 3 == 0 {
            let tensor = stepped.thermo().unwrap()[1].pressure_tensor;
            assert!(recorder.stress.contains(&(1, step, tensor)), "step {step}");
        }
        if step % 7 == 0 {
            for (sum, r) in sums.iter_mut().zip(&stepped.state().unwrapped[n..2 * n]) {
                *sum += *r / 5.0;
            }
        }
    }
    let (_, step, means) = &recorder.windows[1];
    assert_eq!(*step, 35);
    for (mean, sum) in means.iter().zip(&sums) {
        // Half a unit of 2^-24 angstrom a component.
        assert!((*mean - *sum).length() < 1e-7);
    }
}

#[test]
fn extended_variables_stay_when_the_ensemble_continues_and_go_when_it_changes() {
    let mut backend = started(Ensemble::Npt);
    backend.advance(50, &mut Discard).unwrap();
    let extended = backend.state().extended.clone();
    assert!(extended.iter().all(|e| e.strain_rate != 0.0 && e.translation.eta_velocity[0] != 0.0));
    backend.begin_stage(&ramped(Ensemble::Npt, 50), &streams()).unwrap();
    assert_eq!(backend.state().extended, extended);
    backend.begin_stage(&ramped(Ensemble::Nvt, 50), &streams()).unwrap();
    assert!(backend.state().extended.iter().all(|e| *e == ExtendedVariables::default()));
}

#[test]
fn minimized_replicas_are_at_rest_with_small_forces_and_lower_energy() {
    let mut backend = started(Ensemble::Npt);
    backend.advance(10, &mut Discard).unwrap();
    let before = backend.thermo().unwrap();
    let tolerance = 20.0;
    let forces = backend.minimize(2000, tolerance).unwrap();
    let after = backend.thermo().unwrap();
    assert_eq!(forces.len(), REPLICAS);
    for replica in 0..REPLICAS {
        assert!(forces[replica] < tolerance, "{forces:?}");
        assert!(after[replica].energies.total() < before[replica].energies.total());
        assert_eq!(after[replica].kinetic_energy, 0.0);
        assert_eq!(backend.state().extended[replica], ExtendedVariables::default());
        let s = &backend.state().centre[backend.state().bodies_of(replica)];
        assert!(s.iter().all(|s| s.min_element() >= 0.0 && s.max_element() < 1.0));
    }
    assert_eq!(backend.state().step, 10);
    backend.advance(10, &mut Discard).unwrap();
}
