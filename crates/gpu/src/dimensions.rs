//! What the shaders have to know of a system, and a mesh that they can transform.

use vitrion_core::backend::{ElectrostaticsParameters, Reciprocal};
use vitrion_core::force_field::ForceField;
use vitrion_core::long_range::b_spline::weight_polynomials;
use vitrion_core::topology::{MoleculeModel, Topology};
use vitrion_core::units::COULOMB;
use vitrion_shaders::dimensions::Dimensions;
use vitrion_shaders::fourier::mesh_size;

use crate::error::GpuError;

/// The dimensions of a system with lattice-sum parameters for a mesh that the device can transform (see [`device_mesh`]).
pub fn dimensions(
    force_field: &ForceField,
    topology: &Topology,
    parameters: &ElectrostaticsParameters,
    skin: f64,
    replicas: usize,
) -> Result<Dimensions, GpuError> {
    let Reciprocal::Pme { order, grid } = parameters.reciprocal else { return Err(GpuError::NoMesh) };
    if grid.iter().any(|&n| mesh_size(n) != Some(n)) {
        return Err(GpuError::Mesh { grid });
    }
    let flexible =
        |kind: &vitrion_core::topology::MoleculeKind| matches!(kind.model, MoleculeModel::Flexible { .. });
    Ok(Dimensions {
        replicas,
        atoms: topology.n_atoms(),
        molecules: topology.molecules.len(),
        bodies: topology.n_bodies(),
        species: topology.species.len(),
        largest_molecule: topology.kinds.iter().map(|k| k.species.len()).max().unwrap_or(1),
        flexible: topology.kinds.iter().any(flexible),
        grid,
        order,
        alpha: parameters.alpha,
        short_range_cutoff: force_field.cutoff,
        coulomb_cutoff: parameters.cutoff,
        reach: force_field.cutoff.max(parameters.cutoff) + skin,
        largest_arm: largest_arm(topology),
        coulomb: COULOMB,
        spline_weights: weight_polynomials(order)[..order].iter().map(|row| row[..order].to_vec()).collect(),
        window_slots: 16,
    })
}

/// Rigid molecules keep their shape; the bonds of flexible ones may stretch by half.
fn largest_arm(topology: &Topology) -> f64 {
    let arm = |kind: &vitrion_core::topology::MoleculeKind| {
        let (positions, factor) = match &kind.model {
            MoleculeModel::Point => return 0.0,
            MoleculeModel::Rigid { positions, .. } => (positions, 1.0),
            MoleculeModel::Flexible { positions, .. } => (positions, 1.5),
        };
        factor * positions.iter().map(|p| p.distance(positions[0])).fold(0.0, f64::max)
    };
    topology.kinds.iter().map(arm).fold(0.0, f64::max)
}

/// The same lattice sum on a mesh that the device can transform: as fine or finer.
pub fn device_mesh(parameters: &ElectrostaticsParameters) -> Result<ElectrostaticsParameters, GpuError> {
    let Reciprocal::Pme { order, grid } = parameters.reciprocal else { return Err(GpuError::NoMesh) };
    let [a, b, c] = grid.map(mesh_size);
    let (Some(a), Some(b), Some(c)) = (a, b, c) else { return Err(GpuError::Mesh { grid }) };
    Ok(ElectrostaticsParameters { reciprocal: Reciprocal::Pme { order, grid: [a, b, c] }, ..*parameters })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use vitrion_shaders::kernel::{Kernel, Variant};
    use vitrion_shaders::source::source;
    use vitrion_shaders::validate::validate;
    use wgpu::naga;

    use super::*;
    use crate::tables::Tables;

    /// The module of one kernel as the shader compiler sees it, with the tables of a real system.
    pub(crate) fn example_module(kernel: Kernel) -> naga::Module {
        let text = ForceField::text(std::path::Path::new("ckn-rigid")).unwrap();
        let force_field = Arc::new(ForceField::parse(&text, "ckn-rigid").unwrap());
        let topology = force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).unwrap();
        let reciprocal = Reciprocal::Pme { order: 6, grid: [36; 3] };
        let parameters = ElectrostaticsParameters { cutoff: 10.0, alpha: 0.325, reciprocal };
        let dimensions = dimensions(&force_field, &topology, &parameters, 0.8, 3).unwrap();
        let tables = Tables::new(&force_field, &topology, &dimensions, 320);
        validate(&source(kernel, Variant::Virial, &dimensions, &tables.places)).unwrap()
    }

    /// The build validates what is put together with numbers of its own; with those of a system the text is the same WGSL.
    #[test]
    fn every_kernel_is_valid_with_the_tables_of_a_system() {
        for kernel in Kernel::ALL {
            let module = example_module(kernel);
            assert!(module.entry_points.iter().any(|entry| entry.name == kernel.name()));
        }
    }
}
