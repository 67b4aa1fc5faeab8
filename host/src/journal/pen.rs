//! The hand that writes: lock, look, write the line, write the head, unlock.
//!
//! Between appends it keeps the files open and remembers what the head said. An append costs six small system calls,
//! and no reading of records, as long as the head is what this pen wrote last.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, fstat};
use rustix::io::Errno;

use super::append::{Durability, JournalOptions};
use super::chain::{Anchor, Head, LineHash, Seals, Slots};
use super::record::{Entry, Kind, Seq, Stamp, write_line};
use super::segment;
use super::{JournalError, io_error};
use crate::ambient;
use crate::state::{Area, JournalMark, StateDir, sync_dir};

pub(super) struct Pen {
    pub(super) dir: Dir,
    pub(super) seals: Seals,
    pub(super) genesis: Anchor,
    options: JournalOptions,
    head: Arc<File>,
    /// The bytes of the head file when this pen last read or wrote it.
    pub(super) slots: Slots,
    pub(super) anchor: Anchor,
    /// The segment of the anchor, once it is open.
    pub(super) segment: Option<Arc<File>>,
    /// The next record goes over a torn one, of which nothing may be left behind it.
    pub(super) trim: bool,
    /// Whether a journal of this install was ever begun.
    pub(super) mark: JournalMark,
    /// Only tests have another one than the system's.
    pub(super) clock: fn() -> Timestamp,
    line: Vec<u8>,
}

/// Holds the lock; dropped, it lets go.
struct Locked(Arc<File>);

impl Drop for Locked {
    fn drop(&mut self) {
        // Nothing to do about an error: closing the file lets go as well.
        let _ = rustix::fs::flock(&*self.0, FlockOperation::Unlock);
    }
}

/// Locks the head file against writers, until it is closed.
pub(super) fn lock_shared(head: &File) -> io::Result<()> {
    lock_within(head, FlockOperation::NonBlockingLockShared)
}

/// How long to wait for a lock that is held for microseconds: by then its holder is stopped, or its disk hangs.
const PATIENCE: Duration = Duration::from_secs(10);

fn lock_within(head: &File, operation: FlockOperation) -> io::Result<()> {
    let (begun, mut pause) = (Instant::now(), Duration::from_micros(10));
    loop {
        match rustix::fs::flock(head, operation) {
            Err(Errno::WOULDBLOCK) if begun.elapsed() < PATIENCE => std::thread::sleep(pause),
            Err(Errno::WOULDBLOCK) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}

impl Pen {
    pub(super) fn open(state: &StateDir, options: JournalOptions) -> Result<Self, JournalError> {
        let dir = state.area(Area::Journal)?;
        let head = Arc::new(segment::create_head(&dir).map_err(io_error("open"))?);
        let genesis = Anchor::genesis(state.install(), ambient::boot_id().unwrap_or(0));
        let (seals, slots) = (Seals::of(state.key()), Slots::BLANK);
        let line = Vec::with_capacity(4096);
        let (anchor, clock) = (genesis, Timestamp::now as fn() -> Timestamp);
        let mark = state.journal_mark().map_err(io_error("open"))?;
        let mut pen =
            Self { dir, seals, genesis, options, head, slots, anchor, segment: None, trim: false, mark, clock, line };
        let locked = pen.lock()?;
        pen.settle()?;
        drop(locked);
        Ok(pen)
    }

    /// Forgets all it remembers: the next append looks at the files.
    pub(super) fn forget(&mut self) {
        self.slots = Slots::BLANK;
        self.segment = None;
        self.trim = false;
    }

    pub(super) fn append(&mut self, entry: &Entry<'_>, synced: u64) -> Result<(Seq, Arc<File>), JournalError> {
        let _locked = self.lock()?;
        self.settle()?;
        self.anchor.synced = self.anchor.synced.max(synced);
        self.put(entry)
    }

    pub(super) fn head(&mut self) -> Result<Head, JournalError> {
        let _locked = self.lock()?;
        self.settle()?;
        Ok(self.anchor.head)
    }

    /// Locks the head file; one that was replaced meanwhile locks nothing, so it is opened again.
    fn lock(&mut self) -> Result<Locked, JournalError> {
        loop {
            let locked = self.lock_once().map_err(io_error("lock"))?;
            if fstat(&*self.head).is_ok_and(|stat| stat.st_nlink > 0) {
                return Ok(locked);
            }
            self.forget();
            self.head = Arc::new(segment::create_head(&self.dir).map_err(io_error("open"))?);
        }
    }

    fn lock_once(&self) -> io::Result<Locked> {
        lock_within(&self.head, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Locked(Arc::clone(&self.head)))
    }

    /// Makes sure that the anchor is the true end of the journal.
    fn settle(&mut self) -> Result<(), JournalError> {
        let slots = segment::read_head(&self.head).map_err(io_error("read the head of"))?;
        if slots == self.slots && self.is_where_it_was() {
            return Ok(());
        }
        self.slots = slots;
        self.recover()
    }

    fn is_where_it_was(&self) -> bool {
        let stat = self.segment.as_ref().and_then(|file| fstat(&**file).ok());
        stat.is_some_and(|stat| stat.st_nlink > 0 && u64::try_from(stat.st_size) == Ok(self.anchor.length))
    }

    /// Writes an entry, and closes the segment first where it would grow too long.
    pub(super) fn put(&mut self, entry: &Entry<'_>) -> Result<(Seq, Arc<File>), JournalError> {
        let mut hash = self.compose(entry)?;
        if self.is_full() {
            self.rotate()?;
            hash = self.compose(entry)?;
        }
        self.commit(hash, entry.kind)
    }

    fn is_full(&self) -> bool {
        self.anchor.length > 0 && self.anchor.length + self.line.len() as u64 > self.options.segment_bytes
    }

    fn rotate(&mut self) -> Result<(), JournalError> {
        let next = (self.anchor.segment + 1).to_string();
        let hash = self.compose(&Entry { facts: &[("next", &next)], ..Entry::new(Kind::Rotation) })?;
        let (seq, segment) = self.commit(hash, Kind::Rotation)?;
        if self.options.durability != Durability::None {
            segment.sync_data().map_err(io_error("sync"))?;
            self.anchor.synced = seq.get();
        }
        Ok(())
    }

    fn compose(&mut self, entry: &Entry<'_>) -> Result<LineHash, JournalError> {
        let Head { count, hash: prev } = self.anchor.head;
        let stamp = Stamp { seq: count + 1, prev, time: (self.clock)(), pid: std::process::id() };
        write_line(&mut self.line, &self.seals, &stamp, entry)
    }

    /// Writes the composed line and then the head; if either fails, neither stands.
    fn commit(&mut self, hash: LineHash, kind: Kind) -> Result<(Seq, Arc<File>), JournalError> {
        let segment = self.segment()?;
        let (start, bytes) = (self.anchor.length, self.line.len() as u64);
        write_whole(&segment, &self.line, start).map_err(io_error("write"))?;
        let next =
            Anchor { boot: self.genesis.boot, ..self.anchor.after(hash, bytes, kind == Kind::Rotation).turned() };
        if let Err(error) = self.finish(&segment, start + bytes, &next) {
            // The first error is the one that matters; what stays is repaired at the next append.
            let _ = segment.set_len(start);
            self.forget();
            return Err(io_error("write the head of")(error));
        }
        self.advance_to(next);
        self.mark.set();
        Ok((Seq(next.head.count), segment))
    }

    fn finish(&mut self, segment: &File, end: u64, next: &Anchor) -> io::Result<()> {
        if self.trim {
            segment.set_len(end)?;
            self.trim = false;
        }
        self.write_head(next)
    }

    pub(super) fn write_head(&mut self, anchor: &Anchor) -> io::Result<()> {
        let (offset, slot) = self.slots.put(anchor, &self.seals);
        self.head.write_all_at(slot, offset)
    }

    fn advance_to(&mut self, next: Anchor) {
        if next.segment != self.anchor.segment {
            self.segment = None;
        }
        self.anchor = next;
    }

    /// The file of the anchor's segment; a new one is created, and its name made to last.
    fn segment(&mut self) -> Result<Arc<File>, JournalError> {
        if let Some(file) = &self.segment {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(segment::create(&self.dir, self.anchor.segment).map_err(io_error("open"))?);
        if self.options.durability != Durability::None {
            sync_dir(&self.dir).map_err(io_error("sync"))?;
        }
        self.segment = Some(Arc::clone(&file));
        Ok(file)
    }

    pub(super) fn prune(&mut self, keep: usize) -> Result<usize, JournalError> {
        let _locked = self.lock()?;
        self.settle()?;
        let mut old = segment::list(&self.dir).map_err(io_error("list"))?;
        old.retain(|segment| *segment <= self.anchor.segment);
        old.truncate(old.len().saturating_sub(keep.max(1)));
        match old.last() {
            Some(last) => self.prune_through(*last)?,
            None => return Ok(0),
        }
        old.iter().try_for_each(|segment| segment::delete(&self.dir, *segment)).map_err(io_error("prune"))?;
        sync_dir(&self.dir).map_err(io_error("sync"))?;
        Ok(old.len())
    }

    fn prune_through(&mut self, last: u32) -> Result<(), JournalError> {
        let end = self.last_record_of(last).map_err(io_error("read"))?;
        let end = end.ok_or(JournalError::NotOurs { segment: last, line: 1 })?.head;
        let (through, hash, segment) = (end.count.to_string(), end.hash.to_string(), (last + 1).to_string());
        let facts = [("through", through.as_str()), ("hash", &hash), ("segment", &segment)];
        let (_, file) = self.put(&Entry { facts: &facts, ..Entry::new(Kind::Prune) })?;
        file.sync_data().map_err(io_error("sync"))
    }
}

/// Writes all of it, or nothing.
fn write_whole(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset).inspect_err(|_| {
        // The first error is the one that matters; what stays is repaired at the next append.
        let _ = file.set_len(offset);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    #[test]
    fn a_lock_that_is_held_is_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (held, wanted) = (file.reopen().unwrap(), file.reopen().unwrap());
        lock_within(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        let waiting = std::thread::spawn(move || lock_shared(&wanted));
        std::thread::sleep(Duration::from_millis(5));
        assert!(!waiting.is_finished());
        drop(held);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn what_can_not_be_written_whole_is_not_written_at_all() {
        let file = File::from(memfd_create("segment", MemfdFlags::ALLOW_SEALING).unwrap());
        write_whole(&file, b"first\n", 0).unwrap();
        fcntl_add_seals(&file, SealFlags::GROW).unwrap();
        write_whole(&file, b"second\n", 6).unwrap_err();
        assert_eq!(file.metadata().unwrap().len(), 6);
    }
}
