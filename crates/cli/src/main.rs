//! Vitrion, the program: one file a subcommand, all of them thin.

mod commands;
mod console;
mod file_kind;
mod headless;
mod kernels;
mod probe;
mod progress;
mod reference_outputs;
mod signals;
mod threads;
mod trajectories;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Molecular dynamics of ionic glasses: melt, cool and measure Ca0.4K0.6(NO3)1.4 and its like.
///
/// A run is described by one TOML file. `vitrion new ckn` writes one with comments, `vitrion run ckn.toml` executes it;
/// interrupted runs go on with the same command, to the same bits.
#[derive(Parser)]
#[command(name = "vitrion", version, arg_required_else_help = true, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Threads to compute with; by default one for each processor that the process may use, fewer if SLURM_CPUS_PER_TASK or
    /// OMP_NUM_THREADS says so. The results do not depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = number_of_threads)]
    threads: Option<NonZeroUsize>,
}

/// Most threads: more than machines have cores only cost.
const MOST_THREADS: usize = 1024;

fn number_of_threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(threads) if threads.get() <= MOST_THREADS => Ok(threads),
        _ => Err(format!(
            "give a number from 1 to {MOST_THREADS}; more than there are cores make nothing faster"
        )),
    }
}

const AFTER_HELP: &str = "\
Examples:
  vitrion new ckn melt          a commented configuration and its force field, in melt/
  vitrion run melt/ckn.toml     run it in ckn-run/, or go on with it
  vitrion analyze ckn-run       measure structure and dynamics, with errors, into tables
  vitrion report ckn-run        one HTML page of figures
  vitrion fit run-*             laws over runs at several temperatures
  vitrion plot ckn-run          draw g(r) and the mean squared displacement
  vitrion forces x.data --force-field ckn-rigid --out forces.csv

Exit codes:
  0  done
  1  error: bad input, a failed run, a file that cannot be read or written
  2  wrong usage of the command line
  3  stopped by a signal (INT, TERM, HUP, USR1, USR2, XCPU, ALRM) after writing a checkpoint; the same command goes on
  4  `verify` found a kernel outside its tolerance";

#[derive(Subcommand)]
enum Command {
    New(commands::new::New),
    Run(commands::run::Run),
    Analyze(commands::analyze::Analyze),
    Report(commands::report::Report),
    Fit(commands::fit::Fit),
    Plot(commands::plot::Plot),
    Info(commands::info::Info),
    Convert(commands::convert::Convert),
    Forces(commands::forces::Forces),
    Verify(commands::verify::Verify),
    Bench(commands::bench::Bench),
    Devices(commands::devices::Devices),
    Completions(commands::completions::Completions),
    /// What `probe::check` starts
    #[command(hide = true)]
    Probe(probe::Probe),
}

/// How a command ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is done.
    Done,
    /// A signal came; a checkpoint is written.
    Stopped,
    /// A check failed.
    OutOfTolerance,
}

fn main() -> ExitCode {
    headless::quiet_device_selection();
    let cli = Cli::parse();
    match execute(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Stopped) => ExitCode::from(3),
        Ok(Outcome::OutOfTolerance) => ExitCode::from(4),
        // `vitrion ... | head` is no failure.
        Err(error) if console::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            console::say(&format!("error: {}", console::chain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> Result<Outcome> {
    let threads = threads::set(cli.threads)?;
    if let (Some(threads), Command::Analyze(_) | Command::Bench(_)) = (&threads, &cli.command) {
        console::say(threads);
    }
    match cli.command {
        Command::New(command) => command.execute(),
        Command::Run(command) => command.execute(threads),
        Command::Analyze(command) => command.execute(),
        Command::Report(command) => command.execute(),
        Command::Fit(command) => command.execute(),
        Command::Plot(command) => command.execute(),
        Command::Info(command) => command.execute(),
        Command::Convert(command) => command.execute(),
        Command::Forces(command) => command.execute(),
        Command::Verify(command) => command.execute(),
        Command::Bench(command) => command.execute(),
        Command::Devices(command) => command.execute(),
        Command::Completions(command) => command.execute(),
        Command::Probe(command) => Ok(command.execute()),
    }
}
