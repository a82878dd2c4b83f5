//! Puts the shaders together: constants of the system, generated code, shared pieces, kernel.

use std::fmt::Write;

use vitrion_core::backend::{ElectrostaticsParameters, Reciprocal};
use vitrion_core::force_field::ForceField;
use vitrion_core::long_range::b_spline::weight_polynomials;
use vitrion_core::topology::{MoleculeModel, Topology};
use vitrion_core::units::COULOMB;

use crate::error::GpuError;
use crate::fourier::{mesh_size, passes, transform};
use crate::tables::{BODY_WORDS, PAIR_WORDS, kind_words};

/// Threads of one molecule's pair forces, and molecules in a workgroup.
const TEAM: usize = 32;
/// See [`TEAM`].
pub const TEAMS: usize = 8;
/// Columns of the mesh that one workgroup convolves.
pub const COLUMNS: usize = 16;
/// Distance in workgroup memory between two components of a sum over 256 threads: odd, so that they lie in different banks.
const STRIDE: usize = 257;
/// Energies and virials of one molecule: short range, Coulomb, excluded, bond, angle, improper; three virials.
pub const MOLECULE_PARTIALS: usize = 24;
/// Energy and virial of one workgroup's columns.
pub const COLUMN_PARTIALS: usize = 8;
/// Set points, and samples of the stress, in one chunk of steps.
pub const SLOTS: usize = 513;
/// Fixed-point units of reciprocal forces per u A/ps^2.
pub const FORCE_UNITS: f64 = 1024.0;
/// Fixed-point units of mesh charges per e.
const CHARGE_UNITS: f64 = 16_777_216.0;

const REPLICA: &str = include_str!("../../../shaders/shared/replica.wgsl");
const ARITHMETIC: &str = include_str!("../../../shaders/shared/arithmetic.wgsl");
const INTRAMOLECULAR: &str = include_str!("../../../shaders/shared/intramolecular.wgsl");
const MESH: &str = include_str!("../../../shaders/shared/mesh.wgsl");
const PLANE: &str = include_str!("../../../shaders/shared/plane.wgsl");

/// A kernel: its source, and what of the shared and generated code it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Charges to the mesh, and pair forces.
    Near,
    /// Convolution of the mesh.
    Kspace,
    /// Reciprocal forces.
    Far,
    /// Equations of motion.
    Advance,
}

impl Kernel {
    /// All, in the order of a step.
    pub const ALL: [Self; 4] = [Self::Near, Self::Kspace, Self::Far, Self::Advance];

    /// Name of the file and of the entry point.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Kspace => "kspace",
            Self::Far => "far",
            Self::Advance => "advance",
        }
    }
}

/// What a kernel computes beside forces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Nothing.
    Forces,
    /// Energies and virials. Forces have the same bits.
    Virial,
    /// Energies and virials, with the potential continued linearly inside the inner maximum: for overlap removal.
    SoftVirial,
}

/// Sizes and parameters that are written into the shaders as constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimensions {
    /// Replicas on the device.
    pub replicas: usize,
    /// Atoms in one replica.
    pub atoms: usize,
    /// Molecules in one replica.
    pub molecules: usize,
    /// Bodies in one replica.
    pub bodies: usize,
    /// Species.
    pub species: usize,
    /// Atoms of the largest molecule.
    pub largest_molecule: usize,
    /// Some molecules are flexible.
    pub flexible: bool,
    /// Mesh points along a, b, c.
    pub grid: [usize; 3],
    /// Spline order.
    pub order: usize,
    /// Ewald splitting parameter (1/angstrom).
    pub alpha: f64,
    /// Cutoff of the short-range potential (angstrom).
    pub short_range_cutoff: f64,
    /// Real-space Coulomb cutoff (angstrom).
    pub coulomb_cutoff: f64,
    /// Pairs within this distance are listed (angstrom): the larger cutoff plus the skin.
    pub reach: f64,
    /// An upper bound of the distance of an atom from the first atom of its molecule (angstrom).
    pub largest_arm: f64,
    /// Samples of the centres that fit into one chunk of steps.
    pub window_slots: usize,
}

impl Dimensions {
    /// The dimensions of a system with lattice-sum parameters for a mesh that the device can transform (see [`device_mesh`]).
    pub fn new(
        force_field: &ForceField,
        topology: &Topology,
        parameters: &ElectrostaticsParameters,
        skin: f64,
        replicas: usize,
    ) -> Result<Self, GpuError> {
        let Reciprocal::Pme { order, grid } = parameters.reciprocal else { return Err(GpuError::NoMesh) };
        if grid.iter().any(|&n| mesh_size(n) != Some(n)) {
            return Err(GpuError::Mesh { grid });
        }
        let flexible = |kind: &vitrion_core::topology::MoleculeKind| {
            matches!(kind.model, MoleculeModel::Flexible { .. })
        };
        Ok(Self {
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
            window_slots: 16,
        })
    }

    /// Points of the half spectrum along c.
    pub fn half_z(&self) -> usize {
        self.grid[2] / 2 + 1
    }

    /// Workgroups that convolve the mesh of one replica.
    pub fn column_groups(&self) -> usize {
        (self.grid[1] * self.half_z()).div_ceil(COLUMNS)
    }

    /// Workgroups of pair forces of one replica.
    pub fn pair_groups(&self) -> usize {
        self.molecules.div_ceil(TEAMS)
    }

    /// Complex numbers in the mesh of one replica.
    pub fn mesh_points(&self) -> usize {
        self.grid[0] * self.grid[1] * self.half_z()
    }

    /// Words of energies and virials of one replica.
    pub fn partial_words(&self) -> usize {
        self.molecules * MOLECULE_PARTIALS + self.column_groups() * COLUMN_PARTIALS
    }

    /// First vec4 of the stress samples in the stream.
    pub fn stress_section(&self) -> usize {
        2 * self.replicas * SLOTS
    }

    /// First vec4 of the samples of the centres.
    pub fn window_section(&self) -> usize {
        self.stress_section() + 2 * self.replicas * SLOTS
    }

    /// Length of the stream in vec4.
    pub fn stream_length(&self) -> usize {
        self.window_section() + 2 * self.replicas * self.window_slots * self.molecules
    }

    /// Words of one plane of the mesh in workgroup memory.
    fn plane_words(&self) -> usize {
        self.grid[1] * (self.grid[2] + 2)
    }

    /// Words of workgroup memory that `near` and `far` share out.
    fn words(&self) -> usize {
        self.plane_words().max(STRIDE * (3 * self.largest_molecule).max(12))
    }

    /// Bytes of workgroup memory that the hungriest kernel needs.
    pub fn workgroup_bytes(&self) -> usize {
        let near = 4 * self.words() + 4 * 256 + 16;
        let kspace = 8 * self.grid[0] * 17 + 4 * 7 * STRIDE + 16;
        let advance = 4 * 16 * STRIDE + 256;
        near.max(kspace).max(advance)
    }
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

/// The whole source of a kernel. `places` are those of [`crate::tables::Tables`].
pub fn source(
    kernel: Kernel,
    variant: Variant,
    dimensions: &Dimensions,
    places: &[(&'static str, usize)],
) -> String {
    let mut text = constants(variant, dimensions, places);
    text.push_str(REPLICA);
    text.push_str(ARITHMETIC);
    if kernel != Kernel::Advance {
        text.push_str(MESH);
        for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
            if (kernel == Kernel::Kspace) == (axis == 0) {
                text.push_str(&transforms(name, dimensions.grid[axis], kernel));
            }
        }
    }
    if matches!(kernel, Kernel::Near | Kernel::Far) {
        text.push_str(PLANE);
        text.push_str(&splines(dimensions.order));
    }
    if kernel == Kernel::Near {
        text.push_str(INTRAMOLECULAR);
    }
    text.push_str(match kernel {
        Kernel::Near => include_str!("../../../shaders/near.wgsl"),
        Kernel::Kspace => include_str!("../../../shaders/kspace.wgsl"),
        Kernel::Far => include_str!("../../../shaders/far.wgsl"),
        Kernel::Advance => include_str!("../../../shaders/advance.wgsl"),
    });
    text
}

fn constants(variant: Variant, d: &Dimensions, places: &[(&'static str, usize)]) -> String {
    let mut text = String::new();
    let mut count = |name: &str, value: usize| {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    };
    count("N_REPLICAS", d.replicas);
    count("N_ATOMS", d.atoms);
    count("N_MOLECULES", d.molecules);
    count("N_BODIES", d.bodies);
    count("N_SPECIES", d.species);
    count("LARGEST_MOLECULE", d.largest_molecule);
    count("ORDER", d.order);
    count("HALF_Z", d.half_z());
    count("N_COLUMN_GROUPS", d.column_groups());
    count("PLANE_WORDS", d.plane_words());
    count("WORDS", d.words());
    count("STRIDE", STRIDE);
    count("TEAM", TEAM);
    count("TEAMS", TEAMS);
    count("PARTIAL_WORDS", d.partial_words());
    count("MOLECULE_PARTIALS", MOLECULE_PARTIALS);
    count("SLOTS", SLOTS);
    count("WINDOW_SLOTS", d.window_slots);
    count("STRESS_SECTION", d.stress_section());
    count("WINDOW_SECTION", d.window_section());
    count("BODY_WORDS", BODY_WORDS);
    count("PAIR_WORDS", PAIR_WORDS);
    count("KIND_WORDS", kind_words(d.largest_molecule));
    count("LIST_CAPACITY", 0);
    for (name, points) in ["GRID_X", "GRID_Y", "GRID_Z"].into_iter().zip(d.grid) {
        count(name, points);
    }
    for &(name, place) in places {
        count(name, place);
    }
    let cutoff = d.short_range_cutoff.max(d.coulomb_cutoff);
    let mut real = |name: &str, value: f64| {
        let _ = writeln!(text, "const {name}: f32 = {:e}f;", value as f32);
    };
    real("ALPHA", d.alpha);
    real("TWO_ALPHA_OVER_ROOT_PI", d.alpha * std::f64::consts::FRAC_2_SQRT_PI);
    real("PI_OVER_ALPHA_2", (std::f64::consts::PI / d.alpha).powi(2));
    real("COULOMB", COULOMB);
    real("COULOMB_OVER_PI", COULOMB / std::f64::consts::PI);
    real("SHORT_RANGE_CUTOFF_2", d.short_range_cutoff.powi(2));
    real("COULOMB_CUTOFF_2", d.coulomb_cutoff.powi(2));
    real("CUTOFF", cutoff);
    real("REACH", d.reach);
    real("REACH_2", d.reach.powi(2));
    real("LARGEST_ARM", d.largest_arm);
    real("FORCE_UNITS", FORCE_UNITS);
    real("CHARGE_UNIT", 1.0 / CHARGE_UNITS);
    let mut flag = |name: &str, value: bool| {
        let _ = writeln!(text, "const {name}: bool = {value};");
    };
    flag("VIRIAL", variant != Variant::Forces);
    flag("SOFT", variant == Variant::SoftVirial);
    flag("FLEXIBLE", d.flexible);
    text
}

/// Both passes along one axis, forwards and backwards, with the constants A and B and the place of each wave.
fn transforms(axis: &str, points: usize, kernel: Kernel) -> String {
    // Only such meshes are built.
    let (a, b) = passes(points).unwrap_or((points, 1));
    let upper = axis.to_uppercase();
    let mut text = format!(
        "const {upper}_A: u32 = {a}u;\nconst {upper}_B: u32 = {b}u;\n\
         fn place_{axis}(k: u32) -> u32 {{ return (k % {a}u) * {b}u + k / {a}u; }}\n"
    );
    if kernel != Kernel::Far {
        text += &transform(&format!("transform_{axis}_a"), a, false);
        text += &transform(&format!("transform_{axis}_b"), b, false);
    }
    if kernel != Kernel::Near {
        text += &transform(&format!("inverse_{axis}_a"), a, true);
        text += &transform(&format!("inverse_{axis}_b"), b, true);
    }
    text
}

/// Spline weights and their slopes by Horner's rule in (fraction - 1/2).
fn splines(order: usize) -> String {
    let polynomials = weight_polynomials(order);
    let mut text = String::new();
    for (name, slope) in [("spline_weights", false), ("spline_slopes", true)] {
        let _ =
            writeln!(text, "fn {name}(t: f32) -> array<f32, {order}> {{\n    return array<f32, {order}>(");
        for row in &polynomials[..order] {
            let coefficients: Vec<f64> =
                if slope { (1..order).map(|n| n as f64 * row[n]).collect() } else { row[..order].to_vec() };
            let (highest, rest) = coefficients.split_last().map_or((0.0, &[][..]), |(h, r)| (*h, r));
            let start = format!("{highest:.10e}");
            let horner = rest.iter().rev().fold(start, |inner, c| format!("fma({inner}, t, {c:.10e})"));
            let _ = writeln!(text, "        {horner},");
        }
        text.push_str("    );\n}\n");
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use vitrion_core::force_field::ForceField;
    use wgpu::naga;

    use super::*;
    use crate::tables::Tables;

    /// Sources of all kernels and variants for one system.
    fn example_sources(model: &str, order: usize, grid: [usize; 3]) -> Vec<(Kernel, Variant, String)> {
        let text = ForceField::text(std::path::Path::new(model)).unwrap();
        let force_field = Arc::new(ForceField::parse(&text, model).unwrap());
        let topology = force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).unwrap();
        let parameters = ElectrostaticsParameters {
            cutoff: 10.0,
            alpha: 0.325,
            reciprocal: Reciprocal::Pme { order, grid },
        };
        let dimensions = Dimensions::new(&force_field, &topology, &parameters, 0.8, 3).unwrap();
        let tables = Tables::new(&force_field, &topology, &dimensions, 320);
        let variants = [Variant::Forces, Variant::Virial, Variant::SoftVirial];
        Kernel::ALL
            .into_iter()
            .flat_map(|kernel| variants.map(|variant| (kernel, variant)))
            .map(|(kernel, variant)| (kernel, variant, source(kernel, variant, &dimensions, &tables.places)))
            .collect()
    }

    /// The module of one kernel as the shader compiler sees it.
    pub(crate) fn example_module(name: &str) -> naga::Module {
        let sources = example_sources("ckn-rigid", 6, [36; 3]);
        let (_, _, text) = sources.iter().find(|(kernel, ..)| kernel.name() == name).unwrap();
        naga::front::wgsl::parse_str(text).unwrap()
    }

    #[test]
    fn every_kernel_is_valid_for_every_model_order_and_kind_of_mesh() {
        for (model, order, grid) in [
            ("ckn-rigid", 6, [36, 40, 48]),
            ("ckn-flexible", 7, [32, 30, 54]),
            ("ckn-rigid", 4, [100, 16, 20]),
        ] {
            for (kernel, variant, text) in example_sources(model, order, grid) {
                let module = naga::front::wgsl::parse_str(&text)
                    .unwrap_or_else(|e| panic!("{kernel:?} {variant:?}: {}", e.emit_to_string(&text)));
                let mut validator = naga::valid::Validator::new(
                    naga::valid::ValidationFlags::all(),
                    naga::valid::Capabilities::empty(),
                );
                validator
                    .validate(&module)
                    .unwrap_or_else(|e| panic!("{kernel:?} {variant:?}: {}", e.emit_to_string(&text)));
            }
        }
    }
}
