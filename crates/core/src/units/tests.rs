use super::*;

/// u in kg, k_B in J/K, e in C: CODATA 2018 (Tiesinga et al. 2021, doi:10.1063/1.5124517).
const ATOMIC_MASS: f64 = 1.66053906660e-27;

/// Size in SI of one internal unit of each base, so that factors are checked against a second path.
fn si(exponents: Exponents) -> f64 {
    let base = [1e-10, ATOMIC_MASS, 1e-12, 1.0, 1.602176634e-19, 1.0];
    base.iter().zip(exponents).map(|(b, power)| b.powi(i32::from(power))).product()
}

/// Every symbol with its size in SI units (charge in C, angle in rad).
#[rustfmt::skip]
const IN_SI: &[(&str, f64)] = &[
    ("fs", 1e-15), ("ps", 1e-12), ("ns", 1e-9), ("us", 1e-6), ("\u{b5}s", 1e-6), ("\u{3bc}s", 1e-6), ("ms", 1e-3),
    ("s", 1.0), ("A", 1e-10), ("angstrom", 1e-10), ("Angstrom", 1e-10), ("\u{c5}", 1e-10), ("\u{212b}", 1e-10),
    ("pm", 1e-12), ("nm", 1e-9), ("um", 1e-6), ("mm", 1e-3), ("cm", 1e-2), ("m", 1.0), ("bohr", 5.29177210903e-11),
    ("K", 1.0), ("mK", 1e-3), ("u", 1.66053906660e-27), ("Da", 1.66053906660e-27), ("g", 1e-3), ("kg", 1.0),
    ("e", 1.602176634e-19), ("rad", 1.0), ("deg", 0.017453292519943295), ("J", 1.0), ("kJ", 1e3), ("cal", 4.184),
    ("kcal", 4184.0), ("eV", 1.602176634e-19), ("meV", 1.602176634e-22), ("hartree", 4.3597447222071e-18),
    ("kB", 1.380649e-23), ("N", 1.0), ("nN", 1e-9), ("pN", 1e-12), ("Pa", 1.0), ("mPa", 1e-3), ("hPa", 100.0),
    ("kPa", 1e3), ("MPa", 1e6), ("GPa", 1e9), ("bar", 1e5), ("mbar", 100.0), ("kbar", 1e8), ("Mbar", 1e11),
    ("atm", 101325.0), ("Hz", 1.0), ("GHz", 1e9), ("THz", 1e12), ("mol", 6.02214076e23),
];

#[test]
fn every_symbol_has_its_codata_size() {
    for &(symbol, factor, exponents) in SYMBOLS {
        let &(_, expected) = IN_SI
            .iter()
            .find(|(name, _)| *name == symbol)
            .unwrap_or_else(|| panic!("{symbol} is not in the independent table"));
        let error = (factor * si(exponents) / expected - 1.0).abs();
        // 3.5e-10: 1 u = 1 g/mol exactly here, against the CODATA value of u.
        assert!(error < 5e-10, "{symbol}: relative error {error:e}");
    }
    assert_eq!(SYMBOLS.len(), IN_SI.len());
}

#[test]
fn constants_agree_with_codata() {
    // The same 3.5e-10 as above; COULOMB is written with ten digits.
    let coulomb = 8.9875517923e9 * 1.602176634e-19 * 1.602176634e-19;
    let energy_length = si([3, 1, -2, 0, 0, 0]);
    assert!((COULOMB * energy_length / coulomb - 1.0).abs() < 1e-9);
    assert!((BOLTZMANN * si(ENERGY) / 1.380649e-23 - 1.0).abs() < 5e-10);
    // Two roundings.
    assert!((parse_unit("kcal/mol", Dimension::Energy).unwrap() / KILOCALORIE_PER_MOLE - 1.0).abs() < 1e-15);
    assert!((parse_unit("kJ/mol", Dimension::Energy).unwrap() / KILOJOULE_PER_MOLE - 1.0).abs() < 1e-15);
    assert!(
        (parse_unit("g/cm^3", Dimension::Density).unwrap() / GRAM_PER_CUBIC_CENTIMETRE - 1.0).abs() < 1e-15
    );
    assert!((ATMOSPHERE / 6.10193412507e-3 - 1.0).abs() < 1e-14);
}

#[test]
fn quantities_of_every_dimension_are_read() {
    let cases = [
        ("4 fs", Dimension::Time, 0.004),
        ("400fs", Dimension::Time, 0.4),
        ("16 us", Dimension::Time, 16e6),
        ("-1 K/ns", Dimension::TemperatureRate, -1e-3),
        ("1 atm", Dimension::Pressure, 6.10193412507e-3),
        ("0.1 GPa", Dimension::Pressure, 6.02214076),
        ("1 atm/ns", Dimension::PressureRate, 6.10193412507e-6),
        ("2.1 g/cm^3", Dimension::Density, 1.2646495596),
        ("2100 kg/m^3", Dimension::Density, 1.2646495596),
        ("3.7 1/angstrom", Dimension::WaveNumber, 3.7),
        ("37 nm^-1", Dimension::WaveNumber, 3.7),
        ("1eV", Dimension::Energy, 9648.533212331),
        ("1e1 eV", Dimension::Energy, 96485.33212331),
        ("300 kB*K", Dimension::Energy, 249.4338785446),
        (".5 kcal/mol", Dimension::Energy, 209.2),
        ("180 deg", Dimension::Angle, std::f64::consts::PI),
        ("259.1 kcal/mol*angstrom^6", Dimension::EnergyLength6, 259.1 * 418.4),
        ("259.1 kcal*A^6/mol", Dimension::EnergyLength6, 259.1 * 418.4),
        ("1 kJ/mol*nm^8", Dimension::EnergyLength8, 1e10),
        ("525 kcal/(mol*angstrom^2)", Dimension::EnergyPerLength2, 525.0 * 418.4),
        ("105 kcal/mol/rad^2", Dimension::EnergyPerAngle2, 105.0 * 418.4),
        ("2 u A^2/ps^2", Dimension::Energy, 2.0),
        ("1 kJ/mol/nm", Dimension::Force, 10.0),
        ("1 nm^3", Dimension::Volume, 1000.0),
        ("1 m/s", Dimension::Velocity, 0.01),
        ("5 mPa*s", Dimension::Viscosity, 301.107038),
        ("1e-9 m^2/s", Dimension::Diffusivity, 0.1),
        ("2 THz", Dimension::Frequency, 2.0),
        ("-0.65 e", Dimension::Charge, -0.65),
        ("14.007 u", Dimension::Mass, 14.007),
        ("700 K", Dimension::Temperature, 700.0),
        ("1.26 A", Dimension::Length, 1.26),
    ];
    for (text, dimension, expected) in cases {
        let value = parse_quantity(text, dimension).unwrap_or_else(|error| panic!("{error}"));
        // The expected numbers have at least 11 digits.
        assert!((value / expected - 1.0).abs() < 1e-11, "{text}: {value} instead of {expected}");
    }
}

#[test]
fn what_is_printed_is_read_back() {
    assert_eq!(format_quantity(0.004, Dimension::Time), "4 fs");
    assert_eq!(format_quantity(16e6, Dimension::Time), "16 us");
    assert_eq!(format_quantity(0.0, Dimension::Time), "0 fs");
    assert_eq!(format_quantity(-1e-3, Dimension::TemperatureRate), "-1 K/ns");
    assert_eq!(format_quantity(ATMOSPHERE, Dimension::Pressure), "1 atm");
    for dimension in Dimension::ALL {
        let example = parse_quantity(dimension.example(), dimension).unwrap();
        for factor in [1.0, -3.0, 1.234567e-9, 7.7e12] {
            let value = example * factor;
            let read = parse_quantity(&format_quantity(value, dimension), dimension).unwrap();
            // Printed with 12 significant digits.
            assert!((read / value - 1.0).abs() < 1e-11, "{dimension}: {read} instead of {value}");
        }
    }
}

#[test]
fn errors_say_what_was_found_and_what_is_expected() {
    let message = |text: &str, dimension| parse_quantity(text, dimension).unwrap_err().to_string();
    assert_eq!(
        message("4", Dimension::Time),
        "\"4\" has no unit; write a time with its unit, for example \"4 fs\""
    );
    assert_eq!(
        message("4 Fs", Dimension::Time),
        "\"Fs\" in \"4 Fs\" is not a known unit (did you mean \"fs\"?); write a time, for example \"4 fs\""
    );
    assert_eq!(
        message("4 angstrom", Dimension::Time),
        "\"4 angstrom\" is a length, but a time is expected here, for example \"4 fs\""
    );
    assert_eq!(
        message("105 kcal/mol", Dimension::EnergyPerAngle2),
        "\"105 kcal/mol\" is an energy, but an energy per angle^2 is expected here, for example \"105 kcal/mol/rad^2\""
    );
    assert!(message("5 C", Dimension::Temperature).contains("temperatures are in K"));
    assert!(message("1 1", Dimension::Length).contains("a pure number"));
}

#[test]
fn malformed_quantities_are_refused() {
    for text in [
        "",
        " ",
        "fs",
        "- 4 fs",
        "four fs",
        "4 fs fs/",
        "4 (fs",
        "4 fs)",
        "4 fs^",
        "4 fs^0.5",
        "4 fs^99",
        "4 /fs",
        "4 fs^2/ps ps",
        "1e400 fs",
        "NaN fs",
        "inf fs",
        "-inf",
        "4 5 fs",
        "4 fs;",
        "0x4 fs",
        "4,0 fs",
        "4 ((((((((((fs))))))))))",
        "1 m^12 m^12/m^12/m^12/m^12 m^12*fs",
    ] {
        assert!(parse_quantity(text, Dimension::Time).is_err(), "{text:?} was accepted");
    }
    for text in ["NaN K", "inf K", "-Infinity K", "1e999 K"] {
        assert!(matches!(parse_quantity(text, Dimension::Temperature), Err(UnitError::NotFinite { .. })));
    }
}
