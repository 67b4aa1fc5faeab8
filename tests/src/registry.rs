//! A registry that can be told to misbehave, one repository at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portreeve::demo::image::BuiltinImage;
use portreeve::demo::registry::{Ask, Keeper, Reply, Shelf};
use portreeve::digest::Digest;

/// How a repository misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A manifest of the same meaning and other bytes, under the digest that was asked for.
    OtherManifestBytes,
    /// A layer with one byte changed.
    BadLayer,
    /// A config with other bytes.
    BadConfig,
    /// No answer, ever.
    Stall,
    /// An HTTP error, 500 to 599.
    ServerError(u16),
    /// A login is demanded for what is in the repository (`/v2/` itself stays open), and nobody has one.
    Unauthorised,
}

/// A keeper of honest images that lies about those of some repositories, and remembers what it was asked.
///
/// Start it by `Registry::serve(Liar::default())`.
#[derive(Debug, Default)]
pub struct Liar {
    shelf: Shelf,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    faults: BTreeMap<String, Fault>,
    layers: BTreeSet<Digest>,
    configs: BTreeSet<Digest>,
    asked: Vec<Ask>,
}

impl Liar {
    /// Puts an image into a repository, as the honest shelf does.
    pub fn publish(&self, repository: &str, tag: &str, image: &BuiltinImage) {
        self.shelf.publish(repository, tag, image);
        let mut ledger = self.ledger();
        ledger.layers.insert(image.layer());
        ledger.configs.insert(image.config());
    }

    /// Puts one document or blob into a repository, as the honest shelf does. A `BadLayer` changes those whose type says that they are one.
    pub fn put(&self, repository: &str, media_type: &str, bytes: Vec<u8>) -> Digest {
        let digest = self.shelf.put(repository, media_type, bytes);
        if media_type.contains("layer") {
            self.ledger().layers.insert(digest);
        }
        digest
    }

    /// From now on a repository misbehaves so.
    pub fn misbehave(&self, repository: &str, fault: Fault) {
        self.ledger().faults.insert(repository.to_owned(), fault);
    }

    /// From now on a repository is honest again.
    pub fn repent(&self, repository: &str) {
        self.ledger().faults.remove(repository);
    }

    /// Everything that was asked so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Ask> {
        self.ledger().asked.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, ask: &Ask) -> Option<Fault> {
        match ask {
            Ask::Version => None,
            Ask::Manifest { repository, .. } | Ask::Blob { repository, .. } => {
                self.ledger().faults.get(repository).copied()
            }
        }
    }

    fn is_one_of(&self, digests: fn(&Ledger) -> &BTreeSet<Digest>, reply: &Reply) -> bool {
        reply.digest.is_some_and(|digest| digests(&self.ledger()).contains(&digest))
    }
}

impl Keeper for Liar {
    async fn answer(&self, ask: Ask) -> Reply {
        self.ledger().asked.push(ask.clone());
        let honest = self.shelf.reply(&ask);
        match self.fault(&ask) {
            Some(Fault::Stall) => future::pending().await,
            Some(Fault::ServerError(status)) => Reply::error(status, "UNKNOWN", "told to fail"),
            Some(Fault::Unauthorised) => unauthorised(),
            Some(Fault::OtherManifestBytes) if matches!(ask, Ask::Manifest { .. }) => longer(honest),
            Some(Fault::BadConfig) if self.is_one_of(|ledger| &ledger.configs, &honest) => longer(honest),
            Some(Fault::BadLayer) if self.is_one_of(|ledger| &ledger.layers, &honest) => changed(honest),
            Some(Fault::OtherManifestBytes | Fault::BadConfig | Fault::BadLayer) | None => honest,
        }
    }
}

fn unauthorised() -> Reply {
    let challenge = Some("Basic realm=\"nobody\"".to_owned());
    Reply { challenge, ..Reply::error(401, "UNAUTHORIZED", "authentication required") }
}

/// A JSON document with a line's end after it: the same meaning, other bytes.
fn longer(honest: Reply) -> Reply {
    let body = [&honest.body[..], b"\n"].concat().into();
    Reply { body, ..honest }
}

/// The same length, another byte in the middle, which is inside the program that the layer holds.
fn changed(honest: Reply) -> Reply {
    let mut bytes = honest.body.to_vec();
    let middle = bytes.len() / 2;
    bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
    Reply { body: bytes.into(), ..honest }
}
