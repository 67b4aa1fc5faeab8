//! A registry's content over plain HTTP on loopback, checked as the engines check it.
//!
//! One request a connection, no time-out: a silent registry is waited for, as the real engines do.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::state::{self, hex};

/// The most bytes of a manifest or a config that are read.
const DOCUMENT_LIMIT: u64 = 8 * 1024 * 1024;

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Why something does not come from a registry.
#[derive(Debug)]
pub(crate) enum Fetch {
    Malformed(&'static str),
    /// The name has no registry in it.
    ShortName,
    /// Not on loopback: nothing else is ever asked.
    Elsewhere(String),
    /// Plain HTTP, and nobody said that it may be.
    NotEncrypted(String),
    Unreachable {
        registry: String,
        reason: String,
    },
    Unknown,
    OtherBytes {
        expected: String,
    },
    OtherLayer {
        expected: String,
        got: String,
    },
    OtherConfig {
        expected: String,
        got: String,
    },
    NoPlatform,
    Status(u16),
    Io(io::Error),
}

impl From<io::Error> for Fetch {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// `127.0.0.1:5055/app@sha256:…` in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Result<Self, Fetch> {
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        if let Some(digest) = digest {
            check_digest(digest)?;
        }
        let (registry, path) = rest
            .split_once('/')
            .filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost")
            .ok_or(Fetch::ShortName)?;
        let (repository, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        if repository.is_empty()
            || tag == Some("")
            || repository.contains(|c: char| c.is_ascii_uppercase() || c.is_whitespace())
        {
            return Err(Fetch::Malformed("invalid reference format"));
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let tag = owned(tag).or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest: owned(digest) })
    }

    /// `127.0.0.1:5055/app`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// What is asked for: the digest, else the tag.
    pub(crate) fn wanted(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }
}

fn check_digest(digest: &str) -> Result<(), Fetch> {
    let digits = digest.strip_prefix("sha256:").ok_or(Fetch::Malformed("unsupported digest algorithm"))?;
    if digits.len() != 64 {
        return Err(Fetch::Malformed("invalid checksum digest length"));
    }
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.bytes().all(is_digit) { Ok(()) } else { Err(Fetch::Malformed("invalid checksum digest format")) }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// A manifest or an index, by tag or digest; with a digest, its bytes are checked.
pub(crate) fn manifest(reference: &Reference, wanted: &str) -> Result<Vec<u8>, Fetch> {
    let bytes = document(reference, &format!("manifests/{wanted}"))?;
    if wanted.contains(':') && digest(&bytes) != wanted {
        return Err(Fetch::OtherBytes { expected: wanted.to_owned() });
    }
    Ok(bytes)
}

pub(crate) fn config(reference: &Reference, wanted: &str) -> Result<Vec<u8>, Fetch> {
    let bytes = document(reference, &format!("blobs/{wanted}"))?;
    let got = digest(&bytes);
    if got == wanted { Ok(bytes) } else { Err(Fetch::OtherConfig { expected: wanted.to_owned(), got }) }
}

fn document(reference: &Reference, what: &str) -> Result<Vec<u8>, Fetch> {
    let mut bytes = Vec::new();
    get(reference, what)?.take(DOCUMENT_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Brings a layer into a file; nothing is left of one whose digest is another.
pub(crate) fn layer(reference: &Reference, wanted: &str, place: &Path) -> Result<(), Fetch> {
    let mut body = get(reference, &format!("blobs/{wanted}"))?;
    let temporary = state::temporary(place);
    let got = copy_hashed(&mut body, &mut File::create(&temporary)?)?;
    if got != wanted {
        std::fs::remove_file(&temporary)?;
        return Err(Fetch::OtherLayer { expected: wanted.to_owned(), got });
    }
    Ok(std::fs::rename(&temporary, place)?)
}

fn copy_hashed(from: &mut dyn Read, to: &mut File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        to.write_all(bytes)?;
    }
    Ok(format!("sha256:{}", hex(&hash.finalize())))
}

/// The body of `GET /v2/NAME/…`.
fn get(reference: &Reference, what: &str) -> Result<Box<dyn Read>, Fetch> {
    let mut stream = connect(&reference.registry)?;
    let Reference { registry, repository, .. } = reference;
    let request = format!(
        "GET /v2/{repository}/{what} HTTP/1.1\r\nHost: {registry}\r\nAccept: {ACCEPT}\r\nUser-Agent: rehearsal\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let head = head(&mut reader)?;
    match head.status {
        200 => Ok(body(head, reader)),
        404 => Err(Fetch::Unknown),
        status => Err(Fetch::Status(status)),
    }
}

fn connect(registry: &str) -> Result<TcpStream, Fetch> {
    let address = loopback(registry).ok_or_else(|| Fetch::Elsewhere(registry.to_owned()))?;
    TcpStream::connect(address)
        .map_err(|error| Fetch::Unreachable { registry: registry.to_owned(), reason: reason(&error) })
}

/// The address that a registry's name spells, when it is on loopback; no name is ever resolved.
fn loopback(registry: &str) -> Option<SocketAddr> {
    let registry =
        registry.replacen("localhost", "127.0.0.1", usize::from(registry.split(':').next() == Some("localhost")));
    let address: SocketAddr = registry.parse().ok().or_else(|| format!("{registry}:80").parse().ok())?;
    address.ip().is_loopback().then_some(address)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => error.to_string(),
    }
}

struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
}

fn head(reader: &mut impl BufRead) -> Result<Head, Fetch> {
    let status = line(reader)?.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut head = Head { status: status.ok_or_else(|| invalid("no HTTP status"))?, length: None, chunked: false };
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else { return Ok(head) };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.trim().parse().ok(),
            "transfer-encoding" => head.chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(16 * 1024).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn body(head: Head, reader: BufReader<TcpStream>) -> Box<dyn Read> {
    match head.length {
        _ if head.chunked => Box::new(Chunks { reader, left: 0, ended: false }),
        Some(length) => Box::new(reader.take(length)),
        None => Box::new(reader),
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A body in chunks (RFC 9112 §7.1), without extensions or trailers.
struct Chunks<R> {
    reader: R,
    left: usize,
    ended: bool,
}

impl<R: BufRead> Chunks<R> {
    fn next(&mut self) -> io::Result<()> {
        let mut size = line(&mut self.reader)?;
        if size.is_empty() {
            size = line(&mut self.reader)?;
        }
        self.left = usize::from_str_radix(&size, 16).map_err(|_| invalid("no size of a chunk"))?;
        self.ended = self.left == 0;
        Ok(())
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.ended {
            self.next()?;
        }
        let most = buffer.len().min(self.left);
        let count = self.reader.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "14cf706b77082efec7d6acc448e9801e8e351d3e24d61064554c78b2058343ad";

    #[test]
    fn references_have_their_parts() {
        let reference = Reference::parse(&format!("127.0.0.1:5055/some/app:v1@sha256:{HEX}")).unwrap();
        assert_eq!(reference.name(), "127.0.0.1:5055/some/app");
        assert_eq!((reference.tag.as_deref(), reference.wanted()), (Some("v1"), format!("sha256:{HEX}").as_str()));
        assert_eq!(Reference::parse("localhost/app").unwrap().wanted(), "latest");
    }

    #[test]
    fn malformed_references_say_what_is_wrong() {
        for (text, expected) in [
            ("127.0.0.1:1/app@sha256:abc", "invalid checksum digest length"),
            ("127.0.0.1:1/app@md5:abc", "unsupported digest algorithm"),
            ("127.0.0.1:1/App", "invalid reference format"),
        ] {
            assert!(matches!(Reference::parse(text), Err(Fetch::Malformed(what)) if what == expected), "{text}");
        }
        assert!(matches!(Reference::parse("alpine"), Err(Fetch::ShortName)));
    }

    #[test]
    fn nothing_but_loopback_is_asked() {
        for registry in ["registry.example", "10.0.0.1:80", "127.evil.example", "localhost.example:80"] {
            assert!(matches!(connect(registry), Err(Fetch::Elsewhere(_))), "{registry}");
        }
        let spelled = |registry| loopback(registry).map(|address| address.to_string());
        assert_eq!(spelled("localhost:5055").as_deref(), Some("127.0.0.1:5055"));
        assert_eq!(spelled("[::1]:5055").as_deref(), Some("[::1]:5055"));
        assert_eq!(spelled("127.0.0.1").as_deref(), Some("127.0.0.1:80"));
    }

    #[test]
    fn chunks_are_put_together() {
        let mut body = Chunks { reader: &b"3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n"[..], left: 0, ended: false };
        let mut text = String::new();
        body.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcdefgh");
    }
}
