//! Image references as callers write them: `registry/repository:tag@digest`.
//!
//! The grammar is that of the [OCI distribution specification][oci] for repositories, tags and digests, and of
//! the [`reference` package][go] for registries, made strict where engines disagree with each other: one
//! spelling per host (lower case, no leading zeros), no transport prefix, no bare image ID, ASCII alone.
//! Short names are read as docker reads them: `nginx` is `docker.io/library/nginx:latest`.
//!
//! This module is pure: it resolves nothing.
//!
//! [oci]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
//! [go]: https://github.com/distribution/reference/blob/main/reference.go

mod grammar;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, DigestError};

/// The registry of short names.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The tag of a reference that names neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";
/// The longest `registry/repository`, in bytes.
pub const NAME_MAX: usize = 255;
/// The longest tag, in bytes.
pub const TAG_MAX: usize = 128;

/// An image reference, normalised.
///
/// [`Display`](fmt::Display) prints the normalised form, which parses to an equal reference. A tag that was
/// not written counts as `latest` when there is no digest either; [`tag_was_written`](Self::tag_was_written)
/// remembers the difference, which equality does not see.
#[derive(Clone, Debug)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry, `host` or `host:port`; an IPv6 host stands in brackets.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry, such as `library/nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag: as written, or `latest` when neither tag nor digest was.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some(DEFAULT_TAG),
            (None, Some(_)) => None,
        }
    }

    /// Whether the caller wrote the tag.
    #[must_use]
    pub const fn tag_was_written(&self) -> bool {
        self.tag.is_some()
    }

    /// The digest. Beside a tag it is the digest that decides.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether a digest was written, so that the reference can mean one content only.
    #[must_use]
    pub const fn is_pinned(&self) -> bool {
        self.digest.is_some()
    }

    /// `registry/repository`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// `registry/repository@digest`, without the tag; `None` when nothing was pinned.
    #[must_use]
    pub fn pinned(&self) -> Option<String> {
        self.digest.map(|digest| format!("{}@{digest}", self.name()))
    }

    /// The same name and tag, pinned to `digest`: what a tag was found to mean.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: self.tag().map(str::to_owned), digest: Some(digest), ..self.clone() }
    }

    /// Whether the registry is this machine by its very name: `localhost`, `127.0.0.0/8` or `[::1]`, at any port.
    #[must_use]
    pub fn is_loopback_registry(&self) -> bool {
        is_loopback_host(grammar::host_of(&self.registry))
    }

    fn key(&self) -> (&str, &str, Option<&str>, Option<&Digest>) {
        (&self.registry, &self.repository, self.tag(), self.digest())
    }
}

/// Whether a host, without its port, is this machine by its very name.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match address {
        Some(v6) => v6.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback()),
        None => host == "localhost" || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback()),
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Reference {}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        match self.digest() {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        grammar::parse(text)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a string is not an image reference. Positions are byte offsets in the string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is nothing.
    #[error("the reference is empty: write registry/repository@sha256:…")]
    Empty,
    /// A space, a line's end, NUL or another control character.
    #[error("white space or control character {found:?} at {at}: a reference has none, not even at its end")]
    Blank {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// A letter outside ASCII, such as a look-alike.
    #[error("{found:?} at {at} is not ASCII: write an international host name in its xn-- form")]
    NotAscii {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// A transport or scheme, such as `docker://` or `oci:`.
    #[error("the transport {prefix:?}: leave it out, images come from registries only")]
    Transport {
        /// The prefix, with its colon.
        prefix: String,
    },
    /// An image ID (64 or 12 hex digits) instead of a name.
    #[error("a bare image ID names no repository: write registry/repository@sha256:…")]
    BareId,
    /// A digest where a name and tag should be: `sha256:…` alone, or as a repository's last part.
    #[error("a digest after a colon at {at} would be read as a tag: write repository@sha256:…")]
    DigestAsTag {
        /// Where the algorithm stands.
        at: usize,
    },
    /// Nothing before the tag or digest.
    #[error("no name at {at}: write registry/repository before the tag or digest")]
    NoName {
        /// Where it should stand.
        at: usize,
    },
    /// Two slashes in a row, or one at the beginning or end of the name.
    #[error("an empty part at {at}: write one slash between two parts of a name")]
    EmptyPart {
        /// Where it should stand.
        at: usize,
    },
    /// The name is too long.
    #[error("the name has {found} bytes with its registry: {NAME_MAX} are allowed")]
    NameTooLong {
        /// How long it is, normalised.
        found: usize,
    },
    /// An upper-case letter in a registry or repository.
    #[error("upper-case {found:?} at {at}: registries and repositories are written in lower case")]
    UpperCase {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// A character that a repository cannot have.
    #[error("{found:?} at {at} cannot stand in a repository: a-z, 0-9 and single separators can")]
    BadRepository {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// A separator of a repository at an end of a part, or beside another one.
    #[error("misplaced separator at {at}: one of . _ __ or dashes stands between letters or digits")]
    BadSeparator {
        /// Where it stands.
        at: usize,
    },
    /// A registry that is not a host name.
    #[error("not a host name at {at}: labels of letters, digits and inner dashes with dots between, 63 bytes at most")]
    BadHost {
        /// Where the fault is.
        at: usize,
    },
    /// A registry whose last label is a number but which is no IPv4 address.
    #[error("not an IPv4 address at {at}: write four decimal numbers from 0 to 255, without leading zeros")]
    BadIpv4 {
        /// Where it begins.
        at: usize,
    },
    /// A registry in brackets which is no IPv6 address.
    #[error("not an IPv6 address at {at}: write it in lower-case hex between brackets, without a zone")]
    BadIpv6 {
        /// Where it begins.
        at: usize,
    },
    /// A port that is none.
    #[error("not a port at {at}: write 1 to 65535, without leading zeros")]
    BadPort {
        /// Where it begins.
        at: usize,
    },
    /// A colon with no tag after it.
    #[error("no tag at {at}: write one after the colon, or leave the colon out")]
    EmptyTag {
        /// Where it should stand.
        at: usize,
    },
    /// A character that a tag cannot have there.
    #[error("{found:?} at {at} cannot stand there in a tag: letters, digits and _ can, and after the first . and -")]
    BadTag {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// The tag is too long.
    #[error("the tag has {found} bytes, too many from {at} on: {TAG_MAX} are allowed")]
    TagTooLong {
        /// Where the first byte too many stands.
        at: usize,
        /// How long it is.
        found: usize,
    },
    /// What follows the `@` is not a digest.
    #[error("the digest at {start}: {error}")]
    Digest {
        /// Where the digest begins; the error's own positions count from there.
        start: usize,
        /// What is wrong with it.
        error: DigestError,
    },
}

impl ReferenceError {
    /// Where the fault is: a byte offset in the string.
    #[must_use]
    pub const fn position(&self) -> usize {
        match self {
            Self::Empty | Self::Transport { .. } | Self::BareId => 0,
            Self::NameTooLong { .. } => 0,
            Self::Blank { at, .. }
            | Self::NotAscii { at, .. }
            | Self::DigestAsTag { at }
            | Self::NoName { at }
            | Self::EmptyPart { at }
            | Self::UpperCase { at, .. }
            | Self::BadRepository { at, .. }
            | Self::BadSeparator { at }
            | Self::BadHost { at }
            | Self::BadIpv4 { at }
            | Self::BadIpv6 { at }
            | Self::BadPort { at }
            | Self::EmptyTag { at }
            | Self::BadTag { at, .. }
            | Self::TagTooLong { at, .. } => *at,
            Self::Digest { start, error } => *start + error.position(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "a wrong cut fails the test")]
mod tests;
