//! An image as the host sees it, and the proof that it is the one that was asked for.

use std::sync::Arc;

use serde_json::Value;

use super::blobs::BlobStore;
use super::chain::{ChainError, Content, FirstOf, ManifestSource, Report, SourceError, verify};
use super::document::{number, text, texts};
use super::manifest::Platform;
use super::registry::{RegistryClient, RegistrySource};
use crate::digest::Digest;
use crate::error::Error;
use crate::grants::ImageEvidence;
use crate::reference::Reference;

/// An image of an engine, from its own document. Of digests it is a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageFacts {
    /// Its ID as the engine prints it.
    pub(crate) id: String,
    /// `name@digest`.
    pub(crate) digests: Vec<String>,
    /// `name:tag`.
    pub(crate) tags: Vec<String>,
    /// Bytes.
    pub(crate) size: Option<u64>,
    /// Its platform, where the document tells it.
    pub(crate) platform: Option<Platform>,
}

impl ImageFacts {
    pub(crate) fn read(document: &Value, grant: &ImageEvidence) -> Result<Self, String> {
        let id = text(document, Some(&grant.id))
            .ok_or_else(|| format!("the engine's document has no ID at {}", grant.id))?;
        let os = text(document, grant.os.as_deref());
        let architecture = text(document, grant.architecture.as_deref());
        let platform = os.zip(architecture).and_then(|(os, architecture)| Platform::new(&os, &architecture, None).ok());
        Ok(Self {
            id,
            digests: texts(document, Some(&grant.digests)),
            tags: texts(document, grant.tags.as_deref()),
            size: number(document, grant.size.as_deref()).and_then(|size| u64::try_from(size).ok()),
            platform,
        })
    }

    /// Whether the engine knows the name, and by other digests alone than the one that was asked for.
    pub(crate) fn denies(&self, image: &Reference, digest: &Digest) -> bool {
        let mut claimed = self.claimed_digests(image).peekable();
        claimed.peek().is_some() && claimed.all(|other| other != *digest)
    }

    /// The digests that the engine claims for a name. Engines write it in full or as people type it.
    pub(crate) fn claimed_digests(&self, image: &Reference) -> impl Iterator<Item = Digest> {
        let name = image.name();
        let claims = self.digests.iter().filter_map(|claim| claim.parse::<Reference>().ok());
        claims.filter(move |claim| claim.name() == name).filter_map(|claim| claim.digest().copied())
    }
}

/// Proves images: keeps the manifests that it hashed, and gets others from their registry.
pub(crate) struct Verifier {
    blobs: Arc<BlobStore>,
    client: Option<Arc<RegistryClient>>,
}

impl Verifier {
    pub(crate) fn new(blobs: BlobStore, client: Option<RegistryClient>) -> Self {
        Self { blobs: Arc::new(blobs), client: client.map(Arc::new) }
    }

    /// Proves, as far as bytes can be had, that an engine's image is the one that a digest names.
    ///
    /// # Errors
    /// `Digest` when it is another one, or bytes were found that hash to something else.
    pub(crate) async fn verify(
        &self,
        image: &Reference,
        digest: Digest,
        facts: &ImageFacts,
        ask_registry: bool,
    ) -> Result<Report, Error> {
        let (blobs, client) = (Arc::clone(&self.blobs), self.client.clone().filter(|_| ask_registry));
        let (image, id) = (image.clone(), facts.id.clone());
        let platform = facts.platform.clone().unwrap_or_else(Platform::current);
        let proof =
            tokio::task::spawn_blocking(move || prove(&blobs, client.as_deref(), &image, &digest, &platform, &id))
                .await;
        proof.map_err(|error| Error::State(error.to_string()))?.map_err(|error| Error::Digest(error.to_string()))
    }

    /// The digest that a tag stands for in its registry; none where no registry is asked.
    pub(crate) async fn resolve_tag(&self, image: &Reference, tag: &str) -> Result<Option<Digest>, Error> {
        let Some(client) = self.client.clone() else { return Ok(None) };
        let (image, tag) = (image.clone(), tag.to_owned());
        let resolved = tokio::task::spawn_blocking(move || client.resolve(&image, &tag)).await;
        let resolved = resolved.map_err(|error| Error::State(error.to_string()))?;
        resolved.map(Some).map_err(|error| Error::Unavailable(error.to_string()))
    }

    /// The ID that an image will have once it is pulled: the digest of its configuration, out of its proved manifest.
    pub(crate) async fn foretell(&self, image: &Reference, digest: Digest) -> Result<Option<Digest>, Error> {
        let (blobs, client, image) = (Arc::clone(&self.blobs), self.client.clone(), image.clone());
        let resolved = tokio::task::spawn_blocking(move || {
            with_sources(&blobs, client.as_deref(), &image, |source| {
                super::chain::resolve(&digest, &Platform::current(), None, source)
            })
        });
        let resolved = resolved.await.map_err(|error| Error::State(error.to_string()))?;
        Ok(resolved.map_err(|error| Error::Digest(error.to_string()))?.config_digest())
    }
}

fn prove(
    blobs: &BlobStore,
    client: Option<&RegistryClient>,
    image: &Reference,
    digest: &Digest,
    platform: &Platform,
    id: &str,
) -> Result<Report, ChainError> {
    with_sources(blobs, client, image, |source| verify(digest, platform, id, source))
}

/// What the host kept first, then the registry; what comes from there is kept.
fn with_sources<T>(
    blobs: &BlobStore,
    client: Option<&RegistryClient>,
    image: &Reference,
    work: impl FnOnce(&dyn ManifestSource) -> T,
) -> T {
    let Some(client) = client else { return work(blobs) };
    let keeping = Keeping { blobs, source: RegistrySource::new(client, image) };
    work(&FirstOf(&[blobs, &keeping]))
}

/// A source whose bytes are kept once they were proved.
struct Keeping<'a> {
    blobs: &'a BlobStore,
    source: RegistrySource<'a>,
}

impl ManifestSource for Keeping<'_> {
    fn fetch(&self, digest: &Digest, content: Content) -> Result<Vec<u8>, SourceError> {
        let bytes = self.source.fetch(digest, content)?;
        // The proof holds without being kept; then it is fetched again the next time.
        let _unkept = self.blobs.put(digest, &bytes);
        Ok(bytes)
    }
}
