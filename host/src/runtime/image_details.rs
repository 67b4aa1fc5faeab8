//! What an image is, for people: from the engine's own document, redacted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ImageInfo, Inner, Portreeve, Removed};
use crate::error::Error;
use crate::evidence::chain::Level;
use crate::evidence::document::bare_id;
use crate::evidence::image::ImageFacts;
use crate::reference::Reference;
use crate::scope::Call;

/// An image, as its engine's document has it. Nothing of it is proved: that is what
/// [`verify`](crate::Portreeve::verify) is for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ImageDetails {
    /// The engine's ID.
    pub id: String,
    /// `name@digest`.
    pub digests: Vec<String>,
    /// `name:tag`.
    pub tags: Vec<String>,
    /// Its size in bytes, where the engine tells it.
    pub size: Option<u64>,
    /// Its operating system.
    pub os: Option<String>,
    /// Its architecture.
    pub architecture: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The program that it starts, with its first words.
    pub entrypoint: Vec<String>,
    /// The words of its command.
    pub words: Vec<String>,
    /// Its environment; what looks like a secret, by its name or its form, is masked.
    pub env: BTreeMap<String, String>,
    /// Its user, where it is another than root.
    pub user: Option<String>,
}

/// What an engine's images could be relieved of, and what is of use.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ImageAdvice {
    /// The image.
    pub image: ImageInfo,
    /// How many containers of this install are of it. Others are not counted: an engine refuses to remove what they use.
    pub containers: usize,
    /// Whether it can't be named: nothing can be made of it, and it can't be proved.
    pub nameless: bool,
    /// What the host's own proof of it came to, where one was asked for.
    pub verified: Option<String>,
}

impl Portreeve {
    /// Tells of an image that the engine holds.
    ///
    /// # Errors
    /// `NotFound` where it is not held.
    pub async fn inspect_image(&self, image: &Reference) -> Result<ImageDetails, Error> {
        let (backend, _) = self.inner.chosen().await?;
        let looker = self.inner.looker(backend, Call::ImageInspect)?;
        let facts = self.inner.held(&looker, image).await?;
        let facts = facts.ok_or_else(|| Error::NotFound { kind: "image", name: image.to_string() })?;
        Ok(self.inner.details(facts))
    }

    /// The size of an image that the engine holds, in bytes.
    ///
    /// # Errors
    /// `NotFound` where it is not held, `Unsupported` where the engine does not tell.
    pub async fn image_size(&self, image: &Reference) -> Result<u64, Error> {
        let details = self.inspect_image(image).await?;
        details.size.ok_or_else(|| Error::Unsupported(format!("the engine does not tell the size of {image}")))
    }

    /// Removes an image where it is held; that it is not is no error.
    ///
    /// # Errors
    /// As [`Portreeve::remove_image`], but for `NotFound`.
    pub async fn remove_image_if_held(&self, image: &Reference, force: bool) -> Result<Removed, Error> {
        match self.remove_image(image, force).await {
            Ok(()) if self.inner.services.dry_run => Ok(Removed::LeftOut),
            Ok(()) => Ok(Removed::Removed),
            Err(Error::NotFound { .. }) => Ok(Removed::Absent),
            Err(error) => Err(error),
        }
    }

    /// What the engine holds, and what of it no container of this install is of. With `verify` each image that has a name
    /// is proved anew, one after the other.
    ///
    /// # Errors
    /// When the engine can't be asked. An image that can't be proved is no error, but says so.
    pub async fn advise_on_images(&self, verify: bool) -> Result<Vec<ImageAdvice>, Error> {
        let (images, containers) = (self.images().await?, self.list().await?);
        let mut advice = Vec::new();
        for image in images {
            let of_it = containers.iter().filter(|container| container.image_id == bare_id(&image.id)).count();
            let names: BTreeSet<&String> = image.digests.iter().chain(&image.tags).collect();
            let named = names.into_iter().find_map(|name| name.parse::<Reference>().ok());
            let verified = match &named {
                Some(name) if verify => Some(self.proof_in_words(name).await?),
                _ => None,
            };
            advice.push(ImageAdvice { containers: of_it, nameless: named.is_none(), verified, image });
        }
        Ok(advice)
    }

    async fn proof_in_words(&self, image: &Reference) -> Result<String, Error> {
        match self.image(image).await {
            Ok(held) => Ok(level(held.verification.map(|report| report.level())).to_owned()),
            Err(error @ (Error::State(_) | Error::NoEngine(_))) => Err(error),
            Err(error) => Ok(error.to_string()),
        }
    }
}

impl Inner {
    fn details(&self, facts: ImageFacts) -> ImageDetails {
        let clean = |texts: Vec<String>| texts.iter().map(|text| self.redactor.text(text)).collect();
        let config = facts.config;
        ImageDetails {
            id: facts.id,
            digests: facts.digests,
            tags: facts.tags,
            size: facts.size,
            os: config.os,
            architecture: config.architecture,
            created: config.created,
            labels: self.masked(config.labels),
            entrypoint: clean(config.entrypoint),
            words: clean(config.words),
            env: self.masked(config.env.iter().map(|entry| variable(entry)).collect()),
            user: config.user,
        }
    }

    /// What looks like a secret by its name is masked whole, and whatever the patterns find.
    fn masked(&self, named: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut document = Value::Object(named.into_iter().map(|(name, value)| (name, Value::String(value))).collect());
        self.redactor.json(&mut document);
        let Value::Object(members) = document else { return BTreeMap::new() };
        members.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
    }
}

fn level(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Content) => "content",
        Some(Level::Manifest) => "manifest",
        Some(Level::Claimed) | None => "claimed",
    }
}

fn variable(entry: &str) -> (String, String) {
    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
    (name.to_owned(), value.to_owned())
}
