//! The journal as the broker sees it: open once, append from any thread.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::pen::Pen;
use super::record::{Effect, Entry, Kind, Seq};
use super::{Filter, Head, JournalError, Reader, VerifyReport, io_error, verify};
use crate::state::{Area, StateDir};

/// Which records an append waits for until they are on the disk (fdatasync(2)).
///
/// Whatever the choice, a record outlives the death of the process; this is about power cuts and kernel crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// None.
    None,
    /// Every intent whose effect is not `read`, and every prune.
    #[default]
    EffectsOnly,
    /// All.
    All,
}

impl Durability {
    /// In the order of what they wait for.
    pub const EACH: [Self; 3] = [Self::None, Self::EffectsOnly, Self::All];

    /// As the command line has it: `none`, `effects`, `all`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::EffectsOnly => "effects",
            Self::All => "all",
        }
    }

    fn waits_for(self, entry: &Entry<'_>) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            // An intent that doesn't say its effect may have any.
            Self::EffectsOnly => entry.kind == Kind::Intent && entry.effect != Some(Effect::Read),
        }
    }
}

/// How a journal is written.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JournalOptions {
    /// A segment is closed before it grows beyond this many bytes. 16 MiB by default.
    pub segment_bytes: u64,
    /// Which records are waited for.
    pub durability: Durability,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, durability: Durability::default() }
    }
}

impl JournalOptions {
    /// The same with another segment size.
    #[must_use]
    pub fn segment_bytes(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }

    /// The same with another durability.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }
}

/// The journal of one install, open for appending. Any number of threads and processes may append at once.
pub struct Journal {
    pen: Mutex<Pen>,
    durability: Durability,
    /// The highest record that this process knows to be on the disk.
    synced: AtomicU64,
}

impl Journal {
    /// Opens the journal, creates it at first use, and repairs what a crash left.
    ///
    /// # Errors
    /// [`JournalError`] when it can't be read or written: then nothing may run.
    pub fn open(state: &StateDir, options: JournalOptions) -> Result<Self, JournalError> {
        let pen = Pen::open(state, options)?;
        Ok(Self { pen: Mutex::new(pen), durability: options.durability, synced: AtomicU64::new(0) })
    }

    /// Appends a record, and waits for it to be on the disk where [`Durability`] says so.
    ///
    /// # Errors
    /// [`JournalError`]: the record doesn't stand, or (when waiting for the disk failed) may not last; what it was
    /// to permit must not run. Part of a record never stays.
    pub fn append(&self, entry: &Entry<'_>) -> Result<Seq, JournalError> {
        let (seq, segment) = self.pen().append(entry, self.synced.load(Ordering::Relaxed))?;
        if self.durability.waits_for(entry) {
            self.wait_for(seq, &segment)?;
        }
        Ok(seq)
    }

    /// Records that a permitted command is about to run. Without the number that this gives, nothing runs.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn intent(&self, entry: Entry<'_>) -> Result<Seq, JournalError> {
        self.append(&Entry { kind: Kind::Intent, ..entry })
    }

    /// Records how the command of an intent ended.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn outcome(&self, intent: Seq, entry: Entry<'_>) -> Result<Seq, JournalError> {
        self.append(&Entry { kind: Kind::Outcome, intent: Some(intent), ..entry })
    }

    /// Records that an ask was refused.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn refusal(&self, entry: Entry<'_>) -> Result<Seq, JournalError> {
        self.append(&Entry { kind: Kind::Refusal, ..entry })
    }

    /// Deletes all but the newest `keep` segments (at least one), after a record that says so. Returns how many.
    ///
    /// # Errors
    /// As [`Journal::append`]; without the record nothing is deleted.
    pub fn prune(&self, keep: usize) -> Result<usize, JournalError> {
        self.pen().prune(keep)
    }

    /// The head: print it, keep it elsewhere.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn head(&self) -> Result<Head, JournalError> {
        self.pen().head()
    }

    /// Reads the records that a filter lets through, oldest first, in bounded memory.
    ///
    /// # Errors
    /// [`JournalError`], when the journal can't be opened.
    pub fn read(state: &StateDir, filter: Filter) -> Result<Reader, JournalError> {
        Ok(Reader::new(state, state.existing_area(Area::Journal)?, filter))
    }

    /// Checks the whole journal, and that it continues a head that was kept elsewhere; in bounded memory.
    ///
    /// # Errors
    /// [`JournalError`], when it can't be read. What is wrong with it stands in the report.
    pub fn verify(state: &StateDir, kept: Option<Head>) -> Result<VerifyReport, JournalError> {
        verify::verify(state, kept)
    }

    pub(super) fn pen(&self) -> MutexGuard<'_, Pen> {
        self.pen.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked may have left it half-way: what the files say counts.
            self.pen.clear_poison();
            let mut pen = poisoned.into_inner();
            pen.forget();
            pen
        })
    }

    /// Not under the lock: others may append meanwhile, and one wait serves them all.
    fn wait_for(&self, seq: Seq, segment: &Arc<File>) -> Result<(), JournalError> {
        segment.sync_data().map_err(io_error("sync"))?;
        self.synced.fetch_max(seq.get(), Ordering::Relaxed);
        Ok(())
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("durability", &self.durability).finish_non_exhaustive()
    }
}
