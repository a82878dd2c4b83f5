//! How bodies move: one time-reversible step of velocity Verlet with rigid rotation, Nosé-Hoover chains and the
//! Martyna-Tobias-Klein barostat, built from the operators in the files of this folder.
//!
//! A step is symmetric: chains, (barostat kick,) half kick | drift and rotation | forces | half kick, (barostat kick,) chains.
//! The first half sees the set points of the step's beginning, the second half those of its end.

pub mod body_forces;
pub mod mtk_barostat;
pub mod nose_hoover_chain;
pub mod rigid_body;
pub mod thermodynamics;
pub mod velocity_verlet;

use crate::backend::{Dynamics, Ensemble, SetPoint, Thermo};
use crate::forces::{ForceError, ForceKernel};
use crate::state::{Chain, ReplicaMut};
use crate::topology::Topology;
use crate::units::BOLTZMANN;
use body_forces::{BodyForces, Configuration};
use mtk_barostat::Barostat;
use nose_hoover_chain::NoseHooverChain;
use thermodynamics::{instantaneous, trace, twice_rotational, twice_translational};

/// Why a step could not be done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StepError {
    /// The forces failed.
    #[error(transparent)]
    Forces(#[from] ForceError),
    /// A body's position or velocity, or the cell, has become infinite or NaN.
    #[error("body {body} has a position or velocity that is not finite")]
    NotFinite {
        /// Body (from 0).
        body: usize,
    },
}

/// Set points that an ensemble needs but that the dynamics lack.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("replica {replica} has no {quantity} set point, which its ensemble needs")]
pub struct MissingSetPoint {
    /// Replica.
    pub replica: usize,
    /// `temperature` or `pressure`.
    pub quantity: &'static str,
}

/// How one replica moves during one stage: its set points and the constants frozen at the start of the stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    timestep: f64,
    ensemble: Ensemble,
    temperature: SetPoint,
    pressure: SetPoint,
    translation: NoseHooverChain,
    rotation: NoseHooverChain,
    barostat: Barostat,
}

impl Motion {
    /// The motion of `replica` under `dynamics`. Chain and barostat masses follow from the temperature at the start.
    pub fn new(topology: &Topology, dynamics: &Dynamics, replica: usize) -> Result<Self, MissingSetPoint> {
        let constant = SetPoint { start: 0.0, rate: 0.0, start_step: 0 };
        let set_point = |points: &[SetPoint], needed: bool, quantity| match points.get(replica) {
            Some(point) => Ok(*point),
            None if needed => Err(MissingSetPoint { replica, quantity }),
            None => Ok(constant),
        };
        let ensemble = dynamics.ensemble;
        let temperature = set_point(&dynamics.temperature, ensemble != Ensemble::Nve, "temperature")?;
        let pressure = set_point(&dynamics.pressure, ensemble == Ensemble::Npt, "pressure")?;
        let kt = BOLTZMANN * temperature.start;
        let (g_t, g_r) =
            (topology.translational_degrees_of_freedom(), topology.rotational_degrees_of_freedom());
        Ok(Self {
            timestep: dynamics.timestep,
            ensemble,
            temperature,
            pressure,
            translation: NoseHooverChain::new(g_t, kt, dynamics.thermostat_period),
            rotation: NoseHooverChain::new(g_r, kt, dynamics.thermostat_period),
            barostat: Barostat::new(g_t, kt, dynamics.barostat_period),
        })
    }

    /// The chains of translations, of rotations, and of the barostat.
    pub fn chains(&self) -> [&NoseHooverChain; 3] {
        [&self.translation, &self.rotation, &self.barostat.chain]
    }

    /// The barostat, whose constants mean something in NPT.
    pub fn barostat(&self) -> &Barostat {
        &self.barostat
    }

    /// Does step number `step` + 1 of the run. `energy_and_virial` asks for them at the new positions; NPT always has them.
    /// After an error the replica is somewhere inside the step.
    pub fn step(
        &self,
        topology: &Topology,
        step: u64,
        replica: &mut ReplicaMut,
        kernel: &mut dyn ForceKernel,
        forces: &mut BodyForces,
        energy_and_virial: bool,
    ) -> Result<(), StepError> {
        let npt = self.ensemble == Ensemble::Npt;
        forces.ensure(topology, replica, kernel, npt)?;
        self.propagate_chains(topology, step, replica);
        if npt {
            self.kick_barostat(topology, step, replica, forces.configuration());
        }
        self.kick(topology, replica, forces);
        self.add_set_point_work(step, replica);
        if npt {
            mtk_barostat::drift_centres(replica, self.timestep)
                .map_err(|_| StepError::NotFinite { body: 0 })?;
        } else {
            velocity_verlet::drift_centres(replica, self.timestep);
        }
        velocity_verlet::drift_rotations(topology, replica, self.timestep);
        check_finite(replica)?;
        forces.invalidate();
        forces.ensure(topology, replica, kernel, npt || energy_and_virial)?;
        if npt {
            replica.extended.set_point_work +=
                0.5 * self.set_point_change(&self.pressure, step) * replica.cell.volume();
        }
        self.kick(topology, replica, forces);
        if npt {
            self.kick_barostat(topology, step + 1, replica, forces.configuration());
        }
        self.propagate_chains(topology, step + 1, replica);
        check_finite(replica)
    }

    /// Observables of the ensemble at `step`.
    pub fn thermo(
        &self,
        topology: &Topology,
        step: u64,
        replica: &ReplicaMut,
        configuration: &Configuration,
    ) -> Thermo {
        let mut thermo = instantaneous(topology, replica, configuration);
        if self.ensemble == Ensemble::Nve {
            return thermo;
        }
        thermo.target_temperature = self.temperature.at(step, self.timestep);
        let kt = BOLTZMANN * thermo.target_temperature;
        let extended = &*replica.extended;
        thermo.conserved += self.translation.energy(&extended.translation, kt)
            + self.rotation.energy(&extended.rotation, kt)
            - extended.set_point_work;
        if self.ensemble == Ensemble::Npt {
            thermo.target_pressure = self.pressure.at(step, self.timestep);
            thermo.conserved += thermo.target_pressure * thermo.volume + self.barostat.energy(replica, kt);
        }
        thermo
    }

    /// Half a step of the chains at the set point of `step`.
    fn propagate_chains(&self, topology: &Topology, step: u64, replica: &mut ReplicaMut) {
        if self.ensemble == Ensemble::Nve {
            return;
        }
        let kt = BOLTZMANN * self.temperature.at(step, self.timestep);
        let half = 0.5 * self.timestep;
        let propagate = |nhc: &NoseHooverChain, chain: &mut Chain, k| nhc.propagate(chain, k, kt, half);
        let kinetic = twice_translational(topology, replica);
        let scale = propagate(&self.translation, &mut replica.extended.translation, kinetic);
        replica.velocity.iter_mut().for_each(|v| *v *= scale);
        let kinetic = twice_rotational(topology, replica);
        let scale = propagate(&self.rotation, &mut replica.extended.rotation, kinetic);
        replica.quaternion_momentum.iter_mut().for_each(|p| *p *= scale);
        if self.ensemble == Ensemble::Npt {
            let extended = &mut *replica.extended;
            let kinetic = self.barostat.mass * extended.strain_rate * extended.strain_rate;
            extended.strain_rate *= propagate(&self.barostat.chain, &mut extended.barostat, kinetic);
        }
    }

    /// Half a step of the strain rate at the set point of `step`.
    fn kick_barostat(
        &self,
        topology: &Topology,
        step: u64,
        replica: &mut ReplicaMut,
        configuration: Option<&Configuration>,
    ) {
        let virial = configuration.map_or(0.0, |c| trace(&c.molecular_virial));
        replica.extended.strain_rate += self.barostat.acceleration(
            virial,
            twice_translational(topology, replica),
            self.pressure.at(step, self.timestep),
            replica.cell.volume(),
            0.5 * self.timestep,
        );
    }

    /// Half a step of the velocities and rotational momenta.
    fn kick(&self, topology: &Topology, replica: &mut ReplicaMut, forces: &BodyForces) {
        let half = 0.5 * self.timestep;
        if self.ensemble == Ensemble::Npt {
            self.barostat.kick_centres(topology, replica, forces.forces(), half);
        } else {
            velocity_verlet::kick_centres(topology, replica, forces.forces(), half);
        }
        velocity_verlet::kick_rotations(topology, replica, forces.torques(), half);
    }

    /// Change of a set point over the step that begins at `step`.
    fn set_point_change(&self, point: &SetPoint, step: u64) -> f64 {
        point.at(step + 1, self.timestep) - point.at(step, self.timestep)
    }

    /// Work of the set points that move during the step, in its middle. H' depends on time through kT(t) times the
    /// reduced potentials of the chains and through P(t) V, so its rate of change is k dT/dt (g_t eta_1 + eta_2 + ...) +
    /// V dP/dt. The chain positions do not move between the two halves; of P V the first half of the work uses the volume
    /// before the drift, the second that after it.
    fn add_set_point_work(&self, step: u64, replica: &mut ReplicaMut) {
        if self.ensemble == Ensemble::Nve {
            return;
        }
        let extended = &mut *replica.extended;
        let mut reduced = self.translation.reduced_potential(&extended.translation)
            + self.rotation.reduced_potential(&extended.rotation);
        if self.ensemble == Ensemble::Npt {
            reduced += self.barostat.chain.reduced_potential(&extended.barostat);
            extended.set_point_work +=
                0.5 * self.set_point_change(&self.pressure, step) * replica.cell.volume();
        }
        extended.set_point_work += BOLTZMANN * self.set_point_change(&self.temperature, step) * reduced;
    }
}

/// Every position and velocity is a finite number.
fn check_finite(replica: &ReplicaMut) -> Result<(), StepError> {
    let bodies = replica.centre.iter().zip(replica.velocity.iter());
    let rotations = replica.orientation.iter().zip(replica.quaternion_momentum.iter());
    for (body, ((s, v), (q, p))) in bodies.zip(rotations).enumerate() {
        if !(s.is_finite() && v.is_finite() && q.is_finite() && p.is_finite()) {
            return Err(StepError::NotFinite { body });
        }
    }
    Ok(())
}
