//! Signals: the first asks the run to stop after its step and to write a checkpoint; later ones change nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A flag that is set at the first SIGINT, SIGTERM or SIGHUP. `say` tells the user, from another thread.
pub fn stop_flag(say: impl Fn(&str) + Send + 'static) -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
    let stop = Arc::clone(&flag);
    std::thread::Builder::new()
        .name("signals".to_string())
        .spawn(move || {
            for _ in signals.forever() {
                if stop.swap(true, Ordering::SeqCst) {
                    say("still writing the checkpoint; please wait");
                } else {
                    say("stopping: finishing the step and writing a checkpoint");
                }
            }
        })
        .context("cannot start the thread that listens to signals")?;
    Ok(flag)
}
