//! What the atoms of a dump are.

use std::collections::HashMap;

use vitrion_trajectory::lammps_data::Description;
use vitrion_trajectory::lammps_dump::{DumpFrame, Labels};

use super::super::topology;
use crate::error::AnalysisError;
use crate::particles::Particles;

/// Species, molecules and masses: those of the topology; without one those of the columns `element` or else `type`, `mol` and `mass`.
/// What is assumed is added to `notes`.
pub(super) fn particles(
    label: &str,
    first: &DumpFrame,
    topology: Option<&Description>,
    notes: &mut Vec<String>,
) -> Result<Particles, AnalysisError> {
    if !first.has_ids {
        let more = if topology.is_some() { ", and to be that of the topology's ids" } else { "" };
        notes.push(format!(
            "the dump has no ids: the order of its lines is assumed to be the same in all frames{more} (LAMMPS keeps it with `dump_modify sort id` only)"
        ));
    }
    let labels = species(first, notes);
    if let Some(topology) = topology {
        let own: Option<Vec<String>> =
            labels.map(|labels| (0..labels.of.len()).map(|atom| labels.name(atom).to_string()).collect());
        return topology::particles(label, &first.ids, own.as_deref(), topology, notes);
    }
    let Some(Labels { names, of }) = labels else {
        return Err(AnalysisError::input(
            label,
            "it does not say what its atoms are",
            "dump `type` or `element`, or give the data file of the system with --topology SYSTEM.data",
        ));
    };
    let molecules = first.molecules.as_ref().and_then(|ids| molecules(ids, notes));
    let particles = Particles::new(names.clone(), of.clone(), molecules);
    Ok(match &first.masses {
        Some(masses) if masses.iter().all(|m| *m > 0.0) => particles.with_masses(masses.clone()),
        _ => particles,
    })
}

/// Elements, else types. LAMMPS calls all types C that nobody has named (its manual, `dump_modify element`).
fn species<'a>(first: &'a DumpFrame, notes: &mut Vec<String>) -> Option<&'a Labels> {
    match (&first.elements, &first.types) {
        (Some(elements), Some(types)) if elements.names == ["C"] && types.names.len() > 1 => {
            notes.push(
                "the dump calls all elements C, as LAMMPS does where they are not named: types are taken for species"
                    .to_string(),
            );
            Some(types)
        }
        (elements, types) => elements.as_ref().or(types.as_ref()),
    }
}

/// From 0 in the order of their first atoms; atoms of molecule 0 are molecules of their own. None where the ids say nothing.
fn molecules(ids: &[u64], notes: &mut Vec<String>) -> Option<Vec<usize>> {
    if ids.iter().all(|id| *id == ids[0]) {
        if ids[0] != 0 && ids.len() > 1 {
            notes.push(format!(
                "all atoms of the dump are of molecule {}: each is taken for a molecule of its own; --topology says otherwise",
                ids[0]
            ));
        }
        return None;
    }
    let mut numbers = HashMap::new();
    let mut next = 0..;
    let mut fresh = || next.next().unwrap_or_default();
    Some(
        ids.iter()
            .map(|id| if *id == 0 { fresh() } else { *numbers.entry(*id).or_insert_with(&mut fresh) })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_of_molecule_0_are_molecules_of_their_own_and_one_number_for_all_says_nothing() {
        let mut notes = Vec::new();
        assert_eq!(molecules(&[7, 0, 7, 0, 2], &mut notes), Some(vec![0, 1, 0, 2, 3]));
        assert_eq!(molecules(&[0, 0, 0], &mut notes), None);
        assert!(notes.is_empty());
        assert_eq!(molecules(&[3, 3, 3], &mut notes), None);
        assert!(notes[0].contains("molecule 3"), "{notes:?}");
    }
}
