//! What a standard asks about, looked at.

use super::{Intention, Portreeve};
use crate::error::Error;
use crate::evidence::document::bare_id;
use crate::standard::{Checklist, Facts, Standard};

impl Portreeve {
    /// Looks at all that a standard says, and judges. What it says of the host (aliases, daemons) is looked at with every
    /// backend, also where one is preferred; the rest with that one. Where it wants a smoke run a container of the built-in image is run
    /// and removed.
    ///
    /// # Errors
    /// When the journal can't be written, or the class of host is unknown. What does not hold is no error.
    pub async fn verify_standard(&self, standard: &Standard, class: Option<&str>) -> Result<Checklist, Error> {
        let class = standard.class_of(class).map_err(Error::Config)?;
        let aside = self.inner.left_aside()?;
        let (engines, others) = tokio::try_join!(self.detect(), self.detect_all(&aside))?;
        let mut facts = Facts { engines, others, ..Facts::default() };
        if facts.engines.iter().any(|engine| engine.works) {
            self.look_for(standard, &mut facts).await?;
        }
        Ok(standard.judge(class, &facts))
    }

    async fn look_for(&self, standard: &Standard, facts: &mut Facts) -> Result<(), Error> {
        if standard.graph_root.is_some() {
            facts.graph_root = self.graph_root().await?;
        }
        if standard.registries.is_some() {
            let own = own_image()?;
            let images = self.images().await?.into_iter().filter(|image| own.as_deref() != Some(bare_id(&image.id)));
            facts.images = images.flat_map(|image| [image.digests, image.tags].concat()).collect();
            facts.images.retain(|name| !name.contains("<none>"));
        }
        if !standard.services.is_empty() || standard.memory_limits != crate::standard::Demand::Allowed {
            facts.containers = self.list().await?;
        }
        if standard.smoke {
            facts.smoke = self.smoke_run(standard).await?;
        }
        Ok(())
    }

    /// As the preflight tells it: `DRIVER at FOLDER`.
    async fn graph_root(&self) -> Result<Option<String>, Error> {
        let report = self.preflight(&Intention::default()).await?;
        let found = report.findings.into_iter().find(|finding| finding.id == "storage.driver");
        Ok(found.and_then(|finding| Some(finding.seen.split_once(" at ")?.1.trim().trim_end_matches('/').to_owned())))
    }

    #[cfg(not(feature = "demo"))]
    async fn smoke_run(&self, _: &Standard) -> Result<Option<crate::standard::SmokeRun>, Error> {
        let why = "this program was built without the image that it would run (feature `demo`)".to_owned();
        Ok(Some(crate::standard::SmokeRun::Failed(why)))
    }

    #[cfg(feature = "demo")]
    async fn smoke_run(&self, standard: &Standard) -> Result<Option<crate::standard::SmokeRun>, Error> {
        use crate::standard::SmokeRun;
        if self.inner.services.dry_run {
            return Ok(None);
        }
        let ran = crate::demo::smoke(self, &standard.smoke_gpus).await;
        match ran {
            Ok(()) => Ok(Some(SmokeRun::Ran)),
            Err(error @ Error::State(_)) => Err(error),
            Err(error) => Ok(Some(SmokeRun::Failed(error.to_string()))),
        }
    }
}

/// The ID of the built-in image, which holds pods' networks: it comes of no registry but the host's own.
#[cfg(feature = "demo")]
fn own_image() -> Result<Option<String>, Error> {
    use crate::demo::image::{BuiltinImage, ImageOptions};
    let image = BuiltinImage::build(&ImageOptions::default());
    image.map(|image| Some(image.config().hex().to_owned())).map_err(|source| Error::io("the built-in image", source))
}

#[cfg(not(feature = "demo"))]
fn own_image() -> Result<Option<String>, Error> {
    Ok(None)
}
