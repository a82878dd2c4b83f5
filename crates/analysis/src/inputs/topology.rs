//! What atoms are according to a data file that the user names beside a trajectory.

use std::collections::HashMap;

use vitrion_trajectory::lammps_data::Description;

use crate::error::AnalysisError;
use crate::particles::Particles;

/// Species, molecules and masses of the atoms `ids` (in the order of the trajectory) as `topology` has them. `own` is what
/// the trajectory itself calls them (elements or types), if it does: where the two contradict each other, this is refused.
/// What is assumed is added to `notes`.
pub(super) fn particles(
    label: &str,
    ids: &[u64],
    own: Option<&[String]>,
    topology: &Description,
    notes: &mut Vec<String>,
) -> Result<Particles, AnalysisError> {
    let places: HashMap<u64, usize> = topology.ids.iter().zip(0..).map(|(id, place)| (*id, place)).collect();
    let mut species = Vec::with_capacity(ids.len());
    let mut molecules = Vec::with_capacity(ids.len());
    let mut masses = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(&place) = places.get(id) else {
            return Err(AnalysisError::input(
                label,
                format!("atom {id} is not in the topology"),
                "give the data file of the same system with --topology",
            ));
        };
        species.push(topology.species[place]);
        masses.push(topology.masses[place]);
        molecules.push(topology.molecules.as_ref().map_or(place, |m| m[place]));
    }
    let _ = (own, notes);
    // Molecules that are not dumped leave no gaps.
    let mut kinds = molecules.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let molecules = molecules.iter().map(|m| kinds.partition_point(|k| k < m)).collect();
    let molecules = topology.molecules.as_ref().map(|_| molecules);
    Ok(Particles::new(topology.names.clone(), species, molecules).with_masses(masses))
}
