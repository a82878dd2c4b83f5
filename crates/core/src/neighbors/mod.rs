//! Which atoms are near which.

pub mod all_images;
