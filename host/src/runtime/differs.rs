//! In what a container that is there differs from what is asked for under its name: from the host's evidence, and of
//! secrets no value.

use crate::error::Difference;
use crate::evidence::document::{bare_id, is_id};
use crate::evidence::{Compared, ContainerInfo, MountInfo};
use crate::redaction::Redactor;
use crate::spec::{ContainerSpec, Gpus, Memory, MountSource, NetworkMode, Port};

/// What differs. Where nothing does for sure, what an engine may have made of itself; and where that is nothing either, an
/// option that the engine does not tell of.
pub(super) fn differences(
    there: &ContainerInfo,
    spec: &ContainerSpec,
    image_id: &str,
    joined: bool,
    redactor: &Redactor,
) -> Vec<Difference> {
    let mut all = vec![Compared::sure("image", there.image_id.as_str(), bare_id(image_id))];
    all.extend(of_the_program(there, spec));
    all.extend(of_its_limits(there, spec));
    all.extend(of_its_surroundings(there, spec, joined));
    all.extend(there.settings.against(spec));
    all.extend(there.checkup.against(spec.health.as_ref()));
    all.extend(gpus(there, &spec.gpus));
    let differs = |sure: bool| {
        let chosen = all.iter().filter(move |one| one.sure == sure && one.existing != one.asked);
        chosen.map(|one| told(one, redactor)).collect::<Vec<_>>()
    };
    let sure = differs(true);
    let differs = if sure.is_empty() { differs(false) } else { sure };
    if differs.is_empty() { vec![untold(spec)] } else { differs }
}

fn told(one: &Compared, redactor: &Redactor) -> Difference {
    Difference { field: one.field.clone(), existing: redactor.text(&one.existing), asked: redactor.text(&one.asked) }
}

fn untold(spec: &ContainerSpec) -> Difference {
    let field = if spec.secrets.is_empty() { "another option" } else { "a secret or another option" };
    Difference {
        field: field.to_owned(),
        existing: "what it was created with".to_owned(),
        asked: "something else (changed)".to_owned(),
    }
}

fn of_the_program(there: &ContainerInfo, spec: &ContainerSpec) -> Vec<Compared> {
    let mut all = Vec::new();
    if !spec.words.is_empty() || !spec.entrypoint.is_empty() {
        let words: Vec<_> = spec.entrypoint.iter().skip(1).chain(&spec.words).collect();
        all.push(Compared::sure("command", format!("{:?}", there.words), format!("{words:?}")));
    }
    all.extend(spec.env.iter().map(|variable| {
        let existing = there.variable(variable.name.as_str()).unwrap_or("nothing");
        Compared::sure(&format!("env {}", variable.name), existing, variable.value.as_str())
    }));
    all.extend(spec.labels.iter().map(|label| {
        let existing = there.labels.get(label.key()).map_or("nothing", String::as_str);
        Compared::sure(&format!("label {}", label.key()), existing, label.value())
    }));
    let user = spec.user.as_ref();
    all.extend(user.map(|user| Compared::sure("user", there.user.clone().unwrap_or_default(), user.as_str())));
    let workdir = spec.workdir.as_ref();
    all.extend(
        workdir.map(|folder| Compared::sure("workdir", there.workdir.clone().unwrap_or_default(), folder.to_string())),
    );
    all
}

/// An engine that can't limit memory here has none, whatever it was created with.
fn of_its_limits(there: &ContainerInfo, spec: &ContainerSpec) -> Option<Compared> {
    let existing = there.memory.unwrap_or_default();
    let asked = spec.memory.map_or(0, Memory::bytes).to_string();
    let sure = existing != 0;
    there.memory.map(|_| Compared { sure, ..Compared::sure("memory", existing.to_string(), asked) })
}

fn of_its_surroundings(there: &ContainerInfo, spec: &ContainerSpec, joined: bool) -> Vec<Compared> {
    let mut all = Vec::new();
    if let Some(NetworkMode::Named(name)) = &spec.network {
        all.push(Compared::sure("network", sorted(there.networks.iter().cloned()), name.to_string()));
    }
    if let Some(pod) = &spec.pod {
        all.push(Compared::sure("pod", if joined { pod.as_str() } else { "another network" }, pod.as_str()));
    }
    all.push(Compared::sure("mounts", mounts_there(there), mounts_asked(spec)));
    all.push(Compared::sure("ports", ports_there(there, spec), sorted(spec.ports.iter().map(spelt))));
    all
}

/// Where the engine keeps what was asked for; of all of them it keeps no names.
fn gpus(there: &ContainerInfo, asked: &Gpus) -> Option<Compared> {
    let existing = there.gpus.as_ref()?;
    let asked = crate::scope::gpu_ids(asked);
    let unnamed = existing.is_empty() && !asked.is_empty();
    let existing = if unnamed { "none, or all".to_owned() } else { sorted(existing.iter().cloned()) };
    let sure = !unnamed || asked != ["all"];
    Some(Compared { sure, ..Compared::sure("gpus", existing, sorted(asked.into_iter())) })
}

fn mounts_there(container: &ContainerInfo) -> String {
    let own = |target: &str, source: &str| !source.contains(crate::grants::SECRETS_FOLDER) && !target.is_empty();
    // A volume without a name of anybody's is the image's own.
    let named = |mount: &&MountInfo| mount.kind == "volume" && !is_id(&mount.source);
    let bound = |mount: &&MountInfo| mount.kind == "bind" && own(&mount.target, &mount.source);
    let mounts = container.mounts.iter().filter(|mount| bound(mount) || named(mount));
    sorted(mounts.map(|mount| format!("{}:{}:{}", mount.source, mount.target, mode(mount.read_only))))
}

fn mounts_asked(spec: &ContainerSpec) -> String {
    sorted(spec.mounts.iter().map(|mount| {
        let source = match &mount.source {
            MountSource::Path(path) => path.to_string_lossy().into_owned(),
            MountSource::Volume(name) => name.to_string(),
        };
        format!("{source}:{}:{}", mount.target, mode(mount.read_only))
    }))
}

/// The engine's own choice of a port is as it was asked for.
fn ports_there(container: &ContainerInfo, spec: &ContainerSpec) -> String {
    let chosen = |port: &Port| spec.ports.iter().any(|asked| asked.host == 0 && spelt(asked) == spelt(&free(port)));
    sorted(container.ports.iter().map(|port| if chosen(port) { spelt(&free(port)) } else { spelt(port) }))
}

fn free(port: &Port) -> Port {
    Port { host: 0, ..port.clone() }
}

/// What is published on every address is told twice by some engines: for IPv4 and for IPv6.
fn spelt(port: &Port) -> String {
    let address = if port.address.is_unspecified() { "*".to_owned() } else { port.bracketed_address() };
    format!("{address}:{}:{}/{}", port.host, port.container, port.protocol.as_str())
}

fn sorted(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts.dedup();
    if texts.is_empty() { "none".to_owned() } else { texts.join(" ") }
}

fn mode(read_only: bool) -> &'static str {
    if read_only { "ro" } else { "rw" }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use serde_json::{Value, json};

    use super::*;
    use crate::grants::Grants;
    use crate::spec::{HealthCheck, RestartPolicy};

    const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");
    const DOCKER: &str = include_str!("../../../plugins/docker/grants.toml");

    /// As Docker has a container that does not run, and Podman one whose engine takes away capabilities by itself.
    fn document(dropped: Value) -> Value {
        let binding = json!([{"HostIp": "127.0.0.1", "HostPort": "8080"}]);
        json!({
            "Id": "ab".repeat(32), "Name": "web", "Image": "cd".repeat(32), "State": {"Status": "created"},
            "Config": {"Labels": {"a": "1"}, "Env": ["A=1", "PATH=/bin"], "Cmd": null},
            "HostConfig": {
                "PortBindings": {"80/tcp": binding}, "CapDrop": dropped, "CapAdd": [], "ReadonlyRootfs": false,
                "RestartPolicy": {"Name": "", "MaximumRetryCount": 0}, "Memory": 0,
            },
            "NetworkSettings": {"Ports": {}},
        })
    }

    fn spec() -> ContainerSpec {
        let mut spec = ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap());
        spec.env = vec!["A=1".parse().unwrap()];
        spec.ports = vec!["127.0.0.1:8080:80".parse().unwrap()];
        spec
    }

    fn fields(grants: &str, document: &Value, change: impl Fn(&mut ContainerSpec)) -> Vec<String> {
        let grants = Grants::parse(grants, "backend").unwrap();
        let grant = grants.evidence().container.as_ref().unwrap();
        let there = ContainerInfo::read(document, grant, "backend").unwrap();
        let mut spec = spec();
        change(&mut spec);
        let redactor = Redactor::builder().build();
        differences(&there, &spec, &"cd".repeat(32), true, &redactor).into_iter().map(|one| one.field).collect()
    }

    #[test]
    fn what_the_engine_tells_of_is_named() {
        type Change = (&'static str, fn(&mut ContainerSpec));
        let changes: [Change; 9] = [
            ("env A", |spec| spec.env = vec!["A=2".parse().unwrap()]),
            ("cap-drop", |spec| spec.cap_drop = vec!["CHOWN".to_owned()]),
            ("cap-add", |spec| spec.cap_add = vec!["NET_ADMIN".to_owned()]),
            ("read-only", |spec| spec.read_only = true),
            ("restart", |spec| spec.restart = Some(RestartPolicy::OnFailure(Some(3)))),
            ("health", |spec| spec.health = Some(HealthCheck::new(vec!["/bin/x".to_owned()]).unwrap())),
            ("ports", |spec| spec.ports = vec!["127.0.0.1:8081:80".parse().unwrap()]),
            ("memory", |spec| spec.memory = Some("64m".parse().unwrap())),
            ("another option", |spec| spec.pids = NonZeroU32::new(7)),
        ];
        for (field, change) in changes {
            assert_eq!(fields(DOCKER, &document(Value::Null), change), [field]);
        }
        assert_eq!(fields(DOCKER, &document(Value::Null), |spec| spec.gpus = "1".parse().unwrap()), ["gpus"]);
    }

    #[test]
    fn what_an_engine_does_of_itself_is_named_where_nothing_else_differs() {
        let document = document(json!(["CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_MKNOD"]));
        let other = |spec: &mut ContainerSpec| {
            spec.env = vec!["A=2".parse().unwrap()];
            spec.memory = Some("64m".parse().unwrap());
            spec.ports.clear();
        };
        let mut podman = document.clone();
        podman["HostConfig"]["PortBindings"] = json!({});
        assert_eq!(fields(PODMAN, &podman, other), ["env A"]);
        assert_eq!(fields(PODMAN, &podman, |spec| spec.ports.clear()), ["cap-drop"]);
    }

    #[test]
    fn a_port_of_the_engines_choice_is_as_it_was_asked_for() {
        let differs = fields(DOCKER, &document(Value::Null), |spec| {
            spec.ports = vec!["127.0.0.1:0:80".parse().unwrap()];
            spec.pids = NonZeroU32::new(7);
        });
        assert_eq!(differs, ["another option"]);
    }
}
