//! Strings: chains of ions that jump together, each into the place of the one before.
//!
//! Of the ions that jump between two moments, i follows j where min(|r_i(t) - r_j(0)|, |r_j(t) - r_i(0)|) < radius, nearest image;
//! ions that follow one another form a string. Donati et al., Phys. Rev. Lett. 80, 2338 (1998),
//! doi:10.1103/PhysRevLett.80.2338, with jumping ions as the mobile ones. An ion that follows nobody is a string of length 1.

use glam::DVec3;
use vitrion_core::cell::Cell;

/// A place is taken over within 0.6 of the distance that a jump needs: Donati et al. take 0.6 of the ions' distance.
pub const RADIUS_IN_THRESHOLDS: f64 = 0.6;

/// Lengths of the strings formed by `ions`, which move from `before` to `after` (angstrom).
pub fn string_lengths(
    cell: &Cell,
    ions: &[usize],
    before: &[DVec3],
    after: &[DVec3],
    radius: f64,
) -> Vec<usize> {
    let distance = |a: DVec3, b: DVec3| cell.wrapped_difference(a - b).length();
    let mut string: Vec<usize> = (0..ions.len()).collect();
    for a in 0..ions.len() {
        for b in 0..a {
            let (i, j) = (ions[a], ions[b]);
            if distance(after[i], before[j]) < radius || distance(after[j], before[i]) < radius {
                let (x, y) = (root(&string, a), root(&string, b));
                string[x.max(y)] = x.min(y);
            }
        }
    }
    let mut lengths = vec![0; ions.len()];
    for a in 0..ions.len() {
        lengths[root(&string, a)] += 1;
    }
    lengths.retain(|n| *n > 0);
    lengths
}

fn root(string: &[usize], mut a: usize) -> usize {
    while string[a] != a {
        a = string[a];
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_a_chain_and_a_loner() {
        let cell = Cell::cubic(20.0).unwrap();
        // 0 -> 1 -> 2 -> 0 is a ring, 3 -> 4 a chain across the boundary, 5 jumps alone, 6 does not jump but 5 comes near.
        let place = [
            DVec3::new(1.0, 1.0, 1.0),
            DVec3::new(4.0, 1.0, 1.0),
            DVec3::new(2.5, 3.6, 1.0),
            DVec3::new(18.0, 10.0, 10.0),
            DVec3::new(1.0, 10.0, 10.0),
            DVec3::new(10.0, 15.0, 5.0),
            DVec3::new(10.0, 18.0, 5.0),
        ];
        let nudge = DVec3::new(0.1, -0.2, 0.3);
        let after = [
            place[1] + nudge,
            place[2] + nudge,
            place[0] - nudge,
            // Unwrapped: 4 is reached as its image.
            DVec3::new(21.0, 10.0, 10.0) + nudge,
            DVec3::new(4.0, 10.0, 10.0),
            place[6] + nudge,
            place[6],
        ];
        let mut lengths = string_lengths(&cell, &[0, 1, 2, 3, 4, 5], &place, &after, 1.5);
        lengths.sort_unstable();
        assert_eq!(lengths, [1, 2, 3]);
        assert!(string_lengths(&cell, &[], &place, &after, 1.5).is_empty());
    }
}
