//! Constant pressure with every combination of `shift` and `tail_correction` that is allowed, at a cutoff of 5 angstrom, where the work
//! of the pairs that cross it is large: 264 atoms of molten Ca0.4K0.6(NO3)1.4 with the mixed kernel.

use std::sync::Arc;

use glam::DVec3;
use vitrion_core::backend::{
    Backend, BackendError, Discard, Dynamics, ElectrostaticsParameters, Ensemble, Sampling, SetPoint,
};
use vitrion_core::builder::{assign_velocities, build, cubic_cell_for_density};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::cpu::choose_mesh;
use vitrion_core::cpu::mixed::MixedKernel;
use vitrion_core::force_field::tail_correction::TailCorrection;
use vitrion_core::force_field::{ForceField, PlainTruncation, Shift, Truncation};
use vitrion_core::forces::{Evaluation, ForceError, ForceKernel, ListOrigin, Request};
use vitrion_core::state::State;
use vitrion_core::topology::Topology;
use vitrion_core::units::{ATMOSPHERE, BOLTZMANN};

use crate::ckn::{SMALL, molten};
use crate::support::{constant, dynamics};

const CUTOFF: f64 = 5.0;
const SKIN: f64 = 0.7;
const TEMPERATURE: f64 = 700.0;
const KT: f64 = BOLTZMANN * TEMPERATURE;
const ALLOWED: [(Shift, bool); 3] =
    [(Shift::Potential, false), (Shift::Potential, true), (Shift::None, true)];

/// A mixed kernel that does not say what it is.
struct Unchecked(MixedKernel);

impl ForceKernel for Unchecked {
    fn evaluate(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        request: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError> {
        self.0.evaluate(cell, positions, request, forces)
    }

    fn truncation(&self) -> Truncation {
        Truncation::Consistent
    }

    fn list_origin(&self) -> Option<ListOrigin> {
        self.0.list_origin()
    }

    fn restore_list(&mut self, origin: &ListOrigin) -> Result<(), ForceError> {
        self.0.restore_list(origin)
    }

    fn set_soft_core(&mut self, on: bool) {
        self.0.set_soft_core(on);
    }
}

struct Melt {
    force_field: ForceField,
    topology: Arc<Topology>,
    parameters: ElectrostaticsParameters,
    state: State,
}

impl Melt {
    /// Random, relaxed, and 1.2 ps at 700 K and constant volume.
    fn new(seed: u64) -> Self {
        let (mut force_field, formula, stored) = molten(&SMALL);
        (force_field.cutoff, force_field.shift) = (CUTOFF, Shift::Potential);
        let kinds: Vec<usize> = formula.molecules.iter().map(|molecule| molecule.kind).collect();
        let topology =
            Arc::new(Topology::new(formula.species.clone(), formula.kinds.clone(), &kinds.repeat(4)));
        let density = formula.total_mass() / stored.cells[0].volume();
        let cell = cubic_cell_for_density(&topology, density).unwrap();
        let state = build(&topology, cell, 1, seed).unwrap();
        let parameters = choose_mesh(&force_field, &topology, &cell, 1e-4).unwrap();
        let mut melt = Self { force_field, topology, parameters, state };
        let mut backend = melt.backend(Shift::Potential, false);
        backend.minimize(500, 2e4).unwrap();
        melt.state = backend.state().clone();
        assign_velocities(&mut melt.state, &melt.topology, &[TEMPERATURE], seed);
        backend.set_state(melt.state.clone()).unwrap();
        backend.begin_stage(&dynamics(Ensemble::Nvt, 0.002, TEMPERATURE, 0.0), &Sampling::default()).unwrap();
        backend.advance(600, &mut Discard).unwrap();
        melt.state = backend.state().clone();
        melt
    }

    fn model(&self, shift: Shift, tail_correction: bool) -> ForceField {
        ForceField { shift, tail_correction, ..self.force_field.clone() }
    }

    fn kernel(&self, shift: Shift, tail_correction: bool) -> MixedKernel {
        let model = Arc::new(self.model(shift, tail_correction));
        MixedKernel::new(&model, &self.topology, self.parameters, SKIN).unwrap()
    }

    fn run_by(&self, kernel: Box<dyn ForceKernel>) -> CpuBackend {
        let (topology, state) = (Arc::clone(&self.topology), self.state.clone());
        CpuBackend::new(topology, vec![kernel], self.parameters, "cpu/mixed".to_owned(), state).unwrap()
    }

    fn backend(&self, shift: Shift, tail_correction: bool) -> CpuBackend {
        self.run_by(Box::new(self.kernel(shift, tail_correction)))
    }

    /// E_s of `tail_correction` in a cell of `volume`: what an inconsistent energy misses (u A^2/ps^2).
    fn surface(&self, volume: f64) -> f64 {
        let tail =
            |shift| TailCorrection::new(&self.model(shift, true), &self.topology, CUTOFF).energy(volume);
        tail(Shift::Potential) - tail(Shift::None)
    }
}

#[test]
fn plain_truncation_is_refused_at_constant_pressure_only() {
    let mut melt = Melt::new(3);
    let mut backend = melt.backend(Shift::None, false);
    let begin = |backend: &mut CpuBackend, ensemble| {
        backend.begin_stage(&dynamics(ensemble, 0.001, TEMPERATURE, 0.0), &Sampling::default())
    };
    assert_eq!(begin(&mut backend, Ensemble::Npt), Err(BackendError::Truncation(PlainTruncation)));
    let text = PlainTruncation.to_string();
    for word in
        ["`shift = \"none\"`", "[short_range]", "`tail_correction = true`", "`shift = \"potential\"`", "nvt"]
    {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    for ensemble in [Ensemble::Nve, Ensemble::Nvt] {
        assert_eq!(begin(&mut backend, ensemble), Ok(()));
    }
    melt.state = backend.state().clone();
    for (shift, tail) in ALLOWED {
        assert_eq!(begin(&mut melt.backend(shift, tail), Ensemble::Npt), Ok(()), "{shift:?}, tail {tail}");
    }
}

/// Volumes before and after a pressure ramp of 1.5 ps at 1 fs, and by how much the conserved quantity changes (kT).
fn compressed(melt: &Melt, kernel: Box<dyn ForceKernel>) -> ([f64; 2], f64) {
    const STEPS: u64 = 1500;
    let ramp = SetPoint { start: 0.0, rate: 200.0, start_step: melt.state.step };
    let npt = Dynamics {
        pressure: vec![ramp],
        barostat_period: 0.3,
        ..dynamics(Ensemble::Npt, 0.001, TEMPERATURE, 0.0)
    };
    let mut backend = melt.run_by(kernel);
    backend.begin_stage(&npt, &Sampling::default()).unwrap();
    let before = backend.thermo().unwrap()[0];
    backend.advance(STEPS, &mut Discard).unwrap();
    let after = backend.thermo().unwrap()[0];
    ([before.volume, after.volume], (after.conserved - before.conserved) / KT)
}

/// A volume that changes by a quarter tells a Hamiltonian from what is none: the conserved quantity misses the change of E_s.
#[test]
fn conserved_quantity_survives_a_compression_with_every_combination_allowed_and_no_other() {
    let melt = Melt::new(17);
    // What is missed, over the change of E_s.
    let missed = |shift, tail, kernel: Box<dyn ForceKernel>| {
        let ([before, after], change) = compressed(&melt, kernel);
        assert!(after < 0.93 * before, "the volume goes from {before} to {after} only: the test shows less");
        let work = (melt.surface(after) - melt.surface(before)) / KT;
        println!(
            "{shift:?}, tail {tail}: {before:.0} to {after:.0} A^3, conserved {change:+.2} kT, E_s {work:+.2} kT"
        );
        assert!(work.abs() > 3.0, "too little work to tell: {work} kT");
        change / work
    };
    for (shift, tail) in ALLOWED {
        let missed = missed(shift, tail, Box::new(melt.kernel(shift, tail)));
        // The error of the time step and of forces that end at the cutoff: 0.03 kT of 15. Without a shift, g(r) at 5 A also differs
        // from the 1 of the tail: 0.1.
        let tolerance = if shift == Shift::Potential { 0.02 } else { 0.2 };
        assert!(missed.abs() < tolerance, "{shift:?}, tail {tail}: {missed} of E_s");
    }
    let plain = missed(Shift::None, false, Box::new(Unchecked(melt.kernel(Shift::None, false))));
    assert!(plain.abs() > 0.7, "plain truncation goes unnoticed: {plain} of E_s");
}

/// Slope of a least-squares line.
fn slope(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let products: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    products / x.iter().map(|x| (x - mx).powi(2)).sum::<f64>()
}

/// Length of a run in which the conserved quantity may drift.
#[derive(Clone, Copy)]
struct Span {
    /// Time step (ps).
    timestep: f64,
    picoseconds: f64,
}

/// Drift of the conserved quantity (kT/ns per degree of freedom) at 700 K and 1 atm, after 4 ps.
fn drift(melt: &Melt, shift: Shift, tail: bool, span: Span) -> f64 {
    const SAMPLE: f64 = 0.05;
    let every = (SAMPLE / span.timestep).round() as u64;
    let npt = Dynamics {
        pressure: vec![constant(ATMOSPHERE)],
        barostat_period: 1.0,
        ..dynamics(Ensemble::Npt, span.timestep, TEMPERATURE, 0.0)
    };
    let (g_t, g_r) =
        (melt.topology.translational_degrees_of_freedom(), melt.topology.rotational_degrees_of_freedom());
    let mut backend = melt.backend(shift, tail);
    backend.begin_stage(&npt, &Sampling::default()).unwrap();
    backend.advance(80 * every, &mut Discard).unwrap();
    let (mut time, mut conserved) = (Vec::new(), Vec::new());
    for sample in 0..(span.picoseconds / SAMPLE).round() as u64 {
        let thermo = backend.thermo().unwrap()[0];
        time.push(SAMPLE * 1e-3 * sample as f64);
        conserved.push(thermo.conserved / ((g_t + g_r) * KT));
        backend.advance(every, &mut Discard).unwrap();
    }
    slope(&time, &conserved)
}

/// Fails unless the drift is below 5e-3 kT/ns per degree of freedom and within three standard errors of zero, which six starts
/// resolve to half the limit.
fn assert_no_drift(combinations: &[(Shift, bool)], span: Span) {
    const STARTS: u64 = 6;
    let melts: Vec<Melt> = (0..STARTS).map(|start| Melt::new(100 + start)).collect();
    for &(shift, tail) in combinations {
        let slopes: Vec<f64> = melts.iter().map(|melt| drift(melt, shift, tail, span)).collect();
        let n = slopes.len() as f64;
        let mean = slopes.iter().sum::<f64>() / n;
        let error = (slopes.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
        println!(
            "{shift:?}, tail {tail}: {mean:+.1e} +- {error:.1e} kT/ns per degree of freedom, {slopes:.5?}"
        );
        assert!(error < 2.5e-3, "{shift:?}, tail {tail}: too noisy to tell: {error:e}");
        assert!(
            mean.abs() < 3.0 * error && mean.abs() < 5e-3,
            "{shift:?}, tail {tail}: {mean:e} +- {error:e}"
        );
    }
}

#[test]
#[ignore = "a quarter of an hour on one core: make validate"]
fn conserved_quantity_does_not_drift_at_constant_pressure_with_a_shift() {
    let span = Span { timestep: 0.001, picoseconds: 40.0 };
    assert_no_drift(&[(Shift::Potential, false), (Shift::Potential, true)], span);
}

/// Without a shift the energy jumps whenever a pair crosses the cutoff. The sum of the jumps is a function of the configuration, which
/// fluctuates and does not drift, but which leaves slopes of 1.5e-2 over 40 ps: they fall with the time to the power 3/2.
#[test]
#[ignore = "a quarter of an hour on one core: make validate"]
fn conserved_quantity_does_not_drift_at_constant_pressure_with_the_tail_and_no_shift() {
    assert_no_drift(&[(Shift::None, true)], Span { timestep: 0.002, picoseconds: 120.0 });
}
