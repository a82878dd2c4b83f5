//! Runs one kernel compiled for the widest vectors that this processor has.
//!
//! A [`Kernel`] is ordinary safe Rust whose inner loops the compiler vectorises; [`dispatch`] holds one compiled copy of
//! it per instruction set and picks one at run time. Rust never contracts a product and a sum into a fused
//! multiply-add, so all copies give the same bits.

#![allow(clippy::inline_always)] // Only inlined code is compiled for the wider vectors.

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
    is_x86_feature_detected!("avx512f")
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
}
