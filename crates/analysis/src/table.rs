//! Results as tables in long form: one number a row, and the columns that say which.

use std::fmt::Write as _;

/// One result: written as `NAME.csv` and as a group of `results.h5`.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Name of the file, without its ending.
    pub name: String,
    /// What it is: definition, normalisation, source.
    pub definition: String,
    /// Columns of equal length; names carry units where the unit never changes (`t_ps`).
    pub columns: Vec<Column>,
    /// What a reader of the numbers should know: how many origins, which wave vectors.
    pub notes: Vec<String>,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Unit; empty for none and for words.
    pub unit: String,
    /// Contents.
    pub values: Values,
}

/// Contents of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Words.
    Text(Vec<String>),
    /// Real numbers; NaN where there is none.
    Real(Vec<f64>),
    /// Whole numbers.
    Integer(Vec<i64>),
}

impl Values {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Real(v) => v.len(),
            Self::Integer(v) => v.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Table {
    /// Without columns yet.
    pub fn new(name: &str, definition: &str) -> Self {
        Self {
            name: name.to_string(),
            definition: definition.to_string(),
            columns: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// With a column of words.
    #[must_use]
    pub fn text(self, name: &str, values: Vec<String>) -> Self {
        self.column(name, "", Values::Text(values))
    }

    /// With a column of numbers.
    #[must_use]
    pub fn real(self, name: &str, unit: &str, values: Vec<f64>) -> Self {
        self.column(name, unit, Values::Real(values))
    }

    /// With a column of whole numbers.
    #[must_use]
    pub fn integer(self, name: &str, values: Vec<i64>) -> Self {
        self.column(name, "", Values::Integer(values))
    }

    fn column(mut self, name: &str, unit: &str, values: Values) -> Self {
        self.columns.push(Column { name: name.to_string(), unit: unit.to_string(), values });
        self
    }

    /// With a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.values.len())
    }

    /// The numbers of a column.
    pub fn reals(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|c| c.name == name).and_then(|c| match &c.values {
            Values::Real(values) => Some(&values[..]),
            _ => None,
        })
    }

    /// The words of a column.
    pub fn texts(&self, name: &str) -> Option<&[String]> {
        self.columns.iter().find(|c| c.name == name).and_then(|c| match &c.values {
            Values::Text(values) => Some(&values[..]),
            _ => None,
        })
    }

    /// A header, then a line a row; numbers so that every bit of them survives, `nan` where there is none.
    pub fn to_csv(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let mut text = names.join(",");
        text.push('\n');
        for row in 0..self.rows() {
            for (i, column) in self.columns.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                // Writing to a String cannot fail.
                let _ = match &column.values {
                    Values::Text(v) => write!(text, "{}", v[row]),
                    Values::Integer(v) => write!(text, "{}", v[row]),
                    Values::Real(v) => write!(text, "{}", number(v[row])),
                };
            }
            text.push('\n');
        }
        text
    }
}

/// A count as a whole number of a column.
pub fn whole(count: usize) -> i64 {
    (count as u64).cast_signed()
}

/// Without what the last bits of f64 add: 0.6000000000000001 is 0.6. For axes, whose numbers are round.
pub fn decimal(x: f64) -> f64 {
    format!("{x:.11e}").parse().unwrap_or(x)
}

/// The shortest text that reads back as the same number.
pub fn number(x: f64) -> String {
    if x.is_nan() {
        "nan".to_string()
    } else if x == 0.0 || (1e-4..1e15).contains(&x.abs()) {
        format!("{x}")
    } else {
        format!("{x:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_keeps_every_bit() {
        let values = vec![0.1 + 0.2, 1e-17, -3e20, f64::NAN, 0.0];
        let table = Table::new("x", "").text("name", vec!["N".into(); 5]).real("value", "", values.clone());
        let csv = table.to_csv();
        assert!(
            csv.starts_with("name,value\nN,0.30000000000000004\nN,1e-17\nN,-3e20\nN,nan\nN,0\n"),
            "{csv}"
        );
        for (line, value) in csv.lines().skip(1).zip(values) {
            let read: f64 = line[2..].parse().unwrap();
            assert!(read == value || (read.is_nan() && value.is_nan()));
        }
    }
}
