//! Looking at images: at one once for all calls that wait to look at it.

use super::image_query;
use crate::broker::{Broker, Joined};
use crate::error::Error;
use crate::evidence::document::documents;
use crate::evidence::image::ImageFacts;
use crate::executor::{RawOutput, Source};
use crate::grants::{Binding, Bindings, ImageEvidence, Slot};
use crate::reference::Reference;
use crate::scope::for_engine;

impl Broker {
    /// An image, where the engine holds it.
    pub(crate) async fn look_at_image(&self, image: &Reference) -> Result<Option<ImageFacts>, Error> {
        let grant = self.backend().grants().evidence().image.as_ref().ok_or_else(|| self.no_evidence("image"))?;
        let facts = [(Slot::ImageReference, Binding::scalar(for_engine(image)))].into_iter().collect::<Bindings>();
        let key = format!("{} {}", self.backend().name(), for_engine(image));
        let (turn, others) = match self.join(&self.services().image_waiters, &key, "").await {
            Joined::Told(held) => return Ok(held),
            Joined::Leads(turn, others) => (turn, others),
        };
        let raw = self.look_in(turn, &grant.command, facts).await?;
        let held = self.image_in(&raw, grant)?;
        others.tell(&held);
        Ok(held)
    }

    /// The image that the engine holds by this ID; none where it holds none.
    pub(crate) async fn look_at_image_by_id(&self, id: &str) -> Result<Option<ImageFacts>, Error> {
        let evidence = self.backend().grants().evidence();
        let held = evidence.held.as_ref().ok_or_else(|| self.no_evidence("held"))?;
        let image = evidence.image.as_ref().ok_or_else(|| self.no_evidence("image"))?;
        let raw = self.look(&held.command, image_query(id)).await?;
        self.image_in(&raw, image)
    }

    fn image_in(&self, raw: &RawOutput, grant: &ImageEvidence) -> Result<Option<ImageFacts>, Error> {
        if !self.found(raw, &grant.missing)? {
            return Ok(None);
        }
        let documents = documents(raw.expose().expose(Source::Stdout)).map_err(Error::Unavailable)?;
        documents.first().map(|document| ImageFacts::read(document, grant)).transpose().map_err(Error::Unavailable)
    }

    /// Whether the engine can be asked for an image by its ID.
    pub(crate) fn looks_by_id(&self) -> bool {
        self.backend().grants().evidence().held.is_some()
    }

    /// The manifest of `name@digest`, as the granted command prints it.
    pub(crate) async fn look_at_manifest(&self, name: &str) -> Result<Vec<u8>, Error> {
        let command = self.backend().grants().evidence().manifest.command.as_ref();
        let command = command.ok_or_else(|| self.no_evidence("manifest"))?;
        let raw = self.look(command, image_query(name)).await?;
        self.found(&raw, &[])?;
        if raw.truncated() {
            return Err(Error::Unavailable(format!("the manifest of {name} is larger than what is read of one")));
        }
        Ok(raw.expose().expose(Source::Stdout).to_vec())
    }
}
