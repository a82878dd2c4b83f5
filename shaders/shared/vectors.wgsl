// Products of vectors, with every product that is added written as fma, in a fixed order: `dot`, `cross` and `length` of the
// language leave it to the compiler which of their products are rounded.

fn dot3(a: vec3<f32>, b: vec3<f32>) -> f32 {
    return fma(a.z, b.z, fma(a.y, b.y, a.x * b.x));
}

fn cross3(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
    return fma(a.yzx, b.zxy, -(a.zxy * b.yzx));
}

fn length3(a: vec3<f32>) -> f32 {
    return sqrt(dot3(a, a));
}

// A product that may be added to something: the addend is below the last bit of anything physical, and makes it no product.
fn rounded_product(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return fma(a, b, vec2(1e-30));
}

// The matrix of these columns times a vector.
fn columns3(m0: vec3<f32>, m1: vec3<f32>, m2: vec3<f32>, v: vec3<f32>) -> vec3<f32> {
    return fma(vec3(v.z), m2, fma(vec3(v.y), m1, v.x * m0));
}
