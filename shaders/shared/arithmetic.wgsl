// Functions that every driver computes alike but for the rounding of exp2 and of fma, which the self-test of the device measures.

// |x| is not below the limit, or x is not finite: by its bits, since a compiler may take it that there is neither NaN nor infinity, and
// max(NaN, 1) may be 1.
fn reaches(x: f32, limit: f32) -> bool {
    return bitcast<u32>(abs(x)) >= bitcast<u32>(limit);
}

fn any_reaches(v: vec3<f32>, limit: f32) -> bool {
    return any(bitcast<vec3<u32>>(abs(v)) >= vec3(bitcast<u32>(limit)));
}

// exp(x). Where fma rounds once, the rounding of x log2(e) is put right to first order and about 1e-7 relative is left; where it
// rounds twice, `rest` is all but zero and the error grows by 6e-8 |x|.
fn exponential(x: f32) -> f32 {
    let y = x * 1.44269502;
    let rest = fma(x, 1.92596299e-8, fma(x, 1.44269502, -y));
    let power = exp2(y);
    return fma(power, rest * 0.693147181, power);
}

// exp(x) - 1 for |x| < 0.3 by its series (next term below 1e-9 of the result).
fn exponential_minus_one(x: f32) -> f32 {
    let series = fma(x, fma(x, fma(x, fma(x, fma(x, 0.000198412698, 0.00138888889), 0.00833333333), 0.0416666667),
        0.166666667), 0.5);
    return fma(x * x, series, x);
}

// sinh(x)/x for |x| < 0.3.
fn sinh_over_argument(x: f32) -> f32 {
    let y = x * x;
    return fma(y, fma(y, fma(y, 0.000198412698, 0.00833333333), 0.166666667), 1.0);
}

// sin(x) for |x| <= 1 by its series (next term below 3e-8).
fn sine(x: f32) -> f32 {
    let y = x * x;
    let series = fma(y, fma(y, fma(y, 2.75573192e-6, -0.000198412698), 0.00833333333), -0.166666667);
    return fma(x * y, series, x);
}
