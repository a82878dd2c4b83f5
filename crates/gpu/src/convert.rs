//! Between the f64 state of the host and the words of the device.

use glam::{DVec3, DVec4};
use vitrion_core::cell::Cell;
use vitrion_core::integrators::rigid_body::{angular_momentum, quaternion_momentum};
use vitrion_core::neighbors::molecule_list::fraction;
use vitrion_core::state::{Chain, ExtendedVariables, State};
use vitrion_core::topology::Topology;
use vitrion_shaders::protocol::section;
use vitrion_shaders::protocol::units::{
    CHAIN_UNITS, LENGTH_UNITS, MOMENTUM_UNITS, STRAIN_UNITS, VELOCITY_UNITS, WORK_UNITS,
};

use crate::layout::{self, Replica};

/// 2^32: units of a fraction of the cell.
const UNITS: f64 = 4_294_967_296.0;
/// 2^30: units of a quaternion's components.
const QUATERNION_UNITS: f64 = 1_073_741_824.0;

fn vec4(v: DVec3) -> [f32; 4] {
    [v.x as f32, v.y as f32, v.z as f32, 0.0]
}

/// Fixed-point positions of atoms.
pub fn atom_words(cell: &Cell, positions: &[DVec3]) -> Vec<[i32; 4]> {
    let word = |&r: &DVec3| {
        let [x, y, z] = fraction(cell, r);
        [x, y, z, 0]
    };
    positions.iter().map(word).collect()
}

/// Makes `cell` the cell at growth 1, now and at the start.
pub fn set_cell(replica: &mut Replica, cell: &Cell) {
    let h = cell.matrix();
    let edges = [h.x_axis, h.y_axis, h.z_axis].map(|edge| vec4(edge / UNITS));
    let rows = cell.inverse().transpose();
    let reciprocal = [rows.x_axis, rows.y_axis, rows.z_axis].map(vec4);
    replica.edges = edges;
    replica.edges_at_start = edges;
    replica.reciprocal = reciprocal;
    replica.reciprocal_at_start = reciprocal;
    replica.volume = cell.volume() as f32;
    replica.volume_at_start = replica.volume;
    replica.growth = 1.0;
    replica.growth_at_build = 1.0;
    replica.log_growth = [0; 2];
    replica.half_height_at_start = (0.5 * cell.perpendicular_heights().min_element()) as f32;
}

/// The wide integer (low and high word) next to x 2^units; the last one in its direction where x is beyond its range.
pub fn wide(x: f64, units: i32) -> [u32; 2] {
    let fixed = (x * 2f64.powi(units)).round() as i64;
    [fixed as u32, (fixed >> 32) as u32]
}

/// The number that a wide integer stands for, rounded to f64.
pub fn narrow([low, high]: [u32; 2], units: i32) -> f64 {
    ((i64::from(high.cast_signed()) << 32) | i64::from(low)) as f64 * 2f64.powi(-units)
}

/// What a wide integer holds on either side of zero.
pub fn wide_range(units: i32) -> f64 {
    2f64.powi(63 - units)
}

fn split(v: DVec3, units: i32) -> [[u32; 4]; 2] {
    let [x, y, z] = v.to_array().map(|x| wide(x, units));
    [0, 1].map(|word| [x[word], y[word], z[word], 0])
}

fn joined(low: [u32; 4], high: [u32; 4], units: i32) -> DVec3 {
    DVec3::from_array([0, 1, 2].map(|axis| narrow([low[axis], high[axis]], units)))
}

/// A chain in the device's words; masses are kept.
pub fn set_chain(words: &mut layout::Chain, chain: &Chain) {
    for link in 0..3 {
        words.eta[link] = wide(chain.eta[link], CHAIN_UNITS);
        words.velocity[link] = wide(chain.eta_velocity[link], CHAIN_UNITS);
    }
}

fn chain(words: &layout::Chain) -> Chain {
    Chain {
        eta: [0, 1, 2].map(|link| narrow(words.eta[link], CHAIN_UNITS)),
        eta_velocity: [0, 1, 2].map(|link| narrow(words.velocity[link], CHAIN_UNITS)),
    }
}

/// Extended variables in the device's words.
pub fn set_extended(replica: &mut Replica, extended: &ExtendedVariables) {
    let chains = [&extended.translation, &extended.rotation, &extended.barostat];
    for (words, chain) in replica.chains.iter_mut().zip(chains) {
        set_chain(words, chain);
    }
    replica.strain_rate = wide(extended.strain_rate, STRAIN_UNITS);
    replica.set_point_work = wide(extended.set_point_work, WORK_UNITS);
}

/// The first extended variable that its integer cannot hold: its name, its value, and the largest that it can be.
pub fn beyond_range(extended: &ExtendedVariables) -> Option<(&'static str, f64, f64)> {
    let chains = [&extended.translation, &extended.rotation, &extended.barostat];
    let of_chains = chains.into_iter().flat_map(|chain| {
        let positions = chain.eta.map(|x| ("thermostat's position", x, CHAIN_UNITS));
        positions.into_iter().chain(chain.eta_velocity.map(|x| ("thermostat's velocity", x, CHAIN_UNITS)))
    });
    let others = [
        ("strain rate", extended.strain_rate, STRAIN_UNITS),
        ("work of the set points", extended.set_point_work, WORK_UNITS),
    ];
    // Half of the range: steps are to come.
    let too_large = |&(_, x, units): &(&str, f64, i32)| x.is_nan() || x.abs() >= 0.5 * wide_range(units);
    of_chains.chain(others).find(too_large).map(|(name, x, units)| (name, x, 0.5 * wide_range(units)))
}

/// The first body (counted over all replicas) whose velocity, angular momentum or unwrapped centre its integer cannot hold.
pub fn body_beyond_range(topology: &Topology, state: &State) -> Option<usize> {
    let holds = |v: DVec3, units: i32| v.abs().max_element() < 0.5 * wide_range(units);
    (0..state.centre.len()).find(|&body| {
        let is_rigid = topology.bodies[body % state.n_bodies].rigid_kind.is_some();
        let momentum = || angular_momentum(state.orientation[body], state.quaternion_momentum[body]);
        !holds(state.velocity[body], VELOCITY_UNITS)
            || !holds(state.unwrapped[body], LENGTH_UNITS)
            || (is_rigid && !holds(momentum(), MOMENTUM_UNITS))
    })
}

/// Extended variables from the device's words.
pub fn extended(replica: &Replica) -> ExtendedVariables {
    let [translation, rotation, barostat] = replica.chains.each_ref().map(chain);
    ExtendedVariables {
        translation,
        rotation,
        barostat,
        strain_rate: narrow(replica.strain_rate, STRAIN_UNITS),
        set_point_work: narrow(replica.set_point_work, WORK_UNITS),
    }
}

/// ln of the growth of a cell since it was set.
pub fn log_growth(replica: &Replica) -> f64 {
    narrow(replica.log_growth, STRAIN_UNITS)
}

/// Place of a section's vec4 of a body (counted over all replicas) in the buffer of bodies.
fn body_word(section: u32, body: usize, n_bodies: usize) -> usize {
    let (replica, body) = (body / n_bodies, body % n_bodies);
    (replica * section::SECTIONS as usize + section as usize) * n_bodies + body
}

/// The buffer of bodies: for each replica eight sections of one vec4 a body.
pub fn body_words(topology: &Topology, state: &State) -> Vec<[u32; 4]> {
    let n = state.centre.len();
    let mut words = vec![[0u32; 4]; section::SECTIONS as usize * n];
    for body in 0..n {
        let mut put = |section: u32, value: [u32; 4]| words[body_word(section, body, state.n_bodies)] = value;
        let s = state.centre[body];
        let fixed = (s - s.round()) * UNITS;
        let [x, y, z] = fixed.to_array().map(|x| (x.round() as i64) as u32);
        put(section::CENTRE, [x, y, z, 0]);
        let mut put_wide = |section: u32, v: DVec3, units: i32| {
            let [low, high] = split(v, units);
            put(section, low);
            put(section + 1, high);
        };
        put_wide(section::UNWRAPPED, state.unwrapped[body], LENGTH_UNITS);
        put_wide(section::VELOCITY, state.velocity[body], VELOCITY_UNITS);
        let q = state.orientation[body].normalize();
        if topology.bodies[body % state.n_bodies].rigid_kind.is_some() {
            let l = angular_momentum(q, state.quaternion_momentum[body]);
            put_wide(section::ANGULAR_MOMENTUM, l, MOMENTUM_UNITS);
        }
        put(section::ORIENTATION, q.to_array().map(|x| (x * QUATERNION_UNITS).round() as i32 as u32));
    }
    words
}

/// An unwrapped centre from its words.
pub fn unwrapped(low: [u32; 4], high: [u32; 4]) -> DVec3 {
    joined(low, high, LENGTH_UNITS)
}

/// Reads the buffer of bodies into `state`.
pub fn read_bodies(topology: &Topology, words: &[[u32; 4]], state: &mut State) {
    let n_bodies = state.n_bodies;
    let get = |section: u32, body: usize| words[body_word(section, body, n_bodies)];
    let get_wide =
        |section: u32, body: usize, units: i32| joined(get(section, body), get(section + 1, body), units);
    for body in 0..state.centre.len() {
        let [x, y, z, _] = get(section::CENTRE, body).map(|x| f64::from(x) / UNITS);
        state.centre[body] = DVec3::new(x, y, z);
        state.unwrapped[body] = get_wide(section::UNWRAPPED, body, LENGTH_UNITS);
        state.velocity[body] = get_wide(section::VELOCITY, body, VELOCITY_UNITS);
        if topology.bodies[body % n_bodies].rigid_kind.is_some() {
            let q = get(section::ORIENTATION, body).map(|x| f64::from(x.cast_signed()));
            let q = DVec4::from_array(q).normalize();
            state.orientation[body] = q;
            let l = get_wide(section::ANGULAR_MOMENTUM, body, MOMENTUM_UNITS);
            state.quaternion_momentum[body] = quaternion_momentum(q, l);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_integers_hold_what_f64_holds() {
        for units in [CHAIN_UNITS, STRAIN_UNITS, WORK_UNITS, VELOCITY_UNITS, MOMENTUM_UNITS, LENGTH_UNITS] {
            for x in [0.0, 1.0, -1.0, 0.3, -1e-9, 123.456, -3e4 + 1e-7] {
                let error = (narrow(wide(x, units), units) - x).abs();
                // Half a unit, and the rounding of x itself.
                assert!(
                    error <= 0.5001 * 2f64.powi(-units) + 1e-16 * x.abs(),
                    "{x} in 2^-{units}: {error:e}"
                );
            }
        }
    }

    #[test]
    fn numbers_beyond_the_range_are_named() {
        let mut extended = ExtendedVariables::default();
        assert_eq!(beyond_range(&extended), None);
        extended.set_point_work = -1e13;
        assert_eq!(beyond_range(&extended).unwrap().0, "work of the set points");
        extended.set_point_work = f64::NAN;
        assert!(beyond_range(&extended).is_some());
        extended = ExtendedVariables::default();
        extended.rotation.eta[2] = 1e7;
        assert_eq!(beyond_range(&extended).unwrap().0, "thermostat's position");
    }
}
