//! Any change of any byte, line or order is found, and named by number.

use std::fs;

use proptest::prelude::*;

use super::*;

/// Whether the findings tell of this number.
fn covers(found: &[(u64, FindingKind)], seq: u64) -> bool {
    found.iter().any(|(from, kind)| match kind {
        FindingKind::Edited { to } | FindingKind::Removed { to } | FindingKind::Cut { to } => {
            (*from..=*to).contains(&seq)
        }
        FindingKind::NotPruned => seq < *from,
        _ => *from == seq,
    })
}

#[test]
fn an_emptied_segment_is_found_and_the_journal_goes_on() {
    let fixture = Fixture::filled(6, BIG);
    fs::write(fixture.segment(1), "").unwrap();
    assert!((1..=6).all(|seq| covers(&fixture.findings(), seq)), "{:?}", fixture.findings());
    note(&fixture.open(BIG), "on");
    assert!((1..=6).all(|seq| covers(&fixture.findings(), seq)), "{:?}", fixture.findings());
    assert!(fixture.genuine().iter().any(|record| record.why.as_deref() == Some("on")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changed_byte_is_found_and_named(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let fixture = Fixture::filled(6, BIG);
        let mut content = fs::read(fixture.segment(1)).unwrap();
        let at = at.index(content.len());
        prop_assume!(content[at] != to);
        let seq = content[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        content[at] = to;
        fs::write(fixture.segment(1), &content).unwrap();
        prop_assert!(!fixture.verify().is_intact());
        prop_assert!(covers(&fixture.findings(), seq), "{seq}: {:?}", fixture.findings());
    }

    #[test]
    fn any_changed_byte_of_the_head_is_found(at in 0usize..1024, bit in 0u8..8) {
        let fixture = Fixture::filled(6, BIG);
        let mut content = fs::read(fixture.path("head")).unwrap();
        content[at] ^= 1 << bit;
        fs::write(fixture.path("head"), &content).unwrap();
        prop_assert!(!fixture.verify().is_clean());
        // The newer slot may have been torn by a crash, with its record; the older one can't.
        let intact = fixture.verify().is_intact();
        note(&fixture.open(BIG), "on");
        prop_assert_eq!(fixture.verify().is_clean(), intact);
        prop_assert_eq!(fixture.verify().is_intact(), intact);
    }

    #[test]
    fn any_removed_lines_are_found_and_named(from in 0usize..6, count in 1usize..6) {
        let fixture = Fixture::filled(6, BIG);
        let mut lines = fixture.lines();
        let to = (from + count).min(lines.len());
        lines.drain(from..to);
        fixture.put(&lines);
        prop_assert!(!fixture.verify().is_intact());
        for seq in from + 1..=to {
            prop_assert!(covers(&fixture.findings(), seq as u64), "{seq}: {:?}", fixture.findings());
        }
    }

    #[test]
    fn any_other_order_is_found(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()) {
        prop_assume!(!order.is_sorted());
        let fixture = Fixture::filled(6, BIG);
        let lines = fixture.lines();
        fixture.put(&order.iter().map(|at| lines[*at].clone()).collect::<Vec<_>>());
        prop_assert!(!fixture.verify().is_intact());
    }

    #[test]
    fn any_repeated_line_is_found(which in 0usize..6, at in 0usize..=6) {
        let fixture = Fixture::filled(6, BIG);
        let mut lines = fixture.lines();
        lines.insert(at, lines[which].clone());
        fixture.put(&lines);
        prop_assert!(!fixture.verify().is_intact());
    }

    #[test]
    fn any_truncation_is_found_and_the_journal_goes_on(length in any::<prop::sample::Index>()) {
        let fixture = Fixture::filled(6, BIG);
        let content = fs::read(fixture.segment(1)).unwrap();
        let length = length.index(content.len());
        fs::write(fixture.segment(1), &content[..length]).unwrap();
        let seq = content[..length].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        prop_assert!(!fixture.verify().is_intact());
        prop_assert!(covers(&fixture.findings(), seq), "{seq}: {:?}", fixture.findings());
        note(&fixture.open(BIG), "on");
        // Cut just before its newline, a record is whole again once there is one.
        let whole = fixture.genuine().iter().any(|record| record.seq.get() == seq && record.why != Some("on".to_owned()));
        prop_assert!(!fixture.verify().is_intact());
        prop_assert!(whole || covers(&fixture.findings(), seq), "{seq}: {:?}", fixture.findings());
    }

    #[test]
    fn any_bytes_as_a_journal_are_survived(content in prop::collection::vec(any::<u8>(), 0..400), head in prop::collection::vec(any::<u8>(), 0..40)) {
        let fixture = Fixture::filled(1, BIG);
        fs::write(fixture.segment(1), &content).unwrap();
        fs::write(fixture.path("head"), &head).unwrap();
        prop_assert!(!fixture.verify().is_intact());
        note(&fixture.open(BIG), "on");
        prop_assert!(!fixture.verify().is_intact());
        prop_assert!(fixture.genuine().iter().any(|record| record.why.as_deref() == Some("on")));
    }
}
