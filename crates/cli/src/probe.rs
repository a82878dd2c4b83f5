//! HDF5 files are first opened by a process of their own.
//!
//! Of files with wrong bytes, some versions of the HDF5 library (1.10.8 of Debian 12 among them) make a segmentation fault, a corrupted
//! heap or an endless loop, which no code around a call can turn into an error. A child process can: what ends or hangs there is
//! reported, and is not tried here. The child reads what is at the beginning and at the end of a file ([`touch`]), of all its groups;
//! damage in between may still be met later.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use vitrion_analysis::results::Results;
use vitrion_trajectory::h5md::touch;

use crate::Outcome;

/// Name of the hidden subcommand.
const NAME: &str = "probe";
/// Processor time (s) after which reading so much as [`touch`] does, which is bounded, is taken for an endless loop.
const LONGEST: f64 = 5.0;
/// Wall time (s) beyond it: where the system does not tell the processor time, and for a disk that never answers.
const LONGEST_WAIT: f64 = 120.0;

/// Reads HDF5 files as other commands begin to; says nothing.
#[derive(Args)]
pub struct Probe {
    paths: Vec<PathBuf>,
}

impl Probe {
    /// Reads; an error is no matter here.
    pub fn execute(&self) -> Outcome {
        for path in &self.paths {
            let _ = Results::of_file(path);
            touch(path);
        }
        Outcome::Done
    }
}

/// Files that were found sound: each is looked at once.
static SOUND: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Refuses HDF5 files on which the library fails in a way that would end this process. One child reads them all; if it fails, one
/// each finds out which.
pub fn check(paths: &[PathBuf]) -> Result<()> {
    let mut sound = SOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let new: Vec<PathBuf> = paths.iter().filter(|path| !sound.contains(*path)).cloned().collect();
    let together = if new.is_empty() { None } else { trouble(&new) };
    if let Some(together) = together {
        for path in &new {
            let alone =
                if new.len() == 1 { Some(together.clone()) } else { trouble(std::slice::from_ref(path)) };
            if let Some(trouble) = alone {
                bail!(
                    "{}: {trouble}, so it is damaged; restore it from a copy, or read it with a newer HDF5 library",
                    path.display()
                );
            }
        }
    }
    sound.extend(new);
    Ok(())
}

/// What a child process that reads these files comes to, if it is no good.
fn trouble(paths: &[PathBuf]) -> Option<String> {
    // Where no process can be started the files are read without.
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.arg(NAME).arg("--").args(paths).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match wait(command.spawn().ok()?, paths.len()) {
        Some(status) if crashed(status) => Some(format!("the HDF5 library fails on this file ({status})")),
        Some(_) => None,
        None => Some("the HDF5 library comes to no end with this file".to_string()),
    }
}

/// How the child ended; none if it did not within reason for so many files.
fn wait(mut child: Child, files: usize) -> Option<ExitStatus> {
    let (begin, most) = (Instant::now(), LONGEST * files as f64);
    let mut pause = Duration::from_millis(1);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        let computed = processor_time(child.id());
        if computed.is_some_and(|t| t > most) || begin.elapsed().as_secs_f64() > LONGEST_WAIT + most {
            // It may have ended by itself just now.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(pause);
        pause = (2 * pause).min(Duration::from_millis(50));
    }
}

/// Of a process (s), where Linux tells it.
fn processor_time(id: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Behind the name in parentheses: state is the first field, utime and stime are the 12th and 13th, in hundredths of a second.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// Ended by a signal that a fault in the process itself raises, or the limit of processor time.
#[cfg(unix)]
fn crashed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    // SIGILL, SIGABRT, SIGBUS (7 on Linux, 10 on macOS), SIGFPE, SIGSEGV, SIGXCPU.
    status.signal().is_some_and(|signal| [4, 6, 7, 8, 10, 11, 24].contains(&signal))
}

#[cfg(not(unix))]
fn crashed(status: ExitStatus) -> bool {
    // Codes of exceptions are negative.
    status.code().is_some_and(|code| code < 0)
}
