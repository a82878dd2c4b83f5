//! What every observable has in common, and the list of them.

use std::sync::Arc;

use vitrion_core::cell::Cell;

use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::heterogeneity::{class_dynamics, collectivity, jump_statistics};
use crate::inputs::{Inputs, open_edges};
use crate::lags::Lags;
use crate::mechanics::{green_kubo, ion_stress};
use crate::settings::Settings;
use crate::table::Table;
use crate::{
    isf_coherent, isf_self, msd, overlap, rdf, reorientation, structure_factor, thermodynamics, van_hove,
};

/// Why an observable has no result: a line in the results, never a gap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Missing {
    /// What the input lacks, and what would help.
    pub reason: String,
}

impl Missing {
    /// With this reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Something that is measured.
pub trait Observable: Send {
    /// Settings and choices that its results depend on: they are measured again when this changes.
    fn key(&self) -> String;
    /// What is needed of frame `index` of a trajectory. An observable that reads window means or correlators and no frame
    /// needs nothing, and does its work in [`Self::finish`].
    fn needs(&self, trajectory: usize, index: usize) -> Needs;
    /// Adds a frame; frames come trajectory by trajectory, in the order of time. Only those that it needs something of.
    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError>;
    /// The results.
    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing>;
}

/// What observables are made from.
pub struct Context<'a> {
    /// The trajectories.
    pub inputs: &'a Inputs,
    /// What the user chose.
    pub settings: &'a Settings,
    /// Most time origins that are held at a time: those that the user wants, where the memory suffices.
    pub origins: usize,
    /// Lags and time origins that all time correlations of frames share.
    pub lags: Arc<Lags>,
}

impl Context<'_> {
    /// The cell of the first frame, for what only a system has that repeats itself along all edges: wave vectors of the lattice, nearest
    /// images, densities. `why` says what is needed, after the edges that lack it.
    pub fn lattice(&self, why: &str) -> Result<Cell, Missing> {
        lattice(self.inputs, why)
    }
}

/// As [`Context::lattice`].
pub(crate) fn lattice(inputs: &Inputs, why: &str) -> Result<Cell, Missing> {
    let trajectory = &inputs.trajectories[0];
    let cell = trajectory.cell(0).map_err(|e| Missing::because(e.to_string()))?;
    let cell =
        cell.ok_or_else(|| Missing::because(format!("{} has no periodic cell", trajectory.label())))?;
    match open_edges(inputs.periodic()) {
        Some(edges) => Err(Missing::because(format!("{edges} not periodic: {why}"))),
        None => Ok(cell),
    }
}

/// Makes an observable, or says what it lacks.
pub type Prepare = fn(&Context) -> Result<Box<dyn Observable>, Missing>;

/// An observable in the list.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name for `--only` and in `results.h5`.
    pub name: &'static str,
    /// The tables that it makes, and other words for it; `--only` takes them too.
    pub tables: &'static [&'static str],
    /// Makes it.
    pub prepare: Prepare,
}

/// All observables, in the order of their results.
pub const OBSERVABLES: &[Entry] = &[
    Entry { name: "rdf", tables: &["rdf", "coordination"], prepare: rdf::prepare },
    Entry {
        name: "structure_factor",
        tables: &["structure_factor", "reduced_pdf", "sq"],
        prepare: structure_factor::prepare,
    },
    Entry { name: "msd", tables: &["msd", "alpha_2", "diffusion"], prepare: msd::prepare },
    Entry { name: "isf_self", tables: &["isf_self", "kww", "kww_replicas"], prepare: isf_self::prepare },
    Entry {
        name: "isf_coherent",
        tables: &["isf_coherent", "kww", "kww_replicas"],
        prepare: isf_coherent::prepare,
    },
    Entry { name: "van_hove_self", tables: &["van_hove_self"], prepare: van_hove::prepare_self },
    Entry { name: "van_hove_distinct", tables: &["van_hove_distinct"], prepare: van_hove::prepare_distinct },
    Entry { name: "overlap", tables: &["overlap", "chi_4"], prepare: overlap::prepare },
    Entry { name: "reorientation", tables: &["reorientation"], prepare: reorientation::prepare },
    Entry {
        name: "jumps",
        tables: &[
            "jumps",
            "j_fraction",
            "waiting_times",
            "jump_rates",
            "trajectory_map",
            "displacement_map",
            "j_density",
            "strings",
        ],
        prepare: jump_statistics::prepare,
    },
    Entry {
        name: "heterogeneity",
        tables: &[
            "heterogeneity",
            "msd_classes",
            "alpha_2_classes",
            "isf_jumping_only",
            "kww_jumping_only",
            "rdf_classes",
        ],
        prepare: class_dynamics::prepare,
    },
    Entry {
        name: "collectivity",
        tables: &["h", "collective_volume", "collectivity"],
        prepare: collectivity::prepare,
    },
    Entry {
        name: "viscosity",
        tables: &["stress_relaxation", "viscosity", "dynamic_moduli"],
        prepare: green_kubo::prepare,
    },
    Entry {
        name: "thermodynamics",
        tables: &["density", "enthalpy", "glass_transition"],
        prepare: thermodynamics::prepare,
    },
    Entry {
        name: "ion_stress",
        tables: &["ion_stress", "ion_stress_histogram"],
        prepare: ion_stress::prepare,
    },
];

impl Entry {
    /// Whether a word of `--only` means it: its name, one of its tables, or the beginning of its name up to `_` (`isf`).
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word
            || self.tables.contains(&word)
            || self.name.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'))
    }
}

/// The entries that words mean; all without words.
pub fn select(words: &[String]) -> Result<Vec<Entry>, AnalysisError> {
    for word in words {
        if !OBSERVABLES.iter().any(|entry| entry.is_called(word)) {
            let names: Vec<&str> = OBSERVABLES.iter().map(|e| e.name).collect();
            return Err(AnalysisError::Setting {
                setting: "--only".to_string(),
                found: format!("there is no observable \"{word}\""),
                remedy: format!("choose among {}", names.join(", ")),
            });
        }
    }
    let chosen = |entry: &&Entry| words.is_empty() || words.iter().any(|word| entry.is_called(word));
    Ok(OBSERVABLES.iter().filter(chosen).copied().collect())
}
