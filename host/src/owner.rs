//! Owner labels: how the host knows what it made, though the engine keeps the list.
//!
//! Everything created carries `io.portreeve.owner=install:nonce:mac`. The MAC is over the install, the kind of object,
//! its name and the nonce, under a key that never leaves the state directory: an image, a caller or another install
//! can copy a label, but not make one for another name. Pure: no I/O, no clock, no randomness.

mod given;
mod seal;

use std::fmt;

use hmac::Mac;
use serde::{Deserialize, Serialize};

pub(crate) use given::GivenLabels;
pub use seal::{Mark, Marker, SpecSeal};

use crate::state::{InstallId, InstallKey, from_hex, to_hex};

/// The label that says whose an object is.
pub const OWNER_LABEL: &str = "io.portreeve.owner";
/// The label that holds the install alone: for an engine's own filters, never for a decision.
pub const INSTALL_LABEL: &str = "io.portreeve.install";
/// The label that holds the [`SpecSeal`].
pub const SPEC_LABEL: &str = "io.portreeve.spec";
/// The label that holds the name of the pod that a container joined.
pub const POD_LABEL: &str = "io.portreeve.pod";
/// Callers may not set a label whose key begins so; those of an image are shadowed.
pub const RESERVED_PREFIX: &str = "io.portreeve.";

/// What kind of object of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A container.
    Container,
    /// A volume.
    Volume,
    /// A pod.
    Pod,
    /// A network.
    Network,
    /// An image.
    Image,
}

impl ObjectKind {
    /// Its name in labels, records and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Volume => "volume",
            Self::Pod => "pod",
            Self::Network => "network",
            Self::Image => "image",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A number used once, so that no two objects of one name ever carry the same label. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A nonce of these bytes, which must be random (see [`random`](crate::state::random)).
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> [u8; 16] {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        from_hex(text.as_bytes()).map(Self)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

/// Why a label doesn't make an object ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// It isn't an owner label at all.
    #[error("not an owner label: it should be install:nonce:mac in lower-case hexadecimal")]
    Malformed,
    /// It names another install.
    #[error("owned by install {owner}, not by this one ({ours})")]
    OtherInstall {
        /// The install that the label names.
        owner: String,
        /// Ours.
        ours: String,
    },
    /// It names this install, but this install never made it for this object.
    #[error(
        "the owner label of {kind} {name:?} is not one that this install made for it: forged, or copied from another"
    )]
    Forged {
        /// The kind of object that carries it.
        kind: ObjectKind,
        /// The name of the object that carries it.
        name: String,
    },
}

/// The value of [`OWNER_LABEL`]: `install:nonce:mac`.
///
/// A parsed one proves nothing until [`check`](Self::check) says so.
#[derive(Debug, Clone)]
pub struct OwnerLabel {
    install: String,
    nonce: Nonce,
    mac: [u8; 32],
}

impl OwnerLabel {
    /// Makes the label of an object that is about to be created.
    #[must_use]
    pub fn mint(key: &InstallKey, install: &InstallId, kind: ObjectKind, name: &str, nonce: Nonce) -> Self {
        let mac = tag(key, install.as_str(), kind, name, nonce).finalize().into_bytes().into();
        Self { install: install.to_string(), nonce, mac }
    }

    /// Reads a label as an engine printed it.
    ///
    /// # Errors
    /// [`OwnerError::Malformed`] for any text that [`Display`](fmt::Display) can't have written.
    pub fn parse(text: &str) -> Result<Self, OwnerError> {
        Self::split(text).ok_or(OwnerError::Malformed)
    }

    fn split(text: &str) -> Option<Self> {
        let (install, rest) = text.split_once(':')?;
        let (nonce, mac) = rest.split_once(':')?;
        from_hex::<{ InstallId::LENGTH / 2 }>(install.as_bytes())?;
        Some(Self { install: install.to_owned(), nonce: Nonce::parse(nonce)?, mac: from_hex(mac.as_bytes())? })
    }

    /// Whether this install made this label for this very object. The MAC is compared in constant time.
    ///
    /// # Errors
    /// [`OwnerError::OtherInstall`] or [`OwnerError::Forged`].
    pub fn check(&self, key: &InstallKey, install: &InstallId, kind: ObjectKind, name: &str) -> Result<(), OwnerError> {
        if self.install != install.as_str() {
            return Err(OwnerError::OtherInstall { owner: self.install.clone(), ours: install.to_string() });
        }
        tag(key, &self.install, kind, name, self.nonce)
            .verify_slice(&self.mac)
            .map_err(|_| OwnerError::Forged { kind, name: name.to_owned() })
    }

    /// The nonce, as it stands in the journal's intent.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The install that it names; unproven until [`check`](Self::check).
    #[must_use]
    pub fn install(&self) -> &str {
        &self.install
    }
}

impl fmt::Display for OwnerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.install, self.nonce, to_hex(&self.mac))
    }
}

/// Each field is preceded by its length, so that no two tuples feed the same bytes.
fn tag(key: &InstallKey, install: &str, kind: ObjectKind, name: &str, nonce: Nonce) -> hmac::Hmac<sha2::Sha256> {
    [install.as_bytes(), kind.as_str().as_bytes(), name.as_bytes(), &nonce.0]
        .into_iter()
        .fold(key.derive("owner").hmac(), |mac, field| {
            mac.chain_update((field.len() as u64).to_be_bytes()).chain_update(field)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ours() -> (InstallKey, InstallId) {
        let key = InstallKey::from_bytes([1; 32]);
        let install = InstallId::of(&key);
        (key, install)
    }

    fn label(kind: ObjectKind, name: &str) -> OwnerLabel {
        let (key, install) = ours();
        OwnerLabel::mint(&key, &install, kind, name, Nonce::from_bytes([9; 16]))
    }

    fn check(text: &str, kind: ObjectKind, name: &str) -> Result<(), OwnerError> {
        let (key, install) = ours();
        OwnerLabel::parse(text)?.check(&key, &install, kind, name)
    }

    #[test]
    fn a_label_holds_for_its_own_object_alone() {
        let text = label(ObjectKind::Container, "app").to_string();
        assert_eq!(check(&text, ObjectKind::Container, "app"), Ok(()));
        for (kind, name) in [
            (ObjectKind::Container, "app-db"),
            (ObjectKind::Container, "ap"),
            (ObjectKind::Container, "App"),
            (ObjectKind::Container, ""),
            (ObjectKind::Volume, "app"),
            (ObjectKind::Pod, "app"),
        ] {
            assert_eq!(check(&text, kind, name), Err(OwnerError::Forged { kind, name: name.to_owned() }));
        }
    }

    #[test]
    fn another_install_is_named() {
        let key = InstallKey::from_bytes([2; 32]);
        let foreign = OwnerLabel::mint(&key, &InstallId::of(&key), ObjectKind::Pod, "p", Nonce::from_bytes([0; 16]));
        let error = check(&foreign.to_string(), ObjectKind::Pod, "p").unwrap_err();
        assert!(matches!(error, OwnerError::OtherInstall { .. }), "{error}");
    }

    #[test]
    fn another_key_under_our_name_is_a_forgery() {
        let (_, install) = ours();
        let key = InstallKey::from_bytes([2; 32]);
        let forged = OwnerLabel::mint(&key, &install, ObjectKind::Pod, "p", Nonce::from_bytes([0; 16]));
        assert!(matches!(check(&forged.to_string(), ObjectKind::Pod, "p"), Err(OwnerError::Forged { .. })));
    }

    #[test]
    fn no_two_tuples_feed_the_same_bytes() {
        let (key, install) = ours();
        let nonce = Nonce::from_bytes([9; 16]);
        let mac = |install: &str, name: &str| {
            to_hex(&tag(&key, install, ObjectKind::Pod, name, nonce).finalize().into_bytes())
        };
        let (a, b) = install.as_str().split_at(8);
        assert_ne!(mac(a, &format!("{b}x")), mac(install.as_str(), "x"));
    }

    #[test]
    fn only_our_own_spelling_parses() {
        let good = label(ObjectKind::Network, "n").to_string();
        assert!(OwnerLabel::parse(&good).is_ok());
        for bad in [
            "",
            ":",
            "::",
            "a:b:c",
            &good.to_uppercase(),
            &format!("{good}:"),
            &format!(" {good}"),
            &format!("{good}\n"),
        ] {
            assert_eq!(OwnerLabel::parse(bad).unwrap_err(), OwnerError::Malformed, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn labels_go_there_and_back(name in ".{0,40}", nonce in any::<[u8; 16]>()) {
            let (key, install) = ours();
            let made = OwnerLabel::mint(&key, &install, ObjectKind::Volume, &name, Nonce::from_bytes(nonce));
            let read = OwnerLabel::parse(&made.to_string()).unwrap();
            prop_assert_eq!(read.check(&key, &install, ObjectKind::Volume, &name), Ok(()));
            prop_assert_eq!(read.nonce(), Nonce::from_bytes(nonce));
        }

        #[test]
        fn any_changed_byte_is_noticed(at in 0usize..114, to in any::<u8>()) {
            let mut bytes = label(ObjectKind::Container, "app").to_string().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            let text = String::from_utf8_lossy(&bytes);
            prop_assert!(check(&text, ObjectKind::Container, "app").is_err());
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            drop(OwnerLabel::parse(&text));
        }
    }
}
