//! What the shaders have to know of a system, and a mesh that they can transform.

use vitrion_core::backend::{ElectrostaticsParameters, Reciprocal};
use vitrion_core::force_field::ForceField;
use vitrion_core::long_range::b_spline::weight_polynomials;
use vitrion_core::topology::{MoleculeModel, Topology};
use vitrion_core::units::COULOMB;
use vitrion_shaders::dimensions::{Dimensions, largest_mesh, workgroup_bytes};
use vitrion_shaders::fourier::{LARGEST_MESH, mesh_size};

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
        let limit =
            format!("the transforms take even products of 2, 3 and 5 up to {LARGEST_MESH} along each axis");
        return Err(GpuError::Mesh { grid, limit });
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

/// The same lattice sum on a mesh that a device with so many bytes of workgroup memory can transform: as fine or finer.
pub fn device_mesh(
    parameters: &ElectrostaticsParameters,
    workgroup_memory: usize,
) -> Result<ElectrostaticsParameters, GpuError> {
    let Reciprocal::Pme { order, grid } = parameters.reciprocal else { return Err(GpuError::NoMesh) };
    let [a, b, c] = grid.map(mesh_size);
    let fitting = a.zip(b).zip(c).map(|((a, b), c)| [a, b, c]);
    match fitting.filter(|&mesh| workgroup_bytes(mesh, 1) <= workgroup_memory) {
        Some(mesh) => {
            Ok(ElectrostaticsParameters { reciprocal: Reciprocal::Pme { order, grid: mesh }, ..*parameters })
        }
        None => Err(GpuError::Mesh { grid, limit: mesh_limit(workgroup_memory) }),
    }
}

/// In words, which meshes a device with so many bytes of workgroup memory can transform.
pub fn mesh_limit(workgroup_memory: usize) -> String {
    let kibibytes = workgroup_memory / 1024;
    match largest_mesh(workgroup_memory) {
        Some(LARGEST_MESH) => format!("its transforms have at most {LARGEST_MESH} points along each axis"),
        Some(points) => {
            format!(
                "its workgroup memory of {kibibytes} KiB holds meshes of at most {points} points along each axis"
            )
        }
        None => format!("its workgroup memory of {kibibytes} KiB holds no mesh"),
    }
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

    /// At most 100 points is true of no device with 32 KiB; what is said must be what is possible there.
    #[test]
    fn a_mesh_that_is_too_large_is_refused_with_the_largest_one_of_this_device() {
        let parameters = |points: usize| {
            let reciprocal = Reciprocal::Pme { order: 6, grid: [points; 3] };
            ElectrostaticsParameters { cutoff: 10.0, alpha: 0.325, reciprocal }
        };
        for (kibibytes, largest, words) in [
            (32, 80, "workgroup memory of 32 KiB holds meshes of at most 80 points"),
            (48, 100, "at most 100 points along each axis"),
            (64, 100, "at most 100 points along each axis"),
        ] {
            let mesh = |points| device_mesh(&parameters(points), kibibytes * 1024);
            assert_eq!(mesh(largest - 1).unwrap(), parameters(largest), "odd numbers become even ones");
            let error = mesh(largest + 1).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(error.contains("short_range_cutoff") && error.contains("backend = \"cpu\""), "{error}");
        }
        assert!(
            device_mesh(&parameters(8), 8 * 1024).unwrap_err().to_string().contains("8 KiB holds no mesh")
        );
    }
}
