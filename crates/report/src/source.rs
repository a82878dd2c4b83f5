//! What the figures are drawn from: the tables of `results.h5` and facts about the run.

use vitrion_analysis::observable::OBSERVABLES;
use vitrion_analysis::results::Results;
use vitrion_analysis::table::{Table, Values};

/// Facts about the run that its results do not hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its title.
    pub title: String,
    /// Stage that was analysed.
    pub stage: String,
    /// Mean temperature of that stage (K), where all replicas have the same.
    pub temperature: Option<f64>,
    /// Length of that stage (ps).
    pub duration: Option<f64>,
    /// Atoms of one replica.
    pub atoms: usize,
    /// Replicas.
    pub replicas: usize,
    /// Name and content of further rows of the provenance table: files, hashes, versions.
    pub provenance: Vec<(String, String)>,
}

/// Results and facts.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Tables.
    pub results: &'a Results,
    /// The run.
    pub facts: &'a Facts,
}

/// One point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Abscissa.
    pub x: f64,
    /// Value.
    pub y: f64,
    /// Standard error; none where it is unknown.
    pub error: Option<f64>,
}

/// Rows of a table.
#[derive(Clone)]
pub struct Rows<'a> {
    table: &'a Table,
    rows: Vec<usize>,
}

impl<'a> Source<'a> {
    /// All rows of a table, or, in words for the reader, why there are none.
    pub fn table(&self, name: &str) -> Result<Rows<'a>, String> {
        match self.results.table(name) {
            Some(table) if table.rows() > 0 => Ok(Rows { table, rows: (0..table.rows()).collect() }),
            Some(_) => Err(format!("The table {name} of the results has no rows.")),
            None => Err(self.why_missing(name)),
        }
    }

    /// The KWW fits of one function, or, in words for the reader, why there are none.
    pub fn fits(&self, function: &str) -> Result<Rows<'a>, String> {
        self.of_function("kww", function)
    }

    /// Rows of one function in tables that several observables add to.
    pub fn of_function(&self, name: &str, function: &str) -> Result<Rows<'a>, String> {
        let of_function = |table: &&Table| {
            table.texts("function").is_some_and(|functions| functions.iter().any(|f| f == function))
        };
        match self.results.tables(name).find(of_function) {
            Some(table) => Ok(Rows { table, rows: (0..table.rows()).collect() }.with("function", function)),
            None => Err(self.why_missing(function)),
        }
    }

    fn why_missing(&self, name: &str) -> String {
        let observable = OBSERVABLES
            .iter()
            .find(|entry| entry.name == name || entry.tables.contains(&name))
            .map_or(name, |e| e.name);
        let outcome = self.results.outcomes.iter().find(|outcome| outcome.name == observable);
        match outcome.map(|outcome| &outcome.result) {
            Some(Err(missing)) => format!("Not measured: {missing}."),
            Some(Ok(_)) => format!("The results have no table {name}: this run does not determine it."),
            None => format!("The results have no {name}: it was not analysed."),
        }
    }
}

impl<'a> Rows<'a> {
    /// Only rows with this word in a column.
    pub fn with(&self, column: &str, word: &str) -> Self {
        let words = self.table.texts(column);
        let rows = self.rows.iter().copied().filter(|&row| words.is_some_and(|w| w[row] == word)).collect();
        Self { table: self.table, rows }
    }

    /// Only rows with this number in a column, to the eighth digit.
    pub fn at(&self, column: &str, value: f64) -> Self {
        let values = self.numbers(column);
        let near = |x: f64| (x - value).abs() <= 1e-8 * value.abs().max(1e-300);
        let rows =
            self.rows.iter().copied().zip(values).filter(|(_, x)| near(*x)).map(|(row, _)| row).collect();
        Self { table: self.table, rows }
    }

    /// Different words of a column, in their order.
    pub fn words(&self, column: &str) -> Vec<&'a str> {
        let mut found = Vec::new();
        if let Some(words) = self.table.texts(column) {
            for &row in &self.rows {
                if !found.contains(&words[row].as_str()) {
                    found.push(words[row].as_str());
                }
            }
        }
        found
    }

    /// Different numbers of a column, upwards.
    pub fn levels(&self, column: &str) -> Vec<f64> {
        let mut levels = self.numbers(column);
        levels.retain(|x| x.is_finite());
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        levels
    }

    /// The numbers of a column, NaN where there are none.
    pub fn numbers(&self, column: &str) -> Vec<f64> {
        let values = self.table.columns.iter().find(|c| c.name == column).map(|c| &c.values);
        self.rows
            .iter()
            .map(|&row| match values {
                Some(Values::Real(v)) => v[row],
                Some(Values::Integer(v)) => v[row] as f64,
                _ => f64::NAN,
            })
            .collect()
    }

    /// Wave numbers (1/angstrom) that were asked for, row by row: the same in all tables, where those that were used depend on the cell.
    pub fn asked_wave_numbers(&self) -> Vec<f64> {
        // Results of earlier versions, and averages over all directions, have one column.
        let known = self.table.reals("q_asked_per_angstrom").is_some();
        self.numbers(if known { "q_asked_per_angstrom" } else { "q_per_angstrom" })
    }

    /// The first number of a column, if it is one.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.numbers(column).first().copied().filter(|x| x.is_finite())
    }

    /// The words of a column, row by row.
    pub fn texts(&self, column: &str) -> Vec<&'a str> {
        self.table
            .texts(column)
            .map_or_else(Vec::new, |words| self.rows.iter().map(|&r| words[r].as_str()).collect())
    }

    /// `value` with its `standard_error` against a column; only finite values.
    pub fn curve(&self, abscissa: &str) -> Vec<Point> {
        let values = self.numbers(abscissa).into_iter().zip(self.numbers("value"));
        values
            .zip(self.numbers("standard_error"))
            .filter(|((x, y), _)| x.is_finite() && y.is_finite())
            .map(|((x, y), error)| Point { x, y, error: error.is_finite().then_some(error) })
            .collect()
    }

    /// The table that the rows are of.
    pub fn table(&self) -> &'a Table {
        self.table
    }

    /// Numbers of the rows in the table.
    pub fn indices(&self) -> &[usize] {
        &self.rows
    }

    /// Whether no row is left.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_selected_and_hold_only_numbers() {
        let table = Table::new("msd", "")
            .text("species", vec!["N".into(), "K".into(), "N".into()])
            .real("t_ps", "ps", vec![1.0, 1.0, 2.0])
            .real("value", "angstrom^2", vec![3.0, 4.0, f64::NAN])
            .real("standard_error", "angstrom^2", vec![f64::NAN, 0.1, 0.1]);
        let rows = Rows { table: &table, rows: vec![0, 1, 2] };
        assert_eq!(rows.words("species"), ["N", "K"]);
        assert_eq!(rows.levels("t_ps"), [1.0, 2.0]);
        assert_eq!(rows.with("species", "N").curve("t_ps"), [Point { x: 1.0, y: 3.0, error: None }]);
        assert_eq!(rows.at("t_ps", 1.0).with("species", "K").number("value"), Some(4.0));
        assert!(rows.with("species", "Ca").is_empty());
    }
}
