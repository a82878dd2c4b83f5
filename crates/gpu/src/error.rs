//! What can go wrong with a device.

/// Why a device cannot do what it is asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GpuError {
    /// No adapter at all.
    #[error(
        "no GPU was found: no Vulkan, Metal or DX12 driver offers an adapter. {advice}. `backend = \"cpu\"` needs none"
    )]
    NoAdapter {
        /// What was found instead, and what to do, as [`crate::diagnosis::Diagnosis`] says it.
        advice: String,
    },
    /// No adapter of the name asked for.
    #[error(
        "no device is called `{wanted}`; there are: {available}; give one of these numbers, (part of) a name, or a PCI address"
    )]
    UnknownDevice {
        /// Name, number or PCI address asked for.
        wanted: String,
        /// Numbers, names and addresses of the adapters.
        available: String,
    },
    /// The name fits cards that are not equal.
    #[error("`{wanted}` fits several devices: {fitting}; give a number, more of the name, or a PCI address")]
    AmbiguousDevice {
        /// Part of a name asked for.
        wanted: String,
        /// Adapters that it fits.
        fitting: String,
    },
    /// A variable of the environment does not make sense, or does not allow what is asked for.
    #[error("{variable}=`{value}` in the environment: {problem}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The adapter lacks something.
    #[error("{adapter} cannot run this: {missing}")]
    Insufficient {
        /// Name of the adapter.
        adapter: String,
        /// What is missing.
        missing: String,
    },
    /// The device does not compute as WGSL promises.
    #[error(
        "{adapter} computes wrongly: {finding}. Every result would be wrong, so it is not used; install another version of its driver, \
         name another device (`vitrion devices`), or give `backend = \"cpu\"`"
    )]
    Arithmetic {
        /// Name of the adapter.
        adapter: String,
        /// What is wrong.
        finding: String,
    },
    /// The mesh cannot be transformed on the device.
    #[error(
        "a PME mesh of {grid:?} points cannot be transformed by the GPU: {limit}; use a longer `short_range_cutoff` or a larger \
         `force_accuracy`, which make it coarser, or `backend = \"cpu\"`"
    )]
    Mesh {
        /// Points along a, b, c.
        grid: [usize; 3],
        /// What is possible, and why no more.
        limit: String,
    },
    /// The parameters ask for a direct sum.
    #[error(
        "the GPU needs particle-mesh parameters; these ask for a direct Ewald sum, which `precision = \"reference\"` on the CPU does"
    )]
    NoMesh,
    /// Reference precision was asked for.
    #[error(
        "`precision = \"reference\"` needs f64, which the GPU backend does without; give `backend = \"cpu\"`, or `precision = \"mixed\"`"
    )]
    Reference,
    /// There is no room on the device.
    #[error(
        "{adapter} has no memory for {needed} MiB of `{buffer}`, beside {taken} MiB that this run has taken (its largest buffer may have \
         {largest} MiB): {message}; run fewer replicas at once, or end other programs on the card"
    )]
    Memory {
        /// Name of the adapter.
        adapter: String,
        /// What was to be made.
        buffer: String,
        /// Its size (MiB).
        needed: u64,
        /// What the run has already (MiB).
        taken: u64,
        /// Largest buffer that the device makes (MiB).
        largest: u64,
        /// What the driver says.
        message: String,
    },
    /// The device was lost, or ran out of memory, or the driver failed.
    #[error("the device failed: {message}; the last checkpoint is good, `vitrion run` goes on from it")]
    Device {
        /// What the driver says.
        message: String,
    },
    /// The device does not answer.
    #[error(
        "{adapter} has not answered for {seconds} s: the card or its driver hangs, or another program occupies it. The kernel's log may say \
         why (`dmesg`; for NVIDIA lines with Xid); reset the card (`nvidia-smi --gpu-reset`) or restart the machine. The last checkpoint \
         is good, `vitrion run` goes on from it"
    )]
    Hung {
        /// Name of the adapter.
        adapter: String,
        /// How long the host has waited.
        seconds: u64,
    },
}
