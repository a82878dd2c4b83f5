// The charge mesh: where atoms sit on it, and complex numbers.

// A fixed-point coordinate as mesh point and fraction - 1/2, exact to 24 bits.
struct MeshCoordinate {
    point: u32,
    offset: f32,
}

fn mesh_coordinate(fixed: i32, points: u32) -> MeshCoordinate {
    let u = bitcast<u32>(fixed);
    let low = (u & 0xffffu) * points;
    let high = (u >> 16u) * points + (low >> 16u);
    let fraction = (high << 16u) | (low & 0xffffu);
    return MeshCoordinate(high >> 16u, f32(fraction >> 8u) * 5.96046448e-8 - 0.5);
}

fn multiply(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return fma(vec2(a.x), b, vec2(-a.y, a.y) * b.yx);
}

// a times the conjugate of b.
fn multiply_conjugate(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return fma(vec2(b.x), a, vec2(b.y, -b.y) * a.yx);
}

fn table_float(index: u32) -> f32 {
    return bitcast<f32>(tables[index]);
}

fn twiddle(table: u32, index: u32) -> vec2<f32> {
    return vec2(table_float(table + 2u * index), table_float(table + 2u * index + 1u));
}
