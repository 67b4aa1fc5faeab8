//! What a verification found, in words an auditor can use.

use std::fmt;

use serde::Serialize;

use super::chain::Head;

/// How many findings a report keeps; the rest are counted.
const KEPT_FINDINGS: usize = 1000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A process died or the power went: nothing that was promised is missing. The next append repairs it.
    Crash,
    /// Someone or something changed the journal.
    Damage,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
#[non_exhaustive]
pub enum FindingKind {
    /// This install had a journal, and there is none.
    Gone,
    /// The last record was cut short while it was written.
    Torn,
    /// Records stand behind the end that the head knows.
    HeadBehind {
        /// How many.
        records: u64,
    },
    /// One slot of the head can't be read.
    HeadSlotTorn,
    /// There is no readable head.
    HeadLost,
    /// Both slots of the head say the same, as this install never writes them: one was put over the other.
    HeadTurnedBack,
    /// The head doesn't fit the record that it names.
    HeadDiffers,
    /// Records up to `to` were lost in a power cut, and were never waited for.
    PowerCut {
        /// The last of them.
        to: u64,
    },
    /// Records up to `to` are not as they were written.
    Edited {
        /// The last of them.
        to: u64,
    },
    /// Records up to `to` are missing.
    Removed {
        /// The last of them.
        to: u64,
    },
    /// Records up to `to` are missing from the end.
    Cut {
        /// The last of them.
        to: u64,
    },
    /// A record stands where another belongs, or twice.
    OutOfPlace,
    /// A record is genuine, but doesn't follow the one before it.
    Forked,
    /// Lines that this install didn't write stand before the record.
    Inserted {
        /// How many.
        lines: u64,
    },
    /// The first records are gone, and no `prune` says so.
    NotPruned,
    /// A segment file has another number than its records say.
    Renamed {
        /// The segment's number.
        segment: u32,
    },
    /// The record tells of damage that an append met.
    Recorded {
        /// What it says.
        why: String,
    },
    /// The journal doesn't continue the head that was kept elsewhere.
    NotKept {
        /// The head that was kept.
        kept: String,
    },
}

/// One thing that is wrong, and the first record that it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The number of the record.
    pub seq: u64,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    #[serde(flatten)]
    pub kind: FindingKind,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, kind, severity } = self;
        match kind {
            FindingKind::Gone => {
                write!(f, "the journal of this install is gone, from record {seq} on, with its head")
            }
            FindingKind::Torn => write!(f, "record {seq} was cut short by a crash"),
            FindingKind::HeadBehind { records } => {
                write!(f, "the head is {records} behind: it doesn't know record {seq}")
            }
            FindingKind::HeadSlotTorn => {
                let cut = if *severity == Severity::Crash { "" } else { ": one after it may have been cut off" };
                write!(f, "one slot of the head is unreadable; the other ends at record {seq}{cut}")
            }
            FindingKind::HeadLost => write!(f, "the head is gone or unreadable: records after {seq} may be missing"),
            FindingKind::HeadTurnedBack => {
                write!(f, "the head was turned back to record {seq}: one after it may have been cut off")
            }
            FindingKind::HeadDiffers => write!(f, "the head doesn't fit record {seq}"),
            FindingKind::PowerCut { to } => write!(f, "{} lost in a power cut", records(*seq, *to)),
            FindingKind::Edited { to } => write!(f, "{} edited", records(*seq, *to)),
            FindingKind::Removed { to } => write!(f, "{} removed", records(*seq, *to)),
            FindingKind::Cut { to } => write!(f, "{} cut off the end", records(*seq, *to)),
            FindingKind::OutOfPlace => write!(f, "record {seq} stands out of its place, or twice"),
            FindingKind::Forked => write!(f, "record {seq} doesn't follow the one before it"),
            FindingKind::Inserted { lines } => write!(f, "{lines} line(s) before record {seq} are not this install's"),
            FindingKind::NotPruned => write!(f, "the records before {seq} are gone, and no prune is recorded"),
            FindingKind::Renamed { segment } => write!(f, "segment {segment}, from record {seq}, bears a wrong number"),
            FindingKind::Recorded { why } => write!(f, "record {seq} tells of damage: {why}"),
            FindingKind::NotKept { kept } => write!(f, "record {seq} is not the one of the head that was kept: {kept}"),
        }
    }
}

fn records(from: u64, to: u64) -> String {
    if from == to { format!("record {from} was") } else { format!("records {from} to {to} were") }
}

/// How the journal compares with a head that was kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptHead {
    /// It continues it.
    Continues,
    /// The record of that head was pruned, so nothing can be said.
    Pruned,
    /// It doesn't.
    Differs,
}

/// What a verification saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// How many genuine records there are.
    pub records: u64,
    /// In how many segments.
    pub segments: u32,
    /// The number of the first record that is still there; over 1 when older ones were pruned.
    pub first: u64,
    /// The head as the records give it: keep it elsewhere.
    #[serde(serialize_with = "as_text")]
    pub head: Head,
    /// Traces of crashes that were repaired and noted.
    pub repairs: u64,
    /// Intents without an outcome, the first few thousand: what ran, or was about to, when a process died.
    pub unfinished: Vec<u64>,
    /// What is wrong, in the order in which it was met.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub more_findings: u64,
    /// How it compares with the head that was kept elsewhere, if one was given.
    pub kept: Option<KeptHead>,
    /// Whether anything is worse than a crash.
    damaged: bool,
}

fn as_text<S: serde::Serializer>(head: &Head, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(head)
}

impl VerifyReport {
    pub(super) fn new(head: Head) -> Self {
        Self {
            records: 0,
            segments: 0,
            first: 1,
            head,
            repairs: 0,
            unfinished: Vec::new(),
            findings: Vec::new(),
            more_findings: 0,
            kept: None,
            damaged: false,
        }
    }

    /// Whether nobody changed the journal: no finding is worse than a crash.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        !self.damaged
    }

    /// Whether there is nothing at all to report.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn crash(&mut self, seq: u64, kind: FindingKind) {
        self.push(Finding { seq, severity: Severity::Crash, kind });
    }

    pub(super) fn damage(&mut self, seq: u64, kind: FindingKind) {
        self.damaged = true;
        self.push(Finding { seq, severity: Severity::Damage, kind });
    }

    fn push(&mut self, finding: Finding) {
        match self.findings.len() < KEPT_FINDINGS {
            true => self.findings.push(finding),
            false => self.more_findings += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::Anchor;
    use super::*;
    use crate::state::{InstallId, InstallKey};

    fn report() -> VerifyReport {
        VerifyReport::new(Anchor::genesis(&InstallId::of(&InstallKey::from_bytes([0; 32])), 0).head)
    }

    #[test]
    fn a_crash_is_not_damage() {
        let mut report = report();
        assert!(report.is_clean());
        report.crash(3, FindingKind::Torn);
        assert!(report.is_intact() && !report.is_clean());
        report.damage(2, FindingKind::Edited { to: 2 });
        assert!(!report.is_intact());
    }

    #[test]
    fn findings_are_bounded_but_counted() {
        let mut report = report();
        (0..KEPT_FINDINGS as u64 + 5).for_each(|seq| report.crash(seq, FindingKind::Torn));
        report.damage(1, FindingKind::Forked);
        assert_eq!((report.findings.len(), report.more_findings, report.is_intact()), (KEPT_FINDINGS, 6, false));
    }

    #[test]
    fn a_finding_reads_as_a_sentence_and_as_json() {
        let finding = Finding { seq: 4, severity: Severity::Damage, kind: FindingKind::Removed { to: 6 } };
        assert_eq!(finding.to_string(), "records 4 to 6 were removed");
        let json = serde_json::to_string(&finding).unwrap();
        assert_eq!(json, r#"{"seq":4,"severity":"damage","what":"removed","to":6}"#);
    }
}
