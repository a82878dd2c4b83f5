// What acts within a flexible molecule: harmonic bonds, angles, impropers, and the correction that takes its pairs off the
// reciprocal sum, -q_i q_j erf(alpha r)/r. (In a rigid molecule the correction has neither net force nor torque.)

struct Intramolecular {
    bond: f32,
    angle: f32,
    improper: f32,
    excluded: f32,
    bonded_diagonal: vec3<f32>,
    bonded_off: vec3<f32>,
    excluded_diagonal: vec3<f32>,
    excluded_off: vec3<f32>,
}

// Offset of the entries of one kind in the tables: numbers of bonds, angles, impropers, then the entries.
fn intramolecular(
    kind: u32, first: u32, size: u32,
    arms: ptr<function, array<vec3<f32>, LARGEST_MOLECULE>>,
    force: ptr<function, array<vec3<f32>, LARGEST_MOLECULE>>,
    result: ptr<function, Intramolecular>,
) {
    if tables[KINDS + kind * KIND_WORDS] == 0u {
        return;
    }
    var at = tables[KINDS + kind * KIND_WORDS + 1u];
    let bonds = tables[at];
    let angles = tables[at + 1u];
    let impropers = tables[at + 2u];
    at += 4u;
    for (var k = 0u; k < bonds; k++) {
        let i = tables[at];
        let j = tables[at + 1u];
        let d = (*arms)[i] - (*arms)[j];
        let r = length3(d);
        let stretch = r - table_float(at + 4u);
        let constant = table_float(at + 5u);
        let f = select(0.0, -2.0 * constant * stretch / r, r > 0.0);
        (*result).bond = fma(constant * stretch, stretch, (*result).bond);
        add_bonded(i, f, d, arms, force, result);
        add_bonded(j, -f, d, arms, force, result);
        at += 6u;
    }
    for (var k = 0u; k < angles; k++) {
        let i = tables[at];
        let j = tables[at + 1u];
        let l = tables[at + 2u];
        let a = (*arms)[i] - (*arms)[j];
        let b = (*arms)[l] - (*arms)[j];
        let normal = cross3(a, b);
        let sine_part = length3(normal);
        let bend = angle_beyond(table_float(at + 4u), sine_part, dot3(a, b));
        let constant = table_float(at + 5u);
        let axis = select(vec3(0.0), normal / sine_part, sine_part > 0.0);
        let torque = -2.0 * constant * bend;
        let on_first = torque / dot3(a, a);
        let on_last = torque / dot3(b, b);
        let first_direction = cross3(a, axis);
        let last_direction = cross3(axis, b);
        (*result).angle = fma(constant * bend, bend, (*result).angle);
        add_bonded(i, on_first, first_direction, arms, force, result);
        add_bonded(j, -on_first, first_direction, arms, force, result);
        add_bonded(j, -on_last, last_direction, arms, force, result);
        add_bonded(l, on_last, last_direction, arms, force, result);
        at += 6u;
    }
    for (var k = 0u; k < impropers; k++) {
        improper(at, arms, force, result);
        at += 6u;
    }
    for (var i = 0u; i < size; i++) {
        for (var j = i + 1u; j < size; j++) {
            let d = (*arms)[i] - (*arms)[j];
            let charge = COULOMB * table_float(ATOM_CHARGES + first + i) * table_float(ATOM_CHARGES + first + j);
            let erf_part = screened(dot3(d, d));
            let f = -charge * erf_part.y;
            (*result).excluded = fma(-charge, erf_part.x, (*result).excluded);
            (*force)[i] = fma(vec3(f), d, (*force)[i]);
            (*force)[j] = fma(vec3(-f), d, (*force)[j]);
            (*result).excluded_diagonal = fma(f * d, d, (*result).excluded_diagonal);
            (*result).excluded_off = fma(f * d.xxy, d.yzz, (*result).excluded_off);
        }
    }
}

fn improper(
    at: u32,
    arms: ptr<function, array<vec3<f32>, LARGEST_MOLECULE>>,
    force: ptr<function, array<vec3<f32>, LARGEST_MOLECULE>>,
    result: ptr<function, Intramolecular>,
) {
    let atom = vec4(tables[at], tables[at + 1u], tables[at + 2u], tables[at + 3u]);
    let constant = table_float(at + 5u);
    let f = (*arms)[atom.x] - (*arms)[atom.y];
    let g = (*arms)[atom.y] - (*arms)[atom.z];
    let h = (*arms)[atom.w] - (*arms)[atom.z];
    let a = cross3(f, g);
    let b = cross3(h, g);
    let a2 = dot3(a, a);
    let b2 = dot3(b, b);
    let g1 = length3(g);
    let sine_part = dot3(cross3(b, a), g) / g1;
    let bend = angle_beyond(table_float(at + 4u), abs(sine_part), dot3(a, b));
    (*result).improper = fma(constant * bend, bend, (*result).improper);
    if !(a2 > 0.0 && b2 > 0.0) {
        return;
    }
    // A planar molecule lies on the crease of |torsion|, where chi0 = 0 leaves no force.
    let torque = -2.0 * constant * bend * select(1.0, -1.0, sine_part < 0.0);
    let on_first = -torque * g1 / a2;
    let on_last = torque * g1 / b2;
    let crease = fma(vec3(dot3(f, g) / (a2 * g1)), a, -(dot3(h, g) / (b2 * g1)) * b);
    add_bonded(atom.x, on_first, a, arms, force, result);
    add_bonded(atom.y, -on_first, a, arms, force, result);
    add_bonded(atom.y, torque, crease, arms, force, result);
    add_bonded(atom.z, -torque, crease, arms, force, result);
    add_bonded(atom.z, -on_last, b, arms, force, result);
    add_bonded(atom.w, on_last, b, arms, force, result);
}

// Adds the force `size` times `direction`.
fn add_bonded(
    atom: u32, size: f32, direction: vec3<f32>,
    arms: ptr<function, array<vec3<f32>, LARGEST_MOLECULE>>,
    force: ptr<function, array<vec3<f32>, LARGEST_MOLECULE>>,
    result: ptr<function, Intramolecular>,
) {
    (*force)[atom] = fma(vec3(size), direction, (*force)[atom]);
    let f = size * direction;
    let d = (*arms)[atom];
    (*result).bonded_diagonal = fma(f, d, (*result).bonded_diagonal);
    (*result).bonded_off = fma(0.5 * f.xxy, d.yzz, fma(0.5 * f.yzz, d.xxy, (*result).bonded_off));
}

// atan2(y, x) - reference for y >= 0 to 1e-7: two halvings of the angle, then the series.
fn angle_beyond(reference: f32, y: f32, x: f32) -> f32 {
    // angle = pi - the angle of (y, -x).
    let is_acute = x >= 0.0;
    // tan(angle/2) = y/(r + |x|), which does not cancel.
    let t = y / (sqrt(fma(x, x, y * y)) + abs(x));
    let u = t / (1.0 + sqrt(fma(t, t, 1.0)));
    // |u| <= tan(pi/8): atan(u)/u to the term u^16.
    let s = u * u;
    let series = fma(s, fma(s, fma(s, fma(s, fma(s, fma(s, fma(s, -0.0666666667, 0.0769230769), -0.0909090909), 0.111111111),
        -0.142857143), 0.2), -0.333333333), 1.0);
    return fma(select(-4.0, 4.0, is_acute) * u, series, select(3.14159265, 0.0, is_acute) - reference);
}

// erf(alpha r)/r and its force over r, by exp(-x) sum_k (2x)^k/(1 3 5 ... (2k + 1)), whose terms are all positive. The force has
// the same sum from k = 1 on over 2x: (1 + 2x/5 (1 + 2x/7 (1 + ...)))/3.
fn screened(r2: f32) -> vec2<f32> {
    let x = ALPHA * ALPHA * r2;
    var sum = 1.0;
    for (var k = 23u; k > 0u; k--) {
        sum = fma(2.0 * x / f32(2u * k + 3u), sum, 1.0);
    }
    sum *= 0.333333333;
    return rounded_product(vec2(TWO_ALPHA_OVER_ROOT_PI * exponential(-x)), vec2(fma(2.0 * x, sum, 1.0), 2.0 * ALPHA * ALPHA * sum));
}
