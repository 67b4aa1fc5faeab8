//! Content digests: strict parsing, streaming hashing, comparison.
//!
//! A digest is written `algorithm:hex`, as in the [OCI image specification][spec]. Two algorithms are
//! accepted, each with its exact number of lower-case hex digits, so that one content has one spelling
//! per algorithm and a parsed [`Digest`] is safe as a file name's part, a key or an argument.
//!
//! This module is pure: it reads no file, no clock and no environment.
//!
//! [spec]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests

mod error;
mod hash;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::error::DigestError;
pub use self::hash::{Hasher, Mismatch, Verifier};

/// A hash function that a digest may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256: 64 hex digits.
    Sha256,
    /// SHA-512: 128 hex digits.
    Sha512,
}

impl Algorithm {
    /// Every accepted algorithm.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The registered name, as it stands before the colon.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hex digits a digest of this algorithm has.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The digest of some content: an algorithm and the hash.
///
/// Parsing accepts exactly what [`Display`](fmt::Display) prints; serde reads and writes the same string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Hash);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hash {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

impl Digest {
    /// The digest of `bytes` by `algorithm`.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// A SHA-256 digest that was computed elsewhere, such as by the build script.
    pub(crate) const fn from_sha256(hash: [u8; 32]) -> Self {
        Self(Hash::Sha256(hash))
    }

    /// A SHA-256 digest from its bare hex, as engines print image IDs.
    ///
    /// # Errors
    /// As [`FromStr`], with positions counted in `hex`.
    pub fn from_sha256_hex(hex: &str) -> Result<Self, DigestError> {
        parse_hex(Algorithm::Sha256, hex, 0)
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Hash::Sha256(_) => Algorithm::Sha256,
            Hash::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The hash itself, 32 or 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Hash::Sha256(bytes) => bytes,
            Hash::Sha512(bytes) => bytes,
        }
    }

    /// The hash in lower-case hex, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        let nibble = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        self.as_bytes().iter().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).collect()
    }

    /// Whether `bytes` hash to this digest.
    ///
    /// # Errors
    /// [`Mismatch`], which says what they do hash to.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), Mismatch> {
        let mut verifier = Verifier::new(*self);
        verifier.update(bytes);
        verifier.finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.is_empty() {
            return Err(DigestError::Empty);
        }
        refuse_foreign_characters(text)?;
        let (name, hex) = text.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        parse_hex(parse_algorithm(name)?, hex, name.len() + 1)
    }
}

impl TryFrom<&str> for Digest {
    type Error = DigestError;

    fn try_from(text: &str) -> Result<Self, DigestError> {
        text.parse()
    }
}

fn refuse_foreign_characters(text: &str) -> Result<(), DigestError> {
    let foreign = text.char_indices().find(|(_, c)| !c.is_ascii_graphic());
    match foreign {
        None => Ok(()),
        Some((at, found)) if found.is_ascii() => Err(DigestError::Blank { at, found }),
        Some((at, found)) => Err(DigestError::NotAscii { at, found }),
    }
}

fn parse_algorithm(name: &str) -> Result<Algorithm, DigestError> {
    if name.is_empty() {
        return Err(DigestError::EmptyAlgorithm);
    }
    if let Some(algorithm) = Algorithm::from_name(name) {
        return Ok(algorithm);
    }
    let upper = name.char_indices().find(|(_, c)| c.is_ascii_uppercase());
    match upper {
        Some((at, found)) if Algorithm::from_name(&name.to_ascii_lowercase()).is_some() => {
            Err(DigestError::UpperCaseAlgorithm { at, found })
        }
        _ => Err(DigestError::UnknownAlgorithm { name: name.chars().take(32).collect() }),
    }
}

/// Parses the hex digits, which stand at `start` of the whole string.
fn parse_hex(algorithm: Algorithm, hex: &str, start: usize) -> Result<Digest, DigestError> {
    if hex.is_empty() {
        return Err(DigestError::EmptyHex { at: start, algorithm });
    }
    refuse_non_hex(hex, start)?;
    let wrong_length = || length_error(algorithm, hex.len(), start);
    match algorithm {
        Algorithm::Sha256 => decode(hex).map(Hash::Sha256).map(Digest).ok_or_else(wrong_length),
        Algorithm::Sha512 => decode(hex).map(Hash::Sha512).map(Digest).ok_or_else(wrong_length),
    }
}

fn refuse_non_hex(hex: &str, start: usize) -> Result<(), DigestError> {
    let Some((offset, found)) = hex.char_indices().find(|(_, c)| !matches!(c, '0'..='9' | 'a'..='f')) else {
        return Ok(());
    };
    let at = start + offset;
    match found {
        'A'..='F' => Err(DigestError::UpperCaseHex { at, found }),
        c if c.is_ascii() && !c.is_ascii_graphic() => Err(DigestError::Blank { at, found }),
        c if !c.is_ascii() => Err(DigestError::NotAscii { at, found }),
        _ => Err(DigestError::BadHex { at, found }),
    }
}

fn length_error(algorithm: Algorithm, found: usize, start: usize) -> DigestError {
    let at = start + found.min(algorithm.hex_len());
    match Algorithm::ALL.into_iter().find(|other| other.hex_len() == found) {
        Some(fits) => DigestError::OtherAlgorithm { at, algorithm, fits, found },
        None if found < algorithm.hex_len() => DigestError::TooShort { at, algorithm, found },
        None => DigestError::TooLong { at, algorithm, found },
    }
}

/// Exactly `2 * N` hex digits as `N` bytes.
fn decode<const N: usize>(hex: &str) -> Option<[u8; N]> {
    if hex.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        for digit in pair {
            *byte = (*byte << 4) | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "a wrong cut fails the test")]
mod tests;
