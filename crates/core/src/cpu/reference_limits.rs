//! What the reference kernel refuses: sums that nobody would wait for.
//!
//! It sums all images of all atoms within its cutoffs, in cells of any shape. A slip of a unit (a cutoff in pm that should be in
//! angstrom, an edge of 1e12 angstrom) asks for more terms than there is time or memory. Terms are counted here before any is summed.

use std::f64::consts::PI;

use glam::DVec3;

use super::reference::ReferenceOptions;
use crate::cell::Cell;
use crate::force_field::ForceField;
use crate::forces::ForceError;
use crate::long_range::ewald::EwaldParameters;
use crate::neighbors::all_images::AllImages;

/// Images within the cutoffs, or places where they are looked for, an atom: a sphere of 60 angstrom in a melt. Physics needs hundreds.
const MOST_IMAGES: f64 = 1e5;
/// Wave vectors of a half space, counted in the box around the sphere: a million atoms at the smallest tolerance need some 5e5.
const MOST_WAVE_VECTORS: f64 = 3e6;
/// Edges and heights of a cell (angstrom): beyond them products of an edge and a wave number no longer fit the integers that count.
const EXTENT: std::ops::RangeInclusive<f64> = 1e-3..=1e7;
/// Cells that a position may lie away: their differences fit the 32-bit integers that count them, and f64 resolves 1e-6 of a cell there.
const FARTHEST: f64 = 1e9;

/// Refuses positions (angstrom, finite) that are so far from the cell that their digits are lost.
pub fn check_positions(cell: &Cell, positions: &[DVec3]) -> Result<(), ForceError> {
    match positions.iter().position(|r| cell.fractional(*r).abs().max_element() > FARTHEST) {
        None => Ok(()),
        Some(atom) => Err(ForceError::TooMuch {
            finding: format!(
                "atom {} lies at {} angstrom, more than {FARTHEST:.0e} cells away",
                atom + 1,
                positions[atom]
            ),
            remedy: "is the coordinate right? Wrap it into the cell".to_owned(),
        }),
    }
}

/// Refuses a cell and cutoffs for which the sums of `n_atoms` atoms would not end within reason.
pub fn check(
    force_field: &ForceField,
    cell: &Cell,
    n_atoms: usize,
    options: &ReferenceOptions,
    ewald: &EwaldParameters,
) -> Result<(), ForceError> {
    let h = cell.matrix();
    let edges = DVec3::new(h.x_axis.length(), h.y_axis.length(), h.z_axis.length());
    let heights = cell.perpendicular_heights();
    if !(EXTENT.contains(&edges.max_element()) && EXTENT.contains(&heights.min_element())) {
        return Err(ForceError::TooMuch {
            finding: format!(
                "the cell has edges of {:.4e}, {:.4e} and {:.4e} angstrom and a smallest height of {:.4e} angstrom",
                edges.x,
                edges.y,
                edges.z,
                heights.min_element()
            ),
            remedy: "give lengths from 1e-3 to 1e7 angstrom: is the unit right?".to_owned(),
        });
    }
    let short_range = options.short_range_cutoff.unwrap_or(force_field.cutoff);
    let cutoff = short_range.max(ewald.cutoff);
    let images = 4.0 / 3.0 * PI * cutoff.powi(3) * n_atoms as f64 / cell.volume();
    let places = AllImages::places(cell, n_atoms, cutoff);
    if images.max(places) > MOST_IMAGES {
        let whose = if short_range < ewald.cutoff {
            format!(
                "the cutoff of the Ewald sum, {cutoff:.4e} angstrom, which follows from the shape of the cell"
            )
        } else {
            format!("the cutoff of {cutoff:.4e} angstrom")
        };
        return Err(ForceError::TooMuch {
            finding: format!(
                "within {whose}, there are {:.1e} images to look at for every atom",
                images.max(places)
            ),
            remedy: format!(
                "give a shorter cutoff or a larger, less elongated cell (at most {MOST_IMAGES:.0e} images)"
            ),
        });
    }
    let waves = 0.5 * (edges * (ewald.k_max / PI) + 1.0).element_product();
    if waves <= MOST_WAVE_VECTORS {
        return Ok(());
    }
    Err(ForceError::TooMuch {
        finding: format!(
            "the Ewald sum has {waves:.1e} wave vectors up to {:.3} 1/angstrom in this cell",
            ewald.k_max
        ),
        remedy: format!(
            "give a less elongated cell, or ask for less accuracy (at most {MOST_WAVE_VECTORS:.0e} wave vectors)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check_cell(edges: DVec3, n_atoms: usize, short_range_cutoff: f64) -> Result<(), ForceError> {
        let force_field = ForceField::load(Path::new("ckn-rigid")).unwrap();
        let cell = Cell::orthorhombic(edges).unwrap();
        let options =
            ReferenceOptions { short_range_cutoff: Some(short_range_cutoff), ..ReferenceOptions::default() };
        let ewald = EwaldParameters::balanced(1e-14, &cell, n_atoms);
        check(&force_field, &cell, n_atoms, &options, &ewald)
    }

    #[test]
    fn sums_that_end_are_not_refused() {
        // Two ions in the smallest cell; a melt and a large one at 12.5 A^3 an atom; slabs with vacuum; a gas.
        for (edges, n_atoms, cutoff) in [
            (DVec3::splat(3.0), 2, 12.0),
            (DVec3::splat(31.0), 2376, 30.0),
            (DVec3::splat(232.0), 1_000_000, 12.0),
            (DVec3::new(30.0, 30.0, 1000.0), 2376, 12.0),
            (DVec3::new(1000.0, 1000.0, 20.0), 100_000, 12.0),
            (DVec3::splat(20_000.0), 120, 12.0),
        ] {
            assert_eq!(check_cell(edges, n_atoms, cutoff), Ok(()), "{edges}, {n_atoms} atoms");
        }
    }

    #[test]
    fn positions_whose_digits_are_lost_are_refused() {
        let cell = Cell::cubic(10.0).unwrap();
        assert_eq!(check_positions(&cell, &[DVec3::ZERO, DVec3::splat(-1e9)]), Ok(()));
        let error =
            check_positions(&cell, &[DVec3::ZERO, DVec3::new(0.0, 1e300, 0.0)]).unwrap_err().to_string();
        assert!(error.contains("atom 2"), "{error}");
    }

    #[test]
    fn sums_that_nobody_waits_for_are_refused_with_their_reason() {
        for (edges, cutoff, words) in [
            (DVec3::splat(20.0), 1e6, "the cutoff of 1.0000e6 angstrom"),
            (DVec3::splat(1e12), 10.0, "edges of 1.0000e12"),
            (DVec3::new(20.0, 20.0, 5e6), 10.0, "follows from the shape of the cell"),
            (DVec3::new(20.0, 20.0, 1e-9), 10.0, "smallest height"),
        ] {
            let error = check_cell(edges, 66, cutoff).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
