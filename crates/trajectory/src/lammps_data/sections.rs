//! From text to a header and sections of lines, nothing yet about what they mean.

use super::Problem;
use super::header::Header;
use crate::echo::echo;

/// Sections that are read.
const READ: [&str; 8] =
    ["Masses", "Atom Type Labels", "Atoms", "Velocities", "Bonds", "Angles", "Dihedrals", "Impropers"];
/// Sections that other force fields own.
const SKIPPED: [&str; 18] = [
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
    "Dihedral Type Labels",
    "Improper Type Labels",
];

/// A line that is not blank, without its comment.
pub(super) struct Line<'a> {
    pub number: usize,
    pub words: Vec<&'a str>,
    pub comment: &'a str,
}

impl Line<'_> {
    /// That it has not the columns `layout`.
    pub fn columns(&self, layout: &str) -> Problem {
        Problem::at(
            self.number,
            format!("{} columns: `{}`", self.words.len(), echo(&self.words.join(" "))),
            format!("the columns are `{layout}`"),
        )
    }
}

/// A section and its lines.
pub(super) struct Section<'a> {
    pub name: String,
    pub line: usize,
    pub comment: &'a str,
    pub lines: Vec<Line<'a>>,
}

/// Header and sections of a file.
pub(super) struct Sections<'a> {
    pub header: Header,
    pub list: Vec<Section<'a>>,
    /// Lines where sections begin that are neither read nor known.
    pub unknown: Vec<(usize, String)>,
}

impl<'a> Sections<'a> {
    /// Cuts the text into header and sections.
    pub fn new(text: &'a str) -> Result<Self, Problem> {
        let mut found = Self { header: Header::default(), list: Vec::new(), unknown: Vec::new() };
        let mut after_blank = false;
        for (index, raw) in text.lines().enumerate().skip(1) {
            let (content, comment) = raw.split_once('#').unwrap_or((raw, ""));
            let words: Vec<&str> = content.split_whitespace().collect();
            let line = Line { number: index + 1, words, comment: comment.trim() };
            if line.words.is_empty() {
                after_blank |= raw.trim().is_empty();
                continue;
            }
            found.add(line, after_blank)?;
            after_blank = false;
        }
        Ok(found)
    }

    fn add(&mut self, line: Line<'a>, after_blank: bool) -> Result<(), Problem> {
        let name = line.words.join(" ");
        let known = READ.into_iter().chain(SKIPPED).any(|known| *known == name);
        if known && self.section(&name).is_some() {
            return Err(Problem::at(line.number, format!("a second section `{name}`"), "merge the two"));
        }
        // Lines of a section begin with a number or, with type labels, a word, but then have numbers after it.
        let words_only = line.words[0].starts_with(|c: char| c.is_alphabetic())
            && line.words.iter().all(|word| word.parse::<f64>().is_err());
        let in_section = !self.list.is_empty();
        if known || (in_section && after_blank && words_only) {
            if !known {
                self.unknown.push((line.number, echo(&name)));
            }
            let Line { number, comment, .. } = line;
            self.list.push(Section { name, line: number, comment, lines: Vec::new() });
            return Ok(());
        }
        match self.list.last_mut() {
            Some(section) => {
                section.lines.push(line);
                Ok(())
            }
            None => self.header.add(&line),
        }
    }

    /// The section called `name`.
    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.list.iter().find(|section| section.name == name)
    }

    /// The section called `name`, with as many lines as the header says of `key`.
    pub fn counted(&self, name: &str, key: &str) -> Result<Option<&Section<'a>>, Problem> {
        let section = self.section(name);
        if let Some(section) = section {
            self.header.check_count(section, key)?;
        }
        Ok(section)
    }

    /// A list of bonds, angles ...: none only if the header has none.
    pub fn list(&self, name: &str, key: &str) -> Result<Option<&Section<'a>>, Problem> {
        let section = self.counted(name, key)?;
        match self.header.count_of(key) {
            Some(n) if n > 0 && section.is_none() => {
                Err(missing(name, &format!("{n} lines, as the header says")))
            }
            _ => Ok(section),
        }
    }

    /// Refuses what a configuration cannot be made of.
    pub fn refuse_unknown(&mut self) -> Result<(), Problem> {
        if let Some(problem) = self.header.refused.drain(..).next() {
            return Err(problem);
        }
        match self.unknown.first() {
            None => Ok(()),
            Some((line, name)) => Err(Problem::at(
                *line,
                format!("`{name}` is no section that is known here"),
                format!("remove it; sections that are read: {}", READ.join(", ")),
            )),
        }
    }
}

/// That a section is not there.
pub(super) fn missing(section: &str, contents: &str) -> Problem {
    Problem::in_file(
        format!("there is no section `{section}`"),
        format!("add `{section}` with {contents}; a truncated file lacks its last sections"),
    )
}
