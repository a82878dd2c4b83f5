//! What an analysis found: `results.h5` and one CSV a table.
//!
//! ```text
//! /                          attributes: format, version, command, inputs (paths)
//! /observables/NAME          attributes: key (settings and data that it was measured with); notes; missing (why there is no result)
//! /observables/NAME/TABLE    attributes: definition, columns (their order), notes
//! /observables/NAME/TABLE/COLUMN   one value a row, with the attribute `unit`
//! ```
//!
//! Files are written completely beside their place and then renamed into it. Only CSVs are replaced that the `results.h5` beside them lists, or
//! that begin as tables of this program do.
//! `results.h5` carries a checksum behind its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{File, Group, Location};
use vitrion_trajectory::h5md::{AtOnce, announces_too_much};
use vitrion_trajectory::new_file::NewFile;

use crate::error::AnalysisError;
use crate::observable::{Entry, Missing};
use crate::seal::{self, Seal};
use crate::table::{Column, Table, Values};

/// Kind of file, and the version of its layout.
const FORMAT: &str = "vitrion-results 1";
const KIND: &str = "vitrion-results ";
/// Name of the file.
pub const FILE: &str = "results.h5";
/// How the tables of observables begin. By this a CSV is known to be of this program where no `results.h5` lists it any more.
const HEADERS: [&str; 21] = [
    "class,species,t_ps,",
    "class,t_ps,r_angstrom,",
    "function,species_or_weighting,",
    "ion,species,class,",
    "length,value,standard_error",
    "omega_per_ps,storage,",
    "pair,r_angstrom,value,",
    "pair,t_ps,r_angstrom,",
    "pair_or_weighting,q_per_angstrom,",
    "quantity,value,standard_error,unit,",
    "rule,span_ps,",
    "species,order,t_ps,",
    "species,t_ps,r_angstrom,",
    "species,t_ps,value,",
    "species,value,standard_error,exponent,",
    "species_or_weighting,q_per_angstrom,",
    "stage,temperature_K,",
    "t_ps,g_kJ2_per_mol2,",
    "t_ps,value,standard_error",
    "weighting,r_angstrom,",
    "x_angstrom,y_angstrom,z_angstrom,value",
];
/// Bytes of the longest of them and more.
const LONGEST_HEADER: u64 = 100;

/// One observable.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its name in the list.
    pub name: String,
    /// Settings and data that it was measured with.
    pub key: String,
    /// What a user should know about it.
    pub notes: Vec<String>,
    /// Whether it was taken from earlier results.
    pub reused: bool,
    /// Its tables, or why there are none.
    pub result: Result<Vec<Table>, Missing>,
}

/// All results of one set of inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Files that were analysed.
    pub inputs: Vec<PathBuf>,
    /// Version of the program.
    pub version: String,
    /// Command line.
    pub command: String,
    /// What a user should know about the inputs, and of all outcomes.
    pub notes: Vec<String>,
    /// Identity of the data that all outcomes were measured from ([`crate::inputs::Inputs::identity`]).
    pub data: String,
    /// Contents of the files that were analysed ([`crate::inputs::content_hash`]); empty in results of earlier versions.
    pub contents: String,
    /// Stage that was analysed; empty where the files have none.
    pub stage: String,
    /// Mean temperature of each trajectory in that stage (K); NaN where it is not known.
    pub temperatures: Vec<f64>,
    /// Atoms of a trajectory; none in results of earlier versions, as the next two.
    pub atoms: Option<usize>,
    /// Length of the first trajectory (ps), or of its stage.
    pub duration: Option<f64>,
    /// Group of particles that was chosen, of H5MD files that have several.
    pub group: Option<String>,
    /// In the order of the list of observables.
    pub outcomes: Vec<Outcome>,
}

impl Results {
    /// Mean temperature of all trajectories (K), where it is known of all of them and the same within `tolerance` (K).
    pub fn temperature(&self, tolerance: f64) -> Option<f64> {
        let mean = self.temperatures.iter().sum::<f64>() / self.temperatures.len() as f64;
        // Without trajectories, or with an unknown one, the mean is NaN.
        let alike = self.temperatures.iter().all(|t| (t - mean).abs() <= tolerance);
        (mean.is_finite() && alike).then_some(mean)
    }

    /// An observable that was measured with this key and has results.
    pub fn with_key(&self, name: &str, key: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|o| o.name == name && o.key == key && o.result.is_ok())
    }

    /// A table by its name; the first of several ([`Self::tables`]).
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables(name).next()
    }

    /// All tables with a name: those that several observables add rows to, as fits of relaxations.
    pub fn tables(&self, name: &str) -> impl Iterator<Item = &Table> {
        self.outcomes.iter().filter_map(|o| o.result.as_ref().ok()).flatten().filter(move |t| t.name == name)
    }

    /// Reads `results.h5` of a directory; none where there is no such file.
    pub fn read(directory: &Path) -> Result<Option<Self>, AnalysisError> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        match Self::of_file(&path)? {
            Some(results) => Ok(Some(results)),
            None => Err(broken(&path, "it does not say its format")),
        }
    }

    /// Reads results from a file; none where it is another kind of HDF5 file.
    pub fn of_file(path: &Path) -> Result<Option<Self>, AnalysisError> {
        if seal::check(path).map_err(|e| broken(path, &e.to_string()))? == Seal::Broken {
            return Err(broken(path, "its checksum does not match, so it was damaged after it was written"));
        }
        hdf5::silence_errors(true);
        // Without locks: another process may have it open.
        let file = File::with_options().with_fapl(|p| p.file_locking(false)).open(path);
        let file = file.map_err(|e| broken(path, &e.to_string()))?;
        if let Some((table, reason)) = announces_too_much(&file, &["observables"], AtOnce::All) {
            return Err(broken(path, &format!("{table}: {reason}")));
        }
        match text_attribute(&file, "format") {
            Ok(format) if format == FORMAT => {
                Self::from_file(&file).map(Some).map_err(|e| broken(path, &e.to_string()))
            }
            Ok(format) if format.starts_with(KIND) => {
                Err(broken(path, &format!("its format is `{format}`, not `{FORMAT}`")))
            }
            _ => Ok(None),
        }
    }

    fn from_file(file: &File) -> hdf5::Result<Self> {
        let inputs = text_attributes(file, "inputs")?.into_iter().map(PathBuf::from).collect();
        let group = file.group("observables")?;
        let order = text_attributes(&group, "order")?;
        let outcomes = order.iter().map(|name| read_outcome(&group.group(name)?, name));
        Ok(Self {
            inputs,
            version: text_attribute(file, "version")?,
            command: text_attribute(file, "command")?,
            notes: text_attributes(file, "notes")?,
            // Files of earlier versions do not say.
            data: text_attribute(file, "data").unwrap_or_default(),
            contents: text_attribute(file, "contents").unwrap_or_default(),
            stage: text_attribute(file, "stage").unwrap_or_default(),
            temperatures: file.attr("temperatures_K").and_then(|a| a.read_raw()).unwrap_or_default(),
            atoms: file.attr("atoms").and_then(|a| a.read_scalar::<u64>()).ok().map(|n| n as usize),
            duration: file.attr("duration_ps").and_then(|a| a.read_scalar()).ok(),
            group: text_attribute(file, "group").ok(),
            outcomes: outcomes.collect::<hdf5::Result<_>>()?,
        })
    }

    /// Names of the tables, each once.
    fn table_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for table in self.outcomes.iter().filter_map(|o| o.result.as_ref().ok()).flatten() {
            if !names.contains(&table.name.as_str()) {
                names.push(&table.name);
            }
        }
        names
    }

    /// Refuses a directory in which tables of these observables would replace files that `earlier`, the results that are there, does not
    /// list and that do not begin as tables of this program do: they are the user's.
    pub fn check_place(
        directory: &Path,
        entries: &[Entry],
        earlier: Option<&Self>,
    ) -> Result<(), AnalysisError> {
        let own = earlier.map(Self::table_names).unwrap_or_default();
        let mut foreign: Vec<String> = Vec::new();
        for name in entries.iter().flat_map(|entry| entry.tables).filter(|name| !own.contains(*name)) {
            let file = format!("{name}.csv");
            let path = directory.join(&file);
            if path.symlink_metadata().is_ok() && !is_own_csv(&path) && !foreign.contains(&file) {
                foreign.push(file);
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        Err(AnalysisError::Results {
            path: directory.to_path_buf(),
            found: format!(
                "holds {}, which this program did not write and which would be replaced",
                foreign.join(", ")
            ),
            remedy: "choose another place with --out, or move them away".to_string(),
        })
    }

    /// Writes `results.h5` and the CSVs into a directory, over those of `earlier`, the results that are there. Its CSVs of tables that are
    /// no longer there go: they would contradict `results.h5`. Whenever this is cut short, the `results.h5` that is there lists every CSV
    /// of its own that is there.
    pub fn write(&self, directory: &Path, earlier: Option<&Self>) -> Result<(), AnalysisError> {
        fs::create_dir_all(directory).map_err(|e| failed(directory, &e.to_string()))?;
        let names = self.table_names();
        let left = earlier.map(Self::table_names).unwrap_or_default();
        for table in left.into_iter().filter(|table| !names.contains(table)) {
            let path = directory.join(format!("{table}.csv"));
            if path.exists() {
                fs::remove_file(&path).map_err(|e| failed(&path, &e.to_string()))?;
            }
        }
        replace(&directory.join(FILE), |new| {
            self.to_file(new).map_err(|e| e.to_string())?;
            seal::seal(new).map_err(|e| e.to_string())
        })?;
        for name in names {
            let path = directory.join(format!("{name}.csv"));
            let csv = self.csv(name).map_err(|reason| failed(&path, &reason))?;
            replace(&path, |new| fs::write(new, csv).map_err(|e| e.to_string()))?;
        }
        Ok(())
    }

    /// Moves these results, which are in `directory`, into a new directory in it, `older` or `older-2` and so on: results of an earlier
    /// state of the data do not stand beside new ones.
    pub fn set_aside(&self, directory: &Path) -> Result<PathBuf, AnalysisError> {
        let name = |n: u32| if n == 1 { "older".to_string() } else { format!("older-{n}") };
        let free =
            (1..=u32::MAX).map(|n| directory.join(name(n))).find(|path| path.symlink_metadata().is_err());
        let older = free.unwrap_or_else(|| directory.join("older"));
        fs::create_dir(&older).map_err(|e| failed(&older, &e.to_string()))?;
        let tables = self.outcomes.iter().filter_map(|o| o.result.as_ref().ok()).flatten();
        let mut files: Vec<String> = tables.map(|t| format!("{}.csv", t.name)).collect();
        files.sort();
        files.dedup();
        files.push(FILE.to_string());
        for file in files {
            let from = directory.join(&file);
            // A CSV may have been taken away; results.h5 has its numbers.
            if from.exists() {
                fs::rename(&from, older.join(&file)).map_err(|e| failed(&from, &e.to_string()))?;
            }
        }
        Ok(older)
    }

    /// The rows of all tables with a name, below one header.
    fn csv(&self, name: &str) -> Result<String, String> {
        let mut text = String::new();
        for table in self.tables(name) {
            let csv = table.to_csv();
            match (text.split_once('\n'), csv.split_once('\n')) {
                (None, _) => text = csv,
                (Some((header, _)), Some((same, rows))) if header == same => text.push_str(rows),
                _ => return Err(format!("tables {name} of different columns")),
            }
        }
        Ok(text)
    }

    fn to_file(&self, path: &Path) -> hdf5::Result<()> {
        let file = File::create(path)?;
        let inputs: Vec<String> = self.inputs.iter().map(|p| p.display().to_string()).collect();
        write_text(&file, "format", FORMAT)?;
        write_text(&file, "version", &self.version)?;
        write_text(&file, "command", &self.command)?;
        write_texts(&file, "inputs", &inputs)?;
        write_texts(&file, "notes", &self.notes)?;
        write_text(&file, "data", &self.data)?;
        write_text(&file, "contents", &self.contents)?;
        write_text(&file, "stage", &self.stage)?;
        file.new_attr_builder().with_data(&self.temperatures).create("temperatures_K")?;
        if let Some(atoms) = self.atoms {
            file.new_attr::<u64>().create("atoms")?.write_scalar(&(atoms as u64))?;
        }
        if let Some(duration) = self.duration {
            file.new_attr::<f64>().create("duration_ps")?.write_scalar(&duration)?;
        }
        if let Some(group) = &self.group {
            write_text(&file, "group", group)?;
        }
        let group = file.create_group("observables")?;
        let order: Vec<String> = self.outcomes.iter().map(|o| o.name.clone()).collect();
        write_texts(&group, "order", &order)?;
        for outcome in &self.outcomes {
            write_outcome(&group.create_group(&outcome.name)?, outcome)?;
        }
        file.flush()
    }
}

/// Writes a file beside its place, then renames it.
fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), AnalysisError> {
    let new = NewFile::over(path).map_err(|e| failed(path, &e.to_string()))?;
    let written = write(new.beside()).and_then(|()| new.settle().map_err(|e| e.to_string()));
    written.map_err(|reason| failed(path, &reason))
}

/// Whether the first line of a file is one that tables of observables have.
fn is_own_csv(path: &Path) -> bool {
    use std::io::Read as _;
    let mut beginning = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LONGEST_HEADER).read_to_end(&mut beginning));
    read.is_ok() && is_own_header(&String::from_utf8_lossy(&beginning))
}

/// Whether a text begins as a table of an observable.
pub(crate) fn is_own_header(text: &str) -> bool {
    HEADERS.iter().any(|header| text.starts_with(header))
}

/// Whether a file of results has no checksum: one of an earlier version, or one that something changed. The HDF5 library may fail on it
/// in a way that ends the process.
pub fn is_unsealed(path: &Path) -> bool {
    seal::check(path).is_ok_and(|seal| seal == Seal::None)
}

fn broken(path: &Path, reason: &str) -> AnalysisError {
    AnalysisError::Results {
        path: path.to_path_buf(),
        found: format!("cannot be read as results: {reason}"),
        remedy: "move it away and analyse again".to_string(),
    }
}

fn failed(path: &Path, reason: &str) -> AnalysisError {
    AnalysisError::Results {
        path: path.to_path_buf(),
        found: format!("cannot be written: {reason}"),
        remedy: "check the directory, its permissions and the disk, or choose another with --out".to_string(),
    }
}

fn write_outcome(group: &Group, outcome: &Outcome) -> hdf5::Result<()> {
    write_text(group, "key", &outcome.key)?;
    write_texts(group, "notes", &outcome.notes)?;
    let tables = match &outcome.result {
        Ok(tables) => tables,
        Err(missing) => return write_text(group, "missing", &missing.reason),
    };
    let order: Vec<String> = tables.iter().map(|t| t.name.clone()).collect();
    write_texts(group, "tables", &order)?;
    for table in tables {
        let group = group.create_group(&table.name)?;
        let columns: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
        write_text(&group, "definition", &table.definition)?;
        write_texts(&group, "columns", &columns)?;
        write_texts(&group, "notes", &table.notes)?;
        for column in &table.columns {
            let builder = group.new_dataset_builder();
            let dataset = match &column.values {
                Values::Real(values) => builder.with_data(values).create(column.name.as_str())?,
                Values::Integer(values) => builder.with_data(values).create(column.name.as_str())?,
                Values::Text(values) => builder.with_data(&texts(values)).create(column.name.as_str())?,
            };
            write_text(&dataset, "unit", &column.unit)?;
        }
    }
    Ok(())
}

fn read_outcome(group: &Group, name: &str) -> hdf5::Result<Outcome> {
    let result = match text_attribute(group, "missing") {
        Ok(reason) => Err(Missing { reason }),
        Err(_) => Ok(text_attributes(group, "tables")?
            .iter()
            .map(|name| read_table(&group.group(name)?, name))
            .collect::<hdf5::Result<_>>()?),
    };
    // Results of earlier versions have those of all outcomes together.
    let notes = text_attributes(group, "notes").unwrap_or_default();
    Ok(Outcome { name: name.to_string(), key: text_attribute(group, "key")?, notes, reused: true, result })
}

fn read_table(group: &Group, name: &str) -> hdf5::Result<Table> {
    let columns = text_attributes(group, "columns")?.into_iter().map(|name| {
        let dataset = group.dataset(&name)?;
        let values = match dataset.dtype()?.to_descriptor()? {
            TypeDescriptor::Float(_) => Values::Real(dataset.read_raw()?),
            TypeDescriptor::Integer(_) => Values::Integer(dataset.read_raw()?),
            _ => Values::Text(dataset.read_raw::<VarLenUnicode>()?.iter().map(ToString::to_string).collect()),
        };
        Ok(Column { unit: text_attribute(&dataset, "unit")?, name, values })
    });
    Ok(Table {
        name: name.to_string(),
        definition: text_attribute(group, "definition")?,
        columns: columns.collect::<hdf5::Result<_>>()?,
        notes: text_attributes(group, "notes")?,
    })
}

/// HDF5 texts end at the first NUL, which no name contains.
fn text(value: &str) -> VarLenUnicode {
    VarLenUnicode::from_str(&value.replace('\0', "")).unwrap_or_default()
}

fn texts(values: &[String]) -> Vec<VarLenUnicode> {
    values.iter().map(|v| text(v)).collect()
}

fn write_text(location: &Location, name: &str, value: &str) -> hdf5::Result<()> {
    location.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value))
}

fn write_texts(location: &Location, name: &str, values: &[String]) -> hdf5::Result<()> {
    location.new_attr_builder().with_data(&texts(values)).create(name).map(|_| ())
}

fn text_attribute(location: &Location, name: &str) -> hdf5::Result<String> {
    Ok(location.attr(name)?.read_scalar::<VarLenUnicode>()?.to_string())
}

fn text_attributes(location: &Location, name: &str) -> hdf5::Result<Vec<String>> {
    let attribute = location.attr(name)?;
    Ok(attribute.read_raw::<VarLenUnicode>()?.iter().map(ToString::to_string).collect())
}
