//! Images: brought, proved, listed, removed.

use std::sync::Arc;

use super::archives::in_full;
use super::layers::tag_of;
use super::prove::Before;
use super::{Inner, Portreeve, retry};
use crate::backend::Backend;
use crate::broker::Broker;
use crate::digest::Digest;
use crate::error::Error;
use crate::event::Level;
use crate::evidence::chain::Report;
use crate::evidence::document::bare_id;
use crate::evidence::image::ImageFacts;
use crate::reference::Reference;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::Platform;

/// An image that an engine holds, and what the host proved of it.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct PulledImage {
    /// `registry/repository`.
    pub image: String,
    /// The tag, where it was asked for by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest that was asked for, or that the tag was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The engine's ID, as it prints it.
    pub id: String,
    /// The backend that drives its engine.
    pub backend: String,
    /// The chain from the digest to the ID, link by link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Report>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// An image in a list, as its engine tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ImageInfo {
    /// The engine's ID.
    pub id: String,
    /// `name@digest`.
    pub digests: Vec<String>,
    /// `name:tag`.
    pub tags: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
}

impl Portreeve {
    /// Brings an image from its registry and proves that the engine holds the one that was asked for.
    ///
    /// # Errors
    /// `Refused` by policy, `NotFound`, `Unavailable`, `Unauthorised`, and `Digest` when it is another image.
    pub async fn pull(&self, image: &Reference) -> Result<PulledImage, Error> {
        let inner = &self.inner;
        let warning = inner.admit_image(Call::Pull, image)?;
        let (backend, _) = inner.chosen().await?;
        let (served, pulled) = tokio::join!(inner.served(image), inner.pull(backend, image, None));
        pulled?;
        match inner.proved_as(backend, image, warning, Before::Nothing, served).await {
            Err(Error::NotFound { .. }) if inner.services.dry_run => inner.foretold(backend, image).await,
            Err(Error::NotFound { .. }) => Err(inner.never_pulled(backend, image)?),
            held => held,
        }
    }

    /// An image that the engine holds already, proved anew.
    ///
    /// # Errors
    /// `NotFound` where it is not held, `Digest` when it is another image.
    pub async fn image(&self, image: &Reference) -> Result<PulledImage, Error> {
        let warning = self.inner.admit_image(Call::ImageInspect, image)?;
        let (backend, _) = self.inner.chosen().await?;
        self.inner.proved(backend, image, warning, Before::Nothing).await
    }

    /// Whether the engine holds an image.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn has_image(&self, image: &Reference) -> Result<bool, Error> {
        let (backend, _) = self.inner.chosen().await?;
        let looker = self.inner.looker(backend, Call::ImagePresent)?;
        Ok(self.inner.held(&looker, image).await?.is_some())
    }

    /// Lists the images that the engine holds, as it tells them.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn images(&self) -> Result<Vec<ImageInfo>, Error> {
        let (backend, _) = self.inner.chosen().await?;
        let guest = self.inner.guest(backend, Scope::new(Call::ImageList), &self.inner.redactor).await?;
        let images = guest.list_images().await?;
        Ok(merged(images.into_iter().map(|(id, digests, tags, size)| ImageInfo { id, digests, tags, size })))
    }

    /// Removes an image from the engine.
    ///
    /// # Errors
    /// `NotFound` where it is not held, `Conflict` or `Engine` where a container uses it.
    pub async fn remove_image(&self, image: &Reference, force: bool) -> Result<(), Error> {
        let (backend, _) = self.inner.chosen().await?;
        let looker = self.inner.looker(backend, Call::ImageInspect)?;
        let image = self.inner.removable(&looker, image).await?;
        self.inner.remove_named(backend, &looker, &image, force).await
    }
}

fn still_there(image: &Reference) -> Error {
    Error::Engine { command: "remove".to_owned(), status: 0, message: format!("{image} is still there") }
}

/// Whether an engine has an image under the repository that is asked for.
fn is_known_as(held: &ImageFacts, image: &Reference) -> bool {
    let names = held.tags.iter().chain(&held.digests);
    names.into_iter().any(|name| in_full(name).parse::<Reference>().is_ok_and(|name| name.name() == image.name()))
}

/// An engine that took away the name that was asked for finds the image by its digest all the same, as long as it has a
/// tag of the same repository.
fn is_found_by_another_name(left: &ImageFacts, image: &Reference, changes: &[i32]) -> bool {
    let is_of_it = |tag: &String| tag.parse::<Reference>().is_ok_and(|tag| tag.name() == image.name());
    changes == [0] && left.tags.iter().any(is_of_it)
}

/// Each image once, in the engine's order: engines list one again for each of its names.
fn merged(listed: impl Iterator<Item = ImageInfo>) -> Vec<ImageInfo> {
    let mut images: Vec<ImageInfo> = Vec::new();
    for image in listed {
        match images.iter_mut().find(|known| bare_id(&known.id) == bare_id(&image.id)) {
            Some(known) => {
                join(&mut known.digests, image.digests);
                join(&mut known.tags, image.tags);
            }
            None => images.push(image),
        }
    }
    images
}

fn join(known: &mut Vec<String>, more: Vec<String>) {
    let new: Vec<String> = more.into_iter().filter(|one| !known.contains(one)).collect();
    known.extend(new);
}

impl Inner {
    /// The name by which an engine removes an image: of one that it holds without knowing its digest, the tag, where that
    /// still is of the same image. One without any name is not removed: a bare ID names nothing that a caller asked for.
    async fn removable(&self, looker: &Broker, image: &Reference) -> Result<Reference, Error> {
        let missing = || Error::NotFound { kind: "image", name: image.to_string() };
        match looker.look_at_image(image).await? {
            Some(held) if is_known_as(&held, image) => return Ok(image.clone()),
            // Some engines find an image by its digest under any name; what has other names alone is not this one.
            Some(held) if !held.tags.is_empty() || !held.digests.is_empty() => return Err(missing()),
            _ => {}
        }
        let digest = image.digest().ok_or_else(missing)?;
        let kept = self.verifier.kept_id(image, *digest).await.ok().flatten().ok_or_else(missing)?;
        let tagged: Reference = format!("{}:{}", image.name(), tag_of(image, digest)).parse()?;
        if let Some(held) = looker.look_at_image(&tagged).await? {
            return if bare_id(&held.id) == kept.hex() { Ok(tagged) } else { Err(missing()) };
        }
        let held = if looker.looks_by_id() { looker.look_at_image_by_id(&kept.to_string()).await? } else { None };
        // What has other names alone is not held under this one.
        let nameless = held.filter(|held| held.tags.is_empty() && held.digests.is_empty());
        Err(nameless.map_or_else(missing, |_| {
            Error::Unsupported(format!(
                "{image} is held without a name, as an archive brings it, and an image is removed by its name: pull it before"
            ))
        }))
    }

    async fn remove_named(
        &self,
        backend: &Arc<Backend>,
        looker: &Broker,
        image: &Reference,
        force: bool,
    ) -> Result<(), Error> {
        let broker = self.broker(backend, Scope::of_image(Call::ImageRemove, image, force), &self.redactor)?;
        Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.remove_image(image, force).await?;
        if self.services.dry_run || !image.is_pinned() {
            return Ok(());
        }
        match looker.look_at_image(image).await? {
            Some(left) if !is_found_by_another_name(&left, image, &broker.changes()) => Err(still_there(image)),
            _ => Ok(()),
        }
    }

    pub(super) async fn pull(
        &self,
        backend: &Arc<Backend>,
        image: &Reference,
        platform: Option<&Platform>,
    ) -> Result<(), Error> {
        self.say(Level::Info, || format!("pulling {image} with {}", backend.name()));
        let tell = |next, wait: std::time::Duration, error: &Error| {
            let most = self.pulls;
            let when = format!("try {next} of {most} comes in {} ms", wait.as_millis());
            self.say(Level::Warning, || format!("pulling {image} failed, {when}: {error}"));
        };
        retry::persevere(self.pulls, || self.pull_once(backend, image, platform), tell).await
    }

    async fn pull_once(
        &self,
        backend: &Arc<Backend>,
        image: &Reference,
        platform: Option<&Platform>,
    ) -> Result<(), Error> {
        let scope = Scope::of_image(Call::Pull, image, false).with_platform(platform);
        self.guest(backend, scope, &self.redactor).await?.pull(image).await
    }

    /// What a pull that a dry run leaves out would bring.
    pub(super) async fn foretold(&self, backend: &Arc<Backend>, image: &Reference) -> Result<PulledImage, Error> {
        let digest = self.foretold_digest(image).await?;
        let id = self.foretold_id(image, digest).await?;
        Ok(PulledImage {
            image: image.name(),
            tag: image.tag().map(str::to_owned),
            digest: Some(digest.to_string()),
            id: id.to_string(),
            backend: backend.name().to_owned(),
            verification: None,
            warnings: vec!["a dry run: nothing was pulled".to_owned()],
        })
    }

    /// What a tag stands for while it is pulled; none where its registry does not say.
    async fn served(&self, image: &Reference) -> Option<Digest> {
        let tag = image.tag().filter(|_| !image.is_pinned())?;
        self.verifier.resolve_tag(image, tag).await.ok().flatten()
    }

    /// The digest asked for, or what the tag stands for at this moment.
    pub(super) async fn foretold_digest(&self, image: &Reference) -> Result<Digest, Error> {
        if let Some(digest) = image.digest() {
            return Ok(*digest);
        }
        let resolved = self.verifier.resolve_tag(image, image.tag().unwrap_or("latest")).await?;
        resolved.ok_or_else(|| Error::NotFound { kind: "image", name: image.to_string() })
    }

    /// An image that is held, proved; or what a pull would bring.
    pub(super) async fn held_or_foretold(
        &self,
        backend: &Arc<Backend>,
        image: &Reference,
    ) -> Result<PulledImage, Error> {
        let warning = self.admit_image(Call::Create, image)?;
        match self.proved(backend, image, warning, Before::Counts).await {
            Err(Error::NotFound { .. }) => self.foretold(backend, image).await,
            proved => proved,
        }
    }

    pub(super) async fn foretold_id(&self, image: &Reference, digest: Digest) -> Result<Digest, Error> {
        let id = self.verifier.foretell(image, digest).await?;
        id.ok_or_else(|| {
            Error::Digest(format!("the manifest of {image} can't be had, so a dry run can't tell its image ID"))
        })
    }

    /// An image of the host's own, brought and proved; no policy is asked for it.
    #[cfg(feature = "demo")]
    pub(super) async fn brought(&self, backend: &Arc<Backend>, image: &Reference) -> Result<PulledImage, Error> {
        self.pull(backend, image, None).await?;
        match self.proved(backend, image, None, Before::Nothing).await {
            Err(Error::NotFound { .. }) if self.services.dry_run => self.foretold(backend, image).await,
            Err(Error::NotFound { .. }) => Err(self.never_pulled(backend, image)?),
            proved => proved,
        }
    }

    /// The verified image of a container that is to be created: held already, or pulled.
    pub(super) async fn ensured(
        &self,
        backend: &Arc<Backend>,
        image: &Reference,
        platform: Option<&Platform>,
    ) -> Result<PulledImage, Error> {
        let warning = self.admit_image(Call::Create, image)?;
        match self.proved(backend, image, warning.clone(), Before::Counts).await {
            Err(Error::NotFound { .. }) => {}
            proved => return proved,
        }
        if self.services.dry_run {
            self.pull(backend, image, platform).await?;
            return self.foretold(backend, image).await;
        }
        let (served, pulled) = tokio::join!(self.served(image), self.pull(backend, image, platform));
        pulled?;
        match self.proved_as(backend, image, warning, Before::Nothing, served).await {
            Err(Error::NotFound { .. }) => Err(self.never_pulled(backend, image)?),
            proved => proved,
        }
    }

    /// A backend said that it brought an image, and the engine holds none of this name and digest: recorded, and told.
    fn never_pulled(&self, backend: &Arc<Backend>, image: &Reference) -> Result<Error, Error> {
        let why = format!("the backend says that it pulled {image}, and the engine does not hold it");
        self.looker(backend, Call::Pull)?.record_fault(&why);
        Ok(Error::Digest(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_several_names_is_one() {
        let of = |id: &str, tag: &str| ImageInfo {
            id: id.to_owned(),
            digests: vec!["a/b@sha256:1".to_owned()],
            tags: vec![tag.to_owned()],
            size: 1,
        };
        let images =
            merged([of("sha256:1", "a/b:1"), of("2", "c/d:1"), of("1", "a/b:2"), of("1", "a/b:1")].into_iter());
        let shown: Vec<_> = images.iter().map(|one| (one.id.as_str(), one.tags.join(" "), one.digests.len())).collect();
        assert_eq!(shown, [("sha256:1", "a/b:1 a/b:2".to_owned(), 1), ("2", "c/d:1".to_owned(), 1)]);
    }
}
