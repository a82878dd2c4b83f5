//! Reference configurations and their results, inside the program, so that an installed binary can check itself.
//!
//! They are those of `tests/reference/`, whose README says how they were made.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use glam::{DMat3, DVec3};
use serde::Deserialize;
use vitrion_core::force_field::{ForceField, Shift};
use vitrion_core::units::{ATMOSPHERE, KILOCALORIE_PER_MOLE};
use vitrion_trajectory::lammps_data::{self, LammpsSystem};

use crate::kernels::Configuration;

/// A configuration with what other programs say about it.
pub struct ReferenceCase {
    /// Name, as in `tests/reference/`.
    pub name: &'static str,
    data: &'static str,
    forces: &'static str,
    results: &'static str,
    force_field: &'static str,
    /// Whether the bonded terms are compared.
    pub bonded: bool,
    /// Whether the cell holds cutoff and skin twice, as neighbour lists need.
    pub large: bool,
}

macro_rules! case {
    ($name:literal, $force_field:literal, bonded: $bonded:literal, large: $large:literal) => {
        ReferenceCase {
            name: $name,
            data: include_str!(concat!("../../../tests/reference/", $name, ".data")),
            forces: include_str!(concat!("../../../tests/reference/", $name, ".forces.csv")),
            results: include_str!(concat!("../../../tests/reference/", $name, ".json")),
            force_field: $force_field,
            bonded: $bonded,
            large: $large,
        }
    };
}

/// All cases, small ones first.
pub const CASES: [ReferenceCase; 3] = [
    case!("ckn66", "ckn-rigid", bonded: false, large: false),
    case!("flex66", "ckn-flexible", bonded: true, large: false),
    case!("ckn2376-700K", "ckn-rigid", bonded: false, large: true),
];

/// What the other programs say, in internal units.
pub struct Expected {
    /// Short-range energy.
    pub short_range: f64,
    /// Coulomb energy.
    pub coulomb: f64,
    /// Bonds, angles, impropers together.
    pub bonded: f64,
    /// All.
    pub total: f64,
    /// Atomic virial.
    pub virial: DMat3,
    /// Per atom, in the order of the configuration.
    pub forces: Vec<DVec3>,
}

#[derive(Deserialize)]
struct Results {
    short_range_cutoff: f64,
    energy: EnergyResults,
    virial_pressure_atm: Pressure,
}

#[derive(Deserialize)]
struct EnergyResults {
    short_range: f64,
    coulomb: f64,
    #[serde(default)]
    bond: f64,
    #[serde(default)]
    angle: f64,
    #[serde(default)]
    improper: f64,
    total: f64,
}

#[derive(Deserialize)]
struct Pressure {
    xx: f64,
    yy: f64,
    zz: f64,
    xy: f64,
    xz: f64,
    yz: f64,
}

impl ReferenceCase {
    /// The configuration as read, with the force field of the case as it ships.
    pub fn system(&self) -> Result<(ForceField, LammpsSystem)> {
        let force_field = ForceField::load(Path::new(self.force_field))?;
        let name = format!("{}.data (inside the program)", self.name);
        let system = lammps_data::from_text(self.data, Path::new(&name), &force_field)?;
        Ok((force_field, system))
    }

    /// The configuration, and the results with the cutoff and plain truncation that they were computed with.
    pub fn load(&self) -> Result<(Configuration, Expected)> {
        let results: Results =
            serde_json::from_str(self.results).with_context(|| format!("results of {}", self.name))?;
        let (mut force_field, system) = self.system()?;
        force_field.cutoff = results.short_range_cutoff;
        force_field.shift = Shift::None;
        let forces = self.forces_of(&system.ids)?;
        let e = &results.energy;
        let expected = Expected {
            short_range: e.short_range * KILOCALORIE_PER_MOLE,
            coulomb: e.coulomb * KILOCALORIE_PER_MOLE,
            bonded: (e.bond + e.angle + e.improper) * KILOCALORIE_PER_MOLE,
            total: e.total * KILOCALORIE_PER_MOLE,
            virial: results.virial_pressure_atm.tensor() * (ATMOSPHERE * system.cell.volume()),
            forces,
        };
        let configuration = Configuration {
            force_field: Arc::new(force_field),
            topology: Arc::new(system.topology),
            cell: system.cell,
            positions: system.positions,
        };
        Ok((configuration, expected))
    }

    /// Forces of the CSV in the order of `ids`.
    fn forces_of(&self, ids: &[u64]) -> Result<Vec<DVec3>> {
        let mut by_id = std::collections::HashMap::new();
        for line in self.forces.lines().skip(1) {
            let mut fields = line.split(',');
            let id: u64 = fields.next().unwrap_or_default().parse()?;
            let mut component = || -> Result<f64> { Ok(fields.next().unwrap_or_default().parse()?) };
            let force = DVec3::new(component()?, component()?, component()?);
            by_id.insert(id, force * KILOCALORIE_PER_MOLE);
        }
        ids.iter()
            .map(|id| by_id.get(id).copied().with_context(|| format!("{}: no force of atom {id}", self.name)))
            .collect()
    }
}

impl Pressure {
    fn tensor(&self) -> DMat3 {
        DMat3::from_cols(
            DVec3::new(self.xx, self.xy, self.xz),
            DVec3::new(self.xy, self.yy, self.yz),
            DVec3::new(self.xz, self.yz, self.zz),
        )
    }
}
