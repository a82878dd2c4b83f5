//! How the species of a data file are called.
//!
//! A label is a name, and so is a single word beside a mass. In a longer comment (`type 1 (K)`) the name is a word that is
//! the symbol of an element with this mass; else the mass names the type if it is that of one element, else its number does.
//! Types with one name and one mass are one species; with several masses they are several.

use super::atom_types::AtomType;
use super::elements::{Mass, element};
use crate::echo::echo;

/// Largest difference of the masses (u) of types that are one species under one name.
const SAME_MASS: f64 = 0.1;

/// Species of the types of a file.
pub(super) struct Species {
    /// Per species.
    pub names: Vec<String>,
    /// Per species: whether the file calls it so; else it is named by its mass or number.
    pub given: Vec<bool>,
    /// Per type: index into `names`.
    pub of_type: Vec<usize>,
}

/// Where a name comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    File,
    Mass,
    Number,
}

/// Name of a type.
struct Name {
    text: String,
    origin: Origin,
}

/// Names `types`, all of which atoms have, in their order. What is assumed is added to `notes`.
pub(super) fn species(types: &[&AtomType], notes: &mut Vec<String>) -> Species {
    let names: Vec<Name> = types.iter().map(|kind| name(kind)).collect();
    let mass = |i: usize| types[i].mass.as_ref().map_or(0.0, |(mass, _)| *mass);
    let mut found = Species { names: Vec::new(), given: Vec::new(), of_type: Vec::new() };
    // Per species: its first type.
    let mut first: Vec<usize> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let same = |&j: &usize| names[j].text == name.text && (mass(i) - mass(j)).abs() <= SAME_MASS;
        let at = first.iter().position(same).unwrap_or(first.len());
        if at == first.len() {
            first.push(i);
            found.names.push(name.text.clone());
            found.given.push(name.origin == Origin::File);
        }
        found.of_type.push(at);
    }
    for (at, &i) in first.iter().enumerate() {
        let members: Vec<&AtomType> =
            (0..types.len()).filter(|&k| found.of_type[k] == at).map(|k| types[k]).collect();
        if members.len() > 1 {
            notes.push(format!(
                "topology: {} are called {} and are one species",
                list(&members),
                echo(&names[i].text)
            ));
        }
    }
    tell_apart(types, &names, &first, &mut found, notes);
    say_origins(types, &names, notes);
    for (i, kind) in types.iter().enumerate() {
        say_contradiction(kind, &found.names[found.of_type[i]], notes);
    }
    found
}

/// Numbers names that species of different masses share.
fn tell_apart(
    types: &[&AtomType],
    names: &[Name],
    first: &[usize],
    found: &mut Species,
    notes: &mut Vec<String>,
) {
    for (at, &i) in first.iter().enumerate() {
        let twins: Vec<usize> = (0..first.len()).filter(|&k| names[first[k]].text == names[i].text).collect();
        if twins.len() < 2 || twins[0] != at {
            continue;
        }
        for &k in &twins {
            let mut name = format!("{}_{}", names[i].text, types[first[k]].number);
            while found.names.contains(&name) {
                name.push('_');
            }
            found.names[k] = name;
        }
        let own: Vec<String> = twins.iter().map(|&k| echo(&found.names[k])).collect();
        let members: Vec<&AtomType> = twins.iter().map(|&k| types[first[k]]).collect();
        notes.push(format!(
            "topology: {} are called {}, but have different masses: taken as {}",
            list(&members),
            echo(&names[i].text),
            own.join(", ")
        ));
    }
}

fn name(kind: &AtomType) -> Name {
    let mass = kind.mass.as_ref().map(|(value, text)| Mass::new(*value, text));
    let words: Vec<&str> = kind
        .comment
        .split(|c: char| c.is_whitespace() || ",;".contains(c))
        .map(bare)
        .filter(|w| !w.is_empty())
        .collect();
    let given = match (&kind.label, &words[..]) {
        (Some(label), _) => Some(label.as_str()),
        (None, [word]) => Some(*word),
        _ => None,
    };
    if let Some(text) = given {
        return Name { text: text.to_string(), origin: Origin::File };
    }
    if let Some(mass) = mass {
        let fitting = words.iter().find_map(|word| symbol_in(word).filter(|(_, weight)| mass.fits(*weight)));
        if let Some((symbol, _)) = fitting {
            return Name { text: symbol.to_string(), origin: Origin::File };
        }
        if let Some(symbol) = mass.element() {
            return Name { text: symbol.to_string(), origin: Origin::Mass };
        }
    }
    Name { text: kind.number.clone(), origin: Origin::Number }
}

/// Says of a type that its mass is not that of the element that it is called.
fn say_contradiction(kind: &AtomType, name: &str, notes: &mut Vec<String>) {
    let (Some((value, text)), Some((symbol, weight))) = (&kind.mass, element(name)) else { return };
    if symbol == name && !Mass::new(*value, text).fits(weight) {
        notes.push(format!(
            "topology: type {} is called {name} but has the mass {value} u, where {name} has {weight} u: an isotope, a united atom, \
             or a wrong name? Weights of X-rays and neutrons are those of {name}",
            echo(&kind.number)
        ));
    }
}

/// Says which names are not those of the file.
fn say_origins(types: &[&AtomType], names: &[Name], notes: &mut Vec<String>) {
    let of = |origin: Origin| -> Vec<&AtomType> {
        names.iter().zip(types).filter(|(name, _)| name.origin == origin).map(|(_, kind)| *kind).collect()
    };
    let texts = |origin: Origin| -> Vec<String> {
        let some = names.iter().filter(|name| name.origin == origin);
        some.map(|name| echo(&name.text)).collect()
    };
    let why = "no word beside their masses names an element with them";
    let by_mass = of(Origin::Mass);
    if !by_mass.is_empty() {
        notes.push(format!("topology: {} by mass: {} ({why})", list(&by_mass), some(&texts(Origin::Mass))));
    }
    let by_number: Vec<&AtomType> =
        of(Origin::Number).into_iter().filter(|kind| kind.mass.is_some()).collect();
    if !by_number.is_empty() {
        notes.push(format!("topology: {} are called by number ({why})", list(&by_number)));
    }
}

/// A word without the brackets, quotes and commas around it.
fn bare(word: &str) -> &str {
    let around = |c: char| "()[]{}<>\"'`,;:.=#".contains(c);
    word.trim_matches(around)
}

/// The element that a word such as `K`, `Ca2+` or `O2-` begins with and says nothing after but a charge.
fn symbol_in(word: &str) -> Option<(&'static str, f64)> {
    element(word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-'))
}

/// `types 2, 3`.
fn list(types: &[&AtomType]) -> String {
    let numbers: Vec<String> = types.iter().map(|kind| echo(&kind.number)).collect();
    format!("{} {}", if numbers.len() == 1 { "type" } else { "types" }, some(&numbers))
}

/// The first of many, separated by commas.
fn some(words: &[String]) -> String {
    const MOST: usize = 10;
    let more = if words.len() > MOST { format!(" and {} more", words.len() - MOST) } else { String::new() };
    format!("{}{more}", words[..words.len().min(MOST)].join(", "))
}
