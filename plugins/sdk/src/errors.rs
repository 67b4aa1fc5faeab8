//! From an engine's words to the kinds of errors.

use crate::{EngineFailure, Error, Extension, engine::Output};

/// What a phrase in an engine's error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Error::NotFound`].
    NotFound,
    /// [`Error::Conflict`].
    Conflict,
    /// [`Error::Digest`].
    Digest,
    /// [`Error::Unauthorised`].
    Unauthorised,
    /// [`Error::Unavailable`].
    Unavailable,
    /// A host port that is taken.
    PortInUse,
    /// The engine's storage is full.
    NoSpace,
    /// A GPU that can't be had.
    Gpu,
    /// [`Error::Unsupported`].
    Unsupported,
    /// [`Error::Invalid`].
    Invalid,
    /// [`Error::Engine`]: it looks like one of the others, and is none.
    Other,
}

/// A piece of what an engine says when it fails, in lower case, and its meaning.
///
/// A table of them is read from its beginning: the first phrase that is found decides, so the more exact one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// What is looked for.
    pub text: &'static str,
    /// What it means.
    pub kind: Kind,
}

macro_rules! constructors {
    ($($name:ident, $kind:ident;)*) => {
        impl Phrase {
            $(
                #[doc = concat!("A phrase that means [`Kind::", stringify!($kind), "`].")]
                #[must_use]
                pub const fn $name(text: &'static str) -> Self {
                    Self { text, kind: Kind::$kind }
                }
            )*
        }
    };
}

constructors! {
    not_found, NotFound;
    conflict, Conflict;
    digest, Digest;
    unauthorised, Unauthorised;
    unavailable, Unavailable;
    port_in_use, PortInUse;
    no_space, NoSpace;
    gpu, Gpu;
    unsupported, Unsupported;
    invalid, Invalid;
    other, Other;
}

/// The error of a command that ended with a failure, by the last of its standard error.
#[must_use]
pub fn classify(phrases: &[Phrase], output: &Output) -> Error {
    let message = closing_words(&output.stderr);
    let text = message.to_ascii_lowercase();
    let phrase = phrases.iter().find(|phrase| text.contains(phrase.text));
    match phrase.map_or(Kind::Other, |phrase| phrase.kind) {
        Kind::NotFound => Error::NotFound(message),
        Kind::Conflict => Error::Conflict(message),
        Kind::Digest => Error::Digest(message),
        Kind::Unauthorised => Error::Unauthorised(message),
        Kind::Unavailable => Error::Unavailable(message),
        Kind::PortInUse => extension("port-in-use", message),
        Kind::NoSpace => extension("no-space", message),
        Kind::Gpu => extension("gpu", message),
        Kind::Unsupported => Error::Unsupported(message),
        Kind::Invalid => Error::Invalid(message),
        Kind::Other => Error::Engine(EngineFailure { status: output.status, message }),
    }
}

/// A kind of error that the interface names by a word.
fn extension(name: &str, value: String) -> Error {
    Error::Extension(Extension { name: name.into(), value })
}

/// How many lines an error keeps.
const LINES: usize = 3;

/// How many characters an error keeps of each line.
const WIDTH: usize = 600;

/// The last lines of a standard error that say something: at most 3, cut at 600 characters each.
#[must_use]
pub fn closing_words(stderr: &str) -> String {
    let mut lines: Vec<String> =
        stderr.lines().rev().filter(|line| says_something(line)).take(LINES).map(cut).collect();
    lines.reverse();
    lines.join("\n")
}

fn says_something(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("See '") && !line.starts_with("Run '")
}

fn cut(line: &str) -> String {
    line.trim().chars().take(WIDTH).collect()
}

/// A line of an engine's own log without its dress: `time="…" level=warning msg="it is late"` says `it is late`.
#[must_use]
pub fn undressed(line: &str) -> String {
    let line = line.trim();
    match line.split_once(" level=").and_then(|(_, rest)| rest.split_once(" msg=")) {
        Some((_, message)) => unquoted(message).replace("\\\"", "\""),
        None => line.into(),
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The text of an error, for a finding.
pub(crate) fn text(error: &Error) -> String {
    match error {
        Error::NotFound(text)
        | Error::Conflict(text)
        | Error::Digest(text)
        | Error::Unauthorised(text)
        | Error::Unavailable(text)
        | Error::Unsupported(text)
        | Error::Invalid(text)
        | Error::Timeout(text) => text.clone(),
        Error::Engine(failure) => format!("{} (status {})", failure.message, failure.status),
        Error::Refused(_) => "the host refused to look".into(),
        Error::Cancelled => "cancelled".into(),
        Error::Extension(extension) => extension.value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASES: &[Phrase] = &[Phrase::not_found("no such thing"), Phrase::conflict("thing")];

    fn failed(stderr: &str) -> Output {
        Output { status: 125, stdout: String::new(), stderr: stderr.into(), truncated: false }
    }

    #[test]
    fn the_first_phrase_of_the_table_decides() {
        let error = classify(PHRASES, &failed("Error: No such THING\n"));
        assert_eq!(error, Error::NotFound("Error: No such THING".into()));
        let error = classify(PHRASES, &failed("Error: thing taken"));
        assert_eq!(error, Error::Conflict("Error: thing taken".into()));
    }

    #[test]
    fn what_no_phrase_knows_is_the_engines_failure() {
        let error = classify(PHRASES, &failed("Error: out of cheese"));
        assert_eq!(error, Error::Engine(EngineFailure { status: 125, message: "Error: out of cheese".into() }));
    }

    #[test]
    fn early_lines_and_advice_do_not_count() {
        let stderr = "no such thing\na\nb\nc\n\nSee 'docker run --help'.\n";
        assert_eq!(closing_words(stderr), "a\nb\nc");
        assert!(matches!(classify(PHRASES, &failed(stderr)), Error::Engine(_)));
    }

    #[test]
    fn a_line_of_a_log_is_undressed() {
        let line = r#"time="2026-11-22T16:00:43Z" level=warning msg="\"/\" is not a shared mount""#;
        assert_eq!(undressed(line), "\"/\" is not a shared mount");
        assert_eq!(undressed(r#"time="x" level=warning msg="no \"a\"""#), "no \"a\"");
        assert_eq!(undressed("time=x level=info msg=word"), "word");
        assert_eq!(undressed(" plain msg=x "), "plain msg=x");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(closing_words(&"é".repeat(10_000)).chars().count(), WIDTH);
    }
}
