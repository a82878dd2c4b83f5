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

    /// int_rc^inf 4 pi r^2 U dr of the dispersion terms (u A^5/ps^2): twice a pair's share of the tail energy times V.
    pub fn tail_energy(&self, cutoff: f64) -> f64 {
        let x3 = cutoff.powi(-3);
        let x5 = cutoff.powi(-5);
        -4.0 * PI * (self.dispersion6 * x3 / 3.0 + self.dispersion8 * x5 / 5.0)
    }

    /// -1/3 int_rc^inf 4 pi r^3 U' dr of the dispersion terms (u A^5/ps^2).
    pub fn tail_virial(&self, cutoff: f64) -> f64 {
        let x3 = cutoff.powi(-3);
        let x5 = cutoff.powi(-5);
        -4.0 * PI / 3.0 * (2.0 * self.dispersion6 * x3 + 1.6 * self.dispersion8 * x5)
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
    fn tail_integrals_are_those_of_the_dispersion() {
        // Midpoint rule in x = 1/r over the dispersion terms: dr = dx/x^2, error (dx)^2/24 relative to the curvature.
        let cutoff = 8.0;
        let n = 20_000;
        let dx = 1.0 / cutoff / f64::from(n);
        let (mut energy, mut virial) = (0.0, 0.0);
        let dispersion = BornMayerHuggins { amplitude: 0.0, ..OXYGEN };
        for i in 0..n {
            let r = 1.0 / ((f64::from(i) + 0.5) * dx);
            let shell = 4.0 * std::f64::consts::PI * r * r * r * r * dx;
            energy += shell * dispersion.energy(r);
            virial += shell * r * dispersion.force(r) / 3.0;
        }
        assert!((energy / OXYGEN.tail_energy(cutoff) - 1.0).abs() < 1e-7);
        assert!((virial / OXYGEN.tail_virial(cutoff) - 1.0).abs() < 1e-7);
    }
}
