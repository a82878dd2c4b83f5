//! New files that are there as a whole or not at all: written beside their place and moved there when they are complete, over another
//! file only where that is said. What a killed process leaves beside it has a name of its own and is in nobody's way.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A file being written beside its place. Dropped before [`NewFile::settle`], it is gone.
#[derive(Debug)]
pub struct NewFile {
    place: PathBuf,
    beside: PathBuf,
    replaces: bool,
}

impl NewFile {
    /// Refuses a place where something is.
    pub fn at(place: &Path) -> io::Result<Self> {
        free(place)?;
        Self::beside_of(place, false)
    }

    /// Replaces a file that is in this place.
    pub fn over(place: &Path) -> io::Result<Self> {
        Self::beside_of(place, true)
    }

    fn beside_of(place: &Path, replaces: bool) -> io::Result<Self> {
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(name);
        // An earlier process of the same number was killed.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self { place: place.to_path_buf(), beside, replaces }),
        }
    }

    /// Where to write.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// Writes the contents to the disk and moves the file to its place; when this returns, its name is on the disk, too.
    pub fn settle(self) -> io::Result<()> {
        File::open(&self.beside)?.sync_all()?;
        if self.replaces {
            fs::rename(&self.beside, &self.place)
        } else {
            // Unlike a rename, a link never replaces a file that appeared meanwhile; some file systems have no links.
            match fs::hard_link(&self.beside, &self.place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
                Err(_) => free(&self.place).and_then(|()| fs::rename(&self.beside, &self.place)),
                Ok(()) => Ok(()),
            }
        }?;
        let directory = self.place.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.beside);
    }
}

fn free(place: &Path) -> io::Result<()> {
    match place.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_settled_and_leaves_nothing_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("x");
        let names = || fs::read_dir(directory.path()).unwrap().count();
        let new = NewFile::at(&place).unwrap();
        fs::write(new.beside(), "half").unwrap();
        assert!(!place.exists());
        drop(new);
        assert_eq!(names(), 0);
        let new = NewFile::at(&place).unwrap();
        fs::write(new.beside(), "whole").unwrap();
        new.settle().unwrap();
        assert_eq!((fs::read_to_string(&place).unwrap(), names()), ("whole".to_string(), 1));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_where_that_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("x");
        for words in ["first", "second"] {
            let new = NewFile::over(&place).unwrap();
            let before = fs::read_to_string(&place).ok();
            fs::write(new.beside(), words).unwrap();
            assert_eq!(fs::read_to_string(&place).ok(), before);
            new.settle().unwrap();
            assert_eq!(fs::read_to_string(&place).unwrap(), words);
        }
        drop(NewFile::over(&place).unwrap());
        assert_eq!(fs::read_to_string(&place).unwrap(), "second");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_appeared_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("x");
        let new = NewFile::at(&place).unwrap();
        fs::write(new.beside(), "ours").unwrap();
        fs::write(&place, "theirs").unwrap();
        assert_eq!(new.settle().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&place).unwrap(), "theirs");
        assert_eq!(NewFile::at(&place).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
