//! What happens when a step cannot be done.

use vitrion_core::backend::{Backend, BackendError, Discard, Ensemble, Sampling};
use vitrion_core::forces::ForceError;

use crate::recorder::Recorder;
use crate::support::*;

#[test]
fn failed_step_leaves_every_replica_at_the_step_before_it() {
    let topology = topology(6, 4);
    let mut state = thermal_state(&topology, 2, cell(10.5), 300.0, 21);
    // Body 0 of replica 1 flies to larger x.
    let second = state.bodies_of(1).start;
    state.velocity[second].x = 20.0;
    state.centre[second].x = 0.1;
    let two = |limit: f64| {
        let mut backend = backend_with(&topology, state.clone(), |replica| {
            let mut kernel = SoftSpheres::new(&topology);
            kernel.forbidden_x = if replica == 1 { limit } else { f64::INFINITY };
            kernel
        });
        let mut d = dynamics(Ensemble::Nvt, 0.001, 300.0, 0.0);
        d.temperature.push(d.temperature[0]);
        let sampling = Sampling { stress_every: Some(2), window: None };
        backend.begin_stage(&d, &sampling).unwrap();
        backend
    };
    let limit = state.atom_positions(&topology, 1)[0].x + 1.0;
    let mut failing = two(limit);
    let mut streamed = Recorder::default();
    // The neighbour lists are then older than the chunk that fails.
    failing.advance(10, &mut streamed).unwrap();
    let error = failing.advance(200, &mut streamed).unwrap_err();
    let BackendError::Forces { replica, step, source } = &error else { panic!("{error}") };
    assert_eq!((*replica, source), (1, &ForceError::NotFinite { atom: 0 }));
    assert!((15..200).contains(step), "the flight takes some steps: {step}");
    assert!(error.to_string().contains(&format!("replica 1, step {step}")), "{error}");

    let mut clean = two(f64::INFINITY);
    let mut expected = Recorder::default();
    clean.advance(step - 1, &mut expected).unwrap();
    assert_eq!(failing.state(), clean.state());
    for replica in 0..2 {
        assert_eq!(streamed.of(replica), expected.of(replica));
    }
}

#[test]
fn runaway_is_reported_and_undone() {
    let topology = topology(6, 4);
    let mut backend = soft_backend(&topology, thermal_state(&topology, 1, cell(10.5), 300.0, 21));
    begin(&mut backend, &dynamics(Ensemble::Nve, 1e200, 300.0, 0.0));
    let before = backend.state().clone();
    let error = backend.advance(10, &mut Discard).unwrap_err();
    assert!(matches!(error, BackendError::NotFinite { replica: 0, .. }), "{error}");
    assert!(backend.state().velocity.iter().all(|v| v.is_finite()));
    assert_eq!(backend.state().step, before.step);
    assert_eq!(backend.state(), &before);
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let topology = topology(6, 4);
    let state = thermal_state(&topology, 1, cell(10.5), 300.0, 21);
    let mut backend = soft_backend(&topology, state.clone());
    let two = thermal_state(&topology, 2, cell(10.5), 300.0, 21);
    assert!(matches!(backend.set_state(two), Err(BackendError::Mismatch { .. })));
    let mut short = state.clone();
    short.velocity.pop();
    assert!(matches!(backend.set_state(short), Err(BackendError::Mismatch { .. })));
    let mut wild = state;
    wild.velocity[3].y = f64::NAN;
    assert_eq!(backend.set_state(wild), Err(BackendError::NotFinite { replica: 0, step: 0, body: 3 }));
}

#[test]
fn stages_and_checkpoints_that_do_not_fit_are_refused() {
    let topology = topology(6, 4);
    let mut backend = soft_backend(&topology, thermal_state(&topology, 1, cell(10.5), 300.0, 21));
    assert_eq!(backend.advance(1, &mut Discard), Err(BackendError::NoStage));
    let mut d = dynamics(Ensemble::Nvt, 0.001, 300.0, 0.0);
    d.temperature.clear();
    let error = backend.begin_stage(&d, &Sampling::default()).unwrap_err();
    assert!(error.to_string().contains("no temperature set point"), "{error}");
    let mut checkpoint = backend.checkpoint();
    checkpoint.electrostatics.cutoff += 1.0;
    assert!(matches!(backend.restore(&checkpoint), Err(BackendError::Mismatch { .. })));
    // A checkpoint of another backend brings its state.
    checkpoint.backend = "another".into();
    assert_eq!(backend.restore(&checkpoint), Ok(()));
}
