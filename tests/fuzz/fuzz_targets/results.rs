//! results.h5: a sound HDF5 file whose tables are missing or of other kinds and shapes never makes the reader panic; what is read has columns
//! of equal lengths, and makes a CSV.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vitrion_analysis::observable::Missing;
use vitrion_analysis::results::{FILE, Outcome, Results};
use vitrion_analysis::table::{Column, Table, Values};
use vitrion_fuzz::alterations::{Bytes, alter};
use vitrion_fuzz::{directory, with_file};

const OBJECTS: &[&str] = &[
    "observables",
    "observables/msd",
    "observables/msd/msd",
    "observables/msd/msd/time",
    "observables/msd/msd/species",
    "observables/msd/msd/count",
    "observables/rdf",
];
const ATTRIBUTES: &[&str] = &[
    "format",
    "version",
    "command",
    "inputs",
    "notes",
    "data",
    "stage",
    "temperatures_K",
    "order",
    "key",
    "missing",
    "tables",
    "definition",
    "columns",
    "unit",
];

static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    hdf5::silence_errors(true);
    let column = |name: &str, values| Column { name: name.into(), unit: "ps".into(), values };
    let table = Table {
        name: "msd".into(),
        definition: "a definition".into(),
        columns: vec![
            column("time", Values::Real(vec![0.0, 1.0])),
            column("species", Values::Text(vec!["N".into(), "O".into()])),
            column("count", Values::Integer(vec![1, 2])),
        ],
        notes: vec!["a note".into()],
    };
    let outcome =
        |name: &str, result| Outcome { name: name.into(), key: "key".into(), notes: Vec::new(), reused: false, result };
    let results = Results {
        inputs: vec!["a.h5".into()],
        notes: vec!["a note".into()],
        temperatures: vec![300.0],
        outcomes: vec![outcome("msd", Ok(vec![table])), outcome("rdf", Err(Missing::because("no cell")))],
        ..Results::default()
    };
    results.write(&directory(), None).expect("results");
    std::fs::read(directory().join(FILE)).expect("the file")
});

fuzz_target!(|bytes: &[u8]| {
    with_file(FILE, &SOUND, |path| {
        alter(path, &mut Bytes(bytes), OBJECTS, ATTRIBUTES);
        let Ok(Some(results)) = Results::read(&directory()) else { return };
        for table in results.outcomes.iter().filter_map(|o| o.result.as_ref().ok()).flatten() {
            let lengths = table.columns.iter().map(|column| match &column.values {
                Values::Real(values) => values.len(),
                Values::Integer(values) => values.len(),
                Values::Text(values) => values.len(),
            });
            assert!(lengths.clone().all(|n| n == table.rows()), "a table of unequal columns");
            let _ = table.to_csv();
        }
    });
});
