//! Words that are escaped for a URL or for JSON, read as what they stand for.

use regex_automata::{Anchored, Input};

use super::matcher::fits;
use super::rule::{Reader, Rule};

/// Longest word that is read so.
const MAX_WORD: usize = 2048;
/// Shorter words hold no token.
const MIN_WORD: usize = 12;

/// Where what a rule's expression matches at `at` ends, if the word there has escapes in it.
pub(crate) fn end(rule: &Rule, whole: bool, text: &[u8], at: usize) -> Option<usize> {
    let Reader::Expression { keep, .. } = &rule.reader else { return None };
    let word = word_at(text, at);
    if !keep.is_empty() || word.len() < MIN_WORD || memchr::memchr2(b'%', b'\\', word).is_none() {
        return None;
    }
    let (plain, ends) = unescape(word);
    let hit = rule.regex()?.search(&Input::new(&plain).anchored(Anchored::Yes))?;
    let end = at + ends.get(hit.end().checked_sub(1)?)?;
    let known = rule.except.iter().any(|known| plain.get(hit.range()) == Some(known.as_bytes()));
    (fits(&plain, hit.start(), hit.end(), whole) && !known).then_some(end)
}

fn word_at(text: &[u8], at: usize) -> &[u8] {
    let rest = text.get(at..text.len().min(at + MAX_WORD)).unwrap_or_default();
    let ends = |byte: &u8| !byte.is_ascii_graphic() || b"\"'`<>".contains(byte);
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    rest.get(..length).unwrap_or_default()
}

/// A word without its escapes, and for each of its bytes where what stands for it ends.
fn unescape(word: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut plain, mut ends) = (Vec::with_capacity(word.len()), Vec::with_capacity(word.len()));
    let mut at = 0;
    while let Some(&first) = word.get(at) {
        let (byte, length) = escape(word.get(at..).unwrap_or_default()).unwrap_or((first, 1));
        at += length;
        plain.push(byte);
        ends.push(at);
    }
    (plain, ends)
}

/// `%2B`, `\/`, `\u002b`, `\\u002b`.
fn escape(rest: &[u8]) -> Option<(u8, usize)> {
    let (digits, before) = match rest {
        [b'%', b'2', b'5', tail @ ..] => (tail, 3),
        [b'%', tail @ ..] => (tail, 1),
        [b'\\', b'/', ..] => return Some((b'/', 2)),
        [b'\\', b'u', b'0', b'0', tail @ ..] => (tail, 4),
        [b'\\', b'\\', b'u', b'0', b'0', tail @ ..] => (tail, 5),
        _ => return None,
    };
    let pair = std::str::from_utf8(digits.get(..2)?).ok()?;
    let byte = u8::from_str_radix(pair, 16).ok().filter(u8::is_ascii_graphic)?;
    Some((byte, before + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_and_their_ends_kept() {
        let word = br"a%2Bb\/c\u003dd%zz\n";
        let (plain, ends) = unescape(word);
        assert_eq!(plain, br"a+b/c=d%zz\n");
        assert_eq!(ends.get(..7), Some([1, 4, 5, 7, 8, 14, 15].as_slice()));
        assert_eq!(ends.last(), Some(&word.len()));
    }
}
