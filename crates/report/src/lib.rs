//! Figures of a run and the page that shows them.
//!
//! [`chart`] draws, [`style`] colours, [`raster`] makes PNG files; [`figures`] has one file a figure, laid out like those of
//! M. Saito et al., Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536; [`page`] writes the HTML.

#![forbid(unsafe_code)]
// Text is put together from pieces; a report is written once, and its size is that of its numbers.
#![allow(clippy::format_collect, clippy::format_push_string)]

pub mod chart;
pub mod figures;
pub mod files;
pub mod own;
pub mod page;
pub mod panel;
pub mod paper;
pub mod quantity;
pub mod quick;
pub mod raster;
pub mod source;
pub mod style;
pub mod temperature_figure;
pub mod temperature_page;
