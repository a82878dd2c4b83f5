//! Isotropic tail of the dispersion terms beyond the cutoff, where g(r) is taken as 1.
//!
//! Allen and Tildesley, Computer Simulation of Liquids (2017), section 2.8, doi:10.1093/oso/9780198803195.001.0001.

use super::ForceField;
use crate::topology::Topology;

/// Tail sums of one system; energy and pressure follow from the volume. Zero when the force field does not ask for it.
///
/// E = (1/2V) sum_ij N_i N_j int_rc^inf 4 pi r^2 U_ij dr, W = -(1/6V) sum_ij N_i N_j int_rc^inf 4 pi r^3 U'_ij dr per
/// diagonal element, over ordered pairs of species, with U the dispersion terms -C/r^6 - D/r^8.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TailCorrection {
    energy_times_volume: f64,
    virial_times_volume: f64,
}

impl TailCorrection {
    /// The tail beyond `cutoff` (angstrom) for the composition of `topology`.
    pub fn new(force_field: &ForceField, topology: &Topology, cutoff: f64) -> Self {
        let mut tail = Self::default();
        if !force_field.tail_correction {
            return tail;
        }
        let mut count = vec![0.0; force_field.species.len()];
        for &species in &topology.atom_species {
            count[species] += 1.0;
        }
        for (i, n_i) in count.iter().enumerate() {
            for (j, n_j) in count.iter().enumerate() {
                if let Some(pair) = force_field.pair(i, j) {
                    tail.energy_times_volume += 0.5 * n_i * n_j * pair.tail_energy(cutoff);
                    tail.virial_times_volume += 0.5 * n_i * n_j * pair.tail_virial(cutoff);
                }
            }
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
}

#[cfg(test)]
mod tests {
    use super::super::Shift;
    use super::super::born_mayer_huggins::BornMayerHuggins;
    use super::*;
    use crate::topology::{MoleculeKind, MoleculeModel, Species};

    #[test]
    fn tail_counts_each_pair_once() {
        let species = vec![Species { name: "K".into(), mass: 39.1, charge: 0.0 }];
        let kind =
            MoleculeKind { name: "K".into(), species: vec![0], centre: 0, model: MoleculeModel::Point };
        let pair =
            BornMayerHuggins { amplitude: 0.0, sigma: 0.0, rho: 0.3, dispersion6: 5.0, dispersion8: 0.0 };
        let mut force_field = ForceField {
            name: "test".into(),
            description: String::new(),
            species: species.clone(),
            kinds: vec![kind.clone()],
            pairs: vec![Some(pair)],
            cutoff: 2.0,
            shift: Shift::None,
            tail_correction: true,
        };
        let topology = Topology::new(species, vec![kind], &[0; 10]);
        let tail = TailCorrection::new(&force_field, &topology, 2.0);
        // N^2/2 / V times 4 pi (-C/3 rc^3); the virial of an r^-6 term is twice its energy.
        let expected = 50.0 / 100.0 * 4.0 * std::f64::consts::PI * (-5.0 / 24.0);
        assert!((tail.energy(100.0) - expected).abs() < 1e-14);
        assert!((tail.virial(100.0) - 2.0 * expected).abs() < 1e-14);
        force_field.tail_correction = false;
        assert_eq!(TailCorrection::new(&force_field, &topology, 2.0), TailCorrection::default());
    }
}
