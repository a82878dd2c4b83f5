//! `vitrion new`: a commented configuration to start from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use vitrion_core::force_field::file::{CKN_FLEXIBLE, CKN_RIGID};

use super::forces::write_file;
use crate::{Outcome, console};

/// Write a commented configuration and its force field, to run and to change
///
/// Writes DIR/ckn.toml and DIR/ckn-rigid.toml (or ckn-flexible.toml). Existing files are never overwritten.
#[derive(Args)]
pub struct New {
    /// The system
    #[arg(value_enum)]
    system: System,

    /// Where to write; created if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// Flexible nitrates and 1 fs steps, instead of rigid ones and 4 fs
    #[arg(long)]
    flexible: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum System {
    /// Ca0.4K0.6(NO3)1.4, 2,376 atoms.
    Ckn,
}

const TEMPLATE: &str = include_str!("../../templates/ckn.toml");

impl New {
    /// Writes both files, or neither.
    pub fn execute(&self) -> Result<Outcome> {
        let System::Ckn = self.system;
        let (name, force_field, timestep) = if self.flexible {
            ("ckn-flexible", CKN_FLEXIBLE, "1 fs")
        } else {
            ("ckn-rigid", CKN_RIGID, "4 fs")
        };
        let config = TEMPLATE.replace("@FORCE_FIELD@", name).replace("@TIMESTEP@", timestep);
        let files = [
            (self.directory.join("ckn.toml"), config.as_str()),
            (self.directory.join(format!("{name}.toml")), force_field),
        ];
        for (path, _) in &files {
            if path.exists() {
                bail!("{}: exists already; choose another directory", path.display());
            }
        }
        std::fs::create_dir_all(&self.directory)
            .with_context(|| format!("{}: this directory cannot be created", self.directory.display()))?;
        for (path, text) in &files {
            write_file(path, text, false)?;
            console::print(&path.display().to_string())?;
        }
        console::say(&next(&files[0].0));
        Ok(Outcome::Done)
    }
}

fn next(config: &Path) -> String {
    format!(
        "next: `vitrion run {0} --dry-run` shows the plan, `vitrion run {0}` runs it",
        crate::console::path_word(config)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_simulation::config::Config;

    #[test]
    fn both_templates_are_valid_configurations() {
        for flexible in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let new = New { system: System::Ckn, directory: directory.path().to_path_buf(), flexible };
            new.execute().unwrap();
            let config = Config::load(&directory.path().join("ckn.toml")).unwrap();
            assert_eq!(config.stages.len(), 6);
            assert!(!config.text.contains('@'));
            vitrion_simulation::system::prepare(&config).unwrap();
            assert!(new.execute().is_err(), "nothing is overwritten");
        }
    }

    #[test]
    fn commented_out_outputs_are_valid_too() {
        let directory = tempfile::tempdir().unwrap();
        let text = TEMPLATE
            .replace("\"@FORCE_FIELD@.toml\"", "\"ckn-rigid\"")
            .replace("@TIMESTEP@", "4 fs")
            .replace("\n#window_means", "\nwindow_means")
            .replace("\n#ion_stress", "\nion_stress")
            .replace("\n#stress_correlator", "\nstress_correlator");
        let config = Config::parse(&directory.path().join("ckn.toml"), text).unwrap();
        let outputs = &config.stages[5].outputs;
        assert!(outputs.window.is_some() && outputs.ion_stress.is_some() && outputs.stress.is_some());
    }
}
