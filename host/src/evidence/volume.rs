//! A volume as the host sees it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{is_empty, map, text};
use crate::grants::VolumeEvidence;
use crate::owner::{OWNER_LABEL, ObjectKind, OwnerLabel, RESERVED_PREFIX};
use crate::state::{InstallId, InstallKey};

/// The only driver that a volume of ours has.
const DRIVER: &str = "local";

/// A volume of ours, as the host saw it: from the engine's own documents, never from a backend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// The backend that drives its engine.
    pub backend: String,
    /// Its driver: `local`.
    pub driver: String,
    /// The folder of the engine's that holds its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mountpoint: Option<String>,
    /// When it was made, as the engine tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Its labels, without the host's own.
    pub labels: BTreeMap<String, String>,
    #[serde(skip)]
    host_labels: BTreeMap<String, String>,
    /// It was made with options, by which a volume can be any folder of the host, or another machine's.
    #[serde(skip)]
    has_options: bool,
}

impl VolumeInfo {
    /// From a document of the engine's.
    ///
    /// # Errors
    /// When it has no name or driver.
    pub(crate) fn read(document: &Value, grant: &VolumeEvidence, backend: &str) -> Result<Self, String> {
        let need = |what: &str, pointer: &str| {
            text(document, Some(pointer)).ok_or_else(|| format!("the engine's document has no {what} at {pointer}"))
        };
        let all = map(document, Some(&grant.labels));
        let (host_labels, labels) = all.into_iter().partition(|(key, _)| key.starts_with(RESERVED_PREFIX));
        Ok(Self {
            name: need("name", &grant.name)?,
            backend: backend.to_owned(),
            driver: need("driver", &grant.driver)?,
            mountpoint: text(document, grant.mountpoint.as_deref()),
            created: text(document, grant.created.as_deref()),
            labels,
            host_labels,
            has_options: !is_empty(document.pointer(&grant.options)),
        })
    }

    /// What a dry run would have made.
    pub(crate) fn imagined(backend: &str, name: &str, labels: BTreeMap<String, String>) -> Self {
        Self {
            name: name.to_owned(),
            backend: backend.to_owned(),
            driver: DRIVER.to_owned(),
            mountpoint: None,
            created: None,
            labels,
            host_labels: BTreeMap::new(),
            has_options: false,
        }
    }

    /// Whether its owner label is this install's, made for this very name, and it is as we make them: a label that
    /// somebody copied to a volume of the same name, which is a folder of the host's by its options, is no ownership.
    pub(crate) fn is_ours(&self, key: &InstallKey, install: &InstallId) -> bool {
        let label = self.owner_label().and_then(|label| OwnerLabel::parse(label).ok());
        let minted = label.is_some_and(|label| label.check(key, install, ObjectKind::Volume, &self.name).is_ok());
        minted && self.driver == DRIVER && !self.has_options
    }

    /// The owner label as the engine has it; unproven.
    pub(crate) fn owner_label(&self) -> Option<&str> {
        self.host_labels.get(OWNER_LABEL).map(String::as_str)
    }

    /// Whether this is the very same volume, seen again: volumes have no ID, but no two that we make share a nonce.
    /// Its time does not count: Docker's changes with what is written.
    pub(crate) fn is_still(&self, seen: &Self) -> bool {
        let identity = |volume: &Self| {
            (volume.name.clone(), volume.owner_label().map(str::to_owned), volume.driver.clone(), volume.has_options)
        };
        identity(self) == identity(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;
    use crate::owner::Nonce;
    use serde_json::json;

    const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");

    fn ours() -> (InstallKey, InstallId) {
        let key = InstallKey::from_bytes([7; 32]);
        let install = InstallId::of(&key);
        (key, install)
    }

    fn label(name: &str) -> String {
        let (key, install) = ours();
        OwnerLabel::mint(&key, &install, ObjectKind::Volume, name, Nonce::from_bytes([3; 16])).to_string()
    }

    fn read(document: &Value) -> VolumeInfo {
        let grants = Grants::parse(PODMAN, "podman").unwrap();
        VolumeInfo::read(document, grants.evidence().volume.as_ref().unwrap(), "podman").unwrap()
    }

    fn document(change: impl Fn(&mut Value)) -> Value {
        let labels = json!({OWNER_LABEL: label("data"), "a": "b"});
        let mut document =
            json!({"Name": "data", "Driver": "local", "Options": {}, "CreatedAt": "1", "Labels": labels});
        change(&mut document);
        document
    }

    fn is_ours(change: impl Fn(&mut Value)) -> bool {
        let (key, install) = ours();
        read(&document(change)).is_ours(&key, &install)
    }

    #[test]
    fn ours_is_what_bears_our_label_for_its_name_and_is_made_as_we_do() {
        assert!(is_ours(|_| {}));
        assert!(is_ours(|volume| volume["Options"] = Value::Null));
        assert!(!is_ours(|volume| volume["Name"] = json!("data-2")));
        assert!(!is_ours(|volume| volume["Driver"] = json!("nfs")));
        assert!(!is_ours(|volume| volume["Options"] = json!({"o": "bind", "device": "/"})));
        assert!(!is_ours(|volume| volume["Options"] = json!("o=bind")));
        assert!(!is_ours(|volume| volume["Labels"] = Value::Null));
        assert!(!is_ours(|volume| volume["Labels"][OWNER_LABEL] = json!(label("other"))));
    }

    #[test]
    fn the_hosts_own_labels_are_not_shown() {
        let volume = read(&document(|_| {}));
        assert_eq!(volume.labels, [("a".to_owned(), "b".to_owned())].into());
        assert!(!serde_json::to_string(&volume).unwrap().contains("portreeve"));
    }

    #[test]
    fn one_that_was_made_again_is_another() {
        let volume = read(&document(|_| {}));
        assert!(volume.is_still(&read(&document(|volume| volume["CreatedAt"] = json!("2")))));
        assert!(!volume.is_still(&read(&document(|volume| volume["Options"] = json!({"o": "bind"})))));
        assert!(!volume.is_still(&read(&document(|volume| volume["Labels"][OWNER_LABEL] = json!("x")))));
    }
}
