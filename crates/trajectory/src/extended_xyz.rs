//! Extended XYZ out: a text format that ASE and OVITO read, any cell.
//!
//! One block a frame: the number of atoms; a line of `key=value` (`Lattice` with the three edge vectors and `Origin`, if there is a
//! cell, `Properties`, `pbc`, `Step`, `Time` in ps); one line an atom (species, position in angstrom, velocity in angstrom/ps if
//! there is one). Numbers carry the fewest digits that determine them.
//!
//! ASE takes nothing but symbols of elements for species. Where a name is none, all such atoms are `X`, its placeholder, and a column
//! `species_number` tells them apart: by their names, if these are whole numbers, else by their places, from 1, in `species_names`.
//! The file is at its place when it is complete ([`crate::new_file`]).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_core::topology::Topology;

use crate::new_file::NewFile;

/// What is written of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Step number; programs may count from below zero.
    pub step: i64,
    /// Time (ps).
    pub time: f64,
    /// Cell; none where there is none.
    pub cell: Option<&'a Cell>,
    /// Along which of its edges the system repeats itself.
    pub periodic: [bool; 3],
    /// Corner of the cell (angstrom).
    pub origin: DVec3,
    /// Per atom (angstrom).
    pub positions: &'a [DVec3],
    /// Per atom (A/ps).
    pub velocities: Option<&'a [DVec3]>,
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExtendedXyzError {
    /// The system refuses.
    #[error("{}: cannot be written: {source}; {remedy}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A frame of another system.
    #[error(
        "{}: step {step} has {found} positions or velocities for {expected} atoms; write each system to a file of its own",
        path.display()
    )]
    AtomCount {
        /// The file.
        path: PathBuf,
        /// Step of the frame.
        step: i64,
        /// Length of its array.
        found: usize,
        /// Atoms in the file.
        expected: usize,
    },
}

/// A file being written, frame by frame.
pub struct ExtendedXyzWriter {
    path: PathBuf,
    species: Species,
    output: BufWriter<File>,
    file: NewFile,
}

impl ExtendedXyzWriter {
    /// Begins the file; one that exists is not overwritten.
    pub fn create(path: &Path, topology: &Topology) -> Result<Self, ExtendedXyzError> {
        let species = topology.atom_species.iter().map(|&s| topology.species[s].name.clone()).collect();
        Self::with_species(path, species)
    }

    /// Begins the file for atoms with these species names.
    pub fn with_species(path: &Path, species: Vec<String>) -> Result<Self, ExtendedXyzError> {
        let create = || {
            let file = NewFile::at(path)?;
            Ok((BufWriter::new(File::create_new(file.beside())?), file))
        };
        let (output, file) = create().map_err(|source| failed(path, source))?;
        Ok(Self { path: path.to_path_buf(), species: Species::new(species), output, file })
    }

    /// Appends a frame.
    pub fn write(&mut self, frame: &Frame) -> Result<(), ExtendedXyzError> {
        for found in
            [frame.positions.len(), frame.velocities.map_or(self.species.names.len(), <[DVec3]>::len)]
        {
            if found != self.species.names.len() {
                return Err(ExtendedXyzError::AtomCount {
                    path: self.path.clone(),
                    step: frame.step,
                    found,
                    expected: self.species.names.len(),
                });
            }
        }
        write_block(&mut self.output, &self.species, frame).map_err(|source| failed(&self.path, source))
    }

    /// Writes what is buffered to the disk and puts the file at its place. Without this, there is no file.
    pub fn finish(self) -> Result<(), ExtendedXyzError> {
        let Self { path, mut output, file, .. } = self;
        output.flush().and_then(|()| file.settle()).map_err(|source| failed(&path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> ExtendedXyzError {
    let remedy = if source.kind() == io::ErrorKind::AlreadyExists {
        "remove it first or choose another name"
    } else {
        "check the directory, its permissions and the space left"
    };
    ExtendedXyzError::Write { path: path.to_path_buf(), source, remedy }
}

/// Names of the atoms as they are written.
struct Species {
    /// Per atom: the symbol of an element, or `X`.
    names: Vec<String>,
    /// Per atom, where there is a name that is no element.
    numbers: Option<Vec<i64>>,
    /// What the numbers stand for, where they are no names themselves.
    legend: Option<String>,
}

impl Species {
    fn new(names: Vec<String>) -> Self {
        if names.iter().all(|name| is_element(name)) {
            return Self { names, numbers: None, legend: None };
        }
        let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
        let mut kinds: Vec<&String> = names.iter().collect();
        kinds.sort();
        kinds.dedup();
        // A space would end the name, a quotation mark the list.
        let clean = |name: &&String| name.replace(|c: char| c.is_whitespace() || c == '"', "_");
        let legend = numbers.is_none().then(|| kinds.iter().map(clean).collect::<Vec<_>>().join(" "));
        let place = |name: &String| kinds.partition_point(|kind| *kind < name) as u64 + 1;
        let numbers = numbers.unwrap_or_else(|| names.iter().map(|n| place(n).cast_signed()).collect());
        let symbol = |name: &String| if is_element(name) { name.clone() } else { "X".to_string() };
        Self { names: names.iter().map(symbol).collect(), numbers: Some(numbers), legend }
    }
}

/// Symbols of the elements, and what ASE calls an atom of none.
const SYMBOLS: &str = " X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo \
     Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra \
     Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og ";

fn is_element(name: &str) -> bool {
    !name.is_empty() && !name.contains(' ') && SYMBOLS.contains(&format!(" {name} "))
}

fn write_block(output: &mut impl Write, species: &Species, frame: &Frame) -> io::Result<()> {
    writeln!(output, "{}", species.names.len())?;
    let mut periodic = frame.periodic;
    match frame.cell {
        Some(cell) => {
            let h = cell.matrix();
            let lattice = [h.x_axis, h.y_axis, h.z_axis].map(spaced).join(" ");
            write!(output, "Lattice=\"{lattice}\" Origin=\"{}\" ", spaced(frame.origin))?;
        }
        None => periodic = [false; 3],
    }
    let number = if species.numbers.is_some() { ":species_number:I:1" } else { "" };
    let velocity = if frame.velocities.is_some() { ":vel:R:3" } else { "" };
    let pbc = periodic.map(|along| if along { "T" } else { "F" }).join(" ");
    write!(
        output,
        "Properties=species:S:1{number}:pos:R:3{velocity} pbc=\"{pbc}\" Step={} Time={}",
        frame.step, frame.time
    )?;
    if let Some(legend) = &species.legend {
        write!(output, " species_names=\"{legend}\"")?;
    }
    writeln!(output)?;
    for (atom, (name, position)) in species.names.iter().zip(frame.positions).enumerate() {
        write!(output, "{name} ")?;
        if let Some(numbers) = &species.numbers {
            write!(output, "{} ", numbers[atom])?;
        }
        write!(output, "{}", spaced(*position))?;
        match frame.velocities {
            Some(velocities) => writeln!(output, " {}", spaced(velocities[atom]))?,
            None => writeln!(output)?,
        }
    }
    Ok(())
}

fn spaced(v: DVec3) -> String {
    format!("{} {} {}", v.x, v.y, v.z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::rigid;
    use glam::DMat3;

    #[test]
    fn frames_carry_cell_time_and_every_digit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.xyz");
        let force_field = rigid();
        let topology = Topology::new(force_field.species, force_field.kinds, &[2, 1]);
        let columns = [DVec3::new(10.0, 0.0, 0.0), DVec3::new(1.5, 9.0, 0.0), DVec3::new(0.0, -0.25, 8.0)];
        let cell = Cell::new(DMat3::from_cols(columns[0], columns[1], columns[2])).unwrap();
        let positions = [DVec3::new(0.1, 1.0 / 3.0, -2.0), DVec3::new(5.0, 6.0, 7.0)];
        let mut frame = Frame {
            step: 5_000_000_000,
            time: 20_000_000.0,
            cell: Some(&cell),
            periodic: [true; 3],
            origin: DVec3::new(-1.0, 0.0, 0.0),
            positions: &positions,
            velocities: None,
        };
        let mut writer = ExtendedXyzWriter::create(&path, &topology).unwrap();
        writer.write(&frame).unwrap();
        assert!(!path.exists(), "not before it is complete");
        frame.velocities = Some(&positions);
        frame.step = -3;
        writer.write(&frame).unwrap();
        frame.positions = &positions[..1];
        let error = writer.write(&frame).unwrap_err().to_string();
        assert!(error.contains("step -3 has 1 positions or velocities for 2 atoms"), "{error}");
        writer.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "2",
                "Lattice=\"10 0 0 1.5 9 0 0 -0.25 8\" Origin=\"-1 0 0\" Properties=species:S:1:pos:R:3 pbc=\"T T T\" \
                 Step=5000000000 Time=20000000",
                "Ca 0.1 0.3333333333333333 -2",
                "K 5 6 7",
            ]
        );
        assert!(
            lines[5].contains("Properties=species:S:1:pos:R:3:vel:R:3 ") && lines[5].contains(" Step=-3 ")
        );
        assert_eq!(lines[7], "K 5 6 7 5 6 7");
        let error = ExtendedXyzWriter::create(&path, &topology).err().unwrap().to_string();
        assert!(error.contains("remove it first"), "{error}");
    }

    #[test]
    fn species_that_are_no_elements_become_numbers_and_steps_keep_their_sign() {
        let directory = tempfile::tempdir().unwrap();
        let block = |names: &[&str], cell: Option<&Cell>| {
            let path = directory.path().join(names.join("-"));
            let species = names.iter().map(ToString::to_string).collect();
            let mut writer = ExtendedXyzWriter::with_species(&path, species).unwrap();
            let positions = vec![DVec3::ONE; names.len()];
            let (periodic, origin) = ([true, true, false], DVec3::ZERO);
            let frame = Frame {
                step: -3,
                time: -0.5,
                cell,
                periodic,
                origin,
                positions: &positions,
                velocities: None,
            };
            writer.write(&frame).unwrap();
            writer.finish().unwrap();
            std::fs::read_to_string(&path).unwrap()
        };
        assert_eq!(
            block(&["8", "-7"], Some(&Cell::cubic(9.0).unwrap())),
            "2\nLattice=\"9 0 0 0 9 0 0 0 9\" Origin=\"0 0 0\" Properties=species:S:1:species_number:I:1:pos:R:3 pbc=\"T T F\" \
             Step=-3 Time=-0.5\nX 8 1 1 1\nX -7 1 1 1\n"
        );
        assert_eq!(
            block(&["OW", "K", "Hw 1"], None),
            "3\nProperties=species:S:1:species_number:I:1:pos:R:3 pbc=\"F F F\" Step=-3 Time=-0.5 species_names=\"Hw_1 K OW\"\n\
             X 3 1 1 1\nK 2 1 1 1\nX 1 1 1 1\n"
        );
    }

    #[test]
    fn a_full_disk_is_reported() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.xyz");
        let output = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut writer = ExtendedXyzWriter {
            file: NewFile::at(&path).unwrap(),
            path,
            species: Species::new(vec!["K".to_string()]),
            output: BufWriter::new(output),
        };
        let cell = Cell::cubic(10.0).unwrap();
        let frame = Frame {
            step: 0,
            time: 0.0,
            cell: Some(&cell),
            periodic: [true; 3],
            origin: DVec3::ZERO,
            positions: &[DVec3::ONE],
            velocities: None,
        };
        writer.write(&frame).unwrap();
        let error = writer.finish().unwrap_err().to_string();
        assert!(error.contains("x.xyz: cannot be written") && error.contains("space left"), "{error}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
