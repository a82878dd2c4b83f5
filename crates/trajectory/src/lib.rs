//! Files of Vitrion: LAMMPS data in and out, LAMMPS dumps in, H5MD trajectories, checkpoints, extended XYZ.

pub mod checkpoint;
mod echo;
pub mod extended_xyz;
pub mod h5md;
pub mod lammps_data;
pub mod lammps_dump;
pub mod new_file;
pub mod rigid_fit;

#[cfg(test)]
mod test_support;
