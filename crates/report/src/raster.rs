//! PNG files from SVG, without any program or font of the system.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// The family that the fonts in `fonts/` give: a subset (Latin, Greek, signs of formulae) of DejaVu Sans.
pub const FONT: &str = "DejaVu Sans";

/// Why a picture has no PNG file.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// The SVG cannot be read.
    #[error("the figure is no valid SVG: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// It is too large, or empty.
    #[error("a picture of {width} x {height} pixels cannot be made; choose a smaller scale")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The PNG cannot be encoded.
    #[error("the picture cannot be written as PNG: {0}")]
    Encoding(String),
}

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    FONTS
        .get_or_init(|| {
            let mut fonts = fontdb::Database::new();
            fonts.load_font_data(include_bytes!("../fonts/DejaVuSans.ttf").to_vec());
            fonts.load_font_data(include_bytes!("../fonts/DejaVuSans-Oblique.ttf").to_vec());
            Arc::new(fonts)
        })
        .clone()
}

/// The bytes of a PNG file, `scale` pixels a unit of the SVG.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, RasterError> {
    let options = Options { fontdb: fonts(), font_family: FONT.to_string(), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size();
    let (width, height) = ((size.width() * scale).round() as u32, (size.height() * scale).round() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or(RasterError::Size { width, height })?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| RasterError::Encoding(error.to_string()))
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::Pixmap;

    use crate::chart::{Axis, Chart, Dash, Picture};
    use crate::style::Ink;

    #[test]
    fn text_and_colours_reach_the_pixels() {
        let axis = || Axis::linear("*q* (Å^{−1})", 0.0, 1.0);
        let empty = Picture::of("a", "", &Chart::new(Axis::linear("", 0.0, 1.0), Axis::linear("", 0.0, 1.0)));
        let chart = Chart::new(axis(), axis()).line([(0.0, 0.0), (1.0, 1.0)], Ink::Blue, Dash::Solid);
        let picture = Picture::of("b", "Figure", &chart);
        let pixels = |picture: &Picture| {
            Pixmap::decode_png(&super::png(&picture.to_rasterise(), 2.0).unwrap()).unwrap()
        };
        let blue = |map: &Pixmap| {
            map.pixels().iter().filter(|p| (p.red(), p.green(), p.blue()) == (0, 0x72, 0xb2)).count()
        };
        // #24292f, the colour of text and axes.
        let dark = |map: &Pixmap| {
            map.pixels().iter().filter(|p| p.red() < 60 && p.green() < 60 && p.blue() < 60).count()
        };
        if let Some(folder) = std::env::var_os("VITRION_PICTURES") {
            std::fs::write(
                std::path::Path::new(&folder).join("raster.png"),
                super::png(&picture.to_rasterise(), 2.0).unwrap(),
            )
            .unwrap();
        }
        let (empty, full) = (pixels(&empty), pixels(&picture));
        assert_eq!(full.width(), 744);
        assert_eq!(blue(&empty), 0);
        assert!(blue(&full) > 500, "{}", blue(&full));
        assert!(
            dark(&full) > dark(&empty) + 300,
            "labels are drawn: {} against {}",
            dark(&full),
            dark(&empty)
        );
    }
}
