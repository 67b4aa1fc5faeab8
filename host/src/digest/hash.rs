//! Hashing of streams, in constant memory.

use std::io;

use sha2::Digest as _;

use super::{Algorithm, Digest, Hash};

/// Hashes a stream piece by piece, in constant memory.
#[derive(Clone, Debug)]
pub struct Hasher {
    state: State,
    len: u64,
}

#[derive(Clone, Debug)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        };
        Self { state, len: 0 }
    }

    /// Takes the next piece of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len() as u64);
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// How many bytes it has seen.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has seen none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The digest of all that it has seen.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(match self.state {
            State::Sha256(state) => Hash::Sha256(state.finalize().into()),
            State::Sha512(state) => Hash::Sha512(state.finalize().into()),
        })
    }
}

/// Never fails: so that `io::copy` can feed it.
impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Content that hashes to something else than was asked for.
///
/// Boxed, so that the errors that carry it stay small.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content hashes to {found}, expected {expected}")]
pub struct Mismatch {
    /// The digest asked for.
    pub expected: Box<Digest>,
    /// What the bytes hash to, by the same algorithm.
    pub found: Box<Digest>,
}

/// Hashes a stream and compares it with the digest expected.
#[derive(Clone, Debug)]
pub struct Verifier {
    expected: Digest,
    hasher: Hasher,
}

impl Verifier {
    /// A verifier that has seen nothing; it hashes by the expected digest's algorithm.
    #[must_use]
    pub fn new(expected: Digest) -> Self {
        Self { expected, hasher: Hasher::new(expected.algorithm()) }
    }

    /// Takes the next piece of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// How many bytes it has seen.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.hasher.len()
    }

    /// Whether it has seen none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.hasher.is_empty()
    }

    /// Whether the stream was the one expected.
    ///
    /// # Errors
    /// [`Mismatch`], with both digests.
    pub fn finish(self) -> Result<(), Mismatch> {
        let (expected, found) = (self.expected, self.hasher.finish());
        if expected == found {
            return Ok(());
        }
        Err(Mismatch { expected: Box::new(expected), found: Box::new(found) })
    }
}
