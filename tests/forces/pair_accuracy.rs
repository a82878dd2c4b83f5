//! The rounding of the pair forces in f32, against the f64 reference.

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
