//! Molten Ca0.4K0.6(NO3)1.4 with the reference kernel: the 66 atoms of `tests/reference/ckn66.data`, made rigid.

use std::sync::Arc;

use glam::{DMat3, DQuat, DVec3, DVec4};
use vitrion_core::backend::{Backend, Discard, Ensemble};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::force_field::ForceField;
use vitrion_core::force_field::file::CKN_RIGID;
use vitrion_core::integrators::rigid_body::{angular_momentum, quaternion_momentum};
use vitrion_core::state::State;
use vitrion_core::topology::Topology;

use crate::support::{begin, dynamics, thermal_state};

const DATA: &str = include_str!("../../../../tests/reference/ckn66.data");
const EDGE: f64 = 10.4;
/// Position of every atom in the data file (angstrom).
fn positions() -> Vec<DVec3> {
    let atoms = DATA.split("Atoms").nth(1).expect("the file has an Atoms section");
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

/// 14 nitrates, 6 K, 4 Ca with the file's centres and orientations, and momenta at 700 K.
fn molten() -> (ForceField, Arc<Topology>, State) {
    let force_field = ForceField::parse(CKN_RIGID, "ckn-rigid.toml").unwrap();
    let topology = Arc::new(force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).unwrap());
    let cell = Cell::cubic(EDGE).unwrap();
    let mut state = thermal_state(&topology, 1, cell, 700.0, 17);
    let positions = positions();
    assert_eq!(positions.len(), 66);
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
    let (_, topology, state) = molten();
    let cell = state.cells[0];
    for (found, given) in state.atom_positions(&topology, 0).iter().zip(positions()) {
        // The file's N-O bonds are 1.2600545 A long, ours 1.26.
        assert!(cell.wrapped_difference(*found - given).length() < 1e-4);
    }
}

/// Root-mean-square deviation of the conserved quantity from its start over 0.1 ps (u A^2/ps^2).
fn conserved_deviation(ensemble: Ensemble, dt: f64) -> f64 {
    let (force_field, topology, state) = molten();
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

#[test]
fn molten_salt_pressure_is_the_strain_derivative_of_the_energy() {
    let (force_field, topology, mut state) = molten();
    state.velocity.fill(DVec3::ZERO);
    let mut backend = reference_backend(&force_field, &topology, &state);
    let mut thermo = |strain: f64| {
        let cells = vec![state.cells[0].scaled(1.0 + strain)];
        backend.set_state(State { cells, ..state.clone() }).unwrap();
        backend.thermo().unwrap()[0]
    };
    let step = 1e-5;
    let difference = thermo(step).energies.total() - thermo(-step).energies.total();
    let here = thermo(0.0);
    let (numerical, found) = (-difference / (2.0 * step), 3.0 * here.pressure * here.volume);
    // Round-off of energies of 1e6 (1e-10) over the step, and the third order of the strain.
    assert!((numerical - found).abs() < 1e-5 * here.energies.short_range, "{numerical} {found}");
}
