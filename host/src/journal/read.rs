//! Records, one at a time, for whoever looks at the journal.

use std::io;

use cap_std::fs::Dir;
use jiff::Timestamp;

use super::chain::Seals;
use super::record::{Decision, Record, open_line};
use super::segment::{self, Lines, Piece};
use super::{JournalError, io_error};
use crate::state::StateDir;

/// Which records to show. Empty, it shows all; what is set must hold together.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Asked by this backend.
    pub backend: Option<String>,
    /// About the object of this name.
    pub name: Option<String>,
    /// Decided so.
    pub decision: Option<Decision>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a record is to be shown.
    #[must_use]
    pub fn admits(&self, record: &Record) -> bool {
        let Self { backend, name, decision, since, until } = self;
        backend.as_ref().is_none_or(|backend| record.backend.as_ref() == Some(backend))
            && name.as_ref().is_none_or(|name| record.name.as_ref() == Some(name))
            && decision.is_none_or(|decision| record.decision() == Some(decision))
            && since.is_none_or(|since| record.time >= since)
            && until.is_none_or(|until| record.time < until)
    }
}

/// The records of a journal, oldest first, in bounded memory.
///
/// Each one's MAC is checked; a line that this install didn't write comes as [`JournalError::NotOurs`], and the next
/// record after it. At the end it gives `None`, and more when there is more: ask again to follow a journal.
pub struct Reader {
    dir: Option<Dir>,
    seals: Seals,
    filter: Filter,
    lines: Option<Lines>,
    segment: u32,
    line: u64,
    failed: bool,
}

impl Reader {
    pub(super) fn new(state: &StateDir, dir: Option<Dir>, filter: Filter) -> Self {
        Self { dir, seals: Seals::of(state.key()), filter, lines: None, segment: 0, line: 0, failed: false }
    }

    /// The exact line of the record that came last, without its newline: with the hash of the one before it, and its MAC.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        self.lines.as_ref().map(Lines::text).unwrap_or_default()
    }

    /// The next line, whatever it holds; `None` when there is nothing more for now.
    fn advance(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(line) = whole(self.piece()?) {
                return Ok(Some(line));
            }
            // First look for a next segment, then again at this one: what was written in between comes before it.
            let next = self.next_segment()?;
            self.retreat()?;
            match (self.piece()?, next) {
                (Piece::End, Some(next)) => self.open(next)?,
                (Piece::End | Piece::Fragment, None) => return self.retreat().map(|()| None),
                (piece, _) => return Ok(Some(piece)),
            }
        }
    }

    fn piece(&mut self) -> io::Result<Piece> {
        self.lines.as_mut().map_or(Ok(Piece::End), Lines::advance)
    }

    /// A fragment may still become a line: it is read again.
    fn retreat(&mut self) -> io::Result<()> {
        self.lines.as_mut().map_or(Ok(()), Lines::retreat)
    }

    fn next_segment(&self) -> io::Result<Option<u32>> {
        let segments = self.dir.as_ref().map_or(Ok(Vec::new()), segment::list)?;
        Ok(segments.into_iter().find(|segment| *segment > self.segment))
    }

    fn open(&mut self, segment: u32) -> io::Result<()> {
        // One that was pruned in this very moment has nothing to read.
        let file = self.dir.as_ref().map_or(Ok(None), |dir| segment::open(dir, segment))?;
        self.lines = file.map(|file| Lines::between(file, 0, u64::MAX)).transpose()?;
        (self.segment, self.line) = (segment, 0);
        Ok(())
    }

    fn record(&mut self, piece: Piece) -> Result<Record, JournalError> {
        self.line += 1;
        let text = self.lines.as_ref().filter(|_| piece == Piece::Line).map(Lines::text).unwrap_or_default();
        let record = open_line(text, &self.seals).and_then(|_| serde_json::from_slice(text).ok());
        record.ok_or(JournalError::NotOurs { segment: self.segment, line: self.line })
    }

    fn fail(&mut self, error: io::Error) -> Option<Result<Record, JournalError>> {
        self.failed = true;
        Some(Err(io_error("read")(error)))
    }
}

fn whole(piece: Piece) -> Option<Piece> {
    Some(piece).filter(|piece| matches!(piece, Piece::Line | Piece::Overlong))
}

impl Iterator for Reader {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.advance() {
                Ok(None) => return None,
                Err(error) => return self.fail(error),
                Ok(Some(piece)) => match self.record(piece) {
                    Ok(record) if !self.filter.admits(&record) => {}
                    other => return Some(other),
                },
            }
        }
        None
    }
}
