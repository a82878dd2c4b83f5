//! Force-field files: TOML in which every number carries its unit and every entry its source.
//!
//! The files of `configs/force_fields/` show the format.

use std::path::Path;

use toml::Spanned;

use super::ForceField;
use super::born_mayer_huggins::BornMayerHuggins;
use super::close_approach::has_wall;
use crate::topology::{MoleculeKind, Species, Topology};
use crate::units::{COULOMB, Dimension, parse_quantity};
use entries::{File, PairEntry, SpeciesEntry, Text};

mod entries;
mod molecules;

/// The default force field, rigid nitrates.
pub const CKN_RIGID: &str = include_str!("../../../../configs/force_fields/ckn-rigid.toml");
/// The same with flexible nitrates.
pub const CKN_FLEXIBLE: &str = include_str!("../../../../configs/force_fields/ckn-flexible.toml");

/// Why a force field cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ForceFieldError {
    /// The file cannot be read.
    #[error(
        "{path}: the force field cannot be read: {source}; give the path of a force-field file, or a built-in name: ckn-rigid, ckn-flexible"
    )]
    Read {
        /// Path.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key or a wrong type.
    #[error("{file}: {message}")]
    Syntax {
        /// File.
        file: String,
        /// What the parser says, with the place.
        message: String,
    },
    /// An entry that makes no sense.
    #[error("{file}, line {line}: {place}: {problem}")]
    Entry {
        /// File.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Which entry and key.
        place: String,
        /// What was found, what is allowed, what to do.
        problem: String,
    },
    /// A molecule that the file does not describe.
    #[error("force field {force_field} has no molecule \"{name}\"; it has {known}")]
    UnknownMolecule {
        /// Name of the force field.
        force_field: String,
        /// Name asked for.
        name: String,
        /// Names that it has.
        known: String,
    },
    /// The composition carries a charge.
    #[error("the system carries a charge of {charge:+} e; an Ewald sum needs a neutral one: {composition}")]
    Charged {
        /// Total charge (e).
        charge: f64,
        /// Composition with the charge of each molecule.
        composition: String,
    },
}

/// The text being read, for errors with lines.
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn error<T>(&self, at: &Spanned<T>, place: &str, problem: impl Into<String>) -> ForceFieldError {
        let line = self.text[..at.span().start].matches('\n').count() + 1;
        ForceFieldError::Entry {
            file: self.file.to_owned(),
            line,
            place: place.to_owned(),
            problem: problem.into(),
        }
    }

    /// A list without entries, which has no line of its own.
    fn empty(&self, list: &str, problem: &str) -> ForceFieldError {
        ForceFieldError::Entry {
            file: self.file.to_owned(),
            line: 1,
            place: format!("[[{list}]]"),
            problem: problem.to_owned(),
        }
    }

    fn quantity(&self, text: &Text, dimension: Dimension, place: &str) -> Result<f64, ForceFieldError> {
        parse_quantity(text.get_ref(), dimension).map_err(|e| self.error(text, place, e.to_string()))
    }

    fn positive(&self, text: &Text, dimension: Dimension, place: &str) -> Result<f64, ForceFieldError> {
        let value = self.quantity(text, dimension, place)?;
        if value > 0.0 {
            return Ok(value);
        }
        let problem =
            format!("\"{}\" must be positive, for example \"{}\"", text.get_ref(), dimension.example());
        Err(self.error(text, place, problem))
    }

    fn not_negative(&self, text: &Text, dimension: Dimension, place: &str) -> Result<f64, ForceFieldError> {
        let value = self.quantity(text, dimension, place)?;
        if value >= 0.0 {
            return Ok(value);
        }
        Err(self.error(text, place, format!("\"{}\" must not be negative", text.get_ref())))
    }

    fn sourced(&self, source: &Text, place: &str) -> Result<(), ForceFieldError> {
        if source.get_ref().trim().is_empty() {
            return Err(self.error(source, place, "is empty; say where the numbers come from"));
        }
        Ok(())
    }

    fn named(&self, name: &Text, place: &str) -> Result<(), ForceFieldError> {
        if name.get_ref().is_empty() || name.get_ref().contains(char::is_whitespace) {
            let problem = format!("\"{}\" must be a word without spaces", name.get_ref());
            return Err(self.error(name, place, problem));
        }
        Ok(())
    }

    fn species(&self, entries: &[SpeciesEntry]) -> Result<Vec<Species>, ForceFieldError> {
        let mut species: Vec<Species> = Vec::new();
        for entry in entries {
            let name = entry.name.get_ref();
            let place = |key: &str| format!("species {name}, {key}");
            self.named(&entry.name, "species, name")?;
            self.sourced(&entry.source, &place("source"))?;
            if species.iter().any(|s| s.name == *name) {
                return Err(self.error(&entry.name, &place("name"), "is defined twice; remove one"));
            }
            species.push(Species {
                name: name.clone(),
                mass: self.positive(&entry.mass, Dimension::Mass, &place("mass"))?,
                charge: self.quantity(&entry.charge, Dimension::Charge, &place("charge"))?,
            });
        }
        Ok(species)
    }

    fn pairs(
        &self,
        entries: &[PairEntry],
        species: &[Species],
    ) -> Result<Vec<Option<BornMayerHuggins>>, ForceFieldError> {
        let n = species.len();
        let mut table: Vec<Option<Option<BornMayerHuggins>>> = vec![None; n * n];
        for entry in entries {
            let names = entry.species.get_ref();
            let place = format!("pair {}-{}", names[0], names[1]);
            self.sourced(&entry.source, &format!("{place}, source"))?;
            let mut index = [0; 2];
            for (slot, name) in index.iter_mut().zip(names) {
                *slot = species.iter().position(|s| s.name == *name).ok_or_else(|| {
                    let known: Vec<&str> = species.iter().map(|s| s.name.as_str()).collect();
                    let problem =
                        format!("\"{name}\" is no species of this file; it has {}", known.join(", "));
                    self.error(&entry.species, &place, problem)
                })?;
            }
            if table[index[0] * n + index[1]].is_some() {
                return Err(self.error(&entry.species, &place, "is given twice; remove one"));
            }
            let potential = self.pair(entry, &place)?;
            let charge = COULOMB * species[index[0]].charge * species[index[1]].charge;
            if potential.is_some_and(|p| !has_wall(&p, charge)) {
                let problem = "attracts at all distances, so that the two atoms fall into each other; check A, rho, C and D and their units";
                return Err(self.error(&entry.species, &place, problem));
            }
            table[index[0] * n + index[1]] = Some(potential);
            table[index[1] * n + index[0]] = Some(potential);
        }
        if let Some(k) = (0..n * n).find(|&k| table[k].is_none()) {
            let (i, j) = (&species[k / n].name, &species[k % n].name);
            let problem = format!(
                "has no entry; add a [[pair]] with species = [\"{i}\", \"{j}\"], or with `none = true` if they interact by charges alone"
            );
            let place = format!("pair {i}-{j}");
            // Told at the last entry, where the new one is written.
            return Err(match entries.last() {
                Some(last) => self.error(&last.species, &place, problem),
                None => self.empty("pair", &format!("{place} {problem}")),
            });
        }
        Ok(table.into_iter().map(Option::flatten).collect())
    }

    fn pair(&self, entry: &PairEntry, place: &str) -> Result<Option<BornMayerHuggins>, ForceFieldError> {
        let numbers = [&entry.amplitude, &entry.sigma, &entry.rho, &entry.dispersion6, &entry.dispersion8];
        if entry.none {
            return match numbers.into_iter().flatten().next() {
                Some(text) => Err(self.error(
                    text,
                    place,
                    "`none = true` excludes A, sigma, rho, C and D; remove one or the other",
                )),
                None => Ok(None),
            };
        }
        let needed = |value: &'_ Option<Text>, key: &str| {
            value.clone().ok_or_else(|| {
                self.error(
                    &entry.species,
                    place,
                    format!("{key} is missing; give it with its unit, or `none = true`"),
                )
            })
        };
        let amplitude = needed(&entry.amplitude, "A")?;
        let rho = needed(&entry.rho, "rho")?;
        let dispersion6 = needed(&entry.dispersion6, "C")?;
        let key = |name: &str| format!("{place}, {name}");
        Ok(Some(BornMayerHuggins {
            amplitude: self.positive(&amplitude, Dimension::Energy, &key("A"))?,
            sigma: entry
                .sigma
                .as_ref()
                .map_or(Ok(0.0), |t| self.quantity(t, Dimension::Length, &key("sigma")))?,
            rho: self.positive(&rho, Dimension::Length, &key("rho"))?,
            dispersion6: self.not_negative(&dispersion6, Dimension::EnergyLength6, &key("C"))?,
            dispersion8: entry
                .dispersion8
                .as_ref()
                .map_or(Ok(0.0), |t| self.not_negative(t, Dimension::EnergyLength8, &key("D")))?,
        }))
    }
}

impl ForceField {
    /// Reads a force-field file, or a built-in force field by its name, `ckn-rigid` or `ckn-flexible`, if no such file
    /// exists.
    pub fn load(path: &Path) -> Result<Self, ForceFieldError> {
        let text = Self::text(path)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The text that [`ForceField::load`] reads.
    pub fn text(path: &Path) -> Result<String, ForceFieldError> {
        match (path.to_str(), path.exists()) {
            (Some("ckn-rigid"), false) => Ok(CKN_RIGID.to_owned()),
            (Some("ckn-flexible"), false) => Ok(CKN_FLEXIBLE.to_owned()),
            _ => std::fs::read_to_string(path)
                .map_err(|source| ForceFieldError::Read { path: path.display().to_string(), source }),
        }
    }

    /// Parses the text of a force-field file; `file` names it in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, ForceFieldError> {
        let parsed: File = toml::from_str(text)
            .map_err(|e| ForceFieldError::Syntax { file: file.to_owned(), message: e.to_string() })?;
        let reader = Reader { file, text };
        if parsed.species.is_empty() {
            return Err(reader.empty("species", "there is none; add at least one"));
        }
        if parsed.molecule.is_empty() {
            return Err(reader.empty("molecule", "there is none; add at least one, be it a single ion"));
        }
        let species = reader.species(&parsed.species)?;
        let pairs = reader.pairs(&parsed.pair, &species)?;
        let mut kinds: Vec<MoleculeKind> = Vec::new();
        for entry in &parsed.molecule {
            if kinds.iter().any(|k| k.name == *entry.name.get_ref()) {
                let place = format!("molecule {}", entry.name.get_ref());
                return Err(reader.error(&entry.name, &place, "is defined twice; remove one"));
            }
            kinds.push(reader.molecule(entry, &species)?);
        }
        let cutoff = reader.positive(&parsed.short_range.cutoff, Dimension::Length, "short_range, cutoff")?;
        Ok(Self {
            name: parsed.name,
            description: parsed.description,
            species,
            kinds,
            pairs,
            cutoff,
            shift: parsed.short_range.shift,
            tail_correction: parsed.short_range.tail_correction,
        })
    }

    /// A system of so many molecules of each kind, in this order; it must be neutral.
    pub fn topology(&self, counts: &[(&str, usize)]) -> Result<Topology, ForceFieldError> {
        let mut molecules = Vec::new();
        let mut composition = Vec::new();
        for &(name, count) in counts {
            let kind = self.kinds.iter().position(|k| k.name == name).ok_or_else(|| {
                let known: Vec<&str> = self.kinds.iter().map(|k| k.name.as_str()).collect();
                ForceFieldError::UnknownMolecule {
                    force_field: self.name.clone(),
                    name: name.to_owned(),
                    known: known.join(", "),
                }
            })?;
            let charge: f64 = self.kinds[kind].species.iter().map(|&s| self.species[s].charge).sum();
            composition.push(format!("{count} {name} of {:+} e", (charge * 1e9).round() / 1e9));
            molecules.extend(std::iter::repeat_n(kind, count));
        }
        let topology = Topology::new(self.species.clone(), self.kinds.clone(), &molecules);
        check_neutral(&topology, &composition.join(", "))?;
        Ok(topology)
    }
}

/// An error unless the charges add up to zero (to 1e-6 e, the digits of published charges).
pub fn check_neutral(topology: &Topology, composition: &str) -> Result<(), ForceFieldError> {
    let charge: f64 = topology.charges().iter().sum();
    if charge.abs() < 1e-6 {
        return Ok(());
    }
    let charge = (charge * 1e6).round() / 1e6;
    Err(ForceFieldError::Charged { charge, composition: composition.to_owned() })
}

#[cfg(test)]
mod tests;
