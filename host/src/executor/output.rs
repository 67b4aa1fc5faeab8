//! What a child printed, before redaction.
//!
//! Raw output can be neither printed nor serialised: its bytes leave only by `expose`, which the redactor calls.

use std::fmt;
use std::time::Duration;

/// Which of a child's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It ended by itself, with this status (0–255).
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// How long a command took, for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// From the executor being asked until the program was executed.
    pub(crate) spawn: Duration,
    /// From the executor being asked until the program's end was seen.
    pub(crate) total: Duration,
}

/// A piece of raw output, at most 64 KiB, split at no particular place.
pub(crate) struct RawChunk {
    source: Source,
    bytes: Vec<u8>,
}

impl RawChunk {
    pub(super) fn new(source: Source, bytes: Vec<u8>) -> Self {
        Self { source, bytes }
    }

    /// The stream it came from.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// The bytes, for the redactor alone.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, for the host's own evidence, which keeps nothing of them.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    dropped: u64,
}

impl Kept {
    fn keep(&mut self, bytes: &[u8], cap: usize) {
        let room = cap.saturating_sub(self.bytes.len());
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.bytes.extend_from_slice(head);
        self.dropped = self.dropped.saturating_add(rest.len() as u64);
    }
}

/// The first bytes of both streams, up to a cap each. Beyond it bytes are counted, not kept.
pub(crate) struct Captured {
    cap: usize,
    stdout: Kept,
    stderr: Kept,
}

impl Captured {
    pub(super) fn with_cap(cap: usize) -> Self {
        Self { cap, stdout: Kept::default(), stderr: Kept::default() }
    }

    pub(super) fn keep(&mut self, chunk: &RawChunk) {
        let kept = match chunk.source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        };
        kept.keep(&chunk.bytes, self.cap);
    }

    fn of(&self, source: Source) -> &Kept {
        match source {
            Source::Stdout => &self.stdout,
            Source::Stderr => &self.stderr,
        }
    }

    /// The bytes that were kept, for the redactor alone.
    pub(crate) fn expose(&self, source: Source) -> &[u8] {
        &self.of(source).bytes
    }

    /// How many bytes were read beyond the cap, and dropped.
    #[cfg(test)]
    pub(crate) fn dropped(&self, source: Source) -> u64 {
        self.of(source).dropped
    }

    /// Whether either stream went beyond the cap.
    pub(crate) fn truncated(&self) -> bool {
        self.stdout.dropped + self.stderr.dropped > 0
    }
}

/// Sizes alone: an error may carry this, and errors are printed.
impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Captured({} + {} bytes)", self.stdout.bytes.len(), self.stderr.bytes.len())
    }
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct RawOutput {
    pub(super) captured: Captured,
    pub(super) exit: Exit,
    pub(super) timing: Timing,
}

impl RawOutput {
    /// What it printed, for the redactor alone.
    pub(crate) fn expose(&self) -> &Captured {
        &self.captured
    }

    /// How it ended.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// How long it took.
    pub(crate) fn timing(&self) -> Timing {
        self.timing
    }

    /// Whether either stream went beyond the cap.
    pub(crate) fn truncated(&self) -> bool {
        self.captured.truncated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_head_and_counts_the_rest() {
        let mut captured = Captured::with_cap(4);
        captured.keep(&RawChunk::new(Source::Stdout, b"abc".to_vec()));
        assert!(!captured.truncated());
        captured.keep(&RawChunk::new(Source::Stdout, b"defg".to_vec()));
        captured.keep(&RawChunk::new(Source::Stderr, b"x".to_vec()));
        assert_eq!(captured.expose(Source::Stdout), b"abcd");
        assert_eq!(captured.dropped(Source::Stdout), 3);
        assert_eq!((captured.expose(Source::Stderr), captured.dropped(Source::Stderr)), (&b"x"[..], 0));
        assert!(captured.truncated());
    }

    #[test]
    fn debug_shows_sizes_only() {
        let mut captured = Captured::with_cap(64);
        captured.keep(&RawChunk::new(Source::Stdout, b"hunter2".to_vec()));
        assert_eq!(format!("{captured:?}"), "Captured(7 + 0 bytes)");
    }
}
