//! The header of a data file: how many of what, and the cell.

use std::collections::HashMap;

use glam::{DMat3, DVec3};
use vitrion_core::cell::Cell;

use super::Problem;
use super::numbers::{check_size, integer, real};
use super::sections::{Line, Section};
use crate::echo::echo;

/// What it says.
#[derive(Default)]
pub(super) struct Header {
    counts: HashMap<&'static str, usize>,
    bounds: [Option<[f64; 2]>; 3],
    tilt: DVec3,
    /// What it has that no configuration can be made of, though it may be said what the atoms are.
    pub refused: Vec<Problem>,
}

/// Keys whose counts are used.
const KEYS: [&str; 6] = ["atoms", "bonds", "angles", "dihedrals", "impropers", "atom types"];

impl Header {
    /// Takes a line.
    pub fn add(&mut self, line: &Line) -> Result<(), Problem> {
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
                check_size(n, "tilt", self.tilt)
            }
            [.., "avec" | "bvec" | "cvec"] | [.., "abc", "origin"] => {
                self.refused.push(Problem::at(
                    n,
                    "a general triclinic cell (avec, bvec, cvec)",
                    "write the file with `xlo xhi ... xy xz yz` (LAMMPS: write_data without `triclinic/general`)",
                ));
                Ok(())
            }
            [count, ref what @ ..] if is_count(count, what) => {
                self.other(n, count, &what.join(" "));
                Ok(())
            }
            _ => Err(Problem::at(
                n,
                format!("`{}` is no header line that is known here", echo(&line.words.join(" "))),
                "allowed are `N atoms`, `N atom types`, `N bonds` ..., `lo hi xlo xhi` (y, z alike), `xy xz yz xy xz yz`, \
                 then sections; is this a LAMMPS data file?",
            )),
        }
    }

    /// Counts of what is not simulated here: nothing, where they are zero.
    fn other(&mut self, line: usize, count: &str, what: &str) {
        if count.bytes().all(|b| b == b'0') {
            return;
        }
        let meaning = match what {
            "ellipsoids" | "lines" | "triangles" | "bodies" => "particles with a shape",
            "crossterms" => "CMAP corrections of proteins",
            _ => "a count that is not known here",
        };
        self.refused.push(Problem::at(
            line,
            format!("`{} {}`: {meaning}", echo(count), echo(what)),
            "only point-like atoms with the terms of the force field are simulated; remove them, or set the count to 0",
        ));
    }

    fn count(&mut self, line: usize, text: &str, key: &str) -> Result<(), Problem> {
        let key = KEYS.into_iter().find(|k| *k == key).unwrap_or("atoms");
        let value = integer(line, key, text)?;
        self.counts.insert(key, usize::try_from(value).unwrap_or(usize::MAX));
        Ok(())
    }

    fn bound(&mut self, line: usize, axis: usize, lo: &str, hi: &str) -> Result<(), Problem> {
        let (lo, hi) = (real(line, "lower bound", lo)?, real(line, "upper bound", hi)?);
        check_size(line, "bound", DVec3::new(lo, hi, 0.0))?;
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

    /// Cell and its corner.
    pub fn cell(&self) -> Result<(Cell, DVec3), Problem> {
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

    /// How many of `key` there are, if it says so.
    pub fn count_of(&self, key: &str) -> Option<usize> {
        self.counts.get(key).copied()
    }

    /// Whether a section has as many lines as there are of `key`.
    pub fn check_count(&self, section: &Section, key: &str) -> Result<(), Problem> {
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

/// `12 of something`.
fn is_count(count: &str, what: &[&str]) -> bool {
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    !what.is_empty() && what.iter().all(is_word) && count.bytes().all(|b| b.is_ascii_digit())
}
