//! Pair forces in f32: Born-Mayer-Huggins and the real-space part of the Ewald sum, over molecule lists.
//!
//! One gather of the atoms near a molecule serves all of its atoms. Forces on neighbours are added as integers of 2^-24
//! u A/ps^2, so that their sums have the same bits whatever the number of threads.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use glam::{DMat3, DVec3};

use super::lanes::{LANES, LaneKernel, Lanes};
use super::screening::{self, Polynomial};
use crate::force_field::close_approach::close_approach_table;
use crate::force_field::{ForceField, Shift};
use crate::neighbors::molecule_list::{Fraction, Gathered, ListChunk, molecule_size, relative};
use crate::topology::Topology;
use crate::units::COULOMB;

/// Fixed-point force units per u A/ps^2.
const SCALE: f64 = 16_777_216.0;
/// Adding 1.5 2^52 rounds an f64 below 2^51 to an integer in its low bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;

#[inline(always)]
fn to_fixed(x: f32) -> i64 {
    f64::from(x).mul_add(SCALE, MAGIC).to_bits().cast_signed().wrapping_sub(MAGIC.to_bits().cast_signed())
}

/// Sum of forces on one atom in fixed point; the fourth place only aligns.
pub type FixedForce = [i64; 4];

/// The force (u A/ps^2) of a fixed-point sum.
pub fn from_fixed(sum: FixedForce) -> DVec3 {
    DVec3::new(sum[0] as f64, sum[1] as f64, sum[2] as f64) / SCALE
}

/// Sum of virials of one molecule in fixed point: xx, yy, zz, xy, xz, yz.
pub type FixedVirial = [i64; 6];

/// The virial (u A^2/ps^2) of a fixed-point sum.
pub fn virial_from_fixed(sum: FixedVirial) -> DMat3 {
    matrix(sum.map(|component| component as f64 / SCALE))
}

/// Parameters of one pair of species, as the loop over pairs needs them.
#[derive(Clone, Copy, Debug)]
pub struct PairParameters {
    /// ln A + sigma/rho.
    pub exponent: f32,
    /// 1/rho (1/angstrom).
    pub inverse_rho: f32,
    /// C (u A^8/ps^2).
    pub dispersion6: f32,
    /// D (u A^10/ps^2).
    pub dispersion8: f32,
    /// q_i q_j e^2/(4 pi eps0) (u A^3/ps^2).
    pub charge: f32,
    /// Short-range energy at the cutoff, when shifted (u A^2/ps^2).
    pub shift_short_range: f32,
    /// erfc(alpha r)/r at the cutoff, when shifted (1/angstrom).
    pub shift_coulomb: f32,
    /// Square of the inner maximum (A^2); zero if there is none.
    pub inner2: f32,
    /// Inside this radius (angstrom) a soft core has the energy `soft_energy` + `soft_force` (`soft_radius` - r).
    pub soft_radius: f32,
    /// See `soft_radius` (u A^2/ps^2).
    pub soft_energy: f32,
    /// See `soft_radius` (u A/ps^2).
    pub soft_force: f32,
}

/// The parameters of all pairs of species, row by row, with a real-space Coulomb cutoff (angstrom) at splitting `alpha`.
pub fn pair_parameters(force_field: &ForceField, alpha: f64, coulomb_cutoff: f64) -> Vec<PairParameters> {
    let n = force_field.species.len();
    let close = close_approach_table(force_field);
    let shifted = force_field.shift == Shift::Potential;
    (0..n * n)
        .map(|index| {
            let (i, j) = (index / n, index % n);
            let charge = COULOMB * force_field.species[i].charge * force_field.species[j].charge;
            let soft = close[index].soft_core;
            let pair = force_field.pairs[index];
            PairParameters {
                exponent: pair
                    .filter(|p| p.amplitude > 0.0)
                    .map_or(-1e4, |p| p.amplitude.ln() + p.sigma / p.rho) as f32,
                inverse_rho: pair.map_or(1.0, |p| 1.0 / p.rho) as f32,
                dispersion6: pair.map_or(0.0, |p| p.dispersion6) as f32,
                dispersion8: pair.map_or(0.0, |p| p.dispersion8) as f32,
                charge: charge as f32,
                shift_short_range: pair.filter(|_| shifted).map_or(0.0, |p| p.energy(force_field.cutoff))
                    as f32,
                shift_coulomb: if shifted {
                    (1.0 / coulomb_cutoff - screening::energy(alpha, coulomb_cutoff.powi(2))) as f32
                } else {
                    0.0
                },
                inner2: close[index].inner_maximum.map_or(0.0, |r| r * r) as f32,
                soft_radius: soft.map_or(0.0, |s| s.radius) as f32,
                soft_energy: soft.map_or(0.0, |s| s.energy) as f32,
                soft_force: soft.map_or(0.0, |s| s.force) as f32,
            }
        })
        .collect()
}

/// Everything about pair forces that does not change in a run.
#[derive(Clone, Debug)]
pub struct PairPotential {
    table: Vec<PairParameters>,
    n_species: usize,
    short_range_cutoff2: f32,
    coulomb_cutoff2: f32,
    screened_energy: Polynomial,
    screened_force: Polynomial,
}

impl PairPotential {
    /// Tables for a force field with its own cutoff and a real-space Coulomb cutoff (angstrom) at splitting `alpha`.
    pub fn new(force_field: &ForceField, alpha: f64, coulomb_cutoff: f64) -> Self {
        let r2_max = coulomb_cutoff.max(force_field.cutoff).powi(2);
        Self {
            table: pair_parameters(force_field, alpha, coulomb_cutoff),
            n_species: force_field.species.len(),
            short_range_cutoff2: force_field.cutoff.powi(2) as f32,
            coulomb_cutoff2: coulomb_cutoff.powi(2) as f32,
            screened_energy: Polynomial::fit(|r2| screening::energy(alpha, r2), r2_max),
            screened_force: Polynomial::fit(|r2| screening::force(alpha, r2), r2_max),
        }
    }
}

/// Energies and virials of a chunk of molecules.
#[derive(Clone, Copy, Debug)]
pub struct PairSums {
    /// Short-range energy.
    pub short_range: f64,
    /// Real-space Coulomb energy.
    pub coulomb: f64,
    /// Short-range virial.
    pub short_range_virial: DMat3,
    /// Real-space Coulomb virial.
    pub coulomb_virial: DMat3,
}

impl Default for PairSums {
    /// No energy and no virial (the default matrix would be the identity).
    fn default() -> Self {
        Self { short_range: 0.0, coulomb: 0.0, short_range_virial: DMat3::ZERO, coulomb_virial: DMat3::ZERO }
    }
}

/// What [`PairChunk`] says: its sums, and an atom whose neighbour of a species came too close, if any.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairResult {
    /// Energies and virials, when asked for.
    pub sums: PairSums,
    /// (atom, species of the other atom).
    pub too_close: Option<(usize, usize)>,
}

/// Scratch of one thread.
#[derive(Clone, Debug, Default)]
pub struct PairScratch {
    gathered: Gathered,
    reaction: Reaction,
    fixed: [Vec<i64>; 6],
    /// Force sums, one an atom.
    pub forces: Vec<FixedForce>,
    /// Sums of the virials of a molecule's pairs, one a molecule: each pair counts whole on both sides. Used when
    /// [`Wanted::MoleculeVirials`].
    pub virials: Vec<FixedVirial>,
}

/// What one molecule does to its neighbours, one entry a gathered place.
#[derive(Clone, Debug, Default)]
struct Reaction {
    force: [Vec<f32>; 3],
    virial: [Vec<f32>; 6],
}

/// What the neighbours do to one atom.
struct Central<L> {
    force: [L; 3],
    virial: [L; 6],
}

/// What to compute beside the forces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Forces,
    /// Energies and virials of all pairs together.
    EnergyAndVirial,
    /// The virial of each molecule.
    MoleculeVirials,
}

/// Pair forces of one chunk of molecules.
pub struct PairChunk<'a> {
    /// Its lists.
    pub chunk: &'a ListChunk,
    /// The potential.
    pub potential: &'a PairPotential,
    /// The molecules.
    pub topology: &'a Topology,
    /// Fixed-point positions.
    pub fractions: &'a [Fraction],
    /// See [`crate::neighbors::molecule_list::fraction_matrix`].
    pub h: &'a [[f32; 3]; 3],
    /// What to compute beside the forces.
    pub wanted: Wanted,
    /// Linear continuation at short distance instead of an error; not for [`Wanted::MoleculeVirials`].
    pub soft: bool,
    /// Buffers; forces are added to `scratch.forces`.
    pub scratch: &'a mut PairScratch,
}

impl LaneKernel for PairChunk<'_> {
    type Output = PairResult;
    #[inline(always)]
    fn run<L: Lanes>(self) -> PairResult {
        match (self.wanted, self.soft) {
            (Wanted::Forces, false) => self.forces::<L, false, false, false>(),
            (Wanted::EnergyAndVirial, false) => self.forces::<L, true, false, false>(),
            (Wanted::Forces, true) => self.forces::<L, false, true, false>(),
            (Wanted::EnergyAndVirial, true) => self.forces::<L, true, true, false>(),
            (Wanted::MoleculeVirials, _) => self.forces::<L, false, false, true>(),
        }
    }
}

impl PairChunk<'_> {
    #[inline(always)]
    fn forces<L: Lanes, const ENERGY: bool, const SOFT: bool, const VIRIAL: bool>(self) -> PairResult {
        let Self { chunk, potential, topology, fractions, h, scratch, .. } = self;
        let n_species = potential.n_species;
        let mut result = PairResult::default();
        for index in 0..chunk.n_molecules(n_species) {
            let first = topology.molecules[chunk.first + index].first_atom;
            let reference = fractions[first];
            scratch.gathered.fill::<L>(chunk.groups(index, n_species), fractions, reference, h);
            for reaction in &mut scratch.reaction.force {
                reaction.clear();
                reaction.resize(scratch.gathered.places(), 0.0);
            }
            if VIRIAL {
                for reaction in &mut scratch.reaction.virial {
                    reaction.clear();
                    reaction.resize(scratch.gathered.places(), 0.0);
                }
            }
            for atom in first..first + molecule_size(topology, chunk.first + index) {
                let arm = relative(fractions[atom], reference, h);
                let mut central = Central { force: [L::splat(0.0); 3], virial: [L::splat(0.0); 6] };
                let mut start = 0;
                for (species, group) in chunk.groups(index, n_species).enumerate() {
                    let pair = &potential.table[topology.atom_species[atom] * n_species + species];
                    let places = start..start + group.len().next_multiple_of(LANES);
                    start = places.end;
                    if places.is_empty() {
                        continue;
                    }
                    let close = pair_loop::<L, ENERGY, SOFT, VIRIAL>(
                        potential,
                        pair,
                        arm,
                        places,
                        &scratch.gathered.r,
                        &mut scratch.reaction,
                        &mut central,
                        &mut result.sums,
                    );
                    if close && result.too_close.is_none() {
                        result.too_close = Some((atom, species));
                    }
                }
                let sum = &mut scratch.forces[atom];
                for axis in 0..3 {
                    sum[axis] = sum[axis].wrapping_add(to_fixed(central.force[axis].sum()));
                }
                if VIRIAL {
                    let sum = &mut scratch.virials[chunk.first + index];
                    for component in 0..6 {
                        sum[component] =
                            sum[component].wrapping_add(to_fixed(central.virial[component].sum()));
                    }
                }
            }
            add_reactions(chunk, index, n_species, scratch);
            if VIRIAL {
                add_virials(chunk, index, topology, scratch);
            }
        }
        result
    }
}

/// Adds the forces on the neighbours of one molecule to the sums.
#[inline(always)]
fn add_reactions(chunk: &ListChunk, index: usize, n_species: usize, scratch: &mut PairScratch) {
    for (fixed, reaction) in scratch.fixed.iter_mut().zip(&scratch.reaction.force) {
        fixed.clear();
        fixed.extend(reaction.iter().map(|&f| to_fixed(f)));
    }
    let [x, y, z, ..] = &scratch.fixed;
    let mut start = 0;
    for group in chunk.groups(index, n_species) {
        let values = x[start..].iter().zip(&y[start..]).zip(&z[start..]);
        for (&atom, ((x, y), z)) in group.iter().zip(values) {
            let sum = &mut scratch.forces[atom as usize];
            sum[0] = sum[0].wrapping_add(*x);
            sum[1] = sum[1].wrapping_add(*y);
            sum[2] = sum[2].wrapping_add(*z);
        }
        start += group.len().next_multiple_of(LANES);
    }
}

/// Adds the virials of the neighbours of one molecule to those of their molecules.
#[inline(always)]
fn add_virials(chunk: &ListChunk, index: usize, topology: &Topology, scratch: &mut PairScratch) {
    for (fixed, reaction) in scratch.fixed.iter_mut().zip(&scratch.reaction.virial) {
        fixed.clear();
        fixed.extend(reaction.iter().map(|&w| to_fixed(w)));
    }
    let mut start = 0;
    for group in chunk.groups(index, topology.species.len()) {
        for (place, &atom) in group.iter().enumerate() {
            let sum = &mut scratch.virials[topology.atom_molecule[atom as usize]];
            for (total, fixed) in sum.iter_mut().zip(&scratch.fixed) {
                *total = total.wrapping_add(fixed[start + place]);
            }
        }
        start += group.len().next_multiple_of(LANES);
    }
}

/// One atom against one group of neighbours of one species. Returns whether one of them is inside the inner maximum.
#[inline(always)]
fn pair_loop<L: Lanes, const ENERGY: bool, const SOFT: bool, const VIRIAL: bool>(
    potential: &PairPotential,
    pair: &PairParameters,
    arm: [f32; 3],
    places: std::ops::Range<usize>,
    r: &[Vec<f32>; 3],
    reaction: &mut Reaction,
    central: &mut Central<L>,
    sums: &mut PairSums,
) -> bool {
    let zero = L::splat(0.0);
    let one = L::splat(1.0);
    let (inverse_rho, exponent) = (L::splat(pair.inverse_rho), L::splat(pair.exponent));
    let (c6, d8) = (L::splat(pair.dispersion6), L::splat(pair.dispersion8));
    let (six_c6, eight_d8) = (L::splat(6.0 * pair.dispersion6), L::splat(8.0 * pair.dispersion8));
    let charge = L::splat(pair.charge);
    let mut closest = L::splat(f32::INFINITY);
    let mut energies = [zero; 2];
    let mut virials = [[zero; 6]; 2];
    for k in places.step_by(LANES) {
        let dx = L::splat(arm[0]).sub(L::load(&r[0][k..]));
        let dy = L::splat(arm[1]).sub(L::load(&r[1][k..]));
        let dz = L::splat(arm[2]).sub(L::load(&r[2][k..]));
        let mut r2 = dz.mul_add(dz, dy.mul_add(dy, dx.mul(dx)));
        if SOFT {
            // Coinciding atoms have no direction: they feel no force, rather than NaN.
            r2 = r2.max(L::splat(1e-6));
        }
        closest = closest.min(r2);
        let in_short_range = r2.less(L::splat(potential.short_range_cutoff2));
        let in_coulomb = r2.less(L::splat(potential.coulomb_cutoff2));
        let inverse = one.div(r2.sqrt());
        let inverse2 = inverse.mul(inverse);
        let distance = r2.mul(inverse);
        let inverse6 = inverse2.mul(inverse2).mul(inverse2);
        let wall = distance.neg_mul_add(inverse_rho, exponent).exp();
        // Force over distance, both terms.
        let dispersion = inverse6.mul(eight_d8.mul_add(inverse2, six_c6));
        let mut short_range = wall.mul(inverse_rho).mul(distance).sub(dispersion).mul(inverse2);
        let bare = inverse2.mul(inverse);
        let screened = potential.screened_force.evaluate(r2);
        let mut coulomb = charge.mul(bare.sub(screened));
        let mut soft = r2.less(zero);
        if SOFT {
            soft = distance.less(L::splat(pair.soft_radius));
            let linear = L::splat(pair.soft_force).mul(inverse);
            short_range = L::select(soft, linear, short_range);
            coulomb = L::select(soft, zero.sub(charge.mul(screened)), coulomb);
        }
        short_range = L::select(in_short_range, short_range, zero);
        coulomb = L::select(in_coulomb, coulomb, zero);
        let f = short_range.add(coulomb);
        let (fx, fy, fz) = (f.mul(dx), f.mul(dy), f.mul(dz));
        for (axis, component) in [fx, fy, fz].into_iter().enumerate() {
            central.force[axis] = central.force[axis].add(component);
            let reaction = &mut reaction.force[axis][k..];
            L::load(reaction).sub(component).store(reaction);
        }
        if VIRIAL {
            let products = [(fx, dx), (fy, dy), (fz, dz), (fx, dy), (fx, dz), (fy, dz)];
            for (component, (a, b)) in products.into_iter().enumerate() {
                let w = a.mul(b);
                central.virial[component] = central.virial[component].add(w);
                let reaction = &mut reaction.virial[component][k..];
                L::load(reaction).add(w).store(reaction);
            }
        }
        if ENERGY {
            let shift = L::splat(pair.shift_short_range);
            let mut u = wall.sub(inverse6.mul(d8.mul_add(inverse2, c6))).sub(shift);
            let smooth = potential.screened_energy.evaluate(r2).add(L::splat(pair.shift_coulomb));
            let mut v = charge.mul(inverse.sub(smooth));
            if SOFT {
                let inside = L::splat(pair.soft_radius).sub(distance);
                let linear = inside.mul_add(L::splat(pair.soft_force), L::splat(pair.soft_energy));
                u = L::select(soft, linear.sub(shift), u);
                v = L::select(soft, zero.sub(charge.mul(smooth)), v);
            }
            energies[0] = energies[0].add(L::select(in_short_range, u, zero));
            energies[1] = energies[1].add(L::select(in_coulomb, v, zero));
            for (virial, f) in virials.iter_mut().zip([short_range, coulomb]) {
                let (gx, gy, gz) = (f.mul(dx), f.mul(dy), f.mul(dz));
                for (w, (a, b)) in
                    virial.iter_mut().zip([(gx, dx), (gy, dy), (gz, dz), (gx, dy), (gx, dz), (gy, dz)])
                {
                    *w = a.mul_add(b, *w);
                }
            }
        }
    }
    if ENERGY {
        sums.short_range += f64::from(energies[0].sum());
        sums.coulomb += f64::from(energies[1].sum());
        sums.short_range_virial += symmetric(virials[0]);
        sums.coulomb_virial += symmetric(virials[1]);
    }
    !SOFT && L::bits(closest.less(L::splat(pair.inner2))) != 0
}

/// The matrix of the sums xx, yy, zz, xy, xz, yz.
#[inline(always)]
fn symmetric<L: Lanes>(w: [L; 6]) -> DMat3 {
    let mut sums = [0.0; 6];
    for (sum, lanes) in sums.iter_mut().zip(w) {
        *sum = f64::from(lanes.sum());
    }
    matrix(sums)
}

/// The symmetric matrix of xx, yy, zz, xy, xz, yz.
fn matrix([xx, yy, zz, xy, xz, yz]: [f64; 6]) -> DMat3 {
    DMat3::from_cols(DVec3::new(xx, xy, xz), DVec3::new(xy, yy, yz), DVec3::new(xz, yz, zz))
}
