//! What only the reference kernel offers: any Ewald parameters, shifts and the tail.

use glam::DVec3;
use vitrion_core::cpu::reference::{ReferenceKernel, ReferenceOptions};
use vitrion_core::force_field::Shift;
use vitrion_core::force_field::close_approach::close_approach_table;
use vitrion_core::forces::{ForceError, ForceKernel, Request};
use vitrion_core::long_range::ewald::{EwaldParameters, screened};
use vitrion_core::units::COULOMB;

use crate::fixtures::{
    Answer, System, answer, assert_same_forces, assert_same_matrix, assert_same_number, load,
};

fn evaluate(system: &System, options: ReferenceOptions, ewald: Option<EwaldParameters>) -> Answer {
    let System { force_field, topology, cell, .. } = system;
    let mut kernel = match ewald {
        Some(ewald) => ReferenceKernel::with_parameters(force_field, topology, cell, options, ewald),
        None => ReferenceKernel::new(force_field, topology, cell, options),
    };
    answer(&mut kernel, system)
}

#[test]
fn coulomb_sum_does_not_depend_on_alpha() {
    let system = load("flex66").triclinic();
    let expected = evaluate(&system, ReferenceOptions::default(), None);
    for cutoff in [5.0, 11.0, 20.0] {
        let ewald = EwaldParameters::from_cutoff(1e-14, cutoff);
        let found = evaluate(&system, ReferenceOptions::default(), Some(ewald));
        // The default ends its sums at terms of 1e-12; its energies are made of much larger parts that cancel.
        let what = format!("alpha {:.3}", ewald.alpha);
        let coulomb = |a: &Answer| a.evaluation.energies.coulomb();
        assert_same_number(&what, coulomb(&found), coulomb(&expected), 1e-11);
        assert_same_forces(&what, &found.forces, &expected.forces, 1e-10);
        let virial = |a: &Answer| a.evaluation.virials.coulomb;
        assert_same_matrix(&what, virial(&found), virial(&expected), 1e-10);
    }
}

#[test]
fn kernel_follows_a_changing_cell() {
    let system = load("flex66");
    let mut kernel = ReferenceKernel::new(
        &system.force_field,
        &system.topology,
        &system.cell,
        ReferenceOptions::default(),
    );
    answer(&mut kernel, &system);
    let triclinic = system.triclinic();
    let found = answer(&mut kernel, &triclinic);
    let fresh = evaluate(&triclinic, ReferenceOptions::default(), None);
    // Ewald parameters differ, both to 1e-12.
    assert_same_forces("changed cell", &found.forces, &fresh.forces, 1e-10);
}

#[test]
fn shift_takes_the_cutoff_energy_from_every_pair_and_leaves_forces_alone() {
    let system = load("ckn66");
    let ewald = EwaldParameters { alpha: 0.3, cutoff: 9.0, k_max: 3.0 };
    let options =
        |shift| ReferenceOptions { shift: Some(shift), short_range_cutoff: Some(7.0), ..Default::default() };
    let plain = evaluate(&system, options(Shift::None), Some(ewald));
    let shifted = evaluate(&system, options(Shift::Potential), Some(ewald));
    assert!(plain.forces == shifted.forces);
    assert!(plain.evaluation.virials == shifted.evaluation.virials);

    // Pairs counted by brute force over neighbouring cells.
    let (mut short_range, mut coulomb) = (0.0, 0.0);
    let charges = system.topology.charges();
    let n = system.positions.len();
    for i in 0..n {
        for j in 0..n {
            for code in 0..7 * 7 * 7 {
                let m = DVec3::new(f64::from(code % 7), f64::from(code / 7 % 7), f64::from(code / 49)) - 3.0;
                let bonded =
                    m == DVec3::ZERO && system.topology.atom_molecule[i] == system.topology.atom_molecule[j];
                let d = system.positions[i] - system.positions[j] + system.cell.matrix() * m;
                if !bonded && d.length() < 9.0 {
                    coulomb += 0.5 * charges[i] * charges[j] * COULOMB * screened(0.3, 9.0).energy;
                }
                if !bonded && d.length() < 7.0 {
                    let species = |a: usize| system.topology.atom_species[a];
                    let pair = system.force_field.pair(species(i), species(j));
                    short_range += 0.5 * pair.map_or(0.0, |p| p.energy(7.0));
                }
            }
        }
    }
    let (a, b) = (plain.evaluation.energies, shifted.evaluation.energies);
    // Rounding of the energies, of which the shifts are a thousandth part.
    assert_same_number("short range", a.short_range - b.short_range, short_range, 1e-11);
    assert_same_number("Coulomb", a.coulomb_real - b.coulomb_real, coulomb, 1e-10);
}

#[test]
fn tail_correction_closes_most_of_the_gap_between_two_cutoffs() {
    let mut system = load("ckn2376-700K");
    let energy_and_trace = |system: &System, cutoff: f64| {
        let options = ReferenceOptions {
            short_range_cutoff: Some(cutoff),
            shift: Some(Shift::None),
            ..Default::default()
        };
        let evaluation = evaluate(system, options, None).evaluation;
        let w = evaluation.virials.short_range;
        (evaluation.energies.short_range, w.x_axis.x + w.y_axis.y + w.z_axis.z)
    };
    let (short, long) = (energy_and_trace(&system, 9.0), energy_and_trace(&system, 16.0));
    system.force_field.tail_correction = true;
    let (short_tail, long_tail) = (energy_and_trace(&system, 9.0), energy_and_trace(&system, 16.0));
    // g(r) departs from 1 by a few percent beyond 9 A.
    assert!((short_tail.0 - long_tail.0).abs() < 0.1 * (short.0 - long.0).abs());
    assert!((short_tail.1 - long_tail.1).abs() < 0.1 * (short.1 - long.1).abs());

    // With a shift the tail takes it back: the energy is that of the unshifted potential at either cutoff.
    let options = ReferenceOptions {
        short_range_cutoff: Some(9.0),
        shift: Some(Shift::Potential),
        ..Default::default()
    };
    let shifted = evaluate(&system, options, None).evaluation.energies.short_range;
    assert!((shifted - long_tail.0).abs() < 0.1 * (short.0 - long.0).abs(), "{shifted} {}", long_tail.0);
}

#[test]
fn position_that_is_no_number_is_an_error() {
    let mut system = load("ckn66");
    system.positions[17].y = f64::NAN;
    let mut kernel = ReferenceKernel::new(
        &system.force_field,
        &system.topology,
        &system.cell,
        ReferenceOptions::default(),
    );
    let mut forces = vec![DVec3::ZERO; 66];
    let result = kernel.evaluate(&system.cell, &system.positions, Request::default(), &mut forces);
    assert_eq!(result, Err(ForceError::NotFinite { atom: 17 }));
}

/// The 66 atoms with an oxygen of the second nitrate moved to `distance` (angstrom) from one of the first, on the side away
/// from its nitrogen.
fn oxygens_apart(distance: f64) -> System {
    let mut system = load("ckn66");
    let direction = (system.positions[1] - system.positions[0]).normalize();
    system.positions[5] = system.positions[1] + distance * direction;
    system
}

fn soft_kernel(system: &System) -> ReferenceKernel {
    let options = ReferenceOptions { short_range_cutoff: Some(20.0), ..Default::default() };
    let mut kernel = ReferenceKernel::new(&system.force_field, &system.topology, &system.cell, options);
    kernel.set_soft_core(true);
    kernel
}

#[test]
fn pair_inside_its_inner_maximum_is_named() {
    let system = oxygens_apart(0.5);
    let mut kernel = ReferenceKernel::new(
        &system.force_field,
        &system.topology,
        &system.cell,
        ReferenceOptions::default(),
    );
    let mut forces = vec![DVec3::ZERO; 66];
    let error =
        kernel.evaluate(&system.cell, &system.positions, Request::default(), &mut forces).unwrap_err();
    let ForceError::CloseApproach { atom_i: 1, atom_j: 5, species_i, species_j, distance, limit } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((species_i.as_str(), species_j.as_str()), ("O", "O"));
    // Where the dispersion of O-O overcomes wall and Coulomb repulsion.
    assert!((distance - 0.5).abs() < 1e-12 && (0.75..0.82).contains(limit), "{distance} {limit}");
}

#[test]
fn soft_core_is_continuous_and_pushes_apart_with_the_gradient_of_its_energy() {
    let core = close_approach_table(&load("ckn66").force_field)[5].soft_core.unwrap();
    let total = |system: &System| answer(&mut soft_kernel(system), system).evaluation.energies.total();
    let (inside, outside) = (oxygens_apart(core.radius - 1e-7), oxygens_apart(core.radius + 1e-7));
    // A pair force of some 1e6 u A/ps^2 over 2e-7 A.
    assert!((total(&inside) - total(&outside)).abs() < 10.0);

    for distance in [0.0, 0.2, 0.7] {
        let system = oxygens_apart(distance);
        let found = answer(&mut soft_kernel(&system), &system);
        assert!(found.forces[1].is_finite());
        if distance > 0.0 {
            let step = 1e-4;
            for axis in 0..3 {
                let moved = |h: f64| {
                    let mut system = system.clone();
                    system.positions[1][axis] += h;
                    total(&system)
                };
                let numerical = -(moved(step) - moved(-step)) / (2.0 * step);
                // Truncation h^2/r^2 of the force, as the direction of a close pair turns while an atom moves.
                let error = (numerical - found.forces[1][axis]).abs() / found.forces[1].length();
                assert!(error < 1e-6, "{distance} {axis}: {error:e}");
            }
        }
    }
    let net = answer(&mut soft_kernel(&oxygens_apart(0.0)), &oxygens_apart(0.0)).forces;
    // Atoms at the same place still push one another apart with opposite forces.
    assert!(net.iter().sum::<DVec3>().length() < 1e-9 * core.force);
    assert!(net[1].length() > 0.5 * core.force);
}
