//! The known values of a redactor: found in a text in every form, whole or cut off by its end.

use std::fmt;

use super::grams::{Grams, fold};
use super::span::{Label, Span};
use super::variants::{HEAD, Needle, needles};
use super::walker::{Walk, Writing, walk};

/// A head of some needle, or of its anchor, with letters folded.
struct Head {
    bytes: Vec<u8>,
    needle: u32,
    anchors: bool,
}

/// A secret by name, and where its needles begin.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every known value, ready to be looked for.
pub(crate) struct Known {
    secrets: Vec<Secret>,
    needles: Vec<(u32, Needle)>,
    /// Those that begin a needle first, each kind sorted by its bytes.
    heads: Vec<Head>,
    grams: Grams,
    starts: Starts,
}

/// Which needles with an anchor a byte may begin, be it as it is or escaped: those with the farthest anchor first.
struct Starts {
    by_byte: Vec<Vec<Start>>,
    /// The most bytes that may stand before an anchor.
    reach: usize,
}

/// A needle with an anchor.
#[derive(Clone, Copy)]
struct Start {
    /// The most bytes that may stand before its anchor.
    reach: usize,
    needle: u32,
    /// Whether it is text; what is encoded is held back where a line ends in it.
    is_text: bool,
}

/// Letters at least of an encoded value, with a line's end among them, that are held back until the next one is seen: fewer
/// stand there by chance.
const MIN_FOLDED: usize = 4;

/// A place where a needle began and the text ended before it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) at: usize,
    needle: u32,
}

impl Known {
    pub(crate) fn new(secrets: Vec<Secret>) -> Self {
        let mut all = Vec::new();
        for (number, secret) in (0u32..).zip(&secrets) {
            all.extend(needles(&secret.value).into_iter().map(|needle| (number, needle)));
        }
        let mut heads = Vec::new();
        for (number, (_, needle)) in (0u32..).zip(&mut all) {
            let anchor = needle.anchor.as_mut().map_or_else(Vec::new, |anchor| std::mem::take(&mut anchor.heads));
            let head = |anchors| move |bytes| Head { bytes, needle: number, anchors };
            heads.extend(std::mem::take(&mut needle.heads).into_iter().map(head(false)));
            heads.extend(anchor.into_iter().map(head(true)));
        }
        heads.sort_by(|a, b| (a.anchors, &a.bytes).cmp(&(b.anchors, &b.bytes)));
        let grams = Grams::new((0u32..).zip(heads.iter().map(|head| head.bytes.as_slice())));
        let starts = Starts::new(&all);
        Self { secrets, needles: all, heads, grams, starts }
    }

    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Whether a value has as many zeros in a row as the header of a frame.
    pub(crate) fn has_zeros(&self) -> bool {
        self.secrets.iter().any(|secret| secret.value.windows(3).any(|three| three == [0; 3]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Finds every value that begins at `from` or later; what the end of the text cuts off is added to `pending`.
    pub(crate) fn scan(&self, text: &[u8], from: usize, found: &mut Vec<Span>, pending: &mut Vec<Pending>) {
        self.grams.scan(text, from, |at, head| {
            let Some(head) = self.heads.get(head as usize) else { return };
            let window = text.get(at..).unwrap_or_default();
            if head.bytes.iter().zip(window).all(|(&wanted, &byte)| wanted == fold(byte)) {
                match head.anchors {
                    false => self.try_needle(Pending { at, needle: head.needle }, text, found, pending),
                    true => self.try_before(Pending { at, needle: head.needle }, text, found, pending),
                }
            }
        });
    }

    /// Looks for the beginning of a needle whose anchor stands at a place.
    fn try_before(&self, place: Pending, text: &[u8], found: &mut Vec<Span>, pending: &mut Vec<Pending>) {
        let Some((_, needle)) = self.needles.get(place.needle as usize) else { return };
        let Some(anchor) = &needle.anchor else { return };
        let first = place.at.saturating_sub(anchor.reach);
        let places = first..(place.at + 1).saturating_sub(anchor.offset);
        for at in places.filter(|&at| text.get(at).is_some_and(|&byte| may_begin(needle, byte))) {
            self.try_needle(Pending { at, ..place }, text, found, pending);
        }
    }

    /// Walks once more from places where the text had ended too early.
    pub(crate) fn resume(&self, waiting: &[Pending], text: &[u8], found: &mut Vec<Span>, pending: &mut Vec<Pending>) {
        for &place in waiting {
            self.try_needle(place, text, found, pending);
        }
    }

    fn try_needle(&self, place: Pending, text: &[u8], found: &mut Vec<Span>, pending: &mut Vec<Pending>) {
        let Some((secret, needle)) = self.needles.get(place.needle as usize) else { return };
        match walk(needle.writing, &needle.bytes, text, place.at) {
            Walk::Match(end) => {
                found.push(span(*secret, needle, text, place.at, end));
                // The next letter may be decided by the value in part.
                pending.extend((needle.spills && end == text.len()).then_some(place));
            }
            Walk::Partial => pending.push(place),
            Walk::No => {}
        }
    }

    /// The first place near the end of the text, too close to it to be scanned, where a value may have begun: of those up to
    /// `limit`, which is given back where there is none.
    pub(crate) fn head_at_end(&self, text: &[u8], limit: usize) -> usize {
        let last = text.len().min(limit.saturating_add(1));
        let mut near = text.len().saturating_sub(HEAD - 1)..last;
        let head = near.find(|&at| self.begins(text.get(at..).unwrap_or_default())).unwrap_or(last);
        let mut far = text.len().saturating_sub(self.starts.reach)..head;
        let at = far.find(|&at| self.may_start(text, at)).unwrap_or(head);
        (at - usize::from(at < text.len() && self.spills_before(text, at))).min(limit)
    }

    /// The first place of what is pending, with the letter before it that the value decides in part.
    pub(crate) fn first_of(&self, pending: &[Pending], text: &[u8]) -> usize {
        let places = pending.iter().map(|place| place.at - usize::from(self.spills_before(text, place.at)));
        places.min().unwrap_or(text.len())
    }

    fn spills_before(&self, text: &[u8], at: usize) -> bool {
        at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(is_base64)
            && text.get(at).is_some_and(is_base64)
    }

    fn begins(&self, tail: &[u8]) -> bool {
        let folded: Vec<u8> = tail.iter().map(|&byte| fold(byte)).collect();
        let first = self.heads.partition_point(|head| !head.anchors && head.bytes < folded);
        self.heads.get(first).is_some_and(|head| !head.anchors && head.bytes.starts_with(&folded))
    }

    /// Whether a value may have begun at `at` whose anchor is still to come.
    fn may_start(&self, text: &[u8], at: usize) -> bool {
        let (Some(&byte), Some(rest)) = (text.get(at), text.get(at + 1..)) else { return false };
        let starts = self.starts.of(byte, rest.len());
        let begins = |start: &Start| {
            let needle = self.needles.get(start.needle as usize);
            needle.is_some_and(|(_, needle)| walk(needle.writing, &needle.bytes, text, at) == Walk::Partial)
        };
        let is_encoded = starts.clone().any(|start| !start.is_text) && is_folded(rest);
        starts.filter(|start| start.is_text || is_encoded).any(begins)
    }

    /// The name of a known value that stands in `text` in any form.
    pub(crate) fn find(&self, text: &[u8]) -> Option<&str> {
        let mut found = Vec::new();
        self.scan(text, 0, &mut found, &mut Vec::new());
        let Label::Known(secret) = found.first()?.label else { return None };
        self.secrets.get(secret as usize).map(|secret| secret.name.as_str())
    }
}

impl Starts {
    fn new(needles: &[(u32, Needle)]) -> Self {
        let anchored = (0u32..).zip(needles).filter_map(|(number, (_, needle))| {
            let reach = needle.anchor.as_ref()?.reach;
            Some((needle, Start { reach, needle: number, is_text: needle.writing == Writing::Text }))
        });
        let mut anchored: Vec<_> = anchored.collect();
        anchored.sort_by_key(|(_, start)| std::cmp::Reverse(start.reach));
        let begun =
            |byte: u8| anchored.iter().filter(move |(needle, _)| may_begin(needle, byte)).map(|(_, start)| *start);
        let by_byte = (0..=u8::MAX).map(|byte| begun(byte).collect()).collect();
        Self { by_byte, reach: anchored.first().map_or(0, |(_, start)| start.reach) }
    }

    /// Those that a byte may begin and whose anchor may stand more than so many bytes behind it.
    fn of(&self, byte: u8, distance: usize) -> impl Iterator<Item = &Start> + Clone {
        let starts = self.by_byte.get(usize::from(byte)).map_or(&[][..], Vec::as_slice);
        starts.iter().take_while(move |start| distance < start.reach)
    }
}

/// Whether a line ends soon in what follows, and enough letters stand around its end to be more than chance.
fn is_folded(rest: &[u8]) -> bool {
    let head = rest.get(..rest.len().min(HEAD)).unwrap_or_default();
    memchr::memchr3(b'\n', b'\r', b'\\', head).is_some()
        && rest.iter().filter(|byte| byte.is_ascii_alphanumeric()).nth(MIN_FOLDED - 2).is_some()
}

/// Whether a needle, escaped or not, may begin with a byte.
fn may_begin(needle: &Needle, byte: u8) -> bool {
    let Some(&first) = needle.bytes.first() else { return false };
    match needle.writing {
        Writing::Text => byte == first || b"\\%&".contains(&byte),
        Writing::Base64 => byte == first || (b"+/".contains(&first) && b"-_%\\&".contains(&byte)),
        Writing::Hex => char::from(byte).to_digit(16) == Some(u32::from(first >> 4)),
    }
}

fn span(secret: u32, needle: &Needle, text: &[u8], start: usize, end: usize) -> Span {
    let mut span = Span { start, end, label: Label::Known(secret) };
    if needle.spills && needle.writing == Writing::Base64 {
        span.start -= usize::from(start > 0 && text.get(start - 1).is_some_and(is_base64));
        span.end += usize::from(text.get(end).is_some_and(is_base64));
    }
    span
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(byte)
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.secrets).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Redactor;
    use super::MIN_FOLDED;

    /// Whether a value is gone from a text, and what stands around it is not, wherever the text is cut.
    fn masked(value: &str, before: &str, written: &str, after: &str) {
        let redactor = Redactor::builder().secret("S", value.as_bytes()).unwrap().build();
        let text = format!("{before}{written}{after}");
        let whole = redactor.text(&text);
        assert!(
            whole.starts_with(before) && whole.ends_with(after) && whole.contains("[redacted:S]"),
            "{text}\n{whole}"
        );
        assert!(whole.len() <= before.len() + after.len() + 20, "{text}\n{whole}");
        for cut in 0..=text.len() {
            let (mut out, mut stream) = (Vec::new(), redactor.stream());
            stream.push(&text.as_bytes()[..cut], &mut out);
            stream.push(&text.as_bytes()[cut..], &mut out);
            stream.finish(&mut out);
            let out = String::from_utf8(out).unwrap();
            // Of an encoding that is folded at once, what stands before the line's end may leave.
            let folded = written.find(['\n', '\r', '\\']).is_some_and(|end| end < MIN_FOLDED);
            let early = folded && out.ends_with(&format!("[redacted:S]{after}")) && out.len() <= whole.len() + 20;
            assert!(out == whole || early, "{cut}: {out}\n{whole}");
        }
    }

    #[test]
    fn escapes_may_be_mixed_from_the_first_sign_on() {
        for (value, written) in [
            ("pa\"&word99Q12", r#"pa\\\"\u0026word99Q12"#),
            ("\u{fc}\"cdefgxxx", r#"\u00fc\"cdefgxxx"#),
            ("b:;a8uFvI;", "b%3A;a8uFvI;"),
            ("it's8uFvI9k", "it&#039;s8uFvI9k"),
            ("p-w\u{f6}rd.8uFvI", "p-w&#246;rd.8uFvI"),
            ("p-w\u{f6}rd.8uFvI", "p-w&#xF6;rd.8uFvI"),
            ("a/cde+gh9Kq", "a/cde\\u002Bgh9Kq"),
            ("ab,cd8uFvI9k", "ab\\,cd8uFvI9k"),
            ("a=b/cd8uFvI9k", "a&#x3D;b&#x2F;cd8uFvI9k"),
            ("aK3\u{1b}xQ9vTmZ7", "aK3\\x1bxQ9vTmZ7"),
            ("gr\u{fc}n.x8uFvI", "gr\\xfcn.x8uFvI"),
            ("x9#Kq2!zW", "x9#Kq2\\!zW"),
            ("Zx81kQ\nQm28sd\nq81mZx\nabK28x", "Zx81kQ\r\nQm28sd\r\nq81mZx\r\nabK28x"),
            ("u: bob\np: x9Qz7", "u: bob\r\np: x9Qz7"),
            ("u: bob\np: x9Qz7", "u: bob\nweb-1  | p: x9Qz7"),
            ("u: bob\np: x9Qz7", "u: bob\n    p: x9Qz7"),
            ("abcde\nfghij", "abcde\r\nfghij"),
            ("abc\n123\nxyz\n789", "abc\r\n123\r\nxyz\r\n789"),
        ] {
            masked(value, "value: ", written, " :value");
        }
    }

    #[test]
    fn folded_encodings_are_found_wherever_the_line_ends() {
        let value = "qZ7rT2mVx9Lk4WpB";
        // base64 and hexadecimal of the value, each letter of which it alone decides.
        for letters in ["cVo3clQybVZ4OUxrNFdwQ", "715a377254326d5678394c6b34577042"] {
            for fold in ["\n", "\r\n", "\n  ", "\\n"] {
                for at in (0..=letters.len()).step_by(if letters.starts_with('7') { 2 } else { 1 }) {
                    let (first, second) = letters.split_at(at);
                    masked(value, "= ", &format!("{first}{fold}{second}"), " =");
                }
            }
        }
        for at in 1..20 {
            let (first, second) = "cVo3clQybVZ4OUxrNFdwQ".split_at(at);
            masked(value, "web-1  | eHh4 ", &format!("{first}\nweb-1  | {second}"), " =");
        }
    }

    #[test]
    fn the_lines_of_a_document_are_found_behind_whatever_a_log_puts_before_them() {
        let value = "{\n  \"user\": \"svc\",\n  \"password\": \"correcthorsebatterystaple\"\n}";
        let records = "\",\"stream\":\"stdout\",\"time\":\"2026-09-01T10:11:12.123456789Z\"}\n{\"log\":\"";
        for between in
            ["\r\n", "\nweb-1  | ", "\n2026-09-01T10:11:12.5Z stdout F ", "\n      ", "\u{1b}[0m\n\u{1b}[36m"]
        {
            masked(value, "> ", &value.replace('\n', between), " <\n");
        }
        let lines = value.replace('"', "\\\"").replace('\n', &format!("\\n{records}"));
        masked(value, "{\"log\":\"", &lines, "\\n\",\"stream\":\"stdout\"}\n");
    }
}
