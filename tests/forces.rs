//! One body of tests for every force kernel: against reference outputs, derivatives and symmetries.
//!
//! A new kernel is one more entry of [`SUBJECTS`], with what it may err and which cells it takes.

#[path = "forces/derivatives.rs"]
mod derivatives;
#[path = "forces/fixtures.rs"]
mod fixtures;
#[path = "forces/ion_stress.rs"]
mod ion_stress;
#[path = "forces/mixed_accuracy.rs"]
mod mixed_accuracy;
#[path = "forces/nist_water.rs"]
mod nist_water;
#[path = "forces/pair_accuracy.rs"]
mod pair_accuracy;
#[path = "forces/reference_kernel.rs"]
mod reference_kernel;
#[path = "forces/reference_outputs.rs"]
mod reference_outputs;
#[path = "forces/symmetries.rs"]
mod symmetries;

use std::sync::{Arc, OnceLock};

use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::cpu::{Precision, choose_mesh, kernel};
use vitrion_core::force_field::ForceField;
use vitrion_core::forces::ForceKernel;
use vitrion_core::topology::Topology;
use vitrion_gpu::device::Device;
use vitrion_gpu::dimensions::device_mesh;
use vitrion_gpu::force_kernel::GpuForceKernel;

use fixtures::{Settings, System};

/// A kernel under test.
pub struct Subject {
    /// Name in messages.
    pub name: &'static str,
    /// Builds the kernel for a system.
    pub build: fn(&System, &Settings) -> Box<dyn ForceKernel>,
    /// Whether it sums over all images; else the cutoff and the skin must fit into half the cell.
    pub any_cell: bool,
    /// Displacement (angstrom) for numerical gradients, and strain for numerical virials: large enough for the rounding of
    /// its energies.
    pub steps: (f64, f64),
    /// What it may err.
    pub tolerance: Tolerance,
}

/// Largest allowed errors. Forces relative to the RMS force, virials to the Frobenius norm of the tensor.
pub struct Tolerance {
    /// Energies against reference outputs, relative.
    pub energy: f64,
    /// Bond, angle and improper energies against reference outputs, relative.
    pub bonded_energy: f64,
    /// Forces against reference outputs (largest component error).
    pub force: f64,
    /// Virials against reference outputs.
    pub virial: f64,
    /// Forces against numerical gradients.
    pub gradient: f64,
    /// Virials against numerical strain derivatives.
    pub strain: f64,
    /// Net force.
    pub net_force: f64,
    /// Forces of equivalent configurations.
    pub symmetry: f64,
}

/// All kernels.
pub const SUBJECTS: &[Subject] = &[REFERENCE, MIXED, GPU];

const REFERENCE: Subject = Subject {
    name: "cpu/reference",
    build: |system, settings| {
        let options = ReferenceOptions {
            short_range_cutoff: settings.cutoff,
            shift: settings.shift,
            ..ReferenceOptions::default()
        };
        Box::new(ReferenceKernel::new(&system.force_field, &system.topology, &system.cell, options))
    },
    any_cell: true,
    steps: (2e-4, 2e-5),
    tolerance: Tolerance {
        // Asked of the project. The reference outputs used e^2/(4 pi eps0) = 332.06371 kcal A/mol, 1e-8 off ours.
        energy: 1e-7,
        // Asked of the project; LAMMPS printed twelve digits.
        bonded_energy: 1e-8,
        force: 1e-6,
        virial: 1e-6,
        // Rounding of the energy (1e-15 of 1e6 u A^2/ps^2) over the step is 1e-9 of the RMS force; the force of a pair that
        // crosses the cutoff of 20 A is 1e-7 of it.
        gradient: 1e-7,
        strain: 1e-7,
        // Rounding of N sums of some 1e4 terms, each a few times the RMS force.
        net_force: 1e-10,
        // Rounding of positions, 1e-15 x 30 A, times the wall's stiffness 1/rho.
        symmetry: 1e-11,
    },
};

/// Relative force accuracy that the tests ask of the particle mesh.
const MESH_ACCURACY: f64 = 1e-5;

const MIXED: Subject = Subject {
    name: "cpu/mixed",
    build: |system, settings| {
        let (force_field, topology) = single_precision_system(system, settings);
        let parameters = choose_mesh(&force_field, &topology, &system.cell, MESH_ACCURACY).unwrap();
        kernel(&force_field, &topology, &system.cell, Precision::Mixed, parameters).unwrap()
    },
    any_cell: false,
    // Fourth-order differences: (h/rho)^4/30 is below 1e-6 for both.
    steps: (1e-2, 1e-3),
    tolerance: Tolerance {
        // Rounding of f32 pair terms leaves 1e-6 of the short-range energy, in which terms of both signs cancel.
        energy: 1e-5,
        bonded_energy: 1e-8,
        // The largest of 7,128 components, normally distributed with MESH_ACCURACY/sqrt(3) and as much from f32.
        force: 6.0 * MESH_ACCURACY,
        // As the forces, times the ratio of the Coulomb virial to the total one, from which the short range is taken off.
        virial: 1e-4,
        // Rounding of some 250 pair energies of up to 1e4 u A^2/ps^2 in f32, over the step.
        gradient: 1e-3,
        // 1e-7 of the energy from f32, over the strain.
        strain: 1e-3,
        // Pair forces cancel exactly and the mesh's net force is removed; f32 rounding of the rest.
        net_force: 1e-5,
        // Atoms lie elsewhere between mesh points: twice the mesh error.
        symmetry: 6.0 * MESH_ACCURACY,
    },
};

/// The force field with the cutoff and shift of a test, which belong to it in kernels for runs.
fn single_precision_system(system: &System, settings: &Settings) -> (Arc<ForceField>, Arc<Topology>) {
    let mut force_field = system.force_field.clone();
    force_field.cutoff = settings.cutoff.unwrap_or(force_field.cutoff);
    force_field.shift = settings.shift.unwrap_or(force_field.shift);
    (Arc::new(force_field), Arc::new(system.topology.clone()))
}

/// The GPU of this machine; software Vulkan will do. Without any, these tests fail rather than pass unseen.
pub fn device() -> Arc<Device> {
    static DEVICE: OnceLock<Arc<Device>> = OnceLock::new();
    Arc::clone(DEVICE.get_or_init(|| Arc::new(Device::open(None).unwrap())))
}

/// As the CPU's mixed kernel: both compute in f32 on the same kind of mesh.
const GPU: Subject = Subject {
    name: "gpu",
    build: |system, settings| {
        let (force_field, topology) = single_precision_system(system, settings);
        let parameters = choose_mesh(&force_field, &topology, &system.cell, MESH_ACCURACY).unwrap();
        let parameters = device_mesh(&parameters, device().adapter.workgroup_memory()).unwrap();
        Box::new(
            GpuForceKernel::new(device(), &force_field, &topology, &system.cell, parameters, None).unwrap(),
        )
    },
    tolerance: Tolerance {
        // Bond lengths to 1e-7 A in f32, over stretches of 0.05 A.
        bonded_energy: 2e-6,
        // Every pair is computed twice, so that rounding does not cancel: 2e-6 an atom, with random signs, times the square root
        // of 1,782 atoms.
        net_force: 1e-4,
        ..MIXED.tolerance
    },
    ..MIXED
};
