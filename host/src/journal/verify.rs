//! The whole journal, checked from its first line to its last, in bounded memory.
//!
//! One rule does most of it: a genuine record (its MAC holds) knows its number and the hash of its predecessor. What
//! stands between two genuine records is told by their numbers.

use std::collections::BTreeSet;
use std::io;

use cap_std::fs::Dir;

use super::chain::{Anchor, Head, LineHash, Other, Seals, Slots};
use super::findings::{FindingKind, KeptHead, VerifyReport};
use super::pen::lock_shared;
use super::record::Kind;
use super::repair::{Link, POWER_CUT, read_link};
use super::segment::{self, Lines, Piece};
use super::{JournalError, io_error};
use crate::ambient;
use crate::state::{Area, StateDir};

/// How many intents without an outcome are remembered.
const UNFINISHED: usize = 4096;
/// How often it begins again when a segment is pruned under its hands.
const TRIES: u32 = 5;

pub(super) fn verify(state: &StateDir, kept: Option<Head>) -> Result<VerifyReport, JournalError> {
    let dir = state.existing_area(Area::Journal)?;
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match walk(state, dir.as_ref(), kept) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => {}
            other => return other.map_err(io_error("read")),
        }
    }
}

fn walk(state: &StateDir, dir: Option<&Dir>, kept: Option<Head>) -> io::Result<VerifyReport> {
    let boot = ambient::boot_id().unwrap_or(0);
    let mut walk = Walk::new(Seals::of(state.key()), Anchor::genesis(state.install(), boot), kept);
    dir.map_or(Ok(()), |dir| walk.run(dir))?;
    walk.is_there(state.had_journal());
    Ok(walk.finish())
}

/// What is there, at one moment at which nobody writes.
struct Snapshot {
    slots: Slots,
    segments: Vec<u32>,
    /// The length of the last segment.
    length: u64,
}

impl Snapshot {
    fn take(dir: &Dir) -> io::Result<Self> {
        let head = segment::open_head(dir)?;
        head.as_ref().map_or(Ok(()), lock_shared)?;
        let segments = segment::list(dir)?;
        let last = segments.last().map_or(Ok(None), |last| segment::open(dir, *last))?;
        let length = last.map_or(Ok(0), |file| file.metadata().map(|data| data.len()))?;
        Ok(Self { slots: head.as_ref().map_or(Ok(Slots::BLANK), segment::read_head)?, segments, length })
    }
}

/// Where the chain stands after the lines read so far.
struct Walk {
    seals: Seals,
    report: VerifyReport,
    /// What the head says, if it says anything.
    anchor: Option<Anchor>,
    /// Its other slot can't be read.
    spoilt: bool,
    genesis: Anchor,
    /// Number and hash of the last genuine record in its place.
    last: Head,
    /// Nothing came before: the journal may begin in the middle, if a prune says so.
    began: bool,
    /// The number and the predecessor of the first record, until a prune explains them.
    unexplained: Option<(u64, LineHash)>,
    /// Lines that are no records, since the last that was one.
    foreign: u64,
    /// The last line has no newline.
    fragment: bool,
    /// The segment ended with a rotation.
    sealed: bool,
    segment: u32,
    intents: BTreeSet<u64>,
    kept: Option<Head>,
}

impl Walk {
    fn new(seals: Seals, genesis: Anchor, kept: Option<Head>) -> Self {
        let last = genesis.head;
        Self {
            seals,
            report: VerifyReport::new(last),
            anchor: None,
            spoilt: false,
            genesis,
            last,
            began: false,
            unexplained: None,
            foreign: 0,
            fragment: false,
            sealed: true,
            segment: 0,
            intents: BTreeSet::new(),
            kept,
        }
    }

    fn run(&mut self, dir: &Dir) -> io::Result<()> {
        let Snapshot { slots, segments, length } = Snapshot::take(dir)?;
        self.read_head(&slots, segments.is_empty());
        self.meet_head(&self.genesis.head.clone(), (1, 0));
        for segment in &segments {
            let end = if segments.last() == Some(segment) { length } else { u64::MAX };
            self.enter(*segment);
            let file = segment::open(dir, *segment)?.ok_or(io::ErrorKind::NotFound)?;
            self.read(Lines::between(file, 0, end)?)?;
        }
        Ok(())
    }

    fn read_head(&mut self, slots: &Slots, empty: bool) {
        let (anchor, other) = slots.newest(&self.seals);
        self.anchor = anchor;
        match (anchor, other) {
            (None, _) if empty => {}
            (None, _) => self.report.damage(0, FindingKind::HeadLost),
            (Some(_), Other::Spoilt) => self.spoilt = true,
            (Some(anchor), Other::Same) => self.report.damage(anchor.head.count, FindingKind::HeadTurnedBack),
            (Some(_), Other::Whole) => {}
        }
    }

    /// With neither records nor a head, a journal that once was is gone as a whole.
    fn is_there(&mut self, was: bool) {
        if was && self.anchor.is_none() && self.report.segments == 0 {
            self.report.damage(1, FindingKind::Gone);
        }
    }

    fn enter(&mut self, segment: u32) {
        let expected = if self.segment == 0 { segment } else { self.segment + 1 };
        if segment != expected || !self.sealed {
            self.report.damage(self.last.count + 1, FindingKind::Renamed { segment });
        }
        self.segment = segment;
        self.sealed = false;
        self.report.segments += 1;
    }

    fn read(&mut self, mut lines: Lines) -> io::Result<()> {
        loop {
            match lines.advance()? {
                Piece::End => return Ok(()),
                Piece::Line => self.line(&lines),
                Piece::Overlong => self.foreign += 1,
                Piece::Fragment => {
                    self.foreign += 1;
                    self.fragment = true;
                }
            }
        }
    }

    fn line(&mut self, lines: &Lines) {
        match read_link(lines.text(), &self.seals) {
            Some(link) => self.link(&link, lines.position()),
            None => self.foreign += 1,
        }
    }

    fn link(&mut self, link: &Link, end: u64) {
        self.report.records += 1;
        if !self.began {
            self.begin(link);
        }
        let expected = self.last.count + 1;
        if link.seq < expected {
            return self.report.damage(link.seq, FindingKind::OutOfPlace);
        }
        self.gap(link, expected);
        self.place(link);
        self.last = link.head();
        let rotation = link.kind == Kind::Rotation;
        self.meet_head(&link.head(), if rotation { (self.segment + 1, 0) } else { (self.segment, end) });
        self.look_inside(link);
    }

    /// The first genuine record: it may be any, as long as a later prune says so.
    fn begin(&mut self, link: &Link) {
        self.began = true;
        if link.seq > 1 && self.foreign == 0 {
            self.unexplained = Some((link.seq, link.prev));
            self.last = Head { count: link.seq - 1, hash: link.prev };
        }
        self.report.first = self.last.count + 1;
    }

    fn gap(&mut self, link: &Link, expected: u64) {
        let (to, lines) = (link.seq - 1, std::mem::take(&mut self.foreign));
        self.fragment = false;
        let power_cut = link.kind == Kind::Note && link.rule.as_deref() == Some(POWER_CUT);
        match (link.seq > expected, lines) {
            (true, _) if power_cut => self.report.crash(expected, FindingKind::PowerCut { to }),
            (true, 0) => self.report.damage(expected, FindingKind::Removed { to }),
            (true, _) => self.report.damage(expected, FindingKind::Edited { to }),
            (false, 0) => {}
            (false, lines) => self.report.damage(link.seq, FindingKind::Inserted { lines }),
        }
        if link.seq == expected && link.prev != self.last.hash {
            self.report.damage(link.seq, FindingKind::Forked);
        }
    }

    /// Nothing follows a rotation in its own segment, and the first segment has a number that can be told.
    fn place(&mut self, link: &Link) {
        if self.sealed || (link.seq == 1 && self.segment != 1) {
            self.report.damage(link.seq, FindingKind::Renamed { segment: self.segment });
        }
        self.sealed = link.kind == Kind::Rotation;
    }

    /// Compares a record with the heads that name it.
    fn meet_head(&mut self, head: &Head, place: (u32, u64)) {
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.head.count == head.count)
            && (anchor.head != *head || (anchor.segment, anchor.length) != place)
        {
            self.report.damage(head.count, FindingKind::HeadDiffers);
        }
        if let Some(kept) = self.kept.filter(|kept| kept.count == head.count) {
            self.report.kept = Some(if kept == *head { KeptHead::Continues } else { KeptHead::Differs });
        }
    }

    fn look_inside(&mut self, link: &Link) {
        match link.kind {
            Kind::Intent if self.intents.len() < UNFINISHED => drop(self.intents.insert(link.seq)),
            Kind::Outcome => drop(link.intent.map(|intent| self.intents.remove(&intent))),
            Kind::Prune => self.explain(link),
            Kind::Note => self.report.repairs += u64::from(link.rule.is_some()),
            Kind::Damage => {
                let why = link.why.clone().unwrap_or_default();
                self.report.damage(link.seq, FindingKind::Recorded { why });
            }
            _ => {}
        }
    }

    /// A prune explains a beginning at or before the record that it names; just behind it, the hash must fit too.
    fn explain(&mut self, prune: &Link) {
        let fact = |name: &str| prune.facts.get(name).map(String::as_str).unwrap_or_default();
        let (Ok(through), Some(hash)) = (fact("through").parse::<u64>(), LineHash::parse(fact("hash"))) else { return };
        self.unexplained = self.unexplained.filter(|(first, prev)| {
            let fits = *first <= through || (*first == through + 1 && *prev == hash);
            !fits
        });
    }

    fn finish(mut self) -> VerifyReport {
        if let Some((first, _)) = self.unexplained {
            self.report.damage(first, FindingKind::NotPruned);
        }
        self.torn_slot();
        self.end();
        self.compare_kept();
        self.report.head = self.last;
        self.report.unfinished = self.intents.into_iter().collect();
        self.report
    }

    /// A slot that was torn by a crash was to hold a record that stands behind the other's: or it was another boot's.
    fn torn_slot(&mut self) {
        let Some(anchor) = self.anchor.filter(|_| self.spoilt) else { return };
        match self.last.count > anchor.head.count || anchor.boot != self.genesis.boot {
            true => self.report.crash(anchor.head.count, FindingKind::HeadSlotTorn),
            false => self.report.damage(anchor.head.count, FindingKind::HeadSlotTorn),
        }
    }

    /// Compares where the records end with where the head says they do.
    fn end(&mut self) {
        let (next, head) = (self.last.count + 1, self.anchor.map_or(0, |anchor| anchor.head.count));
        if head >= next {
            let power_cut = self.anchor.is_some_and(|anchor| self.is_power_cut(&anchor));
            return match self.foreign {
                _ if power_cut => self.report.crash(next, FindingKind::PowerCut { to: head }),
                0 => self.report.damage(next, FindingKind::Cut { to: head }),
                _ => self.report.damage(next, FindingKind::Edited { to: head }),
            };
        }
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.head.count < self.last.count) {
            self.head_behind(&anchor);
        }
        match (self.foreign, self.fragment) {
            (0, _) => {}
            (1, true) => self.report.crash(next, FindingKind::Torn),
            (lines, _) => self.report.damage(next, FindingKind::Inserted { lines }),
        }
    }

    /// Another boot, and nothing missing that was waited for.
    fn is_power_cut(&self, anchor: &Anchor) -> bool {
        anchor.boot != self.genesis.boot && self.last.count >= anchor.synced && self.report.records > 0
    }

    fn head_behind(&mut self, anchor: &Anchor) {
        let records = self.last.count - anchor.head.count;
        let (seq, kind) = (anchor.head.count + 1, FindingKind::HeadBehind { records });
        // Within one boot, a crash can cost the head one record and no more: an older head was put back.
        match records == 1 || anchor.boot != self.genesis.boot {
            true => self.report.crash(seq, kind),
            false => self.report.damage(seq, kind),
        }
    }

    fn compare_kept(&mut self) {
        let Some(kept) = self.kept else { return };
        let pruned = self.report.first > 1 && kept.count < self.report.first;
        let compared = *self.report.kept.get_or_insert(if pruned { KeptHead::Pruned } else { KeptHead::Differs });
        if compared == KeptHead::Differs {
            self.report.damage(kept.count, FindingKind::NotKept { kept: kept.to_string() });
        }
    }
}
