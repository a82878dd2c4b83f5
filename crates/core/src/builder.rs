//! Start configurations: a random melt at a given composition and cell, and Maxwell-Boltzmann velocities.

use glam::{DVec3, DVec4};

use crate::cell::{Cell, CellError};
use crate::integrators::rigid_body;
use crate::integrators::thermodynamics::remove_centre_of_mass_velocity;
use crate::random::{Counter, Stream};
use crate::state::{State, rotate};
use crate::topology::{MoleculeModel, Topology};
use crate::units::{BOLTZMANN, GRAM_PER_CUBIC_CENTIMETRE};

/// Smallest distance between lattice sites (angstrom): closer, ions overlap more than overlap removal can mend.
const SMALLEST_SPACING: f64 = 2.4;
/// Largest displacement of a molecule from its site, in site spacings.
const JITTER: f64 = 0.1;

/// Why no start configuration can be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BuilderError {
    /// The molecules do not fit.
    #[error(
        "{molecules} molecules do not fit into {volume:.1} angstrom^3 ({density:.3} g/cm^3): they would be {spacing:.2} angstrom apart and need {SMALLEST_SPACING} or more; lower the density"
    )]
    TooDense {
        /// Number of molecules.
        molecules: usize,
        /// Volume (A^3).
        volume: f64,
        /// Density (g/cm^3).
        density: f64,
        /// Distance between sites (angstrom).
        spacing: f64,
    },
    /// There is nothing to place.
    #[error("the composition is empty; give at least one molecule")]
    Empty,
    /// The density gives no cell.
    #[error(transparent)]
    Cell(#[from] CellError),
}

/// The cube that holds `topology` at `density` (u/A^3).
pub fn cubic_cell_for_density(topology: &Topology, density: f64) -> Result<Cell, BuilderError> {
    if topology.molecules.is_empty() {
        return Err(BuilderError::Empty);
    }
    Ok(Cell::cubic((topology.total_mass() / density).cbrt())?)
}

/// A random melt at rest: molecules on a jittered lattice of sites in random order, with random orientations. Overlaps are
/// left to [`crate::minimize`]. Replica r depends on the seed and on r alone.
pub fn build(topology: &Topology, cell: Cell, n_replicas: usize, seed: u64) -> Result<State, BuilderError> {
    let molecules = topology.molecules.len();
    if molecules == 0 {
        return Err(BuilderError::Empty);
    }
    let sites = lattice(&cell, molecules);
    let spacing =
        (0..3).map(|k| cell.perpendicular_heights()[k] / f64::from(sites[k])).fold(f64::INFINITY, f64::min);
    if spacing < SMALLEST_SPACING {
        return Err(BuilderError::TooDense {
            molecules,
            volume: cell.volume(),
            density: topology.total_mass() / cell.volume() / GRAM_PER_CUBIC_CENTIMETRE,
            spacing,
        });
    }
    let mut state = State::new(topology, n_replicas, cell);
    for replica in 0..n_replicas {
        place_replica(topology, &cell, sites, &mut state, replica, seed);
    }
    Ok(state)
}

/// Sites along a, b, c: at least `molecules` in all, as evenly spaced as the cell allows.
fn lattice(cell: &Cell, molecules: usize) -> [u32; 3] {
    let heights = cell.perpendicular_heights();
    let mut n = [1u32; 3];
    while n.iter().map(|&k| k as usize).product::<usize>() < molecules {
        let widest =
            (0..3).max_by(|&a, &b| (heights[a] / f64::from(n[a])).total_cmp(&(heights[b] / f64::from(n[b]))));
        n[widest.unwrap_or(0)] += 1;
    }
    n
}

fn place_replica(
    topology: &Topology,
    cell: &Cell,
    sites: [u32; 3],
    state: &mut State,
    replica: usize,
    seed: u64,
) {
    let counter = |stream, particle: usize| Counter {
        seed,
        stream,
        replica: replica as u32,
        step: 0,
        particle: particle as u32,
    };
    let mut order: Vec<u32> = (0..sites.iter().product()).collect();
    for k in (1..order.len()).rev() {
        // Fisher and Yates, with 64 random bits a draw.
        let words = counter(Stream::BuilderPermutation, k).words();
        let random = (u64::from(words[0]) << 32) | u64::from(words[1]);
        order.swap(k, ((u128::from(random) * (k as u128 + 1)) >> 64) as usize);
    }
    let mut body = replica * state.n_bodies;
    for (index, molecule) in topology.molecules.iter().enumerate() {
        let site = order[index];
        let place = [site / (sites[1] * sites[2]), site / sites[2] % sites[1], site % sites[2]];
        let jitter = counter(Stream::BuilderPosition, index).uniform();
        let centre: DVec3 = std::array::from_fn(|k| {
            (f64::from(place[k]) + 0.5 + JITTER * (2.0 * jitter[k] - 1.0)) / f64::from(sites[k])
        })
        .into();
        let q = random_rotation(counter(Stream::BuilderOrientation, index).uniform());
        let mut put = |s: DVec3, q: DVec4| {
            state.centre[body] = Cell::wrap_fractional(s);
            state.unwrapped[body] = cell.cartesian(state.centre[body]);
            state.orientation[body] = q;
            body += 1;
        };
        match &topology.kinds[molecule.kind].model {
            MoleculeModel::Point => put(centre, DVec4::X),
            MoleculeModel::Rigid { .. } => put(centre, q),
            MoleculeModel::Flexible { positions, .. } => {
                for &d in positions {
                    put(centre + cell.fractional(rotate(q, d)), DVec4::X);
                }
            }
        }
    }
}

/// A quaternion uniform on the rotation group (Shoemake, Graphics Gems III (1992), p. 124).
fn random_rotation(u: [f64; 4]) -> DVec4 {
    let (a, b) = ((1.0 - u[0]).sqrt(), u[0].sqrt());
    let (sin1, cos1) = (std::f64::consts::TAU * u[1]).sin_cos();
    let (sin2, cos2) = (std::f64::consts::TAU * u[2]).sin_cos();
    DVec4::new(b * cos2, a * sin1, a * cos1, b * sin2)
}

/// Maxwell-Boltzmann velocities and angular momenta at one temperature (K) a replica.
///
/// The centre of mass is brought to rest, and translation and rotation are then each scaled to the temperature exactly,
/// with the exact degrees of freedom, so that a run does not begin with a random temperature error.
pub fn assign_velocities(state: &mut State, topology: &Topology, temperatures: &[f64], seed: u64) {
    for (replica, &temperature) in temperatures.iter().enumerate().take(state.n_replicas) {
        let kt = BOLTZMANN * temperature;
        let range = state.bodies_of(replica);
        for (b, (index, body)) in range.zip(&topology.bodies).enumerate() {
            let normal = |stream| {
                Counter { seed, stream, replica: replica as u32, step: state.step, particle: b as u32 }
                    .normal()
            };
            let [x, y, z, _] = normal(Stream::Velocity);
            state.velocity[index] = DVec3::new(x, y, z) * (kt / body.mass).sqrt();
            state.quaternion_momentum[index] =
                topology.rigid_shape(body).map_or(DVec4::ZERO, |(_, moments)| {
                    let [x, y, z, _] = normal(Stream::AngularMomentum);
                    let l = DVec3::new(x, y, z) * (kt * moments).map(f64::sqrt);
                    rigid_body::quaternion_momentum(state.orientation[index], l)
                });
        }
    }
    remove_centre_of_mass_velocity(topology, state);
    for (replica, &temperature) in temperatures.iter().enumerate().take(state.n_replicas) {
        scale_to(state, topology, replica, BOLTZMANN * temperature);
    }
}

/// Scales translation and rotation of a replica to g kT/2 each.
fn scale_to(state: &mut State, topology: &Topology, replica: usize, kt: f64) {
    let range = state.bodies_of(replica);
    let (mut translation, mut rotation) = (0.0, 0.0);
    for (index, body) in range.clone().zip(&topology.bodies) {
        translation += body.mass * state.velocity[index].length_squared();
        if let Some((_, moments)) = topology.rigid_shape(body) {
            rotation += 2.0
                * rigid_body::kinetic_energy(
                    state.orientation[index],
                    state.quaternion_momentum[index],
                    moments,
                );
        }
    }
    let factor = |twice_kinetic: f64, degrees: f64| {
        if twice_kinetic > 0.0 { (degrees * kt / twice_kinetic).sqrt() } else { 0.0 }
    };
    let v = factor(translation, topology.translational_degrees_of_freedom());
    let p = factor(rotation, topology.rotational_degrees_of_freedom());
    for index in range {
        state.velocity[index] *= v;
        state.quaternion_momentum[index] *= p;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::force_field::{CKN_FLEXIBLE, CKN_RIGID, ForceField};

    fn ckn(text: &str) -> Topology {
        let force_field = ForceField::parse(text, "ckn").unwrap();
        force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).unwrap()
    }

    #[test]
    fn a_replica_does_not_depend_on_the_others() {
        let topology = ckn(CKN_RIGID);
        let cell = Cell::cubic(10.6).unwrap();
        let mut four = build(&topology, cell, 4, 7).unwrap();
        let mut one = build(&topology, cell, 1, 7).unwrap();
        assign_velocities(&mut four, &topology, &[700.0; 4], 3);
        assign_velocities(&mut one, &topology, &[700.0], 3);
        assert_eq!(four.centre[four.bodies_of(0)], one.centre[..]);
        assert_eq!(four.velocity[four.bodies_of(0)], one.velocity[..]);
        assert_ne!(four.centre[four.bodies_of(0)], four.centre[four.bodies_of(3)]);
        assert_ne!(four.velocity[four.bodies_of(1)], four.velocity[four.bodies_of(2)]);
    }

    #[test]
    fn velocities_have_the_temperature_exactly_and_no_momentum() {
        for text in [CKN_RIGID, CKN_FLEXIBLE] {
            let topology = ckn(text);
            let mut state = build(&topology, Cell::cubic(10.6).unwrap(), 2, 1).unwrap();
            assign_velocities(&mut state, &topology, &[300.0, 900.0], 5);
            for (replica, t) in [300.0, 900.0].into_iter().enumerate() {
                let view = &state.replicas_mut()[replica];
                let twice = crate::integrators::thermodynamics::twice_translational(&topology, view);
                let rotation = crate::integrators::thermodynamics::twice_rotational(&topology, view);
                // Round-off of sums over 66 atoms.
                let g = topology.translational_degrees_of_freedom();
                assert!((twice / (g * BOLTZMANN * t) - 1.0).abs() < 1e-12);
                let g = topology.rotational_degrees_of_freedom();
                assert!((rotation - g * BOLTZMANN * t).abs() < 1e-9 * twice);
                let momentum: DVec3 =
                    topology.bodies.iter().zip(view.velocity.iter()).map(|(b, v)| *v * b.mass).sum();
                assert!(momentum.length() < 1e-9);
            }
        }
    }

    #[test]
    fn molecules_that_cannot_fit_are_refused_with_the_density() {
        let error = build(&ckn(CKN_RIGID), Cell::cubic(6.0).unwrap(), 1, 1).unwrap_err().to_string();
        assert!(error.contains("g/cm^3") && error.contains("lower the density"), "{error}");
    }
}
