//! Redaction of bytes as they come: correct at every split, in bounded memory.

use std::collections::BTreeMap;
use std::fmt;

use super::frames::{Frames, is_frame};
use super::known::Pending;
use super::matcher::Carried;
use super::records::{Records, Scanners};
use super::span::{Label, Span, union};
use super::variants::HEAD;
use super::{Redactor, UnmaskableSecret, scalar, unfinished};

/// Bytes taken in at once.
const PIECE: usize = 64 * 1024;
/// Longest unfinished line that is held back for the rules to see whole.
const MAX_LINE: usize = 32 * 1024;
/// Bytes of a longer line that stay held back, so that what begins before them is seen whole.
const OVERLAP: usize = 8 * 1024;
/// Bytes before what is looked at that stay in memory as context.
const CONTEXT: usize = 1024;

/// A redactor of one stream of bytes.
///
/// Output is delayed until it is certain: to the end of a line where there are rules, and by what may be the beginning of a
/// known value. [`idle`](Self::idle) lets go of the rest when input pauses. Memory is bounded whatever the input: by a few
/// times the longest known value, and some 192 KiB.
pub struct RedactionStream {
    redactor: Redactor,
    buffer: Vec<u8>,
    /// Up to here the buffer was put out.
    emitted: usize,
    /// From here on known values have not been looked for.
    scanned: usize,
    /// From here on rules have not been run.
    ruled: usize,
    spans: Vec<Span>,
    pending: Vec<Pending>,
    carried: Carried,
    /// Whether the last thing that was put out is a mark for text that may go on.
    open: bool,
    /// A value that the rules saw no end of: it goes on here.
    swallowing: Option<Span>,
    counts: BTreeMap<String, u64>,
    records: Records,
    form: Form,
    /// Whether frames are looked for at the beginning.
    may_be_framed: bool,
}

/// What the bytes are.
enum Form {
    /// Not known yet; these came so far.
    Unknown(Vec<u8>),
    /// Text.
    Plain,
    /// Docker's multiplexed frames.
    Framed(Box<Frames>),
}

/// How much is to be let go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// What no more input can change.
    More,
    /// What is no beginning of a secret.
    Idle,
    /// All.
    Finish,
}

impl RedactionStream {
    pub(super) fn plain(redactor: Redactor) -> Self {
        Self {
            redactor,
            buffer: Vec::new(),
            emitted: 0,
            scanned: 0,
            ruled: 0,
            spans: Vec::new(),
            pending: Vec::new(),
            carried: Carried::default(),
            open: false,
            swallowing: None,
            counts: BTreeMap::new(),
            records: Records::default(),
            form: Form::Plain,
            may_be_framed: false,
        }
    }

    pub(super) fn multiplexed(redactor: Redactor) -> Self {
        Self { form: Form::Unknown(Vec::new()), may_be_framed: true, ..Self::plain(redactor) }
    }

    /// Takes in some bytes and appends to `out` what is certain by now.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        match &mut self.form {
            Form::Plain => self.push_plain(chunk, out),
            Form::Framed(frames) => frames.push(chunk, out),
            Form::Unknown(head) => {
                head.extend_from_slice(chunk);
                if let Some(framed) = is_frame(head) {
                    let head = std::mem::take(head);
                    self.form = self.form_of(framed);
                    self.push(&head, out);
                }
            }
        }
    }

    /// Appends to `out` everything that cannot be the head of a secret: to be called when input has paused, some 200 ms.
    pub fn idle(&mut self, out: &mut Vec<u8>) {
        match &mut self.form {
            Form::Framed(frames) => frames.idle(out),
            Form::Plain | Form::Unknown(_) => self.advance(Mode::Idle, out),
        }
    }

    /// Appends all that is left to `out`: the input has ended. The stream can be used for another input then.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let begin = if self.may_be_framed { Form::Unknown(Vec::new()) } else { Form::Plain };
        match std::mem::replace(&mut self.form, begin) {
            Form::Framed(mut frames) => {
                frames.finish(out);
                self.add_counts(&mut frames);
            }
            Form::Unknown(head) => {
                self.push_plain(&head, out);
                self.finish_plain(out);
            }
            Form::Plain => self.finish_plain(out),
        }
    }

    /// Whether something came that was not put out yet.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        match &self.form {
            Form::Unknown(head) => !head.is_empty(),
            Form::Plain => self.emitted < self.buffer.len(),
            Form::Framed(_) => true,
        }
    }

    /// A known value that could itself be read as a header leaves no frames to be told from text.
    fn form_of(&self, framed: bool) -> Form {
        match framed && !self.redactor.inner.known.has_zeros() {
            true => Form::Framed(Box::new(Frames::new(&self.redactor))),
            false => Form::Plain,
        }
    }

    fn push_plain(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for piece in chunk.chunks(PIECE) {
            self.buffer.extend_from_slice(piece);
            self.advance(Mode::More, out);
        }
    }

    fn finish_plain(&mut self, out: &mut Vec<u8>) {
        self.advance(Mode::Finish, out);
        (self.emitted, self.scanned, self.ruled) = (0, 0, 0);
        self.buffer.clear();
        self.spans.clear();
        self.pending.clear();
        (self.carried, self.swallowing, self.open) = (Carried::default(), None, false);
        self.records = Records::default();
    }

    fn add_counts(&mut self, frames: &mut Frames) {
        for (name, count) in frames.streams().iter_mut().flat_map(|stream| std::mem::take(&mut stream.counts)) {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// How often each secret and each rule was masked so far, by name.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.counts.clone();
        if let Form::Framed(frames) = &self.form {
            for (name, count) in frames.counts() {
                *counts.entry(name).or_default() += count;
            }
        }
        counts
    }

    /// Masks one more value from here on; what is held back is looked through again.
    ///
    /// # Errors
    /// The value is too short or too common to be masked.
    pub fn add_secret(&mut self, name: &str, value: &[u8]) -> Result<(), UnmaskableSecret> {
        self.redactor = self.redactor.with_secret(name, value)?;
        self.pending.clear();
        self.scanned = self.emitted.saturating_sub(CONTEXT);
        if let Form::Framed(frames) = &mut self.form {
            frames.add_secret(name, value)?;
        }
        Ok(())
    }

    /// Bytes in memory, for tests of the bound.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn held_bytes(&self) -> usize {
        self.buffer.len() + (self.spans.len() + self.pending.len()) * size_of::<Span>()
    }

    fn advance(&mut self, mode: Mode, out: &mut Vec<u8>) {
        let mut passing = Vec::new();
        self.scan_known();
        let ruled = self.scan_rules(mode, &mut passing);
        let recorded = self.scan_records(mode, &mut passing);
        let safe = self.unbegun(mode, ruled.min(recorded));
        self.emit_passing(passing, safe.max(self.emitted), out);
        self.compact();
    }

    /// Puts out what is certain. What was made of an unfinished line does not hold for the finished one, but where it was
    /// put out already; what was found in a finished one that is still held back does.
    fn emit_passing(&mut self, mut passing: Vec<Span>, safe: usize, out: &mut Vec<u8>) {
        if passing.is_empty() {
            return self.emit(safe, out);
        }
        let certain = self.spans.clone();
        self.spans.append(&mut passing);
        self.emit(safe, out);
        self.spans.retain(|span| span.start < safe);
        self.spans.extend(certain.into_iter().filter(|span| span.end > safe));
    }

    /// Looks for known values in what is new.
    fn scan_known(&mut self) {
        let known = &self.redactor.inner.known;
        if known.is_empty() {
            return;
        }
        let mut pending = Vec::new();
        self.pending.retain(|place| place.at < self.scanned);
        known.resume(&self.pending, &self.buffer, &mut self.spans, &mut pending);
        known.scan(&self.buffer, self.scanned, &mut self.spans, &mut pending);
        self.scanned = self.scanned.max((self.buffer.len() + 1).saturating_sub(HEAD));
        self.pending = pending;
    }

    /// The offset from which on a known value may have begun, or this limit where that comes first.
    fn unbegun(&self, mode: Mode, limit: usize) -> usize {
        let known = &self.redactor.inner.known;
        if mode == Mode::Finish || known.is_empty() {
            return limit;
        }
        known.head_at_end(&self.buffer, limit.min(known.first_of(&self.pending, &self.buffer)))
    }

    /// Runs the rules over what is new. Gives the offset up to which they have had their say.
    fn scan_rules(&mut self, mode: Mode, passing: &mut Vec<Span>) -> usize {
        let end = self.buffer.len();
        self.swallow();
        let Some(matcher) = self.redactor.inner.rules.matcher() else { return end };
        match mode {
            Mode::Idle => {
                // An unfinished line is judged as it stands, and once more when it is finished.
                let mut carried = self.carried.clone();
                matcher.scan(&self.buffer, self.ruled, end, &mut carried, passing);
                let from = self.ruled.max(self.emitted);
                let in_key = !self.carried.blocks.is_empty();
                let key = if in_key { unfinished::last_word(&self.buffer, from) } else { end };
                unfinished::certain(&self.buffer, from, matcher).min(key)
            }
            Mode::Finish => {
                matcher.scan(&self.buffer, self.ruled, end, &mut self.carried, &mut self.spans);
                self.ruled = end;
                end
            }
            Mode::More => self.scan_lines(),
        }
    }

    /// Runs the rules over the lines that are finished, or over most of one that is too long to wait for.
    fn scan_lines(&mut self) -> usize {
        let end = self.buffer.len();
        let Some(matcher) = self.redactor.inner.rules.matcher() else { return end };
        let fresh = self.buffer.get(self.ruled..).unwrap_or_default();
        if let Some(line) = memchr::memrchr(b'\n', fresh) {
            let limit = self.ruled + line + 1;
            let text = self.buffer.get(..limit).unwrap_or_default();
            matcher.scan(text, self.ruled, limit, &mut self.carried, &mut self.spans);
            self.ruled = limit;
        }
        if end - self.ruled <= MAX_LINE {
            return self.ruled;
        }
        let limit = end - OVERLAP;
        let first = self.spans.len();
        matcher.scan(&self.buffer, self.ruled, limit, &mut self.carried, &mut self.spans);
        let cut = self.spans.iter().skip(first).find(|span| span.end == end && matches!(span.label, Label::Rule(_)));
        self.swallowing = cut.copied().or(self.swallowing);
        self.ruled = limit;
        limit - super::ruleset::MAX_NEAR
    }

    /// Looks across the records of a line that an engine has cut. Gives the offset from which on more is to come.
    fn scan_records(&mut self, mode: Mode, passing: &mut Vec<Span>) -> usize {
        let inner = &self.redactor.inner;
        let scanners = Scanners { known: &inner.known, rules: inner.rules.matcher() };
        let certain = self.records.scan(&self.buffer, mode, &scanners, &mut self.spans, passing);
        if mode == Mode::Finish { self.buffer.len() } else { certain.min(self.buffer.len()) }
    }

    /// Goes on masking a value that the rules saw no end of.
    fn swallow(&mut self) {
        let Some(span) = self.swallowing.take() else { return };
        let rest = self.buffer.get(span.end..).unwrap_or_default();
        let ends = |byte: &u8| !byte.is_ascii_graphic() || b"\"'`,;<>()[]{}|\\".contains(byte);
        let length = rest.iter().position(ends);
        let whole = Span { end: span.end + length.unwrap_or(rest.len()), ..span };
        self.spans.push(whole);
        self.swallowing = length.is_none().then_some(whole);
    }

    /// Puts out everything up to `safe`, with marks in place of spans.
    fn emit(&mut self, safe: usize, out: &mut Vec<u8>) {
        union(&mut self.spans);
        let spans = std::mem::take(&mut self.spans);
        let at_first = self.emitted;
        let mut at = at_first;
        for span in spans.iter().filter(|span| span.end > at_first) {
            if span.start >= safe {
                break;
            }
            if span.start > at {
                out.extend_from_slice(self.buffer.get(at..span.start).unwrap_or_default());
            }
            if span.start >= at || !self.open {
                self.mark(span, out);
            }
            at = span.end.min(safe);
            self.open = true;
        }
        if at < safe {
            out.extend_from_slice(self.buffer.get(at..safe).unwrap_or_default());
            self.open = false;
        }
        self.emitted = safe;
        self.spans = spans;
        self.spans.retain(|span| span.end > safe);
    }

    fn mark(&mut self, span: &Span, out: &mut Vec<u8>) {
        let name = self.redactor.name_of(span.label);
        if let Some(tally) = &self.redactor.inner.tally {
            tally.add(name);
        }
        let quote = scalar::slashes(&self.buffer, span.start, span.end)
            .map_or_else(Vec::new, |slashes| [b"\\".repeat(slashes), b"\"".to_vec()].concat());
        [&quote, b"[redacted:".as_slice(), name.as_bytes(), b"]", &quote]
            .iter()
            .for_each(|part| out.extend_from_slice(part));
        match self.counts.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(name.to_owned(), 1)),
        }
    }

    /// Forgets what was put out and is context no more.
    fn compact(&mut self) {
        let ruled = if self.redactor.inner.rules.is_empty() { self.emitted } else { self.ruled };
        let needed = self.records.needed_from().unwrap_or(usize::MAX);
        let cut = self.emitted.min(ruled).saturating_sub(CONTEXT).min(needed);
        self.records.shift(cut);
        self.buffer.drain(..cut);
        let shift = |offset: &mut usize| *offset = offset.saturating_sub(cut);
        [&mut self.emitted, &mut self.scanned, &mut self.ruled].into_iter().for_each(shift);
        self.spans.iter_mut().chain(&mut self.swallowing).for_each(|span| {
            shift(&mut span.start);
            shift(&mut span.end);
        });
        self.pending.iter_mut().for_each(|place| shift(&mut place.at));
    }
}

impl fmt::Debug for RedactionStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedactionStream")
            .field("held", &(self.buffer.len() - self.emitted))
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
