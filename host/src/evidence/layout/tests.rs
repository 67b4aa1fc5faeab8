use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::chain::{Level, Status};
use super::super::manifest::{OCI_INDEX, OCI_MANIFEST};
use super::*;
use crate::digest::Algorithm;

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const TAR_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layout in a directory, which a test may spoil before it is read.
struct Sample {
    folder: TempDir,
    algorithm: Algorithm,
    layer: Digest,
    config: Digest,
    manifest: Digest,
    index: Digest,
}

impl Sample {
    fn new(algorithm: Algorithm) -> Self {
        Self::of(algorithm, TAR_TYPE, None)
    }

    /// An index of an image of one layer, whose diff id is told wrong if `diff_id` is given.
    fn of(algorithm: Algorithm, layer_type: &str, diff_id: Option<Digest>) -> Self {
        let empty = Digest::sha256(b"");
        let folder = tempfile::tempdir().unwrap();
        let mut sample = Self { folder, algorithm, layer: empty, config: empty, manifest: empty, index: empty };
        fs::create_dir_all(sample.folder.path().join("blobs").join(algorithm.name())).unwrap();
        sample.write("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}");
        let layer = sample.put(layer_type, b"the layer's tar archive");
        sample.layer = digest_of(&layer);
        let rootfs = json!({ "type": "layers", "diff_ids": [diff_id.unwrap_or(sample.layer)] });
        let config = sample.put_json(CONFIG_TYPE, &json!({ "os": "linux", "architecture": "amd64", "rootfs": rootfs }));
        sample.config = digest_of(&config);
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        let mut manifest = sample.put_json(OCI_MANIFEST, &manifest);
        sample.manifest = digest_of(&manifest);
        manifest["platform"] = json!({ "os": "linux", "architecture": "amd64" });
        let mut absent = manifest.clone();
        absent["platform"]["architecture"] = "arm64".into();
        absent["digest"] = Digest::sha256(b"absent").to_string().into();
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [absent, manifest] });
        let index = sample.put_json(OCI_INDEX, &index);
        sample.index = digest_of(&index);
        sample.write_index(&json!([index]));
        sample
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(path), bytes).unwrap();
    }

    fn write_index(&self, manifests: &Value) {
        self.write("index.json", json!({ "schemaVersion": 2, "manifests": manifests }).to_string().as_bytes());
    }

    fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(self.algorithm, bytes);
        fs::write(self.blob(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    fn put_json(&self, media_type: &str, value: &Value) -> Value {
        self.put(media_type, value.to_string().as_bytes())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.path().join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    fn open(&self) -> Result<Layout, LayoutError> {
        Layout::from_dir(Dir::open_ambient_dir(self.folder.path(), ambient_authority()).unwrap())
    }

    fn verify(&self, requested: &Digest) -> Result<Report, LayoutError> {
        let (layout, platform) = (self.open()?, "linux/amd64".parse().unwrap());
        let verified = layout.verify(requested, &platform);
        let examined = layout.examine(requested, &platform);
        match &verified {
            Ok(report) => assert_eq!(&examined, report),
            Err(error) => {
                let failed = examined.failure().unwrap_or_else(|| panic!("{examined}"));
                let why = error.to_string();
                assert!(
                    matches!(&failed.status, Status::Failed { kind, why: w } if *kind == error.kind() && *w == why),
                    "{examined}"
                );
                assert_eq!(examined.level(), Level::Claimed);
            }
        }
        verified
    }

    /// The layout as a tar archive, each name with `prefix` before it.
    fn archive(&self, prefix: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_dir_all(if prefix.is_empty() { "." } else { prefix }, self.folder.path()).unwrap();
        builder.into_inner().unwrap()
    }
}

fn digest_of(descriptor: &Value) -> Digest {
    descriptor["digest"].as_str().unwrap().parse().unwrap()
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn verify_archive(bytes: &[u8], requested: &Digest) -> Result<Report, LayoutError> {
    Layout::from_tar(file_of(bytes))?.verify(requested, &"linux/amd64".parse().unwrap())
}

#[test]
fn an_image_is_proved_to_its_content() {
    for algorithm in Algorithm::ALL {
        let sample = Sample::new(algorithm);
        for requested in [sample.index, sample.manifest] {
            let report = sample.verify(&requested).unwrap();
            assert_eq!((report.level(), report.manifest), (Level::Content, Some(sample.manifest)), "{report}");
            assert_eq!((report.config, report.image_id), (Some(sample.config), None));
        }
    }
}

#[test]
fn the_same_from_an_archive() {
    for algorithm in Algorithm::ALL {
        let sample = Sample::new(algorithm);
        for prefix in ["", "./"] {
            let report = verify_archive(&sample.archive(prefix), &sample.index).unwrap();
            assert_eq!(report.level(), Level::Content, "{report}");
        }
    }
}

#[test]
fn whatever_is_edited_is_found() {
    for choose in [|s: &Sample| s.layer, |s: &Sample| s.config, |s: &Sample| s.manifest, |s: &Sample| s.index] {
        let sample = Sample::new(Algorithm::Sha256);
        let edited = choose(&sample);
        let mut bytes = fs::read(sample.blob(&edited)).unwrap();
        bytes[5] ^= 1;
        fs::write(sample.blob(&edited), &bytes).unwrap();
        for found in [sample.verify(&sample.index), verify_archive(&sample.archive(""), &sample.index)] {
            let lie = match found.unwrap_err() {
                LayoutError::Layer { number: 1, mismatch } => mismatch,
                LayoutError::Chain(ChainError::Mismatch(mismatch)) => mismatch,
                other => panic!("{other}"),
            };
            assert_eq!((*lie.expected, *lie.found), (edited, Digest::sha256(&bytes)));
        }
    }
}

#[test]
fn a_layer_is_what_both_manifest_and_configuration_say() {
    let sample = Sample::of(Algorithm::Sha256, TAR_TYPE, Some(Digest::sha256(b"another archive")));
    let found = sample.verify(&sample.index).unwrap_err();
    assert!(matches!(found, LayoutError::Layer { number: 1, .. }), "{found}");
    let sample = Sample::new(Algorithm::Sha256);
    fs::write(sample.blob(&sample.layer), b"short").unwrap();
    let found = sample.verify(&sample.index).unwrap_err();
    assert!(matches!(found, LayoutError::LayerSize { number: 1, .. }), "{found}");
    let sample = Sample::of(Algorithm::Sha256, "application/vnd.oci.image.layer.v1.tar+gzip", None);
    let found = sample.verify(&sample.index).unwrap_err();
    assert!(matches!(found, LayoutError::Compression { number: 1, .. }), "{found}");
}

#[test]
fn what_is_absent_or_unknown_is_said() {
    let why = |report: &Report| match &report.links.last().unwrap().status {
        Status::NotCheckable { why, .. } => why.clone(),
        other => panic!("{other}"),
    };
    let sample = Sample::new(Algorithm::Sha256);
    fs::remove_file(sample.blob(&sample.layer)).unwrap();
    let report = sample.verify(&sample.index).unwrap();
    assert_eq!((report.level(), why(&report).as_str()), (Level::Manifest, "the layout has no such blob"));
    let sample = Sample::of(Algorithm::Sha256, "application/vnd.oci.image.layer.v1.tar+encrypted", None);
    let report = sample.verify(&sample.index).unwrap();
    assert_eq!(report.level(), Level::Manifest);
    assert!(why(&report).contains("media type"));
    let sample = Sample::new(Algorithm::Sha256);
    fs::remove_file(sample.blob(&sample.config)).unwrap();
    let report = sample.verify(&sample.index).unwrap();
    assert_eq!((report.level(), report.diff_ids.len()), (Level::Claimed, 0));
    fs::remove_file(sample.blob(&sample.manifest)).unwrap();
    assert_eq!(sample.verify(&sample.index).unwrap().level(), Level::Claimed);
    assert_eq!(sample.verify(&Digest::sha256(b"unknown")).unwrap().level(), Level::Claimed);
}

#[test]
fn links_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let redirect = |path: &Path, name: &str| {
        let there = outside.path().join(name);
        fs::rename(path, &there).unwrap();
        symlink(&there, path).unwrap();
    };
    for choose in [|s: &Sample| s.layer, |s: &Sample| s.config, |s: &Sample| s.manifest, |s: &Sample| s.index] {
        let sample = Sample::new(Algorithm::Sha256);
        let digest = choose(&sample);
        redirect(&sample.blob(&digest), &digest.hex());
        assert!(sample.verify(&sample.index).unwrap_err().to_string().contains("link"));
        let archived = verify_archive(&sample.archive(""), &sample.index);
        assert_eq!(archived.unwrap().level(), Level::Content, "tar packs what a link leads to unless told otherwise");
    }
    for folder in ["blobs", "blobs/sha256", "index.json", "oci-layout"] {
        let sample = Sample::new(Algorithm::Sha256);
        redirect(&sample.folder.path().join(folder), &folder.replace('/', "-"));
        let found = sample.verify(&sample.index).unwrap_err();
        assert!(found.to_string().contains("links are not followed"), "{folder}: {found}");
    }
}

#[test]
fn links_in_archives_are_not_followed() {
    let sample = Sample::new(Algorithm::Sha256);
    let path = format!("blobs/sha256/{}", sample.layer.hex());
    fs::remove_file(sample.blob(&sample.layer)).unwrap();
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo] {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_dir_all(".", sample.folder.path()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, &path, "/etc/passwd").unwrap();
        let found = verify_archive(&builder.into_inner().unwrap(), &sample.index).unwrap_err();
        assert!(matches!(found, LayoutError::Read { .. }), "{kind:?}: {found}");
    }
}

#[test]
fn pipes_do_not_hang() {
    let sample = Sample::new(Algorithm::Sha256);
    fs::remove_file(sample.blob(&sample.layer)).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, sample.blob(&sample.layer), mode).unwrap();
    assert!(matches!(sample.verify(&sample.index), Err(LayoutError::Read { .. })));
}

#[test]
fn what_index_json_says_of_the_image_must_be_true() {
    let sample = Sample::new(Algorithm::Sha256);
    let size = fs::metadata(sample.blob(&sample.index)).unwrap().len();
    let describe = |media_type: &str, size: u64| {
        sample.write_index(&json!([{ "mediaType": media_type, "digest": sample.index, "size": size }]));
        sample.verify(&sample.index)
    };
    assert!(describe(OCI_INDEX, size).is_ok());
    assert!(matches!(describe(OCI_INDEX, size + 1), Err(LayoutError::Chain(ChainError::Document { .. }))));
    assert!(matches!(describe(OCI_MANIFEST, size), Err(LayoutError::Chain(ChainError::Document { .. }))));
}

#[test]
fn only_layouts_are_read() {
    let spoil = |path: &str, bytes: &[u8]| {
        let sample = Sample::new(Algorithm::Sha256);
        sample.write(path, bytes);
        sample.open().err().map(|error| error.to_string())
    };
    assert!(spoil("oci-layout", b"{\"imageLayoutVersion\":\"2.0.0\"}").unwrap().contains("version 1"));
    assert!(spoil("oci-layout", b"x").is_some());
    assert!(spoil("index.json", b"{\"schemaVersion\":2}").unwrap().contains("manifests is missing"));
    assert!(spoil("index.json", b"{\"schemaVersion\":2,\"manifests\":[],\"manifests\":[]}").unwrap().contains("twice"));
    assert!(spoil("index.json", &vec![b' '; usize::try_from(MANIFEST_MAX).unwrap() + 1]).is_some());
    let sample = Sample::new(Algorithm::Sha256);
    fs::remove_file(sample.folder.path().join("index.json")).unwrap();
    assert!(matches!(sample.open(), Err(LayoutError::NotALayout { .. })));
}

#[test]
fn a_name_that_stands_twice_in_an_archive_is_refused() {
    let sample = Sample::new(Algorithm::Sha256);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", sample.folder.path()).unwrap();
    let path = format!("./blobs/sha256/{}", sample.layer.hex());
    builder.append_path_with_name(sample.blob(&sample.layer), &path).unwrap();
    let found = verify_archive(&builder.into_inner().unwrap(), &sample.index).unwrap_err();
    assert!(found.to_string().contains("twice"), "{found}");
}

#[test]
fn what_takes_the_place_of_a_folder_in_an_archive_is_refused() {
    let sample = Sample::new(Algorithm::Sha256);
    for name in ["blobs", "blobs/sha256", "index.json/x", "oci-layout/x", "blobs/sha256/a/b"] {
        for kind in [tar::EntryType::Regular, tar::EntryType::Symlink] {
            let found = verify_archive(&with_member(sample.archive(""), name, kind, b""), &sample.index).unwrap_err();
            assert!(found.to_string().contains("in the place of"), "{name}: {found}");
        }
    }
}

#[test]
fn broken_archives_are_refused() {
    let sample = Sample::new(Algorithm::Sha256);
    let good = sample.archive("");
    assert!(matches!(verify_archive(b"", &sample.index), Err(LayoutError::NotALayout { .. })));
    assert!(matches!(verify_archive(&[1; 2000], &sample.index), Err(LayoutError::Archive { at: 0, .. })));
    let compressed = [&[0x1f, 0x8b][..], &[0; 1000]].concat();
    assert!(verify_archive(&compressed, &sample.index).unwrap_err().to_string().contains("decompress"));
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(1 << 40);
    header.set_cksum();
    let giant = [header.as_bytes().as_slice(), &good].concat();
    assert!(verify_archive(&giant, &sample.index).unwrap_err().to_string().contains("too long"));
}

#[test]
fn archives_with_extended_headers_are_read() {
    let sample = Sample::new(Algorithm::Sha512);
    let mut builder = tar::Builder::new(Vec::new());
    for path in ["oci-layout", "index.json"] {
        builder.append_path_with_name(sample.folder.path().join(path), path).unwrap();
    }
    for digest in [sample.index, sample.manifest, sample.config, sample.layer] {
        let bytes = fs::read(sample.blob(&digest)).unwrap();
        let path = format!("blobs/sha512/{}", digest.hex());
        let extensions = [("path", path.as_bytes()), ("comment", b"x=y\nz")];
        builder.append_pax_extensions(extensions).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_path("short").unwrap();
        header.set_cksum();
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    let report = verify_archive(&builder.into_inner().unwrap(), &sample.index).unwrap();
    assert_eq!(report.level(), Level::Content, "{report}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_byte_never_proves_another_image(at in 0usize..12_000, to: u8) {
        let sample = Sample::new(Algorithm::Sha256);
        let mut bytes = sample.archive("");
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(report) = verify_archive(&bytes, &sample.index) {
            prop_assert_eq!(report.requested, sample.index);
            prop_assert!(report.level() < Level::Content || report.config == Some(sample.config));
        }
    }

    #[test]
    fn hostile_archives_do_not_panic(header: Vec<u8>, body: Vec<u8>) {
        let mut block = [0; 512];
        block.iter_mut().zip(&header).for_each(|(to, from)| *to = *from);
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(&block);
        header.set_cksum();
        let bytes = [header.as_bytes().as_slice(), &body].concat();
        let _refused = Layout::from_tar(file_of(&bytes));
    }
}

/// The archive with one member more, its name written as it is given.
fn with_member(mut archive: Vec<u8>, name: &str, kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    archive.truncate(archive.len() - 1024);
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    if kind == tar::EntryType::Symlink {
        header.set_link_name("blobs/sha256").unwrap();
    }
    header.set_cksum();
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// What an extractor would put in the place of a blob that was hashed.
#[test]
fn a_name_that_could_be_read_as_another_is_refused() {
    let sample = Sample::new(Algorithm::Sha256);
    let regular = tar::EntryType::Regular;
    for start in [
        "/blobs/sha256/",
        "//blobs/sha256/",
        ".//blobs/sha256/",
        "blobs/./sha256/",
        "blobs//sha256/",
        "x/../blobs/sha256/",
    ] {
        let name = format!("{start}{}", sample.index.hex());
        let found = verify_archive(&with_member(sample.archive(""), &name, regular, b"evil"), &sample.index);
        assert!(found.unwrap_err().to_string().contains("not written plainly"), "{name}");
    }
    let blob = format!("blobs/sha256/{}", sample.index.hex());
    for (name, kind) in [(format!("{blob}/"), regular), (format!("{blob}/"), tar::EntryType::Directory)] {
        let found = verify_archive(&with_member(sample.archive(""), &name, kind, b""), &sample.index);
        assert!(found.is_err(), "{name} {kind:?}");
    }
    let linked = with_member(sample.archive(""), "x", tar::EntryType::Symlink, b"");
    let through = with_member(linked.clone(), &format!("x/{}", sample.index.hex()), regular, b"evil");
    assert!(verify_archive(&linked, &sample.index).is_ok());
    assert!(verify_archive(&through, &sample.index).unwrap_err().to_string().contains("through a link"));
    let folder = with_member(sample.archive(""), "more/", tar::EntryType::Directory, b"");
    assert!(verify_archive(&folder, &sample.index).is_ok());
}

/// What one reader of archives takes for another name than a second one.
#[test]
fn a_member_that_readers_name_differently_is_refused() {
    let sample = Sample::new(Algorithm::Sha256);
    let record = |text: &str| {
        let length = (1..99).find(|length| format!("{length} {text}\n").len() == *length).unwrap();
        format!("{length} {text}\n")
    };
    let (own, all) = (tar::EntryType::XHeader, tar::EntryType::XGlobalHeader);
    for (kind, key, why) in [
        (own, "GNU.sparse.name=index.json", "sparse"),
        (all, "GNU.sparse.name=index.json", "sparse"),
        (all, "path=index.json", "global header"),
        (all, "size=7", "global header"),
    ] {
        let header = with_member(sample.archive(""), "x", kind, record(key).as_bytes());
        let found = verify_archive(&with_member(header, "y", tar::EntryType::Regular, b"evil"), &sample.index);
        assert!(found.unwrap_err().to_string().contains(why), "{key}");
    }
    let comment = record("comment=0123");
    let harmless = with_member(sample.archive(""), "x", all, comment.as_bytes());
    assert!(verify_archive(&harmless, &sample.index).is_ok());
    let twice =
        with_member(with_member(sample.archive(""), "x", own, comment.as_bytes()), "x", own, comment.as_bytes());
    assert!(verify_archive(&twice, &sample.index).unwrap_err().to_string().contains("two extended headers"));
    let mut prefixed = with_member(sample.archive(""), "y", tar::EntryType::Regular, b"");
    let at = prefixed.len() - 1024 - 512;
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&prefixed[at..at + 512]);
    header.as_mut_bytes()[345..349].copy_from_slice(b"blob");
    header.set_cksum();
    prefixed[at..at + 512].copy_from_slice(header.as_bytes());
    assert!(verify_archive(&prefixed, &sample.index).unwrap_err().to_string().contains("prefix"));
}

#[test]
fn nothing_follows_the_end_of_an_archive() {
    let sample = Sample::new(Algorithm::Sha256);
    let padded = [sample.archive(""), vec![0; 9000]].concat();
    assert!(verify_archive(&padded, &sample.index).is_ok());
    for more in [b"x".to_vec(), sample.archive("")] {
        let found = verify_archive(&[padded.clone(), more].concat(), &sample.index);
        assert!(found.unwrap_err().to_string().contains("bytes follow its end"));
    }
}

#[test]
fn of_a_manifest_by_itself_the_platform_is_the_images_own() {
    let sample = Sample::new(Algorithm::Sha256);
    let report = sample.verify(&sample.index).unwrap();
    let manifest = report.manifest.unwrap();
    let layout = Layout::from_tar(file_of(&sample.archive(""))).unwrap();
    let other = layout.verify(&manifest, &"windows/s390x".parse().unwrap()).unwrap();
    assert_eq!(other.platform.to_string(), "linux/amd64");
    let asked = layout.examine_for(&manifest, &"windows/s390x".parse().unwrap());
    assert_eq!((asked.level(), asked.failure().is_some()), (Level::Claimed, true));
    assert!(layout.examine_for(&manifest, &"linux/amd64".parse().unwrap()).failure().is_none());
}

#[test]
fn links_that_are_kept_are_bounded() {
    let sample = Sample::new(Algorithm::Sha256);
    let names = (0..50_000).map(|number| format!("{number:090}"));
    let many =
        names.fold(sample.archive(""), |archive, name| with_member(archive, &name, tar::EntryType::Symlink, b""));
    assert!(verify_archive(&many, &sample.index).unwrap_err().to_string().contains("too many links"));
}
