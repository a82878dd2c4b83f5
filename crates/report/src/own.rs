//! Which files are this program's: only those are replaced.
//!
//! Pages and figures carry a mark; tables are known by their first line, a PNG by the SVG of the same name beside it. An empty file is nobody's
//! loss.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::FilesError;

/// In the head of every page.
pub(crate) const PAGE_MARK: &str = "<meta name=\"generator\" content=\"Vitrion\">";
/// In every figure.
pub(crate) const FIGURE_MARK: &str = "<!-- drawn by Vitrion -->";
/// What pages and figures of earlier versions have.
const EARLIER: [&str; 2] =
    ["<th>version</th><td>Vitrion ", "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>"];
/// How tables that this crate and `vitrion plot` and `fit` write begin.
const TABLES: [&str; 3] =
    ["r_angstrom,g_", "species,t_ps,msd_angstrom2,", "quantity,function,species_or_weighting,"];

/// Refuses to replace what is not this program's, naming all such files.
pub fn check(paths: &[PathBuf]) -> Result<(), FilesError> {
    let foreign: Vec<PathBuf> = paths.iter().filter(|path| !may_be_replaced(path)).cloned().collect();
    if foreign.is_empty() { Ok(()) } else { Err(FilesError::Foreign { paths: foreign }) }
}

/// Whether nothing is lost if a file is replaced: it does not exist, is empty, no file (a device), or of this program.
fn may_be_replaced(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => is_own(path),
        _ => true,
    }
}

fn is_own(path: &Path) -> bool {
    let text =
        || fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let marked = |text: &str| [PAGE_MARK, FIGURE_MARK].iter().chain(&EARLIER).any(|mark| text.contains(mark));
    match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => TABLES.iter().any(|beginning| text().starts_with(beginning)),
        Some("png") => {
            let drawing = path.with_extension("svg");
            drawing.exists() && is_own(&drawing)
        }
        _ => marked(&text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Axis, Chart, Picture};

    #[test]
    fn own_files_are_told_from_others_by_their_contents() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, contents: &str| {
            let path = directory.path().join(name);
            fs::write(&path, contents).unwrap();
            path
        };
        let chart = Chart::new(Axis::linear("x", 0.0, 1.0), Axis::linear("y", 0.0, 1.0));
        let figure = at("a.svg", &Picture::of("a", "t", &chart).file());
        let own = [
            at("a.html", &crate::page::document("t", "", "")),
            figure,
            at("a.png", "png"),
            at("a.csv", "r_angstrom,g_N-N,error_N-N\n"),
            at("empty.svg", ""),
            directory.path().join("not-there.html"),
            PathBuf::from("/dev/null"),
        ];
        assert!(check(&own).is_ok());
        let foreign = [
            at("b.html", "<html>my talk</html>"),
            at("b.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
            at("b.png", "png"),
            at("b.csv", "r,g\n"),
        ];
        for path in &foreign {
            let words = check(std::slice::from_ref(path)).unwrap_err().to_string();
            assert!(words.contains(&path.display().to_string()) && words.contains("--out"), "{words}");
        }
    }
}
