//! Vectors of AVX-512 and AVX2.
//!
//! SAFETY of every `unsafe` block in the two impls below. Their functions are safe to call, and an intrinsic is undefined behaviour
//! on a processor without it. The invariant is that no such function is reached before [`dispatch`] has found the features
//! on this processor (which keeps them). Privacy enforces it:
//!
//! * `Avx512` and `Avx2` are private to this file, no public item has them in its signature, and nothing of the traits leads from
//!   another type to them (`Lanes::Mask` goes the other way). So code outside cannot name them, and a generic function meets one
//!   of them only as the type parameter that this file gives it.
//! * This file gives them away in two places, the bodies of `avx512` and `avx2`, which are `unsafe` to call and are called in one
//!   place each, after the check.
//! * What a kernel carries out of `run` (a closure over `L`, say) is used after the check as well.
//!
//! Loads and stores check their slices' lengths and need no alignment.

use std::arch::x86_64::*;

use super::{LANES, LaneKernel, Lanes};

/// AVX-512 F.
#[derive(Clone, Copy)]
struct Avx512(__m512);

// SAFETY: see the top of this file; `dispatch` has found avx512f.
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
struct Avx2(__m256, __m256);

// SAFETY: see the top of this file; `dispatch` has found avx2 and fma.
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

/// # Safety
/// The processor must have the features named here.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
unsafe fn avx512<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

/// # Safety
/// The processor must have the features named here.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// Runs a kernel with the widest of the two vectors that this processor has; gives it back if it has neither.
pub(super) fn dispatch<K: LaneKernel>(kernel: K) -> Result<K::Output, K> {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Err(kernel);
    }
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
    {
        // SAFETY: all features that the function enables were found on this processor.
        return Ok(unsafe { avx512(kernel) });
    }
    // SAFETY: as above.
    Ok(unsafe { avx2(kernel) })
}
