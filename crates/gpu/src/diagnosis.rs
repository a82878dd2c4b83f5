//! What a machine lacks on which a card is there and Vulkan does not show it, and what to do about it.
//!
//! Vulkan takes four parts, of which `nvidia-smi` and CUDA need only the first: the kernel's driver; the loader (`libvulkan.so.1`); a
//! file (ICD, e.g. `nvidia_icd.json`) that tells the loader which library the vendor's driver is; that library with what it loads
//! itself. See <https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md> for where the loader looks.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What was found, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// The kernel has a driver for a card.
    pub has_card: bool,
    /// What is there and what is missing, one finding each.
    pub findings: Vec<String>,
    /// What to do, one remedy each.
    pub remedies: Vec<String>,
}

impl Diagnosis {
    /// Of this machine, as this process sees it.
    pub fn of_this_machine() -> Self {
        if cfg!(target_os = "linux") {
            let variable =
                |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            return diagnose(Path::new("/"), &variable);
        }
        Self {
            has_card: false,
            findings: Vec::new(),
            remedies: vec!["install the driver of the card's vendor, with Vulkan or DX12".to_owned()],
        }
    }

    /// Findings and remedies as one text.
    pub fn advice(&self) -> String {
        let mut text = self.findings.join("; ");
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        for (n, remedy) in self.remedies.iter().enumerate() {
            let _ = match (n, text.is_empty()) {
                (0, true) => write!(text, "To do: {remedy}"),
                (0, false) => write!(text, ". To do: {remedy}"),
                _ => write!(text, "; or {remedy}"),
            };
        }
        text
    }
}

/// The same of the machine whose files are under `root` and whose variables `variable` knows.
pub fn diagnose(root: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Diagnosis {
    let machine = Machine { root, variable };
    let mut diagnosis = Diagnosis::default();
    let nvidia = machine.nvidia();
    let others = machine.other_cards();
    diagnosis.has_card = nvidia.is_some() || !others.is_empty();
    if let Some(nvidia) = &nvidia {
        machine.of_nvidia(nvidia, &mut diagnosis);
    }
    for card in &others {
        diagnosis.findings.push(format!("{} is there ({})", card.name(), card.device));
    }
    machine.of_loader(&mut diagnosis);
    if let Some(nvidia) = &nvidia {
        machine.of_nvidia_files(nvidia, &mut diagnosis);
    }
    if let Some(card) = others.first() {
        machine.of_other_files(card, &mut diagnosis);
    }
    if !diagnosis.has_card {
        let finding = "there is no sign of a card (no /dev/nvidia0, /dev/dri/renderD128, /dev/kfd)";
        diagnosis.findings.insert(0, finding.to_owned());
        diagnosis.remedies.push(
            "install the vendor's driver, or give the container the card (`docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all`, \
             `apptainer run --nv`)"
                .to_owned(),
        );
        diagnosis.remedies.push(
            "try the kernels on the processor with a software driver (packages libvulkan1 and mesa-vulkan-drivers)".to_owned(),
        );
    }
    diagnosis
}

/// Files and variables.
struct Machine<'a> {
    root: &'a Path,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

/// NVIDIA's kernel driver.
struct Nvidia {
    version: Option<String>,
    /// Numbered device files.
    devices: Vec<String>,
}

/// A card of which the kernel's direct rendering manager knows.
struct OtherCard {
    device: String,
    /// PCI number of its maker, e.g. `0x1002`, as the kernel writes it.
    vendor: String,
}

impl OtherCard {
    fn name(&self) -> &'static str {
        match self.vendor.as_str() {
            "0x1002" => "a card of AMD",
            "0x8086" => "a card of Intel",
            "0x10de" => "a card of NVIDIA with the driver nouveau",
            _ => "a card",
        }
    }
}

/// A file that tells the loader of a driver.
struct Icd {
    file: String,
    library: Option<String>,
}

impl Icd {
    fn mentions(&self, words: &[&str]) -> bool {
        let text = format!("{} {}", self.file, self.library.as_deref().unwrap_or_default()).to_lowercase();
        words.iter().any(|word| text.contains(word))
    }
}

/// Words in the names of drivers of cards other than NVIDIA's own driver.
const OTHER_DRIVERS: [&str; 7] = ["radeon", "amd", "intel", "nouveau", "virtio", "asahi", "freedreno"];

impl Machine<'_> {
    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    /// Names of the entries of a directory, sorted.
    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(directory)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn nvidia(&self) -> Option<Nvidia> {
        let text = self.read("/proc/driver/nvidia/version");
        let numbered = |name: &String| {
            name.strip_prefix("nvidia")
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        };
        let devices: Vec<String> =
            self.names("/dev").into_iter().filter(numbered).map(|name| format!("/dev/{name}")).collect();
        if text.is_none() && devices.is_empty() {
            return None;
        }
        // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar ..."
        let is_version =
            |word: &&str| word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let first = text.as_deref().and_then(|text| text.lines().next());
        let version = first.and_then(|line| line.split_whitespace().find(is_version)).map(str::to_owned);
        Some(Nvidia { version, devices })
    }

    /// Cards that the kernel renders with, without those of NVIDIA's own driver.
    fn other_cards(&self) -> Vec<OtherCard> {
        let nvidia = self.exists("/proc/driver/nvidia/version");
        let mut cards: Vec<OtherCard> = self
            .names("/dev/dri")
            .into_iter()
            .filter(|name| name.starts_with("renderD"))
            .map(|name| {
                let vendor = self.read(&format!("/sys/class/drm/{name}/device/vendor")).unwrap_or_default();
                OtherCard { device: format!("/dev/dri/{name}"), vendor: vendor.trim().to_owned() }
            })
            .filter(|card| !(nvidia && card.vendor == "0x10de"))
            .collect();
        if cards.is_empty() && self.exists("/dev/kfd") {
            cards.push(OtherCard { device: "/dev/kfd".to_owned(), vendor: "0x1002".to_owned() });
        }
        cards
    }

    /// This is a container, so far as one can see from inside.
    fn is_container(&self) -> bool {
        let variables =
            ["SINGULARITY_NAME", "APPTAINER_NAME", "KUBERNETES_SERVICE_HOST", "NVIDIA_DRIVER_CAPABILITIES"];
        self.exists("/.dockerenv")
            || self.exists("/run/.containerenv")
            || variables.into_iter().any(|name| self.variable(name).is_some())
    }

    fn is_apptainer(&self) -> bool {
        ["SINGULARITY_NAME", "APPTAINER_NAME"].into_iter().any(|name| self.variable(name).is_some())
    }

    /// Cards are cut into slices, or this process was given one.
    fn has_mig(&self) -> bool {
        let given = ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"].into_iter();
        let cut = self.names("/proc/driver/nvidia/capabilities").into_iter().any(|gpu| {
            let slices = format!("/proc/driver/nvidia/capabilities/{gpu}/mig");
            gpu.starts_with("gpu") && self.names(&slices).iter().any(|name| name.starts_with("gi"))
        });
        cut || given.filter_map(|name| self.variable(name)).any(|value| value.contains("MIG-"))
    }

    /// Directories in which the system looks for libraries.
    fn library_directories(&self) -> Vec<String> {
        let own = self.variable("LD_LIBRARY_PATH").unwrap_or_default();
        let mut directories: Vec<String> = own.split(':').map(str::to_owned).collect();
        let mut files = vec!["/etc/ld.so.conf".to_owned()];
        files.extend(self.names("/etc/ld.so.conf.d").iter().map(|name| format!("/etc/ld.so.conf.d/{name}")));
        let configured = files.iter().filter_map(|file| self.read(file));
        directories.extend(
            configured
                .flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
                .filter(|line| line.starts_with('/')),
        );
        let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
        for directory in ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"] {
            directories.push(directory.to_owned());
            directories.push(format!("{directory}/{machine}"));
        }
        directories.push("/run/opengl-driver/lib".to_owned());
        directories.retain(|directory| !directory.is_empty());
        directories
    }

    /// There is a library `name`, or one of any version of it.
    fn has_library(&self, name: &str) -> bool {
        let with_version = format!("{name}.");
        let fits = |file: &String| file == name || file.starts_with(&with_version);
        self.library_directories().iter().any(|directory| self.names(directory).iter().any(fits))
    }

    /// The variable that says which ICD files count, and the files and directories it names.
    fn named_icds(&self) -> Option<(&'static str, Vec<String>)> {
        ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find_map(|name| {
            let value = self.variable(name)?;
            Some((name, value.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect()))
        })
    }

    /// ICD files that the loader reads.
    fn icds(&self) -> Vec<Icd> {
        let places = if let Some((_, paths)) = self.named_icds() {
            paths
        } else {
            let home = self.variable("HOME").unwrap_or_default();
            let or = |name: &str, usual: String| self.variable(name).unwrap_or(usual);
            let roots = [
                or("XDG_CONFIG_HOME", format!("{home}/.config")),
                or("XDG_CONFIG_DIRS", "/etc/xdg".to_owned()),
                "/usr/local/etc:/etc".to_owned(),
                or("XDG_DATA_HOME", format!("{home}/.local/share")),
                or("XDG_DATA_DIRS", "/usr/local/share:/usr/share".to_owned()),
                "/run/opengl-driver/share".to_owned(),
            ];
            let mut places: Vec<String> = roots
                .iter()
                .flat_map(|roots| roots.split(':'))
                .filter(|root| !root.is_empty())
                .map(|root| format!("{root}/vulkan/icd.d"))
                .collect();
            let more = self.variable("VK_ADD_DRIVER_FILES").unwrap_or_default();
            places.extend(more.split(':').filter(|path| !path.is_empty()).map(str::to_owned));
            places
        };
        places.iter().flat_map(|place| self.icds_at(place)).collect()
    }

    /// The file at `place`, or all files in it.
    fn icds_at(&self, place: &str) -> Vec<Icd> {
        let files = if self.path(place).is_dir() {
            self.names(place).iter().map(|name| format!("{place}/{name}")).collect()
        } else {
            vec![place.to_owned()]
        };
        let read = |file: String| {
            let library = self
                .read(&file)?
                .split_once("\"library_path\"")
                .and_then(|(_, rest)| rest.split('"').nth(1).map(str::to_owned));
            Some(Icd { file, library })
        };
        files.into_iter().filter(|file| has_extension(file, "json")).filter_map(read).collect()
    }

    /// The library of an ICD is where the ICD says.
    fn library_of(&self, icd: &Icd) -> bool {
        match &icd.library {
            None => false,
            Some(library) if library.starts_with('/') => self.exists(library),
            Some(library) if library.contains('/') => {
                let directory = Path::new(&icd.file).parent().unwrap_or(Path::new("/"));
                self.exists(&directory.join(library).to_string_lossy())
            }
            Some(library) => self.has_library(library),
        }
    }

    /// What is there of NVIDIA.
    fn of_nvidia(&self, nvidia: &Nvidia, diagnosis: &mut Diagnosis) {
        let version = nvidia.version.as_deref().map_or(String::new(), |version| format!(" {version}"));
        let Some(first) = nvidia.devices.first() else {
            diagnosis
                .findings
                .push(format!("NVIDIA's driver{version} is loaded, but there is no /dev/nvidia0: no card was given to this process"));
            diagnosis.remedies.push(
                "give the container the card (`docker run --gpus all`, `apptainer run --nv`), or ask the batch system for one".to_owned(),
            );
            return;
        };
        let more = match nvidia.devices.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        diagnosis.findings.push(format!("NVIDIA's driver{version} is there ({first}{more})"));
        if self.has_mig() {
            diagnosis.findings.push("cards are cut into slices (MIG), which offer no Vulkan".to_owned());
            diagnosis
                .remedies
                .push("ask for a whole card (MIG off: `nvidia-smi -mig 0`, by root)".to_owned());
        }
    }

    /// The loader, and the variables that it obeys.
    fn of_loader(&self, diagnosis: &mut Diagnosis) {
        if !self.has_library("libvulkan.so.1") {
            diagnosis.findings.push("the Vulkan loader (libvulkan.so.1) is missing".to_owned());
            diagnosis.remedies.push(
                "install the package libvulkan1 (Debian, Ubuntu) or vulkan-loader (Fedora, RHEL); without root, unpack it and name its \
                 directory in LD_LIBRARY_PATH"
                    .to_owned(),
            );
        }
        if let Some((variable, paths)) = self.named_icds() {
            for path in paths.iter().filter(|path| !self.exists(path)) {
                diagnosis.findings.push(format!("{variable} names {path}, which is not there"));
                diagnosis.remedies.push(format!("correct or unset {variable}"));
            }
        }
    }

    /// The parts of NVIDIA's driver that Vulkan needs.
    fn of_nvidia_files(&self, nvidia: &Nvidia, diagnosis: &mut Diagnosis) {
        if nvidia.devices.is_empty() {
            return;
        }
        let icds = self.icds();
        let icd = icds.iter().find(|icd| icd.mentions(&["nvidia"]));
        let mut missing = Vec::new();
        if icd.is_none() {
            missing.push("its ICD file (nvidia_icd.json)");
        }
        if !icd.map_or_else(|| self.has_library("libGLX_nvidia.so.0"), |icd| self.library_of(icd)) {
            missing.push("libGLX_nvidia.so.0");
        }
        if !self.has_library("libnvidia-glvkspirv.so") {
            missing.push("libnvidia-glvkspirv.so");
        }
        if missing.is_empty() {
            if diagnosis.remedies.is_empty() {
                not_obvious(diagnosis, "/dev/nvidia0");
            }
            return;
        }
        diagnosis.findings.push(format!("of the driver's Vulkan part there is no {}", missing.join(", no ")));
        if let (Some((variable, _)), true) = (self.named_icds(), icd.is_none()) {
            diagnosis.remedies.push(format!("name NVIDIA's ICD file in {variable} too"));
        }
        if self.is_container() {
            self.of_container(diagnosis);
        }
        let version = nvidia.version.as_deref().unwrap_or("VERSION");
        let branch = version.split('.').next().unwrap_or(version);
        let arch = std::env::consts::ARCH;
        diagnosis.remedies.push(format!(
            "install the part that compute-only and headless driver packages lack (Ubuntu: libnvidia-gl-{branch}, in exactly the version \
             {version})"
        ));
        diagnosis.remedies.push(format!(
            "without root, unpack NVIDIA-Linux-{arch}-{version}.run (`sh FILE --extract-only`) in your home directory, there `ln -s \
             libGLX_nvidia.so.{version} libGLX_nvidia.so.0`, and set LD_LIBRARY_PATH to that directory and VK_DRIVER_FILES to its \
             nvidia_icd.json"
        ));
    }

    /// What a container was not given.
    fn of_container(&self, diagnosis: &mut Diagnosis) {
        if self.is_apptainer() {
            diagnosis.remedies.push(
                "start the container with `--nv --bind` and the host's ICD file (/usr/share/vulkan/icd.d/nvidia_icd.json)".to_owned(),
            );
            return;
        }
        let capabilities = self.variable("NVIDIA_DRIVER_CAPABILITIES");
        let given = capabilities.as_deref().unwrap_or_default();
        if given.split(',').any(|capability| ["graphics", "all"].contains(&capability.trim())) {
            return;
        }
        diagnosis.findings.push(match &capabilities {
            Some(given) => {
                format!("this is a container with NVIDIA_DRIVER_CAPABILITIES={given}, without `graphics`")
            }
            None => "this is a container without NVIDIA_DRIVER_CAPABILITIES, which means without graphics"
                .to_owned(),
        });
        diagnosis.remedies.push(
            "start the container with NVIDIA_DRIVER_CAPABILITIES=all (or graphics,compute,utility)"
                .to_owned(),
        );
    }

    /// The driver of a card whose driver is part of Mesa.
    fn of_other_files(&self, card: &OtherCard, diagnosis: &mut Diagnosis) {
        let icds = self.icds();
        if icds.iter().any(|icd| icd.mentions(&OTHER_DRIVERS) && self.library_of(icd)) {
            if diagnosis.remedies.is_empty() {
                not_obvious(diagnosis, &card.device);
            }
            return;
        }
        diagnosis.findings.push("no Vulkan driver for it is installed".to_owned());
        diagnosis.remedies.push(if card.vendor == "0x10de" {
            "install NVIDIA's own driver".to_owned()
        } else {
            "install the package mesa-vulkan-drivers (Fedora, Debian, Ubuntu; vulkan-radeon or vulkan-intel on Arch)".to_owned()
        });
    }
}

/// All parts are there.
fn not_obvious(diagnosis: &mut Diagnosis, device: &str) {
    diagnosis.findings.push("the loader and the driver's Vulkan part are there too".to_owned());
    diagnosis.remedies.push(format!(
        "see whether you may open {device} (groups `video` and `render`), and what `VK_LOADER_DEBUG=error,driver vitrion devices` says"
    ));
}

fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A machine made of files.
    struct Tree {
        root: tempfile::TempDir,
        variables: HashMap<&'static str, &'static str>,
    }

    const ICD: &str = r#"{ "file_format_version": "1.0.1", "ICD": { "library_path": "libGLX_nvidia.so.0", "api_version": "1.3.277" } }"#;

    impl Tree {
        fn new() -> Self {
            Self { root: tempfile::tempdir().unwrap(), variables: HashMap::new() }
        }

        fn file(self, path: &str, text: &str) -> Self {
            let path = self.root.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            self
        }

        fn set(mut self, name: &'static str, value: &'static str) -> Self {
            self.variables.insert(name, value);
            self
        }

        /// A node with NVIDIA's kernel driver.
        fn nvidia() -> Self {
            let version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n\
                           GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n";
            Self::new()
                .file("/proc/driver/nvidia/version", version)
                .file("/dev/nvidiactl", "")
                .file("/dev/nvidia0", "")
                .file("/dev/nvidia1", "")
        }

        fn loader(self) -> Self {
            self.file("/usr/lib/libvulkan.so.1", "")
        }

        fn nvidia_libraries(self) -> Self {
            self.file("/usr/lib64/libGLX_nvidia.so.0", "")
                .file("/usr/lib64/libnvidia-glvkspirv.so.550.54.15", "")
        }

        fn diagnose(&self) -> Diagnosis {
            diagnose(self.root.path(), &|name| self.variables.get(name).map(|value| (*value).to_owned()))
        }
    }

    /// Fails unless the text has all `wanted` and none of `unwanted`.
    fn check(tree: &Tree, wanted: &[&str], unwanted: &[&str]) -> Diagnosis {
        let diagnosis = tree.diagnose();
        let text = diagnosis.advice();
        for part in wanted {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
        for part in unwanted {
            assert!(!text.contains(part), "`{part}` in: {text}");
        }
        diagnosis
    }

    const CAPABILITIES: &str = "NVIDIA_DRIVER_CAPABILITIES=all";
    const UNPACK: &str = "NVIDIA-Linux-";

    #[test]
    fn a_machine_without_a_card_is_told_of_drivers_containers_and_software() {
        let diagnosis = check(
            &Tree::new(),
            &["no sign of a card", "libvulkan1", "--gpus all", "mesa-vulkan-drivers"],
            &[UNPACK],
        );
        assert!(!diagnosis.has_card);
        check(&Tree::new().loader(), &["no sign of a card"], &["libvulkan.so.1", "loader"]);
    }

    #[test]
    fn a_missing_loader_alone_is_found() {
        let tree = Tree::nvidia().nvidia_libraries().file("/etc/vulkan/icd.d/nvidia_icd.json", ICD);
        let found = check(
            &tree,
            &["driver 550.54.15", "/dev/nvidia0 and 1 more", "libvulkan.so.1", "libvulkan1"],
            &[UNPACK, "ICD"],
        );
        assert!(found.has_card);
        assert_eq!(found.remedies.len(), 1);
        let tree = tree.loader();
        check(
            &tree,
            &["loader and the driver's Vulkan part are there", "VK_LOADER_DEBUG"],
            &["libvulkan", UNPACK],
        );
    }

    #[test]
    fn compute_only_packages_are_told_of_the_files_that_they_lack_and_of_a_way_without_root() {
        let tree = Tree::nvidia().loader();
        let wanted = [
            "no its ICD file (nvidia_icd.json), no libGLX_nvidia.so.0, no libnvidia-glvkspirv.so",
            "libnvidia-gl-550",
            "550.54.15.run",
            "VK_DRIVER_FILES",
        ];
        check(&tree, &wanted, &[CAPABILITIES, "sign of a card"]);
        let tree = tree.file("/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json", ICD);
        check(&tree, &["there is no libGLX_nvidia.so.0, no libnvidia-glvkspirv.so"], &["ICD file"]);
        let tree = tree.nvidia_libraries();
        check(&tree, &["are there too"], &[UNPACK]);
        // The driver's files in a home directory, as advised.
        let home = Tree::nvidia()
            .loader()
            .file("/home/me/driver/libGLX_nvidia.so.0", "")
            .file("/home/me/driver/libnvidia-glvkspirv.so.550.54.15", "")
            .file("/home/me/driver/nvidia_icd.json", ICD)
            .set("LD_LIBRARY_PATH", "/opt/lib:/home/me/driver")
            .set("VK_DRIVER_FILES", "/home/me/driver/nvidia_icd.json");
        check(&home, &["are there too"], &[UNPACK]);
        check(
            &home.set("LD_LIBRARY_PATH", ""),
            &["no libGLX_nvidia.so.0, no libnvidia-glvkspirv.so"],
            &["no its ICD"],
        );
    }

    #[test]
    fn an_icd_finds_its_library_by_name_by_path_and_beside_itself() {
        let with = |library: &str, place: &str| {
            let icd = ICD.replace("libGLX_nvidia.so.0", library);
            let tree = Tree::nvidia().loader().file("/usr/lib64/libnvidia-glvkspirv.so.1", "");
            tree.file("/etc/vulkan/icd.d/nvidia_icd.json", &icd).file(place, "")
        };
        for (library, place) in [
            ("/opt/nv/libGLX_nvidia.so.0", "/opt/nv/libGLX_nvidia.so.0"),
            ("../libGLX_nvidia.so.0", "/etc/vulkan/libGLX_nvidia.so.0"),
            ("libGLX_nvidia.so.0", "/usr/local/lib/libGLX_nvidia.so.0"),
        ] {
            check(&with(library, place), &["are there too"], &[]);
            check(&with(library, "/elsewhere/libGLX_nvidia.so.0"), &["no libGLX_nvidia.so.0"], &[]);
        }
        let configured = with("libGLX_nvidia.so.0", "/opt/nv/libGLX_nvidia.so.0");
        check(
            &configured.file("/etc/ld.so.conf.d/nvidia.conf", "# NVIDIA\n/opt/nv\n"),
            &["are there too"],
            &[],
        );
    }

    #[test]
    fn containers_are_told_which_capabilities_they_need() {
        let docker = || Tree::nvidia().loader().file("/.dockerenv", "");
        check(&docker(), &["without NVIDIA_DRIVER_CAPABILITIES", CAPABILITIES], &[]);
        let given = docker().set("NVIDIA_DRIVER_CAPABILITIES", "compute,utility");
        check(&given, &["NVIDIA_DRIVER_CAPABILITIES=compute,utility, without `graphics`", CAPABILITIES], &[]);
        for enough in ["all", "compute,graphics", "compute, graphics ,utility"] {
            let tree = docker().set("NVIDIA_DRIVER_CAPABILITIES", enough);
            check(&tree, &["no its ICD file", UNPACK], &["start the container"]);
        }
        let podman = Tree::nvidia().loader().file("/run/.containerenv", "");
        check(&podman, &[CAPABILITIES], &[]);
        let kubernetes = Tree::nvidia().loader().set("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        check(&kubernetes, &[CAPABILITIES], &[]);
        for name in ["SINGULARITY_NAME", "APPTAINER_NAME"] {
            let tree = Tree::nvidia().loader().set(name, "vitrion.sif");
            check(&tree, &["--nv --bind", "nvidia_icd.json"], &[CAPABILITIES]);
        }
        // The driver is loaded on the host, but the container has no card.
        let no_card = Tree::new().file(
            "/proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  R",
        );
        let found = check(
            &no_card.loader(),
            &["driver 560.35.03 is loaded", "no /dev/nvidia0", "--gpus all"],
            &[UNPACK],
        );
        assert!(found.has_card);
    }

    #[test]
    fn slices_of_cards_are_told_to_become_whole_ones() {
        let whole =
            || Tree::nvidia().loader().nvidia_libraries().file("/etc/vulkan/icd.d/nvidia_icd.json", ICD);
        // These are there on every card that could be cut.
        let whole = || whole().file("/proc/driver/nvidia/capabilities/mig/config", "");
        check(&whole(), &["are there too"], &["MIG"]);
        let cut = whole().file("/proc/driver/nvidia/capabilities/gpu0/mig/gi7/access", "");
        check(&cut, &["slices (MIG), which offer no Vulkan", "whole card"], &[UNPACK]);
        for name in ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"] {
            check(&whole().set(name, "MIG-5d8f"), &["(MIG)"], &[]);
        }
    }

    #[test]
    fn variables_that_name_other_drivers_are_named() {
        let installed = || {
            Tree::nvidia().loader().nvidia_libraries().file("/usr/share/vulkan/icd.d/nvidia_icd.json", ICD)
        };
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            let wanted = [
                &format!("{name} names /nowhere/icd.json, which is not there"),
                &format!("correct or unset {name}"),
                &format!("name NVIDIA's ICD file in {name} too"),
            ];
            check(&installed().set(name, "/nowhere/icd.json"), &wanted.map(String::as_str), &[]);
        }
        let software = r#"{"ICD": {"library_path": "/usr/lib/libvulkan_lvp.so"}}"#;
        let tree = installed().file("/usr/share/vulkan/icd.d/lvp_icd.json", software);
        let tree = tree.set("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/lvp_icd.json");
        check(&tree, &["name NVIDIA's ICD file in VK_DRIVER_FILES too"], &["which is not there"]);
        check(
            &tree.set("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d"),
            &["are there too"],
            &["VK_DRIVER_FILES"],
        );
    }

    #[test]
    fn cards_of_other_makers_are_told_of_mesa() {
        let radeon = r#"{"ICD": {"library_path": "/usr/lib/libvulkan_radeon.so"}}"#;
        let amd = || {
            Tree::new()
                .loader()
                .file("/dev/dri/renderD128", "")
                .file("/sys/class/drm/renderD128/device/vendor", "0x1002\n")
        };
        let found = check(
            &amd(),
            &["card of AMD", "/dev/dri/renderD128", "mesa-vulkan-drivers"],
            &["NVIDIA", "no sign"],
        );
        assert!(found.has_card);
        let tree = amd().file("/usr/share/vulkan/icd.d/radeon_icd.json", radeon);
        check(&tree, &["no Vulkan driver for it"], &[]);
        let tree = tree.file("/usr/lib/libvulkan_radeon.so", "");
        check(&tree, &["are there too", "/dev/dri/renderD128", "`render`"], &["mesa-vulkan-drivers"]);
        check(&Tree::new().file("/dev/kfd", ""), &["card of AMD is there (/dev/kfd)"], &[]);
        let nouveau = Tree::new()
            .file("/dev/dri/renderD128", "")
            .file("/sys/class/drm/renderD128/device/vendor", "0x10de\n");
        check(&nouveau, &["nouveau", "NVIDIA's own driver"], &[]);
        // NVIDIA's own driver makes such a node too.
        let own = Tree::nvidia()
            .file("/dev/dri/renderD128", "")
            .file("/sys/class/drm/renderD128/device/vendor", "0x10de\n");
        check(&own, &["driver 550.54.15"], &["nouveau"]);
    }
}
