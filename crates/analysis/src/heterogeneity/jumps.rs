//! Jumps of ions, found on window means.
//!
//! m(k) is an ion's mean position over window k (4 ns by default), unwrapped, so that vibrations in the cage are averaged away.
//! Rule `paper`: a jump where |m(k+1) - m(k)| > threshold (2.5 angstrom by default); Saito et al., Acta Mater. (2024),
//! doi:10.1016/j.actamat.2024.120536: "a motion whose displacement over a duration of 4 ns was larger than 2.5 angstrom". A jump of length d at a
//! random moment of a window is split between two differences: this rule finds the part 2 (1 - threshold/d) of jumps of
//! length d (threshold < d < 2 threshold). Rule `complete`: |m(k+1) - m(k-1)| > threshold, hits of neighbouring windows merged
//! into one jump: finds all jumps longer than the threshold.
//!
//! Cost: one difference an ion and window. Memory: three windows, and the jumps.

use std::collections::VecDeque;

use glam::DVec3;

/// How a jump is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JumpRule {
    /// |m(k+1) - m(k)| > threshold.
    #[default]
    Paper,
    /// |m(k+1) - m(k-1)| > threshold, overlapping hits merged.
    Complete,
}

impl JumpRule {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "paper" => Some(Self::Paper),
            "complete" => Some(Self::Complete),
            _ => None,
        }
    }

    /// `paper` or `complete`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Complete => "complete",
        }
    }

    /// The one that it is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Paper => Self::Complete,
            Self::Complete => Self::Paper,
        }
    }

    /// Windows between those that are compared.
    fn reach(self) -> usize {
        match self {
            Self::Paper => 1,
            Self::Complete => 2,
        }
    }
}

/// One jump. Times are in windows from the beginning of the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// Which ion.
    pub ion: usize,
    /// First window that shows it.
    pub from: usize,
    /// Last window that shows it.
    pub to: usize,
    /// Length |m(to) - m(from)| (angstrom).
    pub length: f64,
}

impl Jump {
    /// Its moment: the middle between the windows that show it.
    pub fn moment(&self) -> f64 {
        0.5 * (self.from + self.to + 1) as f64
    }
}

/// Finds jumps in a stream of windows of one trajectory.
pub struct JumpFinder {
    rule: JumpRule,
    threshold: f64,
    windows: usize,
    recent: VecDeque<Vec<DVec3>>,
    /// Per ion: a jump whose last hit was in the window before, with the position where it began.
    open: Vec<Option<(Jump, DVec3)>>,
    jumps: Vec<Jump>,
}

/// All jumps of one trajectory.
#[derive(Clone, Debug, PartialEq)]
pub struct Jumps {
    /// Number of windows.
    pub windows: usize,
    /// Per ion: its jumps in the order of time.
    pub of_ion: Vec<Vec<Jump>>,
}

impl JumpFinder {
    /// For `ions` ions; `threshold` in angstrom.
    pub fn new(ions: usize, rule: JumpRule, threshold: f64) -> Self {
        let recent = VecDeque::with_capacity(3);
        Self { rule, threshold, windows: 0, recent, open: vec![None; ions], jumps: Vec::new() }
    }

    /// Adds the next window: the mean position of each ion (angstrom).
    ///
    /// # Panics
    /// If there is another number of ions than in [`Self::new`].
    pub fn accumulate(&mut self, means: &[DVec3]) {
        assert_eq!(means.len(), self.open.len(), "one mean an ion");
        let reach = self.rule.reach();
        if self.recent.len() == reach {
            let to = self.windows;
            let Self { recent, open, jumps, rule, threshold, .. } = self;
            for (ion, (then, now)) in recent[0].iter().zip(means).enumerate() {
                let hit = now.distance(*then) > *threshold;
                open[ion] = match open[ion].take() {
                    Some((jump, origin)) if hit => {
                        Some((Jump { to, length: now.distance(origin), ..jump }, origin))
                    }
                    Some((jump, _)) => {
                        jumps.push(jump);
                        None
                    }
                    None if hit => {
                        let jump = Jump { ion, from: to - reach, to, length: now.distance(*then) };
                        Some((jump, *then))
                    }
                    None => None,
                };
                // Every hit of the paper's rule is a jump of its own.
                if *rule == JumpRule::Paper
                    && let Some((jump, _)) = open[ion].take()
                {
                    jumps.push(jump);
                }
            }
            recent.pop_front();
        }
        self.recent.push_back(means.to_vec());
        self.windows += 1;
    }

    /// The jumps.
    pub fn finish(mut self) -> Jumps {
        self.jumps.extend(self.open.iter().flatten().map(|(jump, _)| *jump));
        let mut of_ion = vec![Vec::new(); self.open.len()];
        for jump in self.jumps {
            of_ion[jump.ion].push(jump);
        }
        Jumps { windows: self.windows, of_ion }
    }
}

impl Jumps {
    /// Number of jumps.
    pub fn count(&self) -> usize {
        self.of_ion.iter().map(Vec::len).sum()
    }

    /// Jumps of an ion that lie wholly within `windows` windows from `first` on.
    pub fn within(&self, ion: usize, first: usize, windows: usize) -> impl Iterator<Item = &Jump> {
        self.of_ion[ion].iter().filter(move |j| j.from >= first && j.to < first + windows)
    }

    /// Which ions jumped within a span: the J ions; the others are NJ.
    pub fn classes(&self, first: usize, windows: usize) -> Vec<bool> {
        (0..self.of_ion.len()).map(|ion| self.within(ion, first, windows).next().is_some()).collect()
    }

    /// Part of all spans of `span` windows within which an ion jumped, per ion: mean over the span's first window. Zero for
    /// spans longer than the trajectory.
    pub fn jumping_parts(&self, span: usize) -> Vec<f64> {
        let starts = (self.windows + 1).saturating_sub(span);
        if starts == 0 {
            return vec![0.0; self.of_ion.len()];
        }
        let covered = |jumps: &Vec<Jump>| {
            // A jump lies in the spans that start from `to + 1 - span` to `from`; both ends increase from jump to jump.
            let mut next = 0;
            let mut covered = 0;
            for jump in jumps {
                let first = (jump.to + 1).saturating_sub(span).max(next);
                let end = (jump.from + 1).min(starts);
                covered += end.saturating_sub(first);
                next = next.max(end);
            }
            covered as f64 / starts as f64
        };
        self.of_ion.iter().map(covered).collect()
    }

    /// Times between one jump of an ion and its next, in windows.
    pub fn waiting_times(&self, ion: usize) -> impl Iterator<Item = f64> + '_ {
        self.of_ion[ion].windows(2).map(|pair| pair[1].moment() - pair[0].moment())
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::random::{Counter, Stream};

    use super::*;

    /// Ions that rest at 0 and jump by `d` in a random direction at a random moment, once each; windows average exactly.
    fn planted(ions: u32, windows: usize, d: f64) -> (Vec<f64>, Vec<Vec<DVec3>>) {
        let draw = |ion, step| Counter { seed: 4, stream: Stream::Velocity, replica: 0, step, particle: ion };
        let moments: Vec<f64> =
            (0..ions).map(|i| 2.0 + (windows as f64 - 4.0) * draw(i, 0).uniform()[0]).collect();
        let means = (0..windows)
            .map(|k| {
                let jumped = |moment: f64| (k as f64 + 1.0 - moment).clamp(0.0, 1.0);
                (0..ions)
                    .zip(&moments)
                    .map(|(i, m)| {
                        let [x, y, z, _] = draw(i, 1).normal();
                        // A base far from the origin: only differences count.
                        DVec3::splat(500.0) + DVec3::new(x, y, z).normalize() * d * jumped(*m)
                    })
                    .collect()
            })
            .collect();
        (moments, means)
    }

    fn find(means: &[Vec<DVec3>], rule: JumpRule) -> Jumps {
        let mut finder = JumpFinder::new(means[0].len(), rule, 2.5);
        for m in means {
            finder.accumulate(m);
        }
        finder.finish()
    }

    #[test]
    fn rule_paper_finds_the_exact_part_of_planted_jumps() {
        for d in [2.6, 3.0, 3.5, 4.5, 4.9] {
            let n = 20_000;
            let (_, means) = planted(n, 40, d);
            let found = find(&means, JumpRule::Paper);
            let exact = 2.0 * (1.0 - 2.5 / d);
            let part = found.count() as f64 / f64::from(n);
            // Binomial: four standard deviations.
            let tolerance = 4.0 * (exact * (1.0 - exact) / f64::from(n)).sqrt();
            assert!((part - exact).abs() < tolerance, "{d}: {part} {exact}");
            assert!(found.of_ion.iter().all(|jumps| jumps.len() <= 1));
        }
        assert_eq!(find(&planted(1000, 40, 2.49).1, JumpRule::Paper).count(), 0);
    }

    #[test]
    fn rule_complete_finds_every_planted_jump_once_and_when_it_was() {
        for d in [2.6, 3.5, 4.9, 8.0] {
            let (moments, means) = planted(5000, 40, d);
            let found = find(&means, JumpRule::Complete);
            for (moment, jumps) in moments.iter().zip(&found.of_ion) {
                let [jump] = jumps[..] else { panic!("{jumps:?}") };
                assert!((jump.moment() - moment).abs() <= 1.0, "{jump:?} {moment}");
                assert!((jump.length - d).abs() < 1e-9);
            }
        }
        assert_eq!(find(&planted(1000, 40, 2.49).1, JumpRule::Complete).count(), 0);
    }

    #[test]
    fn jumps_there_and_back_are_two() {
        // Jumps at the beginnings of windows 3 and 7.
        let at = |k: usize| vec![if (3..7).contains(&k) { DVec3::X * 3.0 } else { DVec3::ZERO }];
        let means: Vec<Vec<DVec3>> = (0..10).map(at).collect();
        for rule in [JumpRule::Paper, JumpRule::Complete] {
            let found = find(&means, rule);
            let moments: Vec<f64> = found.of_ion[0].iter().map(Jump::moment).collect();
            assert_eq!(moments, [3.0, 7.0], "{rule:?}");
            assert_eq!(found.waiting_times(0).collect::<Vec<_>>(), [4.0]);
        }
    }

    #[test]
    fn a_span_holds_only_the_jumps_within_it() {
        let at = |k: usize| vec![if k >= 5 { DVec3::X * 3.0 } else { DVec3::ZERO }, DVec3::ZERO];
        let found = find(&(0..10).map(at).collect::<Vec<_>>(), JumpRule::Paper);
        // The jump shows between windows 4 and 5.
        assert_eq!(found.classes(0, 10), [true, false]);
        assert_eq!(found.classes(0, 5), [false, false]);
        assert_eq!(found.classes(4, 2), [true, false]);
        assert_eq!(found.classes(5, 5), [false, false]);
        // Of the 9, 8, ... 1 places of a span of 2, 3, ... 10 windows, these hold it.
        for (span, part) in [(2, 1.0 / 9.0), (3, 2.0 / 8.0), (6, 1.0), (10, 1.0)] {
            assert_eq!(found.jumping_parts(span)[0], part, "{span}");
            let starts = 11 - span;
            let direct = (0..starts).filter(|s| found.classes(*s, span)[0]).count() as f64 / starts as f64;
            assert_eq!(direct, part);
        }
        assert_eq!(found.jumping_parts(11), [0.0, 0.0]);
    }

    #[test]
    fn independent_jumps_fill_spans_as_a_poisson_process_does() {
        // Each window an ion jumps with probability p at its beginning, by +-3 in turn.
        let (ions, windows, p) = (4000u32, 200usize, 0.02);
        let mut where_it_is = vec![0.0; ions as usize];
        let mut means = Vec::new();
        for k in 0..windows as u64 {
            for (i, x) in (0..).zip(&mut where_it_is) {
                let stream = Stream::Velocity;
                let u = Counter { seed: 8, stream, replica: 0, step: k, particle: i }.uniform()[0];
                if u < p {
                    *x = 3.0 - *x;
                }
            }
            means.push(where_it_is.iter().map(|x| DVec3::X * *x).collect::<Vec<_>>());
        }
        let found = find(&means, JumpRule::Paper);
        for span in [2, 10, 50] {
            let parts = found.jumping_parts(span);
            let mean = parts.iter().sum::<f64>() / f64::from(ions);
            let exact = 1.0 - f64::powf(1.0 - p, span as f64 - 1.0);
            // Each ion gives at least windows/span independent spans; four errors.
            let tolerance = 4.0 * (exact * (1.0 - exact) * span as f64 / (f64::from(ions) * 200.0)).sqrt();
            assert!((mean - exact).abs() < tolerance, "{span}: {mean} {exact}");
        }
        let waits: Vec<f64> = (0..ions as usize).flat_map(|i| found.waiting_times(i)).collect();
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        // Geometric with mean 1/p = 50, cut off by the 200 windows: shorter, never longer.
        assert!(mean > 30.0 && mean < 50.0, "{mean}");
    }
}
