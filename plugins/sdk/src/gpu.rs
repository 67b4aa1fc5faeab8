//! Whether NVIDIA GPUs can be given to a container. No GPU is needed to find out that there is none.

use std::collections::BTreeSet;

use crate::{
    Error, Finding, Gpus, Probes, Severity, Version,
    devices::{self, Device},
    distribution::{Family, Package},
    floors::Floors,
    nvidia::{self, DRIVER},
};

/// How an engine gives GPUs to containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the names of a CDI spec: without one nothing works, with one the toolkit is only good for the next.
    Cdi,
    /// By the toolkit's runtime hook; `known` when the engine itself says that it has it.
    Hook {
        /// Whether the engine has a runtime of that name.
        known: bool,
    },
}

/// How many nodes are looked at for a GPU that has no index.
const NODES: u32 = 16;

/// Of NVIDIA's own repository, but for Arch.
const TOOLKIT: Package = Package::same("nvidia-container-toolkit");
const MAKE_SPEC: &str = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml";
const MAKE_UVM: &str = "sudo nvidia-modprobe -u -c=0";
const JOIN_GROUPS: &str = "sudo usermod --append --groups video,render \"$USER\"  # then log in again";

/// Looks at the device nodes of the mask, the toolkit and the CDI specs. Nothing where no GPU is asked for.
///
/// It reads the probes `nvidia-driver`, `nvidia-module`, `cdi-etc`, `cdi-run` and `os-release`, and the output of
/// `toolkit-version` and, where a driver is loaded, of `nvidia-smi`. That there is no GPU (`gpu.none`), no toolkit
/// (`gpu.toolkit`) and no CDI spec (`gpu.cdi`) are three findings.
#[must_use]
pub fn findings(gpus: &Gpus, probes: Probes<'_>, way: Way) -> Vec<Finding> {
    if matches!(gpus, Gpus::None) || matches!(gpus, Gpus::Mask(ids) if ids.is_empty()) {
        return Vec::new();
    }
    let spec = nvidia::has_spec(probes);
    let mut findings = device_findings(gpus, probes);
    findings.extend(nvidia::findings(gpus, probes));
    findings.extend(toolkit(missing_toolkit(way, spec), probes));
    findings.push(cdi(gpus, way, probes));
    findings.extend(others());
    findings
}

/// Nodes of other makers' GPUs: worth knowing where one of NVIDIA's was asked for.
fn others() -> Vec<Finding> {
    let render = (128..128 + NODES).map(|number| format!("/dev/dri/renderD{number}")).find(|node| !is_absent(node));
    let why = "masks name NVIDIA's GPUs; this node is not handed on";
    let amd = (!is_absent("/dev/kfd")).then(|| Finding::info("gpu.amd", "/dev/kfd is there: a GPU of AMD's", why));
    let other = render.filter(|_| amd.is_none() && is_absent("/dev/nvidiactl"));
    let other =
        other.map(|node| Finding::info("gpu.intel", format!("{node} is there: a GPU of Intel's or another"), why));
    amd.into_iter().chain(other).collect()
}

/// The nodes of the GPUs themselves, the control node, and that of unified memory.
fn device_findings(gpus: &Gpus, probes: Probes<'_>) -> Vec<Finding> {
    let nodes = gpu_nodes(gpus);
    let there = if nodes.iter().any(|node| is_absent(node)) { indices_there() } else { Vec::new() };
    if there.is_empty() && nodes.iter().all(|node| is_absent(node)) {
        return vec![no_gpu(&nodes, probes)];
    }
    let judge = |node: &String| absent_gpu(node, &there, probes).unwrap_or_else(|| gpu_node(node));
    let mut findings: Vec<Finding> = nodes.iter().map(judge).collect();
    findings.push(gpu_node("/dev/nvidiactl"));
    if is_absent("/dev/nvidia-uvm") {
        let why = "CUDA programs end at once without unified memory";
        findings.push(Finding::warning("gpu.device", "/dev/nvidia-uvm is not there", why).mended_by(MAKE_UVM));
    }
    findings
}

/// The nodes that a mask means. A GPU without an index (all of them, or a UUID) is one of those that are there.
fn gpu_nodes(gpus: &Gpus) -> Vec<String> {
    let indices = match gpus {
        Gpus::Mask(ids) => ids.iter().map(|id| index(id)).collect::<Option<Vec<u32>>>(),
        Gpus::All | Gpus::None => None,
    };
    match indices {
        Some(indices) => indices.into_iter().collect::<BTreeSet<_>>().into_iter().map(node).collect(),
        None => vec![(0..NODES).map(node).find(|node| !is_absent(node)).unwrap_or_else(|| node(0))],
    }
}

fn node(index: u32) -> String {
    format!("/dev/nvidia{index}")
}

/// The index of `2` and of `2:1`; none of a UUID.
fn index(id: &str) -> Option<u32> {
    id.split(':').next()?.parse().ok()
}

fn is_absent(node: &str) -> bool {
    matches!(devices::check(node), Ok(Device { exists: false, .. }))
}

/// The indices whose nodes are there, as far as they are looked at.
fn indices_there() -> Vec<String> {
    let there = |index: &u32| matches!(devices::check(&node(*index)), Ok(Device { exists: true, .. }));
    (0..NODES).filter(there).map(|index| index.to_string()).collect()
}

/// An index of the mask that this machine has no node of, while it has others.
fn absent_gpu(node: &str, there: &[String], probes: Probes<'_>) -> Option<Finding> {
    let index = node.strip_prefix("/dev/nvidia").filter(|_| is_absent(node))?;
    let there = match there {
        [] => "none of the first is there".into(),
        [one] => format!("the only one is {one}"),
        several => format!("there are {}", several.join(", ")),
    };
    let finding = Finding::failure(
        "gpu.device",
        format!("GPU {index} is not there ({node}): {there}"),
        "the mask names a GPU that this machine does not show",
    );
    Some(match probes.content("nvidia-driver") {
        Some(_) => finding.mended_by(make_nodes(&[node.into()])),
        None => finding.mended_by("ls /dev/nvidia[0-9]*  # name one of these"),
    })
}

fn no_gpu(nodes: &[String], probes: Probes<'_>) -> Finding {
    let seen = format!("{} not there", listed(nodes));
    if probes.content("nvidia-driver").is_some() {
        let why = "the driver is loaded, and no node of a GPU is there";
        return Finding::failure("gpu.none", seen, why).mended_by(make_nodes(nodes));
    }
    let why = "no GPU: neither the NVIDIA driver nor a device node is there";
    Finding::failure("gpu.none", seen, why).mended_by(Family::of(probes).install(DRIVER))
}

fn listed(nodes: &[String]) -> String {
    let verb = if nodes.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", nodes.join(", "))
}

fn make_nodes(nodes: &[String]) -> String {
    let options = nodes.iter().filter_map(|node| node.strip_prefix("/dev/nvidia")).map(|index| format!(" -c={index}"));
    format!("sudo nvidia-modprobe{}", options.collect::<String>())
}

fn gpu_node(node: &str) -> Finding {
    let id = "gpu.device";
    match devices::check(node) {
        Ok(Device { exists: false, .. }) => {
            Finding::failure(id, format!("{node} is not there"), "the GPU was asked for")
                .mended_by("sudo nvidia-modprobe")
        }
        Ok(Device { character: false, .. }) => {
            Finding::failure(id, format!("{node} is no character device"), "something else lies in the GPU's place")
        }
        Ok(Device { accessible: false, .. }) => {
            let why = "this user may not open it, and a rootless engine acts as this user";
            Finding::failure(id, format!("{node} is closed to this user"), why).mended_by(JOIN_GROUPS)
        }
        Ok(_) => Finding::ok(id, format!("{node} is there")),
        Err(error) => {
            Finding::warning(id, format!("{node}: {}", crate::preflight::words(&error)), "it was not looked at")
        }
    }
}

/// How much a missing toolkit matters.
fn missing_toolkit(way: Way, spec: bool) -> Severity {
    match way {
        Way::Cdi if spec => Severity::Warning,
        Way::Hook { known: true } => Severity::Warning,
        Way::Cdi | Way::Hook { known: false } => Severity::Failure,
    }
}

fn toolkit(missing: Severity, probes: Probes<'_>) -> Vec<Finding> {
    let (id, family) = ("gpu.toolkit", Family::of(probes));
    match probes.run("toolkit-version") {
        Ok(output) if output.status == 0 => toolkit_version(&output.stdout, probes, family),
        Err(Error::Refused(_)) => {
            vec![Finding::info(id, "the toolkit was not looked at", "the grants leave the command out")]
        }
        _ => {
            let why = "toolkit missing: it teaches the engine how to give a GPU to a container";
            let seen = "the NVIDIA container toolkit is not there";
            vec![Finding::new(id, missing, seen, why).mended_by(family.install(TOOLKIT))]
        }
    }
}

/// What it says of itself, beside the floor.
fn toolkit_version(text: &str, probes: Probes<'_>, family: Family) -> Vec<Finding> {
    let (id, what) = ("gpu.toolkit", "NVIDIA container toolkit");
    let judged = Floors::of(probes).judge(id, "toolkit", what, text, || family.upgrade(TOOLKIT));
    vec![judged.unwrap_or_else(|| match Version::find(text) {
        Some(version) => Finding::ok(id, format!("{what} {version}")),
        None => Finding::info(id, format!("an {what} of no known version"), "its version was not checked"),
    })]
}

fn cdi(gpus: &Gpus, way: Way, probes: Probes<'_>) -> Finding {
    let (id, none) = ("gpu.cdi", "no CDI spec of NVIDIA's in /etc/cdi or /var/run/cdi");
    match (nvidia::cdi(gpus, probes, id), way) {
        // The hook needs none, so that a wrong one does no harm.
        (Some(finding), Way::Hook { .. }) if finding.severity != Severity::Ok => {
            Finding { severity: Severity::Info, remedy: None, ..finding }
        }
        (Some(finding), _) => finding,
        (None, Way::Cdi) => {
            let why = "no CDI spec: the engine finds GPUs by its names alone";
            Finding::failure(id, none, why).mended_by(MAKE_SPEC)
        }
        (None, Way::Hook { .. }) => Finding::info(id, none, "the engine uses the toolkit's hook, and needs none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Probe, stage::Stage};

    const TOOLKIT: &str = "NVIDIA Container Toolkit CLI version 1.18.0\ncommit: 0";

    fn mask(ids: &[&str]) -> Gpus {
        Gpus::Mask(ids.iter().map(|id| (*id).into()).collect())
    }

    fn spec() -> Vec<Probe> {
        let names =
            ["all", "0", "1", "2", "2:0", "2:1", "7", "GPU-8f2e"].map(|name| format!("- name: \"{name}\"\n")).concat();
        let content = format!("==> nvidia.yaml <==\nkind: nvidia.com/gpu\ndevices:\n{names}");
        let floors = "toolkit 1.17.8 CVE-2025-23266 and CVE-2025-23267\n".into();
        vec![
            Probe { name: "cdi-etc".into(), found: true, content },
            Probe { name: "host.floors".into(), found: true, content: floors },
        ]
    }

    fn nodes(stage: Stage, names: &[&str]) -> Stage {
        names.iter().fold(stage, |stage, name| stage.device(&format!("/dev/nvidia{name}"), true))
    }

    fn told(stage: Stage, gpus: &Gpus, probes: &[Probe], way: Way) -> Vec<String> {
        let (findings, _) = stage.play(|| findings(gpus, Probes(probes), way));
        findings
            .iter()
            .map(|finding| format!("{} {:?}", finding.id, finding.severity).replace("Severity::", ""))
            .collect()
    }

    #[test]
    fn nothing_is_looked_at_where_no_gpu_is_wanted() {
        for gpus in [Gpus::None, mask(&[])] {
            let (findings, seen) = Stage::new().play(|| findings(&gpus, Probes(&[]), Way::Cdi));
            assert!(findings.is_empty() && seen.asks.is_empty() && seen.nodes.is_empty());
        }
    }

    #[test]
    fn no_gpu_no_toolkit_and_no_spec_are_three_findings() {
        let told = told(Stage::new(), &mask(&["0"]), &[], Way::Cdi);
        assert_eq!(told, ["gpu.none Failure", "gpu.toolkit Failure", "gpu.cdi Failure"]);
    }

    #[test]
    fn each_failure_names_what_mends_it() {
        let (findings, _) = Stage::new().play(|| findings(&Gpus::All, Probes(&[]), Way::Cdi));
        assert!(findings.iter().all(|finding| finding.remedy.is_some() && !finding.why.is_empty()));
    }

    #[test]
    fn a_mask_asks_for_its_own_nodes() {
        let stage = nodes(Stage::new().command("toolkit-version", 0, TOOLKIT, ""), &["0", "2", "ctl", "-uvm"]);
        let told = told(stage, &mask(&["0", "2:1", "2:0"]), &spec(), Way::Cdi);
        assert_eq!(told, ["gpu.device Ok", "gpu.device Ok", "gpu.device Ok", "gpu.toolkit Ok", "gpu.cdi Ok"]);
    }

    #[test]
    fn one_missing_gpu_of_two_is_a_failure() {
        let stage = nodes(Stage::new().command("toolkit-version", 0, TOOLKIT, ""), &["0", "ctl", "-uvm"]);
        let told = told(stage, &mask(&["0", "7"]), &spec(), Way::Cdi);
        assert_eq!(told[..2], ["gpu.device Ok", "gpu.device Failure"]);
    }

    #[test]
    fn an_index_that_is_not_there_is_told_from_no_gpu_at_all() {
        for (mask, wrong) in [(mask(&["7"]), 0), (mask(&["0", "7"]), 1)] {
            let stage = nodes(Stage::new(), &["0", "1", "2", "ctl", "-uvm"]);
            let (findings, _) = stage.play(|| findings(&mask, Probes(&spec()), Way::Cdi));
            let finding = &findings[wrong];
            assert_eq!((finding.id.as_str(), finding.severity), ("gpu.device", Severity::Failure));
            assert_eq!(finding.seen, "GPU 7 is not there (/dev/nvidia7): there are 0, 1, 2");
            assert!(finding.remedy.as_ref().is_some_and(|remedy| !remedy.contains("install")), "{finding:?}");
            assert!(findings.iter().all(|one| one.id != "gpu.none"));
        }
    }

    #[test]
    fn a_uuid_is_one_of_those_that_are_there() {
        let stage = nodes(Stage::new().command("toolkit-version", 0, TOOLKIT, ""), &["3", "ctl"]);
        let (findings, _) = stage.play(|| findings(&mask(&["GPU-8f2e"]), Probes(&spec()), Way::Cdi));
        assert_eq!(findings[0].seen, "/dev/nvidia3 is there");
        assert_eq!(findings[2].seen, "/dev/nvidia-uvm is not there");
        assert_eq!(findings[2].severity, Severity::Warning);
    }

    #[test]
    fn a_node_that_is_closed_is_a_failure() {
        let stage = Stage::new().device("/dev/nvidia0", false).device("/dev/nvidiactl", true);
        let (findings, _) = stage.play(|| findings(&mask(&["0"]), Probes(&spec()), Way::Cdi));
        assert_eq!(findings[0].severity, Severity::Failure);
        assert_eq!(findings[0].remedy.as_deref(), Some(JOIN_GROUPS));
    }

    #[test]
    fn with_a_spec_the_toolkit_may_be_missing() {
        let stage = nodes(Stage::new(), &["0", "ctl", "-uvm"]);
        let told = told(stage, &mask(&["0"]), &spec(), Way::Cdi);
        assert_eq!(told[2..], ["gpu.toolkit Warning", "gpu.cdi Ok"]);
    }

    #[test]
    fn the_hook_needs_the_toolkit_and_no_spec() {
        let way = Way::Hook { known: false };
        let told = told(nodes(Stage::new(), &["0", "ctl", "-uvm"]), &mask(&["0"]), &[], way);
        assert_eq!(told[2..], ["gpu.toolkit Failure", "gpu.cdi Info"]);
    }

    #[test]
    fn an_old_toolkit_is_a_warning() {
        let old = "NVIDIA Container Toolkit CLI version 1.17.7";
        let stage = nodes(Stage::new().command("toolkit-version", 0, old, ""), &["0", "ctl", "-uvm"]);
        assert_eq!(told(stage, &mask(&["0"]), &spec(), Way::Cdi)[2], "gpu.toolkit Warning");
    }

    #[test]
    fn a_driver_without_that_gpu_is_said() {
        let driver = [Probe { name: "nvidia-driver".into(), found: true, content: "NVRM version: 550".into() }];
        let (findings, _) = Stage::new().play(|| findings(&mask(&["4"]), Probes(&driver), Way::Cdi));
        assert_eq!(findings[0].remedy.as_deref(), Some("sudo nvidia-modprobe -c=4"));
    }
}
