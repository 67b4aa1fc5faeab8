//! An image as one archive, made of proved documents and of layers from the store.
//!
//! It is an [OCI layout][layout], which keeps the manifest and with it the image's digest, and what `docker save` writes
//! beside it: an engine takes what it knows. Layers stand in it as their registry gave them.
//!
//! [layout]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use serde_json::{Value, json};

use super::layers::{LayerStore, Proving, is_mismatch};
use super::manifest::{Descriptor, OCI_INDEX};
use crate::digest::Digest;

/// A document of an image, proved.
#[derive(Debug, Clone)]
pub(crate) struct Proved {
    /// Its descriptor.
    pub(crate) descriptor: Descriptor,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

/// What an image is made of.
#[derive(Debug, Clone)]
pub(crate) struct Assembly {
    /// `registry/repository:tag`, which the image gets.
    pub(crate) name: String,
    /// Its manifest.
    pub(crate) manifest: Proved,
    /// Its configuration.
    pub(crate) config: Proved,
    /// Its layers, lowest first.
    pub(crate) layers: Vec<Descriptor>,
}

impl Assembly {
    /// Writes the archive. Each layer is hashed on its way; one that is another by now ends it, and is held no longer.
    pub(crate) fn write(&self, store: &LayerStore, into: impl Write) -> io::Result<()> {
        let mut archive = Archive { tar: tar::Builder::new(into), written: BTreeSet::new() };
        archive.document("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
        archive.document("index.json", &self.index())?;
        archive.document("manifest.json", &self.listing())?;
        for document in [&self.manifest, &self.config] {
            archive.blob(&document.descriptor, document.bytes.as_slice())?;
        }
        for layer in &self.layers {
            let (file, _) = store.open(&layer.digest)?.ok_or_else(|| missing(&layer.digest))?;
            let written = archive.blob(layer, Proving::new(file, &layer.digest));
            if written.as_ref().is_err_and(is_mismatch) {
                // The failure is the one to tell; what can't be removed is hashed again the next time.
                let _gone = store.remove(&layer.digest);
            }
            written?;
        }
        archive.tar.into_inner()?.flush()
    }

    fn index(&self) -> Value {
        let Descriptor { media_type, digest, size } = &self.manifest.descriptor;
        let names = json!({ "org.opencontainers.image.ref.name": self.name, "io.containerd.image.name": self.name });
        let entry = json!({ "mediaType": media_type, "digest": digest, "size": size, "annotations": names });
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] })
    }

    /// `manifest.json`, as `docker save` writes it.
    fn listing(&self) -> Value {
        let layers: Vec<String> = self.layers.iter().map(|layer| path(&layer.digest)).collect();
        json!([{ "Config": path(&self.config.descriptor.digest), "RepoTags": [self.name], "Layers": layers }])
    }
}

fn missing(digest: &Digest) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("the layer {digest} is not held"))
}

fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

struct Archive<W: Write> {
    tar: tar::Builder<W>,
    written: BTreeSet<Digest>,
}

impl<W: Write> Archive<W> {
    fn document(&mut self, path: &str, document: &Value) -> io::Result<()> {
        let bytes = document.to_string().into_bytes();
        self.member(path, bytes.len() as u64, bytes.as_slice())
    }

    /// A layer may stand twice in an image, its blob once in the archive.
    fn blob(&mut self, blob: &Descriptor, content: impl Read) -> io::Result<()> {
        if !self.written.insert(blob.digest) {
            return Ok(());
        }
        self.member(&path(&blob.digest), blob.size, content)
    }

    /// The same bytes for the same image: no times, no owners.
    fn member(&mut self, path: &str, size: u64, content: impl Read) -> io::Result<()> {
        // The name of a SHA-512 blob is longer than a plain header holds.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(0);
        self.tar.append_data(&mut header, path, content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::export::Export;
    use crate::evidence::layout::Layout;
    use crate::evidence::manifest::{OCI_MANIFEST, Platform};

    const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
    const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

    fn described(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor { media_type: media_type.to_owned(), digest: Digest::sha256(bytes), size: bytes.len() as u64 }
    }

    fn proved(media_type: &str, document: &Value) -> Proved {
        let bytes = document.to_string().into_bytes();
        Proved { descriptor: described(media_type, &bytes), bytes }
    }

    /// An image whose second layer is its first once more.
    fn stand() -> (tempfile::TempDir, LayerStore, Assembly) {
        let folder = tempfile::tempdir().unwrap();
        let store = LayerStore::new(crate::ambient::open_dir(folder.path()).unwrap());
        let digest = Digest::of(crate::digest::Algorithm::Sha512, &[0; 1024]);
        let layer = Descriptor { digest, ..described(LAYER_TYPE, &[0; 1024]) };
        let mut incoming = store.receive(&layer.digest).unwrap();
        incoming.take(&[0; 1024]).unwrap();
        incoming.keep().unwrap();
        let diff_ids = [Digest::sha256(&[0; 1024]); 2];
        let platform = Platform::current();
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        let config =
            json!({ "os": platform.os(), "architecture": platform.architecture(), "config": {}, "rootfs": rootfs });
        let config = proved(CONFIG_TYPE, &config);
        let entry = |of: &Descriptor| json!({ "mediaType": of.media_type, "digest": of.digest, "size": of.size });
        let layers = [entry(&layer), entry(&layer)];
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entry(&config.descriptor), "layers": layers });
        let manifest = proved(OCI_MANIFEST, &manifest);
        let name = "registry.example/team/app:1".to_owned();
        (folder, store, Assembly { name, manifest, config, layers: vec![layer.clone(), layer] })
    }

    #[test]
    fn the_archive_is_a_layout_and_what_save_writes() {
        let (_folder, store, assembly) = stand();
        let mut file = tempfile::tempfile().unwrap();
        assembly.write(&store, &mut file).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let archive = Export::read(file.try_clone().unwrap(), &[]).unwrap().archive().unwrap();
        assert_eq!(archive.config, assembly.config.descriptor.digest);
        assert_eq!(archive.names, std::slice::from_ref(&assembly.name));
        io::Seek::rewind(&mut file).unwrap();
        let layout = Layout::from_tar(file).unwrap();
        let report = layout.verify(&assembly.manifest.descriptor.digest, &Platform::current()).unwrap();
        assert_eq!(report.level(), crate::evidence::chain::Level::Content);
    }

    #[test]
    fn a_layer_that_is_another_by_now_ends_it() {
        let (folder, store, assembly) = stand();
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        std::fs::write(file, [1; 1024]).unwrap();
        assert!(assembly.write(&store, io::sink()).unwrap_err().to_string().contains("hashes to"));
        assert!(!store.has(&assembly.layers[0]));
        assert_eq!(assembly.write(&store, io::sink()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
