//! A container as the host sees it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{bare_id, is_id, keys, map, number, text, texts};
use super::health::{Checkup, Health};
use super::settings::Settings;
use crate::grants::ContainerEvidence;
use crate::owner::{GivenLabels, OWNER_LABEL, ObjectKind, OwnerLabel, POD_LABEL, RESERVED_PREFIX};
use crate::spec::Port;
use crate::state::{InstallId, InstallKey};

/// The state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ContainerState {
    /// Created and never started.
    Created,
    /// Running.
    Running,
    /// Paused.
    Paused,
    /// Between two runs.
    Restarting,
    /// On its way to the end.
    Stopping,
    /// Ended.
    Exited,
    /// Broken, or being removed.
    Dead,
    /// None of these.
    Unknown,
}

impl ContainerState {
    /// From an engine's word.
    fn parse(word: &str) -> Self {
        match word {
            "created" | "configured" | "initialized" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "stopping" | "stopped" => Self::Stopping,
            "exited" => Self::Exited,
            "dead" | "removing" => Self::Dead,
            _ => Self::Unknown,
        }
    }

    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it has processes.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting | Self::Stopping)
    }
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct MountInfo {
    /// `bind`, `volume` …
    pub kind: String,
    /// Where it comes from: a path, or a volume's name.
    pub source: String,
    /// Where it is seen.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A container of ours, as the host saw it: from the engine's own documents, never from a backend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ContainerInfo {
    /// The engine's ID, in full.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The backend that drives its engine.
    pub backend: String,
    /// The ID of its image, without its algorithm.
    pub image_id: String,
    /// Its state.
    pub state: ContainerState,
    /// Its exit status, where it has ended.
    pub exit_code: Option<i32>,
    /// Its first process, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Whether it is well, where it has a health check and runs or ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// When it was created, as the engine tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Its published ports, the engine's choices among them.
    #[serde(serialize_with = "ports_as_text")]
    pub ports: Vec<Port>,
    /// Its mounts.
    pub mounts: Vec<MountInfo>,
    /// The named networks that it is on.
    pub networks: Vec<String>,
    /// Its labels, without the host's own.
    pub labels: BTreeMap<String, String>,
    /// The mode of its network, as the engine tells it.
    #[serde(skip)]
    pub(crate) network_mode: Option<String>,
    /// The engine's ID of the pod that it is in.
    #[serde(skip)]
    pub(crate) engine_pod: Option<String>,
    #[serde(skip)]
    pub(crate) host_labels: BTreeMap<String, String>,
    #[serde(skip)]
    pub(crate) env: Vec<String>,
    #[serde(skip)]
    pub(crate) words: Vec<String>,
    #[serde(skip)]
    pub(crate) user: Option<String>,
    #[serde(skip)]
    pub(crate) workdir: Option<String>,
    #[serde(skip)]
    pub(crate) memory: Option<i64>,
    #[serde(skip)]
    pub(crate) checkup: Checkup,
    #[serde(skip)]
    pub(crate) settings: Settings,
    /// The names of GPUs, where the engine keeps what was asked for.
    #[serde(skip)]
    pub(crate) gpus: Option<Vec<String>>,
}

pub(super) fn ports_as_text<S: serde::Serializer>(ports: &[Port], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ports.iter().map(ToString::to_string))
}

impl ContainerInfo {
    /// From a document of the engine's.
    ///
    /// # Errors
    /// When it has no proper ID, name or state.
    pub(crate) fn read(document: &Value, grant: &ContainerEvidence, backend: &str) -> Result<Self, String> {
        let need = |what: &str, pointer: &str| {
            text(document, Some(pointer)).ok_or_else(|| format!("the engine's document has no {what} at {pointer}"))
        };
        let id = need("ID", &grant.id)?;
        if !is_id(bare_id(&id)) {
            return Err("the engine's document has an ID that is none".to_owned());
        }
        let state = ContainerState::parse(&need("state", &grant.state)?.to_lowercase());
        let all = map(document, Some(&grant.labels));
        let (host_labels, labels) = all.into_iter().partition(|(key, _)| key.starts_with(RESERVED_PREFIX));
        let number_at = |pointer: &Option<String>| number(document, pointer.as_deref());
        let ended = matches!(state, ContainerState::Exited | ContainerState::Dead | ContainerState::Stopping);
        let checkup = Checkup::read(document, grant);
        Ok(Self {
            id: bare_id(&id).to_owned(),
            name: need("name", &grant.name)?.trim_start_matches('/').to_owned(),
            backend: backend.to_owned(),
            image_id: bare_id(&need("image", &grant.image)?).to_owned(),
            state,
            exit_code: number_at(&grant.exit_code).filter(|_| ended).and_then(|code| i32::try_from(code).ok()),
            pid: number_at(&grant.pid).and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
            health: checkup.health,
            created: text(document, grant.created.as_deref()),
            ports: published(document, grant),
            mounts: mounts(document, grant.mounts.as_deref()),
            networks: keys(document, grant.networks.as_deref()),
            network_mode: text(document, grant.network.as_deref()),
            engine_pod: text(document, grant.pod.as_deref()).filter(|id| !id.is_empty()),
            labels,
            host_labels,
            env: texts(document, grant.env.as_deref()),
            words: texts(document, grant.words.as_deref()),
            user: text(document, grant.user.as_deref()),
            workdir: text(document, grant.workdir.as_deref()),
            memory: number_at(&grant.memory),
            checkup,
            settings: Settings::read(document, grant),
            gpus: grant.gpus.as_deref().map(|pointer| texts(document, Some(pointer))),
        })
    }

    /// What a dry run would have made; its ID is all zeros.
    pub(crate) fn imagined(backend: &str, name: &str, image_id: &str) -> Self {
        Self {
            id: "0".repeat(64),
            name: name.to_owned(),
            backend: backend.to_owned(),
            image_id: bare_id(image_id).to_owned(),
            state: ContainerState::Created,
            exit_code: None,
            pid: None,
            health: None,
            created: None,
            ports: Vec::new(),
            mounts: Vec::new(),
            networks: Vec::new(),
            network_mode: None,
            engine_pod: None,
            labels: BTreeMap::new(),
            host_labels: BTreeMap::new(),
            env: Vec::new(),
            words: Vec::new(),
            user: None,
            workdir: None,
            memory: None,
            checkup: Checkup::default(),
            settings: Settings::default(),
            gpus: None,
        }
    }

    /// Without the owner label where that was given to another container.
    pub(crate) fn known_by(mut self, labels: &GivenLabels) -> Self {
        let label = self.owner_label().filter(|label| labels.is_for_another(label, &self.id));
        if label.is_some() {
            self.host_labels.remove(OWNER_LABEL);
        }
        self
    }

    /// Its owner label; unproven.
    pub(crate) fn owner_label(&self) -> Option<OwnerLabel> {
        self.host_labels.get(OWNER_LABEL).and_then(|label| OwnerLabel::parse(label).ok())
    }

    /// Whether its owner label is this install's, made for this very name.
    pub(crate) fn is_ours(&self, key: &InstallKey, install: &InstallId) -> bool {
        self.is_ours_as(ObjectKind::Container, key, install)
    }

    /// The same of the container that holds a pod's network: no call on containers takes it for one.
    pub(crate) fn is_ours_as(&self, kind: ObjectKind, key: &InstallKey, install: &InstallId) -> bool {
        self.owner_label().is_some_and(|label| label.check(key, install, kind, &self.name).is_ok())
    }

    /// The pod that its label names; unproven.
    pub(crate) fn pod_name(&self) -> Option<&str> {
        self.host_label(POD_LABEL)
    }

    /// Whether its network is that of another container.
    pub(crate) fn shares_network_of(&self, id: &str) -> bool {
        self.network_mode.as_deref().and_then(|mode| mode.strip_prefix("container:")) == Some(id)
    }

    /// The value of a label of the host's.
    pub(crate) fn host_label(&self, key: &str) -> Option<&str> {
        self.host_labels.get(key).map(String::as_str)
    }

    /// The value of a variable of its environment.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find_map(|entry| entry.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
    }
}

/// The ports that are published, or are to be: an engine may tell of none while a container does not run.
fn published(document: &Value, grant: &ContainerEvidence) -> Vec<Port> {
    let ports_at = |pointer: &Option<String>| ports(document, pointer.as_deref());
    let published = ports_at(&grant.ports);
    if published.is_empty() { ports_at(&grant.ports_asked) } else { published }
}

/// `{"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}`, as both Podman and Docker have it.
fn ports(document: &Value, pointer: Option<&str>) -> Vec<Port> {
    let Some(Value::Object(members)) = pointer.and_then(|pointer| document.pointer(pointer)) else {
        return Vec::new();
    };
    let mut ports: Vec<Port> = members.iter().flat_map(|(inside, bindings)| bound(inside, bindings)).collect();
    ports.sort();
    ports.dedup();
    ports
}

fn bound(inside: &str, bindings: &Value) -> Vec<Port> {
    let bindings = bindings.as_array().map(Vec::as_slice).unwrap_or_default();
    bindings.iter().filter_map(|binding| port(inside, binding)).collect()
}

fn port(inside: &str, binding: &Value) -> Option<Port> {
    let (container, protocol) = inside.split_once('/').unwrap_or((inside, "tcp"));
    let address =
        binding.get("HostIp").and_then(Value::as_str).filter(|address| !address.is_empty()).unwrap_or("0.0.0.0");
    Some(Port {
        address: address.trim_matches(['[', ']']).parse().ok()?,
        host: host_port(binding.get("HostPort")?.as_str()?)?,
        container: container.parse().ok()?,
        protocol: protocol.parse().ok()?,
    })
}

/// Where the choice is left to the engine, and not made yet, there are no digits.
fn host_port(digits: &str) -> Option<u16> {
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

/// `[{"Type": "bind", "Source": "/a", "Destination": "/b", "RW": true}]`, as both Podman and Docker have it.
fn mounts(document: &Value, pointer: Option<&str>) -> Vec<MountInfo> {
    let list = pointer.and_then(|pointer| document.pointer(pointer)).and_then(Value::as_array);
    list.map(|mounts| mounts.iter().filter_map(mount).collect()).unwrap_or_default()
}

fn mount(value: &Value) -> Option<MountInfo> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("Type");
    let source = if kind == "volume" { text("Name") } else { text("Source") };
    let read_only = !value.get("RW").and_then(Value::as_bool)?;
    Some(MountInfo { kind, source, target: text("Destination"), read_only })
}
