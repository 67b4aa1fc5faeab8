//! One thing that the journal tells of, cut to what a page can show.

use jiff::Timestamp;

use crate::journal::{CallId, Effect, Kind, Record};

/// The longest text that is shown whole.
const TEXT: usize = 2048;
/// The most text of one command line.
const LINE: usize = 16 * 1024;
/// How many facts of a record are shown.
const FACTS: usize = 32;

/// One thing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Event {
    /// The number of its record.
    pub seq: u64,
    /// What the clock said.
    pub time: Timestamp,
    /// The call that it belongs to.
    pub call: Option<CallId>,
    /// The backend.
    pub backend: String,
    /// The command, by its name in the grants.
    pub command: String,
    /// The object that it is about.
    pub name: String,
    /// What it is.
    pub what: What,
}

/// What an event is.
#[derive(Debug)]
pub enum What {
    /// A command was permitted.
    Ran {
        /// What it does.
        effect: Option<Effect>,
        /// The program.
        program: String,
        /// The command line, as far as it is shown.
        argv: Vec<String>,
        /// How many more words it has.
        more: usize,
        /// How it ended, if it did.
        ending: Option<Ending>,
    },
    /// An ask was refused.
    Refused {
        /// The rule.
        rule: String,
        /// The slot.
        slot: String,
        /// The value.
        value: String,
        /// Why.
        why: String,
    },
    /// Anything else: a fault, something that the host looked at, a note.
    Said {
        /// Of which kind.
        kind: Kind,
        /// In words.
        why: String,
        /// What else is known.
        facts: Vec<(String, String)>,
    },
}

/// How a command ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ending {
    /// Its exit status.
    pub status: Option<i32>,
    /// How long it took, in microseconds.
    pub duration_us: Option<u64>,
    /// Why there is no status.
    pub why: String,
}

impl Ending {
    pub(super) fn of(record: &Record) -> Self {
        let why = cut(record.why.as_deref().unwrap_or_default());
        Self { status: record.status, duration_us: record.duration_us, why }
    }

    /// It was rendered and recorded, and not run.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.why == "dry run"
    }
}

impl Event {
    /// What a record tells; nothing where it only turns a page.
    pub(super) fn of(record: Record) -> Option<Self> {
        let text = |part: &Option<String>| cut(part.as_deref().unwrap_or_default());
        let what = match record.kind {
            Kind::Rotation | Kind::Outcome => return None,
            Kind::Intent => ran(&record),
            Kind::Refusal => What::Refused {
                rule: text(&record.rule),
                slot: text(&record.slot),
                value: text(&record.value),
                why: text(&record.why),
            },
            kind => What::Said { kind, why: text(&record.why), facts: facts(&record) },
        };
        let (backend, command, name) = (text(&record.backend), text(&record.command), text(&record.name));
        Some(Self { seq: record.seq.get(), time: record.time, call: record.call, backend, command, name, what })
    }

    pub(super) fn end(&mut self, with: Ending) {
        if let What::Ran { ending, .. } = &mut self.what {
            *ending = Some(with);
        }
    }

    /// How much text it holds.
    pub(super) fn bytes(&self) -> usize {
        let own = size_of::<Self>() + self.backend.len() + self.command.len() + self.name.len();
        own + match &self.what {
            What::Ran { program, argv, .. } => program.len() + argv.iter().map(|word| word.len() + 24).sum::<usize>(),
            What::Refused { rule, slot, value, why } => rule.len() + slot.len() + value.len() + why.len(),
            What::Said { why, facts, .. } => {
                why.len() + facts.iter().map(|(a, b)| a.len() + b.len() + 48).sum::<usize>()
            }
        }
    }
}

fn ran(record: &Record) -> What {
    let whole = record.argv.as_deref().unwrap_or_default();
    let mut left = LINE;
    let fits = |word: &&String| {
        let room = left > 0;
        left = left.saturating_sub(word.len().min(TEXT) + 8);
        room
    };
    let argv: Vec<String> = whole.iter().take_while(fits).map(|word| cut(word)).collect();
    let more = whole.len() - argv.len();
    let program = cut(record.program.as_deref().unwrap_or_default());
    What::Ran { effect: record.effect, program, argv, more, ending: None }
}

fn facts(record: &Record) -> Vec<(String, String)> {
    record.facts.iter().take(FACTS).map(|(name, value)| (cut(name), cut(value))).collect()
}

/// Text that can be shown; of a longer one its beginning, and how much is left out.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= TEXT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT);
    let start = text.get(..end).unwrap_or_default();
    format!("{start}… ({} more bytes stand in the journal)", text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters_and_says_so() {
        let text = "ä".repeat(2000);
        let short = cut(&text);
        assert!(short.ends_with("… (1952 more bytes stand in the journal)") && short.starts_with("ää"), "{short}");
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn a_long_command_line_says_how_many_words_are_left_out() {
        let argv = vec!["word".repeat(300); 100];
        let record =
            serde_json::json!({ "seq": 1, "time": "2026-01-02T03:04:05Z", "pid": 1, "kind": "intent", "argv": argv });
        let event = Event::of(serde_json::from_value(record).unwrap()).unwrap();
        let What::Ran { argv, more, .. } = &event.what else { panic!("{event:?}") };
        assert_eq!(argv.len() + more, 100);
        assert!(event.bytes() < LINE + 2 * TEXT && *more > 50);
    }
}
