//! The chain from a requested digest to an engine's image ID, link by link.
//!
//! Every byte that a link rests on is hashed here, whatever its source says of it. A link is *proved* only by
//! that; what nobody could hash stays *claimed* or *not checkable*, and the report says which.
//!
//! This module is pure: bytes come through [`ManifestSource`].

mod report;
mod walk;

pub use self::report::{Level, Link, Report, Status, Step};
pub(in crate::evidence) use self::walk::follow;
pub use self::walk::{Resolved, resolve};
use super::manifest::{ImageConfig, ManifestError, Platform};
use crate::digest::{Digest, DigestError, Mismatch};

/// What is asked of a source: registries keep the two in different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A manifest or an index.
    Manifest,
    /// An image's configuration.
    Config,
}

/// A place where the bytes of manifests and configurations may be had. It is not trusted.
pub trait ManifestSource {
    /// The bytes that hash to `digest`, as far as the source knows; at most
    /// [`MANIFEST_MAX`](super::manifest::MANIFEST_MAX).
    ///
    /// # Errors
    /// [`SourceError::Absent`] when they can't be had here; anything else is a fault that ends the verification.
    fn fetch(&self, digest: &Digest, content: Content) -> Result<Vec<u8>, SourceError>;
}

/// Why a source gave no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It does not have them, or can't be asked.
    #[error("{why}")]
    Absent {
        /// Why.
        why: String,
        /// What would help.
        remedy: String,
    },
    /// It has others under that digest.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// It broke the rules otherwise.
    #[error("{why}")]
    Fault {
        /// How.
        why: String,
    },
}

/// Several sources, asked in turn until one has the bytes. One that lies ends the search.
pub struct FirstOf<'a>(pub &'a [&'a dyn ManifestSource]);

impl ManifestSource for FirstOf<'_> {
    fn fetch(&self, digest: &Digest, content: Content) -> Result<Vec<u8>, SourceError> {
        let (mut whys, mut remedies) = (Vec::new(), Vec::new());
        for source in self.0 {
            match source.fetch(digest, content) {
                Err(SourceError::Absent { why, remedy }) => (whys.push(why), remedies.push(remedy)),
                found => return found,
            };
        }
        Err(SourceError::Absent { why: whys.join("; "), remedy: remedies.join("; or ") })
    }
}

/// Why an image is not the one that was requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Bytes that hash to something else.
    #[error("digest mismatch: {0}")]
    Mismatch(#[from] Mismatch),
    /// A source that broke the rules.
    #[error("{digest} could not be fetched: {why}")]
    Source {
        /// What was asked for.
        digest: Box<Digest>,
        /// What went wrong.
        why: String,
    },
    /// A document that is refused, though its bytes are the right ones.
    #[error("{digest}: {error}")]
    Document {
        /// The document.
        digest: Box<Digest>,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// An index that leads back to itself.
    #[error("the index {digest} leads back to itself")]
    Cycle {
        /// The index met twice.
        digest: Box<Digest>,
    },
    /// Indexes within indexes.
    #[error("indexes within indexes, more than {max} deep")]
    TooDeep {
        /// How deep they may be.
        max: usize,
    },
    /// An image ID that is none.
    #[error("the engine's image ID {found:?} is none: {error}")]
    ImageId {
        /// What the engine printed, cut at 100 characters.
        found: String,
        /// What is wrong with it.
        error: DigestError,
    },
    /// The engine's image is not the one requested.
    #[error("the engine's image {found} is not the one requested, which is {expected}")]
    WrongImage {
        /// The digest of the requested image's configuration.
        expected: Box<Digest>,
        /// The engine's image ID.
        found: Box<Digest>,
    },
    /// The engine's image is another entry of the index requested.
    #[error("the engine's image {found} is the index's entry for {platform}, not the one for {wanted}")]
    OtherEntry {
        /// The engine's image ID.
        found: Box<Digest>,
        /// The platform of that entry, or "no platform".
        platform: String,
        /// The platform wanted.
        wanted: Box<Platform>,
    },
}

impl ChainError {
    /// A short, stable word for the kind of error, as reports have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Mismatch(_) => "mismatch",
            Self::Source { .. } => "source",
            Self::Document { .. } => "document",
            Self::Cycle { .. } => "cycle",
            Self::TooDeep { .. } => "too-deep",
            Self::ImageId { .. } => "image-id",
            Self::WrongImage { .. } => "wrong-image",
            Self::OtherEntry { .. } => "other-entry",
        }
    }
}

/// As [`verify`], but what is wrong is a link of the report, [failed](Status::Failed), and ends it.
#[must_use]
pub fn examine(requested: &Digest, platform: &Platform, engine_id: &str, source: &dyn ManifestSource) -> Report {
    let failed = |error: &ChainError, from: String, to: &str| {
        let to: String = to.chars().take(100).collect();
        Link::failed(Step::ImageId, from, to, error.kind(), error)
    };
    let id = match parse_engine_id(engine_id) {
        Ok(id) => id,
        Err(error) => {
            let mut report = Report::of(&Resolved::begin(requested, platform));
            report.push(failed(&error, requested.to_string(), engine_id));
            return report;
        }
    };
    let (resolved, failure) = follow(requested, platform, Some(&id), source);
    let mut report = Report::of(&resolved);
    report.image_id = Some(id);
    match image_id_link(&resolved, &id, source) {
        _ if failure.is_some() => return report,
        Ok(link) => report.push(link),
        Err(error) => {
            let from =
                resolved.config_digest().map_or_else(|| requested.to_string(), |config| format!("config {config}"));
            report.push(failed(&error, from, engine_id));
            report.sort();
            return report;
        }
    }
    complete(&mut report, &resolved, &id, source);
    report
}

/// Verifies that the engine's image `engine_id` is the one that `requested` names on `platform`.
///
/// The ID may be bare hex or `sha256:…`. It is right when it is the proved configuration's digest, or, as
/// containerd's store has it, the proved platform manifest's or the requested one. Where nothing could be hashed,
/// the report says so and its [`level`](Report::level) is [`Level::Claimed`].
///
/// # Errors
/// [`ChainError`] when anything is proved to be wrong.
pub fn verify(
    requested: &Digest,
    platform: &Platform,
    engine_id: &str,
    source: &dyn ManifestSource,
) -> Result<Report, ChainError> {
    let id = parse_engine_id(engine_id)?;
    let resolved = resolve(requested, platform, Some(&id), source)?;
    let mut report = Report::of(&resolved);
    report.push(image_id_link(&resolved, &id, source)?);
    report.image_id = Some(id);
    complete(&mut report, &resolved, &id, source);
    Ok(report)
}

/// The links behind the image ID, before anybody read the layers.
fn complete(report: &mut Report, resolved: &Resolved, id: &Digest, source: &dyn ManifestSource) {
    if let Some(config) = config_alone(resolved, id, source) {
        let to = format!("{} diff ids", config.diff_ids().len());
        report.push(Link::proved(Step::DiffIds, format!("config {id}"), to));
        report.diff_ids = config.diff_ids().to_vec();
    }
    report.push(Link::content_unread(resolved));
    report.sort();
}

/// The configuration that the engine's ID is the digest of, where no manifest leads to one: the layers can be proved
/// to be those of the engine's image, whatever was requested.
fn config_alone(resolved: &Resolved, id: &Digest, source: &dyn ManifestSource) -> Option<ImageConfig> {
    if resolved.manifest.is_some() {
        return None;
    }
    let bytes = source.fetch(id, Content::Config).ok()?;
    id.verify(&bytes).ok().and_then(|()| ImageConfig::parse_alone(&bytes).ok())
}

/// An image ID as engines print it: `sha256:` and hex, or the hex alone.
///
/// # Errors
/// [`ChainError::ImageId`].
pub fn parse_engine_id(text: &str) -> Result<Digest, ChainError> {
    let parsed = if text.contains(':') { text.parse() } else { Digest::from_sha256_hex(text) };
    parsed.map_err(|error| ChainError::ImageId { found: text.chars().take(100).collect(), error })
}

fn image_id_link(resolved: &Resolved, id: &Digest, source: &dyn ManifestSource) -> Result<Link, ChainError> {
    if let Some(named) = proved_name(resolved, id) {
        return Ok(Link::proved(Step::ImageId, named, *id));
    }
    if let Some(platform) = resolved.other_entry(id, source) {
        let wanted = Box::new(resolved.platform.clone());
        return Err(ChainError::OtherEntry { found: Box::new(*id), platform, wanted });
    }
    match resolved.config_digest() {
        Some(expected) => Err(ChainError::WrongImage { expected: Box::new(expected), found: Box::new(*id) }),
        None => Ok(Link::claimed(Step::ImageId, resolved.requested, *id)),
    }
}

/// Which proved document the ID names. A digest that stands in hashed bytes is as good as hashed; the requested
/// one counts only when its own bytes were.
fn proved_name(resolved: &Resolved, id: &Digest) -> Option<String> {
    let is_root = resolved.root_is_proved && resolved.requested == *id;
    let candidates = [
        ("config", resolved.config_digest()),
        ("manifest", resolved.manifest_digest()),
        ("requested", is_root.then_some(resolved.requested)),
    ];
    let named = candidates.into_iter().find(|(_, digest)| digest.as_ref() == Some(id));
    named.map(|(what, digest)| digest.map_or_else(String::new, |digest| format!("{what} {digest}")))
}

impl Resolved {
    /// The configuration, if its bytes were to be had.
    #[must_use]
    pub fn config(&self) -> Option<&ImageConfig> {
        self.config.as_ref()
    }
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "a wrong cut fails the test")]
mod tests;
