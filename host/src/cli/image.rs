//! Images: `pull`, `images`, `rmi`.

use clap::Args;
use portreeve::evidence::chain::Level as Proof;
use portreeve::{ImageInfo, PulledImage, Reference, Removed};
use serde_json::{Value, json};

use super::desk::Desk;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Table, plain, short};

/// `pull`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The image; NAME@DIGEST names one that can't change
    image: Reference,
}

impl Pull {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let pulled = desk.portreeve.pull(&self.image).await?;
        desk.teller.finish();
        if desk.dry_run {
            return Ok(Status::OK);
        }
        if desk.json {
            show::json(&document(&pulled)?)?;
        } else {
            if !desk.quiet {
                desk.teller.say(&proof(&pulled));
            }
            show::line(&plain(&named(&pulled)))?;
        }
        Ok(Status::OK)
    }
}

/// The result, and how much of it is proved beside it.
fn document(pulled: &PulledImage) -> Result<Value, Failure> {
    let mut document = serde_json::to_value(pulled).map_err(std::io::Error::from)?;
    if let Some(members) = document.as_object_mut() {
        members.insert("verified".to_owned(), json!(level(pulled)));
    }
    Ok(document)
}

fn level(pulled: &PulledImage) -> Option<Proof> {
    pulled.verification.as_ref().map(|report| report.level())
}

/// What was proved, in a sentence.
fn proof(pulled: &PulledImage) -> String {
    let known = match level(pulled) {
        Some(Proof::Content) => "verified down to the content of its layers",
        Some(Proof::Manifest) => "verified from its digest to the engine's image ID",
        Some(Proof::Claimed) | None => "not verified: the engine's word alone",
    };
    format!("portreeve: {known}, {}", plain(&pulled.id))
}

/// `name@digest`, or the engine's ID where no digest is known.
fn named(pulled: &PulledImage) -> String {
    match &pulled.digest {
        Some(digest) => format!("{}@{digest}", pulled.image),
        None => pulled.id.clone(),
    }
}

/// `images`.
#[derive(Debug, Args)]
pub(crate) struct Images;

impl Images {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let images = desk.portreeve.images().await?;
        if desk.json {
            show::json(&images)?;
        } else if desk.quiet {
            images.iter().try_for_each(|image| show::line(&plain(&short(&image.id))))?;
        } else {
            table(&images).print()?;
        }
        Ok(Status::OK)
    }
}

fn table(images: &[ImageInfo]) -> Table {
    let mut table = Table::new(&["IMAGE", "DIGEST", "IMAGE ID", "SIZE"]);
    for image in images {
        let digest = image.digests.first().and_then(|named| named.rsplit_once('@')).map_or("", |(_, digest)| digest);
        for name in names(image) {
            table.row([name, digest.to_owned(), short(&image.id), show::bytes(image.size)]);
        }
    }
    table
}

/// Its tags, else the name that its digest is known by; one without any has a row too.
fn names(image: &ImageInfo) -> Vec<String> {
    let by_digest = || image.digests.first().and_then(|named| named.split('@').next()).unwrap_or_default().to_owned();
    if image.tags.is_empty() { vec![by_digest()] } else { image.tags.clone() }
}

/// `rmi`.
#[derive(Debug, Args)]
pub(crate) struct Rmi {
    /// Although containers use it, where the engine leaves those alone: Docker does, and Podman refuses
    #[arg(long, short)]
    force: bool,
    /// One that is not held is no error
    #[arg(long)]
    ignore: bool,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<Reference>,
}

impl Rmi {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        desk.each(&self.images, async |image| {
            if self.ignore {
                if desk.portreeve.remove_image_if_held(image, self.force).await? == Removed::Absent {
                    return Ok(());
                }
            } else {
                desk.portreeve.remove_image(image, self.force).await?;
            }
            match (desk.dry_run, desk.json) {
                (true, _) => Ok(()),
                (false, true) => show::json(&json!({ "image": image.to_string(), "result": "removed" })),
                (false, false) => show::line(&image.to_string()),
            }
        })
        .await
    }
}
