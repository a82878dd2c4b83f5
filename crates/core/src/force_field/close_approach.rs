//! Where a pair potential stops making sense: inside its inner maximum, dispersion or Coulomb attraction wins over the wall.

use glam::DVec3;
use serde::{Deserialize, Serialize};

use super::ForceField;
use super::born_mayer_huggins::BornMayerHuggins;
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::topology::Topology;
use crate::units::{COULOMB, KILOCALORIE_PER_MOLE};

/// Short distances of one pair of species. U(r) here is the total of short range and bare Coulomb, q_i q_j/r.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CloseApproach {
    /// Radius of the inner maximum of U (angstrom); `None` if U grows without end towards the origin, or if it has its
    /// maximum below 0.02 angstrom, where no step of any dynamics gets.
    pub inner_maximum: Option<f64>,
    /// Linear continuation for overlap removal; `None` for pairs without a wall (charges alone).
    pub soft_core: Option<SoftCore>,
}

/// U(r) = energy + force (radius - r) for r < radius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoftCore {
    /// Where the repulsive force is largest, outside the inner maximum, or where it reaches [`LARGEST_FORCE`], whichever is
    /// farther out (angstrom).
    pub radius: f64,
    /// U(radius) (u A^2/ps^2).
    pub energy: f64,
    /// -dU/dr at the radius (u A/ps^2), positive.
    pub force: f64,
}

/// Distances looked at (angstrom): from well inside any physical wall to beyond any contact, in steps of [`STEP`].
const FIRST: f64 = 0.02;
const STEP: f64 = 1e-3;
const LAST: f64 = 4.0;

/// Steepest continuation (u A/ps^2): 1e4 kcal/mol/angstrom, 600 times the RMS force in the melt. Walls without a dispersion
/// term grow far beyond it, and one such pair would drown all other forces of a sum in single precision.
pub const LARGEST_FORCE: f64 = 1e4 * KILOCALORIE_PER_MOLE;

/// One entry a pair of species, row by row.
pub fn close_approach_table(force_field: &ForceField) -> Vec<CloseApproach> {
    let n = force_field.species.len();
    (0..n * n)
        .map(|index| {
            let charge =
                COULOMB * force_field.species[index / n].charge * force_field.species[index % n].charge;
            CloseApproach::of(force_field.pairs[index].as_ref(), charge)
        })
        .collect()
}

/// The error of the pair of `atom` and the atom of `species` nearest to it, which have passed their inner maximum.
pub fn close_pair(
    force_field: &ForceField,
    topology: &Topology,
    cell: &Cell,
    positions: &[DVec3],
    atom: usize,
    species: usize,
) -> ForceError {
    let own = topology.atom_species[atom];
    let others = (0..positions.len()).filter(|&j| {
        topology.atom_molecule[j] != topology.atom_molecule[atom] && topology.atom_species[j] == species
    });
    let nearest = others
        .map(|j| (cell.wrapped_difference(positions[atom] - positions[j]).length(), j))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let limit = close_approach_table(force_field)[own * force_field.species.len() + species].inner_maximum;
    // Only a pair with an inner maximum can have passed it; anything else is not a number.
    let (Some((distance, other)), Some(limit)) = (nearest, limit) else {
        return ForceError::NotFinite { atom };
    };
    ForceError::CloseApproach {
        atom_i: atom,
        atom_j: other,
        species_i: force_field.species[own].name.clone(),
        species_j: force_field.species[species].name.clone(),
        distance,
        limit,
    }
}

/// Whether the wall of a pair with charge product `charge` (u A^3/ps^2) holds against dispersion and Coulomb attraction at
/// any distance. Where it does not, the two fall into each other.
pub fn has_wall(pair: &BornMayerHuggins, charge: f64) -> bool {
    let attraction = charge.min(0.0);
    radii().any(|r| pair.force(r) + attraction / (r * r) > 0.0)
}

fn radii() -> impl DoubleEndedIterator<Item = f64> + Clone {
    let count = ((LAST - FIRST) / STEP) as u32;
    (0..=count).map(|k| FIRST + STEP * f64::from(k))
}

impl CloseApproach {
    /// Scans U of a pair with charge product `charge` (u A^3/ps^2) from the origin outwards.
    ///
    /// Outwards, since a pair of like charges may attract again between its wall and the Coulomb repulsion outside.
    pub fn of(pair: Option<&BornMayerHuggins>, charge: f64) -> Self {
        let Some(pair) = pair.filter(|p| has_wall(p, charge)) else { return Self::default() };
        let force = |r: f64| pair.force(r) + charge / (r * r);
        let Some(outside) = radii().find(|&r| force(r) > 0.0) else { return Self::default() };
        let inner_maximum = (outside > FIRST).then(|| {
            let (mut low, mut high) = (outside - STEP, outside);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if force(middle) > 0.0 { high = middle } else { low = middle }
            }
            high
        });
        let strong = radii().rev().find(|&r| force(r) >= LARGEST_FORCE);
        let radius = strong
            .or_else(|| radii().filter(|&r| r >= outside).max_by(|&a, &b| force(a).total_cmp(&force(b))))
            .unwrap_or(outside);
        let energy = pair.energy(radius) + charge / radius;
        Self { inner_maximum, soft_core: Some(SoftCore { radius, energy, force: force(radius) }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::force_field::CKN_RIGID;

    fn pair(amplitude: f64, rho: f64, dispersion6: f64) -> BornMayerHuggins {
        BornMayerHuggins {
            amplitude: amplitude * KILOCALORIE_PER_MOLE,
            sigma: 0.0,
            rho,
            dispersion6: dispersion6 * KILOCALORIE_PER_MOLE,
            dispersion8: 0.0,
        }
    }

    /// The reference outputs' notes: where dispersion acts, the inner maximum lies at 0.75 to 0.82 A and 650 to 2,400
    /// kcal/mol.
    #[test]
    fn every_pair_that_ships_has_the_inner_maximum_that_is_known() {
        let ff = ForceField::parse(CKN_RIGID, "ckn-rigid.toml").unwrap();
        let table = close_approach_table(&ff);
        let n = ff.species.len();
        for (index, close) in table.iter().enumerate() {
            let (i, j) = (index / n, index % n);
            let name = format!("{}-{}", ff.species[i].name, ff.species[j].name);
            assert_eq!(*close, table[j * n + i], "{name}");
            let Some(pair) = ff.pair(i, j) else {
                assert_eq!(*close, CloseApproach::default(), "{name}");
                continue;
            };
            let charge = COULOMB * ff.species[i].charge * ff.species[j].charge;
            let u = |r: f64| pair.energy(r) + charge / r;
            if pair.dispersion6 > 0.0 {
                let r = close.inner_maximum.unwrap_or_else(|| panic!("{name} has no inner maximum"));
                let top = u(r);
                // The notes round to two digits.
                assert!((0.745..0.825).contains(&r), "{name}: {r}");
                assert!((645.0..2450.0).contains(&(top / KILOCALORIE_PER_MOLE)), "{name}: {top}");
                assert!(u(r - 0.01) < top && u(r + 0.01) < top, "{name}");
            } else if charge < 0.0 {
                // Coulomb attraction alone wins over the wall only where nothing gets.
                assert!(close.inner_maximum.is_none_or(|r| r < 0.1), "{name}");
            } else {
                assert_eq!(close.inner_maximum, None, "{name}");
            }
        }
    }

    #[test]
    fn the_continuation_meets_the_potential_with_its_slope() {
        let ff = ForceField::parse(CKN_RIGID, "ckn-rigid.toml").unwrap();
        let n = ff.species.len();
        for (index, close) in close_approach_table(&ff).iter().enumerate() {
            let (Some(pair), Some(core)) = (&ff.pairs[index], close.soft_core) else { continue };
            let charge = COULOMB * ff.species[index / n].charge * ff.species[index % n].charge;
            let u = |r: f64| pair.energy(r) + charge / r;
            assert!(close.inner_maximum.is_none_or(|r| r < core.radius));
            assert_eq!(core.energy, u(core.radius));
            let slope = (u(core.radius - 1e-5) - u(core.radius + 1e-5)) / 2e-5;
            // Central difference: truncation h^2/(6 rho^2) below 1e-9, round-off 1e-16 U/(F h) below 1e-8.
            assert!((slope / core.force - 1.0).abs() < 1e-7, "{slope} {}", core.force);
            // One step of the scan, over which the force grows by at most exp(STEP/0.12).
            assert!(core.force > 0.0 && core.force < LARGEST_FORCE * 1.01);
        }
    }

    #[test]
    fn an_attractive_basin_between_like_charges_is_no_inner_maximum() {
        // Weak like charges and strong dispersion: repulsive again beyond the basin.
        let weak = pair(60000.0, 0.25, 900.0);
        let charge = 0.02 * COULOMB;
        let force = |r: f64| weak.force(r) + charge / (r * r);
        let basin = radii().rev().find(|&r| force(r) < 0.0).expect("there is a basin");
        assert!(basin > 2.5 && force(LAST) > 0.0, "{basin}");
        let close = CloseApproach::of(Some(&weak), charge);
        assert!(close.inner_maximum.is_some_and(|r| r < 1.5), "{close:?}");
    }

    #[test]
    fn a_wall_that_never_holds_is_told() {
        assert!(has_wall(&pair(62142.9, 0.2392, 259.4), 0.4225 * COULOMB));
        assert!(!has_wall(&pair(62.1, 0.2392, 259.4), 0.4225 * COULOMB));
        assert!(!has_wall(&pair(62.1, 0.2392, 0.0), -1.3 * COULOMB));
    }

    #[test]
    fn charges_alone_need_no_continuation() {
        assert_eq!(CloseApproach::of(None, 4.0 * COULOMB), CloseApproach::default());
    }
}
