//! Molten Ca0.4K0.6(NO3)1.4 with the real kernels: stored configurations of `tests/reference`, made rigid.

use std::sync::Arc;

use glam::{DMat3, DQuat, DVec3, DVec4};
use vitrion_core::backend::{Backend, Discard, Ensemble, Sampling, Window};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::cpu::{Precision, build_backend, choose_mesh};
use vitrion_core::force_field::file::CKN_RIGID;
use vitrion_core::force_field::tail_correction::TailCorrection;
use vitrion_core::force_field::{ForceField, Shift};
use vitrion_core::integrators::rigid_body::{angular_momentum, quaternion_momentum};
use vitrion_core::state::State;
use vitrion_core::topology::Topology;

use crate::recorder::Recorder;
use crate::support::{begin, dynamics, thermal_state};

/// A stored configuration in a cubic box.
pub struct Stored {
    data: &'static str,
    /// Edge (angstrom).
    edge: f64,
    counts: [(&'static str, usize); 3],
}

pub const SMALL: Stored = Stored {
    data: include_str!("../../../../tests/reference/ckn66.data"),
    edge: 10.4,
    counts: [("nitrate", 14), ("K", 6), ("Ca", 4)],
};
const LARGE: Stored = Stored {
    data: include_str!("../../../../tests/reference/ckn2376-700K.data"),
    edge: 33.834515589292,
    counts: [("nitrate", 504), ("K", 216), ("Ca", 144)],
};

/// Position of every atom in the data file (angstrom).
fn positions(stored: &Stored) -> Vec<DVec3> {
    let section = stored.data.split("Velocities").next().unwrap_or_default();
    let atoms = section.split("Atoms").nth(1).expect("the file has an Atoms section");
    atoms
        .lines()
        .map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<f64>>())
        .filter(|numbers| numbers.len() == 7)
        .map(|numbers| DVec3::new(numbers[4], numbers[5], numbers[6]))
        .collect()
}

/// Axes of a nitrate: x along N-O1, z normal to the plane.
fn axes(atoms: &[DVec3]) -> DMat3 {
    let x = (atoms[1] - atoms[0]).normalize();
    let z = x.cross(atoms[2] - atoms[0]).normalize();
    DMat3::from_cols(x, z.cross(x), z)
}

/// The file's centres and orientations, and momenta at 700 K.
pub fn molten(stored: &Stored) -> (ForceField, Arc<Topology>, State) {
    let force_field = ForceField::parse(CKN_RIGID, "ckn-rigid.toml").unwrap();
    let topology = Arc::new(force_field.topology(&stored.counts).unwrap());
    let cell = Cell::cubic(stored.edge).unwrap();
    let mut state = thermal_state(&topology, 1, cell, 700.0, 17);
    let positions = positions(stored);
    assert_eq!(positions.len(), topology.n_atoms());
    for (index, body) in topology.bodies.iter().enumerate() {
        let atoms = &positions[body.first_atom..][..body.n_atoms];
        state.centre[index] = Cell::wrap_fractional(cell.fractional(atoms[0]));
        if let Some((shape, _)) = topology.rigid_shape(body) {
            let (q, p) = (&mut state.orientation[index], &mut state.quaternion_momentum[index]);
            let momentum = angular_momentum(*q, *p);
            let turn = DQuat::from_mat3(&(axes(atoms) * axes(shape).transpose())).normalize();
            *q = DVec4::new(turn.w, turn.x, turn.y, turn.z);
            *p = quaternion_momentum(*q, momentum);
        }
    }
    (force_field, topology, state)
}

fn reference_backend(force_field: &ForceField, topology: &Arc<Topology>, state: &State) -> CpuBackend {
    let options = ReferenceOptions { coulomb_tolerance: 1e-9, ..ReferenceOptions::default() };
    let kernel = ReferenceKernel::new(force_field, topology, &state.cells[0], options);
    let electrostatics = kernel.electrostatics();
    let name = "cpu/reference".to_owned();
    CpuBackend::new(Arc::clone(topology), vec![Box::new(kernel)], electrostatics, name, state.clone())
        .unwrap()
}

#[test]
fn molten_salt_is_read_as_it_was_written() {
    let (_, topology, state) = molten(&SMALL);
    let cell = state.cells[0];
    for (found, given) in state.atom_positions(&topology, 0).iter().zip(positions(&SMALL)) {
        // The file's N-O bonds are 1.2600545 A long, ours 1.26.
        assert!(cell.wrapped_difference(*found - given).length() < 1e-4);
    }
}

/// Root-mean-square deviation of the conserved quantity from its start over 0.1 ps (u A^2/ps^2).
fn conserved_deviation(ensemble: Ensemble, dt: f64) -> f64 {
    let (force_field, topology, state) = molten(&SMALL);
    let mut backend = reference_backend(&force_field, &topology, &state);
    begin(&mut backend, &dynamics(ensemble, dt, 700.0, 0.0));
    let start = backend.thermo().unwrap()[0].conserved;
    let steps = (0.1 / dt).round() as u32;
    let mut sum = 0.0;
    for _ in 0..steps {
        backend.advance(1, &mut Discard).unwrap();
        sum += (backend.thermo().unwrap()[0].conserved - start).powi(2);
    }
    (sum / f64::from(steps)).sqrt()
}

#[test]
fn molten_salt_conserves_with_the_square_of_the_step() {
    for ensemble in [Ensemble::Nve, Ensemble::Npt] {
        let (coarse, fine) = (conserved_deviation(ensemble, 0.002), conserved_deviation(ensemble, 0.001));
        println!("66 atoms of CKN, {ensemble:?} at 2 and 1 fs: {coarse:.4e} {fine:.4e} u A^2/ps^2");
        // A factor 4 to leading order; forces that end at the cutoffs (1e-4 of the RMS force) and the next order blur it.
        assert!((3.5..4.5).contains(&(coarse / fine)), "{coarse} {fine}");
    }
}

/// -dE/d(strain) by central differences, centres going with the cell and molecules staying rigid, and 3 P V of the backend at rest
/// (u A^2/ps^2).
fn strain_derivative(backend: &mut dyn Backend, state: &State, step: f64) -> (f64, f64) {
    let mut state = state.clone();
    state.velocity.fill(DVec3::ZERO);
    let mut thermo = |strain: f64| {
        let cells = vec![state.cells[0].scaled(1.0 + strain)];
        backend.set_state(State { cells, ..state.clone() }).unwrap();
        backend.thermo().unwrap()[0]
    };
    let difference = thermo(step).energies.total() - thermo(-step).energies.total();
    let here = thermo(0.0);
    (-difference / (2.0 * step), 3.0 * here.pressure * here.volume)
}

#[test]
fn molten_salt_pressure_is_the_strain_derivative_of_the_energy() {
    let (force_field, topology, state) = molten(&SMALL);
    let mut backend = reference_backend(&force_field, &topology, &state);
    let (numerical, found) = strain_derivative(&mut backend, &state, 1e-5);
    let short_range = backend.thermo().unwrap()[0].energies.short_range;
    // Round-off of energies of 1e6 (1e-10) over the step, and the third order of the strain.
    assert!((numerical - found).abs() < 1e-5 * short_range, "{numerical} {found}");
}

/// At 5 angstrom, where the work of pairs that cross the cutoff is large.
#[test]
fn pressure_is_the_strain_derivative_of_the_energy_with_a_shift_with_and_without_tail() {
    // Of the surface term: pairs that cross the cutoff change the slope of the energy at second order in the step, and round-off of
    // 1e6 u A^2/ps^2 (1e-10) over the step is 1e-6. In mixed precision rounding, 1e-7 of 1e7 over the step, is 1e-3.
    for (stored, precision, step, tolerance) in
        [(&SMALL, Precision::Reference, 1e-5, 1e-5), (&LARGE, Precision::Mixed, 1e-3, 1e-2)]
    {
        let (mut force_field, topology, state) = molten(stored);
        (force_field.cutoff, force_field.shift) = (5.0, Shift::Potential);
        let mut pressures = [0.0; 2];
        for tail_correction in [false, true] {
            force_field.tail_correction = tail_correction;
            let shared = Arc::new(force_field.clone());
            let mut backend =
                build_backend(&shared, &topology, state.clone(), precision, 1e-4, None).unwrap().backend;
            let (numerical, found) = strain_derivative(backend.as_mut(), &state, step);
            pressures[usize::from(tail_correction)] = found;
            // Half of the tail's virial, three times: what an energy of the tail without the shifts would miss.
            let tail = ForceField { tail_correction: true, ..force_field.clone() };
            let surface = 1.5 * TailCorrection::new(&tail, &topology, 5.0).virial(state.cells[0].volume());
            let missed = (numerical - found) / surface;
            println!("{precision}, tail {tail_correction}: {missed:.1e} of the surface term {surface:.3e}");
            assert!(missed.abs() < tolerance, "{precision}, tail {tail_correction}: {numerical} {found}");
        }
        assert_ne!(pressures[0], pressures[1], "the tail is not in the pressure");
    }
}

#[test]
fn mixed_kernel_runs_with_the_same_bits_however_it_is_driven() {
    let (force_field, topology, state) = molten(&LARGE);
    let force_field = Arc::new(force_field);
    let parameters = choose_mesh(&force_field, &topology, &state.cells[0], 1e-3).unwrap();
    let backend = || {
        let start = state.clone();
        let mixed = Precision::Mixed;
        let mut built =
            build_backend(&force_field, &topology, start, mixed, 1e-3, Some(parameters)).unwrap().backend;
        let npt = dynamics(Ensemble::Npt, 0.004, 700.0, 0.0);
        let window = Some(Window { sample_every: 4, samples: 3 });
        built.begin_stage(&npt, &Sampling { stress_every: Some(2), window }).unwrap();
        built
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    // Long enough for the neighbour list to be rebuilt before and after the checkpoint.
    let (before, after) = (35, 25);
    let (whole, streams, checkpoint) = pool(1).install(|| {
        let mut whole = backend();
        whole.advance(before, &mut Discard).unwrap();
        let checkpoint = whole.checkpoint();
        let mut streams = Recorder::default();
        whole.advance(after, &mut streams).unwrap();
        (whole.state().clone(), streams, checkpoint)
    });
    let start_positions = state.atom_positions(&topology, 0);
    let origin = checkpoint.list_origins[0].as_ref().expect("the mixed kernel keeps a list");
    assert_ne!(origin.positions, start_positions, "no rebuild before the checkpoint: the test shows less");
    pool(2).install(|| {
        let mut resumed = backend();
        resumed.restore(&checkpoint).unwrap();
        let mut found = Recorder::default();
        for steps in [1, 10, after - 11] {
            resumed.advance(steps, &mut found).unwrap();
            resumed.thermo().unwrap();
        }
        assert!(*resumed.state() == whole, "the resumed run has other bits");
        assert_eq!(found.of(0), streams.of(0));
    });
}

/// Distances (angstrom) of the bodies from where they started after 1 ps at 4 fs, reversal, and the same steps back.
fn missed_by(mut backend: Box<dyn Backend>) -> (f64, f64) {
    let steps = 250;
    backend.begin_stage(&dynamics(Ensemble::Nve, 0.004, 700.0, 0.0), &Sampling::default()).unwrap();
    let start = backend.state().clone();
    backend.advance(steps, &mut Discard).unwrap();
    let mut turned = backend.state().clone();
    let distance = |other: &State| {
        let moved = start.unwrapped.iter().zip(&other.unwrapped).map(|(a, b)| (*a - *b).length());
        moved.fold(0.0, f64::max)
    };
    let path = distance(&turned);
    turned.velocity.iter_mut().for_each(|v| *v = -*v);
    turned.quaternion_momentum.iter_mut().for_each(|p| *p = -*p);
    backend.set_state(turned).unwrap();
    backend.advance(steps, &mut Discard).unwrap();
    (path, distance(backend.state()))
}

#[test]
fn reversed_melt_retraces_its_path_of_1_ps() {
    let (force_field, topology, state) = molten(&SMALL);
    let (path, miss) = missed_by(Box::new(reference_backend(&force_field, &topology, &state)));
    println!("66 atoms, reference: the farthest ion moved {path:.2} angstrom and came back to {miss:.1e}");
    // Round-off of 10 angstrom (1e-15), grown by the chaos of 2 ps: some 1e3 times, with room for 1e6.
    assert!(path > 1.0 && miss < 1e-9, "{miss} angstrom after a path of {path}");

    let (force_field, topology, state) = molten(&LARGE);
    let force_field = Arc::new(force_field);
    let built = build_backend(&force_field, &topology, state, Precision::Mixed, 1e-4, None).unwrap();
    let (path, miss) = missed_by(built.backend);
    println!("2,376 atoms, mixed: the farthest ion moved {path:.2} angstrom and came back to {miss:.1e}");
    // Positions that differ in their last bit give forces that differ by f32 rounding, 2e-6 of the RMS force of 6600 u A/ps^2:
    // 1e-3 A/ps^2 for an ion. 500 such kicks of 4 fs leave 1e-4 A/ps; chaos (above) makes it up to 1e2 times that in 2 ps.
    assert!(path > 1.0 && miss < 1e-2, "{miss} angstrom after a path of {path}");
}
