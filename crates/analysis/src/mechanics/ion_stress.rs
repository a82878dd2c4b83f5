//! Shear stress of single ions, G_NJ(t): needs window means of each ion's virial, which no file holds yet.

use crate::observable::{Context, Missing, Observable};

/// For the list of observables: says what is missing.
pub fn prepare(_: &Context) -> Result<Box<dyn Observable>, Missing> {
    Err(Missing::because(
        "the stress of single ions needs window means of each ion's virial; runs do not write them yet",
    ))
}
