//! Checkpoints: files that are either complete or absent, and that say so.
//!
//! Layout: a line `vitrion-checkpoint 2` (the format version), a line of JSON for people ([`Header`] and the length of what
//! follows), the payload (postcard, so f64 keep every bit), and a last line `sha256 <hex>` over all bytes before it.
//!
//! [`write_atomically`] writes a temporary file in the same directory, forces it to the disk and renames it, so that a crash
//! at any moment leaves the old or the new checkpoint, never a part of one. The one before stays as `NAME.previous`. A run goes on from
//! one of [`candidates`]; one that is not the first of them takes its place with [`promote`] before anything is written.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::h5md::free_name;

const MAGIC: &str = "vitrion-checkpoint ";
/// 1: before a checkpoint knew its device, with other words of the device's state.
const FORMAT: &str = "2";
/// `sha256 `, 64 hexadecimal digits, and line feeds before and after.
const TRAILER: usize = 1 + 7 + 64 + 1;

/// What a person, or a program that does not know the payload, wants to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the program that wrote it.
    pub version: String,
    /// SHA-256 of the run's configuration, hexadecimal.
    pub config_sha256: String,
    /// Steps done.
    pub step: u64,
    /// Simulated time (ps); for people, the payload has what a run needs.
    pub time: f64,
    /// Backend and precision, e.g. `cpu/mixed`.
    pub backend: String,
    /// Device and driver on which the run was; none on the processor.
    pub hardware: Option<String>,
    /// SHA-256 of what the run began from beside its configuration, hexadecimal; none in those of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_sha256: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(flatten)]
    header: Header,
    payload_bytes: usize,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The system refuses to write.
    #[error(
        "checkpoint {}: cannot be written: {source}; free some space or check the permissions of its directory, then resume: \
         the checkpoint before it is intact",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The state cannot be put into bytes.
    #[error("checkpoint {}: cannot be encoded: {source}; this is a defect of the program, please report it", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder says.
        source: postcard::Error,
    },
    /// The system refuses to read.
    #[error("checkpoint {}: cannot be read: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something else than a checkpoint.
    #[error(
        "{}: this is not a checkpoint (it does not begin with `vitrion-checkpoint`); give the checkpoint of a run directory",
        path.display()
    )]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// Written in another format.
    #[error(
        "checkpoint {}: format version {found}, written by {writer}, but this program (vitrion {}) reads version {FORMAT}; go on with the \
         program that wrote it, or begin a new run from the last frame of the trajectory (`vitrion convert TRAJECTORY start.data --frame \
         last`, and `initial = \"start.data\"`)",
        path.display(), env!("CARGO_PKG_VERSION")
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// Program that wrote it, as far as it says so.
        writer: String,
    },
    /// Bytes are missing at the end.
    #[error(
        "checkpoint {}: truncated: {found} bytes, {expected} needed; restore it from a copy, if there is no other to go on from",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: usize,
        /// The length that it announces, in bytes, or `more` where even that is missing.
        expected: String,
    },
    /// The bytes are not those that were written.
    #[error(
        "checkpoint {}: its checksum does not match, so it was changed or damaged after it was written; restore it from a copy, if there \
         is no other to go on from",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// Intact, but made of other parts than this program expects.
    #[error(
        "checkpoint {}: intact, but its contents are not what this program keeps ({finding}); resume with version {version}, which \
         wrote it",
        path.display()
    )]
    OtherContents {
        /// The file.
        path: PathBuf,
        /// Version that wrote it.
        version: String,
        /// What the decoder says.
        finding: String,
    },
}

impl CheckpointError {
    /// Whether the file is damaged, is no checkpoint or is not there: then another one may serve. One that is intact, but of another
    /// program, must not be taken for damaged, and be replaced by its predecessor; nor one that the system does not give today.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Truncated { .. } | Self::Checksum { .. } | Self::NotACheckpoint { .. } => true,
            Self::Read { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

/// Where the checkpoint before the one at `path` is kept.
pub fn previous(path: &Path) -> PathBuf {
    with_suffix(path, ".previous")
}

/// Where a checkpoint waits until it is complete: a crash may leave it there, intact, without its name.
fn temporary(path: &Path) -> PathBuf {
    with_suffix(path, ".tmp")
}

/// Where a checkpoint from which a run did not go on is kept; the next ones with numbers behind that.
pub fn rejected(path: &Path) -> PathBuf {
    with_suffix(path, ".rejected")
}

/// The files from which the run whose checkpoint is `path` can go on, the best first: the checkpoint itself; one that was complete, but
/// had not got its name when the system stopped; the one before.
pub fn candidates(path: &Path) -> [PathBuf; 3] {
    [path.to_path_buf(), temporary(path), previous(path)]
}

/// Makes `chosen`, one of the other [`candidates`], the checkpoint at `path`; what is there is kept under the name that is returned. So the
/// next checkpoint finds an intact one to keep as the one before, and a crash at any moment leaves one that is intact.
pub fn promote(path: &Path, chosen: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    let kept = path.symlink_metadata().is_ok().then(|| free_name(&rejected(path)));
    let promoted = kept.as_ref().map_or(Ok(()), |kept| fs::rename(path, kept));
    promoted
        .and_then(|()| {
            if chosen == temporary(path) {
                return fs::rename(chosen, path);
            }
            // The one before keeps its name, too.
            fs::hard_link(chosen, path).or_else(|_| {
                let copy = temporary(path);
                fs::copy(chosen, &copy)?;
                File::open(&copy)?.sync_all()?;
                fs::rename(&copy, path)
            })
        })
        .and_then(|()| sync_directory(path))
        .map_err(|source| CheckpointError::Write { path: path.to_path_buf(), source })?;
    Ok(kept)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes `payload` to `path` as the module's description says. When it returns, the checkpoint is on the disk.
pub fn write_atomically<T: Serialize>(
    path: &Path,
    payload: &T,
    header: &Header,
) -> Result<(), CheckpointError> {
    let payload = postcard::to_stdvec(payload)
        .map_err(|source| CheckpointError::Encode { path: path.to_path_buf(), source })?;
    let temporary = temporary(path);
    let result = encode(header, &payload).and_then(|bytes| replace(path, &temporary, &bytes));
    result.map_err(|source| {
        // Best effort: what is left of a failed attempt takes space and serves nobody.
        let _ = fs::remove_file(&temporary);
        CheckpointError::Write { path: path.to_path_buf(), source }
    })
}

fn encode(header: &Header, payload: &[u8]) -> io::Result<Vec<u8>> {
    let envelope = Envelope { header: header.clone(), payload_bytes: payload.len() };
    let mut bytes = format!("{MAGIC}{FORMAT}\n{}\n", serde_json::to_string(&envelope)?).into_bytes();
    bytes.extend_from_slice(payload);
    let digest = hexadecimal(&Sha256::digest(&bytes));
    bytes.extend_from_slice(format!("\nsha256 {digest}\n").as_bytes());
    Ok(bytes)
}

fn replace(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    if path.exists() {
        keep_previous(path)?;
    }
    fs::rename(temporary, path)?;
    sync_directory(path)
}

/// Puts the names in the directory of `path` on the disk.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Gives the current checkpoint its second name, without a moment at which `path` has none.
fn keep_previous(path: &Path) -> io::Result<()> {
    let link = with_suffix(path, ".previous.tmp");
    let _ = fs::remove_file(&link);
    if fs::hard_link(path, &link).is_err() {
        // A file system without hard links: for a moment only `.previous` exists, one of the candidates.
        return fs::rename(path, previous(path));
    }
    fs::rename(&link, previous(path))?;
    // POSIX: renaming onto another name of the same file does nothing, so the link may be left.
    let _ = fs::remove_file(&link);
    Ok(())
}

/// Reads a checkpoint and checks it to the last byte.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(Header, T), CheckpointError> {
    let bytes =
        fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_path_buf(), source })?;
    from_bytes(path, &bytes)
}

/// Like [`read`], with the bytes of the file at hand; errors name it `path`.
pub fn from_bytes<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<(Header, T), CheckpointError> {
    let (header, payload) = verify(path, bytes)?;
    match postcard::take_from_bytes::<T>(payload) {
        Ok((value, [])) => Ok((header, value)),
        Ok(_) => Err(other_contents(path, header, "bytes are left over".to_string())),
        Err(source) => Err(other_contents(path, header, source.to_string())),
    }
}

/// Reads only the header, after checking the whole file.
pub fn read_header(path: &Path) -> Result<Header, CheckpointError> {
    let bytes =
        fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_path_buf(), source })?;
    verify(path, &bytes).map(|(header, _)| header)
}

fn other_contents(path: &Path, header: Header, finding: String) -> CheckpointError {
    CheckpointError::OtherContents { path: path.to_path_buf(), version: header.version, finding }
}

/// Header and payload of a file whose checksum matches.
fn verify<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Header, &'a [u8]), CheckpointError> {
    let truncated = |expected: String| CheckpointError::Truncated {
        path: path.to_path_buf(),
        found: bytes.len(),
        expected,
    };
    let checksum = || CheckpointError::Checksum { path: path.to_path_buf() };
    let common = bytes.len().min(MAGIC.len());
    if bytes[..common] != MAGIC.as_bytes()[..common] {
        return Err(CheckpointError::NotACheckpoint { path: path.to_path_buf() });
    }
    let Some(magic_end) = line_end(bytes, 0) else { return Err(truncated("more".to_string())) };
    let version = &bytes[MAGIC.len()..magic_end];
    if version != FORMAT.as_bytes() {
        let found = String::from_utf8_lossy(version).into_owned();
        let header = line_end(bytes, magic_end + 1).map(|end| &bytes[magic_end + 1..end]);
        let writer = header
            .and_then(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
            .and_then(|header| Some(format!("vitrion {}", header.get("version")?.as_str()?)))
            .unwrap_or_else(|| "another program".to_owned());
        return Err(CheckpointError::OtherFormat { path: path.to_path_buf(), found, writer });
    }
    let Some(header_end) = line_end(bytes, magic_end + 1) else {
        return Err(truncated("more".to_string()));
    };
    let envelope: Envelope =
        serde_json::from_slice(&bytes[magic_end + 1..header_end]).map_err(|_| checksum())?;
    let start = header_end + 1;
    let expected = start
        .checked_add(envelope.payload_bytes)
        .and_then(|n| n.checked_add(TRAILER))
        .ok_or_else(checksum)?;
    if bytes.len() < expected {
        return Err(truncated(expected.to_string()));
    }
    let (body, trailer) = bytes.split_at(expected - TRAILER);
    if trailer != format!("\nsha256 {}\n", hexadecimal(&Sha256::digest(body))).as_bytes() {
        return Err(checksum());
    }
    Ok((envelope.header, &body[start..]))
}

fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].iter().position(|b| *b == b'\n').map(|at| from + at)
}

/// Bytes as lower-case hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of a text, hexadecimal: the identity of a configuration.
pub fn sha256(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// SHA-256 of all bytes of a reader, hexadecimal.
pub fn sha256_of(bytes: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut BufReader::new(bytes), &mut hash)?;
    Ok(hexadecimal(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            version: "0.1.0".to_string(),
            config_sha256: sha256("[run]\n"),
            step: (1 << 32) + 10,
            time: 17179869.224,
            backend: "gpu".to_string(),
            hardware: Some("NVIDIA H100, driver NVIDIA 550.54.15, through vulkan".to_string()),
            start_sha256: Some(sha256("a start")),
        }
    }

    fn state() -> (u64, Vec<f64>) {
        let bits = [
            0.1,
            -0.0,
            f64::MIN_POSITIVE / 3.0,
            f64::INFINITY,
            1.0 / 3.0,
            f64::from_bits(0x7ff8_dead_beef_0001),
        ];
        (u64::MAX, bits.to_vec())
    }

    fn written() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.checkpoint");
        write_atomically(&path, &state(), &header()).unwrap();
        (directory, path)
    }

    #[test]
    fn every_bit_comes_back() {
        let (_directory, path) = written();
        let (found, (step, values)) = read::<(u64, Vec<f64>)>(&path).unwrap();
        assert_eq!(found, header());
        assert_eq!(read_header(&path).unwrap(), header());
        assert_eq!(step, u64::MAX);
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values), bits(&state().1));
        let text = fs::read(&path).unwrap();
        let lines: Vec<_> = text.split(|b| *b == b'\n').collect();
        assert_eq!(lines[0], b"vitrion-checkpoint 2");
        let json: serde_json::Value = serde_json::from_slice(lines[1]).unwrap();
        assert_eq!(json["step"], (1_u64 << 32) + 10);
    }

    #[test]
    fn truncation_at_every_byte_is_damage() {
        let (_directory, path) = written();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let error = read::<(u64, Vec<f64>)>(&path).unwrap_err();
            assert!(matches!(error, CheckpointError::Truncated { .. }), "{length} bytes: {error}");
            assert!(error.is_damage());
        }
    }

    /// Whatever is damaged, and whenever the system stops, one intact checkpoint is left.
    #[test]
    fn a_promoted_checkpoint_is_never_replaced_by_the_damaged_one() {
        let step = |path: &Path| read::<(u64, Vec<f64>)>(path).map(|(_, (step, _))| step).ok();
        for chosen in 1..3 {
            let (_directory, path) = written();
            fs::write(previous(&path), fs::read(&path).unwrap()).unwrap();
            fs::write(temporary(&path), fs::read(&path).unwrap()).unwrap();
            fs::write(&path, "damaged").unwrap();
            let good = &candidates(&path)[chosen];
            promote(&path, good).unwrap();
            assert_eq!(fs::read(rejected(&path)).unwrap(), b"damaged");
            assert_eq!((step(&path), step(&previous(&path))), (Some(u64::MAX), Some(u64::MAX)));
            write_atomically(&path, &(7_u64, vec![1.5]), &header()).unwrap();
            assert_eq!(
                (step(&path), step(&previous(&path))),
                (Some(7), Some(u64::MAX)),
                "{}",
                good.display()
            );
        }
        // The checkpoint is gone, as for a moment on a file system without hard links.
        let (_directory, path) = written();
        fs::rename(&path, previous(&path)).unwrap();
        promote(&path, &previous(&path)).unwrap();
        assert_eq!((step(&path), step(&previous(&path))), (Some(u64::MAX), Some(u64::MAX)));
        assert!(!rejected(&path).exists());
    }

    #[test]
    fn every_checkpoint_that_was_put_aside_is_kept() {
        let (_directory, path) = written();
        fs::write(previous(&path), fs::read(&path).unwrap()).unwrap();
        let kept: Vec<PathBuf> = ["first", "second", "third"]
            .map(|text| {
                // A file of its own, not another name of the one before.
                fs::remove_file(&path).unwrap();
                fs::write(&path, text).unwrap();
                promote(&path, &previous(&path)).unwrap().unwrap()
            })
            .to_vec();
        let texts: Vec<String> = kept.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(texts, ["first", "second", "third"]);
        assert_eq!(kept[1], with_suffix(&path, ".rejected.2"));
    }

    #[test]
    fn a_checkpoint_that_cannot_be_read_today_is_not_damaged() {
        let of = |source| CheckpointError::Read { path: PathBuf::from("checkpoint"), source };
        // EIO and EACCES.
        assert!(!of(io::Error::from_raw_os_error(5)).is_damage());
        assert!(!of(io::ErrorKind::PermissionDenied.into()).is_damage());
        assert!(of(io::ErrorKind::NotFound.into()).is_damage());
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let (_directory, path) = written();
        let whole = fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(read::<(u64, Vec<f64>)>(&path).is_err(), "byte {index}");
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(matches!(read::<(u64, Vec<f64>)>(&path), Err(CheckpointError::Checksum { .. })));
    }

    #[test]
    fn other_files_versions_and_contents_have_their_own_messages() {
        let (directory, path) = written();
        let message = |bytes: &[u8]| {
            let other = directory.path().join("other");
            fs::write(&other, bytes).unwrap();
            read::<(u64, Vec<f64>)>(&other).unwrap_err().to_string()
        };
        let whole = fs::read(&path).unwrap();
        assert!(message(b"\x89HDF\r\n\x1a\n and more").contains("not a checkpoint"));
        // An older one, from before the device was kept, must not be taken for a damaged one and replaced by its predecessor.
        for version in ["1", "3"] {
            let mut other = whole.clone();
            other[MAGIC.len()] = version.as_bytes()[0];
            let text = message(&other);
            assert!(text.contains(&format!("format version {version}, written by vitrion 0.1.0")), "{text}");
            assert!(text.contains("--frame last"), "{text}");
            fs::write(directory.path().join("old"), &other).unwrap();
            assert!(!read_header(&directory.path().join("old")).unwrap_err().is_damage());
        }
        assert!(message(b"vitrion-checkpoint 1\n{").contains("written by another program"));
        let mut damaged = whole.clone();
        let middle = whole.len() - TRAILER - 3;
        damaged[middle] ^= 0x10;
        assert!(message(&damaged).contains("checksum does not match"));
        let error = read::<(u64, Vec<f64>, Option<String>)>(&path).unwrap_err().to_string();
        assert!(error.contains("resume with version 0.1.0"), "{error}");
        let error = read::<u64>(&path).unwrap_err().to_string();
        assert!(error.contains("intact, but its contents"), "{error}");
        let error = read::<u64>(&directory.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent: cannot be read"), "{error}");
    }

    #[test]
    fn writing_keeps_one_previous_and_leaves_no_temporary_file() {
        let (directory, path) = written();
        for step in 1..4_u64 {
            write_atomically(&path, &(step, vec![0.5]), &header()).unwrap();
        }
        assert_eq!(read::<(u64, Vec<f64>)>(&path).unwrap().1.0, 3);
        assert_eq!(read::<(u64, Vec<f64>)>(&previous(&path)).unwrap().1.0, 2);
        let mut names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["run.checkpoint", "run.checkpoint.previous"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_checkpoint() {
        let (directory, path) = written();
        // A directory in the way of the temporary file stands for every refusal of the system.
        fs::create_dir(with_suffix(&path, ".tmp")).unwrap();
        let error = write_atomically(&path, &(1_u64, vec![0.0]), &header()).unwrap_err().to_string();
        assert!(error.contains("the checkpoint before it is intact"), "{error}");
        assert_eq!(read::<(u64, Vec<f64>)>(&path).unwrap().1.0, u64::MAX);
        let absent = directory.path().join("no/such/place");
        assert!(write_atomically(&absent, &1_u64, &header()).is_err());
    }
}
