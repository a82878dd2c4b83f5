//! Who looks on while trajectories are verified or made anew, which may take long: says how far it is, and stops it when asked to.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::observer::Observer;

/// Time between two messages; what takes less needs none.
const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Onlooker<'a> {
    pub observer: &'a mut dyn Observer,
    stop: &'a AtomicBool,
    last: Instant,
}

impl<'a> Onlooker<'a> {
    pub fn new(observer: &'a mut dyn Observer, stop: &'a AtomicBool) -> Self {
        Self { observer, stop, last: Instant::now() }
    }

    /// A [`vitrion_trajectory::h5md::Watch`] of something that is being done, in words.
    pub fn watch(&mut self, doing: &'static str) -> impl FnMut(&Path, u64, u64) -> bool + use<'a, '_> {
        move |path, done, of| {
            if self.last.elapsed() >= EVERY {
                self.last = Instant::now();
                let percent = (100 * u128::from(done.min(of))).checked_div(u128::from(of)).unwrap_or(100);
                self.observer.message(&format!("{}: {doing}, {percent} % done", path.display()));
            }
            self.stop.load(Ordering::Relaxed)
        }
    }
}
