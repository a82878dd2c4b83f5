// Orientations of rigid bodies and their free rotation: NO_SQUISH (Miller et al. 2002, doi:10.1063/1.1473654) in terms of the angular
// momentum L in the body frame. A rotation about body axis k turns q by L_k t/I_k about that axis and L by the opposite angle.

// Columns of the rotation matrix of a quaternion (w, x, y, z).
struct Rotation {
    x: vec3<f32>,
    y: vec3<f32>,
    z: vec3<f32>,
}

fn rotation(fixed: vec4<i32>) -> Rotation {
    let q = vec4<f32>(fixed) * QUATERNION_UNIT;
    let w = q.x;
    let x = q.y;
    let y = q.z;
    let z = q.w;
    return Rotation(
        vec3(fma(-2.0, fma(y, y, z * z), 1.0), 2.0 * fma(x, y, w * z), 2.0 * fma(x, z, -(w * y))),
        vec3(2.0 * fma(x, y, -(w * z)), fma(-2.0, fma(x, x, z * z), 1.0), 2.0 * fma(y, z, w * x)),
        vec3(2.0 * fma(x, z, w * y), 2.0 * fma(y, z, -(w * x)), fma(-2.0, fma(x, x, y * y), 1.0)));
}

fn to_laboratory(turn: Rotation, v: vec3<f32>) -> vec3<f32> {
    return columns3(turn.x, turn.y, turn.z, v);
}

fn to_body(turn: Rotation, v: vec3<f32>) -> vec3<f32> {
    return vec3(dot3(turn.x, v), dot3(turn.y, v), dot3(turn.z, v));
}

fn rotate_freely(
    replica: u32, body: u32, q: ptr<function, vec4<i32>>, l: ptr<function, Wide3>, inverse: vec3<f32>, dt: f32,
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
    let excess = fma(f32(squares), 9.31322575e-10, fma(dot4(vec4<f32>(upper), vec4<f32>(lower)), 5.68434189e-14,
        dot4(vec4<f32>(lower), vec4<f32>(lower)) * 8.67361738e-19));
    *q -= vec4<i32>(round(vec4<f32>(*q) * (0.5 * excess)));
}

fn dot4(a: vec4<f32>, b: vec4<f32>) -> f32 {
    return fma(a.w, b.w, dot3(a.xyz, b.xyz));
}

// Free rotation about body axis k: q turns by the angle L_k t/I_k, the other components of L by its opposite.
fn turn_about(
    replica: u32, body: u32, k: u32, q: ptr<function, vec4<i32>>, l: ptr<function, Wide3>, inverse: vec3<f32>, time: f32,
) {
    let momentum = momentum_of(*l);
    let half_angle = 0.5 * momentum[k] * inverse[k] * time;
    if reaches(half_angle, 0.5) {
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
    *q += vec4<i32>(round(fma(vec4(sine(half_angle)), turned, (-2.0 * half_sine * half_sine) * from_q)));
    let whole_sine = sine(half_angle);
    var about = momentum;
    about[k] = 0.0;
    let change = fma(vec3(sine(2.0 * half_angle)), across, (-2.0 * whole_sine * whole_sine) * about);
    *l = add_wide3(*l, change, MOMENTUM_SCALE);
}
