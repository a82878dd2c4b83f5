//! SPC/E water of the NIST reference calculations: each Coulomb term on its own.
//!
//! <https://www.nist.gov/mml/csd/chemical-informatics-group/spce-water-reference-calculations-10a-cutoff>

use std::f64::consts::{SQRT_2, TAU};

use glam::{DMat3, DVec3};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::force_field::{ForceField, Shift};
use vitrion_core::long_range::ewald::EwaldParameters;
use vitrion_core::topology::{MoleculeKind, MoleculeModel, Species, Topology};
use vitrion_core::units::BOLTZMANN;

use crate::fixtures::{System, answer, assert_same_number, reference_file};

/// 100 molecules in a box of 20 A; molecules in the file are whole.
fn water() -> System {
    let text = std::fs::read_to_string(reference_file("nist/spce_sample_config_periodic1.xyz")).unwrap();
    let position = |line: &str| {
        let x: Vec<f64> = line.split_whitespace().skip(1).take(3).map(|w| w.parse().unwrap()).collect();
        DVec3::new(x[0], x[1], x[2])
    };
    let species = vec![
        Species { name: "O".into(), mass: 15.999, charge: -0.8476 },
        Species { name: "H".into(), mass: 1.008, charge: 0.4238 },
    ];
    let half = 1.0 / SQRT_2;
    let kind = MoleculeKind {
        name: "water".into(),
        species: vec![0, 1, 1],
        centre: 0,
        model: MoleculeModel::Rigid {
            positions: vec![DVec3::ZERO, DVec3::new(half, half, 0.0), DVec3::new(-half, half, 0.0)],
            moments: DVec3::ONE,
        },
    };
    System {
        topology: Topology::new(species.clone(), vec![kind.clone()], &[0; 100]),
        cell: Cell::cubic(20.0).unwrap(),
        positions: text.lines().skip(2).take(300).map(position).collect(),
        force_field: ForceField {
            name: "SPC/E, Coulomb".into(),
            description: String::new(),
            pairs: vec![None; 4],
            species,
            kinds: vec![kind],
            cutoff: 10.0,
            shift: Shift::None,
            tail_correction: false,
        },
    }
}

#[test]
fn coulomb_terms_are_those_of_nist() {
    let system = water();
    for molecule in system.positions.chunks(3) {
        assert!((molecule[0] - molecule[1]).length() < 1.1, "a molecule in the file is not whole");
    }
    let ewald = EwaldParameters {
        alpha: 5.6 / 20.0,
        cutoff: 10.0,
        // Integer wave vectors with n^2 < 27.
        k_max: TAU / 20.0 * 26.5f64.sqrt(),
    };
    let mut kernel = ReferenceKernel::with_parameters(
        &system.force_field,
        &system.topology,
        &system.cell,
        ReferenceOptions::default(),
        ewald,
    );
    let evaluation = answer(&mut kernel, &system).evaluation;
    let energies = evaluation.energies;
    for (term, found, expected) in [
        ("real", energies.coulomb_real, -5.58889e5),
        ("reciprocal", energies.coulomb_reciprocal, 6270.0934187),
        ("self", energies.coulomb_self, -2844691.408),
        ("excluded", energies.coulomb_excluded, 2809992.036),
    ] {
        println!("{term}: {} K, NIST {expected} K", found / BOLTZMANN);
        // Asked of the project; the real-space term is published with six digits, the others with more.
        assert_same_number(term, found / BOLTZMANN, expected, 1e-6);
    }
    assert!(evaluation.virials.total() != DMat3::ZERO);
}
