//! From a composition to a relaxed start: the builder, overlap removal and minimisation together, on small CKN systems.

use std::sync::Arc;

use glam::DVec3;
use vitrion_core::backend::Backend;
use vitrion_core::builder::{assign_velocities, build};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::force_field::{CKN_FLEXIBLE, CKN_RIGID, ForceField};
use vitrion_core::forces::{ForceKernel, Request};
use vitrion_core::minimize::minimize;
use vitrion_core::state::State;
use vitrion_core::topology::{MoleculeModel, Topology};

/// 14 nitrates, 6 K and 4 Ca, in a cube of this edge (angstrom): 1.99 g/cm^3.
const EDGE: f64 = 10.4;

fn ckn(text: &str) -> (ForceField, Arc<Topology>, Cell) {
    let force_field = ForceField::parse(text, "ckn").unwrap();
    let topology = force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).unwrap();
    (force_field, Arc::new(topology), Cell::cubic(EDGE).unwrap())
}

/// Lattice sums to 1e-6: far finer than the forces that the tests look at.
fn kernel(force_field: &ForceField, topology: &Topology, cell: &Cell) -> ReferenceKernel {
    let options = ReferenceOptions { coulomb_tolerance: 1e-6, ..ReferenceOptions::default() };
    ReferenceKernel::new(force_field, topology, cell, options)
}

/// Energy and largest force on an atom (internal units) at the state's positions.
fn energy_and_force(kernel: &mut dyn ForceKernel, topology: &Topology, state: &State) -> (f64, f64) {
    let mut forces = vec![DVec3::ZERO; topology.n_atoms()];
    let request = Request { energy_and_virial: true };
    let positions = state.atom_positions(topology, 0);
    let evaluation = kernel.evaluate(&state.cells[0], &positions, request, &mut forces).unwrap();
    (evaluation.energies.total(), forces.iter().map(|f| f.length()).fold(0.0, f64::max))
}

/// Largest difference between a distance within a rigid molecule and the same in its kind's shape (angstrom).
fn shape_error(topology: &Topology, state: &State) -> f64 {
    let positions = state.atom_positions(topology, 0);
    let mut largest = 0.0f64;
    for body in &topology.bodies {
        let Some((shape, _)) = topology.rigid_shape(body) else { continue };
        let atoms = &positions[body.first_atom..][..body.n_atoms];
        for i in 0..shape.len() {
            for j in 0..i {
                let found = (atoms[i] - atoms[j]).length();
                largest = largest.max((found - (shape[i] - shape[j]).length()).abs());
            }
        }
    }
    largest
}

#[test]
fn every_random_start_relaxes_to_a_configuration_without_overlaps() {
    let (force_field, topology, cell) = ckn(CKN_RIGID);
    for seed in 0..10 {
        let mut state = build(&topology, cell, 1, seed).unwrap();
        let mut kernel = kernel(&force_field, &topology, &cell);
        kernel.set_soft_core(true);
        let (energy, force) = energy_and_force(&mut kernel, &topology, &state);
        let result = minimize(&mut state.replicas_mut()[0], &topology, &mut kernel, 600, 1e3).unwrap();
        println!("seed {seed}: {energy:.4e} and {force:.3e} before, {result:?}");
        // Two orders below the forces of the overlaps, as a start for dynamics needs.
        assert!(result.largest_force < 0.01 * force, "seed {seed}: {force:e} to {result:?}");
        assert!(result.energy < energy, "seed {seed}: {energy:e} to {result:?}");
        // The soft core is off again: this is the true potential, and no pair is inside its inner maximum. The two
        // evaluations are of the same positions.
        let (found, _) = energy_and_force(&mut kernel, &topology, &state);
        assert_eq!(found, result.energy, "seed {seed}");
        // Unit quaternions to round-off, on arms of 2 A.
        assert!(shape_error(&topology, &state) < 1e-12, "seed {seed}");
        for (s, r) in state.centre.iter().zip(&state.unwrapped) {
            assert!(s.min_element() >= 0.0 && s.max_element() < 1.0);
            // The unwrapped position differs by whole cells; round-off of some hundred additions.
            assert!(cell.wrapped_difference(*r - cell.cartesian(*s)).length() < 1e-11);
        }
    }
}

#[test]
fn a_backend_relaxes_all_replicas_as_each_alone() {
    let (force_field, topology, cell) = ckn(CKN_RIGID);
    let mut state = build(&topology, cell, 2, 3).unwrap();
    assign_velocities(&mut state, &topology, &[700.0, 500.0], 4);
    let kernels = (0..2).map(|_| Box::new(kernel(&force_field, &topology, &cell)) as Box<dyn ForceKernel>);
    let electrostatics = kernel(&force_field, &topology, &cell).electrostatics();
    let name = "cpu/reference".to_owned();
    let mut backend =
        CpuBackend::new(Arc::clone(&topology), kernels.collect(), electrostatics, name, state.clone())
            .unwrap();
    let largest = backend.minimize(60, 1e3).unwrap();
    for (replica, view) in state.replicas_mut().iter_mut().enumerate() {
        let mut kernel = kernel(&force_field, &topology, &cell);
        let alone = minimize(view, &topology, &mut kernel, 60, 1e3).unwrap();
        assert_eq!(largest[replica], alone.largest_force);
    }
    assert_eq!(backend.state(), &state);
    assert!(state.velocity.iter().all(|v| *v == DVec3::ZERO));
}

#[test]
fn flexible_nitrates_are_whole_wherever_the_faces_of_the_cell_lie() {
    let (force_field, topology, cell) = ckn(CKN_FLEXIBLE);
    let mut state = build(&topology, cell, 1, 5).unwrap();
    let mut kernel = kernel(&force_field, &topology, &cell);
    kernel.set_soft_core(true);
    let (expected, _) = energy_and_force(&mut kernel, &topology, &state);
    for _ in 0..4 {
        for s in &mut state.centre {
            *s = Cell::wrap_fractional(*s + DVec3::new(0.13, 0.21, 0.34));
        }
        let positions = state.atom_positions(&topology, 0);
        for molecule in &topology.molecules {
            let kind = &topology.kinds[molecule.kind];
            if let MoleculeModel::Flexible { bonds, .. } = &kind.model {
                for bond in bonds {
                    let [a, b] = bond.atoms.map(|a| positions[molecule.first_atom + a]);
                    // Built with the lengths of the force field's undistorted molecule, 1e-3 A from r0 at most.
                    assert!(((a - b).length() - bond.length).abs() < 2e-3);
                }
            }
        }
        let (found, _) = energy_and_force(&mut kernel, &topology, &state);
        // Energies do not depend on the origin: round-off of sums of a few thousand terms.
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }
}
