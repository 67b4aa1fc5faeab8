//! One approval as a file: a line of JSON, and under it the install's MAC over that line and the file's name.

use hmac::Mac;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest_text;
use crate::backend::BackendSource;
use crate::digest::Digest;
use crate::state::{DerivedKey, from_hex, to_hex};

/// What belongs to a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    pub(super) name: String,
    /// The digest of the component.
    pub(super) component: String,
    /// The digest of the grant.
    pub(super) grants: String,
    /// The file that it came from: for people, never opened again.
    pub(super) origin: String,
    /// When it was approved.
    pub(super) time: String,
}

impl Record {
    pub(super) fn new(name: &str, component: Digest, source: &BackendSource) -> Self {
        Self {
            version: 1,
            name: name.to_owned(),
            component: component.to_string(),
            grants: digest_text(source.grants.as_bytes()),
            origin: source.origin.clone(),
            time: Timestamp::now().to_string(),
        }
    }

    /// Of an approval that can't be read any more.
    pub(super) fn unknown(name: &str) -> Self {
        let nothing = String::new();
        let (component, grants, origin) = (nothing.clone(), nothing.clone(), nothing.clone());
        Self { version: 1, name: name.to_owned(), component, grants, origin, time: nothing }
    }

    /// The whole file.
    pub(super) fn sealed(&self, key: &DerivedKey) -> Result<String, serde_json::Error> {
        let line = serde_json::to_string(self)?;
        let seal = to_hex(&seal(key, &self.name, &line).finalize().into_bytes());
        Ok(format!("{line}\n{seal}\n"))
    }

    /// Reads a file that stands under this name.
    pub(super) fn open(text: &str, name: &str, key: &DerivedKey) -> Result<Self, String> {
        let broken = || "its record was changed, or is not this install's".to_owned();
        let (line, rest) = text.split_once('\n').ok_or_else(broken)?;
        let mac = rest.strip_suffix('\n').and_then(|hex| from_hex::<32>(hex.as_bytes())).ok_or_else(broken)?;
        seal(key, name, line).verify_slice(&mac).map_err(|_| broken())?;
        let record: Self = serde_json::from_str(line).map_err(|error| format!("its record can't be read: {error}"))?;
        match record.version {
            1 if record.name == name => Ok(record),
            1 => Err(broken()),
            version => Err(format!("its record has version {version}; this portreeve knows version 1")),
        }
    }
}

fn seal(key: &DerivedKey, name: &str, line: &str) -> hmac::Hmac<sha2::Sha256> {
    key.hmac().chain_update(name.as_bytes()).chain_update([0]).chain_update(line.as_bytes())
}
