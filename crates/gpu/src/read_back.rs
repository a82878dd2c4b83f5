//! Copies of what is on the device, for which the host waits when it needs them.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytemuck::Pod;
use wgpu::{Buffer, BufferAsyncError, BufferUsages, PollError, SubmissionIndex};

use crate::device::Device;
use crate::error::GpuError;

/// How long hardware may take for what it was given. Chunks of steps take 50 ms and the longest single dispatch some seconds, so a
/// card that takes minutes hangs. Software is slow, but does not.
const LONGEST_WAIT: Duration = Duration::from_secs(180);

fn longest_wait(is_software: bool) -> Option<Duration> {
    (!is_software).then_some(LONGEST_WAIT)
}

/// Bytes of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The buffer's name.
    pub name: &'a str,
    /// First byte.
    pub first: usize,
    /// Number of bytes.
    pub bytes: usize,
}

/// Parts of buffers on their way to the host. What is submitted later is not waited for.
pub struct ReadBack {
    staging: Buffer,
    places: Vec<(usize, usize)>,
    submission: SubmissionIndex,
    mapped: Receiver<Result<(), BufferAsyncError>>,
}

/// Parts of buffers that have arrived.
pub struct Words {
    staging: Buffer,
    places: Vec<(usize, usize)>,
}

fn failed(error: impl std::fmt::Display) -> GpuError {
    GpuError::Device { message: error.to_string() }
}

impl ReadBack {
    /// Copies `parts`, which are not all empty, of the buffers that `buffer` finds.
    pub(crate) fn submit<'a>(
        device: &Device,
        parts: &[Part<'_>],
        buffer: impl Fn(&str) -> &'a Buffer,
    ) -> Self {
        let bytes: usize = parts.iter().map(|part| part.bytes).sum();
        let staging = device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: bytes as u64,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.handle.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut places = Vec::with_capacity(parts.len());
        let mut end = 0;
        for part in parts {
            let (from, to) = (part.first as u64, end as u64);
            encoder.copy_buffer_to_buffer(buffer(part.name), from, &staging, to, part.bytes as u64);
            places.push((end, part.bytes));
            end += part.bytes;
        }
        let submission = device.queue.submit([encoder.finish()]);
        Self::map(staging, places, submission)
    }

    /// For `staging`, into which `submission` copies: parts of (first byte, bytes).
    pub(crate) fn map(staging: Buffer, places: Vec<(usize, usize)>, submission: SubmissionIndex) -> Self {
        let (sender, mapped) = channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // Nobody listens any more where the copy has become useless.
            let _ = sender.send(result);
        });
        Self { staging, places, submission, mapped }
    }

    /// Waits until the copies have arrived; for hardware three minutes at most.
    pub(crate) fn wait(self, device: &Device) -> Result<Words, GpuError> {
        let timeout = longest_wait(device.adapter.is_software());
        let wait = wgpu::PollType::Wait { submission_index: Some(self.submission), timeout };
        device.handle.poll(wait).map_err(|error| not_done(device, &error))?;
        device.check()?;
        self.mapped.recv().map_err(failed)?.map_err(failed)?;
        Ok(Words { staging: self.staging, places: self.places })
    }
}

/// The error that a wait has ended before the work.
fn not_done(device: &Device, error: &PollError) -> GpuError {
    match error {
        PollError::Timeout => device.hung(LONGEST_WAIT),
        PollError::WrongSubmissionIndex(..) => failed(error),
    }
}

impl Words {
    /// The elements of part `index`.
    pub fn part<T: Pod>(&self, index: usize) -> Result<Vec<T>, GpuError> {
        let view = self.staging.slice(..).get_mapped_range().map_err(failed)?;
        let (first, bytes) = self.places[index];
        Ok(bytemuck::pod_collect_to_vec(&view[first..first + bytes]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hardware_is_given_up() {
        assert_eq!(longest_wait(true), None);
        assert_eq!(longest_wait(false), Some(LONGEST_WAIT));
    }

    /// The software driver does its work before a submission returns, so it never times out: the error is made by hand.
    #[test]
    fn a_device_that_does_not_answer_is_an_error_that_says_what_to_do() {
        let device = Device::open(None).unwrap();
        let error = not_done(&device, &PollError::Timeout).to_string();
        assert!(error.contains(&format!("{} has not answered for 180 s", device.name())), "{error}");
        assert!(
            error.contains("nvidia-smi --gpu-reset") && error.contains("last checkpoint is good"),
            "{error}"
        );
        let other = not_done(&device, &PollError::WrongSubmissionIndex(2, 1)).to_string();
        assert!(!other.contains("has not answered"), "{other}");
    }
}
