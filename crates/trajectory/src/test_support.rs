//! Systems for the tests of this crate: species and shapes of CKN without pair potentials, which files do not hold.

use glam::DVec3;
use vitrion_core::force_field::{ForceField, Shift};
use vitrion_core::topology::{Angle, Bond, Improper, MoleculeKind, MoleculeModel, Species};

fn force_field(name: &str, nitrate: MoleculeModel) -> ForceField {
    let species = [("N", 14.007, 0.95), ("O", 15.999, -0.65), ("K", 39.0983, 1.0), ("Ca", 40.078, 2.0)]
        .map(|(name, mass, charge)| Species { name: name.to_string(), mass, charge })
        .to_vec();
    let ion = |name: &str, species: usize| MoleculeKind {
        name: name.to_string(),
        species: vec![species],
        centre: 0,
        model: MoleculeModel::Point,
    };
    let nitrate =
        MoleculeKind { name: "nitrate".to_string(), species: vec![0, 1, 1, 1], centre: 0, model: nitrate };
    ForceField {
        name: name.to_string(),
        description: "shapes only".to_string(),
        pairs: vec![None; species.len() * species.len()],
        species,
        kinds: vec![nitrate, ion("potassium", 2), ion("calcium", 3)],
        cutoff: 10.0,
        shift: Shift::None,
        tail_correction: false,
    }
}

fn planar(length: f64) -> Vec<DVec3> {
    let h = 3f64.sqrt() / 2.0;
    [DVec3::ZERO, DVec3::X, DVec3::new(-0.5, h, 0.0), DVec3::new(-0.5, -h, 0.0)].map(|d| length * d).to_vec()
}

/// CKN with rigid nitrates, N-O 1.26 angstrom.
pub(crate) fn rigid() -> ForceField {
    let i = 1.5 * 15.999 * 1.26 * 1.26;
    force_field(
        "ckn-rigid",
        MoleculeModel::Rigid { positions: planar(1.26), moments: DVec3::new(i, i, 2.0 * i) },
    )
}

/// CKN with flexible nitrates.
pub(crate) fn flexible() -> ForceField {
    let bond = |o| Bond { atoms: [0, o], length: 1.2676, constant: 525.0 * 418.4 };
    let angle = |a, b| Angle { atoms: [a, 0, b], angle: 120f64.to_radians(), constant: 105.0 * 418.4 };
    force_field(
        "ckn-flexible",
        MoleculeModel::Flexible {
            bonds: vec![bond(1), bond(2), bond(3)],
            angles: vec![angle(1, 2), angle(1, 3), angle(2, 3)],
            impropers: vec![Improper { atoms: [0, 1, 2, 3], angle: 0.0, constant: 60.0 * 418.4 }],
            positions: planar(1.2676),
        },
    )
}
