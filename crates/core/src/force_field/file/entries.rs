//! What a force-field file holds, as it is written.

use serde::Deserialize;
use toml::Spanned;

use crate::force_field::Shift;

pub type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    pub description: String,
    pub short_range: ShortRange,
    pub species: Vec<SpeciesEntry>,
    pub pair: Vec<PairEntry>,
    pub molecule: Vec<MoleculeEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShortRange {
    pub cutoff: Text,
    pub shift: Shift,
    #[serde(default)]
    pub tail_correction: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeciesEntry {
    pub name: Text,
    pub mass: Text,
    pub charge: Text,
    pub source: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairEntry {
    pub species: Spanned<[String; 2]>,
    #[serde(rename = "A")]
    pub amplitude: Option<Text>,
    pub sigma: Option<Text>,
    pub rho: Option<Text>,
    #[serde(rename = "C")]
    pub dispersion6: Option<Text>,
    #[serde(rename = "D")]
    pub dispersion8: Option<Text>,
    #[serde(default)]
    pub none: bool,
    pub source: Text,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    Rigid,
    Flexible,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoleculeEntry {
    pub name: Text,
    pub atoms: Vec<Text>,
    #[serde(default = "one")]
    pub centre: usize,
    pub model: Option<Model>,
    pub planar_xy3: Option<PlanarXy3>,
    pub positions: Option<Vec<[Text; 3]>>,
    #[serde(default)]
    pub bonds: Vec<BondEntry>,
    #[serde(default)]
    pub angles: Vec<AngleEntry>,
    #[serde(default)]
    pub impropers: Vec<ImproperEntry>,
    pub source: Text,
}

impl MoleculeEntry {
    /// Whether there are bonds, angles or impropers.
    pub fn has_springs(&self) -> bool {
        !(self.bonds.is_empty() && self.angles.is_empty() && self.impropers.is_empty())
    }
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanarXy3 {
    pub bond_length: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BondEntry {
    pub atoms: Spanned<[usize; 2]>,
    pub length: Text,
    pub constant: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AngleEntry {
    pub atoms: Spanned<[usize; 3]>,
    pub angle: Text,
    pub constant: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImproperEntry {
    pub atoms: Spanned<[usize; 4]>,
    pub angle: Text,
    pub constant: Text,
}
