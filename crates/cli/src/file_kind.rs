//! What kind of file a file is, by its first bytes.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail};

/// Bytes that are looked at.
const LOOKED_AT: u64 = 1 << 14;

/// Kinds that something here reads, and kinds that are known by name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// HDF5, which H5MD is.
    Hdf5,
    /// LAMMPS dump (text).
    Dump,
    /// LAMMPS data file.
    LammpsData,
    /// Checkpoint of a run.
    Checkpoint,
    /// Configuration or force field.
    Toml,
    /// What nothing here reads: what it is, and what to do.
    Foreign(&'static str, String),
    /// Text of no known kind.
    Text,
    /// Bytes of no known kind.
    Binary,
}

/// Recognises a file, which must be there.
pub fn of(path: &Path) -> Result<FileKind> {
    let name = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{name}: there is no such file or directory; check the path")
        }
        Err(error) => {
            return Err(error).with_context(|| format!("{name}: cannot be read; check its permissions"));
        }
    };
    if metadata.is_dir() {
        bail!("{name}: is a directory; give a file in it");
    }
    if !metadata.is_file() {
        bail!("{name}: is no regular file, and cannot be read from any place; write it to a file first");
    }
    let mut start = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LOOKED_AT).read_to_end(&mut start))
        .with_context(|| format!("{name}: cannot be read; check its permissions"))?;
    Ok(recognise(&start, path))
}

/// Whether a file is HDF5.
pub fn is_hdf5(path: &Path) -> bool {
    matches!(of(path), Ok(FileKind::Hdf5))
}

impl FileKind {
    /// Why a file of this kind is refused by a command that `reads` others.
    pub fn refused(&self, path: &Path, reads: &str) -> Error {
        let name = path.display();
        match self {
            Self::Foreign(what, remedy) => anyhow!("{name}: is {what}; {remedy}"),
            Self::Hdf5 => anyhow!("{name}: is an HDF5 file; {reads}"),
            Self::Dump => anyhow!("{name}: is a LAMMPS dump; {reads}"),
            Self::LammpsData => anyhow!("{name}: is a LAMMPS data file; {reads}"),
            Self::Checkpoint => anyhow!("{name}: is a checkpoint; {reads}"),
            Self::Toml => anyhow!("{name}: is a configuration or force field; {reads}"),
            Self::Text => anyhow!("{name}: is text of no kind that is known here; {reads}"),
            Self::Binary => anyhow!("{name}: is a binary file of no kind that is known here; {reads}"),
        }
    }
}

/// Formats that begin with the same bytes always: where, which, what it is, and the command that helps or what to do.
const MAGIC: [(usize, &[u8], &str, Remedy); 18] = [
    (0, b"\x1f\x8b", "compressed (gzip)", Remedy::Command("gunzip -k")),
    (0, b"\x28\xb5\x2f\xfd", "compressed (zstd)", Remedy::Command("zstd -d")),
    (0, b"BZh", "compressed (bzip2)", Remedy::Command("bunzip2 -k")),
    (0, b"\xfd7zXZ\0", "compressed (xz)", Remedy::Command("unxz -k")),
    (0, b"\x04\x22\x4d\x18", "compressed (lz4)", Remedy::Command("lz4 -d")),
    (0, b"PK\x03\x04", "an archive (zip)", Remedy::Command("unzip")),
    (257, b"ustar", "an archive (tar)", Remedy::Command("tar xf")),
    (
        8,
        b"DUMPATOM",
        "a binary dump of LAMMPS",
        Remedy::Say("turn it into text with LAMMPS' tool binary2txt, or dump as text"),
    ),
    (
        8,
        b"DUMPCUSTOM",
        "a binary dump of LAMMPS",
        Remedy::Say("turn it into text with LAMMPS' tool binary2txt, or dump as text"),
    ),
    (0, b"CDF", "a NetCDF file", Remedy::Other),
    (0, b"\0\0\x07\xcb", "a GROMACS trajectory (xtc)", Remedy::Other),
    (0, b"\0\0\x07\xe7", "a GROMACS trajectory (xtc)", Remedy::Other),
    (0, b"\0\0\x07\xc9", "a GROMACS trajectory (trr)", Remedy::Other),
    (4, b"CORD", "a DCD trajectory", Remedy::Other),
    (0, b"\xff\xfe", "text in UTF-16", Remedy::Say("write it in UTF-8: `iconv -f UTF-16 -t UTF-8`")),
    (0, b"\xfe\xff", "text in UTF-16", Remedy::Say("write it in UTF-8: `iconv -f UTF-16 -t UTF-8`")),
    (0, b"Number of particles", "a dump in the CFG format", Remedy::Other),
    (0, b"CRYST1", "a PDB file", Remedy::Other),
];

#[derive(Clone, Copy)]
enum Remedy {
    /// A command that takes the file.
    Command(&'static str),
    Say(&'static str),
    /// The program that made it can write something else.
    Other,
}

const OTHER: &str = "trajectories of other programs are read as LAMMPS dumps (dump custom, text) or H5MD: write or convert it to one of these";

impl Remedy {
    fn words(self, path: &Path) -> String {
        match self {
            Self::Command(command) => format!("unpack it first: {command} {}", quoted(path)),
            Self::Say(words) => words.to_string(),
            Self::Other => OTHER.to_string(),
        }
    }
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn recognise(start: &[u8], path: &Path) -> FileKind {
    if start.is_empty() {
        let remedy = "its writer has written nothing yet, or failed".to_string();
        return FileKind::Foreign("empty", remedy);
    }
    if start.starts_with(b"\x89HDF\r\n\x1a\n") {
        return FileKind::Hdf5;
    }
    let foreign = |what, remedy: Remedy| FileKind::Foreign(what, remedy.words(path));
    let magic = MAGIC.iter().find(|(at, bytes, ..)| start.get(*at..).is_some_and(|s| s.starts_with(bytes)));
    if let Some(&(_, _, what, remedy)) = magic {
        return foreign(what, remedy);
    }
    if start.starts_with(b"vitrion-checkpoint ") {
        return FileKind::Checkpoint;
    }
    if start.contains(&0) {
        return FileKind::Binary;
    }
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("ITEM:") {
        return FileKind::Dump;
    }
    if path.extension().is_some_and(|e| e == "toml") {
        return FileKind::Toml;
    }
    if text.starts_with("---") && text.contains("timestep:") {
        return foreign("a dump in YAML", Remedy::Other);
    }
    if text.starts_with('{') {
        return foreign("JSON", Remedy::Other);
    }
    if text.lines().any(is_header_of_data) {
        return FileKind::LammpsData;
    }
    if is_xyz(text) { foreign("an XYZ file", Remedy::Other) } else { FileKind::Text }
}

/// `0 10 xlo xhi`, or `10 0 0 avec`.
fn is_header_of_data(line: &str) -> bool {
    let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
    matches!(words[..], [_, _, "xlo", "xhi"] | [_, _, _, "avec"])
}

/// A number, a comment, and atoms: a name and three numbers.
fn is_xyz(text: &str) -> bool {
    let mut lines = text.lines();
    let number = lines.next().is_some_and(|line| line.trim().parse::<u64>().is_ok());
    let atom = lines.nth(1).is_some_and(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.len() >= 4 && words[1..4].iter().all(|w| w.parse::<f64>().is_ok())
    });
    number && atom
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(start: &[u8]) -> FileKind {
        recognise(start, Path::new("my dir/t"))
    }

    #[test]
    fn kinds_are_told_from_their_first_bytes_whatever_their_names() {
        assert_eq!(kind(b"\x89HDF\r\n\x1a\n\0"), FileKind::Hdf5);
        for dump in ["ITEM: TIMESTEP\n0\n", "\n\n ITEM: UNITS\n", "\u{feff}ITEM: TIMESTEP\r\n"] {
            assert_eq!(kind(dump.as_bytes()), FileKind::Dump, "{dump}");
        }
        assert_eq!(kind(b"title\n\n2 atoms\n0 1 xlo xhi # angstrom\n"), FileKind::LammpsData);
        assert_eq!(kind(b"title\n\n2 atoms\n1 0 0 avec\n"), FileKind::LammpsData);
        assert_eq!(kind(b"vitrion-checkpoint 1\n\0"), FileKind::Checkpoint);
        assert_eq!(kind(b"hello"), FileKind::Text);
        assert_eq!(kind(b"\x01\x02\0\0"), FileKind::Binary);
    }

    #[test]
    fn what_is_not_read_is_named_with_its_remedy() {
        let dcd = b"\x54\0\0\0CORD";
        let binary = b"\xf8\xff\xff\xff\xff\xff\xff\xffDUMPATOM";
        let cases: [(&[u8], &str, &str); 10] = [
            (b"\x1f\x8b\x08", "gzip", "gunzip -k 'my dir/t'"),
            (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
            (b"BZh9", "bzip2", "bunzip2 -k"),
            (b"\xfd7zXZ\0", "xz", "unxz -k"),
            (b"---\ncreator: LAMMPS\ntimestep: 0\n", "YAML", "dump custom"),
            (b"{\"a\": 1}", "JSON", "dump custom"),
            (binary, "binary dump", "binary2txt"),
            (dcd, "DCD", "H5MD"),
            (b"2\ncomment\nO 0 0 0\nN 1 1 1\n", "XYZ", "H5MD"),
            (b"", "empty", "nothing yet"),
        ];
        for (bytes, what, remedy) in cases {
            let words = kind(bytes).refused(Path::new("t"), "").to_string();
            assert!(words.contains(what) && words.contains(remedy), "{words}");
        }
    }
}
