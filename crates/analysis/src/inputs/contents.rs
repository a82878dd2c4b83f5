//! Identity of files by their contents: neither names nor times of change count.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use vitrion_trajectory::checkpoint::{sha256, sha256_of};

/// Hash of length and contents of a file, every byte of it.
pub(super) fn hash_of_file(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    // What a run that goes on appends meanwhile is no part of it.
    sha256_of(length.to_le_bytes().chain(file.take(length)))
}

/// Identity of files by their contents alone, in this order.
pub fn content_hash(paths: &[PathBuf]) -> std::io::Result<String> {
    let hashes = paths.par_iter().map(|path| hash_of_file(path)).collect::<std::io::Result<Vec<_>>>()?;
    Ok(sha256(&hashes.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_anywhere_counts_and_names_and_times_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let hash = || content_hash(std::slice::from_ref(&path)).unwrap();
        let mut bytes = vec![7; 300_000];
        std::fs::write(&path, &bytes).unwrap();
        let first = hash();
        for place in [0, 150_001, 299_999] {
            bytes[place] = 8;
            std::fs::write(&path, &bytes).unwrap();
            assert_ne!(hash(), first, "{place}");
            bytes[place] = 7;
            std::fs::write(&path, &bytes).unwrap();
            // Written again, later: the same file.
            assert_eq!(hash(), first);
        }
        std::fs::write(&path, &bytes[1..]).unwrap();
        assert_ne!(hash(), first);
    }
}
