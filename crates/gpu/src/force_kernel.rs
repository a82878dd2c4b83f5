//! Forces of single configurations on the device: for checks, and for the minimiser.

use std::sync::Arc;

use glam::{DMat3, DVec3};
use vitrion_core::backend::ElectrostaticsParameters;
use vitrion_core::cell::Cell;
use vitrion_core::constant_terms::ConstantTerms;
use vitrion_core::force_field::ForceField;
use vitrion_core::force_field::close_approach::close_pair;
use vitrion_core::forces::{Energies, Evaluation, ForceError, ForceKernel, Request, Virials};
use vitrion_core::long_range::exclusions::subtract_excluded;
use vitrion_core::topology::{MoleculeModel, Topology};
use vitrion_shaders::dimensions::{COLUMN_PARTIALS, Dimensions, FORCE_UNITS, MOLECULE_PARTIALS};
use vitrion_shaders::kernel::{Kernel, Variant};
use vitrion_shaders::protocol::{command, header, status};

use crate::convert::{atom_words, set_cell};
use crate::device::Device;
use crate::dimensions::dimensions;
use crate::error::GpuError;
use crate::layout::Replica;
use crate::system::{System, Target};

/// Default skin of the neighbour list (angstrom): lists are rebuilt about every five steps at 700 K and 4 fs.
pub const DEFAULT_SKIN: f64 = 0.8;

/// The three dispatches of a force evaluation.
pub(crate) const FORCES: [Kernel; 3] = [Kernel::Near, Kernel::Kspace, Kernel::Far];

/// Entries to begin with: what a uniform density would put within reach of a molecule, and a quarter more.
pub(crate) fn first_capacity(dimensions: &Dimensions, volume: f64) -> u32 {
    let radius = dimensions.reach + dimensions.largest_arm;
    let sphere = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
    let expected = 1.25 * sphere * dimensions.atoms as f64 / volume;
    (expected.min(dimensions.atoms as f64) as u32).next_multiple_of(32).max(32)
}

/// Forces on the atoms of one configuration. Its list is built at every evaluation.
pub struct GpuForceKernel {
    system: System,
    force_field: Arc<ForceField>,
    topology: Arc<Topology>,
    parameters: ElectrostaticsParameters,
    constant: ConstantTerms,
    charges: Vec<f64>,
    soft: bool,
}

impl GpuForceKernel {
    /// A kernel for configurations in cells like `cell`. `list_capacity` is for tests; by default it follows from the density.
    pub fn new(
        device: Arc<Device>,
        force_field: &Arc<ForceField>,
        topology: &Arc<Topology>,
        cell: &Cell,
        parameters: ElectrostaticsParameters,
        list_capacity: Option<u32>,
    ) -> Result<Self, GpuError> {
        // The list serves one configuration, so it needs no skin.
        let dimensions = dimensions(force_field, topology, &parameters, 1e-3, 1)?;
        let capacity = list_capacity.unwrap_or_else(|| first_capacity(&dimensions, cell.volume()));
        let system = System::new(device, force_field, topology, dimensions, capacity)?;
        Ok(Self {
            system,
            constant: ConstantTerms::new(force_field, topology, force_field.cutoff, parameters.alpha),
            charges: topology.charges(),
            force_field: Arc::clone(force_field),
            topology: Arc::clone(topology),
            parameters,
            soft: false,
        })
    }

    /// Entries that a neighbour list holds at present.
    pub fn list_capacity(&self) -> u32 {
        self.system.list_capacity()
    }

    fn check_cell(&self, cell: &Cell, positions: &[DVec3]) -> Result<(), ForceError> {
        if let Some(atom) = positions.iter().position(|r| !r.is_finite()) {
            return Err(ForceError::NotFinite { atom });
        }
        let mut arm2 = 0.0f64;
        for molecule in &self.topology.molecules {
            let size = self.topology.kinds[molecule.kind].species.len();
            let first = positions[molecule.first_atom];
            for r in &positions[molecule.first_atom..][..size] {
                arm2 = arm2.max(r.distance_squared(first));
            }
        }
        let half_height = 0.5 * cell.perpendicular_heights().min_element();
        let cutoff = self.force_field.cutoff.max(self.parameters.cutoff);
        let skin = self.system.dimensions().reach - cutoff + arm2.sqrt();
        if cutoff + skin > half_height {
            return Err(ForceError::CellTooSmall { cutoff, skin, half_height });
        }
        Ok(())
    }

    /// Evaluates until the lists are long enough; returns the control words afterwards.
    fn run(&mut self, cell: &Cell, positions: &[DVec3], variant: Variant) -> Result<Replica, GpuError> {
        let mut replica = Replica { rebuild: 1, ..Replica::default() };
        set_cell(&mut replica, cell);
        self.system.write("atoms", 0, &atom_words(cell, positions));
        self.system.write_header(header::COMMAND, command::EVALUATE);
        loop {
            self.system.write("replicas", 0, &[replica]);
            self.system.clear_reciprocal_forces(Target::Motion);
            self.system.dispatch(&[], &FORCES, 1, variant, Target::Motion)?;
            let after: Vec<Replica> = self.system.read("replicas")?;
            if after[0].status & status::LIST_FULL == 0 {
                return Ok(after[0]);
            }
            self.system.grow_lists(after[0].list_needed.next_multiple_of(32))?;
        }
    }

    fn collect(&self, forces: &mut [DVec3]) -> Result<(), ForceError> {
        let pair: Vec<[f32; 4]> = self.system.read("forces")?;
        let mesh: Vec<[i32; 3]> = self.system.read("reciprocal_forces")?;
        let mesh: Vec<DVec3> =
            mesh.iter().map(|f| DVec3::from_array(f.map(f64::from)) / FORCE_UNITS).collect();
        // Mesh forces have a small sum; it is taken off where the mesh errs most, as on the CPU.
        let net: DVec3 = mesh.iter().sum();
        let squares: f64 = self.charges.iter().map(|q| q * q).sum::<f64>().max(f64::MIN_POSITIVE);
        for (atom, force) in forces.iter_mut().enumerate() {
            let [x, y, z, _] = pair[atom].map(f64::from);
            *force = DVec3::new(x, y, z) + mesh[atom] - net * (self.charges[atom].powi(2) / squares);
            if !force.is_finite() {
                return Err(ForceError::NotFinite { atom });
            }
        }
        Ok(())
    }
}

impl From<GpuError> for ForceError {
    fn from(error: GpuError) -> Self {
        Self::Device { message: error.to_string() }
    }
}

impl ForceKernel for GpuForceKernel {
    fn truncation(&self) -> vitrion_core::force_field::Truncation {
        self.force_field.truncation()
    }

    fn evaluate(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        request: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError> {
        self.check_cell(cell, positions)?;
        let variant = match (self.soft, request.energy_and_virial) {
            (true, _) => Variant::SoftVirial,
            (false, true) => Variant::Virial,
            (false, false) => Variant::Forces,
        };
        let replica = self.run(cell, positions, variant)?;
        if replica.status & status::CLOSE_PAIR != 0 {
            let (pair, species) = (replica.close_pair as usize, self.topology.species.len());
            let (atom, species) = (pair / species, pair % species);
            return Err(close_pair(&self.force_field, &self.topology, cell, positions, atom, species));
        }
        if replica.status != 0 {
            return Err(ForceError::NotFinite { atom: replica.strong_atom as usize });
        }
        self.collect(forces)?;
        // In a rigid molecule these have no net force and no torque, so the device leaves them out.
        let (excluded, excluded_virial) =
            subtract_excluded(&self.topology, self.parameters.alpha, positions, forces, |molecule| {
                matches!(self.topology.kinds[molecule.kind].model, MoleculeModel::Rigid { .. })
            });
        if !request.energy_and_virial {
            return Ok(Evaluation::default());
        }
        let partials: Vec<f32> = self.system.read("partials")?;
        let mut evaluation = sum_partials(self.system.dimensions(), &partials);
        evaluation.energies.coulomb_excluded += excluded;
        evaluation.virials.coulomb += excluded_virial;
        self.constant.add(cell.volume(), &mut evaluation);
        Ok(evaluation)
    }

    fn set_soft_core(&mut self, on: bool) {
        self.soft = on;
    }
}

/// Energies and atomic virials that the device has left for one replica, without what the host adds.
pub(crate) fn sum_partials(dimensions: &Dimensions, partials: &[f32]) -> Evaluation {
    let (molecules, columns) = partials.split_at(dimensions.molecules * MOLECULE_PARTIALS);
    let mut sums = [0.0f64; MOLECULE_PARTIALS];
    for molecule in molecules.chunks_exact(MOLECULE_PARTIALS) {
        for (sum, x) in sums.iter_mut().zip(molecule) {
            *sum += f64::from(*x);
        }
    }
    let mut mesh = [0.0f64; COLUMN_PARTIALS];
    for group in columns.chunks_exact(COLUMN_PARTIALS) {
        // The last word is padding.
        for (sum, x) in mesh[..7].iter_mut().zip(group) {
            *sum += f64::from(*x);
        }
    }
    Evaluation {
        energies: Energies {
            short_range: sums[0],
            coulomb_real: sums[1],
            coulomb_reciprocal: mesh[0],
            coulomb_self: 0.0,
            coulomb_excluded: sums[2],
            bond: sums[3],
            angle: sums[4],
            improper: sums[5],
        },
        virials: Virials {
            short_range: symmetric(&sums[6..12]),
            coulomb: symmetric(&sums[12..18]) + symmetric(&mesh[1..7]),
            bonded: symmetric(&sums[18..24]),
        },
    }
}

/// The matrix of xx, yy, zz, xy, xz, yz.
fn symmetric(w: &[f64]) -> DMat3 {
    DMat3::from_cols(DVec3::new(w[0], w[3], w[4]), DVec3::new(w[3], w[1], w[5]), DVec3::new(w[4], w[5], w[2]))
}
