//! The stress of each ion: against LAMMPS, against the pressure tensor, mesh against exact sum.

use glam::{DMat3, DVec3};
use vitrion_core::backend::{Backend, ElectrostaticsParameters};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::cpu::{Precision, choose_mesh, force_scale, kernel, molecule_virials};
use vitrion_core::force_field::ForceField;
use vitrion_core::force_field::bonded::outer;
use vitrion_core::force_field::tail_correction::TailCorrection;
use vitrion_core::long_range::ewald::EwaldParameters;
use vitrion_core::observe::ion_stress::{IonStress, SymmetricTensor};
use vitrion_core::state::State;
use vitrion_core::topology::Topology;
use vitrion_trajectory::lammps_data;

use crate::Arc;
use crate::fixtures::{System, load, reference_file, workspace};
use crate::mixed_accuracy::disordered;

/// Terms of the exact sums end here.
const EXACT: f64 = 1e-12;

/// A system with a state.
struct Sample {
    force_field: Arc<ForceField>,
    topology: Arc<Topology>,
    state: State,
}

impl Sample {
    /// A stored configuration at rest or in motion, as it is.
    fn stored(name: &str, cutoff: f64) -> Self {
        let model = if name.starts_with("flex") { "ckn-flexible.toml" } else { "ckn-rigid.toml" };
        let mut force_field =
            ForceField::load(&workspace().join("configs/force_fields").join(model)).unwrap();
        let system = lammps_data::read(&reference_file(&format!("{name}.data")), &force_field).unwrap();
        force_field.cutoff = cutoff;
        let state = system.to_state(1).unwrap();
        Self { force_field: Arc::new(force_field), topology: Arc::new(system.topology), state }
    }

    /// Flexible ions, whose bodies are their atoms, at the speeds of 700 K.
    fn flexible(system: &System, cutoff: f64) -> Self {
        let mut force_field = system.force_field.clone();
        force_field.cutoff = cutoff;
        let topology = system.topology.clone();
        assert_eq!(topology.n_bodies(), topology.n_atoms());
        let mut state = State::new(&topology, 1, system.cell);
        for (centre, &r) in state.centre.iter_mut().zip(&system.positions) {
            *centre = Cell::wrap_fractional(system.cell.fractional(r));
        }
        vitrion_core::builder::assign_velocities(&mut state, &topology, &[700.0], 5);
        Self { force_field: Arc::new(force_field), topology: Arc::new(topology), state }
    }

    /// The same fractions in a tilted cell; rigid ions stay as they are.
    fn tilted(mut self) -> Self {
        let tilt = DMat3::from_cols(
            DVec3::new(1.04, 0.0, 0.0),
            DVec3::new(0.12, 1.02, 0.0),
            DVec3::new(-0.07, 0.09, 1.05),
        );
        self.state.cells[0] = Cell::new(tilt * self.state.cells[0].matrix()).unwrap();
        self
    }

    fn exact_parameters(&self) -> ElectrostaticsParameters {
        EwaldParameters::balanced(EXACT, &self.state.cells[0], self.topology.n_atoms()).into()
    }

    fn mesh(&self, accuracy: f64) -> ElectrostaticsParameters {
        choose_mesh(&self.force_field, &self.topology, &self.state.cells[0], accuracy).unwrap()
    }

    fn stresses(&self, parameters: ElectrostaticsParameters) -> Vec<SymmetricTensor> {
        let mut stress = IonStress::new(&self.force_field, &self.topology, &self.state, parameters).unwrap();
        stress.evaluate(&self.state).unwrap()
    }

    /// V times the pressure tensor of a backend, with the state that it has this pressure in.
    fn pressure(&mut self, precision: Precision, parameters: ElectrostaticsParameters) -> SymmetricTensor {
        let (state, cell) = (self.state.clone(), self.state.cells[0]);
        let kernel = kernel(&self.force_field, &self.topology, &cell, precision, parameters).unwrap();
        let topology = Arc::clone(&self.topology);
        let mut backend =
            CpuBackend::new(topology, vec![kernel], parameters, "test".to_owned(), state).unwrap();
        let p = backend.thermo().unwrap()[0].pressure_tensor * cell.volume();
        // The backend has brought the centre of mass to rest.
        self.state = backend.state().clone();
        [p.x_axis.x, p.y_axis.y, p.z_axis.z, p.y_axis.x, p.z_axis.x, p.z_axis.y]
    }
}

fn norm(tensor: &SymmetricTensor) -> f64 {
    let [xx, yy, zz, xy, xz, yz] = tensor.map(|x| x * x);
    (xx + yy + zz + 2.0 * (xy + xz + yz)).sqrt()
}

fn difference(a: &SymmetricTensor, b: &SymmetricTensor) -> f64 {
    norm(&std::array::from_fn(|k| a[k] - b[k]))
}

fn rms(tensors: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = tensors.len() as f64;
    (tensors.map(|x| x * x).sum::<f64>() / n).sqrt()
}

fn rms_difference(a: &[SymmetricTensor], b: &[SymmetricTensor]) -> f64 {
    assert_eq!(a.len(), b.len());
    rms(a.iter().zip(b).map(|(a, b)| difference(a, b)))
}

/// The sum over ions against V times the pressure tensor; the error relative to the root of the sum of squares over ions, which
/// is what rounding of the summands amounts to.
fn assert_adds_up(
    what: &str,
    sample: &mut Sample,
    precision: Precision,
    parameters: ElectrostaticsParameters,
    tolerance: f64,
) {
    let pressure = sample.pressure(precision, parameters);
    let stresses = sample.stresses(parameters);
    let sum = stresses.iter().fold([0.0; 6], |sum, s| std::array::from_fn(|k| sum[k] + s[k]));
    let scale = rms(stresses.iter().map(norm)) * (stresses.len() as f64).sqrt();
    let error = difference(&sum, &pressure) / scale;
    println!("{what}: sum {sum:.1?}, error {error:.1e}, RMS stress {:.0}", rms(stresses.iter().map(norm)));
    assert!(error < tolerance, "{what}: {sum:?} is not {pressure:?} ({error:e})");
}

#[test]
fn stresses_of_all_ions_add_up_to_the_pressure_tensor() {
    // Rounding of some 1e5 terms in f64.
    let exact = 1e-12;
    for tilt in [false, true] {
        for name in ["ckn66", "flex66"] {
            let sample = Sample::stored(name, 10.0);
            let mut sample = if tilt { sample.tilted() } else { sample };
            let parameters = sample.exact_parameters();
            let what = format!("reference {name}, tilted: {tilt}");
            assert_adds_up(&what, &mut sample, Precision::Reference, parameters, exact);
        }
        // f32 rounding, 6e-8 of sums of terms a few tens of times an ion's stress; the shares of the mesh add up to what it
        // gives for the whole.
        let rounding = 2e-6;
        let rigid = Sample::stored("ckn2376-700K", 10.0);
        let flexible = Sample::flexible(&disordered(load("flex66").replicated(3)), 10.0);
        for (name, sample) in [("rigid", rigid), ("flexible", flexible)] {
            let mut sample = if tilt { sample.tilted() } else { sample };
            let parameters = sample.mesh(1e-4);
            let what = format!("mixed {name}, tilted: {tilt}");
            assert_adds_up(&what, &mut sample, Precision::Mixed, parameters, rounding);
        }
    }
}

/// The tail belongs to the pressure, so it belongs to the ions: rigid and flexible, exact and mixed.
#[test]
fn stresses_of_all_ions_add_up_to_the_pressure_tensor_with_the_tail() {
    let exact = [("ckn66", Precision::Reference), ("flex66", Precision::Reference)];
    let mixed = [("ckn2376-700K", Precision::Mixed), ("flexible", Precision::Mixed)];
    for (name, precision) in [exact, mixed].concat() {
        let mut sample = match name {
            "flexible" => Sample::flexible(&disordered(load("flex66").replicated(3)), 5.0),
            name => Sample::stored(name, 5.0),
        };
        let parameters = match precision {
            Precision::Reference => sample.exact_parameters(),
            Precision::Mixed => sample.mesh(1e-4),
        };
        let trace = |sample: &Sample| {
            let stresses = sample.stresses(parameters);
            stresses.iter().map(|s| s[0] + s[1] + s[2]).sum::<f64>()
        };
        // The motion of the centre of mass, which the backend takes away, is gone before both.
        sample.pressure(precision, parameters);
        let without = trace(&sample);
        let with_tail = ForceField { tail_correction: true, ..(*sample.force_field).clone() };
        sample.force_field = Arc::new(with_tail);
        // As in the test above.
        let tolerance = if precision == Precision::Reference { 1e-12 } else { 2e-6 };
        assert_adds_up(&format!("{precision} {name}, tail"), &mut sample, precision, parameters, tolerance);
        let tail = TailCorrection::new(&sample.force_field, &sample.topology, 5.0);
        let expected = 3.0 * tail.virial(sample.state.cells[0].volume());
        // Rounding of sums some 10 times as large.
        assert!(((trace(&sample) - without) / expected - 1.0).abs() < 1e-9, "{name}");
    }
}

/// Half of each pair beyond the cutoff to each end: calcium, which has walls alone, has little of what
/// potassium has, and of the other sign.
#[test]
fn each_ion_has_the_tail_of_its_own_pairs() {
    let mut sample = Sample::stored("ckn66", 5.0);
    let parameters = sample.exact_parameters();
    let without = sample.stresses(parameters);
    sample.force_field = Arc::new(ForceField { tail_correction: true, ..(*sample.force_field).clone() });
    let with_tail = sample.stresses(parameters);
    let share = |name: &str| {
        let kinds = &sample.topology.kinds;
        let ion = sample.topology.molecules.iter().position(|m| kinds[m.kind].name == name).unwrap();
        with_tail[ion][0] - without[ion][0]
    };
    // Ca has walls alone, of which little is left at 5 A.
    let (calcium, potassium, nitrate) = (share("Ca"), share("K"), share("nitrate"));
    assert!(calcium > 0.0 && calcium < -0.05 * potassium, "{calcium} {potassium}");
    assert!(nitrate < 3.0 * potassium && potassium < 0.0, "{nitrate} {potassium}");
}

fn lammps_stresses(name: &str) -> Vec<SymmetricTensor> {
    let text = std::fs::read_to_string(reference_file(&format!("ion_stress_{name}.csv"))).unwrap();
    let numbers =
        |line: &str| line.split(',').skip(1).map(|x| x.parse().unwrap()).collect::<Vec<f64>>().try_into();
    text.lines().skip(1).map(|line| numbers(line).unwrap()).collect()
}

/// LAMMPS interpolates the real-space Coulomb terms in tables of 2^12 entries: its forces agree with the stored ones to
/// 4e-5 kcal/mol/A of 15, so a few 1e-6.
const LAMMPS_TABLES: f64 = 5e-6;

fn assert_as_lammps(name: &str, found: &[SymmetricTensor]) {
    let expected = lammps_stresses(name);
    let error = rms_difference(found, &expected) / rms(expected.iter().map(norm));
    println!("{name}: RMS difference from LAMMPS {error:.1e} of the RMS stress");
    assert!(error < LAMMPS_TABLES, "{name}: {error:e}");
}

#[test]
fn stress_of_flexible_ions_agrees_with_lammps() {
    let mut sample = Sample::stored("flex66", 12.0);
    // The stored values have no kinetic part.
    sample.state.velocity.fill(DVec3::ZERO);
    assert_as_lammps("flex66", &sample.stresses(sample.exact_parameters()));
}

/// The nitrates of the stored configuration are rigid to 1e-4 A only, so their arms are taken from the positions in the file.
#[test]
fn virials_and_forces_of_rigid_ions_agree_with_lammps() {
    let mut system = load("ckn66");
    system.force_field.cutoff = 12.0;
    let (force_field, topology) = (Arc::new(system.force_field.clone()), Arc::new(system.topology.clone()));
    let parameters = EwaldParameters::balanced(EXACT, &system.cell, topology.n_atoms()).into();
    let mut kernel = molecule_virials(&force_field, &topology, &system.cell, parameters).unwrap();
    let mut forces = vec![DVec3::NAN; topology.n_atoms()];
    let mut virials = vec![DMat3::NAN; topology.molecules.len()];
    kernel.evaluate_molecules(&system.cell, &system.positions, &mut forces, &mut virials).unwrap();
    for body in &topology.bodies {
        let atoms = body.first_atom..body.first_atom + body.n_atoms;
        let mass = topology.masses();
        let centre = atoms.clone().map(|a| mass[a] * system.positions[a]).sum::<DVec3>() / body.mass;
        for atom in atoms {
            virials[topology.atom_molecule[atom]] -= outer(system.positions[atom] - centre, forces[atom]);
        }
    }
    let symmetric = |w: &DMat3| {
        let m = (*w + w.transpose()) * 0.5;
        [m.x_axis.x, m.y_axis.y, m.z_axis.z, m.y_axis.x, m.z_axis.x, m.z_axis.y]
    };
    assert_as_lammps("ckn66", &virials.iter().map(symmetric).collect::<Vec<_>>());
}

/// Where the Coulomb sum is split is arbitrary; what each pair contributes is not.
#[test]
fn stress_of_each_ion_does_not_depend_on_the_splitting_of_the_sum() {
    for name in ["flex66", "ckn66"] {
        let sample = Sample::stored(name, 10.0).tilted();
        let with = |cutoff: f64| sample.stresses(EwaldParameters::from_cutoff(EXACT, cutoff).into());
        let (near, far) = (with(8.0), with(13.0));
        let error = rms_difference(&near, &far) / rms(far.iter().map(norm));
        println!("{name}: {error:.1e}");
        // Terms of 1e-12 are left out of both sums, some 1e3 of them near their ends.
        assert!(error < 1e-9, "{name}: {error:e}");
    }
}

/// What the errors of the forces amount to: a term that is left out at the cutoff r_c errs in the force of an atom by dF, and in
/// its virial, half of it at either end, by r_c dF/2; the atoms of an ion err independently.
fn expected_error(sample: &Sample, accuracy: f64) -> f64 {
    let topology = &sample.topology;
    let force = accuracy * force_scale(&topology.charges(), sample.state.cells[0].volume());
    let atoms = topology.n_atoms() as f64 / topology.molecules.len() as f64;
    0.5 * sample.force_field.cutoff * force * atoms.sqrt()
}

#[test]
fn mesh_gives_the_stress_of_each_ion_to_the_accuracy_of_the_forces() {
    let rigid = Sample::stored("ckn2376-700K", 10.0);
    let flexible = Sample::flexible(&disordered(load("flex66").replicated(3)), 10.0).tilted();
    for (name, sample) in [("rigid", &rigid), ("flexible", &flexible)] {
        let exact = EwaldParameters::balanced(1e-9, &sample.state.cells[0], sample.topology.n_atoms()).into();
        let exact = sample.stresses(exact);
        for accuracy in [1e-4, 1e-5] {
            let error = rms_difference(&sample.stresses(sample.mesh(accuracy)), &exact);
            let (scale, limit) = (rms(exact.iter().map(norm)), expected_error(sample, accuracy));
            println!("{name}, mesh for {accuracy:e}: RMS error {error:.2} of {scale:.0}, limit {limit:.2}");
            assert!(error < limit, "{name}: {error}, not below {limit}");
            // Were both the same sum, the test would show nothing.
            assert!(error > 0.05 * limit, "{name}: {error} is suspiciously small");
        }
    }
}

/// A sample is the same whatever was evaluated before it: a resumed run goes on with the same bits.
#[test]
fn stress_depends_on_the_state_alone() {
    let sample = Sample::stored("ckn2376-700K", 10.0);
    let parameters = sample.mesh(1e-4);
    let fresh = sample.stresses(parameters);
    let mut used = IonStress::new(&sample.force_field, &sample.topology, &sample.state, parameters).unwrap();
    let mut other = sample.state.clone();
    for centre in &mut other.centre {
        *centre = Cell::wrap_fractional(*centre + DVec3::new(0.3, 0.1, 0.0));
    }
    used.evaluate(&other).unwrap();
    assert_eq!(used.evaluate(&sample.state).unwrap(), fresh);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| used.evaluate(&sample.state).unwrap()), fresh);
}

#[test]
fn forces_beside_the_virials_are_those_of_the_kernel() {
    let system = load("ckn2376-700K");
    let (force_field, topology) = (Arc::new(system.force_field.clone()), Arc::new(system.topology.clone()));
    let parameters = choose_mesh(&force_field, &topology, &system.cell, 1e-4).unwrap();
    let mut mixed = kernel(&force_field, &topology, &system.cell, Precision::Mixed, parameters).unwrap();
    let expected = crate::fixtures::answer(mixed.as_mut(), &system).forces;
    let mut virials = molecule_virials(&force_field, &topology, &system.cell, parameters).unwrap();
    let mut forces = vec![DVec3::NAN; expected.len()];
    let mut sums = vec![DMat3::NAN; topology.molecules.len()];
    virials.evaluate_molecules(&system.cell, &system.positions, &mut forces, &mut sums).unwrap();
    // The lists differ by the skin, and with them the order of f32 sums.
    crate::fixtures::assert_same_forces("beside virials", &forces, &expected, 1e-5);
}
