//! Text that has not come to its end: up to where it can be let go when input pauses.

use super::matcher::Matcher;
use super::values;

/// Longest word, or text in quotes, at the end of unfinished text that is held back.
const MAX_WORD: usize = 4096;

/// Up to where unfinished text can be let go: not into a last word that may be the beginning of a secret, be it by its
/// looks or by a name that stands before it on the line.
pub(crate) fn certain(buffer: &[u8], from: usize, matcher: &Matcher) -> usize {
    let first = from.max(buffer.len().saturating_sub(MAX_WORD));
    by_looks(buffer, first, matcher).min(by_name(buffer, first, matcher))
}

/// Where the last word begins, up to a blank.
pub(crate) fn last_word(buffer: &[u8], first: usize) -> usize {
    let tail = buffer.get(first..).unwrap_or_default();
    first + tail.iter().rposition(u8::is_ascii_whitespace).map_or(0, |blank| blank + 1)
}

fn by_looks(buffer: &[u8], first: usize, matcher: &Matcher) -> usize {
    let tail = buffer.get(first..).unwrap_or_default();
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`,;=()[]{}<>".contains(byte);
    let word_at = tail.iter().rposition(ends).map_or(0, |blank| blank + 1);
    let word = tail.get(word_at..).unwrap_or_default();
    let prompt = word.last().is_none_or(|byte| b":>$#?%".contains(byte));
    let mixed = word.len() >= 5 && word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic);
    let hold = !prompt
        && (mixed
            || values::is_random(word)
            || matcher.may_begin_in(word)
            || tail.get(..word_at).is_some_and(|text| text.ends_with(b"=")));
    if hold { first + word_at } else { buffer.len() }
}

/// A secret may be as short as its first letter when the line names it. A prompt is let go: nothing but signs follows the
/// name, or a blank ends it.
fn by_name(buffer: &[u8], first: usize, matcher: &Matcher) -> usize {
    let line = memchr::memrchr(b'\n', buffer).map_or(0, |at| at + 1);
    let begun = |name: usize| {
        let value = buffer.get(name..).unwrap_or_default();
        !value.iter().all(|byte| byte.is_ascii_whitespace() || b":=\"'`\\".contains(byte))
    };
    if !matcher.name_in(buffer, line).is_some_and(begun) {
        return buffer.len();
    }
    let quote = open_quote(buffer.get(line..).unwrap_or_default()).map(|at| line + at + 1);
    last_word(buffer, first).min(quote.unwrap_or(usize::MAX)).max(first)
}

/// The quote that the last string of a line opens with, if nothing closes it: one behind as many backslashes. An apostrophe
/// within a word is none. One right behind a sign opens a value, also where it seems to close what stands before.
fn open_quote(line: &[u8]) -> Option<usize> {
    let (mut open, mut stated, mut last, mut slashes) = (None, None, b' ', 0);
    for (at, &byte) in line.iter().enumerate() {
        if byte == b'\\' {
            slashes += 1;
            continue;
        }
        let quote = b"\"'`".contains(&byte);
        if quote && b"=:".contains(&last) {
            stated = Some((at, (byte, slashes)));
        } else if stated.is_some_and(|(_, sign)| quote && (byte, slashes) == sign) {
            stated = None;
        }
        match open {
            Some((_, sign)) if quote && (byte, slashes) == sign => open = None,
            None if quote && (byte == b'"' || !last.is_ascii_alphanumeric()) => open = Some((at, (byte, slashes))),
            _ => {}
        }
        (last, slashes) = (byte, 0);
    }
    [open, stated].into_iter().flatten().map(|(at, _)| at).min()
}

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};
    use super::*;

    fn paused(redactor: &Redactor, text: &str, cut: usize) -> (String, String) {
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        stream.push(&text.as_bytes()[..cut], &mut out);
        stream.idle(&mut out);
        let early = String::from_utf8(out.clone()).unwrap();
        stream.push(&text.as_bytes()[cut..], &mut out);
        stream.finish(&mut out);
        (early, String::from_utf8(out).unwrap())
    }

    #[test]
    fn no_head_of_a_named_secret_leaves_when_input_pauses() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        for (before, secret, after) in [
            ("{\"log\":\"aws_secret_access_key = ", "wJalrXUtnFEMIK7MDENGbPxRfiCYzzEXAMPLEKEY", "\\n\"}\n"),
            ("https://bob:", "hunter2", "@x.example.com/\n"),
            ("password: ", "abcdef", "\n"),
            ("\"password\": \"", "hunter2", "\",\n"),
            ("\"password\": \"", "correct horse", "\",\n"),
            ("password='", "correct horse", "'\n"),
            ("+ /app --db-password ", "hunter2", " --p 1\n"),
            ("DB_PASSWORD=", "hunter2", "\n"),
            ("  - name: DB_PASSWORD\n    value: ", "hunter2", "\n"),
            ("{\"name\":\"DB_PASSWORD\",\"value\":\"", "hunter2", "\"}\n"),
            ("datadog api key ", "e86b3a7bfb64d3fd7c10f4cdf72e9934", " x\n"),
            ("using linkedin token `", "dodiqldlhomc6g", "` x\n"),
            ("Cookie: session=", "abCD1234efGH5678ijKL", "\n"),
            ("Authorization: Bearer ", "abCD1234efGH5678ijKL", "\n"),
            ("curl -x ", "x", "\n"),
        ] {
            let text = format!("{before}{secret}{after}");
            let whole = redactor.text(&text);
            for cut in 0..=text.len() {
                let (_, out) = paused(&redactor, &text, cut);
                assert_eq!(out, whole, "{cut}");
            }
            let (mut out, mut stream) = (Vec::new(), redactor.stream());
            for byte in text.as_bytes().chunks(1) {
                stream.push(byte, &mut out);
                stream.idle(&mut out);
            }
            stream.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), whole);
            assert!(secret.len() == 1 || !whole.contains(secret), "{whole}");
        }
    }

    #[test]
    fn a_key_of_many_lines_does_not_leave_when_input_pauses() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let text = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAq3xQwErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUiO\n-----END RSA PRIVATE KEY-----\n";
        for cut in 32..97 {
            let (early, out) = paused(&redactor, text, cut);
            assert!(!early.contains("\nM") && !out.contains("\nM"), "{cut}: {out}");
        }
    }

    #[test]
    fn prompts_are_let_go() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        for prompt in [
            "Password: ",
            "Password:",
            "[sudo] password for joe: ",
            "joe@host's password: ",
            "Enter passphrase for key '/root/.ssh/id_rsa': ",
            "$ ",
            "joe@host:~$ ",
            ">>> ",
            "Continue? [y/N]",
            "Overwrite the token? [y/N] ",
            "Username for 'https://git.example.org': ",
        ] {
            assert_eq!(paused(&redactor, prompt, prompt.len()).0, prompt);
        }
    }

    #[test]
    fn quotes_that_are_open() {
        for (line, at) in [
            ("{\"a\":\"b", Some(5)),
            ("{\"a\":\"b\"", None),
            ("{\"log\":\"{\\\"a\\\":\\\"b", Some(7)),
            ("it's 'open", Some(5)),
            ("don't", None),
            ("'\"'", None),
            ("A=\"...B=\"c d", Some(8)),
            ("A=\"...B=\"c\" d", Some(10)),
        ] {
            assert_eq!(open_quote(line.as_bytes()), at, "{line}");
        }
    }
}
