//! A system on a device: its buffers, its pipelines, and the dispatches of force evaluations and steps.

use std::collections::HashMap;
use std::sync::Arc;

use bytemuck::{Pod, cast_slice};
use vitrion_core::force_field::ForceField;
use vitrion_core::topology::Topology;
use vitrion_shaders::dimensions::Dimensions;
use vitrion_shaders::kernel::{Kernel, Variant};
use vitrion_shaders::protocol::{header, section};
use vitrion_shaders::source::source;
use vitrion_shaders::table::Table;
use wgpu::{BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, CommandEncoder};

use crate::device::Device;
use crate::error::GpuError;
use crate::layout::Replica;
use crate::pipelines::Pipeline;
use crate::read_back::{Part, ReadBack};
use crate::tables::Tables;

/// Where a force evaluation puts its results: what moves the bodies, or a place of its own, so that looking at energies never
/// changes a trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// What the bodies move by.
    Motion,
    /// For observers.
    Observers,
}

/// Two chunks of steps can be under way: each has a half of the places for samples and a copy of the state before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// One.
    First,
    /// And the other.
    Second,
}

impl Half {
    /// 0 or 1.
    pub fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// A system on a device.
pub struct System {
    device: Arc<Device>,
    dimensions: Dimensions,
    places: Vec<(Table, usize)>,
    list_capacity: u32,
    buffers: HashMap<&'static str, Buffer>,
    pipelines: HashMap<(Kernel, Variant), Pipeline>,
    groups: HashMap<(Kernel, Variant, Target), BindGroup>,
    timing: Option<Timing>,
}

/// Timestamps around dispatches, one pass each.
struct Timing {
    queries: wgpu::QuerySet,
    kernels: Vec<Kernel>,
}

/// Buffers of which observers have their own copies.
const DOUBLED: [(&str, &str); 3] = [
    ("forces", "observed_forces"),
    ("reciprocal_forces", "observed_reciprocal_forces"),
    ("partials", "observed_partials"),
];

impl System {
    /// Buffers for a system, all zero but the tables.
    pub fn new(
        device: Arc<Device>,
        force_field: &ForceField,
        topology: &Topology,
        dimensions: Dimensions,
        list_capacity: u32,
    ) -> Result<Self, GpuError> {
        let needed = dimensions.workgroup_bytes() as u64;
        let offered = u64::from(device.adapter.limits.max_compute_workgroup_storage_size);
        if needed > offered {
            let missing = format!(
                "a PME mesh of {:?} points with molecules of up to {} atoms needs {needed} bytes of workgroup memory, it has {offered}",
                dimensions.grid, dimensions.largest_molecule
            );
            return Err(GpuError::Insufficient { adapter: device.name().to_owned(), missing });
        }
        let tables = Tables::new(force_field, topology, &dimensions, list_capacity);
        let mut system = Self {
            device,
            places: tables.places,
            list_capacity,
            buffers: HashMap::new(),
            pipelines: HashMap::new(),
            groups: HashMap::new(),
            timing: None,
            dimensions,
        };
        let d = &system.dimensions;
        let (replicas, atoms) = (d.replicas, d.replicas * d.atoms);
        let sizes = [
            ("tables", 4 * tables.words.len()),
            ("replicas", size_of::<Replica>() * replicas),
            ("atoms", 2 * 16 * atoms),
            ("forces", 16 * atoms),
            ("reciprocal_forces", 12 * atoms),
            ("mesh", 8 * replicas * d.mesh_points()),
            ("partials", 4 * replicas * d.partial_words()),
            ("bodies", section::SECTIONS as usize * 16 * replicas * d.bodies),
            ("stream", 16 * d.stream_length()),
            ("observed_forces", 16 * atoms),
            ("observed_reciprocal_forces", 12 * atoms),
            ("observed_partials", 4 * replicas * d.partial_words()),
        ];
        for (name, bytes) in sizes {
            system.allocate(name, bytes)?;
        }
        system.allocate("lists", system.list_bytes())?;
        system.write("tables", 0, &tables.words);
        Ok(system)
    }

    fn list_bytes(&self) -> usize {
        4 * self.dimensions.replicas * self.dimensions.molecules * (1 + self.list_capacity as usize)
    }

    /// Sizes written into the shaders.
    pub fn dimensions(&self) -> &Dimensions {
        &self.dimensions
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Entries that a neighbour list can hold.
    pub fn list_capacity(&self) -> u32 {
        self.list_capacity
    }

    fn allocate(&mut self, name: &'static str, bytes: usize) -> Result<(), GpuError> {
        let limit = self.device.adapter.limits.max_storage_buffer_binding_size;
        if bytes as u64 > limit {
            let missing = format!(
                "{} replicas need {bytes} bytes of `{name}` in one binding, it takes {limit}; run fewer replicas at once",
                self.dimensions.replicas
            );
            return Err(GpuError::Insufficient { adapter: self.device.name().to_owned(), missing });
        }
        let scope = self.device.handle.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: Some(name),
            size: bytes.max(16) as u64,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            let taken = self.buffers.values().map(Buffer::size).sum();
            return Err(self.device.out_of_memory(name, bytes, taken, &error));
        }
        self.groups.clear();
        self.buffers.insert(name, buffer);
        Ok(())
    }

    fn buffer(&self, name: &str) -> &Buffer {
        &self.buffers[name]
    }

    /// Writes `values` from element `first` on.
    pub fn write<T: Pod>(&self, name: &str, first: usize, values: &[T]) {
        self.device.queue.write_buffer(
            self.buffer(name),
            (first * size_of::<T>()) as u64,
            cast_slice(values),
        );
    }

    /// Writes one of the words that all replicas look at: a number of [`header`].
    pub fn write_header(&self, word: u32, value: u32) {
        self.write("tables", word as usize, &[value]);
    }

    /// A whole buffer, after everything submitted so far.
    pub fn read<T: Pod>(&self, name: &str) -> Result<Vec<T>, GpuError> {
        let bytes = self.buffer(name).size();
        self.read_part(name, 0, (bytes as usize) / size_of::<T>())
    }

    /// `count` elements from element `first` on.
    pub fn read_part<T: Pod>(&self, name: &str, first: usize, count: usize) -> Result<Vec<T>, GpuError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let part = Part { name, first: first * size_of::<T>(), bytes: count * size_of::<T>() };
        let words = self.read_later(&[part]).wait(&self.device)?;
        words.part(0)
    }

    /// Copies parts of buffers as they are after everything submitted so far; the host can wait for them while the device goes on.
    pub fn read_later(&self, parts: &[Part]) -> ReadBack {
        ReadBack::submit(&self.device, parts, |name| self.buffer(name))
    }

    fn encoder(&self) -> CommandEncoder {
        self.device.handle.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Sets the reciprocal forces to zero, from which an evaluation adds them up.
    pub fn clear_reciprocal_forces(&self, target: Target) {
        let name = if target == Target::Motion { "reciprocal_forces" } else { "observed_reciprocal_forces" };
        let mut encoder = self.encoder();
        encoder.clear_buffer(self.buffer(name), 0, None);
        self.device.queue.submit([encoder.finish()]);
    }

    /// Copies whole buffers within the device, from the names on the left to those on the right.
    pub fn copy(&self, pairs: &[(&str, &str)]) {
        let mut encoder = self.encoder();
        for (from, to) in pairs {
            let bytes = self.buffer(from).size();
            encoder.copy_buffer_to_buffer(self.buffer(from), 0, self.buffer(to), 0, bytes);
        }
        self.device.queue.submit([encoder.finish()]);
    }

    /// Makes room for copies of the state on the device, called `kept_...`.
    pub fn allocate_backup(&mut self) -> Result<(), GpuError> {
        for (name, kept) in BACKUPS.into_iter().flatten() {
            if !self.buffers.contains_key(kept) {
                let bytes = self.buffer(name).size() as usize;
                self.allocate(kept, bytes)?;
            }
        }
        Ok(())
    }

    /// Keeps a copy of the state in the place of chunk `half`.
    pub fn keep_state(&self, half: Half) {
        self.copy(&BACKUPS[half.index()]);
    }

    /// Goes back to the state kept there. Lists and forces must be made anew.
    pub fn return_to_kept_state(&self, half: Half) {
        self.copy(&BACKUPS[half.index()].map(|(name, kept)| (kept, name)));
    }

    /// Entries of the neighbour list of each molecule of a replica.
    pub fn list_lengths(&self, replica: usize) -> Result<Vec<u32>, GpuError> {
        let row = 1 + self.list_capacity as usize;
        let words = self.dimensions.molecules * row;
        let lists: Vec<u32> = self.read_part("lists", replica * words, words)?;
        Ok(lists.into_iter().step_by(row).collect())
    }

    /// Makes lists hold `capacity` entries; their contents stay.
    pub fn grow_lists(&mut self, capacity: u32) -> Result<(), GpuError> {
        let before = std::mem::replace(&mut self.list_capacity, capacity);
        let Some(old) = self.buffers.remove("lists") else { return Ok(()) };
        if let Err(error) = self.allocate("lists", self.list_bytes()) {
            self.buffers.insert("lists", old);
            self.list_capacity = before;
            return Err(error);
        }
        self.buffers.insert("old_lists", old);
        self.write_header(header::LIST_CAPACITY, capacity);
        self.dispatch(&[], &[Kernel::GrowLists], 1, Variant::Forces, Target::Motion)?;
        self.buffers.remove("old_lists");
        self.groups.clear();
        Ok(())
    }

    /// Records `kernels`, one after the other, as often as `times` says, and submits them.
    pub fn dispatch(
        &mut self,
        before: &[Kernel],
        kernels: &[Kernel],
        times: u64,
        variant: Variant,
        target: Target,
    ) -> Result<(), GpuError> {
        for &kernel in before.iter().chain(kernels) {
            self.prepare(kernel, variant, target);
        }
        self.device.check()?;
        let mut encoder = self.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let all = (0..times).flat_map(|_| kernels);
            for &kernel in before.iter().chain(all) {
                pass.set_pipeline(&self.pipelines[&(kernel, variant)].pipeline);
                pass.set_bind_group(0, &self.groups[&(kernel, variant, target)], &[]);
                let [x, y] = self.workgroups(kernel);
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        self.device.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Does one step with a pass and a pair of timestamps for each kernel; returns their times in seconds.
    pub fn time_kernels(&mut self, variant: Variant) -> Result<Option<Vec<(Kernel, f64)>>, GpuError> {
        if !self.device.adapter.timestamps {
            return Ok(None);
        }
        let kernels = Kernel::STEP;
        for kernel in kernels {
            self.prepare(kernel, variant, Target::Motion);
        }
        let count = 2 * kernels.len() as u32;
        if self.timing.is_none() {
            let queries = self.device.handle.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("kernels"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            self.timing = Some(Timing { queries, kernels: kernels.to_vec() });
        }
        let Some(timing) = &self.timing else { return Ok(None) };
        let mut encoder = self.encoder();
        for (index, &kernel) in timing.kernels.iter().enumerate() {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(kernel.name()),
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &timing.queries,
                    beginning_of_pass_write_index: Some(2 * index as u32),
                    end_of_pass_write_index: Some(2 * index as u32 + 1),
                }),
            });
            pass.set_pipeline(&self.pipelines[&(kernel, variant)].pipeline);
            pass.set_bind_group(0, &self.groups[&(kernel, variant, Target::Motion)], &[]);
            let [x, y] = self.workgroups(kernel);
            pass.dispatch_workgroups(x, y, 1);
        }
        let create = |usage| {
            self.device.handle.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: 8 * u64::from(count),
                usage,
                mapped_at_creation: false,
            })
        };
        let resolved = create(BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC);
        let staging = create(BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        encoder.resolve_query_set(&timing.queries, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, resolved.size());
        let submission = self.device.queue.submit([encoder.finish()]);
        let ticks: Vec<u64> =
            ReadBack::map(staging, vec![(0, 8 * count as usize)], submission).wait(&self.device)?.part(0)?;
        let seconds = f64::from(self.device.queue.get_timestamp_period()) * 1e-9;
        let times = timing.kernels.iter().enumerate();
        Ok(Some(
            times
                .map(|(i, &k)| (k, ticks[2 * i + 1].saturating_sub(ticks[2 * i]) as f64 * seconds))
                .collect(),
        ))
    }

    fn workgroups(&self, kernel: Kernel) -> [u32; 2] {
        let d = &self.dimensions;
        let [x, y] = match kernel {
            Kernel::Near => [d.grid[0] + d.pair_groups(), d.replicas],
            Kernel::Kspace => [d.column_groups(), d.replicas],
            Kernel::Far => [d.grid[0], d.replicas],
            Kernel::Advance => [d.replicas, 1],
            // No device takes more in one direction than this.
            Kernel::GrowLists => [d.molecules.min(65_535), d.replicas],
            Kernel::SelfTest => [1, 1],
        };
        [x as u32, y as u32]
    }

    /// Compiles a kernel and binds its buffers, if that has not been done.
    fn prepare(&mut self, kernel: Kernel, variant: Variant, target: Target) {
        if !self.pipelines.contains_key(&(kernel, variant)) {
            let composed = source(kernel, variant, &self.dimensions, &self.places);
            let pipeline = self.device.compiler.compile(&self.device.handle, kernel, &composed.text);
            self.pipelines.insert((kernel, variant), pipeline);
        }
        if !self.groups.contains_key(&(kernel, variant, target)) {
            let pipeline = &self.pipelines[&(kernel, variant)];
            let entries: Vec<BindGroupEntry> = pipeline
                .bindings
                .iter()
                .map(|(name, binding)| {
                    let own = DOUBLED.iter().find(|(name_of, _)| name_of == name);
                    let name = match (target, own) {
                        (Target::Observers, Some((_, observed))) => observed,
                        _ => name.as_str(),
                    };
                    BindGroupEntry { binding: *binding, resource: self.buffer(name).as_entire_binding() }
                })
                .collect();
            let group = self.device.handle.create_bind_group(&BindGroupDescriptor {
                label: Some(kernel.name()),
                layout: &pipeline.pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            self.groups.insert((kernel, variant, target), group);
        }
    }
}

/// Buffers that hold the state, and their copies: one for each of the two chunks that can be under way.
const BACKUPS: [[(&str, &str); 3]; 2] = [
    [("bodies", "kept_bodies"), ("replicas", "kept_replicas"), ("atoms", "kept_atoms")],
    [("bodies", "other_kept_bodies"), ("replicas", "other_kept_replicas"), ("atoms", "other_kept_atoms")],
];
