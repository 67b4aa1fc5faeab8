//! An image as the host sees it, and the proof that it is the one that was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::runtime::Handle;

use super::assembly::Proved;
use super::blobs::BlobStore;
use super::chain::{ChainError, Content, FirstOf, ManifestSource, Report, SourceError, examine, resolve};
use super::document::{map, number, text, texts};
use super::export::Export;
use super::manifest::{Descriptor, Layer, Platform};
use super::registry::{RegistryClient, RegistryError, RegistrySource};
use super::store::EngineStore;
use crate::broker::Broker;
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
    /// Its configuration, as far as the grants say where it stands.
    pub(crate) config: ImageConfig,
}

/// The parts of an image's configuration that a caller may want to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ImageConfig {
    pub(crate) os: Option<String>,
    pub(crate) architecture: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) words: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) created: Option<String>,
}

impl ImageConfig {
    fn read(document: &Value, grant: &ImageEvidence) -> Self {
        Self {
            os: text(document, grant.os.as_deref()),
            architecture: text(document, grant.architecture.as_deref()),
            labels: map(document, grant.labels.as_deref()),
            entrypoint: texts(document, grant.entrypoint.as_deref()),
            words: texts(document, grant.words.as_deref()),
            env: texts(document, grant.env.as_deref()),
            user: text(document, grant.user.as_deref()).filter(|user| !user.is_empty()),
            created: text(document, grant.created.as_deref()),
        }
    }
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
            config: ImageConfig::read(document, grant),
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

/// Where the bytes of an image's documents may be had, beside what the host kept; asked in this order.
#[derive(Default)]
pub(crate) struct Sources {
    /// What the engine exported.
    pub(crate) export: Option<Arc<Export>>,
    /// The engine's own folders.
    pub(crate) stores: Vec<EngineStore>,
    /// A command that prints them.
    pub(crate) command: Option<CommandSource>,
    /// The host's own client may ask the registry.
    pub(crate) registry: bool,
}

/// A granted command that prints a manifest. Asked from a thread that may wait.
pub(crate) struct CommandSource {
    pub(crate) broker: Arc<Broker>,
    pub(crate) image: Reference,
    pub(crate) runtime: Handle,
}

impl ManifestSource for CommandSource {
    fn fetch(&self, digest: &Digest, content: Content) -> Result<Vec<u8>, SourceError> {
        let absent = |why: String| SourceError::Absent { why, remedy: "pull the image again".to_owned() };
        if content == Content::Config {
            return Err(absent("the granted command prints manifests alone".to_owned()));
        }
        let name = format!("{}@{digest}", self.image.name());
        match self.runtime.block_on(self.broker.look_at_manifest(&name)) {
            Ok(bytes) => digest.verify(&bytes).map(|()| bytes).map_err(SourceError::Mismatch),
            Err(error) => Err(absent(error.to_string())),
        }
    }
}

/// Proves images: keeps the manifests that it hashed, and gets others from where the grants allow.
pub(crate) struct Verifier {
    blobs: Arc<BlobStore>,
    client: Option<Arc<RegistryClient>>,
}

impl Verifier {
    pub(crate) fn new(blobs: BlobStore, client: Option<RegistryClient>) -> Self {
        Self { blobs: Arc::new(blobs), client: client.map(Arc::new) }
    }

    /// Proves, as far as bytes can be had, that an engine's image is the one that a digest names. Where it is another one,
    /// or bytes were found that hash to something else, a link of the report failed.
    pub(crate) async fn examine(
        &self,
        image: &Reference,
        digest: Digest,
        facts: &ImageFacts,
        sources: Sources,
    ) -> Result<Report, Error> {
        let id = facts.id.clone();
        let platform = facts.platform.clone().unwrap_or_else(Platform::current);
        self.with_sources(image, sources, move |source| Ok(examine(&digest, &platform, &id, source))).await
    }

    /// The digest that a tag stands for in its registry; none where no registry is asked.
    pub(crate) async fn resolve_tag(&self, image: &Reference, tag: &str) -> Result<Option<Digest>, Error> {
        let Some(client) = self.client.clone() else { return Ok(None) };
        let (asked, tag) = (image.clone(), tag.to_owned());
        let resolved = tokio::task::spawn_blocking(move || client.resolve(&asked, &tag)).await;
        let resolved = resolved.map_err(|error| Error::State(error.to_string()))?;
        resolved.map(Some).map_err(|error| match error {
            RegistryError::NotFound { .. } => Error::NotFound { kind: "image", name: image.to_string() },
            RegistryError::Unauthorised { .. } => Error::Unauthorised(error.to_string()),
            other => Error::Unavailable(other.to_string()),
        })
    }

    /// The ID that an image will have once it is pulled: the digest of its configuration, out of its proved manifest.
    pub(crate) async fn foretell(&self, image: &Reference, digest: Digest) -> Result<Option<Digest>, Error> {
        let sources = Sources { registry: true, ..Sources::default() };
        let resolve = move |source: &dyn ManifestSource| resolve(&digest, &Platform::current(), None, source);
        Ok(self.with_sources(image, sources, resolve).await?.config_digest())
    }

    /// The ID of an image whose documents the host itself has kept; nobody is asked.
    pub(crate) async fn kept_id(&self, image: &Reference, digest: Digest) -> Result<Option<Digest>, Error> {
        let resolve = move |source: &dyn ManifestSource| resolve(&digest, &Platform::current(), None, source);
        Ok(self.with_sources(image, Sources::default(), resolve).await?.config_digest())
    }

    /// The documents of an image for this machine, from its registry unless they were kept.
    pub(crate) async fn documents(&self, image: &Reference, digest: Digest) -> Result<Documents, Error> {
        let sources = Sources { registry: true, ..Sources::default() };
        let found = self.with_sources(image, sources, move |source| Documents::find(&digest, source)).await?;
        found.ok_or_else(|| Error::Unavailable(format!("the manifest of {image} can't be had from its registry")))
    }

    /// The client that asks registries, unless the host is to ask none.
    pub(crate) fn client(&self) -> Option<Arc<RegistryClient>> {
        self.client.clone()
    }

    /// Works in a thread that may wait: what the host kept is asked first, and what comes from elsewhere is kept.
    async fn with_sources<T: Send + 'static>(
        &self,
        image: &Reference,
        sources: Sources,
        work: impl FnOnce(&dyn ManifestSource) -> Result<T, ChainError> + Send + 'static,
    ) -> Result<T, Error> {
        let (blobs, image) = (Arc::clone(&self.blobs), image.clone());
        let client = self.client.clone().filter(|_| sources.registry);
        let working = tokio::task::spawn_blocking(move || {
            let registry = client.as_deref().map(|client| RegistrySource::new(client, &image));
            let mut others: Vec<&dyn ManifestSource> = sources.stores.iter().map(|store| store as _).collect();
            others.extend(sources.export.as_deref().map(|export| export as &dyn ManifestSource));
            others.extend(sources.command.as_ref().map(|command| command as &dyn ManifestSource));
            others.extend(registry.as_ref().map(|registry| registry as &dyn ManifestSource));
            let keeping = Keeping { blobs: &blobs, source: FirstOf(&others) };
            if others.is_empty() { work(&*blobs) } else { work(&FirstOf(&[&*blobs, &keeping])) }
        });
        let worked = working.await.map_err(|error| Error::State(error.to_string()))?;
        worked.map_err(|error| Error::Digest(error.to_string()))
    }
}

/// What an image is made of, by its proved documents.
pub(crate) struct Documents {
    pub(crate) manifest: Proved,
    pub(crate) config: Proved,
    /// Lowest first.
    pub(crate) layers: Vec<Layer>,
}

impl Documents {
    fn find(digest: &Digest, source: &dyn ManifestSource) -> Result<Option<Self>, ChainError> {
        let resolved = resolve(digest, &Platform::current(), None, source)?;
        let Some((manifest, digest)) = resolved.manifest().zip(resolved.manifest_digest()) else { return Ok(None) };
        let bytes = |digest: &Digest, content| match source.fetch(digest, content) {
            Ok(bytes) => digest.verify(&bytes).map(|()| Some(bytes)).map_err(ChainError::from),
            Err(_) => Ok(None),
        };
        let config = manifest.config();
        let (Some(own), Some(of_config)) =
            (bytes(&digest, Content::Manifest)?, bytes(&config.digest, Content::Config)?)
        else {
            return Ok(None);
        };
        let media_type = manifest.media_type().to_owned();
        let descriptor = Descriptor { media_type, digest, size: own.len() as u64 };
        Ok(Some(Self {
            manifest: Proved { descriptor, bytes: own },
            config: Proved { descriptor: config.clone(), bytes: of_config },
            layers: manifest.layers().to_vec(),
        }))
    }
}

/// A source whose bytes are kept once they were proved.
struct Keeping<'a> {
    blobs: &'a BlobStore,
    source: FirstOf<'a>,
}

impl ManifestSource for Keeping<'_> {
    fn fetch(&self, digest: &Digest, content: Content) -> Result<Vec<u8>, SourceError> {
        let bytes = self.source.fetch(digest, content)?;
        // The proof holds without being kept; then it is fetched again the next time.
        let _unkept = self.blobs.put(digest, &bytes);
        Ok(bytes)
    }
}
