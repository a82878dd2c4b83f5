// One replica's control words, cell and extended variables. The Rust side is `layout::Replica`; a test compares the two by reflection.

// Phases of a replica between dispatches.
const AT_REST: u32 = 0u;        // forces belong to the positions, velocities to the same time
const MID_STEP: u32 = 1u;       // positions have moved, forces are to be computed, the second half of the step is to be done
const EVALUATE: u32 = 2u;       // forces are to be computed, then kinetic energy and virial summed afresh
const EVALUATE_ONLY: u32 = 3u;  // forces are to be computed; nothing else may change

// Bits of `status`; zero lets a replica run.
const LIST_FULL: u32 = 1u;      // `detail_a`: entries that the longest list needs
const CLOSE_PAIR: u32 = 2u;     // `detail_a`: atom, `detail_b`: species of the other
const OUT_OF_RANGE: u32 = 4u;   // `detail_a`: body that moves too fast or is not finite
const CELL_TOO_SMALL: u32 = 8u;
const FORCE_RANGE: u32 = 16u;   // `detail_a`: atom whose mesh force exceeds its fixed-point range

const NVE: u32 = 0u;
const NVT: u32 = 1u;
const NPT: u32 = 2u;

// A Nosé-Hoover chain of three thermostats; every number is the sum of two f32.
struct Chain {
    eta_high: vec4<f32>,
    eta_low: vec4<f32>,
    velocity_high: vec4<f32>,
    velocity_low: vec4<f32>,
    // Q_1, Q_2, Q_3 and the number of degrees of freedom g.
    masses: vec4<f32>,
}

struct Replica {
    status: atomic<u32>,
    detail_a: atomic<u32>,
    detail_b: atomic<u32>,
    phase: u32,
    rebuild: u32,
    // Low words of the step at which to rest, and of the step that is done. Two chunks are under way at a time: the host
    // moves the first on while the second is being counted.
    last_step: u32,
    step: u32,
    ensemble: u32,
    // Columns of the cell matrix over 2^32: fixed-point difference to angstrom.
    edges: array<vec4<f32>, 3>,
    // Rows of its inverse (1/angstrom): k = m_1 row_1 + m_2 row_2 + m_3 row_3.
    reciprocal: array<vec4<f32>, 3>,
    // The same at growth 1.
    edges_at_start: array<vec4<f32>, 3>,
    reciprocal_at_start: array<vec4<f32>, 3>,
    // Volume (A^3) at growth 1 and now; edges now and at the list's build over those at the start.
    volume_at_start: f32,
    volume: f32,
    growth: f32,
    growth_at_build: f32,
    // ln of the growth, and its rate (1/ps), as two f32 each.
    log_growth: vec2<f32>,
    strain_rate: vec2<f32>,
    // Work of moving set points (u A^2/ps^2) as two f32; half the smallest perpendicular height at growth 1 (angstrom); timestep (ps).
    set_point_work: vec2<f32>,
    half_height_at_start: f32,
    timestep: f32,
    // Barostat mass W (u A^2), a = 1 + 3/N_f, total mass (u), unused.
    constants: vec4<f32>,
    // Twice the translational and rotational kinetic energy, trace of the molecular virial at rest, unused.
    sums: vec4<f32>,
    translation: Chain,
    rotation: Chain,
    barostat: Chain,
}
