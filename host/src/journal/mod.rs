//! The journal: what was asked, what was decided, what ran. No record, no action.
//!
//! One JSON object a line, appended by any number of processes at once, in segments that follow each other:
//!
//! ```text
//! journal/00000001.jsonl   records 1 … n; the last is a `rotation`
//! journal/00000002.jsonl   records n+1 …
//! journal/head             two slots, each with its own MAC; also the file that is locked
//! ```
//!
//! Each record holds the SHA-256 of the exact bytes of the line before it (`prev`), and an HMAC-SHA256 (`mac`, last
//! in the line) of the SHA-256 of what stands before `,"mac"`, under a key of the install. The head holds the count, the last hash and the place of the
//! end; it is written after each record, into the slot that is not the newest. So
//!
//! - a record that was cut short, or one that the head doesn't know yet, is the trace of a crash; the next append
//!   repairs it and writes a `note` about it;
//! - any other difference is damage: found by [`Journal::verify`], named by its number, and when an append meets it,
//!   recorded as `damage` in its place, beside whatever stands there. Nothing is ever mended silently.
//!
//! What this can't show: someone with the same user's rights can read the key, and rewrite everything since the
//! last [`Head`] that was kept elsewhere. That head is what `journal verify --head` is for.
//!
//! Invariants: nothing here decides, spawns or redacts; an entry is free of secrets before it comes here. Order is
//! `seq`; `time` is what the clock said, even when it went backwards.

mod append;
mod chain;
mod findings;
mod pen;
mod read;
mod record;
mod repair;
mod segment;
mod verify;

#[cfg(test)]
mod tests;

use std::io;

pub use self::append::{Durability, Journal, JournalOptions};
pub use self::chain::{Head, HeadParseError, LineHash};
pub use self::findings::{Finding, FindingKind, KeptHead, Severity, VerifyReport};
pub use self::read::{Filter, Reader};
pub(crate) use self::record::steers;
pub use self::record::{CallId, Decision, Effect, Entry, Kind, Record, Seq};

use crate::state::StateError;

/// The longest record, in bytes. A longer one is refused, and so is what it would have recorded.
pub const MAX_RECORD: usize = 1 << 20;

/// Why the journal can't be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The state directory refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system refused an operation on a file of the journal.
    #[error("can't {doing} the journal: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The record would be longer than [`MAX_RECORD`].
    #[error("a journal record of {bytes} bytes is over the limit of {limit}: give fewer or shorter arguments")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// [`MAX_RECORD`].
        limit: usize,
    },
    /// A line that this install didn't write, or not so.
    #[error("line {line} of journal segment {segment} is not a record of this install: run `journal verify`")]
    NotOurs {
        /// The segment's number.
        segment: u32,
        /// The line's number in it, from 1.
        line: u64,
    },
}

fn io_error(doing: &'static str) -> impl Fn(io::Error) -> JournalError {
    move |source| JournalError::Io { doing, source }
}
