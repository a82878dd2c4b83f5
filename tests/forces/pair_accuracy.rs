//! The rounding of the pair forces in f32, against the f64 reference; with and without the soft core.

use glam::DMat3;
use vitrion_core::backend::{ElectrostaticsParameters, Reciprocal};
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::cpu::{Precision, kernel};
use vitrion_core::forces::ForceKernel;
use vitrion_core::long_range::parameters::force_difference;
use vitrion_gpu::force_kernel::GpuForceKernel;

use crate::fixtures::{System, answer, load};
use crate::{Arc, device};

/// Asked of the project: RMS error of the pair forces over their RMS.
const ACCURACY: f64 = 5e-6;

/// A splitting that leaves nearly all to the pairs, erfc(alpha r_c) = 1.5e-12 of it beyond their cutoff, and a mesh of 0.42 A for what is
/// left: the errors of the sum over waves are below those of the pairs, and can only add to them.
fn pairs_mostly() -> ElectrostaticsParameters {
    let reciprocal = Reciprocal::Pme { order: 8, grid: [80; 3] };
    ElectrostaticsParameters { cutoff: 10.0, alpha: 0.5, reciprocal }
}

fn assert_pairs_accurate(what: &str, system: &System) {
    let options = ReferenceOptions { coulomb_tolerance: 1e-9, ..ReferenceOptions::default() };
    let mut exact = ReferenceKernel::new(&system.force_field, &system.topology, &system.cell, options);
    let exact = answer(&mut exact, system).forces;
    let (force_field, topology) = (Arc::new(system.force_field.clone()), Arc::new(system.topology.clone()));
    let parameters = pairs_mostly();
    let mixed = kernel(&force_field, &topology, &system.cell, Precision::Mixed, parameters).unwrap();
    let gpu = GpuForceKernel::new(device(), &force_field, &topology, &system.cell, parameters, None).unwrap();
    let kernels: [(&str, Box<dyn ForceKernel>); 2] = [("cpu/mixed", mixed), ("gpu", Box::new(gpu))];
    for (name, mut kernel) in kernels {
        let error = force_difference(&answer(kernel.as_mut(), system).forces, &exact).relative_rms;
        println!("{name}, {what}: RMS error {error:.2e} of the RMS force");
        assert!(error < ACCURACY, "{name}, {what}: {error:e}");
        // Nothing in f32 is this good: then it would be the reference itself.
        assert!(error > 1e-8, "{name}, {what}: {error:e}");
    }
}

#[test]
fn pair_forces_in_f32_are_those_of_the_reference() {
    let melt = load("ckn2376-700K");
    assert_pairs_accurate("short range and Coulomb", &melt);
    assert_pairs_accurate("short range", &melt.clone().weakly_charged());
    assert_pairs_accurate("Coulomb", &melt.without_short_range());
}

/// The melt with its second nitrate moved so that an oxygen of it is `distance` (angstrom) from one of the first nitrate, on the side
/// away from its nitrogen.
fn oxygens_apart(distance: f64) -> System {
    let mut system = load("ckn2376-700K");
    let mut nitrates =
        system.topology.molecules.iter().filter(|m| system.topology.kinds[m.kind].species.len() == 4);
    let (one, two) = (nitrates.next().unwrap().first_atom, nitrates.next().unwrap().first_atom);
    let direction = (system.positions[one + 1] - system.positions[one]).normalize();
    let shift = system.positions[one + 1] + distance * direction - system.positions[two + 1];
    system.positions[two..two + 4].iter_mut().for_each(|r| *r += shift);
    system
}

#[test]
fn soft_core_of_the_device_has_the_forces_energy_and_virial_of_the_reference() {
    // The oxygens' inner maximum is at 0.78 A.
    for distance in [0.05, 0.3, 0.7] {
        let system = oxygens_apart(distance);
        let options = ReferenceOptions { coulomb_tolerance: 1e-9, ..ReferenceOptions::default() };
        let mut exact = ReferenceKernel::new(&system.force_field, &system.topology, &system.cell, options);
        exact.set_soft_core(true);
        let exact = answer(&mut exact, &system);
        let (force_field, topology) =
            (Arc::new(system.force_field.clone()), Arc::new(system.topology.clone()));
        let mut gpu =
            GpuForceKernel::new(device(), &force_field, &topology, &system.cell, pairs_mostly(), None)
                .unwrap();
        gpu.set_soft_core(true);
        let found = answer(&mut gpu, &system);
        let force = force_difference(&found.forces, &exact.forces).relative_rms;
        let energies = [&found, &exact].map(|answer| answer.evaluation.energies.total());
        let energy = (energies[0] / energies[1] - 1.0).abs();
        let virials = [&found, &exact].map(|answer| answer.evaluation.virials.total());
        let norm = |m: DMat3| m.to_cols_array().iter().map(|x| x * x).sum::<f64>().sqrt();
        let virial = norm(virials[0] - virials[1]) / norm(virials[1]);
        println!(
            "gpu, soft core, oxygens {distance} A apart: force {force:.1e}, energy {energy:.1e}, virial {virial:.1e}"
        );
        // The forces of a few close pairs are most of their RMS: f32 rounding of distances, 1e-7 of 0.05 A and more.
        assert!(force < ACCURACY, "{distance} A: {force:e}");
        // As in the reference outputs: terms of both signs in f32.
        assert!(energy < 1e-5, "{distance} A: {energy:e}");
        assert!(virial < 1e-4, "{distance} A: {virial:e}");
    }
}
