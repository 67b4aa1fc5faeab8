//! Digests, references, documents, layouts and exports of whatever bytes: nothing is proved that was not hashed.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::OnceLock;

use super::Draw;
use crate::digest::Digest;
use crate::evidence::chain::{ChainError, Content, Level, ManifestSource, Report, SourceError, Status, resolve};
use crate::evidence::export::Export;
use crate::evidence::layout::Layout;
use crate::evidence::manifest::{Document, ImageConfig, Platform};
use crate::reference::Reference;

/// What is read prints as it was written; what is refused says where.
pub fn digests(text: &str) {
    match text.parse::<Digest>() {
        Ok(digest) => assert_eq!(digest.to_string(), text),
        Err(error) => assert!(error.position() <= text.len(), "{error}"),
    }
}

/// What is read is read again from its printed form, and that form is the only one; what is refused says where.
pub fn references(text: &str) {
    match text.parse::<Reference>() {
        Ok(reference) => {
            let printed = reference.to_string();
            assert_eq!(printed.parse::<Reference>().as_ref(), Ok(&reference), "{printed}");
            assert_eq!(printed.parse::<Reference>().unwrap().to_string(), printed);
            assert!(printed.is_ascii() && text.is_ascii(), "{text}");
            assert!(!text.contains(char::is_whitespace) && !text.starts_with('-'), "{text}");
        }
        Err(error) => assert!(error.position() <= text.len(), "{error}"),
    }
}

/// Documents of whatever bytes, and chains of documents from a source that may lie.
pub fn chains(bytes: &[u8]) {
    if Document::parse(bytes).is_ok() {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(value["schemaVersion"], 2);
        assert!(value.get("manifests").is_none() || value.get("layers").is_none());
    }
    let _read = ImageConfig::parse_alone(bytes);
    let mut draw = Draw::new(bytes);
    let image = Image::sample();
    let source = Liar::new(image, &mut draw);
    let asked = if draw.flag() { image.index.0 } else { image.manifest.0 };
    match resolve(&asked, &Platform::current(), None, &source) {
        Err(ChainError::Mismatch(_)) => assert!(*source.lied.borrow()),
        Err(_) => {}
        Ok(resolved) => {
            let proved =
                [resolved.manifest().and(resolved.manifest_digest()), resolved.manifest().map(|it| it.config().digest)];
            if let Some(manifest) = proved[0] {
                assert!(source.gave(&manifest), "{manifest} was never had");
            }
            assert!(!*source.lied.borrow(), "a lie went by");
        }
    }
}

/// An image of one layer for this machine, and an index over it.
struct Image {
    index: (Digest, Vec<u8>),
    manifest: (Digest, Vec<u8>),
    config: (Digest, Vec<u8>),
    layer: (Digest, Vec<u8>),
}

impl Image {
    fn sample() -> &'static Self {
        static SAMPLE: OnceLock<Image> = OnceLock::new();
        SAMPLE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let hashed = |bytes: Vec<u8>| (Digest::sha256(&bytes), bytes);
        let layer = hashed(b"a layer, whatever is in it".to_vec());
        let platform = Platform::current().to_string();
        let mut parts = platform.split('/');
        let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
        let config = hashed(
            format!(
                r#"{{"architecture":"{architecture}","os":"{os}","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
                layer.0
            )
            .into_bytes(),
        );
        let describe = |kind: &str, (digest, bytes): &(Digest, Vec<u8>)| {
            format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{}"#, bytes.len())
        };
        let manifest = hashed(
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{}}},"layers":[{}}}]}}"#,
                describe("config.v1+json", &config),
                describe("layer.v1.tar", &layer)
            )
            .into_bytes(),
        );
        let index = hashed(
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{},"platform":{{"architecture":"{architecture}","os":"{os}"}}}}]}}"#,
                describe("manifest.v1+json", &manifest)
            )
            .into_bytes(),
        );
        Self { index, manifest, config, layer }
    }

    fn documents(&self) -> [&(Digest, Vec<u8>); 3] {
        [&self.index, &self.manifest, &self.config]
    }
}

/// A source whose documents may be missing, changed, or another's.
struct Liar {
    documents: Vec<(Digest, Option<Vec<u8>>)>,
    given: RefCell<Vec<Digest>>,
    lied: RefCell<bool>,
}

impl Liar {
    fn new(image: &Image, draw: &mut Draw<'_>) -> Self {
        let documents = image.documents().map(|(digest, bytes)| (*digest, changed(bytes, draw)));
        Self { documents: documents.to_vec(), given: RefCell::default(), lied: RefCell::default() }
    }

    fn gave(&self, digest: &Digest) -> bool {
        self.given.borrow().contains(digest)
    }
}

/// The bytes, or such as differ in some places, or none.
fn changed(bytes: &[u8], draw: &mut Draw<'_>) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    match draw.byte() % 8 {
        0 => return None,
        1 => bytes.truncate(draw.below(bytes.len())),
        2 => bytes.extend_from_slice(draw.bytes(16)),
        3 => {
            let at = draw.below(bytes.len());
            bytes[at] ^= draw.byte();
        }
        4 => bytes = draw.bytes(200).to_vec(),
        _ => {}
    }
    Some(bytes)
}

impl ManifestSource for Liar {
    fn fetch(&self, digest: &Digest, _: Content) -> Result<Vec<u8>, SourceError> {
        let found = self.documents.iter().find(|(known, _)| known == digest).and_then(|(_, bytes)| bytes.clone());
        let Some(bytes) = found else {
            return Err(SourceError::Absent { why: "it is not here".to_owned(), remedy: "none".to_owned() });
        };
        match Digest::sha256(&bytes) == *digest {
            true => self.given.borrow_mut().push(*digest),
            false => *self.lied.borrow_mut() = true,
        }
        Ok(bytes)
    }
}

/// Archives: of whatever bytes, or of an image with some bytes changed. What is proved stands in them, byte for byte.
pub fn layouts(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let image = Image::sample();
    let archive = if draw.flag() { draw.all().to_vec() } else { archive(image, &mut draw) };
    let _read = Export::read(archive.as_slice(), &[image.layer.0]);
    let Ok(layout) = Layout::from_tar(in_memory(&archive)) else { return };
    let asked = if draw.flag() { &image.index } else { &image.manifest };
    let Ok(report) = layout.verify(&asked.0, &Platform::current()) else { return };
    let stands = |bytes: &[u8]| archive.windows(bytes.len()).any(|window| window == bytes);
    if report.level() >= Level::Manifest {
        assert!(stands(&asked.1) && stands(&image.manifest.1), "{report}");
    }
    if report.level() == Level::Content {
        assert!(stands(&image.config.1) && stands(&image.layer.1), "{report}");
    }
    let absent = Digest::sha256(b"a text that no fuzzer writes");
    assert!(layout.verify(&absent, &Platform::current()).is_ok_and(|report| is_unproved(&report)));
}

fn is_unproved(report: &Report) -> bool {
    report.level() == Level::Claimed && report.links.iter().all(|link| link.status != Status::Proved)
}

fn in_memory(bytes: &[u8]) -> File {
    let file = rustix::fs::memfd_create("archive", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(file);
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// An archive of the image's layout, some members and some bytes of it changed.
fn archive(image: &Image, draw: &mut Draw<'_>) -> Vec<u8> {
    let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{}","size":{}}}]}}"#,
        image.index.0,
        image.index.1.len()
    );
    let mut members = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index.into_bytes()),
    ];
    members.extend(
        image.documents().into_iter().chain([&image.layer]).map(|(digest, bytes)| (blob(digest), bytes.clone())),
    );
    let mut archive = Vec::new();
    for (name, content) in &members {
        if let Some(content) = changed(content, draw) {
            member(&mut archive, name, &content);
        }
    }
    archive.extend([0; 1024]);
    for _ in 0..draw.below(4) {
        let at = draw.below(archive.len());
        archive[at] = draw.byte();
    }
    archive
}

/// One file, in the form of POSIX.
fn member(archive: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend(header);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
}
