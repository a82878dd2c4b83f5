//! Tables of single numbers: a row a number, or the reason why it is not determined.

use super::{Estimate, Undetermined};
use crate::table::Table;

/// Rows of a table with the columns `quantity,value,standard_error,unit,verdict`.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    quantity: Vec<String>,
    value: Vec<f64>,
    error: Vec<f64>,
    unit: Vec<String>,
    verdict: Vec<String>,
}

impl Parameters {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number with its error, or why there is none; commas of the reason, which would separate columns, become semicolons.
    pub fn add(&mut self, quantity: &str, unit: &str, found: Result<Estimate, Undetermined>) {
        let (estimate, verdict) = match found {
            Ok(estimate) => (estimate, "determined".to_string()),
            Err(undetermined) => (Estimate { value: f64::NAN, error: f64::NAN }, undetermined.to_string()),
        };
        self.quantity.push(quantity.to_string());
        self.value.push(estimate.value);
        self.error.push(estimate.error);
        self.unit.push(unit.to_string());
        self.verdict.push(verdict.replace(',', ";"));
    }

    /// The table.
    pub fn table(self, name: &str, definition: &str) -> Table {
        Table::new(name, definition)
            .text("quantity", self.quantity)
            .real("value", "", self.value)
            .real("standard_error", "", self.error)
            .text("unit", self.unit)
            .text("verdict", self.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_determined_has_a_reason_and_no_number() {
        let mut rows = Parameters::new();
        rows.add("x", "", Ok(Estimate { value: 0.25, error: 0.5 }));
        rows.add("V_c", "angstrom^3", Err(Undetermined::because("no cage, no span")));
        let csv = rows.table("cage", "").to_csv();
        assert_eq!(
            csv,
            "quantity,value,standard_error,unit,verdict\nx,0.25,0.5,,determined\nV_c,nan,nan,angstrom^3,not determined: no cage; no span\n"
        );
    }
}
