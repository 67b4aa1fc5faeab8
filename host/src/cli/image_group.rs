//! `image`: looked at, measured, advised on, saved and loaded; its layers brought, and images made of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use portreeve::evidence::manifest::Descriptor;
use portreeve::{Digest, ImageAdvice, LayerInfo, Reference};
use serde_json::json;

use super::desk::Desk;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Table, plain, short};

/// `image`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show images, as the engine's documents have them; secrets of their environment are masked
    Inspect(Inspect),
    /// Print the size of images in bytes
    Size(Size),
    /// Write an image to a new file, as `docker save` does; the host hashes it on its way
    Save(Save),
    /// Have the engine take an image from a file that `docker save` or `image save` wrote; the host proves it before and after
    Load(Load),
    /// Say which images no container of this install uses, and which can't be named; with --verify prove each anew
    Advise(Advise),
    /// List the layers of an image by its proved manifest, and which of them the host holds; without one, all that it holds
    Layers(Layers),
    /// Bring the layers of an image that the host does not hold yet, each by its digest; no engine is asked
    Fetch(Fetch),
    /// Have the engine take an image that the host makes of layers that it holds, and prove it
    Assemble(Assemble),
    /// Remove layers that the host holds; images that were made of them stay
    Discard(Discard),
}

/// `image layers`.
#[derive(Debug, Args)]
pub(crate) struct Layers {
    /// The image
    image: Option<Reference>,
}

/// `image fetch`.
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The image
    image: Reference,
    /// Only these of its layers
    #[arg(long = "layer", value_name = "DIGEST")]
    layers: Vec<Digest>,
}

/// `image assemble`.
#[derive(Debug, Args)]
pub(crate) struct Assemble {
    /// The image
    image: Reference,
    /// Bring the layers that are missing first
    #[arg(long)]
    fetch: bool,
}

/// `image discard`.
#[derive(Debug, Args)]
pub(crate) struct Discard {
    /// The layers
    #[arg(required_unless_present = "all", value_name = "DIGEST")]
    layers: Vec<Digest>,
    /// All of them
    #[arg(long, conflicts_with = "layers")]
    all: bool,
}

/// `image inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// `image size`.
#[derive(Debug, Args)]
pub(crate) struct Size {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<Reference>,
}

/// `image save`.
#[derive(Debug, Args)]
pub(crate) struct Save {
    /// The image
    image: Reference,
    /// The file, which must not be there yet
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// `image load`.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// `image advise`.
#[derive(Debug, Args)]
pub(crate) struct Advise {
    /// Prove each image that has a name
    #[arg(long)]
    verify: bool,
}

impl Command {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        match self {
            Self::Inspect(command) => command.run(desk).await,
            Self::Size(command) => command.run(desk).await,
            Self::Save(command) => command.run(desk).await,
            Self::Load(command) => command.run(desk).await,
            Self::Advise(command) => command.run(desk).await,
            Self::Layers(command) => command.run(desk).await,
            Self::Fetch(command) => command.run(desk).await,
            Self::Assemble(command) => command.run(desk).await,
            Self::Discard(command) => command.run(desk),
        }
    }
}

impl Layers {
    async fn run(self, desk: &Desk) -> Outcome {
        let Some(image) = &self.image else { return held(desk) };
        tell_layers(desk, &desk.portreeve.layers(image).await?)
    }
}

/// All that the store holds.
fn held(desk: &Desk) -> Outcome {
    let held = desk.portreeve.held_layers()?;
    if desk.json {
        show::json(&held)?;
    } else if desk.quiet {
        held.iter().try_for_each(|layer| show::line(&layer.digest.to_string()))?;
    } else {
        let mut table = Table::new(&["LAYER", "SIZE"]);
        held.iter().for_each(|layer| table.row([layer.digest.to_string(), show::bytes(layer.size)]));
        table.print()?;
    }
    Ok(Status::OK)
}

impl Fetch {
    async fn run(self, desk: &Desk) -> Outcome {
        if self.layers.is_empty() {
            return tell_layers(desk, &desk.portreeve.ensure_layers_of(&self.image).await?);
        }
        let known = desk.portreeve.layers(&self.image).await?;
        let wanted = |digest: &Digest| known.iter().find(|layer| layer.digest == *digest).ok_or(*digest);
        let wanted = self.layers.iter().map(wanted).collect::<Result<Vec<_>, _>>();
        let wanted = wanted.map_err(|digest| Failure::Usage(format!("{} has no layer {digest}", self.image)))?;
        let wanted: Vec<Descriptor> = wanted.into_iter().map(LayerInfo::descriptor).collect();
        tell_layers(desk, &desk.portreeve.ensure_layers(&self.image, &wanted).await?)
    }
}

impl Assemble {
    async fn run(self, desk: &Desk) -> Outcome {
        if self.fetch {
            desk.portreeve.ensure_layers_of(&self.image).await?;
        }
        let assembled = desk.portreeve.assemble(&self.image).await?;
        desk.teller.finish();
        if desk.json {
            show::json(&assembled)?;
        } else {
            show::line(&plain(&assembled.image.id))?;
        }
        Ok(Status::OK)
    }
}

impl Discard {
    fn run(self, desk: &Desk) -> Outcome {
        let layers = if self.all {
            desk.portreeve.held_layers()?.into_iter().map(|layer| layer.digest).collect()
        } else {
            self.layers
        };
        let gone = desk.portreeve.discard_layers(&layers)?;
        if desk.json {
            show::json(&gone)?;
        } else {
            gone.iter().try_for_each(|digest| show::line(&digest.to_string()))?;
        }
        Ok(Status::OK)
    }
}

fn tell_layers(desk: &Desk, layers: &[LayerInfo]) -> Outcome {
    desk.teller.finish();
    if desk.json {
        show::json(&layers)?;
    } else if desk.quiet {
        layers.iter().try_for_each(|layer| show::line(&layer.digest.to_string()))?;
    } else {
        let mut table = Table::new(&["LAYER", "SIZE", "HELD"]);
        for layer in layers {
            let held = if layer.brought {
                "brought"
            } else if layer.held {
                "yes"
            } else {
                "no"
            };
            table.row([layer.digest.to_string(), show::bytes(layer.size), held.to_owned()]);
        }
        table.print()?;
    }
    Ok(Status::OK)
}

impl Inspect {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.inspect(&self.images, async |image| desk.portreeve.inspect_image(&image.parse()?).await).await
    }
}

impl Size {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.each(&self.images, async |image| {
            let size = desk.portreeve.image_size(image).await?;
            if desk.json {
                show::json(&json!({ "image": image.to_string(), "size": size }))
            } else {
                show::line(&size.to_string())
            }
        })
        .await
    }
}

impl Save {
    async fn run(self, desk: &Desk) -> Outcome {
        let saved = desk.portreeve.save_image(&self.image, &self.output).await?;
        desk.teller.finish();
        if desk.json {
            show::json(&saved)?;
        } else {
            show::line(&plain(&saved.id))?;
        }
        Ok(Status::OK)
    }
}

impl Load {
    async fn run(self, desk: &Desk) -> Outcome {
        let loaded = desk.portreeve.load_image(&self.file).await?;
        desk.teller.finish();
        match (desk.dry_run, desk.json) {
            (true, _) => {}
            (false, true) => show::json(&loaded)?,
            (false, false) => show::line(&plain(&loaded.id))?,
        }
        Ok(Status::OK)
    }
}

impl Advise {
    async fn run(self, desk: &Desk) -> Outcome {
        let advice = desk.portreeve.advise_on_images(self.verify).await?;
        desk.teller.finish();
        if desk.json {
            show::json(&advice)?;
        } else if desk.quiet {
            advice
                .iter()
                .filter(|one| one.containers == 0)
                .try_for_each(|one| show::line(&plain(&short(&one.image.id))))?;
        } else {
            tell(desk, &advice)?;
        }
        Ok(Status::OK)
    }
}

fn tell(desk: &Desk, advice: &[ImageAdvice]) -> Result<(), Failure> {
    let mut table = Table::new(&["IMAGE", "IMAGE ID", "SIZE", "CONTAINERS", "VERIFIED"]);
    for one in advice {
        let name = one.image.tags.first().or(one.image.digests.first()).cloned().unwrap_or_default();
        let verified = one.verified.clone().unwrap_or_default();
        table.row([name, short(&one.image.id), show::bytes(one.image.size), one.containers.to_string(), verified]);
    }
    table.print()?;
    let unused: u64 = advice.iter().filter(|one| one.containers == 0).map(|one| one.image.size).sum();
    let count = advice.iter().filter(|one| one.containers == 0).count();
    desk.teller.say(&format!(
        "portreeve: no container of this install is of {count} of {} images, {} in all; `portreeve rmi` removes what nothing uses",
        advice.len(),
        show::bytes(unused)
    ));
    Ok(())
}
