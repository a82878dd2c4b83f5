//! Columns of `Atoms` by atom style: LAMMPS' documentation of `read_data`, section Atoms
//! (<https://docs.lammps.org/read_data.html>). Styles whose columns differ between its releases (`template`, `dielectric`) are
//! left out.

use super::Problem;
use super::atom_types::AtomTypes;
use super::sections::{Line, Section};
use crate::echo::echo;

/// Names of a style and its columns; `...` for any number of them. Image flags may follow.
const STYLES: [(&str, &str); 22] = [
    ("atomic", "id type x y z"),
    ("charge", "id type q x y z"),
    ("molecular", "id molecule type x y z"),
    ("full", "id molecule type q x y z"),
    ("dipole", "id type q x y z mux muy muz"),
    ("sphere", "id type diameter density x y z"),
    ("ellipsoid", "id type ellipsoidflag density x y z"),
    ("bond", "id molecule type x y z"),
    ("angle", "id molecule type x y z"),
    ("body", "id type bodyflag mass x y z"),
    ("bpm/sphere", "id molecule type diameter density x y z"),
    ("dpd", "id type theta x y z"),
    ("edpd", "id type edpd_temp edpd_cv x y z"),
    ("mdpd", "id type rho x y z"),
    ("tdpd", "id type x y z ..."),
    ("electron", "id type q espin eradius x y z"),
    ("line", "id molecule type lineflag density x y z"),
    ("tri", "id molecule type triangleflag density x y z"),
    ("peri", "id type volume density x y z"),
    ("smd", "id type molecule volume mass kradius cradius x0 y0 z0 x y z"),
    ("sph", "id type rho esph cv x y z"),
    ("spin", "id type x y z spx spy spz sp"),
];
/// Other styles of LAMMPS, whose columns are not to be guessed.
const OTHER_STYLES: [&str; 8] =
    ["amoeba", "apip", "dielectric", "mesont", "rheo", "rheo/thermal", "template", "wavepacket"];
/// Styles that are guessed where a file names none, those without a mass of each atom and those with one.
const GUESSED: ([&str; 5], [&str; 2]) =
    (["full", "molecular", "charge", "atomic", "dipole"], ["sphere", "ellipsoid"]);

/// Where the columns of a line are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    columns: Vec<&'static str>,
    open: bool,
}

impl Layout {
    fn new(columns: &'static str) -> Self {
        let mut columns: Vec<&str> = columns.split(' ').collect();
        let open = columns.last() == Some(&"...");
        columns.retain(|column| *column != "...");
        Self { columns, open }
    }

    fn of(style: &str) -> Option<Self> {
        STYLES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(style))
            .map(|(_, columns)| Self::new(columns))
    }

    /// `hybrid`: columns that all styles have, then those of each sub-style that are not there yet. Not known from the first
    /// sub-style on that is not known here.
    fn hybrid<'a>(styles: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Self::new("id type x y z");
        let mut named = false;
        for style in styles {
            named = true;
            let Some(own) = Self::of(style) else {
                all.open = true;
                return all;
            };
            for column in own.columns {
                if !all.columns.contains(&column) {
                    all.columns.push(column);
                }
            }
            all.open |= own.open;
        }
        all.open |= !named;
        all
    }

    /// Place of a column.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| *c == column)
    }

    /// Whether a line has as many columns.
    pub fn has_length_of(&self, line: &Line) -> bool {
        let (n, own) = (line.words.len(), self.columns.len());
        n == own || n == own + 3 || (self.open && n > own)
    }

    /// `id type x y z [ix iy iz]`.
    pub fn describe(&self) -> String {
        format!("{}{} [ix iy iz]", self.columns.join(" "), if self.open { " ..." } else { "" })
    }

    /// Whether a line can be read so: ids are whole numbers, and its type is known.
    fn fits(&self, line: &Line, types: Option<&AtomTypes>) -> bool {
        let word = |column: &str| self.place(column).and_then(|at| line.words.get(at));
        let whole = |word: &&str| word.parse::<u64>().is_ok();
        let known = |word: &&str| match types {
            Some(types) => types.find(word).is_some(),
            None => word.parse::<u64>().map_or(word.parse::<f64>().is_err(), |number| number > 0),
        };
        self.has_length_of(line)
            && word("id").is_some_and(whole)
            && word("molecule").is_none_or(whole)
            && word("type").is_some_and(known)
    }
}

/// Columns of a section `Atoms`, for readers that need ids, types and molecules. `types` are those that have masses. What is
/// assumed is added to `notes`.
pub(super) fn layout(
    section: &Section,
    types: Option<&AtomTypes>,
    notes: &mut Vec<String>,
) -> Result<Layout, Problem> {
    let mut words = section.comment.split_whitespace().map(plain);
    let Some(style) = words.next() else { return guess(section, types, notes) };
    if style.eq_ignore_ascii_case("hybrid") {
        let layout = Layout::hybrid(words);
        if layout.open && layout.place("molecule").is_none() {
            notes.push(format!(
                "topology: `Atoms # {}` does not say where molecule ids are: none are read",
                echo(section.comment)
            ));
        }
        return Ok(layout);
    }
    if let Some(layout) = Layout::of(style) {
        return Ok(layout);
    }
    let unknown = || {
        let known: Vec<&str> = STYLES.iter().map(|(name, _)| *name).collect();
        Problem::at(
            section.line,
            format!("the columns of atom_style {} are not known", echo(style)),
            format!("known are {}, hybrid; LAMMPS: atom_style full, write_data", known.join(", ")),
        )
    };
    // Any other comment may stand there too.
    if OTHER_STYLES.iter().any(|name| name.eq_ignore_ascii_case(style)) {
        return Err(unknown());
    }
    guess(section, types, notes).map_err(|_| unknown())
}

/// A style without the name of the package that accelerates it.
fn plain(style: &str) -> &str {
    match style.rsplit_once('/') {
        Some((style, "kk" | "omp" | "gpu" | "intel" | "opt")) => style,
        _ => style,
    }
}

/// The one layout that all lines can have.
fn guess(section: &Section, types: Option<&AtomTypes>, notes: &mut Vec<String>) -> Result<Layout, Problem> {
    // LAMMPS has no `Masses` where each atom has its own.
    let own_mass: &[&str] = if types.is_some() { &[] } else { &GUESSED.1 };
    let mut candidates: Vec<(&str, Layout)> = Vec::new();
    for style in GUESSED.0.into_iter().chain(own_mass.iter().copied()) {
        let Some(layout) = Layout::of(style) else { continue };
        let charged = |line: &Line| {
            let q =
                layout.place("q").and_then(|at| line.words.get(at)).and_then(|word| word.parse::<f64>().ok());
            q.is_some_and(|q| q > 0.0)
        };
        // Charges that are all positive are molecule ids or types.
        let no_charges = style != "full" && section.lines.iter().all(charged);
        if !no_charges && section.lines.iter().all(|line| layout.fits(line, types)) {
            candidates.push((style, layout));
        }
    }
    let reading = |layout: &Layout| (layout.place("type"), layout.place("molecule"));
    let Some((style, layout)) = candidates.first().cloned() else {
        let example = section.lines.first().map_or_else(String::new, |line| echo(&line.words.join(" ")));
        return Err(Problem::at(
            section.line,
            format!(
                "`Atoms` names no atom style, and lines as `{example}` are those of none of {}",
                GUESSED.0.join(", ")
            ),
            "name the style, e.g. `Atoms # full`",
        ));
    };
    if candidates.iter().any(|(_, other)| reading(other) != reading(&layout)) {
        let names: Vec<&str> = candidates.iter().map(|(name, _)| *name).collect();
        return Err(Problem::at(
            section.line,
            format!("`Atoms` names no atom style, and its lines could be those of {}", names.join(" or ")),
            "name the style, e.g. `Atoms # full`",
        ));
    }
    let comment = match section.comment {
        "" => String::new(),
        comment => format!(" # {}", echo(comment)),
    };
    notes.push(format!(
        "topology: `Atoms{comment}` names no atom style; read as {style} ({})",
        layout.describe()
    ));
    Ok(layout)
}
