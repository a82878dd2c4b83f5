//! What a data file says of its atoms, for any system: no force field is asked, and neither positions nor charges nor the cell.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::atom_styles::{Layout, layout};
use super::atom_types::{AtomType, AtomTypes};
use super::molecules::{Grouping, molecules};
use super::numbers::{integer, real};
use super::parse::{atom_id, no_atoms, read_bonds};
use super::sections::{Section, Sections, missing};
use super::{LammpsDataError, Problem, names, text};

/// Species and molecules of the atoms of a data file, in the order of their ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Per atom: its id.
    pub ids: Vec<u64>,
    /// Names of the species, in the order of the types.
    pub names: Vec<String>,
    /// Per species: whether the file names it; else it is called by its mass or the number of its type.
    pub given: Vec<bool>,
    /// Per atom: index into `names`.
    pub species: Vec<usize>,
    /// Per atom: number of its type, or its label where no number is given.
    pub types: Vec<String>,
    /// Per atom: mass (u); none where the file has no `Masses`.
    pub masses: Option<Vec<f64>>,
    /// Per atom: its molecule, from 0. None where every atom is one of its own.
    pub molecules: Option<Vec<usize>>,
    /// What is assumed.
    pub notes: Vec<String>,
}

/// One line of `Atoms`.
struct Atom {
    line: usize,
    id: u64,
    molecule: u64,
    kind: String,
}

/// Reads species and molecules. Atom styles with charges or without, with molecule ids or without; sections that are not known are
/// passed over. How species are named and molecules found is said in [`Description::notes`] where it is not plain.
pub fn describe(path: &Path) -> Result<Description, LammpsDataError> {
    from_text(&text(path)?).map_err(|problem| problem.place(path))
}

pub(super) fn from_text(text: &str) -> Result<Description, Problem> {
    let sections = Sections::new(text)?;
    let mut notes: Vec<String> = sections
        .unknown
        .iter()
        .map(|(line, name)| {
            format!("topology: section `{name}` (line {line}) is not known here and passed over")
        })
        .collect();
    let labels = sections.section("Atom Type Labels");
    let masses = sections.counted("Masses", "atom types")?;
    let types = masses.map(|section| AtomTypes::from_masses(section, labels)).transpose()?;
    let section =
        sections.counted("Atoms", "atoms")?.ok_or_else(|| missing("Atoms", "`id molecule type q x y z`"))?;
    let layout = layout(section, types.as_ref(), &mut notes)?;
    let mut atoms = read_atoms(section, &layout)?;
    atoms.sort_by_key(|a| a.id);
    let types = if let Some(types) = types {
        types
    } else {
        notes.push("topology: there are no `Masses`: masses are not known".to_string());
        AtomTypes::without_masses(labels, atoms.iter().map(|a| (a.line, a.kind.as_str())))?
    };
    let ids: Vec<u64> = atoms.iter().map(|a| a.id).collect();
    let bonds = sections.list("Bonds", "bonds")?;
    let known: HashSet<u64> = ids.iter().copied().collect();
    let bonds = bonds.map(|section| read_bonds(section, &known)).transpose()?.unwrap_or_default();

    let kinds: Vec<usize> = atoms.iter().map(|atom| kind_of(atom, &types)).collect::<Result<_, _>>()?;
    let used = in_use(&types, &kinds);
    let used_types: Vec<&AtomType> = used.iter().map(|&kind| &types.list[kind]).collect();
    let named = names::species(&used_types, &mut notes);
    let of_type: HashMap<usize, usize> = used.iter().copied().zip(named.of_type).collect();
    let species: Vec<usize> = kinds.iter().map(|kind| of_type[kind]).collect();
    let molecule_ids: Vec<u64> = atoms.iter().map(|a| a.molecule).collect();
    let grouped = Grouping {
        source: "topology",
        ids: &ids,
        molecules: layout.place("molecule").is_some().then_some(&molecule_ids[..]),
        species: &species,
        names: &named.names,
        bonds: &bonds,
    };
    let molecules = molecules(&grouped, &mut notes);
    Ok(Description {
        molecules,
        species,
        ids,
        names: named.names,
        given: named.given,
        types: kinds.iter().map(|&kind| types.list[kind].number.clone()).collect(),
        masses: kinds.iter().map(|&kind| types.list[kind].mass.as_ref().map(|(mass, _)| *mass)).collect(),
        notes,
    })
}

/// Types that atoms have: numbers before labels, in their order.
fn in_use(types: &AtomTypes, kinds: &[usize]) -> Vec<usize> {
    let found: HashSet<usize> = kinds.iter().copied().collect();
    let mut used: Vec<usize> = found.into_iter().collect();
    used.sort_by_key(|&kind| {
        let number = &types.list[kind].number;
        (number.parse::<u64>().unwrap_or(u64::MAX), number.clone())
    });
    used
}

fn kind_of(atom: &Atom, types: &AtomTypes) -> Result<usize, Problem> {
    types.find(&atom.kind).ok_or_else(|| types.no_mass(atom.line, atom.id, &atom.kind))
}

fn read_atoms(section: &Section, layout: &Layout) -> Result<Vec<Atom>, Problem> {
    let (Some(kind), Some(x)) = (layout.place("type"), layout.place("x")) else { return Ok(Vec::new()) };
    let molecule = layout.place("molecule");
    let mut seen = HashSet::new();
    let mut atoms = Vec::with_capacity(section.lines.len());
    for line in &section.lines {
        let n = line.number;
        if !layout.has_length_of(line) {
            return Err(line.columns(&layout.describe()));
        }
        // That they are numbers shows that the columns are those of the style.
        for word in &line.words[x..x + 3] {
            real(n, "coordinate", word)?;
        }
        atoms.push(Atom {
            line: n,
            id: atom_id(n, line.words[0], &mut seen)?,
            molecule: molecule.map_or(Ok(0), |at| integer(n, "molecule id", line.words[at]))?,
            kind: line.words[kind].to_string(),
        });
    }
    if atoms.is_empty() {
        return Err(no_atoms(section));
    }
    Ok(atoms)
}
