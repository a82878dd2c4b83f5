//! The columns of `/vitrion/thermo`.

use vitrion_core::backend::Thermo;

/// One column: its name in the file, its unit, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Name of the dataset.
    pub name: &'static str,
    /// Unit as H5MD writes it; empty for none.
    pub unit: &'static str,
    /// The number.
    pub value: fn(&Thermo) -> f64,
}

const ENERGY: &str = "u Angstrom+2 ps-2";
const PRESSURE: &str = "u Angstrom-1 ps-2";

const fn column(name: &'static str, unit: &'static str, value: fn(&Thermo) -> f64) -> Quantity {
    Quantity { name, unit, value }
}

/// All columns, in internal units.
pub const QUANTITIES: &[Quantity] = &[
    column("temperature", "K", |t| t.temperature),
    column("translational_temperature", "K", |t| t.translational_temperature),
    column("rotational_temperature", "K", |t| t.rotational_temperature),
    column("target_temperature", "K", |t| t.target_temperature),
    column("kinetic_energy", ENERGY, |t| t.kinetic_energy),
    column("potential_energy", ENERGY, |t| t.energies.total()),
    column("short_range_energy", ENERGY, |t| t.energies.short_range),
    column("coulomb_energy", ENERGY, |t| t.energies.coulomb()),
    column("bond_energy", ENERGY, |t| t.energies.bond),
    column("angle_energy", ENERGY, |t| t.energies.angle),
    column("improper_energy", ENERGY, |t| t.energies.improper),
    column("conserved", ENERGY, |t| t.conserved),
    column("volume", "Angstrom+3", |t| t.volume),
    column("pressure", PRESSURE, |t| t.pressure),
    column("target_pressure", PRESSURE, |t| t.target_pressure),
    column("pressure_xx", PRESSURE, |t| t.pressure_tensor.x_axis.x),
    column("pressure_yy", PRESSURE, |t| t.pressure_tensor.y_axis.y),
    column("pressure_zz", PRESSURE, |t| t.pressure_tensor.z_axis.z),
    column("pressure_xy", PRESSURE, |t| t.pressure_tensor.y_axis.x),
    column("pressure_xz", PRESSURE, |t| t.pressure_tensor.z_axis.x),
    column("pressure_yz", PRESSURE, |t| t.pressure_tensor.z_axis.y),
];
