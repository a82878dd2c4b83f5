//! Structures shared with the shaders. A test compares their layout with what the shader compiler sees.

use bytemuck::{Pod, Zeroable};

/// A Nosé-Hoover chain; every number is the sum of its high and low parts. See `shaders/shared/replica.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Chain {
    /// Positions.
    pub eta_high: [f32; 4],
    /// Low parts of the positions.
    pub eta_low: [f32; 4],
    /// Velocities (1/ps).
    pub velocity_high: [f32; 4],
    /// Low parts of the velocities.
    pub velocity_low: [f32; 4],
    /// Q_1, Q_2, Q_3 (u A^2) and the number of degrees of freedom.
    pub masses: [f32; 4],
}

/// One replica's control words, cell and extended variables. See `shaders/shared/replica.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Replica {
    /// Zero, or why the replica stands still.
    pub status: u32,
    /// What the status is about.
    pub detail_a: u32,
    /// What else it is about.
    pub detail_b: u32,
    /// What is to be done next.
    pub phase: u32,
    /// Lists are to be built before the next forces.
    pub rebuild: u32,
    /// The step at which to rest, low word.
    pub last_step: u32,
    /// The step that is done, low word.
    pub step: u32,
    /// Ensemble.
    pub ensemble: u32,
    /// Columns of the cell matrix times 2^-32 (angstrom).
    pub edges: [[f32; 4]; 3],
    /// Rows of its inverse (1/angstrom).
    pub reciprocal: [[f32; 4]; 3],
    /// `edges` at growth 1.
    pub edges_at_start: [[f32; 4]; 3],
    /// `reciprocal` at growth 1.
    pub reciprocal_at_start: [[f32; 4]; 3],
    /// Volume at growth 1 (A^3).
    pub volume_at_start: f32,
    /// Volume now (A^3).
    pub volume: f32,
    /// Edges over those at the start.
    pub growth: f32,
    /// The same when the lists were built.
    pub growth_at_build: f32,
    /// ln of the growth, high and low part.
    pub log_growth: [f32; 2],
    /// Its rate (1/ps).
    pub strain_rate: [f32; 2],
    /// Work of moving set points (u A^2/ps^2).
    pub set_point_work: [f32; 2],
    /// Half the smallest perpendicular height at growth 1 (angstrom).
    pub half_height_at_start: f32,
    /// Time step (ps).
    pub timestep: f32,
    /// Barostat mass, its coupling 1 + 3/N_f, total mass, unused.
    pub constants: [f32; 4],
    /// Twice the translational and the rotational kinetic energy, trace of the molecular virial, unused.
    pub sums: [f32; 4],
    /// Thermostat of translations.
    pub translation: Chain,
    /// Thermostat of rotations.
    pub rotation: Chain,
    /// Thermostat of the barostat.
    pub barostat: Chain,
}

/// Values of [`Replica::phase`].
pub mod phase {
    /// Forces belong to the positions, velocities to the same time.
    pub const AT_REST: u32 = 0;
    /// A step has begun.
    pub const MID_STEP: u32 = 1;
    /// Forces, kinetic energy and virial are to be computed.
    pub const EVALUATE: u32 = 2;
    /// Forces are to be computed, nothing else may change.
    pub const EVALUATE_ONLY: u32 = 3;
}

/// Bits of [`Replica::status`].
pub mod status {
    /// A neighbour list needs `detail_a` entries.
    pub const LIST_FULL: u32 = 1;
    /// Atom `detail_a` is too close to one of species `detail_b`.
    pub const CLOSE_PAIR: u32 = 2;
    /// Body `detail_a` moves too fast or is not finite.
    pub const OUT_OF_RANGE: u32 = 4;
    /// The cell has become too small for cutoff and skin.
    pub const CELL_TOO_SMALL: u32 = 8;
    /// The mesh force on atom `detail_a` exceeds its range.
    pub const FORCE_RANGE: u32 = 16;
}

/// Sections of the buffer of bodies, one `vec4` a body each.
pub mod section {
    /// Centre, fraction of the cell times 2^32.
    pub const CENTRE: usize = 0;
    /// Low words of the unwrapped centre in 2^-32 angstrom.
    pub const UNWRAPPED_LOW: usize = 1;
    /// High words.
    pub const UNWRAPPED_HIGH: usize = 2;
    /// Velocity (A/ps), high and low parts.
    pub const VELOCITY: usize = 3;
    /// Orientation, (w, x, y, z) times 2^30.
    pub const ORIENTATION: usize = 5;
    /// Angular momentum in the body frame (u A^2/ps), high and low parts.
    pub const ANGULAR_MOMENTUM: usize = 6;
    /// Number of sections.
    pub const COUNT: usize = 8;
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use vitrion_shaders::kernel::Kernel;
    use wgpu::naga::TypeInner;

    use super::*;
    use crate::dimensions::tests::example_module;

    /// Offsets of a structure's members in the shaders.
    fn members(structure: &str) -> (Vec<(String, usize)>, usize) {
        let module = example_module(Kernel::Near);
        let (_, found) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(structure)).unwrap();
        let TypeInner::Struct { members, span } = &found.inner else { panic!("{structure} is no structure") };
        let names = members.iter().map(|m| (m.name.clone().unwrap(), m.offset as usize)).collect();
        (names, *span as usize)
    }

    macro_rules! layout {
        ($type:ty: $($member:ident),+) => {
            (vec![$((stringify!($member).to_owned(), offset_of!($type, $member))),+], size_of::<$type>())
        };
    }

    #[test]
    fn structures_lie_in_memory_as_the_shaders_read_them() {
        assert_eq!(members("Chain"), layout!(Chain: eta_high, eta_low, velocity_high, velocity_low, masses));
        assert_eq!(
            members("Replica"),
            layout!(Replica: status, detail_a, detail_b, phase, rebuild, last_step, step, ensemble, edges, reciprocal,
                edges_at_start, reciprocal_at_start, volume_at_start, volume, growth, growth_at_build, log_growth,
                strain_rate, set_point_work, half_height_at_start, timestep, constants, sums, translation, rotation, barostat)
        );
    }
}
