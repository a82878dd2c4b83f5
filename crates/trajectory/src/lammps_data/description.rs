//! What a data file says of its atoms, for any system: no force field is asked.

use std::path::Path;

use super::parse::{self, AtomType};
use super::{LammpsDataError, Problem};

/// Species and molecules of the atoms of a data file, in the order of their ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Per atom: its id.
    pub ids: Vec<u64>,
    /// Names of the species, in the order of the types.
    pub names: Vec<String>,
    /// Per atom: index into `names`.
    pub species: Vec<usize>,
    /// Per atom: mass (u).
    pub masses: Vec<f64>,
    /// Per atom: charge (e).
    pub charges: Vec<f64>,
    /// Per atom: its molecule, from 0; atoms with molecule id 0 are molecules of their own. None where no atom has one.
    pub molecules: Option<Vec<usize>>,
}

/// Masses (u) of the elements that a type without a name is recognised by.
const ELEMENTS: [(&str, f64); 14] = [
    ("H", 1.008),
    ("Li", 6.94),
    ("C", 12.011),
    ("N", 14.007),
    ("O", 15.999),
    ("F", 18.998),
    ("Na", 22.990),
    ("Mg", 24.305),
    ("Si", 28.085),
    ("S", 32.06),
    ("Cl", 35.45),
    ("Ar", 39.95),
    ("K", 39.0983),
    ("Ca", 40.078),
];
const MASS_TOLERANCE: f64 = 0.02;

/// Reads species and molecules. A type is named by its label or by the comment beside its mass, else by the element with its
/// mass, else by its number.
pub fn describe(path: &Path) -> Result<Description, LammpsDataError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| LammpsDataError::Read { path: path.to_path_buf(), source })?;
    from_text(&text).map_err(|problem| problem.place(path))
}

fn from_text(text: &str) -> Result<Description, Problem> {
    let file = parse::parse(text)?;
    let mut atoms = file.atoms;
    atoms.sort_by_key(|a| a.id);
    let mut types: Vec<(&String, &AtomType)> = file.types.iter().collect();
    // Numbers before labels, in their order; a label is a second name of a number.
    types.sort_by_key(|(number, _)| (number.parse::<u64>().unwrap_or(u64::MAX), (*number).clone()));
    let mut names: Vec<String> = Vec::new();
    for (number, kind) in &types {
        let name = name(number, kind);
        if !names.contains(&name) && atoms.iter().any(|a| same_type(&a.kind, number, kind)) {
            names.push(name);
        }
    }
    let mut species = Vec::with_capacity(atoms.len());
    let mut masses = Vec::with_capacity(atoms.len());
    for atom in &atoms {
        let kind = file.types.get(&atom.kind).ok_or_else(|| {
            Problem::at(atom.line, format!("type {} has no mass", atom.kind), "add it to `Masses`")
        })?;
        let name = name(&atom.kind, kind);
        species.push(names.iter().position(|n| *n == name).unwrap_or(0));
        masses.push(kind.mass);
    }
    Ok(Description {
        names,
        species,
        masses,
        ids: atoms.iter().map(|a| a.id).collect(),
        charges: atoms.iter().map(|a| a.charge).collect(),
        molecules: molecules(&atoms.iter().map(|a| a.molecule).collect::<Vec<_>>()),
    })
}

fn same_type(of_atom: &str, number: &str, kind: &AtomType) -> bool {
    of_atom == number || kind.name.as_deref() == Some(of_atom)
}

fn name(number: &str, kind: &AtomType) -> String {
    let element = ELEMENTS.iter().find(|(_, mass)| (mass - kind.mass).abs() < MASS_TOLERANCE);
    kind.name.clone().or(element.map(|(symbol, _)| (*symbol).to_string())).unwrap_or(number.to_string())
}

/// From 0 in the order of their first atoms.
fn molecules(ids: &[u64]) -> Option<Vec<usize>> {
    if ids.iter().all(|id| *id == 0) {
        return None;
    }
    let mut numbers = std::collections::HashMap::new();
    let mut next = 0;
    let number = |id: &u64| {
        let mut fresh = || {
            next += 1;
            next - 1
        };
        if *id == 0 { fresh() } else { *numbers.entry(*id).or_insert_with(fresh) }
    };
    Some(ids.iter().map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_are_named_and_grouped_in_the_order_of_their_ids() {
        let text = "\
title

5 atoms
3 atom types
0 10 xlo xhi
0 10 ylo yhi
0 10 zlo zhi

Masses

1 15.999
2 14.007 # N
3 77.0

Atoms # full

4 0 3 1.0 1 1 1
2 7 1 -0.5 2 1 1
1 7 2 0.5 3 1 1
3 7 1 -0.5 4 1 1
5 0 3 1.0 5 1 1
";
        let found = from_text(text).unwrap();
        assert_eq!(found.ids, [1, 2, 3, 4, 5]);
        assert_eq!(found.names, ["O", "N", "3"]);
        assert_eq!(found.species, [1, 0, 0, 2, 2]);
        assert_eq!(found.molecules, Some(vec![0, 0, 0, 1, 2]));
        assert_eq!(found.masses[3], 77.0);
    }
}
