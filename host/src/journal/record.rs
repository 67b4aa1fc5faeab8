//! One record: what goes in, the line that it becomes, what comes out.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::chain::{Hashing, LineHash, Seals};
use super::{JournalError, MAX_RECORD};
use crate::owner::ObjectKind;
use crate::state::{from_hex, push_hex, random, to_hex};

/// The number of a record, from 1. Only a record that stands in the journal has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub(super) u64);

impl Seq {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A random name for one call, so that its records can be found together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CallId([u8; 8]);

impl CallId {
    /// A new one.
    ///
    /// # Errors
    /// When the kernel has no randomness.
    pub fn random() -> io::Result<Self> {
        random().map(Self)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl From<CallId> for String {
    fn from(id: CallId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for CallId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        from_hex(text.as_bytes()).map(Self).ok_or("not a call's name: it should be 16 hexadecimal digits")
    }
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A command was permitted and is about to run.
    Intent,
    /// How a permitted command ended.
    Outcome,
    /// An ask was refused.
    Refusal,
    /// The host looked for itself: a digest, an owner.
    Verification,
    /// A backend trapped, lied or ran out of its limits.
    Fault,
    /// The last record of a segment.
    Rotation,
    /// Older segments are about to be deleted.
    Prune,
    /// The trace of a crash was repaired, or something else that a reader should know.
    Note,
    /// An append met something that no crash explains.
    Damage,
    /// A kind that a newer version wrote.
    #[serde(other)]
    Other,
}

/// What a command does to the engine's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing.
    Read,
    /// Makes an object.
    Create,
    /// Changes one.
    Change,
    /// Takes one away.
    Remove,
}

impl From<crate::grants::Effect> for Effect {
    fn from(effect: crate::grants::Effect) -> Self {
        use crate::grants::Effect as Granted;
        match effect {
            Granted::Read => Self::Read,
            Granted::Create => Self::Create,
            Granted::Change => Self::Change,
            Granted::Remove => Self::Remove,
        }
    }
}

/// How an ask was decided: what `journal show` filters by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Intents and outcomes.
    Permitted,
    /// Refusals.
    Refused,
    /// Faults of a backend.
    Faulted,
}

/// What is to be recorded. Free of secrets; `seq`, `time`, `pid`, `prev` and `mac` are the journal's.
///
/// Start from [`Entry::new`] and set what is known.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are those of `Record`, which documents them")]
pub struct Entry<'a> {
    pub kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_map")]
    pub facts: &'a [(&'a str, &'a str)],
}

fn as_map<S: Serializer>(facts: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().copied())
}

impl<'a> Entry<'a> {
    /// An entry of which nothing but its kind is known.
    #[must_use]
    pub const fn new(kind: Kind) -> Entry<'a> {
        Entry {
            kind,
            intent: None,
            call: None,
            backend: None,
            plugin: None,
            command: None,
            effect: None,
            object: None,
            name: None,
            id: None,
            nonce: None,
            program: None,
            argv: None,
            endpoint: None,
            status: None,
            duration_us: None,
            rule: None,
            slot: None,
            value: None,
            why: None,
            facts: &[],
        }
    }
}

/// A [`Kind::Note`] of which nothing is known; [`Journal::intent`](super::Journal::intent) and its like set the kind.
impl Default for Entry<'_> {
    fn default() -> Self {
        Self::new(Kind::Note)
    }
}

/// One record, as it stands in the journal. Fields that a newer version adds are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Its number, from 1; the order of the journal.
    pub seq: Seq,
    /// What the clock said, in UTC, to the microsecond; may go backwards.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub time: Timestamp,
    /// The process that wrote it.
    pub pid: u32,
    /// What it is about.
    pub kind: Kind,
    /// Of an outcome: the intent that it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Seq>,
    /// The call that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The backend that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The digest of its component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The approved command, by its name in the grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What the command does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// The kind of object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectKind>,
    /// The object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The object's ID, as the host saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The nonce of the owner label of what is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The absolute path of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The whole command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// The engine's endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The exit status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// How long it took, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// Of a refusal: the rule that refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Of a refusal: the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// Of a refusal: the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The reason, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whatever else is known, by name: an image's digest, the segment that follows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

impl Record {
    /// How the ask was decided; `None` for a record that is about no ask.
    #[must_use]
    pub const fn decision(&self) -> Option<Decision> {
        match self.kind {
            Kind::Intent | Kind::Outcome => Some(Decision::Permitted),
            Kind::Refusal => Some(Decision::Refused),
            Kind::Fault => Some(Decision::Faulted),
            Kind::Verification | Kind::Rotation | Kind::Prune | Kind::Note | Kind::Damage | Kind::Other => None,
        }
    }
}

const CLOCK: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

fn write_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&CLOCK.timestamp_to_string(time))
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// What the journal itself adds to an entry.
pub(super) struct Stamp {
    pub(super) seq: u64,
    pub(super) prev: LineHash,
    pub(super) time: Timestamp,
    pub(super) pid: u32,
}

/// Between the body, which the MAC covers, and the MAC.
const MAC_KEY: &[u8] = b",\"mac\":\"";
const MAC_DIGITS: usize = 64;
const MAC_END: &[u8] = b"\"}";
const MAC_BYTES: usize = MAC_KEY.len() + MAC_DIGITS + MAC_END.len();

/// Writes the line of an entry, newline included, into an emptied buffer; returns the line's hash.
pub(super) fn write_line(
    line: &mut Vec<u8>,
    seals: &Seals,
    stamp: &Stamp,
    entry: &Entry<'_>,
) -> Result<LineHash, JournalError> {
    line.clear();
    write_body(line, stamp, entry).map_err(super::io_error("write a record of"))?;
    let body = line.len();
    let hashing = Hashing::body(line);
    let mac = seals.record(hashing.so_far());
    line.extend_from_slice(MAC_KEY);
    push_hex(line, &mac);
    line.extend_from_slice(MAC_END);
    if line.len() >= MAX_RECORD {
        return Err(JournalError::TooLong { bytes: line.len(), limit: MAX_RECORD });
    }
    let hash = hashing.finish(line.get(body..).unwrap_or_default());
    line.push(b'\n');
    Ok(hash)
}

fn write_body(line: &mut Vec<u8>, stamp: &Stamp, entry: &Entry<'_>) -> io::Result<()> {
    let time = CLOCK.timestamp_to_string(&stamp.time);
    write!(line, r#"{{"v":1,"seq":{},"time":"{time}","pid":{}"#, stamp.seq, stamp.pid)?;
    let joint = line.len();
    entry.serialize(&mut serde_json::Serializer::with_formatter(&mut *line, Harmless))?;
    // The entry's own braces give way: it goes on where the stamp ended.
    if let Some(brace) = line.get_mut(joint) {
        *brace = b',';
    }
    line.pop();
    line.extend_from_slice(b",\"prev\":\"");
    stamp.prev.push_to(line);
    line.push(b'"');
    Ok(())
}

/// The hash of a line (without its newline), if this install wrote it: if its MAC holds.
pub(super) fn open_line(line: &[u8], seals: &Seals) -> Option<LineHash> {
    let (body, rest) = line.split_at_checked(line.len().checked_sub(MAC_BYTES)?)?;
    let mac = from_hex(rest.strip_prefix(MAC_KEY)?.strip_suffix(MAC_END)?)?;
    let hashing = Hashing::body(body);
    seals.is_record(hashing.so_far(), &mac).then(|| hashing.finish(rest))
}

/// JSON escapes the C0 controls; this escapes whatever else could steer a terminal or turn a line around.
struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        fragment.chars().try_for_each(|letter| write_char(writer, letter))
    }
}

fn write_char<W: ?Sized + Write>(writer: &mut W, letter: char) -> io::Result<()> {
    match steers(letter) {
        true => write!(writer, "\\u{:04x}", u32::from(letter)),
        false => write!(writer, "{letter}"),
    }
}

/// Controls, and the marks of direction, line and format of Unicode's general punctuation; all below U+10000.
pub(crate) fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::InstallKey;
    use proptest::prelude::*;

    fn seals() -> Seals {
        Seals::of(&InstallKey::from_bytes([5; 32]))
    }

    fn line(entry: &Entry<'_>) -> Vec<u8> {
        let time = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        let stamp = Stamp { seq: 12, prev: LineHash::of(b""), time, pid: 34 };
        let mut line = vec![b'x'; 3];
        write_line(&mut line, &seals(), &stamp, entry).unwrap();
        assert_eq!(line.pop(), Some(b'\n'));
        line
    }

    fn read(line: &[u8]) -> Record {
        assert_eq!(open_line(line, &seals()), Some(LineHash::of(line)));
        serde_json::from_slice(line).unwrap()
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let argv = ["podman".to_owned(), "rm".to_owned(), "a\u{1b}[31m\n".to_owned()];
        let entry = Entry {
            call: Some(CallId([1; 8])),
            backend: Some("podman"),
            effect: Some(Effect::Remove),
            object: Some(ObjectKind::Container),
            argv: Some(&argv),
            status: Some(-1),
            facts: &[("digest", "sha256:…")],
            ..Entry::new(Kind::Intent)
        };
        let text = String::from_utf8(line(&entry)).unwrap();
        assert!(
            text.starts_with(r#"{"v":1,"seq":12,"time":"2026-01-02T03:04:05.000006Z","pid":34,"kind":"intent","#),
            "{text}"
        );
        let record = read(text.as_bytes());
        assert_eq!((record.seq, record.pid, record.effect), (Seq(12), 34, Some(Effect::Remove)));
        assert_eq!(record.argv.as_deref(), Some(argv.as_slice()));
        assert_eq!(record.facts.get("digest").map(String::as_str), Some("sha256:…"));
        assert_eq!(record.call.unwrap().to_string(), "0101010101010101");
        assert_eq!(serde_json::from_str::<Record>(&serde_json::to_string(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn a_record_too_long_is_refused() {
        let long = "x".repeat(MAX_RECORD);
        let stamp = Stamp { seq: 1, prev: LineHash::of(b""), time: Timestamp::UNIX_EPOCH, pid: 1 };
        let entry = Entry { why: Some(&long), ..Entry::new(Kind::Note) };
        let error = write_line(&mut Vec::new(), &seals(), &stamp, &entry).unwrap_err();
        assert!(matches!(error, JournalError::TooLong { .. }), "{error}");
    }

    #[test]
    fn each_kind_has_its_decision() {
        let decision = |kind| read(&line(&Entry::new(kind))).decision();
        assert_eq!(decision(Kind::Outcome), Some(Decision::Permitted));
        assert_eq!(decision(Kind::Refusal), Some(Decision::Refused));
        assert_eq!(decision(Kind::Fault), Some(Decision::Faulted));
        assert_eq!(decision(Kind::Note), None);
    }

    #[test]
    fn a_kind_of_a_newer_version_is_read() {
        assert_eq!(serde_json::from_str::<Kind>("\"sealed\"").unwrap(), Kind::Other);
    }

    proptest! {
        #[test]
        fn any_text_goes_there_and_back_on_one_harmless_line(why in any::<String>(), name in "[\\PC\\pC]{0,20}") {
            let line = line(&Entry { why: Some(&why), name: Some(&name), ..Entry::new(Kind::Refusal) });
            prop_assert!(!std::str::from_utf8(&line).unwrap().chars().any(steers));
            let record = read(&line);
            prop_assert_eq!(record.why, Some(why));
            prop_assert_eq!(record.name, Some(name));
        }

        #[test]
        fn any_changed_byte_is_noticed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut line = line(&Entry { why: Some("because"), ..Entry::new(Kind::Refusal) });
            let at = at.index(line.len());
            line[at] ^= 1 << bit;
            prop_assert_eq!(open_line(&line, &seals()), None);
        }

        #[test]
        fn any_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(open_line(&bytes, &seals()), None);
        }
    }
}
