//! Force-field files: TOML in which every number carries its unit and every entry its source.
//!
//! The files of `configs/force_fields/` show the format.

use std::path::Path;

use glam::{DMat3, DVec3};
use serde::Deserialize;
use toml::Spanned;

use super::born_mayer_huggins::BornMayerHuggins;
use super::principal_axes::principal_axes;
use super::{ForceField, Shift};
use crate::topology::{Angle, Bond, Improper, MoleculeKind, MoleculeModel, Species, Topology};
use crate::units::{Dimension, parse_quantity};

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

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    description: String,
    short_range: ShortRange,
    species: Vec<SpeciesEntry>,
    pair: Vec<PairEntry>,
    molecule: Vec<MoleculeEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShortRange {
    cutoff: Text,
    shift: Shift,
    #[serde(default)]
    tail_correction: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpeciesEntry {
    name: Text,
    mass: Text,
    charge: Text,
    source: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairEntry {
    species: Spanned<[String; 2]>,
    #[serde(rename = "A")]
    amplitude: Option<Text>,
    sigma: Option<Text>,
    rho: Option<Text>,
    #[serde(rename = "C")]
    dispersion6: Option<Text>,
    #[serde(rename = "D")]
    dispersion8: Option<Text>,
    #[serde(default)]
    none: bool,
    source: Text,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Model {
    Rigid,
    Flexible,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoleculeEntry {
    name: Text,
    atoms: Vec<Text>,
    #[serde(default = "one")]
    centre: usize,
    model: Option<Model>,
    planar_xy3: Option<PlanarXy3>,
    positions: Option<Vec<[Text; 3]>>,
    #[serde(default)]
    bonds: Vec<BondEntry>,
    #[serde(default)]
    angles: Vec<AngleEntry>,
    #[serde(default)]
    impropers: Vec<ImproperEntry>,
    source: Text,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanarXy3 {
    bond_length: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BondEntry {
    atoms: [usize; 2],
    length: Text,
    constant: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AngleEntry {
    atoms: [usize; 3],
    angle: Text,
    constant: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImproperEntry {
    atoms: [usize; 4],
    angle: Text,
    constant: Text,
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

    fn species(&self, entries: &[SpeciesEntry]) -> Result<Vec<Species>, ForceFieldError> {
        let mut species: Vec<Species> = Vec::new();
        for entry in entries {
            let name = entry.name.get_ref();
            let place = |key: &str| format!("species {name}, {key}");
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
            table[index[0] * n + index[1]] = Some(potential);
            table[index[1] * n + index[0]] = Some(potential);
        }
        let missing = (0..n * n).find(|&k| table[k].is_none());
        if let (Some(k), Some(last)) = (missing, entries.last()) {
            let (i, j) = (&species[k / n].name, &species[k % n].name);
            let problem = format!(
                "has no entry; add a [[pair]] with species = [\"{i}\", \"{j}\"], or with `none = true` if they interact by charges alone"
            );
            return Err(self.error(&last.species, &format!("pair {i}-{j}"), problem));
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

    fn molecule(&self, entry: &MoleculeEntry, species: &[Species]) -> Result<MoleculeKind, ForceFieldError> {
        let name = entry.name.get_ref();
        let place = |key: &str| format!("molecule {name}, {key}");
        self.sourced(&entry.source, &place("source"))?;
        let atoms: Vec<usize> = entry
            .atoms
            .iter()
            .map(|atom| {
                species.iter().position(|s| s.name == *atom.get_ref()).ok_or_else(|| {
                    self.error(
                        atom,
                        &place("atoms"),
                        format!("\"{}\" is no species of this file", atom.get_ref()),
                    )
                })
            })
            .collect::<Result<_, _>>()?;
        if !(1..=atoms.len()).contains(&entry.centre) {
            let problem = format!("{} is no atom of it; count from 1 to {}", entry.centre, atoms.len());
            return Err(self.error(&entry.name, &place("centre"), problem));
        }
        let model = match (entry.model, atoms.len()) {
            (None, 1) => MoleculeModel::Point,
            (None, _) => {
                return Err(self.error(
                    &entry.name,
                    &place("model"),
                    "is missing; write model = \"rigid\" or \"flexible\"",
                ));
            }
            (Some(_), 1) => {
                return Err(self.error(
                    &entry.name,
                    &place("model"),
                    "a single atom has none; remove the key",
                ));
            }
            (Some(model), _) => {
                let masses: Vec<f64> = atoms.iter().map(|&s| species[s].mass).collect();
                let positions = self.positions(entry, &masses)?;
                if model == Model::Rigid {
                    self.rigid(entry, &masses, &positions)?
                } else {
                    self.flexible(entry, positions)?
                }
            }
        };
        Ok(MoleculeKind { name: name.clone(), species: atoms, centre: entry.centre - 1, model })
    }

    /// Positions with the centre of mass at the origin.
    fn positions(&self, entry: &MoleculeEntry, masses: &[f64]) -> Result<Vec<DVec3>, ForceFieldError> {
        let name = entry.name.get_ref();
        let place = format!("molecule {name}, positions");
        let mut positions = match (&entry.planar_xy3, &entry.positions) {
            (Some(shape), None) if masses.len() == 4 => {
                let place = format!("molecule {name}, planar_xy3, bond_length");
                let length = self.positive(&shape.bond_length, Dimension::Length, &place)?;
                let corner = |k: f64| (std::f64::consts::TAU * k / 3.0).sin_cos();
                let outer = [0.0, 1.0, 2.0].map(|k| DVec3::new(corner(k).1, corner(k).0, 0.0) * length);
                std::iter::once(DVec3::ZERO).chain(outer).collect::<Vec<_>>()
            }
            (None, Some(rows)) if rows.len() == masses.len() => {
                let mut positions = Vec::new();
                for row in rows {
                    let mut r = [0.0; 3];
                    for (x, text) in r.iter_mut().zip(row) {
                        *x = self.quantity(text, Dimension::Length, &place)?;
                    }
                    positions.push(DVec3::from(r));
                }
                positions
            }
            _ => {
                let problem = "needs one position an atom, or planar_xy3 = { bond_length = \"...\" } for four atoms; give exactly one of them";
                return Err(self.error(&entry.name, &place, problem));
            }
        };
        let total: f64 = masses.iter().sum();
        let centre = positions.iter().zip(masses).map(|(r, m)| *r * *m).sum::<DVec3>() / total;
        for r in &mut positions {
            *r -= centre;
        }
        Ok(positions)
    }

    fn rigid(
        &self,
        entry: &MoleculeEntry,
        masses: &[f64],
        positions: &[DVec3],
    ) -> Result<MoleculeModel, ForceFieldError> {
        let place = format!("molecule {}", entry.name.get_ref());
        if !(entry.bonds.is_empty() && entry.angles.is_empty() && entry.impropers.is_empty()) {
            return Err(self.error(&entry.name, &place, "a rigid molecule has no bonds, angles or impropers; remove them or write model = \"flexible\""));
        }
        let mut inertia = DMat3::ZERO;
        for (r, m) in positions.iter().zip(masses) {
            inertia += *m
                * (DMat3::from_diagonal(DVec3::splat(r.length_squared()))
                    - DMat3::from_cols(*r * r.x, *r * r.y, *r * r.z));
        }
        let (moments, axes) = principal_axes(inertia);
        if moments.min_element() < 1e-6 * moments.max_element() {
            return Err(self.error(
                &entry.name,
                &place,
                "is linear: a rigid body needs three moments of inertia; write model = \"flexible\"",
            ));
        }
        let positions = positions.iter().map(|r| axes.transpose() * *r).collect();
        Ok(MoleculeModel::Rigid { positions, moments })
    }

    fn flexible(
        &self,
        entry: &MoleculeEntry,
        positions: Vec<DVec3>,
    ) -> Result<MoleculeModel, ForceFieldError> {
        let name = entry.name.get_ref();
        let n = positions.len();
        let atoms = |list: &[usize], what: &str| -> Result<Vec<usize>, ForceFieldError> {
            let repeated = list.iter().enumerate().any(|(k, a)| list[..k].contains(a));
            if repeated || list.iter().any(|&a| !(1..=n).contains(&a)) {
                let problem = format!("{list:?} must be different atoms, counted from 1 to {n}");
                return Err(self.error(&entry.name, &format!("molecule {name}, {what}, atoms"), problem));
            }
            Ok(list.iter().map(|a| a - 1).collect())
        };
        let place = |what: &str| format!("molecule {name}, {what}");
        let mut bonds = Vec::new();
        for bond in &entry.bonds {
            let a = atoms(&bond.atoms, "bonds")?;
            bonds.push(Bond {
                atoms: [a[0], a[1]],
                length: self.positive(&bond.length, Dimension::Length, &place("bonds, length"))?,
                constant: self.not_negative(
                    &bond.constant,
                    Dimension::EnergyPerLength2,
                    &place("bonds, constant"),
                )?,
            });
        }
        let mut angles = Vec::new();
        for angle in &entry.angles {
            let a = atoms(&angle.atoms, "angles")?;
            angles.push(Angle {
                atoms: [a[0], a[1], a[2]],
                angle: self.quantity(&angle.angle, Dimension::Angle, &place("angles, angle"))?,
                constant: self.not_negative(
                    &angle.constant,
                    Dimension::EnergyPerAngle2,
                    &place("angles, constant"),
                )?,
            });
        }
        let mut impropers = Vec::new();
        for improper in &entry.impropers {
            let a = atoms(&improper.atoms, "impropers")?;
            impropers.push(Improper {
                atoms: [a[0], a[1], a[2], a[3]],
                angle: self.quantity(&improper.angle, Dimension::Angle, &place("impropers, angle"))?,
                constant: self.not_negative(
                    &improper.constant,
                    Dimension::EnergyPerAngle2,
                    &place("impropers, constant"),
                )?,
            });
        }
        Ok(MoleculeModel::Flexible { bonds, angles, impropers, positions })
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
mod tests {
    use super::*;
    use crate::units::KILOCALORIE_PER_MOLE;

    #[test]
    fn built_in_force_fields_say_what_the_reference_says() {
        let rigid = ForceField::parse(CKN_RIGID, "ckn-rigid.toml").unwrap();
        let index = |name: &str| rigid.species.iter().position(|s| s.name == name).unwrap();
        let pair = rigid.pair(index("O"), index("K")).unwrap();
        assert!((pair.amplitude / KILOCALORIE_PER_MOLE - 47188.936657).abs() < 1e-6);
        assert_eq!(pair.rho, 0.27980007);
        assert!(rigid.pair(index("Ca"), index("K")).is_none());
        let MoleculeModel::Rigid { positions, moments } = &rigid.kinds[0].model else {
            panic!("nitrate is rigid")
        };
        // Planar: the moment about the normal is the sum of the others (perpendicular axis theorem), 3 m r^2.
        assert!((moments.max_element() - 3.0 * 15.999 * 1.26 * 1.26).abs() < 1e-9);
        assert!((moments.element_sum() - 2.0 * moments.max_element()).abs() < 1e-9);
        assert!(positions[0].length() < 1e-12, "N is the centre of mass");
        let flexible = ForceField::parse(CKN_FLEXIBLE, "ckn-flexible.toml").unwrap();
        assert_eq!(flexible.pairs, rigid.pairs);
        assert!(matches!(&flexible.kinds[0].model, MoleculeModel::Flexible { bonds, angles, impropers, .. }
            if bonds.len() == 3 && angles.len() == 3 && impropers.len() == 1));
    }

    /// Each change of the good file, and what the error must say.
    #[test]
    fn errors_name_line_entry_finding_and_remedy() {
        for (old, new, expected) in [
            (
                "mass = \"14.007 u\"",
                "mass = \"-14.007 u\"",
                "species N, mass: \"-14.007 u\" must be positive",
            ),
            ("mass = \"14.007 u\"", "mass = \"14.007\"", "has no unit"),
            ("mass = \"14.007 u\"", "mass = \"14.007 fs\"", "a mass is expected"),
            (
                "rho = \"0.2646 angstrom\"",
                "rho = \"0 angstrom\"",
                "pair N-N, rho: \"0 angstrom\" must be positive",
            ),
            ("species = [\"N\", \"O\"]", "species = [\"N\", \"X\"]", "\"X\" is no species"),
            ("species = [\"N\", \"O\"]", "species = [\"N\", \"N\"]", "pair N-N: is given twice"),
            ("species = [\"Ca\", \"K\"]\nnone = true", "species = [\"Ca\", \"K\"]", "A is missing"),
            ("tail_correction = false", "tail_corection = false", "unknown field `tail_corection`"),
            ("shift = \"potential\"", "shift = \"force\"", "unknown variant `force`"),
            ("model = \"rigid\"", "", "molecule nitrate, model: is missing"),
            ("centre = 1", "centre = 5", "count from 1 to 4"),
            ("source = \"formal charge\"", "source = \"\"", "say where the numbers come from"),
            ("source = \"formal charge\"", "", "missing field `source`"),
        ] {
            assert!(CKN_RIGID.contains(old), "{old}");
            let error =
                ForceField::parse(&CKN_RIGID.replacen(old, new, 1), "x.toml").unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("x.toml"), "{error}");
        }
        let start = CKN_RIGID.rfind("[[pair]]").unwrap();
        let end = start + CKN_RIGID[start..].find("[[molecule]]").unwrap();
        let without = format!("{}{}", &CKN_RIGID[..start], &CKN_RIGID[end..]);
        let error = ForceField::parse(&without, "x.toml").unwrap_err().to_string();
        assert!(error.contains("pair K-Ca: has no entry"), "{error}");
    }

    #[test]
    fn charged_compositions_are_refused() {
        let force_field = ForceField::parse(CKN_RIGID, "x").unwrap();
        assert!(force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).is_ok());
        let error = force_field.topology(&[("nitrate", 14), ("K", 5), ("Ca", 4)]).unwrap_err().to_string();
        assert!(error.contains("-1 e") && error.contains("5 K of +1 e"), "{error}");
        assert!(force_field.topology(&[("NaCl", 1)]).unwrap_err().to_string().contains("nitrate, K, Ca"));
    }
}
