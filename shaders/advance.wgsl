// Fourth dispatch: one workgroup a replica ends a step and begins the next. Ending: half kick, barostat, thermostat chains.
// Beginning: chains, barostat, half kick, drift and rotation, new atom positions, and whether the lists still hold.
// Both halves store what they have, so that a run has the same bits wherever it is cut into chunks. Within a dispatch threads tell one
// another by workgroup memory alone; a body's words are written by one thread, and read by another only where centres are sampled.
//
// What is summed over many steps (velocities, angular momenta, chains, strain, work) is a wide integer (`wide.wgsl`). Increments are f32.
//
// Chains: `thermostat_chain.wgsl`; rotations: `rigid_rotation.wgsl`; barostat: MTK, isotropic. The pressure is that of `vitrion_core::pressure`: all virials, that of the tail among them, less those of the arms.

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read_write> replicas: array<Replica>;
@group(0) @binding(2) var<storage, read_write> atoms: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> forces: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> reciprocal_forces: array<i32>;
@group(0) @binding(5) var<storage, read> partials: array<f32>;
// Sections of one vec4 a body.
@group(0) @binding(6) var<storage, read_write> bodies: array<vec4<u32>>;
// Set points and what is due at each step of two chunks, then what was sampled.
@group(0) @binding(7) var<storage, read_write> stream: array<vec4<f32>>;

// m v v (xx, yy, zz, xy, xz, yz), twice the rotational energy, nothing; virial (xx ... yz), nothing: summed in two halves of eight.
const SUMS: u32 = 16u;
const HALF_SUMS: u32 = 8u;
const VIRIAL_SUMS: u32 = 8u;
var<workgroup> partial_sums: array<f32, 2056>;
var<workgroup> totals: array<f32, SUMS>;
// The total momentum is all but zero, a sum of large numbers: integers of 2^-16 u A/ps, which may wrap on the way.
const MOMENTUM_SUM_SCALE: f32 = 65536.0;
const MOMENTUM_SUM_UNIT: f32 = 1.52587890625e-5;
var<workgroup> momentum_sums: array<i32, 771>;
var<workgroup> largest_displacement: atomic<u32>;
var<workgroup> run_flags: u32;
// The step that is done; strain rate; what its chain sees of translation, rotation and barostat: twice the kinetic energy. Thread 0 reads them
// from the replica at the beginning and stores them at the end.
var<workgroup> step_done: u32;
var<workgroup> strain_rate: vec2<u32>;
var<workgroup> twice_kinetic: array<f32, 2>;
var<workgroup> virial_trace: f32;
// What one thread has worked out for all: factors less one of the two half chains; g eta_1 + eta_2 + eta_3 of the chains.
var<workgroup> end_scale: array<f32, 3>;
var<workgroup> begin_scale: array<f32, 3>;
var<workgroup> reduced_potential: array<f32, 3>;
// Momentum over mass.
var<workgroup> drift_velocity: vec3<f32>;
// Less one of the decay, and impulse, of a half kick under the barostat: at the end and at the beginning of a step.
var<workgroup> end_kick: vec2<f32>;
var<workgroup> begin_kick: vec2<f32>;
// Centres move by this time times their velocity (ps); the cell to which they move, and that half-way.
var<workgroup> drift_time: f32;
var<workgroup> new_growth: f32;
var<workgroup> middle_growth: f32;
// 1 once a thread has found something out of range.
var<workgroup> trouble: atomic<u32>;

const ENDS: u32 = 1u;
const BEGINS: u32 = 2u;
const SUMS_AFRESH: u32 = 4u;
// At the end of a step: it counts; centres were sampled.
const COUNTS: u32 = 1u;
const SAMPLES: u32 = 2u;

@compute @workgroup_size(256)
fn advance(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let replica = group.x;
    if thread == 0u {
        run_flags = what_to_do(replica);
        atomicStore(&largest_displacement, 0u);
        atomicStore(&trouble, 0u);
        step_done = replicas[replica].step;
        strain_rate = replicas[replica].strain_rate;
        twice_kinetic[0] = replicas[replica].twice_translational;
        twice_kinetic[1] = replicas[replica].twice_rotational;
        virial_trace = replicas[replica].virial_trace;
        end_kick = kick_factors(replica);
    }
    let flags = workgroupUniformLoad(&run_flags);
    if flags == 0u {
        return;
    }
    let ends = (flags & ENDS) != 0u;
    let begins = (flags & BEGINS) != 0u;
    if ends || (flags & SUMS_AFRESH) != 0u {
        half_kick_and_sums(replica, thread, ends);
        workgroupBarrier();
        if thread == 0u {
            end_of_step(replica, ends);
        }
        workgroupBarrier();
    }
    if ends {
        // Chains of the second half: the three do not know of one another.
        half_chain(replica, thread, step_done + 1u, true);
        workgroupBarrier();
        if thread == 0u {
            sample_stress(replica);
        }
        scale_velocities(replica, thread);
        sample_centres(replica, thread);
        // Nobody counts on before everybody has looked at the count, and a step in which something went wrong does not count.
        workgroupBarrier();
        if thread == 0u {
            let good = atomicLoad(&trouble) == 0u;
            let samples = bitcast<vec4<u32>>(stream[set_point(replica, step_done + 1u) + 1u]).y != 0u;
            run_flags = select(0u, COUNTS, good) | select(0u, SAMPLES, samples);
            step_done += select(0u, 1u, good);
        }
        let ended = workgroupUniformLoad(&run_flags);
        if (ended & COUNTS) == 0u {
            return;
        }
        if (ended & SAMPLES) != 0u {
            // Other threads have read what the owners of the bodies will write.
            storageBarrier();
        }
    }
    if begins {
        half_chain(replica, thread, step_done, false);
        workgroupBarrier();
        if thread == 0u {
            begin_step(replica);
        }
        workgroupBarrier();
        move_bodies(replica, thread);
        workgroupBarrier();
    }
    if thread == 0u {
        replicas[replica].step = step_done;
        replicas[replica].strain_rate = strain_rate;
        replicas[replica].twice_translational = twice_kinetic[0];
        replicas[replica].twice_rotational = twice_kinetic[1];
        replicas[replica].virial_trace = virial_trace;
        replicas[replica].phase = select(AT_REST, MID_STEP, begins);
        if ends || (flags & SUMS_AFRESH) != 0u {
            replicas[replica].rebuild = 0u;
        }
        if begins {
            check_list(replica);
        }
    }
}

fn what_to_do(replica: u32) -> u32 {
    if atomicLoad(&replicas[replica].status) != 0u {
        replicas[replica].standing = 1u;
        return 0u;
    }
    if tables[COMMAND] == EVALUATE {
        return SUMS_AFRESH;
    }
    let ends = replicas[replica].phase == MID_STEP;
    // Counting the step that ends now.
    let done = replicas[replica].step + select(0u, 1u, ends);
    return select(0u, ENDS, ends) | select(0u, BEGINS, done != tables[LAST_STEP]);
}

// ---- bodies

fn body_word(section: u32, replica: u32, body: u32) -> u32 {
    return (replica * SECTIONS + section) * N_BODIES + body;
}

fn load_wide(section: u32, replica: u32, body: u32) -> Wide3 {
    return Wide3(bodies[body_word(section, replica, body)].xyz, bodies[body_word(section + 1u, replica, body)].xyz);
}

fn store_wide(section: u32, replica: u32, body: u32, number: Wide3) {
    bodies[body_word(section, replica, body)] = vec4(number.low, 0u);
    bodies[body_word(section + 1u, replica, body)] = vec4(number.high, 0u);
}

fn velocity_of(number: Wide3) -> vec3<f32> {
    return of_wide3(number) * VELOCITY_UNIT;
}

fn momentum_of(number: Wide3) -> vec3<f32> {
    return of_wide3(number) * MOMENTUM_UNIT;
}

const POINT: u32 = 0xffffffffu;
// Orientations are integers of 2^-30.
const QUATERNION_UNIT: f32 = 9.31322575e-10;

fn orientation_of(replica: u32, body: u32) -> vec4<i32> {
    return bitcast<vec4<i32>>(bodies[body_word(ORIENTATION, replica, body)]);
}

struct BodyForce {
    force: vec3<f32>,
    // In the body frame.
    torque: vec3<f32>,
    // sum of arm times force over the atoms, symmetrised.
    arms_diagonal: vec3<f32>,
    arms_off: vec3<f32>,
}

fn atom_force(replica: u32, atom: u32) -> vec3<f32> {
    let index = replica * N_ATOMS + atom;
    let mesh_force = vec3<f32>(vec3(
        reciprocal_forces[3u * index], reciprocal_forces[3u * index + 1u], reciprocal_forces[3u * index + 2u]));
    return fma(mesh_force, vec3(1.0 / FORCE_UNITS), forces[index].xyz);
}

fn body_force(replica: u32, body: u32) -> BodyForce {
    let entry = BODIES + body * BODY_WORDS;
    let first = tables[entry];
    let kind = tables[entry + 2u];
    var result: BodyForce;
    if kind == POINT {
        result.force = atom_force(replica, first);
        return result;
    }
    let turn = rotation(orientation_of(replica, body));
    var torque = vec3(0.0);
    for (var a = 0u; a < tables[entry + 1u]; a++) {
        let f = atom_force(replica, first + a);
        let arm = to_laboratory(turn, arm_of(kind, a));
        result.force += f;
        torque += cross3(arm, f);
        result.arms_diagonal = fma(arm, f, result.arms_diagonal);
        result.arms_off = fma(0.5 * arm.xxy, f.yzz, fma(0.5 * arm.yzz, f.xxy, result.arms_off));
    }
    result.torque = to_body(turn, torque);
    return result;
}

fn table_float(index: u32) -> f32 {
    return bitcast<f32>(tables[index]);
}

fn arm_of(kind: u32, atom: u32) -> vec3<f32> {
    let at = KINDS + kind * KIND_WORDS + 8u + 3u * atom;
    return vec3(table_float(at), table_float(at + 1u), table_float(at + 2u));
}

fn inverse_moments(kind: u32) -> vec3<f32> {
    let at = KINDS + kind * KIND_WORDS + 5u;
    return vec3(table_float(at), table_float(at + 1u), table_float(at + 2u));
}

// ---- the end of a step

fn half_kick_and_sums(replica: u32, thread: u32, kicks: bool) {
    let half = 0.5 * replicas[replica].timestep;
    var kinetic_diagonal = vec3(0.0);
    var kinetic_off = vec3(0.0);
    var momentum = vec3(0);
    var rotational = 0.0;
    var virial_diagonal = vec3(0.0);
    var virial_off = vec3(0.0);
    for (var body = thread; body < N_BODIES; body += 256u) {
        let entry = BODIES + body * BODY_WORDS;
        let mass = table_float(entry + 3u);
        let f = body_force(replica, body);
        var velocity = load_wide(VELOCITY, replica, body);
        if kicks {
            velocity = kicked(velocity, f.force, mass, end_kick);
            store_wide(VELOCITY, replica, body, velocity);
        }
        let v = velocity_of(velocity);
        let mv = mass * v;
        kinetic_diagonal = fma(mv, v, kinetic_diagonal);
        kinetic_off = fma(mv.xxy, v.yzz, kinetic_off);
        momentum += vec3(to_fixed(mv.x), to_fixed(mv.y), to_fixed(mv.z));
        virial_diagonal -= f.arms_diagonal;
        virial_off -= f.arms_off;
        let kind = tables[entry + 2u];
        if kind != POINT {
            var l = load_wide(ANGULAR_MOMENTUM, replica, body);
            if kicks {
                l = add_wide3(l, half * f.torque, MOMENTUM_SCALE);
                store_wide(ANGULAR_MOMENTUM, replica, body, l);
            }
            let lf = momentum_of(l);
            let inverse = inverse_moments(kind);
            rotational = fma(lf.x * lf.x, inverse.x, fma(lf.y * lf.y, inverse.y, fma(lf.z * lf.z, inverse.z, rotational)));
        }
        if beyond_range {
            out_of_range(replica, body);
        }
    }
    if VIRIAL {
        for (var molecule = thread; molecule < N_MOLECULES; molecule += 256u) {
            let at = replica * PARTIAL_WORDS + molecule * MOLECULE_PARTIALS;
            virial_diagonal += vec3(partials[at + 6u], partials[at + 7u], partials[at + 8u])
                + vec3(partials[at + 12u], partials[at + 13u], partials[at + 14u])
                + vec3(partials[at + 18u], partials[at + 19u], partials[at + 20u]);
            virial_off += vec3(partials[at + 9u], partials[at + 10u], partials[at + 11u])
                + vec3(partials[at + 15u], partials[at + 16u], partials[at + 17u])
                + vec3(partials[at + 21u], partials[at + 22u], partials[at + 23u]);
        }
        for (var column = thread; column < N_COLUMN_GROUPS; column += 256u) {
            let at = replica * PARTIAL_WORDS + N_MOLECULES * MOLECULE_PARTIALS + column * 8u;
            virial_diagonal += vec3(partials[at + 1u], partials[at + 2u], partials[at + 3u]);
            virial_off += vec3(partials[at + 4u], partials[at + 5u], partials[at + 6u]);
        }
    }
    momentum_sums[thread] = momentum.x;
    momentum_sums[257u + thread] = momentum.y;
    momentum_sums[514u + thread] = momentum.z;
    sum_over_threads(thread, 0u, array<f32, HALF_SUMS>(
        kinetic_diagonal.x, kinetic_diagonal.y, kinetic_diagonal.z, kinetic_off.x, kinetic_off.y, kinetic_off.z,
        rotational, 0.0));
    // Behind the barriers there: 48 threads leave 16 sums of 16 for each component.
    var part = 0;
    if thread < 48u {
        for (var i = 0u; i < 16u; i++) {
            part += momentum_sums[(thread / 16u) * 257u + (thread % 16u) * 16u + i];
        }
    }
    workgroupBarrier();
    if thread < 48u {
        momentum_sums[thread] = part;
    }
    sum_over_threads(thread, HALF_SUMS, array<f32, HALF_SUMS>(
        virial_diagonal.x, virial_diagonal.y, virial_diagonal.z, virial_off.x, virial_off.y, virial_off.z, 0.0, 0.0));
}

// A momentum as the integer next to it.
fn to_fixed(momentum: f32) -> i32 {
    beyond_range = beyond_range || reaches(momentum, 32768.0);
    return i32(round(momentum * MOMENTUM_SUM_SCALE));
}

// The total momentum, from what `half_kick_and_sums` has left.
fn total_momentum() -> vec3<f32> {
    var total = vec3(0);
    for (var i = 0u; i < 16u; i++) {
        total += vec3(momentum_sums[i], momentum_sums[16u + i], momentum_sums[32u + i]);
    }
    return vec3<f32>(total) * MOMENTUM_SUM_UNIT;
}

// Sums eight numbers over the threads into `totals` from `first` on. 32 threads a sum, eight numbers a thread: always in this order.
fn sum_over_threads(thread: u32, first: u32, mine: array<f32, HALF_SUMS>) {
    var numbers = mine;
    for (var k = 0u; k < HALF_SUMS; k++) {
        partial_sums[k * 257u + thread] = numbers[k];
    }
    workgroupBarrier();
    let at = (thread / 32u) * 257u + (thread % 32u) * 8u;
    var sum = 0.0;
    for (var i = 0u; i < 8u; i++) {
        sum += partial_sums[at + i];
    }
    workgroupBarrier();
    partial_sums[thread] = sum;
    workgroupBarrier();
    if thread < HALF_SUMS {
        var total = 0.0;
        for (var i = 0u; i < 32u; i++) {
            total += partial_sums[thread * 32u + i];
        }
        totals[first + thread] = total;
    }
}

// v exp(-a e t) + F/m t exp(-a e t/2) sinh(x)/x, with `factors` = (exp(-a e t) - 1, impulse); without a barostat v + F t/m.
fn kicked(velocity: Wide3, force: vec3<f32>, mass: f32, factors: vec2<f32>) -> Wide3 {
    let change = fma(vec3(factors.x), velocity_of(velocity), force * (factors.y / mass));
    return add_wide3(velocity, change, VELOCITY_SCALE);
}

fn kick_factors(replica: u32) -> vec2<f32> {
    let half = 0.5 * replicas[replica].timestep;
    if replicas[replica].ensemble != NPT {
        return vec2(0.0, half);
    }
    let x = 0.5 * replicas[replica].coupling * of_wide(strain_rate) * STRAIN_UNIT * half;
    let decay = exponential_minus_one(-x);
    return vec2(decay * (2.0 + decay), half * (1.0 + decay) * sinh_over_argument(x));
}

// Takes the motion of the centre of mass off the sums, completes the virial, and lets the barostat feel the pressure.
fn end_of_step(replica: u32, ends: bool) {
    let total_mass = replicas[replica].total_mass;
    let p = total_momentum();
    drift_velocity = select(vec3(0.0), p / total_mass, ends);
    if ends {
        let v = p / total_mass;
        totals[0] = fma(-p.x, v.x, totals[0]);
        totals[1] = fma(-p.y, v.y, totals[1]);
        totals[2] = fma(-p.z, v.z, totals[2]);
        totals[3] = fma(-p.x, v.y, totals[3]);
        totals[4] = fma(-p.x, v.z, totals[4]);
        totals[5] = fma(-p.y, v.z, totals[5]);
    }
    let tail = replicas[replica].tail_virial;
    let per_volume = 1.0 / replicas[replica].volume;
    for (var k = VIRIAL_SUMS; k < VIRIAL_SUMS + 3u; k++) {
        totals[k] = fma(tail, per_volume, totals[k]);
    }
    twice_kinetic[0] = totals[0] + totals[1] + totals[2];
    twice_kinetic[1] = totals[6];
    virial_trace = totals[8] + totals[9] + totals[10];
    if ends && replicas[replica].ensemble == NPT {
        kick_barostat(replica, stream[set_point(replica, step_done + 1u)].y);
    }
}

// Half a step of W de/dt = tr W_mol + a sum m v^2 - 3 P V.
fn kick_barostat(replica: u32, pressure: f32) {
    let acceleration = fma(-3.0 * pressure, replicas[replica].volume,
        fma(replicas[replica].coupling, twice_kinetic[0], virial_trace)) / replicas[replica].barostat_mass;
    strain_rate = add_wide(strain_rate, to_wide(0.5 * replicas[replica].timestep * acceleration, STRAIN_SCALE));
}

// Place of the set points (kT, pressure, their changes over the step that begins there) of a step, and behind it of what is due at it.
fn set_point(replica: u32, step: u32) -> u32 {
    return 2u * ((step % SLOTS) * n_replicas() + replica);
}

// Half a step of the chains: a thread each for translation, rotation and the barostat.
fn half_chain(replica: u32, thread: u32, number: u32, at_end: bool) {
    if thread > 2u {
        return;
    }
    let ensemble = replicas[replica].ensemble;
    var scale = 0.0;
    if ensemble == NPT || (ensemble == NVT && thread < 2u) {
        var kinetic: f32;
        if thread == 2u {
            let rate = of_wide(strain_rate) * STRAIN_UNIT;
            kinetic = replicas[replica].barostat_mass * rate * rate;
        } else {
            kinetic = twice_kinetic[thread];
        }
        let kt = stream[set_point(replica, number)].x;
        var chain = replicas[replica].chains[thread];
        scale = propagate(&chain, kinetic, kt, 0.5 * replicas[replica].timestep);
        replicas[replica].chains[thread] = chain;
        reduced_potential[thread] = reduced_potential_of(chain);
        if thread == 2u {
            let rate = of_wide(strain_rate) * STRAIN_UNIT;
            strain_rate = add_wide(strain_rate, to_wide(rate * scale, STRAIN_SCALE));
        } else {
            twice_kinetic[thread] = kinetic * (1.0 + scale) * (1.0 + scale);
        }
        if beyond_range {
            no_body_out_of_range(replica);
        }
    }
    if at_end {
        end_scale[thread] = scale;
    } else {
        begin_scale[thread] = scale;
    }
}

fn scale_velocities(replica: u32, thread: u32) {
    for (var body = thread; body < N_BODIES; body += 256u) {
        var velocity = load_wide(VELOCITY, replica, body);
        velocity = add_wide3(velocity, -drift_velocity, VELOCITY_SCALE);
        velocity = add_wide3(velocity, velocity_of(velocity) * end_scale[0], VELOCITY_SCALE);
        store_wide(VELOCITY, replica, body, velocity);
        if tables[BODIES + body * BODY_WORDS + 2u] != POINT {
            let l = load_wide(ANGULAR_MOMENTUM, replica, body);
            store_wide(ANGULAR_MOMENTUM, replica, body, add_wide3(l, momentum_of(l) * end_scale[1], MOMENTUM_SCALE));
        }
    }
}

// ---- samples

// Pressure tensor at the end of a step, where it is due.
fn sample_stress(replica: u32) {
    let due = bitcast<vec4<u32>>(stream[set_point(replica, step_done + 1u) + 1u]);
    if due.x == 0u {
        return;
    }
    // Kinetic energies have been scaled by the chain since they were summed.
    let factor = (1.0 + end_scale[0]) * (1.0 + end_scale[0]);
    let n = n_replicas();
    let at = 2u * (n * SLOTS + (due.x - 1u) * n + replica);
    let volume = replicas[replica].volume;
    stream[at] = vec4(
        fma(totals[0], factor, totals[8]), fma(totals[1], factor, totals[9]), fma(totals[2], factor, totals[10]),
        fma(totals[3], factor, totals[11])) / volume;
    stream[at + 1u] = vec4(fma(totals[4], factor, totals[12]), fma(totals[5], factor, totals[13]), 0.0, 0.0) / volume;
}

// Unwrapped positions of the molecules' centres, where they are due.
fn sample_centres(replica: u32, thread: u32) {
    let due = bitcast<vec4<u32>>(stream[set_point(replica, step_done + 1u) + 1u]);
    if due.y == 0u {
        return;
    }
    let n = n_replicas();
    let at = 4u * n * SLOTS + 2u * ((due.y - 1u) * n + replica) * N_MOLECULES;
    for (var molecule = thread; molecule < N_MOLECULES; molecule += 256u) {
        let body = tables[MOLECULES + 4u * molecule + 3u];
        stream[at + 2u * molecule] = bitcast<vec4<f32>>(bodies[body_word(UNWRAPPED, replica, body)]);
        stream[at + 2u * molecule + 1u] = bitcast<vec4<f32>>(bodies[body_word(UNWRAPPED + 1u, replica, body)]);
    }
}

// ---- the beginning of a step

// The barostat, the work of the set points, and the growth of the cell.
fn begin_step(replica: u32) {
    let entry = stream[set_point(replica, step_done)];
    let dt = replicas[replica].timestep;
    drift_time = dt;
    new_growth = replicas[replica].growth;
    middle_growth = new_growth;
    let ensemble = replicas[replica].ensemble;
    if ensemble == NVE {
        begin_kick = vec2(0.0, 0.5 * dt);
        return;
    }
    var reduced = reduced_potential[0] + reduced_potential[1];
    var work = 0.0;
    if ensemble == NPT {
        kick_barostat(replica, entry.y);
        reduced += reduced_potential[2];
        let before = replicas[replica].volume;
        let half_strain = 0.5 * of_wide(strain_rate) * STRAIN_UNIT * dt;
        // Half-way between the cells before and after.
        middle_growth = new_growth * exponential(half_strain);
        let log_growth = add_wide(replicas[replica].log_growth, to_wide(2.0 * half_strain, STRAIN_SCALE));
        replicas[replica].log_growth = log_growth;
        new_growth = exponential(of_wide(log_growth) * STRAIN_UNIT);
        let volume = replicas[replica].volume_at_start * new_growth * new_growth * new_growth;
        replicas[replica].volume = volume;
        // The first half of the work uses the volume before the drift, the second that after it.
        work = 0.5 * entry.w * before;
        work = fma(0.5 * entry.w, volume, work);
        // Over the growth to mid-step, since increments are fractions of the cell there.
        drift_time = dt * sinh_over_argument(half_strain);
    }
    begin_kick = kick_factors(replica);
    work = fma(entry.z, reduced, work);
    replicas[replica].set_point_work = add_wide(replicas[replica].set_point_work, to_wide(work, WORK_SCALE));
    if beyond_range {
        no_body_out_of_range(replica);
    }
}

fn move_bodies(replica: u32, thread: u32) {
    let dt = replicas[replica].timestep;
    let row_a = replicas[replica].reciprocal_at_start[0].xyz;
    let row_b = replicas[replica].reciprocal_at_start[1].xyz;
    let row_c = replicas[replica].reciprocal_at_start[2].xyz;
    let edge_a = replicas[replica].edges_at_start[0].xyz * new_growth;
    let edge_b = replicas[replica].edges_at_start[1].xyz * new_growth;
    let edge_c = replicas[replica].edges_at_start[2].xyz * new_growth;
    let to_middle = 4294967296.0 / middle_growth;
    let to_new = 4294967296.0 / new_growth;
    var farthest = 0.0;
    for (var body = thread; body < N_BODIES; body += 256u) {
        let entry = BODIES + body * BODY_WORDS;
        let first = tables[entry];
        let size = tables[entry + 1u];
        let kind = tables[entry + 2u];
        let f = body_force(replica, body);
        // They have been used: the planes of the mesh add the next ones up from zero.
        for (var index = 3u * (replica * N_ATOMS + first); index < 3u * (replica * N_ATOMS + first + size); index++) {
            reciprocal_forces[index] = 0;
        }
        var velocity = load_wide(VELOCITY, replica, body);
        velocity = add_wide3(velocity, velocity_of(velocity) * begin_scale[0], VELOCITY_SCALE);
        velocity = kicked(velocity, f.force, table_float(entry + 3u), begin_kick);
        store_wide(VELOCITY, replica, body, velocity);
        let d = velocity_of(velocity) * drift_time;
        // Half an angstrom a step is far beyond any sound time step.
        if any_reaches(d, 0.49) {
            out_of_range(replica, body);
        }
        store_wide(UNWRAPPED, replica, body, add_wide3(load_wide(UNWRAPPED, replica, body), d, LENGTH_SCALE));
        let s = vec3(dot3(row_a, d), dot3(row_b, d), dot3(row_c, d)) * to_middle;
        let centre = bitcast<vec3<i32>>(bodies[body_word(CENTRE, replica, body)].xyz) + vec3<i32>(round(s));
        bodies[body_word(CENTRE, replica, body)] = vec4(bitcast<vec3<u32>>(centre), 0u);
        if kind == POINT {
            farthest = max(farthest, place_atom(replica, first, centre, edge_a, edge_b, edge_c));
        } else {
            var l = load_wide(ANGULAR_MOMENTUM, replica, body);
            l = add_wide3(l, momentum_of(l) * begin_scale[1], MOMENTUM_SCALE);
            l = add_wide3(l, 0.5 * dt * f.torque, MOMENTUM_SCALE);
            var q = orientation_of(replica, body);
            rotate_freely(replica, body, &q, &l, inverse_moments(kind), dt);
            store_wide(ANGULAR_MOMENTUM, replica, body, l);
            bodies[body_word(ORIENTATION, replica, body)] = bitcast<vec4<u32>>(q);
            let turn = rotation(q);
            for (var a = 0u; a < size; a++) {
                let arm = to_laboratory(turn, arm_of(kind, a));
                let at = centre + vec3<i32>(round(vec3(dot3(row_a, arm), dot3(row_b, arm), dot3(row_c, arm)) * to_new));
                farthest = max(farthest, place_atom(replica, first + a, at, edge_a, edge_b, edge_c));
            }
        }
        if beyond_range {
            out_of_range(replica, body);
        }
    }
    atomicMax(&largest_displacement, bitcast<u32>(farthest));
}

fn out_of_range(replica: u32, body: u32) {
    no_body_out_of_range(replica);
    atomicMin(&replicas[replica].stray_body, body);
}

// A chain, the strain or the work: without a body, the host knows.
fn no_body_out_of_range(replica: u32) {
    atomicOr(&replicas[replica].status, OUT_OF_RANGE);
    atomicStore(&trouble, 1u);
    beyond_range = false;
}

// Writes an atom's position; returns the square of its displacement since the lists were built.
fn place_atom(replica: u32, atom: u32, at: vec3<i32>, edge_a: vec3<f32>, edge_b: vec3<f32>, edge_c: vec3<f32>) -> f32 {
    atoms[atom_now(replica, atom)] = vec4(at, 0);
    let d = columns3(edge_a, edge_b, edge_c, vec3<f32>(at - atoms[atom_at_build(replica, atom)].xyz));
    return dot3(d, d);
}

// The lists hold as long as no pair can have come from beyond their reach: growth/growth at build x reach - 2 d > cutoff.
fn check_list(replica: u32) {
    let moved = sqrt(bitcast<f32>(atomicLoad(&largest_displacement)));
    if replicas[replica].ensemble == NPT {
        replicas[replica].growth = new_growth;
        for (var k = 0u; k < 3u; k++) {
            replicas[replica].edges[k] = replicas[replica].edges_at_start[k] * new_growth;
            replicas[replica].reciprocal[k] = replicas[replica].reciprocal_at_start[k] / new_growth;
        }
    }
    let ratio = new_growth / replicas[replica].growth_at_build;
    // 1e-4 angstrom covers the rounding of the distances.
    if fma(ratio, REACH, -2.0 * moved) > CUTOFF + 1e-4 {
        return;
    }
    replicas[replica].rebuild = 1u;
    replicas[replica].growth_at_build = new_growth;
    if REACH + LARGEST_ARM > replicas[replica].half_height_at_start * new_growth {
        atomicOr(&replicas[replica].status, CELL_TOO_SMALL);
    }
}
