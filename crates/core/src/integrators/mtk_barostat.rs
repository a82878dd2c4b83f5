//! The isotropic barostat of Martyna, Tobias and Klein.
//!
//! J. Chem. Phys. 101, 4177 (1994), doi:10.1063/1.467468; the factorisation follows Tuckerman, Alejandre, Lopez-Rendon, Jochim and
//! Martyna, J. Phys. A 39, 5629 (2006), doi:10.1088/0305-4470/39/19/S18. With e = d(ln L)/dt, a = 1 + 3/N_f and N_f the
//! translational degrees of freedom of the centres,
//!
//! dh/dt = e h, ds/dt = h^-1 v, dv/dt = F/m - a e v, W de/dt = tr(W_mol) + a sum m v^2 - 3 P V,
//!
//! with W_mol the molecular virial. With the centre of mass at rest this samples V^(N-1) exp(-PV/kT) times the configurational
//! integral at volume V: the N - 1 free centres of an ideal gas, so <V> = N kT/P and Var V = N (kT/P)^2.

use glam::DVec3;

use super::nose_hoover_chain::NoseHooverChain;
use crate::cell::{Cell, CellError};
use crate::state::ReplicaMut;
use crate::topology::Topology;

/// Constants of the barostat, frozen at the start of a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Barostat {
    /// W = (N_f + 3) kT tau_p^2 (u A^2).
    pub mass: f64,
    /// a = 1 + 3/N_f.
    pub coupling: f64,
    /// Its own thermostat: one degree of freedom, with the barostat's period.
    pub chain: NoseHooverChain,
}

impl Barostat {
    /// A barostat for `degrees_of_freedom` N_f at `kt` (u A^2/ps^2) with period `tau_p` (ps).
    pub fn new(degrees_of_freedom: f64, kt: f64, tau_p: f64) -> Self {
        Self {
            mass: (degrees_of_freedom + 3.0) * kt * tau_p * tau_p,
            coupling: if degrees_of_freedom > 0.0 { 1.0 + 3.0 / degrees_of_freedom } else { 1.0 },
            chain: NoseHooverChain::new(1.0, kt, tau_p),
        }
    }

    /// Change of the strain rate (1/ps) over `duration` (ps).
    pub fn acceleration(
        &self,
        virial_trace: f64,
        twice_kinetic: f64,
        pressure: f64,
        volume: f64,
        duration: f64,
    ) -> f64 {
        (virial_trace + self.coupling * twice_kinetic - 3.0 * pressure * volume) * duration / self.mass
    }

    /// Kinetic energy of the strain rate and energy of its chain (u A^2/ps^2).
    pub fn energy(&self, replica: &ReplicaMut, kt: f64) -> f64 {
        let rate = replica.extended.strain_rate;
        0.5 * self.mass * rate * rate + self.chain.energy(&replica.extended.barostat, kt)
    }

    /// Solves dv/dt = F/m - a e v exactly over `duration` (ps) at constant force and strain rate.
    pub fn kick_centres(
        &self,
        topology: &Topology,
        replica: &mut ReplicaMut,
        forces: &[DVec3],
        duration: f64,
    ) {
        let half = 0.5 * self.coupling * replica.extended.strain_rate * duration;
        let half_decay = (-half).exp();
        let decay = half_decay * half_decay;
        let impulse = duration * half_decay * sinh_over_argument(half);
        for ((body, v), force) in topology.bodies.iter().zip(replica.velocity.iter_mut()).zip(forces) {
            *v = *v * decay + *force * (impulse / body.mass);
        }
    }
}

/// Moves cell and centres for `duration` (ps) at constant strain rate: h grows by exp(e t), and s by the integral of
/// h(t)^-1 v. The unwrapped centre advances by h at mid-step times the increment of s, so that the step reverses.
pub fn drift_centres(replica: &mut ReplicaMut, duration: f64) -> Result<(), CellError> {
    let half = 0.5 * replica.extended.strain_rate * duration;
    let half_growth = half.exp();
    let distance = duration * sinh_over_argument(half);
    let to_fractional = replica.cell.inverse() * (distance / half_growth);
    for ((s, unwrapped), v) in
        replica.centre.iter_mut().zip(replica.unwrapped.iter_mut()).zip(replica.velocity.iter())
    {
        *s = Cell::wrap_fractional(*s + to_fractional * *v);
        *unwrapped += *v * distance;
    }
    *replica.cell = Cell::new(replica.cell.matrix() * (half_growth * half_growth))?;
    Ok(())
}

/// sinh(x)/x, by its series where the quotient loses digits.
fn sinh_over_argument(x: f64) -> f64 {
    if x.abs() > 0.1 {
        return x.sinh() / x;
    }
    let y = x * x;
    // The next term, y^5/39916800, is below 3e-18 here.
    1.0 + y / 6.0 * (1.0 + y / 20.0 * (1.0 + y / 42.0 * (1.0 + y / 72.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_quotient_agree_where_they_meet() {
        for x in [0.1f64, -0.1, 0.05, 1e-3] {
            assert!((sinh_over_argument(x) - x.sinh() / x).abs() < 1e-14);
        }
        assert_eq!(sinh_over_argument(0.0), 1.0);
    }
}
