//! Sixteen f32 lanes on whatever vector unit the processor has.
//!
//! Every implementation has sixteen logical lanes and rounds each operation as IEEE 754 says, with explicit fused
//! multiply-adds, so that all of them give the same bits. The one used is chosen at run time by [`dispatch`].
//!
//! A function of a vector type executes instructions that not every processor has, and is safe to call: on the wrong processor that
//! would be undefined behaviour in safe code. So the vector types of AVX-512 and AVX2 are private to one file, and a kernel
//! meets them only as the type parameter that [`dispatch`] gives it after it has looked at the processor. They cannot be named here:
//!
//! ```compile_fail
//! use vitrion_core::cpu::lanes::{Avx512, Lanes};
//! assert_eq!(Avx512::splat(1.0).sum(), 16.0);
//! ```
//!
//! ```compile_fail
//! use vitrion_core::cpu::lanes::{Avx2, Lanes};
//! assert_eq!(Avx2::splat(1.0).sum(), 16.0);
//! ```
//!
//! nor where they are defined:
//!
//! ```compile_fail
//! use vitrion_core::cpu::lanes::{Lanes, x86::Avx512};
//! assert_eq!(Avx512::splat(1.0).sum(), 16.0);
//! ```
//!
//! It is the name that does not compile, not the rest: any processor has [`Portable`].
//!
//! ```
//! use vitrion_core::cpu::lanes::{Lanes, Portable};
//! assert_eq!(Portable::splat(1.0).sum(), 16.0);
//! ```

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

// Vector intrinsics must be called from functions compiled for an instruction set, and only a check at run time makes that sound.
// The impls mirror the trait, which documents each operation.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::wildcard_imports)]
mod x86;

/// Number of lanes.
pub const LANES: usize = 16;

/// Sixteen f32 numbers.
pub trait Lanes: Copy {
    /// One bit or lane a comparison.
    type Mask: Copy;
    /// The same number in every lane.
    fn splat(x: f32) -> Self;
    /// The first sixteen numbers of a slice.
    fn load(x: &[f32]) -> Self;
    /// Writes to the first sixteen places of a slice.
    fn store(self, x: &mut [f32]);
    /// Converts sixteen integers (round to nearest even).
    fn from_i32(x: &[i32]) -> Self;
    /// self + o.
    fn add(self, o: Self) -> Self;
    /// self - o.
    fn sub(self, o: Self) -> Self;
    /// self * o.
    fn mul(self, o: Self) -> Self;
    /// self / o.
    fn div(self, o: Self) -> Self;
    /// self * a + b, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// b - self * a, rounded once.
    fn neg_mul_add(self, a: Self, b: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// The smaller; `o` if either is NaN.
    fn min(self, o: Self) -> Self;
    /// The larger; `o` if either is NaN.
    fn max(self, o: Self) -> Self;
    /// Where self < o.
    fn less(self, o: Self) -> Self::Mask;
    /// Where the mask holds `a`, else `b`.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// Bit k is lane k.
    fn bits(mask: Self::Mask) -> u16;
    /// self * 2^n for integer-valued n in [-126, 127], by adding to the exponent; self must be normal and in [0.5, 2].
    fn scale_by_power_of_two(self, n: Self) -> Self;

    /// Sum over lanes in a fixed tree.
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut x = [0.0; LANES];
        self.store(&mut x);
        let mut width = LANES / 2;
        while width > 0 {
            for k in 0..width {
                x[k] += x[k + width];
            }
            width /= 2;
        }
        x[0]
    }

    /// Smallest lane.
    #[inline(always)]
    fn smallest(self) -> f32 {
        let mut x = [0.0; LANES];
        self.store(&mut x);
        x.into_iter().fold(f32::INFINITY, f32::min)
    }

    /// e^x for x <= 80, zero-like (2^-126) below -87; relative error about 1e-7.
    ///
    /// 2^n times a degree-6 polynomial of the remainder, Taylor with the last terms economised.
    #[inline(always)]
    fn exp(self) -> Self {
        const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
        let y = self.mul(Self::splat(std::f32::consts::LOG2_E)).max(Self::splat(-126.0));
        let n = y.add(Self::splat(MAGIC)).sub(Self::splat(MAGIC));
        // x - n ln 2 in two pieces (Cody and Waite).
        let x = self.max(Self::splat(-87.336_54));
        let r = n.neg_mul_add(Self::splat(-2.121_944_4e-4), n.neg_mul_add(Self::splat(0.693_359_4), x));
        let mut p = Self::splat(1.0 / 720.0);
        for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = p.mul_add(r, Self::splat(c));
        }
        p.scale_by_power_of_two(n)
    }
}

/// Any processor.
#[derive(Clone, Copy)]
pub struct Portable([f32; LANES]);

macro_rules! lanewise {
    ($self:ident, $x:ident => $e:expr) => {
        Portable(std::array::from_fn(|k| {
            let $x = $self.0[k];
            $e(k)
        }))
    };
}

impl Lanes for Portable {
    type Mask = [bool; LANES];
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }
    #[inline(always)]
    fn load(x: &[f32]) -> Self {
        Self(std::array::from_fn(|k| x[k]))
    }
    #[inline(always)]
    fn store(self, x: &mut [f32]) {
        x[..LANES].copy_from_slice(&self.0);
    }
    #[inline(always)]
    fn from_i32(x: &[i32]) -> Self {
        Self(std::array::from_fn(|k| x[k] as f32))
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        lanewise!(self, x => |k: usize| x + o.0[k])
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        lanewise!(self, x => |k: usize| x - o.0[k])
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        lanewise!(self, x => |k: usize| x * o.0[k])
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        lanewise!(self, x => |k: usize| x / o.0[k])
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        lanewise!(self, x => |k: usize| x.mul_add(a.0[k], b.0[k]))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Self, b: Self) -> Self {
        lanewise!(self, x => |k: usize| (-x).mul_add(a.0[k], b.0[k]))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        lanewise!(self, x => |_| x.sqrt())
    }
    // As the vector instructions: the second operand when either is NaN.
    #[inline(always)]
    fn min(self, o: Self) -> Self {
        lanewise!(self, x => |k: usize| if x < o.0[k] { x } else { o.0[k] })
    }
    #[inline(always)]
    fn max(self, o: Self) -> Self {
        lanewise!(self, x => |k: usize| if x > o.0[k] { x } else { o.0[k] })
    }
    #[inline(always)]
    fn less(self, o: Self) -> Self::Mask {
        std::array::from_fn(|k| self.0[k] < o.0[k])
    }
    #[inline(always)]
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|k| if mask[k] { a.0[k] } else { b.0[k] }))
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u16 {
        mask.iter().enumerate().fold(0, |bits, (k, &m)| bits | (u16::from(m) << k))
    }
    #[inline(always)]
    fn scale_by_power_of_two(self, n: Self) -> Self {
        lanewise!(self, x => |k: usize| f32::from_bits(x.to_bits().wrapping_add(((n.0[k] as i32) << 23) as u32)))
    }
}

/// A computation written once over [`Lanes`].
pub trait LaneKernel {
    /// Its result.
    type Output;
    /// The computation; must be `#[inline(always)]`, as everything it calls that handles lanes.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// Runs a kernel compiled for the widest vector unit that this processor has.
pub fn dispatch<K: LaneKernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    let kernel = match x86::dispatch(kernel) {
        Ok(output) => return output,
        Err(kernel) => kernel,
    };
    kernel.run::<Portable>()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Exponentials(Vec<f32>);
    impl LaneKernel for Exponentials {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<L: Lanes>(self) -> Vec<f32> {
            let mut out = self.0.clone();
            for chunk in out.chunks_exact_mut(LANES) {
                let e = L::load(chunk).exp();
                e.store(chunk);
            }
            out
        }
    }

    #[test]
    fn exp_is_accurate_and_has_the_same_bits_on_every_vector_unit() {
        let x: Vec<f32> = (0..16_000).map(|k| -86.0 + 0.01 * k as f32).filter(|&x| x < 40.0).collect();
        let x = &x[..x.len() / LANES * LANES];
        let best = dispatch(Exponentials(x.to_vec()));
        let portable = Exponentials(x.to_vec()).run::<Portable>();
        for ((&x, &a), &b) in x.iter().zip(&best).zip(&portable) {
            assert_eq!(a.to_bits(), b.to_bits(), "exp({x})");
            let exact = f64::from(x).exp();
            // One ulp of the polynomial (2^-23) and the truncation of the Taylor series at |r| < ln2/2 (1.2e-7).
            assert!((f64::from(a) / exact - 1.0).abs() < 2.5e-7, "exp({x}) = {a}");
        }
    }
}
