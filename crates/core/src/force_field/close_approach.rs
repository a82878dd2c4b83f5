//! Where a pair potential stops making sense: inside its inner maximum, dispersion or Coulomb attraction wins over the wall.

use serde::{Deserialize, Serialize};

use super::ForceField;
use super::born_mayer_huggins::BornMayerHuggins;
use crate::units::COULOMB;

/// Short distances of one pair of species. U(r) here is the total of short range and bare Coulomb, q_i q_j/r.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CloseApproach {
    /// Radius of the inner maximum of U (angstrom); `None` if U grows without end towards the origin.
    pub inner_maximum: Option<f64>,
    /// Linear continuation for overlap removal; `None` for pairs that need none (no short range at all).
    pub soft_core: Option<SoftCore>,
}

/// U(r) = energy + force (radius - r) for r < radius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoftCore {
    /// Where the repulsive force is largest, outside the inner maximum (angstrom).
    pub radius: f64,
    /// U(radius) (u A^2/ps^2).
    pub energy: f64,
    /// -dU/dr at the radius (u A/ps^2), positive.
    pub force: f64,
}

/// Distances looked at (angstrom): from well inside any physical wall to beyond any contact, in steps of 1e-3.
const FIRST: f64 = 0.02;
const STEP: f64 = 1e-3;
const LAST: f64 = 4.0;

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

impl CloseApproach {
    /// Scans U of a pair with charge product `charge` (u A^3/ps^2) from large to small r, then bisects.
    pub fn of(pair: Option<&BornMayerHuggins>, charge: f64) -> Self {
        let force = |r: f64| pair.map_or(0.0, |p| p.force(r)) + charge / (r * r);
        let energy = |r: f64| pair.map_or(0.0, |p| p.energy(r)) + charge / r;
        let count = ((LAST - FIRST) / STEP) as usize;
        let radii = || (0..=count).rev().map(|k| FIRST + STEP * k as f64);
        // Coming from outside, the force becomes repulsive at the contact distance and attractive again at the maximum.
        let Some(contact) = radii().find(|&r| force(r) > 0.0) else {
            // Attractive at all distances: an error of the force field unless the two never meet; no continuation helps.
            return Self::default();
        };
        let inner_maximum = radii().filter(|&r| r < contact).find(|&r| force(r) <= 0.0).map(|below| {
            let (mut low, mut high) = (below, below + STEP);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if force(middle) > 0.0 { high = middle } else { low = middle }
            }
            high
        });
        let soft_core = pair.filter(|p| p.amplitude > 0.0).map(|_| {
            // Where the force has no maximum (no dispersion), stop where U reaches 1e6 kcal/mol, far above any overlap
            // that the builder makes, or at the first radius of the scan.
            let floor = inner_maximum.unwrap_or(SOFT_FLOOR).max(SOFT_FLOOR);
            let radius = radii()
                .filter(|&r| r < contact && r > floor)
                .max_by(|&a, &b| force(a).total_cmp(&force(b)))
                .unwrap_or(contact);
            SoftCore { radius, energy: energy(radius), force: force(radius) }
        });
        Self { inner_maximum, soft_core }
    }
}

/// Walls without a dispersion term grow towards the origin: their continuation begins here (angstrom), where no start
/// configuration needs more.
const SOFT_FLOOR: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::KILOCALORIE_PER_MOLE;

    /// O-O of the reference force field: the inner maximum lies at 0.75 to 0.82 A and 650 to 2,400 kcal/mol.
    fn oxygen() -> (BornMayerHuggins, f64) {
        let pair = BornMayerHuggins {
            amplitude: 62142.9 * KILOCALORIE_PER_MOLE,
            sigma: 0.0,
            rho: 0.2392,
            dispersion6: 259.4 * KILOCALORIE_PER_MOLE,
            dispersion8: 0.0,
        };
        (pair, COULOMB * 0.65 * 0.65)
    }

    #[test]
    fn oxygen_pair_turns_over_below_one_angstrom() {
        let (pair, charge) = oxygen();
        let close = CloseApproach::of(Some(&pair), charge);
        let r = close.inner_maximum.expect("dispersion wins at short distance");
        assert!((0.75..0.82).contains(&r), "{r}");
        let top = (pair.energy(r) + charge / r) / KILOCALORIE_PER_MOLE;
        assert!((650.0..2400.0).contains(&top), "{top}");
        // It is a maximum: U is lower on both sides.
        let u = |r: f64| (pair.energy(r) + charge / r) / KILOCALORIE_PER_MOLE;
        assert!(u(r - 0.01) < top && u(r + 0.01) < top);
        let soft = close.soft_core.expect("there is a wall");
        assert!(soft.radius > r && soft.force > 0.0);
        // The largest force: less on both sides.
        let f = |r: f64| pair.force(r) + charge / (r * r);
        assert!(f(soft.radius - 0.01) < soft.force && f(soft.radius + 0.01) < soft.force);
    }

    #[test]
    fn charges_alone_need_no_continuation() {
        assert_eq!(CloseApproach::of(None, 4.0 * COULOMB), CloseApproach::default());
    }
}
