//! Where values end: at a quote, a tag, a sign, or with the word or the line that they are in.

use super::super::names::MAX_NAME;
use super::cursor::MAX_BLANKS;
use super::in_name;

/// Longest value that is read: more than a stream holds back at once, so that one which goes on is seen to.
const MAX_VALUE: usize = 128 * 1024;
/// Longest text of an element, or part of a connection string, that is read to its own end.
const MAX_ELEMENT: usize = 512;

/// Whether a name that begins at `at` is that of an element of XML, with a namespace or without.
pub(super) fn is_tag(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(24)..at).unwrap_or_default();
    let before = before.strip_suffix(b":").map_or(before, |before| {
        before.get(..before.len() - before.iter().rev().take_while(|byte| in_name(byte)).count()).unwrap_or_default()
    });
    before.ends_with(b"<")
}

/// Where the text of an element ends that begins at `start`: at its closing tag on the same line.
pub(super) fn element_end(text: &[u8], name: usize, start: usize) -> Option<usize> {
    if !is_tag(text, name) || text.get(start.checked_sub(1)?) == Some(&b'"') {
        return None;
    }
    let rest = text.get(start..text.len().min(start + MAX_ELEMENT))?;
    let line = rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len()))?;
    let closing =
        [b"</".as_slice(), b"]]>", b"<\\/"].into_iter().filter_map(|tag| memchr::memmem::find(line, tag)).min()?;
    Some(start + closing)
}

/// Where a value ends that is a part of something with ends of its own: of a connection string.
pub(super) fn outer_end(text: &[u8], name: usize, start: usize) -> Option<usize> {
    let before = name.checked_sub(1).and_then(|at| text.get(at))?;
    let rest = text.get(start..text.len().min(start + MAX_ELEMENT))?;
    (*before == b';').then_some(())?;
    let length = rest.iter().position(|byte| byte.is_ascii_whitespace() || b";\"'\\".contains(byte));
    Some(start + length.unwrap_or(rest.len()))
}

/// A quote, and how many backslashes stand before it.
#[derive(Clone, Copy)]
pub(super) struct Quote {
    pub(super) sign: u8,
    pub(super) slashes: usize,
}

/// The quote that opens just before `at`.
pub(super) fn quote_before(text: &[u8], at: usize) -> Option<Quote> {
    let sign = *text.get(at.checked_sub(1)?)?;
    let before = text.get(at.saturating_sub(9)..at - 1).unwrap_or_default();
    let slashes = before.iter().rev().take_while(|&&byte| byte == b'\\').count();
    matches!(sign, b'"' | b'\'').then_some(Quote { sign, slashes })
}

/// Whether the string that opens at `at` is the value of something, as a line of a log is of `"log":`: what it begins with
/// is but a part of it then. An element of a list, such as one of an environment, is one assignment from end to end.
pub(super) fn is_text(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(MAX_BLANKS)..at).unwrap_or_default().trim_ascii_end();
    before.last().is_some_and(|byte| b":=".contains(byte))
}

/// Where a value in quotes ends: at the first like quote with no more backslashes than the opening one has, but for those
/// that are the value's own, in pairs.
pub(super) fn quoted_end(text: &[u8], start: usize, quote: Quote) -> Option<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(MAX_VALUE)).unwrap_or_default();
    let mut from = 0;
    while let Some(found) = memchr::memchr2(quote.sign, b'\n', rest.get(from..).unwrap_or_default()) {
        let at = from + found;
        if rest.get(at) == Some(&b'\n') {
            return None;
        }
        let slashes = rest.get(..at).unwrap_or_default().iter().rev().take_while(|&&byte| byte == b'\\').count();
        if slashes <= quote.slashes || slashes % (2 * (quote.slashes + 1)) == quote.slashes {
            return Some(start + at - slashes.min(quote.slashes));
        }
        from = at + 1;
    }
    None
}

/// Whether a name begins a line or a word of a shell, so that its value may hold any sign but a blank.
pub(super) fn begins_word(text: &[u8], at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| text.get(before)) {
        None => true,
        Some(byte) => byte.is_ascii_whitespace(),
    }
}

/// Whether a name begins a line of YAML, so that its value is all of that line up to a blank.
pub(super) fn fills_line(text: &[u8], name: (usize, usize)) -> bool {
    let before = text.get(name.0.saturating_sub(MAX_BLANKS)..name.0).unwrap_or_default();
    let indent = before.iter().rev().take_while(|byte| b" -".contains(byte)).count();
    let begins = before.len().checked_sub(indent + 1).and_then(|at| before.get(at)).is_none_or(|&byte| byte == b'\n');
    begins && text.get(name.1..).is_some_and(|rest| rest.starts_with(b": ") || rest.starts_with(b" = "))
}

/// Where a value without quotes ends.
pub(super) fn bare_end(text: &[u8], start: usize, env: bool) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(MAX_VALUE)).unwrap_or_default();
    let ends = |at: usize, byte: u8| {
        let after = rest.get(at + 1..).unwrap_or_default();
        match byte {
            0..=b' ' | 0x7F => true,
            b'"' | b'`' => !env || ends_word(after) || after.first().is_some_and(|byte| b",}])".contains(byte)),
            b'|' if is_number(rest, at) => false,
            b'\'' | b'<' | b'>' | b'|' => !env || ends_word(after),
            b')' | b']' | b'}' => {
                !env || ends_word(after) || after.first().is_some_and(|byte| b",;:\"'".contains(byte))
            }
            b'&' | b';' | b',' => !env || begins_pair(after),
            b'\\' => matches!(after.first(), Some(b'n' | b'r' | b't' | b'"' | b'\'' | b'\\' | b'u' | b'x')),
            b'%' => after.starts_with(b"26") && begins_pair(after.get(2..).unwrap_or_default()),
            b':' => after.first().is_none_or(u8::is_ascii_whitespace),
            _ => false,
        }
    };
    let length = rest.iter().enumerate().find(|&(at, &byte)| ends(at, byte)).map_or(rest.len(), |(at, _)| at);
    start + length
}

/// Where a value ends that a full stop, or its like, follows.
pub(super) fn before_stops(text: &[u8], start: usize, end: usize) -> usize {
    let value = text.get(start..end).unwrap_or_default();
    end - value.iter().rev().take_while(|byte| b".,;:!?".contains(byte)).count()
}

/// Whether nothing follows, or a blank, be it escaped.
fn ends_word(rest: &[u8]) -> bool {
    matches!(rest, [] | [b'\\', b'n' | b'r' | b't', ..]) || rest.first().is_some_and(u8::is_ascii_whitespace)
}

/// Whether the first bytes are the number of an application, as stands before the `|` of some tokens.
fn is_number(rest: &[u8], length: usize) -> bool {
    (15..=16).contains(&length) && rest.iter().take(length).all(u8::is_ascii_digit)
}

/// Whether `name=` follows, or a blank.
fn begins_pair(rest: &[u8]) -> bool {
    let name = rest.iter().take(MAX_NAME).take_while(|byte| in_name(byte) || **byte == b' ').count();
    ends_word(rest) || (name > 0 && matches!(rest.get(name), Some(b'=' | b':')))
}
