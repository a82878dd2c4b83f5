//! Each part of the Ewald sum against its definition and its derivatives.

use super::*;
use crate::long_range::exclusions::self_energy;
use crate::topology::{MoleculeKind, MoleculeModel, Species};

fn triclinic() -> Cell {
    Cell::new(DMat3::from_cols(
        DVec3::new(9.0, 0.0, 0.5),
        DVec3::new(2.0, 8.0, 0.0),
        DVec3::new(-1.0, 1.5, 7.0),
    ))
    .unwrap()
}

fn charges_and_positions() -> (Vec<f64>, Vec<DVec3>) {
    let charges = vec![1.0, -0.65, 2.0, -1.35, 0.4, -1.4];
    let positions = (0..6)
        .map(|i| {
            let x = f64::from(i);
            DVec3::new(3.1 * x - 4.0, 7.0 * (1.7 * x).sin(), 5.0 * (2.3 * x).cos())
        })
        .collect();
    (charges, positions)
}

/// Fourth-order central difference.
fn derivative(step: f64, f: impl Fn(f64) -> f64) -> f64 {
    (8.0 * (f(step) - f(-step)) - (f(2.0 * step) - f(-2.0 * step))) / (12.0 * step)
}

#[test]
fn error_function_is_accurate_to_rounding() {
    // erfc to 25 digits (mpmath 1.3).
    for (x, expected) in [
        (0.1, 0.887_537_083_981_715),
        (0.5, 0.479_500_122_186_953_5),
        (1.0, 0.157_299_207_050_285_13),
        (2.0, 4.677_734_981_047_266e-3),
        (4.0, 1.541_725_790_028_001_8e-8),
        (5.5, 7.357_847_917_974_398e-15),
    ] {
        // The argument's rounding is amplified by x erfc'/erfc ~ 2x^2.
        assert!((libm::erfc(x) / expected - 1.0).abs() < 1e-15 * (1.0 + 2.0 * x * x), "erfc({x})");
    }
}

#[test]
fn pair_forces_are_minus_the_derivatives() {
    for pair in [screened, smooth] {
        for r in [0.3, 1.26, 3.0, 9.0] {
            let numerical = -derivative(1e-3, |h| pair(0.35, r + h).energy);
            // h^4 u^(5)/30 with u^(5) ~ 120/r^6 at r = 0.3, and rounding eps u/h.
            let scale = 1.0 / (r * r);
            assert!((numerical - pair(0.35, r).force).abs() < 3e-8 * scale, "r = {r}");
        }
    }
}

#[test]
fn screened_and_smooth_parts_add_up_to_the_coulomb_law() {
    for r in [1e-3, 0.5, 2.0, 10.0] {
        let (a, b) = (screened(0.4, r), smooth(0.4, r));
        // Rounding of two operations; the force of the smooth part is a difference of terms of order 1/r^2.
        assert!(((a.energy + b.energy) * r - 1.0).abs() < 1e-15);
        assert!(((a.force + b.force) * r * r - 1.0).abs() < 3e-15);
    }
    assert!((smooth(0.4, 0.0).energy / smooth(0.4, 1e-8).energy - 1.0).abs() < 1e-14);
}

#[test]
fn reciprocal_force_is_minus_the_gradient_and_virial_minus_the_strain_derivative() {
    let (charges, positions) = charges_and_positions();
    let parameters = EwaldParameters { alpha: 0.5, cutoff: 0.0, k_max: 5.0 };
    let energy = |cell: &Cell, positions: &[DVec3]| {
        let mut forces = vec![DVec3::ZERO; 6];
        // Wave vectors beyond k_max weigh exp(-25) ~ 1e-11: crossing it while straining does not matter.
        ReciprocalSum::new(&parameters, cell).add_forces(&charges, positions, &mut forces).0
    };
    let cell = triclinic();
    let mut forces = vec![DVec3::ZERO; 6];
    let sum = ReciprocalSum::new(&parameters, &cell);
    let (_, virial) = sum.add_forces(&charges, &positions, &mut forces);
    let rms = (forces.iter().map(|f| f.length_squared()).sum::<f64>() / 6.0).sqrt();
    let norm = virial.to_cols_array().iter().map(|w| w * w).sum::<f64>().sqrt();
    for a in 0..3 {
        for (i, force) in forces.iter().enumerate() {
            let numerical = -derivative(1e-3, |h| {
                let mut moved = positions.clone();
                moved[i][a] += h;
                energy(&cell, &moved)
            });
            // Rounding eps E/h ~ 1e-16 1e6 / 1e-3 against a force of 1e5, truncation (k_max h)^4/30.
            assert!((numerical - force[a]).abs() < 1e-10 * rms);
        }
        for b in 0..3 {
            let numerical = -derivative(1e-4, |h| {
                let mut strain = DMat3::IDENTITY;
                strain.col_mut(b)[a] += h;
                let moved: Vec<DVec3> = positions.iter().map(|&r| strain * r).collect();
                energy(&Cell::new(strain * cell.matrix()).unwrap(), &moved)
            });
            // Rounding eps E/h, and wave vectors that cross k_max (1e-11 of the energy, over h).
            assert!((numerical - virial.col(b)[a]).abs() < 1e-7 * norm, "{a}{b}");
        }
    }
}

#[test]
fn structure_factors_are_those_of_the_definition() {
    let (charges, positions) = charges_and_positions();
    let cell = triclinic();
    let sum = ReciprocalSum::new(&EwaldParameters { alpha: 0.5, cutoff: 0.0, k_max: 6.0 }, &cell);
    let phases = Phases::new(&cell, &positions, &sum.columns);
    let mut count = 0;
    for column in &sum.columns {
        for (n3, found) in column.n3.clone().zip(phases.structure_factors(column, &charges)) {
            let k = wave_vector_basis(&cell) * column.wave_index(n3);
            let expected: Complex64 =
                positions.iter().zip(&charges).map(|(&r, q)| Complex64::from_polar(*q, k.dot(r))).sum();
            // Phases up to 60 rounded to eps, recurrences of at most 8 factors.
            assert!((found - expected).norm() < 1e-13, "n = {:?} {n3}", column.n);
            count += 1;
        }
    }
    // Half of the lattice points in the sphere, V k_max^3/(6 pi^2) = 1860; its surface makes the count uncertain.
    let expected = cell.volume() * 6f64.powi(3) / (12.0 * PI * PI);
    assert!((f64::from(count) / expected - 1.0).abs() < 0.05, "{count} of {expected}");
    assert_eq!(count as usize, sum.n_wave_vectors());
}

#[test]
fn excluded_pairs_have_forces_minus_the_gradient_and_take_out_what_reciprocal_space_adds() {
    let species = vec![
        Species { name: "A".into(), mass: 1.0, charge: 0.5 },
        Species { name: "B".into(), mass: 1.0, charge: -0.25 },
    ];
    let kind = MoleculeKind {
        name: "BAB".into(),
        species: vec![1, 0, 1],
        centre: 1,
        model: MoleculeModel::Flexible {
            bonds: vec![],
            angles: vec![],
            impropers: vec![],
            positions: vec![DVec3::X, DVec3::ZERO, DVec3::Y],
        },
    };
    let topology = Topology::new(species, vec![kind], &[0]);
    let charges = topology.charges();
    let positions = [DVec3::new(1.1, 0.2, -0.1), DVec3::ZERO, DVec3::new(-0.3, 0.9, 0.4)];
    let evaluate = |positions: &[DVec3]| {
        let mut forces = vec![DVec3::ZERO; 3];
        let (energy, virial) = add_excluded_pairs(0.5, &topology, &charges, positions, &mut forces);
        (energy, virial, forces)
    };
    let (_, virial, forces) = evaluate(&positions);
    let scale = forces[0].length();
    for i in 0..3 {
        for a in 0..3 {
            let numerical = -derivative(1e-3, |h| {
                let mut moved = positions;
                moved[i][a] += h;
                evaluate(&moved).0
            });
            // Truncation h^4 ~ 1e-12, rounding 1e-16/1e-3.
            assert!((numerical - forces[i][a]).abs() < 1e-11 * scale);
        }
    }
    let sum = positions.iter().zip(&forces).map(|(&r, &f)| outer(r, f)).fold(DMat3::ZERO, |s, w| s + w);
    assert!((sum - virial).to_cols_array().iter().all(|w| w.abs() < 1e-12 * scale));

    // A neutral molecule in a huge cell: reciprocal, self and excluded terms cancel but for the interaction of its
    // dipole M with its images, -2 pi M^2/(3 V) in a cubic lattice with tin-foil boundary (de Leeuw 1980).
    let cell = Cell::cubic(60.0).unwrap();
    let parameters = EwaldParameters { alpha: 0.5, cutoff: 0.0, k_max: 6.0 };
    let reciprocal =
        ReciprocalSum::new(&parameters, &cell).add_forces(&charges, &positions, &mut [DVec3::ZERO; 3]).0;
    let rest = reciprocal + self_energy(&charges, 0.5) + evaluate(&positions).0;
    let dipole: DVec3 = positions.iter().zip(&charges).map(|(&r, &q)| r * q).sum();
    let expected = -COULOMB * TAU / 3.0 * dipole.length_squared() / cell.volume();
    // Higher moments: (size/L)^2 ~ 1e-3.
    assert!((rest / expected - 1.0).abs() < 5e-3, "{rest} against {expected}");
}
