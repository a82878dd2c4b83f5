//! Which ensembles a truncated potential has.

use crate::backend::Ensemble;

/// Whether energy and virial of truncated pair sums are one Hamiltonian at any volume ([`super::tail_correction`] has the
/// formulae).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// They are: the energy is shifted to zero at the cutoff, or the tail has the work of the pairs that cross it.
    Consistent,
    /// Neither shift nor tail: forces and virial are those of the shifted potential, the energy is not. At constant volume this
    /// is a constant (in the mean), at constant pressure it is not.
    Plain,
}

/// Why plain truncation and constant pressure do not go together.
pub const WITHOUT_WORK: &str = "the virial is then that of the shifted potential and the energy is not, so that the conserved quantity \
    misses the work of the pairs that cross the cutoff when the volume changes";

/// Dynamics at constant pressure were asked for with a plainly truncated potential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "constant pressure with `shift = \"none\"` and without `tail_correction` in [short_range] of the force field: {WITHOUT_WORK}; give \
     `shift = \"potential\"` or `tail_correction = true`, or hold the volume constant (nvt, nve)"
)]
pub struct PlainTruncation;

impl Truncation {
    /// An error for dynamics in which the conserved quantity would miss a part of the work.
    pub fn check(self, ensemble: Ensemble) -> Result<(), PlainTruncation> {
        match (self, ensemble) {
            (Self::Plain, Ensemble::Npt) => Err(PlainTruncation),
            _ => Ok(()),
        }
    }
}
