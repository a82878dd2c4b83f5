//! From text to numbers: header and sections, nothing yet about the force field.

use std::collections::{HashMap, HashSet};

use glam::{DMat3, DVec3};
use vitrion_core::cell::Cell;

use super::{ListCounts, Problem};

/// Contents of a data file.
pub(super) struct DataFile {
    pub title: String,
    pub cell: Cell,
    pub origin: DVec3,
    pub types: HashMap<String, AtomType>,
    pub atoms: Vec<Atom>,
    pub velocities: Option<HashMap<u64, DVec3>>,
    pub bonds: Vec<[u64; 2]>,
    pub lists: ListCounts,
}

/// One line of `Masses`.
pub(super) struct AtomType {
    pub line: usize,
    pub mass: f64,
    pub name: Option<String>,
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

/// Sections that are read.
const READ: [&str; 8] =
    ["Masses", "Atom Type Labels", "Atoms", "Velocities", "Bonds", "Angles", "Dihedrals", "Impropers"];
/// Sections that other force fields own.
const SKIPPED: [&str; 16] = [
    "Pair Coeffs",
    "PairIJ Coeffs",
    "Bond Coeffs",
    "Angle Coeffs",
    "Dihedral Coeffs",
    "Improper Coeffs",
    "BondBond Coeffs",
    "BondAngle Coeffs",
    "MiddleBondTorsion Coeffs",
    "EndBondTorsion Coeffs",
    "AngleTorsion Coeffs",
    "AngleAngleTorsion Coeffs",
    "BondBond13 Coeffs",
    "AngleAngle Coeffs",
    "Bond Type Labels",
    "Angle Type Labels",
];

struct Line<'a> {
    number: usize,
    words: Vec<&'a str>,
    comment: &'a str,
}

struct Section<'a> {
    name: &'static str,
    line: usize,
    comment: &'a str,
    lines: Vec<Line<'a>>,
}

#[derive(Default)]
struct Header {
    counts: HashMap<&'static str, usize>,
    bounds: [Option<[f64; 2]>; 3],
    tilt: DVec3,
}

pub(super) fn parse(text: &str) -> Result<DataFile, Problem> {
    let title = text.lines().next().unwrap_or_default().trim().to_string();
    let (header, sections) = split(text)?;
    let (cell, origin) = header.cell()?;
    let section = |name: &str| sections.iter().find(|s| s.name == name);

    let labels = section("Atom Type Labels").map(type_labels).transpose()?.unwrap_or_default();
    let masses = section("Masses").ok_or_else(|| missing("Masses", "`1 14.007 # N` for each atom type"))?;
    let types = header.check_count(masses, "atom types").and_then(|()| read_masses(masses, &labels))?;
    let atom_section = section("Atoms").ok_or_else(|| missing("Atoms", "`id molecule type q x y z`"))?;
    header.check_count(atom_section, "atoms")?;
    let atoms = read_atoms(atom_section, &cell)?;
    let velocities = section("Velocities")
        .map(|s| header.check_count(s, "atoms").and_then(|()| read_velocities(s, &atoms)))
        .transpose()?;
    let mut lists = ListCounts::default();
    for (name, key, count) in [
        ("Bonds", "bonds", &mut lists.bonds),
        ("Angles", "angles", &mut lists.angles),
        ("Dihedrals", "dihedrals", &mut lists.dihedrals),
        ("Impropers", "impropers", &mut lists.impropers),
    ] {
        if let Some(section) = section(name) {
            header.check_count(section, key)?;
            *count = section.lines.len();
        } else if let Some(n) = header.counts.get(key).filter(|n| **n > 0) {
            return Err(missing(name, &format!("{n} lines, as the header says")));
        }
    }
    let bonds = section("Bonds").map(|s| read_bonds(s, &atoms)).transpose()?.unwrap_or_default();
    Ok(DataFile { title, cell, origin, types, atoms, velocities, bonds, lists })
}

fn missing(section: &str, contents: &str) -> Problem {
    Problem::in_file(
        format!("there is no section `{section}`"),
        format!("add `{section}` with {contents}; a truncated file lacks its last sections"),
    )
}

/// Cuts the text into header and sections.
fn split(text: &str) -> Result<(Header, Vec<Section<'_>>), Problem> {
    let mut header = Header::default();
    let mut sections: Vec<Section> = Vec::new();
    for (index, raw) in text.lines().enumerate().skip(1) {
        let (content, comment) = raw.split_once('#').unwrap_or((raw, ""));
        let line =
            Line { number: index + 1, words: content.split_whitespace().collect(), comment: comment.trim() };
        if line.words.is_empty() {
            continue;
        }
        let joined = line.words.join(" ");
        if let Some(name) = READ.into_iter().chain(SKIPPED).find(|name| *name == joined) {
            if sections.iter().any(|s| s.name == name) {
                return Err(Problem::at(line.number, format!("a second section `{name}`"), "merge the two"));
            }
            sections.push(Section { name, line: line.number, comment: line.comment, lines: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            // Labels are words; everything else that starts a line in a section is a number.
            if line.words[0].starts_with(|c: char| c.is_alphabetic()) {
                return Err(Problem::at(
                    line.number,
                    format!("`{joined}` is no section that is known here"),
                    format!("remove it; sections that are read: {}", READ.join(", ")),
                ));
            }
            section.lines.push(line);
        } else {
            header.add(&line)?;
        }
    }
    Ok((header, sections))
}

impl Header {
    fn add(&mut self, line: &Line) -> Result<(), Problem> {
        let n = line.number;
        match line.words[..] {
            [count, key @ ("atoms" | "bonds" | "angles" | "dihedrals" | "impropers")] => {
                self.count(n, count, key)
            }
            [count, "atom", "types"] => self.count(n, count, "atom types"),
            [_, "bond" | "angle" | "dihedral" | "improper", "types"] | [.., "extra", _, "per", "atom"] => {
                Ok(())
            }
            [lo, hi, "xlo", "xhi"] => self.bound(n, 0, lo, hi),
            [lo, hi, "ylo", "yhi"] => self.bound(n, 1, lo, hi),
            [lo, hi, "zlo", "zhi"] => self.bound(n, 2, lo, hi),
            [xy, xz, yz, "xy", "xz", "yz"] => {
                self.tilt = DVec3::new(real(n, "xy", xy)?, real(n, "xz", xz)?, real(n, "yz", yz)?);
                Ok(())
            }
            [.., "avec" | "bvec" | "cvec"] | [.., "abc", "origin"] => Err(Problem::at(
                n,
                "a general triclinic cell (avec, bvec, cvec)",
                "write the file with `xlo xhi ... xy xz yz` (LAMMPS: write_data without `triclinic/general`)",
            )),
            _ => Err(Problem::at(
                n,
                format!("`{}` is no header line that is known here", line.words.join(" ")),
                "allowed are `N atoms`, `N atom types`, `N bonds` ..., `lo hi xlo xhi` (y, z alike), `xy xz yz xy xz yz`, \
                 then sections; is this a LAMMPS data file?",
            )),
        }
    }

    fn count(&mut self, line: usize, text: &str, key: &str) -> Result<(), Problem> {
        let keys = ["atoms", "bonds", "angles", "dihedrals", "impropers", "atom types"];
        let key = keys.into_iter().find(|k| *k == key).unwrap_or("atoms");
        let value = integer(line, key, text)?;
        self.counts.insert(key, usize::try_from(value).unwrap_or(usize::MAX));
        Ok(())
    }

    fn bound(&mut self, line: usize, axis: usize, lo: &str, hi: &str) -> Result<(), Problem> {
        let (lo, hi) = (real(line, "lower bound", lo)?, real(line, "upper bound", hi)?);
        if hi <= lo {
            return Err(Problem::at(
                line,
                format!("the upper bound {hi} is not above the lower bound {lo}"),
                "give lo hi in angstrom, lo first",
            ));
        }
        self.bounds[axis] = Some([lo, hi]);
        Ok(())
    }

    fn cell(&self) -> Result<(Cell, DVec3), Problem> {
        let mut origin = DVec3::ZERO;
        let mut edges = DVec3::ZERO;
        for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
            let [lo, hi] = self.bounds[axis].ok_or_else(|| {
                Problem::in_file(
                    format!("the header has no line `... {name}lo {name}hi`"),
                    format!("add the bounds of the cell, e.g. `0.0 33.8345 {name}lo {name}hi`"),
                )
            })?;
            origin[axis] = lo;
            edges[axis] = hi - lo;
        }
        let h = DMat3::from_cols(
            DVec3::new(edges.x, 0.0, 0.0),
            DVec3::new(self.tilt.x, edges.y, 0.0),
            DVec3::new(self.tilt.y, self.tilt.z, edges.z),
        );
        let cell =
            Cell::new(h).map_err(|e| Problem::in_file(e.to_string(), "check the bounds of the cell"))?;
        Ok((cell, origin))
    }

    fn check_count(&self, section: &Section, key: &str) -> Result<(), Problem> {
        let found = section.lines.len();
        match self.counts.get(key) {
            Some(&declared) if declared == found => Ok(()),
            Some(declared) => Err(Problem::at(
                section.line,
                format!("section `{}` has {found} lines, but the header says {declared} {key}", section.name),
                "complete the section (is the file truncated?) or correct the header",
            )),
            None => Err(Problem::at(
                section.line,
                format!(
                    "section `{}` has {found} lines, but the header has no line `{found} {key}`",
                    section.name
                ),
                "add it to the header",
            )),
        }
    }
}

fn type_labels(section: &Section) -> Result<HashMap<String, String>, Problem> {
    section
        .lines
        .iter()
        .map(|line| match line.words[..] {
            [number, label] => Ok((number.to_string(), label.to_string())),
            _ => Err(columns(line, "number label")),
        })
        .collect()
}

fn read_masses(
    section: &Section,
    labels: &HashMap<String, String>,
) -> Result<HashMap<String, AtomType>, Problem> {
    let mut types = HashMap::new();
    for line in &section.lines {
        let [kind, mass] = line.words[..] else { return Err(columns(line, "type mass")) };
        let value = real(line.number, "mass", mass)?;
        if value <= 0.0 {
            return Err(Problem::at(line.number, format!("the mass {mass} is not positive"), "give it in u"));
        }
        let comment = line.comment.split_whitespace().next().map(str::to_string);
        let name = labels.get(kind).cloned().or(comment);
        let entry = AtomType { line: line.number, mass: value, name };
        if types.insert(kind.to_string(), entry).is_some() {
            return Err(Problem::at(line.number, format!("a second mass for type {kind}"), "remove one"));
        }
    }
    // `Atoms` may use labels instead of numbers.
    for (number, label) in labels {
        if let Some(AtomType { line, mass, name }) = types.get(number) {
            let twin = AtomType { line: *line, mass: *mass, name: name.clone() };
            types.insert(label.clone(), twin);
        }
    }
    Ok(types)
}

fn read_atoms(section: &Section, cell: &Cell) -> Result<Vec<Atom>, Problem> {
    let style = section.comment.split_whitespace().next().unwrap_or("full");
    let (leading, layout) = match style {
        "full" => (4, "id molecule type q x y z [ix iy iz]"),
        "charge" => (3, "id type q x y z [ix iy iz]"),
        other => {
            return Err(Problem::at(
                section.line,
                format!("atom_style {other}"),
                "only `full` (with molecule ids) and `charge` (ions alone) are read; LAMMPS: atom_style full, write_data",
            ));
        }
    };
    let mut seen = HashSet::new();
    let mut atoms = Vec::with_capacity(section.lines.len());
    for line in &section.lines {
        let n = line.number;
        if line.words.len() != leading + 3 && line.words.len() != leading + 6 {
            return Err(columns(line, layout));
        }
        let id = integer(n, "atom id", line.words[0])?;
        if id == 0 || !seen.insert(id) {
            let found = if id == 0 { "atom id 0".to_string() } else { format!("atom id {id} a second time") };
            return Err(Problem::at(n, found, "give every atom its own positive id"));
        }
        let molecule = if leading == 4 { integer(n, "molecule id", line.words[1])? } else { 0 };
        let mut position = vector(n, "coordinate", &line.words[leading..leading + 3])?;
        if let [ix, iy, iz] = line.words[leading + 3..] {
            let image = DVec3::new(flag(n, ix)?, flag(n, iy)?, flag(n, iz)?);
            if image != DVec3::ZERO {
                position += cell.cartesian(image);
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
        return Err(Problem::at(section.line, "there are no atoms", "give at least one"));
    }
    Ok(atoms)
}

fn read_velocities(section: &Section, atoms: &[Atom]) -> Result<HashMap<u64, DVec3>, Problem> {
    let known: HashSet<u64> = atoms.iter().map(|a| a.id).collect();
    let mut velocities = HashMap::new();
    for line in &section.lines {
        let [id, ref components @ ..] = line.words[..] else { continue };
        if components.len() != 3 {
            return Err(columns(line, "id vx vy vz"));
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

fn read_bonds(section: &Section, atoms: &[Atom]) -> Result<Vec<[u64; 2]>, Problem> {
    let known: HashSet<u64> = atoms.iter().map(|a| a.id).collect();
    section
        .lines
        .iter()
        .map(|line| {
            let [_, _, a, b] = line.words[..] else { return Err(columns(line, "number type atom atom")) };
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

/// The decimal number `text` times 10^shift, as text.
pub(super) fn shift_exponent(text: &str, shift: i32) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) => format!("{mantissa}e{}", exponent.saturating_add(shift)),
        Err(_) => text.to_string(),
    }
}

fn columns(line: &Line, layout: &str) -> Problem {
    Problem::at(
        line.number,
        format!("{} columns: `{}`", line.words.len(), line.words.join(" ")),
        format!("the columns are `{layout}`"),
    )
}

fn vector(line: usize, what: &str, words: &[&str]) -> Result<DVec3, Problem> {
    Ok(DVec3::new(real(line, what, words[0])?, real(line, what, words[1])?, real(line, what, words[2])?))
}

fn real(line: usize, what: &str, text: &str) -> Result<f64, Problem> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Problem::at(
            line,
            format!("the {what} `{text}` is no finite number"),
            "give a decimal number",
        )),
    }
}

fn integer(line: usize, what: &str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::at(line, format!("`{text}` for {what} is no whole number from 0 on"), "give a whole number")
    })
}

fn flag(line: usize, text: &str) -> Result<f64, Problem> {
    text.parse::<i32>().map(f64::from).map_err(|_| {
        Problem::at(
            line,
            format!("the image flag `{text}` is no whole number"),
            "give whole numbers, or none at all",
        )
    })
}
