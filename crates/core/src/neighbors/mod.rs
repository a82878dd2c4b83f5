//! Which atoms are near which.

pub mod all_images;
pub mod molecule_list;
