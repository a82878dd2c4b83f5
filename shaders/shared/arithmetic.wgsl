// Numbers as unevaluated sums of two f32, and functions whose accuracy no driver decides.

// exp(x) to about 1e-7 relative: the rounding of x log2(e), which grows with x, is put right to first order.
fn exponential(x: f32) -> f32 {
    let y = x * 1.44269502;
    let rest = fma(x, 1.92596299e-8, fma(x, 1.44269502, -y));
    let power = exp2(y);
    return fma(power, rest * 0.693147181, power);
}

// exp(x) - 1 for |x| < 0.3 by its series (next term below 1e-9 of the result).
fn exponential_minus_one(x: f32) -> f32 {
    return x * (1.0 + x * (0.5 + x * (0.166666667 + x * (0.0416666667 + x * (0.00833333333
        + x * (0.00138888889 + x * 0.000198412698))))));
}

// sinh(x)/x for |x| < 0.3.
fn sinh_over_argument(x: f32) -> f32 {
    let y = x * x;
    return 1.0 + y * (0.166666667 + y * (0.00833333333 + y * 0.000198412698));
}

// sin(x) and 1 - cos(x) for |x| <= 1 by their series (next terms below 3e-8).
fn sine(x: f32) -> f32 {
    let y = x * x;
    return x * (1.0 - y * (0.166666667 - y * (0.00833333333 - y * (0.000198412698 - y * 2.75573192e-6))));
}

struct Two {
    high: vec3<f32>,
    low: vec3<f32>,
}

// (high + low) + x without loss (Knuth's two-sum), normalised.
fn add_two(number: Two, x: vec3<f32>) -> Two {
    let sum = number.high + x;
    let part = sum - number.high;
    let error = (number.high - (sum - part)) + (x - part);
    let low = number.low + error;
    let high = sum + low;
    return Two(high, low - (high - sum));
}

fn add_two_scalar(number: vec2<f32>, x: f32) -> vec2<f32> {
    let sum = number.x + x;
    let part = sum - number.x;
    let error = (number.x - (sum - part)) + (x - part);
    let low = number.y + error;
    let high = sum + low;
    return vec2(high, low - (high - sum));
}
