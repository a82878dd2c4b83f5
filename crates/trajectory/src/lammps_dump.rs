//! LAMMPS dumps (`dump custom` and `dump atom`, text) as trajectories.
//!
//! A frame: `ITEM: TIMESTEP`, `ITEM: NUMBER OF ATOMS`, `ITEM: BOX BOUNDS` (orthogonal, or `xy xz yz` triclinic with the bounds
//! of the bounding box, as LAMMPS writes them), `ITEM: ATOMS` with named columns. Positions: `xu yu zu` or `xsu ysu zsu`
//! (unwrapped), else `x y z` or `xs ys zs`, with `ix iy iz` if they are there. Atoms may come in any order, by their `id`;
//! without ids, in the order of the lines. `ITEM: TIME` is read if it is there.
//! Lengths are angstrom, as in `units real` and `units metal`. The file is indexed once (its cells are kept); frames are read one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use glam::{DMat3, DVec3};
use vitrion_core::cell::Cell;

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
    /// Something in the file is not as the format asks for.
    #[error("{}, frame {frame}: {found}; {remedy}", path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// Number of the frame, from 0.
        frame: usize,
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
    /// Periodic cell.
    pub cell: Cell,
    /// Corner of the cell (angstrom).
    pub origin: DVec3,
    /// Per atom: its id, from 1 in the order of the lines where the file has none.
    pub ids: Vec<u64>,
    /// Per atom (angstrom).
    pub positions: Vec<DVec3>,
    /// Per atom: how many cells it has crossed, if the file says so; positions are wrapped then.
    pub images: Option<Vec<DVec3>>,
    /// Whether positions are unwrapped as they are.
    pub unwrapped: bool,
    /// Per atom: its `element` or else its `type`, if the file has such a column.
    pub types: Option<Vec<String>>,
}

/// Where a frame begins, and what is known of it.
struct Entry {
    start: u64,
    step: i64,
    cell: Cell,
}

/// An indexed dump.
pub struct LammpsDump {
    path: PathBuf,
    index: Vec<Entry>,
    /// Per frame: its time as the file has it, if it has (`ITEM: TIME`).
    times: Option<Vec<f64>>,
    incomplete: bool,
}

impl LammpsDump {
    /// Finds the frames of a file. A frame at the end that is not complete is left out.
    pub fn open(path: &Path) -> Result<Self, LammpsDumpError> {
        let read = |source| LammpsDumpError::Read { path: path.to_path_buf(), source };
        let mut lines = BufReader::with_capacity(1 << 20, File::open(path).map_err(read)?);
        let mut dump = Self { path: path.to_path_buf(), index: Vec::new(), times: None, incomplete: false };
        let mut times = Vec::new();
        let mut place = 0u64;
        let mut line = Vec::new();
        loop {
            match dump.scan(&mut lines, &mut place, &mut line, &mut times) {
                Ok(Scan::Frame) => {}
                Ok(Scan::End) => break,
                Ok(Scan::Cut) => {
                    dump.incomplete = true;
                    break;
                }
                Err(ScanError::Read(e)) => return Err(read(e)),
                Err(ScanError::Text(found)) => return Err(dump.problem(dump.index.len(), found)),
            }
        }
        if dump.index.is_empty() {
            return Err(dump.problem(0, "it holds no complete frame".to_string()));
        }
        if times.len() == dump.index.len() {
            dump.times = Some(times);
        }
        Ok(dump)
    }

    /// Walks over one frame without looking at its atoms.
    fn scan(
        &mut self,
        lines: &mut impl BufRead,
        place: &mut u64,
        line: &mut Vec<u8>,
        times: &mut Vec<f64>,
    ) -> Result<Scan, ScanError> {
        let start = *place;
        let mut next = |line: &mut Vec<u8>, place: &mut u64| -> Result<Option<String>, ScanError> {
            line.clear();
            let n = lines.read_until(b'\n', line).map_err(ScanError::Read)?;
            *place += n as u64;
            if n == 0 || line.last() != Some(&b'\n') {
                return Ok(None);
            }
            Ok(Some(String::from_utf8_lossy(line).trim().to_string()))
        };
        let (mut step, mut atoms, mut cell, mut begun) = (None, None, None, false);
        loop {
            let Some(text) = next(line, place)? else {
                return Ok(if begun || *place > start { Scan::Cut } else { Scan::End });
            };
            if text.is_empty() && !begun {
                continue;
            }
            begun = true;
            let mut value = || next(line, place);
            if text == "ITEM: TIMESTEP" {
                let Some(text) = value()? else { return Ok(Scan::Cut) };
                step =
                    Some(text.parse::<i64>().map_err(|_| ScanError::Text(format!("`{text}` is no step")))?);
            } else if text == "ITEM: NUMBER OF ATOMS" {
                let Some(text) = value()? else { return Ok(Scan::Cut) };
                let n = text.parse::<usize>();
                atoms = Some(n.map_err(|_| ScanError::Text(format!("`{text}` is no number of atoms")))?);
            } else if text == "ITEM: TIME" {
                let Some(text) = value()? else { return Ok(Scan::Cut) };
                times.push(text.parse().map_err(|_| ScanError::Text(format!("`{text}` is no time")))?);
            } else if text.starts_with("ITEM: BOX BOUNDS") {
                let mut rows = Vec::new();
                for _ in 0..3 {
                    let Some(row) = value()? else { return Ok(Scan::Cut) };
                    rows.push(row);
                }
                let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
                cell = Some(parse_box(&text, &rows).map_err(ScanError::Text)?.0);
            } else if text.starts_with("ITEM: ATOMS") {
                let (Some(step), Some(atoms), Some(cell)) = (step, atoms, cell) else {
                    return Err(ScanError::Text(
                        "`ITEM: ATOMS` comes before its step, number or box".to_string(),
                    ));
                };
                for _ in 0..atoms {
                    if value()?.is_none() {
                        return Ok(Scan::Cut);
                    }
                }
                self.index.push(Entry { start, step, cell });
                return Ok(Scan::Frame);
            } else if text.starts_with("ITEM:") {
                if value()?.is_none() {
                    return Ok(Scan::Cut);
                }
            } else {
                return Err(ScanError::Text(format!("`{text}`, where a line `ITEM: ...` is expected")));
            }
        }
    }

    fn problem(&self, frame: usize, found: String) -> LammpsDumpError {
        LammpsDumpError::Frame {
            path: self.path.clone(),
            frame,
            found,
            remedy: "give a text dump of LAMMPS with the columns id and x y z (or xs, xu, ix ...); is the file damaged?".to_string(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Complete frames.
    pub fn frames(&self) -> usize {
        self.index.len()
    }

    /// Whether the file ends within a frame.
    pub fn is_cut(&self) -> bool {
        self.incomplete
    }

    /// Steps of the frames.
    pub fn steps(&self) -> Vec<i64> {
        self.index.iter().map(|entry| entry.step).collect()
    }

    /// Cell of a frame.
    pub fn cell(&self, frame: usize) -> Option<Cell> {
        self.index.get(frame).map(|entry| entry.cell)
    }

    /// Times of the frames in the file's unit, if it has `ITEM: TIME`.
    pub fn times(&self) -> Option<&[f64]> {
        self.times.as_deref()
    }

    /// Reads a frame.
    pub fn frame(&self, number: usize) -> Result<DumpFrame, LammpsDumpError> {
        let read = |source| LammpsDumpError::Read { path: self.path.clone(), source };
        let Some(&Entry { start, step, .. }) = self.index.get(number) else {
            return Err(self.problem(number, format!("there are {} frames", self.index.len())));
        };
        let mut file = File::open(&self.path).map_err(read)?;
        file.seek(SeekFrom::Start(start)).map_err(read)?;
        let mut text = String::new();
        match self.index.get(number + 1) {
            Some(next) => file.take(next.start - start).read_to_string(&mut text).map_err(read)?,
            None => file.read_to_string(&mut text).map_err(read)?,
        };
        parse_frame(&text, step).map_err(|found| self.problem(number, found))
    }
}

enum Scan {
    Frame,
    /// Nothing is left.
    End,
    /// The file ends within a frame.
    Cut,
}

enum ScanError {
    Read(std::io::Error),
    Text(String),
}

fn parse_frame(text: &str, step: i64) -> Result<DumpFrame, String> {
    let mut lines = text.lines();
    let (mut atoms, mut bounds) = (0, None);
    while let Some(line) = lines.next() {
        if line.starts_with("ITEM: NUMBER OF ATOMS") {
            let number = lines.next().unwrap_or_default().trim();
            atoms = number.parse().map_err(|_| format!("`{number}` is no number of atoms"))?;
        } else if line.starts_with("ITEM: BOX BOUNDS") {
            let rows: Vec<&str> = lines.by_ref().take(3).collect();
            bounds = Some(parse_box(line, &rows)?);
        } else if let Some(columns) = line.strip_prefix("ITEM: ATOMS") {
            let (cell, origin) = bounds.ok_or("`ITEM: ATOMS` comes before `ITEM: BOX BOUNDS`")?;
            let names: Vec<&str> = columns.split_whitespace().collect();
            let rows: Vec<&str> = lines.by_ref().take(atoms).collect();
            return parse_atoms(&names, &rows, step, cell, origin);
        }
    }
    Err("it has no `ITEM: ATOMS`".to_string())
}

/// Bounds as LAMMPS writes them: of the box that encloses a triclinic cell.
fn parse_box(header: &str, rows: &[&str]) -> Result<(Cell, DVec3), String> {
    if header.contains("abc origin") {
        return Err("a general triclinic box; write the dump without `triclinic/general`".to_string());
    }
    let numbers: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let words = row.split_whitespace();
            words.map(|w| w.parse().map_err(|_| format!("`{row}` are no bounds of a box"))).collect()
        })
        .collect::<Result<_, String>>()?;
    let triclinic = header.contains("xy xz yz");
    if numbers.len() != 3 || numbers.iter().any(|row| row.len() < 2 + usize::from(triclinic)) {
        return Err(format!("`{}` are no bounds of a box", rows.join(" | ")));
    }
    let [xy, xz, yz] = if triclinic { [numbers[0][2], numbers[1][2], numbers[2][2]] } else { [0.0; 3] };
    let low = |values: &[f64]| values.iter().copied().fold(0.0, f64::min);
    let high = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let origin =
        DVec3::new(numbers[0][0] - low(&[xy, xz, xy + xz]), numbers[1][0] - low(&[yz]), numbers[2][0]);
    let end =
        DVec3::new(numbers[0][1] - high(&[xy, xz, xy + xz]), numbers[1][1] - high(&[yz]), numbers[2][1]);
    let edges = end - origin;
    let h = DMat3::from_cols(
        DVec3::new(edges.x, 0.0, 0.0),
        DVec3::new(xy, edges.y, 0.0),
        DVec3::new(xz, yz, edges.z),
    );
    Ok((Cell::new(h).map_err(|e| e.to_string())?, origin))
}

fn parse_atoms(
    names: &[&str],
    rows: &[&str],
    step: i64,
    cell: Cell,
    origin: DVec3,
) -> Result<DumpFrame, String> {
    let column = |name: &str| names.iter().position(|n| *n == name);
    let triple = |a: &str, b: &str, c: &str| Some([column(a)?, column(b)?, column(c)?]);
    let scaled = |s: DVec3| origin + cell.cartesian(s);
    let (place, fractional, unwrapped) = if let Some(place) = triple("xu", "yu", "zu") {
        (place, false, true)
    } else if let Some(place) = triple("xsu", "ysu", "zsu") {
        (place, true, true)
    } else if let Some(place) = triple("x", "y", "z") {
        (place, false, false)
    } else if let Some(place) = triple("xs", "ys", "zs") {
        (place, true, false)
    } else {
        return Err(format!("the columns `{}` hold no positions", names.join(" ")));
    };
    let image_columns = triple("ix", "iy", "iz").filter(|_| !unwrapped);
    let (id_column, type_column) = (column("id"), column("element").or(column("type")));
    let mut atoms = Vec::with_capacity(rows.len());
    for (number, row) in (1..).zip(rows) {
        let words: Vec<&str> = row.split_whitespace().collect();
        if words.len() < names.len() {
            return Err(format!("`{row}` has {} columns, not {}", words.len(), names.len()));
        }
        let vector = |[x, y, z]: [usize; 3]| -> Result<DVec3, String> {
            let number = |i: usize| {
                words[i].parse::<f64>().map_err(|_| format!("`{}` in `{row}` is no number", words[i]))
            };
            Ok(DVec3::new(number(x)?, number(y)?, number(z)?))
        };
        let id = match id_column {
            Some(i) => words[i].parse::<u64>().map_err(|_| format!("`{}` is no atom id", words[i]))?,
            None => number,
        };
        let position = vector(place)?;
        let position = if fractional { scaled(position) } else { position };
        let image = image_columns.map(vector).transpose()?;
        atoms.push((id, position, image, type_column.map(|i| words[i].to_string())));
    }
    atoms.sort_by_key(|a| a.0);
    if let Some(pair) = atoms.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("atom id {} occurs twice", pair[0].0));
    }
    Ok(DumpFrame {
        step,
        cell,
        origin,
        ids: atoms.iter().map(|a| a.0).collect(),
        positions: atoms.iter().map(|a| a.1).collect(),
        images: atoms.iter().map(|a| a.2).collect(),
        unwrapped,
        types: atoms.into_iter().map(|a| a.3).collect(),
    })
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
        assert_eq!((dump.frames(), dump.steps(), dump.is_cut()), (2, vec![50, 100], false));
        let frame = dump.frame(1).unwrap();
        assert_eq!(frame.ids, [1, 2]);
        assert_eq!(frame.positions[1], DVec3::new(4.0, 5.0, 3.0));
        assert_eq!(frame.images.unwrap()[1], DVec3::new(0.0, -1.0, 2.0));
        assert_eq!(frame.types.unwrap(), ["3", "1"]);
        assert_eq!((frame.origin.x, frame.cell.volume()), (-1.0, 6000.0));
    }

    #[test]
    fn triclinic_bounds_are_those_of_the_enclosing_box() {
        // lx = 10, ly = 9, lz = 8, xy = 2, xz = -3, yz = 1: bounds as in the LAMMPS manual, section 8.2.3.
        let text = "\
ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
1
ITEM: BOX BOUNDS xy xz yz pp pp pp
-3 12 2
0 10 -3
0 8 1
ITEM: ATOMS id xu yu zu
1 25 1 2
";
        let (_directory, dump) = dump(text);
        let frame = dump.unwrap().frame(0).unwrap();
        let h = frame.cell.matrix();
        assert_eq!(
            [h.x_axis, h.y_axis, h.z_axis],
            [DVec3::new(10.0, 0.0, 0.0), DVec3::new(2.0, 9.0, 0.0), DVec3::new(-3.0, 1.0, 8.0)]
        );
        assert_eq!(frame.origin, DVec3::ZERO);
        assert!(frame.unwrapped && frame.images.is_none());
    }

    #[test]
    fn a_file_cut_anywhere_keeps_its_complete_frames_or_says_why_not() {
        let text = ORTHOGONAL.repeat(3);
        let whole = ORTHOGONAL.len();
        for cut in (0..text.len()).step_by(7) {
            let (_directory, found) = dump(&text[..cut]);
            match found {
                Ok(dump) => {
                    assert!(dump.frames() == cut / whole && dump.is_cut() == (cut % whole > 0), "{cut}");
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
