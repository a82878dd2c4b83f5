//! Nosé-Hoover chains of three thermostats.
//!
//! Martyna, Klein and Tuckerman, J. Chem. Phys. 97, 2635 (1992), doi:10.1063/1.463940; on the quaternion momenta of rigid bodies
//! Kamberaj, Li and Hansen, J. Chem. Phys. 122, 224114 (2005), doi:10.1063/1.1906216. The chain is propagated by the
//! factorisation of Martyna, Tuckerman, Tobias and Klein, Mol. Phys. 87, 1117 (1996), doi:10.1080/00268979600100761, with
//! the fourth-order weights of Yoshida, Phys. Lett. A 150, 262 (1990), doi:10.1016/0375-9601(90)90092-3.

use crate::state::Chain;

/// Yoshida's weights w, 1 - 2w, w with w = 1/(2 - 2^(1/3)).
const WEIGHTS: [f64; 3] = [1.3512071919596578, -1.7024143839193153, 1.3512071919596578];

/// Constants of one chain: Q_1 = g kT tau^2 and Q_2 = Q_3 = kT tau^2 with the set point at the start of the stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoseHooverChain {
    degrees_of_freedom: f64,
    masses: [f64; 3],
}

impl NoseHooverChain {
    /// A chain for `degrees_of_freedom` g at thermal energy `kt` (u A^2/ps^2) with period `tau` (ps). Without degrees of
    /// freedom it does nothing.
    pub fn new(degrees_of_freedom: f64, kt: f64, tau: f64) -> Self {
        let mass = kt * tau * tau;
        Self { degrees_of_freedom, masses: [degrees_of_freedom * mass, mass, mass] }
    }

    /// Number of degrees of freedom that it is coupled to.
    pub fn degrees_of_freedom(&self) -> f64 {
        self.degrees_of_freedom
    }

    /// Q_1, Q_2, Q_3 (u A^2).
    pub fn masses(&self) -> [f64; 3] {
        self.masses
    }

    /// Advances the chain by `duration` (ps) at the set point `kt`, coupled to variables with twice the kinetic energy
    /// `twice_kinetic`. Returns the factor by which their momenta must be multiplied.
    pub fn propagate(&self, chain: &mut Chain, mut twice_kinetic: f64, kt: f64, duration: f64) -> f64 {
        if self.degrees_of_freedom <= 0.0 {
            return 1.0;
        }
        let mut scale = 1.0;
        for weight in WEIGHTS {
            let time = weight * duration;
            self.kick(chain, twice_kinetic, kt, time, [2, 1, 0]);
            let factor = (-time * chain.eta_velocity[0]).exp();
            scale *= factor;
            twice_kinetic *= factor * factor;
            for (eta, velocity) in chain.eta.iter_mut().zip(chain.eta_velocity) {
                *eta += time * velocity;
            }
            self.kick(chain, twice_kinetic, kt, time, [0, 1, 2]);
        }
        scale
    }

    /// Half a step of the thermostat velocities, in the order of `links`.
    fn kick(&self, chain: &mut Chain, twice_kinetic: f64, kt: f64, time: f64, links: [usize; 3]) {
        for link in links {
            let v = &mut chain.eta_velocity;
            let force = match link {
                0 => twice_kinetic - self.degrees_of_freedom * kt,
                _ => self.masses[link - 1] * v[link - 1] * v[link - 1] - kt,
            };
            let drag = if link < 2 { (-0.25 * time * v[link + 1]).exp() } else { 1.0 };
            v[link] = (v[link] * drag + 0.5 * time * force / self.masses[link]) * drag;
        }
    }

    /// Energy of the chain: sum_k Q_k v_k^2/2 + g kT eta_1 + kT (eta_2 + eta_3) (u A^2/ps^2).
    pub fn energy(&self, chain: &Chain, kt: f64) -> f64 {
        if self.degrees_of_freedom <= 0.0 {
            return 0.0;
        }
        let kinetic: f64 = self.masses.iter().zip(chain.eta_velocity).map(|(q, v)| 0.5 * q * v * v).sum();
        kinetic + kt * self.reduced_potential(chain)
    }

    /// Derivative of the chain's energy with respect to kT: g eta_1 + eta_2 + eta_3. Times d(kT) it is the work of a moving
    /// temperature set point.
    pub fn reduced_potential(&self, chain: &Chain) -> f64 {
        if self.degrees_of_freedom <= 0.0 {
            return 0.0;
        }
        self.degrees_of_freedom * chain.eta[0] + chain.eta[1] + chain.eta[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one() {
        assert!((WEIGHTS.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        assert!((WEIGHTS[0] - 1.0 / (2.0 - 2f64.cbrt())).abs() < 1e-15);
    }

    #[test]
    fn chain_conserves_its_energy_to_fourth_order() {
        // A free momentum with one chain: K + chain energy is exactly conserved by the continuous equations.
        let error = |steps: u32| {
            let nhc = NoseHooverChain::new(9.0, 250.0, 0.4);
            let mut chain = Chain { eta: [0.0; 3], eta_velocity: [1.0, -2.0, 0.7] };
            let mut twice_kinetic = 4000.0;
            let start = 0.5 * twice_kinetic + nhc.energy(&chain, 250.0);
            let dt = 2.0 / f64::from(steps);
            for _ in 0..steps {
                let factor = nhc.propagate(&mut chain, twice_kinetic, 250.0, dt);
                twice_kinetic *= factor * factor;
            }
            (0.5 * twice_kinetic + nhc.energy(&chain, 250.0) - start).abs()
        };
        let (coarse, fine) = (error(100), error(200));
        // Fourth order: a factor 16 to leading order.
        assert!((10.0..24.0).contains(&(coarse / fine)), "{coarse} {fine}");
    }

    #[test]
    fn chain_reverses_to_round_off() {
        let nhc = NoseHooverChain::new(30.0, 500.0, 0.4);
        let mut chain = Chain { eta: [0.1, 0.2, -0.1], eta_velocity: [0.5, -1.0, 2.0] };
        let before = chain;
        let first = nhc.propagate(&mut chain, 2.0e4, 500.0, 0.002);
        chain.eta_velocity = chain.eta_velocity.map(|v| -v);
        let second = nhc.propagate(&mut chain, 2.0e4 * first * first, 500.0, 0.002);
        assert!((first * second - 1.0).abs() < 1e-14);
        for k in 0..3 {
            assert!((chain.eta[k] - before.eta[k]).abs() < 1e-14);
            assert!((chain.eta_velocity[k] + before.eta_velocity[k]).abs() < 1e-13);
        }
    }
}
