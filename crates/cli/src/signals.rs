//! Signals: the first asks the run to stop after its step and to write a checkpoint; later ones change nothing.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

/// What asks a run to stop: a person, a terminal that goes away, a batch system that ends a job or warns of its end (USR1, USR2), a
/// limit of processor time (XCPU) and a timer (ALRM). SIGQUIT stays what it is everywhere, the way to end a program at once.
const STOP: [c_int; 7] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM];

/// A flag that is set at the first of the signals [`STOP`]. `say` tells the user, from another thread.
///
/// A signal that is ignored when the process starts stays ignored: so `nohup` and shells that start a job in the background protect it.
pub fn stop_flag(say: impl Fn(&str) + Send + 'static) -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let ignored = std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_signals(&status));
    let listened = STOP.into_iter().filter(|signal| ignored & mask(*signal) == 0);
    let mut signals = Signals::new(listened).context("cannot listen to signals")?;
    let stop = Arc::clone(&flag);
    std::thread::Builder::new()
        .name("signals".to_string())
        .spawn(move || {
            for signal in signals.forever() {
                let name = signal_name(signal).unwrap_or("a signal");
                if stop.swap(true, Ordering::SeqCst) {
                    say(&format!("{name}: still writing the checkpoint; please wait"));
                } else {
                    say(&format!("{name}: stopping: finishing the step and writing a checkpoint"));
                }
            }
        })
        .context("cannot start the thread that listens to signals")?;
    Ok(flag)
}

/// The bit of a signal in the masks of `/proc/PID/status`: bit 0 is signal 1.
fn mask(signal: c_int) -> u64 {
    1 << (signal - 1)
}

/// The mask of ignored signals in the text of `/proc/PID/status`, proc(5); none where the system does not say.
fn ignored_signals(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        // As Linux shows a process that `nohup` started from Rust's standard library: SIGHUP is 1, SIGPIPE is 13.
        let status = "Name:\tvitrion\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000440\n";
        assert_eq!(ignored_signals(status), mask(SIGHUP) | 1 << 12);
        assert_eq!(ignored_signals("Name:\tvitrion\n"), 0);
    }
}
