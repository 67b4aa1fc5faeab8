//! A small, bounded client for manifests and configurations by digest.
//!
//! It speaks the part of the [OCI distribution specification][spec] that verification needs: `GET` of a manifest or
//! a blob by digest; layers stream by. What arrives is hashed; what the registry says of it counts for nothing. Plain http is spoken
//! to registries on this machine only, no proxy is taken from the environment, and credentials go to nobody but
//! the registry they are for and the token service it names.
//!
//! All calls block: an async caller moves them to a thread of their own.
//!
//! [spec]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md

mod auth;
mod target;
mod transport;

use std::time::Duration;

pub use self::auth::{AuthFile, AuthFileError};
use self::auth::{Challenge, Credentials};
use self::target::Target;
use self::transport::{Answer, Receive, Transport, copy, read};
use super::chain::{Content, ManifestSource, SourceError};
use super::manifest::{
    DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, Document, MANIFEST_MAX, OCI_INDEX, OCI_MANIFEST, is_document_type,
};
use crate::digest::{Digest, Mismatch, Verifier};
use crate::reference::Reference;

/// The largest answer of a token service, in bytes.
const TOKEN_MAX: u64 = 64 << 10;
/// The slowest that a layer may come, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// What one fetch may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To connect, once. 5 s by default.
    pub connect: Duration,
    /// For everything: names, connections, redirects, tokens, the body. 20 s by default.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(20) }
    }
}

/// Why a registry gave no proved bytes. No message holds a credential, nor a URL with its query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The registry does not have it.
    #[error("the registry {registry} does not have it")]
    NotFound {
        /// The registry asked.
        registry: String,
    },
    /// The registry wants credentials, or others.
    #[error("the registry {registry} refuses access: {why}")]
    Unauthorised {
        /// The registry asked.
        registry: String,
        /// What was missing.
        why: String,
    },
    /// The registry could not be reached, was too slow or is overloaded. Asking again may help.
    #[error("the registry {registry} is not available: {why}")]
    Unavailable {
        /// The registry asked.
        registry: String,
        /// What happened.
        why: String,
    },
    /// The registry gave other bytes than were asked for.
    #[error("the registry gave other bytes: {0}")]
    Mismatch(#[from] Mismatch),
    /// The registry gave, or announced, more than [`MANIFEST_MAX`] bytes.
    #[error("the registry {registry} gave more than {MANIFEST_MAX} bytes")]
    TooLarge {
        /// The registry asked.
        registry: String,
    },
    /// The registry broke a rule: of HTTP, of the specification or of this client.
    #[error("the registry {registry} broke the rules: {why}")]
    Protocol {
        /// The registry asked.
        registry: String,
        /// Which.
        why: String,
    },
    /// Whoever took the bytes wanted no more of them.
    #[error("what the registry {registry} gave was not taken to its end")]
    Stopped {
        /// The registry asked.
        registry: String,
    },
}

impl RegistryError {
    /// Whether asking again may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Why one exchange failed, before the registry's name is put to it.
#[derive(Debug)]
enum Fault {
    NotFound,
    Unauthorised(String),
    Unavailable(String),
    Mismatch(Mismatch),
    TooLarge,
    Protocol(String),
    /// Whoever takes the bytes wants no more of them.
    Stopped,
}

impl Fault {
    fn protocol(why: impl Into<String>) -> Self {
        Self::Protocol(why.into())
    }

    fn of(self, registry: &str) -> RegistryError {
        let registry = registry.to_owned();
        match self {
            Self::NotFound => RegistryError::NotFound { registry },
            Self::Unauthorised(why) => RegistryError::Unauthorised { registry, why },
            Self::Unavailable(why) => RegistryError::Unavailable { registry, why },
            Self::Mismatch(mismatch) => RegistryError::Mismatch(mismatch),
            Self::TooLarge => RegistryError::TooLarge { registry },
            Self::Protocol(why) => RegistryError::Protocol { registry, why },
            Self::Stopped => RegistryError::Stopped { registry },
        }
    }
}

/// A client with its limits and credentials.
pub struct RegistryClient {
    limits: Limits,
    auth: AuthFile,
}

impl RegistryClient {
    /// A client that uses the credentials of an engine's auth file; the default file holds none.
    #[must_use]
    pub const fn new(limits: Limits, auth: AuthFile) -> Self {
        Self { limits, auth }
    }

    /// The manifest or index of `reference`'s repository that hashes to `digest`.
    ///
    /// # Errors
    /// [`RegistryError`]; also when the announced type is one of a manifest or index, and not the document's own.
    pub fn manifest(&self, reference: &Reference, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let named = |fault: Fault| fault.of(reference.registry());
        let answer = self.fetch(reference, "manifests", digest, &document_types()).map_err(named)?;
        check_type(&answer).map_err(named)?;
        Ok(answer.body)
    }

    /// The digest of what a tag names at this moment: of the bytes, not of a header.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn resolve(&self, reference: &Reference, tag: &str) -> Result<Digest, RegistryError> {
        let answer = self.get(reference, "manifests", tag, &document_types()).and_then(|answer| {
            check_type(&answer)?;
            Ok(Digest::sha256(&answer.body))
        });
        answer.map_err(|fault| fault.of(reference.registry()))
    }

    /// The blob of `reference`'s repository that hashes to `digest`, such as an image's configuration.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn blob(&self, reference: &Reference, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let answer = self.fetch(reference, "blobs", digest, "*/*");
        answer.map(|answer| answer.body).map_err(|fault| fault.of(reference.registry()))
    }

    /// The blob that a descriptor names, piece by piece as it comes; `take` says whether it wants more. Only where this
    /// succeeds were the pieces those of the digest, and all of them.
    ///
    /// A blob may take as long as [`Limits::total`], and a second more for each 64 KiB.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn download(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), RegistryError> {
        self.stream(reference, blob, take).map_err(|fault| fault.of(reference.registry()))
    }

    fn stream(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Fault> {
        let total = self.limits.total.saturating_add(Duration::from_secs(blob.size / SLOWEST));
        let exchange = self.exchange(reference, "blobs", &blob.digest.to_string(), Limits { total, ..self.limits })?;
        let mut verifier = Verifier::new(blob.digest);
        let mut piece = |bytes: &[u8]| {
            verifier.update(bytes);
            take(bytes)
        };
        exchange.get("*/*", &mut |status, body| match status {
            200 => copy(body, blob.size, &mut piece).map(|()| Vec::new()),
            _ => read(body, MANIFEST_MAX),
        })?;
        verifier.finish().map_err(Fault::Mismatch)
    }

    fn fetch(&self, reference: &Reference, kind: &str, digest: &Digest, accept: &str) -> Result<Answer, Fault> {
        let answer = self.get(reference, kind, &digest.to_string(), accept)?;
        digest.verify(&answer.body).map_err(Fault::Mismatch)?;
        Ok(answer)
    }

    fn get(&self, reference: &Reference, kind: &str, named: &str, accept: &str) -> Result<Answer, Fault> {
        let exchange = self.exchange(reference, kind, named, self.limits)?;
        exchange.get(accept, &mut |_, body| read(body, MANIFEST_MAX))
    }

    fn exchange<'a>(
        &'a self,
        reference: &'a Reference,
        kind: &str,
        named: &str,
        limits: Limits,
    ) -> Result<Exchange<'a>, Fault> {
        let path = format!("/v2/{}/{kind}/{named}", reference.repository());
        Ok(Exchange {
            reference,
            target: Target::of_registry(reference.registry(), &path)?,
            credentials: self.auth.find(reference),
            transport: Transport::new(limits),
        })
    }
}

fn document_types() -> String {
    [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].join(", ")
}

/// One document asked for, with all that it takes.
struct Exchange<'a> {
    reference: &'a Reference,
    target: Target,
    credentials: Option<&'a Credentials>,
    transport: Transport,
}

impl Exchange<'_> {
    fn get(&self, accept: &str, receive: &mut Receive<'_>) -> Result<Answer, Fault> {
        let first = self.transport.get_following(&self.target, accept, None, receive)?;
        if first.status != 401 {
            return expect_success(first);
        }
        let authorization = self.authorise(&first)?;
        let second = self.transport.get_following(&self.target, accept, Some(&authorization), receive)?;
        expect_success(second)
    }

    /// The value of an `Authorization` header that answers the registry's challenge.
    fn authorise(&self, refused: &Answer) -> Result<String, Fault> {
        if !refused.origin_is(&self.target) {
            return Err(Fault::Unauthorised("it sent the request on to a host that wants credentials".to_owned()));
        }
        match Challenge::choose(&refused.challenges)? {
            Challenge::Basic => {
                let credentials = self.credentials.ok_or_else(|| no_credentials("it wants a login"))?;
                Ok(credentials.basic())
            }
            Challenge::Bearer { realm, service } => self.token(&realm, service.as_deref()),
        }
    }

    /// Asks the token service, for the right to pull this repository and nothing else.
    fn token(&self, realm: &str, service: Option<&str>) -> Result<String, Fault> {
        let realm = Target::of_realm(realm, &self.target)?;
        let scope = format!("repository:{}:pull", self.reference.repository());
        let service = service.map(|service| ("service", service));
        let target = realm.with_query(service.into_iter().chain([("scope", scope.as_str())]));
        let basic = self.credentials.map(Credentials::basic);
        let answer =
            self.transport.get(&target, "application/json", basic.as_deref(), &mut |_, body| read(body, TOKEN_MAX))?;
        match answer.status {
            200 => auth::bearer(&answer.body),
            401 | 403 if basic.is_none() => Err(no_credentials("its token service wants a login")),
            _ => expect_success(answer).and_then(|_| Err(Fault::protocol("its token service gave no token"))),
        }
    }
}

fn no_credentials(why: &str) -> Fault {
    Fault::Unauthorised(format!("{why}, and the engine's auth file has none for it"))
}

fn expect_success(answer: Answer) -> Result<Answer, Fault> {
    match answer.status {
        200 => Ok(answer),
        401 | 403 => Err(Fault::Unauthorised("the credentials it was given do not suffice".to_owned())),
        404 => Err(Fault::NotFound),
        status @ (408 | 429 | 500..=599) => Err(Fault::Unavailable(format!("it answered with status {status}"))),
        status => Err(Fault::protocol(format!("it answered with status {status}"))),
    }
}

/// CVE-2021-41190: a registry that announces one kind of document and gives another.
fn check_type(answer: &Answer) -> Result<(), Fault> {
    let Some(announced) = answer.media_type.as_deref().filter(|announced| is_document_type(announced)) else {
        return Ok(());
    };
    // a document that is refused as such is refused by whoever reads it
    Document::parse(&answer.body)
        .map_or(Ok(()), |document| document.check_media_type(announced))
        .map_err(|error| Fault::protocol(error.to_string()))
}

/// A registry as a source for the repository of one reference.
pub struct RegistrySource<'a> {
    client: &'a RegistryClient,
    reference: &'a Reference,
}

impl<'a> RegistrySource<'a> {
    /// The source for `reference`'s repository.
    #[must_use]
    pub const fn new(client: &'a RegistryClient, reference: &'a Reference) -> Self {
        Self { client, reference }
    }
}

impl ManifestSource for RegistrySource<'_> {
    fn fetch(&self, digest: &Digest, content: Content) -> Result<Vec<u8>, SourceError> {
        let fetched = match content {
            Content::Manifest => self.client.manifest(self.reference, digest),
            Content::Config => self.client.blob(self.reference, digest),
        };
        fetched.map_err(source_error)
    }
}

fn source_error(error: RegistryError) -> SourceError {
    let remedy = match &error {
        RegistryError::Mismatch(mismatch) => return SourceError::Mismatch(mismatch.clone()),
        RegistryError::TooLarge { .. } | RegistryError::Protocol { .. } | RegistryError::Stopped { .. } => {
            return SourceError::Fault { why: error.to_string() };
        }
        RegistryError::NotFound { .. } => "push the image to its registry again",
        RegistryError::Unauthorised { .. } => "log in to the registry with the engine",
        RegistryError::Unavailable { .. } => "verify again when the registry answers",
    };
    SourceError::Absent { why: error.to_string(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests;
