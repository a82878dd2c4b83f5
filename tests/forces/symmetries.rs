//! Configurations that are the same physically have the same energies, forces and virials; the number of threads does
//! not matter at all.

use glam::{DMat3, DQuat, DVec3};
use vitrion_core::cell::Cell;
use vitrion_core::forces::Request;

use crate::fixtures::{
    Answer, Settings, System, answer, assert_same_forces, assert_same_matrix, assert_same_number, smallest,
};
use crate::{SUBJECTS, Subject};

fn assert_equivalent(subject: &Subject, what: &str, found: &Answer, expected: &Answer) {
    let tolerance = subject.tolerance.symmetry;
    let what = format!("{} {what}", subject.name);
    let energy = |a: &Answer| a.evaluation.energies.total();
    assert_same_forces(&what, &found.forces, &expected.forces, tolerance);
    assert_same_number(&what, energy(found), energy(expected), tolerance);
    let virial = |a: &Answer| a.evaluation.virials.total();
    assert_same_matrix(&what, virial(found), virial(expected), tolerance);
}

#[test]
fn translation_changes_nothing() {
    for subject in SUBJECTS {
        let system = smallest(subject).triclinic();
        let expected = system.evaluate(subject, &Settings::default());
        for d in [DVec3::new(0.377, -1.91, 4.2), DVec3::new(-23.0, 17.3, 8.1)] {
            let found = system.translated(d).evaluate(subject, &Settings::default());
            assert_equivalent(subject, "translated", &found, &expected);
        }
    }
}

#[test]
fn whole_molecules_may_lie_in_any_cell() {
    for subject in SUBJECTS {
        let system = smallest(subject).triclinic();
        let expected = system.evaluate(subject, &Settings::default());
        let mut moved = system.clone();
        for (atom, position) in moved.positions.iter_mut().enumerate() {
            let m = system.topology.atom_molecule[atom] as f64;
            let cells = DVec3::new(m % 3.0 - 1.0, m % 5.0 - 2.0, m % 2.0);
            *position += system.cell.matrix() * cells;
        }
        let found = moved.evaluate(subject, &Settings::default());
        assert_equivalent(subject, "wrapped", &found, &expected);
    }
}

#[test]
fn rotation_of_cell_and_atoms_rotates_forces_and_virial() {
    for subject in SUBJECTS {
        let system = smallest(subject).triclinic();
        let expected = system.evaluate(subject, &Settings::default());
        let rotation = DMat3::from_quat(DQuat::from_axis_angle(DVec3::new(1.0, -2.0, 0.5).normalize(), 1.1));
        let mut found = system.deformed(rotation).evaluate(subject, &Settings::default());
        let back = rotation.transpose();
        found.forces.iter_mut().for_each(|f| *f = back * *f);
        for virial in [
            &mut found.evaluation.virials.short_range,
            &mut found.evaluation.virials.coulomb,
            &mut found.evaluation.virials.bonded,
        ] {
            *virial = back * *virial * rotation;
        }
        assert_equivalent(subject, "rotated", &found, &expected);
    }
}

#[test]
fn equivalent_edge_vectors_span_the_same_crystal() {
    for subject in SUBJECTS.iter().filter(|s| s.any_cell) {
        let system = smallest(subject).triclinic();
        let h = system.cell.matrix();
        let other = DMat3::from_cols(h.x_axis, h.y_axis + h.x_axis, h.z_axis - h.y_axis);
        let sheared = System { cell: Cell::new(other).unwrap(), ..system.clone() };
        let found = sheared.evaluate(subject, &Settings::default());
        assert_equivalent(subject, "other edges", &found, &system.evaluate(subject, &Settings::default()));
    }
}

#[test]
fn virial_is_symmetric() {
    for subject in SUBJECTS {
        let system = smallest(subject).triclinic();
        let virial = system.evaluate(subject, &Settings::default()).evaluation.virials.total();
        assert_same_matrix(subject.name, virial.transpose(), virial, subject.tolerance.symmetry);
    }
}

#[test]
fn number_of_threads_and_the_request_leave_every_bit_alone() {
    for subject in SUBJECTS {
        let system = smallest(subject).triclinic();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| system.evaluate(subject, &Settings::default()))
        };
        let (one, two, five) = (run(1), run(2), run(5));
        assert!(one.forces == two.forces && one.forces == five.forces, "{}", subject.name);
        assert!(one.evaluation == two.evaluation && one.evaluation == five.evaluation, "{}", subject.name);

        let mut kernel = (subject.build)(&system, &Settings::default());
        let mut forces = vec![DVec3::ZERO; system.positions.len()];
        kernel.evaluate(&system.cell, &system.positions, Request::default(), &mut forces).unwrap();
        assert!(forces == one.forces, "{}: forces depend on the request", subject.name);
        assert!(answer(kernel.as_mut(), &system).forces == one.forces, "{}: repeated", subject.name);
    }
}
