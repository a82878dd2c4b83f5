//! Files that a run keeps open: one a replica.

use std::fs;
use std::io;

use super::RunError;

/// Files beside the trajectories: the three standard streams, lock, checkpoint, a trajectory that is rebuilt beside its predecessor, and
/// what graphics drivers open (some 30 for a software Vulkan), with room.
const OTHERS: u64 = 64;

/// Whether the system allows what so many replicas need, before the run begins. Systems that do not say are not asked.
pub(super) fn check(replicas: usize) -> Result<(), RunError> {
    let Some([limit, hard]) = fs::read_to_string("/proc/self/limits").ok().and_then(|text| limits(&text))
    else {
        return Ok(());
    };
    compare(replicas, limit, hard)
}

fn compare(replicas: usize, limit: u64, hard: u64) -> Result<(), RunError> {
    let needed = replicas as u64 + OTHERS;
    // A few files must do for a run of few: who has lowered the limit so far knows why.
    if replicas < OTHERS as usize || needed <= limit {
        return Ok(());
    }
    Err(RunError::OpenFiles { replicas, needed, limit, hard })
}

/// The soft and the hard limit in the text of `/proc/self/limits`, proc(5).
fn limits(text: &str) -> Option<[u64; 2]> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers =
        line.split_whitespace().map(|n| if n == "unlimited" { Some(u64::MAX) } else { n.parse().ok() });
    Some([numbers.next()??, numbers.next()??])
}

/// Whether this is EMFILE, 24 on Linux and its relatives: the process has too many open files.
pub(super) fn are_too_many(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error() == Some(24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_replicas_than_files_that_may_be_open_are_refused_with_the_command_that_helps() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             16000                16000                processes \n\
                    Max open files            1024                 4096                 files     \n";
        assert_eq!(limits(text), Some([1024, 4096]));
        assert_eq!(limits("Max open files  unlimited unlimited files"), Some([u64::MAX; 2]));
        assert_eq!(limits("no such line"), None);
        assert!(compare(960, 1024, 4096).is_ok());
        let message = compare(961, 1024, 4096).unwrap_err().to_string();
        assert!(message.contains("`ulimit -n 1025`") && !message.contains("administrator"), "{message}");
        let message = compare(65_536, 1024, 4096).unwrap_err().to_string();
        assert!(message.contains("up to 4096; only an administrator"), "{message}");
        assert!(compare(1, 20, 20).is_ok(), "a low limit that suffices");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_how_many_files_may_be_open() {
        assert!(limits(&fs::read_to_string("/proc/self/limits").unwrap()).is_some());
    }
}
