//! An image as its engine exports it, hashed as it streams by. Nothing of a layer is kept.
//!
//! The form is that of `save`: a tar archive with a `manifest.json` that names the files of the configuration and of
//! the layers, in any order. Files that are compressed are hashed as they are stored and as they unpack. What the
//! archive says of itself only tells where to look: a layer is proved by the digest of what stands there.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use serde::Deserialize;

use super::chain::{Content, Link, ManifestSource, Report, SourceError, Step};
use super::layout::content::{PIECE, decode, feed};
use super::manifest::{Compression, MANIFEST_MAX};
use super::tar::{Kind, Source, Tar, TarError};
use crate::digest::{Algorithm, Digest, Hasher, Mismatch};

/// How many members an export may have: a few for each of an image's layers, of which there are at most 127.
const MEMBERS_MAX: usize = 10_000;
/// The longest path that is looked at, in bytes.
const PATH_MAX: usize = 512;
/// How much of small documents is kept in all, in bytes.
const DOCUMENTS_MAX: u64 = 4 * MANIFEST_MAX;

const INDEX: &str = "manifest.json";
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Why an export does not prove an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It could not be read to its end.
    #[error("the engine's export could not be read: {0}")]
    Read(io::Error),
    /// It is no archive, or a malformed one.
    #[error("the engine's export is refused at byte {at}: {why}")]
    Archive {
        /// Where the header in question begins.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// Its `manifest.json` says nothing that can be used.
    #[error("the engine's export is refused: {why}")]
    Form {
        /// What is wrong.
        why: String,
    },
    /// It is of another image.
    #[error("the engine exported another image: its configuration is {found}, expected {expected}")]
    OtherImage {
        /// The proved digest of the configuration.
        expected: Box<Digest>,
        /// That of the exported one.
        found: Box<Digest>,
    },
    /// It has more or fewer layers than the configuration.
    #[error("the engine exported {found} layers, the configuration has {expected}")]
    Count {
        /// How many the configuration has.
        expected: usize,
        /// How many were exported.
        found: usize,
    },
    /// A layer that was changed since it was pulled.
    #[error("layer {number} was changed in the engine's store: {mismatch}")]
    Layer {
        /// Which, counted from 1.
        number: usize,
        /// What was expected and found.
        mismatch: Mismatch,
    },
}

impl ExportError {
    /// A short, stable word for the kind of error, as reports have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Read(_) => "source",
            Self::Archive { .. } => "archive",
            Self::Form { .. } => "document",
            Self::OtherImage { .. } => "wrong-image",
            Self::Count { .. } => "count",
            Self::Layer { .. } => "mismatch",
        }
    }
}

impl From<TarError> for ExportError {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Read(error) => Self::Read(error),
            TarError::Bad { at, why } => Self::Archive { at, why: why.to_owned() },
        }
    }
}

/// What an export holds: digests of its files, and small documents among them.
#[derive(Debug)]
pub struct Export {
    members: BTreeMap<String, Item>,
}

#[derive(Debug)]
enum Item {
    File(Measured),
    Symlink(String),
    Hardlink(String),
}

/// What was found of a file as it streamed by.
#[derive(Debug)]
struct Measured {
    stored: Vec<Digest>,
    unpacked: Vec<Digest>,
    bytes: Option<Vec<u8>>,
}

/// One image of `manifest.json`, as `save` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    config: String,
    layers: Vec<String>,
    repo_tags: Option<Vec<String>>,
}

/// The part of a configuration that names the layers.
#[derive(Deserialize)]
struct Configuration {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// An archive whose layers are those of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archive {
    /// The digest of its configuration.
    pub config: Digest,
    /// The names that it gives the image.
    pub names: Vec<String>,
}

impl Export {
    /// Reads an export to its end and hashes each file in it, by SHA-256 and by whatever else `diff_ids` need.
    ///
    /// # Errors
    /// [`ExportError`] when it is no archive, or can't be read.
    pub fn read(reader: impl Read, diff_ids: &[Digest]) -> Result<Self, ExportError> {
        let wide = diff_ids.iter().any(|digest| digest.algorithm() == Algorithm::Sha512);
        let algorithms = if wide { &Algorithm::ALL[..] } else { &[Algorithm::Sha256] };
        let mut stream = Stream { reader };
        let mut reading = Reading { members: BTreeMap::new(), kept: 0, algorithms };
        let mut tar = Tar::new(&mut stream);
        while let Some(member) = tar.next()? {
            reading.member(&mut tar, member.path, member.kind, member.len)?;
        }
        // what pads the end must be read too: a writer whose reader goes away fails
        feed(&mut stream, |_| ()).map_err(ExportError::Read)?;
        Ok(Self { members: reading.members })
    }

    /// What an archive by itself bears out: that its layers are those of its configuration.
    ///
    /// # Errors
    /// [`ExportError`] when it has no configuration, or a layer is missing or another one.
    pub fn archive(&self) -> Result<Archive, ExportError> {
        let wrong = |why: &str| ExportError::Form { why: why.to_owned() };
        let named = self.named()?.ok_or_else(|| wrong("it has no manifest.json"))?;
        let config = self.file(&named.config).ok_or_else(|| wrong("it does not hold its configuration"))?;
        let sha256 = |digest: &&Digest| digest.algorithm() == Algorithm::Sha256;
        let digest =
            config.stored.iter().find(sha256).copied().ok_or_else(|| wrong("its configuration has no digest"))?;
        let bytes = config.bytes.as_deref().ok_or_else(|| wrong("its configuration is too large, or no JSON"))?;
        let document: Configuration =
            serde_json::from_slice(bytes).map_err(|error| wrong(&format!("its configuration is wrong: {error}")))?;
        let diff_ids = document.rootfs.diff_ids;
        if named.layers.len() != diff_ids.len() {
            return Err(ExportError::Count { expected: diff_ids.len(), found: named.layers.len() });
        }
        for (number, (diff_id, path)) in diff_ids.iter().zip(&named.layers).enumerate() {
            let diff_id = diff_id.parse().map_err(|_| wrong("its configuration has a diff ID that is no digest"))?;
            self.file(path).ok_or_else(|| wrong("it does not hold all of its layers"))?;
            self.layer(number + 1, &diff_id, path)?;
        }
        Ok(Archive { config: digest, names: named.repo_tags.unwrap_or_default() })
    }

    /// Compares each layer with the proved digests of a report.
    ///
    /// # Errors
    /// [`ExportError`] when another image was exported, or a layer is not what it should be.
    pub fn layers(&self, report: &Report) -> Result<Vec<Link>, ExportError> {
        self.each_layer(report)?.into_iter().map(|(_, link)| link).collect()
    }

    /// As [`layers`](Self::layers), but what is wrong is a link that failed.
    #[must_use]
    pub fn examine(&self, report: &Report) -> Vec<Link> {
        let failed = |from: String, error: &ExportError| {
            Link::failed(Step::Layer, from, "the engine's export", error.kind(), error)
        };
        match self.each_layer(report) {
            Err(error) => vec![failed("image".to_owned(), &error)],
            Ok(layers) => layers
                .into_iter()
                .map(|(diff_id, link)| link.unwrap_or_else(|error| failed(format!("diff id {diff_id}"), &error)))
                .collect(),
        }
    }

    /// Each layer's digest, and what was found of it.
    #[allow(clippy::type_complexity, reason = "two callers, a few lines away")]
    fn each_layer(&self, report: &Report) -> Result<Vec<(Digest, Result<Link, ExportError>)>, ExportError> {
        let Some(named) = self.named()? else {
            let unknown = |digest| Ok(unproved(digest, "the engine's export has a form that is not known here"));
            return Ok(report.diff_ids.iter().map(|digest| (*digest, unknown(digest))).collect());
        };
        if let (Some(expected), Some(config)) = (report.config.or(report.image_id), self.file(&named.config)) {
            config.is(&expected).map_err(|found| ExportError::OtherImage { expected: Box::new(expected), found })?;
        }
        if named.layers.len() != report.diff_ids.len() {
            return Err(ExportError::Count { expected: report.diff_ids.len(), found: named.layers.len() });
        }
        let pairs = report.diff_ids.iter().zip(&named.layers).enumerate();
        Ok(pairs.map(|(i, (digest, path))| (*digest, self.layer(i + 1, digest, path))).collect())
    }

    fn layer(&self, number: usize, diff_id: &Digest, path: &str) -> Result<Link, ExportError> {
        let Some(file) = self.file(path) else {
            return Ok(unproved(diff_id, "the engine's export does not hold it"));
        };
        let mismatch = |found| Mismatch { expected: Box::new(*diff_id), found };
        file.is(diff_id).map_err(|found| ExportError::Layer { number, mismatch: mismatch(found) })?;
        Ok(Link::proved(Step::Layer, format!("diff id {diff_id}"), "the engine's export"))
    }

    fn named(&self) -> Result<Option<Named>, ExportError> {
        let wrong = |why: &str| ExportError::Form { why: format!("{INDEX} {why}") };
        let Some(Item::File(index)) = self.members.get(INDEX) else { return Ok(None) };
        let bytes = index.bytes.as_deref().ok_or_else(|| wrong("is too large, or no JSON"))?;
        let images: Vec<Named> = serde_json::from_slice(bytes).map_err(|error| wrong(&format!("is wrong: {error}")))?;
        let [image] = <[Named; 1]>::try_from(images).map_err(|_| wrong("names more or fewer images than one"))?;
        Ok(Some(image))
    }

    /// The file of this path, or the one that a link in its place leads to, within the archive.
    fn file(&self, path: &str) -> Option<&Measured> {
        let path = normal(path)?;
        let target = match self.members.get(&path)? {
            Item::File(file) => return Some(file),
            Item::Hardlink(target) => normal(target)?,
            Item::Symlink(target) => normal(&format!("{}/../{target}", path))?,
        };
        match self.members.get(&target)? {
            Item::File(file) => Some(file),
            Item::Symlink(_) | Item::Hardlink(_) => None,
        }
    }
}

fn unproved(digest: &Digest, why: &str) -> Link {
    Link::not_checkable(Step::Layer, format!("diff id {digest}"), "the engine's export", why, "pull the image again")
}

/// A path of names alone: `..` takes one away; none where it leads out.
fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

impl Measured {
    /// Whether it is the content of this digest, as it is stored or unpacked; else what it is.
    fn is(&self, digest: &Digest) -> Result<(), Box<Digest>> {
        let all = || self.unpacked.iter().chain(&self.stored).filter(|found| found.algorithm() == digest.algorithm());
        if all().any(|found| found == digest) {
            return Ok(());
        }
        // without a hash by its algorithm there is nothing that it could be
        Err(Box::new(all().chain(&self.stored).next().copied().unwrap_or(*digest)))
    }
}

/// Small documents of an export are as good as those of any other source: they are hashed wherever they are used.
impl ManifestSource for Export {
    fn fetch(&self, digest: &Digest, _: Content) -> Result<Vec<u8>, SourceError> {
        let files = self.members.values().filter_map(|item| match item {
            Item::File(file) if file.stored.contains(digest) => file.bytes.clone(),
            _ => None,
        });
        files.into_iter().next().ok_or_else(|| SourceError::Absent {
            why: "the engine's export does not hold it".to_owned(),
            remedy: "pull the image again".to_owned(),
        })
    }
}

struct Reading<'a> {
    members: BTreeMap<String, Item>,
    kept: u64,
    algorithms: &'a [Algorithm],
}

impl Reading<'_> {
    fn member<S: Source>(&mut self, tar: &mut Tar<S>, path: String, kind: Kind, len: u64) -> Result<(), ExportError> {
        let Some(path) = normal(&path).filter(|path| path.len() <= PATH_MAX) else { return Ok(()) };
        let item = match kind {
            Kind::Regular => Item::File(self.measure(tar.content(), len)?),
            Kind::Symlink(target) if target.len() <= PATH_MAX => Item::Symlink(target),
            Kind::Hardlink(target) if target.len() <= PATH_MAX => Item::Hardlink(target),
            _ => return Ok(()),
        };
        let refused = |why: &str| Err(ExportError::Form { why: why.to_owned() });
        match self.members.insert(path, item) {
            Some(_) => refused("a name stands twice"),
            None if self.members.len() > MEMBERS_MAX => refused("it has too many members"),
            None => Ok(()),
        }
    }

    fn measure(&mut self, mut content: impl Read, len: u64) -> Result<Measured, ExportError> {
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ExportError::Form { why: "it is cut short".to_owned() },
            _ => ExportError::Read(error),
        };
        let head = head(&mut content).map_err(wrong)?;
        let whole = head.as_slice().chain(content);
        let is_document = head.starts_with(b"{") || head.starts_with(b"[");
        if is_document && len <= MANIFEST_MAX && self.kept + len <= DOCUMENTS_MAX {
            self.kept += len;
            return self.document(whole).map_err(wrong);
        }
        measured(whole, compression(&head), self.algorithms).map_err(wrong)
    }

    fn document(&self, mut content: impl Read) -> io::Result<Measured> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        // documents may be asked for by either algorithm
        let stored = Algorithm::ALL.into_iter().map(|algorithm| Digest::of(algorithm, &bytes)).collect();
        Ok(Measured { stored, unpacked: Vec::new(), bytes: Some(bytes) })
    }
}

/// The first four bytes, or what there is.
fn head(content: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    content.take(ZSTD.len() as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn compression(head: &[u8]) -> Compression {
    match head {
        gzip if gzip.starts_with(GZIP) => Compression::Gzip,
        zstd if zstd.starts_with(ZSTD) => Compression::Zstd,
        _ => Compression::None,
    }
}

fn measured(content: impl Read, compression: Compression, algorithms: &[Algorithm]) -> io::Result<Measured> {
    let mut source = BufReader::with_capacity(PIECE, Tee { inner: content, hashers: hashers(algorithms) });
    let mut unpacked = Vec::new();
    if compression != Compression::None {
        let mut inner = hashers(algorithms);
        let decoded = decode(&mut source, compression, |piece| update(&mut inner, piece));
        // what only begins like a compressed file is what it is
        unpacked = decoded.map(|()| finish(inner)).unwrap_or_default();
    }
    feed(&mut source, |_| ())?;
    Ok(Measured { stored: finish(source.into_inner().hashers), unpacked, bytes: None })
}

fn hashers(algorithms: &[Algorithm]) -> Vec<Hasher> {
    algorithms.iter().copied().map(Hasher::new).collect()
}

fn update(hashers: &mut [Hasher], piece: &[u8]) {
    hashers.iter_mut().for_each(|hasher| hasher.update(piece));
}

fn finish(hashers: Vec<Hasher>) -> Vec<Digest> {
    hashers.into_iter().map(Hasher::finish).collect()
}

/// Hashes what is read through it.
struct Tee<R> {
    inner: R,
    hashers: Vec<Hasher>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        update(&mut self.hashers, buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A stream, which can't step over anything without reading it.
struct Stream<R> {
    reader: R,
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl<R: Read> Source for &mut Stream<R> {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let mut passed = 0;
        feed(&mut (&mut self.reader).take(count), |piece| passed += piece.len() as u64)?;
        if passed == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests;
