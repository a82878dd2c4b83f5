//! Particles followed through the walls of the cell.

use glam::DVec3;
use vitrion_core::cell::Cell;

use crate::error::AnalysisError;

/// What a user should know about positions without image counts.
pub(super) const SHORTEST_DISPLACEMENT: &str = "positions carry no image counts: particles are followed by the shortest \
     displacement between frames, which is right as long as nothing moves half a cell between two frames";

/// Where particles are, unwrapped, from frame to frame.
#[derive(Default)]
pub(super) struct Follower {
    followed: Option<Followed>,
}

/// The last frame.
struct Followed {
    cell: Cell,
    /// Whether the cell was always the same.
    constant: bool,
    /// Fractional positions, wrapped or with their images.
    fractional: Vec<DVec3>,
    /// Where the particles are by now.
    places: Vec<DVec3>,
}

impl Follower {
    /// Unwrapped positions (angstrom) of the next frame: by the counts of crossed cells, or else by the shortest displacement
    /// from the last frame. When the cell changes, displacements are summed up, each with the cell of its frame: a count times
    /// the cell of today would move what only crossed a wall long ago.
    pub fn follow(&mut self, cell: &Cell, positions: &[DVec3], images: Option<&[DVec3]>) -> Vec<DVec3> {
        let constant = self.followed.as_ref().is_none_or(|last| last.constant && last.cell == *cell);
        let fractional: Vec<DVec3> = match images {
            Some(images) => positions.iter().zip(images).map(|(r, n)| cell.fractional(*r) + *n).collect(),
            None => positions.iter().map(|r| cell.fractional(*r)).collect(),
        };
        let places: Vec<DVec3> = match (&self.followed, images) {
            (_, Some(images)) if constant => {
                positions.iter().zip(images).map(|(r, n)| *r + cell.matrix() * *n).collect()
            }
            (None, _) => positions.to_vec(),
            (Some(last), _) => {
                let before = last.fractional.iter().zip(&last.places);
                let moved = fractional.iter().zip(before).map(|(now, (before, place))| {
                    let moved = *now - *before;
                    let moved = if images.is_some() { moved } else { moved - moved.round() };
                    *place + cell.cartesian(moved)
                });
                moved.collect()
            }
        };
        self.followed = Some(Followed { cell: *cell, constant, fractional, places: places.clone() });
        places
    }
}

/// A position that is no number is an error, not a hole in an average.
pub(super) fn check_finite<'a>(
    label: &str,
    frame: usize,
    mut positions: impl Iterator<Item = &'a DVec3>,
) -> Result<(), AnalysisError> {
    match positions.position(|r| !r.is_finite()) {
        None => Ok(()),
        Some(particle) => Err(AnalysisError::input(
            label,
            format!("frame {frame}, particle {particle}: the position is not a number"),
            "the file is damaged, or its writer was stopped: leave this frame out or write the file again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::triclinic;

    #[test]
    fn a_wrapped_walk_is_followed_through_the_walls_of_a_triclinic_cell() {
        let cell = triclinic();
        let path: Vec<DVec3> = (0..200).map(|i| DVec3::new(0.9, -0.7, 1.3) * f64::from(i)).collect();
        let wrapped = |r: DVec3| cell.cartesian(Cell::wrap_fractional(cell.fractional(r)));
        let image = |r: DVec3| cell.fractional(r).floor();
        let (mut by_shortest, mut by_count) = (Follower::default(), Follower::default());
        for r in &path {
            let shortest = by_shortest.follow(&cell, &[wrapped(*r)], None)[0];
            let counted = by_count.follow(&cell, &[wrapped(*r)], Some(&[image(*r)]))[0];
            // Round-off of 200 steps.
            assert!((shortest - *r).length() < 1e-10 && (counted - *r).length() < 1e-10);
        }
    }

    #[test]
    fn what_crossed_a_wall_long_ago_does_not_move_with_the_cell() {
        // At rest in fractional coordinates, two cells away, while the cell swells.
        let mut follower = Follower::default();
        let place = DVec3::new(1.0, 2.0, 3.0);
        let images = [DVec3::new(2.0, 0.0, 0.0)];
        let mut at = |edge: f64, place: DVec3| {
            follower.follow(&Cell::cubic(edge).unwrap(), &[place], Some(&images))[0]
        };
        let first = at(10.0, place);
        assert!((first - at(11.0, place * 1.1)).length() < 1e-12);
        // Nor when the cell is what it was.
        assert!((first - at(10.0, place)).length() < 1e-12);
    }
}
