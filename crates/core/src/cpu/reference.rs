//! The judge: every term in f64, exact Ewald, all images within the cutoffs, in cells of any shape and size.

use glam::{DMat3, DVec3};
use rayon::prelude::*;

use super::reference_limits;
use crate::backend::ElectrostaticsParameters;
use crate::cell::Cell;
use crate::constant_terms::ConstantTerms;
use crate::force_field::bonded::{add_bonded_forces, add_bonded_terms, outer};
use crate::force_field::born_mayer_huggins::BornMayerHuggins;
use crate::force_field::close_approach::{CloseApproach, SoftCore, close_approach_table};
use crate::force_field::{ForceField, Shift, Truncation};
use crate::forces::{Energies, Evaluation, ForceError, ForceKernel, MoleculeVirials, Request, Virials};
use crate::long_range::ewald::{
    EwaldParameters, ReciprocalSum, add_excluded_pairs, screened, smooth, visit_excluded_pairs,
};
use crate::neighbors::all_images::{AllImages, Image};
use crate::topology::Topology;
use crate::units::COULOMB;

/// What a user may ask of the reference kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceOptions {
    /// Short-range cutoff (angstrom); the force field's by default.
    pub short_range_cutoff: Option<f64>,
    /// Energy shift at the cutoffs; the force field's by default.
    pub shift: Option<Shift>,
    /// Relative size of the terms at which both Ewald sums end.
    pub coulomb_tolerance: f64,
}

impl Default for ReferenceOptions {
    fn default() -> Self {
        Self { short_range_cutoff: None, shift: None, coulomb_tolerance: 1e-12 }
    }
}

/// A pair of species.
#[derive(Clone, Copy, Debug)]
struct Pair {
    potential: Option<BornMayerHuggins>,
    /// U(r_c) if energies are shifted, else 0.
    potential_shift: f64,
    /// q_i q_j e^2/(4 pi eps0).
    charge_product: f64,
    close: CloseApproach,
}

/// What the images around one atom do to it; half of each pair.
#[derive(Clone, Copy, Debug)]
struct AtomSum {
    force: DVec3,
    short_range: f64,
    coulomb: f64,
    short_range_virial: DMat3,
    coulomb_virial: DMat3,
}

impl AtomSum {
    /// Nothing yet. (Deriving `Default` would give identity matrices, glam's default.)
    const ZERO: Self = Self {
        force: DVec3::ZERO,
        short_range: 0.0,
        coulomb: 0.0,
        short_range_virial: DMat3::ZERO,
        coulomb_virial: DMat3::ZERO,
    };

    /// An image at `-d` with a pair's energy and its force on the atom.
    fn add_short_range(&mut self, energy: f64, force: DVec3, d: DVec3) {
        self.force += force;
        self.short_range += 0.5 * energy;
        self.short_range_virial += outer(d, force) * 0.5;
    }

    /// The same for the real-space Coulomb sum.
    fn add_coulomb(&mut self, energy: f64, force: DVec3, d: DVec3) {
        self.force += force;
        self.coulomb += 0.5 * energy;
        self.coulomb_virial += outer(d, force) * 0.5;
    }
}

/// Force kernel in f64. Results are bitwise the same for any number of threads: every atom sums its own neighbours, and
/// sums over atoms run in order.
pub struct ReferenceKernel {
    topology: Topology,
    charges: Vec<f64>,
    /// `pairs[i * n_species + j]`.
    pairs: Vec<Pair>,
    cutoff: f64,
    ewald: EwaldParameters,
    /// erfc(alpha r_c)/r_c if energies are shifted, else 0.
    coulomb_shift: f64,
    constant: ConstantTerms,
    truncation: Truncation,
    reciprocal: ReciprocalSum,
    soft_core: bool,
}

impl ReferenceKernel {
    /// A kernel whose Ewald parameters follow from the tolerance and suit `cell`. `topology` must be neutral, as the
    /// loaders and the builder ensure.
    pub fn new(
        force_field: &ForceField,
        topology: &Topology,
        cell: &Cell,
        options: ReferenceOptions,
    ) -> Self {
        let ewald = EwaldParameters::balanced(options.coulomb_tolerance, cell, topology.n_atoms());
        Self::with_parameters(force_field, topology, cell, options, ewald)
    }

    /// Like [`Self::new`], for input of users: sums that would not end within reason are refused before any memory is taken.
    pub fn checked(
        force_field: &ForceField,
        topology: &Topology,
        cell: &Cell,
        options: ReferenceOptions,
        ewald: Option<EwaldParameters>,
    ) -> Result<Self, ForceError> {
        let balanced = || EwaldParameters::balanced(options.coulomb_tolerance, cell, topology.n_atoms());
        let ewald = ewald.unwrap_or_else(balanced);
        reference_limits::check(force_field, cell, topology.n_atoms(), &options, &ewald)?;
        Ok(Self::with_parameters(force_field, topology, cell, options, ewald))
    }

    /// A kernel with given Ewald parameters; the tolerance in `options` is not used.
    pub fn with_parameters(
        force_field: &ForceField,
        topology: &Topology,
        cell: &Cell,
        options: ReferenceOptions,
        ewald: EwaldParameters,
    ) -> Self {
        let charges = topology.charges();
        debug_assert!(charges.iter().sum::<f64>().abs() < 1e-6, "charged system");
        // What the options change is part of the model, for the tail too.
        let force_field = &ForceField {
            cutoff: options.short_range_cutoff.unwrap_or(force_field.cutoff),
            shift: options.shift.unwrap_or(force_field.shift),
            ..force_field.clone()
        };
        let cutoff = force_field.cutoff;
        let shifted = force_field.shift == Shift::Potential;
        let species = &topology.species;
        let close = close_approach_table(force_field);
        let pair = |index: usize| {
            let (i, j) = (index / species.len(), index % species.len());
            let potential = force_field.pair(i, j).copied();
            Pair {
                potential,
                potential_shift: potential.filter(|_| shifted).map_or(0.0, |p| p.energy(cutoff)),
                charge_product: COULOMB * species[i].charge * species[j].charge,
                close: close[index],
            }
        };
        Self {
            pairs: (0..species.len().pow(2)).map(pair).collect(),
            cutoff,
            ewald,
            coulomb_shift: if shifted { screened(ewald.alpha, ewald.cutoff).energy } else { 0.0 },
            constant: ConstantTerms::new(force_field, topology, cutoff, ewald.alpha),
            truncation: force_field.truncation(),
            reciprocal: ReciprocalSum::new(&ewald, cell),
            soft_core: false,
            charges,
            topology: topology.clone(),
        }
    }

    /// The Ewald parameters in force.
    pub fn parameters(&self) -> EwaldParameters {
        self.ewald
    }

    /// The same, as backends report them.
    pub fn electrostatics(&self) -> ElectrostaticsParameters {
        self.ewald.into()
    }

    /// Sums over all images around one atom, its own included, but for the bonded copies of its molecule's atoms.
    fn sum_images(&self, images: &AllImages, atom: usize) -> Result<AtomSum, ForceError> {
        let mut sum = AtomSum::ZERO;
        let mut closest = Ok(());
        let molecule = self.topology.atom_molecule[atom];
        images.visit(atom, |image| {
            if image.as_given && self.topology.atom_molecule[image.atom] == molecule {
                return;
            }
            let pair = self.pair(atom, image.atom);
            let r = image.difference.length();
            match pair.close {
                CloseApproach { soft_core: Some(core), .. } if self.soft_core && r < core.radius => {
                    self.add_soft_image(&mut sum, pair, &core, direction_from(atom, &image), r);
                }
                CloseApproach { inner_maximum: Some(limit), .. } if !self.soft_core && r < limit => {
                    if closest.is_ok() {
                        closest = Err(self.close_approach(atom, image.atom, r, limit));
                    }
                }
                _ => self.add_image(&mut sum, pair, image.difference, r),
            }
        });
        closest.map(|()| sum)
    }

    /// [`Self::sum_images`] for every atom; prepares the reciprocal sum for the cell.
    fn sum_all_images(&mut self, cell: &Cell, positions: &[DVec3]) -> Result<Vec<AtomSum>, ForceError> {
        debug_assert_eq!(positions.len(), self.topology.n_atoms());
        all_finite(positions)?;
        reference_limits::check_positions(cell, positions)?;
        self.reciprocal.set_cell(cell);
        let images = AllImages::new(cell, positions, self.cutoff.max(self.ewald.cutoff));
        let sums: Vec<Result<AtomSum, ForceError>> =
            (0..positions.len()).into_par_iter().map(|atom| self.sum_images(&images, atom)).collect();
        sums.into_iter().collect()
    }

    fn pair(&self, i: usize, j: usize) -> &Pair {
        let species = &self.topology.atom_species;
        &self.pairs[species[i] * self.topology.species.len() + species[j]]
    }

    fn close_approach(&self, atom_i: usize, atom_j: usize, distance: f64, limit: f64) -> ForceError {
        let name = |atom: usize| self.topology.species[self.topology.atom_species[atom]].name.clone();
        let (species_i, species_j) = (name(atom_i), name(atom_j));
        ForceError::CloseApproach { atom_i, atom_j, species_i, species_j, distance, limit }
    }

    /// Inside the soft radius the sum of short-range and bare Coulomb potential is a straight line, counted as short range;
    /// the Coulomb part takes back erf(alpha r)/r, which reciprocal space adds.
    fn add_soft_image(&self, sum: &mut AtomSum, pair: &Pair, core: &SoftCore, direction: DVec3, r: f64) {
        let line = core.energy + core.force * (core.radius - r);
        sum.add_short_range(line - pair.potential_shift, core.force * direction, r * direction);
        let term = smooth(self.ewald.alpha, r);
        let energy = -pair.charge_product * (term.energy + self.coulomb_shift);
        sum.add_coulomb(energy, -pair.charge_product * term.force * direction, r * direction);
    }

    fn add_image(&self, sum: &mut AtomSum, pair: &Pair, d: DVec3, r: f64) {
        if r < self.cutoff
            && let Some(potential) = &pair.potential
        {
            let energy = potential.energy(r) - pair.potential_shift;
            sum.add_short_range(energy, potential.force(r) / r * d, d);
        }
        if r < self.ewald.cutoff {
            let term = screened(self.ewald.alpha, r);
            let energy = pair.charge_product * (term.energy - self.coulomb_shift);
            sum.add_coulomb(energy, pair.charge_product * term.force / r * d, d);
        }
    }
}

impl ForceKernel for ReferenceKernel {
    fn evaluate(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        request: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError> {
        debug_assert_eq!(forces.len(), self.topology.n_atoms());
        let sums = self.sum_all_images(cell, positions)?;
        let (mut energies, mut virials) = (Energies::default(), Virials::default());
        for (force, sum) in forces.iter_mut().zip(sums) {
            *force = sum.force;
            energies.short_range += sum.short_range;
            energies.coulomb_real += sum.coulomb;
            virials.short_range += sum.short_range_virial;
            virials.coulomb += sum.coulomb_virial;
        }

        let (energy, virial) = self.reciprocal.add_forces(&self.charges, positions, forces);
        energies.coulomb_reciprocal = energy;
        virials.coulomb += virial;
        let (energy, virial) =
            add_excluded_pairs(self.ewald.alpha, &self.topology, &self.charges, positions, forces);
        energies.coulomb_excluded = energy;
        virials.coulomb += virial;

        let bonded = add_bonded_forces(&self.topology, positions, forces);
        (energies.bond, energies.angle, energies.improper) = (bonded.bond, bonded.angle, bonded.improper);
        virials.bonded = bonded.virial;

        all_finite(forces)?;
        if !request.energy_and_virial {
            return Ok(Evaluation::default());
        }
        let mut evaluation = Evaluation { energies, virials };
        self.constant.add(cell.volume(), &mut evaluation);
        Ok(evaluation)
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn set_soft_core(&mut self, on: bool) {
        self.soft_core = on;
    }
}

impl MoleculeVirials for ReferenceKernel {
    /// The reciprocal sum counts every pair within a molecule, half at each of its atoms; the excluded pairs take it back, but for
    /// its images. A charge and its own Gaussian exert no force on each other, so the self energy has no virial.
    fn evaluate_molecules(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        forces: &mut [DVec3],
        virials: &mut [DMat3],
    ) -> Result<(), ForceError> {
        let sums = self.sum_all_images(cell, positions)?;
        let reciprocal = self.reciprocal.atom_virials(&self.charges, positions);
        virials.fill(DMat3::ZERO);
        for (atom, (sum, wave)) in sums.iter().zip(&reciprocal).enumerate() {
            forces[atom] = sum.force;
            let tail = self.constant.atom_virial(self.topology.atom_species[atom], cell.volume());
            virials[self.topology.atom_molecule[atom]] +=
                sum.short_range_virial + sum.coulomb_virial + *wave + tail;
        }
        self.reciprocal.add_forces(&self.charges, positions, forces);
        let (alpha, topology) = (self.ewald.alpha, &self.topology);
        visit_excluded_pairs(alpha, topology, &self.charges, positions, forces, |molecule, _, virial| {
            virials[molecule] += virial;
        });
        add_bonded_terms(topology, positions, forces, |molecule, _, _, virial| virials[molecule] += virial);
        all_finite(forces)
    }
}

/// Unit vector from an image to the atom. Atoms at the same place part along x, so that an overlap can be removed.
fn direction_from(atom: usize, image: &Image) -> DVec3 {
    let apart = if atom < image.atom { DVec3::X } else { DVec3::NEG_X };
    image.difference.try_normalize().unwrap_or(apart)
}

fn all_finite(vectors: &[DVec3]) -> Result<(), ForceError> {
    match vectors.iter().position(|v| !v.is_finite()) {
        Some(atom) => Err(ForceError::NotFinite { atom }),
        None => Ok(()),
    }
}
