//! Why a manifest, an index or a configuration is refused.

use super::{MANIFEST_MAX, Platform, PlatformError};
use crate::digest::DigestError;

/// Why a document is refused. Paths are field names with dots and indices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// More than [`MANIFEST_MAX`] bytes, or a descriptor that says so.
    #[error("the document has {size} bytes: {MANIFEST_MAX} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// Not JSON.
    #[error("not a JSON document: {message}")]
    Json {
        /// The parser's words.
        message: String,
    },
    /// Something after the document.
    #[error("something follows the JSON document: it must be alone")]
    TrailingData,
    /// Too many values.
    #[error("the document holds more values than any image needs")]
    TooComplex,
    /// One key twice in an object.
    #[error("the key {key:?} stands twice in one object")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// Two keys, or a key and a known field, that some readers take for the same.
    #[error("the key {key:?} differs from {like:?} by case alone")]
    KeyCase {
        /// The key.
        key: String,
        /// What it could be taken for.
        like: String,
    },
    /// A value of the wrong type.
    #[error("{path} is not {wanted}")]
    WrongType {
        /// Where it stands.
        path: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A required field that is not there.
    #[error("{path} is missing")]
    Missing {
        /// Where it should stand.
        path: String,
    },
    /// Docker's first schema, whose digest does not cover what is stored.
    #[error("a schema 1 manifest: its digest proves nothing, push the image again with a current tool")]
    Schema1,
    /// Another schema version.
    #[error("schemaVersion is {found}: 2 is the one in use")]
    SchemaVersion {
        /// What it is.
        found: u64,
    },
    /// A media type that is no manifest and no index.
    #[error("{found:?} is not the media type of a manifest or an index")]
    UnknownMediaType {
        /// What it is.
        found: String,
    },
    /// A media type other than the descriptor or the registry said.
    #[error("the media type is {found:?}, but {expected:?} was announced")]
    MediaType {
        /// What the descriptor or the registry said.
        expected: String,
        /// What the document is.
        found: String,
    },
    /// A size other than the descriptor said.
    #[error("the content has {found} bytes, its descriptor says {expected}")]
    Size {
        /// What the descriptor said.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// Fields of two kinds of document in one.
    #[error("{field} does not belong into {kind}: the document could be read in two ways")]
    Mixed {
        /// The field that does not belong.
        field: &'static str,
        /// What the document says it is.
        kind: &'static str,
    },
    /// Something else than a container image.
    #[error("not a container image: its config is {found:?}")]
    NotAnImage {
        /// The media type of its configuration.
        found: String,
    },
    /// A string that should be a digest.
    #[error("{path} is not a digest: {error}")]
    Digest {
        /// Where it stands.
        path: String,
        /// What is wrong with it.
        error: DigestError,
    },
    /// A layer or document that is to be fetched from somewhere else.
    #[error("{path} points to foreign URLs: content comes from the registry only")]
    Foreign {
        /// Where the descriptor stands.
        path: String,
    },
    /// Content embedded in a descriptor that is not what the descriptor describes.
    #[error("{path} is not base64 of what its descriptor describes")]
    Data {
        /// Where it stands.
        path: String,
    },
    /// A platform that is none.
    #[error("{path}: {error}")]
    Platform {
        /// Where it stands.
        path: String,
        /// What is wrong with it.
        error: PlatformError,
    },
    /// An index without the platform wanted.
    #[error("the index has no image for {wanted}; it has: {offered}")]
    NoPlatform {
        /// The platform wanted.
        wanted: Box<Platform>,
        /// Those it has, with commas between.
        offered: String,
    },
    /// A configuration for another platform than the index says.
    #[error("the index says {expected}, the image's own configuration {found}")]
    PlatformMismatch {
        /// What the index said.
        expected: Box<Platform>,
        /// What the configuration says.
        found: Box<Platform>,
    },
    /// Not one `diff_id` for each layer.
    #[error("{layers} layers but {diff_ids} diff_ids: there is one for each")]
    DiffIds {
        /// How many layers the manifest has.
        layers: usize,
        /// How many `diff_ids` the configuration has.
        diff_ids: usize,
    },
}
