//! Which atoms of a data file are molecules: those with one id, checked against the bonds.
//!
//! Molecule ids that cannot be meant are not taken: one id for all atoms, or one for each species, where no bond says
//! that they belong together. What the ids leave open, the bonds say.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::echo::echo;

/// Atoms of a file, in the order of their ids, and what it says of their molecules.
#[derive(Clone, Copy, Debug)]
pub struct Grouping<'a> {
    /// What notes call the file.
    pub source: &'a str,
    /// Ids of the atoms, increasing.
    pub ids: &'a [u64],
    /// Molecule ids, if the file has them; 0 for none.
    pub molecules: Option<&'a [u64]>,
    /// Indices of species.
    pub species: &'a [usize],
    /// Names of the species.
    pub names: &'a [String],
    /// Pairs of ids.
    pub bonds: &'a [[u64; 2]],
}

/// Per atom: its molecule, from 0 in the order of their first atoms; none where every atom is one of its own. What is assumed is
/// added to `notes`.
pub fn molecules(atoms: &Grouping, notes: &mut Vec<String>) -> Option<Vec<usize>> {
    let mut own = Vec::new();
    let found = grouped(atoms, &mut own);
    notes.extend(own.into_iter().map(|note| format!("{}: {note}", atoms.source)));
    found
}

fn grouped(atoms: &Grouping, notes: &mut Vec<String>) -> Option<Vec<usize>> {
    let n = atoms.ids.len();
    let given = atoms.molecules.filter(|ids| ids.iter().any(|id| *id != 0));
    let parts = connected(atoms);
    let Some(given) = given else {
        if atoms.bonds.is_empty() {
            return None;
        }
        let molecules = number(parts.iter());
        let count = molecules.iter().max().map_or(0, |last| last + 1);
        notes.push(format!(
            "no atom has a molecule id; molecules are what bonds connect: {count} of {n} atoms"
        ));
        return Some(molecules);
    };
    let one_for_all = n > 1 && given.iter().all(|id| *id == given[0]);
    if atoms.bonds.is_empty() {
        if one_for_all || one_for_each_species(atoms, given) {
            let what = if one_for_all {
                "all atoms have the molecule id "
            } else {
                "each species has one molecule id"
            };
            let id = if one_for_all { given[0].to_string() } else { String::new() };
            notes.push(format!(
                "{what}{id} and there are no bonds: every atom is taken as a molecule of its own; if they are \
                 molecules, give each its own id or list their bonds in a data file"
            ));
            return None;
        }
        several_in_one(atoms, given, notes);
    } else if one_for_all && parts.iter().any(|part| *part != parts[0]) {
        notes.push(format!(
            "all atoms have the molecule id {}, but bonds do not connect them all: molecules are what bonds connect",
            given[0]
        ));
        return Some(number(parts.iter()));
    }
    across(atoms, given, notes);
    let split = fallen_apart(atoms, given, &parts, notes);
    // Atoms without an id belong to those that bonds connect them with.
    let keys = (0..n).map(|i| {
        let by_bonds = given[i] == 0 || split.contains(&given[i]);
        (given[i], if by_bonds { parts[i] } else { 0 })
    });
    Some(number(keys))
}

/// Numbers keys from 0 in the order in which they come.
fn number<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> Vec<usize> {
    let mut numbers = HashMap::new();
    keys.map(|key| {
        let next = numbers.len();
        *numbers.entry(key).or_insert(next)
    })
    .collect()
}

/// Per atom: the first atom that bonds connect it with.
fn connected(atoms: &Grouping) -> Vec<usize> {
    let mut root: Vec<usize> = (0..atoms.ids.len()).collect();
    for bond in atoms.bonds {
        let [Some(a), Some(b)] = bond.map(|id| atoms.ids.binary_search(&id).ok()) else { continue };
        let (a, b) = (find(&mut root, a), find(&mut root, b));
        root[a.max(b)] = a.min(b);
    }
    (0..root.len()).map(|i| find(&mut root, i)).collect()
}

/// The first member of the set that `i` is in; shortens the way to it.
pub(super) fn find(root: &mut [usize], mut i: usize) -> usize {
    while root[i] != i {
        root[i] = root[root[i]];
        i = root[i];
    }
    i
}

/// Whether molecule ids only number the species.
fn one_for_each_species(atoms: &Grouping, given: &[u64]) -> bool {
    let of_species: HashMap<usize, u64> = atoms.species.iter().copied().zip(given.iter().copied()).collect();
    let mut ids: Vec<u64> = of_species.values().copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == of_species.len()
        && !ids.contains(&0)
        && given.len() > ids.len()
        && atoms.species.iter().zip(given).all(|(species, id)| of_species[species] == *id)
}

/// Members of each molecule with an id.
fn members(given: &[u64]) -> BTreeMap<u64, Vec<usize>> {
    let mut members: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (i, id) in given.iter().enumerate().filter(|(_, id)| **id != 0) {
        members.entry(*id).or_default().push(i);
    }
    members
}

/// Without bonds: says of molecules that could be several equal ones.
fn several_in_one(atoms: &Grouping, given: &[u64], notes: &mut Vec<String>) {
    let molecules = members(given);
    let counts = |members: &[usize]| {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for &i in members {
            *counts.entry(atoms.species[i]).or_default() += 1;
        }
        counts
    };
    let several = |members: &Vec<usize>| counts(members).into_values().fold(0, divisor) > 1;
    let suspects: Vec<(&u64, &Vec<usize>)> = molecules.iter().filter(|(_, m)| several(m)).collect();
    if let Some((id, members)) = suspects.first() {
        let parts: Vec<String> =
            counts(members).iter().map(|(s, n)| format!("{n} {}", echo(&atoms.names[*s]))).collect();
        notes.push(format!(
            "molecule {id} is {}, with no bonds: taken as one molecule ({} more like it); if they are several, give \
             each its own id",
            parts.join(", "),
            suspects.len() - 1
        ));
    }
}

/// Greatest common divisor.
fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// Says of bonds between molecules.
fn across(atoms: &Grouping, given: &[u64], notes: &mut Vec<String>) {
    let id_of = |atom: u64| atoms.ids.binary_search(&atom).ok().map_or(0, |i| given[i]);
    let mut between = atoms.bonds.iter().filter(|[a, b]| id_of(*a) != id_of(*b));
    if let Some([a, b]) = between.next() {
        notes.push(format!(
            "{} bonds join different molecules, the first one atom {a} of molecule {} and atom {b} of molecule {}; \
             molecules are taken by their ids",
            between.count() + 1,
            id_of(*a),
            id_of(*b)
        ));
    }
}

/// With bonds: says of molecules that they do not hold together. Those with bonds in more than one of their parts are several,
/// which are returned; single atoms beside bonded ones (a site without bonds) stay.
fn fallen_apart(atoms: &Grouping, given: &[u64], parts: &[usize], notes: &mut Vec<String>) -> HashSet<u64> {
    if atoms.bonds.is_empty() {
        return HashSet::new();
    }
    let (mut split, mut kept) = (Vec::new(), Vec::new());
    for (id, members) in members(given) {
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        for &i in &members {
            *sizes.entry(parts[i]).or_default() += 1;
        }
        if sizes.len() > 1 {
            let bonded = sizes.values().filter(|size| **size > 1).count();
            if bonded > 1 { &mut split } else { &mut kept }.push((id, members.len(), sizes.len()));
        }
    }
    for (list, taken) in [(&split, "so many molecules"), (&kept, "one molecule")] {
        if let Some((id, size, pieces)) = list.first() {
            notes.push(format!(
                "molecule {id} ({size} atoms) is {pieces} parts that no bond connects: taken as {taken} ({} more like it)",
                list.len() - 1
            ));
        }
    }
    split.into_iter().map(|(id, ..)| id).collect()
}
