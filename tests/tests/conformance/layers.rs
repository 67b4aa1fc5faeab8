//! Layers brought by their digests, and images made of them.

use std::io::Write as _;
use std::sync::Arc;

use portreeve::demo::image::ImageOptions;
use portreeve::demo::registry::Ask;
use portreeve::evidence::manifest::Descriptor;
use portreeve::{Digest, Error, Reference};
use portreeve_tests::registry::Fault;
use serde_json::{Value, json};

use crate::setting::{Published, Setting};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image of three layers: that of the built-in one as it is, and one more, by gzip, that stands in it twice.
pub(crate) struct Layered {
    repository: String,
    pub(crate) image: Reference,
    layers: Vec<Descriptor>,
    config: Digest,
}

impl Layered {
    pub(crate) fn publish(setting: &Setting) -> Self {
        let Published { image: base, repository, .. } = setting.publish(ImageOptions::default());
        let keeper = setting.registry.keeper();
        let blob = |digest: Digest| base.blobs().find(|(found, _)| *found == digest).unwrap().1.to_vec();
        let archive = archive(&repository);
        let gzip = gzip(&archive);
        let mut config: Value = serde_json::from_slice(&blob(base.config())).unwrap();
        config["rootfs"]["diff_ids"] = json!([base.layer(), Digest::sha256(&archive), Digest::sha256(&archive)]);
        config["history"] = json!([]);
        let config = config.to_string().into_bytes();
        let described = |media_type: &str, bytes: &[u8]| Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::sha256(bytes),
            size: bytes.len() as u64,
        };
        let (upper, lower) = (described(GZIP, &gzip), described(TAR, &blob(base.layer())));
        let layers = vec![lower, upper.clone(), upper];
        let entry = |of: &Descriptor| json!({ "mediaType": of.media_type, "digest": of.digest, "size": of.size });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": entry(&described(CONFIG, &config)),
            "layers": layers.iter().map(entry).collect::<Vec<_>>(),
        });
        keeper.put(&repository, GZIP, gzip);
        let config = keeper.put(&repository, CONFIG, config);
        let manifest = keeper.put(&repository, MANIFEST, manifest.to_string().into_bytes());
        let image = setting.registry.reference(&repository, &manifest).parse().unwrap();
        setting.images.lock().unwrap().push(config.hex());
        Self { repository, image, layers, config }
    }

    /// The layers that the registry was asked for, in this repository.
    fn asked(&self, setting: &Setting) -> Vec<String> {
        let layers: Vec<String> = self.layers.iter().map(|layer| layer.digest.to_string()).collect();
        let asked = setting.registry.keeper().asked().into_iter().filter_map(|ask| match ask {
            Ask::Blob { repository, digest } if repository == self.repository => Some(digest),
            _ => None,
        });
        asked.filter(|digest| layers.contains(digest)).collect()
    }
}

fn archive(text: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, "upper", text.as_bytes()).unwrap();
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Each layer crosses the wire once, however often it stands in an image and however often it is asked for.
pub(crate) async fn only_layers_that_are_missing_are_brought(setting: Arc<Setting>) {
    let layered = Layered::publish(&setting);
    let before = setting.host.layers(&layered.image).await.unwrap();
    assert_eq!(before.iter().map(|layer| layer.digest).collect::<Vec<_>>(), {
        layered.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>()
    });
    assert!(before.iter().all(|layer| !layer.held));
    let first = setting.host.ensure_layers(&layered.image, &layered.layers[..1]).await.unwrap();
    assert!(first.iter().all(|layer| layer.held && layer.brought));
    let all = setting.host.ensure_layers_of(&layered.image).await.unwrap();
    assert_eq!(all.iter().map(|layer| layer.brought).collect::<Vec<_>>(), [false, true, true]);
    assert!(all.iter().all(|layer| layer.held));
    let again = setting.host.ensure_layers(&layered.image, &layered.layers).await.unwrap();
    assert!(again.iter().all(|layer| layer.held && !layer.brought));
    assert_eq!(layered.asked(&setting).len(), 2);
    let held = setting.host.held_layers().unwrap();
    assert!(layered.layers.iter().all(|layer| held.iter().any(|held| held.digest == layer.digest)));
    let digests = [layered.layers[0].digest];
    assert_eq!(setting.host.discard_layers(&digests).unwrap(), digests);
    assert!(setting.host.discard_layers(&digests).unwrap().is_empty());
}

/// No layer comes from the registry a second time; the engine ends up with the image of the proved digest, and runs it.
pub(crate) async fn an_image_is_assembled_of_held_layers_and_runs(setting: Arc<Setting>) {
    let layered = Layered::publish(&setting);
    let error = setting.host.assemble(&layered.image).await.unwrap_err();
    assert!(matches!(&error, Error::NotFound { kind: "layer", .. }), "{error:?}");
    setting.host.ensure_layers_of(&layered.image).await.unwrap();
    let asked = layered.asked(&setting).len();
    let assembled = setting.host.assemble(&layered.image).await.unwrap();
    assert_eq!(assembled.pulled, None);
    assert_eq!(assembled.image.id.trim_start_matches("sha256:"), layered.config.hex());
    let report = assembled.image.verification.unwrap();
    assert!(report.level() >= portreeve::evidence::chain::Level::Manifest, "{report:?}");
    let mut spec = setting.spec(&["say", "assembled"]);
    spec.image = layered.image.clone();
    let completed = setting.host.run_to_completion(&spec, &[]).await.unwrap();
    assert_eq!((completed.status, completed.stdout.as_slice()), (0, &b"assembled\n"[..]));
    assert_eq!(layered.asked(&setting).len(), asked, "the engine pulled it");
    assert_eq!(std::fs::read_dir(setting.state().join("archives")).unwrap().count(), 0, "the archive was left behind");
    setting.host.remove(spec.name.as_str(), true).await.unwrap();
    setting.host.remove_image(&layered.image, true).await.unwrap();
    assert!(!setting.host.images().await.unwrap().iter().any(|image| image.id.ends_with(&layered.config.hex())));
}

pub(crate) async fn a_layer_that_lies_is_not_kept(setting: Arc<Setting>) {
    let layered = Layered::publish(&setting);
    setting.registry.keeper().misbehave(&layered.repository, Fault::BadLayer);
    let error = setting.host.ensure_layers_of(&layered.image).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{error:?}");
    setting.registry.keeper().repent(&layered.repository);
    let held = setting.host.held_layers().unwrap();
    assert!(layered.layers.iter().all(|layer| held.iter().all(|held| held.digest != layer.digest)));
    let absent = Descriptor { digest: Digest::sha256(b"absent"), ..layered.layers[0].clone() };
    let error = setting.host.ensure_layers(&layered.image, &[absent]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { kind: "layer", .. }), "{error:?}");
    let other_size = Descriptor { size: 7, ..layered.layers[0].clone() };
    assert!(matches!(setting.host.ensure_layers(&layered.image, &[other_size]).await, Err(Error::Digest(_))));
    assert!(setting.host.ensure_layers_of(&layered.image).await.is_ok());
}

pub(crate) async fn a_held_layer_that_was_changed_makes_no_image(setting: Arc<Setting>) {
    let layered = Layered::publish(&setting);
    setting.host.ensure_layers_of(&layered.image).await.unwrap();
    let file = setting.state().join("layers").join(format!("sha256-{}", layered.layers[1].digest.hex()));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mark = setting.mark();
    let error = setting.host.assemble(&layered.image).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{error:?}");
    assert!(!setting.was_told_to("load", mark));
    assert!(!setting.host.images().await.unwrap().iter().any(|image| image.id.ends_with(&layered.config.hex())));
    // It is not held any more, so that it comes again.
    assert!(setting.host.ensure_layers_of(&layered.image).await.unwrap()[1].brought);
    assert!(setting.host.assemble(&layered.image).await.is_ok());
}
