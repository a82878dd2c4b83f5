//! Between the f64 state of the host and the words of the device.

use glam::{DVec3, DVec4};
use vitrion_core::cell::Cell;
use vitrion_core::integrators::rigid_body::{angular_momentum, quaternion_momentum};
use vitrion_core::neighbors::molecule_list::fraction;
use vitrion_core::state::{Chain, ExtendedVariables, State};
use vitrion_core::topology::Topology;

use crate::layout::{self, Replica, section};

/// 2^32: units of a fraction of the cell, and of unwrapped positions per angstrom.
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
    replica.log_growth = [0.0; 2];
    replica.half_height_at_start = (0.5 * cell.perpendicular_heights().min_element()) as f32;
}

/// A number as the sum of two f32.
pub fn two(x: f64) -> [f32; 2] {
    let high = x as f32;
    [high, (x - f64::from(high)) as f32]
}

fn one(parts: [f32; 2]) -> f64 {
    f64::from(parts[0]) + f64::from(parts[1])
}

fn split(v: DVec3) -> [[u32; 4]; 2] {
    let [x, y, z] = v.to_array().map(two);
    [0, 1].map(|part| [x[part].to_bits(), y[part].to_bits(), z[part].to_bits(), 0])
}

fn joined(high: [u32; 4], low: [u32; 4]) -> DVec3 {
    DVec3::from_array([0, 1, 2].map(|axis| one([f32::from_bits(high[axis]), f32::from_bits(low[axis])])))
}

/// A chain in the device's words; masses are kept.
pub fn set_chain(words: &mut layout::Chain, chain: &Chain) {
    for link in 0..3 {
        [words.eta_high[link], words.eta_low[link]] = two(chain.eta[link]);
        [words.velocity_high[link], words.velocity_low[link]] = two(chain.eta_velocity[link]);
    }
}

fn chain(words: &layout::Chain) -> Chain {
    Chain {
        eta: [0, 1, 2].map(|link| one([words.eta_high[link], words.eta_low[link]])),
        eta_velocity: [0, 1, 2].map(|link| one([words.velocity_high[link], words.velocity_low[link]])),
    }
}

/// Extended variables in the device's words.
pub fn set_extended(replica: &mut Replica, extended: &ExtendedVariables) {
    set_chain(&mut replica.translation, &extended.translation);
    set_chain(&mut replica.rotation, &extended.rotation);
    set_chain(&mut replica.barostat, &extended.barostat);
    replica.strain_rate = two(extended.strain_rate);
    replica.set_point_work = two(extended.set_point_work);
}

/// Extended variables from the device's words.
pub fn extended(replica: &Replica) -> ExtendedVariables {
    ExtendedVariables {
        translation: chain(&replica.translation),
        rotation: chain(&replica.rotation),
        barostat: chain(&replica.barostat),
        strain_rate: one(replica.strain_rate),
        set_point_work: one(replica.set_point_work),
    }
}

/// ln of the growth of a cell since it was set.
pub fn log_growth(replica: &Replica) -> f64 {
    one(replica.log_growth)
}

/// The buffer of bodies: eight sections of one vec4 a body.
pub fn body_words(topology: &Topology, state: &State) -> Vec<[u32; 4]> {
    let n = state.centre.len();
    let mut words = vec![[0u32; 4]; section::COUNT * n];
    for body in 0..n {
        let mut put = |section: usize, value: [u32; 4]| words[section * n + body] = value;
        let s = state.centre[body];
        let fixed = (s - s.round()) * UNITS;
        let [x, y, z] = fixed.to_array().map(|x| (x.round() as i64) as u32);
        put(section::CENTRE, [x, y, z, 0]);
        let unwrapped = state.unwrapped[body].to_array().map(|x| (x * UNITS).round() as i64);
        put(section::UNWRAPPED_LOW, [unwrapped[0] as u32, unwrapped[1] as u32, unwrapped[2] as u32, 0]);
        let high = unwrapped.map(|x| (x >> 32) as u32);
        put(section::UNWRAPPED_HIGH, [high[0], high[1], high[2], 0]);
        let [high, low] = split(state.velocity[body]);
        put(section::VELOCITY, high);
        put(section::VELOCITY + 1, low);
        let q = state.orientation[body].normalize();
        put(section::ORIENTATION, q.to_array().map(|x| (x * QUATERNION_UNITS).round() as i32 as u32));
        if topology.bodies[body % state.n_bodies].rigid_kind.is_some() {
            let [high, low] = split(angular_momentum(q, state.quaternion_momentum[body]));
            put(section::ANGULAR_MOMENTUM, high);
            put(section::ANGULAR_MOMENTUM + 1, low);
        }
    }
    words
}

/// An unwrapped centre from its words.
pub fn unwrapped(low: [u32; 4], high: [u32; 4]) -> DVec3 {
    let component =
        |axis: usize| ((i64::from(high[axis].cast_signed()) << 32) | i64::from(low[axis])) as f64 / UNITS;
    DVec3::new(component(0), component(1), component(2))
}

/// Reads the buffer of bodies into `state`.
pub fn read_bodies(topology: &Topology, words: &[[u32; 4]], state: &mut State) {
    let n = state.centre.len();
    let get = |section: usize, body: usize| words[section * n + body];
    for body in 0..n {
        let [x, y, z, _] = get(section::CENTRE, body).map(|x| f64::from(x) / UNITS);
        state.centre[body] = DVec3::new(x, y, z);
        state.unwrapped[body] =
            unwrapped(get(section::UNWRAPPED_LOW, body), get(section::UNWRAPPED_HIGH, body));
        state.velocity[body] = joined(get(section::VELOCITY, body), get(section::VELOCITY + 1, body));
        if topology.bodies[body % state.n_bodies].rigid_kind.is_some() {
            let q = get(section::ORIENTATION, body).map(|x| f64::from(x.cast_signed()));
            let q = DVec4::from_array(q).normalize();
            let l = joined(get(section::ANGULAR_MOMENTUM, body), get(section::ANGULAR_MOMENTUM + 1, body));
            state.orientation[body] = q;
            state.quaternion_momentum[body] = quaternion_momentum(q, l);
        }
    }
}
