//! What an append does when the journal doesn't end where the head says.
//!
//! The traces of a crash are mended and noted; damage is noted and left to be seen.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use serde::Deserialize;

use super::chain::{Anchor, Head, LineHash, Other, Seals};
use super::pen::Pen;
use super::record::{Entry, Kind, open_line};
use super::segment::{self, Lines, Piece};
use super::{JournalError, io_error};

/// The fields of a record that tie it to others.
#[derive(Deserialize)]
struct Fields<'a> {
    seq: u64,
    kind: Kind,
    intent: Option<u64>,
    #[serde(borrow)]
    rule: Option<Cow<'a, str>>,
    #[serde(borrow)]
    why: Option<Cow<'a, str>>,
    #[serde(default)]
    facts: BTreeMap<String, String>,
    #[serde(borrow)]
    prev: Cow<'a, str>,
}

/// A record as the chain sees it.
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) intent: Option<u64>,
    pub(super) rule: Option<String>,
    pub(super) why: Option<String>,
    pub(super) facts: BTreeMap<String, String>,
    pub(super) prev: LineHash,
    pub(super) hash: LineHash,
}

impl Link {
    /// The head of a journal that ends with this record.
    pub(super) fn head(&self) -> Head {
        Head { count: self.seq, hash: self.hash }
    }

    fn follows(&self, head: &Head) -> bool {
        self.seq == head.count + 1 && self.prev == head.hash
    }
}

/// Reads a line (without its newline), if it is one that this install wrote.
pub(super) fn read_link(line: &[u8], seals: &Seals) -> Option<Link> {
    let hash = open_line(line, seals)?;
    let Fields { seq, kind, intent, rule, why, facts, prev } = serde_json::from_slice(line).ok()?;
    let (rule, why) = (rule.map(Cow::into_owned), why.map(Cow::into_owned));
    Some(Link { seq, kind, intent, rule, why, facts, prev: LineHash::parse(&prev)?, hash })
}

/// The rule of the note that bridges records lost in a power cut.
pub(super) const POWER_CUT: &str = "power-cut";

/// What stood wrong at the end of the journal.
#[derive(Debug, PartialEq, Eq)]
enum Incident {
    Gone,
    /// Whether nothing stands behind the record that the other slot ends at, in the boot that wrote it.
    SlotTorn {
        last: bool,
    },
    HeadLost,
    HeadTurnedBack,
    HeadBehind {
        records: u64,
        boot: bool,
    },
    Torn {
        bytes: u64,
        hash: LineHash,
    },
    Foreign {
        bytes: u64,
    },
    Cut {
        last: u64,
        head: u64,
        boot: bool,
    },
}

impl Incident {
    /// Whether a crash explains it. Within one boot a crash can cost the head one record and no more.
    fn is_crash(&self) -> bool {
        match self {
            Self::SlotTorn { last } => !*last,
            Self::Torn { .. } => true,
            Self::HeadBehind { records, boot } => *records == 1 || *boot,
            Self::Cut { boot, .. } => *boot,
            Self::Gone | Self::HeadLost | Self::HeadTurnedBack | Self::Foreign { .. } => false,
        }
    }

    const fn rule(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::SlotTorn { .. } => "head-slot-torn",
            Self::HeadLost => "head-lost",
            Self::HeadTurnedBack => "head-turned-back",
            Self::HeadBehind { .. } => "head-behind",
            Self::Torn { .. } => "torn-record",
            Self::Foreign { .. } => "foreign-lines",
            Self::Cut { boot: true, .. } => POWER_CUT,
            Self::Cut { boot: false, .. } => "cut",
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Gone => "the journal that this install had was gone, with all of its records".to_owned(),
            Self::SlotTorn { last: false } => "one slot of the head was unreadable, the other was used".to_owned(),
            Self::SlotTorn { last: true } => {
                "one slot of the head was unreadable: a record may have been cut off unseen".to_owned()
            }
            Self::HeadLost => "the head was unreadable or gone: records may have been cut off unseen".to_owned(),
            Self::HeadTurnedBack => {
                "both slots of the head said the same: a record may have been cut off unseen".to_owned()
            }
            Self::HeadBehind { records, .. } => format!("the head was {records} behind the records"),
            Self::Torn { bytes, hash } => {
                format!("a torn record of {bytes} bytes was removed; their SHA-256 is {hash}")
            }
            Self::Foreign { bytes } => format!("{bytes} bytes before this record are not this install's"),
            Self::Cut { last, head, .. } => {
                format!("the head counted {head} records, but after {last} they were missing")
            }
        }
    }

    fn kind(&self) -> Kind {
        if self.is_crash() { Kind::Note } else { Kind::Damage }
    }
}

impl Pen {
    /// Finds the true end of the journal, and records whatever was wrong with it.
    pub(super) fn recover(&mut self) -> Result<(), JournalError> {
        self.segment = None;
        self.trim = false;
        let mut incidents = Vec::new();
        self.find_anchor(&mut incidents).map_err(io_error("read"))?;
        let found = self.anchor;
        while self.follow(&mut incidents).map_err(io_error("read"))? {}
        // No crash tears a slot of the boot that it is in without leaving the record that was to be in it.
        let bare = self.anchor.head.count == found.head.count && found.boot == self.genesis.boot;
        for incident in &mut incidents {
            if let Incident::SlotTorn { last } = incident {
                *last = bare;
            }
        }
        let noted = incidents.iter().try_for_each(|incident| self.note(incident));
        // What could not be noted is met again next time.
        noted.inspect_err(|_| self.forget())
    }

    fn note(&mut self, incident: &Incident) -> Result<(), JournalError> {
        let (rule, why) = (incident.rule(), incident.why());
        self.put(&Entry { rule: Some(rule), why: Some(&why), ..Entry::new(incident.kind()) }).map(drop)
    }

    fn find_anchor(&mut self, incidents: &mut Vec<Incident>) -> io::Result<()> {
        let segments = segment::list(&self.dir)?;
        match self.slots.newest(&self.seals) {
            (Some(anchor), other) => {
                match other {
                    Other::Whole => {}
                    Other::Spoilt => incidents.push(Incident::SlotTorn { last: false }),
                    Other::Same => incidents.push(Incident::HeadTurnedBack),
                }
                self.anchor = anchor;
            }
            (None, _) if segments.is_empty() => {
                incidents.extend(self.mark.is_set().then_some(Incident::Gone));
                self.begin()?;
            }
            (None, _) => {
                incidents.push(Incident::HeadLost);
                self.anchor = self.last_record(&segments)?;
                self.refuse_another_key(&segments)?;
            }
        }
        Ok(())
    }

    /// Where neither the head nor any record bears our seal, and there are records, another key wrote them: such a journal
    /// is not gone on with.
    fn refuse_another_key(&self, segments: &[u32]) -> io::Result<()> {
        let is_ours = self.anchor.head.count > 0;
        for segment in segments.iter().filter(|_| !is_ours) {
            if self.has_records(*segment)? {
                let why =
                    "nothing in it bears this install's seal: put the key back that wrote it, or move the journal away";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(())
    }

    /// Whether a segment has a line that is a record, whoever wrote it.
    fn has_records(&self, segment: u32) -> io::Result<bool> {
        let Some(file) = segment::open(&self.dir, segment)? else { return Ok(false) };
        let mut lines = Lines::between(file, 0, u64::MAX)?;
        while lines.advance()? == Piece::Line {
            if serde_json::from_slice::<Fields<'_>>(lines.text()).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A journal of nothing: both slots of the head say so before the first record is written.
    fn begin(&mut self) -> io::Result<()> {
        let genesis = self.genesis;
        self.write_head(&genesis)?;
        self.write_head(&genesis.turned())?;
        self.anchor = genesis;
        Ok(())
    }

    /// The anchor behind the last record that can be read; only as many segments are read as it takes.
    fn last_record(&self, segments: &[u32]) -> io::Result<Anchor> {
        for segment in segments.iter().rev() {
            if let Some(anchor) = self.last_record_of(*segment)? {
                return Ok(anchor);
            }
        }
        Ok(Anchor { segment: segments.last().copied().unwrap_or(1), ..self.genesis })
    }

    /// The anchor behind the last record of a segment, if it has one that can be read.
    pub(super) fn last_record_of(&self, segment: u32) -> io::Result<Option<Anchor>> {
        let Some(file) = segment::open(&self.dir, segment)? else { return Ok(None) };
        let mut lines = Lines::between(file, 0, u64::MAX)?;
        let mut last = None;
        while lines.advance()? != Piece::End {
            let place = Anchor { segment, length: lines.position(), ..self.genesis };
            last = read_link(lines.text(), &self.seals).map(|link| step(&place, &link, 0)).or(last);
        }
        Ok(last)
    }

    /// Looks at the anchor's segment, and follows the records that the head doesn't know. Whether to look again, in
    /// the next one.
    fn follow(&mut self, incidents: &mut Vec<Incident>) -> io::Result<bool> {
        let file = segment::open_to_write(&self.dir, self.anchor.segment)?.map(Arc::new);
        let length = file.as_ref().map_or(Ok(0), |file| file.metadata().map(|data| data.len()))?;
        self.segment = file;
        if length < self.anchor.length {
            incidents.push(self.cut(length)?);
            return self.leave(length).map(|()| false);
        }
        match &self.segment {
            Some(file) if length > self.anchor.length => {
                let lines = Lines::between(file.try_clone()?, self.anchor.length, length)?;
                self.adopt(lines, length, incidents)
            }
            _ => Ok(false),
        }
    }

    fn adopt(&mut self, mut lines: Lines, length: u64, incidents: &mut Vec<Incident>) -> io::Result<bool> {
        let (from, boot) = (self.anchor, self.anchor.boot != self.genesis.boot);
        let piece = loop {
            let piece = lines.advance()?;
            let link = read_link(lines.text(), &self.seals).filter(|link| link.follows(&self.anchor.head));
            let (Piece::Line, Some(link)) = (piece, link) else { break piece };
            self.anchor = step(&self.anchor, &link, lines.bytes());
            if self.anchor.segment != from.segment {
                break Piece::End;
            }
        };
        let records = self.anchor.head.count - from.head.count;
        incidents.extend((records > 0).then_some(Incident::HeadBehind { records, boot }));
        match piece {
            Piece::End => return Ok(self.anchor.segment != from.segment),
            Piece::Fragment => {
                incidents.push(Incident::Torn { bytes: lines.bytes(), hash: LineHash::of(lines.text()) });
                self.trim = true;
            }
            Piece::Line | Piece::Overlong => {
                incidents.push(Incident::Foreign { bytes: length - self.anchor.length });
                self.leave(length)?;
            }
        }
        Ok(false)
    }

    fn cut(&self, length: u64) -> io::Result<Incident> {
        let head = self.anchor.head.count;
        let last = self.last_record(&segment::list(&self.dir)?)?.head.count;
        // Only what was never waited for can be lost with the power, and only its end.
        let boot = self.anchor.boot != self.genesis.boot && last >= self.anchor.synced && length > 0;
        Ok(Incident::Cut { last, head, boot })
    }

    /// Leaves whatever stands there as it is, and goes on behind it, on a line of its own.
    fn leave(&mut self, length: u64) -> io::Result<()> {
        self.anchor.length = length;
        if let Some(file) = &self.segment
            && !ends_a_line(file, length)?
        {
            file.write_all_at(b"\n", length)?;
            self.anchor.length += 1;
        }
        Ok(())
    }
}

fn ends_a_line(file: &File, length: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if let Some(at) = length.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    Ok(last == [b'\n'])
}

fn step(anchor: &Anchor, link: &Link, bytes: u64) -> Anchor {
    let next = anchor.after(link.hash, bytes, link.kind == Kind::Rotation);
    Anchor { head: link.head(), ..next }
}
