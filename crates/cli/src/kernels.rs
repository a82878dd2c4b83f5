//! Force kernels for single configurations, as `forces`, `verify` and `bench` need them.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use glam::DVec3;
use vitrion_core::backend::ElectrostaticsParameters;
use vitrion_core::cell::Cell;
use vitrion_core::cpu;
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::force_field::ForceField;
use vitrion_core::forces::{Evaluation, ForceKernel, Request};
use vitrion_core::topology::Topology;
use vitrion_gpu::device::Device;
use vitrion_gpu::dimensions::device_mesh;
use vitrion_gpu::force_kernel::GpuForceKernel;

use crate::console;

/// Arithmetic and methods of the forces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// f64 throughout, exact Ewald sum, all periodic images: any cell, slow.
    Reference,
    /// f32 pair forces, particle-mesh Ewald, neighbour lists: cutoff and skin within half the cell, fast.
    Mixed,
}

impl Precision {
    /// As in file names and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Mixed => "mixed",
        }
    }
}

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendKind {
    /// This machine's processor.
    Cpu,
    /// A graphics processor, or software that imitates one; `vitrion devices` lists them.
    Gpu,
}

/// Opens the GPU called `name`, or the best one; says so where it is only software.
pub fn open_device(name: Option<&str>) -> Result<Arc<Device>> {
    let device = Device::open(name)?;
    if device.adapter.is_software() {
        let (name, reason) = (device.name(), &device.reason);
        console::say(&format!("{name} imitates a GPU on the processor: right, but slow ({reason})"));
    } else {
        console::say(&format!("on {}", device.description()));
    }
    Ok(Arc::new(device))
}

/// One configuration.
#[derive(Clone)]
pub struct Configuration {
    /// Force field, with the cutoff and shift to use.
    pub force_field: Arc<ForceField>,
    /// Composition.
    pub topology: Arc<Topology>,
    /// Cell.
    pub cell: Cell,
    /// Per atom (angstrom).
    pub positions: Vec<DVec3>,
}

/// A kernel and the lattice sums it uses.
pub struct Prepared {
    /// The kernel.
    pub kernel: Box<dyn ForceKernel>,
    /// Its lattice sums.
    pub electrostatics: ElectrostaticsParameters,
}

impl Configuration {
    /// A kernel for this configuration with a relative force accuracy.
    pub fn prepare(&self, precision: Precision, accuracy: f64) -> Result<Prepared> {
        match precision {
            Precision::Reference => {
                // Terms a million times smaller than the accuracy asked for, so that sums of many reach it.
                let coulomb_tolerance = (accuracy * 1e-6).clamp(1e-14, 1e-12);
                let options = ReferenceOptions { coulomb_tolerance, ..ReferenceOptions::default() };
                let kernel =
                    ReferenceKernel::checked(&self.force_field, &self.topology, &self.cell, options, None)?;
                let electrostatics = kernel.electrostatics();
                Ok(Prepared { kernel: Box::new(kernel), electrostatics })
            }
            Precision::Mixed => {
                let electrostatics =
                    cpu::choose_mesh(&self.force_field, &self.topology, &self.cell, accuracy)?;
                let precision = cpu::Precision::Mixed;
                let kernel =
                    cpu::kernel(&self.force_field, &self.topology, &self.cell, precision, electrostatics)?;
                Ok(Prepared { kernel, electrostatics })
            }
        }
    }

    /// A kernel on a GPU.
    pub fn prepare_on(&self, device: &Arc<Device>, accuracy: f64) -> Result<Prepared> {
        let chosen = cpu::choose_mesh(&self.force_field, &self.topology, &self.cell, accuracy)?;
        let electrostatics = device_mesh(&chosen, device.adapter.workgroup_memory())?;
        let device = Arc::clone(device);
        let kernel =
            GpuForceKernel::new(device, &self.force_field, &self.topology, &self.cell, electrostatics, None)?;
        Ok(Prepared { kernel: Box::new(kernel), electrostatics })
    }

    /// Energies, virials and forces (internal units).
    pub fn evaluate(&self, kernel: &mut dyn ForceKernel) -> Result<(Evaluation, Vec<DVec3>)> {
        let mut forces = vec![DVec3::ZERO; self.positions.len()];
        let request = Request { energy_and_virial: true };
        let evaluation = kernel
            .evaluate(&self.cell, &self.positions, request, &mut forces)
            .context("the forces of this configuration cannot be computed")?;
        Ok((evaluation, forces))
    }
}
