//! How the positions of an H5MD file become unwrapped.
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
use vitrion_trajectory::h5md::TrajectoryReader;

use super::follower::SHORTEST_DISPLACEMENT;
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
    /// None where there is no cell.
    fn of(
        reader: &TrajectoryReader,
        frames: &[usize],
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
            jumps: 0,
            largest_rest: 0.0,
            moves: 0,
            largest_move: 0.0,
            images_change: false,
            cell_changes: false,
        };
        let mut first: Option<(Vec<DVec3>, vitrion_core::cell::Cell)> = None;
        let mut before: Option<(usize, Vec<DVec3>, Vec<DVec3>)> = None;
        for number in looked_at(frames.len()) {
            let Some(cell) = reader.cell(frames[number])? else { return Ok(None) };
            let positions = reader.positions(frames[number])?;
            let images = reader.images(frames[number])?.unwrap_or_else(|| vec![DVec3::ZERO; positions.len()]);
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
            if let Some((_, then, counts)) = before.as_ref().filter(|(last, ..)| last + 1 == number) {
                for particle in 0..s.len() {
                    seen.add(s[particle] - then[particle], images[particle] - counts[particle]);
                }
            }
            before = Some((number, s, images));
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
    let Some(seen) = Seen::of(reader, frames, periodic)? else { return Ok((Unwrapping::AsIs, Vec::new())) };
    let mut notes = Vec::new();
    let way = if reader.has_images() && (seen.images_change || seen.jumps == 0) {
        with_images(reader, &seen, &mut notes)?
    } else {
        if reader.has_images() {
            notes.push("`image` never changes while particles cross the walls: it is left out".to_string());
        }
        without_images(&seen, &mut notes)
    };
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

/// Along an edge that is said not to be periodic nothing jumps by the length of the box.
fn check_open_edges(
    reader: &TrajectoryReader,
    frames: &[usize],
    periodic: [bool; 3],
) -> Result<(), AnalysisError> {
    if periodic == [true; 3] || frames.len() < 2 || reader.particles() == 0 {
        return Ok(());
    }
    let Some(seen) = Seen::of(reader, frames, periodic.map(|along| !along))? else { return Ok(()) };
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
    reader: &TrajectoryReader,
    seen: &Seen,
    notes: &mut Vec<String>,
) -> Result<Unwrapping, AnalysisError> {
    let refuse = |found: String| {
        AnalysisError::input(
            &reader.path().display().to_string(),
            found,
            "write wrapped positions with the cells that they have crossed (`image`), or unwrapped positions without it",
        )
    };
    let mean = |sum: f64| if seen.counted == 0 { 0.0 } else { sum / seen.counted as f64 };
    let (raw, with, against) = (mean(seen.raw), mean(seen.with), mean(seen.against));
    let clearly = |a: f64, b: f64| seen.counted > 0 && a < CLEARLY * b && a < CLEARLY * CLEARLY;
    if clearly(against, raw) && clearly(against, with) {
        return Err(refuse("`image` counts cells the other way round".to_string()));
    }
    let contradiction = || {
        refuse(format!(
            "positions and `image` contradict each other: positions spread over {:.2} cells, positions less their images over {:.2}",
            seen.extent, seen.extent_less_images
        ))
    };
    if seen.jumps_are_walls() {
        return Err(refuse(format!(
            "positions and `image` contradict each other: particles jump {} times by a cell, nearly, that `image` does not count",
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
    if images {
        return Ok(Unwrapping::Images);
    }
    notes.push(
        "positions are unwrapped already, although the file has `image`: they are taken as they are"
            .to_string(),
    );
    Ok(Unwrapping::AsIs)
}

fn without_images(seen: &Seen, notes: &mut Vec<String>) -> Unwrapping {
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
             displacements are not to be trusted; write frames more often, or `image`",
            seen.largest_move
        ));
    }
    Unwrapping::ShortestDisplacement
}
