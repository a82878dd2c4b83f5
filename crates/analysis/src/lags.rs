//! Which pairs of frames are compared: lags, time origins and blocks for errors, on any schedule.
//!
//! Only pairs with exactly the same difference of times are averaged together. Every frame is a time origin; where there are
//! more frames than origins are asked for, each of as many equal parts of the trajectory gives the frame that starts most of
//! the lags. Lags: all that occur, up to 100 of them; else one in each of 25 intervals a decade of time:
//! the lag with most pairs; of lags nearly as frequent (90 %) the roundest number of ps, then the shortest. A lag in a gap of the schedule (logarithmic blocks) therefore has few pairs, and a large error.

use std::collections::HashMap;

use crate::clock::Clock;
use crate::jackknife::blocks_per_trajectory;
use crate::table::decimal;

/// With at most this many different lags, all are followed.
const MOST_LAGS: usize = 100;
/// Intervals of lags in a decade of time.
const PER_DECADE: f64 = 25.0;
/// A lag is as good as the most frequent one of its interval if it has this share of its pairs.
const NEARLY: f64 = 0.9;
/// Pairs of frames that are looked at to find the lags.
const MOST_PAIRS: usize = 20_000_000;

/// Lags and origins of a set of trajectories.
#[derive(Clone, Debug, PartialEq)]
pub struct Lags {
    /// In ticks, increasing, all above zero but for [`Lags::with_zero`].
    ticks: Vec<i64>,
    /// Length of a tick (ps).
    tick: f64,
    /// Per trajectory: first tick, span, and its origins' ticks, increasing.
    trajectories: Vec<Origins>,
}

#[derive(Clone, Debug, PartialEq)]
struct Origins {
    first: i64,
    span: i64,
    ticks: Vec<i64>,
    /// Most blocks that a lag's origins are divided into.
    blocks: usize,
}

impl Lags {
    /// Finds the lags of all trajectories together; at most `origins` origins in each. `clocks` have the same tick.
    pub fn new(clocks: &[Clock], origins: usize) -> Self {
        let tick = clocks.first().map_or(1.0, |c| c.tick);
        let ticks = choose_lags(&count_lags(clocks), tick);
        let blocks = blocks_per_trajectory(clocks.len());
        let trajectories = clocks
            .iter()
            .map(|clock| Origins {
                first: clock.ticks.first().copied().unwrap_or(0),
                span: clock.span(),
                ticks: choose_origins(clock, &ticks, origins.max(1)),
                blocks,
            })
            .collect();
        Self { ticks, tick, trajectories }
    }

    /// At most `most` of the lags, evenly spread over the logarithm of time, the longest among them.
    #[must_use]
    pub fn thinned(&self, most: usize) -> Self {
        let n = self.ticks.len();
        if n <= most {
            return self.clone();
        }
        let (first, last) = (self.ticks[0] as f64, self.ticks[n - 1] as f64);
        let mut ticks: Vec<i64> = (0..most)
            .filter_map(|i| {
                let ideal = first * (last / first).powf(i as f64 / (most - 1).max(1) as f64);
                let distance = |t: &&i64| (**t as f64 / ideal).ln().abs();
                self.ticks.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).copied()
            })
            .collect();
        ticks.dedup();
        Self { ticks, ..self.clone() }
    }

    /// Those of the lags that are at least `shortest` and at most `longest` long (ps).
    #[must_use]
    pub fn within(&self, shortest: f64, longest: f64) -> Self {
        let chosen = (0..self.len()).filter(|&lag| (shortest..=longest).contains(&self.time(lag)));
        Self { ticks: chosen.map(|lag| self.ticks[lag]).collect(), ..self.clone() }
    }

    /// The same lags, and zero before them: each origin with itself.
    #[must_use]
    pub fn with_zero(&self) -> Self {
        Self { ticks: std::iter::once(0).chain(self.ticks.iter().copied()).collect(), ..self.clone() }
    }

    /// Number of lags.
    pub fn len(&self) -> usize {
        self.ticks.len()
    }

    /// Whether no two frames can be compared.
    pub fn is_empty(&self) -> bool {
        self.ticks.is_empty()
    }

    /// Length of a lag (ps).
    pub fn time(&self, lag: usize) -> f64 {
        decimal(self.ticks[lag] as f64 * self.tick)
    }

    /// Length of a lag in ticks.
    pub fn ticks(&self, lag: usize) -> i64 {
        self.ticks[lag]
    }

    /// Number of trajectories.
    pub fn trajectories(&self) -> usize {
        self.trajectories.len()
    }

    /// Most origins in any trajectory: what is held at a time.
    pub fn most_origins(&self) -> usize {
        self.trajectories.iter().map(|t| t.ticks.len()).max().unwrap_or(0)
    }

    /// Tick of the last frame.
    pub fn last_tick(&self, trajectory: usize) -> i64 {
        self.trajectories[trajectory].first + self.trajectories[trajectory].span
    }

    /// Whether the frame at `tick` is an origin.
    pub fn is_origin(&self, trajectory: usize, tick: i64) -> bool {
        self.trajectories[trajectory].ticks.binary_search(&tick).is_ok()
    }

    /// Blocks that the origins of a lag are divided into: none shorter than the lag, so that blocks hardly overlap.
    pub fn blocks(&self, trajectory: usize, lag: usize) -> usize {
        let Origins { span, blocks, .. } = self.trajectories[trajectory];
        let independent = (span - self.ticks[lag]).max(0) / self.ticks[lag].max(1);
        (independent as usize).clamp(1, blocks)
    }

    /// Block of an origin of a lag.
    pub fn block(&self, trajectory: usize, lag: usize, origin: i64) -> usize {
        let Origins { first, span, .. } = self.trajectories[trajectory];
        let blocks = self.blocks(trajectory, lag);
        let range = i128::from((span - self.ticks[lag]).max(0)) + 1;
        ((i128::from(origin - first) * blocks as i128 / range) as usize).min(blocks - 1)
    }

    /// What the results depend on.
    pub fn describe(&self) -> String {
        let origins: Vec<String> = self.trajectories.iter().map(|t| t.ticks.len().to_string()).collect();
        format!("lags {:?} x {} ps, origins {}", self.ticks, self.tick, origins.join("+"))
    }
}

/// Pairs of frames for each lag that occurs; of long trajectories, for a part of the origins.
fn count_lags(clocks: &[Clock]) -> HashMap<i64, u64> {
    let pairs: usize = clocks.iter().map(|c| c.ticks.len() * c.ticks.len() / 2).sum();
    // An odd stride meets all phases of blocks with an even number of frames, and the other way round.
    let stride = (pairs / MOST_PAIRS) | 1;
    let mut counts = HashMap::new();
    for Clock { ticks, .. } in clocks {
        let even = ticks.windows(3).all(|t| t[2] - t[1] == t[1] - t[0]);
        if let (true, [first, second, ..]) = (even, &ticks[..]) {
            for (n, pairs) in (1..).zip((1..ticks.len() as u64).rev()) {
                *counts.entry(n * (second - first)).or_insert(0) += pairs;
            }
            continue;
        }
        for (i, origin) in ticks.iter().enumerate().step_by(stride) {
            for tick in &ticks[i + 1..] {
                *counts.entry(tick - origin).or_insert(0) += stride as u64;
            }
        }
    }
    counts
}

fn choose_lags(counts: &HashMap<i64, u64>, tick: f64) -> Vec<i64> {
    let mut all: Vec<(i64, u64)> = counts.iter().map(|(lag, n)| (*lag, *n)).collect();
    all.sort_unstable();
    if all.len() <= MOST_LAGS {
        return all.into_iter().map(|(lag, _)| lag).collect();
    }
    // A boundary that is a lag (1 ps) must not fall below it by round-off.
    let interval = |lag: i64| (decimal(lag as f64 * tick).log10() * PER_DECADE + 1e-9).floor() as i64;
    all.chunk_by(|a, b| interval(a.0) == interval(b.0))
        .filter_map(|lags| {
            let most = lags.iter().map(|(_, n)| *n).max()? as f64;
            let frequent = lags.iter().filter(|(_, n)| *n as f64 >= NEARLY * most);
            frequent.map(|(lag, _)| *lag).min_by_key(|lag| (roundness(decimal(*lag as f64 * tick)), *lag))
        })
        .collect()
}

/// Number of significant decimal digits, then 1, 2 and 5 before others.
fn roundness(x: f64) -> (usize, bool) {
    let text = format!("{x:e}");
    let mantissa = text.split('e').next().unwrap_or("");
    (mantissa.len(), !["1", "2", "5"].contains(&mantissa))
}

fn choose_origins(clock: &Clock, lags: &[i64], most: usize) -> Vec<i64> {
    let ticks = &clock.ticks;
    if ticks.len() <= most {
        return ticks.clone();
    }
    let starts =
        |i: usize| lags.iter().filter(|l| ticks[i + 1..].binary_search(&(ticks[i] + **l)).is_ok()).count();
    let part = |k: usize| k * ticks.len() / most..(k + 1) * ticks.len() / most;
    // Of equally good frames, the first.
    (0..most)
        .filter_map(|k| part(k).max_by_key(|&i| (starts(i), std::cmp::Reverse(i))))
        .map(|i| ticks[i])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(ticks: Vec<i64>, tick: f64) -> Clock {
        Clock { ticks, tick }
    }

    fn times(lags: &Lags) -> Vec<f64> {
        (0..lags.len()).map(|l| lags.time(l)).collect()
    }

    #[test]
    fn few_frames_have_all_their_lags() {
        let lags = Lags::new(&[clock(vec![0, 1, 2, 4, 8, 16, 17], 0.5)], 1000);
        assert_eq!(
            times(&lags),
            [1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0].map(|n| n * 0.5)
        );
    }

    #[test]
    fn round_lags_are_preferred_on_an_even_schedule() {
        // 0.2 ps: the lags of a round number of ps are there, and the first ten all.
        let lags = Lags::new(&[clock((0..1001).map(|i| 50 * i).collect(), 0.004)], 1000);
        let times = times(&lags);
        for t in [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 5.0, 10.0, 20.0, 40.0, 50.0, 80.0, 100.0]
        {
            assert!(times.contains(&t), "{t} in {times:?}");
        }
        assert!(times.len() < 80 && times.is_sorted());
    }

    #[test]
    fn blocks_of_powers_of_two_are_met_by_few_origins() {
        // 400 blocks of 4096 steps with offsets 0, 1, 2, ... 2048: 13 frames each; one origin a block.
        let ticks: Vec<i64> = (0..400)
            .flat_map(|b| std::iter::once(0).chain((0..12).map(|k| 1 << k)).map(move |o| b * 4096 + o))
            .collect();
        let lags = Lags::new(&[clock(ticks, 0.004)], 400);
        for power in 0..12 {
            assert!(times(&lags).contains(&decimal(f64::from(1 << power) * 0.004)), "2^{power}");
        }
        // Nearly all chosen origins are starts of blocks.
        let starts = lags.trajectories[0].ticks.iter().filter(|t| **t % 4096 == 0).count();
        assert!(lags.most_origins() == 400 && starts > 350, "{starts}");
    }

    #[test]
    fn errors_come_from_blocks_longer_than_the_lag() {
        let lags = Lags::new(&[clock((0..=100).collect(), 1.0)], 1000);
        assert_eq!([1, 5, 10, 20, 33, 60].map(|lag| lags.blocks(0, lag - 1)), [16, 16, 9, 4, 2, 1]);
        let blocks: Vec<usize> = (0..=90).map(|origin| lags.block(0, 9, origin)).collect();
        assert!(blocks.is_sorted() && blocks[0] == 0 && blocks[90] == 8);
        let counts: Vec<usize> = (0..9).map(|b| blocks.iter().filter(|x| **x == b).count()).collect();
        assert!(counts.iter().all(|c| (10..=11).contains(c)), "{counts:?}");
    }

    #[test]
    fn thinned_lags_are_some_of_the_lags() {
        let lags = Lags::new(&[clock((0..=5000).collect(), 1.0)], 1000);
        let few = lags.thinned(8);
        assert!((6..=8).contains(&few.len()) && times(&few).iter().all(|t| times(&lags).contains(t)));
        assert_eq!(few.time(0), 1.0);
    }
}
