//! Counter-based random numbers: Philox4x32-10 (Salmon et al., SC11, doi:10.1145/2063384.2063405).
//!
//! A number is a function of (seed, stream, replica, step, particle) alone, so that it does not depend on the order of
//! execution, the number of threads or replicas, nor on what was drawn before; the same words come out on every backend.

/// What a random number is for. Each use has its own stream; add new ones at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Jitter of lattice positions in the builder; order of species.
    BuilderPosition = 0,
    /// Random orientations in the builder.
    BuilderOrientation = 1,
    /// Which lattice site takes which molecule.
    BuilderPermutation = 2,
    /// Maxwell-Boltzmann velocities of centres.
    Velocity = 3,
    /// Maxwell-Boltzmann angular momenta.
    AngularMomentum = 4,
}

/// Address of a block of four random words.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// The user's seed.
    pub seed: u64,
    /// What for.
    pub stream: Stream,
    /// Replica.
    pub replica: u32,
    /// Step (or any other 64-bit index).
    pub step: u64,
    /// Particle.
    pub particle: u32,
}

impl Counter {
    /// Four independent 32-bit words. The seed is the key, with the replica and stream mixed into the counter.
    pub fn words(self) -> [u32; 4] {
        let replica_and_stream = (self.replica << 8) | (self.stream as u32);
        philox4x32_10(
            [self.step as u32, (self.step >> 32) as u32, self.particle, replica_and_stream],
            [self.seed as u32, (self.seed >> 32) as u32],
        )
    }

    /// Four numbers uniform in the open interval (0, 1), with 32 bits each.
    pub fn uniform(self) -> [f64; 4] {
        self.words().map(|w| (f64::from(w) + 0.5) * 2f64.powi(-32))
    }

    /// Four independent standard normal numbers (Box and Muller 1958, doi:10.1214/aoms/1177706645).
    pub fn normal(self) -> [f64; 4] {
        let [a, b, c, d] = self.uniform();
        let pair = |u: f64, v: f64| {
            let radius = (-2.0 * u.ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
            (radius * cos, radius * sin)
        };
        let ((x, y), (z, w)) = (pair(a, b), pair(c, d));
        [x, y, z, w]
    }
}

fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let first = u64::from(counter[0]) * 0xD251_1F53;
        let second = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known-answer vectors of the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_words() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        );
        assert_eq!(
            philox4x32_10([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn normal_numbers_have_unit_variance_and_no_mean() {
        let n = 50_000u32;
        let (mut sum, mut squares) = (0.0, 0.0);
        for particle in 0..n {
            let counter = Counter { seed: 7, stream: Stream::Velocity, replica: 3, step: 1 << 40, particle };
            for x in counter.normal() {
                sum += x;
                squares += x * x;
            }
        }
        let count = 4.0 * f64::from(n);
        // Five standard errors of the mean (1/sqrt(n)) and of the variance (sqrt(2/n)).
        assert!((sum / count).abs() < 5.0 / count.sqrt());
        assert!((squares / count - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
    }
}
