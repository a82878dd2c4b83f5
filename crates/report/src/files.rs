//! The report's files: the page, and every figure as SVG and PNG.

use std::path::{Path, PathBuf};

use vitrion_trajectory::new_file::NewFile;

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
    /// Files of somebody else are where files would be written.
    #[error(
        "{}: not written by this program, and would be replaced; move {} away, or choose another place with --out",
        names(paths),
        if paths.len() == 1 { "it" } else { "them" }
    )]
    Foreign {
        /// The files.
        paths: Vec<PathBuf>,
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

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Writes a file beside its place, then renames it: a report is there as a whole or not at all. A device is written to.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), FilesError> {
    let failed = |source| FilesError::Write { path: path.to_path_buf(), source };
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        return std::fs::write(path, contents).map_err(failed);
    }
    let new = NewFile::over(path).map_err(failed)?;
    std::fs::write(new.beside(), contents).and_then(|()| new.settle()).map_err(failed)
}

/// The files that [`write_figures`] writes.
pub fn figure_paths(directory: &Path, figures: &[Figure]) -> Vec<PathBuf> {
    let drawn = figures.iter().flat_map(|f| &f.panels).filter_map(|panel| panel.drawing.as_ref().ok());
    drawn
        .flat_map(|picture| ["svg", "png"].map(|e| directory.join(format!("{}.{e}", picture.id()))))
        .collect()
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
