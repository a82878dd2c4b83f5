//! The fast CPU kernel: pair and reciprocal forces in f32, sums in integers or f64.
//!
//! Same device, same input: same bits, whatever the number of threads. Neighbour lists are rebuilt when an exact
//! criterion on displacements says so; their order, which f32 sums depend on, follows from the positions at the build,
//! which a checkpoint keeps.

use std::sync::{Arc, Mutex, PoisonError};

use glam::{DMat3, DVec3};
use rayon::prelude::*;

use super::lanes::dispatch;
use super::pair_force::{
    PairChunk, PairPotential, PairResult, PairScratch, PairSums, Wanted, from_fixed, virial_from_fixed,
};
use crate::backend::{ElectrostaticsParameters, Reciprocal};
use crate::cell::Cell;
use crate::constant_terms::ConstantTerms;
use crate::force_field::bonded::{add_bonded_forces, add_bonded_terms};
use crate::force_field::close_approach::close_pair;
use crate::force_field::{ForceField, Truncation};
use crate::forces::{
    Energies, Evaluation, ForceError, ForceKernel, ListOrigin, MoleculeVirials, Request, Virials,
};
use crate::long_range::exclusions::{subtract_excluded, subtract_excluded_pairs};
use crate::long_range::pme::{Pme, PmeError};
use crate::neighbors::molecule_list::{Fraction, MoleculeList, fraction, fraction_matrix, molecule_size};
use crate::topology::Topology;

/// Default skin of the neighbour list (angstrom): between the cost of a rebuild every few steps and of longer lists.
pub const DEFAULT_SKIN: f64 = 1.2;

/// The mixed-precision kernel of one replica.
pub struct MixedKernel {
    topology: Arc<Topology>,
    force_field: Arc<ForceField>,
    parameters: ElectrostaticsParameters,
    potential: PairPotential,
    pme: Pme,
    constant: ConstantTerms,
    skin: f64,
    soft: bool,
    list: MoleculeList,
    origin: Option<ListOrigin>,
    fractions: Vec<Fraction>,
    mesh_forces: Vec<DVec3>,
    scratch: Vec<Mutex<PairScratch>>,
    results: Vec<PairResult>,
}

impl MixedKernel {
    /// A kernel for one replica with lattice-sum parameters chosen before (`Reciprocal::Pme`).
    pub fn new(
        force_field: &Arc<ForceField>,
        topology: &Arc<Topology>,
        parameters: ElectrostaticsParameters,
        skin: f64,
    ) -> Result<Self, MixedError> {
        let Reciprocal::Pme { order, grid } = parameters.reciprocal else {
            return Err(MixedError::NoMesh);
        };
        let charges = topology.charges();
        Ok(Self {
            potential: PairPotential::new(force_field, parameters.alpha, parameters.cutoff),
            pme: Pme::new(&charges, parameters.alpha, order, grid)?,
            constant: ConstantTerms::new(force_field, topology, force_field.cutoff, parameters.alpha),
            topology: Arc::clone(topology),
            force_field: Arc::clone(force_field),
            parameters,
            skin,
            soft: false,
            list: MoleculeList::default(),
            origin: None,
            fractions: vec![[0; 3]; topology.n_atoms()],
            mesh_forces: vec![DVec3::ZERO; topology.n_atoms()],
            scratch: Vec::new(),
            results: Vec::new(),
        })
    }
    fn cutoff(&self) -> f64 {
        self.parameters.cutoff.max(self.force_field.cutoff)
    }

    /// Converts positions; returns the largest distance of an atom from the first atom of its molecule.
    fn set_positions(&mut self, cell: &Cell, positions: &[DVec3]) -> Result<f64, ForceError> {
        if let Some(atom) = positions.iter().position(|r| !r.is_finite()) {
            return Err(ForceError::NotFinite { atom });
        }
        for (u, &r) in self.fractions.iter_mut().zip(positions) {
            *u = fraction(cell, r);
        }
        let mut arm2 = 0.0f64;
        for (index, molecule) in self.topology.molecules.iter().enumerate() {
            let first = positions[molecule.first_atom];
            for r in &positions[molecule.first_atom + 1..][..molecule_size(&self.topology, index) - 1] {
                arm2 = arm2.max((*r - first).length_squared());
            }
        }
        Ok(arm2.sqrt())
    }

    fn build_list(&mut self, cell: &Cell, positions: &[DVec3], arm: f64) -> Result<(), ForceError> {
        let half_height = 0.5 * cell.perpendicular_heights().min_element();
        let reach = self.cutoff() + self.skin;
        if reach + arm > half_height {
            return Err(ForceError::CellTooSmall {
                cutoff: self.cutoff(),
                skin: self.skin + arm,
                half_height,
            });
        }
        self.list.build(&self.topology, cell, &self.fractions, reach, arm);
        self.origin = Some(ListOrigin { cell: *cell, positions: positions.to_vec() });
        Ok(())
    }

    /// Takes the positions, and builds the list if it does not hold for them.
    fn update_list(&mut self, cell: &Cell, positions: &[DVec3]) -> Result<(), ForceError> {
        let arm = self.set_positions(cell, positions)?;
        if self.list.is_valid(cell, &self.fractions, self.cutoff()) {
            let half_height = 0.5 * cell.perpendicular_heights().min_element();
            if self.cutoff() + arm > half_height {
                return Err(ForceError::CellTooSmall { cutoff: self.cutoff(), skin: arm, half_height });
            }
        } else {
            self.build_list(cell, positions, arm)?;
        }
        Ok(())
    }

    /// Pair forces of all chunks, in any order: forces are integers, energies are summed chunk by chunk afterwards.
    fn pair_forces(&mut self, h: &[[f32; 3]; 3], wanted: Wanted) -> PairSums {
        let n_atoms = self.topology.n_atoms();
        let threads = rayon::current_num_threads() + 1;
        if self.scratch.len() < threads {
            self.scratch.resize_with(threads, Mutex::default);
        }
        for scratch in &mut self.scratch {
            let scratch = scratch.get_mut().unwrap_or_else(PoisonError::into_inner);
            scratch.forces.clear();
            scratch.forces.resize(n_atoms, [0; 4]);
            if wanted == Wanted::MoleculeVirials {
                scratch.virials.clear();
                scratch.virials.resize(self.topology.molecules.len(), [0; 6]);
            }
        }
        let (scratch, last) = (&self.scratch, threads - 1);
        self.results.resize_with(self.list.chunks.len(), PairResult::default);
        self.results.par_iter_mut().zip(&self.list.chunks).for_each(|(result, chunk)| {
            let slot = rayon::current_thread_index().map_or(last, |index| index.min(last));
            let mut scratch = scratch[slot].lock().unwrap_or_else(PoisonError::into_inner);
            *result = dispatch(PairChunk {
                chunk,
                potential: &self.potential,
                topology: &self.topology,
                fractions: &self.fractions,
                h,
                wanted,
                soft: self.soft,
                scratch: &mut scratch,
            });
        });
        let mut sums = PairSums::default();
        for result in &self.results {
            sums.short_range += result.sums.short_range;
            sums.coulomb += result.sums.coulomb;
            sums.short_range_virial += result.sums.short_range_virial;
            sums.coulomb_virial += result.sums.coulomb_virial;
        }
        sums
    }

    /// Whether the pairs just computed were all outside the inner maxima of their potentials.
    fn check_distances(&self, cell: &Cell, positions: &[DVec3]) -> Result<(), ForceError> {
        match self.results.iter().find_map(|r| r.too_close) {
            None => Ok(()),
            Some((atom, species)) => {
                Err(close_pair(&self.force_field, &self.topology, cell, positions, atom, species))
            }
        }
    }

    /// Pair forces and reciprocal forces, added up in `forces`.
    fn collect(&mut self, forces: &mut [DVec3]) {
        let scratch: Vec<&PairScratch> =
            self.scratch.iter_mut().map(|s| &*s.get_mut().unwrap_or_else(PoisonError::into_inner)).collect();
        for (atom, force) in forces.iter_mut().enumerate() {
            let mut sum = [0i64; 4];
            for part in &scratch {
                for (total, x) in sum.iter_mut().zip(part.forces[atom]) {
                    *total = total.wrapping_add(x);
                }
            }
            *force = from_fixed(sum) + self.mesh_forces[atom];
        }
    }
}

/// Why a mixed kernel cannot be set up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MixedError {
    /// The parameters ask for a direct reciprocal sum.
    #[error("the mixed kernel needs particle-mesh parameters; these ask for a direct Ewald sum")]
    NoMesh,
    /// The mesh is out of range.
    #[error(transparent)]
    Mesh(#[from] PmeError),
}

impl ForceKernel for MixedKernel {
    fn evaluate(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        request: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError> {
        self.update_list(cell, positions)?;
        let wanted = request.energy_and_virial;
        let pairs = self.pair_forces(
            &fraction_matrix(cell),
            if wanted { Wanted::EnergyAndVirial } else { Wanted::Forces },
        );
        self.check_distances(cell, positions)?;
        self.mesh_forces.fill(DVec3::ZERO);
        let (reciprocal, reciprocal_virial) =
            self.pme.evaluate(cell, &self.fractions, wanted, &mut self.mesh_forces);
        self.collect(forces);
        let (excluded, excluded_virial) =
            subtract_excluded(&self.topology, self.parameters.alpha, positions, forces, |_| true);
        let bonded = add_bonded_forces(&self.topology, positions, forces);
        if !wanted {
            return Ok(Evaluation::default());
        }
        let mut evaluation = Evaluation {
            energies: Energies {
                short_range: pairs.short_range,
                coulomb_real: pairs.coulomb,
                coulomb_reciprocal: reciprocal,
                coulomb_self: 0.0,
                coulomb_excluded: excluded,
                bond: bonded.bond,
                angle: bonded.angle,
                improper: bonded.improper,
            },
            virials: Virials {
                short_range: pairs.short_range_virial,
                coulomb: pairs.coulomb_virial + reciprocal_virial + excluded_virial,
                bonded: bonded.virial,
            },
        };
        self.constant.add(cell.volume(), &mut evaluation);
        Ok(evaluation)
    }

    fn truncation(&self) -> Truncation {
        self.force_field.truncation()
    }

    fn list_origin(&self) -> Option<ListOrigin> {
        self.origin.clone()
    }

    fn restore_list(&mut self, origin: &ListOrigin) -> Result<(), ForceError> {
        let arm = self.set_positions(&origin.cell, &origin.positions)?;
        self.build_list(&origin.cell, &origin.positions, arm)
    }

    fn set_soft_core(&mut self, on: bool) {
        self.soft = on;
    }
}

impl MoleculeVirials for MixedKernel {
    /// Pairs and reciprocal sum in f32 as for forces; see [`crate::cpu::reference::ReferenceKernel`] for what cancels. The result
    /// depends on nothing but the positions where the list was built for them: with a skin of zero.
    fn evaluate_molecules(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        forces: &mut [DVec3],
        virials: &mut [DMat3],
    ) -> Result<(), ForceError> {
        self.update_list(cell, positions)?;
        self.pair_forces(&fraction_matrix(cell), Wanted::MoleculeVirials);
        self.check_distances(cell, positions)?;
        self.mesh_forces.fill(DVec3::ZERO);
        let mut waves = vec![DMat3::ZERO; positions.len()];
        self.pme.evaluate_atom_virials(cell, &self.fractions, &mut self.mesh_forces, &mut waves);
        self.collect(forces);

        for (index, virial) in virials.iter_mut().enumerate() {
            let mut sum = [0i64; 6];
            for part in &mut self.scratch {
                let part = part.get_mut().unwrap_or_else(PoisonError::into_inner);
                for (total, x) in sum.iter_mut().zip(part.virials[index]) {
                    *total = total.wrapping_add(x);
                }
            }
            // Half of each pair belongs to the molecule at its other end.
            *virial = virial_from_fixed(sum) * 0.5;
        }
        for (atom, wave) in waves.iter().enumerate() {
            let tail = self.constant.atom_virial(self.topology.atom_species[atom], cell.volume());
            virials[self.topology.atom_molecule[atom]] += *wave + tail;
        }
        let (topology, alpha) = (&self.topology, self.parameters.alpha);
        subtract_excluded_pairs(
            topology,
            alpha,
            positions,
            forces,
            |_| true,
            |molecule, _, virial| {
                virials[molecule] += virial;
            },
        );
        add_bonded_terms(topology, positions, forces, |molecule, _, _, virial| virials[molecule] += virial);
        Ok(())
    }
}
