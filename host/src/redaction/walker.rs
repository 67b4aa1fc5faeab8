//! Reading a known value out of a text in which it may be escaped.
//!
//! A walk begins where a head was found and takes the value byte by byte; each may stand there as it is or in any
//! escaped form that a program is known to print: percent-encoding, JSON (also escaped twice), XML, Python, Go, Rust and
//! shell quoting, octal. Mixed forms are taken too. The positions reached so far are kept as a small set, so that an
//! ambiguous run of backslashes costs no backtracking.

use super::encoded;

/// The result of one walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// The value ends before this offset of the text.
    Match(usize),
    /// The text ended while the value still fitted: more of it is needed to tell.
    Partial,
    /// The value does not stand here.
    No,
}

/// How the bytes of a needle are written in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Writing {
    /// As text, with any escapes.
    Text,
    /// The needle is itself the inner part of an encoding in base64, of either alphabet.
    Base64,
    /// Pairs of hexadecimal digits, with or without separators.
    Hex,
}

/// Longest run of backslashes that is read as one escape: JSON within JSON within JSON.
const MAX_BACKSLASHES: usize = 8;
/// Longest prefix that a log adds before each line of a value of several lines.
pub(crate) const MAX_LINE_PREFIX: usize = 160;
/// Longest suffix that a log adds behind each line.
const MAX_LINE_SUFFIX: usize = 16;
/// Most positions followed at once; further ones are dropped.
const MAX_POSITIONS: usize = 512;

/// Reads `needle`, written as `writing` says, from `text` at `at`.
pub(crate) fn walk(writing: Writing, needle: &[u8], text: &[u8], at: usize) -> Walk {
    match writing {
        Writing::Text => walk_text(needle, text, at),
        Writing::Base64 => encoded::base64(needle, text, at),
        Writing::Hex => encoded::hex(needle, text, at),
    }
}

fn walk_text(needle: &[u8], text: &[u8], at: usize) -> Walk {
    let mut reach = Reach { text, ends: vec![at], ragged: false };
    let mut read = 0;
    while let Some(&byte) = needle.get(read) {
        if let [end] = reach.ends.as_mut_slice()
            && byte.is_ascii_alphanumeric()
            && text.get(*end) == Some(&byte)
        {
            *end += 1;
            read += 1;
            continue;
        }
        let unit = unit_at(needle, read);
        read += unit.len();
        reach.take(unit);
        if reach.ends.is_empty() {
            return if reach.ragged { Walk::Partial } else { Walk::No };
        }
    }
    // Of the ways to write the last character the longest; but none that stands further on behind what a log put there.
    let nearest = reach.ends.iter().min().copied().unwrap_or_default();
    let alike = reach.ends.iter().filter(|&&end| end <= nearest + MAX_BACKSLASHES).max();
    alike.map_or(Walk::No, |&end| Walk::Match(end))
}

/// One character of a value that is UTF-8 there, else one byte.
fn unit_at(needle: &[u8], at: usize) -> &[u8] {
    let rest = needle.get(at..).unwrap_or_default();
    let length = match rest.first() {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 1,
    };
    let unit = rest.get(..length).filter(|unit| std::str::from_utf8(unit).is_ok());
    unit.or_else(|| rest.get(..1)).unwrap_or_default()
}

/// The positions that the part of the value read so far may have ended at.
struct Reach<'t> {
    text: &'t [u8],
    ends: Vec<usize>,
    /// Whether the text ended inside a form that still fitted.
    ragged: bool,
}

impl Reach<'_> {
    /// Reads one more unit of the value from every position.
    fn take(&mut self, unit: &[u8]) {
        let mut next = Vec::with_capacity(self.ends.len());
        for at in std::mem::take(&mut self.ends) {
            self.forms(unit, at, &mut next);
        }
        next.sort_unstable();
        next.dedup();
        next.truncate(MAX_POSITIONS);
        self.ends = next;
    }

    fn forms(&mut self, unit: &[u8], at: usize, next: &mut Vec<usize>) {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.is_empty() {
            self.ragged = true;
            return;
        }
        self.literal(unit, rest, at, next);
        match rest.first() {
            Some(b'%') => self.bytewise(unit, at, percent, next),
            Some(b'&') => self.entity(unit, rest, at, next),
            Some(b'\\') => self.backslash(unit, rest, at, next),
            Some(b'\'') if unit == b"'" => {
                self.literal(b"'\\''", rest, at, next);
                self.literal(b"'\"'\"'", rest, at, next);
                self.literal(b"''", rest, at, next);
            }
            Some(b'"') if unit == b"\"" => self.literal(b"\"\"", rest, at, next),
            Some(b'+') if unit == b" " => next.push(at + 1),
            Some(_) if unit == b"\n" => self.line_break(rest, at, next),
            _ => {}
        }
    }

    fn literal(&mut self, form: &[u8], rest: &[u8], at: usize, next: &mut Vec<usize>) {
        if rest.starts_with(form) {
            next.push(at + form.len());
        } else if form.starts_with(rest) {
            self.ragged = true;
        }
    }

    /// A form that writes each byte of the unit by itself.
    fn bytewise(&mut self, unit: &[u8], at: usize, form: fn(u8, &[u8]) -> Form, next: &mut Vec<usize>) {
        let mut end = at;
        for &byte in unit {
            match form(byte, self.text.get(end..).unwrap_or_default()) {
                Form::Length(length) => end += length,
                Form::Ragged => return self.ragged = true,
                Form::Other => return,
            }
        }
        next.push(end);
    }

    fn entity(&mut self, unit: &[u8], rest: &[u8], at: usize, next: &mut Vec<usize>) {
        match entity(unit, rest) {
            Form::Length(length) => next.push(at + length),
            Form::Ragged => self.ragged = true,
            Form::Other => {}
        }
    }

    fn backslash(&mut self, unit: &[u8], rest: &[u8], at: usize, next: &mut Vec<usize>) {
        let run = rest.iter().take(MAX_BACKSLASHES).take_while(|&&byte| byte == b'\\').count();
        if unit == b"\\" {
            next.extend([2, 4, 8].iter().filter(|&&length| length <= run).map(|length| at + length));
            self.ragged |= run == rest.len() && run < MAX_BACKSLASHES;
        }
        match escape(unit, rest.get(run..).unwrap_or_default()) {
            Form::Length(length) => {
                next.push(at + run + length);
                if unit == b"\n" {
                    self.record_break(at + run + length, next);
                }
            }
            Form::Ragged => self.ragged = true,
            Form::Other => self.bytewise(unit, at, numeric_escape, next),
        }
        if rest.get(run) == Some(&b'&') {
            // JSON in XML.
            self.entity(unit, rest.get(run..).unwrap_or_default(), at + run, next);
        }
        if unit == b"\n" && rest.get(run) == Some(&b'r') {
            let after = rest.get(run + 1..).unwrap_or_default();
            let again = after.iter().take_while(|&&byte| byte == b'\\').count();
            match after.get(again) {
                Some(b'n') => next.push(at + run + 1 + again + 1),
                None => self.ragged = true,
                Some(_) => {}
            }
        }
    }

    /// A line's end inside the value: LF, CRLF, CR or a blank, with what a log may put before it (blanks, the end of a colour
    /// or of a string) and any prefix of the next line.
    fn line_break(&mut self, rest: &[u8], at: usize, next: &mut Vec<usize>) {
        let length = rest.iter().take(MAX_LINE_SUFFIX).take_while(|byte| ends_a_line(byte)).count();
        match rest.get(length) {
            Some(b'\n') => self.line_prefix(at + length + 1, next),
            None => self.ragged = true,
            Some(_) => {}
        }
        if let Some(b'\r' | b' ') = rest.first() {
            next.push(at + 1);
        }
    }

    /// The same between two records of one line each, where the line's end itself is escaped: what the first ends with.
    fn record_break(&mut self, at: usize, next: &mut Vec<usize>) {
        let rest = self.text.get(at..).unwrap_or_default();
        let closes = rest.iter().take(MAX_BACKSLASHES).find(|&&byte| byte != b'\\').is_none_or(|&byte| byte == b'"');
        let tail = rest.get(..rest.len().min(MAX_LINE_PREFIX)).filter(|_| closes).unwrap_or_default();
        match memchr::memchr(b'\n', tail) {
            Some(length) => self.line_prefix(at + length + 1, next),
            None => self.ragged |= closes && tail.len() == rest.len(),
        }
    }

    /// Whatever a log puts before a line.
    fn line_prefix(&mut self, at: usize, next: &mut Vec<usize>) {
        let rest = self.text.get(at..).unwrap_or_default();
        let longest = rest.iter().take(MAX_LINE_PREFIX).take_while(|&&byte| byte != b'\n').count();
        next.extend((0..=longest).map(|skipped| at + skipped));
        self.ragged |= longest == rest.len();
    }
}

/// What may stand between the end of a value's line and the end of the line that a log makes of it.
fn ends_a_line(byte: &u8) -> bool {
    b" \t\r\"'\x1b[;m".contains(byte) || byte.is_ascii_digit()
}

/// Whether a form stands at the start of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It does, and is this long.
    Length(usize),
    /// The text ends inside it.
    Ragged,
    /// It does not.
    Other,
}

fn hex_digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// `%41`, or `%2541` when it was encoded twice.
fn percent(byte: u8, rest: &[u8]) -> Form {
    let lead = if rest.starts_with(b"%25") { 3 } else { 1 };
    match rest {
        [] => Form::Ragged,
        [b'%', ..] => match hex_pair(byte, rest.get(lead..).unwrap_or_default()) {
            Form::Length(length) => Form::Length(lead + length),
            Form::Other if lead == 3 && byte == b'%' => Form::Length(3),
            // What may become `%25`.
            Form::Other if rest == b"%" || rest == b"%2" => Form::Ragged,
            other => other,
        },
        [first, ..] if *first == byte => Form::Length(1),
        _ => Form::Other,
    }
}

/// Two hexadecimal digits that give `byte`.
pub(crate) fn hex_pair(byte: u8, rest: &[u8]) -> Form {
    let wanted = [u32::from(byte >> 4), u32::from(byte & 15)];
    let fits = rest.iter().zip(wanted).all(|(&digit, value)| hex_digit(digit) == Some(value));
    match rest.len() {
        _ if !fits => Form::Other,
        0 | 1 => Form::Ragged,
        _ => Form::Length(2),
    }
}

/// `\xNN` and `\NNN` for one byte, with any number of backslashes.
fn numeric_escape(byte: u8, rest: &[u8]) -> Form {
    let run = rest.iter().take(MAX_BACKSLASHES).take_while(|&&byte| byte == b'\\').count();
    let tail = rest.get(run..).unwrap_or_default();
    let found = match tail {
        [] => return Form::Ragged,
        _ if run == 0 => return Form::Other,
        [b'x', digits @ ..] => match hex_pair(byte, digits) {
            Form::Length(length) => Form::Length(length + 1),
            other => other,
        },
        digits => starts(format!("{byte:03o}").as_bytes(), digits),
    };
    match found {
        Form::Length(length) => Form::Length(run + length),
        other => other,
    }
}

pub(crate) fn starts(form: &[u8], rest: &[u8]) -> Form {
    if rest.starts_with(form) {
        Form::Length(form.len())
    } else if form.starts_with(rest) {
        Form::Ragged
    } else {
        Form::Other
    }
}

/// What may follow the backslashes of an escape for this unit: a letter, the character itself, or its number.
fn escape(unit: &[u8], tail: &[u8]) -> Form {
    let Some(&first) = tail.first() else { return Form::Ragged };
    if let [byte] = unit
        && (letter_escape(*byte) == Some(first) || (first == *byte && !byte.is_ascii_alphanumeric() && *byte != b'\\'))
    {
        return Form::Length(1);
    }
    match first {
        b'u' | b'U' => unicode_escape(unit, tail),
        b'x' => code_escape(unit, tail),
        _ => Form::Other,
    }
}

fn letter_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        0x0B => b'v',
        0x07 => b'a',
        0x1B => b'e',
        0 => b'0',
        _ => return None,
    })
}

/// `xdc`, the number of a character below 256, as Python's `ascii` has it.
fn code_escape(unit: &[u8], tail: &[u8]) -> Form {
    let code = std::str::from_utf8(unit).ok().and_then(|unit| unit.chars().next());
    match code.map(u32::from) {
        Some(number @ 128..=255) => starts_folded(&format!("x{number:02x}"), tail),
        _ => Form::Other,
    }
}

/// `u00dc`, a surrogate pair, `u{dc}` or `U000000dc`.
fn unicode_escape(unit: &[u8], tail: &[u8]) -> Form {
    let Some(code) = std::str::from_utf8(unit).ok().and_then(|unit| unit.chars().next()) else { return Form::Other };
    let mut units = [0u16; 2];
    let json: Vec<String> = code.encode_utf16(&mut units).iter().map(|unit| format!("u{unit:04x}")).collect();
    let number = u32::from(code);
    let mut found = starts_folded(&format!("u{{{number:x}}}"), tail);
    found = better(found, starts_folded(&format!("U{number:08x}"), tail));
    match json.as_slice() {
        [one] => better(found, starts_folded(one, tail)),
        [high, low] => better(found, surrogates(high, low, tail)),
        _ => found,
    }
}

pub(crate) fn better(first: Form, second: Form) -> Form {
    match (first, second) {
        (Form::Length(_), _) | (Form::Ragged, Form::Other) => first,
        _ => second,
    }
}

pub(crate) fn starts_folded(form: &str, rest: &[u8]) -> Form {
    let length = form.len().min(rest.len());
    let fits = rest.iter().zip(form.bytes()).all(|(byte, wanted)| byte.eq_ignore_ascii_case(&wanted));
    match fits {
        false => Form::Other,
        true if length < form.len() => Form::Ragged,
        true => Form::Length(form.len()),
    }
}

fn surrogates(high: &str, low: &str, tail: &[u8]) -> Form {
    let Form::Length(first) = starts_folded(high, tail) else { return starts_folded(high, tail) };
    let rest = tail.get(first..).unwrap_or_default();
    let run = rest.iter().take(MAX_BACKSLASHES).take_while(|&&byte| byte == b'\\').count();
    match starts_folded(low, rest.get(run..).unwrap_or_default()) {
        Form::Length(second) => Form::Length(first + run + second),
        other => other,
    }
}

/// `&amp;`, `&#38;`, `&#x26;`, and those escaped once more.
fn entity(unit: &[u8], rest: &[u8]) -> Form {
    let Some(code) = std::str::from_utf8(unit).ok().and_then(|unit| unit.chars().next()) else { return Form::Other };
    if b"&amp;".starts_with(rest) {
        return Form::Ragged;
    }
    let doubled = if rest.starts_with(b"&amp;") && unit != b"&" { 5 } else { 1 };
    let tail = rest.get(doubled..).unwrap_or_default();
    let number = u32::from(code);
    let mut forms =
        vec![format!("#{number};"), format!("#0{number};"), format!("#x{number:x};"), format!("#x0{number:x};")];
    match unit {
        b"&" => forms.extend(["amp;amp;".to_owned(), "amp;".to_owned()]),
        b"<" => forms.push("lt;".to_owned()),
        b">" => forms.push("gt;".to_owned()),
        b"\"" => forms.extend(["quot;".to_owned(), "#34;".to_owned()]),
        b"'" => forms.push("apos;".to_owned()),
        b"\n" => forms.push("#xA;".to_owned()),
        _ => {}
    }
    match forms.iter().map(|form| starts_folded(form, tail)).fold(Form::Other, better) {
        Form::Length(length) => Form::Length(doubled + length),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "p@ss/W0rd+\"Ünï\\c0de&<9>";

    fn reads(text: &str) -> Walk {
        walk(Writing::Text, VALUE.as_bytes(), text.as_bytes(), 0)
    }

    #[test]
    fn reads_every_escaped_form() {
        for text in [
            VALUE,
            "p%40ss%2FW0rd%2B%22%C3%9Cn%C3%AF%5Cc0de%26%3C9%3E",
            "p%40ss%2fW0rd%2b%22%c3%9cn%c3%af%5cc0de%26%3c9%3e",
            r#"p@ss/W0rd+\"\u00dcn\u00EF\\c0de&<9>"#,
            r#"p@ss\/W0rd+\"Ünï\\c0de\u0026\u003c9\u003e"#,
            r#"p@ss/W0rd+\\\"Ünï\\\\c0de&<9>"#,
            r#"p@ss/W0rd+\\\"\\u00dcn\\u00ef\\\\c0de\\u0026\\u003c9\\u003e"#,
            "p@ss/W0rd+&quot;Ünï\\c0de&amp;&lt;9&gt;",
            "p@ss/W0rd+&#34;&#220;n&#xef;\\c0de&#38;&#60;9&#x3E;",
            r#"p@ss/W0rd+\"\u{dc}n\u{ef}\\c0de&<9>"#,
            r#"p@ss/W0rd+"\xc3\x9cn\xc3\xaf\\c0de&<9>"#,
            r#"p@ss/W0rd+"\xdcn\xef\\c0de&<9>"#,
            r#"p@ss/W0rd+\&quot;Ünï\\c0de&amp;&lt;9&gt;"#,
            "p%2540ss%252FW0rd%252B%2522%25C3%259Cn%25C3%25AF%255Cc0de%2526%253C9%253E",
            r#"p@ss/W0rd+\"\303\234n\303\257\\c0de&<9>"#,
        ] {
            assert_eq!(reads(text), Walk::Match(text.len()), "{text}");
            for end in 1..text.len() {
                let part = walk(Writing::Text, VALUE.as_bytes(), &text.as_bytes()[..end], 0);
                assert_ne!(part, Walk::No, "{text} cut at {end}");
            }
        }
    }

    #[test]
    fn reads_quotes_and_lines() {
        let quote = |text: &str| walk(Writing::Text, b"it's\nfine", text.as_bytes(), 0);
        for text in [
            "it'\\''s\nfine",
            "it''s\r\nfine",
            "it\\'s\\nfine",
            "it's\nweb-1  | fine",
            "it's fine",
            "it's\\r\\nfine",
            "it&apos;s%0Afine",
        ] {
            assert_eq!(quote(text), Walk::Match(text.len()), "{text}");
        }
        assert_eq!(quote("it's\nx"), Walk::Partial);
        assert_eq!(quote("it's\nx\nfine"), Walk::No);
    }

    #[test]
    fn an_ambiguous_run_of_backslashes_is_read_in_linear_time() {
        let value = "\\".repeat(200);
        let text = "\\".repeat(4000);
        assert!(matches!(walk(Writing::Text, value.as_bytes(), text.as_bytes(), 0), Walk::Match(_)));
    }
}
