//! `vitrion devices`: the GPUs of this machine.

use anyhow::Result;
use clap::Args;
use vitrion_gpu::device::{self, AdapterSummary};

use crate::{Outcome, console};

/// List the GPUs of this machine, their limits, and whether they suffice
///
/// Numbers and names are what --device and `device` in the table [run] of a configuration take (part of a name is enough). Software that
/// imitates a GPU on the processor is taken only where it is named, or with `backend = "gpu"` where nothing else is there.
#[derive(Args)]
pub struct Devices {}

impl Devices {
    /// Prints the table.
    #[allow(clippy::unused_self)] // As the other commands.
    pub fn execute(&self) -> Result<Outcome> {
        let adapters = device::adapters();
        if adapters.is_empty() {
            console::print(
                "no GPU was found: no Vulkan, Metal or DX12 driver offers an adapter. Runs use the CPU backend.",
            )?;
            return Ok(Outcome::Done);
        }
        let rows: Vec<Vec<String>> = adapters.iter().enumerate().map(|(i, a)| row(i, a)).collect();
        let header =
            ["", "name", "kind", "driver", "workgroup memory", "largest buffer", "timestamps", "suffices"];
        console::print(&console::table(&header, &rows))?;
        Ok(Outcome::Done)
    }
}

fn row(index: usize, adapter: &AdapterSummary) -> Vec<String> {
    let kind =
        if adapter.is_software() { "software".to_owned() } else { format!("{:?}", adapter.info.device_type) };
    vec![
        index.to_string(),
        adapter.info.name.clone(),
        kind,
        format!("{} {}", adapter.info.backend, adapter.info.driver),
        format!("{} KiB", adapter.limits.max_compute_workgroup_storage_size / 1024),
        format!("{} MiB", adapter.limits.max_storage_buffer_binding_size >> 20),
        if adapter.timestamps { "yes" } else { "no" }.to_owned(),
        adapter.missing.as_ref().map_or("yes".to_owned(), |missing| format!("no: {missing}")),
    ]
}
