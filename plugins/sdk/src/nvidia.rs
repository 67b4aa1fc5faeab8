//! What can be known of NVIDIA's driver and its GPUs: from the kernel, from the driver's own program, from CDI specs.

use crate::{
    Error, Finding, Gpus, Probes, Result, Version,
    distribution::{Family, Package},
    engine::Output,
};

/// The kernel's module and what comes with it.
pub(crate) const DRIVER: Package = Package {
    apt: "nvidia-driver",
    dnf: "akmod-nvidia",
    zypper: "nvidia-open-driver-G06-signed-kmp-default",
    pacman: "nvidia-open",
};
/// Where the driver's own program is.
const PROGRAM: Package = Package {
    apt: "nvidia-smi",
    dnf: "xorg-x11-drv-nvidia-cuda",
    zypper: "nvidia-compute-utils-G06",
    pacman: "nvidia-utils",
};
const REBOOT: &str = "sudo reboot  # the loaded kernel module is older or newer than the installed libraries";
const MAKE_SPEC: &str = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml";

/// Since which driver on Linux a version of CUDA is served (NVIDIA's CUDA release notes, table of driver versions).
const SERVED: &[((u32, u32), Version)] = &[
    ((13, 0), Version(580, 65, 6)),
    ((12, 9), Version(575, 51, 3)),
    ((12, 8), Version(570, 26, 0)),
    ((12, 6), Version(560, 28, 3)),
    ((12, 5), Version(555, 42, 2)),
    ((12, 4), Version(550, 54, 14)),
    ((12, 3), Version(545, 23, 6)),
    ((12, 2), Version(535, 54, 3)),
    ((12, 1), Version(530, 30, 2)),
    ((12, 0), Version(525, 60, 13)),
    ((11, 8), Version(520, 61, 5)),
    ((11, 7), Version(515, 43, 4)),
    ((11, 6), Version(510, 39, 1)),
    ((11, 4), Version(470, 42, 1)),
    ((11, 0), Version(450, 36, 6)),
];

/// The first driver that serves a compute capability, for the GPUs that are common today, and what they are.
const NEEDED: &[(&str, u32, &str)] = &[
    ("12.", 570, "Blackwell (GeForce RTX 50, RTX PRO)"),
    ("10.", 570, "Blackwell (B100, B200)"),
    ("9.0", 525, "Hopper (H100, H200)"),
    ("8.9", 520, "Ada (GeForce RTX 40, L4, L40)"),
    ("8.6", 455, "Ampere (GeForce RTX 30, A10, A40)"),
    ("8.0", 450, "Ampere (A100)"),
];

/// A GPU as the driver's own program lists it: `index, uuid, MiB, driver, compute capability`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Card<'a> {
    index: &'a str,
    uuid: &'a str,
    memory: Option<u64>,
    capability: &'a str,
}

impl<'a> Card<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(',').map(str::trim);
        let (index, uuid) = (fields.next()?, fields.next()?);
        let memory = fields.next()?.parse::<u64>().ok().map(|mib| mib << 20);
        let (_, capability) = (fields.next()?, fields.next().unwrap_or_default());
        index.parse::<u32>().ok()?;
        Some(Self { index, uuid, memory, capability })
    }

    fn is_in(&self, gpus: &Gpus) -> bool {
        match gpus {
            Gpus::None => false,
            Gpus::All => true,
            Gpus::Mask(ids) => ids.iter().any(|id| id == self.uuid || id.split(':').next() == Some(self.index)),
        }
    }
}

/// The version of the kernel module: from `/proc/driver/nvidia/version`.
#[must_use]
pub fn driver(probes: Probes<'_>) -> Option<Version> {
    let line = probes.lines("nvidia-driver").find(|line| line.contains("NVRM"))?;
    let after = line.split("Kernel Module").nth(1).unwrap_or(line);
    after.split_whitespace().find_map(|word| word.contains('.').then(|| Version::find(word)).flatten())
}

/// The driver, its libraries, the cards, and what a profile asks of them. Where no driver is loaded, only what a profile
/// asks for and nobody can tell.
#[must_use]
pub fn findings(gpus: &Gpus, probes: Probes<'_>) -> Vec<Finding> {
    let Some(driver) = driver(probes) else { return Profile::read(probes).without_driver(probes) };
    let asked = probes.output("nvidia-smi");
    let output = asked.as_ref().and_then(|asked| asked.as_ref().ok());
    let listed = output.filter(|output| output.status == 0).map(|output| output.stdout.as_str());
    let said = output.map(|output| format!("{}{}", output.stdout, output.stderr)).unwrap_or_default();
    let cards: Vec<Card<'_>> = listed.into_iter().flat_map(str::lines).filter_map(Card::parse).collect();
    let mut findings = vec![libraries(driver, &said, probes)];
    findings.extend(cards.iter().filter(|card| card.is_in(gpus)).filter_map(|card| generation(card, driver)));
    let profile = Profile::read(probes);
    findings.extend(profile.memory.map(|least| enough(&cards, gpus, least, || untold(asked.as_ref(), probes))));
    findings.extend(profile.cuda.map(|version| served(version, driver)));
    findings
}

/// The module that is loaded, and the libraries that the program found.
fn libraries(driver: Version, said: &str, probes: Probes<'_>) -> Finding {
    let id = "gpu.driver";
    let module = probes.content("nvidia-module").and_then(Version::find);
    if said.contains("version mismatch") {
        let library = said
            .lines()
            .find(|line| line.starts_with("NVML library version"))
            .and_then(|line| line.rsplit_once(':').and_then(|(_, version)| Version::find(version)));
        let library = library.map(|version| version.to_string()).unwrap_or_else(|| "another version".into());
        let seen = format!("the kernel module is {driver}, the libraries are {library}");
        return Finding::failure(id, seen, "programs can't speak to a driver of another version").mended_by(REBOOT);
    }
    match module.filter(|module| *module != driver) {
        Some(module) => {
            let seen = format!("the driver says {driver}, the kernel module {module}");
            Finding::warning(id, seen, "one was changed without the other").mended_by(REBOOT)
        }
        None => Finding::ok(id, format!("driver {driver}{}", serves(driver))),
    }
}

fn serves(driver: Version) -> String {
    match SERVED.iter().find(|(_, least)| driver >= *least) {
        Some(((major, minor), _)) => format!(", CUDA up to {major}.{minor}"),
        None => String::new(),
    }
}

/// A card that is newer than the driver.
fn generation(card: &Card<'_>, driver: Version) -> Option<Finding> {
    let (_, least, name) = NEEDED.iter().find(|(capability, ..)| card.capability.starts_with(capability))?;
    let finding = || {
        let seen = format!("GPU {} is of {name}, the driver is {driver}", card.index);
        let why = format!("this generation is served since driver {least}");
        Finding::warning("gpu.generation", seen, &why)
    };
    (driver.0 < *least).then(finding)
}

/// The fact by which the host tells what is asked of GPUs beside their mask.
const PROFILE: &str = "host.gpu-profile";

/// What a profile asks of each GPU. What it asks for and nobody can tell is a failure: it was not left out.
#[derive(Clone, Copy)]
struct Profile {
    /// In bytes.
    memory: Option<u64>,
    cuda: Option<Version>,
}

impl Profile {
    fn read(probes: Probes<'_>) -> Self {
        Self {
            memory: probes.word(PROFILE, "memory").and_then(|bytes| bytes.parse().ok()),
            cuda: probes.word(PROFILE, "cuda").and_then(Version::find),
        }
    }

    fn without_driver(self, probes: Probes<'_>) -> Vec<Finding> {
        let why = "no NVIDIA driver is loaded (/proc/driver/nvidia/version is not there), and it alone can tell";
        let unknown = |id, seen: String| Finding::failure(id, seen, why).mended_by(Family::of(probes).install(DRIVER));
        let memory = self.memory.map(|least| unknown("gpu.memory", unjudged_memory(least)));
        let cuda = self.cuda.map(|asked| {
            unknown("gpu.cuda", format!("whether CUDA {}.{} is served can't be judged", asked.0, asked.1))
        });
        memory.into_iter().chain(cuda).collect()
    }
}

fn unjudged_memory(least: u64) -> String {
    format!("whether the GPUs have {} MiB can't be judged", least >> 20)
}

/// The cards that a mask means, each by what it was called; the whole of a card stands for no instance of it.
fn meant<'a>(cards: &'a [Card<'a>], gpus: &'a Gpus) -> Vec<(&'a str, Option<u64>)> {
    let named = |id: &str| cards.iter().find(|card| card.index == id || card.uuid == id);
    match gpus {
        Gpus::None => Vec::new(),
        Gpus::All => cards.iter().map(|card| (card.index, card.memory)).collect(),
        Gpus::Mask(ids) => ids.iter().map(|id| (id.as_str(), named(id).and_then(|card| card.memory))).collect(),
    }
}

fn enough(cards: &[Card<'_>], gpus: &Gpus, least: u64, untold: impl FnOnce() -> Untold) -> Finding {
    let (id, why) = ("gpu.memory", "the profile asks for more memory than that");
    // An instance has at most what its whole card has.
    let small = cards.iter().filter(|card| card.is_in(gpus)).find_map(|card| {
        let memory = card.memory.filter(|memory| *memory < least)?;
        Some((card.index, memory))
    });
    if let Some((index, memory)) = small {
        let seen = format!("GPU {index} has {} MiB, {} MiB are asked for", memory >> 20, least >> 20);
        return Finding::failure(id, seen, why);
    }
    let meant = meant(cards, gpus);
    let unknown = meant.iter().find(|(_, memory)| memory.is_none()).map(|(name, _)| *name);
    match (unknown, meant.is_empty() || cards.is_empty()) {
        (None, false) => Finding::ok(id, format!("at least {} MiB", least >> 20)),
        (Some(name), false) => {
            let seen = format!("whether GPU {name} has {} MiB can't be judged", least >> 20);
            let why = "`nvidia-smi` tells no memory of it; name whole GPUs that it lists, or leave `memory` out";
            Finding::failure(id, seen, why).mended_by(LIST)
        }
        (_, true) => {
            let Untold { why, remedy } = untold();
            Finding::failure(id, unjudged_memory(least), why).mended_by(remedy)
        }
    }
}

const LIST: &str = "nvidia-smi --list-gpus";

/// Why the driver's own program told of no card, and what would make it.
struct Untold {
    why: &'static str,
    remedy: String,
}

fn untold(asked: Option<&Result<Output>>, probes: Probes<'_>) -> Untold {
    let of = |why, remedy| Untold { why, remedy };
    match asked {
        Some(Ok(_)) => of("`nvidia-smi` tells of no card", LIST.into()),
        Some(Err(Error::Timeout(_))) => of("`nvidia-smi` does not answer", LIST.into()),
        // Neither run nor tried: the command is not granted, or there is no such program.
        Some(Err(_)) | None => {
            let why = "the driver's own program, `nvidia-smi`, could not be run, and it alone tells";
            of(why, Family::of(probes).install(PROGRAM))
        }
    }
}

fn served(asked: Version, driver: Version) -> Finding {
    let id = "gpu.cuda";
    // What is newer than the table may be served all the same.
    let row = SERVED.iter().rev().find(|((major, minor), _)| (*major, *minor) >= (asked.0, asked.1));
    match row {
        Some((_, least)) if driver >= *least => {
            Finding::ok(id, format!("driver {driver} serves CUDA {}.{}", asked.0, asked.1))
        }
        Some((_, least)) => {
            let seen = format!("driver {driver} does not serve CUDA {}.{}", asked.0, asked.1);
            Finding::failure(id, seen, &format!("driver {least} is the first that does"))
        }
        None => {
            let newest = SERVED.first().map(|((major, minor), _)| format!("{major}.{minor}")).unwrap_or_default();
            let seen = format!("whether CUDA {}.{} is served can't be judged", asked.0, asked.1);
            let why = format!("the newest that is known here is {newest}: ask for at most that, or leave `cuda` out");
            Finding::failure(id, seen, &why)
        }
    }
}

/// A CDI spec of one of the two folders: a file's name, and its text.
struct Spec<'a> {
    name: &'a str,
    text: &'a str,
}

/// The specs of the probes `cdi-etc` and `cdi-run`: texts under lines `==> NAME <==`.
fn specs<'a>(probes: Probes<'a>) -> Vec<Spec<'a>> {
    let folders = ["cdi-etc", "cdi-run"].into_iter().filter_map(|name| probes.content(name));
    let files = folders.flat_map(|folder| folder.split("==> ").filter_map(|file| file.split_once(" <==\n")));
    let is_spec = |name: &str| [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    let of_nvidia = |text: &str| text.contains("nvidia.com/gpu");
    files.filter(|(name, text)| is_spec(name) && of_nvidia(text)).map(|(name, text)| Spec { name, text }).collect()
}

/// Whether there is a CDI spec of NVIDIA's.
#[must_use]
pub fn has_spec(probes: Probes<'_>) -> bool {
    !specs(probes).is_empty()
}

/// The values of a key in JSON or YAML, as far as they stand on one line with it.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let quote = ['"', '\''];
    text.split([',', '\n', '{', '[']).filter_map(move |piece| {
        let (found, value) = piece.split_once(':')?;
        let found = found.trim().trim_start_matches("- ").trim().trim_matches(quote);
        (found == key).then(|| value.trim().trim_end_matches(['}', ']']).trim().trim_matches(quote))
    })
}

/// A judgement of the specs: whether they name the GPUs of the mask, and are of the driver that is loaded.
#[must_use]
pub fn cdi(gpus: &Gpus, probes: Probes<'_>, id: &str) -> Option<Finding> {
    let specs = specs(probes);
    let names: Vec<&str> = specs.iter().flat_map(|spec| values(spec.text, "name")).collect();
    let wanted: Vec<&str> = match gpus {
        Gpus::None => Vec::new(),
        Gpus::All => vec!["all"],
        Gpus::Mask(ids) => ids.iter().map(String::as_str).collect(),
    };
    if specs.is_empty() {
        return None;
    }
    if let Some(missing) = wanted.iter().find(|id| !names.contains(*id)) {
        let seen = format!("no CDI spec names {missing}; they name {}", names.join(", "));
        let why = "the engine finds GPUs by the names of the specs alone";
        return Some(Finding::failure(id, seen, why).mended_by(MAKE_SPEC));
    }
    let driver = driver(probes);
    let stale = specs.iter().find_map(|spec| Some((spec.name, library(spec.text).filter(|its| Some(*its) != driver)?)));
    Some(match (stale, driver) {
        (Some((name, its)), Some(driver)) => {
            let seen = format!("{name} is of driver {its}, and {driver} is loaded");
            let why = "a spec that is older than the driver names libraries that are gone";
            Finding::warning(id, seen, why).mended_by(MAKE_SPEC)
        }
        _ => Finding::ok(id, format!("CDI specs name {}", wanted.join(", "))),
    })
}

/// The driver that a spec was made for: the version of the libraries that it names.
fn library(text: &str) -> Option<Version> {
    text.split("libcuda.so.")
        .skip(1)
        .find_map(|rest| Version::find(rest.split(['"', '\'', '\n', ' ']).next()?).filter(|it| it.0 > 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Probe, Severity};

    const DRIVER: &str = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version:  gcc 12\n";
    const OPEN: &str = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n";
    const SPEC: &str = "==> nvidia.yaml <==\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n- name: '1'\n- name: all\ncontainerEdits:\n  mounts:\n  - hostPath: /usr/lib/libcuda.so.550.54.14\n";

    fn probes(seen: &[(&str, &str)]) -> Vec<Probe> {
        seen.iter().map(|(name, text)| Probe { name: (*name).into(), found: true, content: (*text).into() }).collect()
    }

    fn smi(status: i32, stdout: &str) -> String {
        serde_json::json!({ "status": status, "stdout": stdout, "stderr": "" }).to_string()
    }

    fn mask(ids: &[&str]) -> Gpus {
        Gpus::Mask(ids.iter().map(|id| (*id).into()).collect())
    }

    fn told(seen: &[(&str, &str)], gpus: &Gpus) -> Vec<String> {
        let all = probes(seen);
        let found = findings(gpus, Probes(&all));
        found.iter().map(|one| format!("{} {:?}", one.id, one.severity).replace("Severity::", "")).collect()
    }

    #[test]
    fn the_drivers_version_is_read_of_both_kinds_of_modules() {
        for (text, expected) in [(DRIVER, Version(550, 54, 14)), (OPEN, Version(570, 86, 15))] {
            assert_eq!(driver(Probes(&probes(&[("nvidia-driver", text)]))), Some(expected));
        }
    }

    #[test]
    fn a_mismatch_of_module_and_libraries_is_a_failure() {
        let said = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.90\n";
        let all = probes(&[("nvidia-driver", DRIVER), ("nvidia-smi", &smi(18, said))]);
        let found = findings(&mask(&["0"]), Probes(&all));
        assert_eq!(found[0].severity, Severity::Failure);
        assert_eq!(found[0].seen, "the kernel module is 550.54.14, the libraries are 550.90.0");
    }

    #[test]
    fn a_profile_is_judged_by_what_is_known() {
        let cards = smi(0, "0, GPU-a, 24564, 550.54.14, 8.9\n1, GPU-b, 8192, 550.54.14, 12.0\n");
        let seen =
            |profile: &'static str| [("nvidia-driver", DRIVER), ("nvidia-smi", ""), ("host.gpu-profile", profile)];
        let judged = |ids: &[&str], profile| {
            let mut seen = seen(profile);
            seen[1].1 = &cards;
            told(&seen, &mask(ids))
        };
        assert_eq!(
            judged(&["0"], "required=true memory=8589934592 cuda=12.4"),
            ["gpu.driver Ok", "gpu.memory Ok", "gpu.cuda Ok"]
        );
        assert_eq!(
            judged(&["GPU-b"], "required=true memory=9000000000 cuda=12.8"),
            ["gpu.driver Ok", "gpu.generation Warning", "gpu.memory Failure", "gpu.cuda Failure"]
        );
    }

    fn unjudged(seen: &[(&str, &str)], gpus: &Gpus, id: &str) -> Finding {
        let all = probes(seen);
        let finding = findings(gpus, Probes(&all)).into_iter().find(|one| one.id == id).unwrap();
        assert_eq!(finding.severity, Severity::Failure, "{finding:?}");
        assert!(finding.seen.contains("can't be judged"), "{finding:?}");
        finding
    }

    #[test]
    fn what_a_profile_asks_for_and_nobody_can_tell_is_a_failure() {
        let asked = ("host.gpu-profile", "required=true memory=8589934592 cuda=12.4");
        let nothing = [asked, ("os-release", "ID=debian")];
        for id in ["gpu.memory", "gpu.cuda"] {
            let finding = unjudged(&nothing, &mask(&["0"]), id);
            assert_eq!(finding.remedy.as_deref(), Some("sudo apt-get install -y nvidia-driver"));
        }
        let no_program = [asked, ("os-release", "ID=debian"), ("nvidia-driver", DRIVER)];
        let finding = unjudged(&no_program, &mask(&["0"]), "gpu.memory");
        assert_eq!(finding.remedy.as_deref(), Some("sudo apt-get install -y nvidia-smi"));
        let newer = [("host.gpu-profile", "required=true cuda=99.1"), ("nvidia-driver", DRIVER)];
        assert!(unjudged(&newer, &mask(&["0"]), "gpu.cuda").why.contains("13.0"));
        assert!(findings(&mask(&["0"]), Probes(&probes(&[("host.gpu-profile", "required=true")]))).is_empty());
    }

    #[test]
    fn every_gpu_of_a_mask_must_be_told_of() {
        let cards = smi(0, "0, GPU-a, 24564, 550.54.14, 8.9\n1, GPU-b, [N/A], 550.54.14, 8.9\n");
        let asked = ("host.gpu-profile", "required=true memory=1073741824");
        let seen = [asked, ("nvidia-driver", DRIVER), ("nvidia-smi", cards.as_str())];
        assert_eq!(told(&seen, &mask(&["GPU-a"])), ["gpu.driver Ok", "gpu.memory Ok"]);
        for unknown in [&["5"][..], &["0", "1"], &["0", "GPU-c"], &["0:1"]] {
            unjudged(&seen, &mask(unknown), "gpu.memory");
        }
        unjudged(&seen, &Gpus::All, "gpu.memory");
        let mute = smi(9, "NVIDIA-SMI has failed");
        unjudged(&[asked, ("nvidia-driver", DRIVER), ("nvidia-smi", &mute)], &Gpus::All, "gpu.memory");
    }

    #[test]
    fn a_spec_names_the_mask_and_is_of_the_loaded_driver() {
        let all = probes(&[("cdi-etc", SPEC), ("nvidia-driver", DRIVER)]);
        assert_eq!(cdi(&mask(&["1"]), Probes(&all), "gpu.cdi").unwrap().severity, Severity::Ok);
        let absent = cdi(&mask(&["2"]), Probes(&all), "gpu.cdi").unwrap();
        assert_eq!(
            (absent.severity, absent.seen.as_str()),
            (Severity::Failure, "no CDI spec names 2; they name 0, 1, all")
        );
        let newer = probes(&[("cdi-etc", SPEC), ("nvidia-driver", OPEN)]);
        let stale = cdi(&Gpus::All, Probes(&newer), "gpu.cdi").unwrap();
        assert_eq!(stale.severity, Severity::Warning);
        assert!(stale.seen.contains("550.54.14") && stale.seen.contains("570.86.15"), "{}", stale.seen);
    }

    #[test]
    fn a_json_spec_is_read_as_well_and_a_foreign_one_is_not() {
        let json = "==> n.json <==\n{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/gpu\",\"devices\":[{\"name\":\"0\",\"containerEdits\":{}},{\"name\":\"all\"}]}\n";
        let all = probes(&[("cdi-run", json)]);
        assert_eq!(cdi(&mask(&["0"]), Probes(&all), "gpu.cdi").unwrap().severity, Severity::Ok);
        let foreign = json.replace("nvidia.com/gpu", "vendor.example/nic");
        assert!(!has_spec(Probes(&probes(&[("cdi-run", &foreign)]))));
        assert!(!has_spec(Probes(&probes(&[("cdi-etc", "==> README <==\nkind: nvidia.com/gpu\n")]))));
    }
}
