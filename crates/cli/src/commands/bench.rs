//! `vitrion bench`: how fast this machine simulates, and where the time goes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use glam::DVec3;
use serde::Serialize;
use vitrion_core::backend::{
    Backend, Discard, Dynamics, ElectrostaticsParameters, Ensemble, Reciprocal, Sampling, SetPoint,
};
use vitrion_core::cell::Cell;
use vitrion_core::cpu;
use vitrion_core::cpu::backend::CpuBackend;
use vitrion_core::force_field::{ForceField, Truncation};
use vitrion_core::forces::{Evaluation, ForceError, ForceKernel, Request};
use vitrion_core::long_range::pme::Pme;
use vitrion_core::neighbors::molecule_list::fraction;
use vitrion_core::topology::Topology;
use vitrion_gpu::backend::{GpuBackend, Options};
use vitrion_gpu::device::Device;
use vitrion_gpu::dimensions::device_mesh;
use vitrion_gpu::work;
use vitrion_trajectory::lammps_data::{LammpsSystem, ListCounts};

use crate::kernels::{self, BackendKind, Configuration};
use crate::progress::nanoseconds_per_day;
use crate::reference_outputs::CASES;
use crate::{Outcome, console};

/// Measure steps/s and ns/day on this machine, with a breakdown by part of the step
///
/// The system is the CKN melt at 700 K (2,376 atoms, rigid nitrates, cutoff 10 angstrom), repeated along each edge for larger
/// sizes, in NVT with 4 fs steps. All replicas advance together; "total" adds them up. Close other programs first.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion bench                            2,376 and 19,008 atoms, 1 and 4 replicas
  vitrion bench --repeat 1,2,4 --replicas 1
  vitrion bench --threads 1 --json > bench.json
  vitrion bench --backend gpu --repeat 1   1, 2, 4 ... replicas until the GPU is full, with the time of each kernel")]
pub struct Bench {
    /// Copies of the system along each edge: 1 is 2,376 atoms, 2 is 19,008, 4 is 152,064
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2")]
    repeat: Vec<NonZeroUsize>,

    /// Numbers of replicas [default: 1,4; on a GPU 1, 2, 4 ... until it is full]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    replicas: Vec<NonZeroUsize>,

    /// Where to compute
    #[arg(long, value_enum, default_value_t = BackendKind::Cpu)]
    backend: BackendKind,

    /// GPU to use with --backend gpu: its number, name or PCI address in `vitrion devices`
    #[arg(long, value_name = "NAME|INDEX|PCI")]
    device: Option<String>,

    /// Short-range and real-space cutoff with its unit [default: that of the force field]
    #[arg(long, value_name = "LENGTH", value_parser = super::forces::length)]
    cutoff: Option<f64>,

    /// Lane operations per second of the GPU (multiprocessors x lanes x clock), e.g. 3.35e13 for an H200: adds each kernel's floor
    #[arg(long, value_name = "X")]
    lane_rate: Option<f64>,

    /// Relative force accuracy
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    accuracy: f64,

    /// Wall time of each measurement (s)
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,

    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Temperature of the configuration (K).
const TEMPERATURE: f64 = 700.0;
/// Time step (ps).
const TIMESTEP: f64 = 0.004;
/// Steps before the clock starts: they build the first neighbour lists and warm the caches.
const WARM_UP: u64 = 10;
/// Steps in which each kernel is timed.
const TIMED_STEPS: u64 = 20;
/// Steps in one call when the integrator alone is timed.
const STEPS_WITHOUT_FORCES: u64 = 20;

#[derive(Serialize)]
struct Report {
    version: &'static str,
    backend: String,
    threads: usize,
    accuracy: f64,
    speeds: Vec<Speed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Parts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kernels: Vec<KernelTime>,
}

/// One kernel of the GPU in one step.
#[derive(Serialize)]
struct KernelTime {
    atoms: usize,
    replicas: usize,
    kernel: &'static str,
    /// Measured (us); `None` where the device keeps no time.
    microseconds: Option<f64>,
    /// Lane operations of all replicas.
    operations: f64,
    bytes: f64,
    /// The operations at the rate given (us).
    floor_microseconds: Option<f64>,
}

/// Speed of one size and number of replicas.
#[derive(Serialize)]
struct Speed {
    atoms: usize,
    replicas: usize,
    steps: u64,
    steps_per_second: f64,
    ns_per_day: f64,
    total_ns_per_day: f64,
    microseconds_per_atom_and_step: f64,
    resident_mib: Option<f64>,
}

/// Milliseconds of the parts of one step of one replica.
#[derive(Serialize)]
struct Parts {
    atoms: usize,
    lattice_sum: String,
    pair_and_bonded: f64,
    mesh: f64,
    integration: f64,
    step: f64,
    list_build: f64,
}

impl Bench {
    /// Measures and prints.
    pub fn execute(&self) -> Result<Outcome> {
        let device = match self.backend {
            BackendKind::Gpu => Some(kernels::open_device(self.device.as_deref())?),
            BackendKind::Cpu => None,
        };
        let mut report = Report {
            version: env!("CARGO_PKG_VERSION"),
            backend: device.as_ref().map_or("cpu/mixed".to_owned(), |d| format!("gpu on {}", d.name())),
            threads: rayon::current_num_threads(),
            accuracy: self.accuracy,
            speeds: Vec::new(),
            parts: Vec::new(),
            kernels: Vec::new(),
        };
        for &repeat in &self.repeat {
            let system = Bulk::new(repeat.get(), self.cutoff)?;
            match &device {
                Some(device) => self.measure_gpu(device, &system, &mut report)?,
                None => self.measure_cpu(&system, &mut report)?,
            }
        }
        if self.json {
            console::print(&serde_json::to_string_pretty(&report)?)?;
        } else {
            console::print(&in_words(&report))?;
        }
        Ok(Outcome::Done)
    }

    fn measure_cpu(&self, system: &Bulk, report: &mut Report) -> Result<()> {
        let usual = [1, 4].into_iter().filter_map(NonZeroUsize::new).collect();
        let replicas = if self.replicas.is_empty() { usual } else { self.replicas.clone() };
        for replicas in replicas {
            announce(system, replicas.get());
            let mut backend = self.backend(system, replicas.get())?;
            report.speeds.push(self.speed(system, replicas.get(), backend.as_mut())?);
        }
        report.parts.push(self.parts(system)?);
        Ok(())
    }

    /// The numbers of replicas asked for, or 1, 2, 4 ... until twice as many give less than a tenth more, or do not fit.
    fn measure_gpu(&self, device: &Arc<Device>, system: &Bulk, report: &mut Report) -> Result<()> {
        let asked: Vec<usize> = self.replicas.iter().map(|n| n.get()).collect();
        let mut best = 0.0;
        for replicas in (0..).map_while(|i| {
            if asked.is_empty() { 1usize.checked_shl(i) } else { asked.get(i as usize).copied() }
        }) {
            announce(system, replicas);
            let mut backend = match self.gpu_backend(device, system, replicas) {
                Err(error) if asked.is_empty() && replicas > 1 => {
                    console::say(&format!("{replicas} replicas do not fit: {error:#}"));
                    return Ok(());
                }
                result => result?,
            };
            let speed = self.speed(system, replicas, &mut backend)?;
            let total = speed.steps_per_second * replicas as f64;
            report.speeds.push(speed);
            self.kernel_times(system, replicas, &mut backend, report)?;
            if asked.is_empty() && total < 1.1 * best {
                return Ok(());
            }
            best = total;
        }
        Ok(())
    }

    fn gpu_backend(&self, device: &Arc<Device>, system: &Bulk, replicas: usize) -> Result<GpuBackend> {
        let Bulk { force_field, topology, system } = system;
        let chosen = cpu::choose_mesh(force_field, topology, &system.cell, self.accuracy)?;
        let parameters = device_mesh(&chosen, device.adapter.workgroup_memory())?;
        let state = system.to_state(replicas)?;
        let device = Arc::clone(device);
        let mut backend =
            GpuBackend::new(device, force_field, topology, parameters, state, Options::default())?;
        backend.begin_stage(&dynamics(replicas), &Sampling::default())?;
        Ok(backend)
    }

    /// Time of each kernel in a run of its own, beside its least work.
    fn kernel_times(
        &self,
        system: &Bulk,
        replicas: usize,
        backend: &mut GpuBackend,
        report: &mut Report,
    ) -> Result<()> {
        let times = backend.time_kernels(TIMED_STEPS)?;
        let work = work::per_step(backend.system(), Options::default().skin)?;
        for (index, work) in work.iter().enumerate() {
            let operations = work.operations * replicas as f64;
            report.kernels.push(KernelTime {
                atoms: system.topology.n_atoms(),
                replicas,
                kernel: work.kernel.name(),
                microseconds: times.as_ref().map(|times| 1e6 * times[index].1),
                operations,
                bytes: work.bytes * replicas as f64,
                floor_microseconds: self.lane_rate.map(|rate| 1e6 * operations / rate),
            });
        }
        Ok(())
    }

    fn backend(&self, system: &Bulk, replicas: usize) -> Result<Box<dyn Backend>> {
        let Bulk { force_field, topology, system } = system;
        let state = system.to_state(replicas)?;
        let parameters = cpu::choose_mesh(force_field, topology, &system.cell, self.accuracy)?;
        let precision = cpu::Precision::Mixed;
        let built =
            cpu::build_backend(force_field, topology, state, precision, self.accuracy, Some(parameters))?;
        let mut backend = built.backend;
        backend.begin_stage(&dynamics(replicas), &Sampling::default())?;
        Ok(backend)
    }

    fn speed(&self, system: &Bulk, replicas: usize, backend: &mut dyn Backend) -> Result<Speed> {
        let (steps, seconds) = self.time_steps(backend)?;
        let atoms = system.topology.n_atoms();
        let steps_per_second = steps as f64 / seconds;
        let ns_per_day = nanoseconds_per_day(steps_per_second, TIMESTEP);
        Ok(Speed {
            atoms,
            replicas,
            steps,
            steps_per_second,
            ns_per_day,
            total_ns_per_day: ns_per_day * replicas as f64,
            microseconds_per_atom_and_step: 1e6 / (steps_per_second * (atoms * replicas) as f64),
            resident_mib: resident_mib(),
        })
    }

    /// Number of steps and the seconds that they took, at least as long as asked for.
    fn time_steps(&self, backend: &mut dyn Backend) -> Result<(u64, f64)> {
        backend.advance(WARM_UP, &mut Discard)?;
        let start = Instant::now();
        let (mut steps, mut chunk) = (0, 1);
        loop {
            backend.advance(chunk, &mut Discard)?;
            steps += chunk;
            let seconds = start.elapsed().as_secs_f64();
            if seconds >= self.seconds {
                return Ok((steps, seconds));
            }
            // About a quarter of a second between looks at the clock.
            chunk = (0.25 * steps as f64 / seconds).ceil().max(1.0) as u64;
        }
    }

    fn parts(&self, system: &Bulk) -> Result<Parts> {
        let configuration = system.configuration();
        let mut prepared = configuration.prepare(crate::kernels::Precision::Mixed, self.accuracy)?;
        let kernel = prepared.kernel.as_mut();
        let mut forces = vec![DVec3::ZERO; configuration.positions.len()];
        configuration.evaluate(kernel)?;
        let (cell, positions) = (&configuration.cell, &configuration.positions);
        let force_time = self.time(|| {
            kernel.evaluate(cell, positions, Request::default(), &mut forces)?;
            Ok(())
        })?;
        let origin = kernel.list_origin().context("this kernel keeps no neighbour list")?;
        let list_build = self.time(|| Ok(kernel.restore_list(&origin)?))?;
        let mesh = self.mesh_time(
            &configuration,
            prepared.electrostatics.alpha,
            prepared.electrostatics.reciprocal,
        )?;
        let mut backend = self.backend(system, 1)?;
        let (steps, seconds) = self.time_steps(backend.as_mut())?;
        let step = 1e3 * seconds / steps as f64;
        let integration = self.integration_time(system, prepared.electrostatics)?;
        Ok(Parts {
            atoms: system.topology.n_atoms(),
            lattice_sum: cpu::describe(&prepared.electrostatics),
            pair_and_bonded: force_time - mesh,
            mesh,
            integration,
            step,
            list_build,
        })
    }

    fn mesh_time(&self, configuration: &Configuration, alpha: f64, reciprocal: Reciprocal) -> Result<f64> {
        let Reciprocal::Pme { order, grid } = reciprocal else { return Ok(0.0) };
        let mut pme = Pme::new(&configuration.topology.charges(), alpha, order, grid)?;
        let cell = &configuration.cell;
        let fractions: Vec<_> = configuration.positions.iter().map(|&r| fraction(cell, r)).collect();
        let mut forces = vec![DVec3::ZERO; fractions.len()];
        self.time(|| {
            pme.evaluate(cell, &fractions, false, &mut forces);
            Ok(())
        })
    }

    /// Milliseconds of a step whose forces cost nothing.
    fn integration_time(&self, system: &Bulk, electrostatics: ElectrostaticsParameters) -> Result<f64> {
        let state = system.system.to_state(1)?;
        let kernels: Vec<Box<dyn ForceKernel>> = vec![Box::new(NoForces)];
        let topology = Arc::clone(&system.topology);
        let name = "no forces".to_string();
        let mut backend = CpuBackend::new(topology, kernels, electrostatics, name, state)?;
        backend.begin_stage(&dynamics(1), &Sampling::default())?;
        self.time(|| Ok(backend.advance(STEPS_WITHOUT_FORCES, &mut Discard)?))
            .map(|milliseconds| milliseconds / STEPS_WITHOUT_FORCES as f64)
    }

    /// Mean milliseconds of a call, over a fifth of the time of a measurement.
    fn time(&self, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
        call()?;
        let start = Instant::now();
        let mut calls = 0;
        loop {
            call()?;
            calls += 1;
            let seconds = start.elapsed().as_secs_f64();
            if seconds >= 0.2 * self.seconds {
                return Ok(1e3 * seconds / f64::from(calls));
            }
        }
    }
}

fn announce(system: &Bulk, replicas: usize) {
    let atoms = console::grouped(system.topology.n_atoms() as u64);
    console::say(&format!("measuring {atoms} atoms, {replicas} replicas"));
}

/// NVT at the temperature of the configuration.
fn dynamics(replicas: usize) -> Dynamics {
    let constant = |start| vec![SetPoint { start, rate: 0.0, start_step: 0 }; replicas];
    Dynamics {
        timestep: TIMESTEP,
        ensemble: Ensemble::Nvt,
        temperature: constant(TEMPERATURE),
        pressure: constant(0.0),
        thermostat_period: 0.4,
        barostat_period: 4.0,
    }
}

/// Free flight: leaves only the integrator's cost.
struct NoForces;

impl ForceKernel for NoForces {
    fn evaluate(
        &mut self,
        _: &Cell,
        _: &[DVec3],
        _: Request,
        forces: &mut [DVec3],
    ) -> Result<Evaluation, ForceError> {
        forces.fill(DVec3::ZERO);
        Ok(Evaluation::default())
    }

    fn truncation(&self) -> Truncation {
        Truncation::Consistent
    }

    fn set_soft_core(&mut self, _: bool) {}
}

/// The melt repeated along its edges.
struct Bulk {
    force_field: Arc<ForceField>,
    topology: Arc<Topology>,
    system: LammpsSystem,
}

impl Bulk {
    fn new(repeat: usize, cutoff: Option<f64>) -> Result<Self> {
        let case = CASES.iter().find(|case| case.large).context("no large reference configuration")?;
        let (mut force_field, unit) = case.system()?;
        force_field.cutoff = cutoff.unwrap_or(force_field.cutoff);
        let system = repeated(&unit, repeat);
        Ok(Self { force_field: Arc::new(force_field), topology: Arc::new(system.topology.clone()), system })
    }

    fn configuration(&self) -> Configuration {
        Configuration {
            force_field: Arc::clone(&self.force_field),
            topology: Arc::clone(&self.topology),
            cell: self.system.cell,
            positions: self.system.positions.clone(),
        }
    }
}

/// n^3 copies side by side.
fn repeated(unit: &LammpsSystem, n: usize) -> LammpsSystem {
    let copies: Vec<DVec3> = (0..n * n * n)
        .map(|i| {
            let index = DVec3::new((i % n) as f64, (i / n % n) as f64, (i / n / n) as f64);
            unit.cell.cartesian(index)
        })
        .collect();
    let unit_kinds: Vec<usize> = unit.topology.molecules.iter().map(|m| m.kind).collect();
    let kinds = unit_kinds.repeat(copies.len());
    let topology = Topology::new(unit.topology.species.clone(), unit.topology.kinds.clone(), &kinds);
    LammpsSystem {
        title: unit.title.clone(),
        cell: unit.cell.scaled(n as f64),
        origin: unit.origin,
        ids: (1..=topology.n_atoms() as u64).collect(),
        molecule_ids: (1..=topology.molecules.len() as u64).collect(),
        positions: copies.iter().flat_map(|&shift| unit.positions.iter().map(move |&r| r + shift)).collect(),
        velocities: unit.velocities.as_ref().map(|v| v.repeat(copies.len())),
        lists: ListCounts::default(),
        topology,
    }
}

/// Memory of this process, where the system tells.
fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

fn in_words(report: &Report) -> String {
    let speeds: Vec<Vec<String>> = report
        .speeds
        .iter()
        .map(|s| {
            vec![
                console::grouped(s.atoms as u64),
                s.replicas.to_string(),
                format!("{:.1}", s.steps_per_second),
                format!("{:.2}", s.ns_per_day),
                format!("{:.2}", s.total_ns_per_day),
                format!("{:.3}", s.microseconds_per_atom_and_step),
                s.resident_mib.map_or(String::new(), |m| format!("{m:.0}")),
            ]
        })
        .collect();
    let parts: Vec<Vec<String>> = report
        .parts
        .iter()
        .map(|p| {
            let ms = |x: f64| format!("{x:.3}");
            vec![
                console::grouped(p.atoms as u64),
                ms(p.pair_and_bonded),
                ms(p.mesh),
                ms(p.integration),
                ms(p.step),
                ms(p.list_build),
                p.lattice_sum.clone(),
            ]
        })
        .collect();
    let mut text = format!(
        "{}, {} threads, relative force accuracy {:.0e}, NVT, {} fs\n\n{}",
        report.backend,
        report.threads,
        report.accuracy,
        TIMESTEP * 1e3,
        console::table(
            &["atoms", "replicas", "steps/s", "ns/day", "total ns/day", "us/atom/step", "MiB"],
            &speeds
        ),
    );
    if !parts.is_empty() {
        text.push_str(
            "\n\nparts of one step of one replica (ms); the rest of a step is list builds, one in several steps\n\n",
        );
        let header = ["atoms", "pair+bonded", "mesh", "integration", "step", "one list build", "lattice sum"];
        text.push_str(&console::table(&header, &parts));
    }
    if !report.kernels.is_empty() {
        text.push_str("\n\nkernels in one step of all replicas, each timed in a pass of its own, and their least work\n\n");
        text.push_str(&kernels_in_words(&report.kernels));
    }
    text
}

fn kernels_in_words(kernels: &[KernelTime]) -> String {
    let microseconds = |t: Option<f64>| t.map_or("-".to_owned(), |t| format!("{t:.1}"));
    let rows: Vec<Vec<String>> = kernels
        .iter()
        .map(|k| {
            let rate = k.microseconds.map_or("-".to_owned(), |t| format!("{:.1}", k.operations / t * 1e-3));
            vec![
                console::grouped(k.atoms as u64),
                k.replicas.to_string(),
                k.kernel.to_owned(),
                microseconds(k.microseconds),
                format!("{:.2}", k.operations * 1e-6),
                format!("{:.2}", k.bytes * 1e-6),
                rate,
                microseconds(k.floor_microseconds),
            ]
        })
        .collect();
    let header =
        ["atoms", "replicas", "kernel", "us", "million operations", "MB", "billion operations/s", "floor us"];
    console::table(&header, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_system_has_the_energy_of_its_copies() {
        let case = &CASES[0];
        let (force_field, unit) = case.system().unwrap();
        let energy = |system: LammpsSystem| {
            let configuration = Configuration {
                force_field: Arc::new(force_field.clone()),
                topology: Arc::new(system.topology),
                cell: system.cell,
                positions: system.positions,
            };
            let mut prepared = configuration.prepare(crate::kernels::Precision::Reference, 1e-6).unwrap();
            let (evaluation, _) = configuration.evaluate(prepared.kernel.as_mut()).unwrap();
            evaluation.energies.total()
        };
        let eight = energy(repeated(&unit, 2));
        let one = energy(unit);
        // Both Ewald sums are converged to 1e-12 of their terms; energies to well below 1e-9.
        assert!((eight / (8.0 * one) - 1.0).abs() < 1e-9, "{eight} {one}");
    }
}
