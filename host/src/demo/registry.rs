//! A read-only registry on a loopback port, which serves images from memory: what `portreeve demo` pulls from.
//!
//! It speaks the pull half of the [distribution specification][spec]: `GET` and `HEAD` of `/v2/`, of manifests by tag
//! and by digest, and of blobs. It knows no login, no upload and no deletion. What is served is a [`Keeper`]'s affair;
//! [`Shelf`] is the honest one.
//!
//! [spec]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::image::{BuiltinImage, INDEX_TYPE, MANIFEST_TYPE};
use crate::digest::Digest;

/// Connections that are served at once; further ones wait.
const CONNECTIONS: usize = 64;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub struct Registry<K = Shelf> {
    address: SocketAddr,
    keeper: Arc<K>,
    server: JoinHandle<()>,
}

impl Registry {
    /// Starts an empty registry on a free port of 127.0.0.1, inside the current tokio runtime.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> io::Result<Self> {
        Self::serve(Shelf::default()).await
    }

    /// Serves an image: as [`Shelf::publish`].
    pub fn publish(&self, repository: &str, tag: &str, image: &BuiltinImage) {
        self.keeper.publish(repository, tag, image);
    }
}

impl<K: Keeper> Registry<K> {
    /// Starts a registry on a free port of 127.0.0.1 that answers as `keeper` does.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn serve(keeper: K) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let keeper = Arc::new(keeper);
        let server = tokio::spawn(accept(listener, Arc::clone(&keeper)));
        Ok(Self { address, keeper, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who answers.
    #[must_use]
    pub fn keeper(&self) -> &K {
        &self.keeper
    }

    /// How an engine is asked for an image of this registry: `127.0.0.1:PORT/REPOSITORY@DIGEST`.
    #[must_use]
    pub fn reference(&self, repository: &str, digest: &Digest) -> String {
        format!("{}/{repository}@{digest}", self.address)
    }
}

impl<K> Drop for Registry<K> {
    fn drop(&mut self) {
        // The connections belong to the server's task, and end with it.
        self.server.abort();
    }
}

/// What a client of a registry asks for. Other requests are answered without asking the keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether this is a registry at all.
    Version,
    /// A manifest or an index, by tag or by digest.
    Manifest {
        /// The repository's name.
        repository: String,
        /// A tag or a digest.
        reference: String,
    },
    /// A config or a layer.
    Blob {
        /// The repository's name.
        repository: String,
        /// A digest, if the client wrote one.
        digest: String,
    },
}

impl Ask {
    fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?.trim_start_matches('/');
        if rest.is_empty() {
            return Some(Self::Version);
        }
        let (rest, last) = rest.rsplit_once('/')?;
        let (repository, kind) = rest.rsplit_once('/')?;
        let (repository, last) = (repository.to_owned(), last.to_owned());
        match kind {
            "manifests" => Some(Self::Manifest { repository, reference: last }),
            "blobs" => Some(Self::Blob { repository, digest: last }),
            _ => None,
        }
    }
}

/// What a registry answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body.
    pub media_type: String,
    /// The digest that the registry says the body has.
    pub digest: Option<Digest>,
    /// What a client that may not see this has to show (`WWW-Authenticate`).
    pub challenge: Option<String>,
    /// The content. `HEAD` leaves it out, but not its length.
    pub body: Bytes,
}

impl Reply {
    /// An error in the form of the specification.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "errors": [{ "code": code, "message": message }] }).to_string();
        Self { status, media_type: "application/json".to_owned(), digest: None, challenge: None, body: body.into() }
    }

    fn content(media_type: &str, digest: Option<Digest>, body: Bytes) -> Self {
        Self { status: 200, media_type: media_type.to_owned(), digest, challenge: None, body }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let length = self.body.len();
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        headers.insert(CONTENT_LENGTH, length.into());
        let texts = [
            (CONTENT_TYPE, Some(self.media_type)),
            (CONTENT_DIGEST, self.digest.map(|digest| digest.to_string())),
            (WWW_AUTHENTICATE, self.challenge),
        ];
        for (name, text) in texts {
            // A text that is no header value is left out.
            if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// Who answers what a registry is asked.
pub trait Keeper: Send + Sync + 'static {
    /// The answer to one request.
    fn answer(&self, ask: Ask) -> impl Future<Output = Reply> + Send;
}

/// Images in memory, served as they are.
#[derive(Debug, Default)]
pub struct Shelf {
    repositories: RwLock<BTreeMap<String, Repository>>,
}

#[derive(Debug, Default)]
struct Repository {
    tags: BTreeMap<String, Digest>,
    blobs: BTreeMap<Digest, Blob>,
}

#[derive(Clone, Debug)]
struct Blob {
    media_type: String,
    bytes: Bytes,
}

impl Shelf {
    /// Puts an image into a repository, to be had by the digests of its index and its manifest, and by `tag`, which
    /// names the index.
    pub fn publish(&self, repository: &str, tag: &str, image: &BuiltinImage) {
        let mut repositories = self.repositories.write().unwrap_or_else(PoisonError::into_inner);
        let repository = repositories.entry(repository.to_owned()).or_default();
        repository.tags.insert(tag.to_owned(), image.index());
        for (digest, bytes) in image.blobs() {
            let blob = Blob { media_type: media_type(image, digest).to_owned(), bytes: Bytes::copy_from_slice(bytes) };
            repository.blobs.insert(digest, blob);
        }
    }

    /// Puts one document or blob into a repository, to be had by its digest: what images that are not built in are made of.
    pub fn put(&self, repository: &str, media_type: &str, bytes: Vec<u8>) -> Digest {
        let digest = Digest::sha256(&bytes);
        let mut repositories = self.repositories.write().unwrap_or_else(PoisonError::into_inner);
        let blob = Blob { media_type: media_type.to_owned(), bytes: bytes.into() };
        repositories.entry(repository.to_owned()).or_default().blobs.insert(digest, blob);
        digest
    }

    /// The honest answer.
    #[must_use]
    pub fn reply(&self, ask: &Ask) -> Reply {
        let repositories = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        match ask {
            Ask::Version => Reply::content("application/json", None, Bytes::from_static(b"{}")),
            Ask::Manifest { repository, reference } => {
                let found = repositories.get(repository).and_then(|repository| repository.manifest(reference));
                found.unwrap_or_else(|| Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
            }
            Ask::Blob { repository, digest } => {
                let found = repositories.get(repository).and_then(|repository| repository.blob(digest));
                found.unwrap_or_else(|| Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry"))
            }
        }
    }
}

impl Keeper for Shelf {
    async fn answer(&self, ask: Ask) -> Reply {
        self.reply(&ask)
    }
}

impl Repository {
    fn manifest(&self, reference: &str) -> Option<Reply> {
        let digest = self.tags.get(reference).copied().or_else(|| reference.parse().ok())?;
        let blob = self.blobs.get(&digest).filter(|blob| blob.media_type != OTHER_TYPE)?;
        Some(Reply::content(&blob.media_type, Some(digest), blob.bytes.clone()))
    }

    fn blob(&self, digest: &str) -> Option<Reply> {
        let digest = digest.parse().ok()?;
        let blob = self.blobs.get(&digest)?;
        Some(Reply::content(OTHER_TYPE, Some(digest), blob.bytes.clone()))
    }
}

/// The media type of what is neither a manifest nor an index.
const OTHER_TYPE: &str = "application/octet-stream";

fn media_type(image: &BuiltinImage, digest: Digest) -> &'static str {
    match digest {
        digest if digest == image.manifest() => MANIFEST_TYPE,
        digest if digest == image.index() => INDEX_TYPE,
        _ => OTHER_TYPE,
    }
}

async fn accept<K: Keeper>(listener: TcpListener, keeper: Arc<K>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    // The semaphore is never closed, so a place is always had in the end.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        // What can't be accepted was given up by its client.
        if let Ok((stream, _)) = listener.accept().await {
            let keeper = Arc::clone(&keeper);
            connections.spawn(async move {
                converse(stream, keeper).await;
                drop(place);
            });
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse<K: Keeper>(stream: TcpStream, keeper: Arc<K>) {
    let service = service_fn(|request| {
        let keeper = Arc::clone(&keeper);
        async move { Ok::<_, Infallible>(answer(&request, &*keeper).await.into_response()) }
    });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // How a conversation ends is the client's affair.
    let _ = connection.await;
}

async fn answer<K: Keeper>(request: &Request<Incoming>, keeper: &K) -> Reply {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Reply::error(405, "UNSUPPORTED", "this registry is read-only");
    }
    match Ask::parse(request.uri().path()) {
        Some(ask) => keeper.answer(ask).await,
        None => Reply::error(404, "UNSUPPORTED", "this registry serves manifests and blobs only"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::ImageOptions;
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Sends one request by hand; its answer's head in lower case, and its body.
    async fn ask(address: SocketAddr, method: &str, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        (String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer[end + 4..].to_vec())
    }

    async fn with_image() -> (Registry, BuiltinImage) {
        let registry = Registry::start().await.unwrap();
        let image = BuiltinImage::build(&ImageOptions::default()).unwrap();
        registry.publish("crew/deckhand", "latest", &image);
        (registry, image)
    }

    #[tokio::test]
    async fn a_client_finds_the_registry() {
        let (registry, _) = with_image().await;
        for path in ["/v2/", "/v2"] {
            let (head, body) = ask(registry.address(), "GET", path).await;
            assert!(head.starts_with("http/1.1 200"), "{head}");
            assert!(head.contains("docker-distribution-api-version: registry/2.0"), "{head}");
            assert_eq!(body, b"{}");
        }
    }

    #[tokio::test]
    async fn a_manifest_is_had_by_tag_and_by_digest() {
        let (registry, image) = with_image().await;
        let cases = [
            ("latest".to_owned(), image.index(), INDEX_TYPE),
            (image.index().to_string(), image.index(), INDEX_TYPE),
            (image.manifest().to_string(), image.manifest(), MANIFEST_TYPE),
        ];
        for (reference, digest, media_type) in cases {
            let path = format!("/v2/crew/deckhand/manifests/{reference}");
            let (head, body) = ask(registry.address(), "GET", &path).await;
            assert!(head.starts_with("http/1.1 200"), "{head}");
            assert!(head.contains(&format!("docker-content-digest: {digest}")), "{head}");
            assert!(head.contains(&format!("content-type: {media_type}")), "{head}");
            digest.verify(&body).unwrap();
        }
    }

    #[tokio::test]
    async fn a_head_has_the_length_and_no_body() {
        let (registry, image) = with_image().await;
        let path = format!("/v2/crew/deckhand/blobs/{}", image.layer());
        let (_, whole) = ask(registry.address(), "GET", &path).await;
        image.layer().verify(&whole).unwrap();
        let (head, body) = ask(registry.address(), "HEAD", &path).await;
        assert!(head.contains(&format!("content-length: {}", whole.len())), "{head}");
        assert!(body.is_empty());
    }

    #[tokio::test]
    async fn what_it_has_not_is_unknown_and_nothing_can_be_written() {
        let (registry, image) = with_image().await;
        let cases = [
            ("GET", "/v2/crew/deckhand/manifests/other".to_owned(), "404", "MANIFEST_UNKNOWN"),
            ("GET", format!("/v2/elsewhere/manifests/{}", image.manifest()), "404", "MANIFEST_UNKNOWN"),
            ("GET", format!("/v2/crew/deckhand/manifests/{}", image.layer()), "404", "MANIFEST_UNKNOWN"),
            ("GET", "/v2/crew/deckhand/blobs/sha256:12".to_owned(), "404", "BLOB_UNKNOWN"),
            ("GET", "/etc/passwd".to_owned(), "404", "UNSUPPORTED"),
            ("PUT", "/v2/crew/deckhand/manifests/latest".to_owned(), "405", "UNSUPPORTED"),
        ];
        for (method, path, status, code) in cases {
            let (head, body) = ask(registry.address(), method, &path).await;
            assert!(head.starts_with(&format!("http/1.1 {status}")), "{method} {path}: {head}");
            assert!(String::from_utf8(body).unwrap().contains(code), "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_dropped_registry_answers_no_more() {
        let (registry, _) = with_image().await;
        let mut open = TcpStream::connect(registry.address()).await.unwrap();
        drop(registry);
        let mut rest = Vec::new();
        // An orderly end or a reset: either will do.
        let end = tokio::time::timeout(Duration::from_secs(10), open.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "the connection is still open");
        assert!(rest.is_empty());
    }
}
