//! The mark of an orderly end, behind the end of a trajectory as HDF5 counts it.
//!
//! HDF5 knows where its file ends and takes no notice of what is behind that. There `TrajectoryWriter::finish` puts, when
//! everything else is on the disk, these bytes: 16 of a name, the length of the file before them (u64), the checksum of the last record
//! of the journal (u32), and the CRC-32 of all that (u32), little-endian. A file that ends with them was closed by us and has not grown or
//! shrunk since: HDF5 can be asked about it. They are taken away, and that is on the disk, before the file is opened for writing again;
//! another program that writes cuts them off.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const NAME: &[u8; 16] = b"vitrion-closed 1";
/// Bytes of the mark.
pub(super) const LENGTH: usize = 16 + 8 + 4 + 4;

/// What the mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    /// Bytes of the trajectory before the mark.
    pub length: u64,
    /// Checksum of the last record of its journal.
    pub chain: u32,
}

impl Closing {
    fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..16].copy_from_slice(NAME);
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.chain.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The mark at the end of a file, if it is whole and of a file of this length.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let Some(length) = file.metadata()?.len().checked_sub(LENGTH as u64) else { return Ok(None) };
        let mut bytes = [0; LENGTH];
        file.read_exact_at(&mut bytes, length)?;
        let chain = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
        let found = Self { length, chain };
        Ok((found.to_bytes() == bytes).then_some(found))
    }

    /// Marks a file that is closed and on the disk; returns when the mark is, too.
    pub fn write(path: &Path, chain: u32) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        file.write_all_at(&Self { length, chain }.to_bytes(), length)?;
        file.sync_all()
    }

    /// Takes the mark away; returns when it is no longer on the disk.
    pub fn remove(self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(self.length)?;
        file.sync_all()
    }
}
