//! Private keys between `BEGIN` and `END`: on one line with escapes, or on many with whatever a log puts before each, with
//! or without an end.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::assign;
use super::span::{Label, Span};

/// A private key that the text so far did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    label: Label,
    /// The column that the first line of the key began at.
    column: usize,
    /// The length of the key's lines: a shorter one is the last.
    width: usize,
    /// How many more lines that are no part of a key may come before it is given up.
    patience: u8,
    /// How many such lines may stand between two lines of it.
    gap: u8,
    /// The service whose line the first was, where lines tell of theirs.
    service: Option<u64>,
}

/// Lines of something else that may stand between the lines of one key.
const PATIENCE: u8 = 3;
/// A run of this many letters of base64 is part of the key wherever it stands in the line.
const LONG_RUN: usize = 40;
/// The width of a key whose last line was seen.
const ENDED: usize = usize::MAX;
/// How the header of a key begins.
const BEGIN: &[u8] = b"-----BEGIN";
/// How the header of a key begins, and goes on, that was encoded in base64 as a whole.
const ENCODED: &[u8] = b"LS0tLS1CRUdJTi";
const ENCODED_KEYS: &[&[u8]] = &[
    b"BQUklWQVRFIEtFW",
    b"BSU0EgUFJJVkFURSBLRV",
    b"BFQyBQUklWQVRFIEtFW",
    b"BPUEVOU1NIIFBSSVZBVEUgS0VZ",
    b"BFTkNSWVBURUQgUFJJVkFURSBLRV",
    b"BEU0EgUFJJVkFURSBLRV",
    b"BQR1AgUFJJVkFURSBLRV",
];
/// The widths that encoders fold at.
const FOLDS: [usize; 2] = [64, 76];
/// Longest name of a service before `|`, with its colours.
const MAX_SERVICE: usize = 96;
/// Longest header line.
const MAX_HEADER: usize = 80;

/// Reads the private key whose `-----BEGIN` stands at `at`. Gives the key if it goes on behind the text.
pub(crate) fn read(text: &[u8], at: usize, label: Label, found: &mut Vec<Span>) -> Option<Block> {
    if text.get(at..)?.starts_with(ENCODED) {
        return read_encoded(text, at, label, found);
    }
    let start = at + header_length(text.get(at..)?)?;
    let line_end = memchr::memchr(b'\n', text.get(start..)?).map_or(text.len(), |length| start + length);
    let rest = text.get(start..line_end)?;
    if !ends_line(rest) {
        found.push(Span { start, end: start + length_on_line(rest), label });
        return None;
    }
    let line_start = text.get(..at)?.iter().rposition(|&byte| byte == b'\n').map_or(0, |line| line + 1);
    let service = text.get(line_start..at).and_then(service_number);
    let block = Block { label, column: at - line_start, width: 0, patience: PATIENCE, gap: PATIENCE, service };
    block.go_on(text, (line_end + 1).min(text.len()), found)
}

/// The same of one that was encoded once more: it has no end but a line that is shorter, and nothing stands between.
fn read_encoded(text: &[u8], at: usize, label: Label, found: &mut Vec<Span>) -> Option<Block> {
    let rest = text.get(at..)?;
    let length = encoded_length(rest)?;
    found.push(Span { start: at, end: at + length, label });
    let tail = rest.get(length..)?;
    let next = [b"\n".as_slice(), b"\r\n"].iter().find(|end| tail.starts_with(end)).map(|end| at + length + end.len());
    let line_start = text.get(..at)?.iter().rposition(|&byte| byte == b'\n').map_or(0, |line| line + 1);
    let block = Block { label, column: at - line_start, width: length, patience: 0, gap: 0, service: None };
    block.go_on(text, next.filter(|_| FOLDS.contains(&length))?, found)
}

/// The length of the line of base64 that the header of a key begins with, if it holds more than the header.
fn encoded_length(text: &[u8]) -> Option<usize> {
    let kind = text.get(ENCODED.len()..)?;
    let head = ENCODED.len() + ENCODED_KEYS.iter().find(|head| kind.starts_with(head))?.len();
    let length = text.iter().take_while(|byte| is_letter(byte) || b"-_".contains(byte)).count();
    (length >= head + 4).then_some(length)
}

/// The length of the `-----BEGIN … PRIVATE KEY-----` that a line begins with.
fn header_length(text: &[u8]) -> Option<usize> {
    let header = text.get(..text.len().min(MAX_HEADER)).unwrap_or_default();
    let header = header.split(|&byte| byte == b'\n').next()?;
    let close = header.get(10..)?.windows(5).position(|window| window == b"-----")? + 15;
    header.get(..close)?.windows(11).any(|window| window == b"PRIVATE KEY").then_some(close)
}

/// Whether what stands behind `BEGIN` on its line is none of the key: nothing, a colour, or the end of a string that holds
/// one line, as in the records of an engine and in source.
fn ends_line(rest: &[u8]) -> bool {
    let plain = after_escapes(rest, assign::colour);
    let after = after_escapes(plain, |rest| line_end(rest).or_else(|| assign::colour(rest)));
    let closed = after.iter().find(|&&byte| byte != b'\\').is_some_and(|byte| b"\"'".contains(byte));
    plain.trim_ascii().is_empty() || rest.len() <= 4 || (after.len() < plain.len() && closed)
}

fn after_escapes(text: &[u8], escape: impl Fn(&[u8]) -> Option<usize>) -> &[u8] {
    let mut rest = text;
    while let Some(length) = escape(rest) {
        rest = rest.get(length..).unwrap_or_default();
    }
    rest
}

/// The length of an escaped line end, in strings within strings too.
fn line_end(rest: &[u8]) -> Option<usize> {
    let slashes = rest.iter().take(8).take_while(|&&byte| byte == b'\\').count();
    (slashes > 0 && matches!(rest.get(slashes), Some(b'n' | b'r'))).then_some(slashes + 1)
}

/// Whether another key begins on a line that goes on behind it. It takes the place of the one before, wherever the text is
/// cut.
fn begins_key(line: &[u8]) -> bool {
    let opens = |rest: &[u8]| {
        let plain = rest.get(..BEGIN.len()).is_some_and(|head| head.eq_ignore_ascii_case(BEGIN));
        let header = if plain { header_length(rest) } else { None };
        header.is_some_and(|length| rest.get(length..).is_some_and(ends_line))
    };
    (0..line.len()).any(|at| line.get(at..).is_some_and(opens)) || begins_encoded(line)
}

/// The same of a key that was encoded once more.
fn begins_encoded(line: &[u8]) -> bool {
    let folded = |at: usize| {
        let length = line.get(at..).and_then(encoded_length)?;
        let behind = line.get(at + length..)?;
        Some(FOLDS.contains(&length) && (behind.is_empty() || behind == b"\r"))
    };
    memchr::memmem::find_iter(line, ENCODED).any(|at| folded(at).unwrap_or_default())
}

/// How much of a line, from behind `BEGIN`, a key takes up that stands on that line alone.
fn length_on_line(rest: &[u8]) -> usize {
    let end = rest.windows(8).position(|window| window == b"-----END");
    let quote = rest.iter().position(|byte| b"\"'`<".contains(byte));
    match (end, quote) {
        (Some(end), quote) if quote.is_none_or(|quote| end < quote) => end,
        (_, Some(quote)) => {
            quote - rest.get(..quote).unwrap_or_default().iter().rev().take_while(|&&byte| byte == b'\\').count()
        }
        (_, None) => rest.len(),
    }
}

/// Which service a line is of, where several are shown side by side: what stands before the first `|` near its start.
fn service(line: &[u8]) -> Option<&[u8]> {
    let head = line.get(..line.len().min(MAX_SERVICE)).unwrap_or_default();
    let name = head.split(|&byte| byte == b'|').next().filter(|name| name.len() < head.len())?;
    let name = after_escapes(name, assign::colour).trim_ascii();
    let plain = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(byte));
    plain.then_some(name)
}

/// A number for the service of a line; the same for equal names.
fn service_number(line: &[u8]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    service(line)?.hash(&mut hasher);
    Some(hasher.finish())
}

impl Block {
    /// Reads on from the start of a line. Gives the block if it has not ended.
    pub(crate) fn go_on(mut self, text: &[u8], from: usize, found: &mut Vec<Span>) -> Option<Self> {
        let mut at = from;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..length).unwrap_or_default();
            let other = self.service.is_some() && service_number(line).is_some_and(|other| self.service != Some(other));
            if !other && (memchr::memmem::find(line, b"-----END").is_some() || begins_key(line)) {
                return None;
            }
            match Some(line).filter(|_| !other).and_then(|line| self.part_of_key(line)) {
                Some((start, end)) if start < end => {
                    found.push(Span { start: at + start, end: at + end, label: self.label });
                    // Behind a shorter line nothing but the end can come.
                    let ended = end - start < self.width;
                    self.patience = if ended { 0 } else { self.gap };
                    self.width = if ended { ENDED } else { end - start };
                }
                Some(_) => {}
                None if self.patience == 0 => return None,
                None => self.patience -= 1,
            }
            at += length + 1;
        }
        Some(self)
    }

    /// The part of a line that belongs to the key; empty for a blank line or a header of the key.
    fn part_of_key(&self, line: &[u8]) -> Option<(usize, usize)> {
        if self.width == ENDED {
            return None;
        }
        let line = line.trim_ascii_end();
        let (start, end) = longest_run(line);
        let start = start + assign::escape_tail(line, start, end);
        if end - start >= LONG_RUN {
            return Some((start, end));
        }
        if let Some(part) = self.in_string(line) {
            return Some(part);
        }
        let line = line.strip_suffix(b"\x1b[0m").unwrap_or(line);
        let word = line.iter().rposition(|byte| b" \t|>".contains(byte)).map_or(0, |blank| blank + 1);
        let word = line.len() - after_escapes(line.get(word..).unwrap_or_default(), assign::colour).len();
        let content = line.get(word..).unwrap_or_default();
        let header = line.windows(5).any(|window| window == b"Type:" || window == b"Info:");
        let aligned = word.abs_diff(self.column) <= 2 || content.len() >= 24 || content.ends_with(b"=");
        if content.is_empty() || header {
            return Some((0, 0));
        }
        (aligned && content.iter().all(is_letter)).then_some((word, line.len()))
    }
}

impl Block {
    /// The same of a line within a string or a colour, where the first line of the key stood.
    fn in_string(&self, line: &[u8]) -> Option<(usize, usize)> {
        let opens = self.column.checked_sub(1).and_then(|at| line.get(at)).is_some_and(|byte| b"\"'m".contains(byte));
        let rest = line.get(self.column..).filter(|_| opens)?;
        let length = rest.iter().take_while(|byte| is_letter(byte)).count();
        let ended = rest.get(length).is_some_and(|byte| b"\\\"'\x1b".contains(byte));
        ended.then_some((self.column, self.column + length))
    }
}

fn is_letter(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(byte)
}

fn longest_run(line: &[u8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut start = 0;
    for (at, byte) in line.iter().chain([&b' ']).enumerate() {
        if !is_letter(byte) {
            if at - start > best.1 - best.0 {
                best = (start, at);
            }
            start = at + 1;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};

    fn is_the_same_at_every_cut(redactor: &Redactor, text: &str) {
        let whole = redactor.text(text);
        for cut in 0..text.len() {
            let (mut out, mut stream) = (Vec::new(), redactor.stream());
            stream.push(&text.as_bytes()[..cut], &mut out);
            stream.push(&text.as_bytes()[cut..], &mut out);
            stream.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), whole, "{cut}");
        }
    }

    #[test]
    fn a_key_in_a_string_a_line_is_masked_and_the_strings_stay() {
        let body = "pkFCdykM1uuEcV3aQwErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUiOpAs";
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        for (before, after) in [
            ("{\"log\":\"", "\\n\",\"stream\":\"stdout\"}"),
            ("{\"log\":\"\\u001b[36m", "\\u001b[0m\\n\",\"stream\":\"stdout\"}"),
            ("    \"", "\\n\" +"),
            ("\u{1b}[36m", "\u{1b}[0m"),
            ("", ""),
        ] {
            let lines =
                ["-----BEGIN RSA PRIVATE KEY-----", body, body, "Qw12a=", "-----END RSA PRIVATE KEY-----", "done"];
            let text: String = lines.iter().map(|line| format!("{before}{line}{after}\n")).collect();
            let mark = "[redacted:private-key]";
            let expected = text.replace(body, mark).replace("Qw12a=", mark);
            assert_eq!(redactor.text(&text), expected);
            assert_eq!(redactor.text(&expected), expected);
        }
    }

    #[test]
    fn a_key_ends_with_the_string_that_it_stands_in() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let body = "MIIEowIBAAKCAQEAx5Qw12";
        let open = format!("-----BEGIN RSA PRIVATE KEY-----\\n{body}");
        let closed = format!("{open}\\n-----END RSA PRIVATE KEY-----\\n");
        let text = format!("{{\"a\":\"{open}\",\"n\":1,\"b\":\"{closed}\",\"c\":[\"{open}\",\"X=1\"]}}");
        let clean = redactor.text(&text);
        assert!(!clean.contains(body), "{clean}");
        let value: serde_json::Value = serde_json::from_str(&clean).unwrap();
        assert_eq!((&value["n"], &value["c"][1]), (&serde_json::json!(1), &serde_json::json!("X=1")), "{clean}");
        assert!(value["b"].as_str().unwrap().ends_with("-----END RSA PRIVATE KEY-----\n"), "{clean}");
    }

    #[test]
    fn lines_of_another_service_stand_between_those_of_a_key() {
        let body = "pkFCdykM1uuEcV3aQwErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUiOpAs";
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let key =
            ["-----BEGIN RSA PRIVATE KEY-----", body, body, "RnMWgUqZ64YDigRwYw6Y=", "-----END RSA PRIVATE KEY-----"];
        for (ours, other) in
            [("web-1  | ", "db-1   | "), ("\u{1b}[36mweb-1  | \u{1b}[0m", "\u{1b}[33mdb-1   | \u{1b}[0m")]
        {
            for between in ["ready", "e58f0c2a9b7d4e1f8a6b3c5d7e9f0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f"] {
                let lines = key.map(|line| format!("{ours}{line}\n{other}{between}\n"));
                let mark = "[redacted:private-key]";
                let expected = lines.concat().replace(body, mark).replace(key[3], mark);
                assert_eq!(redactor.text(&lines.concat()), expected);
                is_the_same_at_every_cut(&redactor, &lines.concat());
            }
        }
    }

    #[test]
    fn keys_of_two_services_and_of_any_case_are_masked_however_they_come() {
        let body = "pkFCdykM1uuEcV3aQwErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUiOpAs";
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let key = ["-----BEGIN RSA PRIVATE KEY-----", body, body, "-----END RSA PRIVATE KEY-----"];
        let both: String = key.iter().map(|line| format!("web-1  | {line}\ndb-1   | {line}\n")).collect();
        let mark = "[redacted:private-key]";
        assert_eq!(redactor.text(&both), both.replace(body, mark));
        let encoded = format!("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQp{}", body.get(..33).unwrap());
        for second in ["-----BeGIN RSA PRIVATE KEY-----", &encoded] {
            let text = format!("{}\n{body}\n{second}\none\nMIIEo\nx\ny\nMIIEo\nz\nMIIEo\n", key[0]);
            is_the_same_at_every_cut(&redactor, &text);
        }
        is_the_same_at_every_cut(&redactor, &both);
    }

    #[test]
    fn a_key_that_was_encoded_as_a_whole_is_masked_to_its_last_line() {
        let head = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3dJQkFBS0NBUUVBcXczcVF4";
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        for (width, end) in [(76, "\n"), (64, "\n"), (76, "\r\n")] {
            let body = format!("{head}{}", "d0VyVHlVaU9wQXNEZkdoSmtMelhjVmJObTEyMzQ1".repeat(9));
            let lines: Vec<&str> =
                body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let text = format!("$ base64 key.pem{end}{}{end}done: sha256 of it{end}", lines.join(end));
            let whole = redactor.text(&text);
            assert!(!lines.iter().any(|line| whole.contains(line)), "{whole}");
            assert!(whole.contains("done: sha256 of it"), "{whole}");
            is_the_same_at_every_cut(&redactor, &text);
        }
        let beside = format!(
            "client-key-data: {head}d0VyVHlVaU9wQXNEZkdo\ncertificate: {}\n",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t".repeat(3)
        );
        assert!(redactor.text(&beside).contains("certificate: LS0t"));
    }

    #[test]
    fn a_key_is_found_wherever_the_text_is_cut() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let header = "x-----BEGIN RSzfei: Bearer  2YoWpAA\r----BEGIN RSA PRIVATE KEY-----\n";
        is_the_same_at_every_cut(&redactor, &format!("{header}MIIEo\nx-----BEGIN RSA PRIVATBE _AS"));
    }
}
