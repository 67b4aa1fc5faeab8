//! In what a container that is there differs from what is asked for under its name: by the marks of its spec, told with
//! the host's evidence, and of secrets no value.

use super::canonical::{Canonical, ENV, FIELDS, Field, IMAGE, LABEL, Part, SECRET};
use super::secrets::SECRETS_LABEL;
use crate::error::Difference;
use crate::evidence::document::{bare_id, is_id};
use crate::evidence::{Compared, ContainerInfo, MountInfo};
use crate::grants::{Binding, Slot};
use crate::owner::{Mark, Marker, POD_LABEL, SpecSeal};
use crate::redaction::Redactor;
use crate::spec::{ContainerSpec, Gpus, Memory, MountSource, Port};

/// What is asked for under the name of a container that is there.
pub(super) struct Asked<'a> {
    pub(super) spec: &'a ContainerSpec,
    pub(super) image_id: &'a str,
    pub(super) canonical: &'a Canonical,
    pub(super) marker: Marker,
    /// Whether the container is in the pods that it should be in.
    pub(super) joined: bool,
    pub(super) redactor: &'a Redactor,
}

/// What differs: the image alone can be told where the container's seal has no marks.
pub(super) fn differences(there: &ContainerInfo, seal: Option<&SpecSeal>, asked: &Asked<'_>) -> Vec<Difference> {
    let marks = seal.map(SpecSeal::marks).unwrap_or_default();
    let compared: Vec<_> = compared(there, asked).into_iter().filter(|one| one.existing != one.asked).collect();
    let search = Search { there, marks, asked, compared };
    let mut differs = match marks {
        [] => search.by_evidence(IMAGE.name).into_iter().collect(),
        _ => search.by_marks(),
    };
    if !asked.joined && !differs.iter().any(|one| one.field == POD) {
        differs.extend(search.by_evidence(POD));
    }
    if differs.is_empty() {
        differs.push(differs_in("another option", AS_CREATED, CHANGED));
    }
    differs.into_iter().map(|one| clean(one, asked.redactor)).collect()
}

/// What a variable or a label holds is judged by its name, too.
fn clean(one: Difference, redactor: &Redactor) -> Difference {
    let key = [ENV.name, LABEL.name].iter().find_map(|field| one.field.strip_prefix(field)?.strip_prefix(' '));
    let text = |text: &str| match key {
        _ if [NOTHING, A_SECRET, THE_IMAGES].contains(&text) => text.to_owned(),
        Some(key) => redactor.labelled(key, text),
        None => redactor.text(text),
    };
    let (existing, asked) = (text(&one.existing), text(&one.asked));
    Difference { existing, asked, ..one }
}

const POD: &str = "pod";
const NOTHING: &str = "nothing";
const ONE: &str = "one";
const THE_IMAGES: &str = "the image's own";
const A_SECRET: &str = "a secret";
const AS_CREATED: &str = "what it was created with";
const CHANGED: &str = "something else (changed)";

fn differs_in(field: &str, existing: &str, asked: &str) -> Difference {
    Difference { field: field.to_owned(), existing: existing.to_owned(), asked: asked.to_owned() }
}

fn told(one: &Compared) -> Difference {
    differs_in(&one.field, &one.existing, &one.asked)
}

struct Search<'a> {
    there: &'a ContainerInfo,
    marks: &'a [Mark],
    asked: &'a Asked<'a>,
    /// What the engine tells otherwise.
    compared: Vec<Compared>,
}

impl Search<'_> {
    fn by_evidence(&self, field: &str) -> Option<Difference> {
        self.compared.iter().find(|one| one.field == field).map(told)
    }

    fn by_marks(&self) -> Vec<Difference> {
        FIELDS.iter().flat_map(|field| self.in_field(field)).collect()
    }

    fn in_field(&self, field: &Field) -> Vec<Difference> {
        let parts: Vec<_> = self.asked.canonical.parts.iter().filter(|part| part.is_of(field)).collect();
        let marks: Vec<_> = parts.iter().map(|part| part.mark(&self.asked.marker)).collect();
        let there: Vec<_> = self.marks.iter().copied().filter(|mark| mark.field() == field.number).collect();
        let new =
            parts.into_iter().zip(&marks).filter(|(_, mark)| !there.contains(mark)).map(|(part, _)| part).collect();
        let gone = there.iter().copied().filter(|mark| !marks.contains(mark)).collect();
        Change { search: self, field, new, gone, was: !there.is_empty() }.told()
    }
}

/// What changed in a field: what is asked for anew, and what is not any more.
struct Change<'a> {
    search: &'a Search<'a>,
    field: &'a Field,
    new: Vec<&'a Part>,
    gone: Vec<Mark>,
    was: bool,
}

impl Change<'_> {
    fn told(&self) -> Vec<Difference> {
        if self.new.is_empty() && self.gone.is_empty() {
            return Vec::new();
        }
        let mut all: Vec<_> = self.new.iter().filter_map(|part| self.anew(part)).collect();
        all.extend(self.no_more());
        if all.is_empty() {
            all.extend(self.search.by_evidence(self.field.name));
        }
        if all.is_empty() {
            all.push(self.whole());
        }
        all
    }

    /// A part that has a name of its own.
    fn anew(&self, part: &Part) -> Option<Difference> {
        let key = part.key.as_deref()?;
        let field = format!("{} {key}", self.field.name);
        if self.field.number == SECRET.number {
            let was = secret_names(self.search.there).any(|name| name == key);
            let (existing, asked) = if was { (AS_CREATED, CHANGED) } else { (NOTHING, ONE) };
            return Some(differs_in(&field, existing, asked));
        }
        let told = self.search.by_evidence(&field);
        Some(told.unwrap_or_else(|| differs_in(&field, THE_IMAGES, &part.told)))
    }

    /// Parts with names that the engine tells of, and that were asked for when the container was made.
    fn no_more(&self) -> Vec<Difference> {
        let field = |key: &str| format!("{} {key}", self.field.name);
        if self.field.number == SECRET.number {
            let is_asked =
                |name: &&str| self.search.asked.spec.secrets.iter().any(|secret| secret.name.as_str() == *name);
            let names = secret_names(self.search.there).filter(|name| !is_asked(name));
            return names.map(|name| differs_in(&field(name), ONE, NOTHING)).collect();
        }
        let is_gone = |part: &Part| self.gone.contains(&part.mark(&self.search.asked.marker));
        let is_new = |key: &str| self.new.iter().any(|part| part.key.as_deref() == Some(key));
        let gone = there_now(self.search.there, self.field).into_iter().filter(is_gone);
        let named = gone.filter_map(|part| part.key.map(|key| (key, part.told))).filter(|(key, _)| !is_new(key));
        named.map(|(key, told)| differs_in(&field(&key), &told, NOTHING)).collect()
    }

    /// A field that the engine does not tell of.
    fn whole(&self) -> Difference {
        let parts = self.search.asked.canonical.parts.iter().filter(|part| part.is_of(self.field));
        let asked: Vec<_> = parts.map(|part| part.told.as_str()).collect();
        let asked = if asked.is_empty() { NOTHING.to_owned() } else { asked.join(" ") };
        differs_in(self.field.name, if self.was { AS_CREATED } else { NOTHING }, &asked)
    }
}

fn secret_names(there: &ContainerInfo) -> impl Iterator<Item = &str> {
    there.host_label(SECRETS_LABEL).unwrap_or_default().split(',').filter(|name| !name.is_empty())
}

/// What the engine tells of a field whose parts have names, as if it was asked for.
fn there_now(there: &ContainerInfo, field: &Field) -> Vec<Part> {
    let part = |slot, fields: [(&str, &str); 2]| Part::of(slot, &Binding::fields(fields));
    if field.number == ENV.number {
        let pairs = there.env.iter().filter_map(|entry| entry.split_once('='));
        return pairs.map(|(name, value)| part(Slot::EnvPlain, [("name", name), ("value", value)])).collect();
    }
    if field.number == LABEL.number {
        return there.labels.iter().map(|(key, value)| part(Slot::Label, [("key", key), ("value", value)])).collect();
    }
    Vec::new()
}

fn compared(there: &ContainerInfo, asked: &Asked<'_>) -> Vec<Compared> {
    let spec = asked.spec;
    let mut all = vec![Compared::of("image", there.image_id.as_str(), bare_id(asked.image_id))];
    all.extend(of_the_program(there, spec));
    all.extend(there.memory.map(|existing| memory(existing, spec)));
    all.extend(of_its_surroundings(there, spec, asked.joined));
    all.extend(there.settings.against(spec));
    all.extend(there.checkup.against(spec.health.as_ref()));
    all.extend(gpus(there, &spec.gpus));
    all
}

fn of_the_program(there: &ContainerInfo, spec: &ContainerSpec) -> Vec<Compared> {
    let words: Vec<_> = spec.entrypoint.iter().skip(1).chain(&spec.words).collect();
    let asked = if words.is_empty() { NOTHING.to_owned() } else { format!("{words:?}") };
    let user = spec.user.as_ref().map(|user| user.as_str().to_owned());
    let workdir = spec.workdir.as_ref().map(ToString::to_string);
    let mut all = vec![
        Compared::of("command", format!("{:?}", there.words), asked),
        Compared::of("user", or_nothing(there.user.clone()), or_nothing(user)),
        Compared::of("workdir", or_nothing(there.workdir.clone()), or_nothing(workdir)),
    ];
    all.extend(spec.env.iter().map(|variable| {
        let name = variable.name.as_str();
        // A variable of this name may be a secret of the container that is there.
        let existing = match secret_names(there).any(|secret| secret == name) {
            true => A_SECRET,
            false => there.variable(name).unwrap_or(NOTHING),
        };
        Compared::of(&format!("env {}", variable.name), existing, variable.value.as_str())
    }));
    all.extend(spec.labels.iter().map(|label| {
        let existing = there.labels.get(label.key()).map_or(NOTHING, String::as_str);
        Compared::of(&format!("label {}", label.key()), existing, label.value())
    }));
    all
}

fn or_nothing(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| NOTHING.to_owned())
}

fn memory(existing: i64, spec: &ContainerSpec) -> Compared {
    Compared::of("memory", existing.to_string(), spec.memory.map_or(0, Memory::bytes).to_string())
}

fn of_its_surroundings(there: &ContainerInfo, spec: &ContainerSpec, joined: bool) -> Vec<Compared> {
    let asked = spec.pod.as_ref().map_or(NOTHING, |pod| pod.as_str());
    let pod = there.host_label(POD_LABEL).unwrap_or(NOTHING);
    let pod = if joined || pod != asked { pod } else { "another network" };
    vec![
        Compared::of("network", network_there(there), network_asked(spec)),
        Compared::of(POD, pod, asked),
        Compared::of("mounts", mounts_there(there), mounts_asked(spec)),
        Compared::of("ports", sorted(there.ports.iter().map(spelt)), sorted(spec.ports.iter().map(spelt))),
    ]
}

fn network_there(there: &ContainerInfo) -> String {
    match there.networks.as_slice() {
        [] => or_nothing(there.network_mode.clone()),
        networks => sorted(networks.iter().cloned()),
    }
}

fn network_asked(spec: &ContainerSpec) -> String {
    match spec.further_networks.as_slice() {
        [] => spec.network.as_ref().map_or_else(|| NOTHING.to_owned(), ToString::to_string),
        _ => sorted(spec.named_networks().map(ToString::to_string)),
    }
}

/// Where the engine keeps what was asked for; of all of them it keeps no names.
fn gpus(there: &ContainerInfo, asked: &Gpus) -> Option<Compared> {
    let existing = there.gpus.as_ref()?;
    let asked = crate::scope::gpu_ids(asked);
    let unnamed = existing.is_empty() && !asked.is_empty();
    let existing = if unnamed { "none, or all".to_owned() } else { sorted(existing.iter().cloned()) };
    Some(Compared::of("gpus", existing, sorted(asked.into_iter())))
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
    use crate::spec::{HealthCheck, Label, NetworkMode, RestartPolicy, Secret, SecretDelivery, SecretValue};
    use crate::state::InstallKey;

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
        spec.labels = vec![Label::new("a", "1").unwrap()];
        spec.ports = vec!["127.0.0.1:8080:80".parse().unwrap()];
        spec
    }

    fn asked(change: impl Fn(&mut ContainerSpec)) -> (ContainerSpec, Canonical) {
        let mut spec = spec();
        change(&mut spec);
        let canonical = Canonical::of(&spec, &"cd".repeat(32));
        (spec, canonical)
    }

    fn key() -> InstallKey {
        InstallKey::from_bytes([7; 32])
    }

    fn differs(
        grants: &str,
        document: &Value,
        seal: &SpecSeal,
        change: impl Fn(&mut ContainerSpec),
    ) -> Vec<Difference> {
        let grants = Grants::parse(grants, "backend").unwrap();
        let grant = grants.evidence().container.as_ref().unwrap();
        let there = ContainerInfo::read(document, grant, "backend").unwrap();
        let (spec, canonical) = asked(change);
        let redactor = Redactor::builder().rules(crate::redaction::RuleSet::builtin()).build();
        let image_id = "cd".repeat(32);
        let marker = Marker::of(&key(), "web");
        let (image_id, redactor) = (image_id.as_str(), &redactor);
        let asked = Asked { spec: &spec, image_id, canonical: &canonical, marker, joined: true, redactor };
        differences(&there, Some(seal), &asked)
    }

    fn fields(grants: &str, document: &Value, change: impl Fn(&mut ContainerSpec)) -> Vec<String> {
        let seal = asked(|_| {}).1.seal(&key(), "web");
        differs(grants, document, &seal, change).into_iter().map(|one| one.field).collect()
    }

    #[test]
    fn everything_that_differs_is_named() {
        type Change = (&'static str, fn(&mut ContainerSpec));
        let changes: [Change; 20] = [
            ("env A", |spec| spec.env = vec!["A=2".parse().unwrap()]),
            ("env B", |spec| spec.env.push("B=2".parse().unwrap())),
            ("env A", |spec| spec.env.clear()),
            ("label a", |spec| spec.labels.clear()),
            ("command", |spec| spec.words = vec!["x".to_owned()]),
            ("entrypoint", |spec| spec.entrypoint = vec!["/bin/x".to_owned()]),
            ("cap-drop", |spec| spec.cap_drop = vec!["CHOWN".to_owned()]),
            ("cap-add", |spec| spec.cap_add = vec!["NET_ADMIN".to_owned()]),
            ("read-only", |spec| spec.read_only = true),
            ("restart", |spec| spec.restart = Some(RestartPolicy::OnFailure(Some(3)))),
            ("health", |spec| spec.health = Some(HealthCheck::new(vec!["/bin/x".to_owned()]).unwrap())),
            ("ports", |spec| spec.ports = vec!["127.0.0.1:8081:80".parse().unwrap()]),
            ("ports", |spec| spec.ports = vec!["127.0.0.1:0:80".parse().unwrap()]),
            ("memory", |spec| spec.memory = Some("64m".parse().unwrap())),
            ("pids", |spec| spec.pids = NonZeroU32::new(7)),
            ("network", |spec| spec.network = Some(NetworkMode::None)),
            ("hostname", |spec| spec.hostname = Some("deck".parse().unwrap())),
            ("remove", |spec| spec.remove = true),
            ("gpus", |spec| spec.gpus = "1".parse().unwrap()),
            ("secret TOKEN", |spec| spec.secrets = vec![secret("TOKEN", b"value")]),
        ];
        for (field, change) in changes {
            assert_eq!(fields(DOCKER, &document(Value::Null), change), [field]);
        }
    }

    fn secret(name: &str, value: &[u8]) -> Secret {
        Secret { name: name.parse().unwrap(), value: SecretValue::new(value), delivery: SecretDelivery::Environment }
    }

    #[test]
    fn what_the_engine_does_not_tell_of_is_named_beside_what_it_does() {
        let other = |spec: &mut ContainerSpec| {
            spec.env = vec!["A=2".parse().unwrap()];
            spec.hostname = Some("deck".parse().unwrap());
            spec.stdin = true;
        };
        assert_eq!(fields(PODMAN, &document(Value::Null), other), ["env A", "hostname", "stdin"]);
    }

    #[test]
    fn what_an_engine_does_of_itself_is_no_difference() {
        let mut document = document(json!(["CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_MKNOD"]));
        document["HostConfig"]["PortBindings"] = json!({});
        document["HostConfig"]["Memory"] = json!(4096);
        assert_eq!(fields(PODMAN, &document, |spec| spec.env = vec!["A=2".parse().unwrap()]), ["env A"]);
    }

    #[test]
    fn a_secret_is_told_by_its_name_alone() {
        let mut document = document(Value::Null);
        document["Config"]["Labels"][SECRETS_LABEL] = json!("OLD,SAME,TOKEN");
        let made = asked(|spec| spec.secrets = vec![secret("OLD", b"1"), secret("SAME", b"2"), secret("TOKEN", b"3")]);
        let seal = made.1.seal(&key(), "web");
        let found = differs(DOCKER, &document, &seal, |spec| {
            spec.secrets = vec![secret("NEW", b"1"), secret("SAME", b"2"), secret("TOKEN", b"4")];
        });
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "secret NEW: nothing is there, one was asked for",
                "secret TOKEN: what it was created with is there, something else (changed) was asked for",
                "secret OLD: one is there, nothing was asked for",
            ]
        );
    }

    #[test]
    fn what_was_a_secret_and_what_its_name_makes_one_is_not_told() {
        let mut document = document(Value::Null);
        document["Config"]["Env"] = json!(["TOKEN=kauri-otter-71", "DB_PASSWORD=kauri-heron-72"]);
        document["Config"]["Labels"][SECRETS_LABEL] = json!("TOKEN");
        let made = asked(|spec| {
            spec.env = vec!["DB_PASSWORD=kauri-heron-72".parse().unwrap()];
            spec.secrets = vec![secret("TOKEN", b"kauri-otter-71")];
        });
        let seal = made.1.seal(&key(), "web");
        let found = differs(DOCKER, &document, &seal, |spec| {
            spec.env = ["TOKEN=x", "DB_PASSWORD=kauri-wren-73"].map(|text| text.parse().unwrap()).to_vec();
        });
        let told = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(
            told.contains("env TOKEN: a secret is there") && told.contains("env DB_PASSWORD: [redacted:"),
            "{told}"
        );
        assert!(!told.contains("kauri"), "{told}");
    }

    #[test]
    fn of_several_all_that_are_asked_for_now_are_told() {
        fn of(names: &'static [&'static str]) -> impl Fn(&mut ContainerSpec) {
            move |spec| spec.ulimits = names.iter().map(|text| text.parse().unwrap()).collect()
        }
        let seal = asked(of(&["core=0:0", "nofile=100:100"])).1.seal(&key(), "web");
        let found = differs(DOCKER, &document(Value::Null), &seal, of(&["nofile=100:100"]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "ulimit: what it was created with is there, nofile:100:100 was asked for");
    }

    #[test]
    fn what_is_there_and_what_was_asked_for_are_told() {
        let seal = asked(|spec| spec.cpus = Some("1".parse().unwrap())).1.seal(&key(), "web");
        let found = differs(DOCKER, &document(Value::Null), &seal, |spec| {
            spec.env.clear();
            spec.cpus = Some("2".parse().unwrap());
            spec.stop_grace = Some(3);
        });
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "env A: 1 is there, nothing was asked for",
                "cpus: what it was created with is there, 2 was asked for",
                "stop-grace: nothing is there, 3 was asked for",
            ]
        );
    }

    #[test]
    fn without_marks_it_is_the_image_or_another_option() {
        let seal = SpecSeal::of(&key(), b"of another time", Vec::new());
        let found =
            differs(DOCKER, &document(Value::Null), &seal, |spec| spec.hostname = Some("deck".parse().unwrap()));
        assert_eq!(found.into_iter().map(|one| one.field).collect::<Vec<_>>(), ["another option"]);
        let mut document = document(Value::Null);
        document["Image"] = json!("ef".repeat(32));
        let found = differs(DOCKER, &document, &seal, |_| {});
        assert_eq!(found.into_iter().map(|one| one.field).collect::<Vec<_>>(), ["image"]);
    }
}
