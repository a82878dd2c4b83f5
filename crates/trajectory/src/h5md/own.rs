//! What only Vitrion's own files hold beside frames: stages, thermo, window means, stress.

use glam::DVec3;
use hdf5::Group;

use super::elements::read_table;
use super::provenance::read_stages;
use super::series::read_rows;
use super::writer::Table;
use super::{H5mdError, Provenance, Stage, TrajectoryReader, missing, reason};

impl TrajectoryReader {
    /// Stages of the run; empty for other programs' files.
    pub fn stages(&self) -> Result<Vec<Stage>, H5mdError> {
        match self.file.group("vitrion/stages") {
            Ok(group) => read_stages(&group).map_err(|e| self.error("vitrion/stages", reason(&e))),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Provenance; none for other programs' files.
    pub fn provenance(&self) -> Option<Provenance> {
        self.file.group("vitrion/provenance").and_then(|group| Provenance::read(&group)).ok()
    }

    /// A column of thermo, e.g. `step`, `time` (ps) or a name of [`super::QUANTITIES`], in internal units.
    pub fn thermo(&self, column: &str) -> Result<Vec<f64>, H5mdError> {
        let what = format!("vitrion/thermo/{column}");
        let dataset = self.file.dataset(&what).map_err(|_| {
            missing(
                &self.path,
                &what,
                "columns have the names of `QUANTITIES`, and only files of vitrion have them",
            )
        })?;
        dataset.read_raw::<f64>().map_err(|e| self.error(&what, reason(&e)))
    }

    /// Steps at which the windows of a stage ended.
    pub fn window_steps(&self, stage: &str) -> Result<Vec<i64>, H5mdError> {
        let (group, what) = self.window_group(stage)?;
        let dataset = group.dataset("step");
        dataset.and_then(|d| d.read_raw::<i64>()).map_err(|e| self.error(&what, reason(&e)))
    }

    /// Means of the unwrapped centres (angstrom) over one window of a stage.
    pub fn window_mean(&self, stage: &str, window: usize) -> Result<Vec<DVec3>, H5mdError> {
        let (group, what) = self.window_group(stage)?;
        let value = group.dataset("value").map_err(|e| self.error(&what, reason(&e)))?;
        let frames = value.shape().first().copied().unwrap_or(0);
        if window >= frames {
            return Err(H5mdError::NoSuchFrame { path: self.path.clone(), frame: window, frames });
        }
        let numbers =
            read_rows::<f64>(&value, window..window + 1).map_err(|e| self.error(&what, reason(&e)))?;
        Ok(numbers.chunks_exact(3).map(DVec3::from_slice).collect())
    }

    fn window_group(&self, stage: &str) -> Result<(Group, String), H5mdError> {
        let what = format!("vitrion/window_means/{stage}");
        match self.file.group(&what) {
            Ok(group) => Ok((group, what)),
            Err(_) => Err(missing(&self.path, &what, "give a stage that takes window means")),
        }
    }

    /// Steps at which the windows of the stress of ions of a stage ended.
    pub fn ion_stress_steps(&self, stage: &str) -> Result<Vec<i64>, H5mdError> {
        let (group, what) = self.ion_stress_group(stage)?;
        let dataset = group.dataset("step");
        dataset.and_then(|d| d.read_raw::<i64>()).map_err(|e| self.error(&what, reason(&e)))
    }

    /// Stress of the ions (u A^2/ps^2; xx, yy, zz, xy, xz, yz) in the order of the centres, a mean over one window of a stage.
    pub fn ion_stress(&self, stage: &str, window: usize) -> Result<Vec<[f64; 6]>, H5mdError> {
        let (group, what) = self.ion_stress_group(stage)?;
        let value = group.dataset("value").map_err(|e| self.error(&what, reason(&e)))?;
        let shape = value.shape();
        if shape.len() != 3 || shape[2] != 6 {
            return Err(self.error(&what, format!("its shape is {shape:?}, not windows x ions x 6")));
        }
        if window >= shape[0] {
            let (path, frames) = (self.path.clone(), shape[0]);
            return Err(H5mdError::NoSuchFrame { path, frame: window, frames });
        }
        let numbers =
            read_rows::<f64>(&value, window..window + 1).map_err(|e| self.error(&what, reason(&e)))?;
        Ok(numbers.as_chunks::<6>().0.to_vec())
    }

    fn ion_stress_group(&self, stage: &str) -> Result<(Group, String), H5mdError> {
        let what = format!("vitrion/ion_stress/{stage}");
        match self.file.group(&what) {
            Ok(group) => Ok((group, what)),
            Err(_) => Err(missing(&self.path, &what, "give a stage that takes the stress of ions")),
        }
    }

    /// The stress correlation of a stage.
    pub fn stress_correlation(&self, stage: &str) -> Result<Table, H5mdError> {
        let what = format!("vitrion/stress_correlation/{stage}");
        let group = self.file.group(&what).map_err(|_| {
            missing(&self.path, &what, "give a stage that correlates the stress and has ended")
        })?;
        read_table(&group).map_err(|e| self.error(&what, reason(&e)))
    }
}
