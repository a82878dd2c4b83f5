//! Values of M. Saito et al., Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536, and where they can be compared with a run.
//!
//! The paper's simulations are of the glass at 330 K: what is a property of the glass there says nothing about a melt, and is
//! never printed beside one.

use crate::source::Facts;

/// Something that the paper gives a number for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Stretching of the ISF, Figs 3b and 4d.
    Stretching,
    /// KWW relaxation time at 6.3 1/angstrom, Fig. 4e and section 5.5.
    RelaxationTime,
    /// Fraction of ions that jump within 12 us, section 5.3.
    JumpingFraction,
    /// Exponent x, Fig. 6d.
    Exponent,
    /// Volume of collective motion, section 5.6.
    CollectiveVolume,
    /// Where S(q) has its main peak, Fig. 1a.
    MainPeak,
}

/// What is compared, and under which conditions it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// As the paper gives it, with the markup of `chart::markup`.
    pub text: &'static str,
    /// Where it was found.
    pub place: &'static str,
}

/// Temperature of the paper's simulations (K).
pub const TEMPERATURE: f64 = 330.0;
/// Its experiments are from 320 to 350 K; the structure is at 301 K. A run within these is compared.
const GLASS: std::ops::RangeInclusive<f64> = 295.0..=355.0;
/// The relaxation time changes by a third in 2 K (activation energy of the JG process).
const SAME_TEMPERATURE: f64 = 2.0;
/// Cooling rate of its simulations (K/ns).
const COOLING_RATE: f64 = -1.0;
/// Span in which its ions are classified (ps).
const SPAN: f64 = 12e6;

/// The paper's value, where the run's conditions match those it holds for.
pub fn value(quantity: Quantity, facts: &Facts) -> Option<Value> {
    let temperature = facts.temperature?;
    let at_330 = (temperature - TEMPERATURE).abs() <= SAME_TEMPERATURE;
    let long = facts.duration.is_some_and(|ps| ps >= SPAN);
    let (matches, text, place) = match quantity {
        Quantity::Stretching => (GLASS.contains(&temperature), "0.43 ± 0.08", "experiment, 320 to 350 K"),
        Quantity::MainPeak => (GLASS.contains(&temperature), "about 3 Å^{−1}", "experiment, 301 K"),
        Quantity::RelaxationTime => (at_330 && long, "2.7 µs", "simulation, 330 K"),
        Quantity::JumpingFraction => (at_330 && long, "almost one half", "simulation, 330 K, 12 µs"),
        Quantity::Exponent => (at_330 && long, "about 0.26", "simulation, 330 K"),
        Quantity::CollectiveVolume => (at_330 && long, "about 500 Å^{3}", "simulation, 330 K, 6 µs"),
    };
    matches.then_some(Value { text, place })
}

/// The paper's glass transition, where a run cooled as its simulations did (K/ns).
pub fn glass_transition(cooling_rate: f64) -> Option<Value> {
    let matches = (cooling_rate / COOLING_RATE - 1.0).abs() < 0.05;
    matches.then_some(Value { text: "333 K", place: "experiment; simulation at −1 K/ns agrees" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(temperature: f64, duration: f64) -> Facts {
        Facts { temperature: Some(temperature), duration: Some(duration), ..Facts::default() }
    }

    #[test]
    fn values_of_the_glass_never_stand_beside_a_melt() {
        use Quantity::{CollectiveVolume, Exponent, JumpingFraction, MainPeak, RelaxationTime, Stretching};
        let all = [Stretching, RelaxationTime, JumpingFraction, Exponent, CollectiveVolume, MainPeak];
        for temperature in [500.0, 550.0, 600.0, 700.0] {
            for duration in [240.0, 16e6] {
                assert!(all.iter().all(|q| value(*q, &facts(temperature, duration)).is_none()));
            }
        }
        assert!(all.iter().all(|q| value(*q, &facts(330.4, 16e6)).is_some()));
        // A nanosecond at 330 K has no time of 6 us in it.
        assert_eq!(value(Exponent, &facts(330.0, 1000.0)), None);
        assert_eq!(value(Stretching, &Facts::default()), None);
    }

    #[test]
    fn glass_transitions_of_other_cooling_rates_are_not_compared() {
        assert!(glass_transition(-1.0).is_some());
        assert!(glass_transition(-1000.0).is_none() && glass_transition(1.0).is_none());
    }
}
