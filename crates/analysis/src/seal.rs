//! A checksum behind the end of an HDF5 file: a file that was damaged is refused before the HDF5 library reads it.
//!
//! Some versions of the library end the process (segmentation fault, endless loop) on files with wrong bytes, and none notices a wrong
//! digit of a number. The library ignores what lies behind the end that the file's header states. A program that opens the file for
//! writing cuts it there, so that a file which somebody changed on purpose has no seal and is read without one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use vitrion_trajectory::checkpoint::sha256_of;

const MARK: &[u8] = b"\nvitrion-sha256 ";
const DIGITS: usize = 64;
const LENGTH: usize = MARK.len() + DIGITS + 1;

/// What a file's seal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// The bytes are those that were written.
    Intact,
    /// They are not.
    Broken,
    /// There is none.
    None,
}

/// Writes the checksum of a closed file behind its end.
pub(crate) fn seal(path: &Path) -> io::Result<()> {
    let digest = sha256_of(File::open(path)?)?;
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(&[MARK, digest.as_bytes(), b"\n"].concat())
}

/// Compares a file with its checksum.
pub(crate) fn check(path: &Path) -> io::Result<Seal> {
    let mut file = File::open(path)?;
    let Some(contents) = file.metadata()?.len().checked_sub(LENGTH as u64) else { return Ok(Seal::None) };
    file.seek(SeekFrom::Start(contents))?;
    let mut end = [0; LENGTH];
    file.read_exact(&mut end)?;
    if !end.starts_with(MARK) {
        return Ok(Seal::None);
    }
    file.seek(SeekFrom::Start(0))?;
    let found = sha256_of(file.take(contents))?;
    let same = &end[MARK.len()..LENGTH - 1] == found.as_bytes() && end[LENGTH - 1] == b'\n';
    Ok(if same { Seal::Intact } else { Seal::Broken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_bit_anywhere_breaks_the_seal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, "some contents").unwrap();
        assert_eq!(check(&path).unwrap(), Seal::None);
        seal(&path).unwrap();
        assert_eq!(check(&path).unwrap(), Seal::Intact);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            // A mark that is damaged is no mark.
            let mark = (whole.len() - LENGTH..whole.len() - DIGITS - 1).contains(&at);
            assert_eq!(check(&path).unwrap(), if mark { Seal::None } else { Seal::Broken }, "{at}");
        }
    }

    #[test]
    fn hdf5_reads_a_sealed_file_and_a_program_that_writes_takes_the_seal_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.h5");
        let file = hdf5::File::create(&path).unwrap();
        file.new_dataset_builder().with_data(&[1.5, 2.5]).create("x").unwrap();
        file.close().unwrap();
        seal(&path).unwrap();
        let read =
            |path: &Path| hdf5::File::open(path).unwrap().dataset("x").unwrap().read_raw::<f64>().unwrap();
        assert_eq!((read(&path), check(&path).unwrap()), (vec![1.5, 2.5], Seal::Intact));
        let file = hdf5::File::open_rw(&path).unwrap();
        file.dataset("x").unwrap().write_raw(&[3.5, 4.5]).unwrap();
        file.close().unwrap();
        assert_eq!((read(&path), check(&path).unwrap()), (vec![3.5, 4.5], Seal::None));
    }
}
