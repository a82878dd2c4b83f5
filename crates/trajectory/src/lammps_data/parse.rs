//! A configuration as a data file has it, nothing yet about the force field.

use std::collections::{HashMap, HashSet};

use glam::DVec3;
use vitrion_core::cell::Cell;

use super::atom_types::AtomTypes;
use super::numbers::{check_size, flag, integer, real, shift_exponent, vector};
use super::sections::{Section, Sections, missing};
use super::{ListCounts, Problem};
use crate::echo::echo;

/// Contents of a data file.
pub(super) struct DataFile {
    pub title: String,
    pub cell: Cell,
    pub origin: DVec3,
    pub types: AtomTypes,
    pub atoms: Vec<Atom>,
    pub velocities: Option<HashMap<u64, DVec3>>,
    pub bonds: Vec<[u64; 2]>,
    pub lists: ListCounts,
}

/// One line of `Atoms`, position already unwrapped by its image flags.
pub(super) struct Atom {
    pub line: usize,
    pub id: u64,
    pub molecule: u64,
    pub kind: String,
    pub charge: f64,
    pub position: DVec3,
}

/// First line of a file.
pub(super) fn title(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim()
}

pub(super) fn parse(text: &str) -> Result<DataFile, Problem> {
    let mut sections = Sections::new(text)?;
    sections.refuse_unknown()?;
    let (cell, origin) = sections.header.cell()?;
    let masses = sections
        .counted("Masses", "atom types")?
        .ok_or_else(|| missing("Masses", "`1 14.007 # N` for each atom type"))?;
    let types = AtomTypes::from_masses(masses, sections.section("Atom Type Labels"))?;
    let atoms = sections
        .counted("Atoms", "atoms")?
        .ok_or_else(|| missing("Atoms", "`id molecule type q x y z`"))
        .and_then(|section| read_atoms(section, &cell))?;
    let velocities =
        sections.counted("Velocities", "atoms")?.map(|s| read_velocities(s, &atoms)).transpose()?;
    let mut lists = ListCounts::default();
    for (name, key, count) in [
        ("Bonds", "bonds", &mut lists.bonds),
        ("Angles", "angles", &mut lists.angles),
        ("Dihedrals", "dihedrals", &mut lists.dihedrals),
        ("Impropers", "impropers", &mut lists.impropers),
    ] {
        *count = sections.list(name, key)?.map_or(0, |section| section.lines.len());
    }
    let known: HashSet<u64> = atoms.iter().map(|a| a.id).collect();
    let bonds = sections.section("Bonds").map(|s| read_bonds(s, &known)).transpose()?.unwrap_or_default();
    Ok(DataFile { title: title(text).to_string(), cell, origin, types, atoms, velocities, bonds, lists })
}

fn read_atoms(section: &Section, cell: &Cell) -> Result<Vec<Atom>, Problem> {
    let style = section.comment.split_whitespace().next().unwrap_or("full");
    let (leading, layout) = match style {
        "full" => (4, "id molecule type q x y z [ix iy iz]"),
        "charge" => (3, "id type q x y z [ix iy iz]"),
        other => {
            let why = match other {
                "atomic" | "bond" | "angle" | "molecular" => ", which has no charges: forces need them",
                _ => "",
            };
            return Err(Problem::at(
                section.line,
                format!("atom_style {}{why}", echo(other)),
                "only `full` (with molecule ids) and `charge` (ions alone) are read; LAMMPS: atom_style full, write_data",
            ));
        }
    };
    let mut seen = HashSet::new();
    let mut atoms = Vec::with_capacity(section.lines.len());
    for line in &section.lines {
        let n = line.number;
        if line.words.len() != leading + 3 && line.words.len() != leading + 6 {
            return Err(line.columns(layout));
        }
        let id = atom_id(n, line.words[0], &mut seen)?;
        let molecule = if leading == 4 { integer(n, "molecule id", line.words[1])? } else { 0 };
        let mut position = vector(n, "coordinate", &line.words[leading..leading + 3])?;
        if let [ix, iy, iz] = line.words[leading + 3..] {
            let image = DVec3::new(flag(n, ix)?, flag(n, iy)?, flag(n, iz)?);
            if image != DVec3::ZERO {
                position += cell.cartesian(image);
                check_size(n, "coordinate", position)?;
            }
        }
        atoms.push(Atom {
            line: n,
            id,
            molecule,
            kind: line.words[leading - 2].to_string(),
            charge: real(n, "charge", line.words[leading - 1])?,
            position,
        });
    }
    if atoms.is_empty() {
        return Err(no_atoms(section));
    }
    Ok(atoms)
}

/// That a section of atoms has none.
pub(super) fn no_atoms(section: &Section) -> Problem {
    Problem::at(section.line, "there are no atoms", "give at least one")
}

/// An atom's id: positive, and not among those `seen` before.
pub(super) fn atom_id(line: usize, word: &str, seen: &mut HashSet<u64>) -> Result<u64, Problem> {
    let id = integer(line, "atom id", word)?;
    if id == 0 || !seen.insert(id) {
        let found = if id == 0 { "atom id 0".to_string() } else { format!("atom id {id} a second time") };
        return Err(Problem::at(line, found, "give every atom its own positive id"));
    }
    Ok(id)
}

fn read_velocities(section: &Section, atoms: &[Atom]) -> Result<HashMap<u64, DVec3>, Problem> {
    let known: HashSet<u64> = atoms.iter().map(|a| a.id).collect();
    let mut velocities = HashMap::new();
    for line in &section.lines {
        let [id, ref components @ ..] = line.words[..] else { continue };
        if components.len() != 3 {
            return Err(line.columns("id vx vy vz"));
        }
        let id = integer(line.number, "atom id", id)?;
        if !known.contains(&id) {
            return Err(Problem::at(
                line.number,
                format!("a velocity for atom {id}, which does not exist"),
                "remove it",
            ));
        }
        // A/fs to A/ps by moving the decimal exponent, so that no digit changes.
        let per_ps: Vec<String> = components.iter().map(|text| shift_exponent(text, 3)).collect();
        let words: Vec<&str> = per_ps.iter().map(String::as_str).collect();
        let velocity = vector(line.number, "velocity", &words)?;
        if velocities.insert(id, velocity).is_some() {
            return Err(Problem::at(line.number, format!("a second velocity for atom {id}"), "remove one"));
        }
    }
    Ok(velocities)
}

/// Pairs of atoms, by id, among those that are `known`.
pub(super) fn read_bonds(section: &Section, known: &HashSet<u64>) -> Result<Vec<[u64; 2]>, Problem> {
    section
        .lines
        .iter()
        .map(|line| {
            let [_, _, a, b] = line.words[..] else { return Err(line.columns("number type atom atom")) };
            let pair = [integer(line.number, "atom id", a)?, integer(line.number, "atom id", b)?];
            match pair.into_iter().find(|id| !known.contains(id)) {
                Some(id) => Err(Problem::at(
                    line.number,
                    format!("a bond with atom {id}, which does not exist"),
                    "remove the bond or add the atom",
                )),
                None => Ok(pair),
            }
        })
        .collect()
}
