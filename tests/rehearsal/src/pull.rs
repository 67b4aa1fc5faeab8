//! `pull`: manifest or index, the platform's manifest, config, layers; each checked, then one record.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::console::Console;
use crate::dialect::Dialect;
use crate::image::{self, Image};
use crate::mode::Mode;
use crate::registry::{self, Fetch, Reference};
use crate::state::{self, State};
use crate::trouble::Trouble;

/// How often Podman tries again when a registry can't be reached, one second apart.
const RETRIES: u32 = 3;

/// One pull under way.
pub(crate) struct Pull<'e> {
    pub(crate) state: &'e State,
    pub(crate) dialect: Dialect,
    pub(crate) mode: Mode,
    pub(crate) console: &'e mut Console,
    /// As it was typed.
    pub(crate) typed: &'e str,
    /// Plain HTTP was allowed on the command line.
    pub(crate) plain: bool,
}

/// What the registry served, checked.
struct Served {
    wanted: String,
    /// The index, where there was one, and the platform's manifest.
    digests: Vec<String>,
    manifest: Value,
    config: Vec<u8>,
    config_digest: String,
}

impl Pull<'_> {
    pub(crate) fn run(mut self) -> Result<(), Trouble> {
        self.attempt().map_err(|fetch| Trouble::Pull { reference: self.typed.to_owned(), fetch })
    }

    fn attempt(&mut self) -> Result<(), Fetch> {
        let reference = Reference::parse(self.typed)?;
        if self.dialect == Dialect::Podman {
            self.progress(&format!("Trying to pull {}...", self.typed))?;
            if !self.plain && !self.mode.insecure {
                return Err(Fetch::NotEncrypted(reference.registry));
            }
        }
        let first = self.first(&reference)?;
        self.announce(&reference)?;
        let served = self.resolve(&reference, first)?;
        self.layers(&reference, &served)?;
        let fresh = self.keep(&reference, &served)?;
        self.conclude(&served, fresh)
    }

    fn first(&mut self, reference: &Reference) -> Result<Vec<u8>, Fetch> {
        let retries = if self.dialect == Dialect::Podman { RETRIES } else { 0 };
        for retry in 1..=retries {
            match registry::manifest(reference, reference.wanted()) {
                Err(fetch @ Fetch::Unreachable { .. }) => {
                    let why = self.dialect.fetch(self.typed, &fetch);
                    self.warn(&format!("Failed, retrying in 1s ... ({retry}/{retries}). Error: {why}"))?;
                    thread::sleep(Duration::from_secs(1));
                }
                other => return other,
            }
        }
        registry::manifest(reference, reference.wanted())
    }

    fn resolve(&self, reference: &Reference, first: Vec<u8>) -> Result<Served, Fetch> {
        let wanted = registry::digest(&first);
        self.blob(&wanted, &first)?;
        let (mut digests, mut manifest) = (vec![wanted.clone()], document(&first)?);
        if let Some(list) = manifest.get("manifests") {
            let platform = platform(list).ok_or(Fetch::NoPlatform)?;
            let bytes = registry::manifest(reference, &platform)?;
            self.blob(&platform, &bytes)?;
            manifest = document(&bytes)?;
            digests.push(platform);
        }
        let config_digest = text(&manifest, "/config/digest");
        let config = registry::config(reference, &config_digest)?;
        self.blob(&config_digest, &config)?;
        Ok(Served { wanted, digests, manifest, config, config_digest })
    }

    fn layers(&mut self, reference: &Reference, served: &Served) -> Result<(), Fetch> {
        let layers = served.manifest.get("layers").and_then(Value::as_array).cloned().unwrap_or_default();
        for digest in layers.iter().map(|layer| text(layer, "/digest")) {
            let place = self.place(&digest);
            let known = place.is_file();
            self.layer_begins(&digest, known)?;
            if !known {
                registry::layer(reference, &digest, &place)?;
            }
            self.layer_ends(&digest, known)?;
        }
        Ok(())
    }

    /// Writes the image's record; whether there was none with this digest.
    fn keep(&self, reference: &Reference, served: &Served) -> Result<bool, Fetch> {
        let _guard = self.state.lock()?;
        let id = self.id(served);
        let known = image::optional(state::load::<Image>(&self.state.images().join(&id)))?;
        let mut image = match known {
            Some(image) => image,
            None => new_image(id, served)?,
        };
        let pair = format!("{}@{}", reference.name(), served.wanted);
        let fresh = !image.pulled.contains(&pair);
        image::add(&mut image.names, reference.name());
        image::add(&mut image.pulled, pair);
        served.digests.iter().for_each(|digest| image::add(&mut image.digests, digest.clone()));
        if let (None, Some(tag)) = (&reference.digest, &reference.tag) {
            image::add(&mut image.tags, format!("{}:{tag}", reference.name()));
        }
        image.save(self.state)?;
        Ok(fresh)
    }

    fn id(&self, served: &Served) -> String {
        let containerd = self.mode.containerd_store && self.dialect == Dialect::Docker;
        let digest = if containerd { &served.wanted } else { &served.config_digest };
        digest.trim_start_matches("sha256:").to_owned()
    }

    fn place(&self, digest: &str) -> PathBuf {
        self.state.blobs().join(digest.trim_start_matches("sha256:"))
    }

    fn blob(&self, digest: &str, bytes: &[u8]) -> Result<(), Fetch> {
        Ok(state::write(&self.place(digest), bytes)?)
    }

    fn announce(&mut self, reference: &Reference) -> Result<(), Fetch> {
        match self.dialect {
            Dialect::Podman => self.progress("Getting image source signatures"),
            Dialect::Docker => self.progress(&format!("{}: Pulling from {}", self.typed, reference.repository)),
        }
    }

    fn layer_begins(&mut self, digest: &str, known: bool) -> Result<(), Fetch> {
        match self.dialect {
            Dialect::Podman => self.progress(&format!("Copying blob {digest}")),
            Dialect::Docker if known => self.progress(&format!("{}: Already exists", short(digest))),
            Dialect::Docker => self.progress(&format!("{}: Pulling fs layer", short(digest))),
        }
    }

    fn layer_ends(&mut self, digest: &str, known: bool) -> Result<(), Fetch> {
        if known || self.dialect == Dialect::Podman {
            return Ok(());
        }
        self.progress(&format!("{}: Download complete", short(digest)))?;
        self.progress(&format!("{}: Pull complete", short(digest)))
    }

    fn conclude(&mut self, served: &Served, fresh: bool) -> Result<(), Fetch> {
        if self.dialect == Dialect::Podman {
            self.progress(&format!("Copying config {}", served.config_digest))?;
            self.progress("Writing manifest to image destination")?;
            self.progress("Storing signatures")?;
            self.console.say(served.config_digest.trim_start_matches("sha256:"));
            return Ok(());
        }
        let status = if fresh { "Downloaded newer image for" } else { "Image is up to date for" };
        self.progress(&format!("Digest: {}\nStatus: {status} {}\n{}", served.wanted, self.typed, self.typed))
    }

    /// A line at once, on the stream where the engine has its progress.
    fn progress(&mut self, line: &str) -> Result<(), Fetch> {
        match self.dialect {
            Dialect::Podman => self.console.warn(line),
            Dialect::Docker => self.console.say(line),
        }
        Ok(self.console.flush()?)
    }

    fn warn(&mut self, what: &str) -> Result<(), Fetch> {
        self.console.warn(&self.dialect.warning(what));
        Ok(self.console.flush()?)
    }
}

fn new_image(id: String, served: &Served) -> Result<Image, Fetch> {
    let layers = served.manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
    let size = layers.filter_map(|layer| layer.get("size").and_then(Value::as_u64)).sum();
    let manifest_type = text(&served.manifest, "/mediaType");
    let (names, digests, pulled, tags) = Default::default();
    Ok(Image { id, names, digests, pulled, tags, manifest_type, size, config: document(&served.config)? })
}

fn document(bytes: &[u8]) -> Result<Value, Fetch> {
    serde_json::from_slice(bytes).map_err(|_| Fetch::Malformed("invalid character in a JSON document"))
}

fn text(document: &Value, pointer: &str) -> String {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The digest of this machine's manifest in an index.
fn platform(list: &Value) -> Option<String> {
    let ours = |entry: &&Value| {
        text(entry, "/platform/os") == "linux" && text(entry, "/platform/architecture") == architecture()
    };
    list.as_array()?.iter().find(ours).map(|entry| text(entry, "/digest"))
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn short(digest: &str) -> &str {
    let digits = digest.trim_start_matches("sha256:");
    digits.get(..12).unwrap_or(digits)
}
