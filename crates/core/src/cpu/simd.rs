//! Runs one kernel compiled for the widest vectors that this processor has.
//!
//! A [`Kernel`] is ordinary safe Rust whose inner loops the compiler vectorises; [`dispatch`] holds one compiled copy of
//! it per instruction set and picks one at run time. A [`LaneKernel`] spells its vectors out in [`EightLanes`], for loops of
//! exactly eight steps, which the compiler unrolls and then often leaves scalar. Rust never contracts a product and a sum
//! into a fused multiply-add and no implementation here does, so all copies give the same bits.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

use rustfft::num_complex::Complex32;

/// Numbers in a vector of [`EightLanes`].
pub const EIGHT: usize = 8;

/// Work that [`dispatch`] compiles for several instruction sets. Mark `run`, and everything it calls in a hot loop,
/// `#[inline(always)]`: only inlined code is compiled for the wider vectors.
pub trait Kernel {
    /// What the kernel returns.
    type Output;
    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` with the widest instruction set of this processor.
#[inline]
#[allow(unsafe_code)] // A function with target features may only be called after the features were detected.
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if has_avx512() {
            // SAFETY: every feature that the function enables was just detected.
            return unsafe { avx512(kernel) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { avx2(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
#[allow(unsafe_code)]
unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)]
unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Vectors of eight f32. A value of the implementing type is the proof that the processor has the instructions.
pub trait EightLanes: Copy {
    /// Eight f32.
    type Vector: Copy;
    /// x in every lane.
    fn splat(self, x: f32) -> Self::Vector;
    /// From memory.
    fn load(self, x: &[f32; EIGHT]) -> Self::Vector;
    /// To memory.
    fn store(self, v: Self::Vector, x: &mut [f32; EIGHT]);
    /// a + b.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a b.
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a / b.
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `row += v`, v rounded to the nearest integers; lanes beyond +-2^28 give nonsense.
    fn add_rounded(self, v: Self::Vector, row: &mut [i32; EIGHT]);
    /// |z|^2.
    fn squared_norms(self, z: &[Complex32; EIGHT]) -> Self::Vector;
}

/// Work written in [`EightLanes`]. Mark `run`, and everything it calls in a hot loop, `#[inline(always)]`.
pub trait LaneKernel {
    /// What the kernel returns.
    type Output;
    /// Does the work.
    fn run<S: EightLanes>(self, lanes: S) -> Self::Output;
}

/// Runs `kernel` with the vectors of this processor.
#[inline]
#[allow(unsafe_code)] // As in `dispatch`.
pub fn dispatch_lanes<K: LaneKernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if has_avx512() {
            // SAFETY: every feature that the function enables was just detected, and AVX2, which it implies. (More registers, the
            // same vectors.)
            return unsafe { avx512_lanes(kernel) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { avx2_lanes(kernel) };
        }
    }
    kernel.run(PortableLanes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
#[allow(unsafe_code)]
unsafe fn avx512_lanes<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run(avx2::Avx2Lanes::detected())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)]
unsafe fn avx2_lanes<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run(avx2::Avx2Lanes::detected())
}

/// [`EightLanes`] of any processor.
#[derive(Clone, Copy, Debug)]
pub struct PortableLanes;

impl EightLanes for PortableLanes {
    type Vector = [f32; EIGHT];
    #[inline(always)]
    fn splat(self, x: f32) -> Self::Vector {
        [x; EIGHT]
    }
    #[inline(always)]
    fn load(self, x: &[f32; EIGHT]) -> Self::Vector {
        *x
    }
    #[inline(always)]
    fn store(self, v: Self::Vector, x: &mut [f32; EIGHT]) {
        *x = v;
    }
    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }
    #[inline(always)]
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }
    #[inline(always)]
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| a[lane] / b[lane])
    }
    #[inline(always)]
    fn add_rounded(self, v: Self::Vector, row: &mut [i32; EIGHT]) {
        for (sum, x) in row.iter_mut().zip(v) {
            *sum = sum.wrapping_add(round_to_integer(x));
        }
    }
    #[inline(always)]
    fn squared_norms(self, z: &[Complex32; EIGHT]) -> Self::Vector {
        z.map(|z| z.re * z.re + z.im * z.im)
    }
}

/// x rounded to an integer, |x| <= 2^28. Adding 1.5 2^23 leaves the nearest integer in the low bits of an f32 below 2^22; here
/// first the multiple of 64, then what is left. Unlike a conversion this needs no check for NaN or overflow.
#[inline(always)]
fn round_to_integer(x: f32) -> i32 {
    const FINE: f32 = 12_582_912.0;
    const COARSE: f32 = 64.0 * FINE;
    const OFFSET: u32 = (COARSE.to_bits() << 6).wrapping_add(FINE.to_bits());
    let shifted = x + COARSE;
    let rest = x - (shifted - COARSE);
    let bits = (shifted.to_bits() << 6).wrapping_add((rest + FINE).to_bits());
    bits.wrapping_sub(OFFSET).cast_signed()
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // Intrinsics are unsafe to call without proof of the instruction set, which `Avx2Lanes` is.
mod avx2 {
    use std::arch::x86_64::{
        __m256, _mm256_add_epi32, _mm256_add_ps, _mm256_castpd_ps, _mm256_castps_pd, _mm256_cvtps_epi32,
        _mm256_div_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_mul_ps,
        _mm256_permute4x64_pd, _mm256_set1_ps, _mm256_storeu_ps, _mm256_storeu_si256,
    };

    use super::{Complex32, EIGHT, EightLanes};

    /// [`EightLanes`] of AVX2. SAFETY of every block below: a value exists only after AVX2 was detected, since nothing but
    /// [`Avx2Lanes::detected`] makes one; loads and stores stay within the referenced arrays and need no alignment.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2Lanes(());

    impl Avx2Lanes {
        #[target_feature(enable = "avx2")]
        pub(super) fn detected() -> Self {
            Self(())
        }
    }

    impl EightLanes for Avx2Lanes {
        type Vector = __m256;
        #[inline(always)]
        fn splat(self, x: f32) -> __m256 {
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        fn load(self, x: &[f32; EIGHT]) -> __m256 {
            unsafe { _mm256_loadu_ps(x.as_ptr()) }
        }
        #[inline(always)]
        fn store(self, v: __m256, x: &mut [f32; EIGHT]) {
            unsafe { _mm256_storeu_ps(x.as_mut_ptr(), v) }
        }
        #[inline(always)]
        fn add(self, a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        fn mul(self, a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        fn div(self, a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_div_ps(a, b) }
        }
        #[inline(always)]
        fn add_rounded(self, v: __m256, row: &mut [i32; EIGHT]) {
            // Rounds to nearest even, the mode that Rust guarantees.
            unsafe {
                let row = row.as_mut_ptr().cast();
                _mm256_storeu_si256(row, _mm256_add_epi32(_mm256_loadu_si256(row), _mm256_cvtps_epi32(v)));
            }
        }
        #[inline(always)]
        fn squared_norms(self, z: &[Complex32; EIGHT]) -> __m256 {
            // Complex is two f32 in memory (repr(C)). Adding neighbours leaves the lanes as 0 1 4 5 2 3 6 7.
            unsafe {
                let (low, high) = z.split_at(EIGHT / 2);
                let low = _mm256_loadu_ps(low.as_ptr().cast());
                let high = _mm256_loadu_ps(high.as_ptr().cast());
                let sums = _mm256_hadd_ps(_mm256_mul_ps(low, low), _mm256_mul_ps(high, high));
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(sums)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Polynomial<'a> {
        x: &'a [f32],
        y: &'a mut [f32],
    }

    impl Kernel for Polynomial<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            for (y, x) in self.y.iter_mut().zip(self.x) {
                *y = ((0.3 * x - 1.7) * x + 0.9) * x - 0.1;
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_the_plain_code() {
        let x: Vec<f32> = (0..1001).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
        let (mut plain, mut wide) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        Polynomial { x: &x, y: &mut plain }.run();
        dispatch(Polynomial { x: &x, y: &mut wide });
        assert_eq!(plain, wide);
    }

    /// Every operation of [`EightLanes`] on one block of numbers.
    struct AllOperations([f32; EIGHT], [f32; EIGHT]);

    impl LaneKernel for AllOperations {
        type Output = ([f32; EIGHT], [f32; EIGHT], [i32; EIGHT]);
        #[inline(always)]
        fn run<S: EightLanes>(self, lanes: S) -> Self::Output {
            let (a, b) = (lanes.load(&self.0), lanes.load(&self.1));
            let rational = lanes.div(lanes.add(lanes.mul(a, b), lanes.splat(0.1)), b);
            let complex = std::array::from_fn(|lane| Complex32::new(self.0[lane], self.1[lane]));
            let mut integers = std::array::from_fn(|lane| [i32::MAX, 0, -7][lane % 3]);
            lanes.add_rounded(a, &mut integers);
            let (mut first, mut second) = ([0.0; EIGHT], [0.0; EIGHT]);
            lanes.store(rational, &mut first);
            lanes.store(lanes.squared_norms(&complex), &mut second);
            (first, second, integers)
        }
    }

    #[test]
    fn lanes_of_this_processor_give_the_bits_of_the_portable_ones() {
        for seed in 0..1000 {
            let number = |lane: usize, step: f32| ((seed * EIGHT + lane) as f32 * step).sin();
            let a = std::array::from_fn(|lane| number(lane, 0.37) * (lane as f32 * 3.5).exp2());
            let b = std::array::from_fn(|lane| number(lane, 0.73) + 2.0);
            assert_eq!(dispatch_lanes(AllOperations(a, b)), AllOperations(a, b).run(PortableLanes));
        }
    }

    #[test]
    fn integers_are_the_nearest() {
        let mut x = 1e-3f32;
        while x < 268_435_456.0 {
            for value in [x, -x] {
                assert_eq!(round_to_integer(value), value.round_ties_even() as i32, "{value}");
            }
            x *= 1.000_37;
        }
        assert_eq!(round_to_integer(0.0), 0);
    }
}
