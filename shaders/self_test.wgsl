// What the kernels need of a device's arithmetic, computed at chosen points. The host knows the right answers (`gpu/src/self_test.rs`).
// One thread a point.

// x: argument of exponentials; y > 0: argument of roots; z: what is added up; w: what is rounded.
@group(0) @binding(0) var<storage, read> points: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> answers: array<u32>;

@compute @workgroup_size(64)
fn self_test(@builtin(global_invocation_id) id: vec3<u32>) {
    let point = points[id.x];
    let square = point.y * point.y;
    var sum = vec2(0u, 0x00010000u);
    for (var k = 0u; k < ADDITIONS; k++) {
        sum = add_wide(sum, to_wide(point.z, CHAIN_SCALE));
    }
    let at = id.x * ANSWERS;
    answers[at] = bitcast<u32>(exp2(point.x));
    answers[at + 1u] = bitcast<u32>(exponential(point.x));
    answers[at + 2u] = bitcast<u32>(inverseSqrt(point.y));
    answers[at + 3u] = bitcast<u32>(sqrt(point.y));
    answers[at + 4u] = bitcast<u32>(point.z / point.y);
    // What is left of a product after its rounding, where fma rounds once; 0 where it rounds twice.
    answers[at + 5u] = bitcast<u32>(fma(point.y, point.y, -square));
    answers[at + 6u] = sum.x;
    answers[at + 7u] = sum.y;
    answers[at + 8u] = bitcast<u32>(of_wide(sum) * CHAIN_UNIT);
    answers[at + 9u] = bitcast<u32>(i32(round(point.w)));
    // Numbers out of range are noticed, and only they: 1 for one that is too large, 2 for NaN, 4 for those before.
    answers[at + 10u] = select(0u, 4u, beyond_range);
    beyond_range = false;
    _ = to_wide(point.y * 1e20, CHAIN_SCALE);
    answers[at + 10u] |= select(0u, 1u, beyond_range);
    beyond_range = false;
    _ = to_wide(bitcast<f32>(bitcast<u32>(point.w) | 0x7fc00000u), CHAIN_SCALE);
    answers[at + 10u] |= select(0u, 2u, beyond_range);
}
