//! Adapters and the device opened on one of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vitrion_core::backend::Hardware;
use vitrion_shaders::dimensions::{largest_mesh, least_workgroup_bytes};
use vitrion_shaders::fourier::LARGEST_MESH;
use wgpu::{Adapter, AdapterInfo, DeviceType, Features, Limits};

use crate::diagnosis::Diagnosis;
use crate::dimensions::mesh_limit;
use crate::error::GpuError;
use crate::pipelines::Compiler;
use crate::selection::{Candidate, Choice, Environment, PciAddress, Request, choose};
use crate::self_test::{self, SelfTest};

/// Threads in a workgroup of every kernel.
pub const WORKGROUP: u32 = 256;
/// Storage buffers that one kernel binds.
const STORAGE_BUFFERS: u32 = 8;
/// With less in one binding an ensemble soon has to be split (bytes): the lists of a replica of 2,376 atoms take 2 MB.
const AMPLE_BINDING: u64 = 1 << 30;

/// One adapter of this machine.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    /// Name, kind, driver.
    pub info: AdapterInfo,
    /// What it offers.
    pub limits: Limits,
    /// Time of a kernel can be measured on it.
    pub timestamps: bool,
    /// What it lacks to run Vitrion; `None` if it suffices.
    pub missing: Option<String>,
}

impl AdapterSummary {
    fn of(adapter: &Adapter) -> Self {
        let limits = adapter.limits();
        Self {
            info: adapter.get_info(),
            timestamps: adapter.features().contains(Features::TIMESTAMP_QUERY),
            missing: missing(&limits),
            limits,
        }
    }

    /// It computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    /// Where it sits, if its driver says so.
    pub fn address(&self) -> Option<PciAddress> {
        PciAddress::parse(&self.info.device_pci_bus_id)
    }

    /// What the choice of a device depends on.
    pub fn candidate(&self) -> Candidate {
        Candidate {
            name: self.info.name.clone(),
            kind: self.info.device_type,
            api: self.info.backend,
            address: self.address(),
            vendor: self.info.vendor,
            suffices: self.missing.is_none(),
        }
    }

    /// Adapter and driver, as files keep them.
    pub fn hardware(&self) -> Hardware {
        let AdapterInfo { name, driver, driver_info, backend, .. } = &self.info;
        Hardware {
            adapter: name.clone(),
            driver: [driver.as_str(), driver_info].join(" ").trim().to_owned(),
            api: backend.to_string(),
        }
    }

    /// Bytes of workgroup memory.
    pub fn workgroup_memory(&self) -> usize {
        self.limits.max_compute_workgroup_storage_size as usize
    }

    /// What can be done on it only in part, with the numbers; nothing of what it cannot do at all.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.missing.is_some() {
            return warnings;
        }
        if largest_mesh(self.workgroup_memory()) != Some(LARGEST_MESH) {
            warnings.push(format!(
                "{}; larger systems take the CPU backend",
                mesh_limit(self.workgroup_memory())
            ));
        }
        let binding = self.limits.max_storage_buffer_binding_size;
        if binding < AMPLE_BINDING {
            warnings.push(format!(
                "one binding takes {} MiB, so that few replicas fit at once: some {} of 2,376 atoms each, whose neighbour lists are the largest",
                binding >> 20,
                binding / LISTS_OF_A_REPLICA
            ));
        }
        warnings
    }
}

/// Bytes of the neighbour lists of 2,376 atoms (864 molecules) at a cutoff of 10 angstrom: 576 entries a molecule and their number.
const LISTS_OF_A_REPLICA: u64 = 4 * 864 * 577;

fn missing(limits: &Limits) -> Option<String> {
    let needs = [
        (
            "storage buffers in a kernel",
            u64::from(limits.max_storage_buffers_per_shader_stage),
            u64::from(STORAGE_BUFFERS),
        ),
        (
            "threads in a workgroup",
            u64::from(limits.max_compute_invocations_per_workgroup),
            u64::from(WORKGROUP),
        ),
        (
            "bytes of workgroup memory",
            u64::from(limits.max_compute_workgroup_storage_size),
            least_workgroup_bytes() as u64,
        ),
        ("bytes in a storage binding", limits.max_storage_buffer_binding_size, 1 << 20),
    ];
    let short: Vec<String> = needs
        .into_iter()
        .filter(|(_, found, needed)| found < needed)
        .map(|(what, found, needed)| format!("{found} {what}, {needed} are needed"))
        .collect();
    (!short.is_empty()).then(|| short.join("; "))
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12,
        ..wgpu::InstanceDescriptor::new_without_display_handle_from_env()
    })
}

fn all_adapters() -> Vec<Adapter> {
    pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()))
}

/// All adapters of this machine, in the order of their numbers.
pub fn adapters() -> Vec<AdapterSummary> {
    all_adapters().iter().map(AdapterSummary::of).collect()
}

/// What a run would take among `adapters`, and why; `None` if nothing (of [`Request::Faster`]: nothing that is likely to be faster than
/// the CPU backend).
pub fn choice(adapters: &[AdapterSummary], request: Request) -> Result<Option<Choice>, GpuError> {
    let candidates: Vec<Candidate> = adapters.iter().map(AdapterSummary::candidate).collect();
    choose(&candidates, request, &Environment::of_process())
}

/// The error that there is no adapter, with what to do about it.
fn no_adapter() -> GpuError {
    GpuError::NoAdapter { advice: Diagnosis::of_this_machine().advice() }
}

/// An open device.
pub struct Device {
    /// The adapter it is opened on.
    pub adapter: AdapterSummary,
    /// Why that one.
    pub reason: String,
    /// What its arithmetic is like.
    pub self_test: SelfTest,
    pub(crate) handle: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) compiler: Compiler,
    failure: Arc<Mutex<Option<String>>>,
}

impl Device {
    /// Opens the adapter that `wanted` names (number, PCI address, or part of its name in any case), or the best one. A software
    /// adapter is taken only when asked for, or when nothing else is there. See [`crate::selection`].
    pub fn open(wanted: Option<&str>) -> Result<Self, GpuError> {
        let request = wanted.map_or(Request::Best, Request::Named);
        Self::open_requested(request)?.ok_or_else(no_adapter)
    }

    /// Opens the best adapter that is likely to be faster than the CPU backend; `None` if there is none.
    pub fn open_faster() -> Result<Option<Self>, GpuError> {
        Self::open_requested(Request::Faster)
    }

    /// Opens the adapter of this number in the list of [`adapters`], whatever the environment says: to look at it, not to run on it.
    pub fn open_listed(index: usize) -> Result<Self, GpuError> {
        let all = all_adapters();
        let adapter = all.get(index).ok_or_else(no_adapter)?;
        Self::open_adapter(adapter, AdapterSummary::of(adapter), "to look at it".to_owned())
    }

    fn open_requested(request: Request) -> Result<Option<Self>, GpuError> {
        let all = all_adapters();
        let summaries: Vec<AdapterSummary> = all.iter().map(AdapterSummary::of).collect();
        if all.is_empty() && request != Request::Faster {
            return Err(no_adapter());
        }
        let Some(Choice { index, mut reason }) = choice(&summaries, request)? else { return Ok(None) };
        let summary = summaries[index].clone();
        if summary.is_software() && request == Request::Best {
            let diagnosis = Diagnosis::of_this_machine();
            if diagnosis.has_card {
                reason = format!("{reason}; no card shows up: {}", diagnosis.advice());
            }
        }
        Self::open_adapter(&all[index], summary, reason).map(Some)
    }

    fn open_adapter(adapter: &Adapter, summary: AdapterSummary, reason: String) -> Result<Self, GpuError> {
        if let Some(missing) = summary.missing {
            return Err(GpuError::Insufficient { adapter: summary.info.name, missing });
        }
        let optional = Features::TIMESTAMP_QUERY | Features::PIPELINE_CACHE;
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("vitrion"),
            required_features: adapter.features() & optional,
            required_limits: adapter.limits(),
            ..Default::default()
        });
        let failed = |error: wgpu::RequestDeviceError| GpuError::Device { message: error.to_string() };
        let (device, queue) = pollster::block_on(request).map_err(failed)?;
        let failure = Arc::new(Mutex::new(None));
        let note = |failure: &Arc<Mutex<Option<String>>>| {
            let failure = Arc::clone(failure);
            move |message: String| {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
            }
        };
        let (lost, uncaptured) = (note(&failure), note(&failure));
        device.set_device_lost_callback(move |reason, message| {
            lost(format!("device lost ({reason:?}): {message}"));
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            uncaptured(match &error {
                wgpu::Error::OutOfMemory { .. } => format!("{error}; run fewer replicas at once"),
                _ => error.to_string(),
            });
        }));
        let compiler = Compiler::new(&device, &summary.info);
        let mut device = Self {
            adapter: summary,
            reason,
            self_test: SelfTest::default(),
            handle: device,
            queue,
            compiler,
            failure,
        };
        device.self_test = self_test::run(&device)?;
        Ok(device)
    }

    /// Name of the adapter.
    pub fn name(&self) -> &str {
        &self.adapter.info.name
    }

    /// The first failure that the driver has reported, if any.
    pub(crate) fn check(&self) -> Result<(), GpuError> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(GpuError::Device { message: message.clone() }),
            None => Ok(()),
        }
    }

    /// Name, place and driver, and why it was chosen.
    pub fn description(&self) -> String {
        let place = self.adapter.address().map_or(String::new(), |address| format!(" at {address}"));
        format!("{}{place} ({})", self.adapter.hardware(), self.reason)
    }

    /// The error that it has not answered for so long.
    pub(crate) fn hung(&self, waited: Duration) -> GpuError {
        // Dropping the last handle of a queue waits for its work without end, so one is kept until the process ends.
        std::mem::forget((self.handle.clone(), self.queue.clone()));
        GpuError::Hung { adapter: self.name().to_owned(), seconds: waited.as_secs() }
    }

    /// The error that there is no memory for `bytes` more of buffer `name` where a run has `taken` bytes already.
    pub(crate) fn out_of_memory(
        &self,
        name: &str,
        bytes: usize,
        taken: u64,
        error: &wgpu::Error,
    ) -> GpuError {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        GpuError::Memory {
            adapter: self.name().to_owned(),
            buffer: name.to_owned(),
            needed: mebibytes(bytes as u64),
            taken: mebibytes(taken),
            largest: mebibytes(self.adapter.limits.max_buffer_size),
            message: error.to_string(),
        }
    }
}
