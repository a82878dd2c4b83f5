//! Where a trajectory comes from.

use hdf5::Group;
use hdf5::types::VarLenUnicode;
use serde::{Deserialize, Serialize};

use super::series::{attribute, text, texts};
use crate::checkpoint::sha256;

/// Everything that is needed to make the same trajectory again. Kept as attributes of `/vitrion/provenance`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Text of the configuration.
    pub config: String,
    /// Text of the force-field file.
    pub force_field: String,
    /// SHA-256 of the file of the first state, hexadecimal; none if the start was made.
    pub initial_sha256: Option<String>,
    /// Version of the program.
    pub version: String,
    /// Command line.
    pub command: String,
    /// Name of the machine.
    pub host: String,
    /// When the run began, e.g. `2026-01-31T12:00:00Z`.
    pub started: String,
    /// Backend and precision, e.g. `cpu/mixed`.
    pub backend: String,
    /// Device and driver on which the run began, e.g. `NVIDIA H100, driver NVIDIA 550.54.15, through vulkan`; none on the processor.
    pub hardware: Option<String>,
    /// Index of the replica.
    pub replica: usize,
    /// How the run was made longer than it was begun, the first time first. The last one led to `config`.
    pub extensions: Vec<Extension>,
}

/// The last stage of a run was made longer. In a file, the attribute `extensions` of `/vitrion/provenance` holds them as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The stage.
    pub stage: String,
    /// By how much, in the words of the command line, e.g. `10 ns`.
    pub by: String,
    /// When, e.g. `2026-01-31T12:00:00Z`.
    pub time: String,
    /// Command line.
    pub command: String,
    /// Name of the machine.
    pub host: String,
    /// Version of the program.
    pub version: String,
    /// SHA-256 of the configuration afterwards, hexadecimal.
    pub config_sha256: String,
    /// Text of the configuration before.
    pub config_before: String,
}

impl Extension {
    /// SHA-256 of the configuration before, hexadecimal.
    pub fn sha256_before(&self) -> String {
        sha256(&self.config_before)
    }
}

impl Provenance {
    /// SHA-256 of the configuration, hexadecimal.
    pub fn config_sha256(&self) -> String {
        sha256(&self.config)
    }

    /// Whether a configuration with this SHA-256 was that of the run before it was extended.
    pub fn was(&self, config_sha256: &str) -> bool {
        self.extensions.iter().any(|extension| extension.sha256_before() == config_sha256)
    }

    fn entries(&self) -> [(&'static str, &str); 7] {
        [
            ("config", &self.config),
            ("force_field", &self.force_field),
            ("version", &self.version),
            ("command", &self.command),
            ("host", &self.host),
            ("started", &self.started),
            ("backend", &self.backend),
        ]
    }

    pub(super) fn write(&self, group: &Group) -> hdf5::Result<()> {
        for (name, value) in self.entries() {
            attribute(group, name, value)?;
        }
        attribute(group, "config_sha256", &self.config_sha256())?;
        if let Some(hash) = &self.initial_sha256 {
            attribute(group, "initial_sha256", hash)?;
        }
        if let Some(hardware) = &self.hardware {
            attribute(group, "hardware", hardware)?;
        }
        if !self.extensions.is_empty() {
            let text = serde_json::to_string(&self.extensions)
                .map_err(|error| hdf5::Error::Internal(error.to_string()))?;
            attribute(group, "extensions", &text)?;
        }
        group.new_attr::<u64>().create("replica")?.write_scalar(&(self.replica as u64))
    }

    pub(super) fn read(group: &Group) -> hdf5::Result<Self> {
        let get = |name: &str| -> hdf5::Result<String> {
            Ok(group.attr(name)?.read_scalar::<VarLenUnicode>()?.to_string())
        };
        Ok(Self {
            config: get("config")?,
            force_field: get("force_field")?,
            initial_sha256: get("initial_sha256").ok(),
            version: get("version")?,
            command: get("command")?,
            host: get("host")?,
            started: get("started")?,
            backend: get("backend")?,
            hardware: get("hardware").ok(),
            replica: group.attr("replica")?.read_scalar::<u64>()? as usize,
            // None in a run that was not extended.
            extensions: get("extensions")
                .map_or(Ok(Vec::new()), |text| serde_json::from_str(&text))
                .map_err(|error| hdf5::Error::Internal(format!("extensions: {error}")))?,
        })
    }
}

/// One stage of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name; a name of a group in the file, so without `/`.
    pub name: String,
    /// Steps done when it begins.
    pub first_step: u64,
    /// Its number of steps.
    pub steps: u64,
    /// Time step (ps).
    pub timestep: f64,
    /// Whether it takes window means.
    pub window_means: bool,
    /// Whether it takes the stress of ions.
    pub ion_stress: bool,
}

pub(super) fn write_stages(group: &Group, stages: &[Stage]) -> hdf5::Result<()> {
    let names: Vec<VarLenUnicode> = texts(stages.iter().map(|s| s.name.as_str()));
    let integers = |f: fn(&Stage) -> u64| stages.iter().map(|s| f(s).cast_signed()).collect::<Vec<_>>();
    group.new_dataset_builder().with_data(&names[..]).create("name")?;
    group.new_dataset_builder().with_data(&integers(|s| s.first_step)[..]).create("first_step")?;
    group.new_dataset_builder().with_data(&integers(|s| s.steps)[..]).create("steps")?;
    let windows = integers(|s| u64::from(s.window_means));
    group.new_dataset_builder().with_data(&windows[..]).create("window_means")?;
    let stresses = integers(|s| u64::from(s.ion_stress));
    group.new_dataset_builder().with_data(&stresses[..]).create("ion_stress")?;
    let timesteps: Vec<f64> = stages.iter().map(|s| s.timestep).collect();
    let dataset = group.new_dataset_builder().with_data(&timesteps[..]).create("timestep")?;
    dataset.new_attr::<VarLenUnicode>().create("unit")?.write_scalar(&text("ps"))
}

pub(super) fn read_stages(group: &Group) -> hdf5::Result<Vec<Stage>> {
    let names = group.dataset("name")?.read_1d::<VarLenUnicode>()?;
    let first = group.dataset("first_step")?.read_1d::<i64>()?;
    let steps = group.dataset("steps")?.read_1d::<i64>()?;
    let windows = group.dataset("window_means")?.read_1d::<i64>()?;
    // Files written before there was such a thing have none.
    let stresses = match group.dataset("ion_stress") {
        Ok(dataset) => dataset.read_raw::<i64>()?,
        Err(_) => vec![0; names.len()],
    };
    let timesteps = group.dataset("timestep")?.read_1d::<f64>()?;
    Ok(names
        .iter()
        .enumerate()
        .map(|(i, name)| Stage {
            name: name.to_string(),
            first_step: first[i] as u64,
            steps: steps[i] as u64,
            timestep: timesteps[i],
            window_means: windows[i] != 0,
            ion_stress: stresses[i] != 0,
        })
        .collect())
}
