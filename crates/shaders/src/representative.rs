//! Systems whose kernels stand for those of all systems when shaders are validated.
//!
//! Kernels of two systems differ in the numbers of their constants and in their generated code. The code depends on the mesh and
//! on the order of the splines; so every mesh size comes along every axis, every order with rigid and with flexible molecules,
//! and there is a system of single ions, whose arrays over the atoms of a molecule are the shortest.

use crate::dimensions::Dimensions;
use crate::fourier::mesh_size;
use crate::table::Table;

/// Orders of the splines that smooth particle-mesh Ewald is done with.
const ORDERS: std::ops::RangeInclusive<usize> = 4..=8;
/// Molecules of the melt: K6 Ca4 (NO3)14.
const IONS: usize = 10;
/// See [`IONS`].
const NITRATES: usize = 14;
/// Atoms of a nitrate ion.
const NITRATE: usize = 4;

/// What the molecules of a system are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Molecules {
    Rigid,
    Flexible,
    SingleAtoms,
}

/// The systems.
pub fn systems() -> Vec<Dimensions> {
    let mut sizes: Vec<usize> = (0..).map_while(mesh_size).collect();
    sizes.dedup();
    let size = |place: usize| sizes[place % sizes.len()];
    let orders: Vec<usize> = ORDERS.collect();
    let mut systems: Vec<Dimensions> = (0..sizes.len())
        .map(|n| {
            // Five orders and two models: ten neighbouring meshes have all pairs of them.
            let molecules = if n.is_multiple_of(2) { Molecules::Rigid } else { Molecules::Flexible };
            system(molecules, orders[n % orders.len()], [size(n), size(n + 1), size(n + 2)])
        })
        .collect();
    systems.push(system(Molecules::SingleAtoms, 6, [36; 3]));
    systems
}

/// First words of all tables: any that differ.
pub fn places() -> Vec<(Table, usize)> {
    Table::ALL.into_iter().enumerate().map(|(n, table)| (table, 1 + 1000 * n)).collect()
}

fn system(molecules: Molecules, order: usize, grid: [usize; 3]) -> Dimensions {
    let (nitrates, largest_molecule) =
        if molecules == Molecules::SingleAtoms { (0, 1) } else { (NITRATES, NITRATE) };
    let atoms = IONS + nitrates * NITRATE;
    // Signs and sizes vary as those of real splines do; what the numbers are makes no difference here.
    let coefficient = |j: usize, n: usize| if n.is_multiple_of(2) { 1.0 } else { -1.0 } / (1 + j + n) as f64;
    Dimensions {
        replicas: 3,
        atoms,
        molecules: IONS + nitrates,
        bodies: if molecules == Molecules::Rigid { IONS + nitrates } else { atoms },
        species: 4,
        largest_molecule,
        flexible: molecules == Molecules::Flexible,
        grid,
        order,
        alpha: 0.325,
        short_range_cutoff: 10.0,
        coulomb_cutoff: 10.0,
        reach: 10.8,
        largest_arm: if molecules == Molecules::SingleAtoms { 0.0 } else { 1.3 },
        coulomb: 1.0e5,
        spline_weights: (0..order).map(|j| (0..order).map(|n| coefficient(j, n)).collect()).collect(),
        window_slots: 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mesh_size_order_and_model_is_there() {
        let systems = systems();
        for points in (8..=100).filter_map(mesh_size) {
            for axis in 0..3 {
                assert!(systems.iter().any(|d| d.grid[axis] == points), "{points} points along axis {axis}");
            }
        }
        for order in ORDERS {
            for flexible in [false, true] {
                assert!(
                    systems
                        .iter()
                        .any(|d| d.order == order && d.flexible == flexible && d.largest_molecule == NITRATE)
                );
            }
        }
        assert!(systems.iter().any(|d| d.largest_molecule == 1 && d.largest_arm == 0.0));
    }
}
