//! What a journal tells, read once from its beginning to its end, in bounded memory.
//!
//! Everything is counted; the newest events are kept, each cut to a length that a page can show. How much was left out
//! is part of the result.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::event::{Ending, Event, cut};
use crate::journal::{JournalError, Kind, Record};

/// How many open intents are remembered; more, and the oldest count as unfinished.
const OPEN: usize = 4096;
/// How many kinds of refusal are told apart.
const REASONS: usize = 256;
/// How many days are told apart.
const DAYS: usize = 400;
/// The most bytes of text that the kept events have together.
const BYTES: usize = 8 << 20;

/// Numbers of the whole journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Records of this install.
    pub records: u64,
    /// Lines that are not this install's.
    pub foreign: u64,
    /// Commands that were permitted.
    pub permitted: u64,
    /// Of them: rendered and recorded in a dry run, and not run.
    pub dry: u64,
    /// Of them: ended with another status than 0.
    pub nonzero: u64,
    /// Of them: have no outcome with a status, because the call was cancelled or the process ended.
    pub unfinished: u64,
    /// Permitted commands that look.
    pub read: u64,
    /// Permitted commands that create.
    pub create: u64,
    /// Permitted commands that change.
    pub change: u64,
    /// Permitted commands that remove.
    pub remove: u64,
    /// Asks that were refused.
    pub refused: u64,
    /// Faults of backends.
    pub faults: u64,
}

impl Counts {
    /// Commands that ran.
    #[must_use]
    pub const fn ran(&self) -> u64 {
        self.permitted.saturating_sub(self.dry)
    }
}

/// Numbers of one day (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Day {
    /// Commands that were permitted.
    pub permitted: u64,
    /// Refusals.
    pub refused: u64,
    /// Faults.
    pub faults: u64,
}

/// What makes refusals alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// The rule.
    pub rule: String,
    /// Why, in words.
    pub why: String,
    /// The slot.
    pub slot: String,
    /// The backend that asked.
    pub backend: String,
    /// The command that it asked for.
    pub command: String,
}

/// How often something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Times {
    /// So often.
    pub count: u64,
    /// The last time.
    #[serde(serialize_with = "super::as_text")]
    pub last: Timestamp,
    /// The record of the last time.
    pub seq: u64,
    /// The values that were refused, a few.
    pub values: Vec<String>,
}

/// All of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tally {
    /// Numbers of the whole journal.
    pub counts: Counts,
    /// The time of its first record.
    pub first: Option<Timestamp>,
    /// The time of its last.
    pub last: Option<Timestamp>,
    /// Numbers by day, the newest few hundred days.
    pub days: BTreeMap<Date, Day>,
    /// What was refused and why.
    pub reasons: BTreeMap<Reason, Times>,
    /// Refusals of further kinds.
    pub other_refusals: u64,
    /// The newest events, oldest first.
    pub events: VecDeque<Event>,
    /// How many older ones are left out.
    pub left_out: u64,
    keep: usize,
    bytes: usize,
    backend: Option<String>,
    /// Permitted, and not yet ended.
    open: BTreeSet<u64>,
}

impl Tally {
    /// Nothing yet; at most so many events will be kept, and only records of this backend are told of, where one is named.
    #[must_use]
    pub fn new(keep: usize, backend: Option<&str>) -> Self {
        Self {
            counts: Counts::default(),
            first: None,
            last: None,
            days: BTreeMap::new(),
            reasons: BTreeMap::new(),
            other_refusals: 0,
            events: VecDeque::new(),
            left_out: 0,
            keep,
            bytes: 0,
            backend: backend.map(str::to_owned),
            open: BTreeSet::new(),
        }
    }

    /// Reads records to their end.
    ///
    /// # Errors
    /// When they can't be read. A line that is not this install's is counted, and is no error.
    pub fn read(mut self, records: impl Iterator<Item = Result<Record, JournalError>>) -> Result<Self, JournalError> {
        for record in records {
            match record {
                Ok(record) => self.take(record),
                Err(JournalError::NotOurs { .. }) => self.counts.foreign += 1,
                Err(error) => return Err(error),
            }
        }
        self.counts.unfinished += self.open.len() as u64;
        Ok(self)
    }

    fn take(&mut self, record: Record) {
        if record.kind == Kind::Outcome {
            return self.end(&record);
        }
        if self.backend.is_some() && record.backend != self.backend {
            return;
        }
        self.seen(record.time);
        self.count(&record);
        if let Some(event) = Event::of(record) {
            self.keep(event);
        }
    }

    fn seen(&mut self, time: Timestamp) {
        self.counts.records += 1;
        self.first.get_or_insert(time);
        self.last = Some(time);
    }

    fn count(&mut self, record: &Record) {
        let counts = &mut self.counts;
        match record.kind {
            Kind::Intent => {
                counts.permitted += 1;
                *effect(counts, record.effect) += 1;
                self.opened(record.seq.get());
            }
            Kind::Refusal => {
                counts.refused += 1;
                self.refused(record);
            }
            Kind::Fault => counts.faults += 1,
            _ => return,
        }
        self.dated(record);
    }

    fn dated(&mut self, record: &Record) {
        let date = record.time.to_zoned(TimeZone::UTC).date();
        let day = self.days.entry(date).or_default();
        match record.kind {
            Kind::Refusal => day.refused += 1,
            Kind::Fault => day.faults += 1,
            _ => day.permitted += 1,
        }
        if self.days.len() > DAYS {
            self.days.pop_first();
        }
    }

    fn opened(&mut self, seq: u64) {
        self.open.insert(seq);
        if self.open.len() > OPEN {
            self.open.pop_first();
            self.counts.unfinished += 1;
        }
    }

    /// An outcome names its intent alone, and goes with it.
    fn end(&mut self, record: &Record) {
        let Some(intent) = record.intent.map(|intent| intent.get()) else { return };
        if !self.open.remove(&intent) && self.backend.is_some() {
            return;
        }
        self.seen(record.time);
        let ending = Ending::of(record);
        match ending.status {
            Some(0) => {}
            Some(_) => self.counts.nonzero += 1,
            None if ending.is_dry() => self.counts.dry += 1,
            None => self.counts.unfinished += 1,
        }
        if let Ok(at) = self.events.binary_search_by_key(&intent, |event| event.seq)
            && let Some(event) = self.events.get_mut(at)
        {
            event.end(ending);
        }
    }

    fn refused(&mut self, record: &Record) {
        let text = |part: &Option<String>| cut(part.as_deref().unwrap_or_default());
        let (rule, why, slot) = (text(&record.rule), text(&record.why), text(&record.slot));
        let reason = Reason { rule, why, slot, backend: text(&record.backend), command: text(&record.command) };
        if self.reasons.len() >= REASONS && !self.reasons.contains_key(&reason) {
            self.other_refusals += 1;
            return;
        }
        let nothing = Times { count: 0, last: record.time, seq: 0, values: Vec::new() };
        self.reasons.entry(reason).or_insert(nothing).again(record);
    }

    fn keep(&mut self, event: Event) {
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > self.keep || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
            self.left_out += 1;
        }
    }
}

impl Times {
    /// How many values are kept.
    const VALUES: usize = 4;

    fn again(&mut self, record: &Record) {
        (self.count, self.last, self.seq) = (self.count + 1, record.time, record.seq.get());
        let Some(value) = record.value.as_deref().map(cut) else { return };
        if !self.values.contains(&value) && self.values.len() < Self::VALUES {
            self.values.push(value);
        }
    }
}

fn effect(counts: &mut Counts, effect: Option<crate::journal::Effect>) -> &mut u64 {
    use crate::journal::Effect;
    match effect {
        Some(Effect::Create) => &mut counts.create,
        Some(Effect::Change) => &mut counts.change,
        Some(Effect::Remove) => &mut counts.remove,
        Some(Effect::Read) | None => &mut counts.read,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn records(members: &[serde_json::Value]) -> impl Iterator<Item = Result<Record, JournalError>> {
        members.iter().enumerate().map(|(at, members)| {
            let mut base = json!({ "seq": at + 1, "time": "2026-01-02T03:04:05.000000Z", "pid": 1 });
            base.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            Ok(serde_json::from_value(base).unwrap())
        })
    }

    fn intent(backend: &str, effect: &str) -> serde_json::Value {
        json!({ "kind": "intent", "backend": backend, "effect": effect, "command": "x", "argv": ["x"] })
    }

    #[test]
    fn intents_and_outcomes_are_paired_and_counted() {
        let journal = [
            intent("a", "create"),
            intent("a", "read"),
            intent("b", "remove"),
            json!({ "kind": "outcome", "intent": 2, "status": 125, "duration_us": 5 }),
            json!({ "kind": "outcome", "intent": 1, "why": "dry run" }),
            json!({ "kind": "refusal", "backend": "a", "rule": "policy", "why": "no", "value": "/etc" }),
            json!({ "kind": "refusal", "backend": "a", "rule": "policy", "why": "no", "value": "/usr" }),
        ];
        let tally = Tally::new(100, None).read(records(&journal)).unwrap();
        let counts = tally.counts;
        assert_eq!((counts.permitted, counts.ran(), counts.nonzero, counts.unfinished), (3, 2, 1, 1));
        assert_eq!((counts.create, counts.read, counts.remove, counts.refused), (1, 1, 1, 2));
        assert_eq!((tally.reasons.len(), tally.events.len(), tally.left_out), (1, 5, 0));
        assert_eq!(tally.reasons.values().next().unwrap().values, ["/etc", "/usr"]);
        let of_b = Tally::new(100, Some("b")).read(records(&journal)).unwrap();
        assert_eq!((of_b.counts.permitted, of_b.counts.nonzero, of_b.counts.refused), (1, 0, 0));
    }

    #[test]
    fn a_huge_journal_is_counted_whole_and_kept_in_part() {
        let journal: Vec<_> = (0..5000).map(|_| intent("a", "read")).collect();
        let tally = Tally::new(10, None).read(records(&journal)).unwrap();
        assert_eq!((tally.counts.permitted, tally.events.len(), tally.left_out), (5000, 10, 4990));
        assert_eq!((tally.counts.unfinished, tally.open.len()), (5000, OPEN));
    }

    #[test]
    fn long_records_do_not_add_up() {
        let long = "x".repeat(900_000);
        let journal: Vec<_> = (0..100)
            .map(|at| json!({ "kind": "refusal", "why": format!("{at}{long}"), "value": long, "facts": { "a": long } }))
            .collect();
        let tally = Tally::new(1_000_000, None).read(records(&journal)).unwrap();
        assert_eq!(tally.events.len(), 100);
        assert!(tally.bytes < 1_000_000, "{}", tally.bytes);
    }

    #[test]
    fn reasons_and_days_are_bounded() {
        let journal: Vec<_> = (0..1000)
            .map(|at| {
                let time = format!("{:04}-01-02T03:04:05.000000Z", 1000 + at);
                json!({ "kind": "refusal", "why": at.to_string(), "time": time })
            })
            .collect();
        let tally = Tally::new(10, None).read(records(&journal)).unwrap();
        assert_eq!((tally.reasons.len(), tally.other_refusals), (REASONS, 1000 - REASONS as u64));
        assert_eq!(tally.days.len(), DAYS);
    }
}
