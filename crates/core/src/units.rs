//! Internal units (angstrom, ps, u, e) and the physical constants in them.

/// k_B (u A^2/ps^2/K), CODATA 2018.
pub const BOLTZMANN: f64 = 0.831446261815324;
/// e^2/(4 pi eps0) (u A^3/ps^2 per e^2), CODATA 2018.
pub const COULOMB: f64 = 138935.4576;
/// 1 kcal/mol (u A^2/ps^2); 1 kcal = 4184 J.
pub const KILOCALORIE_PER_MOLE: f64 = 418.4;
/// 1 kJ/mol (u A^2/ps^2).
pub const KILOJOULE_PER_MOLE: f64 = 100.0;
/// 1 atm (u/(A ps^2)).
pub const ATMOSPHERE: f64 = 6.101934e-3;
/// 1 g/cm^3 (u/A^3).
pub const GRAM_PER_CUBIC_CENTIMETRE: f64 = 0.602214076;
