//! Image configurations: where an image runs, and what its layers are.

use serde_json::Value;

use super::json::{self, Object};
use super::{Manifest, ManifestError, Platform, platform_of};
use crate::digest::Digest;

const CONFIG_FIELDS: [&str; 8] = ["created", "author", "architecture", "os", "variant", "config", "rootfs", "history"];

/// What a container of the image is run with, as OCI and Docker have it: engines read these names whatever their case.
#[rustfmt::skip]
const RUN_FIELDS: [&str; 28] = [
    "ArgsEscaped", "AttachStderr", "AttachStdin", "AttachStdout", "Cmd", "CpuShares", "Domainname", "Entrypoint", "Env", "ExposedPorts", "Healthcheck",
    "Hostname", "Image", "Labels", "MacAddress", "Memory", "MemorySwap", "NetworkDisabled", "OnBuild", "OpenStdin", "Shell", "StdinOnce", "StopSignal",
    "StopTimeout", "Tty", "User", "Volumes", "WorkingDir",
];

/// What the host needs of an image's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    platform: Platform,
    diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// Reads the configuration that `manifest` describes, and compares the two.
    ///
    /// # Errors
    /// [`ManifestError`] on anything but a well-formed configuration of the described size, with one `diff_id`
    /// for each layer.
    pub fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, ManifestError> {
        manifest.config().check_size(bytes.len() as u64)?;
        let config = Self::parse_alone(bytes)?;
        let (layers, diff_ids) = (manifest.layers().len(), config.diff_ids.len());
        if layers == diff_ids { Ok(config) } else { Err(ManifestError::DiffIds { layers, diff_ids }) }
    }

    /// Reads a configuration whose manifest is not to be had.
    ///
    /// # Errors
    /// [`ManifestError`] on anything but a well-formed configuration.
    pub fn parse_alone(bytes: &[u8]) -> Result<Self, ManifestError> {
        let value = json::parse(bytes)?;
        let object = Object::new(&value, "", &CONFIG_FIELDS)?;
        if let Some(run) = value.get("config").filter(|run| !run.is_null()) {
            Object::new(run, "config", &RUN_FIELDS)?;
        }
        Ok(Self { platform: platform_of(&object, "the configuration")?, diff_ids: diff_ids(&object)? })
    }

    /// Where the image runs, by its own account.
    #[must_use]
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The digests of the layers' tar archives, uncompressed, lowest first.
    #[must_use]
    pub fn diff_ids(&self) -> &[Digest] {
        &self.diff_ids
    }

    /// Compares the platform with what an index said; variants may differ, as tools often leave them out.
    ///
    /// # Errors
    /// [`ManifestError::PlatformMismatch`].
    pub fn check_platform(&self, expected: &Platform) -> Result<(), ManifestError> {
        if expected.is_same_machine(&self.platform) {
            return Ok(());
        }
        Err(ManifestError::PlatformMismatch {
            expected: Box::new(expected.clone()),
            found: Box::new(self.platform.clone()),
        })
    }
}

fn diff_ids(config: &Object<'_>) -> Result<Vec<Digest>, ManifestError> {
    let rootfs = Object::new(config.required("rootfs")?, "rootfs", &["type", "diff_ids"])?;
    if rootfs.string("type")? != "layers" {
        return Err(json::wrong_type("rootfs.type", "the word \"layers\""));
    }
    let digest = |(i, value): (usize, &Value)| {
        let path = format!("rootfs.diff_ids[{i}]");
        json::parse_digest(value.as_str().ok_or_else(|| json::wrong_type(&path, "a string"))?, &path)
    };
    rootfs.array("diff_ids")?.iter().enumerate().map(digest).collect()
}
