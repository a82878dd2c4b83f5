//! Numbers and names that belong to particles for the whole of a trajectory: species, mass, charge, molecule.
//!
//! Such an element may be fixed (a dataset) or written again and again; then it must say the same at all moments.

use hdf5::Dataset;
use hdf5::types::TypeDescriptor;

use super::elements::{texts_in, texts_of};
use super::identity::Identity;
use super::source::Element;
use super::{SpeciesTable, reason};

/// What an element says of the rows of a frame.
#[derive(Clone, Debug)]
pub(super) enum Labels {
    Numbers(Vec<f64>),
    Words(Vec<String>),
}

impl Labels {
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Words(words) => words.len(),
        }
    }

    pub fn show(&self, at: usize) -> String {
        match self {
            Self::Numbers(numbers) => numbers[at].to_string(),
            Self::Words(words) => words[at].clone(),
        }
    }

    pub fn same(&self, a: usize, b: usize) -> bool {
        match self {
            Self::Numbers(numbers) => same_number(numbers[a], numbers[b]),
            Self::Words(words) => words[a] == words[b],
        }
    }

    /// Whether another row says the same of everything.
    fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_number(*a, *b))
            }
            (Self::Words(a), Self::Words(b)) => a == b,
            _ => false,
        }
    }

    fn in_order(self, order: &[usize]) -> Self {
        match self {
            Self::Numbers(numbers) => Self::Numbers(order.iter().map(|i| numbers[*i]).collect()),
            Self::Words(words) => Self::Words(order.iter().map(|i| words[*i].clone()).collect()),
        }
    }
}

/// A mass that is no number is so at all moments.
fn same_number(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

/// One row of an element, in the order of the file.
pub(super) fn labels(element: &Element, row: usize) -> Result<Labels, String> {
    if is_text(&element.value) {
        let rows = element.series.then_some(row..row + 1);
        return texts_in(&element.value, rows)
            .map(Labels::Words)
            .ok_or("its text cannot be read".to_string());
    }
    element.numbers(row).map(Labels::Numbers).map_err(|e| reason(&e))
}

fn is_text(dataset: &Dataset) -> bool {
    use TypeDescriptor as T;
    let kind = dataset.dtype().and_then(|d| d.to_descriptor());
    matches!(kind, Ok(T::FixedAscii(_) | T::FixedUnicode(_) | T::VarLenAscii | T::VarLenUnicode))
}

/// How the rows of fixed elements are told where ids change from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FixedOrder {
    /// Row k is row k of the first frame (and, as far as can be seen, of every frame).
    Rows,
    /// Row k is the particle with the k-th smallest id.
    Rank,
}

/// What an element says of each particle, in the order of the ids.
pub(super) fn of_particles(
    element: &Element,
    identity: Option<&Identity>,
    fixed: FixedOrder,
) -> Result<Labels, String> {
    let first = labels(element, 0)?;
    let Some(identity) = identity else {
        for row in 1..if element.series { element.rows } else { 1 } {
            unchanged(&first, &labels(element, row)?, None, element, row)?;
        }
        return Ok(first);
    };
    if !element.series {
        if fixed == FixedOrder::Rank {
            if first.len() != identity.ids.len() {
                return Err(format!(
                    "it is of {} particles, and `id` has {} in an order that changes: nobody knows which is which",
                    first.len(),
                    identity.ids.len()
                ));
            }
            return Ok(first);
        }
        fits(&first, identity)?;
        return Ok(first.in_order(&identity.order(0)?));
    }
    let rows = identity.rows_for(element)?;
    let mut found: Option<Labels> = None;
    for row in 0..element.rows {
        let now = labels(element, row)?;
        fits(&now, identity)?;
        let now = now.in_order(&identity.order_in(&rows, row).map_err(|e| format!("row {row}: {e}"))?);
        match &found {
            None => found = Some(now),
            Some(first) => unchanged(first, &now, Some(&identity.ids), element, row)?,
        }
    }
    found.ok_or("it holds no row".to_string())
}

fn fits(labels: &Labels, identity: &Identity) -> Result<(), String> {
    if labels.len() == identity.places {
        return Ok(());
    }
    Err(format!("it is of {} particles, `id` of {}", labels.len(), identity.places))
}

fn unchanged(
    first: &Labels,
    now: &Labels,
    ids: Option<&[i64]>,
    element: &Element,
    row: usize,
) -> Result<(), String> {
    if first.agrees(now) {
        return Ok(());
    }
    let particle = (0..first.len().min(now.len())).find(|i| first.show(*i) != now.show(*i)).unwrap_or(0);
    let step = match &element.moments.steps {
        Some(steps) => format!(" (step {})", steps.at(row)),
        None => String::new(),
    };
    let name =
        ids.map_or(format!("particle {particle}"), |ids| format!("the particle with id {}", ids[particle]));
    Err(format!(
        "{name} is {} at first and {} in row {row}{step}: what changes in time cannot be analysed",
        first.show(particle),
        now.show(particle)
    ))
}

/// Species with their names: of an enumerated type, of the attribute `names`, else the number itself.
pub(super) fn table_of(labels: Labels, dataset: &Dataset) -> Result<SpeciesTable, String> {
    let numbers = match labels {
        Labels::Words(words) => {
            let mut names = words.clone();
            names.sort();
            names.dedup();
            let indices = words.iter().map(|w| names.partition_point(|n| n < w)).collect();
            return Ok(SpeciesTable { indices, names });
        }
        Labels::Numbers(numbers) => numbers,
    };
    // A species that is no whole number is none.
    if let Some(odd) = numbers.iter().find(|x| x.fract() != 0.0 || x.abs() > 2f64.powi(53)) {
        return Err(format!("{odd} is no species: whole numbers, words or an enumerated type are"));
    }
    let numbers: Vec<i64> = numbers.iter().map(|x| *x as i64).collect();
    let mut kinds = numbers.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let names = dataset.attr("names").ok().and_then(|a| texts_of(&a)).unwrap_or_default();
    let members = enumeration(dataset);
    let name = |k: &i64| {
        let member = members.iter().find(|(value, _)| value == k).map(|(_, name)| name);
        let named = member.or_else(|| usize::try_from(*k).ok().and_then(|k| names.get(k)));
        named.map_or(k.to_string(), ToString::to_string)
    };
    Ok(SpeciesTable {
        indices: numbers.iter().map(|n| kinds.partition_point(|k| k < n)).collect(),
        names: kinds.iter().map(name).collect(),
    })
}

/// The numbers and names of an enumerated type.
fn enumeration(dataset: &Dataset) -> Vec<(i64, String)> {
    let Ok(TypeDescriptor::Enum(kind)) = dataset.dtype().and_then(|d| d.to_descriptor()) else {
        return Vec::new();
    };
    let bits = 64 - 8 * kind.size as u32;
    // Values come in the lowest bytes; a negative one has its sign in the highest bit of its own type.
    let value = |raw: u64| {
        let high = raw << bits;
        if kind.signed { high.cast_signed() >> bits } else { (high >> bits).cast_signed() }
    };
    kind.members.iter().map(|m| (value(m.value), m.name.clone())).collect()
}
