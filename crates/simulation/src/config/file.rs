//! The configuration as the user writes it: texts with their places in the file.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// A number with its unit.
pub(super) struct Text(pub String);

/// One text for all replicas, or one a replica.
pub(super) struct Texts(pub Vec<String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub title: Spanned<String>,
    pub system: Spanned<System>,
    #[serde(default)]
    pub run: Run,
    #[serde(default)]
    pub stage: Vec<Spanned<Stage>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    pub force_field: Spanned<String>,
    pub molecules: Option<Spanned<toml::map::Map<String, toml::Value>>>,
    pub formula_units: Option<Spanned<i64>>,
    pub density: Option<Spanned<Text>>,
    pub cell: Option<Spanned<Texts>>,
    pub cell_angles: Option<Spanned<Texts>>,
    pub initial: Option<Spanned<String>>,
    pub seed: Option<Spanned<i64>>,
    pub replicas: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub backend: Option<Spanned<String>>,
    pub device: Option<Spanned<String>>,
    pub precision: Option<Spanned<String>>,
    pub force_accuracy: Option<Spanned<f64>>,
    pub threads: Option<Spanned<i64>>,
    pub checkpoint_every: Option<Spanned<Text>>,
    pub velocities: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stage {
    pub name: Spanned<String>,
    pub kind: Spanned<String>,
    pub duration: Option<Spanned<Text>>,
    pub timestep: Option<Spanned<Text>>,
    pub temperature: Option<Spanned<Texts>>,
    pub temperature_rate: Option<Spanned<Text>>,
    pub pressure: Option<Spanned<Texts>>,
    pub pressure_rate: Option<Spanned<Text>>,
    pub thermostat_period: Option<Spanned<Text>>,
    pub barostat_period: Option<Spanned<Text>>,
    pub max_steps: Option<Spanned<i64>>,
    pub force_tolerance: Option<Spanned<Text>>,
    pub frames: Option<Spanned<Frames>>,
    pub thermo: Option<Spanned<Every>>,
    pub window_means: Option<Spanned<WindowMeans>>,
    pub ion_stress: Option<Spanned<WindowMeans>>,
    pub stress_correlator: Option<Spanned<StressCorrelator>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Frames {
    pub every: Option<Spanned<Text>>,
    pub log_block: Option<Spanned<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Every {
    pub every: Spanned<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowMeans {
    pub window: Spanned<Text>,
    pub sample_every: Spanned<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StressCorrelator {
    pub sample_every: Spanned<Text>,
    pub points: Option<Spanned<i64>>,
    pub averaging: Option<Spanned<i64>>,
    pub levels: Option<Spanned<i64>>,
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a number with its unit in quotation marks, such as \"4 fs\" or \"700 K\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = sequence.next_element::<Text>()? {
            texts.push(text.0);
        }
        Ok(texts)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor).map(Texts)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = deserializer.deserialize_any(TextsVisitor)?;
        match (texts.pop(), texts.is_empty()) {
            (Some(text), true) => Ok(Self(text)),
            _ => Err(D::Error::custom("one number with its unit is expected here, not a list")),
        }
    }
}
