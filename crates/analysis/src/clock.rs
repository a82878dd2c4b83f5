//! Times of frames as integers, so that differences of times are exact whatever the schedule.

/// Attoseconds in a picosecond.
const ATTOSECONDS: f64 = 1e6;
/// Times that follow from the steps agree with them to the precision of f32, in which some programs keep times.
const TOLERANCE: f64 = 1e-6;
/// Sums and differences of two ticks must not overflow, as steps of damaged files would. Of attoseconds, these are 2.3 s.
const MOST_TICKS: i64 = 1 << 61;
/// Digits that a tick's length (ps) can have: a time step is a round number, of which f64 arithmetic leaves 0.2000000000003.
const DIGITS: i32 = 9;

/// Times of the frames of one trajectory: whole numbers of ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    /// Per frame, increasing.
    pub ticks: Vec<i64>,
    /// Length of a tick (ps).
    pub tick: f64,
}

impl Clock {
    /// Ticks are steps where the times are proportional to the steps, else attoseconds. Steps and times may begin below zero. `Err` holds
    /// the number of the first frame that is not later than the one before, or later than numbers of attoseconds can be, 2.3 s.
    pub fn new(steps: &[i64], times: &[f64]) -> Result<Self, usize> {
        if let Some(frame) = steps.iter().position(|s| is_too_far(*s)) {
            return Err(frame);
        }
        if let Some(tick) = step_length(steps, times) {
            return Ok(Self { ticks: steps.to_vec(), tick });
        }
        let ticks: Vec<i64> = times.iter().map(|t| (t * ATTOSECONDS).round() as i64).collect();
        match (0..ticks.len()).find(|&i| is_too_far(ticks[i]) || (i > 0 && ticks[i] <= ticks[i - 1])) {
            Some(frame) => Err(frame),
            None => Ok(Self { ticks, tick: 1.0 / ATTOSECONDS }),
        }
    }

    /// The same times in attoseconds: for trajectories whose ticks differ. `Err` holds the number of the first frame that is later than
    /// numbers of attoseconds can be, 2.3 s.
    pub fn in_attoseconds(&self) -> Result<Self, usize> {
        let attoseconds = |t: &i64| (*t as f64 * self.tick * ATTOSECONDS).round() as i64;
        let ticks: Vec<i64> = self.ticks.iter().map(attoseconds).collect();
        match ticks.iter().position(|t| is_too_far(*t)) {
            Some(frame) => Err(frame),
            None => Ok(Self { ticks, tick: 1.0 / ATTOSECONDS }),
        }
    }

    /// From the first to the last frame, in ticks.
    pub fn span(&self) -> i64 {
        match (self.ticks.first(), self.ticks.last()) {
            (Some(first), Some(last)) => last - first,
            _ => 0,
        }
    }
}

fn is_too_far(tick: i64) -> bool {
    tick.unsigned_abs() > MOST_TICKS.unsigned_abs()
}

/// Time of a step, if the times follow from the steps.
fn step_length(steps: &[i64], times: &[f64]) -> Option<f64> {
    let (first, last) = (0, steps.len().checked_sub(1)?);
    if steps.windows(2).any(|pair| pair[1] <= pair[0]) || steps.len() != times.len() {
        return None;
    }
    if last == 0 {
        return Some(1.0 / ATTOSECONDS);
    }
    if [steps[first], steps[last]].iter().any(|step| !(-MOST_TICKS..=MOST_TICKS).contains(step)) {
        return None;
    }
    let tick = (times[last] - times[first]) / (steps[last] - steps[first]) as f64;
    let tolerance = TOLERANCE * times.iter().fold(0.0, |most: f64, t| most.max(t.abs())).max(tick);
    let follows = |(step, time): (&i64, &f64)| {
        ((step - steps[first]) as f64 * tick + times[first] - time).abs() <= tolerance
    };
    (tick > 0.0 && steps.iter().zip(times).all(follows)).then(|| rounded(tick))
}

fn rounded(x: f64) -> f64 {
    let scale = 10f64.powi(DIGITS - 1 - x.log10().floor() as i32);
    // Division by a power of ten gives the f64 nearest to the decimal number.
    (x * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_ticks_where_times_follow() {
        let steps: Vec<i64> = [0, 1, 2, 4, 8, 16, 17].map(|s| 4_000_000_000 + 50 * s).to_vec();
        let times: Vec<f64> = steps.iter().map(|s| 12.0 + *s as f64 * 0.004).collect();
        let clock = Clock::new(&steps, &times).unwrap();
        assert_eq!((clock.tick, clock.span()), (0.004, 850));
        // As f32 keeps them.
        let single: Vec<f64> = times.iter().map(|t| f64::from(*t as f32)).collect();
        let steps_only = Clock::new(&[0, 5, 10], &[0.0, f64::from(0.5f32), f64::from(1.1f32) - 0.1]).unwrap();
        assert!((steps_only.tick - 0.1).abs() < 1e-8);
        assert!(Clock::new(&steps, &single).is_ok());
    }

    #[test]
    fn a_change_of_time_step_counts_attoseconds() {
        let clock = Clock::new(&[0, 10, 20], &[0.0, 0.04, 0.05]).unwrap();
        assert_eq!(clock.ticks, [0, 40_000, 50_000]);
        assert_eq!(clock.tick, 1e-6);
        let steps = Clock::new(&[0, 10, 20], &[0.0, 0.02, 0.04]).unwrap().in_attoseconds();
        assert_eq!(steps.unwrap().ticks, [0, 20_000, 40_000]);
        // Seconds a step: 0, 1, 2 and 3 s.
        let seconds = Clock::new(&[0, 1, 2, 3], &[0.0, 1e12, 2e12, 3e12]).unwrap();
        assert_eq!((seconds.tick, seconds.in_attoseconds()), (1e12, Err(3)));
    }

    #[test]
    fn steps_below_zero_count_and_absurd_ones_are_no_overflow() {
        let clock = Clock::new(&[-3, -2, -1, 0, 1], &[-0.6, -0.4, -0.2, 0.0, 0.2]).unwrap();
        assert_eq!((clock.tick, clock.span(), clock.ticks[0]), (0.2, 4, -3));
        assert_eq!(Clock::new(&[i64::MIN, i64::MAX], &[-1e300, 1e300]), Err(0));
    }

    #[test]
    fn frames_out_of_order_are_found() {
        assert_eq!(Clock::new(&[0, 1, 1, 2], &[0.0, 0.1, 0.1, 0.2]), Err(2));
        assert_eq!(Clock::new(&[0, 0], &[0.0, 0.5]).unwrap().ticks, [0, 500_000]);
    }

    #[test]
    fn ticks_whose_differences_would_not_fit_are_refused() {
        assert_eq!(Clock::new(&[i64::MIN, 0, i64::MAX], &[0.0, 1.0, 2.0]), Err(0));
        assert_eq!(Clock::new(&[0, 1, i64::MAX], &[0.0, 1.0, 2.0]), Err(2));
        assert_eq!(Clock::new(&[0, 0, 0], &[0.0, 1.0, 1e300]), Err(2));
        assert_eq!(Clock::new(&[0, 1], &[0.0, f64::NAN]), Err(1));
        assert_eq!(Clock::new(&[0, 0], &[1e300, 2e300]), Err(0));
    }
}
