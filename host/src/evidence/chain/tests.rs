use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::manifest::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use super::*;

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// Bytes by digest, which a test may falsify.
#[derive(Default)]
struct Store {
    blobs: HashMap<Digest, Vec<u8>>,
    asked: RefCell<Vec<Digest>>,
}

impl ManifestSource for Store {
    fn fetch(&self, digest: &Digest, _: Content) -> Result<Vec<u8>, SourceError> {
        self.asked.borrow_mut().push(*digest);
        let absent = || SourceError::Absent { why: "not here".to_owned(), remedy: "ask elsewhere".to_owned() };
        self.blobs.get(digest).cloned().ok_or_else(absent)
    }
}

impl Store {
    fn put(&mut self, media_type: &str, value: &Value) -> Value {
        let bytes = value.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        let size = bytes.len();
        self.blobs.insert(digest, bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    /// An image of one layer; `salt` makes its digests differ.
    fn image(&mut self, architecture: &str, salt: &str) -> Value {
        let layer = Digest::sha256(salt.as_bytes());
        let rootfs = json!({ "type": "layers", "diff_ids": [layer] });
        let config = json!({ "os": "linux", "architecture": architecture, "rootfs": rootfs, "author": salt });
        let config = self.put(CONFIG_TYPE, &config);
        let layers = json!([{ "mediaType": LAYER_TYPE, "digest": layer, "size": salt.len() }]);
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        let mut descriptor = self.put(OCI_MANIFEST, &manifest);
        descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
        descriptor
    }

    fn index(&mut self, entries: &[Value]) -> Digest {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
        digest_of(&self.put(OCI_INDEX, &index))
    }

    fn config_of(&self, manifest: &Value) -> Digest {
        let manifest: Value = serde_json::from_slice(&self.blobs[&digest_of(manifest)]).unwrap();
        digest_of(&manifest["config"])
    }

    fn verify(&self, requested: &Digest, id: &str) -> Result<Report, ChainError> {
        let platform = "linux/amd64".parse().unwrap();
        let verified = verify(requested, &platform, id, self);
        let examined = examine(requested, &platform, id, self);
        match &verified {
            Ok(report) => assert_eq!(&examined, report),
            Err(error) => fails_with(&examined, error.kind(), &error.to_string()),
        }
        verified
    }
}

/// What is an error is a link of the report, the last one that could be looked at, and nothing is proved then.
fn fails_with(report: &Report, kind: &str, why: &str) {
    let failed = report.failure().unwrap_or_else(|| panic!("{report}"));
    assert!(matches!(&failed.status, Status::Failed { kind: k, why: w } if *k == kind && w == why), "{report}");
    assert_eq!(report.level(), Level::Claimed);
    assert_eq!(serde_json::to_value(failed).unwrap()["status"], "failed");
    assert!(report.to_string().contains(&format!("why: {kind}: ")), "{report}");
}

fn digest_of(descriptor: &Value) -> Digest {
    descriptor["digest"].as_str().unwrap().parse().unwrap()
}

fn statuses(report: &Report) -> Vec<(Step, String)> {
    report.links.iter().map(|link| (link.step, link.status.to_string())).collect()
}

/// An index for two platforms: its digest, and the descriptors of the two images.
fn two_platforms(store: &mut Store) -> (Digest, Value, Value) {
    let (amd, arm) = (store.image("amd64", "one"), store.image("arm64", "two"));
    (store.index(&[amd.clone(), arm.clone()]), amd, arm)
}

#[test]
fn a_single_manifest_is_proved_by_either_spelling_of_the_id() {
    let mut store = Store::default();
    let image = store.image("amd64", "x");
    let config = store.config_of(&image);
    for id in [config.to_string(), config.hex(), digest_of(&image).to_string()] {
        let report = store.verify(&digest_of(&image), &id).unwrap();
        assert_eq!(report.level(), Level::Manifest, "{report}");
        assert_eq!((report.config, report.diff_ids.len()), (Some(config), 1));
    }
}

#[test]
fn an_index_is_followed_to_the_platform() {
    let mut store = Store::default();
    let (index, amd, _) = two_platforms(&mut store);
    let config = store.config_of(&amd);
    for id in [config, digest_of(&amd), index] {
        let report = store.verify(&index, &id.to_string()).unwrap();
        assert_eq!(report.level(), Level::Manifest, "{report}");
        assert_eq!((report.manifest, report.image_id), (Some(digest_of(&amd)), Some(id)));
    }
    let steps = statuses(&store.verify(&index, &config.hex()).unwrap());
    let expected = [Step::Requested, Step::Manifest, Step::Config, Step::ImageId, Step::DiffIds, Step::Layer];
    assert_eq!(steps.iter().map(|(step, _)| *step).collect::<Vec<_>>(), expected);
}

#[test]
fn another_image_is_found_out() {
    let mut store = Store::default();
    let (index, amd, arm) = two_platforms(&mut store);
    let stranger = store.image("amd64", "stranger");
    let wrong = store.verify(&index, &store.config_of(&stranger).hex());
    assert!(matches!(wrong, Err(ChainError::WrongImage { expected, .. }) if *expected == store.config_of(&amd)));
    for id in [store.config_of(&arm), digest_of(&arm)] {
        let other = store.verify(&index, &id.to_string()).unwrap_err();
        assert!(matches!(&other, ChainError::OtherEntry { platform, .. } if platform == "linux/arm64"), "{other}");
    }
}

#[test]
fn of_equal_entries_the_engines_own_is_taken() {
    let mut store = Store::default();
    let (first, second) = (store.image("amd64", "gzip"), store.image("amd64", "zstd"));
    let index = store.index(&[first.clone(), second.clone()]);
    for image in [&first, &second] {
        let report = store.verify(&index, &store.config_of(image).hex()).unwrap();
        assert_eq!((report.level(), report.manifest), (Level::Manifest, Some(digest_of(image))));
    }
}

#[test]
fn a_source_that_lies_is_found_out() {
    let mut store = Store::default();
    let (index, amd, arm) = two_platforms(&mut store);
    let config = store.config_of(&amd);
    for lied_about in [index, digest_of(&amd), config] {
        let truth = store.blobs.insert(lied_about, store.blobs[&digest_of(&arm)].clone()).unwrap();
        let found = store.verify(&index, &config.hex());
        assert!(matches!(found, Err(ChainError::Mismatch(lie)) if *lie.expected == lied_about));
        store.blobs.insert(lied_about, truth);
    }
    assert!(store.verify(&index, &config.hex()).is_ok());
}

#[test]
fn what_is_absent_is_never_called_proved() {
    let mut store = Store::default();
    let (index, amd, _) = two_platforms(&mut store);
    let config = store.config_of(&amd);
    store.blobs.remove(&config);
    let report = store.verify(&index, &config.hex()).unwrap();
    assert_eq!((report.level(), report.diff_ids.len()), (Level::Manifest, 0));
    assert!(statuses(&report).contains(&(Step::DiffIds, "not checkable".to_owned())));
    store.blobs.remove(&digest_of(&amd));
    let report = store.verify(&index, &config.hex()).unwrap();
    assert_eq!((report.level(), report.manifest, report.config), (Level::Claimed, None, None));
    assert!(statuses(&report).contains(&(Step::ImageId, "claimed".to_owned())));
    store.blobs.remove(&index);
    for id in [config, index] {
        let report = store.verify(&index, &id.to_string()).unwrap();
        assert_eq!(report.level(), Level::Claimed);
        assert!(report.links.iter().all(|link| link.status != Status::Proved), "{report}");
    }
}

#[test]
fn a_manifest_that_stands_in_a_proved_index_is_known_by_name() {
    let mut store = Store::default();
    let (index, amd, _) = two_platforms(&mut store);
    store.blobs.remove(&digest_of(&amd));
    let report = store.verify(&index, &digest_of(&amd).to_string()).unwrap();
    assert_eq!(report.level(), Level::Claimed);
    assert!(statuses(&report).contains(&(Step::ImageId, "proved".to_owned())));
}

#[test]
fn documents_are_refused_though_their_hash_is_right() {
    let mut store = Store::default();
    let (_, amd, arm) = two_platforms(&mut store);
    let change = |key: &str, to: Value| {
        let mut changed = amd.clone();
        changed[key] = to;
        changed
    };
    let refused = |store: &mut Store, entry: Value| {
        let index = store.index(&[entry]);
        match store.verify(&index, &Digest::sha256(b"").hex()) {
            Err(ChainError::Document { error, .. }) => error,
            other => panic!("{other:?}"),
        }
    };
    let size = refused(&mut store, change("size", 7.into()));
    assert!(matches!(size, ManifestError::Size { expected: 7, .. }));
    let media_type = refused(&mut store, change("mediaType", DOCKER_MANIFEST.into()));
    assert!(matches!(media_type, ManifestError::MediaType { .. }));
    let platform = refused(
        &mut store,
        json!({ "platform": amd["platform"], "digest": arm["digest"],
        "size": arm["size"], "mediaType": arm["mediaType"] }),
    );
    assert!(matches!(platform, ManifestError::PlatformMismatch { .. }));
    let missing = refused(&mut store, arm.clone());
    assert!(matches!(missing, ManifestError::NoPlatform { .. }));
    let nameless = refused(&mut store, change("platform", json!({ "os": "linux" })));
    assert!(matches!(nameless, ManifestError::Missing { .. }));
}

#[test]
fn nested_indexes_are_followed_but_not_for_ever() {
    let mut store = Store::default();
    let image = store.image("amd64", "x");
    let config = store.config_of(&image);
    let mut digest = store.index(std::slice::from_ref(&image));
    for depth in 2..=6 {
        let size = store.blobs[&digest].len();
        let entry = json!({ "mediaType": OCI_INDEX, "digest": digest, "size": size, "platform": image["platform"] });
        digest = store.index(&[entry]);
        let found = store.verify(&digest, &config.hex());
        assert_eq!(found.is_ok(), depth <= 4, "{depth}: {found:?}");
    }
}

#[test]
fn ids_are_read_strictly() {
    let store = Store::default();
    let hex = Digest::sha256(b"").hex();
    for id in ["", "latest", "sha256:", &hex[..12], &hex.to_uppercase(), &format!("{hex}\n"), &format!("md5:{hex}")] {
        let found = store.verify(&Digest::sha256(b"x"), id);
        assert!(matches!(found, Err(ChainError::ImageId { .. })), "{id}");
    }
}

#[test]
fn the_report_reads_well_and_serialises() {
    let mut store = Store::default();
    let image = store.image("amd64", "x");
    let mut report = store.verify(&digest_of(&image), &store.config_of(&image).hex()).unwrap();
    let json: Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["links"][0]["status"], "proved");
    assert_eq!(json["links"][4]["status"], "not-checkable");
    assert!(json["links"][4]["remedy"].as_str().unwrap().contains("export"));
    assert!(report.to_string().contains("\nproved         config     manifest sha256:"), "{report}");
    report.set_layers(vec![Link::proved(Step::Layer, report.diff_ids[0], "content")]);
    assert_eq!(report.level(), Level::Content);
    report.set_layers(Vec::new());
    assert_eq!(report.level(), Level::Manifest);
}

#[test]
fn the_first_source_that_has_it_answers_and_one_that_lies_ends_it() {
    let (mut full, empty, mut liar) = (Store::default(), Store::default(), Store::default());
    let image = full.image("amd64", "x");
    let digest = digest_of(&image);
    let id = full.config_of(&image).hex();
    let platform = "linux/amd64".parse().unwrap();
    assert!(verify(&digest, &platform, &id, &FirstOf(&[&empty, &full])).is_ok());
    let absent = FirstOf(&[&empty, &empty]).fetch(&digest, Content::Manifest);
    assert!(matches!(absent, Err(SourceError::Absent { why, .. }) if why == "not here; not here"));
    liar.blobs.insert(digest, b"{}".to_vec());
    let found = verify(&digest, &platform, &id, &FirstOf(&[&empty, &liar, &full]));
    assert!(matches!(found, Err(ChainError::Mismatch(_))));
}
