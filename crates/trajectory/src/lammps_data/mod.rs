//! LAMMPS data files (`read_data` format), `units real`, in and out.
//!
//! Read: `atom_style full` (assumed when the `Atoms` header carries no `# style`) and `charge`; orthogonal and triclinic
//! cells; ids in any order; image flags; velocities. An atom type is the species that its `Masses` comment or type label
//! names, else the only one whose mass is within 0.01 u; the charges must be those of the force field. Atoms with the same
//! molecule id form a molecule (atoms with id 0: those that bonds connect), which must have the composition of a kind of
//! the force field; it supplies all bonded terms, so bond, angle and improper lists of the file are counted and otherwise
//! ignored. Type labels may stand for the numbers of types. Where a kind has several atoms of one species, they follow in the order of their ids.
//!
//! Coordinates come back unwrapped by the image flags, if there are any, and every molecule whole: where a molecule is
//! split by the boundary, atoms are moved by cell vectors to the shortest distance from their nearest neighbour in it.

mod atom_styles;
mod atom_types;
mod description;
mod elements;
mod header;
mod matching;
mod molecules;
mod names;
mod numbers;
mod parse;
mod sections;
mod state;
mod write;

#[cfg(test)]
mod description_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_core::force_field::ForceField;
use vitrion_core::topology::Topology;

pub use description::{Description, describe};
pub use elements::{atomic_weight, is_element};
pub use molecules::{Grouping, molecules};
pub use state::{LARGEST_DEVIATION, NotRigid};
pub use write::write;

/// One configuration, as a LAMMPS data file holds it, in Vitrion's units and order of atoms.
#[derive(Clone, Debug, PartialEq)]
pub struct LammpsSystem {
    /// First line of the file.
    pub title: String,
    /// Composition; molecules in the order of their smallest atom id.
    pub topology: Topology,
    /// Periodic cell.
    pub cell: Cell,
    /// Corner (xlo, ylo, zlo) of the cell (angstrom).
    pub origin: DVec3,
    /// Per atom: its id in the file.
    pub ids: Vec<u64>,
    /// Per molecule: its id in the file; 0 for none.
    pub molecule_ids: Vec<u64>,
    /// Per atom: Cartesian position in the file's frame (angstrom), molecules whole, possibly outside the cell.
    pub positions: Vec<DVec3>,
    /// Per atom: velocity (A/ps), if the file has velocities.
    pub velocities: Option<Vec<DVec3>>,
    /// What the file lists beside atoms.
    pub lists: ListCounts,
}

/// Lengths of the bonded lists in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListCounts {
    /// `Bonds`.
    pub bonds: usize,
    /// `Angles`.
    pub angles: usize,
    /// `Dihedrals`.
    pub dihedrals: usize,
    /// `Impropers`.
    pub impropers: usize,
}

/// Why a LAMMPS data file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LammpsDataError {
    /// The file cannot be opened or read.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {source}; {remedy}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A line does not say what the format asks for.
    #[error("{}, line {line}: {found}; {remedy}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is there.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// The file as a whole does not hold together.
    #[error("{}: {found}; {remedy}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What to do.
        remedy: String,
    },
}

/// A finding and its remedy, before the place is known: at a line, or about the file as a whole (line 0).
#[derive(Debug)]
struct Problem {
    line: usize,
    found: String,
    remedy: String,
}

impl Problem {
    fn at(line: usize, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line, found: found.into(), remedy: remedy.into() }
    }

    fn in_file(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::at(0, found, remedy)
    }

    fn place(self, path: &Path) -> LammpsDataError {
        let Self { line, found, remedy } = self;
        let path = path.to_path_buf();
        if line == 0 {
            LammpsDataError::File { path, found, remedy }
        } else {
            LammpsDataError::Line { path, line, found, remedy }
        }
    }
}

/// Reads a data file and matches it with a force field.
pub fn read(path: &Path, force_field: &ForceField) -> Result<LammpsSystem, LammpsDataError> {
    from_text(&text(path)?, path, force_field)
}

/// The text of a file that should be LAMMPS data. Bytes beyond ASCII, which titles and comments may have, are UTF-8, or else
/// Latin-1.
pub fn text(path: &Path) -> Result<String, LammpsDataError> {
    let bytes =
        std::fs::read(path).map_err(|source| LammpsDataError::Read { path: path.to_path_buf(), source })?;
    decode(bytes).map_err(|problem| problem.place(path))
}

fn decode(bytes: Vec<u8>) -> Result<String, Problem> {
    let (found, remedy) = match bytes[..] {
        [0x1f, 0x8b, ..] => ("this is compressed (gzip)", "unpack it with gunzip"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("this is text in UTF-16", "save it as UTF-8 or ASCII"),
        [0x89, b'H', b'D', b'F', ..] => {
            ("this is not a text file but HDF5", "give a LAMMPS data file, as `write_data` makes it")
        }
        _ if bytes.contains(&0) => {
            ("this is not a text file", "give a LAMMPS data file, as `write_data` makes it")
        }
        _ => {
            return Ok(String::from_utf8(bytes)
                .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect()));
        }
    };
    Err(Problem::in_file(found, remedy))
}

/// Like [`read`], with the text of the file at hand; errors name it `path`.
pub fn from_text(text: &str, path: &Path, force_field: &ForceField) -> Result<LammpsSystem, LammpsDataError> {
    read_text(text, force_field).map_err(|problem| problem.place(path))
}

fn read_text(text: &str, force_field: &ForceField) -> Result<LammpsSystem, Problem> {
    matching::build(parse::parse(text)?, force_field)
}
