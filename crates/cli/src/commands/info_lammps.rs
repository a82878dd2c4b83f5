//! What `vitrion info` says of files of LAMMPS.

use std::path::Path;

use anyhow::Result;
use vitrion_trajectory::lammps_data;
use vitrion_trajectory::lammps_dump::{End, Labels, LammpsDump, Units};

use super::info::cell_in_words;
use crate::console;

/// A dump.
pub(super) fn dump(path: &Path) -> Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    let dump = LammpsDump::open(path)?;
    let mut lines = vec![format!("{}: LAMMPS dump, {}", path.display(), console::bytes(bytes))];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<14}{value}"));
    match dump.end() {
        End::Whole => {}
        End::WithinFrame => add("state", "ends within a frame".to_string()),
        End::WithinLastLine => add("state", "ends within the last line of a frame".to_string()),
    }
    let first = dump.frame(0)?;
    let labels = first.elements.as_ref().or(first.types.as_ref());
    let counts: Vec<usize> = dump.atoms().collect();
    let total = match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least != most => {
            format!("{} to {}", console::grouped(*least as u64), console::grouped(*most as u64))
        }
        _ => console::grouped(first.ids.len() as u64),
    };
    add("atoms", format!("{total}{}", labels.map_or(String::new(), of_labels)));
    add("frames", frames(&dump));
    add("units", dump.units().map_or("not named".to_string(), |units| units.name().to_string()));
    if let Some(cell) = dump.cell(dump.frames() - 1) {
        // Multiples of sigma are no angstrom.
        let unit = if dump.units() == Some(Units::Lj) { "sigma" } else { "angstrom" };
        add("cell", format!("{} (last frame)", cell_in_words(&cell).replace("angstrom", unit)));
    }
    let boundary =
        dump.boundary(0).map(|edges| edges.map(|sides| sides.iter().collect::<String>()).join(" "));
    add("boundary", boundary.unwrap_or("not named".to_string()));
    add("columns", dump.columns().join(" "));
    Ok(lines.join("\n"))
}

/// e.g. `: 40 of 1, 20 of 2`, or with elements `: 40 K, 20 Ca`.
fn of_labels(labels: &Labels) -> String {
    let mut counts = vec![0u64; labels.names.len()];
    labels.of.iter().for_each(|&label| counts[label] += 1);
    let parts: Vec<String> = labels
        .names
        .iter()
        .zip(counts)
        .map(|(name, n)| {
            let of = if name.starts_with(|c: char| c.is_ascii_digit()) { "of type " } else { "" };
            format!("{} {of}{name}", console::grouped(n))
        })
        .collect();
    format!(": {}", parts.join(", "))
}

fn frames(dump: &LammpsDump) -> String {
    let steps = dump.steps();
    let n = console::grouped(steps.len() as u64);
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return n };
    let times: Vec<f64> = dump.times().into_iter().flatten().collect();
    // Times without a unit are none.
    let known = dump.units().is_some_and(|units| units != Units::Lj) && times.len() == steps.len();
    match (times.first(), times.last()) {
        (Some(start), Some(end)) if known => {
            format!("{n}, steps {first} to {last}, {start:.3} to {end:.3} ps")
        }
        _ => format!("{n}, steps {first} to {last}"),
    }
}

/// A data file.
pub(super) fn data(path: &Path) -> Result<String> {
    let found = lammps_data::describe(path)?;
    let mut lines = vec![format!("{}: LAMMPS data file", path.display())];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<14}{value}"));
    let labels = Labels { names: found.names.clone(), of: found.species.clone() };
    add("atoms", format!("{}{}", console::grouped(found.ids.len() as u64), of_labels(&labels)));
    let molecules = found.molecules.as_ref().and_then(|m| m.iter().max()).map(|last| *last as u64 + 1);
    add("molecules", molecules.map_or("not named".to_string(), console::grouped));
    for note in &found.notes {
        add("note", note.clone());
    }
    Ok(lines.join("\n"))
}
