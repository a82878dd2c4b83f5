//! Times observables on a trajectory that lies in memory: what other programs are timed at that are given arrays.
//!
//! `cargo bench -p vitrion-analysis --bench analysis -- FILE.h5 [OBSERVABLE...]`: g(r) up to 12 angstrom in 240 bins, MSD and self ISF at two wave
//! numbers, over all frames of the last stage and all time origins; the median of nine. Called by `benches/peers/analysis.sh`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use vitrion_analysis::frame::Frame;
use vitrion_analysis::inputs::{H5mdTrajectory, Inputs, Said};
use vitrion_analysis::observable::{Context, select};
use vitrion_analysis::settings::Settings;
use vitrion_trajectory::h5md::TrajectoryReader;

const ROUNDS: usize = 9;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let Some(path) = words.next() else {
        println!(
            "give a trajectory: cargo bench -p vitrion-analysis --bench analysis -- FILE.h5 [OBSERVABLE...]"
        );
        return Ok(());
    };
    let named: Vec<String> = words.collect();
    let names = if named.is_empty() { ["rdf", "msd", "isf_self"].map(str::to_owned).to_vec() } else { named };
    let inputs = last_stage(Path::new(&path))?;
    let settings = Settings {
        r_max: Some(12.0),
        r_bins: Some(240),
        origins: usize::MAX,
        structure_frames: usize::MAX,
        ..Settings::default()
    };
    for name in names {
        println!("vitrion in memory, {name}: {:.4} s", seconds(&inputs, &settings, &name)?);
    }
    Ok(())
}

fn last_stage(path: &Path) -> Result<Inputs, Box<dyn Error>> {
    let reader = TrajectoryReader::open(path)?;
    let stage = reader.stages()?.pop();
    let first = stage.as_ref().map_or(0, |stage| stage.first_step.cast_signed());
    let frames = (0..reader.frames()).filter(|&frame| reader.step(frame) >= first).collect();
    Ok(Inputs::new(vec![Box::new(H5mdTrajectory::new(reader, stage, frames, Said::default())?)])?)
}

fn seconds(inputs: &Inputs, settings: &Settings, name: &str) -> Result<f64, Box<dyn Error>> {
    let context = Context::new(inputs, settings);
    let entry = select(&[name.to_owned()])?[0];
    let trajectory = &inputs.trajectories[0];
    let needs = (entry.prepare)(&context)?.needs(0, 0);
    let mut stream = trajectory.stream();
    let frames = (0..trajectory.frames()).map(|_| stream.next(needs)).collect::<Result<Vec<Frame>, _>>()?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut observable = (entry.prepare)(&context)?;
        let start = Instant::now();
        for frame in &frames {
            observable.accumulate(frame)?;
        }
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
