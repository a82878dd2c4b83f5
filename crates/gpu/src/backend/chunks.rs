//! Chunks of steps, two under way at a time: while the host reads what one sampled, the device works on the next.
//!
//! A chunk is submitted before the host knows how the one before it went. That is safe because a replica that needs the host (its
//! status is not zero) stands still, whatever is submitted, until the host has seen to it, and replicas know nothing of one another. All
//! that the host writes for the later chunk leaves the earlier one alone: set points and what is due go into places of their own in a
//! ring of steps, samples into the other half, and of the words that replicas look at only the step at which to rest changes. So a replica
//! that stood still goes on where it stood, through both chunks.

use std::time::Instant;

use glam::{DMat3, DVec3};
use vitrion_core::backend::{BackendError, Sink};
use vitrion_core::observe::streams::Stream;
use vitrion_core::units::BOLTZMANN;
use vitrion_shaders::dimensions::SLOTS;
use vitrion_shaders::kernel::Kernel;
use vitrion_shaders::protocol::{header, status};

use super::{Failure, Forces, GpuBackend, variant};
use crate::convert;
use crate::layout::Replica;
use crate::read_back::{Part, ReadBack, Words};
use crate::system::{Half, Target};

/// Seconds of work in one submission: long beside its latency, short beside a driver's patience and the user's.
const SUBMISSION: f64 = 0.05;
/// Most steps of a chunk: two of them and the step before fit into the ring.
const LONGEST: u64 = SLOTS as u64 / 2 - 1;
// So that low words of step numbers count on past 2^32 in the ring.
const _: () = assert!(SLOTS.is_power_of_two());

/// What is sampled in one chunk: the steps of the stress samples, and of those of the centres, and where they lie.
pub(super) struct Due {
    half: Half,
    stress: Vec<u64>,
    centres: Vec<u64>,
}

/// A chunk of steps that the host has submitted and not yet read.
struct Chunk {
    first: u64,
    steps: u64,
    due: Due,
    began: Instant,
    words: ReadBack,
}

impl GpuBackend {
    /// Advances all replicas by `steps` steps. What earlier chunks sampled is delivered while the device works: correlators
    /// and files cost it no time.
    pub(super) fn advance_in_chunks(&mut self, steps: u64, sink: &mut dyn Sink) -> Result<(), BackendError> {
        if steps > 0 {
            self.ensure_forces()?;
        }
        let mut next = self.state.step;
        let end = next + steps;
        let mut unread: Option<Chunk> = None;
        while self.state.step < end {
            let mut ahead = None;
            if next < end {
                let n = (end - next).min(self.chunk).min(self.most_steps());
                ahead = Some(self.submit(next, n, unread.as_ref().map(|chunk| chunk.due.half))?);
                next += n;
            }
            self.deliver(sink);
            unread = match unread {
                Some(chunk) => self.finish(chunk, ahead)?,
                None => ahead,
            };
        }
        Ok(())
    }

    /// The most steps that a chunk can have.
    fn most_steps(&self) -> u64 {
        let window = self.stage.as_ref().and_then(|stage| stage.sampling.window);
        let samples = self.window_samples() as u64;
        let by_window = window.map_or(u64::MAX, |w| w.sample_every.max(1).saturating_mul(samples));
        by_window.min(self.longest_chunk).min(LONGEST)
    }

    /// Samples of the centres that a chunk can hold.
    fn window_samples(&self) -> usize {
        self.system.dimensions().window_slots / 2
    }

    /// Submits `steps` steps from step `first` on, behind the chunk that has the half `before`, if one is under way.
    fn submit(&mut self, first: u64, steps: u64, before: Option<Half>) -> Result<Chunk, BackendError> {
        let half = before.map_or(Half::First, Half::other);
        self.system.keep_state(half);
        let began = Instant::now();
        let due = self.dispatch_steps(first, steps, half, before.is_none())?;
        let words = self.system.read_later(&self.parts(&due));
        self.submissions.chunks += 1;
        self.submissions.ahead += u64::from(before.is_some());
        Ok(Chunk { first, steps, due, began, words })
    }

    /// Submits steps of replicas that are at rest. `alone`: nothing else is under way.
    fn dispatch_steps(
        &mut self,
        first: u64,
        steps: u64,
        half: Half,
        alone: bool,
    ) -> Result<Due, BackendError> {
        let variant = self.stage.as_ref().map(variant).ok_or(BackendError::NoStage)?;
        let due = self.write_set_points(first, steps, half, alone);
        self.submit_up_to(first + steps);
        self.system.dispatch(&[Kernel::Advance], &Kernel::STEP, steps, variant, Target::Motion)?;
        Ok(due)
    }

    /// Lets replicas that nothing keeps from running do steps up to `last`.
    pub(super) fn submit_up_to(&mut self, last: u64) {
        self.last_step = last;
        self.system.write_header(header::LAST_STEP, last as u32);
    }

    /// Waits for a chunk and collects what it sampled; returns the chunk `ahead` of it if that is still to be waited for. Where the
    /// host had to help, both are done.
    fn finish(&mut self, chunk: Chunk, ahead: Option<Chunk>) -> Result<Option<Chunk>, BackendError> {
        let Chunk { first, steps, due, began, words } = chunk;
        let words = words.wait(self.system.device())?;
        let replicas: Vec<Replica> = words.part(0)?;
        if let Some(failure) = self.failure(&replicas, first) {
            return Err(self.go_back(due.half, failure));
        }
        if replicas.iter().any(|replica| replica.status & status::LIST_FULL != 0) {
            self.submissions.full += 1;
            self.submissions.full_ahead += u64::from(ahead.is_some());
            if let Some(failure) = self.catch_up(first)? {
                return Err(self.go_back(due.half, failure));
            }
            self.collect_now(&due, steps)?;
            if let Some(ahead) = ahead {
                self.collect_now(&ahead.due, ahead.steps)?;
            }
            return Ok(None);
        }
        self.collect(&due, &words)?;
        self.state.step += steps;
        let now = Instant::now();
        let wanted = steps as f64 * SUBMISSION / (now - began).as_secs_f64().max(1e-6);
        self.chunk = (wanted as u64).clamp(self.chunk.div_ceil(2), 2 * self.chunk).max(1);
        // The device came to it only now.
        Ok(ahead.map(|ahead| Chunk { began: now, ..ahead }))
    }

    /// Lets lists grow until all replicas have done what was submitted since step `first`, where the state was kept.
    fn catch_up(&mut self, first: u64) -> Result<Option<Failure>, BackendError> {
        let variant = self.stage.as_ref().map(variant).ok_or(BackendError::NoStage)?;
        loop {
            let replicas: Vec<Replica> = self.system.read("replicas")?;
            if let Some(failure) = self.failure(&replicas, first) {
                return Ok(Some(failure));
            }
            self.grow(&replicas)?;
            // A replica whose lists were full stands in the middle of a step; the others are at rest.
            let last = self.last_step as u32;
            let left = replicas.iter().map(|replica| last.wrapping_sub(replica.step)).max();
            match left {
                None | Some(0) => return Ok(None),
                Some(times) => {
                    self.system.dispatch(&[], &Kernel::STEP, u64::from(times), variant, Target::Motion)?;
                }
            }
        }
    }

    /// Goes back to the last finished chunk, the state kept in `half`, and advances all replicas to the last step that they can do;
    /// returns why they can do no more.
    fn go_back(&mut self, half: Half, mut failure: Failure) -> BackendError {
        let first = self.state.step;
        loop {
            self.state.step = first;
            self.streams.iter_mut().for_each(Stream::clear);
            match self.repeat_kept(half, failure.possible) {
                Ok(None) => return failure.error,
                // A replica whose lists were full had not come that far.
                Ok(Some(earlier)) if earlier.possible < failure.possible => failure = earlier,
                Ok(Some(same)) => return same.error,
                Err(error) => return error,
            }
        }
    }

    /// Advances the kept state by `steps` steps, one chunk after the other.
    fn repeat_kept(&mut self, half: Half, steps: u64) -> Result<Option<Failure>, BackendError> {
        let first = self.state.step;
        self.system.return_to_kept_state(half);
        self.synchronize()?;
        self.forces = Forces::Again;
        while self.state.step < first + steps {
            self.ensure_forces()?;
            let n = (first + steps - self.state.step).min(self.most_steps());
            let due = self.dispatch_steps(self.state.step, n, Half::First, true)?;
            if let Some(failure) = self.catch_up(first)? {
                return Ok(Some(failure));
            }
            self.collect_now(&due, n)?;
        }
        Ok(None)
    }

    /// Writes set points and what is due for `steps` steps after step `first`, and for that step itself if no chunk that ends
    /// with it is under way.
    pub(super) fn write_set_points(&self, first: u64, steps: u64, half: Half, alone: bool) -> Due {
        let mut due = Due { half, stress: Vec::new(), centres: Vec::new() };
        let Some(stage) = &self.stage else { return due };
        let dt = stage.dynamics.timestep;
        let (stress_place, window_place) = (half.index() * SLOTS / 2, half.index() * self.window_samples());
        let begin = if alone { first } else { first + 1 };
        let mut flags = Vec::with_capacity(steps as usize + 1);
        for step in begin..=first + steps {
            let mut places = [0u32; 4];
            if step > first && stage.is_due(stage.sampling.stress_every, step) {
                due.stress.push(step);
                places[0] = (stress_place + due.stress.len()) as u32;
            }
            if step > first && stage.is_due(stage.sampling.window.map(|w| w.sample_every), step) {
                due.centres.push(step);
                places[1] = (window_place + due.centres.len()) as u32;
            }
            flags.push(places);
        }
        let n = self.replicas();
        let mut entries: Vec<[[f32; 4]; 2]> = Vec::with_capacity(n * flags.len());
        for (step, flags) in (begin..).zip(&flags) {
            entries.extend((0..n).map(|replica| {
                let kt = |step| {
                    let temperature = stage.dynamics.temperature.get(replica);
                    temperature.map_or(0.0, |t| BOLTZMANN * t.at(step, dt))
                };
                let p = |step| stage.dynamics.pressure.get(replica).map_or(0.0, |p| p.at(step, dt));
                let change = [kt(step + 1) - kt(step), p(step + 1) - p(step)];
                let values = [kt(step), p(step), change[0], change[1]];
                [values.map(|x| x as f32), flags.map(f32::from_bits)]
            }));
        }
        // Around the end of the ring.
        let place = (begin % SLOTS as u64) as usize;
        let (to_end, from_start) = entries.split_at(entries.len().min((SLOTS - place) * n));
        self.system.write("stream", place * n, to_end);
        if !from_start.is_empty() {
            self.system.write("stream", 0, from_start);
        }
        due
    }

    /// What of the device the host needs after a chunk: control words, then the places that hold what was sampled.
    fn parts(&self, due: &Due) -> Vec<Part<'static>> {
        let d = self.system.dimensions();
        let mut parts = vec![Part { name: "replicas", first: 0, bytes: size_of::<Replica>() * d.replicas }];
        if !due.stress.is_empty() {
            let start = due.half.index() * SLOTS / 2;
            let first = d.stress_section() + 2 * start * d.replicas;
            parts.push(Part { name: "stream", first: 16 * first, bytes: 32 * due.stress.len() * d.replicas });
        }
        if !due.centres.is_empty() {
            let (start, sample) = (due.half.index() * self.window_samples(), d.replicas * d.molecules);
            let first = d.window_section() + 2 * start * sample;
            parts.push(Part { name: "stream", first: 16 * first, bytes: 32 * due.centres.len() * sample });
        }
        parts
    }

    /// Reads and collects what a chunk of `steps` steps has sampled when nothing is under way.
    fn collect_now(&mut self, due: &Due, steps: u64) -> Result<(), BackendError> {
        let words = self.system.read_later(&self.parts(due)).wait(self.system.device())?;
        self.collect(due, &words)?;
        self.state.step += steps;
        Ok(())
    }

    /// Takes what was sampled out of the [`Self::parts`] of a chunk.
    fn collect(&mut self, due: &Due, words: &Words) -> Result<(), BackendError> {
        if !due.stress.is_empty() {
            let samples: Vec<[f32; 4]> = words.part(1)?;
            let n = self.replicas();
            for (replica, stream) in self.streams.iter_mut().enumerate() {
                for (index, &step) in due.stress.iter().enumerate() {
                    let at = 2 * (index * n + replica);
                    let [xx, yy, zz, xy] = samples[at].map(f64::from);
                    let [xz, yz, ..] = samples[at + 1].map(f64::from);
                    let tensor = DMat3::from_cols(
                        DVec3::new(xx, xy, xz),
                        DVec3::new(xy, yy, yz),
                        DVec3::new(xz, yz, zz),
                    );
                    stream.stress.push((step, tensor));
                }
            }
        }
        if !due.centres.is_empty() {
            let samples: Vec<[[u32; 4]; 2]> = words.part(1 + usize::from(!due.stress.is_empty()))?;
            let (n, molecules) = (self.replicas(), self.system.dimensions().molecules);
            for (replica, stream) in self.streams.iter_mut().enumerate() {
                for (index, &step) in due.centres.iter().enumerate() {
                    let at = (index * n + replica) * molecules;
                    let centres = samples[at..][..molecules].iter();
                    stream.add_centres(step, centres.map(|&[low, high]| convert::unwrapped(low, high)));
                }
            }
        }
        Ok(())
    }
}
