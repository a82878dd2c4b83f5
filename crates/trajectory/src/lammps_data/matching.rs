//! Matches the numbers of a data file with a force field: types with species, molecules with kinds.

use std::collections::{BTreeMap, HashMap};

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_core::force_field::ForceField;
use vitrion_core::topology::{MoleculeKind, Species, Topology};

use super::atom_types::{AtomType, AtomTypes};
use super::molecules::find;
use super::parse::{Atom, DataFile};
use super::{LammpsSystem, Problem};
use crate::echo::echo;

/// Largest difference of masses that still names a species (u).
const MASS_TOLERANCE: f64 = 0.01;
/// Largest difference from the force field's charge (e).
const CHARGE_TOLERANCE: f64 = 1e-6;
/// Atoms of a molecule that are closer (angstrom) are at the same place: bonds are ten times as long.
const SAME_PLACE: f64 = 0.1;

pub(super) fn build(file: DataFile, force_field: &ForceField) -> Result<LammpsSystem, Problem> {
    let species_of_type = match_types(&file.types, force_field)?;
    let species = match_atoms(&file.atoms, &species_of_type, &file.types, force_field)?;
    let groups = group(&file)?;

    let mut kinds = Vec::with_capacity(groups.len());
    let mut order = Vec::with_capacity(file.atoms.len());
    let mut molecule_ids = Vec::with_capacity(groups.len());
    let mut positions = Vec::with_capacity(file.atoms.len());
    for members in &groups {
        let (kind, ordered) = match_molecule(members, &species, &file.atoms, force_field)?;
        let mut placed: Vec<DVec3> = ordered.iter().map(|&i| file.atoms[i].position).collect();
        make_whole(&file.cell, &mut placed);
        check_apart(&ordered, &placed, &file.atoms)?;
        positions.extend(placed);
        kinds.push(kind);
        molecule_ids.push(file.atoms[ordered[0]].molecule);
        order.extend(ordered);
    }
    let ids: Vec<u64> = order.iter().map(|&i| file.atoms[i].id).collect();
    // The parser has checked that there is exactly one velocity an atom.
    let velocities = file.velocities.map(|v| ids.iter().map(|id| v[id]).collect());
    Ok(LammpsSystem {
        title: file.title,
        topology: Topology::new(force_field.species.clone(), force_field.kinds.clone(), &kinds),
        cell: file.cell,
        origin: file.origin,
        ids,
        molecule_ids,
        positions,
        velocities,
        lists: file.lists,
    })
}

fn list(species: &[Species]) -> String {
    species.iter().map(|s| format!("{} ({} u)", s.name, s.mass)).collect::<Vec<_>>().join(", ")
}

/// Per type: its species.
fn match_types(types: &AtomTypes, force_field: &ForceField) -> Result<Vec<usize>, Problem> {
    types.list.iter().map(|atom_type| match_type(atom_type, force_field)).collect()
}

fn match_type(atom_type: &AtomType, force_field: &ForceField) -> Result<usize, Problem> {
    let species = &force_field.species;
    let number = echo(&atom_type.number);
    let mass = atom_type.mass.as_ref().map_or(f64::NAN, |(mass, _)| *mass);
    let near = |s: &Species| (s.mass - mass).abs() <= MASS_TOLERANCE;
    if let Some(index) = species.iter().position(|s| Some(s.name.as_str()) == atom_type.name()) {
        if near(&species[index]) {
            return Ok(index);
        }
        return Err(Problem::at(
            atom_type.line,
            format!(
                "type {number} is named {} but has mass {mass} u, where the force field has {} u",
                species[index].name, species[index].mass
            ),
            "correct the name or the mass",
        ));
    }
    let candidates: Vec<usize> = (0..species.len()).filter(|&i| near(&species[i])).collect();
    match candidates[..] {
        [index] => Ok(index),
        [] => Err(Problem::at(
            atom_type.line,
            format!("type {number} (mass {mass} u) is no species of the force field `{}`", force_field.name),
            format!("species there: {}; use another force field or correct the mass", list(species)),
        )),
        _ => Err(Problem::at(
            atom_type.line,
            format!("type {number} (mass {mass} u) could be more than one species"),
            format!("name it in a comment, e.g. `# {}`", species[candidates[0]].name),
        )),
    }
}

fn match_atoms(
    atoms: &[Atom],
    species_of_type: &[usize],
    types: &AtomTypes,
    force_field: &ForceField,
) -> Result<Vec<usize>, Problem> {
    atoms
        .iter()
        .map(|atom| {
            let kind = types.find(&atom.kind).ok_or_else(|| types.no_mass(atom.line, atom.id, &atom.kind))?;
            let index = species_of_type[kind];
            let species = &force_field.species[index];
            if (atom.charge - species.charge).abs() > CHARGE_TOLERANCE {
                return Err(Problem::at(
                    atom.line,
                    format!(
                        "atom {} ({}) has charge {} e, but the force field `{}` has {} e",
                        atom.id, species.name, atom.charge, force_field.name, species.charge
                    ),
                    "use the force field that the file was made with, or correct the charge",
                ));
            }
            Ok(index)
        })
        .collect()
}

/// Atoms (indices into the file's list, by rising id) of each molecule, molecules by their smallest id.
fn group(file: &DataFile) -> Result<Vec<Vec<usize>>, Problem> {
    let mut by_id: Vec<usize> = (0..file.atoms.len()).collect();
    by_id.sort_by_key(|&i| file.atoms[i].id);
    let index_of: HashMap<u64, usize> = file.atoms.iter().enumerate().map(|(i, a)| (a.id, i)).collect();

    // Atoms without a molecule id belong together where bonds connect them.
    let mut root: Vec<usize> = (0..file.atoms.len()).collect();
    for bond in &file.bonds {
        let [a, b] = bond.map(|id| index_of[&id]);
        let (ma, mb) = (file.atoms[a].molecule, file.atoms[b].molecule);
        if ma != mb {
            return Err(Problem::in_file(
                format!(
                    "a bond joins atom {} of molecule {ma} and atom {} of molecule {mb}",
                    bond[0], bond[1]
                ),
                "give bonded atoms the same molecule id",
            ));
        }
        let (a, b) = (find(&mut root, a), find(&mut root, b));
        root[a.max(b)] = a.min(b);
    }
    let mut molecules: BTreeMap<(u64, usize), Vec<usize>> = BTreeMap::new();
    for &i in &by_id {
        let molecule = file.atoms[i].molecule;
        let component = if molecule == 0 { find(&mut root, i) } else { 0 };
        molecules.entry((molecule, component)).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = molecules.into_values().collect();
    groups.sort_by_key(|members| file.atoms[members[0]].id);
    Ok(groups)
}

/// The kind of a molecule, and its atoms in the order of the kind.
fn match_molecule(
    members: &[usize],
    species: &[usize],
    atoms: &[Atom],
    force_field: &ForceField,
) -> Result<(usize, Vec<usize>), Problem> {
    let sequence: Vec<usize> = members.iter().map(|&i| species[i]).collect();
    let sorted = |sequence: &[usize]| {
        let mut sorted = sequence.to_vec();
        sorted.sort_unstable();
        sorted
    };
    let composition = sorted(&sequence);
    let kinds = &force_field.kinds;
    let exact = kinds.iter().position(|k| k.species == sequence);
    let Some(kind) = exact.or_else(|| kinds.iter().position(|k| sorted(&k.species) == composition)) else {
        return Err(no_such_kind(members, &sequence, atoms, force_field));
    };
    let mut left: Vec<usize> = members.to_vec();
    let ordered = kinds[kind]
        .species
        .iter()
        .filter_map(|wanted| left.iter().position(|&i| species[i] == *wanted).map(|at| left.remove(at)))
        .collect();
    Ok((kind, ordered))
}

fn no_such_kind(members: &[usize], sequence: &[usize], atoms: &[Atom], force_field: &ForceField) -> Problem {
    let names = |sequence: &[usize]| {
        sequence.iter().map(|&s| force_field.species[s].name.as_str()).collect::<Vec<_>>().join(" ")
    };
    let describe = |k: &MoleculeKind| format!("{} ({})", k.name, names(&k.species));
    let first = &atoms[members[0]];
    let composition =
        if sequence.len() > 12 { format!("{} ...", names(&sequence[..12])) } else { names(sequence) };
    let what = match (first.molecule, members.len()) {
        (0, 1) => format!("atom {} ({composition}), which is in no molecule,", first.id),
        (0, _) => format!("the molecule of atom {} ({composition})", first.id),
        (molecule, n) => format!("molecule {molecule} ({n} atoms: {composition})"),
    };
    Problem::at(
        first.line,
        format!("{what} is no kind of molecule of the force field `{}`", force_field.name),
        format!(
            "kinds there: {}; every ion and molecule needs a molecule id of its own (0 for single ions)",
            force_field.kinds.iter().map(describe).collect::<Vec<_>>().join(", ")
        ),
    )
}

/// Refuses atoms of a molecule that lie upon each other: no term of a force field would say so of a rigid one.
fn check_apart(members: &[usize], positions: &[DVec3], atoms: &[Atom]) -> Result<(), Problem> {
    for (i, r) in positions.iter().enumerate() {
        for (j, other) in positions[..i].iter().enumerate() {
            let distance = (*r - *other).length();
            if distance < SAME_PLACE {
                let (a, b) = (&atoms[members[j]], &atoms[members[i]]);
                return Err(Problem::at(
                    b.line,
                    format!(
                        "atom {} lies upon atom {} of its molecule, {distance:.3} angstrom away",
                        b.id, a.id
                    ),
                    "correct its position",
                ));
            }
        }
    }
    Ok(())
}

/// Moves atoms by cell vectors so that each is at the shortest image from its nearest neighbour in the molecule; an atom
/// that is there already keeps its bits.
fn make_whole(cell: &Cell, positions: &mut [DVec3]) {
    let mut placed = vec![0];
    let mut left: Vec<usize> = (1..positions.len()).collect();
    while !left.is_empty() {
        let distance =
            |i: usize, j: usize| cell.wrapped_difference(positions[i] - positions[j]).length_squared();
        let nearest = left
            .iter()
            .enumerate()
            .flat_map(|(at, &i)| placed.iter().map(move |&j| (at, i, j)))
            .min_by(|a, b| distance(a.1, a.2).total_cmp(&distance(b.1, b.2)));
        let Some((at, i, j)) = nearest else { return };
        let images = cell.fractional(positions[i] - positions[j]).round();
        if images != DVec3::ZERO {
            positions[i] -= cell.cartesian(images);
        }
        placed.push(i);
        left.swap_remove(at);
    }
}
