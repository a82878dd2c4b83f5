//! What a file holds, in a few numbers.

use vitrion_core::cell::Cell;

use super::elements::text_attribute;
use super::{GroupSummary, H5mdError, Provenance, Stage, TrajectoryReader};

/// What a file holds, in a few numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Program that wrote it, with version, as far as the file says.
    pub creator: Option<String>,
    /// Frames that can be read.
    pub frames: usize,
    /// Frames at the end that a killed writer left incomplete.
    pub incomplete_frames: usize,
    /// Groups with positions.
    pub groups: Vec<GroupSummary>,
    /// The one that this is about.
    pub group: String,
    /// What is assumed of the file.
    pub notes: Vec<String>,
    /// Units of the positions, the times and the box as the file names them.
    pub units: Vec<String>,
    /// Particles.
    pub particles: usize,
    /// Names of species and how many particles have them.
    pub species: Vec<(String, usize)>,
    /// First and last step.
    pub steps: Option<(i64, i64)>,
    /// First and last time (ps), as read and assumed.
    pub times: Option<(f64, f64)>,
    /// Cell of the last frame.
    pub last_cell: Option<Cell>,
    /// Whether the writer closed the file in order; none for other programs' files.
    pub closed: Option<bool>,
    /// Stages, in Vitrion's own files.
    pub stages: Vec<Stage>,
    /// Rows of thermo.
    pub thermo_rows: usize,
    /// Window means by stage.
    pub window_means: Vec<(String, usize)>,
    /// Windows of the stress of ions by stage.
    pub ion_stress: Vec<(String, usize)>,
    /// Provenance, in Vitrion's own files.
    pub provenance: Option<Provenance>,
    /// Length of the file (bytes).
    pub bytes: u64,
}

impl TrajectoryReader {
    /// The file in a few numbers.
    pub fn summary(&self) -> Result<Summary, H5mdError> {
        let last = self.frames.checked_sub(1);
        // A file whose species cannot be used still has frames to tell of.
        let (species, odd) = match self.species() {
            Ok(table) => (table, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let species = species.map_or_else(Vec::new, |table| {
            let count = |index| table.indices.iter().filter(|i| **i == index).count();
            table.names.iter().enumerate().map(|(i, name)| (name.clone(), count(i))).collect()
        });
        let stages = self.stages()?;
        let windows = stages.iter().filter(|s| s.window_means);
        let stresses = stages.iter().filter(|s| s.ion_stress);
        Ok(Summary {
            creator: self.creator(),
            frames: self.frames,
            incomplete_frames: self.incomplete,
            groups: self.groups().to_vec(),
            group: self.group(),
            notes: self.notes().into_iter().chain(self.velocity_note()).chain(odd).collect(),
            units: self.units().to_vec(),
            particles: self.particles(),
            species,
            steps: last.map(|l| (self.step(0), self.step(l))),
            times: last.map(|l| (self.time(0), self.time(l))),
            last_cell: last.map(|l| self.cell(l)).transpose()?.flatten(),
            closed: self.closed(),
            thermo_rows: self.file.dataset("vitrion/thermo/step").map_or(0, |d| d.size()),
            window_means: windows
                .map(|s| Ok((s.name.clone(), self.window_steps(&s.name)?.len())))
                .collect::<Result<_, H5mdError>>()?,
            ion_stress: stresses
                .map(|s| Ok((s.name.clone(), self.ion_stress_steps(&s.name)?.len())))
                .collect::<Result<_, H5mdError>>()?,
            stages,
            provenance: self.provenance(),
            bytes: std::fs::metadata(&self.path).map_or(0, |m| m.len()),
        })
    }

    fn creator(&self) -> Option<String> {
        let group = self.file.group("h5md/creator").ok()?;
        let name = text_attribute(&group, "name")?;
        Some(match text_attribute(&group, "version") {
            Some(version) => format!("{name} {version}"),
            None => name,
        })
    }
}
