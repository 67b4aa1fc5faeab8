//! What every engine needs of the machine: free ports, sources for mounts, room on its disk.

use crate::{Finding, Intention, Mount, MountSource, Port, Probes};

/// Below this much room images can hardly be unpacked.
const LITTLE: u64 = 2 << 30;
/// Below this much, nothing can.
const NONE: u64 = 64 << 20;

/// Who binds ports and opens the sources of mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A daemon that runs as root.
    Root,
    /// This user.
    User,
}

/// The ports asked for, from the probe `ports`. Nothing where the host did not look.
#[must_use]
pub fn ports(intention: &Intention, probes: Probes<'_>, actor: Actor) -> Vec<Finding> {
    let asked: Vec<&Port> = intention.ports.iter().filter(|port| port.host > 0).collect();
    if asked.is_empty() || probes.content("ports").is_none() {
        return Vec::new();
    }
    let findings: Vec<Finding> = probes.lines("ports").filter_map(|line| port(line, actor)).collect();
    if findings.is_empty() {
        let all: Vec<String> = asked.iter().map(|port| port.host.to_string()).collect();
        return vec![Finding::ok("ports", format!("free: {}", all.join(", ")))];
    }
    findings
}

/// `8080=Taken address=127.0.0.1 protocol=tcp`; nothing where it is free.
fn port(line: &str, actor: Actor) -> Option<Finding> {
    let mut words = line.split_whitespace();
    let (number, state) = words.next()?.split_once('=')?;
    let word = |key| crate::probes::word(line, key).unwrap_or_default();
    let shown = format!("{}:{number}/{}", word("address"), word("protocol"));
    match state {
        "Taken" => {
            let find = if word("protocol") == "udp" { "ss -lnup" } else { "ss -lntp" };
            let why = "the engine can't publish it while another program has it";
            Some(
                Finding::failure("ports", format!("{shown} is taken"), why)
                    .mended_by(format!("sudo {find} 'sport = :{number}'")),
            )
        }
        "Denied" if actor == Actor::User => {
            let why = "the engine acts as this user, who may not bind it";
            let remedy = format!("sudo sysctl -w net.ipv4.ip_unprivileged_port_start={number}");
            Some(Finding::failure("ports", format!("{shown} is denied"), why).mended_by(remedy))
        }
        "Unusable" => {
            Some(Finding::failure("ports", format!("{shown} can't be bound"), "this machine has no such address"))
        }
        _ => None,
    }
}

/// The sources of mounts, from the probe `mounts`. Nothing where the host did not look.
#[must_use]
pub fn mounts(intention: &Intention, probes: Probes<'_>, actor: Actor) -> Vec<Finding> {
    probes.lines("mounts").filter_map(|line| source(line, intention, actor)).collect()
}

fn source(line: &str, intention: &Intention, actor: Actor) -> Option<Finding> {
    let (facts, path) = line.split_once(" source=")?;
    let word = |key| crate::probes::word(facts, key).unwrap_or_default();
    let kind = word("kind");
    let id = "mounts";
    Some(match kind {
        "absent" => Finding::failure(id, format!("{path} is not there"), "what is not there can't be mounted")
            .mended_by(format!("mkdir -p {path}")),
        "unknown" => {
            Finding::warning(id, format!("{path} could not be looked at: {}", word("why")), "it may not be mounted")
        }
        "file" | "directory" if actor == Actor::User && word("readable") != "true" => {
            let why = "the container's root is this user, who may not read it";
            Finding::failure(id, format!("{path} can't be read"), why)
                .mended_by(format!("sudo setfacl -m u:$USER:rX {path}"))
        }
        "file" | "directory"
            if actor == Actor::User && word("writable") != "true" && !is_read_only(path, intention) =>
        {
            let why = "the container's root is this user, who may not write it; mount it :ro if it need not";
            Finding::warning(id, format!("{path} can't be written"), why)
        }
        "file" | "directory" => Finding::ok(id, format!("{path} is a {kind}")),
        other => Finding::warning(id, format!("{path} is a {other}"), "a file or a folder is what is commonly mounted"),
    })
}

fn is_read_only(path: &str, intention: &Intention) -> bool {
    let named = |mount: &&Mount| matches!(&mount.source, MountSource::Path(source) if source == path);
    intention.mounts.iter().filter(named).all(|mount| mount.read_only)
}

/// The room where an engine keeps its images, from a probe of kind `space`. Nothing where the host did not look.
#[must_use]
pub fn space(probe: &str, root: &str, probes: Probes<'_>) -> Option<Finding> {
    let available: u64 = probes.word(probe, "available")?.parse().ok()?;
    let (id, seen) = ("storage.space", format!("{} MiB are free at {root}", available >> 20));
    let why = "an image is unpacked there before a container is made of it";
    Some(match available {
        0..NONE => Finding::failure(id, seen, why).mended_by("portreeve images advise"),
        NONE..LITTLE => Finding::warning(id, seen, why).mended_by("portreeve images advise"),
        _ => Finding::ok(id, seen),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gpus, Probe, Protocol, Severity};

    fn probe(name: &str, content: &str) -> Vec<Probe> {
        vec![Probe { name: name.into(), found: true, content: content.into() }]
    }

    fn intention(read_only: bool) -> Intention {
        let port = Port { address: "127.0.0.1".into(), host: 8080, container: 80, protocol: Protocol::Tcp };
        let mount = Mount { source: MountSource::Path("/srv/a b".into()), target: "/a".into(), read_only };
        Intention { gpus: Gpus::None, ports: vec![port], mounts: vec![mount] }
    }

    #[test]
    fn a_port_is_free_taken_or_denied() {
        for (state, actor, expected) in [
            ("Free", Actor::User, Severity::Ok),
            ("Taken", Actor::Root, Severity::Failure),
            ("Denied", Actor::User, Severity::Failure),
            ("Denied", Actor::Root, Severity::Ok),
            ("Unusable", Actor::Root, Severity::Failure),
        ] {
            let probes = probe("ports", &format!("8080={state} address=127.0.0.1 protocol=tcp\n"));
            let found = ports(&intention(true), Probes(&probes), actor);
            assert_eq!(found.iter().map(|one| one.severity).collect::<Vec<_>>(), [expected], "{state} {actor:?}");
        }
        assert!(ports(&intention(true), Probes(&[]), Actor::User).is_empty());
    }

    #[test]
    fn a_source_is_judged_as_whoever_opens_it() {
        for (facts, read_only, actor, expected) in [
            ("kind=absent", true, Actor::Root, Severity::Failure),
            ("kind=directory readable=true writable=true", false, Actor::User, Severity::Ok),
            ("kind=file readable=false writable=false", true, Actor::User, Severity::Failure),
            ("kind=file readable=false writable=false", true, Actor::Root, Severity::Ok),
            ("kind=directory readable=true writable=false", false, Actor::User, Severity::Warning),
            ("kind=directory readable=true writable=false", true, Actor::User, Severity::Ok),
            ("kind=socket readable=true writable=true", true, Actor::User, Severity::Warning),
            ("kind=unknown why=Denied", true, Actor::User, Severity::Warning),
        ] {
            let probes = probe("mounts", &format!("{facts} source=/srv/a b\n"));
            let found = mounts(&intention(read_only), Probes(&probes), actor);
            assert_eq!(found[0].severity, expected, "{facts}");
            assert!(found[0].seen.contains("/srv/a b"));
        }
    }

    #[test]
    fn little_room_is_a_warning_and_none_a_failure() {
        for (available, expected) in [(1, Severity::Failure), (1_u64 << 30, Severity::Warning), (9 << 30, Severity::Ok)]
        {
            let probes = probe("space", &format!("total=1 available={available}"));
            assert_eq!(space("space", "/var", Probes(&probes)).unwrap().severity, expected);
        }
        assert_eq!(space("space", "/var", Probes(&[])), None);
    }
}
