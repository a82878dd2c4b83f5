//! `vitrion verify`: the kernels on this machine against stored results of other programs.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use glam::DMat3;
use vitrion_core::forces::Evaluation;
use vitrion_core::long_range::parameters::force_difference;
use vitrion_gpu::device::{self, Device};
use vitrion_gpu::self_test::Measured;

use crate::kernels::{self, Configuration, Precision, Prepared};
use crate::reference_outputs::{CASES, Expected, ReferenceCase};
use crate::{Outcome, console};

/// Check every force kernel on this machine against results of other programs
///
/// The reference configurations are inside the program. Exit code 4 if any error is above its tolerance. Errors: energies
/// relative to the energy; forces as RMS over the RMS force; virials as the norm of the difference over the norm.
#[derive(Args)]
pub struct Verify {
    /// Relative force accuracy asked of the mixed-precision kernel
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    accuracy: f64,

    /// GPU to check: its number, name or PCI address in `vitrion devices` [default: the best one, if there is any]
    #[arg(long, value_name = "NAME|INDEX|PCI")]
    device: Option<String>,

    /// Multiply all tolerances, to see how much room there is
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    scale_tolerances: f64,
}

/// One line of the table.
struct Check {
    kernel: String,
    case: &'static str,
    quantity: &'static str,
    error: f64,
    tolerance: f64,
}

impl Check {
    fn passes(&self) -> bool {
        // Not a number does not pass.
        self.error <= self.tolerance
    }
}

impl Verify {
    /// Prints the table.
    pub fn execute(&self) -> Result<Outcome> {
        let mut checks = Vec::new();
        let device = self.device()?;
        for case in &CASES {
            let (configuration, expected) = case.load()?;
            checks.extend(reference_checks(case, &configuration, &expected)?);
            if case.large {
                let prepared = configuration.prepare(Precision::Mixed, self.accuracy)?;
                let name = format!("cpu/mixed at {:.0e}", self.accuracy);
                checks.extend(mixed_checks(&name, case, &configuration, &expected, prepared, self.accuracy)?);
                if let Some(device) = &device {
                    let prepared = configuration.prepare_on(device, self.accuracy)?;
                    let name = format!("gpu at {:.0e}", self.accuracy);
                    checks.extend(mixed_checks(
                        &name,
                        case,
                        &configuration,
                        &expected,
                        prepared,
                        self.accuracy,
                    )?);
                }
            }
        }
        if let Some(device) = &device {
            checks.extend(arithmetic_checks(device));
        }
        if let Some(device) = &device {
            console::print(&format!("gpu: {}", device.adapter.hardware()))?;
        }
        for check in &mut checks {
            check.tolerance *= self.scale_tolerances;
        }
        let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
        console::print(&console::table(&["kernel", "case", "quantity", "error", "tolerance", ""], &rows))?;
        let failed = checks.iter().filter(|check| !check.passes()).count();
        if failed > 0 {
            console::say(&format!("{failed} of {} checks failed", checks.len()));
            return Ok(Outcome::OutOfTolerance);
        }
        console::print(&format!("\nall {} checks pass", checks.len()))?;
        Ok(Outcome::Done)
    }
}

impl Verify {
    /// The GPU, unless there is none and none was asked for.
    fn device(&self) -> Result<Option<Arc<Device>>> {
        if self.device.is_none() && device::adapters().is_empty() {
            console::say("no GPU was found: the CPU kernels alone are checked");
            return Ok(None);
        }
        kernels::open_device(self.device.as_deref()).map(Some)
    }
}

fn row(check: &Check) -> Vec<String> {
    vec![
        check.kernel.clone(),
        check.case.to_string(),
        check.quantity.to_string(),
        format!("{:.1e}", check.error),
        format!("{:.1e}", check.tolerance),
        if check.passes() { "pass" } else { "FAIL" }.to_string(),
    ]
}

/// Tolerances: what WGSL allows. Sums of integers and the two ways in which fma may round have passed when the device was opened.
fn arithmetic_checks(device: &Device) -> Vec<Check> {
    let check = |m: Measured| Check {
        kernel: "gpu arithmetic".to_owned(),
        case: "chosen points",
        quantity: m.quantity,
        error: m.error,
        tolerance: m.limit,
    };
    device.self_test.measured().map(check).into()
}

/// Tolerances: the digits of the reference outputs (energies 1e-7, forces and virials 1e-6, bonded terms 1e-8, from LAMMPS).
fn reference_checks(case: &ReferenceCase, system: &Configuration, expected: &Expected) -> Result<Vec<Check>> {
    let mut prepared = system.prepare(Precision::Reference, 1e-6)?;
    let (found, forces) = system.evaluate(prepared.kernel.as_mut())?;
    let check = |quantity, error, tolerance| Check {
        kernel: "cpu/reference".to_string(),
        case: case.name,
        quantity,
        error,
        tolerance,
    };
    let e = &found.energies;
    let mut checks = vec![
        check("short-range energy", relative(e.short_range, expected.short_range), 1e-7),
        check("Coulomb energy", relative(e.coulomb(), expected.coulomb), 1e-7),
        check("total energy", relative(e.total(), expected.total), 1e-7),
        check("forces", force_difference(&forces, &expected.forces).relative_rms, 1e-6),
        check("virial", virial_error(&found, expected), 1e-6),
    ];
    if case.bonded {
        let bonded = e.bond + e.angle + e.improper;
        checks.push(check("bonded energy", relative(bonded, expected.bonded), 1e-8));
    }
    Ok(checks)
}

/// Tolerances: the accuracy asked for is that of the forces. The virial's norm is a small difference of large terms, and
/// energies have f32 pair terms, errors of which add with random signs: ten times the accuracy bounds both.
fn mixed_checks(
    kernel: &str,
    case: &ReferenceCase,
    system: &Configuration,
    expected: &Expected,
    mut prepared: Prepared,
    accuracy: f64,
) -> Result<Vec<Check>> {
    let (found, forces) = system.evaluate(prepared.kernel.as_mut())?;
    let check = |quantity, error, tolerance| Check {
        kernel: kernel.to_owned(),
        case: case.name,
        quantity,
        error,
        tolerance,
    };
    Ok(vec![
        check("total energy", relative(found.energies.total(), expected.total), 10.0 * accuracy),
        check("forces", force_difference(&forces, &expected.forces).relative_rms, accuracy),
        check("virial", virial_error(&found, expected), 10.0 * accuracy),
    ])
}

fn relative(found: f64, expected: f64) -> f64 {
    ((found - expected) / expected).abs()
}

/// Frobenius norm of the difference over that of the expected tensor.
fn virial_error(found: &Evaluation, expected: &Expected) -> f64 {
    let norm = |t: DMat3| t.to_cols_array().iter().map(|x| x * x).sum::<f64>().sqrt();
    norm(found.virials.total() - expected.virial) / norm(expected.virial)
}
