//! A network as the host sees it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{is_empty, is_id, map, text};
use crate::grants::NetworkEvidence;
use crate::owner::{GivenLabels, OWNER_LABEL, ObjectKind, OwnerLabel, RESERVED_PREFIX};
use crate::spec::NetworkSpec;
use crate::state::{InstallId, InstallKey};

/// The only driver that a network of ours has.
const DRIVER: &str = "bridge";

/// A network of ours, as the host saw it: from the engine's own documents, never from a backend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct NetworkInfo {
    /// The engine's ID, in full.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The backend that drives its engine.
    pub backend: String,
    /// Its driver: `bridge`.
    pub driver: String,
    /// Whether it has no way out of the machine.
    pub internal: bool,
    /// When it was made, as the engine tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Its labels, without the host's own.
    pub labels: BTreeMap<String, String>,
    #[serde(skip)]
    host_labels: BTreeMap<String, String>,
    /// It was made with options, by which a network can be another interface of the host.
    #[serde(skip)]
    has_options: bool,
}

impl NetworkInfo {
    /// From a document of the engine's.
    ///
    /// # Errors
    /// When it has no proper ID, name or driver, or does not say whether it is internal.
    pub(crate) fn read(document: &Value, grant: &NetworkEvidence, backend: &str) -> Result<Self, String> {
        let need = |what: &str, pointer: &str| {
            text(document, Some(pointer)).ok_or_else(|| format!("the engine's document has no {what} at {pointer}"))
        };
        let internal = document.pointer(&grant.internal).and_then(Value::as_bool);
        let all = map(document, Some(&grant.labels));
        let (host_labels, labels) = all.into_iter().partition(|(key, _)| key.starts_with(RESERVED_PREFIX));
        Ok(Self {
            id: Some(need("ID", &grant.id)?).filter(|id| is_id(id)).ok_or("the engine's ID of a network is none")?,
            name: need("name", &grant.name)?,
            backend: backend.to_owned(),
            driver: need("driver", &grant.driver)?,
            internal: internal
                .ok_or_else(|| format!("the engine's document has no yes or no at {}", grant.internal))?,
            created: text(document, grant.created.as_deref()),
            labels,
            host_labels,
            has_options: grant.options.as_ref().is_some_and(|options| !is_empty(document.pointer(options))),
        })
    }

    /// What a dry run would have made.
    pub(crate) fn imagined(backend: &str, spec: &NetworkSpec) -> Self {
        let label = |label: &crate::spec::Label| (label.key().to_owned(), label.value().to_owned());
        Self {
            id: "0".repeat(64),
            name: spec.name.to_string(),
            backend: backend.to_owned(),
            driver: DRIVER.to_owned(),
            internal: spec.internal,
            created: None,
            labels: spec.labels.iter().map(label).collect(),
            host_labels: BTreeMap::new(),
            has_options: false,
        }
    }

    /// Without the owner label where that was given to another network.
    pub(crate) fn known_by(mut self, labels: &GivenLabels) -> Self {
        if self.minted_label().is_some_and(|label| labels.is_for_another(&label, &self.id)) {
            self.host_labels.remove(OWNER_LABEL);
        }
        self
    }

    /// Whether its owner label is this install's, made for this very name, and it is as we make them.
    pub(crate) fn is_ours(&self, key: &InstallKey, install: &InstallId) -> bool {
        let minted =
            self.minted_label().is_some_and(|label| label.check(key, install, ObjectKind::Network, &self.name).is_ok());
        minted && self.driver == DRIVER && !self.has_options
    }

    /// The owner label, where it is one; unproven.
    pub(crate) fn minted_label(&self) -> Option<OwnerLabel> {
        self.owner_label().and_then(|label| OwnerLabel::parse(label).ok())
    }

    /// The owner label as the engine has it; unproven.
    pub(crate) fn owner_label(&self) -> Option<&str> {
        self.host_labels.get(OWNER_LABEL).map(String::as_str)
    }

    /// Whether this is the very same network, seen again.
    pub(crate) fn is_still(&self, seen: &Self) -> bool {
        self.id == seen.id && self.name == seen.name && self.owner_label() == seen.owner_label()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;
    use crate::owner::Nonce;
    use serde_json::json;

    const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");
    const DOCKER: &str = include_str!("../../../plugins/docker/grants.toml");

    fn ours() -> (InstallKey, InstallId) {
        let key = InstallKey::from_bytes([7; 32]);
        let install = InstallId::of(&key);
        (key, install)
    }

    fn label(kind: ObjectKind, name: &str) -> String {
        let (key, install) = ours();
        OwnerLabel::mint(&key, &install, kind, name, Nonce::from_bytes([3; 16])).to_string()
    }

    fn read(grants: &str, document: &Value) -> Result<NetworkInfo, String> {
        let grants = Grants::parse(grants, "grants").unwrap();
        NetworkInfo::read(document, grants.evidence().network.as_ref().unwrap(), "some")
    }

    /// As Podman 4.3.1 prints it.
    fn podman(change: impl Fn(&mut Value)) -> NetworkInfo {
        let mut document = json!({"name": "back", "id": "a".repeat(64), "driver": "bridge", "network_interface": "podman1",
            "created": "2026-11-28T17:43:06Z", "subnets": [], "ipv6_enabled": false, "internal": true, "dns_enabled": true,
            "labels": {OWNER_LABEL: label(ObjectKind::Network, "back"), "a": "b"}, "ipam_options": {"driver": "host-local"}});
        change(&mut document);
        read(PODMAN, &document).unwrap()
    }

    /// As Docker 20.10.24 prints it.
    fn docker(change: impl Fn(&mut Value)) -> Result<NetworkInfo, String> {
        let mut document = json!({"Name": "back", "Id": "b".repeat(64), "Created": "2026-11-28T17:43:06Z", "Scope": "local",
            "Driver": "bridge", "EnableIPv6": false, "Internal": false, "Containers": {}, "Options": {},
            "Labels": {OWNER_LABEL: label(ObjectKind::Network, "back")}});
        change(&mut document);
        read(DOCKER, &document)
    }

    fn is_ours(network: &NetworkInfo) -> bool {
        let (key, install) = ours();
        network.is_ours(&key, &install)
    }

    #[test]
    fn ours_is_what_bears_our_label_for_its_name_and_is_made_as_we_do() {
        assert!(is_ours(&podman(|_| {})) && is_ours(&docker(|_| {}).unwrap()));
        assert!(!is_ours(&podman(|network| network["name"] = json!("front"))));
        assert!(!is_ours(&podman(|network| network["driver"] = json!("macvlan"))));
        assert!(!is_ours(&podman(|network| network["options"] = json!({"parent": "eth0"}))));
        assert!(!is_ours(&podman(|network| network["labels"] = Value::Null)));
        let of_a_volume = json!(label(ObjectKind::Volume, "back"));
        assert!(!is_ours(&podman(|network| network["labels"][OWNER_LABEL] = of_a_volume.clone())));
        assert!(!is_ours(
            &docker(|network| network["Options"] = json!({"com.docker.network.bridge.name": "docker0"})).unwrap()
        ));
    }

    #[test]
    fn what_it_must_say_is_there() {
        assert!(podman(|_| {}).internal && !docker(|_| {}).unwrap().internal);
        for field in ["Id", "Name", "Driver", "Internal"] {
            assert!(docker(|network| network[field] = Value::Null).is_err(), "{field}");
        }
        assert!(docker(|network| network["Id"] = json!("b1831002df6c")).is_err());
    }

    #[test]
    fn one_that_was_made_again_is_another() {
        let network = podman(|_| {});
        assert!(network.is_still(&podman(|network| network["created"] = json!("2"))));
        assert!(!network.is_still(&podman(|network| network["id"] = json!("c".repeat(64)))));
        assert!(!network.is_still(&podman(|network| network["labels"][OWNER_LABEL] = json!("x"))));
    }

    #[test]
    fn the_hosts_own_labels_are_not_shown() {
        let network = podman(|_| {});
        assert_eq!(network.labels, [("a".to_owned(), "b".to_owned())].into());
        assert!(!serde_json::to_string(&network).unwrap().contains("portreeve"));
    }
}
