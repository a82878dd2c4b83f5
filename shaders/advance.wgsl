// Fourth dispatch: one workgroup a replica ends a step and begins the next. Ending: half kick, barostat, thermostat chains.
// Beginning: chains, barostat, half kick, drift and rotation, new atom positions, and whether the lists still hold.
// Both halves write what they have to memory, so that a run has the same bits wherever it is cut into chunks.
//
// NO_SQUISH (Miller et al. 2002, doi:10.1063/1.1473654) in terms of the angular momentum L in the body frame: the free rotation about
// body axis k turns q by L_k t/I_k about that axis and L by the opposite angle. Chains: Martyna, Klein, Tuckerman 1992
// (doi:10.1063/1.463940), factorised as in doi:10.1080/00268979600100761 with Yoshida's weights; barostat: MTK, isotropic.

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read_write> replicas: array<Replica>;
@group(0) @binding(2) var<storage, read_write> atoms: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> forces: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> reciprocal_forces: array<i32>;
@group(0) @binding(5) var<storage, read> partials: array<f32>;
// Eight sections of one vec4 a body: centre, unwrapped position (low words, high words), velocity (high, low parts),
// orientation, angular momentum in the body frame (high, low parts).
@group(0) @binding(6) var<storage, read_write> bodies: array<vec4<u32>>;
// Set points and what is due at each step of two chunks, then what was sampled.
@group(0) @binding(7) var<storage, read_write> stream: array<vec4<f32>>;

const SUMS: u32 = 16u;
var<workgroup> partial_sums: array<f32, 4112>;
var<workgroup> totals: array<f32, 16>;
var<workgroup> largest_displacement: atomic<u32>;
var<workgroup> run_flags: u32;
// What one thread has worked out for all: factors less one of the two half chains, translation and rotation; momentum over mass.
var<workgroup> end_scale: vec2<f32>;
var<workgroup> begin_scale: vec2<f32>;
var<workgroup> drift_velocity: vec3<f32>;
// Less one of the decay, and impulse, of a half kick under the barostat: at the end and at the beginning of a step.
var<workgroup> end_kick: vec2<f32>;
var<workgroup> begin_kick: vec2<f32>;
// Centres move by this time times their velocity (ps); the cell to which they move.
var<workgroup> drift_time: f32;
var<workgroup> new_growth: f32;

const ENDS: u32 = 1u;
const BEGINS: u32 = 2u;
const SUMS_AFRESH: u32 = 4u;

@compute @workgroup_size(256)
fn advance(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let replica = group.x;
    if thread == 0u {
        run_flags = what_to_do(replica);
        atomicStore(&largest_displacement, 0u);
    }
    let flags = workgroupUniformLoad(&run_flags);
    if flags == 0u {
        return;
    }
    let ends = (flags & ENDS) != 0u;
    let begins = (flags & BEGINS) != 0u;
    if thread == 0u {
        end_kick = kick_factors(replica);
    }
    workgroupBarrier();
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
        half_chains(replica, thread, replicas[replica].step + 1u, true);
        storageBarrier();
        workgroupBarrier();
        if thread == 0u {
            sample_stress(replica);
        }
        scale_velocities(replica, thread);
        storageBarrier();
        workgroupBarrier();
        sample_centres(replica, thread);
        // Nobody counts on before everybody has looked at the count.
        workgroupBarrier();
        if thread == 0u {
            replicas[replica].step += 1u;
            replicas[replica].rebuild = 0u;
        }
        storageBarrier();
        workgroupBarrier();
    }
    if !begins {
        if thread == 0u {
            replicas[replica].phase = AT_REST;
        }
        return;
    }
    half_chains(replica, thread, replicas[replica].step, false);
    storageBarrier();
    workgroupBarrier();
    if thread == 0u {
        begin_step(replica);
    }
    storageBarrier();
    workgroupBarrier();
    move_bodies(replica, thread);
    storageBarrier();
    workgroupBarrier();
    for (var index = thread; index < 3u * N_ATOMS; index += 256u) {
        reciprocal_forces[3u * replica * N_ATOMS + index] = 0;
    }
    if thread == 0u {
        check_list(replica);
        replicas[replica].phase = MID_STEP;
    }
}

fn what_to_do(replica: u32) -> u32 {
    if atomicLoad(&replicas[replica].status) != 0u {
        return 0u;
    }
    let phase = replicas[replica].phase;
    // Counting the step that ends now.
    let done = replicas[replica].step + select(0u, 1u, phase == MID_STEP);
    let begins = select(0u, BEGINS, done != replicas[replica].last_step);
    switch phase {
        case AT_REST: { return begins; }
        case MID_STEP: { return ENDS | begins; }
        case EVALUATE: { return SUMS_AFRESH | begins; }
        default: { return begins; }
    }
}

// ---- bodies

fn body_word(section: u32, replica: u32, body: u32) -> u32 {
    return (section * N_REPLICAS + replica) * N_BODIES + body;
}

fn load_two(section: u32, replica: u32, body: u32) -> Two {
    return Two(
        bitcast<vec3<f32>>(bodies[body_word(section, replica, body)].xyz),
        bitcast<vec3<f32>>(bodies[body_word(section + 1u, replica, body)].xyz));
}

fn store_two(section: u32, replica: u32, body: u32, number: Two) {
    bodies[body_word(section, replica, body)] = vec4(bitcast<vec3<u32>>(number.high), 0u);
    bodies[body_word(section + 1u, replica, body)] = vec4(bitcast<vec3<u32>>(number.low), 0u);
}

const CENTRE: u32 = 0u;
const UNWRAPPED: u32 = 1u;
const VELOCITY: u32 = 3u;
const ORIENTATION: u32 = 5u;
const ANGULAR_MOMENTUM: u32 = 6u;
const POINT: u32 = 0xffffffffu;
// Orientations are integers of 2^-30.
const QUATERNION_UNIT: f32 = 9.31322575e-10;

fn orientation_of(replica: u32, body: u32) -> vec4<i32> {
    return bitcast<vec4<i32>>(bodies[body_word(ORIENTATION, replica, body)]);
}

// Rotation matrix (columns) of a quaternion (w, x, y, z).
fn rotation(fixed: vec4<i32>) -> mat3x3<f32> {
    let q = vec4<f32>(fixed) * QUATERNION_UNIT;
    let w = q.x;
    let x = q.y;
    let y = q.z;
    let z = q.w;
    return mat3x3(
        vec3(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        vec3(2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        vec3(2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)));
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
    return forces[index].xyz + mesh_force / FORCE_UNITS;
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
        let arm = turn * arm_of(kind, a);
        result.force += f;
        torque += cross(arm, f);
        result.arms_diagonal += arm * f;
        result.arms_off += 0.5 * (arm.xxy * f.yzz + arm.yzz * f.xxy);
    }
    result.torque = transpose(turn) * torque;
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
    // m v v (xx, yy, zz, xy, xz, yz), momentum, twice the rotational energy, virial.
    var kinetic_diagonal = vec3(0.0);
    var kinetic_off = vec3(0.0);
    var momentum = vec3(0.0);
    var rotational = 0.0;
    var virial_diagonal = vec3(0.0);
    var virial_off = vec3(0.0);
    for (var body = thread; body < N_BODIES; body += 256u) {
        let entry = BODIES + body * BODY_WORDS;
        let mass = table_float(entry + 3u);
        let f = body_force(replica, body);
        var velocity = load_two(VELOCITY, replica, body);
        if kicks {
            velocity = kicked(velocity, f.force, mass, end_kick);
            store_two(VELOCITY, replica, body, velocity);
        }
        let v = velocity.high;
        kinetic_diagonal += mass * v * v;
        kinetic_off += mass * v.xxy * v.yzz;
        momentum += mass * v;
        virial_diagonal -= f.arms_diagonal;
        virial_off -= f.arms_off;
        let kind = tables[entry + 2u];
        if kind != POINT {
            var l = load_two(ANGULAR_MOMENTUM, replica, body);
            if kicks {
                l = add_two(l, half * f.torque);
                store_two(ANGULAR_MOMENTUM, replica, body, l);
            }
            rotational += dot(l.high * l.high, inverse_moments(kind));
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
    var mine = array<f32, 16>(
        kinetic_diagonal.x, kinetic_diagonal.y, kinetic_diagonal.z, kinetic_off.x, kinetic_off.y, kinetic_off.z,
        momentum.x, momentum.y, momentum.z, rotational,
        virial_diagonal.x, virial_diagonal.y, virial_diagonal.z, virial_off.x, virial_off.y, virial_off.z);
    for (var k = 0u; k < SUMS; k++) {
        partial_sums[k * 257u + thread] = mine[k];
    }
    workgroupBarrier();
    // Sixteen threads a sum, sixteen numbers a thread: always in this order.
    let k = thread / 16u;
    let at = k * 257u + (thread % 16u) * 16u;
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) {
        sum += partial_sums[at + i];
    }
    workgroupBarrier();
    partial_sums[thread] = sum;
    workgroupBarrier();
    if thread < SUMS {
        var total = 0.0;
        for (var i = 0u; i < 16u; i++) {
            total += partial_sums[thread * 16u + i];
        }
        totals[thread] = total;
    }
}

// v exp(-a e t) + F/m t exp(-a e t/2) sinh(x)/x, with `factors` = (exp(-a e t) - 1, impulse); without a barostat v + F t/m.
fn kicked(velocity: Two, force: vec3<f32>, mass: f32, factors: vec2<f32>) -> Two {
    return add_two(velocity, velocity.high * factors.x + force * (factors.y / mass));
}

fn kick_factors(replica: u32) -> vec2<f32> {
    let half = 0.5 * replicas[replica].timestep;
    if replicas[replica].ensemble != NPT {
        return vec2(0.0, half);
    }
    let x = 0.5 * replicas[replica].constants.y * replicas[replica].strain_rate.x * half;
    let decay = exponential_minus_one(-x);
    return vec2(decay * (2.0 + decay), half * (1.0 + decay) * sinh_over_argument(x));
}

// Takes the motion of the centre of mass off the sums, and lets the barostat feel the pressure.
fn end_of_step(replica: u32, ends: bool) {
    let total_mass = replicas[replica].constants.z;
    let p = vec3(totals[6], totals[7], totals[8]);
    drift_velocity = select(vec3(0.0), p / total_mass, ends);
    if ends {
        totals[0] -= p.x * p.x / total_mass;
        totals[1] -= p.y * p.y / total_mass;
        totals[2] -= p.z * p.z / total_mass;
        totals[3] -= p.x * p.y / total_mass;
        totals[4] -= p.x * p.z / total_mass;
        totals[5] -= p.y * p.z / total_mass;
    }
    let twice_kinetic = totals[0] + totals[1] + totals[2];
    let virial = totals[10] + totals[11] + totals[12];
    replicas[replica].sums = vec4(twice_kinetic, totals[9], virial, 0.0);
    if ends && replicas[replica].ensemble == NPT {
        let pressure = stream[set_point(replica, replicas[replica].step + 1u)].y;
        kick_barostat(replica, pressure);
    }
    end_scale = vec2(0.0);
}

fn kick_barostat(replica: u32, pressure: f32) {
    let constants = replicas[replica].constants;
    let sums = replicas[replica].sums;
    let acceleration = (sums.z + constants.y * sums.x - 3.0 * pressure * replicas[replica].volume) / constants.x;
    replicas[replica].strain_rate = add_two_scalar(replicas[replica].strain_rate, 0.5 * replicas[replica].timestep * acceleration);
}

// ---- chains

// The stream holds a ring of steps: a power of two, so that their low words count on past 2^32.
fn set_point(replica: u32, number: u32) -> u32 {
    return 2u * (replica * SLOTS + number % SLOTS);
}

// Half a step of the chain of translations (thread 0), rotations (thread 1) and the barostat (thread 2).
fn half_chains(replica: u32, thread: u32, number: u32, at_end: bool) {
    if thread > 2u {
        return;
    }
    if replicas[replica].ensemble == NVE {
        if thread == 0u {
            begin_scale = vec2(0.0);
        }
        return;
    }
    let kt = stream[set_point(replica, number)].x;
    let half = 0.5 * replicas[replica].timestep;
    if thread == 0u {
        var chain = replicas[replica].translation;
        let scale = propagate(&chain, replicas[replica].sums.x, kt, half);
        replicas[replica].translation = chain;
        replicas[replica].sums.x *= (1.0 + scale) * (1.0 + scale);
        if at_end { end_scale.x = scale; } else { begin_scale.x = scale; }
    } else if thread == 1u {
        var chain = replicas[replica].rotation;
        let scale = propagate(&chain, replicas[replica].sums.y, kt, half);
        replicas[replica].rotation = chain;
        replicas[replica].sums.y *= (1.0 + scale) * (1.0 + scale);
        if at_end { end_scale.y = scale; } else { begin_scale.y = scale; }
    } else if replicas[replica].ensemble == NPT {
        var chain = replicas[replica].barostat;
        let rate = replicas[replica].strain_rate;
        let scale = propagate(&chain, replicas[replica].constants.x * rate.x * rate.x, kt, half);
        replicas[replica].barostat = chain;
        replicas[replica].strain_rate = add_two_scalar(rate, rate.x * scale);
    }
}

// Advances a chain coupled to variables with twice the kinetic energy `kinetic`; returns their factor less one.
fn propagate(chain: ptr<function, Chain>, kinetic: f32, kt: f32, duration: f32) -> f32 {
    if (*chain).masses.w <= 0.0 {
        return 0.0;
    }
    var weights = array<f32, 3>(1.35120719, -1.70241438, 1.35120719);
    var scale = 0.0;
    var twice_kinetic = kinetic;
    for (var k = 0u; k < 3u; k++) {
        let time = weights[k] * duration;
        kick_link(chain, 2u, twice_kinetic, kt, time);
        kick_link(chain, 1u, twice_kinetic, kt, time);
        kick_link(chain, 0u, twice_kinetic, kt, time);
        let factor = exponential_minus_one(-time * (*chain).velocity_high.x);
        scale += factor + scale * factor;
        twice_kinetic *= (1.0 + factor) * (1.0 + factor);
        let eta = add_two(
            Two((*chain).eta_high.xyz, (*chain).eta_low.xyz), time * (*chain).velocity_high.xyz);
        (*chain).eta_high = vec4(eta.high, 0.0);
        (*chain).eta_low = vec4(eta.low, 0.0);
        kick_link(chain, 0u, twice_kinetic, kt, time);
        kick_link(chain, 1u, twice_kinetic, kt, time);
        kick_link(chain, 2u, twice_kinetic, kt, time);
    }
    return scale;
}

// v -> (v d + a) d with d the drag of the next link, written as an increment.
fn kick_link(chain: ptr<function, Chain>, link: u32, twice_kinetic: f32, kt: f32, time: f32) {
    let v = (*chain).velocity_high;
    var force = twice_kinetic - (*chain).masses.w * kt;
    var mass = (*chain).masses.x;
    var next = v.y;
    var own = vec2(v.x, (*chain).velocity_low.x);
    if link == 1u {
        force = (*chain).masses.x * v.x * v.x - kt;
        mass = (*chain).masses.y;
        next = v.z;
        own = vec2(v.y, (*chain).velocity_low.y);
    } else if link == 2u {
        force = (*chain).masses.y * v.y * v.y - kt;
        mass = (*chain).masses.z;
        next = 0.0;
        own = vec2(v.z, (*chain).velocity_low.z);
    }
    let drag = exponential_minus_one(-0.25 * time * next);
    own = add_two_scalar(own, own.x * drag * (2.0 + drag) + 0.5 * time * force / mass * (1.0 + drag));
    if link == 0u {
        (*chain).velocity_high.x = own.x;
        (*chain).velocity_low.x = own.y;
    } else if link == 1u {
        (*chain).velocity_high.y = own.x;
        (*chain).velocity_low.y = own.y;
    } else {
        (*chain).velocity_high.z = own.x;
        (*chain).velocity_low.z = own.y;
    }
}

fn scale_velocities(replica: u32, thread: u32) {
    for (var body = thread; body < N_BODIES; body += 256u) {
        var velocity = add_two(load_two(VELOCITY, replica, body), -drift_velocity);
        velocity = add_two(velocity, velocity.high * end_scale.x);
        store_two(VELOCITY, replica, body, velocity);
        if tables[BODIES + body * BODY_WORDS + 2u] != POINT {
            let l = load_two(ANGULAR_MOMENTUM, replica, body);
            store_two(ANGULAR_MOMENTUM, replica, body, add_two(l, l.high * end_scale.y));
        }
    }
}

// ---- samples

// Pressure tensor at the end of a step, where it is due.
fn sample_stress(replica: u32) {
    let due = bitcast<vec4<u32>>(stream[set_point(replica, replicas[replica].step + 1u) + 1u]);
    if due.x == 0u {
        return;
    }
    // Kinetic energies have been scaled by the chain since they were summed.
    let factor = (1.0 + end_scale.x) * (1.0 + end_scale.x);
    let at = STRESS_SECTION + 2u * (replica * SLOTS + due.x - 1u);
    let volume = replicas[replica].volume;
    stream[at] = vec4(
        fma(totals[0], factor, totals[10]), fma(totals[1], factor, totals[11]), fma(totals[2], factor, totals[12]),
        fma(totals[3], factor, totals[13])) / volume;
    stream[at + 1u] = vec4(fma(totals[4], factor, totals[14]), fma(totals[5], factor, totals[15]), 0.0, 0.0) / volume;
}

// Unwrapped positions of the molecules' centres, where they are due.
fn sample_centres(replica: u32, thread: u32) {
    let due = bitcast<vec4<u32>>(stream[set_point(replica, replicas[replica].step + 1u) + 1u]);
    if due.y == 0u {
        return;
    }
    let at = WINDOW_SECTION + 2u * (replica * WINDOW_SLOTS + due.y - 1u) * N_MOLECULES;
    for (var molecule = thread; molecule < N_MOLECULES; molecule += 256u) {
        let body = tables[MOLECULES + 4u * molecule + 3u];
        stream[at + 2u * molecule] = bitcast<vec4<f32>>(bodies[body_word(UNWRAPPED, replica, body)]);
        stream[at + 2u * molecule + 1u] = bitcast<vec4<f32>>(bodies[body_word(UNWRAPPED + 1u, replica, body)]);
    }
}

// ---- the beginning of a step

// The barostat, the work of the set points, and the growth of the cell.
fn begin_step(replica: u32) {
    let entry = stream[set_point(replica, replicas[replica].step)];
    let dt = replicas[replica].timestep;
    drift_time = dt;
    new_growth = replicas[replica].growth;
    let ensemble = replicas[replica].ensemble;
    if ensemble == NVE {
        begin_kick = vec2(0.0, 0.5 * dt);
        return;
    }
    var reduced = reduced_potential(replicas[replica].translation) + reduced_potential(replicas[replica].rotation);
    var work = 0.0;
    if ensemble == NPT {
        kick_barostat(replica, entry.y);
        reduced += reduced_potential(replicas[replica].barostat);
        work = 0.5 * entry.w * replicas[replica].volume;
        let half = 0.5 * replicas[replica].strain_rate.x * dt;
        replicas[replica].log_growth = add_two_scalar(replicas[replica].log_growth, 2.0 * half);
        let log_growth = replicas[replica].log_growth;
        new_growth = exponential(log_growth.x) * (1.0 + log_growth.y);
        replicas[replica].volume = replicas[replica].volume_at_start * new_growth * new_growth * new_growth;
        work += 0.5 * entry.w * replicas[replica].volume;
        // Over the growth to mid-step, since increments are fractions of the cell there.
        drift_time = dt * sinh_over_argument(half);
    }
    begin_kick = kick_factors(replica);
    replicas[replica].set_point_work = add_two_scalar(replicas[replica].set_point_work, fma(entry.z, reduced, work));
}

// g eta_1 + eta_2 + eta_3.
fn reduced_potential(chain: Chain) -> f32 {
    if chain.masses.w <= 0.0 {
        return 0.0;
    }
    return chain.masses.w * chain.eta_high.x + chain.eta_high.y + chain.eta_high.z;
}

fn move_bodies(replica: u32, thread: u32) {
    let dt = replicas[replica].timestep;
    // Half-way between the cells before and after.
    let half_growth = exponential(0.5 * replicas[replica].strain_rate.x * dt);
    let middle = select(new_growth, replicas[replica].growth * half_growth, replicas[replica].ensemble == NPT);
    let row_a = replicas[replica].reciprocal_at_start[0].xyz;
    let row_b = replicas[replica].reciprocal_at_start[1].xyz;
    let row_c = replicas[replica].reciprocal_at_start[2].xyz;
    let edge_a = replicas[replica].edges_at_start[0].xyz * new_growth;
    let edge_b = replicas[replica].edges_at_start[1].xyz * new_growth;
    let edge_c = replicas[replica].edges_at_start[2].xyz * new_growth;
    let to_middle = 4294967296.0 / middle;
    let to_new = 4294967296.0 / new_growth;
    var farthest = 0.0;
    for (var body = thread; body < N_BODIES; body += 256u) {
        let entry = BODIES + body * BODY_WORDS;
        let first = tables[entry];
        let kind = tables[entry + 2u];
        let f = body_force(replica, body);
        var velocity = load_two(VELOCITY, replica, body);
        velocity = add_two(velocity, velocity.high * begin_scale.x);
        velocity = kicked(velocity, f.force, table_float(entry + 3u), begin_kick);
        store_two(VELOCITY, replica, body, velocity);
        let d = velocity.high * drift_time;
        // Half an angstrom a step is what the fixed-point increments hold, and far beyond any sound time step.
        if !(max(max(abs(d.x), abs(d.y)), abs(d.z)) < 0.49) {
            out_of_range(replica, body);
        }
        move_unwrapped(replica, body, vec3<i32>(round(d * 4294967296.0)));
        let s = vec3(dot(row_a, d), dot(row_b, d), dot(row_c, d)) * to_middle;
        let centre = bitcast<vec3<i32>>(bodies[body_word(CENTRE, replica, body)].xyz) + vec3<i32>(round(s));
        bodies[body_word(CENTRE, replica, body)] = vec4(bitcast<vec3<u32>>(centre), 0u);
        if kind == POINT {
            farthest = max(farthest, place_atom(replica, first, centre, edge_a, edge_b, edge_c));
            continue;
        }
        var l = load_two(ANGULAR_MOMENTUM, replica, body);
        l = add_two(l, l.high * begin_scale.y);
        l = add_two(l, 0.5 * dt * f.torque);
        var q = orientation_of(replica, body);
        rotate_freely(replica, body, &q, &l, inverse_moments(kind), dt);
        store_two(ANGULAR_MOMENTUM, replica, body, l);
        bodies[body_word(ORIENTATION, replica, body)] = bitcast<vec4<u32>>(q);
        let turn = rotation(q);
        for (var a = 0u; a < tables[entry + 1u]; a++) {
            let arm = turn * arm_of(kind, a);
            let at = centre + vec3<i32>(round(vec3(dot(row_a, arm), dot(row_b, arm), dot(row_c, arm)) * to_new));
            farthest = max(farthest, place_atom(replica, first + a, at, edge_a, edge_b, edge_c));
        }
    }
    atomicMax(&largest_displacement, bitcast<u32>(farthest));
}

fn out_of_range(replica: u32, body: u32) {
    atomicOr(&replicas[replica].status, OUT_OF_RANGE);
    atomicStore(&replicas[replica].detail_a, body);
}

// Writes an atom's position; returns the square of its displacement since the lists were built.
fn place_atom(replica: u32, atom: u32, at: vec3<i32>, edge_a: vec3<f32>, edge_b: vec3<f32>, edge_c: vec3<f32>) -> f32 {
    atoms[replica * N_ATOMS + atom] = vec4(at, 0);
    let moved = vec3<f32>(at - atoms[(N_REPLICAS + replica) * N_ATOMS + atom].xyz);
    let d = moved.x * edge_a + moved.y * edge_b + moved.z * edge_c;
    return dot(d, d);
}

// 64-bit integers of 2^-32 angstrom.
fn move_unwrapped(replica: u32, body: u32, increment: vec3<i32>) {
    let low = bodies[body_word(UNWRAPPED, replica, body)].xyz;
    let high = bodies[body_word(UNWRAPPED + 1u, replica, body)].xyz;
    let sum = low + bitcast<vec3<u32>>(increment);
    let carry = select(vec3(0u), vec3(1u), sum < low);
    let sign = bitcast<vec3<u32>>(increment >> vec3(31u));
    bodies[body_word(UNWRAPPED, replica, body)] = vec4(sum, 0u);
    bodies[body_word(UNWRAPPED + 1u, replica, body)] = vec4(high + carry + sign, 0u);
}

fn rotate_freely(
    replica: u32, body: u32, q: ptr<function, vec4<i32>>, l: ptr<function, Two>, inverse: vec3<f32>, dt: f32,
) {
    turn_about(replica, body, 2u, q, l, inverse, 0.5 * dt);
    turn_about(replica, body, 1u, q, l, inverse, 0.5 * dt);
    turn_about(replica, body, 0u, q, l, inverse, dt);
    turn_about(replica, body, 1u, q, l, inverse, 0.5 * dt);
    turn_about(replica, body, 2u, q, l, inverse, 0.5 * dt);
    // |q|^2 - 1 from 16-bit halves, exact to 2^-38: one Newton step a step keeps the norm.
    let upper = *q >> vec4(15u);
    let lower = *q & vec4(32767);
    let squares = upper.x * upper.x + upper.y * upper.y + upper.z * upper.z + upper.w * upper.w - 1073741824;
    let excess = f32(squares) * 9.31322575e-10 + dot(vec4<f32>(upper), vec4<f32>(lower)) * 5.68434189e-14
        + dot(vec4<f32>(lower), vec4<f32>(lower)) * 8.67361738e-19;
    *q -= vec4<i32>(round(vec4<f32>(*q) * (0.5 * excess)));
}

// Free rotation about body axis k: q turns by the angle L_k t/I_k, the other components of L by its opposite.
fn turn_about(
    replica: u32, body: u32, k: u32, q: ptr<function, vec4<i32>>, l: ptr<function, Two>, inverse: vec3<f32>, time: f32,
) {
    let momentum = (*l).high;
    let half_angle = 0.5 * momentum[k] * inverse[k] * time;
    if !(abs(half_angle) < 0.5) {
        out_of_range(replica, body);
        return;
    }
    let half_sine = sine(0.5 * half_angle);
    let from_q = vec4<f32>(*q);
    var turned = vec4(-from_q.y, from_q.x, from_q.w, -from_q.z);
    var across = vec3(0.0, momentum.z, -momentum.y);
    if k == 1u {
        turned = vec4(-from_q.z, -from_q.w, from_q.x, from_q.y);
        across = vec3(-momentum.z, 0.0, momentum.x);
    } else if k == 2u {
        turned = vec4(-from_q.w, from_q.z, -from_q.y, from_q.x);
        across = vec3(momentum.y, -momentum.x, 0.0);
    }
    // cos - 1 = -2 sin^2 of half the angle, so that increments keep their digits.
    *q += vec4<i32>(round(sine(half_angle) * turned - 2.0 * half_sine * half_sine * from_q));
    let whole_sine = sine(half_angle);
    var about = momentum;
    about[k] = 0.0;
    *l = add_two(*l, sine(2.0 * half_angle) * across - 2.0 * whole_sine * whole_sine * about);
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
    if ratio * REACH - 2.0 * moved > CUTOFF + 1e-4 {
        return;
    }
    replicas[replica].rebuild = 1u;
    replicas[replica].growth_at_build = new_growth;
    if REACH + LARGEST_ARM > replicas[replica].half_height_at_start * new_growth {
        atomicOr(&replicas[replica].status, CELL_TOO_SMALL);
    }
}
