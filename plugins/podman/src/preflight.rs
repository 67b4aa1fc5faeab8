//! What Podman needs here.

use portreeve_plugin::{
    Engine, EngineIdentity, Error, Finding, Intention, Probes, Result,
    distribution::{Family, Package},
    floors::Floors,
    gpu::{self, Way},
    machine::{self, Actor},
    preflight::words,
};

use crate::detect;

const PODMAN: Package = Package::same("podman");
const RUNC: Package = Package::same("runc");
const CRUN: Package = Package::same("crun");
const UIDMAP: Package = Package { apt: "uidmap", dnf: "shadow-utils", zypper: "shadow", pacman: "shadow" };
const ALLOW_NAMESPACES: &str = "sudo sysctl -w user.max_user_namespaces=28633";
const GIVE_IDS: &str =
    "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\" && podman system migrate";
const LINGER: &str = "sudo loginctl enable-linger \"$USER\"";
const UNIFY_CGROUPS: &str = "sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1  # Debian, Ubuntu: in GRUB_CMDLINE_LINUX of /etc/default/grub, then sudo update-grub";
const DELEGATE: &str = "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload";
const LOW_PORTS: &str = "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=";

/// Looks at everything that the intention depends on.
pub(crate) fn preflight(intention: &Intention, probes: Probes<'_>) -> Vec<Finding> {
    let rootless = detect::rootless(probes);
    let actor = if rootless { Actor::User } else { Actor::Root };
    let detected = detect::detect(probes);
    let version = detected.as_ref().ok().map(|engine| engine.version.clone());
    let mut findings = vec![engine(detected, probes)];
    findings.extend(version.and_then(|version| floor(&version, probes)));
    findings.push(runtime(probes));
    findings.extend(runtime_versions(probes));
    if rootless {
        findings.extend(self::rootless(intention, probes));
    }
    findings.extend(storage(probes, rootless));
    findings.extend(registries(probes));
    findings.extend(machine::ports(intention, probes, actor));
    findings.extend(machine::mounts(intention, probes, actor));
    findings.extend(gpu::findings(&intention.gpus, probes, Way::Cdi));
    findings
}

fn floor(version: &str, probes: Probes<'_>) -> Option<Finding> {
    let mend = || Family::of(probes).upgrade(PODMAN);
    Floors::of(probes).judge("engine.version", "podman", "podman", version, mend)
}

/// Of each OCI runtime that says its version.
fn runtime_versions(probes: Probes<'_>) -> Vec<Finding> {
    let floors = Floors::of(probes);
    let judged = [("runc", RUNC), ("crun", CRUN)].into_iter().filter_map(|(name, package)| {
        floors.floor(name)?;
        let output = probes.output(&format!("{name}-version"))?.ok().filter(|output| output.status == 0)?;
        let mend = || Family::of(probes).upgrade(package);
        floors.judge("runtime.version", name, name, &output.stdout, mend)
    });
    judged.collect()
}

/// Where images and containers are kept: the folders of its root tell the driver, and it is looked at for room.
fn storage(probes: Probes<'_>, rootless: bool) -> Vec<Finding> {
    let (names, room) = if rootless { ("storage-user", "space-user") } else { ("storage", "space") };
    let configured = configured(probes);
    let root = match (configured.root, rootless) {
        (Some(root), false) => root,
        (_, true) => "~/.local/share/containers/storage",
        (None, false) => "/var/lib/containers/storage",
    };
    let driver = probes.lines(names).find_map(|name| name.strip_suffix("-images")).or(configured.driver);
    // The room of another root than the usual one was not looked at.
    let usual = configured.root.is_none_or(|root| root == "/var/lib/containers/storage");
    let room = usual.then(|| machine::space(room, root, probes)).flatten();
    driver.map(|driver| storage_driver(driver, root)).into_iter().chain(room).collect()
}

/// What `storage.conf` says.
#[derive(Default)]
struct Configured<'a> {
    root: Option<&'a str>,
    driver: Option<&'a str>,
}

fn configured<'a>(probes: Probes<'a>) -> Configured<'a> {
    let value = |key: &str| {
        let lines = probes.lines("storage-conf").map(str::trim);
        lines
            .filter_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
            .map(|value| value.trim().trim_matches('"'))
            .next()
    };
    Configured { root: value("graphroot"), driver: value("driver") }
}

fn storage_driver(driver: &str, root: &str) -> Finding {
    let (id, seen) = ("storage.driver", format!("{driver} at {root}"));
    if driver == "vfs" {
        let why = "vfs copies every layer whole: slow, and large; it is chosen for good when the first image comes";
        let remedy = "podman system reset  # removes all; before it write driver = \"overlay\" into storage.conf";
        return Finding::warning(id, seen, why).mended_by(remedy);
    }
    Finding::ok(id, seen)
}

/// Names without a registry, and registries without encryption.
fn registries(probes: Probes<'_>) -> Option<Finding> {
    let id = "registries";
    let lines = || probes.lines("registries-conf").chain(probes.lines("registries-user")).map(str::trim);
    lines().next()?;
    let search = lines().find(|line| line.starts_with("unqualified-search-registries"));
    let searched =
        search.and_then(|line| line.split_once('=')).map(|(_, list)| list.trim()).filter(|list| *list != "[]");
    let insecure = lines().filter(|line| line.replace(' ', "") == "insecure=true").count();
    Some(match (insecure, searched) {
        (0, None) => Finding::ok(id, "images are named with their registry, all of them over TLS"),
        (0, Some(list)) => {
            let why = "Portreeve always names the registry; other tools look for short names in all of these";
            Finding::info(id, format!("short names are looked for in {list}"), why)
        }
        (count, _) => {
            let why = "what comes from there is only as true as its digest: pin it";
            Finding::info(id, format!("{count} registries are asked without TLS"), why)
        }
    })
}

fn engine(detected: Result<Engine>, probes: Probes<'_>) -> Finding {
    let id = "engine";
    match detected {
        Ok(Engine { identity: EngineIdentity::Genuine, version, rootless, .. }) => {
            let how = if rootless { "rootless" } else { "as root" };
            Finding::ok(id, format!("podman {version} works, {how}"))
        }
        Ok(_) => {
            let why = "this backend speaks to Podman alone";
            Finding::failure(id, "the program `podman` is another engine's", why)
                .mended_by(Family::of(probes).install(PODMAN))
        }
        Err(error) => broken(&error, probes),
    }
}

fn broken(error: &Error, probes: Probes<'_>) -> Finding {
    let seen = words(error);
    let remedy = remedy(&seen, Family::of(probes));
    Finding::failure("engine", seen, "no container can be made without a working engine").mended_by(remedy)
}

/// What mends a Podman that does not work, by what it says.
fn remedy(seen: &str, family: Family) -> String {
    const REMEDIES: &[(&str, &str)] = &[
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
    if seen.contains("newuidmap") || seen.contains("newgidmap") {
        return family.install(UIDMAP);
    }
    let known = REMEDIES.iter().find(|(text, _)| seen.contains(text)).map(|(_, remedy)| (*remedy).to_owned());
    known.unwrap_or_else(|| family.install(PODMAN))
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
            Finding::failure(id, "none of the granted OCI runtimes is installed", why)
                .mended_by(Family::of(probes).install(RUNC))
        }
        (None, false) => {
            let seen = format!("{unusable} can't work under cgroups {cgroups}");
            Finding::failure(id, seen, "an OCI runtime starts the container's process")
                .mended_by(Family::of(probes).install(RUNC))
        }
    }
}

/// What an ordinary user's engine needs beside.
fn rootless(intention: &Intention, probes: Probes<'_>) -> Vec<Finding> {
    let findings = [
        user_namespaces(probes),
        ids(probes),
        limits(probes),
        delegation(probes),
        linger(probes),
        low_ports(intention, probes),
    ];
    findings.into_iter().flatten().collect()
}

/// What systemd lets this user's session limit by control groups of its own.
fn delegation(probes: Probes<'_>) -> Option<Finding> {
    probes.content("cgroup").filter(|cgroups| *cgroups == "v2")?;
    let controllers = probes.content("delegated")?;
    let given: Vec<&str> = controllers.split_whitespace().collect();
    let missing: Vec<&str> = ["memory", "pids", "cpu"].into_iter().filter(|wanted| !given.contains(wanted)).collect();
    let id = "rootless.delegation";
    if missing.is_empty() {
        return Some(Finding::ok(id, format!("{} are delegated to this user", given.join(", "))));
    }
    let why = "limits of a rootless container need the controllers delegated to its user";
    Some(Finding::warning(id, format!("not delegated: {}", missing.join(", ")), why).mended_by(DELEGATE))
}

/// Whether this user's containers outlive a login.
fn linger(probes: Probes<'_>) -> Option<Finding> {
    let (user, id) = (probes.word("user", "name")?, "rootless.linger");
    // Without that folder nobody lingers, or there is no systemd.
    probes.content("linger")?;
    if probes.lines("linger").any(|name| name == user) {
        return Some(Finding::ok(id, format!("the services of {user} go on without a login")));
    }
    let why = "systemd ends this user's containers when the last login ends";
    Some(Finding::info(id, format!("{user} does not linger"), why).mended_by(LINGER))
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

/// Where the host did not look at the ports themselves.
fn low_ports(intention: &Intention, probes: Probes<'_>) -> Option<Finding> {
    if probes.content("ports").is_some() {
        return None;
    }
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
            assert_eq!(
                (finding.severity, finding.remedy.as_deref()),
                (Severity::Failure, Some(Family::Other.install(RUNC).as_str()))
            );
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
    fn versions_below_their_floors_are_warnings_with_a_remedy_of_this_distribution() {
        let runc = r#"{"status":0,"stdout":"runc version 1.1.5+ds1","stderr":""}"#;
        let seen = [
            ("user", "uid=0 rootless=false"),
            ("cgroup", "v2"),
            ("runtimes", "runc=/usr/sbin/runc usable=true"),
            ("runc-version", runc),
            ("os-release", "ID=fedora\n"),
            ("host.floors", "podman 5.8.4 CVE-1: why\nrunc 1.2.8 CVE-2: why\n"),
        ];
        let (findings, _) = working().play(|| preflight(&intention(&[]), Probes(&probes(&seen))));
        let versions: Vec<_> = findings.iter().filter(|finding| finding.id.ends_with(".version")).collect();
        assert!(versions.iter().all(|finding| finding.severity == Severity::Warning) && versions.len() == 2);
        assert_eq!(versions[0].remedy.as_deref(), Some("sudo dnf upgrade -y podman"));
        assert_eq!(versions[1].why, "CVE-2: why");
    }

    #[test]
    fn the_driver_of_the_storage_is_told_by_its_folders() {
        for (names, expected) in [("overlay\noverlay-images\n", Severity::Ok), ("vfs\nvfs-images\n", Severity::Warning)]
        {
            let seen = probes(&[("storage-user", names), ("space-user", "total=9 available=99999999999")]);
            let found = storage(Probes(&seen), true);
            assert_eq!((found[0].severity, found[1].severity), (expected, Severity::Ok));
        }
    }

    #[test]
    fn delegation_linger_and_registries_are_told() {
        let seen = probes(&[
            ("cgroup", "v2"),
            ("delegated", "memory pids\n"),
            ("user", "uid=1000 rootless=true name=ada"),
            ("linger", "bob\n"),
            ("registries-conf", "unqualified-search-registries = []\n[[registry]]\ninsecure = true\n"),
        ]);
        let probes = Probes(&seen);
        let delegation = delegation(probes).unwrap();
        assert_eq!((delegation.severity, delegation.seen.as_str()), (Severity::Warning, "not delegated: cpu"));
        assert_eq!(linger(probes).unwrap().severity, Severity::Info);
        assert_eq!(registries(probes).unwrap().seen, "1 registries are asked without TLS");
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
                Family::Other.install(UIDMAP).as_str(),
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
        assert_eq!(findings[0].remedy, Some(Family::Other.install(PODMAN)));
    }
}
