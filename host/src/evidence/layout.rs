//! Images in an OCI layout, proved with no engine at all.
//!
//! The [layout][spec] is a directory, or a tar archive of one: `oci-layout`, `index.json`, and blobs named by their
//! digests. It may come from anywhere: no link in it is followed, no name in it is trusted, and layers of any size are
//! hashed as they stream by.
//!
//! [spec]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md

mod archive;
pub(super) mod content;
mod folder;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use cap_std::fs::Dir;
use serde::Deserialize;

use self::archive::Archive;
use self::folder::Folder;
pub(super) use self::folder::open_below;
use super::chain::{ChainError, Content, Link, ManifestSource, Report, Resolved, SourceError, Step, follow};
use super::manifest::{Compression, Document, Index, Layer, MANIFEST_MAX, ManifestError, Platform};
use crate::digest::{Digest, Mismatch};

/// Why an image in a layout is not proved to be the one requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// No layout of the known version.
    #[error("not an OCI layout: {why}")]
    NotALayout {
        /// What is missing or wrong.
        why: String,
    },
    /// It could not be opened.
    #[error("{path}: {error}")]
    Open {
        /// Its path.
        path: String,
        /// What went wrong.
        error: io::Error,
    },
    /// The chain of documents is wrong.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A layer's content is not what the manifest or the configuration says.
    #[error("layer {number}: {mismatch}")]
    Layer {
        /// Which, counted from 1.
        number: usize,
        /// What was expected and found.
        mismatch: Mismatch,
    },
    /// A layer's size is not what the manifest says.
    #[error("layer {number}: {error}")]
    LayerSize {
        /// Which, counted from 1.
        number: usize,
        /// What was expected and found.
        error: ManifestError,
    },
    /// A layer whose stored bytes are right but can't be decompressed.
    #[error("layer {number} can't be decompressed: {why}")]
    Compression {
        /// Which, counted from 1.
        number: usize,
        /// What the decoder said.
        why: String,
    },
    /// A file of the layout could not be read, or is a link.
    #[error("{path}: {error}")]
    Read {
        /// Its path in the layout.
        path: String,
        /// What went wrong.
        error: io::Error,
    },
    /// The tar archive is malformed or could be read in two ways.
    #[error("the archive is refused at byte {at}: {why}")]
    Archive {
        /// Where the header in question begins.
        at: u64,
        /// What is wrong.
        why: String,
    },
}

impl LayoutError {
    /// A short, stable word for the kind of error, as reports have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotALayout { .. } => "not-a-layout",
            Self::Open { .. } | Self::Read { .. } => "source",
            Self::Chain(error) => error.kind(),
            Self::Layer { .. } => "mismatch",
            Self::LayerSize { .. } => "size",
            Self::Compression { .. } => "compression",
            Self::Archive { .. } => "archive",
        }
    }
}

/// A file of a layout, opened.
struct Stream<'a> {
    reader: Box<dyn Read + 'a>,
    len: u64,
}

/// Where a layout's files are.
trait Files {
    /// Opens a regular file without following links; `None` when there is none.
    fn open(&self, path: &[&str]) -> io::Result<Option<Stream<'_>>>;
}

/// An OCI layout.
pub struct Layout {
    files: Box<dyn Files>,
    index: Index,
}

#[derive(Deserialize)]
struct Marker {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

impl Layout {
    /// The layout at a path of the operator's own: a directory, or a tar archive.
    ///
    /// # Errors
    /// [`LayoutError`] when there is none. The path itself may be a link; nothing in the layout may.
    pub fn at(path: &Path) -> Result<Self, LayoutError> {
        let read = |error| LayoutError::Open { path: path.display().to_string(), error };
        let file = crate::ambient::open_named(path).map_err(read)?;
        let kind = file.metadata().map_err(read)?.file_type();
        match (kind.is_dir(), kind.is_file()) {
            (true, _) => Self::from_dir(Dir::from_std_file(file)),
            (_, true) => Self::from_tar(file),
            _ => Err(not_a_layout("neither a directory nor a file")),
        }
    }

    /// The layout in a directory.
    ///
    /// # Errors
    /// [`LayoutError`] when it is none.
    pub fn from_dir(dir: Dir) -> Result<Self, LayoutError> {
        Self::open(Box::new(Folder::new(dir)))
    }

    /// The layout in a tar archive, which is not compressed.
    ///
    /// # Errors
    /// [`LayoutError`] when it is none, or when one name stands twice in the archive.
    pub fn from_tar(file: File) -> Result<Self, LayoutError> {
        Self::open(Box::new(Archive::read(file)?))
    }

    fn open(files: Box<dyn Files>) -> Result<Self, LayoutError> {
        let marker: Result<Marker, _> = serde_json::from_slice(&required(&*files, "oci-layout")?);
        match marker {
            Ok(marker) if marker.version.starts_with("1.") => {}
            _ => return Err(not_a_layout("oci-layout names no version 1")),
        }
        let index = Index::parse_bytes(&required(&*files, "index.json")?);
        let index = index.map_err(|error| not_a_layout(&format!("index.json: {error}")))?;
        Ok(Self { files, index })
    }

    /// Proves the image that `requested` names on `platform`, down to the content of its layers.
    ///
    /// What the layout lacks is not an error: the report says so, and its [`level`](Report::level) tells how much is
    /// proved.
    ///
    /// # Errors
    /// [`LayoutError`] when anything is proved to be wrong.
    pub fn verify(&self, requested: &Digest, platform: &Platform) -> Result<Report, LayoutError> {
        let (report, failure) = self.look(requested, platform);
        failure.map_or(Ok(report), Err)
    }

    /// As [`verify`](Self::verify), but what is wrong is a link of the report, failed, and ends it.
    #[must_use]
    pub fn examine(&self, requested: &Digest, platform: &Platform) -> Report {
        self.look(requested, platform).0
    }

    /// As [`examine`](Self::examine), of an image that must be for this platform: one that says itself that it is for another
    /// has a link that failed.
    #[must_use]
    pub fn examine_for(&self, requested: &Digest, platform: &Platform) -> Report {
        let mut report = self.examine(requested, platform);
        if platform.rank(&report.platform).is_none() {
            let own = report.platform.to_string();
            let why = format!("the image is for {own}, asked for is {platform}");
            report.push(Link::failed(Step::Config, platform.to_string(), own, "platform", why));
        }
        report
    }

    fn look(&self, requested: &Digest, platform: &Platform) -> (Report, Option<LayoutError>) {
        let (resolved, failure) = follow(requested, platform, None, self);
        let mut report = Report::of(&resolved);
        report.without_config();
        if let Some(error) = failure {
            return (report, Some(error.into()));
        }
        if let Err(error) = self.check_index(requested) {
            report.push(Link::failed(Step::Requested, "index.json", requested, error.kind(), &error));
            return (report, Some(error));
        }
        let (layers, failure) = self.layers(&resolved);
        report.set_layers(layers);
        (report, failure)
    }

    /// What `index.json` says of the requested document must be true.
    fn check_index(&self, requested: &Digest) -> Result<(), LayoutError> {
        let described = self.index.entries().iter().filter(|entry| entry.descriptor.digest == *requested);
        for entry in described {
            let Ok(bytes) = self.fetch(requested, Content::Manifest) else { continue };
            requested.verify(&bytes).map_err(ChainError::from)?;
            Document::parse_described(&bytes, &entry.descriptor)
                .map_err(|error| ChainError::Document { digest: Box::new(*requested), error })?;
        }
        Ok(())
    }

    /// The layers, up to one that is wrong.
    fn layers(&self, resolved: &Resolved) -> (Vec<Link>, Option<LayoutError>) {
        let layers = resolved.manifest().map(super::manifest::Manifest::layers).unwrap_or_default();
        let diff_ids = resolved.config().map(super::manifest::ImageConfig::diff_ids).unwrap_or_default();
        let diff_id = |i: usize| diff_ids.get(i);
        let mut links = Vec::new();
        for (i, layer) in layers.iter().enumerate() {
            match self.layer(i + 1, layer, diff_id(i)) {
                Ok(link) => links.push(link),
                Err(error) => {
                    let from = diff_id(i).map_or_else(|| "no diff id".to_owned(), |digest| format!("diff id {digest}"));
                    let to = format!("blob {}", layer.descriptor.digest);
                    links.push(Link::failed(Step::Layer, from, to, error.kind(), &error));
                    return (links, Some(error));
                }
            }
        }
        (links, None)
    }

    fn layer(&self, number: usize, layer: &Layer, diff_id: Option<&Digest>) -> Result<Link, LayoutError> {
        let blob = layer.descriptor.digest;
        let from = diff_id.map_or_else(|| "no diff id".to_owned(), |digest| format!("diff id {digest}"));
        let unproved =
            |why: &str, remedy: &str| Link::not_checkable(Step::Layer, &from, format!("blob {blob}"), why, remedy);
        let Some(stream) = self.open_blob(&blob)? else {
            return Ok(unproved("the layout has no such blob", "copy the whole image into the layout"));
        };
        layer.descriptor.check_size(stream.len).map_err(|error| LayoutError::LayerSize { number, error })?;
        let is_known = layer.compression != Compression::Other;
        let decoded_as = diff_id.filter(|_| is_known).map(|digest| (digest, layer.compression));
        content::prove(stream, &blob, decoded_as).map_err(|fault| fault.of(number))?;
        Ok(match decoded_as {
            Some(_) => Link::proved(Step::Layer, &from, format!("blob {blob}")),
            None if is_known => unproved("the configuration is not here", "copy the whole image into the layout"),
            None => unproved("its media type is not known here: only its stored form was hashed", "store it as gzip"),
        })
    }

    fn open_blob(&self, digest: &Digest) -> Result<Option<Stream<'_>>, LayoutError> {
        let hex = digest.hex();
        let path = ["blobs", digest.algorithm().name(), &hex];
        self.files.open(&path).map_err(|error| LayoutError::Read { path: path.join("/"), error })
    }
}

impl ManifestSource for Layout {
    fn fetch(&self, digest: &Digest, _: Content) -> Result<Vec<u8>, SourceError> {
        let fault = |why: String| SourceError::Fault { why };
        match self.open_blob(digest).map_err(|error| fault(error.to_string()))? {
            None => Err(SourceError::Absent {
                why: "the layout has no such blob".to_owned(),
                remedy: "copy the whole image into the layout".to_owned(),
            }),
            Some(stream) => read_small(stream).map_err(|error| fault(error.to_string())),
        }
    }
}

fn required(files: &dyn Files, name: &str) -> Result<Vec<u8>, LayoutError> {
    let read = |error| LayoutError::Read { path: name.to_owned(), error };
    let stream = files.open(&[name]).map_err(read)?;
    read_small(stream.ok_or_else(|| not_a_layout(&format!("there is no file {name}")))?).map_err(read)
}

fn read_small(stream: Stream<'_>) -> io::Result<Vec<u8>> {
    if stream.len > MANIFEST_MAX {
        return Err(io::Error::other(ManifestError::TooLarge { size: stream.len }));
    }
    let mut bytes = Vec::new();
    stream.reader.take(MANIFEST_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_a_layout(why: &str) -> LayoutError {
    LayoutError::NotALayout { why: why.to_owned() }
}

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;
