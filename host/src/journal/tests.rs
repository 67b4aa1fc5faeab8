//! The journal as a whole: what it promises, and each way of breaking it.

mod mutations;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::state::StateDir;

struct Fixture {
    _temp: tempfile::TempDir,
    state: StateDir,
}

impl Fixture {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path().join("state")).unwrap();
        Self { _temp: temp, state }
    }

    /// A journal of `count` records, in segments of at most `segment_bytes`.
    fn filled(count: usize, segment_bytes: u64) -> Self {
        let fixture = Self::new();
        let journal = fixture.open(segment_bytes);
        for number in 0..count {
            note(&journal, &number.to_string());
        }
        fixture
    }

    fn open(&self, segment_bytes: u64) -> Journal {
        Journal::open(&self.state, quick().segment_bytes(segment_bytes)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.state.path().join("journal").join(name)
    }

    fn segment(&self, number: u32) -> PathBuf {
        self.path(&segment::file_name(number))
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        fs::read(self.segment(1)).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn put(&self, lines: &[Vec<u8>]) {
        fs::write(self.segment(1), lines.concat()).unwrap();
    }

    fn verify(&self) -> VerifyReport {
        Journal::verify(&self.state, None).unwrap()
    }

    fn findings(&self) -> Vec<(u64, FindingKind)> {
        self.verify().findings.into_iter().map(|finding| (finding.seq, finding.kind)).collect()
    }

    fn records(&self) -> Vec<Record> {
        Journal::read(&self.state, Filter::default()).unwrap().map(Result::unwrap).collect()
    }

    /// The records, whatever stands between them.
    fn genuine(&self) -> Vec<Record> {
        Journal::read(&self.state, Filter::default()).unwrap().filter_map(Result::ok).collect()
    }

    fn whys(&self) -> Vec<String> {
        self.records().into_iter().filter_map(|record| record.why).collect()
    }

    /// Puts back the head as it was before the last record.
    fn forget_last_head(&self, before: &[u8]) {
        fs::write(self.path("head"), before).unwrap();
    }
}

fn quick() -> JournalOptions {
    JournalOptions::default().durability(Durability::None)
}

fn note(journal: &Journal, why: &str) -> Seq {
    journal.append(&Entry { why: Some(why), ..Entry::new(Kind::Note) }).unwrap()
}

const BIG: u64 = 16 << 20;

#[test]
fn a_new_journal_is_clean_private_and_counts_from_one() {
    let fixture = Fixture::new();
    assert_eq!(fixture.verify().head.count, 0);
    let journal = fixture.open(BIG);
    assert!(fixture.verify().is_clean());
    assert_eq!(note(&journal, "first").get(), 1);
    assert_eq!(journal.head().unwrap(), fixture.verify().head);
    for name in ["head", "00000001.jsonl"] {
        assert_eq!(fixture.path(name).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn intents_without_an_outcome_are_told() {
    let fixture = Fixture::new();
    let journal = fixture.open(BIG);
    let entry = || Entry { command: Some("create"), effect: Some(Effect::Create), ..Entry::new(Kind::Note) };
    let first = journal.intent(entry()).unwrap();
    let second = journal.intent(entry()).unwrap();
    let end = journal.outcome(first, Entry { status: Some(0), ..entry() }).unwrap();
    journal.refusal(Entry { rule: Some("scope"), ..entry() }).unwrap();
    assert_eq!(fixture.verify().unfinished, [second.get()]);
    let records = fixture.records();
    assert_eq!((records[2].seq, records[2].intent, records[2].kind), (end, Some(first), Kind::Outcome));
    assert_eq!(records[3].decision(), Some(Decision::Refused));
}

#[test]
fn every_durability_writes_the_same_records() {
    for durability in [Durability::None, Durability::EffectsOnly, Durability::All] {
        let fixture = Fixture::new();
        let journal = Journal::open(&fixture.state, JournalOptions::default().durability(durability)).unwrap();
        journal.intent(Entry { effect: Some(Effect::Read), ..Entry::new(Kind::Note) }).unwrap();
        journal.intent(Entry { effect: Some(Effect::Remove), ..Entry::new(Kind::Note) }).unwrap();
        assert!(fixture.verify().is_clean());
        assert_eq!(fixture.verify().records, 2);
    }
}

#[test]
fn many_handles_and_threads_write_one_chain() {
    let fixture = Fixture::new();
    let highest = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (fixture, highest) = (&fixture, &highest);
            scope.spawn(move || {
                let journal = fixture.open(20_000);
                for number in 0..200 {
                    let seq = note(&journal, &format!("{writer} {number}"));
                    highest.fetch_max(seq.get() as usize, Ordering::Relaxed);
                    if number % 50 == 0 {
                        assert!(fixture.verify().is_clean(), "{:?}", fixture.findings());
                    }
                }
            });
        }
    });
    let report = fixture.verify();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert!(report.segments > 5 && report.records == report.head.count);
    assert!(report.head.count as usize >= highest.into_inner());
    let mut whys = fixture.whys();
    whys.sort();
    whys.dedup();
    assert_eq!(whys.len(), 4 * 200);
}

#[test]
fn rotation_carries_the_chain() {
    let fixture = Fixture::filled(50, 2000);
    let report = fixture.verify();
    assert!(report.is_clean() && report.segments > 4, "{report:?}");
    let records = fixture.records();
    assert!(records.iter().map(|record| record.seq.get()).eq(1..=report.head.count));
    let rotations = records.iter().filter(|record| record.kind == Kind::Rotation).count();
    assert_eq!(rotations as u32, report.segments - 1);
    for number in 1..report.segments {
        assert!(fixture.segment(number).metadata().unwrap().len() <= 2000 + 400);
    }
}

#[test]
fn a_prune_is_recorded_and_accepted() {
    let fixture = Fixture::filled(50, 2000);
    let before = fixture.verify();
    let journal = fixture.open(2000);
    let pruned = journal.prune(2).unwrap();
    assert_eq!(pruned as u32, before.segments - 2);
    let after = fixture.verify();
    assert!(after.is_clean(), "{:?}", after.findings);
    assert!(after.first > 1 && after.head.count > before.head.count);
    assert_eq!(fixture.records().last().unwrap().kind, Kind::Prune);
    assert_eq!(journal.prune(2).unwrap(), if after.segments > 2 { 1 } else { 0 });
    note(&journal, "on");
    assert!(fixture.verify().is_clean());
}

#[test]
fn a_prune_that_died_half_way_is_accepted_and_finished() {
    let fixture = Fixture::filled(50, 2000);
    let last = fixture.verify().segments - 2;
    let content = fs::read(fixture.segment(last)).unwrap();
    let journal = fixture.open(2000);
    journal.prune(2).unwrap();
    assert!(!fixture.segment(last).exists());
    fs::write(fixture.segment(last), content).unwrap();
    assert!(fixture.verify().is_clean(), "{:?}", fixture.findings());
    assert!(journal.prune(2).unwrap() >= 1);
    assert!(!fixture.segment(last).exists());
    assert!(fixture.verify().is_clean(), "{:?}", fixture.findings());
}

#[test]
fn deleting_a_segment_without_a_prune_is_found() {
    let fixture = Fixture::filled(50, 2000);
    fs::remove_file(fixture.segment(1)).unwrap();
    let report = fixture.verify();
    assert!(!report.is_intact());
    assert!(matches!(report.findings[..], [Finding { seq, kind: FindingKind::NotPruned, .. }] if seq == report.first));
    let fixture = Fixture::filled(50, 2000);
    fs::remove_file(fixture.segment(3)).unwrap();
    let found = fixture.findings();
    assert!(found.iter().any(|(_, kind)| matches!(kind, FindingKind::Removed { .. })), "{found:?}");
}

#[test]
fn a_kept_head_must_be_continued() {
    let fixture = Fixture::filled(5, BIG);
    let kept = fixture.verify().head;
    let compare = |kept| Journal::verify(&fixture.state, Some(kept)).unwrap();
    assert_eq!(compare(kept).kept, Some(KeptHead::Continues));
    note(&fixture.open(BIG), "more");
    assert_eq!(compare(kept).kept, Some(KeptHead::Continues));
    assert!(compare(kept).is_clean());
    for other in [Head { count: 4, ..kept }, Head { count: 99, ..kept }, Head { count: 0, ..kept }] {
        let report = compare(other);
        assert_eq!(report.kept, Some(KeptHead::Differs));
        assert!(!report.is_intact());
    }
}

#[test]
fn a_whole_journal_put_back_is_found_by_the_kept_head_alone() {
    let fixture = Fixture::filled(5, BIG);
    let old = [fs::read(fixture.path("head")).unwrap(), fs::read(fixture.segment(1)).unwrap()];
    let journal = fixture.open(BIG);
    note(&journal, "what someone wants to hide");
    let kept = journal.head().unwrap();
    fs::write(fixture.path("head"), &old[0]).unwrap();
    fs::write(fixture.segment(1), &old[1]).unwrap();
    assert!(fixture.verify().is_clean());
    let report = Journal::verify(&fixture.state, Some(kept)).unwrap();
    assert_eq!((report.kept, report.is_intact()), (Some(KeptHead::Differs), false));
}

#[test]
fn a_pruned_head_can_not_be_compared() {
    let fixture = Fixture::filled(5, BIG);
    let kept = fixture.verify().head;
    let journal = fixture.open(2000);
    for _ in 0..50 {
        note(&journal, "x");
    }
    journal.prune(1).unwrap();
    let report = Journal::verify(&fixture.state, Some(kept)).unwrap();
    assert_eq!((report.kept, report.is_clean()), (Some(KeptHead::Pruned), true));
}

#[test]
fn a_torn_record_is_a_crash_and_is_repaired_with_a_note() {
    let fixture = Fixture::filled(3, BIG);
    let before = fs::read(fixture.path("head")).unwrap();
    note(&fixture.open(BIG), "the one that is torn");
    let whole = fs::read(fixture.segment(1)).unwrap();
    let start = fixture.lines()[..3].concat().len();
    for end in start + 1..whole.len() {
        fs::write(fixture.segment(1), &whole[..end]).unwrap();
        fixture.forget_last_head(&before);
        assert_eq!(fixture.findings(), [(4, FindingKind::Torn)]);
        assert!(fixture.verify().is_intact());
    }
    let journal = fixture.open(BIG);
    assert_eq!(note(&journal, "after").get(), 5);
    let report = fixture.verify();
    assert!(report.is_clean() && report.repairs == 1, "{report:?}");
    assert!(fixture.whys()[3].starts_with("a torn record of"));
}

#[test]
fn a_head_one_behind_is_a_crash_and_its_record_stays() {
    for segment_bytes in [BIG, 1200] {
        let fixture = Fixture::filled(3, segment_bytes);
        let journal = fixture.open(segment_bytes);
        for number in 0..20 {
            let before = fs::read(fixture.path("head")).unwrap();
            note(&journal, &format!("kept {number}"));
            if fixture.records().iter().rev().nth(1).unwrap().kind == Kind::Rotation {
                continue;
            }
            fixture.forget_last_head(&before);
            let report = fixture.verify();
            assert!(report.is_intact() && !report.is_clean(), "{report:?}");
            note(&journal, "after");
            assert!(fixture.verify().is_clean(), "{:?}", fixture.findings());
            assert!(fixture.whys().contains(&format!("kept {number}")));
        }
    }
}

#[test]
fn a_slot_that_is_spoilt_does_not_hide_a_cut() {
    for slot in [0, 512] {
        let fixture = Fixture::filled(6, BIG);
        let mut head = fs::read(fixture.path("head")).unwrap();
        head[slot] ^= 1;
        fs::write(fixture.path("head"), &head).unwrap();
        fixture.put(&fixture.lines()[..5]);
        let report = fixture.verify();
        assert!(!report.is_intact(), "{report:?}");
        note(&fixture.open(BIG), "on");
        assert!(!fixture.verify().is_intact(), "{:?}", fixture.findings());
    }
}

#[test]
fn an_older_head_put_back_is_no_crash() {
    let fixture = Fixture::filled(3, BIG);
    let before = fs::read(fixture.path("head")).unwrap();
    let journal = fixture.open(BIG);
    note(&journal, "one");
    note(&journal, "two");
    fixture.forget_last_head(&before);
    assert_eq!(fixture.findings(), [(4, FindingKind::HeadBehind { records: 2 })]);
    assert!(!fixture.verify().is_intact());
    note(&journal, "three");
    assert_eq!(fixture.whys()[3..5], ["one", "two"]);
    assert!(matches!(fixture.findings()[..], [(6, FindingKind::Recorded { .. })]));
}

#[test]
fn what_is_cut_off_stays_visible_when_the_journal_goes_on() {
    for keep in [0, 2, 4] {
        let fixture = Fixture::filled(5, BIG);
        fixture.put(&fixture.lines()[..keep]);
        let first = keep as u64 + 1;
        assert_eq!(fixture.findings(), [(first, FindingKind::Cut { to: 5 })]);
        note(&fixture.open(BIG), "on");
        let report = fixture.verify();
        assert!(!report.is_intact() && report.head.count == 7, "{report:?}");
        assert!(fixture.genuine().iter().any(|record| record.kind == Kind::Damage));
    }
}

#[test]
fn a_deleted_segment_or_head_is_told_when_the_journal_goes_on() {
    let fixture = Fixture::filled(5, BIG);
    let journal = fixture.open(BIG);
    fs::remove_file(fixture.path("head")).unwrap();
    assert!(!fixture.verify().is_intact());
    assert_eq!(note(&journal, "on").get(), 7);
    assert!(matches!(fixture.findings()[..], [(6, FindingKind::Recorded { .. })]));
    fs::remove_file(fixture.segment(1)).unwrap();
    assert!(!fixture.verify().is_intact());
    assert_eq!(note(&journal, "on").get(), 9);
    assert!(!fixture.verify().is_intact());
}

/// What another boot wrote may be lost in a power cut, but for what was waited for.
#[test]
fn a_journal_that_is_gone_as_a_whole_is_missed() {
    for folder in [true, false] {
        let fixture = Fixture::filled(3, u64::MAX);
        match folder {
            true => fs::remove_dir_all(fixture.path("")).unwrap(),
            false => ["head", "00000001.jsonl"].iter().for_each(|name| fs::remove_file(fixture.path(name)).unwrap()),
        }
        assert_eq!(fixture.findings(), [(1, FindingKind::Gone)]);
        assert!(!fixture.verify().is_intact());
        note(&fixture.open(u64::MAX), "later");
        let report = fixture.verify();
        assert!(!report.is_intact(), "{report:?}");
        assert!(matches!(fixture.findings()[..], [(1, FindingKind::Recorded { .. })]), "{report:?}");
    }
    assert_eq!(Fixture::new().findings(), [], "there never was one");
}

#[test]
fn a_power_cut_is_no_damage_unless_it_took_what_was_waited_for() {
    for (durability, intact) in [(Durability::None, true), (Durability::All, false)] {
        let fixture = Fixture::new();
        let journal = Journal::open(&fixture.state, quick().durability(durability)).unwrap();
        journal.pen().genesis.boot ^= 1;
        for number in 0..5 {
            note(&journal, &number.to_string());
        }
        fixture.put(&fixture.lines()[..2]);
        let lost = if intact { FindingKind::PowerCut { to: 5 } } else { FindingKind::Cut { to: 5 } };
        assert_eq!(fixture.findings(), [(3, lost)]);
        assert_eq!(fixture.verify().is_intact(), intact);
        note(&fixture.open(BIG), "on");
        assert_eq!(fixture.verify().is_intact(), intact, "{:?}", fixture.findings());
        assert!(!fixture.verify().is_clean());
    }
}

#[test]
fn after_a_power_cut_the_head_may_be_far_behind() {
    let fixture = Fixture::filled(2, BIG);
    let journal = fixture.open(BIG);
    journal.pen().genesis.boot ^= 1;
    note(&journal, "before");
    let before = fs::read(fixture.path("head")).unwrap();
    for _ in 0..5 {
        note(&journal, "kept");
    }
    fixture.forget_last_head(&before);
    assert_eq!(fixture.findings(), [(4, FindingKind::HeadBehind { records: 5 })]);
    assert!(fixture.verify().is_intact());
    note(&fixture.open(BIG), "on");
    assert!(fixture.verify().is_clean(), "{:?}", fixture.findings());
    assert_eq!(fixture.records().len(), 10);
}

#[test]
fn foreign_lines_are_left_where_they_stand() {
    let fixture = Fixture::filled(3, BIG);
    let journal = fixture.open(BIG);
    let mut content = fs::read(fixture.segment(1)).unwrap();
    content.extend_from_slice(b"{\"seq\":4}\nand no newline");
    fs::write(fixture.segment(1), &content).unwrap();
    assert_eq!(fixture.findings(), [(4, FindingKind::Inserted { lines: 2 })]);
    note(&journal, "on");
    assert!(fs::read(fixture.segment(1)).unwrap().starts_with(&content));
    let found = fixture.findings();
    assert_eq!(found[0], (4, FindingKind::Inserted { lines: 2 }));
    let read: Vec<_> = Journal::read(&fixture.state, Filter::default()).unwrap().collect();
    assert_eq!(read.iter().filter(|record| record.is_err()).count(), 2);
    assert_eq!(read.iter().filter(|record| record.is_ok()).count(), 5);
}

#[test]
fn a_journal_of_another_install_is_not_ours() {
    let (ours, theirs) = (Fixture::filled(3, BIG), Fixture::filled(3, BIG));
    for name in ["head", "00000001.jsonl"] {
        fs::copy(theirs.path(name), ours.path(name)).unwrap();
    }
    assert!(!ours.verify().is_intact());
    assert_eq!(ours.verify().records, 0);
}

#[test]
fn renamed_segments_are_found() {
    let fixture = Fixture::filled(50, 2000);
    let last = fixture.verify().segments;
    fs::rename(fixture.segment(last), fixture.segment(last + 3)).unwrap();
    assert!(!fixture.verify().is_intact());
    fs::rename(fixture.segment(last + 3), fixture.segment(last)).unwrap();
    fs::rename(fixture.segment(2), fixture.path("x")).unwrap();
    fs::rename(fixture.segment(3), fixture.segment(2)).unwrap();
    fs::rename(fixture.path("x"), fixture.segment(3)).unwrap();
    assert!(!fixture.verify().is_intact());
}

fn later() -> jiff::Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn earlier() -> jiff::Timestamp {
    "1999-01-01T00:00:00Z".parse().unwrap()
}

/// Years back, over a rotation, an unfinished intent and a torn record.
#[test]
fn a_clock_that_goes_backwards_is_recorded_as_it_is() {
    let fixture = Fixture::new();
    let journal = fixture.open(2_000);
    journal.pen().clock = later;
    let intent = journal.intent(Entry::new(Kind::Intent)).unwrap();
    journal.pen().clock = earlier;
    journal.outcome(intent, Entry::new(Kind::Outcome)).unwrap();
    for number in 0..12 {
        note(&journal, &number.to_string());
    }
    drop(journal);
    let last = segment::list(&fixture.state.area(crate::state::Area::Journal).unwrap()).unwrap().pop().unwrap();
    assert!(last > 1, "nothing was rotated");
    fs::OpenOptions::new().append(true).open(fixture.segment(last)).unwrap().write_all(b"{\"seq\":9").unwrap();
    let journal = fixture.open(2_000);
    journal.pen().clock = earlier;
    note(&journal, "on");
    let report = fixture.verify();
    assert!(report.is_clean() && report.unfinished.is_empty(), "{report:?}");
    let records = fixture.records();
    assert!(records.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert_eq!((records[0].time, records[1].time), (later(), earlier()));
    let since = Filter { since: Some(later()), ..Filter::default() };
    let late: Vec<_> = Journal::read(&fixture.state, since).unwrap().map(|record| record.unwrap().kind).collect();
    assert_eq!(late.first(), Some(&Kind::Intent));
    let until = Filter { until: "2000-01-01T00:00:00Z".parse().ok(), ..Filter::default() };
    assert!(Journal::read(&fixture.state, until).unwrap().count() >= 13);
}

#[test]
fn a_filter_shows_what_it_admits() {
    let fixture = Fixture::new();
    let journal = fixture.open(BIG);
    for (backend, name) in [("podman", "a"), ("podman", "b"), ("docker", "a")] {
        let entry = Entry { backend: Some(backend), name: Some(name), ..Entry::new(Kind::Note) };
        journal.intent(entry.clone()).unwrap();
        journal.refusal(entry).unwrap();
    }
    let count = |filter| Journal::read(&fixture.state, filter).unwrap().count();
    let podman = Filter { backend: Some("podman".to_owned()), ..Filter::default() };
    assert_eq!(count(podman.clone()), 4);
    assert_eq!(count(Filter { name: Some("a".to_owned()), ..podman.clone() }), 2);
    assert_eq!(count(Filter { decision: Some(Decision::Refused), ..podman }), 2);
    assert_eq!(count(Filter { until: Some(jiff::Timestamp::UNIX_EPOCH), ..Filter::default() }), 0);
}

#[test]
fn a_reader_follows() {
    let fixture = Fixture::new();
    let journal = fixture.open(900);
    let mut reader = Journal::read(&fixture.state, Filter::default()).unwrap();
    assert!(reader.next().is_none());
    let mut seen = 0;
    for number in 0..20 {
        note(&journal, &number.to_string());
        seen += reader.by_ref().map(Result::unwrap).filter(|record| record.kind == Kind::Note).count();
        assert_eq!(seen, number + 1);
    }
}

#[test]
fn a_record_too_long_leaves_nothing() {
    let fixture = Fixture::filled(2, BIG);
    let journal = fixture.open(BIG);
    let long = "\u{1b}".repeat(MAX_RECORD / 4);
    let error = journal.append(&Entry { why: Some(&long), ..Entry::new(Kind::Note) }).unwrap_err();
    assert!(matches!(error, JournalError::TooLong { .. }), "{error}");
    assert_eq!(note(&journal, "on").get(), 3);
    assert!(fixture.verify().is_clean());
}

#[test]
fn a_state_directory_that_is_gone_ends_appending() {
    let fixture = Fixture::filled(2, BIG);
    let journal = fixture.open(BIG);
    fs::remove_dir_all(fixture.path("")).unwrap();
    journal.append(&Entry::new(Kind::Note)).unwrap_err();
}

/// A key that was exchanged would begin a second chain in the middle of the first, without a word.
#[test]
fn a_journal_that_another_key_wrote_is_not_gone_on_with() {
    let fixture = Fixture::filled(3, BIG);
    let (written, key) = (fs::read(fixture.segment(1)).unwrap(), fixture.state.path().join("key"));
    let own = fs::read(&key).unwrap();
    let mut other = own.clone();
    other[0] ^= 1;
    fs::write(&key, other).unwrap();
    let exchanged = StateDir::open(fixture.state.path()).unwrap();
    let opened = Journal::open(&exchanged, quick());
    let error = opened.and_then(|journal| journal.append(&Entry::new(Kind::Note))).unwrap_err();
    assert!(error.to_string().contains("put the key back"), "{error}");
    fs::write(&key, own).unwrap();
    assert_eq!(fs::read(fixture.segment(1)).unwrap(), written);
    assert!(fixture.verify().is_clean());
}
