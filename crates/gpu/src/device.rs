//! Adapters and the device opened on one of them.

use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{Adapter, AdapterInfo, DeviceType, Features, Limits};

use crate::error::GpuError;
use crate::pipelines::Compiler;

/// Threads in a workgroup of every kernel.
pub const WORKGROUP: u32 = 256;
/// Storage buffers that one kernel binds.
const STORAGE_BUFFERS: u32 = 8;

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
}

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
        ("bytes of workgroup memory", u64::from(limits.max_compute_workgroup_storage_size), 16_384),
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

/// Whether there is hardware that suffices: what `backend = "auto"` asks.
pub fn has_hardware() -> bool {
    adapters().iter().any(|adapter| !adapter.is_software() && adapter.missing.is_none())
}

/// An open device.
pub struct Device {
    /// The adapter it is opened on.
    pub adapter: AdapterSummary,
    pub(crate) handle: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) compiler: Compiler,
    failure: Arc<Mutex<Option<String>>>,
}

impl Device {
    /// Opens the adapter called `wanted` (part of its name, in any case, or its number), or the best one: hardware before software, discrete before
    /// integrated. A software adapter is taken only when asked for, or when nothing else is there.
    pub fn open(wanted: Option<&str>) -> Result<Self, GpuError> {
        let all = all_adapters();
        if all.is_empty() {
            return Err(GpuError::NoAdapter);
        }
        let adapter = match wanted {
            Some(wanted) => named(&all, wanted)?,
            None => all.iter().min_by_key(|a| preference(a)).ok_or(GpuError::NoAdapter)?,
        };
        let summary = AdapterSummary::of(adapter);
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
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured(error.to_string())));
        let compiler = Compiler::new(&device, &summary.info);
        Ok(Self { adapter: summary, handle: device, queue, compiler, failure })
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
}

fn preference(adapter: &Adapter) -> (bool, u32) {
    let summary = AdapterSummary::of(adapter);
    let kind = match summary.info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::VirtualGpu => 1,
        DeviceType::IntegratedGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    };
    (summary.missing.is_some(), kind)
}

fn named<'a>(all: &'a [Adapter], wanted: &str) -> Result<&'a Adapter, GpuError> {
    let by_number = wanted.parse().ok().and_then(|index: usize| all.get(index));
    let by_name = || all.iter().find(|a| a.get_info().name.to_lowercase().contains(&wanted.to_lowercase()));
    by_number.or_else(by_name).ok_or_else(|| GpuError::UnknownDevice {
        wanted: wanted.to_owned(),
        available: all
            .iter()
            .enumerate()
            .map(|(i, a)| format!("{i} ({})", a.get_info().name))
            .collect::<Vec<_>>()
            .join(", "),
    })
}
