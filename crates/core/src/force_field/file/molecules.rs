//! Molecules of a force-field file: shape, rigid body, springs.

use std::f64::consts::PI;

use glam::{DMat3, DVec3};
use toml::Spanned;

use super::entries::{Model, MoleculeEntry, Text};
use super::{ForceFieldError, Reader};
use crate::force_field::principal_axes::principal_axes;
use crate::topology::{Angle, Bond, Improper, MoleculeKind, MoleculeModel, Species};
use crate::units::Dimension;

/// Atoms of a molecule may not lie closer (angstrom): two thirds of the shortest bond there is, H-H.
const SMALLEST_DISTANCE: f64 = 0.5;

impl Reader<'_> {
    /// One molecule, checked.
    pub fn molecule(
        &self,
        entry: &MoleculeEntry,
        species: &[Species],
    ) -> Result<MoleculeKind, ForceFieldError> {
        let name = entry.name.get_ref();
        let place = |key: &str| format!("molecule {name}, {key}");
        self.named(&entry.name, "molecule, name")?;
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
            (None, 1) => {
                let has_shape = entry.planar_xy3.is_some() || entry.positions.is_some();
                if has_shape || entry.has_springs() {
                    let problem =
                        "a single atom has no planar_xy3, positions, bonds, angles or impropers; remove them";
                    return Err(self.error(&entry.name, &format!("molecule {name}"), problem));
                }
                MoleculeModel::Point
            }
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
        for (i, a) in positions.iter().enumerate() {
            if let Some(j) = positions[..i].iter().position(|b| a.distance(*b) < SMALLEST_DISTANCE) {
                let distance = a.distance(positions[j]);
                let problem = format!(
                    "atoms {} and {} are {distance:.3} angstrom apart; put them {SMALLEST_DISTANCE} or more apart",
                    j + 1,
                    i + 1
                );
                return Err(self.error(&entry.name, &place, problem));
            }
        }
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
        if entry.has_springs() {
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
        let place = |list: &str, key: &str| format!("molecule {name}, {list}, {key}");
        let mut bonds: Vec<Bond> = Vec::new();
        for bond in &entry.bonds {
            let [i, j] = self.atoms(&bond.atoms, n, &place("bonds", "atoms"))?;
            let twice = bonds.iter().any(|b| b.atoms == [i, j] || b.atoms == [j, i]);
            self.given_once(&bond.atoms, twice, &place("bonds", "atoms"))?;
            bonds.push(Bond {
                atoms: [i, j],
                length: self.positive(&bond.length, Dimension::Length, &place("bonds", "length"))?,
                constant: self.not_negative(
                    &bond.constant,
                    Dimension::EnergyPerLength2,
                    &place("bonds", "constant"),
                )?,
            });
        }
        let mut angles: Vec<Angle> = Vec::new();
        for angle in &entry.angles {
            let [i, j, k] = self.atoms(&angle.atoms, n, &place("angles", "atoms"))?;
            let twice = angles.iter().any(|a| a.atoms == [i, j, k] || a.atoms == [k, j, i]);
            self.given_once(&angle.atoms, twice, &place("angles", "atoms"))?;
            angles.push(Angle {
                atoms: [i, j, k],
                // At 0 two atoms lie on each other.
                angle: self.angle_within(&angle.angle, 1e-3..PI + 1e-9, &place("angles", "angle"))?,
                constant: self.not_negative(
                    &angle.constant,
                    Dimension::EnergyPerAngle2,
                    &place("angles", "constant"),
                )?,
            });
        }
        let mut impropers: Vec<Improper> = Vec::new();
        for improper in &entry.impropers {
            let atoms = self.atoms(&improper.atoms, n, &place("impropers", "atoms"))?;
            let twice = impropers.iter().any(|i| i.atoms == atoms);
            self.given_once(&improper.atoms, twice, &place("impropers", "atoms"))?;
            impropers.push(Improper {
                atoms,
                angle: self.angle_within(&improper.angle, -1e-9..PI + 1e-9, &place("impropers", "angle"))?,
                constant: self.not_negative(
                    &improper.constant,
                    Dimension::EnergyPerAngle2,
                    &place("impropers", "constant"),
                )?,
            });
        }
        Ok(MoleculeModel::Flexible { bonds, angles, impropers, positions })
    }

    /// Atoms of a spring, counted from 0.
    fn atoms<const N: usize>(
        &self,
        list: &Spanned<[usize; N]>,
        n: usize,
        place: &str,
    ) -> Result<[usize; N], ForceFieldError> {
        let atoms = list.get_ref();
        let repeated = atoms.iter().enumerate().any(|(k, a)| atoms[..k].contains(a));
        if repeated || atoms.iter().any(|a| !(1..=n).contains(a)) {
            let problem = format!("{atoms:?} must be different atoms, counted from 1 to {n}");
            return Err(self.error(list, place, problem));
        }
        Ok(atoms.map(|a| a - 1))
    }

    fn given_once<const N: usize>(
        &self,
        list: &Spanned<[usize; N]>,
        twice: bool,
        place: &str,
    ) -> Result<(), ForceFieldError> {
        if twice {
            let problem = format!("{:?} is given twice; remove one", list.get_ref());
            return Err(self.error(list, place, problem));
        }
        Ok(())
    }

    fn angle_within(
        &self,
        text: &Text,
        range: std::ops::Range<f64>,
        place: &str,
    ) -> Result<f64, ForceFieldError> {
        let angle = self.quantity(text, Dimension::Angle, place)?;
        if range.contains(&angle) {
            return Ok(angle);
        }
        let problem = format!(
            "\"{}\" is not allowed; give an angle from {:.1} to {:.1} deg",
            text.get_ref(),
            range.start.to_degrees().abs(),
            range.end.to_degrees()
        );
        Err(self.error(text, place, problem))
    }
}
