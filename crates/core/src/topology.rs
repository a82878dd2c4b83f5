//! What the system is made of: species, molecules, and the bodies that the integrator moves.

use glam::DVec3;
use serde::{Deserialize, Serialize};

/// A kind of atom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Species {
    /// Name, e.g. `Ca`.
    pub name: String,
    /// Mass (u), positive.
    pub mass: f64,
    /// Charge (e).
    pub charge: f64,
}

/// E = k (r - r0)^2, LAMMPS `bond_style harmonic` convention (no factor 1/2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bond {
    /// Atoms, as indices within the molecule.
    pub atoms: [usize; 2],
    /// Equilibrium length r0 (angstrom).
    pub length: f64,
    /// Force constant k (u A^2/ps^2 per A^2).
    pub constant: f64,
}

/// E = k (theta - theta0)^2 of the angle at the middle atom (no factor 1/2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Angle {
    /// Atoms, as indices within the molecule; the vertex in the middle.
    pub atoms: [usize; 3],
    /// theta0 (rad).
    pub angle: f64,
    /// k (u A^2/ps^2 per rad^2).
    pub constant: f64,
}

/// E = k chi^2, chi the angle between the planes (0, 1, 2) and (1, 2, 3): LAMMPS `improper_style harmonic`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Improper {
    /// Atoms, as indices within the molecule.
    pub atoms: [usize; 4],
    /// chi0 (rad), zero for a planar molecule.
    pub angle: f64,
    /// k (u A^2/ps^2 per rad^2).
    pub constant: f64,
}

/// How a molecule moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MoleculeModel {
    /// A single atom.
    Point,
    /// A rigid body.
    Rigid {
        /// Atom positions in the body frame (angstrom): centre of mass at the origin, principal axes along x, y, z.
        positions: Vec<DVec3>,
        /// Principal moments of inertia (u A^2), all positive (a linear body is refused by the loader).
        moments: DVec3,
    },
    /// Atoms bound by springs, each a body of its own.
    Flexible {
        /// Harmonic bonds.
        bonds: Vec<Bond>,
        /// Harmonic angles.
        angles: Vec<Angle>,
        /// Harmonic impropers.
        impropers: Vec<Improper>,
        /// Atom positions of the undistorted molecule (angstrom), centre of mass at the origin: for the builder.
        positions: Vec<DVec3>,
    },
}

/// A kind of molecule or ion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoleculeKind {
    /// Name, e.g. `nitrate`.
    pub name: String,
    /// Species index of each atom, in the order of the force-field file.
    pub species: Vec<usize>,
    /// The atom (index within the molecule) that stands for the molecule in observables: N of a nitrate.
    pub centre: usize,
    /// How it moves.
    pub model: MoleculeModel,
}

/// One molecule: atoms `first_atom ..` in the order of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Molecule {
    /// Index into [`Topology::kinds`].
    pub kind: usize,
    /// Index of its first atom.
    pub first_atom: usize,
}

/// What the integrator moves as one: a rigid molecule, an ion, or one atom of a flexible molecule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Index of its first atom; its atoms are contiguous.
    pub first_atom: usize,
    /// Number of atoms; above 1 only for rigid molecules.
    pub n_atoms: usize,
    /// Total mass (u).
    pub mass: f64,
    /// For a rigid molecule, its kind.
    pub rigid_kind: Option<usize>,
}

/// Composition and connectivity: the same for all replicas, immutable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Kinds of atoms.
    pub species: Vec<Species>,
    /// Kinds of molecules.
    pub kinds: Vec<MoleculeKind>,
    /// All molecules; their atoms follow one another without gaps.
    pub molecules: Vec<Molecule>,
    /// Per atom: index into `species`.
    pub atom_species: Vec<usize>,
    /// Per atom: index into `molecules`. Atoms of one molecule exclude each other (their images do not).
    pub atom_molecule: Vec<usize>,
    /// What the integrator moves.
    pub bodies: Vec<Body>,
}

impl Topology {
    /// Lays out `molecules` (indices into `kinds`) one after the other.
    pub fn new(species: Vec<Species>, kinds: Vec<MoleculeKind>, molecule_kinds: &[usize]) -> Self {
        let mut topology = Self {
            species,
            kinds,
            molecules: Vec::with_capacity(molecule_kinds.len()),
            atom_species: Vec::new(),
            atom_molecule: Vec::new(),
            bodies: Vec::new(),
        };
        for (index, &kind) in molecule_kinds.iter().enumerate() {
            let first_atom = topology.atom_species.len();
            let description = &topology.kinds[kind];
            topology.molecules.push(Molecule { kind, first_atom });
            let mass = |s: usize| topology.species[s].mass;
            if let MoleculeModel::Rigid { .. } = description.model {
                topology.bodies.push(Body {
                    first_atom,
                    n_atoms: description.species.len(),
                    mass: description.species.iter().map(|&s| mass(s)).sum(),
                    rigid_kind: Some(kind),
                });
            } else {
                topology.bodies.extend(description.species.iter().enumerate().map(|(i, &s)| Body {
                    first_atom: first_atom + i,
                    n_atoms: 1,
                    mass: mass(s),
                    rigid_kind: None,
                }));
            }
            topology.atom_species.extend_from_slice(&description.species);
            topology.atom_molecule.extend(std::iter::repeat_n(index, description.species.len()));
        }
        topology
    }

    /// Number of atoms in one replica.
    pub fn n_atoms(&self) -> usize {
        self.atom_species.len()
    }

    /// Number of bodies in one replica.
    pub fn n_bodies(&self) -> usize {
        self.bodies.len()
    }

    /// Number of rigid bodies in one replica.
    pub fn n_rigid(&self) -> usize {
        self.bodies.iter().filter(|b| b.rigid_kind.is_some()).count()
    }

    /// Charge of each atom (e).
    pub fn charges(&self) -> Vec<f64> {
        self.atom_species.iter().map(|&s| self.species[s].charge).collect()
    }

    /// Mass of each atom (u).
    pub fn masses(&self) -> Vec<f64> {
        self.atom_species.iter().map(|&s| self.species[s].mass).collect()
    }

    /// Total mass of one replica (u).
    pub fn total_mass(&self) -> f64 {
        self.bodies.iter().map(|b| b.mass).sum()
    }

    /// Atom index of each molecule's centre (N, K, Ca): the particles of all observables.
    pub fn centre_atoms(&self) -> Vec<usize> {
        self.molecules.iter().map(|m| m.first_atom + self.kinds[m.kind].centre).collect()
    }

    /// Translational degrees of freedom: 3 per body less 3 for the centre of mass.
    pub fn translational_degrees_of_freedom(&self) -> f64 {
        (3 * self.n_bodies()) as f64 - 3.0
    }

    /// Rotational degrees of freedom: 3 per rigid body.
    pub fn rotational_degrees_of_freedom(&self) -> f64 {
        (3 * self.n_rigid()) as f64
    }

    /// Body-frame atom positions and principal moments of a rigid body.
    pub fn rigid_shape(&self, body: &Body) -> Option<(&[DVec3], DVec3)> {
        match &self.kinds[body.rigid_kind?].model {
            MoleculeModel::Rigid { positions, moments } => Some((positions, *moments)),
            _ => None,
        }
    }
}
