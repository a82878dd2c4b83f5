// One replica's control words, cell and extended variables. The Rust side is `layout::Replica`; a test compares the two by reflection.
// What the words mean (status bits, phases, ensembles, sections, units) is written once, in `crates/shaders/src/protocol.rs`.

// A Nosé-Hoover chain of three thermostats: wide integers of 2^-CHAIN_UNITS.
struct Chain {
    eta: array<vec2<u32>, 4>,
    // 1/ps.
    velocity: array<vec2<u32>, 4>,
    // Q_1, Q_2, Q_3 and the number of degrees of freedom g.
    masses: vec4<f32>,
}

struct Replica {
    // Zero lets a replica run; else bits that say why it stands still.
    status: atomic<u32>,
    // 1 once `advance` has met a status. Kernels that raise one look at this word: what another workgroup of the same dispatch
    // has raised a moment ago is no business of theirs, so the report does not depend on which came first.
    standing: u32,
    // What the bits are about: entries that the longest list needs (the largest); atom times N_SPECIES plus species of the other of a
    // close pair, body that moves too fast or is not finite (none if it is a chain, the strain or the work), atom whose mesh force exceeds its range (the smallest of each).
    list_needed: atomic<u32>,
    close_pair: atomic<u32>,
    stray_body: atomic<u32>,
    strong_atom: atomic<u32>,
    phase: u32,
    rebuild: u32,
    // Low word of the step that is done.
    step: u32,
    ensemble: u32,
    // ps.
    timestep: f32,
    // Half the smallest perpendicular height at growth 1 (angstrom).
    half_height_at_start: f32,
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
    // ln of the growth, and its rate (1/ps), of 2^-STRAIN_UNITS; work of moving set points (u A^2/ps^2) of 2^-WORK_UNITS.
    log_growth: vec2<u32>,
    strain_rate: vec2<u32>,
    set_point_work: vec2<u32>,
    // W (u A^2), a = 1 + 3/N_f, total mass (u), a diagonal element of the virial of the tail times the volume (u A^5/ps^2).
    barostat_mass: f32,
    coupling: f32,
    total_mass: f32,
    tail_virial: f32,
    // Twice the translational and rotational kinetic energy, trace of the molecular virial, at rest.
    twice_translational: f32,
    twice_rotational: f32,
    virial_trace: f32,
    unused: array<u32, 3>,
    // Translation, rotation, barostat.
    chains: array<Chain, 3>,
}

// The number of replicas is no constant of the text, so that one replica and a thousand are the same program.
fn n_replicas() -> u32 {
    return tables[N_REPLICAS];
}

// Places of an atom's position now, and of that from which the lists were built.
fn atom_now(replica: u32, atom: u32) -> u32 {
    return 2u * replica * N_ATOMS + atom;
}

fn atom_at_build(replica: u32, atom: u32) -> u32 {
    return (2u * replica + 1u) * N_ATOMS + atom;
}
