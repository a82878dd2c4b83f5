//! Writes trajectories of any system: atoms with species, positions and a cell, and what else their source says.
//!
//! The layout is that of `/particles/all` in Vitrion's own files, with positions in f64 as they came; `image` counts the cells
//! that wrapped atoms have crossed. There are no centres, stages or thermo.

use std::path::{Path, PathBuf};

use glam::{BVec3, DVec3};
use hdf5::{File, Group};
use vitrion_core::cell::Cell;

use super::elements::{Clock, LENGTH, create_box, timed_group, write_fixed};
use super::series::{Series, attribute, text, texts};
use super::{H5mdError, options, write_error};

/// What the atoms are.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainHeader {
    /// Names of the species.
    pub names: Vec<String>,
    /// Per atom: index into `names`.
    pub species: Vec<usize>,
    /// Per atom: its molecule, from 0.
    pub molecules: Option<Vec<usize>>,
    /// Per atom (u).
    pub masses: Option<Vec<f64>>,
    /// Per atom (e).
    pub charges: Option<Vec<f64>>,
    /// Whether frames come with images.
    pub images: bool,
}

/// An open file.
pub struct PlainWriter {
    path: PathBuf,
    file: File,
    clock: Clock,
    edges: Series<f64>,
    images: Option<Series<i32>>,
    position: Series<f64>,
    frames: usize,
}

impl PlainWriter {
    /// Creates the file; one that exists is not overwritten.
    pub fn create(path: &Path, header: &PlainHeader) -> Result<Self, H5mdError> {
        if path.symlink_metadata().is_ok() {
            return Err(H5mdError::Exists { path: path.to_path_buf() });
        }
        Self::begin(path, header).map_err(write_error(path, "a new trajectory"))
    }

    /// Names the edges along which the system repeats itself; all, unless this is called.
    pub fn with_boundary(self, periodic: BVec3) -> Result<Self, H5mdError> {
        let name = || -> hdf5::Result<()> {
            let group = self.file.group("particles/all/box")?;
            let boundary =
                <[bool; 3]>::from(periodic).map(|edge| text(if edge { "periodic" } else { "none" }));
            group.delete_attr("boundary")?;
            group.new_attr_builder().with_data(&boundary).create("boundary")?;
            Ok(())
        };
        name().map_err(write_error(&self.path, "the boundary"))?;
        Ok(self)
    }

    /// Names the particles by ids, one an atom, as their source does; without this call they have none.
    pub fn with_ids(self, ids: &[u64]) -> Result<Self, H5mdError> {
        let write = || -> hdf5::Result<()> {
            let ids: Vec<i64> = ids.iter().map(|id| id.cast_signed()).collect();
            self.file.group("particles/all")?.new_dataset_builder().with_data(&ids).create("id")?;
            Ok(())
        };
        write().map_err(write_error(&self.path, "the ids"))?;
        Ok(self)
    }

    fn begin(path: &Path, header: &PlainHeader) -> hdf5::Result<Self> {
        let file = options().create(path)?;
        let h5md = file.create_group("h5md")?;
        h5md.new_attr_builder().with_data(&[1_i32, 1]).create("version")?;
        let author = h5md.create_group("author")?;
        attribute(&author, "name", "unknown")?;
        let creator = h5md.create_group("creator")?;
        attribute(&creator, "name", "vitrion convert")?;
        attribute(&creator, "version", env!("CARGO_PKG_VERSION"))?;
        let all = file.create_group("particles/all")?;
        let edges_group = create_box(&all)?;
        let clock = Clock::create(&edges_group)?;
        let edges = Series::create(&edges_group, "value", &[3, 3], LENGTH, f64::NAN)?;
        describe(&all, header)?;
        let n = header.species.len();
        let images = if header.images {
            Some(Series::create(&timed_group(&all, "image")?, "value", &[n, 3], "", 0)?)
        } else {
            None
        };
        let position = Series::create(&timed_group(&all, "position")?, "value", &[n, 3], LENGTH, f64::NAN)?;
        Ok(Self { path: path.to_path_buf(), file, clock, edges, images, position, frames: 0 })
    }

    /// Appends a frame at `time` (ps): positions (angstrom) and, if the header announces them, images.
    pub fn append(
        &mut self,
        step: i64,
        time: f64,
        cell: &Cell,
        positions: &[DVec3],
        images: Option<&[DVec3]>,
    ) -> Result<(), H5mdError> {
        let numbers = |vectors: &[DVec3]| vectors.iter().flat_map(DVec3::to_array).collect::<Vec<f64>>();
        let at = self.frames;
        let write = || -> hdf5::Result<()> {
            self.clock.write(at, &[step], &[time])?;
            // Columns of h are the edge vectors, so its column-major numbers are the rows that H5MD wants.
            self.edges.write(at, &cell.matrix().to_cols_array())?;
            if let (Some(series), Some(images)) = (&self.images, images) {
                let counts: Vec<i32> = numbers(images).iter().map(|n| n.round() as i32).collect();
                series.write(at, &counts)?;
            }
            self.position.write(at, &numbers(positions))
        };
        write().map_err(write_error(&self.path, &format!("the frame of step {step}")))?;
        self.frames += 1;
        Ok(())
    }

    /// Hands everything to the operating system.
    pub fn finish(self) -> Result<(), H5mdError> {
        self.file.flush().map_err(write_error(&self.path, "what is buffered"))
    }
}

fn describe(group: &Group, header: &PlainHeader) -> hdf5::Result<()> {
    let species: Vec<i32> = header.species.iter().map(|s| (*s as u32).cast_signed()).collect();
    let dataset = group.new_dataset_builder().with_data(&species).create("species")?;
    let names = texts(header.names.iter().map(String::as_str));
    dataset.new_attr_builder().with_data(&names).create("names")?;
    if let Some(molecules) = &header.molecules {
        let numbers: Vec<i64> = molecules.iter().map(|m| (*m as u64 + 1).cast_signed()).collect();
        group.new_dataset_builder().with_data(&numbers).create("molecule")?;
    }
    if let Some(masses) = &header.masses {
        write_fixed(group, "mass", masses, "u")?;
    }
    if let Some(charges) = &header.charges {
        write_fixed(group, "charge", charges, "e")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h5md::TrajectoryReader;

    #[test]
    fn ids_beyond_the_number_of_atoms_are_those_of_a_part() {
        let directory = tempfile::tempdir().unwrap();
        let header = PlainHeader {
            names: vec!["N".into()],
            species: vec![0; 3],
            molecules: None,
            masses: None,
            charges: None,
            images: false,
        };
        for (name, ids, whole) in [("part", [1, 2, 4], false), ("from-0", [0, 1, 2], true)] {
            let path = directory.path().join(name);
            let mut writer = PlainWriter::create(&path, &header).unwrap().with_ids(&ids).unwrap();
            writer.append(0, 0.0, &Cell::cubic(10.0).unwrap(), &[DVec3::ONE; 3], None).unwrap();
            writer.finish().unwrap();
            let reader = TrajectoryReader::open(&path).unwrap();
            assert_eq!((reader.particles(), reader.is_whole()), (3, whole), "{name}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.h5");
        let header = PlainHeader {
            names: vec!["N".into(), "O".into()],
            species: vec![0, 1, 1],
            molecules: Some(vec![0, 0, 1]),
            masses: Some(vec![14.0, 16.0, 16.0]),
            charges: None,
            images: true,
        };
        let mut writer = PlainWriter::create(&path, &header).unwrap().with_ids(&[1, 2, 3]).unwrap();
        let cell = Cell::cubic(10.0).unwrap();
        let positions = [0.1, 2.5, 9.9].map(DVec3::splat);
        let images = [DVec3::ZERO, DVec3::new(-1.0, 0.0, 2.0), DVec3::ONE];
        for step in [5, 7] {
            writer.append(step, step as f64 * 0.5, &cell, &positions, Some(&images)).unwrap();
        }
        writer.finish().unwrap();
        assert!(matches!(PlainWriter::create(&path, &header), Err(H5mdError::Exists { .. })));
        let reader = TrajectoryReader::open(&path).unwrap();
        assert_eq!((reader.frames(), reader.step(1), reader.time(1)), (2, 7, 3.5));
        assert_eq!(reader.positions(1).unwrap(), positions);
        assert_eq!(reader.images(0).unwrap().unwrap(), images);
        assert_eq!(reader.species().unwrap().unwrap().names, ["N", "O"]);
        assert_eq!(reader.molecules().unwrap().unwrap(), [0, 0, 1]);
        assert_eq!(reader.cell(0).unwrap().unwrap(), cell);
        assert!(reader.ids() == Some(&[1, 2, 3]) && reader.is_whole());
    }
}
