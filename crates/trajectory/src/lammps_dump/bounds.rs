//! `ITEM: BOX BOUNDS`: cell, corner and boundaries of a frame.
//!
//! Three kinds (LAMMPS' manual, command `dump`): orthogonal, `lo hi` a line; `xy xz yz`, the bounds of the box that encloses a
//! restricted triclinic cell, and a tilt; `abc origin`, an edge vector and a coordinate of the corner a line (general
//! triclinic). Behind them stand two letters an edge, one a side: `p` periodic, `f` fixed, `s` and `m` shrink-wrapped.

use glam::{BVec3, DMat3, DVec3};
use vitrion_core::cell::Cell;

use super::LARGEST;
use crate::echo::echo;

/// The box of one frame, in the dump's own units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub cell: Cell,
    /// Corner of the cell.
    pub origin: DVec3,
    /// Letters of both sides of each edge, where the header has them.
    pub boundary: Option<[[char; 2]; 3]>,
}

impl Bounds {
    /// Reads the header and the three lines below it.
    pub fn parse(header: &str, rows: &[String]) -> Result<Self, String> {
        let mut words: Vec<&str> =
            header.strip_prefix("ITEM: BOX BOUNDS").unwrap_or(header).split_whitespace().collect();
        let kind = match words[..] {
            ["xy", "xz", "yz", ..] => Kind::Restricted,
            ["abc", "origin", ..] => Kind::General,
            _ => Kind::Orthogonal,
        };
        words.drain(..kind.words());
        let boundary = boundary(&words)?;
        let numbers = rows.iter().map(|row| kind.numbers(row)).collect::<Result<Vec<_>, String>>()?;
        let [x, y, z] = &numbers[..] else { return Err("a box of fewer than three lines".to_string()) };
        let (h, origin) = match kind {
            Kind::General => {
                (DMat3::from_cols(vector(x), vector(y), vector(z)), DVec3::new(x[3], y[3], z[3]))
            }
            Kind::Orthogonal | Kind::Restricted => restricted(x, y, z),
        };
        let cell = Cell::new(h).map_err(|e| e.to_string())?;
        Ok(Self { cell, origin, boundary })
    }

    /// Along which edges the system repeats itself; along all where the header does not say.
    pub fn periodic(&self) -> BVec3 {
        self.boundary.map_or(BVec3::TRUE, |edges| BVec3::from_array(edges.map(|sides| sides[0] == 'p')))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Orthogonal,
    Restricted,
    General,
}

impl Kind {
    /// Of the header.
    fn words(self) -> usize {
        match self {
            Self::Orthogonal => 0,
            Self::Restricted => 3,
            Self::General => 2,
        }
    }

    /// Of a line.
    fn numbers(self, row: &str) -> Result<Vec<f64>, String> {
        let wanted = match self {
            Self::Orthogonal => 2,
            Self::Restricted => 3,
            Self::General => 4,
        };
        let number = |word: &str| word.parse::<f64>().ok().filter(|x| x.abs() <= LARGEST);
        let mut numbers: Vec<f64> = row
            .split_whitespace()
            .map(|word| number(word).ok_or_else(|| format!("`{}` are no bounds of a box", echo(row))))
            .collect::<Result<_, String>>()?;
        // Some programs write tilts of zero without saying so.
        if numbers.len() == wanted + 1 && matches!(self, Self::Orthogonal) && numbers[2] == 0.0 {
            numbers.pop();
        }
        if numbers.len() == wanted {
            return Ok(numbers);
        }
        Err(format!("`{}` are {} numbers where the header announces {wanted}", echo(row), numbers.len()))
    }
}

fn vector(row: &[f64]) -> DVec3 {
    DVec3::new(row[0], row[1], row[2])
}

/// Edges and corner from the bounds of the enclosing box: xlo + min(0, xy, xz, xy + xz) ... (LAMMPS' manual, Howto triclinic).
fn restricted(x: &[f64], y: &[f64], z: &[f64]) -> (DMat3, DVec3) {
    let tilt = |row: &[f64]| row.get(2).copied().unwrap_or(0.0);
    let [xy, xz, yz] = [tilt(x), tilt(y), tilt(z)];
    let low = |values: &[f64]| values.iter().copied().fold(0.0, f64::min);
    let high = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let origin = DVec3::new(x[0] - low(&[xy, xz, xy + xz]), y[0] - low(&[yz]), z[0]);
    let end = DVec3::new(x[1] - high(&[xy, xz, xy + xz]), y[1] - high(&[yz]), z[1]);
    let edges = end - origin;
    let columns = [DVec3::new(edges.x, 0.0, 0.0), DVec3::new(xy, edges.y, 0.0), DVec3::new(xz, yz, edges.z)];
    (DMat3::from_cols(columns[0], columns[1], columns[2]), origin)
}

/// `pp pp ff`; `p p f`, as some programs write it, means the same; none where nothing stands there, or the words of the manual.
fn boundary(words: &[&str]) -> Result<Option<[[char; 2]; 3]>, String> {
    if words.is_empty() || words == ["xx", "yy", "zz"] {
        return Ok(None);
    }
    let wrong = |why: &str| format!("the boundaries `{}` {why}", echo(&words.join(" ")));
    if words.len() != 3 {
        return Err(wrong("are not those of three edges"));
    }
    let mut edges = [['p'; 2]; 3];
    for (edge, word) in edges.iter_mut().zip(words) {
        let letters: Vec<char> = word.chars().collect();
        *edge = match letters[..] {
            [both] => [both; 2],
            [low, high] => [low, high],
            _ => return Err(wrong("are not one letter a side")),
        };
        if edge.iter().any(|letter| !"pfsm".contains(*letter)) {
            return Err(wrong("hold another letter than p, f, s, m"));
        }
        if (edge[0] == 'p') != (edge[1] == 'p') {
            return Err(wrong("are periodic on one side of an edge only, which LAMMPS does not allow"));
        }
    }
    Ok(Some(edges))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(header: &str, rows: [&str; 3]) -> Result<Bounds, String> {
        Bounds::parse(&format!("ITEM: BOX BOUNDS {header}"), &rows.map(String::from))
    }

    #[test]
    fn triclinic_bounds_are_those_of_the_enclosing_box() {
        // lx = 10, ly = 9, lz = 8, xy = 2, xz = -3, yz = 1: bounds as in the LAMMPS manual, section 8.2.3.
        let found = bounds("xy xz yz pp pp pp", ["-3 12 2", "0 10 -3", "0 8 1"]).unwrap();
        let h = found.cell.matrix();
        assert_eq!(
            [h.x_axis, h.y_axis, h.z_axis],
            [DVec3::new(10.0, 0.0, 0.0), DVec3::new(2.0, 9.0, 0.0), DVec3::new(-3.0, 1.0, 8.0)]
        );
        assert_eq!(found.origin, DVec3::ZERO);
    }

    #[test]
    fn a_general_triclinic_box_is_three_vectors_and_a_corner() {
        let found = bounds("abc origin pp ff pp", ["4 1 0 -2", "-1 5 0 -3", "0.5 0.25 6 -4"]).unwrap();
        let h = found.cell.matrix();
        assert_eq!(
            [h.x_axis, h.y_axis, h.z_axis],
            [DVec3::new(4.0, 1.0, 0.0), DVec3::new(-1.0, 5.0, 0.0), DVec3::new(0.5, 0.25, 6.0)]
        );
        assert_eq!(found.origin, DVec3::new(-2.0, -3.0, -4.0));
        assert_eq!(found.periodic(), BVec3::new(true, false, true));
    }

    #[test]
    fn boundaries_are_read_from_their_letters_and_absent_ones_known_as_absent() {
        let rows = ["0 1", "0 1", "0 1"];
        let periodic = |header: &str| bounds(header, rows).unwrap().periodic();
        assert_eq!(periodic("pp fs mm"), BVec3::new(true, false, false));
        assert_eq!(periodic("p p f"), BVec3::new(true, true, false));
        for header in ["", "xx yy zz"] {
            let found = bounds(header, rows).unwrap();
            assert_eq!((found.boundary, found.periodic()), (None, BVec3::TRUE));
        }
        for (header, words) in [
            ("pp pf pp", "one side"),
            ("pp pp", "three edges"),
            ("pp pp qq", "another letter"),
            ("pp pp ppp", "one letter a side"),
        ] {
            assert!(bounds(header, rows).unwrap_err().contains(words), "{header}");
        }
    }

    #[test]
    fn bounds_that_are_none_are_refused() {
        assert!(bounds("pp pp pp", ["0 1 0", "0 1 0", "0 1 0"]).is_ok());
        for rows in [["0 1 0.2", "0 1 0", "0 1 0"], ["0", "0 1", "0 1"], ["0 x", "0 1", "0 1"]] {
            assert!(bounds("pp pp pp", rows).is_err(), "{rows:?}");
        }
        for high in ["nan", "inf", "1e300", "-1", "0"] {
            assert!(bounds("", [&format!("0 {high}"), "0 1", "0 1"]).is_err(), "{high}");
        }
    }
}
