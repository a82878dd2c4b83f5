//! `vitrion completions`.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Cli, Outcome, console};

/// Print a script that completes vitrion's commands and options in your shell
///
/// For bash: vitrion completions bash > ~/.local/share/bash-completion/completions/vitrion
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn execute(&self) -> Result<Outcome> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "vitrion", &mut script);
        console::print(String::from_utf8(script)?.trim_end())?;
        Ok(Outcome::Done)
    }
}
