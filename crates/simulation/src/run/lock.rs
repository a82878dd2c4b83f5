//! One process a run directory: a lock of the system, or, on file systems without one, a file that names its owner.
//!
//! A lock of the system (flock) ends with its process, however that ends. File systems of clusters may have none (Lustre without `-o flock`,
//! NFS without its lock daemon). There the file [`OWNER`] names host, process and the start of that process. It gets its name together
//! with its contents, by link(2), which is atomic on NFS too. A process of this host that is dead (killed, so that it could not remove its
//! file) is succeeded; of another host nobody here can know, and the user decides. Two successors at the same moment: the first to
//! rename the dead one's file wins.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunError;

/// Name of the file with the system's lock.
pub(super) const FILE: &str = "lock";
/// Name of the file that names the owner of the directory.
pub(super) const OWNER: &str = "lock.owner";

/// Whether a file belongs to the lock, in whatever state.
pub(super) fn is_of_lock(name: &str) -> bool {
    name == FILE || name.strip_prefix(OWNER).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A directory that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Freed by the system when the process ends.
    file: File,
    /// Removed when it is dropped.
    owner: Option<PathBuf>,
}

impl Lock {
    /// That the directory is still ours. A lock that somebody removed keeps nobody away: the next process makes a new file and locks that.
    pub fn check(&self) -> Result<(), RunError> {
        let lost = |file: &Path| RunError::LockLost { file: file.to_path_buf() };
        if let Some(owner) = &self.owner {
            return if is_own(owner, &Owner::this_process()) { Ok(()) } else { Err(lost(owner)) };
        }
        let same = match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(ours), Ok(there)) => identity(&ours) == identity(&there),
            (_, Err(error)) if error.kind() == ErrorKind::NotFound => false,
            // Not today.
            _ => true,
        };
        if same { Ok(()) } else { Err(lost(&self.path)) }
    }
}

/// What tells a file from another one of the same name.
#[cfg(unix)]
fn identity(file: &fs::Metadata) -> impl PartialEq + use<> {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

/// There a file that is open cannot be removed.
#[cfg(not(unix))]
fn identity(_file: &fs::Metadata) -> impl PartialEq + use<> {}

/// Whether the file at `path` names `here` as the owner. One that cannot be read today is taken for it.
fn is_own(path: &Path, here: &Owner) -> bool {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str::<Owner>(&text).is_ok_and(|owner| owner == *here),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = self.owner.as_ref().filter(|path| is_own(path, &Owner::this_process())) {
            // If it stays, the next process finds this one dead.
            let _ = fs::remove_file(path);
        }
    }
}

/// A process, recognisable after it has ended and its number is used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// Name of the host.
    host: String,
    /// Identity of the host's boot, and of the namespace in which `pid` counts.
    boot: String,
    /// Number of the process.
    pid: u32,
    /// Its start, in ticks since the boot.
    started: Option<u64>,
}

impl Owner {
    fn this_process() -> Self {
        let read = |path: &str| fs::read_to_string(path).map_or(String::new(), |text| text.trim().to_owned());
        let namespace =
            fs::read_link("/proc/self/ns/pid").map_or(String::new(), |link| link.display().to_string());
        let pid = std::process::id();
        Self {
            host: super::host(),
            boot: format!("{} {namespace}", read("/proc/sys/kernel/random/boot_id")),
            pid,
            started: start_of(pid),
        }
    }

    /// Whether the process is over; `None` where that cannot be known here.
    fn is_over(&self, here: &Self) -> Option<bool> {
        if self.host != here.host {
            return None;
        }
        if self.boot != here.boot {
            // Started anew since, or a container beside this one.
            let boot = |owner: &Self| owner.boot.split(' ').next().map(str::to_owned);
            return (boot(self) != boot(here)).then_some(true);
        }
        Some(self.started? != start_of(self.pid).unwrap_or(u64::MAX))
    }
}

/// When a process of this host started, in ticks since the boot: field 22 of `/proc/PID/stat`, proc(5). The second field, the name, is
/// in parentheses and may hold anything.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Takes a directory, with `try_lock` as the system's lock. Returns words for the user where the file system has none.
pub(super) fn take(
    directory: &Path,
    try_lock: &dyn Fn(&File) -> Result<(), TryLockError>,
) -> Result<(Lock, Option<String>), RunError> {
    let path = directory.join(FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(RunError::system(&path, "open the lock file"))?;
    match try_lock(&file) {
        Ok(()) => Ok((Lock { path, file, owner: None }, None)),
        Err(TryLockError::WouldBlock) => Err(RunError::Locked { directory: directory.to_path_buf() }),
        Err(TryLockError::Error(source)) if has_no_locks(&source) => {
            let succeeded = own(directory, &Owner::this_process())?;
            let owner = directory.join(OWNER);
            let left = succeeded.map_or(String::new(), |pid| {
                format!("; it was left by process {pid} of this host, which is over")
            });
            let note = format!(
                "this file system has no locks ({source}): instead `{}` keeps other runs away from this directory{left}",
                owner.display()
            );
            Ok((Lock { path, file, owner: Some(owner) }, Some(note)))
        }
        Err(TryLockError::Error(source)) => Err(RunError::system(&path, "lock this file")(source)),
    }
}

/// Whether an error of flock(2) says that this file system has no such thing: EOPNOTSUPP, ENOSYS, or ENOLCK, for which the standard
/// library has no kind.
fn has_no_locks(error: &io::Error) -> bool {
    let no_locks_available = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(no_locks_available)
}

/// Writes `here` as the owner of a directory. Returns the number of the dead process that it succeeds, if there is one.
fn own(directory: &Path, here: &Owner) -> Result<Option<u32>, RunError> {
    let path = directory.join(OWNER);
    let with = |suffix: &str| directory.join(format!("{OWNER}.{suffix}-{}-{}", here.host, here.pid));
    let failed = |source| RunError::system(&path, "write this file")(source);
    let complete = with("new");
    let text = serde_json::to_string(here).map_err(|error| failed(error.into()))?;
    fs::write(&complete, text).map_err(failed)?;
    let result = link_or_succeed(directory, here, &complete, &with("over"));
    let _ = fs::remove_file(&complete);
    result
}

fn link_or_succeed(
    directory: &Path,
    here: &Owner,
    complete: &Path,
    over: &Path,
) -> Result<Option<u32>, RunError> {
    let path = directory.join(OWNER);
    let mut succeeded = None;
    loop {
        let linked = fs::hard_link(complete, &path).or_else(|error| match error.kind() {
            // No links here either: between two calls the file is empty, and whoever looks then is refused.
            ErrorKind::Unsupported | ErrorKind::PermissionDenied => {
                File::create_new(&path)?.write_all(&fs::read(complete)?)
            }
            _ => Err(error),
        });
        match linked {
            // A third process may have put back the file of a second one in the meantime.
            Ok(()) if is_own(&path, here) => return Ok(succeeded),
            Ok(()) => return Err(RunError::Locked { directory: directory.to_path_buf() }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(RunError::system(&path, "write this file")(error)),
        }
        let owned = |owner: String, remedy| RunError::Owned {
            directory: directory.to_path_buf(),
            file: path.clone(),
            owner,
            remedy,
        };
        let text = fs::read_to_string(&path).unwrap_or_default();
        let Ok(owner) = serde_json::from_str::<Owner>(&text) else {
            return Err(owned("somebody".to_owned(), "if nobody does, remove that file"));
        };
        let words = format!("process {} on host {}", owner.pid, owner.host);
        match owner.is_over(here) {
            Some(true) if succeeded.is_none() => {}
            Some(true | false) => return Err(owned(words, "this host says that it is alive")),
            None => {
                return Err(owned(
                    words,
                    "that cannot be known from here: if it does not run any more, remove that file",
                ));
            }
        }
        // Renamed, not removed: whoever comes second moves the first one's file, sees that, and puts it back.
        fs::rename(&path, over)
            .map_err(RunError::system(&path, "replace the file of a process that is over"))?;
        let moved = fs::read_to_string(over).unwrap_or_default();
        if moved != text {
            let _ = fs::hard_link(over, &path);
            let _ = fs::remove_file(over);
            return Err(RunError::Locked { directory: directory.to_path_buf() });
        }
        let _ = fs::remove_file(over);
        succeeded = Some(owner.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What flock(2) says on Lustre (ENOSYS), on NFS without its daemon (ENOLCK), and elsewhere (EOPNOTSUPP).
    #[cfg(target_os = "linux")]
    const WITHOUT_LOCKS: [i32; 3] = [38, 37, 95];

    fn refusing(errno: i32) -> impl Fn(&File) -> Result<(), TryLockError> {
        move |_| Err(TryLockError::Error(io::Error::from_raw_os_error(errno)))
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write(directory: &Path, owner: &Owner) {
        fs::write(directory.join(OWNER), serde_json::to_string(owner).unwrap()).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_locks_a_file_names_the_process_and_goes_with_it() {
        for errno in WITHOUT_LOCKS {
            let home = tempfile::tempdir().unwrap();
            let (lock, note) = take(home.path(), &refusing(errno)).unwrap();
            assert!(note.unwrap().contains("has no locks"));
            assert_eq!(names(home.path()), [FILE, OWNER]);
            let message = take(home.path(), &refusing(errno)).unwrap_err().to_string();
            assert!(message.contains(&format!("process {} on host", std::process::id())), "{message}");
            assert!(message.contains("is alive"), "{message}");
            drop(lock);
            assert_eq!(names(home.path()), [FILE]);
            assert!(take(home.path(), &refusing(errno)).is_ok());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_dead_process_of_this_host_is_succeeded_and_one_of_another_host_is_not() {
        let here = Owner::this_process();
        // Its number is in use by this process, which started at another time; the host was started anew since.
        let dead = [
            Owner { started: here.started.map(|t| t + 1), ..here.clone() },
            Owner { boot: "another boot".to_owned(), ..here.clone() },
            // No process has this number: the kernel's limit is 2^22.
            Owner { pid: u32::MAX, started: Some(1), ..here.clone() },
        ];
        for owner in dead {
            let home = tempfile::tempdir().unwrap();
            write(home.path(), &owner);
            let (_lock, note) = take(home.path(), &refusing(38)).unwrap();
            assert!(note.unwrap().contains(&format!("left by process {}", owner.pid)));
            assert_eq!(names(home.path()), [FILE, OWNER]);
            assert!(take(home.path(), &refusing(38)).is_err(), "it is ours now");
        }
        let container = here.boot.split(' ').next().unwrap().to_owned() + " pid:[1]";
        for owner in [
            Owner { host: "node17".to_owned(), ..here.clone() },
            Owner { boot: container, ..here.clone() },
            Owner { started: None, ..here.clone() },
        ] {
            let home = tempfile::tempdir().unwrap();
            write(home.path(), &owner);
            let message = take(home.path(), &refusing(38)).unwrap_err().to_string();
            assert!(message.contains(&format!("on host {}", owner.host)), "{message}");
            assert!(message.contains("remove that file"), "{message}");
            assert_eq!(names(home.path()), [FILE, OWNER], "nothing is changed");
        }
        // Cut off by a power cut.
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(OWNER), "{\"host\":").unwrap();
        let message = take(home.path(), &refusing(38)).unwrap_err().to_string();
        assert!(message.contains("if nobody does, remove that file"), "{message}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_that_somebody_removed_or_replaced_is_no_longer_held() {
        for errno in [None, Some(38)] {
            let home = tempfile::tempdir().unwrap();
            let take = || match errno {
                None => take(home.path(), &File::try_lock),
                Some(errno) => take(home.path(), &refusing(errno)),
            };
            let (lock, _) = take().unwrap();
            lock.check().unwrap();
            let file = home.path().join(if errno.is_some() { OWNER } else { FILE });
            fs::remove_file(&file).unwrap();
            assert!(matches!(lock.check(), Err(RunError::LockLost { .. })), "removed");
            // Another process has begun in the meantime.
            if errno.is_some() {
                write(home.path(), &Owner { pid: u32::MAX, ..Owner::this_process() });
            } else {
                fs::write(&file, "").unwrap();
            }
            assert!(matches!(lock.check(), Err(RunError::LockLost { .. })), "replaced");
            drop(lock);
            assert!(file.exists(), "that of the other process stays");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn other_failures_of_a_lock_are_errors() {
        let home = tempfile::tempdir().unwrap();
        // EIO.
        let message = take(home.path(), &refusing(5)).unwrap_err().to_string();
        assert!(message.contains("lock this file"), "{message}");
        let busy = |_: &File| Err(TryLockError::WouldBlock);
        assert!(matches!(take(home.path(), &busy), Err(RunError::Locked { .. })));
    }
}
