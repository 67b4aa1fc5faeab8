//! Manifests, indexes and image configurations, read strictly from their bytes.
//!
//! The documents are those of the [OCI image specification][oci] and of [docker's schema 2][docker]. What two readers
//! could read in two ways is refused: equal keys, keys that differ by case, a document that is manifest and index
//! at once (CVE-2021-41190), a media type or size other than the descriptor's.
//!
//! Nothing here hashes: [`chain`](super::chain) proves the bytes first.
//!
//! [oci]: https://github.com/opencontainers/image-spec/blob/main/manifest.md
//! [docker]: https://github.com/distribution/distribution/blob/main/docs/content/spec/manifest-v2-2.md

mod config;
mod error;
mod json;
mod platform;

use base64::Engine as _;
use serde_json::Value;

pub use self::config::ImageConfig;
pub use self::error::ManifestError;
use self::json::Object;
pub use self::platform::{Platform, PlatformError};
use crate::digest::Digest;

/// The largest manifest, index or configuration, in bytes: 4 MiB, as the distribution specification advises.
pub const MANIFEST_MAX: u64 = 4 << 20;

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a docker manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a docker manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
const SCHEMA1_TYPES: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

const DOCUMENT_FIELDS: [&str; 14] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "history",
    "signatures",
    "blobs",
    "name",
    "tag",
];
const DESCRIPTOR_FIELDS: [&str; 8] =
    ["mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"];
const PLATFORM_FIELDS: [&str; 6] = ["architecture", "os", "os.version", "os.features", "variant", "features"];
/// What some content is said to be: type, digest, size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

impl Descriptor {
    /// Whether content of `len` bytes can be what this describes.
    ///
    /// # Errors
    /// [`ManifestError::Size`].
    pub const fn check_size(&self, len: u64) -> Result<(), ManifestError> {
        if self.size == len { Ok(()) } else { Err(ManifestError::Size { expected: self.size, found: len }) }
    }

    fn parse(value: &Value, path: &str) -> Result<Self, ManifestError> {
        let object = Object::new(value, path, &DESCRIPTOR_FIELDS)?;
        if object.has("urls") && !object.array("urls")?.is_empty() {
            return Err(ManifestError::Foreign { path: path.to_owned() });
        }
        let media_type = object.string("mediaType")?.to_owned();
        let descriptor = Self { media_type, digest: object.digest("digest")?, size: object.number("size")? };
        match object.optional_string("data")? {
            Some(data) if !descriptor.describes(data) => Err(ManifestError::Data { path: object.path("data") }),
            _ => Ok(descriptor),
        }
    }

    /// Whether base64 `data` is the content described.
    fn describes(&self, data: &str) -> bool {
        let bytes = base64::engine::general_purpose::STANDARD.decode(data);
        bytes.is_ok_and(|bytes| bytes.len() as u64 == self.size && self.digest.verify(&bytes).is_ok())
    }
}

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several, by platform.
    Index(Index),
}

impl Document {
    /// Reads a document that a digest alone asked for.
    ///
    /// # Errors
    /// [`ManifestError`] on anything but one well-formed manifest or index.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let value = json::parse(bytes)?;
        let object = Object::new(&value, "", &DOCUMENT_FIELDS)?;
        check_schema(&object)?;
        match shape(&object)? {
            OCI_MANIFEST => Manifest::parse(&object, OCI_MANIFEST).map(Self::Manifest),
            DOCKER_MANIFEST => Manifest::parse(&object, DOCKER_MANIFEST).map(Self::Manifest),
            OCI_INDEX => Index::parse(&object, OCI_INDEX).map(Self::Index),
            DOCKER_INDEX => Index::parse(&object, DOCKER_INDEX).map(Self::Index),
            other => Err(unknown_type(other)),
        }
    }

    /// Reads a document that an index describes.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and when its size or type is not as described.
    pub fn parse_described(bytes: &[u8], descriptor: &Descriptor) -> Result<Self, ManifestError> {
        descriptor.check_size(bytes.len() as u64)?;
        let document = Self::parse(bytes)?;
        document.check_media_type(&descriptor.media_type)?;
        Ok(document)
    }

    /// The media type: written in the document, or that of its shape.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self {
            Self::Manifest(manifest) => manifest.media_type,
            Self::Index(index) => index.media_type,
        }
    }

    /// Compares the media type with what a descriptor or a registry's `Content-Type` announced.
    ///
    /// # Errors
    /// [`ManifestError::MediaType`].
    pub fn check_media_type(&self, expected: &str) -> Result<(), ManifestError> {
        if self.media_type() == expected {
            return Ok(());
        }
        Err(ManifestError::MediaType { expected: expected.to_owned(), found: self.media_type().to_owned() })
    }
}

/// Whether a media type is one of the four that a [`Document`] can have.
#[must_use]
pub fn is_document_type(media_type: &str) -> bool {
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX].contains(&media_type)
}

fn check_schema(object: &Object<'_>) -> Result<(), ManifestError> {
    let is_old = object.optional_string("mediaType")?.is_some_and(|found| SCHEMA1_TYPES.contains(&found));
    if is_old || object.has("fsLayers") {
        return Err(ManifestError::Schema1);
    }
    match object.number("schemaVersion")? {
        2 => Ok(()),
        1 => Err(ManifestError::Schema1),
        found => Err(ManifestError::SchemaVersion { found }),
    }
}

/// The document's media type. OCI lets it be left out; then the fields tell, and may not tell two things.
fn shape<'a>(object: &Object<'a>) -> Result<&'a str, ManifestError> {
    match object.optional_string("mediaType")? {
        Some(written) => Ok(written),
        None if object.has("manifests") => Ok(OCI_INDEX),
        None => Ok(OCI_MANIFEST),
    }
}

fn refuse_mixed(object: &Object<'_>, kind: &'static str, fields: &[&'static str]) -> Result<(), ManifestError> {
    match fields.iter().find(|field| object.has(field)) {
        Some(field) => Err(ManifestError::Mixed { field, kind }),
        None => Ok(()),
    }
}

fn unknown_type(found: &str) -> ManifestError {
    ManifestError::UnknownMediaType { found: found.to_owned() }
}

/// The manifest of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Layer>,
}

impl Manifest {
    /// Its media type.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &Descriptor {
        &self.config
    }

    /// Its layers, lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn parse(object: &Object<'_>, media_type: &'static str) -> Result<Self, ManifestError> {
        refuse_mixed(object, "a manifest", &["manifests", "history", "signatures", "blobs"])?;
        check_subject(object)?;
        let config = Descriptor::parse(object.required("config")?, "config")?;
        if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
            return Err(ManifestError::NotAnImage { found: config.media_type });
        }
        let layer = |(i, value)| Layer::parse(value, &format!("layers[{i}]"));
        let layers = object.array("layers")?.iter().enumerate().map(layer).collect::<Result<_, _>>()?;
        Ok(Self { media_type, config, layers })
    }
}

fn check_subject(object: &Object<'_>) -> Result<(), ManifestError> {
    object.get("subject").map_or(Ok(()), |subject| Descriptor::parse(subject, "subject").map(drop))
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is said to be.
    pub descriptor: Descriptor,
    /// How its tar archive is stored.
    pub compression: Compression,
}

/// How a layer's tar archive is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As it is.
    None,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
    /// In a way this program does not know, encrypted perhaps.
    Other,
}

impl Layer {
    fn parse(value: &Value, path: &str) -> Result<Self, ManifestError> {
        let descriptor = Descriptor::parse(value, path)?;
        let is_foreign = ["nondistributable", "foreign"].iter().any(|word| descriptor.media_type.contains(word));
        if is_foreign {
            return Err(ManifestError::Foreign { path: path.to_owned() });
        }
        let compression = Compression::of(&descriptor.media_type);
        Ok(Self { descriptor, compression })
    }
}

impl Compression {
    fn of(media_type: &str) -> Self {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => Self::None,
            "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                Self::Gzip
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
                Self::Zstd
            }
            _ => Self::Other,
        }
    }
}

/// An index: images by platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    media_type: &'static str,
    entries: Vec<Entry>,
}

/// One image, or one further index, of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is said to be.
    pub descriptor: Descriptor,
    /// Where it runs, if the index says so.
    pub platform: Option<Platform>,
}

impl Index {
    /// Its entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries that serve `wanted` best, in order: engines take the first, or prefer one of them by its
    /// compression.
    ///
    /// # Errors
    /// [`ManifestError::NoPlatform`] when none serves. An image that names no platform serves none; a further index that
    /// names none may hold one that does.
    pub fn choose(&self, wanted: &Platform) -> Result<Vec<&Entry>, ManifestError> {
        let rank = |entry: &Entry| entry.rank(wanted);
        let Some(best) = self.entries.iter().filter_map(rank).min() else {
            let further: Vec<&Entry> = self.entries.iter().filter(|entry| entry.is_further_index()).collect();
            if !further.is_empty() {
                return Ok(further);
            }
            return Err(ManifestError::NoPlatform { wanted: Box::new(wanted.clone()), offered: self.offered() });
        };
        Ok(self.entries.iter().filter(|entry| rank(entry) == Some(best)).collect())
    }

    fn offered(&self) -> String {
        let name = |entry: &Entry| entry.platform.as_ref().map_or("no platform".to_owned(), Platform::to_string);
        let names: Vec<String> = self.entries.iter().take(20).map(name).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    }

    /// Reads a document that can be nothing but an index, such as a layout's `index.json`.
    pub(super) fn parse_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let value = json::parse(bytes)?;
        let object = Object::new(&value, "", &DOCUMENT_FIELDS)?;
        check_schema(&object)?;
        match object.optional_string("mediaType")?.unwrap_or(OCI_INDEX) {
            OCI_INDEX => Self::parse(&object, OCI_INDEX),
            DOCKER_INDEX => Self::parse(&object, DOCKER_INDEX),
            other => Err(unknown_type(other)),
        }
    }

    fn parse(object: &Object<'_>, media_type: &'static str) -> Result<Self, ManifestError> {
        refuse_mixed(object, "an index", &["config", "layers", "history", "signatures", "blobs"])?;
        check_subject(object)?;
        let entry = |(i, value)| Entry::parse(value, &format!("manifests[{i}]"));
        let entries = object.array("manifests")?.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { media_type, entries })
    }
}

impl Entry {
    /// An index of no platform in particular.
    fn is_further_index(&self) -> bool {
        self.platform.is_none() && [OCI_INDEX, DOCKER_INDEX].contains(&self.descriptor.media_type.as_str())
    }

    /// An entry that is no image, such as a signature, serves no platform.
    fn rank(&self, wanted: &Platform) -> Option<u32> {
        let offered = self.platform.as_ref().filter(|_| is_document_type(&self.descriptor.media_type));
        offered.and_then(|offered| wanted.rank(offered))
    }

    fn parse(value: &Value, path: &str) -> Result<Self, ManifestError> {
        let descriptor = Descriptor::parse(value, path)?;
        if is_document_type(&descriptor.media_type) && descriptor.size > MANIFEST_MAX {
            return Err(ManifestError::TooLarge { size: descriptor.size });
        }
        let platform = value.get("platform").map(|platform| parse_platform(platform, &format!("{path}.platform")));
        Ok(Self { descriptor, platform: platform.transpose()? })
    }
}

fn parse_platform(value: &Value, path: &str) -> Result<Platform, ManifestError> {
    let object = Object::new(value, path, &PLATFORM_FIELDS)?;
    platform_of(&object, path)
}

fn platform_of(object: &Object<'_>, path: &str) -> Result<Platform, ManifestError> {
    let variant = object.optional_string("variant")?;
    Platform::new(object.string("os")?, object.string("architecture")?, variant)
        .map_err(|error| ManifestError::Platform { path: path.to_owned(), error })
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "a wrong cut fails the test")]
mod tests;
