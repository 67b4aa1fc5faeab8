use std::io::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::super::chain::{Level, Status, verify};
use super::*;
use crate::digest::Digest;

const LAYERS: [&[u8]; 2] = [b"the first layer", b"the second layer"];

/// The members of an export, to be changed before it is written.
struct Sample {
    members: Vec<(String, tar::EntryType, Vec<u8>)>,
    config: Digest,
    manifest: Vec<u8>,
}

impl Sample {
    /// As `save` writes an image of two layers, the second one twice.
    fn new(algorithm: Algorithm) -> Self {
        let diff_ids = LAYERS.map(|layer| Digest::of(algorithm, layer));
        let rootfs = json!({ "type": "layers", "diff_ids": [diff_ids[0], diff_ids[1], diff_ids[1]] });
        let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": rootfs }).to_string().into_bytes();
        let digest = Digest::sha256(&config);
        let named = json!([{ "Config": format!("{}.json", digest.hex()), "RepoTags": null,
            "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"] }]);
        let layer = |layer: &[u8]| {
            let descriptor = ("application/vnd.oci.image.layer.v1.tar", Digest::sha256(layer), layer.len());
            json!({ "mediaType": descriptor.0, "digest": descriptor.1, "size": descriptor.2 })
        };
        let manifest = json!({ "schemaVersion": 2, "mediaType": super::super::manifest::OCI_MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len() },
            "layers": [layer(LAYERS[0]), layer(LAYERS[1]), layer(LAYERS[1])] });
        let regular = tar::EntryType::Regular;
        let members = vec![
            ("a/".to_owned(), tar::EntryType::Directory, Vec::new()),
            ("a/layer.tar".to_owned(), regular, LAYERS[0].to_vec()),
            ("b/layer.tar".to_owned(), regular, LAYERS[1].to_vec()),
            ("c/layer.tar".to_owned(), tar::EntryType::Symlink, b"../b/layer.tar".to_vec()),
            (format!("{}.json", digest.hex()), regular, config),
            ("manifest.json".to_owned(), regular, named.to_string().into_bytes()),
        ];
        Self { members, config: digest, manifest: manifest.to_string().into_bytes() }
    }

    fn put(&mut self, path: &str, bytes: &[u8]) {
        let member = self.members.iter_mut().find(|(name, ..)| name == path).unwrap();
        member.2 = bytes.to_vec();
    }

    fn archive(&self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, kind, bytes) in &self.members {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            if kind.is_symlink() {
                header.set_size(0);
                archive.append_link(&mut header, path, std::str::from_utf8(bytes).unwrap()).unwrap();
            } else {
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, path, bytes.as_slice()).unwrap();
            }
        }
        archive.into_inner().unwrap()
    }

    fn documents(&self) -> Vec<Vec<u8>> {
        let config = self.members.iter().find(|(name, ..)| name.starts_with(&self.config.hex())).unwrap();
        vec![self.manifest.clone(), config.2.clone()]
    }

    /// A report whose documents were proved, before the export is looked at.
    fn report(&self) -> Report {
        struct Kept(Vec<Vec<u8>>);
        impl ManifestSource for Kept {
            fn fetch(&self, digest: &Digest, _: Content) -> Result<Vec<u8>, SourceError> {
                let found = self.0.iter().find(|bytes| digest.verify(bytes).is_ok());
                found.cloned().ok_or(SourceError::Absent { why: "no".to_owned(), remedy: "none".to_owned() })
            }
        }
        let kept = Kept(self.documents());
        let requested = Digest::sha256(&self.manifest);
        verify(&requested, &"linux/amd64".parse().unwrap(), &self.config.to_string(), &kept).unwrap()
    }

    fn judged(&self) -> Result<Report, ExportError> {
        let mut report = Self::new(Algorithm::Sha256).report();
        let export = Export::read(self.archive().as_slice(), &report.diff_ids)?;
        let examined = export.examine(&report);
        let layers = export.layers(&report);
        match &layers {
            Ok(layers) => assert_eq!(&examined, layers),
            Err(error) => {
                let why = error.to_string();
                let told = |link: &super::super::chain::Link| matches!(&link.status, Status::Failed { kind, why: w } if *kind == error.kind() && *w == why);
                assert!(examined.iter().any(told), "{examined:?}");
            }
        }
        report.set_layers(layers?);
        Ok(report)
    }
}

#[test]
fn what_was_pulled_is_proved_down_to_its_content() {
    let report = Sample::new(Algorithm::Sha256).judged().unwrap();
    assert_eq!(report.level(), Level::Content, "{report}");
}

/// As `save` writes it where containerd keeps the images: an OCI layout with the documents as they were pulled, and a
/// `manifest.json` that names blobs; layers are compressed. Gives the archive and the digest of the index.
fn of_containerd(edited: bool) -> (Sample, Digest) {
    let gzip = |layer: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(layer).unwrap();
        encoder.finish().unwrap()
    };
    let mut members = Vec::new();
    let mut blob = |kind: &str, bytes: Vec<u8>| {
        let digest = Digest::sha256(&bytes);
        let descriptor =
            json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": bytes.len() });
        members.push((format!("blobs/sha256/{}", digest.hex()), tar::EntryType::Regular, bytes));
        descriptor
    };
    let layers = LAYERS.map(|layer| blob("layer.v1.tar+gzip", gzip(layer)));
    let rootfs = json!({ "type": "layers", "diff_ids": LAYERS.map(Digest::sha256) });
    let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": rootfs }).to_string().into_bytes();
    let config = blob("config.v1+json", config);
    let manifest = json!({ "schemaVersion": 2, "mediaType": super::super::manifest::OCI_MANIFEST, "config": config, "layers": layers });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = blob("manifest.v1+json", manifest.clone());
    entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let index = json!({ "schemaVersion": 2, "mediaType": super::super::manifest::OCI_INDEX, "manifests": [entry] });
    let index = blob("index.v1+json", index.to_string().into_bytes());
    let path =
        |descriptor: &serde_json::Value| descriptor["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    let named = json!([{ "Config": path(&config), "RepoTags": null, "Layers": [path(&layers[0]), path(&layers[1])] }]);
    let top = json!({ "schemaVersion": 2, "manifests": [index.clone()] });
    for (name, bytes) in [
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json", top.to_string().into_bytes()),
        ("manifest.json", named.to_string().into_bytes()),
    ] {
        members.push((name.to_owned(), tar::EntryType::Regular, bytes));
    }
    let digest = |descriptor: &serde_json::Value| descriptor["digest"].as_str().unwrap().parse().unwrap();
    let mut sample = Sample { members, config: digest(&config), manifest };
    if edited {
        sample.put(&path(&layers[1]), &gzip(b"another layer"));
    }
    (sample, digest(&index))
}

#[test]
fn where_containerd_keeps_images_the_export_proves_them_alone() {
    let platform = "linux/amd64".parse().unwrap();
    for (edited, level) in [(false, Level::Content), (true, Level::Claimed)] {
        let (sample, index) = of_containerd(edited);
        let export = Export::read(sample.archive().as_slice(), &[]).unwrap();
        // its ID is the digest that was asked for, of an index or of a manifest
        for asked in [index, Digest::sha256(&sample.manifest)] {
            let mut report = super::super::chain::examine(&asked, &platform, &asked.to_string(), &export);
            assert_eq!((report.level(), report.config), (Level::Manifest, Some(sample.config)), "{report}");
            report.set_layers(export.examine(&report));
            assert_eq!(report.level(), level, "{report}");
            assert_eq!(report.failure().is_some(), edited, "{report}");
        }
    }
}

#[test]
fn layers_named_by_sha512_are_proved_too() {
    let sample = Sample::new(Algorithm::Sha512);
    let mut report = sample.report();
    let export = Export::read(sample.archive().as_slice(), &report.diff_ids).unwrap();
    report.set_layers(export.layers(&report).unwrap());
    assert_eq!(report.level(), Level::Content, "{report}");
    // without a hash by their algorithm nothing is said to be proved
    let narrow = Export::read(sample.archive().as_slice(), &[]).unwrap();
    assert!(narrow.layers(&report).is_err());
}

#[test]
fn an_edited_layer_is_found_and_named() {
    for (path, number) in [("a/layer.tar", 1), ("b/layer.tar", 2)] {
        let mut sample = Sample::new(Algorithm::Sha256);
        sample.put(path, b"edited on the disk");
        let found = sample.judged();
        assert!(matches!(found, Err(ExportError::Layer { number: n, .. }) if n == number), "{path}: {found:?}");
    }
}

#[test]
fn layers_are_proved_whether_they_are_compressed_or_not() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(LAYERS[0]).unwrap();
    let gzip = encoder.finish().unwrap();
    let mut sample = Sample::new(Algorithm::Sha256);
    sample.put("a/layer.tar", &gzip);
    assert_eq!(sample.judged().unwrap().level(), Level::Content);
    sample.put("a/layer.tar", &gzip[..gzip.len() - 3]);
    assert!(matches!(sample.judged(), Err(ExportError::Layer { number: 1, .. })));
}

#[test]
fn exports_of_something_else_are_refused() {
    let changed = |path: &str, bytes: &[u8]| {
        let mut sample = Sample::new(Algorithm::Sha256);
        let path = if path == "config" { format!("{}.json", sample.config.hex()) } else { path.to_owned() };
        sample.put(&path, bytes);
        sample.judged()
    };
    assert!(matches!(changed("config", b"{}"), Err(ExportError::OtherImage { .. })));
    assert!(matches!(changed("manifest.json", b"[]"), Err(ExportError::Form { .. })));
    assert!(matches!(changed("manifest.json", b"{}"), Err(ExportError::Form { .. })));
    let fewer = br#"[{"Config":"x.json","Layers":["a/layer.tar"]}]"#;
    assert!(matches!(changed("manifest.json", fewer), Err(ExportError::Count { expected: 3, found: 1 })));
    let elsewhere = br#"[{"Config":"x.json","Layers":["a/layer.tar","../../etc/passwd","/etc/passwd"]}]"#;
    let report = changed("manifest.json", elsewhere).unwrap();
    assert_eq!(report.level(), Level::Manifest, "{report}");
}

#[test]
fn an_export_without_an_index_proves_nothing() {
    let mut sample = Sample::new(Algorithm::Sha256);
    sample.members.pop();
    let report = sample.judged().unwrap();
    assert_eq!(report.level(), Level::Manifest, "{report}");
    assert!(report.to_string().contains("form that is not known"));
}

#[test]
fn names_that_stand_twice_and_cut_ends_are_refused() {
    let mut sample = Sample::new(Algorithm::Sha256);
    sample.members.push(("./a/layer.tar".to_owned(), tar::EntryType::Regular, b"other".to_vec()));
    assert!(matches!(sample.judged(), Err(ExportError::Form { .. })));
    let whole = Sample::new(Algorithm::Sha256).archive();
    for end in [100, 700, 1100, 1600] {
        let found = Export::read(&whole[..end], &[]);
        assert!(found.is_err(), "{end}");
    }
}

#[test]
fn links_lead_nowhere_but_to_files_of_the_archive() {
    let mut sample = Sample::new(Algorithm::Sha256);
    for target in ["../../../../etc/passwd", "layer.tar", "/etc/passwd"] {
        sample.put("c/layer.tar", target.as_bytes());
        assert_eq!(sample.judged().unwrap().level(), Level::Manifest, "{target}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _judged = Export::read(bytes.as_slice(), &[]);
    }

    #[test]
    fn a_flipped_byte_never_proves_a_layer_that_it_changed(at in 0usize..9000, bit in 0u8..8) {
        let sample = Sample::new(Algorithm::Sha256);
        let report = sample.report();
        let mut bytes = sample.archive();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let judged = Export::read(bytes.as_slice(), &report.diff_ids).and_then(|export| export.layers(&report));
        let links = judged.unwrap_or_default();
        let archive = sample.archive();
        let is_layer = LAYERS.iter().any(|layer| {
            let begin = archive.windows(layer.len()).position(|window| window == *layer).unwrap();
            (begin..begin + layer.len()).contains(&at)
        });
        let proved = links.iter().filter(|link| link.status == Status::Proved).count();
        prop_assert!(!is_layer || proved < 3);
    }
}
