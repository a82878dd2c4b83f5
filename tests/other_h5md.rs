//! H5MD files of other programs through the program: understood, or refused with the place and the remedy; what is assumed is said.
//!
//! Each file is made here, with a trait of a public report: MDAnalysis #4561, #4598, #4722, #4320 (elements with intervals of their own,
//! no units, no species), ESPResSo #985 and #4480 (ids in any order), pyiron_atomistics #446 (species written again and again), votca/csg
//! #535 (nm and angstrom), matterviz #383 (boundary), the source of LAMMPS' `dump h5md` (`unwrap yes` beside `image`), and the H5MD
//! specification (doi:10.1016/j.cpc.2014.01.018).

#[path = "other_h5md/making.rs"]
mod making;
#[path = "other_h5md/moments.rs"]
mod moments;
#[path = "other_h5md/motion.rs"]
mod motion;
#[path = "other_h5md/particles.rs"]
mod particles;
