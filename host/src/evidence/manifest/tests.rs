use proptest::prelude::*;
use serde_json::json;

use super::*;

const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn descriptor(media_type: &str) -> Value {
    json!({ "mediaType": media_type, "digest": EMPTY, "size": 2 })
}

fn manifest(layers: usize) -> Value {
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar+gzip");
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG_TYPES[0]), "layers": vec![layer; layers],
    })
}

fn index() -> Value {
    let entry = |os: &str, architecture: &str| {
        let mut entry = descriptor(OCI_MANIFEST);
        entry["platform"] = json!({ "os": os, "architecture": architecture });
        entry
    };
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        entry("linux", "amd64"), entry("linux", "arm64"), entry("linux", "amd64"), entry("unknown", "unknown"),
        descriptor(OCI_MANIFEST),
    ]})
}

fn read(value: &Value) -> Result<Document, ManifestError> {
    Document::parse(value.to_string().as_bytes())
}

fn with(mut value: Value, pointer: &str, key: &str, to: Value) -> Value {
    value.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(key.to_owned(), to);
    value
}

fn without(mut value: Value, pointer: &str, key: &str) -> Value {
    value.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
    value
}

fn config(diff_ids: usize) -> Value {
    json!({
        "architecture": "amd64", "os": "linux", "config": { "Labels": { "a": "", "A": "" }, "Cmd": null },
        "rootfs": { "type": "layers", "diff_ids": vec![EMPTY; diff_ids] },
    })
}

/// A configuration, read with a manifest of `layers` layers that describes its size.
fn read_config(config: &str, layers: usize) -> Result<ImageConfig, ManifestError> {
    let sized = with(manifest(layers), "/config", "size", config.len().into());
    match read(&sized).unwrap() {
        Document::Manifest(manifest) => ImageConfig::parse(config.as_bytes(), &manifest),
        Document::Index(_) => panic!("a manifest"),
    }
}

#[test]
fn good_documents_are_read() {
    assert!(matches!(read(&manifest(3)), Ok(Document::Manifest(m)) if m.layers().len() == 3));
    assert!(matches!(read(&index()), Ok(Document::Index(i)) if i.entries().len() == 5));
    let untyped = without(manifest(1), "", "mediaType");
    assert_eq!(read(&untyped).unwrap().media_type(), OCI_MANIFEST);
    let docker = with(manifest(1), "", "mediaType", DOCKER_MANIFEST.into());
    assert_eq!(read(&docker).unwrap().media_type(), DOCKER_MANIFEST);
    assert!(Document::parse(format!("{}\n", manifest(0)).as_bytes()).is_ok());
    let embedded = with(manifest(0), "/config", "data", "e30=".into());
    assert!(read(&embedded).is_ok());
    let annotated = with(manifest(0), "", "annotations", json!({ "a": "", "A": "" }));
    assert!(read(&annotated).is_ok());
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    use ManifestError as E;
    let both = with(index(), "", "layers", json!([]));
    assert!(matches!(read(&both), Err(E::Mixed { field: "layers", .. })));
    let untyped = without(both, "", "mediaType");
    assert!(matches!(read(&untyped), Err(E::Mixed { field: "layers", .. })));
    let both = with(manifest(0), "", "manifests", Value::Null);
    assert!(matches!(read(&both), Err(E::Mixed { field: "manifests", .. })));
    let other = with(manifest(0), "", "Manifests", json!([]));
    assert!(matches!(read(&other), Err(E::KeyCase { .. })));
    let long_s = with(manifest(0), "", "manifeſts", json!([]));
    assert!(matches!(read(&long_s), Err(E::KeyCase { .. })));
    let nested = with(index(), "/manifests/0/platform", "OS", "linux".into());
    assert!(matches!(read(&nested), Err(E::KeyCase { .. })));
}

#[test]
fn equal_keys_are_refused_at_every_depth() {
    use ManifestError as E;
    let twice = |text: String, from: &str, to: &str| Document::parse(text.replacen(from, to, 1).as_bytes());
    let found = twice(manifest(0).to_string(), "\"layers\":", "\"layers\":[],\"layers\":");
    assert_eq!(found, Err(E::DuplicateKey { key: "layers".to_owned() }));
    let found = twice(manifest(0).to_string(), "\"layers\":", "\"l\\u0061yers\":[],\"layers\":");
    assert!(matches!(found, Err(E::DuplicateKey { .. })));
    let found = twice(manifest(0).to_string(), "\"digest\":", "\"digest\":\"x\",\"digest\":");
    assert!(matches!(found, Err(E::DuplicateKey { .. })));
    let found = twice(manifest(0).to_string(), "\"digest\":", "\"Digest\":\"x\",\"digest\":");
    assert!(matches!(found, Err(E::KeyCase { .. })));
    let found = twice(manifest(0).to_string(), "{", "{\"annotations\":{\"a\":\"\",\"a\":\"\"},");
    assert!(matches!(found, Err(E::DuplicateKey { .. })));
}

#[test]
fn each_malformed_document_has_its_own_error() {
    use ManifestError as E;
    macro_rules! refused {
        ($($value:expr => $pattern:pat,)*) => {$(
            let found = read(&$value);
            assert!(matches!(found, Err($pattern)), "{}: {found:?}", stringify!($pattern));
        )*};
    }
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    refused! {
        json!([]) => E::WrongType { .. },
        json!({}) => E::Missing { .. },
        json!({ "schemaVersion": 1, "fsLayers": [], "history": [] }) => E::Schema1,
        with(manifest(0), "", "mediaType", SCHEMA1_TYPES[1].into()) => E::Schema1,
        with(manifest(0), "", "schemaVersion", 1.into()) => E::Schema1,
        with(manifest(0), "", "schemaVersion", 3.into()) => E::SchemaVersion { found: 3 },
        with(manifest(0), "", "schemaVersion", "2".into()) => E::WrongType { .. },
        with(manifest(0), "", "schemaVersion", 2.0.into()) => E::WrongType { .. },
        with(manifest(0), "", "mediaType", "text/plain".into()) => E::UnknownMediaType { .. },
        with(manifest(0), "", "mediaType", OCI_INDEX.into()) => E::Mixed { .. },
        with(manifest(0), "", "mediaType", Value::Null) => E::WrongType { .. },
        without(manifest(0), "", "config") => E::Missing { .. },
        without(manifest(0), "", "layers") => E::Missing { .. },
        with(manifest(0), "", "layers", Value::Null) => E::WrongType { .. },
        with(manifest(0), "/config", "mediaType", "application/vnd.oci.empty.v1+json".into()) => E::NotAnImage { .. },
        with(manifest(0), "/config", "digest", "sha256:../../etc".into()) => E::Digest { .. },
        with(manifest(0), "/config", "digest", EMPTY.to_uppercase().into()) => E::Digest { .. },
        with(manifest(0), "/config", "size", (-1).into()) => E::WrongType { .. },
        with(manifest(0), "/config", "size", u64::MAX.into()) => E::WrongType { .. },
        with(manifest(0), "/config", "size", "2".into()) => E::WrongType { .. },
        with(manifest(0), "/config", "data", "e31=".into()) => E::Data { .. },
        with(manifest(0), "/config", "data", "e".into()) => E::Data { .. },
        with(manifest(1), "/layers/0", "urls", json!(["https://x.io"])) => E::Foreign { .. },
        with(manifest(1), "/layers/0", "mediaType", foreign.into()) => E::Foreign { .. },
        with(manifest(1), "", "subject", json!({ "digest": "x" })) => E::Missing { .. },
        with(index(), "/manifests/1", "digest", "sha384:00".into()) => E::Digest { .. },
        with(index(), "/manifests/1", "size", (MANIFEST_MAX + 1).into()) => E::TooLarge { .. },
        with(index(), "/manifests/1", "urls", json!(["https://x.io"])) => E::Foreign { .. },
        without(index(), "/manifests/1/platform", "os") => E::Missing { .. },
        with(index(), "/manifests/1/platform", "os", "li\nnux".into()) => E::Platform { .. },
    }
}

#[test]
fn bytes_that_are_not_one_document_are_refused() {
    use ManifestError as E;
    let good = manifest(0).to_string();
    assert_eq!(Document::parse(format!("{good}{good}").as_bytes()), Err(E::TrailingData));
    assert_eq!(Document::parse(format!("{good}\0").as_bytes()), Err(E::TrailingData));
    assert!(matches!(Document::parse(format!("\u{feff}{good}").as_bytes()), Err(E::Json { .. })));
    assert!(matches!(Document::parse(good.get(..good.len() - 1).unwrap().as_bytes()), Err(E::Json { .. })));
    assert!(matches!(Document::parse(b"{\"a\xff\":1}"), Err(E::Json { .. })));
    assert!(matches!(Document::parse("[".repeat(100_000).as_bytes()), Err(E::Json { .. })));
    let many = format!("[{}0]", "0,".repeat(300_000));
    assert_eq!(Document::parse(many.as_bytes()), Err(E::TooComplex));
    let large = vec![b' '; usize::try_from(MANIFEST_MAX).unwrap() + 1];
    assert_eq!(Document::parse(&large), Err(E::TooLarge { size: MANIFEST_MAX + 1 }));
}

#[test]
fn a_document_is_what_its_descriptor_says() {
    use ManifestError as E;
    let bytes = manifest(1).to_string();
    let describe = |media_type: &str, size: usize| Descriptor {
        media_type: media_type.to_owned(),
        digest: EMPTY.parse().unwrap(),
        size: size as u64,
    };
    let check = |descriptor| Document::parse_described(bytes.as_bytes(), &descriptor);
    assert!(check(describe(OCI_MANIFEST, bytes.len())).is_ok());
    assert!(matches!(check(describe(OCI_MANIFEST, bytes.len() + 1)), Err(E::Size { .. })));
    assert!(matches!(check(describe(DOCKER_MANIFEST, bytes.len())), Err(E::MediaType { .. })));
    assert!(matches!(check(describe(OCI_INDEX, bytes.len())), Err(E::MediaType { .. })));
}

#[test]
fn the_first_entry_of_the_best_platform_is_chosen() {
    let Ok(Document::Index(index)) = read(&index()) else { panic!("an index") };
    let choose = |text: &str| index.choose(&text.parse().unwrap());
    assert_eq!(choose("linux/amd64").unwrap().len(), 2);
    assert_eq!(choose("linux/arm64/v8").unwrap(), [&index.entries()[1]]);
    let missing = choose("linux/s390x").unwrap_err();
    assert!(missing.to_string().contains("linux/s390x; it has: linux/amd64, linux/arm64"), "{missing}");
}

#[test]
fn configurations_are_compared_with_their_manifest() {
    use ManifestError as E;
    let good = config(2).to_string();
    let read = read_config(&good, 2).unwrap();
    assert_eq!((read.platform().to_string().as_str(), read.diff_ids().len()), ("linux/amd64", 2));
    assert!(read.check_platform(&"linux/amd64/v2".parse().unwrap()).is_ok());
    let other = read.check_platform(&"linux/arm64".parse().unwrap());
    assert!(matches!(other, Err(E::PlatformMismatch { .. })));
    assert_eq!(read_config(&good, 3), Err(E::DiffIds { layers: 3, diff_ids: 2 }));
    let refused = |value: Value| read_config(&value.to_string(), 2).unwrap_err();
    assert!(matches!(refused(without(config(2), "", "rootfs")), E::Missing { .. }));
    assert!(matches!(refused(without(config(2), "", "os")), E::Missing { .. }));
    assert!(matches!(refused(with(config(2), "/rootfs", "type", "x".into())), E::WrongType { .. }));
    assert!(matches!(refused(with(config(2), "/rootfs", "diff_ids", json!(["x", "y"]))), E::Digest { .. }));
    assert!(matches!(refused(with(config(2), "/rootfs", "Diff_ids", json!([]))), E::KeyCase { .. }));
}

proptest! {
    #[test]
    fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
        prop_assert!(Document::parse(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_is_refused_or_read_without_panic(at in 0usize..400, to: u8, of_index: bool) {
        let mut bytes = if of_index { index() } else { manifest(2) }.to_string().into_bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        let _read = Document::parse(&bytes);
    }

    #[test]
    fn any_field_given_twice_is_refused(at in 0usize..30, upper: bool) {
        let text = manifest(2).to_string();
        let keys: Vec<usize> = text.match_indices("\":").map(|(i, _)| i).collect();
        let end = keys[at % keys.len()];
        let start = text[..end].rfind('"').unwrap();
        let key = &text[start + 1..end];
        let key = if upper { key.to_uppercase() } else { key.to_owned() };
        let twice = format!("{}\"{key}\":0,{}", &text[..start], &text[start..]);
        let found = Document::parse(twice.as_bytes());
        let is_expected = matches!(found, Err(ManifestError::DuplicateKey { .. } | ManifestError::KeyCase { .. }));
        prop_assert!(is_expected, "{twice}: {found:?}");
    }
}
