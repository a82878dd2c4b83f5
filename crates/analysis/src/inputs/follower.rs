//! Particles followed through the walls of the cell.

use glam::{BVec3, DMat3, DVec3};
use vitrion_core::cell::Cell;

use crate::error::AnalysisError;

/// What a user should know about positions without image counts.
pub(super) const SHORTEST_DISPLACEMENT: &str = "positions carry no image counts: particles are followed by the shortest \
     displacement between frames, which is right as long as nothing moves half a cell between two frames";

/// What a file says of where its particles have been.
#[derive(Clone, Copy)]
pub(super) enum Crossings<'a> {
    /// Nothing: positions are wrapped.
    Unknown,
    /// How many cells each has crossed.
    Counted(&'a [DVec3]),
    /// Positions are unwrapped as they are.
    Unwrapped,
}

/// What is followed: one frame of a file.
pub(super) struct Moment<'a> {
    /// Periodic cell.
    pub cell: &'a Cell,
    /// Its corner (angstrom).
    pub origin: DVec3,
    /// Positions (angstrom), wrapped or not.
    pub positions: &'a [DVec3],
    pub crossings: Crossings<'a>,
}

/// Where particles are, unwrapped, from frame to frame.
///
/// Places of the first frame are its positions, with the cells that were crossed before. As long as cell and corner stay as
/// they are, places are the positions that the file has, unwrapped; after that, displacements are summed up: a place moves by
/// sum_k e_k (u_k(t) - u_k(t-)), with edges e_k of the cell of its frame. Along periodic edges u_k is the fractional coordinate of
/// r - origin, so what the cell does, growing about its corner or its centre, moves nobody, and a count times the cell of
/// today does not move what only crossed a wall long ago. Along other edges e_k has length 1 and u_k is the coordinate
/// itself, since a box that is shrink-wrapped around its particles does not move them; nothing is wrapped there.
/// Where a cell that is sheared is written with other edges of the same lattice (LAMMPS flips a tilt that exceeds half an edge),
/// u of the last frame is taken along the new edges, which must be periodic.
pub(super) struct Follower {
    periodic: BVec3,
    followed: Option<Followed>,
}

/// The last frame.
struct Followed {
    cell: Cell,
    origin: DVec3,
    /// Whether cell and corner were always the same.
    constant: bool,
    /// Coordinates along the edges, wrapped or with their images.
    coordinates: Vec<DVec3>,
    /// Where the particles are by now.
    places: Vec<DVec3>,
}

impl Default for Follower {
    fn default() -> Self {
        Self::along(BVec3::TRUE)
    }
}

impl Follower {
    /// Follows particles through the walls that these edges end at.
    pub fn along(periodic: BVec3) -> Self {
        Self { periodic, followed: None }
    }

    /// Unwrapped positions (angstrom) of the next frame: as they are, or by the counts of crossed cells, or else by the shortest
    /// displacement from the last frame.
    pub fn next(&mut self, moment: &Moment) -> Result<Vec<DVec3>, Turned> {
        let Moment { cell, origin, positions, crossings } = *moment;
        let constant = self
            .followed
            .as_ref()
            .is_none_or(|last| last.constant && last.cell == *cell && last.origin == origin);
        let crossed = |counts: DVec3| DVec3::select(self.periodic, counts, DVec3::ZERO);
        let edges = Edges::new(cell, self.periodic);
        let coordinates: Vec<DVec3> = match crossings {
            Crossings::Counted(images) => {
                let with_images = positions.iter().zip(images);
                with_images.map(|(r, n)| edges.coordinates(*r, origin) + crossed(*n)).collect()
            }
            _ => positions.iter().map(|r| edges.coordinates(*r, origin)).collect(),
        };
        let places: Vec<DVec3> = match (&self.followed, crossings) {
            (_, Crossings::Counted(images)) if constant => {
                positions.iter().zip(images).map(|(r, n)| *r + cell.matrix() * crossed(*n)).collect()
            }
            (_, Crossings::Unwrapped) if constant => positions.to_vec(),
            (None, _) => positions.to_vec(),
            (Some(last), _) => {
                let flip = flip(&last.cell, cell, self.periodic)?;
                let before = last.coordinates.iter().zip(&last.places);
                let moved = coordinates.iter().zip(before).map(|(now, (before, place))| {
                    let moved = *now - flip.map_or(*before, |flip| flip * *before);
                    let moved = match crossings {
                        Crossings::Unknown => moved - crossed(moved.round()),
                        Crossings::Counted(_) | Crossings::Unwrapped => moved,
                    };
                    *place + edges.h * moved
                });
                moved.collect()
            }
        };
        self.followed = Some(Followed { cell: *cell, origin, constant, coordinates, places: places.clone() });
        Ok(places)
    }
}

/// A cell is written with other edges of the same lattice, though one of them is not periodic: what is on either side of it is no
/// image of the other.
#[derive(Debug)]
pub(super) struct Turned {
    edge: char,
}

impl Turned {
    pub fn at(&self, label: &str, frame: usize) -> AnalysisError {
        AnalysisError::input(
            label,
            format!("frame {frame}: the cell flips along edge {}, which is not periodic", self.edge),
            "write all frames with the same edges, or the boundaries of the system that was simulated",
        )
    }
}

/// From coordinates along the edges of a cell to those along other edges of the same lattice: h_old = h_new F, but for a small
/// deformation. None where the edges are the same.
pub(super) fn flip(old: &Cell, new: &Cell, periodic: BVec3) -> Result<Option<DMat3>, Turned> {
    if old == new {
        return Ok(None);
    }
    let columns = (new.inverse() * old.matrix()).to_cols_array().map(f64::round);
    let integers = DMat3::from_cols_array(&columns);
    // Other integers are a cell that grew or shrank beyond recognition.
    let same_lattice = |f: &DMat3| (f.determinant().abs() - 1.0).abs() < 0.5;
    let mut along = integers;
    for edge in (0..3).filter(|edge| !periodic.test(*edge)) {
        // An edge that the particles make, or a wall, has any length.
        for other in 0..3 {
            let own = if other == edge { 1.0 } else { 0.0 };
            along.col_mut(edge)[other] = own;
            along.col_mut(other)[edge] = own;
        }
        let mixed = |f: &DMat3| (0..3).any(|k| k != edge && (f.col(edge)[k] != 0.0 || f.col(k)[edge] != 0.0));
        if mixed(&integers) && same_lattice(&integers) {
            return Err(Turned { edge: ['a', 'b', 'c'][edge] });
        }
    }
    Ok((along != DMat3::IDENTITY && same_lattice(&along)).then_some(along))
}

/// The edges that coordinates belong to: of full length where they are periodic, else of length 1.
struct Edges {
    periodic: BVec3,
    h: DMat3,
    inverse: DMat3,
}

impl Edges {
    fn new(cell: &Cell, periodic: BVec3) -> Self {
        if periodic.all() {
            return Self { periodic, h: cell.matrix(), inverse: cell.inverse() };
        }
        let full = cell.matrix();
        let along = |k: usize| if periodic.test(k) { full.col(k) } else { full.col(k).normalize() };
        let h = DMat3::from_cols(along(0), along(1), along(2));
        Self { periodic, h, inverse: h.inverse() }
    }

    fn coordinates(&self, r: DVec3, origin: DVec3) -> DVec3 {
        let from_corner = self.inverse * (r - origin);
        if self.periodic.all() {
            return from_corner;
        }
        DVec3::select(self.periodic, from_corner, self.inverse * r)
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

    impl Follower {
        /// A frame of a file whose cells begin at 0.
        fn follow(&mut self, cell: &Cell, positions: &[DVec3], images: Option<&[DVec3]>) -> Vec<DVec3> {
            let crossings = images.map_or(Crossings::Unknown, Crossings::Counted);
            self.next(&Moment { cell, origin: DVec3::ZERO, positions, crossings }).unwrap()
        }
    }

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

    /// Fractional coordinates of particles that walk, unwrapped, in cells that change about their centre.
    fn breathing() -> Vec<(Cell, DVec3, Vec<DVec3>)> {
        let walk = |frame: usize| {
            let t = frame as f64;
            vec![DVec3::new(0.9 + 0.31 * t, 0.2 - 0.17 * t, 0.5), DVec3::new(0.1, 0.95, 0.02 * t)]
        };
        let shape = triclinic();
        (0..30)
            .map(|frame| {
                let cell = shape.scaled(1.0 + 0.03 * (frame as f64).sin());
                let origin = DVec3::splat(-5.0) - 0.5 * (cell.matrix() - shape.matrix()) * DVec3::ONE;
                (cell, origin, walk(frame))
            })
            .collect()
    }

    #[test]
    fn in_a_changing_cell_all_ways_to_write_positions_give_the_same_places() {
        let (mut counted, mut unwrapped, mut shortest) =
            (Follower::default(), Follower::default(), Follower::default());
        let mut expected: Vec<DVec3> = Vec::new();
        let mut before: Vec<DVec3> = Vec::new();
        let mut start: Vec<DVec3> = Vec::new();
        for (cell, origin, coordinates) in breathing() {
            let places: Vec<DVec3> = coordinates.iter().map(|s| origin + cell.cartesian(*s)).collect();
            let images: Vec<DVec3> = coordinates.iter().map(|s| s.floor()).collect();
            let wrapped: Vec<DVec3> =
                coordinates.iter().map(|s| origin + cell.cartesian(s - s.floor())).collect();
            expected = match expected.len() {
                0 => {
                    start = places.iter().zip(&wrapped).map(|(r, w)| *w - *r).collect();
                    places.clone()
                }
                _ => (0..2).map(|i| expected[i] + cell.cartesian(coordinates[i] - before[i])).collect(),
            };
            before = coordinates;
            let found = |follower: &mut Follower, positions: &[DVec3], crossings: Crossings| {
                follower.next(&Moment { cell: &cell, origin, positions, crossings }).unwrap()
            };
            let by_count = found(&mut counted, &wrapped, Crossings::Counted(&images));
            let as_is = found(&mut unwrapped, &places, Crossings::Unwrapped);
            let by_shortest = found(&mut shortest, &wrapped, Crossings::Unknown);
            for i in 0..2 {
                // Round-off of 30 sums of numbers up to 100.
                assert!((by_count[i] - expected[i]).length() < 1e-11);
                assert!((as_is[i] - expected[i]).length() < 1e-11);
                // These begin within the cell.
                assert!((by_shortest[i] - start[i] - expected[i]).length() < 1e-11);
            }
        }
    }

    #[test]
    fn a_cell_that_shrinks_about_its_centre_moves_nobody() {
        let mut follower = Follower::default();
        let s = DVec3::new(0.9, 0.1, 0.5);
        let mut at = |edge: f64| {
            let (cell, origin) = (Cell::cubic(edge).unwrap(), DVec3::splat(-0.5 * edge));
            let place = origin + cell.cartesian(s);
            let crossings = Crossings::Unknown;
            follower.next(&Moment { cell: &cell, origin, positions: &[place], crossings }).unwrap()[0]
        };
        let first = at(10.0);
        assert_eq!(first, DVec3::new(4.0, -4.0, 0.0));
        // Round-off of 20 sums.
        assert!((1..20).all(|i| (at(10.0 - 0.1 * f64::from(i)) - first).length() < 1e-13));
    }

    #[test]
    fn a_tilt_that_flips_moves_nobody() {
        // Sheared by 4 % a frame; the tilt flips where it exceeds half an edge. The particles go with the cell.
        let s = [DVec3::new(0.3, 0.8, 0.1), DVec3::new(2.7, 5.9, -3.2)];
        let (mut counted, mut unwrapped, mut shortest) =
            (Follower::default(), Follower::default(), Follower::default());
        let mut first = None;
        for frame in 0..40 {
            let sheared = 0.04 * f64::from(frame);
            let tilt = sheared - sheared.round();
            let cell = |tilt: f64| {
                let b = DVec3::new(10.0 * tilt, 10.0, 0.0);
                Cell::new(DMat3::from_cols(DVec3::X * 10.0, b, DVec3::Z * 10.0)).unwrap()
            };
            let (smooth, cell) = (cell(sheared), cell(tilt));
            let places = s.map(|s| smooth.cartesian(s));
            let fractions = places.map(|r| cell.fractional(r));
            let images = fractions.map(DVec3::floor);
            let wrapped = fractions.map(|s| cell.cartesian(s - s.floor()));
            let found = |follower: &mut Follower, positions: &[DVec3], crossings| {
                follower.next(&Moment { cell: &cell, origin: DVec3::ZERO, positions, crossings }).unwrap()
            };
            let all = [
                found(&mut counted, &wrapped, Crossings::Counted(&images)),
                found(&mut unwrapped, &places, Crossings::Unwrapped),
                found(&mut shortest, &wrapped, Crossings::Unknown),
            ];
            let first = first.get_or_insert_with(|| all.clone());
            for (found, first) in all.iter().zip(&*first) {
                // Round-off of 40 sums of numbers up to 100.
                assert!(found.iter().zip(first).all(|(a, b)| (*a - *b).length() < 1e-11), "frame {frame}");
            }
        }
    }

    /// Sheared by 4 % a frame: a tilt of b along a that flips, in a film that is open along c and grows.
    fn sheared(frame: i32) -> (f64, Cell) {
        let sheared = 0.4 + 0.04 * f64::from(frame);
        let tilt = sheared - sheared.round();
        let b = DVec3::new(10.0 * tilt, 10.0, 0.0);
        let c = DVec3::Z * (10.0 + 4.0 * f64::from(frame));
        (sheared, Cell::new(DMat3::from_cols(DVec3::X * 10.0, b, c)).unwrap())
    }

    #[test]
    fn a_tilt_that_flips_along_the_periodic_edges_of_a_film_moves_nobody() {
        let film = BVec3::new(true, true, false);
        let mut follower = Follower::along(film);
        let s = [DVec3::new(0.3, 0.8, 1.0), DVec3::new(0.7, 0.1, 4.0)];
        let mut first = None;
        for frame in 0..40 {
            let (sheared, cell) = sheared(frame);
            let wrapped = s.map(|s| {
                let r = DVec3::new(10.0 * s.x + sheared * 10.0 * s.y, 10.0 * s.y, s.z);
                let fraction = cell.fractional(r);
                cell.cartesian(DVec3::select(film, fraction - fraction.floor(), fraction))
            });
            let moment = Moment {
                cell: &cell,
                origin: DVec3::ZERO,
                positions: &wrapped,
                crossings: Crossings::Unknown,
            };
            let found = follower.next(&moment).unwrap();
            let first = first.get_or_insert_with(|| found.clone());
            // Round-off of 40 sums of numbers up to 10.
            assert!(found.iter().zip(&*first).all(|(a, b)| (*a - *b).length() < 1e-12), "frame {frame}");
        }
    }

    #[test]
    fn a_flip_along_an_edge_that_is_not_periodic_is_refused() {
        let mut follower = Follower::along(BVec3::new(true, false, true));
        let mut next = |tilt: f64| {
            let b = DVec3::new(10.0 * tilt, 10.0, 0.0);
            let cell = Cell::new(DMat3::from_cols(DVec3::X * 10.0, b, DVec3::Z * 10.0)).unwrap();
            let moment = Moment {
                cell: &cell,
                origin: DVec3::ZERO,
                positions: &[DVec3::ONE],
                crossings: Crossings::Unknown,
            };
            follower.next(&moment).map_err(|turned| turned.at("film.dump", 2).to_string())
        };
        assert!(next(0.4).is_ok() && next(0.48).is_ok());
        let words = next(-0.48).unwrap_err();
        assert!(words.contains("frame 2: the cell flips along edge b, which is not periodic"), "{words}");
    }

    #[test]
    fn unwrapped_positions_in_a_constant_cell_are_as_they_are() {
        let mut follower = Follower::default();
        let cell = triclinic();
        for i in 0..50 {
            let place = DVec3::new(0.1, 1.7, -0.3) * f64::from(i);
            let moment = Moment {
                cell: &cell,
                origin: DVec3::new(0.1, 0.2, 0.3),
                positions: &[place],
                crossings: Crossings::Unwrapped,
            };
            assert_eq!(follower.next(&moment).unwrap()[0], place);
        }
    }

    #[test]
    fn nothing_is_wrapped_or_scaled_along_an_edge_that_is_not_periodic() {
        // A slab whose box is shrink-wrapped along z while a particle crosses it, and with it periodic walls along x.
        let follower = || Follower::along(BVec3::new(true, true, false));
        let (mut shortest, mut counted) = (follower(), follower());
        for i in 0..12 {
            let path = DVec3::new(9.0 + 0.5 * f64::from(i), 5.0, 1.5 * f64::from(i));
            let cell = Cell::orthorhombic(DVec3::new(10.0, 10.0, 2.0 + 1.5 * f64::from(i))).unwrap();
            let origin = DVec3::new(0.0, 0.0, -0.3 * f64::from(i));
            let images = [DVec3::new((path.x / 10.0).floor(), 0.0, 7.0)];
            let positions = [path - DVec3::new(10.0 * images[0].x, 0.0, 0.0)];
            let found = |follower: &mut Follower, crossings| {
                follower.next(&Moment { cell: &cell, origin, positions: &positions, crossings }).unwrap()[0]
            };
            // Round-off of 12 sums.
            assert!((found(&mut shortest, Crossings::Unknown) - path).length() < 1e-13);
            assert!((found(&mut counted, Crossings::Counted(&images)) - path).length() < 1e-13);
        }
    }
}
