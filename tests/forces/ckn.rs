//! The force field that the reference outputs were made with (table in `tests/reference/README.md`).

use glam::DVec3;
use vitrion_core::force_field::born_mayer_huggins::BornMayerHuggins;
use vitrion_core::force_field::{ForceField, Shift};
use vitrion_core::topology::{Angle, Bond, Improper, MoleculeKind, MoleculeModel, Species};
use vitrion_core::units::KILOCALORIE_PER_MOLE;

/// Name, mass (u), charge (e).
const SPECIES: [(&str, f64, f64); 4] =
    [("N", 14.007, 0.95), ("O", 15.999, -0.65), ("K", 39.0983, 1.0), ("Ca", 40.078, 2.0)];

/// Species, A (kcal/mol), rho (A), C (kcal A^6/mol).
const PAIRS: [(usize, usize, f64, f64, f64); 8] = [
    (0, 0, 33652.75, 0.2646, 259.1),
    (1, 1, 62142.9, 0.2392, 259.4),
    (0, 1, 45730.509269, 0.25125971, 259.249957),
    (2, 2, 35833.47, 0.3370, 349.9),
    (2, 0, 34725.996135, 0.29644348, 301.096480),
    (2, 1, 47188.936657, 0.27980007, 301.270742),
    (3, 1, 72908.85, 0.271511, 0.0),
    (3, 0, 2.7672654e9, 0.12, 0.0),
];

fn nitrate_atoms(bond_length: f64) -> Vec<DVec3> {
    let h = 3f64.sqrt() / 2.0;
    let directions = [DVec3::ZERO, DVec3::X, DVec3::new(-0.5, h, 0.0), DVec3::new(-0.5, -h, 0.0)];
    directions.map(|d| bond_length * d).to_vec()
}

fn rigid_nitrate() -> MoleculeModel {
    let i = 1.5 * SPECIES[1].1 * 1.26 * 1.26;
    MoleculeModel::Rigid { positions: nitrate_atoms(1.26), moments: DVec3::new(i, i, 2.0 * i) }
}

fn flexible_nitrate() -> MoleculeModel {
    let bond = |o| Bond { atoms: [0, o], length: 1.2676, constant: 525.0 * KILOCALORIE_PER_MOLE };
    let angle =
        |a, b| Angle { atoms: [a, 0, b], angle: 120f64.to_radians(), constant: 105.0 * KILOCALORIE_PER_MOLE };
    let constant = 60.0 * KILOCALORIE_PER_MOLE;
    MoleculeModel::Flexible {
        bonds: vec![bond(1), bond(2), bond(3)],
        angles: vec![angle(1, 2), angle(1, 3), angle(2, 3)],
        impropers: vec![Improper { atoms: [0, 1, 2, 3], angle: 0.0, constant }],
        positions: nitrate_atoms(1.2676),
    }
}

/// Molten CKN with rigid or flexible nitrates.
pub fn force_field(flexible: bool) -> ForceField {
    let mut pairs = vec![None; 16];
    for (i, j, amplitude, rho, dispersion) in PAIRS {
        let potential = BornMayerHuggins {
            amplitude: amplitude * KILOCALORIE_PER_MOLE,
            sigma: 0.0,
            rho,
            dispersion6: dispersion * KILOCALORIE_PER_MOLE,
            dispersion8: 0.0,
        };
        pairs[4 * i + j] = Some(potential);
        pairs[4 * j + i] = Some(potential);
    }
    let kind = |name: &str, species: Vec<usize>, model| MoleculeKind {
        name: name.into(),
        species,
        centre: 0,
        model,
    };
    let nitrate = if flexible { flexible_nitrate() } else { rigid_nitrate() };
    ForceField {
        name: "ckn".into(),
        description: String::new(),
        species: SPECIES.map(|(name, mass, charge)| Species { name: name.into(), mass, charge }).to_vec(),
        kinds: vec![
            kind("nitrate", vec![0, 1, 1, 1], nitrate),
            kind("potassium", vec![2], MoleculeModel::Point),
            kind("calcium", vec![3], MoleculeModel::Point),
        ],
        pairs,
        cutoff: 10.0,
        shift: Shift::Potential,
        tail_correction: false,
    }
}
