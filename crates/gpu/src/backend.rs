//! Executes dynamics on the device: all replicas at once, many steps a submission.
//!
//! The state lives on the device. The host keeps a copy that it brings up to date at the end of every [`Backend::advance`].
//! Steps are submitted in chunks; before each, the device copies the state aside, so that after a failure all replicas go
//! back and are advanced again to the last step that all of them can do.

mod chunks;

use std::sync::Arc;

use glam::{DVec3, DVec4};
use serde::{Deserialize, Serialize};
use vitrion_core::backend::{
    Backend, BackendCheckpoint, BackendError, Dynamics, ElectrostaticsParameters, Ensemble, Hardware,
    Sampling, Sink, Thermo, check_state,
};
use vitrion_core::cell::Cell;
use vitrion_core::constant_terms::ConstantTerms;
use vitrion_core::force_field::ForceField;
use vitrion_core::force_field::close_approach::close_pair;
use vitrion_core::forces::{Evaluation, ForceError};
use vitrion_core::integrators::body_forces::Configuration;
use vitrion_core::integrators::thermodynamics::{instantaneous, remove_centre_of_mass_velocity};
use vitrion_core::long_range::exclusions::subtract_excluded;
use vitrion_core::minimize::minimize;
use vitrion_core::observe::streams::{Stream, centre_bodies, deliver};
use vitrion_core::pressure::molecular_virial;
use vitrion_core::stage::Stage;
use vitrion_core::state::{ExtendedVariables, State};
use vitrion_core::topology::{MoleculeModel, Topology};
use vitrion_shaders::dimensions::FORCE_UNITS;
use vitrion_shaders::kernel::{Kernel, Variant};
use vitrion_shaders::protocol::{command, ensemble, header, phase, section, status};

use crate::convert;
use crate::device::Device;
use crate::dimensions::dimensions;
use crate::error::GpuError;
use crate::force_kernel::{FORCES, GpuForceKernel, first_capacity, sum_partials};
use crate::layout::Replica;
use crate::system::{Half, System, Target};

/// Name of this backend.
pub const NAME: &str = "gpu";

/// Options of a GPU backend; the defaults are for runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Skin of the neighbour lists (angstrom).
    pub skin: f64,
    /// Entries of a neighbour list to begin with; by default they follow from the density.
    pub list_capacity: Option<u32>,
    /// Most steps of a chunk; by default their time alone decides.
    pub chunk: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { skin: crate::force_kernel::DEFAULT_SKIN, list_capacity: None, chunk: None }
    }
}

/// How many chunks of steps were submitted, and what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submissions {
    /// All of them.
    pub chunks: u64,
    /// Submitted while the chunk before them was still unread.
    pub ahead: u64,
    /// Chunks in which a list was full.
    pub full: u64,
    /// Those of them behind which another chunk was under way.
    pub full_ahead: u64,
}

/// The device's own words of the state.
#[derive(Clone, Serialize, Deserialize)]
struct DeviceState {
    bodies: Vec<[u32; 4]>,
    replicas: Vec<u32>,
    /// For each replica its positions now, then those from which its lists were built.
    atoms: Vec<[i32; 4]>,
    /// Cells at growth 1.
    start_cells: Vec<Cell>,
}

impl DeviceState {
    fn replicas(&self) -> Vec<Replica> {
        bytemuck::cast_slice(&self.replicas).to_vec()
    }
}

/// Virials are needed at every step, or forces are enough.
fn variant(stage: &Stage) -> Variant {
    if stage.dynamics.ensemble == Ensemble::Npt || stage.sampling.stress_every.is_some() {
        Variant::Virial
    } else {
        Variant::Forces
    }
}

/// What is known about the forces on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forces {
    /// They belong to the positions.
    Current,
    /// They are to be computed, and kinetic energy and virial with them: a stage begins.
    Afresh,
    /// They are to be computed, nothing else: a run goes on.
    Again,
}

/// Why steps could not be done: the first replica that failed at the earliest step.
struct Failure {
    /// Steps that all replicas can do.
    possible: u64,
    error: BackendError,
}

/// Executes dynamics on a GPU.
pub struct GpuBackend {
    system: System,
    device: Arc<Device>,
    force_field: Arc<ForceField>,
    topology: Arc<Topology>,
    electrostatics: ElectrostaticsParameters,
    constant: ConstantTerms,
    centre_bodies: Vec<usize>,
    state: State,
    device_state: DeviceState,
    forces: Forces,
    streams: Vec<Stream>,
    stage: Option<Stage>,
    chunk: u64,
    /// The step up to which steps were submitted.
    last_step: u64,
    longest_chunk: u64,
    submissions: Submissions,
}

impl From<GpuError> for BackendError {
    fn from(error: GpuError) -> Self {
        Self::Device { message: error.to_string() }
    }
}

impl GpuBackend {
    /// A backend for `state` on an open device. The centre of mass of each replica is brought to rest.
    pub fn new(
        device: Arc<Device>,
        force_field: &Arc<ForceField>,
        topology: &Arc<Topology>,
        electrostatics: ElectrostaticsParameters,
        state: State,
        options: Options,
    ) -> Result<Self, BackendError> {
        let dimensions = dimensions(force_field, topology, &electrostatics, options.skin, state.n_replicas)?;
        let volume = state.cells.iter().map(Cell::volume).fold(f64::INFINITY, f64::min);
        let capacity = options.list_capacity.unwrap_or_else(|| first_capacity(&dimensions, volume));
        let mut system = System::new(Arc::clone(&device), force_field, topology, dimensions, capacity)?;
        system.allocate_backup()?;
        let mut backend = Self {
            system,
            device,
            constant: ConstantTerms::new(force_field, topology, force_field.cutoff, electrostatics.alpha),
            centre_bodies: centre_bodies(topology),
            streams: (0..state.n_replicas).map(|_| Stream::default()).collect(),
            device_state: DeviceState {
                bodies: Vec::new(),
                replicas: Vec::new(),
                atoms: Vec::new(),
                start_cells: Vec::new(),
            },
            forces: Forces::Afresh,
            stage: None,
            chunk: 1,
            last_step: 0,
            longest_chunk: options.chunk.unwrap_or(u64::MAX).max(1),
            submissions: Submissions::default(),
            state: state.clone(),
            force_field: Arc::clone(force_field),
            topology: Arc::clone(topology),
            electrostatics,
        };
        backend.set_state(state)?;
        Ok(backend)
    }

    /// The system on the device, for timing its kernels.
    pub fn system(&mut self) -> &mut System {
        &mut self.system
    }

    /// Does `steps` single steps with a timestamp around each kernel; returns the mean time of each in seconds, or `None` if the
    /// device keeps no time.
    pub fn time_kernels(&mut self, steps: u64) -> Result<Option<Vec<(Kernel, f64)>>, BackendError> {
        let mut sums: Vec<(Kernel, f64)> = Kernel::STEP.map(|kernel| (kernel, 0.0)).to_vec();
        let variant = self.stage.as_ref().map(variant).ok_or(BackendError::NoStage)?;
        self.ensure_forces()?;
        let first = self.state.step;
        self.write_set_points(first, steps, Half::First, true);
        self.submit_up_to(first + steps);
        self.system.dispatch(&[Kernel::Advance], &[], 0, variant, Target::Motion)?;
        for _ in 0..steps {
            let Some(times) = self.system.time_kernels(variant)? else {
                return Ok(None);
            };
            for ((_, sum), (_, seconds)) in sums.iter_mut().zip(times) {
                *sum += seconds / steps as f64;
            }
        }
        let replicas: Vec<Replica> = self.system.read("replicas")?;
        if replicas.iter().any(|replica| replica.status != 0) {
            // Its kernels have not run.
            let message = "a replica stood still while its kernels were timed".to_owned();
            return Err(BackendError::Device { message });
        }
        self.state.step += steps;
        self.synchronize()?;
        Ok(Some(sums))
    }

    /// How chunks of steps went so far.
    pub fn submissions(&self) -> Submissions {
        self.submissions
    }

    fn replicas(&self) -> usize {
        self.state.n_replicas
    }

    /// The state must have the shape of this system and be finite.
    fn check(&self, state: &State) -> Result<(), BackendError> {
        check_state(state, &self.topology, self.replicas())?;
        for (replica, extended) in state.extended.iter().enumerate() {
            if let Some((name, found, limit)) = convert::beyond_range(extended) {
                let found = format!("a {name} of {found:e} in replica {replica}");
                return Err(BackendError::mismatch(found, format!("room for {limit:e} on the GPU")));
            }
        }
        if let Some(body) = convert::body_beyond_range(&self.topology, state) {
            let (replica, body) = (body / state.n_bodies, body % state.n_bodies);
            return Err(BackendError::NotFinite { replica, step: state.step, body });
        }
        let dimensions = self.system.dimensions();
        let cutoff = dimensions.short_range_cutoff.max(dimensions.coulomb_cutoff);
        let skin = dimensions.reach - cutoff + dimensions.largest_arm;
        for (replica, cell) in state.cells.iter().enumerate() {
            let half_height = 0.5 * cell.perpendicular_heights().min_element();
            if cutoff + skin > half_height {
                let source = ForceError::CellTooSmall { cutoff, skin, half_height };
                return Err(BackendError::Forces { replica, step: state.step, source });
            }
        }
        Ok(())
    }

    /// Uploads `self.device_state`.
    fn upload(&self) {
        self.system.write("bodies", 0, &self.device_state.bodies);
        self.system.write("replicas", 0, &self.device_state.replicas);
        self.system.write("atoms", 0, &self.device_state.atoms);
    }

    /// Brings the host's copy up to date with the device.
    fn synchronize(&mut self) -> Result<(), BackendError> {
        self.device_state.bodies = self.system.read("bodies")?;
        self.device_state.replicas = self.system.read("replicas")?;
        self.device_state.atoms = self.system.read("atoms")?;
        self.read_state();
        Ok(())
    }

    /// The f64 state from the device's words.
    fn read_state(&mut self) {
        convert::read_bodies(&self.topology, &self.device_state.bodies, &mut self.state);
        for (index, replica) in self.device_state.replicas().iter().enumerate() {
            self.state.extended[index] = convert::extended(replica);
            self.state.cells[index] =
                self.device_state.start_cells[index].scaled(convert::log_growth(replica).exp());
        }
    }

    /// Writes the stage's constants into the control words.
    fn write_motion(&self, replicas: &mut [Replica]) {
        let Some(stage) = &self.stage else { return };
        for (replica, motion) in replicas.iter_mut().zip(&stage.motion) {
            replica.ensemble = match stage.dynamics.ensemble {
                Ensemble::Nve => ensemble::NVE,
                Ensemble::Nvt => ensemble::NVT,
                Ensemble::Npt => ensemble::NPT,
            };
            replica.timestep = stage.dynamics.timestep as f32;
            let barostat = motion.barostat();
            replica.barostat_mass = barostat.mass as f32;
            replica.coupling = barostat.coupling as f32;
            for (words, chain) in replica.chains.iter_mut().zip(motion.chains()) {
                let [a, b, c] = chain.masses().map(|mass| mass as f32);
                words.masses = [a, b, c, chain.degrees_of_freedom() as f32];
            }
        }
    }

    /// Makes the forces at the present positions current.
    fn ensure_forces(&mut self) -> Result<(), BackendError> {
        let variant = self.stage.as_ref().map_or(Variant::Forces, variant);
        match self.forces {
            Forces::Current => return Ok(()),
            Forces::Again => {
                self.restore_lists()?;
                self.evaluate(&FORCES, variant, Target::Motion)?;
            }
            Forces::Afresh => {
                self.evaluate(&Kernel::STEP, variant, Target::Motion)?;
                self.synchronize()?;
            }
        }
        self.forces = Forces::Current;
        Ok(())
    }

    /// Evaluates forces of replicas at rest; lists grow where they must. [`Kernel::Advance`] among the kernels sums kinetic energy
    /// and virial afresh.
    fn evaluate(&mut self, kernels: &[Kernel], variant: Variant, target: Target) -> Result<(), BackendError> {
        loop {
            self.system.clear_reciprocal_forces(target);
            self.system.write_header(header::COMMAND, command::EVALUATE);
            self.system.dispatch(&[], kernels, 1, variant, target)?;
            self.system.write_header(header::COMMAND, command::STEP);
            let replicas: Vec<Replica> = self.system.read("replicas")?;
            if let Some(failure) = self.failure(&replicas, self.state.step) {
                self.clear_status(&replicas);
                return Err(failure.error);
            }
            if !self.grow(&replicas)? {
                return Ok(());
            }
        }
    }

    /// Makes room where lists are full and lets their replicas run; false if none is.
    fn grow(&mut self, replicas: &[Replica]) -> Result<bool, BackendError> {
        let full = replicas.iter().filter(|r| r.status & status::LIST_FULL != 0);
        let Some(needed) = full.map(|r| r.list_needed).max() else { return Ok(false) };
        // A quarter more than needed now: a list that has grown once will grow again.
        self.system.grow_lists((needed + needed / 4).next_multiple_of(32))?;
        self.clear_status(replicas);
        Ok(true)
    }

    fn clear_status(&self, replicas: &[Replica]) {
        let words = size_of::<Replica>() / 4;
        for (index, replica) in replicas.iter().enumerate() {
            if replica.status != 0 {
                self.system.write("replicas", index * words, &Replica::RUNS);
            }
        }
    }

    /// The first failure among replicas that were at step `first` when it was last kept or evaluated. A replica whose lists are
    /// full has not failed: what else it found, it will find again with all its pairs.
    fn failure(&self, replicas: &[Replica], first: u64) -> Option<Failure> {
        let failed =
            replicas.iter().enumerate().filter(|(_, r)| r.status != 0 && r.status & status::LIST_FULL == 0);
        let done = |replica: &Replica| u64::from(replica.step.wrapping_sub(first as u32));
        let (index, replica) = failed.min_by_key(|(_, r)| done(r))?;
        let possible = done(replica);
        let step = first + possible + 1;
        let source = if replica.status & status::CLOSE_PAIR != 0 {
            self.close_pair(index, replica.close_pair as usize)
        } else if replica.status & status::CELL_TOO_SMALL != 0 {
            let dimensions = self.system.dimensions();
            let cutoff = dimensions.short_range_cutoff.max(dimensions.coulomb_cutoff);
            let half_height = f64::from(replica.half_height_at_start * replica.growth);
            ForceError::CellTooSmall {
                cutoff,
                skin: dimensions.reach - cutoff + dimensions.largest_arm,
                half_height,
            }
        } else if replica.status & status::FORCE_RANGE != 0 {
            ForceError::NotFinite { atom: replica.strong_atom as usize }
        } else {
            let error = if replica.stray_body == u32::MAX {
                BackendError::ExtendedVariables { replica: index, step }
            } else {
                BackendError::NotFinite { replica: index, step, body: replica.stray_body as usize }
            };
            return Some(Failure { possible, error });
        };
        let error = BackendError::Forces { replica: index, step, source };
        Some(Failure { possible, error })
    }

    fn close_pair(&self, replica: usize, pair: usize) -> ForceError {
        let n = self.topology.n_atoms();
        let (atom, species) = (pair / self.topology.species.len(), pair % self.topology.species.len());
        let atoms: Vec<[i32; 4]> = match self.system.read_part("atoms", 2 * replica * n, n) {
            Ok(atoms) => atoms,
            Err(error) => return ForceError::Device { message: error.to_string() },
        };
        let cell = &self.state.cells[replica];
        let position = |a: &[i32; 4]| {
            cell.cartesian(DVec3::new(a[0].into(), a[1].into(), a[2].into()) / 4_294_967_296.0)
        };
        let positions: Vec<DVec3> = atoms.iter().map(position).collect();
        close_pair(&self.force_field, &self.topology, cell, &positions, atom, species)
    }

    /// Builds the lists from the positions from which those of the stored state were built.
    fn restore_lists(&mut self) -> Result<(), BackendError> {
        let stored: Vec<Replica> = self.device_state.replicas();
        if stored.iter().any(|replica| replica.rebuild != 0) {
            // They had not been built: the evaluation that follows builds them.
            return Ok(());
        }
        let n = self.topology.n_atoms();
        let mut at_build = stored.clone();
        for replica in &mut at_build {
            let growth = replica.growth_at_build;
            replica.edges = replica.edges_at_start.map(|edge| edge.map(|x| x * growth));
            replica.rebuild = 1;
        }
        let mut positions_at_build = self.device_state.atoms.clone();
        for replica in positions_at_build.chunks_exact_mut(2 * n) {
            replica.copy_within(n.., 0);
        }
        self.system.write("atoms", 0, &positions_at_build);
        self.system.write("replicas", 0, &at_build);
        self.evaluate(&[Kernel::Near], Variant::Forces, Target::Motion)?;
        self.system.write("atoms", 0, &self.device_state.atoms);
        self.system.write("replicas", 0, &stored);
        Ok(())
    }

    fn deliver(&mut self, sink: &mut dyn Sink) {
        let window_means = self.stage.as_mut().and_then(|stage| stage.window_means.as_mut());
        deliver(&mut self.streams, window_means, sink);
    }

    /// Energies and molecular virial of each replica at the present positions.
    fn configurations(&mut self) -> Result<Vec<Configuration>, BackendError> {
        self.ensure_forces()?;
        self.evaluate(&FORCES, Variant::Virial, Target::Observers)?;
        let forces: Vec<[f32; 4]> = self.system.read("observed_forces")?;
        let mesh: Vec<[i32; 3]> = self.system.read("observed_reciprocal_forces")?;
        let partials: Vec<f32> = self.system.read("observed_partials")?;
        let (n, words) = (self.topology.n_atoms(), self.system.dimensions().partial_words());
        Ok((0..self.replicas())
            .map(|replica| {
                let sums = sum_partials(self.system.dimensions(), &partials[replica * words..][..words]);
                let atoms = forces[replica * n..][..n].iter().zip(&mesh[replica * n..][..n]);
                let forces: Vec<DVec3> = atoms
                    .map(|(pair, mesh)| {
                        DVec3::new(pair[0].into(), pair[1].into(), pair[2].into())
                            + DVec3::from_array(mesh.map(f64::from)) / FORCE_UNITS
                    })
                    .collect();
                self.configuration(replica, &sums, &forces)
            })
            .collect())
    }

    /// Adds what the host contributes.
    fn configuration(&self, replica: usize, sums: &Evaluation, forces: &[DVec3]) -> Configuration {
        let volume = self.state.cells[replica].volume();
        let positions = self.state.atom_positions(&self.topology, replica);
        let alpha = self.electrostatics.alpha;
        let mut ignored = vec![DVec3::ZERO; positions.len()];
        let is_rigid = |molecule: &vitrion_core::topology::Molecule| {
            matches!(self.topology.kinds[molecule.kind].model, MoleculeModel::Rigid { .. })
        };
        let (excluded, _) = subtract_excluded(&self.topology, alpha, &positions, &mut ignored, is_rigid);
        let mut complete = *sums;
        // They have neither net force nor torque in a rigid molecule: they are left out of virial and arms.
        complete.energies.coulomb_excluded += excluded;
        self.constant.add(volume, &mut complete);
        let orientations = &self.state.orientation[self.state.bodies_of(replica)];
        let molecular_virial = molecular_virial(&self.topology, orientations, forces, &complete);
        Configuration { energies: complete.energies, molecular_virial }
    }
}

impl Backend for GpuBackend {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn electrostatics(&self) -> ElectrostaticsParameters {
        self.electrostatics
    }

    fn hardware(&self) -> Option<Hardware> {
        Some(self.device.adapter.hardware())
    }

    fn begin_stage(&mut self, dynamics: &Dynamics, sampling: &Sampling) -> Result<(), BackendError> {
        let n_centres = self.centre_bodies.len() * self.replicas();
        let truncation = self.force_field.truncation();
        let stage = Stage::begin(&self.topology, &self.state, dynamics, sampling, n_centres, truncation)?;
        let continues = self.stage.as_ref().is_some_and(|s| s.dynamics.ensemble == dynamics.ensemble);
        self.stage = Some(stage);
        let mut replicas = self.device_state.replicas();
        if !continues {
            self.state.extended.fill(ExtendedVariables::default());
            for replica in &mut replicas {
                convert::set_extended(replica, &ExtendedVariables::default());
            }
        }
        self.write_motion(&mut replicas);
        self.device_state.replicas = bytemuck::cast_slice(&replicas).to_vec();
        self.system.write("replicas", 0, &replicas);
        self.forces = Forces::Afresh;
        Ok(())
    }

    fn advance(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError> {
        if self.stage.is_none() {
            return Err(BackendError::NoStage);
        }
        let result = self.advance_in_chunks(steps, sink);
        self.deliver(sink);
        self.synchronize()?;
        result
    }

    /// FIRE on the host with forces of the device, one replica after the other. After an error the state is the one before.
    fn minimize(&mut self, max_steps: u64, force_tolerance: f64) -> Result<Vec<f64>, BackendError> {
        let mut state = self.state.clone();
        let step = state.step;
        let mut kernel = GpuForceKernel::new(
            Arc::clone(&self.device),
            &self.force_field,
            &self.topology,
            &state.cells[0],
            self.electrostatics,
            None,
        )?;
        let mut largest = Vec::with_capacity(self.replicas());
        for mut replica in state.replicas_mut() {
            let minimized =
                minimize(&mut replica, &self.topology, &mut kernel, max_steps, force_tolerance)
                    .map_err(|source| BackendError::Forces { replica: replica.index, step, source })?;
            largest.push(minimized.largest_force);
        }
        state.velocity.fill(DVec3::ZERO);
        state.quaternion_momentum.fill(DVec4::ZERO);
        state.extended.fill(ExtendedVariables::default());
        self.set_state(state)?;
        Ok(largest)
    }

    fn thermo(&mut self) -> Result<Vec<Thermo>, BackendError> {
        let configurations = self.configurations()?;
        let step = self.state.step;
        let motion = self.stage.as_ref().map(|stage| stage.motion.as_slice());
        let replicas = self.state.replicas_mut();
        Ok(replicas
            .iter()
            .zip(&configurations)
            .map(|(replica, configuration)| match motion {
                Some(motion) => motion[replica.index].thermo(&self.topology, step, replica, configuration),
                None => instantaneous(&self.topology, replica, configuration),
            })
            .collect())
    }

    fn state(&self) -> &State {
        &self.state
    }

    /// Also brings the centre of mass of each replica to rest and starts the window means afresh.
    fn set_state(&mut self, state: State) -> Result<(), BackendError> {
        self.check(&state)?;
        self.state = state;
        remove_centre_of_mass_velocity(&self.topology, &mut self.state);
        let mut replicas =
            vec![Replica { phase: phase::AT_REST, rebuild: 1, ..Replica::default() }; self.replicas()];
        let n = self.topology.n_atoms();
        let mut atoms = Vec::with_capacity(2 * self.replicas() * n);
        for (index, replica) in replicas.iter_mut().enumerate() {
            let cell = &self.state.cells[index];
            convert::set_cell(replica, cell);
            convert::set_extended(replica, &self.state.extended[index]);
            replica.step = self.state.step as u32;
            replica.total_mass = self.topology.total_mass() as f32;
            replica.tail_virial = self.constant.tail().virial_times_volume() as f32;
            atoms.extend(convert::atom_words(cell, &self.state.atom_positions(&self.topology, index)));
            // Lists have not been built.
            atoms.resize(2 * (index + 1) * n, [0; 4]);
        }
        self.write_motion(&mut replicas);
        self.device_state = DeviceState {
            bodies: convert::body_words(&self.topology, &self.state),
            replicas: bytemuck::cast_slice(&replicas).to_vec(),
            atoms,
            start_cells: self.state.cells.clone(),
        };
        debug_assert_eq!(
            self.device_state.bodies.len(),
            section::SECTIONS as usize * self.state.centre.len()
        );
        self.upload();
        self.read_state();
        self.forces = Forces::Afresh;
        if let Some(stage) = &mut self.stage {
            stage.restart_windows();
        }
        Ok(())
    }

    fn checkpoint(&self) -> BackendCheckpoint {
        BackendCheckpoint {
            state: self.state.clone(),
            list_origins: vec![None; self.replicas()],
            window_means: self.stage.as_ref().and_then(|stage| stage.window_means.clone()),
            electrostatics: self.electrostatics,
            backend: NAME.to_owned(),
            hardware: self.hardware(),
            // Plain arrays: nothing in them can fail to be written.
            device: postcard::to_allocvec(&self.device_state).ok(),
        }
    }

    fn restore(&mut self, checkpoint: &BackendCheckpoint) -> Result<(), BackendError> {
        self.check(&checkpoint.state)?;
        let stored = match &checkpoint.device {
            Some(bytes) if checkpoint.backend == NAME => {
                Some(postcard::from_bytes::<DeviceState>(bytes).map_err(|e| {
                    BackendError::mismatch(format!("unreadable words of the device ({e})"), "its state")
                })?)
            }
            _ => None,
        };
        if stored.is_some() && checkpoint.electrostatics != self.electrostatics {
            return Err(BackendError::mismatch(
                format!("a run with {:?}", checkpoint.electrostatics),
                format!("{:?}", self.electrostatics),
            ));
        }
        if let Some(stage) = &mut self.stage {
            stage.restore_windows(checkpoint.window_means.as_ref())?;
        }
        match stored {
            Some(stored) => {
                self.state.clone_from(&checkpoint.state);
                let lists_built = stored.replicas().iter().all(|replica| replica.rebuild == 0);
                self.device_state = stored;
                self.upload();
                self.read_state();
                self.forces = if lists_built { Forces::Again } else { Forces::Afresh };
            }
            None => self.set_state(checkpoint.state.clone())?,
        }
        // Setting a state has begun them afresh.
        if let Some(stage) = &mut self.stage {
            stage.window_means.clone_from(&checkpoint.window_means);
        }
        Ok(())
    }
}
