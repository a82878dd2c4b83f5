//! Which atoms count how much in a scattering function: one species, all atoms alike, or as they scatter X-rays or neutrons.

use crate::particles::Particles;
use crate::scattering::Radiation;

/// A weight a species, with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighting {
    /// Name of the species, `all`, `xray` or `neutron`.
    pub name: String,
    /// Per species.
    pub weights: Vec<f64>,
}

/// Every species that has atoms, `all`, and `xray` and `neutron` at wave number `q` where every species' scattering is known.
pub fn weightings(particles: &Particles, q: f64) -> Vec<Weighting> {
    let names = &particles.names;
    let kinds = names.len();
    let counts = particles.counts();
    let single = |s: usize| (0..kinds).map(|other| f64::from(u8::from(other == s))).collect();
    let species = (0..kinds)
        .filter(|&s| counts[s] > 0)
        .map(|s| Weighting { name: names[s].clone(), weights: single(s) });
    let all = Weighting { name: "all".to_string(), weights: vec![1.0; kinds] };
    let radiation = Radiation::ALL.into_iter().filter_map(|radiation| {
        let weights = radiation.weights(names, q)?;
        Some(Weighting { name: radiation.name().to_string(), weights })
    });
    species.chain([all]).chain(radiation).collect()
}

/// A line for the results where X-rays and neutrons are left out.
pub fn note(particles: &Particles) -> Option<String> {
    let unknown: Vec<&str> = particles
        .names
        .iter()
        .filter(|name| Radiation::XRay.weight(name, 0.0).is_none())
        .map(String::as_str)
        .collect();
    (!unknown.is_empty()).then(|| {
        format!("no xray and neutron weighting: scattering of {} is not tabulated here", unknown.join(", "))
    })
}
