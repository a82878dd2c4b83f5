//! Forces are minus the gradient of the energy, virials minus its strain derivative, term by term.

use glam::{DMat3, DVec3};
use vitrion_core::force_field::Shift;
use vitrion_core::forces::{Energies, Virials};
use vitrion_core::topology::MoleculeModel;

use crate::fixtures::{Settings, System, answer, norm, rms, smallest};
use crate::{SUBJECTS, Subject};

/// Fourth-order central difference.
fn derivative(step: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    (8.0 * (f(step) - f(-step)) - (f(2.0 * step) - f(-2.0 * step))) / (12.0 * step)
}

/// Energies must be continuous: shifted to zero at a cutoff where the force is negligible, if the cell allows one.
fn settings(subject: &Subject) -> Settings {
    Settings { cutoff: subject.any_cell.then_some(20.0), shift: Some(Shift::Potential) }
}

/// Compares the force on every `stride`-th atom with the gradient of the total energy.
fn check_gradient(subject: &Subject, system: &System, what: &str, stride: usize) {
    let settings = settings(subject);
    let mut kernel = (subject.build)(system, &settings);
    let forces = answer(kernel.as_mut(), system).forces;
    let scale = rms(&forces);
    assert!(scale > 0.0, "{what}: this system does not exercise the term");
    let (mut worst, mut at) = (0.0, 0);
    for atom in (0..forces.len()).step_by(stride) {
        for axis in 0..3 {
            let numerical = -derivative(subject.steps.0, |h| {
                let mut moved = system.clone();
                moved.positions[atom][axis] += h;
                answer(kernel.as_mut(), &moved).evaluation.energies.total()
            });
            let error = (numerical - forces[atom][axis]).abs() / scale;
            if error > worst {
                (worst, at) = (error, atom);
            }
        }
    }
    println!("{} {what}: largest error {worst:.2e} of the RMS force, at atom {}", subject.name, at + 1);
    assert!(worst < subject.tolerance.gradient, "{} {what}: {worst:e} at atom {}", subject.name, at + 1);
}

/// Keeps the bonded lists that `keep` names.
fn only_bonded(system: &System, keep: &str) -> System {
    let mut system = system.clone().weakly_charged().without_short_range();
    for kind in &mut system.topology.kinds {
        if let MoleculeModel::Flexible { bonds, angles, impropers, .. } = &mut kind.model {
            if keep != "bond" {
                bonds.clear();
            }
            if keep != "angle" {
                angles.clear();
            }
            if keep != "improper" {
                impropers.clear();
            }
        }
    }
    system
}

#[test]
fn every_force_is_minus_the_gradient_of_its_energy_in_a_triclinic_cell() {
    for subject in SUBJECTS {
        let system = smallest(subject).triclinic();
        // Prime to the four atoms of a nitrate, so that every kind of atom is tried.
        let stride = if subject.any_cell { 7 } else { 297 };
        let without_bonds = |system: System| {
            let bonded = only_bonded(&system, "none");
            System { topology: bonded.topology, ..system }
        };
        check_gradient(subject, &without_bonds(system.clone()).weakly_charged(), "short range", stride);
        let mut coulomb = system.clone().without_short_range();
        let species = coulomb.topology.species.clone();
        coulomb.topology = only_bonded(&coulomb, "none").topology;
        coulomb.topology.species = species;
        check_gradient(subject, &coulomb, "Coulomb", stride);
        check_gradient(subject, &system, "all terms", stride);
        for term in ["bond", "angle", "improper"] {
            check_gradient(subject, &only_bonded(&system, term), term, stride);
        }
    }
}

#[test]
fn every_virial_is_minus_the_strain_derivative_of_its_energy() {
    type Term = (&'static str, fn(&Energies) -> f64, fn(&Virials) -> DMat3);
    let terms: [Term; 3] = [
        ("short range", |e| e.short_range, |v| v.short_range),
        ("Coulomb", Energies::coulomb, |v| v.coulomb),
        ("bonded", |e| e.bond + e.angle + e.improper, |v| v.bonded),
    ];
    for subject in SUBJECTS {
        for (shape, system) in [("cubic", smallest(subject)), ("triclinic", smallest(subject).triclinic())] {
            let settings = settings(subject);
            let mut kernel = (subject.build)(&system, &settings);
            let virials = answer(kernel.as_mut(), &system).evaluation.virials;
            for (a, b) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)] {
                let mut energies = |h: f64| {
                    let mut strain = DMat3::IDENTITY;
                    strain.col_mut(b)[a] += h;
                    answer(kernel.as_mut(), &system.deformed(strain)).evaluation.energies
                };
                let step = subject.steps.1;
                let samples = [-2.0, -1.0, 1.0, 2.0].map(|x| energies(x * step));
                for (term, energy, virial) in terms {
                    let e = samples.map(|s| energy(&s));
                    let numerical = -(8.0 * (e[2] - e[1]) - (e[3] - e[0])) / (12.0 * step);
                    let scale = norm(virial(&virials));
                    let error = (numerical - virial(&virials).col(b)[a]).abs() / scale.max(f64::MIN_POSITIVE);
                    println!("{} {shape} {term} {a}{b}: {error:.2e}", subject.name);
                    let what = format!("{} {shape} {term} {a}{b}", subject.name);
                    assert!(
                        (scale == 0.0 && numerical == 0.0) || error < subject.tolerance.strain,
                        "{what}: {error:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn forces_add_up_to_zero() {
    for subject in SUBJECTS {
        let system = smallest(subject).triclinic();
        let forces = system.evaluate(subject, &Settings::default()).forces;
        let net = forces.iter().sum::<DVec3>().length() / rms(&forces);
        assert!(net < subject.tolerance.net_force, "{}: {net:e}", subject.name);
    }
}
