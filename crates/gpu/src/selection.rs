//! Which adapter a run takes: a function of facts about adapters and of the environment, so that it can be checked without a card.
//!
//! Without a name the order is: those that suffice; hardware before software, discrete before integrated; Vulkan before Metal
//! before DX12, by which one card may come twice. Two variables have their say:
//!
//! - `CUDA_VISIBLE_DEVICES` names the NVIDIA cards that may be taken, in order of preference: by numbers, which count the cards in
//!   the order of their PCI addresses, as `nvidia-smi` does (and CUDA with `CUDA_DEVICE_ORDER=PCI_BUS_ID`), or by beginnings of UUIDs.
//! - `SLURM_LOCALID`, the number of this task on its node, takes that one of several equally good cards, modulo their number.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use wgpu::{Backend, DeviceType};

use crate::error::GpuError;

/// What `backend = "auto"` means where [`choose`] finds nothing for [`Request::Faster`].
pub const NOTHING_FASTER: &str = "the CPU (no GPU that may be taken is likely to be faster)";

/// PCI number of NVIDIA.
const NVIDIA: u32 = 0x10de;
/// No machine has so many adapters: a larger number is part of a name, such as 3090.
const MOST_ADAPTERS: usize = 100;
const CUDA: &str = "CUDA_VISIBLE_DEVICES";
const SLURM: &str = "SLURM_LOCALID";

/// Where a card sits on the PCI bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    domain: u32,
    bus: u32,
    device: u32,
    function: u32,
}

impl PciAddress {
    /// From `65:00.0`, `0000:65:00.0` or, as CUDA and `nvidia-smi` write it, `00000000:65:00.0`, in any case; `None` if it is
    /// something else.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |digits: &str, lengths: std::ops::RangeInclusive<usize>| {
            let plain = digits.bytes().all(|b| b.is_ascii_hexdigit()) && lengths.contains(&digits.len());
            plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
        };
        let (place, function) = text.trim().rsplit_once('.')?;
        let (front, device) = place.rsplit_once(':')?;
        let (domain, bus) = front.rsplit_once(':').unwrap_or(("0000", front));
        Some(Self {
            domain: number(domain, 4..=8)?,
            bus: number(bus, 2..=2)?,
            device: number(device, 2..=2)?,
            function: number(function, 1..=1)?,
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

/// What the choice depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Name.
    pub name: String,
    /// Hardware or software, and how it is attached.
    pub kind: DeviceType,
    /// Through which interface.
    pub api: Backend,
    /// Where it sits, if its driver says so.
    pub address: Option<PciAddress>,
    /// PCI number of its maker.
    pub vendor: u32,
    /// It has all that the kernels need.
    pub suffices: bool,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} at {address}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A card as NVIDIA's kernel driver lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvidiaCard {
    /// `GPU-` and 32 hexadecimal digits.
    pub uuid: String,
    /// Where it sits.
    pub address: PciAddress,
}

/// What of the environment the choice depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `CUDA_VISIBLE_DEVICES`, if it is set.
    pub cuda_visible_devices: Option<String>,
    /// `SLURM_LOCALID`, if it is set.
    pub slurm_localid: Option<String>,
    /// NVIDIA's cards.
    pub nvidia_cards: Vec<NvidiaCard>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            cuda_visible_devices: variable(CUDA),
            slurm_localid: variable(SLURM),
            nvidia_cards: nvidia_cards(Path::new("/proc/driver/nvidia/gpus")),
        }
    }
}

/// The cards under `directory`, in which NVIDIA's kernel driver has a directory for each.
fn nvidia_cards(directory: &Path) -> Vec<NvidiaCard> {
    let card = |text: &str| {
        let entry = |name: &str| {
            text.lines()
                .find_map(|line| line.split_once(':').filter(|(key, _)| *key == name))
                .map(|(_, v)| v.trim())
        };
        Some(NvidiaCard {
            uuid: entry("GPU UUID")?.to_owned(),
            address: PciAddress::parse(entry("Bus Location")?)?,
        })
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut cards: Vec<NvidiaCard> = entries
        .filter_map(|entry| card(&std::fs::read_to_string(entry.path().join("information")).ok()?))
        .collect();
    cards.sort_by_key(|card| card.address);
    cards
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// The best one there is (`backend = "gpu"`).
    Best,
    /// The best one that is likely to be faster than the CPU backend (`backend = "auto"`): discrete or virtual hardware, or Apple's.
    Faster,
    /// The one of this number, PCI address, or (part of a) name.
    Named(&'a str),
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Number of the adapter.
    pub index: usize,
    /// Why that one.
    pub reason: String,
}

/// Chooses among adapters in the order of their numbers. `None` if there is none to be taken: none at all or, for
/// [`Request::Faster`], none that is likely to be faster.
///
/// # Errors
/// [`GpuError::UnknownDevice`] or [`GpuError::AmbiguousDevice`] if the name fits none, or cards of different names;
/// [`GpuError::Environment`] if a variable makes no sense, or does not allow what is asked for.
pub fn choose(
    candidates: &[Candidate],
    request: Request,
    environment: &Environment,
) -> Result<Option<Choice>, GpuError> {
    let all = 0..candidates.len();
    let asked: Vec<usize> = match request {
        Request::Best => all.collect(),
        Request::Faster => all.filter(|&i| likely_faster(&candidates[i])).collect(),
        Request::Named(wanted) => named(candidates, wanted)?,
    };
    if asked.is_empty() {
        return Ok(None);
    }
    // What is asked for may have nothing to do with NVIDIA; then what the variable says does not matter.
    let is_nvidia = |&i: &usize| candidates[i].vendor == NVIDIA;
    let concerned = request == Request::Best || asked.iter().any(is_nvidia);
    let visible = if concerned { visible(candidates, environment)? } else { None };
    let allowed: Vec<usize> = match &visible {
        None => asked.clone(),
        Some(cards) => {
            let others = asked.iter().copied().filter(|i| !is_nvidia(i));
            cards.iter().copied().filter(|i| asked.contains(i)).chain(others).collect()
        }
    };
    if allowed.is_empty() {
        return match request {
            Request::Faster => Ok(None),
            Request::Best | Request::Named(_) => Err(GpuError::Environment {
                variable: CUDA,
                value: environment.cuda_visible_devices.clone().unwrap_or_default(),
                problem: format!(
                    "it does not allow {}; change or unset it, or give `backend = \"cpu\"`",
                    list(candidates, &asked)
                ),
            }),
        };
    }
    // Where some cards are named, other makers' come behind them.
    let behind = |i: usize| visible.as_ref().is_some_and(|cards| !cards.is_empty() && !cards.contains(&i));
    let rank = |i: usize| {
        let c = &candidates[i];
        (!c.suffices, kind_rank(c.kind), behind(i), api_rank(c.api))
    };
    let best = allowed.iter().map(|&i| rank(i)).min();
    let mut places = HashSet::new();
    let equal: Vec<usize> = allowed
        .into_iter()
        .filter(|&i| Some(rank(i)) == best)
        // A driver that is installed twice shows every card twice.
        .filter(|&i| candidates[i].address.is_none_or(|address| places.insert(address)))
        .collect();
    let turn = turn(environment, equal.len())?;
    let index = equal[turn.unwrap_or(0)];
    let mut reasons = vec![match request {
        Request::Named(wanted) => format!("`{wanted}` is asked for"),
        Request::Best | Request::Faster if candidates.len() == 1 => "the only adapter".to_owned(),
        Request::Best | Request::Faster => {
            format!("{} through {} comes first", kind_name(candidates[index].kind), candidates[index].api)
        }
    }];
    if let (Some(cards), Some(value)) = (&visible, &environment.cuda_visible_devices) {
        let any = candidates.iter().any(|c| c.vendor == NVIDIA);
        reasons.push(match cards.len() {
            0 if !any => format!("{CUDA}={value}, but no NVIDIA card shows up"),
            0 => format!("{CUDA}={value} allows no NVIDIA card"),
            _ => format!("{CUDA}={value}"),
        });
    }
    match (turn, equal.len()) {
        (_, 1) => {}
        (None, n) => reasons.push(format!("the first of {n} equally good ones")),
        (Some(turn), n) => {
            let id = environment.slurm_localid.as_deref().unwrap_or_default().trim();
            reasons.push(format!("{SLURM}={id} takes number {turn} (from 0) of {n} equally good ones"));
        }
    }
    Ok(Some(Choice { index, reason: reasons.join("; ") }))
}

/// Software and most integrated GPUs, which share the processor's memory, are slower than the CPU backend.
fn likely_faster(candidate: &Candidate) -> bool {
    candidate.suffices
        && match candidate.kind {
            DeviceType::DiscreteGpu | DeviceType::VirtualGpu => true,
            DeviceType::IntegratedGpu => candidate.api == Backend::Metal,
            DeviceType::Other | DeviceType::Cpu => false,
        }
}

fn kind_rank(kind: DeviceType) -> u32 {
    match kind {
        DeviceType::DiscreteGpu => 0,
        DeviceType::VirtualGpu => 1,
        DeviceType::IntegratedGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

/// The kind of an adapter in words.
pub fn kind_name(kind: DeviceType) -> &'static str {
    match kind {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::Other => "other",
        DeviceType::Cpu => "software",
    }
}

fn api_rank(api: Backend) -> u32 {
    match api {
        Backend::Vulkan => 0,
        Backend::Metal => 1,
        Backend::Dx12 => 2,
        _ => 3,
    }
}

/// Adapters that `wanted` means: by PCI address, number, whole name, or part of a name. Of several, all have the same name.
fn named(candidates: &[Candidate], wanted: &str) -> Result<Vec<usize>, GpuError> {
    let all = || 0..candidates.len();
    let unknown = || GpuError::UnknownDevice {
        wanted: wanted.to_owned(),
        available: list(candidates, &all().collect::<Vec<_>>()),
    };
    let found = |matches: &dyn Fn(&Candidate) -> bool| {
        let found: Vec<usize> = all().filter(|&i| matches(&candidates[i])).collect();
        Some(found).filter(|found| !found.is_empty())
    };
    if let Some(address) = PciAddress::parse(wanted) {
        return found(&|c| c.address == Some(address)).ok_or_else(unknown);
    }
    if let Ok(number) = wanted.trim().parse::<usize>() {
        if number < candidates.len() {
            return Ok(vec![number]);
        }
        if number < MOST_ADAPTERS {
            return Err(unknown());
        }
    }
    let part = wanted.trim().to_lowercase();
    if part.is_empty() {
        return Err(unknown());
    }
    if let Some(whole) = found(&|c| c.name.to_lowercase() == part) {
        return Ok(whole);
    }
    let partly = found(&|c| c.name.to_lowercase().contains(&part)).ok_or_else(unknown)?;
    if partly.iter().any(|&i| candidates[i].name != candidates[partly[0]].name) {
        return Err(GpuError::AmbiguousDevice {
            wanted: wanted.to_owned(),
            fitting: list(candidates, &partly),
        });
    }
    Ok(partly)
}

/// Numbers, names and addresses, for messages.
fn list(candidates: &[Candidate], which: &[usize]) -> String {
    which.iter().map(|&i| format!("{i} ({})", candidates[i])).collect::<Vec<_>>().join(", ")
}

/// NVIDIA adapters that `CUDA_VISIBLE_DEVICES` names, in order of preference; `None` if it is not set. As in CUDA, -1 ends the list.
fn visible(candidates: &[Candidate], environment: &Environment) -> Result<Option<Vec<usize>>, GpuError> {
    let Some(value) = &environment.cuda_visible_devices else { return Ok(None) };
    let error = |problem: String| GpuError::Environment { variable: CUDA, value: value.clone(), problem };
    let cards = cards(candidates);
    let mut visible: Vec<usize> = Vec::new();
    if value.trim().is_empty() || value.trim().eq_ignore_ascii_case("NoDevFiles") {
        return Ok(Some(visible));
    }
    for entry in value.split(',').map(str::trim) {
        if entry == "-1" {
            break;
        }
        let card: Vec<usize> = if entry.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("MIG")) {
            return Err(error(
                "a slice of a card (MIG) offers no Vulkan; ask for a whole card, or give `backend = \"cpu\"`"
                    .to_owned(),
            ));
        } else if entry.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("GPU-")) {
            if cards.is_empty() {
                continue;
            }
            let address = by_uuid(entry, environment).map_err(error)?;
            let here = |i: &usize| candidates[*i].vendor == NVIDIA && candidates[*i].address == Some(address);
            let card: Vec<usize> = (0..candidates.len()).filter(here).collect();
            if card.is_empty() {
                return Err(error(format!(
                    "`{entry}` is the card at {address}, which no driver of a GPU shows here"
                )));
            }
            card
        } else if let Ok(number) = entry.parse::<usize>() {
            match cards.get(number) {
                Some(card) => card.clone(),
                None if cards.is_empty() => Vec::new(),
                None => {
                    return Err(error(format!(
                        "there is no NVIDIA card number {number}: {} are here, counted from 0 in the order of their PCI addresses",
                        cards.len()
                    )));
                }
            }
        } else {
            return Err(error(format!(
                "`{entry}` is neither a number nor the beginning of a UUID (GPU-...); correct or unset it"
            )));
        };
        if card.iter().any(|i| visible.contains(i)) {
            return Err(error(format!("`{entry}` names a card a second time; correct or unset it")));
        }
        visible.extend(card);
    }
    Ok(Some(visible))
}

/// Address of the card whose UUID begins with `start`; else what is wrong.
fn by_uuid(start: &str, environment: &Environment) -> Result<PciAddress, String> {
    let start = start.to_lowercase();
    let fitting: Vec<&NvidiaCard> =
        environment.nvidia_cards.iter().filter(|card| card.uuid.to_lowercase().starts_with(&start)).collect();
    match fitting.as_slice() {
        [card] => Ok(card.address),
        [] if environment.nvidia_cards.is_empty() => Err(
            "UUIDs are looked up in /proc/driver/nvidia/gpus, which is not here; give numbers in the order of PCI addresses, or unset it"
                .to_owned(),
        ),
        [] => Err(format!(
            "no card has a UUID that begins so; there are {}",
            environment.nvidia_cards.iter().map(|c| format!("{} at {}", c.uuid, c.address)).collect::<Vec<_>>().join(", ")
        )),
        several => Err(format!("`{start}` is the beginning of {} UUIDs; give more of it", several.len())),
    }
}

/// Adapters of each NVIDIA card, in the order of PCI addresses. The n-th card of one interface is the n-th of another.
fn cards(candidates: &[Candidate]) -> Vec<Vec<usize>> {
    let mut cards: Vec<Vec<usize>> = Vec::new();
    for api in [Backend::Vulkan, Backend::Metal, Backend::Dx12] {
        let of_api = |i: &usize| candidates[*i].vendor == NVIDIA && candidates[*i].api == api;
        let mut adapters: Vec<usize> = (0..candidates.len()).filter(of_api).collect();
        adapters.sort_by_key(|&i| (candidates[i].address.is_none(), candidates[i].address, i));
        let same = |a: &usize, b: &usize| {
            candidates[*a].address.is_some() && candidates[*a].address == candidates[*b].address
        };
        for (number, card) in adapters.chunk_by(same).enumerate() {
            if number == cards.len() {
                cards.push(Vec::new());
            }
            cards[number].extend(card);
        }
    }
    cards
}

/// Which of `n` equally good cards this task of the node takes; `None` if it is no task.
fn turn(environment: &Environment, n: usize) -> Result<Option<usize>, GpuError> {
    let Some(value) = &environment.slurm_localid else { return Ok(None) };
    match value.trim().parse::<usize>() {
        Ok(id) => Ok(Some(id % n)),
        Err(_) => Err(GpuError::Environment {
            variable: SLURM,
            value: value.clone(),
            problem: "it is not the number of a task; correct or unset it".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(name: &str, kind: DeviceType, api: Backend, address: &str, vendor: u32) -> Candidate {
        Candidate {
            name: name.to_owned(),
            kind,
            api,
            address: PciAddress::parse(address),
            vendor,
            suffices: true,
        }
    }

    fn h100(address: &str) -> Candidate {
        card("NVIDIA H100", DeviceType::DiscreteGpu, Backend::Vulkan, address, NVIDIA)
    }

    fn lavapipe() -> Candidate {
        card("llvmpipe (LLVM 15.0.6, 256 bits)", DeviceType::Cpu, Backend::Vulkan, "", 0x10005)
    }

    fn integrated(api: Backend) -> Candidate {
        card("Integrated", DeviceType::IntegratedGpu, api, "00:02.0", 0x8086)
    }

    fn amd() -> Candidate {
        card("AMD Instinct MI300X", DeviceType::DiscreteGpu, Backend::Vulkan, "0000:c1:00.0", 0x1002)
    }

    /// Four equal cards, whose numbers are not in the order of their addresses, behind the processor's.
    fn node() -> Vec<Candidate> {
        let cards = ["0000:97:00.0", "0000:17:00.0", "0000:65:00.0", "0001:03:00.0"].map(h100);
        [vec![lavapipe()], cards.to_vec()].concat()
    }

    fn with(cuda: Option<&str>, slurm: Option<&str>) -> Environment {
        let uuids =
            [("GPU-11aa", "0000:17:00.0"), ("GPU-22bb", "0000:65:00.0"), ("GPU-22cc", "0000:97:00.0")];
        Environment {
            cuda_visible_devices: cuda.map(str::to_owned),
            slurm_localid: slurm.map(str::to_owned),
            nvidia_cards: uuids
                .map(|(uuid, address)| NvidiaCard {
                    uuid: uuid.to_owned(),
                    address: PciAddress::parse(address).unwrap(),
                })
                .to_vec(),
        }
    }

    fn index(candidates: &[Candidate], request: Request, environment: &Environment) -> Option<usize> {
        choose(candidates, request, environment).unwrap().map(|choice| choice.index)
    }

    fn reason(candidates: &[Candidate], request: Request, environment: &Environment) -> String {
        choose(candidates, request, environment).unwrap().unwrap().reason
    }

    fn error(candidates: &[Candidate], request: Request, environment: &Environment) -> String {
        choose(candidates, request, environment).unwrap_err().to_string()
    }

    #[test]
    fn a_pci_address_is_read_as_people_and_programs_write_it() {
        let expected = PciAddress { domain: 0, bus: 0x65, device: 0, function: 0 };
        for text in ["65:00.0", "0000:65:00.0", "00000000:65:00.0", " 0000:65:00.0 "] {
            assert_eq!(PciAddress::parse(text), Some(expected), "{text}");
        }
        assert_eq!(PciAddress::parse("0000:C1:1F.7"), PciAddress::parse("0000:c1:1f.7"));
        assert_eq!(PciAddress::parse("0001:65:00.0").unwrap().to_string(), "0001:65:00.0");
        assert_eq!(PciAddress::parse("10000:e1:00.0").unwrap().to_string(), "10000:e1:00.0");
        for text in [
            "",
            "0",
            "65",
            "65:00",
            "6:00.0",
            "65:0.0",
            "000:65:00.0",
            "65:00.00",
            "+5:00.0",
            "GPU-65:00.0",
            "a:65:00.0:1",
        ] {
            assert_eq!(PciAddress::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_a_number_and_a_name_find_their_card() {
        let mut candidates = node();
        candidates.push(amd());
        let none = Environment::default();
        for (wanted, expected) in [
            ("0000:65:00.0", 3),
            ("65:00.0", 3),
            ("00000000:65:00.0", 3),
            ("0000:C1:00.0", 5),
            ("0", 0),
            ("4", 4),
            ("mi300", 5),
            ("LLVMpipe", 0),
            // Equal cards: the first.
            ("h100", 1),
        ] {
            assert_eq!(index(&candidates, Request::Named(wanted), &none), Some(expected), "{wanted}");
        }
        assert_eq!(reason(&candidates, Request::Named("4"), &none), "`4` is asked for");
    }

    #[test]
    fn what_fits_nothing_or_unequal_cards_is_an_error_that_lists_what_there_is() {
        let candidates =
            [h100("17:00.0"), card("NVIDIA A2", DeviceType::DiscreteGpu, Backend::Vulkan, "65:00.0", NVIDIA)];
        let none = Environment::default();
        // A number is never part of a name as long as it could be that of an adapter: card 2 is not the A2.
        for wanted in ["2", "radeon", "66:00.0", "0001:17:00.0", "", " "] {
            let error = error(&candidates, Request::Named(wanted), &none);
            assert!(error.contains(&format!("`{wanted}`")), "{error}");
            assert!(
                error.contains("0 (NVIDIA H100 at 0000:17:00.0), 1 (NVIDIA A2 at 0000:65:00.0)"),
                "{error}"
            );
        }
        let error = error(&candidates, Request::Named("nvidia"), &none);
        assert!(error.contains("several") && error.contains("1 (NVIDIA A2 at 0000:65:00.0)"), "{error}");
        // A whole name is not ambiguous because a longer one contains it; a number of a type is no number of an adapter.
        let candidates = [
            card("NVIDIA H100 NVL", DeviceType::DiscreteGpu, Backend::Vulkan, "17:00.0", NVIDIA),
            h100("65:00.0"),
            card("RTX 3090", DeviceType::DiscreteGpu, Backend::Vulkan, "66:00.0", NVIDIA),
        ];
        assert_eq!(index(&candidates, Request::Named("nvidia h100"), &none), Some(1));
        assert_eq!(index(&candidates, Request::Named("3090"), &none), Some(2));
    }

    #[test]
    fn what_suffices_comes_first_then_discrete_hardware_then_vulkan() {
        let none = Environment::default();
        let discrete = |api, address| card("Card", DeviceType::DiscreteGpu, api, address, 0x1002);
        let virtual_gpu = card("Virtual", DeviceType::VirtualGpu, Backend::Vulkan, "", 0x1af4);
        let mut order = vec![
            discrete(Backend::Vulkan, "03:00.0"),
            discrete(Backend::Metal, ""),
            discrete(Backend::Dx12, "03:00.0"),
            virtual_gpu,
            integrated(Backend::Vulkan),
            integrated(Backend::Dx12),
            lavapipe(),
            Candidate { suffices: false, ..discrete(Backend::Vulkan, "04:00.0") },
        ];
        // Whatever the numbers: the best of what is left is always taken.
        order.reverse();
        while let Some(best) = order.len().checked_sub(1) {
            assert_eq!(index(&order, Request::Best, &none), Some(best), "{:?}", order[best]);
            order.pop();
        }
        assert_eq!(choose(&[], Request::Best, &none), Ok(None));
        let windows = [discrete(Backend::Dx12, "03:00.0"), discrete(Backend::Vulkan, "03:00.0")];
        assert_eq!(reason(&windows, Request::Best, &none), "discrete through vulkan comes first");
        assert_eq!(index(&windows, Request::Named("03:00.0"), &none), Some(1));
    }

    #[test]
    fn auto_takes_no_hardware_that_is_likely_slower_than_the_processor() {
        let none = Environment::default();
        let slow = [lavapipe(), integrated(Backend::Vulkan), integrated(Backend::Dx12)];
        assert_eq!(index(&slow, Request::Faster, &none), None);
        // Nonsense has no say where there is nothing to choose.
        assert_eq!(index(&slow, Request::Faster, &with(Some("x"), Some("y"))), None);
        assert_eq!(index(&slow, Request::Best, &none), Some(1));
        assert_eq!(index(&slow, Request::Named("integrated"), &none), Some(1));
        let apple = [lavapipe(), integrated(Backend::Metal)];
        assert_eq!(index(&apple, Request::Faster, &none), Some(1));
        assert_eq!(index(&node(), Request::Faster, &none), Some(1));
        let weak = [Candidate { suffices: false, ..h100("65:00.0") }];
        assert_eq!(index(&weak, Request::Faster, &none), None);
        // No NVIDIA card may be taken: the CPU backend is.
        assert_eq!(index(&node(), Request::Faster, &with(Some(""), None)), None);
    }

    #[test]
    fn cuda_visible_devices_counts_cards_by_address_and_orders_them() {
        // By address: number 2 (17), 3 (65), 1 (97), 4 (domain 1).
        for (value, expected) in [
            ("0", 2),
            ("1", 3),
            ("2", 1),
            ("3", 4),
            ("2,0", 1),
            (" 3 , 1", 4),
            ("0,-1,9", 2),
            ("GPU-11AA", 2),
            ("GPU-22c,0", 1),
        ] {
            assert_eq!(index(&node(), Request::Best, &with(Some(value), None)), Some(expected), "{value}");
            assert_eq!(
                index(&node(), Request::Named("h100"), &with(Some(value), None)),
                Some(expected),
                "{value}"
            );
        }
        assert_eq!(
            reason(&node(), Request::Best, &with(Some("2,0"), None)),
            "discrete through vulkan comes first; CUDA_VISIBLE_DEVICES=2,0; the first of 2 equally good ones"
        );
        // A card that shows up through two interfaces, or twice through one, has one number.
        let twice = [
            card("NVIDIA H100", DeviceType::DiscreteGpu, Backend::Dx12, "", NVIDIA),
            card("NVIDIA H100", DeviceType::DiscreteGpu, Backend::Dx12, "", NVIDIA),
            h100("17:00.0"),
            h100("65:00.0"),
            h100("17:00.0"),
        ];
        assert_eq!(index(&twice, Request::Best, &with(Some("1"), None)), Some(3));
        assert_eq!(index(&twice[..2], Request::Best, &with(Some("1"), None)), Some(1));
    }

    #[test]
    fn no_nvidia_card_is_taken_where_cuda_visible_devices_allows_none() {
        for value in ["", " ", "-1", "NoDevFiles", "-1,0"] {
            let environment = with(Some(value), None);
            assert_eq!(index(&node(), Request::Best, &environment), Some(0), "software is left");
            let mut mixed = node();
            mixed.push(amd());
            assert_eq!(index(&mixed, Request::Best, &environment), Some(5));
            for wanted in ["1", "h100", "65:00.0"] {
                let error = error(&node(), Request::Named(wanted), &environment);
                assert!(
                    error.contains("CUDA_VISIBLE_DEVICES") && error.contains("does not allow"),
                    "{error}"
                );
            }
            assert!(choose(&node()[1..], Request::Best, &environment).is_err());
        }
        // A card that is named, but not allowed, may be another task's.
        let error = error(&node(), Request::Named("65:00.0"), &with(Some("0"), None));
        assert!(error.contains("3 (NVIDIA H100 at 0000:65:00.0)"), "{error}");
    }

    #[test]
    fn allowed_cards_come_before_those_of_other_makers() {
        let mixed = [amd(), h100("17:00.0"), h100("65:00.0")];
        assert_eq!(index(&mixed, Request::Best, &with(None, None)), Some(0));
        for task in ["0", "1", "2"] {
            assert_eq!(index(&mixed, Request::Best, &with(Some("1"), Some(task))), Some(2));
        }
    }

    #[test]
    fn nonsense_in_the_environment_is_an_error_with_its_name_and_value() {
        for (value, finding) in [
            ("all", "neither a number nor"),
            ("0,", "neither a number nor"),
            ("0;1", "neither a number nor"),
            ("-2", "neither a number nor"),
            ("4", "no NVIDIA card number 4: 4 are here"),
            ("0,7", "no NVIDIA card number 7"),
            ("1,1", "a second time"),
            ("1,GPU-22bb", "a second time"),
            ("GPU-33", "GPU-11aa at 0000:17:00.0"),
            ("GPU-22", "beginning of 2 UUIDs"),
            ("MIG-5d8f", "(MIG) offers no Vulkan"),
            ("MIG-GPU-11aa/1/0", "(MIG) offers no Vulkan"),
        ] {
            let error = error(&node(), Request::Best, &with(Some(value), None));
            assert!(error.contains(&format!("CUDA_VISIBLE_DEVICES=`{value}`")), "{error}");
            assert!(error.contains(finding), "{value}: {error}");
        }
        for value in ["", "one", "-1", "1.5"] {
            let error = error(&node(), Request::Faster, &with(None, Some(value)));
            assert!(error.contains(&format!("SLURM_LOCALID=`{value}`")), "{error}");
        }
        // A card of which the kernel's driver knows, but Vulkan does not.
        let error = error(&node()[..3], Request::Best, &with(Some("GPU-22bb"), None));
        assert!(error.contains("0000:65:00.0, which no driver"), "{error}");
        // Where no NVIDIA card shows up a number is no nonsense: it may be meant for other programs. The reason says so.
        let reason = reason(&[lavapipe()], Request::Best, &with(Some("0"), None));
        assert_eq!(reason, "the only adapter; CUDA_VISIBLE_DEVICES=0, but no NVIDIA card shows up");
        // What is asked for by name is another maker's.
        assert_eq!(index(&node(), Request::Named("llvmpipe"), &with(Some("all"), None)), Some(0));
    }

    #[test]
    fn tasks_of_a_node_share_out_its_cards() {
        let tasks = |environment: &dyn Fn(&str) -> Environment, request| -> Vec<usize> {
            (0..6).map(|task| index(&node(), request, &environment(&task.to_string())).unwrap()).collect()
        };
        let plain = |task: &str| with(None, Some(task));
        assert_eq!(tasks(&plain, Request::Best), [1, 2, 3, 4, 1, 2]);
        assert_eq!(tasks(&plain, Request::Faster), [1, 2, 3, 4, 1, 2]);
        assert_eq!(tasks(&plain, Request::Named("h100")), [1, 2, 3, 4, 1, 2]);
        assert_eq!(tasks(&plain, Request::Named("2")), [2; 6]);
        let restricted = |task: &str| with(Some("3,0"), Some(task));
        assert_eq!(tasks(&restricted, Request::Best), [4, 2, 4, 2, 4, 2]);
        // A card that shows up twice is one.
        let twice = [h100("17:00.0"), h100("17:00.0"), h100("65:00.0")];
        assert_eq!(index(&twice, Request::Best, &with(None, Some("1"))), Some(2));
        assert_eq!(
            reason(&node(), Request::Best, &with(None, Some("5"))),
            "discrete through vulkan comes first; SLURM_LOCALID=5 takes number 1 (from 0) of 4 equally good ones"
        );
    }

    #[test]
    fn uuids_are_read_as_the_kernel_driver_lists_them() {
        let root = tempfile::tempdir().unwrap();
        for (address, uuid) in [("0000:65:00.0", "GPU-22bb"), ("0000:17:00.0", "GPU-11aa")] {
            let directory = root.path().join(address);
            std::fs::create_dir(&directory).unwrap();
            let text = format!(
                "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 230\nGPU UUID: \t {uuid}\nBus Type: \t PCIe\n\
                 Bus Location: \t {address}\nDevice Minor: \t 0\nGPU Excluded:\t No\n"
            );
            std::fs::write(directory.join("information"), text).unwrap();
        }
        std::fs::create_dir(root.path().join("other")).unwrap();
        assert_eq!(nvidia_cards(root.path()), with(None, None).nvidia_cards[..2]);
        assert_eq!(nvidia_cards(&root.path().join("absent")), []);
    }
}
