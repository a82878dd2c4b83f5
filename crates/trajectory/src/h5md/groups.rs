//! Groups of particles in a file, and which of them is meant.

use std::path::Path;

use hdf5::{File, Group};

use super::opening::open_file;
use super::source::broken_link;
use super::{H5mdError, missing};

/// A group with positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its name below `/particles`.
    pub name: String,
    /// Rows that a frame has.
    pub particles: usize,
}

/// The groups with positions of a file, by name.
pub fn groups_in(path: &Path) -> Result<Vec<GroupSummary>, H5mdError> {
    let groups = all(path, &open_file(path)?, None)?;
    Ok(groups.into_iter().map(|(_, summary)| summary).collect())
}

/// All groups with positions, by name. Links that lead nowhere are refused where nothing else is there, or where `wanted` is one.
pub(super) fn all(
    path: &Path,
    file: &File,
    wanted: Option<&str>,
) -> Result<Vec<(Group, GroupSummary)>, H5mdError> {
    let none = || missing(path, "/particles", "this is an HDF5 file, but no H5MD trajectory");
    let broken = |what: &str, reason: String| H5mdError::Read {
        path: path.to_path_buf(),
        what: what.to_string(),
        reason,
    };
    if let Some(reason) = broken_link(file, "particles") {
        return Err(broken("particles", reason));
    }
    let particles = file.group("particles").map_err(|_| none())?;
    let mut names = particles.member_names().map_err(|_| none())?;
    names.sort();
    let mut found = Vec::new();
    let mut first_broken = None;
    for name in names {
        if let Some(reason) = broken_link(&particles, &name) {
            let error = broken(&format!("particles/{name}"), reason);
            if wanted == Some(name.as_str()) {
                return Err(error);
            }
            first_broken = first_broken.or(Some(error));
        }
        let Ok(group) = particles.group(&name) else { continue };
        if group.link_exists("position") {
            let particles = rows(&group);
            found.push((group, GroupSummary { name, particles }));
        }
    }
    if found.is_empty() {
        let none = || missing(path, "/particles/*/position", "this file holds no positions");
        return Err(first_broken.unwrap_or_else(none));
    }
    Ok(found)
}

/// Particles of a group by the shape of its positions; 0 where that is no shape of positions.
fn rows(group: &Group) -> usize {
    let fixed = || group.dataset("position").map(|p| p.shape().first().copied());
    let series = || group.dataset("position/value").map(|p| p.shape().get(1).copied());
    series().or_else(|_| fixed()).ok().flatten().unwrap_or(0)
}

/// The group that is asked for; else the only one; else `all`, which is the whole system in Vitrion's files and in those of LAMMPS.
pub(super) fn choose<'a>(
    path: &Path,
    groups: &'a [(Group, GroupSummary)],
    wanted: Option<&str>,
) -> Result<&'a Group, H5mdError> {
    let named = |name: &str| groups.iter().find(|(_, summary)| summary.name == name).map(|(group, _)| group);
    let ask = |found: String| {
        let list = groups.iter().map(|(_, g)| format!("{} ({} particles)", g.name, g.particles));
        H5mdError::Mismatch {
            path: path.to_path_buf(),
            found,
            expected: format!("it holds the groups {}", list.collect::<Vec<_>>().join(", ")),
            remedy: "choose one with --group NAME",
        }
    };
    match (wanted, groups) {
        (Some(name), _) => {
            named(name).ok_or_else(|| ask(format!("there is no group `{name}` with positions")))
        }
        (None, [(only, _)]) => Ok(only),
        (None, _) => {
            named("all").ok_or_else(|| ask("one group of particles can be read at a time".to_string()))
        }
    }
}
