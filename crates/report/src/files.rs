//! The report's files: the page, and every figure as SVG and PNG.

use std::path::{Path, PathBuf};

use crate::chart::Picture;
use crate::figures::Figure;
use crate::raster::{self, RasterError};

/// Pixels a unit: legible on paper at the size of a column.
const PIXELS: f32 = 3.0;

/// Why files are not written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be written.
    #[error("{path}: cannot be written: {source}; check the directory, its permissions and the disk", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Reason.
        source: std::io::Error,
    },
    /// A PNG cannot be made.
    #[error("figure {id}: {source}")]
    Png {
        /// The panel.
        id: String,
        /// Reason.
        source: RasterError,
    },
}

/// Writes a file beside its place, then renames it: a report is there as a whole or not at all.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), FilesError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    std::fs::write(&new, contents)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|source| FilesError::Write { path: path.to_path_buf(), source })
}

/// Writes `fig-ID.svg` and `fig-ID.png` of every figure that is drawn, over earlier ones; returns how many figures.
pub fn write_figures(directory: &Path, figures: &[Figure]) -> Result<usize, FilesError> {
    std::fs::create_dir_all(directory)
        .map_err(|source| FilesError::Write { path: directory.to_path_buf(), source })?;
    let mut count = 0;
    for picture in figures.iter().flat_map(|f| &f.panels).filter_map(|panel| panel.drawing.as_ref().ok()) {
        write_picture(directory, picture)?;
        count += 1;
    }
    Ok(count)
}

/// Writes a picture as `ID.svg` and `ID.png`, over earlier ones.
pub fn write_picture(directory: &Path, picture: &Picture) -> Result<(), FilesError> {
    let id = picture.id();
    write(&directory.join(format!("{id}.svg")), picture.file().as_bytes())?;
    let png = raster::png(&picture.to_rasterise(), PIXELS)
        .map_err(|source| FilesError::Png { id: id.to_string(), source })?;
    write(&directory.join(format!("{id}.png")), &png)
}
