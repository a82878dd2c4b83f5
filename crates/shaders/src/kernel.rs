//! The kernels of a step, and their variants.

/// A kernel: its source, and what of the shared and generated code it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Charges to the mesh, and pair forces.
    Near,
    /// Convolution of the mesh.
    Kspace,
    /// Reciprocal forces.
    Far,
    /// Equations of motion.
    Advance,
    /// Copies neighbour lists into longer ones.
    GrowLists,
    /// The arithmetic of a device at chosen points.
    SelfTest,
}

impl Kernel {
    /// Those of a step, in their order.
    pub const STEP: [Self; 4] = [Self::Near, Self::Kspace, Self::Far, Self::Advance];
    /// All.
    pub const ALL: [Self; 6] =
        [Self::Near, Self::Kspace, Self::Far, Self::Advance, Self::GrowLists, Self::SelfTest];

    /// Name of the file and of the entry point.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Kspace => "kspace",
            Self::Far => "far",
            Self::Advance => "advance",
            Self::GrowLists => "grow_lists",
            Self::SelfTest => "self_test",
        }
    }
}

/// What a kernel computes beside forces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Nothing.
    Forces,
    /// Energies and virials. Forces have the same bits.
    Virial,
    /// Energies and virials, with the potential continued linearly inside the inner maximum: for overlap removal.
    SoftVirial,
}

impl Variant {
    /// All.
    pub const ALL: [Self; 3] = [Self::Forces, Self::Virial, Self::SoftVirial];
}
