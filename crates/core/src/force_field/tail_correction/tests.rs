use super::*;
use crate::force_field::born_mayer_huggins::BornMayerHuggins;
use crate::topology::{MoleculeKind, MoleculeModel, Species};

const N: [usize; 2] = [10, 7];
const VOLUME: f64 = 400.0;
const CUTOFF: f64 = 3.0;
/// Below this distance (angstrom) the uniform gas of the tests has no pairs.
const INNER: f64 = 1.5;

/// K-like dispersion alone; a wall that is still 4 % of the dispersion at the cutoff; D/r^8 beside C/r^6.
fn pairs() -> [BornMayerHuggins; 3] {
    let potassium =
        BornMayerHuggins { amplitude: 0.0, sigma: 0.0, rho: 0.3, dispersion6: 1.5e5, dispersion8: 0.0 };
    let wall =
        BornMayerHuggins { amplitude: 2.6e5, sigma: 1.5, rho: 0.3, dispersion6: 1.0e5, dispersion8: 0.0 };
    let eighth = BornMayerHuggins { dispersion8: 4.0e5, ..wall };
    [potassium, wall, eighth]
}

fn system(shift: Shift, tail_correction: bool) -> (ForceField, Topology) {
    let species = ["A", "B"].map(|name| Species { name: name.into(), mass: 39.1, charge: 0.0 }).to_vec();
    let kind = |(k, name): (usize, &str)| MoleculeKind {
        name: name.into(),
        species: vec![k],
        centre: 0,
        model: MoleculeModel::Point,
    };
    let kinds: Vec<MoleculeKind> = ["A", "B"].into_iter().enumerate().map(kind).collect();
    let [aa, ab, bb] = pairs().map(Some);
    let force_field = ForceField {
        name: "test".into(),
        description: String::new(),
        species: species.clone(),
        kinds: kinds.clone(),
        pairs: vec![aa, ab, ab, bb],
        cutoff: CUTOFF,
        shift,
        tail_correction,
    };
    let molecules = [vec![0; N[0]], vec![1; N[1]]].concat();
    (force_field, Topology::new(species, kinds, &molecules))
}

/// Midpoint rule for int 4 pi r^2 f(r) dr from `a` to `b` in x = 1/r (dr = dx/x^2); `b` may be infinite.
fn integral(a: f64, b: f64, f: impl Fn(f64) -> f64) -> f64 {
    let n = 20_000;
    let (low, high) = (1.0 / b, 1.0 / a);
    let dx = (high - low) / f64::from(n);
    (0..n).map(|k| 1.0 / (low + (f64::from(k) + 0.5) * dx)).map(|r| 4.0 * PI * r.powi(4) * dx * f(r)).sum()
}

/// (1/2V) sum_ij N_i N_j f(U_ij).
fn over_pairs(f: impl Fn(&BornMayerHuggins) -> f64) -> f64 {
    let [aa, ab, bb] = pairs();
    let [a, b] = N.map(|n| n as f64);
    (a * a * f(&aa) + 2.0 * a * b * f(&ab) + b * b * f(&bb)) / (2.0 * VOLUME)
}

/// The rule's error: (dx)^2/24 of the curvature, below (rc/rho)^2/24 n^2 ~ 1e-8.
const QUADRATURE: f64 = 1e-7;

#[test]
fn virial_is_the_integral_of_r_cubed_times_the_slope_whatever_the_shift() {
    let expected = over_pairs(|u| integral(CUTOFF, f64::INFINITY, |r| r * u.force(r)) / 3.0);
    for shift in [Shift::None, Shift::Potential] {
        let (force_field, topology) = system(shift, true);
        let tail = TailCorrection::new(&force_field, &topology, CUTOFF);
        assert!((tail.virial(VOLUME) / expected - 1.0).abs() < QUADRATURE, "{shift:?}");
        assert_eq!(tail.virial_times_volume() / VOLUME, tail.virial(VOLUME));
    }
}

#[test]
fn energy_is_the_integral_of_the_potential_and_takes_back_the_shift_in_the_mean() {
    let beyond = over_pairs(|u| integral(CUTOFF, f64::INFINITY, |r| u.energy(r)));
    let shifts = over_pairs(|u| {
        let (n, dr) = (1000, CUTOFF / 1000.0);
        let shells = (0..n).map(|k| 4.0 * PI * ((f64::from(k) + 0.5) * dr).powi(2) * dr);
        shells.sum::<f64>() * u.energy(CUTOFF)
    });
    assert!(shifts.abs() > 0.1 * beyond.abs(), "the surface does not matter here: the test shows less");
    let energy = |shift| {
        let (force_field, topology) = system(shift, true);
        TailCorrection::new(&force_field, &topology, CUTOFF).energy(VOLUME)
    };
    assert!((energy(Shift::None) / beyond - 1.0).abs() < QUADRATURE);
    // The midpoint rule over 1000 shells: 1/(4 n^2).
    assert!((energy(Shift::Potential) / (beyond + shifts) - 1.0).abs() < 1e-6);
}

#[test]
fn with_a_shift_the_virial_is_minus_the_derivative_of_the_energy_with_the_logarithm_of_the_volume() {
    let (force_field, topology) = system(Shift::Potential, true);
    let tail = TailCorrection::new(&force_field, &topology, CUTOFF);
    // E ~ 1/V, so -V dE/dV = E: to rounding, whatever the cutoff.
    for volume in [1.0, VOLUME, 1e5] {
        assert!((tail.virial(volume) / tail.energy(volume) - 1.0).abs() < 1e-15);
    }
}

/// By how much the virial of a uniform gas, pairs inside the cutoff and tail, misses -dE/dlnV, E being its energy as the
/// kernels count it, when every pair at r goes to r s as the volume goes to V s^3. Relative to E_s.
fn missed(shift: Shift, tail_correction: bool) -> f64 {
    let (force_field, topology) = system(shift, tail_correction);
    let tail = TailCorrection::new(&force_field, &topology, CUTOFF);
    let energy = |s: f64| {
        let inside = over_pairs(|u| {
            let shifted = if shift == Shift::Potential { u.energy(CUTOFF) } else { 0.0 };
            integral(INNER, CUTOFF / s, |x| u.energy(x * s) - shifted)
        });
        inside + tail.energy(VOLUME * s.powi(3))
    };
    let h = 1e-3;
    // dlnV = 3 ds/s; fourth order in h.
    let first = |h: f64| (energy(1.0 + h) - energy(1.0 - h)) / (2.0 * h);
    let derivative = (4.0 * first(0.5 * h) - first(h)) / 9.0;
    let inside = over_pairs(|u| integral(INNER, CUTOFF, |r| r * u.force(r)) / 3.0);
    let surface = over_pairs(|u| 4.0 / 3.0 * PI * CUTOFF.powi(3) * u.energy(CUTOFF));
    (inside + tail.virial(VOLUME) + derivative) / surface
}

#[test]
fn energy_and_virial_of_a_uniform_gas_are_one_hamiltonian_in_the_three_combinations_allowed() {
    for (shift, tail) in [(Shift::Potential, false), (Shift::Potential, true), (Shift::None, true)] {
        let missed = missed(shift, tail);
        // Energies some 10 times E_s with errors of QUADRATURE over h, most of which cancels.
        assert!(missed.abs() < 1e-4, "{shift:?}, tail {tail}: {missed}");
    }
    // Plain truncation without tail misses the surface term, all of it.
    let plain = missed(Shift::None, false);
    assert!((plain.abs() - 1.0).abs() < 1e-4, "{plain}");
}

#[test]
fn nothing_is_added_where_the_force_field_does_not_ask_for_it() {
    let (force_field, topology) = system(Shift::Potential, false);
    assert_eq!(TailCorrection::new(&force_field, &topology, CUTOFF), TailCorrection::default());
}
