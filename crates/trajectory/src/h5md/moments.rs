//! When the rows of an element were written, and which of them belongs to a frame.
//!
//! H5MD lets every time-dependent element have steps and times of its own: one number a row, or an increment with an offset
//! (specification 1.1, "Time-dependent data"). Frames are the rows of `position`; a row of another element belongs to the frame of
//! the same step, or, where one of the two has no steps, of the same time.

/// Times agree up to this share of the interval between frames: some programs keep them as f32.
const SAME_TIME: f64 = 1e-4;

/// Where steps or times come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Clock {
    /// One number a row.
    Explicit(Vec<f64>),
    /// offset + row * increment.
    Fixed { offset: f64, increment: f64 },
}

impl Clock {
    pub fn at(&self, row: usize) -> f64 {
        match self {
            Self::Explicit(values) => values[row],
            Self::Fixed { offset, increment } => offset + row as f64 * increment,
        }
    }

    /// Rows that it covers.
    pub fn len(&self) -> usize {
        match self {
            Self::Explicit(values) => values.len(),
            Self::Fixed { .. } => usize::MAX,
        }
    }

    pub fn scaled(self, scale: f64) -> Self {
        match self {
            Self::Explicit(values) => Self::Explicit(values.into_iter().map(|v| v * scale).collect()),
            Self::Fixed { offset, increment } => {
                Self::Fixed { offset: offset * scale, increment: increment * scale }
            }
        }
    }

    fn increases(&self, rows: usize) -> bool {
        match self {
            Self::Explicit(values) => {
                values[..rows.min(values.len())].windows(2).all(|pair| pair[0] < pair[1])
            }
            Self::Fixed { increment, .. } => *increment > 0.0,
        }
    }

    /// Rows among the first `rows` that are not later than `at`.
    fn rows_until(&self, at: f64, rows: usize) -> usize {
        match self {
            Self::Explicit(values) => values[..rows.min(values.len())].partition_point(|v| *v <= at),
            Self::Fixed { offset, increment } => {
                let last = ((at - offset) / increment).floor();
                if last < 0.0 { 0 } else { rows.min(last as usize + 1) }
            }
        }
    }
}

/// Steps and times of the rows of an element, as far as the file has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub steps: Option<Clock>,
    /// ps.
    pub times: Option<Clock>,
}

impl Moments {
    /// Rows that have a step and a time, as far as there are any.
    pub fn len(&self) -> usize {
        let length = |clock: &Option<Clock>| clock.as_ref().map_or(usize::MAX, Clock::len);
        length(&self.steps).min(length(&self.times))
    }
}

/// Which row of an element belongs to a frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rows {
    /// The same for every frame.
    Constant,
    /// Row k belongs to frame k, for so many rows.
    ByFrame(usize),
    /// By steps or times of its own, for so many rows; `keys` are those of the frames.
    Keyed { own: Clock, rows: usize, keys: Clock, tolerance: f64 },
}

impl Rows {
    /// How the `rows` rows of an element with moments of its own belong to the `frames` frames of the positions.
    pub fn new(own: &Moments, rows: usize, position: &Moments, frames: usize) -> Result<Self, String> {
        let pairs = [(&own.steps, &position.steps), (&own.times, &position.times)];
        let common = pairs
            .into_iter()
            .zip([true, false])
            .find_map(|((own, keys), steps)| Some((own.as_ref()?, keys.as_ref()?, steps)));
        let Some((own, keys, are_steps)) = common else {
            if rows == frames {
                return Ok(Self::ByFrame(rows));
            }
            return Err(format!(
                "it has {rows} rows for {frames} frames, and no steps or times that say which belongs to which"
            ));
        };
        let interval =
            if frames > 1 { (keys.at(frames - 1) - keys.at(0)).abs() / (frames - 1) as f64 } else { 1.0 };
        let tolerance = if are_steps { 0.0 } else { SAME_TIME * interval };
        let both = rows.min(frames);
        if (0..both).all(|k| (own.at(k) - keys.at(k)).abs() <= tolerance) {
            return Ok(Self::ByFrame(rows));
        }
        if !own.increases(rows) {
            let what = if are_steps { "steps" } else { "times" };
            return Err(format!("its {what} do not increase from row to row"));
        }
        Ok(Self::Keyed { own: own.clone(), rows, keys: keys.clone(), tolerance })
    }

    /// The row that was written at the moment of a frame.
    pub fn exact(&self, frame: usize) -> Option<usize> {
        match self {
            Self::Constant => Some(0),
            Self::ByFrame(rows) => (frame < *rows).then_some(frame),
            Self::Keyed { own, rows, keys, tolerance } => {
                let key = keys.at(frame);
                let row = own.rows_until(key + tolerance, *rows).checked_sub(1)?;
                ((own.at(row) - key).abs() <= *tolerance).then_some(row)
            }
        }
    }

    /// The last row that was written at or before the moment of a frame, or the first one where all are later.
    pub fn latest(&self, frame: usize) -> usize {
        match self {
            Self::Constant => 0,
            Self::ByFrame(rows) => frame.min(rows.saturating_sub(1)),
            Self::Keyed { own, rows, keys, tolerance } => {
                own.rows_until(keys.at(frame) + tolerance, *rows).saturating_sub(1)
            }
        }
    }

    /// Frames, from the first one on, that have a row of their own.
    pub fn covered(&self, frames: usize) -> usize {
        (0..frames).take_while(|frame| self.exact(*frame).is_some()).count()
    }

    /// How many frames are earlier than the first row, and how many later than the last one by more than rows are apart.
    pub fn outside(&self, frames: usize) -> (usize, usize) {
        match self {
            Self::Constant => (0, 0),
            Self::ByFrame(rows) => (0, frames.saturating_sub(*rows)),
            Self::Keyed { own, rows, keys, tolerance } => {
                let last = rows.saturating_sub(1);
                let apart = if last > 0 { own.at(last) - own.at(last - 1) } else { f64::INFINITY };
                let early = (0..frames).filter(|f| keys.at(*f) + tolerance < own.at(0)).count();
                let late = (0..frames).filter(|f| keys.at(*f) - tolerance >= own.at(last) + apart).count();
                (early, late)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(increment: f64) -> Moments {
        Moments { steps: Some(Clock::Fixed { offset: 0.0, increment }), times: None }
    }

    fn at(steps: &[i32]) -> Moments {
        Moments { steps: Some(Clock::Explicit(steps.iter().map(|s| f64::from(*s)).collect())), times: None }
    }

    #[test]
    fn rows_belong_to_the_frame_of_their_step() {
        let frames = every(100.0);
        let sparse = Rows::new(&every(400.0), 5, &frames, 20).unwrap();
        assert_eq!([0, 1, 3, 4, 19].map(|f| sparse.latest(f)), [0, 0, 0, 1, 4]);
        assert_eq!([0, 1, 4, 19].map(|f| sparse.exact(f)), [Some(0), None, Some(1), None]);
        let dense = Rows::new(&every(50.0), 40, &frames, 20).unwrap();
        assert_eq!([0, 1, 19].map(|f| dense.latest(f)), [0, 2, 38]);
        let listed = Rows::new(&at(&[0, 1000]), 2, &frames, 20).unwrap();
        assert_eq!([0, 9, 10, 11].map(|f| listed.exact(f)), [Some(0), None, Some(1), None]);
        assert_eq!((listed.covered(20), listed.outside(20)), (1, (0, 0)));
        let late = Rows::new(&at(&[300, 400]), 2, &frames, 20).unwrap();
        assert_eq!(([0, 3, 4].map(|f| late.latest(f)), late.outside(20)), ([0, 0, 1], (3, 15)));
        let same = Rows::new(&at(&[0, 100, 200]), 3, &frames, 3).unwrap();
        assert_eq!(same, Rows::ByFrame(3));
    }

    #[test]
    fn rows_without_steps_are_told_by_times_or_refused() {
        let times = |t: &[f64]| Moments { steps: None, times: Some(Clock::Explicit(t.to_vec())) };
        // As f32 keeps them.
        let single = f64::from(0.2f32);
        let rows = Rows::new(&times(&[single]), 1, &times(&[0.0, 0.2, 0.4]), 3).unwrap();
        assert_eq!([0, 1, 2].map(|f| rows.exact(f)), [None, Some(0), None]);
        assert!(Rows::new(&times(&[0.0]), 1, &every(1.0), 3).unwrap_err().contains("no steps or times"));
        assert_eq!(Rows::new(&Moments::default(), 3, &every(1.0), 3), Ok(Rows::ByFrame(3)));
        assert!(Rows::new(&at(&[5, 2, 9]), 3, &every(1.0), 20).unwrap_err().contains("do not increase"));
    }
}
