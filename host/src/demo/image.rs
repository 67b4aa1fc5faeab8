//! The built-in image: one static program and next to nothing around it, made in memory as an OCI image.
//!
//! The same options give the same bytes, hence the same digests, on every machine of one architecture: times are
//! zero, owners are root, and files stand in a fixed order. Specifications: [manifest], [config], [layer].
//!
//! [manifest]: https://github.com/opencontainers/image-spec/blob/main/manifest.md
//! [config]: https://github.com/opencontainers/image-spec/blob/main/config.md
//! [layer]: https://github.com/opencontainers/image-spec/blob/main/layer.md

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use crate::digest::Digest;

/// The program of the image, compiled by the build script: what its words do is told in `image/deckhand.rs`.
const DECKHAND: &[u8] = include_bytes!(env!("PORTREEVE_DECKHAND"));

/// The media type of an image's manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index, which names a manifest for each platform.
pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

const PASSWD: &[u8] = b"root:x:0:0:root:/:/deckhand\nnobody:x:65534:65534:nobody:/:/deckhand\n";
const GROUP: &[u8] = b"root:x:0:\nnogroup:x:65534:\n";

/// The moment at which the image says it was created: images of equal content are equal.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What may differ from one built-in image to another; the default is what `portreeve demo` serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOptions {
    /// Labels of the image. Default: none.
    pub labels: BTreeMap<String, String>,
    /// Environment, as `NAME=value`. Default: a `PATH`.
    pub environment: Vec<String>,
    /// The entrypoint. Default: `/deckhand`.
    pub entrypoint: Vec<String>,
    /// The words after the entrypoint when a container is given none. Default: none.
    pub command: Vec<String>,
    /// The folder that its processes begin in. Default: `/`.
    pub workdir: String,
    /// Whether its program stands in a shell's place, at `/bin/sh`, too: for engines that run health checks by one alone.
    /// Default: no.
    pub shell: bool,
    /// Further files, by their path without a slash before it, with mode 644. A new content gives new digests
    /// throughout. Default: none.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            environment: vec!["PATH=/".to_owned()],
            entrypoint: vec!["/deckhand".to_owned()],
            command: Vec::new(),
            workdir: "/".to_owned(),
            shell: false,
            files: BTreeMap::new(),
        }
    }
}

/// An image in memory: its blobs by digest, and which of them is which.
#[derive(Clone, Debug)]
pub struct BuiltinImage {
    blobs: BTreeMap<Digest, Vec<u8>>,
    layer: Digest,
    config: Digest,
    manifest: Digest,
    index: Digest,
}

impl BuiltinImage {
    /// Makes an image of one layer, and an index around it.
    ///
    /// # Errors
    /// A path in [`ImageOptions::files`] that an archive can't hold: absolute, empty, above the root, or longer than
    /// ustar allows.
    pub fn build(options: &ImageOptions) -> io::Result<Self> {
        let mut blobs = BTreeMap::new();
        let layer = keep(&mut blobs, layer(&options.files, options.shell)?);
        let config = keep(&mut blobs, encode(&config(options, &layer.digest)));
        let manifest = keep(&mut blobs, encode(&manifest(&config, &layer)));
        let index = keep(&mut blobs, encode(&index(&manifest)));
        let (layer, config, manifest, index) = (layer.digest, config.digest, manifest.digest, index.digest);
        Ok(Self { blobs, layer, config, manifest, index })
    }

    /// The digest of the only layer, which is also its diff ID: it is not compressed.
    #[must_use]
    pub fn layer(&self) -> Digest {
        self.layer
    }

    /// The digest of the config: what engines without a content store call the image's ID.
    #[must_use]
    pub fn config(&self) -> Digest {
        self.config
    }

    /// The digest of the manifest.
    #[must_use]
    pub fn manifest(&self) -> Digest {
        self.manifest
    }

    /// The digest of the index that names the manifest for this machine's platform alone.
    #[must_use]
    pub fn index(&self) -> Digest {
        self.index
    }

    /// Every blob, the manifest and the index among them.
    pub fn blobs(&self) -> impl Iterator<Item = (Digest, &[u8])> {
        self.blobs.iter().map(|(digest, bytes)| (*digest, bytes.as_slice()))
    }
}

/// A blob as a descriptor names it.
struct Kept {
    digest: Digest,
    size: usize,
}

impl Kept {
    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest.to_string(), "size": self.size })
    }
}

fn keep(blobs: &mut BTreeMap<Digest, Vec<u8>>, bytes: Vec<u8>) -> Kept {
    let kept = Kept { digest: Digest::sha256(&bytes), size: bytes.len() };
    blobs.insert(kept.digest, bytes);
    kept
}

fn encode(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

fn config(options: &ImageOptions, layer: &Digest) -> Value {
    json!({
        "created": CREATED,
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Env": options.environment,
            "Entrypoint": options.entrypoint,
            "Cmd": options.command,
            "WorkingDir": options.workdir,
            "Labels": options.labels,
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.to_string()] },
        "history": [{ "created": CREATED, "created_by": "portreeve" }],
    })
}

fn manifest(config: &Kept, layer: &Kept) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(CONFIG_TYPE),
        "layers": [layer.descriptor(LAYER_TYPE)],
    })
}

fn index(manifest: &Kept) -> Value {
    let mut entry = manifest.descriptor(MANIFEST_TYPE);
    if let Some(fields) = entry.as_object_mut() {
        fields.insert("platform".to_owned(), json!({ "architecture": architecture(), "os": "linux" }));
    }
    json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry] })
}

/// This machine's architecture in the words of images, which are Go's (`GOARCH`).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        same => same,
    }
}

fn layer(files: &BTreeMap<String, Vec<u8>>, shell: bool) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    directory(&mut archive, "tmp/", 0o1777)?;
    directory(&mut archive, "etc/", 0o755)?;
    file(&mut archive, "etc/passwd", PASSWD, 0o644)?;
    file(&mut archive, "etc/group", GROUP, 0o644)?;
    file(&mut archive, "deckhand", DECKHAND, 0o755)?;
    if shell {
        directory(&mut archive, "bin/", 0o755)?;
        file(&mut archive, "bin/sh", DECKHAND, 0o755)?;
    }
    for (path, content) in files {
        file(&mut archive, path, content, 0o644)?;
    }
    archive.into_inner()
}

type Archive = tar::Builder<Vec<u8>>;

fn directory(archive: &mut Archive, path: &str, mode: u32) -> io::Result<()> {
    append(archive, tar::EntryType::Directory, path, &[], mode)
}

fn file(archive: &mut Archive, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
    append(archive, tar::EntryType::Regular, path, content, mode)
}

fn append(archive: &mut Archive, kind: tar::EntryType, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    archive.append(&header, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(image: &BuiltinImage, digest: Digest) -> Value {
        let (_, bytes) =
            image.blobs().find(|(candidate, _)| *candidate == digest).expect("a blob that the image names");
        serde_json::from_slice(bytes).expect("JSON")
    }

    #[test]
    fn every_blob_hashes_to_its_digest() {
        let image = BuiltinImage::build(&ImageOptions::default()).unwrap();
        let wrong: Vec<_> = image.blobs().filter(|(digest, bytes)| digest.verify(bytes).is_err()).collect();
        assert!(wrong.is_empty());
        assert_eq!(image.blobs().count(), 4);
    }

    #[test]
    fn the_chain_leads_from_the_index_to_the_layer() {
        let image = BuiltinImage::build(&ImageOptions::default()).unwrap();
        let index = parsed(&image, image.index());
        assert_eq!(index["manifests"][0]["digest"], image.manifest().to_string());
        let manifest = parsed(&image, image.manifest());
        assert_eq!(manifest["config"]["digest"], image.config().to_string());
        assert_eq!(manifest["layers"][0]["digest"], image.layer().to_string());
        let config = parsed(&image, image.config());
        assert_eq!(config["rootfs"]["diff_ids"][0], image.layer().to_string());
        assert_eq!(config["architecture"], index["manifests"][0]["platform"]["architecture"]);
    }

    #[test]
    fn the_same_options_give_the_same_bytes_and_others_give_others() {
        let build = |options: &ImageOptions| BuiltinImage::build(options).unwrap();
        let plain = ImageOptions::default();
        assert_eq!(build(&plain).index(), build(&plain).index());
        let labelled = ImageOptions { labels: [("a".into(), "b".into())].into(), ..plain.clone() };
        assert_ne!(build(&plain).config(), build(&labelled).config());
        assert_eq!(build(&plain).layer(), build(&labelled).layer());
        let fuller = ImageOptions { files: [("nonce".into(), b"1".to_vec())].into(), ..plain.clone() };
        assert_ne!(build(&plain).layer(), build(&fuller).layer());
    }

    #[test]
    fn the_layer_holds_the_program_for_root_to_run() {
        let image = BuiltinImage::build(&ImageOptions::default()).unwrap();
        let (_, layer) = image.blobs().find(|(digest, _)| *digest == image.layer()).unwrap();
        let mut archive = tar::Archive::new(layer);
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                (
                    entry.path().unwrap().display().to_string(),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.mtime().unwrap(),
                )
            })
            .collect();
        assert!(found.contains(&("deckhand".to_owned(), 0o755, 0, 0)), "{found:?}");
        assert!(found.contains(&("tmp/".to_owned(), 0o1777, 0, 0)), "{found:?}");
    }

    #[test]
    fn a_path_out_of_the_root_is_refused() {
        for path in ["/etc/shadow", "../escape", ""] {
            let options = ImageOptions { files: [(path.to_owned(), Vec::new())].into(), ..ImageOptions::default() };
            assert!(BuiltinImage::build(&options).is_err(), "{path:?}");
        }
    }
}
