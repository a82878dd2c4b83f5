//! Every kernel against energies, forces and virials that other programs computed.

use glam::{DMat3, DVec3};
use serde_json::Value;
use vitrion_core::force_field::Shift;
use vitrion_core::forces::Energies;
use vitrion_core::units::{ATMOSPHERE, KILOCALORIE_PER_MOLE};

use crate::fixtures::{
    Settings, System, assert_same_forces, assert_same_matrix, assert_same_number, load_for, reference_file,
};
use crate::{SUBJECTS, Subject};

/// The stored outputs were made with plain truncation at 12 A.
const SETTINGS: Settings = Settings { cutoff: Some(12.0), shift: Some(Shift::None) };

fn stored_values(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(reference_file(&format!("{name}.json"))).unwrap()).unwrap()
}

fn stored_forces(name: &str) -> Vec<DVec3> {
    let text = std::fs::read_to_string(reference_file(&format!("{name}.forces.csv"))).unwrap();
    let parse = |line: &str| {
        let f: Vec<f64> = line.split(',').map(|x| x.parse().unwrap()).collect();
        DVec3::new(f[1], f[2], f[3]) * KILOCALORIE_PER_MOLE
    };
    text.lines().skip(1).map(parse).collect()
}

fn stored_energy(values: &Value, term: &str) -> f64 {
    values["energy"][term].as_f64().unwrap() * KILOCALORIE_PER_MOLE
}

/// The virial of a system that is made of copies of the stored one: the same pressure in all its volume.
fn stored_virial(values: &Value, system: &System) -> DMat3 {
    let p = |key: &str| values["virial_pressure_atm"][key].as_f64().unwrap();
    let [xx, yy, zz, xy, xz, yz] = ["xx", "yy", "zz", "xy", "xz", "yz"].map(p);
    DMat3::from_cols_array_2d(&[[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        * (ATMOSPHERE * system.cell.volume())
}

/// Compares energies (by term), forces and the virial with the stored ones; also says how many copies were evaluated.
fn compare(subject: &Subject, name: &str) -> (Energies, Value, f64) {
    let system = load_for(subject, name);
    let stored = stored_forces(name);
    let copies = system.positions.len() / stored.len();
    let answer = system.evaluate(subject, &SETTINGS);
    let values = stored_values(name);
    let what = format!("{} {name}", subject.name);
    let energies = answer.evaluation.energies;
    let terms =
        [("short_range", energies.short_range), ("coulomb", energies.coulomb()), ("total", energies.total())];
    for (term, found) in terms {
        let expected = stored_energy(&values, term) * copies as f64;
        assert_same_number(&format!("{what} {term}"), found, expected, subject.tolerance.energy);
    }
    assert_same_forces(&what, &answer.forces, &stored.repeat(copies), subject.tolerance.force);
    let virial = answer.evaluation.virials.total();
    let expected = stored_virial(&values, &system);
    assert_same_matrix(&format!("{what} virial"), virial, expected, subject.tolerance.virial);
    (energies, values, copies as f64)
}

#[test]
fn melt_of_2376_atoms_agrees_with_the_stored_ewald_sum() {
    for subject in SUBJECTS {
        compare(subject, "ckn2376-700K");
    }
}

#[test]
fn box_of_66_atoms_agrees_with_the_stored_ewald_sum() {
    for subject in SUBJECTS {
        compare(subject, "ckn66");
    }
}

#[test]
fn flexible_nitrates_agree_with_lammps() {
    for subject in SUBJECTS {
        let (energies, values, copies) = compare(subject, "flex66");
        for (term, found) in
            [("bond", energies.bond), ("angle", energies.angle), ("improper", energies.improper)]
        {
            let expected = stored_energy(&values, term) * copies;
            let what = format!("{} flex66 {term}", subject.name);
            assert_same_number(&what, found, expected, subject.tolerance.bonded_energy);
        }
    }
}
