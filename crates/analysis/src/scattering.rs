//! How strongly atoms scatter X-rays and neutrons.
//!
//! X-rays: f(q) = sum_i a_i exp(-b_i s^2) + c with s = q/4 pi, in electrons, below s = 2/angstrom (q = 25/angstrom);
//! International Tables for Crystallography C (2006), table 6.1.1.4, doi:10.1107/97809553602060000600; errors below 0.02
//! electrons. K and Ca as the ions K1+ and Ca2+, N and O as neutral atoms.
//!
//! Neutrons: bound coherent scattering lengths (fm), which do not depend on q; Sears, Neutron News 3 (3), 26 (1992),
//! doi:10.1080/10448639208218770.

use std::f64::consts::PI;

/// What scatters: weights of the species in sums over atoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Radiation {
    /// X-rays.
    XRay,
    /// Neutrons.
    Neutron,
}

struct Scatterer {
    species: &'static str,
    /// a_i, b_i (angstrom^2).
    gaussians: [[f64; 2]; 4],
    constant: f64,
    /// fm.
    length: f64,
}

#[rustfmt::skip]
const SCATTERERS: [Scatterer; 4] = [
    Scatterer {
        species: "N",
        gaussians: [[12.2126, 0.0057], [3.1322, 9.8933], [2.0125, 28.9975], [1.1663, 0.5826]],
        constant: -11.529,
        length: 9.36,
    },
    Scatterer {
        species: "O",
        gaussians: [[3.0485, 13.2771], [2.2868, 5.7011], [1.5463, 0.3239], [0.867, 32.9089]],
        constant: 0.2508,
        length: 5.803,
    },
    Scatterer {
        species: "K",
        gaussians: [[7.9578, 12.6331], [7.4917, 0.7674], [6.359, -0.002], [1.1915, 31.9128]],
        constant: -4.9978,
        length: 3.67,
    },
    Scatterer {
        species: "Ca",
        gaussians: [[15.6348, -0.0074], [7.9518, 0.6089], [8.4372, 10.3116], [0.8537, 25.9905]],
        constant: -14.875,
        length: 4.70,
    },
];

impl Radiation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::XRay, Self::Neutron];

    /// How results call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::XRay => "xray",
            Self::Neutron => "neutron",
        }
    }

    /// Weight of a species at wave number `q` (1/angstrom); none for a species that is not listed here.
    pub fn weight(self, species: &str, q: f64) -> Option<f64> {
        let scatterer = SCATTERERS.iter().find(|s| s.species == species)?;
        Some(match self {
            Self::XRay => {
                let s = q / (4.0 * PI);
                let gaussians = scatterer.gaussians.iter().map(|[a, b]| a * (-b * s * s).exp());
                gaussians.sum::<f64>() + scatterer.constant
            }
            Self::Neutron => scatterer.length,
        })
    }

    /// Weights of all species; none if one of them is not listed here.
    pub fn weights(self, species: &[String], q: f64) -> Option<Vec<f64>> {
        species.iter().map(|name| self.weight(name, q)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_scattering_counts_electrons() {
        // The table's own errors, 0.02 electrons.
        for (species, electrons) in [("N", 7.0), ("O", 8.0), ("K", 18.0), ("Ca", 18.0)] {
            let f = Radiation::XRay.weight(species, 0.0).unwrap();
            assert!((f - electrons).abs() < 0.02, "{species}: {f}");
        }
        assert_eq!(Radiation::XRay.weight("Xe", 0.0), None);
    }

    #[test]
    fn form_factors_agree_with_another_fit_to_the_same_calculations() {
        // Waasmaier and Kirfel, Acta Cryst. A 51, 416 (1995), doi:10.1107/S0108767394013292: five Gaussians.
        #[rustfmt::skip]
        let fits = [
            ("N", [[11.89378, 0.000158], [3.277479, 10.232723], [1.858092, 30.34469], [0.858927, 0.656065], [0.912985, 0.217287]], -11.804902),
            ("O", [[2.960427, 14.182259], [2.508818, 5.936858], [0.637853, 0.112726], [0.722838, 34.958481], [1.142756, 0.39024]], 0.027014),
            ("K", [[-17.609339, 18.840979], [1.494873, 0.053453], [7.150305, 0.81294], [10.899569, 22.264104], [15.808228, 14.351593]], 0.257164),
            ("Ca", [[8.501441, 10.525848], [12.880483, -0.004033], [9.765095, 0.010692], [7.156669, 0.684443], [0.71116, 27.231772]], -21.013188),
        ];
        for (species, gaussians, constant) in fits {
            for q in [0.0, 1.0, 3.7, 6.3, 10.0, 15.0, 20.0] {
                let s = q / (4.0 * PI);
                let other: f64 =
                    gaussians.iter().map(|[a, b]: &[f64; 2]| a * (-b * s * s).exp()).sum::<f64>() + constant;
                let f = Radiation::XRay.weight(species, q).unwrap();
                // Errors of both fits: 0.02 electrons and less.
                assert!((f - other).abs() < 0.03, "{species}, q = {q}: {f} {other}");
            }
        }
    }
}
