//! A small fluid of planar rigid molecules and ions, and the potentials that act in it.

use std::f64::consts::TAU;
use std::sync::Arc;

use glam::{DMat3, DVec3, DVec4};
use vitrion_core::backend::{
    Backend, Dynamics, ElectrostaticsParameters, Ensemble, Reciprocal, Sampling, SetPoint,
};
use vitrion_core::cell::Cell;
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::force_field::Truncation;
use vitrion_core::force_field::bonded::outer;
use vitrion_core::forces::{Evaluation, ForceError, ForceKernel, ListOrigin, Request};
use vitrion_core::integrators::rigid_body::quaternion_momentum;
use vitrion_core::random::{Counter, Stream};
use vitrion_core::state::State;
use vitrion_core::topology::{MoleculeKind, MoleculeModel, Species, Topology};
use vitrion_core::units::BOLTZMANN;

/// Bounded, three times differentiable repulsion U = A (1 - r^2/c^2)^4 between atoms of different molecules. Pairs are
/// summed in the order of their distances when the neighbour list was built, so that a list restored wrongly changes bits.
pub struct SoftSpheres {
    molecule: Vec<usize>,
    origin: Option<ListOrigin>,
    pairs: Vec<(usize, usize)>,
    /// The evaluation fails when atom 0 passes this x coordinate.
    pub forbidden_x: f64,
}

const AMPLITUDE: f64 = 1500.0;
const CUTOFF: f64 = 4.5;
const SKIN: f64 = 0.7;

impl SoftSpheres {
    pub fn new(topology: &Topology) -> Self {
        let molecule = topology.atom_molecule.clone();
        Self { molecule, origin: None, pairs: Vec::new(), forbidden_x: f64::INFINITY }
    }

    fn build(&mut self, cell: &Cell, positions: &[DVec3]) {
        let distance = |i: usize, j: usize| cell.wrapped_difference(positions[i] - positions[j]).length();
        let apart = |i: usize, j: usize| self.molecule[i] != self.molecule[j];
        let mut listed: Vec<(f64, usize, usize)> = (0..positions.len())
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .filter(|&(i, j)| apart(i, j))
            .map(|(i, j)| (distance(i, j), i, j))
            .filter(|&(r, _, _)| r < CUTOFF + SKIN)
            .collect();
        listed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.pairs = listed.into_iter().map(|(_, i, j)| (i, j)).collect();
        self.origin = Some(ListOrigin { cell: *cell, positions: positions.to_vec() });
    }

    /// Twice the largest displacement beside the change of the cell, and that change at the cutoff, use up the skin.
    fn is_stale(&self, cell: &Cell, positions: &[DVec3]) -> bool {
        let Some(origin) = &self.origin else { return true };
        let strain = cell.matrix() * origin.cell.inverse();
        let growth = (strain.x_axis.x - 1.0).abs() * (CUTOFF + SKIN);
        let moved = |(r, built): (&DVec3, &DVec3)| cell.wrapped_difference(*r - strain * *built).length();
        let largest = positions.iter().zip(&origin.positions).map(moved).fold(0.0, f64::max);
        2.0 * largest + growth > SKIN
    }
}

impl ForceKernel for SoftSpheres {
    fn evaluate(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        request: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError> {
        if positions[0].x > self.forbidden_x {
            return Err(ForceError::NotFinite { atom: 0 });
        }
        if self.is_stale(cell, positions) {
            self.build(cell, positions);
        }
        forces.fill(DVec3::ZERO);
        let mut evaluation = Evaluation::default();
        for &(i, j) in &self.pairs {
            let d = cell.wrapped_difference(positions[i] - positions[j]);
            let x = 1.0 - d.length_squared() / (CUTOFF * CUTOFF);
            if x > 0.0 {
                let f = d * (8.0 * AMPLITUDE / (CUTOFF * CUTOFF) * x.powi(3));
                forces[i] += f;
                forces[j] -= f;
                if request.energy_and_virial {
                    evaluation.energies.short_range += AMPLITUDE * x.powi(4);
                    evaluation.virials.short_range += outer(d, f);
                }
            }
        }
        Ok(evaluation)
    }

    fn list_origin(&self) -> Option<ListOrigin> {
        self.origin.clone()
    }

    fn restore_list(&mut self, origin: &ListOrigin) -> Result<(), ForceError> {
        self.build(&origin.cell, &origin.positions);
        Ok(())
    }

    fn truncation(&self) -> Truncation {
        Truncation::Consistent
    }

    fn set_soft_core(&mut self, _: bool) {}
}

/// Waves in fractional coordinates, U = B sum over pairs and integer vectors n of cos(2 pi n . s_ij). It does not change
/// when the cell scales, so its virial is zero and the volume is distributed as in an ideal gas, but the motion is chaotic.
pub struct FractionalWaves;

const WAVES: [DVec3; 6] = [
    DVec3::new(1.0, 0.0, 0.0),
    DVec3::new(0.0, 1.0, 0.0),
    DVec3::new(0.0, 0.0, 1.0),
    DVec3::new(1.0, 1.0, 0.0),
    DVec3::new(0.0, 2.0, 1.0),
    DVec3::new(2.0, 0.0, -1.0),
];

impl ForceKernel for FractionalWaves {
    fn evaluate(
        &mut self,
        cell: &Cell,
        positions: &[DVec3],
        _: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError> {
        const B: f64 = 100.0;
        forces.fill(DVec3::ZERO);
        let mut evaluation = Evaluation::default();
        let to_cartesian = cell.inverse().transpose();
        for i in 0..positions.len() {
            for j in 0..i {
                let s = cell.fractional(positions[i] - positions[j]);
                for n in WAVES {
                    let (sin, cos) = (TAU * n.dot(s)).sin_cos();
                    evaluation.energies.short_range += B * cos;
                    let f = to_cartesian * n * (TAU * B * sin);
                    forces[i] += f;
                    forces[j] -= f;
                }
            }
        }
        Ok(evaluation)
    }

    fn truncation(&self) -> Truncation {
        Truncation::Consistent
    }

    fn set_soft_core(&mut self, _: bool) {}
}

/// `n_nitrates` planar rigid molecules (N-O 1.26 A) and `n_ions` ions.
pub fn topology(n_nitrates: usize, n_ions: usize) -> Arc<Topology> {
    let species = |name: &str, mass| Species { name: name.into(), mass, charge: 0.0 };
    let arm = |turn: f64| 1.26 * DVec3::new((TAU * turn).cos(), (TAU * turn).sin(), 0.0);
    let moment = 1.5 * 15.999 * 1.26 * 1.26;
    let nitrate = MoleculeKind {
        name: "nitrate".into(),
        species: vec![0, 1, 1, 1],
        centre: 0,
        model: MoleculeModel::Rigid {
            positions: vec![DVec3::ZERO, arm(0.0), arm(1.0 / 3.0), arm(2.0 / 3.0)],
            moments: DVec3::new(moment, moment, 2.0 * moment),
        },
    };
    let ion = MoleculeKind { name: "K".into(), species: vec![2], centre: 0, model: MoleculeModel::Point };
    let kinds = [vec![0; n_nitrates], vec![1; n_ions]].concat();
    Arc::new(Topology::new(
        vec![species("N", 14.007), species("O", 15.999), species("K", 39.0983)],
        vec![nitrate, ion],
        &kinds,
    ))
}

/// A triclinic cell with edges near `edge`.
pub fn cell(edge: f64) -> Cell {
    let h = DMat3::from_cols(
        DVec3::new(edge, 0.0, 0.0),
        DVec3::new(0.1 * edge, edge, 0.0),
        DVec3::new(-0.05 * edge, 0.08 * edge, edge),
    );
    Cell::new(h).unwrap()
}

/// Random centres, orientations and Maxwell-Boltzmann momenta at `temperature`; replica r has its own.
pub fn thermal_state(
    topology: &Topology,
    n_replicas: usize,
    cell: Cell,
    temperature: f64,
    seed: u64,
) -> State {
    let mut state = State::new(topology, n_replicas, cell);
    let kt = BOLTZMANN * temperature;
    for replica in 0..n_replicas {
        for (b, body) in topology.bodies.iter().enumerate() {
            let index = replica * topology.n_bodies() + b;
            let draw =
                |stream| Counter { seed, stream, replica: replica as u32, step: 0, particle: b as u32 };
            let [x, y, z, _] = draw(Stream::BuilderPosition).uniform();
            state.centre[index] = DVec3::new(x, y, z);
            state.unwrapped[index] = cell.cartesian(state.centre[index]);
            let [x, y, z, _] = draw(Stream::Velocity).normal();
            state.velocity[index] = DVec3::new(x, y, z) * (kt / body.mass).sqrt();
            if let Some((_, moments)) = topology.rigid_shape(body) {
                let q = DVec4::from(draw(Stream::BuilderOrientation).normal()).normalize();
                let [x, y, z, _] = draw(Stream::AngularMomentum).normal();
                let l = DVec3::new(x, y, z) * DVec3::from(moments.to_array().map(|i| (kt * i).sqrt()));
                state.orientation[index] = q;
                state.quaternion_momentum[index] = quaternion_momentum(q, l);
            }
        }
    }
    state
}

pub fn constant(value: f64) -> SetPoint {
    SetPoint { start: value, rate: 0.0, start_step: 0 }
}

/// One replica's dynamics at constant temperature (K) and pressure (u/(A ps^2)).
pub fn dynamics(ensemble: Ensemble, timestep: f64, temperature: f64, pressure: f64) -> Dynamics {
    Dynamics {
        timestep,
        ensemble,
        temperature: vec![constant(temperature)],
        pressure: vec![constant(pressure)],
        thermostat_period: 0.2,
        barostat_period: 1.0,
    }
}

/// A backend whose replicas all have kernels from `kernel`.
pub fn backend_with<K: ForceKernel + 'static>(
    topology: &Arc<Topology>,
    state: State,
    kernel: impl Fn(usize) -> K,
) -> CpuBackend {
    let boxed = |r| Box::new(kernel(r)) as Box<dyn ForceKernel>;
    let kernels = (0..state.n_replicas).map(boxed).collect();
    let electrostatics =
        ElectrostaticsParameters { cutoff: CUTOFF, alpha: 0.3, reciprocal: Reciprocal::Ewald { k_max: 1.0 } };
    CpuBackend::new(Arc::clone(topology), kernels, electrostatics, "cpu/test".into(), state).unwrap()
}

/// A backend of soft spheres.
pub fn soft_backend(topology: &Arc<Topology>, state: State) -> CpuBackend {
    backend_with(topology, state, |_| SoftSpheres::new(topology))
}

/// Begins a stage without streams.
pub fn begin(backend: &mut CpuBackend, dynamics: &Dynamics) {
    backend.begin_stage(dynamics, &Sampling::default()).unwrap();
}

/// Mean of `values` and its standard error from 20 blocks.
pub fn mean_with_error(values: &[f64]) -> (f64, f64) {
    let blocks: Vec<f64> = values
        .chunks_exact(values.len() / 20)
        .take(20)
        .map(|block| block.iter().sum::<f64>() / block.len() as f64)
        .collect();
    let n = blocks.len() as f64;
    let mean = blocks.iter().sum::<f64>() / n;
    let variance = blocks.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Fails unless the mean of `values` is `expected` within five standard errors, themselves below `resolution` of it.
pub fn assert_mean(what: &str, values: &[f64], expected: f64, resolution: f64) {
    let (mean, error) = mean_with_error(values);
    println!("{what}: {mean:.5} +- {error:.5}, expected {expected:.5}");
    assert!(error < resolution * expected, "{what}: too noisy to tell: {mean} +- {error}");
    // Twenty blocks: Student's t beyond 5 has probability 8e-5.
    assert!((mean - expected).abs() < 5.0 * error, "{what}: {mean} +- {error} is not {expected}");
}
