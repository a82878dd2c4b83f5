//! One moment of a trajectory, as observables see it.

use std::sync::Arc;

use glam::DVec3;
use vitrion_core::cell::Cell;

/// One moment. Positions are shared, so that observables can keep them without copying.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Which trajectory, from 0.
    pub trajectory: usize,
    /// Number among the analysed frames of its trajectory, from 0.
    pub index: usize,
    /// Time in ticks of [`crate::clock::Clock`]: exact differences.
    pub tick: i64,
    /// Time (ps).
    pub time: f64,
    /// Periodic cell; none where the trajectory has none.
    pub cell: Option<Cell>,
    /// Per atom: where it is now, in any of its periodic images (angstrom), for structure; empty unless an observable wants it.
    pub atoms: Arc<[DVec3]>,
    /// Per atom: unwrapped position (angstrom), for displacements; empty unless an observable wants it. After a change of the
    /// cell it is no periodic image of the atom: displacements in a changing cell are sums of increments.
    pub unwrapped: Arc<[DVec3]>,
    /// Per centre: unwrapped position (angstrom); empty unless an observable wants it.
    pub centres: Arc<[DVec3]>,
}

/// What an observable needs of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Positions of all atoms.
    pub atoms: bool,
    /// Unwrapped positions of all atoms.
    pub unwrapped: bool,
    /// Positions of the centres.
    pub centres: bool,
}

impl Needs {
    /// Nothing.
    pub const NOTHING: Self = Self { atoms: false, unwrapped: false, centres: false };
    /// Centres.
    pub const CENTRES: Self = Self { atoms: false, unwrapped: false, centres: true };
    /// Atoms.
    pub const ATOMS: Self = Self { atoms: true, unwrapped: false, centres: false };
    /// Unwrapped atoms.
    pub const UNWRAPPED: Self = Self { atoms: false, unwrapped: true, centres: false };

    /// What either needs.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            atoms: self.atoms || other.atoms,
            unwrapped: self.unwrapped || other.unwrapped,
            centres: self.centres || other.centres,
        }
    }
}
