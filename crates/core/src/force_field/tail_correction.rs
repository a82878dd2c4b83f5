//! Isotropic tail of the short-range potential beyond the cutoff, where g(r) is taken as 1.
//!
//! Allen and Tildesley, Computer Simulation of Liquids (2017), section 2.8, doi:10.1093/oso/9780198803195.001.0001. With sums over
//! ordered pairs of species i, j, U the whole pair potential (the wall too) and r_c the cutoff,
//!
//! ```text
//! E_int = (1/2V) sum_ij N_i N_j int_rc^inf 4 pi r^2 U_ij dr
//! E_s   = (1/2V) sum_ij N_i N_j (4/3) pi r_c^3 U_ij(r_c)
//! W     = -(1/6V) sum_ij N_i N_j int_rc^inf 4 pi r^3 U_ij' dr = E_int + E_s     (by parts; each diagonal element)
//! ```
//!
//! E_s is the work of the pairs that cross the cutoff when the volume changes: their energy jumps by U(r_c), of which the
//! virial of the pairs inside knows nothing. Energy and virial belong to one Hamiltonian in three of the four combinations
//! of `shift` and `tail_correction`:
//!
//! | shift | tail | E_tail | W_tail | |
//! |---|---|---|---|---|
//! | `potential` | no | 0 | 0 | no pair has an energy where it crosses |
//! | `potential` | yes | E_int + E_s | E_int + E_s | exact: W = -V dE/dV. E_s takes the shifts back in the mean, so energies are those of the unshifted potential as far as g = 1 inside the cutoff |
//! | `none` | yes | E_int | E_int + E_s | in the mean (g = 1 at the cutoff): the jumps of the pairs that cross are E_s |
//! | `none` | no | 0 | 0 | not at constant pressure, which [`super::Truncation`] refuses |

use std::f64::consts::PI;

use super::{ForceField, Shift};
use crate::topology::Topology;

/// Tail sums of one system; energy and pressure follow from the volume. Zero when the force field does not ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TailCorrection {
    energy_times_volume: f64,
    virial_times_volume: f64,
}

/// What one atom contributes, half of each of its pairs, times the volume (u A^5/ps^2).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct AtomTail {
    /// Energy.
    pub energy: f64,
    /// Each diagonal element of the virial.
    pub virial: f64,
}

/// Atoms of each species.
fn counts(force_field: &ForceField, topology: &Topology) -> Vec<f64> {
    let mut counts = vec![0.0; force_field.species.len()];
    for &species in &topology.atom_species {
        counts[species] += 1.0;
    }
    counts
}

/// The tail of an atom of each species beyond `cutoff` (angstrom) in the composition of `topology`; zero when the force field
/// does not ask for it.
pub(crate) fn atom_tails(force_field: &ForceField, topology: &Topology, cutoff: f64) -> Vec<AtomTail> {
    let counts = counts(force_field, topology);
    if !force_field.tail_correction {
        return vec![AtomTail::default(); counts.len()];
    }
    let tail = |i: usize| {
        let mut tail = AtomTail::default();
        for (j, n_j) in counts.iter().enumerate() {
            if let Some(pair) = force_field.pair(i, j) {
                let beyond = 0.5 * n_j * pair.integral_beyond(cutoff);
                let surface = 0.5 * n_j * 4.0 / 3.0 * PI * cutoff.powi(3) * pair.energy(cutoff);
                tail.virial += beyond + surface;
                tail.energy += match force_field.shift {
                    Shift::None => beyond,
                    Shift::Potential => beyond + surface,
                };
            }
        }
        tail
    };
    (0..counts.len()).map(tail).collect()
}

impl TailCorrection {
    /// The tail beyond `cutoff` (angstrom) for the composition of `topology`.
    pub fn new(force_field: &ForceField, topology: &Topology, cutoff: f64) -> Self {
        let mut tail = Self::default();
        let of_atoms = atom_tails(force_field, topology, cutoff);
        for (n, atom) in counts(force_field, topology).into_iter().zip(of_atoms) {
            tail.energy_times_volume += n * atom.energy;
            tail.virial_times_volume += n * atom.virial;
        }
        tail
    }

    /// Energy (u A^2/ps^2) in a cell of `volume` (A^3).
    pub fn energy(&self, volume: f64) -> f64 {
        self.energy_times_volume / volume
    }

    /// Each diagonal element of the virial (u A^2/ps^2) in a cell of `volume` (A^3).
    pub fn virial(&self, volume: f64) -> f64 {
        self.virial_times_volume / volume
    }

    /// Each diagonal element of the virial times the volume (u A^5/ps^2), which does not depend on the cell.
    pub fn virial_times_volume(&self) -> f64 {
        self.virial_times_volume
    }
}

#[cfg(test)]
mod tests;
