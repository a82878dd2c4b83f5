//! The arithmetic of a device at chosen points, beside the right answers: what every device does when it is opened.
//!
//! WGSL leaves rounding to the device: exp2 within 3 + 2|x| ulp, inverseSqrt within 2, quotients within 2.5, sqrt as 1/inverseSqrt, and a fused
//! multiply-add may round once or twice (<https://www.w3.org/TR/WGSL/#floating-point-accuracy>). The kernels count on that and
//! on no more; sums over many steps are integers, which must be exact. A device that does not keep it is refused, since every result
//! would be wrong without a sign of it.

use bytemuck::cast_slice;
use vitrion_shaders::kernel::Kernel;
use vitrion_shaders::protocol::units::CHAIN_UNITS;
use vitrion_shaders::source::{ADDITIONS, ANSWERS, self_test};
use wgpu::{BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages};

use crate::convert::wide;
use crate::device::Device;
use crate::error::GpuError;
use crate::read_back::{Part, ReadBack};

/// A number that is too large (1) and one that is not finite (2) are noticed, others (4) are not.
const NOTICED: u32 = 3;
/// Number of points: a workgroup of the kernel.
const POINTS: usize = 64;

/// Errors of one device. An ulp is the distance of two neighbouring f32.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SelfTest {
    /// A fused multiply-add rounds once at every point; else twice at every point.
    pub fma_rounds_once: bool,
    /// Largest error of exp2 over what WGSL allows, 3 + 2|x| ulp.
    pub exp2: f64,
    /// Largest relative error of the exponential of the pair forces for arguments from -20 to 3.
    pub exponential: f64,
    /// Largest error of inverseSqrt (ulp; 2 are allowed).
    pub inverse_sqrt: f64,
    /// Largest error of sqrt (ulp; 4.5 are allowed: that of inverseSqrt and that of a quotient).
    pub sqrt: f64,
    /// Largest error of a quotient (ulp; 2.5 are allowed).
    pub quotient: f64,
}

/// A number that WGSL bounds, as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// What it is.
    pub quantity: &'static str,
    /// Largest error.
    pub error: f64,
    /// Allowed.
    pub limit: f64,
}

impl SelfTest {
    /// The measured numbers and their limits. That of the exponential follows from exp2's at -20 log2 e, 61 ulp of 6e-8.
    pub fn measured(&self) -> [Measured; 5] {
        [
            Measured { quantity: "exp2, of 3 + 2|x| ulp", error: self.exp2, limit: 1.0 },
            Measured { quantity: "exponential, relative", error: self.exponential, limit: 4e-6 },
            Measured { quantity: "1/sqrt(x), ulp", error: self.inverse_sqrt, limit: 2.0 },
            Measured { quantity: "sqrt(x), ulp", error: self.sqrt, limit: 4.5 },
            Measured { quantity: "quotient, ulp", error: self.quotient, limit: 2.5 },
        ]
    }
}

impl std::fmt::Display for SelfTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounds = if self.fma_rounds_once { "once" } else { "twice" };
        write!(
            f,
            "integer sums exact; fma rounds {rounds}; exponentials within {:.1e}; 1/sqrt within {:.1} ulp, quotients within {:.1}",
            self.exponential, self.inverse_sqrt, self.quotient
        )
    }
}

/// What a device answers at one point.
#[derive(Clone, Copy, Debug)]
struct Answers {
    exp2: f32,
    exponential: f32,
    inverse_sqrt: f32,
    sqrt: f32,
    quotient: f32,
    residue: f32,
    sum: [u32; 2],
    narrowed: f32,
    rounded: i32,
    noticed: u32,
}

impl Answers {
    fn of(words: &[u32]) -> Self {
        let real = |k: usize| f32::from_bits(words[k]);
        Self {
            exp2: real(0),
            exponential: real(1),
            inverse_sqrt: real(2),
            sqrt: real(3),
            quotient: real(4),
            residue: real(5),
            sum: [words[6], words[7]],
            narrowed: real(8),
            rounded: words[9].cast_signed(),
            noticed: words[10],
        }
    }
}

/// Arguments: exponents from -20 to 3, positive numbers from 1e-3 to 1e4 as squares of distances and masses are, numbers of either sign to
/// add up, halves to round.
fn points() -> Vec<[f32; 4]> {
    (0..POINTS)
        .map(|k| {
            let t = k as f32 / (POINTS - 1) as f32;
            let y = 1e-3 * 10f32.powf(7.0 * t);
            let z = (t - 0.5) * 3.7e-3 * (1 + k % 7) as f32;
            [23.0f32.mul_add(t, -20.0), y, z, k as f32 - 31.5]
        })
        .collect()
}

/// Distance of neighbouring f32 where `x` is.
fn ulp(x: f64) -> f64 {
    2f64.powi(x.abs().log2().floor() as i32 - 23)
}

fn in_ulp(found: f32, exact: f64) -> f64 {
    (f64::from(found) - exact).abs() / ulp(exact)
}

/// Compares; the error says which number is wrong and by how much.
fn judge(points: &[[f32; 4]], answers: &[Answers]) -> Result<SelfTest, String> {
    let mut found = SelfTest {
        fma_rounds_once: answers.iter().any(|a| a.residue != 0.0),
        exp2: 0.0,
        exponential: 0.0,
        inverse_sqrt: 0.0,
        sqrt: 0.0,
        quotient: 0.0,
    };
    for (&[x, y, z, w], a) in points.iter().zip(answers) {
        // NaN is the largest of all.
        let grow = |largest: &mut f64, error: f64| {
            *largest = if error > *largest || error.is_nan() { error } else { *largest }
        };
        let (x, wide_y, wide_z) = (f64::from(x), f64::from(y), f64::from(z));
        grow(&mut found.exp2, in_ulp(a.exp2, x.exp2()) / (3.0 + 2.0 * x.abs()));
        grow(&mut found.exponential, (f64::from(a.exponential) / x.exp() - 1.0).abs());
        grow(&mut found.inverse_sqrt, in_ulp(a.inverse_sqrt, 1.0 / wide_y.sqrt()));
        grow(&mut found.sqrt, in_ulp(a.sqrt, wide_y.sqrt()));
        if z != 0.0 {
            grow(&mut found.quotient, in_ulp(a.quotient, wide_z / wide_y));
        }
        let residue = if found.fma_rounds_once { y.mul_add(y, -(y * y)) } else { 0.0 };
        if a.residue != residue {
            return Err(format!(
                "fma({y:e}, {y:e}, -{:e}) is {:e} here and rounds {} elsewhere, so that results would depend on its compiler's whim",
                y * y,
                a.residue,
                if found.fma_rounds_once { "once" } else { "twice" }
            ));
        }
        let join = |[low, high]: [u32; 2]| (u64::from(high) << 32 | u64::from(low)).cast_signed();
        let exact = (0x1_0000i64 << 32)
            .wrapping_add(i64::from(ADDITIONS).wrapping_mul(join(wide(wide_z, CHAIN_UNITS))));
        if join(a.sum) != exact {
            return Err(format!(
                "{ADDITIONS} additions of {z:e} as integers give {}, not {exact}",
                join(a.sum)
            ));
        }
        // Either neighbour.
        let narrow = exact as f64 * 2f64.powi(-CHAIN_UNITS);
        let error = in_ulp(a.narrowed, narrow);
        if error.is_nan() || error >= 2.0 {
            return Err(format!("the integer {exact} becomes {:e} instead of {narrow:e}", a.narrowed));
        }
        let even = w.round_ties_even() as i32;
        if a.rounded != even {
            return Err(format!("round({w}) is {} instead of {even}", a.rounded));
        }
        if a.noticed != NOTICED {
            return Err(format!(
                "numbers that are too large or not finite are not told from others (bits {})",
                a.noticed
            ));
        }
    }
    for Measured { quantity, error, limit } in found.measured() {
        if error.is_nan() || error > limit {
            return Err(format!("{quantity}: an error of {error:.1e}, {limit:.1e} are allowed"));
        }
    }
    Ok(found)
}

/// Runs the test on a device.
pub fn run(device: &Device) -> Result<SelfTest, GpuError> {
    let points = points();
    let create = |bytes: usize| {
        device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: Some("self-test"),
            size: bytes as u64,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    let (questions, answers) = (create(16 * POINTS), create(4 * ANSWERS * POINTS));
    device.queue.write_buffer(&questions, 0, cast_slice(&points));
    let pipeline = device.compiler.compile(&device.handle, Kernel::SelfTest, &self_test().text);
    let buffer = |name: &str| -> &Buffer { if name == "points" { &questions } else { &answers } };
    let entries: Vec<BindGroupEntry> = pipeline
        .bindings
        .iter()
        .map(|(name, binding)| BindGroupEntry {
            binding: *binding,
            resource: buffer(name).as_entire_binding(),
        })
        .collect();
    let group = device.handle.create_bind_group(&BindGroupDescriptor {
        label: Some("self-test"),
        layout: &pipeline.pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    device.check()?;
    let mut encoder = device.handle.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }
    device.queue.submit([encoder.finish()]);
    let part = Part { name: "answers", first: 0, bytes: 4 * ANSWERS * POINTS };
    let words: Vec<u32> = ReadBack::submit(device, &[part], buffer).wait(device)?.part(0)?;
    let found: Vec<Answers> = words.chunks_exact(ANSWERS).map(Answers::of).collect();
    judge(&points, &found)
        .map_err(|finding| GpuError::Arithmetic { adapter: device.name().to_owned(), finding })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes an answer wrong.
    type Spoil = fn(&mut Answers);

    /// What a device would answer that rounds everything right.
    fn right() -> Vec<Answers> {
        let answer = |&[x, y, z, w]: &[f32; 4]| {
            let sum = (0x1_0000i64 << 32) + {
                let [low, high] = wide(f64::from(z), CHAIN_UNITS);
                i64::from(ADDITIONS) * (u64::from(high) << 32 | u64::from(low)).cast_signed()
            };
            Answers {
                exp2: f64::from(x).exp2() as f32,
                exponential: f64::from(x).exp() as f32,
                inverse_sqrt: (1.0 / f64::from(y).sqrt()) as f32,
                sqrt: y.sqrt(),
                quotient: z / y,
                residue: y.mul_add(y, -(y * y)),
                sum: [sum as u32, (sum >> 32) as u32],
                narrowed: (sum as f64 * 2f64.powi(-CHAIN_UNITS)) as f32,
                rounded: w.round_ties_even() as i32,
                noticed: NOTICED,
            }
        };
        points().iter().map(answer).collect()
    }

    #[test]
    fn right_answers_pass_and_each_wrong_one_is_named() {
        let found = judge(&points(), &right()).unwrap();
        assert!(found.fma_rounds_once);
        assert!(found.measured().iter().all(|m| m.error <= 0.51 * m.limit), "{found:?}");
        let spoilt = |spoil: Spoil| {
            let mut answers = right();
            spoil(&mut answers[7]);
            judge(&points(), &answers).unwrap_err()
        };
        // exp2 off by 100 ulp where 41 are allowed; the others by a digit, a carry, a tie, a point of its own.
        let cases: [(&str, Spoil); 10] = [
            ("exp2", |a| a.exp2 *= 1.0 + 100.0 * f32::EPSILON),
            ("exponential", |a| a.exponential *= 1.0 + 1e-5),
            ("1/sqrt", |a| a.inverse_sqrt *= 1.0 + 4.0 * f32::EPSILON),
            ("sqrt", |a| a.sqrt *= 1.0 + 8.0 * f32::EPSILON),
            ("quotient", |a| a.quotient = f32::NAN),
            ("fma", |a| a.residue = 0.0),
            ("additions", |a| a.sum[1] += 1),
            ("becomes", |a| a.narrowed *= 1.0 + 4.0 * f32::EPSILON),
            ("round", |a| a.rounded += 1),
            ("not finite", |a| a.noticed = 1),
        ];
        for (name, spoil) in cases {
            let finding = spoilt(spoil);
            assert!(finding.contains(name), "{name}: {finding}");
        }
    }

    #[test]
    fn fma_may_round_twice_if_it_always_does() {
        let twice: Vec<Answers> = right().into_iter().map(|a| Answers { residue: 0.0, ..a }).collect();
        assert!(!judge(&points(), &twice).unwrap().fma_rounds_once);
        assert!(right().iter().filter(|a| a.residue != 0.0).count() > POINTS / 2, "squares are not exact");
    }

    #[test]
    fn this_device_passes() {
        let device = Device::open(None).unwrap();
        println!("{}: {}", device.name(), device.self_test);
        assert_eq!(run(&device).unwrap(), device.self_test);
    }
}
