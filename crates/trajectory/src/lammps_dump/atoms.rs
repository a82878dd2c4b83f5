//! `ITEM: ATOMS`: the columns of a frame's atoms.

use glam::DVec3;

use super::LARGEST;
use super::bounds::Bounds;
use super::index::Fault;
use crate::echo::echo;

/// What atoms are called: names and, for each atom, which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Each once: numbers in their order, then other names in the order of the alphabet.
    pub names: Vec<String>,
    /// Per atom: index into `names`.
    pub of: Vec<usize>,
}

impl Labels {
    /// What an atom is called.
    pub fn name(&self, atom: usize) -> &str {
        &self.names[self.of[atom]]
    }

    fn sorted(names: &[&str], of: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|&i| (names[i].parse::<u64>().unwrap_or(u64::MAX), names[i]));
        let mut place = vec![0; names.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        Self {
            names: order.iter().map(|&i| names[i].to_string()).collect(),
            of: of.iter().map(|&i| place[i]).collect(),
        }
    }

    fn ordered(self, order: &[usize]) -> Self {
        Self { of: in_order(&self.of, order), ..self }
    }
}

/// Atoms in the order of their ids, in the dump's own units.
pub(super) struct Atoms {
    pub has_ids: bool,
    pub ids: Vec<u64>,
    pub positions: Vec<DVec3>,
    pub images: Option<Vec<DVec3>>,
    pub unwrapped: bool,
    pub types: Option<Labels>,
    pub elements: Option<Labels>,
    pub molecules: Option<Vec<u64>>,
    pub masses: Option<Vec<f64>>,
}

/// Which columns hold what.
struct Columns {
    number: usize,
    id: Option<usize>,
    place: [usize; 3],
    /// Whether positions are multiples of the edges.
    fractional: bool,
    unwrapped: bool,
    images: Option<[usize; 3]>,
    kind: Option<usize>,
    element: Option<usize>,
    molecule: Option<usize>,
    mass: Option<usize>,
}

impl Columns {
    /// Unwrapped positions are preferred: `xu` before `xsu` before `x` before `xs`.
    fn named(names: &[&str]) -> Option<Self> {
        let column = |name: &str| names.iter().position(|n| *n == name);
        let triple = |a: &str, b: &str, c: &str| Some([column(a)?, column(b)?, column(c)?]);
        let (place, fractional, unwrapped) = if let Some(place) = triple("xu", "yu", "zu") {
            (place, false, true)
        } else if let Some(place) = triple("xsu", "ysu", "zsu") {
            (place, true, true)
        } else if let Some(place) = triple("x", "y", "z") {
            (place, false, false)
        } else {
            (triple("xs", "ys", "zs")?, true, false)
        };
        Some(Self {
            number: names.len(),
            id: column("id"),
            place,
            fractional,
            unwrapped,
            images: triple("ix", "iy", "iz").filter(|_| !unwrapped),
            kind: column("typelabel").or(column("type")),
            element: column("element"),
            molecule: column("mol"),
            mass: column("mass"),
        })
    }
}

/// Reads the lines below `ITEM: ATOMS NAMES`, the first of which is line `first` of the file. Blank lines are none.
pub(super) fn parse(
    names: &[&str],
    rows: &[&str],
    first: u64,
    bounds: &Bounds,
    scale: f64,
) -> Result<Atoms, Fault> {
    let columns = Columns::named(names).ok_or_else(|| {
        Fault::at(
            first - 1,
            format!("the columns `{}` hold no positions", echo(&names.join(" "))),
            "dump id, type and x y z (or xs, xu, xsu; with ix iy iz where atoms cross walls)",
        )
    })?;
    let n = rows.len();
    let mut ids = Vec::with_capacity(n);
    let mut positions = Vec::with_capacity(n);
    let mut images = columns.images.map(|_| Vec::with_capacity(n));
    let mut molecules = columns.molecule.map(|_| Vec::with_capacity(n));
    let mut masses = columns.mass.map(|_| Vec::with_capacity(n));
    let mut types = columns.kind.map(|_| (Vec::new(), Vec::with_capacity(n)));
    let mut elements = columns.element.map(|_| (Vec::new(), Vec::with_capacity(n)));
    let mut words: Vec<&str> = Vec::with_capacity(columns.number);
    for (number, (row, line)) in (1..).zip(rows.iter().zip(first..)) {
        if row.trim().is_empty() {
            continue;
        }
        words.clear();
        words.extend(row.split_whitespace());
        let row = Row { words: &words, text: row, line };
        row.fits(&columns)?;
        ids.push(columns.id.map_or(Ok(number), |i| row.whole(i, "atom id"))?);
        let position = row.vector(columns.place)?;
        let position =
            if columns.fractional { bounds.origin + bounds.cell.cartesian(position) } else { position };
        if position.abs().max_element() * scale > LARGEST {
            return Err(row.fault("a position beyond 100 m"));
        }
        positions.push(position);
        if let (Some(images), Some(columns)) = (&mut images, columns.images) {
            images.push(row.image(columns)?);
        }
        if let (Some(molecules), Some(i)) = (&mut molecules, columns.molecule) {
            molecules.push(row.whole(i, "molecule id")?);
        }
        if let (Some(masses), Some(i)) = (&mut masses, columns.mass) {
            masses.push(row.number(i)?);
        }
        for (labels, column) in [(&mut types, columns.kind), (&mut elements, columns.element)] {
            if let (Some((names, of)), Some(i)) = (labels, column) {
                of.push(place_of(words[i], names));
            }
        }
    }
    let labels =
        |found: Option<(Vec<&str>, Vec<usize>)>| found.map(|(names, of)| Labels::sorted(&names, &of));
    let atoms = Atoms {
        has_ids: columns.id.is_some(),
        ids,
        positions,
        images,
        unwrapped: columns.unwrapped,
        types: labels(types),
        elements: labels(elements),
        molecules,
        masses,
    };
    let atoms = atoms.by_id();
    match atoms.ids.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(atoms),
        Some(pair) => Err(Fault::at(
            first - 1,
            format!("atom id {} occurs twice", pair[0]),
            "every atom of a frame needs an id of its own (reset_atoms id)",
        )),
    }
}

/// Index of a name, which is added if it is new. There are few.
fn place_of<'a>(name: &'a str, names: &mut Vec<&'a str>) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

fn in_order<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().map(|&i| values[i]).collect()
}

impl Atoms {
    fn by_id(self) -> Self {
        if self.ids.is_sorted() {
            return self;
        }
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_by_key(|&i| self.ids[i]);
        Self {
            has_ids: self.has_ids,
            ids: in_order(&self.ids, &order),
            positions: in_order(&self.positions, &order),
            images: self.images.map(|v| in_order(&v, &order)),
            unwrapped: self.unwrapped,
            types: self.types.map(|v| v.ordered(&order)),
            elements: self.elements.map(|v| v.ordered(&order)),
            molecules: self.molecules.map(|v| in_order(&v, &order)),
            masses: self.masses.map(|v| in_order(&v, &order)),
        }
    }
}

/// One line.
struct Row<'a> {
    words: &'a [&'a str],
    text: &'a str,
    line: u64,
}

impl Row<'_> {
    fn fault(&self, found: impl std::fmt::Display) -> Fault {
        Fault::at(
            self.line,
            format!("{found}, in `{}`", echo(self.text)),
            "the file is damaged there, or its writer was stopped: leave this frame out or dump it again",
        )
    }

    fn fits(&self, columns: &Columns) -> Result<(), Fault> {
        if self.words.len() == columns.number {
            return Ok(());
        }
        Err(self.fault(format!("{} columns where `ITEM: ATOMS` names {}", self.words.len(), columns.number)))
    }

    fn number(&self, column: usize) -> Result<f64, Fault> {
        let word = self.words[column];
        let number = word.parse::<f64>().map_err(|_| self.fault(format!("`{}` is no number", echo(word))))?;
        if number.is_finite() {
            Ok(number)
        } else {
            Err(self.fault(format!("`{}` is not finite", echo(word))))
        }
    }

    fn vector(&self, [x, y, z]: [usize; 3]) -> Result<DVec3, Fault> {
        Ok(DVec3::new(self.number(x)?, self.number(y)?, self.number(z)?))
    }

    /// Counts of cells, as far as LAMMPS and H5MD can count.
    fn image(&self, columns: [usize; 3]) -> Result<DVec3, Fault> {
        let counts = self.vector(columns)?;
        if counts == counts.round() && counts.abs().max_element() <= f64::from(i32::MAX) {
            return Ok(counts);
        }
        Err(self.fault("images that are no counts of cells"))
    }

    fn whole(&self, column: usize, what: &str) -> Result<u64, Fault> {
        let word = self.words[column];
        word.parse().map_err(|_| self.fault(format!("`{}` is no {what}", echo(word))))
    }
}
