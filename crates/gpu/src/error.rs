//! What can go wrong with a device.

/// Why a device cannot do what it is asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GpuError {
    /// No adapter at all.
    #[error(
        "no GPU was found: no Vulkan, Metal or DX12 driver offers an adapter. Install the vendor's driver, or the software driver \
         (package mesa-vulkan-drivers) to try it on the CPU; `vitrion devices` lists what is there; `backend = \"cpu\"` needs none"
    )]
    NoAdapter,
    /// No adapter of the name asked for.
    #[error("no device is called `{wanted}`; there are: {available}")]
    UnknownDevice {
        /// Name or number asked for.
        wanted: String,
        /// Names of the adapters.
        available: String,
    },
    /// The adapter lacks something.
    #[error("{adapter} cannot run this: {missing}")]
    Insufficient {
        /// Name of the adapter.
        adapter: String,
        /// What is missing.
        missing: String,
    },
    /// The mesh cannot be transformed on the device.
    #[error(
        "a PME mesh of {grid:?} points is too large for the GPU (at most 100 along each axis); use `backend = \"cpu\"` or a longer `short_range_cutoff`"
    )]
    Mesh {
        /// Points along a, b, c.
        grid: [usize; 3],
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
    /// The device was lost, or ran out of memory, or the driver failed.
    #[error("the device failed: {message}; the last checkpoint is good, `vitrion run` goes on from it")]
    Device {
        /// What the driver says.
        message: String,
    },
}
