//! What the atoms of a dump are.

use vitrion_trajectory::lammps_data::{self, Description, Grouping};
use vitrion_trajectory::lammps_dump::{DumpFrame, Labels};

use super::super::topology;
use crate::error::AnalysisError;
use crate::particles::Particles;

/// Species, molecules and masses: those of the topology; without one those of the columns `element`, else `typelabel`, else
/// `type`, of `mol` and of `mass`. Where the topology has no molecules, `mol` is taken too. What is assumed is added to `notes`.
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
    let labels = species(first);
    if let Some(topology) = topology {
        let own: Option<Vec<String>> =
            labels.map(|labels| (0..labels.of.len()).map(|atom| labels.name(atom).to_string()).collect());
        let particles = topology::particles(label, &first.ids, own.as_deref(), topology, notes)?;
        return Ok(with_own_molecules(particles, first, notes));
    }
    let Some(labels @ Labels { names, of }) = labels else {
        return Err(AnalysisError::input(
            label,
            "it does not say what its atoms are",
            "dump `type` or `element`, or give the data file of the system with --topology SYSTEM.data",
        ));
    };
    if first.elements.as_ref().is_some_and(|elements| elements != labels) {
        notes.push(
            "the dump calls all elements C, as LAMMPS does where they are not named: types are taken for species"
                .to_string(),
        );
    }
    let molecules = molecules(first, names, of, notes);
    let particles = Particles::new(names.clone(), of.clone(), molecules);
    Ok(match &first.masses {
        Some(masses) if masses.iter().all(|m| *m > 0.0) => particles.with_masses(masses.clone()),
        _ => particles,
    })
}

/// Elements, else types; these also where all elements are those that nobody has named.
fn species(first: &DumpFrame) -> Option<&Labels> {
    match (&first.elements, &first.types) {
        (Some(elements), Some(types)) if topology::unnamed(&elements.names) && types.names.len() > 1 => {
            Some(types)
        }
        (elements, types) => elements.as_ref().or(types.as_ref()),
    }
}

/// With the molecules of the dump, where the topology has none.
fn with_own_molecules(particles: Particles, first: &DumpFrame, notes: &mut Vec<String>) -> Particles {
    if particles.molecules.is_some() {
        return particles;
    }
    let Some(molecules) = molecules(first, &particles.names, &particles.species, notes) else {
        return particles;
    };
    notes.push("molecules are those of the dump (`mol`): the topology has none".to_string());
    let masses = particles.masses;
    Particles { masses, ..Particles::new(particles.names, particles.species, Some(molecules)) }
}

/// Molecules by `mol`, as a data file without bonds would have them. None where `mol` is not there or says nothing.
fn molecules(
    first: &DumpFrame,
    names: &[String],
    species: &[usize],
    notes: &mut Vec<String>,
) -> Option<Vec<usize>> {
    let ids = first.molecules.as_deref()?;
    let grouping =
        Grouping { source: "the dump", ids: &first.ids, molecules: Some(ids), species, names, bonds: &[] };
    lammps_data::molecules(&grouping, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mol: &[u64], species: &[usize]) -> (Option<Vec<usize>>, String) {
        let n = mol.len();
        let first = DumpFrame {
            step: 0,
            cell: vitrion_core::cell::Cell::cubic(10.0).unwrap(),
            origin: glam::DVec3::ZERO,
            has_ids: true,
            ids: (1..=n as u64).collect(),
            positions: vec![glam::DVec3::ZERO; n],
            images: None,
            unwrapped: true,
            types: None,
            elements: None,
            molecules: Some(mol.to_vec()),
            masses: None,
        };
        let names = ["K", "Ca"].map(String::from);
        let mut notes = Vec::new();
        (molecules(&first, &names, species, &mut notes), notes.join("\n"))
    }

    #[test]
    fn molecule_ids_that_cannot_be_meant_are_not_taken() {
        // Atoms of molecule 0 are molecules of their own.
        let (own, notes) = found(&[7, 0, 7, 0, 2], &[0, 0, 1, 1, 1]);
        assert_eq!((own, notes.as_str()), (Some(vec![0, 1, 0, 2, 3]), ""));
        assert_eq!(found(&[0, 0, 0], &[0, 0, 1]), (None, String::new()));
        let (none, notes) = found(&[3, 3, 3], &[0, 0, 1]);
        assert!(none.is_none() && notes.contains("the dump: all atoms have the molecule id 3"), "{notes}");
        // A number of the species.
        let (none, notes) = found(&[1, 2, 1, 2, 2], &[0, 1, 0, 1, 1]);
        assert!(none.is_none() && notes.contains("each species has one molecule id"), "{notes}");
        let (some, notes) = found(&[4, 4, 0, 0], &[0, 0, 1, 1]);
        assert_eq!(some, Some(vec![0, 0, 1, 2]));
        assert!(notes.contains("molecule 4 is 2 K"), "{notes}");
    }
}
