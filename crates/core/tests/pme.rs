//! Smooth particle-mesh Ewald against the exact reciprocal sum, written out here in f64.

use std::f64::consts::{PI, TAU};

use glam::{DMat3, DVec3};
use vitrion_core::backend::{ElectrostaticsParameters, Reciprocal};
use vitrion_core::cell::Cell;
use vitrion_core::long_range::parameters::{ChargeSums, choose, force_difference, predicted_mesh_error};
use vitrion_core::long_range::pme::{Pme, PmeError};
use vitrion_core::random::{Counter, Stream};
use vitrion_core::units::COULOMB;

/// Fixed-point fractional coordinates, 2^-32 of the edge.
type Fixed = [i32; 3];

struct System {
    cell: Cell,
    charges: Vec<f64>,
    fixed: Vec<Fixed>,
}

impl System {
    /// `n` charges +1, -1, +2, -2, ... at random positions.
    fn random(cell: Cell, n: u32, seed: u64) -> Self {
        let fixed = (0..n)
            .map(|particle| {
                let counter =
                    Counter { seed, stream: Stream::BuilderPosition, replica: 0, step: 0, particle };
                let [a, b, c, _] = counter.words();
                [a, b, c].map(u32::cast_signed)
            })
            .collect();
        let charges = (0..n).map(|i| [1.0, -1.0, 2.0, -2.0][(i % 4) as usize]).collect();
        Self { cell, charges, fixed }
    }

    fn cartesian(&self) -> Vec<DVec3> {
        let scale = 2f64.powi(-32);
        self.fixed
            .iter()
            .map(|s| {
                let [x, y, z] = s.map(|i| f64::from(i) * scale);
                self.cell.cartesian(DVec3::new(x, y, z))
            })
            .collect()
    }

    fn pme(&self, alpha: f64, order: usize, grid: [usize; 3]) -> Answer {
        let mut forces = vec![DVec3::ZERO; self.charges.len()];
        let mut pme = Pme::new(&self.charges, alpha, order, grid).unwrap();
        let (energy, virial) = pme.evaluate(&self.cell, &self.fixed, true, &mut forces);
        Answer { energy, virial, forces }
    }

    /// Exact sum over all waves with exp(-pi^2 k^2/alpha^2) above exp(-27).
    fn exact(&self, alpha: f64) -> Answer {
        let reciprocal = self.cell.inverse().transpose();
        let k_max = 5.2 * alpha / PI;
        let reach = [0, 1, 2].map(|axis| (k_max * self.cell.matrix().col(axis).length()).ceil() as i32);
        let positions = self.cartesian();
        let mut answer =
            Answer { energy: 0.0, virial: DMat3::ZERO, forces: vec![DVec3::ZERO; positions.len()] };
        for a in -reach[0]..=reach[0] {
            for b in -reach[1]..=reach[1] {
                for c in -reach[2]..=reach[2] {
                    let k = reciprocal * DVec3::new(f64::from(a), f64::from(b), f64::from(c));
                    // k and -k contribute alike: half of space, counted twice.
                    if (a, b, c) > (0, 0, 0) && k.length() <= k_max {
                        answer.add_wave(self, &positions, k, alpha);
                    }
                }
            }
        }
        answer
    }
}

struct Answer {
    energy: f64,
    virial: DMat3,
    forces: Vec<DVec3>,
}

impl Answer {
    fn add_wave(&mut self, system: &System, positions: &[DVec3], k: DVec3, alpha: f64) {
        let k2 = k.length_squared();
        let g = COULOMB / (PI * system.cell.volume()) * (-(PI / alpha).powi(2) * k2).exp() / k2;
        let phases: Vec<(f64, f64)> = positions.iter().map(|r| (TAU * k.dot(*r)).sin_cos()).collect();
        let (mut re, mut im) = (0.0, 0.0);
        for (q, (sin, cos)) in system.charges.iter().zip(&phases) {
            re += q * cos;
            im += q * sin;
        }
        let energy = g * (re * re + im * im);
        self.energy += energy;
        let outer = DMat3::from_cols(k * k.x, k * k.y, k * k.z);
        self.virial += (DMat3::IDENTITY - outer * (2.0 / k2 + 2.0 * (PI / alpha).powi(2))) * energy;
        for ((force, q), (sin, cos)) in self.forces.iter_mut().zip(&system.charges).zip(&phases) {
            *force += k * (2.0 * TAU * q * g * (sin * re - cos * im));
        }
    }

    /// RMS difference of the forces over the RMS force of `exact`.
    fn force_error(&self, exact: &Self) -> f64 {
        let square = |f: &[DVec3]| f.iter().map(|f| f.length_squared()).sum::<f64>();
        let difference: Vec<DVec3> = self.forces.iter().zip(&exact.forces).map(|(a, b)| *a - *b).collect();
        (square(&difference) / square(&exact.forces)).sqrt()
    }
}

fn norm(m: DMat3) -> f64 {
    m.to_cols_array().iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn columns(a: [f64; 3], b: [f64; 3], c: [f64; 3]) -> Cell {
    Cell::new(DMat3::from_cols(DVec3::from(a), DVec3::from(b), DVec3::from(c))).unwrap()
}

/// Cells of about 1,700 A^3 with the grid that resolves 0.4 A along each edge.
fn cells() -> Vec<(&'static str, Cell, [usize; 3])> {
    vec![
        ("cubic", Cell::cubic(12.0).unwrap(), [30, 30, 30]),
        ("3:2:1", Cell::orthorhombic(DVec3::new(20.0, 13.3, 6.7)).unwrap(), [50, 36, 18]),
        ("triclinic", columns([12.0, 0.0, 0.0], [3.0, 11.5, 0.0], [-2.0, 4.0, 12.5]), [30, 30, 36]),
        ("rotated", columns([10.0, 4.0, 2.0], [-4.0, 11.0, 3.0], [1.0, -5.0, 12.0]), [30, 32, 36]),
    ]
}

#[test]
fn agrees_with_the_exact_sum_in_any_cell() {
    for (name, cell, grid) in cells() {
        let system = System::random(cell, 40, 11);
        let exact = system.exact(0.5);
        let mesh = system.pme(0.5, 8, grid);
        let error = mesh.force_error(&exact);
        println!(
            "{name}: force {error:.2e}, energy {:.2e}, virial {:.2e}",
            mesh.energy / exact.energy - 1.0,
            norm(mesh.virial - exact.virial) / norm(exact.virial)
        );
        // Order 8 at 0.4 A spacing and alpha 0.5 interpolates to about 1e-6; f32 adds 1e-6.
        assert!(error < 1e-5, "{name}: {error:e}");
        assert!((mesh.energy / exact.energy - 1.0).abs() < 1e-5, "{name}");
        assert!(norm(mesh.virial - exact.virial) < 1e-5 * norm(exact.virial), "{name}");
    }
}

/// Runs `work` in a pool of `threads` threads.
fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn one_thread_and_three_give_the_same_bits() {
    let cell = columns([12.0, 0.0, 0.0], [3.0, 11.5, 0.0], [-2.0, 4.0, 12.5]);
    let system = System::random(cell, 600, 5);
    for (order, grid) in [(4, [24, 25, 27]), (6, [36, 30, 32]), (7, [24, 45, 30])] {
        let one = with_threads(1, || system.pme(0.4, order, grid));
        let three = with_threads(3, || system.pme(0.4, order, grid));
        assert_eq!(one.energy.to_bits(), three.energy.to_bits());
        assert_eq!(one.virial, three.virial);
        assert_eq!(one.forces, three.forces);
    }
}

#[test]
fn forces_are_the_same_with_and_without_energy() {
    let system = System::random(Cell::cubic(12.0).unwrap(), 60, 3);
    let mut pme = Pme::new(&system.charges, 0.4, 6, [24; 3]).unwrap();
    let (mut with, mut without) = (vec![DVec3::ZERO; 60], vec![DVec3::ZERO; 60]);
    assert!(pme.evaluate(&system.cell, &system.fixed, true, &mut with).0 != 0.0);
    assert_eq!(pme.evaluate(&system.cell, &system.fixed, false, &mut without), (0.0, DMat3::ZERO));
    assert_eq!(with, without);
}

#[test]
fn the_order_of_the_atoms_does_not_matter() {
    let system = System::random(Cell::cubic(12.0).unwrap(), 200, 9);
    let reversed = System {
        cell: system.cell,
        charges: system.charges.iter().rev().copied().collect(),
        fixed: system.fixed.iter().rev().copied().collect(),
    };
    let (a, mut b) = (system.pme(0.4, 6, [24; 3]), reversed.pme(0.4, 6, [24; 3]));
    b.forces.reverse();
    // Equal bits on the mesh give equal energies and virials; the net force is an f64 sum in another order.
    assert_eq!(a.energy.to_bits(), b.energy.to_bits());
    assert_eq!(a.virial, b.virial);
    let largest = a.forces.iter().zip(&b.forces).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    assert!(largest < 1e-9, "{largest:e}");
}

#[test]
fn the_error_falls_with_order_and_grid() {
    let system = System::random(Cell::cubic(12.0).unwrap(), 40, 7);
    let exact = system.exact(0.5);
    let error = |order, grid| system.pme(0.5, order, [grid; 3]).force_error(&exact);
    for order in 4..8 {
        // Each order gains a factor of about (alpha h)^-1 = 4 at this spacing; 1.5 leaves room for the particular sample.
        let (lower, higher) = (error(order, 24), error(order + 1, 24));
        println!("order {order} on 24: {lower:.2e}");
        assert!(higher < lower / 1.5 || higher < 3e-6, "order {order}: {lower:e}, next {higher:e}");
    }
    for order in 4..=6 {
        let (coarse, fine) = (error(order, 18), error(order, 36));
        println!("order {order} on 18: {coarse:.2e}, on 36: {fine:.2e}");
        // Half the spacing gains at least 2^(order - 1), unless f32 is reached.
        assert!(
            fine < coarse / f64::from(1 << (order - 1)) || fine < 3e-6,
            "order {order}: {coarse:e}, {fine:e}"
        );
    }
}

#[test]
fn odd_orders_on_even_grids_are_between_their_neighbours() {
    // A coarse grid for this alpha, so that waves next to the Nyquist point count.
    let system = System::random(Cell::cubic(12.0).unwrap(), 40, 13);
    let exact = system.exact(0.6);
    let errors = [4, 5, 6, 7, 8].map(|order| system.pme(0.6, order, [20; 3]).force_error(&exact));
    println!("{errors:?}");
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
}

#[test]
fn a_translation_changes_nothing_but_the_interpolation_error() {
    let system = System::random(Cell::cubic(12.0).unwrap(), 40, 17);
    let exact = system.exact(0.5);
    let before = system.pme(0.5, 8, [30; 3]);
    for shift in [[1 << 20, -(1 << 30), 123_456_789], [i32::MIN, i32::MAX, 77]] {
        let fixed = system.fixed.iter().map(|s| [0, 1, 2].map(|a| s[a].wrapping_add(shift[a]))).collect();
        let moved = System { cell: system.cell, charges: system.charges.clone(), fixed };
        let after = moved.pme(0.5, 8, [30; 3]);
        // Order 8 at alpha h = 0.2: 1e-6, as in `agrees_with_the_exact_sum_in_any_cell`.
        assert!((after.energy / before.energy - 1.0).abs() < 3e-6);
        assert!(after.force_error(&exact) < 3e-6);
    }
}

#[test]
fn forces_are_the_gradient_of_the_energy() {
    let cell = columns([12.0, 0.0, 0.0], [3.0, 11.5, 0.0], [-2.0, 4.0, 12.5]);
    let system = System::random(cell, 20, 19);
    let at = system.pme(0.45, 8, [32; 3]);
    let rms = (at.forces.iter().map(|f| f.length_squared()).sum::<f64>() / 20.0).sqrt();
    // 0.01 of the edge: the f32 energy's rounding (1e-7 of it) must stay below the difference.
    let step = 1 << 25;
    for atom in [0, 7, 19] {
        for axis in 0..3 {
            let energy = |sign: i32, reach: i32| {
                let mut fixed = system.fixed.clone();
                fixed[atom][axis] = fixed[atom][axis].wrapping_add(sign * reach * step);
                System { cell, charges: system.charges.clone(), fixed }.pme(0.45, 8, [32; 3]).energy
            };
            let h = f64::from(step) * 2f64.powi(-32);
            // Central difference of sixth order.
            let d = |reach| energy(1, reach) - energy(-1, reach);
            let derivative = (45.0 * d(1) - 9.0 * d(2) + d(3)) / (60.0 * h);
            let projected = -at.forces[atom].dot(cell.matrix().col(axis));
            let error = (projected - derivative).abs() / (rms * cell.matrix().col(axis).length());
            // Rounding of the energy, 1e-7 x energy / (h x projected force), with energy about 10 force x edge.
            assert!(error < 2e-4, "atom {atom} axis {axis}: {error:e}");
        }
    }
}

#[test]
fn the_virial_is_the_strain_derivative_of_the_energy() {
    let system = System::random(Cell::cubic(12.0).unwrap(), 40, 23);
    let mut pme = Pme::new(&system.charges, 0.45, 8, [32; 3]).unwrap();
    let mut forces = vec![DVec3::ZERO; 40];
    let (_, virial) = pme.evaluate(&system.cell, &system.fixed, true, &mut forces);
    // One mesh object follows the cell: W_ab = -dE/d(strain_ab) at fixed fractional coordinates.
    for (a, b) in [(0, 0), (1, 1), (2, 2), (0, 1), (2, 1)] {
        let mut energy = |strain: f64| {
            let mut deformation = DMat3::IDENTITY;
            deformation.col_mut(b)[a] += strain;
            let cell = Cell::new(deformation * system.cell.matrix()).unwrap();
            pme.evaluate(&cell, &system.fixed, true, &mut forces).0
        };
        let e = 0.01;
        let derivative = (8.0 * (energy(e) - energy(-e)) - (energy(2.0 * e) - energy(-2.0 * e))) / (12.0 * e);
        let error = (virial.col(b)[a] + derivative).abs() / norm(virial);
        // Rounding 2e-7 of the energy over the step 0.01, and the fourth-order difference's error e^4.
        assert!(error < 5e-5, "{a}{b}: {error:e}");
    }
    let (again, _) = pme.evaluate(&system.cell, &system.fixed, true, &mut forces);
    assert_eq!(again.to_bits(), system.pme(0.45, 8, [32; 3]).energy.to_bits(), "back in the first cell");
}

#[test]
fn the_mesh_forces_have_no_sum_and_spare_uncharged_atoms() {
    let mut system = System::random(Cell::cubic(12.0).unwrap(), 40, 29);
    system.charges.extend([0.0, 0.0]);
    system.fixed.extend([[1 << 28, 5, -(1 << 29)], [0, 0, 0]]);
    let answer = system.pme(0.6, 4, [16; 3]);
    let rms = (answer.forces.iter().map(|f| f.length_squared()).sum::<f64>() / 42.0).sqrt();
    // f64 sum of 42 terms.
    assert!(answer.forces.iter().sum::<DVec3>().length() < 1e-12 * rms);
    assert_eq!(answer.forces[40..], [DVec3::ZERO; 2]);
}

#[test]
fn impossible_meshes_are_refused() {
    let refused = |charges: &[f64], alpha, order, grid| Pme::new(charges, alpha, order, grid).unwrap_err();
    assert_eq!(refused(&[1.0], 0.3, 3, [32; 3]), PmeError::Order { found: 3 });
    assert_eq!(refused(&[1.0], 0.3, 9, [32; 3]), PmeError::Order { found: 9 });
    assert_eq!(refused(&[1.0], 0.3, 6, [32, 34, 32]), PmeError::Grid { found: 34, axis: 'b', nearest: 36 });
    assert_eq!(refused(&[1.0], 0.3, 6, [32, 32, 6]), PmeError::Grid { found: 6, axis: 'c', nearest: 8 });
    assert_eq!(refused(&[1.0], 0.0, 6, [32; 3]), PmeError::Alpha { found: 0.0 });
    assert!(matches!(refused(&[1.0, f64::NAN], 0.3, 6, [32; 3]), PmeError::Charge { atom: 1, .. }));
}

#[test]
fn charge_too_dense_for_the_mesh_is_spread_again() {
    // Two heaps of 2,000 charges, each far more than the integers of a mesh point hold in their usual steps.
    let n = 2000;
    let system = System {
        cell: Cell::cubic(12.0).unwrap(),
        charges: [vec![1.0; n], vec![-1.0; n]].concat(),
        fixed: [vec![[0, 1 << 20, 0]; n], vec![[1 << 30, 7, -(1 << 30)]; n]].concat(),
    };
    let (mesh, exact) = (system.pme(0.5, 8, [30; 3]), system.exact(0.5));
    // Steps of 2^-19 e on weights of up to 0.1, and the atoms of a heap share their rounding errors: 2^-20/0.1 each.
    let (force, energy) = (mesh.force_error(&exact), mesh.energy / exact.energy - 1.0);
    assert!(force < 1e-4 && energy.abs() < 1e-4, "{force:e} {energy:e}");
}

#[test]
fn the_predicted_mesh_error_is_the_true_one_for_random_charges() {
    for (name, cell, grid) in cells() {
        let system = System::random(cell, 400, 31);
        let exact = system.exact(0.5);
        let sums = ChargeSums::new(&system.charges);
        for order in 4..=6 {
            let true_error = force_difference(&system.pme(0.5, order, grid).forces, &exact.forces);
            let predicted = predicted_mesh_error(0.5, order, grid, &cell, &sums) / true_error.reference_rms;
            // 400 atoms: a sample's RMS varies by some 10 %; near 1e-6 single precision adds to the true one.
            let ratio = predicted / true_error.relative_rms;
            assert!((0.7..1.3).contains(&ratio), "{name}, order {order}: {predicted:e}, {true_error:?}");
        }
    }
}

/// The 2,376-atom melt at 700 K.
fn melt() -> System {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/ckn2376-700K.data");
    let text = std::fs::read_to_string(path).unwrap();
    let edge = 33.834515589292;
    let atoms: Vec<Vec<f64>> = text
        .lines()
        .skip_while(|line| !line.starts_with("Atoms"))
        .skip(2)
        .map_while(|line| line.split_whitespace().map(|w| w.parse().ok()).collect::<Option<Vec<f64>>>())
        .take_while(|fields| fields.len() >= 7)
        .collect();
    assert_eq!(atoms.len(), 2376);
    let fixed = |x: f64| ((x / edge).rem_euclid(1.0) * 2f64.powi(32)).round() as i64 as i32;
    System {
        cell: Cell::cubic(edge).unwrap(),
        charges: atoms.iter().map(|a| a[3]).collect(),
        fixed: atoms.iter().map(|a| [fixed(a[4]), fixed(a[5]), fixed(a[6])]).collect(),
    }
}

/// Largest share of the accuracy that the mesh may take beside the truncated real-space sum (0.6; they add as squares).
const MESH_SHARE: f64 = 0.8;

fn mesh_parameters(parameters: &ElectrostaticsParameters) -> (usize, [usize; 3]) {
    match parameters.reciprocal {
        Reciprocal::Pme { order, grid } => (order, grid),
        Reciprocal::Ewald { .. } => panic!("`choose` gives a mesh"),
    }
}

#[test]
fn chosen_meshes_keep_their_share_of_the_accuracy_in_the_melt() {
    let system = melt();
    // RMS force of this configuration, 15.76 kcal/mol/A.
    let rms_force = 6594.0;
    for (accuracy, cutoff) in [(1e-2, 10.0), (1e-4, 10.0), (3e-6, 10.0)] {
        let chosen = choose(accuracy, cutoff, &system.cell, &system.charges, rms_force).unwrap();
        let (order, grid) = mesh_parameters(&chosen);
        let exact = system.exact(chosen.alpha);
        let error = force_difference(&system.pme(chosen.alpha, order, grid).forces, &exact.forces);
        let relative = error.relative_rms * error.reference_rms / rms_force;
        println!(
            "{accuracy:e} at {cutoff} A: alpha {:.4}, {order}/{grid:?}: mesh {relative:.2e}",
            chosen.alpha
        );
        assert!(relative < MESH_SHARE * accuracy, "{accuracy:e}: {relative:e} with {chosen:?}");
        // Not wastefully fine either: correlations of the melt make the true error up to four times smaller than predicted.
        assert!(relative > 0.1 * accuracy, "{accuracy:e}: {relative:e} with {chosen:?}");
    }
}

#[test]
fn chosen_meshes_keep_their_share_of_the_accuracy_in_any_cell() {
    let large = ("eight times the volume", Cell::cubic(24.0).unwrap(), [0; 3]);
    for (name, cell, _) in cells().into_iter().chain([large]) {
        let system = System::random(cell, 120, 37);
        // Charges at random come closer than in a melt and have larger forces.
        let forces = system.exact(0.8).forces;
        let rms_force = force_difference(&forces, &forces).reference_rms;
        for accuracy in [1e-2, 1e-3, 1e-4, 1e-5] {
            let chosen = choose(accuracy, 5.0, &cell, &system.charges, rms_force).unwrap();
            let (order, grid) = mesh_parameters(&chosen);
            let exact = system.exact(chosen.alpha);
            let error = force_difference(&system.pme(chosen.alpha, order, grid).forces, &exact.forces);
            let relative = error.relative_rms * error.reference_rms / rms_force;
            println!("{name}, {accuracy:e}: {order}/{grid:?}: mesh {relative:.2e}");
            assert!(relative < MESH_SHARE * accuracy, "{name}, {accuracy:e}: {relative:e} with {chosen:?}");
        }
    }
}
