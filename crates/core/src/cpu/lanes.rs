//! Sixteen f32 lanes on whatever vector unit the processor has.
//!
//! Every implementation has sixteen logical lanes and rounds each operation as IEEE 754 says, with explicit fused
//! multiply-adds, so that all of them give the same bits. The one used is chosen at run time by [`dispatch`].
//!
//! This module may use `unsafe`: vector intrinsics must be called from functions compiled for an instruction set, and only
//! the run-time check in [`dispatch`] makes that sound.
#![allow(unsafe_code)]
#![allow(clippy::inline_always)]
// Only inlined code is compiled for the wider vectors.
// The impls below mirror the trait, which documents each operation.
#![allow(clippy::wildcard_imports)]

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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Lanes};
    use std::arch::x86_64::*;

    /// AVX-512 F.
    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    // SAFETY (all of this impl): used only inside `dispatch`, which has checked for avx512f; loads and stores check
    // their slices' lengths.
    impl Lanes for Avx512 {
        type Mask = __mmask16;
        #[inline(always)]
        fn splat(x: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(x) })
        }
        #[inline(always)]
        fn load(x: &[f32]) -> Self {
            let x = &x[..LANES];
            Self(unsafe { _mm512_loadu_ps(x.as_ptr()) })
        }
        #[inline(always)]
        fn store(self, x: &mut [f32]) {
            let x = &mut x[..LANES];
            unsafe { _mm512_storeu_ps(x.as_mut_ptr(), self.0) }
        }
        #[inline(always)]
        fn from_i32(x: &[i32]) -> Self {
            let x = &x[..LANES];
            Self(unsafe { _mm512_cvtepi32_ps(_mm512_loadu_si512(x.as_ptr().cast())) })
        }
        #[inline(always)]
        fn add(self, o: Self) -> Self {
            Self(unsafe { _mm512_add_ps(self.0, o.0) })
        }
        #[inline(always)]
        fn sub(self, o: Self) -> Self {
            Self(unsafe { _mm512_sub_ps(self.0, o.0) })
        }
        #[inline(always)]
        fn mul(self, o: Self) -> Self {
            Self(unsafe { _mm512_mul_ps(self.0, o.0) })
        }
        #[inline(always)]
        fn div(self, o: Self) -> Self {
            Self(unsafe { _mm512_div_ps(self.0, o.0) })
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, a.0, b.0) })
        }
        #[inline(always)]
        fn neg_mul_add(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_fnmadd_ps(self.0, a.0, b.0) })
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            Self(unsafe { _mm512_sqrt_ps(self.0) })
        }
        #[inline(always)]
        fn min(self, o: Self) -> Self {
            Self(unsafe { _mm512_min_ps(self.0, o.0) })
        }
        #[inline(always)]
        fn max(self, o: Self) -> Self {
            Self(unsafe { _mm512_max_ps(self.0, o.0) })
        }
        #[inline(always)]
        fn less(self, o: Self) -> Self::Mask {
            unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, o.0) }
        }
        #[inline(always)]
        fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_mask_blend_ps(mask, b.0, a.0) })
        }
        #[inline(always)]
        fn bits(mask: Self::Mask) -> u16 {
            mask
        }
        #[inline(always)]
        fn scale_by_power_of_two(self, n: Self) -> Self {
            Self(unsafe {
                let shift = _mm512_slli_epi32::<23>(_mm512_cvttps_epi32(n.0));
                _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(self.0), shift))
            })
        }
    }

    /// AVX2 and FMA, two registers.
    #[derive(Clone, Copy)]
    pub struct Avx2(__m256, __m256);

    // SAFETY (all of this impl): used only inside `dispatch`, which has checked for avx2 and fma; loads and stores check
    // their slices' lengths.
    impl Lanes for Avx2 {
        type Mask = (__m256, __m256);
        #[inline(always)]
        fn splat(x: f32) -> Self {
            let v = unsafe { _mm256_set1_ps(x) };
            Self(v, v)
        }
        #[inline(always)]
        fn load(x: &[f32]) -> Self {
            let x = &x[..LANES];
            unsafe { Self(_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))) }
        }
        #[inline(always)]
        fn store(self, x: &mut [f32]) {
            let x = &mut x[..LANES];
            unsafe {
                _mm256_storeu_ps(x.as_mut_ptr(), self.0);
                _mm256_storeu_ps(x.as_mut_ptr().add(8), self.1);
            }
        }
        #[inline(always)]
        fn from_i32(x: &[i32]) -> Self {
            let x = &x[..LANES];
            unsafe {
                Self(
                    _mm256_cvtepi32_ps(_mm256_loadu_si256(x.as_ptr().cast())),
                    _mm256_cvtepi32_ps(_mm256_loadu_si256(x.as_ptr().add(8).cast())),
                )
            }
        }
        #[inline(always)]
        fn add(self, o: Self) -> Self {
            unsafe { Self(_mm256_add_ps(self.0, o.0), _mm256_add_ps(self.1, o.1)) }
        }
        #[inline(always)]
        fn sub(self, o: Self) -> Self {
            unsafe { Self(_mm256_sub_ps(self.0, o.0), _mm256_sub_ps(self.1, o.1)) }
        }
        #[inline(always)]
        fn mul(self, o: Self) -> Self {
            unsafe { Self(_mm256_mul_ps(self.0, o.0), _mm256_mul_ps(self.1, o.1)) }
        }
        #[inline(always)]
        fn div(self, o: Self) -> Self {
            unsafe { Self(_mm256_div_ps(self.0, o.0), _mm256_div_ps(self.1, o.1)) }
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(self.0, a.0, b.0), _mm256_fmadd_ps(self.1, a.1, b.1)) }
        }
        #[inline(always)]
        fn neg_mul_add(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm256_fnmadd_ps(self.0, a.0, b.0), _mm256_fnmadd_ps(self.1, a.1, b.1)) }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            unsafe { Self(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
        }
        #[inline(always)]
        fn min(self, o: Self) -> Self {
            unsafe { Self(_mm256_min_ps(self.0, o.0), _mm256_min_ps(self.1, o.1)) }
        }
        #[inline(always)]
        fn max(self, o: Self) -> Self {
            unsafe { Self(_mm256_max_ps(self.0, o.0), _mm256_max_ps(self.1, o.1)) }
        }
        #[inline(always)]
        fn less(self, o: Self) -> Self::Mask {
            unsafe { (_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, o.0), _mm256_cmp_ps::<_CMP_LT_OQ>(self.1, o.1)) }
        }
        #[inline(always)]
        fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
            unsafe { Self(_mm256_blendv_ps(b.0, a.0, mask.0), _mm256_blendv_ps(b.1, a.1, mask.1)) }
        }
        #[inline(always)]
        fn bits(mask: Self::Mask) -> u16 {
            unsafe { (_mm256_movemask_ps(mask.0) | (_mm256_movemask_ps(mask.1) << 8)) as u16 }
        }
        #[inline(always)]
        fn scale_by_power_of_two(self, n: Self) -> Self {
            unsafe {
                let scale = |x, n| {
                    let shift = _mm256_slli_epi32::<23>(_mm256_cvttps_epi32(n));
                    _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), shift))
                };
                Self(scale(self.0, n.0), scale(self.1, n.1))
            }
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

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
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
        unsafe fn avx512<K: LaneKernel>(kernel: K) -> K::Output {
            kernel.run::<Avx512>()
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2<K: LaneKernel>(kernel: K) -> K::Output {
            kernel.run::<Avx2>()
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("fma")
        {
            // SAFETY: the features were found on this processor.
            return unsafe { avx512(kernel) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were found on this processor.
            return unsafe { avx2(kernel) };
        }
    }
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
