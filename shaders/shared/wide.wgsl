// Sums that no driver rounds: 64-bit integers of two words (low, high), two's complement, each in a unit of its own, a power of two.
// Pairs of f32 (two-sums) would need compilers that keep (a + b) - a, and compilers do not. Here every operation on reals is exact.

// Some number of this thread did not fit into its integer; NaN and infinity never do.
var<private> beyond_range: bool;

fn add_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2(low, a.y + b.y + select(0u, 1u, low < a.x));
}

// The integer next to x in units of 1/scale, a power of two; that of -x is minus that of x.
fn to_wide(x: f32, scale: f32) -> vec2<u32> {
    let size = round(abs(x) * scale);
    // 2^62.
    beyond_range = beyond_range || reaches(size, 4.611686018427388e18);
    let high = floor(size * 2.3283064365386963e-10);
    let low = u32(fma(high, -4294967296.0, size));
    // Minus it if x is negative.
    let sign = bitcast<u32>(x) >> 31u;
    let mask = 0u - sign;
    let signed_low = (low ^ mask) + sign;
    return vec2(signed_low, (u32(high) ^ mask) + select(0u, sign, signed_low == 0u));
}

// The integer as a real, to be multiplied by its unit, within an ulp; that of -a is minus that of a.
fn of_wide(a: vec2<u32>) -> f32 {
    // The low word as a signed number, so that the two do not cancel.
    return fma(f32(bitcast<i32>(a.y + (a.x >> 31u))), 4294967296.0, f32(bitcast<i32>(a.x)));
}

// Three at a time.
struct Wide3 {
    low: vec3<u32>,
    high: vec3<u32>,
}

// The integers plus x.
fn add_wide3(a: Wide3, x: vec3<f32>, scale: f32) -> Wide3 {
    let sum_x = add_wide(vec2(a.low.x, a.high.x), to_wide(x.x, scale));
    let sum_y = add_wide(vec2(a.low.y, a.high.y), to_wide(x.y, scale));
    let sum_z = add_wide(vec2(a.low.z, a.high.z), to_wide(x.z, scale));
    return Wide3(vec3(sum_x.x, sum_y.x, sum_z.x), vec3(sum_x.y, sum_y.y, sum_z.y));
}

fn of_wide3(a: Wide3) -> vec3<f32> {
    return vec3(
        of_wide(vec2(a.low.x, a.high.x)), of_wide(vec2(a.low.y, a.high.y)), of_wide(vec2(a.low.z, a.high.z)));
}
