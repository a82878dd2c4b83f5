//! Structures shared with the shaders. A test compares their layout with what the shader compiler sees.

use bytemuck::{Pod, Zeroable};

/// A Nosé-Hoover chain: wide integers of 2^-[`CHAIN_UNITS`](vitrion_shaders::protocol::units::CHAIN_UNITS), low and high words. See
/// `shaders/shared/replica.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Chain {
    /// Positions; the fourth is unused.
    pub eta: [[u32; 2]; 4],
    /// Velocities (1/ps); the fourth is unused.
    pub velocity: [[u32; 2]; 4],
    /// Q_1, Q_2, Q_3 (u A^2) and the number of degrees of freedom.
    pub masses: [f32; 4],
}

/// One replica's control words, cell and extended variables. See `shaders/shared/replica.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Replica {
    /// Zero, or why the replica stands still.
    pub status: u32,
    /// 1 once `advance` has met a status.
    pub standing: u32,
    /// Entries that the longest list needs.
    pub list_needed: u32,
    /// Smallest atom of a close pair times the number of species, plus the species of the other.
    pub close_pair: u32,
    /// Smallest body that moves too fast or is not finite.
    pub stray_body: u32,
    /// Smallest atom whose mesh force exceeds its range.
    pub strong_atom: u32,
    /// What is to be done next.
    pub phase: u32,
    /// Lists are to be built before the next forces.
    pub rebuild: u32,
    /// The step that is done, low word.
    pub step: u32,
    /// Ensemble.
    pub ensemble: u32,
    /// Time step (ps).
    pub timestep: f32,
    /// Half the smallest perpendicular height at growth 1 (angstrom).
    pub half_height_at_start: f32,
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
    /// ln of the growth, low and high word.
    pub log_growth: [u32; 2],
    /// Its rate (1/ps).
    pub strain_rate: [u32; 2],
    /// Work of moving set points (u A^2/ps^2).
    pub set_point_work: [u32; 2],
    /// Barostat mass W (u A^2).
    pub barostat_mass: f32,
    /// Its coupling 1 + 3/N_f.
    pub coupling: f32,
    /// Total mass (u).
    pub total_mass: f32,
    /// A diagonal element of the virial of the tail times the volume (u A^5/ps^2).
    pub tail_virial: f32,
    /// Twice the translational kinetic energy at rest (u A^2/ps^2).
    pub twice_translational: f32,
    /// Twice the rotational kinetic energy at rest.
    pub twice_rotational: f32,
    /// Trace of the molecular virial at rest, as the barostat feels it.
    pub virial_trace: f32,
    /// Nothing.
    pub unused: [u32; 3],
    /// Thermostats of translations, of rotations, and of the barostat.
    pub chains: [Chain; 3],
}

impl Replica {
    /// The first words of a replica that nothing keeps from running: from `status` to `strong_atom`.
    pub const RUNS: [u32; 6] = [0, 0, 0, u32::MAX, u32::MAX, u32::MAX];
}

impl Default for Replica {
    /// At rest, with nothing that keeps it from running, and no cell.
    fn default() -> Self {
        let [status, standing, list_needed, close_pair, stray_body, strong_atom] = Self::RUNS;
        Self { status, standing, list_needed, close_pair, stray_body, strong_atom, ..Self::zeroed() }
    }
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
        assert_eq!(members("Chain"), layout!(Chain: eta, velocity, masses));
        assert_eq!(
            members("Replica"),
            layout!(Replica: status, standing, list_needed, close_pair, stray_body, strong_atom, phase, rebuild, step, ensemble,
                timestep, half_height_at_start, edges, reciprocal, edges_at_start, reciprocal_at_start, volume_at_start, volume,
                growth, growth_at_build, log_growth, strain_rate, set_point_work, barostat_mass, coupling, total_mass, tail_virial,
                twice_translational, twice_rotational, virial_trace, unused, chains)
        );
    }
}
