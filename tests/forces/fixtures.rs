//! Systems to evaluate and what is compared.

use std::path::{Path, PathBuf};

use glam::{DMat3, DVec3};
use vitrion_core::cell::Cell;
use vitrion_core::force_field::{ForceField, Shift};
use vitrion_core::forces::{Evaluation, ForceKernel, Request};
use vitrion_core::topology::Topology;
use vitrion_trajectory::lammps_data;

use crate::Subject;

/// One configuration with its force field.
#[derive(Clone)]
pub struct System {
    pub force_field: ForceField,
    pub topology: Topology,
    pub cell: Cell,
    pub positions: Vec<DVec3>,
}

/// What a test asks of a kernel beyond the force field.
#[derive(Clone, Copy, Default)]
pub struct Settings {
    pub cutoff: Option<f64>,
    pub shift: Option<Shift>,
}

/// Forces with energies and virials.
pub struct Answer {
    pub evaluation: Evaluation,
    pub forces: Vec<DVec3>,
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn reference_file(name: &str) -> PathBuf {
    workspace().join("tests/reference").join(name)
}

/// A stored configuration: `ckn66` and `ckn2376-700K` with rigid nitrates, `flex66` with flexible ones.
pub fn load(name: &str) -> System {
    let model = if name.starts_with("flex") { "ckn-flexible.toml" } else { "ckn-rigid.toml" };
    let force_field = ForceField::load(&workspace().join("configs/force_fields").join(model)).unwrap();
    let system = lammps_data::read(&reference_file(&format!("{name}.data")), &force_field).unwrap();
    System { force_field, topology: system.topology, cell: system.cell, positions: system.positions }
}

/// A stored configuration of 66 atoms, as often in each direction as the kernel's cutoff asks for.
pub fn load_for(subject: &Subject, name: &str) -> System {
    let system = load(name);
    if subject.any_cell || system.positions.len() > 66 { system } else { system.replicated(COPIES) }
}

/// 31 A for the boxes of 66 atoms.
const COPIES: usize = 3;

/// The smallest system with every term that the kernel takes.
pub fn smallest(subject: &Subject) -> System {
    load_for(subject, "flex66")
}

impl System {
    /// The system with its cell and atoms deformed by the matrix `f`.
    pub fn deformed(&self, f: DMat3) -> Self {
        Self {
            cell: Cell::new(f * self.cell.matrix()).unwrap(),
            positions: self.positions.iter().map(|&r| f * r).collect(),
            ..self.clone()
        }
    }

    /// A triclinic version: every tilt differs, edges change by some percent.
    pub fn triclinic(&self) -> Self {
        self.deformed(DMat3::from_cols(
            DVec3::new(1.04, 0.0, 0.0),
            DVec3::new(0.12, 1.02, 0.0),
            DVec3::new(-0.07, 0.09, 1.05),
        ))
    }

    /// `n` copies along each edge, copy after copy.
    pub fn replicated(&self, n: usize) -> Self {
        self.repeated([n; 3])
    }

    /// So many copies along each edge vector, copy after copy.
    pub fn repeated(&self, [n_a, n_b, n_c]: [usize; 3]) -> Self {
        let count = n_a * n_b * n_c;
        let copies =
            (0..count).map(|c| DVec3::new((c % n_a) as f64, (c / n_a % n_b) as f64, (c / n_a / n_b) as f64));
        let kinds: Vec<usize> = self.topology.molecules.iter().map(|m| m.kind).collect();
        let species = self.topology.species.clone();
        let h = self.cell.matrix();
        let edges = DMat3::from_cols(h.x_axis * n_a as f64, h.y_axis * n_b as f64, h.z_axis * n_c as f64);
        Self {
            topology: Topology::new(species, self.topology.kinds.clone(), &kinds.repeat(count)),
            cell: Cell::new(edges).unwrap(),
            positions: copies.flat_map(|c| self.positions.iter().map(move |&r| r + h * c)).collect(),
            force_field: self.force_field.clone(),
        }
    }

    /// All atoms shifted by `d`.
    pub fn translated(&self, d: DVec3) -> Self {
        Self { positions: self.positions.iter().map(|&r| r + d).collect(), ..self.clone() }
    }

    /// With a thousandth of the charges, so that a millionth of the Coulomb terms is left. (No charge at all leaves a mesh
    /// nothing to be chosen by.)
    pub fn weakly_charged(mut self) -> Self {
        for species in self.topology.species.iter_mut().chain(&mut self.force_field.species) {
            species.charge *= 1e-3;
        }
        self
    }

    /// Without short-range potentials.
    pub fn without_short_range(mut self) -> Self {
        self.force_field.pairs.fill(None);
        self
    }

    /// Evaluates the system afresh.
    pub fn evaluate(&self, subject: &Subject, settings: &Settings) -> Answer {
        answer((subject.build)(self, settings).as_mut(), self)
    }
}

/// Evaluates `system` with a kernel that was built for it (or for a deformed version of it).
pub fn answer(kernel: &mut dyn ForceKernel, system: &System) -> Answer {
    let mut forces = vec![DVec3::NAN; system.positions.len()];
    let request = Request { energy_and_virial: true };
    let evaluation = kernel.evaluate(&system.cell, &system.positions, request, &mut forces).unwrap();
    Answer { evaluation, forces }
}

/// Root mean square over atoms of the length of the vectors.
pub fn rms(vectors: &[DVec3]) -> f64 {
    (vectors.iter().map(|f| f.length_squared()).sum::<f64>() / vectors.len() as f64).sqrt()
}

/// Frobenius norm.
pub fn norm(m: DMat3) -> f64 {
    m.to_cols_array().iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Fails unless all components agree within `tolerance` times the RMS force; says the largest error and where it is.
pub fn assert_same_forces(what: &str, found: &[DVec3], expected: &[DVec3], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = rms(expected);
    let errors = found.iter().zip(expected).map(|(a, b)| (*a - *b).abs().max_element() / scale);
    let (atom, error) = errors.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    println!("{what}: largest force error {error:.2e} of the RMS force, at atom {}", atom + 1);
    assert!(error <= tolerance, "{what}: {error:e} exceeds {tolerance:e} at atom {}", atom + 1);
}

/// Fails unless the matrices agree within `tolerance` times the norm of the expected one.
pub fn assert_same_matrix(what: &str, found: DMat3, expected: DMat3, tolerance: f64) {
    let error = norm(found - expected) / norm(expected);
    println!("{what}: error {error:.2e} of the norm");
    assert!(error <= tolerance, "{what}: {error:e} exceeds {tolerance:e}: {found:?}, not {expected:?}");
}

/// Fails unless the numbers agree within `tolerance` times the expected one.
pub fn assert_same_number(what: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found / expected - 1.0).abs();
    println!("{what}: relative error {error:.2e}");
    assert!(error <= tolerance, "{what}: {found} is not {expected} within {tolerance:e} (error {error:e})");
}
