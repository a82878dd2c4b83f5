//! Identity of files by their contents: neither names nor times of change count.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use vitrion_trajectory::checkpoint::sha256;

/// Files up to this size (bytes) are hashed as a whole.
const WHOLE: u64 = 64 << 20;
/// Of larger ones, so many blocks of so many bytes, spread evenly from the first to the last byte.
const BLOCKS: u64 = 1024;
const BLOCK: u64 = 64 << 10;

/// Hash of length and contents of a file: all of it up to 64 MiB, of a larger one as much in blocks that are spread evenly over it.
pub(super) fn hash_of_file(path: &Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    hash_file(&mut hash, path)?;
    Ok(format!("{:x}", hash.finalize()))
}

fn hash_file(hash: &mut Sha256, path: &Path) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    hash.update(length.to_le_bytes());
    if length <= WHOLE {
        return std::io::copy(&mut file.take(length), hash).map(|_| ());
    }
    let mut bytes = Vec::new();
    for block in 0..BLOCKS {
        let start = u128::from(length - BLOCK) * u128::from(block) / u128::from(BLOCKS - 1);
        bytes.clear();
        file.seek(SeekFrom::Start(start as u64))?;
        file.by_ref().take(BLOCK).read_to_end(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(())
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
    fn a_byte_anywhere_counts_in_small_files_and_the_ends_and_many_places_in_large_ones() {
        use std::io::{Seek as _, SeekFrom, Write as _};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let hash = || content_hash(std::slice::from_ref(&path)).unwrap();
        let set = |place: u64, byte: u8| {
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.seek(SeekFrom::Start(place)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        std::fs::write(&path, vec![7; 300_000]).unwrap();
        let first = hash();
        set(150_001, 8);
        assert_ne!(hash(), first);
        set(150_001, 7);
        // Written again, later: the same file.
        assert_eq!(hash(), first);
        // A file of 200 MB, most of it a hole.
        let length: u64 = 200_000_000;
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let large = hash();
        for place in [length - 1, (length - BLOCK) * 511 / (BLOCKS - 1)] {
            set(place, 9);
            assert_ne!(hash(), large, "{place}");
            set(place, 0);
            assert_eq!(hash(), large);
        }
    }
}
