//! Why a string is not a digest.

use super::Algorithm;

/// Why a string is not a digest. Positions are byte offsets in the string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// There is nothing.
    #[error("the digest is empty: write sha256: and 64 hex digits")]
    Empty,
    /// A space, a line's end, NUL or another control character.
    #[error("white space or control character {found:?} at {at}: a digest has none, not even at its end")]
    Blank {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// A letter outside ASCII, such as a look-alike.
    #[error("{found:?} at {at} is not ASCII: a digest has only ASCII letters and digits")]
    NotAscii {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// No colon, so no algorithm.
    #[error("no algorithm: write sha256: or sha512: before the hex digits")]
    NoAlgorithm,
    /// A colon with nothing before it.
    #[error("nothing before the colon: write sha256 or sha512 there")]
    EmptyAlgorithm,
    /// The algorithm is right but for upper-case letters.
    #[error("upper-case {found:?} at {at}: algorithms are written in lower case")]
    UpperCaseAlgorithm {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// An algorithm that is not accepted, whether registered or not.
    #[error("unknown algorithm {name:?}: sha256 and sha512 are accepted")]
    UnknownAlgorithm {
        /// What stands before the colon, cut at 32 characters.
        name: String,
    },
    /// Nothing after the colon.
    #[error("no hex digits at {at}: {algorithm} has {}", algorithm.hex_len())]
    EmptyHex {
        /// Where they should begin.
        at: usize,
        /// The algorithm named.
        algorithm: Algorithm,
    },
    /// An upper-case hex digit.
    #[error("upper-case {found:?} at {at}: hex digits are written in lower case")]
    UpperCaseHex {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// Something that is not a hex digit.
    #[error("{found:?} at {at} is not a hex digit: 0 to 9 and a to f are")]
    BadHex {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// The right number of digits for another algorithm.
    #[error("{found} hex digits are {fits}'s number, not {algorithm}'s {}", algorithm.hex_len())]
    OtherAlgorithm {
        /// Where the algorithm named would end, or the digits do.
        at: usize,
        /// The algorithm named.
        algorithm: Algorithm,
        /// The algorithm whose length it is.
        fits: Algorithm,
        /// How many digits there are.
        found: usize,
    },
    /// Too few digits.
    #[error("{found} hex digits, cut short at {at}: {algorithm} has {}", algorithm.hex_len())]
    TooShort {
        /// Where the next digit should be.
        at: usize,
        /// The algorithm named.
        algorithm: Algorithm,
        /// How many digits there are.
        found: usize,
    },
    /// Too many digits.
    #[error("{found} hex digits, too many from {at} on: {algorithm} has {}", algorithm.hex_len())]
    TooLong {
        /// Where the first digit too many stands.
        at: usize,
        /// The algorithm named.
        algorithm: Algorithm,
        /// How many digits there are.
        found: usize,
    },
}

impl DigestError {
    /// Where the fault is: a byte offset in the string.
    #[must_use]
    pub const fn position(&self) -> usize {
        match self {
            Self::Empty | Self::NoAlgorithm | Self::EmptyAlgorithm | Self::UnknownAlgorithm { .. } => 0,
            Self::Blank { at, .. }
            | Self::NotAscii { at, .. }
            | Self::UpperCaseAlgorithm { at, .. }
            | Self::EmptyHex { at, .. }
            | Self::UpperCaseHex { at, .. }
            | Self::BadHex { at, .. }
            | Self::OtherAlgorithm { at, .. }
            | Self::TooShort { at, .. }
            | Self::TooLong { at, .. } => *at,
        }
    }
}
