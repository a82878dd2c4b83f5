//! Atom types: their masses, labels, and what is written beside them.

use std::collections::HashMap;

use super::Problem;
use super::numbers::real;
use super::sections::Section;
use crate::echo::echo;

/// An atom type.
#[derive(Debug)]
pub(super) struct AtomType {
    /// Line of its mass, else of an atom of it.
    pub line: usize,
    /// Its number, or its label where no number is given.
    pub number: String,
    pub label: Option<String>,
    /// Mass (u) and its text.
    pub mass: Option<(f64, String)>,
    /// Beside its mass.
    pub comment: String,
}

impl AtomType {
    /// What the file calls it: its label, else the first word beside its mass.
    pub fn name(&self) -> Option<&str> {
        self.label.as_deref().or_else(|| self.comment.split_whitespace().next())
    }
}

/// All atom types, by number and by label.
#[derive(Debug, Default)]
pub(super) struct AtomTypes {
    pub list: Vec<AtomType>,
    index: HashMap<String, usize>,
}

impl AtomTypes {
    /// Index of a type that `Atoms` calls by number or label.
    pub fn find(&self, word: &str) -> Option<usize> {
        self.index.get(word).copied()
    }

    /// Numbers and labels, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.index.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Says of an atom, in `line`, that its type is none of these.
    pub fn no_mass(&self, line: usize, id: u64, kind: &str) -> Problem {
        Problem::at(
            line,
            format!("atom {id} has type {}, which has no mass", echo(kind)),
            format!("add it to `Masses`; types there: {}", echo(&self.names().join(", "))),
        )
    }

    fn push(&mut self, kind: AtomType) {
        let at = self.list.len();
        if let Some(label) = &kind.label {
            self.index.insert(label.clone(), at);
        }
        self.index.insert(kind.number.clone(), at);
        self.list.push(kind);
    }

    /// From `Masses` (whose lines begin with a number or a label) and `Atom Type Labels`.
    pub fn from_masses(masses: &Section, labels: Option<&Section>) -> Result<Self, Problem> {
        let labels = labels.map(read_labels).transpose()?.unwrap_or_default();
        let numbers: HashMap<&str, &str> = labels.iter().map(|(n, l)| (l.as_str(), n.as_str())).collect();
        let mut types = Self::default();
        for line in &masses.lines {
            let [word, text] = line.words[..] else { return Err(line.columns("type mass")) };
            let value = real(line.number, "mass", text)?;
            if value <= 0.0 {
                return Err(Problem::at(
                    line.number,
                    format!("the mass {text} is not positive"),
                    "give it in u",
                ));
            }
            let number = numbers.get(word).copied().unwrap_or(word).to_string();
            let by_word = (word.parse::<u64>().is_err() && number == word).then(|| word.to_string());
            let label = labels.get(&number).cloned().or(by_word);
            if types.find(&number).is_some() {
                return Err(Problem::at(
                    line.number,
                    format!("a second mass for type {number}"),
                    "remove one",
                ));
            }
            types.push(AtomType {
                line: line.number,
                number,
                label,
                mass: Some((value, text.to_string())),
                comment: line.comment.to_string(),
            });
        }
        Ok(types)
    }

    /// Where there are no masses: the types that have labels, and those that atoms have.
    pub fn without_masses<'a>(
        labels: Option<&Section>,
        of_atoms: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<Self, Problem> {
        let mut types = Self::default();
        let plain = |line, number: &str, label| AtomType {
            line,
            number: number.to_string(),
            label,
            mass: None,
            comment: String::new(),
        };
        let read = labels.map(read_labels).transpose()?.unwrap_or_default();
        let line = labels.map_or(0, |section| section.line);
        for (number, label) in read {
            types.push(plain(line, &number, Some(label)));
        }
        for (line, word) in of_atoms {
            if types.find(word).is_none() {
                let label = word.parse::<u64>().is_err().then(|| word.to_string());
                types.push(plain(line, word, label));
            }
        }
        Ok(types)
    }
}

fn read_labels(section: &Section) -> Result<HashMap<String, String>, Problem> {
    section
        .lines
        .iter()
        .map(|line| match line.words[..] {
            [number, label] => Ok((number.to_string(), label.to_string())),
            _ => Err(line.columns("number label")),
        })
        .collect()
}
