//! What the particles of a trajectory are: the same in all frames and all replicas.

/// Species, molecules and centres.
#[derive(Clone, Debug, PartialEq)]
pub struct Particles {
    /// Names of the species.
    pub names: Vec<String>,
    /// Per atom: index into `names`.
    pub species: Vec<usize>,
    /// Per atom: its molecule, from 0; none where the trajectory does not say.
    pub molecules: Option<Vec<usize>>,
    /// Per atom: mass (u); none where nobody says.
    pub masses: Option<Vec<f64>>,
    /// Per centre: its atom. A molecule moves as its centre does: N of a nitrate, the ion itself for K and Ca.
    pub centres: Vec<usize>,
}

impl Particles {
    /// The centre of a molecule is its first atom of a species that occurs once in it (N of a nitrate, O of water), else its
    /// first atom. Without molecules, every atom is a centre.
    pub fn new(names: Vec<String>, species: Vec<usize>, molecules: Option<Vec<usize>>) -> Self {
        let centres = match &molecules {
            None => (0..species.len()).collect(),
            Some(molecules) => central_atoms(&species, molecules),
        };
        Self { names, species, molecules, masses: None, centres }
    }

    /// With the masses of the atoms (u).
    #[must_use]
    pub fn with_masses(self, masses: Vec<f64>) -> Self {
        Self { masses: Some(masses), ..self }
    }

    /// Per centre: index into `names`.
    pub fn centre_species(&self) -> Vec<usize> {
        self.centres.iter().map(|&atom| self.species[atom]).collect()
    }

    /// Atoms of each species.
    pub fn counts(&self) -> Vec<usize> {
        count(&self.species, self.names.len())
    }

    /// e.g. `504 N, 1512 O, 216 K, 144 Ca`.
    pub fn describe(&self) -> String {
        let counts = self.counts();
        let parts: Vec<String> =
            self.names.iter().zip(counts).map(|(name, n)| format!("{n} {name}")).collect();
        parts.join(", ")
    }
}

/// How many of `species` are 0, 1, ... below `kinds`.
pub fn count(species: &[usize], kinds: usize) -> Vec<usize> {
    let mut counts = vec![0; kinds];
    for &s in species {
        counts[s] += 1;
    }
    counts
}

fn central_atoms(species: &[usize], molecules: &[usize]) -> Vec<usize> {
    let n = molecules.iter().max().map_or(0, |last| last + 1);
    let mut atoms: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (atom, &molecule) in molecules.iter().enumerate() {
        atoms[molecule].push(atom);
    }
    let mut centres: Vec<usize> = atoms
        .iter()
        .filter_map(|atoms| {
            let alone = |a: &&usize| atoms.iter().filter(|b| species[**b] == species[**a]).count() == 1;
            atoms.iter().find(alone).or(atoms.first()).copied()
        })
        .collect();
    centres.sort_unstable();
    centres
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nitrogen_is_the_centre_of_a_nitrate_wherever_it_stands() {
        let names = ["N", "O", "K"].map(String::from).to_vec();
        let species = vec![1, 1, 0, 1, 2, 0, 1, 1, 1];
        let particles = Particles::new(names.clone(), species.clone(), Some(vec![0, 0, 0, 0, 1, 2, 2, 2, 2]));
        assert_eq!(particles.centres, [2, 4, 5]);
        assert_eq!(particles.centre_species(), [0, 2, 0]);
        assert_eq!(particles.describe(), "2 N, 6 O, 1 K");
        assert_eq!(Particles::new(names, species, None).centres, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn first_atom_is_the_centre_of_a_molecule_of_equal_atoms() {
        let particles = Particles::new(vec!["Cl".into()], vec![0; 4], Some(vec![1, 1, 0, 0]));
        assert_eq!(particles.centres, [0, 2]);
    }
}
