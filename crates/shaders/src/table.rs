//! The tables that the shaders read: everything about a system that does not change, in one array of words.

/// Words of a body's entry: first atom, number of atoms, kind, mass.
pub const BODY_WORDS: usize = 4;
/// Words of a pair's entry.
pub const PAIR_WORDS: usize = 12;
/// Words of a kind's entry before the atom positions: flexible, place of the bonded terms, moments, inverse moments.
const KIND_HEADER: usize = 8;

/// Words of a kind's entry.
pub fn kind_words(largest_molecule: usize) -> usize {
    KIND_HEADER + 3 * largest_molecule
}

/// A table. The shaders have its first word as a constant called [`Table::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// First atom, number of atoms, kind, body of the centre atom.
    Molecules,
    /// Entries of [`BODY_WORDS`].
    Bodies,
    /// Species of each atom.
    AtomSpecies,
    /// Charge of each atom.
    AtomCharges,
    /// Entries of [`PAIR_WORDS`], one for two species.
    Pairs,
    /// Moduli of the splines along a, b or c.
    Moduli(Axis),
    /// Twiddle factors of the Fourier transforms along a, b or c.
    Twiddles(Axis),
    /// Entries of [`kind_words`], then the bonded terms.
    Kinds,
}

/// An axis of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Along a.
    X,
    /// Along b.
    Y,
    /// Along c.
    Z,
}

impl Axis {
    /// All.
    pub const ALL: [Self; 3] = [Self::X, Self::Y, Self::Z];
}

impl Table {
    /// All.
    pub const ALL: [Self; 12] = [
        Self::Molecules,
        Self::Bodies,
        Self::AtomSpecies,
        Self::AtomCharges,
        Self::Pairs,
        Self::Moduli(Axis::X),
        Self::Twiddles(Axis::X),
        Self::Moduli(Axis::Y),
        Self::Twiddles(Axis::Y),
        Self::Moduli(Axis::Z),
        Self::Twiddles(Axis::Z),
        Self::Kinds,
    ];

    /// Name of the constant in the shaders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Molecules => "MOLECULES",
            Self::Bodies => "BODIES",
            Self::AtomSpecies => "ATOM_SPECIES",
            Self::AtomCharges => "ATOM_CHARGES",
            Self::Pairs => "PAIRS",
            Self::Moduli(Axis::X) => "MODULI_X",
            Self::Moduli(Axis::Y) => "MODULI_Y",
            Self::Moduli(Axis::Z) => "MODULI_Z",
            Self::Twiddles(Axis::X) => "TWIDDLES_X",
            Self::Twiddles(Axis::Y) => "TWIDDLES_Y",
            Self::Twiddles(Axis::Z) => "TWIDDLES_Z",
            Self::Kinds => "KINDS",
        }
    }
}
