//! Exact Ewald sum with tin-foil boundary in f64, for a neutral system in a general cell.
//!
//! 1/r is split into erfc(alpha r)/r, summed over images, and erf(alpha r)/r, summed over wave vectors k = 2 pi h^-T n:
//!
//! ```text
//! E / (e^2/4 pi eps0) = 1/2 sum' q_i q_j erfc(alpha r)/r              real space, all images but bonded copies
//!                     + (2 pi/V) sum_(k != 0) exp(-k^2/4 alpha^2)/k^2 |S(k)|^2,  S(k) = sum_i q_i exp(i k.r_i)
//!                     - alpha/sqrt(pi) sum q_i^2                        self energy
//!                     - sum_bonded q_i q_j erf(alpha r)/r               bonded copies
//! ```
//!
//! Ewald, Ann. Phys. 369, 253 (1921), doi:10.1002/andp.19213690304; boundary condition: de Leeuw, Perram and Smith,
//! Proc. R. Soc. A 373, 27 (1980), doi:10.1098/rspa.1980.0135; virial: Essmann et al., J. Chem. Phys. 103, 8577 (1995),
//! doi:10.1063/1.470117.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, TAU};
use std::ops::Range;

use glam::{DMat3, DVec3};
use rayon::prelude::*;
use rustfft::num_complex::Complex64;

use crate::backend::{ElectrostaticsParameters, Reciprocal};
use crate::cell::Cell;
use crate::force_field::bonded::outer;
use crate::topology::Topology;
use crate::units::COULOMB;

/// Where the sum is split and where its two parts end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EwaldParameters {
    /// Splitting parameter alpha (1/angstrom).
    pub alpha: f64,
    /// Real-space cutoff (angstrom).
    pub cutoff: f64,
    /// Largest wave number (1/angstrom, with 2 pi).
    pub k_max: f64,
}

/// Time of one pair in real space over that of one (atom, wave vector) term in reciprocal space. It moves work between
/// the two sums and leaves the result alone; the cost near the optimum is flat.
const PAIR_COST: f64 = 16.0;

impl EwaldParameters {
    /// Parameters for which both sums end at terms of relative size `tolerance`, exp(-s^2) = tolerance with
    /// s = alpha r_c = k_max/(2 alpha), and take about the same time for `n_atoms` in `cell`: the cost
    /// PAIR_COST n (4 pi/3) r_c^3 n/V + n V k_max^3/(12 pi^2), k_max = 2 s^2/r_c, has its minimum at
    /// r_c^6 = s^6 V^2/(2 pi^3 n PAIR_COST).
    pub fn balanced(tolerance: f64, cell: &Cell, n_atoms: usize) -> Self {
        let s = (-tolerance.clamp(1e-16, 0.1).ln()).sqrt();
        let volume = cell.volume();
        let n = n_atoms.max(1) as f64;
        let cutoff = s * (volume * volume / (2.0 * PI.powi(3) * n * PAIR_COST)).powf(1.0 / 6.0);
        Self::from_cutoff(tolerance, cutoff)
    }

    /// Parameters for which both sums end at terms of relative size `tolerance`, with a given real-space `cutoff`
    /// (angstrom).
    pub fn from_cutoff(tolerance: f64, cutoff: f64) -> Self {
        let s = (-tolerance.clamp(1e-16, 0.1).ln()).sqrt();
        Self { alpha: s / cutoff, cutoff, k_max: 2.0 * s * s / cutoff }
    }
}

impl From<EwaldParameters> for ElectrostaticsParameters {
    fn from(p: EwaldParameters) -> Self {
        Self { cutoff: p.cutoff, alpha: p.alpha, reciprocal: Reciprocal::Ewald { k_max: p.k_max } }
    }
}

/// Energy u(r) of a pair of unit charges and its force -du/dr, without e^2/(4 pi eps0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairTerm {
    /// u(r) (1/angstrom).
    pub energy: f64,
    /// -du/dr (1/angstrom^2).
    pub force: f64,
}

/// erfc(alpha r)/r: what real space sums.
pub fn screened(alpha: f64, r: f64) -> PairTerm {
    let energy = libm::erfc(alpha * r) / r;
    PairTerm { energy, force: (energy + alpha * gaussian(alpha * r)) / r }
}

/// erf(alpha r)/r: what reciprocal space sums, to be taken back for bonded pairs.
pub fn smooth(alpha: f64, r: f64) -> PairTerm {
    if r == 0.0 {
        return PairTerm { energy: alpha * FRAC_2_SQRT_PI, force: 0.0 };
    }
    let energy = libm::erf(alpha * r) / r;
    PairTerm { energy, force: (energy - alpha * gaussian(alpha * r)) / r }
}

/// d erf(x)/dx.
fn gaussian(x: f64) -> f64 {
    FRAC_2_SQRT_PI * (-x * x).exp()
}

/// Takes the pairs within each molecule (as given, not their images) out of the reciprocal sum: adds the force of
/// -q_i q_j erf(alpha r)/r (u A/ps^2) to `forces` and returns energy and virial (u A^2/ps^2).
pub fn add_excluded_pairs(
    alpha: f64,
    topology: &Topology,
    charges: &[f64],
    positions: &[DVec3],
    forces: &mut [DVec3],
) -> (f64, DMat3) {
    let (mut energy, mut virial) = (0.0, DMat3::ZERO);
    visit_excluded_pairs(alpha, topology, charges, positions, forces, |_, pair_energy, pair_virial| {
        energy += pair_energy;
        virial += pair_virial;
    });
    (energy, virial)
}

/// As [`add_excluded_pairs`], and tells `each` of every pair: its molecule, energy and virial.
pub fn visit_excluded_pairs(
    alpha: f64,
    topology: &Topology,
    charges: &[f64],
    positions: &[DVec3],
    forces: &mut [DVec3],
    mut each: impl FnMut(usize, f64, DMat3),
) {
    for (index, molecule) in topology.molecules.iter().enumerate() {
        let atoms = molecule.first_atom..molecule.first_atom + topology.kinds[molecule.kind].species.len();
        for i in atoms.clone() {
            for j in i + 1..atoms.end {
                let d = positions[i] - positions[j];
                let strength = -COULOMB * charges[i] * charges[j];
                let pair = smooth(alpha, d.length());
                let force = strength * pair.force * d.normalize_or_zero();
                forces[i] += force;
                forces[j] -= force;
                each(index, strength * pair.energy, outer(d, force));
            }
        }
    }
}

/// Wave vectors n = (n1, n2, n3) with common n1, n2: a run of n3, each with its weight.
struct Column {
    n: [i32; 2],
    n3: Range<i32>,
    /// Per wave vector: (4 pi/V) exp(-k^2/4 alpha^2)/k^2 times e^2/(4 pi eps0), which counts k and -k.
    weights: Vec<f64>,
}

/// The reciprocal part: wave vectors of one half space with |k| <= k_max.
pub struct ReciprocalSum {
    alpha: f64,
    k_max: f64,
    cell: Cell,
    columns: Vec<Column>,
}

/// Atoms whose forces one task computes. Each force is summed on its own, so results do not depend on it.
const FORCE_CHUNK: usize = 64;

impl ReciprocalSum {
    /// Wave vectors of `cell`.
    pub fn new(parameters: &EwaldParameters, cell: &Cell) -> Self {
        let EwaldParameters { alpha, k_max, .. } = *parameters;
        Self { alpha, k_max, cell: *cell, columns: columns(alpha, k_max, cell) }
    }

    /// Wave vectors of a new cell, if it is one; alpha and k_max stay.
    pub fn set_cell(&mut self, cell: &Cell) {
        if self.cell != *cell {
            self.cell = *cell;
            self.columns = columns(self.alpha, self.k_max, cell);
        }
    }

    /// Number of wave vectors, of k and -k one.
    pub fn n_wave_vectors(&self) -> usize {
        self.columns.iter().map(|column| column.weights.len()).sum()
    }

    /// Adds the forces (u A/ps^2) on `charges` (e) at `positions` (angstrom) to `forces`; returns energy and virial
    /// (u A^2/ps^2). The virial is -dE/dstrain when the positions are strained with the cell:
    /// W = sum_k E_k [1 - 2 (1/k^2 + 1/(4 alpha^2)) k k^T].
    pub fn add_forces(&self, charges: &[f64], positions: &[DVec3], forces: &mut [DVec3]) -> (f64, DMat3) {
        let phases = Phases::new(&self.cell, positions, &self.columns);
        let structure_factors: Vec<Vec<Complex64>> =
            self.columns.par_iter().map(|column| phases.structure_factors(column, charges)).collect();
        forces.par_chunks_mut(FORCE_CHUNK).enumerate().for_each(|(chunk, forces)| {
            let first = chunk * FORCE_CHUNK;
            self.add_chunk_forces(&phases, &structure_factors, &charges[first..], first, forces);
        });
        self.energy_and_virial(&structure_factors)
    }

    /// Virial of the reciprocal sum shared out among the atoms (u A^2/ps^2), one an atom: half of that of each of its pairs
    /// with all charges and their images, itself included,
    /// w_a = q_a sum_k w_k Re(conj(S(k)) exp(i k.r_a)) [1 - 2 (1/k^2 + 1/(4 alpha^2)) k k^T] over the half space.
    /// They add up to the virial of [`Self::add_forces`], since sum_a q_a Re(conj(S) exp(i k.r_a)) = |S|^2.
    pub fn atom_virials(&self, charges: &[f64], positions: &[DVec3]) -> Vec<DMat3> {
        let phases = Phases::new(&self.cell, positions, &self.columns);
        let structure_factors: Vec<Vec<Complex64>> =
            self.columns.par_iter().map(|column| phases.structure_factors(column, charges)).collect();
        let reciprocal = wave_vector_basis(&self.cell);
        let of_atom = |(atom, charge): (usize, &f64)| {
            let mut virial = DMat3::ZERO;
            for (column, factors) in self.columns.iter().zip(&structure_factors) {
                let plane = phases.plane(column.n, atom);
                for ((n3, weight), factor) in column.n3.clone().zip(&column.weights).zip(factors) {
                    let phase = plane * phases.axes[2].get(n3, atom);
                    let share = charge * weight * (factor.conj() * phase).re;
                    virial += self.strain_derivative(reciprocal * column.wave_index(n3)) * share;
                }
            }
            virial
        };
        charges.par_iter().enumerate().map(of_atom).collect()
    }

    /// 1 - 2 (1/k^2 + 1/(4 alpha^2)) k k^T: the virial of a wave over its energy.
    fn strain_derivative(&self, k: DVec3) -> DMat3 {
        let stretch = 2.0 * (1.0 / k.length_squared() + 0.25 / (self.alpha * self.alpha));
        DMat3::IDENTITY - outer(k, k) * stretch
    }

    fn energy_and_virial(&self, structure_factors: &[Vec<Complex64>]) -> (f64, DMat3) {
        let reciprocal = wave_vector_basis(&self.cell);
        let (mut energy, mut virial) = (0.0, DMat3::ZERO);
        for (column, factors) in self.columns.iter().zip(structure_factors) {
            for ((n3, weight), factor) in column.n3.clone().zip(&column.weights).zip(factors) {
                let k = reciprocal * column.wave_index(n3);
                let term = weight * factor.norm_sqr();
                energy += term;
                virial += self.strain_derivative(k) * term;
            }
        }
        (energy, virial)
    }

    /// F_i = 2 q_i sum_k w_k k Im(conj(S(k)) exp(i k.r_i)) over the half space, for atoms `first ..`.
    ///
    /// The sum over n3 runs innermost over all atoms of the chunk: u = sum conj(w S) exp(2 pi i n3 s3), and v with an
    /// additional factor n3; the phase of (n1, n2) multiplies both.
    fn add_chunk_forces(
        &self,
        phases: &Phases,
        structure_factors: &[Vec<Complex64>],
        charges: &[f64],
        first: usize,
        forces: &mut [DVec3],
    ) {
        let n = forces.len();
        let atoms = first..first + n;
        let mut gradient = vec![DVec3::ZERO; n];
        let [mut u_re, mut u_im, mut v_re, mut v_im] = [[0.0; FORCE_CHUNK]; 4];
        for (column, factors) in self.columns.iter().zip(structure_factors) {
            for sum in [&mut u_re, &mut u_im, &mut v_re, &mut v_im] {
                sum.fill(0.0);
            }
            for ((n3, weight), factor) in column.n3.clone().zip(&column.weights).zip(factors) {
                let (a, sign) = (*factor * *weight, f64::from(n3.signum()));
                let order = f64::from(n3);
                let (re, im) = phases.axes[2].row(n3);
                let (re, im) = (&re[atoms.clone()], &im[atoms.clone()]);
                for i in 0..n {
                    let x = a.re * re[i] + a.im * sign * im[i];
                    let y = a.re * sign * im[i] - a.im * re[i];
                    u_re[i] += x;
                    u_im[i] += y;
                    v_re[i] += order * x;
                    v_im[i] += order * y;
                }
            }
            let [n1, n2] = column.n.map(f64::from);
            for i in 0..n {
                let plane = phases.plane(column.n, first + i);
                let u = plane.re * u_im[i] + plane.im * u_re[i];
                let v = plane.re * v_im[i] + plane.im * v_re[i];
                gradient[i] += DVec3::new(n1 * u, n2 * u, v);
            }
        }
        let reciprocal = wave_vector_basis(&self.cell);
        for ((force, gradient), charge) in forces.iter_mut().zip(gradient).zip(charges) {
            *force += 2.0 * charge * (reciprocal * gradient);
        }
    }
}

impl Column {
    fn wave_index(&self, n3: i32) -> DVec3 {
        DVec3::new(f64::from(self.n[0]), f64::from(self.n[1]), f64::from(n3))
    }
}

/// 2 pi h^-T, which maps integer triples to wave vectors.
fn wave_vector_basis(cell: &Cell) -> DMat3 {
    cell.inverse().transpose() * TAU
}

/// Wave vectors with |k| <= k_max whose first non-zero index is positive, column by column.
fn columns(alpha: f64, k_max: f64, cell: &Cell) -> Vec<Column> {
    let reciprocal = wave_vector_basis(cell);
    // n_i = a_i.k/(2 pi), so |n_i| <= |a_i| k_max/(2 pi).
    let h = cell.matrix();
    let [m1, m2, m3] = [h.x_axis, h.y_axis, h.z_axis].map(|a| (a.length() * k_max / TAU) as i32);
    let prefactor = COULOMB * 2.0 * TAU / cell.volume();
    let mut columns = Vec::new();
    for n1 in 0..=m1 {
        for n2 in if n1 == 0 { 0 } else { -m2 }..=m2 {
            let mut column = Column { n: [n1, n2], n3: 0..0, weights: Vec::new() };
            for n3 in if n1 == 0 && n2 == 0 { 1 } else { -m3 }..=m3 {
                let k2 = (reciprocal * column.wave_index(n3)).length_squared();
                // The sphere is convex: one run of n3.
                if k2 <= k_max * k_max {
                    if column.weights.is_empty() {
                        column.n3.start = n3;
                    }
                    column.n3.end = n3 + 1;
                    column.weights.push(prefactor * (-0.25 * k2 / (alpha * alpha)).exp() / k2);
                }
            }
            if !column.weights.is_empty() {
                columns.push(column);
            }
        }
    }
    columns
}

/// exp(2 pi i n s) along one axis: rows n = 0, 1, ..., each over the atoms.
struct AxisPhases {
    n_atoms: usize,
    re: Vec<f64>,
    im: Vec<f64>,
}

impl AxisPhases {
    /// By recurrence from n = 1; the error grows as n times the rounding of f64.
    fn new(fractional: impl Iterator<Item = f64>, n_atoms: usize, largest: usize) -> Self {
        let mut phases = Self { n_atoms, re: vec![1.0; n_atoms], im: vec![0.0; n_atoms] };
        let (im, re): (Vec<f64>, Vec<f64>) = fractional.map(|s| (TAU * s).sin_cos()).unzip();
        for n in 1..=largest {
            for i in 0..n_atoms {
                let (x, y) = (phases.re[(n - 1) * n_atoms + i], phases.im[(n - 1) * n_atoms + i]);
                phases.re.push(x * re[i] - y * im[i]);
                phases.im.push(x * im[i] + y * re[i]);
            }
        }
        phases
    }

    /// Real and imaginary parts for |n|; the caller gives the imaginary part the sign of n.
    fn row(&self, n: i32) -> (&[f64], &[f64]) {
        let start = n.unsigned_abs() as usize * self.n_atoms;
        (&self.re[start..start + self.n_atoms], &self.im[start..start + self.n_atoms])
    }

    fn get(&self, n: i32, atom: usize) -> Complex64 {
        let (re, im) = self.row(n);
        Complex64::new(re[atom], f64::from(n.signum()) * im[atom])
    }
}

struct Phases {
    axes: [AxisPhases; 3],
}

impl Phases {
    fn new(cell: &Cell, positions: &[DVec3], columns: &[Column]) -> Self {
        let wrapped: Vec<DVec3> =
            positions.iter().map(|&r| Cell::wrap_fractional(cell.fractional(r))).collect();
        let mut largest = [0; 3];
        for column in columns {
            let ends = [column.n3.start.unsigned_abs(), (column.n3.end - 1).unsigned_abs()];
            largest[0] = largest[0].max(column.n[0].unsigned_abs());
            largest[1] = largest[1].max(column.n[1].unsigned_abs());
            largest[2] = largest[2].max(ends[0].max(ends[1]));
        }
        let n = positions.len();
        let axis = |a: usize| AxisPhases::new(wrapped.iter().map(|s| s[a]), n, largest[a] as usize);
        Self { axes: [axis(0), axis(1), axis(2)] }
    }

    /// exp(2 pi i (n1 s1 + n2 s2)) of an atom.
    fn plane(&self, n: [i32; 2], atom: usize) -> Complex64 {
        self.axes[0].get(n[0], atom) * self.axes[1].get(n[1], atom)
    }

    /// S(k) for every wave vector of a column.
    fn structure_factors(&self, column: &Column, charges: &[f64]) -> Vec<Complex64> {
        let (re, im): (Vec<f64>, Vec<f64>) = charges
            .iter()
            .enumerate()
            .map(|(atom, &q)| self.plane(column.n, atom) * q)
            .map(|z| (z.re, z.im))
            .unzip();
        column.n3.clone().map(|n3| self.sum_over_atoms(n3, &re, &im)).collect()
    }

    /// sum (re + i im) exp(2 pi i n3 s3), in eight interleaved partial sums that a compiler can vectorise.
    fn sum_over_atoms(&self, n3: i32, re: &[f64], im: &[f64]) -> Complex64 {
        const LANES: usize = 8;
        let (c, s) = self.axes[2].row(n3);
        let mut sums = [[0.0; LANES]; 4];
        let whole = re.len() - re.len() % LANES;
        for start in (0..whole).step_by(LANES) {
            let [re, im, c, s] = [re, im, c, s].map(|x| &x[start..start + LANES]);
            for lane in 0..LANES {
                sums[0][lane] += re[lane] * c[lane];
                sums[1][lane] += im[lane] * s[lane];
                sums[2][lane] += re[lane] * s[lane];
                sums[3][lane] += im[lane] * c[lane];
            }
        }
        for i in whole..re.len() {
            sums[0][0] += re[i] * c[i];
            sums[1][0] += im[i] * s[i];
            sums[2][0] += re[i] * s[i];
            sums[3][0] += im[i] * c[i];
        }
        let [rc, is, rs, ic] = sums.map(|lanes| lanes.iter().sum::<f64>());
        let sign = f64::from(n3.signum());
        Complex64::new(rc - sign * is, sign * rs + ic)
    }
}

#[cfg(test)]
mod tests;
