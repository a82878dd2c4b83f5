//! What atoms are according to a data file that the user names beside a trajectory.

use std::collections::{BTreeMap, HashMap, HashSet};

use vitrion_trajectory::lammps_data::{Description, is_element};

use crate::error::AnalysisError;
use crate::particles::Particles;

/// Species, molecules and masses of the atoms `ids` (in the order of the trajectory) as `topology` has them. `own` is what
/// the trajectory itself calls them (elements or types), if it does: where the two contradict each other, this is refused.
/// What is assumed is added to `notes`.
pub(super) fn particles(
    label: &str,
    ids: &[u64],
    own: Option<&[String]>,
    topology: &Description,
    notes: &mut Vec<String>,
) -> Result<Particles, AnalysisError> {
    let places: HashMap<u64, usize> = topology.ids.iter().zip(0..).map(|(id, place)| (*id, place)).collect();
    let places: Vec<usize> = ids
        .iter()
        .map(|id| {
            places.get(id).copied().ok_or_else(|| {
                AnalysisError::input(
                    label,
                    format!("atom {id} is not in the topology"),
                    "give the data file of the same system with --topology",
                )
            })
        })
        .collect::<Result<_, _>>()?;
    notes.extend(topology.notes.iter().cloned());
    let all = topology.ids.len();
    if ids.len() < all {
        notes.push(format!("{} of the {all} atoms of the topology are in {label}", ids.len()));
    }
    let mut names = topology.names.clone();
    if let Some(own) = own {
        let check = Check { label, ids, own, places: &places, topology };
        if own.iter().all(|word| word.parse::<i64>().is_ok()) {
            check.numbers(notes)?;
        } else {
            check.words(&mut names, notes)?;
        }
    }
    let species = places.iter().map(|&place| topology.species[place]).collect();
    let molecules = topology.molecules.as_ref().map(|m| compact(&places, m));
    let particles = Particles::new(names, species, molecules);
    Ok(match &topology.masses {
        Some(masses) => particles.with_masses(places.iter().map(|&place| masses[place]).collect()),
        None => particles,
    })
}

/// Whether these are elements that nobody has named: LAMMPS calls all C then (its manual, `dump_modify element`).
pub(super) fn unnamed(elements: &[String]) -> bool {
    elements.iter().all(|name| name == "C")
}

/// Molecules of the atoms at `places`; those that are not there leave no gaps.
fn compact(places: &[usize], molecules: &[usize]) -> Vec<usize> {
    let of: Vec<usize> = places.iter().map(|&place| molecules[place]).collect();
    let mut kinds = of.clone();
    kinds.sort_unstable();
    kinds.dedup();
    of.iter().map(|m| kinds.partition_point(|k| k < m)).collect()
}

/// What a trajectory says of its atoms, against the topology.
struct Check<'a> {
    label: &'a str,
    ids: &'a [u64],
    own: &'a [String],
    /// Per atom of the trajectory: its place in the topology.
    places: &'a [usize],
    topology: &'a Description,
}

impl Check<'_> {
    fn name(&self, atom: usize) -> &str {
        &self.topology.names[self.topology.species[self.places[atom]]]
    }

    fn refuse(&self, atom: usize, why: &str) -> AnalysisError {
        AnalysisError::input(
            self.label,
            format!(
                "atom {} is `{}` there, but {} (type {}) in the topology{why}",
                self.ids[atom],
                self.own[atom],
                self.name(atom),
                self.topology.types[self.places[atom]]
            ),
            "give the data file of the very same system, with the same ids and types of atoms, or leave --topology out",
        )
    }

    /// Types by number: all atoms of one type are of one species. The numbers themselves may differ, which is said.
    fn numbers(&self, notes: &mut Vec<String>) -> Result<(), AnalysisError> {
        let mut first: BTreeMap<i64, usize> = BTreeMap::new();
        for atom in 0..self.own.len() {
            let Ok(number) = self.own[atom].parse() else { continue };
            let before = *first.entry(number).or_insert(atom);
            if self.name(before) != self.name(atom) {
                let why =
                    format!(", where atom {}, also `{number}`, is {}", self.ids[before], self.name(before));
                return Err(self.refuse(atom, &why));
            }
        }
        let type_of = |atom: usize| self.topology.types[self.places[atom]].parse::<i64>();
        let other: Vec<(i64, usize, i64)> = first
            .into_iter()
            .filter_map(|(number, atom)| Some((number, atom, type_of(atom).ok()?)))
            .filter(|(number, _, own)| own != number)
            .collect();
        // Numbers are conventions: of which type an atom is, the topology knows. But whoever exchanges them should hear of it.
        let exchanged = other.iter().any(|(number, ..)| other.iter().any(|(.., own)| own == number));
        if !other.is_empty() {
            let list: Vec<String> = other
                .iter()
                .map(|(number, atom, own)| format!("{number} is {own} ({})", self.name(*atom)))
                .collect();
            notes.push(format!(
                "the types of {} have other numbers in the topology: {}; the topology is believed{}",
                self.label,
                list.join(", "),
                if exchanged {
                    ", though the same numbers are exchanged there: is it that of the same system?"
                } else {
                    "; is it that of the same system?"
                }
            ));
        }
        Ok(())
    }

    /// Elements or labels. Two elements must be the same; a word that is the name of another species is a contradiction; other
    /// words may be finer or coarser than the names of the topology, not both. Species that the topology has no names for get
    /// those of the trajectory.
    fn words(&self, names: &mut [String], notes: &mut Vec<String>) -> Result<(), AnalysisError> {
        if unnamed(self.own) && (0..self.own.len()).any(|atom| self.name(atom) != "C") {
            notes.push(format!(
                "all atoms of {} are called C, as LAMMPS does without `dump_modify element`: the names of the topology are taken",
                self.label
            ));
            return Ok(());
        }
        let renamed = self.rename(names, notes);
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        for atom in 0..self.own.len() {
            let species = self.topology.species[self.places[atom]];
            let (own, name) = (self.own[atom].as_str(), base(self.topology, species));
            if renamed[species] || same(own, name) {
                continue;
            }
            let elements = is_element(own) && is_element(name);
            let other = self.topology.names.iter().any(|name| same(name, own));
            if other || (elements && hydrogen(own) != hydrogen(name)) {
                return Err(self.refuse(atom, ""));
            }
        }
        match self.mixed() {
            Some((atom, before)) => {
                let why = format!(
                    ", where atom {}, also {}, is `{}`",
                    self.ids[before],
                    self.name(before),
                    self.own[before]
                );
                Err(self.refuse(atom, &why))
            }
            None => Ok(()),
        }
    }

    /// Gives species that have no names of their own the element that the trajectory calls all their atoms. Per species: whether
    /// it has been done.
    fn rename(&self, names: &mut [String], notes: &mut Vec<String>) -> Vec<bool> {
        let mut words: Vec<Option<&str>> = vec![None; names.len()];
        let mut several = vec![false; names.len()];
        for (atom, word) in self.own.iter().enumerate() {
            let species = self.topology.species[self.places[atom]];
            several[species] |= words[species].is_some_and(|before| before != word);
            words[species] = Some(word);
        }
        let mut renamed = vec![false; names.len()];
        for species in 0..names.len() {
            let Some(symbol) = words[species].filter(|word| is_element(word)) else { continue };
            // One word for two species says less than the topology does.
            let shared = words.iter().filter(|word| **word == words[species]).count() > 1;
            let taken = names.iter().any(|name| name == symbol);
            if !self.topology.given[species] && !several[species] && !shared && !taken {
                notes.push(format!("topology: {} is called {symbol}, as in {}", names[species], self.label));
                names[species] = symbol.to_string();
                renamed[species] = true;
            }
        }
        renamed
    }

    /// An atom whose word has several names, and whose name has several words, and another of that name.
    fn mixed(&self) -> Option<(usize, usize)> {
        let mut names: HashMap<&str, HashSet<&str>> = HashMap::new();
        let mut words: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (atom, word) in self.own.iter().enumerate() {
            names.entry(word).or_default().insert(self.name(atom));
            words.entry(self.name(atom)).or_default().insert(word);
        }
        let torn =
            |atom: &usize| names[self.own[*atom].as_str()].len() > 1 && words[self.name(*atom)].len() > 1;
        let atom = (0..self.own.len()).find(torn)?;
        let other = |b: &usize| self.name(*b) == self.name(atom) && self.own[*b] != self.own[atom];
        (0..self.own.len()).find(other).map(|before| (atom, before))
    }
}

/// Name of a species without the number that tells it apart from others of the same name.
fn base(topology: &Description, species: usize) -> &str {
    let name = &topology.names[species];
    match name.rsplit_once('_') {
        Some((base, number)) if topology.types.iter().any(|t| t == number) => base,
        _ => name,
    }
}

/// Isotopes of hydrogen are hydrogen.
fn hydrogen(symbol: &str) -> &str {
    if matches!(symbol, "D" | "T") { "H" } else { symbol }
}
