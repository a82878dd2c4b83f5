//! Properties of any input: what is written is read again, and what an analysis finds does not depend on how its input is told.

#[path = "properties/invariance.rs"]
mod invariance;
#[path = "properties/round_trips.rs"]
mod round_trips;

use proptest::prelude::ProptestConfig;

/// So many cases of a property; a case that fails is printed, and kept as a test of its own if it is of use, not in a file of seeds.
fn cases(number: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(number) }
}
