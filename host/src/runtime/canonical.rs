//! What an idempotent create compares: a spec as bytes, whole and in parts that can be named.

use crate::evidence::document::bare_id;
use crate::grants::{Binding, Shape, Slot};
use crate::owner::{Mark, Marker, SpecSeal};
use crate::scope::Scope;
use crate::spec::{ContainerSpec, Name, RestartPolicy, Secret, SecretDelivery};
use crate::state::InstallKey;

/// A field of a spec: its number in marks, which never changes, its name for people, and the slots that are of it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u8,
    pub(super) name: &'static str,
    slots: &'static [Slot],
}

const fn field(number: u8, name: &'static str, slots: &'static [Slot]) -> Field {
    Field { number, name, slots }
}

pub(super) const IMAGE: Field = field(1, "image", &[]);
pub(super) const SECRET: Field = field(2, "secret", &[]);
pub(super) const ENV: Field = field(3, "env", &[Slot::EnvPlain]);
pub(super) const LABEL: Field = field(4, "label", &[Slot::Label]);

/// Every field, in the order in which differences are told.
pub(super) const FIELDS: &[Field] = &[
    IMAGE,
    field(5, "entrypoint", &[Slot::Entrypoint]),
    field(6, "command", &[Slot::Word]),
    ENV,
    SECRET,
    LABEL,
    field(7, "user", &[Slot::User]),
    field(8, "workdir", &[Slot::Workdir]),
    field(9, "memory", &[Slot::Memory]),
    field(10, "cpus", &[Slot::Cpus]),
    field(11, "pids", &[Slot::Pids]),
    field(12, "shm-size", &[Slot::ShmSize]),
    field(13, "ulimit", &[Slot::Ulimit]),
    field(
        14,
        "network",
        &[Slot::NetworkNone, Slot::NetworkBridge, Slot::NetworkHost, Slot::NetworkNamed, Slot::NetworkAlso],
    ),
    field(15, "alias", &[Slot::Alias]),
    field(16, "hostname", &[Slot::Hostname]),
    field(17, "pod", &[Slot::Pod]),
    field(18, "mounts", &[Slot::MountBind, Slot::MountVolume, Slot::MountVolumeRo]),
    field(19, "tmpfs", &[Slot::Tmpfs, Slot::TmpfsUnbounded]),
    field(20, "ports", &[Slot::Port]),
    field(21, "gpus", &[Slot::Gpu]),
    field(22, "read-only", &[Slot::ReadOnly]),
    field(23, "cap-add", &[Slot::CapAdd]),
    field(24, "cap-drop", &[Slot::CapDrop]),
    field(25, "userns", &[Slot::UserNamespace]),
    field(26, "restart", &[Slot::Restart]),
    field(27, "remove", &[Slot::Remove]),
    field(28, "stop-signal", &[Slot::StopSignal]),
    field(29, "stop-grace", &[Slot::StopGrace]),
    field(30, "stdin", &[Slot::Stdin]),
    field(31, "terminal", &[Slot::Terminal]),
    field(
        32,
        "health",
        &[Slot::HealthCommand, Slot::HealthInterval, Slot::HealthTimeout, Slot::HealthRetries, Slot::HealthStart],
    ),
];

/// The number of what no field is of.
const NO_FIELD: u8 = 0;

/// One thing that was asked for.
#[derive(Debug)]
pub(super) struct Part {
    number: u8,
    /// Which one of its field it is, where each has a name.
    pub(super) key: Option<String>,
    /// What it is, for people; of a secret nothing.
    pub(super) told: String,
    bytes: Vec<u8>,
}

impl Part {
    pub(super) fn mark(&self, marker: &Marker) -> Mark {
        marker.mark(self.number, &self.bytes)
    }

    pub(super) const fn is_of(&self, field: &Field) -> bool {
        self.number == field.number
    }

    /// A value of a slot.
    pub(super) fn of(slot: Slot, binding: &Binding) -> Self {
        let pairs = || binding.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let bytes = framed(std::iter::once(slot.name().as_bytes()).chain(pairs()));
        Self { number: number(slot), key: key(slot, binding), told: told(slot, binding), bytes }
    }

    fn image(id: &str) -> Self {
        Self { number: IMAGE.number, key: None, told: id.to_owned(), bytes: framed([id.as_bytes()]) }
    }

    fn further_network(name: &Name) -> Self {
        let slot = Slot::NetworkAlso;
        let bytes = framed([slot.name().as_bytes(), name.as_str().as_bytes()]);
        Self { number: number(slot), key: None, told: name.to_string(), bytes }
    }

    /// Words of a command follow on one another: they are one thing.
    fn words(all: &[Self]) -> Option<Self> {
        let first = all.first()?;
        let told: Vec<_> = all.iter().map(|word| &word.told).collect();
        let bytes = all.iter().flat_map(|word| word.bytes.clone()).collect();
        Some(Self { number: first.number, key: None, told: format!("{told:?}"), bytes })
    }

    fn secret(secret: &Secret) -> Self {
        let place = match &secret.delivery {
            SecretDelivery::Environment => "",
            SecretDelivery::File(target) => target.as_str(),
        };
        let bytes = framed([secret.name.as_str().as_bytes(), place.as_bytes(), secret.value.expose()]);
        Self { number: SECRET.number, key: Some(secret.name.to_string()), told: String::new(), bytes }
    }
}

/// A spec of an image of this ID, with its secrets' values. Paths of secret files are the host's own choice and don't
/// count, nor does the order of what has none: only words of a command follow on one another. What an image of this ID
/// has anyway, and what is so when nothing is said, are no other spec.
#[derive(Debug)]
pub(super) struct Canonical {
    bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
}

impl Canonical {
    pub(super) fn of(spec: &ContainerSpec, image_id: &str) -> Self {
        let image = Part::image(bare_id(image_id));
        let mut bytes = image.bytes.clone();
        let mut parts = vec![image];
        let scope = Scope::of_create(spec, &[]);
        for (slot, bindings) in scope.caller().iter() {
            let mut found: Vec<_> =
                bindings.iter().filter(|one| counts(slot, one)).map(|one| Part::of(slot, one)).collect();
            match slot {
                Slot::Word => found = Part::words(&found).into_iter().collect(),
                _ => found.sort_by(|a, b| a.bytes.cmp(&b.bytes)),
            }
            bytes.extend(found.iter().flat_map(|part| part.bytes.iter().copied()));
            parts.extend(found.into_iter().filter(|_| has_marks(slot)));
        }
        let mut further: Vec<_> = spec.further_networks.iter().map(Part::further_network).collect();
        further.sort_by(|a, b| a.told.cmp(&b.told));
        bytes.extend(further.iter().flat_map(|part| part.bytes.iter().copied()));
        parts.extend(further);
        let mut secrets: Vec<_> = spec.secrets.iter().map(Part::secret).collect();
        secrets.sort_by(|a, b| a.key.cmp(&b.key));
        bytes.extend(secrets.iter().flat_map(|part| part.bytes.iter().copied()));
        parts.extend(secrets);
        Self { bytes, parts }
    }

    /// The seal of a container of this name.
    pub(super) fn seal(&self, key: &InstallKey, name: &str) -> SpecSeal {
        let marker = Marker::of(key, name);
        SpecSeal::of(key, &self.bytes, self.parts.iter().map(|part| part.mark(&marker)).collect())
    }
}

/// Whether it makes a difference.
fn counts(slot: Slot, binding: &Binding) -> bool {
    match slot {
        Slot::Platform => false,
        Slot::Restart => binding.field("") != Some(RestartPolicy::No.to_string().as_str()),
        _ => true,
    }
}

/// Secrets are marked with their values, and the name is that of what is compared.
const fn has_marks(slot: Slot) -> bool {
    !matches!(slot, Slot::ContainerName | Slot::EnvSecret | Slot::SecretFile)
}

fn number(slot: Slot) -> u8 {
    FIELDS.iter().find(|field| field.slots.contains(&slot)).map_or(NO_FIELD, |field| field.number)
}

fn key(slot: Slot, binding: &Binding) -> Option<String> {
    let field = match slot {
        Slot::EnvPlain => "name",
        Slot::Label => "key",
        _ => return None,
    };
    binding.field(field).map(str::to_owned)
}

fn told(slot: Slot, binding: &Binding) -> String {
    let is_key = |name: &str| matches!((slot, name), (Slot::EnvPlain, "name") | (Slot::Label, "key"));
    let values: Vec<_> = binding.iter().filter(|(name, _)| !is_key(name)).map(|(_, value)| value).collect();
    match slot.shape() {
        // What there is one of has its name behind a dot.
        Shape::Flag => slot.name().split_once('.').map_or("true", |(_, which)| which).to_owned(),
        _ if slot == Slot::TmpfsUnbounded => format!("{}:size=unlimited", values.join(":")),
        _ => values.join(":"),
    }
}

/// Each with its length before it.
fn framed<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let frame = |text: &'a [u8]| [&(text.len() as u64).to_be_bytes(), text].concat();
    texts.into_iter().flat_map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Label, NetworkMode, SecretValue};

    fn spec() -> ContainerSpec {
        let mut spec = ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap());
        spec.words = vec!["a".to_owned(), "b".to_owned()];
        spec.env = ["A=1", "B=2"].map(|text| text.parse().unwrap()).to_vec();
        spec.labels = [("a", "1"), ("b", "2")].map(|(key, value)| Label::new(key, value).unwrap()).to_vec();
        spec.mounts = ["v:/v", "w:/w"].map(|text| text.parse().unwrap()).to_vec();
        spec.ports = ["127.0.0.1:1:80", "127.0.0.1:2:81"].map(|text| text.parse().unwrap()).to_vec();
        spec.cap_drop = vec!["CHOWN".to_owned(), "MKNOD".to_owned()];
        spec.secrets = ["X", "Y"].map(secret).to_vec();
        spec
    }

    fn secret(name: &str) -> Secret {
        Secret {
            name: name.parse().unwrap(),
            value: SecretValue::new(name.as_bytes()),
            delivery: SecretDelivery::Environment,
        }
    }

    fn seal(spec: &ContainerSpec, image: &str) -> SpecSeal {
        Canonical::of(spec, image).seal(&InstallKey::from_bytes([1; 32]), "web")
    }

    #[test]
    fn the_order_of_what_has_none_is_no_other_spec() {
        let mut other = spec();
        other.env.reverse();
        other.labels.reverse();
        other.mounts.reverse();
        other.ports.reverse();
        other.cap_drop.reverse();
        other.secrets.reverse();
        assert_eq!(seal(&spec(), "aa"), seal(&other, "aa"));
    }

    #[test]
    fn nor_is_what_is_so_when_nothing_is_said() {
        let mut other = spec();
        other.restart = Some(RestartPolicy::No);
        other.platform = Some("linux/amd64".parse().unwrap());
        assert_eq!(seal(&spec(), "aa"), seal(&other, "sha256:aa"));
    }

    #[test]
    fn everything_else_is() {
        let changes: [fn(&mut ContainerSpec); 9] = [
            |spec| spec.words.reverse(),
            |spec| spec.env = ["A=2", "B=1"].map(|text| text.parse().unwrap()).to_vec(),
            |spec| spec.mounts = ["v:/w", "w:/v"].map(|text| text.parse().unwrap()).to_vec(),
            |spec| spec.ports.truncate(1),
            |spec| std::mem::swap(&mut spec.cap_drop, &mut spec.cap_add),
            |spec| spec.secrets.truncate(1),
            |spec| spec.secrets.iter_mut().for_each(|secret| secret.value = SecretValue::new(*b"another")),
            |spec| spec.network = Some(NetworkMode::None),
            |spec| spec.further_networks = vec!["front".parse().unwrap()],
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = spec();
            change(&mut other);
            assert!(!seal(&spec(), "aa").is_of_the_same(&seal(&other, "aa")), "{number}");
        }
        assert!(!seal(&spec(), "aa").is_of_the_same(&seal(&spec(), "bb")));
    }

    #[test]
    fn every_part_has_a_field() {
        let apart = [Slot::Platform, Slot::HealthShell, Slot::PodName, Slot::ContainerId];
        let slots = crate::scope::Call::Create.slots().iter().filter(|slot| has_marks(**slot) && !apart.contains(slot));
        let without: Vec<_> = slots.filter(|slot| number(**slot) == NO_FIELD).collect();
        assert!(without.is_empty(), "{without:?}");
    }

    #[test]
    fn no_number_stands_for_two_fields() {
        let numbers: std::collections::BTreeSet<_> = FIELDS.iter().map(|field| field.number).collect();
        assert_eq!(numbers.len(), FIELDS.len());
        assert!(!numbers.contains(&NO_FIELD));
    }

    #[test]
    fn parts_are_told_as_they_are_asked_for() {
        let mut spec = spec();
        spec.network = Some(NetworkMode::None);
        spec.read_only = true;
        spec.hostname = Some("deck".parse().unwrap());
        let parts = Canonical::of(&spec, "aa").parts;
        let told = |name: &str| {
            let field = FIELDS.iter().find(|field| field.name == name).unwrap();
            parts.iter().filter(|part| part.is_of(field)).map(|part| part.told.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(told("command"), [r#"["a", "b"]"#]);
        assert_eq!(told("env"), ["1", "2"]);
        assert_eq!(told("network"), ["none"]);
        assert_eq!(told("read-only"), ["true"]);
        assert_eq!(told("hostname"), ["deck"]);
        assert_eq!(told("secret"), ["", ""]);
    }
}
