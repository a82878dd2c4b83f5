//! Everything about a system that does not change, as one array of words for the shaders, and where in it what lies.

use std::f64::consts::TAU;

use vitrion_core::cpu::pair_force::pair_parameters;
use vitrion_core::force_field::ForceField;
use vitrion_core::long_range::b_spline::inverse_moduli;
use vitrion_core::topology::{MoleculeKind, MoleculeModel, Topology};
use vitrion_shaders::dimensions::Dimensions;
use vitrion_shaders::protocol::{command, header};
use vitrion_shaders::table::{Axis, PAIR_WORDS, Table, kind_words};

/// Stands for the kind of a body that is a single atom.
const POINT: u32 = u32::MAX;

/// The words, and the place where each table begins, by its name in the shaders.
pub struct Tables {
    /// They begin with [`header`].
    pub words: Vec<u32>,
    /// The first word of each table.
    pub places: Vec<(Table, usize)>,
}

impl Tables {
    /// Tables of a system.
    pub fn new(
        force_field: &ForceField,
        topology: &Topology,
        dimensions: &Dimensions,
        list_capacity: u32,
    ) -> Self {
        let mut words = vec![0; header::HEADER_WORDS as usize];
        words[header::LIST_CAPACITY as usize] = list_capacity;
        words[header::N_REPLICAS as usize] = dimensions.replicas as u32;
        words[header::COMMAND as usize] = command::STEP;
        let mut tables = Self { words, places: Vec::new() };
        tables.add(Table::Molecules, molecules(topology));
        tables.add(Table::Bodies, bodies(topology));
        tables.add(Table::AtomSpecies, topology.atom_species.iter().map(|&s| s as u32));
        tables.add(Table::AtomCharges, topology.charges().into_iter().map(real));
        tables.add(Table::Pairs, pairs(force_field, dimensions));
        for (axis, points) in Axis::ALL.into_iter().zip(dimensions.grid) {
            let mut values = inverse_moduli(dimensions.order, points);
            if points.is_multiple_of(2) {
                // On an even grid the spline represents neither of the two waves that share this place.
                values[points / 2] = 0.0;
            }
            tables.add(Table::Moduli(axis), values.into_iter().map(real));
            let angle = |k: usize| -TAU * k as f64 / points as f64;
            tables.add(
                Table::Twiddles(axis),
                (0..points).flat_map(|k| [real(angle(k).cos()), real(angle(k).sin())]),
            );
        }
        tables.add_kinds(topology, dimensions.largest_molecule);
        tables
    }

    fn add(&mut self, table: Table, words: impl IntoIterator<Item = u32>) {
        self.places.push((table, self.words.len()));
        self.words.extend(words);
    }

    fn add_kinds(&mut self, topology: &Topology, largest_molecule: usize) {
        let start = self.words.len();
        let entry = kind_words(largest_molecule);
        let mut bonded = Vec::new();
        let first_bonded = start + topology.kinds.len() * entry;
        let mut kinds = Vec::with_capacity(topology.kinds.len() * entry);
        for kind in &topology.kinds {
            let begin = kinds.len();
            kinds.push(u32::from(matches!(kind.model, MoleculeModel::Flexible { .. })));
            kinds.push((first_bonded + bonded.len()) as u32);
            if let MoleculeModel::Rigid { positions, moments } = &kind.model {
                kinds.extend(moments.to_array().map(real));
                kinds.extend(moments.to_array().map(|moment| real(1.0 / moment)));
                kinds.extend(positions.iter().flat_map(|p| p.to_array().map(real)));
            }
            kinds.resize(begin + entry, 0);
            bonded.extend(bonded_terms(kind));
        }
        self.add(Table::Kinds, kinds);
        self.words.extend(bonded);
    }
}

fn real(x: f64) -> u32 {
    (x as f32).to_bits()
}

/// First atom, number of atoms, kind, body of the centre atom.
fn molecules(topology: &Topology) -> Vec<u32> {
    let centres = vitrion_core::observe::streams::centre_bodies(topology);
    let entries = topology.molecules.iter().zip(centres);
    entries
        .flat_map(|(molecule, centre)| {
            let size = topology.kinds[molecule.kind].species.len();
            [molecule.first_atom as u32, size as u32, molecule.kind as u32, centre as u32]
        })
        .collect()
}

fn bodies(topology: &Topology) -> Vec<u32> {
    let entry = |body: &vitrion_core::topology::Body| {
        let kind = body.rigid_kind.map_or(POINT, |kind| kind as u32);
        [body.first_atom as u32, body.n_atoms as u32, kind, real(body.mass)]
    };
    topology.bodies.iter().flat_map(entry).collect()
}

fn pairs(force_field: &ForceField, dimensions: &Dimensions) -> Vec<u32> {
    let table = pair_parameters(force_field, dimensions.alpha, dimensions.coulomb_cutoff);
    let entry = |p: &vitrion_core::cpu::pair_force::PairParameters| -> [u32; PAIR_WORDS] {
        [
            p.exponent,
            p.inverse_rho,
            p.dispersion6,
            p.dispersion8,
            p.charge,
            p.shift_short_range,
            p.shift_coulomb,
            p.inner2,
            p.soft_radius,
            p.soft_energy,
            p.soft_force,
            0.0,
        ]
        .map(f32::to_bits)
    };
    table.iter().flat_map(entry).collect()
}

/// Numbers of bonds, angles and impropers, then six words a term: up to four atoms, equilibrium value, constant.
fn bonded_terms(kind: &MoleculeKind) -> Vec<u32> {
    let MoleculeModel::Flexible { bonds, angles, impropers, .. } = &kind.model else { return Vec::new() };
    let mut words = vec![bonds.len() as u32, angles.len() as u32, impropers.len() as u32, 0];
    let mut term = |atoms: &[usize], equilibrium: f64, constant: f64| {
        let begin = words.len();
        words.extend(atoms.iter().map(|&atom| atom as u32));
        words.resize(begin + 4, 0);
        words.extend([real(equilibrium), real(constant)]);
    };
    for bond in bonds {
        term(&bond.atoms, bond.length, bond.constant);
    }
    for angle in angles {
        term(&angle.atoms, angle.angle, angle.constant);
    }
    for improper in impropers {
        term(&improper.atoms, improper.angle, improper.constant);
    }
    words
}
