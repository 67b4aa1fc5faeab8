//! Telling what happens while it happens, on standard error: bars on a terminal, plain lines otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use portreeve::{Event, Level};
use serde_json::json;

use super::arguments::Common;
use super::show::{self, command_line, plain};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Results alone.
    Results,
    /// Warnings, and how far a pull is.
    Warnings,
    /// What happens.
    Normal,
    /// Everything, command lines included.
    Verbose,
}

impl Tone {
    /// As the options say it.
    pub(crate) fn of(common: &Common) -> Self {
        match common {
            Common { quiet: true, .. } => Self::Results,
            Common { verbose: true, .. } => Self::Verbose,
            Common { json: true, .. } => Self::Results,
            _ => Self::Normal,
        }
    }

    /// For a run in the foreground, whose standard error is the container's: less, where nobody sits before it.
    pub(crate) fn of_foreground(common: &Common) -> Self {
        match Self::of(common) {
            Self::Normal if !io::stderr().is_terminal() => Self::Warnings,
            tone => tone,
        }
    }
}

/// The most items of a pull that are told of, and the most warnings that are remembered.
const MOST: usize = 64;

/// Tells.
pub(crate) struct Teller {
    tone: Tone,
    json: bool,
    bars: Option<MultiProgress>,
    items: Mutex<BTreeMap<String, Item>>,
    /// What was warned of: a command of several calls says it once.
    warned: Mutex<BTreeSet<String>>,
}

/// One item of a pull.
struct Item {
    status: String,
    bar: Option<ProgressBar>,
}

impl Teller {
    pub(crate) fn new(tone: Tone, json: bool) -> Self {
        let bars = (tone > Tone::Results && !json && io::stderr().is_terminal()).then(MultiProgress::new);
        Self { tone, json, bars, items: Mutex::default(), warned: Mutex::default() }
    }

    /// Takes an event.
    pub(crate) fn hear(&self, event: &Event) {
        match event {
            Event::Command { from, argv, skipped: true } => self.left_out(from, argv),
            event if self.json => self.document(event),
            Event::Command { argv, .. } if self.tone == Tone::Verbose => self.say(&format!("+ {}", command_line(argv))),
            Event::Narration { from, level, message } => self.narrate(from, *level, message),
            Event::Progress { item, status, current, total } if self.tone > Tone::Results => {
                self.progress(item, status, *current, *total)
            }
            _ => {}
        }
    }

    /// Of a dry run, the command lines that were left out are the result.
    fn left_out(&self, from: &str, argv: &[String]) {
        let written = self.aside(|| match self.json {
            true => show::json(&json!({ "would_run": argv, "backend": from })),
            false => show::line(&command_line(argv)),
        });
        // The call goes on; a reader that went away is met again by what is written next.
        drop(written);
    }

    fn document(&self, event: &Event) {
        if let (Tone::Verbose, Ok(document)) = (self.tone, serde_json::to_string(event)) {
            self.say(&document);
        }
    }

    fn narrate(&self, from: &str, level: Level, message: &str) {
        let wanted = match level {
            Level::Detail => Tone::Verbose,
            Level::Info => Tone::Normal,
            Level::Warning => Tone::Warnings,
        };
        if self.tone >= wanted && (level != Level::Warning || self.is_news(message)) {
            let what = if level == Level::Warning { "warning: " } else { "" };
            self.say(&format!("{}: {what}{}", plain(from), plain(message)));
        }
    }

    fn is_news(&self, warning: &str) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.len() >= MOST || warned.insert(warning.to_owned())
    }

    fn progress(&self, item: &str, status: &str, current: Option<u64>, total: Option<u64>) {
        let mut items = self.items();
        if !items.contains_key(item) && items.len() >= MOST {
            return;
        }
        let known = items.entry(item.to_owned()).or_insert_with(|| Item { status: String::new(), bar: self.bar(item) });
        if let Some(bar) = &known.bar {
            advance(bar, status, current, total);
        } else if known.status != status {
            self.say(&format!("{}: {}", plain(item), plain(status)));
        }
        known.status = status.to_owned();
    }

    fn bar(&self, item: &str) -> Option<ProgressBar> {
        let bar = self.bars.as_ref()?.add(ProgressBar::new_spinner());
        bar.set_prefix(show::short(&plain(item)));
        Some(bar)
    }

    /// A line on standard error, above the bars.
    pub(crate) fn say(&self, text: &str) {
        // There is nowhere left to say that it could not be said.
        self.aside(|| drop(writeln!(io::stderr().lock(), "{text}")));
    }

    /// Writes something with the bars out of the way.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        for item in std::mem::take(&mut *self.items()).into_values() {
            if let Some(bar) = item.bar {
                bar.finish_and_clear();
            }
        }
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<String, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const COUNTED: &str = "{prefix:12} {bar:30} {bytes:>10}/{total_bytes:<10} {msg}";
const UNCOUNTED: &str = "{prefix:12} {spinner} {msg}";

fn advance(bar: &ProgressBar, status: &str, current: Option<u64>, total: Option<u64>) {
    if let (None, Some(_)) = (bar.length(), total) {
        bar.set_style(style(COUNTED));
    } else if bar.length().is_none() {
        bar.set_style(style(UNCOUNTED));
    }
    if let Some(total) = total {
        bar.set_length(total);
    }
    if let Some(current) = current {
        bar.set_position(current);
    }
    bar.set_message(plain(status).into_owned());
    bar.tick();
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(words: &[&str]) -> Common {
        Common {
            quiet: words.contains(&"quiet"),
            verbose: words.contains(&"verbose"),
            json: words.contains(&"json"),
            ..Common::default()
        }
    }

    #[test]
    fn json_and_quiet_tell_nothing_unless_asked() {
        assert_eq!(Tone::of(&common(&[])), Tone::Normal);
        assert_eq!(Tone::of(&common(&["quiet"])), Tone::Results);
        assert_eq!(Tone::of(&common(&["json"])), Tone::Results);
        assert_eq!(Tone::of(&common(&["json", "verbose"])), Tone::Verbose);
    }

    #[test]
    fn a_flood_of_items_is_bounded() {
        let teller = Teller::new(Tone::Warnings, false);
        for number in 0..10 * MOST {
            let event =
                Event::Progress { item: format!("layer{number}"), status: String::new(), current: None, total: None };
            teller.hear(&event);
        }
        assert_eq!(teller.items().len(), MOST);
    }

    #[test]
    fn the_templates_are_well_formed() {
        assert!(ProgressStyle::with_template(COUNTED).is_ok() && ProgressStyle::with_template(UNCOUNTED).is_ok());
    }
}
