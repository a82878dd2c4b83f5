//! What one step of one replica costs at least: lane operations and bytes of each kernel, to hold its measured time against.
//!
//! A lane operation is one instruction of one lane: an addition, a product, a fused product and sum, a load from workgroup memory. The
//! counts per pair, mesh point and body are counted from the shaders, without address arithmetic: they are floors. Compiled code has two to
//! seven times as many instructions (`benches/results/2026-11-21-gpu-prediction.md`).

use vitrion_shaders::dimensions::MOLECULE_PARTIALS;
use vitrion_shaders::fourier::passes;
use vitrion_shaders::kernel::Kernel;
use vitrion_shaders::protocol::section;

use crate::error::GpuError;
use crate::system::System;

/// A pair: gather, distance, exponential, error function, dispersion, accumulation.
const PAIR: f64 = 55.0;
/// A candidate of the list, for each atom of the molecule, and once for all of them.
const CANDIDATE: [f64; 2] = [7.0, 10.0];
/// A point of a spline when charges are spread, and when forces are gathered.
const SPREAD: f64 = 6.0;
/// See [`SPREAD`].
const GATHER: f64 = 8.0;
/// One wave of the mesh: wave vector, influence function.
const WAVE: f64 = 45.0;
/// A rigid body's step, twice its forces included.
const BODY: f64 = 900.0;
/// Steps between two builds of the lists per angstrom of skin, at 700 K and 4 fs.
const STEPS_PER_SKIN: f64 = 6.2;

/// The least work of one kernel in one step of one replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Kernel.
    pub kernel: Kernel,
    /// Lane operations.
    pub operations: f64,
    /// Bytes read and written.
    pub bytes: f64,
}

/// Counts for a system whose lists are built.
pub fn per_step(system: &System, skin: f64) -> Result<Vec<Work>, GpuError> {
    let d = system.dimensions();
    let entries: f64 = system.list_lengths(0)?.into_iter().map(f64::from).sum();
    let atoms = d.atoms as f64;
    let per_molecule = atoms / d.molecules as f64;
    let pairs = entries * per_molecule;
    let builds = (1.0 / (STEPS_PER_SKIN * skin)).min(1.0);
    let candidates = (d.molecules * d.atoms) as f64 * (CANDIDATE[0] * per_molecule + CANDIDATE[1]) * builds;
    let spline = atoms * (d.order as f64).powi(3);
    let points = d.mesh_points() as f64;
    // A pass of radix r costs about 4 r log2(r) operations on r points, a twiddle 6 a point, workgroup memory 4.
    let transform = |n: usize| {
        let (a, b) = passes(n).unwrap_or((n, 1));
        points * (4.0 * (a as f64).log2() + 4.0 * (b as f64).log2() + 6.0 + 8.0)
    };
    let plane = transform(d.grid[1]) + 0.5 * transform(d.grid[2]) + 6.0 * points;
    let mesh_bytes = 8.0 * points;
    let bodies = d.bodies as f64;
    let body_bytes = f64::from(section::SECTIONS * 16) * bodies;
    Ok(vec![
        Work {
            kernel: Kernel::Near,
            operations: pairs * PAIR + candidates + spline * SPREAD + plane,
            bytes: 4.0 * entries
                + 32.0 * atoms
                + mesh_bytes
                + 4.0 * (MOLECULE_PARTIALS * d.molecules) as f64 * builds,
        },
        Work {
            kernel: Kernel::Kspace,
            operations: 2.0 * transform(d.grid[0]) + points * WAVE,
            bytes: 2.0 * mesh_bytes,
        },
        Work { kernel: Kernel::Far, operations: plane + spline * GATHER, bytes: mesh_bytes + 28.0 * atoms },
        Work { kernel: Kernel::Advance, operations: bodies * BODY, bytes: 2.0 * body_bytes + 92.0 * atoms },
    ])
}
