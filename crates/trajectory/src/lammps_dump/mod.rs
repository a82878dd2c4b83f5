//! LAMMPS dumps (`dump custom` and `dump atom`, text) as trajectories.
//!
//! A frame: `ITEM: TIMESTEP`, `ITEM: NUMBER OF ATOMS`, `ITEM: BOX BOUNDS` (see `bounds`), `ITEM: ATOMS` with named columns.
//! Positions: `xu yu zu` or `xsu ysu zsu` (unwrapped), else `x y z` or `xs ys zs`, with `ix iy iz` if they are there: the first of
//! these that a file has is taken. Atoms may come in any order, by their `id`; without ids, in the order of the lines.
//! `ITEM: TIME` and `ITEM: UNITS` are read if they are there.
//! Lengths are angstrom, times ps and masses u, whatever the units of the file. The file is indexed once (its cells are kept); frames are
//! read one at a time. A frame that repeats the one before, as LAMMPS writes it where one run ends and the next begins, is left out.

mod atoms;
mod bounds;
mod index;
mod repeats;
mod units;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use glam::{BVec3, DVec3};
use vitrion_core::cell::Cell;

use atoms::Atoms;
pub use atoms::Labels;
use bounds::Bounds;
pub use index::End;
use index::{Entry, Fault, Index, ScanError};
pub use units::Units;

/// Positions and boxes beyond this (angstrom: 100 m) are no numbers that anything was computed with.
const LARGEST: f64 = 1e12;

/// Why a dump cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LammpsDumpError {
    /// The system refuses.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file as a whole is not as the format asks for.
    #[error("{}: {found}; {remedy}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// Something in a frame is not as the format asks for.
    #[error("{}, frame {frame}, line {line}: {found}; {remedy}", path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// Number of the frame, from 0.
        frame: usize,
        /// Line of the file, from 1.
        line: u64,
        /// What is there.
        found: String,
        /// What to do.
        remedy: String,
    },
}

/// One frame, atoms in the order of their ids.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpFrame {
    /// Step.
    pub step: i64,
    /// Periodic cell (angstrom).
    pub cell: Cell,
    /// Corner of the cell (angstrom).
    pub origin: DVec3,
    /// Whether the file has ids.
    pub has_ids: bool,
    /// Per atom: its id, from 1 in the order of the lines where the file has none.
    pub ids: Vec<u64>,
    /// Per atom (angstrom).
    pub positions: Vec<DVec3>,
    /// Per atom: how many cells it has crossed, if the file says so; positions are wrapped then.
    pub images: Option<Vec<DVec3>>,
    /// Whether positions are unwrapped as they are.
    pub unwrapped: bool,
    /// Per atom: its `typelabel`, or else its `type`, if the file has these columns.
    pub types: Option<Labels>,
    /// Per atom: its `element`, if the file has this column.
    pub elements: Option<Labels>,
    /// Per atom: its `mol`, if the file has this column; 0 for atoms of no molecule.
    pub molecules: Option<Vec<u64>>,
    /// Per atom: its `mass` (u), if the file has this column.
    pub masses: Option<Vec<f64>>,
}

/// An indexed dump.
pub struct LammpsDump {
    path: PathBuf,
    index: Index,
    /// Units that the file does not name, but the user.
    said: Option<Units>,
    /// Steps of frames that repeated the frame before them.
    repeated: Vec<i64>,
    /// The first frame that would, if it did not count cells anew.
    recounted: Option<usize>,
}

impl LammpsDump {
    /// Finds the frames of a file. A frame at the end that is not complete is left out.
    pub fn open(path: &Path) -> Result<Self, LammpsDumpError> {
        let read = |source| LammpsDumpError::Read { path: path.to_path_buf(), source };
        let lines = BufReader::with_capacity(1 << 20, File::open(path).map_err(read)?);
        let mut dump = Self {
            path: path.to_path_buf(),
            index: Index::default(),
            said: None,
            repeated: Vec::new(),
            recounted: None,
        };
        dump.index = match index::scan(lines) {
            Ok(index) => index,
            Err(ScanError::Read(source)) => return Err(read(source)),
            Err(ScanError::Frame(frame, fault)) => return Err(dump.fault(frame, fault)),
        };
        if dump.index.entries.is_empty() {
            let remedy = match dump.index.end {
                End::WithinLastLine => {
                    "its last line ends without a line break, so that its last number may be cut: add one if it is not"
                }
                _ => "give a text dump of LAMMPS with a frame that was written to its end",
            };
            return Err(dump.unfit("it holds no complete frame", remedy));
        }
        dump.leave_out_repeats();
        Ok(dump)
    }

    /// In the units that a user says a file is in which does not name them. `lj` has no unit of length, and is refused.
    pub fn in_units(mut self, said: Option<Units>) -> Result<Self, LammpsDumpError> {
        if let (Some(own), Some(said)) = (self.index.units, said)
            && own != said
        {
            return Err(self.unfit(
                format!("it says that its units are {}, --units says {}", own.name(), said.name()),
                "leave --units out, or correct `ITEM: UNITS` if that is wrong",
            ));
        }
        self.said = said;
        if self.units() == Some(Units::Lj) {
            return Err(self.unfit(
                "its units are lj, in which lengths are multiples of sigma and times of tau: they are no lengths and times",
                "multiply them by those of the substance that is meant, and name the units that they are in then (`ITEM: UNITS` and `real` at the head of the file)",
            ));
        }
        Ok(self)
    }

    fn fault(&self, frame: usize, fault: Fault) -> LammpsDumpError {
        let Fault { line, found, remedy } = fault;
        LammpsDumpError::Frame { path: self.path.clone(), frame, line, found, remedy }
    }

    fn unfit(&self, found: impl Into<String>, remedy: impl Into<String>) -> LammpsDumpError {
        LammpsDumpError::File { path: self.path.clone(), found: found.into(), remedy: remedy.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Complete frames.
    pub fn frames(&self) -> usize {
        self.index.entries.len()
    }

    /// How the file ends.
    pub fn end(&self) -> End {
        self.index.end
    }

    /// Steps of frames that are left out, because they repeat the frame before them.
    pub fn repeated(&self) -> &[i64] {
        &self.repeated
    }

    /// The first frame that shows the moment of the frame before it, but with atoms whole cells away from where that one has
    /// them, by its images or unwrapped positions: displacements across it are none.
    pub fn recounted(&self) -> Option<usize> {
        self.recounted
    }

    /// Names of the columns of the first frame.
    pub fn columns(&self) -> &[String] {
        &self.index.columns
    }

    /// Units of the file, as it names them or the user.
    pub fn units(&self) -> Option<Units> {
        self.index.units.or(self.said)
    }

    /// Units that its numbers are read in: LAMMPS' `real` where nobody names any.
    fn scale(&self) -> Units {
        self.units().unwrap_or(Units::Real)
    }

    /// Steps of the frames.
    pub fn steps(&self) -> Vec<i64> {
        self.index.entries.iter().map(|entry| entry.step).collect()
    }

    /// Numbers of atoms of the frames.
    pub fn atoms(&self) -> impl Iterator<Item = usize> {
        self.index.entries.iter().map(|entry| entry.atoms)
    }

    /// Cell of a frame (angstrom).
    pub fn cell(&self, frame: usize) -> Option<Cell> {
        self.index.entries.get(frame).map(|entry| self.scaled(&entry.bounds).0)
    }

    /// Whether cell and corner are the same in all frames.
    pub fn has_constant_cell(&self) -> bool {
        let same = |a: &Bounds, b: &Bounds| a.cell == b.cell && a.origin == b.origin;
        self.index.entries.windows(2).all(|pair| same(&pair[0].bounds, &pair[1].bounds))
    }

    /// Letters of the boundaries of a frame (`p`, `f`, `s`, `m`), two an edge, if its header has them.
    pub fn boundary(&self, frame: usize) -> Option<[[char; 2]; 3]> {
        self.index.entries.get(frame).and_then(|entry| entry.bounds.boundary)
    }

    /// Along which edges the system repeats itself in a frame; along all where its header does not say.
    pub fn periodic(&self, frame: usize) -> BVec3 {
        self.index.entries.get(frame).map_or(BVec3::TRUE, |entry| entry.bounds.periodic())
    }

    /// Times of the frames (ps), of those that have `ITEM: TIME`.
    pub fn times(&self) -> Vec<Option<f64>> {
        let unit = self.scale().time();
        self.index.entries.iter().map(|entry| entry.time.map(|t| t * unit)).collect()
    }

    /// Cell and corner (angstrom).
    fn scaled(&self, bounds: &Bounds) -> (Cell, DVec3) {
        let unit = self.scale().length();
        // To the bit as they are where they are angstrom.
        if unit == 1.0 {
            (bounds.cell, bounds.origin)
        } else {
            (bounds.cell.scaled(unit), bounds.origin * unit)
        }
    }

    /// Reads a frame.
    pub fn frame(&self, number: usize) -> Result<DumpFrame, LammpsDumpError> {
        let Some(entry) = self.index.entries.get(number) else {
            return Err(self.unfit(
                format!("there is no frame {number}"),
                format!("there are {}, from 0", self.frames()),
            ));
        };
        let (cell, origin) = self.scaled(&entry.bounds);
        let bytes = self.bytes(entry)?;
        let units = self.scale();
        let atoms = parse(&bytes, entry, units.length()).map_err(|fault| self.fault(number, fault))?;
        let length = units.length();
        let scaled = |r: DVec3| if length == 1.0 { r } else { r * length };
        Ok(DumpFrame {
            step: entry.step,
            cell,
            origin,
            has_ids: atoms.has_ids,
            ids: atoms.ids,
            positions: atoms.positions.into_iter().map(scaled).collect(),
            images: atoms.images,
            unwrapped: atoms.unwrapped,
            types: atoms.types,
            elements: atoms.elements,
            molecules: atoms.molecules,
            masses: atoms.masses.map(|masses| masses.into_iter().map(|m| m * units.mass()).collect()),
        })
    }

    fn bytes(&self, entry: &Entry) -> Result<Vec<u8>, LammpsDumpError> {
        let read = |source| LammpsDumpError::Read { path: self.path.clone(), source };
        let mut file = File::open(&self.path).map_err(read)?;
        file.seek(SeekFrom::Start(entry.start)).map_err(read)?;
        let mut bytes = Vec::new();
        file.take(entry.end - entry.start).read_to_end(&mut bytes).map_err(read)?;
        Ok(bytes)
    }
}

/// The atoms of a frame, in the dump's own units.
fn parse(bytes: &[u8], entry: &Entry, scale: f64) -> Result<Atoms, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = entry.line + bytes[..e.valid_up_to()].split(|b| *b == b'\n').count() as u64 - 1;
        Fault::at(line, "bytes that are no text", "give a text dump; is the file damaged?")
    })?;
    let mut lines = text.lines().zip(entry.line..);
    let changed = || {
        Fault::at(entry.line, "the file has changed while it was read", "try again when its writer is done")
    };
    let (columns, line) =
        lines.by_ref().find(|(line, _)| line.trim_start().starts_with("ITEM: ATOMS")).ok_or_else(changed)?;
    let names: Vec<&str> = columns.split_whitespace().skip(2).collect();
    let rows: Vec<&str> = lines.map(|(line, _)| line).collect();
    let atoms = atoms::parse(&names, &rows, line + 1, &entry.bounds, scale)?;
    if atoms.ids.len() == entry.atoms { Ok(atoms) } else { Err(changed()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(text: &str) -> (tempfile::TempDir, Result<LammpsDump, LammpsDumpError>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lammpstrj");
        std::fs::write(&path, text).unwrap();
        let dump = LammpsDump::open(&path);
        (directory, dump)
    }

    const ORTHOGONAL: &str = "\
ITEM: TIMESTEP
100
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
-1 9
0 20
0 30
ITEM: ATOMS id type xs ys zs ix iy iz
2 1 0.5 0.25 0.1 0 -1 2
1 3 0.1 0 0 0 0 0
";

    #[test]
    fn scaled_positions_with_images_are_sorted_by_id() {
        let (_directory, dump) = dump(&ORTHOGONAL.repeat(2).replacen("100", "50", 1));
        let dump = dump.unwrap();
        assert_eq!((dump.frames(), dump.steps(), dump.end()), (2, vec![50, 100], End::Whole));
        let frame = dump.frame(1).unwrap();
        assert_eq!(frame.ids, [1, 2]);
        assert_eq!(frame.positions[1], DVec3::new(4.0, 5.0, 3.0));
        assert_eq!(frame.images.unwrap()[1], DVec3::new(0.0, -1.0, 2.0));
        let types = frame.types.unwrap();
        assert_eq!((types.name(0), types.name(1)), ("3", "1"));
        assert_eq!((frame.origin.x, frame.cell.volume()), (-1.0, 6000.0));
    }

    #[test]
    fn a_file_cut_anywhere_keeps_its_complete_frames_or_says_why_not() {
        let text: String = ["100", "200", "300"].map(|step| ORTHOGONAL.replacen("100", step, 1)).concat();
        let whole = ORTHOGONAL.len();
        // All eight columns of the second atom.
        let is_last = |line: &str| line.starts_with("1 3 ") && line.split_whitespace().count() == 8;
        for cut in 0..text.len() {
            let (_directory, found) = dump(&text[..cut]);
            match found {
                Ok(dump) => {
                    let end = match cut % whole {
                        0 => End::Whole,
                        _ if text[whole * (cut / whole)..cut].lines().last().is_some_and(is_last) => {
                            End::WithinLastLine
                        }
                        _ => End::WithinFrame,
                    };
                    assert_eq!((dump.frames(), dump.end()), (cut / whole, end), "{cut}");
                    assert!((0..dump.frames()).all(|f| dump.frame(f).is_ok()));
                }
                Err(error) => {
                    assert!(cut < whole && error.to_string().contains("no complete frame"), "{error}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_dump_is_refused_with_its_place() {
        for (text, words) in [
            ("hello\nworld\n", "`hello`"),
            (&ORTHOGONAL.replace("100\n", "ten\n"), "no step"),
            (&ORTHOGONAL.replace("-1 9", "9 -1"), "volume"),
        ] {
            let (_directory, found) = dump(text);
            assert!(found.err().unwrap().to_string().contains(words));
        }
        for (old, new, words) in [
            ("0.25", "O.25", "no number"),
            ("xs ys zs", "vx vy vz", "no positions"),
            ("\n1 3", "\n2 3", "occurs twice"),
        ] {
            let (_directory, found) = dump(&ORTHOGONAL.replace(old, new));
            let error = found.unwrap().frame(0).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("frame 0"), "{error}");
        }
    }
}
