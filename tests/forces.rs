//! One body of tests for every force kernel: against reference outputs, derivatives and symmetries.
//!
//! A new kernel is one more entry of [`SUBJECTS`], with what it may err and which cells it takes.

#[path = "forces/derivatives.rs"]
mod derivatives;
#[path = "forces/fixtures.rs"]
mod fixtures;
#[path = "forces/nist_water.rs"]
mod nist_water;
#[path = "forces/reference_kernel.rs"]
mod reference_kernel;
#[path = "forces/reference_outputs.rs"]
mod reference_outputs;
#[path = "forces/symmetries.rs"]
mod symmetries;

use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::forces::ForceKernel;

use fixtures::{Settings, System};

/// A kernel under test.
pub struct Subject {
    /// Name in messages.
    pub name: &'static str,
    /// Builds the kernel for a system.
    pub build: fn(&System, &Settings) -> Box<dyn ForceKernel>,
    /// Whether it sums over all images; else the cutoff and the skin must fit into half the cell.
    pub any_cell: bool,
    /// What it may err.
    pub tolerance: Tolerance,
}

/// Largest allowed errors. Forces relative to the RMS force, virials to the Frobenius norm of the tensor.
pub struct Tolerance {
    /// Energies against reference outputs, relative.
    pub energy: f64,
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
pub const SUBJECTS: &[Subject] = &[Subject {
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
    tolerance: Tolerance {
        // Asked of the project. The reference outputs used e^2/(4 pi eps0) = 332.06371 kcal A/mol, 1e-8 off ours.
        energy: 1e-7,
        force: 1e-6,
        virial: 1e-6,
        // Rounding of the energy (1e-15 of 1e7) over a step of 2e-4 A, and pairs that cross the cutoff.
        gradient: 1e-7,
        strain: 1e-6,
        // Rounding of N sums of some 1e4 terms, each a few times the RMS force.
        net_force: 1e-10,
        // Rounding of positions, 1e-15 x 30 A, times the wall's stiffness 1/rho.
        symmetry: 1e-11,
    },
}];
