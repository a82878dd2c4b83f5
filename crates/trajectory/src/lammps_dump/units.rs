//! Unit styles of LAMMPS (its manual, command `units`) in angstrom, picoseconds and u.

/// What numbers of a dump are multiples of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Multiples of the potential's sigma, epsilon and mass: no units at all.
    Lj,
    /// Angstrom, fs, g/mol.
    Real,
    /// Angstrom, ps, g/mol.
    Metal,
    /// m, s, kg.
    Si,
    /// cm, s, g.
    Cgs,
    /// Bohr, fs, u.
    Electron,
    /// Micrometres, microseconds, picograms.
    Micro,
    /// Nanometres, nanoseconds, attograms.
    Nano,
}

const ALL: [Units; 8] =
    [Units::Lj, Units::Real, Units::Metal, Units::Si, Units::Cgs, Units::Electron, Units::Micro, Units::Nano];

/// Bohr radius (angstrom), CODATA 2018.
const BOHR: f64 = 0.529_177_210_903;
/// 1 kg in u, CODATA 2018.
const KILOGRAM: f64 = 1.0 / 1.660_539_066_60e-27;

impl Units {
    /// The style that LAMMPS calls by this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|units| units.name() == name)
    }

    /// Names of all styles.
    pub fn names() -> [&'static str; 8] {
        ALL.map(Self::name)
    }

    /// What LAMMPS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lj => "lj",
            Self::Real => "real",
            Self::Metal => "metal",
            Self::Si => "si",
            Self::Cgs => "cgs",
            Self::Electron => "electron",
            Self::Micro => "micro",
            Self::Nano => "nano",
        }
    }

    /// The unit of length (angstrom); 1 for `lj`, which has none.
    pub fn length(self) -> f64 {
        match self {
            Self::Lj | Self::Real | Self::Metal => 1.0,
            Self::Si => 1e10,
            Self::Cgs => 1e8,
            Self::Electron => BOHR,
            Self::Micro => 1e4,
            Self::Nano => 10.0,
        }
    }

    /// The unit of time (ps); 1 for `lj`, which has none.
    pub fn time(self) -> f64 {
        match self {
            Self::Lj | Self::Metal => 1.0,
            Self::Real | Self::Electron => 1e-3,
            Self::Si | Self::Cgs => 1e12,
            Self::Micro => 1e6,
            Self::Nano => 1e3,
        }
    }

    /// The unit of mass (u); 1 for `lj`, which has none.
    pub fn mass(self) -> f64 {
        match self {
            Self::Lj | Self::Real | Self::Metal | Self::Electron => 1.0,
            Self::Si => KILOGRAM,
            Self::Cgs => KILOGRAM * 1e-3,
            Self::Micro => KILOGRAM * 1e-15,
            Self::Nano => KILOGRAM * 1e-21,
        }
    }

    /// Length of a step where the input of LAMMPS does not set it (its manual, command `timestep`), in ps; of `lj` in tau.
    pub fn default_timestep(self) -> f64 {
        match self {
            Self::Lj => 0.005,
            // fs; ps; fs.
            Self::Real | Self::Metal => 1e-3,
            Self::Electron => 1e-6,
            // 10 ns.
            Self::Si | Self::Cgs => 1e4,
            // 2 microseconds.
            Self::Micro => 2e6,
            // 0.45 ps.
            Self::Nano => 0.45,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_has_its_units_of_the_manual() {
        // Angstrom, ps, default step in the style's unit of time.
        let expected = [
            ("real", 1.0, 1e-3, 1.0),
            ("metal", 1.0, 1.0, 0.001),
            ("si", 1e10, 1e12, 1e-8),
            ("cgs", 1e8, 1e12, 1e-8),
            ("electron", 0.529_177, 1e-3, 0.001),
            ("micro", 1e4, 1e6, 2.0),
            ("nano", 10.0, 1e3, 0.000_45),
        ];
        for (name, length, time, step) in expected {
            let units = Units::named(name).unwrap();
            // The Bohr radius above has six digits.
            assert!((units.length() / length - 1.0).abs() < 1e-6, "{name}");
            assert_eq!(units.time(), time, "{name}");
            // Round-off of one product.
            assert!((units.default_timestep() / (step * time) - 1.0).abs() < 1e-15, "{name}");
        }
        assert_eq!(Units::named("Real"), None);
        assert!(Units::names().iter().all(|name| Units::named(name).unwrap().name() == *name));
        // 1 u in attograms, picograms, grams: 1.66054e-6, e-12, e-24.
        for (units, u) in [(Units::Nano, 1.66054e-6), (Units::Micro, 1.66054e-12), (Units::Cgs, 1.66054e-24)]
        {
            // Six digits.
            assert!((units.mass() * u - 1.0).abs() < 1e-5);
        }
    }
}
