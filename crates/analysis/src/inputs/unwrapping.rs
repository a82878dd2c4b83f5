//! How the positions of an H5MD file become unwrapped, and those of a dump that does not say `xu`.
//!
//! 1. `/particles/centres/position`: unwrapped centres, kept by Vitrion; atoms follow their centre.
//! 2. `image`: cells that particles have crossed. Some programs write it beside positions that are unwrapped already. Let s be
//!    fractional positions and n images. Of wrapped positions all s lie within one cell, and s + n moves by little from frame to
//!    frame; of unwrapped ones s - n lies within one cell, and s moves by little where n changes. Where the cell's corner is makes no
//!    difference. If neither can be told from the other, the file is refused.
//! 3. Positions without images that spread over more than one and a half cells, or lie farther from the cell than half of it
//!    (whether it begins or is centred at the origin), are unwrapped as they are; unless a few jump by a cell where all others move by little.
//! 4. Else a particle is followed by the shortest displacement from frame to frame: right as long as nothing moves half a
//!    cell between two frames.
//!
//! In a changing cell displacements are summed up from frame to frame, each with the cell of its frame.

use glam::DVec3;
use vitrion_core::cell::Cell;
use vitrion_trajectory::h5md::TrajectoryReader;

use super::follower::{SHORTEST_DISPLACEMENT, flip};
use crate::error::AnalysisError;

/// Extent of wrapped positions in units of the cell's edges: 1, and what molecules that are kept whole add to it.
const WRAPPED_EXTENT: f64 = 1.5;
/// Where wrapped positions may lie, in a cell that begins at the origin or is centred there, with as much for molecules.
const WRAPPED_RANGE: (f64, f64) = (-1.0, 1.5);
/// Frames that are looked at: all, or pairs of neighbours.
const LOOKED_AT: usize = 256;
/// A mean square move this much smaller than another (cells) tells which of the two is meant.
const CLEARLY: f64 = 0.25;
/// Moves (cells) of which a walk from cell to cell consists in frames that are close to each other.
const SMALL_MOVE: f64 = 0.25;
/// Moves (cells) that are hardly told from those the other way round.
const LARGE_MOVE: f64 = 0.4;
/// What positions may be beyond a wall by rounding (cells).
const ROUNDING: f64 = 1e-3;

/// How positions become unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwrapping {
    Centres,
    Images,
    AsIs,
    ShortestDisplacement,
}

/// Least and largest fractional coordinate.
#[derive(Clone, Copy)]
struct Span {
    low: DVec3,
    high: DVec3,
}

impl Span {
    const EMPTY: Self = Self { low: DVec3::INFINITY, high: DVec3::NEG_INFINITY };

    fn of(points: impl Iterator<Item = DVec3>) -> Self {
        points.fold(Self::EMPTY, |span, s| Self { low: span.low.min(s), high: span.high.max(s) })
    }

    fn and(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn extent(self) -> f64 {
        (self.high - self.low).max_element()
    }
}

/// What is seen of positions and images in some frames; only of the edges along which the system repeats itself.
struct Seen {
    /// All frames together.
    span: Span,
    /// Largest extent of a frame: of s, and of s - n.
    extent: f64,
    extent_less_images: f64,
    /// Moves where n changes: their number, and the sums of |ds|^2, |ds + dn|^2 and |ds - dn|^2.
    counted: usize,
    raw: f64,
    with: f64,
    against: f64,
    /// How many of these are by less than [`SMALL_MOVE`], but not to the same place: images that are counted anew.
    recounted: usize,
    /// Moves by more than half a cell where n does not change: their number, and the largest of what is left to a whole cell.
    jumps: usize,
    largest_rest: f64,
    /// Moves of at most half a cell: their number, and the largest.
    moves: usize,
    largest_move: f64,
    /// Whether any image ever changes, and whether the cell does.
    images_change: bool,
    cell_changes: bool,
}

/// What is looked at of a frame: cell, positions (angstrom) from its corner, and the cells that they have crossed.
pub(super) type Look = (Cell, Vec<DVec3>, Option<Vec<DVec3>>);

/// The numbers among the analysed frames that are looked at, in order.
fn looked_at(n: usize) -> Vec<usize> {
    if n <= LOOKED_AT {
        return (0..n).collect();
    }
    let pairs = LOOKED_AT / 2;
    let mut frames: Vec<usize> = (0..pairs)
        .flat_map(|pair| {
            let first = pair * (n - 2) / (pairs - 1);
            [first, first + 1]
        })
        .collect();
    frames.dedup();
    frames
}

impl Seen {
    /// Of `frames` frames, each as `look` has it: none where there is no cell.
    fn of(
        look: &dyn Fn(usize) -> Result<Option<Look>, AnalysisError>,
        frames: usize,
        periodic: [bool; 3],
    ) -> Result<Option<Self>, AnalysisError> {
        let mask = DVec3::from_array(periodic.map(f64::from));
        let mut seen = Self {
            span: Span::EMPTY,
            extent: 0.0,
            extent_less_images: 0.0,
            counted: 0,
            raw: 0.0,
            with: 0.0,
            against: 0.0,
            recounted: 0,
            jumps: 0,
            largest_rest: 0.0,
            moves: 0,
            largest_move: 0.0,
            images_change: false,
            cell_changes: false,
        };
        let mut first: Option<(Vec<DVec3>, Cell)> = None;
        let mut before: Option<(usize, Cell, Vec<DVec3>, Vec<DVec3>)> = None;
        for number in looked_at(frames) {
            let Some((cell, positions, images)) = look(number)? else { return Ok(None) };
            let images = images.unwrap_or_else(|| vec![DVec3::ZERO; positions.len()]);
            let s: Vec<DVec3> = positions.iter().map(|r| cell.fractional(*r) * mask).collect();
            let span = Span::of(s.iter().copied());
            seen.span = seen.span.and(span);
            seen.extent = seen.extent.max(span.extent());
            let less = Span::of(s.iter().zip(&images).map(|(s, n)| *s - *n));
            seen.extent_less_images = seen.extent_less_images.max(less.extent());
            match &first {
                None => first = Some((images.clone(), cell)),
                Some((counts, begin)) => {
                    seen.images_change |= *counts != images;
                    seen.cell_changes |= *begin != cell;
                }
            }
            // Coordinates along other edges are not those of before.
            let same_edges = |last: &Cell| matches!(flip(last, &cell, periodic.into()), Ok(None));
            let neighbour =
                before.as_ref().filter(|(last, edges, ..)| last + 1 == number && same_edges(edges));
            if let Some((_, _, then, counts)) = neighbour {
                for particle in 0..s.len() {
                    seen.add(s[particle] - then[particle], images[particle] - counts[particle]);
                }
            }
            before = Some((number, cell, s, images));
        }
        Ok(Some(seen))
    }

    /// A move by `ds` while the images change by `dn`.
    fn add(&mut self, ds: DVec3, dn: DVec3) {
        for axis in 0..3 {
            let (ds, dn) = (ds[axis], dn[axis]);
            if dn != 0.0 {
                self.counted += 1;
                self.raw += ds * ds;
                self.with += (ds + dn) * (ds + dn);
                self.against += (ds - dn) * (ds - dn);
                self.recounted += usize::from(ds.abs() < SMALL_MOVE && (ds + dn).abs() > 0.5);
            } else if ds.abs() > 0.5 {
                self.jumps += 1;
                self.largest_rest = self.largest_rest.max((ds.abs() - 1.0).abs());
            } else if ds != 0.0 {
                self.moves += 1;
                self.largest_move = self.largest_move.max(ds.abs());
            }
        }
    }

    /// Whether those that move by more than half a cell rather went through a wall: what is left to a whole cell is as
    /// small as what all others move.
    fn jumps_are_walls(&self) -> bool {
        self.jumps > 0
            && self.jumps < self.moves
            && self.largest_move <= SMALL_MOVE
            && self.largest_rest <= 1.5 * self.largest_move
    }
}

/// How the positions of these frames become unwrapped, and what a user should know about it.
pub(super) fn choose(
    reader: &TrajectoryReader,
    frames: &[usize],
) -> Result<(Unwrapping, Vec<String>), AnalysisError> {
    if reader.centres().is_some() && reader.centre_atoms()?.is_some() {
        return Ok((Unwrapping::Centres, Vec::new()));
    }
    let periodic = reader.periodic();
    check_open_edges(reader, frames, periodic)?;
    if periodic == [false; 3] || frames.len() < 2 || reader.particles() == 0 {
        return Ok((Unwrapping::AsIs, Vec::new()));
    }
    let look = look_of(reader, frames);
    let Some(seen) = Seen::of(&look, frames.len(), periodic)? else {
        return Ok((Unwrapping::AsIs, Vec::new()));
    };
    let mut notes = Vec::new();
    let label = reader.path().display().to_string();
    let way = way(&seen, reader.has_images(), IMAGE, &label, &mut notes)?;
    if seen.cell_changes && !reader.is_own() {
        let outside =
            seen.span.low.min_element() < -ROUNDING || seen.span.high.max_element() > 1.0 + ROUNDING;
        if way == Unwrapping::AsIs || outside {
            notes.push(
                "the cell changes, and H5MD does not say where its corner is: it is taken to stay at the origin; if it moves, all \
                 particles seem to drift together"
                    .to_string(),
            );
        }
    }
    Ok((way, notes))
}

fn look_of<'a>(
    reader: &'a TrajectoryReader,
    frames: &'a [usize],
) -> impl Fn(usize) -> Result<Option<Look>, AnalysisError> + 'a {
    move |number| {
        let frame = frames[number];
        let Some(cell) = reader.cell(frame)? else { return Ok(None) };
        Ok(Some((cell, reader.positions(frame)?, reader.images(frame)?)))
    }
}

/// How wrapped or unwrapped positions of a dump become unwrapped, and what a user should know about it. `look` shows one of its
/// `frames` frames; `counted` says whether it has images.
pub(super) fn of_dump(
    look: &dyn Fn(usize) -> Result<Option<Look>, AnalysisError>,
    frames: usize,
    periodic: [bool; 3],
    counted: bool,
    label: &str,
) -> Result<(Unwrapping, Vec<String>), AnalysisError> {
    let mut notes = Vec::new();
    let plain = if counted { Unwrapping::Images } else { Unwrapping::ShortestDisplacement };
    if periodic == [false; 3] || frames < 2 {
        return Ok((plain, notes));
    }
    let Some(seen) = Seen::of(look, frames, periodic)? else { return Ok((plain, notes)) };
    let way = way(&seen, counted, IX, label, &mut notes)?;
    Ok((way, notes))
}

/// What counts of crossed cells are called in H5MD files, and in dumps.
const IMAGE: &str = "`image`";
const IX: &str = "`ix iy iz`";

fn way(
    seen: &Seen,
    counted: bool,
    name: &str,
    label: &str,
    notes: &mut Vec<String>,
) -> Result<Unwrapping, AnalysisError> {
    if counted && (seen.images_change || seen.jumps == 0) {
        return with_images(seen, name, label, notes);
    }
    if counted {
        notes.push(format!("{name} never changes while particles cross the walls: it is left out"));
    }
    Ok(without_images(seen, name, notes))
}

/// Along an edge that is said not to be periodic nothing jumps by the length of the box.
fn check_open_edges(
    reader: &TrajectoryReader,
    frames: &[usize],
    periodic: [bool; 3],
) -> Result<(), AnalysisError> {
    if periodic == [true; 3] || frames.len() < 2 || reader.particles() == 0 {
        return Ok(());
    }
    let look = look_of(reader, frames);
    let Some(seen) = Seen::of(&look, frames.len(), periodic.map(|along| !along))? else { return Ok(()) };
    if seen.extent <= 1.0 + ROUNDING && seen.jumps_are_walls() {
        return Err(AnalysisError::input(
            &reader.path().display().to_string(),
            format!(
                "its `boundary` is `none`, but particles jump {} times by nearly the length of the box while all others move by less \
                 than {:.2} of it: they are wrapped",
                seen.jumps, seen.largest_move
            ),
            "write `periodic` for the edges along which they are wrapped",
        ));
    }
    Ok(())
}

fn with_images(
    seen: &Seen,
    name: &str,
    label: &str,
    notes: &mut Vec<String>,
) -> Result<Unwrapping, AnalysisError> {
    let refuse = |found: String| {
        AnalysisError::input(
            label,
            found,
            format!(
                "write wrapped positions with the cells that they have crossed ({name}), or unwrapped positions without it"
            ),
        )
    };
    let mean = |sum: f64| if seen.counted == 0 { 0.0 } else { sum / seen.counted as f64 };
    let (raw, with, against) = (mean(seen.raw), mean(seen.with), mean(seen.against));
    let clearly = |a: f64, b: f64| seen.counted > 0 && a < CLEARLY * b && a < CLEARLY * CLEARLY;
    if clearly(against, raw) && clearly(against, with) {
        return Err(refuse(format!("{name} counts cells the other way round")));
    }
    let contradiction = || {
        refuse(format!(
            "positions and {name} contradict each other: positions spread over {:.2} cells, positions less their images over {:.2}",
            seen.extent, seen.extent_less_images
        ))
    };
    if seen.jumps_are_walls() {
        return Err(refuse(format!(
            "positions and {name} contradict each other: particles jump {} times by a cell, nearly, that {name} does not count",
            seen.jumps
        )));
    }
    let (wrapped, unwrapped) = (seen.extent <= WRAPPED_EXTENT, seen.extent_less_images <= WRAPPED_EXTENT);
    let within = |extent: f64| extent <= 1.0 + ROUNDING;
    let images = match (wrapped, unwrapped) {
        (true, false) if clearly(raw, with) => return Err(contradiction()),
        (false, true) if clearly(with, raw) => return Err(contradiction()),
        (true, false) => true,
        (false, true) => false,
        // Images that do not change where they were looked at leave displacements as they are.
        (true, true) if seen.counted == 0 => true,
        _ if clearly(with, raw) => true,
        _ if clearly(raw, with) => false,
        (true, true) if within(seen.extent) != within(seen.extent_less_images) => within(seen.extent),
        (true, true) if with < 0.5 * raw => true,
        (true, true) if raw < 0.5 * with => false,
        _ => return Err(contradiction()),
    };
    if images && seen.recounted > 0 && seen.largest_move <= SMALL_MOVE {
        return Err(refuse(format!(
            "positions and {name} contradict each other: {name} changes {} times by whole cells while nothing moves by more than {:.2} \
             of one, as where a run that begins counts them anew",
            seen.recounted, seen.largest_move
        )));
    }
    if images {
        return Ok(Unwrapping::Images);
    }
    notes.push(format!(
        "positions are unwrapped already, although the file has {name}: they are taken as they are"
    ));
    Ok(Unwrapping::AsIs)
}

fn without_images(seen: &Seen, name: &str, notes: &mut Vec<String>) -> Unwrapping {
    if seen.extent > WRAPPED_EXTENT {
        notes.push("positions spread over more than one and a half cells: taken for unwrapped".to_string());
        return Unwrapping::AsIs;
    }
    let (low, high) = (seen.span.low.min_element(), seen.span.high.max_element());
    let far = low < WRAPPED_RANGE.0 || high > WRAPPED_RANGE.1;
    if (far || seen.span.extent() > WRAPPED_EXTENT) && !seen.jumps_are_walls() {
        notes.push(format!(
            "positions lie outside of the cell, between {low:.2} and {high:.2} of its edges: taken for unwrapped"
        ));
        return Unwrapping::AsIs;
    }
    notes.push(SHORTEST_DISPLACEMENT.to_string());
    if seen.largest_move > LARGE_MOVE {
        notes.push(format!(
            "particles move by up to {:.2} of a cell between two frames, or by a larger part the other way round, which nobody can tell: \
             displacements are not to be trusted; write frames more often, or {name}",
            seen.largest_move
        ));
    }
    Unwrapping::ShortestDisplacement
}
