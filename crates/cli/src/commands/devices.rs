//! `vitrion devices`: the GPUs of this machine.

use anyhow::Result;
use clap::Args;
use vitrion_gpu::device::{self, AdapterSummary, Device};
use vitrion_gpu::diagnosis::Diagnosis;
use vitrion_gpu::selection::{NOTHING_FASTER, Request, kind_name};

use crate::{Outcome, console};

/// List the GPUs of this machine, their limits, and which one a run takes
///
/// Numbers, names (part of one is enough) and PCI addresses are what --device and `device` in the table [run] of a configuration take.
/// Software that imitates a GPU on the processor is taken only where it is named, or with `backend = "gpu"` where nothing else is there;
/// `backend = "auto"` takes no integrated GPU either, except Apple's. CUDA_VISIBLE_DEVICES restricts and orders NVIDIA's cards (by numbers
/// in the order of PCI addresses, or UUIDs); with SLURM_LOCALID the tasks of a node share out equal cards. Where a card's driver is there,
/// but not Vulkan, it says what is missing.
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
            return diagnosis(&Diagnosis::of_this_machine());
        }
        let rows: Vec<Vec<String>> = adapters.iter().enumerate().map(|(i, a)| row(i, a)).collect();
        let header = [
            "",
            "name",
            "PCI address",
            "kind",
            "driver",
            "workgroup memory",
            "largest buffer",
            "timestamps",
            "suffices",
        ];
        console::print(&console::table(&header, &rows))?;
        for (index, adapter) in adapters.iter().enumerate() {
            for warning in adapter.warnings() {
                console::print(&format!("{index}: {warning}"))?;
            }
            if adapter.missing.is_none() {
                console::print(&format!("{index}: arithmetic: {}", arithmetic(index)))?;
            }
        }
        console::print("")?;
        console::print(&taken("gpu", &adapters, Request::Best))?;
        console::print(&taken("auto", &adapters, Request::Faster))?;
        if adapters.iter().all(AdapterSummary::is_software) {
            let found = Diagnosis::of_this_machine();
            if found.has_card {
                console::print("\nonly software is listed, although there is a card:")?;
                return diagnosis(&found);
            }
        }
        Ok(Outcome::Done)
    }
}

/// What the self-test finds, which every device runs when it is opened.
fn arithmetic(index: usize) -> String {
    match Device::open_listed(index) {
        Ok(device) => device.self_test.to_string(),
        Err(error) => error.to_string(),
    }
}

fn diagnosis(diagnosis: &Diagnosis) -> Result<Outcome> {
    for finding in &diagnosis.findings {
        console::print(&format!("  {finding}"))?;
    }
    console::print("to do, whichever applies:")?;
    for remedy in &diagnosis.remedies {
        console::print(&format!("  - {remedy}"))?;
    }
    Ok(Outcome::Done)
}

/// What a run with `backend` and without `device` takes now.
fn taken(backend: &str, adapters: &[AdapterSummary], request: Request) -> String {
    let what = match device::choice(adapters, request) {
        Ok(Some(choice)) => {
            format!("{} {} ({})", choice.index, adapters[choice.index].candidate(), choice.reason)
        }
        Ok(None) => NOTHING_FASTER.to_owned(),
        Err(error) => format!("nothing: {error}"),
    };
    format!("a run with backend = {:<8}takes {what}", format!("\"{backend}\""))
}

fn row(index: usize, adapter: &AdapterSummary) -> Vec<String> {
    let hardware = adapter.hardware();
    vec![
        index.to_string(),
        adapter.info.name.clone(),
        adapter.address().map_or("-".to_owned(), |address| address.to_string()),
        kind_name(adapter.info.device_type).to_owned(),
        format!("{} {}", hardware.api, hardware.driver),
        format!("{} KiB", adapter.limits.max_compute_workgroup_storage_size / 1024),
        format!("{} MiB", adapter.limits.max_storage_buffer_binding_size >> 20),
        if adapter.timestamps { "yes" } else { "no" }.to_owned(),
        adapter.missing.as_ref().map_or("yes".to_owned(), |missing| format!("no: {missing}")),
    ]
}
