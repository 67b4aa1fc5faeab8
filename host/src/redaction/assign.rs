//! Reading `name = value` in the many ways that programs print it: environment, YAML, JSON (also within JSON), Go maps,
//! Python dicts, flags, headers, queries, CSV, XML, between colour codes.

use super::names::MAX_NAME;

/// How a name and its value are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// `=`, `:`, `:=`, `=>`, `->` and such; or `<name>value`.
    Sign,
    /// A flag and the next word: `--token value`.
    Flag,
    /// A comma, as in a list of pairs.
    Comma,
    /// Nothing but blanks.
    Blank,
}

/// One name and its value, as ranges of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) name: (usize, usize),
    pub(crate) value: (usize, usize),
    pub(crate) link: Link,
    /// Whether the value stands in quotes or behind a scheme such as `Bearer`.
    pub(crate) marked: bool,
    /// Whether the value is the last word of its line.
    pub(crate) last: bool,
}

/// Longest value that is read: more than a stream holds back at once, so that one which goes on is seen to.
const MAX_VALUE: usize = 128 * 1024;
/// Longest text of an element, or part of a connection string, that is read to its own end.
const MAX_ELEMENT: usize = 512;
/// Most blanks between a name and its value: columns are aligned with them.
const MAX_BLANKS: usize = 48;
/// Longest way from a name to its value where both have a name of their own.
const MAX_PAIR: usize = 160;
const SCHEMES: &[&str] = &[
    "bearer",
    "basic",
    "token",
    "apikey",
    "api-key",
    "key",
    "bot",
    "digest",
    "negotiate",
    "ghtoken",
    "sso-key",
    "private-token",
];

/// Whether a byte may be part of a name.
fn in_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.$".contains(byte)
}

/// Reads the assignment whose name holds the keyword at `start..end`.
pub(crate) fn read(text: &[u8], start: usize, end: usize) -> Option<Assignment> {
    let name = name_around(text, start, end);
    let mut cursor = Cursor { text, at: name.1 };
    let closed = cursor.quotes().is_some() || name.0.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'[');
    cursor.skip(|byte| byte == b']' && closed);
    cursor.colours();
    let blank = cursor.blanks();
    cursor.declared();
    cursor.whose(blank);
    let link = link(&mut cursor, text, name, blank)?;
    cursor.blanks();
    cursor.colours();
    let (value, marked) = value(&mut cursor, text, name, link)?;
    let last = rest_of_line(text, value.1).iter().all(|byte| b" \t\r\"'`,;)]}\\".contains(byte));
    let telling = last || text.get(value.0..value.1).is_some_and(|value| value.iter().any(u8::is_ascii_digit));
    let link = if link == Link::Blank && telling && follows_env(text, name.0) { Link::Flag } else { link };
    (value.0 < value.1).then_some(Assignment { name, value, link, marked, last })
}

/// Whether a name stands behind the `ENV` of a Dockerfile, which needs no sign before the value.
fn follows_env(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(8)..at).unwrap_or_default();
    let word = before.trim_ascii_end().strip_suffix(b"ENV").filter(|_| before.ends_with(b" "));
    word.is_some_and(|before| before.last().is_none_or(|byte| !in_name(byte)))
}

fn rest_of_line(text: &[u8], at: usize) -> &[u8] {
    let rest = text.get(at..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(128)).unwrap_or_default();
    rest.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// The whole name that a keyword is part of.
pub(crate) fn name_around(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let before = text.get(start.saturating_sub(MAX_NAME)..start).unwrap_or_default();
    let mut first = start - before.iter().rev().take_while(|byte| in_name(byte)).count();
    first += escape_tail(text, first, start);
    // A keyword may end with the sign that follows the name.
    let signs = text.get(start..end).unwrap_or_default().iter().rev().take_while(|byte| !in_name(byte)).count();
    let end = end - signs;
    let after = text.get(end..).unwrap_or_default().iter().take(MAX_NAME);
    let mut last = end + after.take_while(|byte| in_name(byte)).count();
    while last > end && matches!(text.get(last - 1), Some(b'.' | b'-')) {
        last -= 1;
    }
    (first, last)
}

/// How many bytes at the start of a name are the tail of an escape before it: `\n`, `%26`, `\u001b[36m`.
pub(crate) fn escape_tail(text: &[u8], first: usize, limit: usize) -> usize {
    let name = text.get(first..limit).unwrap_or_default();
    let length = match (first.checked_sub(1).and_then(|at| text.get(at)), name) {
        (Some(b'\\'), [b'u', ..]) => 5,
        (Some(b'\\'), [b'x', ..]) => 3,
        (Some(b'\\'), [b'n' | b't' | b'r' | b'b' | b'f', ..]) => 1,
        (Some(b'%'), [a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 2,
        (Some(b'[' | b';'), _) => {
            let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if name.get(digits) == Some(&b'm') { digits + 1 } else { 0 }
        }
        _ => 0,
    };
    length.min(name.len())
}

/// What the half of a pair is called that is the name of the other.
const NAMES: &[&[u8]] = &[b"name", b"key", b"k", b"variable"];
/// What may stand between the two halves.
const BETWEEN: &[&[u8]] = &[b"type", b"kind", b"scope", b"id", b"masked", b"protected", b"hidden"];

/// The name in `name: NAME` that stands before a `value` at `at`, on the same line or on the one before; right before it,
/// or with what its type is between.
pub(crate) fn name_before(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = at.saturating_sub(MAX_PAIR);
    let mut at = at;
    for _ in 0..=BETWEEN.len() {
        let end = first + before_signs(text.get(first..at)?);
        let length = text.get(first..end)?.iter().rev().take_while(|byte| in_name(byte)).count();
        let label_end = first + before_signs(text.get(first..end - length)?);
        let label = text.get(first..label_end)?.to_ascii_lowercase();
        let word = label.rsplit(|byte| !byte.is_ascii_alphanumeric()).next()?;
        if length > 0 && NAMES.contains(&word) {
            return Some((end - length, end));
        }
        at = (length > 0 && BETWEEN.contains(&word)).then_some(label_end - word.len())?;
    }
    None
}

/// The name in `name: NAME` that stands right behind a value that ends at `at`, on the same line.
pub(crate) fn name_behind(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..text.len().min(at + MAX_PAIR))?;
    let signs = rest.iter().take_while(|byte| b"\"'\\, ".contains(byte)).count();
    let comma = rest.get(..signs)?.contains(&b',');
    let length = rest.get(signs..)?.iter().take_while(|byte| in_name(byte)).count();
    let label = rest.get(signs..signs + length)?;
    let named = comma && NAMES.iter().any(|name| label.eq_ignore_ascii_case(name));
    let name = read(text, at + signs, at + signs + length).filter(|pair| named && pair.link == Link::Sign)?.value;
    text.get(name.0..name.1)?.iter().all(in_name).then_some(name)
}

/// The length of a text without the quotes, signs, blanks and line ends that it ends with.
fn before_signs(text: &[u8]) -> usize {
    let mut rest = text;
    loop {
        rest = match rest {
            [before @ .., b'\\', b'n' | b'r' | b't'] => before,
            [before @ .., last] if last.is_ascii_whitespace() || b"\"'`\\:=,{".contains(last) => before,
            _ => return rest.len(),
        };
    }
}

fn link(cursor: &mut Cursor<'_>, text: &[u8], name: (usize, usize), blank: bool) -> Option<Link> {
    if cursor.sign() || cursor.element(text, name) {
        return Some(Link::Sign);
    }
    match cursor.peek() {
        // A pair of Erlang.
        Some(b',') if cursor.rest().starts_with(b",<<\"") => cursor.step(Link::Sign),
        // In an address of a manual a host follows.
        Some(b'>') if is_tag(text, name.0) && !cursor.rest().starts_with(b">@") => cursor.step(Link::Sign),
        _ if blank && is_tag(text, name.0) && cursor.attributes() => Some(Link::Sign),
        // A list of pairs, or the cells of a table; or words of a command line.
        Some(b',') if text.get(name.0) == Some(&b'-') => cursor.step(Link::Flag),
        Some(b',') => cursor.step(Link::Comma),
        Some(b'|') if blank => cursor.step(Link::Comma),
        Some(b'\\') if cursor.rest().starts_with(b"\\t") => {
            cursor.at += 2;
            Some(Link::Blank)
        }
        _ if !blank => None,
        _ if text.get(name.0) == Some(&b'-') => Some(Link::Flag),
        _ => Some(Link::Blank),
    }
}

fn value(cursor: &mut Cursor<'_>, text: &[u8], name: (usize, usize), link: Link) -> Option<((usize, usize), bool)> {
    if link == Link::Sign {
        cursor.typed();
    }
    if link == Link::Blank {
        cursor.verb();
    }
    let opened = cursor.opening();
    let scheme = cursor.scheme();
    cursor.colours();
    let start = cursor.at;
    if let Some(end) = element_end(text, name.0, start) {
        return Some(((start, end), true));
    }
    let quoted = opened.and_then(|quote| quoted_end(text, start, quote));
    if let Some(end) = quoted {
        return Some(((start, end), true));
    }
    let tight = link == Link::Sign && text.get(name.1) == Some(&b'=');
    let surrounding = quote_before(text, name.0).filter(|_| tight);
    let begins_text = surrounding.is_some_and(|quote| is_text(text, name.0 - 1 - quote.slashes));
    if let Some(end) = surrounding.filter(|_| !begins_text).and_then(|quote| quoted_end(text, start, quote)) {
        return Some(((start, end), false));
    }
    let env = tight && (begins_text || begins_word(text, name.0));
    let end = match tight.then(|| outer_end(text, name.0, start)).flatten() {
        Some(end) => end,
        None => bare_end(text, start, env || fills_line(text, name)),
    };
    let end = if env { end } else { before_stops(text, start, end) };
    Some(((start, end), opened.is_some() || scheme))
}

/// Whether a name that begins at `at` is that of an element of XML, with a namespace or without.
fn is_tag(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(24)..at).unwrap_or_default();
    let before = before.strip_suffix(b":").map_or(before, |before| {
        before.get(..before.len() - before.iter().rev().take_while(|byte| in_name(byte)).count()).unwrap_or_default()
    });
    before.ends_with(b"<")
}

/// Where the text of an element ends that begins at `start`: at its closing tag on the same line.
fn element_end(text: &[u8], name: usize, start: usize) -> Option<usize> {
    if !is_tag(text, name) || text.get(start.checked_sub(1)?) == Some(&b'"') {
        return None;
    }
    let rest = text.get(start..text.len().min(start + MAX_ELEMENT))?;
    let line = rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len()))?;
    let closing =
        [b"</".as_slice(), b"]]>", b"<\\/"].into_iter().filter_map(|tag| memchr::memmem::find(line, tag)).min()?;
    Some(start + closing)
}

/// Where a value ends that is a part of something with ends of its own: of a connection string, or of the user of a URL.
fn outer_end(text: &[u8], name: usize, start: usize) -> Option<usize> {
    let before = name.checked_sub(1).and_then(|at| text.get(at))?;
    let rest = text.get(start..text.len().min(start + MAX_ELEMENT))?;
    (*before == b';').then_some(())?;
    let length = rest.iter().position(|byte| byte.is_ascii_whitespace() || b";\"'\\".contains(byte));
    Some(start + length.unwrap_or(rest.len()))
}

/// A quote, and how many backslashes stand before it.
#[derive(Clone, Copy)]
struct Quote {
    sign: u8,
    slashes: usize,
}

/// The quote that opens just before `at`.
fn quote_before(text: &[u8], at: usize) -> Option<Quote> {
    let sign = *text.get(at.checked_sub(1)?)?;
    let before = text.get(at.saturating_sub(9)..at - 1).unwrap_or_default();
    let slashes = before.iter().rev().take_while(|&&byte| byte == b'\\').count();
    matches!(sign, b'"' | b'\'').then_some(Quote { sign, slashes })
}

/// Whether the string that opens at `at` is the value of something, as a line of a log is of `"log":`: what it begins with
/// is but a part of it then. An element of a list, such as one of an environment, is one assignment from end to end.
fn is_text(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(MAX_BLANKS)..at).unwrap_or_default().trim_ascii_end();
    before.last().is_some_and(|byte| b":=".contains(byte))
}

/// Where a value in quotes ends: at the first like quote with no more backslashes than the opening one has, but for those
/// that are the value's own, in pairs.
fn quoted_end(text: &[u8], start: usize, quote: Quote) -> Option<usize> {
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
fn begins_word(text: &[u8], at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| text.get(before)) {
        None => true,
        Some(byte) => byte.is_ascii_whitespace(),
    }
}

/// Whether a name begins a line of YAML, so that its value is all of that line up to a blank.
fn fills_line(text: &[u8], name: (usize, usize)) -> bool {
    let before = text.get(name.0.saturating_sub(MAX_BLANKS)..name.0).unwrap_or_default();
    let indent = before.iter().rev().take_while(|byte| b" -".contains(byte)).count();
    let begins = before.len().checked_sub(indent + 1).and_then(|at| before.get(at)).is_none_or(|&byte| byte == b'\n');
    begins && text.get(name.1..).is_some_and(|rest| rest.starts_with(b": ") || rest.starts_with(b" = "))
}

/// Where a value without quotes ends.
fn bare_end(text: &[u8], start: usize, env: bool) -> usize {
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
fn before_stops(text: &[u8], start: usize, end: usize) -> usize {
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

struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self, link: Link) -> Option<Link> {
        self.at += 1;
        Some(link)
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) -> bool {
        let count = self.rest().iter().take(MAX_BLANKS).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.at += count;
        count > 0
    }

    /// Colour codes, raw or as some program printed them.
    fn colours(&mut self) {
        while let Some(length) = colour(self.rest()) {
            self.at += length;
            self.blanks();
        }
    }

    /// A quote with any backslashes before it, or its entity.
    fn quotes(&mut self) -> Option<Quote> {
        let slashes = self.rest().iter().take(8).take_while(|&&byte| byte == b'\\').count();
        match self.rest().get(slashes) {
            Some(&sign @ (b'"' | b'\'' | b'`')) => {
                self.at += slashes + 1;
                Some(Quote { sign, slashes })
            }
            _ if self.rest().starts_with(b"&quot;") => {
                self.at += 6;
                Some(Quote { sign: b'&', slashes: 0 })
            }
            _ if self.rest().starts_with(b"\\u0022") => {
                self.at += 6;
                Some(Quote { sign: b'\\', slashes: 0 })
            }
            _ => None,
        }
    }

    /// `=`, `:`, `:=`, `=>`, `->`, `::=`, `%3D`, or such.
    fn sign(&mut self) -> bool {
        let rest = self.rest();
        let run = rest.iter().take(4).take_while(|byte| b"=:?|+>-~".contains(byte)).count();
        let signs = rest.get(..run).unwrap_or_default();
        let length = match rest {
            [b'%', b'3', b'D' | b'd' | b'A' | b'a', ..] => 3,
            _ if rest.starts_with(b"\\u003d") || rest.starts_with(b"\\u003D") => 6,
            // What PHP appends; a field of Haskell, of which a path has none.
            _ if rest.starts_with(b".= ") || rest.starts_with(b":: ") => 2,
            _ if signs.starts_with(b"->") => 2,
            // A path through modules, or the message that a shell prints where a variable is not set.
            _ if rest.starts_with(b"|| ") || rest.starts_with(b"<- ") => 2,
            _ if signs == b"::" || signs == b":?" => 0,
            _ if signs.first() == Some(&b'>') || signs.first() == Some(&b'-') => 0,
            _ => signs.iter().rposition(|byte| b"=:>".contains(byte)).map_or(0, |last| last + 1),
        };
        self.at += length;
        length > 0
    }

    /// A type between a name and the sign behind it, as Go declares: `var name string = value`.
    fn declared(&mut self) {
        let types = [b"string ".as_slice(), b"*string ", b"[]byte ", b"&str ", b"String "];
        let word = types.iter().find(|word| self.rest().starts_with(word)).map_or(0, |word| word.len());
        let ahead = Cursor { text: self.text, at: self.at + word };
        if ahead.rest().starts_with(b"= ") || ahead.rest().starts_with(b":= ") {
            self.at = ahead.at;
        }
    }

    /// From a name that is an element of XML, or names one, to its text: `<name>`, also in JSON that escapes the brackets;
    /// `<entry key="name">`; `<key>name</key><string>` of property lists.
    fn element(&mut self, text: &[u8], name: (usize, usize)) -> bool {
        let before = text.get(name.0.saturating_sub(8)..name.0).unwrap_or_default();
        let attribute = [b" key=\"".as_slice(), b" name=\""].iter().any(|lead| before.ends_with(lead));
        let rest = self.rest();
        let length = match rest {
            [b'>', ..] if attribute => 1,
            _ if before.ends_with(b"\\u003c") && rest.starts_with(b"\\u003e") => 6,
            _ if before.ends_with(b"<key>") && rest.starts_with(b"</key><string>") => 14,
            _ => 0,
        };
        self.at += length;
        length > 0
    }

    /// Whose a password is, up to the sign behind that: `password for user bob: VALUE`.
    fn whose(&mut self, blank: bool) {
        let Some(rest) = self.rest().strip_prefix(b"for ").filter(|_| blank) else { return };
        let rest = rest.get(..rest.len().min(48)).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b" _.@-".contains(byte))
        else {
            return;
        };
        let words = rest.get(..length).unwrap_or_default().split(|&byte| byte == b' ').count();
        if words <= 3 && rest.get(length..).is_some_and(|rest| rest.starts_with(b": ")) {
            self.at += 4 + length;
        }
    }

    /// The rest of an opening tag, and what marks its text as plain.
    fn attributes(&mut self) -> bool {
        let rest = self.rest().get(..self.rest().len().min(128)).unwrap_or_default();
        let end = rest.iter().position(|byte| b"<>\n".contains(byte)).filter(|&end| rest.get(end) == Some(&b'>'));
        self.at += end.map_or(0, |end| end + 1);
        end.is_some()
    }

    /// A type between a name and its value: `name: str = value`, `=> string(8) "value"`.
    fn typed(&mut self) {
        if let Some(rest) = self.rest().strip_prefix(b"<![CDATA[") {
            self.at = self.text.len() - rest.len();
        }
        self.tagged();
        if let Some(rest) = self.rest().strip_prefix(b"string(") {
            let digits = rest.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
            if rest.get(digits..).is_some_and(|rest| rest.starts_with(b") ")) {
                self.at += digits + 9;
            }
        }
        let word =
            self.rest().iter().take(24).take_while(|byte| byte.is_ascii_alphabetic() || b"&[]'".contains(byte)).count();
        let mut ahead = Cursor { text: self.text, at: self.at + word };
        if word > 1 && ahead.blanks() && ahead.peek() == Some(b'=') && ahead.sign() && ahead.blanks() {
            self.at = ahead.at;
        }
    }

    /// A tag or an anchor of YAML before a value: `!!str`, `&anchor`.
    fn tagged(&mut self) {
        let rest = self.rest();
        let signs = if rest.starts_with(b"!!") { 2 } else { usize::from(rest.starts_with(b"&")) };
        let word =
            rest.iter().skip(signs).take(32).take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
        let length = signs + word.count();
        // A reference of Rust has a sign behind its type.
        let declares = rest.get(length..).is_some_and(|rest| rest.starts_with(b" ="));
        if signs > 0 && length > signs && rest.get(length) == Some(&b' ') && !declares {
            self.at += length + 1;
        }
    }

    /// What a sentence has between a name and its value: `the token is VALUE`.
    fn verb(&mut self) {
        let verbs = [b"is ".as_slice(), b"was ", b"is: ", b"is now ", b"set to ", b"is set to ", b"changed to "];
        self.at += verbs.iter().rev().find(|verb| self.rest().starts_with(verb)).map_or(0, |verb| verb.len());
    }

    /// Brackets and quotes before a value.
    fn opening(&mut self) -> Option<Quote> {
        // What programs wrap a value in; those that look one up by its name are none of them.
        let wraps = [b"Some(".as_slice(), b"Secret(", b"SecretString(", b"Secret::new(", b"SecretStr(", b"Just("];
        self.at += wraps.iter().find(|wrap| self.rest().starts_with(wrap)).map_or(0, |wrap| wrap.len() - 1);
        self.skip(|byte| byte == b'[' || byte == b'(');
        if self.rest().starts_with(b"<<\"") {
            self.at += 2;
        }
        let letters = self.rest().iter().take(2).take_while(|byte| b"brufBRUF@$".contains(byte)).count();
        let mut ahead = Cursor { text: self.text, at: self.at + letters };
        let quote = ahead.quotes();
        if quote.is_some() {
            self.at = ahead.at;
            self.blanks();
        }
        quote
    }

    /// `Bearer` and its like, before the value proper.
    fn scheme(&mut self) -> bool {
        let word = self.rest().iter().take(16).take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-').count();
        let name = self.rest().get(..word).unwrap_or_default();
        let known = SCHEMES.iter().any(|scheme| name.eq_ignore_ascii_case(scheme.as_bytes()));
        let mut ahead = Cursor { text: self.text, at: self.at + word };
        let found = known && (ahead.blanks() || ahead.rest().starts_with(b"%20") || ahead.peek() == Some(b'+'));
        if found {
            ahead.at += if ahead.rest().starts_with(b"%20") { 3 } else { usize::from(ahead.peek() == Some(b'+')) };
            self.at = ahead.at;
        }
        found
    }
}

/// The length of a colour code at the start of `rest`.
pub(crate) fn colour(rest: &[u8]) -> Option<usize> {
    let lead = [b"\x1b[".as_slice(), b"\\u001b[", b"\\x1b[", b"\\033[", b"\\u001B[", b"\\x1B[", b"\\e["];
    let length = lead.iter().find(|lead| rest.starts_with(lead))?.len();
    let tail = rest.get(length..).unwrap_or_default();
    let digits = tail.iter().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    (tail.get(digits) == Some(&b'm')).then_some(length + digits + 1)
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "a test cuts its own text")]
mod tests {
    use super::*;

    fn reads(text: &str, keyword: &str) -> Option<(String, String, Link)> {
        let start = text.find(keyword).unwrap();
        let found = read(text.as_bytes(), start, start + keyword.len())?;
        Some((text[found.name.0..found.name.1].to_owned(), text[found.value.0..found.value.1].to_owned(), found.link))
    }

    #[test]
    fn reads_values_in_every_dress() {
        for (text, keyword, name, value) in [
            ("DB_TOKEN=abc,def", "TOKEN", "DB_TOKEN", "abc,def"),
            ("export DB_TOKEN=\"a b\" x", "TOKEN", "DB_TOKEN", "a b"),
            ("{\"db_token\": \"v1\", \"x\": 1}", "token", "db_token", "v1"),
            ("{\"m\":\"{\\\"token\\\":\\\"v1\\\"}\"}", "token", "token", "v1"),
            ("{'token': b'v1'}", "token", "token", "v1"),
            ("[\"A=b\", \"TOKEN=v1;x\", \"C=d\"]", "TOKEN", "TOKEN", "v1;x"),
            ("map[token:v1 other:2]", "token", "token", "v1"),
            ("&{Token:v1}", "Token", "Token", "v1"),
            ("--db-token=v1 --x", "token", "--db-token", "v1"),
            ("GET /?a=b&token=v1&x=2 HTTP", "token", "token", "v1"),
            ("token := \"v1\"", "token", "token", "v1"),
            ("token: str = \"v1\"", "token", "token", "v1"),
            ("token ?= v1", "token", "token", "v1"),
            ("Authorization: Bearer v1", "Auth", "Authorization", "v1"),
            ("\\nTOKEN=v1\\n", "TOKEN", "TOKEN", "v1"),
            ("<token>v1</token>", "token", "token", "v1"),
            ("env[\"TOKEN\"] = 'v1'", "TOKEN", "TOKEN", "v1"),
            ("token \u{1b}[36mv1\u{1b}[0m for", "token", "token", "v1"),
            ("a%26token%3Dv1%26b=c", "token", "token", "v1"),
            ("token=v1: 401", "token", "token", "v1"),
            ("the token is v1 now", "token", "token", "v1"),
            ("[\"app\",\"--token\",\"v1\"]", "token", "--token", "v1"),
            ("{\"log\":\"TOKEN=v1 PORT=8080\\n\",\"stream\":\"stdout\"}", "TOKEN", "TOKEN", "v1"),
            ("{\"log\": \"TOKEN=v1;x,y\\n\"}", "TOKEN", "TOKEN", "v1;x,y"),
            ("{\"m\":\"{\\\"log\\\":\\\"TOKEN=v1 x\\\"}\"}", "TOKEN", "TOKEN", "v1"),
            ("\"Env\":[\"TOKEN=a b c\",\"X=1\"]", "TOKEN", "TOKEN", "a b c"),
            ("msg=\"token=v1 user=bob\"", "token", "token", "v1"),
            ("-e 'TOKEN=a b c'", "TOKEN", "TOKEN", "a b c"),
            ("{\"token\": \"a\\\\\", \"z\": \"1\"}", "token", "token", "a\\\\"),
            ("{\"token\": \"a\\\\\\\"b\", \"z\": \"1\"}", "token", "token", "a\\\\\\\"b"),
            ("{\\\"token\\\":\\\"a\\\\\\\"b\\\",\\\"z\\\":1}", "token", "token", "a\\\\\\\"b"),
            ("[\"token\"]=> string(2) \"v1\"", "token", "token", "v1"),
            ("<entry key=\"token\">v1</entry>", "token", "token", "v1"),
            ("<key>token</key><string>v1</string>", "token", "token", "v1"),
            ("[{token,<<\"v1\">>}]", "token", "token", "v1"),
            ("\\u003ctoken\\u003ev1\\u003c/token\\u003e", "token", "token", "v1"),
            ("$token .= \"v1\";", "token", "$token", "v1"),
            ("var token string = \"v1\"", "token", "token", "v1"),
            ("token:: v1", "token", "token", "v1"),
            ("Config { token: Secret(\"v1\") }", "token", "token", "v1"),
            ("  token: a;b,c'd # x", "token", "token", "a;b,c'd"),
            ("token = a,b;c#d", "token", "token", "a,b;c#d"),
            ("<token>a&amp;b<c</token>", "token", "token", "a&amp;b<c"),
            ("<token type=\"x\">v1</token>", "token", "token", "v1"),
            ("<wsse:Token>v;1</wsse:Token>", "Token", "Token", "v;1"),
            ("<token><![CDATA[v1]]></token>", "token", "token", "v1"),
            ("Server=db;Token=a>=b`c;Port=1", "Token", "Token", "a>=b`c"),
            ("TOKEN=a\"b\"c x", "TOKEN", "TOKEN", "a\"b\"c"),
            ("token: !!str v1", "token", "token", "v1"),
            ("token: &anchor v1", "token", "token", "v1"),
            ("    [token] => v1", "token", "token", "v1"),
            ("token || \"v1\"", "token", "token", "v1"),
            ("token <- \"v1\"", "token", "token", "v1"),
            ("let token: &str = \"v1\";", "token", "token", "v1"),
            ("token for user bob: v1", "token", "token", "v1"),
        ] {
            let (found_name, found_value, _) = reads(text, keyword).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found_name.as_str(), found_value.as_str()), (name, value), "{text}");
        }
    }

    #[test]
    fn tells_flags_and_blanks_apart() {
        assert_eq!(reads("--token v1", "token").unwrap().2, Link::Flag);
        assert_eq!(reads("password authentication failed", "password").unwrap().2, Link::Blank);
        assert_eq!(reads("ENV DB_PASSWORD xpWB8UmF x", "PASSWORD").unwrap().2, Link::Flag);
        assert_eq!(reads("ENV DB_PASSWORD hunter", "PASSWORD").unwrap().2, Link::Flag);
        assert_eq!(reads("the ENV DB_PASSWORD names it", "PASSWORD").unwrap().2, Link::Blank);
        assert_eq!(reads("MY_ENV DB_PASSWORD hunter2", "PASSWORD").unwrap().2, Link::Blank);
        assert_eq!(reads("key, value", "key").unwrap().2, Link::Comma);
        assert_eq!(reads("token::read(x)", "token"), None);
        assert_eq!(reads("(token)", "token"), None);
        assert_eq!(reads("token", "token"), None);
    }
}
