//! What Podman needs here.

use portreeve_plugin::{
    Engine, EngineIdentity, Error, Finding, Intention, Probes, Result,
    gpu::{self, Way},
    preflight::words,
};

use crate::detect;

const INSTALL: &str = "sudo apt-get install -y podman  # Fedora: sudo dnf install -y podman";
const INSTALL_RUNC: &str = "sudo apt-get install -y runc  # Fedora: sudo dnf install -y runc";
const INSTALL_UIDMAP: &str = "sudo apt-get install -y uidmap  # Fedora: sudo dnf install -y shadow-utils";
const ALLOW_NAMESPACES: &str = "sudo sysctl -w user.max_user_namespaces=28633";
const GIVE_IDS: &str =
    "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\" && podman system migrate";
const LINGER: &str = "sudo loginctl enable-linger \"$USER\"";
const UNIFY_CGROUPS: &str = "sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1  # Debian, Ubuntu: in GRUB_CMDLINE_LINUX of /etc/default/grub, then sudo update-grub";
const LOW_PORTS: &str = "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=";

/// Looks at everything that the intention depends on.
pub(crate) fn preflight(intention: &Intention, probes: Probes<'_>) -> Vec<Finding> {
    let mut findings = vec![engine(detect::detect(probes)), runtime(probes)];
    if detect::rootless(probes) {
        findings.extend(rootless(intention, probes));
    }
    findings.extend(gpu::findings(&intention.gpus, probes, Way::Cdi));
    findings
}

fn engine(detected: Result<Engine>) -> Finding {
    let id = "engine";
    match detected {
        Ok(Engine { identity: EngineIdentity::Genuine, version, rootless, .. }) => {
            let how = if rootless { "rootless" } else { "as root" };
            Finding::ok(id, format!("podman {version} works, {how}"))
        }
        Ok(_) => {
            let why = "this backend speaks to Podman alone";
            Finding::failure(id, "the program `podman` is another engine's", why).mended_by(INSTALL)
        }
        Err(error) => broken(&error),
    }
}

fn broken(error: &Error) -> Finding {
    let seen = words(error);
    let remedy = remedy(&seen);
    Finding::failure("engine", seen, "no container can be made without a working engine").mended_by(remedy)
}

/// What mends a Podman that does not work, by what it says.
fn remedy(seen: &str) -> &'static str {
    const REMEDIES: &[(&str, &str)] = &[
        ("newuidmap", INSTALL_UIDMAP),
        ("newgidmap", INSTALL_UIDMAP),
        ("subuid", GIVE_IDS),
        ("subgid", GIVE_IDS),
        ("insufficient uids", GIVE_IDS),
        ("user namespace", ALLOW_NAMESPACES),
        ("cannot clone", ALLOW_NAMESPACES),
        ("xdg_runtime_dir", LINGER),
        ("/run/user", LINGER),
        ("podman is installed", "podman info"),
    ];
    let seen = seen.to_ascii_lowercase();
    REMEDIES.iter().find(|(text, _)| seen.contains(text)).map_or(INSTALL, |(_, remedy)| remedy)
}

/// An OCI runtime that the host found, from a line `NAME=PATH usable=true|false`.
struct Runtime<'a> {
    name: &'a str,
    usable: bool,
}

impl<'a> Runtime<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, _) = line.split_whitespace().next()?.split_once('=')?;
        Some(Self { name, usable: line.split_whitespace().any(|word| word == "usable=true") })
    }
}

/// Whether one of the granted OCI runtimes can work under this machine's cgroups.
fn runtime(probes: Probes<'_>) -> Finding {
    let id = "runtime.oci";
    let cgroups = probes.content("cgroup").unwrap_or("unknown");
    let runtimes: Vec<_> = probes.lines("runtimes").filter_map(Runtime::parse).collect();
    let unusable: Vec<_> = runtimes.iter().filter(|runtime| !runtime.usable).map(|runtime| runtime.name).collect();
    let unusable = unusable.join(", ");
    match (runtimes.iter().find(|runtime| runtime.usable), unusable.is_empty()) {
        (Some(runtime), true) => Finding::ok(id, format!("{} works under cgroups {cgroups}", runtime.name)),
        (Some(runtime), false) => {
            let seen = format!("{unusable} can't work under cgroups {cgroups}, {} can", runtime.name);
            Finding::info(id, seen, "the host names the one that works whenever it creates a container")
        }
        (None, true) => {
            let why = "an OCI runtime starts the container's process";
            Finding::failure(id, "none of the granted OCI runtimes is installed", why).mended_by(INSTALL_RUNC)
        }
        (None, false) => {
            let seen = format!("{unusable} can't work under cgroups {cgroups}");
            Finding::failure(id, seen, "an OCI runtime starts the container's process").mended_by(INSTALL_RUNC)
        }
    }
}

/// What an ordinary user's engine needs beside.
fn rootless(intention: &Intention, probes: Probes<'_>) -> Vec<Finding> {
    let findings = [user_namespaces(probes), ids(probes), limits(probes), low_ports(intention)];
    findings.into_iter().flatten().collect()
}

fn user_namespaces(probes: Probes<'_>) -> Option<Finding> {
    let id = "rootless.namespaces";
    match probes.number("max-user-namespaces")? {
        0 => {
            let why = "a rootless container lives in a user namespace";
            Some(Finding::failure(id, "user namespaces are switched off", why).mended_by(ALLOW_NAMESPACES))
        }
        number => Some(Finding::ok(id, format!("{number} user namespaces are allowed"))),
    }
}

/// How many users and groups an image may name: all of the first 16 bits.
const IDS: u64 = 65_536;

/// From the words `subuid=COUNT subgid=COUNT` of the user's probe.
fn ids(probes: Probes<'_>) -> Option<Finding> {
    let count = |key| probes.word("user", key).and_then(|count| count.parse::<u64>().ok());
    let (uids, gids) = (count("subuid")?, count("subgid")?);
    let id = "rootless.ids";
    if uids.min(gids) >= IDS {
        return Some(Finding::ok(id, format!("{uids} subordinate users and {gids} groups")));
    }
    let why = "files of an image that belong to other users and groups can't be unpacked without them";
    let seen = format!("{uids} subordinate users and {gids} groups, where an image may name {IDS}");
    Some(Finding::warning(id, seen, why).mended_by(GIVE_IDS))
}

fn limits(probes: Probes<'_>) -> Option<Finding> {
    let cgroups = probes.content("cgroup").filter(|cgroups| ["v1", "hybrid"].contains(cgroups))?;
    let why = "Podman ignores a rootless container's memory, cpu and pids limits there";
    Some(Finding::warning("rootless.limits", format!("cgroups {cgroups}"), why).mended_by(UNIFY_CGROUPS))
}

/// Where the kernel lets anybody bind a port, unless an administrator moved it.
const FIRST_FREE_PORT: u16 = 1024;

fn low_ports(intention: &Intention) -> Option<Finding> {
    let low = intention.ports.iter().map(|port| port.host).filter(|port| (1..FIRST_FREE_PORT).contains(port)).min()?;
    let why = "an ordinary user may not bind a port below 1024, unless the kernel was told otherwise";
    let finding = Finding::warning("rootless.ports", format!("port {low} is asked for"), why);
    Some(finding.mended_by(format!("{LOW_PORTS}{low}")))
}

#[cfg(test)]
mod tests {
    use portreeve_plugin::{Gpus, Port, Probe, Protocol, Severity, stage::Stage};

    use super::*;

    const VERSION: &str = r#"{"Client":{"APIVersion":"5.4.2","Version":"5.4.2"}}"#;

    fn probes(seen: &[(&str, &str)]) -> Vec<Probe> {
        seen.iter().map(|(name, text)| Probe { name: (*name).into(), found: true, content: (*text).into() }).collect()
    }

    fn intention(ports: &[u16]) -> Intention {
        let port =
            |host: &u16| Port { address: "127.0.0.1".into(), host: *host, container: 80, protocol: Protocol::Tcp };
        Intention { gpus: Gpus::None, ports: ports.iter().map(port).collect(), mounts: vec![] }
    }

    fn working() -> Stage {
        Stage::new().command("version", 0, VERSION, "").command("ping", 0, "", "")
    }

    fn told(stage: Stage, intention: &Intention, seen: &[(&str, &str)]) -> Vec<String> {
        let (findings, _) = stage.play(|| preflight(intention, Probes(&probes(seen))));
        findings
            .iter()
            .map(|finding| format!("{} {:?}", finding.id, finding.severity).replace("Severity::", ""))
            .collect()
    }

    #[test]
    fn a_machine_where_all_is_well() {
        let seen =
            [("user", "uid=0 rootless=false"), ("cgroup", "v2"), ("runtimes", "crun=/usr/bin/crun usable=true\n")];
        assert_eq!(told(working(), &intention(&[80]), &seen), ["engine Ok", "runtime.oci Ok"]);
    }

    #[test]
    fn a_runtime_that_cant_work_is_noticed_and_another_named() {
        let runtimes = "crun=/usr/bin/crun usable=false\nrunc=/usr/sbin/runc usable=true\n";
        let seen = probes(&[("cgroup", "hybrid\n"), ("runtimes", runtimes)]);
        let finding = runtime(Probes(&seen));
        assert_eq!(finding.severity, Severity::Info);
        assert_eq!(finding.seen, "crun can't work under cgroups hybrid, runc can");
    }

    #[test]
    fn no_runtime_is_a_failure_with_a_remedy() {
        for text in ["", "crun=/usr/bin/crun usable=false"] {
            let finding = runtime(Probes(&probes(&[("cgroup", "hybrid"), ("runtimes", text)])));
            assert_eq!((finding.severity, finding.remedy.as_deref()), (Severity::Failure, Some(INSTALL_RUNC)));
        }
    }

    #[test]
    fn a_rootless_engine_needs_more() {
        let seen = [
            ("user", "uid=1000 rootless=true"),
            ("cgroup", "hybrid"),
            ("runtimes", "runc=/usr/sbin/runc usable=true"),
            ("max-user-namespaces", "0\n"),
        ];
        let expected = [
            "engine Ok",
            "runtime.oci Ok",
            "rootless.namespaces Failure",
            "rootless.limits Warning",
            "rootless.ports Warning",
        ];
        assert_eq!(told(working(), &intention(&[8080, 443, 0]), &seen), expected);
    }

    #[test]
    fn subordinate_ids_are_counted() {
        for (user, expected) in [
            ("uid=1000 rootless=true subuid=65536 subgid=65536", Severity::Ok),
            ("uid=1000 rootless=true subuid=65536 subgid=0", Severity::Warning),
        ] {
            assert_eq!(ids(Probes(&probes(&[("user", user)]))).unwrap().severity, expected);
        }
        assert_eq!(ids(Probes(&probes(&[("user", "uid=1000")]))), None);
    }

    #[test]
    fn what_podman_says_chooses_the_remedy() {
        for (stderr, expected) in [
            (
                "Error: command required for rootless mode with multiple IDs: exec: \"newuidmap\": executable file not found in $PATH",
                INSTALL_UIDMAP,
            ),
            ("Error: cannot clone: Operation not permitted", ALLOW_NAMESPACES),
            ("Error: no subuid ranges found for user \"a\" in /etc/subuid", GIVE_IDS),
            ("Error: stat /run/user/1000: no such file or directory", LINGER),
            ("Error: something else", "podman info"),
        ] {
            let stage = Stage::new().command("version", 0, VERSION, "").command("ping", 125, "", stderr);
            let (findings, _) = stage.play(|| preflight(&intention(&[]), Probes(&[])));
            assert_eq!(findings[0].severity, Severity::Failure);
            assert_eq!(findings[0].remedy.as_deref(), Some(expected), "{stderr}");
        }
    }

    #[test]
    fn a_podman_that_is_not_there_can_be_installed() {
        let (findings, _) = Stage::new().play(|| preflight(&intention(&[]), Probes(&[])));
        assert_eq!(findings[0].remedy.as_deref(), Some(INSTALL));
    }
}
