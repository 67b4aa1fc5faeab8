//! Text of whatever origin in a page: escaped, and nothing in it is invisible or changes how the rest is read.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, PreEscaped, Render, html};

use crate::journal::steers;

/// Text that is not ours.
pub(super) struct Said<'a>(pub(super) &'a str);

impl Render for Said<'_> {
    fn render_to(&self, buffer: &mut String) {
        for letter in self.0.chars() {
            if steers(letter) {
                // Writing to a string can't fail; `\u{1b}` has nothing to escape.
                let _infallible = write!(buffer, "{}", letter.escape_unicode());
            } else {
                letter.encode_utf8(&mut [0; 4]).render_to(buffer);
            }
        }
    }
}

/// A command line, each word apart; one that a shell would split or change is quoted.
pub(super) fn argv(words: &[String], more: usize) -> Markup {
    html! {
        @for (index, word) in words.iter().enumerate() { @if index > 0 { " " } span.token { (quoted(word)) } }
        @if more > 0 { " " em { "… and " (more) " more words stand in the journal" } }
    }
}

pub(super) fn quoted(word: &str) -> Markup {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Said(word).render();
    }
    html! { "'" (Said(&word.replace('\'', r"'\''"))) "'" }
}

/// How long a command line is when it is shown.
pub(super) fn length(words: &[String]) -> usize {
    words.iter().map(|word| word.chars().count() + 1).sum()
}

/// 2026-11-22 20:43:18 UTC.
pub(super) fn moment(time: Timestamp) -> Markup {
    let at = time.to_zoned(TimeZone::UTC);
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (at.strftime("%Y-%m-%d %H:%M:%S")) " UTC" } }
}

/// 20:43:18.
pub(super) fn clock(time: Timestamp) -> Markup {
    let at = time.to_zoned(TimeZone::UTC);
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (at.strftime("%H:%M:%S")) } }
}

/// Sunday, 22 November 2026.
pub(super) fn day(date: Date) -> String {
    date.strftime("%A, %-d %B %Y").to_string()
}

/// The day of a moment (UTC).
pub(super) fn date(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// How long something took.
pub(super) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", us / 1_000_000, us / 100_000 % 10),
        _ => format!("{} min {} s", us / 60_000_000, us / 1_000_000 % 60),
    }
}

/// 1 234 567, with thin spaces that don't break.
pub(super) fn number(amount: u64) -> String {
    let digits = amount.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `2 runs`.
pub(super) fn counted(amount: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(amount), if amount == 1 { one } else { many })
}

/// The size of a file.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes / 100 % 10),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// A long digest that may break anywhere.
pub(super) fn digest(text: &str) -> Markup {
    html! { code.digest { (Said(text)) } }
}

/// What a command does: a word, a mark and a colour that say the same.
pub(super) fn effect(effect: &str) -> Markup {
    let (class, mark) = match effect {
        "create" => ("create", "+"),
        "change" => ("change", "±"),
        "remove" => ("remove", "−"),
        _ => ("read", "○"),
    };
    html! { span class={ "badge " (class) } { span.mark aria-hidden="true" { (mark) } (Said(effect)) } }
}

/// A label with a mark of its own.
pub(super) fn badge(class: &str, mark: &str, text: &str) -> Markup {
    html! { span class={ "badge " (class) } { span.mark aria-hidden="true" { (mark) } (Said(text)) } }
}

/// The style sheet of the page; it holds no `<`.
pub(super) const STYLE: PreEscaped<&str> = PreEscaped(include_str!("style.css"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_steers_nothing() {
        let text = Said("<b>&\"'\u{202e}\u{1b}[2J\n\u{200b}é").render().into_string();
        assert!(!text.contains(['<', '>', '"', '\u{202e}', '\u{1b}', '\n', '\u{200b}']), "{text}");
        assert!(
            text.contains("&lt;b&gt;&amp;&quot;") && text.contains(r"\u{202e}\u{1b}[2J\u{a}") && text.contains('é'),
            "{text}"
        );
    }

    #[test]
    fn words_that_a_shell_would_change_are_quoted() {
        let shown = |word: &str| quoted(word).into_string();
        assert_eq!(shown("--env=A=b"), "--env=A=b");
        assert_eq!(shown("a b"), "'a b'");
        assert_eq!(shown(""), "''");
        assert_eq!(shown("it's"), r"'it'\''s'");
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!([500, 81_400, 1_527_008, 83_000_000].map(duration), ["500 µs", "81 ms", "1.5 s", "1 min 23 s"]);
        assert_eq!([12, 81_400, 1_234_567].map(size), ["12 B", "81.4 kB", "1.2 MB"]);
    }
}
