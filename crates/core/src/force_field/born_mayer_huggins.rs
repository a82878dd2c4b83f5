//! Born-Mayer-Huggins: U(r) = A exp((sigma - r)/rho) - C/r^6 - D/r^8.
//!
//! Tosi and Fumi, J. Phys. Chem. Solids 25, 45 (1964), doi:10.1016/0022-3697(64)90160-X.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Parameters of one pair of species, internal units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BornMayerHuggins {
    /// A (u A^2/ps^2).
    pub amplitude: f64,
    /// sigma (angstrom).
    pub sigma: f64,
    /// rho (angstrom), positive.
    pub rho: f64,
    /// C (u A^8/ps^2).
    pub dispersion6: f64,
    /// D (u A^10/ps^2).
    pub dispersion8: f64,
}

impl BornMayerHuggins {
    /// U(r) (u A^2/ps^2).
    pub fn energy(&self, r: f64) -> f64 {
        let r2 = 1.0 / (r * r);
        let r6 = r2 * r2 * r2;
        self.amplitude * ((self.sigma - r) / self.rho).exp() - r6 * (self.dispersion6 + self.dispersion8 * r2)
    }

    /// -dU/dr (u A/ps^2), positive where repulsive.
    pub fn force(&self, r: f64) -> f64 {
        let r2 = 1.0 / (r * r);
        let r6 = r2 * r2 * r2;
        self.amplitude / self.rho * ((self.sigma - r) / self.rho).exp()
            - r6 / r * (6.0 * self.dispersion6 + 8.0 * self.dispersion8 * r2)
    }

    /// int_rc^inf 4 pi r^2 U dr (u A^5/ps^2): 4 pi [A exp((sigma - rc)/rho) rho (rc^2 + 2 rho rc + 2 rho^2) - C/(3 rc^3) -
    /// D/(5 rc^5)].
    pub fn integral_beyond(&self, cutoff: f64) -> f64 {
        let (rc, rho) = (cutoff, self.rho);
        let wall = self.amplitude
            * ((self.sigma - rc) / rho).exp()
            * rho
            * (rc * rc + 2.0 * rho * rc + 2.0 * rho * rho);
        4.0 * PI * (wall - self.dispersion6 / 3.0 * rc.powi(-3) - self.dispersion8 / 5.0 * rc.powi(-5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OXYGEN: BornMayerHuggins = BornMayerHuggins {
        amplitude: 2.6e4,
        sigma: 1.7,
        rho: 0.2392,
        dispersion6: 1.0853e5,
        dispersion8: 4.0e5,
    };

    #[test]
    fn force_is_minus_the_derivative() {
        for r in [0.9, 1.5, 2.0, 3.0, 6.0, 10.0] {
            let h = 1e-5 * r;
            let numerical = -(OXYGEN.energy(r + h) - OXYGEN.energy(r - h)) / (2.0 * h);
            // Truncation (h/rho)^2/6 ~ 1e-8 at most of the wall's force, which is larger than the sum near its zero.
            let scale = OXYGEN.amplitude / OXYGEN.rho * ((OXYGEN.sigma - r) / OXYGEN.rho).exp()
                + OXYGEN.energy(r).abs() / r;
            assert!((numerical - OXYGEN.force(r)).abs() < 1e-7 * scale, "r = {r}");
        }
    }

    #[test]
    fn integral_beyond_the_cutoff_is_that_of_quadrature_with_a_wall_that_matters_and_without() {
        let bare = BornMayerHuggins { amplitude: 0.0, ..OXYGEN };
        let wall = BornMayerHuggins { dispersion6: 0.0, dispersion8: 0.0, ..OXYGEN };
        for (potential, cutoff) in [(OXYGEN, 3.0), (OXYGEN, 8.0), (bare, 2.0), (wall, 2.5)] {
            let found = potential.integral_beyond(cutoff);
            // Midpoint rule in x = 1/r: dr = dx/x^2.
            let n = 100_000;
            let dx = 1.0 / cutoff / f64::from(n);
            let expected: f64 = (0..n)
                .map(|i| 1.0 / ((f64::from(i) + 0.5) * dx))
                .map(|r| 4.0 * PI * r.powi(4) * dx * potential.energy(r))
                .sum();
            // The rule's error: (dx)^2/24 of the curvature, at most (rc/rho)^2/24 n^2 ~ 1e-9 for the wall.
            assert!((found / expected - 1.0).abs() < 1e-7, "rc = {cutoff}: {found} {expected}");
        }
    }
}
