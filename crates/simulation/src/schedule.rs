//! When a stage writes: steps counted from its first step, in integers.

use serde::{Deserialize, Serialize};

/// A set of steps of a stage, counted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// 0, n, 2n, ... up to and including the end of the stage.
    Linear {
        /// n, at least 1.
        every: u64,
    },
    /// In each block of b steps the offsets 0, 1, 2, 4, 8, ... below b, so that all times from one step to b are sampled
    /// with few frames. The end of the stage is excluded: it would begin a block.
    LogBlock {
        /// b, at least 1.
        block: u64,
    },
}

impl Schedule {
    /// The first scheduled step at or after `from` in a stage of `steps` steps.
    pub fn next_at_or_after(self, from: u64, steps: u64) -> Option<u64> {
        match self {
            Self::Linear { every } => {
                let next = from.div_ceil(every).checked_mul(every)?;
                (next <= steps).then_some(next)
            }
            Self::LogBlock { block } => {
                let (start, offset) = (from - from % block, from % block);
                let within = if offset == 0 { Some(0) } else { offset.checked_next_power_of_two() };
                let next = match within {
                    Some(o) if o < block => start + o,
                    _ => start.checked_add(block)?,
                };
                (next < steps).then_some(next)
            }
        }
    }

    /// Number of scheduled steps in a stage of `steps` steps.
    pub fn count(self, steps: u64) -> u64 {
        match self {
            Self::Linear { every } => steps / every + 1,
            Self::LogBlock { block } => {
                let full = (steps / block).saturating_mul(offsets_below(block));
                full.saturating_add(offsets_below(steps % block))
            }
        }
    }
}

/// How many of 0, 1, 2, 4, 8, ... are below `limit`.
fn offsets_below(limit: u64) -> u64 {
    match limit {
        0 => 0,
        1 => 1,
        _ => 2 + u64::from((limit - 1).ilog2()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brute_force(schedule: Schedule, steps: u64) -> Vec<u64> {
        (0..=steps)
            .filter(|&step| match schedule {
                Schedule::Linear { every } => step % every == 0,
                Schedule::LogBlock { block } => {
                    let offset = step % block;
                    step < steps && (offset == 0 || offset.is_power_of_two())
                }
            })
            .collect()
    }

    #[test]
    fn next_and_count_agree_with_enumeration() {
        let linear = (1..40).map(|every| Schedule::Linear { every });
        let blocks = (1..70).map(|block| Schedule::LogBlock { block });
        for schedule in linear.chain(blocks) {
            for steps in 0..150 {
                let expected = brute_force(schedule, steps);
                assert_eq!(schedule.count(steps), expected.len() as u64, "{schedule:?} {steps}");
                for from in 0..=steps + 2 {
                    let next = expected.iter().copied().find(|&s| s >= from);
                    assert_eq!(schedule.next_at_or_after(from, steps), next, "{schedule:?} {steps} {from}");
                }
            }
        }
    }

    #[test]
    fn steps_beyond_32_bits_are_scheduled_exactly() {
        let steps = 1 << 40;
        let far = (1u64 << 32) + 1;
        assert_eq!(Schedule::Linear { every: 10 }.next_at_or_after(far, steps), Some(4_294_967_300));
        let block = Schedule::LogBlock { block: 1 << 33 };
        assert_eq!(block.next_at_or_after(far, steps), Some(1 << 33));
        assert_eq!(block.count(1 << 33), 34);
        let last = Schedule::Linear { every: 3 };
        assert_eq!(last.next_at_or_after(u64::MAX, u64::MAX), Some(u64::MAX));
        assert_eq!(Schedule::Linear { every: 2 }.next_at_or_after(u64::MAX, u64::MAX), None);
    }
}
