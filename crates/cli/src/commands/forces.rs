//! `vitrion forces`: energy, forces and virial of one configuration. The shape of its output is stable.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use glam::{DMat3, DVec3};
use serde::Serialize;
use vitrion_core::backend::{ElectrostaticsParameters, Reciprocal};
use vitrion_core::cell::Cell;
use vitrion_core::force_field::{ForceField, Shift};
use vitrion_core::forces::Evaluation;
use vitrion_core::units::{ATMOSPHERE, Dimension, KILOCALORIE_PER_MOLE, KILOJOULE_PER_MOLE, parse_quantity};
use vitrion_trajectory::lammps_data;

use crate::file_kind::{self, FileKind};
use crate::kernels::{BackendKind, Configuration, Precision, Prepared};
use crate::{Outcome, console, kernels};

/// Energy, forces and virial of one configuration: how to check Vitrion against other programs
///
/// Prints one JSON object, alone, on stdout: `energy` by term (short_range, coulomb, bond, angle, improper, total; kcal/mol),
/// `virial_pressure_atm` (the atomic virial over the volume, without the kinetic part: xx, yy, zz, xy, xz, yz; atm), and what
/// is needed to repeat the calculation. Forces and virial do not depend on the shift. With --out, writes the forces as
/// CSV: id,fx,fy,fz in kcal/mol/angstrom, by atom id.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion forces melt.data --force-field ckn-rigid --out forces.csv
  vitrion forces melt.data --force-field mine.toml --precision mixed --accuracy 1e-4 --shift potential
  vitrion forces melt.data --force-field ckn-rigid --backend gpu --accuracy 1e-4
  vitrion forces small.data --force-field ckn-flexible --short-range-cutoff \"12 angstrom\" | jq .energy")]
pub struct Forces {
    /// LAMMPS data file (units real, atom_style full or charge; orthogonal or triclinic cell)
    #[arg(value_name = "SYSTEM.data")]
    system: PathBuf,

    /// Force-field file, or the name of a built-in one: ckn-rigid, ckn-flexible
    #[arg(long, value_name = "FF.toml")]
    force_field: PathBuf,

    /// Where to compute
    #[arg(long, value_enum, default_value_t = BackendKind::Cpu)]
    backend: BackendKind,

    /// GPU to use with --backend gpu: its number, name or PCI address in `vitrion devices`
    #[arg(long, value_name = "NAME|INDEX|PCI")]
    device: Option<String>,

    /// Arithmetic and methods [default: reference; mixed with --backend gpu]
    #[arg(long, value_enum)]
    precision: Option<Precision>,

    /// Relative force accuracy of the Coulomb sum: RMS error over RMS force [default: 1e-6; 1e-5 with mixed precision]
    #[arg(long, value_name = "X", value_parser = accuracy)]
    accuracy: Option<f64>,

    /// Short-range cutoff with its unit, e.g. "12 angstrom" [default: that of the force field]
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    short_range_cutoff: Option<f64>,

    /// Shift of the pair energies to zero at the cutoff; the energy of a force field's tail takes it back
    #[arg(long, value_enum, default_value_t = ShiftKind::None)]
    shift: ShiftKind,

    /// CSV file for the forces; an existing file is kept unless --overwrite
    #[arg(long, value_name = "forces.csv")]
    out: Option<PathBuf>,

    /// Replace an existing --out file
    #[arg(long)]
    overwrite: bool,

    /// Units of energies and forces
    #[arg(long, value_enum, default_value_t = UnitSystem::Real)]
    units: UnitSystem,
}

/// 1 eV (u A^2/ps^2), from e and the Avogadro constant, both exact in the SI.
const ELECTRONVOLT: f64 = 1.602176634 * 6.02214076e3;

/// A positive length in angstrom, written with its unit.
pub fn length(text: &str) -> Result<f64, String> {
    let value = parse_quantity(text, Dimension::Length).map_err(|error| error.to_string())?;
    if value > 0.0 { Ok(value) } else { Err("give a positive length, e.g. \"12 angstrom\"".to_string()) }
}

fn accuracy(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("give a number between 0 and 1, e.g. 1e-5".to_string()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ShiftKind {
    /// Plain truncation.
    None,
    /// Short-range and real-space Coulomb energies are zero at the cutoff; forces are unchanged.
    Potential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum UnitSystem {
    /// kcal/mol, angstrom.
    Real,
    /// eV, angstrom.
    Metal,
    /// kJ/mol, angstrom.
    Kilojoule,
    /// u A^2/ps^2, angstrom.
    Internal,
}

impl UnitSystem {
    /// Size of the unit of energy in internal units, and its name.
    fn energy(self) -> (f64, &'static str) {
        match self {
            Self::Real => (KILOCALORIE_PER_MOLE, "kcal/mol"),
            Self::Metal => (ELECTRONVOLT, "eV"),
            Self::Kilojoule => (KILOJOULE_PER_MOLE, "kJ/mol"),
            Self::Internal => (1.0, "u*angstrom^2/ps^2"),
        }
    }
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    energy: EnergyReport,
    virial_pressure_atm: TensorReport,
    coulomb_terms: CoulombReport,
    units: UnitReport,
    system: SystemReport,
    method: MethodReport,
    provenance: Provenance,
}

#[derive(Serialize)]
struct EnergyReport {
    short_range: f64,
    coulomb: f64,
    bond: f64,
    angle: f64,
    improper: f64,
    total: f64,
}

#[derive(Serialize)]
struct TensorReport {
    xx: f64,
    yy: f64,
    zz: f64,
    xy: f64,
    xz: f64,
    yz: f64,
}

#[derive(Serialize)]
struct CoulombReport {
    real: f64,
    reciprocal: f64,
    #[serde(rename = "self")]
    self_energy: f64,
    excluded: f64,
}

#[derive(Serialize)]
struct UnitReport {
    energy: &'static str,
    force: String,
    length: &'static str,
}

#[derive(Serialize)]
struct SystemReport {
    atoms: usize,
    molecules: usize,
    /// Edge vectors.
    r#box: [[f64; 3]; 3],
    volume: f64,
}

#[derive(Serialize)]
struct MethodReport {
    backend: &'static str,
    precision: &'static str,
    force_field: String,
    force_field_description: String,
    short_range_cutoff: f64,
    shift: Shift,
    tail_correction: bool,
    accuracy: f64,
    coulomb_cutoff: f64,
    ewald_alpha: f64,
    reciprocal: Reciprocal,
}

#[derive(Serialize)]
struct Provenance {
    program: &'static str,
    version: &'static str,
    command: String,
    system: String,
}

impl Forces {
    /// Evaluates, writes the CSV, then prints.
    pub fn execute(&self) -> Result<Outcome> {
        if let Some(path) = &self.out {
            self.check_output(path)?;
        }
        let (configuration, ids) = self.load()?;
        let precision = self.precision()?;
        let accuracy = self.accuracy.unwrap_or(match precision {
            Precision::Reference => 1e-6,
            Precision::Mixed => 1e-5,
        });
        let mut prepared = self.prepare(&configuration, precision, accuracy)?;
        let (evaluation, forces) = configuration.evaluate(prepared.kernel.as_mut())?;
        if let Some(path) = &self.out {
            let rows = forces_csv(&ids, &forces, self.units.energy().0);
            write_file(path, &rows, self.overwrite)?;
        }
        let report = self.report(&configuration, &evaluation, prepared.electrostatics, precision, accuracy);
        console::print(&serde_json::to_string_pretty(&report)?)?;
        Ok(Outcome::Done)
    }

    /// What was asked for, as far as the backend has it.
    fn precision(&self) -> Result<Precision> {
        match (self.backend, self.precision) {
            (BackendKind::Cpu, precision) if self.device.is_none() => {
                Ok(precision.unwrap_or(Precision::Reference))
            }
            (BackendKind::Cpu, _) => bail!("--device names a GPU; add --backend gpu"),
            (BackendKind::Gpu, Some(Precision::Reference)) => {
                bail!(
                    "--precision reference needs f64, which the GPU backend does without; give --backend cpu or --precision mixed"
                )
            }
            (BackendKind::Gpu, _) => Ok(Precision::Mixed),
        }
    }

    fn prepare(
        &self,
        configuration: &Configuration,
        precision: Precision,
        accuracy: f64,
    ) -> Result<Prepared> {
        match self.backend {
            BackendKind::Cpu => configuration.prepare(precision, accuracy),
            BackendKind::Gpu => {
                configuration.prepare_on(&kernels::open_device(self.device.as_deref())?, accuracy)
            }
        }
    }

    /// Before the work, not after it.
    fn check_output(&self, path: &Path) -> Result<()> {
        if !self.overwrite && path.exists() && !is_device(path) {
            bail!("{}: exists already; give another name or --overwrite", path.display());
        }
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !directory.is_dir() {
            bail!("{}: there is no directory {}; create it first", path.display(), directory.display());
        }
        Ok(())
    }

    fn load(&self) -> Result<(Configuration, Vec<u64>)> {
        let mut force_field = ForceField::load(&self.force_field)?;
        force_field.shift = match self.shift {
            ShiftKind::None => Shift::None,
            ShiftKind::Potential => Shift::Potential,
        };
        force_field.cutoff = self.short_range_cutoff.unwrap_or(force_field.cutoff);
        let kind = file_kind::of(&self.system)?;
        if !matches!(kind, FileKind::LammpsData | FileKind::Text) {
            return Err(kind.refused(&self.system, "give a LAMMPS data file"));
        }
        let system = lammps_data::read(&self.system, &force_field)?;
        if let Some(molecule) = system.least_rigid() {
            console::say(&format!(
                "note: {}: {molecule}; energies and forces are those of the atoms where they are",
                self.system.display()
            ));
        }
        let configuration = kernels::Configuration {
            force_field: Arc::new(force_field),
            topology: Arc::new(system.topology),
            cell: system.cell,
            positions: system.positions,
        };
        Ok((configuration, system.ids))
    }

    fn report(
        &self,
        configuration: &Configuration,
        evaluation: &Evaluation,
        electrostatics: ElectrostaticsParameters,
        precision: Precision,
        accuracy: f64,
    ) -> Report {
        let (unit, energy_name) = self.units.energy();
        let e = &evaluation.energies;
        let force_field = &configuration.force_field;
        Report {
            energy: EnergyReport {
                short_range: e.short_range / unit,
                coulomb: e.coulomb() / unit,
                bond: e.bond / unit,
                angle: e.angle / unit,
                improper: e.improper / unit,
                total: e.total() / unit,
            },
            virial_pressure_atm: TensorReport::new(
                evaluation.virials.total() * (1.0 / (configuration.cell.volume() * ATMOSPHERE)),
            ),
            coulomb_terms: CoulombReport {
                real: e.coulomb_real / unit,
                reciprocal: e.coulomb_reciprocal / unit,
                self_energy: e.coulomb_self / unit,
                excluded: e.coulomb_excluded / unit,
            },
            units: UnitReport {
                energy: energy_name,
                force: format!("{energy_name}/angstrom"),
                length: "angstrom",
            },
            system: SystemReport::new(configuration),
            method: MethodReport {
                backend: if self.backend == BackendKind::Gpu { "gpu" } else { "cpu" },
                precision: precision.name(),
                force_field: force_field.name.clone(),
                force_field_description: force_field.description.clone(),
                short_range_cutoff: force_field.cutoff,
                shift: force_field.shift,
                tail_correction: force_field.tail_correction,
                accuracy,
                coulomb_cutoff: electrostatics.cutoff,
                ewald_alpha: electrostatics.alpha,
                reciprocal: electrostatics.reciprocal,
            },
            provenance: Provenance {
                program: "vitrion",
                version: env!("CARGO_PKG_VERSION"),
                command: console::command_line(),
                system: self.system.display().to_string(),
            },
        }
    }
}

impl TensorReport {
    /// The six elements of a tensor that is symmetric up to rounding.
    fn new(t: DMat3) -> Self {
        let (x, y, z) = (t.x_axis, t.y_axis, t.z_axis);
        Self {
            xx: x.x,
            yy: y.y,
            zz: z.z,
            xy: 0.5 * (x.y + y.x),
            xz: 0.5 * (x.z + z.x),
            yz: 0.5 * (y.z + z.y),
        }
    }
}

impl SystemReport {
    fn new(configuration: &Configuration) -> Self {
        let cell: &Cell = &configuration.cell;
        let h = cell.matrix();
        Self {
            atoms: configuration.topology.n_atoms(),
            molecules: configuration.topology.molecules.len(),
            r#box: [h.x_axis.to_array(), h.y_axis.to_array(), h.z_axis.to_array()],
            volume: cell.volume(),
        }
    }
}

/// One line an atom, in the order of the ids.
fn forces_csv(ids: &[u64], forces: &[DVec3], unit: f64) -> String {
    let mut rows: Vec<(u64, DVec3)> = ids.iter().copied().zip(forces.iter().map(|f| *f / unit)).collect();
    rows.sort_by_key(|(id, _)| *id);
    let mut text = String::from("id,fx,fy,fz\n");
    for (id, f) in rows {
        let _ = writeln!(text, "{id},{:.12e},{:.12e},{:.12e}", f.x, f.y, f.z);
    }
    text
}

/// Something that is there and is neither file nor directory, such as /dev/null: written to, never replaced.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// Writes the whole file or nothing: to a temporary name, then in place.
pub fn write_file(path: &Path, text: &str, overwrite: bool) -> Result<()> {
    if is_device(path) {
        return std::fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()));
    }
    let mut name = path.file_name().context("--out needs the name of a file")?.to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    let temporary = path.with_file_name(name);
    let place = || -> std::io::Result<()> {
        std::fs::write(&temporary, text)?;
        if overwrite {
            std::fs::rename(&temporary, path)
        } else {
            // Unlike a rename, a link never replaces a file that appeared meanwhile.
            std::fs::hard_link(&temporary, path)?;
            std::fs::remove_file(&temporary)
        }
    };
    place().map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        let remedy = if error.kind() == std::io::ErrorKind::AlreadyExists {
            "give another name or --overwrite"
        } else {
            "check the directory, its permissions and the space left"
        };
        anyhow::anyhow!("{}: cannot be written: {error}; {remedy}", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forces_are_sorted_by_id() {
        let text = forces_csv(&[3, 1], &[DVec3::X, DVec3::Y], 2.0);
        assert_eq!(
            text,
            "id,fx,fy,fz\n1,0.000000000000e0,5.000000000000e-1,0.000000000000e0\n3,5.000000000000e-1,0.000000000000e0,0.000000000000e0\n"
        );
    }

    #[test]
    fn existing_files_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forces.csv");
        write_file(&path, "one", false).unwrap();
        assert!(write_file(&path, "two", false).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        write_file(&path, "two", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn lengths_need_units_and_must_be_positive() {
        assert!((length("12 angstrom").unwrap() - 12.0).abs() < 1e-12);
        assert!(length("12").is_err() && length("-1 angstrom").is_err() && length("1 ps").is_err());
    }
}
