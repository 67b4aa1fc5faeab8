//! One layout after another with one thing wrong in it: each is judged, as a directory and as an archive.

use std::fs;
use std::io::{Seek, Write};

use super::super::chain::Level;
use super::*;
use crate::digest::Algorithm;

const CONFIG: &str =
    r#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["$LAYER"]},"history":[]}"#;
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"$CONFIG","size":$CONFIG_SIZE},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"$LAYER","size":$LAYER_SIZE}]}"#;
const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"$MANIFEST","size":$MANIFEST_SIZE,"platform":{"os":"linux","architecture":"amd64"}}]}"#;
const TOP: &str = r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"$INDEX","size":$INDEX_SIZE}]}"#;
const LAYER: &[u8] = b"the layer's tar archive";

/// Which document is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Config,
    Manifest,
    Index,
    Top,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Refused,
    Reaches(Level),
}

use Part::{Config, Index as List, Manifest, Top};
use Verdict::{Reaches, Refused};

/// What is wrong: in which document, which text becomes which, and what comes of it.
const CASES: &[(&str, Part, &str, &str, Verdict)] = &[
    ("nothing", Manifest, "", "", Reaches(Level::Content)),
    ("unknown fields", Manifest, r#""layers""#, r#""x-new":{"a":1},"layers""#, Reaches(Level::Content)),
    ("duplicate key, manifest", Manifest, r#""schemaVersion":2,"#, r#""schemaVersion":2,"schemaVersion":2,"#, Refused),
    ("duplicate key, config", Config, r#""os":"linux","#, r#""os":"linux","os":"linux","#, Refused),
    ("duplicate key, deep", Config, r#""type":"layers""#, r#""type":"layers","type":"layers""#, Refused),
    ("duplicate key, index", List, r#""schemaVersion":2,"#, r#""schemaVersion":2,"schemaVersion":2,"#, Refused),
    ("duplicate key, top", Top, r#""schemaVersion":2,"#, r#""schemaVersion":2,"schemaVersion":2,"#, Refused),
    ("duplicate key by escape", Manifest, r#""layers""#, r#""layer\u0073":[],"layers""#, Refused),
    ("case variant beside", Manifest, r#""layers""#, r#""Layers":[],"layers""#, Refused),
    ("case variant alone", Manifest, r#""layers""#, r#""Layers""#, Refused),
    ("case variant, long s", Manifest, r#""layers""#, r#""layerſ":[],"layers""#, Refused),
    ("case variant in a descriptor", Manifest, r#""digest":"$CONFIG""#, r#""Digest":"$CONFIG""#, Refused),
    ("case variant, diff_ids", Config, r#""diff_ids""#, r#""Diff_IDs":[],"diff_ids""#, Refused),
    ("manifests in a manifest", Manifest, r#""layers""#, r#""manifests":[],"layers""#, Refused),
    ("layers in an index", List, r#""manifests""#, r#""layers":[],"manifests""#, Refused),
    ("config in an index", List, r#""manifests""#, r#""config":{},"manifests""#, Refused),
    ("manifest that calls itself an index", Manifest, "image.manifest.v1", "image.index.v1", Refused),
    (
        "manifest of the other family",
        Manifest,
        "vnd.oci.image.manifest.v1",
        "vnd.docker.distribution.manifest.v2",
        Refused,
    ),
    ("descriptor of the other type", List, "image.manifest.v1", "image.index.v1", Refused),
    ("top descriptor of the other type", Top, "image.index.v1", "image.manifest.v1", Refused),
    ("no image", Manifest, "image.config.v1", "artifact.config.v1", Refused),
    (
        "media type null",
        Manifest,
        r#""mediaType":"application/vnd.oci.image.manifest.v1+json","#,
        r#""mediaType":null,"#,
        Refused,
    ),
    (
        "media type left out",
        Manifest,
        r#""mediaType":"application/vnd.oci.image.manifest.v1+json","#,
        "",
        Reaches(Level::Content),
    ),
    ("schema 1", Manifest, r#""schemaVersion":2"#, r#""schemaVersion":1"#, Refused),
    ("schema 1 by its fields", Manifest, r#""layers""#, r#""fsLayers":[],"layers""#, Refused),
    ("schema as a text", Manifest, r#""schemaVersion":2"#, r#""schemaVersion":"2""#, Refused),
    ("schema left out", Manifest, r#""schemaVersion":2,"#, "", Refused),
    ("manifest's size", List, "$MANIFEST_SIZE", "7", Refused),
    ("config's size", Manifest, "$CONFIG_SIZE", "7", Refused),
    ("layer's size", Manifest, "$LAYER_SIZE", "7", Refused),
    ("index's size", Top, "$INDEX_SIZE", "7", Refused),
    ("a size below nothing", Manifest, "$LAYER_SIZE", "-1", Refused),
    ("half a size", Manifest, "$LAYER_SIZE", "23.0", Refused),
    ("a size in words", Manifest, "$LAYER_SIZE", r#""23""#, Refused),
    ("a size without end", Manifest, "$LAYER_SIZE", "99999999999999999999999", Refused),
    ("a config beyond the cap", Manifest, "$CONFIG_SIZE", "4194305", Refused),
    ("a manifest beyond the cap", List, "$MANIFEST_SIZE", "4194305", Refused),
    ("no such platform", List, "amd64", "s390x", Refused),
    ("no platform named", List, r#","platform":{"os":"linux","architecture":"amd64"}"#, "", Refused),
    ("a platform without a system", List, r#""os":"linux","#, "", Refused),
    ("config for another platform", Config, "amd64", "arm64", Refused),
    ("more diff ids", Config, r#"["$LAYER"]"#, r#"["$LAYER","$LAYER"]"#, Refused),
    ("fewer diff ids", Config, r#"["$LAYER"]"#, "[]", Refused),
    (
        "another diff id",
        Config,
        "$LAYER",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        Refused,
    ),
    ("a diff id that is none", Config, "$LAYER", "sha256:e3b0", Refused),
    ("diff ids of no layers", Config, r#""type":"layers""#, r#""type":"base""#, Refused),
    ("no rootfs", Config, r#""rootfs""#, r#""rootFS""#, Refused),
    ("trailing data, manifest", Manifest, "]}", "]}{}", Refused),
    ("trailing data, config", Config, r#""history":[]}"#, r#""history":[]}x"#, Refused),
    ("trailing NUL", Manifest, "]}", "]}\0", Refused),
    ("a newline at the end", Manifest, "}]}", "}]}\n", Reaches(Level::Content)),
    ("a byte order mark", Manifest, r#"{"schemaVersion""#, "\u{feff}{\"schemaVersion\"", Refused),
    (
        "foreign layer by its URL",
        Manifest,
        r#""size":$LAYER_SIZE"#,
        r#""size":$LAYER_SIZE,"urls":["https://x.io/l"]"#,
        Refused,
    ),
    ("no URL at all", Manifest, r#""size":$LAYER_SIZE"#, r#""size":$LAYER_SIZE,"urls":[]"#, Reaches(Level::Content)),
    (
        "foreign layer by its type",
        Manifest,
        "oci.image.layer.v1.tar",
        "oci.image.layer.nondistributable.v1.tar",
        Refused,
    ),
    (
        "a layer of unknown form",
        Manifest,
        "oci.image.layer.v1.tar",
        "oci.image.layer.v1.tar+rot13",
        Reaches(Level::Manifest),
    ),
    ("a layer that is no gzip", Manifest, "oci.image.layer.v1.tar", "oci.image.layer.v1.tar+gzip", Refused),
    (
        "a digest that climbs",
        Manifest,
        "$CONFIG",
        "sha256:../../../../../../../../../../../../../../../../../../../../etc/passwd",
        Refused,
    ),
    ("a layer's digest that climbs", Manifest, "$LAYER", "../../../../etc/passwd", Refused),
    (
        "a digest in capitals",
        Manifest,
        "$LAYER",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        Refused,
    ),
    ("a digest of no algorithm", Manifest, "$LAYER", "md5:d41d8cd98f00b204e9800998ecf8427e", Refused),
    (
        "a digest too short for its algorithm",
        Manifest,
        "$LAYER",
        "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        Refused,
    ),
    ("layers that are none", Manifest, r#""layers":["#, r#""layers":[null,"#, Refused),
    ("layers left out", Manifest, r#""layers""#, r#""stuff""#, Refused),
    (
        "a config that is absent",
        Manifest,
        "$CONFIG",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        Reaches(Level::Claimed),
    ),
    (
        "a manifest that is absent",
        List,
        "$MANIFEST",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        Reaches(Level::Claimed),
    ),
    (
        "embedded data that is other",
        Manifest,
        r#""size":$LAYER_SIZE"#,
        r#""size":$LAYER_SIZE,"data":"aGVsbG8=""#,
        Refused,
    ),
    ("no JSON", Config, "{", "", Refused),
    ("an array", List, r#"{"schemaVersion""#, r#"[{"schemaVersion""#, Refused),
];

/// The documents of a layout, from the layer up: each names the digest and the size of the one before.
struct Written {
    folder: tempfile::TempDir,
    index: Digest,
}

impl Written {
    fn new(algorithm: Algorithm, part: Part, from: &str, to: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut known = vec![];
        let mut put = |name: &str, bytes: &[u8]| {
            let digest = Digest::of(algorithm, bytes);
            let path = folder.path().join("blobs").join(algorithm.name());
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(digest.hex()), bytes).unwrap();
            known.push((format!("${name}_SIZE"), bytes.len().to_string()));
            known.push((format!("${name}"), digest.to_string()));
            known.clone()
        };
        let text = |template: &str, is_changed: bool, known: &[(String, String)]| {
            let changed = if is_changed { template.replacen(from, to, 1) } else { template.to_owned() };
            known.iter().fold(changed, |text, (name, value)| text.replace(name, value))
        };
        let known = put("LAYER", LAYER);
        let known = put("CONFIG", text(CONFIG, part == Config, &known).as_bytes());
        let known = put("MANIFEST", text(MANIFEST, part == Manifest, &known).as_bytes());
        let known = put("INDEX", text(INDEX, part == List, &known).as_bytes());
        fs::write(folder.path().join("index.json"), text(TOP, part == Top, &known)).unwrap();
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let index = known.last().unwrap().1.parse().unwrap();
        Self { folder, index }
    }

    fn judged(&self) -> [Verdict; 2] {
        let mut archive = tar::Builder::new(tempfile::tempfile().unwrap());
        archive.append_dir_all(".", self.folder.path()).unwrap();
        let mut file = archive.into_inner().unwrap();
        file.flush().unwrap();
        file.rewind().unwrap();
        [Layout::at(self.folder.path()), Layout::from_tar(file)].map(|layout| {
            match layout.and_then(|layout| layout.verify(&self.index, &"linux/amd64".parse().unwrap())) {
                Ok(report) => Reaches(report.level()),
                Err(_) => Refused,
            }
        })
    }
}

#[test]
fn each_is_judged_rightly_as_a_directory_and_as_an_archive() {
    for (what, part, from, to, expected) in CASES {
        for algorithm in Algorithm::ALL {
            let judged = Written::new(algorithm, *part, from, to).judged();
            assert_eq!(judged, [*expected; 2], "{what} ({algorithm})");
        }
    }
}

#[test]
fn every_change_changes_something() {
    for (what, part, from, to, expected) in CASES {
        let template = match part {
            Config => CONFIG,
            Manifest => MANIFEST,
            List => INDEX,
            Top => TOP,
        };
        assert!(template.contains(from) && (from != to || *expected == Reaches(Level::Content)), "{what}");
    }
}

#[test]
fn a_manifest_of_more_than_the_cap_is_refused_though_its_hash_is_right() {
    let padding = " ".repeat(usize::try_from(MANIFEST_MAX).unwrap());
    for part in [Config, Manifest, List, Top] {
        let judged = Written::new(Algorithm::Sha256, part, "{", &format!("{{{padding}")).judged();
        assert_eq!(judged, [Refused; 2], "{part:?}");
    }
}

#[test]
fn a_digest_of_the_other_algorithm_names_nothing() {
    let written = Written::new(Algorithm::Sha256, Manifest, "", "");
    let bytes = fs::read(written.folder.path().join("blobs/sha256").join(written.index.hex())).unwrap();
    let other = Digest::of(Algorithm::Sha512, &bytes);
    let report = Layout::at(written.folder.path()).unwrap().verify(&other, &Platform::current()).unwrap();
    assert_eq!(report.level(), Level::Claimed);
    assert!(report.links.iter().all(|link| link.status != super::super::chain::Status::Proved), "{report}");
}
