//! Layers by digest: brought one by one into a store of the host's own, and made into an image from there.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::archives::{TakeError, Taken};
use super::prove::Before;
use super::{Inner, Portreeve, PulledImage, retry};
use crate::backend::Backend;
use crate::digest::Digest;
use crate::error::Error;
use crate::event::{Event, Level};
use crate::evidence::HeldLayer;
use crate::evidence::assembly::Assembly;
use crate::evidence::image::Documents;
use crate::evidence::layers::{KeepError, LayerStore, is_mismatch};
use crate::evidence::manifest::Descriptor;
use crate::evidence::registry::{RegistryClient, RegistryError};
use crate::reference::Reference;
use crate::scope::Call;
use crate::state::Area;

/// How many layers of one call come at once.
const AT_ONCE: usize = 4;
/// The largest layer that is brought, in bytes.
const LAYER_MAX: u64 = 64 << 30;
/// The most layers that one call may name; engines take images of at most 127.
const LAYERS_MAX: usize = 512;
/// How much comes between two words on the progress, in bytes.
const STEP: u64 = 4 << 20;

/// A layer of an image, and whether the host holds it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LayerInfo {
    /// Its digest, of its bytes as the registry has them.
    pub digest: Digest,
    /// How many bytes that is.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// Whether it is in the store.
    pub held: bool,
    /// Whether this very call brought it.
    pub brought: bool,
}

impl LayerInfo {
    /// It, as a manifest describes it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { media_type: self.media_type.clone(), digest: self.digest, size: self.size }
    }
}

/// An image that was made of layers.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct AssembledImage {
    /// The image, proved.
    #[serde(flatten)]
    pub image: PulledImage,
    /// Why it was pulled instead, where the backend or the engine takes no image from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulled: Option<String>,
}

impl Portreeve {
    /// The layers of an image, lowest first, by its proved manifest; and which of them the host holds.
    ///
    /// # Errors
    /// `Refused` by policy, `Unavailable` where the manifest can't be had, `Digest` where it is another.
    pub async fn layers(&self, image: &Reference) -> Result<Vec<LayerInfo>, Error> {
        let (_, documents) = self.inner.documents(image).await?;
        let store = self.inner.layer_store()?;
        Ok(documents.layers.iter().map(|layer| info(&layer.descriptor, &store, false)).collect())
    }

    /// Brings those of some layers that the host does not hold, from the repository of `image`, a few at a time. Each is
    /// hashed as it comes, and is kept whole or not at all; one that stands twice is brought once.
    ///
    /// Where a layer can't be had, the others are kept, and the call may be made again.
    ///
    /// # Errors
    /// `Refused` by policy, `NotFound`, `Unavailable`, `Unauthorised`, `NoSpace`, `Digest` when the registry gives other bytes.
    pub async fn ensure_layers(&self, image: &Reference, layers: &[Descriptor]) -> Result<Vec<LayerInfo>, Error> {
        let inner = &self.inner;
        if let Some(warning) = inner.admit_image(Call::Pull, image)? {
            inner.say(Level::Warning, || warning);
        }
        check(layers)?;
        let store = Arc::new(inner.layer_store()?);
        let missing: BTreeMap<Digest, &Descriptor> =
            layers.iter().filter(|layer| !store.has(layer)).map(|layer| (layer.digest, layer)).collect();
        if !inner.services.dry_run {
            inner.bring(image, missing.values().map(|layer| (*layer).clone()), &store).await?;
        }
        Ok(layers.iter().map(|layer| info(layer, &store, missing.contains_key(&layer.digest))).collect())
    }

    /// Brings all layers of an image, by its proved manifest, as [`ensure_layers`](Self::ensure_layers) does.
    ///
    /// # Errors
    /// As [`layers`](Self::layers) and [`ensure_layers`](Self::ensure_layers).
    pub async fn ensure_layers_of(&self, image: &Reference) -> Result<Vec<LayerInfo>, Error> {
        let (_, documents) = self.inner.documents(image).await?;
        let layers: Vec<Descriptor> = documents.layers.into_iter().map(|layer| layer.descriptor).collect();
        self.ensure_layers(image, &layers).await
    }

    /// Has the engine take an image that the host makes of layers that it holds, and proves that it is the one asked for.
    /// It is named as it was asked for; where that was by its digest alone, it gets the tag `sha256-…` too, as engines find
    /// images that came as files by a tag.
    ///
    /// A backend that takes no files has the image pulled instead, which the result says.
    ///
    /// # Errors
    /// `NotFound` naming the layers that are not held, `Digest` where one was changed, and as for a pull.
    pub async fn assemble(&self, image: &Reference) -> Result<AssembledImage, Error> {
        let inner = &self.inner;
        let (digest, documents) = inner.documents(image).await?;
        let (backend, _) = inner.chosen().await?;
        let taken = inner.assembled(image, &digest, documents).await?;
        inner.say(Level::Info, || format!("assembling {image} for {}", backend.name()));
        match inner.load(backend, &taken).await {
            Err(Error::Unsupported(why)) => return inner.pulled_instead(backend, image, why).await,
            loaded => loaded?,
        }
        if inner.services.dry_run {
            return Ok(AssembledImage { image: inner.foretold(backend, image).await?, pulled: None });
        }
        inner.check_loaded(backend, &taken.archive.config).await?;
        let pinned = image.with_digest(digest);
        let image = inner.proved(backend, &pinned, None, Before::Nothing).await?;
        Ok(AssembledImage { image, pulled: None })
    }

    /// The layers that the host holds.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn held_layers(&self) -> Result<Vec<HeldLayer>, Error> {
        self.inner.layer_store()?.list().map_err(kept_error)
    }

    /// Removes layers from the store, and what ended calls left in it; images that were made of them stay. Gives those that
    /// were there; a dry run only finds them.
    ///
    /// # Errors
    /// When the store can't be changed.
    pub fn discard_layers(&self, digests: &[Digest]) -> Result<Vec<Digest>, Error> {
        let store = self.inner.layer_store()?;
        if self.inner.services.dry_run {
            let held = |digest: &&Digest| store.open(digest).is_ok_and(|found| found.is_some());
            return Ok(digests.iter().filter(held).copied().collect());
        }
        store.sweep(jiff::Timestamp::now().as_second()).map_err(kept_error)?;
        let mut gone = Vec::new();
        for digest in digests {
            if store.remove(digest).map_err(kept_error)? {
                gone.push(*digest);
            }
        }
        Ok(gone)
    }
}

impl Inner {
    fn layer_store(&self) -> Result<LayerStore, Error> {
        Ok(LayerStore::new(self.state.area(Area::Layers)?))
    }

    /// The digest that an image is asked for by, or that its tag stands for; and its documents.
    async fn documents(&self, image: &Reference) -> Result<(Digest, Documents), Error> {
        if let Some(warning) = self.admit_image(Call::Pull, image)? {
            self.say(Level::Warning, || warning);
        }
        let digest = self.foretold_digest(image).await?;
        Ok((digest, self.verifier.documents(image, digest).await?))
    }

    async fn bring(
        &self,
        image: &Reference,
        layers: impl Iterator<Item = Descriptor>,
        store: &Arc<LayerStore>,
    ) -> Result<(), Error> {
        let offline = || Error::Unavailable("this host asks no registry: it was built to be offline".to_owned());
        let client = self.verifier.client();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut coming = JoinSet::new();
        for layer in layers {
            let client = Arc::clone(client.as_ref().ok_or_else(offline)?);
            let bringing = Bringing {
                client,
                image: image.clone(),
                layer,
                store: Arc::clone(store),
                events: self.services.events.clone(),
            };
            coming.spawn(bringing.persevere(Arc::clone(&turns), self.pulls));
        }
        let mut first = Ok(());
        while let Some(done) = coming.join_next().await {
            first = first.and(done.map_err(|error| Error::State(error.to_string()))?);
        }
        first
    }

    /// The archive that an engine is to take, made of what is held and proved as any other.
    async fn assembled(&self, image: &Reference, digest: &Digest, documents: Documents) -> Result<Taken, Error> {
        let store = self.layer_store()?;
        let missing: Vec<String> = documents
            .layers
            .iter()
            .filter(|layer| !store.has(&layer.descriptor))
            .map(|layer| layer.descriptor.digest.to_string())
            .collect();
        if !missing.is_empty() {
            return Err(Error::NotFound { kind: "layer", name: missing.join(", ") });
        }
        let assembly = Assembly {
            name: format!("{}:{}", image.name(), tag_of(image, digest)),
            manifest: documents.manifest,
            config: documents.config,
            layers: documents.layers.into_iter().map(|layer| layer.descriptor).collect(),
        };
        let (area, folder) = (self.state.area(Area::Archives)?, self.state.path().join(Area::Archives.name()));
        let making = tokio::task::spawn_blocking(move || {
            Taken::made(area, &folder, |file| assembly.write(&store, io::BufWriter::new(file)))
        });
        let made = making.await.map_err(|error| Error::State(error.to_string()))?;
        made.map_err(|why| match why {
            TakeError::Io(source) if is_mismatch(&source) => Error::Digest(source.to_string()),
            TakeError::Io(source) => kept_error(source),
            TakeError::Archive(why) => Error::Digest(format!("the layers of {image}: {why}")),
        })
    }

    async fn pulled_instead(
        &self,
        backend: &Arc<Backend>,
        image: &Reference,
        why: String,
    ) -> Result<AssembledImage, Error> {
        self.say(Level::Warning, || {
            format!("{} takes no image from a file, so {image} is pulled: {why}", backend.name())
        });
        let image = self.ensured(backend, image, None).await?;
        Ok(AssembledImage { image, pulled: Some(why) })
    }
}

/// The tag by which an engine finds an image that came as a file.
pub(super) fn tag_of(image: &Reference, digest: &Digest) -> String {
    image.tag().map_or_else(|| format!("{}-{}", digest.algorithm(), digest.hex()), str::to_owned)
}

fn info(layer: &Descriptor, store: &LayerStore, was_missing: bool) -> LayerInfo {
    let held = store.has(layer);
    let Descriptor { media_type, digest, size } = layer.clone();
    LayerInfo { digest, size, media_type, held, brought: held && was_missing }
}

/// No list is too long and no layer too large; the same digest has one size.
fn check(layers: &[Descriptor]) -> Result<(), Error> {
    let refused = |why: String| Err(Error::Config(why));
    if layers.len() > LAYERS_MAX {
        return refused(format!("{} layers are asked for: {LAYERS_MAX} are allowed", layers.len()));
    }
    let mut sizes = BTreeMap::new();
    for layer in layers {
        if layer.size > LAYER_MAX {
            return refused(format!("the layer {} has {} bytes: {LAYER_MAX} are allowed", layer.digest, layer.size));
        }
        if sizes.insert(layer.digest, layer.size).is_some_and(|size| size != layer.size) {
            return refused(format!("the layer {} is listed with two sizes", layer.digest));
        }
    }
    Ok(())
}

/// One layer on its way.
#[derive(Clone)]
struct Bringing {
    client: Arc<RegistryClient>,
    image: Reference,
    layer: Descriptor,
    store: Arc<LayerStore>,
    events: crate::event::Events,
}

/// Tells a thread that nobody waits for it any more.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Bringing {
    async fn persevere(self, turns: Arc<Semaphore>, tries: u32) -> Result<(), Error> {
        let _turn = turns.acquire().await.map_err(|_| Error::Cancelled)?;
        let tell = |next, wait: Duration, error: &Error| {
            let when = format!("try {next} of {tries} comes in {} ms", wait.as_millis());
            self.events.say(Level::Warning, || format!("bringing {} failed, {when}: {error}", self.layer.digest));
        };
        retry::persevere(tries, || self.clone().once(), tell).await
    }

    async fn once(self) -> Result<(), Error> {
        let dropped = Dropped(Arc::default());
        let stop = Arc::clone(&dropped.0);
        let bringing = tokio::task::spawn_blocking(move || self.receive(&stop));
        bringing.await.map_err(|error| Error::State(error.to_string()))?
    }

    fn receive(&self, stop: &AtomicBool) -> Result<(), Error> {
        let mut incoming = self.store.receive(&self.layer.digest).map_err(kept_error)?;
        let (mut unwritten, mut done, mut told) = (None, 0_u64, 0_u64);
        let received = self.client.download(&self.image, &self.layer, &mut |piece| {
            unwritten = incoming.take(piece).err();
            done = done.saturating_add(piece.len() as u64);
            if done - told >= STEP {
                told = done;
                self.tell("downloading", done);
            }
            unwritten.is_none() && !stop.load(Ordering::Relaxed)
        });
        if let Some(error) = unwritten {
            return Err(kept_error(error));
        }
        received.map_err(|error| self.error(error))?;
        incoming.keep().map_err(|error| match error {
            KeepError::Mismatch(mismatch) => Error::Digest(mismatch.to_string()),
            KeepError::Io(error) => kept_error(error),
        })?;
        self.tell("done", self.layer.size);
        Ok(())
    }

    fn tell(&self, status: &str, done: u64) {
        self.events.emit(|| Event::Progress {
            item: self.layer.digest.hex().chars().take(12).collect(),
            status: status.to_owned(),
            current: Some(done),
            total: Some(self.layer.size),
        });
    }

    fn error(&self, error: RegistryError) -> Error {
        let layer = || format!("the layer {}: {error}", self.layer.digest);
        match &error {
            RegistryError::NotFound { .. } => {
                Error::NotFound { kind: "layer", name: format!("{} in {}", self.layer.digest, self.image.name()) }
            }
            RegistryError::Unauthorised { .. } => Error::Unauthorised(layer()),
            RegistryError::Unavailable { .. } => Error::Unavailable(layer()),
            RegistryError::Stopped { .. } => Error::Cancelled,
            RegistryError::Mismatch(_) | RegistryError::TooLarge { .. } | RegistryError::Protocol { .. } => {
                Error::Digest(layer())
            }
        }
    }
}

fn kept_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::NoSpace(format!("the state directory: {error}"))
        }
        _ => Error::io("the layers of the state directory", error),
    }
}
