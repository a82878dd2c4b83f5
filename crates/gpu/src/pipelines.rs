//! Compiled kernels, and what the driver made of them in earlier runs.
//!
//! Drivers take seconds to compile kernels. What they made is kept in `vitrion/` of the user's cache directory
//! (`$XDG_CACHE_HOME`, or `.cache` in the home directory), one file a device and kind of build, where the driver offers it.
//! The cache is an accelerator only: without a place for it, or with a damaged file, kernels are compiled afresh.
#![allow(
    unsafe_code,
    reason = "wgpu marks trusted shaders and pipeline caches as unsafe; each use says why it is sound"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use vitrion_shaders::kernel::Kernel;
use wgpu::naga;
use wgpu::{
    BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, BufferBindingType, ComputePipeline,
    Features, PipelineCache, ShaderModule, ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderStages,
};

/// Builds for tests check every index of the kernels; release builds trust them.
const CHECKED: bool = cfg!(debug_assertions);
/// Length of the checksum at the beginning of a file.
const CHECKSUM: usize = 32;

/// A kernel ready to be dispatched.
pub(crate) struct Pipeline {
    /// The kernel.
    pub pipeline: ComputePipeline,
    /// Names of the buffers it binds, and their places.
    pub bindings: Vec<(String, u32)>,
}

/// Compiles kernels for one device.
pub(crate) struct Compiler {
    cache: Option<Cache>,
}

/// A driver's cache and the file it is kept in.
struct Cache {
    handle: PipelineCache,
    file: PathBuf,
    /// What the file holds.
    stored: Mutex<Vec<u8>>,
}

impl Compiler {
    /// With the cache of earlier runs, where the device has such a thing.
    pub fn new(device: &wgpu::Device, adapter: &wgpu::AdapterInfo) -> Self {
        let cache = device
            .features()
            .contains(Features::PIPELINE_CACHE)
            .then(|| wgpu::util::pipeline_cache_key(adapter).zip(cache_directory()))
            .flatten()
            .map(|(key, directory)| {
                let build = if CHECKED { "checked" } else { "trusted" };
                Cache::open(device, directory.join(format!("{key}_{build}")))
            });
        Self { cache }
    }

    /// Compiles a kernel. Its bindings follow from the source, so that buffers are bound by name.
    pub fn compile(&self, device: &wgpu::Device, kernel: Kernel, text: &str) -> Pipeline {
        let bindings = storage_bindings(text);
        let entries: Vec<BindGroupLayoutEntry> = bindings
            .iter()
            .map(|(_, binding, read_only)| BindGroupLayoutEntry {
                binding: *binding,
                visibility: ShaderStages::COMPUTE,
                ty: BindingType::Buffer {
                    ty: BufferBindingType::Storage { read_only: *read_only },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&BindGroupLayoutDescriptor {
            label: Some(kernel.name()),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name()),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name()),
            layout: Some(&pipeline_layout),
            module: &shader_module(device, kernel, text),
            entry_point: Some(kernel.name()),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: self.cache.as_ref().map(|cache| &cache.handle),
        });
        if let Some(cache) = &self.cache {
            cache.store();
        }
        Pipeline {
            pipeline,
            bindings: bindings.into_iter().map(|(name, binding, _)| (name, binding)).collect(),
        }
    }
}

impl Cache {
    fn open(device: &wgpu::Device, file: PathBuf) -> Self {
        let stored = read(&file).unwrap_or_default();
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("vitrion"),
            data: (!stored.is_empty()).then_some(stored.as_slice()),
            fallback: true,
        };
        // SAFETY: the data come from `PipelineCache::get_data`: `read` returns only what `write` has stored with its checksum,
        // in a file named after vendor and device; wgpu itself refuses data of another driver version.
        let handle = unsafe { device.create_pipeline_cache(&descriptor) };
        Self { handle, file, stored: Mutex::new(stored) }
    }

    /// Writes what the driver has now, if that is new.
    fn store(&self) {
        let Some(data) = self.handle.get_data() else { return };
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if *stored != data && write(&self.file, &data).is_ok() {
            *stored = data;
        }
    }
}

fn shader_module(device: &wgpu::Device, kernel: Kernel, text: &str) -> ShaderModule {
    let descriptor =
        ShaderModuleDescriptor { label: Some(kernel.name()), source: wgpu::ShaderSource::Wgsl(text.into()) };
    if CHECKED {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the kernels index within the sizes that they were put together with and their loops end, which tests find out
    // with checks that turn every slip into another result; nothing of a user's text goes into them.
    unsafe { device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked()) }
}

/// Name, binding and whether it is only read, of every storage buffer of a kernel.
fn storage_bindings(text: &str) -> Vec<(String, u32, bool)> {
    // The compiler reports the errors of a source that cannot be parsed.
    let Ok(module) = naga::front::wgsl::parse_str(text) else { return Vec::new() };
    let storage = module.global_variables.iter().filter_map(|(_, variable)| {
        let naga::AddressSpace::Storage { access } = variable.space else { return None };
        let binding = variable.binding?.binding;
        Some((variable.name.clone()?, binding, !access.contains(naga::StorageAccess::STORE)))
    });
    storage.collect()
}

fn cache_directory() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let root = named.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    Some(root.join("vitrion"))
}

/// What [`write`] has stored; `None` if it is not there, or not what was written.
fn read(file: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(file).ok()?;
    let (checksum, data) = bytes.split_at_checked(CHECKSUM)?;
    (Sha256::digest(data).as_slice() == checksum && !data.is_empty()).then(|| data.to_vec())
}

/// Stores data whole or not at all, also beside other runs that do the same.
fn write(file: &Path, data: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let unfinished = file.with_extension(format!("{}.tmp", std::process::id()));
    let bytes = [Sha256::digest(data).as_slice(), data].concat();
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, file));
    if written.is_err() {
        // A full disk: what is left of it is of no use.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_or_missing_cache_is_none() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("vitrion/key_checked");
        assert_eq!(read(&file), None);
        write(&file, b"first").unwrap();
        write(&file, b"what the driver made").unwrap();
        assert_eq!(read(&file).as_deref(), Some(&b"what the driver made"[..]));
        assert_eq!(
            fs::read_dir(home.path().join("vitrion")).unwrap().count(),
            1,
            "nothing unfinished is left"
        );
        let good = fs::read(&file).unwrap();
        for length in [0, 10, CHECKSUM, good.len() - 1] {
            fs::write(&file, &good[..length]).unwrap();
            assert_eq!(read(&file), None, "{length} bytes");
        }
        let mut changed = good;
        changed[CHECKSUM + 3] ^= 1;
        fs::write(&file, changed).unwrap();
        assert_eq!(read(&file), None);
    }
}
