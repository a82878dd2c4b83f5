//! Born-Mayer-Huggins: U(r) = A exp((sigma - r)/rho) - C/r^6 - D/r^8.
//!
//! Tosi and Fumi, J. Phys. Chem. Solids 25, 45 (1964), doi:10.1016/0022-3697(64)90160-X.

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
}
