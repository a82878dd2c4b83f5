//! `vitrion run`: runs a configuration, or goes on with it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use glam::DVec3;
use vitrion_core::cpu::{self, Precision};
use vitrion_core::forces::Request;
use vitrion_simulation::config::{BackendChoice, Config, Motion};
use vitrion_simulation::plan::{Plan, measure_steps_per_second};
use vitrion_simulation::run::{self as simulation, Ending, RunOptions};
use vitrion_simulation::system::{self, Prepared};

use crate::console::{self, bytes, duration, grouped, simulated};
use crate::progress::{Reporter, nanoseconds_per_day};
use crate::{Outcome, signals};

/// Run a configuration, or go on with it where it was interrupted
///
/// A run lives in a directory. If that holds a run of the same configuration, it is resumed from its last checkpoint, and ends
/// with the same bits as if it had never been interrupted. Ctrl-C and the signals TERM, HUP, USR1, USR2, XCPU and ALRM finish the
/// step, write a checkpoint and exit with code 3; one that was ignored at the start (`nohup`) stays ignored. On a terminal a progress bar shows speed and state; elsewhere a line every ten seconds.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vitrion run ckn.toml --dry-run     steps, bytes, and how long on this machine
  vitrion run ckn.toml               in ckn-run/; the same command resumes it
  vitrion run ckn-run                resumes it too, wherever ckn-run/ was moved
  vitrion run ckn-run --extend \"10 ns\"  goes on with it, finished or not, for 10 ns more
  vitrion run ckn.toml --dir melt-2 --fresh")]
pub struct Run {
    /// Configuration, as `vitrion new ckn` writes it, or the directory of a run
    #[arg(value_name = "CONFIG|DIR")]
    config: PathBuf,

    /// Run directory [default: the name of the configuration with -run, here]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Print the plan and an estimate of time and disk space; write nothing
    #[arg(long = "dry-run")]
    plan_only: bool,

    /// Backend to use whatever the configuration says: auto, cpu or gpu
    #[arg(long, value_enum)]
    backend: Option<BackendArgument>,

    /// GPU to use: its number, name or PCI address in `vitrion devices`
    #[arg(long, value_name = "NAME|INDEX|PCI")]
    device: Option<String>,

    /// Refuse to resume: the directory must be new or empty
    #[arg(long)]
    fresh: bool,

    /// Go on with the run that is there, its last stage longer by this time: the result is, bit for bit, the run that was asked for at
    /// once. Given twice, it adds up
    #[arg(long, value_name = "TIME", conflicts_with = "fresh", allow_hyphen_values = true)]
    extend: Option<String>,

    /// Plain lines instead of a progress bar, also on a terminal
    #[arg(long)]
    plain: bool,
}

/// See [`BackendChoice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BackendArgument {
    /// A GPU where one is likely to be faster (no software, and no integrated one but Apple's), else the CPU.
    Auto,
    /// The processor.
    Cpu,
    /// A GPU.
    Gpu,
}

/// How long the speed is measured for an estimate.
const MEASUREMENT: Duration = Duration::from_secs(2);
/// Minimisation steps before that, which bring random starts apart.
const RELAXATION: u64 = 200;
/// Largest force that may remain then (u A/ps^2); about ten times the thermal one.
const RELAXED: f64 = 6e4;

impl Run {
    /// Plans or runs.
    ///
    /// `threads`: why the threads are fewer than the processors, where they are.
    pub fn execute(&self, threads: Option<String>) -> Result<Outcome> {
        let (config, options) = self.what_to_run()?;
        if self.plan_only {
            return Self::plan(&config, &options);
        }
        let mut reporter = Reporter::new(self.plain, threads);
        let stop = signals::stop_flag(reporter.speaker())?;
        let result = simulation::run(&config, &options, &mut reporter, &stop);
        reporter.close();
        let outcome = result?;
        if let Some(table) = reporter.summary_table() {
            console::print(&format!("\n{table}\n"))?;
        }
        console::print(&files(&outcome))?;
        Ok(match outcome.ending {
            Ending::Finished => {
                console::say(&format!(
                    "finished. Next: `vitrion plot {}` draws g(r) and the mean squared displacement",
                    console::path_word(&outcome.directory)
                ));
                Outcome::Done
            }
            Ending::Stopped => {
                console::say(&format!(
                    "stopped at step {} of {}; go on with: {}",
                    grouped(outcome.step),
                    grouped(outcome.total_steps),
                    self.command_to_go_on(&outcome.directory)
                ));
                Outcome::Stopped
            }
        })
    }

    /// The configuration file, and how to run it. The directory of a run stands for the configuration in it.
    fn what_to_run(&self) -> Result<(PathBuf, RunOptions)> {
        let mut options = self.options();
        if !self.config.is_dir() {
            return Ok((self.config.clone(), options));
        }
        if !simulation::is_run(&self.config) {
            bail!(
                "{}: this directory holds no run; give a configuration, as `vitrion new` writes it, or the directory of a run",
                self.config.display()
            );
        }
        options.directory = options.directory.or_else(|| Some(self.config.clone()));
        Ok((self.config.join("config.toml"), options))
    }

    fn options(&self) -> RunOptions {
        RunOptions {
            directory: self.dir.clone(),
            fresh: self.fresh,
            extend: self.extend.clone(),
            command_line: console::command_line(),
            first_step: 0,
            backend: self.backend.map(|backend| match backend {
                BackendArgument::Auto => BackendChoice::Auto,
                BackendArgument::Cpu => BackendChoice::Cpu,
                BackendArgument::Gpu => BackendChoice::Gpu,
            }),
            device: self.device.clone(),
        }
    }

    fn command_to_go_on(&self, directory: &Path) -> String {
        // Once extended, the run is what its own copy of the configuration says.
        let what = if self.extend.is_some() { directory } else { &self.config };
        let mut words = vec!["vitrion run".to_owned(), console::path_word(what)];
        if let (Some(directory), None) = (&self.dir, &self.extend) {
            words.push(format!("--dir {}", console::path_word(directory)));
        }
        if let Some(backend) = self.backend.and_then(|backend| backend.to_possible_value()) {
            words.push(format!("--backend {}", backend.get_name()));
        }
        if let Some(device) = &self.device {
            words.push(format!("--device {}", console::shell_word(device)));
        }
        words.join(" ")
    }

    fn plan(file: &Path, options: &RunOptions) -> Result<Outcome> {
        let config = if options.extend.is_some() {
            simulation::configuration(file, options)?
        } else {
            let mut config = Config::load(file)?;
            options.choose_backend(&mut config);
            config
        };
        let prepared = system::prepare(&config)?;
        let plan = Plan::new(&config, &prepared.topology);
        let default = || simulation::default_directory(file);
        let directory = options.directory.clone().unwrap_or_else(default);
        console::print(&plan_in_words(&plan, &directory))?;
        let Some(motion) = config.stages.iter().rev().find_map(|stage| stage.motion()) else {
            return Ok(Outcome::Done);
        };
        console::say("measuring the speed of this machine");
        let speed = steps_per_second(&config, &prepared, motion)?;
        let wall = plan.wall_time(speed).map_or(f64::INFINITY, |wall| wall.as_secs_f64());
        console::print(&format!(
            "\nspeed here: {speed:.1} steps/s, {:.2} ns/day a replica, {} in all (without minimisations)",
            nanoseconds_per_day(speed, motion.timestep),
            duration(wall)
        ))?;
        Ok(Outcome::Done)
    }
}

/// Steps a second of all replicas together, from the first state, relaxed a little.
fn steps_per_second(config: &Config, prepared: &Prepared, motion: &Motion) -> Result<f64> {
    let state = system::first_state(config, prepared)?;
    if config.run.precision == Precision::Reference {
        return reference_steps_per_second(config, prepared);
    }
    // Chosen beforehand, so that no time goes into measuring their error.
    let (force_field, topology) = (&prepared.force_field, &prepared.topology);
    let chosen = cpu::choose_mesh(force_field, topology, &state.cells[0], config.run.force_accuracy)?;
    let mut backend = system::build_backend(config, prepared, state, Some(chosen))?.backend;
    backend.minimize(RELAXATION, RELAXED)?;
    Ok(measure_steps_per_second(backend.as_mut(), motion, MEASUREMENT)?)
}

/// From one evaluation of the forces, which take nearly all of a step.
fn reference_steps_per_second(config: &Config, prepared: &Prepared) -> Result<f64> {
    let state = system::first_state(config, prepared)?;
    let configuration = crate::kernels::Configuration {
        force_field: prepared.force_field.clone(),
        topology: prepared.topology.clone(),
        cell: state.cells[0],
        positions: state.atom_positions(&prepared.topology, 0),
    };
    let mut kernel =
        configuration.prepare(crate::kernels::Precision::Reference, config.run.force_accuracy)?.kernel;
    kernel.set_soft_core(true);
    let mut forces = vec![DVec3::ZERO; configuration.positions.len()];
    let start = Instant::now();
    kernel.evaluate(&configuration.cell, &configuration.positions, Request::default(), &mut forces)?;
    Ok(1.0 / (start.elapsed().as_secs_f64() * config.system.replicas as f64))
}

fn plan_in_words(plan: &Plan, directory: &Path) -> String {
    let count = |n: u64| if n == 0 { "-".to_string() } else { grouped(n) };
    let rows: Vec<Vec<String>> = plan
        .stages
        .iter()
        .map(|stage| {
            vec![
                stage.name.clone(),
                stage.kind.clone(),
                if stage.steps == 0 { "-".to_string() } else { simulated(stage.time) },
                count(stage.steps),
                if stage.steps == 0 { "-".to_string() } else { format!("{} fs", stage.timestep * 1e3) },
                count(stage.frames),
                count(stage.thermo_rows),
                count(stage.windows),
                count(stage.ion_stress_windows),
                bytes(stage.bytes),
            ]
        })
        .collect();
    let header = [
        "stage",
        "kind",
        "time",
        "steps",
        "step",
        "frames",
        "thermo",
        "windows",
        "ion stress",
        "bytes/replica",
    ];
    let there = match directory.read_dir().map(|mut entries| entries.next().is_some()) {
        Ok(true) => " (exists; a run of this configuration there would be resumed)",
        _ => " (new)",
    };
    format!(
        "{}: {} x {} atoms\n\n{}\n\nin all {} steps, {}, at most {} on the disk before compression\nrun directory: {}{there}",
        plan.title,
        plan.replicas,
        grouped(plan.atoms as u64),
        console::table(&header, &rows),
        grouped(plan.total_steps()),
        simulated(plan.total_time()),
        bytes(plan.total_bytes()),
        directory.display()
    )
}

fn files(outcome: &simulation::Outcome) -> String {
    let mut lines = vec![format!("files in {}:", outcome.directory.display())];
    for path in outcome.trajectories.iter().chain([&outcome.checkpoint]) {
        let size = std::fs::metadata(path).map_or(String::new(), |m| format!("  {}", bytes(m.len())));
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        lines.push(format!("  {name}{size}"));
    }
    lines.join("\n")
}
