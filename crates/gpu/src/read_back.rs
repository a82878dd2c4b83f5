//! Copies of what is on the device, for which the host waits when it needs them.

use std::sync::mpsc::{Receiver, channel};

use bytemuck::Pod;
use wgpu::{Buffer, BufferAsyncError, BufferUsages, SubmissionIndex};

use crate::device::Device;
use crate::error::GpuError;

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

fn failed(error: impl std::error::Error) -> GpuError {
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

    /// Waits until the copies have arrived.
    pub(crate) fn wait(self, device: &Device) -> Result<Words, GpuError> {
        let wait = wgpu::PollType::Wait { submission_index: Some(self.submission), timeout: None };
        device.handle.poll(wait).map_err(failed)?;
        device.check()?;
        self.mapped.recv().map_err(failed)?.map_err(failed)?;
        Ok(Words { staging: self.staging, places: self.places })
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
