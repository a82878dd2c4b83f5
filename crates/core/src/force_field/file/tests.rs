use glam::{DMat3, DVec3};

use super::*;
use crate::force_field::bonded::outer;
use crate::topology::MoleculeModel;
use crate::units::KILOCALORIE_PER_MOLE;

#[test]
fn built_in_force_fields_say_what_the_reference_says() {
    let rigid = ForceField::parse(CKN_RIGID, "ckn-rigid.toml").unwrap();
    let index = |name: &str| rigid.species.iter().position(|s| s.name == name).unwrap();
    let pair = rigid.pair(index("O"), index("K")).unwrap();
    assert!((pair.amplitude / KILOCALORIE_PER_MOLE - 47188.936657).abs() < 1e-6);
    assert_eq!(pair.rho, 0.27980007);
    assert!(rigid.pair(index("Ca"), index("K")).is_none());
    let MoleculeModel::Rigid { positions, moments } = &rigid.kinds[0].model else {
        panic!("nitrate is rigid")
    };
    // Planar: the moment about the normal is the sum of the others (perpendicular axis theorem), 3 m r^2.
    assert!((moments.max_element() - 3.0 * 15.999 * 1.26 * 1.26).abs() < 1e-9);
    assert!((moments.element_sum() - 2.0 * moments.max_element()).abs() < 1e-9);
    assert!(positions[0].length() < 1e-12, "N is the centre of mass");
    let flexible = ForceField::parse(CKN_FLEXIBLE, "ckn-flexible.toml").unwrap();
    assert_eq!(flexible.pairs, rigid.pairs);
    assert!(matches!(&flexible.kinds[0].model, MoleculeModel::Flexible { bonds, angles, impropers, .. }
        if bonds.len() == 3 && angles.len() == 3 && impropers.len() == 1));
}

/// Each change of the good file, and what the error must say.
#[test]
fn errors_name_line_entry_finding_and_remedy() {
    for (old, new, expected) in [
        ("mass = \"14.007 u\"", "mass = \"-14.007 u\"", "species N, mass: \"-14.007 u\" must be positive"),
        ("mass = \"14.007 u\"", "mass = \"14.007\"", "has no unit"),
        ("mass = \"14.007 u\"", "mass = \"14.007 fs\"", "a mass is expected"),
        (
            "rho = \"0.2646 angstrom\"",
            "rho = \"0 angstrom\"",
            "pair N-N, rho: \"0 angstrom\" must be positive",
        ),
        ("species = [\"N\", \"O\"]", "species = [\"N\", \"X\"]", "\"X\" is no species"),
        ("species = [\"N\", \"O\"]", "species = [\"N\", \"N\"]", "pair N-N: is given twice"),
        ("species = [\"Ca\", \"K\"]\nnone = true", "species = [\"Ca\", \"K\"]", "A is missing"),
        ("tail_correction = false", "tail_corection = false", "unknown field `tail_corection`"),
        ("shift = \"potential\"", "shift = \"force\"", "unknown variant `force`"),
        ("model = \"rigid\"", "", "molecule nitrate, model: is missing"),
        ("centre = 1", "centre = 5", "count from 1 to 4"),
        ("source = \"formal charge\"", "source = \"\"", "say where the numbers come from"),
        ("source = \"formal charge\"", "", "missing field `source`"),
        ("name = \"Ca\"", "name = \"C a\"", "species, name: \"C a\" must be a word"),
        ("name = \"Ca\"", "name = \"K\"", "species K, name: is defined twice"),
        (
            "atoms = [\"K\"]",
            "atoms = [\"K\"]\nplanar_xy3 = { bond_length = \"1 angstrom\" }",
            "a single atom has no planar_xy3",
        ),
        ("atoms = [\"K\"]", "atoms = []", "count from 1 to 0"),
        ("A = \"62142.9 kcal/mol\"", "A = \"62.1 kcal/mol\"", "pair O-O: attracts at all distances"),
        (
            "C = \"259.1 kcal",
            "C = \"-259.1 kcal",
            "pair N-N, C: \"-259.1 kcal/mol*angstrom^6\" must not be negative",
        ),
        (
            "cutoff = \"10 angstrom\"",
            "cutoff = \"-10 angstrom\"",
            "short_range, cutoff: \"-10 angstrom\" must be positive",
        ),
    ] {
        assert!(CKN_RIGID.contains(old), "{old}");
        let error = ForceField::parse(&CKN_RIGID.replacen(old, new, 1), "x.toml").unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("x.toml"), "{error}");
    }
}

/// The same for the flexible file: shape and springs.
#[test]
fn springs_that_make_no_sense_are_refused_at_their_line() {
    let line_of = |text: &str| CKN_FLEXIBLE[..CKN_FLEXIBLE.find(text).unwrap()].matches('\n').count() + 1;
    for (old, new, expected) in [
        (
            "atoms = [1, 3], length",
            "atoms = [1, 5], length",
            "[1, 5] must be different atoms, counted from 1 to 4",
        ),
        ("atoms = [1, 3], length", "atoms = [3, 3], length", "[3, 3] must be different atoms"),
        ("atoms = [1, 3], length", "atoms = [2, 1], length", "[2, 1] is given twice"),
        ("atoms = [2, 1, 4], angle", "atoms = [3, 1, 2], angle", "[3, 1, 2] is given twice"),
        ("\"120 deg\"", "\"240 deg\"", "angles, angle: \"240 deg\" is not allowed"),
        (
            "\"0 deg\"",
            "\"-10 deg\"",
            "impropers, angle: \"-10 deg\" is not allowed; give an angle from 0.0 to 180.0 deg",
        ),
        ("\"60 kcal/mol/rad^2\"", "\"-60 kcal/mol/rad^2\"", "must not be negative"),
        ("\"60 kcal/mol/rad^2\"", "\"60 kcal/mol\"", "is an energy, but an energy per angle^2 is expected"),
    ] {
        let error = ForceField::parse(&CKN_FLEXIBLE.replacen(old, new, 1), "x.toml").unwrap_err().to_string();
        let place = format!("x.toml, line {}: molecule nitrate, ", line_of(old));
        assert!(error.contains(expected) && error.starts_with(&place), "{error}");
    }
}

#[test]
fn a_pair_without_an_entry_is_named() {
    let start = CKN_RIGID.rfind("[[pair]]").unwrap();
    let end = start + CKN_RIGID[start..].find("[[molecule]]").unwrap();
    let without = format!("{}{}", &CKN_RIGID[..start], &CKN_RIGID[end..]);
    let error = ForceField::parse(&without, "x.toml").unwrap_err().to_string();
    assert!(error.contains("pair K-Ca: has no entry"), "{error}");
    let start = CKN_RIGID.find("[[pair]]").unwrap();
    let none = format!("pair = []\n{}{}", &CKN_RIGID[..start], &CKN_RIGID[end..]);
    let error = ForceField::parse(&none, "x.toml").unwrap_err().to_string();
    assert!(error.contains("pair N-N has no entry"), "{error}");
}

/// sigma, C and D as in the tables of Fumi and Tosi: what a user with another table writes.
#[test]
fn all_parameters_of_the_potential_reach_it() {
    let entry = "rho = \"0.3370 angstrom\"\nC = \"349.9 kcal/mol*angstrom^6\"";
    let fumi_tosi = "rho = \"0.3370 angstrom\"\nsigma = \"2.926 angstrom\"\nC = \"1 eV*angstrom^6\"\nD = \"2 kJ/mol*nm^8\"";
    assert!(CKN_RIGID.contains(entry));
    let text = CKN_RIGID.replacen(entry, fumi_tosi, 1);
    let force_field = ForceField::parse(&text, "x.toml").unwrap();
    let k = force_field.species.iter().position(|s| s.name == "K").unwrap();
    let pair = force_field.pair(k, k).unwrap();
    assert_eq!(pair.sigma, 2.926);
    // Both numbers from CODATA, ten digits.
    assert!((pair.dispersion6 / 9648.533212 - 1.0).abs() < 1e-9);
    assert!((pair.dispersion8 / 2e10 - 1.0).abs() < 1e-12);
}

#[test]
fn a_bent_molecule_is_laid_along_its_principal_axes() {
    let text = format!(
        "{CKN_RIGID}[[molecule]]\nname = \"water\"\natoms = [\"O\", \"K\", \"K\"]\nmodel = \"rigid\"\nsource = \"test\"\npositions = [
        [\"5 angstrom\", \"0 angstrom\", \"1 angstrom\"], [\"6 angstrom\", \"0 angstrom\", \"1 angstrom\"],
        [\"4.7 angstrom\", \"0.9 angstrom\", \"1.2 angstrom\"]]\n"
    );
    let force_field = ForceField::parse(&text, "x.toml").unwrap();
    let MoleculeModel::Rigid { positions, moments } = &force_field.kinds[3].model else { panic!("rigid") };
    let masses = force_field.kinds[3].species.iter().map(|&s| force_field.species[s].mass);
    let (mut centre, mut inertia) = (DVec3::ZERO, DMat3::ZERO);
    for (r, m) in positions.iter().zip(masses) {
        centre += m * *r;
        inertia += m * (DMat3::from_diagonal(DVec3::splat(r.length_squared())) - outer(*r, *r));
    }
    // Round-off of sums of moments of about 100 u A^2.
    assert!(centre.length() < 1e-12);
    assert!((inertia - DMat3::from_diagonal(*moments)).to_cols_array().iter().all(|x| x.abs() < 1e-11));
    // Distances and handedness survive: O-K 1, K-K from the positions above.
    assert!((positions[0].distance(positions[1]) - 1.0).abs() < 1e-12);
    let linear = text.replace("\"0.9 angstrom\", \"1.2 angstrom\"", "\"0 angstrom\", \"1 angstrom\"");
    let linear = linear.replace("4.7 angstrom", "3.7 angstrom");
    let error = ForceField::parse(&linear, "x.toml").unwrap_err().to_string();
    assert!(error.contains("molecule water: is linear"), "{error}");
    let close = text.replace("\"6 angstrom", "\"5.1 angstrom");
    let error = ForceField::parse(&close, "x.toml").unwrap_err().to_string();
    assert!(error.contains("atoms 1 and 2 are 0.1"), "{error}");
}

#[test]
fn charged_compositions_are_refused() {
    let force_field = ForceField::parse(CKN_RIGID, "x").unwrap();
    assert!(force_field.topology(&[("nitrate", 14), ("K", 6), ("Ca", 4)]).is_ok());
    let error = force_field.topology(&[("nitrate", 14), ("K", 5), ("Ca", 4)]).unwrap_err().to_string();
    assert!(error.contains("-1 e") && error.contains("5 K of +1 e"), "{error}");
    assert!(force_field.topology(&[("NaCl", 1)]).unwrap_err().to_string().contains("nitrate, K, Ca"));
}
