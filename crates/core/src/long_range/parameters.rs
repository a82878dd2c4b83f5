//! From one number, the relative force accuracy, to the splitting parameter, spline order and mesh.
//!
//! The error of both parts of the Coulomb force is predicted for uncorrelated charges: the truncated real-space part after
//! Kolafa and Perram (Mol. Simul. 9, 351 (1992), doi:10.1080/08927029208049126), the mesh after Wang, Dommert and Holm
//! (J. Chem. Phys. 133, 034117 (2010), doi:10.1063/1.3446812), here for a triclinic cell. In an ionic melt, whose charges
//! screen each other, the true errors come out close to these or smaller; [`force_difference`] measures them.

use std::f64::consts::PI;

use glam::DVec3;

use super::b_spline::{MAX_ORDER, MIN_ORDER};
use super::pme::is_grid_size;
use crate::backend::{ElectrostaticsParameters, Reciprocal};
use crate::cell::Cell;
use crate::units::COULOMB;

/// Relative force error that remains in single precision however fine the mesh is: rounding of the pair forces, nearly all
/// in the argument of the wall's exponential, and of the mesh.
pub const SINGLE_PRECISION_ERROR: f64 = 2e-6;
/// Relative accuracies that may be asked for.
pub const ACCURACY_RANGE: [f64; 2] = [3e-6, 1e-2];
/// Share of the accuracy that the truncated real-space part takes; the parts add as squares.
const REAL_SPACE_SHARE: f64 = 0.6;
/// The predicted error of the mesh must stay below this share of what is left, since it is a prediction.
const MESH_SAFETY: f64 = 0.9;

/// Why no parameters can be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// The accuracy is out of range.
    #[error(
        "relative force accuracy {found:e} is not available in mixed precision; ask for {} to {}, or use \
         `precision = \"reference\"` (single precision alone errs by about {SINGLE_PRECISION_ERROR:e})",
        ACCURACY_RANGE[0], ACCURACY_RANGE[1]
    )]
    Accuracy {
        /// Accuracy asked for.
        found: f64,
    },
    /// The cutoff is not a positive number.
    #[error("the real-space cutoff of {found} angstrom must be positive and finite")]
    Cutoff {
        /// Cutoff given (angstrom).
        found: f64,
    },
    /// The RMS force that errors are relative to is not a positive number.
    #[error("the RMS force of {found} u A/ps^2 that the accuracy refers to must be positive and finite")]
    ForceScale {
        /// Value given (u A/ps^2).
        found: f64,
    },
    /// No mesh of at most 1024 points an axis suffices.
    #[error(
        "no mesh of at most 1024 points along each axis reaches a relative force accuracy of {accuracy:e} with a cutoff of \
         {cutoff} angstrom (alpha = {alpha:.3} 1/angstrom) in a cell with edges {edges:?} angstrom; \
         ask for a lower accuracy or a longer cutoff"
    )]
    MeshTooLarge {
        /// Accuracy asked for.
        accuracy: f64,
        /// Real-space cutoff (angstrom).
        cutoff: f64,
        /// Splitting parameter that the cutoff needs (1/angstrom).
        alpha: f64,
        /// Edges of the cell (angstrom).
        edges: [f64; 3],
    },
}

/// Sums over the charges that the error predictions need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChargeSums {
    /// Number of atoms.
    pub n_atoms: f64,
    /// Sum of q^2 (e^2).
    pub squares: f64,
    /// Sum of q^4 (e^4).
    pub fourth_powers: f64,
}

impl ChargeSums {
    /// Of these charges (e).
    pub fn new(charges: &[f64]) -> Self {
        Self {
            n_atoms: charges.len() as f64,
            squares: charges.iter().map(|q| q * q).sum(),
            fourth_powers: charges.iter().map(|q| q.powi(4)).sum(),
        }
    }
}

/// The cheapest PME parameters with which the Coulomb forces of atoms with `charges` (e) in `cell` err by less than
/// `accuracy` times `rms_force` (u A/ps^2), root mean square over the atoms, with the real-space sum cut at `cutoff`
/// (angstrom).
///
/// Give the largest cell that a run will see: the mesh keeps its number of points when the cell changes.
pub fn choose(
    accuracy: f64,
    cutoff: f64,
    cell: &Cell,
    charges: &[f64],
    rms_force: f64,
) -> Result<ElectrostaticsParameters, ParameterError> {
    if !(ACCURACY_RANGE[0]..=ACCURACY_RANGE[1]).contains(&accuracy) {
        return Err(ParameterError::Accuracy { found: accuracy });
    }
    if !(cutoff.is_finite() && cutoff > 0.0) {
        return Err(ParameterError::Cutoff { found: cutoff });
    }
    if !(rms_force.is_finite() && rms_force > 0.0) {
        return Err(ParameterError::ForceScale { found: rms_force });
    }
    let sums = ChargeSums::new(charges);
    let available = (accuracy.powi(2) - SINGLE_PRECISION_ERROR.powi(2)).sqrt() * rms_force;
    let alpha = splitting_parameter(REAL_SPACE_SHARE * available, cutoff, cell, &sums);
    let mesh_error = MESH_SAFETY * available * (1.0 - REAL_SPACE_SHARE.powi(2)).sqrt();
    let suffices = |order, grid| predicted_mesh_error(alpha, order, grid, cell, &sums) <= mesh_error;
    let ladder = grid_ladder(cell);
    let best = (MIN_ORDER..=MAX_ORDER)
        .filter_map(|order| {
            let rung = ladder.partition_point(|&grid| !suffices(order, grid));
            ladder.get(rung).map(|&grid| (order, grid))
        })
        .min_by(|&a, &b| cost(a.0, a.1, charges.len()).total_cmp(&cost(b.0, b.1, charges.len())));
    let (order, grid) =
        best.ok_or_else(|| ParameterError::MeshTooLarge { accuracy, cutoff, alpha, edges: edges(cell) })?;
    Ok(ElectrostaticsParameters { cutoff, alpha, reciprocal: Reciprocal::Pme { order, grid } })
}

/// alpha (1/angstrom) at which the predicted real-space error is `error` (u A/ps^2).
fn splitting_parameter(error: f64, cutoff: f64, cell: &Cell, sums: &ChargeSums) -> f64 {
    let untruncated = predicted_real_space_error(0.0, cutoff, cell, sums);
    // Below exp(-1) the estimate, an expansion for large alpha r, means nothing; no accuracy allowed here is so loose.
    (untruncated / error).ln().max(1.0).sqrt() / cutoff
}

/// RMS force error (u A/ps^2) of cutting the real-space sum at `cutoff`:
/// 2 Q exp(-alpha^2 r^2) / sqrt(N r V), Q = sum of q^2 (Kolafa and Perram 1992, equation 17).
pub fn predicted_real_space_error(alpha: f64, cutoff: f64, cell: &Cell, sums: &ChargeSums) -> f64 {
    2.0 * COULOMB * sums.squares * (-(alpha * cutoff).powi(2)).exp()
        / (sums.n_atoms * cutoff * cell.volume()).sqrt()
}

fn edges(cell: &Cell) -> [f64; 3] {
    [0, 1, 2].map(|axis| cell.matrix().col(axis).length())
}

/// Grids of nearly equal spacing along the three edges, ever finer.
fn grid_ladder(cell: &Cell) -> Vec<[usize; 3]> {
    let edges = edges(cell);
    let sizes: Vec<usize> = (8..=1024).filter(|&n| is_grid_size(n)).collect();
    let mut spacings: Vec<f64> =
        edges.iter().flat_map(|edge| sizes.iter().map(move |&n| edge / n as f64)).collect();
    spacings.sort_by(|a, b| b.total_cmp(a));
    let fitting = |edge: f64, spacing: f64| {
        // The edge that gave this spacing must find its own size again.
        sizes.iter().copied().find(|&n| n as f64 * spacing >= edge * (1.0 - 1e-12))
    };
    let mut ladder: Vec<[usize; 3]> = spacings
        .iter()
        .filter_map(|&spacing| {
            Some([fitting(edges[0], spacing)?, fitting(edges[1], spacing)?, fitting(edges[2], spacing)?])
        })
        .collect();
    ladder.dedup();
    ladder
}

/// Time of one evaluation in arbitrary units: rows of weights spread and gathered, and transforms.
fn cost(order: usize, grid: [usize; 3], n_atoms: usize) -> f64 {
    let points = grid.iter().product::<usize>() as f64;
    let atoms = n_atoms as f64 * (ROW_COST * (order * order) as f64 + ATOM_COST);
    atoms + points * (points.log2() + POINT_COST)
}

/// Cost of one row of weights, of an atom apart from its rows, and of a mesh point apart from its transforms, where a mesh
/// point's transforms cost log2(points).
const ROW_COST: f64 = 5.0;
const ATOM_COST: f64 = 100.0;
const POINT_COST: f64 = 10.0;

/// What one axis contributes to the error at mesh wave m.
///
/// A spline of order p interpolates exp(2 pi i m u/K) as sum_n c_n exp(2 pi i (m + n K) u/K) with
/// c_n = c_0 (m/(m + n K))^p and sum_n c_n = 1: c_0 misses 1, and the rest are aliases.
#[derive(Clone, Copy)]
struct Aliases {
    /// m.
    wave: f64,
    /// c_0^2.
    kept: f64,
    /// c_0 c_1.
    neighbour: f64,
    /// Sums over n of c_n^2 times 1, m + n K, (m + n K)^2.
    moments: [f64; 3],
}

impl Aliases {
    fn new(wave: f64, points: usize, order: usize) -> Self {
        let period = points as f64;
        let ratio = |n: i32| {
            // The wave 0 is represented exactly.
            let quotient = if n == 0 { 1.0 } else { wave / (wave + f64::from(n) * period) };
            std::iter::repeat_n(quotient, order).product::<f64>()
        };
        let reach = -6..=6;
        let c0 = 1.0 / reach.clone().map(ratio).sum::<f64>();
        let mut moments = [0.0; 3];
        for n in reach {
            let k = wave + f64::from(n) * period;
            let square = (c0 * ratio(n)).powi(2);
            moments[0] += square;
            moments[1] += square * k;
            moments[2] += square * k * k;
        }
        Self { wave, kept: c0 * c0, neighbour: c0 * c0 * ratio(1), moments }
    }

    /// Of every `stride`-th wave below the Nyquist point.
    fn table(points: usize, order: usize, stride: usize) -> Vec<Self> {
        let last = (points - 1) / 2 / stride;
        let wave = |j: usize| (j as f64 - last as f64) * stride as f64;
        (0..=2 * last).map(|j| Self::new(wave(j), points, order)).collect()
    }
}

/// RMS force error (u A/ps^2) of smooth PME with analytic differentiation for uncorrelated charges.
///
/// With G(m) the Ewald factor, k_n the wave m + n K and C_n the product of the axes' c_n, an atom of charge q errs by
/// q^2 [sum of q^2] (2 pi)^2 sum_m G^2 [(sum_n C_n^2 k_n^2)(sum_n C_n^2) + k^2 (1 - 2 C_0^2)] (Wang et al. 2010; waves beyond the
/// mesh count with k^2), and by the force that its own mesh image exerts on it, along each axis
/// 2 pi K a* q^2 [sum_m G c_0 c_1] 2 sin(2 pi u).
pub fn predicted_mesh_error(
    alpha: f64,
    order: usize,
    grid: [usize; 3],
    cell: &Cell,
    sums: &ChargeSums,
) -> f64 {
    // The terms vary slowly between waves of a large cell: at most some forty an axis are summed.
    let stride = grid.map(|points| points.div_ceil(48));
    let tables = [0, 1, 2].map(|axis| Aliases::table(grid[axis], order, stride[axis]));
    let weight = stride.iter().product::<usize>() as f64;
    let reciprocal = cell.inverse().transpose();
    let axes = [reciprocal.x_axis, reciprocal.y_axis, reciprocal.z_axis];
    let decay = (PI / alpha).powi(2);
    let prefactor = COULOMB / (PI * cell.volume());
    let (mut pairs, mut own) = (0.0, [0.0; 3]);
    for a in &tables[0] {
        for b in &tables[1] {
            for c in &tables[2] {
                let k2 = (axes[0] * a.wave + axes[1] * b.wave + axes[2] * c.wave).length_squared();
                if k2 == 0.0 {
                    continue;
                }
                let g = prefactor * (-decay * k2).exp() / k2;
                let kept = a.kept * b.kept * c.kept;
                let total = a.moments[0] * b.moments[0] * c.moments[0];
                pairs +=
                    g * g * (total * aliased_square([a, b, c], &axes) + k2 * (1.0 - 2.0 * kept)).max(0.0);
                own[0] += g * a.neighbour * b.kept * c.kept;
                own[1] += g * a.kept * b.neighbour * c.kept;
                own[2] += g * a.kept * b.kept * c.neighbour;
            }
        }
    }
    let beyond: f64 = (0..3).map(|axis| truncated_waves(alpha, grid[axis], axis, cell)).sum();
    let own: f64 =
        (0..3).map(|axis| 2.0 * (own[axis] * weight * grid[axis] as f64 * axes[axis].length()).powi(2)).sum();
    2.0 * PI
        * ((sums.squares.powi(2) * (pairs * weight + beyond) + sums.fourth_powers * own) / sums.n_atoms)
            .sqrt()
}

/// sum_n C_n^2 k_n^2, which factorises over the axes.
fn aliased_square(aliases: [&Aliases; 3], axes: &[DVec3; 3]) -> f64 {
    let mut sum = 0.0;
    for i in 0..3 {
        let (j, l) = ((i + 1) % 3, (i + 2) % 3);
        let [own, next, last] = [i, j, l].map(|axis| &aliases[axis].moments);
        sum += axes[i].length_squared() * own[2] * next[0] * last[0];
        sum += 2.0 * axes[i].dot(axes[j]) * own[1] * next[1] * last[0];
    }
    sum
}

/// sum of G^2 k^2 over the waves with |m| >= K/2 along `axis`: V times the integral over the two half spaces, with
/// 1/k^2 replaced by its largest value.
fn truncated_waves(alpha: f64, points: usize, axis: usize, cell: &Cell) -> f64 {
    let decay = 2.0 * (PI / alpha).powi(2);
    let nearest = 0.5 * points as f64 / cell.matrix().col(axis).length();
    let across = PI / decay;
    let along = (-decay * nearest * nearest).exp() / (2.0 * decay * nearest);
    2.0 * (COULOMB / PI).powi(2) / cell.volume() * across * along / (nearest * nearest)
}

/// How far forces are from reference forces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForceDifference {
    /// RMS |f - f_ref| over RMS |f_ref|, over all atoms.
    pub relative_rms: f64,
    /// RMS |f_ref| (u A/ps^2).
    pub reference_rms: f64,
    /// Largest |f - f_ref| (u A/ps^2).
    pub largest: f64,
    /// The atom that has it (from 0).
    pub atom: usize,
}

/// Compares forces with reference forces (same units, same atoms, at least one). A difference that is not a number counts
/// as infinite.
///
/// # Panics
/// If the two have different lengths.
pub fn force_difference(forces: &[DVec3], reference: &[DVec3]) -> ForceDifference {
    assert_eq!(forces.len(), reference.len(), "forces of the same atoms");
    let (mut squares, mut reference_squares) = (0.0, 0.0);
    let (mut largest, mut atom) = (0.0, 0);
    for (index, (f, exact)) in forces.iter().zip(reference).enumerate() {
        let distance = (*f - *exact).length();
        let distance = if distance.is_nan() { f64::INFINITY } else { distance };
        squares += distance * distance;
        reference_squares += exact.length_squared();
        if distance > largest {
            (largest, atom) = (distance, index);
        }
    }
    let n = forces.len().max(1) as f64;
    ForceDifference {
        relative_rms: (squares / reference_squares.max(f64::MIN_POSITIVE)).sqrt(),
        reference_rms: (reference_squares / n).sqrt(),
        largest,
        atom,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Charges of the 2,376-atom system: 504 nitrates, 216 K, 144 Ca, `copies` times.
    fn melt(copies: usize) -> Vec<f64> {
        let nitrates = [0.95, -0.65, -0.65, -0.65].repeat(504 * copies);
        [nitrates, vec![1.0; 216 * copies], vec![2.0; 144 * copies]].concat()
    }

    const EDGE: f64 = 33.834515589292;
    const RMS_FORCE: f64 = 6594.0;

    #[test]
    fn the_papers_system_gets_what_it_is_known_to_need() {
        let cell = Cell::cubic(EDGE).unwrap();
        // alpha and meshes found by hand against the exact sum: 0.325 with 6/36 or 7/32, and 0.408 with 8/36.
        let ten = choose(1e-4, 10.0, &cell, &melt(1), RMS_FORCE).unwrap();
        assert!((ten.alpha - 0.325).abs() < 0.005, "{ten:?}");
        let eight = choose(1e-4, 8.0, &cell, &melt(1), RMS_FORCE).unwrap();
        assert!((eight.alpha - 0.408).abs() < 0.005, "{eight:?}");
        for (chosen, known) in [(ten, [(6, 36), (6, 40), (7, 32)]), (eight, [(6, 48), (7, 40), (8, 36)])] {
            let Reciprocal::Pme { order, grid } = chosen.reciprocal else { panic!("a mesh") };
            assert!(known.iter().any(|&(p, k)| order == p && grid == [k; 3]), "{chosen:?}");
        }
    }

    #[test]
    fn the_spacing_does_not_depend_on_the_size_or_shape_of_the_cell() {
        let mesh = |cell: &Cell, copies| {
            let chosen = choose(1e-4, 10.0, cell, &melt(copies), RMS_FORCE).unwrap();
            let Reciprocal::Pme { order, grid } = chosen.reciprocal else { panic!("a mesh") };
            (order, grid, chosen.alpha)
        };
        let (order, grid, alpha) = mesh(&Cell::cubic(EDGE).unwrap(), 1);
        let (order8, grid8, alpha8) = mesh(&Cell::cubic(2.0 * EDGE).unwrap(), 8);
        // The large cell has sizes to choose from that the small one does not have half of, so its order may differ by one.
        assert!(order8.abs_diff(order) <= 1, "{order} {grid:?} {order8} {grid8:?}");
        assert!((0.7..=1.2).contains(&(0.5 * grid8[0] as f64 / grid[0] as f64)), "{grid:?} {grid8:?}");
        assert!((alpha8 - alpha).abs() < 1e-12);
        // 3:2:1 with the same volume and the same spacing.
        let unit = EDGE / 6f64.cbrt();
        let (order_long, grid_long, _) =
            mesh(&Cell::orthorhombic(DVec3::new(3.0, 2.0, 1.0) * unit).unwrap(), 1);
        assert!(order_long.abs_diff(order) <= 1);
        for (points, edge) in grid_long.iter().zip([3.0, 2.0, 1.0]) {
            let spacing = edge * unit / *points as f64;
            assert!((0.8..=1.3).contains(&(spacing * grid[0] as f64 / EDGE)), "{grid_long:?}");
        }
    }

    #[test]
    fn requests_that_cannot_be_met_are_refused() {
        let cell = Cell::cubic(EDGE).unwrap();
        let refused = |accuracy, cutoff, rms| choose(accuracy, cutoff, &cell, &melt(1), rms).unwrap_err();
        for accuracy in [1e-6, 0.1, 0.0, f64::NAN] {
            assert!(matches!(refused(accuracy, 10.0, RMS_FORCE), ParameterError::Accuracy { .. }));
        }
        assert_eq!(refused(1e-4, 0.0, RMS_FORCE), ParameterError::Cutoff { found: 0.0 });
        assert_eq!(refused(1e-4, 10.0, -1.0), ParameterError::ForceScale { found: -1.0 });
        assert!(matches!(refused(1e-5, 0.1, RMS_FORCE), ParameterError::MeshTooLarge { .. }));
        assert!(refused(1e-6, 10.0, RMS_FORCE).to_string().contains("precision = \"reference\""));
    }

    #[test]
    fn force_difference_names_the_worst_atom() {
        let reference = [DVec3::X, DVec3::Y * 2.0, DVec3::Z];
        let forces = [DVec3::X, DVec3::Y * 2.0, DVec3::Z * 1.3];
        let found = force_difference(&forces, &reference);
        assert_eq!(found.atom, 2);
        // Rounding of 1.3.
        assert!(
            (found.largest - 0.3).abs() < 1e-15 && (found.relative_rms - 0.3 / 6f64.sqrt()).abs() < 1e-15
        );
        let broken = force_difference(&[DVec3::NAN, DVec3::Y], &[DVec3::X, DVec3::Y]);
        assert_eq!((broken.largest, broken.atom), (f64::INFINITY, 0));
    }
}
