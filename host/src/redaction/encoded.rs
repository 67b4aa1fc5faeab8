//! Reading base64 and hexadecimal: of either alphabet or case, folded into lines, with separators, escaped once more.

use super::walker::{Form, MAX_LINE_PREFIX, Walk, better, hex_pair, starts, starts_folded};

/// Most separators and blanks between two hexadecimal pairs.
const MAX_SEPARATORS: usize = 6;

/// Reads letters of base64 at `at`.
pub(crate) fn base64(needle: &[u8], text: &[u8], at: usize) -> Walk {
    let mut end = at;
    for (read, &letter) in needle.iter().enumerate() {
        if read > 0 {
            match fold_length(text.get(end..).unwrap_or_default(), needle.get(read..).unwrap_or_default()) {
                Some(length) => end += length,
                None => return Walk::Partial,
            }
        }
        let rest = text.get(end..).unwrap_or_default();
        match base64_letter(letter, rest) {
            Form::Length(length) => end += length,
            Form::Ragged => return Walk::Partial,
            Form::Other => return Walk::No,
        }
    }
    Walk::Match(end)
}

/// The length of a line's end within folded base64, with the indentation of the next line, or with what a log puts before
/// it: up to the blank behind which the needle goes on. Nothing if that is still to come.
fn fold_length(rest: &[u8], needle: &[u8]) -> Option<usize> {
    let length = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        [b'\\', b'r', b'\\', b'n', ..] => 4,
        [b'\\', b'n', ..] => 2,
        _ => return Some(0),
    };
    let line = rest.get(length..).unwrap_or_default();
    let blank = |byte: &u8| b" \t".contains(byte);
    let indented = line.iter().take(MAX_LINE_PREFIX).take_while(|byte| blank(byte)).count();
    let prefix = line.iter().take(MAX_LINE_PREFIX).take_while(|&&byte| byte != b'\n').count();
    let goes_on = |at: &usize| goes_on(line.get(*at..).unwrap_or_default(), needle);
    let after = line.iter().take(prefix).enumerate().filter(|(_, byte)| blank(byte)).map(|(at, _)| at + 1);
    match [indented].into_iter().chain(after).find(goes_on) {
        Some(at) => Some(length + at),
        None if prefix == line.len() => None,
        None => Some(length + indented),
    }
}

/// Whether the next letters of a needle stand at the start of a text, as far as either goes.
fn goes_on(text: &[u8], needle: &[u8]) -> bool {
    let alike = |(byte, letter): (&u8, &u8)| byte == letter || !letter.is_ascii_alphanumeric();
    !text.is_empty() && text.iter().zip(needle).take(4).all(alike)
}

/// One letter of base64, of either alphabet, as it is or escaped for a URL or for JSON.
fn base64_letter(letter: u8, rest: &[u8]) -> Form {
    let Some(&first) = rest.first() else { return Form::Ragged };
    if first == letter {
        return Form::Length(1);
    }
    let (other, escaped): (u8, &[&str]) = match letter {
        b'+' => (b'-', &["%2b", "\\u002b", "\\\\u002b", "&#43;"]),
        b'/' => (b'_', &["%2f", "\\/", "\\u002f", "&#47;"]),
        b'=' => (b'=', &["%3d", "\\u003d", "\\\\u003d", "&#61;"]),
        _ if first == b'\\' => return starts(b"\\n", rest.get(..1).unwrap_or_default()).ragged_only(rest.len() == 1),
        _ if first == b'\r' => return Form::Other.or_ragged(rest.len() == 1),
        _ => return Form::Other,
    };
    if first == other {
        return Form::Length(1);
    }
    escaped.iter().map(|form| starts_folded(form, rest)).fold(Form::Other, better)
}

impl Form {
    fn or_ragged(self, ragged: bool) -> Self {
        if ragged { Self::Ragged } else { self }
    }

    fn ragged_only(self, at_end: bool) -> Self {
        if at_end && self != Self::Other { Self::Ragged } else { Self::Other }
    }
}

/// Reads pairs of hexadecimal digits at `at`.
pub(crate) fn hex(needle: &[u8], text: &[u8], at: usize) -> Walk {
    let mut end = at;
    for (read, &byte) in needle.iter().enumerate() {
        if read > 0 {
            end += separator_length(text.get(end..).unwrap_or_default());
        }
        match hex_pair(byte, text.get(end..).unwrap_or_default()) {
            Form::Length(length) => end += length,
            Form::Ragged => return Walk::Partial,
            Form::Other if end >= text.len() || is_prefix_of_pair(text.get(end..).unwrap_or_default()) => {
                return Walk::Partial;
            }
            Form::Other => return Walk::No,
        }
    }
    Walk::Match(end)
}

/// Whether what is left could be the beginning of `0x` or `\x`.
fn is_prefix_of_pair(rest: &[u8]) -> bool {
    matches!(rest, b"\\" | b"\\\\" | b"0")
}

/// The length of what stands between two hexadecimal pairs: blanks, `:`, `-`, `,`, and then `0x`, `\x` or `%`.
fn separator_length(rest: &[u8]) -> usize {
    let plain = rest.iter().take(MAX_SEPARATORS).take_while(|byte| b" :-,\t\r\n._".contains(byte)).count();
    let tail = rest.get(plain..).unwrap_or_default();
    let slashes = tail.iter().take(4).take_while(|&&byte| byte == b'\\').count();
    plain
        + match tail.get(slashes..).unwrap_or_default() {
            [b'0', b'x' | b'X', ..] if slashes == 0 => 2,
            [b'%', ..] if slashes == 0 => 1,
            [b'x' | b'X', ..] if slashes > 0 => slashes + 1,
            [b'n', ..] if slashes > 0 => slashes + 1,
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hexadecimal_with_separators() {
        for text in [
            "70407373",
            "70:40:73:73",
            "70 40 73 73",
            "70, 0x40, 0x73, 0x73",
            "70\\x40\\x73\\x73",
            "7040 7373",
            "70-40-73-73",
            "70\n40\n73\n73",
        ] {
            assert_eq!(hex(b"p@ss", text.as_bytes(), 0), Walk::Match(text.len()), "{text}");
        }
        assert_eq!(hex(b"p@ss", b"70:40:7", 0), Walk::Partial);
        assert_eq!(hex(b"p@ss", b"70:41:73:73", 0), Walk::No);
    }

    #[test]
    fn reads_base64_of_both_alphabets_folded_and_escaped() {
        for text in [
            "ab+/cd==",
            "ab-_cd==",
            "ab%2B%2fcd%3D%3d",
            "ab+\\/cd==",
            "ab+/\ncd==",
            "ab+/\r\n  cd==",
            "ab\\u002b/cd=\\u003d",
        ] {
            assert_eq!(base64(b"ab+/cd==", text.as_bytes(), 0), Walk::Match(text.len()), "{text}");
        }
    }
}
