//! What words that host and device share mean. The shaders have every number here as a constant of the same name; of the units
//! `VELOCITY_UNITS`, say, 2^units as `VELOCITY_SCALE` and its inverse as `VELOCITY_UNIT`.

use std::fmt::Write;

/// Binary digits behind the point of wide integers: they count in 2^-units.
pub mod units {
    /// Velocities: 2^-40 A/ps, up to 8e6 A/ps. A thermal velocity is some 5 A/ps: 2e-13 of it.
    pub const VELOCITY_UNITS: i32 = 40;
    /// Angular momenta: 2^-32 u A^2/ps, up to 2e9. A thermal one of nitrate is some 200.
    pub const MOMENTUM_UNITS: i32 = 32;
    /// Positions and velocities of thermostats: 2^-40, up to 8e6.
    pub const CHAIN_UNITS: i32 = 40;
    /// Logarithm of the cell's growth, and its rate: 2^-48, up to 3e4.
    pub const STRAIN_UNITS: i32 = 48;
    /// Work of moving set points: 2^-28 u A^2/ps^2, up to 3e10: 10,000 K for each of a million atoms and their chains.
    pub const WORK_UNITS: i32 = 28;
    /// Unwrapped centres: 2^-32 angstrom.
    pub const LENGTH_UNITS: i32 = 32;
}

/// Words at the beginning of the tables.
pub mod header {
    /// Entries of one neighbour list.
    pub const LIST_CAPACITY: u32 = 0;
    /// Replicas on the device.
    pub const N_REPLICAS: u32 = 1;
    /// Low word of the step at which replicas rest. Two chunks of steps are under way at a time: the host moves it on in the queue,
    /// between the two.
    pub const LAST_STEP: u32 = 2;
    /// What the dispatches that follow are for: [`super::command`].
    pub const COMMAND: u32 = 3;
    /// Number of them.
    pub const HEADER_WORDS: u32 = 4;
}

/// What dispatches are for.
pub mod command {
    /// Steps.
    pub const STEP: u32 = 0;
    /// Forces of replicas at rest; `advance`, if it follows, sums kinetic energy and virial afresh.
    pub const EVALUATE: u32 = 1;
}

/// Phases of a replica between dispatches.
pub mod phase {
    /// Forces belong to the positions, velocities to the same time.
    pub const AT_REST: u32 = 0;
    /// Positions have moved, forces are to be computed, the second half of the step is to be done.
    pub const MID_STEP: u32 = 1;
}

/// Bits of a replica's status.
pub mod status {
    /// A neighbour list needs `list_needed` entries.
    pub const LIST_FULL: u32 = 1;
    /// A pair, `close_pair`, is inside the inner maximum of its potential.
    pub const CLOSE_PAIR: u32 = 2;
    /// `stray_body` moves too fast or is not finite.
    pub const OUT_OF_RANGE: u32 = 4;
    /// The cell has become too small for cutoff and skin.
    pub const CELL_TOO_SMALL: u32 = 8;
    /// The mesh force on `strong_atom` exceeds its range.
    pub const FORCE_RANGE: u32 = 16;
}

/// Ensembles.
pub mod ensemble {
    /// Constant volume and energy.
    pub const NVE: u32 = 0;
    /// Constant volume and temperature.
    pub const NVT: u32 = 1;
    /// Constant pressure and temperature.
    pub const NPT: u32 = 2;
}

/// Sections of the bodies of a replica, one `vec4` a body each. Wide integers have their low words in one and their high words in the
/// next.
pub mod section {
    /// Centre, fraction of the cell times 2^32.
    pub const CENTRE: u32 = 0;
    /// Unwrapped centre.
    pub const UNWRAPPED: u32 = 1;
    /// Velocity (A/ps).
    pub const VELOCITY: u32 = 3;
    /// Orientation, (w, x, y, z) times 2^30.
    pub const ORIENTATION: u32 = 5;
    /// Angular momentum in the body frame (u A^2/ps).
    pub const ANGULAR_MOMENTUM: u32 = 6;
    /// Number of sections.
    pub const SECTIONS: u32 = 8;
}

/// WGSL of all of them.
pub(crate) fn constants() -> String {
    let mut text = String::new();
    macro_rules! write_all {
        ($type:literal: $($module:ident::{$($name:ident),+}),+) => {
            $($(let _ = writeln!(text, "const {}: {} = {};", stringify!($name), $type, $module::$name);)+)+
        };
    }
    let units = [
        ("VELOCITY", units::VELOCITY_UNITS),
        ("MOMENTUM", units::MOMENTUM_UNITS),
        ("CHAIN", units::CHAIN_UNITS),
        ("STRAIN", units::STRAIN_UNITS),
        ("WORK", units::WORK_UNITS),
        ("LENGTH", units::LENGTH_UNITS),
    ];
    for (name, units) in units {
        let scale = 2f64.powi(units);
        let _ = writeln!(
            text,
            "const {name}_SCALE: f32 = {scale:e}f;\nconst {name}_UNIT: f32 = {:e}f;",
            1.0 / scale
        );
    }
    write_all!("u32":
        header::{LIST_CAPACITY, N_REPLICAS, LAST_STEP, COMMAND},
        command::{STEP, EVALUATE},
        phase::{AT_REST, MID_STEP},
        status::{LIST_FULL, CLOSE_PAIR, OUT_OF_RANGE, CELL_TOO_SMALL, FORCE_RANGE},
        ensemble::{NVE, NVT, NPT},
        section::{CENTRE, UNWRAPPED, VELOCITY, ORIENTATION, ANGULAR_MOMENTUM, SECTIONS});
    text
}
