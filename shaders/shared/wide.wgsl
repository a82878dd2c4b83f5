// Sums that no driver rounds: 64-bit integers of two words (low, high), two's complement, each in a unit 2^-units of its own.
// Pairs of f32 (two-sums) would need compilers that keep (a + b) - a, and compilers do not.

// Some number of this thread did not fit into its integer; NaN and infinity never do.
var<private> beyond_range: bool;

fn add_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2(low, a.y + b.y + select(0u, 1u, low < a.x));
}

// The integer next to x 2^units (halves away from zero), from the bits of x by integer operations alone. |x| 2^units < 2^62.
fn to_wide(x: f32, units: i32) -> vec2<u32> {
    let bits = bitcast<u32>(x);
    let exponent = i32((bits >> 23u) & 255u);
    // |x| = mantissa 2^(exponent - 150); denormals count as zero.
    let mantissa = select(0u, (bits & 0x7fffffu) | 0x800000u, exponent != 0);
    let shift = exponent - 150 + units;
    beyond_range = beyond_range || shift > 38;
    let right = u32(clamp(-shift, 0, 25));
    let left = u32(clamp(shift, 0, 38));
    let rounded = (mantissa + ((1u << right) >> 1u)) >> right;
    let low = select(rounded << (left & 31u), 0u, left > 31u);
    let high = select((rounded >> 1u) >> ((31u - left) & 31u), rounded << (left & 31u), left > 31u);
    let sign = bits >> 31u;
    return negated(vec2(low, high), sign);
}

// The number next to the integer times 2^-units, or the other neighbour; that of -a is minus that of a.
fn of_wide(a: vec2<u32>, units: i32) -> f32 {
    let sign = a.y >> 31u;
    let size = negated(a, sign);
    let x = fma(f32(size.y), 4294967296.0, f32(size.x));
    // Times 2^-units: x is 0, or at least 1.
    let scaled = select(0.0, bitcast<f32>(bitcast<u32>(x) - (u32(units) << 23u)), x >= 1.0);
    return select(scaled, -scaled, sign == 1u);
}

// -a if `sign` is 1, a if it is 0.
fn negated(a: vec2<u32>, sign: u32) -> vec2<u32> {
    let mask = 0u - sign;
    let low = (a.x ^ mask) + sign;
    return vec2(low, (a.y ^ mask) + select(0u, sign, low == 0u));
}

// Three at a time.
struct Wide3 {
    low: vec3<u32>,
    high: vec3<u32>,
}

// The integers plus x.
fn add_wide3(a: Wide3, x: vec3<f32>, units: i32) -> Wide3 {
    let sum_x = add_wide(vec2(a.low.x, a.high.x), to_wide(x.x, units));
    let sum_y = add_wide(vec2(a.low.y, a.high.y), to_wide(x.y, units));
    let sum_z = add_wide(vec2(a.low.z, a.high.z), to_wide(x.z, units));
    return Wide3(vec3(sum_x.x, sum_y.x, sum_z.x), vec3(sum_x.y, sum_y.y, sum_z.y));
}

fn of_wide3(a: Wide3, units: i32) -> vec3<f32> {
    return vec3(
        of_wide(vec2(a.low.x, a.high.x), units), of_wide(vec2(a.low.y, a.high.y), units),
        of_wide(vec2(a.low.z, a.high.z), units));
}
