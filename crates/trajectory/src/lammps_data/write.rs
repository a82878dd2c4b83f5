//! LAMMPS data out: `atom_style full`, `units real`.

use std::fmt::Write as _;
use std::path::Path;

use glam::DVec3;
use vitrion_core::topology::{MoleculeKind, MoleculeModel};

use super::numbers::shift_exponent;
use super::{LammpsDataError, LammpsSystem};
use crate::new_file::NewFile;

/// Writes a data file that [`super::read`] gives back to the last bit: numbers carry the fewest digits (at most 17) that
/// determine them. Bonds, angles and impropers are those of the topology (a rigid molecule: from its centre atom to every
/// other, so that viewers draw it). An existing file is not overwritten, and none is left where writing fails.
pub fn write(path: &Path, system: &LammpsSystem) -> Result<(), LammpsDataError> {
    let h = system.cell.matrix();
    if h.x_axis.y != 0.0 || h.x_axis.z != 0.0 || h.y_axis.z != 0.0 {
        return Err(LammpsDataError::File {
            path: path.to_path_buf(),
            found: "LAMMPS data asks for a cell whose first edge lies along x and second in the xy plane, and this cell is \
                    oriented otherwise"
                .to_string(),
            remedy: "rotate the configuration, or write extended XYZ, which takes any cell".to_string(),
        });
    }
    let failed = |source: std::io::Error| LammpsDataError::Write {
        remedy: if source.kind() == std::io::ErrorKind::AlreadyExists {
            "remove it first or choose another name"
        } else {
            "check the directory, its permissions and the space left"
        },
        path: path.to_path_buf(),
        source,
    };
    let file = NewFile::at(path).map_err(failed)?;
    std::fs::write(file.beside(), render(system)).and_then(|()| file.settle()).map_err(failed)
}

/// One line of a bonded list: type (from 1) and atoms (indices within the molecule).
type Connection = (usize, Vec<usize>);

/// The bonded lists of every kind of molecule, types numbered through all kinds.
#[derive(Default)]
struct Connections {
    per_kind: Vec<Vec<Connection>>,
    types: usize,
}

impl Connections {
    /// `terms` gives, for a kind, atoms and the two parameters that make a type.
    fn of(kinds: &[MoleculeKind], terms: impl Fn(&MoleculeKind) -> Vec<(Vec<usize>, [f64; 2])>) -> Self {
        let mut connections = Self::default();
        for kind in kinds {
            let mut known: Vec<[f64; 2]> = Vec::new();
            let mut list = Vec::new();
            for (atoms, parameters) in terms(kind) {
                let at = known.iter().position(|k| *k == parameters).unwrap_or_else(|| {
                    known.push(parameters);
                    known.len() - 1
                });
                list.push((connections.types + at + 1, atoms));
            }
            connections.types += known.len();
            connections.per_kind.push(list);
        }
        connections
    }

    fn count(&self, system: &LammpsSystem) -> usize {
        system.topology.molecules.iter().map(|m| self.per_kind[m.kind].len()).sum()
    }

    fn section(&self, name: &str, system: &LammpsSystem) -> String {
        let mut text = String::new();
        let mut number = 0;
        for molecule in &system.topology.molecules {
            for (kind, atoms) in &self.per_kind[molecule.kind] {
                number += 1;
                let ids = atoms.iter().map(|a| system.ids[molecule.first_atom + a].to_string());
                let _ = writeln!(text, "{number} {kind} {}", ids.collect::<Vec<_>>().join(" "));
            }
        }
        if text.is_empty() { text } else { format!("\n{name}\n\n{text}") }
    }
}

fn bonds(kind: &MoleculeKind) -> Vec<(Vec<usize>, [f64; 2])> {
    match &kind.model {
        MoleculeModel::Point => Vec::new(),
        MoleculeModel::Rigid { positions, .. } => (0..positions.len())
            .filter(|i| *i != kind.centre)
            .map(|i| (vec![kind.centre, i], [0.0, 0.0]))
            .collect(),
        MoleculeModel::Flexible { bonds, .. } => {
            bonds.iter().map(|b| (b.atoms.to_vec(), [b.length, b.constant])).collect()
        }
    }
}

fn angles(kind: &MoleculeKind) -> Vec<(Vec<usize>, [f64; 2])> {
    match &kind.model {
        MoleculeModel::Flexible { angles, .. } => {
            angles.iter().map(|a| (a.atoms.to_vec(), [a.angle, a.constant])).collect()
        }
        _ => Vec::new(),
    }
}

fn impropers(kind: &MoleculeKind) -> Vec<(Vec<usize>, [f64; 2])> {
    match &kind.model {
        MoleculeModel::Flexible { impropers, .. } => {
            impropers.iter().map(|i| (i.atoms.to_vec(), [i.angle, i.constant])).collect()
        }
        _ => Vec::new(),
    }
}

fn render(system: &LammpsSystem) -> String {
    let topology = &system.topology;
    let lists = [
        ("bond", "Bonds", Connections::of(&topology.kinds, bonds)),
        ("angle", "Angles", Connections::of(&topology.kinds, angles)),
        ("improper", "Impropers", Connections::of(&topology.kinds, impropers)),
    ];
    let mut text = format!("{}\n\n{} atoms\n", system.title.replace('\n', " "), topology.n_atoms());
    for (name, _, list) in &lists {
        if list.count(system) > 0 {
            let _ = writeln!(text, "{} {name}s", list.count(system));
        }
    }
    let _ = writeln!(text, "{} atom types", topology.species.len());
    for (name, _, list) in lists.iter().filter(|(_, _, list)| list.count(system) > 0) {
        let _ = writeln!(text, "{} {name} types", list.types);
    }
    text.push_str(&cell_lines(system));
    text.push_str("\nMasses\n\n");
    for (index, species) in topology.species.iter().enumerate() {
        let _ = writeln!(text, "{} {} # {}", index + 1, species.mass, species.name);
    }
    text.push_str("\nAtoms # full\n\n");
    for (atom, id) in system.ids.iter().enumerate() {
        let species = topology.atom_species[atom];
        let molecule = system.molecule_ids[topology.atom_molecule[atom]];
        let charge = topology.species[species].charge;
        let r = system.positions[atom];
        let _ = writeln!(text, "{id} {molecule} {} {charge} {} {} {}", species + 1, r.x, r.y, r.z);
    }
    if let Some(velocities) = &system.velocities {
        text.push_str("\nVelocities\n\n");
        for (id, v) in system.ids.iter().zip(velocities) {
            let [x, y, z] = v.to_array().map(|c| shift_exponent(&format!("{c:e}"), -3));
            let _ = writeln!(text, "{id} {x} {y} {z}");
        }
    }
    for (_, section, list) in &lists {
        text.push_str(&list.section(section, system));
    }
    text
}

fn cell_lines(system: &LammpsSystem) -> String {
    let h = system.cell.matrix();
    let lengths = DVec3::new(h.x_axis.x, h.y_axis.y, h.z_axis.z);
    let mut text = String::from("\n");
    for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
        let (lo, length) = (system.origin[axis], lengths[axis]);
        let _ = writeln!(text, "{lo} {} {name}lo {name}hi", upper_bound(lo, length));
    }
    if h.y_axis.x != 0.0 || h.z_axis.x != 0.0 || h.z_axis.y != 0.0 {
        let _ = writeln!(text, "{} {} {} xy xz yz", h.y_axis.x, h.z_axis.x, h.z_axis.y);
    }
    text
}

/// The upper bound whose difference from `lo` rounds to `length`, where there is one.
fn upper_bound(lo: f64, length: f64) -> f64 {
    let sum = lo + length;
    [sum, sum.next_up(), sum.next_down()].into_iter().find(|hi| hi - lo == length).unwrap_or(sum)
}
