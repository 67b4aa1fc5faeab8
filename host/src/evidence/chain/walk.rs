//! The walk from a digest to a configuration, hashing each document on the way.

use super::super::manifest::{
    DOCKER_INDEX, Document, Entry, ImageConfig, Index, MANIFEST_MAX, Manifest, ManifestError, OCI_INDEX, Platform,
};
use super::report::{Link, Step};
use super::{ChainError, Content, ManifestSource, SourceError};
use crate::digest::Digest;

/// How many indexes may stand between the request and the manifest.
const DEPTH_MAX: usize = 4;
/// How many documents may be fetched beside the chain itself, to tell which entry an engine took.
const LOOKS_MAX: usize = 16;

/// What the walk found.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub(super) requested: Digest,
    pub(super) platform: Platform,
    pub(super) root_is_proved: bool,
    pub(super) manifest: Option<Manifest>,
    pub(super) config: Option<ImageConfig>,
    pub(super) links: Vec<Link>,
    manifest_digest: Option<Digest>,
    entries: Vec<Entry>,
}

impl Resolved {
    /// The digest of the platform's manifest: that of its bytes, or one that stands in the proved index.
    #[must_use]
    pub const fn manifest_digest(&self) -> Option<Digest> {
        self.manifest_digest
    }

    /// The manifest, if its bytes were to be had.
    #[must_use]
    pub const fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The digest of the configuration, as the proved manifest names it.
    #[must_use]
    pub fn config_digest(&self) -> Option<Digest> {
        self.manifest.as_ref().map(|manifest| manifest.config().digest)
    }

    /// The platform of the entry, other than the one wanted, that `id` belongs to.
    pub(super) fn other_entry(&self, id: &Digest, source: &dyn ManifestSource) -> Option<String> {
        let name =
            |entry: &Entry| entry.platform.as_ref().map_or_else(|| "no platform".to_owned(), Platform::to_string);
        let named = self.entries.iter().find(|entry| entry.descriptor.digest == *id);
        let leads = |entry: &&Entry| config_of(entry, source) == Some(*id);
        named.or_else(|| self.entries.iter().take(LOOKS_MAX).find(leads)).map(name)
    }
}

/// The digest of the configuration that an entry leads to, if it can be proved here and now.
fn config_of(entry: &Entry, source: &dyn ManifestSource) -> Option<Digest> {
    let bytes = source.fetch(&entry.descriptor.digest, Content::Manifest).ok()?;
    entry.descriptor.digest.verify(&bytes).ok()?;
    match Document::parse_described(&bytes, &entry.descriptor).ok()? {
        Document::Manifest(manifest) => Some(manifest.config().digest),
        Document::Index(_) => None,
    }
}

/// Follows `requested` to the configuration of the image for `platform`.
///
/// Where an index has several entries for the platform, alike but for their compression, the one that leads to the
/// engine's image ID, if that is known, is taken; else the first.
///
/// # Errors
/// [`ChainError`] when anything met on the way is wrong. What can't be had ends the walk without an error.
pub fn resolve(
    requested: &Digest,
    platform: &Platform,
    engine_id: Option<&Digest>,
    source: &dyn ManifestSource,
) -> Result<Resolved, ChainError> {
    let (resolved, failure) = follow(requested, platform, engine_id, source);
    failure.map_or(Ok(resolved), Err)
}

/// As [`resolve`]; where something is wrong, what was found up to there, with the link that it is wrong with.
pub(in crate::evidence) fn follow(
    requested: &Digest,
    platform: &Platform,
    engine_id: Option<&Digest>,
    source: &dyn ManifestSource,
) -> (Resolved, Option<ChainError>) {
    let at = (Step::Requested, "requested".to_owned(), requested.to_string());
    let mut walk = Walk { resolved: Resolved::begin(requested, platform), engine_id, source, seen: Vec::new(), at };
    let failure = walk.root().err();
    if let Some(error) = &failure {
        let (step, from, to) = &walk.at;
        walk.resolved.links.push(Link::failed(*step, from, to, error.kind(), error));
    }
    (walk.resolved, failure)
}

impl Resolved {
    pub(super) fn begin(requested: &Digest, platform: &Platform) -> Self {
        Self {
            requested: *requested,
            platform: platform.clone(),
            root_is_proved: false,
            manifest: None,
            config: None,
            links: Vec::new(),
            manifest_digest: None,
            entries: Vec::new(),
        }
    }
}

struct Walk<'a> {
    resolved: Resolved,
    engine_id: Option<&'a Digest>,
    source: &'a dyn ManifestSource,
    seen: Vec<Digest>,
    /// The link that is looked at: where one that fails begins and ends.
    at: (Step, String, String),
}

/// Bytes that were hashed, or why there are none.
enum Fetched {
    Proved(Vec<u8>),
    Absent { why: String, remedy: String },
}

impl Walk<'_> {
    fn root(&mut self) -> Result<(), ChainError> {
        let digest = self.resolved.requested;
        match self.fetch(&digest, Content::Manifest)? {
            Fetched::Absent { why, remedy } => self.stop(Step::Requested, "requested", &digest, &why, &remedy),
            Fetched::Proved(bytes) => {
                self.resolved.root_is_proved = true;
                let document = Document::parse(&bytes).map_err(|error| refused(&digest, error))?;
                let kind = if matches!(document, Document::Index(_)) { "index" } else { "manifest" };
                self.proved(Step::Requested, "requested", &format!("{kind} {digest}"));
                return self.document(digest, document, None);
            }
        }
        Ok(())
    }

    fn document(&mut self, digest: Digest, found: Document, of: Option<&Entry>) -> Result<(), ChainError> {
        match found {
            Document::Manifest(manifest) => self.manifest(digest, manifest, of),
            Document::Index(index) => self.index(digest, &index),
        }
    }

    fn index(&mut self, digest: Digest, index: &Index) -> Result<(), ChainError> {
        if self.seen.contains(&digest) {
            return Err(ChainError::Cycle { digest: Box::new(digest) });
        }
        self.seen.push(digest);
        if self.seen.len() > DEPTH_MAX {
            return Err(ChainError::TooDeep { max: DEPTH_MAX });
        }
        self.at = (Step::Manifest, format!("index {digest}"), self.resolved.platform.to_string());
        let candidates = index.choose(&self.resolved.platform).map_err(|error| refused(&digest, error))?;
        let Some(chosen) = self.prefer(&candidates) else { return Ok(()) };
        let others = index.entries().iter().filter(|entry| entry.descriptor.digest != chosen.descriptor.digest);
        self.resolved.entries.extend(others.cloned());
        self.entry(digest, chosen)
    }

    /// Of entries that serve equally, the one that leads to the engine's image.
    fn prefer<'e>(&self, candidates: &[&'e Entry]) -> Option<&'e Entry> {
        let first = candidates.first().copied();
        let (Some(id), true) = (self.engine_id, candidates.len() > 1) else { return first };
        let named = candidates.iter().find(|entry| entry.descriptor.digest == *id);
        let leads = |entry: &&&Entry| config_of(entry, self.source) == Some(*id);
        named.or_else(|| candidates.iter().take(LOOKS_MAX).find(leads)).copied().or(first)
    }

    fn entry(&mut self, index: Digest, entry: &Entry) -> Result<(), ChainError> {
        let digest = entry.descriptor.digest;
        let is_index = [OCI_INDEX, DOCKER_INDEX].contains(&entry.descriptor.media_type.as_str());
        let step = if is_index { Step::Requested } else { Step::Manifest };
        self.at = (step, format!("index {index}"), digest.to_string());
        if !is_index {
            self.resolved.manifest_digest = Some(digest);
        }
        match self.fetch(&digest, Content::Manifest)? {
            Fetched::Absent { why, remedy } => {
                self.stop(Step::Manifest, &format!("index {index}"), &digest, &why, &remedy)
            }
            Fetched::Proved(bytes) => {
                let parsed = Document::parse_described(&bytes, &entry.descriptor);
                let document = parsed.map_err(|error| refused(&digest, error))?;
                let (step, kind) = if is_index { (Step::Requested, "index") } else { (Step::Manifest, "manifest") };
                self.proved(step, &format!("index {index}"), &format!("{kind} {digest}"));
                return self.document(digest, document, Some(entry));
            }
        }
        Ok(())
    }

    fn manifest(&mut self, digest: Digest, manifest: Manifest, of: Option<&Entry>) -> Result<(), ChainError> {
        let config = manifest.config().clone();
        self.at = (Step::Config, format!("manifest {digest}"), format!("config {}", config.digest));
        if config.size > MANIFEST_MAX {
            return Err(refused(&digest, ManifestError::TooLarge { size: config.size }));
        }
        self.resolved.manifest_digest = Some(digest);
        let fetched = self.fetch(&config.digest, Content::Config)?;
        self.proved(Step::Config, &format!("manifest {digest}"), &format!("config {}", config.digest));
        self.at = (Step::DiffIds, format!("config {}", config.digest), "diff ids".to_owned());
        match fetched {
            Fetched::Absent { why, remedy } => {
                self.stop_at(Step::DiffIds, &format!("config {}", config.digest), "diff ids", &why, &remedy);
            }
            Fetched::Proved(bytes) => {
                let parsed = read_config(&bytes, &manifest, of).map_err(|error| refused(&config.digest, error))?;
                let to = format!("{} diff ids", parsed.diff_ids().len());
                self.proved(Step::DiffIds, &format!("config {}", config.digest), &to);
                if of.is_none() {
                    // No index said which; the image itself knows.
                    self.resolved.platform = parsed.platform().clone();
                }
                self.resolved.config = Some(parsed);
            }
        }
        self.resolved.manifest = Some(manifest);
        Ok(())
    }

    fn fetch(&self, digest: &Digest, content: Content) -> Result<Fetched, ChainError> {
        let bytes = match self.source.fetch(digest, content) {
            Ok(bytes) => bytes,
            Err(SourceError::Absent { why, remedy }) => return Ok(Fetched::Absent { why, remedy }),
            Err(SourceError::Mismatch(mismatch)) => return Err(mismatch.into()),
            Err(SourceError::Fault { why }) => return Err(ChainError::Source { digest: Box::new(*digest), why }),
        };
        if bytes.len() as u64 > MANIFEST_MAX {
            return Err(refused(digest, ManifestError::TooLarge { size: bytes.len() as u64 }));
        }
        digest.verify(&bytes)?;
        Ok(Fetched::Proved(bytes))
    }

    fn proved(&mut self, step: Step, from: &str, to: &str) {
        self.resolved.links.push(Link::proved(step, from, to));
    }

    fn stop(&mut self, step: Step, from: &str, to: &Digest, why: &str, remedy: &str) {
        self.stop_at(step, from, &to.to_string(), why, remedy);
    }

    fn stop_at(&mut self, step: Step, from: &str, to: &str, why: &str, remedy: &str) {
        self.resolved.links.push(Link::not_checkable(step, from, to, why, remedy));
    }
}

/// The configuration of a manifest, which serves the platform that the index entry promised.
fn read_config(bytes: &[u8], manifest: &Manifest, of: Option<&Entry>) -> Result<ImageConfig, ManifestError> {
    let config = ImageConfig::parse(bytes, manifest)?;
    of.and_then(|entry| entry.platform.as_ref()).map_or(Ok(()), |promised| config.check_platform(promised))?;
    Ok(config)
}

fn refused(digest: &Digest, error: ManifestError) -> ChainError {
    ChainError::Document { digest: Box::new(*digest), error }
}
