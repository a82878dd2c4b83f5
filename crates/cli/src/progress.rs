//! What a user sees of a run: a progress bar on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use vitrion_core::units::ATMOSPHERE;
use vitrion_simulation::observer::{Observer, Progress, RunStart, StageSummary};

use crate::console::{self, duration, grouped, simulated};

/// Time between plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// With more replicas than this, the terminal shows means and ranges.
const MOST_REPLICA_LINES: usize = 8;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// Simulated ns a day of wall time, for one replica.
pub fn nanoseconds_per_day(steps_per_second: f64, timestep_ps: f64) -> f64 {
    steps_per_second * timestep_ps * 1e-3 * SECONDS_PER_DAY
}

/// Prints what a run reports, and keeps the summaries for the table at its end.
pub struct Reporter {
    view: View,
    replicas: usize,
    summaries: Vec<StageSummary>,
    /// Why the threads are fewer than the processors, where they are.
    threads: Option<String>,
}

enum View {
    Bars(Bars),
    Plain(Plain),
}

/// Lines on a terminal that are drawn again and again.
struct Bars {
    lines: Arc<MultiProgress>,
    whole: ProgressBar,
    replicas: Vec<ProgressBar>,
}

/// Lines for a log file.
struct Plain {
    last: Option<Instant>,
    stage: Option<usize>,
}

impl Reporter {
    /// A progress bar if stderr is a terminal, and plain lines otherwise or with `plain`. `threads` says why the threads are fewer
    /// than the processors, where they are.
    pub fn new(plain: bool, threads: Option<String>) -> Self {
        let view = if plain || !std::io::stderr().is_terminal() {
            View::Plain(Plain { last: None, stage: None })
        } else {
            View::Bars(Bars::new())
        };
        Self { view, replicas: 1, summaries: Vec::new(), threads }
    }

    /// Prints a line above the bars from any thread.
    pub fn speaker(&self) -> impl Fn(&str) + Send + Sync + 'static + use<> {
        let lines = match &self.view {
            View::Bars(bars) => Some(Arc::clone(&bars.lines)),
            View::Plain(_) => None,
        };
        move |text| match &lines {
            Some(lines) => lines.suspend(|| console::say(text)),
            None => console::say(text),
        }
    }

    fn say(&self, text: &str) {
        self.speaker()(text);
    }

    /// Takes the bars away, so that what follows is printed below.
    pub fn close(&mut self) {
        if let View::Bars(bars) = &mut self.view {
            bars.clear();
        }
    }

    /// A line a stage; nothing if no stage ended.
    pub fn summary_table(&self) -> Option<String> {
        let rows: Vec<Vec<String>> = self.summaries.iter().map(summary_row).collect();
        let header =
            ["stage", "steps", "wall time", "T (K)", "p (atm)", "density (g/cm^3)", "drift (kT/ns/dof)"];
        (!rows.is_empty()).then(|| console::table(&header, &rows))
    }
}

fn summary_row(summary: &StageSummary) -> Vec<String> {
    let number = |x: f64, digits: usize| if x.is_finite() { format!("{x:.digits$}") } else { String::new() };
    // A minimisation has no temperature, and a pressure that means nothing.
    let moved = summary.drift.is_some() || summary.mean_temperature > 0.0;
    let of_motion = |x: f64, digits| if moved { number(x, digits) } else { String::new() };
    vec![
        summary.name.clone(),
        grouped(summary.steps),
        duration(summary.wall_seconds),
        of_motion(summary.mean_temperature, 1),
        of_motion(summary.mean_pressure, 0),
        number(summary.mean_density, 4),
        summary.drift.map_or(String::new(), |drift| format!("{drift:+.1e}")),
    ]
}

impl Observer for Reporter {
    fn started(&mut self, start: &RunStart) {
        self.replicas = start.replicas;
        self.say(&opening(start, self.threads.as_deref()));
        if let View::Bars(bars) = &mut self.view {
            bars.start(start);
        }
    }

    fn progress(&mut self, progress: &Progress) {
        match &mut self.view {
            View::Bars(bars) => bars.update(progress),
            View::Plain(plain) => {
                if plain.is_due(progress.stage) {
                    console::say(&plain_line(progress));
                }
            }
        }
    }

    fn stage_finished(&mut self, summary: &StageSummary) {
        self.say(&closing(summary));
        self.summaries.push(summary.clone());
    }

    fn message(&mut self, text: &str) {
        self.say(text);
    }
}

/// What is known when the run begins.
fn opening(start: &RunStart, threads: Option<&str>) -> String {
    let replicas = match start.replicas {
        1 => String::new(),
        n => format!("{n} replicas of "),
    };
    let mut lines = vec![
        format!(
            "{}: {replicas}{} atoms, {} steps, {}",
            start.title,
            grouped(start.atoms as u64),
            grouped(start.total_steps),
            start.backend
        ),
        format!("  {}", start.electrostatics),
    ];
    if let Some(on) = &start.on {
        lines.push(format!("  on {on}"));
    }
    if let (Some(threads), None) = (threads, start.threads) {
        lines.push(format!("  {threads}"));
    }
    if let Some((measured, asked)) = start.measured_force_error {
        lines.push(format!(
            "  force error against exact Ewald: {measured:.1e} of the RMS force ({asked:.0e} asked for)"
        ));
    }
    if start.first_step > 0 {
        lines.push(format!("  goes on at step {}", grouped(start.first_step)));
    }
    lines.push(format!("  writing to {}", start.directory.display()));
    lines.join("\n")
}

fn closing(summary: &StageSummary) -> String {
    let drift =
        summary.drift.map_or(String::new(), |d| format!(", drift {d:+.1e} kT/ns per degree of freedom"));
    let means = if summary.mean_temperature.is_finite() && summary.mean_temperature > 0.0 {
        format!(
            ", mean T {:.1} K, p {:.0} atm, density {:.4} g/cm^3",
            summary.mean_temperature, summary.mean_pressure, summary.mean_density
        )
    } else {
        String::new()
    };
    let steps = match summary.steps {
        0 => "done".to_string(),
        n => format!("{} steps", grouped(n)),
    };
    format!("{}: {steps} in {}{means}{drift}", summary.name, duration(summary.wall_seconds))
}

/// Speed and time to go. Minimisations have neither.
fn pace(progress: &Progress) -> String {
    if progress.steps_per_second.is_nan() || progress.steps_per_second <= 0.0 {
        return "measuring speed".to_string();
    }
    let left = progress.total_steps.saturating_sub(progress.step) as f64 / progress.steps_per_second;
    let speed = if progress.timestep > 0.0 {
        format!("{:.3} ns/day", nanoseconds_per_day(progress.steps_per_second, progress.timestep))
    } else {
        format!("{:.0} steps/s", progress.steps_per_second)
    };
    format!("{speed}, {} to go", duration(left))
}

/// State of one replica.
fn replica_line(progress: &Progress, replica: usize) -> String {
    let mut words = Vec::new();
    if let Some(thermo) = progress.thermo.get(replica).filter(|t| t.temperature > 0.0) {
        words.push(format!("T {:6.1} K", thermo.temperature));
        words.push(format!("p {:7.0} atm", thermo.pressure / ATMOSPHERE));
    }
    if let Some(density) = progress.density.get(replica) {
        words.push(format!("density {density:.4} g/cm^3"));
    }
    if let Some(drift) =
        progress.conserved_drift.get(replica).filter(|d| d.is_finite() && progress.timestep > 0.0)
    {
        words.push(format!("drift {drift:+.1e} kT/ns/dof"));
    }
    words.join("  ")
}

/// Mean and range over many replicas.
fn ensemble_line(progress: &Progress) -> String {
    let range = |values: Vec<f64>, digits: usize| {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{mean:.digits$} ({low:.digits$} to {high:.digits$})")
    };
    format!(
        "T {} K  p {} atm  density {} g/cm^3",
        range(progress.thermo.iter().map(|t| t.temperature).collect(), 1),
        range(progress.thermo.iter().map(|t| t.pressure / ATMOSPHERE).collect(), 0),
        range(progress.density.clone(), 4)
    )
}

fn state_line(progress: &Progress) -> String {
    if progress.thermo.len() == 1 {
        replica_line(progress, 0).split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        ensemble_line(progress)
    }
}

fn plain_line(progress: &Progress) -> String {
    let share = 100.0 * progress.step as f64 / progress.total_steps.max(1) as f64;
    format!(
        "[{share:5.1} %] {} ({}/{}) {}; {}; {}",
        progress.stage_name,
        progress.stage + 1,
        progress.stages,
        simulated(progress.time),
        state_line(progress),
        pace(progress)
    )
}

impl Plain {
    /// At the start of every stage, then once in a while.
    fn is_due(&mut self, stage: usize) -> bool {
        let due = self.stage != Some(stage) || self.last.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL);
        if due {
            (self.last, self.stage) = (Some(Instant::now()), Some(stage));
        }
        due
    }
}

impl Bars {
    fn new() -> Self {
        let lines = Arc::new(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { whole: ProgressBar::hidden(), replicas: Vec::new(), lines }
    }

    fn start(&mut self, start: &RunStart) {
        let bar = self.lines.add(ProgressBar::new(start.total_steps));
        let style = "{bar:32.cyan/dim} {percent:>3} %  {msg}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(start.first_step);
        self.whole = bar;
        let n = if start.replicas > MOST_REPLICA_LINES { 1 } else { start.replicas };
        self.replicas = (0..n)
            .map(|_| {
                let line = self.lines.add(ProgressBar::new_spinner());
                let style = ProgressStyle::with_template("  {msg}");
                line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                line
            })
            .collect();
    }

    fn update(&mut self, progress: &Progress) {
        self.whole.set_length(progress.total_steps);
        self.whole.set_position(progress.step);
        self.whole.set_message(format!(
            "{} ({}/{})  {}  {}",
            progress.stage_name,
            progress.stage + 1,
            progress.stages,
            simulated(progress.time),
            pace(progress)
        ));
        let many = progress.thermo.len() > self.replicas.len();
        for (replica, line) in self.replicas.iter().enumerate() {
            line.set_message(if many {
                ensemble_line(progress)
            } else if progress.thermo.len() > 1 {
                format!("{replica:>2}  {}", replica_line(progress, replica))
            } else {
                replica_line(progress, replica)
            });
        }
    }

    fn clear(&mut self) {
        self.whole.finish_and_clear();
        for line in &self.replicas {
            line.finish_and_clear();
        }
    }
}

/// How many frames are analysed: a bar on a terminal, a plain line now and then elsewhere.
pub struct FrameBar {
    bar: Option<ProgressBar>,
    /// Of the bar's last drawing, or of the last line.
    last: Instant,
}

impl FrameBar {
    /// A bar if stderr is a terminal.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{bar:32.cyan/dim} {percent:>3} %  frame {pos} of {len}, {eta} to go",
            );
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, last: Instant::now() }
    }

    /// So many frames are done.
    pub fn update(&mut self, frames: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of);
            bar.set_position(frames);
        } else if self.last.elapsed() >= PLAIN_INTERVAL {
            console::say(&format!("{} of {} frames", grouped(frames), grouped(of)));
            self.last = Instant::now();
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use vitrion_core::backend::Thermo;

    use super::*;

    fn progress() -> Progress {
        let thermo = Thermo { temperature: 701.23, pressure: 12.0 * ATMOSPHERE, ..Thermo::default() };
        Progress {
            stage: 1,
            stages: 4,
            stage_name: "melt".to_string(),
            step: 25_000,
            total_steps: 100_000,
            time: 100.0,
            timestep: 0.004,
            steps_per_second: 250.0,
            thermo: vec![thermo],
            conserved_drift: vec![1.5e-4],
            density: vec![1.9453],
        }
    }

    #[test]
    fn plain_line_says_where_the_run_is() {
        let line = plain_line(&progress());
        assert_eq!(
            line,
            "[ 25.0 %] melt (2/4) 100.00 ps; T 701.2 K p 12 atm density 1.9453 g/cm^3 drift +1.5e-4 kT/ns/dof; 86.400 ns/day, 5 min 00 s to go"
        );
    }

    #[test]
    fn replicas_are_summarised() {
        let mut progress = progress();
        let warm = Thermo { temperature: 721.0, ..progress.thermo[0] };
        progress.thermo.push(warm);
        progress.density.push(1.9253);
        let line = plain_line(&progress);
        assert!(
            line.contains("711.1 (701.2 to 721.0) K") && line.contains("1.9353 (1.9253 to 1.9453)"),
            "{line}"
        );
    }

    #[test]
    fn nothing_is_said_of_a_speed_that_is_not_known() {
        let unknown = Progress { steps_per_second: 0.0, ..progress() };
        assert!(plain_line(&unknown).ends_with("measuring speed"));
    }

    #[test]
    fn plain_lines_come_at_the_start_of_a_stage_and_then_rarely() {
        let mut plain = Plain { last: None, stage: None };
        assert!(plain.is_due(0) && !plain.is_due(0) && plain.is_due(1));
    }

    #[test]
    fn summary_leaves_out_what_a_minimisation_does_not_have() {
        let mut reporter = Reporter::new(true, None);
        assert!(reporter.summary_table().is_none());
        reporter.summaries.push(StageSummary {
            name: "relax".to_string(),
            steps: 120,
            wall_seconds: 1.0,
            mean_temperature: 0.0,
            mean_pressure: f64::NAN,
            mean_density: 1.9,
            drift: None,
        });
        let table = reporter.summary_table().unwrap();
        assert!(table.contains("relax") && !table.contains("NaN"));
    }
}
