//! Reading `name = value` in the many ways that programs print it: environment, YAML, JSON (also within JSON), Go maps,
//! Python dicts, flags, headers, queries, CSV, XML, between colour codes.

mod cursor;
mod ends;

use cursor::Cursor;
pub(crate) use cursor::colour;
use ends::{
    bare_end, before_stops, begins_word, element_end, fills_line, is_tag, is_text, outer_end, quote_before, quoted_end,
};

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

/// Longest way from a name to its value where both have a name of their own.
const MAX_PAIR: usize = 160;
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
