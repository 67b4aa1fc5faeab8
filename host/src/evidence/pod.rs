//! A pod as the host sees it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::container::{ContainerInfo, ContainerState};
use super::document::{is_id, map, text};
use crate::grants::PodEvidence;
use crate::owner::{OWNER_LABEL, ObjectKind, OwnerLabel};
use crate::spec::Port;
use crate::state::{InstallId, InstallKey};

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct PodMember {
    /// The engine's ID, in full.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ContainerState,
}

/// A pod of ours, as the host saw it: from the engine's own documents, never from a backend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct PodInfo {
    /// Its name.
    pub name: String,
    /// The backend that drives its engine.
    pub backend: String,
    /// The engine has no pods of its own: what holds this one together are its holder's network and its members' labels.
    pub emulated: bool,
    /// The engine's ID of it, where the engine has pods of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The container that holds its network: the engine's ID, in full.
    pub holder: String,
    /// The state of that container: while it runs, members can be started.
    pub state: ContainerState,
    /// When it was made, as the engine tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Its published ports, the engine's choices among them.
    #[serde(serialize_with = "super::container::ports_as_text")]
    pub ports: Vec<Port>,
    /// The named networks that it is on.
    pub networks: Vec<String>,
    /// Its labels, without the host's own.
    pub labels: BTreeMap<String, String>,
    /// Its containers, without the holder.
    pub members: Vec<PodMember>,
}

impl PodInfo {
    /// What a holder and the containers of this install tell.
    pub(crate) fn of(name: &str, holder: ContainerInfo, engines: Option<&EnginePod>, all: &[ContainerInfo]) -> Self {
        let joined = |one: &&ContainerInfo| one.pod_name() == Some(name) && one.shares_network_of(&holder.id);
        let member = |one: &ContainerInfo| PodMember { id: one.id.clone(), name: one.name.clone(), state: one.state };
        let mut members: Vec<PodMember> = all.iter().filter(joined).map(member).collect();
        members.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            name: name.to_owned(),
            emulated: engines.is_none(),
            id: engines.map(|pod| pod.id.clone()),
            members,
            backend: holder.backend,
            holder: holder.id,
            state: holder.state,
            created: holder.created,
            ports: holder.ports,
            networks: holder.networks,
            labels: holder.labels,
        }
    }
}

/// A pod of the engine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnginePod {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The IDs of all its containers, whosever they are.
    pub(crate) containers: Vec<String>,
    owner: Option<String>,
}

impl EnginePod {
    /// What a dry run would have made.
    pub(crate) fn imagined(name: &str) -> Self {
        Self { id: "0".repeat(64), name: name.to_owned(), containers: Vec::new(), owner: None }
    }

    /// From a document of the engine's.
    ///
    /// # Errors
    /// When it has no proper ID or name.
    pub(crate) fn read(document: &Value, grant: &PodEvidence) -> Result<Self, String> {
        let need = |what: &str, pointer: &str| {
            text(document, Some(pointer)).ok_or_else(|| format!("the engine's document has no {what} at {pointer}"))
        };
        let containers = document.pointer(&grant.containers).and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            id: Some(need("ID", &grant.id)?).filter(|id| is_id(id)).ok_or("the engine's ID of a pod is none")?,
            name: need("name", &grant.name)?,
            containers: containers.filter_map(|one| text(one, Some("/Id"))).collect(),
            owner: map(document, Some(&grant.labels)).remove(OWNER_LABEL),
        })
    }

    /// Whether its owner label is this install's, made for this very name.
    pub(crate) fn is_ours(&self, key: &InstallKey, install: &InstallId) -> bool {
        let label = self.owner.as_deref().and_then(|label| OwnerLabel::parse(label).ok());
        label.is_some_and(|label| label.check(key, install, ObjectKind::Pod, &self.name).is_ok())
    }

    /// The owner label as the engine has it; unproven.
    pub(crate) fn owner_label(&self) -> Option<&str> {
        self.owner.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;
    use crate::owner::Nonce;
    use serde_json::json;

    const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");

    /// As Podman 4.3.1 prints it.
    fn pod(change: impl Fn(&mut Value)) -> (Result<EnginePod, String>, InstallKey, InstallId) {
        let key = InstallKey::from_bytes([7; 32]);
        let install = InstallId::of(&key);
        let label = OwnerLabel::mint(&key, &install, ObjectKind::Pod, "web", Nonce::from_bytes([3; 16])).to_string();
        let mut document = json!({"Id": "a".repeat(64), "Name": "web", "Created": "2026-11-28T17:44:08Z", "State": "Created",
            "Labels": {OWNER_LABEL: label}, "NumContainers": 1, "Containers": [{"Id": "b", "Name": "c", "State": "running"}]});
        change(&mut document);
        let grants = Grants::parse(PODMAN, "podman").unwrap();
        (EnginePod::read(&document, grants.evidence().pod.as_ref().unwrap()), key, install)
    }

    fn is_ours(change: impl Fn(&mut Value)) -> bool {
        let (pod, key, install) = pod(change);
        pod.unwrap().is_ours(&key, &install)
    }

    #[test]
    fn ours_is_what_bears_our_label_for_its_name() {
        assert!(is_ours(|_| {}));
        assert!(!is_ours(|pod| pod["Name"] = json!("web-2")));
        assert!(!is_ours(|pod| pod["Labels"] = json!({})));
    }

    #[test]
    fn its_containers_are_read_and_may_be_none() {
        assert_eq!(pod(|_| {}).0.unwrap().containers, ["b"]);
        assert!(pod(|pod| pod["Containers"] = Value::Null).0.unwrap().containers.is_empty());
        assert!(pod(|pod| pod["Id"] = json!("ab")).0.is_err());
    }
}
