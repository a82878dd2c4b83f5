//! The true force error of the mixed kernel with the mesh that an accuracy of 1e-4 asks for, in cells of several shapes and
//! sizes, against exact Ewald sums.

use glam::DVec3;
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::cpu::{Precision, choose_mesh, kernel};
use vitrion_core::long_range::parameters::force_difference;
use vitrion_core::random::{Counter, Stream};

use crate::Arc;
use crate::fixtures::{System, answer, load};

/// Asked of the project: RMS error over RMS force at `--accuracy 1e-4`.
const ACCURACY: f64 = 1e-4;

/// Copies of a periodic system excite only every n-th wave vector. Moving each molecule a little on its own excites all.
pub fn disordered(mut system: System) -> System {
    for molecule in 0..system.topology.molecules.len() {
        let counter = Counter {
            seed: 11,
            stream: Stream::BuilderPosition,
            replica: 0,
            step: 0,
            particle: molecule as u32,
        };
        let [x, y, z, _] = counter.normal();
        // A tenth of the amplitude of the vibrations at 700 K: the melt stays one.
        let shift = 0.03 * DVec3::new(x, y, z);
        let placed = &system.topology.molecules[molecule];
        let n_atoms = system.topology.kinds[placed.kind].species.len();
        for position in &mut system.positions[placed.first_atom..][..n_atoms] {
            *position += shift;
        }
    }
    system
}

/// Compares the mixed kernel at 1e-4 with the exact sum.
fn assert_accurate(what: &str, system: &System) {
    // Truncation far below what is measured; 1e-12 would only cost time.
    let options = ReferenceOptions { coulomb_tolerance: 1e-9, ..ReferenceOptions::default() };
    let mut exact = ReferenceKernel::new(&system.force_field, &system.topology, &system.cell, options);
    let exact = answer(&mut exact, system).forces;
    let (force_field, topology) = (Arc::new(system.force_field.clone()), Arc::new(system.topology.clone()));
    let parameters = choose_mesh(&force_field, &topology, &system.cell, ACCURACY).unwrap();
    let mut mixed = kernel(&force_field, &topology, &system.cell, Precision::Mixed, parameters).unwrap();
    let difference = force_difference(&answer(mixed.as_mut(), system).forces, &exact);
    let error = difference.relative_rms;
    println!(
        "{what}, {} atoms: true RMS force error {error:.2e} of the RMS force, largest {:.1e} at atom {}",
        exact.len(),
        difference.largest / difference.reference_rms,
        difference.atom + 1
    );
    assert!(error < ACCURACY, "{what}: {error:e}");
    // Were the two the same kernel, or the mesh much finer than asked for, the test would show nothing.
    assert!(error > 0.05 * ACCURACY, "{what}: {error:e} is suspiciously small");
}

#[test]
fn mixed_forces_are_accurate_in_a_cube_and_in_a_triclinic_cell() {
    let melt = load("ckn2376-700K");
    assert_accurate("cube", &melt);
    assert_accurate("triclinic cell", &melt.triclinic());
}

#[test]
fn mixed_forces_are_accurate_in_a_box_of_3_to_2_to_1() {
    // 93.6 x 62.4 x 31.2 angstrom.
    assert_accurate("box of 3:2:1", &disordered(load("ckn66").repeated([9, 6, 3])));
}

#[test]
fn mixed_forces_are_accurate_for_19008_atoms() {
    assert_accurate("2 x 2 x 2 copies", &disordered(load("ckn2376-700K").replicated(2)));
}
