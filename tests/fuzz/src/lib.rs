//! What the targets share.

use std::path::{Path, PathBuf};

/// Calls `read` with the path of a file in memory that holds `bytes`: for parsers that take paths.
pub fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    let directory = directory();
    let path = directory.join(name);
    std::fs::write(&path, bytes).expect("room in /dev/shm");
    let result = read(&path);
    // Files that the parser made beside it would be a surprise.
    std::fs::remove_file(&path).expect("a file that nobody removed");
    result
}

/// A directory of this process.
pub fn directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let path = base.join(format!("vitrion-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a directory for files");
    path
}

pub mod alterations;
